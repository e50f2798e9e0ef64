/* Router items: their fields are JSON. */
#include "resource/resource.h"

gboolean lw_resource_is_by_hand(const LwResource *resource) {
  return resource->kind == LW_RES_ROUTER_ITEM && g_str_has_prefix(resource->name, "by-hand/");
}

static void append_field(GString *out, const char *path, JsonNode *from, JsonNode *to);

static void append_fields(GString *out, const char *path, JsonObject *from, JsonObject *to) {
  g_autoptr(GList) names = g_list_sort(json_object_get_members(to), (GCompareFunc)g_strcmp0);
  for (GList *each = names; each; each = each->next) {
    g_autofree char *name = *path ? g_strdup_printf("%s.%s", path, (char *)each->data) : g_strdup(each->data);
    append_field(out, name, from ? json_object_get_member(from, each->data) : NULL,
                 json_object_get_member(to, each->data));
  }
}

static const char *text_of(JsonNode *node) {
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : "";
}

static void append_field(GString *out, const char *path, JsonNode *from, JsonNode *to) {
  if (JSON_NODE_HOLDS_OBJECT(to)) {
    append_fields(out, path, from && JSON_NODE_HOLDS_OBJECT(from) ? json_node_get_object(from) : NULL,
                  json_node_get_object(to));
    return;
  }
  const char *was = text_of(from), *is = text_of(to);
  if (!g_str_equal(was, is))
    g_string_append_printf(out, "%s%s %s -> %s", out->len ? ", " : "", path, *was ? was : "none",
                           *is ? is : "none");
}

char *lw_router_item_difference(const LwResource *from, const LwResource *to) {
  g_autoptr(JsonNode) was = json_from_string(from->value ? from->value : "", NULL);
  g_autoptr(JsonNode) is = json_from_string(to->value ? to->value : "", NULL);
  if (!was || !is || !JSON_NODE_HOLDS_OBJECT(was) || !JSON_NODE_HOLDS_OBJECT(is))
    return NULL;
  g_autoptr(GString) out = g_string_new(NULL);
  append_fields(out, "", json_node_get_object(was), json_node_get_object(is));
  for (gsize i = 0; i < out->len; i++)
    if (out->str[i] == '\n')
      out->str[i] = ' ';
  return out->len ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}
