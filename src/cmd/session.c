#include "cmd/session.h"

#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "cmd/confirm.h"
#include "cmd/domains.h"
#include "cmd/ending.h"
#include "cmd/flows.h"
#include "cmd/generations.h"
#include "cmd/guard.h"
#include "cmd/hosts.h"
#include "cmd/login.h"
#include "cmd/readdress.h"
#include "cmd/router_items.h"
#include "cmd/router_vm.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "providers/cell/cell.h"
#include "providers/container/container.h"
#include "providers/dhcpcd/dhcpcd.h"
#include "providers/kernel/snapshot.h"
#include "providers/nft/nft.h"
#include "providers/opnsense/opnsense.h"
#include "twin/twin.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define RUN_DIR LW_RUN_DIR
#define LOCK_WAIT_MS 30000
#define TAKEN "uplink"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static LwInjector test_injector;
static gpointer test_injector_data;
static void (*test_disorder)(LwPlan *plan);

void lw_session_set_injector(LwInjector injector, gpointer data) {
  test_injector = injector;
  test_injector_data = data;
}

void lw_session_set_disorder(void (*disorder)(LwPlan *plan)) {
  test_disorder = disorder;
}

static volatile sig_atomic_t asked_to_end;

static gboolean is_asked_to_end(void) {
  return asked_to_end != 0;
}

static gboolean read_seed(guint8 seed[32], GError **error) {
  g_autofree char *path = g_build_filename(lw_target_state_dir(), "seed", NULL);
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

/* The user's own file has better line numbers; but only while it still says what was applied. */
static LwLab *load_in_force(LwEngine *engine, LwSecretStore *secrets, GError **error) {
  g_autoptr(GError) inner = NULL;
  guint current = lw_generation_current(engine, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
  }
  if (current == 0) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "nothing is applied here yet: %s apply FILE",
                lw_target_command());
    return NULL;
  }
  g_autoptr(LwGeneration) generation = lw_generation_read(engine, current, error);
  if (!generation)
    return NULL;
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwLab) own = g_file_test(generation->path, G_FILE_TEST_EXISTS)
                             ? lw_spec_load(generation->path, lw_target_spec_flags(), secrets, diagnostics)
                             : NULL;
  g_autofree char *dir = g_path_get_dirname(generation->path);
  g_autofree char *text = own ? lw_generation_text(own, dir) : NULL;
  return g_strcmp0(text, generation->text) == 0 ? g_steal_pointer(&own)
                                                : lw_generation_lab(generation, secrets, error);
}

/* --- the session
 * ---------------------------------------------------------------------------------------------------- */

/* What WAN's lease tells. The twin's world knows its resolver before there is one. */
static void learn_lease(LwSession *session) {
  g_auto(LwDhcpLease) lease = {0};
  if (!lw_dhcp_lease_read(session->context.run_dir, session->facts->router_ns, LW_ROUTER_WAN, &lease, NULL))
    return;
  session->facts->home_lan = lw_prefix_network(&lease.address);
  for (guint i = 0; !lw_target_is_twin() && lease.dns && i < lease.dns->len; i++)
    g_array_append_val(session->facts->wan_resolvers, g_array_index(lease.dns, LwAddr, i));
}

static gboolean read_taken(LwSession *session, GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autofree char *text = lw_engine_get(session->engine, TAKEN, &inner);
  if (text)
    session->taken = lw_resources_from_text(text, &inner);
  if (inner)
    g_propagate_error(error, g_steal_pointer(&inner));
  return !text || session->taken;
}

/* Before WAN has a lease, its resolver is likely to be whom the host's own packets go by: they share the home
 * LAN. The lease decides, once it is there. */
/* In a twin cells stand in for them. */
static void learn_containers(LwSession *session) {
  for (guint i = 0; i < session->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(session->lab, i);
    if (machine->kind == LW_MACHINE_CONTAINER)
      g_hash_table_replace(session->facts->containers, g_strdup(machine->name),
                           lw_container_look(lw_container_sockets, machine->object));
  }
}

/* A bridge that is there, is not lanward's, and that the file names (“bridge: br-lab”, not the name that it
 * would have anyway) is somebody's that he wants used. Under the name that lanward itself gives it is in the
 * way. */
