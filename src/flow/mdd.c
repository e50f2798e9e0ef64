#include "flow/mdd.h"

#include <string.h>

/* Nodes lie one behind the other in one array of units: a head, and its edges. A set's number is the place of
 * its head. They are found by open-addressing tables; results of operations are kept in direct-mapped caches
 * that may forget. A pool has two layers of the last two: what stays, and what is scratch. All grow with what
 * is in them, so a small lab's proof stays small, and a run's scratch stays within the processor's cache
 * however much is kept: that is what most of the time goes by. */

#define UNITS_AT_FIRST 16384u
#define NODES_AT_FIRST 4096u
#define CACHE_AT_MOST (1u << 21)
#define LEVEL_OF_CONSTANTS LW_MDD_VARIABLES_MAX
#define EXISTS_MAX 32u
#define COUNT_BITS 24u
#define COUNT_MASK ((1u << COUNT_BITS) - 1)

typedef union {
  struct {
    guint32 hash;  /* of all edges and the variable */
    guint32 shape; /* the variable, and below it the number of edges */
  } head;
  LwEdge edge;
} Unit;

typedef enum { OP_NONE, OP_AND, OP_OR, OP_MINUS, OP_EXISTS /* and more: by the variables */ } Op;

#define OP_BITS 8u
#define OP_MASK ((1u << OP_BITS) - 1)
#define ROUNDS_MAX (1u << (32 - OP_BITS))

typedef struct {
  guint32 op; /* Op, and above it the round that it was kept in */
  LwMdd a, b, result;
} Entry;

typedef struct {
  guint32 hash;
  LwMdd number; /* 0: free; that is a constant and never in it */
} Slot;

typedef struct {
  Slot *table;
  guint32 table_mask, count;
  Entry *cache;
  guint32 cache_mask;
} Layer;

struct LwMddPool {
  Unit *units;
  guint32 used, room;
  guint32 nodes;
  Layer kept, scratch, *now; /* now: one of the two */
  guint32 mark;              /* numbers from here on are scratch; G_MAXUINT32 while there is none */
  guint32 nodes_at_mark;
  guint32 round;   /* of scratch, shifted above the operation: what an earlier one kept is void */
  LwEdge *pending; /* a stack: edges of the nodes that are being made */
  guint32 pending_count, pending_room;
  struct {
    guint32 first, end;
  } exists[EXISTS_MAX];
  guint exists_count;
};

static inline guint level_of(const LwMddPool *pool, LwMdd a) {
  return pool->units[a].head.shape >> COUNT_BITS;
}

static inline guint32 count_of(const LwMddPool *pool, LwMdd a) {
  return pool->units[a].head.shape & COUNT_MASK;
}

static inline const LwEdge *edges_of(const LwMddPool *pool, LwMdd a) {
  return &pool->units[a + 1].edge;
}

static void layer_init(Layer *layer, guint32 size /* of the table; a power of two */) {
  *layer = (Layer){.table = g_new0(Slot, size),
                   .table_mask = size - 1,
                   .cache = g_new0(Entry, size / 2),
                   .cache_mask = size / 2 - 1};
}

static void layer_clear(Layer *layer) {
  g_free(layer->table);
  g_free(layer->cache);
}

static void put_constants(LwMddPool *pool) {
  for (LwMdd constant = LW_MDD_FALSE; constant <= LW_MDD_TRUE; constant++)
    pool->units[constant] = (Unit){.head = {0, LEVEL_OF_CONSTANTS << COUNT_BITS}};
  pool->used = pool->nodes = 2;
}

LwMddPool *lw_mdd_pool_new(void) {
  LwMddPool *pool = g_new0(LwMddPool, 1);
  pool->room = UNITS_AT_FIRST;
  pool->units = g_new(Unit, pool->room);
  pool->pending_room = 1024;
  pool->pending = g_new(LwEdge, pool->pending_room);
  layer_init(&pool->kept, 2 * NODES_AT_FIRST);
  pool->now = &pool->kept;
  pool->mark = G_MAXUINT32;
  put_constants(pool);
  return pool;
}

