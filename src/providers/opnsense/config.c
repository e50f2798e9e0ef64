#include "providers/opnsense/config.h"

#include "base/error.h"
#include "providers/opnsense/xml.h"

#include <string.h>

void lw_opn_free(LwOpn *opn) {
  if (!opn)
    return;
  GPtrArray **arrays[] = {&opn->interfaces,     &opn->gateways,
                          &opn->gateway_groups, &opn->aliases,
                          &opn->groups,         &opn->rules,
                          &opn->forwards,       &opn->source_nat,
                          &opn->tunnels,        &opn->routes,
                          &opn->vips,           &opn->unread,
                          &opn->dnsmasq.ranges, &opn->dnsmasq.reservations};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_clear_pointer(arrays[i], g_ptr_array_unref);
  g_string_chunk_free(opn->strings);
  g_free(opn);
}

static void free_group(gpointer data) {
  LwOpnGatewayGroup *group = data;
  g_ptr_array_unref(group->members);
  g_ptr_array_unref(group->all);
  g_free(group);
}

static void free_alias(gpointer data) {
  LwOpnAlias *alias = data;
  g_ptr_array_unref(alias->content);
  g_free(alias);
}

static void free_ifgroup(gpointer data) {
  LwOpnIfGroup *group = data;
  g_ptr_array_unref(group->members);
  g_free(group);
}

static void free_tunnel(gpointer data) {
  LwOpnWireguard *tunnel = data;
  g_ptr_array_unref(tunnel->addresses);
  g_ptr_array_unref(tunnel->allowed);
  g_free(tunnel);
}

static LwOpn *opn_new(void) {
  LwOpn *opn = g_new0(LwOpn, 1);
  opn->strings = g_string_chunk_new(4096);
  opn->interfaces = g_ptr_array_new_with_free_func(g_free);
  opn->gateways = g_ptr_array_new_with_free_func(g_free);
  opn->gateway_groups = g_ptr_array_new_with_free_func(free_group);
  opn->aliases = g_ptr_array_new_with_free_func(free_alias);
  opn->groups = g_ptr_array_new_with_free_func(free_ifgroup);
  opn->rules = g_ptr_array_new_with_free_func(g_free);
  opn->forwards = g_ptr_array_new_with_free_func(g_free);
  opn->source_nat = g_ptr_array_new_with_free_func(g_free);
  opn->tunnels = g_ptr_array_new_with_free_func(free_tunnel);
  opn->routes = g_ptr_array_new_with_free_func(g_free);
  opn->vips = g_ptr_array_new_with_free_func(g_free);
  opn->unread = g_ptr_array_new();
  opn->dnsmasq.ranges = g_ptr_array_new_with_free_func(g_free);
  opn->dnsmasq.reservations = g_ptr_array_new_with_free_func(g_free);
  return opn;
}

static const char *keep(LwOpn *opn, const char *text) {
  return text && *text ? g_string_chunk_insert_const(opn->strings, text) : NULL;
}

static const char *get(LwOpn *opn, xmlNode *node, const char *path) {
  g_autofree char *text = lw_xml_text(node, path);
  return keep(opn, text);
}

static const char *get_lower(LwOpn *opn, xmlNode *node, const char *path) {
  g_autofree char *text = lw_xml_text(node, path);
  g_autofree char *lower = text ? g_ascii_strdown(text, -1) : NULL;
  return keep(opn, lower);
}

/* PHP's !empty(): there, and neither "" nor "0". */
static gboolean is_true(xmlNode *node, const char *path) {
  g_autofree char *text = lw_xml_text(node, path);
  return text && *text && !g_str_equal(text, "0");
}

/* PHP's isset(): there, even when empty. */
static gboolean is_there(xmlNode *node, const char *path) {
  return lw_xml_find(node, path) != NULL;
}

static gint64 get_number(xmlNode *node, const char *path, gint64 missing) {
  g_autofree char *text = lw_xml_text(node, path);
  return text && *text ? g_ascii_strtoll(text, NULL, 10) : missing;
}

static guint get_length(xmlNode *node, const char *path) {
  gint64 number = get_number(node, path, 0);
  return number > 0 && number <= 128 ? (guint)number : 0;
}

static void split_into(LwOpn *opn, GPtrArray *out, const char *text, const char *separators) {
  g_auto(GStrv) parts = g_strsplit_set(text ? text : "", separators, -1);
  for (char **part = parts; *part; part++) {
    const char *kept = keep(opn, g_strstrip(*part));
    if (kept)
      g_ptr_array_add(out, (gpointer)kept);
  }
}

