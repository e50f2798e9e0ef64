/* Items of a config.xml as resources, and back. */
#include "providers/opnsense/opnsense.h"

#include "base/error.h"

#include <string.h>

#define EMPTY_CONFIG "<opnsense/>"

static const char *const hidden[] = {"privkey", "psk", NULL};

/* One text for one content: members by name. */
static void append_value(GString *out, JsonNode *value);

static void append_text(GString *out, const char *text) {
  g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), text);
  g_autofree char *quoted = json_to_string(node, FALSE);
  g_string_append(out, quoted);
}

static void append_object(GString *out, JsonObject *object) {
  g_autoptr(GList) names = g_list_sort(json_object_get_members(object), (GCompareFunc)strcmp);
  const char *comma = "";
  g_string_append_c(out, '{');
  for (GList *each = names; each; each = each->next) {
    if (g_strv_contains(hidden, each->data))
      continue;
    g_string_append(out, comma);
    append_text(out, each->data);
    g_string_append_c(out, ':');
    append_value(out, json_object_get_member(object, each->data));
    comma = ",";
  }
  g_string_append_c(out, '}');
}

static void append_value(GString *out, JsonNode *value) {
  if (JSON_NODE_HOLDS_OBJECT(value))
    append_object(out, json_node_get_object(value));
  else
    append_text(out, JSON_NODE_HOLDS_VALUE(value) && json_node_get_value_type(value) == G_TYPE_STRING
                         ? json_node_get_string(value)
                         : "");
}

static JsonObject *object_of(const char *text, GError **error) {
  g_autoptr(JsonParser) parser = json_parser_new();
  if (text && json_parser_load_from_data(parser, text, -1, NULL) && json_parser_get_root(parser) &&
      JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser)))
    return json_object_ref(json_node_get_object(json_parser_get_root(parser)));
  g_set_error_literal(error, LW_ERROR, LW_ERROR_FAILED,
                      "an item of OPNsense's is damaged: its fields are no JSON");
  return NULL;
}

/* Just the fields that `names` has; what is not there is empty, as OPNsense takes it. */
static JsonObject *narrowed(JsonObject *fields, JsonObject *names) {
  JsonObject *out = json_object_new();
  JsonObjectIter iter;
  const char *name;
  JsonNode *like;
  json_object_iter_init(&iter, names);
  while (json_object_iter_next(&iter, &name, &like)) {
    JsonNode *value = json_object_get_member(fields, name);
    if (JSON_NODE_HOLDS_OBJECT(like)) {
      g_autoptr(JsonObject) nothing = json_object_new();
      JsonObject *inner = value && JSON_NODE_HOLDS_OBJECT(value) ? json_node_get_object(value) : nothing;
      json_object_set_object_member(out, name, narrowed(inner, json_node_get_object(like)));
    } else if (value) {
      json_object_set_member(out, name, json_node_copy(value));
    } else {
      json_object_set_string_member(out, name, "");
    }
  }
  return out;
}

static const char *text_in(JsonObject *object, const char *name) {
  JsonNode *node = json_object_get_member(object, name);
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : "";
}

static gboolean is_ours(JsonObject *fields) {
  return g_str_has_prefix(text_in(fields, "description"), "lanward") ||
         g_str_has_prefix(text_in(fields, "descr"), "lanward");
}

static LwResource *item_of(const LwOpnChange *item, const LwResourceSet *like, gboolean all) {
  g_autofree char *name = g_strdup_printf("%s/%s", item->kind->name, item->uuid);
  LwResource *made = lw_resource_new(LW_RES_ROUTER_ITEM, NULL, name);
  g_autofree char *key = lw_resource_key(made);
  const LwResource *known = like ? lw_resource_set_find(like, key) : NULL;
  g_autoptr(JsonObject) names = known ? object_of(known->value, NULL) : NULL;
  g_autoptr(JsonObject) fields = names ? narrowed(item->after, names) : json_object_ref(item->after);
  if (!known && !all && !is_ours(item->after)) {
    lw_resource_unref(made);
    return NULL;
  }
  g_autoptr(GString) value = g_string_new(NULL);
  append_object(value, fields);
  g_free(made->value);
  made->value = g_string_free(g_steal_pointer(&value), FALSE);
  g_free(made->link);
  made->link = g_strdup(item->descr);
  return made;
}

