/* What nft lists (JSON), as neutral rules. Pure: no I/O, no libnftables.
 *
 * Read are the listings of libnftables 1.0.6 to 1.1.3, with symbols or with numbers. What is not understood
 * is in the result, with its text, as rules.h has it; an error is only what is no listing at all.
 *
 * Beyond what rules.h says:
 * - `iif NAME` is read as the interface's name, though the kernel compares its index: a link that was made
 *   anew under the name is another one to it. An index without a name is not understood.
 * - `icmp type` says nothing of the family: nft lists the rule alike with and without it, and ICMP inside
 *   IPv6 is nothing that anybody answers.
 * - A table's comment and whether it is dormant are not in the listing of 1.0.6: see tables.h.
 */
#pragma once

#include "resource/rules.h"

/* Of LwRuleset*, freeing; in the order of the listing. NULL and error when it is no listing. */
GPtrArray *lw_nft_read(const char *json, GError **error);

/* The rules as a listing has them after they were loaded: sets and chains under the names that nft can say,
 * comments and prefixes cut, what nft adds of its own accord added. lw_ruleset_difference() of this and of
 * what was read back is NULL when what was wanted is in force. Transfer full. */
LwRuleset *lw_nft_as_loaded(const LwRuleset *ruleset);
