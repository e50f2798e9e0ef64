/* ICMP errors, sent by hand: those of an open flow must come to whoever began it; those of no flow, or of a
 * flow of somebody whom the sender has nothing to do with, must get to nobody. */
#include "verify/live.h"

#include <string.h>

#define PAIRS_MOST 64
#define ICMP 1
#define UDP 17
#define DISCARD 9

static const char not_theirs[] = "of a flow of somebody with whom no line lets it talk";
static const char of_none[] = "of no flow";
static const char of_its_own[] = "of its own open flow";
static const char by_other_exit[] = "of a flow that is open by another exit";
static const char by_bridge[] = "of an open flow, sent to the segment's bridge itself,";

static void put16(guint8 *at, guint value) {
  at[0] = (guint8)(value >> 8);
  at[1] = (guint8)value;
}

/* The head of a packet as an error repeats it. */
static void put_about(guint8 out[LW_PACKET_ABOUT], guint8 protocol, const LwAddr *source,
                      const LwAddr *destination) {
  memset(out, 0, LW_PACKET_ABOUT);
  out[0] = 0x45;
  put16(out + 2, LW_PACKET_ABOUT + 12);
  out[8] = 63;
  out[9] = protocol;
  memcpy(out + 12, source->bytes, 4);
  memcpy(out + 16, destination->bytes, 4);
}

static LwProbe *add_error(LwLive *live, guint place, LwVia via, guint target, const LwAddr *source,
                          const LwAddr *destination, const guint8 *about) {
  LwProbe *probe = lw_live_add_probe(live, LW_PROBE_RELATED, place, via);
  probe->error.target = target;
  probe->destination = *destination;
  probe->length = lw_packet_build_error(source, destination, probe->cookie, about, probe->bytes);
  return probe;
}

/* --- those that must come
 * -------------------------------------------------------------------------------------------- */

static const LwSeenAt *seen_by_sockets(const LwLive *live, const LwProbe *probe) {
  for (guint i = 0; probe->seen && i < probe->seen->len; i++) {
    const LwSeenAt *seen = &g_array_index(probe->seen, LwSeenAt, i);
    LwZoneKind kind = lw_live_place(live, live->place_of[seen->station])->zone.kind;
    if (seen->how == LW_SEEN_LOCAL && kind != LW_ZONE_ROUTER)
      return seen;
  }
  return NULL;
}

/* Whoever got a datagram, and could answer it, says instead that nobody has the port. */
static void add_answer(LwLive *live, const LwProbe *flow, const LwSeenAt *seen) {
  guint8 about[LW_PACKET_ABOUT];
  put_about(about, UDP, &seen->source, &seen->destination);
  put16(about + 20, seen->sport);
  put16(about + 22, seen->dport);
  put16(about + 24, 20);
  LwProbe *error = add_error(live, live->place_of[seen->station], LW_VIA_ROUTES, flow->place,
                             &seen->destination, &seen->source, about);
  error->error.expect = TRUE;
  error->error.why = of_its_own;
  error->error.origin = flow->flow->cell->origin;
}

static gboolean is_open_datagram(const LwProbe *probe) {
  return probe->kind == LW_PROBE_CELL && probe->flow->cell->expect && !probe->flow->redirected &&
         probe->flow->family == 4 && probe->flow->cell->question.proto == LW_PROTO_UDP && probe->answered;
}

/* One for each two places that talk. */
static void add_answers(LwLive *live) {
  g_autoptr(GHashTable) done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint count = live->probes->len;
  for (guint i = 0; i < count; i++) {
    const LwProbe *probe = g_ptr_array_index(live->probes, i);
    const LwSeenAt *seen = is_open_datagram(probe) ? seen_by_sockets(live, probe) : NULL;
    if (seen && seen->station != probe->station && lw_addr_v4(&seen->source) &&
        g_hash_table_add(done, g_strdup_printf("%u %u %u", probe->place, seen->station, probe->flow->exit)))
      add_answer(live, probe, seen);
  }
}

/* --- those that must not
 * -------------------------------------------------------------------------------------------- */

static gboolean has_line_to(const LwStatic *proof, const LwZone *from, const LwZone *to) {
  const LwStaticRow *row = lw_static_row(proof, from, NULL);
  for (guint i = 0; row && i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == to->kind && one->to.index == to->index && one->may != LW_MDD_FALSE)
      return TRUE;
  }
  return FALSE;
}

/* The internet is one for this: what has no flow of its own by some exit is sent by none. */
static gboolean may_talk(const LwStatic *proof, const LwZone *a, const LwZone *b) {
  for (guint i = 0; b->kind == LW_ZONE_INTERNET && i < proof->lab->tunnels->len; i++)
    if (has_line_to(proof, a, &(LwZone){LW_ZONE_INTERNET, i}))
      return TRUE;
  return has_line_to(proof, a, b) || has_line_to(proof, b, a);
}

