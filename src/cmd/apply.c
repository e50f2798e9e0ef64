#include "base/error.h"
#include "cmd/confirm.h"
#include "cmd/containers.h"
#include "cmd/domains.h"
#include "cmd/ending.h"
#include "cmd/endpoints.h"
#include "cmd/generations.h"
#include "cmd/hosts.h"
#include "cmd/proof.h"
#include "cmd/router_items.h"
#include "cmd/router_vm.h"
#include "policy/policy.h"
#include "providers/nft/foreign.h"
#include "twin/twin.h"

#include <stdio.h>
#include <unistd.h>

#define LEASES_WAIT_MS 4000
#define UPLINK_CONFIRM_S 60

typedef struct {
  const LwInvocation *invocation;
  const char *path;
  LwLab *lab;
  LwSecretStore *secrets;
} Apply;

static void print_applied(const LwInvocation *invocation, const LwLab *lab, guint changes, gint64 us) {
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_string_member(root, "lab", lab->name);
    json_object_set_string_member(root, "target", lw_target_name());
    json_object_set_int_member(root, "changes", changes);
    json_object_set_double_member(root, "seconds", (double)us / 1e6);
    lw_print_json(root);
    return;
  }
  if (invocation->quiet)
    return;
  if (changes == 0)
    g_print("%s: nothing to do, it is already so\n", lab->name);
  else
    g_print("%s: applied, %u changes in %.2f s\n", lab->name, changes, (double)us / 1e6);
}

/* What run-time state an apply keeps, so that nobody is surprised. */
static void print_kept(const LwSession *session) {
  if (session->invocation->quiet || session->invocation->json)
    return;
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, session->facts->active);
  while (g_hash_table_iter_next(&iter, &key, &value))
    g_print("kept: %s leaves by %s (switched)\n", (char *)key, (char *)value);
  g_hash_table_iter_init(&iter, session->facts->positions);
  while (g_hash_table_iter_next(&iter, &key, &value))
    g_print("kept: %s is in %s (moved)\n", (char *)key, (char *)value);
  g_hash_table_iter_init(&iter, session->facts->cut);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    g_print("kept: %s is cut off\n", (char *)key);
}

/* What is to be done by hand, and why nothing of the router is written: an apply that leaves something out
 * says so. */
static void print_router(const LwSession *session, const LwPlan *plan) {
  const LwInvocation *invocation = session->invocation;
  if (invocation->quiet || invocation->json || !session->router_seen)
    return;
  g_autofree char *aside = lw_plan_format_aside(plan, invocation->colour);
  if (*aside)
    g_print("left out:\n%s", aside);
  if (session->router_plan && session->router_plan->only_read)
    g_print("router: %s\n", session->router_plan->only_read);
}

static void print_reset(const LwSession *session, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void print_reset(const LwSession *session, const char *format, ...) {
  if (session->invocation->quiet || session->invocation->json)
    return;
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_print("reset: %s\n", text);
}

/* A machine that was moved to where the file has it now was not moved; with --reset none was, and no exit
 * switched. Who is cut off stays so: that takes heal. */
static void settle_run_time_state(LwSession *session) {
  gboolean reset = session->invocation->reset;
  GHashTableIter iter;
  gpointer key, value;
  for (guint m = 0; m < session->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(session->lab, m);
    for (guint n = 0; n < machine->nics->len; n++) {
      g_autofree char *nic = g_strdup_printf("%s/%u", machine->name, n);
      const char *moved = g_hash_table_lookup(session->facts->positions, nic);
      const char *file = lw_lab_segment(session->lab, lw_machine_nic(machine, n)->segment)->name;
      if (moved && reset && !g_str_equal(moved, file))
        print_reset(session, "%s is in %s again (was in %s)", machine->nics->len > 1 ? nic : machine->name,
                    file, moved);
      if (moved && (reset || g_str_equal(moved, file)))
        g_hash_table_remove(session->facts->positions, nic);
    }
  }
  g_hash_table_iter_init(&iter, session->facts->active);
  while (reset && g_hash_table_iter_next(&iter, &key, &value)) {
    print_reset(session, "%s leaves by the first of its exits again (was %s)", (char *)key, (char *)value);
    g_hash_table_iter_remove(&iter);
  }
}

/* With --confirm: there has to be something to go back to, and nothing else may wait already. */
static gboolean prepare_confirm(LwSession *session, guint generation, const LwPlan *plan, guint seconds,
                                LwConfirmTimer **timer, GError **error) {
  const LwInvocation *invocation = session->invocation;
  guint back = lw_generation_current(session->engine, error);
  if (*error || !seconds || (lw_plan_is_empty(plan) && back == generation))
    return *error == NULL;
  if (back == 0 && lw_target_is_twin()) {
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE,
                "there is nothing to go back to yet: apply the first file without --confirm");
    return FALSE;
  }
  *timer = lw_confirm_timer_start(invocation, error);
  if (!*timer)
    return FALSE;
  lw_confirm_keep(session->engine, back, seconds);
  return TRUE;
}

