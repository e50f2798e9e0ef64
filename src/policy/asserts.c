#include "policy/asserts.h"

#include "policy/names.h"

#include <string.h>

typedef struct {
  const LwLab *lab;
  const LwFacts *facts;
  const LwAssert *assertion;
  LwPrefix home_lan; /* known, or taken for one */
} Check;

/* One zone of what an assert names as an end. */
typedef struct {
  LwZone zone;
  const LwTarget *target;
  gboolean is_source;
} End;

typedef struct {
  LwProto proto;
  guint16 port;
} Service;

/* --- addresses
 * ----------------------------------------------------------------------------------------------------- */

static gboolean knows_home_lan(const Check *check) {
  return check->facts->home_lan.addr.family == 4;
}

static LwRange one(LwAddr addr) {
  return (LwRange){addr, addr};
}

static void add_cut(GArray *cuts, LwRange range) {
  if (range.first.family == 4)
    g_array_append_val(cuts, range);
}

/* All addresses of a machine in a segment, as ranges. */
static GArray *machine_ranges(const Check *check, guint machine, guint segment) {
  GArray *ranges = g_array_new(FALSE, FALSE, sizeof(LwRange));
  const LwMachine *m = lw_lab_machine(check->lab, machine);
  for (guint n = 0; n < m->nics->len; n++) {
    const LwNic *nic = lw_machine_nic(m, n);
    if (lw_nic_segment(check->lab, check->facts, machine, n) != segment)
      continue;
    add_cut(ranges, one(lw_nic_address(check->lab, check->facts, machine, n)));
    for (guint i = 0; nic->segment == segment && i < nic->addresses->len; i++)
      add_cut(ranges, lw_prefix_range(&g_array_index(nic->addresses, LwPrefix, i)));
  }
  return ranges;
}

static gboolean has_address(const Check *check, guint machine, guint segment, const LwAddr *addr) {
  g_autoptr(GArray) ranges = machine_ranges(check, machine, segment);
  for (guint i = 0; i < ranges->len; i++)
    if (lw_range_contains(&g_array_index(ranges, LwRange, i), addr))
      return TRUE;
  return FALSE;
}

static gboolean may_spoof(const Check *check, guint machine, guint segment) {
  const LwMachine *m = lw_lab_machine(check->lab, machine);
  for (guint n = 0; n < m->nics->len; n++)
    if (lw_machine_nic(m, n)->spoof_ok && lw_nic_segment(check->lab, check->facts, machine, n) == segment)
      return TRUE;
  return FALSE;
}

static gboolean is_in_lab(const LwLab *lab, const LwAddr *addr) {
  gboolean found = lw_prefix_contains(&lab->host.management.subnet, addr);
  for (guint i = 0; !found && i < lab->segments->len; i++)
    found = lw_prefix_contains(&lw_lab_segment(lab, i)->subnet, addr);
  for (guint i = 0; !found && i < lab->host.networks->len; i++)
    found = lw_prefix_contains(&lw_lab_network(lab, i)->prefix, addr);
  return found;
}

static gboolean is_special(const LwAddr *addr) {
  LwPrefix prefix;
  for (guint i = 0; lw_intent_special(i, &prefix); i++)
    if (lw_prefix_contains(&prefix, addr))
      return TRUE;
  return FALSE;
}

/* The router's address as that zone knows it. */
static LwAddr router_of(const Check *check, const LwZone *from) {
  if (from->kind == LW_ZONE_SEGMENT)
    return lw_lab_segment(check->lab, from->index)->router;
  if (from->kind == LW_ZONE_HOME_LAN || (from->kind == LW_ZONE_INTERNET && from->index == LW_NONE)) {
    LwRange whole = lw_prefix_range(&check->home_lan);
    return lw_addr_add(&whole.last, -1); /* by lease: any will do */
  }
  if (from->kind == LW_ZONE_INTERNET) {
    const GArray *addresses = lw_lab_tunnel(check->lab, from->index)->wg.addresses;
    for (guint i = 0; i < addresses->len; i++)
      if (g_array_index(addresses, LwPrefix, i).addr.family == 4)
        return g_array_index(addresses, LwPrefix, i).addr;
  }
  return check->lab->host.management.router;
}

static gboolean is_router(const Check *check, const LwAddr *addr, const LwZone *from) {
  LwAddr own = router_of(check, from);
  if (lw_addr_equal(addr, &own))
    return TRUE;
  if (check->assertion->allow)
    return FALSE; /* “the router” is what answers this source */
  if (lw_addr_equal(addr, &check->lab->host.management.router))
    return TRUE;
  for (guint i = 0; i < check->lab->segments->len; i++)
    if (lw_addr_equal(addr, &lw_lab_segment(check->lab, i)->router))
      return TRUE;
  return FALSE;
}

