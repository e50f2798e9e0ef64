#include "providers/opnsense/pf-names.h"

#include <string.h>

/* ---- names to sets ---- */

static void add_address(LwIpSet *set, const LwAddr *addr) {
  if (addr->family == set->family)
    lw_ip_set_add(set, lw_ip_of(addr), lw_ip_of(addr));
}

static void add_network(LwIpSet *set, const LwOpnLink *link) {
  const LwPrefix *address = lw_opn_link_address(link, set->family);
  if (lw_addr_is_set(&address->addr))
    lw_ip_set_add_prefix(set, address);
}

static void note_unknown(const LwPfNames *how, const char *name, LwIpSet *set) {
  g_hash_table_add(how->unknown, g_strdup(name));
  if (how->over)
    lw_ip_set_add(set, (LwIp){0, 0}, lw_ip_max(set->family));
}

/* "__opt1_network": the alias that OPNsense makes for an interface's network. */
static gboolean add_interface_alias(const LwPfNames *how, const char *name, LwIpSet *set) {
  if (!g_str_has_prefix(name, "__") || !g_str_has_suffix(name, "_network"))
    return FALSE;
  g_autofree char *key = g_strndup(name + 2, strlen(name) - 2 - strlen("_network"));
  const LwOpnLink *link = lw_opn_link(how->pf->links, key);
  if (link)
    add_network(set, link);
  return link != NULL;
}

static void add_entry(const LwPfNames *how, const char *entry, LwIpSet *set) {
  LwRange range;
  if (lw_range_parse(entry, &range)) {
    if (range.first.family == set->family)
      lw_ip_set_add(set, lw_ip_of(&range.first), lw_ip_of(&range.last));
    return;
  }
  const LwOpnAlias *nested = lw_opn_alias(how->pf->opn, entry);
  if (nested && how->depth < 16) {
    LwPfNames deeper = *how;
    deeper.depth++;
    g_autofree char *variable = g_strdup_printf("$%s", entry);
    g_autoptr(LwIpSet) inner = lw_pf_addresses(&deeper, variable);
    lw_ip_set_add_set(set, inner);
    return;
  }
  if (!add_interface_alias(how, entry, set))
    note_unknown(how, entry, set); /* a name, a wildcard mask */
}

/* Entries, and then those behind "!" taken out again. */
static void add_entries(const LwPfNames *how, const LwOpnAlias *alias, LwIpSet *set) {
  g_autoptr(LwIpSet) excluded = lw_ip_set_new(set->family), included = lw_ip_set_new(set->family);
  LwPfNames opposite = *how;
  opposite.over = !how->over;
  for (guint i = 0; i < alias->content->len; i++) {
    const char *entry = alias->content->pdata[i];
    if (entry[0] == '!')
      add_entry(&opposite, entry + 1, excluded);
    else
      add_entry(how, entry, included);
  }
  g_autoptr(LwIpSet) rest = lw_ip_set_subtract(included, excluded);
  lw_ip_set_add_set(set, rest);
}

static void add_alias(const LwPfNames *how, const char *name, LwIpSet *set) {
  static const char *const listed[] = {"host", "network", "networkgroup", NULL};
  /* filled at run time, by abuse; taken for empty whatever is asked: they only ever block */
  static const char *const internal[] = {"bogons", "bogonsv6", "virusprot", "sshlockout", NULL};
  const LwOpnAlias *alias = lw_opn_alias(how->pf->opn, name);
  if (g_strv_contains(internal, name) && !how->over)
    return;
  if (!alias) {
    if (!add_interface_alias(how, name, set))
      note_unknown(how, name, set);
  } else if (alias->enabled && g_strv_contains(listed, alias->type)) {
    add_entries(how, alias, set);
  } else if (alias->enabled) {
    note_unknown(how, name, set);
  }
}

static void add_interface_word(const LwPfNames *how, const char *word, LwIpSet *set) {
  g_autofree char *inner = g_strndup(word + 1, strlen(word) - 2);
  if (g_str_equal(inner, "self")) {
    lw_ip_set_add_set(set, how->self);
    return;
  }
  char *colon = strchr(inner, ':');
  gboolean network = colon && g_str_equal(colon, ":network");
  if (colon)
    *colon = '\0';
  const LwOpnLink *link = lw_opn_link_of_device(how->pf->links, inner);
  if (!link)
    return;
  if (network)
    add_network(set, link);
  else
    add_address(set, &lw_opn_link_address(link, set->family)->addr);
}

