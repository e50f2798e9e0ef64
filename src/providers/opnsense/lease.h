/* What an interface of a running OPNsense has: the address that a config.xml does not know when it is leased.
 * Source: OPNsense's controller Interfaces/Api/OverviewController (interfacesInfoAction). */
#pragma once

#include "base/addr.h"
#include "providers/opnsense/api.h"

typedef struct {
  LwPrefix address; /* unset: it has none now */
  LwAddr gateway;   /* unset: not told */
} LwOpnLease;

/* Of the answer's rows the one of the interface: key is its element's name in config.xml ("wan"). Pure.
 * FALSE: no such row, or nothing in it that is an IPv4 address. */
gboolean lw_opn_lease_of(JsonNode *answer, const char *key, LwOpnLease *out);
/* What the interface has that this config.xml gives its address by lease (the first: WAN). TRUE and unset:
 * none does. FALSE and error: not reached, or it has no address now. */
gboolean lw_opn_api_lease(LwOpnApi *api, const char *config, LwOpnLease *out, GError **error);