static gboolean is_in_zone(const Check *check, const End *end, const LwZone *from, const LwAddr *addr) {
  const LwLab *lab = check->lab;
  switch (end->zone.kind) {
  case LW_ZONE_SEGMENT: {
    const LwSegment *s = lw_lab_segment(lab, end->zone.index);
    LwRange whole = lw_prefix_range(&s->subnet);
    return lw_range_contains(&whole, addr) && !lw_addr_equal(addr, &whole.first) &&
           !lw_addr_equal(addr, &whole.last) && !lw_addr_equal(addr, &s->router);
  }
  case LW_ZONE_HOST:
    return lw_addr_equal(addr, &lab->host.management.address);
  case LW_ZONE_ROUTER:
    return is_router(check, addr, from);
  case LW_ZONE_NETWORK:
    return lw_prefix_contains(&lw_lab_network(lab, end->zone.index)->prefix, addr);
  case LW_ZONE_HOME_LAN:
    return lw_prefix_contains(&check->home_lan, addr) && !is_in_lab(lab, addr);
  case LW_ZONE_INTERNET:
    if (is_in_lab(lab, addr) || (knows_home_lan(check) && lw_prefix_contains(&check->home_lan, addr)))
      return FALSE;
    return end->target->kind == LW_TARGET_PREFIX || !is_special(addr);
  }
  return FALSE;
}

static gboolean is_at_end(const Check *check, const End *end, const LwZone *from, const LwAddr *addr) {
  if (addr->family != 4 || !is_in_zone(check, end, from, addr))
    return FALSE;
  const LwTarget *target = end->target;
  if (target->kind == LW_TARGET_PREFIX)
    return lw_prefix_contains(&target->prefix, addr);
  if (target->kind != LW_TARGET_MACHINE)
    return TRUE;
  if (end->is_source && !check->assertion->allow && may_spoof(check, target->machine, target->index))
    return TRUE;
  return has_address(check, target->machine, target->index, addr);
}

/* What bounds the zone itself. */
static void cut_by_zone(const Check *check, const End *end, const LwZone *from, GArray *cuts) {
  const LwLab *lab = check->lab;
  LwPrefix special;
  switch (end->zone.kind) {
  case LW_ZONE_SEGMENT: {
    const LwSegment *s = lw_lab_segment(lab, end->zone.index);
    LwRange whole = lw_prefix_range(&s->subnet);
    add_cut(cuts, one(whole.first));
    add_cut(cuts, one(s->router));
    add_cut(cuts, one(whole.last));
    break;
  }
  case LW_ZONE_HOST:
    add_cut(cuts, one(lab->host.management.address));
    break;
  case LW_ZONE_ROUTER:
    add_cut(cuts, one(router_of(check, from)));
    add_cut(cuts, one(lab->host.management.router));
    for (guint i = 0; i < lab->segments->len; i++)
      add_cut(cuts, one(lw_lab_segment(lab, i)->router));
    break;
  case LW_ZONE_NETWORK:
    add_cut(cuts, lw_prefix_range(&lw_lab_network(lab, end->zone.index)->prefix));
    break;
  case LW_ZONE_INTERNET:
    for (guint i = 0; lw_intent_special(i, &special); i++)
      add_cut(cuts, lw_prefix_range(&special));
    add_cut(cuts, lw_prefix_range(&lab->host.management.subnet));
    for (guint i = 0; i < lab->host.networks->len; i++)
      add_cut(cuts, lw_prefix_range(&lw_lab_network(lab, i)->prefix));
    for (guint i = 0; i < lab->segments->len; i++)
      if (end->target->kind == LW_TARGET_PREFIX) /* else all of them are special anyway */
        add_cut(cuts, lw_prefix_range(&lw_lab_segment(lab, i)->subnet));
    add_cut(cuts, lw_prefix_range(&check->home_lan));
    break;
  case LW_ZONE_HOME_LAN:
    add_cut(cuts, lw_prefix_range(&check->home_lan));
    break;
  }
}

static void cut_by_machine(const Check *check, guint machine, guint segment, GArray *cuts) {
  g_autoptr(GArray) ranges = machine_ranges(check, machine, segment);
  g_array_append_vals(cuts, ranges->data, ranges->len);
}

