#include "providers/nft/rulesets.h"

#include "base/error.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/nft/iptables.h"
#include "providers/nft/read.h"
#include "providers/nft/run.h"
#include "providers/nft/tables.h"

#include <string.h>

static gboolean is_extension(const char *text) {
  return text && strstr(text, "{\"xt\":") != NULL;
}

static gboolean rule_has_extension(const LwRule *rule) {
  if (is_extension(rule->unknown))
    return TRUE;
  for (guint i = 0; i < rule->matches->len; i++)
    if (is_extension(((const LwMatch *)rule->matches->pdata[i])->unknown))
      return TRUE;
  return FALSE;
}

static gboolean has_extension(const LwRuleset *ruleset) {
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const LwChain *chain = ruleset->chains->pdata[i];
    for (guint j = 0; j < chain->rules->len; j++)
      if (rule_has_extension(chain->rules->pdata[j]))
        return TRUE;
  }
  return FALSE;
}

/* NULL without an error: the program is not there, or does not know what it finds. */
static char *save(const char *ns, const char *program, const char *table, GError **error) {
  const char *const argv[] = {program, "-t", table, NULL};
  const LwCommand command = {.argv = argv, .netns = ns && *ns ? ns : NULL};
  g_autoptr(GError) inner = NULL;
  char *text = lw_command_run(&command, &inner);
  if (text || g_error_matches(inner, LW_ERROR, LW_ERROR_NOT_FOUND) ||
      g_error_matches(inner, LW_ERROR, LW_ERROR_FAILED))
    return text;
  g_propagate_error(error, g_steal_pointer(&inner));
  return NULL;
}

static LwRuleset *find_table(const GPtrArray *tables, const char *name) {
  for (guint i = 0; i < tables->len; i++)
    if (g_str_equal(((LwRuleset *)tables->pdata[i])->name, name))
      return tables->pdata[i];
  return NULL;
}

/* One of nft's rules can be two here; they share its handle. */
static guint end_of_rule(const LwChain *chain, guint at) {
  guint64 handle = ((const LwRule *)chain->rules->pdata[at])->handle;
  while (at < chain->rules->len && ((const LwRule *)chain->rules->pdata[at])->handle == handle)
    at++;
  return at;
}

static guint count_rules(const LwChain *chain) {
  guint count = 0;
  for (guint at = 0; at < chain->rules->len; at = end_of_rule(chain, at))
    count++;
  return count;
}

/* The same chains with as many rules: so both texts are of one state. */
static gboolean agree(const LwRuleset *listed, const LwRuleset *saved) {
  if (saved->unknown->len)
    return FALSE;
  for (guint i = 0; i < listed->chains->len; i++) {
    const LwChain *chain = listed->chains->pdata[i];
    const LwChain *other = lw_ruleset_find_chain(saved, chain->name);
    if (!other || count_rules(chain) != other->rules->len)
      return FALSE;
  }
  return TRUE;
}

static void copy_rule(LwChain *to, const LwRule *from, guint64 handle) {
  LwRule *rule = lw_chain_add_rule(to, from->origin, from->comment);
  lw_rule_copy_matches(rule, from);
  for (guint i = 0; i < from->actions->len; i++)
    lw_action_copy(rule, from->actions->pdata[i]);
  rule->unknown = g_strdup(from->unknown);
  rule->handle = handle;
}

static gboolean any_extension(const LwChain *chain, guint first, guint end) {
  for (guint i = first; i < end; i++)
    if (rule_has_extension(chain->rules->pdata[i]))
      return TRUE;
  return FALSE;
}

/* Rules with extensions come from iptables alone, so it knows all of them; of a rule that nft made, it leaves
 * out what it does not know. */
static void take_saved(LwChain *chain, const LwChain *saved) {
  g_autoptr(LwRuleset) holder = lw_ruleset_new(LW_FAMILY_IP, "");
  LwChain *out = lw_ruleset_add_chain(holder, "");
  for (guint at = 0, n = 0; at < chain->rules->len; n++) {
    guint end = end_of_rule(chain, at);
    guint64 handle = ((const LwRule *)chain->rules->pdata[at])->handle;
    if (any_extension(chain, at, end))
      copy_rule(out, saved->rules->pdata[n], handle);
    else
      for (guint i = at; i < end; i++)
        copy_rule(out, chain->rules->pdata[i], handle);
    at = end;
  }
  GPtrArray *before = chain->rules;
  chain->rules = out->rules;
  out->rules = before;
}