static GPtrArray *get_list(LwOpn *opn, xmlNode *node, const char *path, const char *separators) {
  GPtrArray *out = g_ptr_array_new();
  g_autofree char *text = lw_xml_text(node, path);
  split_into(opn, out, text, separators);
  return out;
}

/* A member that is a field's text, or whether it is switched on. */
typedef struct {
  const char *path;
  gsize offset;
  gboolean truth;
} Field;

#define TEXT(type, member, path)                                                                             \
  { path, G_STRUCT_OFFSET(type, member), FALSE }
#define TRUTH(type, member, path)                                                                            \
  { path, G_STRUCT_OFFSET(type, member), TRUE }

static void read_fields(LwOpn *opn, xmlNode *node, gpointer into, const Field *fields, guint count) {
  for (guint i = 0; i < count; i++) {
    if (fields[i].truth)
      G_STRUCT_MEMBER(gboolean, into, fields[i].offset) = is_true(node, fields[i].path);
    else
      G_STRUCT_MEMBER(const char *, into, fields[i].offset) = get(opn, node, fields[i].path);
  }
}

/* ---- system ---- */

static void read_logging(LwOpn *opn, xmlNode *root) {
  opn->log_pass = !is_there(root, "syslog/nologdefaultpass");
  opn->log_block = !is_there(root, "syslog/nologdefaultblock");
  opn->log_bogons = !is_there(root, "syslog/nologbogons");
  opn->log_private = !is_there(root, "syslog/nologprivatenets");
  opn->log_outbound = is_true(root, "syslog/logoutboundnat");
}

/* Up to 26.1 it is system/ipv6allow, and missing means closed. Since 26.7 a setting of its own says the
 * opposite; the old one is taken over at the first boot, and gone afterwards. */
static gboolean read_ipv6(xmlNode *root) {
  if (is_there(root, "OPNsense/Interfaces/settings/disableipv6"))
    return !is_true(root, "OPNsense/Interfaces/settings/disableipv6");
  return is_there(root, "system/ipv6allow");
}

static void read_system(LwOpn *opn, xmlNode *root) {
  static const Field fields[] = {TEXT(LwOpn, hostname, "hostname"),
                                 TEXT(LwOpn, domain, "domain"),
                                 TRUTH(LwOpn, no_reply_to, "disablereplyto"),
                                 TRUTH(LwOpn, skip_rules_gw_down, "skip_rules_gw_down"),
                                 TRUTH(LwOpn, no_force_gw, "pf_disable_force_gw"),
                                 TRUTH(LwOpn, no_port0_block, "no_port0_block"),
                                 TRUTH(LwOpn, no_ssh_lockout, "no_sshlockout"),
                                 TRUTH(LwOpn, no_virusprot, "no_virusprot"),
                                 TRUTH(LwOpn, no_rfc4890, "no_ipv6_rfc4890_req"),
                                 TEXT(LwOpn, web.port, "webgui/port"),
                                 TEXT(LwOpn, web.interfaces, "webgui/interfaces"),
                                 TRUTH(LwOpn, ssh.root, "ssh/permitrootlogin"),
                                 TRUTH(LwOpn, ssh.password, "ssh/passwordauth"),
                                 TEXT(LwOpn, ssh.port, "ssh/port"),
                                 TEXT(LwOpn, ssh.interfaces, "ssh/interfaces")};
  xmlNode *system = lw_xml_find(root, "system");
  read_fields(opn, system, opn, fields, G_N_ELEMENTS(fields));
  opn->ipv6_allowed = read_ipv6(root);
  opn->reflection = !is_true(system, "disablenatreflection");
  opn->filter_disabled = is_there(system, "disablefilter");
  opn->web.protocol = get_lower(opn, system, "webgui/protocol");
  opn->web.no_anti_lockout = is_there(system, "webgui/noantilockout");
  opn->web.no_http_redirect = is_there(system, "webgui/disablehttpredirect");
  opn->ssh.enabled = is_there(system, "ssh/enabled");
  read_logging(opn, root);
}

/* ---- interfaces and routing ---- */

