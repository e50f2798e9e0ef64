/* doctor: what on this machine stands in the way of the lab. Looks only, and keeps nothing. */
#include "cmd/session.h"

#include "host/doctor.h"
#include "policy/names.h"
#include "providers/kernel/snapshot.h"
#include "providers/nft/foreign.h"

#include <unistd.h>

static void add_bridge_trap(GPtrArray *findings) {
  char *trap = lw_nft_bridge_trap();
  if (!trap)
    return;
  LwFinding *finding = g_new0(LwFinding, 1);
  *finding =
      (LwFinding){"bridge-firewall", TRUE, trap, g_strdup("sysctl net.bridge.bridge-nf-call-iptables=0")};
  g_ptr_array_add(findings, finding);
}

static guint count_problems(const GPtrArray *findings) {
  guint count = 0;
  for (guint i = 0; i < findings->len; i++)
    count += ((const LwFinding *)findings->pdata[i])->problem;
  return count;
}

static void print_json(const GPtrArray *findings) {
  JsonArray *list = json_array_new();
  for (guint i = 0; i < findings->len; i++) {
    const LwFinding *finding = findings->pdata[i];
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "id", finding->id);
    json_object_set_boolean_member(object, "problem", finding->problem);
    json_object_set_string_member(object, "what", finding->what);
    json_object_set_string_member(object, "remedy", finding->remedy);
    json_array_add_object_element(list, object);
  }
  JsonObject *root = json_object_new();
  json_object_set_array_member(root, "findings", list);
  lw_print_json(root);
}

static void print_text(const LwInvocation *invocation, const GPtrArray *findings) {
  for (guint i = 0; i < findings->len; i++) {
    const LwFinding *finding = findings->pdata[i];
    if (finding->problem || !invocation->quiet)
      g_print("%-8s %s\n%8s to mend: %s\n", finding->problem ? "PROBLEM" : "note", finding->what, "",
              finding->remedy);
  }
  if (!invocation->quiet)
    g_print(count_problems(findings) ? "%u in the way: see above\n" : "nothing stands in the way\n",
            count_problems(findings));
}

/* What lanward made, where there is a state and we may read it. */
static LwResourceSet *read_owned(void) {
  g_autoptr(GPtrArray) none = g_ptr_array_new();
  g_autofree char *path = g_build_filename(lw_target_state_dir(), "state.db", NULL);
  LwEngineOptions options = {.state_path = path, .read_only = TRUE};
  g_autoptr(LwEngine) engine =
      g_file_test(path, G_FILE_TEST_EXISTS) ? lw_engine_open(&options, none, NULL) : NULL;
  g_autofree char *text = engine ? lw_engine_get(engine, "owned", NULL) : NULL;
  return text ? lw_resources_from_text(text, NULL) : NULL;
}

static LwLab *load(const LwInvocation *invocation, LwSecretStore *secrets, gboolean *failed) {
  const char *path = invocation->args->pdata[0];
  *failed = FALSE;
  if (!path && !g_file_test(LW_DEFAULT_FILE, G_FILE_TEST_EXISTS))
    return NULL;
  /* as in a twin: a file that is not whole yet is no reason not to look at the machine */
  LwLab *lab = lw_load_spec(invocation, path ? path : LW_DEFAULT_FILE, LW_SPEC_TWIN, secrets);
  *failed = lab == NULL;
  return lab;
}

int lw_doctor_main(const LwInvocation *invocation) {
  static const char *const here[] = {"", NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  gboolean failed;
  g_autoptr(LwLab) lab = load(invocation, secrets, &failed);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(LwResourceSet) owned = read_owned();
  if (failed)
    return LW_EXIT_ERROR;
  if (!lw_kernel_snapshot(here, seen, &error))
    return lw_fail(error);
  g_autoptr(LwHostWorld) world = lab ? lw_host_look(lab, seen, NULL, &error) : NULL;
  g_autoptr(GPtrArray) findings = lw_host_doctor(lab, world, seen, LW_OWNER, owned);
  add_bridge_trap(findings);
  if (invocation->json)
    print_json(findings);
  else
    print_text(invocation, findings);
  if (geteuid() != 0 && !invocation->quiet && !invocation->json)
    g_print("as root, it sees more\n");
  return count_problems(findings) ? LW_EXIT_VIOLATION : LW_EXIT_OK;
}
