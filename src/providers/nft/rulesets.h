/* Every packet rule that is in force in a network namespace, whoever made it. */
#pragma once

#include "resource/rules.h"

/* Of LwRuleset*, freeing: each table of nftables and, with " (legacy)" behind the name, of iptables-legacy. A
 * rule with an extension of iptables is read by iptables-nft-save(8), as nft lists those without what they
 * say; where that program is missing, what is lost is told in the rule. (Of the other rules it is no witness:
 * it prints a rule that nft made without the matches that it does not know.) ns NULL or "": where we are. */
GPtrArray *lw_nft_rulesets(const char *ns, GError **error);
