/* The file with an API key, as OPNsense hands it out: lines "key=…" and "secret=…". */
#pragma once

#include <glib.h>

typedef struct {
  char *key, *secret;
} LwOpnKey;

/* Refuses (LW_ERROR_SPEC) a file that others may read, and one that holds something else; no message quotes
 * it. */
LwOpnKey *lw_opn_key_read(const char *path, GError **error);
void lw_opn_key_free(LwOpnKey *key); /* overwrites */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwOpnKey, lw_opn_key_free)
/* "KEY|HASH" as config.xml holds it (transfer full; NULL and error when this libcrypt lacks SHA-512). The
 * salt is derived from the key, so that the same file gives the same text. */
char *lw_opn_key_entry(const LwOpnKey *key, GError **error);
