#include "audit/world.h"

#include <string.h>

/* ---- names to sets ---- */

/* Whether unknown contents are taken for everything (over) or for nothing. */
typedef struct {
  LwAuditWorld *world;
  gboolean over;
  guint depth;
} Resolve;

static LwIpSet *resolve(const Resolve *how, const char *text);

static void add_address(LwIpSet *set, const LwAddr *addr) {
  if (addr->family == set->family)
    lw_ip_set_add(set, lw_ip_of(addr), lw_ip_of(addr));
}

static const LwPrefix *address_of(const LwOpnLink *link, guint8 family) {
  return family == 6 ? &link->address6 : &link->address4;
}

static void add_network(LwIpSet *set, const LwOpnLink *link) {
  const LwPrefix *address = address_of(link, set->family);
  if (lw_addr_is_set(&address->addr))
    lw_ip_set_add_prefix(set, address);
}

static void note_unknown(const Resolve *how, const char *name, LwIpSet *set) {
  g_hash_table_add(how->world->unknown, g_strdup(name));
  if (how->over)
    lw_ip_set_add(set, (LwIp){0, 0}, lw_ip_max(set->family));
}

/* "__opt1_network": the alias that OPNsense makes for an interface's network. */
static gboolean add_interface_alias(const Resolve *how, const char *name, LwIpSet *set) {
  if (!g_str_has_prefix(name, "__") || !g_str_has_suffix(name, "_network"))
    return FALSE;
  g_autofree char *key = g_strndup(name + 2, strlen(name) - 2 - strlen("_network"));
  const LwOpnLink *link = lw_opn_link(how->world->pf->links, key);
  if (link)
    add_network(set, link);
  return link != NULL;
}

static void add_entry(const Resolve *how, const char *entry, LwIpSet *set) {
  LwRange range;
  if (lw_range_parse(entry, &range)) {
    if (range.first.family == set->family)
      lw_ip_set_add(set, lw_ip_of(&range.first), lw_ip_of(&range.last));
    return;
  }
  const LwOpnAlias *nested = lw_opn_alias(how->world->opn, entry);
  if (nested && how->depth < 16) {
    Resolve deeper = {how->world, how->over, how->depth + 1};
    g_autofree char *variable = g_strdup_printf("$%s", entry);
    g_autoptr(LwIpSet) inner = resolve(&deeper, variable);
    lw_ip_set_add_set(set, inner);
    return;
  }
  if (!add_interface_alias(how, entry, set))
    note_unknown(how, entry, set); /* a name, a wildcard mask */
}

