#include "providers/nft/read.h"

#include "base/error.h"
#include "providers/nft/read-internal.h"
#include "providers/nft/translate.h"

#include <string.h>

/* --- sets
 * -------------------------------------------------------------------------------------------------- */

static JsonNode *unwrapped(JsonNode *node) {
  JsonNode *inner = lw_nft_member(lw_nft_member(node, "elem"), "val");
  return inner ? inner : node;
}

static gboolean read_key_values(const LwSet *set, LwElement *element, JsonNode *key) {
  JsonArray *parts = lw_nft_array(lw_nft_member(key, "concat"));
  guint count = parts ? json_array_get_length(parts) : 1;
  if (count != set->fields->len)
    return FALSE;
  for (guint i = 0; i < count; i++) {
    LwValue value;
    if (!lw_nft_value(parts ? json_array_get_element(parts, i) : key, g_array_index(set->fields, LwField, i),
                      &value))
      return FALSE;
    g_array_append_val(element->key, value);
  }
  return TRUE;
}

static gboolean read_data(const LwSet *set, LwElement *element, JsonNode *data) {
  if (set->kind == LW_SET_VMAP)
    return lw_nft_verdict(data, &element->verdict);
  if (!set->data_with_port)
    return lw_nft_value(data, set->data, &element->data);
  JsonArray *parts = lw_nft_array(lw_nft_member(data, "concat"));
  return parts && json_array_get_length(parts) == 2 &&
         lw_nft_value(json_array_get_element(parts, 0), set->data, &element->data) &&
         lw_nft_value(json_array_get_element(parts, 1), LW_FIELD_DPORT, &element->data_port);
}

static gboolean read_element(LwSet *set, JsonNode *node) {
  JsonArray *pair = set->kind == LW_SET_PLAIN ? NULL : lw_nft_array(node);
  if (set->kind != LW_SET_PLAIN && (!pair || json_array_get_length(pair) != 2))
    return FALSE;
  LwElement *element = lw_set_append(set, (LwOrigin){0});
  JsonNode *key = unwrapped(pair ? json_array_get_element(pair, 0) : node);
  if (read_key_values(set, element, key) &&
      (!pair || read_data(set, element, json_array_get_element(pair, 1))))
    return TRUE;
  g_ptr_array_remove_index(set->elements, set->elements->len - 1);
  return FALSE;
}

void lw_nft_read_elements(LwSet *set, JsonNode *elements) {
  JsonArray *array = lw_nft_array(elements);
  for (guint i = 0; array && i < json_array_get_length(array); i++)
    if (!read_element(set, json_array_get_element(array, i)) && !set->unknown)
      set->unknown = lw_nft_json_text(json_array_get_element(array, i));
}

LwSet *lw_nft_anonymous_set(LwRuleset *ruleset, LwSetKind kind, const GArray *fields) {
  g_autofree char *name = g_strdup_printf("#%u", ruleset->sets->len + 1);
  LwSet *set = lw_ruleset_add_set(ruleset, kind, name, FALSE, LW_FIELD_LAST);
  g_array_append_vals(set->fields, fields->data, fields->len);
  set->anonymous = TRUE;
  return set;
}

/* "ipv4_addr", or "ipv4_addr . inet_service", or one word of them. */
static void add_type_fields(GArray *fields, const char *type) {
  g_auto(GStrv) words = g_strsplit(type, " . ", -1);
  for (guint i = 0; words[i]; i++) {
    LwField field = lw_nft_type_field(words[i]);
    g_array_append_val(fields, field);
  }
}

static void add_selector_fields(GArray *fields, JsonNode *node) {
  JsonArray *parts = lw_nft_array(lw_nft_member(node, "concat"));
  guint count = parts ? json_array_get_length(parts) : 1;
  for (guint i = 0; i < count; i++) {
    LwField field = lw_nft_selector(parts ? json_array_get_element(parts, i) : node).field;
    if (field == LW_FIELD_CT_DNAT)
      field = LW_FIELD_UNKNOWN; /* bits of a status */
    g_array_append_val(fields, field);
  }
}

/* The type of a key or of a map's data. FALSE: a part of it is not understood. */
static gboolean read_type(JsonNode *node, GArray *fields) {
  JsonNode *type_of = lw_nft_member(node, "typeof");
  JsonArray *array = lw_nft_array(node);
  if (type_of)
    add_selector_fields(fields, type_of);
  else if (lw_nft_text(node))
    add_type_fields(fields, lw_nft_text(node));
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    const char *word = lw_nft_text(json_array_get_element(array, i));
    add_type_fields(fields, word ? word : "");
  }
  for (guint i = 0; i < fields->len; i++)
    if (g_array_index(fields, LwField, i) == LW_FIELD_UNKNOWN)
      return FALSE;
  return fields->len > 0;
}

