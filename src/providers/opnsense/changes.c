#include "providers/opnsense/changes.h"

#include "base/addr.h"
#include "base/error.h"
#include "providers/opnsense/config.h"
#include "providers/opnsense/xml.h"

#include <string.h>

static const LwOpnKind kinds[] = {
    {"instance", "OPNsense/wireguard/server/servers", "server", "wireguard/server/set_server",
     "wireguard/server/del_server", "wireguard/server/get_server", "server", "wireguard/service/reconfigure",
     TRUE},
    {"peer", "OPNsense/wireguard/client/clients", "client", "wireguard/client/set_client",
     "wireguard/client/del_client", "wireguard/client/get_client", "client", "wireguard/service/reconfigure",
     TRUE},
    {"gateway", "OPNsense/Gateways", "gateway_item", "routing/settings/set_gateway",
     "routing/settings/del_gateway", "routing/settings/get_gateway", "gateway_item",
     "routing/settings/reconfigure", TRUE},
    {"route", "staticroutes", "route", "routes/routes/setroute", "routes/routes/delroute",
     "routes/routes/getroute", "route", "routes/routes/reconfigure", TRUE},
    {"alias", "OPNsense/Firewall/Alias/aliases", "alias", "firewall/alias/set_item",
     "firewall/alias/del_item", "firewall/alias/get_item", "alias", "firewall/alias/reconfigure", TRUE},
    {"host", "dnsmasq", "hosts", "dnsmasq/settings/set_host", "dnsmasq/settings/del_host",
     "dnsmasq/settings/get_host", "host", "dnsmasq/service/reconfigure", FALSE},
    {"range", "dnsmasq", "dhcp_ranges", "dnsmasq/settings/set_range", "dnsmasq/settings/del_range",
     "dnsmasq/settings/get_range", "range", "dnsmasq/service/reconfigure", FALSE},
    {"option", "dnsmasq", "dhcp_options", "dnsmasq/settings/set_option", "dnsmasq/settings/del_option",
     "dnsmasq/settings/get_option", "option", "dnsmasq/service/reconfigure", FALSE},
    {"source-nat", "OPNsense/Firewall/Filter/snatrules", "rule", "firewall/source_nat/set_rule",
     "firewall/source_nat/del_rule", "firewall/source_nat/get_rule", "rule", "firewall/filter/apply", FALSE},
    {"forward", "nat", "rule", "firewall/d_nat/set_rule", "firewall/d_nat/del_rule",
     "firewall/d_nat/get_rule", "rule", "firewall/filter/apply", FALSE},
    {"rule", "OPNsense/Firewall/Filter/rules", "rule", "firewall/filter/set_rule", "firewall/filter/del_rule",
     "firewall/filter/get_rule", "rule", "firewall/filter/apply", FALSE},
};

const LwOpnKind *lw_opn_kind(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_equal(kinds[i].name, name))
      return &kinds[i];
  return NULL;
}

void lw_opn_change_free(LwOpnChange *change) {
  if (!change)
    return;
  g_free(change->uuid);
  g_free(change->descr);
  g_clear_pointer(&change->before, json_object_unref);
  g_clear_pointer(&change->after, json_object_unref);
  g_free(change);
}

/* ---- items of a file ---- */

static JsonObject *fields_of(xmlNode *item) {
  JsonObject *out = json_object_new();
  LW_XML_EACH(field, item, NULL) {
    const char *name = (const char *)field->name;
    if (lw_xml_from(field->children, NULL)) {
      json_object_set_object_member(out, name, fields_of(field));
      continue;
    }
    xmlChar *content = xmlNodeGetContent(field);
    g_autofree char *text = g_utf8_make_valid(content ? (const char *)content : "", -1);
    xmlFree(content);
    json_object_set_string_member(out, name, text);
  }
  return out;
}

/* UUID to fields. */
static GHashTable *items_of(xmlNode *root, const LwOpnKind *kind) {
  GHashTable *out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_object_unref);
  xmlNode *container = lw_xml_find(root, kind->container);
  LW_XML_EACH(item, container, kind->item) {
    xmlChar *uuid = xmlGetProp(item, (const xmlChar *)"uuid");
    if (uuid)
      g_hash_table_insert(out, g_strdup((const char *)uuid), fields_of(item));
    xmlFree(uuid);
  }
  return out;
}

