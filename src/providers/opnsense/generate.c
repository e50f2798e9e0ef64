#include "providers/opnsense/generate-internal.h"

#include "base/error.h"
#include "policy/intent.h"
#include "policy/names.h"

#include <sodium.h>
#include <string.h>

#define LAST_BLOCK 90u /* sequences end at 999,999 */

xmlNode *lw_opn_add(xmlNode *parent, const char *name, const char *text) {
  return xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)(text && *text ? text : NULL));
}

static xmlNode *add_number(xmlNode *parent, const char *name, guint number) {
  g_autofree char *text = g_strdup_printf("%u", number);
  return lw_opn_add(parent, name, text);
}

static xmlNode *add_addr(xmlNode *parent, const char *name, const LwAddr *addr) {
  g_autofree char *text = lw_addr_format(addr);
  return lw_opn_add(parent, name, text);
}

char *lw_opn_uuid(const char *kind, const char *name) {
  g_autofree char *text = g_strdup_printf("lanward/%s/%s", kind, name);
  g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
  static const char variants[] = "89ab";
  hex[12] = '4';
  hex[16] = variants[g_ascii_xdigit_value(hex[16]) & 3];
  return g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void lw_opn_set_uuid(LwOpnMaker *maker, xmlNode *node, const char *kind, const char *name) {
  g_autofree char *unique = g_strdup(name);
  g_autofree char *uuid = lw_opn_uuid(kind, unique);
  for (guint n = 2; g_hash_table_contains(maker->uuids, uuid); n++) {
    g_free(unique);
    unique = g_strdup_printf("%s/%u", name, n);
    g_free(uuid);
    uuid = lw_opn_uuid(kind, unique);
  }
  xmlNewProp(node, (const xmlChar *)"uuid", (const xmlChar *)uuid);
  g_hash_table_add(maker->uuids, g_steal_pointer(&uuid));
}

/* ---- numbers ---- */

static guint segment_number(LwFacts *facts, const LwSegment *segment) {
  return lw_facts_number(facts, "segment", segment->name);
}

/* The first exit is “direct”, which has no tunnel. */
static guint tunnel_number(LwFacts *facts, const LwLab *lab, guint tunnel) {
  return lw_facts_number(facts, "exit", lw_lab_tunnel(lab, tunnel)->name) - 2;
}

char *lw_opn_segment_interface(LwFacts *facts, const LwSegment *segment) {
  return g_strdup_printf("opt%u", segment_number(facts, segment));
}

/* Far behind the segments, so that another segment moves no tunnel. */
char *lw_opn_tunnel_interface(LwFacts *facts, const LwLab *lab, guint tunnel) {
  return g_strdup_printf("opt%u", 1000 + tunnel_number(facts, lab, tunnel));
}

char *lw_opn_tunnel_gateway(const LwTunnel *tunnel) {
  g_autofree char *upper = g_ascii_strup(tunnel->name, -1);
  return g_strdup_printf("LANWARD_%s", g_strdelimit(upper, "-", '_'));
}

char *lw_opn_exit_gateway(const LwLab *lab, guint tunnel) {
  return tunnel == LW_NONE ? g_strdup(LW_OPN_WAN_GATEWAY) : lw_opn_tunnel_gateway(lw_lab_tunnel(lab, tunnel));
}

static int segment_cmp(gconstpointer a, gconstpointer b, gpointer data) {
  LwOpnMaker *maker = data;
  guint x = segment_number(maker->facts, lw_lab_segment(maker->lab, *(const guint *)a));
  guint y = segment_number(maker->facts, lw_lab_segment(maker->lab, *(const guint *)b));
  return x < y ? -1 : x > y;
}

static int tunnel_cmp(gconstpointer a, gconstpointer b, gpointer data) {
  LwOpnMaker *maker = data;
  guint x = tunnel_number(maker->facts, maker->lab, *(const guint *)a);
  guint y = tunnel_number(maker->facts, maker->lab, *(const guint *)b);
  return x < y ? -1 : x > y;
}

static GArray *indices(guint count) {
  GArray *out = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < count; i++)
    g_array_append_val(out, i);
  return out;
}

GArray *lw_opn_segments(LwOpnMaker *maker) {
  GArray *out = indices(maker->lab->segments->len);
  g_array_sort_with_data(out, segment_cmp, maker);
  return out;
}

