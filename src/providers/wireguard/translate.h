/* TUNNEL resources <-> the texts of wg(8). Pure, but for the secret store. */
#pragma once

#include "resource/resource.h"

/* The configuration for `wg syncconf`. Holds the keys: free it with lw_secret_clear(). */
char *lw_wg_config(const LwResource *tunnel, LwSecretStore *secrets, GError **error);

/* Reads `wg show NAME dump` into private_key, listen_port, mark and peers of `tunnel`; keys go to `secrets`.
 * FALSE: the text is no such dump, and the tunnel is as before. No key is ever in an error. */
gboolean lw_wg_parse_dump(const char *dump, LwSecretStore *secrets, LwResource *tunnel, GError **error);

/* Is `dumped` what a device shows of the key `given`? A device clamps its private key (RFC 7748). */
gboolean lw_wg_same_private_key(const char *given, const char *dumped);
