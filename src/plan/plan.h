/* What has to change, in which order, such that at every instant no more is reachable than the old file or
 * the new one allows.
 *
 * Order (each line before the next):
 *   namespaces and their global sysctls;
 *   rule tables that were not there; tables that somebody had changed, as they were before;
 *   reservations: a resolver learns of a machine before its link moves;
 *   bounds: beside each old table the deciding rules of the new one, so that only what both accept passes;
 *   links (and libvirt's NICs) that move or go down are pulled; objects that go, the last made first;
 *   what changes in place: links, addresses, routes, daemons, leases, tunnels, resolvers;
 *   rule tables as the new file has them, and an OPNsense's items; the bounds go;
 *   what comes: links, pulled ones plugged in again, addresses, routes, daemons, leases, tunnels and what
 * hangs on them, resolvers, servers, cells, libvirt's domains and their NICs; rule tables and namespaces that
 * go. So rules are there before a link comes up and go only when the links are gone, and what tightens comes
 * before what loosens. Between the old tables and the new ones there is only what both files have (links that
 * are on neither side, a topology that is in both): with one table to change and nothing to change in place,
 * that takes no bound. docs/decisions.md says why that is sound.
 */
#pragma once

#include "resource/resource.h"

/* Consecutive changes that one provider may carry out in one go: of one phase. */
typedef struct {
  int phase;
  GPtrArray *changes; /* of LwChange*, owned by the plan */
} LwPlanStep;

typedef struct {
  GPtrArray *changes; /* of LwChange*: what differs, in order; for people */
  GPtrArray *steps; /* of LwPlanStep*: how it is carried out; a change may take several, bounds come and go */
  GPtrArray *aside; /* of LwChange*: what differs and is only observed (resource.h): told, not carried out */
  GPtrArray *extra; /* of LwChange*: those of the steps that are not in `changes` */
  LwResourceSet *seen; /* what was there; NULL when there is nothing to change */
} LwPlan;

/* wanted: what is to be; seen: what the providers report; owned: what lanward made before (and so may
 * delete). */
LwPlan *lw_plan_diff(const LwResourceSet *wanted, const LwResourceSet *seen, const LwResourceSet *owned);
/* The same; before (nullable): what the file in force asks for. A rule table in `seen` that is not as there
 * was changed by somebody else, and is brought back first. */
LwPlan *lw_plan_diff_from(const LwResourceSet *wanted, const LwResourceSet *seen, const LwResourceSet *owned,
                          const LwResourceSet *before);
void lw_plan_free(LwPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwPlan, lw_plan_free)

gboolean lw_plan_is_empty(const LwPlan *plan);

/* The proof obligations: what is there after the first `steps` steps (0: what was seen). Its RULESETs are the
 * tables in force then, bounds among them. After the last step: the wanted, and what was seen and is not
 * lanward's. The set is empty when the plan is. Transfer full. */
LwResourceSet *lw_plan_state_after(const LwPlan *plan, guint steps);

/* One line a change, grouped by what it does: "+ bridge virbr-lan10", "~ ruleset …", "- …". Transfer full. */
char *lw_plan_format(const LwPlan *plan, gboolean colour);
/* The same for what is set aside; "" when nothing is. Transfer full. */
char *lw_plan_format_aside(const LwPlan *plan, gboolean colour);
JsonNode *lw_plan_to_json(const LwPlan *plan);
