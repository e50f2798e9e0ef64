#include "policy/intent_sets.h"

#include "policy/names.h"

#define ICMP 1
#define TCP 6
#define UDP 17
#define ICMP6 58
#define ECHO_REQUEST 8
#define ECHO_REQUEST6 128

typedef struct {
  LwMddPool *pool;
  const LwLab *lab;
  const LwFacts *facts;
  GPtrArray *out;
  LwMdd home_lan;     /* FALSE: not known */
  LwMdd internet;     /* destinations, before the home LAN is taken out */
  LwMdd lab_prefixes; /* destinations */
  LwMdd router_outside, host_outside;
} Make;

/* --- words
 * -------------------------------------------------------------------------------------------------------- */

static LwMdd both(const Make *m, LwMdd a, LwMdd b) {
  return lw_mdd_and(m->pool, a, b);
}

static LwMdd either(const Make *m, LwMdd a, LwMdd b) {
  return lw_mdd_or(m->pool, a, b);
}

static LwMdd minus(const Make *m, LwMdd a, LwMdd b) {
  return lw_mdd_minus(m->pool, a, b);
}

static LwMdd proto(LwMddPool *pool, guint number) {
  return lw_packets_number(pool, LW_HEADER_PROTO, number, number);
}

static LwMdd ports_of(LwMddPool *pool, guint number, guint first, guint last) {
  return lw_mdd_and(pool, proto(pool, number), lw_packets_number(pool, LW_HEADER_DPORT, first, last));
}

static LwMdd ping(LwMddPool *pool) {
  return lw_mdd_and(pool, proto(pool, ICMP),
                    lw_packets_number(pool, LW_HEADER_ICMP_TYPE, ECHO_REQUEST, ECHO_REQUEST));
}

static LwMdd to_addr(const Make *m, LwAddr addr) {
  return lw_packets_addr(m->pool, LW_HEADER_DADDR, &addr);
}

static LwMdd to_prefix(const Make *m, LwPrefix prefix) {
  return lw_packets_prefix(m->pool, LW_HEADER_DADDR, &prefix);
}

static LwMdd from_addr(const Make *m, LwAddr addr) {
  return lw_packets_addr(m->pool, LW_HEADER_SADDR, &addr);
}

static LwMdd from_range(const Make *m, LwRange range) {
  return lw_packets_range(m->pool, LW_HEADER_SADDR, &range);
}

/* Anything that opens a flow, for lines that name no port: pings, not every ICMP. */
static LwMdd anything(const Make *m) {
  return either(m, minus(m, lw_packets_family(m->pool, 4), proto(m->pool, ICMP)), ping(m->pool));
}

static LwMdd port_set(const Make *m, const LwPorts *ports) {
  switch (ports->proto) {
  case LW_PROTO_ICMP:
    return ping(m->pool);
  case LW_PROTO_TCP:
    return ports_of(m->pool, TCP, ports->first_port, ports->last_port);
  case LW_PROTO_UDP:
    return ports_of(m->pool, UDP, ports->first_port, ports->last_port);
  case LW_PROTO_ANY:
    break;
  }
  return anything(m);
}

static LwMdd port_list(const Make *m, const GArray *ports) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < ports->len; i++)
    set = either(m, set, port_set(m, &g_array_index(ports, LwPorts, i)));
  return set;
}

static LwMdd dns(const Make *m, guint port) {
  return either(m, ports_of(m->pool, TCP, port, port), ports_of(m->pool, UDP, port, port));
}

