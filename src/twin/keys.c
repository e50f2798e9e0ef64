#include "twin/world.h"

#include <sodium.h>
#include <string.h>

void lw_twin_key_pair(const guint8 seed[32], const char *label, char **private_key, char **public_key) {
  guint8 secret[crypto_scalarmult_SCALARBYTES], point[crypto_scalarmult_BYTES];
  if (sodium_init() < 0)
    g_error(
        "libsodium cannot be initialised"); /* documented to happen only without any source of randomness */
  crypto_generichash(secret, sizeof secret, (const guint8 *)label, strlen(label), seed, 32);
  /* as wg genkey writes it */
  secret[0] &= 248;
  secret[31] = (guint8)((secret[31] & 127) | 64);
  crypto_scalarmult_base(point, secret);
  *private_key = g_base64_encode(secret, sizeof secret);
  *public_key = g_base64_encode(point, sizeof point);
  sodium_memzero(secret, sizeof secret);
}
