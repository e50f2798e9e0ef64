#include "providers/libvirt/xml.h"

#include "base/error.h"
#include "providers/libvirt/nodes.h"

#include <string.h>

/* --- networks
 * -------------------------------------------------------------------------------------------------------------
 */

static gboolean is_ours(const xmlNode *root) {
  const xmlNode *metadata = lw_node_child(root, "metadata");
  for (const xmlNode *node = metadata ? metadata->children : NULL; node; node = node->next)
    if (node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
        strcmp((const char *)node->ns->href, LW_VIRT_NAMESPACE) == 0)
      return TRUE;
  return FALSE;
}

LwResource *lw_virt_network_read(const char *xml, GError **error) {
  xmlDoc *doc = lw_node_parse(xml, "network", error);
  if (!doc)
    return NULL;
  const xmlNode *root = xmlDocGetRootElement(doc);
  g_autofree char *name = lw_node_content(lw_node_child(root, "name"));
  LwResource *network = lw_resource_new(LW_RES_NETWORK, NULL, name ? name : "");
  const xmlNode *forward = lw_node_child(root, "forward");
  network->link = lw_node_attribute(lw_node_child(root, "bridge"), "name");
  network->value = forward ? lw_node_attribute(forward, "mode") : g_strdup("isolated");
  if (!network->value) /* <forward/> alone */
    network->value = g_strdup("nat");
  network->alias = is_ours(root) ? g_strdup(LW_VIRT_PREFIX) : NULL;
  xmlFreeDoc(doc);
  return network;
}

static void add_mark(xmlNode *root, const char *inner_name) {
  xmlNode *metadata = lw_node_add(root, "metadata");
  xmlNode *mark = xmlNewChild(metadata, NULL, (const xmlChar *)inner_name, NULL);
  xmlSetNs(mark, xmlNewNs(mark, (const xmlChar *)LW_VIRT_NAMESPACE, (const xmlChar *)LW_VIRT_PREFIX));
}

char *lw_virt_network_write(const LwResource *network) {
  xmlDoc *doc = lw_node_new_doc("network");
  xmlNode *root = xmlDocGetRootElement(doc);
  lw_node_add_text(root, "name", network->name);
  add_mark(root, "lab");
  lw_node_set(lw_node_add(root, "forward"), "mode", "bridge");
  lw_node_set(lw_node_add(root, "bridge"), "name", network->link);
  return lw_node_finish(doc, 1);
}

/* --- domains
 * -------------------------------------------------------------------------------------------------------------
 */

LwVirtDomain *lw_virt_domain_parse(const char *xml, GError **error) {
  xmlDoc *doc = lw_node_parse(xml, "domain", error);
  if (!doc)
    return NULL;
  LwVirtDomain *domain = g_new0(LwVirtDomain, 1);
  const xmlNode *root = xmlDocGetRootElement(doc), *devices = lw_node_child(root, "devices");
  domain->doc = doc;
  domain->name = lw_node_content(lw_node_child(root, "name"));
  if (!domain->name)
    domain->name = g_strdup("");
  domain->nics = g_ptr_array_new();
  for (xmlNode *node = devices ? devices->children : NULL; node; node = node->next)
    if (lw_node_is(node, "interface"))
      g_ptr_array_add(domain->nics, node);
  return domain;
}

void lw_virt_domain_free(LwVirtDomain *domain) {
  if (!domain)
    return;
  g_ptr_array_unref(domain->nics);
  g_free(domain->name);
  xmlFreeDoc(domain->doc);
  g_free(domain);
}

const char *lw_virt_domain_name(const LwVirtDomain *domain) {
  return domain->name;
}

guint lw_virt_domain_nics(const LwVirtDomain *domain) {
  return domain->nics->len;
}

static LwMac mac_of(const xmlNode *nic) {
  g_autofree char *text = lw_node_attribute(lw_node_child(nic, "mac"), "address");
  LwMac mac = LW_MAC_NONE;
  if (text)
    lw_mac_parse(text, &mac);
  return mac;
}

