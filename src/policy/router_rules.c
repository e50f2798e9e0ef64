/* The router's table: default deny, exits by source, kill switch, NAT, DNS by exit.
 *
 * Cost must not grow with the number of segments, so what differs between segments is in sets and maps keyed
 * by interface names (never indexes: a tunnel that was made again has a new one) and the chains are the same
 * for every lab. The kill switch is rule 1 of `forward`: whatever leaves by an exit must be in `egress`,
 * which holds (ingress, mark, exit) triples; nothing reacts to anything.
 */
#include "policy/disjoint.h"
#include "policy/policy.h"
#include "policy/resolvers.h"
#include "policy/rules_common.h"

#define PRIORITY_MANGLE (-150)
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_FILTER 0
#define PRIORITY_SRCNAT 100

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define ICMP_ECHO_REQUEST 8

/* Not the internet: everything of the IANA IPv4 special-purpose registry that is not globally reachable
 * (RFC 6890 and its registry), and multicast (RFC 5771). */
static const char *const special_prefixes[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
};

typedef struct {
  const LwLab *lab;
  LwFacts *facts;
  LwRuleset *table;
} Build;

static LwValue name_value(char *name /* transfer full */) {
  return (LwValue){.kind = LW_VALUE_NAME, .name = name};
}

static LwValue leg(const LwSegment *segment) {
  return name_value(lw_name_router_leg(segment));
}

static LwValue exit_link(const Build *b, guint tunnel) {
  return tunnel == LW_NONE ? lw_value_name(LW_ROUTER_WAN)
                           : name_value(lw_name_tunnel(lw_lab_tunnel(b->lab, tunnel)));
}

static LwValue exit_mark(const Build *b, guint tunnel) {
  return lw_value_number(lw_mark_of_exit(b->facts, b->lab, tunnel));
}

static LwValue host_address(const Build *b) {
  return lw_value_addr(b->lab->host.management.address);
}

static guint32 proto_number(LwProto proto) {
  switch (proto) {
  case LW_PROTO_ICMP:
    return PROTO_ICMP;
  case LW_PROTO_TCP:
    return PROTO_TCP;
  case LW_PROTO_UDP:
    return PROTO_UDP;
  case LW_PROTO_ANY:
    break;
  }
  return 0;
}

static LwValue proto_value(LwProto proto) {
  return proto == LW_PROTO_ANY ? lw_value_numbers(0, 255) : lw_value_number(proto_number(proto));
}

/* --- exits ------------------------------------------------------------------------------------------------
 */

static void put_egress(const Build *b, const LwSegment *segment, guint tunnel, LwOrigin origin) {
  lw_set_put(lw_ruleset_find_set(b->table, "egress"), origin, leg(segment), exit_mark(b, tunnel),
             exit_link(b, tunnel));
  LwSet *pairs = lw_ruleset_find_set(b->table, "pairs");
  lw_set_put(pairs, origin, leg(segment), exit_link(b, tunnel));
  lw_set_put(pairs, origin, exit_link(b, tunnel), leg(segment));
}

static void fill_exits_of_segment(const Build *b, guint index) {
  const LwSegment *segment = lw_lab_segment(b->lab, index);
  guint active = lw_active_exit(b->lab, b->facts, index);
  LwSet *dns = lw_ruleset_find_set(b->table, "dns_active");
  lw_set_put(dns, segment->dns_origin, leg(segment))->data =
      lw_value_number(lw_resolver_port(b->lab, b->facts, index, active));
  if (segment->egress == LW_EGRESS_NONE)
    return;
  lw_set_put(lw_ruleset_find_set(b->table, "exit_active"), segment->egress_origin, leg(segment))->data =
      exit_mark(b, active);
  put_egress(b, segment, active, segment->egress_origin);
  for (guint i = 0; i < segment->pins->len; i++) {
    const LwPin *pin = segment->pins->pdata[i];
    lw_set_put(lw_ruleset_find_set(b->table, "exit_pinned"), pin->origin, leg(segment),
               lw_value_range(pin->range))
        ->data = exit_mark(b, pin->tunnel);
    lw_set_put(lw_ruleset_find_set(b->table, "dns_pinned"), pin->origin, leg(segment),
               lw_value_range(pin->range))
        ->data = lw_value_number(lw_resolver_port(b->lab, b->facts, index, pin->tunnel));
    put_egress(b, segment, pin->tunnel, pin->origin);
  }
}

static void put_exit(const Build *b, guint tunnel) {
  lw_set_put(lw_ruleset_find_set(b->table, "exits"), LW_ORIGIN_NONE, exit_link(b, tunnel));
  lw_set_put(lw_ruleset_find_set(b->table, "exit_marks"), LW_ORIGIN_NONE, exit_link(b, tunnel))->data =
      exit_mark(b, tunnel);
}

/* The smallest MTU among the exits a segment may use: MSS is clamped to it both ways. */
static guint segment_mtu(const LwLab *lab, const LwSegment *segment) {
  guint mtu = 1500;
  for (guint i = 0; i < segment->exits->len; i++) {
    guint given = lw_lab_tunnel(lab, g_array_index(segment->exits, guint, i))->wg.mtu;
    mtu = MIN(mtu, given ? given : 1420);
  }
  for (guint i = 0; i < segment->pins->len; i++) {
    guint tunnel = ((LwPin *)segment->pins->pdata[i])->tunnel;
    guint given = tunnel == LW_NONE ? 1500 : lw_lab_tunnel(lab, tunnel)->wg.mtu;
    mtu = MIN(mtu, given ? given : 1420);
  }
  return mtu;
}