static void cut_by_target(const Check *check, const LwTarget *target, GArray *cuts) {
  if (target->kind == LW_TARGET_PREFIX)
    add_cut(cuts, lw_prefix_range(&target->prefix));
  else if (target->kind == LW_TARGET_MACHINE)
    cut_by_machine(check, target->machine, target->index, cuts);
}

/* Addresses that make an example easy to read, before any edge of a range. */
static void add_telling(const Check *check, const End *end, GArray *addrs) {
  LwAddr public = lw_addr_from_v4(0x08080404);
  LwRange home = lw_prefix_range(&check->home_lan);
  LwAddr neighbour = lw_addr_add(&home.first, 10);
  if (end->zone.kind == LW_ZONE_INTERNET)
    g_array_append_val(addrs, public);
  if (end->zone.kind == LW_ZONE_HOME_LAN)
    g_array_append_val(addrs, neighbour);
  if (end->zone.kind != LW_ZONE_SEGMENT)
    return;
  const LwSegment *s = lw_lab_segment(check->lab, end->zone.index);
  for (guint m = 0; m < check->lab->machines->len; m++) {
    g_autoptr(GArray) ranges = machine_ranges(check, m, end->zone.index);
    for (guint i = 0; i < ranges->len; i++)
      g_array_append_val(addrs, g_array_index(ranges, LwRange, i).first);
  }
  if (s->has_dhcp)
    g_array_append_val(addrs, s->dhcp.first);
}

/* Not yet so many of the kind. */
static gboolean is_needed(GHashTable *kinds, const GArray *cuts, const LwAddr *addr, guint most) {
  char *kind = g_malloc(cuts->len + 1);
  for (guint i = 0; i < cuts->len; i++)
    kind[i] = lw_range_contains(&g_array_index(cuts, LwRange, i), addr) ? '1' : '0';
  kind[cuts->len] = '\0';
  guint count = GPOINTER_TO_UINT(g_hash_table_lookup(kinds, kind));
  g_hash_table_replace(kinds, kind, GUINT_TO_POINTER(count + 1));
  return count < most;
}

static gboolean has_addr(const GArray *addrs, const LwAddr *addr) {
  for (guint i = 0; i < addrs->len; i++)
    if (lw_addr_equal(&g_array_index(addrs, LwAddr, i), addr))
      return TRUE;
  return FALSE;
}

/* An address of the end for each part that the cuts divide it into: a part begins where a cut begins, or
 * right after one, and ends likewise. Two where the other end of the flow may need the first. */
static GArray *addresses_of(const Check *check, const End *end, const LwZone *from, const GArray *cuts) {
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  GArray *chosen = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  g_autoptr(GHashTable) kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint most = !end->is_source && end->zone.kind == from->kind && end->zone.index == from->index ? 2 : 1;
  add_telling(check, end, all);
  for (guint i = 0; i < cuts->len; i++) {
    const LwRange *cut = &g_array_index(cuts, LwRange, i);
    const LwAddr edges[] = {cut->first, cut->last, lw_addr_add(&cut->last, 1), lw_addr_add(&cut->first, -1)};
    g_array_append_vals(all, edges, G_N_ELEMENTS(edges));
  }
  for (guint i = 0; i < all->len; i++) {
    const LwAddr *addr = &g_array_index(all, LwAddr, i);
    if (is_at_end(check, end, from, addr) && !has_addr(chosen, addr) && is_needed(kinds, cuts, addr, most))
      g_array_append_val(chosen, *addr);
  }
  return chosen;
}

/* --- the lines that could tell flows apart
 * --------------------------------------------------------------------------- */

static gboolean concerns(const LwTarget *target, const LwZone *to) {
  switch (target->kind) {
  case LW_TARGET_HOST:
  case LW_TARGET_HOST_SERVICE:
    return to->kind == LW_ZONE_HOST;
  case LW_TARGET_SEGMENT:
  case LW_TARGET_MACHINE:
    return to->kind == LW_ZONE_SEGMENT && to->index == target->index;
  case LW_TARGET_NETWORK:
    return to->kind == LW_ZONE_NETWORK && to->index == target->index;
  case LW_TARGET_HOME_LAN:
    return to->kind == LW_ZONE_HOME_LAN;
  case LW_TARGET_PREFIX:
    return to->kind == LW_ZONE_HOME_LAN || to->kind == LW_ZONE_INTERNET;
  case LW_TARGET_ROUTER_NTP:
    return to->kind == LW_ZONE_ROUTER;
  case LW_TARGET_INTERNET:
  case LW_TARGET_ROUTER:
    return FALSE;
  }
  return FALSE;
}

