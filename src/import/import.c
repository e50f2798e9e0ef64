#include "import/internal.h"

#include "base/error.h"
#include "base/secret.h"

#include <string.h>

void lw_import_free(LwImport *import) {
  if (!import)
    return;
  g_free(import->yaml);
  g_clear_pointer(&import->tunnels, g_ptr_array_unref);
  g_clear_pointer(&import->notes, g_ptr_array_unref);
  g_clear_pointer(&import->cards, g_hash_table_unref);
  g_free(import);
}

static void free_tunnel(gpointer data) {
  LwImportedTunnel *tunnel = data;
  g_free(tunnel->name);
  lw_secret_clear(tunnel->text);
  g_free(tunnel);
}

void lw_import_note(const Importing *in, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  if (!g_ptr_array_find_with_equal_func(in->out->notes, text, g_str_equal, NULL))
    g_ptr_array_add(in->out->notes, g_steal_pointer(&text));
}

char *lw_import_name(const char *text) {
  static const char *const reserved[] = {"host",     "internet", "router", "wan", "mgmt",
                                         "home-lan", "direct",   "none",   "any", NULL};
  GString *out = g_string_new(NULL);
  for (const char *c = text; *c && out->len < 12; c++) {
    if (g_ascii_isalnum(*c))
      g_string_append_c(out, g_ascii_tolower(*c));
    else if (out->len && out->str[out->len - 1] != '-')
      g_string_append_c(out, '-');
  }
  while (out->len && out->str[out->len - 1] == '-')
    g_string_truncate(out, out->len - 1);
  if (out->len == 0 || !g_ascii_isalpha(out->str[0]))
    g_string_prepend(out, "n");
  if (g_strv_contains(reserved, out->str))
    g_string_append(out, "1");
  return g_string_free(out, FALSE);
}

char *lw_import_ranges(const LwIpSet *set) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < set->ranges->len; i++) {
    const LwIpRange *each = &g_array_index(set->ranges, LwIpRange, i);
    LwRange range = {lw_ip_addr(each->first, 4), lw_ip_addr(each->last, 4)};
    g_autofree char *first = lw_addr_format(&range.first), *last = lw_addr_format(&range.last);
    g_string_append_printf(out, "%s%s", i ? ", " : "", first);
    if (!lw_addr_equal(&range.first, &range.last))
      g_string_append_printf(out, "-%s", last);
  }
  return g_string_free(out, FALSE);
}

static gboolean name_is_taken(const Importing *in, const char *name) {
  for (guint i = 0; i < in->names->len; i++)
    if (g_strcmp0(in->names->pdata[i], name) == 0)
      return TRUE;
  GHashTableIter iter;
  gpointer machine;
  g_hash_table_iter_init(&iter, in->machines);
  while (g_hash_table_iter_next(&iter, NULL, &machine))
    if (g_str_equal(machine, name))
      return TRUE;
  return FALSE;
}

static char *free_name(const Importing *in, const char *text) {
  char *name = lw_import_name(text);
  g_autofree char *base = g_strdup(name);
  for (guint n = 2; name_is_taken(in, name); n++) {
    g_free(name);
    name = g_strdup_printf("%s%u", base, n);
  }
  return name;
}

/* ---- places ---- */

static void name_zones(Importing *in) {
  for (guint z = 0; z < in->world->zones->len; z++) {
    const LwAuditZone *zone = lw_audit_zone(in->world, z);
    gboolean inside = zone->role == LW_ROLE_INSIDE && !lw_ip_set_is_empty(zone->network);
    if (zone->management && inside && in->management < 0)
      in->management = (int)z;
    gboolean named = (inside && (int)z != in->management) || zone->role == LW_ROLE_TUNNEL;
    g_ptr_array_add(in->names, named ? free_name(in, zone->name) : NULL);
  }
}

/* "vtnet2" is 2; G_MAXUINT: it is no such device. */
static guint card_of(const LwAuditZone *zone) {
  static const char head[] = "vtnet";
  const char *device = zone->link->interface->device;
  guint64 number = 0;
  return device && g_str_has_prefix(device, head) &&
                 g_ascii_string_to_unsigned(device + strlen(head), 10, 0, 4095, &number, NULL)
             ? (guint)number
             : G_MAXUINT;
}

