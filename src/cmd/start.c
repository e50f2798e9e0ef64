/* start and stop: the machines that the file starts, in order. The router first, and ready; each machine
 * ready before those that come after it; on the way down the other way round. One that fails is named, and
 * stops no other. */
#include "cmd/domains.h"
#include "cmd/ready.h"

#include "base/error.h"
#include "base/process.h"
#include "policy/names.h"
#include "providers/container/engine.h"
#include "providers/libvirt/libvirt.h"
#include "startup/order.h"

#include <stdio.h>

#define ROUTER_WAIT_MS 60000
#define LOOK_MS 300

typedef struct {
  LwSession *session; /* what the lab in force and its facts were at the beginning; holds no lock */
  gboolean ending;
  LwOrder *order;
  guint64 *leases; /* machine -> when its lease ended that it had before, 0: none */
  JsonArray *told; /* of {machine, outcome, why} */
  guint trouble;
} Startup;

static gint64 now_ms(void) {
  return g_get_monotonic_time() / 1000;
}

static void tell(Startup *startup, guint machine, const char *outcome, const char *why) {
  const char *name = lw_lab_machine(startup->session->lab, machine)->name;
  JsonObject *object = json_object_new();
  json_object_set_string_member(object, "machine", name);
  json_object_set_string_member(object, "outcome", outcome);
  if (why)
    json_object_set_string_member(object, "why", why);
  json_array_add_object_element(startup->told, object);
  startup->trouble += why != NULL;
  if (why)
    g_printerr("lanward: %s: %s: %s\n", name, outcome, why);
  else if (!startup->session->invocation->quiet && !startup->session->invocation->json)
    g_print("%s: %s\n", name, outcome);
  fflush(stdout);
}

/* --- one machine
 * ----------------------------------------------------------------------------------------------------------
 */

static gboolean runs(const LwMachine *machine) {
  if (machine->kind == LW_MACHINE_VM)
    return lw_domains_runs(machine->object);
  g_autoptr(LwContainerFact) fact = lw_container_look(lw_container_sockets, machine->object);
  return fact->process != NULL;
}

static gboolean answers(const LwSession *session, guint machine) {
  LwAddr address = lw_nic_address(session->lab, session->facts, machine, 0);
  if (!lw_addr_is_set(&address))
    return FALSE;
  g_autofree char *text = lw_addr_format(&address);
  const char *argv[] = {"ping", "-n", "-q", "-c", "1", "-W", "1", text, NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv, .netns = session->facts->router_ns}, NULL);
  return out != NULL;
}

/* It runs, and has been given its first card's address; or answers at it, if it needed nobody to give it.
 * Where the router is not ours to ask, it runs. */
static gboolean is_ready(const Startup *startup, guint machine) {
  const LwSession *session = startup->session;
  if (!runs(lw_lab_machine(session->lab, machine)))
    return FALSE;
  gboolean asks = session->lab->router.kind == LW_ROUTER_BUILTIN &&
                  (session->lab->manage & LW_MANAGE_ROUTER) &&
                  lw_nic_segment(session->lab, session->facts, machine, 0) != LW_NONE;
  return !asks || lw_domains_lease(session, machine, 0) > startup->leases[machine] ||
         answers(session, machine);
}

/* A container is plugged in when it runs; a domain may have got another port. */
static gboolean plug_in(const Startup *startup, GError **error) {
  g_autoptr(LwSession) session = lw_session_open(startup->session->invocation, NULL, NULL, FALSE, error);
  return session && lw_session_apply(session, NULL, error);
}

static gboolean begin_start(Startup *startup, const LwMachine *machine, guint index, GError **error) {
  startup->leases[index] = lw_domains_lease(startup->session, index, 0);
  gboolean ok = machine->kind == LW_MACHINE_VM
                    ? lw_libvirt_start(machine->object, error)
                    : lw_container_start(lw_container_sockets, machine->object, error);
  return ok && plug_in(startup, error);
}

static gboolean begin_stop(const LwMachine *machine, GError **error) {
  if (machine->kind == LW_MACHINE_CONTAINER)
    return lw_container_stop(lw_container_sockets, machine->object, machine->start->timeout, error);
  g_autoptr(GError) inner = NULL;
  if (lw_libvirt_shutdown(machine->object, 0, &inner) || !inner)
    return TRUE; /* it was asked */
  g_propagate_error(error, g_steal_pointer(&inner));
  return FALSE;
}

static void begin(Startup *startup, guint index) {
  const LwMachine *machine = lw_lab_machine(startup->session->lab, index);
  g_autoptr(GError) error = NULL;
  gboolean already = runs(machine) != startup->ending;
  if (already) {
    tell(startup, index, startup->ending ? "does not run" : "runs already", NULL);
    lw_order_finish(startup->order, index, TRUE, now_ms());
    return;
  }
  if (startup->ending ? begin_stop(machine, &error) : begin_start(startup, machine, index, &error))
    return;
  tell(startup, index, startup->ending ? "not stopped" : "not started", error->message);
  lw_order_finish(startup->order, index, FALSE, now_ms());
}

static void look(Startup *startup, guint index) {
  if (lw_order_state(startup->order, index) != LW_ORDER_BEGUN ||
      !(startup->ending ? !runs(lw_lab_machine(startup->session->lab, index)) : is_ready(startup, index)))
    return;
  tell(startup, index, startup->ending ? "ended" : "ready", NULL);
  lw_order_finish(startup->order, index, TRUE, now_ms());
}

