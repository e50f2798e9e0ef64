#include "verify/static.h"

#include "policy/names.h"
#include "verify/static_internal.h"

#include <string.h>

#define PIECES_SHOWN 3
#define UDP 17
#define DHCP_SERVER 67

static void row_free(gpointer data) {
  LwStaticRow *row = data;
  g_free(row->name);
  g_ptr_array_unref(row->intended);
  g_ptr_array_unref(row->reached);
  g_free(row);
}

static void violation_free(gpointer data) {
  LwStaticViolation *violation = data;
  g_free(violation->from);
  g_free(violation->to);
  g_free(violation->reason);
  g_free(violation->decided);
  g_free(violation->set);
  g_free(violation);
}

/* --- places
 * ------------------------------------------------------------------------------------------------------- */

static const LwResource *find_link(const Prove *p, const char *ns, const char *name) {
  g_autofree char *key = g_strdup_printf("link:%s/%s", ns, name);
  return lw_resource_set_find(p->world, key);
}

/* The NIC that a port of the host belongs to, by the port's name. */
static gboolean nic_of_port(const Prove *p, const char *port, guint *machine, guint *nic) {
  const guint *found = g_hash_table_lookup(p->nic_of_port, port);
  if (!found)
    return FALSE;
  *machine = found[0];
  *nic = found[1];
  return TRUE;
}

static guint segment_of_bridge(const LwLab *lab, const char *bridge) {
  for (guint i = 0; bridge && i < lab->segments->len; i++)
    if (g_str_equal(lw_lab_segment(lab, i)->bridge, bridge))
      return i;
  return LW_NONE;
}

static LwPlace in_zone(LwZoneKind kind, guint index) {
  return (LwPlace){.zone = {kind, index}};
}

static LwPlace place_in_router(const Prove *p, const char *link) {
  for (guint i = 0; i < p->proof->lab->tunnels->len; i++) {
    g_autofree char *name = lw_name_tunnel(lw_lab_tunnel(p->proof->lab, i));
    if (g_str_equal(link, name))
      return in_zone(LW_ZONE_INTERNET, i);
  }
  if (g_str_equal(link, LW_ROUTER_WAN))
    return in_zone(LW_ZONE_INTERNET, LW_NONE);
  return (LwPlace){.elsewhere = TRUE, .ns = p->router, .link = link};
}

static LwPlace place_on_host(const Prove *p, const char *name) {
  const LwLab *lab = p->proof->lab;
  guint machine, nic;
  if (nic_of_port(p, name, &machine, &nic)) {
    guint segment = lw_nic_segment(lab, p->proof->facts, machine, nic);
    if (segment != LW_NONE)
      return in_zone(LW_ZONE_SEGMENT, segment);
  }
  const LwResource *link = find_link(p, "", name);
  const char *master = link ? link->master : NULL;
  guint segment = segment_of_bridge(lab, master);
  if (segment != LW_NONE)
    return in_zone(LW_ZONE_SEGMENT, segment);
  if (g_strcmp0(name, lab->host.uplink) == 0 || g_strcmp0(master, lab->host.bridge) == 0)
    return in_zone(LW_ZONE_INTERNET, LW_NONE);
  return (LwPlace){.elsewhere = TRUE, .ns = "", .link = name};
}

static gboolean place_equal(const LwPlace *a, const LwPlace *b) {
  return a->elsewhere == b->elsewhere && a->zone.kind == b->zone.kind && a->zone.index == b->zone.index &&
         g_strcmp0(a->ns, b->ns) == 0 && g_strcmp0(a->link, b->link) == 0;
}

static LwPlace place_of(const Prove *p, const LwArrival *arrival) {
  gboolean host = g_str_equal(arrival->ns, "");
  if (!arrival->link)
    return in_zone(host ? LW_ZONE_HOST : LW_ZONE_ROUTER, LW_NONE);
  return host ? place_on_host(p, arrival->link) : place_in_router(p, arrival->link);
}

char *lw_static_place_name(const LwLab *lab, const LwPlace *place) {
  if (!place->elsewhere)
    return place->zone.kind == LW_ZONE_INTERNET && place->zone.index == LW_NONE
               ? g_strdup("wan")
               : lw_verify_zone_name(lab, &place->zone, NULL);
  return *place->ns ? g_strdup_printf("%s of %s", place->link, place->ns)
                    : g_strdup_printf("%s of the host", place->link);
}

/* --- what was reached
 * --------------------------------------------------------------------------------------------- */

static LwReached *reached_at(LwStaticRow *row, const LwPlace *place) {
  for (guint i = 0; i < row->reached->len; i++) {
    LwReached *known = row->reached->pdata[i];
    if (place_equal(&known->place, place))
      return known;
  }
  LwReached *fresh = g_new0(LwReached, 1);
  fresh->place = *place;
  g_ptr_array_add(row->reached, fresh);
  return fresh;
}

/* Behind the host are networks, each a place of its own, told apart by the destination; the host's own
 * addresses in them are part of them. */
static void reach_elsewhere(const Prove *p, LwStaticRow *row, const LwPlace *place, LwBdd packets,
                            gboolean must) {
  LwBddPool *pool = p->proof->pool;
  const LwLab *lab = p->proof->lab;
  for (guint i = 0; i <= lab->host.networks->len; i++) {
    gboolean rest = i == lab->host.networks->len;
    LwPlace network = in_zone(LW_ZONE_NETWORK, i);
    LwBdd part = packets;
    if (!rest) {
      LwPrefix prefix = lw_lab_network(lab, i)->prefix;
      part = lw_bdd_and(pool, packets, lw_packets_prefix(pool, LW_HEADER_DADDR, &prefix));
    }
    if (part == LW_BDD_FALSE)
      continue;
    LwReached *reached = reached_at(row, rest ? place : &network);
    LwBdd *side = must ? &reached->must : &reached->may;
    *side = lw_bdd_or(pool, *side, part);
    packets = lw_bdd_minus(pool, packets, part);
  }
}

static gboolean is_behind_host(const LwPlace *place) {
  return place->elsewhere ? !*place->ns : place->zone.kind == LW_ZONE_HOST;
}

