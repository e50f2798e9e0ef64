/* Where things are in the world outside: addresses that do not collide with anything of the lab. */
#include "twin/world.h"

#include <string.h>

/* Inside the pool, a /16: */
#define AT_ECHO 0x0a0au     /* .10.10 */
#define AT_RESOLVER 0x0a35u /* .10.53 */
#define AT_HOME 0x1400u     /* .20.0/30: the internet's end, the home router's */
#define AT_EXITS 0x2000u    /* .32.0 on: a /30 for each tunnel */
#define AT_ENDPOINTS                                                                                         \
  0x8001u /* .128.1 on: one address for each tunnel whose file names none that can be used */

/* Not the internet: IANA's IPv4 special-purpose registry (RFC 6890) and multicast. */
static const char *const special[] = {"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",
                                      "169.254.0.0/16", "172.16.0.0/12",  "192.0.0.0/24",  "192.0.2.0/24",
                                      "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
                                      "203.0.113.0/24", "224.0.0.0/3"};

static LwPrefix prefix_of(const char *text) {
  LwPrefix prefix = {0};
  gboolean ok = lw_prefix_parse(text, &prefix);
  g_assert(ok);
  return prefix;
}

static void append_host(GArray *list, LwAddr addr) {
  LwPrefix prefix = lw_prefix_make(addr, 32);
  if (addr.family == 4)
    g_array_append_val(list, prefix);
}

static void append_tunnel(GArray *list, const LwWireguard *wg) {
  for (guint i = 0; i < wg->addresses->len; i++) {
    LwPrefix address = g_array_index(wg->addresses, LwPrefix, i);
    if (address.addr.family == 4)
      g_array_append_val(list, address);
  }
  for (guint i = 0; i < wg->dns->len; i++)
    append_host(list, g_array_index(wg->dns, LwAddr, i));
}

/* Every IPv4 prefix that means something in the lab. */
static GArray *lab_prefixes(const LwLab *lab) {
  GArray *list = g_array_new(FALSE, FALSE, sizeof(LwPrefix));
  if (lab->host.management.subnet.addr.family == 4)
    g_array_append_val(list, lab->host.management.subnet);
  for (guint i = 0; i < lab->host.networks->len; i++)
    g_array_append_val(list, lw_lab_network(lab, i)->prefix);
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    g_array_append_val(list, segment->subnet);
    for (guint d = 0; d < segment->dns->len; d++)
      append_host(list, g_array_index(segment->dns, LwAddr, d));
  }
  for (guint i = 0; i < lab->tunnels->len; i++)
    append_tunnel(list, &lw_lab_tunnel(lab, i)->wg);
  return list;
}