/* Entries, and then those behind "!" taken out again. */
static void add_entries(const Resolve *how, const LwOpnAlias *alias, LwIpSet *set) {
  g_autoptr(LwIpSet) excluded = lw_ip_set_new(set->family), included = lw_ip_set_new(set->family);
  Resolve opposite = {how->world, !how->over, how->depth};
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

static void add_alias(const Resolve *how, const char *name, LwIpSet *set) {
  static const char *const listed[] = {"host", "network", "networkgroup", NULL};
  /* filled at run time, by abuse; taken for empty whatever is asked: they only ever block */
  static const char *const internal[] = {"bogons", "bogonsv6", "virusprot", "sshlockout", NULL};
  const LwOpnAlias *alias = lw_opn_alias(how->world->opn, name);
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

static void add_interface_word(const Resolve *how, const char *word, LwIpSet *set) {
  g_autofree char *inner = g_strndup(word + 1, strlen(word) - 2);
  if (g_str_equal(inner, "self")) {
    lw_ip_set_add_set(set, how->world->self);
    return;
  }
  char *colon = strchr(inner, ':');
  gboolean network = colon && g_str_equal(colon, ":network");
  if (colon)
    *colon = '\0';
  const LwOpnLink *link = lw_opn_link_of_device(how->world->pf->links, inner);
  if (!link)
    return;
  if (network)
    add_network(set, link);
  else
    add_address(set, &address_of(link, set->family)->addr);
}

static LwIpSet *resolve_one(const Resolve *how, const char *word) {
  guint8 family = how->world->family;
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

static LwIpSet *resolve(const Resolve *how, const char *text) {
  g_auto(GStrv) words = g_strsplit(text, ",", -1);
  LwIpSet *out = lw_ip_set_new(how->world->family);
  for (char **word = words; *word; word++) {
    gboolean negate = **word == '!';
    Resolve opposite = {how->world, how->over != negate, how->depth};
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

static void add_ports(LwAuditWorld *world, GArray *out, const char *text, guint depth) {
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
  const LwOpnAlias *alias = lw_opn_alias(world->opn, text[0] == '$' ? text + 1 : text);
  for (guint i = 0; alias && alias->enabled && depth < 16 && i < alias->content->len; i++)
    add_ports(world, out, alias->content->pdata[i], depth + 1);
}

static GArray *ports_of(LwAuditWorld *world, const char *text) {
  if (!text)
    return NULL;
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwPortRange));
  add_ports(world, out, text, 0);
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

guint8 lw_audit_protocol(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(protocols); i++)
    if (g_ascii_strcasecmp(protocols[i].name, name) == 0)
      return protocols[i].number;
  guint64 number = strspn(name, "0123456789") == strlen(name) ? g_ascii_strtoull(name, NULL, 10) : 0;
  return number < 255 ? (guint8)number : 0;
}

static void set_protocols(LwAuditRule *rule, const char *text) {
  if (!text)
    return;
  if (g_str_equal(text, "tcp/udp")) {
    rule->protocols[0] = 6;
    rule->protocols[1] = 17;
    rule->protocol_count = 2;
    return;
  }
  rule->protocols[0] = lw_audit_protocol(text);
  rule->protocol_count = 1;
  if (rule->protocols[0] == 0)
    rule->never = TRUE; /* a protocol that no packet of ours has */
}

static GArray *icmp_types(const char *text) {
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

/* ---- rules ---- */

static void free_rule(gpointer data) {
  LwAuditRule *rule = data;
  lw_ip_set_free(rule->source);
  lw_ip_set_free(rule->destination);
  lw_ip_set_free(rule->target);
  g_clear_pointer(&rule->sports, g_array_unref);
  g_clear_pointer(&rule->dports, g_array_unref);
  g_clear_pointer(&rule->icmp_types, g_array_unref);
  g_free(rule->on);
  g_free(rule);
}

static LwAuditRule *compile(LwAuditWorld *world, const LwPfRule *pf, guint index) {
  LwAuditRule *made = g_new0(LwAuditRule, 1);
  gboolean passes = pf->kind != LW_PF_FILTER || g_str_equal(pf->action, "pass");
  Resolve how = {world, passes, 0};
  made->rule = pf;
  made->index = index;
  made->on = g_new0(gboolean, world->zones->len);
  for (guint i = 0; i < world->zones->len; i++)
    made->on[i] = lw_audit_rule_is_on(world, pf, i);
  made->source = resolve(&how, pf->from);
  made->destination = resolve(&how, pf->to);
  made->sports = ports_of(world, pf->from_port);
  made->dports = ports_of(world, pf->to_port);
  made->icmp_types = icmp_types(pf->icmp_types ? pf->icmp_types : pf->icmp6_types);
  set_protocols(made, pf->protocol);
  gboolean timed = pf->rule && pf->rule->schedule;
  if (!passes && (pf->narrows || timed))
    made->never = TRUE;
  if (pf->kind == LW_PF_FILTER || !pf->target)
    return made;
  made->target = resolve(&how, pf->target);
  g_autoptr(GArray) first = ports_of(world, pf->kind == LW_PF_RDR ? pf->target_port : NULL);
  made->target_first = first && first->len ? g_array_index(first, LwPortRange, 0).first : 0;
  return made;
}

static void compile_all(LwAuditWorld *world) {
  guint index = 0;
  for (guint i = 0; i < world->pf->translations->len; i++) {
    const LwPfRule *pf = world->pf->translations->pdata[i];
    if (!pf->disabled && (!pf->family || pf->family == world->family))
      g_ptr_array_add(pf->kind == LW_PF_RDR ? world->rdr : world->nat, compile(world, pf, index++));
  }
  for (guint i = 0; i < world->pf->filter->len; i++) {
    const LwPfRule *pf = world->pf->filter->pdata[i];
    if (!pf->disabled && (!pf->family || pf->family == world->family))
      g_ptr_array_add(world->filter, compile(world, pf, index++));
  }
}

/* ---- zones and routes ---- */

static gboolean is_tunnel(const char *device) {
  static const char *const kinds[] = {"wg",    "ovpnc", "ovpns", "gif", "gre",
                                      "ipsec", "tun",   "tap",   "zt",  "tailscale"};
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_has_prefix(device, kinds[i]))
      return TRUE;
  return FALSE;
}

static gboolean has_gateway(const LwOpn *opn, const char *key) {
  for (guint i = 0; i < opn->gateways->len; i++)
    if (g_str_equal(((LwOpnGateway *)opn->gateways->pdata[i])->interface, key))
      return TRUE;
  return FALSE;
}

/* An uplink has a gateway by lease or configured at the interface; a tunnel that has one is an exit; what is
 * left is inside. */
static LwAuditRole role_of(const LwAuditWorld *world, const LwOpnLink *link) {
  if (is_tunnel(link->interface->device))
    return has_gateway(world->opn, link->interface->key) || link->interface->gateway_interface
               ? LW_ROLE_TUNNEL
               : LW_ROLE_INSIDE;
  return lw_pf_interface_gateway(world->pf, link, 4) || lw_pf_interface_gateway(world->pf, link, 6) ||
                 g_str_equal(link->interface->key, "wan")
             ? LW_ROLE_UPLINK
             : LW_ROLE_INSIDE;
}

static void free_zone(gpointer data) {
  LwAuditZone *zone = data;
  lw_ip_set_free(zone->network);
  g_free(zone);
}

/* What anti-lockout opens; where that is switched off, what the web page listens on alone. */
static gboolean is_management(const LwOpn *opn, const char *lockout, const char *key) {
  return g_strcmp0(lockout ? lockout : opn->web.interfaces, key) == 0;
}

static void add_zone(LwAuditWorld *world, const LwOpnLink *link, const char *management) {
  LwAuditZone *made = g_new0(LwAuditZone, 1);
  made->link = link;
  made->name = link->interface->descr;
  made->role = role_of(world, link);
  made->management = is_management(world->opn, management, link->interface->key);
  made->network = lw_ip_set_new(world->family);
  const LwPrefix *address = address_of(link, world->family);
  if (lw_addr_is_set(&address->addr)) {
    lw_ip_set_add_prefix(made->network, address);
    LwAuditRoute route = {lw_prefix_network(address), world->zones->len, NULL};
    g_array_append_val(world->routes, route);
    add_address(world->self, &address->addr);
    if (made->role == LW_ROLE_INSIDE)
      lw_ip_set_add_set(world->inside, made->network);
  }
  g_ptr_array_add(world->zones, made);
}

static int zone_index(const LwAuditWorld *world, const char *key) {
  for (guint i = 0; key && i < world->zones->len; i++)
    if (g_str_equal(lw_audit_zone(world, i)->link->interface->key, key))
      return (int)i;
  return -1;
}

static void add_route(LwAuditWorld *world, const char *network, const char *key, const LwPfGateway *gateway) {
  LwPrefix prefix;
  int zone = zone_index(world, key);
  if (zone < 0 || !lw_prefix_parse(network, &prefix) || prefix.addr.family != world->family)
    return;
  LwAuditRoute route = {lw_prefix_network(&prefix), (guint)zone, gateway};
  g_array_append_val(world->routes, route);
  if (lw_audit_zone(world, (guint)zone)->role == LW_ROLE_INSIDE && prefix.len > 0) {
    lw_ip_set_add_prefix(world->inside, &prefix);
    lw_ip_set_add_prefix(lw_audit_zone(world, (guint)zone)->network, &prefix);
  }
}

static void add_tunnel_routes(LwAuditWorld *world) {
  for (guint i = 0; world->opn->wireguard && i < world->opn->tunnels->len; i++) {
    const LwOpnWireguard *tunnel = world->opn->tunnels->pdata[i];
    g_autofree char *device = g_strdup_printf("wg%s", tunnel->instance);
    const LwOpnInterface *interface = lw_opn_interface_of_device(world->opn, device);
    if (!tunnel->enabled || tunnel->disable_routes || !interface)
      continue;
    for (guint n = 0; n < tunnel->allowed->len; n++) {
      LwPrefix prefix;
      if (!lw_prefix_parse(tunnel->allowed->pdata[n], &prefix))
        continue;
      gboolean whole = prefix.len == 0;
      /* a peer for everything is set up as two halves, which win over the default route */
      add_route(world, whole ? (prefix.addr.family == 6 ? "::/1" : "0.0.0.0/1") : tunnel->allowed->pdata[n],
                interface->key, NULL);
      if (whole)
        add_route(world, prefix.addr.family == 6 ? "8000::/1" : "128.0.0.0/1", interface->key, NULL);
    }
  }
}

static void add_vips(LwAuditWorld *world) {
  for (guint i = 0; i < world->opn->vips->len; i++) {
    const LwOpnVip *vip = world->opn->vips->pdata[i];
    LwAddr addr;
    if (vip->address && lw_addr_parse(vip->address, &addr))
      add_address(world->self, &addr);
  }
}

static void add_routes(LwAuditWorld *world) {
  for (guint i = 0; i < world->opn->routes->len; i++) {
    const LwOpnRoute *route = world->opn->routes->pdata[i];
    const LwPfGateway *gateway = lw_pf_gateway(world->pf, route->gateway);
    if (gateway && gateway->interface)
      add_route(world, route->network, gateway->interface, gateway);
  }
  add_tunnel_routes(world);
  const LwPfGateway *best = lw_pf_default_gateway(world->pf, world->family);
  if (best)
    add_route(world, world->family == 6 ? "::/0" : "0.0.0.0/0", best->interface, best);
}

LwAuditWorld *lw_audit_world_new(const LwPf *pf, guint8 family) {
  LwAuditWorld *world = g_new0(LwAuditWorld, 1);
  world->pf = pf;
  world->opn = pf->opn;
  world->family = family;
  world->zones = g_ptr_array_new_with_free_func(free_zone);
  world->filter = g_ptr_array_new_with_free_func(free_rule);
  world->rdr = g_ptr_array_new_with_free_func(free_rule);
  world->nat = g_ptr_array_new_with_free_func(free_rule);
  world->routes = g_array_new(FALSE, FALSE, sizeof(LwAuditRoute));
  world->self = lw_ip_set_new(family);
  world->inside = lw_ip_set_new(family);
  world->unknown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const char *management = lw_pf_lockout_interface(pf->opn);
  g_autoptr(GPtrArray) mapping = g_ptr_array_new();
  for (guint i = 0; i < pf->links->links->len; i++) {
    const LwOpnLink *link = &g_array_index(pf->links->links, LwOpnLink, i);
    if (!link->interface->is_virtual && !link->interface->group &&
        !g_str_equal(link->interface->device, "lo0"))
      add_zone(world, link, management);
  }
  add_vips(world);
  add_routes(world);
  compile_all(world);
  return world;
}

void lw_audit_world_free(LwAuditWorld *world) {
  if (!world)
    return;
  g_ptr_array_unref(world->zones);
  g_ptr_array_unref(world->filter);
  g_ptr_array_unref(world->rdr);
  g_ptr_array_unref(world->nat);
  g_array_unref(world->routes);
  lw_ip_set_free(world->self);
  lw_ip_set_free(world->inside);
  g_hash_table_unref(world->unknown);
  g_free(world);
}

LwAuditZone *lw_audit_zone(const LwAuditWorld *world, guint index) {
  return world->zones->pdata[index];
}

int lw_audit_route(const LwAuditWorld *world, LwIp destination) {
  int best = -1;
  LwAddr addr = lw_ip_addr(destination, world->family);
  for (guint i = 0; i < world->routes->len; i++) {
    const LwAuditRoute *route = &g_array_index(world->routes, LwAuditRoute, i);
    if (lw_prefix_contains(&route->prefix, &addr) &&
        (best < 0 || route->prefix.len > g_array_index(world->routes, LwAuditRoute, best).prefix.len))
      best = (int)i;
  }
  return best;
}