/* --- flows that lines of the file open
 * ---------------------------------------------------------------------- */

static void put_pair_both(const Build *b, const char *one, const char *other, LwOrigin origin) {
  LwSet *pairs = lw_ruleset_find_set(b->table, "pairs");
  lw_set_put(pairs, origin, lw_value_name(one), lw_value_name(other));
  lw_set_put(pairs, origin, lw_value_name(other), lw_value_name(one));
}

/* A prefix is something beyond the exits, never a place of the lab: it has a set of its own. */
static const char *set_of(const LwAllow *allow) {
  return allow->target.kind == LW_TARGET_PREFIX ? "allowed_out" : "allowed";
}

static void put_allowed_in(const Build *b, const char *set, const char *from_link, LwRange from, LwValue to,
                           const LwPorts *ports, LwOrigin origin) {
  lw_set_put(lw_ruleset_find_set(b->table, set), origin, lw_value_name(from_link), lw_value_range(from), to,
             proto_value(ports->proto), lw_value_numbers(ports->first_port, ports->last_port));
}

static void put_allowed(const Build *b, const char *from_link, LwRange from, LwValue to, const LwPorts *ports,
                        LwOrigin origin) {
  put_allowed_in(b, "allowed", from_link, from, to, ports, origin);
}

static const GArray *ports_of(const Build *b, const LwAllow *allow) {
  if (allow->ports->len)
    return allow->ports;
  if (allow->target.kind == LW_TARGET_HOST_SERVICE)
    return lw_lab_service(b->lab, allow->target.index)->ports;
  return NULL;
}

static const LwPorts any_port = {LW_PROTO_ANY, 0, 65535};

/* Calls put for every (from range) x (ports) of an allow line. */
static void allow_each(const Build *b, const LwSegment *segment, const LwAllow *allow, const char *link,
                       LwValue to, const LwPorts *ports) {
  if (allow->from->len == 0) {
    put_allowed_in(b, set_of(allow), link, lw_prefix_range(&segment->subnet), to, ports, allow->origin);
    return;
  }
  for (guint i = 0; i < allow->from->len; i++)
    put_allowed_in(b, set_of(allow), link, g_array_index(allow->from, LwRange, i), to, ports, allow->origin);
}

static void allow_to(const Build *b, const LwSegment *segment, const LwAllow *allow, LwValue to) {
  const GArray *ports = ports_of(b, allow);
  if (!ports)
    allow_each(b, segment, allow, segment->name, to, &any_port);
  for (guint i = 0; ports && i < ports->len; i++)
    allow_each(b, segment, allow, segment->name, to, &g_array_index(ports, LwPorts, i));
}

/* Every address that a machine has in a segment, its further ones too; none where it was moved away from: a
 * line names the machine in that segment. Of LwAddr, transfer full. */
static GArray *addresses_in(const Build *b, guint machine, guint segment) {
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  for (guint n = 0; n < lw_lab_machine(b->lab, machine)->nics->len; n++) {
    const LwNic *nic = lw_machine_nic(lw_lab_machine(b->lab, machine), n);
    LwAddr address = lw_nic_address(b->lab, b->facts, machine, n);
    if (lw_nic_segment(b->lab, b->facts, machine, n) != segment)
      continue;
    if (lw_addr_is_set(&address))
      g_array_append_val(out, address);
    for (guint i = 0; nic->segment == segment && i < nic->addresses->len; i++)
      g_array_append_val(out, g_array_index(nic->addresses, LwPrefix, i).addr);
  }
  return out;
}

static void allow_machine(const Build *b, const LwSegment *segment, const LwAllow *allow) {
  g_autoptr(GArray) addresses = addresses_in(b, allow->target.machine, allow->target.index);
  for (guint i = 0; i < addresses->len; i++)
    allow_to(b, segment, allow, lw_value_addr(g_array_index(addresses, LwAddr, i)));
}

/* WAN's prefix is known at run time only: one rule matches it, these elements say for whom. */
static void allow_home_lan(const Build *b, const LwSegment *segment, const LwAllow *allow) {
  LwSet *set = lw_ruleset_find_set(b->table, "allowed_home");
  LwRange whole = lw_prefix_range(&segment->subnet);
  for (guint i = 0; i < MAX(allow->from->len, 1u); i++) {
    LwRange from = allow->from->len ? g_array_index(allow->from, LwRange, i) : whole;
    for (guint p = 0; p < MAX(allow->ports->len, 1u); p++) {
      const LwPorts *ports = allow->ports->len ? &g_array_index(allow->ports, LwPorts, p) : &any_port;
      lw_set_put(set, allow->origin, leg(segment), lw_value_range(from), proto_value(ports->proto),
                 lw_value_numbers(ports->first_port, ports->last_port));
    }
  }
}