static LwResourceSet *items_of(const char *config, const LwResourceSet *like, gboolean whole,
                               GError **error) {
  g_autoptr(GPtrArray) by_hand = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) all = lw_opn_changes(EMPTY_CONFIG, config, by_hand, error);
  if (!all)
    return NULL;
  LwResourceSet *out = lw_resource_set_new();
  for (guint i = 0; i < all->len; i++) {
    LwResource *item = item_of(all->pdata[i], like, whole);
    if (item)
      lw_resource_set_add(out, item);
  }
  return out;
}

LwResourceSet *lw_opn_items(const char *config, const LwResourceSet *like, GError **error) {
  return items_of(config, like, FALSE, error);
}

LwResourceSet *lw_opn_all_items(const char *config, GError **error) {
  return items_of(config, NULL, TRUE, error);
}

/* ---- and back ---- */

static LwOpnChange *change_of(const LwChange *change, GError **error) {
  const LwResource *r = change->to ? change->to : change->from;
  const char *slash = r->name ? strchr(r->name, '/') : NULL;
  g_autofree char *name = slash ? g_strndup(r->name, (gsize)(slash - r->name)) : NULL;
  const LwOpnKind *kind = name ? lw_opn_kind(name) : NULL;
  if (!kind) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "an item of OPNsense's of a kind that is not known: %s",
                r->name ? r->name : "");
    return NULL;
  }
  g_autoptr(JsonObject) before = change->from ? object_of(change->from->value, error) : NULL;
  if (change->from && !before)
    return NULL;
  g_autoptr(JsonObject) after = change->to ? object_of(change->to->value, error) : NULL;
  if (change->to && !after)
    return NULL;
  LwOpnChange *made = g_new0(LwOpnChange, 1);
  made->kind = kind;
  made->uuid = g_strdup(slash + 1);
  made->descr = g_strdup(r->link ? r->link : "");
  made->before = g_steal_pointer(&before);
  made->after = g_steal_pointer(&after);
  return made;
}

/* The API changes one item at a time, and OPNsense may load what there is at any of them (an interface that
 * comes up, another administrator). So what tightens comes before what loosens: rules that pass go from the
 * last to the first, rules that block come; then what is changed in place; then rules that block go, and
 * rules that pass come from the first to the last. What rules name is set before them, and deleted after. */
typedef enum {
  RANK_PASS_GOES,
  RANK_NAMED,
  RANK_BLOCK_COMES,
  RANK_CHANGES,
  RANK_BLOCK_GOES,
  RANK_LEADS,
  RANK_PASS_COMES,
  RANK_GOES
} Rank;

static gboolean blocks(JsonObject *rule) {
  const char *action = text_in(rule, "action");
  return g_str_equal(action, "block") || g_str_equal(action, "reject");
}

static Rank rank_of(const LwOpnChange *change) {
  if (!g_str_equal(change->kind->name, "rule")) {
    if (!change->after)
      return RANK_GOES;
    return g_str_equal(change->kind->name, "forward") ? RANK_LEADS : RANK_NAMED;
  }
  if (change->before && change->after)
    return RANK_CHANGES;
  gboolean block = blocks(change->after ? change->after : change->before);
  if (change->after)
    return block ? RANK_BLOCK_COMES : RANK_PASS_COMES;
  return block ? RANK_BLOCK_GOES : RANK_PASS_GOES;
}

static gint64 sequence_of(const LwOpnChange *change) {
  return g_ascii_strtoll(text_in(change->after ? change->after : change->before, "sequence"), NULL, 10);
}

static gint by_order(gconstpointer a, gconstpointer b) {
  const LwOpnChange *x = *(LwOpnChange *const *)a, *y = *(LwOpnChange *const *)b;
  Rank rank = rank_of(x);
  if (rank != rank_of(y))
    return rank < rank_of(y) ? -1 : 1;
  gint order = x->kind < y->kind ? -1 : x->kind > y->kind;
  if (order)
    return rank == RANK_GOES ? -order : order;
  gint64 p = sequence_of(x), q = sequence_of(y);
  order = p < q ? -1 : p > q;
  if (order)
    return rank == RANK_PASS_GOES ? -order : order;
  return strcmp(x->uuid, y->uuid);
}

GPtrArray *lw_opn_item_changes(const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)lw_opn_change_free);
  for (guint i = 0; i < changes->len; i++) {
    LwOpnChange *change = change_of(changes->pdata[i], error);
    if (!change)
      return NULL;
    g_ptr_array_add(out, change);
  }
  g_ptr_array_sort(out, by_order);
  return g_steal_pointer(&out);
}