LwMdd lw_intent_opening(LwMddPool *pool) {
  LwMdd four = lw_packets_family(pool, 4), six = lw_packets_family(pool, 6);
  LwMdd others = lw_mdd_minus(pool, lw_mdd_minus(pool, LW_MDD_TRUE, proto(pool, ICMP)), proto(pool, ICMP6));
  others = lw_mdd_minus(pool, others, proto(pool, TCP));
  LwMdd syn = lw_mdd_and(pool, proto(pool, TCP), lw_packets_masked(pool, LW_HEADER_TCP_FLAGS, 0x02, 0x17));
  /* the ICMP types that connection tracking opens a flow for: echo, timestamp, information, address mask */
  LwMdd icmp = LW_MDD_FALSE;
  const guint types[] = {ECHO_REQUEST, 13, 15, 17};
  for (guint i = 0; i < G_N_ELEMENTS(types); i++)
    icmp = lw_mdd_or(pool, icmp, lw_packets_number(pool, LW_HEADER_ICMP_TYPE, types[i], types[i]));
  icmp = lw_mdd_and(pool, lw_mdd_and(pool, icmp, proto(pool, ICMP)), four);
  LwMdd icmp6 = lw_mdd_and(pool, proto(pool, ICMP6),
                           lw_packets_number(pool, LW_HEADER_ICMP_TYPE, ECHO_REQUEST6, ECHO_REQUEST6));
  icmp6 = lw_mdd_and(pool, icmp6, six);
  return lw_mdd_or(pool, lw_mdd_or(pool, others, syn), lw_mdd_or(pool, icmp, icmp6));
}

/* --- the table of what is intended
 * ------------------------------------------------------------------------------ */

static LwIntended *place(const Make *m, LwZoneKind kind, guint index) {
  for (guint i = 0; i < m->out->len; i++) {
    LwIntended *known = m->out->pdata[i];
    if (known->to.kind == kind && known->to.index == index && !lw_addr_is_set(&known->destination))
      return known;
  }
  LwIntended *fresh = g_new0(LwIntended, 1);
  fresh->to = (LwZone){kind, index};
  g_ptr_array_add(m->out, fresh);
  return fresh;
}

static void add(const Make *m, LwZoneKind kind, guint index, LwMdd must, LwMdd may) {
  LwIntended *intended = place(m, kind, index);
  intended->must = either(m, intended->must, must);
  intended->may = either(m, intended->may, either(m, must, may));
}

/* --- from a segment
 * ----------------------------------------------------------------------------------------------- */

typedef struct {
  const Make *m;
  const LwSegment *segment;
  guint index;
  LwMdd sources, proper; /* may, must: all of the segment's; those that a machine could have as its own */
  LwMdd foreign_dns;     /* to resolvers that are not the gateway */
} From;

static LwMdd further_addresses(const Make *m, guint segment) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < m->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(m->lab, i);
    for (guint n = 0; n < machine->nics->len; n++) {
      const LwNic *nic = lw_machine_nic(machine, n);
      if (nic->segment != segment || lw_nic_segment(m->lab, m->facts, i, n) != segment)
        continue;
      for (guint a = 0; a < nic->addresses->len; a++)
        set = either(m, set, from_addr(m, g_array_index(nic->addresses, LwPrefix, a).addr));
    }
  }
  return set;
}

static LwMdd from_of(const From *f, const LwAllow *allow) {
  LwMdd set = allow->from->len ? LW_MDD_FALSE : LW_MDD_TRUE;
  for (guint i = 0; i < allow->from->len; i++)
    set = either(f->m, set, from_range(f->m, g_array_index(allow->from, LwRange, i)));
  return set;
}

static LwMdd ports_of_line(const Make *m, const LwAllow *allow) {
  if (allow->ports->len)
    return port_list(m, allow->ports);
  if (allow->target.kind == LW_TARGET_HOST_SERVICE)
    return port_list(m, lw_lab_service(m->lab, allow->target.index)->ports);
  if (allow->target.kind == LW_TARGET_ROUTER_NTP)
    return ports_of(m->pool, UDP, 123, 123);
  return anything(m);
}

static LwMdd machine_addresses(const Make *m, guint machine, guint segment) {
  LwMdd set = LW_MDD_FALSE;
  const LwMachine *found = lw_lab_machine(m->lab, machine);
  for (guint n = 0; n < found->nics->len; n++) {
    LwAddr own = lw_nic_address(m->lab, m->facts, machine, n);
    if (lw_nic_segment(m->lab, m->facts, machine, n) != segment)
      continue;
    if (lw_addr_is_set(&own))
      set = either(m, set, to_addr(m, own));
    const LwNic *nic = lw_machine_nic(found, n);
    for (guint a = 0; nic->segment == segment && a < nic->addresses->len; a++)
      set = either(m, set, to_addr(m, g_array_index(nic->addresses, LwPrefix, a).addr));
  }
  return set;
}

