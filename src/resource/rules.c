#include "resource/rules.h"

#include <stdarg.h>
#include <string.h>

static void value_clear(gpointer data) {
  lw_value_clear(data);
}

void lw_value_clear(LwValue *value) {
  g_clear_pointer(&value->name, g_free);
}

gboolean lw_value_is_set(const LwValue *value) {
  return value->kind != LW_VALUE_NAME || value->name;
}

LwValue lw_value_copy(const LwValue *value) {
  LwValue copy = *value;
  copy.name = g_strdup(value->name);
  return copy;
}

static void element_free(gpointer data) {
  LwElement *element = data;
  g_array_unref(element->key);
  value_clear(&element->data);
  value_clear(&element->data_port);
  g_free(element->verdict.chain);
  g_free(element);
}

static void set_free(gpointer data) {
  LwSet *set = data;
  g_free(set->name);
  g_array_unref(set->fields);
  g_ptr_array_unref(set->elements);
  g_hash_table_unref(set->index);
  g_free(set->unknown);
  g_free(set);
}

static void match_free(gpointer data) {
  LwMatch *match = data;
  g_array_unref(match->fields);
  g_array_unref(match->values);
  g_free(match->set);
  g_free(match->unknown);
  g_free(match);
}

static void action_free(gpointer data) {
  LwAction *action = data;
  g_free(action->text);
  g_array_unref(action->fields);
  g_free(action->set);
  g_free(action->verdict.chain);
  value_clear(&action->to);
  value_clear(&action->to_port);
  g_free(action);
}

static void rule_free(gpointer data) {
  LwRule *rule = data;
  g_ptr_array_unref(rule->matches);
  g_ptr_array_unref(rule->actions);
  g_free(rule->unknown);
  g_free(rule->comment);
  g_free(rule);
}

static void chain_free(gpointer data) {
  LwChain *chain = data;
  g_free(chain->name);
  g_ptr_array_unref(chain->rules);
  g_ptr_array_unref(chain->devices);
  g_free(chain);
}

static void ruleset_clear(gpointer data) {
  LwRuleset *ruleset = data;
  g_free(ruleset->name);
  g_free(ruleset->mark);
  g_ptr_array_unref(ruleset->sets);
  g_ptr_array_unref(ruleset->chains);
  g_ptr_array_unref(ruleset->unknown);
}

LwRuleset *lw_ruleset_new(LwFamily family, const char *name) {
  LwRuleset *ruleset = g_rc_box_new0(LwRuleset);
  ruleset->family = family;
  ruleset->name = g_strdup(name);
  ruleset->sets = g_ptr_array_new_with_free_func(set_free);
  ruleset->chains = g_ptr_array_new_with_free_func(chain_free);
  ruleset->unknown = g_ptr_array_new_with_free_func(g_free);
  return ruleset;
}

LwRuleset *lw_ruleset_ref(LwRuleset *ruleset) {
  return g_rc_box_acquire(ruleset);
}

void lw_ruleset_unref(LwRuleset *ruleset) {
  if (ruleset)
    g_rc_box_release_full(ruleset, ruleset_clear);
}

static GArray *fields_from(va_list args) {
  GArray *fields = g_array_new(FALSE, FALSE, sizeof(LwField));
  for (LwField field = va_arg(args, LwField); field != LW_FIELD_LAST; field = va_arg(args, LwField))
    g_array_append_val(fields, field);
  return fields;
}

static GArray *values_new(void) {
  GArray *values = g_array_new(FALSE, TRUE, sizeof(LwValue));
  g_array_set_clear_func(values, value_clear);
  return values;
}

static gboolean values_equal(const GArray *a, const GArray *b) {
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (!lw_value_equal(&g_array_index(a, LwValue, i), &g_array_index(b, LwValue, i)))
      return FALSE;
  return TRUE;
}

static guint hash_bytes(guint hash, gconstpointer data, gsize length) {
  const guint8 *bytes = data;
  for (gsize i = 0; i < length; i++)
    hash = hash * 33 + bytes[i];
  return hash;
}

