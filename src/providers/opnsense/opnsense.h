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

/* Takes api; NULL: it reaches none yet. Then it sees nothing and changes nothing. */
LwProvider *lw_opnsense_provider_new(const LwProviderContext *context, LwOpnApi *api);
/* The same, for the table of providers: without an API. */
LwProvider *lw_opnsense_provider_make(const LwProviderContext *context, GError **error);

/* How a router is reached. It goes into each undo, so that another process finds the router by that alone;
 * the key itself does not. */
typedef struct {
  const char *url, *key_file; /* key_file: absolute */
  const char *certificate;    /* nullable */
} LwOpnTarget;

/* From now on the provider's router. */
gboolean lw_opnsense_provider_connect(LwProvider *provider, const LwOpnTarget *target, GError **error);
LwOpnApi *lw_opnsense_provider_api(LwProvider *provider); /* nullable, borrowed */
/* From now on nothing is asked of the router: what lanward owns there is taken for unchanged, and what of it
 * is still to be undone is kept in `later` (a file of mode 0600; NULL: as before), to be undone by
 * lw_opnsense_provider_undo_later(). For the boot, when the router does not run yet. */
void lw_opnsense_provider_postpone(LwProvider *provider, const char *later);
/* TRUE also when nothing was kept. */
gboolean lw_opnsense_provider_undo_later(LwProvider *provider, const char *later, GError **error);
/* Ends the flows of an address or a network ("192.168.10.5"); *ended (nullable) is added to. */
gboolean lw_opnsense_provider_end(LwProvider *provider, const char *network, guint *ended, GError **error);
/* How many flows its changes have ended so far. */
guint lw_opnsense_provider_ended(LwProvider *provider);

/* The items of a config.xml that lanward made (described “lanward…”), and those that `like` (nullable) has.
 * Of an item that `like` has just the fields that it names there: OPNsense adds defaults of its own. Keys
 * (private, preshared) are left out. Transfer full. */
LwResourceSet *lw_opn_items(const char *config, const LwResourceSet *like, GError **error);
/* All of them, whoever made them. Transfer full. */
LwResourceSet *lw_opn_all_items(const char *config, GError **error);
/* A config.xml with changes of its items made in it. The text has its secrets; those of new items it lacks.
 * Transfer full; NULL and error (LW_ERROR_SPEC). */
char *lw_opn_with_changes(const char *config, const GPtrArray *changes /* of LwOpnChange* */, GError **error);
/* Changes of such resources in the API's words, in the order in which they must be made. Of LwOpnChange*,
 * transfer full; NULL and error: a resource that is damaged. */
GPtrArray *lw_opn_item_changes(const GPtrArray *changes /* of LwChange* */, GError **error);