static void note_arrival(const Prove *p, LwStaticRow *row, const LwArrival *arrival, gboolean must) {
  LwPlace place = place_of(p, arrival);
  if (is_behind_host(&place)) {
    reach_elsewhere(p, row, &place, arrival->packets, must);
    return;
  }
  LwReached *reached = reached_at(row, &place);
  LwBdd *side = must ? &reached->must : &reached->may;
  *side = lw_bdd_or(p->proof->pool, *side, arrival->packets);
}

/* --- rows
 * ---------------------------------------------------------------------------------------------------------
 */

static LwStaticRow *add_row(const Prove *p, char *name /* transfer full */, LwZone zone, LwStart start) {
  LwStaticRow *row = g_new0(LwStaticRow, 1);
  row->name = name;
  row->zone = zone;
  row->start = start;
  row->machine = row->nic = LW_NONE;
  row->packets = p->opening;
  row->reached = g_ptr_array_new_with_free_func(g_free);
  row->intended = lw_intent_sets(p->proof->pool, p->proof->lab, p->proof->facts, &p->basis, &zone);
  g_ptr_array_add(p->proof->rows, row);
  return row;
}

static LwBdd own_sources(const Prove *p, guint machine, guint nic) {
  const LwLab *lab = p->proof->lab;
  const LwNic *n = lw_machine_nic(lw_lab_machine(lab, machine), nic);
  guint segment = lw_nic_segment(lab, p->proof->facts, machine, nic);
  LwBddPool *pool = p->proof->pool;
  if (segment == LW_NONE)
    return LW_BDD_FALSE;
  if (n->spoof_ok)
    return lw_packets_prefix(pool, LW_HEADER_SADDR, &lw_lab_segment(lab, segment)->subnet);
  LwAddr address = lw_nic_address(lab, p->proof->facts, machine, nic);
  LwBdd set = lw_addr_is_set(&address) ? lw_packets_addr(pool, LW_HEADER_SADDR, &address) : LW_BDD_FALSE;
  for (guint i = 0; n->segment == segment && i < n->addresses->len; i++)
    set = lw_bdd_or(pool, set,
                    lw_packets_addr(pool, LW_HEADER_SADDR, &g_array_index(n->addresses, LwPrefix, i).addr));
  return set;
}

static LwIntended *intended_at(const LwStaticRow *row, const LwZone *zone) {
  for (guint i = 0; i < row->intended->len; i++) {
    LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == zone->kind && one->to.index == zone->index && !lw_addr_is_set(&one->destination))
      return one;
  }
  return NULL;
}

/* The machines of the same wire: reached by their own addresses, by frames, unless the segment is isolated.
 */
static LwBdd neighbours(const Prove *p, guint segment, guint machine, guint nic) {
  LwBddPool *pool = p->proof->pool;
  const LwLab *lab = p->proof->lab;
  LwBdd set = LW_BDD_FALSE;
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      LwAddr address = lw_nic_address(lab, p->proof->facts, m, n);
      if ((m == machine && n == nic) || lw_nic_segment(lab, p->proof->facts, m, n) != segment ||
          !lw_addr_is_set(&address) || !g_hash_table_contains(p->plugged, GUINT_TO_POINTER(m * 64 + n)))
        continue;
      set = lw_bdd_or(pool, set, lw_packets_addr(pool, LW_HEADER_DADDR, &address));
    }
  return set;
}

/* Of what its segment may do, a machine may what its own addresses may. */
static void narrow_to_port(const Prove *p, LwStaticRow *row, LwBdd own) {
  LwBddPool *pool = p->proof->pool;
  const LwLab *lab = p->proof->lab;
  const LwSegment *segment = lw_lab_segment(lab, row->zone.index);
  LwAddr nobody = lw_addr_from_v4(0);
  LwBdd port67 = lw_packets_number(pool, LW_HEADER_DPORT, DHCP_SERVER, DHCP_SERVER);
  LwBdd udp = lw_packets_number(pool, LW_HEADER_PROTO, UDP, UDP);
  LwBdd asking =
      lw_bdd_and(pool, lw_bdd_and(pool, udp, port67), lw_packets_addr(pool, LW_HEADER_SADDR, &nobody));
  /* what looks like a DHCP server's may be stopped */
  LwBdd server = lw_bdd_and(pool, udp, lw_packets_number(pool, LW_HEADER_SPORT, DHCP_SERVER, DHCP_SERVER));
  LwBdd sure = lw_bdd_minus(pool, own, server);
  for (guint i = 0; i < row->intended->len; i++) {
    LwIntended *one = row->intended->pdata[i];
    one->may = lw_bdd_and(pool, one->may, lw_bdd_or(pool, own, asking));
    one->must = lw_bdd_and(pool, one->must, sure);
  }
  LwIntended *wire = intended_at(row, &row->zone);
  if (!wire || segment->isolate)
    return;
  LwBdd may = lw_bdd_and(pool, row->packets, lw_bdd_or(pool, own, asking));
  if (row->machine != LW_NONE && lw_machine_nic(lw_lab_machine(lab, row->machine), row->nic)->spoof_ok)
    may = LW_BDD_TRUE; /* on its own wire it may be anybody */
  LwBdd must = lw_bdd_and(pool, row->packets, lw_bdd_and(pool, sure, lw_packets_family(pool, 4)));
  wire->may = lw_bdd_or(pool, wire->may, may);
  wire->must = lw_bdd_and(pool, must, neighbours(p, row->zone.index, row->machine, row->nic));
}

static void add_port_row(const Prove *p, const char *port, const char *master) {
  const LwLab *lab = p->proof->lab;
  guint machine = LW_NONE, nic = LW_NONE, segment = segment_of_bridge(lab, master);
  gboolean known = nic_of_port(p, port, &machine, &nic);
  if (known)
    segment = lw_nic_segment(lab, p->proof->facts, machine, nic);
  if (segment == LW_NONE)
    return;
  const char *of = lw_lab_segment(lab, segment)->name;
  char *name = known ? g_strdup_printf("%s/%s", of, lw_lab_machine(lab, machine)->name)
                     : g_strdup_printf("%s (port %s)", of, port);
  LwStaticRow *row =
      add_row(p, name, (LwZone){LW_ZONE_SEGMENT, segment}, (LwStart){LW_START_FRAME, "", port});
  row->machine = machine;
  row->nic = nic;
  LwBdd own = LW_BDD_FALSE;
  if (known)
    own = own_sources(p, machine, nic);
  else if (lw_lab_segment(lab, segment)->has_dhcp)
    own = lw_packets_range(p->proof->pool, LW_HEADER_SADDR, &lw_lab_segment(lab, segment)->dhcp);
  narrow_to_port(p, row, own);
  for (guint i = 0; !known && i < row->intended->len;
       i++) /* it may be a machine that the file does not name */
    ((LwIntended *)row->intended->pdata[i])->must = LW_BDD_FALSE;
}

