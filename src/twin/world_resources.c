/* The world outside as resources. The cables: "p0" of the internet to the home router's "wan", "pN" to "eth0"
 * of the N-th provider, the home router's "lan" to the host's uplink. */
#include "twin/world.h"

#include "policy/names.h"

#include "base/error.h"

#include <sodium.h>
#include <string.h>

#define INTERNET "internet"
#define HOME "home-router"
#define TABLE_LOCAL 255u
#define LINK_GROUP 0x4c57u
#define LEASE_SECONDS 3600
#define MTU 1500
#define PROTO_TCP 6
#define PROTO_UDP 17
#define LINK_NAME_MAX 15

typedef struct {
  const LwTwinWorld *world;
  const LwLab *lab;
  const LwFacts *facts;
  const guint8 *seed;
  LwSecretStore *secrets;
  LwResourceSet *wanted;
} World;

static void set_text(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

static LwResource *find(const World *w, LwResourceKind kind, const char *ns, const char *name) {
  g_autoptr(LwResource) like = lw_resource_new(kind, ns, name);
  g_autofree char *key = lw_resource_key(like);
  return lw_resource_set_find(w->wanted, key);
}

static LwResource *add(const World *w, LwResourceKind kind, const char *ns, const char *name) {
  return lw_resource_set_add(w->wanted, lw_resource_new(kind, ns, name));
}

static void add_sysctl(const World *w, const char *ns, const char *name, const char *value) {
  LwResource *sysctl = lw_resource_new(LW_RES_SYSCTL, ns, name);
  set_text(&sysctl->value, value);
  lw_resource_set_add(w->wanted, sysctl);
}

/* A router of the world: forwards IPv4, knows no IPv6, and takes packets whichever way they come. */
static void add_namespace(const World *w, const char *ns) {
  static const char *const settings[][2] = {{"net/ipv6/conf/all/disable_ipv6", "1"},
                                            {"net/ipv6/conf/default/disable_ipv6", "1"},
                                            {"net/ipv4/conf/all/rp_filter", "0"},
                                            {"net/ipv4/conf/default/rp_filter", "0"},
                                            {"net/ipv4/ip_forward", "1"}};
  add(w, LW_RES_NETNS, NULL, ns);
  for (gsize i = 0; i < G_N_ELEMENTS(settings); i++)
    add_sysctl(w, ns, settings[i][0], settings[i][1]);
}

static void set_cable_end(LwResource *link, const char *peer_ns, const char *peer) {
  link->link_type = LW_LINK_VETH;
  set_text(&link->peer_ns, peer_ns);
  set_text(&link->peer, peer);
  link->up = TRUE;
  link->mtu = MTU;
}

/* The end that is ours to mark; the other goes with it. */
static void mark_owned(const World *w, LwResource *link) {
  link->group = LINK_GROUP;
  set_text(&link->alias, LW_OWNER);
}

static void add_cable(const World *w, const char *ns, const char *name, const char *peer_ns,
                      const char *peer) {
  LwResource *here = lw_resource_new(LW_RES_LINK, ns, name);
  set_cable_end(here, peer_ns, peer);
  mark_owned(w, here);
  lw_resource_set_add(w->wanted, here);
  LwResource *there = lw_resource_new(LW_RES_LINK, peer_ns, peer);
  set_cable_end(there, ns, name);
  lw_resource_set_add(w->wanted, there);
}

static void add_address(const World *w, const char *ns, const char *link, LwAddr addr, guint8 len) {
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, ns, NULL);
  set_text(&address->link, link);
  address->prefix = lw_prefix_make(addr, len);
  lw_resource_set_add(w->wanted, address);
}

static LwResource *add_route(const World *w, const char *ns, guint32 table, LwPrefix prefix, const char *link,
                             LwAddr via) {
  LwResource *route = lw_resource_new(LW_RES_ROUTE, ns, NULL);
  route->table = table;
  route->prefix = prefix;
  set_text(&route->link, link);
  route->via = via;
  return lw_resource_set_add(w->wanted, route);
}

