#include "cmd/cmd.h"

#include "base/error.h"
#include "base/files.h"
#include "base/secret.h"
#include "doctor/join.h"
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

/* --- the machine that the router runs on
 * -------------------------------------------------------------------------------------------------------------
 */

static LwLab *parse_yaml(const LwImport *import, const char *folder, GError **error) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  LwLab *lab = lw_spec_parse(import->yaml, strlen(import->yaml), "lab.yaml", folder, LW_SPEC_TWIN, secrets,
                             diagnostics);
  for (guint i = 0; !lab && i < diagnostics->len; i++)
    if (((LwDiagnostic *)diagnostics->pdata[i])->is_error) {
      g_autofree char *first = lw_diagnostic_format(diagnostics->pdata[i], FALSE);
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "what was found makes no file that is right: %s", first);
      break;
    }
  return lab;
}

/* Elsewhere than where its router runs, a configuration is all that there is. */
static gboolean runs_machines(const LwSeen *seen) {
  return seen->domains->len > 0 || seen->profiles->len > 0;
}

/* What was not to be found out in the configuration alone. */
static void drop_note(const LwImport *import, const char *head) {
  for (guint i = import->notes->len; i > 0; i--)
    if (g_str_has_prefix(import->notes->pdata[i - 1], head))
      g_ptr_array_remove_index(import->notes, i - 1);
}

static gboolean join_host(const LwInvocation *invocation, LwImport *import, GError **error) {
  g_autoptr(LwSeen) seen = lw_seen_look(invocation->root ? invocation->root : "");
  if (!invocation->root && !runs_machines(seen))
    return TRUE;
  g_autofree char *folder = g_path_get_dirname(invocation->output);
  g_autoptr(LwLab) lab = parse_yaml(import, folder, error);
  LwFirstAnswers answers = {.name = invocation->lab_name, .uplink = invocation->uplink};
  LwFirstCards cards = {import->management, import->cards};
  if (!invocation->root)
    lw_import_look_for_containers(seen, import->notes);
  drop_note(import, "host.uplink: ");
  drop_note(import, "machines that have no reservation ");
  if (!lab || !lw_first_join(lab, &cards, seen, &answers, import->notes, error))
    return FALSE;
  g_autofree char *body = lw_spec_print(lab);
  g_free(import->yaml);
  import->yaml =
      g_strdup_printf("# From an OPNsense's config.xml and the machine that it runs on. What they could not "
                      "say is told by lanward import.\n%s",
                      body);
  return TRUE;
}

int lw_import_config(const LwInvocation *invocation) {
  g_autoptr(GError) error = NULL;
  if (!invocation->output)
    return lw_fail_text("import: say where to: lanward import --config ROUTER.xml -o lab.yaml");
  g_autoptr(LwImport) import = read_config(invocation, &error);
  if (!import || !join_host(invocation, import, &error) || !all_free(invocation->output, import, &error) ||
      !write_tunnels(invocation, import, &error) ||
      !lw_file_write_atomic(invocation->output, import->yaml, strlen(import->yaml), 0644, &error))
    return lw_fail(error);
  if (!invocation->quiet)
    g_print("wrote %s\n", invocation->output);
  for (guint i = 0; i < import->notes->len && !invocation->quiet; i++)
    g_printerr("note: %s\n", (char *)import->notes->pdata[i]);
  return LW_EXIT_OK;
}