/* A machine's address in a segment: all but the gateway's and the two ends. */
static LwMdd proper_destinations(const Make *m, const LwSegment *segment) {
  LwRange whole = lw_prefix_range(&segment->subnet);
  LwMdd set = minus(m, to_prefix(m, segment->subnet), to_addr(m, segment->router));
  return minus(m, minus(m, set, to_addr(m, whole.first)), to_addr(m, whole.last));
}

/* The exits that a source uses, with the sources that do. */
static void each_exit(const From *f, void (*put)(const From *, guint exit, LwMdd sources, gpointer),
                      gpointer data) {
  const LwSegment *s = f->segment;
  LwMdd left = LW_MDD_TRUE;
  for (guint i = 0; i < s->pins->len; i++) {
    const LwPin *pin = s->pins->pdata[i];
    LwMdd pinned = both(f->m, left, from_range(f->m, pin->range));
    put(f, pin->tunnel, pinned, data);
    left = minus(f->m, left, pinned);
  }
  if (s->egress != LW_EGRESS_NONE)
    put(f, lw_active_exit(f->m->lab, f->m->facts, f->index), left, data);
}

static void add_from(const From *f, LwZoneKind kind, guint index, LwMdd set) {
  LwMdd may = both(f->m, set, f->sources);
  /* a query to another resolver may be redirected to the gateway, whoever else would be allowed to answer it
   */
  LwMdd must = both(f->m, minus(f->m, set, f->foreign_dns), f->proper);
  add(f->m, kind, index, must, may);
}

static void put_internet(const From *f, guint exit, LwMdd sources, gpointer data) {
  const Make *m = f->m;
  LwMdd allowed = minus(m, minus(m, anything(m), dns(m, 53)), dns(m, 853));
  LwMdd there = m->internet;
  (void)data;
  if (exit == LW_NONE && m->home_lan == LW_MDD_FALSE) {
    /* wan is closed to new flows until it is known what it sits on */
    LwIntended *wan = place(m, LW_ZONE_INTERNET, LW_NONE);
    LwMdd flows = both(m, both(m, allowed, there), both(m, sources, f->sources));
    wan->going_on = either(m, wan->going_on, flows);
    return;
  }
  if (exit == LW_NONE)
    there = minus(m, there, m->home_lan);
  add_from(f, LW_ZONE_INTERNET, exit, both(m, both(m, allowed, there), sources));
}

/* Of what may go out by WAN: what is for the host's end arrives at the host, though a bridge may show it to
 * others too; nobody has the two ends of the prefix; and the router's own end is not meant. */
static LwMdd without_own_ends(const From *f, LwMdd set) {
  const Make *m = f->m;
  LwRange whole = lw_prefix_range(&m->facts->home_lan);
  LwMdd host = both(m, set, m->host_outside);
  LwMdd nobody =
      m->home_lan == LW_MDD_FALSE ? LW_MDD_FALSE : either(m, to_addr(m, whole.first), to_addr(m, whole.last));
  add_from(f, LW_ZONE_HOST, LW_NONE, host);
  add(m, LW_ZONE_INTERNET, LW_NONE, LW_MDD_FALSE, both(m, either(m, host, both(m, set, nobody)), f->sources));
  return minus(m, minus(m, minus(m, set, host), nobody), m->router_outside);
}

typedef struct {
  const LwAllow *allow;
  LwMdd set;
} Outwards;

/* A prefix beyond the exits is reached by the exit of the source. */
static void put_outwards(const From *f, guint exit, LwMdd sources, gpointer data) {
  const Outwards *o = data;
  const Make *m = f->m;
  LwMdd set = both(m, o->set, sources);
  set = minus(m, minus(m, set, dns(m, 53)), dns(m, 853));
  set = minus(m, set, m->lab_prefixes);
  if (exit == LW_NONE && m->home_lan == LW_MDD_FALSE)
    return;
  if (exit == LW_NONE)
    set = without_own_ends(f, set);
  /* what WAN sits on is named by "home-lan"; whether a prefix that covers it does too, the file leaves open
   */
  LwMdd open = exit == LW_NONE ? both(m, set, m->home_lan) : LW_MDD_FALSE;
  add_from(f, LW_ZONE_INTERNET, exit, minus(m, set, open));
  add(m, LW_ZONE_INTERNET, exit, LW_MDD_FALSE, both(m, open, f->sources));
}