static guint hash_addr(guint hash, const LwAddr *addr) {
  return hash_bytes(hash, addr->bytes, sizeof addr->bytes);
}

static guint hash_value(guint hash, const LwValue *value) {
  hash = hash * 33 + value->kind;
  switch (value->kind) {
  case LW_VALUE_NAME:
    return hash_bytes(hash, value->name, strlen(value->name));
  case LW_VALUE_PREFIX:
    return hash_addr(hash, &value->prefix.addr) * 33 + value->prefix.len;
  case LW_VALUE_RANGE:
    return hash_addr(hash_addr(hash, &value->range.first), &value->range.last);
  case LW_VALUE_NUMBER:
    return (hash * 33 + value->first) * 33 + value->last;
  case LW_VALUE_MAC:
    return hash_bytes(hash, value->mac.bytes, sizeof value->mac.bytes);
  }
  return hash;
}

static guint element_hash(gconstpointer data) {
  const LwElement *element = data;
  guint hash = 5381;
  for (guint i = 0; i < element->key->len; i++)
    hash = hash_value(hash, &g_array_index(element->key, LwValue, i));
  return hash;
}

static gboolean element_has_key_of(gconstpointer a, gconstpointer b) {
  return values_equal(((const LwElement *)a)->key, ((const LwElement *)b)->key);
}

static void index_elements(LwSet *set) {
  if (g_hash_table_size(set->index) == set->elements->len)
    return;
  g_hash_table_remove_all(set->index);
  for (guint i = 0; i < set->elements->len; i++)
    g_hash_table_add(set->index, set->elements->pdata[i]);
}

LwSet *lw_ruleset_add_set(LwRuleset *ruleset, LwSetKind kind, const char *name, gboolean interval, ...) {
  LwSet *set = g_new0(LwSet, 1);
  set->name = g_strdup(name);
  set->kind = kind;
  set->interval = interval;
  va_list args;
  va_start(args, interval);
  set->fields = fields_from(args);
  va_end(args);
  set->elements = g_ptr_array_new_with_free_func(element_free);
  set->index = g_hash_table_new(element_hash, element_has_key_of);
  g_ptr_array_add(ruleset->sets, set);
  return set;
}

LwSet *lw_ruleset_find_set(const LwRuleset *ruleset, const char *name) {
  for (guint i = 0; i < ruleset->sets->len; i++) {
    LwSet *set = ruleset->sets->pdata[i];
    if (g_str_equal(set->name, name))
      return set;
  }
  return NULL;
}

LwChain *lw_ruleset_add_base_chain(LwRuleset *ruleset, const char *name, LwHook hook, int priority,
                                   gboolean nat, gboolean drop) {
  LwChain *chain = lw_ruleset_add_chain(ruleset, name);
  chain->hook = hook;
  chain->priority = priority;
  chain->nat = nat;
  chain->drop = drop;
  return chain;
}

LwChain *lw_ruleset_add_chain(LwRuleset *ruleset, const char *name) {
  LwChain *chain = g_new0(LwChain, 1);
  chain->name = g_strdup(name);
  chain->rules = g_ptr_array_new_with_free_func(rule_free);
  chain->devices = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(ruleset->chains, chain);
  return chain;
}

LwChain *lw_ruleset_find_chain(const LwRuleset *ruleset, const char *name) {
  for (guint i = 0; i < ruleset->chains->len; i++) {
    LwChain *chain = ruleset->chains->pdata[i];
    if (g_str_equal(chain->name, name))
      return chain;
  }
  return NULL;
}

LwValue lw_value_name(const char *name) {
  return (LwValue){.kind = LW_VALUE_NAME, .name = g_strdup(name)};
}

LwValue lw_value_prefix(LwPrefix prefix) {
  return (LwValue){.kind = LW_VALUE_PREFIX, .prefix = lw_prefix_network(&prefix)};
}

LwValue lw_value_addr(LwAddr addr) {
  return (LwValue){.kind = LW_VALUE_PREFIX, .prefix = lw_prefix_make(addr, addr.family == 6 ? 128 : 32)};
}

