/* Every packet rule that is in force in a network namespace, whoever made it. */
#pragma once

#include "resource/rules.h"

/* Of LwRuleset*, freeing: each table of nftables, and what iptables keeps elsewhere. ns NULL or "": where we
 * are. */
GPtrArray *lw_nft_rulesets(const char *ns, GError **error);