static gboolean reread(const char *ns, LwRuleset *listed, GError **error) {
  const char *program = listed->family == LW_FAMILY_IP6 ? "ip6tables-nft-save" : "iptables-nft-save";
  g_autoptr(GError) inner = NULL;
  g_autofree char *text = save(ns, program, listed->name, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  g_autoptr(GPtrArray) tables = text ? lw_iptables_read(text, listed->family) : NULL;
  LwRuleset *saved = tables ? find_table(tables, listed->name) : NULL;
  if (!saved || !agree(listed, saved))
    return TRUE; /* what is lost stays told in the rules */
  for (guint i = 0; i < listed->chains->len; i++) {
    LwChain *chain = listed->chains->pdata[i];
    take_saved(chain, lw_ruleset_find_chain(saved, chain->name));
  }
  return TRUE;
}

/* --- iptables-legacy
 * -------------------------------------------------------------------------------------------------- */

/* The kernel's names of the tables that somebody has used here. */
static char **legacy_tables(const char *ns, const char *file, GError **error) {
  int previous = ns && *ns ? lw_netns_enter(ns, error) : -1;
  if (ns && *ns && previous < 0)
    return NULL;
  g_autofree char *path = g_strconcat("/proc/thread-self/net/", file, NULL);
  g_autofree char *text = NULL;
  (void)g_file_get_contents(path, &text, NULL, NULL); /* not there: not that kernel, or none used */
  if (previous >= 0)
    lw_netns_leave(previous);
  return g_strsplit_set(text ? g_strchomp(text) : "", "\n", -1);
}

static void add_legacy(GPtrArray *rulesets, LwFamily family, const char *table, const char *text) {
  g_autoptr(GPtrArray) tables = text ? lw_iptables_read(text, family) : NULL;
  LwRuleset *saved = tables ? find_table(tables, table) : NULL;
  g_autoptr(LwRuleset) ruleset = saved ? lw_ruleset_ref(saved) : lw_ruleset_new(family, table);
  if (!saved)
    g_ptr_array_add(ruleset->unknown, g_strdup("a table of iptables-legacy: install iptables to read it"));
  g_autofree char *name = g_strconcat(table, " (legacy)", NULL);
  g_free(ruleset->name);
  ruleset->name = g_steal_pointer(&name);
  g_ptr_array_add(rulesets, g_steal_pointer(&ruleset));
}

static gboolean read_legacy(const char *ns, LwFamily family, GPtrArray *rulesets, GError **error) {
  gboolean v6 = family == LW_FAMILY_IP6;
  g_auto(GStrv) names = legacy_tables(ns, v6 ? "ip6_tables_names" : "ip_tables_names", error);
  for (guint i = 0; names && names[i]; i++) {
    if (!*names[i])
      continue;
    g_autoptr(GError) inner = NULL;
    g_autofree char *text = save(ns, v6 ? "ip6tables-legacy-save" : "iptables-legacy-save", names[i], &inner);
    if (inner) {
      g_propagate_error(error, g_steal_pointer(&inner));
      return FALSE;
    }
    add_legacy(rulesets, family, names[i], text);
  }
  return names != NULL;
}

/* --- listing
 * -------------------------------------------------------------------------------------------------- */

#define LISTING (LW_NFT_JSON | LW_NFT_STATELESS | LW_NFT_NUMERIC)

static void take_all(GPtrArray *to, GPtrArray *from /* transfer full */) {
  for (guint i = 0; i < from->len; i++)
    g_ptr_array_add(to, lw_ruleset_ref(from->pdata[i]));
  g_ptr_array_unref(from);
}

/* One table; when libnftables ends on it, a table of which that is all that is known. */
static gboolean list_table(const char *ns, const LwRuleset *table, GPtrArray *out, GError **error) {
  gboolean died = FALSE;
  g_autoptr(GError) inner = NULL;
  g_autofree char *command = g_strdup_printf("list table %s %s", lw_family_name(table->family), table->name);
  g_autofree char *json = lw_nft_run_apart(ns, command, LISTING, &died, &inner);
  GPtrArray *rulesets = json ? lw_nft_read(json, error) : NULL;
  if (rulesets)
    take_all(out, rulesets);
  if (json)
    return rulesets != NULL;
  if (!died) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  LwRuleset *lost = lw_ruleset_new(table->family, table->name);
  g_ptr_array_add(lost->unknown, g_strdup(inner->message));
  g_ptr_array_add(out, lost);
  return TRUE;
}

static GPtrArray *list_one_by_one(const char *ns, GError **error) {
  g_autoptr(GPtrArray) tables = lw_nft_tables(ns, error);
  g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)lw_ruleset_unref);
  for (guint i = 0; tables && i < tables->len; i++)
    if (!list_table(ns, tables->pdata[i], out, error))
      return NULL;
  return tables ? g_steal_pointer(&out) : NULL;
}

static GPtrArray *list_all(const char *ns, GError **error) {
  gboolean died = FALSE;
  g_autoptr(GError) inner = NULL;
  g_autofree char *json = lw_nft_run_apart(ns, "list ruleset", LISTING, &died, &inner);
  if (json)
    return lw_nft_read(json, error);
  if (died)
    return list_one_by_one(ns, error);
  g_propagate_error(error, g_steal_pointer(&inner));
  return NULL;
}

GPtrArray *lw_nft_rulesets(const char *ns, GError **error) {
  g_autoptr(GPtrArray) rulesets = list_all(ns, error);
  if (!rulesets || !lw_nft_read_tables(ns, rulesets, error))
    return NULL;
  for (guint i = 0; i < rulesets->len; i++) {
    LwRuleset *ruleset = rulesets->pdata[i];
    gboolean ip = ruleset->family == LW_FAMILY_IP || ruleset->family == LW_FAMILY_IP6;
    if (ip && has_extension(ruleset) && !reread(ns, ruleset, error))
      return NULL;
  }
  if (!read_legacy(ns, LW_FAMILY_IP, rulesets, error) || !read_legacy(ns, LW_FAMILY_IP6, rulesets, error))
    return NULL;
  return g_steal_pointer(&rulesets);
}
