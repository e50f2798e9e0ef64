/* What of the facts is kept between commands, as JSON: numbers and addresses given, and the run-time state.
 */
#include "engine/engine.h"

#include "base/error.h"

static void add_texts(JsonBuilder *builder, const char *name, GHashTable *table) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, table);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    json_builder_set_member_name(builder, key);
    json_builder_add_string_value(builder, value);
  }
  json_builder_end_object(builder);
}

static void add_numbers(JsonBuilder *builder, GHashTable *table) {
  json_builder_set_member_name(builder, "numbers");
  json_builder_begin_object(builder);
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, table);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    json_builder_set_member_name(builder, key);
    json_builder_add_int_value(builder, GPOINTER_TO_UINT(value));
  }
  json_builder_end_object(builder);
}

static void add_addresses(JsonBuilder *builder, const char *name, GHashTable *table) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, table);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    g_autofree char *text = lw_addr_format(value);
    json_builder_set_member_name(builder, key);
    json_builder_add_string_value(builder, text);
  }
  json_builder_end_object(builder);
}

static void add_cut(JsonBuilder *builder, GHashTable *cut) {
  json_builder_set_member_name(builder, "cut");
  json_builder_begin_array(builder);
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, cut);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    json_builder_add_string_value(builder, key);
  json_builder_end_array(builder);
}

char *lw_facts_to_text(const LwFacts *facts) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  add_numbers(builder, facts->numbers);
  add_addresses(builder, "leases", facts->leases);
  if (g_hash_table_size(facts->resolved))
    add_addresses(builder, "resolved", facts->resolved);
  add_texts(builder, "active", facts->active);
  add_texts(builder, "positions", facts->positions);
  add_cut(builder, facts->cut);
  json_builder_end_object(builder);
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  return json_to_string(root, FALSE);
}

static JsonObject *member_object(JsonObject *root, const char *name) {
  JsonNode *node = json_object_get_member(root, name);
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static gboolean read_numbers(LwFacts *facts, JsonObject *object) {
  g_autoptr(GList) names = json_object_get_members(object);
  for (GList *l = names; l; l = l->next) {
    JsonNode *node = json_object_get_member(object, l->data);
    gint64 number = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : 0;
    if (number <= 0 || number > G_MAXUINT16)
      return FALSE;
    g_hash_table_insert(facts->numbers, g_strdup(l->data), GUINT_TO_POINTER((guint)number));
  }
  return TRUE;
}

static const char *string_of(JsonNode *node) {
  return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

static gboolean read_addresses(GHashTable *table, JsonObject *object) {
  g_autoptr(GList) names = json_object_get_members(object);
  for (GList *l = names; l; l = l->next) {
    const char *text = string_of(json_object_get_member(object, l->data));
    LwAddr addr;
    if (!text || !lw_addr_parse(text, &addr))
      return FALSE;
    g_hash_table_insert(table, g_strdup(l->data), g_memdup2(&addr, sizeof addr));
  }
  return TRUE;
}

static gboolean read_texts(GHashTable *table, JsonObject *object) {
  g_autoptr(GList) names = json_object_get_members(object);
  for (GList *l = names; l; l = l->next) {
    const char *text = string_of(json_object_get_member(object, l->data));
    if (!text)
      return FALSE;
    g_hash_table_insert(table, g_strdup(l->data), g_strdup(text));
  }
  return TRUE;
}

static gboolean read_cut(LwFacts *facts, JsonArray *array) {
  for (guint i = 0; i < json_array_get_length(array); i++) {
    const char *text = string_of(json_array_get_element(array, i));
    if (!text)
      return FALSE;
    g_hash_table_add(facts->cut, g_strdup(text));
  }
  return TRUE;
}

gboolean lw_facts_from_text(LwFacts *facts, const char *text, GError **error) {
  g_autoptr(JsonNode) root = json_from_string(text, error);
  if (!root)
    return FALSE;
  JsonObject *object = JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
  JsonObject *numbers = object ? member_object(object, "numbers") : NULL;
  JsonObject *leases = object ? member_object(object, "leases") : NULL;
  JsonObject *resolved = object ? member_object(object, "resolved") : NULL; /* not in an older state */
  JsonObject *active = object ? member_object(object, "active") : NULL;
  JsonObject *positions = object ? member_object(object, "positions") : NULL;
  JsonNode *cut = object ? json_object_get_member(object, "cut") : NULL;
  if (numbers && leases && active && positions && cut && JSON_NODE_HOLDS_ARRAY(cut) &&
      read_numbers(facts, numbers) && read_addresses(facts->leases, leases) &&
      (!resolved || read_addresses(facts->resolved, resolved)) && read_texts(facts->active, active) &&
      read_texts(facts->positions, positions) && read_cut(facts, json_node_get_array(cut)))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the state file's facts are damaged");
  return FALSE;
}
