/* What the kernel itself says of its tables. libnftables lists every rule for that (1.0.6), ends the process
 * on some foreign ones, and does not tell whether a table is dormant and what its comment is. */
#pragma once

#include "resource/rules.h"

/* The tables of a namespace ("" or NULL: ours): of LwRuleset* with family, name, dormant and mark, and
 * nothing in them. NULL and error; transfer full. */
GPtrArray *lw_nft_tables(const char *ns, GError **error);
/* Nullable, borrowed. */
const LwRuleset *lw_nft_find_table(const GPtrArray *tables, LwFamily family, const char *name);

/* Fills `dormant` and `mark` of each of `rulesets` (of LwRuleset*) in a namespace ("" or NULL: ours). */
gboolean lw_nft_read_tables(const char *ns, const GPtrArray *rulesets, GError **error);
