/* Cells: a machine made of namespaces (network, mount, pid, uts) with a private writable overlay of the root,
 * /run and /tmp of its own, that runs a command or just stays. Starts in milliseconds, needs no image.
 *
 * The cell's network namespace is named after it ("cell-NAME") and is a NETNS resource of its own, so the
 * kernel provider plugs its NICs; this provider starts init in it, gives each NIC that has no static address
 * a DHCP client, and writes /etc/hostname, /etc/hosts and (from the lease) /etc/resolv.conf into the overlay.
 */
#pragma once

#include "provider/provider.h"

LwProvider *lw_cell_provider_new(const LwProviderContext *context, GError **error);

/* Runs argv inside the cell (all its namespaces) with our stdin, stdout, stderr; returns its exit status
 * (128+signal), or -1 and error. run_dir as in LwProviderContext. */
int lw_cell_exec(const char *run_dir, const char *cell, const char *const *argv, GError **error);

/* Waits until the first NIC of each of these cells (NULL-terminated names) that asks by DHCP has an address.
 */
gboolean lw_cell_wait_leases(const char *run_dir, const char *const *cells, guint timeout_ms, GError **error);
