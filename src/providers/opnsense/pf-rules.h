/* pf's rules in the neutral form of resource/rules.h, and an OPNsense as resources: what src/reach computes
 * with.
 *
 * pf sees a packet twice: where it comes in (redirection, then the filter) and where it goes out (source NAT,
 * then the filter). So the chains of the one table are
 *
 *   prerouting    rdr, in      translations: the first that matches
 *   postrouting   nat, out     filter: the quick rules in order, then the others backwards; none: pass
 *
 * Tags and what "rdr pass" lets by are bits of the packet's mark. Lists in a rule are taken apart as pf does
 * it. Aliases are sets, with `unknown` where OPNsense fetches what is in them; gateway groups may take either
 * member; schedules and conditions that are not modelled may hold or not. Tables that OPNsense fills by abuse
 * (bogons, virusprot, sshlockout) are taken for empty: they only block; it is said.
 */
#pragma once

#include "providers/opnsense/pf.h"
#include "resource/resource.h"

/* links: device -> name of the link that it becomes; a device that is not in it keeps its name. Transfer
 * full. */
LwRuleset *lw_pf_rules(const LwPf *pf, GHashTable *links);

/* Adds what an OPNsense is to `world`, as namespace ns: links (those that are there already are left),
 * addresses, routes, rules. */
void lw_pf_world(const LwPf *pf, const char *ns, GHashTable *links, LwResourceSet *world);
