/* libvirt's networks and domains, as their files in /etc/libvirt/qemu define them: no daemon needs to run. */
#include "doctor/seen.h"

#include <json-glib/json-glib.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#define DOMAINS "/etc/libvirt/qemu"
#define NETWORKS DOMAINS "/networks"

static xmlNode *child(xmlNode *node, const char *name) {
  for (xmlNode *each = node ? node->children : NULL; each; each = each->next)
    if (each->type == XML_ELEMENT_NODE && g_str_equal((const char *)each->name, name))
      return each;
  return NULL;
}

static char *attribute(xmlNode *node, const char *name) {
  xmlChar *value = node ? xmlGetProp(node, (const xmlChar *)name) : NULL;
  char *copy = g_strdup((const char *)value);
  xmlFree(value);
  return copy;
}

static char *content(xmlNode *node) {
  xmlChar *value = node ? xmlNodeGetContent(node) : NULL;
  char *copy = value ? g_strstrip(g_strdup((const char *)value)) : NULL;
  xmlFree(value);
  return copy;
}

static xmlDoc *read_xml(const char *root, const char *path) {
  g_autofree char *text = lw_seen_read(root, path);
  return text ? xmlReadMemory(text, (int)strlen(text), path, NULL,
                              XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
              : NULL;
}

/* --- domains
 * -----------------------------------------------------------------------------------------------------------
 */

static void nic_free(gpointer data) {
  LwSeenNic *nic = data;
  g_free(nic->network);
  g_free(nic->bridge);
  g_free(nic);
}

/* libvirt writes KiB; the other units are of hand-written files. */
static guint64 memory_of(xmlNode *domain) {
  static const struct {
    const char *unit;
    guint64 bytes;
  } units[] = {{"b", 1},
               {"bytes", 1},
               {"KiB", 1024},
               {"k", 1024},
               {"MiB", 1024 * 1024},
               {"M", 1024 * 1024},
               {"GiB", 1024 * 1024 * 1024},
               {"G", 1024 * 1024 * 1024}};
  xmlNode *node = child(domain, "memory");
  g_autofree char *unit = attribute(node, "unit");
  g_autofree char *text = content(node);
  guint64 number = text ? g_ascii_strtoull(text, NULL, 10) : 0;
  for (gsize i = 0; unit && i < G_N_ELEMENTS(units); i++)
    if (g_str_equal(unit, units[i].unit))
      return number * units[i].bytes;
  return number * 1024;
}

static void read_nics(LwSeenDomain *domain, xmlNode *devices) {
  for (xmlNode *each = devices ? devices->children : NULL; each; each = each->next) {
    if (each->type != XML_ELEMENT_NODE || !g_str_equal((const char *)each->name, "interface"))
      continue;
    LwSeenNic *nic = g_new0(LwSeenNic, 1);
    g_autofree char *mac = attribute(child(each, "mac"), "address");
    nic->network = attribute(child(each, "source"), "network");
    nic->bridge = attribute(child(each, "source"), "bridge");
    if (!lw_seen_is_name(nic->network))
      g_clear_pointer(&nic->network, g_free);
    if (!lw_seen_is_interface(nic->bridge))
      g_clear_pointer(&nic->bridge, g_free);
    if (!mac || !lw_mac_parse(mac, &nic->mac) || (nic->mac.bytes[0] & 1))
      nic->mac = (LwMac){0};
    g_ptr_array_add(domain->nics, nic);
  }
}

static void look_at_domain(LwSeen *seen, const char *root, const char *path) {
  xmlDoc *doc = read_xml(root, path);
  xmlNode *top = doc ? xmlDocGetRootElement(doc) : NULL;
  g_autofree char *name =
      top && g_str_equal((const char *)top->name, "domain") ? content(child(top, "name")) : NULL;
  if (lw_seen_is_name(name)) {
    LwSeenDomain *domain = g_new0(LwSeenDomain, 1);
    g_autofree char *starts = g_strdup_printf("%s" DOMAINS "/autostart/%s.xml", root, name);
    domain->path = g_strdup(path);
    domain->memory = memory_of(top);
    domain->nics = g_ptr_array_new_with_free_func(nic_free);
    /* a link to a file by its absolute path, which need not be there below another root */
    domain->autostart =
        g_file_test(starts, G_FILE_TEST_EXISTS) || g_file_test(starts, G_FILE_TEST_IS_SYMLINK);
    read_nics(domain, child(top, "devices"));
    domain->name = g_steal_pointer(&name);
    g_ptr_array_add(seen->domains, domain);
  }
  xmlFreeDoc(doc);
}

/* --- networks
 * ----------------------------------------------------------------------------------------------------------
 */

static void note_host(LwSeenNetwork *network, const char *mac, const char *ip) {
  LwMac parsed;
  LwAddr address;
  if (mac && ip && lw_mac_parse(mac, &parsed) && lw_addr_parse(ip, &address) && address.family == 4)
    g_hash_table_replace(network->hosts, lw_mac_format(&parsed), g_memdup2(&address, sizeof address));
}

static void read_reservations(LwSeenNetwork *network, xmlNode *dhcp) {
  for (xmlNode *each = dhcp ? dhcp->children : NULL; each; each = each->next) {
    if (each->type != XML_ELEMENT_NODE || !g_str_equal((const char *)each->name, "host"))
      continue;
    g_autofree char *mac = attribute(each, "mac");
    g_autofree char *ip = attribute(each, "ip");
    note_host(network, mac, ip);
  }
}

static const char *text_member(JsonObject *object, const char *name) {
  JsonNode *node = json_object_get_member(object, name);
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

/* What its dnsmasq has handed out. */
static void read_leases(LwSeenNetwork *network, const char *root) {
  if (!network->bridge)
    return;
  g_autofree char *path = g_strdup_printf("/var/lib/libvirt/dnsmasq/%s.status", network->bridge);
  g_autofree char *text = lw_seen_read(root, path);
  g_autoptr(JsonNode) node = text && *text ? json_from_string(text, NULL) : NULL;
  JsonArray *list = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
  for (guint i = 0; list && i < json_array_get_length(list); i++) {
    JsonNode *each = json_array_get_element(list, i);
    JsonObject *lease = JSON_NODE_HOLDS_OBJECT(each) ? json_node_get_object(each) : NULL;
    if (lease)
      note_host(network, text_member(lease, "mac-address"), text_member(lease, "ip-address"));
  }
}

static void read_subnet(LwSeenNetwork *network, xmlNode *ip) {
  g_autofree char *address = attribute(ip, "address");
  g_autofree char *length = attribute(ip, "prefix");
  g_autofree char *mask = attribute(ip, "netmask");
  LwAddr first, netmask;
  if (!address || !lw_addr_parse(address, &first) || first.family != 4)
    return;
  guint len = length ? (guint)g_ascii_strtoull(length, NULL, 10) : 24;
  if (!length && mask && lw_addr_parse(mask, &netmask))
    for (guint i = 0; i < 4; i++)
      len = (i ? len : 0) + (guint)__builtin_popcount(netmask.bytes[i]);
  LwPrefix prefix = lw_prefix_make(first, (guint8)MIN(len, 32));
  network->subnet = lw_prefix_network(&prefix);
}

static void look_at_network(LwSeen *seen, const char *root, const char *path) {
  xmlDoc *doc = read_xml(root, path);
  xmlNode *top = doc ? xmlDocGetRootElement(doc) : NULL;
  g_autofree char *name =
      top && g_str_equal((const char *)top->name, "network") ? content(child(top, "name")) : NULL;
  if (lw_seen_is_name(name)) {
    LwSeenNetwork *network = g_new0(LwSeenNetwork, 1);
    g_autofree char *mode = attribute(child(top, "forward"), "mode");
    network->name = g_steal_pointer(&name);
    network->path = g_strdup(path);
    network->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    network->bridge = attribute(child(top, "bridge"), "name");
    if (!lw_seen_is_interface(network->bridge))
      g_clear_pointer(&network->bridge, g_free);
    network->forwards = child(top, "forward") && g_strcmp0(mode, "bridge") != 0;
    read_subnet(network, child(top, "ip"));
    read_reservations(network, child(child(top, "ip"), "dhcp"));
    read_leases(network, root);
    g_ptr_array_add(seen->networks, network);
  }
  xmlFreeDoc(doc);
}

/* One that starts at boot and whose definition is nowhere to be read is there all the same. */
static void look_at_autostart(LwSeen *seen, const char *root) {
  g_autoptr(GPtrArray) names = lw_seen_list(root, DOMAINS "/autostart");
  for (guint i = 0; i < names->len; i++) {
    char *name = names->pdata[i];
    if (!g_str_has_suffix(name, ".xml"))
      continue;
    g_autofree char *path = g_strdup_printf(DOMAINS "/autostart/%s", name);
    name[strlen(name) - strlen(".xml")] = '\0';
    if (!lw_seen_is_name(name) || lw_seen_domain(seen, name))
      continue;
    LwSeenDomain *domain = g_new0(LwSeenDomain, 1);
    domain->name = g_strdup(name);
    domain->path = g_steal_pointer(&path);
    domain->autostart = TRUE;
    domain->nics = g_ptr_array_new_with_free_func(nic_free);
    g_ptr_array_add(seen->domains, domain);
  }
}

void lw_seen_look_libvirt(LwSeen *seen, const char *root) {
  g_autoptr(GPtrArray) domains = lw_seen_list(root, DOMAINS);
  for (guint i = 0; i < domains->len; i++) {
    g_autofree char *path = g_strdup_printf(DOMAINS "/%s", (char *)domains->pdata[i]);
    if (g_str_has_suffix(path, ".xml"))
      look_at_domain(seen, root, path);
  }
  look_at_autostart(seen, root);
  g_autoptr(GPtrArray) networks = lw_seen_list(root, NETWORKS);
  for (guint i = 0; i < networks->len; i++) {
    g_autofree char *path = g_strdup_printf(NETWORKS "/%s", (char *)networks->pdata[i]);
    if (g_str_has_suffix(path, ".xml"))
      look_at_network(seen, root, path);
  }
}
