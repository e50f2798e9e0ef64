#include "verify/flows.h"

#include "policy/names.h"

#define MACHINES_TRIED 6 /* of each other segment: more of the same tell nothing new */

typedef struct {
  const LwLab *lab;
  const LwFacts *facts;
  const LwVerifyWorld *world;
  const LwSurroundings *around;
  const LwFlowSink *sink;
  GPtrArray *flows;
  GPtrArray *places;                      /* of GArray of guint: the places of each segment, in order */
  GPtrArray *receivers;                   /* of GArray of guint: those of each segment that others send to */
  guint *machine;                         /* place -> the machine of that name, or LW_NONE */
  guint host, router, internet, home_lan; /* places, or LW_NONE */
} Make;

void lw_cell_free(LwCell *cell) {
  if (!cell)
    return;
  g_free(cell->from);
  g_free(cell->to);
  g_free(cell->service);
  g_free(cell->reason);
  g_free(cell->note);
  g_free(cell->machine);
  g_free(cell);
}

void lw_flow_free(LwFlow *flow) {
  if (!flow)
    return;
  lw_cell_free(flow->cell);
  g_free(flow);
}

static void flow_free(gpointer data) {
  lw_flow_free(data);
}

static const LwProbePlace *place_at(const LwVerifyWorld *world, guint index) {
  return g_ptr_array_index(world->places, index);
}

guint lw_verify_place_of(const LwVerifyWorld *world, LwZoneKind kind, guint index) {
  for (guint i = 0; i < world->places->len; i++) {
    const LwProbePlace *place = place_at(world, i);
    if (place->zone.kind == kind && (index == LW_NONE || place->zone.index == index) &&
        !(kind == LW_ZONE_INTERNET && place->zone.index != index))
      return i;
  }
  return LW_NONE;
}

LwZone lw_verify_zone_of(const LwLab *lab, const LwFacts *facts, const LwAddr *addr) {
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    if (lw_prefix_contains(&segment->subnet, addr))
      return lw_addr_equal(addr, &segment->router) ? (LwZone){LW_ZONE_ROUTER, i}
                                                   : (LwZone){LW_ZONE_SEGMENT, i};
  }
  if (lw_addr_equal(addr, &lab->host.management.address))
    return (LwZone){LW_ZONE_HOST, LW_NONE};
  if (lw_addr_equal(addr, &lab->host.management.router))
    return (LwZone){LW_ZONE_ROUTER, LW_NONE};
  for (guint i = 0; i < lab->host.networks->len; i++)
    if (lw_prefix_contains(&lw_lab_network(lab, i)->prefix, addr))
      return (LwZone){LW_ZONE_NETWORK, i};
  if (facts->home_lan.addr.family && lw_prefix_contains(&facts->home_lan, addr))
    return (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
  return (LwZone){LW_ZONE_INTERNET, LW_NONE};
}

char *lw_verify_zone_name(const LwLab *lab, const LwZone *zone, const char *machine) {
  switch (zone->kind) {
  case LW_ZONE_SEGMENT:
    return machine ? g_strdup_printf("%s/%s", lw_lab_segment(lab, zone->index)->name, machine)
                   : g_strdup(lw_lab_segment(lab, zone->index)->name);
  case LW_ZONE_HOST:
    return g_strdup("host");
  case LW_ZONE_ROUTER:
    return g_strdup("router");
  case LW_ZONE_INTERNET:
    return zone->index == LW_NONE ? g_strdup("internet")
                                  : g_strdup_printf("internet/%s", lw_lab_tunnel(lab, zone->index)->name);
  case LW_ZONE_HOME_LAN:
    return g_strdup("home-lan");
  case LW_ZONE_NETWORK:
    return g_strdup(lw_lab_network(lab, zone->index)->name);
  }
  return g_strdup("");
}

static char *service_name(LwProto proto, guint16 port) {
  return proto == LW_PROTO_ICMP ? g_strdup("icmp") : g_strdup_printf("%s/%u", lw_proto_name(proto), port);
}

/* A second NIC answers by its machine's default route, which is the first NIC's. machine: the receiver's. */
static gboolean answers_elsewhere(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                                  const LwFlow *flow, guint machine) {
  if (flow->receiver == LW_NONE)
    return TRUE;
  const LwProbePlace *to = place_at(world, flow->receiver);
  if (to->zone.kind != LW_ZONE_SEGMENT)
    return FALSE;
  if (machine == LW_NONE || lw_lab_machine(lab, machine)->nics->len < 2)
    return FALSE;
  if (lw_prefix_contains(&lw_lab_segment(lab, to->zone.index)->subnet, &flow->cell->question.source))
    return FALSE;
  LwAddr first = lw_nic_address(lab, facts, machine, 0);
  return !lw_addr_equal(&first, &to->address);
}