static LwPrefix everything(void) {
  return lw_prefix_make(lw_addr_from_v4(0), 0);
}

static LwPrefix host_prefix(LwAddr addr) {
  return lw_prefix_make(addr, 32);
}

static void add_listener(LwResource *server, const char *proto, guint port, const char *answer) {
  g_autofree char *start = g_strdup_printf("%s/%u/", proto, port);
  if (port == 0)
    return;
  for (guint i = 0; i < server->listeners->len; i++)
    if (g_str_has_prefix(server->listeners->pdata[i], start))
      return; /* the first word on a port counts */
  g_ptr_array_add(server->listeners, g_strconcat(start, answer, NULL));
}

/* A range of ports is answered for at its edges, where verify looks. */
static void add_ports(LwResource *server, const LwPorts *ports) {
  if (ports->proto == LW_PROTO_ICMP || ports->proto == LW_PROTO_ANY)
    return;
  const char *proto = ports->proto == LW_PROTO_TCP ? "tcp" : "udp";
  add_listener(server, proto, ports->first_port, "echo");
  add_listener(server, proto, ports->last_port, "echo");
}

/* "tcp/9/echo", …, NULL */
static LwResource *add_server(const World *w, const char *ns, const char *name, ...) G_GNUC_NULL_TERMINATED;
static LwResource *add_server(const World *w, const char *ns, const char *name, ...) {
  LwResource *server = lw_resource_new(LW_RES_SERVER, ns, name);
  va_list args;
  va_start(args, name);
  const char *listener;
  while ((listener = va_arg(args, const char *)))
    g_ptr_array_add(server->listeners, g_strdup(listener));
  va_end(args);
  return lw_resource_set_add(w->wanted, server);
}

static LwResource *add_resolver(const World *w, const char *ns, const char *name) {
  LwResource *resolver = add(w, LW_RES_RESOLVER, ns, name);
  resolver->port = 53;
  return resolver;
}

static void add_name(LwResource *resolver, const char *name, LwAddr address) {
  for (guint i = 0; i < resolver->names->len; i++)
    if (g_str_equal(((LwHostName *)resolver->names->pdata[i])->name, name))
      return;
  LwHostName *record = lw_host_name_new();
  record->name = g_strdup(name);
  record->address = address;
  g_ptr_array_add(resolver->names, record);
}

static void add_upstream(LwResource *resolver, LwAddr address) {
  LwUpstream *upstream = lw_upstream_new();
  upstream->address = address;
  upstream->port = 53;
  g_ptr_array_add(resolver->upstreams, upstream);
}

/* --- rules: NAT outwards, and forwarded ports inwards --- */

static LwRuleset *add_nat(const World *w, const char *ns, const char *inside, const char *outside) {
  LwResource *resource = lw_resource_new(LW_RES_RULESET, ns, "world");
  LwRuleset *table = lw_ruleset_new(LW_FAMILY_INET, "world");
  resource->ruleset = table;
  LwChain *snat = lw_ruleset_add_base_chain(table, "snat", LW_HOOK_POSTROUTING, 100, TRUE, FALSE);
  LwRule *rule = lw_chain_add_rule(snat, (LwOrigin){0}, "all that leaves has the public address");
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name(inside));
  lw_rule_match(rule, LW_FIELD_OIF, lw_value_name(outside));
  lw_rule_add_action(rule, LW_ACTION_MASQUERADE);
  lw_resource_set_add(w->wanted, resource);
  return table;
}

static void put_forward(LwSet *set, const char *outside, guint32 proto, const LwForward *forward, LwAddr to) {
  const LwValue key[] = {lw_value_name(outside), lw_value_number(proto),
                         lw_value_numbers(forward->first_port, forward->last_port)};
  lw_set_add(set, key, G_N_ELEMENTS(key), forward->origin)->data = lw_value_addr(to);
}

