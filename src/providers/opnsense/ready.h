/* Whether a router that has booted does its work: its API answers, its DHCP server runs, its tunnels are up.
 * Asked again and again until it is so, or time is over. A tunnel is up when its interface is: a provider
 * that does not answer is no fault of the router's. */
#pragma once

#include "providers/opnsense/api.h"

/* tunnels: how many. cancelled: nullable. Error (LW_ERROR_FAILED): what is missing, and what was said of it
 * last. */
gboolean lw_opn_wait_ready(LwOpnApi *api, guint tunnels, guint seconds, gboolean (*cancelled)(void),
                           GError **error);