typedef LwWay Way;

/* sender, receiver: the machines of the two places, LW_NONE where they are none. */
static LwFlow *flow_new(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world, const Way *way,
                        LwProto proto, guint16 port, guint sender, guint receiver) {
  LwFlow *flow = g_new0(LwFlow, 1);
  LwCell *cell = flow->cell = g_new0(LwCell, 1);
  cell->question = (LwFlowQuestion){.from = way->from,
                                    .to = way->to,
                                    .source = way->source,
                                    .destination = way->destination,
                                    .proto = proto,
                                    .port = proto == LW_PROTO_ICMP ? 0 : port};
  LwFlowAnswer answer;
  lw_intent_answer(lab, facts, &cell->question, &answer);
  cell->expect = answer.allow;
  cell->origin = answer.origin;
  cell->reason = g_steal_pointer(&answer.reason);
  lw_flow_answer_clear(&answer);
  cell->from = lw_verify_zone_name(lab, &way->from, NULL);
  cell->to = way->column ? g_strdup(way->column) : lw_verify_zone_name(lab, &way->to, NULL);
  cell->service = service_name(proto, port);
  if (sender != LW_NONE)
    cell->machine = g_strdup(lw_lab_machine(lab, sender)->name);
  cell->family = 4;
  cell->by_bridge = way->via == LW_VIA_BRIDGE;
  cell->by_frame = way->via == LW_VIA_LINK || way->via == LW_VIA_BRIDGE || way->via == LW_VIA_ALL;
  flow->place = way->place;
  flow->receiver = way->receiver;
  flow->exit = answer.exit;
  flow->via = way->via;
  flow->family = 4;
  flow->redirected =
      way->from.kind == LW_ZONE_SEGMENT && proto != LW_PROTO_ICMP && port == 53 && !cell->expect;
  flow->cannot_answer = answers_elsewhere(lab, facts, world, flow, receiver);
  return flow;
}

static guint machine_at(const LwLab *lab, const LwVerifyWorld *world, guint place) {
  return place == LW_NONE ? LW_NONE : lw_lab_find_machine(lab, place_at(world, place)->name);
}

LwFlow *lw_verify_flow_new(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world, const Way *way,
                           LwProto proto, guint16 port) {
  return flow_new(lab, facts, world, way, proto, port, machine_at(lab, world, way->place),
                  machine_at(lab, world, way->receiver));
}

static guint machine_of(const Make *m, guint place) {
  return place == LW_NONE ? LW_NONE : m->machine[place];
}

static LwFlow *add_flow(const Make *m, const Way *way, LwProto proto, guint16 port) {
  LwFlow *flow = flow_new(m->lab, m->facts, m->world, way, proto, port, machine_of(m, way->place),
                          machine_of(m, way->receiver));
  g_ptr_array_add(m->flows, flow);
  return flow;
}

/* A flow that no line can allow, for a reason of its own. */
static LwFlow *add_forbidden(const Make *m, const Way *way, LwProto proto, guint16 port, const char *service,
                             const char *reason) {
  LwFlow *flow = add_flow(m, way, proto, port);
  flow->cell->expect = FALSE;
  flow->receiver = LW_NONE;
  g_free(flow->cell->service);
  flow->cell->service = g_strdup(service);
  g_free(flow->cell->reason);
  flow->cell->reason = g_strdup(reason);
  if (way->from.kind == LW_ZONE_SEGMENT)
    flow->cell->origin = lw_lab_segment(m->lab, way->from.index)->origin;
  return flow;
}

/* --- the edges of ports
 * --------------------------------------------------------------------------------------- */

static void add_port(GArray *list, LwProto proto, gint64 port) {
  if (port < 1 || port > 65535)
    return;
  /* 53 and 853 across zones belong to dns-foreign, whatever the target: they have cells of their own */
  if (port == 53 || port == 853)
    return;
  LwPorts one = {proto, (guint16)port, (guint16)port};
  for (guint i = 0; i < list->len; i++) {
    const LwPorts *known = &g_array_index(list, LwPorts, i);
    if (known->proto == proto && known->first_port == one.first_port)
      return;
  }
  g_array_append_val(list, one);
}

/* Just inside and just outside, with both transports: a port opened for one must not be open for the other.
 */
