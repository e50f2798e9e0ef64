/* Inside of src/host: the uplink's lease. */
#pragma once

#include <glib.h>

gboolean lw_host_has_lease(const char *link);
/* The DHCP client that keeps it, "dhclient (pid 812)"; NULL: none that we know. Lanward's own is not told
 * apart: to be asked before there is one. Transfer full. */
char *lw_host_lease_keeper(const char *link);
