/* What differs between the rules that are wanted and those in force, told to a person; and whose line of the
 * file a rule that was read back comes from. */
#include "resource/rules.h"

#define DIFFERENCES_MAX 8

typedef struct {
  GString *out;
  guint count;
} Differences;

G_GNUC_PRINTF(2, 3)
static void differ(Differences *d, const char *format, ...) {
  if (++d->count > DIFFERENCES_MAX)
    return;
  va_list args;
  va_start(args, format);
  g_string_append(d->out, d->count > 1 ? "\n" : "");
  g_string_append_vprintf(d->out, format, args);
  va_end(args);
}

static char *element_text(const LwSet *set, const LwElement *element) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < element->key->len; i++) {
    g_autofree char *text =
        lw_value_format(g_array_index(set->fields, LwField, i), &g_array_index(element->key, LwValue, i));
    g_string_append_printf(out, "%s%s", i ? " . " : "", text);
  }
  if (set->kind == LW_SET_VMAP) {
    LwAction action = {.kind = LW_ACTION_VERDICT, .verdict = element->verdict};
    g_autofree char *text = lw_action_format(&action);
    g_string_append_printf(out, " : %s", text);
  } else if (set->kind == LW_SET_MAP) {
    g_autofree char *text = lw_value_format(set->data, &element->data);
    g_autofree char *port = lw_value_format(LW_FIELD_DPORT, &element->data_port);
    g_string_append_printf(out, " : %s%s%s", text, set->data_with_port ? " . " : "",
                           set->data_with_port ? port : "");
  }
  return g_string_free(out, FALSE);
}

/* text -> element */
static GHashTable *elements_by_text(const LwSet *set) {
  GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < set->elements->len; i++)
    g_hash_table_insert(table, element_text(set, set->elements->pdata[i]), set->elements->pdata[i]);
  return table;
}

static void compare_elements(Differences *d, const LwSet *wanted, const LwSet *seen) {
  g_autoptr(GHashTable) want = elements_by_text(wanted);
  g_autoptr(GHashTable) have = elements_by_text(seen);
  for (guint i = 0; i < wanted->elements->len; i++) {
    g_autofree char *text = element_text(wanted, wanted->elements->pdata[i]);
    if (!g_hash_table_contains(have, text))
      differ(d, "%s lacks %s", wanted->name, text);
  }
  for (guint i = 0; i < seen->elements->len; i++) {
    g_autofree char *text = element_text(seen, seen->elements->pdata[i]);
    if (!g_hash_table_contains(want, text))
      differ(d, "%s holds %s, which nothing asks for", seen->name, text);
  }
}

static gboolean same_fields(const GArray *a, const GArray *b) {
  for (guint i = 0; i < MIN(a->len, b->len); i++)
    if (g_array_index(a, LwField, i) != g_array_index(b, LwField, i))
      return FALSE;
  return a->len == b->len;
}

static void compare_set(Differences *d, const LwSet *wanted, const LwSet *seen) {
  if (wanted->kind != seen->kind || wanted->data != seen->data ||
      wanted->data_with_port != seen->data_with_port || !same_fields(wanted->fields, seen->fields) ||
      seen->unknown)
    differ(d, "%s is a set of another kind than it should be", wanted->name);
  else if (!wanted->runtime)
    compare_elements(d, wanted, seen);
}

static void compare_sets(Differences *d, const LwRuleset *wanted, const LwRuleset *seen) {
  for (guint i = 0; i < wanted->sets->len; i++) {
    const LwSet *want = wanted->sets->pdata[i];
    const LwSet *have = lw_ruleset_find_set(seen, want->name);
    if (have)
      compare_set(d, want, have);
    else
      differ(d, "the set %s is missing", want->name);
  }
  for (guint i = 0; i < seen->sets->len; i++) {
    const LwSet *have = seen->sets->pdata[i];
    if (!have->anonymous && !lw_ruleset_find_set(wanted, have->name))
      differ(d, "a set %s that nothing asks for", have->name);
  }
}

static gboolean same_head(const LwChain *a, const LwChain *b) {
  return a->hook == b->hook && a->nat == b->nat && a->reroute == b->reroute && a->priority == b->priority &&
         a->drop == b->drop && a->devices->len == b->devices->len;
}