static void add_edges(GArray *list, const LwPorts *ports) {
  if (ports->proto != LW_PROTO_TCP && ports->proto != LW_PROTO_UDP)
    return;
  const LwProto both[] = {LW_PROTO_TCP, LW_PROTO_UDP};
  for (guint i = 0; i < G_N_ELEMENTS(both); i++) {
    add_port(list, both[i], (gint64)ports->first_port - 1);
    add_port(list, both[i], ports->first_port);
    add_port(list, both[i], ports->last_port);
    add_port(list, both[i], (gint64)ports->last_port + 1);
  }
}

static void add_edges_of(GArray *list, const GArray *ports) {
  for (guint i = 0; i < ports->len; i++)
    add_edges(list, &g_array_index(ports, LwPorts, i));
}

static void add_edges_of_lines(GArray *list, const GPtrArray *lines, LwTargetKind kind, guint index) {
  for (guint i = 0; i < lines->len; i++) {
    const LwAllow *allow = g_ptr_array_index(lines, i);
    gboolean fits = allow->target.kind == kind && (index == LW_NONE || allow->target.index == index);
    if (fits)
      add_edges_of(list, allow->ports);
  }
}

static GArray *ports_new(void) {
  return g_array_new(FALSE, FALSE, sizeof(LwPorts));
}

static void add_flows(const Make *m, const Way *way, const GArray *ports) {
  add_flow(m, way, LW_PROTO_ICMP, 0);
  for (guint i = 0; i < ports->len; i++) {
    const LwPorts *one = &g_array_index(ports, LwPorts, i);
    add_flow(m, way, one->proto, one->first_port);
  }
}

static const char *host_service_of(const LwLab *lab, LwProto proto, guint16 port) {
  for (guint i = 0; i < lab->host.services->len; i++) {
    const LwService *service = lw_lab_service(lab, i);
    for (guint j = 0; j < service->ports->len; j++) {
      const LwPorts *p = &g_array_index(service->ports, LwPorts, j);
      if (p->proto == proto && (proto == LW_PROTO_ICMP || (p->first_port <= port && port <= p->last_port)))
        return service->name;
    }
  }
  return NULL;
}

/* --- from a segment
 * --------------------------------------------------------------------------------------------- */

static Way from_place(const Make *m, guint index) {
  const LwProbePlace *place = place_at(m->world, index);
  return (Way){.place = index,
               .source = place->address,
               .from = place->zone,
               .receiver = LW_NONE,
               .via = place->zone.kind == LW_ZONE_SEGMENT ? LW_VIA_GATEWAY : LW_VIA_ROUTES};
}

static void to_internet(const Make *m, Way way) {
  const LwAddr hosts[] = {m->world->internet_host, m->world->echo};
  way.to = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  for (guint i = 0; i < G_N_ELEMENTS(hosts); i++) {
    if (!lw_addr_is_set(&hosts[i]) || (i && lw_addr_equal(&hosts[0], &hosts[i])))
      continue;
    way.destination = hosts[i];
    way.receiver = m->internet;
    add_flow(m, &way, LW_PROTO_ICMP, 0);
    add_flow(m, &way, LW_PROTO_TCP, 443);
    add_flow(m, &way, LW_PROTO_UDP, 443);
    if (i)
      continue;
    add_flow(m, &way, LW_PROTO_UDP, 53);
    add_flow(m, &way, LW_PROTO_TCP, 53);
    add_flow(m, &way, LW_PROTO_TCP, 853);
  }
  way.receiver = LW_NONE;
  if (!lw_addr_parse("9.9.9.9", &way.destination)) /* public, and nobody's in particular */
    return;
  add_flow(m, &way, LW_PROTO_ICMP, 0);
}

static gboolean is_used(const Make *m, const LwAddr *addr) {
  if (lw_prefix_contains(&m->lab->host.management.subnet, addr) ||
      (m->facts->home_lan.addr.family && lw_prefix_contains(&m->facts->home_lan, addr)))
    return TRUE;
  for (guint i = 0; i < m->lab->segments->len; i++)
    if (lw_prefix_contains(&lw_lab_segment(m->lab, i)->subnet, addr))
      return TRUE;
  for (guint i = 0; i < m->lab->host.networks->len; i++)
    if (lw_prefix_contains(&lw_lab_network(m->lab, i)->prefix, addr))
      return TRUE;
  return FALSE;
}