static void read_interface(LwOpn *opn, xmlNode *node) {
  static const Field fields[] = {TEXT(LwOpnInterface, device, "if"),
                                 TEXT(LwOpnInterface, descr, "descr"),
                                 TRUTH(LwOpnInterface, is_virtual, "virtual"),
                                 TRUTH(LwOpnInterface, locked, "lock"),
                                 TEXT(LwOpnInterface, ipaddr, "ipaddr"),
                                 TEXT(LwOpnInterface, ipaddrv6, "ipaddrv6"),
                                 TEXT(LwOpnInterface, gateway, "gateway"),
                                 TEXT(LwOpnInterface, gatewayv6, "gatewayv6"),
                                 TRUTH(LwOpnInterface, gateway_interface, "gateway_interface"),
                                 TRUTH(LwOpnInterface, block_private, "blockpriv"),
                                 TRUTH(LwOpnInterface, block_bogons, "blockbogons")};
  LwOpnInterface *made = g_new0(LwOpnInterface, 1);
  made->key = keep(opn, (const char *)node->name);
  read_fields(opn, node, made, fields, G_N_ELEMENTS(fields));
  if (!made->descr) {
    g_autofree char *upper = g_ascii_strup(made->key, -1);
    made->descr = keep(opn, upper);
  }
  made->enabled = is_there(node, "enable");
  const char *type = get(opn, node, "type");
  made->group = type && g_str_equal(type, "group");
  made->subnet = get_length(node, "subnet");
  made->subnetv6 = get_length(node, "subnetv6");
  g_ptr_array_add(opn->interfaces, made);
}

static void read_gateway(LwOpn *opn, xmlNode *node) {
  LwOpnGateway *made = g_new0(LwOpnGateway, 1);
  made->name = get(opn, node, "name");
  made->interface = get(opn, node, "interface");
  const char *family = get(opn, node, "ipprotocol");
  made->family = family ? family : "inet";
  const char *address = get(opn, node, "gateway");
  LwAddr parsed;
  made->address = address && lw_addr_parse(address, &parsed) ? address : NULL;
  made->disabled = is_true(node, "disabled");
  made->force_down = is_true(node, "force_down");
  made->is_default = is_true(node, "defaultgw");
  gint64 priority = get_number(node, "priority", 255);
  made->priority = priority < 0 || priority > 255 ? 255 : (guint)priority;
  if (!made->name || !made->interface)
    g_free(made);
  else
    g_ptr_array_add(opn->gateways, made);
}

/* <item>NAME|TIER|…</item>; tier 0: not a member. The first tier is the one in use while its members are up.
 */
static void read_gateway_group(LwOpn *opn, xmlNode *node) {
  LwOpnGatewayGroup *made = g_new0(LwOpnGatewayGroup, 1);
  made->name = get(opn, node, "name");
  made->members = g_ptr_array_new();
  made->all = g_ptr_array_new();
  gint64 best = G_MAXINT64;
  LW_XML_EACH(item, node, "item") {
    xmlChar *content = xmlNodeGetContent(item);
    g_autofree char *text = g_utf8_make_valid(content ? (const char *)content : "", -1);
    g_auto(GStrv) parts = g_strsplit(text, "|", -1);
    xmlFree(content);
    gint64 tier = g_strv_length(parts) > 1 ? g_ascii_strtoll(parts[1], NULL, 10) : 0;
    const char *name = tier > 0 ? keep(opn, parts[0]) : NULL;
    if (!name)
      continue;
    g_ptr_array_add(made->all, (gpointer)name);
    if (tier < best)
      g_ptr_array_set_size(made->members, 0);
    best = MIN(best, tier);
    if (tier == best)
      g_ptr_array_add(made->members, (gpointer)name);
  }
  if (made->name)
    g_ptr_array_add(opn->gateway_groups, made);
  else
    free_group(made);
}

static void read_routing(LwOpn *opn, xmlNode *root) {
  xmlNode *interfaces = lw_xml_find(root, "interfaces");
  LW_XML_EACH(node, interfaces, NULL)
  read_interface(opn, node);
  xmlNode *gateways = lw_xml_find(root, "OPNsense/Gateways");
  LW_XML_EACH(node, gateways, "gateway_item")
  read_gateway(opn, node);
  xmlNode *old = lw_xml_find(root, "gateways");
  if (opn->gateways->len == 0) {
    LW_XML_EACH(node, old, "gateway_item")
    read_gateway(opn, node);
  }
  LW_XML_EACH(node, old, "gateway_group")
  read_gateway_group(opn, node);
  xmlNode *routes = lw_xml_find(root, "staticroutes");
  LW_XML_EACH(node, routes, "route") {
    LwOpnRoute *made = g_new0(LwOpnRoute, 1);
    made->network = get(opn, node, "network");
    made->gateway = get(opn, node, "gateway");
    made->descr = get(opn, node, "descr");
    if (made->network && made->gateway && !is_true(node, "disabled"))
      g_ptr_array_add(opn->routes, made);
    else
      g_free(made);
  }
  xmlNode *vips = lw_xml_find(root, "virtualip");
  LW_XML_EACH(node, vips, "vip") {
    LwOpnVip *made = g_new0(LwOpnVip, 1);
    made->interface = get(opn, node, "interface");
    made->address = get(opn, node, "subnet");
    made->length = get_length(node, "subnet_bits");
    g_ptr_array_add(opn->vips, made);
  }
}