/* A peer set without its instance is unlinked from it: the link is said from both ends. */
static void link_peers(xmlNode *root, GHashTable *peers) {
  xmlNode *servers = lw_xml_find(root, "OPNsense/wireguard/server/servers");
  LW_XML_EACH(server, servers, "server") {
    g_autofree char *linked = lw_xml_text(server, "peers");
    xmlChar *uuid = xmlGetProp(server, (const xmlChar *)"uuid");
    g_auto(GStrv) names = g_strsplit(linked ? linked : "", ",", -1);
    for (char **name = names; uuid && *name; name++) {
      JsonObject *peer = g_hash_table_lookup(peers, *name);
      if (peer)
        json_object_set_string_member(peer, "servers", (const char *)uuid);
    }
    xmlFree(uuid);
  }
}

static gboolean same(JsonObject *a, JsonObject *b) {
  g_autoptr(JsonNode) x = json_node_new(JSON_NODE_OBJECT), y = json_node_new(JSON_NODE_OBJECT);
  json_node_set_object(x, a);
  json_node_set_object(y, b);
  return json_node_equal(x, y);
}

static const char *text_of(JsonObject *object, const char *name) {
  return json_object_has_member(object, name) ? json_object_get_string_member(object, name) : NULL;
}

static const char *described(JsonObject *fields) {
  static const char *const names[] = {"description", "descr", "host", "name", "interface"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    const char *text = text_of(fields, names[i]);
    if (text && *text && !g_str_equal(text, "lanward"))
      return text;
  }
  return "";
}

static void add_change(GPtrArray *out, const LwOpnKind *kind, const char *uuid, JsonObject *before,
                       JsonObject *after) {
  LwOpnChange *made = g_new0(LwOpnChange, 1);
  made->kind = kind;
  made->uuid = g_strdup(uuid);
  made->descr = g_strdup(described(after ? after : before));
  made->before = before ? json_object_ref(before) : NULL;
  made->after = after ? json_object_ref(after) : NULL;
  g_ptr_array_add(out, made);
}

static int uuid_cmp(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *sorted_keys(GHashTable *table) {
  GPtrArray *keys = g_ptr_array_new();
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, table);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    g_ptr_array_add(keys, key);
  g_ptr_array_sort(keys, uuid_cmp);
  return keys;
}

/* What is set, or what is deleted. */
static void diff_kind(xmlNode *before, xmlNode *after, const LwOpnKind *kind, gboolean deletes,
                      GPtrArray *out) {
  g_autoptr(GHashTable) old = items_of(before, kind), new = items_of(after, kind);
  if (g_str_equal(kind->name, "peer")) {
    link_peers(before, old);
    link_peers(after, new);
  }
  g_autoptr(GPtrArray) keys = sorted_keys(deletes ? old : new);
  for (guint i = 0; i < keys->len; i++) {
    const char *uuid = keys->pdata[i];
    JsonObject *was = g_hash_table_lookup(old, uuid), *is = g_hash_table_lookup(new, uuid);
    if (deletes ? !is : !was || !same(was, is))
      add_change(out, kind, uuid, was, is);
  }
}

/* ---- what the API does not reach ---- */