static GPtrArray *lines_between(const Check *check, const LwZone *from, const LwZone *to) {
  GPtrArray *lines = g_ptr_array_new();
  const GPtrArray *all = NULL;
  if (from->kind == LW_ZONE_SEGMENT)
    all = lw_lab_segment(check->lab, from->index)->allow;
  else if (from->kind == LW_ZONE_HOST && to->kind == LW_ZONE_SEGMENT)
    all = lw_lab_segment(check->lab, to->index)->host_allow;
  for (guint i = 0; all && i < all->len; i++)
    if (concerns(&((const LwAllow *)all->pdata[i])->target, to))
      g_ptr_array_add(lines, all->pdata[i]);
  return lines;
}

static gboolean is_outside(const LwZone *zone) {
  return zone->kind == LW_ZONE_INTERNET || zone->kind == LW_ZONE_HOME_LAN;
}

static const GPtrArray *forwards_between(const Check *check, const LwZone *from, const LwZone *to) {
  gboolean inwards = is_outside(from) && to->kind == LW_ZONE_SEGMENT;
  return inwards ? lw_lab_segment(check->lab, to->index)->forwards : NULL;
}

static GArray *sources_of(const Check *check, const End *from, const End *to, const GPtrArray *lines) {
  g_autoptr(GArray) cuts = g_array_new(FALSE, FALSE, sizeof(LwRange));
  for (guint i = 0; i < lines->len; i++) {
    const GArray *ranges = ((const LwAllow *)lines->pdata[i])->from;
    g_array_append_vals(cuts, ranges->data, ranges->len);
  }
  if (from->zone.kind == LW_ZONE_SEGMENT && is_outside(&to->zone)) {
    const GPtrArray *pins = lw_lab_segment(check->lab, from->zone.index)->pins;
    for (guint i = 0; i < pins->len; i++)
      add_cut(cuts, ((const LwPin *)pins->pdata[i])->range);
  }
  cut_by_target(check, from->target, cuts);
  cut_by_zone(check, from, &from->zone, cuts);
  return addresses_of(check, from, &from->zone, cuts);
}

static GArray *destinations_of(const Check *check, const End *from, const End *to, const GPtrArray *lines) {
  g_autoptr(GArray) cuts = g_array_new(FALSE, FALSE, sizeof(LwRange));
  const GPtrArray *forwards = forwards_between(check, &from->zone, &to->zone);
  for (guint i = 0; i < lines->len; i++)
    cut_by_target(check, &((const LwAllow *)lines->pdata[i])->target, cuts);
  for (guint i = 0; forwards && i < forwards->len; i++)
    add_cut(cuts, one(((const LwForward *)forwards->pdata[i])->address));
  cut_by_target(check, to->target, cuts);
  cut_by_zone(check, to, &from->zone, cuts);
  return addresses_of(check, to, &from->zone, cuts);
}

/* --- services
 * -------------------------------------------------------------------------------------------------------- */

static void add_ports(GArray *list, LwProto proto, guint first, guint last) {
  LwPorts ports = {proto, (guint16)first, (guint16)last};
  g_array_append_val(list, ports);
}

/* What the assert speaks of. */
static GArray *wanted_ports(const Check *check, const End *to) {
  GArray *wanted = g_array_new(FALSE, FALSE, sizeof(LwPorts));
  const GArray *given = check->assertion->ports;
  if (to->target->kind == LW_TARGET_HOST_SERVICE)
    given = lw_lab_service(check->lab, to->target->index)->ports;
  if (given->len)
    g_array_append_vals(wanted, given->data, given->len);
  else if (to->target->kind == LW_TARGET_ROUTER_NTP)
    add_ports(wanted, LW_PROTO_UDP, 123, 123);
  else if (to->target->kind == LW_TARGET_ROUTER && check->assertion->allow)
    add_ports(wanted, LW_PROTO_ICMP, 0, G_MAXUINT16);
  else
    add_ports(wanted, LW_PROTO_ANY, 0, G_MAXUINT16);
  return wanted;
}

static gboolean covers(const LwPorts *ports, LwProto proto, guint port) {
  return (ports->proto == LW_PROTO_ANY || ports->proto == proto) &&
         (proto == LW_PROTO_ICMP || ports->proto == LW_PROTO_ANY ||
          (ports->first_port <= port && port <= ports->last_port));
}

static gboolean is_wanted(const Check *check, const GArray *wanted, const LwZone *to, LwProto proto,
                          guint port) {
  gboolean dns = proto != LW_PROTO_ICMP && (port == 53 || port == 853);
  for (guint i = 0; i < wanted->len; i++) {
    const LwPorts *ports = &g_array_index(wanted, LwPorts, i);
    gboolean all = ports->first_port == 0 && ports->last_port == G_MAXUINT16;
    if (covers(ports, proto, port) && !(dns && all && check->assertion->allow && is_outside(to)))
      return TRUE;
  }
  return FALSE;
}

