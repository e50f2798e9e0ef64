/* The twin: the whole lab and the world around it inside user, mount, pid, uts, ipc and network namespaces
 * of one unprivileged user. Its network namespace plays the host; everything else is named under /run/netns
 * of its own mount namespace.
 *
 * A twin is a process, the holder (pid 1 of its pid namespace). It keeps a listening abstract Unix socket
 * "lanward/twin/UID/NAME" in the network namespace it was started from: that is how later commands find it
 * (SO_PEERCRED gives its pid, and its uid must be ours), and why nothing is left when it dies. All files of a
 * twin live in tmpfs of its mount namespace: /run/lanward is its run folder and state.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* What this machine can do, found by trying (user namespaces, nft, TUN, WireGuard, overlay, programs). */
typedef struct {
  char *what; /* "user namespaces" */
  gboolean ok;
  gboolean needed; /* else only slower or less faithful without it */
  char *detail;    /* what was found: "kernel has no WireGuard: wireguard-go 0.0.2022" */
  char *remedy;    /* nullable; a command or a setting */
} LwCapability;

void lw_capability_free(LwCapability *capability);
GPtrArray *lw_twin_probe(void); /* of LwCapability* */

typedef struct {
  char *name;
  pid_t holder;
} LwTwinInfo;

void lw_twin_info_free(LwTwinInfo *info);

GPtrArray *lw_twin_list(void); /* of LwTwinInfo*, ours alone, by name */
/* The holder's pid, 0 when no such twin runs, -1 and error on trouble (a socket of somebody else's). */
pid_t lw_twin_find(const char *name, GError **error);
/* Starts a holder (no-op when it runs). name: [a-z0-9-]{1,32}. Returns its pid or -1 and error. */
pid_t lw_twin_start(const char *name, GError **error);
/* Kills the holder and waits until the kernel has taken everything down. Not running is success, *was_running
 * (nullable) tells. */
gboolean lw_twin_stop(const char *name, gboolean *was_running, GError **error);

/* Runs body in a child inside the twin's namespaces (pid namespace included), with our stdin, stdout and
 * stderr; returns its exit status (128+signal), -1 and error when it could not be entered. */
int lw_twin_run(const char *name, int (*body)(gpointer data), gpointer data, GError **error);

/* Called by the holder (in a forked child) when a daemon of the twin has died: see lw_twin_start. */
typedef int (*LwTwinRepair)(gpointer data);
void lw_twin_set_repair(LwTwinRepair repair, gpointer data);
