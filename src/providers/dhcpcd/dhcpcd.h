#pragma once

#include "provider/provider.h"

/* See the .c file's head for the kinds it handles and what its undo holds. Returns NULL and error
 * (LW_ERROR_UNSUPPORTED) when this machine lacks what it needs. */
LwProvider *lw_dhcpcd_provider_new(const LwProviderContext *context, GError **error);