static void cut_ports(GArray *cuts, const GArray *ports) {
  g_array_append_vals(cuts, ports->data, ports->len);
}

/* Every range of ports that the flows of these lines could be told apart by, and those that need no line. */
static GArray *port_cuts(const Check *check, const GPtrArray *lines, const GPtrArray *forwards,
                         const GArray *wanted) {
  static const guint16 always[] = {22, 53, 67, 80, 123, 443, 853};
  GArray *cuts = g_array_new(FALSE, FALSE, sizeof(LwPorts));
  for (guint i = 0; i < lines->len; i++) {
    const LwAllow *allow = lines->pdata[i];
    cut_ports(cuts, allow->ports);
    if (allow->target.kind == LW_TARGET_HOST_SERVICE)
      cut_ports(cuts, lw_lab_service(check->lab, allow->target.index)->ports);
  }
  for (guint i = 0; forwards && i < forwards->len; i++) {
    const LwForward *forward = forwards->pdata[i];
    guint last = forward->to_port + (guint)(forward->last_port - forward->first_port);
    add_ports(cuts, LW_PROTO_ANY, forward->to_port, MIN(last, G_MAXUINT16));
  }
  cut_ports(cuts, wanted);
  for (guint i = 0; i < G_N_ELEMENTS(always); i++)
    add_ports(cuts, LW_PROTO_ANY, always[i], always[i]);
  return cuts;
}

static void add_services(GArray *services, const Check *check, const LwZone *to, const GArray *wanted,
                         const GArray *cuts, LwProto proto) {
  g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint));
  g_autoptr(GHashTable) kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const guint first[] = {9, 1};
  g_array_append_vals(numbers, first, G_N_ELEMENTS(first));
  for (guint i = 0; i < cuts->len; i++) {
    const LwPorts *cut = &g_array_index(cuts, LwPorts, i);
    const guint edges[] = {cut->first_port, cut->last_port, cut->last_port + 1u, cut->first_port - 1u};
    g_array_append_vals(numbers, edges, G_N_ELEMENTS(edges));
  }
  for (guint i = 0; i < numbers->len; i++) {
    guint port = g_array_index(numbers, guint, i);
    if (port < 1 || port > G_MAXUINT16 || !is_wanted(check, wanted, to, proto, port))
      continue;
    char *kind = g_malloc(cuts->len + 1);
    for (guint j = 0; j < cuts->len; j++) {
      const LwPorts *cut = &g_array_index(cuts, LwPorts, j);
      kind[j] = cut->first_port <= port && port <= cut->last_port ? '1' : '0';
    }
    kind[cuts->len] = '\0';
    Service service = {proto, (guint16)port};
    if (g_hash_table_add(kinds, kind))
      g_array_append_val(services, service);
  }
}

static GArray *services_of(const Check *check, const End *from, const End *to, const GPtrArray *lines) {
  static const LwProto with_ports[] = {LW_PROTO_TCP, LW_PROTO_UDP};
  GArray *services = g_array_new(FALSE, FALSE, sizeof(Service));
  g_autoptr(GArray) wanted = wanted_ports(check, to);
  g_autoptr(GArray) cuts = port_cuts(check, lines, forwards_between(check, &from->zone, &to->zone), wanted);
  const Service icmp = {LW_PROTO_ICMP, 0};
  if (is_wanted(check, wanted, &to->zone, LW_PROTO_ICMP, 0))
    g_array_append_val(services, icmp);
  for (guint i = 0; i < G_N_ELEMENTS(with_ports); i++)
    add_services(services, check, &to->zone, wanted, cuts, with_ports[i]);
  return services;
}

/* --- the answer for one flow
 * ----------------------------------------------------------------------------------------- */

static gboolean same_place(const LwOrigin *a, const LwOrigin *b) {
  return a->file == b->file && a->line == b->line && a->column == b->column;
}

static const LwForward *forward_at(const Check *check, const LwOrigin *origin) {
  for (guint i = 0; i < check->lab->segments->len; i++) {
    const GPtrArray *forwards = lw_lab_segment(check->lab, i)->forwards;
    for (guint j = 0; j < forwards->len; j++) {
      const LwForward *forward = forwards->pdata[j];
      if (same_place(&forward->origin, origin))
        return forward;
    }
  }
  return NULL;
}