GArray *lw_opn_tunnels(LwOpnMaker *maker) {
  GArray *out = indices(maker->lab->tunnels->len);
  g_array_sort_with_data(out, tunnel_cmp, maker);
  return out;
}

/* ---- the router itself ---- */

static void add_root_user(xmlNode *system, const LwOpnCredentials *credentials) {
  xmlNode *user = lw_opn_add(system, "user", NULL);
  lw_opn_add(user, "name", "root");
  lw_opn_add(user, "descr", "System Administrator");
  lw_opn_add(user, "scope", "system");
  lw_opn_add(user, "uid", "0");
  /* "*" is no hash: nobody has that password */
  lw_opn_add(user, "password", credentials && credentials->password_hash ? credentials->password_hash : "*");
  if (credentials && credentials->api_key)
    lw_opn_add(user, "apikeys", credentials->api_key);
  if (credentials && credentials->authorized_keys) {
    g_autofree char *encoded =
        g_base64_encode((const guchar *)credentials->authorized_keys, strlen(credentials->authorized_keys));
    lw_opn_add(user, "authorizedkeys", encoded);
  }
}

static void add_system(LwOpnMaker *maker, const LwOpnCredentials *credentials) {
  xmlNode *system = lw_opn_add(maker->root, "system", NULL);
  lw_opn_add(system, "optimization", "normal");
  lw_opn_add(system, "hostname", "router");
  lw_opn_add(system, "domain", maker->lab->domain ? maker->lab->domain : "internal");
  lw_opn_add(system, "timezone", "Etc/UTC");
  lw_opn_add(system, "timeservers", "0.opnsense.pool.ntp.org 1.opnsense.pool.ntp.org");
  xmlNode *group = lw_opn_add(system, "group", NULL);
  lw_opn_add(group, "name", "admins");
  lw_opn_add(group, "description", "System Administrators");
  lw_opn_add(group, "scope", "system");
  lw_opn_add(group, "gid", "1999");
  lw_opn_add(group, "member", "0");
  lw_opn_add(group, "priv", "page-all");
  add_root_user(system, credentials);
  xmlNode *web = lw_opn_add(system, "webgui", NULL);
  lw_opn_add(web, "protocol", "https");
  lw_opn_add(web, "interfaces", "lan");
  lw_opn_add(web, "noantilockout",
             "1"); /* it opens the router to all of lan: our own rule opens it to the host */
  xmlNode *ssh = lw_opn_add(system, "ssh", NULL);
  lw_opn_add(ssh, "group", "admins");
  lw_opn_add(ssh, "enabled", "enabled");
  lw_opn_add(ssh, "permitrootlogin", "1");
  lw_opn_add(ssh, "interfaces", "lan");
  lw_opn_add(system, "primaryconsole", "serial");
  lw_opn_add(system, "secondaryconsole", "video");
  lw_opn_add(system, "serialspeed", "115200");
  lw_opn_add(system, "disablenatreflection", "yes");
  lw_opn_add(system, "skip_rules_gw_down", "1");
}

static xmlNode *add_interface(xmlNode *parent, const char *key, const char *device, const char *descr) {
  xmlNode *node = lw_opn_add(parent, key, NULL);
  lw_opn_add(node, "enable", "1");
  lw_opn_add(node, "lock", "1");
  lw_opn_add(node, "if", device);
  lw_opn_add(node, "descr", descr);
  return node;
}

static void add_static_interface(xmlNode *parent, const char *key, guint card, const char *descr,
                                 const LwAddr *addr, guint8 length) {
  g_autofree char *device = g_strdup_printf("vtnet%u", card);
  xmlNode *node = add_interface(parent, key, device, descr);
  add_addr(node, "ipaddr", addr);
  add_number(node, "subnet", length);
}

