/* What a command typed after a login starts must outlive the logout. */
#pragma once

#include <glib.h>

/* Where this process is in a login session's cgroup, and systemd runs: has systemd move it into a scope of
 * its own below system.slice, which the daemons that it starts stay in. Else a logout with
 * KillUserProcesses=yes (logind.conf) would end the router's DHCP, DNS and tunnels. FALSE and error: it is
 * still there. */
gboolean lw_login_leave(GError **error);
