#include "providers/opnsense/apikey.h"

#include "base/error.h"
#include "base/secret.h"

#include <crypt.h>
#include <string.h>

static char *value_of(char **lines, const char *name) {
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) parts = g_strsplit(*line, "=", 2);
    if (g_strv_length(parts) == 2 && g_str_equal(g_strstrip(parts[0]), name) && *g_strstrip(parts[1]))
      return g_strdup(parts[1]);
  }
  return NULL;
}

static void wipe(char *text) {
  if (text)
    explicit_bzero(text, strlen(text));
}

static void wipe_lines(char **lines) {
  for (char **line = lines; *line; line++)
    wipe(*line);
}

LwOpnKey *lw_opn_key_read(const char *path, GError **error) {
  char *text = lw_secret_file_read(path, 4096, TRUE, NULL, error);
  if (!text)
    return NULL;
  g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
  lw_secret_clear(text);
  g_autoptr(LwOpnKey) made = g_new0(LwOpnKey, 1);
  made->key = value_of(lines, "key");
  made->secret = value_of(lines, "secret");
  wipe_lines(lines);
  if (made->key && made->secret && !strpbrk(made->key, "|:\n"))
    return g_steal_pointer(&made);
  g_set_error(error, LW_ERROR, LW_ERROR_SPEC,
              "%s: no API key: it holds a line “key=…” and one “secret=…”, as OPNsense's download does",
              path);
  return NULL;
}

void lw_opn_key_free(LwOpnKey *key) {
  if (!key)
    return;
  g_free(key->key);
  wipe(key->secret);
  g_free(key->secret);
  g_free(key);
}

char *lw_opn_key_entry(const LwOpnKey *key, GError **error) {
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key->key, -1);
  g_autofree char *setting = g_strdup_printf("$6$%.16s$", digest);
  g_autofree struct crypt_data *data = g_new0(struct crypt_data, 1);
  const char *hash = crypt_r(key->secret, setting, data);
  char *entry = hash && hash[0] == '$' ? g_strdup_printf("%s|%s", key->key, hash) : NULL;
  explicit_bzero(data, sizeof *data);
  if (!entry)
    g_set_error_literal(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "this system's libcrypt has no SHA-512 ($6$)");
  return entry;
}
