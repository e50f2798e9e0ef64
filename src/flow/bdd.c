#include "flow/bdd.h"

#include <string.h>

/* Nodes live in one array and are found by an open-addressing table of their numbers; results of operations
 * are kept in a direct-mapped cache that may forget. Both grow with the number of nodes, so a small lab's
 * proof stays small. */

#define NODES_AT_FIRST 4096u
#define CACHE_AT_FIRST 4096u
#define CACHE_AT_MOST (1u << 21)
#define LEVEL_OF_CONSTANTS G_MAXUINT32

typedef struct {
  guint32 variable;
  LwBdd low, high;
} Node;

typedef enum { OP_NONE, OP_AND, OP_OR, OP_MINUS, OP_EXISTS } Op;

typedef struct {
  guint32 op; /* Op, and for EXISTS the variables */
  LwBdd a, b, result;
} Entry;

struct LwBddPool {
  Node *nodes;
  guint count, room;
  guint32 *table; /* 0: free; node 0 is a constant and never in it */
  guint32 table_mask;
  Entry *cache;
  guint32 cache_mask;
};

static void put_constants(LwBddPool *pool) {
  pool->nodes[LW_BDD_FALSE] = (Node){LEVEL_OF_CONSTANTS, LW_BDD_FALSE, LW_BDD_FALSE};
  pool->nodes[LW_BDD_TRUE] = (Node){LEVEL_OF_CONSTANTS, LW_BDD_TRUE, LW_BDD_TRUE};
  pool->count = 2;
}

LwBddPool *lw_bdd_pool_new(void) {
  LwBddPool *pool = g_new0(LwBddPool, 1);
  pool->room = NODES_AT_FIRST;
  pool->nodes = g_new(Node, pool->room);
  pool->table_mask = 2 * NODES_AT_FIRST - 1;
  pool->table = g_new0(guint32, pool->table_mask + 1);
  pool->cache_mask = CACHE_AT_FIRST - 1;
  pool->cache = g_new0(Entry, CACHE_AT_FIRST);
  put_constants(pool);
  return pool;
}

void lw_bdd_pool_free(LwBddPool *pool) {
  if (!pool)
    return;
  g_free(pool->nodes);
  g_free(pool->table);
  g_free(pool->cache);
  g_free(pool);
}

void lw_bdd_pool_empty(LwBddPool *pool) {
  memset(pool->table, 0, (pool->table_mask + 1ul) * sizeof *pool->table);
  memset(pool->cache, 0, (pool->cache_mask + 1ul) * sizeof *pool->cache);
  put_constants(pool);
}

static inline guint32 mix(guint32 a, guint32 b, guint32 c) {
  guint64 h = (((guint64)a << 32) | b) * 0x9e3779b97f4a7c15u;
  h ^= (guint64)c * 0xc2b2ae3d27d4eb4fu;
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93u;
  return (guint32)(h >> 32);
}

static void put_in_table(LwBddPool *pool, guint32 number) {
  const Node *node = &pool->nodes[number];
  guint32 at = mix(node->variable, node->low, node->high) & pool->table_mask;
  while (pool->table[at])
    at = (at + 1) & pool->table_mask;
  pool->table[at] = number;
}

static void grow(LwBddPool *pool) {
  pool->room *= 2;
  pool->nodes = g_renew(Node, pool->nodes, pool->room);
  g_free(pool->table);
  pool->table_mask = 2 * pool->room - 1;
  pool->table = g_new0(guint32, pool->table_mask + 1ul);
  for (guint32 i = 2; i < pool->count; i++)
    put_in_table(pool, i);
  if (pool->cache_mask + 1 >= CACHE_AT_MOST || pool->cache_mask + 1 >= pool->room)
    return;
  guint32 mask = 2 * (pool->cache_mask + 1) - 1;
  Entry *cache = g_new0(Entry, mask + 1ul);
  for (guint32 i = 0; i <= pool->cache_mask; i++) {
    const Entry *entry = &pool->cache[i];
    if (entry->op)
      cache[mix(entry->op, entry->a, entry->b) & mask] = *entry;
  }
  g_free(pool->cache);
  pool->cache = cache;
  pool->cache_mask = mask;
}

