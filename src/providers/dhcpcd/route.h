/* The little of rtnetlink that a lease needs, in the network namespace of the calling thread. */
#pragma once

#include "base/addr.h"

/* Puts `default via ROUTER dev LINK proto dhcp` into the table (0: main), in place of what it had. A router
 * outside of the prefix is taken to be on the link. */
gboolean lw_dhcp_route_set(const char *link, guint32 table, const LwPrefix *prefix, const LwAddr *router,
                           GError **error);
/* Missing route or link is success; so is a missing address. */
gboolean lw_dhcp_route_clear(const char *link, guint32 table, GError **error);
gboolean lw_dhcp_address_clear(const char *link, const LwPrefix *address, GError **error);
