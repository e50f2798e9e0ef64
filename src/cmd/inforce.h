/* What is really in force: the input of the static proof. */
#pragma once

#include "plan/plan.h"
#include "resource/resource.h"

/* Links, addresses, routes, routing rules, settings and packet rules of network namespaces (NULL-terminated;
 * "" is ours; each must be there), whoever made them. Complete, and with RULESETs of their real content: not
 * to be mixed with what a provider observes. Transfer full. */
LwResourceSet *lw_in_force(const char *const *namespaces, GError **error);

/* How the rules in force differ from what is wanted: a line each, with the namespace and the table; "" when
 * they do not; the rules and elements of `seen` that are as wanted get the lines of the file that they come
 * from. Both directions of the tables that `wanted` has; of other tables it says nothing. Then what no list
 * of wanted things names and what still has to be so: routes that come with addresses, a link's settings
 * where they are wanted of all links, and, in a namespace that is lanward's own, no route, rule or address
 * more. Transfer full. */
char *lw_in_force_compare(LwResourceSet *seen, const LwResourceSet *wanted);

/* What would be in force when the plan were carried out: `seen` with the plan's changes, and all tables of
 * `wanted` as they are loaded. Transfer full; resources are shared where they stay. */
LwResourceSet *lw_in_force_after(const LwResourceSet *seen, const LwPlan *plan, const LwResourceSet *wanted);
