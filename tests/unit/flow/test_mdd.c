/* Decision diagrams against bit sets: every operation on random sets of a universe small enough to list. */
#include "flow/mdd.h"

#include <stdlib.h>

#define VARIABLES 3
#define UNIVERSE 64u
#define ROUNDS 400

static const guint8 bits[VARIABLES] = {1, 3, 2};

static guint values_of(guint variable) {
  g_assert(variable < VARIABLES);
  return 1u << bits[variable];
}

/* How many vectors differ in later variables alone. */
static guint below(guint variable) {
  guint count = 1;
  for (guint v = variable + 1; v < VARIABLES; v++)
    count *= values_of(v);
  return count;
}

/* Bit i of a Truth table: is the vector i (its first variable the highest bits) a member? */
typedef guint64 Table;

static LwMdd from_table(LwMddPool *pool, Table table, guint variable, guint vector) {
  if (variable == VARIABLES)
    return (table >> vector) & 1u ? LW_MDD_TRUE : LW_MDD_FALSE;
  LwEdge edges[8];
  for (guint value = 0; value < values_of(variable); value++)
    edges[value] = (LwEdge){value, from_table(pool, table, variable + 1, (vector << bits[variable]) | value)};
  return lw_mdd_node(pool, variable, edges, values_of(variable));
}

static gboolean contains(LwMddPool *pool, LwMdd set, guint vector) {
  while (set > LW_MDD_TRUE) {
    guint variable = lw_mdd_variable(pool, set);
    set = lw_mdd_follow(pool, set, vector / below(variable) % values_of(variable));
  }
  return set == LW_MDD_TRUE;
}

static Table to_table(LwMddPool *pool, LwMdd set) {
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
    mask |= (values_of(v) - 1) * below(v);
  for (guint i = 0; i < UNIVERSE; i++)
    for (guint j = 0; j < UNIVERSE; j++)
      if ((i & ~mask) == (j & ~mask) && ((table >> j) & 1u))
        out |= (Table)1 << i;
  return out;
}

/* Every node: at least two edges, from 0 on, ascending, neighbours that differ, later variables below. */
static void check_shape(LwMddPool *pool, LwMdd set) {
  guint count;
  if (set <= LW_MDD_TRUE)
    return;
  const LwEdge *edges = lw_mdd_edges(pool, set, &count);
  g_assert_cmpuint(count, >, 1);
  g_assert_cmpuint(edges[0].first, ==, 0);
  for (guint i = 0; i < count; i++) {
    g_assert_cmpuint(edges[i].first, <, values_of(lw_mdd_variable(pool, set)));
    g_assert_true(i == 0 || (edges[i].first > edges[i - 1].first && edges[i].to != edges[i - 1].to));
    g_assert_true(edges[i].to <= LW_MDD_TRUE ||
                  lw_mdd_variable(pool, edges[i].to) > lw_mdd_variable(pool, set));
    check_shape(pool, edges[i].to);
  }
}

static void test_against_tables(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  for (guint round = 0; round < ROUNDS; round++) {
    Table ta = random_table(), tb = random_table();
    LwMdd a = from_table(pool, ta, 0, 0), b = from_table(pool, tb, 0, 0);
    g_assert_cmpuint(to_table(pool, a), ==, ta);
    g_assert_cmpuint(to_table(pool, lw_mdd_and(pool, a, b)), ==, ta & tb);
    g_assert_cmpuint(to_table(pool, lw_mdd_or(pool, a, b)), ==, ta | tb);
    g_assert_cmpuint(to_table(pool, lw_mdd_minus(pool, a, b)), ==, ta & ~tb);
    g_assert_cmpuint(to_table(pool, lw_mdd_not(pool, a)), ==, ~ta);
    g_assert_true(lw_mdd_intersects(pool, a, b) == ((ta & tb) != 0));
    g_assert_true(lw_mdd_is_subset(pool, a, b) == ((ta & ~tb) == 0));
    g_assert_cmpuint((guint)lw_mdd_count(pool, a, bits, VARIABLES), ==, ones(ta));
    check_shape(pool, lw_mdd_or(pool, a, lw_mdd_not(pool, b)));
    guint first = (guint)g_test_rand_int_range(0, VARIABLES);
    guint count = (guint)g_test_rand_int_range(0, VARIABLES - (gint)first + 1);
    g_assert_cmpuint(to_table(pool, lw_mdd_exists(pool, a, first, count)), ==, forget(ta, first, count));
  }
}

