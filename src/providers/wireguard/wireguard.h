/* Kind TUNNEL: in the kernel where it has WireGuard, by wireguard-go where not. Its undo is the generic one.
 */
#pragma once

#include "provider/provider.h"

/* Returns NULL and error (LW_ERROR_UNSUPPORTED) when this machine has neither. */
LwProvider *lw_wireguard_provider_new(const LwProviderContext *context, GError **error);

/* Whether a tunnel's peer has answered a handshake since the tunnel was made; FALSE as well where there is no
 * such tunnel. */
gboolean lw_wireguard_handshake(const char *ns, const char *name);
