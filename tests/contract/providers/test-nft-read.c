/* What is loaded into a real kernel is what is read back: the tables of the golden labs, and rules of every
 * kind that nft lists. */
#include "base/netns.h"
#include "base/process.h"
#include "policy/policy.h"
#include "providers/nft/iptables.h"
#include "providers/nft/nft.h"
#include "providers/nft/read.h"
#include "providers/nft/rulesets.h"
#include "providers/nft/run.h"
#include "providers/nft/translate.h"
#include "spec/spec.h"

#include "tests/unit/kernel/sandbox.h"

#include <string.h>

#define NS "router"

static char *source_dir;

static LwLab *load(const char *name) {
  gboolean ours = g_str_equal(name, "everything");
  g_autofree char *path =
      g_strdup_printf("%s/%s/%s.yaml", source_dir, ours ? "tests/golden" : "examples", name);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  LwLab *lab = lw_spec_load(path, LW_SPEC_TWIN, secrets, diagnostics);
  g_assert_nonnull(lab);
  return lab;
}

static LwFacts *facts_for(const LwLab *lab, gboolean bridge_meta) {
  LwFacts *facts = lw_facts_new();
  facts->cells_stand_in = TRUE;
  facts->bridge_meta = bridge_meta;
  LwAddr resolver = lw_addr_from_v4(0xc0a80101);
  g_array_append_val(facts->wan_resolvers, resolver);
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr endpoint = lw_addr_from_v4(0x2d500001 + (i << 8));
    g_hash_table_insert(facts->endpoints, g_strdup(lw_lab_tunnel(lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_policy_assign(lab, facts, &error));
  g_assert_no_error(error);
  return facts;
}

static void nft(const char *commands) {
  g_autoptr(GError) error = NULL;
  g_autofree char *output = lw_nft_run(NS, commands, 0, &error);
  g_assert_no_error(error);
}

static GPtrArray *in_force(void) {
  g_autoptr(GError) error = NULL;
  GPtrArray *rulesets = lw_nft_rulesets(NS, &error);
  g_assert_no_error(error);
  return rulesets;
}

/* With symbols as well as with numbers. */
static GPtrArray *in_symbols(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *json = lw_nft_run(NS, "list ruleset", LW_NFT_JSON, &error);
  g_assert_no_error(error);
  GPtrArray *rulesets = lw_nft_read(json, &error);
  g_assert_no_error(error);
  return rulesets;
}

static void assert_same(const LwRuleset *wanted, const GPtrArray *rulesets) {
  g_assert_cmpuint(rulesets->len, ==, 1);
  g_autoptr(LwRuleset) loaded = lw_nft_as_loaded(wanted);
  g_autofree char *difference = lw_ruleset_difference(loaded, rulesets->pdata[0]);
  g_assert_cmpstr(difference, ==, NULL);
  g_autoptr(LwRuleset) one = lw_ruleset_normalize(loaded);
  g_autoptr(LwRuleset) other = lw_ruleset_normalize(rulesets->pdata[0]);
  for (guint i = 0; i < one->sets->len; i++)
    ((LwSet *)one->sets->pdata[i])->runtime = FALSE; /* only the file knows of that */
  g_autofree char *text = lw_ruleset_format(one);
  g_autofree char *seen = lw_ruleset_format(other);
  g_assert_cmpstr(text, ==, seen);
  g_assert_true(lw_ruleset_equal(one, other));
}

static void check_table(LwRuleset *wanted /* transfer full */) {
  g_autoptr(LwRuleset) ruleset = wanted;
  g_autofree char *text = lw_nft_replace(ruleset);
  nft("flush ruleset");
  nft(text);
  g_autoptr(GPtrArray) numbers = in_force();
  g_autoptr(GPtrArray) symbols = in_symbols();
  assert_same(ruleset, numbers);
  assert_same(ruleset, symbols);
  g_assert_cmpstr(((LwRuleset *)numbers->pdata[0])->mark, ==, "lanward");
}

static void test_lab(gconstpointer data) {
  g_autoptr(LwLab) lab = load(data);
  gboolean knows_meta = lw_nft_has_bridge_meta(NULL);
  for (gboolean meta = FALSE; meta <= knows_meta; meta++) {
    g_autoptr(LwFacts) facts = facts_for(lab, meta);
    check_table(lw_policy_router_rules(lab, facts));
    check_table(lw_policy_guard_host_rules(lab, facts));
    check_table(lw_policy_guard_bridge_rules(lab, facts));
  }
}

/* Each harm is told, and told apart. */
static void test_difference(void) {
  static const struct {
    const char *harm, *told;
  } harms[] = {
      {"insert rule inet lanward forward accept", "chain forward, rule 1, which nothing asks for: accept"},
      {"add element inet lanward egress { \"lan50\" . 0x4c01 . \"wan\" }",
       "egress holds \"lan50\" . 0x4c01 . \"wan\", which nothing asks for"},
      {"delete element inet lanward segments { \"lan10\" }", "segments lacks \"lan10\""},
      {"add element inet lanward allowed { \"lan10\" . 192.168.10.7 . 192.168.99.15 . tcp . 22 }",
       "allowed holds"},
      {"flush chain inet lanward snat_", "chain snat_, rule 1 is missing"},
      {"add chain inet lanward forward { policy accept; }",
       "chain forward has another hook, priority or policy"},
      {"add table inet lanward { flags dormant; }", "it is dormant: none of it is in force"},
      {"add set inet lanward more { type ipv4_addr; }", "a set more that nothing asks for"},
      {"add chain inet lanward more", "a chain more that nothing asks for"},
      {"delete element inet lanward not_internet { 10.0.0.0-10.255.255.255 }",
       "not_internet lacks 10.0.0.0/8"},
  };
  g_autoptr(LwLab) lab = load("homelab");
  g_autoptr(LwFacts) facts = facts_for(lab, FALSE);
  g_autoptr(LwRuleset) wanted = lw_policy_router_rules(lab, facts);
  g_autoptr(LwRuleset) loaded = lw_nft_as_loaded(wanted);
  g_autofree char *text = lw_nft_replace(wanted);
  nft("flush ruleset");
  for (guint i = 0; i < G_N_ELEMENTS(harms); i++) {
    nft(text);
    nft(harms[i].harm);
    g_autoptr(GPtrArray) rulesets = in_force();
    g_autofree char *difference = lw_ruleset_difference(loaded, rulesets->pdata[0]);
    g_test_message("%s: %s", harms[i].harm, difference);
    g_assert_nonnull(difference);
    g_assert_nonnull(strstr(difference, harms[i].told));
    nft("delete table inet lanward");
  }
  nft(text); /* what the running system fills is no difference */
  nft("flush set inet lanward home_lan; add element inet lanward home_lan { 192.168.1.0/24 }");
  g_autoptr(GPtrArray) rulesets = in_force();
  g_autofree char *difference = lw_ruleset_difference(loaded, rulesets->pdata[0]);
  g_assert_cmpstr(difference, ==, NULL);
  nft("flush ruleset");
}

/* Rules read back carry the lines of the file that they come from. */
static void test_origins(void) {
  g_autoptr(LwLab) lab = load("homelab");
  g_autoptr(LwFacts) facts = facts_for(lab, FALSE);
  g_autoptr(LwRuleset) wanted = lw_policy_router_rules(lab, facts);
  g_autoptr(LwRuleset) loaded = lw_nft_as_loaded(wanted);
  g_autofree char *text = lw_nft_replace(wanted);
  nft("flush ruleset");
  nft(text);
  nft("add element inet lanward egress { \"lan50\" . 0x4c01 . \"wan\" }");
  g_autoptr(GPtrArray) rulesets = in_force();
  g_autoptr(LwRuleset) seen = lw_ruleset_normalize(rulesets->pdata[0]);
  g_autoptr(LwRuleset) normal = lw_ruleset_normalize(loaded);
  lw_ruleset_adopt_origins(seen, normal);
  const LwSet *egress = lw_ruleset_find_set(seen, "egress");
  guint with = 0, without = 0;
  for (guint i = 0; i < egress->elements->len; i++) {
    const LwElement *element = egress->elements->pdata[i];
    gboolean ours = strcmp(g_array_index(element->key, LwValue, 0).name, "lan50") != 0;
    g_assert_cmpint(element->origin.line != 0, ==, ours);
    with += ours;
    without += !ours;
  }
  g_assert_cmpuint(without, ==, 1);
  g_assert_cmpuint(with, >, 3);
  nft("flush ruleset");
}

/* A rule that some versions of libnftables end the process on: the other tables are read all the same. */
static void test_deadly(void) {
  nft("flush ruleset");
  nft("table inet fine {\n chain c {\n accept\n }\n}\n"
      "table inet deadly {\n set s {\n type ipv4_addr . inet_service\n }\n chain c {\n"
      " type filter hook input priority 0\n meta l4proto 99 ip saddr . th dport @s drop\n }\n}\n");
  g_autoptr(GPtrArray) rulesets = in_force();
  g_assert_cmpuint(rulesets->len, ==, 2);
  const LwRuleset *fine = rulesets->pdata[0], *deadly = rulesets->pdata[1];
  g_assert_cmpuint(lw_ruleset_find_chain(fine, "c")->rules->len, ==, 1);
  const LwChain *chain = lw_ruleset_find_chain(deadly, "c");
  g_assert_true(chain ? chain->rules->len == 1 : deadly->unknown->len == 1);
  g_test_message("%s", deadly->unknown->len ? (char *)deadly->unknown->pdata[0] : "it is listed");
  nft("flush ruleset");
}

/* --- iptables
 * -------------------------------------------------------------------------------------------------- */

static char *fixture(const char *name) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(source_dir, "tests/fixtures/rulesets", name, NULL);
  char *text = NULL;
  g_file_get_contents(path, &text, NULL, &error);
  g_assert_no_error(error);
  return text;
}

/* FALSE: this machine or kernel does not have it. */
static gboolean restore(const char *program, const char *text) {
  g_autoptr(GError) error = NULL;
  const char *const argv[] = {program, NULL};
  const LwCommand command = {.argv = argv, .netns = NS, .input = text};
  g_autofree char *output = lw_command_run(&command, &error);
  if (error)
    g_test_message("%s: %s", program, error->message);
  return output != NULL;
}

static const LwRuleset *find(const GPtrArray *rulesets, const char *name, LwFamily family) {
  for (guint i = 0; i < rulesets->len; i++) {
    const LwRuleset *ruleset = rulesets->pdata[i];
    if (ruleset->family == family && g_str_equal(ruleset->name, name))
      return ruleset;
  }
  return NULL;
}

static char *chains_text(const LwRuleset *ruleset) {
  g_autofree char *text = lw_ruleset_format(ruleset);
  return g_strdup(strchr(text, '\n')); /* but for the table's name */
}

/* Every table of what was saved elsewhere is in force as it was read there. */
static void assert_all_in_force(const char *saved, LwFamily family, const char *suffix) {
  g_autoptr(GPtrArray) wanted = lw_iptables_read(saved, family);
  g_autoptr(GPtrArray) rulesets = in_force();
  g_assert_cmpuint(wanted->len, >, 0);
  for (guint i = 0; i < wanted->len; i++) {
    const LwRuleset *want = wanted->pdata[i];
    g_autofree char *name = g_strconcat(want->name, suffix, NULL);
    const LwRuleset *have = find(rulesets, name, family);
    g_assert_nonnull(have);
    g_autoptr(LwRuleset) one = lw_ruleset_normalize(want);
    g_autoptr(LwRuleset) other = lw_ruleset_normalize(have);
    g_autofree char *difference = *suffix ? NULL : lw_ruleset_difference(want, have);
    g_autofree char *text = chains_text(one);
    g_autofree char *seen = chains_text(other);
    g_assert_cmpstr(difference, ==, NULL);
    if (*suffix)
      g_assert_cmpstr(text, ==, seen);
  }
}

static void test_iptables(gconstpointer data) {
  g_autofree char *name = g_strconcat(data, ".save", NULL);
  g_autofree char *name6 = g_strconcat(data, ".save6", NULL);
  g_autofree char *saved = fixture(name);
  g_autofree char *saved6 = fixture(name6);
  nft("flush ruleset");
  if (!restore("iptables-nft-restore", saved) || !restore("ip6tables-nft-restore", saved6)) {
    g_test_skip("iptables-nft is not installed, or lacks an extension here");
    return;
  }
  assert_all_in_force(saved, LW_FAMILY_IP, "");
  assert_all_in_force(saved6, LW_FAMILY_IP6, "");
  nft("flush ruleset");
}

/* A table of iptables with a rule that iptables does not know, and prints without what it does not know. */
static void test_iptables_mixed(void) {
  nft("flush ruleset");
  if (!restore("iptables-nft-restore", "*filter\n:FORWARD ACCEPT [0:0]\n"
                                       "-A FORWARD -i lan -p icmp -m icmp --icmp-type 8 -j DROP\nCOMMIT\n")) {
    g_test_skip("iptables-nft is not installed");
    return;
  }
  nft("add set ip filter s { type ipv4_addr; }; add rule ip filter FORWARD ip saddr @s drop");
  g_autoptr(GPtrArray) rulesets = in_force();
  const LwChain *chain = lw_ruleset_find_chain(find(rulesets, "filter", LW_FAMILY_IP), "FORWARD");
  g_autofree char *first = lw_rule_format(chain->rules->pdata[0]);
  g_autofree char *second = lw_rule_format(chain->rules->pdata[1]);
  g_assert_cmpstr(first, ==, "iif \"lan\", proto 1, icmp-type 8: count; drop");
  g_assert_cmpstr(second, ==, "saddr @s: drop");
  nft("flush ruleset");
}

static void test_iptables_legacy(void) {
  nft("flush ruleset");
  g_autofree char *saved = fixture("libvirt.save");
  g_autofree char *saved6 = fixture("libvirt.save6");
  if (!restore("iptables-legacy-restore", saved) || !restore("ip6tables-legacy-restore", saved6)) {
    g_test_skip("iptables-legacy is not installed, or not in this kernel");
    return;
  }
  assert_all_in_force(saved, LW_FAMILY_IP, " (legacy)");
  assert_all_in_force(saved6, LW_FAMILY_IP6, " (legacy)");
}

int main(int argc, char **argv) {
  source_dir = g_strdup(LW_SOURCE_DIR);
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_netns_create(NS, &error));
  g_assert_no_error(error);
  g_test_add_data_func("/nft-read/homelab", "homelab", test_lab);
  g_test_add_data_func("/nft-read/small", "small", test_lab);
  g_test_add_data_func("/nft-read/everything", "everything", test_lab);
  g_test_add_func("/nft-read/difference", test_difference);
  g_test_add_func("/nft-read/origins", test_origins);
  g_test_add_func("/nft-read/deadly", test_deadly);
  g_test_add_data_func("/nft-read/iptables/libvirt", "libvirt", test_iptables);
  g_test_add_data_func("/nft-read/iptables/docker", "docker", test_iptables);
  g_test_add_data_func("/nft-read/iptables/ufw", "ufw", test_iptables);
  g_test_add_func("/nft-read/iptables/mixed", test_iptables_mixed);
  g_test_add_func("/nft-read/iptables/legacy", test_iptables_legacy);
  int result = g_test_run();
  g_free(source_dir);
  return result;
}