/* Ports of segments' bridges, but the router's legs: machines, or strangers. */
static gboolean is_outer_port(const Prove *p, const LwResource *link) {
  if (link->kind != LW_RES_LINK || (link->ns && *link->ns) || !link->master || !*link->master)
    return FALSE;
  if (link->link_type == LW_LINK_VETH && g_strcmp0(link->peer_ns, p->router) == 0)
    return FALSE;
  return segment_of_bridge(p->proof->lab, link->master) != LW_NONE ||
         g_hash_table_contains(p->nic_of_port, link->name);
}

static void add_port_rows(const Prove *p) {
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *link = p->world->list->pdata[i];
    if (is_outer_port(p, link))
      add_port_row(p, link->name, link->master);
  }
}

static void add_segment_rows(const Prove *p) {
  const LwLab *lab = p->proof->lab;
  for (guint i = 0; i < lab->segments->len; i++) {
    g_autofree char *leg = lw_name_router_leg(lw_lab_segment(lab, i));
    add_row(p, g_strdup(lw_lab_segment(lab, i)->name), (LwZone){LW_ZONE_SEGMENT, i},
            (LwStart){LW_START_FRAME, p->router, g_intern_string(leg)});
  }
}

static void add_host_row(const Prove *p) {
  LwStaticRow *row =
      add_row(p, g_strdup("host"), (LwZone){LW_ZONE_HOST, LW_NONE}, (LwStart){LW_START_LOCAL, "", NULL});
  row->packets =
      lw_bdd_and(p->proof->pool, row->packets,
                 lw_packets_addr(p->proof->pool, LW_HEADER_SADDR, &p->proof->lab->host.management.address));
}

/* The link of the host that leads to a network behind it: where a route or an address says so. */
static const char *link_of_network(const Prove *p, const LwPrefix *prefix) {
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *r = p->world->list->pdata[i];
    gboolean fits = (r->kind == LW_RES_ROUTE || r->kind == LW_RES_ADDRESS) && (!r->ns || !*r->ns) &&
                    r->prefix.len >= prefix->len && lw_prefix_contains(prefix, &r->prefix.addr);
    if (fits && r->link && g_strcmp0(r->link, p->proof->lab->host.management.bridge) != 0)
      return r->link;
  }
  return NULL;
}

static void add_outer_rows(const Prove *p) {
  const LwLab *lab = p->proof->lab;
  for (guint i = 0; i < lab->host.networks->len; i++) {
    LwPrefix prefix = lw_lab_network(lab, i)->prefix;
    const char *link = link_of_network(p, &prefix);
    if (!link)
      continue;
    LwStaticRow *row = add_row(p, g_strdup(lw_lab_network(lab, i)->name), (LwZone){LW_ZONE_NETWORK, i},
                               (LwStart){LW_START_FRAME, "", link});
    for (guint j = 0; j < row->intended->len; j++) {
      LwIntended *one = row->intended->pdata[j];
      one->must = lw_bdd_minus(p->proof->pool, one->must, p->host_sources);
    }
    row->packets =
        lw_bdd_and(p->proof->pool, row->packets, lw_packets_prefix(p->proof->pool, LW_HEADER_SADDR, &prefix));
  }
  LwZone wan = {LW_ZONE_INTERNET, LW_NONE};
  add_row(p, g_strdup("home-lan"), wan, (LwStart){LW_START_FRAME, p->router, LW_ROUTER_WAN});
  if (lab->host.uplink && find_link(p, "", lab->host.uplink))
    add_row(p, g_strdup("home-lan (at the host)"), wan, (LwStart){LW_START_FRAME, "", lab->host.uplink});
  for (guint i = 0; i < lab->tunnels->len; i++) {
    g_autofree char *link = lw_name_tunnel(lw_lab_tunnel(lab, i));
    add_row(p, g_strdup_printf("internet/%s", lw_lab_tunnel(lab, i)->name), (LwZone){LW_ZONE_INTERNET, i},
            (LwStart){LW_START_FRAME, p->router, g_intern_string(link)});
  }
}

/* --- violations
 * ---------------------------------------------------------------------------------------------------- */

static LwProto proto_of(guint8 number) {
  switch (number) {
  case 1:
    return LW_PROTO_ICMP;
  case 6:
    return LW_PROTO_TCP;
  case UDP:
    return LW_PROTO_UDP;
  default:
    return LW_PROTO_ANY;
  }
}

char *lw_static_pieces_text(LwBddPool *pool, LwBdd set) {
  gboolean whole;
  g_autoptr(GPtrArray) pieces = lw_packets_pieces(pool, set, PIECES_SHOWN, &whole);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < pieces->len; i++) {
    g_autofree char *piece = lw_piece_format(pieces->pdata[i]);
    g_string_append_printf(text, "%s%s", i ? "; " : "", piece);
  }
  if (!whole)
    g_string_append(text, "; …");
  return g_string_free(text, FALSE);
}

/* Packets that a reader knows: pings, TCP, the segment's machines, addresses that are in use. */
static gboolean pick(const Prove *p, const LwStaticRow *row, const LwPlace *place, LwBdd set, LwHeader *out) {
  LwBddPool *pool = p->proof->pool;
  LwBdd wishes[10] = {0};
  guint count = 0;
  if (!place->elsewhere && place->zone.kind == LW_ZONE_SEGMENT) {
    LwBdd there =
        lw_packets_prefix(pool, LW_HEADER_DADDR, &lw_lab_segment(p->proof->lab, place->zone.index)->subnet);
    wishes[count++] = lw_bdd_and(pool, there, p->proof->machines);
    wishes[count++] = there;
  }
  if (row->machine != LW_NONE)
    wishes[count++] = own_sources(p, row->machine, row->nic);
  LwAddr known;
  if (lw_addr_parse("8.8.4.4", &known))
    wishes[count++] = lw_packets_addr(pool, LW_HEADER_DADDR, &known);
  wishes[count++] = p->proof->machines;
  wishes[count++] = p->machine_sources;
  wishes[count++] = lw_packets_number(pool, LW_HEADER_PROTO, 6, 6);
  wishes[count++] = lw_packets_number(pool, LW_HEADER_DPORT, 443, 443);
  wishes[count++] = lw_packets_number(pool, LW_HEADER_SPORT, 40000, 40000);
  return lw_packets_pick(pool, set, wishes, count, out);
}

