#include "cmd/session.h"

#include "policy/asserts.h"
#include "policy/names.h"
#include "verify/verify.h"

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

static void add_machines(const LwSession *session, LwVerifyWorld *world) {
  for (guint m = 0; m < session->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(session->lab, m);
    g_autofree char *netns = lw_name_cell_ns(machine);
    for (guint n = 0; n < machine->nics->len; n++) {
      guint segment = lw_nic_segment(session->lab, session->facts, m, n);
      LwAddr address = lw_nic_address(session->lab, session->facts, m, n);
      if (segment != LW_NONE && lw_addr_is_set(&address))
        add_place(world, netns, LW_ZONE_SEGMENT, segment, address, machine->name);
    }
  }
}

static void add_probes(const LwSession *session, LwVerifyWorld *world) {
  for (guint i = 0; i < session->facts->probes->len; i++) {
    const LwProbePort *probe = session->facts->probes->pdata[i];
    add_place(world, probe->name, LW_ZONE_SEGMENT, lw_lab_find_segment(session->lab, probe->segment),
              probe->address, probe->name);
  }
}

static void verify_world_clear(LwVerifyWorld *world) {
  g_ptr_array_unref(world->places);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwVerifyWorld, verify_world_clear)

static LwVerifyWorld verify_world(const LwSession *session) {
  const LwTwinWorld *world = session->world;
  LwVerifyWorld v = {
      .places = g_ptr_array_new_with_free_func(place_free),
      .echo = world->echo,
      .home_lan_host = world->home_router,
      .internet_host = world->echo,
      .direct_public = world->home_public,
      .exit_public = world->exit_public,
      .resolver = world->resolver,
      .direct_resolver = world->internet_resolver,
  };
  const LwHost *host = &session->lab->host;
  add_machines(session, &v);
  add_probes(session, &v);
  add_place(&v, "", LW_ZONE_HOST, LW_NONE, host->management.address, "host");
  add_place(&v, session->facts->router_ns, LW_ZONE_ROUTER, LW_NONE, host->management.router, "router");
  add_place(&v, "home-router", LW_ZONE_HOME_LAN, LW_NONE, world->home_router, "home-router");
  add_place(&v, "internet", LW_ZONE_INTERNET, LW_NONE, world->echo, "internet");
  for (guint i = 0; i < session->lab->host.networks->len; i++) {
    const LwNetwork *network = lw_lab_network(session->lab, i);
    g_autofree char *netns = lw_twin_network_ns(network);
    LwPrefix prefix = lw_prefix_network(&network->prefix);
    if (prefix.len <= 29)
      add_place(&v, netns, LW_ZONE_NETWORK, i, lw_addr_add(&prefix.addr, 2), network->name);
  }
  for (guint i = 0; i < session->lab->tunnels->len; i++) {
    const char *name = lw_lab_tunnel(session->lab, i)->name;
    g_autofree char *netns = g_strconcat("tun-", name, NULL);
    const LwAddr *exit = g_hash_table_lookup(world->exit_public, name);
    add_place(&v, netns, LW_ZONE_INTERNET, i, exit ? *exit : LW_ADDR_NONE, name);
  }
  return v;
}

static int print_report(const LwSession *session, const LwVerifyReport *report) {
  if (session->invocation->json) {
    g_autoptr(JsonNode) root = lw_verify_to_json(report);
    g_autofree char *text = json_to_string(root, TRUE);
    g_print("%s\n", text);
  } else {
    g_autofree char *text = lw_verify_format(report, session->lab, session->invocation->colour);
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

/* Probes are machines for a moment: plugged in by one transaction, and out by another, whatever happens
 * between. */
static int verify_inside(LwSession *session) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) none = session->facts->probes;
  session->facts->probes = lw_verify_wanted_probes(session->lab, session->facts);
  g_autoptr(LwVerifyReport) report = NULL;
  if (lw_session_apply(session, NULL, &error)) {
    g_auto(LwVerifyWorld) world = verify_world(session);
    report = lw_verify_live(session->lab, session->facts, &world, &error);
  }
  g_autoptr(GPtrArray) probes = session->facts->probes;
  session->facts->probes = g_steal_pointer(&none);
  g_autoptr(GError) trouble = NULL;
  if (!lw_session_apply(session, NULL, &trouble))
    return lw_fail(trouble);
  if (!report)
    return lw_fail(error);
  add_broken_asserts(session, report);
  return print_report(session, report);
}

int lw_verify_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, FALSE, verify_inside);
}