void lw_mdd_pool_free(LwMddPool *pool) {
  if (!pool)
    return;
  g_free(pool->units);
  g_free(pool->pending);
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

void lw_mdd_pool_empty(LwMddPool *pool) {
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

static inline guint32 hash_of(guint32 shape, const LwEdge *edges, guint32 count) {
  guint64 h = shape;
  for (guint32 i = 0; i < count; i++) {
    h = (h ^ (((guint64)edges[i].first << 32) | edges[i].to)) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
  }
  h *= 0xd6e8feb86659fd93u;
  return (guint32)(h >> 32);
}

static void put_slot(Layer *layer, Slot slot) {
  guint32 at = slot.hash & layer->table_mask;
  while (layer->table[at].number)
    at = (at + 1) & layer->table_mask;
  layer->table[at] = slot;
}

static void grow_cache(Layer *layer) {
  guint32 mask = 2 * (layer->cache_mask + 1) - 1;
  Entry *cache = g_new0(Entry, mask + 1ul);
  for (guint32 i = 0; i <= layer->cache_mask; i++) {
    const Entry *entry = &layer->cache[i];
    if (entry->op)
      cache[mix(entry->op & OP_MASK, entry->a, entry->b) & mask] = *entry;
  }
  g_free(layer->cache);
  layer->cache = cache;
  layer->cache_mask = mask;
}

static void grow_table(Layer *layer) {
  g_autofree Slot *before = layer->table;
  guint32 size = layer->table_mask + 1;
  layer->table_mask = 2 * size - 1;
  layer->table = g_new0(Slot, 2ul * size);
  for (guint32 i = 0; i < size; i++)
    if (before[i].number)
      put_slot(layer, before[i]);
  if (layer->cache_mask + 1 < CACHE_AT_MOST)
    grow_cache(layer);
}

static LwMdd find(const LwMddPool *pool, const Layer *layer, guint32 hash, guint32 shape,
                  const LwEdge *edges) {
  guint32 at = hash & layer->table_mask;
  for (Slot slot; (slot = layer->table[at]).number; at = (at + 1) & layer->table_mask)
    if (slot.hash == hash && pool->units[slot.number].head.shape == shape &&
        memcmp(edges_of(pool, slot.number), edges, (shape & COUNT_MASK) * sizeof *edges) == 0)
      return slot.number;
  return 0;
}

static void make_room(LwMddPool *pool, guint32 units) {
  g_assert(units < G_MAXUINT32 - pool->used); /* 32 GB */
  if (pool->used + units <= pool->room)
    return;
  guint64 room = pool->room;
  while (room < (guint64)pool->used + units)
    room *= 2;
  pool->room = (guint32)MIN(room, G_MAXUINT32);
  pool->units = g_renew(Unit, pool->units, pool->room);
}

static inline void push(LwMddPool *pool, guint32 base, guint32 first, LwMdd to) {
  if (pool->pending_count > base && pool->pending[pool->pending_count - 1].to == to)
    return;
  if (pool->pending_count == pool->pending_room) {
    pool->pending_room *= 2;
    pool->pending = g_renew(LwEdge, pool->pending, pool->pending_room);
  }
  pool->pending[pool->pending_count++] = (LwEdge){first, to};
}

static gboolean any_is_scratch(const LwMddPool *pool, const LwEdge *edges, guint32 count) {
  for (guint32 i = 0; i < count; i++)
    if (edges[i].to >= pool->mark)
      return TRUE;
  return FALSE;
}

/* The node of the edges that were pushed since `base`; they are taken off. */
static LwMdd finish(LwMddPool *pool, guint variable, guint32 base) {
  const LwEdge *edges = pool->pending + base;
  guint32 count = pool->pending_count - base;
  pool->pending_count = base;
  if (count == 1)
    return edges[0].to;
  Layer *layer = pool->now;
  guint32 shape = (variable << COUNT_BITS) | count, hash = hash_of(shape, edges, count);
  LwMdd number = 0;
  /* what stays knows nothing of scratch, so only a node without any below it can be there */
  if (layer == &pool->scratch && !any_is_scratch(pool, edges, count))
    number = find(pool, &pool->kept, hash, shape, edges);
  if (!number)
    number = find(pool, layer, hash, shape, edges);
  if (number)
    return number;
  if (2 * ++layer->count > layer->table_mask)
    grow_table(layer);
  make_room(pool, count + 1);
  number = pool->used;
  pool->units[number] = (Unit){.head = {hash, shape}};
  memcpy(&pool->units[number + 1], edges, count * sizeof *edges);
  pool->used += count + 1;
  pool->nodes++;
  put_slot(layer, (Slot){hash, number});
  return number;
}

LwMdd lw_mdd_node(LwMddPool *pool, guint variable, const LwEdge *edges, guint count) {
  guint32 base = pool->pending_count;
  g_assert(count > 0 && edges[0].first == 0 && variable < LW_MDD_VARIABLES_MAX);
  for (guint i = 0; i < count; i++)
    push(pool, base, edges[i].first, edges[i].to);
  return finish(pool, variable, base);
}

LwMdd lw_mdd_interval(LwMddPool *pool, guint variable, guint32 first, guint32 last, guint32 most,
                      LwMdd then) {
  guint32 base = pool->pending_count;
  if (first > 0)
    push(pool, base, 0, LW_MDD_FALSE);
  push(pool, base, first, then);
  if (last < most)
    push(pool, base, last + 1, LW_MDD_FALSE);
  return finish(pool, variable, base);
}

/* An operation with its operands, and where its result is remembered in either layer. */
typedef struct {
  guint32 op, hash;
  LwMdd a, b;
} Asked;

static inline Asked asked(guint32 op, LwMdd a, LwMdd b) {
  return (Asked){op, mix(op, a, b), a, b};
}

static inline gboolean recall_of(const Layer *layer, const Asked *asked, guint32 op, LwMdd *result) {
  const Entry *entry = &layer->cache[asked->hash & layer->cache_mask];
  if (entry->op != op || entry->a != asked->a || entry->b != asked->b)
    return FALSE;
  *result = entry->result;
  return TRUE;
}

static inline guint32 in_round(const LwMddPool *pool, guint32 op) {
  return pool->now == &pool->scratch ? op | (pool->round << OP_BITS) : op;
}

/* Of sets that stay, what comes to one that stays holds for ever. */
static inline gboolean recall(const LwMddPool *pool, const Asked *asked, LwMdd *result) {
  return recall_of(pool->now, asked, in_round(pool, asked->op), result) ||
         (pool->now == &pool->scratch && asked->a < pool->mark && asked->b < pool->mark &&
          recall_of(&pool->kept, asked, asked->op, result));
}

static inline LwMdd keep(LwMddPool *pool, const Asked *asked, LwMdd result) {
  gboolean stays = asked->a < pool->mark && asked->b < pool->mark && result < pool->mark;
  Layer *layer = stays ? &pool->kept : pool->now;
  guint32 op = stays ? asked->op : in_round(pool, asked->op);
  layer->cache[asked->hash & layer->cache_mask] = (Entry){op, asked->a, asked->b, result};
  return result;
}

/* --- scratch
 * ------------------------------------------------------------------------------------------------------- */

void lw_mdd_scratch_begin(LwMddPool *pool) {
  g_assert(pool->now == &pool->kept);
  if (!pool->scratch.table)
    layer_init(&pool->scratch, 2 * NODES_AT_FIRST);
  if (++pool->round == ROUNDS_MAX) {
    pool->round = 1;
    empty_cache(&pool->scratch);
  }
  pool->mark = pool->used;
  pool->nodes_at_mark = pool->nodes;
  pool->now = &pool->scratch;
}

static void need(const LwMddPool *pool, LwMdd a, guint32 *becomes) {
  if (a < pool->mark || becomes[a - pool->mark])
    return;
  becomes[a - pool->mark] = 1;
  const LwEdge *edges = edges_of(pool, a);
  for (guint32 i = 0; i < count_of(pool, a); i++)
    need(pool, edges[i].to, becomes);
}

/* Of scratch nodes, what each becomes: 0: nothing asks for it. */
static guint32 *still_needed(const LwMddPool *pool, LwMdd *const *sets, guint count) {
  guint32 *becomes = g_new0(guint32, pool->used - pool->mark + 1);
  for (guint i = 0; i < count; i++)
    need(pool, *sets[i], becomes);
  return becomes;
}

static void forget_scratch(LwMddPool *pool) {
  Layer *scratch = &pool->scratch;
  if (8 * scratch->count > scratch->table_mask) {
    empty_table(scratch);
    return;
  }
  /* all of them go: each from where it should be to the next free place, its own on the way */
  for (LwMdd n = pool->mark; n < pool->used; n += count_of(pool, n) + 1) {
    guint32 at = pool->units[n].head.hash & scratch->table_mask;
    for (; scratch->table[at].number; at = (at + 1) & scratch->table_mask)
      scratch->table[at].number = 0;
  }
  scratch->count = 0;
}

/* One large run shall not spread the small ones behind it over more memory than they need. */
static void fit_scratch(LwMddPool *pool, guint nodes) {
  guint32 size = 2 * NODES_AT_FIRST;
  while (size < 4 * nodes)
    size *= 2;
  if (pool->scratch.table_mask + 1 <= 2 * size)
    return;
  layer_clear(&pool->scratch);
  layer_init(&pool->scratch, size);
}

/* A node again, of edges whose targets from `mark` on have become others. */
static LwMdd remake(LwMddPool *pool, guint variable, const LwEdge *edges, guint32 count, guint32 mark,
                    const guint32 *becomes) {
  guint32 base = pool->pending_count;
  for (guint32 i = 0; i < count; i++)
    push(pool, base, edges[i].first, edges[i].to < mark ? edges[i].to : becomes[edges[i].to - mark]);
  return finish(pool, variable, base);
}

void lw_mdd_scratch_end(LwMddPool *pool, LwMdd *const *sets, guint count) {
  g_assert(pool->now == &pool->scratch);
  g_autofree guint32 *becomes = count ? still_needed(pool, sets, count) : NULL;
  guint32 mark = pool->mark, end = pool->used, made = pool->nodes - pool->nodes_at_mark;
  forget_scratch(pool);
  pool->now = &pool->kept;
  pool->mark = G_MAXUINT32;
  pool->used = mark;
  pool->nodes = pool->nodes_at_mark;
  fit_scratch(pool, made);
  guint32 size;
  for (LwMdd n = mark; becomes && n < end; n += size) {
    guint32 edges = count_of(pool, n);
    size = edges + 1;
    /* no more is made than was read: nothing is written over before */
    if (becomes[n - mark])
      becomes[n - mark] = remake(pool, level_of(pool, n), edges_of(pool, n), edges, mark, becomes);
  }
  for (guint i = 0; becomes && i < count; i++)
    if (*sets[i] >= mark)
      *sets[i] = becomes[*sets[i] - mark];
}

struct LwMddStored {
  guint32 mark, count, set_count;
  Unit *units; /* nodes in order; numbers from mark on are of these */
  LwMdd *sets;
};

LwMddStored *lw_mdd_store(const LwMddPool *pool, LwMdd *const *sets, guint count) {
  LwMddStored *stored = g_new0(LwMddStored, 1);
  g_assert(pool->now == &pool->scratch);
  g_autofree guint32 *becomes = still_needed(pool, sets, count);
  stored->mark = pool->mark;
  stored->set_count = count;
  for (LwMdd n = pool->mark; n < pool->used; n += count_of(pool, n) + 1)
    if (becomes[n - pool->mark])
      stored->count += count_of(pool, n) + 1;
  stored->units = g_new(Unit, stored->count + 1);
  stored->sets = g_new(LwMdd, count + 1);
  guint32 next = 0;
  for (LwMdd n = pool->mark; n < pool->used; n += count_of(pool, n) + 1) {
    if (!becomes[n - pool->mark])
      continue;
    guint32 edges = count_of(pool, n);
    memcpy(&stored->units[next], &pool->units[n], (edges + 1) * sizeof(Unit));
    for (guint32 i = 1; i <= edges; i++) {
      LwEdge *edge = &stored->units[next + i].edge;
      edge->to = edge->to < pool->mark ? edge->to : becomes[edge->to - pool->mark];
    }
    becomes[n - pool->mark] = pool->mark + next;
    next += edges + 1;
  }
  for (guint i = 0; i < count; i++)
    stored->sets[i] = *sets[i] < pool->mark ? *sets[i] : becomes[*sets[i] - pool->mark];
  return stored;
}

void lw_mdd_restore(LwMddPool *pool, const LwMddStored *stored, LwMdd *const *sets) {
  g_autofree LwMdd *becomes = g_new(LwMdd, stored->count + 1);
  guint32 edges;
  for (guint32 n = 0; n < stored->count; n += edges + 1) {
    guint32 shape = stored->units[n].head.shape;
    edges = shape & COUNT_MASK;
    becomes[n] = remake(pool, shape >> COUNT_BITS, &stored->units[n + 1].edge, edges, stored->mark, becomes);
  }
  for (guint i = 0; i < stored->set_count; i++)
    *sets[i] = stored->sets[i] < stored->mark ? stored->sets[i] : becomes[stored->sets[i] - stored->mark];
}

void lw_mdd_stored_free(LwMddStored *stored) {
  if (!stored)
    return;
  g_free(stored->units);
  g_free(stored->sets);
  g_free(stored);
}

gboolean lw_mdd_is_scratch(const LwMddPool *pool, LwMdd a) {
  return a >= pool->mark;
}

/* --- operations
 * ---------------------------------------------------------------------------------------------------- */

/* The result where no recursion is needed. */
static inline gboolean is_plain(Op op, LwMdd a, LwMdd b, LwMdd *result) {
  switch (op) {
  case OP_AND:
    if (a == LW_MDD_FALSE || b == LW_MDD_FALSE)
      *result = LW_MDD_FALSE;
    else if (a == LW_MDD_TRUE || a == b)
      *result = b;
    else if (b == LW_MDD_TRUE)
      *result = a;
    else
      return FALSE;
    return TRUE;
  case OP_OR:
    if (a == LW_MDD_TRUE || b == LW_MDD_TRUE)
      *result = LW_MDD_TRUE;
    else if (a == LW_MDD_FALSE || a == b)
      *result = b;
    else if (b == LW_MDD_FALSE)
      *result = a;
    else
      return FALSE;
    return TRUE;
  case OP_MINUS:
    if (a == LW_MDD_FALSE || b == LW_MDD_TRUE || a == b)
      *result = LW_MDD_FALSE;
    else if (b == LW_MDD_FALSE)
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

/* What makes the result the same whatever the other side is. */
static const struct {
  LwMdd a, b, result;
} rules_out[] = {[OP_AND] = {LW_MDD_FALSE, LW_MDD_FALSE, LW_MDD_FALSE},
                 [OP_OR] = {LW_MDD_TRUE, LW_MDD_TRUE, LW_MDD_TRUE},
                 [OP_MINUS] = {LW_MDD_FALSE, LW_MDD_TRUE, LW_MDD_FALSE}};

/* What makes the result that of the other side. */
static const struct {
  LwMdd a, b;
} leaves_as_is[] = {[OP_AND] = {LW_MDD_TRUE, LW_MDD_TRUE},
                    [OP_OR] = {LW_MDD_FALSE, LW_MDD_FALSE},
                    [OP_MINUS] = {G_MAXUINT32, LW_MDD_FALSE}};

/* Two nodes side by side, from value to value where either changes. A node that does not test the variable is
 * as one that always leads to itself. */
typedef struct {
  LwMdd node;
  guint32 at, count; /* edges; at: the one that holds now */
  gboolean tests;
  LwMdd to;
  guint32 next; /* from where on the one behind it holds; G_MAXUINT32: none */
} Side;

static inline void side_load(const LwMddPool *pool, Side *side) {
  if (!side->tests) {
    side->to = side->node;
    side->next = G_MAXUINT32;
    return;
  }
  const LwEdge *edges = edges_of(pool, side->node);
  side->to = edges[side->at].to;
  side->next = side->at + 1 < side->count ? edges[side->at + 1].first : G_MAXUINT32;
}

static inline Side side_of(const LwMddPool *pool, LwMdd node, guint variable) {
  Side side = {.node = node, .tests = level_of(pool, node) == variable};
  side.count = side.tests ? count_of(pool, node) : 1;
  side_load(pool, &side);
  return side;
}

/* On to the edge that holds at `value`, which lies behind the one that does now. */
static inline void side_advance(const LwMddPool *pool, Side *side, guint32 value) {
  if (side->next > value)
    return;
  const LwEdge *edges = edges_of(pool, side->node);
  guint32 step = 1, low = side->at + 1;
  while (low + step < side->count && edges[low + step].first <= value) {
    low += step;
    step *= 2;
  }
  guint32 end = MIN(low + step, side->count); /* edges[low] is not behind it, edges[end] is */
  while (end - low > 1) {
    guint32 middle = low + (end - low) / 2;
    if (edges[middle].first <= value)
      low = middle;
    else
      end = middle;
  }
  side->at = low;
  side_load(pool, side);
}

/* The edges of one side from `value` up to `end`, as they are. */
static void copy_run(LwMddPool *pool, guint32 base, Side *side, guint32 value, guint32 end) {
  guint32 first = side->at + 1;
  push(pool, base, value, side->to);
  side_advance(pool, side, end - 1);
  guint32 count = side->at + 1 - first;
  while (pool->pending_count + count > pool->pending_room) {
    pool->pending_room *= 2;
    pool->pending = g_renew(LwEdge, pool->pending, pool->pending_room);
  }
  if (count) /* neighbours differ */
    memcpy(pool->pending + pool->pending_count, edges_of(pool, side->node) + first, count * sizeof(LwEdge));
  pool->pending_count += count;
}

static LwMdd apply(LwMddPool *pool, Op op, LwMdd a, LwMdd b) {
  LwMdd result;
  if (is_plain(op, a, b, &result))
    return result;
  if (op != OP_MINUS && a > b) {
    LwMdd swap = a;
    a = b;
    b = swap;
  }
  const Asked this = asked(op, a, b);
  if (recall(pool, &this, &result))
    return result;
  guint variable = MIN(level_of(pool, a), level_of(pool, b));
  guint32 base = pool->pending_count;
  Side one = side_of(pool, a, variable), other = side_of(pool, b, variable);
  Entry last = {0}; /* wide nodes lead to few others, again and again */
  for (guint32 value = 0;;) {
    guint32 next = MIN(one.next, other.next);
    if (one.to == rules_out[op].a) {
      push(pool, base, value, rules_out[op].result);
      next = one.next;
    } else if (other.to == rules_out[op].b) {
      push(pool, base, value, rules_out[op].result);
      next = other.next;
    } else if (one.to == leaves_as_is[op].a) {
      next = one.next;
      copy_run(pool, base, &other, value, next);
    } else if (other.to == leaves_as_is[op].b) {
      next = other.next;
      copy_run(pool, base, &one, value, next);
    } else {
      if (last.op != op || last.a != one.to || last.b != other.to)
        last = (Entry){op, one.to, other.to, apply(pool, op, one.to, other.to)};
      push(pool, base, value, last.result);
    }
    if (next == G_MAXUINT32)
      break;
    value = next;
    side_advance(pool, &one, value);
    side_advance(pool, &other, value);
  }
  return keep(pool, &this, finish(pool, variable, base));
}

LwMdd lw_mdd_and(LwMddPool *pool, LwMdd a, LwMdd b) {
  return apply(pool, OP_AND, a, b);
}

LwMdd lw_mdd_or(LwMddPool *pool, LwMdd a, LwMdd b) {
  return apply(pool, OP_OR, a, b);
}

LwMdd lw_mdd_minus(LwMddPool *pool, LwMdd a, LwMdd b) {
  return apply(pool, OP_MINUS, a, b);
}

LwMdd lw_mdd_not(LwMddPool *pool, LwMdd a) {
  return apply(pool, OP_MINUS, LW_MDD_TRUE, a);
}

/* In pairs, and pairs of pairs: adding them to one growing set would walk that set each time. */
LwMdd lw_mdd_or_all(LwMddPool *pool, LwMdd *sets, guint count) {
  if (count == 0)
    return LW_MDD_FALSE;
  for (; count > 1; count = (count + 1) / 2) {
    for (guint i = 0; i < count / 2; i++)
      sets[i] = apply(pool, OP_OR, sets[2 * i], sets[2 * i + 1]);
    if (count % 2)
      sets[count / 2] = sets[count - 1];
  }
  return sets[0];
}

static LwMdd exists(LwMddPool *pool, LwMdd a, guint first, guint end, guint32 op) {
  guint variable = level_of(pool, a);
  if (a <= LW_MDD_TRUE || variable >= end)
    return a;
  LwMdd result;
  const Asked this = asked(op, a, a);
  if (recall(pool, &this, &result))
    return result;
  guint32 count = count_of(pool, a), base = pool->pending_count;
  for (guint32 i = 0; i < count; i++) {
    LwEdge edge = edges_of(pool, a)[i];
    push(pool, base, edge.first, exists(pool, edge.to, first, end, op));
  }
  if (variable < first)
    return keep(pool, &this, finish(pool, variable, base));
  count = pool->pending_count - base;
  g_autofree LwMdd *sets = g_new(LwMdd, count);
  for (guint32 i = 0; i < count; i++)
    sets[i] = pool->pending[base + i].to;
  pool->pending_count = base;
  return keep(pool, &this, lw_mdd_or_all(pool, sets, count));
}

LwMdd lw_mdd_exists(LwMddPool *pool, LwMdd a, guint first, guint count) {
  guint end = first + count, i = 0;
  while (i < pool->exists_count && (pool->exists[i].first != first || pool->exists[i].end != end))
    i++;
  if (i == pool->exists_count) {
    g_assert(i < EXISTS_MAX); /* a caller has a few fields, not any number of them */
    pool->exists[pool->exists_count].first = first;
    pool->exists[pool->exists_count++].end = end;
  }
  return count ? exists(pool, a, first, end, OP_EXISTS + i) : a;
}

/* Is the result the empty set? Known ones are looked up; only that it is empty is kept. */
static gboolean is_nothing(LwMddPool *pool, Op op, LwMdd a, LwMdd b) {
  LwMdd result;
  if (is_plain(op, a, b, &result))
    return result == LW_MDD_FALSE;
  if (op != OP_MINUS && a > b) {
    LwMdd swap = a;
    a = b;
    b = swap;
  }
  const Asked this = asked(op, a, b);
  if (recall(pool, &this, &result))
    return result == LW_MDD_FALSE;
  guint variable = MIN(level_of(pool, a), level_of(pool, b));
  Side one = side_of(pool, a, variable), other = side_of(pool, b, variable);
  for (;;) {
    guint32 next = MIN(one.next, other.next);
    if (one.to == rules_out[op].a)
      next = one.next;
    else if (other.to == rules_out[op].b)
      next = other.next;
    else if (!is_nothing(pool, op, one.to, other.to))
      return FALSE;
    if (next == G_MAXUINT32)
      break;
    side_advance(pool, &one, next);
    side_advance(pool, &other, next);
  }
  keep(pool, &this, LW_MDD_FALSE);
  return TRUE;
}

gboolean lw_mdd_intersects(LwMddPool *pool, LwMdd a, LwMdd b) {
  return !is_nothing(pool, OP_AND, a, b);
}

gboolean lw_mdd_is_subset(LwMddPool *pool, LwMdd a, LwMdd b) {
  return is_nothing(pool, OP_MINUS, a, b);
}

/* --- the structure
 * ------------------------------------------------------------------------------------------------- */

guint lw_mdd_variable(const LwMddPool *pool, LwMdd a) {
  return level_of(pool, a);
}

const LwEdge *lw_mdd_edges(const LwMddPool *pool, LwMdd a, guint *count) {
  *count = count_of(pool, a);
  return edges_of(pool, a);
}

LwMdd lw_mdd_follow(const LwMddPool *pool, LwMdd a, guint32 value) {
  const LwEdge *edges = edges_of(pool, a);
  guint32 low = 0, end = count_of(pool, a);
  while (end - low > 1) {
    guint32 middle = low + (end - low) / 2;
    if (edges[middle].first <= value)
      low = middle;
    else
      end = middle;
  }
  return edges[low].to;
}

typedef struct {
  LwMddPool *pool;
  const guint8 *bits;
  guint variables;
  GHashTable *known;
} Counting;

static double values_of(const Counting *c, guint from, guint to) {
  double result = 1;
  for (guint v = from; v < to; v++)
    result *= (double)(1ull << c->bits[v]);
  return result;
}

static double count_below(const Counting *c, LwMdd a, guint level) {
  if (a == LW_MDD_FALSE)
    return 0;
  if (a == LW_MDD_TRUE)
    return values_of(c, level, c->variables);
  guint variable = level_of(c->pool, a), edges;
  const double *found = g_hash_table_lookup(c->known, GUINT_TO_POINTER(a));
  double result = found ? *found : 0;
  const LwEdge *edge = lw_mdd_edges(c->pool, a, &edges);
  for (guint i = 0; !found && i < edges; i++) {
    double end = i + 1 < edges ? edge[i + 1].first : (double)(1ull << c->bits[variable]);
    result += (end - edge[i].first) * count_below(c, edge[i].to, variable + 1);
  }
  if (!found)
    g_hash_table_insert(c->known, GUINT_TO_POINTER(a), g_memdup2(&result, sizeof result));
  return result * values_of(c, level, variable);
}

double lw_mdd_count(LwMddPool *pool, LwMdd a, const guint8 *bits, guint variables) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  const Counting c = {pool, bits, variables, known};
  return count_below(&c, a, 0);
}

guint lw_mdd_pool_nodes(const LwMddPool *pool) {
  return pool->nodes;
}

gsize lw_mdd_pool_bytes(const LwMddPool *pool) {
  const Layer *layers[] = {&pool->kept, &pool->scratch};
  gsize bytes = pool->room * sizeof *pool->units + pool->pending_room * sizeof *pool->pending;
  for (guint i = 0; i < G_N_ELEMENTS(layers); i++)
    if (layers[i]->table)
      bytes += (layers[i]->table_mask + 1ul) * sizeof *layers[i]->table +
               (layers[i]->cache_mask + 1ul) * sizeof *layers[i]->cache;
  return bytes;
}