static void ask_file(const Prove *p, const LwStaticRow *row, const LwPlace *place, LwStaticViolation *v) {
  const LwLab *lab = p->proof->lab;
  LwFlowQuestion question = {.from = row->zone,
                             .to = place->zone,
                             .source = v->packet.source,
                             .destination = v->packet.destination,
                             .proto = v->proto,
                             .port = v->packet.dport};
  if (place->elsewhere) {
    v->reason = g_strdup("no line of the file leads there");
    v->origin = lab->host.origin;
    return;
  }
  const LwPrefix *home = &p->proof->facts->home_lan;
  if (question.to.kind == LW_ZONE_INTERNET && home->addr.family == v->packet.destination.family &&
      lw_prefix_contains(home, &v->packet.destination))
    question.to = (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
  LwFlowAnswer answer;
  lw_intent_answer(lab, p->proof->facts, &question, &answer);
  v->reason = g_strdup(answer.reason);
  v->origin = answer.origin;
  lw_flow_answer_clear(&answer);
}

static gboolean stops(const LwStep *step) {
  if (step->kind == LW_STEP_RULE || step->kind == LW_STEP_POLICY)
    return step->verdict == LW_VERDICT_DROP;
  return step->kind == LW_STEP_STOPPED || (step->kind == LW_STEP_ROUTE && !step->link);
}

/* How much a step has to do with a packet's getting through: a filter that would drop by its policy most. */
static guint weight(const LwStep *step) {
  if (step->kind != LW_STEP_RULE || step->verdict != LW_VERDICT_ACCEPT || !step->chain)
    return 0;
  gboolean filter = step->chain->hook == LW_HOOK_FORWARD || step->chain->hook == LW_HOOK_INPUT;
  return 1 + (filter ? 2 : 0) + (step->chain->drop ? 4 : 0) -
         (step->ruleset->family == LW_FAMILY_BRIDGE ? 1 : 0);
}

/* The step that let it through, or the last that stopped it. */
static char *deciding_text(const Prove *p, const LwStart *start, const LwHeader *packet, gboolean passed) {
  g_autoptr(GPtrArray) trace = lw_reach_trace(p->proof->reach, start, packet, LW_CT_NEW, FALSE);
  const LwStep *best = NULL;
  for (guint i = 0; i < trace->len; i++) {
    const LwStep *step = trace->pdata[i];
    if (passed ? weight(step) && (!best || weight(step) >= weight(best)) : stops(step))
      best = step;
  }
  return best ? lw_static_step_text(best) : NULL;
}

static void violate(const Prove *p, const LwStaticRow *row, LwStaticKind kind, const LwPlace *place,
                    LwBdd set) {
  LwStaticViolation *v = g_new0(LwStaticViolation, 1);
  v->kind = kind;
  v->start = row->start;
  v->from = g_strdup(row->name);
  v->to = lw_static_place_name(p->proof->lab, place);
  pick(p, row, place, set, &v->packet);
  v->proto = proto_of(v->packet.proto);
  v->set = lw_static_pieces_text(p->proof->pool, set);
  ask_file(p, row, place, v);
  if (kind != LW_STATIC_STRAY && kind != LW_STATIC_LEAK && kind != LW_STATIC_MUTE)
    v->decided = deciding_text(p, &row->start, &v->packet, kind != LW_STATIC_CLOSED);
  g_ptr_array_add(p->proof->violations, v);
}

/* --- the comparison
 * ------------------------------------------------------------------------------------------------ */

static gboolean is_judged(const LwStaticRow *row, const LwPlace *place) {
  if (row->zone.kind == LW_ZONE_SEGMENT)
    return TRUE;
  gboolean lab = place->zone.kind == LW_ZONE_SEGMENT || place->zone.kind == LW_ZONE_ROUTER;
  gboolean at_router = *row->start.ns != '\0';
  /* what does not pass through the lab (the home LAN and the host, the host and the internet) is not
     lanward's; an exit's packets at the router are: they must not get to the host by it */
  return !place->elsewhere && (lab || (at_router && place->zone.kind == LW_ZONE_HOST));
}

/* May these packets arrive there, translated like this? */
static LwBdd may_arrive(const LwStaticRow *row, const LwPlace *place, const LwRewrite *rewrite,
                        LwBddPool *pool) {
  LwBdd may = LW_BDD_FALSE;
  gboolean translated = lw_addr_is_set(&rewrite->destination) && !place->elsewhere &&
                        (place->zone.kind == LW_ZONE_SEGMENT || place->zone.kind == LW_ZONE_INTERNET);
  for (guint i = 0; !place->elsewhere && i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->to.kind != place->zone.kind || one->to.index != place->zone.index ||
        translated != (lw_addr_is_set(&one->destination) != 0))
      continue;
    if (translated &&
        !(lw_addr_equal(&one->destination, &rewrite->destination) &&
          (one->dport ? rewrite->has_dport && rewrite->dport == one->dport : !rewrite->has_dport)))
      continue;
    may = lw_bdd_or(pool, may, one->may);
  }
  return may;
}

static gboolean leaves_unmasked(const LwStaticRow *row, const LwPlace *place, const LwRewrite *rewrite) {
  return row->zone.kind == LW_ZONE_SEGMENT && !place->elsewhere && place->zone.kind == LW_ZONE_INTERNET &&
         !rewrite->source_unknown && !lw_addr_is_set(&rewrite->source);
}

