/* The order of steps, and what a bound is. That every random pair of labs keeps to it is
 * tests/fuzz/fuzz_diff.c's. */
#include "plan/bound.h"
#include "plan/plan.h"

#include <string.h>

static LwValue name_value(const char *name) {
  return (LwValue){.kind = LW_VALUE_NAME, .name = g_strdup(name)};
}

/* A table with all that a bound treats differently: NAT, marks, a rule that counts, rules that decide. */
static LwRuleset *table(const char *name, const char *allowed) {
  LwRuleset *rules = lw_ruleset_new(LW_FAMILY_INET, name);
  LwSet *pairs = lw_ruleset_add_set(rules, LW_SET_PLAIN, "pairs", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  LwValue value = name_value(allowed);
  lw_set_add(pairs, &value, 1, (LwOrigin){0});
  LwSet *marks = lw_ruleset_add_set(rules, LW_SET_MAP, "marks", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  marks->data = LW_FIELD_MARK;
  LwChain *pre = lw_ruleset_add_base_chain(rules, "pre", LW_HOOK_PREROUTING, -150, FALSE, FALSE);
  lw_rule_lookup(lw_chain_add_rule(pre, (LwOrigin){0}, "marks"), LW_ACTION_SET_MARK, "marks", LW_FIELD_IIF,
                 LW_FIELD_LAST);
  LwRule *both = lw_chain_add_rule(pre, (LwOrigin){0}, "marks and accepts");
  lw_rule_lookup(both, LW_ACTION_SET_MARK, "marks", LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_verdict(both, LW_VERDICT_ACCEPT, NULL);
  lw_rule_verdict(
      lw_rule_match(lw_chain_add_rule(pre, (LwOrigin){0}, "drops"), LW_FIELD_IIF, name_value("evil")),
      LW_VERDICT_DROP, NULL);
  LwChain *nat = lw_ruleset_add_base_chain(rules, "snat", LW_HOOK_POSTROUTING, 100, TRUE, FALSE);
  lw_rule_add_action(lw_chain_add_rule(nat, (LwOrigin){0}, NULL), LW_ACTION_MASQUERADE);
  LwChain *forward = lw_ruleset_add_base_chain(rules, "forward", LW_HOOK_FORWARD, 0, FALSE, TRUE);
  lw_rule_add_action(lw_chain_add_rule(forward, (LwOrigin){0}, "counts"), LW_ACTION_COUNT);
  lw_rule_verdict(lw_rule_match_set(lw_chain_add_rule(forward, (LwOrigin){0}, "accepts"), "pairs", FALSE,
                                    LW_FIELD_IIF, LW_FIELD_LAST),
                  LW_VERDICT_ACCEPT, NULL);
  return rules;
}

static void test_bound(void) {
  g_autoptr(LwRuleset) rules = table("lanward", "lan10");
  g_autoptr(LwRuleset) bound = lw_ruleset_bound(rules);
  g_assert_cmpstr(bound->name, ==, "lanward_bound");
  g_assert_null(lw_ruleset_find_chain(bound, "snat"));
  g_assert_true(bound->sets == rules->sets);
  const LwChain *pre = lw_ruleset_find_chain(bound, "pre");
  g_assert_cmpuint(pre->rules->len, ==, 1);
  g_assert_cmpstr(((const LwRule *)pre->rules->pdata[0])->comment, ==, "drops");
  const LwChain *forward = lw_ruleset_find_chain(bound, "forward");
  g_assert_true(forward->drop);
  g_assert_cmpint(forward->hook, ==, LW_HOOK_FORWARD);
  g_assert_cmpuint(forward->rules->len, ==, 1);
  const LwRule *accepts = forward->rules->pdata[0];
  const LwMatch *match = accepts->matches->pdata[0];
  g_assert_cmpstr(match->set, ==, "pairs");
  g_assert_cmpuint(match->fields->len, ==, 1);
  g_autofree char *slashed = lw_bound_name("lanward_guard/bridge");
  g_assert_cmpstr(slashed, ==, "lanward_guard_bound/bridge");
}

static void test_nothing_to_bound(void) {
  g_autoptr(LwRuleset) rules = lw_ruleset_new(LW_FAMILY_INET, "nat");
  LwChain *nat = lw_ruleset_add_base_chain(rules, "snat", LW_HOOK_POSTROUTING, 100, TRUE, FALSE);
  lw_rule_add_action(lw_chain_add_rule(nat, (LwOrigin){0}, NULL), LW_ACTION_MASQUERADE);
  g_assert_null(lw_ruleset_bound(rules));
}

static void add_table(LwResourceSet *set, const char *ns, const char *allowed) {
  LwResource *resource = lw_resource_new(LW_RES_RULESET, ns, "lanward");
  resource->ruleset = table("lanward", allowed);
  lw_resource_set_add(set, resource);
}

static LwResource *add_link(LwResourceSet *set, const char *name, const char *master) {
  LwResource *link = lw_resource_new(LW_RES_LINK, "", name);
  link->link_type = LW_LINK_VETH;
  link->peer = g_strconcat("p", name, NULL);
  link->peer_ns = g_strdup("r");
  link->master = g_strdup(master);
  link->up = TRUE;
  return lw_resource_set_add(set, link);
}

/* The steps as text: "bound+ move ruleset …". */
static char *steps_text(const LwPlan *plan) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < plan->steps->len; i++) {
    const LwPlanStep *step = plan->steps->pdata[i];
    for (guint j = 0; j < step->changes->len; j++) {
      const LwChange *change = step->changes->pdata[j];
      g_autofree char *key = lw_resource_key(change->to ? change->to : change->from);
      g_string_append_printf(text, "%s%s", !change->from ? "+" : !change->to ? "-" : "~", key);
      if (change->to && change->to->kind == LW_RES_LINK)
        g_string_append_printf(text, "@%s", change->to->master ? change->to->master : "");
      g_string_append_c(text, '\n');
    }
  }
  return g_string_free(text, FALSE);
}

/* One table and a machine that moves: pulled, rules, plugged; no bound. */
static void test_move(void) {
  g_autoptr(LwResourceSet) old = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_table(old, "", "lan10");
  add_table(new, "", "lan20");
  add_link(old, "m1", "br1");
  add_link(new, "m1", "br2");
  g_autoptr(LwPlan) plan = lw_plan_diff(new, old, old);
  g_autofree char *text = steps_text(plan);
  g_assert_cmpstr(text, ==, "~link:/m1@\n~ruleset:/lanward/inet\n~link:/m1@br2\n");
  g_assert_cmpuint(plan->changes->len, ==, 2); /* for people it is two changes */
  g_autoptr(LwResourceSet) between = lw_plan_state_after(plan, 1);
  const LwResource *pulled = lw_resource_set_find(between, "link:/m1");
  g_assert_false(pulled->up);
}

/* Two tables: bounds of both before the first thing moves, gone after both are new. */
static void test_bounds(void) {
  g_autoptr(LwResourceSet) old = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_table(old, "", "lan10");
  add_table(new, "", "lan20");
  add_table(old, "r", "lan10");
  add_table(new, "r", "lan20");
  add_link(old, "m1", "br1");
  add_link(new, "m1", "br2");
  add_link(old, "m2", "br1");
  add_link(new, "m3", "br1");
  g_autoptr(LwPlan) plan = lw_plan_diff(new, old, old);
  g_autofree char *text = steps_text(plan);
  g_assert_cmpstr(text, ==,
                  "+ruleset:/lanward_bound/inet\n+ruleset:r/lanward_bound/inet\n"
                  "~link:/m1@\n-link:/m2\n+link:/m3@br1\n"
                  "~ruleset:/lanward/inet\n~ruleset:r/lanward/inet\n"
                  "-ruleset:r/lanward_bound/inet\n-ruleset:/lanward_bound/inet\n"
                  "~link:/m1@br2\n");
}

/* From nothing the rules come before the links, and there is nothing to bound. */
static void test_from_nothing(void) {
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_link(new, "m1", "br1");
  add_table(new, "", "lan10");
  g_autoptr(LwPlan) up = lw_plan_diff(new, nothing, nothing);
  g_autofree char *text = steps_text(up);
  g_assert_cmpstr(text, ==, "+ruleset:/lanward/inet\n+link:/m1@br1\n");
  g_autoptr(LwPlan) down = lw_plan_diff(nothing, new, new);
  g_autofree char *back = steps_text(down);
  g_assert_cmpstr(back, ==, "-link:/m1\n-ruleset:/lanward/inet\n");
}

/* What is there and not owned is left alone, whatever is wanted. */
static void test_foreign(void) {
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(LwResourceSet) owned = lw_resource_set_new();
  add_link(seen, "mine", "br1");
  add_link(seen, "theirs", "br1");
  add_link(owned, "mine", "br1");
  g_autoptr(LwPlan) plan = lw_plan_diff(nothing, seen, owned);
  g_autofree char *text = steps_text(plan);
  g_assert_cmpstr(text, ==, "-link:/mine\n");
  g_autoptr(LwResourceSet) after = lw_plan_state_after(plan, plan->steps->len);
  g_assert_nonnull(lw_resource_set_find(after, "link:/theirs"));
}

/* What cannot carry a mark and is not known as ours is not taken for ours: creating it is tried, and refused.
 */
static void test_anothers(void) {
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(LwResourceSet) both = lw_resource_set_new();
  lw_resource_set_add(both, lw_resource_new(LW_RES_NETNS, NULL, "router"));
  g_autoptr(LwPlan) clash = lw_plan_diff(both, both, nothing);
  g_autofree char *text = steps_text(clash);
  g_assert_cmpstr(text, ==, "+netns:router\n");
  g_autoptr(LwPlan) ours = lw_plan_diff(both, both, both);
  g_assert_true(lw_plan_is_empty(ours));
}

/* A table that somebody changed is first as the file in force has it. */
static void test_restore(void) {
  g_autoptr(LwResourceSet) before = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_table(before, "", "lan10");
  add_table(seen, "", "everything");
  add_table(new, "", "lan20");
  g_autoptr(LwPlan) plan = lw_plan_diff_from(new, seen, seen, before);
  g_assert_cmpuint(plan->steps->len, ==, 2);
  g_autoptr(LwResourceSet) first = lw_plan_state_after(plan, 1);
  g_assert_true(
      lw_resource_equal(lw_resource_set_find(first, "ruleset:/lanward/inet"), before->list->pdata[0]));
  g_autoptr(LwPlan) repair = lw_plan_diff_from(before, seen, seen, before);
  g_assert_cmpuint(repair->steps->len, ==, 1);
}

/* A link that is made anew takes with it what hangs on it: that has to come again, though it is as wanted. */
static void test_replaced_link(void) {
  g_autoptr(LwResourceSet) old = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_link(old, "v", NULL);
  LwResource *other = add_link(new, "v", NULL);
  g_free(other->peer);
  other->peer = g_strdup("elsewhere");
  for (guint i = 0; i < 2; i++) {
    LwResource *address = lw_resource_new(LW_RES_ADDRESS, "", NULL);
    address->link = g_strdup("v");
    address->prefix = lw_prefix_make(lw_addr_from_v4(0x0a000001), 24);
    lw_resource_set_add(i ? new : old, address);
  }
  g_autoptr(LwPlan) plan = lw_plan_diff(new, old, old);
  g_autofree char *text = steps_text(plan);
  g_assert_cmpstr(text, ==, "~link:/v@\n+address:/v/10.0.0.1/24\n");
}

static void add_default_route(LwResourceSet *set, const char *link) {
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, "", NULL);
  address->link = g_strdup(link);
  address->prefix = lw_prefix_make(lw_addr_from_v4(0x0a000001), 24);
  lw_resource_set_add(set, address);
  LwResource *route = lw_resource_new(LW_RES_ROUTE, "", NULL);
  route->link = g_strdup(link);
  route->prefix = lw_prefix_make(lw_addr_from_v4(0), 0);
  route->via = lw_addr_from_v4(0x0a0000fe);
  lw_resource_set_add(set, route);
}