static gboolean has_flag(JsonNode *node, const char *flag) {
  JsonNode *flags = lw_nft_member(node, "flags");
  JsonArray *array = lw_nft_array(flags);
  gboolean found = g_strcmp0(lw_nft_text(flags), flag) == 0;
  for (guint i = 0; array && i < json_array_get_length(array); i++)
    found = found || g_strcmp0(lw_nft_text(json_array_get_element(array, i)), flag) == 0;
  return found;
}

static gboolean read_map_type(LwSet *set, JsonNode *node) {
  if (g_strcmp0(lw_nft_text(node), "verdict") == 0) {
    set->kind = LW_SET_VMAP;
    return TRUE;
  }
  g_autoptr(GArray) fields = g_array_new(FALSE, FALSE, sizeof(LwField));
  if (!read_type(node, fields) || fields->len > 2)
    return FALSE;
  set->data = g_array_index(fields, LwField, 0);
  if (fields->len == 2) {
    LwField second = g_array_index(fields, LwField, 1);
    set->data_with_port = TRUE;
    return second == LW_FIELD_SPORT || second == LW_FIELD_DPORT;
  }
  return TRUE;
}

void lw_nft_read_set(LwRuleset *ruleset, JsonNode *node, gboolean map) {
  const char *name = lw_nft_text(lw_nft_member(node, "name"));
  LwSet *set = lw_ruleset_add_set(ruleset, map ? LW_SET_MAP : LW_SET_PLAIN, name ? name : "",
                                  has_flag(node, "interval"), LW_FIELD_LAST);
  gboolean known = read_type(lw_nft_member(node, "type"), set->fields);
  known = (!map || read_map_type(set, lw_nft_member(node, "map"))) && known && name;
  set->runtime = has_flag(node, "timeout") || has_flag(node, "dynamic");
  if (!known)
    set->unknown = lw_nft_json_text(node);
  else
    lw_nft_read_elements(set, lw_nft_member(node, "elem"));
}

/* --- chains
 * -------------------------------------------------------------------------------------------------- */

static gboolean read_hook(JsonNode *node, LwHook *out) {
  const char *name = lw_nft_text(lw_nft_member(node, "hook"));
  for (int i = LW_HOOK_PREROUTING; name && i <= LW_HOOK_EGRESS; i++) {
    if (g_str_equal(name, lw_hook_name((LwHook)i))) {
      *out = (LwHook)i;
      return TRUE;
    }
  }
  return FALSE;
}

static void read_devices(LwChain *chain, JsonNode *dev) {
  JsonArray *array = lw_nft_array(dev);
  if (lw_nft_text(dev))
    g_ptr_array_add(chain->devices, g_strdup(lw_nft_text(dev)));
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    const char *name = lw_nft_text(json_array_get_element(array, i));
    if (name)
      g_ptr_array_add(chain->devices, g_strdup(name));
  }
}

static void read_chain(LwRuleset *ruleset, JsonNode *node) {
  gint64 priority = 0;
  LwHook hook;
  const char *name = lw_nft_text(lw_nft_member(node, "name"));
  const char *type = lw_nft_text(lw_nft_member(node, "type"));
  LwChain *chain = lw_ruleset_add_chain(ruleset, name ? name : "");
  if (!lw_nft_member(node, "hook"))
    return;
  gboolean known = read_hook(node, &hook) && lw_nft_int(lw_nft_member(node, "prio"), &priority) &&
                   priority >= G_MININT && priority <= G_MAXINT;
  if (!known) {
    g_autofree char *text = lw_nft_json_text(node);
    g_ptr_array_add(ruleset->unknown, g_strdup(text));
    return;
  }
  chain->hook = hook;
  chain->priority = (int)priority;
  chain->nat = g_strcmp0(type, "nat") == 0;
  chain->reroute = g_strcmp0(type, "route") == 0;
  chain->drop = g_strcmp0(lw_nft_text(lw_nft_member(node, "policy")), "drop") == 0;
  read_devices(chain, lw_nft_member(node, "dev"));
  if ((hook == LW_HOOK_INGRESS || hook == LW_HOOK_EGRESS) && chain->devices->len == 0)
    g_ptr_array_add(ruleset->unknown, g_strdup_printf("the devices of chain %s are not listed", chain->name));
}

/* --- tables
 * -------------------------------------------------------------------------------------------------- */

typedef struct {
  GPtrArray *list;
  GHashTable *tables; /* "FAMILY NAME" -> LwRuleset* */
  GHashTable *chains; /* "FAMILY NAME CHAIN" -> LwChain* */
} Reading;

static char *table_key(const char *family, const char *table) {
  return g_strdup_printf("%s %s", family ? family : "", table ? table : "");
}