static gboolean refuse_pending(LwSession *session, GError **error) {
  if (!lw_confirm_is_pending(session->engine, error)) {
    return *error == NULL;
  }
  g_set_error(error, LW_ERROR, LW_ERROR_BUSY,
              "the apply before waits to be confirmed: %s confirm, or %s rollback, first",
              lw_target_command(), lw_target_command());
  return FALSE;
}

static void print_notes(const GPtrArray *notes) {
  for (guint i = 0; i < notes->len; i++)
    g_printerr("lanward: %s\n", (char *)notes->pdata[i]);
}

static void print_firewall_note(const LwSession *session) {
  g_autofree char *note = session->host ? lw_host_firewalld_note(session->host, session->lab) : NULL;
  if (note)
    g_printerr("lanward: %s\n", note);
}

/* *generation: which one it made, 0 when nothing waits to be confirmed. */
static gboolean apply_session(LwSession *session, const char *path, guint *changes, guint *generation,
                              guint *seconds, GError **error) {
  LwConfirmTimer *timer = NULL;
  guint number = 0;
  settle_run_time_state(session);
  lw_endpoints_ask_again(session);
  gboolean ready = refuse_pending(session, error) && lw_containers_ready(session, error);
  g_autoptr(LwResourceSet) wanted = ready ? lw_session_wanted(session, error) : NULL;
  g_autoptr(LwPlan) plan = wanted ? lw_session_plan(session, wanted, error) : NULL;
  if (!plan)
    return FALSE;
  if (session->invocation->verbose && !lw_plan_is_empty(plan)) {
    g_autofree char *text = lw_plan_format(plan, session->invocation->colour);
    g_print("%s", text);
  }
  print_kept(session);
  print_router(session, plan);
  for (guint i = 0; session->unresolved && i < session->unresolved->len; i++)
    g_printerr("lanward: nobody knows the endpoint of tunnel %s: it stays closed until an apply finds it\n",
               (char *)session->unresolved->pdata[i]);
  g_autoptr(GPtrArray) notes = lw_domains_notes(session);
  print_notes(notes);
  g_autoptr(GPtrArray) router_notes = lw_router_vm_notes(session);
  print_notes(router_notes);
  print_firewall_note(session);
  *changes = plan->changes->len;
  if (!*seconds && lw_host_changes_uplink(session, plan))
    *seconds = UPLINK_CONFIRM_S;
  LwEnding ending = session->invocation->force ? LW_ENDING_FORCE : LW_ENDING_ASK;
  gboolean ok = lw_ending_of_domains(session, session->lab, plan, ending, error) &&
                lw_router_save(session, plan, error) &&
                lw_host_prepare_rescue(session, plan, wanted, *seconds, error) &&
                lw_generation_keep(session, path, &number, error) &&
                prepare_confirm(session, number, plan, *seconds, &timer, error) &&
                lw_session_carry_out(session, plan, wanted, error) &&
                lw_generation_clear(session, wanted, error);
  *generation = timer ? number : 0;
  lw_confirm_timer_release(timer); /* it waits for the lock, and finds out how it went */
  return ok;
}

static void print_waiting(const LwInvocation *invocation, guint seconds) {
  if (!invocation->quiet && !invocation->json)
    g_print("taken back in %u s unless confirmed: %s confirm%s\n", seconds, lw_target_command(),
            invocation->no_wait    ? ""
            : isatty(STDIN_FILENO) ? ", or press ENTER (Ctrl-C takes it back at once)"
                                   : ", or SIGUSR1 (SIGINT takes it back at once)");
  fflush(stdout);
}

