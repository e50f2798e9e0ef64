/* Leases: from dhcpcd's environment, to and from their files. */
#pragma once

#include "providers/dhcpcd/dhcpcd.h"

/* The lease that a hook's environment tells of. A DHCP server may say anything: an address or prefix that no
 * host can have is an error, a router or resolver of that kind is left out. */
gboolean lw_dhcp_lease_from_environment(char **environment, LwDhcpLease *out, GError **error);
gboolean lw_dhcp_lease_write(const char *run_dir, const char *ns, const char *link, const LwDhcpLease *lease,
                             GError **error);
/* Missing is success. */
gboolean lw_dhcp_lease_remove(const char *run_dir, const char *ns, const char *link, GError **error);
