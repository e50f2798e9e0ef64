/* The lab's resources: host, router, resolvers, machines' cables. One function a layer of the lab; the order
 * of carrying them out is the plan's business. */
#include "policy/names.h"
#include "policy/policy.h"
#include "policy/resolvers.h"

#include "base/error.h"

#define LINK_GROUP 0x4c57u /* IFLA_GROUP of every link of ours: they can be deleted in one go */
#define LEASE_SECONDS 3600
#define METRIC_LAST                                                                                          \
  G_MAXUINT32 /* a prohibit route behind every default route: it stays when the device goes */

typedef struct {
  const LwLab *lab;
  LwFacts *facts;
  LwResourceSet *wanted;
} Compile;

static LwResource *add(const Compile *c, LwResourceKind kind, const char *ns, const char *name,
                       LwOrigin origin) {
  LwResource *resource = lw_resource_new(kind, ns, name);
  resource->origin = origin;
  return lw_resource_set_add(c->wanted, resource);
}

static LwResource *new_resource(LwResourceKind kind, const char *ns, const char *name, LwOrigin origin) {
  LwResource *resource = lw_resource_new(kind, ns, name);
  resource->origin = origin;
  return resource;
}

static void set_text(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

static void add_sysctl(const Compile *c, const char *ns, const char *value, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
static void add_sysctl(const Compile *c, const char *ns, const char *value, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *name = g_strdup_vprintf(format, args);
  va_end(args);
  LwResource *sysctl = add(c, LW_RES_SYSCTL, ns, name, (LwOrigin){0});
  set_text(&sysctl->value, value);
}

static LwResource *add_bridge(const Compile *c, const char *name, LwOrigin origin) {
  LwResource *bridge = add(c, LW_RES_LINK, "", name, origin);
  bridge->link_type = LW_LINK_BRIDGE;
  bridge->up = TRUE;
  bridge->group = LINK_GROUP;
  set_text(&bridge->alias, LW_OWNER);
  return bridge;
}

/* A cable: `port` on a bridge of the host, `end` in a namespace. Returns the port. */
static LwResource *add_cable(const Compile *c, const char *port, const char *bridge, const char *ns,
                             const char *end, LwMac end_mac, LwOrigin origin) {
  LwResource *here = add(c, LW_RES_LINK, "", port, origin);
  here->link_type = LW_LINK_VETH;
  set_text(&here->peer_ns, ns);
  set_text(&here->peer, end);
  set_text(&here->master, bridge);
  here->up = TRUE;
  here->group = LINK_GROUP;
  set_text(&here->alias, LW_OWNER);
  LwResource *there = add(c, LW_RES_LINK, ns, end, origin);
  there->link_type = LW_LINK_VETH;
  set_text(&there->peer_ns, "");
  set_text(&there->peer, port);
  there->mac = end_mac;
  there->up = TRUE;
  return here;
}

static void add_address(const Compile *c, const char *ns, const char *link, LwAddr addr, guint8 len,
                        LwOrigin origin) {
  LwResource *address = new_resource(LW_RES_ADDRESS, ns, NULL, origin);
  set_text(&address->link, link);
  address->prefix = lw_prefix_make(addr, len);
  lw_resource_set_add(c->wanted, address);
}

static void add_route(const Compile *c, const char *ns, guint32 table, LwPrefix prefix, const char *link,
                      LwAddr via, LwOrigin origin) {
  LwResource *route = new_resource(LW_RES_ROUTE, ns, NULL, origin);
  route->table = table;
  route->prefix = prefix;
  set_text(&route->link, link);
  route->via = via;
  lw_resource_set_add(c->wanted, route);
}

static LwPrefix everything(void) {
  return lw_prefix_make(lw_addr_from_v4(0), 0);
}

/* What is left of a table when its device is gone. */
static void add_prohibit(const Compile *c, guint32 table) {
  LwResource *route = new_resource(LW_RES_ROUTE, c->facts->router_ns, NULL, (LwOrigin){0});
  route->table = table;
  route->prefix = everything();
  route->metric = METRIC_LAST;
  route->route_type = LW_ROUTE_PROHIBIT;
  lw_resource_set_add(c->wanted, route);
}

static LwResource *add_rule(const Compile *c, guint32 priority, guint32 table) {
  LwResource *rule = new_resource(LW_RES_RULE, c->facts->router_ns, NULL, (LwOrigin){0});
  rule->priority = priority;
  rule->table = table;
  return lw_resource_set_add(c->wanted, rule);
}

static void add_ruleset(const Compile *c, const char *ns, const char *name,
                        LwRuleset *ruleset /* transfer full */) {
  LwResource *resource = new_resource(LW_RES_RULESET, ns, name, (LwOrigin){0});
  resource->ruleset = ruleset; /* before it is added: its family is part of the key */
  lw_resource_set_add(c->wanted, resource);
}

static LwMac derived_mac(const Compile *c, const char *what) {
  g_autofree char *seed = g_strdup_printf("%s/%s", c->lab->name, what);
  return lw_mac_derive(seed);
}

/* --- the host
 * --------------------------------------------------------------------------------------------------- */

static void compile_uplink(const Compile *c) {
  const LwHost *host = &c->lab->host;
  LwResource *bridge = add_bridge(c, host->bridge, host->origin);
  bridge->mac = c->facts->uplink_mac;
  if (!host->uplink)
    return;
  LwResource *uplink = add(c, LW_RES_LINK, "", host->uplink, host->origin);
  uplink->link_type = LW_LINK_EXTERNAL;
  set_text(&uplink->master, host->bridge);
  uplink->up = TRUE;
}

static void compile_management(const Compile *c) {
  const LwHost *host = &c->lab->host;
  LwOrigin origin = host->management.origin;
  const char *bridge = host->management.bridge;
  add_bridge(c, bridge, origin)->mac = derived_mac(c, "br-mgmt");
  add_address(c, "", bridge, host->management.address, host->management.subnet.len, origin);
  for (guint i = 0; i < c->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(c->lab, i);
    add_route(c, "", 0, segment->subnet, bridge, host->management.router, segment->origin);
  }
}

static void compile_segment_bridge(const Compile *c, const LwSegment *segment) {
  gboolean anothers = g_hash_table_contains(c->facts->networks, segment->bridge) ||
                      g_hash_table_contains(c->facts->bridges, segment->bridge);
  LwResource *bridge = anothers ? add(c, LW_RES_LINK, "", segment->bridge, segment->origin)
                                : add_bridge(c, segment->bridge, segment->origin);
  if (!bridge->alias) { /* libvirt made it, with its network; or whoever did */
    bridge->link_type = LW_LINK_EXTERNAL;
    bridge->up = TRUE;
  }
  /* The guard's rules close the host's stack there for every protocol; these settings do it once more, and
     are not worth changing what is not ours: nobody would put them back. */
  if (anothers)
    return;
  add_sysctl(c, "", "1", "net/ipv6/conf/%s/disable_ipv6", segment->bridge);
  /* the host answers ARP for none of its addresses on a segment's wire */
  add_sysctl(c, "", "8", "net/ipv4/conf/%s/arp_ignore", segment->bridge);
}

static void compile_guards(const Compile *c) {
  add_ruleset(c, "", "lanward_guard/inet", lw_policy_guard_host_rules(c->lab, c->facts));
  add_ruleset(c, "", "lanward_guard/bridge", lw_policy_guard_bridge_rules(c->lab, c->facts));
}

/* --- the router
 * ---------------------------------------------------------------------------------------------------- */

static void compile_router_base(const Compile *c) {
  const char *ns = c->facts->router_ns;
  add(c, LW_RES_NETNS, NULL, ns, c->lab->router.origin);
  /* "default" before any link is there: links take it over when they are made */
  add_sysctl(c, ns, "1", "net/ipv6/conf/all/disable_ipv6");
  add_sysctl(c, ns, "1", "net/ipv6/conf/default/disable_ipv6");
  add_sysctl(c, ns, "0", "net/ipv4/conf/all/rp_filter");
  add_sysctl(c, ns, "0", "net/ipv4/conf/default/rp_filter");
  add_sysctl(c, ns, "1", "net/ipv4/conf/all/arp_ignore");
  add_sysctl(c, ns, "2", "net/ipv4/conf/all/arp_announce");
  add_sysctl(c, ns, "0", "net/ipv4/conf/all/accept_redirects");
  add_sysctl(c, ns, "0", "net/ipv4/conf/default/accept_redirects");
  add_sysctl(c, ns, "0", "net/ipv4/conf/all/send_redirects");
  add_sysctl(c, ns, "0", "net/ipv4/conf/default/send_redirects");
  /* a connection that was cut is not picked up again in its middle */
  /* the reset that a late packet of a cut flow gets carries the packet's mark, and so finds its exit's route
   */
  add_sysctl(c, ns, "1", "net/ipv4/fwmark_reflect");
  add_sysctl(c, ns, "0", "net/netfilter/nf_conntrack_tcp_loose");
  add_sysctl(c, ns, "1", "net/ipv4/ip_forward");
  add_ruleset(c, ns, "lanward", lw_policy_router_rules(c->lab, c->facts));
}

static void compile_wan(const Compile *c) {
  const char *ns = c->facts->router_ns;
  guint32 table = lw_table_of_exit(c->facts, c->lab, LW_NONE);
  add_cable(c, LW_ROUTER_WAN_PORT, c->lab->host.bridge, ns, LW_ROUTER_WAN, lw_mac_of_wan(c->lab, c->facts),
            c->lab->router.origin);
  add_prohibit(c, table);
  LwResource *client = new_resource(LW_RES_DHCP_CLIENT, ns, NULL, c->lab->router.origin);
  set_text(&client->link, LW_ROUTER_WAN);
  client->table = table;
  set_text(&client->home_lan_set, "lanward home_lan");
  client->wait = TRUE;
  lw_resource_set_add(c->wanted, client);
}

/* Lab prefixes first, then the exit of the mark; a packet without one goes nowhere. main has no default
 * route. */
static void compile_routing_rules(const Compile *c) {
  add_rule(c, 100, 254 /* main */)->suppress_default = TRUE;
  for (guint i = 0; i <= c->lab->tunnels->len; i++) {
    guint tunnel = i == 0 ? LW_NONE : i - 1;
    guint32 mark = lw_mark_of_exit(c->facts, c->lab, tunnel);
    guint32 number = mark - LW_MARK_DIRECT;
    add_rule(c, 200 + number, mark)->mark = mark;
    /* the router's own sockets that are bound to an exit (its resolver's queries) */
    g_autofree char *link =
        tunnel == LW_NONE ? g_strdup(LW_ROUTER_WAN) : lw_name_tunnel(lw_lab_tunnel(c->lab, tunnel));
    set_text(&add_rule(c, 10000 + number, mark)->oif, link);
  }
  add_rule(c, 30000, 0)->action = LW_RULE_PROHIBIT;
}

static void compile_router_leg(const Compile *c, const LwSegment *segment) {
  g_autofree char *port = lw_name_router_port_now(c->facts, segment);
  g_autofree char *leg = lw_name_router_leg(segment);
  g_autofree char *what = g_strdup_printf("router/%s", segment->name);
  add_cable(c, port, segment->bridge, c->facts->router_ns, leg, derived_mac(c, what), segment->origin);
  add_address(c, c->facts->router_ns, leg, segment->router, segment->subnet.len, segment->origin);
}

static void compile_router_mgmt(const Compile *c) {
  const LwHost *host = &c->lab->host;
  const char *ns = c->facts->router_ns;
  add_cable(c, "lw-mgmt", host->management.bridge, ns, LW_ROUTER_MGMT, derived_mac(c, "router/mgmt"),
            host->management.origin);
  add_address(c, ns, LW_ROUTER_MGMT, host->management.router, host->management.subnet.len,
              host->management.origin);
  for (guint i = 0; i < host->networks->len; i++) {
    const LwNetwork *network = lw_lab_network(c->lab, i);
    add_route(c, ns, 0, network->prefix, LW_ROUTER_MGMT, host->management.address, network->origin);
  }
}

static LwPeer *peer_of(const Compile *c, const LwTunnel *tunnel) {
  LwPeer *peer = lw_peer_new();
  const LwAddr *endpoint = g_hash_table_lookup(c->facts->endpoints, tunnel->name);
  peer->public_key = g_strdup(tunnel->wg.peer_public_key);
  peer->preshared_key = g_strdup(tunnel->wg.preshared_key);
  peer->endpoint = endpoint ? *endpoint : LW_ADDR_NONE;
  peer->endpoint_port = tunnel->wg.endpoint_port;
  peer->keepalive = tunnel->wg.keepalive;
  for (guint i = 0; i < tunnel->wg.allowed->len; i++)
    if (g_array_index(tunnel->wg.allowed, LwPrefix, i).addr.family == 4)
      g_array_append_val(peer->allowed, g_array_index(tunnel->wg.allowed, LwPrefix, i));
  return peer;
}

static void compile_tunnel(const Compile *c, guint index) {
  const LwTunnel *tunnel = lw_lab_tunnel(c->lab, index);
  const char *ns = c->facts->router_ns;
  g_autofree char *link = lw_name_tunnel(tunnel);
  guint32 table = lw_table_of_exit(c->facts, c->lab, index);
  LwResource *resource = add(c, LW_RES_TUNNEL, ns, link, tunnel->origin);
  set_text(&resource->private_key, tunnel->wg.private_key);
  resource->listen_port = tunnel->wg.listen_port;
  resource->mtu = tunnel->wg.mtu ? tunnel->wg.mtu : 1420;
  resource->mark = lw_mark_of_exit(c->facts, c->lab, LW_NONE); /* its encrypted packets leave by WAN */
  resource->up = TRUE;
  g_ptr_array_add(resource->peers, peer_of(c, tunnel));
  for (guint i = 0; i < tunnel->wg.addresses->len; i++) {
    LwPrefix prefix = g_array_index(tunnel->wg.addresses, LwPrefix, i);
    if (prefix.addr.family == 4) /* whole-length: a tunnel's neighbours are reached by its own table alone */
      add_address(c, ns, link, prefix.addr, 32, tunnel->origin);
  }
  add_route(c, ns, table, everything(), link, LW_ADDR_NONE, tunnel->origin);
  add_prohibit(c, table);
}

/* --- DHCP and DNS
 * --------------------------------------------------------------------------------------------------- */

static void add_upstream(LwResource *resolver, const char *domain, LwAddr address, guint16 port,
                         const char *device) {
  LwUpstream *upstream = lw_upstream_new();
  upstream->domain = g_strdup(domain);
  upstream->address = address;
  upstream->port = port;
  upstream->device = g_strdup(device);
  g_ptr_array_add(resolver->upstreams, upstream);
}

static void add_dhcp_range(LwResource *resolver, const LwSegment *segment) {
  LwDhcpRange *range = lw_dhcp_range_new();
  range->link = lw_name_router_leg(segment);
  range->range = segment->dhcp;
  range->prefix_len = segment->subnet.len;
  range->router = segment->router;
  g_array_append_val(range->dns, segment->router);
  range->lease_seconds = LEASE_SECONDS;
  g_ptr_array_add(resolver->ranges, range);
}

static void add_machine_hosts(const Compile *c, LwResource *resolver, guint machine) {
  const LwMachine *m = lw_lab_machine(c->lab, machine);
  for (guint n = 0; n < m->nics->len; n++) {
    guint segment = lw_nic_segment(c->lab, c->facts, machine, n);
    LwAddr address = lw_nic_address(c->lab, c->facts, machine, n);
    if (segment == LW_NONE || !lw_addr_is_set(&address))
      continue;
    g_autofree char *name = n == 0 ? g_strdup(m->name) : g_strdup_printf("%s-%u", m->name, n + 1);
    if (lw_lab_segment(c->lab, segment)->has_dhcp) {
      LwDhcpHost *host = lw_dhcp_host_new();
      host->mac = lw_nic_mac_now(c->lab, c->facts, machine, n);
      host->address = address;
      host->name = g_strdup(name);
      g_ptr_array_add(resolver->hosts, host);
    }
    LwHostName *record = lw_host_name_new();
    record->name = g_strdup_printf("%s.%s", name, c->lab->domain);
    record->address = address;
    g_ptr_array_add(resolver->names, record);
  }
}

static void compile_local_resolver(const Compile *c) {
  LwResource *resolver = add(c, LW_RES_RESOLVER, c->facts->router_ns, "dns-local", (LwOrigin){0});
  resolver->port = LW_LOCAL_RESOLVER_PORT;
  set_text(&resolver->domain, c->lab->domain);
  g_ptr_array_add(resolver->links, g_strdup("lo")); /* the exits' resolvers ask it for local names */
  for (guint i = 0; i < c->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(c->lab, i);
    g_ptr_array_add(resolver->links, lw_name_router_leg(segment));
    if (segment->has_dhcp)
      add_dhcp_range(resolver, segment);
  }
  for (guint m = 0; m < c->lab->machines->len; m++)
    add_machine_hosts(c, resolver, m);
}

static void compile_exit_resolver(const Compile *c, const LwResolverPlan *plan) {
  LwResource *resolver = add(c, LW_RES_RESOLVER, c->facts->router_ns, plan->name, plan->origin);
  resolver->port = plan->port;
  for (guint i = 0; i < c->lab->segments->len; i++)
    g_ptr_array_add(resolver->links, lw_name_router_leg(lw_lab_segment(c->lab, i)));
  g_autofree char *device =
      plan->tunnel == LW_NONE ? g_strdup(LW_ROUTER_WAN) : lw_name_tunnel(lw_lab_tunnel(c->lab, plan->tunnel));
  for (guint i = 0; i < plan->upstreams->len; i++)
    add_upstream(resolver, NULL, g_array_index(plan->upstreams, LwAddr, i), 53, device);
  add_upstream(resolver, c->lab->domain, lw_addr_from_v4(0x7f000001), LW_LOCAL_RESOLVER_PORT, NULL);
}

/* --- machines
 * -------------------------------------------------------------------------------------------------------- */

static void compile_static_nic(const Compile *c, guint machine, guint nic, const char *ns, const char *end) {
  guint segment = lw_nic_segment(c->lab, c->facts, machine, nic);
  LwAddr address = lw_nic_address(c->lab, c->facts, machine, nic);
  if (segment == LW_NONE || !lw_addr_is_set(&address))
    return;
  const LwSegment *s = lw_lab_segment(c->lab, segment);
  LwOrigin origin = lw_machine_nic(lw_lab_machine(c->lab, machine), nic)->origin;
  add_address(c, ns, end, address, s->subnet.len, origin);
  if (nic == 0)
    add_route(c, ns, 0, everything(), end, s->router, origin);
}

static gboolean nic_is_static(const Compile *c, guint machine, guint nic) {
  guint segment = lw_nic_segment(c->lab, c->facts, machine, nic);
  if (segment == LW_NONE)
    segment = lw_machine_nic(lw_lab_machine(c->lab, machine), nic)->segment;
  return !lw_lab_segment(c->lab, segment)->has_dhcp;
}

/* The cable of one NIC of a cell or container. Cut off: the port stays, down and on no bridge. */
static void compile_nic(const Compile *c, guint machine, guint nic, const char *ns) {
  const LwMachine *m = lw_lab_machine(c->lab, machine);
  guint segment = lw_nic_segment(c->lab, c->facts, machine, nic);
  const LwSegment *s = segment == LW_NONE ? NULL : lw_lab_segment(c->lab, segment);
  g_autofree char *end = lw_name_nic(nic);
  g_autofree char *port = lw_name_nic_port(c->facts, c->lab, machine, nic);
  LwResource *here =
      add_cable(c, port, s ? s->bridge : "", ns, end, lw_nic_mac_now(c->lab, c->facts, machine, nic),
                lw_machine_nic(m, nic)->origin);
  here->up = s != NULL;
  here->isolated = s && s->isolate;
  if (nic_is_static(c, machine, nic))
    compile_static_nic(c, machine, nic, ns, end);
}

static void compile_cell(const Compile *c, guint machine) {
  const LwMachine *m = lw_lab_machine(c->lab, machine);
  g_autofree char *ns = lw_name_cell_ns(m);
  add(c, LW_RES_NETNS, NULL, ns, m->origin);
  add_sysctl(c, ns, "1", "net/ipv6/conf/all/disable_ipv6");
  add_sysctl(c, ns, "1", "net/ipv6/conf/default/disable_ipv6");
  LwResource *cell = add(c, LW_RES_CELL, NULL, m->name, m->origin);
  for (guint i = 0; i < m->command->len; i++)
    g_ptr_array_add(cell->argv, g_strdup(m->command->pdata[i]));
  for (guint n = 0; n < m->nics->len; n++) {
    compile_nic(c, machine, n, ns);
    g_ptr_array_add(cell->nics, lw_name_nic(n));
    if (!nic_is_static(c, machine, n))
      continue;
    cell->static_nics |= 1u << n;
    guint segment = lw_nic_segment(c->lab, c->facts, machine, n);
    if (n == 0 && segment != LW_NONE)
      cell->value = lw_addr_format(&lw_lab_segment(c->lab, segment)->router); /* its resolver */
  }
}

/* The DHCP server is asked for it all the same as for a cell: what hands addresses out knows of them. */
static void compile_lease(const Compile *c, const char *ns, guint nic, LwOrigin origin) {
  LwResource *client = new_resource(LW_RES_DHCP_CLIENT, ns, NULL, origin);
  client->link = lw_name_nic(nic);
  client->suppress_default = nic != 0;
  lw_resource_set_add(c->wanted, client);
}

/* One that does not run has no namespace to plug anything into. Its ports stay pinned: when it comes back, it
 * comes back to them. */
static void compile_container(const Compile *c, guint machine) {
  const LwMachine *m = lw_lab_machine(c->lab, machine);
  g_autofree char *ns = lw_name_machine_ns(c->facts, m);
  if (!ns)
    return;
  const LwContainerFact *fact = g_hash_table_lookup(c->facts->containers, m->name);
  LwResource *container = add(c, LW_RES_CONTAINER, NULL, ns, m->origin);
  set_text(&container->process, fact->process);
  set_text(&container->object, m->object);
  set_text(&container->file, fact->file);
  guint first = lw_nic_segment(c->lab, c->facts, machine, 0);
  if (first != LW_NONE)
    container->value = lw_addr_format(&lw_lab_segment(c->lab, first)->router);
  add_sysctl(c, ns, "1", "net/ipv6/conf/all/disable_ipv6");
  add_sysctl(c, ns, "1", "net/ipv6/conf/default/disable_ipv6");
  for (guint n = 0; n < m->nics->len; n++) {
    compile_nic(c, machine, n, ns);
    if (!nic_is_static(c, machine, n) && lw_nic_segment(c->lab, c->facts, machine, n) != LW_NONE)
      compile_lease(c, ns, n, lw_machine_nic(m, n)->origin);
  }
}

/* A short-lived machine of verify: a namespace on a segment's wire, nothing more. */
static void compile_probe(const Compile *c, const LwProbePort *probe) {
  guint index = lw_lab_find_segment(c->lab, probe->segment);
  if (index == LW_NONE)
    return;
  const LwSegment *segment = lw_lab_segment(c->lab, index);
  add(c, LW_RES_NETNS, NULL, probe->name, (LwOrigin){0});
  LwResource *here =
      add_cable(c, probe->name, segment->bridge, probe->name, "eth0", probe->mac, (LwOrigin){0});
  here->isolated = segment->isolate;
  add_address(c, probe->name, "eth0", probe->address, segment->subnet.len, (LwOrigin){0});
  add_route(c, probe->name, 0, everything(), "eth0", segment->router, (LwOrigin){0});
}

static void compile_router_first(const Compile *c) {
  compile_router_base(c);
  compile_router_mgmt(c);
  compile_wan(c);
  compile_routing_rules(c);
}

static void compile_router_last(const Compile *c) {
  for (guint i = 0; i < c->lab->tunnels->len; i++)
    compile_tunnel(c, i);
  compile_local_resolver(c);
  g_autoptr(GPtrArray) plans = lw_resolver_plans(c->lab, c->facts);
  for (guint i = 0; i < plans->len; i++)
    compile_exit_resolver(c, plans->pdata[i]);
}

void lw_policy_compile_router(const LwLab *lab, LwFacts *facts, LwResourceSet *wanted) {
  Compile c = {lab, facts, wanted};
  compile_router_first(&c);
  for (guint i = 0; i < lab->segments->len; i++)
    compile_router_leg(&c, lw_lab_segment(lab, i));
  compile_router_last(&c);
}

gboolean lw_policy_router_is_namespace(const LwLab *lab, const LwFacts *facts) {
  return lab->router.kind == LW_ROUTER_BUILTIN || facts->cells_stand_in;
}

gboolean lw_policy_compile(const LwLab *lab, LwFacts *facts, LwResourceSet *wanted, GError **error) {
  (void)error;
  gboolean builtin = lw_policy_router_is_namespace(lab, facts);
  Compile c = {lab, facts, wanted};
  compile_guards(&c);
  compile_uplink(&c);
  compile_management(&c);
  if (builtin)
    compile_router_first(&c);
  for (guint i = 0; i < lab->segments->len; i++) {
    compile_segment_bridge(&c, lw_lab_segment(lab, i));
    if (builtin)
      compile_router_leg(&c, lw_lab_segment(lab, i));
  }
  if (builtin)
    compile_router_last(&c);
  for (guint m = 0; m < lab->machines->len; m++) {
    LwMachineKind kind = lw_lab_machine(lab, m)->kind;
    if (facts->cells_stand_in || kind == LW_MACHINE_CELL)
      compile_cell(&c, m);
    else if (kind == LW_MACHINE_CONTAINER)
      compile_container(&c, m);
  }
  for (guint i = 0; i < facts->probes->len; i++)
    compile_probe(&c, facts->probes->pdata[i]);
  return TRUE;
}
