#include "cmd/cmd.h"

#include "doctor/findings.h"
#include "providers/nft/foreign.h"
#include "providers/nft/tables.h"

#include <unistd.h>

static void print_finding(const LwInvocation *invocation, const LwFinding *finding) {
  g_print("%s✗ %s%s\n  %s\n  do:   %s\n  seen: %s\n", invocation->colour ? "\033[31m" : "", finding->what,
          invocation->colour ? "\033[0m" : "", finding->harm, finding->remedy, finding->place);
}

static JsonArray *findings_json(const GPtrArray *findings) {
  JsonArray *array = json_array_new();
  for (guint i = 0; i < findings->len; i++) {
    const LwFinding *finding = findings->pdata[i];
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "id", finding->id);
    json_object_set_string_member(object, "what", finding->what);
    json_object_set_string_member(object, "harm", finding->harm);
    json_object_set_string_member(object, "remedy", finding->remedy);
    json_object_set_string_member(object, "place", finding->place);
    json_array_add_object_element(array, object);
  }
  return array;
}

/* What others' firewalls do to bridged frames; only root may ask. */
static void look_at_firewalls(const LwInvocation *invocation, LwSeen *seen) {
  if (invocation->root)
    return;
  if (geteuid() != 0) {
    if (!invocation->quiet)
      g_printerr(
          "note: the tables of the host's firewall are root's to read: sudo lanward doctor sees more\n");
    return;
  }
  g_autofree char *trap = lw_nft_bridge_trap();
  if (trap)
    seen->bridge_nf = seen->forward_drop = TRUE;
  g_autoptr(GPtrArray) tables = lw_nft_tables(NULL, NULL); /* NULL: then it is not known to be there */
  seen->guarded = tables && lw_nft_find_table(tables, LW_FAMILY_INET, "lanward_guard");
}

int lw_doctor_main(const LwInvocation *invocation) {
  const char *path = invocation->args->pdata[0] ? invocation->args->pdata[0] : invocation->file;
  if (!path && g_file_test(LW_DEFAULT_FILE, G_FILE_TEST_EXISTS))
    path = LW_DEFAULT_FILE;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  /* a file whose keys are elsewhere can be looked at all the same */
  g_autoptr(LwLab) lab = path ? lw_load_spec(invocation, path, LW_SPEC_TWIN, secrets) : NULL;
  if (path && !lab)
    return LW_EXIT_ERROR;
  g_autoptr(LwSeen) seen = lw_seen_look(invocation->root ? invocation->root : "");
  look_at_firewalls(invocation, seen);
  g_autoptr(GPtrArray) findings = lw_doctor_findings(seen, lab);
  if (invocation->json) {
    JsonObject *root = json_object_new();
    if (lab)
      json_object_set_string_member(root, "lab", lab->name);
    json_object_set_array_member(root, "findings", findings_json(findings));
    lw_print_json(root);
    return findings->len ? LW_EXIT_VIOLATION : LW_EXIT_OK;
  }
  for (guint i = 0; i < findings->len; i++)
    print_finding(invocation, findings->pdata[i]);
  if (!invocation->quiet && findings->len)
    g_print("%u finding%s\n", findings->len, findings->len > 1 ? "s" : "");
  else if (!invocation->quiet)
    g_print("nothing is in the way\n");
  return findings->len ? LW_EXIT_VIOLATION : LW_EXIT_OK;
}