static LwAddr address_at(const LwLive *live, guint index) {
  const LwProbePlace *place = lw_live_place(live, index);
  if (place->zone.kind == LW_ZONE_INTERNET)
    return live->world->internet_host;
  return place->zone.kind == LW_ZONE_HOST ? live->lab->host.management.address : place->address;
}

/* The line that speaks of a place, or of whom it would send to. */
static LwOrigin origin_of(const LwLive *live, guint place, guint target) {
  const LwZone *from = &lw_live_place(live, place)->zone, *to = &lw_live_place(live, target)->zone;
  const LwZone *segment = from->kind == LW_ZONE_SEGMENT ? from : to;
  return segment->kind == LW_ZONE_SEGMENT ? lw_lab_segment(live->lab, segment->index)->origin
                                          : live->lab->host.origin;
}

/* A datagram between two ports that no flow of ours begins at, and hardly anybody's: a ping's number may be
 * that of another ping, of a run before. */
static void put_about_none(guint8 out[LW_PACKET_ABOUT], const LwAddr *source, const LwAddr *destination) {
  put_about(out, UDP, source, destination);
  put16(out + 20, DISCARD);
  put16(out + 22, DISCARD);
  put16(out + 24, 20);
}

/* The ping of its gateway that every place of the lab sends is an open flow of its own. */
static void add_false_error(LwLive *live, guint place, LwVia via, guint target, gboolean of_flow) {
  LwAddr sender = address_at(live, place), victim = address_at(live, target);
  const LwProbe *ping = of_flow ? live->sentinel[target] : NULL;
  guint8 about[LW_PACKET_ABOUT];
  if (ping) {
    put_about(about, ICMP, &victim, &ping->destination);
    memcpy(about + 20, ping->bytes + 20, 8);
  } else {
    put_about_none(about, &victim, &sender);
  }
  LwProbe *error = add_error(live, place, via, target, &sender, &victim, about);
  error->error.why = !of_flow ? of_none : via == LW_VIA_BRIDGE ? by_bridge : not_theirs;
  error->error.origin = origin_of(live, place, target);
}

static gboolean is_first_in_segment(const LwLive *live, guint index) {
  const LwProbePlace *place = lw_live_place(live, index);
  if (place->zone.kind != LW_ZONE_SEGMENT || !lw_addr_is_set(&place->address) || !live->sentinel[index])
    return FALSE;
  for (guint i = 0; i < index; i++)
    if (lw_live_place(live, i)->zone.kind == LW_ZONE_SEGMENT &&
        lw_live_place(live, i)->zone.index == place->zone.index)
      return FALSE;
  return live->sentinel[index]->answered;
}

static gboolean is_beyond_wan(const LwLive *live, guint index) {
  const LwZone *zone = &lw_live_place(live, index)->zone;
  return zone->kind == LW_ZONE_INTERNET && zone->index == LW_NONE &&
         lw_addr_is_set(&live->world->internet_host);
}

static gboolean is_target(const LwLive *live, guint index) {
  gboolean host = lw_live_place(live, index)->zone.kind == LW_ZONE_HOST && live->sentinel[index] &&
                  live->sentinel[index]->answered;
  return host || is_beyond_wan(live, index) || is_first_in_segment(live, index);
}

/* By its own exit a packet of no flow may go; to others in the lab it may not, whoever they are. */
static void add_false_pair(LwLive *live, const LwStatic *proof, guint a, guint b) {
  gboolean talk = may_talk(proof, &lw_live_place(live, a)->zone, &lw_live_place(live, b)->zone);
  gboolean beyond = is_beyond_wan(live, b);
  if (!beyond || !talk)
    add_false_error(live, a, LW_VIA_GATEWAY, b, FALSE);
  if (!beyond && !talk)
    add_false_error(live, a, LW_VIA_GATEWAY, b, TRUE);
}

/* --- … from beyond an exit
 * -------------------------------------------------------------------------------------------- */

/* Everybody of the lab, as if the home LAN were a way to him. */
static void add_from_home_lan(LwLive *live, const LwStatic *proof, guint place) {
  const LwZone wan = {LW_ZONE_INTERNET, LW_NONE};
  for (guint b = 0; b < live->world->places->len; b++) {
    if (is_beyond_wan(live, b) || !is_target(live, b) || live->station_of[b] == live->station_of[place])
      continue;
    add_false_error(live, place, LW_VIA_WAN, b, FALSE);
    const LwZone *to = &lw_live_place(live, b)->zone;
    if (!has_line_to(proof, to, &wan) && !has_line_to(proof, &wan, to))
      add_false_error(live, place, LW_VIA_WAN, b, TRUE);
  }
}

