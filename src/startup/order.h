/* The order in which machines start, and end: pure. A caller asks what to begin, begins it, and tells how it
 * went; time is the caller's, in ms of any clock that only goes on.
 *
 * Starting: a machine begins once all that it comes after are done, and its delay is over; those that nothing
 * orders begin together. Ending is the same the other way round, without delays. One that fails, or is not
 * done within its timeout, has failed, and whoever waits for it waits no more: a broken machine does not stop
 * the others.
 */
#pragma once

#include "model/model.h"

typedef enum {
  LW_ORDER_WAITS, /* for others, or its delay */
  LW_ORDER_BEGUN,
  LW_ORDER_DONE,
  LW_ORDER_FAILED,
} LwOrderState;

typedef struct LwOrder LwOrder;

/* Of all machines with `start:` (chosen: a flag a machine of the lab; nullable: all of them). A cell is done
 * from the beginning. The lab outlives it. */
LwOrder *lw_order_new(const LwLab *lab, gboolean ending, const gboolean *chosen, gint64 now_ms);
void lw_order_free(LwOrder *order);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwOrder, lw_order_free)

/* A machine that is to begin now, and has begun with that; LW_NONE: none. */
guint lw_order_next(LwOrder *order, gint64 now_ms);
void lw_order_finish(LwOrder *order, guint machine, gboolean done, gint64 now_ms);
/* One that has begun and whose time is over: it has failed with that; LW_NONE: none. */
guint lw_order_expire(LwOrder *order, gint64 now_ms);
LwOrderState lw_order_state(const LwOrder *order, guint machine); /* DONE for one that is not in it */
gboolean lw_order_is_over(const LwOrder *order);
guint lw_order_count(const LwOrder *order, LwOrderState state);
