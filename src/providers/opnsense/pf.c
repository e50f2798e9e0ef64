#include "providers/opnsense/pf-internal.h"

#include <string.h>

const char *lw_pf_keep(LwPf *pf, const char *text) {
  return text && *text ? g_string_chunk_insert_const(pf->strings, text) : NULL;
}

static void free_gateway(gpointer data) {
  LwPfGateway *gateway = data;
  g_free(gateway);
}

void lw_pf_free(LwPf *pf) {
  if (!pf)
    return;
  g_ptr_array_unref(pf->gateways);
  g_ptr_array_unref(pf->filter);
  g_ptr_array_unref(pf->translations);
  g_ptr_array_unref(pf->antispoof);
  g_ptr_array_unref(pf->automatic);
  g_string_chunk_free(pf->strings);
  g_free(pf);
}

/* ---- names to pf's words ---- */

static int mapping_cmp(gconstpointer a, gconstpointer b) {
  const LwOpnLink *x = *(LwOpnLink *const *)a, *y = *(LwOpnLink *const *)b;
  int order = lw_opn_natural_cmp(x->interface->descr, y->interface->descr);
  return order ? order : x < y ? -1 : x > y;
}

GPtrArray *lw_pf_mapping(const LwPf *pf) {
  GPtrArray *out = g_ptr_array_new();
  for (guint i = 0; i < pf->links->links->len; i++)
    g_ptr_array_add(out, &g_array_index(pf->links->links, LwOpnLink, i));
  g_ptr_array_sort(out, mapping_cmp);
  return out;
}

static gboolean is_wan_lan_opt(const char *key, gsize length) {
  if (length == 3 && (strncmp(key, "wan", 3) == 0 || strncmp(key, "lan", 3) == 0))
    return TRUE;
  return length > 3 && strncmp(key, "opt", 3) == 0 && strspn(key + 3, "0123456789") >= length - 3;
}

/* "opt1ip" and the like: the interface's own address. */
static const LwOpnLink *link_of_address_name(const LwPf *pf, const char *text) {
  gsize length = strlen(text);
  if (length < 5 || strcmp(text + length - 2, "ip") != 0 || !is_wan_lan_opt(text, length - 2))
    return NULL;
  g_autofree char *key = g_strndup(text, length - 2);
  return lw_opn_link(pf->links, key);
}

static const char *named_address(LwPf *pf, const char *text, guint8 family, gboolean in_filter) {
  const LwOpnAlias *alias = lw_opn_alias(pf->opn, text);
  g_autofree char *out = NULL;
  const LwOpnLink *link = lw_opn_link(pf->links, text), *own = link_of_address_name(pf, text);
  if (alias && !g_str_equal(alias->type, "port")) {
    out = g_strdup_printf("$%s", text);
    if (link && family == 6 && in_filter)
      out = g_strdup_printf("$%s,fe80::/10", text);
  } else if (link) {
    out = g_strdup_printf("(%s:network)%s", link->interface->device,
                          family == 6 && in_filter ? ",fe80::/10" : "");
  } else if (own) {
    out = g_strdup_printf("(%s)", own->interface->device);
  }
  return lw_pf_keep(pf, out);
}

static gboolean is_literal(const char *text) {
  LwPrefix prefix;
  gsize length = strlen(text);
  return (text[0] == '<' && text[length - 1] == '>') || (text[0] == '(' && text[length - 1] == ')') ||
         lw_prefix_parse(text, &prefix);
}

const char *lw_pf_address(LwPf *pf, const char *text, guint8 family, gboolean negate, gboolean in_filter,
                          gboolean *usable) {
  if (!text || !*text || g_str_equal(text, "any"))
    return "any";
  const char *out = is_literal(text) ? lw_pf_keep(pf, text) : named_address(pf, text, family, in_filter);
  if (!out) {
    *usable = FALSE;
    out = lw_pf_keep(pf, text);
  }
  g_autofree char *negated = negate ? g_strdup_printf("!%s", out) : NULL;
  return negated ? lw_pf_keep(pf, negated) : out;
}

