/* Decision diagrams against bit sets: every operation on random sets of a universe small enough to list. */
#include "flow/bdd.h"

#define VARIABLES 6
#define UNIVERSE (1u << VARIABLES)
#define ROUNDS 400

/* Bit i of a Truth table: is the vector i (its first variable the highest bit) a member? */
typedef guint64 Table;

static LwBdd from_table(LwBddPool *pool, Table table, guint variable, guint vector) {
  if (variable == VARIABLES)
    return (table >> vector) & 1u ? LW_BDD_TRUE : LW_BDD_FALSE;
  LwBdd low = from_table(pool, table, variable + 1, vector << 1);
  LwBdd high = from_table(pool, table, variable + 1, (vector << 1) | 1u);
  return lw_bdd_node(pool, variable, low, high);
}

static gboolean contains(LwBddPool *pool, LwBdd set, guint vector) {
  while (set > LW_BDD_TRUE)
    set = (vector >> (VARIABLES - 1 - lw_bdd_variable(pool, set))) & 1u ? lw_bdd_high(pool, set)
                                                                        : lw_bdd_low(pool, set);
  return set == LW_BDD_TRUE;
}

static Table to_table(LwBddPool *pool, LwBdd set) {
  Table table = 0;
  for (guint i = 0; i < UNIVERSE; i++)
    table |= (Table)contains(pool, set, i) << i;
  return table;
}

static Table random_table(void) {
  Table table = ((Table)g_test_rand_int() << 32) | (guint32)g_test_rand_int();
  for (gint sparse = g_test_rand_int_range(0, 4); sparse > 0; sparse--)
    table &= ((Table)g_test_rand_int() << 32) | (guint32)g_test_rand_int();
  return table;
}

static guint ones(Table table) {
  guint count = 0;
  for (; table; table &= table - 1)
    count++;
  return count;
}

static Table forget(Table table, guint first, guint count) {
  Table out = 0;
  guint mask = 0;
  for (guint v = first; v < first + count; v++)
    mask |= 1u << (VARIABLES - 1 - v);
  for (guint i = 0; i < UNIVERSE; i++)
    for (guint j = 0; j < UNIVERSE; j++)
      if ((i & ~mask) == (j & ~mask) && ((table >> j) & 1u))
        out |= (Table)1 << i;
  return out;
}

static void test_against_tables(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  for (guint round = 0; round < ROUNDS; round++) {
    Table ta = random_table(), tb = random_table();
    LwBdd a = from_table(pool, ta, 0, 0), b = from_table(pool, tb, 0, 0);
    g_assert_cmpuint(to_table(pool, a), ==, ta);
    g_assert_cmpuint(to_table(pool, lw_bdd_and(pool, a, b)), ==, ta & tb);
    g_assert_cmpuint(to_table(pool, lw_bdd_or(pool, a, b)), ==, ta | tb);
    g_assert_cmpuint(to_table(pool, lw_bdd_minus(pool, a, b)), ==, ta & ~tb);
    g_assert_cmpuint(to_table(pool, lw_bdd_not(pool, a)), ==, ~ta);
    g_assert_true(lw_bdd_intersects(pool, a, b) == ((ta & tb) != 0));
    g_assert_true(lw_bdd_is_subset(pool, a, b) == ((ta & ~tb) == 0));
    g_assert_cmpuint((guint)lw_bdd_count(pool, a, VARIABLES), ==, ones(ta));
    guint first = (guint)g_test_rand_int_range(0, VARIABLES);
    guint count = (guint)g_test_rand_int_range(0, VARIABLES - (gint)first + 1);
    g_assert_cmpuint(to_table(pool, lw_bdd_exists(pool, a, first, count)), ==, forget(ta, first, count));
  }
}

/* Equal sets are equal numbers, whichever way they were made: the proof compares by number. */
static void test_canonical(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  for (guint round = 0; round < ROUNDS; round++) {
    LwBdd a = from_table(pool, random_table(), 0, 0), b = from_table(pool, random_table(), 0, 0);
    LwBdd c = from_table(pool, random_table(), 0, 0);
    g_assert_cmpuint(lw_bdd_not(pool, lw_bdd_and(pool, a, b)), ==,
                     lw_bdd_or(pool, lw_bdd_not(pool, a), lw_bdd_not(pool, b)));
    g_assert_cmpuint(lw_bdd_minus(pool, a, b), ==, lw_bdd_and(pool, a, lw_bdd_not(pool, b)));
    g_assert_cmpuint(lw_bdd_and(pool, a, lw_bdd_or(pool, b, c)), ==,
                     lw_bdd_or(pool, lw_bdd_and(pool, a, b), lw_bdd_and(pool, a, c)));
    LwBdd sets[] = {a, b, c, a, b};
    g_assert_cmpuint(lw_bdd_or_all(pool, sets, 5), ==, lw_bdd_or(pool, a, lw_bdd_or(pool, b, c)));
  }
  g_assert_cmpuint(lw_bdd_or_all(pool, NULL, 0), ==, LW_BDD_FALSE);
}

