/* Any JSON that an API may answer is an item, or none; and what came out once, said again, comes out the
 * same. */
#include "providers/opnsense/api.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autofree char *text = g_strndup((const char *)data, size);
  if (!json_parser_load_from_data(parser, text, -1, NULL) || !json_parser_get_root(parser))
    return 0;
  g_autoptr(JsonObject) fields = lw_opn_api_plain(json_parser_get_root(parser), "rule");
  if (!fields)
    return 0;
  g_autoptr(JsonNode) whole = json_node_new(JSON_NODE_OBJECT);
  JsonObject *object = json_object_new();
  json_object_set_object_member(object, "rule", json_object_ref(fields));
  json_node_take_object(whole, object);
  g_autoptr(JsonObject) again = lw_opn_api_plain(whole, "rule");
  g_autoptr(JsonNode) one = json_node_new(JSON_NODE_OBJECT), two = json_node_new(JSON_NODE_OBJECT);
  json_node_set_object(one, fields);
  json_node_set_object(two, again);
  if (!json_node_equal(one, two))
    g_error("an item that is another one when it is said again");
  return 0;
}