static LwIpSet *resolve_one(const LwPfNames *how, const char *word) {
  guint8 family = how->family;
  if (g_str_equal(word, "any"))
    return lw_ip_set_all(family);
  LwIpSet *set = lw_ip_set_new(family);
  LwPrefix prefix;
  if (lw_prefix_parse(word, &prefix)) {
    lw_ip_set_add_prefix(set, &prefix);
  } else if (word[0] == '$') {
    add_alias(how, word + 1, set);
  } else if (word[0] == '<') {
    g_autofree char *name = g_strndup(word + 1, strlen(word) - 2);
    add_alias(how, name, set);
  } else if (word[0] == '(') {
    add_interface_word(how, word, set);
  }
  return set;
}

LwIpSet *lw_pf_addresses(const LwPfNames *how, const char *text) {
  g_auto(GStrv) words = g_strsplit(text, ",", -1);
  LwIpSet *out = lw_ip_set_new(how->family);
  for (char **word = words; *word; word++) {
    gboolean negate = **word == '!';
    LwPfNames opposite = *how;
    opposite.over = how->over != negate;
    g_autoptr(LwIpSet) one = resolve_one(&opposite, *word + negate);
    g_autoptr(LwIpSet) turned = negate ? lw_ip_set_complement(one) : NULL;
    lw_ip_set_add_set(out, turned ? turned : one);
  }
  return out;
}

/* ---- ports and protocols ---- */

static gboolean one_port(const char *text, guint32 *out) {
  guint known = lw_pf_known_port(text);
  if (known) {
    *out = known;
    return TRUE;
  }
  if (!*text || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text))
    return FALSE;
  *out = (guint32)MIN(g_ascii_strtoull(text, NULL, 10), 65535);
  return TRUE;
}

static void add_ports(const LwOpn *opn, GArray *out, const char *text, guint depth) {
  LwPortRange range;
  if (one_port(text, &range.first)) {
    range.last = range.first;
    g_array_append_val(out, range);
    return;
  }
  g_autofree char *colons = g_strdelimit(g_strdup(text), "-", ':');
  g_auto(GStrv) ends = g_strsplit(colons, ":", -1);
  if (g_strv_length(ends) == 2 && one_port(ends[0], &range.first) && one_port(ends[1], &range.last)) {
    if (range.first <= range.last)
      g_array_append_val(out, range);
    return;
  }
  const LwOpnAlias *alias = lw_opn_alias(opn, text[0] == '$' ? text + 1 : text);
  for (guint i = 0; alias && alias->enabled && depth < 16 && i < alias->content->len; i++)
    add_ports(opn, out, alias->content->pdata[i], depth + 1);
}

GArray *lw_pf_ports(const LwOpn *opn, const char *text) {
  if (!text)
    return NULL;
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwPortRange));
  add_ports(opn, out, text, 0);
  return out;
}

static const struct {
  const char *name;
  guint8 number;
} protocols[] = {
    {"icmp", 1},      {"igmp", 2},       {"ipencap", 4}, {"ipv4", 4},   {"tcp", 6},    {"egp", 8},
    {"igp", 9},       {"udp", 17},       {"ipv6", 41},   {"rsvp", 46},  {"gre", 47},   {"esp", 50},
    {"ah", 51},       {"ipv6-icmp", 58}, {"icmp6", 58},  {"eigrp", 88}, {"ospf", 89},  {"etherip", 97},
    {"pim", 103},     {"ipcomp", 108},   {"carp", 112},  {"vrrp", 112}, {"l2tp", 115}, {"sctp", 132},
    {"udplite", 136}, {"pfsync", 240},
};

guint8 lw_pf_protocol(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(protocols); i++)
    if (g_ascii_strcasecmp(protocols[i].name, name) == 0)
      return protocols[i].number;
  guint64 number = strspn(name, "0123456789") == strlen(name) ? g_ascii_strtoull(name, NULL, 10) : 0;
  return number < 255 ? (guint8)number : 0;
}

guint lw_pf_protocols(const char *text, guint8 out[2]) {
  if (!text)
    return 0;
  gboolean two = g_str_equal(text, "tcp/udp");
  out[0] = two ? 6 : lw_pf_protocol(text);
  out[1] = 17;
  return two ? 2 : 1;
}

