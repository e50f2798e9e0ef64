#include "base/secret.h"

#include "base/error.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct LwSecretStore {
  char *dir;          /* nullable: memory alone */
  GHashTable *memory; /* ref -> secret */
};

void lw_secret_clear(char *secret) {
  if (!secret)
    return;
  explicit_bzero(secret, strlen(secret));
  g_free(secret);
}

LwSecretStore *lw_secret_store_new(const char *dir) {
  LwSecretStore *store = g_new0(LwSecretStore, 1);
  store->dir = g_strdup(dir);
  store->memory = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lw_secret_clear);
  return store;
}

void lw_secret_store_free(LwSecretStore *store) {
  if (!store)
    return;
  g_hash_table_unref(store->memory);
  g_free(store->dir);
  g_free(store);
}

static char *store_path(LwSecretStore *store, const LwSecretRef *ref) {
  const char *colon = strchr(ref, ':');
  return g_build_filename(store->dir, colon ? colon + 1 : ref, NULL);
}

LwSecretRef *lw_secret_store_put(LwSecretStore *store, const char *secret, GError **error) {
  g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, secret, -1);
  g_autofree char *ref = g_strconcat("sha256:", hex, NULL);
  if (store->dir) {
    if (g_mkdir_with_parents(store->dir, 0700) != 0) {
      lw_error_set_errno(error, "cannot make the secret store %s", store->dir);
      return NULL;
    }
    g_autofree char *path = store_path(store, ref);
    if (!g_file_test(path, G_FILE_TEST_EXISTS) &&
        !lw_file_write_atomic(path, secret, strlen(secret), 0600, error))
      return NULL;
  }
  g_hash_table_replace(store->memory, g_strdup(ref), g_strdup(secret));
  return g_steal_pointer(&ref);
}

char *lw_secret_store_get(LwSecretStore *store, const LwSecretRef *ref, GError **error) {
  const char *kept = g_hash_table_lookup(store->memory, ref);
  if (kept)
    return g_strdup(kept);
  if (!store->dir) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "secret %.19s… is not in the store", ref);
    return NULL;
  }
  g_autofree char *path = store_path(store, ref);
  return lw_secret_file_read(path, 65536, TRUE, NULL, error);
}

gboolean lw_secret_store_copy(LwSecretStore *from, LwSecretStore *to, GError **error) {
  GHashTableIter iter;
  gpointer secret;
  g_hash_table_iter_init(&iter, from->memory);
  while (g_hash_table_iter_next(&iter, NULL, &secret)) {
    g_autofree LwSecretRef *ref = lw_secret_store_put(to, secret, error);
    if (!ref)
      return FALSE;
  }
  return TRUE;
}

gboolean lw_secret_store_retain(LwSecretStore *store, GHashTable *refs, GError **error) {
  g_autoptr(GDir) dir = store->dir ? g_dir_open(store->dir, 0, NULL) : NULL; /* none yet: nothing to forget */
  const char *file;
  while (dir && (file = g_dir_read_name(dir))) {
    g_autofree char *ref = g_strconcat("sha256:", file, NULL);
    g_autofree char *path = g_build_filename(store->dir, file, NULL);
    if (g_hash_table_contains(refs, ref) || unlink(path) == 0 || errno == ENOENT)
      continue;
    lw_error_set_errno(error, "cannot remove %s", path);
    return FALSE;
  }
  return TRUE;
}

char *lw_secret_file_read(const char *path, gsize max, gboolean strict, gsize *length, GError **error) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    lw_error_set_errno(error, "cannot read %s", path);
    return NULL;
  }
  struct stat st;
  char *text = NULL;
  if (fstat(fd, &st) != 0) {
    lw_error_set_errno(error, "cannot read %s", path);
  } else if (!S_ISREG(st.st_mode)) {
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s is not a regular file", path);
  } else if ((gsize)st.st_size > max) {
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s is larger than %" G_GSIZE_FORMAT " bytes", path, max);
  } else if (strict && (st.st_mode & 077)) {
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC,
                "%s holds a secret but its mode is %04o: others can read it; run: chmod 600 %s", path,
                st.st_mode & 07777, path);
  } else {
    gsize size = (gsize)st.st_size;
    text = g_malloc(size + 1);
    gsize got = 0;
    while (got < size) {
      ssize_t n = read(fd, text + got, size - got);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      got += (gsize)n;
    }
    text[got] = '\0';
    if (length)
      *length = got;
  }
  close(fd);
  return text;
}