LwValue lw_value_range(LwRange range) {
  return (LwValue){.kind = LW_VALUE_RANGE, .range = range};
}

LwValue lw_value_number(guint32 number) {
  return lw_value_numbers(number, number);
}

LwValue lw_value_numbers(guint32 first, guint32 last) {
  return (LwValue){.kind = LW_VALUE_NUMBER, .first = first, .last = last};
}

LwValue lw_value_mac(LwMac mac) {
  return (LwValue){.kind = LW_VALUE_MAC, .mac = mac};
}

gboolean lw_value_equal(const LwValue *a, const LwValue *b) {
  if (a->kind != b->kind)
    return FALSE;
  switch (a->kind) {
  case LW_VALUE_NAME:
    return g_strcmp0(a->name, b->name) == 0;
  case LW_VALUE_PREFIX:
    return lw_prefix_equal(&a->prefix, &b->prefix);
  case LW_VALUE_RANGE:
    return lw_range_equal(&a->range, &b->range);
  case LW_VALUE_NUMBER:
    return a->first == b->first && a->last == b->last;
  case LW_VALUE_MAC:
    return lw_mac_equal(&a->mac, &b->mac);
  }
  return FALSE;
}

LwElement *lw_set_append(LwSet *set, LwOrigin origin) {
  LwElement *element = g_new0(LwElement, 1);
  element->key = values_new();
  element->origin = origin;
  g_ptr_array_add(set->elements, element);
  return element;
}

LwElement *lw_set_add(LwSet *set, const LwValue *key, guint count, LwOrigin origin) {
  g_assert(count == set->fields->len);
  index_elements(set);
  GArray keys = {.data = (char *)key, .len = count};
  LwElement wanted = {.key = &keys};
  LwElement *present = g_hash_table_lookup(set->index, &wanted);
  if (present) {
    for (guint j = 0; j < count; j++)
      g_free(key[j].name);
    return present;
  }
  LwElement *element = lw_set_append(set, origin);
  g_array_append_vals(element->key, key, count);
  g_hash_table_add(set->index, element);
  return element;
}

LwRule *lw_chain_add_rule(LwChain *chain, LwOrigin origin, const char *comment) {
  LwRule *rule = g_new0(LwRule, 1);
  rule->matches = g_ptr_array_new_with_free_func(match_free);
  rule->actions = g_ptr_array_new_with_free_func(action_free);
  rule->origin = origin;
  rule->comment = g_strdup(comment);
  g_ptr_array_add(chain->rules, rule);
  return rule;
}

LwMatch *lw_rule_add_match(LwRule *rule) {
  LwMatch *match = g_new0(LwMatch, 1);
  match->fields = g_array_new(FALSE, FALSE, sizeof(LwField));
  match->values = values_new();
  g_ptr_array_add(rule->matches, match);
  return match;
}

static LwRule *match_value(LwRule *rule, LwField field, LwValue value, gboolean negate) {
  LwMatch *last = rule->matches->len ? rule->matches->pdata[rule->matches->len - 1] : NULL;
  /* the same field again: one of several values */
  if (!last || last->set || last->negate != negate || last->mask ||
      g_array_index(last->fields, LwField, 0) != field) {
    last = lw_rule_add_match(rule);
    g_array_append_val(last->fields, field);
    last->negate = negate;
  }
  g_array_append_val(last->values, value);
  return rule;
}

LwRule *lw_rule_match(LwRule *rule, LwField field, LwValue value) {
  return match_value(rule, field, value, FALSE);
}

LwRule *lw_rule_match_not(LwRule *rule, LwField field, LwValue value) {
  return match_value(rule, field, value, TRUE);
}

LwRule *lw_rule_match_set(LwRule *rule, const char *set, gboolean negate, ...) {
  LwMatch *match = lw_rule_add_match(rule);
  g_array_unref(match->fields);
  va_list args;
  va_start(args, negate);
  match->fields = fields_from(args);
  va_end(args);
  match->set = g_strdup(set);
  match->negate = negate;
  return rule;
}