/* ---- aliases and groups ---- */

static void read_alias(LwOpn *opn, xmlNode *node, gboolean enabled, const char *content,
                       const char *separators) {
  LwOpnAlias *made = g_new0(LwOpnAlias, 1);
  made->name = get(opn, node, "name");
  made->type = get(opn, node, "type");
  made->enabled = enabled;
  made->content = get_list(opn, node, content, separators);
  if (made->name && made->type)
    g_ptr_array_add(opn->aliases, made);
  else
    free_alias(made);
}

static void read_aliases(LwOpn *opn, xmlNode *root) {
  xmlNode *aliases = lw_xml_find(root, "OPNsense/Firewall/Alias/aliases");
  LW_XML_EACH(node, aliases, "alias")
  read_alias(opn, node, is_true(node, "enabled") || !is_there(node, "enabled"), "content", "\r\n,");
  xmlNode *old = lw_xml_find(root, "aliases"); /* before 20.1 */
  LW_XML_EACH(node, old, "alias") {
    const char *name = get(opn, node, "name");
    if (name && !lw_opn_alias(opn, name))
      read_alias(opn, node, TRUE, "address", " ");
  }
  xmlNode *groups = lw_xml_find(root, "ifgroups");
  LW_XML_EACH(node, groups, "ifgroupentry") {
    LwOpnIfGroup *made = g_new0(LwOpnIfGroup, 1);
    made->name = get(opn, node, "ifname");
    made->members = get_list(opn, node, "members", " ,|");
    gint64 sequence = get_number(node, "sequence", 0);
    made->sequence = sequence > 0 && sequence <= 9999 ? (guint)sequence : 0;
    if (made->name)
      g_ptr_array_add(opn->groups, made);
    else
      free_ifgroup(made);
  }
}

/* ---- rules ---- */

/* Conditions that few rules have. One that is not modelled makes a rule match less than it seems to: for a
 * rule that passes the audit then says more than is open, for one that blocks it must not count on it. */
static const char *read_narrowing(LwOpn *opn, xmlNode *node) {
  static const char *const names[] = {"os", "tos", "prio", "max-pkt-rate-number", "divert-to"};
  g_autoptr(GString) found = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (is_true(node, names[i]))
      g_string_append_printf(found, "%s%s", found->len ? ", " : "", names[i]);
  return keep(opn, found->str);
}

static const char *tcp_flags(LwOpn *opn, xmlNode *node, const char *protocol) {
  if (!protocol || !g_str_equal(protocol, "tcp"))
    return NULL;
  if (is_true(node, "tcpflags_any"))
    return "any";
  if (!is_true(node, "tcpflags2"))
    return NULL;
  g_autoptr(GString) out = g_string_new(NULL);
  for (int i = 1; i <= 2; i++) {
    g_autofree char *text = lw_xml_text(node, i == 1 ? "tcpflags1" : "tcpflags2");
    g_autofree char *upper = g_ascii_strup(text ? text : "", -1);
    g_auto(GStrv) flags = g_strsplit(upper, ",", -1);
    if (i == 2)
      g_string_append_c(out, '/');
    for (char **flag = flags; *flag; flag++)
      if (**flag)
        g_string_append_c(out, **flag == 'C' ? 'W' : **flag);
  }
  return keep(opn, out->str);
}

static gboolean is_any(const char *text) {
  return !text || g_str_equal(text, "any");
}

/* <source>: network, address or any; ports are heeded for tcp and udp only. */
static LwOpnEnd read_end(LwOpn *opn, xmlNode *node, const char *name, const char *protocol) {
  xmlNode *end = lw_xml_find(node, name);
  LwOpnEnd out = {0};
  if (!end)
    return out;
  out.network = get(opn, end, "network");
  if (!out.network)
    out.network = get(opn, end, "address");
  out.negate = is_true(end, "not");
  if (is_any(out.network))
    out.network = NULL;
  static const char *const with_ports[] = {"tcp", "udp", "tcp/udp", NULL};
  if (protocol && g_strv_contains(with_ports, protocol))
    out.port = get(opn, end, "port");
  if (out.port && g_str_equal(out.port, "any"))
    out.port = NULL;
  return out;
}

