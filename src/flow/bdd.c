#include "flow/bdd.h"

#include <string.h>

/* Nodes live in one array and are found by open-addressing tables of their numbers; results of operations are
 * kept in direct-mapped caches that may forget. A pool has two layers of the last two: what stays, and what
 * is scratch. All grow with the number of nodes, so a small lab's proof stays small, and a run's scratch
 * stays within the processor's cache however much is kept: that is what most of the time goes by. */

#define NODES_AT_FIRST 4096u
#define CACHE_AT_MOST (1u << 21)
#define LEVEL_OF_CONSTANTS G_MAXUINT32
#define EXISTS_MAX 32u

typedef struct {
  guint32 variable;
  LwBdd low, high;
} Node;

typedef enum { OP_NONE, OP_AND, OP_OR, OP_MINUS, OP_EXISTS /* and more: by the variables */ } Op;

#define OP_BITS 8u
#define OP_MASK ((1u << OP_BITS) - 1)
#define ROUNDS_MAX (1u << (32 - OP_BITS))

typedef struct {
  guint32 op; /* Op, and above it the round that it was kept in */
  LwBdd a, b, result;
} Entry;

typedef struct {
  guint32 *table; /* 0: free; node 0 is a constant and never in it */
  guint32 table_mask, count;
  Entry *cache;
  guint32 cache_mask;
} Layer;

struct LwBddPool {
  Node *nodes;
  guint count, room;
  Layer kept, scratch, *now; /* now: one of the two */
  guint mark;                /* numbers from here on are scratch; G_MAXUINT32 while there is none */
  guint32 round;             /* of scratch, shifted above the operation: what an earlier one kept is void */
  struct {
    guint32 first, end;
  } exists[EXISTS_MAX];
  guint exists_count;
};

static void layer_init(Layer *layer, guint32 size /* of the table; a power of two */) {
  *layer = (Layer){.table = g_new0(guint32, size),
                   .table_mask = size - 1,
                   .cache = g_new0(Entry, size / 2),
                   .cache_mask = size / 2 - 1};
}

static void layer_clear(Layer *layer) {
  g_free(layer->table);
  g_free(layer->cache);
}

static void put_constants(LwBddPool *pool) {
  pool->nodes[LW_BDD_FALSE] = (Node){LEVEL_OF_CONSTANTS, LW_BDD_FALSE, LW_BDD_FALSE};
  pool->nodes[LW_BDD_TRUE] = (Node){LEVEL_OF_CONSTANTS, LW_BDD_TRUE, LW_BDD_TRUE};
  pool->count = 2;
}

LwBddPool *lw_bdd_pool_new(void) {
  LwBddPool *pool = g_new0(LwBddPool, 1);
  pool->room = NODES_AT_FIRST;
  pool->nodes = g_new(Node, pool->room);
  layer_init(&pool->kept, 2 * NODES_AT_FIRST);
  pool->now = &pool->kept;
  pool->mark = G_MAXUINT32;
  put_constants(pool);
  return pool;
}

void lw_bdd_pool_free(LwBddPool *pool) {
  if (!pool)
    return;
  g_free(pool->nodes);
  layer_clear(&pool->kept);
  layer_clear(&pool->scratch);
  g_free(pool);
}

static void empty_table(Layer *layer) {
  memset(layer->table, 0, (layer->table_mask + 1ul) * sizeof *layer->table);
  layer->count = 0;
}

static void empty_cache(Layer *layer) {
  memset(layer->cache, 0, (layer->cache_mask + 1ul) * sizeof *layer->cache);
}

void lw_bdd_pool_empty(LwBddPool *pool) {
  g_assert(pool->now == &pool->kept);
  empty_table(&pool->kept);
  empty_cache(&pool->kept);
  put_constants(pool);
}

static inline guint32 mix(guint32 a, guint32 b, guint32 c) {
  guint64 h = (((guint64)a << 32) | b) * 0x9e3779b97f4a7c15u;
  h ^= (guint64)c * 0xc2b2ae3d27d4eb4fu;
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93u;
  return (guint32)(h >> 32);
}

static inline guint32 hash_of(const Node *node) {
  return mix(node->variable, node->low, node->high);
}

