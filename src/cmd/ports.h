/* The ports of the host's two bridges, looked after by `watch` (providers/kernel/ports.h says of what). */
#pragma once

#include "model/model.h"

typedef struct LwPortWatch LwPortWatch;

/* In the default main context. quiet: tells nothing of what it put back. */
LwPortWatch *lw_port_watch_new(gboolean quiet);
void lw_port_watch_free(LwPortWatch *watch);
/* The bridges that count from now on: those of this lab; NULL: none. */
gboolean lw_port_watch_set(LwPortWatch *watch, const LwLab *lab /* nullable */, GError **error);