static void fill_allow(const Build *b, const LwSegment *segment, const LwAllow *allow) {
  switch (allow->target.kind) {
  case LW_TARGET_HOST:
  case LW_TARGET_HOST_SERVICE:
    allow_to(b, segment, allow, host_address(b));
    put_pair_both(b, segment->name, LW_ROUTER_MGMT, allow->origin);
    break;
  case LW_TARGET_NETWORK:
    allow_to(b, segment, allow, lw_value_prefix(lw_lab_network(b->lab, allow->target.index)->prefix));
    put_pair_both(b, segment->name, LW_ROUTER_MGMT, allow->origin);
    break;
  case LW_TARGET_SEGMENT: {
    const LwSegment *to = lw_lab_segment(b->lab, allow->target.index);
    allow_to(b, segment, allow, lw_value_prefix(to->subnet));
    put_pair_both(b, segment->name, to->name, allow->origin);
    break;
  }
  case LW_TARGET_MACHINE:
    allow_machine(b, segment, allow);
    put_pair_both(b, segment->name, lw_lab_segment(b->lab, allow->target.index)->name, allow->origin);
    break;
  case LW_TARGET_HOME_LAN:
    allow_home_lan(b, segment, allow);
    put_pair_both(b, segment->name, LW_ROUTER_WAN, allow->origin);
    break;
  case LW_TARGET_PREFIX:
    allow_to(b, segment, allow, lw_value_prefix(allow->target.prefix));
    break;
  case LW_TARGET_ROUTER_NTP:
    lw_set_put(lw_ruleset_find_set(b->table, "gateway_ports"), allow->origin, leg(segment),
               lw_value_number(PROTO_UDP), lw_value_number(123));
    break;
  case LW_TARGET_INTERNET:
  case LW_TARGET_ROUTER:
    break; /* asserts only: refused by the spec as allow targets */
  }
}

static void fill_trust(const Build *b, const LwSegment *segment) {
  LwRange whole = lw_prefix_range(&segment->subnet);
  LwRange host = {b->lab->host.management.address, b->lab->host.management.address};
  LwValue subnet = lw_value_prefix(segment->subnet);
  put_allowed(b, segment->name, whole, host_address(b), &any_port, segment->trust_origin);
  put_allowed(b, LW_ROUTER_MGMT, host, subnet, &any_port, segment->trust_origin);
  for (guint i = 0; i < b->lab->host.networks->len; i++) {
    LwPrefix prefix = lw_lab_network(b->lab, i)->prefix;
    put_allowed(b, segment->name, whole, lw_value_prefix(prefix), &any_port, segment->trust_origin);
    put_allowed(b, LW_ROUTER_MGMT, lw_prefix_range(&prefix), subnet, &any_port, segment->trust_origin);
  }
  put_pair_both(b, segment->name, LW_ROUTER_MGMT, segment->trust_origin);
}

static void allow_host_to(const Build *b, const LwAllow *allow, LwValue to) {
  LwRange host = {b->lab->host.management.address, b->lab->host.management.address};
  for (guint p = 0; p < MAX(allow->ports->len, 1u); p++)
    put_allowed(b, LW_ROUTER_MGMT, host, to,
                allow->ports->len ? &g_array_index(allow->ports, LwPorts, p) : &any_port, allow->origin);
}

/* host: {allow: …}: what the host may open into the segment. */
static void fill_host_allow(const Build *b, guint index, const LwAllow *allow) {
  const LwSegment *segment = lw_lab_segment(b->lab, index);
  gboolean machine = allow->target.kind == LW_TARGET_MACHINE;
  g_autoptr(GArray) addresses = machine ? addresses_in(b, allow->target.machine, index) : NULL;
  for (guint i = 0; machine && i < addresses->len; i++)
    allow_host_to(b, allow, lw_value_addr(g_array_index(addresses, LwAddr, i)));
  if (!machine)
    allow_host_to(b, allow, lw_value_prefix(segment->subnet));
  if (!machine || addresses->len)
    put_pair_both(b, segment->name, LW_ROUTER_MGMT, allow->origin);
}

/* The exit that a forward's port is opened on: the one its target uses now. */
static void fill_forward(const Build *b, guint index, const LwForward *forward) {
  const LwSegment *segment = lw_lab_segment(b->lab, index);
  if (lw_nic_segment(b->lab, b->facts, forward->machine, forward->nic) != index)
    return; /* moved away or cut: nothing comes in for it */
  guint exit = lw_exit_of_source(b->lab, b->facts, index, &forward->address);
  const LwProto protos[] = {forward->tcp ? LW_PROTO_TCP : LW_PROTO_ANY,
                            forward->udp ? LW_PROTO_UDP : LW_PROTO_ANY};
  guint16 shift = (guint16)(forward->to_port - forward->first_port);
  for (guint i = 0; i < G_N_ELEMENTS(protos); i++) {
    if (protos[i] == LW_PROTO_ANY)
      continue;
    LwValue ports = lw_value_numbers(forward->first_port, forward->last_port);
    if (shift == 0) {
      LwElement *e = lw_set_put(lw_ruleset_find_set(b->table, "forward_same"), forward->origin,
                                exit_link(b, exit), proto_value(protos[i]), ports);
      e->data = lw_value_addr(forward->address);
    }
    for (guint port = forward->first_port; shift && port <= forward->last_port; port++) {
      LwElement *e = lw_set_put(lw_ruleset_find_set(b->table, "forward_other"), forward->origin,
                                exit_link(b, exit), proto_value(protos[i]), lw_value_number(port));
      e->data = lw_value_addr(forward->address);
      e->data_port = lw_value_number((guint16)(port + shift));
    }
    lw_set_put(
        lw_ruleset_find_set(b->table, "forwarded"), forward->origin, exit_link(b, exit), leg(segment),
        lw_value_addr(forward->address), proto_value(protos[i]),
        lw_value_numbers((guint16)(forward->first_port + shift), (guint16)(forward->last_port + shift)));
  }
}

