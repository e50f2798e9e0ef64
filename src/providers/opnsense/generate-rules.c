/* The rules of each segment, of the management network and of the exits: what the file implies, in the order
 * in which the lines win over each other, and then that nothing else passes. */
#include "providers/opnsense/generate-internal.h"

#include "policy/names.h"

#include <string.h>

/* Sources of a segment that share an exit: a pin's range, or the rest (range NULL). */
typedef struct {
  const LwRange *range;
  guint tunnel; /* LW_NONE: WAN */
  gboolean leaves;
} Share;

typedef struct {
  LwOpnMaker *maker;
  const LwSegment *segment;
  guint index;
  char *interface, *self;
  GArray *shares; /* of Share: pins first */
} Leg;

static const char *proto_word(LwProto proto) {
  return proto == LW_PROTO_TCP    ? "TCP"
         : proto == LW_PROTO_UDP  ? "UDP"
         : proto == LW_PROTO_ICMP ? "ICMP"
                                  : NULL;
}

/* NULL: all ports. Transfer full. */
static char *port_text(const LwPorts *ports) {
  if ((ports->proto != LW_PROTO_TCP && ports->proto != LW_PROTO_UDP) ||
      (ports->first_port == 0 && ports->last_port == 65535))
    return NULL;
  return ports->first_port == ports->last_port
             ? g_strdup_printf("%u", ports->first_port)
             : g_strdup_printf("%u-%u", ports->first_port, ports->last_port);
}

