/* init and import: a first file for this machine. */
#include "cmd/cmd.h"

#include "base/error.h"
#include "base/files.h"
#include "doctor/first.h"
#include "providers/container/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef LwLab *(*Maker)(const LwSeen *seen, const LwFirstAnswers *answers, GPtrArray *notes, GError **error);

/* What is typed, or the proposal on an empty line. Transfer full. */
static char *ask(const char *question, const char *proposal) {
  char line[256];
  g_print("%s [%s]: ", question, proposal);
  fflush(stdout);
  if (!fgets(line, sizeof line, stdin))
    return g_strdup(proposal);
  g_strstrip(line);
  return g_strdup(*line ? line : proposal);
}

static gboolean asks(const LwInvocation *invocation) {
  return !invocation->yes && !invocation->quiet && !invocation->json && isatty(STDIN_FILENO) &&
         isatty(STDOUT_FILENO);
}

static gboolean read_subnet(const char *text, LwPrefix *out, GError **error) {
  if (!text || (lw_prefix_parse(text, out) && out->addr.family == 4 && out->len >= 8 && out->len <= 29 &&
                lw_prefix_is_network(out)))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "“%s” is no subnet: 192.168.10.0/24, say", text);
  return FALSE;
}

/* Only those that a segment can have: one with a network of its own would be refused. */
void lw_import_look_for_containers(LwSeen *seen, GPtrArray *notes) {
  for (const char *const *each = lw_container_sockets; *each; each++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names =
        g_file_test(*each, G_FILE_TEST_EXISTS) ? lw_container_names(*each, &error) : NULL;
    if (error)
      g_ptr_array_add(notes, g_strdup(error->message));
    for (guint i = 0; names && i < names->len; i++) {
      g_autoptr(GError) unseen = NULL;
      g_autoptr(LwContainerInfo) info = lw_container_inspect(*each, names->pdata[i], &unseen);
      g_autofree char *trouble = info ? lw_container_trouble(info) : NULL;
      if (unseen && !g_error_matches(unseen, LW_ERROR, LW_ERROR_NOT_FOUND)) /* that has just gone */
        g_ptr_array_add(
            notes, g_strdup_printf("left out: container %s: %s", (char *)names->pdata[i], unseen->message));
      if (trouble)
        g_ptr_array_add(notes, g_strdup_printf("left out: %s", trouble));
      else if (info)
        g_ptr_array_add(seen->containers, g_strdup(info->name));
    }
  }
}

/* Notes first: they are what its owner has to look at. */
static char *file_text(const LwInvocation *invocation, const LwLab *lab, const GPtrArray *notes) {
  g_autofree char *body = lw_spec_print(lab);
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_append_printf(text,
                         "# Written by lanward %s. Every key is explained in docs/spec.md; `lanward check` "
                         "says whether it is right,\n# `lanward plan` what it would change.\n",
                         invocation->verb);
  for (guint i = 0; i < notes->len; i++)
    g_string_append_printf(text, "# - %s\n", (char *)notes->pdata[i]);
  g_string_append_printf(text, "\n%s", body);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* What we write ourselves has to be right. */
static gboolean check_text(const char *text, GError **error) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab =
      lw_spec_parse(text, strlen(text), "lab.yaml", "/etc/lanward", LW_SPEC_TWIN, secrets, diagnostics);
  if (lab)
    return TRUE;
  for (guint i = 0; i < diagnostics->len; i++)
    if (((LwDiagnostic *)diagnostics->pdata[i])->is_error) {
      g_autofree char *first = lw_diagnostic_format(diagnostics->pdata[i], FALSE);
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "what was found makes no file that is right: %s", first);
      return FALSE;
    }
  return FALSE;
}

static gboolean write_file(const char *path, const char *text, GError **error) {
  g_autofree char *folder = g_path_get_dirname(path);
  if (g_file_test(path, G_FILE_TEST_EXISTS)) {
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "%s is there already: -o OTHER writes beside it", path);
    return FALSE;
  }
  if (g_mkdir_with_parents(folder, 0755) != 0) {
    lw_error_set_errno(error, "cannot make %s", folder);
    return FALSE;
  }
  return lw_file_write_atomic(path, text, strlen(text), 0644, error);
}

static void print_written(const LwInvocation *invocation, const char *path, const LwLab *lab,
                          const GPtrArray *notes) {
  if (invocation->json) {
    JsonObject *root = json_object_new();
    JsonArray *list = json_array_new();
    for (guint i = 0; i < notes->len; i++)
      json_array_add_string_element(list, notes->pdata[i]);
    json_object_set_string_member(root, "lab", lab->name);
    json_object_set_string_member(root, "file", path);
    json_object_set_int_member(root, "segments", lab->segments->len);
    json_object_set_int_member(root, "machines", lab->machines->len);
    json_object_set_array_member(root, "notes", list);
    lw_print_json(root);
    return;
  }
  for (guint i = 0; i < notes->len; i++)
    g_printerr("lanward: %s\n", (char *)notes->pdata[i]);
  if (!invocation->quiet)
    g_print("%s: %u segment%s, %u machine%s. Next: lanward plan %s\n", path, lab->segments->len,
            lab->segments->len == 1 ? "" : "s", lab->machines->len, lab->machines->len == 1 ? "" : "s", path);
}

static int make(const LwInvocation *invocation, LwSeen *seen, Maker maker, const LwFirstAnswers *answers,
                GPtrArray *notes) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwLab) lab = maker(seen, answers, notes, &error);
  if (!lab)
    return lw_fail(error);
  g_autofree char *text = file_text(invocation, lab, notes);
  if (!check_text(text, &error))
    return lw_fail(error);
  const char *path = invocation->output ? invocation->output : LW_DEFAULT_FILE;
  if (g_str_equal(path, "-")) {
    g_print("%s", text);
    return LW_EXIT_OK;
  }
  if (!write_file(path, text, &error))
    return lw_fail(error);
  print_written(invocation, path, lab, notes);
  return LW_EXIT_OK;
}

int lw_init_main(const LwInvocation *invocation) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwSeen) seen = lw_seen_look(invocation->root ? invocation->root : "");
  LwFirstAnswers answers = {.name = invocation->lab_name, .uplink = invocation->uplink};
  g_autofree char *uplink = NULL, *name = NULL;
  if (!read_subnet(invocation->subnet, &answers.subnet, &error))
    return lw_fail(error);
  if (asks(invocation) && !answers.uplink && lw_seen_uplink(seen))
    answers.uplink = uplink = ask("The NIC towards the home router", lw_seen_uplink(seen));
  if (asks(invocation) && !answers.name)
    answers.name = name = ask("The lab's name", "homelab");
  return make(invocation, seen, lw_first_lab, &answers, notes);
}

int lw_import_main(const LwInvocation *invocation) {
  if (invocation->config)
    return lw_import_config(invocation);
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwSeen) seen = lw_seen_look(invocation->root ? invocation->root : "");
  LwFirstAnswers answers = {.name = invocation->lab_name, .uplink = invocation->uplink};
  if (!invocation->root)
    lw_import_look_for_containers(seen, notes);
  return make(invocation, seen, lw_imported_lab, &answers, notes);
}