/* tunnel LW_NONE: forwards of segments that leave directly. */
static gboolean leaves_by(const LwSegment *segment, guint tunnel) {
  if (tunnel == LW_NONE && segment->egress == LW_EGRESS_DIRECT)
    return TRUE;
  for (guint i = 0; tunnel != LW_NONE && i < segment->exits->len; i++)
    if (g_array_index(segment->exits, guint, i) == tunnel)
      return TRUE;
  for (guint i = 0; i < segment->pins->len; i++)
    if (((LwPin *)segment->pins->pdata[i])->tunnel == tunnel)
      return TRUE;
  return FALSE;
}

static void add_forwards(const World *w, LwRuleset *table, guint tunnel, const char *outside,
                         LwAddr public_address, LwAddr to) {
  LwSet *set = lw_ruleset_add_set(table, LW_SET_MAP, "forwards", TRUE, LW_FIELD_IIF, LW_FIELD_PROTO,
                                  LW_FIELD_DPORT, LW_FIELD_LAST);
  set->data = LW_FIELD_DADDR;
  for (guint i = 0; i < w->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(w->lab, i);
    for (guint f = 0; leaves_by(segment, tunnel) && f < segment->forwards->len; f++) {
      const LwForward *forward = segment->forwards->pdata[f];
      if (forward->tcp)
        put_forward(set, outside, PROTO_TCP, forward, to);
      if (forward->udp)
        put_forward(set, outside, PROTO_UDP, forward, to);
    }
  }
  LwChain *dnat = lw_ruleset_add_base_chain(table, "dnat", LW_HOOK_PREROUTING, -100, TRUE, FALSE);
  LwRule *rule = lw_chain_add_rule(dnat, (LwOrigin){0}, "ports that the provider forwards");
  lw_rule_match(rule, LW_FIELD_DADDR, lw_value_addr(public_address));
  lw_rule_lookup(rule, LW_ACTION_DNAT, "forwards", LW_FIELD_IIF, LW_FIELD_PROTO, LW_FIELD_DPORT,
                 LW_FIELD_LAST);
}

/* --- internet --- */

static LwAddr endpoint_of(const World *w, guint tunnel) {
  return lw_twin_world_endpoint(w->world, w->lab, tunnel);
}

static void add_internet_names(const World *w, LwResource *resolver) {
  add_name(resolver, "echo.test", w->world->echo);
  add_name(resolver, "whoami.test", w->world->echo);
  add_name(resolver, "resolver.test", w->world->internet_resolver);
  for (guint i = 0; i < w->lab->tunnels->len; i++) {
    const char *host = lw_lab_tunnel(w->lab, i)->wg.endpoint_host;
    LwAddr literal;
    if (host && *host && !lw_addr_parse(host, &literal))
      add_name(resolver, host, endpoint_of(w, i));
  }
}

/* dnsmasq answers for addresses of interfaces alone. */
static void add_any_resolver(const World *w) {
  LwResource *resource = lw_resource_new(LW_RES_RULESET, INTERNET, "world");
  resource->ruleset = lw_ruleset_new(LW_FAMILY_INET, "world");
  LwChain *dnat = lw_ruleset_add_base_chain(resource->ruleset, "dnat", LW_HOOK_PREROUTING, -100, TRUE, FALSE);
  LwRule *rule = lw_chain_add_rule(dnat, (LwOrigin){0}, "every public address is a resolver");
  lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(PROTO_TCP));
  lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  lw_rule_match(rule, LW_FIELD_DPORT, lw_value_number(53));
  lw_rule_add_action(rule, LW_ACTION_REDIRECT)->number = 53;
  lw_resource_set_add(w->wanted, resource);
}

static void add_internet(const World *w) {
  add_namespace(w, INTERNET);
  /* Every public address is here and answers. The routes to those that are elsewhere must be in the same
     table: it is the first that the kernel asks, and this default would end the search. */
  LwResource *any = add_route(w, INTERNET, TABLE_LOCAL, everything(), "lo", LW_ADDR_NONE);
  any->route_type = LW_ROUTE_LOCAL;
  add_internet_names(w, add_resolver(w, INTERNET, "dns"));
  add_any_resolver(w);
  add_server(w, INTERNET, "world", "tcp/80/address", "udp/7/address", "tcp/7/echo", "udp/9/echo",
             "tcp/9/echo", "tcp/443/echo", "tcp/853/echo", "udp/853/echo", "udp/123/echo", "tcp/5201/discard",
             NULL);
}