/* Rules between what both begin and both end with. */
static void compare_chain(Differences *d, const LwChain *wanted, const LwChain *seen) {
  if (!same_head(wanted, seen))
    differ(d, "chain %s has another hook, priority or policy than it should have", wanted->name);
  guint first = 0, want_end = wanted->rules->len, have_end = seen->rules->len;
  while (first < want_end && first < have_end &&
         lw_rule_equal(wanted->rules->pdata[first], seen->rules->pdata[first]))
    first++;
  while (want_end > first && have_end > first &&
         lw_rule_equal(wanted->rules->pdata[want_end - 1], seen->rules->pdata[have_end - 1])) {
    want_end--;
    have_end--;
  }
  for (guint i = first; i < want_end; i++) {
    g_autofree char *text = lw_rule_format(wanted->rules->pdata[i]);
    differ(d, "chain %s, rule %u is missing: %s", wanted->name, i + 1, text);
  }
  for (guint i = first; i < have_end; i++) {
    g_autofree char *text = lw_rule_format(seen->rules->pdata[i]);
    differ(d, "chain %s, rule %u, which nothing asks for: %s", wanted->name, i + 1, text);
  }
}

static void compare_chains(Differences *d, const LwRuleset *wanted, const LwRuleset *seen) {
  for (guint i = 0; i < wanted->chains->len; i++) {
    const LwChain *want = wanted->chains->pdata[i];
    const LwChain *have = lw_ruleset_find_chain(seen, want->name);
    if (have)
      compare_chain(d, want, have);
    else
      differ(d, "the chain %s is missing", want->name);
  }
  for (guint i = 0; i < seen->chains->len; i++) {
    const LwChain *have = seen->chains->pdata[i];
    if (!lw_ruleset_find_chain(wanted, have->name))
      differ(d, "a chain %s that nothing asks for", have->name);
  }
}

char *lw_ruleset_difference(const LwRuleset *wanted, const LwRuleset *seen) {
  g_autoptr(LwRuleset) want = lw_ruleset_normalize(wanted);
  g_autoptr(LwRuleset) have = lw_ruleset_normalize(seen);
  g_autoptr(GString) out = g_string_new(NULL);
  Differences d = {out, 0};
  if (want->family != have->family || !g_str_equal(want->name, have->name))
    differ(&d, "it is the table %s %s", lw_family_name(have->family), have->name);
  if (have->dormant != want->dormant)
    differ(&d, have->dormant ? "it is dormant: none of it is in force" : "it should be dormant");
  for (guint i = 0; i < have->unknown->len; i++)
    differ(&d, "it holds something that is not understood: %s", (const char *)have->unknown->pdata[i]);
  compare_sets(&d, want, have);
  compare_chains(&d, want, have);
  if (d.count > DIFFERENCES_MAX)
    g_string_append_printf(out, "\nand %u more", d.count - DIFFERENCES_MAX);
  return d.count ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

/* --- origins
 * -------------------------------------------------------------------------------------------------- */

static void adopt_elements(LwSet *seen, const LwSet *wanted) {
  g_autoptr(GHashTable) known = elements_by_text(wanted);
  for (guint i = 0; i < seen->elements->len; i++) {
    LwElement *element = seen->elements->pdata[i];
    g_autofree char *text = element_text(seen, element);
    const LwElement *same = g_hash_table_lookup(known, text);
    if (same)
      element->origin = same->origin;
  }
}

static void adopt_rules(LwChain *seen, const LwChain *wanted) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = wanted->rules->len; i-- > 0;)
    g_hash_table_replace(known, lw_rule_format(wanted->rules->pdata[i]), wanted->rules->pdata[i]);
  for (guint i = 0; i < seen->rules->len; i++) {
    LwRule *rule = seen->rules->pdata[i];
    const LwRule *same = i < wanted->rules->len ? wanted->rules->pdata[i] : NULL;
    g_autofree char *text = lw_rule_format(rule);
    if (!same || !lw_rule_equal(same, rule))
      same = g_hash_table_lookup(known, text);
    if (same)
      rule->origin = same->origin;
  }
}

void lw_ruleset_adopt_origins(LwRuleset *seen, const LwRuleset *wanted) {
  for (guint i = 0; i < seen->sets->len; i++) {
    LwSet *set = seen->sets->pdata[i];
    const LwSet *same = lw_ruleset_find_set(wanted, set->name);
    if (same && same->fields->len == set->fields->len && same->kind == set->kind)
      adopt_elements(set, same);
  }
  for (guint i = 0; i < seen->chains->len; i++) {
    LwChain *chain = seen->chains->pdata[i];
    const LwChain *same = lw_ruleset_find_chain(wanted, chain->name);
    if (same)
      adopt_rules(chain, same);
  }
}
