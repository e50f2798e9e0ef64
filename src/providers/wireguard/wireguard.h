/* Kind TUNNEL: in the kernel where it has WireGuard, by wireguard-go where not. Its undo is the generic one.
 */
#pragma once

#include "provider/provider.h"

/* Returns NULL and error (LW_ERROR_UNSUPPORTED) when this machine has neither. */
LwProvider *lw_wireguard_provider_new(const LwProviderContext *context, GError **error);

/* Whether a tunnel's peer has answered a handshake since the tunnel was made; FALSE as well where there is no
 * such tunnel. */
gboolean lw_wireguard_handshake(const char *ns, const char *name);
/* When that was, in seconds since the epoch; 0: never; -1: there is no such tunnel, or it has no peer. */
gint64 lw_wireguard_last_handshake(const char *ns, const char *name);