static void add_interfaces(LwOpnMaker *maker) {
  const LwHost *host = &maker->lab->host;
  xmlNode *interfaces = lw_opn_add(maker->root, "interfaces", NULL);
  xmlNode *wan = add_interface(interfaces, "wan", "vtnet0", "WAN");
  lw_opn_add(wan, "ipaddr", "dhcp");
  lw_opn_add(wan, "blockbogons", "1");
  add_static_interface(interfaces, "lan", 1, "mgmt", &host->management.router, host->management.subnet.len);
  g_autoptr(GArray) segments = lw_opn_segments(maker);
  for (guint i = 0; i < segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(maker->lab, g_array_index(segments, guint, i));
    g_autofree char *key = lw_opn_segment_interface(maker->facts, segment);
    add_static_interface(interfaces, key, segment_number(maker->facts, segment) + 1, segment->name,
                         &segment->router, segment->subnet.len);
  }
  g_autoptr(GArray) exits = lw_opn_tunnels(maker);
  for (guint i = 0; i < exits->len; i++) {
    guint tunnel = g_array_index(exits, guint, i);
    const LwTunnel *t = lw_lab_tunnel(maker->lab, tunnel);
    g_autofree char *key = lw_opn_tunnel_interface(maker->facts, maker->lab, tunnel);
    g_autofree char *device = g_strdup_printf("wg%u", tunnel_number(maker->facts, maker->lab, tunnel));
    xmlNode *node = add_interface(interfaces, key, device, t->name);
    add_number(node, "mss", t->wg.mtu ? t->wg.mtu : 1420); /* OPNsense takes the headers off by itself */
  }
}

/* ---- DHCP and names ---- */

static char *mask_text(guint8 length) {
  LwAddr mask = lw_addr_from_v4(length == 0 ? 0 : G_MAXUINT32 << (32 - length));
  return lw_addr_format(&mask);
}

static void add_dhcp(LwOpnMaker *maker, xmlNode *dnsmasq, const LwSegment *segment) {
  g_autofree char *key = lw_opn_segment_interface(maker->facts, segment);
  g_autofree char *mask = mask_text(segment->subnet.len);
  xmlNode *range = lw_opn_add(dnsmasq, "dhcp_ranges", NULL);
  lw_opn_set_uuid(maker, range, "range", segment->name);
  lw_opn_add(range, "interface", key);
  add_addr(range, "start_addr", &segment->dhcp.first);
  add_addr(range, "end_addr", &segment->dhcp.last);
  lw_opn_add(range, "subnet_mask", mask);
  lw_opn_add(range, "domain_type", "range");
  xmlNode *option = lw_opn_add(dnsmasq, "dhcp_options", NULL);
  lw_opn_set_uuid(maker, option, "option-dns", segment->name);
  lw_opn_add(option, "type", "set");
  lw_opn_add(option, "option", "6");
  lw_opn_add(option, "interface", key);
  add_addr(option, "value", &segment->router);
}

static void add_reservations(LwOpnMaker *maker, xmlNode *dnsmasq) {
  for (guint m = 0; m < maker->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(maker->lab, m);
    for (guint n = 0; n < machine->nics->len; n++) {
      LwAddr addr = lw_nic_address(maker->lab, maker->facts, m, n);
      if (!lw_addr_is_set(&addr))
        continue;
      g_autofree char *name = n == 0 ? g_strdup(machine->name) : g_strdup_printf("%s-%u", machine->name, n);
      LwMac mac = lw_nic_mac_now(maker->lab, maker->facts, m, n);
      g_autofree char *hwaddr = lw_mac_format(&mac);
      xmlNode *host = lw_opn_add(dnsmasq, "hosts", NULL);
      lw_opn_set_uuid(maker, host, "host", name);
      lw_opn_add(host, "host", name);
      lw_opn_add(host, "domain", maker->lab->domain);
      add_addr(host, "ip", &addr);
      lw_opn_add(host, "hwaddr", hwaddr);
      lw_opn_add(host, "descr", "lanward");
    }
  }
}

static void add_dnsmasq(LwOpnMaker *maker) {
  g_autoptr(GArray) segments = lw_opn_segments(maker);
  g_autoptr(GString) served = g_string_new(NULL), without = g_string_new(NULL);
  for (guint i = 0; i < segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(maker->lab, g_array_index(segments, guint, i));
    g_autofree char *key = lw_opn_segment_interface(maker->facts, segment);
    g_string_append_printf(served, "%s%s", i ? "," : "", key);
    if (!segment->has_dhcp)
      g_string_append_printf(without, "%s%s", without->len ? "," : "", key);
  }
  xmlNode *dnsmasq = lw_opn_add(maker->root, "dnsmasq", NULL);
  lw_opn_add(dnsmasq, "enable", "1");
  /* names of the lab alone: what asks further goes to the exit's resolver, by a forward */
  lw_opn_add(dnsmasq, "port", "53");
  lw_opn_add(dnsmasq, "no_resolv", "1");
  lw_opn_add(dnsmasq, "interface", served->str);
  lw_opn_add(dnsmasq, "no_ident", "1");
  xmlNode *dhcp = lw_opn_add(dnsmasq, "dhcp", NULL);
  if (without->len)
    lw_opn_add(dhcp, "no_interface", without->str);
  lw_opn_add(dhcp, "fqdn", "1");
  lw_opn_add(dhcp, "domain", maker->lab->domain);
  lw_opn_add(dhcp, "local", "1");
  lw_opn_add(dhcp, "authoritative", "1");
  lw_opn_add(dhcp, "default_fw_rules", "0"); /* they open every address of the router: ours open one */
  for (guint i = 0; i < segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(maker->lab, g_array_index(segments, guint, i));
    if (segment->has_dhcp)
      add_dhcp(maker, dnsmasq, segment);
  }
  add_reservations(maker, dnsmasq);
}