static const char *protocol_of(LwOpn *opn, xmlNode *node) {
  const char *protocol = get_lower(opn, node, "protocol");
  return is_any(protocol) ? NULL : protocol;
}

static LwOpnRule *rule_common(LwOpn *opn, xmlNode *node) {
  static const Field fields[] = {TEXT(LwOpnRule, family, "ipprotocol"),
                                 TEXT(LwOpnRule, interface, "interface"),
                                 TRUTH(LwOpnRule, interface_not, "interfacenot"),
                                 TEXT(LwOpnRule, direction, "direction"),
                                 TEXT(LwOpnRule, icmp_types, "icmptype"),
                                 TEXT(LwOpnRule, icmp6_types, "icmp6type"),
                                 TEXT(LwOpnRule, gateway, "gateway"),
                                 TRUTH(LwOpnRule, no_reply_to, "disablereplyto"),
                                 TRUTH(LwOpnRule, log, "log"),
                                 TRUTH(LwOpnRule, allow_options, "allowopts"),
                                 TEXT(LwOpnRule, state, "statetype"),
                                 TEXT(LwOpnRule, schedule, "sched"),
                                 TEXT(LwOpnRule, tag, "tag"),
                                 TEXT(LwOpnRule, tagged, "tagged")};
  LwOpnRule *made = g_new0(LwOpnRule, 1);
  read_fields(opn, node, made, fields, G_N_ELEMENTS(fields));
  made->protocol = protocol_of(opn, node);
  made->flags = tcp_flags(opn, node, made->protocol);
  made->narrows = read_narrowing(opn, node);
  xmlChar *uuid = xmlGetProp(node, (const xmlChar *)"uuid");
  g_autofree char *valid = uuid ? g_utf8_make_valid((const char *)uuid, -1) : NULL;
  made->uuid = keep(opn, valid);
  xmlFree(uuid);
  return made;
}

static LwOpnRule *read_legacy_rule(LwOpn *opn, xmlNode *node, guint number) {
  LwOpnRule *made = rule_common(opn, node);
  made->legacy = TRUE;
  made->number = number;
  made->disabled = is_true(node, "disabled");
  made->action = get(opn, node, "type");
  made->floating = is_there(node, "floating");
  made->quick = is_there(node, "quick") ? is_true(node, "quick") : -1;
  made->source = read_end(opn, node, "source", made->protocol);
  made->destination = read_end(opn, node, "destination", made->protocol);
  made->reply_to = get(opn, node, "reply-to");
  made->descr = get(opn, node, "descr");
  return made;
}

static LwOpnEnd read_mvc_end(LwOpn *opn, xmlNode *node, const char *name) {
  g_autofree char *net = g_strdup_printf("%s_net", name);
  g_autofree char *negate = g_strdup_printf("%s_not", name);
  g_autofree char *port = g_strdup_printf("%s_port", name);
  LwOpnEnd out = {get(opn, node, net), get(opn, node, port), is_true(node, negate)};
  if (is_any(out.network))
    out.network = NULL;
  if (out.port && g_str_equal(out.port, "any"))
    out.port = NULL;
  return out;
}

static LwOpnRule *read_mvc_rule(LwOpn *opn, xmlNode *node, guint number) {
  LwOpnRule *made = rule_common(opn, node);
  made->number = number;
  made->sequence = get_number(node, "sequence", 1);
  made->disabled = is_there(node, "enabled") && !is_true(node, "enabled");
  made->action = get(opn, node, "action");
  made->quick = !is_there(node, "quick") || is_true(node, "quick");
  made->floating = !made->interface || strchr(made->interface, ',') || made->interface_not;
  made->source = read_mvc_end(opn, node, "source");
  made->destination = read_mvc_end(opn, node, "destination");
  made->reply_to = get(opn, node, "replyto");
  made->descr = get(opn, node, "description");
  if (!made->family)
    made->family = "inet";
  return made;
}

static int by_sequence(gint64 a, gint64 b, const char *uuid_a, const char *uuid_b) {
  if (a != b)
    return a < b ? -1 : 1;
  return lw_opn_natural_cmp(uuid_a ? uuid_a : "", uuid_b ? uuid_b : "");
}

static int rule_cmp(gconstpointer a, gconstpointer b) {
  const LwOpnRule *x = *(LwOpnRule *const *)a, *y = *(LwOpnRule *const *)b;
  return by_sequence(x->sequence, y->sequence, x->uuid, y->uuid);
}

