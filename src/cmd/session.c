#include "cmd/session.h"

#include "base/error.h"
#include "base/files.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "providers/cell/cell.h"
#include "providers/dhcpcd/dhcpcd.h"
#include "providers/nft/nft.h"
#include "twin/twin.h"

#include <errno.h>
#include <string.h>
#include <glib/gstdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define RUN_DIR "/run/lanward"
#define SECRETS_DIR RUN_DIR "/secrets"
#define SNAPSHOT_DIR RUN_DIR "/spec"
#define SNAPSHOT SNAPSHOT_DIR "/lab.yaml"
#define LOCK_WAIT_MS 30000

static gboolean read_seed(guint8 seed[32], GError **error) {
  const char *path = RUN_DIR "/seed";
  g_autofree char *text = NULL;
  gsize length = 0;
  if (g_file_test(path, G_FILE_TEST_EXISTS)) {
    text = lw_secret_file_read(path, 32, TRUE, &length, error);
    if (!text)
      return FALSE;
  }
  if (length == 32) {
    memcpy(seed, text, 32);
    return TRUE;
  }
  if (getrandom(seed, 32, 0) != 32) {
    lw_error_set_errno(error, "no random bytes");
    return FALSE;
  }
  return lw_file_write_atomic(path, (const char *)seed, 32, 0600, error);
}

/* --- the lab in force
 * ---------------------------------------------------------------------------------------------- */

static char *snapshot_wg_path(const LwTunnel *tunnel) {
  return g_strdup_printf("wg/%s.conf", tunnel->name);
}

/* The lab's text with the WireGuard files beside it, in place of wherever they were read from. */
static char *snapshot_text(LwLab *lab) {
  g_autoptr(GPtrArray) paths = g_ptr_array_new();
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwTunnel *tunnel = lw_lab_tunnel(lab, i);
    g_ptr_array_add(paths, tunnel->path);
    tunnel->path = snapshot_wg_path(tunnel);
  }
  char *text = lw_spec_print(lab);
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwTunnel *tunnel = lw_lab_tunnel(lab, i);
    g_free(tunnel->path);
    tunnel->path = paths->pdata[i];
  }
  return text;
}

static gboolean keep_wg_file(const LwTunnel *tunnel, const char *spec_dir, GError **error) {
  g_autofree char *from = g_canonicalize_filename(tunnel->path, spec_dir);
  g_autofree char *name = snapshot_wg_path(tunnel);
  g_autofree char *to = g_build_filename(SNAPSHOT_DIR, name, NULL);
  if (g_file_test(from, G_FILE_TEST_IS_REGULAR)) {
    gsize length;
    char *text = lw_file_read(from, 65536, &length, NULL);
    if (text) {
      gboolean ok = lw_file_write_atomic(to, text, length, 0600, error);
      lw_secret_clear(text);
      return ok;
    }
  }
  (void)g_unlink(to); /* the stand-in's: there is no file */
  return TRUE;
}

gboolean lw_session_keep_spec(LwSession *session, const char *path, GError **error) {
  if (g_mkdir_with_parents(SNAPSHOT_DIR "/wg", 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", SNAPSHOT_DIR);
    return FALSE;
  }
  g_autofree char *whole = g_canonicalize_filename(path, NULL);
  g_autofree char *dir = g_path_get_dirname(whole);
  for (guint i = 0; i < session->lab->tunnels->len; i++)
    if (!keep_wg_file(lw_lab_tunnel(session->lab, i), dir, error))
      return FALSE;
  g_autofree char *text = snapshot_text(session->lab);
  return lw_file_write_atomic(SNAPSHOT, text, strlen(text), 0600, error) &&
         lw_engine_set(session->engine, "spec-path", whole, error);
}

static LwLab *load_quietly(const char *path, LwSecretStore *secrets) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  return lw_spec_load(path, LW_SPEC_TWIN, secrets, diagnostics);
}

/* The user's own file has better line numbers; but only while it still says what was applied. */
static LwLab *load_in_force(const char *path, LwSecretStore *secrets, GError **error) {
  g_autoptr(LwLab) kept = g_file_test(SNAPSHOT, G_FILE_TEST_EXISTS) ? load_quietly(SNAPSHOT, secrets) : NULL;
  if (!kept) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "nothing is applied here yet: lanward twin apply FILE");
    return NULL;
  }
  g_autoptr(LwLab) own = path && g_file_test(path, G_FILE_TEST_EXISTS) ? load_quietly(path, secrets) : NULL;
  if (!own)
    return g_steal_pointer(&kept);
  g_autofree char *one = snapshot_text(kept);
  g_autofree char *other = snapshot_text(own);
  return g_str_equal(one, other) ? g_steal_pointer(&own) : g_steal_pointer(&kept);
}