/* A customer of the internet: cable, its address next to ours, and the way to it. */
static void add_customer(const World *w, guint number, const char *ns, const char *link, LwAddr address,
                         LwAddr source) {
  g_autofree char *port = g_strdup_printf("p%u", number);
  LwAddr gateway = lw_addr_add(&address, -1);
  LwPrefix pair = lw_prefix_make(address, 30);
  add_cable(w, INTERNET, port, ns, link);
  add_address(w, INTERNET, port, gateway, 30);
  add_address(w, ns, link, address, 30);
  add_route(w, INTERNET, TABLE_LOCAL, lw_prefix_network(&pair), port, LW_ADDR_NONE);
  add_route(w, ns, 0, everything(), link, gateway)->source = source;
}

/* --- the home --- */

static LwMac uplink_mac(const World *w) {
  if (lw_mac_is_set(&w->lab->host.uplink_mac))
    return w->lab->host.uplink_mac;
  if (lw_mac_is_set(&w->facts->uplink_mac))
    return w->facts->uplink_mac;
  g_autofree char *seed = g_strdup_printf("%s/uplink", w->lab->name);
  return lw_mac_derive(seed);
}

/* The host's physical NIC, here a cable to the home router. Policy wants it as a port of the bridge already,
 * when the file gives its name. */
static void add_uplink(const World *w) {
  const char *name = w->lab->host.uplink ? w->lab->host.uplink : "uplink0";
  LwResource *uplink = find(w, LW_RES_LINK, "", name);
  if (!uplink)
    uplink = add(w, LW_RES_LINK, "", name);
  set_cable_end(uplink, HOME, "lan");
  mark_owned(w, uplink);
  set_text(&uplink->master, w->lab->host.bridge);
  uplink->mac = uplink_mac(w);
  LwResource *there = lw_resource_new(LW_RES_LINK, HOME, "lan");
  set_cable_end(there, "", name);
  lw_resource_set_add(w->wanted, there);
  LwResource *bridge = find(w, LW_RES_LINK, "", w->lab->host.bridge);
  if (bridge && !lw_mac_is_set(&bridge->mac))
    bridge->mac = uplink->mac;
}

static void add_home_resolver(const World *w) {
  LwResource *resolver = add_resolver(w, HOME, "home");
  g_ptr_array_add(resolver->links, g_strdup("lan"));
  LwDhcpRange *range = lw_dhcp_range_new();
  range->link = g_strdup("lan");
  range->range =
      (LwRange){lw_addr_add(&w->world->home_lan.addr, 100), lw_addr_add(&w->world->home_lan.addr, 199)};
  range->prefix_len = w->world->home_lan.len;
  range->router = w->world->home_router;
  g_array_append_val(range->dns, w->world->home_router);
  range->lease_seconds = LEASE_SECONDS;
  g_ptr_array_add(resolver->ranges, range);
  /* the reservation that a home router's port forwards hang on */
  LwResource *wan = find(w, LW_RES_LINK, w->facts->router_ns, "wan");
  if (wan && lw_mac_is_set(&wan->mac)) {
    LwDhcpHost *host = lw_dhcp_host_new();
    host->mac = wan->mac;
    host->address = w->world->home_wan;
    g_ptr_array_add(resolver->hosts, host);
  }
  add_upstream(resolver, w->world->internet_resolver);
}

static void add_home(const World *w) {
  add_namespace(w, HOME);
  add_customer(w, 0, HOME, "wan", w->world->home_public, LW_ADDR_NONE);
  add_uplink(w);
  add_address(w, HOME, "lan", w->world->home_router, w->world->home_lan.len);
  add_home_resolver(w);
  LwRuleset *nat = add_nat(w, HOME, "lan", "wan");
  add_forwards(w, nat, LW_NONE, "wan", w->world->home_public, w->world->home_wan);
  add_server(w, HOME, "world", "tcp/80/address", "udp/7/address", "udp/9/echo", "tcp/9/echo", NULL);
}

