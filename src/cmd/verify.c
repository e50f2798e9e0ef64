#include "cmd/echo.h"
#include "cmd/flows.h"
#include "cmd/proof.h"
#include "cmd/router_items.h"
#include "policy/asserts.h"
#include "policy/names.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

static void place_free(gpointer data) {
  LwProbePlace *place = data;
  g_free(place->netns);
  g_free(place->name);
  g_free(place);
}

static void add_place(LwVerifyWorld *world, const char *netns, LwZoneKind kind, guint index, LwAddr address,
                      const char *name) {
  LwProbePlace *place = g_new0(LwProbePlace, 1);
  place->netns = g_strdup(netns);
  place->zone = (LwZone){kind, index};
  place->address = address;
  place->name = g_strdup(name);
  g_ptr_array_add(world->places, place);
}

static gboolean is_cell(const LwFacts *facts, const LwMachine *machine) {
  return facts->cells_stand_in || machine->kind == LW_MACHINE_CELL;
}

static void add_machines(const LwLab *lab, const LwFacts *facts, LwVerifyWorld *world) {
  for (guint m = 0; m < lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(lab, m);
    if (!is_cell(facts, machine) && machine->kind != LW_MACHINE_CONTAINER)
      continue; /* not to be looked into: probes do */
    g_autofree char *netns = lw_name_machine_ns(facts, machine);
    for (guint n = 0; n < machine->nics->len; n++) {
      guint segment = lw_nic_segment(lab, facts, m, n);
      LwAddr address = lw_nic_address(lab, facts, m, n);
      if (netns && segment != LW_NONE && lw_addr_is_set(&address))
        add_place(world, netns, LW_ZONE_SEGMENT, segment, address, machine->name);
    }
  }
}

static void add_probes(const LwLab *lab, const LwFacts *facts, LwVerifyWorld *world) {
  for (guint i = 0; i < facts->probes->len; i++) {
    const LwProbePort *probe = facts->probes->pdata[i];
    add_place(world, probe->name, LW_ZONE_SEGMENT, lw_lab_find_segment(lab, probe->segment), probe->address,
              probe->name);
  }
}

void lw_verify_world_clear(LwVerifyWorld *world) {
  g_ptr_array_unref(world->places);
  g_clear_pointer(&world->open_flows, g_array_unref);
}

/* A public address that is used to be asked by everybody: Quad9's. */
#define SOMEWHERE "9.9.9.9"

/* The host plays its own home LAN, from its own address there. */
static LwVerifyWorld host_world(const LwSession *session, const LwAddr *uplink, const LwAddr *wan) {
  LwVerifyWorld v = {.target = lw_target_name(),
                     .ends_at_exits = TRUE,
                     .opaque_router = session->router_seen != NULL,
                     .router_wan = *wan,
                     .places = g_ptr_array_new_with_free_func(place_free),
                     .home_lan_host = session->host->gateway};
  (void)lw_addr_parse(SOMEWHERE, &v.internet_host);
  const LwHost *host = &session->lab->host;
  add_machines(session->lab, session->facts, &v);
  add_probes(session->lab, session->facts, &v);
  add_place(&v, "", LW_ZONE_HOST, LW_NONE, host->management.address, "host");
  if (!session->router_seen) /* else it is no namespace of this machine */
    add_place(&v, session->facts->router_ns, LW_ZONE_ROUTER, LW_NONE, host->management.router, "router");
  if (lw_addr_is_set(uplink))
    add_place(&v, "", LW_ZONE_HOME_LAN, LW_NONE, *uplink, "home-lan");
  return v;
}

LwVerifyWorld lw_verify_world_of(const LwLab *lab, const LwFacts *facts, const LwTwinWorld *world) {
  LwVerifyWorld v = {
      .target = lw_target_name(),
      .places = g_ptr_array_new_with_free_func(place_free),
      .echo = world->echo,
      .home_lan_host = world->home_router,
      .internet_host = world->echo,
      .direct_public = world->home_public,
      .exit_public = world->exit_public,
      .resolver = world->resolver,
      .direct_resolver = world->internet_resolver,
  };
  const LwHost *host = &lab->host;
  add_machines(lab, facts, &v);
  add_probes(lab, facts, &v);
  add_place(&v, "", LW_ZONE_HOST, LW_NONE, host->management.address, "host");
  add_place(&v, facts->router_ns, LW_ZONE_ROUTER, LW_NONE, host->management.router, "router");
  add_place(&v, "home-router", LW_ZONE_HOME_LAN, LW_NONE, world->home_router, "home-router");
  add_place(&v, "internet", LW_ZONE_INTERNET, LW_NONE, world->echo, "internet");
  for (guint i = 0; i < lab->host.networks->len; i++) {
    const LwNetwork *network = lw_lab_network(lab, i);
    g_autofree char *netns = lw_twin_network_ns(network);
    LwPrefix prefix = lw_prefix_network(&network->prefix);
    if (prefix.len <= 29)
      add_place(&v, netns, LW_ZONE_NETWORK, i, lw_addr_add(&prefix.addr, 2), network->name);
  }
  for (guint i = 0; i < lab->tunnels->len; i++) {
    const char *name = lw_lab_tunnel(lab, i)->name;
    g_autofree char *netns = g_strconcat("tun-", name, NULL);
    const LwAddr *exit = g_hash_table_lookup(world->exit_public, name);
    add_place(&v, netns, LW_ZONE_INTERNET, i, exit ? *exit : LW_ADDR_NONE, name);
  }
  return v;
}

