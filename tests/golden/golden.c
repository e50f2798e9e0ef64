/* spec -> model -> policy -> nft and resources, for each example, compared with the files kept beside this
 * one. LW_REGENERATE=1 writes them anew: then read the difference before committing it. */
#include "policy/names.h"
#include "policy/policy.h"
#include "providers/nft/translate.h"
#include "spec/spec.h"

#include <string.h>

static const char *source_dir;

static LwLab *load(const char *name) {
  gboolean ours = g_str_equal(name, "everything"); /* every key of the file: of no use as an example */
  g_autofree char *path =
      g_strdup_printf("%s/%s/%s.yaml", source_dir, ours ? "tests/golden" : "examples", name);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  LwLab *lab = lw_spec_load(path, LW_SPEC_TWIN, secrets, diagnostics);
  for (guint i = 0; !lab && i < diagnostics->len; i++) {
    g_autofree char *text = lw_diagnostic_format(diagnostics->pdata[i], FALSE);
    g_test_message("%s", text);
  }
  g_assert_nonnull(lab);
  return lab;
}

static LwFacts *facts_for(const LwLab *lab) {
  LwFacts *facts = lw_facts_new();
  facts->cells_stand_in = TRUE;
  LwAddr resolver = lw_addr_from_v4(0xc0a80101); /* 192.168.1.1 */
  g_array_append_val(facts->wan_resolvers, resolver);
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr endpoint = lw_addr_from_v4(0x2d500001 + (i << 8)); /* 45.80.i.1 */
    g_hash_table_insert(facts->endpoints, g_strdup(lw_lab_tunnel(lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_policy_assign(lab, facts, &error));
  g_assert_no_error(error);
  return facts;
}

static void compare(const char *name, const char *what, const char *text) {
  g_autofree char *path = g_strdup_printf("%s/tests/golden/labs/%s.%s", source_dir, name, what);
  g_autoptr(GError) error = NULL;
  if (g_getenv("LW_REGENERATE")) {
    g_assert_true(g_file_set_contents(path, text, -1, &error));
    return;
  }
  g_autofree char *kept = NULL;
  g_file_get_contents(path, &kept, NULL, &error);
  g_assert_no_error(error);
  if (!g_str_equal(kept, text))
    g_test_message("%s differs: LW_REGENERATE=1 meson test --suite golden, then git diff", path);
  g_assert_cmpstr(text, ==, kept);
}

static void compare_rules(const char *name, const char *what, LwRuleset *ruleset /* transfer full */) {
  g_autofree char *text = lw_nft_print(ruleset);
  compare(name, what, text);
  lw_ruleset_unref(ruleset);
}

static char *resources_text(const LwLab *lab, LwFacts *facts) {
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_policy_compile(lab, facts, wanted, &error));
  g_assert_no_error(error);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *resource = wanted->list->pdata[i];
    if (resource->kind == LW_RES_RULESET)
      continue; /* has a golden of its own */
    g_autoptr(JsonNode) node = lw_resource_to_json(resource);
    g_autofree char *json = json_to_string(node, FALSE);
    g_string_append_printf(text, "%s\n", json);
  }
  return g_string_free(text, FALSE);
}

static void test_lab(gconstpointer data) {
  const char *name = data;
  g_autoptr(LwLab) lab = load(name);
  g_autoptr(LwFacts) facts = facts_for(lab);
  compare_rules(name, "router.nft", lw_policy_router_rules(lab, facts));
  compare_rules(name, "guard-bridge.nft", lw_policy_guard_bridge_rules(lab, facts));
  compare_rules(name, "guard-host.nft", lw_policy_guard_host_rules(lab, facts));
  g_autofree char *resources = resources_text(lab, facts);
  compare(name, "resources.jsonl", resources);
}

/* The order of the file means nothing: numbers stay, so every rule does. */
static void test_reordered(void) {
  g_autoptr(LwLab) lab = load("homelab");
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_autoptr(LwRuleset) before = lw_policy_router_rules(lab, facts);
  g_autofree char *numbers = lw_name_nic_port(facts, lab, 0, 0);
  g_autoptr(LwFacts) again = facts_for(lab);
  g_autoptr(LwRuleset) after = lw_policy_router_rules(lab, again);
  g_assert_true(lw_ruleset_equal(before, after));
  g_hash_table_insert(again->active, g_strdup("lan30"), g_strdup("de"));
  g_autoptr(LwRuleset) switched = lw_policy_router_rules(lab, again);
  g_assert_false(lw_ruleset_equal(before, switched));
  g_assert_true(lw_ruleset_equal_but_elements(before, switched));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  source_dir = g_getenv("LW_SOURCE_DIR");
  g_assert_nonnull(source_dir);
  g_test_add_data_func("/golden/homelab", "homelab", test_lab);
  g_test_add_data_func("/golden/small", "small", test_lab);
  g_test_add_data_func("/golden/everything", "everything", test_lab);
  g_test_add_func("/golden/reordered", test_reordered);
  return g_test_run();
}