/* Equal sets are equal numbers, whichever way they were made: the proof compares by number. */
static void test_canonical(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  for (guint round = 0; round < ROUNDS; round++) {
    LwMdd a = from_table(pool, random_table(), 0, 0), b = from_table(pool, random_table(), 0, 0);
    LwMdd c = from_table(pool, random_table(), 0, 0);
    g_assert_cmpuint(lw_mdd_not(pool, lw_mdd_and(pool, a, b)), ==,
                     lw_mdd_or(pool, lw_mdd_not(pool, a), lw_mdd_not(pool, b)));
    g_assert_cmpuint(lw_mdd_minus(pool, a, b), ==, lw_mdd_and(pool, a, lw_mdd_not(pool, b)));
    g_assert_cmpuint(lw_mdd_and(pool, a, lw_mdd_or(pool, b, c)), ==,
                     lw_mdd_or(pool, lw_mdd_and(pool, a, b), lw_mdd_and(pool, a, c)));
    LwMdd sets[] = {a, b, c, a, b};
    g_assert_cmpuint(lw_mdd_or_all(pool, sets, 5), ==, lw_mdd_or(pool, a, lw_mdd_or(pool, b, c)));
  }
  g_assert_cmpuint(lw_mdd_or_all(pool, NULL, 0), ==, LW_MDD_FALSE);
}

/* An interval is the node with its edges. */
static void test_interval(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd then = lw_mdd_interval(pool, 2, 1, 2, 3, LW_MDD_TRUE);
  for (guint first = 0; first < 8; first++)
    for (guint last = first; last < 8; last++) {
      LwEdge edges[8];
      for (guint value = 0; value < 8; value++)
        edges[value] = (LwEdge){value, first <= value && value <= last ? then : LW_MDD_FALSE};
      g_assert_cmpuint(lw_mdd_interval(pool, 1, first, last, 7, then), ==, lw_mdd_node(pool, 1, edges, 8));
    }
  g_assert_cmpuint(lw_mdd_interval(pool, 1, 0, 7, 7, then), ==, then);
}

static gint ascending(gconstpointer a, gconstpointer b) {
  guint32 one = *(const guint32 *)a, other = *(const guint32 *)b;
  return one < other ? -1 : one > other;
}

/* Nodes with thousands of edges, where a step goes by leaps: against lists of the values. */
static void test_many_edges(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  const guint8 word[] = {16};
  for (guint round = 0; round < 60; round++) {
    g_autofree guint8 *members = g_new0(guint8, 2 * 65536);
    guint8 *const member[2] = {members, members + 65536};
    LwMdd sets[2];
    for (guint s = 0; s < 2; s++) {
      g_autoptr(GArray) edges = g_array_new(FALSE, FALSE, sizeof(LwEdge));
      guint count = s ? 3000 : 1 + round % 5; /* few and many side by side */
      g_autofree guint32 *at = g_new0(guint32, count);
      for (guint i = 1; i < count; i++)
        at[i] = (guint32)g_test_rand_int_range(0, 65536);
      qsort(at, count, sizeof *at, ascending);
      for (guint i = 0; i < count; i++) {
        LwEdge edge = {at[i], (guint32)g_test_rand_int_range(0, 2)};
        for (guint v = at[i]; v < (i + 1 < count ? at[i + 1] : 65536); v++)
          member[s][v] = (guint8)edge.to;
        if (i == 0 || at[i] != at[i - 1])
          g_array_append_val(edges, edge);
        else
          g_array_index(edges, LwEdge, edges->len - 1) = edge;
      }
      sets[s] = lw_mdd_node(pool, 0, (const LwEdge *)(const void *)edges->data, edges->len);
    }
    LwMdd both = lw_mdd_and(pool, sets[0], sets[1]), any = lw_mdd_or(pool, sets[0], sets[1]);
    LwMdd only = lw_mdd_minus(pool, sets[1], sets[0]);
    guint counts[3] = {0};
    for (guint v = 0; v < 65536; v++) {
      counts[0] += member[0][v] && member[1][v];
      counts[1] += member[0][v] || member[1][v];
      counts[2] += member[1][v] && !member[0][v];
      g_assert_true(both <= LW_MDD_TRUE ||
                    lw_mdd_follow(pool, both, v) == (LwMdd)(member[0][v] && member[1][v]));
      g_assert_true(any <= LW_MDD_TRUE ||
                    lw_mdd_follow(pool, any, v) == (LwMdd)(member[0][v] || member[1][v]));
      g_assert_true(only <= LW_MDD_TRUE ||
                    lw_mdd_follow(pool, only, v) == (LwMdd)(member[1][v] && !member[0][v]));
    }
    g_assert_cmpuint((guint)lw_mdd_count(pool, both, word, 1), ==, counts[0]);
    g_assert_cmpuint((guint)lw_mdd_count(pool, any, word, 1), ==, counts[1]);
    g_assert_cmpuint((guint)lw_mdd_count(pool, only, word, 1), ==, counts[2]);
    g_assert_true(lw_mdd_intersects(pool, sets[0], sets[1]) == (counts[0] > 0));
    g_assert_true(lw_mdd_is_subset(pool, sets[1], sets[0]) == (counts[2] == 0));
  }
}