/* The port that the sender writes, for a flow that would arrive at this one. */
static gboolean is_led_by(const LwForward *forward, const LwFlowQuestion *question, guint16 *port) {
  gboolean proto =
      (forward->tcp && question->proto == LW_PROTO_TCP) || (forward->udp && question->proto == LW_PROTO_UDP);
  guint offset = (guint)question->port - forward->to_port;
  if (!proto || question->port < forward->to_port ||
      offset > (guint)(forward->last_port - forward->first_port) ||
      !lw_addr_equal(&forward->address, &question->destination))
    return FALSE;
  *port = (guint16)(forward->first_port + offset);
  return TRUE;
}

/* By one entrance. A forwarded flow is asked for as its sender writes it, and counts for where it arrives. */
static void ask_outside(const Check *check, LwFlowQuestion *question, LwFlowAnswer *answer) {
  const GPtrArray *forwards = forwards_between(check, &question->from, &question->to);
  for (guint i = 0; forwards && i < forwards->len; i++) {
    const LwForward *forward = forwards->pdata[i];
    LwFlowQuestion sent = *question;
    if (!is_led_by(forward, question, &sent.port))
      continue;
    sent.to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
    sent.destination = router_of(check, &question->from);
    lw_intent_answer(check->lab, check->facts, &sent, answer);
    if (answer->allow && same_place(&answer->origin, &forward->origin))
      return;
    lw_flow_answer_clear(answer);
  }
  lw_intent_answer(check->lab, check->facts, question, answer);
  const LwForward *onward = answer->allow ? forward_at(check, &answer->origin) : NULL;
  if (question->to.kind != LW_ZONE_ROUTER || !onward)
    return;
  answer->allow = FALSE;
  g_free(answer->reason);
  answer->reason =
      g_strdup_printf("a forward leads it on to %s", lw_lab_machine(check->lab, onward->machine)->name);
}

static void ask(const Check *check, LwFlowQuestion *question, LwFlowAnswer *answer) {
  if (!is_outside(&question->from)) {
    lw_intent_answer(check->lab, check->facts, question, answer);
    return;
  }
  ask_outside(check, question, answer);
  for (guint i = 0; question->from.kind == LW_ZONE_INTERNET && !answer->allow && i < check->lab->tunnels->len;
       i++) {
    LwFlowQuestion other = *question;
    other.from.index = i;
    LwFlowAnswer by_tunnel;
    ask_outside(check, &other, &by_tunnel);
    if (by_tunnel.allow) {
      lw_flow_answer_clear(answer);
      *answer = by_tunnel;
      *question = other;
      return;
    }
    lw_flow_answer_clear(&by_tunnel);
  }
}

/* --- one assert
 * ------------------------------------------------------------------------------------------------------ */

static void add_end(GArray *ends, LwZoneKind kind, guint index, const LwTarget *target, gboolean is_source) {
  End end = {{kind, index}, target, is_source};
  g_array_append_val(ends, end);
}

static void add_prefix_ends(const Check *check, GArray *ends, const LwTarget *target, gboolean is_source) {
  const LwLab *lab = check->lab;
  for (guint i = 0; i < lab->segments->len; i++)
    if (lw_prefix_overlaps(&lw_lab_segment(lab, i)->subnet, &target->prefix))
      add_end(ends, LW_ZONE_SEGMENT, i, target, is_source);
  add_end(ends, LW_ZONE_HOST, LW_NONE, target, is_source);
  if (!check->assertion->allow)
    add_end(ends, LW_ZONE_ROUTER, LW_NONE, target, is_source);
  for (guint i = 0; i < lab->host.networks->len; i++)
    if (lw_prefix_overlaps(&lw_lab_network(lab, i)->prefix, &target->prefix))
      add_end(ends, LW_ZONE_NETWORK, i, target, is_source);
  if (knows_home_lan(check))
    add_end(ends, LW_ZONE_HOME_LAN, LW_NONE, target, is_source);
  add_end(ends, LW_ZONE_INTERNET, LW_NONE, target, is_source);
}

