/* The nft provider on the real kernel, in namespaces that this test makes itself. */
#include "base/error.h"
#include "base/netns.h"
#include "base/process.h"
#include "policy/policy.h"
#include "providers/nft/nft.h"
#include "providers/nft/run.h"
#include "providers/nft/translate.h"
#include "spec/spec.h"

#include "tests/unit/kernel/sandbox.h"

#include <string.h>

#define NS "router"
#define LONG 6000
#define NOWHERE ((LwOrigin){0})

static LwProviderContext context = {.run_dir = "/tmp/run", .owner = "lanward:test"};
static LwProvider *provider;

static LwValue network(const char *text) {
  LwPrefix prefix;
  g_assert_true(lw_prefix_parse(text, &prefix));
  return lw_value_prefix(prefix);
}

/* `mark` is in an element, `drop` in a rule. */
static LwRuleset *rules(guint32 mark, gboolean drop) {
  LwRuleset *r = lw_ruleset_new(LW_FAMILY_INET, "lanward");
  LwSet *active = lw_ruleset_add_set(r, LW_SET_MAP, "active", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  active->data = LW_FIELD_MARK;
  for (guint i = 0; i < 30; i++) {
    g_autofree char *name = g_strdup_printf("lan%u", i);
    lw_set_add(active, (LwValue[]){lw_value_name(name)}, 1, NOWHERE)->data = lw_value_number(mark);
  }
  LwSet *pinned =
      lw_ruleset_add_set(r, LW_SET_MAP, "pinned", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST);
  pinned->data = LW_FIELD_MARK;
  lw_set_add(pinned, (LwValue[]){lw_value_name("lan1"), network("10.1.0.0/28")}, 2, NOWHERE)->data =
      lw_value_number(mark);
  LwSet *home = lw_ruleset_add_set(r, LW_SET_PLAIN, "home_lan", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST);
  home->runtime = TRUE;
  lw_set_add(home, (LwValue[]){network("0.0.0.0/0")}, 1, NOWHERE);
  LwChain *c = lw_ruleset_add_base_chain(r, "mark", LW_HOOK_PREROUTING, -150, FALSE, FALSE);
  lw_rule_lookup(lw_chain_add_rule(c, NOWHERE, "the active exit"), LW_ACTION_SET_MARK, "active", LW_FIELD_IIF,
                 LW_FIELD_LAST);
  lw_rule_lookup(lw_chain_add_rule(c, NOWHERE, NULL), LW_ACTION_SET_MARK, "pinned", LW_FIELD_IIF,
                 LW_FIELD_SADDR, LW_FIELD_LAST);
  LwRule *last = lw_chain_add_rule(c, NOWHERE, NULL);
  lw_rule_match_set(last, "home_lan", FALSE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_add_action(last, LW_ACTION_COUNT);
  lw_rule_verdict(last, drop ? LW_VERDICT_DROP : LW_VERDICT_ACCEPT, NULL);
  return r;
}

static LwResource *resource_of(LwRuleset *ruleset /* transfer full */, const char *ns) {
  LwResource *resource = lw_resource_new(LW_RES_RULESET, ns, ruleset->name);
  resource->ruleset = ruleset;
  return resource;
}

/* What observe() says of the wanted one: NULL nothing there; *equal tells the rest. */
static LwResource *observe(LwResource *wanted, gboolean *equal) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) want = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  lw_resource_set_add(want, lw_resource_ref(wanted));
  g_assert_true(lw_provider_observe(provider, want, NULL, seen, &error));
  g_assert_no_error(error);
  *equal = FALSE;
  if (seen->list->len == 0)
    return NULL;
  g_assert_cmpuint(seen->list->len, ==, 1);
  *equal = lw_resource_equal(seen->list->pdata[0], wanted);
  return lw_resource_ref(seen->list->pdata[0]);
}

static void assert_state(LwResource *wanted, gboolean there, gboolean as_wanted) {
  gboolean equal;
  g_autoptr(LwResource) seen = observe(wanted, &equal);
  g_assert_cmpint(seen != NULL, ==, there);
  g_assert_cmpint(equal, ==, as_wanted);
}

static gboolean keep_undo(const LwProvider *self, GBytes *undo, gpointer data, GError **error) {
  (void)self;
  (void)error;
  GBytes **kept = data;
  g_clear_pointer(kept, g_bytes_unref);
  *kept = g_bytes_ref(undo);
  return TRUE;
}

static GPtrArray *one_change(LwResource *from, LwResource *to) {
  GPtrArray *changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(!from ? LW_CHANGE_CREATE
                                         : !to ? LW_CHANGE_DELETE
                                               : LW_CHANGE_LIVE,
                                         from, to));
  return changes;
}