static void read_table(Reading *r, JsonNode *node) {
  LwFamily family;
  const char *family_name = lw_nft_text(lw_nft_member(node, "family"));
  const char *name = lw_nft_text(lw_nft_member(node, "name"));
  const char *comment = lw_nft_text(lw_nft_member(node, "comment"));
  g_autofree char *key = table_key(family_name, name);
  if (!name || !family_name || !lw_family_parse(family_name, &family) ||
      g_hash_table_contains(r->tables, key))
    return; /* what belongs to it is put into a table of its own below, as not understood */
  LwRuleset *ruleset = lw_ruleset_new(family, name);
  ruleset->mark = g_strdup(comment);
  ruleset->dormant = has_flag(node, "dormant");
  g_ptr_array_add(r->list, ruleset);
  g_hash_table_insert(r->tables, g_steal_pointer(&key), ruleset);
}

/* The table of an object; one that was not listed is made, so that nothing gets lost. */
static LwRuleset *table_of(Reading *r, JsonNode *node) {
  const char *family = lw_nft_text(lw_nft_member(node, "family"));
  const char *name = lw_nft_text(lw_nft_member(node, "table"));
  g_autofree char *key = table_key(family, name);
  LwRuleset *ruleset = g_hash_table_lookup(r->tables, key);
  if (ruleset)
    return ruleset;
  LwFamily known = LW_FAMILY_INET;
  gboolean sane = family && name && lw_family_parse(family, &known);
  ruleset = lw_ruleset_new(known, name ? name : "");
  g_ptr_array_add(ruleset->unknown,
                  g_strdup(sane ? "the table itself is not listed" : "its family or name is not understood"));
  g_ptr_array_add(r->list, ruleset);
  g_hash_table_insert(r->tables, g_steal_pointer(&key), ruleset);
  return ruleset;
}

static char *chain_key(const LwRuleset *ruleset, const char *chain) {
  return g_strdup_printf("%s %s %s", lw_family_name(ruleset->family), ruleset->name, chain);
}

static void note_chain(Reading *r, LwRuleset *ruleset, JsonNode *node) {
  read_chain(ruleset, node);
  LwChain *chain = ruleset->chains->pdata[ruleset->chains->len - 1];
  g_hash_table_insert(r->chains, chain_key(ruleset, chain->name), chain);
}

static void read_rule(Reading *r, LwRuleset *ruleset, JsonNode *node) {
  const char *name = lw_nft_text(lw_nft_member(node, "chain"));
  g_autofree char *key = chain_key(ruleset, name ? name : "");
  LwChain *chain = g_hash_table_lookup(r->chains, key);
  if (chain) {
    lw_nft_read_rule(ruleset, chain, node);
    return;
  }
  g_autofree char *text = lw_nft_json_text(node);
  g_ptr_array_add(ruleset->unknown, g_strdup_printf("a rule of no chain: %s", text));
}

/* Objects that rules refer to by name, and that decide nothing by themselves. */
static gboolean is_object(const char *name) {
  static const char *const names[] = {"counter",        "quota",    "limit",   "ct helper", "ct timeout",
                                      "ct expectation", "synproxy", "secmark", NULL};
  return g_strv_contains(names, name);
}

static void read_other(LwRuleset *ruleset, const char *name, JsonNode *entry) {
  g_autofree char *text = lw_nft_json_text(entry);
  if (g_str_equal(name, "flowtable"))
    g_ptr_array_add(ruleset->unknown,
                    g_strdup_printf("flows that are put into this go on past the rules: %s", text));
  else if (!is_object(name))
    g_ptr_array_add(ruleset->unknown, g_strdup(text));
}

static void read_entry(Reading *r, JsonNode *entry) {
  JsonNode *node = NULL;
  const char *name = lw_nft_only_member(entry, &node);
  if (!name || g_str_equal(name, "metainfo"))
    return;
  if (g_str_equal(name, "table")) {
    read_table(r, node);
    return;
  }
  LwRuleset *ruleset = table_of(r, node);
  if (g_str_equal(name, "chain"))
    note_chain(r, ruleset, node);
  else if (g_str_equal(name, "rule"))
    read_rule(r, ruleset, node);
  else if (g_str_equal(name, "set") || g_str_equal(name, "map"))
    lw_nft_read_set(ruleset, node, *name == 'm');
  else
    read_other(ruleset, name, entry);
}

static JsonArray *entries_of(JsonParser *parser, const char *json, GError **error) {
  if (!json_parser_load_from_data(parser, json, -1, error))
    return NULL;
  JsonArray *entries = lw_nft_array(lw_nft_member(json_parser_get_root(parser), "nftables"));
  if (!entries)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "nftables: its listing is not understood");
  return entries;
}