/* One vector of 48 bits, as six variables. */
static LwMdd one_vector(LwMddPool *pool, guint64 number, LwMdd then) {
  for (guint v = 6; v-- > 0;) {
    guint32 value = (guint32)(number >> (8 * v)) & 0xff;
    then = lw_mdd_interval(pool, v, value, value, 255, then);
  }
  return then;
}

/* The pool grows many times here, and forgets results: nothing may change by it. */
static void test_growth(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd all = LW_MDD_FALSE, again = LW_MDD_FALSE;
  guint64 *numbers = g_new(guint64, 3000);
  for (guint i = 0; i < 3000; i++)
    numbers[i] = ((guint64)g_test_rand_int() << 20) ^ (guint32)g_test_rand_int();
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < 3000; i++) {
      LwMdd one = one_vector(pool, numbers[pass ? 2999 - i : i], LW_MDD_TRUE);
      if (pass)
        again = lw_mdd_or(pool, again, one);
      else
        all = lw_mdd_or(pool, all, one);
    }
  g_assert_cmpuint(all, ==, again);
  g_assert_cmpuint(lw_mdd_pool_nodes(pool), >, 4096);
  g_free(numbers);
  lw_mdd_pool_empty(pool);
  g_assert_cmpuint(lw_mdd_pool_nodes(pool), ==, 2);
}

/* Rounds of scratch beside sets that stay: what is kept or put aside is the set that it was, what is made
 * again is found again. */
static void test_scratch(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  Table tables[8], kept_tables[3];
  LwMdd sets[8], kept[3];
  for (guint i = 0; i < 8; i++)
    sets[i] = from_table(pool, tables[i] = random_table(), 0, 0);
  for (guint round = 0; round < ROUNDS; round++) {
    guint before = lw_mdd_pool_nodes(pool);
    lw_mdd_scratch_begin(pool);
    g_assert_cmpuint(from_table(pool, tables[round % 8], 0, 0), ==, sets[round % 8]);
    for (guint i = 0; i < 3; i++) {
      Table other = random_table();
      kept_tables[i] = i == 1 ? tables[round % 8] | other : tables[round % 8] & ~other;
      LwMdd made = from_table(pool, other, 0, 0);
      kept[i] = i == 1 ? lw_mdd_or(pool, sets[round % 8], made) : lw_mdd_minus(pool, sets[round % 8], made);
      g_assert_true(to_table(pool, kept[i]) == kept_tables[i]);
      if (lw_mdd_is_scratch(pool, kept[i]))
        g_assert_cmpuint(lw_mdd_pool_nodes(pool), >, before);
      for (guint j = 0; j < 8; j++)
        g_assert_true(kept[i] != sets[j] || !lw_mdd_is_scratch(pool, kept[i]));
    }
    LwMdd *const aside[] = {&kept[0], &kept[1]}, *const stay[] = {&kept[2]};
    LwMddStored *stored = lw_mdd_store(pool, aside, 2);
    lw_mdd_scratch_end(pool, stay, round % 2);
    if (round % 2)
      g_assert_true(to_table(pool, kept[2]) == kept_tables[2]);
    else
      g_assert_cmpuint(lw_mdd_pool_nodes(pool), ==, before);
    g_assert_false(round % 2 && lw_mdd_is_scratch(pool, kept[2]));
    lw_mdd_restore(pool, stored, aside);
    lw_mdd_stored_free(stored);
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
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  const guint8 sizes[] = {8, 8, 8, 8, 8, 8, 1};
  LwMdd stays = lw_mdd_interval(pool, 6, 1, 1, 1, LW_MDD_TRUE), large = LW_MDD_FALSE;
  lw_mdd_scratch_begin(pool);
  for (guint i = 0; i < 3000; i++)
    large = lw_mdd_or(pool, large, one_vector(pool, i * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15), stays));
  double count = lw_mdd_count(pool, large, sizes, 7);
  g_assert_cmpfloat(count, ==, 3000);
  LwMdd *const keep[] = {&large};
  lw_mdd_scratch_end(pool, keep, 1);
  g_assert_true(lw_mdd_count(pool, large, sizes, 7) == count);
  guint nodes = lw_mdd_pool_nodes(pool);
  for (guint round = 0; round < 3; round++) {
    lw_mdd_scratch_begin(pool);
    g_assert_true(lw_mdd_is_subset(pool, large, stays));
    g_assert_cmpuint(lw_mdd_and(pool, large, stays), ==, large);
    lw_mdd_scratch_end(pool, NULL, 0);
    g_assert_cmpuint(lw_mdd_pool_nodes(pool), ==, nodes);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/flow/mdd/against-tables", test_against_tables);
  g_test_add_func("/flow/mdd/canonical", test_canonical);
  g_test_add_func("/flow/mdd/interval", test_interval);
  g_test_add_func("/flow/mdd/many-edges", test_many_edges);
  g_test_add_func("/flow/mdd/growth", test_growth);
  g_test_add_func("/flow/mdd/scratch", test_scratch);
  g_test_add_func("/flow/mdd/large-scratch", test_large_scratch);
  return g_test_run();
}
