/* What iptables-save(8) and ip6tables-save(8) print, as neutral rules: nft lists the rules of iptables-nft
 * without what an extension says, and those of iptables-legacy not at all. Pure: no I/O. */
#pragma once

#include "resource/rules.h"

/* family: LW_FAMILY_IP or LW_FAMILY_IP6. Of LwRuleset*, freeing, one for each table of the text, called as
 * iptables calls it, its base chains on the hooks and at the priorities that tables of that name have. What
 * is not understood is in the result with its text: the function cannot fail. */
GPtrArray *lw_iptables_read(const char *text, LwFamily family);