/* To the tunnel's end, about what nobody has sent by it. */
static void add_from_tunnel(LwLive *live, const LwStatic *proof, guint place) {
  LwZone exit = lw_live_place(live, place)->zone;
  LwAddr sender = live->world->internet_host;
  LwAddr end = lw_tunnel_address(lw_lab_tunnel(live->lab, exit.index));
  for (guint b = 0; lw_addr_is_set(&end) && b < live->world->places->len; b++) {
    if (!is_first_in_segment(live, b) || !has_line_to(proof, &lw_live_place(live, b)->zone, &exit))
      continue;
    guint8 about[LW_PACKET_ABOUT];
    put_about_none(about, &end, &sender);
    LwProbe *error = add_error(live, place, LW_VIA_ROUTES, b, &sender, &end, about);
    error->error.why = of_none;
    error->error.origin = origin_of(live, place, b);
  }
}

/* By WAN, about what a machine has open by its tunnel: as the tunnel's far end saw it come. */
static void add_of_tunnel(LwLive *live, guint home, const LwProbe *flow) {
  for (guint i = 0; flow->seen && i < flow->seen->len; i++) {
    const LwSeenAt *seen = &g_array_index(flow->seen, LwSeenAt, i);
    const LwZone *at = &lw_live_place(live, live->place_of[seen->station])->zone;
    if (seen->how != LW_SEEN_WIRE || at->kind != LW_ZONE_INTERNET || at->index != flow->flow->exit)
      continue;
    guint8 about[LW_PACKET_ABOUT];
    put_about(about, UDP, &seen->source, &seen->destination);
    put16(about + 20, seen->sport);
    put16(about + 22, seen->dport);
    put16(about + 24, 20);
    LwAddr sender = address_at(live, home);
    LwProbe *error = add_error(live, home, LW_VIA_WAN, flow->place, &sender, &seen->source, about);
    error->error.why = by_other_exit;
    error->error.origin = flow->flow->cell->origin;
    return;
  }
}

/* One for each place that has a flow by a tunnel, and its segment none by WAN. */
static void add_of_tunnels(LwLive *live, const LwStatic *proof, guint home) {
  const LwZone wan = {LW_ZONE_INTERNET, LW_NONE};
  g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);
  guint count = live->probes->len;
  for (guint i = 0; i < count; i++) {
    const LwProbe *probe = g_ptr_array_index(live->probes, i);
    const LwZone *from = &lw_live_place(live, probe->place)->zone;
    if (is_open_datagram(probe) && probe->flow->exit != LW_NONE && !has_line_to(proof, from, &wan) &&
        !has_line_to(proof, &wan, from) && from->kind == LW_ZONE_SEGMENT &&
        g_hash_table_add(done, GUINT_TO_POINTER(probe->place + 1)))
      add_of_tunnel(live, home, probe);
  }
}

static void add_from_outside(LwLive *live, const LwStatic *proof) {
  guint home = lw_verify_place_of(live->world, LW_ZONE_HOME_LAN, LW_NONE);
  if (home != LW_NONE && lw_addr_is_set(&live->around.router_wan)) {
    add_from_home_lan(live, proof, home);
    add_of_tunnels(live, proof, home);
  }
  for (guint i = 0; i < live->world->places->len; i++) {
    const LwZone *zone = &lw_live_place(live, i)->zone;
    if (zone->kind == LW_ZONE_INTERNET && zone->index != LW_NONE)
      add_from_tunnel(live, proof, i);
  }
}

/* To the segment's bridge itself, as if the host were the way: it answers nobody. */
static void add_by_bridge(LwLive *live, guint place) {
  guint host = lw_verify_place_of(live->world, LW_ZONE_HOST, LW_NONE);
  if (host == LW_NONE || !is_first_in_segment(live, place) || !is_target(live, host))
    return;
  add_false_error(live, place, LW_VIA_BRIDGE, host, FALSE);
  add_false_error(live, place, LW_VIA_BRIDGE, host, TRUE);
}

static void add_false_errors(LwLive *live, const LwStatic *proof) {
  guint pairs = 0, left_out = 0;
  for (guint a = 0; a < live->world->places->len; a++)
    add_by_bridge(live, a);
  for (guint a = 0; a < live->world->places->len; a++)
    for (guint b = 0; is_first_in_segment(live, a) && b < live->world->places->len; b++) {
      const LwZone *from = &lw_live_place(live, a)->zone, *to = &lw_live_place(live, b)->zone;
      gboolean same = from->kind == to->kind && from->index == to->index;
      if (same || !is_target(live, b))
        continue;
      if (pairs++ >= PAIRS_MOST) {
        left_out++;
        continue;
      }
      add_false_pair(live, proof, a, b);
    }
  if (left_out)
    g_ptr_array_add(
        live->report->left_out,
        g_strdup_printf("ICMP errors between %u pairs of places, beyond %u", left_out, PAIRS_MOST));
}