static void put_in_table(const LwBddPool *pool, Layer *layer, guint32 number) {
  guint32 at = hash_of(&pool->nodes[number]) & layer->table_mask;
  while (layer->table[at])
    at = (at + 1) & layer->table_mask;
  layer->table[at] = number;
}

static void grow_table(LwBddPool *pool, Layer *layer) {
  guint first = layer == &pool->scratch ? pool->mark : 2;
  guint end = layer == &pool->scratch ? pool->count : MIN(pool->count, pool->mark);
  g_free(layer->table);
  layer->table_mask = 2 * layer->table_mask + 1;
  layer->table = g_new0(guint32, layer->table_mask + 1ul);
  for (guint32 i = first; i < end; i++)
    put_in_table(pool, layer, i);
  if (layer->cache_mask + 1 >= CACHE_AT_MOST)
    return;
  guint32 mask = 2 * (layer->cache_mask + 1) - 1;
  Entry *cache = g_new0(Entry, mask + 1ul);
  for (guint32 i = 0; i <= layer->cache_mask; i++) {
    const Entry *entry = &layer->cache[i];
    if (entry->op)
      cache[mix(entry->op, entry->a, entry->b) & mask] = *entry;
  }
  g_free(layer->cache);
  layer->cache = cache;
  layer->cache_mask = mask;
}

/* Where the node is, or the free place where it would be. */
static inline guint32 place_of(const LwBddPool *pool, const Layer *layer, const Node *node) {
  guint32 at = hash_of(node) & layer->table_mask;
  for (guint32 found; (found = layer->table[at]); at = (at + 1) & layer->table_mask) {
    const Node *known = &pool->nodes[found];
    if (known->low == node->low && known->high == node->high && known->variable == node->variable)
      break;
  }
  return at;
}

LwBdd lw_bdd_node(LwBddPool *pool, guint variable, LwBdd low, LwBdd high) {
  if (low == high)
    return low;
  Layer *layer = pool->now;
  const Node node = {variable, low, high};
  /* what stays knows nothing of scratch, so only a node without any below it can be there */
  if (layer == &pool->scratch && low < pool->mark && high < pool->mark) {
    guint32 kept = pool->kept.table[place_of(pool, &pool->kept, &node)];
    if (kept)
      return kept;
  }
  guint32 at = place_of(pool, layer, &node);
  if (layer->table[at])
    return layer->table[at];
  if (2 * ++layer->count > layer->table_mask) {
    grow_table(pool, layer);
    at = place_of(pool, layer, &node);
  }
  if (pool->count == pool->room) {
    pool->room *= 2;
    pool->nodes = g_renew(Node, pool->nodes, pool->room);
  }
  guint32 number = pool->count++;
  pool->nodes[number] = node;
  layer->table[at] = number;
  return number;
}

static inline gboolean recall_of(const Layer *layer, guint32 op, LwBdd a, LwBdd b, LwBdd *result) {
  const Entry *entry = &layer->cache[mix(op, a, b) & layer->cache_mask];
  if (entry->op != op || entry->a != a || entry->b != b)
    return FALSE;
  *result = entry->result;
  return TRUE;
}

/* Of sets that stay, what was found out while no scratch was in use holds too. */
static gboolean recall(const LwBddPool *pool, guint32 op, LwBdd a, LwBdd b, LwBdd *result) {
  return recall_of(pool->now, op, a, b, result) ||
         (pool->now == &pool->scratch && a < pool->mark && b < pool->mark &&
          recall_of(&pool->kept, op & OP_MASK, a, b, result));
}

static LwBdd keep(LwBddPool *pool, guint32 op, LwBdd a, LwBdd b, LwBdd result) {
  pool->now->cache[mix(op, a, b) & pool->now->cache_mask] = (Entry){op, a, b, result};
  return result;
}

/* --- scratch
 * ------------------------------------------------------------------------------------------------------- */

void lw_bdd_scratch_begin(LwBddPool *pool) {
  g_assert(pool->now == &pool->kept);
  if (!pool->scratch.table)
    layer_init(&pool->scratch, 2 * NODES_AT_FIRST);
  if (++pool->round == ROUNDS_MAX) {
    pool->round = 1;
    empty_cache(&pool->scratch);
  }
  pool->mark = pool->count;
  pool->now = &pool->scratch;
}