/* ---- tunnels ---- */

/* Any address but the tunnel's own will do as its gateway, since WireGuard looks at none; OPNsense wants one
 * that no other gateway has. */
static LwAddr gateway_address(const LwLab *lab, guint tunnel) {
  LwAddr own = lw_tunnel_address(lw_lab_tunnel(lab, tunnel));
  for (gint64 offset = -1;; offset = offset < 0 ? 1 : offset + 1) {
    LwAddr tried = lw_addr_add(&own, offset);
    gboolean taken = FALSE;
    for (guint i = 0; i < lab->tunnels->len; i++) {
      LwAddr other = lw_tunnel_address(lw_lab_tunnel(lab, i));
      taken |= lw_addr_equal(&other, &tried);
      LwAddr before = lw_addr_add(&other, -1);
      taken |= i < tunnel && lw_addr_equal(&before, &tried);
    }
    if (!taken)
      return tried;
  }
}

/* Adds both keys; without a store, or where the file had none, neither. */
static gboolean add_keys(LwOpnMaker *maker, xmlNode *server, const LwTunnel *tunnel, GError **error) {
  if (!maker->secrets || !tunnel->wg.private_key)
    return TRUE;
  char *secret = lw_secret_store_get(maker->secrets, tunnel->wg.private_key, error);
  if (!secret)
    return FALSE;
  gsize length;
  g_autofree guchar *raw = g_base64_decode(secret, &length);
  guint8 point[crypto_scalarmult_BYTES];
  gboolean good = length == crypto_scalarmult_SCALARBYTES && sodium_init() >= 0 &&
                  crypto_scalarmult_base(point, raw) == 0;
  if (good) {
    g_autofree char *public = g_base64_encode(point, sizeof point);
    lw_opn_add(server, "pubkey", public);
    lw_opn_add(server, "privkey", secret);
  } else {
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "tunnel “%s”: its private key is not one of WireGuard's",
                tunnel->name);
  }
  sodium_memzero(raw, length);
  lw_secret_clear(secret);
  return good;
}

static void add_server(LwOpnMaker *maker, xmlNode *server, guint tunnel) {
  const LwTunnel *t = lw_lab_tunnel(maker->lab, tunnel);
  guint number = tunnel_number(maker->facts, maker->lab, tunnel);
  g_autofree char *peer = lw_opn_uuid("peer", t->name);
  LwAddr address = lw_tunnel_address(t);
  g_autofree char *text = lw_addr_format(&address);
  g_autofree char *prefix = g_strdup_printf("%s/32", text);
  add_number(server, "port", t->wg.listen_port ? t->wg.listen_port : 51820 + number);
  add_number(server, "mtu", t->wg.mtu ? t->wg.mtu : 1420);
  lw_opn_add(server, "tunneladdress", prefix);
  lw_opn_add(server, "disableroutes", "1");
  lw_opn_add(server, "peers", peer);
}

