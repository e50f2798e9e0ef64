#include "cmd/guard.h"

#include "base/error.h"
#include "verify/between.h"
#include "verify/static.h"

struct LwPlanGuard {
  LwSession *session;
  LwBefore before;
  gboolean before_asked;
  LwBetween *between; /* NULL: not needed so far */
  guint proved;
};

LwPlanGuard *lw_plan_guard_new(LwSession *session, LwBefore before) {
  LwPlanGuard *guard = g_new0(LwPlanGuard, 1);
  guard->session = session;
  guard->before = before;
  return guard;
}

void lw_plan_guard_free(LwPlanGuard *guard) {
  if (!guard)
    return;
  lw_between_free(guard->between);
  g_free(guard);
}

guint lw_plan_guard_proved(const LwPlanGuard *guard) {
  return guard->proved;
}

static gboolean step_matters(const LwPlan *plan, guint index) {
  const LwPlanStep *step = plan->steps->pdata[index];
  for (guint i = 0; i < step->changes->len; i++) {
    const LwChange *change = step->changes->pdata[i];
    if (lw_between_matters((change->to ? change->to : change->from)->kind))
      return TRUE;
  }
  return FALSE;
}

/* Neither like the state before it, nor like the last one. */
static gboolean is_between(const LwPlan *plan, guint steps) {
  if (steps == 0 || !step_matters(plan, steps - 1))
    return FALSE;
  for (guint i = steps; i < plan->steps->len; i++)
    if (step_matters(plan, i))
      return TRUE;
  return FALSE;
}

static void allow(LwPlanGuard *guard, const LwResourceSet *state) {
  g_autoptr(LwResourceSet) world = lw_static_with_lease(state, guard->session->facts);
  lw_between_allow(guard->between, world);
}

static void allow_ends(LwPlanGuard *guard, const LwPlan *plan) {
  g_autoptr(LwResourceSet) first = lw_plan_state_after(plan, 0);
  g_autoptr(LwResourceSet) last = lw_plan_state_after(plan, plan->steps->len);
  const char *router = guard->session->facts->router_ns;
  guard->between = lw_between_new(router ? router : "router");
  if (guard->session->lab)
    lw_between_outer_bridge(guard->between, guard->session->lab->host.bridge);
  allow(guard, first);
  allow(guard, last);
}

/* What was changed by hand is brought back as the file in force has it. */
static gboolean allow_before(LwPlanGuard *guard, GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwResourceSet) before = guard->before(guard->session, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  guard->before_asked = TRUE;
  if (before)
    allow(guard, before);
  return TRUE;
}

static char *step_text(const LwPlan *plan, guint index) {
  const LwPlanStep *step = plan->steps->pdata[index];
  const LwChange *change = step->changes->pdata[0];
  g_autofree char *what = lw_resource_describe(change->to ? change->to : change->from);
  return step->changes->len > 1 ? g_strdup_printf("%s and %u more", what, step->changes->len - 1)
                                : g_steal_pointer(&what);
}

static gboolean refuse(const LwPlan *plan, guint steps, const LwHole *hole, GError **error) {
  g_autofree char *step = step_text(plan, steps - 1);
  g_autofree char *text = lw_hole_format(hole);
  g_set_error(
      error, LW_ERROR, LW_ERROR_FAILED,
      "step %u of %u (%s) would let through for a moment what neither the lab before nor the lab after "
      "allows: %s. Nothing was changed. The order of a plan is lanward's to get right: this is a mistake of "
      "it that should be told to its makers; lanward twin down, then apply, goes another way",
      steps, plan->steps->len, step, text);
  return FALSE;
}

gboolean lw_plan_guard(const LwPlan *plan, guint steps, const LwResourceSet *state, gpointer data,
                       GError **error) {
  LwPlanGuard *guard = data;
  if (!is_between(plan, steps))
    return TRUE;
  if (!guard->between)
    allow_ends(guard, plan);
  g_autoptr(LwResourceSet) world = lw_static_with_lease(state, guard->session->facts);
  guard->proved++;
  g_autoptr(LwHole) hole = lw_between_check(guard->between, world);
  if (hole && !guard->before_asked) {
    if (!allow_before(guard, error))
      return FALSE;
    g_clear_pointer(&hole, lw_hole_free);
    hole = lw_between_check(guard->between, world);
  }
  return !hole || refuse(plan, steps, hole, error);
}
