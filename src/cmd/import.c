#include "cmd/cmd.h"

#include "base/error.h"
#include "base/files.h"
#include "base/secret.h"
#include "import/import.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define CONFIG_MAX (64 * 1024 * 1024)

/* Nothing that is there is written over: what is in it may be all that is left of a key. */
static gboolean is_free(const char *path, GError **error) {
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "%s is there already: name another file, or move it away",
              path);
  return FALSE;
}

static char *tunnel_path(const char *output, const LwImportedTunnel *tunnel) {
  g_autofree char *folder = g_path_get_dirname(output);
  g_autofree char *file = g_strdup_printf("%s.conf", tunnel->name);
  return g_build_filename(folder, "wireguard", file, NULL);
}

static gboolean all_free(const char *output, const LwImport *import, GError **error) {
  if (!is_free(output, error))
    return FALSE;
  for (guint i = 0; i < import->tunnels->len; i++) {
    g_autofree char *path = tunnel_path(output, import->tunnels->pdata[i]);
    if (!is_free(path, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean write_tunnels(const LwInvocation *invocation, const LwImport *import, GError **error) {
  for (guint i = 0; i < import->tunnels->len; i++) {
    const LwImportedTunnel *tunnel = import->tunnels->pdata[i];
    g_autofree char *path = tunnel_path(invocation->output, tunnel);
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_mkdir_with_parents(folder, 0700) != 0) {
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s: %s", folder, g_strerror(errno));
      return FALSE;
    }
    if (!lw_file_write_atomic(path, tunnel->text, strlen(tunnel->text), 0600, error))
      return FALSE;
    if (!invocation->quiet)
      g_print("wrote %s (mode 600)\n", path);
  }
  return TRUE;
}

static LwImport *read_config(const LwInvocation *invocation, GError **error) {
  char *text = lw_file_read(invocation->config, CONFIG_MAX, NULL, error);
  LwImport *import = text ? lw_opnsense_import(text, error) : NULL;
  lw_secret_clear(text);
  if (!import)
    g_prefix_error(error, "%s: ", invocation->config);
  return import;
}

int lw_import_config(const LwInvocation *invocation) {
  g_autoptr(GError) error = NULL;
  if (!invocation->output)
    return lw_fail_text("import: say where to: lanward import --config ROUTER.xml -o lab.yaml");
  g_autoptr(LwImport) import = read_config(invocation, &error);
  if (!import || !all_free(invocation->output, import, &error) ||
      !write_tunnels(invocation, import, &error) ||
      !lw_file_write_atomic(invocation->output, import->yaml, strlen(import->yaml), 0644, &error))
    return lw_fail(error);
  if (!invocation->quiet)
    g_print("wrote %s\n", invocation->output);
  for (guint i = 0; i < import->notes->len && !invocation->quiet; i++)
    g_printerr("note: %s\n", (char *)import->notes->pdata[i]);
  return LW_EXIT_OK;
}
