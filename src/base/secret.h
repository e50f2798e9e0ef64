/* Secrets by reference.
 *
 * Everything that is passed around, printed, compared, journalled or stored in the state holds an
 * LwSecretRef (a digest); only a provider that is about to hand a secret to a program asks the store
 * for the bytes. The store is content-addressed: files of mode 0600 named by the SHA-256 of what they
 * hold, in a directory of mode 0700; or memory alone (dir NULL) for verbs that only read.
 */
#pragma once

#include <glib.h>

/* "sha256:HEX" of the secret, or NULL for "no secret". */
typedef char LwSecretRef;

typedef struct LwSecretStore LwSecretStore;

LwSecretStore *lw_secret_store_new(const char *dir /* nullable */);
void lw_secret_store_free(LwSecretStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwSecretStore, lw_secret_store_free)

/* Keeps the secret (memory first; in the directory at once if there is one). Returns its reference
 * (transfer full), or NULL and error. */
LwSecretRef *lw_secret_store_put(LwSecretStore *store, const char *secret, GError **error);
/* The secret (transfer full; free with lw_secret_clear), or NULL and error (LW_ERROR_NOT_FOUND). */
char *lw_secret_store_get(LwSecretStore *store, const LwSecretRef *ref, GError **error);
/* Copies every secret of a memory-only store into another store. */
gboolean lw_secret_store_copy(LwSecretStore *from, LwSecretStore *to, GError **error);
/* Forgets, in the directory, every secret that is not among refs (a set of LwSecretRef); memory keeps its
 * own. */
gboolean lw_secret_store_retain(LwSecretStore *store, GHashTable *refs, GError **error);
/* Overwrites and frees. secret nullable. */
void lw_secret_clear(char *secret);

/* Reads a whole file that holds a secret: refuses (LW_ERROR_SPEC) one that group or others may read or
 * write, that is not a regular file, or that is larger than max bytes. strict FALSE: only size and type. */
char *lw_secret_file_read(const char *path, gsize max, gboolean strict, gsize *length, GError **error);