static const struct {
  const char *name;
  guint port;
} known_ports[] = {
    {"afs3-fileserver", 7000},
    {"aol", 5190},
    {"auth", 113},
    {"avt-profile-1", 5004},
    {"cvsup", 5999},
    {"domain", 53},
    {"ftp", 21},
    {"hbci", 3000},
    {"http", 80},
    {"https", 443},
    {"igmpv3lite", 465},
    {"imap", 143},
    {"imaps", 993},
    {"ipsec-msft", 10000},
    {"ipsec-nat-t", 4500},
    {"isakmp", 500},
    {"l2f", 1701},
    {"ldap", 389},
    {"microsoft-ds", 445},
    {"ms-streaming", 1755},
    {"ms-wbt-server", 3389},
    {"msnp", 1863},
    {"nat-stun-port", 3478},
    {"netbios-dgm", 138},
    {"netbios-ns", 137},
    {"netbios-ssn", 139},
    {"nntp", 119},
    {"ntp", 123},
    {"openvpn", 1194},
    {"pop3", 110},
    {"pop3s", 995},
    {"pptp", 1723},
    {"radius", 1812},
    {"radius-acct", 1813},
    {"rfb", 5900},
    {"sip", 5060},
    {"smtp", 25},
    {"snmp", 161},
    {"snmptrap", 162},
    {"ssh", 22},
    {"submission", 587},
    {"telnet", 23},
    {"teredo", 3544},
    {"tftp", 69},
    {"urd", 465},
    {"wins", 1512},
};

guint lw_pf_known_port(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(known_ports); i++)
    if (g_str_equal(known_ports[i].name, name))
      return known_ports[i].port;
  return 0;
}

static gboolean is_port(const char *text) {
  if (lw_pf_known_port(text))
    return TRUE;
  if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
    return FALSE;
  guint64 number = g_ascii_strtoull(text, NULL, 10);
  return number <= 65535; /* 0 is written by the rules that block it */
}

static char *range_of(const char *text) {
  g_autofree char *colons = g_strdelimit(g_strdup(text), "-", ':');
  g_auto(GStrv) ends = g_strsplit(colons, ":", -1);
  if (g_strv_length(ends) != 2)
    return g_strdup(text);
  const char *first = g_str_equal(ends[0], "any") ? "1" : ends[0];
  const char *last = g_str_equal(ends[1], "any") ? "65535" : ends[1];
  return is_port(first) && is_port(last) ? g_strdup_printf("%s:%s", first, last) : g_strdup(text);
}

const char *lw_pf_port(LwPf *pf, const char *text, gboolean *usable) {
  if (!text || !*text || g_str_equal(text, "any"))
    return NULL;
  g_autofree char *range = range_of(text);
  if (strchr(range, ':') || is_port(range))
    return lw_pf_keep(pf, range);
  const LwOpnAlias *alias = lw_opn_alias(pf->opn, text);
  if (!alias || (g_str_equal(alias->type, "port") && alias->content->len == 0))
    *usable = FALSE;
  g_autofree char *variable = alias ? g_strdup_printf("$%s", text) : g_strdup(text);
  return lw_pf_keep(pf, variable);
}

/* ---- gateways ---- */

typedef struct {
  LwPfGateway *gateway;
  guint sequence;
} Ranked;

static int ranked_cmp(gconstpointer a, gconstpointer b) {
  const Ranked *x = a, *y = b;
  if (x->gateway->is_default != y->gateway->is_default)
    return x->gateway->is_default ? -1 : 1;
  if (x->gateway->priority != y->gateway->priority)
    return x->gateway->priority < y->gateway->priority ? -1 : 1;
  return x->sequence > y->sequence ? -1 : 1; /* the one named last */
}

static void rank(GArray *ranked, LwPfGateway *gateway) {
  Ranked each = {gateway, ranked->len};
  g_array_append_val(ranked, each);
}

static LwPfGateway *make_gateway(LwPf *pf, const LwOpnLink *link, const char *name, guint8 family,
                                 const char *address) {
  LwPfGateway *made = g_new0(LwPfGateway, 1);
  made->name = lw_pf_keep(pf, name);
  made->interface = link->interface->key;
  made->device = made->first_device = link->interface->device;
  made->family = family;
  made->address = lw_pf_keep(pf, address);
  g_autofree char *route =
      address ? g_strdup_printf("( %s %s )", made->device, address) : g_strdup(made->device);
  made->route = lw_pf_keep(pf, route);
  made->priority = 255;
  return made;
}

