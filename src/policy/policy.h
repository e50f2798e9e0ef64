/* What a lab implies: (model, facts) -> wanted resources; and, by a way of its own that does not look at
 * those, (model, facts) -> the intended matrix (intent.h). */
#pragma once

#include "model/model.h"
#include "resource/facts.h"
#include "resource/resource.h"

/* Gives every exit, segment and NIC its number, and every declared NIC without an address one out of its
 * segment's DHCP range, where they have none yet. What is there is never changed. */
gboolean lw_policy_assign(const LwLab *lab, LwFacts *facts, GError **error);

/* All resources of the lab on the host and in the router, where that is a namespace (not the twin's world).
 * facts must be assigned. */
gboolean lw_policy_compile(const LwLab *lab, LwFacts *facts, LwResourceSet *wanted, GError **error);
/* The builtin router's alone, with its cables, whatever kind the lab's router is: what stands for a virtual
 * machine's in a proof. */
void lw_policy_compile_router(const LwLab *lab, LwFacts *facts, LwResourceSet *wanted);
/* Is the lab's router a namespace of this machine? Else it is an OPNsense. */
gboolean lw_policy_router_is_namespace(const LwLab *lab, const LwFacts *facts);

/* The two tables, for tests and goldens: the router's ("lanward") and the host's guards. Transfer full. */
LwRuleset *lw_policy_router_rules(const LwLab *lab, LwFacts *facts);
LwRuleset *lw_policy_guard_bridge_rules(const LwLab *lab, LwFacts *facts);
LwRuleset *lw_policy_guard_host_rules(const LwLab *lab, LwFacts *facts);

/* Whether the lab's containers can be machines, by the facts; else what is wrong with the first one that
 * cannot, and what to do (LW_ERROR_CONFLICT): to be asked before a file is put in force. */
gboolean lw_policy_containers(const LwLab *lab, const LwFacts *facts, GError **error);

/* Everything a user should be told about a lab that is right but may surprise (IPv6 lines ignored, a range
 * that binds only declared addresses, …): of char*, transfer full. */
GPtrArray *lw_policy_notes(const LwLab *lab);