/* An address moves to another link, and its default route with it: the kernel would drop the route with the
 * address, so it goes before, and the undo, last first, puts it back after. */
static void test_route_with_its_address(void) {
  g_autoptr(LwResourceSet) old = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_default_route(old, "enp1s0");
  add_default_route(new, "br0");
  g_autoptr(LwPlan) plan = lw_plan_diff(new, old, old);
  g_autofree char *text = steps_text(plan);
  g_assert_cmpstr(text, ==,
                  "-route:/0/0.0.0.0/0/0\n-address:/enp1s0/10.0.0.1/24\n"
                  "+address:/br0/10.0.0.1/24\n+route:/0/0.0.0.0/0/0\n");
  g_assert_cmpuint(plan->changes->len, ==, 3); /* people read of one change of the route */
}

/* Under bounds the ports are plugged in after the new tables: a DHCP client before that would hear nobody. */
static void test_lease_after_plug(void) {
  g_autoptr(LwResourceSet) old = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_table(old, "r", "lan10");
  add_table(new, "r", "lan20");
  add_table(old, "", "lan10");
  add_table(new, "", "lan20");
  add_link(old, "uplink", NULL);
  add_link(new, "uplink", "br0");
  LwResource *client = lw_resource_new(LW_RES_DHCP_CLIENT, "r", NULL);
  client->link = g_strdup("wan");
  lw_resource_set_add(new, client);
  g_autoptr(LwPlan) plan = lw_plan_diff(new, old, old);
  g_autofree char *text = steps_text(plan);
  g_assert_true(strstr(text, "_bound/") != NULL);
  g_assert_true(g_str_has_suffix(text, "~link:/uplink@br0\n+dhcp-client:r/wan\n"));
}

