/* The same lab on both routers, proved: by the builtin router's compiled rules, and by pf's rules of the
 * config.xml that is made of it. */
#include "import/import.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/lab.h"
#include "spec/spec.h"
#include "verify/routers.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *source_dir;

static LwLab *load(const char *path) {
  g_autofree char *whole = g_build_filename(source_dir, path, NULL);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  LwLab *lab = lw_spec_load(whole, LW_SPEC_TWIN, secrets, diagnostics);
  g_assert_nonnull(lab);
  return lab;
}

/* What stands for WAN's lease, on both. */
static LwFacts *facts_for(const LwLab *lab) {
  LwFacts *facts = lw_facts_new();
  g_autoptr(GError) error = NULL;
  LwAddr resolver;
  facts->bridge_meta = facts->cells_stand_in = TRUE;
  g_assert_true(lw_addr_parse("203.0.113.1", &resolver));
  g_array_append_val(facts->wan_resolvers, resolver);
  g_assert_true(lw_prefix_parse("203.0.113.0/24", &facts->home_lan));
  g_assert_true(lw_policy_assign(lab, facts, &error));
  g_assert_no_error(error);
  return facts;
}

static LwResourceSet *wanted_of(const LwLab *lab, LwFacts *facts) {
  LwResourceSet *wanted = lw_resource_set_new();
  g_autoptr(GError) error = NULL;
  if (!lw_policy_compile(lab, facts, wanted, &error))
    g_error("%s", error->message);
  g_assert_no_error(error);
  return wanted;
}

static LwResourceSet *builtin_world(const LwResourceSet *wanted, const LwFacts *facts) {
  LwResourceSet *world = lw_static_with_lease(wanted, facts);
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, facts->router_ns, NULL);
  address->link = g_strdup(LW_ROUTER_WAN);
  g_assert_true(lw_prefix_parse("203.0.113.2/24", &address->prefix));
  lw_resource_set_add(world, address);
  return world;
}

/* ---- both routers of a lab ---- */

typedef struct {
  LwLab *lab;
  LwFacts *facts;
  LwMddPool *pool;
  LwResourceSet *wanted, *builtin_world, *opnsense_world;
  LwOpn *opn;
  LwOpnLinks *links;
  LwPf *pf;
  GHashTable *legs;
  LwStatic *builtin, *opnsense;
} Both;

static char *config_of(const LwLab *lab, LwFacts *facts) {
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  char *text = lw_opn_config(lab, facts, NULL, NULL, notes, &error);
  g_assert_no_error(error);
  return text;
}

static void read_config(Both *both, const char *text) {
  g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  both->opn = lw_opn_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  both->links = lw_opn_links_guess(both->opn);
  both->pf = lw_pf_generate(both->opn, both->links, NULL);
  both->legs = lw_opn_legs(both->lab, both->pf, missing);
  g_assert_cmpuint(missing->len, ==, 0);
}

/* text NULL: the config.xml that is made of the lab. */
static void prove_both(Both *both, const char *path, const char *text, const char *active) {
  *both = (Both){.lab = load(path), .pool = lw_mdd_pool_new()};
  both->facts = facts_for(both->lab);
  if (active)
    g_hash_table_insert(both->facts->active, g_strdup("lan30"), g_strdup(active));
  both->wanted = wanted_of(both->lab, both->facts);
  g_autofree char *made = config_of(both->lab, both->facts);
  read_config(both, text ? text : made);
  both->builtin_world = builtin_world(both->wanted, both->facts);
  both->opnsense_world = lw_opn_lab_world(both->facts, both->pf, both->legs, both->wanted);
  both->builtin = lw_static_prove(both->pool, both->lab, both->facts, both->builtin_world);
  both->opnsense = lw_static_prove(both->pool, both->lab, both->facts, both->opnsense_world);
}

static void both_clear(Both *both) {
  lw_static_free(both->builtin);
  lw_static_free(both->opnsense);
  lw_resource_set_free(both->wanted);
  lw_resource_set_free(both->builtin_world);
  lw_resource_set_free(both->opnsense_world);
  g_hash_table_unref(both->legs);
  lw_pf_free(both->pf);
  lw_opn_links_free(both->links);
  lw_opn_free(both->opn);
  lw_facts_free(both->facts);
  lw_mdd_pool_free(both->pool);
  lw_lab_free(both->lab);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Both, both_clear)

static void assert_proved(const LwStatic *proof, const char *who) {
  for (guint i = 0; i < proof->violations->len; i++) {
    g_autofree char *text = lw_static_violation_format(proof->violations->pdata[i]);
    g_test_message("%s: %s", who, text);
  }
  g_assert_cmpuint(proof->violations->len, ==, 0);
}