GArray *lw_pf_icmp_types(const char *text) {
  static const struct {
    const char *name;
    guint8 type;
  } names[] = {{"echorep", 0},   {"unreach", 3},    {"squench", 4},  {"redir", 5},      {"echoreq", 8},
               {"routeradv", 9}, {"routersol", 10}, {"timex", 11},   {"paramprob", 12}, {"timereq", 13},
               {"timerep", 14},  {"inforeq", 15},   {"inforep", 16}, {"maskreq", 17},   {"maskrep", 18},
               {"trace", 30},    {"photuris", 40}};
  if (!text)
    return NULL;
  GArray *out = g_array_new(FALSE, FALSE, 1);
  g_auto(GStrv) words = g_strsplit(text, ",", -1);
  for (char **word = words; *word; word++) {
    guint64 number = g_ascii_strtoull(*word, NULL, 10);
    guint8 type = (guint8)(number <= 255 ? number : 255);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
      if (g_str_equal(names[i].name, *word))
        type = names[i].type;
    g_array_append_val(out, type);
  }
  return out;
}

/* ---- interfaces and routes ---- */

gboolean lw_pf_in_group(const LwOpn *opn, const char *group, const LwOpnInterface *interface) {
  if (g_str_equal(group, "wireguard"))
    return g_str_has_prefix(interface->device, "wg");
  if (g_str_equal(group, "openvpn"))
    return g_str_has_prefix(interface->device, "ovpn");
  for (guint i = 0; i < opn->groups->len; i++) {
    const LwOpnIfGroup *each = opn->groups->pdata[i];
    for (guint n = 0; g_str_equal(each->name, group) && n < each->members->len; n++)
      if (g_str_equal(each->members->pdata[n], interface->key))
        return TRUE;
  }
  return FALSE;
}

LwIpSet *lw_pf_self(const LwPf *pf, guint8 family) {
  LwIpSet *self = lw_ip_set_new(family);
  for (guint i = 0; i < pf->links->links->len; i++) {
    const LwOpnLink *link = &g_array_index(pf->links->links, LwOpnLink, i);
    if (!link->interface->is_virtual && !link->interface->group &&
        !g_str_equal(link->interface->device, "lo0") &&
        lw_addr_is_set(&lw_opn_link_address(link, family)->addr))
      add_address(self, &lw_opn_link_address(link, family)->addr);
  }
  for (guint i = 0; i < pf->opn->vips->len; i++) {
    const LwOpnVip *vip = pf->opn->vips->pdata[i];
    LwAddr addr;
    if (vip->address && lw_addr_parse(vip->address, &addr))
      add_address(self, &addr);
  }
  return self;
}

static void add_route(const LwPf *pf, GArray *out, guint8 family, const char *network, const char *key,
                      const LwPfGateway *gateway) {
  LwPfRoute route = {.link = lw_opn_link(pf->links, key), .gateway = gateway};
  if (!route.link || !lw_prefix_parse(network, &route.prefix) || route.prefix.addr.family != family)
    return;
  route.prefix = lw_prefix_network(&route.prefix);
  g_array_append_val(out, route);
}

static void add_tunnel_routes(const LwPf *pf, GArray *out, guint8 family, const LwOpnWireguard *tunnel) {
  g_autofree char *device = g_strdup_printf("wg%s", tunnel->instance);
  const LwOpnInterface *interface = lw_opn_interface_of_device(pf->opn, device);
  if (!tunnel->enabled || tunnel->disable_routes || !interface)
    return;
  for (guint n = 0; n < tunnel->allowed->len; n++) {
    LwPrefix prefix;
    if (!lw_prefix_parse(tunnel->allowed->pdata[n], &prefix))
      continue;
    gboolean whole = prefix.len == 0, six = prefix.addr.family == 6;
    /* a peer for everything is set up as two halves, which win over the default route */
    add_route(pf, out, family, whole ? (six ? "::/1" : "0.0.0.0/1") : tunnel->allowed->pdata[n],
              interface->key, NULL);
    if (whole)
      add_route(pf, out, family, six ? "8000::/1" : "128.0.0.0/1", interface->key, NULL);
  }
}

GArray *lw_pf_routes(const LwPf *pf, guint8 family) {
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwPfRoute));
  for (guint i = 0; i < pf->opn->routes->len; i++) {
    const LwOpnRoute *route = pf->opn->routes->pdata[i];
    const LwPfGateway *gateway = lw_pf_gateway(pf, route->gateway);
    if (gateway && gateway->interface)
      add_route(pf, out, family, route->network, gateway->interface, gateway);
  }
  for (guint i = 0; pf->opn->wireguard && i < pf->opn->tunnels->len; i++)
    add_tunnel_routes(pf, out, family, pf->opn->tunnels->pdata[i]);
  const LwPfGateway *best = lw_pf_default_gateway(pf, family);
  if (best)
    add_route(pf, out, family, family == 6 ? "::/0" : "0.0.0.0/0", best->interface, best);
  return out;
}
