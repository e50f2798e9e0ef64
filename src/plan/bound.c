#include "plan/bound.h"

#include <string.h>

#define BOUND_SUFFIX "_bound"

char *lw_bound_name(const char *name) {
  int stem = (int)strcspn(name, "/");
  return g_strdup_printf("%.*s" BOUND_SUFFIX "%s", stem, name, name + stem);
}

static LwValue copy_value(const LwValue *value) {
  LwValue copy = *value;
  copy.name = g_strdup(value->name);
  return copy;
}

static void copy_match(LwRule *rule, const LwMatch *match) {
  if (match->set) {
    lw_rule_match_set(rule, match->set, match->negate, LW_FIELD_LAST);
    LwMatch *copy = rule->matches->pdata[rule->matches->len - 1];
    g_array_append_vals(copy->fields, match->fields->data, match->fields->len);
    return;
  }
  LwField field = g_array_index(match->fields, LwField, 0);
  for (guint i = 0; i < match->values->len; i++) {
    LwValue value = copy_value(&g_array_index(match->values, LwValue, i));
    if (match->negate)
      lw_rule_match_not(rule, field, value);
    else
      lw_rule_match(rule, field, value);
  }
}

static void copy_action(LwRule *rule, const LwAction *action) {
  LwAction *copy = lw_rule_add_action(rule, action->kind);
  copy->number = action->number;
  copy->text = g_strdup(action->text);
  copy->set = g_strdup(action->set);
  copy->verdict = (LwVerdict){action->verdict.kind, g_strdup(action->verdict.chain)};
  g_array_append_vals(copy->fields, action->fields->data, action->fields->len);
}

static gboolean decides(LwActionKind kind) {
  return kind == LW_ACTION_VERDICT || kind == LW_ACTION_VMAP || kind == LW_ACTION_REJECT ||
         kind == LW_ACTION_REJECT_TCP;
}

/* What goes with a decision: who is told of it, and how often it holds. */
static gboolean accompanies(LwActionKind kind) {
  return kind == LW_ACTION_LOG || kind == LW_ACTION_COUNT || kind == LW_ACTION_LIMIT;
}

static gboolean rule_decides(const LwRule *rule) {
  for (guint i = 0; i < rule->actions->len; i++)
    if (decides(((const LwAction *)rule->actions->pdata[i])->kind))
      return TRUE;
  return FALSE;
}

static gboolean accepts(const LwRule *rule) {
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    if (action->kind == LW_ACTION_VERDICT && action->verdict.kind == LW_VERDICT_ACCEPT)
      return TRUE;
  }
  return FALSE;
}

/* A mark that is looked up and not found ends the rule. Without the lookup the rule holds for more packets:
 * good for one that drops, not for one that accepts. */
static gboolean looks_up(const LwRule *rule) {
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    if (!decides(action->kind) && action->set)
      return TRUE;
  }
  return FALSE;
}

static void copy_rule(LwChain *chain, const LwRule *rule) {
  LwRule *copy = lw_chain_add_rule(chain, rule->origin, rule->comment);
  for (guint i = 0; i < rule->matches->len; i++)
    copy_match(copy, rule->matches->pdata[i]);
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    if (decides(action->kind) || accompanies(action->kind))
      copy_action(copy, action);
  }
}

static void copy_chain(LwRuleset *bound, const LwChain *chain) {
  LwChain *copy =
      lw_ruleset_add_base_chain(bound, chain->name, chain->hook, chain->priority, FALSE, chain->drop);
  for (guint i = 0; i < chain->rules->len; i++) {
    const LwRule *rule = chain->rules->pdata[i];
    if (rule_decides(rule) && !(looks_up(rule) && accepts(rule)))
      copy_rule(copy, rule);
  }
}

static gboolean drops(const LwRuleset *ruleset) {
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const LwChain *chain = ruleset->chains->pdata[i];
    if (!chain->nat && (chain->drop || chain->rules->len))
      return TRUE;
  }
  return FALSE;
}

LwRuleset *lw_ruleset_bound(const LwRuleset *ruleset) {
  g_autofree char *name = lw_bound_name(ruleset->name);
  g_autoptr(LwRuleset) bound = lw_ruleset_new(ruleset->family, name);
  g_ptr_array_unref(bound->sets);
  bound->sets = g_ptr_array_ref(ruleset->sets); /* a ruleset does not change once it is made */
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const LwChain *chain = ruleset->chains->pdata[i];
    if (!chain->nat)
      copy_chain(bound, chain);
  }
  return drops(bound) ? g_steal_pointer(&bound) : NULL;
}