static int apply_inside(gpointer data) {
  Apply *apply = data;
  const LwInvocation *invocation = apply->invocation;
  g_autoptr(GError) error = NULL;
  gint64 start = g_get_monotonic_time();
  guint generation = 0, changes = 0, seconds = invocation->confirm_seconds;
  {
    g_autoptr(LwSession) session =
        lw_session_open(invocation, g_steal_pointer(&apply->lab), apply->secrets, FALSE, &error);
    if (!session || !apply_session(session, apply->path, &changes, &generation, &seconds, &error))
      return lw_fail(error);
    if (changes && !generation)
      lw_session_wait_leases(session, LEASES_WAIT_MS);
    print_applied(invocation, session->lab, changes, g_get_monotonic_time() - start);
    g_autofree char *certificate = lw_router_vm_certificate_note(session);
    if (certificate && !invocation->json)
      g_print("%s\n", certificate);
  }
  g_autofree char *trap = lw_nft_bridge_trap();
  if (trap)
    g_printerr("lanward: %s\n", trap);
  if (!generation)
    return LW_EXIT_OK;
  print_waiting(invocation, seconds);
  return invocation->no_wait ? LW_EXIT_OK : lw_confirm_wait(invocation, generation);
}

/* Flows that open and close; nullable: not known, nothing is there yet. */
typedef struct {
  GPtrArray *opens, *closes; /* of char* */
} Difference;

static void difference_clear(Difference *difference) {
  g_clear_pointer(&difference->opens, g_ptr_array_unref);
  g_clear_pointer(&difference->closes, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Difference, difference_clear)

static void print_flows(const char *head, const GPtrArray *flows) {
  for (guint i = 0; flows && i < flows->len; i++)
    g_print("%s %s\n", head, (char *)flows->pdata[i]);
}

static void add_flows(JsonObject *root, const char *name, const GPtrArray *flows) {
  JsonArray *list = json_array_new();
  for (guint i = 0; flows && i < flows->len; i++)
    json_array_add_string_element(list, flows->pdata[i]);
  json_object_set_array_member(root, name, list);
}

static void print_proved(guint states) {
  if (states == 0)
    g_print("proved: nothing lies between the lab before and the lab after\n");
  else if (states != LW_NONE)
    g_print(
        "proved: none of the %u states on the way lets through what neither the lab before nor the lab after "
        "does\n",
        states);
}

/* states: how many on the way were proved; LW_NONE: none was asked of. */
static int print_plan(const LwInvocation *invocation, const char *lab, const LwPlan *plan,
                      const Difference *difference, guint states, const LwSession *session /* nullable */) {
  g_autoptr(GPtrArray) router = session ? lw_router_lines(session) : g_ptr_array_new();
  g_autofree char *aside = lw_plan_format_aside(plan, invocation->colour);
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_string_member(root, "lab", lab);
    json_object_set_member(root, "changes", lw_plan_to_json(plan));
    add_flows(root, "opens", difference->opens);
    add_flows(root, "closes", difference->closes);
    JsonObject *object = session ? lw_router_json(session) : NULL;
    if (object)
      json_object_set_object_member(root, "router", object);
    if (states != LW_NONE)
      json_object_set_int_member(root, "states_proved", states);
    lw_print_json(root);
    return lw_plan_is_empty(plan) ? LW_EXIT_OK : LW_EXIT_CHANGES;
  }
  for (guint i = 0; i < router->len; i++)
    g_print("%s\n", (char *)router->pdata[i]);
  if (*aside && router->len)
    g_print("left out, and not lanward's to change:\n%s", aside);
  if (lw_plan_is_empty(plan)) {
    g_print(*aside && router->len ? "%s: nothing else to do\n" : "%s: nothing to do, it is already so\n",
            lab);
  } else {
    g_autofree char *text = lw_plan_format(plan, invocation->colour);
    g_print("%s", text);
    print_flows("opens ", difference->opens);
    print_flows("closes", difference->closes);
    print_proved(states);
  }
  return lw_plan_is_empty(plan) ? LW_EXIT_OK : LW_EXIT_CHANGES;
}