static gboolean add_client(LwOpnMaker *maker, xmlNode *clients, const LwTunnel *tunnel, GError **error) {
  xmlNode *client = lw_opn_add(clients, "client", NULL);
  g_autoptr(GString) allowed = g_string_new(NULL);
  lw_opn_set_uuid(maker, client, "peer", tunnel->name);
  lw_opn_add(client, "enabled", "1");
  lw_opn_add(client, "name", tunnel->name);
  lw_opn_add(client, "pubkey", tunnel->wg.peer_public_key);
  if (maker->secrets && tunnel->wg.preshared_key) {
    char *secret = lw_secret_store_get(maker->secrets, tunnel->wg.preshared_key, error);
    if (!secret)
      return FALSE;
    lw_opn_add(client, "psk", secret);
    lw_secret_clear(secret);
  }
  for (guint i = 0; i < tunnel->wg.allowed->len; i++) {
    const LwPrefix *prefix = &g_array_index(tunnel->wg.allowed, LwPrefix, i);
    g_autofree char *text = lw_prefix_format(prefix);
    if (prefix->addr.family == 4)
      g_string_append_printf(allowed, "%s%s", allowed->len ? "," : "", text);
  }
  lw_opn_add(client, "tunneladdress", allowed->str);
  lw_opn_add(client, "serveraddress", tunnel->wg.endpoint_host);
  add_number(client, "serverport", tunnel->wg.endpoint_port);
  if (tunnel->wg.keepalive)
    add_number(client, "keepalive", tunnel->wg.keepalive);
  return TRUE;
}

static gboolean add_wireguard(LwOpnMaker *maker, xmlNode *mvc, GError **error) {
  g_autoptr(GArray) exits = lw_opn_tunnels(maker);
  xmlNode *wireguard = lw_opn_add(mvc, "wireguard", NULL);
  lw_opn_add(lw_opn_add(wireguard, "general", NULL), "enabled", exits->len ? "1" : "0");
  xmlNode *servers = lw_opn_add(lw_opn_add(wireguard, "server", NULL), "servers", NULL);
  xmlNode *clients = lw_opn_add(lw_opn_add(wireguard, "client", NULL), "clients", NULL);
  for (guint i = 0; i < exits->len; i++) {
    guint tunnel = g_array_index(exits, guint, i);
    const LwTunnel *t = lw_lab_tunnel(maker->lab, tunnel);
    xmlNode *server = lw_opn_add(servers, "server", NULL);
    lw_opn_set_uuid(maker, server, "instance", t->name);
    lw_opn_add(server, "enabled", "1");
    lw_opn_add(server, "name", t->name);
    add_number(server, "instance", tunnel_number(maker->facts, maker->lab, tunnel));
    if (!add_keys(maker, server, t, error) || !add_client(maker, clients, t, error))
      return FALSE;
    add_server(maker, server, tunnel);
  }
  return TRUE;
}

static void add_gateway(LwOpnMaker *maker, xmlNode *gateways, const char *name, const char *interface,
                        const LwAddr *address) {
  xmlNode *node = lw_opn_add(gateways, "gateway_item", NULL);
  lw_opn_set_uuid(maker, node, "gateway", name);
  lw_opn_add(node, "disabled", "0");
  lw_opn_add(node, "name", name);
  lw_opn_add(node, "descr", "lanward");
  lw_opn_add(node, "interface", interface);
  lw_opn_add(node, "ipprotocol", "inet");
  add_addr(node, "gateway", address);
  lw_opn_add(node, "fargw", "1");
  lw_opn_add(node, "monitor_disable", "1");
  /* the last to become the default route while WAN has no lease */
  lw_opn_add(node, "priority", "255");
  lw_opn_add(node, "weight", "1");
}

static void add_gateways(LwOpnMaker *maker, xmlNode *mvc) {
  g_autoptr(GArray) exits = lw_opn_tunnels(maker);
  xmlNode *gateways = lw_opn_add(mvc, "Gateways", NULL);
  for (guint i = 0; i < exits->len; i++) {
    guint tunnel = g_array_index(exits, guint, i);
    g_autofree char *name = lw_opn_tunnel_gateway(lw_lab_tunnel(maker->lab, tunnel));
    g_autofree char *key = lw_opn_tunnel_interface(maker->facts, maker->lab, tunnel);
    LwAddr address = gateway_address(maker->lab, tunnel);
    add_gateway(maker, gateways, name, key, &address);
  }
  if (maker->lab->host.networks->len == 0)
    return;
  add_gateway(maker, gateways, LW_OPN_HOST_GATEWAY, "lan", &maker->lab->host.management.address);
  xmlNode *routes = lw_opn_add(maker->root, "staticroutes", NULL);
  for (guint i = 0; i < maker->lab->host.networks->len; i++) {
    const LwNetwork *network = lw_lab_network(maker->lab, i);
    g_autofree char *prefix = lw_prefix_format(&network->prefix);
    xmlNode *route = lw_opn_add(routes, "route", NULL);
    lw_opn_set_uuid(maker, route, "route", network->name);
    lw_opn_add(route, "network", prefix);
    lw_opn_add(route, "gateway", LW_OPN_HOST_GATEWAY);
    g_autofree char *descr = g_strdup_printf("lanward: %s", network->name);
    lw_opn_add(route, "descr", descr);
    lw_opn_add(route, "disabled", "0");
  }
}