/* --- behind the host --- */

/* A network that the host routes: a cable to one machine in it, as a container would be. */
static void add_host_network(const World *w, guint index) {
  const LwNetwork *network = lw_lab_network(w->lab, index);
  LwRange range = lw_prefix_range(&network->prefix);
  if (network->prefix.len > 29)
    return; /* no room for the host's address and a machine's */
  g_autofree char *ns = lw_twin_network_ns(network);
  g_autofree char *port = g_strdup_printf("lwn%u", lw_facts_known_number(w->facts, "network", network->name));
  LwAddr gateway = lw_addr_add(&range.first, 1);
  add_namespace(w, ns);
  add_cable(w, "", port, ns, "eth0");
  add_address(w, "", port, gateway, network->prefix.len);
  add_address(w, ns, "eth0", lw_addr_add(&range.first, 2), network->prefix.len);
  add_route(w, ns, 0, everything(), "eth0", gateway);
  add_server(w, ns, "network", "tcp/80/address", "tcp/9/echo", "udp/9/echo", NULL);
}

/* --- providers --- */

static gboolean client_public_key(const World *w, const LwResource *client, char **public_key,
                                  GError **error) {
  char *text = lw_secret_store_get(w->secrets, client->private_key, error);
  if (!text)
    return FALSE;
  gsize length = 0;
  guint8 *secret = g_base64_decode(text, &length);
  lw_secret_clear(text);
  guint8 point[crypto_scalarmult_BYTES];
  gboolean ok = length == crypto_scalarmult_SCALARBYTES && sodium_init() >= 0 &&
                crypto_scalarmult_base(point, secret) == 0;
  sodium_memzero(secret, length);
  g_free(secret);
  if (!ok) {
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "the private key of tunnel %s is not a WireGuard key",
                client->name);
    return FALSE;
  }
  *public_key = g_base64_encode(point, sizeof point);
  return TRUE;
}

/* The router's end keeps the file's private key; where there is none, it gets one of the twin's. */
static gboolean complete_client(const World *w, LwResource *client, const LwTunnel *tunnel,
                                const char *provider_key, char **public_key, GError **error) {
  for (guint i = 0; i < client->peers->len; i++)
    set_text(&((LwPeer *)client->peers->pdata[i])->public_key, provider_key);
  if (client->private_key)
    return client_public_key(w, client, public_key, error);
  g_autofree char *label = g_strconcat("client/", tunnel->name, NULL);
  char *private_key;
  lw_twin_key_pair(w->seed, label, &private_key, public_key);
  client->private_key = lw_secret_store_put(w->secrets, private_key, error);
  lw_secret_clear(private_key);
  return client->private_key != NULL;
}

static LwPeer *customer_peer(const LwTunnel *tunnel, const char *public_key) {
  LwPeer *peer = lw_peer_new();
  peer->public_key = g_strdup(public_key);
  peer->preshared_key = g_strdup(tunnel->wg.preshared_key);
  for (guint i = 0; i < tunnel->wg.addresses->len; i++) {
    LwPrefix address = g_array_index(tunnel->wg.addresses, LwPrefix, i);
    LwPrefix host = host_prefix(address.addr);
    if (address.addr.family == 4)
      g_array_append_val(peer->allowed, host);
  }
  return peer;
}

/* Names of links are short, and wireguard-go's are unique on the machine. */
static char *provider_link(const World *w, guint index) {
  g_autofree char *name = g_strconcat("wgs-", lw_lab_tunnel(w->lab, index)->name, NULL);
  return strlen(name) <= LINK_NAME_MAX
             ? g_steal_pointer(&name)
             : g_strdup_printf("wgs.%u", lw_twin_tunnel_number(w->lab, w->facts, index));
}

/* Who calls must come after who answers: WireGuard repeats a handshake that was lost only after five seconds.
 */
static void move_to_end(const World *w, LwResource *resource) {
  guint index;
  if (g_ptr_array_find(w->wanted->list, resource, &index))
    g_ptr_array_add(w->wanted->list, g_ptr_array_steal_index(w->wanted->list, index));
}

