/* Kind TUNNEL: in the kernel where it has WireGuard, by wireguard-go where not. Its undo is the generic one.
 */
#pragma once

#include "provider/provider.h"

/* Returns NULL and error (LW_ERROR_UNSUPPORTED) when this machine has neither. */
LwProvider *lw_wireguard_provider_new(const LwProviderContext *context, GError **error);