static void fill_segment(const Build *b, guint index) {
  const LwSegment *segment = lw_lab_segment(b->lab, index);
  lw_set_put(lw_ruleset_find_set(b->table, "segments"), segment->origin, leg(segment));
  lw_set_put(lw_ruleset_find_set(b->table, "sources"), segment->origin, leg(segment),
             lw_value_prefix(segment->subnet));
  lw_set_put(lw_ruleset_find_set(b->table, "gateways"), segment->origin, leg(segment),
             lw_value_addr(segment->router));
  if (segment->dns_foreign == LW_DNS_REDIRECT)
    lw_set_put(lw_ruleset_find_set(b->table, "dns_redirected"), segment->dns_origin, leg(segment));
  if (segment->has_dhcp)
    lw_set_put(lw_ruleset_find_set(b->table, "gateway_ports"), segment->dhcp_origin, leg(segment),
               lw_value_number(PROTO_UDP), lw_value_number(67));
  fill_exits_of_segment(b, index);
  for (guint i = 0; i < segment->allow->len; i++)
    fill_allow(b, segment, segment->allow->pdata[i]);
  if (segment->trust_host)
    fill_trust(b, segment);
  for (guint i = 0; i < segment->host_allow->len; i++)
    fill_host_allow(b, index, segment->host_allow->pdata[i]);
  for (guint i = 0; i < segment->forwards->len; i++)
    fill_forward(b, index, segment->forwards->pdata[i]);
}

/* --- sets
 * ----------------------------------------------------------------------------------------------------- */