/* What a list of ranges leaves of one; as text with commas, NULL when nothing. Transfer full. */
static char *common_text(const GArray *from, const LwRange *within) {
  g_autoptr(GString) out = g_string_new(NULL);
  for (guint i = 0; i < from->len; i++) {
    LwRange range = g_array_index(from, LwRange, i);
    if (within) {
      if (!lw_range_overlaps(&range, within))
        continue;
      if (lw_addr_cmp(&range.first, &within->first) < 0)
        range.first = within->first;
      if (lw_addr_cmp(&range.last, &within->last) > 0)
        range.last = within->last;
    }
    g_autofree char *text = lw_opn_range_text(&range);
    g_string_append_printf(out, "%s%s", out->len ? "," : "", text);
  }
  return out->len ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

/* The source of an allow line, or of a share of it; NULL: nobody. Transfer full. */
static char *source_text(const Leg *leg, const GArray *from, const LwRange *within) {
  if (from && from->len)
    return common_text(from, within);
  return within ? lw_opn_range_text(within) : g_strdup(leg->interface);
}

/* ---- what a line opens ---- */

static void add_ports(LwOpnMaker *maker, LwOpnNewRule rule, const GArray *ports, const char *what) {
  if (!ports || ports->len == 0) {
    lw_opn_add_rule(maker, &rule, "%s", what);
    return;
  }
  for (guint i = 0; i < ports->len; i++) {
    const LwPorts *each = &g_array_index(ports, LwPorts, i);
    g_autofree char *port = port_text(each), *name = lw_ports_format(each);
    rule.protocol = proto_word(each->proto);
    /* a file's icmp is what a machine may ask: errors belong to flows */
    rule.icmp = each->proto == LW_PROTO_ICMP ? "echoreq" : NULL;
    rule.port = port;
    lw_opn_add_rule(maker, &rule, "%s: %s", what, name);
  }
}

/* Every address of a machine where it is now, with commas; NULL: it has none there. Transfer full. */
static char *machine_addresses(const LwOpnMaker *maker, guint machine, guint segment) {
  const LwMachine *m = lw_lab_machine(maker->lab, machine);
  g_autoptr(GString) out = g_string_new(NULL);
  for (guint n = 0; n < m->nics->len; n++) {
    LwAddr own = lw_nic_address(maker->lab, maker->facts, machine, n);
    if (lw_nic_segment(maker->lab, maker->facts, machine, n) != segment)
      continue;
    g_autofree char *text = lw_addr_format(&own);
    if (*text)
      g_string_append_printf(out, "%s%s", out->len ? "," : "", text);
    const GArray *more = lw_machine_nic(m, n)->addresses;
    for (guint i = 0; lw_machine_nic(m, n)->segment == segment && i < more->len; i++) {
      g_autofree char *further = lw_addr_format(&g_array_index(more, LwPrefix, i).addr);
      g_string_append_printf(out, "%s%s", out->len ? "," : "", further);
    }
  }
  return out->len ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

static char *target_text(const Leg *leg, const LwTarget *target) {
  const LwLab *lab = leg->maker->lab;
  switch (target->kind) {
  case LW_TARGET_HOST:
  case LW_TARGET_HOST_SERVICE:
    return lw_addr_format(&lab->host.management.address);
  case LW_TARGET_SEGMENT:
    return lw_opn_segment_interface(leg->maker->facts, lw_lab_segment(lab, target->index));
  case LW_TARGET_MACHINE:
    return machine_addresses(leg->maker, target->machine, target->index);
  case LW_TARGET_NETWORK:
    return lw_prefix_format(&lw_lab_network(lab, target->index)->prefix);
  case LW_TARGET_ROUTER_NTP:
    return g_strdup(leg->self);
  case LW_TARGET_PREFIX:
    return lw_prefix_format(&target->prefix);
  case LW_TARGET_HOME_LAN:
  case LW_TARGET_INTERNET:
  case LW_TARGET_ROUTER:
    break;
  }
  return NULL;
}

static const GArray *ports_of(const LwLab *lab, const LwAllow *allow) {
  if (allow->ports->len == 0 && allow->target.kind == LW_TARGET_HOST_SERVICE)
    return lw_lab_service(lab, allow->target.index)->ports;
  return allow->ports;
}

static gboolean is_beyond(const LwAllow *allow) {
  return allow->target.kind == LW_TARGET_HOME_LAN || allow->target.kind == LW_TARGET_PREFIX;
}

static gboolean is_of_router(const LwAllow *allow) {
  return allow->target.kind == LW_TARGET_ROUTER_NTP;
}

/* Lines to places inside the lab. */
static void add_inside(const Leg *leg, const LwAllow *allow) {
  g_autofree char *to = target_text(leg, &allow->target), *from = source_text(leg, allow->from, NULL);
  g_autofree char *line = lw_allow_format(leg->maker->lab, allow);
  g_autofree char *what = g_strdup_printf("%s: allow %s", leg->segment->name, line);
  if (!to || !from)
    return;
  LwOpnNewRule rule = {.action = "pass", .interface = leg->interface, .source = from, .destination = to};
  if (allow->target.kind == LW_TARGET_ROUTER_NTP) {
    rule.protocol = "UDP";
    rule.port = "123";
    lw_opn_add_rule(leg->maker, &rule, "%s", what);
    return;
  }
  add_ports(leg->maker, rule, ports_of(leg->maker->lab, allow), what);
}

/* The home LAN hangs on WAN, whatever exit a source has. */
static void add_home(const Leg *leg, const LwAllow *allow) {
  g_autofree char *from = source_text(leg, allow->from, NULL),
                  *line = lw_allow_format(leg->maker->lab, allow);
  g_autofree char *what = g_strdup_printf("%s: allow %s", leg->segment->name, line);
  LwOpnNewRule rule = {.action = "pass", .interface = leg->interface, .source = from, .destination = "wan"};
  if (from)
    add_ports(leg->maker, rule, allow->ports, what);
}

/* Lines to what lies beyond the exits: each source by its own exit, and right behind that there is no other.
 */
static void add_beyond(const Leg *leg, const LwAllow *allow) {
  g_autofree char *to = target_text(leg, &allow->target), *line = lw_allow_format(leg->maker->lab, allow);
  g_autofree char *what = g_strdup_printf("%s: allow %s", leg->segment->name, line);
  for (guint i = 0; i < leg->shares->len; i++) {
    const Share *share = &g_array_index(leg->shares, Share, i);
    g_autofree char *from = source_text(leg, allow->from, share->range);
    g_autofree char *gateway = lw_opn_exit_gateway(leg->maker->lab, share->tunnel);
    LwOpnNewRule rule = {
        .action = "pass", .interface = leg->interface, .source = from, .destination = to, .gateway = gateway};
    if (!from)
      continue;
    add_ports(leg->maker, rule, allow->ports, what);
    rule.action = "block";
    rule.gateway = NULL;
    add_ports(leg->maker, rule, allow->ports, what);
  }
}

/* The same whatever exit it uses now, so that a switch changes rules and makes no new ones. Transfer full. */
static char *share_name(const Share *share) {
  g_autofree char *range = share->range ? lw_range_format(share->range) : NULL;
  return g_strdup_printf("of %s", range ? range : "the rest");
}

/* ---- DNS ---- */

/* The resolver that a share's queries go to; NULL: none is known. Transfer full. */
static char *resolver_of(const Leg *leg, const Share *share) {
  const GArray *lists[] = {leg->segment->dns, share->tunnel == LW_NONE
                                                  ? leg->maker->facts->wan_resolvers
                                                  : lw_lab_tunnel(leg->maker->lab, share->tunnel)->wg.dns};
  for (guint l = 0; l < G_N_ELEMENTS(lists); l++)
    for (guint i = 0; i < lists[l]->len; i++)
      if (g_array_index(lists[l], LwAddr, i).family == 4)
        return lw_addr_format(&g_array_index(lists[l], LwAddr, i));
  return NULL;
}

static void lead_dns(const Leg *leg, const char *from, const char *resolver, const char *who) {
  LwOpnNewForward forward = {.interface = leg->interface,
                             .protocol = "tcp/udp",
                             .source = from,
                             .destination = leg->self,
                             .port = "53",
                             .target = resolver,
                             .local_port = "53",
                             .tag = LW_OPN_DNS_TAG};
  lw_opn_add_forward(leg->maker, &forward, "%s: DNS %s", leg->segment->name, who);
  if (leg->segment->dns_foreign != LW_DNS_REDIRECT)
    return;
  forward.destination = NULL;
  lw_opn_add_forward(leg->maker, &forward, "%s: DNS of others %s", leg->segment->name, who);
}

/* Returns whether every query from here is led to a resolver, whomever it asked. */
static gboolean add_dns(const Leg *leg) {
  gboolean all = leg->segment->dns_foreign == LW_DNS_REDIRECT;
  for (guint i = 0; i < leg->shares->len; i++) {
    const Share *share = &g_array_index(leg->shares, Share, i);
    g_autofree char *from = source_text(leg, NULL, share->range), *resolver = resolver_of(leg, share);
    g_autofree char *gateway = lw_opn_exit_gateway(leg->maker->lab, share->tunnel);
    const char *exit =
        share->tunnel == LW_NONE ? "direct" : lw_lab_tunnel(leg->maker->lab, share->tunnel)->name;
    g_autofree char *who = share_name(share);
    all = all && (!share->leaves || resolver); /* without egress the gateway gets them */
    if (!share->leaves)
      continue;
    if (!resolver) {
      g_ptr_array_add(leg->maker->notes,
                      g_strdup_printf("%s: no resolver is known for %s: give the segment “dns:”",
                                      leg->segment->name, exit));
      continue;
    }
    lead_dns(leg, from, resolver, who);
    LwOpnNewRule rule = {.action = "pass",
                         .interface = leg->interface,
                         .protocol = "TCP/UDP",
                         .source = from,
                         .destination = resolver,
                         .port = "53",
                         .gateway = gateway,
                         .tagged = LW_OPN_DNS_TAG};
    lw_opn_add_rule(leg->maker, &rule, "%s: DNS %s", leg->segment->name, who);
    rule.action = "block";
    rule.gateway = NULL;
    lw_opn_add_rule(leg->maker, &rule, "%s: DNS %s, or not at all", leg->segment->name, who);
  }
  return all;
}

/* ---- one segment ---- */

/* A client without an address asks everybody; one that renews asks its gateway. */
static void add_dhcp(const Leg *leg) {
  g_autofree char *anybody = g_strdup_printf("0.0.0.0,%s", leg->interface);
  LwOpnNewRule rule = {.action = "pass", .interface = leg->interface, .protocol = "UDP", .port = "67"};
  rule.source = anybody;
  rule.destination = "255.255.255.255";
  lw_opn_add_rule(leg->maker, &rule, "%s: DHCP", leg->segment->name);
  rule.source = leg->interface;
  rule.destination = leg->self;
  lw_opn_add_rule(leg->maker, &rule, "%s: DHCP of the gateway", leg->segment->name);
}

static void add_gateway_services(const Leg *leg) {
  if (leg->segment->has_dhcp)
    add_dhcp(leg);
  LwOpnNewRule ping = {.action = "pass",
                       .interface = leg->interface,
                       .protocol = "ICMP",
                       .icmp = "echoreq",
                       .source = leg->interface,
                       .destination = leg->self};
  lw_opn_add_rule(leg->maker, &ping, "%s: ping the gateway", leg->segment->name);
  if (leg->segment->egress != LW_EGRESS_NONE)
    return;
  LwOpnNewRule dns = {.action = "pass",
                      .interface = leg->interface,
                      .protocol = "TCP/UDP",
                      .source = leg->interface,
                      .destination = leg->self,
                      .port = "53"};
  lw_opn_add_rule(leg->maker, &dns, "%s: names of the lab", leg->segment->name);
  if (leg->segment->dns_foreign != LW_DNS_REDIRECT)
    return;
  g_autofree char *gateway = lw_addr_format(&leg->segment->router);
  LwOpnNewForward forward = {.interface = leg->interface,
                             .protocol = "tcp/udp",
                             .source = leg->interface,
                             .port = "53",
                             .target = gateway,
                             .local_port = "53"};
  lw_opn_add_forward(leg->maker, &forward, "%s: DNS of others", leg->segment->name);
}

static void add_trust(const Leg *leg) {
  const LwLab *lab = leg->maker->lab;
  g_autofree char *host = lw_addr_format(&lab->host.management.address);
  LwOpnNewRule rule = {
      .action = "pass", .interface = leg->interface, .source = leg->interface, .destination = host};
  lw_opn_add_rule(leg->maker, &rule, "%s: trust host", leg->segment->name);
  for (guint i = 0; i < lab->host.networks->len; i++) {
    g_autofree char *prefix = lw_prefix_format(&lw_lab_network(lab, i)->prefix);
    rule.destination = prefix;
    lw_opn_add_rule(leg->maker, &rule, "%s: trust host, for %s", leg->segment->name,
                    lw_lab_network(lab, i)->name);
  }
}

static void block(const Leg *leg, const char *protocol, const char *to, const char *port, const char *what) {
  LwOpnNewRule rule = {.action = "block",
                       .interface = leg->interface,
                       .protocol = protocol,
                       .destination = to,
                       .port = port,
                       .log = TRUE};
  lw_opn_add_rule(leg->maker, &rule, "%s: %s", leg->segment->name, what);
}

/* The way out of each share, and right behind it that there is no other. */
static void add_egress(const Leg *leg) {
  for (guint i = 0; i < leg->shares->len; i++) {
    const Share *share = &g_array_index(leg->shares, Share, i);
    g_autofree char *from = source_text(leg, NULL, share->range);
    g_autofree char *gateway = lw_opn_exit_gateway(leg->maker->lab, share->tunnel);
    g_autofree char *who = share_name(share);
    LwOpnNewRule rule = {.action = "pass", .interface = leg->interface, .source = from, .gateway = gateway};
    if (share->leaves)
      lw_opn_add_rule(leg->maker, &rule, LW_OPN_EGRESS, leg->segment->name, who);
    rule.action = "block";
    rule.gateway = NULL;
    rule.log = TRUE;
    if (share->range)
      lw_opn_add_rule(leg->maker, &rule, "%s: egress %s, or not at all", leg->segment->name, who);
  }
  block(leg, NULL, NULL, NULL, "nothing else");
}

/* What no packet may be, whatever else the file says. Nobody else has an address of the router. Errors belong
 * to flows, and pass with them; of the other types of ICMP a rule for every protocol would pass all. */
static void add_never(LwOpnMaker *maker, const char *interface, const char *name) {
  static const char *const others = "echorep,unreach,squench,redir,routeradv,routersol,timex,paramprob,"
                                    "timereq,timerep,inforeq,inforep,maskreq,"
                                    "maskrep";
  LwOpnNewRule self = {.action = "block", .interface = interface, .source = "(self)", .log = TRUE};
  LwOpnNewRule icmp = {.action = "block", .interface = interface, .protocol = "ICMP", .icmp = others};
  lw_opn_add_rule(maker, &self, "%s: nobody has the router's addresses", name);
  lw_opn_add_rule(maker, &icmp, "%s: of ICMP, ping alone", name);
}

/* Nobody beyond an exit has an address of the lab. */
static void add_never_outside(LwOpnMaker *maker, const char *interface, const char *name) {
  LwOpnNewRule lab = {.action = "block", .interface = interface, .source = LW_OPN_LAB, .log = TRUE};
  add_never(maker, interface, name);
  lw_opn_add_rule(maker, &lab, "%s: nobody outside has the lab's addresses", name);
}

/* OPNsense's own rule for WAN's DHCP client, which stands before every other, lets in whatever looks like an
 * answer to it, whomever it is for: it is led to the router. */
static void keep_dhcp_answers(LwOpnMaker *maker) {
  LwOpnNewForward forward = {.interface = "wan",
                             .protocol = "udp",
                             .source_port = "67",
                             .destination = "wanip",
                             .destination_not = TRUE,
                             .port = "68",
                             .target = "127.0.0.1",
                             .local_port = "68"};
  lw_opn_add_forward(maker, &forward, "wan: DHCP's answers are for the router alone");
}

static void add_leg(const Leg *leg) {
  const LwSegment *segment = leg->segment;
  add_never(leg->maker, leg->interface, segment->name);
  gboolean led = add_dns(leg);
  add_gateway_services(leg);
  for (guint i = 0; i < segment->allow->len; i++)
    if (is_of_router(segment->allow->pdata[i]))
      add_inside(leg, segment->allow->pdata[i]);
  /* before the lines to networks, each of which holds an address of the router */
  block(leg, NULL, "(self)", NULL, "nothing else of the router");
  if (segment->trust_host)
    add_trust(leg);
  for (guint i = 0; i < segment->allow->len; i++)
    if (!is_of_router(segment->allow->pdata[i]) && !is_beyond(segment->allow->pdata[i]))
      add_inside(leg, segment->allow->pdata[i]);
  block(leg, NULL, LW_OPN_LAB, NULL, "nothing else of the lab");
  if (!led)
    block(leg, "TCP/UDP", NULL, "53", "no other resolver");
  block(leg, "TCP/UDP", NULL, "853", "no other resolver, by TLS");
  for (guint i = 0; i < segment->allow->len; i++)
    if (((LwAllow *)segment->allow->pdata[i])->target.kind == LW_TARGET_HOME_LAN)
      add_home(leg, segment->allow->pdata[i]);
    else if (is_beyond(segment->allow->pdata[i]))
      add_beyond(leg, segment->allow->pdata[i]);
  block(leg, NULL, LW_OPN_SPECIAL, NULL, "special-purpose addresses are not internet");
  block(leg, NULL, "wan", NULL, "the home LAN is not internet");
  add_egress(leg);
}

static void init_leg(Leg *leg, LwOpnMaker *maker, guint index) {
  const LwSegment *segment = lw_lab_segment(maker->lab, index);
  *leg = (Leg){.maker = maker, .segment = segment, .index = index};
  leg->interface = lw_opn_segment_interface(maker->facts, segment);
  leg->self = g_strdup_printf("%sip", leg->interface);
  leg->shares = g_array_new(FALSE, FALSE, sizeof(Share));
  for (guint i = 0; i < segment->pins->len; i++) {
    const LwPin *pin = segment->pins->pdata[i];
    Share share = {&pin->range, pin->tunnel, TRUE};
    g_array_append_val(leg->shares, share);
  }
  Share rest = {NULL, lw_active_exit(maker->lab, maker->facts, index), segment->egress != LW_EGRESS_NONE};
  g_array_append_val(leg->shares, rest);
}

static void clear_leg(Leg *leg) {
  g_free(leg->interface);
  g_free(leg->self);
  g_array_unref(leg->shares);
}

/* ---- the management network ---- */

static void add_host_to(LwOpnMaker *maker, guint index) {
  const LwLab *lab = maker->lab;
  const LwSegment *segment = lw_lab_segment(lab, index);
  g_autofree char *host = lw_addr_format(&lab->host.management.address);
  g_autofree char *net = lw_opn_segment_interface(maker->facts, segment);
  LwOpnNewRule rule = {.action = "pass", .interface = "lan", .source = host, .destination = net};
  if (segment->trust_host) {
    lw_opn_add_rule(maker, &rule, "host: %s trusts it", segment->name);
    for (guint i = 0; i < lab->host.networks->len; i++) {
      g_autofree char *prefix = lw_prefix_format(&lw_lab_network(lab, i)->prefix);
      rule.source = prefix;
      lw_opn_add_rule(maker, &rule, "%s: %s trusts the host", lw_lab_network(lab, i)->name, segment->name);
    }
  }
  for (guint i = 0; i < segment->host_allow->len; i++) {
    const LwAllow *allow = segment->host_allow->pdata[i];
    g_autofree char *line = lw_allow_format(lab, allow);
    g_autofree char *machine = allow->target.kind == LW_TARGET_MACHINE
                                   ? machine_addresses(maker, allow->target.machine, allow->target.index)
                                   : g_strdup(net);
    g_autofree char *what = g_strdup_printf("host: allow %s", line);
    rule.source = host;
    rule.destination = machine;
    if (machine)
      add_ports(maker, rule, allow->ports, what);
  }
}

static void add_management(LwOpnMaker *maker) {
  g_autofree char *host = lw_addr_format(&maker->lab->host.management.address);
  LwOpnNewRule admin = {.action = "pass",
                        .interface = "lan",
                        .protocol = "TCP",
                        .source = host,
                        .destination = "lanip",
                        .port = LW_OPN_ADMIN};
  LwOpnNewRule ping = {.action = "pass",
                       .interface = "lan",
                       .protocol = "ICMP",
                       .icmp = "echoreq",
                       .source = host,
                       .destination = "lanip"};
  LwOpnNewRule self = {.action = "block", .interface = "lan", .destination = "(self)", .log = TRUE};
  LwOpnNewRule rest = {.action = "block", .interface = "lan", .log = TRUE};
  add_never(maker, "lan", "mgmt");
  lw_opn_add_rule(maker, &admin, "host: manages the router");
  lw_opn_add_rule(maker, &ping, "host: pings the router");
  lw_opn_add_rule(maker, &self, "mgmt: nothing else of the router");
  g_autoptr(GArray) segments = lw_opn_segments(maker);
  for (guint i = 0; i < segments->len; i++)
    add_host_to(maker, g_array_index(segments, guint, i));
  lw_opn_add_rule(maker, &rest, "mgmt: nothing else");
}

/* ---- forwards ---- */

/* Whether the target is there, and the exit that it uses now. */
static gboolean is_live(const Leg *leg, const LwForward *forward, guint *exit) {
  const LwOpnMaker *maker = leg->maker;
  if (lw_nic_segment(maker->lab, maker->facts, forward->machine, forward->nic) != leg->index)
    return FALSE;
  for (guint i = 0; i < leg->shares->len; i++) {
    const Share *share = &g_array_index(leg->shares, Share, i);
    if (share->range && !lw_range_contains(share->range, &forward->address))
      continue;
    *exit = share->tunnel;
    return share->leaves;
  }
  return FALSE;
}

static char *span_text(guint first, guint count) {
  return count == 0 ? g_strdup_printf("%u", first) : g_strdup_printf("%u-%u", first, first + count);
}

static void add_port_forward(const Leg *leg, const LwForward *forward) {
  guint exit;
  if (!is_live(leg, forward, &exit))
    return;
  LwOpnMaker *maker = leg->maker;
  g_autofree char *interface =
      exit == LW_NONE ? g_strdup("wan") : lw_opn_tunnel_interface(maker->facts, maker->lab, exit);
  g_autofree char *own = g_strdup_printf("%sip", interface);
  g_autofree char *gateway = exit == LW_NONE ? NULL : lw_opn_exit_gateway(maker->lab, exit);
  g_autofree char *target = lw_addr_format(&forward->address);
  guint count = (guint)(forward->last_port - forward->first_port);
  g_autofree char *outer = span_text(forward->first_port, count), *inner = span_text(forward->to_port, count);
  g_autofree char *local = g_strdup_printf("%u", forward->to_port);
  const char *lower = forward->tcp && forward->udp ? "tcp/udp" : forward->tcp ? "tcp" : "udp";
  g_autofree char *upper = g_ascii_strup(lower, -1);
  const char *machine = lw_lab_machine(maker->lab, forward->machine)->name;
  LwOpnNewForward rdr = {.interface = interface,
                         .protocol = lower,
                         .destination = own,
                         .port = outer,
                         .target = target,
                         .local_port = local,
                         .tag = LW_OPN_FORWARD_TAG};
  lw_opn_add_forward(maker, &rdr, "%s: %s/%s to %s", leg->segment->name, lower, outer, machine);
  LwOpnNewRule rule = {.action = "pass",
                       .interface = interface,
                       .protocol = upper,
                       .destination = target,
                       .port = inner,
                       .reply_to = gateway,
                       .tagged = LW_OPN_FORWARD_TAG};
  lw_opn_add_rule(maker, &rule, "%s: %s/%s to %s", leg->segment->name, lower, outer, machine);
}

void lw_opn_make_rules(LwOpnMaker *maker) {
  g_autoptr(GArray) segments = lw_opn_segments(maker);
  add_never_outside(maker, "wan", "wan");
  keep_dhcp_answers(maker);
  g_autoptr(GArray) exits = lw_opn_tunnels(maker);
  for (guint i = 0; i < exits->len; i++) {
    guint tunnel = g_array_index(exits, guint, i);
    g_autofree char *interface = lw_opn_tunnel_interface(maker->facts, maker->lab, tunnel);
    add_never_outside(maker, interface, lw_lab_tunnel(maker->lab, tunnel)->name);
  }
  add_management(maker);
  for (guint i = 0; i < segments->len; i++) {
    Leg leg;
    init_leg(&leg, maker, g_array_index(segments, guint, i));
    lw_opn_start_block(maker, lw_facts_number(maker->facts, "segment", leg.segment->name));
    add_leg(&leg);
    for (guint f = 0; f < leg.segment->forwards->len; f++)
      add_port_forward(&leg, leg.segment->forwards->pdata[f]);
    clear_leg(&leg);
  }
}