static int source_cmp(gconstpointer a, gconstpointer b) {
  const LwOpnSourceNat *x = *(LwOpnSourceNat *const *)a, *y = *(LwOpnSourceNat *const *)b;
  return by_sequence(x->sequence, y->sequence, x->uuid, y->uuid);
}

static int forward_cmp(gconstpointer a, gconstpointer b) {
  const LwOpnForward *x = *(LwOpnForward *const *)a, *y = *(LwOpnForward *const *)b;
  return by_sequence(x->sequence, y->sequence, x->uuid, y->uuid);
}

static void read_rules(LwOpn *opn, xmlNode *root) {
  xmlNode *rules = lw_xml_find(root, "OPNsense/Firewall/Filter/rules");
  guint number = 0;
  LW_XML_EACH(node, rules, "rule")
  g_ptr_array_add(opn->rules, read_mvc_rule(opn, node, ++number));
  g_ptr_array_sort(opn->rules, rule_cmp);
  xmlNode *filter = lw_xml_find(root, "filter");
  number = 0;
  LW_XML_EACH(node, filter, "rule")
  g_ptr_array_add(opn->rules, read_legacy_rule(opn, node, ++number));
  for (guint i = 0; i < opn->rules->len; i++) {
    LwOpnRule *rule = opn->rules->pdata[i];
    if (!rule->action)
      rule->action = "pass";
    if (!rule->descr)
      rule->descr = "";
  }
}

/* ---- address translation ---- */

static const char *uuid_of(LwOpn *opn, xmlNode *node) {
  xmlChar *uuid = xmlGetProp(node, (const xmlChar *)"uuid");
  g_autofree char *valid = uuid ? g_utf8_make_valid((const char *)uuid, -1) : NULL;
  xmlFree(uuid);
  return keep(opn, valid);
}

static void read_forwards(LwOpn *opn, xmlNode *root) {
  xmlNode *nat = lw_xml_find(root, "nat");
  guint number = 0;
  LW_XML_EACH(node, nat, "rule") {
    LwOpnForward *made = g_new0(LwOpnForward, 1);
    made->number = ++number;
    made->uuid = uuid_of(opn, node);
    made->sequence = get_number(node, "sequence", number);
    made->disabled = is_true(node, "disabled");
    made->no_rdr = is_true(node, "nordr");
    made->log = is_true(node, "log");
    made->interface = get(opn, node, "interface");
    made->family = get(opn, node, "ipprotocol");
    made->protocol = protocol_of(opn, node);
    made->source = read_end(opn, node, "source", made->protocol);
    made->destination = read_end(opn, node, "destination", made->protocol);
    made->target = get(opn, node, "target");
    made->local_port = get(opn, node, "local-port");
    made->pass = get(opn, node, "pass");
    const char *associated = get(opn, node, "associated-rule-id");
    if (!made->pass && associated && g_str_equal(associated, "pass"))
      made->pass = "pass";
    made->reflection = get(opn, node, "natreflection");
    made->tag = get(opn, node, "tag");
    made->tagged = get(opn, node, "tagged");
    const char *descr = get(opn, node, "descr");
    made->descr = descr ? descr : "";
    g_ptr_array_add(opn->forwards, made);
  }
  g_ptr_array_sort(opn->forwards, forward_cmp);
}

static LwOpnSourceNat *source_common(LwOpn *opn, xmlNode *node, guint number) {
  LwOpnSourceNat *made = g_new0(LwOpnSourceNat, 1);
  made->number = number;
  made->uuid = uuid_of(opn, node);
  made->no_nat = is_true(node, "nonat");
  made->log = is_true(node, "log");
  made->static_port = is_true(node, "staticnatport");
  made->interface = get(opn, node, "interface");
  made->family = get(opn, node, "ipprotocol");
  made->protocol = protocol_of(opn, node);
  made->target = get(opn, node, "target");
  made->pool = get(opn, node, "poolopts");
  return made;
}

static LwOpnSourceNat *read_mvc_source(LwOpn *opn, xmlNode *node, guint number) {
  LwOpnSourceNat *made = source_common(opn, node, number);
  made->sequence = get_number(node, "sequence", 1);
  made->disabled = is_there(node, "enabled") && !is_true(node, "enabled");
  made->source = read_mvc_end(opn, node, "source");
  made->destination = read_mvc_end(opn, node, "destination");
  made->target_port = get(opn, node, "target_port");
  const char *descr = get(opn, node, "description");
  made->descr = descr ? descr : "";
  return made;
}

