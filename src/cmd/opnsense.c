#include "cmd/cmd.h"

#include "base/files.h"
#include "policy/policy.h"
#include "providers/opnsense/apikey.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/merge.h"

#include <string.h>

/* The key that the file names, as config.xml holds it; NULL without error: it names none. */
static char *key_entry(const LwLab *lab, const char *path, GError **error) {
  if (!lab->router.api_key_file)
    return NULL;
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *file = g_path_is_absolute(lab->router.api_key_file)
                              ? g_strdup(lab->router.api_key_file)
                              : g_build_filename(folder, lab->router.api_key_file, NULL);
  g_autoptr(LwOpnKey) key = lw_opn_key_read(file, error);
  return key ? lw_opn_key_entry(key, error) : NULL;
}

static char *make_config(const LwLab *lab, const char *path, LwSecretStore *secrets, GPtrArray *notes,
                         GError **error) {
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_autoptr(GError) inner = NULL;
  g_autofree char *key = key_entry(lab, path, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
  }
  if (!key)
    g_ptr_array_add(notes, g_strdup("no “api: key-file:” is given: nobody but the console gets in"));
  LwOpnCredentials credentials = {.api_key = key};
  if (!lw_policy_assign(lab, facts, error))
    return NULL;
  return lw_opn_config(lab, facts, secrets, &credentials, notes, error);
}

static void print_rules(const LwInvocation *invocation, const char *what, const GPtrArray *rules) {
  for (guint i = 0; i < rules->len && !invocation->quiet; i++)
    g_print("%s %s\n", what, (char *)rules->pdata[i]);
}

/* Into the configuration of a router that is there. Takes made; NULL and error. */
static char *merge_into(const LwInvocation *invocation, const char *path, char *made, GError **error) {
  char *existing = lw_file_read(path, 64 * 1024 * 1024, NULL, error);
  g_autoptr(GPtrArray) goes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) stays = g_ptr_array_new_with_free_func(g_free);
  LwOpnMergeNotes notes = {goes, stays};
  char *merged = existing ? lw_opn_merge(existing, made, &notes, error) : NULL;
  lw_secret_clear(existing);
  lw_secret_clear(made);
  if (merged) {
    print_rules(invocation, "goes: ", goes);
    print_rules(invocation, "stays:", stays);
  }
  return merged;
}

int lw_opnsense_main(const LwInvocation *invocation) {
  const char *path = invocation->args->pdata[0] ? invocation->args->pdata[0] : LW_DEFAULT_FILE;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  if (!invocation->output)
    return lw_fail_text(
        "opnsense: say where with -o: the file holds the tunnels' keys, and is written with mode 600");
  g_autoptr(LwLab) lab = lw_load_asserted_spec(invocation, path, 0, secrets);
  if (!lab)
    return LW_EXIT_ERROR;
  char *text = make_config(lab, path, secrets, notes, &error);
  const char *existing = invocation->args->pdata[0] ? invocation->args->pdata[1] : NULL;
  if (text && existing)
    text = merge_into(invocation, existing, text, &error);
  gboolean good = text && lw_file_write_atomic(invocation->output, text, strlen(text), 0600, &error);
  lw_secret_clear(text);
  if (!good)
    return lw_fail(error);
  for (guint i = 0; i < notes->len && !invocation->quiet; i++)
    g_printerr("note: %s\n", (char *)notes->pdata[i]);
  if (!invocation->quiet)
    g_print("wrote %s\n", invocation->output);
  return LW_EXIT_OK;
}