static void add_line(const From *f, const LwAllow *allow) {
  const Make *m = f->m;
  const LwTarget *target = &allow->target;
  LwMdd set = both(m, ports_of_line(m, allow), from_of(f, allow));
  Outwards outwards = {allow, LW_MDD_FALSE};
  switch (target->kind) {
  case LW_TARGET_HOST:
  case LW_TARGET_HOST_SERVICE:
    add_from(f, LW_ZONE_HOST, LW_NONE, both(m, set, to_addr(m, m->lab->host.management.address)));
    break;
  case LW_TARGET_SEGMENT:
    add_from(f, LW_ZONE_SEGMENT, target->index,
             both(m, set, proper_destinations(m, lw_lab_segment(m->lab, target->index))));
    add(m, LW_ZONE_SEGMENT, target->index, LW_MDD_FALSE,
        both(m, both(m, set, f->sources), to_prefix(m, lw_lab_segment(m->lab, target->index)->subnet)));
    break;
  case LW_TARGET_MACHINE:
    add_from(f, LW_ZONE_SEGMENT, target->index,
             both(m, set, machine_addresses(m, target->machine, target->index)));
    break;
  case LW_TARGET_NETWORK:
    add_from(f, LW_ZONE_NETWORK, target->index,
             both(m, set, to_prefix(m, lw_lab_network(m->lab, target->index)->prefix)));
    break;
  case LW_TARGET_HOME_LAN:
    set = minus(m, minus(m, set, dns(m, 53)), dns(m, 853));
    add_from(f, LW_ZONE_INTERNET, LW_NONE, without_own_ends(f, both(m, set, m->home_lan)));
    break;
  case LW_TARGET_PREFIX:
    outwards.set = both(m, set, to_prefix(m, target->prefix));
    each_exit(f, put_outwards, &outwards);
    break;
  case LW_TARGET_ROUTER_NTP:
    add_from(f, LW_ZONE_ROUTER, LW_NONE, both(m, set, to_addr(m, f->segment->router)));
    break;
  case LW_TARGET_INTERNET:
  case LW_TARGET_ROUTER:
    break; /* words of asserts */
  }
}

/* Whom a router may lead queries to, by the exit: the segment's own resolvers, the tunnel's, WAN's. */
static void put_led(const From *f, guint exit, LwMdd sources, gpointer data) {
  const Make *m = f->m;
  const LwMdd *queries = data;
  const GArray *lists[] = {f->segment->dns,
                           exit == LW_NONE ? m->facts->wan_resolvers : lw_lab_tunnel(m->lab, exit)->wg.dns};
  const GArray *list = lists[lists[0]->len ? 0 : 1];
  for (guint i = 0; i < list->len; i++) {
    if (g_array_index(list, LwAddr, i).family != 4)
      continue;
    LwIntended *led = g_new0(LwIntended, 1);
    led->to = (LwZone){LW_ZONE_INTERNET, exit};
    led->destination = g_array_index(list, LwAddr, i);
    led->led = TRUE;
    led->may = both(m, both(m, *queries, sources), f->sources);
    g_ptr_array_add(m->out, led);
  }
}