/* The first row of the segment tells of all; a machine's row only of what that one did not. */
static LwBdd told_of(const Prove *p, const LwStaticRow *row, LwStaticKind kind, const LwPlace *place,
                     LwBdd set) {
  LwBddPool *pool = p->proof->pool;
  LwBdd fresh = set;
  for (guint i = 0; i < p->told->len; i++) {
    const Told *known = &g_array_index(p->told, Told, i);
    if (known->kind == kind && place_equal(&known->place, place) && known->row->zone.kind == row->zone.kind &&
        known->row->zone.index == row->zone.index)
      fresh = lw_bdd_minus(pool, fresh, known->set);
  }
  Told one = {row, kind, *place, set};
  if (fresh != LW_BDD_FALSE)
    g_array_append_val(p->told, one);
  return fresh;
}

static void judge(const Prove *p, const LwStaticRow *row, LwStaticKind kind, const LwPlace *place,
                  LwBdd set) {
  if (set == LW_BDD_FALSE)
    return;
  LwBdd fresh = told_of(p, row, kind, place, set);
  if (fresh != LW_BDD_FALSE)
    violate(p, row, kind, place, fresh);
}

static void judge_arrivals(const Prove *p, LwStaticRow *row, const GPtrArray *arrivals) {
  LwBddPool *pool = p->proof->pool;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace place = place_of(p, arrival);
    if (is_behind_host(&place))
      continue; /* judged by what was reached */
    if (!is_judged(row, &place))
      continue;
    LwBdd may = may_arrive(row, &place, &arrival->rewrite, pool);
    judge(p, row, LW_STATIC_OPEN, &place, lw_bdd_minus(pool, arrival->packets, may));
    if (leaves_unmasked(row, &place, &arrival->rewrite))
      judge(p, row, LW_STATIC_UNMASKED, &place, lw_bdd_and(pool, arrival->packets, may));
  }
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    gboolean network = !reached->place.elsewhere && reached->place.zone.kind == LW_ZONE_NETWORK;
    LwRewrite plain = {0};
    if ((network || is_behind_host(&reached->place)) && is_judged(row, &reached->place))
      judge(p, row, LW_STATIC_OPEN, &reached->place,
            lw_bdd_minus(pool, reached->may, may_arrive(row, &reached->place, &plain, pool)));
  }
}

/* There may be no link to a network behind the host, or to nobody's address: what cannot be there is no
 * promise broken. */
static gboolean can_be_there(const Prove *p, const LwZone *zone) {
  if (zone->kind != LW_ZONE_NETWORK)
    return TRUE;
  LwPrefix prefix = lw_lab_network(p->proof->lab, zone->index)->prefix;
  return link_of_network(p, &prefix) != NULL;
}

static LwBdd arrived_as(const Prove *p, const GPtrArray *arrivals, const LwIntended *wanted) {
  LwBdd set = LW_BDD_FALSE;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace place = place_of(p, arrival);
    if (place.elsewhere || place.zone.kind != wanted->to.kind || place.zone.index != wanted->to.index)
      continue;
    if (lw_addr_is_set(&wanted->destination) &&
        !lw_addr_equal(&wanted->destination, &arrival->rewrite.destination))
      continue;
    set = lw_bdd_or(p->proof->pool, set, arrival->packets);
  }
  return set;
}

/* Queries that were led to a resolver, where they may be. */
static LwBdd led_by(const Prove *p, const LwStaticRow *row, const GPtrArray *arrivals) {
  LwBddPool *pool = p->proof->pool;
  LwBdd set = LW_BDD_FALSE;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->led)
      set = lw_bdd_or(pool, set, lw_bdd_and(pool, one->may, arrived_as(p, arrivals, one)));
  }
  return set;
}

static void judge_promises(const Prove *p, LwStaticRow *row, const GPtrArray *arrivals) {
  LwBddPool *pool = p->proof->pool;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *wanted = row->intended->pdata[i];
    if (wanted->must == LW_BDD_FALSE || !can_be_there(p, &wanted->to))
      continue;
    LwPlace place = {.zone = wanted->to};
    LwBdd got = arrived_as(p, arrivals, wanted);
    if (wanted->to.kind == LW_ZONE_NETWORK || wanted->to.kind == LW_ZONE_HOST)
      got = reached_at(row, &place)->must;
    if (wanted->to.kind == LW_ZONE_SEGMENT && !p->has_port[wanted->to.index])
      continue; /* nobody is plugged in there */
    if (wanted->to.kind == LW_ZONE_ROUTER)
      got = lw_bdd_or(pool, got, led_by(p, row, arrivals));
    judge(p, row, LW_STATIC_CLOSED, &place, lw_bdd_minus(pool, wanted->must, got));
  }
}

/* One packet of each set that must arrive is answered: the rules for answers tell flows apart by their
 * places, not by their packets. */
static void judge_answers(const Prove *p, const LwStaticRow *row, const GPtrArray *arrivals) {
  LwBddPool *pool = p->proof->pool;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace place = place_of(p, arrival);
    LwBdd must = LW_BDD_FALSE;
    for (guint w = 0; w < row->intended->len; w++) {
      const LwIntended *wanted = row->intended->pdata[w];
      if (!place.elsewhere && wanted->to.kind == place.zone.kind && wanted->to.index == place.zone.index)
        must = lw_bdd_or(pool, must, wanted->must);
    }
    LwBdd set = lw_bdd_and(pool, must, arrival->packets);
    LwHeader packet;
    g_autoptr(GPtrArray) steps = NULL;
    if (set == LW_BDD_FALSE || !pick(p, row, &place, set, &packet) ||
        lw_reach_answer(p->proof->reach, &row->start, &packet, arrival, &steps))
      continue;
    guint before = p->proof->violations->len;
    judge(p, row, LW_STATIC_MUTE, &place, set);
    if (p->proof->violations->len == before)
      continue;
    LwStaticViolation *v = p->proof->violations->pdata[before];
    for (guint s = 0; s < steps->len; s++)
      if (stops(steps->pdata[s])) {
        g_free(v->decided);
        v->decided = lw_static_step_text(steps->pdata[s]);
      }
  }
}

/* All destinations of the internet for a source that has any of them there, else just those that it has. */
static LwBdd flow_sources(const Prove *p, LwBdd may) {
  LwBddPool *pool = p->proof->pool;
  LwBdd flows = may;
  const LwHeaderField free_fields[] = {LW_HEADER_PROTO, LW_HEADER_DPORT, LW_HEADER_SPORT,
                                       LW_HEADER_ICMP_CODE};
  for (guint i = 0; i < G_N_ELEMENTS(free_fields); i++)
    flows = lw_packets_forget(pool, flows, free_fields[i]);
  LwBdd far = lw_packets_forget(pool, lw_bdd_and(pool, flows, p->far), LW_HEADER_DADDR);
  return lw_bdd_or(pool, flows, far);
}

