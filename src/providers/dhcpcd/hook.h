/* What a lease means, and its end. */
#pragma once

#include "providers/dhcpcd/settings.h"

/* Takes back everything: WAN closed (home LAN is everything), no route, resolvers, lease. Goes on after a
 * failure and reports the first. Route and nft set are those of `ns`, or of the calling thread's namespace
 * when NULL. */
gboolean lw_dhcp_take_back(const LwDhcpSettings *settings, const char *ns, GError **error);
