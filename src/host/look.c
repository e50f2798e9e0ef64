/* The look at the machine. */
#include "host/world.h"

#include "base/error.h"
#include "host/lease.h"
#include "base/files.h"
#include "policy/names.h"
#include "providers/firewall/firewall.h"
#include "providers/networkmanager/networkmanager.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define FILE_MAX (256 * 1024)

static const char *text(const char *value) {
  return value ? value : "";
}

static gboolean is_here(const LwResource *r, LwResourceKind kind) {
  return r->kind == kind && !*text(r->ns);
}

/* --- links, addresses, routes
 * ------------------------------------------------------------------------------------------------ */

/* A bridge that took a MAC over has it too: the NIC is what is neither. */
static const LwResource *find_uplink(const LwLab *lab, const LwResourceSet *seen) {
  const LwHost *host = &lab->host;
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (!is_here(r, LW_RES_LINK))
      continue;
    if (host->uplink ? g_str_equal(r->name, host->uplink)
                     : lw_mac_is_set(&host->uplink_mac) && lw_mac_equal(&r->mac, &host->uplink_mac) &&
                           r->link_type != LW_LINK_BRIDGE)
      return r;
  }
  return NULL;
}

static const LwResource *find_link(const LwResourceSet *seen, const char *name) {
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (is_here(r, LW_RES_LINK) && g_str_equal(text(r->name), name))
      return r;
  }
  return NULL;
}

static LwAddr default_gateway(const LwResourceSet *seen) {
  const LwResource *best = NULL;
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (is_here(r, LW_RES_ROUTE) && r->prefix.len == 0 && r->prefix.addr.family == 4 &&
        lw_addr_is_set(&r->via) && (!best || r->metric < best->metric))
      best = r;
  }
  return best ? best->via : LW_ADDR_NONE;
}

static gboolean is_main(const LwResource *route) {
  return route->table == 0 || route->table == 254;
}

/* What the kernel adds by itself with an address: its network's route has no gateway. */
static gboolean comes_with_address(const LwResource *route, const LwResourceSet *seen) {
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (!is_here(r, LW_RES_ADDRESS) || strcmp(text(r->link), text(route->link)) != 0)
      continue;
    LwPrefix network = lw_prefix_network(&r->prefix);
    if (lw_prefix_equal(&network, &route->prefix) && !lw_addr_is_set(&route->via))
      return TRUE;
  }
  return FALSE;
}

static LwResourceSet *taken_from(const LwResourceSet *seen, const char *link) {
  LwResourceSet *taken = lw_resource_set_new();
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if ((!is_here(r, LW_RES_ADDRESS) && !is_here(r, LW_RES_ROUTE)) || strcmp(text(r->link), link) != 0 ||
        r->prefix.addr.family != 4)
      continue;
    if (r->kind == LW_RES_ROUTE &&
        (!is_main(r) || r->route_type != LW_ROUTE_UNICAST || comes_with_address(r, seen)))
      continue;
    LwResource *copy = lw_resource_new(r->kind, "", NULL);
    copy->link = g_strdup(link);
    copy->prefix = r->prefix;
    copy->metric = r->metric;
    copy->via = r->via;
    copy->source = r->source;
    g_autofree char *key = lw_resource_key(copy);
    if (lw_resource_set_find(taken, key))
      lw_resource_unref(copy);
    else
      lw_resource_set_add(taken, copy);
  }
  return taken;
}

/* A lease goes on as one: what is taken over says so. */
static void take_lease(LwHostWorld *world) {
  LwResource *client = lw_resource_new(LW_RES_DHCP_CLIENT, "", NULL);
  client->link = g_strdup(world->uplink);
  lw_resource_set_add(world->taken, client);
}

static void look_at_lease(LwHostWorld *world, gboolean fresh) {
  if (fresh && lw_host_has_lease(world->uplink))
    take_lease(world);
  for (guint i = 0; i < world->taken->list->len; i++)
    if (((const LwResource *)world->taken->list->pdata[i])->kind == LW_RES_DHCP_CLIENT)
      world->dynamic = TRUE;
  if (world->dynamic && fresh) /* later it is lanward's own */
    world->client = lw_host_lease_keeper(world->uplink);
}

/* --- whose it is
 * ------------------------------------------------------------------------------------------------------ */

