#include "cmd/cmd.h"

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

LwLab *lw_load_spec(const LwInvocation *invocation, const char *path, LwSpecFlags flags, LwSecretStore *secrets) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  LwLab *lab = lw_spec_load(path, flags, secrets, diagnostics);
  if (invocation->json && !lab)
    print_diagnostics_json(diagnostics, FALSE);
  else if (!lab || !invocation->quiet)
    print_diagnostics(invocation, diagnostics);
  return lab;
}

int lw_check_main(const LwInvocation *invocation) {
  const char *path = invocation->args->pdata[0] ? invocation->args->pdata[0] : LW_DEFAULT_FILE;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  /* without a host to apply it to, a file is checked as the twin would take it */
  g_autoptr(LwLab) lab = lw_spec_load(path, LW_SPEC_TWIN, secrets, diagnostics);
  if (invocation->json) {
    print_diagnostics_json(diagnostics, lab != NULL);
    return lab ? LW_EXIT_OK : LW_EXIT_ERROR;
  }
  print_diagnostics(invocation, diagnostics);
  if (!lab)
    return LW_EXIT_ERROR;
  g_autoptr(GPtrArray) notes = lw_policy_notes(lab);
  for (guint i = 0; i < notes->len && !invocation->quiet; i++)
    g_print("note: %s\n", (char *)notes->pdata[i]);
  if (!invocation->quiet)
    g_print("%s: right: %u segments, %u tunnels, %u machines\n", path, lab->segments->len, lab->tunnels->len,
            lab->machines->len);
  return LW_EXIT_OK;
}
