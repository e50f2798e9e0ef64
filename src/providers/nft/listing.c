#include "providers/nft/listing.h"

#include "base/addr.h"
#include "base/error.h"

#include <json-glib/json-glib.h>
#include <string.h>

static void canonicalise(JsonNode *node);

static int compare_nodes(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Elements as sorted texts: the kernel lists hashed sets in any order. */
static JsonNode *sorted(JsonNode *elements) {
  JsonArray *array = json_node_get_array(elements);
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < json_array_get_length(array); i++)
    g_ptr_array_add(texts, json_to_string(json_array_get_element(array, i), FALSE));
  g_ptr_array_sort(texts, compare_nodes);
  g_autoptr(JsonArray) result = json_array_sized_new(texts->len);
  for (guint i = 0; i < texts->len; i++)
    json_array_add_string_element(result, texts->pdata[i]);
  JsonNode *node = json_node_new(JSON_NODE_ARRAY);
  json_node_set_array(node, result);
  return node;
}

static JsonObject *member_object(JsonObject *object, const char *name) {
  JsonNode *node = json_object_get_member(object, name);
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static void canonicalise_object(JsonObject *object) {
  json_object_remove_member(object, "handle");
  json_object_remove_member(object, "metainfo");
  JsonObject *counter = member_object(object, "counter");
  if (counter) {
    json_object_remove_member(counter, "packets");
    json_object_remove_member(counter, "bytes");
  }
  g_autoptr(GList) values = json_object_get_values(object);
  for (GList *at = values; at; at = at->next)
    canonicalise(at->data);
  JsonNode *elements = json_object_get_member(object, "elem");
  if (elements && JSON_NODE_HOLDS_ARRAY(elements))
    json_object_set_member(object, "elem", sorted(elements));
}

static void canonicalise(JsonNode *node) {
  if (JSON_NODE_HOLDS_OBJECT(node)) {
    canonicalise_object(json_node_get_object(node));
  } else if (JSON_NODE_HOLDS_ARRAY(node)) {
    JsonArray *array = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(array); i++)
      canonicalise(json_array_get_element(array, i));
  }
}

/* The "nftables" array of a listing; borrowed from the parser. */
static JsonArray *listing_of(JsonParser *parser, const char *json, GError **error) {
  if (!json_parser_load_from_data(parser, json, -1, error))
    return NULL;
  JsonNode *root = json_parser_get_root(parser);
  JsonNode *node = root && JSON_NODE_HOLDS_OBJECT(root)
                       ? json_object_get_member(json_node_get_object(root), "nftables")
                       : NULL;
  if (node && JSON_NODE_HOLDS_ARRAY(node))
    return json_node_get_array(node);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "nftables: its listing is not understood");
  return NULL;
}

/* The set or map that an entry of the listing is, when it is called one of `names`. */
static JsonObject *runtime_set(JsonNode *entry, const char *const *names) {
  JsonObject *object = JSON_NODE_HOLDS_OBJECT(entry) ? json_node_get_object(entry) : NULL;
  JsonObject *set = object ? member_object(object, "set") : NULL;
  if (object && !set)
    set = member_object(object, "map");
  const char *name = set ? json_object_get_string_member_with_default(set, "name", NULL) : NULL;
  return name && names && g_strv_contains(names, name) ? set : NULL;
}

char *lw_nft_listing_digest(const char *json, const char *const *runtime_sets, GError **error) {
  g_autoptr(JsonParser) parser = json_parser_new();
  JsonArray *listing = listing_of(parser, json, error);
  if (!listing)
    return NULL;
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  for (guint i = 0; i < json_array_get_length(listing); i++) {
    JsonNode *entry = json_array_get_element(listing, i);
    JsonObject *set = runtime_set(entry, runtime_sets);
    if (set)
      json_object_remove_member(set, "elem");
    canonicalise(entry);
    g_autofree char *text = json_to_string(entry, FALSE);
    g_checksum_update(sum, (const guchar *)text, -1);
    g_checksum_update(sum, (const guchar *)"\n", 1);
  }
  return g_strdup(g_checksum_get_string(sum));
}

static const char *text_of(JsonNode *node) {
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

static char *range_text(JsonNode *range) {
  if (!range || !JSON_NODE_HOLDS_ARRAY(range) || json_array_get_length(json_node_get_array(range)) != 2)
    return NULL;
  const char *first = text_of(json_array_get_element(json_node_get_array(range), 0));
  const char *last = text_of(json_array_get_element(json_node_get_array(range), 1));
  return first && last ? g_strdup_printf("%s-%s", first, last) : NULL;
}

static char *prefix_text(JsonObject *prefix) {
  const char *addr = prefix ? text_of(json_object_get_member(prefix, "addr")) : NULL;
  return addr ? g_strdup_printf("%s/%" G_GINT64_FORMAT, addr,
                                json_object_get_int_member_with_default(prefix, "len", -1))
              : NULL;
}

/* An element that is an address, a prefix or a range; NULL for anything else. */
static char *address_text(JsonNode *element) {
  g_autofree char *text = NULL;
  if (JSON_NODE_HOLDS_OBJECT(element)) {
    JsonObject *object = json_node_get_object(element);
    text = json_object_has_member(object, "range") ? range_text(json_object_get_member(object, "range"))
                                                   : prefix_text(member_object(object, "prefix"));
  } else {
    text = g_strdup(text_of(element));
  }
  LwRange range;
  return text && lw_range_parse(text, &range) ? g_steal_pointer(&text) : NULL;
}

static char *elements_text(JsonNode *elements) {
  g_autoptr(GString) out = g_string_new(NULL);
  if (elements && !JSON_NODE_HOLDS_ARRAY(elements))
    return NULL;
  JsonArray *array = elements ? json_node_get_array(elements) : NULL;
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    g_autofree char *text = address_text(json_array_get_element(array, i));
    if (!text)
      return NULL;
    g_string_append_printf(out, "%s%s", i ? ", " : "", text);
  }
  return g_string_free(g_steal_pointer(&out), FALSE);
}

GHashTable *lw_nft_listing_runtime(const char *json, const char *const *runtime_sets) {
  GHashTable *found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(JsonParser) parser = json_parser_new();
  JsonArray *listing = listing_of(parser, json, NULL);
  for (guint i = 0; listing && i < json_array_get_length(listing); i++) {
    JsonObject *set = runtime_set(json_array_get_element(listing, i), runtime_sets);
    char *text = set ? elements_text(json_object_get_member(set, "elem")) : NULL;
    if (text)
      g_hash_table_replace(found, g_strdup(json_object_get_string_member(set, "name")), text);
  }
  return found;
}

char *lw_nft_listing_mark(const char *text) {
  static const char opening[] = "\n\tcomment \"";
  const char *newline = strchr(text, '\n');
  if (!newline || !g_str_has_prefix(newline, opening))
    return NULL;
  const char *mark = newline + strlen(opening);
  return g_strndup(mark, strcspn(mark, "\"\n"));
}