/* ---- aliases and NAT ---- */

static void add_alias(LwOpnMaker *maker, xmlNode *aliases, const char *name, const char *type,
                      const GString *content) {
  xmlNode *node = lw_opn_add(aliases, "alias", NULL);
  lw_opn_set_uuid(maker, node, "alias", name);
  lw_opn_add(node, "enabled", "1");
  lw_opn_add(node, "name", name);
  lw_opn_add(node, "type", type);
  lw_opn_add(node, "content", content->str);
  lw_opn_add(node, "description", "lanward");
}

static void append_prefix(GString *out, const LwPrefix *prefix) {
  g_autofree char *text = lw_prefix_format(prefix);
  g_string_append_printf(out, "%s%s", out->len ? "\n" : "", text);
}

static void add_aliases(LwOpnMaker *maker, xmlNode *firewall) {
  xmlNode *aliases = lw_opn_add(lw_opn_add(firewall, "Alias", NULL), "aliases", NULL);
  g_autoptr(GString) lab = g_string_new(NULL), special = g_string_new(NULL),
                     admin = g_string_new("22\n80\n443");
  LwPrefix prefix;
  append_prefix(lab, &maker->lab->host.management.subnet);
  g_autoptr(GArray) segments = lw_opn_segments(maker);
  for (guint i = 0; i < segments->len; i++)
    append_prefix(lab, &lw_lab_segment(maker->lab, g_array_index(segments, guint, i))->subnet);
  for (guint i = 0; i < maker->lab->host.networks->len; i++)
    append_prefix(lab, &lw_lab_network(maker->lab, i)->prefix);
  for (guint i = 0; lw_intent_special(i, &prefix); i++)
    append_prefix(special, &prefix);
  add_alias(maker, aliases, LW_OPN_LAB, "network", lab);
  add_alias(maker, aliases, LW_OPN_SPECIAL, "network", special);
  add_alias(maker, aliases, LW_OPN_ADMIN, "port", admin);
}

static gboolean uses(const LwSegment *segment, guint tunnel) {
  for (guint i = 0; i < segment->exits->len; i++)
    if (g_array_index(segment->exits, guint, i) == tunnel)
      return TRUE;
  for (guint i = 0; i < segment->pins->len; i++)
    if (((LwPin *)segment->pins->pdata[i])->tunnel == tunnel)
      return TRUE;
  return FALSE;
}

/* WAN has automatic rules; a tunnel's are ours: what leaves by it has its address. */
static void add_source_nat(LwOpnMaker *maker) {
  g_autoptr(GArray) exits = lw_opn_tunnels(maker), segments = lw_opn_segments(maker);
  for (guint i = 0; i < exits->len; i++)
    for (guint n = 0; n < segments->len; n++) {
      guint tunnel = g_array_index(exits, guint, i);
      const LwSegment *segment = lw_lab_segment(maker->lab, g_array_index(segments, guint, n));
      if (!uses(segment, tunnel))
        continue;
      g_autofree char *interface = lw_opn_tunnel_interface(maker->facts, maker->lab, tunnel);
      g_autofree char *source = lw_opn_segment_interface(maker->facts, segment);
      g_autofree char *descr =
          g_strdup_printf("lanward: %s by %s", segment->name, lw_lab_tunnel(maker->lab, tunnel)->name);
      maker->source_sequence = MAX(maker->source_sequence,
                                   1000 * MIN(tunnel_number(maker->facts, maker->lab, tunnel), LAST_BLOCK));
      xmlNode *rule = lw_opn_add(maker->source_nat, "rule", NULL);
      lw_opn_set_uuid(maker, rule, "snat", descr);
      lw_opn_add(rule, "enabled", "1");
      add_number(rule, "sequence", ++maker->source_sequence);
      lw_opn_add(rule, "interface", interface);
      lw_opn_add(rule, "ipprotocol", "inet");
      lw_opn_add(rule, "protocol", "any");
      lw_opn_add(rule, "source_net", source);
      lw_opn_add(rule, "destination_net", "any");
      lw_opn_add(rule, "target", NULL);
      lw_opn_add(rule, "description", descr);
    }
}