static GArray *ends_of(const Check *check, const LwTarget *target, gboolean is_source) {
  GArray *ends = g_array_new(FALSE, FALSE, sizeof(End));
  switch (target->kind) {
  case LW_TARGET_SEGMENT:
  case LW_TARGET_MACHINE:
    add_end(ends, LW_ZONE_SEGMENT, target->index, target, is_source);
    break;
  case LW_TARGET_HOST:
  case LW_TARGET_HOST_SERVICE:
    add_end(ends, LW_ZONE_HOST, LW_NONE, target, is_source);
    break;
  case LW_TARGET_NETWORK:
    add_end(ends, LW_ZONE_NETWORK, target->index, target, is_source);
    break;
  case LW_TARGET_HOME_LAN:
    add_end(ends, LW_ZONE_HOME_LAN, LW_NONE, target, is_source);
    break;
  case LW_TARGET_INTERNET:
    add_end(ends, LW_ZONE_INTERNET, LW_NONE, target, is_source);
    break;
  case LW_TARGET_ROUTER:
  case LW_TARGET_ROUTER_NTP:
    add_end(ends, LW_ZONE_ROUTER, LW_NONE, target, is_source);
    break;
  case LW_TARGET_PREFIX:
    add_prefix_ends(check, ends, target, is_source);
    break;
  }
  return ends;
}

/* By the host's own uplink, or beyond it: neither the router nor the guards see it. */
static gboolean is_beside(const LwZone *from, const LwZone *to) {
  gboolean to_host = to->kind == LW_ZONE_HOST, to_network = to->kind == LW_ZONE_NETWORK;
  switch (from->kind) {
  case LW_ZONE_HOST:
  case LW_ZONE_NETWORK:
  case LW_ZONE_HOME_LAN:
    return to_host || to_network || is_outside(to);
  case LW_ZONE_INTERNET:
    return to_network || is_outside(to);
  case LW_ZONE_ROUTER:
    return is_outside(to);
  case LW_ZONE_SEGMENT:
    return FALSE;
  }
  return FALSE;
}

static LwBrokenAssert *new_broken(const Check *check, const LwFlowQuestion *question, char *reason,
                                  LwOrigin origin) {
  LwBrokenAssert *broken = g_new0(LwBrokenAssert, 1);
  broken->assert = check->assertion;
  broken->question = *question;
  broken->reason = reason;
  broken->origin = origin;
  return broken;
}

/* NULL: this flow does not break the assert. */
static LwBrokenAssert *try_flow(const Check *check, LwFlowQuestion question) {
  if (is_beside(&question.from, &question.to)) {
    char *reason = g_strdup(
        "it does not pass through the lab, lanward neither opens nor stops it: leave the assert out");
    LwBrokenAssert *broken = new_broken(check, &question, reason, (LwOrigin){0});
    broken->beside = TRUE;
    return broken;
  }
  LwFlowAnswer answer;
  ask(check, &question, &answer);
  if (answer.allow != check->assertion->allow)
    return new_broken(check, &question, answer.reason, answer.origin);
  lw_flow_answer_clear(&answer);
  return NULL;
}

static LwBrokenAssert *try_ends(const Check *check, const End *from, const End *to) {
  g_autoptr(GPtrArray) lines = lines_between(check, &from->zone, &to->zone);
  g_autoptr(GArray) sources = sources_of(check, from, to, lines);
  g_autoptr(GArray) destinations = destinations_of(check, from, to, lines);
  g_autoptr(GArray) services = services_of(check, from, to, lines);
  LwFlowQuestion question = {.from = from->zone, .to = to->zone};
  for (guint i = 0; i < services->len; i++) {
    const Service *service = &g_array_index(services, Service, i);
    question.proto = service->proto;
    question.port = service->port;
    for (guint j = 0; j < sources->len; j++) {
      question.source = g_array_index(sources, LwAddr, j);
      for (guint k = 0; k < destinations->len; k++) {
        question.destination = g_array_index(destinations, LwAddr, k);
        if (lw_addr_equal(&question.source, &question.destination))
          continue; /* to itself */
        LwBrokenAssert *broken = try_flow(check, question);
        if (broken)
          return broken;
      }
    }
  }
  return NULL;
}

static LwBrokenAssert *try_assert(const Check *check) {
  g_autoptr(GArray) froms = ends_of(check, &check->assertion->from, TRUE);
  g_autoptr(GArray) tos = ends_of(check, &check->assertion->to, FALSE);
  LwBrokenAssert *beside = NULL;
  for (guint i = 0; i < froms->len; i++)
    for (guint j = 0; j < tos->len; j++) {
      LwBrokenAssert *broken = try_ends(check, &g_array_index(froms, End, i), &g_array_index(tos, End, j));
      if (broken && !broken->beside) {
        lw_broken_assert_free(beside);
        return broken;
      }
      if (beside)
        lw_broken_assert_free(broken);
      else
        beside = broken;
    }
  return beside;
}

/* --- all of them
 * ------------------------------------------------------------------------------------------------------ */