static gboolean add_provider_tunnel(const World *w, guint index, const char *ns, const char *link,
                                    GError **error) {
  const LwTunnel *tunnel = lw_lab_tunnel(w->lab, index);
  g_autofree char *client_link = g_strconcat("wg-", tunnel->name, NULL);
  LwResource *client = find(w, LW_RES_TUNNEL, w->facts->router_ns, client_link);
  if (!client) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "tunnel %s has no end in the router", tunnel->name);
    return FALSE;
  }
  g_autofree char *label = g_strconcat("provider/", tunnel->name, NULL);
  char *private_key;
  g_autofree char *provider_key = NULL, *customer_key = NULL;
  lw_twin_key_pair(w->seed, label, &private_key, &provider_key);
  g_autofree LwSecretRef *secret = lw_secret_store_put(w->secrets, private_key, error);
  lw_secret_clear(private_key);
  if (!secret || !complete_client(w, client, tunnel, provider_key, &customer_key, error))
    return FALSE;
  LwResource *end = lw_resource_new(LW_RES_TUNNEL, ns, link);
  end->private_key = g_steal_pointer(&secret);
  end->listen_port = tunnel->wg.endpoint_port;
  end->mtu = tunnel->wg.mtu ? tunnel->wg.mtu : 1420;
  end->up = TRUE;
  g_ptr_array_add(end->peers, customer_peer(tunnel, customer_key));
  lw_resource_set_add(w->wanted, end);
  move_to_end(w, client);
  return TRUE;
}

/* The addresses of the tunnel's other side: resolvers that the file names, and the ways to the customer. */
static void add_provider_inside(const World *w, const LwTunnel *tunnel, const char *ns, const char *link) {
  for (guint i = 0; i < tunnel->wg.dns->len; i++) {
    LwAddr dns = g_array_index(tunnel->wg.dns, LwAddr, i);
    if (dns.family == 4)
      add_address(w, ns, link, dns, 32);
  }
  for (guint i = 0; i < tunnel->wg.addresses->len; i++) {
    LwPrefix address = g_array_index(tunnel->wg.addresses, LwPrefix, i);
    if (address.addr.family == 4)
      add_route(w, ns, 0, host_prefix(address.addr), link, LW_ADDR_NONE);
  }
}

static gboolean add_provider(const World *w, guint index, GError **error) {
  const LwTunnel *tunnel = lw_lab_tunnel(w->lab, index);
  g_autofree char *ns = g_strconcat("tun-", tunnel->name, NULL);
  g_autofree char *link = provider_link(w, index);
  guint number = lw_twin_tunnel_number(w->lab, w->facts, index);
  g_autofree char *port = g_strdup_printf("p%u", number);
  LwAddr exit_address = *(LwAddr *)g_hash_table_lookup(w->world->exit_public, tunnel->name);
  LwAddr endpoint = endpoint_of(w, index);
  add_namespace(w, ns);
  add_customer(w, number, ns, "eth0", exit_address, endpoint);
  add_address(w, ns, "eth0", endpoint, 32);
  add_route(w, INTERNET, TABLE_LOCAL, host_prefix(endpoint), port, exit_address);
  if (!add_provider_tunnel(w, index, ns, link, error))
    return FALSE;
  add_provider_inside(w, tunnel, ns, link);
  LwRuleset *nat = add_nat(w, ns, link, "eth0");
  add_forwards(w, nat, index, "eth0", exit_address, lw_tunnel_address(tunnel));
  LwResource *resolver = add_resolver(w, ns, "dns");
  add_name(resolver, "echo.test", w->world->echo);
  add_name(resolver, "resolver.test", *(LwAddr *)g_hash_table_lookup(w->world->resolver, tunnel->name));
  add_upstream(resolver, w->world->internet_resolver);
  return TRUE;
}

/* --- the lab's own places --- */

