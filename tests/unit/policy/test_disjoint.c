#include "policy/disjoint.h"

static LwSet *new_set(LwRuleset *table) {
  return lw_ruleset_add_set(table, LW_SET_PLAIN, "s", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_DPORT,
                            LW_FIELD_LAST);
}

static void add(LwSet *set, const char *name, guint a, guint b, guint p, guint q) {
  LwValue key[] = {lw_value_name(name), lw_value_range((LwRange){lw_addr_from_v4(a), lw_addr_from_v4(b)}),
                   lw_value_numbers(p, q)};
  lw_set_add(set, key, 3, (LwOrigin){0});
}

static guint covering(const LwSet *set, const char *name, guint addr, guint port) {
  guint count = 0;
  LwAddr a = lw_addr_from_v4(addr);
  for (guint i = 0; i < set->elements->len; i++) {
    const LwElement *e = set->elements->pdata[i];
    const LwValue *v = (const LwValue *)(const void *)e->key->data;
    count += g_str_equal(v[0].name, name) && lw_range_contains(&v[1].range, &a) && v[2].first <= port &&
             port <= v[2].last;
  }
  return count;
}

/* Random boxes over a small space, every point of it asked before and after. */
static void test_random(void) {
  static const char *const names[] = {"lan10", "lan20"};
  for (guint round = 0; round < 300; round++) {
    g_autoptr(LwRuleset) table = lw_ruleset_new(LW_FAMILY_INET, "t");
    LwSet *set = new_set(table);
    for (guint i = 0; i < 8; i++) {
      guint a = (guint)g_test_rand_int_range(0, 12), p = (guint)g_test_rand_int_range(0, 12);
      add(set, names[g_test_rand_int_range(0, 2)], a, a + (guint)g_test_rand_int_range(0, 6), p,
          p + (guint)g_test_rand_int_range(0, 6));
    }
    g_autoptr(LwRuleset) other = lw_ruleset_new(LW_FAMILY_INET, "t");
    LwSet *kept = new_set(other);
    for (guint i = 0; i < set->elements->len; i++) {
      const LwElement *e = set->elements->pdata[i];
      const LwValue *v = (const LwValue *)(const void *)e->key->data;
      add(kept, v[0].name, lw_addr_v4(&v[1].range.first), lw_addr_v4(&v[1].range.last), v[2].first,
          v[2].last);
    }
    lw_set_make_disjoint(set);
    for (guint n = 0; n < 2; n++)
      for (guint addr = 0; addr < 20; addr++)
        for (guint port = 0; port < 20; port++)
          g_assert_cmpuint(covering(set, names[n], addr, port), ==, covering(kept, names[n], addr, port) > 0);
  }
}

static void test_edges(void) {
  g_autoptr(LwRuleset) table = lw_ruleset_new(LW_FAMILY_INET, "t");
  LwSet *set = new_set(table);
  add(set, "lan10", 0, G_MAXUINT32, 0, 65535); /* everything: nothing is below or above it */
  add(set, "lan10", 5, 5, 80, 80);
  lw_set_make_disjoint(set);
  g_assert_cmpuint(set->elements->len, ==, 1);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/policy/disjoint/random", test_random);
  g_test_add_func("/policy/disjoint/edges", test_edges);
  return g_test_run();
}