static LwBdd going_on(const LwStaticRow *row, const LwPlace *place) {
  const LwIntended *wanted = intended_at(row, &place->zone);
  return wanted ? wanted->going_on : LW_BDD_FALSE;
}

/* ICMPv6 within IPv4 is nothing: where any protocol may go it may. (Connection tracking opens no flow for it.)
 */
static LwBdd misplaced_icmp(LwBddPool *pool, LwBdd may) {
  LwBdd any = lw_bdd_and(pool, may, lw_packets_number(pool, LW_HEADER_PROTO, 253, 253));
  any = lw_bdd_and(pool, any, lw_packets_family(pool, 4));
  return lw_bdd_and(pool, lw_packets_forget(pool, any, LW_HEADER_PROTO),
                    lw_packets_number(pool, LW_HEADER_PROTO, 58, 58));
}

/* Packets of no new flow: an open one that goes on (established), or none at all (invalid). By an exit may go
 * what has some flow by it; elsewhere the invalid may go where a new one may. */
static void judge_others(const Prove *p, LwStaticRow *row) {
  LwBddPool *pool = p->proof->pool;
  const struct {
    LwCtState state;
    LwStaticKind kind;
  } runs[] = {{LW_CT_ESTABLISHED, LW_STATIC_LEAK}, {LW_CT_INVALID, LW_STATIC_STRAY}};
  for (guint r = 0; r < G_N_ELEMENTS(runs); r++) {
    g_autoptr(GPtrArray) arrivals =
        lw_reach_from(p->proof->reach, &row->start, LW_BDD_TRUE, runs[r].state, LW_REACH_MAY);
    for (guint i = 0; i < arrivals->len; i++) {
      const LwArrival *arrival = arrivals->pdata[i];
      LwPlace place = place_of(p, arrival);
      gboolean exit = !place.elsewhere && place.zone.kind == LW_ZONE_INTERNET;
      gboolean to_lab = !place.elsewhere && place.zone.kind == LW_ZONE_SEGMENT;
      if (!exit && !(to_lab && runs[r].state == LW_CT_INVALID))
        continue;
      LwBdd may = may_arrive(row, &place, &arrival->rewrite, pool);
      may = lw_packets_forget(pool, lw_packets_forget(pool, may, LW_HEADER_TCP_FLAGS), LW_HEADER_ICMP_TYPE);
      may = lw_bdd_or(pool, may, misplaced_icmp(pool, may));
      if (exit)
        may = flow_sources(p, lw_bdd_or(pool, may, going_on(row, &place)));
      judge(p, row, runs[r].kind, &place, lw_bdd_minus(pool, arrival->packets, may));
    }
  }
}

/* --- the proof
 * ----------------------------------------------------------------------------------------------------- */

/* Round the router: to the bridge itself, which must answer nobody. */
static void go_by_bridge(const Prove *p, LwStaticRow *row) {
  LwStart start = {LW_START_BRIDGED, row->start.ns, row->start.link};
  g_autoptr(GPtrArray) arrivals =
      lw_reach_from(p->proof->reach, &start, row->packets, LW_CT_NEW, LW_REACH_MAY);
  for (guint i = 0; i < arrivals->len; i++)
    row->by_bridge = lw_bdd_or(p->proof->pool, row->by_bridge, ((LwArrival *)arrivals->pdata[i])->packets);
}

static void prove_row(const Prove *p, LwStaticRow *row) {
  LwReach *reach = p->proof->reach;
  guint unknown = g_hash_table_size(lw_reach_unknowns(reach));
  g_autoptr(GPtrArray) may = lw_reach_from(reach, &row->start, row->packets, LW_CT_NEW, LW_REACH_MAY);
  g_autoptr(GPtrArray) must = NULL;
  if (unknown || g_hash_table_size(lw_reach_unknowns(reach)))
    must = lw_reach_from(reach, &row->start, row->packets, LW_CT_NEW, LW_REACH_MUST);
  const GPtrArray *sure = must ? must : may;
  for (guint i = 0; i < may->len; i++)
    note_arrival(p, row, may->pdata[i], FALSE);
  for (guint i = 0; i < sure->len; i++)
    note_arrival(p, row, sure->pdata[i], TRUE);
  judge_arrivals(p, row, may);
  judge_promises(p, row, sure);
  if (row->machine == LW_NONE)
    judge_answers(p, row, sure);
  if (row->zone.kind == LW_ZONE_SEGMENT && row->machine == LW_NONE)
    judge_others(p, row);
  if (row->zone.kind == LW_ZONE_SEGMENT && row->machine != LW_NONE)
    go_by_bridge(p, row);
}

static void index_ports(Prove *p) {
  const LwLab *lab = p->proof->lab;
  p->nic_of_port = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  p->plugged = g_hash_table_new(NULL, NULL);
  p->has_port = g_new0(gboolean, lab->segments->len + 1);
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      guint pair[2] = {m, n};
      /* numbers were assigned: asking for a name gives none away */
      char *port = lw_name_nic_port((LwFacts *)p->proof->facts, lab, m, n);
      guint segment = lw_nic_segment(lab, p->proof->facts, m, n);
      LwAddr address = lw_nic_address(lab, p->proof->facts, m, n);
      if (find_link(p, "", port) && segment != LW_NONE) {
        g_hash_table_add(p->plugged, GUINT_TO_POINTER(m * 64 + n));
        p->has_port[segment] = TRUE;
      }
      if (lw_addr_is_set(&address)) {
        LwBddPool *pool = p->proof->pool;
        p->proof->machines =
            lw_bdd_or(pool, p->proof->machines, lw_packets_addr(pool, LW_HEADER_DADDR, &address));
        p->machine_sources =
            lw_bdd_or(pool, p->machine_sources, lw_packets_addr(pool, LW_HEADER_SADDR, &address));
      }
      g_hash_table_insert(p->nic_of_port, port, g_memdup2(pair, sizeof pair));
    }
}