static void copy_fields(GArray *to, const GArray *from) {
  if (from->len)
    g_array_append_vals(to, from->data, from->len);
}

static void copy_values(GArray *to, const GArray *from) {
  for (guint i = 0; i < from->len; i++) {
    LwValue value = lw_value_copy(&g_array_index(from, LwValue, i));
    g_array_append_val(to, value);
  }
}

LwMatch *lw_match_copy(LwRule *to, const LwMatch *from) {
  LwMatch *match = lw_rule_add_match(to);
  copy_fields(match->fields, from->fields);
  copy_values(match->values, from->values);
  match->negate = from->negate;
  match->mask = from->mask;
  match->set = g_strdup(from->set);
  match->unknown = g_strdup(from->unknown);
  return match;
}

void lw_rule_copy_matches(LwRule *to, const LwRule *from) {
  for (guint i = 0; i < from->matches->len; i++)
    lw_match_copy(to, from->matches->pdata[i]);
}

LwAction *lw_action_copy(LwRule *to, const LwAction *from) {
  LwAction *action = lw_rule_add_action(to, from->kind);
  copy_fields(action->fields, from->fields);
  action->number = from->number;
  action->keep = from->keep;
  action->negate = from->negate;
  action->text = g_strdup(from->text);
  action->set = g_strdup(from->set);
  action->verdict = (LwVerdict){from->verdict.kind, g_strdup(from->verdict.chain)};
  action->to = lw_value_copy(&from->to);
  action->to_port = lw_value_copy(&from->to_port);
  return action;
}

LwElement *lw_element_copy(LwSet *to, const LwElement *from) {
  LwElement *element = lw_set_append(to, from->origin);
  copy_values(element->key, from->key);
  element->data = lw_value_copy(&from->data);
  element->data_port = lw_value_copy(&from->data_port);
  element->verdict = (LwVerdict){from->verdict.kind, g_strdup(from->verdict.chain)};
  return element;
}

LwAction *lw_rule_add_action(LwRule *rule, LwActionKind kind) {
  LwAction *action = g_new0(LwAction, 1);
  action->kind = kind;
  action->fields = g_array_new(FALSE, FALSE, sizeof(LwField));
  g_ptr_array_add(rule->actions, action);
  return action;
}

LwRule *lw_rule_verdict(LwRule *rule, LwVerdictKind kind, const char *chain) {
  LwAction *action = lw_rule_add_action(rule, LW_ACTION_VERDICT);
  action->verdict = (LwVerdict){kind, g_strdup(chain)};
  return rule;
}

LwRule *lw_rule_lookup(LwRule *rule, LwActionKind kind, const char *set, ...) {
  LwAction *action = lw_rule_add_action(rule, kind);
  g_array_unref(action->fields);
  va_list args;
  va_start(args, set);
  action->fields = fields_from(args);
  va_end(args);
  action->set = g_strdup(set);
  return rule;
}

/* Comparison */

static gboolean fields_equal(const GArray *a, const GArray *b) {
  return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(LwField)) == 0);
}

static gboolean verdict_equal(const LwVerdict *a, const LwVerdict *b) {
  return a->kind == b->kind && g_strcmp0(a->chain, b->chain) == 0;
}

gboolean lw_element_equal(const LwElement *a, const LwElement *b) {
  return values_equal(a->key, b->key) && lw_value_equal(&a->data, &b->data) &&
         lw_value_equal(&a->data_port, &b->data_port) && verdict_equal(&a->verdict, &b->verdict);
}

static gboolean set_shape_equal(const LwSet *a, const LwSet *b) {
  return g_str_equal(a->name, b->name) && a->kind == b->kind && fields_equal(a->fields, b->fields) &&
         a->data == b->data && a->data_with_port == b->data_with_port && a->interval == b->interval &&
         a->runtime == b->runtime && a->anonymous == b->anonymous && g_strcmp0(a->unknown, b->unknown) == 0;
}

