/* What has to change, in which order.
 *
 * Order (each line before the next): namespaces and their global sysctls; rule tables, made or tightened;
 * objects that go, the last made first; reservations; links, addresses, routes; daemons that hand out
 * addresses; leases; tunnels and what hangs on them; resolvers; servers; cells; rule tables and namespaces
 * that go. So rules are there before a link comes up, and go only when the links are gone.
 */
#pragma once

#include "resource/resource.h"

/* Consecutive changes that one provider may carry out in one go: of one phase. */
typedef struct {
  int phase;
  GPtrArray *changes; /* of LwChange*, owned by the plan */
} LwPlanStep;

typedef struct {
  GPtrArray *changes; /* of LwChange*, in order */
  GPtrArray *steps;   /* of LwPlanStep*: the same, grouped */
} LwPlan;

/* wanted: what is to be; seen: what the providers report; owned: what lanward made before (and so may
 * delete). */
LwPlan *lw_plan_diff(const LwResourceSet *wanted, const LwResourceSet *seen, const LwResourceSet *owned);
void lw_plan_free(LwPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwPlan, lw_plan_free)

gboolean lw_plan_is_empty(const LwPlan *plan);
/* One line a change, grouped by what it does: "+ bridge virbr-lan10", "~ ruleset …", "- …". Transfer full. */
char *lw_plan_format(const LwPlan *plan, gboolean colour);
JsonNode *lw_plan_to_json(const LwPlan *plan);