/* The host's addresses, and what its links take for everybody's. */
static LwBdd host_sources(const Prove *p) {
  LwBddPool *pool = p->proof->pool;
  LwBdd set = LW_BDD_FALSE;
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *r = p->world->list->pdata[i];
    if (r->kind != LW_RES_ADDRESS || (r->ns && *r->ns))
      continue;
    LwRange range = lw_prefix_range(&r->prefix);
    set = lw_bdd_or(pool, set, lw_packets_addr(pool, LW_HEADER_SADDR, &r->prefix.addr));
    if (r->prefix.addr.family == 4)
      set = lw_bdd_or(pool, set, lw_packets_addr(pool, LW_HEADER_SADDR, &range.last));
  }
  return set;
}

static LwBdd far_destinations(LwBddPool *pool) {
  LwBdd set = lw_packets_family(pool, 4);
  LwPrefix special;
  for (guint i = 0; lw_intent_special(i, &special); i++)
    set = lw_bdd_minus(pool, set, lw_packets_prefix(pool, LW_HEADER_DADDR, &special));
  return set;
}

static gint by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep_unknowns(LwStatic *proof) {
  GHashTableIter iter;
  gpointer text;
  g_hash_table_iter_init(&iter, lw_reach_unknowns(proof->reach));
  while (g_hash_table_iter_next(&iter, &text, NULL))
    g_ptr_array_add(proof->unknowns, g_strdup(text));
  g_ptr_array_sort(proof->unknowns, by_text);
}

/* What WAN's client will have brought once it has its lease: the home LAN is on the link. */
LwResourceSet *lw_static_with_lease(const LwResourceSet *wanted, const LwFacts *facts) {
  LwResourceSet *world = lw_resource_set_new();
  for (guint i = 0; i < wanted->list->len; i++)
    lw_resource_set_add(world, lw_resource_ref(wanted->list->pdata[i]));
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *client = wanted->list->pdata[i];
    if (client->kind != LW_RES_DHCP_CLIENT || !client->home_lan_set || facts->home_lan.addr.family != 4)
      continue;
    LwResource *route = lw_resource_new(LW_RES_ROUTE, client->ns, NULL);
    route->link = g_strdup(client->link);
    route->prefix = lw_prefix_network(&facts->home_lan);
    lw_resource_set_add(world, route);
  }
  return world;
}

static LwAddr address_of(const LwResourceSet *world, const char *ns, const char *link) {
  for (guint i = 0; i < world->list->len; i++) {
    const LwResource *r = world->list->pdata[i];
    if (r->kind == LW_RES_ADDRESS && r->prefix.addr.family == 4 && g_strcmp0(r->ns ? r->ns : "", ns) == 0 &&
        g_strcmp0(r->link, link) == 0)
      return r->prefix.addr;
  }
  return LW_ADDR_NONE;
}

LwStatic *lw_static_prove(LwBddPool *pool, const LwLab *lab, const LwFacts *facts,
                          const LwResourceSet *world) {
  LwStatic *proof = g_new0(LwStatic, 1);
  proof->pool = pool;
  proof->lab = lab;
  proof->facts = facts;
  proof->rows = g_ptr_array_new_with_free_func(row_free);
  proof->violations = g_ptr_array_new_with_free_func(violation_free);
  proof->unknowns = g_ptr_array_new_with_free_func(g_free);
  const char *router = facts->router_ns ? facts->router_ns : "router";
  const char *inside[] = {"", router, NULL};
  proof->reach = lw_reach_new(proof->pool, world, inside);
  Prove p = {.proof = proof, .world = world, .router = router, .opening = lw_intent_opening(proof->pool)};
  p.told = g_array_new(FALSE, FALSE, sizeof(Told));
  LwIntentOutside outside = {.router = address_of(world, router, LW_ROUTER_WAN),
                             .host = address_of(world, "", lab->host.bridge)};
  p.basis = lw_intent_basis(proof->pool, lab, facts, &outside);
  proof->router_outside = p.basis.router_outside;
  p.far = far_destinations(proof->pool);
  p.host_sources = host_sources(&p);
  index_ports(&p);
  add_segment_rows(&p);
  add_port_rows(&p);
  add_host_row(&p);
  add_outer_rows(&p);
  for (guint i = 0; i < proof->rows->len; i++)
    prove_row(&p, proof->rows->pdata[i]);
  keep_unknowns(proof);
  g_hash_table_unref(p.nic_of_port);
  g_hash_table_unref(p.plugged);
  g_array_unref(p.told);
  g_free(p.has_port);
  return proof;
}

void lw_static_free(LwStatic *proof) {
  if (!proof)
    return;
  g_ptr_array_unref(proof->rows);
  g_ptr_array_unref(proof->violations);
  g_ptr_array_unref(proof->unknowns);
  lw_reach_free(proof->reach);
  g_free(proof);
}

/* --- answers
 * ------------------------------------------------------------------------------------------------------- */

const LwStaticRow *lw_static_row(const LwStatic *proof, const LwZone *zone, const char *machine) {
  const LwStaticRow *best = NULL;
  for (guint i = 0; i < proof->rows->len; i++) {
    const LwStaticRow *row = proof->rows->pdata[i];
    if (row->zone.kind != zone->kind || row->zone.index != zone->index)
      continue;
    if (machine && row->machine != LW_NONE &&
        g_str_equal(lw_lab_machine(proof->lab, row->machine)->name, machine))
      return row;
    if (!best && row->machine == LW_NONE)
      best = row;
  }
  return machine ? NULL : best;
}

gboolean lw_static_led(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet) {
  LwBdd one = lw_packets_of(proof->pool, packet);
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *led = row->intended->pdata[i];
    if (!led->led || !lw_bdd_intersects(proof->pool, led->may, one))
      continue;
    for (guint r = 0; r < row->reached->len; r++) {
      const LwReached *reached = row->reached->pdata[r];
      if (!reached->place.elsewhere && reached->place.zone.kind == led->to.kind &&
          reached->place.zone.index == led->to.index && lw_bdd_intersects(proof->pool, reached->may, one))
        return TRUE;
    }
  }
  return FALSE;
}

