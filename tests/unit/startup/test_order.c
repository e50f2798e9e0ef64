/* Which machine starts when, and ends when. */
#include "startup/order.h"

/* a; b and c after a; d after b and c, five seconds later; e a cell that nobody waits for long. */
static LwLab *lab_new(void) {
  static const char *const names[] = {"a", "b", "c", "d", "e"};
  LwLab *lab = lw_lab_new();
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    LwMachine *machine = lw_machine_new();
    machine->name = g_strdup(names[i]);
    machine->start = lw_machine_start_new();
    machine->start->timeout = 10;
    g_ptr_array_add(lab->machines, machine);
  }
  static const guint edges[][2] = {{1, 0}, {2, 0}, {3, 1}, {3, 2}, {0, 4}};
  for (guint i = 0; i < G_N_ELEMENTS(edges); i++)
    g_array_append_val(lw_lab_machine(lab, edges[i][0])->start->after, edges[i][1]);
  lw_lab_machine(lab, 3)->start->delay = 5;
  lw_lab_machine(lab, 4)->kind = LW_MACHINE_CELL;
  return lab;
}

static void test_start(void) {
  g_autoptr(LwLab) lab = lab_new();
  g_autoptr(LwOrder) order = lw_order_new(lab, FALSE, NULL, 0);
  g_assert_cmpuint(lw_order_next(order, 0), ==, 0);
  g_assert_cmpuint(lw_order_next(order, 0), ==, LW_NONE);
  lw_order_finish(order, 0, TRUE, 1000);
  g_assert_cmpuint(lw_order_next(order, 1000), ==, 1);
  g_assert_cmpuint(lw_order_next(order, 1000), ==, 2); /* together */
  lw_order_finish(order, 1, TRUE, 2000);
  g_assert_cmpuint(lw_order_next(order, 9000), ==, LW_NONE);
  lw_order_finish(order, 2, TRUE, 3000);
  g_assert_cmpuint(lw_order_next(order, 7999), ==, LW_NONE);
  g_assert_cmpuint(lw_order_next(order, 8000), ==, 3);
  g_assert_false(lw_order_is_over(order));
  lw_order_finish(order, 3, TRUE, 8001);
  g_assert_true(lw_order_is_over(order));
  g_assert_cmpuint(lw_order_count(order, LW_ORDER_DONE), ==, 5);
}

static void test_failures_do_not_stop_the_others(void) {
  g_autoptr(LwLab) lab = lab_new();
  g_autoptr(LwOrder) order = lw_order_new(lab, FALSE, NULL, 0);
  g_assert_cmpuint(lw_order_next(order, 0), ==, 0);
  g_assert_cmpuint(lw_order_expire(order, 9999), ==, LW_NONE);
  g_assert_cmpuint(lw_order_expire(order, 10000), ==, 0);
  g_assert_cmpint(lw_order_state(order, 0), ==, LW_ORDER_FAILED);
  g_assert_cmpuint(lw_order_next(order, 10000), ==, 1);
  g_assert_cmpuint(lw_order_next(order, 10000), ==, 2);
  lw_order_finish(order, 1, FALSE, 10500);
  lw_order_finish(order, 1, TRUE, 10600); /* what is over stays so */
  g_assert_cmpint(lw_order_state(order, 1), ==, LW_ORDER_FAILED);
  lw_order_finish(order, 2, TRUE, 11000);
  g_assert_cmpuint(lw_order_next(order, 16000), ==, 3);
}

static void test_end(void) {
  g_autoptr(LwLab) lab = lab_new();
  g_autoptr(LwOrder) order = lw_order_new(lab, TRUE, NULL, 0);
  g_assert_cmpuint(lw_order_next(order, 0), ==, 3); /* without its delay */
  g_assert_cmpuint(lw_order_next(order, 0), ==, LW_NONE);
  lw_order_finish(order, 3, TRUE, 1);
  g_assert_cmpuint(lw_order_next(order, 1), ==, 1);
  g_assert_cmpuint(lw_order_next(order, 1), ==, 2);
  lw_order_finish(order, 2, TRUE, 2);
  g_assert_cmpuint(lw_order_next(order, 2), ==, LW_NONE);
  lw_order_finish(order, 1, TRUE, 2);
  g_assert_cmpuint(lw_order_next(order, 2), ==, 0);
}

static void test_chosen(void) {
  g_autoptr(LwLab) lab = lab_new();
  const gboolean chosen[] = {FALSE, FALSE, FALSE, TRUE, FALSE};
  g_autoptr(LwOrder) order = lw_order_new(lab, FALSE, chosen, 0);
  g_assert_cmpuint(lw_order_next(order, 5000), ==, 3);
  g_assert_cmpint(lw_order_state(order, 0), ==, LW_ORDER_DONE);
  lw_order_finish(order, 3, TRUE, 5001);
  g_assert_true(lw_order_is_over(order));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/startup/order/start", test_start);
  g_test_add_func("/startup/order/failures", test_failures_do_not_stop_the_others);
  g_test_add_func("/startup/order/end", test_end);
  g_test_add_func("/startup/order/chosen", test_chosen);
  return g_test_run();
}