static void add_gateway(const From *f) {
  const Make *m = f->m;
  const LwSegment *s = f->segment;
  LwMdd gateway = to_addr(m, s->router);
  LwMdd queries = both(m, gateway, dns(m, 53));
  LwMdd services = either(m, both(m, gateway, ping(m->pool)), queries);
  /* a client of DHCP has port 68 (RFC 2131); what else asks may be refused */
  LwMdd dhcp = s->has_dhcp ? ports_of(m->pool, UDP, 67, 67) : LW_MDD_FALSE;
  LwMdd client = both(m, dhcp, lw_packets_number(m->pool, LW_HEADER_SPORT, 68, 68));
  add(m, LW_ZONE_ROUTER, LW_NONE, both(m, either(m, services, both(m, gateway, client)), f->proper),
      both(m, either(m, services, both(m, gateway, dhcp)), f->sources));
  if (s->dns_foreign == LW_DNS_REDIRECT)
    add(m, LW_ZONE_ROUTER, LW_NONE, both(m, both(m, dns(m, 53), m->internet), f->proper),
        both(m, dns(m, 53), f->sources));
  LwMdd led = s->dns_foreign == LW_DNS_REDIRECT ? dns(m, 53) : queries;
  each_exit(f, put_led, &led);
  if (!s->has_dhcp)
    return;
  LwAddr everybody = lw_addr_from_v4(G_MAXUINT32), nobody = lw_addr_from_v4(0);
  LwMdd all = to_addr(m, everybody), unnamed = from_addr(m, nobody);
  LwMdd sources = either(m, f->sources, unnamed);
  add(m, LW_ZONE_ROUTER, LW_NONE, both(m, both(m, all, client), unnamed),
      both(m, both(m, all, dhcp), sources));
}

static void add_trust(const From *f) {
  const Make *m = f->m;
  add_from(f, LW_ZONE_HOST, LW_NONE, both(m, anything(m), to_addr(m, m->lab->host.management.address)));
  for (guint i = 0; i < m->lab->host.networks->len; i++)
    add_from(f, LW_ZONE_NETWORK, i, both(m, anything(m), to_prefix(m, lw_lab_network(m->lab, i)->prefix)));
}

static void from_segment(const Make *m, guint index) {
  From f = {.m = m, .segment = lw_lab_segment(m->lab, index), .index = index};
  LwRange whole = lw_prefix_range(&f.segment->subnet);
  LwMdd subnet = minus(m, from_range(m, whole), from_addr(m, f.segment->router));
  LwMdd further = further_addresses(m, index);
  f.sources = either(m, subnet, further);
  f.proper = minus(m, minus(m, subnet, from_addr(m, whole.first)), from_addr(m, whole.last));
  f.foreign_dns = minus(m, dns(m, 53), to_addr(m, f.segment->router));
  add_gateway(&f);
  /* on the wire; by way of the gateway it may be, and need not */
  if (!f.segment->isolate)
    add(m, LW_ZONE_SEGMENT, index, LW_MDD_FALSE, both(m, f.sources, to_prefix(m, f.segment->subnet)));
  for (guint i = 0; i < f.segment->allow->len; i++)
    add_line(&f, f.segment->allow->pdata[i]);
  if (f.segment->trust_host)
    add_trust(&f);
  each_exit(&f, put_internet, NULL);
}

/* --- from elsewhere
 * ----------------------------------------------------------------------------------------------- */

static void from_host(const Make *m) {
  const LwHost *host = &m->lab->host;
  LwMdd own = from_addr(m, host->management.address);
  LwMdd offered = ping(m->pool);
  const guint ports[] = {22, 80, 443};
  for (guint i = 0; i < G_N_ELEMENTS(ports); i++)
    offered = either(m, offered, ports_of(m->pool, TCP, ports[i], ports[i]));
  offered = both(m, both(m, offered, to_addr(m, host->management.router)), own);
  add(m, LW_ZONE_ROUTER, LW_NONE, offered, offered);
  for (guint i = 0; i < m->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(m->lab, i);
    if (s->trust_host)
      add(m, LW_ZONE_SEGMENT, i, both(m, both(m, anything(m), own), proper_destinations(m, s)),
          both(m, both(m, anything(m), own), to_prefix(m, s->subnet)));
    for (guint a = 0; a < s->host_allow->len; a++) {
      const LwAllow *allow = s->host_allow->pdata[a];
      gboolean machine = allow->target.kind == LW_TARGET_MACHINE;
      LwMdd there = machine ? machine_addresses(m, allow->target.machine, i) : proper_destinations(m, s);
      LwMdd set = both(m, ports_of_line(m, allow), own);
      add(m, LW_ZONE_SEGMENT, i, both(m, set, there),
          machine ? LW_MDD_FALSE : both(m, set, to_prefix(m, s->subnet)));
    }
  }
}

