#include "spec/internal.h"

#include <string.h>

static gboolean comes_later(const LwOrigin *a, const LwOrigin *b) {
  int files = g_strcmp0(a->file, b->file);
  if (files)
    return files > 0;
  return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* Zones: no address may belong to two. */

static int by_prefix(gconstpointer a, gconstpointer b) {
  const LwZoneClaim *x = a, *y = b;
  int first = lw_addr_cmp(&x->prefix.addr, &y->prefix.addr);
  return first ? first : x->prefix.len - y->prefix.len;
}

static void report_overlap(LwSpec *spec, const LwZoneClaim *a, const LwZoneClaim *b) {
  const LwZoneClaim *second = comes_later(&a->origin, &b->origin) ? a : b, *first = second == a ? b : a;
  g_autofree char *mine = lw_prefix_format(&second->prefix), *other = lw_prefix_format(&first->prefix);
  g_autofree char *place = lw_origin_format(&first->origin);
  lw_spec_error(spec->diagnostics, second->origin, "%s of %s overlaps %s of %s (%s)", mine, second->what,
                other, first->what, place);
}

static void check_zones(LwSpec *spec) {
  g_array_sort(spec->zones, by_prefix);
  const LwZoneClaim *widest = NULL;
  for (guint i = 0; i < spec->zones->len; i++) {
    const LwZoneClaim *zone = &g_array_index(spec->zones, LwZoneClaim, i);
    /* Sorted prefixes nest or are apart: the last one that was not inside another is the one to look at. */
    if (widest && lw_prefix_overlaps(&widest->prefix, &zone->prefix))
      report_overlap(spec, widest, zone);
    else
      widest = zone;
  }
}

static void check_private(LwSpec *spec) {
  static const char *const texts[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"};
  for (guint i = 0; i < spec->zones->len; i++) {
    const LwZoneClaim *zone = &g_array_index(spec->zones, LwZoneClaim, i);
    gboolean inside = FALSE;
    for (guint j = 0; j < G_N_ELEMENTS(texts); j++) {
      LwPrefix prefix;
      inside |= lw_prefix_parse(texts[j], &prefix) && lw_prefix_contains(&prefix, &zone->prefix.addr) &&
                zone->prefix.len >= prefix.len;
    }
    if (!inside) {
      g_autofree char *text = lw_prefix_format(&zone->prefix);
      lw_spec_warning(spec->diagnostics, zone->origin,
                      "%s of %s is not private: the true owner of these addresses cannot be reached", text,
                      zone->what);
    }
  }
}

/* Addresses of machines. */

static int by_first(gconstpointer a, gconstpointer b) {
  const LwClaim *x = a, *y = b;
  int first = lw_addr_cmp(&x->range.first, &y->range.first);
  if (first)
    return first;
  return comes_later(&x->origin, &y->origin) ? 1 : comes_later(&y->origin, &x->origin) ? -1 : 0;
}

static void check_claim(LwSpec *spec, const LwClaim *claim) {
  const LwSegment *segment = lw_lab_segment(spec->lab, claim->segment);
  g_autofree char *text = lw_range_format(&claim->range);
  if (lw_addr_is_set(&segment->router) && lw_range_contains(&claim->range, &segment->router))
    lw_spec_error(spec->diagnostics, claim->origin, "%s is the router's address in “%s”", text,
                  segment->name);
  if (segment->has_dhcp && lw_range_overlaps(&segment->dhcp, &claim->range)) {
    g_autofree char *dhcp = lw_range_format(&segment->dhcp);
    lw_spec_error(spec->diagnostics, claim->origin,
                  "%s lies in the DHCP range %s of “%s”: take one outside, or shorten the range", text, dhcp,
                  segment->name);
  }
}

static void report_twice(LwSpec *spec, const LwClaim *a, const LwClaim *b) {
  const LwClaim *second = comes_later(&a->origin, &b->origin) ? a : b, *first = second == a ? b : a;
  g_autofree char *text = lw_range_format(&second->range);
  g_autofree char *place = lw_origin_format(&first->origin);
  lw_spec_error(spec->diagnostics, second->origin, "%s belongs to machine “%s” already (%s)", text,
                lw_lab_machine(spec->lab, first->machine)->name, place);
}

/* Sorted by their first address: remembers the furthest-reaching single and shared claim so far. */
static void check_claims(LwSpec *spec) {
  g_array_sort(spec->claims, by_first);
  const LwClaim *single = NULL, *shared = NULL;
  for (guint i = 0; i < spec->claims->len; i++) {
    const LwClaim *claim = &g_array_index(spec->claims, LwClaim, i);
    check_claim(spec, claim);
    if (single && lw_range_overlaps(&single->range, &claim->range) &&
        (single->machine != claim->machine || !claim->shared))
      report_twice(spec, single, claim);
    if (!claim->shared && shared && shared->machine != claim->machine &&
        lw_range_overlaps(&shared->range, &claim->range))
      report_twice(spec, shared, claim);
    const LwClaim **last = claim->shared ? &shared : &single;
    if (!*last || lw_addr_cmp(&claim->range.last, &(*last)->range.last) > 0)
      *last = claim;
  }
}

static void take_mac(LwSpec *spec, GHashTable *seen, const LwMac *mac, const char *what, LwOrigin origin,
                     gboolean derived) {
  char *text = lw_mac_format(mac);
  const char *other = g_hash_table_lookup(seen, text);
  if (other && derived)
    lw_spec_error(spec->diagnostics, origin,
                  "the MAC %s derived for %s is that of %s: give one of them a “mac:”", text, what, other);
  else if (other)
    lw_spec_error(spec->diagnostics, origin, "MAC %s belongs to %s already", text, other);
  if (other)
    g_free(text);
  else
    g_hash_table_insert(seen, text, (gpointer)what);
}

static void check_macs(LwSpec *spec) {
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < spec->macs->len; i++) {
    const LwMacClaim *claim = &g_array_index(spec->macs, LwMacClaim, i);
    take_mac(spec, seen, &claim->mac, claim->what, claim->origin, FALSE);
  }
  for (guint i = 0; i < spec->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(spec->lab, i);
    for (guint j = 0; j < machine->nics->len; j++) {
      const LwNic *nic = lw_machine_nic(machine, j);
      LwMac mac = lw_nic_mac(spec->lab, i, j);
      if (!lw_mac_is_set(&nic->mac))
        take_mac(spec, seen, &mac, machine->name, nic->origin, TRUE);
    }
  }
}

/* Forwards: two may not wait at one port of one exit. */

typedef struct {
  guint exit; /* 0: WAN; else tunnel index + 1 */
  gboolean udp;
  const LwForward *forward;
} ExitPort;

static void add_exit_port(GArray *ports, guint exit, const LwForward *forward) {
  ExitPort port = {exit, FALSE, forward};
  if (forward->tcp)
    g_array_append_val(ports, port);
  port.udp = TRUE;
  if (forward->udp)
    g_array_append_val(ports, port);
}

/* Every exit that the forward may have: the one its target is pinned to, else each of the pool. */
static void add_exits(GArray *ports, const LwSegment *segment, const LwForward *forward) {
  for (guint i = 0; i < segment->pins->len; i++) {
    const LwPin *pin = segment->pins->pdata[i];
    if (pin->range.first.family && lw_range_contains(&pin->range, &forward->address)) {
      add_exit_port(ports, pin->tunnel == LW_NONE ? 0 : pin->tunnel + 1, forward);
      return;
    }
  }
  if (segment->egress == LW_EGRESS_DIRECT)
    add_exit_port(ports, 0, forward);
  for (guint i = 0; i < segment->exits->len; i++)
    add_exit_port(ports, g_array_index(segment->exits, guint, i) + 1, forward);
}

static int by_exit_port(gconstpointer a, gconstpointer b) {
  const ExitPort *x = a, *y = b;
  if (x->exit != y->exit)
    return x->exit < y->exit ? -1 : 1;
  if (x->udp != y->udp)
    return x->udp ? 1 : -1;
  return x->forward->first_port - y->forward->first_port;
}

static void report_forward(LwSpec *spec, const ExitPort *a, const ExitPort *b) {
  gboolean later = comes_later(&a->forward->origin, &b->forward->origin);
  const LwForward *second = later ? a->forward : b->forward, *first = later ? b->forward : a->forward;
  g_autofree char *place = lw_origin_format(&first->origin);
  const char *exit = a->exit ? lw_lab_tunnel(spec->lab, a->exit - 1)->name : "WAN";
  lw_spec_error(spec->diagnostics, second->origin, "this port of exit %s is forwarded already (%s)", exit,
                place);
}

/* What the router itself answers on WAN. */
static void check_own_ports(LwSpec *spec, const ExitPort *port) {
  const LwForward *forward = port->forward;
  if (port->exit || !port->udp)
    return;
  if (forward->first_port <= 68 && forward->last_port >= 68)
    lw_spec_error(spec->diagnostics, forward->origin, "udp/68 of WAN is the router's own DHCP client's");
  for (guint i = 0; i < spec->lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(spec->lab, i);
    guint16 listen = tunnel->wg.listen_port;
    if (listen && forward->first_port <= listen && forward->last_port >= listen)
      lw_spec_error(spec->diagnostics, forward->origin, "udp/%u of WAN is the ListenPort of tunnel “%s”",
                    listen, tunnel->name);
  }
}

static void check_forwards(LwSpec *spec) {
  g_autoptr(GArray) ports = g_array_new(FALSE, TRUE, sizeof(ExitPort));
  for (guint i = 0; i < spec->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(spec->lab, i);
    for (guint j = 0; j < segment->forwards->len; j++)
      add_exits(ports, segment, segment->forwards->pdata[j]);
  }
  g_array_sort(ports, by_exit_port);
  const ExitPort *furthest = NULL;
  for (guint i = 0; i < ports->len; i++) {
    const ExitPort *port = &g_array_index(ports, ExitPort, i);
    check_own_ports(spec, port);
    if (furthest && (furthest->exit != port->exit || furthest->udp != port->udp))
      furthest = NULL;
    if (furthest && port->forward->first_port <= furthest->forward->last_port)
      report_forward(spec, furthest, port);
    if (!furthest || port->forward->last_port > furthest->forward->last_port)
      furthest = port;
  }
}

static void check_networks(LwSpec *spec) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < spec->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(spec->lab, i);
    const char *other = g_hash_table_lookup(seen, segment->network);
    if (other)
      lw_spec_error(spec->diagnostics, segment->origin,
                    "libvirt network “%s” of segment “%s” is that of “%s” already", segment->network,
                    segment->name, other);
    else
      g_hash_table_insert(seen, segment->network, segment->name);
  }
}

void lw_spec_check(LwSpec *spec) {
  check_zones(spec);
  check_private(spec);
  check_claims(spec);
  check_macs(spec);
  check_forwards(spec);
  check_networks(spec);
}