/* --- the session
 * ---------------------------------------------------------------------------------------------------- */

static void learn_home_lan(LwSession *session) {
  LwDhcpLease lease = {0};
  if (lw_dhcp_lease_read(session->context.run_dir, session->facts->router_ns, LW_ROUTER_WAN, &lease, NULL)) {
    session->facts->home_lan = lw_prefix_network(&lease.address);
    lw_dhcp_lease_clear(&lease);
  }
}

/* What the twin's world says of itself. */
static gboolean learn_world(LwSession *session, GError **error) {
  LwFacts *facts = session->facts;
  facts->cells_stand_in = TRUE;
  if (!lw_policy_assign(session->lab, facts, error))
    return FALSE;
  session->world = lw_twin_world_new(session->lab, facts);
  g_array_append_val(facts->wan_resolvers, session->world->home_router);
  for (guint i = 0; i < session->lab->tunnels->len; i++) {
    LwAddr endpoint = lw_twin_world_endpoint(session->world, session->lab, i);
    g_hash_table_insert(facts->endpoints, g_strdup(lw_lab_tunnel(session->lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  g_autofree char *seed = g_strdup_printf("%s/uplink", session->lab->name);
  facts->uplink_mac =
      lw_mac_is_set(&session->lab->host.uplink_mac) ? session->lab->host.uplink_mac : lw_mac_derive(seed);
  return TRUE;
}

/* Finding out takes two fresh network namespaces, tens of milliseconds: longer than most commands. The answer
 * is the kernel's own, so it is kept with its release. */
static gboolean learn_bridge_meta(LwSession *session, gboolean read_only, GError **error) {
  struct utsname kernel;
  if (uname(&kernel) != 0) {
    lw_error_set_errno(error, "cannot tell the kernel's release");
    return FALSE;
  }
  g_autofree char *yes = g_strconcat("yes ", kernel.release, " ", kernel.version, NULL);
  g_autofree char *no = g_strconcat("no ", kernel.release, " ", kernel.version, NULL);
  g_autofree char *kept = lw_engine_get(session->engine, "bridge-meta", NULL);
  gboolean known = g_strcmp0(kept, yes) == 0 || g_strcmp0(kept, no) == 0;
  g_autoptr(GError) untold = NULL; /* not found out: no, for now */
  session->facts->bridge_meta = known ? g_str_equal(kept, yes) : lw_nft_has_bridge_meta(&untold);
  return known || untold || read_only ||
         lw_engine_set(session->engine, "bridge-meta", session->facts->bridge_meta ? yes : no, error);
}

static gboolean learn_facts(LwSession *session, gboolean read_only, GError **error) {
  session->facts = lw_engine_facts(session->engine, error);
  if (!session->facts)
    return FALSE;
  learn_home_lan(session);
  return learn_bridge_meta(session, read_only, error) && learn_world(session, error);
}

LwSession *lw_session_open(const LwInvocation *invocation, LwLab *lab, LwSecretStore *loaded_secrets,
                           gboolean read_only, GError **error) {
  g_autoptr(LwSession) session = g_new0(LwSession, 1);
  session->invocation = invocation;
  session->lab = lab;
  session->secrets = lw_secret_store_new(SECRETS_DIR);
  if (loaded_secrets && !lw_secret_store_copy(loaded_secrets, session->secrets, error))
    return NULL;
  session->self_path = g_file_read_link("/proc/self/exe", error);
  if (!session->self_path)
    return NULL;
  session->context = (LwProviderContext){
      .secrets = session->secrets, .run_dir = RUN_DIR, .owner = LW_OWNER, .self_path = session->self_path};
  session->providers = lw_providers_new(&session->context, error);
  if (!session->providers)
    return NULL;
  LwEngineOptions options = {.state_path = RUN_DIR "/state.db",
                             .lock_path = RUN_DIR "/lock",
                             .lock_wait_ms = LOCK_WAIT_MS,
                             .read_only = read_only};
  session->engine = lw_engine_open(&options, session->providers, error);
  if (!session->engine || !read_seed(session->seed, error))
    return NULL;
  if (!session->lab) {
    g_autofree char *path = lw_engine_get(session->engine, "spec-path", NULL);
    session->lab = load_in_force(path, session->secrets, error);
    if (!session->lab)
      return NULL;
  }
  return learn_facts(session, read_only, error) ? g_steal_pointer(&session) : NULL;
}

void lw_session_free(LwSession *session) {
  if (!session)
    return;
  g_clear_pointer(&session->engine, lw_engine_close);
  g_clear_pointer(&session->providers, g_ptr_array_unref);
  g_clear_pointer(&session->world, lw_twin_world_free);
  g_clear_pointer(&session->facts, lw_facts_free);
  g_clear_pointer(&session->lab, lw_lab_free);
  g_clear_pointer(&session->secrets, lw_secret_store_free);
  explicit_bzero(session->seed, sizeof session->seed);
  g_free(session->self_path);
  g_free(session);
}

LwResourceSet *lw_session_wanted(LwSession *session, GError **error) {
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  if (!lw_policy_assign(session->lab, session->facts, error) ||
      !lw_policy_compile(session->lab, session->facts, wanted, error) ||
      !lw_twin_world_add(session->world, session->lab, session->facts, session->seed, session->secrets,
                         wanted, error))
    return NULL;
  return g_steal_pointer(&wanted);
}

LwPlan *lw_session_plan_from_nothing(LwLab *lab, LwSecretStore *secrets, GError **error) {
  LwSession session = {.lab = lab, .secrets = secrets, .facts = lw_facts_new()};
  g_autoptr(LwFacts) facts = session.facts;
  g_autoptr(LwResourceSet) wanted = learn_world(&session, error) ? lw_session_wanted(&session, error) : NULL;
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  if (session.world)
    lw_twin_world_free(session.world);
  return wanted ? lw_plan_diff(wanted, nothing, NULL) : NULL;
}

gboolean lw_session_apply(LwSession *session, guint *changes, GError **error) {
  g_autoptr(LwResourceSet) wanted = lw_session_wanted(session, error);
  g_autoptr(LwPlan) plan = wanted ? lw_engine_plan(session->engine, wanted, error) : NULL;
  if (!plan)
    return FALSE;
  if (changes)
    *changes = plan->changes->len;
  return lw_engine_apply(session->engine, plan, wanted, session->facts, NULL, NULL, error);
}

void lw_session_wait_leases(const LwSession *session, guint timeout_ms) {
  g_autoptr(GPtrArray) cells = g_ptr_array_new();
  for (guint i = 0; i < session->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(session->lab, i);
    if (!g_hash_table_contains(session->facts->cut, machine->name))
      g_ptr_array_add(cells, machine->name);
  }
  g_ptr_array_add(cells, NULL);
  (void)lw_cell_wait_leases(session->context.run_dir, (const char *const *)cells->pdata, timeout_ms, NULL);
}

/* --- running a verb inside
 * ------------------------------------------------------------------------------------------- */

typedef struct {
  const LwInvocation *invocation;
  gboolean read_only;
  LwSessionBody body;
} Inside;

static int run_inside(gpointer data) {
  const Inside *inside = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_open(inside->invocation, NULL, NULL, inside->read_only, &error);
  if (!session)
    return lw_fail(error);
  return inside->body(session);
}

int lw_session_run(const LwInvocation *invocation, gboolean read_only, LwSessionBody body) {
  g_autoptr(GError) error = NULL;
  pid_t holder = lw_twin_find(invocation->name, &error);
  if (holder < 0)
    return lw_fail(error);
  if (holder == 0)
    return lw_fail_text("no twin “%s” is running: lanward twin apply FILE%s%s", invocation->name,
                        g_str_equal(invocation->name, "default") ? "" : " --name ",
                        g_str_equal(invocation->name, "default") ? "" : invocation->name);
  Inside inside = {invocation, read_only, body};
  int status = lw_twin_run(invocation->name, run_inside, &inside, &error);
  return status < 0 ? lw_fail(error) : status;
}

static char *names_of(const GPtrArray *list, gsize offset) {
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < list->len; i++)
    g_string_append_printf(names, "%s%s", i ? ", " : "", G_STRUCT_MEMBER(char *, list->pdata[i], offset));
  return g_string_free(names, FALSE);
}

guint lw_session_machine(const LwSession *session, const char *name, GError **error) {
  guint index = lw_lab_find_machine(session->lab, name);
  if (index == LW_NONE) {
    g_autofree char *names = names_of(session->lab->machines, G_STRUCT_OFFSET(LwMachine, name));
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "no machine “%s” in %s; it has %s", name,
                session->lab->name, names);
  }
  return index;
}

guint lw_session_segment(const LwSession *session, const char *name, GError **error) {
  guint index = lw_lab_find_segment(session->lab, name);
  if (index == LW_NONE) {
    g_autofree char *names = names_of(session->lab->segments, G_STRUCT_OFFSET(LwSegment, name));
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "no segment “%s” in %s; it has %s", name,
                session->lab->name, names);
  }
  return index;
}