static void compare_by_hand(xmlNode *before, xmlNode *after, GPtrArray *by_hand) {
  static const struct {
    const char *path, *name;
  } parts[] = {{"interfaces", "interfaces and their addresses"},
               {"system/webgui", "the web page's settings"},
               {"system/ssh", "SSH's settings"},
               {"system/skip_rules_gw_down", "what becomes of rules whose gateway is gone"},
               {"ntpd", "NTP"},
               {"system/ipv6allow", "whether IPv6 passes"},
               {"OPNsense/Interfaces/settings/disableipv6", "whether IPv6 is on"},
               {"OPNsense/wireguard/general", "whether WireGuard is on"},
               {"dnsmasq/enable", "whether Dnsmasq runs"},
               {"dnsmasq/port", "Dnsmasq's port"},
               {"dnsmasq/no_resolv", "whom Dnsmasq asks"},
               {"dnsmasq/interface", "Dnsmasq's interfaces"},
               {"dnsmasq/dhcp", "Dnsmasq's DHCP settings"},
               {"nat/outbound/mode", "the mode of outbound NAT"}};
  for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
    xmlNode *old = lw_xml_find(before, parts[i].path), *new = lw_xml_find(after, parts[i].path);
    g_autoptr(JsonObject) was = old ? fields_of(old) : json_object_new();
    g_autoptr(JsonObject) is = new ? fields_of(new) : json_object_new();
    g_autofree char *text_was = lw_xml_text(before, parts[i].path),
                    *text_is = lw_xml_text(after, parts[i].path);
    if (!same(was, is) || g_strcmp0(text_was, text_is) != 0)
      g_ptr_array_add(by_hand, g_strdup(parts[i].name));
  }
}

static xmlDoc *parse(const char *text, GError **error) {
  g_autoptr(LwOpn) checked = lw_opn_parse(text, strlen(text), error);
  return checked
             ? xmlReadMemory(text, (int)strlen(text), NULL, NULL,
                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA)
             : NULL;
}

static void diff(xmlNode *before, xmlNode *after, GPtrArray *out, GPtrArray *by_hand) {
  /* what rules name comes before them, and goes after: a rule never names what is not there */
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    diff_kind(before, after, &kinds[i], FALSE, out);
  for (guint i = G_N_ELEMENTS(kinds); i > 0; i--)
    diff_kind(before, after, &kinds[i - 1], TRUE, out);
  compare_by_hand(before, after, by_hand);
}

GPtrArray *lw_opn_changes(const char *before, const char *after, GPtrArray *by_hand, GError **error) {
  xmlDoc *old = parse(before, error), *new = old ? parse(after, error) : NULL;
  GPtrArray *out = NULL;
  if (old && new) {
    out = g_ptr_array_new_with_free_func((GDestroyNotify)lw_opn_change_free);
    diff(xmlDocGetRootElement(old), xmlDocGetRootElement(new), out, by_hand);
  }
  if (old)
    xmlFreeDoc(old);
  if (new)
    xmlFreeDoc(new);
  return out;
}

/* ---- established flows ---- */

static void add_network(GPtrArray *out, const LwPrefix *prefix) {
  LwPrefix network = lw_prefix_network(prefix);
  g_autofree char *text = lw_prefix_format(&network);
  for (guint i = 0; i < out->len; i++)
    if (g_str_equal(out->pdata[i], text))
      return;
  g_ptr_array_add(out, g_steal_pointer(&text));
}

/* An interface's key or an address, of a list with commas. */
static void add_named(GPtrArray *out, const LwOpn *opn, const char *list) {
  g_auto(GStrv) names = g_strsplit(list ? list : "", ",", -1);
  for (char **name = names; *name; name++) {
    const LwOpnInterface *interface = lw_opn_interface(opn, *name);
    g_autofree char *own = interface && interface->ipaddr
                               ? g_strdup_printf("%s/%u", interface->ipaddr, interface->subnet)
                               : NULL;
    LwPrefix prefix;
    if (lw_prefix_parse(own ? own : *name, &prefix))
      add_network(out, &prefix);
  }
}

GPtrArray *lw_opn_touched_networks(const GPtrArray *changes, const char *config) {
  GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwOpn) opn = lw_opn_parse(config, strlen(config), NULL);
  for (guint i = 0; opn && i < changes->len; i++) {
    const LwOpnChange *change = changes->pdata[i];
    JsonObject *versions[] = {change->before, change->after};
    gboolean rule = g_str_equal(change->kind->name, "rule"),
             forward = g_str_equal(change->kind->name, "forward");
    for (guint v = 0; v < 2 && (rule || forward); v++) {
      if (!versions[v])
        continue;
      add_named(out, opn, text_of(versions[v], "interface"));
      add_named(out, opn, text_of(versions[v], rule ? "destination_net" : "target"));
    }
  }
  return out;
}