static void learn_bridges(LwSession *session, const LwResourceSet *seen) {
  for (guint i = 0; i < session->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(session->lab, i);
    g_autofree char *usual = g_strconcat("virbr-", segment->name, NULL);
    g_autoptr(LwResource) like = lw_resource_new(LW_RES_LINK, "", segment->bridge);
    g_autofree char *key = lw_resource_key(like);
    const LwResource *link = lw_resource_set_find(seen, key);
    if (link && link->link_type == LW_LINK_BRIDGE && g_strcmp0(link->alias, LW_OWNER) != 0 &&
        !g_str_equal(segment->bridge, usual))
      g_hash_table_add(session->facts->bridges, g_strdup(segment->bridge));
  }
}

static gboolean learn_host(LwSession *session, GError **error) {
  static const char *const here[] = {"", NULL};
  LwFacts *facts = session->facts;
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  if (!lw_policy_assign(session->lab, facts, error) || !read_taken(session, error) ||
      !lw_kernel_snapshot(here, seen, error))
    return FALSE;
  session->host = lw_host_look(session->lab, seen, session->taken, error);
  if (!session->host)
    return FALSE;
  facts->uplink_mac = session->host->mac;
  if (facts->wan_resolvers->len == 0 && lw_addr_is_set(&session->host->gateway))
    g_array_append_val(facts->wan_resolvers, session->host->gateway);
  learn_containers(session);
  learn_bridges(session, seen);
  session->unresolved = g_ptr_array_new_with_free_func(g_free);
  if (!lw_router_is_opnsense(session)) /* that resolves them itself */
    lw_host_resolve_endpoints(session->lab, facts, session->unresolved);
  return lw_domains_learn(session, error) && lw_router_learn(session, seen, error);
}