static LwOpnSourceNat *read_legacy_source(LwOpn *opn, xmlNode *node, guint number) {
  LwOpnSourceNat *made = source_common(opn, node, number);
  made->legacy = TRUE;
  made->disabled = is_true(node, "disabled");
  made->source = read_end(opn, node, "source", NULL);
  made->destination = read_end(opn, node, "destination", NULL);
  made->source.port = get(opn, node, "sourceport");
  made->destination.port = get(opn, node, "dstport");
  made->target_port = get(opn, node, "natport");
  if (made->target && g_str_equal(made->target, "other-subnet")) {
    const char *address = get(opn, node, "targetip");
    g_autofree char *whole =
        g_strdup_printf("%s/%u", address ? address : "", get_length(node, "targetip_subnet"));
    made->target = keep(opn, whole);
  }
  const char *descr = get(opn, node, "descr");
  made->descr = descr ? descr : "";
  return made;
}

static void read_source_nat(LwOpn *opn, xmlNode *root) {
  const char *mode = get(opn, root, "nat/outbound/mode");
  opn->outbound_mode = mode ? mode : "automatic";
  xmlNode *rules = lw_xml_find(root, "OPNsense/Firewall/Filter/snatrules");
  guint number = 0;
  LW_XML_EACH(node, rules, "rule")
  g_ptr_array_add(opn->source_nat, read_mvc_source(opn, node, ++number));
  g_ptr_array_sort(opn->source_nat, source_cmp);
  xmlNode *manual = lw_xml_find(root, "nat/outbound");
  number = 0;
  LW_XML_EACH(node, manual, "rule")
  g_ptr_array_add(opn->source_nat, read_legacy_source(opn, node, ++number));
}

/* ---- services ---- */

static void read_dnsmasq(LwOpn *opn, xmlNode *root) {
  xmlNode *node = lw_xml_find(root, "dnsmasq");
  opn->dnsmasq.enabled = is_true(node, "enable");
  opn->dnsmasq.port = get(opn, node, "port");
  opn->dnsmasq.interfaces = get(opn, node, "interface");
  opn->dnsmasq.no_dhcp = get(opn, node, "dhcp/no_interface");
  /* on when the file says nothing: the model's default */
  opn->dnsmasq.firewall_rules =
      !is_there(node, "dhcp/default_fw_rules") || is_true(node, "dhcp/default_fw_rules");
  LW_XML_EACH(each, node, "dhcp_ranges") {
    LwOpnRange *made = g_new0(LwOpnRange, 1);
    made->uuid = uuid_of(opn, each);
    made->interface = get(opn, each, "interface");
    made->first = get(opn, each, "start_addr");
    made->last = get(opn, each, "end_addr");
    made->mask = get(opn, each, "subnet_mask");
    g_ptr_array_add(opn->dnsmasq.ranges, made);
  }
  LW_XML_EACH(each, node, "hosts") {
    LwOpnReservation *made = g_new0(LwOpnReservation, 1);
    made->uuid = uuid_of(opn, each);
    made->host = get(opn, each, "host");
    made->address = get(opn, each, "ip");
    made->mac = get(opn, each, "hwaddr");
    g_ptr_array_add(opn->dnsmasq.reservations, made);
  }
}

static void read_unbound(LwOpn *opn, xmlNode *root) {
  xmlNode *node = lw_xml_find(root, "OPNsense/unboundplus/general");
  opn->unbound.enabled = is_true(node, "enabled");
  opn->unbound.port = get(opn, node, "port");
  opn->unbound.interfaces = get(opn, node, "active_interface");
  opn->unbound.outgoing = get(opn, node, "outgoing_interface");
}

static void add_peers(LwOpn *opn, xmlNode *clients, LwOpnWireguard *tunnel, xmlNode *server) {
  g_autofree char *peers = lw_xml_text(server, "peers");
  g_auto(GStrv) uuids = g_strsplit(peers ? peers : "", ",", -1);
  LW_XML_EACH(client, clients, "client") {
    const char *uuid = uuid_of(opn, client);
    if (!uuid || !g_strv_contains((const char *const *)uuids, uuid) || !is_true(client, "enabled"))
      continue;
    g_autofree char *allowed = lw_xml_text(client, "tunneladdress");
    split_into(opn, tunnel->allowed, allowed, ",");
  }
}