static gboolean is_live(const Make *m, guint segment, const LwForward *forward, guint by) {
  const LwSegment *s = lw_lab_segment(m->lab, segment);
  gboolean pinned = FALSE;
  for (guint i = 0; i < s->pins->len; i++)
    pinned |= lw_range_contains(&((LwPin *)s->pins->pdata[i])->range, &forward->address);
  return lw_nic_segment(m->lab, m->facts, forward->machine, forward->nic) == segment &&
         (s->egress != LW_EGRESS_NONE || pinned) &&
         lw_exit_of_source(m->lab, m->facts, segment, &forward->address) == by;
}

/* Whatever address of the exit's end it is sent to: all that comes in there is for the router. */
static void add_forward(const Make *m, guint segment, const LwForward *forward, guint exit) {
  LwMdd outside = LW_MDD_FALSE, public = LW_MDD_FALSE;
  LwPrefix special;
  for (guint i = 0; lw_intent_special(i, &special); i++)
  public = either(m, public, lw_packets_prefix(m->pool, LW_HEADER_SADDR, &special));
  public = minus(m, lw_packets_family(m->pool, 4), public);
  const GArray *addresses = exit == LW_NONE ? NULL : lw_lab_tunnel(m->lab, exit)->wg.addresses;
  for (guint i = 0; addresses && i < addresses->len; i++)
    outside = either(m, outside, to_addr(m, g_array_index(addresses, LwPrefix, i).addr));
  gboolean moves = forward->to_port != forward->first_port;
  for (guint port = forward->first_port; port <= forward->last_port; port++) {
    guint last = moves ? port : forward->last_port;
    LwMdd set = LW_MDD_FALSE;
    if (forward->tcp)
      set = either(m, set, ports_of(m->pool, TCP, port, last));
    if (forward->udp)
      set = either(m, set, ports_of(m->pool, UDP, port, last));
    LwIntended *intended = g_new0(LwIntended, 1);
    intended->to = (LwZone){LW_ZONE_SEGMENT, segment};
    intended->destination = forward->address;
    intended->dport = moves ? (guint16)(port - forward->first_port + forward->to_port) : 0;
    intended->may = both(m, set, lw_packets_family(m->pool, 4));
    intended->must = both(m, both(m, set, outside), public);
    g_ptr_array_add(m->out, intended);
    if (!moves)
      break;
  }
}

static void from_network(const Make *m, guint index) {
  LwPrefix prefix = lw_lab_network(m->lab, index)->prefix;
  LwMdd own = lw_packets_prefix(m->pool, LW_HEADER_SADDR, &prefix);
  for (guint i = 0; i < m->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(m->lab, i);
    LwMdd set = both(m, anything(m), own);
    if (s->trust_host)
      add(m, LW_ZONE_SEGMENT, i, both(m, set, proper_destinations(m, s)),
          both(m, set, to_prefix(m, s->subnet)));
    /* out by the host's uplink it meets the router's WAN leg, as anybody there does */
    for (guint f = 0; f < s->forwards->len; f++)
      if (is_live(m, i, s->forwards->pdata[f], LW_NONE))
        add_forward(m, i, s->forwards->pdata[f], LW_NONE);
  }
}

static void from_exit(const Make *m, guint exit) {
  LwMdd answers =
      both(m, ports_of(m->pool, UDP, 68, 68), lw_packets_number(m->pool, LW_HEADER_SPORT, 67, 67));
  if (exit == LW_NONE) /* what looks like an answer to WAN's own DHCP client */
    add(m, LW_ZONE_ROUTER, LW_NONE, LW_MDD_FALSE, both(m, answers, lw_packets_family(m->pool, 4)));
  for (guint i = 0; i < m->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(m->lab, i);
    for (guint f = 0; f < s->forwards->len; f++)
      if (is_live(m, i, s->forwards->pdata[f], exit))
        add_forward(m, i, s->forwards->pdata[f], exit);
  }
}