/* Of scratch nodes, what each becomes: 0: nothing asks for it. A node is younger than those below it. */
static guint32 *still_needed(const LwBddPool *pool, LwBdd *const *sets, guint count) {
  guint32 *becomes = g_new0(guint32, pool->count - pool->mark + 1);
  for (guint i = 0; i < count; i++)
    if (*sets[i] >= pool->mark)
      becomes[*sets[i] - pool->mark] = 1;
  for (guint n = pool->count; n-- > pool->mark;) {
    const Node *node = &pool->nodes[n];
    if (!becomes[n - pool->mark])
      continue;
    if (node->low >= pool->mark)
      becomes[node->low - pool->mark] = 1;
    if (node->high >= pool->mark)
      becomes[node->high - pool->mark] = 1;
  }
  return becomes;
}

static void forget_scratch(LwBddPool *pool) {
  Layer *scratch = &pool->scratch;
  if (8 * scratch->count > scratch->table_mask) {
    empty_table(scratch);
    return;
  }
  /* all of them go: each from where it should be to the next free place, its own on the way */
  for (guint n = pool->mark; n < pool->count; n++) {
    guint32 at = hash_of(&pool->nodes[n]) & scratch->table_mask;
    for (; scratch->table[at]; at = (at + 1) & scratch->table_mask)
      scratch->table[at] = 0;
  }
  scratch->count = 0;
}

/* One large run shall not spread the small ones behind it over more memory than they need. */
static void fit_scratch(LwBddPool *pool, guint nodes) {
  guint32 size = 2 * NODES_AT_FIRST;
  while (size < 4 * nodes)
    size *= 2;
  if (pool->scratch.table_mask + 1 <= 2 * size)
    return;
  layer_clear(&pool->scratch);
  layer_init(&pool->scratch, size);
}

void lw_bdd_scratch_end(LwBddPool *pool, LwBdd *const *sets, guint count) {
  g_assert(pool->now == &pool->scratch);
  g_autofree guint32 *becomes = count ? still_needed(pool, sets, count) : NULL;
  guint mark = pool->mark, end = pool->count;
  forget_scratch(pool);
  pool->now = &pool->kept;
  pool->mark = G_MAXUINT32;
  pool->count = mark;
  fit_scratch(pool, end - mark);
  for (guint n = mark; becomes && n < end; n++) {
    if (!becomes[n - mark])
      continue;
    const Node node = pool->nodes[n]; /* no more are made than were read: none is written over before */
    LwBdd low = node.low < mark ? node.low : becomes[node.low - mark];
    LwBdd high = node.high < mark ? node.high : becomes[node.high - mark];
    becomes[n - mark] = lw_bdd_node(pool, node.variable, low, high);
  }
  for (guint i = 0; becomes && i < count; i++)
    if (*sets[i] >= mark)
      *sets[i] = becomes[*sets[i] - mark];
}

struct LwBddStored {
  guint mark, count, set_count;
  Node *nodes; /* in order; numbers from mark on are of these */
  LwBdd *sets;
};

LwBddStored *lw_bdd_store(const LwBddPool *pool, LwBdd *const *sets, guint count) {
  LwBddStored *stored = g_new0(LwBddStored, 1);
  g_assert(pool->now == &pool->scratch);
  g_autofree guint32 *becomes = still_needed(pool, sets, count);
  stored->mark = pool->mark;
  stored->set_count = count;
  for (guint n = pool->mark; n < pool->count; n++)
    stored->count += becomes[n - pool->mark] != 0;
  stored->nodes = g_new(Node, stored->count + 1);
  stored->sets = g_new(LwBdd, count + 1);
  guint next = 0;
  for (guint n = pool->mark; n < pool->count; n++) {
    if (!becomes[n - pool->mark])
      continue;
    Node *node = &stored->nodes[next];
    *node = pool->nodes[n];
    node->low = node->low < pool->mark ? node->low : becomes[node->low - pool->mark];
    node->high = node->high < pool->mark ? node->high : becomes[node->high - pool->mark];
    becomes[n - pool->mark] = pool->mark + next++;
  }
  for (guint i = 0; i < count; i++)
    stored->sets[i] = *sets[i] < pool->mark ? *sets[i] : becomes[*sets[i] - pool->mark];
  return stored;
}