/* A run-time set is filled by the running system: two are equal whatever they hold. */
static gboolean set_elements_equal(const LwSet *a, const LwSet *b) {
  if (a->runtime)
    return TRUE;
  if (a->elements->len != b->elements->len)
    return FALSE;
  for (guint i = 0; i < a->elements->len; i++) {
    const LwElement *wanted = a->elements->pdata[i];
    gboolean found = lw_element_equal(wanted, b->elements->pdata[i]); /* mostly in the same order */
    for (guint j = 0; j < b->elements->len && !found; j++)
      found = lw_element_equal(wanted, b->elements->pdata[j]);
    if (!found)
      return FALSE;
  }
  return TRUE;
}

static gboolean match_equal(const LwMatch *a, const LwMatch *b) {
  return fields_equal(a->fields, b->fields) && a->negate == b->negate && a->mask == b->mask &&
         g_strcmp0(a->set, b->set) == 0 && g_strcmp0(a->unknown, b->unknown) == 0 &&
         values_equal(a->values, b->values);
}

static gboolean action_equal(const LwAction *a, const LwAction *b) {
  return a->kind == b->kind && a->number == b->number && a->keep == b->keep && a->negate == b->negate &&
         g_strcmp0(a->text, b->text) == 0 && fields_equal(a->fields, b->fields) &&
         g_strcmp0(a->set, b->set) == 0 && verdict_equal(&a->verdict, &b->verdict) &&
         lw_value_equal(&a->to, &b->to) && lw_value_equal(&a->to_port, &b->to_port);
}

gboolean lw_rule_equal(const LwRule *a, const LwRule *b) {
  if (a->matches->len != b->matches->len || a->actions->len != b->actions->len ||
      g_strcmp0(a->unknown, b->unknown) != 0 || g_strcmp0(a->comment, b->comment) != 0)
    return FALSE;
  for (guint i = 0; i < a->matches->len; i++)
    if (!match_equal(a->matches->pdata[i], b->matches->pdata[i]))
      return FALSE;
  for (guint i = 0; i < a->actions->len; i++)
    if (!action_equal(a->actions->pdata[i], b->actions->pdata[i]))
      return FALSE;
  return TRUE;
}

static gboolean texts_equal(const GPtrArray *a, const GPtrArray *b) {
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (!g_str_equal(a->pdata[i], b->pdata[i]))
      return FALSE;
  return TRUE;
}

static gboolean chain_head_equal(const LwChain *a, const LwChain *b) {
  return g_str_equal(a->name, b->name) && a->hook == b->hook && a->nat == b->nat &&
         a->reroute == b->reroute && a->priority == b->priority && a->drop == b->drop &&
         texts_equal(a->devices, b->devices);
}

static gboolean chain_equal(const LwChain *a, const LwChain *b) {
  if (!chain_head_equal(a, b) || a->rules->len != b->rules->len)
    return FALSE;
  for (guint i = 0; i < a->rules->len; i++)
    if (!lw_rule_equal(a->rules->pdata[i], b->rules->pdata[i]))
      return FALSE;
  return TRUE;
}

gboolean lw_ruleset_equal_but_elements(const LwRuleset *a, const LwRuleset *b) {
  if (a->family != b->family || !g_str_equal(a->name, b->name) || a->dormant != b->dormant ||
      a->stateful != b->stateful || a->sets->len != b->sets->len || a->chains->len != b->chains->len ||
      !texts_equal(a->unknown, b->unknown))
    return FALSE;
  for (guint i = 0; i < a->sets->len; i++)
    if (!set_shape_equal(a->sets->pdata[i], b->sets->pdata[i]))
      return FALSE;
  for (guint i = 0; i < a->chains->len; i++)
    if (!chain_equal(a->chains->pdata[i], b->chains->pdata[i]))
      return FALSE;
  return TRUE;
}

gboolean lw_ruleset_equal(const LwRuleset *a, const LwRuleset *b) {
  if (!lw_ruleset_equal_but_elements(a, b))
    return FALSE;
  for (guint i = 0; i < a->sets->len; i++)
    if (!set_elements_equal(a->sets->pdata[i], b->sets->pdata[i]))
      return FALSE;
  return TRUE;
}
