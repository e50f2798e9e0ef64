/* The provider of an OPNsense router: items of its configuration (rules, forwards, source NAT, reservations,
 * aliases, gateways, peers), by its API.
 *
 * Pure half: a config.xml as ROUTER_ITEM resources, and back to the API's changes. I/O half: around
 * providers/opnsense/api.h. Everything written is read back by it; a refusal comes with status 200; states of
 * the networks touched are killed at the end. On a version that lanward does not know it only reads.
 * What no API changes (interfaces and their addresses, the web page's and SSH's settings, a new tunnel's
 * keys) is no resource of its: lw_opn_changes() names it.
 */
#pragma once

#include "provider/provider.h"
#include "providers/opnsense/api.h"

/* Takes api. */
LwProvider *lw_opnsense_provider_new(const LwProviderContext *context, LwOpnApi *api);

/* The items of a config.xml that lanward made (described “lanward…”), and those that `like` (nullable) has.
 * Of an item that `like` has just the fields that it names there: OPNsense adds defaults of its own. Keys
 * (private, preshared) are left out. Transfer full. */
LwResourceSet *lw_opn_items(const char *config, const LwResourceSet *like, GError **error);
/* Changes of such resources in the API's words, in the order in which they must be made. Of LwOpnChange*,
 * transfer full; NULL and error: a resource that is damaged. */
GPtrArray *lw_opn_item_changes(const GPtrArray *changes /* of LwChange* */, GError **error);