/* The pool grows many times here, and forgets results: nothing may change by it. */
static void test_growth(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwBdd all = LW_BDD_FALSE, again = LW_BDD_FALSE;
  guint64 *numbers = g_new(guint64, 3000);
  for (guint i = 0; i < 3000; i++)
    numbers[i] = ((guint64)g_test_rand_int() << 20) ^ (guint32)g_test_rand_int();
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < 3000; i++) {
      LwBdd one = LW_BDD_TRUE;
      guint64 n = numbers[pass ? 2999 - i : i];
      for (guint v = 48; v-- > 0;)
        one = lw_bdd_node(pool, v, (n >> v) & 1u ? LW_BDD_FALSE : one, (n >> v) & 1u ? one : LW_BDD_FALSE);
      if (pass)
        again = lw_bdd_or(pool, again, one);
      else
        all = lw_bdd_or(pool, all, one);
    }
  g_assert_cmpuint(all, ==, again);
  g_assert_cmpuint(lw_bdd_pool_nodes(pool), >, 4096);
  g_free(numbers);
  lw_bdd_pool_empty(pool);
  g_assert_cmpuint(lw_bdd_pool_nodes(pool), ==, 2);
}

/* Rounds of scratch beside sets that stay: what is kept or put aside is the set that it was, what is made again
 * is found again. */
static void test_scratch(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  Table tables[8], kept_tables[3];
  LwBdd sets[8], kept[3];
  for (guint i = 0; i < 8; i++)
    sets[i] = from_table(pool, tables[i] = random_table(), 0, 0);
  for (guint round = 0; round < ROUNDS; round++) {
    guint before = lw_bdd_pool_nodes(pool);
    lw_bdd_scratch_begin(pool);
    g_assert_cmpuint(from_table(pool, tables[round % 8], 0, 0), ==, sets[round % 8]);
    for (guint i = 0; i < 3; i++) {
      Table other = random_table();
      kept_tables[i] = i == 1 ? tables[round % 8] | other : tables[round % 8] & ~other;
      LwBdd made = from_table(pool, other, 0, 0);
      kept[i] = i == 1 ? lw_bdd_or(pool, sets[round % 8], made) : lw_bdd_minus(pool, sets[round % 8], made);
      g_assert_true(to_table(pool, kept[i]) == kept_tables[i]);
      g_assert_true(lw_bdd_is_scratch(pool, kept[i]) == (kept[i] >= before));
    }
    LwBdd *const aside[] = {&kept[0], &kept[1]}, *const stay[] = {&kept[2]};
    LwBddStored *stored = lw_bdd_store(pool, aside, 2);
    lw_bdd_scratch_end(pool, stay, round % 2);
    if (round % 2)
      g_assert_true(to_table(pool, kept[2]) == kept_tables[2]);
    else
      g_assert_cmpuint(lw_bdd_pool_nodes(pool), ==, before);
    g_assert_false(lw_bdd_is_scratch(pool, lw_bdd_pool_nodes(pool)));
    lw_bdd_restore(pool, stored, aside);
    lw_bdd_stored_free(stored);
    for (guint i = 0; i < 2; i++) {
      g_assert_true(to_table(pool, kept[i]) == kept_tables[i]);
      g_assert_cmpuint(from_table(pool, kept_tables[i], 0, 0), ==, kept[i]);
    }
    for (guint i = 0; i < 8; i++)
      g_assert_true(to_table(pool, sets[i]) == tables[i]);
    sets[round % 8] = kept[1];
    tables[round % 8] = kept_tables[1];
    if (tables[round % 8] == G_MAXUINT64) /* it only grows */
      sets[round % 8] = from_table(pool, tables[round % 8] = random_table(), 0, 0);
  }
}

/* More than the tables have room for at first, in one round, and small ones behind it. */
static void test_large_scratch(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwBdd stays = lw_bdd_node(pool, 40, LW_BDD_FALSE, LW_BDD_TRUE), large = LW_BDD_FALSE;
  lw_bdd_scratch_begin(pool);
  for (guint i = 0; i < 3000; i++) {
    LwBdd one = stays;
    for (guint v = 20; v-- > 0;)
      one = (i * 2654435761u) >> (v + 5) & 1u ? lw_bdd_node(pool, v, LW_BDD_FALSE, one)
                                               : lw_bdd_node(pool, v, one, LW_BDD_FALSE);
    large = lw_bdd_or(pool, large, one);
  }
  double count = lw_bdd_count(pool, large, 41);
  LwBdd *const keep[] = {&large};
  lw_bdd_scratch_end(pool, keep, 1);
  g_assert_true(lw_bdd_count(pool, large, 41) == count);
  guint nodes = lw_bdd_pool_nodes(pool);
  for (guint round = 0; round < 3; round++) {
    lw_bdd_scratch_begin(pool);
    g_assert_true(lw_bdd_is_subset(pool, large, stays));
    g_assert_cmpuint(lw_bdd_and(pool, large, stays), ==, large);
    lw_bdd_scratch_end(pool, NULL, 0);
    g_assert_cmpuint(lw_bdd_pool_nodes(pool), ==, nodes);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/flow/bdd/against-tables", test_against_tables);
  g_test_add_func("/flow/bdd/canonical", test_canonical);
  g_test_add_func("/flow/bdd/growth", test_growth);
  g_test_add_func("/flow/bdd/scratch", test_scratch);
  g_test_add_func("/flow/bdd/large-scratch", test_large_scratch);
  return g_test_run();
}
