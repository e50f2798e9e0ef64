/* Decision diagrams: exact sets of vectors of numbers.
 *
 * A set is a number (LwBdd) that is good for the pool it was made in: equal sets of one pool have equal
 * numbers, so comparing is one instruction. Nodes are shared and never freed one by one: a pool is thrown
 * away whole, or emptied (which makes all of its numbers void). Variables are 0, 1, 2, … in the order they
 * are tested, below LW_BDD_VARIABLES_MAX; each has the values 0 … of a size that is the caller's to know: a
 * node goes by intervals of them, so it has as many edges as its variable has runs of values that are treated
 * alike. No I/O, no errors: running out of memory aborts, as everywhere in GLib.
 */
#pragma once

#include <glib.h>

typedef guint32 LwBdd;

#define LW_BDD_FALSE ((LwBdd)0)
#define LW_BDD_TRUE ((LwBdd)1)
#define LW_BDD_VARIABLES_MAX 255u

/* From this value on, up to the next edge's, or to the variable's last: `to`. */
typedef struct {
  guint32 first;
  LwBdd to;
} LwEdge;

typedef struct LwBddPool LwBddPool;

LwBddPool *lw_bdd_pool_new(void);
void lw_bdd_pool_free(LwBddPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwBddPool, lw_bdd_pool_free)
void lw_bdd_pool_empty(LwBddPool *pool);

/* What is made between the two is thrown away by the second, but for the sets that it is told to keep: these
 * are given their new numbers. Numbers from before stay good; all others that were made in between are void.
 * Never one within the other. */
void lw_bdd_scratch_begin(LwBddPool *pool);
void lw_bdd_scratch_end(LwBddPool *pool, LwBdd *const *keep, guint count);
/* Sets put aside, out of the way of what is looked for later, and small. They refer to what was in the pool
 * before scratch began, so they are good until it is emptied. *sets: what they are comes back with
 * lw_bdd_restore(), then as good as any that is made there. */
typedef struct LwBddStored LwBddStored;
LwBddStored *lw_bdd_store(const LwBddPool *pool, LwBdd *const *sets, guint count); /* transfer full */
void lw_bdd_restore(LwBddPool *pool, const LwBddStored *stored, LwBdd *const *sets);
void lw_bdd_stored_free(LwBddStored *stored);

/* Will it be void? FALSE outside of the two. */
gboolean lw_bdd_is_scratch(const LwBddPool *pool, LwBdd a);

/* The set that goes on by the variable's value: at least one edge, ascending, the first from 0 on; all lead
 * to what tests later variables only. Neighbours may lead to the same. */
LwBdd lw_bdd_node(LwBddPool *pool, guint variable, const LwEdge *edges, guint count);
/* Those with first <= variable <= last, in `then`; most: the variable's last value. */
LwBdd lw_bdd_interval(LwBddPool *pool, guint variable, guint32 first, guint32 last, guint32 most, LwBdd then);
LwBdd lw_bdd_and(LwBddPool *pool, LwBdd a, LwBdd b);
LwBdd lw_bdd_or(LwBddPool *pool, LwBdd a, LwBdd b);
LwBdd lw_bdd_minus(LwBddPool *pool, LwBdd a, LwBdd b);
LwBdd lw_bdd_not(LwBddPool *pool, LwBdd a);
/* The union of all; the array is used up as scratch space. */
LwBdd lw_bdd_or_all(LwBddPool *pool, LwBdd *sets, guint count);
/* Forgets the variables first … first + count - 1: what is a member for some value of them. */
LwBdd lw_bdd_exists(LwBddPool *pool, LwBdd a, guint first, guint count);
/* TRUE without building anything when the two have a member in common. */
gboolean lw_bdd_intersects(LwBddPool *pool, LwBdd a, LwBdd b);
/* The same way. */
gboolean lw_bdd_is_subset(LwBddPool *pool, LwBdd a, LwBdd b);

/* The structure, for walkers. Not of the two constants. Neighbouring edges lead to different sets, there are
 * two of them at least; good until anything is made in the pool. */
guint lw_bdd_variable(const LwBddPool *pool, LwBdd a);
const LwEdge *lw_bdd_edges(const LwBddPool *pool, LwBdd a, guint *count);
/* Where this value of its variable leads. */
LwBdd lw_bdd_follow(const LwBddPool *pool, LwBdd a, guint32 value);

/* How many of all vectors are members; bits[v]: variable v has 2^bits values (a double is exact up to 2^53,
 * then rounded). */
double lw_bdd_count(LwBddPool *pool, LwBdd a, const guint8 *bits, guint variables);

guint lw_bdd_pool_nodes(const LwBddPool *pool); /* the two constants are two */
gsize lw_bdd_pool_bytes(const LwBddPool *pool);