static gboolean overlaps_any(const LwPrefix *prefix, const GArray *list) {
  for (guint i = 0; i < list->len; i++) {
    const LwPrefix *other = &g_array_index(list, LwPrefix, i);
    if (other->addr.family == prefix->addr.family && lw_prefix_overlaps(prefix, other))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_special(const LwAddr *addr) {
  for (guint i = 0; i < G_N_ELEMENTS(special); i++) {
    LwPrefix prefix = prefix_of(special[i]);
    if (lw_prefix_contains(&prefix, addr))
      return TRUE;
  }
  return FALSE;
}

static LwPrefix choose_home_lan(const GArray *lab) {
  static const char *const usual[] = {"192.168.1.0/24", "192.168.0.0/24", "10.11.12.0/24", "172.31.255.0/24"};
  for (guint i = 0; i < G_N_ELEMENTS(usual); i++) {
    LwPrefix prefix = prefix_of(usual[i]);
    if (!overlaps_any(&prefix, lab))
      return prefix;
  }
  LwPrefix prefix = prefix_of("10.0.77.0/24");
  for (guint i = 0; i < 65536 && overlaps_any(&prefix, lab); i++)
    prefix.addr = lw_addr_from_v4(0x0a000000u + (i << 8));
  return prefix;
}

/* A literal address of a file can be an endpoint as it is: public, and nobody else's. */
static gboolean literal_endpoint(const LwLab *lab, const LwFacts *facts, guint tunnel, const GArray *lab_list,
                                 LwAddr *out) {
  const char *host = lw_lab_tunnel(lab, tunnel)->wg.endpoint_host;
  LwAddr addr;
  if (!host || !lw_addr_parse(host, &addr) || addr.family != 4 || is_special(&addr))
    return FALSE;
  LwPrefix prefix = lw_prefix_make(addr, 32);
  if (overlaps_any(&prefix, lab_list))
    return FALSE;
  for (guint i = 0; i < lab->tunnels->len; i++)
    if (lw_twin_tunnel_number(lab, facts, i) < lw_twin_tunnel_number(lab, facts, tunnel) &&
        g_strcmp0(lw_lab_tunnel(lab, i)->wg.endpoint_host, host) == 0)
      return FALSE; /* two providers at one address: the internet routes it to the first */
  *out = addr;
  return TRUE;
}

/* Apart from the lab, and from the endpoints that its files name. */
static LwPrefix choose_pool(const LwLab *lab, const LwFacts *facts, const GArray *lab_list) {
  static const guint32 first_octets[] = {0x2d530000u /* 45.83 */, 0x92460000u /* 146.70 */,
                                         0xb9410000u /* 185.65 */};
  g_autoptr(GArray) taken = g_array_copy((GArray *)lab_list);
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr addr;
    if (literal_endpoint(lab, facts, i, lab_list, &addr))
      append_host(taken, addr);
  }
  for (guint i = 0; i < G_N_ELEMENTS(first_octets); i++) {
    LwPrefix prefix = lw_prefix_make(lw_addr_from_v4(first_octets[i]), 16);
    if (!overlaps_any(&prefix, taken))
      return prefix;
  }
  LwPrefix prefix =
      lw_prefix_make(lw_addr_from_v4(0x2e000000u), 16); /* 46.0 and on: none special up to 100.64 */
  while (overlaps_any(&prefix, taken) && lw_addr_v4(&prefix.addr) < 0x64000000u)
    prefix.addr = lw_addr_add(&prefix.addr, 65536);
  return prefix;
}

static void put(GHashTable *table, const char *name, LwAddr addr) {
  g_hash_table_insert(table, g_strdup(name), g_memdup2(&addr, sizeof addr));
}

static LwAddr first_v4(const GArray *addresses) {
  for (guint i = 0; i < addresses->len; i++)
    if (g_array_index(addresses, LwAddr, i).family == 4)
      return g_array_index(addresses, LwAddr, i);
  return LW_ADDR_NONE;
}

static void place_tunnel(LwTwinWorld *world, const LwLab *lab, const LwFacts *facts, guint index,
                         const GArray *lab_list) {
  const LwTunnel *tunnel = lw_lab_tunnel(lab, index);
  gint64 place = lw_twin_tunnel_number(lab, facts, index) - 1;
  LwAddr exit_address = lw_addr_add(&world->pool.addr, AT_EXITS + 4 * place + 2);
  LwAddr endpoint;
  if (!literal_endpoint(lab, facts, index, lab_list, &endpoint))
    endpoint = lw_addr_add(&world->pool.addr, AT_ENDPOINTS + place);
  LwAddr resolver = first_v4(tunnel->wg.dns);
  put(world->exit_public, tunnel->name, exit_address);
  put(world->endpoint, tunnel->name, endpoint);
  put(world->resolver, tunnel->name, lw_addr_is_set(&resolver) ? resolver : exit_address);
}

guint lw_twin_tunnel_number(const LwLab *lab, const LwFacts *facts, guint tunnel) {
  guint number = lw_facts_known_number(facts, "exit", lw_lab_tunnel(lab, tunnel)->name);
  g_assert(number > 1); /* 1 is direct's */
  return number - 1;
}

LwTwinWorld *lw_twin_world_new(const LwLab *lab, const LwFacts *facts) {
  LwTwinWorld *world = g_new0(LwTwinWorld, 1);
  g_autoptr(GArray) lab_list = lab_prefixes(lab);
  world->home_lan = choose_home_lan(lab_list);
  world->home_router = lw_addr_add(&world->home_lan.addr, 1);
  world->home_host = lw_addr_add(&world->home_lan.addr, 10);
  world->home_wan = lw_addr_add(&world->home_lan.addr, 50);
  world->pool = choose_pool(lab, facts, lab_list);
  world->home_public = lw_addr_add(&world->pool.addr, AT_HOME + 2);
  world->echo = lw_addr_add(&world->pool.addr, AT_ECHO);
  world->internet_resolver = lw_addr_add(&world->pool.addr, AT_RESOLVER);
  world->exit_public = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  world->resolver = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  world->endpoint = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < lab->tunnels->len; i++)
    place_tunnel(world, lab, facts, i, lab_list);
  return world;
}

void lw_twin_world_free(LwTwinWorld *world) {
  if (!world)
    return;
  g_hash_table_unref(world->exit_public);
  g_hash_table_unref(world->resolver);
  g_hash_table_unref(world->endpoint);
  g_free(world);
}

LwAddr lw_twin_world_endpoint(const LwTwinWorld *world, const LwLab *lab, guint tunnel) {
  const LwAddr *addr = g_hash_table_lookup(world->endpoint, lw_lab_tunnel(lab, tunnel)->name);
  return addr ? *addr : LW_ADDR_NONE;
}

char *lw_twin_network_ns(const LwNetwork *network) {
  return g_strconcat("net-", network->name, NULL);
}