static void compare(const char *name, const char *text) {
  g_autofree char *path = g_strdup_printf("%s/tests/golden/opnsense/%s.differences", source_dir, name);
  g_autofree char *kept = NULL;
  g_autoptr(GError) error = NULL;
  if (g_getenv("LW_REGENERATE")) {
    g_assert_true(g_file_set_contents(path, text, -1, &error));
    return;
  }
  g_file_get_contents(path, &kept, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(text, ==, kept);
}

/* ---- tests ---- */

/* The two let through the same packets, all of them, to the same places, but for what is explained. */
static void test_lab(gconstpointer data) {
  g_auto(Both) both;
  g_autoptr(GString) text = g_string_new(NULL);
  g_autofree char *base = g_path_get_basename(data);
  g_autofree char *name = g_strndup(base, strlen(base) - strlen(".yaml"));
  prove_both(&both, data, NULL, NULL);
  assert_proved(both.builtin, "builtin");
  assert_proved(both.opnsense, "opnsense");
  g_autoptr(GPtrArray) differences = lw_router_differences(both.builtin, both.opnsense);
  for (guint i = 0; i < differences->len; i++) {
    const LwRouterDifference *each = differences->pdata[i];
    g_autofree char *line = lw_router_difference_format(each);
    g_string_append_printf(text, "%s\n", line);
    if (!each->why)
      g_test_message("%s", line);
  }
  g_assert_true(differences->len == 0 || ((LwRouterDifference *)differences->pdata[0])->why);
  compare(name, text->str);
}

static void test_switched(void) {
  g_auto(Both) both;
  prove_both(&both, "examples/homelab.yaml", NULL, "us");
  assert_proved(both.opnsense, "opnsense");
  g_autoptr(GPtrArray) differences = lw_router_differences(both.builtin, both.opnsense);
  g_assert_nonnull(((LwRouterDifference *)differences->pdata[0])->why);
}

static char *replace(const char *text, const char *old, const char *fresh) {
  g_auto(GStrv) parts = g_strsplit(text, old, 2);
  g_assert_cmpuint(g_strv_length(parts), ==, 2);
  return g_strjoinv(fresh, parts);
}

/* What is broken in the rules is seen, as a violation and as a difference that nothing explains. */
static void test_can_fail(void) {
  static const struct {
    const char *old, *fresh, *says;
  } breaks[] = {
      {"<destination_net>lanward_special</destination_net>", "<destination_net>192.0.2.77</destination_net>",
       "must not"},
      {"<gateway>LANWARD_OVPN</gateway>", "<gateway>LANWARD_SE</gateway>", "internet/se"},
      {"<replyto>LANWARD_OVPN</replyto>", "<replyto>LANWARD_SE</replyto>", "answer does not come back"},
      {"<action>block</action>", "<action>pass</action>", "must not"},
      {"<destination_port>445</destination_port>", "<destination_port>446</destination_port>", "must pass"},
  };
  g_autoptr(LwLab) lab = load("examples/homelab.yaml");
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_autofree char *made = config_of(lab, facts);
  for (guint i = 0; i < G_N_ELEMENTS(breaks); i++) {
    g_auto(Both) both;
    g_autofree char *broken = replace(made, breaks[i].old, breaks[i].fresh);
    gboolean said = FALSE;
    prove_both(&both, "examples/homelab.yaml", broken, NULL);
    for (guint v = 0; v < both.opnsense->violations->len; v++) {
      g_autofree char *text = lw_static_violation_format(both.opnsense->violations->pdata[v]);
      said |= strstr(text, breaks[i].says) != NULL;
    }
    if (!said)
      g_error("nobody sees %s instead of %s", breaks[i].fresh, breaks[i].old);
    g_autoptr(GPtrArray) differences = lw_router_differences(both.builtin, both.opnsense);
    if (!g_str_has_prefix(breaks[i].old, "<replyto>"))
      g_assert_null(((LwRouterDifference *)differences->pdata[0])->why);
  }
}

/* ---- there and back ---- */

static LwLab *parse_import(const LwImport *import, const char *dir) {
  g_autofree char *folder = g_build_filename(dir, "wireguard", NULL);
  g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
  for (guint i = 0; i < import->tunnels->len; i++) {
    const LwImportedTunnel *tunnel = import->tunnels->pdata[i];
    g_autofree char *path = g_strdup_printf("%s/%s.conf", folder, tunnel->name);
    /* the lab's file was read without secrets: any keys will do */
    guint8 key[32] = {(guint8)(i + 1), 8, 64};
    g_autofree char *encoded = g_base64_encode(key, sizeof key);
    g_auto(GStrv) parts = g_strsplit(tunnel->text, "[Peer]\n", 2);
    g_autofree char *text = g_strdup_printf("[Interface]\nPrivateKey = %s\n%s[Peer]\nPublicKey = %s\n%s",
                                            encoded, parts[0] + strlen("[Interface]\n"), encoded, parts[1]);
    g_assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  }
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  LwLab *lab = lw_spec_parse(import->yaml, strlen(import->yaml), "imported.yaml", dir, LW_SPEC_TWIN, secrets,
                             diagnostics);
  for (guint i = 0; !lab && i < diagnostics->len; i++)
    g_test_message("%s", ((LwDiagnostic *)diagnostics->pdata[i])->message);
  g_assert_nonnull(lab);
  for (guint i = 0; i < import->tunnels->len; i++) {
    g_autofree char *path =
        g_strdup_printf("%s/%s.conf", folder, ((LwImportedTunnel *)import->tunnels->pdata[i])->name);
    g_assert_cmpint(g_remove(path), ==, 0);
  }
  g_assert_cmpint(g_rmdir(folder), ==, 0);
  return lab;
}

/* A network behind the host has another name there; nobody has the ends of a subnet. */
static gboolean is_of_no_account(const char *line) {
  static const char *const ends[] = {"192.168.50.0 -> ", "192.168.50.0-192.168.50.1 -> ", "192.168.50.1 -> "};
  for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
    if (strstr(line, ends[i]) && !strstr(line, ";"))
      return TRUE;
  return strstr(line, "containers") || strstr(line, "net1");
}

static guint told(GPtrArray *lines /* takes */, const char *what) {
  guint count = 0;
  for (guint i = 0; i < lines->len; i++) {
    if (is_of_no_account(lines->pdata[i]))
      continue;
    g_test_message("%s: %s", what, (char *)lines->pdata[i]);
    count++;
  }
  g_ptr_array_unref(lines);
  return count;
}

/* config.xml of a lab, imported, compiled: the same flows. */
static void test_import(void) {
  g_auto(Both) both;
  g_autoptr(GError) error = NULL;
  prove_both(&both, "examples/homelab.yaml", NULL, NULL);
  g_autofree char *made = config_of(both.lab, both.facts);
  g_autoptr(LwImport) import = lw_opnsense_import(made, &error);
  g_assert_no_error(error);
  g_autofree char *dir = g_dir_make_tmp("lanward-XXXXXX", NULL);
  g_autoptr(LwLab) lab = parse_import(import, dir);
  g_assert_cmpint(g_rmdir(dir), ==, 0);
  g_assert_cmpuint(lab->segments->len, ==, both.lab->segments->len);
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_autoptr(LwResourceSet) wanted = wanted_of(lab, facts);
  g_autoptr(LwResourceSet) world = builtin_world(wanted, facts);
  g_autoptr(LwStatic) imported = lw_static_prove(both.pool, lab, facts, world);
  assert_proved(imported, "imported");
  guint count = told(lw_static_gained(both.builtin, imported), "gained") +
                told(lw_static_gained(imported, both.builtin), "lost");
  g_assert_cmpuint(count, ==, 0);
}

/* A configuration made by hand, by its rules: egress, pool, trust, ranges, forward; what no line says is
 * told.
 */
static void test_import_guide(gconstpointer data) {
  g_autofree char *path = g_build_filename(source_dir, data, NULL);
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_autoptr(LwImport) import = lw_opnsense_import(text, &error);
  g_assert_no_error(error);
  static const char *const says[] = {
      "management: {subnet: 192.168.99.0/24, address: 192.168.99.15, router: 192.168.99.1}",
      "egress: direct",
      "egress: vpn0",
      "egress: [vpn1, vpn2, vpn3]",
      "trust: host",
      "egress: none",
      "host:icmp from 192.168.50.0-192.168.50.63",
      "forward: [{port: tcp+udp/51413, to: seedbox}]"};
  for (guint i = 0; i < G_N_ELEMENTS(says); i++)
    if (!strstr(import->yaml, says[i]))
      g_error("nothing of “%s” in:\n%s", says[i], import->yaml);
  g_autofree char *notes = NULL;
  g_ptr_array_add(import->notes, NULL);
  notes = g_strjoinv("\n", (char **)import->notes->pdata);
  g_ptr_array_set_size(import->notes, (gint)import->notes->len - 1);
  g_assert_nonnull(strstr(notes, "lan10 reaches private and special addresses"));
  g_assert_nonnull(strstr(notes, "lan50 reaches the router's own services"));
  g_assert_null(strstr(import->yaml, "PrivateKey"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  source_dir = g_getenv("LW_SOURCE_DIR");
  g_assert_nonnull(source_dir);
  g_test_add_data_func("/golden/routers/homelab", "examples/homelab.yaml", test_lab);
  g_test_add_data_func("/golden/routers/everything", "tests/golden/everything.yaml", test_lab);
  g_test_add_data_func("/golden/routers/twelve", "tests/golden/opnsense/twelve.yaml", test_lab);
  g_test_add_data_func("/golden/routers/exits", "tests/golden/opnsense/exits.yaml", test_lab);
  g_test_add_data_func("/golden/routers/multihomed", "tests/golden/opnsense/multihomed.yaml", test_lab);
  g_test_add_func("/golden/routers/import", test_import);
  g_test_add_data_func("/golden/routers/import/mvc", "tests/fixtures/opnsense/guide-mvc.xml",
                       test_import_guide);
  g_test_add_data_func("/golden/routers/import/legacy", "tests/fixtures/opnsense/guide-legacy.xml",
                       test_import_guide);
  g_test_add_func("/golden/routers/switched", test_switched);
  g_test_add_func("/golden/routers/can-fail", test_can_fail);
  return g_test_run();
}