static void add_static(LwPf *pf, GArray *ranked, const char *without) {
  for (guint i = 0; i < pf->opn->gateways->len; i++) {
    const LwOpnGateway *each = pf->opn->gateways->pdata[i];
    const LwOpnLink *link = lw_opn_link(pf->links, each->interface);
    if (!each->address || each->disabled || !link || (without && g_str_equal(without, each->name)))
      continue;
    LwPfGateway *made =
        make_gateway(pf, link, each->name, g_str_equal(each->family, "inet6") ? 6 : 4, each->address);
    made->priority = each->priority;
    made->is_default = each->is_default;
    rank(ranked, made);
  }
}

static const LwOpnGateway *dynamic_settings(const LwPf *pf, const char *interface, guint8 family) {
  for (guint i = 0; i < pf->opn->gateways->len; i++) {
    const LwOpnGateway *each = pf->opn->gateways->pdata[i];
    if (!each->address && g_str_equal(each->interface, interface) &&
        g_str_equal(each->family, family == 6 ? "inet6" : "inet"))
      return each;
  }
  return NULL;
}

/* WAN_DHCP and the like: by the interface's description and how it gets its address. */
static char *dynamic_name(const LwOpnInterface *interface, guint8 family) {
  const char *way = family == 6 ? interface->ipaddrv6 : interface->ipaddr;
  LwAddr fixed;
  const char *type = way && !lw_addr_parse(way, &fixed) ? way : "GW";
  if (g_str_has_prefix(interface->device, "ovpnc"))
    type = family == 6 ? "VPNv6" : "VPNv4";
  else if (g_str_has_prefix(interface->device, "gif") || g_str_has_prefix(interface->device, "gre"))
    type = family == 6 ? "TUNNELv6" : "TUNNELv4";
  g_autofree char *name = g_strdup_printf("%s_%s", interface->descr, type);
  return g_ascii_strup(name, -1);
}

static gboolean name_taken(const LwPf *pf, const char *name) {
  for (guint i = 0; i < pf->opn->gateways->len; i++)
    if (g_str_equal(((LwOpnGateway *)pf->opn->gateways->pdata[i])->name, name))
      return TRUE;
  return FALSE;
}

static void add_dynamic_one(LwPf *pf, GArray *ranked, const LwOpnLink *link, guint8 family,
                            const char *without) {
  const LwOpnInterface *interface = link->interface;
  const LwAddr *learned = family == 6 ? &link->gateway6 : &link->gateway4;
  gboolean by_device = interface->gateway_interface || g_str_has_prefix(interface->device, "ovpnc");
  if (!lw_addr_is_set(learned) && !by_device)
    return;
  const LwOpnGateway *settings = dynamic_settings(pf, interface->key, family);
  g_autofree char *own = dynamic_name(interface, family);
  const char *name = settings ? settings->name : own;
  if ((!settings && name_taken(pf, name)) || (settings && settings->disabled) ||
      (without && g_str_equal(without, name)))
    return;
  g_autofree char *address = lw_addr_is_set(learned) ? lw_addr_format(learned) : NULL;
  LwPfGateway *made = make_gateway(pf, link, name, family, address);
  gboolean tunnel = strstr(interface->device, "gre") || strstr(interface->device, "gif") ||
                    strstr(interface->device, "ovpn");
  made->priority = settings ? settings->priority : tunnel ? 255 : 254;
  made->is_default = settings && settings->is_default;
  made->dynamic = TRUE;
  rank(ranked, made);
}

static void add_group(LwPf *pf, const LwOpnGatewayGroup *group, const char *without) {
  if (without && g_str_equal(without, group->name))
    return;
  g_autoptr(GString) route = g_string_new("{");
  LwPfGateway *made = g_new0(LwPfGateway, 1);
  guint count = 0;
  /* the members of the first tier that has any left; every other tier waits behind it */
  for (int all = 0; all <= 1 && count == 0; all++) {
    const GPtrArray *members = all ? group->all : group->members;
    for (guint i = 0; i < members->len; i++) {
      const LwPfGateway *member = lw_pf_gateway(pf, members->pdata[i]);
      if (!member || (made->family && made->family != member->family) || (all && count > 0))
        continue;
      made->family = member->family;
      made->first_device = made->first_device ? made->first_device : member->device;
      g_string_append_printf(route, "%s %s ", count++ ? " ," : "", member->route);
    }
  }
  g_string_append_printf(route, "}%s", count > 1 ? " round-robin" : "");
  made->name = group->name;
  made->route = lw_pf_keep(pf, route->str);
  made->priority = 256; /* never a default route */
  if (count)
    g_ptr_array_add(pf->gateways, made);
  else
    g_free(made);
}