static void read_wireguard(LwOpn *opn, xmlNode *root) {
  xmlNode *node = lw_xml_find(root, "OPNsense/wireguard");
  opn->wireguard = is_true(node, "general/enabled");
  xmlNode *servers = lw_xml_find(node, "server/servers"), *clients = lw_xml_find(node, "client/clients");
  LW_XML_EACH(server, servers, "server") {
    LwOpnWireguard *made = g_new0(LwOpnWireguard, 1);
    made->name = get(opn, server, "name");
    const char *instance = get(opn, server, "instance");
    made->instance = instance ? instance : "0";
    made->enabled = is_true(server, "enabled");
    made->disable_routes = is_true(server, "disableroutes");
    made->addresses = get_list(opn, server, "tunneladdress", ",");
    made->allowed = g_ptr_array_new();
    add_peers(opn, clients, made, server);
    g_ptr_array_add(opn->tunnels, made);
  }
}

/* What bears on who reaches whom and is not read: named, so that nobody takes silence for safety. */
static void note_unread(LwOpn *opn, xmlNode *root) {
  static const struct {
    const char *path, *flag, *text;
  } things[] = {
      {"OPNsense/Firewall/Filter/onetoone/rule", NULL, "one-to-one NAT"},
      {"OPNsense/Firewall/Filter/npt/rule", NULL, "NPTv6"},
      {"OPNsense/captiveportal/zones/zone", NULL, "captive portal zones"},
      {"OPNsense/IPsec/general/enabled", "OPNsense/IPsec/general/enabled", "IPsec and its automatic rules"},
      {"OPNsense/Swanctl/Connections/Connection", NULL, "IPsec connections and their automatic rules"},
      {"OPNsense/OpenVPN/Instances/Instance", NULL, "OpenVPN instances (their networks)"},
      {"openvpn", NULL, "OpenVPN (its networks)"},
      {"bridges/bridged/members", "bridges/bridged/members", "bridges between interfaces"},
      {"OPNsense/Kea/dhcp4/general/enabled", "OPNsense/Kea/dhcp4/general/enabled",
       "DHCP by Kea and its automatic rules"},
      {"OPNsense/Kea/dhcp6/general/enabled", "OPNsense/Kea/dhcp6/general/enabled",
       "DHCPv6 by Kea and its automatic rules"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(things); i++) {
    xmlNode *node = lw_xml_find(root, things[i].path);
    gboolean there = node && lw_xml_from(node->children, NULL);
    if (things[i].flag)
      there = is_true(root, things[i].flag);
    if (there)
      g_ptr_array_add(opn->unread, (gpointer)things[i].text);
  }
}

/* ---- the whole file ---- */

static void refuse(GError **error, const char *what, int line) {
  if (line > 0)
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "line %d: %s", line, what);
  else
    g_set_error_literal(error, LW_ERROR, LW_ERROR_SPEC, what);
}

static xmlDoc *parse(const char *text, gsize length, GError **error) {
  if (length == 0 || length > 64 * 1024 * 1024) {
    refuse(error, length ? "longer than 64 MiB: no config.xml" : "the file is empty", 0);
    return NULL;
  }
  xmlDoc *doc = xmlReadMemory(text, (int)length, NULL, NULL,
                              XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
  if (!doc) {
    const xmlError *last = xmlGetLastError();
    refuse(error, "not well-formed XML: is this a whole config.xml (System: Configuration: Backups)?",
           last ? last->line : 0);
    return NULL;
  }
  xmlNode *root = xmlDocGetRootElement(doc);
  const char *wrong = NULL;
  if (doc->intSubset)
    wrong = "a DOCTYPE: no config.xml has one";
  else if (!root || !g_str_equal((const char *)root->name, "opnsense"))
    wrong = root && g_str_equal((const char *)root->name, "pfsense")
                ? "this is pfSense's configuration; OPNsense's begins with <opnsense>"
                : "no config.xml of OPNsense: it begins with <opnsense>";
  if (!wrong)
    return doc;
  refuse(error, wrong, 0);
  xmlFreeDoc(doc);
  return NULL;
}

LwOpn *lw_opn_parse(const char *text, gsize length, GError **error) {
  xmlDoc *doc = parse(text, length, error);
  if (!doc)
    return NULL;
  xmlNode *root = xmlDocGetRootElement(doc);
  LwOpn *opn = opn_new();
  read_system(opn, root);
  read_routing(opn, root);
  read_aliases(opn, root);
  read_rules(opn, root);
  read_forwards(opn, root);
  read_source_nat(opn, root);
  read_dnsmasq(opn, root);
  read_unbound(opn, root);
  read_wireguard(opn, root);
  note_unread(opn, root);
  xmlFreeDoc(doc);
  return opn;
}
