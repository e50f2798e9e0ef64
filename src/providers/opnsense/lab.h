/* An OPNsense as the router of a lab: which of its interfaces is which leg, and all of the lab's resources
 * with it in the builtin router's place. For the static proof. */
#pragma once

#include "model/model.h"
#include "providers/opnsense/pf.h"
#include "resource/facts.h"
#include "resource/resource.h"

/* Device -> name of the leg in the builtin router: a segment's by its router's address, management's
 * likewise, a tunnel's by its own address; WAN is the interface "wan", or the first that has its address by
 * lease. What the lab has and the file does not is named in `missing` (of char*). Transfer full. */
GHashTable *lw_opn_legs(const LwLab *lab, const LwPf *pf, GPtrArray *missing);

/* The lab's resources with pf's rules, routes and addresses in place of all that is in the builtin router's
 * namespace (but for the cables that lead there). wanted: what the lab compiles to. Transfer full; resources
 * are shared. */
LwResourceSet *lw_opn_lab_world(const LwFacts *facts, const LwPf *pf, GHashTable *legs,
                                const LwResourceSet *wanted);
/* What WAN is on, by lease or stand-in: the home LAN as this file has it. Unset: none. */
LwPrefix lw_opn_home_lan(const LwPf *pf, GHashTable *legs);
/* The exits that a config.xml of ours says are active, into facts->active: a segment's egress rule names the
 * gateway. Of a file by somebody else it says nothing: then the first of each pool is taken. */
void lw_opn_active_exits(const LwLab *lab, const LwOpn *opn, LwFacts *facts);
/* What WAN's lease names as resolver, where nothing better is known: its gateway. Unset: none. */
LwAddr lw_opn_wan_gateway(const LwPf *pf, GHashTable *legs);