void lw_pf_add_gateways(LwPf *pf, const char *without) {
  g_autoptr(GArray) ranked = g_array_new(FALSE, FALSE, sizeof(Ranked));
  add_static(pf, ranked, without);
  for (guint i = 0; i < pf->links->links->len; i++) {
    const LwOpnLink *link = &g_array_index(pf->links->links, LwOpnLink, i);
    if (link->interface->is_virtual)
      continue;
    add_dynamic_one(pf, ranked, link, 4, without);
    add_dynamic_one(pf, ranked, link, 6, without);
  }
  g_array_sort(ranked, ranked_cmp);
  for (guint i = 0; i < ranked->len; i++)
    g_ptr_array_add(pf->gateways, g_array_index(ranked, Ranked, i).gateway);
  for (guint i = 0; i < pf->opn->gateway_groups->len; i++)
    add_group(pf, pf->opn->gateway_groups->pdata[i], without);
}

const LwPfGateway *lw_pf_gateway(const LwPf *pf, const char *name) {
  for (guint i = 0; name && i < pf->gateways->len; i++) {
    const LwPfGateway *each = pf->gateways->pdata[i];
    if (g_str_equal(each->name, name))
      return each;
  }
  return NULL;
}

static gboolean forced_down(const LwPf *pf, const char *name) {
  for (guint i = 0; i < pf->opn->gateways->len; i++) {
    const LwOpnGateway *each = pf->opn->gateways->pdata[i];
    if (each->force_down && g_str_equal(each->name, name))
      return TRUE;
  }
  return FALSE;
}

const LwPfGateway *lw_pf_default_gateway(const LwPf *pf, guint8 family) {
  for (guint i = 0; i < pf->gateways->len; i++) {
    const LwPfGateway *each = pf->gateways->pdata[i];
    if (each->family == family && each->device && !forced_down(pf, each->name))
      return each;
  }
  return NULL;
}

static const LwPfGateway *configured_gateway(const LwPf *pf, const LwOpnLink *link, guint8 family) {
  const char *wanted = family == 6 ? link->interface->gatewayv6 : link->interface->gateway;
  for (guint i = 0; i < pf->gateways->len; i++) {
    const LwPfGateway *each = pf->gateways->pdata[i];
    if (each->family == family && each->address && each->interface &&
        g_str_equal(each->interface, link->interface->key) &&
        (each->dynamic || (wanted && g_str_equal(wanted, each->name))))
      return each;
  }
  return NULL;
}

const LwPfGateway *lw_pf_interface_gateway(const LwPf *pf, const LwOpnLink *link, guint8 family) {
  const char *way = family == 6 ? link->interface->ipaddrv6 : link->interface->ipaddr;
  const char *wanted = family == 6 ? link->interface->gatewayv6 : link->interface->gateway;
  LwAddr fixed;
  gboolean is_fixed = way && lw_addr_parse(way, &fixed);
  if (is_fixed && (!wanted || g_str_equal(wanted, "none")))
    return NULL;
  return configured_gateway(pf, link, family);
}

/* ---- one configured rule to pf rules ---- */

static void add_reply(LwPf *pf, LwPfRule *made, const LwOpnRule *spec, const char *interface) {
  const LwPfGateway *gateway = NULL;
  if (spec->reply_to) {
    gateway = lw_pf_gateway(pf, spec->reply_to);
  } else if (!spec->no_reply_to && !pf->opn->no_reply_to &&
             !(spec->direction && g_str_equal(spec->direction, "any")) && !spec->interface_not && interface &&
             !spec->gateway) {
    const LwOpnLink *link = lw_opn_link(pf->links, interface);
    gateway = link ? lw_pf_interface_gateway(pf, link, made->family == 6 ? 6 : 4) : NULL;
    if (gateway && !gateway->address)
      gateway = NULL;
  }
  if (!gateway)
    return;
  made->reply = gateway->route;
  made->reply_device = gateway->first_device;
}