void lw_bdd_restore(LwBddPool *pool, const LwBddStored *stored, LwBdd *const *sets) {
  g_autofree LwBdd *becomes = g_new(LwBdd, stored->count + 1);
  for (guint i = 0; i < stored->count; i++) {
    const Node *node = &stored->nodes[i];
    LwBdd low = node->low < stored->mark ? node->low : becomes[node->low - stored->mark];
    LwBdd high = node->high < stored->mark ? node->high : becomes[node->high - stored->mark];
    becomes[i] = lw_bdd_node(pool, node->variable, low, high);
  }
  for (guint i = 0; i < stored->set_count; i++)
    *sets[i] = stored->sets[i] < stored->mark ? stored->sets[i] : becomes[stored->sets[i] - stored->mark];
}

void lw_bdd_stored_free(LwBddStored *stored) {
  if (!stored)
    return;
  g_free(stored->nodes);
  g_free(stored->sets);
  g_free(stored);
}

gboolean lw_bdd_is_scratch(const LwBddPool *pool, LwBdd a) {
  return a >= pool->mark;
}

/* --- operations
 * ---------------------------------------------------------------------------------------------------- */

static inline guint32 in_round(const LwBddPool *pool, guint32 op) {
  return pool->now == &pool->scratch ? op | (pool->round << OP_BITS) : op;
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
  guint32 code = in_round(pool, op);
  if (recall(pool, code, a, b, &result))
    return result;
  Node na = pool->nodes[a], nb = pool->nodes[b];
  guint32 variable = MIN(na.variable, nb.variable);
  LwBdd a0 = na.variable == variable ? na.low : a, a1 = na.variable == variable ? na.high : a;
  LwBdd b0 = nb.variable == variable ? nb.low : b, b1 = nb.variable == variable ? nb.high : b;
  LwBdd low = apply(pool, op, a0, b0);
  LwBdd high = apply(pool, op, a1, b1);
  return keep(pool, code, a, b, lw_bdd_node(pool, variable, low, high));
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
  guint end = first + count, i = 0;
  while (i < pool->exists_count && (pool->exists[i].first != first || pool->exists[i].end != end))
    i++;
  if (i == pool->exists_count) {
    g_assert(i < EXISTS_MAX); /* a caller has a few fields, not any number of them */
    pool->exists[pool->exists_count].first = first;
    pool->exists[pool->exists_count++].end = end;
  }
  return count ? exists(pool, a, first, end, in_round(pool, OP_EXISTS + i)) : a;
}

gboolean lw_bdd_intersects(LwBddPool *pool, LwBdd a, LwBdd b) {
  if (a == LW_BDD_FALSE || b == LW_BDD_FALSE)
    return FALSE;
  if (a == LW_BDD_TRUE || b == LW_BDD_TRUE || a == b)
    return TRUE;
  LwBdd result;
  guint32 code = in_round(pool, OP_AND);
  if (recall(pool, code, MIN(a, b), MAX(a, b), &result))
    return result != LW_BDD_FALSE;
  Node na = pool->nodes[a], nb = pool->nodes[b];
  guint32 variable = MIN(na.variable, nb.variable);
  if (lw_bdd_intersects(pool, na.variable == variable ? na.low : a, nb.variable == variable ? nb.low : b) ||
      lw_bdd_intersects(pool, na.variable == variable ? na.high : a, nb.variable == variable ? nb.high : b))
    return TRUE;
  keep(pool, code, MIN(a, b), MAX(a, b), LW_BDD_FALSE);
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
  const Layer *layers[] = {&pool->kept, &pool->scratch};
  gsize bytes = pool->room * sizeof *pool->nodes;
  for (guint i = 0; i < G_N_ELEMENTS(layers); i++)
    if (layers[i]->table)
      bytes += (layers[i]->table_mask + 1ul) * sizeof *layers[i]->table +
               (layers[i]->cache_mask + 1ul) * sizeof *layers[i]->cache;
  return bytes;
}