/* Carries a change out; returns its undo. */
static GBytes *change(LwResource *from, LwResource *to) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) changes = one_change(from, to);
  GBytes *undo = NULL;
  g_assert_true(lw_provider_check(provider, changes, &error));
  g_assert_no_error(error);
  g_assert_true(lw_provider_carry_out(provider, changes, keep_undo, &undo, NULL, NULL, &error));
  g_assert_no_error(error);
  return undo;
}

static void undo_it(GBytes *undo) {
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_provider_undo(provider, undo, NULL, NULL, &error));
  g_assert_no_error(error);
}

static char *nft(const char *command) {
  g_autoptr(GError) error = NULL;
  char *output = lw_nft_run(NS, command, 0, &error);
  g_assert_no_error(error);
  return output;
}

static gint64 handle_of_table(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *json = lw_nft_run(NS, "list tables inet", LW_NFT_JSON, &error);
  g_assert_no_error(error);
  const char *at = strstr(json, "\"name\": \"lanward\", \"handle\": ");
  g_assert_nonnull(at);
  return g_ascii_strtoll(at + strlen("\"name\": \"lanward\", \"handle\": "), NULL, 10);
}

static void test_life(void) {
  g_autoptr(LwResource) one = resource_of(rules(1, TRUE), NS);
  g_autoptr(LwResource) two = resource_of(rules(2, TRUE), NS);
  g_autoptr(LwResource) three = resource_of(rules(2, FALSE), NS);
  assert_state(one, FALSE, FALSE);

  g_autoptr(GBytes) undo_create = change(NULL, one);
  assert_state(one, TRUE, TRUE);
  assert_state(two, TRUE, FALSE);
  gint64 handle = handle_of_table();

  /* elements alone: the table stays the same object, as does what the running system put into it */
  g_free(nft("flush set inet lanward home_lan; add element inet lanward home_lan { 192.168.1.0/24 }"));
  assert_state(one, TRUE, TRUE);
  g_autoptr(GBytes) undo_delta = change(one, two);
  assert_state(two, TRUE, TRUE);
  g_assert_cmpint(handle_of_table(), ==, handle);

  /* a rule: a new table, but the run-time set keeps its elements */
  g_autoptr(GBytes) undo_rule = change(two, three);
  assert_state(three, TRUE, TRUE);
  g_assert_cmpint(handle_of_table(), !=, handle);
  g_autofree char *home = nft("list set inet lanward home_lan");
  g_assert_nonnull(strstr(home, "192.168.1.0/24"));
  g_assert_null(strstr(home, "0.0.0.0/0"));

  undo_it(undo_rule);
  assert_state(two, TRUE, TRUE);
  undo_it(undo_delta);
  undo_it(undo_delta);
  assert_state(one, TRUE, TRUE);

  g_autoptr(GBytes) undo_delete = change(one, NULL);
  assert_state(one, FALSE, FALSE);
  undo_it(undo_delete);
  assert_state(one, TRUE, TRUE);
  undo_it(undo_create);
  assert_state(one, FALSE, FALSE);
  undo_it(undo_create);
}

static void test_drift(void) {
  g_autoptr(LwResource) one = resource_of(rules(1, TRUE), NS);
  g_autoptr(GBytes) undo = change(NULL, one);
  static const char *const harm[] = {
      "insert rule inet lanward mark_ accept",
      "delete element inet lanward active { \"lan7\" }",
      "add element inet lanward active { \"evil\" : 0x7 }",
      "flush chain inet lanward mark_",
      "add chain inet lanward extra",
  };
  for (guint i = 0; i < G_N_ELEMENTS(harm); i++) {
    g_free(nft(harm[i]));
    assert_state(one, TRUE, FALSE);
    g_bytes_unref(change(one, one));
    assert_state(one, TRUE, TRUE);
  }
  g_free(nft("delete table inet lanward"));
  assert_state(one, FALSE, FALSE);
  undo_it(undo);
}

/* A new process knows only what the run folder holds. */
static void test_next_process(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) one = resource_of(rules(1, TRUE), NS);
  g_autoptr(LwResource) two = resource_of(rules(2, TRUE), NS);
  g_autoptr(GBytes) undo = change(NULL, one);
  gint64 handle = handle_of_table();
  LwProvider *mine = provider;
  provider = lw_nft_provider_new(&context, &error);
  g_assert_no_error(error);
  assert_state(one, TRUE, TRUE);
  g_bytes_unref(change(one, two));
  g_assert_cmpint(handle_of_table(), ==, handle);
  assert_state(two, TRUE, TRUE);
  lw_provider_free(provider);
  provider = mine;
  undo_it(undo);
  assert_state(one, FALSE, FALSE);
}

