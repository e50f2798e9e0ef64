/* Rule 4.2 before anything is touched: no state of a plan lets through what neither its first nor its last
 * does. */
#pragma once

#include "cmd/session.h"

typedef struct LwPlanGuard LwPlanGuard;

/* Borrows the session and before's data. before: what the file in force asks for; asked only when something
 * passes that neither the first nor the last state lets through. */
LwPlanGuard *lw_plan_guard_new(LwSession *session, LwBefore before);
void lw_plan_guard_free(LwPlanGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwPlanGuard, lw_plan_guard_free)

/* An LwGuard; data: an LwPlanGuard. */
gboolean lw_plan_guard(const LwPlan *plan, guint steps, const LwResourceSet *state, gpointer data,
                       GError **error);

/* How many states on the way were proved; there may be none that could differ. */
guint lw_plan_guard_proved(const LwPlanGuard *guard);