/* What the twin's world says of itself. */
static gboolean learn_world(LwSession *session, GError **error) {
  LwFacts *facts = session->facts;
  if (!lw_target_is_twin())
    return learn_host(session, error);
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

/* One of session_beside(). */
static void world_clear(LwSession *session) {
  g_clear_pointer(&session->world, lw_twin_world_free);
  g_clear_pointer(&session->host, lw_host_world_free);
  g_clear_pointer(&session->taken, lw_resource_set_free);
  g_clear_pointer(&session->unresolved, g_ptr_array_unref);
  g_clear_pointer(&session->router_seen, lw_router_seen_unref);
  g_clear_pointer(&session->router_plan, lw_router_plan_free);
  g_clear_pointer(&session->to_take, lw_resource_set_free);
}

static void beside_free(LwSession *beside) {
  if (beside->to_take)
    lw_engine_take(beside->engine, NULL);
  world_clear(beside);
  g_clear_pointer(&beside->facts, lw_facts_free);
  g_clear_pointer(&beside->lab, lw_lab_free);
  explicit_bzero(beside->seed, sizeof beside->seed);
  g_free(beside);
}

static gboolean learn_facts(LwSession *session, gboolean read_only, GError **error) {
  session->facts = lw_engine_facts(session->engine, error);
  if (!session->facts)
    return FALSE;
  learn_lease(session);
  return learn_bridge_meta(session, read_only, error) && learn_world(session, error);
}

/* A session beside another: the same engine, secrets and providers, another lab. */
static LwSession *session_beside(const LwSession *session, LwLab *lab /* transfer full */, GError **error) {
  LwSession *beside = g_new0(LwSession, 1);
  beside->invocation = session->invocation;
  beside->secrets = session->secrets;
  beside->context = session->context;
  beside->engine = session->engine;
  beside->router = session->router;
  beside->router_seen = session->router_seen;
  if (beside->router_seen)
    beside->router_seen->refs++;
  memcpy(beside->seed, session->seed, sizeof beside->seed);
  beside->lab = lab;
  if (learn_facts(beside, TRUE, error))
    return beside;
  beside_free(beside);
  return NULL;
}

/* The lab in force with its facts; NULL without error: there is none. */
static LwSession *session_in_force(const LwSession *session, GError **error) {
  g_autoptr(GError) inner = NULL;
  LwLab *lab = load_in_force(session->engine, session->secrets, &inner);
  if (lab)
    return session_beside(session, lab, error);
  if (!g_error_matches(inner, LW_ERROR, LW_ERROR_NOT_FOUND))
    g_propagate_error(error, g_steal_pointer(&inner));
  return NULL;
}

/* --- what an earlier lanward left
 * ----------------------------------------------------------------------------- */

/* Flows that were let through by something that is no longer so. */
static gboolean settle_flows(LwSession *session, GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autofree char *unsettled = lw_engine_get(session->engine, LW_ENGINE_UNSETTLED, &inner);
  LwSession *in_force = unsettled ? session_in_force(session, &inner) : NULL;
  gboolean ok = !inner && (!in_force || !lw_netns_exists(in_force->facts->router_ns) ||
                           lw_session_end_denied_flows(in_force, NULL, &inner));
  if (in_force)
    beside_free(in_force);
  if (inner)
    g_propagate_error(error, g_steal_pointer(&inner));
  return ok && (!unsettled || lw_engine_set(session->engine, LW_ENGINE_UNSETTLED, NULL, error));
}

static void tell_recovery(const LwSession *session) {
  if (lw_engine_recovery(session->engine) != LW_RECOVERY_UNDONE)
    return;
  const char *what = lw_engine_recovered_what(session->engine);
  g_printerr(
      "lanward: %s was cut short before its end was recorded: its %u steps were undone, the lab is as it was "
      "before%s\n",
      what ? what : "a change", lw_engine_recovered_steps(session->engine),
      !lw_target_is_twin() && lw_router_waits()
          ? ", but for the OPNsense: that is undone by the next command after "
            "the boot"
          : "");
}

static gboolean settle(LwSession *session, GError **error) {
  tell_recovery(session);
  return settle_flows(session, error) && lw_confirm_settle(session, error);
}

LwSession *lw_session_begin(const LwInvocation *invocation, LwSecretStore *loaded_secrets, gboolean read_only,
                            GError **error) {
  g_autoptr(LwSession) session = g_new0(LwSession, 1);
  g_autoptr(GError) stays = NULL;
  if (!read_only && !lw_target_is_twin() && !lw_login_leave(&stays))
    g_printerr("lanward: what is started now may end with your login: %s\n", stays->message);
  session->invocation = invocation;
  g_autofree char *secrets_dir = g_build_filename(lw_target_state_dir(), "secrets", NULL);
  g_autofree char *state_path = g_build_filename(lw_target_state_dir(), "state.db", NULL);
  session->secrets = lw_secret_store_new(secrets_dir);
  if (loaded_secrets && !lw_secret_store_copy(loaded_secrets, session->secrets, error))
    return NULL;
  session->self_path = g_file_read_link("/proc/self/exe", error);
  if (!session->self_path)
    return NULL;
  session->context = (LwProviderContext){.secrets = session->secrets,
                                         .run_dir = RUN_DIR,
                                         .owner = LW_OWNER,
                                         .host = !lw_target_is_twin(),
                                         .self_path = session->self_path,
                                         .cancelled = is_asked_to_end};
  session->providers = lw_providers_new(&session->context, error);
  if (!session->providers)
    return NULL;
  g_autofree char *boot = NULL;
  if (g_file_get_contents(BOOT_ID, &boot, NULL, NULL)) /* there is none where /proc is somebody's own */
    g_strchomp(boot);
  session->router = lw_router_provider(session->providers);
  gboolean boots = g_str_equal(invocation->verb, "boot");
  if (boots)
    lw_router_at_boot(session->router);
  LwEngineOptions options = {.state_path = state_path,
                             .lock_path = RUN_DIR "/lock",
                             .lock_wait_ms = LOCK_WAIT_MS,
                             .read_only = read_only,
                             .boot = boot,
                             .injector = test_injector,
                             .injector_data = test_injector_data};
  session->engine = lw_engine_open(&options, session->providers, error);
  if (!session->engine || !read_seed(session->seed, error) ||
      (!read_only && !boots && !lw_router_settle(session->router, error)) ||
      (!read_only && !settle(session, error)))
    return NULL;
  return g_steal_pointer(&session);
}

/* Of the two kinds of router one takes the other's addresses on the lab's wires, and its place in the state:
 * no plan leads from one to the other while both are there. */
static gboolean keeps_router(const LwSession *session, const LwLab *given, GError **error) {
  g_autoptr(LwLab) now = load_in_force(session->engine, session->secrets, NULL);
  if (!now || now->router.kind == given->router.kind)
    return TRUE;
  gboolean to_opnsense = given->router.kind == LW_ROUTER_OPNSENSE;
  const LwRouter *vm = to_opnsense ? &given->router : &now->router;
  const char *name = vm->vm ? vm->vm : "opnsense";
  g_autofree char *place = lw_origin_format(&given->router.origin);
  g_autofree char *start = g_strdup_printf("; virsh start %s", name),
                  *stop = g_strdup_printf("; virsh shutdown %s; virsh autostart --disable %s", name, name);
  g_set_error(
      error, LW_ERROR, LW_ERROR_CONFLICT,
      "%s: the router would change from %s to %s, which have the same addresses on the lab's wires, and so "
      "cannot take turns in one plan. Nothing was changed. In this order: lanward down%s; lanward apply %s",
      place, to_opnsense ? "the builtin one" : "an OPNsense", to_opnsense ? "an OPNsense" : "the builtin one",
      !to_opnsense ? stop
      : vm->create ? ""
                   : start,
      given->router.origin.file);
  return FALSE;
}

LwSession *lw_session_open(const LwInvocation *invocation, LwLab *lab, LwSecretStore *loaded_secrets,
                           gboolean read_only, GError **error) {
  g_autoptr(LwLab) given = lab;
  g_autoptr(LwSession) session = lw_session_begin(invocation, loaded_secrets, read_only, error);
  if (!session)
    return NULL;
  session->in_force = !given;
  if (given && !lw_target_is_twin() && !keeps_router(session, given, error))
    return NULL;
  session->lab = given ? g_steal_pointer(&given) : load_in_force(session->engine, session->secrets, error);
  return session->lab && learn_facts(session, read_only, error) ? g_steal_pointer(&session) : NULL;
}

void lw_session_free(LwSession *session) {
  if (!session)
    return;
  g_clear_pointer(&session->engine, lw_engine_close);
  g_clear_pointer(&session->providers, g_ptr_array_unref);
  world_clear(session);
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
      !lw_policy_compile(session->lab, session->facts, wanted, error))
    return NULL;
  gboolean ok = session->host ? lw_host_add(session->host, session->lab, session->facts, wanted, error) &&
                                    lw_router_vm_add(session, wanted, error) &&
                                    lw_router_add_items(session, wanted, error)
                              : lw_twin_world_add(session->world, session->lab, session->facts, session->seed,
                                                  session->secrets, wanted, error);
  return ok ? g_steal_pointer(&wanted) : NULL;
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

static LwResourceSet *wanted_in_force(gpointer data, GError **error) {
  LwSession *in_force = session_in_force(data, error);
  if (!in_force)
    return NULL;
  LwResourceSet *wanted = lw_session_wanted(in_force, error);
  beside_free(in_force);
  return wanted;
}

/* What was the uplink's, and what of the router is somebody else's and goes. */
void lw_session_take(LwSession *session) {
  if (!session->host)
    return;
  const LwResourceSet *sets[] = {session->host->taken,
                                 session->router_plan ? session->router_plan->gone : NULL};
  LwResourceSet *all = lw_resource_set_new();
  for (guint s = 0; s < G_N_ELEMENTS(sets); s++)
    for (guint i = 0; sets[s] && i < sets[s]->list->len; i++)
      lw_resource_set_add(all, lw_resource_ref(sets[s]->list->pdata[i]));
  lw_engine_take(session->engine, all);
  g_clear_pointer(&session->to_take, lw_resource_set_free);
  session->to_take = all;
}

LwPlan *lw_session_plan(LwSession *session, const LwResourceSet *wanted, GError **error) {
  lw_session_take(session);
  LwPlan *plan = lw_engine_plan_from(session->engine, wanted, wanted_in_force, session, error);
  if (plan && test_disorder)
    test_disorder(plan);
  return plan;
}

gboolean lw_session_prove(LwSession *session, const LwPlan *plan, guint *states, GError **error) {
  g_autoptr(LwPlanGuard) guard = lw_plan_guard_new(session, wanted_in_force);
  lw_engine_set_guard(session->engine, lw_plan_guard, guard);
  gboolean ok = lw_engine_guard_allows(session->engine, plan, error);
  lw_engine_set_guard(session->engine, NULL, NULL);
  *states = lw_plan_guard_proved(guard);
  return ok;
}

static void on_signal(int number) {
  (void)number;
  asked_to_end = 1;
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

static void catch_signals(struct sigaction *before) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  for (guint i = 0; i < G_N_ELEMENTS(ending); i++)
    sigaction(ending[i], &action, &before[i]);
}

static void release_signals(const struct sigaction *before) {
  for (guint i = 0; i < G_N_ELEMENTS(ending); i++)
    sigaction(ending[i], &before[i], NULL);
}

/* What the uplink had is known until it is given back. */
static void keep_taken(const LwSession *session) {
  gboolean takes = session->host && session->host->keeper == LW_UPLINK_NOBODY;
  g_autofree char *text = takes && !session->taken ? lw_resources_to_text(session->host->taken) : NULL;
  if (text)
    lw_engine_keep(session->engine, TAKEN, text);
}

static void describe(const LwSession *session, const LwLab *lab) {
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autofree char *when = g_date_time_format(now, "%Y-%m-%d %H:%M:%S UTC");
  g_autofree char *what = g_strdup_printf("%s of %s, begun %s,", session->invocation->verb, lab->name, when);
  lw_engine_describe(session->engine, what);
}

/* The error that counts is the one that is there already. */
static gboolean settle_after_failure(LwSession *session) {
  g_autoptr(GError) trouble = NULL;
  (void)settle_flows(session, &trouble);
  if (trouble)
    g_printerr("lanward: flows that the lab in force denies may go on until the next command: %s\n",
               trouble->message);
  return FALSE;
}

/* Of another lab than the session's; NULL: that is the one in force, or there is none yet. */
static GHashTable *addresses_in_force(const LwSession *session) {
  g_autoptr(LwLab) lab = session->in_force ? NULL : load_in_force(session->engine, session->secrets, NULL);
  g_autoptr(LwFacts) facts = lab ? lw_engine_facts(session->engine, NULL) : NULL;
  return facts ? lw_readdress_before(lab, facts) : NULL;
}

gboolean lw_session_carry_out(LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                              GError **error) {
  struct sigaction before[G_N_ELEMENTS(ending)];
  describe(session, session->lab);
  gboolean changes = !lw_plan_is_empty(plan);
  g_autoptr(GHashTable) addresses = changes ? addresses_in_force(session) : NULL;
  keep_taken(session);
  if (changes)
    lw_engine_keep(session->engine, LW_ENGINE_UNSETTLED, "applied");
  lw_engine_set_cancel(session->engine, &asked_to_end);
  catch_signals(before);
  g_autoptr(LwPlanGuard) guard = lw_plan_guard_new(session, wanted_in_force);
  lw_engine_set_guard(session->engine, lw_plan_guard, guard);
  gboolean ok = lw_engine_apply(session->engine, plan, wanted, session->facts, NULL, NULL, error);
  lw_engine_set_guard(session->engine, NULL, NULL);
  release_signals(before);
  if (!ok)
    return settle_after_failure(session);
  session->flows_ended += lw_opnsense_provider_ended(session->router);
  guint *ended = session->router_seen ? NULL : &session->flows_ended;
  if (addresses)
    lw_readdress(session, addresses);
  return !changes || (lw_session_end_denied_flows(session, ended, error) &&
                      lw_engine_set(session->engine, LW_ENGINE_UNSETTLED, NULL, error));
}

gboolean lw_session_apply(LwSession *session, guint *changes, GError **error) {
  g_autoptr(LwResourceSet) wanted = lw_session_wanted(session, error);
  g_autoptr(LwPlan) plan = wanted ? lw_session_plan(session, wanted, error) : NULL;
  if (!plan)
    return FALSE;
  if (changes)
    *changes = plan->changes->len;
  return lw_session_carry_out(session, plan, wanted, error);
}

/* The run-time state as it was left, with what has to outlive that: numbers are never given twice, and nobody
 * is taken out of quarantine by the way. */
static gboolean return_facts(LwSession *beside, const LwGeneration *generation, GError **error) {
  if (!generation->facts)
    return TRUE;
  g_autoptr(LwFacts) left = lw_facts_new();
  if (!lw_facts_from_text(left, generation->facts, error))
    return FALSE;
  g_hash_table_unref(beside->facts->active);
  g_hash_table_unref(beside->facts->positions);
  beside->facts->active = g_hash_table_ref(left->active);
  beside->facts->positions = g_hash_table_ref(left->positions);
  GHashTableIter iter;
  gpointer machine;
  g_hash_table_iter_init(&iter, left->cut);
  while (g_hash_table_iter_next(&iter, &machine, NULL))
    g_hash_table_add(beside->facts->cut, g_strdup(machine));
  return TRUE;
}

static gboolean return_with(LwSession *beside, const LwGeneration *generation, const char *why,
                            GError **error) {
  guint number;
  if (!return_facts(beside, generation, error) || !lw_policy_assign(beside->lab, beside->facts, error))
    return FALSE;
  g_autoptr(LwResourceSet) wanted = lw_session_wanted(beside, error);
  g_autoptr(LwPlan) plan = wanted ? lw_session_plan(beside, wanted, error) : NULL;
  if (!plan || !lw_generation_keep_again(beside->engine, generation, why, &number, error))
    return FALSE;
  lw_confirm_forget(beside->engine);
  return lw_ending_of_domains(beside, beside->lab, plan, LW_ENDING_NOW, error) &&
         lw_session_carry_out(beside, plan, wanted, error) && lw_generation_clear(beside, wanted, error);
}

/* What a router that the file made has in it goes with its virtual machine: nothing of it is asked to be
 * deleted. */
static gboolean leave_made_router(LwSession *session, const LwLab *lab, LwResourceSet *wanted,
                                  GError **error) {
  g_autoptr(LwResourceSet) owned = lab->router.create ? lw_engine_owned(session->engine, error) : NULL;
  if (lab->router.create && !owned)
    return FALSE;
  for (guint i = 0; owned && i < owned->list->len; i++)
    if (((const LwResource *)owned->list->pdata[i])->kind == LW_RES_ROUTER_ITEM)
      lw_resource_set_add(wanted, lw_resource_ref(owned->list->pdata[i]));
  return TRUE;
}

gboolean lw_session_take_down(LwSession *session, LwEnding how, guint *changes, GError **error) {
  LwSession *in_force = session_in_force(session, error);
  if (!in_force)
    return FALSE;
  g_autoptr(LwResourceSet) wanted = lw_host_without_lab(in_force->host);
  gboolean ready = leave_made_router(session, in_force->lab, wanted, error);
  g_autoptr(LwPlan) plan = ready ? lw_engine_plan(session->engine, wanted, error) : NULL;
  describe(session, in_force->lab);
  if (changes)
    *changes = plan ? plan->changes->len : 0;
  static const char *const forgotten[] = {TAKEN, LW_ENGINE_UNSETTLED};
  for (guint i = 0; i < G_N_ELEMENTS(forgotten); i++)
    lw_engine_keep(session->engine, forgotten[i], NULL);
  lw_confirm_forget(session->engine);
  lw_generation_leave(session->engine);
  gboolean ok = plan && lw_ending_of_domains(session, in_force->lab, plan, how, error) &&
                lw_engine_apply(session->engine, plan, wanted, in_force->facts, NULL, NULL, error) &&
                lw_engine_disown(session->engine, error);
  beside_free(in_force);
  return ok;
}

gboolean lw_session_return_to(LwSession *session, guint number, const char *why, GError **error) {
  if (number == 0)
    return lw_session_take_down(session, LW_ENDING_NOW, NULL, error);
  g_autoptr(LwGeneration) generation = lw_generation_read(session->engine, number, error);
  LwLab *lab = generation ? lw_generation_lab(generation, session->secrets, error) : NULL;
  LwSession *beside = lab ? session_beside(session, lab, error) : NULL;
  if (!beside)
    return FALSE;
  gboolean ok = return_with(beside, generation, why, error);
  beside_free(beside);
  return ok;
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

int lw_session_enter(const LwInvocation *invocation, int (*body)(gpointer data), gpointer data) {
  g_autoptr(GError) error = NULL;
  if (!lw_target_is_twin())
    return lw_host_enter(invocation, &error) ? body(data) : lw_fail(error);
  pid_t holder = lw_twin_find(invocation->name, &error);
  if (holder < 0)
    return lw_fail(error);
  if (holder == 0)
    return lw_fail_text("no twin “%s” is running: lanward twin apply FILE%s%s", invocation->name,
                        g_str_equal(invocation->name, "default") ? "" : " --name ",
                        g_str_equal(invocation->name, "default") ? "" : invocation->name);
  int status = lw_twin_run(invocation->name, body, data, &error);
  return status < 0 ? lw_fail(error) : status;
}

int lw_session_run(const LwInvocation *invocation, gboolean read_only, LwSessionBody body) {
  Inside inside = {invocation, read_only, body};
  return lw_session_enter(invocation, run_inside, &inside);
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
