/* The emulated world's listeners (twin only): one process for each SERVER resource, in its namespace. */
#pragma once

#include "provider/provider.h"

LwProvider *lw_server_provider_new(const LwProviderContext *context, GError **error);