static int plan_inside(gpointer data) {
  Apply *apply = data;
  g_autoptr(GError) error = NULL;
  g_auto(Difference) difference = {0};
  g_autoptr(LwSession) session =
      lw_session_open(apply->invocation, g_steal_pointer(&apply->lab), apply->secrets, FALSE, &error);
  if (session) {
    settle_run_time_state(session);
    lw_endpoints_ask_again(session);
  }
  gboolean ready = session && lw_containers_ready(session, &error);
  g_autoptr(LwResourceSet) wanted = ready ? lw_session_wanted(session, &error) : NULL;
  g_autoptr(LwPlan) plan = wanted ? lw_session_plan(session, wanted, &error) : NULL;
  if (!plan || (!lw_plan_is_empty(plan) &&
                !lw_proof_difference(session, plan, wanted, &difference.opens, &difference.closes, &error)))
    return lw_fail(error);
  g_autoptr(GPtrArray) notes = lw_router_vm_notes(session);
  print_notes(notes);
  print_firewall_note(session);
  guint states = LW_NONE;
  gboolean proved = lw_plan_is_empty(plan) || lw_session_prove(session, plan, &states, &error);
  int status = print_plan(apply->invocation, session->lab->name, plan, &difference, proved ? states : LW_NONE,
                          session);
  return proved ? status : lw_fail(error);
}

static int plan_from_nothing(const LwInvocation *invocation, LwLab *lab, LwSecretStore *secrets) {
  g_autoptr(GError) error = NULL;
  const Difference unknown = {0};
  g_autoptr(LwPlan) plan = lw_session_plan_from_nothing(lab, secrets, &error);
  return plan ? print_plan(invocation, lab->name, plan, &unknown, LW_NONE, NULL) : lw_fail(error);
}

/* Loads the file before anything is started: a wrong one, or one that breaks its asserts, creates nothing. */
static int with_file(const LwInvocation *invocation, int (*inside)(gpointer), gboolean start) {
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  const char *path = invocation->args->pdata[0];
  if (!path)
    path = invocation->file ? invocation->file : LW_DEFAULT_FILE;
  g_autofree char *whole = g_canonicalize_filename(path, NULL);
  g_autoptr(GError) error = NULL;
  if (!lw_target_is_twin() && !lw_host_enter(invocation, &error))
    return lw_fail(error); /* before its files are read, which are root's */
  g_autoptr(LwLab) lab = lw_load_asserted_spec(invocation, path, lw_target_spec_flags(), secrets);
  if (!lab)
    return LW_EXIT_ERROR;
  if (!lw_target_is_twin()) {
    Apply here = {invocation, whole, g_steal_pointer(&lab), secrets};
    int code = inside(&here);
    lw_lab_free(here.lab); /* unless the session took it */
    return code;
  }
  pid_t holder = start ? lw_twin_start(invocation->name, &error) : lw_twin_find(invocation->name, &error);
  if (holder < 0)
    return lw_fail(error);
  if (holder == 0)
    return plan_from_nothing(invocation, lab, secrets);
  Apply apply = {invocation, whole, lab, secrets};
  int status = lw_twin_run(invocation->name, inside, &apply, &error);
  return status < 0 ? lw_fail(error) : status;
}

/* Forked by the holder when a daemon of the twin has died: puts the lab in force back, whatever it was. */
static int repair(gpointer data) {
  (void)data;
  LwInvocation invocation = {.twin = TRUE, .verb = "repair", .quiet = TRUE};
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_open(&invocation, NULL, NULL, FALSE, &error);
  if (!session || !lw_session_apply(session, NULL, &error))
    return lw_fail(error);
  return LW_EXIT_OK;
}

int lw_apply_main(const LwInvocation *invocation) {
  if (lw_target_is_twin() && invocation->confirm_seconds && lw_twin_find(invocation->name, NULL) == 0)
    return lw_fail_text("--confirm: there is nothing to go back to yet, no such twin runs");
  lw_twin_set_repair(repair, NULL);
  return with_file(invocation, apply_inside, TRUE);
}

int lw_plan_main(const LwInvocation *invocation) {
  return with_file(invocation, plan_inside, FALSE);
}
