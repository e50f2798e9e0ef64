#pragma once

#include "provider/provider.h"

/* See the .c file's head for the kinds it handles and what its undo holds. Returns NULL and error
 * (LW_ERROR_UNSUPPORTED) when this machine lacks what it needs. */
LwProvider *lw_nft_provider_new(const LwProviderContext *context, GError **error);

/* Does nft know the bridge of a port (meta ibrname)? Tried without touching anything. FALSE with error set:
 * it could not be tried. */
gboolean lw_nft_has_bridge_meta(GError **error);