gboolean lw_static_passes(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet,
                          const LwZone *to) {
  LwBdd one = lw_packets_of(proof->pool, packet);
  if (lw_static_led(proof, row, packet)) /* it does not get where it was sent */
    return to->kind == LW_ZONE_ROUTER;
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    gboolean there = !reached->place.elsewhere && reached->place.zone.kind == to->kind &&
                     (to->kind == LW_ZONE_INTERNET || reached->place.zone.index == to->index);
    if (to->kind == LW_ZONE_HOME_LAN)
      there = !reached->place.elsewhere && reached->place.zone.kind == LW_ZONE_INTERNET;
    if (there && lw_bdd_intersects(proof->pool, reached->may, one))
      return TRUE;
  }
  return FALSE;
}

gboolean lw_static_forwards(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet) {
  LwBdd one = lw_packets_of(proof->pool, packet);
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    if (!reached->place.elsewhere && reached->place.zone.kind == LW_ZONE_SEGMENT &&
        lw_bdd_intersects(proof->pool, reached->may, one))
      return TRUE;
  }
  return FALSE;
}

LwHeader lw_static_header(const LwFlowQuestion *question) {
  LwHeader header = {.source = question->source,
                     .destination = question->destination,
                     .sport = 40000,
                     .dport = question->port};
  switch (question->proto) {
  case LW_PROTO_ICMP:
    header.proto = 1;
    header.icmp_type = 8;
    header.dport = header.sport = 0;
    break;
  case LW_PROTO_TCP:
    header.proto = 6;
    header.tcp_flags = 0x02;
    break;
  case LW_PROTO_UDP:
    header.proto = UDP;
    break;
  case LW_PROTO_ANY:
    header.proto = 253; /* for experiments: nobody's */
    break;
  }
  return header;
}

char *lw_static_violation_format(const LwStaticViolation *v) {
  static const char *const what[] = {
      [LW_STATIC_OPEN] = "passes, and must not",
      [LW_STATIC_CLOSED] = "must pass, and does not",
      [LW_STATIC_UNMASKED] = "leaves under its own address",
      [LW_STATIC_LEAK] = "an open flow could go on by this exit, which is not its own",
      [LW_STATIC_STRAY] = "passes without belonging to a flow",
      [LW_STATIC_MUTE] = "passes, but its answer does not come back",
  };
  g_autofree char *packet = lw_header_format(&v->packet);
  g_autofree char *origin = lw_origin_format(&v->origin);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s -> %s: %s: %s", v->from, v->to, packet, what[v->kind]);
  if (v->decided)
    g_string_append_printf(text, " (%s)", v->decided);
  g_string_append_printf(text, "; %s; %s", v->reason, origin);
  return g_string_free(text, FALSE);
}

/* --- what differs
 * -------------------------------------------------------------------------------------------------- */

/* By names: the two may be of different files, where a segment has another number. */
static LwBdd reached_in(const LwStatic *proof, const char *row_name, const char *place) {
  LwBdd set = LW_BDD_FALSE;
  for (guint i = 0; i < proof->rows->len; i++) {
    const LwStaticRow *row = proof->rows->pdata[i];
    for (guint r = 0; g_str_equal(row->name, row_name) && r < row->reached->len; r++) {
      const LwReached *reached = row->reached->pdata[r];
      g_autofree char *name = lw_static_place_name(proof->lab, &reached->place);
      if (g_str_equal(name, place))
        set = lw_bdd_or(proof->pool, set, reached->may);
    }
  }
  return set;
}

static gboolean covered_by_segment(const LwStaticRow *row) {
  return row->zone.kind == LW_ZONE_SEGMENT && row->machine != LW_NONE;
}

/* All of the internet is one word, not ten ranges. */
static char *gained_text(const LwStatic *proof, const LwPlace *place, LwBdd set) {
  LwBddPool *pool = proof->pool;
  LwBdd web = lw_bdd_and(pool, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6),
                         lw_packets_number(pool, LW_HEADER_DPORT, 443, 443));
  LwBdd far = lw_bdd_and(pool, far_destinations(pool), lw_bdd_and(pool, web, lw_intent_opening(pool)));
  LwBdd sources = lw_bdd_and(pool, set, far);
  const LwHeaderField fields[] = {LW_HEADER_DADDR,     LW_HEADER_PROTO,     LW_HEADER_DPORT,
                                  LW_HEADER_ICMP_TYPE, LW_HEADER_ICMP_CODE, LW_HEADER_TCP_FLAGS,
                                  LW_HEADER_SPORT};
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
    sources = lw_packets_forget(pool, sources, fields[i]);
  if (place->elsewhere || place->zone.kind != LW_ZONE_INTERNET || sources == LW_BDD_FALSE)
    return lw_static_pieces_text(pool, set);
  LwBdd rest = lw_bdd_minus(pool, set, lw_bdd_and(pool, sources, far_destinations(pool)));
  g_autofree char *who = lw_static_pieces_text(pool, sources);
  char *arrow = strstr(who, " -> ");
  if (arrow)
    *arrow = '\0';
  g_autofree char *more = rest == LW_BDD_FALSE ? NULL : lw_static_pieces_text(pool, rest);
  return g_strdup_printf("%s to the internet%s%s", who, more ? "; " : "", more ? more : "");
}

static GPtrArray *what_is_new(const LwStatic *one, const LwStatic *other /* nullable */, const LwStatic *to) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < to->rows->len; i++) {
    const LwStaticRow *row = to->rows->pdata[i];
    for (guint r = 0; !covered_by_segment(row) && r < row->reached->len; r++) {
      const LwReached *reached = row->reached->pdata[r];
      g_autofree char *name = lw_static_place_name(to->lab, &reached->place);
      LwBdd gained = lw_bdd_minus(to->pool, reached->may, reached_in(one, row->name, name));
      if (other)
        gained = lw_bdd_minus(to->pool, gained, reached_in(other, row->name, name));
      if (gained == LW_BDD_FALSE)
        continue;
      g_autofree char *pieces = gained_text(to, &reached->place, gained);
      g_ptr_array_add(lines, g_strdup_printf("%s -> %s: %s", row->name, name, pieces));
    }
  }
  return lines;
}

GPtrArray *lw_static_gained(const LwStatic *from, const LwStatic *to) {
  return what_is_new(from, NULL, to);
}

GPtrArray *lw_static_beyond(const LwStatic *before, const LwStatic *after, const LwStatic *between) {
  return what_is_new(before, after, between);
}
