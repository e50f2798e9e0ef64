/* Ports of bridges that somebody else knocks off are put back.
 *
 * Whoever activates a bridge's profile again (a desktop's "connect", `nmcli connection up`) takes every port
 * off that NetworkManager did not put there: the taps of running machines, a router's leg. Nobody plugs them
 * in again. A keeper remembers who was plugged into the bridges that it is asked about, and does.
 *
 * It keeps off what is meant: a port that is on another bridge, that is down, or that is gone with its
 * machine. What is between two bridges for a moment (a move) is not without one for long: hence the grace.
 */
#pragma once

#include <glib.h>

#define LW_PORT_GRACE_MS 150

typedef struct LwPortKeeper LwPortKeeper;

/* Of the host's namespace. bridges: NULL-terminated names; those that are not there yet count once they are.
 */
LwPortKeeper *lw_port_keeper_new(const char *const *bridges, GError **error);
void lw_port_keeper_free(LwPortKeeper *keeper);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwPortKeeper, lw_port_keeper_free)

/* For a poll: readable when links changed; and how many ms it may wait (-1: for ever). */
int lw_port_keeper_fd(const LwPortKeeper *keeper);
int lw_port_keeper_due(const LwPortKeeper *keeper);
/* To be called then. Adds what it put back to `told` (nullable): of char*, "tap0 on br-mgmt". */
gboolean lw_port_keeper_look(LwPortKeeper *keeper, GPtrArray *told, GError **error);

/* Pulls a veth's end in the host's namespace and plugs it in again, once the other end (peer, in peer_ns) has
 * seen it: whoever is there asks for an address anew. One that is down stays so; one that is not there is
 * LW_ERROR_NOT_FOUND. */
gboolean lw_port_bounce(const char *name, const char *peer_ns, const char *peer, GError **error);
