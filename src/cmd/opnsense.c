#include "cmd/router_vm.h"

#include "audit/audit.h"
#include "base/error.h"
#include "base/files.h"
#include "policy/policy.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/merge.h"

#include <string.h>

static char *make_config(const LwLab *lab, const char *path, LwSecretStore *secrets, GPtrArray *notes,
                         GError **error) {
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_autoptr(GError) inner = NULL;
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *key = lw_router_key_entry(lab, folder, &inner);
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

/* What the file then has and does nothing: rules that another one before them shadows, that no packet meets.
 */
static void print_idle(const LwInvocation *invocation, const char *merged) {
  g_autoptr(LwOpn) opn = lw_opn_parse(merged, strlen(merged), NULL);
  g_autoptr(LwAudit) audit = opn ? lw_audit_new(opn) : NULL;
  for (guint i = 0; opn && i < opn->unread->len && !invocation->quiet; i++)
    g_print("not looked at: %s, which may let through what no rule here tells\n",
            (const char *)opn->unread->pdata[i]);
  for (guint i = 0; audit && i < audit->findings->len && !invocation->quiet; i++) {
    const LwAuditFinding *finding = audit->findings->pdata[i];
    if (g_str_equal(finding->kind, "shadowed") || g_str_equal(finding->kind, "never-matches"))
      g_print("idle:  %s\n", finding->title);
  }
}

/* The way back: what was there, beside what takes its place. */
static gboolean keep_old(const LwInvocation *invocation, const char *existing, GError **error) {
  g_autofree char *path = g_strconcat(invocation->output, ".before", NULL);
  if (!lw_file_write_atomic(path, existing, strlen(existing), 0600, error))
    return FALSE;
  if (!invocation->quiet)
    g_print("saved: %s, what was there: restore it the same way to go back\n", path);
  return TRUE;
}

static void print_steps(const LwInvocation *invocation, const LwLab *lab) {
  g_autofree char *router = lw_addr_format(&lab->host.management.router);
  if (invocation->quiet)
    return;
  g_print(
      "by hand, at https://%s/:\n"
      "  1. System: Firmware: Status: the version is 26.7 (another is only read and proved)\n"
      "  2. System: Configuration: Backups: Download, and keep the file\n"
      "  3. System: Configuration: Backups: Restore, area “All”: %s; it restarts\n"
      "  4. System: Settings: Administration: the protocol is HTTPS, listening on mgmt alone\n"
      "  5. System: Access: Users: root: API keys: +, when “api: key-file:” names none yet: put the download "
      "there, chmod 600\n"
      "  6. lanward verify --static --config FILE.xml, with a fresh download: what it has is proved\n",
      router, invocation->output);
}

/* Into the configuration of a router that is there. Takes made; NULL and error. */
static char *merge_into(const LwInvocation *invocation, const char *path, char *made, GError **error) {
  char *existing = lw_file_read(path, 64 * 1024 * 1024, NULL, error);
  g_autoptr(GPtrArray) goes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) stays = g_ptr_array_new_with_free_func(g_free);
  LwOpnMergeNotes notes = {goes, stays};
  char *merged = existing ? lw_opn_merge(existing, made, &notes, error) : NULL;
  lw_secret_clear(made);
  if (merged) {
    print_rules(invocation, "goes: ", goes);
    print_rules(invocation, "stays:", stays);
    print_idle(invocation, merged);
    if (!keep_old(invocation, existing, error)) {
      lw_secret_clear(merged);
      merged = NULL;
    }
  }
  lw_secret_clear(existing);
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
  const char *existing = invocation->args->pdata[0] ? invocation->args->pdata[1] : NULL;
  if (existing && lab->router.kind == LW_ROUTER_OPNSENSE && lab->router.adopt == LW_ADOPT_OBSERVE)
    return lw_fail_text(
        "opnsense: the file says “adopt: observe”: the router is read and proved, and nothing is "
        "made for it: lanward verify --static --config %s; “adopt: replace” takes it over",
        existing);
  char *text = make_config(lab, path, secrets, notes, &error);
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
  if (existing)
    print_steps(invocation, lab);
  return LW_EXIT_OK;
}
