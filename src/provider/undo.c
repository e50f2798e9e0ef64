/* Undo as data: the changes themselves, as JSON with a version. */
#include "base/error.h"
#include "provider/provider.h"

#include <string.h>

#define UNDO_VERSION 1

static void add_resource(JsonObject *json, const char *name, const LwResource *resource) {
  if (resource)
    json_object_set_member(json, name, lw_resource_to_json(resource));
}

GBytes *lw_undo_from_changes(const GPtrArray *changes) {
  JsonArray *array = json_array_new();
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    JsonObject *json = json_object_new();
    add_resource(json, "from", change->from);
    add_resource(json, "to", change->to);
    json_object_set_string_member(json, "class", lw_change_class_name(change->klass));
    json_array_add_object_element(array, json);
  }
  JsonObject *root_object = json_object_new();
  json_object_set_int_member(root_object, "version", UNDO_VERSION);
  json_object_set_array_member(root_object, "changes", array);
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(root, root_object);
  char *text = json_to_string(root, FALSE);
  return g_bytes_new_take(text, strlen(text));
}

static LwResource *member_resource(JsonObject *json, const char *name, GError **error) {
  JsonNode *node = json_object_get_member(json, name);
  return node ? lw_resource_from_json(node, error) : NULL;
}

static LwChangeClass reverse_class(const LwResource *from, const LwResource *to) {
  return !from ? LW_CHANGE_CREATE : !to ? LW_CHANGE_DELETE : lw_resource_change_class(from, to);
}

static LwChange *reverse_change(JsonNode *node, GError **error) {
  if (!JSON_NODE_HOLDS_OBJECT(node)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a stored undo is damaged: a change is no object");
    return NULL;
  }
  JsonObject *json = json_node_get_object(node);
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwResource) from = member_resource(json, "to", &inner);
  g_autoptr(LwResource) to = inner ? NULL : member_resource(json, "from", &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
  }
  if ((!from && !to) || (from && to && from->kind != to->kind)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a stored undo is damaged: a change without its resource");
    return NULL;
  }
  return lw_change_new(reverse_class(from, to), from, to);
}

static JsonArray *changes_member(JsonNode *root, GError **error) {
  JsonObject *json = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
  JsonNode *changes = json ? json_object_get_member(json, "changes") : NULL;
  gint64 version = json ? json_object_get_int_member_with_default(json, "version", 0) : 0;
  if (version == UNDO_VERSION && changes && JSON_NODE_HOLDS_ARRAY(changes))
    return json_node_get_array(changes);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
              "a stored undo is of version %" G_GINT64_FORMAT ", this program knows version %d", version,
              UNDO_VERSION);
  return NULL;
}

GPtrArray *lw_undo_to_changes(GBytes *undo, GError **error) {
  gsize length = 0;
  const char *data = g_bytes_get_data(undo, &length);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (!json_parser_load_from_data(parser, data ? data : "", (gssize)length, error))
    return NULL;
  JsonArray *array = changes_member(json_parser_get_root(parser), error);
  if (!array)
    return NULL;
  g_autoptr(GPtrArray) reverse = lw_changes_new();
  for (guint i = json_array_get_length(array); i > 0; i--) {
    LwChange *change = reverse_change(json_array_get_element(array, i - 1), error);
    if (!change)
      return NULL;
    g_ptr_array_add(reverse, change);
  }
  return g_steal_pointer(&reverse);
}

/* What a key looked like before the batch: the batch may have changed it more than once. */
typedef struct {
  char *key;
  LwResource *before; /* nullable */
  LwResource *any;    /* for observe(), which wants a resource */
} Target;

static void target_free(gpointer data) {
  Target *target = data;
  g_free(target->key);
  lw_resource_unref(target->before);
  lw_resource_unref(target->any);
  g_free(target);
}

static GPtrArray *targets_of(const GPtrArray *reverse) {
  GPtrArray *targets = g_ptr_array_new_with_free_func(target_free);
  g_autoptr(GHashTable) by_key = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < reverse->len; i++) {
    const LwChange *change = reverse->pdata[i];
    g_autofree char *key = lw_resource_key(change->to ? change->to : change->from);
    Target *target = g_hash_table_lookup(by_key, key);
    if (!target) {
      target = g_new0(Target, 1);
      target->key = g_steal_pointer(&key);
      target->any = lw_resource_ref(change->to ? change->to : change->from);
      g_ptr_array_add(targets, target);
      g_hash_table_insert(by_key, target->key, target);
    }
    lw_resource_unref(target->before);
    target->before = change->to ? lw_resource_ref(change->to) : NULL;
  }
  return targets;
}

static void add_pending(GPtrArray *pending, LwResource *seen, LwResource *before) {
  if ((!seen && !before) || (seen && before && lw_resource_equal(seen, before)))
    return;
  g_ptr_array_add(pending, lw_change_new(reverse_class(seen, before), seen, before));
}

GPtrArray *lw_undo_pending(LwProvider *provider, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) reverse = lw_undo_to_changes(undo, error);
  if (!reverse)
    return NULL;
  g_autoptr(GPtrArray) targets = targets_of(reverse);
  g_autoptr(LwResourceSet) interest = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  for (guint i = 0; i < targets->len; i++) {
    Target *target = targets->pdata[i];
    lw_resource_set_add(interest, lw_resource_ref(target->before ? target->before : target->any));
  }
  if (!lw_provider_observe(provider, interest, NULL, seen, error))
    return NULL;
  g_autoptr(GPtrArray) pending = lw_changes_new();
  for (guint i = 0; i < targets->len; i++) {
    Target *target = targets->pdata[i];
    add_pending(pending, lw_resource_set_find(seen, target->key), target->before);
  }
  return g_steal_pointer(&pending);
}