static void note_cards(Importing *in) {
  for (guint z = 0; z < in->world->zones->len; z++) {
    const LwAuditZone *zone = lw_audit_zone(in->world, z);
    guint card = card_of(zone);
    if ((int)z == in->management)
      in->out->management = card;
    else if (in->names->pdata[z] && card != G_MAXUINT && card > 0)
      g_hash_table_insert(in->out->cards, g_strdup(in->names->pdata[z]), GUINT_TO_POINTER(card));
  }
}

/* By a route that goes through it, or as the place in management that rules name most. */
static void find_host(Importing *in) {
  if (in->management < 0)
    return;
  const LwAuditZone *zone = lw_audit_zone(in->world, (guint)in->management);
  guint most = 0;
  for (guint i = 0; i < in->world->routes->len; i++) {
    const LwAuditRoute *route = &g_array_index(in->world->routes, LwAuditRoute, i);
    if (route->gateway && route->gateway->address && (int)route->zone == in->management &&
        lw_addr_parse(route->gateway->address, &in->host))
      return;
  }
  for (guint i = 0; i < in->world->filter->len; i++) {
    const LwIpSet *to = ((LwAuditRule *)in->world->filter->pdata[i])->destination;
    LwIpRange only =
        to->ranges->len == 1 ? g_array_index(to->ranges, LwIpRange, 0) : (LwIpRange){{0, 1}, {0, 0}};
    if (lw_ip_cmp(only.first, only.last) != 0 || !lw_ip_set_contains(zone->network, only.first) ||
        lw_ip_set_contains(in->world->self, only.first))
      continue;
    guint count = 0;
    for (guint n = 0; n < in->world->filter->len; n++) {
      const LwIpSet *other = ((LwAuditRule *)in->world->filter->pdata[n])->destination;
      count += other->ranges->len == 1 &&
               lw_ip_cmp(g_array_index(other->ranges, LwIpRange, 0).first, only.first) == 0;
    }
    if (count > most) {
      most = count;
      in->host = lw_ip_addr(only.first, 4);
    }
  }
  if (!lw_addr_is_set(&in->host))
    lw_import_note(in, "no rule names the host: its address in the management network is a guess");
}

/* As its route is described, "lanward: containers" or in words of somebody's; else a number. */
static char *network_name(const Importing *in, const LwPrefix *prefix, guint number) {
  static const char ours[] = "lanward: ";
  for (guint i = 0; i < in->opn->routes->len; i++) {
    const LwOpnRoute *route = in->opn->routes->pdata[i];
    LwPrefix own;
    if (!route->descr || !*route->descr || !lw_prefix_parse(route->network, &own) ||
        !lw_prefix_equal(&own, prefix) || g_str_equal(route->descr, "lanward"))
      continue;
    return free_name(in, g_str_has_prefix(route->descr, ours) ? route->descr + strlen(ours) : route->descr);
  }
  return g_strdup_printf("net%u", number);
}

static void put_host(Importing *in) {
  g_string_append(in->yaml,
                  "\nhost:\n  uplink: eth0   # not in the file: the network card towards the home router\n");
  lw_import_note(in, "host.uplink: the host's network card is not in the file: eth0 stands for it");
  if (in->management < 0) {
    lw_import_note(in, "no network for management was found: the default stands for it");
    return;
  }
  const LwPrefix *own = &lw_audit_zone(in->world, (guint)in->management)->link->address4;
  LwPrefix subnet = lw_prefix_network(own);
  if (!lw_addr_is_set(&in->host))
    in->host = lw_addr_add(&subnet.addr, 15);
  g_autofree char *prefix = lw_prefix_format(&subnet), *router = lw_addr_format(&own->addr),
                  *host = lw_addr_format(&in->host);
  g_string_append_printf(in->yaml, "  management: {subnet: %s, address: %s, router: %s}\n", prefix, host,
                         router);
  guint count = 0;
  for (guint i = 0; i < in->world->routes->len; i++) {
    const LwAuditRoute *route = &g_array_index(in->world->routes, LwAuditRoute, i);
    if (!route->gateway || (int)route->zone != in->management)
      continue;
    g_autofree char *network = lw_prefix_format(&route->prefix);
    g_autofree char *name = network_name(in, &route->prefix, ++count);
    g_string_append_printf(in->yaml, "%s    %s: %s\n", count > 1 ? "" : "  networks:\n", name, network);
  }
}

