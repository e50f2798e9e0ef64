/* What the kernel says of its tables, and libnftables' listing does not: of 1.0.6, whether a table is dormant
 * and what its comment is. */
#pragma once

#include "resource/rules.h"

/* Fills `dormant` and `mark` of each of `rulesets` (of LwRuleset*) in a namespace ("" or NULL: ours). */
gboolean lw_nft_read_tables(const char *ns, const GPtrArray *rulesets, GError **error);
