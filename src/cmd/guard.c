#include "cmd/guard.h"

#include "base/error.h"
#include "cmd/router_items.h"
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

static gboolean is_plugged(const LwResource *link) {
  return link && link->kind == LW_RES_LINK && link->up && link->master && *link->master;
}

/* Only pulls ports off bridges: whatever passes then, passed before. */
static gboolean only_pulls(const LwPlanStep *step) {
  for (guint i = 0; i < step->changes->len; i++) {
    const LwChange *change = step->changes->pdata[i];
    if (!is_plugged(change->from) || !change->to || change->to->up ||
        (change->to->master && *change->to->master))
      return FALSE;
  }
  return TRUE;
}

/* Only plugs ports in: whatever passes before, passes then. */
static gboolean only_plugs(const LwPlanStep *step) {
  for (guint i = 0; i < step->changes->len; i++) {
    const LwChange *change = step->changes->pdata[i];
    if (!is_plugged(change->to) || !change->from || change->from->up ||
        (change->from->master && *change->from->master))
      return FALSE;
  }
  return TRUE;
}

/* Does a state differ from the first by more than ports that were pulled? */
static gboolean differs_from_first(const LwPlan *plan, guint steps) {
  for (guint i = 0; i < steps; i++)
    if (step_matters(plan, i) && !only_pulls(plan->steps->pdata[i]))
      return TRUE;
  return FALSE;
}

/* From the last, by more than ports that are still to be plugged in? */
static gboolean differs_from_last(const LwPlan *plan, guint steps) {
  for (guint i = steps; i < plan->steps->len; i++)
    if (step_matters(plan, i) && !only_plugs(plan->steps->pdata[i]))
      return TRUE;
  return FALSE;
}

/* Not like the state before it, and not within the first or the last one by what the steps are. */
static gboolean is_between(const LwPlan *plan, guint steps) {
  return steps && step_matters(plan, steps - 1) && differs_from_first(plan, steps) &&
         differs_from_last(plan, steps);
}

/* With `changes` of the router's items of the step after that: OPNsense may load what there is at any of
 * them. */
static LwResourceSet *world_of(const LwPlanGuard *guard, const LwPlan *plan, const LwResourceSet *state,
                               guint steps, guint changes, GError **error) {
  const LwSession *session = guard->session;
  g_autoptr(LwResourceSet) world = lw_static_with_lease(state, session->facts);
  if (!session->router_seen || !session->router_seen->config)
    return g_steal_pointer(&world);
  return lw_router_world_after(session, world, plan, steps, changes, error);
}

static gboolean allow(LwPlanGuard *guard, const LwPlan *plan, const LwResourceSet *state, guint steps,
                      GError **error) {
  LwResourceSet *world = world_of(guard, plan, state, steps, 0, error);
  if (!world)
    return FALSE;
  lw_between_allow(guard->between, world);
  lw_resource_set_free(world);
  return TRUE;
}

static gboolean allow_ends(LwPlanGuard *guard, const LwPlan *plan, GError **error) {
  if (guard->between)
    return TRUE;
  g_autoptr(LwResourceSet) first = lw_plan_state_after(plan, 0);
  g_autoptr(LwResourceSet) last = lw_plan_state_after(plan, plan->steps->len);
  const char *router = guard->session->facts->router_ns;
  guard->between = lw_between_new(router ? router : "router");
  if (guard->session->lab)
    lw_between_outer_bridge(guard->between, guard->session->lab->host.bridge);
  return allow(guard, plan, first, 0, error) && allow(guard, plan, last, plan->steps->len, error);
}

/* What was changed by hand is brought back as the file in force has it. */
static gboolean allow_before(LwPlanGuard *guard, const LwPlan *plan, GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwResourceSet) before = guard->before(guard->session, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  guard->before_asked = TRUE;
  return !before || allow(guard, plan, before, 0, error);
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

static gboolean check(LwPlanGuard *guard, const LwPlan *plan, const LwResourceSet *state, guint steps,
                      guint changes, GError **error) {
  g_autoptr(LwResourceSet) world = world_of(guard, plan, state, steps, changes, error);
  if (!world)
    return FALSE;
  guard->proved++;
  g_autoptr(LwHole) hole = lw_between_check(guard->between, world);
  if (hole && !guard->before_asked) {
    if (!allow_before(guard, plan, error))
      return FALSE;
    g_clear_pointer(&hole, lw_hole_free);
    hole = lw_between_check(guard->between, world);
  }
  return !hole || refuse(plan, steps + (changes != 0), hole, error);
}

/* An OPNsense takes its items one by one. */
static gboolean check_items(LwPlanGuard *guard, const LwPlan *plan, const LwResourceSet *state, guint steps,
                            GError **error) {
  guint items = guard->session->router_seen && guard->session->router_seen->config && steps < plan->steps->len
                    ? lw_router_changes_in(plan, steps)
                    : 0;
  if (items > 1 && !allow_ends(guard, plan, error))
    return FALSE;
  for (guint i = 1; i < items; i++)
    if (!check(guard, plan, state, steps, i, error))
      return FALSE;
  return TRUE;
}

gboolean lw_plan_guard(const LwPlan *plan, guint steps, const LwResourceSet *state, gpointer data,
                       GError **error) {
  LwPlanGuard *guard = data;
  if (is_between(plan, steps) &&
      (!allow_ends(guard, plan, error) || !check(guard, plan, state, steps, 0, error)))
    return FALSE;
  return check_items(guard, plan, state, steps, error);
}