/* ---- machines ---- */

const char *lw_import_machine(Importing *in, LwAddr address, guint zone) {
  g_autofree char *text = lw_addr_format(&address);
  const char *known = g_hash_table_lookup(in->machines, text);
  if (known || (int)zone == in->management)
    return known;
  g_autofree char *wish = g_strdup_printf("%s-%u", (char *)in->names->pdata[zone], (guint)address.bytes[3]);
  char *name = free_name(in, wish);
  g_hash_table_insert(in->machines, g_steal_pointer(&text), name);
  return name;
}

static guint zone_of(const Importing *in, const LwAddr *addr) {
  for (guint z = 0; z < in->world->zones->len; z++)
    if (in->names->pdata[z] && lw_audit_zone(in->world, z)->role == LW_ROLE_INSIDE &&
        lw_prefix_contains(&lw_audit_zone(in->world, z)->link->address4, addr))
      return z;
  return G_MAXUINT;
}

static void read_reservations(Importing *in) {
  for (guint i = 0; i < in->opn->dnsmasq.reservations->len; i++) {
    const LwOpnReservation *each = in->opn->dnsmasq.reservations->pdata[i];
    LwAddr addr = LW_ADDR_NONE;
    if (!each->address || !lw_addr_parse(each->address, &addr) || zone_of(in, &addr) == G_MAXUINT) {
      lw_import_note(in, "the reservation of %s is of no segment's address: left out",
                     each->host ? each->host : "somebody");
      continue;
    }
    g_autofree char *name = free_name(in, each->host ? each->host : "machine");
    g_hash_table_insert(in->machines, lw_addr_format(&addr), g_steal_pointer(&name));
  }
}

static const char *mac_of(const Importing *in, const char *address) {
  for (guint i = 0; i < in->opn->dnsmasq.reservations->len; i++) {
    const LwOpnReservation *each = in->opn->dnsmasq.reservations->pdata[i];
    if (g_strcmp0(each->address, address) == 0)
      return each->mac;
  }
  return NULL;
}

/* An address of the range that DHCP hands out is the lab's own to give. */
static gboolean is_handed_out(const Importing *in, const LwAddr *addr) {
  for (guint i = 0; i < in->opn->dnsmasq.ranges->len; i++) {
    const LwOpnRange *each = in->opn->dnsmasq.ranges->pdata[i];
    LwRange range = {LW_ADDR_NONE, LW_ADDR_NONE};
    if (each->first && each->last && lw_addr_parse(each->first, &range.first) &&
        lw_addr_parse(each->last, &range.last) && lw_range_contains(&range, addr))
      return TRUE;
  }
  return FALSE;
}

static void put_machines(Importing *in) {
  g_autoptr(GList) addresses =
      g_list_sort(g_hash_table_get_keys(in->machines), (GCompareFunc)lw_opn_natural_cmp);
  if (addresses)
    g_string_append(in->yaml, "\nmachines:\n");
  for (GList *each = addresses; each; each = each->next) {
    LwAddr addr = LW_ADDR_NONE;
    lw_addr_parse(each->data, &addr);
    const char *mac = mac_of(in, each->data);
    const char *name = g_hash_table_lookup(in->machines, each->data);
    gboolean handed = is_handed_out(in, &addr);
    g_string_append_printf(
        in->yaml, "  %s: {segment: %s%s%s%s%s}\n", name, (char *)in->names->pdata[zone_of(in, &addr)],
        handed ? "" : ", address: ", handed ? "" : (char *)each->data, mac ? ", mac: " : "", mac ? mac : "");
    if (handed)
      lw_import_note(
          in, "%s has %s, out of the range that DHCP hands out: it gets one of the range, and keeps it", name,
          (char *)each->data);
  }
}