/* A tunnel that comes is made after the new tables, so that its first handshake is not lost; one that changes
 * in place before them. */
static void test_tunnels(void) {
  g_autoptr(LwResourceSet) old = lw_resource_set_new();
  g_autoptr(LwResourceSet) new = lw_resource_set_new();
  add_table(old, "r", "lan10");
  add_table(new, "r", "lan20");
  for (guint i = 0; i < 2; i++) {
    LwResource *tunnel = lw_resource_new(LW_RES_TUNNEL, "r", "wg0");
    tunnel->mark = 1 + i;
    lw_resource_set_add(i ? new : old, tunnel);
  }
  lw_resource_set_add(new, lw_resource_new(LW_RES_TUNNEL, "r", "wg1"));
  g_autoptr(LwPlan) plan = lw_plan_diff(new, old, old);
  g_autofree char *text = steps_text(plan);
  g_assert_cmpstr(text, ==,
                  "+ruleset:r/lanward_bound/inet\n~tunnel:r/wg0\n~ruleset:r/lanward/inet\n"
                  "-ruleset:r/lanward_bound/inet\n+tunnel:r/wg1\n");
}

static void add_uplink(LwResourceSet *set, const char *link) {
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, "", NULL);
  address->link = g_strdup(link);
  address->prefix = lw_prefix_make(lw_addr_from_v4(0xc0a80114), 24);
  LwResource *route = lw_resource_new(LW_RES_ROUTE, "", NULL);
  route->link = g_strdup(link);
  route->prefix = (LwPrefix){lw_addr_from_v4(0), 0};
  route->via = lw_addr_from_v4(0xc0a80101);
  lw_resource_set_add(set, address);
  lw_resource_set_add(set, route);
}

