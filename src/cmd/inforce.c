#include "cmd/inforce.h"

#include "providers/kernel/snapshot.h"
#include "providers/nft/read.h"
#include "providers/nft/rulesets.h"

static gboolean add_rulesets(const char *ns, LwResourceSet *out, GError **error) {
  g_autoptr(GPtrArray) rulesets = lw_nft_rulesets(ns, error);
  for (guint i = 0; rulesets && i < rulesets->len; i++) {
    LwRuleset *ruleset = rulesets->pdata[i];
    LwResource *resource = lw_resource_new(LW_RES_RULESET, ns, ruleset->name);
    resource->ruleset = lw_ruleset_ref(ruleset);
    lw_resource_set_add(out, resource);
  }
  return rulesets != NULL;
}

LwResourceSet *lw_in_force(const char *const *namespaces, GError **error) {
  g_autoptr(LwResourceSet) out = lw_resource_set_new();
  if (!lw_kernel_snapshot(namespaces, out, error))
    return NULL;
  for (guint i = 0; namespaces[i]; i++)
    if (!add_rulesets(namespaces[i], out, error))
      return NULL;
  return g_steal_pointer(&out);
}

static LwResource *find_table(const LwResourceSet *seen, const LwResource *wanted, const char *table) {
  for (guint i = 0; i < seen->list->len; i++) {
    LwResource *resource = seen->list->pdata[i];
    if (resource->kind == LW_RES_RULESET && g_strcmp0(resource->ns, wanted->ns ? wanted->ns : "") == 0 &&
        resource->ruleset->family == wanted->ruleset->family && g_str_equal(resource->ruleset->name, table))
      return resource;
  }
  return NULL;
}

static void tell(GString *out, const LwResource *wanted, const LwRuleset *loaded, const char *difference) {
  g_auto(GStrv) lines = g_strsplit(difference, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    g_string_append_printf(out, "%s: table %s %s: %s\n", wanted->ns && *wanted->ns ? wanted->ns : "the host",
                           lw_family_name(loaded->family), loaded->name, lines[i]);
}

/* The normal form takes the listing's place: it is what the lines of the file can be found for. */
static void compare_one(LwResourceSet *seen, const LwResource *wanted, GString *out) {
  g_autoptr(LwRuleset) loaded = lw_nft_as_loaded(wanted->ruleset);
  LwResource *there = find_table(seen, wanted, loaded->name);
  if (!there) {
    tell(out, wanted, loaded, "it is not there");
    return;
  }
  g_autofree char *difference = lw_ruleset_difference(loaded, there->ruleset);
  if (difference)
    tell(out, wanted, loaded, difference);
  g_autoptr(LwRuleset) normal = lw_ruleset_normalize(loaded);
  LwRuleset *normal_seen = lw_ruleset_normalize(there->ruleset);
  lw_ruleset_adopt_origins(normal_seen, normal);
  lw_ruleset_unref(there->ruleset);
  there->ruleset = normal_seen;
}

char *lw_in_force_compare(LwResourceSet *seen, const LwResourceSet *wanted) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *resource = wanted->list->pdata[i];
    if (resource->kind == LW_RES_RULESET)
      compare_one(seen, resource, out);
  }
  return g_string_free(out, FALSE);
}