static void declare_sets(const Build *b) {
  LwRuleset *t = b->table;
  lw_ruleset_add_set(t, LW_SET_PLAIN, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "exits", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "sources", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "lab", TRUE, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "gateways", FALSE, LW_FIELD_IIF, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "gateway_ports", FALSE, LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT,
                     LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_MAP, "exit_active", FALSE, LW_FIELD_IIF, LW_FIELD_LAST)->data = LW_FIELD_MARK;
  lw_ruleset_add_set(t, LW_SET_MAP, "exit_pinned", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST)->data =
      LW_FIELD_MARK;
  lw_ruleset_add_set(t, LW_SET_MAP, "exit_marks", FALSE, LW_FIELD_IIF, LW_FIELD_LAST)->data = LW_FIELD_MARK;
  lw_ruleset_add_set(t, LW_SET_PLAIN, "egress", FALSE, LW_FIELD_IIF, LW_FIELD_MARK, LW_FIELD_OIF,
                     LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "pairs", FALSE, LW_FIELD_IIF, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "allowed", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_DADDR,
                     LW_FIELD_PROTO, LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "allowed_out", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_DADDR,
                     LW_FIELD_PROTO, LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "allowed_home", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_PROTO,
                     LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "not_internet", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "home_lan", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST)->runtime = TRUE;
  lw_ruleset_add_set(t, LW_SET_PLAIN, "home_lan_known", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST)->runtime = TRUE;
  lw_ruleset_add_set(t, LW_SET_PLAIN, "dns_redirected", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_MAP, "dns_active", FALSE, LW_FIELD_IIF, LW_FIELD_LAST)->data = LW_FIELD_DPORT;
  lw_ruleset_add_set(t, LW_SET_MAP, "dns_pinned", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST)->data =
      LW_FIELD_DPORT;
  lw_ruleset_add_set(t, LW_SET_MAP, "forward_same", TRUE, LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT,
                     LW_FIELD_LAST)
      ->data = LW_FIELD_DADDR;
  LwSet *other = lw_ruleset_add_set(t, LW_SET_MAP, "forward_other", FALSE, LW_FIELD_IIF, LW_FIELD_PROTO,
                                    LW_FIELD_DPORT, LW_FIELD_LAST);
  other->data = LW_FIELD_DADDR;
  other->data_with_port = TRUE;
  lw_ruleset_add_set(t, LW_SET_PLAIN, "forwarded", TRUE, LW_FIELD_IIF, LW_FIELD_OIF, LW_FIELD_DADDR,
                     LW_FIELD_PROTO, LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "endpoints", FALSE, LW_FIELD_DADDR, LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_ruleset_add_set(t, LW_SET_PLAIN, "resolvers", FALSE, LW_FIELD_OIF, LW_FIELD_DADDR, LW_FIELD_LAST);
}

static void fill_special(const Build *b) {
  LwSet *set = lw_ruleset_find_set(b->table, "not_internet");
  for (guint i = 0; i < G_N_ELEMENTS(special_prefixes); i++) {
    LwPrefix prefix;
    if (lw_prefix_parse(special_prefixes[i], &prefix))
      lw_set_put(set, LW_ORIGIN_NONE, lw_value_prefix(prefix));
  }
}

static gboolean is_special(const LwPrefix *prefix) {
  for (guint i = 0; i < G_N_ELEMENTS(special_prefixes); i++) {
    LwPrefix special;
    if (lw_prefix_parse(special_prefixes[i], &special) && lw_prefix_overlaps(&special, prefix))
      return TRUE;
  }
  return FALSE;
}

/* A lab on public addresses is no internet either. */
static void put_not_internet(const Build *b, LwPrefix prefix, LwOrigin origin) {
  if (!is_special(&prefix))
    lw_set_put(lw_ruleset_find_set(b->table, "not_internet"), origin, lw_value_prefix(prefix));
}

static void put_lab_prefix(const Build *b, LwPrefix prefix, LwOrigin origin) {
  lw_set_put(lw_ruleset_find_set(b->table, "lab"), origin, lw_value_prefix(prefix));
  put_not_internet(b, prefix, origin);
}

static void fill_home_lan(const Build *b) {
  LwPrefix everything = {lw_addr_from_v4(0), 0};
  /* until WAN has a lease, everything might be the home LAN: WAN stays closed */
  LwPrefix prefix = b->facts->home_lan.addr.family ? b->facts->home_lan : everything;
  lw_set_put(lw_ruleset_find_set(b->table, "home_lan"), LW_ORIGIN_NONE, lw_value_prefix(prefix));
  if (b->facts->home_lan.addr.family)
    lw_set_put(lw_ruleset_find_set(b->table, "home_lan_known"), LW_ORIGIN_NONE, lw_value_prefix(prefix));
}

static void fill_router_flows(const Build *b) {
  for (guint i = 0; i < b->lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(b->lab, i);
    const LwAddr *endpoint = g_hash_table_lookup(b->facts->endpoints, tunnel->name);
    if (endpoint)
      lw_set_put(lw_ruleset_find_set(b->table, "endpoints"), tunnel->origin, lw_value_addr(*endpoint),
                 lw_value_number(tunnel->wg.endpoint_port));
  }
  g_autoptr(GPtrArray) plans = lw_resolver_plans(b->lab, b->facts);
  for (guint i = 0; i < plans->len; i++) {
    const LwResolverPlan *plan = plans->pdata[i];
    for (guint u = 0; u < plan->upstreams->len; u++)
      lw_set_put(lw_ruleset_find_set(b->table, "resolvers"), plan->origin, exit_link(b, plan->tunnel),
                 lw_value_addr(g_array_index(plan->upstreams, LwAddr, u)));
  }
}

static void fill_sets(const Build *b) {
  const LwLab *lab = b->lab;
  LwSet *sources = lw_ruleset_find_set(b->table, "sources");
  lw_set_put(sources, lab->host.management.origin, lw_value_name(LW_ROUTER_MGMT),
             lw_value_prefix(lab->host.management.subnet));
  put_lab_prefix(b, lab->host.management.subnet, lab->host.management.origin);
  for (guint i = 0; i < lab->host.networks->len; i++) {
    const LwNetwork *network = lw_lab_network(lab, i);
    lw_set_put(sources, network->origin, lw_value_name(LW_ROUTER_MGMT), lw_value_prefix(network->prefix));
    put_not_internet(b, network->prefix, network->origin);
  }
  put_exit(b, LW_NONE);
  for (guint i = 0; i < lab->tunnels->len; i++)
    put_exit(b, i);
  fill_special(b);
  fill_home_lan(b);
  for (guint i = 0; i < lab->segments->len; i++) {
    put_lab_prefix(b, lw_lab_segment(lab, i)->subnet, lw_lab_segment(lab, i)->origin);
    fill_segment(b, i);
  }
  fill_router_flows(b);
  for (guint i = 0; i < b->table->sets->len; i++) {
    LwSet *set = b->table->sets->pdata[i];
    if (set->interval && set->kind == LW_SET_PLAIN)
      lw_set_make_disjoint(set);
  }
}

/* --- chains
 * --------------------------------------------------------------------------------------------------- */

static LwRule *rule(LwChain *chain, const char *comment) {
  return lw_chain_add_rule(chain, LW_ORIGIN_NONE, comment);
}

static void build_mark_chain(const Build *b) {
  LwChain *c = lw_ruleset_add_base_chain(b->table, "mark", LW_HOOK_PREROUTING, PRIORITY_MANGLE, FALSE, FALSE);
  LwRule *r = rule(c, "IPv6 is closed");
  lw_rule_match(r, LW_FIELD_NFPROTO, lw_value_number(10));
  lw_rule_drop(r, "lanward ipv6");
  r = rule(c, "a DHCP client has no address yet");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_SADDR, lw_value_addr(lw_addr_from_v4(0)));
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(67));
  lw_rule_accept(r);
  r = rule(c, "what comes from the lab has an address of its place");
  lw_rule_match_not(r, LW_FIELD_IIF, lw_value_name("lo"));
  lw_rule_match_set(r, "exits", TRUE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match_set(r, "sources", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward spoofed source");
  r = rule(c, "nothing of the lab comes from outside");
  lw_rule_match_set(r, "exits", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match_set(r, "lab", FALSE, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward spoofed source");
  r = rule(c, "a flow that comes in by an exit is answered by it");
  lw_rule_match_set(r, "exits", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_CT_STATE, lw_value_number(LW_CT_NEW));
  lw_rule_lookup(r, LW_ACTION_SET_CT_MARK, "exit_marks", LW_FIELD_IIF, LW_FIELD_LAST);
  r = rule(c, "what the router itself refuses of it is told by the same exit");
  lw_rule_match_set(r, "exits", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_lookup(r, LW_ACTION_SET_MARK, "exit_marks", LW_FIELD_IIF, LW_FIELD_LAST);
  r = rule(c, "answers keep their flow's exit");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_CT_DIRECTION, lw_value_number(1));
  lw_rule_add_action(r, LW_ACTION_MARK_FROM_CT);
  lw_rule_accept(r);
  r = rule(c, "the exit of each segment");
  lw_rule_lookup(r, LW_ACTION_SET_MARK, "exit_active", LW_FIELD_IIF, LW_FIELD_LAST);
  r = rule(c, "pinned sources");
  lw_rule_lookup(r, LW_ACTION_SET_MARK, "exit_pinned", LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST);
  r = rule(c, "no exit: routing refuses it, here it is told");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_MARK, lw_value_number(0));
  lw_rule_match_set(r, "lab", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_match_set(r, "home_lan_known", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_match_not(r, LW_FIELD_DPORT, lw_value_number(53));
  lw_rule_add_action(r, LW_ACTION_COUNT);
  LwAction *log = lw_rule_add_action(r, LW_ACTION_LOG);
  log->text = g_strdup("lanward no exit");
  log->number = LW_LOG_GROUP;
  r = rule(c, "a flow remembers its exit: it is ended when that is no longer its own");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_CT_STATE, lw_value_number(LW_CT_NEW));
  lw_rule_add_action(r, LW_ACTION_CT_FROM_MARK);
}

static LwRule *match_dns(LwRule *r) {
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_TCP));
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  return lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(53));
}