GPtrArray *lw_nft_read(const char *json, GError **error) {
  g_autoptr(JsonParser) parser = json_parser_new_immutable();
  JsonArray *entries = entries_of(parser, json, error);
  if (!entries)
    return NULL;
  g_autoptr(GHashTable) tables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) chains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  Reading r = {g_ptr_array_new_with_free_func((GDestroyNotify)lw_ruleset_unref), tables, chains};
  for (guint i = 0; i < json_array_get_length(entries); i++)
    read_entry(&r, json_array_get_element(entries, i));
  return r.list;
}

/* --- as loaded
 * -------------------------------------------------------------------------------------------------- */

static gboolean matches_field(const LwRule *rule, LwField field) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const LwMatch *match = rule->matches->pdata[i];
    if (!match->set && !match->negate && g_array_index(match->fields, LwField, 0) == field)
      return TRUE;
  }
  return FALSE;
}

/* As translate.c writes it: a transport protocol before a port is translated, SYN before a size is clamped.
 */
static void add_guards(const LwRuleset *ruleset, LwRule *rule) {
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    const LwSet *map = action->set ? lw_ruleset_find_set(ruleset, action->set) : NULL;
    if ((action->kind == LW_ACTION_REDIRECT ||
         (action->kind == LW_ACTION_DNAT && map && map->data_with_port)) &&
        !matches_field(rule, LW_FIELD_PROTO)) {
      lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(6));
      lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(17));
    }
    if (action->kind == LW_ACTION_CLAMP_MSS) {
      lw_rule_match(rule, LW_FIELD_TCP_FLAGS, lw_value_number(LW_TCP_SYN));
      ((LwMatch *)rule->matches->pdata[rule->matches->len - 1])->mask = LW_TCP_SYN;
    }
  }
}

static void replace_text(char **text, char *by /* transfer full */) {
  g_free(*text);
  *text = by;
}

static void rename_objects(LwRule *rule) {
  for (guint i = 0; i < rule->matches->len; i++) {
    LwMatch *match = rule->matches->pdata[i];
    if (match->set)
      replace_text(&match->set, lw_nft_object_name(match->set));
  }
  for (guint i = 0; i < rule->actions->len; i++) {
    LwAction *action = rule->actions->pdata[i];
    if (action->set)
      replace_text(&action->set, lw_nft_object_name(action->set));
    if (action->verdict.chain)
      replace_text(&action->verdict.chain, lw_nft_object_name(action->verdict.chain));
    if (action->kind == LW_ACTION_LOG)
      replace_text(&action->text, lw_nft_log_prefix(action->text));
  }
}

static void load_rule(const LwRuleset *ruleset, LwChain *to, const LwRule *from) {
  g_autofree char *comment = from->comment && *from->comment ? lw_nft_comment(from->comment) : NULL;
  LwRule *rule = lw_chain_add_rule(to, from->origin, comment);
  lw_rule_copy_matches(rule, from);
  for (guint i = 0; i < from->actions->len; i++)
    lw_action_copy(rule, from->actions->pdata[i]);
  rule->unknown = g_strdup(from->unknown);
  add_guards(ruleset, rule);
  rename_objects(rule);
}

static void load_set(LwRuleset *to, const LwSet *from) {
  g_autofree char *name = lw_nft_object_name(from->name);
  LwSet *set = lw_ruleset_add_set(to, from->kind, name, from->interval, LW_FIELD_LAST);
  g_array_append_vals(set->fields, from->fields->data, from->fields->len);
  set->data = from->data;
  set->data_with_port = from->data_with_port;
  set->runtime = from->runtime;
  for (guint i = 0; i < from->elements->len; i++) {
    LwElement *element = lw_element_copy(set, from->elements->pdata[i]);
    if (element->verdict.chain)
      replace_text(&element->verdict.chain, lw_nft_object_name(element->verdict.chain));
  }
}

LwRuleset *lw_nft_as_loaded(const LwRuleset *ruleset) {
  g_autofree char *table = lw_nft_table_name(ruleset);
  LwRuleset *out = lw_ruleset_new(ruleset->family, table);
  for (guint i = 0; i < ruleset->sets->len; i++)
    load_set(out, ruleset->sets->pdata[i]);
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const LwChain *from = ruleset->chains->pdata[i];
    g_autofree char *name = lw_nft_object_name(from->name);
    LwChain *chain = lw_ruleset_add_base_chain(out, name, from->hook, from->priority, from->nat, from->drop);
    for (guint j = 0; j < from->rules->len; j++)
      if (!((const LwRule *)from->rules->pdata[j])->unknown)
        load_rule(ruleset, chain, from->rules->pdata[j]);
  }
  return out;
}