/* ---- segments ---- */

static void put_dhcp(const Importing *in, const LwAuditZone *zone) {
  for (guint i = 0; i < in->opn->dnsmasq.ranges->len; i++) {
    const LwOpnRange *range = in->opn->dnsmasq.ranges->pdata[i];
    if (g_strcmp0(range->interface, zone->link->interface->key) == 0 && range->first && range->last) {
      g_string_append_printf(in->yaml, "    dhcp: %s-%s\n", range->first, range->last);
      return;
    }
  }
}

static gboolean is_dns(const LwPfRule *rdr) {
  return g_strcmp0(rdr->to_port, "53") == 0;
}

/* A tunnel's own resolver stands in its file. */
static gboolean is_of_tunnel(const Importing *in, const char *resolver) {
  g_autofree char *line = g_strdup_printf("DNS = %s\n", resolver);
  for (guint i = 0; i < in->out->tunnels->len; i++)
    if (strstr(((LwImportedTunnel *)in->out->tunnels->pdata[i])->text, line))
      return TRUE;
  return FALSE;
}

/* Whom a rule leads queries of the zone to; NULL: it does not, or to the router or a tunnel's own resolver.
 */
static const char *resolver_of(const Importing *in, const LwAuditRule *rdr, guint zone) {
  LwAddr to = LW_ADDR_NONE;
  gboolean leads = rdr->on[zone] && rdr->rule->forward && is_dns(rdr->rule) && rdr->rule->target &&
                   lw_addr_parse(rdr->rule->target, &to) &&
                   !lw_ip_set_contains(in->world->self, lw_ip_of(&to)) &&
                   !is_of_tunnel(in, rdr->rule->target);
  return leads ? rdr->rule->target : NULL;
}

/* The resolver that queries of a segment are led to. A rule names one: what else a file may have named is
 * lost there. */
static void put_dns(const Importing *in, guint zone, const char *segment) {
  const char *first = NULL;
  for (guint i = 0; i < in->world->rdr->len; i++) {
    const char *resolver = resolver_of(in, in->world->rdr->pdata[i], zone);
    if (!resolver || g_strcmp0(resolver, first) == 0)
      continue;
    if (first) {
      lw_import_note(in,
                     "%s: some queries are led to %s, others to %s: the file says the first for all of them",
                     segment, first, resolver);
      return;
    }
    first = resolver;
  }
  if (!first)
    return;
  g_string_append_printf(in->yaml, "    dns: %s\n", first);
  lw_import_note(
      in, "%s: dns: %s is all that the configuration names: a rule leads queries to one resolver alone",
      segment, first);
}

/* The exit's port to a machine's, as far as a line can say it. */
static void put_forwards(Importing *in, guint zone) {
  g_autoptr(GString) lines = g_string_new(NULL);
  g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < in->world->rdr->len; i++) {
    const LwAuditRule *rdr = in->world->rdr->pdata[i];
    LwAddr to = LW_ADDR_NONE;
    if (!rdr->rule->forward || rdr->rule->negative || !rdr->rule->target || !rdr->dports ||
        rdr->dports->len != 1 || !lw_addr_parse(rdr->rule->target, &to) || zone_of(in, &to) != zone ||
        is_dns(rdr->rule))
      continue;
    const LwPortRange *ports = &g_array_index(rdr->dports, LwPortRange, 0);
    const char *proto = rdr->protocol_count == 2 ? "tcp+udp" : rdr->protocols[0] == 6 ? "tcp" : "udp";
    g_autofree char *span = ports->first == ports->last ? g_strdup_printf("%u", ports->first)
                                                        : g_strdup_printf("%u-%u", ports->first, ports->last);
    gboolean moves = rdr->target_first && rdr->target_first != ports->first;
    g_autofree char *inner = moves ? g_strdup_printf(", to-port: %u", rdr->target_first) : g_strdup("");
    char *line =
        g_strdup_printf("{port: %s/%s, to: %s%s}", proto, span, lw_import_machine(in, to, zone), inner);
    if (!g_hash_table_contains(told, line))
      g_string_append_printf(lines, "%s%s", lines->len ? ", " : "", line);
    g_hash_table_add(told, line);
  }
  if (lines->len)
    g_string_append_printf(in->yaml, "    forward: [%s]\n", lines->str);
}