/* What "internet" leaves out: an address of each private, shared, link-local and multicast prefix. */
static void to_special(const Make *m, Way way) {
  static const char *const samples[] = {"10.254.253.1", "172.31.253.1", "192.168.253.1", "100.64.0.1",
                                        "169.254.1.1",  "198.18.0.1",   "224.0.0.251"};
  way.to = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  way.column = "private";
  for (guint i = 0; i < G_N_ELEMENTS(samples); i++) {
    if (!lw_addr_parse(samples[i], &way.destination) || is_used(m, &way.destination))
      continue;
    add_flow(m, &way, LW_PROTO_ICMP, 0);
    add_flow(m, &way, LW_PROTO_UDP, 443);
  }
}

static void to_home_lan(const Make *m, Way way) {
  g_autoptr(GArray) ports = ports_new();
  add_port(ports, LW_PROTO_TCP, 80);
  if (way.from.kind == LW_ZONE_SEGMENT)
    add_edges_of_lines(ports, lw_lab_segment(m->lab, way.from.index)->allow, LW_TARGET_HOME_LAN, LW_NONE);
  way.to = (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
  way.destination = m->world->home_lan_host;
  /* played by the host, it is no receiver */
  way.receiver = m->world->ends_at_exits ? LW_NONE : m->home_lan;
  if (lw_addr_is_set(&way.destination))
    add_flows(m, &way, ports);
  way.destination = m->around->host_uplink;
  way.receiver = m->host;
  if (lw_addr_is_set(&way.destination))
    add_flows(m, &way, ports);
}

/* Whoever takes the flows has no need to see these: all of them must be stopped, and are. */
static gboolean is_left_out(const Make *m, const Way *way, guint count) {
  return m->sink->stopped && m->sink->stopped(way, count, m->sink->data);
}

#define ROUTER_FLOWS 4

static void to_router_address(const Make *m, Way way, LwAddr address) {
  if (!lw_addr_is_set(&address))
    return;
  way.destination = address;
  add_flow(m, &way, LW_PROTO_ICMP, 0);
  add_flow(m, &way, LW_PROTO_TCP, 22);
  add_flow(m, &way, LW_PROTO_TCP, 80);
  add_flow(m, &way, LW_PROTO_TCP, 443);
}

static void to_own_gateway(const Make *m, Way way) {
  to_router_address(m, way, lw_lab_segment(m->lab, way.from.index)->router);
  way.destination = lw_lab_segment(m->lab, way.from.index)->router;
  add_flow(m, &way, LW_PROTO_UDP, 53);
  add_flow(m, &way, LW_PROTO_TCP, 53);
  add_flow(m, &way, LW_PROTO_TCP, 853);
  add_flow(m, &way, LW_PROTO_UDP, 123);
  add_flow(m, &way, LW_PROTO_UDP, 161);
}

static void to_router(const Make *m, Way way, gboolean full) {
  way.to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  way.receiver = m->router;
  to_own_gateway(m, way);
  to_router_address(m, way, m->lab->host.management.router);
  to_router_address(m, way, m->around->router_wan);
  if (!full)
    return;
  for (guint i = 0; i < m->lab->segments->len; i++)
    if (i != way.from.index && !is_left_out(m, &way, ROUTER_FLOWS)) /* no line opens another's gateway */
      to_router_address(m, way, lw_lab_segment(m->lab, i)->router);
  for (guint i = 0; i < m->lab->tunnels->len; i++)
    to_router_address(m, way, lw_tunnel_address(lw_lab_tunnel(m->lab, i)));
}

static void to_host(const Make *m, Way way) {
  const LwSegment *s = lw_lab_segment(m->lab, way.from.index);
  g_autoptr(GArray) ports = ports_new();
  add_port(ports, LW_PROTO_TCP, 22);
  add_port(ports, LW_PROTO_UDP, 9);
  for (guint i = 0; i < m->lab->host.services->len; i++)
    add_edges_of(ports, lw_lab_service(m->lab, i)->ports);
  add_edges_of_lines(ports, s->allow, LW_TARGET_HOST, LW_NONE);
  add_edges_of_lines(ports, s->allow, LW_TARGET_HOST_SERVICE, LW_NONE);
  way.to = (LwZone){LW_ZONE_HOST, LW_NONE};
  way.destination = m->lab->host.management.address;
  way.receiver = m->host;
  guint before = m->flows->len;
  add_flows(m, &way, ports);
  for (guint i = before; i < m->flows->len; i++) {
    LwCell *cell = ((LwFlow *)g_ptr_array_index(m->flows, i))->cell;
    const char *service = host_service_of(m->lab, cell->question.proto, cell->question.port);
    if (!service)
      continue;
    char *text = cell->question.proto == LW_PROTO_ICMP ? g_strdup(service)
                                                       : g_strdup_printf("%s %s", service, cell->service);
    g_free(cell->service);
    cell->service = text;
  }
}

static void to_networks(const Make *m, Way way) {
  g_autoptr(GArray) ports = ports_new();
  add_port(ports, LW_PROTO_TCP, 80);
  add_edges_of_lines(ports, lw_lab_segment(m->lab, way.from.index)->allow, LW_TARGET_NETWORK, LW_NONE);
  for (guint i = 0; i < m->lab->host.networks->len; i++) {
    LwPrefix network = lw_lab_network(m->lab, i)->prefix;
    way.to = (LwZone){LW_ZONE_NETWORK, i};
    way.receiver = LW_NONE;
    for (guint p = 0; p < m->world->places->len; p++)
      if (place_at(m->world, p)->zone.kind == LW_ZONE_NETWORK && place_at(m->world, p)->zone.index == i)
        way.receiver = p;
    LwAddr first = lw_prefix_network(&network).addr;
    way.destination = way.receiver == LW_NONE ? lw_addr_add(&first, network.len < 31 ? 2 : 0)
                                              : place_at(m->world, way.receiver)->address;
    add_flows(m, &way, ports);
  }
}

static const GArray *places_in(const Make *m, guint segment) {
  return g_ptr_array_index(m->places, segment);
}

/* The places of a segment to send to: its machines; a probe where it has none. */
static GArray *receivers_in(const Make *m, guint segment, guint not_place) {
  GArray *list = g_array_new(FALSE, FALSE, sizeof(guint));
  const GArray *there = places_in(m, segment);
  for (guint pass = 0; pass < 2 && list->len == 0; pass++)
    for (guint i = 0; i < there->len && list->len < MACHINES_TRIED; i++) {
      guint index = g_array_index(there, guint, i);
      const LwProbePlace *place = place_at(m->world, index);
      if (index != not_place && lw_addr_is_set(&place->address) && (pass || m->machine[index] != LW_NONE))
        g_array_append_val(list, index);
      if (pass && list->len)
        break;
    }
  return list;
}

static void to_segment(const Make *m, Way way, guint segment, const GPtrArray *lines, gboolean full) {
  way.to = (LwZone){LW_ZONE_SEGMENT, segment};
  gboolean own = way.from.kind == LW_ZONE_SEGMENT && way.from.index == segment;
  g_autoptr(GArray) receivers =
      own ? receivers_in(m, segment, way.place) : g_array_ref(m->receivers->pdata[segment]);
  if (!lw_intent_may_enter(m->lab, &way.from, segment) &&
      is_left_out(m, &way, receivers->len * (full ? 3 : 2))) /* the flows of below, where no line adds any */
    return;
  g_autoptr(GArray) ports = ports_new();
  add_port(ports, LW_PROTO_TCP, 22);
  if (full)
    add_port(ports, LW_PROTO_UDP, 9);
  add_edges_of_lines(ports, lines, LW_TARGET_SEGMENT, segment);
  add_edges_of_lines(ports, lines, LW_TARGET_MACHINE, segment);
  for (guint i = 0; i < receivers->len; i++) {
    way.receiver = g_array_index(receivers, guint, i);
    way.destination = place_at(m->world, way.receiver)->address;
    if (!lw_addr_equal(&way.destination, &way.source))
      add_flows(m, &way, ports);
  }
}

static void to_segments(const Make *m, Way way, gboolean full) {
  const GPtrArray *lines = lw_lab_segment(m->lab, way.from.index)->allow;
  for (guint i = 0; i < m->lab->segments->len; i++) {
    gboolean inside = i == way.from.index;
    way.via = inside ? LW_VIA_LINK : LW_VIA_GATEWAY;
    if (full || !inside)
      to_segment(m, way, i, lines, full);
  }
}

/* --- round the router
 * -------------------------------------------------------------------------------------------- */

static const char around[] = "around";

static LwAddr address_elsewhere(const Make *m, guint segment) {
  for (guint i = 0; i < m->world->places->len; i++) {
    const LwProbePlace *place = place_at(m->world, i);
    if (place->zone.kind == LW_ZONE_SEGMENT && place->zone.index != segment &&
        lw_addr_is_set(&place->address))
      return place->address;
  }
  return LW_ADDR_NONE;
}

/* By the bridge's own MAC the host itself would route: to the world, to itself, to another segment. */
static void by_the_bridge(const Make *m, Way way) {
  static const char reason[] = "a segment's bridge answers nobody: the way out is the router alone";
  if (m->host == LW_NONE)
    return;
  way.via = LW_VIA_BRIDGE;
  way.column = around;
  struct {
    LwZone zone;
    LwAddr address;
    const char *service;
  } const to[] = {
      {{LW_ZONE_INTERNET, LW_NONE}, m->world->internet_host, "bridge: internet icmp"},
      {{LW_ZONE_HOST, LW_NONE}, m->lab->host.management.address, "bridge: host icmp"},
      {{LW_ZONE_HOST, LW_NONE}, m->around->host_uplink, "bridge: host uplink icmp"},
      {{LW_ZONE_HOME_LAN, LW_NONE}, m->world->home_lan_host, "bridge: home-lan icmp"},
      {{LW_ZONE_INTERNET, LW_NONE}, address_elsewhere(m, way.from.index), "bridge: other segment icmp"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(to); i++) {
    if (!lw_addr_is_set(&to[i].address))
      continue;
    way.to = to[i].zone;
    way.destination = to[i].address;
    add_forbidden(m, &way, LW_PROTO_ICMP, 0, to[i].service, reason);
  }
  way.to = (LwZone){LW_ZONE_HOST, LW_NONE};
  way.destination = m->lab->host.management.address;
  add_forbidden(m, &way, LW_PROTO_TCP, 22, "bridge: host tcp/22", reason);
}

static void by_ipv6(const Make *m, Way way) {
  static const char reason[] = "IPv6 is off, and dropped";
  struct {
    const char *address;
    LwVia via;
    const char *service;
  } const to[] = {
      {"ff02::1", LW_VIA_ALL, "IPv6: all nodes"},
      {"ff02::2", LW_VIA_GATEWAY, "IPv6: gateway"},
      {"2001:4860:4860::8888", LW_VIA_GATEWAY, "IPv6: internet"},
      {"2001:4860:4860::8888", LW_VIA_BRIDGE, "IPv6: internet by the bridge"},
      {"ff02::1", LW_VIA_BRIDGE, "IPv6: host"},
  };
  way.column = around;
  way.to = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  for (guint i = 0; i < G_N_ELEMENTS(to); i++) {
    way.via = to[i].via;
    gboolean has_host = m->host != LW_NONE;
    if (!lw_addr_parse(to[i].address, &way.destination) || (to[i].via == LW_VIA_BRIDGE && !has_host))
      continue;
    LwFlow *flow = add_forbidden(m, &way, LW_PROTO_ICMP, 0, to[i].service, reason);
    flow->family = 6;
    flow->cell->family = 6;
  }
}

static gboolean may_spoof(const Make *m, guint index) {
  guint machine = m->machine[index];
  if (machine == LW_NONE)
    return FALSE;
  const LwProbePlace *place = place_at(m->world, index);
  const LwMachine *it = lw_lab_machine(m->lab, machine);
  for (guint n = 0; n < it->nics->len; n++)
    if (lw_nic_segment(m->lab, m->facts, machine, n) == place->zone.index && lw_machine_nic(it, n)->spoof_ok)
      return TRUE;
  return FALSE;
}

/* With the address of another segment, of the host, and of a neighbour. */
static void by_false_sources(const Make *m, Way way) {
  const LwProbePlace *place = place_at(m->world, way.place);
  g_autoptr(GArray) near = receivers_in(m, way.from.index, way.place);
  struct {
    LwAddr source;
    const char *what;
    gboolean in_segment;
  } const claims[] = {
      {address_elsewhere(m, way.from.index), "another segment's", FALSE},
      {m->lab->host.management.address, "the host's", FALSE},
      {near->len ? place_at(m->world, g_array_index(near, guint, 0))->address : LW_ADDR_NONE, "a neighbour's",
       TRUE},
  };
  way.column = around;
  for (guint i = 0; i < G_N_ELEMENTS(claims); i++) {
    if (!lw_addr_is_set(&claims[i].source) || (claims[i].in_segment && may_spoof(m, way.place)) ||
        lw_addr_equal(&claims[i].source, &place->address))
      continue;
    way.source = claims[i].source;
    const struct {
      LwZone zone;
      LwAddr address;
      const char *name;
    } to[] = {{{LW_ZONE_INTERNET, LW_NONE}, m->world->internet_host, "internet"},
              {{LW_ZONE_HOST, LW_NONE}, m->lab->host.management.address, "host"}};
    for (guint j = 0; j < G_N_ELEMENTS(to); j++) {
      if (!lw_addr_is_set(&to[j].address) || lw_addr_equal(&to[j].address, &way.source))
        continue;
      g_autofree char *service = g_strdup_printf("as %s: %s icmp", claims[i].what, to[j].name);
      way.to = to[j].zone;
      way.destination = to[j].address;
      add_forbidden(m, &way, LW_PROTO_ICMP, 0, service, "a machine speaks under its own address alone");
    }
  }
}

static gboolean is_first_of_segment(const Make *m, guint index) {
  return g_array_index(places_in(m, place_at(m->world, index)->zone.index), guint, 0) == index;
}

static void from_segment(const Make *m, guint index) {
  Way way = from_place(m, index);
  if (!lw_addr_is_set(&way.source))
    return;
  gboolean first = is_first_of_segment(m, index);
  gboolean full = first || m->machine[index] != LW_NONE;
  to_internet(m, way);
  to_home_lan(m, way);
  to_host(m, way);
  to_router(m, way, first);
  to_segments(m, way, full);
  to_networks(m, way);
  if (!first)
    return; /* what follows does not depend on which source of the segment it is */
  to_special(m, way);
  by_the_bridge(m, way);
  by_ipv6(m, way);
  by_false_sources(m, way);
}

/* --- from the host and from outside
 * --------------------------------------------------------------------------------- */

static void from_host(const Make *m, guint index) {
  Way way = from_place(m, index);
  way.source = m->lab->host.management.address;
  way.to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  way.receiver = m->router;
  to_router_address(m, way, m->lab->host.management.router);
  way.destination = m->lab->host.management.router;
  add_flow(m, &way, LW_PROTO_UDP, 53);
  add_flow(m, &way, LW_PROTO_TCP, 8080);
  for (guint i = 0; i < m->lab->segments->len; i++) {
    to_segment(m, way, i, lw_lab_segment(m->lab, i)->host_allow, TRUE);
    way.to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
    way.receiver = m->router;
    way.destination = lw_lab_segment(m->lab, i)->router;
    add_flow(m, &way, LW_PROTO_TCP, 80);
  }
}

/* The machine that a port is forwarded to when the answer is yes. */
static guint forward_receiver(const Make *m, const LwFlowQuestion *question) {
  for (guint i = 0; i < m->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(m->lab, i);
    for (guint j = 0; j < s->forwards->len; j++) {
      const LwForward *f = g_ptr_array_index(s->forwards, j);
      gboolean proto = question->proto == LW_PROTO_TCP ? f->tcp : question->proto == LW_PROTO_UDP && f->udp;
      guint exit = question->from.kind == LW_ZONE_INTERNET ? question->from.index : LW_NONE;
      if (!proto || question->port < f->first_port || question->port > f->last_port ||
          lw_exit_of_source(m->lab, m->facts, i, &f->address) != exit)
        continue;
      for (guint p = 0; p < m->world->places->len; p++)
        if (lw_addr_equal(&place_at(m->world, p)->address, &f->address) &&
            place_at(m->world, p)->zone.kind == LW_ZONE_SEGMENT)
          return p;
    }
  }
  return LW_NONE;
}

static void to_entrance(const Make *m, Way way, LwAddr entrance) {
  if (!lw_addr_is_set(&entrance))
    return;
  g_autoptr(GArray) ports = ports_new();
  const guint16 usual[] = {22, 80, 443, 51413};
  for (guint i = 0; i < G_N_ELEMENTS(usual); i++)
    add_port(ports, LW_PROTO_TCP, usual[i]);
  add_port(ports, LW_PROTO_UDP, 51413);
  for (guint i = 0; i < m->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(m->lab, i);
    for (guint j = 0; j < s->forwards->len; j++) {
      const LwForward *f = g_ptr_array_index(s->forwards, j);
      LwPorts range = {LW_PROTO_TCP, f->first_port, f->last_port};
      add_edges(ports, &range);
    }
  }
  way.to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  way.destination = entrance;
  guint before = m->flows->len;
  add_flows(m, &way, ports);
  add_flow(m, &way, LW_PROTO_UDP, 53);
  add_flow(m, &way, LW_PROTO_TCP, 53);
  for (guint i = before; i < m->flows->len; i++) {
    LwFlow *flow = g_ptr_array_index(m->flows, i);
    if (!flow->cell->expect)
      continue;
    flow->receiver = forward_receiver(m, &flow->cell->question);
    flow->cannot_answer = answers_elsewhere(m->lab, m->facts, m->world, flow, machine_of(m, flow->receiver));
  }
}

static void past_the_entrance(const Make *m, Way way) {
  static const GPtrArray no_lines = {0};
  for (guint i = 0; i < m->lab->segments->len; i++)
    to_segment(m, way, i, &no_lines, FALSE);
  way.to = (LwZone){LW_ZONE_HOST, LW_NONE};
  way.destination = m->lab->host.management.address;
  way.receiver = LW_NONE;
  add_flow(m, &way, LW_PROTO_ICMP, 0);
  add_flow(m, &way, LW_PROTO_TCP, 22);
}

/* The home router's place plays its own LAN and, with a foreign source, the internet that it would route in.
 */
static void from_home_lan(const Make *m, guint index) {
  if (!lw_addr_is_set(&m->around->router_wan))
    return;
  Way way = from_place(m, index);
  way.via = LW_VIA_WAN;
  way.from = (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
  to_entrance(m, way, m->around->router_wan);
  past_the_entrance(m, way);
  if (!lw_addr_is_set(&m->world->internet_host) || m->world->ends_at_exits)
    return; /* the answers would go to whoever has that address */
  way.from = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  way.source = m->world->internet_host;
  to_entrance(m, way, m->around->router_wan);
  past_the_entrance(m, way);
}

static void from_tunnel(const Make *m, guint index) {
  Way way = from_place(m, index);
  if (lw_addr_is_set(&m->world->internet_host))
    way.source = m->world->internet_host;
  to_entrance(m, way, lw_tunnel_address(lw_lab_tunnel(m->lab, way.from.index)));
}

static void array_unref(gpointer array) {
  g_array_unref(array);
}

static GPtrArray *places_by_segment(const LwLab *lab, const LwVerifyWorld *world) {
  GPtrArray *segments = g_ptr_array_new_with_free_func(array_unref);
  for (guint i = 0; i < lab->segments->len; i++)
    g_ptr_array_add(segments, g_array_new(FALSE, FALSE, sizeof(guint)));
  for (guint i = 0; i < world->places->len; i++)
    if (place_at(world, i)->zone.kind == LW_ZONE_SEGMENT)
      g_array_append_val((GArray *)segments->pdata[place_at(world, i)->zone.index], i);
  return segments;
}

/* A machine's name is looked up once, not for each of a million cells. */
static guint *machines_of_places(const LwLab *lab, const LwVerifyWorld *world) {
  g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
  guint *machine = g_new0(guint, world->places->len + 1);
  for (guint i = lab->machines->len; i > 0; i--)
    g_hash_table_insert(known, lw_lab_machine(lab, i - 1)->name, GUINT_TO_POINTER(i));
  for (guint i = 0; i < world->places->len; i++) {
    guint number = GPOINTER_TO_UINT(g_hash_table_lookup(known, place_at(world, i)->name));
    machine[i] = number ? number - 1 : LW_NONE;
  }
  return machine;
}

static void from_place_at(const Make *m, guint index, gboolean *home) {
  const LwProbePlace *place = place_at(m->world, index);
  if (place->zone.kind == LW_ZONE_SEGMENT) {
    from_segment(m, index);
  } else if (place->zone.kind == LW_ZONE_HOST) {
    from_host(m, index);
  } else if (place->zone.kind == LW_ZONE_INTERNET && place->zone.index != LW_NONE) {
    from_tunnel(m, index);
  } else if (place->zone.kind == LW_ZONE_HOME_LAN && !*home) {
    *home = TRUE;
    from_home_lan(m, index);
  }
}

void lw_verify_each_flow(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                         const LwSurroundings *surroundings, const LwFlowSink *sink) {
  g_autoptr(GPtrArray) places = places_by_segment(lab, world);
  g_autoptr(GPtrArray) receivers = g_ptr_array_new_with_free_func(array_unref);
  g_autoptr(GPtrArray) flows = g_ptr_array_new_with_free_func(flow_free);
  g_autofree guint *machine = machines_of_places(lab, world);
  Make m = {.lab = lab,
            .facts = facts,
            .world = world,
            .around = surroundings,
            .sink = sink,
            .flows = flows,
            .places = places,
            .receivers = receivers,
            .machine = machine,
            .host = lw_verify_place_of(world, LW_ZONE_HOST, LW_NONE),
            .router = lw_verify_place_of(world, LW_ZONE_ROUTER, LW_NONE),
            .internet = lw_verify_place_of(world, LW_ZONE_INTERNET, LW_NONE),
            .home_lan = lw_verify_place_of(world, LW_ZONE_HOME_LAN, LW_NONE)};
  for (guint i = 0; i < lab->segments->len; i++)
    g_ptr_array_add(receivers, receivers_in(&m, i, LW_NONE));
  gboolean home = FALSE;
  for (guint i = 0; i < world->places->len; i++) {
    from_place_at(&m, i, &home);
    sink->take(flows, sink->data);
    g_ptr_array_set_size(flows, 0);
  }
}