static void build_dnat_chain(const Build *b) {
  LwChain *c = lw_ruleset_add_base_chain(b->table, "dnat", LW_HOOK_PREROUTING, PRIORITY_DSTNAT, TRUE, FALSE);
  LwRule *r = match_dns(rule(c, "DNS to the gateway: the source's resolver"));
  lw_rule_match_set(r, "gateways", FALSE, LW_FIELD_IIF, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_verdict(r, LW_VERDICT_GOTO, "dns");
  r = match_dns(rule(c, "DNS to any other resolver"));
  lw_rule_match_set(r, "dns_redirected", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_verdict(r, LW_VERDICT_GOTO, "dns");
  r = rule(c, "a forward: line");
  lw_rule_lookup(r, LW_ACTION_DNAT, "forward_same", LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT,
                 LW_FIELD_LAST);
  r = rule(c, "a forward: line, to a port of another number");
  lw_rule_lookup(r, LW_ACTION_DNAT, "forward_other", LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT,
                 LW_FIELD_LAST);

  LwChain *dns = lw_ruleset_add_chain(b->table, "dns");
  lw_rule_lookup(rule(dns, "the resolver of a pinned source"), LW_ACTION_REDIRECT, "dns_pinned", LW_FIELD_IIF,
                 LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_rule_lookup(rule(dns, "the resolver of the segment"), LW_ACTION_REDIRECT, "dns_active", LW_FIELD_IIF,
                 LW_FIELD_LAST);
}

static void add_clamp(LwChain *chain, const char *set, guint mtu, LwField direction) {
  LwRule *r = rule(chain, "both ways, to the smallest MTU of the exits");
  lw_rule_match_set(r, set, FALSE, direction, LW_FIELD_LAST);
  lw_rule_add_action(r, LW_ACTION_CLAMP_MSS)->number = mtu - 40; /* IPv4 and TCP headers */
}

static void build_clamp_chain(const Build *b) {
  LwChain *c = lw_ruleset_add_base_chain(b->table, "clamp", LW_HOOK_FORWARD, PRIORITY_MANGLE, FALSE, FALSE);
  for (guint i = 0; i < b->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(b->lab, i);
    guint mtu = segment_mtu(b->lab, segment);
    if (segment->egress != LW_EGRESS_TUNNELS && segment->pins->len == 0)
      continue;
    g_autofree char *name = g_strdup_printf("mtu_%u", mtu);
    LwSet *set = lw_ruleset_find_set(b->table, name);
    if (!set) {
      set = lw_ruleset_add_set(b->table, LW_SET_PLAIN, name, FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
      add_clamp(c, name, mtu, LW_FIELD_IIF);
      add_clamp(c, name, mtu, LW_FIELD_OIF);
    }
    lw_set_put(set, segment->egress_origin, leg(segment));
  }
}

static LwRule *match_states(LwRule *r, guint32 states) {
  return lw_rule_match(r, LW_FIELD_CT_STATE, lw_value_number(states));
}

static void refuse_dns(LwChain *c, guint32 proto, LwActionKind how, const char *comment) {
  LwRule *r = rule(c, comment);
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match_set(r, "exits", FALSE, LW_FIELD_OIF, LW_FIELD_LAST);
  match_states(r, LW_CT_NEW);
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(proto));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(53));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(853));
  lw_rule_add_action(r, LW_ACTION_COUNT);
  lw_rule_add_action(r, how);
}

static void build_forward_chain(const Build *b) {
  LwChain *c = lw_ruleset_add_base_chain(b->table, "forward", LW_HOOK_FORWARD, PRIORITY_FILTER, FALSE, TRUE);
  refuse_dns(c, PROTO_TCP, LW_ACTION_REJECT_TCP, "no resolver but the exit's own");
  refuse_dns(c, PROTO_UDP, LW_ACTION_REJECT, "no resolver but the exit's own");
  LwRule *r = match_states(rule(c, "of ICMP only ping opens a flow"), LW_CT_NEW);
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_ICMP));
  lw_rule_match_not(r, LW_FIELD_ICMP_TYPE, lw_value_number(ICMP_ECHO_REQUEST));
  lw_rule_drop(r, "lanward icmp");
  r = rule(c, "allow: home-lan, whatever the exit of the segment");
  lw_rule_match(r, LW_FIELD_OIF, lw_value_name(LW_ROUTER_WAN));
  lw_rule_match_set(r, "home_lan_known", FALSE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_match_set(r, "allowed_home", FALSE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_PROTO, LW_FIELD_DPORT,
                    LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "kill switch: by an exit only what the file sends there");
  lw_rule_match_set(r, "exits", FALSE, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_match_set(r, "egress", TRUE, LW_FIELD_IIF, LW_FIELD_MARK, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward kill-switch");
  r = match_states(rule(c, "flows that are open, between places that may talk"),
                   LW_CT_ESTABLISHED | LW_CT_RELATED);
  lw_rule_match_set(r, "pairs", FALSE, LW_FIELD_IIF, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "a cut connection is told so, not adopted");
  lw_rule_match(r, LW_FIELD_TCP_SYN, lw_value_number(0));
  lw_rule_match(r, LW_FIELD_TCP_RST, lw_value_number(0));
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_add_action(r, LW_ACTION_COUNT);
  lw_rule_add_action(r, LW_ACTION_REJECT_TCP);
  r = match_states(rule(c, "nothing but new flows from here on"),
                   LW_CT_ESTABLISHED | LW_CT_RELATED | LW_CT_INVALID);
  lw_rule_drop(r, "lanward no flow");
  r = rule(c, "an allow: or trust: line");
  lw_rule_match_set(r, "allowed", FALSE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_DADDR, LW_FIELD_PROTO,
                    LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "an allow: line that names a prefix beyond the exits");
  lw_rule_match_set(r, "exits", FALSE, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_match_set(r, "allowed_out", FALSE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_DADDR, LW_FIELD_PROTO,
                    LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "a forward: line");
  lw_rule_match(r, LW_FIELD_CT_DNAT, lw_value_number(1));
  lw_rule_match_set(r, "forwarded", FALSE, LW_FIELD_IIF, LW_FIELD_OIF, LW_FIELD_DADDR, LW_FIELD_PROTO,
                    LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "the home LAN is not the internet");
  lw_rule_match(r, LW_FIELD_OIF, lw_value_name(LW_ROUTER_WAN));
  lw_rule_match_set(r, "home_lan", FALSE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward home-lan");
  r = rule(c, "no line allows it");
  lw_rule_match_set(r, "not_internet", FALSE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward not internet");
  r = rule(c, "the segment's egress: or pin: line");
  lw_rule_match_set(r, "egress", FALSE, LW_FIELD_IIF, LW_FIELD_MARK, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_accept(r);
  lw_rule_drop(rule(c, "nothing allows it"), "lanward forward");
}

static void build_input_chain(const Build *b) {
  LwChain *c = lw_ruleset_add_base_chain(b->table, "input", LW_HOOK_INPUT, PRIORITY_FILTER, FALSE, TRUE);
  LwRule *r = rule(c, NULL);
  lw_rule_match(r, LW_FIELD_IIF, lw_value_name("lo"));
  lw_rule_accept(r);
  lw_rule_accept(
      match_states(rule(c, "answers to the router's own flows"), LW_CT_ESTABLISHED | LW_CT_RELATED));
  r = rule(c, "late packets of a cut connection: tell the far end");
  lw_rule_match(r, LW_FIELD_IIF, lw_value_name("wg-*"));
  lw_rule_match(r, LW_FIELD_TCP_SYN, lw_value_number(0));
  lw_rule_match(r, LW_FIELD_TCP_RST, lw_value_number(0));
  lw_rule_add_action(r, LW_ACTION_COUNT);
  lw_rule_add_action(r, LW_ACTION_REJECT_TCP);
  lw_rule_drop(match_states(rule(c, NULL), LW_CT_INVALID), "lanward no flow");
  r = rule(c, "ping of one's own gateway");
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_ICMP));
  lw_rule_match(r, LW_FIELD_ICMP_TYPE, lw_value_number(ICMP_ECHO_REQUEST));
  lw_rule_match_set(r, "gateways", FALSE, LW_FIELD_IIF, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "DHCP, to everybody; to one's own gateway see below");
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(67));
  lw_rule_match(r, LW_FIELD_DADDR, lw_value_addr(lw_addr_from_v4(G_MAXUINT32)));
  lw_rule_match_set(r, "gateway_ports", FALSE, LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "DNS, which the router answers itself");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_CT_DNAT, lw_value_number(1));
  lw_rule_accept(r);
  r = rule(c, "other services of the gateway");
  lw_rule_match_set(r, "gateways", FALSE, LW_FIELD_IIF, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_match_set(r, "gateway_ports", FALSE, LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_rule_accept(r);
  const LwHost *host = &b->lab->host;
  r = rule(c, "the host: ping");
  lw_rule_match(r, LW_FIELD_IIF, lw_value_name(LW_ROUTER_MGMT));
  lw_rule_match(r, LW_FIELD_SADDR, lw_value_addr(host->management.address));
  lw_rule_match(r, LW_FIELD_DADDR, lw_value_addr(host->management.router));
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_ICMP));
  lw_rule_match(r, LW_FIELD_ICMP_TYPE, lw_value_number(ICMP_ECHO_REQUEST));
  lw_rule_accept(r);
  r = rule(c, "the host: SSH and web page");
  lw_rule_match(r, LW_FIELD_IIF, lw_value_name(LW_ROUTER_MGMT));
  lw_rule_match(r, LW_FIELD_SADDR, lw_value_addr(host->management.address));
  lw_rule_match(r, LW_FIELD_DADDR, lw_value_addr(host->management.router));
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_TCP));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(22));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(80));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(443));
  lw_rule_accept(r);
  lw_rule_drop(rule(c, "nothing allows it"), "lanward input");
}