/* wan: an opaque router's address there; unset where it is only assumed. */
static LwVerifyWorld verify_world(const LwSession *session, const LwAddr *uplink, const LwAddr *wan) {
  if (session->host)
    return host_world(session, uplink, wan);
  return lw_verify_world_of(session->lab, session->facts, session->world);
}

static void print_part(const char *text, gpointer data) {
  (void)data;
  fputs(text, stdout);
}

void lw_verify_print_json(const LwVerifyReport *report, const char *name, JsonObject *more) {
  lw_verify_write_json(report, name, more, print_part, NULL);
  fflush(stdout);
}

int lw_verify_print(const LwInvocation *invocation, const LwLab *lab, LwVerifyReport *report) {
  if (invocation->json) {
    lw_verify_print_json(report, NULL, NULL);
  } else {
    g_autofree char *text = lw_verify_format(report, lab, invocation->colour);
    g_print("%s", text);
  }
  return report->violations->len ? LW_EXIT_VIOLATION : LW_EXIT_OK;
}

/* As things stand now: machines where they were moved to, the home LAN known. */
static void add_broken_asserts(const LwSession *session, LwVerifyReport *report) {
  g_autoptr(GPtrArray) broken = lw_policy_broken_asserts(session->lab, session->facts);
  for (guint i = 0; i < broken->len; i++) {
    const LwBrokenAssert *each = broken->pdata[i];
    g_autofree char *place = lw_origin_format(&each->assert->origin);
    g_autofree char *message = lw_broken_assert_message(session->lab, session->facts, each);
    g_ptr_array_add(report->violations, g_strdup_printf("%s: %s", place, message));
  }
}

static LwAddr address_of(const LwResourceSet *seen, const char *ns, const char *link) {
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (r->kind == LW_RES_ADDRESS && r->prefix.addr.family == 4 && g_strcmp0(r->ns ? r->ns : "", ns) == 0 &&
        g_strcmp0(r->link, link) == 0)
      return r->prefix.addr;
  }
  return LW_ADDR_NONE;
}

/* --- the halves
 * ---------------------------------------------------------------------------------------------------- */

/* The cells that the live half would have, its probes' among them: nothing is plugged in. */
static LwVerifyReport *cells_of(LwSession *session, const LwProof *still) {
  LwAddr wan = address_of(still->seen, session->facts->router_ns, LW_ROUTER_WAN);
  LwAddr uplink = address_of(still->seen, "", session->lab->host.bridge);
  g_autoptr(GPtrArray) none = session->facts->probes;
  session->facts->probes = lw_verify_wanted_probes(session->lab, session->facts);
  g_auto(LwVerifyWorld) world = verify_world(session, &uplink, &wan);
  LwVerifyReport *report = lw_verify_cells(session->lab, session->facts, &world, &wan, &uplink, still->proof);
  g_autoptr(GPtrArray) probes = session->facts->probes;
  session->facts->probes = g_steal_pointer(&none);
  return report;
}

/* WAN's address of a router that is not seen into: not one that was only assumed. */
static LwAddr known_wan(const LwSession *session, const LwProof *still) {
  return session->router_seen && !session->router_seen->assumed
             ? address_of(still->seen, session->facts->router_ns, LW_ROUTER_WAN)
             : LW_ADDR_NONE;
}

/* Where a half of the proof was not made, and why. */
static void leave_out(const LwSession *session, const LwAddr *wan, LwVerifyReport *report) {
  if (!session->router_seen)
    return;
  if (!lw_addr_is_set(wan))
    g_ptr_array_add(report->left_out,
                    g_strdup("from the home LAN into the router: its address there is not known"));
  g_ptr_array_add(report->left_out,
                  g_strdup("tunnels that are lost, and open flows by other exits: a virtual "
                           "machine can't be copied; proved by its rules alone"));
}

static LwVerifyReport *send_packets(const LwSession *session, const LwProof *still, GError **error) {
  LwAddr uplink = address_of(still->seen, "", session->lab->host.bridge), wan = known_wan(session, still);
  g_auto(LwVerifyWorld) world = verify_world(session, &uplink, &wan);
  world.open_flows = lw_session_portless_flows(session);
  world.end_flows = world.open_flows ? lw_session_end_portless : NULL;
  world.end_data = (gpointer)session;
  LwVerifyReport *report = lw_verify_live(session->lab, session->facts, &world, still->proof, error);
  if (!report)
    return NULL;
  lw_echo_ask(session, &world, report);
  leave_out(session, &wan, report);
  return report;
}