/* A network's name, or where else it is plugged in: "/bridge/br0", "/user". No network's name has a slash. */
static char *place_of(const xmlNode *nic) {
  g_autofree char *type = lw_node_attribute(nic, "type");
  const xmlNode *source = lw_node_child(nic, "source");
  g_autofree char *network = lw_node_attribute(source, "network");
  g_autofree char *bridge = lw_node_attribute(source, "bridge");
  if (network) /* of one that runs the type is what the network came to, "bridge" */
    return g_steal_pointer(&network);
  if (g_strcmp0(type, "bridge") == 0 && bridge)
    return g_strconcat("/bridge/", bridge, NULL);
  return g_strconcat("/", type ? type : "", NULL);
}

static LwResource *read_nic(const xmlNode *node, const char *domain, guint index) {
  LwResource *nic = lw_resource_new(LW_RES_DOMAIN_NIC, NULL, domain);
  nic->instance = index;
  nic->mac = mac_of(node);
  nic->master = place_of(node);
  nic->up = !lw_node_attribute_is(lw_node_child(node, "link"), "state", "down");
  nic->isolated = lw_node_attribute_is(lw_node_child(node, "port"), "isolated", "yes");
  nic->link = lw_node_attribute(lw_node_child(node, "target"), "dev");
  nic->model = lw_node_attribute(lw_node_child(node, "model"), "type");
  return nic;
}

LwResource *lw_virt_nic_read(const LwVirtDomain *domain, guint index) {
  return index < domain->nics->len ? read_nic(domain->nics->pdata[index], domain->name, index) : NULL;
}

guint lw_virt_nic_find(const LwVirtDomain *domain, LwMac mac) {
  guint i = 0;
  for (; i < domain->nics->len; i++) {
    LwMac there = mac_of(domain->nics->pdata[i]);
    if (lw_mac_equal(&there, &mac))
      break;
  }
  return i;
}

char *lw_virt_nic_text(const LwVirtDomain *domain, guint index) {
  g_return_val_if_fail(index < domain->nics->len, NULL);
  return lw_node_text(domain->nics->pdata[index]);
}

/* libvirt has one of each; a text from elsewhere may have more, of which it takes the first. */
static void drop_all(xmlNode *nic, const char *name) {
  for (xmlNode *child; (child = lw_node_child(nic, name));)
    lw_node_drop(child);
}

/* A plain name is a network; see place_of(). Of the place before nothing may stay: libvirt would refuse it.
 */
static void set_place(xmlNode *nic, const char *place) {
  gboolean on_bridge = g_str_has_prefix(place, "/bridge/");
  drop_all(nic, "source");
  drop_all(nic, "virtualport");
  drop_all(nic, "actual");
  lw_node_set(nic, "type", on_bridge ? "bridge" : "network");
  xmlNode *source = lw_node_add(nic, "source");
  lw_node_set(source, on_bridge ? "bridge" : "network", on_bridge ? place + strlen("/bridge/") : place);
}

static void set_link(xmlNode *nic, gboolean up) {
  if (up)
    drop_all(nic, "link");
  else
    lw_node_set(lw_node_child_or_new(nic, "link"), "state", "down");
}

static void set_isolated(xmlNode *nic, gboolean isolated) {
  if (isolated)
    lw_node_set(lw_node_child_or_new(nic, "port"), "isolated", "yes");
  else
    drop_all(nic, "port");
}

static void set_port(xmlNode *nic, const char *port) {
  xmlNode *target = port && *port ? lw_node_child_or_new(nic, "target") : lw_node_child(nic, "target");
  if (port && *port)
    lw_node_set(target, "dev", port);
  else
    lw_node_drop(target);
}

char *lw_virt_nic_edit(const LwVirtDomain *domain, guint index, const char *network, gboolean up,
                       gboolean isolated, gboolean with_port, const char *port) {
  g_return_val_if_fail(index < domain->nics->len, NULL);
  xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
  xmlNode *nic = xmlDocCopyNode(domain->nics->pdata[index], doc, 1);
  xmlDocSetRootElement(doc, nic);
  g_autofree char *place = place_of(nic);
  /* of a NIC that runs libvirt says "bridge" and the network: told so again, it would forget the network */
  gboolean resolved = place[0] != '/' && !lw_node_attribute_is(nic, "type", "network");
  if (resolved || (network && !g_str_equal(network, place)))
    set_place(nic, network ? network : place);
  set_link(nic, up);
  set_isolated(nic, isolated);
  if (with_port)
    set_port(nic, port);
  return lw_node_finish(doc, 0);
}