LwBdd lw_bdd_node(LwBddPool *pool, guint variable, LwBdd low, LwBdd high) {
  if (low == high)
    return low;
  guint32 at = mix(variable, low, high) & pool->table_mask;
  for (guint32 found; (found = pool->table[at]); at = (at + 1) & pool->table_mask) {
    const Node *node = &pool->nodes[found];
    if (node->low == low && node->high == high && node->variable == variable)
      return found;
  }
  if (pool->count == pool->room) {
    grow(pool);
    at = mix(variable, low, high) & pool->table_mask;
    while (pool->table[at])
      at = (at + 1) & pool->table_mask;
  }
  guint32 number = pool->count++;
  pool->nodes[number] = (Node){variable, low, high};
  pool->table[at] = number;
  return number;
}

static gboolean recall(const LwBddPool *pool, guint32 op, LwBdd a, LwBdd b, LwBdd *result) {
  const Entry *entry = &pool->cache[mix(op, a, b) & pool->cache_mask];
  if (entry->op != op || entry->a != a || entry->b != b)
    return FALSE;
  *result = entry->result;
  return TRUE;
}

static LwBdd keep(LwBddPool *pool, guint32 op, LwBdd a, LwBdd b, LwBdd result) {
  pool->cache[mix(op, a, b) & pool->cache_mask] = (Entry){op, a, b, result};
  return result;
}

/* The result where no recursion is needed. */
static inline gboolean is_plain(Op op, LwBdd a, LwBdd b, LwBdd *result) {
  switch (op) {
  case OP_AND:
    if (a == LW_BDD_FALSE || b == LW_BDD_FALSE)
      *result = LW_BDD_FALSE;
    else if (a == LW_BDD_TRUE || a == b)
      *result = b;
    else if (b == LW_BDD_TRUE)
      *result = a;
    else
      return FALSE;
    return TRUE;
  case OP_OR:
    if (a == LW_BDD_TRUE || b == LW_BDD_TRUE)
      *result = LW_BDD_TRUE;
    else if (a == LW_BDD_FALSE || a == b)
      *result = b;
    else if (b == LW_BDD_FALSE)
      *result = a;
    else
      return FALSE;
    return TRUE;
  case OP_MINUS:
    if (a == LW_BDD_FALSE || b == LW_BDD_TRUE || a == b)
      *result = LW_BDD_FALSE;
    else if (b == LW_BDD_FALSE)
      *result = a;
    else
      return FALSE;
    return TRUE;
  case OP_NONE:
  case OP_EXISTS:
    break;
  }
  return FALSE;
}

static LwBdd apply(LwBddPool *pool, Op op, LwBdd a, LwBdd b) {
  LwBdd result;
  if (is_plain(op, a, b, &result))
    return result;
  if (op != OP_MINUS && a > b) {
    LwBdd swap = a;
    a = b;
    b = swap;
  }
  if (recall(pool, op, a, b, &result))
    return result;
  Node na = pool->nodes[a], nb = pool->nodes[b];
  guint32 variable = MIN(na.variable, nb.variable);
  LwBdd a0 = na.variable == variable ? na.low : a, a1 = na.variable == variable ? na.high : a;
  LwBdd b0 = nb.variable == variable ? nb.low : b, b1 = nb.variable == variable ? nb.high : b;
  LwBdd low = apply(pool, op, a0, b0);
  LwBdd high = apply(pool, op, a1, b1);
  return keep(pool, op, a, b, lw_bdd_node(pool, variable, low, high));
}

LwBdd lw_bdd_and(LwBddPool *pool, LwBdd a, LwBdd b) {
  return apply(pool, OP_AND, a, b);
}

LwBdd lw_bdd_or(LwBddPool *pool, LwBdd a, LwBdd b) {
  return apply(pool, OP_OR, a, b);
}

LwBdd lw_bdd_minus(LwBddPool *pool, LwBdd a, LwBdd b) {
  return apply(pool, OP_MINUS, a, b);
}

LwBdd lw_bdd_not(LwBddPool *pool, LwBdd a) {
  return apply(pool, OP_MINUS, LW_BDD_TRUE, a);
}