/* --- all of them
 * ----------------------------------------------------------------------------------------------------------
 */

static void go_on(Startup *startup) {
  const LwLab *lab = startup->session->lab;
  while (!lw_order_is_over(startup->order)) {
    guint machine;
    while ((machine = lw_order_next(startup->order, now_ms())) != LW_NONE)
      begin(startup, machine);
    for (guint m = 0; m < lab->machines->len; m++)
      look(startup, m);
    while ((machine = lw_order_expire(startup->order, now_ms())) != LW_NONE) {
      g_autofree char *why = g_strdup_printf("not within %u s", lw_lab_machine(lab, machine)->start->timeout);
      tell(startup, machine, startup->ending ? "not stopped" : "not ready", why);
    }
    if (!lw_order_is_over(startup->order))
      g_usleep(LOOK_MS * 1000);
  }
}

static gboolean start_router(const Startup *startup, GError **error) {
  const LwRouter *router = &startup->session->lab->router;
  return router->kind != LW_ROUTER_OPNSENSE || !router->vm || !startup->session->facts->domains ||
         !g_hash_table_contains(startup->session->facts->domains, router->vm) ||
         lw_libvirt_start(router->vm, error);
}

/* What it is not ready with after a minute is told, and waited for no more: a machine of a segment whose
 * tunnel is down reaches nothing through it, and that is all. */
static void wait_for_router(Startup *startup) {
  gint64 end = now_ms() + ROUTER_WAIT_MS;
  g_autoptr(GError) error = NULL;
  if (!start_router(startup, &error))
    g_printerr("lanward: the router: %s\n", error->message);
  g_autoptr(GPtrArray) waits = lw_router_waits_for(startup->session);
  while (waits->len && now_ms() < end) {
    g_usleep(LOOK_MS * 1000);
    g_ptr_array_unref(waits);
    waits = lw_router_waits_for(startup->session);
  }
  for (guint i = 0; i < waits->len; i++)
    g_printerr("lanward: the router: %s; machines are started all the same\n", (char *)waits->pdata[i]);
  startup->trouble += waits->len;
}

/* Down: the router is the last to go. A builtin one is namespaces and processes, which end with the host. */
static void stop_router(Startup *startup) {
  const LwLab *lab = startup->session->lab;
  g_autoptr(GError) error = NULL;
  if (lab->router.kind != LW_ROUTER_OPNSENSE || !lab->router.create)
    return;
  if (!lw_libvirt_shutdown(lab->router.vm, ROUTER_WAIT_MS, &error) &&
      !g_error_matches(error, LW_ERROR, LW_ERROR_NOT_FOUND)) {
    startup->trouble++;
    g_printerr("lanward: the router: %s\n", error ? error->message : "it still runs");
  }
}

/* FALSE and error: a name that the lab does not have, or does not start. */
static gboolean choose(const LwSession *session, gboolean *chosen, GError **error) {
  const GPtrArray *args = session->invocation->args;
  for (guint i = 0; args->pdata[i]; i++) {
    guint machine = lw_session_machine(session, args->pdata[i], error);
    if (machine == LW_NONE)
      return FALSE;
    if (!lw_lab_machine(session->lab, machine)->start) {
      g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "%s is not lanward's to start: add “start: {}” to it",
                  (char *)args->pdata[i]);
      return FALSE;
    }
    chosen[machine] = TRUE;
  }
  return TRUE;
}

static int print_over(Startup *startup) {
  const LwInvocation *invocation = startup->session->invocation;
  guint failed = lw_order_count(startup->order, LW_ORDER_FAILED),
        done = lw_order_count(startup->order, LW_ORDER_DONE);
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_array_member(root, "machines", json_array_ref(startup->told));
    json_object_set_int_member(root, "done", done);
    json_object_set_int_member(root, "failed", failed);
    lw_print_json(root);
  } else if (!invocation->quiet) {
    g_print("%s: %u machine%s %s, %u failed\n", startup->session->lab->name, done, done == 1 ? "" : "s",
            startup->ending ? "down" : "up", failed);
  }
  return startup->trouble ? LW_EXIT_ERROR : LW_EXIT_OK;
}

static int run(LwSession *session, gboolean ending) {
  g_autoptr(GError) error = NULL;
  guint count = session->lab->machines->len;
  g_autofree gboolean *chosen = g_new0(gboolean, count + 1);
  g_autofree guint64 *leases = g_new0(guint64, count + 1);
  gboolean all = !session->invocation->args->pdata[0];
  if (!choose(session, chosen, &error))
    return lw_fail(error);
  if (!(session->lab->manage & LW_MANAGE_MACHINES))
    return lw_fail_text("%s: its machines are not managed (manage:)", session->lab->name);
  g_autoptr(LwOrder) order = lw_order_new(session->lab, ending, all ? NULL : chosen, now_ms());
  g_autoptr(JsonArray) told = json_array_new();
  Startup startup = {.session = session, .ending = ending, .order = order, .leases = leases, .told = told};
  if (!ending)
    wait_for_router(&startup);
  go_on(&startup);
  if (ending && all)
    stop_router(&startup);
  return print_over(&startup);
}

static int start_inside(LwSession *session) {
  return run(session, FALSE);
}

static int stop_inside(LwSession *session) {
  return run(session, TRUE);
}

int lw_start_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, TRUE, start_inside);
}

int lw_stop_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, TRUE, stop_inside);
}