void lw_live_add_errors(LwLive *live, const LwStatic *proof) {
  guint before = live->probes->len;
  add_answers(live);
  if (proof) {
    add_false_errors(live, proof);
    add_from_outside(live, proof);
  }
  live->report->errors = live->probes->len - before;
}

/* --- what came of them
 * ---------------------------------------------------------------------------------------------- */

void lw_live_hear_error(LwLive *live, guint station, const LwSighting *sighting, LwProbe *probe) {
  if (probe->kind != LW_PROBE_RELATED || sighting->how == LW_SEEN_LEFT || station == probe->station)
    return;
  gboolean router = lw_live_place(live, live->place_of[station])->zone.kind == LW_ZONE_ROUTER;
  if (router && sighting->how == LW_SEEN_WIRE)
    probe->at_router = TRUE;
  else
    lw_live_note_sighting(probe, station, sighting);
}

static gboolean has_come(const LwLive *live, const LwProbe *probe) {
  for (guint i = 0; probe->seen && i < probe->seen->len; i++)
    if (g_array_index(probe->seen, LwSeenAt, i).station == live->station_of[probe->error.target])
      return TRUE;
  return FALSE;
}

/* On the host's wires it has not got past its rules. */
static const LwSeenAt *somewhere(const LwLive *live, const LwProbe *probe) {
  for (guint i = 0; probe->seen && i < probe->seen->len; i++) {
    const LwSeenAt *seen = &g_array_index(probe->seen, LwSeenAt, i);
    LwZoneKind kind = lw_live_place(live, live->place_of[seen->station])->zone.kind;
    if (seen->how == LW_SEEN_LOCAL || kind != LW_ZONE_HOST)
      return seen;
  }
  return NULL;
}

/* What the same place sent after it came in at the router. */
static gboolean is_followed(const LwLive *live, const LwProbe *probe) {
  for (guint i = probe->cookie - live->base + 1; i < live->probes->len; i++) {
    const LwProbe *later = g_ptr_array_index(live->probes, i);
    if (later->kind == LW_PROBE_RELATED && later->place == probe->place && later->at_router)
      return TRUE;
  }
  return FALSE;
}

/* Of what must not come: why its silence says nothing; NULL: it was stopped. */
static const char *why_unproved(const LwLive *live, const LwProbe *probe) {
  if (probe->refused)
    return NULL;
  if (probe->via == LW_VIA_BRIDGE)
    return is_followed(live, probe) ? NULL : "nothing sent after it came in at the router";
  return probe->at_router ? NULL : "it was not seen to come in at the router";
}

gboolean lw_live_error_is_satisfied(const LwLive *live, const LwProbe *probe) {
  if (probe->via == LW_VIA_BRIDGE)
    return TRUE; /* not waited for */
  return probe->error.expect ? has_come(live, probe) : probe->at_router;
}

static void tell(LwLive *live, const LwProbe *probe, const char *text) {
  const LwProbePlace *from = lw_live_place(live, probe->place),
                     *to = lw_live_place(live, probe->error.target);
  g_autofree char *address = lw_addr_format(&probe->destination);
  g_autofree char *origin = lw_origin_format(&probe->error.origin);
  g_ptr_array_add(live->report->violations,
                  g_strdup_printf("%s -> %s (%s): an ICMP error %s %s; %s", from->name, to->name, address,
                                  probe->error.why, text, origin));
}

static void judge(LwLive *live, const LwProbe *probe) {
  const LwSeenAt *seen = somewhere(live, probe);
  if (probe->blocked)
    return; /* whoever should send it is no longer there: its cells say so */
  if (probe->error.expect && !has_come(live, probe)) {
    tell(live, probe, "must come, and does not");
  } else if (!probe->error.expect && seen) {
    g_autofree char *text = g_strdup_printf("must not pass, but arrived at %s",
                                            lw_live_place(live, live->place_of[seen->station])->name);
    tell(live, probe, text);
  } else if (!probe->error.expect && why_unproved(live, probe)) {
    g_autofree char *text = g_strdup_printf("cannot be proved to be stopped: %s", why_unproved(live, probe));
    tell(live, probe, text);
  }
}

void lw_live_judge_errors(LwLive *live) {
  for (guint i = 0; i < live->probes->len; i++) {
    const LwProbe *probe = g_ptr_array_index(live->probes, i);
    if (probe->kind == LW_PROBE_RELATED)
      judge(live, probe);
  }
}
