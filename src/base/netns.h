/* Network namespaces by name: /run/netns/NAME, as ip-netns(8) has them. NULL or "" is the one we are in. */
#pragma once

#include <glib.h>

#define LW_NETNS_FOLDER "/run/netns"

/* Makes it (bind mount on a file in LW_NETNS_FOLDER), lo up. Existing: LW_ERROR_CONFLICT. */
gboolean lw_netns_create(const char *name, GError **error);
/* Keeps the namespace that `path` is (/proc/PID/ns/net) under a name, too. Existing: LW_ERROR_CONFLICT. */
gboolean lw_netns_keep(const char *name, const char *path, GError **error);
gboolean lw_netns_delete(const char *name, GError **error); /* missing is success */
gboolean lw_netns_exists(const char *name);
/* A descriptor (close-on-exec) or -1 and error. name NULL or "": /proc/thread-self/ns/net. */
int lw_netns_open(const char *name, GError **error);

/* Enters the namespace for the calling thread and returns a descriptor of the one left, to be given to
 * lw_netns_leave(); -1 and error when it cannot. Only for creating sockets and reading /proc/sys/net. */
int lw_netns_enter(const char *name, GError **error);
void lw_netns_leave(int previous);