static gboolean is_named(const LwLab *lab, const LwPrefix *prefix) {
  gboolean found = lw_prefix_overlaps(&lab->host.management.subnet, prefix);
  for (guint i = 0; i < lab->host.networks->len; i++)
    found |= lw_prefix_overlaps(&lw_lab_network(lab, i)->prefix, prefix);
  for (guint i = 0; !found && i < lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(lab, i);
    found = lw_prefix_overlaps(&s->subnet, prefix);
    for (guint j = 0; j < s->allow->len; j++) {
      const LwTarget *target = &((const LwAllow *)s->allow->pdata[j])->target;
      found |= target->kind == LW_TARGET_PREFIX && lw_prefix_overlaps(&target->prefix, prefix);
    }
  }
  return found;
}

static LwPrefix home_lan_of(const LwLab *lab, const LwFacts *facts) {
  static const guint32 private[] = {0xc0a80000, 0xac1f0000, 0x0a000000}; /* 192.168, 172.31, 10.0 */
  if (facts->home_lan.addr.family == 4)
    return facts->home_lan;
  LwPrefix prefix = {0};
  for (guint i = 0; i < G_N_ELEMENTS(private); i++)
    for (guint32 n = 1; n < 255; n++) {
      prefix = lw_prefix_make(lw_addr_from_v4(private[i] | n << 8), 24);
      if (!is_named(lab, &prefix))
        return prefix;
    }
  return prefix;
}

GPtrArray *lw_policy_broken_asserts(const LwLab *lab, const LwFacts *facts) {
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)lw_broken_assert_free);
  Check check = {.lab = lab, .facts = facts, .home_lan = home_lan_of(lab, facts)};
  for (guint i = 0; i < lab->asserts->len; i++) {
    check.assertion = lab->asserts->pdata[i];
    LwBrokenAssert *broken = try_assert(&check);
    if (broken)
      g_ptr_array_add(list, broken);
  }
  return list;
}

void lw_broken_assert_free(LwBrokenAssert *broken) {
  if (!broken)
    return;
  g_free(broken->reason);
  g_free(broken);
}

static char *place_text(const Check *check, const LwZone *zone, const LwAddr *addr, gboolean is_source) {
  const LwLab *lab = check->lab;
  g_autofree char *text = lw_addr_format(addr);
  switch (zone->kind) {
  case LW_ZONE_SEGMENT: {
    const char *name = lw_lab_segment(lab, zone->index)->name;
    for (guint m = 0; m < lab->machines->len; m++)
      if (has_address(check, m, zone->index, addr))
        return g_strdup_printf("%s/%s (%s)", name, lw_lab_machine(lab, m)->name, text);
    return g_strdup_printf("%s (%s)", name, text);
  }
  case LW_ZONE_HOST:
    return g_strdup_printf("host (%s)", text);
  case LW_ZONE_ROUTER:
    return g_strdup_printf("router (%s)", text);
  case LW_ZONE_HOME_LAN: /* an address that may only be taken for one says nothing */
    return knows_home_lan(check) ? g_strdup_printf("home-lan (%s)", text) : g_strdup("home-lan");
  case LW_ZONE_NETWORK:
    return g_strdup_printf("%s (%s)", lw_lab_network(lab, zone->index)->name, text);
  case LW_ZONE_INTERNET:
    if (is_source && zone->index != LW_NONE)
      return g_strdup_printf("internet by %s (%s)", lw_lab_tunnel(lab, zone->index)->name, text);
    return g_strdup_printf("%s (%s)", is_special(addr) ? "outside" : "internet", text);
  }
  return g_steal_pointer(&text);
}

char *lw_broken_assert_message(const LwLab *lab, const LwFacts *facts, const LwBrokenAssert *broken) {
  const LwFlowQuestion *q = &broken->question;
  Check check = {.lab = lab, .facts = facts, .assertion = broken->assert};
  g_autofree char *from = place_text(&check, &q->from, &q->source, TRUE);
  g_autofree char *to = place_text(&check, &q->to, &q->destination, FALSE);
  g_autofree char *port = q->proto == LW_PROTO_ICMP ? g_strdup("") : g_strdup_printf("/%u", q->port);
  g_autofree char *line = broken->origin.file ? lw_origin_format(&broken->origin) : NULL;
  const char *fate = broken->beside ? "" : broken->assert->allow ? " would be stopped" : " would pass";
  return g_strdup_printf("assert “%s” does not hold: %s -> %s %s%s%s: %s%s%s%s", broken->assert->text, from,
                         to, lw_proto_name(q->proto), port, fate, broken->reason, line ? " (" : "",
                         line ? line : "", line ? ")" : "");
}