static void add_route(LwPf *pf, LwPfRule *made, const LwOpnRule *spec) {
  if (!spec->gateway)
    return;
  made->gateway = lw_pf_gateway(pf, spec->gateway);
  if (!made->gateway && pf->opn->skip_rules_gw_down) {
    made->disabled = TRUE;
    made->why = "its gateway is gone, and rules without a gateway are left out";
  } else if (!made->gateway) {
    made->lost_gateway = spec->gateway;
  } else if (made->family && made->gateway->family != made->family) {
    made->disabled = TRUE;
    made->why = "its gateway is of the other IP version";
  }
}

/* The words of the two pages for the same state keeping. */
static const char *state_words(const LwOpnRule *spec) {
  if (!spec->state)
    return NULL;
  if (g_str_equal(spec->state, "none"))
    return "no state";
  if (g_str_has_prefix(spec->state, "sloppy"))
    return "keep state ( sloppy )";
  return g_str_has_prefix(spec->state, "modulate")   ? "modulate state"
         : g_str_has_prefix(spec->state, "synproxy") ? "synproxy state"
                                                     : "keep state";
}

static void disable(LwPfRule *made, const char *why) {
  made->disabled = TRUE;
  if (!made->why)
    made->why = why;
}

static void add_ends(LwPf *pf, LwPfRule *made, const LwOpnRule *spec, const char *from, const char *to) {
  gboolean addresses = TRUE, ports = TRUE;
  made->from = lw_pf_address(pf, from, made->family, spec->source.negate, TRUE, &addresses);
  made->to = lw_pf_address(pf, to, made->family, spec->destination.negate, TRUE, &addresses);
  made->from_port = lw_pf_port(pf, spec->source.port, &ports);
  made->to_port = lw_pf_port(pf, spec->destination.port, &ports);
  if (!addresses)
    disable(made, "an address in it is neither an address nor an alias or interface that exists");
  if (!ports)
    disable(made, "a port in it is neither a number nor an alias with a content");
}

static void add_one(LwPf *pf, guint priority, const LwOpnRule *spec, const char *label, const char *interface,
                    const char *family, const char *from, const char *to) {
  LwPfRule *made = g_new0(LwPfRule, 1);
  gboolean both = spec->direction && g_str_equal(spec->direction, "any");
  gboolean outward = spec->direction && g_str_equal(spec->direction, "out");
  *made = (LwPfRule){.kind = LW_PF_FILTER, .priority = priority, .rule = spec, .label = label};
  made->disabled = spec->disabled;
  made->action = spec->action;
  made->in = both || !outward;
  made->out = both || outward;
  made->log = spec->log;
  made->quick = spec->quick < 0 ? !spec->floating : spec->quick > 0;
  made->family = !family ? 0 : g_str_equal(family, "inet6") ? 6 : 4;
  made->protocol = spec->protocol;
  if (made->family == 6 && spec->protocol && g_str_equal(spec->protocol, "icmp"))
    made->protocol = "ipv6-icmp";
  made->device_not = spec->interface_not;
  const LwOpnLink *link = interface ? lw_opn_link(pf->links, interface) : NULL;
  made->device = link ? link->interface->device : interface;
  if (interface && !link)
    disable(made, "its interface does not exist or is not enabled");
  add_ends(pf, made, spec, from, to);
  if (g_str_equal(spec->action, "pass")) {
    add_reply(pf, made, spec, interface);
    add_route(pf, made, spec);
    made->state = state_words(spec);
  }
  gboolean icmp = made->protocol && g_str_equal(made->protocol, "icmp");
  gboolean icmp6 = made->protocol && g_str_equal(made->protocol, "ipv6-icmp");
  made->icmp_types = icmp ? spec->icmp_types : NULL;
  made->icmp6_types = icmp6 ? spec->icmp6_types : NULL;
  made->flags = spec->flags;
  made->tag = spec->tag;
  made->tagged = spec->tagged;
  made->allow_options = spec->allow_options;
  made->narrows = spec->narrows;
  made->descr = spec->descr;
  g_ptr_array_add(pf->filter, made);
}

/* "a,b" as a NULL-terminated list; one NULL-ish element ("") for nothing. Transfer full. */
static GStrv split(const char *text) {
  GStrv parts = g_strsplit(text ? text : "", ",", -1);
  if (parts[0])
    return parts;
  g_strfreev(parts);
  parts = g_new0(char *, 2);
  parts[0] = g_strdup("");
  return parts;
}

static const char *kept_or_null(LwPf *pf, const char *text) {
  return lw_pf_keep(pf, text);
}