static void build_output_chain(const Build *b) {
  LwChain *c = lw_ruleset_add_base_chain(b->table, "output", LW_HOOK_OUTPUT, PRIORITY_FILTER, FALSE, TRUE);
  LwRule *r = rule(c, NULL);
  lw_rule_match(r, LW_FIELD_OIF, lw_value_name("lo"));
  lw_rule_accept(r);
  lw_rule_accept(match_states(rule(c, "answers"), LW_CT_ESTABLISHED));
  r = rule(c, "ICMP errors go to segments only");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_ICMP));
  lw_rule_match(r, LW_FIELD_ICMP_TYPE, lw_value_number(3));
  lw_rule_match(r, LW_FIELD_ICMP_TYPE, lw_value_number(11));
  lw_rule_match(r, LW_FIELD_ICMP_TYPE, lw_value_number(12));
  lw_rule_accept(r);
  r = rule(c, "resets of cut connections");
  lw_rule_match_not(r, LW_FIELD_OIF, lw_value_name(LW_ROUTER_WAN));
  lw_rule_match(r, LW_FIELD_TCP_RST, lw_value_number(1));
  lw_rule_accept(r);
  r = rule(c, "DHCP server");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  lw_rule_match(r, LW_FIELD_SPORT, lw_value_number(67));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(68));
  lw_rule_accept(r);
  r = rule(c, "WireGuard to the endpoints of the file");
  lw_rule_match(r, LW_FIELD_OIF, lw_value_name(LW_ROUTER_WAN));
  lw_rule_match(r, LW_FIELD_MARK, exit_mark(b, LW_NONE));
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  lw_rule_match_set(r, "endpoints", FALSE, LW_FIELD_DADDR, LW_FIELD_DPORT, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = rule(c, "DHCP client of WAN");
  lw_rule_match(r, LW_FIELD_OIF, lw_value_name(LW_ROUTER_WAN));
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  lw_rule_match(r, LW_FIELD_SPORT, lw_value_number(68));
  lw_rule_match(r, LW_FIELD_DPORT, lw_value_number(67));
  lw_rule_accept(r);
  r = match_dns(rule(c, "each exit's own resolvers, through it"));
  lw_rule_match_set(r, "resolvers", FALSE, LW_FIELD_OIF, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_accept(r);
  lw_rule_drop(rule(c, "nothing allows it"), "lanward output");
}

static void build_snat_chain(const Build *b) {
  LwChain *c = lw_ruleset_add_base_chain(b->table, "snat", LW_HOOK_POSTROUTING, PRIORITY_SRCNAT, TRUE, FALSE);
  LwRule *r = rule(c, "what leaves is sent under the router's own address there");
  lw_rule_match_set(r, "segments", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match_set(r, "exits", FALSE, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_add_action(r, LW_ACTION_MASQUERADE);
}

LwRuleset *lw_policy_router_rules(const LwLab *lab, LwFacts *facts) {
  LwRuleset *table = lw_ruleset_new(LW_FAMILY_INET, "lanward");
  Build b = {lab, facts, table};
  declare_sets(&b);
  fill_sets(&b);
  build_mark_chain(&b);
  build_dnat_chain(&b);
  build_clamp_chain(&b);
  build_forward_chain(&b);
  build_input_chain(&b);
  build_output_chain(&b);
  build_snat_chain(&b);
  return table;
}
