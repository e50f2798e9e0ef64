/* The intersection of two tables, without looking into either.
 *
 * A packet passes a hook when every table on it lets it pass: what one accepts, another may still drop. So
 * with the bound of a new table beside the old one, only what both accept passes, whatever their rules look
 * like. The bound is the new table without all that does not decide: no NAT, no marks, nothing that is only
 * counted or logged. It judges a packet by the marks that the old table gave it; a mark means the same exit
 * in both, since numbers are given once.
 */
#pragma once

#include "resource/rules.h"

/* The bound of a table: another name, the same sets (shared), deciding rules only. NULL: the table never
 * drops anything, so there is nothing to bound. Transfer full. */
LwRuleset *lw_ruleset_bound(const LwRuleset *ruleset);
/* "lanward/inet" -> "lanward_bound/inet". Transfer full. */
char *lw_bound_name(const char *name);