void lw_pf_register(LwPf *pf, guint priority, const LwOpnRule *spec, const char *label) {
  static const char *const two[] = {"inet", "inet6", NULL};
  const char *const one[] = {spec->family ? spec->family : "", NULL};
  const char *const *families = spec->family && g_str_equal(spec->family, "inet46") ? two : one;
  g_auto(GStrv) froms = split(spec->source.network);
  g_auto(GStrv) tos = split(spec->destination.network);
  g_auto(GStrv) interfaces = split(spec->interface);
  for (char **from = froms; *from; from++)
    for (char **to = tos; *to; to++)
      for (char **interface = interfaces; *interface; interface++)
        for (const char *const *family = families; *family; family++)
          add_one(pf, priority, spec, label, kept_or_null(pf, *interface), **family ? *family : NULL,
                  kept_or_null(pf, *from), kept_or_null(pf, *to));
}

/* ---- the user's rules ---- */

static const LwOpnIfGroup *group_named(const LwOpn *opn, const char *name) {
  for (guint i = 0; name && i < opn->groups->len; i++) {
    const LwOpnIfGroup *each = opn->groups->pdata[i];
    if (g_str_equal(each->name, name))
      return each;
  }
  return NULL;
}

static gboolean any_interface_exists(const LwOpn *opn, const char *keys) {
  g_auto(GStrv) parts = g_strsplit(keys, ",", -1);
  for (char **part = parts; *part; part++)
    if (lw_opn_interface(opn, *part))
      return TRUE;
  return FALSE;
}

#define PRIORITY_FLOATING 200000
#define PRIORITY_GROUP 300000
#define PRIORITY_INTERFACE 400000
#define PRIORITY_NO_INTERFACE 600000

static guint priority_of(const LwOpn *opn, const LwOpnRule *rule) {
  if (!rule->legacy && rule->interface && !any_interface_exists(opn, rule->interface))
    return PRIORITY_NO_INTERFACE;
  if (rule->floating)
    return PRIORITY_FLOATING;
  const LwOpnIfGroup *group = group_named(opn, rule->interface);
  const LwOpnInterface *interface = lw_opn_interface(opn, rule->interface);
  if (group)
    return PRIORITY_GROUP + group->sequence;
  return interface && interface->group && !rule->legacy ? PRIORITY_GROUP : PRIORITY_INTERFACE;
}

static void add_users(LwPf *pf) {
  for (guint i = 0; i < pf->opn->rules->len; i++) {
    const LwOpnRule *rule = pf->opn->rules->pdata[i];
    lw_pf_register(pf, priority_of(pf->opn, rule), rule, rule->uuid);
  }
}

/* In the order of priority; what was registered earlier stays before. */
static void sort_stable(GPtrArray *rules) {
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  while (sorted->len < rules->len) {
    guint lowest = G_MAXUINT;
    for (guint i = 0; i < rules->len; i++) {
      const LwPfRule *each = rules->pdata[i];
      const LwPfRule *last = sorted->len ? sorted->pdata[sorted->len - 1] : NULL;
      if (each->priority < lowest && (!last || each->priority > last->priority))
        lowest = each->priority;
    }
    for (guint i = 0; i < rules->len; i++)
      if (((LwPfRule *)rules->pdata[i])->priority == lowest)
        g_ptr_array_add(sorted, rules->pdata[i]);
  }
  if (sorted->len)
    memcpy(rules->pdata, sorted->pdata, sorted->len * sizeof(gpointer));
}

LwPf *lw_pf_generate(const LwOpn *opn, const LwOpnLinks *links, const char *without) {
  LwPf *pf = g_new0(LwPf, 1);
  pf->strings = g_string_chunk_new(4096);
  pf->opn = opn;
  pf->links = links;
  pf->gateways = g_ptr_array_new_with_free_func(free_gateway);
  pf->filter = g_ptr_array_new_with_free_func(g_free);
  pf->translations = g_ptr_array_new_with_free_func(g_free);
  pf->antispoof = g_ptr_array_new();
  pf->automatic = g_ptr_array_new_with_free_func(g_free);
  lw_pf_add_gateways(pf, without);
  lw_pf_add_system(pf);
  lw_pf_add_forwarded(pf);
  lw_pf_add_dnsmasq(pf);
  add_users(pf);
  sort_stable(pf->filter);
  lw_pf_add_nat(pf);
  sort_stable(pf->translations);
  return pf;
}
