/* The resolvers that a process sees in its own /etc/resolv.conf. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The addresses of the "nameserver" lines, one space between; "" when there are none. Pure. Transfer full. */
char *lw_resolv_servers(const char *text);

/* The file as the process sees it; NULL without error: it has none. */
char *lw_resolv_read(pid_t pid, GError **error);
/* In place, below the process's root. Where that is read-only: by `file`, the engine's own path of it. text
 * NULL: it has none again; where something is mounted over it, an empty one. */
gboolean lw_resolv_write(pid_t pid, const char *file /* nullable */, const char *text /* nullable */,
                         GError **error);