static void test_foreign(void) {
  g_autoptr(LwResource) one = resource_of(rules(1, TRUE), NS);
  static const char *const others[] = {
      "table inet lanward {\n\tchain c {\n\t}\n}\n",
      "table inet lanward {\n\tcomment \"lanward:other\"\n\tchain c {\n\t}\n}\n",
      "table inet lanward {\n\tset lanward {\n\t\ttype ifname\n\t\tcomment \"lanward:test\"\n\t}\n}\n",
  };
  for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
    g_free(nft(others[i]));
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) changes = one_change(NULL, one);
    g_assert_false(lw_provider_check(provider, changes, &error));
    g_assert_error(error, LW_ERROR, LW_ERROR_CONFLICT);
    g_free(nft("delete table inet lanward"));
  }
}

static void test_bad_rules(void) {
  LwRuleset *bad = rules(1, TRUE);
  LwRule *rule = lw_chain_add_rule(lw_ruleset_find_chain(bad, "mark"), NOWHERE, NULL);
  lw_rule_verdict(rule, LW_VERDICT_JUMP, "nowhere");
  g_autoptr(LwResource) there = resource_of(bad, NS);
  g_autoptr(LwResource) not_yet = resource_of(lw_ruleset_ref(bad), "later");
  g_autoptr(LwResource) fine = resource_of(rules(1, TRUE), "later");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) one = one_change(NULL, there);
  g_assert_false(lw_provider_check(provider, one, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_clear_error(&error);
  /* a namespace that the plan only makes later */
  g_autoptr(GPtrArray) two = one_change(NULL, not_yet);
  g_assert_false(lw_provider_check(provider, two, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_clear_error(&error);
  g_autoptr(GPtrArray) three = one_change(NULL, fine);
  g_assert_true(lw_provider_check(provider, three, &error));
  g_assert_no_error(error);
  assert_state(there, FALSE, FALSE);
}

/* One rule of everything that the neutral form can say. */
static void test_everything(void) {
  LwRuleset *r = lw_ruleset_new(LW_FAMILY_INET, "everything");
  LwSet *to = lw_ruleset_add_set(r, LW_SET_MAP, "to", FALSE, LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT,
                                 LW_FIELD_LAST);
  to->data = LW_FIELD_DADDR;
  to->data_with_port = TRUE;
  LwElement *e =
      lw_set_add(to, (LwValue[]){lw_value_name("wan"), lw_value_number(6), lw_value_number(80)}, 3, NOWHERE);
  e->data = network("10.0.0.5");
  e->data_port = lw_value_number(8080);
  LwSet *verdicts =
      lw_ruleset_add_set(r, LW_SET_VMAP, "verdicts", FALSE, LW_FIELD_IIF, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_set_add(verdicts, (LwValue[]){lw_value_name("a"), lw_value_name("b")}, 2, NOWHERE)->verdict =
      (LwVerdict){LW_VERDICT_JUMP, g_strdup("log")};
  LwSet *ports = lw_ruleset_add_set(r, LW_SET_MAP, "ports", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  ports->data = LW_FIELD_DPORT;
  lw_set_add(ports, (LwValue[]){lw_value_name("a")}, 1, NOWHERE)->data = lw_value_number(5301);

  LwChain *nat = lw_ruleset_add_base_chain(r, "dnat", LW_HOOK_PREROUTING, -100, TRUE, FALSE);
  lw_rule_lookup(lw_chain_add_rule(nat, NOWHERE, "ports"), LW_ACTION_DNAT, "to", LW_FIELD_IIF, LW_FIELD_PROTO,
                 LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_rule_lookup(lw_chain_add_rule(nat, NOWHERE, NULL), LW_ACTION_REDIRECT, "ports", LW_FIELD_IIF,
                 LW_FIELD_LAST);
  lw_rule_add_action(lw_chain_add_rule(nat, NOWHERE, NULL), LW_ACTION_REDIRECT)->number = 53;
  LwChain *snat = lw_ruleset_add_base_chain(r, "snat", LW_HOOK_POSTROUTING, 100, TRUE, FALSE);
  lw_rule_add_action(lw_chain_add_rule(snat, NOWHERE, NULL), LW_ACTION_MASQUERADE);
  LwChain *log = lw_ruleset_add_chain(r, "log");
  LwAction *logging = lw_rule_add_action(lw_chain_add_rule(log, NOWHERE, NULL), LW_ACTION_LOG);
  logging->text = g_strdup("lanward \"x\"");
  logging->number = 77;
  LwChain *c = lw_ruleset_add_base_chain(r, "forward", LW_HOOK_FORWARD, 0, FALSE, TRUE);
  lw_rule_lookup(lw_chain_add_rule(c, NOWHERE, NULL), LW_ACTION_VMAP, "verdicts", LW_FIELD_IIF, LW_FIELD_OIF,
                 LW_FIELD_LAST);
  static const LwActionKind simple[] = {LW_ACTION_REJECT_TCP, LW_ACTION_REJECT, LW_ACTION_MARK_FROM_CT,
                                        LW_ACTION_CT_FROM_MARK};
  for (guint i = 0; i < G_N_ELEMENTS(simple); i++)
    lw_rule_add_action(lw_chain_add_rule(c, NOWHERE, NULL), simple[i]);
  lw_rule_add_action(lw_chain_add_rule(c, NOWHERE, NULL), LW_ACTION_SET_MARK)->number = 5;
  lw_rule_add_action(lw_chain_add_rule(c, NOWHERE, NULL), LW_ACTION_SET_CT_MARK)->number = 5;
  lw_rule_add_action(lw_chain_add_rule(c, NOWHERE, NULL), LW_ACTION_CLAMP_MSS)->number = 1380;
  lw_rule_add_action(lw_chain_add_rule(c, NOWHERE, NULL), LW_ACTION_LIMIT)->number = 5;
  static const LwField numbers[] = {LW_FIELD_PROTO,     LW_FIELD_SPORT,    LW_FIELD_DPORT,
                                    LW_FIELD_ICMP_TYPE, LW_FIELD_CT_STATE, LW_FIELD_CT_DIRECTION,
                                    LW_FIELD_CT_DNAT,   LW_FIELD_CT_MARK,  LW_FIELD_MARK,
                                    LW_FIELD_TCP_SYN,   LW_FIELD_TCP_RST};
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
    LwRule *rule = lw_chain_add_rule(c, NOWHERE, NULL);
    lw_rule_match(rule, numbers[i], lw_value_number(1));
    lw_rule_verdict(rule, LW_VERDICT_DROP, NULL);
    rule = lw_chain_add_rule(c, NOWHERE, NULL);
    lw_rule_match_not(rule, numbers[i], lw_value_number(1));
    lw_rule_verdict(rule, LW_VERDICT_DROP, NULL);
  }
  LwPrefix six;
  g_assert_true(lw_prefix_parse("2001:db8::/32", &six));
  lw_rule_match(lw_chain_add_rule(c, NOWHERE, NULL), LW_FIELD_SADDR6, lw_value_prefix(six));
  lw_rule_match(lw_chain_add_rule(c, NOWHERE, NULL), LW_FIELD_NFPROTO, lw_value_number(10));

  g_autoptr(LwResource) all = resource_of(r, NS);
  g_autoptr(GBytes) undo = change(NULL, all);
  assert_state(all, TRUE, TRUE);
  g_autoptr(GBytes) undo_again = change(all, NULL);
  undo_it(undo_again); /* from what nft lists */
  assert_state(all, TRUE, TRUE);
  undo_it(undo);
}

/* The tables of the reference lab. */
static void test_homelab(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwLab) lab =
      lw_spec_load(LW_SOURCE_DIR "/examples/homelab.yaml", LW_SPEC_TWIN, secrets, diagnostics);
  g_assert_nonnull(lab);
  g_autoptr(LwFacts) facts = lw_facts_new();
  facts->cells_stand_in = TRUE;
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr endpoint = lw_addr_from_v4(0x2d500001 + (i << 8));
    g_hash_table_insert(facts->endpoints, g_strdup(lw_lab_tunnel(lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  g_assert_true(lw_policy_assign(lab, facts, &error));
  LwRuleset *tables[] = {lw_policy_router_rules(lab, facts), lw_policy_guard_host_rules(lab, facts),
                         lw_policy_guard_bridge_rules(lab, facts)};
  for (guint i = 0; i < G_N_ELEMENTS(tables); i++) {
    g_autoptr(LwResource) table = resource_of(tables[i], NS);
    g_autoptr(GBytes) undo = change(NULL, table);
    assert_state(table, TRUE, TRUE);
    g_autoptr(GBytes) undo_delete = change(table, NULL);
    assert_state(table, FALSE, FALSE);
    undo_it(undo_delete);
    assert_state(table, TRUE, TRUE);
    undo_it(undo);
    assert_state(table, FALSE, FALSE);
  }
}

/* switch: each segment's exit to another and back, by elements alone, pinned ranges included. */
static void test_switch(void) {
  g_autoptr(LwResource) one = resource_of(rules(1, TRUE), NS);
  g_autoptr(LwResource) two = resource_of(rules(2, TRUE), NS);
  g_autoptr(GBytes) undo = change(NULL, one);
  gint64 handle = handle_of_table();
  for (guint i = 0; i < 10; i++) {
    g_bytes_unref(change(one, two));
    g_bytes_unref(change(two, one));
  }
  g_assert_cmpint(handle_of_table(), ==, handle);
  assert_state(one, TRUE, TRUE);
  undo_it(undo);
}

static void test_bridge_meta(void) {
  g_autoptr(GError) error = NULL;
  gboolean has = lw_nft_has_bridge_meta(&error);
  g_assert_no_error(error);
  g_autofree char *output =
      lw_nft_run(NS,
                 "table bridge p {\n chain c {\n  type filter hook prerouting priority 0;\n"
                 "  meta ibrname \"x\" drop\n }\n}\n",
                 LW_NFT_DRY, NULL);
  g_assert_cmpint(has, ==, output != NULL);
}

/* More than a socket of a user namespace sends at once, however it is loaded, put back or deleted; no table
 * is left that holds everything up. */
static LwResource *long_rules(guint32 mark) {
  LwRuleset *ruleset = rules(mark, TRUE);
  LwSet *far =
      lw_ruleset_add_set(ruleset, LW_SET_MAP, "far", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST);
  far->data = LW_FIELD_MARK;
  for (guint i = 0; i < LONG; i++) {
    LwValue key[] = {lw_value_name("lan1"), lw_value_addr(lw_addr_from_v4(0x14000000u + 2 * i))};
    lw_set_add(far, key, 2, NOWHERE)->data = lw_value_number(mark);
  }
  return resource_of(ruleset, NS);
}

static void assert_only(const char *tables) {
  g_autofree char *listed = nft("list tables");
  g_assert_cmpstr(listed, ==, tables);
}

static void test_long(void) {
  g_autoptr(LwResource) one = long_rules(1);
  g_autoptr(LwResource) two = long_rules(2);
  g_autoptr(GError) whole = NULL;
  g_autofree char *text = lw_nft_replace(one->ruleset);
  g_autofree char *output = lw_nft_run(NS, text, LW_NFT_DRY, &whole);
  if (output)
    g_test_message("this kernel takes it in one piece: nothing is loaded in parts here");
  else
    g_assert_true(lw_nft_was_too_long(whole));
  g_autoptr(GBytes) unmake = change(NULL, one);
  assert_state(one, TRUE, TRUE);
  assert_only("table inet lanward\n");
  g_autofree char *listed = nft("list table inet lanward");
  g_autoptr(GBytes) back = change(one, two);
  assert_state(two, TRUE, TRUE);
  undo_it(back);
  assert_state(one, TRUE, TRUE);
  g_autofree char *again = nft("list table inet lanward");
  g_assert_cmpstr(listed, ==, again);
  assert_only("table inet lanward\n");
  /* killed while nothing passes: the undo takes that away too */
  g_free(nft("table inet lanward_hold {\n comment \"lanward\"\n}\n"));
  undo_it(unmake);
  assert_only("");
}

static void test_damaged(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) undo = g_bytes_new_static("{\"version\":1}", 13);
  g_assert_false(lw_provider_undo(provider, undo, NULL, NULL, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
}

int main(int argc, char **argv) {
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  g_autoptr(GError) error = NULL;
  provider = lw_nft_provider_new(&context, &error);
  g_assert_no_error(error);
  g_assert_true(lw_netns_create(NS, &error));
  g_assert_no_error(error);
  g_test_add_func("/nft/life", test_life);
  g_test_add_func("/nft/drift", test_drift);
  g_test_add_func("/nft/next-process", test_next_process);
  g_test_add_func("/nft/foreign", test_foreign);
  g_test_add_func("/nft/bad-rules", test_bad_rules);
  g_test_add_func("/nft/everything", test_everything);
  g_test_add_func("/nft/homelab", test_homelab);
  g_test_add_func("/nft/switch", test_switch);
  g_test_add_func("/nft/bridge-meta", test_bridge_meta);
  g_test_add_func("/nft/long", test_long);
  g_test_add_func("/nft/damaged-undo", test_damaged);
  int result = g_test_run();
  lw_provider_free(provider);
  return result;
}