/* Probes are machines for a moment: plugged in by one transaction, and out by another, whatever happens
 * between. */
static LwVerifyReport *prove_live(LwSession *session, const LwProof *still, GError **error) {
  g_autoptr(GPtrArray) none = session->facts->probes;
  session->facts->probes = lw_verify_wanted_probes(session->lab, session->facts);
  g_autoptr(GError) first = NULL;
  g_autoptr(LwVerifyReport) report = NULL;
  if (lw_session_apply(session, NULL, &first))
    report = send_packets(session, still, &first);
  g_autoptr(GPtrArray) probes = session->facts->probes;
  session->facts->probes = g_steal_pointer(&none);
  if (!lw_session_apply(session, NULL, error))
    return NULL;
  if (!report)
    g_propagate_error(error, g_steal_pointer(&first));
  return g_steal_pointer(&report);
}

static void write_part(const char *text, gpointer file) {
  fputs(text, file);
}

static gboolean fail_junit(const char *path, int number, GError **error) {
  g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "%s: cannot write the JUnit report: %s",
              path, g_strerror(number));
  return FALSE;
}

/* Closes the file. An errno, or 0. */
static int write_junit(const LwVerifyReport *report, FILE *file) {
  lw_verify_write_junit(report, write_part, file);
  int number = fflush(file) != 0 ? errno : ferror(file) ? EIO : 0;
  return fclose(file) == 0 || number ? number : errno;
}

/* Beside it first: whoever reads it sees a whole report or none. */
gboolean lw_verify_save_junit(const LwInvocation *invocation, const LwVerifyReport *report, GError **error) {
  if (!invocation->junit)
    return TRUE;
  g_autofree char *beside = g_strconcat(invocation->junit, ".XXXXXX", NULL);
  int fd = g_mkstemp_full(beside, O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0)
    return fail_junit(invocation->junit, errno, error);
  FILE *file = fdopen(fd, "w");
  int number = file ? 0 : errno;
  if (!file)
    close(fd);
  else
    number = write_junit(report, file);
  if (number == 0 && g_rename(beside, invocation->junit) == 0)
    return TRUE;
  number = number ? number : errno;
  g_unlink(beside);
  return fail_junit(invocation->junit, number, error);
}

static void add_drift(LwVerifyReport *report, const LwProof *still) {
  for (guint i = 0; i < still->drift->len; i++)
    g_ptr_array_add(report->violations, g_strdup(still->drift->pdata[i]));
}

/* A proof says what it took for granted. */
static void tell_assumed(const LwSession *session, LwVerifyReport *report) {
  const LwRouterSeen *router = session->router_seen;
  if (!router || !report->unknowns)
    return;
  if (router->assumed)
    g_ptr_array_add(report->unknowns, g_strdup(router->assumed));
  gboolean told = !session->invocation->json && !session->invocation->quiet;
  for (guint i = 0; told && i < report->unknowns->len; i++)
    g_printerr("note: %s\n", (char *)report->unknowns->pdata[i]);
}

static LwVerifyReport *make_report(LwSession *session, const LwProof *still, gboolean live, GError **error) {
  if (!live)
    return cells_of(session, still);
  /* Plugging probes in would put right what is not as compiled, before a packet could show what comes of it:
   * then the machines that are there have to do. */
  LwVerifyReport *report =
      still->drift->len ? send_packets(session, still, error) : prove_live(session, still, error);
  if (report)
    lw_proof_lost_tunnels(session, still, report);
  return report;
}

static int verify_inside(LwSession *session) {
  const LwInvocation *invocation = session->invocation;
  gboolean both = invocation->statically == invocation->live;
  g_autoptr(GError) error = NULL;
  g_auto(LwProof) still = {0};
  gint64 start = g_get_monotonic_time();
  if (!lw_proof_look(session, &still, &error))
    return lw_fail(error);
  lw_proof_prove(session, &still); /* the packets are made of it, too */
  g_autoptr(LwVerifyReport) report = make_report(session, &still, both || invocation->live, &error);
  if (!report)
    return lw_fail(error);
  if (!both && invocation->live && report->packets == 0)
    return lw_fail_text("%s",
                        report->left_out->len ? (char *)report->left_out->pdata[0] : "no packet was sent");
  add_drift(report, &still);
  if (both || invocation->statically) {
    lw_static_report(still.proof, report);
    lw_verify_add_disagreements(report);
  }
  add_broken_asserts(session, report);
  tell_assumed(session, report);
  lw_verify_complete(report, session->lab);
  report->elapsed_ms = (g_get_monotonic_time() - start) / 1000;
  return lw_verify_save_junit(invocation, report, &error) ? lw_verify_print(invocation, session->lab, report)
                                                          : lw_fail(error);
}

int lw_verify_main(const LwInvocation *invocation) {
  if (invocation->config)
    return lw_verify_config(invocation);
  return lw_session_run(invocation, FALSE, verify_inside);
}
