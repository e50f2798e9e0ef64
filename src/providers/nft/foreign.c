#include "providers/nft/foreign.h"

#include "providers/nft/run.h"

#include <json-glib/json-glib.h>

#define CALL_IPTABLES "/proc/sys/net/bridge/bridge-nf-call-iptables"

static const char *text_of(JsonObject *chain, const char *name) {
  JsonNode *node = json_object_get_member(chain, name);
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : "";
}

static gboolean drops_unknown(JsonObject *chain) {
  const char *family = text_of(chain, "family");
  return g_str_equal(text_of(chain, "hook"), "forward") && g_str_equal(text_of(chain, "policy"), "drop") &&
         (g_str_equal(family, "ip") || g_str_equal(family, "inet"));
}

GPtrArray *lw_nft_dropping_chains(const char *json) {
  g_autoptr(JsonParser) parser = json_parser_new();
  JsonNode *root = json_parser_load_from_data(parser, json, -1, NULL) ? json_parser_get_root(parser) : NULL;
  JsonNode *list = root && JSON_NODE_HOLDS_OBJECT(root)
                       ? json_object_get_member(json_node_get_object(root), "nftables")
                       : NULL;
  if (!list || !JSON_NODE_HOLDS_ARRAY(list))
    return NULL;
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  JsonArray *array = json_node_get_array(list);
  for (guint i = 0; i < json_array_get_length(array); i++) {
    JsonNode *entry = json_array_get_element(array, i);
    JsonNode *node =
        JSON_NODE_HOLDS_OBJECT(entry) ? json_object_get_member(json_node_get_object(entry), "chain") : NULL;
    JsonObject *chain = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    if (chain && drops_unknown(chain))
      g_ptr_array_add(names, g_strjoin(" ", text_of(chain, "family"), text_of(chain, "table"),
                                       text_of(chain, "name"), NULL));
  }
  return names;
}

char *lw_nft_bridge_trap(void) {
  g_autofree char *value = NULL;
  if (!g_file_get_contents(CALL_IPTABLES, &value, NULL, NULL) || !g_str_equal(g_strchomp(value), "1"))
    return NULL;
  g_autofree char *json = lw_nft_run("", "list chains", LW_NFT_JSON, NULL);
  g_autoptr(GPtrArray) names = json ? lw_nft_dropping_chains(json) : NULL;
  if (!names || names->len == 0)
    return NULL;
  g_ptr_array_add(names, NULL);
  g_autofree char *list = g_strjoinv(", ", (char **)names->pdata);
  return g_strdup_printf(
      "bridged frames pass the host's own firewall (net.bridge.bridge-nf-call-iptables is 1), and its "
      "chain %s drops what it does not know: machines of a segment may not reach each other or "
      "their router. Either: sysctl net.bridge.bridge-nf-call-iptables=0; or let them through: "
      "iptables -I FORWARD -i virbr-+ -o virbr-+ -j ACCEPT",
      list);
}