/* A route to another link is taken out before the address that its gateway is reached by, and put in after
 * the new one: forwards, and backwards in an undo. It is told as one change. */
static void test_route_moves(void) {
  g_autoptr(LwResourceSet) seen = lw_resource_set_new(), wanted = lw_resource_set_new();
  add_uplink(seen, "eth0");
  add_uplink(wanted, "br0");
  g_autoptr(LwPlan) plan = lw_plan_diff(wanted, seen, seen);
  g_autofree char *text = steps_text(plan);
  g_assert_cmpstr(text, ==,
                  "-route:/0/0.0.0.0/0/0\n-address:/eth0/192.168.1.20/24\n+address:/br0/192.168.1.20/24\n"
                  "+route:/0/0.0.0.0/0/0\n");
  g_assert_cmpuint(plan->changes->len, ==, 3);
}

static LwResource *add_nic(LwResourceSet *set, const char *place, const char *port) {
  LwResource *nic = lw_resource_new(LW_RES_DOMAIN_NIC, NULL, "desk");
  nic->master = g_strdup(place);
  nic->link = g_strdup(port);
  nic->up = TRUE;
  return lw_resource_set_add(set, nic);
}

/* A name for what had none is an addition; another name, or anything beside it, is a change. */
static void test_additions(void) {
  static const struct {
    const char *place, *port, *text;
  } cases[] = {
      {"switch", NULL, "1 to create, 0 to change live,"},
      {"switch", "tap", "0 to create, 1 to change live,"},
      {"other", NULL, "0 to create, 1 to change live,"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(LwResourceSet) seen = lw_resource_set_new();
    g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
    add_nic(seen, cases[i].place, cases[i].port);
    add_nic(wanted, "switch", "lwm1");
    g_autoptr(LwPlan) plan = lw_plan_diff(wanted, seen, seen);
    g_autofree char *text = lw_plan_format(plan, FALSE);
    g_assert_nonnull(strstr(text, cases[i].text));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/plan/bound", test_bound);
  g_test_add_func("/plan/nothing-to-bound", test_nothing_to_bound);
  g_test_add_func("/plan/move", test_move);
  g_test_add_func("/plan/bounds", test_bounds);
  g_test_add_func("/plan/from-nothing", test_from_nothing);
  g_test_add_func("/plan/foreign", test_foreign);
  g_test_add_func("/plan/anothers", test_anothers);
  g_test_add_func("/plan/restore", test_restore);
  g_test_add_func("/plan/replaced-link", test_replaced_link);
  g_test_add_func("/plan/tunnels", test_tunnels);
  g_test_add_func("/plan/route-with-its-address", test_route_with_its_address);
  g_test_add_func("/plan/lease-after-plug", test_lease_after_plug);
  g_test_add_func("/plan/route-moves", test_route_moves);
  g_test_add_func("/plan/additions", test_additions);
  return g_test_run();
}