/* In pairs, and pairs of pairs: adding them to one growing set would walk that set each time. */
LwBdd lw_bdd_or_all(LwBddPool *pool, LwBdd *sets, guint count) {
  if (count == 0)
    return LW_BDD_FALSE;
  for (; count > 1; count = (count + 1) / 2) {
    for (guint i = 0; i < count / 2; i++)
      sets[i] = apply(pool, OP_OR, sets[2 * i], sets[2 * i + 1]);
    if (count % 2)
      sets[count / 2] = sets[count - 1];
  }
  return sets[0];
}

static LwBdd exists(LwBddPool *pool, LwBdd a, guint first, guint end, guint32 op) {
  Node node = pool->nodes[a];
  if (a <= LW_BDD_TRUE || node.variable >= end)
    return a;
  LwBdd result;
  if (recall(pool, op, a, a, &result))
    return result;
  LwBdd low = exists(pool, node.low, first, end, op);
  LwBdd high = exists(pool, node.high, first, end, op);
  result =
      node.variable >= first ? apply(pool, OP_OR, low, high) : lw_bdd_node(pool, node.variable, low, high);
  return keep(pool, op, a, a, result);
}

LwBdd lw_bdd_exists(LwBddPool *pool, LwBdd a, guint first, guint count) {
  g_assert(first < 0x1000 && count < 0x1000);
  guint32 op = OP_EXISTS | (first << 4) | (count << 16);
  return count ? exists(pool, a, first, first + count, op) : a;
}

gboolean lw_bdd_intersects(LwBddPool *pool, LwBdd a, LwBdd b) {
  if (a == LW_BDD_FALSE || b == LW_BDD_FALSE)
    return FALSE;
  if (a == LW_BDD_TRUE || b == LW_BDD_TRUE || a == b)
    return TRUE;
  LwBdd result;
  if (recall(pool, OP_AND, MIN(a, b), MAX(a, b), &result))
    return result != LW_BDD_FALSE;
  Node na = pool->nodes[a], nb = pool->nodes[b];
  guint32 variable = MIN(na.variable, nb.variable);
  if (lw_bdd_intersects(pool, na.variable == variable ? na.low : a, nb.variable == variable ? nb.low : b) ||
      lw_bdd_intersects(pool, na.variable == variable ? na.high : a, nb.variable == variable ? nb.high : b))
    return TRUE;
  keep(pool, OP_AND, MIN(a, b), MAX(a, b), LW_BDD_FALSE);
  return FALSE;
}

gboolean lw_bdd_is_subset(LwBddPool *pool, LwBdd a, LwBdd b) {
  return apply(pool, OP_MINUS, a, b) == LW_BDD_FALSE;
}

guint lw_bdd_variable(const LwBddPool *pool, LwBdd a) {
  return pool->nodes[a].variable;
}

LwBdd lw_bdd_low(const LwBddPool *pool, LwBdd a) {
  return pool->nodes[a].low;
}

LwBdd lw_bdd_high(const LwBddPool *pool, LwBdd a) {
  return pool->nodes[a].high;
}

static double count_below(LwBddPool *pool, LwBdd a, guint level, guint variables, GHashTable *known) {
  if (a == LW_BDD_FALSE)
    return 0;
  guint variable = a == LW_BDD_TRUE ? variables : pool->nodes[a].variable;
  double result = 1;
  const double *found = a == LW_BDD_TRUE ? NULL : g_hash_table_lookup(known, GUINT_TO_POINTER(a));
  if (found) {
    result = *found;
  } else if (a != LW_BDD_TRUE) {
    result = count_below(pool, pool->nodes[a].low, variable + 1, variables, known) +
             count_below(pool, pool->nodes[a].high, variable + 1, variables, known);
    g_hash_table_insert(known, GUINT_TO_POINTER(a), g_memdup2(&result, sizeof result));
  }
  for (guint i = level; i < variable; i++)
    result *= 2;
  return result;
}

double lw_bdd_count(LwBddPool *pool, LwBdd a, guint variables) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  return count_below(pool, a, 0, variables, known);
}

guint lw_bdd_pool_nodes(const LwBddPool *pool) {
  return pool->count;
}

gsize lw_bdd_pool_bytes(const LwBddPool *pool) {
  return pool->room * sizeof *pool->nodes + (pool->table_mask + 1ul) * sizeof *pool->table +
         (pool->cache_mask + 1ul) * sizeof *pool->cache;
}
