#include "cmd/cmd.h"

#include "base/files.h"
#include "policy/asserts.h"
#include "policy/policy.h"

static void print_diagnostics(const LwInvocation *invocation, const GPtrArray *diagnostics) {
  gboolean colour = invocation->colour;
  for (guint i = 0; i < diagnostics->len; i++) {
    g_autofree char *text = lw_diagnostic_format(diagnostics->pdata[i], colour);
    g_printerr("%s", text);
  }
}

static void print_diagnostics_json(const GPtrArray *diagnostics, gboolean ok) {
  JsonArray *array = json_array_new();
  for (guint i = 0; i < diagnostics->len; i++) {
    const LwDiagnostic *d = diagnostics->pdata[i];
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "severity", d->is_error ? "error" : "warning");
    json_object_set_string_member(object, "file", d->origin.file ? d->origin.file : "");
    json_object_set_int_member(object, "line", d->origin.line);
    json_object_set_int_member(object, "column", d->origin.column);
    json_object_set_string_member(object, "message", d->message);
    if (d->suggestion)
      json_object_set_string_member(object, "suggestion", d->suggestion);
    json_array_add_object_element(array, object);
  }
  JsonObject *root = json_object_new();
  json_object_set_boolean_member(root, "ok", ok);
  json_object_set_array_member(root, "diagnostics", array);
  lw_print_json(root);
}

#define FILE_MAX (1024 * 1024)

/* For the caret; a file that cannot be read again has none. */
static char *line_of(const LwOrigin *origin) {
  g_autofree char *text = origin->file ? lw_file_read(origin->file, FILE_MAX, NULL, NULL) : NULL;
  if (!text || origin->line == 0 || !g_utf8_validate(text, -1, NULL))
    return NULL;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  return origin->line <= g_strv_length(lines) ? g_strchomp(g_strdup(lines[origin->line - 1])) : NULL;
}

static void add_error(GPtrArray *diagnostics, const LwOrigin *origin, char *message) {
  LwDiagnostic *made = g_new0(LwDiagnostic, 1);
  made->is_error = TRUE;
  made->origin = *origin;
  made->message = message;
  made->line_text = line_of(origin);
  g_ptr_array_add(diagnostics, made);
}

/* Decided on the file alone: machines where it puts them, the home LAN not known. FALSE when one does not
 * hold. */
static gboolean check_asserts(const LwLab *lab, GPtrArray *diagnostics) {
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_autoptr(GError) error = NULL;
  if (lab->asserts->len == 0)
    return TRUE;
  if (!lw_policy_assign(lab, facts, &error)) {
    add_error(diagnostics, &(LwOrigin){0}, g_strdup(error->message));
    return FALSE;
  }
  g_autoptr(GPtrArray) broken = lw_policy_broken_asserts(lab, facts);
  for (guint i = 0; i < broken->len; i++) {
    const LwBrokenAssert *each = broken->pdata[i];
    add_error(diagnostics, &each->assert->origin, lw_broken_assert_message(lab, facts, each));
  }
  return broken->len == 0;
}

gboolean lw_report_lab(const LwInvocation *invocation, const LwLab *lab, const GPtrArray *diagnostics) {
  if (invocation->json && !lab)
    print_diagnostics_json(diagnostics, FALSE);
  else if (!lab || !invocation->quiet)
    print_diagnostics(invocation, diagnostics);
  return lab != NULL;
}

static LwLab *load(const LwInvocation *invocation, const char *path, LwSpecFlags flags,
                   LwSecretStore *secrets, gboolean asserted) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwLab) lab = lw_spec_load(path, flags, secrets, diagnostics);
  gboolean ok = lab && (!asserted || check_asserts(lab, diagnostics));
  return lw_report_lab(invocation, ok ? lab : NULL, diagnostics) ? g_steal_pointer(&lab) : NULL;
}

LwLab *lw_load_spec(const LwInvocation *invocation, const char *path, LwSpecFlags flags,
                    LwSecretStore *secrets) {
  return load(invocation, path, flags, secrets, FALSE);
}

LwLab *lw_load_asserted_spec(const LwInvocation *invocation, const char *path, LwSpecFlags flags,
                             LwSecretStore *secrets) {
  return load(invocation, path, flags, secrets, TRUE);
}

int lw_check_main(const LwInvocation *invocation) {
  const char *path = invocation->args->pdata[0] ? invocation->args->pdata[0] : LW_DEFAULT_FILE;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  /* the twin makes WireGuard files of its own where they are missing: a host cannot */
  LwSpecFlags flags = lw_target_spec_flags();
  g_autoptr(LwLab) lab = lw_spec_load(path, flags, secrets, diagnostics);
  gboolean ok = lab && check_asserts(lab, diagnostics);
  if (invocation->json) {
    print_diagnostics_json(diagnostics, ok);
    return ok ? LW_EXIT_OK : LW_EXIT_ERROR;
  }
  print_diagnostics(invocation, diagnostics);
  if (!ok)
    return LW_EXIT_ERROR;
  g_autoptr(GPtrArray) notes = lw_policy_notes(lab);
  for (guint i = 0; i < notes->len && !invocation->quiet; i++)
    g_print("note: %s\n", (char *)notes->pdata[i]);
  if (!invocation->quiet)
    g_print("%s: right: %u segments, %u tunnels, %u machines\n", path, lab->segments->len, lab->tunnels->len,
            lab->machines->len);
  return LW_EXIT_OK;
}