/* A field that has a value; without one it is not in the file. */
static void add_known(xmlNode *node, const char *name, const char *value) {
  if (value)
    lw_opn_add(node, name, value);
}

static void set_or(xmlNode *node, const char *name, const char *text, const char *missing) {
  lw_opn_add(node, name, text ? text : missing);
}

void lw_opn_start_block(LwOpnMaker *maker, guint number) {
  maker->sequence = MAX(maker->sequence, MIN(number, LAST_BLOCK) * 10000);
  maker->forward_sequence = MAX(maker->forward_sequence, MIN(number, LAST_BLOCK) * 1000);
}

static void add_rule(LwOpnMaker *maker, const LwOpnNewRule *rule, const char *descr) {
  xmlNode *node = lw_opn_add(maker->rules, "rule", NULL);
  lw_opn_set_uuid(maker, node, "rule", descr);
  lw_opn_add(node, "enabled", "1");
  lw_opn_add(node, "statetype", "keep");
  maker->sequence += 10;
  add_number(node, "sequence", maker->sequence);
  lw_opn_add(node, "action", rule->action);
  lw_opn_add(node, "quick", "1");
  lw_opn_add(node, "interfacenot", "0");
  lw_opn_add(node, "interface", rule->interface);
  lw_opn_add(node, "direction", "in");
  lw_opn_add(node, "ipprotocol", "inet");
  set_or(node, "protocol", rule->protocol, "any");
  add_known(node, "icmptype", rule->icmp);
  set_or(node, "source_net", rule->source, "any");
  lw_opn_add(node, "source_not", "0");
  add_known(node, "source_port", rule->source_port);
  set_or(node, "destination_net", rule->destination, "any");
  lw_opn_add(node, "destination_not", "0");
  add_known(node, "destination_port", rule->port);
  add_known(node, "gateway", rule->gateway);
  add_known(node, "replyto", rule->reply_to);
  add_known(node, "tagged", rule->tagged);
  lw_opn_add(node, "log", rule->log ? "1" : "0");
  lw_opn_add(node, "description", descr);
}

/* A list is a rule for each: the API takes lists of what it has names for, and of addresses one (its
 * NetworkAliasField); pf would take the list apart in the same way. */
void lw_opn_add_rule(LwOpnMaker *maker, const LwOpnNewRule *rule, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *descr = g_strdup_printf("lanward: %s", what);
  g_auto(GStrv) sources = g_strsplit(rule->source ? rule->source : "any", ",", -1);
  g_auto(GStrv) destinations = g_strsplit(rule->destination ? rule->destination : "any", ",", -1);
  for (char **source = sources; *source; source++)
    for (char **destination = destinations; *destination; destination++) {
      LwOpnNewRule one = *rule;
      one.source = *source;
      one.destination = *destination;
      add_rule(maker, &one, descr);
    }
}

static void add_forward(LwOpnMaker *maker, const LwOpnNewForward *forward, const char *descr) {
  xmlNode *node = lw_opn_add(maker->nat, "rule", NULL);
  lw_opn_set_uuid(maker, node, "forward", descr);
  add_number(node, "sequence", ++maker->forward_sequence);
  lw_opn_add(node, "interface", forward->interface);
  lw_opn_add(node, "ipprotocol", "inet");
  lw_opn_add(node, "protocol", forward->protocol);
  xmlNode *source = lw_opn_add(node, "source", NULL);
  set_or(source, "network", forward->source, "any");
  add_known(source, "port", forward->source_port);
  xmlNode *destination = lw_opn_add(node, "destination", NULL);
  if (forward->destination_not)
    lw_opn_add(destination, "not", "1");
  set_or(destination, "network", forward->destination, "any");
  lw_opn_add(destination, "port", forward->port);
  add_known(node, "target", forward->target);
  add_known(node, "local-port", forward->local_port);
  add_known(node, "tag", forward->tag);
  lw_opn_add(node, "natreflection", "disable");
  lw_opn_add(node, "descr", descr);
}

void lw_opn_add_forward(LwOpnMaker *maker, const LwOpnNewForward *forward, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *descr = g_strdup_printf("lanward: %s", what);
  g_auto(GStrv) sources = g_strsplit(forward->source ? forward->source : "any", ",", -1);
  for (char **source = sources; *source; source++) {
    LwOpnNewForward one = *forward;
    one.source = *source;
    add_forward(maker, &one, descr);
  }
}