/* The host answers on what it offers, and on what nobody may reach: a refusal must be the rules' doing. */
static void add_host(const World *w) {
  add_address(w, "", w->lab->host.bridge, w->world->home_host, w->world->home_lan.len);
  add_route(w, "", 0, everything(), w->lab->host.bridge, w->world->home_router);
  LwResource *server = lw_resource_new(LW_RES_SERVER, "", "host");
  for (guint i = 0; i < w->lab->host.services->len; i++) {
    const LwService *service = lw_lab_service(w->lab, i);
    for (guint p = 0; p < service->ports->len; p++)
      add_ports(server, &g_array_index(service->ports, LwPorts, p));
  }
  static const guint always[] = {9, 22, 80, 443};
  for (gsize i = 0; i < G_N_ELEMENTS(always); i++)
    add_listener(server, "tcp", always[i], "echo");
  add_listener(server, "udp", 9, "echo");
  lw_resource_set_add(w->wanted, server);
}

static void add_target_ports(LwResource *server, const LwAllow *allow, guint machine, guint segment) {
  if (!(allow->target.kind == LW_TARGET_MACHINE && allow->target.machine == machine) &&
      !(allow->target.kind == LW_TARGET_SEGMENT && allow->target.index == segment))
    return;
  for (guint p = 0; p < allow->ports->len; p++)
    add_ports(server, &g_array_index(allow->ports, LwPorts, p));
}

static void add_forward_ports(LwResource *server, const LwForward *forward) {
  guint last = (guint)forward->to_port + forward->last_port - forward->first_port;
  LwPorts ports = {LW_PROTO_TCP, forward->to_port, (guint16)last};
  if (forward->tcp)
    add_ports(server, &ports);
  ports.proto = LW_PROTO_UDP;
  if (forward->udp)
    add_ports(server, &ports);
}

/* What others may open on this machine by the file's lines, so that there is an answer. */
static void add_offered_ports(const World *w, LwResource *server, guint machine) {
  const LwMachine *m = lw_lab_machine(w->lab, machine);
  for (guint i = 0; i < w->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(w->lab, i);
    for (guint f = 0; f < segment->forwards->len; f++) {
      const LwForward *forward = segment->forwards->pdata[f];
      if (forward->machine == machine)
        add_forward_ports(server, forward);
    }
    for (guint n = 0; n < m->nics->len; n++) {
      guint own = lw_machine_nic(m, n)->segment;
      for (guint a = 0; a < segment->allow->len; a++)
        add_target_ports(server, segment->allow->pdata[a], machine, own);
      for (guint a = 0; a < segment->host_allow->len; a++)
        add_target_ports(server, segment->host_allow->pdata[a], machine, own);
    }
  }
}

/* Answers for a machine that runs nothing of its own: one with a command has its ports to itself. */
static void add_machine(const World *w, guint machine) {
  const LwMachine *m = lw_lab_machine(w->lab, machine);
  g_autofree char *ns = g_strconcat("cell-", m->name, NULL);
  if (m->command->len > 0 || !find(w, LW_RES_NETNS, NULL, ns))
    return;
  LwResource *server = lw_resource_new(LW_RES_SERVER, ns, "machine");
  add_listener(server, "tcp", 9, "echo");
  add_listener(server, "udp", 9, "echo");
  add_offered_ports(w, server, machine);
  lw_resource_set_add(w->wanted, server);
}

gboolean lw_twin_world_add(const LwTwinWorld *world, const LwLab *lab, const LwFacts *facts,
                           const guint8 seed[32], LwSecretStore *secrets, LwResourceSet *wanted,
                           GError **error) {
  World w = {world, lab, facts, seed, secrets, wanted};
  add_internet(&w);
  add_home(&w);
  for (guint i = 0; i < lab->host.networks->len; i++)
    add_host_network(&w, i);
  for (guint i = 0; i < lab->tunnels->len; i++)
    if (!add_provider(&w, i, error))
      return FALSE;
  add_host(&w);
  add_server(&w, facts->router_ns, "router", "tcp/22/echo", "tcp/80/address", "tcp/443/echo", NULL);
  for (guint m = 0; m < lab->machines->len; m++)
    add_machine(&w, m);
  return TRUE;
}
