#include "startup/order.h"

typedef struct {
  guint machine;
  GArray *before;        /* of guint: items that are done first */
  gint64 delay, timeout; /* ms */
  LwOrderState state;
  gint64 since; /* WAITS: when the last of those was done; BEGUN: when it began */
} Item;

struct LwOrder {
  GArray *items; /* of Item */
  guint *of;     /* machine -> its item, LW_NONE */
};

static void item_clear(gpointer data) {
  g_array_unref(((Item *)data)->before);
}

static Item *item_at(const LwOrder *order, guint index) {
  return &g_array_index(order->items, Item, index);
}

static void add_item(LwOrder *order, const LwLab *lab, guint machine, gboolean ending, gint64 now) {
  const LwMachine *m = lw_lab_machine(lab, machine);
  Item item = {.machine = machine,
               .before = g_array_new(FALSE, FALSE, sizeof(guint)),
               .delay = ending ? 0 : (gint64)m->start->delay * 1000,
               .timeout = (gint64)m->start->timeout * 1000,
               .state = m->kind == LW_MACHINE_CELL ? LW_ORDER_DONE : LW_ORDER_WAITS,
               .since = now};
  order->of[machine] = order->items->len;
  g_array_append_val(order->items, item);
}

static void add_edges(LwOrder *order, const LwLab *lab, gboolean ending) {
  for (guint i = 0; i < order->items->len; i++) {
    const LwMachineStart *start = lw_lab_machine(lab, item_at(order, i)->machine)->start;
    for (guint a = 0; a < start->after->len; a++) {
      guint other = order->of[g_array_index(start->after, guint, a)];
      if (other == LW_NONE)
        continue;
      g_array_append_val(item_at(order, ending ? other : i)->before, *(ending ? &i : &other));
    }
  }
}

LwOrder *lw_order_new(const LwLab *lab, gboolean ending, const gboolean *chosen, gint64 now_ms) {
  LwOrder *order = g_new0(LwOrder, 1);
  order->items = g_array_new(FALSE, FALSE, sizeof(Item));
  g_array_set_clear_func(order->items, item_clear);
  order->of = g_new(guint, lab->machines->len + 1);
  for (guint m = 0; m < lab->machines->len; m++) {
    order->of[m] = LW_NONE;
    if (lw_lab_machine(lab, m)->start && (!chosen || chosen[m]))
      add_item(order, lab, m, ending, now_ms);
  }
  add_edges(order, lab, ending);
  return order;
}

void lw_order_free(LwOrder *order) {
  if (!order)
    return;
  g_array_unref(order->items);
  g_free(order->of);
  g_free(order);
}

static gboolean is_free(const LwOrder *order, const Item *item) {
  for (guint i = 0; i < item->before->len; i++) {
    LwOrderState state = item_at(order, g_array_index(item->before, guint, i))->state;
    if (state != LW_ORDER_DONE && state != LW_ORDER_FAILED)
      return FALSE;
  }
  return TRUE;
}

guint lw_order_next(LwOrder *order, gint64 now_ms) {
  for (guint i = 0; i < order->items->len; i++) {
    Item *item = item_at(order, i);
    if (item->state != LW_ORDER_WAITS || !is_free(order, item) || now_ms < item->since + item->delay)
      continue;
    item->state = LW_ORDER_BEGUN;
    item->since = now_ms;
    return item->machine;
  }
  return LW_NONE;
}

static void finish(LwOrder *order, guint index, LwOrderState state, gint64 now) {
  item_at(order, index)->state = state;
  for (guint i = 0; i < order->items->len; i++) {
    Item *item = item_at(order, i);
    for (guint b = 0; item->state == LW_ORDER_WAITS && b < item->before->len; b++)
      if (g_array_index(item->before, guint, b) == index)
        item->since = now;
  }
}

void lw_order_finish(LwOrder *order, guint machine, gboolean done, gint64 now_ms) {
  if (order->of[machine] != LW_NONE && item_at(order, order->of[machine])->state == LW_ORDER_BEGUN)
    finish(order, order->of[machine], done ? LW_ORDER_DONE : LW_ORDER_FAILED, now_ms);
}

guint lw_order_expire(LwOrder *order, gint64 now_ms) {
  for (guint i = 0; i < order->items->len; i++) {
    const Item *item = item_at(order, i);
    if (item->state != LW_ORDER_BEGUN || now_ms < item->since + item->timeout)
      continue;
    finish(order, i, LW_ORDER_FAILED, now_ms);
    return item->machine;
  }
  return LW_NONE;
}

LwOrderState lw_order_state(const LwOrder *order, guint machine) {
  return order->of[machine] == LW_NONE ? LW_ORDER_DONE : item_at(order, order->of[machine])->state;
}

guint lw_order_count(const LwOrder *order, LwOrderState state) {
  guint count = 0;
  for (guint i = 0; i < order->items->len; i++)
    count += item_at(order, i)->state == state;
  return count;
}

gboolean lw_order_is_over(const LwOrder *order) {
  return lw_order_count(order, LW_ORDER_WAITS) + lw_order_count(order, LW_ORDER_BEGUN) == 0;
}
