/* Pure: a TUNNEL resource <-> what wg(8) reads and prints. */
#pragma once

#include "base/secret.h"
#include "resource/resource.h"

/* For `wg syncconf`; holds the keys: free with lw_secret_clear. NULL and error when a secret is not in the
 * store. */
char *lw_wireguard_config(const LwResource *tunnel, LwSecretStore *secrets, GError **error);

/* Reads `wg show all dump`: adds a TUNNEL resource for each interface (ns empty, keyed by name), with keys
 * turned into references. Lines that make no sense are an error: nothing is added then. */
gboolean lw_wireguard_parse_dump(const char *dump, GHashTable *tunnels /* name -> LwResource*, owning */,
                                 GError **error);

/* What cannot be compared as it stands: the kernel's choice of port where none was asked for, the endpoint of
 * a peer that calls us, the order of allowed prefixes. seen takes it over from wanted. */
void lw_wireguard_normalise(LwResource *seen, const LwResource *wanted);
