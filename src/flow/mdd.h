/* Multi-valued decision diagrams: exact sets of vectors of numbers.
 *
 * A set is a number (LwMdd) that is good for the pool it was made in: equal sets of one pool have equal
 * numbers, so comparing is one instruction. Nodes are shared and never freed one by one: a pool is thrown
 * away whole, or emptied (which makes all of its numbers void). Variables are 0, 1, 2, … in the order they
 * are tested, below LW_MDD_VARIABLES_MAX; each has the values 0 … of a size that is the caller's to know: a
 * node goes by intervals of them, so it has as many edges as its variable has runs of values that are treated
 * alike. No I/O, no errors: running out of memory aborts, as everywhere in GLib.
 */
#pragma once

#include <glib.h>

typedef guint32 LwMdd;

#define LW_MDD_FALSE ((LwMdd)0)
#define LW_MDD_TRUE ((LwMdd)1)
#define LW_MDD_VARIABLES_MAX 255u

/* From this value on, up to the next edge's, or to the variable's last: `to`. */
typedef struct {
  guint32 first;
  LwMdd to;
} LwEdge;

typedef struct LwMddPool LwMddPool;

LwMddPool *lw_mdd_pool_new(void);
void lw_mdd_pool_free(LwMddPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwMddPool, lw_mdd_pool_free)
void lw_mdd_pool_empty(LwMddPool *pool);

/* What is made between the two is thrown away by the second, but for the sets that it is told to keep: these
 * are given their new numbers. Numbers from before stay good; all others that were made in between are void.
 * Never one within the other. */
void lw_mdd_scratch_begin(LwMddPool *pool);
void lw_mdd_scratch_end(LwMddPool *pool, LwMdd *const *keep, guint count);
/* Sets put aside, out of the way of what is looked for later, and small. They refer to what was in the pool
 * before scratch began, so they are good until it is emptied. *sets: what they are comes back with
 * lw_mdd_restore(), then as good as any that is made there. */
typedef struct LwMddStored LwMddStored;
LwMddStored *lw_mdd_store(const LwMddPool *pool, LwMdd *const *sets, guint count); /* transfer full */
void lw_mdd_restore(LwMddPool *pool, const LwMddStored *stored, LwMdd *const *sets);
void lw_mdd_stored_free(LwMddStored *stored);

/* Will it be void? FALSE outside of the two. */
gboolean lw_mdd_is_scratch(const LwMddPool *pool, LwMdd a);

/* The set that goes on by the variable's value: at least one edge, ascending, the first from 0 on; all lead
 * to what tests later variables only. Neighbours may lead to the same. */
LwMdd lw_mdd_node(LwMddPool *pool, guint variable, const LwEdge *edges, guint count);
/* Those with first <= variable <= last, in `then`; most: the variable's last value. */
LwMdd lw_mdd_interval(LwMddPool *pool, guint variable, guint32 first, guint32 last, guint32 most, LwMdd then);
LwMdd lw_mdd_and(LwMddPool *pool, LwMdd a, LwMdd b);
LwMdd lw_mdd_or(LwMddPool *pool, LwMdd a, LwMdd b);
LwMdd lw_mdd_minus(LwMddPool *pool, LwMdd a, LwMdd b);
LwMdd lw_mdd_not(LwMddPool *pool, LwMdd a);
/* The union of all; the array is used up as scratch space. */
LwMdd lw_mdd_or_all(LwMddPool *pool, LwMdd *sets, guint count);
/* Forgets the variables first … first + count - 1: what is a member for some value of them. */
LwMdd lw_mdd_exists(LwMddPool *pool, LwMdd a, guint first, guint count);
/* TRUE without building anything when the two have a member in common. */
gboolean lw_mdd_intersects(LwMddPool *pool, LwMdd a, LwMdd b);
/* The same way. */
gboolean lw_mdd_is_subset(LwMddPool *pool, LwMdd a, LwMdd b);

/* The structure, for walkers. Not of the two constants. Neighbouring edges lead to different sets, there are
 * two of them at least; good until anything is made in the pool. */
guint lw_mdd_variable(const LwMddPool *pool, LwMdd a);
const LwEdge *lw_mdd_edges(const LwMddPool *pool, LwMdd a, guint *count);
/* Where this value of its variable leads. */
LwMdd lw_mdd_follow(const LwMddPool *pool, LwMdd a, guint32 value);

/* How many of all vectors are members; bits[v]: variable v has 2^bits values (a double is exact up to 2^53,
 * then rounded). */
double lw_mdd_count(LwMddPool *pool, LwMdd a, const guint8 *bits, guint variables);

guint lw_mdd_pool_nodes(const LwMddPool *pool); /* the two constants are two */
gsize lw_mdd_pool_bytes(const LwMddPool *pool);