static void write_mac(xmlNode *nic, LwMac mac) {
  if (!lw_mac_is_set(&mac))
    return;
  g_autofree char *text = lw_mac_format(&mac);
  lw_node_set(lw_node_child_or_new(nic, "mac"), "address", text);
}

char *lw_virt_nic_write(const LwResource *wanted) {
  xmlDoc *doc = lw_node_new_doc("interface");
  xmlNode *nic = xmlDocGetRootElement(doc);
  lw_node_set(nic, "type", "network");
  write_mac(nic, wanted->mac);
  set_place(nic, wanted->master ? wanted->master : "");
  set_port(nic, wanted->link);
  lw_node_set(lw_node_add(nic, "model"), "type", wanted->model && *wanted->model ? wanted->model : "virtio");
  set_link(nic, wanted->up);
  set_isolated(nic, wanted->isolated);
  return lw_node_finish(doc, 0);
}

LwResource *lw_virt_nic_of_text(const char *element, GError **error) {
  xmlDoc *doc = lw_node_parse(element, "interface", error);
  if (!doc)
    return NULL;
  LwResource *nic = read_nic(xmlDocGetRootElement(doc), "", 0);
  xmlFreeDoc(doc);
  return nic;
}

char *lw_virt_domain_with_nic(const LwVirtDomain *domain, guint index, const char *element, GError **error) {
  g_autofree char *whole = lw_node_text(xmlDocGetRootElement(domain->doc));
  g_autoptr(LwVirtDomain) copy = lw_virt_domain_parse(whole, error);
  xmlDoc *one = element && copy ? lw_node_parse(element, "interface", error) : NULL;
  if (!copy || (element && !one))
    return NULL;
  xmlNode *nic = one ? xmlDocCopyNode(xmlDocGetRootElement(one), copy->doc, 1) : NULL;
  xmlNode *old = index < copy->nics->len ? copy->nics->pdata[index] : NULL;
  if (one)
    xmlFreeDoc(one);
  if (old && nic)
    xmlAddNextSibling(old, nic);
  else if (nic)
    xmlAddChild(lw_node_child_or_new(xmlDocGetRootElement(copy->doc), "devices"), nic);
  lw_node_drop(old);
  return lw_node_text(xmlDocGetRootElement(copy->doc));
}

/* --- what is kept in a domain
 * --------------------------------------------------------------------------------------------- */

/* Metadata comes back with the prefix and namespace that libvirt gave it: names alone are looked at. */
static xmlDoc *parse_kept(const char *text) {
  return text ? lw_node_parse(text, "lab", NULL) : NULL;
}

GHashTable *lw_virt_kept_read(const char *text) {
  GHashTable *kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  xmlDoc *doc = parse_kept(text);
  const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
  for (const xmlNode *node = root ? root->children : NULL; node; node = node->next) {
    char *mac = lw_node_is(node, "nic") ? lw_node_attribute(node, "mac") : NULL;
    if (mac)
      g_hash_table_replace(kept, mac, lw_node_content(node));
  }
  if (doc)
    xmlFreeDoc(doc);
  return kept;
}

gboolean lw_virt_kept_created(const char *text) {
  xmlDoc *doc = parse_kept(text);
  gboolean created = doc && lw_node_attribute_is(xmlDocGetRootElement(doc), "created", "yes");
  if (doc)
    xmlFreeDoc(doc);
  return created;
}

static int by_text(gconstpointer a, gconstpointer b) {
  return strcmp(a, b);
}

char *lw_virt_kept_write(GHashTable *kept, gboolean created) {
  if (!created && g_hash_table_size(kept) == 0)
    return NULL;
  xmlDoc *doc = lw_node_new_doc("lab");
  xmlNode *root = xmlDocGetRootElement(doc);
  if (created)
    lw_node_set(root, "created", "yes");
  g_autoptr(GList) macs = g_list_sort(g_hash_table_get_keys(kept), by_text);
  for (GList *mac = macs; mac; mac = mac->next)
    lw_node_set(lw_node_add_text(root, "nic", g_hash_table_lookup(kept, mac->data)), "mac", mac->data);
  return lw_node_finish(doc, 0);
}