char *lw_opn_range_text(const LwRange *range) {
  g_autoptr(GString) out = g_string_new(NULL);
  guint32 next = lw_addr_v4(&range->first), last = lw_addr_v4(&range->last);
  for (;;) {
    guint8 length = 32;
    /* the largest prefix that begins here and does not pass the end */
    while (length > 0) {
      guint32 size = length == 1 ? 0x80000000u : 1u << (33 - length);
      if (next & (size - 1) || size - 1 > last - next)
        break;
      length--;
    }
    LwPrefix prefix = lw_prefix_make(lw_addr_from_v4(next), length);
    g_autofree char *text = length == 32 ? lw_addr_format(&prefix.addr) : lw_prefix_format(&prefix);
    g_string_append_printf(out, "%s%s", out->len ? "," : "", text);
    guint64 end = (guint64)next + (G_GUINT64_CONSTANT(1) << (32 - length));
    if (end > last)
      return g_string_free(g_steal_pointer(&out), FALSE);
    next = (guint32)end;
  }
}

/* ---- the whole ---- */

static gboolean check_lab(const LwLab *lab, GError **error) {
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr own = lw_tunnel_address(lw_lab_tunnel(lab, i));
    if (!lw_addr_is_set(&own)) {
      g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                  "tunnel “%s” has no IPv4 address, and OPNsense's gateway needs one",
                  lw_lab_tunnel(lab, i)->name);
      return FALSE;
    }
    for (guint n = 0; n < i; n++) {
      LwAddr other = lw_tunnel_address(lw_lab_tunnel(lab, n));
      if (lw_addr_equal(&own, &other)) {
        g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                    "tunnels “%s” and “%s” have the same address: OPNsense needs distinct ones, “kind: "
                    "builtin” does not",
                    lw_lab_tunnel(lab, n)->name, lw_lab_tunnel(lab, i)->name);
        return FALSE;
      }
    }
  }
  return TRUE;
}

static gboolean make(LwOpnMaker *maker, const LwOpnCredentials *credentials, GError **error) {
  add_system(maker, credentials);
  add_interfaces(maker);
  add_dnsmasq(maker);
  lw_opn_add(lw_opn_add(maker->root, "ntpd", NULL), "interface", "lan"); /* bound to a tunnel it crashes */
  maker->nat = lw_opn_add(maker->root, "nat", NULL);
  lw_opn_add(lw_opn_add(maker->nat, "outbound", NULL), "mode", "hybrid");
  xmlNode *mvc = lw_opn_add(maker->root, "OPNsense", NULL);
  xmlNode *firewall = lw_opn_add(mvc, "Firewall", NULL);
  add_aliases(maker, firewall);
  xmlNode *filter = lw_opn_add(firewall, "Filter", NULL);
  maker->rules = lw_opn_add(filter, "rules", NULL);
  maker->source_nat = lw_opn_add(filter, "snatrules", NULL);
  lw_opn_make_rules(maker);
  add_source_nat(maker);
  add_gateways(maker, mvc);
  xmlNode *settings = lw_opn_add(lw_opn_add(mvc, "Interfaces", NULL), "settings", NULL);
  lw_opn_add(settings, "disableipv6",
             "1"); /* for 26.7 and later; before, that system/ipv6allow is missing says it */
  return add_wireguard(maker, mvc, error);
}

static char *document_text(xmlDoc *doc) {
  xmlChar *buffer = NULL;
  int length = 0;
  xmlDocDumpFormatMemoryEnc(doc, &buffer, &length, "UTF-8", 1);
  char *text = g_strndup((const char *)buffer, (gsize)length);
  sodium_memzero(buffer, (gsize)length);
  xmlFree(buffer);
  return text;
}

char *lw_opn_config(const LwLab *lab, LwFacts *facts, LwSecretStore *secrets,
                    const LwOpnCredentials *credentials, GPtrArray *notes, GError **error) {
  if (!check_lab(lab, error))
    return NULL;
  xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
  xmlNode *root = xmlNewNode(NULL, (const xmlChar *)"opnsense");
  xmlDocSetRootElement(doc, root);
  g_autoptr(GHashTable) uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  LwOpnMaker maker = {
      .lab = lab, .facts = facts, .secrets = secrets, .notes = notes, .root = root, .uuids = uuids};
  char *text = make(&maker, credentials, error) ? document_text(doc) : NULL;
  xmlFreeDoc(doc);
  return text;
}