static guint put_segments(Importing *in) {
  guint count = 0;
  g_string_append(in->yaml, "\nsegments:\n");
  for (guint z = 0; z < in->world->zones->len; z++) {
    const LwAuditZone *zone = lw_audit_zone(in->world, z);
    if (zone->role != LW_ROLE_INSIDE || !in->names->pdata[z])
      continue;
    LwPrefix subnet = lw_prefix_network(&zone->link->address4);
    g_autofree char *prefix = lw_prefix_format(&subnet), *router = lw_addr_format(&zone->link->address4.addr);
    g_string_append_printf(in->yaml, "  %s:\n    subnet: %s\n    router: %s\n", (char *)in->names->pdata[z],
                           prefix, router);
    put_dhcp(in, zone);
    put_dns(in, z, in->names->pdata[z]);
    lw_import_flows(in, z);
    put_forwards(in, z);
    count++;
  }
  return count;
}

static void note_unsaid(const Importing *in) {
  for (guint i = 0; i < in->opn->unread->len; i++)
    lw_import_note(in, "%s: not carried over", (const char *)in->opn->unread->pdata[i]);
  if (in->opn->ipv6_allowed)
    lw_import_note(in, "IPv6 is on: a lab has none, and what passed by it will not");
  for (guint i = 0; i < in->opn->aliases->len; i++) {
    const LwOpnAlias *alias = in->opn->aliases->pdata[i];
    if (!g_str_equal(alias->type, "host") && !g_str_equal(alias->type, "network") &&
        !g_str_equal(alias->type, "port") && !g_str_equal(alias->type, "networkgroup"))
      lw_import_note(in, "alias %s is fetched by OPNsense: rules with it were taken to pass all they might",
                     alias->name);
  }
  lw_import_note(in, "machines that have no reservation are not in the file, nor what kind they are");
}

static LwImport *import(Importing *in, GError **error) {
  g_string_append(in->yaml,
                  "# From an OPNsense's config.xml. What it could not say is told by lanward import.\n"
                  "lab: imported\n");
  name_zones(in);
  note_cards(in);
  find_host(in);
  put_host(in);
  g_string_append(in->yaml, "\nrouter: {kind: opnsense}\n");
  read_reservations(in);
  lw_import_tunnels(in);
  guint segments = put_segments(in);
  put_machines(in);
  note_unsaid(in);
  if (segments == 0)
    g_set_error_literal(
        error, LW_ERROR, LW_ERROR_SPEC,
        "no interface of the file has a network of its own beside management: there is no segment "
        "to be made of it");
  in->out->yaml = g_string_free(g_steal_pointer(&in->yaml), FALSE);
  return segments ? g_steal_pointer(&in->out) : NULL;
}

LwImport *lw_opnsense_import(const char *config, GError **error) {
  g_autoptr(LwOpn) opn = lw_opn_parse(config, strlen(config), error);
  if (!opn)
    return NULL;
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GHashTable) machines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  LwImport *out = g_new0(LwImport, 1);
  out->tunnels = g_ptr_array_new_with_free_func(free_tunnel);
  out->notes = g_ptr_array_new_with_free_func(g_free);
  out->cards = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  out->management = G_MAXUINT;
  Importing in = {.config = config,
                  .opn = opn,
                  .audit = audit,
                  .world = lw_audit_world(audit, 0),
                  .names = names,
                  .management = -1,
                  .host = LW_ADDR_NONE,
                  .machines = machines,
                  .yaml = g_string_new(NULL),
                  .out = out};
  LwImport *made = import(&in, error);
  if (!made)
    lw_import_free(in.out);
  return made;
}