/* "iface NAME …", in the file or in one of interfaces.d. */
static gboolean names_interface(const char *path, const char *link) {
  g_autofree char *content = lw_file_read(path, FILE_MAX, NULL, NULL);
  g_auto(GStrv) lines = g_strsplit(content ? content : "", "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(lines[i]), " \t", 3);
    if (words[0] && words[1] && g_str_equal(words[0], "iface") && g_str_equal(words[1], link))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_ifupdowns(const char *link) {
  if (names_interface("/etc/network/interfaces", link))
    return TRUE;
  g_autoptr(GDir) dir = g_dir_open("/etc/network/interfaces.d", 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename("/etc/network/interfaces.d", name, NULL);
    if (names_interface(path, link))
      return TRUE;
  }
  return FALSE;
}

/* networkd notes each link that it knows in a file of its number; "unmanaged" is in it where it keeps off. */
static gboolean is_networkds(const char *link) {
  g_autofree char *number_path = g_build_filename("/sys/class/net", link, "ifindex", NULL);
  g_autofree char *number = NULL;
  if (!g_file_get_contents(number_path, &number, NULL, NULL)) /* no size: not lw_file_read() */
    return FALSE;
  g_autofree char *path = g_build_filename("/run/systemd/netif/links", g_strstrip(number), NULL);
  g_autofree char *content = lw_file_read(path, FILE_MAX, NULL, NULL);
  return content && strstr(content, "NETWORK_FILE=") && !strstr(content, "ADMIN_STATE=unmanaged");
}

static gboolean is_there(const char *const *paths) {
  for (guint i = 0; paths[i]; i++)
    if (g_file_test(paths[i], G_FILE_TEST_EXISTS))
      return TRUE;
  return FALSE;
}

/* ours: it is a port of the bridge because lanward made it one. */
static LwUplinkKeeper keeper_of(const LwNmUplink *nm, const LwLab *lab, const LwResource *uplink,
                                gboolean ours) {
  if (nm->managed && (nm->ours || !nm->master))
    return LW_UPLINK_NETWORKMANAGER;
  if (!ours && g_strcmp0(uplink->master, lab->host.bridge) == 0)
    return LW_UPLINK_BRIDGED;
  if (is_ifupdowns(uplink->name))
    return LW_UPLINK_IFUPDOWN;
  return is_networkds(uplink->name) ? LW_UPLINK_NETWORKD : LW_UPLINK_NOBODY;
}

static gboolean is_anothers(const LwResource *link, const LwNmUplink *nm) {
  gboolean by_profile = nm->bridges && g_strv_contains((const char *const *)nm->bridges, link->name);
  return !by_profile && strcmp(text(link->alias), LW_OWNER) != 0;
}

static void look_at_firewalls(LwHostWorld *world, const LwLab *lab) {
  if (lw_host_offers(lab) || lw_host_forwards(lab))
    world->ufw = lw_ufw_is_active();
  if (lw_host_forwards(lab))
    world->docker = lw_docker_filters();
  if (lw_host_offers(lab))
    world->firewalld = lw_firewalld_zone(lab->host.management.bridge, &world->firewalld_zone);
}

LwHostWorld *lw_host_look(const LwLab *lab, const LwResourceSet *seen, const LwResourceSet *taken,
                          GError **error) {
  static const char *const sockets[] = {"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock", NULL};
  const LwResource *uplink = find_uplink(lab, seen);
  const LwResource *bridge = find_link(seen, lab->host.bridge);
  const LwResource *management = find_link(seen, lab->host.management.bridge);
  g_auto(LwNmUplink) nm = {0};
  if (!lw_nm_look(uplink ? uplink->name : NULL, LW_MAC_NONE, &nm, error))
    return NULL;
  LwHostWorld *world = g_new0(LwHostWorld, 1);
  world->libvirt = is_there(sockets);
  world->networkmanager = nm.running;
  world->gateway = default_gateway(seen);
  world->keeper = uplink ? keeper_of(&nm, lab, uplink, taken != NULL) : LW_UPLINK_MISSING;
  world->client_id = g_strdup(nm.client_id);
  world->priority = nm.priority;
  world->management = management && is_anothers(management, &nm);
  world->uplink = g_strdup(uplink ? uplink->name : NULL);
  world->mac = uplink ? uplink->mac : LW_MAC_NONE;
  world->taken = taken                                         ? lw_resource_set_copy(taken)
                 : uplink && world->keeper == LW_UPLINK_NOBODY ? taken_from(seen, uplink->name)
                                                               : lw_resource_set_new();
  if (world->keeper == LW_UPLINK_NOBODY)
    look_at_lease(world, taken == NULL);
  if (world->keeper == LW_UPLINK_BRIDGED && bridge)
    world->mac = bridge->mac;
  look_at_firewalls(world, lab);
  return world;
}

/* --- endpoints
 * -------------------------------------------------------------------------------------------------------- */

/* The first of its addresses; or `now` (nullable), when that is one of them. */
static gboolean resolve(const char *name, const LwAddr *now, LwAddr *out) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *list = NULL;
  if (getaddrinfo(name, NULL, &hints, &list) != 0 || !list)
    return FALSE;
  for (const struct addrinfo *each = list; each; each = each->ai_next) {
    const struct sockaddr_in *in = (const void *)each->ai_addr;
    LwAddr addr = lw_addr_from_v4(ntohl(in->sin_addr.s_addr));
    if (each == list || (now && lw_addr_equal(&addr, now)))
      *out = addr;
  }
  freeaddrinfo(list);
  return TRUE;
}

static const LwAddr *address_of(LwFacts *facts, const char *host) {
  LwAddr addr;
  gboolean known = g_hash_table_contains(facts->resolved, host);
  if (!known && (lw_addr_parse(host, &addr) || resolve(host, NULL, &addr)))
    g_hash_table_insert(facts->resolved, g_strdup(host), g_memdup2(&addr, sizeof addr));
  return g_hash_table_lookup(facts->resolved, host);
}

gboolean lw_host_resolve_again(const LwTunnel *tunnel, LwFacts *facts) {
  const char *host = tunnel->wg.endpoint_host;
  LwAddr addr;
  if (!resolve(host, g_hash_table_lookup(facts->resolved, host), &addr))
    return FALSE;
  g_hash_table_replace(facts->resolved, g_strdup(host), g_memdup2(&addr, sizeof addr));
  g_hash_table_replace(facts->endpoints, g_strdup(tunnel->name), g_memdup2(&addr, sizeof addr));
  return TRUE;
}

void lw_host_resolve_endpoints(const LwLab *lab, LwFacts *facts, GPtrArray *unknown) {
  for (guint i = 0; i < lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(lab, i);
    const char *host = tunnel->wg.endpoint_host;
    const LwAddr *addr = host && *host ? address_of(facts, host) : NULL;
    if (addr)
      g_hash_table_replace(facts->endpoints, g_strdup(tunnel->name), g_memdup2(addr, sizeof *addr));
    else if (host && *host)
      g_ptr_array_add(unknown, g_strdup_printf("%s (%s)", tunnel->name, host));
  }
}