/* Port 0 is reserved: nobody can ask for it (RFC 6335), and a router may refuse it. */
static LwMdd reserved_ports(const Make *m) {
  LwMdd zero = either(m, lw_packets_number(m->pool, LW_HEADER_DPORT, 0, 0),
                      lw_packets_number(m->pool, LW_HEADER_SPORT, 0, 0));
  return both(m, zero, either(m, proto(m->pool, TCP), proto(m->pool, UDP)));
}

/* --- the interface
 * ------------------------------------------------------------------------------------------------- */

static LwMdd lab_prefixes(LwMddPool *pool, const LwLab *lab) {
  g_autoptr(GArray) sets = g_array_new(FALSE, FALSE, sizeof(LwMdd));
  LwMdd one = lw_packets_prefix(pool, LW_HEADER_DADDR, &lab->host.management.subnet);
  g_array_append_val(sets, one);
  for (guint i = 0; i < lab->segments->len; i++) {
    one = lw_packets_prefix(pool, LW_HEADER_DADDR, &lw_lab_segment(lab, i)->subnet);
    g_array_append_val(sets, one);
  }
  for (guint i = 0; i < lab->host.networks->len; i++) {
    one = lw_packets_prefix(pool, LW_HEADER_DADDR, &lw_lab_network(lab, i)->prefix);
    g_array_append_val(sets, one);
  }
  return lw_mdd_or_all(pool, (LwMdd *)(void *)sets->data, sets->len);
}

LwIntentBasis lw_intent_basis(LwMddPool *pool, const LwLab *lab, const LwFacts *facts,
                              const LwIntentOutside *outside) {
  LwIntentBasis basis = {.lab = lab_prefixes(pool, lab), .internet = lw_packets_family(pool, 4)};
  LwPrefix special;
  for (guint i = 0; lw_intent_special(i, &special); i++)
    basis.internet = lw_mdd_minus(pool, basis.internet, lw_packets_prefix(pool, LW_HEADER_DADDR, &special));
  basis.internet = lw_mdd_minus(pool, basis.internet, basis.lab);
  if (facts->home_lan.addr.family == 4)
    basis.home_lan = lw_packets_prefix(pool, LW_HEADER_DADDR, &facts->home_lan);
  if (lw_addr_is_set(&outside->router))
    basis.router_outside = lw_packets_addr(pool, LW_HEADER_DADDR, &outside->router);
  if (lw_addr_is_set(&outside->host))
    basis.host_outside = lw_packets_addr(pool, LW_HEADER_DADDR, &outside->host);
  return basis;
}

GPtrArray *lw_intent_sets(LwMddPool *pool, const LwLab *lab, const LwFacts *facts, const LwIntentBasis *basis,
                          const LwZone *from) {
  Make m = {.pool = pool,
            .lab = lab,
            .facts = facts,
            .out = g_ptr_array_new_with_free_func(g_free),
            .home_lan = basis->home_lan,
            .internet = basis->internet,
            .lab_prefixes = basis->lab,
            .router_outside = basis->router_outside,
            .host_outside = basis->host_outside};
  switch (from->kind) {
  case LW_ZONE_SEGMENT:
    from_segment(&m, from->index);
    break;
  case LW_ZONE_HOST:
    from_host(&m);
    break;
  case LW_ZONE_NETWORK:
    from_network(&m, from->index);
    break;
  case LW_ZONE_INTERNET:
  case LW_ZONE_HOME_LAN:
    from_exit(&m, from->kind == LW_ZONE_HOME_LAN ? LW_NONE : from->index);
    break;
  case LW_ZONE_ROUTER:
    break; /* opens nothing of its own into the lab */
  }
  LwMdd opening = lw_intent_opening(pool), usable = minus(&m, opening, reserved_ports(&m));
  for (guint i = 0; i < m.out->len; i++) {
    LwIntended *intended = m.out->pdata[i];
    intended->must = both(&m, intended->must, usable);
    intended->may = both(&m, intended->may, opening);
  }
  return m.out;
}
