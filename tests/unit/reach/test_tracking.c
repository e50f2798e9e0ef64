/* A nat chain is asked only where flows are tracked, and they are only where some rule needs that: seen with
 * packets in world 7035 of tests/soundness (a drop in a nat chain that stopped nothing). */
#include "reach/reach.h"

static LwResource *add(LwResourceSet *world, LwResourceKind kind, const char *name) {
  return lw_resource_set_add(world, lw_resource_new(kind, "", name));
}

static LwResourceSet *world_new(LwFamily tracker, gboolean tracks) {
  LwResourceSet *world = lw_resource_set_new();
  LwResource *link = add(world, LW_RES_LINK, "e0"), *address = lw_resource_new(LW_RES_ADDRESS, "", NULL);
  link->link_type = LW_LINK_EXTERNAL;
  link->up = TRUE;
  address->link = g_strdup("e0");
  g_assert_true(lw_prefix_parse("10.0.0.1/24", &address->prefix));
  lw_resource_set_add(world, address);
  LwResource *table = add(world, LW_RES_RULESET, "one/inet");
  table->ruleset = lw_ruleset_new(LW_FAMILY_INET, "one");
  LwChain *nat = lw_ruleset_add_base_chain(table->ruleset, "nat", LW_HOOK_PREROUTING, -100, TRUE, FALSE);
  lw_rule_verdict(lw_chain_add_rule(nat, (LwOrigin){0}, NULL), LW_VERDICT_DROP, NULL);
  if (!tracks)
    return world;
  LwResource *other = add(world, LW_RES_RULESET, "two/x");
  other->ruleset = lw_ruleset_new(tracker, "two");
  LwChain *output = lw_ruleset_add_base_chain(other->ruleset, "out", LW_HOOK_OUTPUT, 0, FALSE, FALSE);
  lw_rule_verdict(lw_rule_match(lw_chain_add_rule(output, (LwOrigin){0}, NULL), LW_FIELD_CT_STATE,
                                lw_value_number(LW_CT_NEW)),
                  LW_VERDICT_ACCEPT, NULL);
  return world;
}

static void check(LwFamily tracker, gboolean tracks, LwApproximation approximation, gboolean arrives,
                  gboolean told) {
  static const char *const inside[] = {"", NULL};
  g_autoptr(LwResourceSet) world = world_new(tracker, tracks);
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  g_autoptr(LwReach) reach = lw_reach_new(pool, world, inside);
  const LwStart start = {LW_START_FRAME, "", "e0"};
  LwAddr own, other;
  g_assert_true(lw_addr_parse("10.0.0.1", &own) && lw_addr_parse("10.0.0.2", &other));
  LwMdd packets = lw_mdd_and(pool, lw_packets_addr(pool, LW_HEADER_DADDR, &own),
                             lw_packets_addr(pool, LW_HEADER_SADDR, &other));
  g_autoptr(GPtrArray) arrivals = lw_reach_from(reach, &start, packets, LW_CT_NEW, approximation);
  g_assert_true((arrivals->len > 0) == arrives);
  g_assert_true((g_hash_table_size(lw_reach_unknowns(reach)) > 0) == told);
}

static void test_untracked(void) {
  check(LW_FAMILY_INET, FALSE, LW_REACH_MAY, TRUE, TRUE);
  check(LW_FAMILY_INET, FALSE, LW_REACH_MUST, FALSE, TRUE);
}

static void test_tracked(void) {
  check(LW_FAMILY_INET, TRUE, LW_REACH_MAY, FALSE, FALSE);
  check(LW_FAMILY_IP, TRUE, LW_REACH_MAY, FALSE, FALSE);
}

/* Tracking of the other family is none of this one's. */
static void test_other_family(void) {
  check(LW_FAMILY_IP6, TRUE, LW_REACH_MAY, TRUE, TRUE);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/reach/tracking/untracked", test_untracked);
  g_test_add_func("/reach/tracking/tracked", test_tracked);
  g_test_add_func("/reach/tracking/other-family", test_other_family);
  return g_test_run();
}
