/* What gets where, held against the file; and what to say where the two differ. */
#include "verify/static_internal.h"

#include "policy/names.h"

#include <string.h>

#define PIECES_SHOWN 3
#define UDP 17

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

char *lw_static_pieces_text(LwMddPool *pool, LwMdd set) {
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

/* IPv6 addresses that a host can have: the first of a range is nobody's, or the router's own to any of them.
 */
static void make_plain6(LwMddPool *pool, LwMdd set, LwHeader *packet) {
  LwHeader plain = *packet;
  if (packet->source.family != 6)
    return;
  if (!lw_addr_parse("fd6c:616e:7761:7264::1001", &plain.source))
    return;
  plain.destination.bytes[14] |= 0x10;
  plain.destination.bytes[15] |= 0x01;
  if (lw_packets_contain(pool, set, &plain))
    *packet = plain;
}

/* Packets that a reader knows: pings, TCP, the segment's machines, addresses that are in use. */
static gboolean pick(const Prove *p, const LwStaticRow *row, const LwPlace *place, LwMdd set, LwHeader *out) {
  LwMddPool *pool = p->proof->pool;
  LwMdd wishes[10] = {0};
  guint count = 0;
  if (!place->elsewhere && place->zone.kind == LW_ZONE_SEGMENT) {
    LwMdd there =
        lw_packets_prefix(pool, LW_HEADER_DADDR, &lw_lab_segment(p->proof->lab, place->zone.index)->subnet);
    wishes[count++] = lw_mdd_and(pool, there, p->proof->machines);
    wishes[count++] = there;
  }
  if (row->machine != LW_NONE)
    wishes[count++] = lw_static_own_sources(p, row->machine, row->nic);
  LwAddr known;
  if (lw_addr_parse("8.8.4.4", &known))
    wishes[count++] = lw_packets_addr(pool, LW_HEADER_DADDR, &known);
  wishes[count++] = p->proof->machines;
  wishes[count++] = p->machine_sources;
  wishes[count++] = lw_packets_number(pool, LW_HEADER_PROTO, 6, 6);
  wishes[count++] = lw_packets_number(pool, LW_HEADER_DPORT, 443, 443);
  wishes[count++] = lw_packets_number(pool, LW_HEADER_SPORT, 40000, 40000);
  if (!lw_packets_pick(pool, set, wishes, count, out))
    return FALSE;
  make_plain6(pool, set, out);
  return TRUE;
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

gboolean lw_static_stops(const LwStep *step) {
  if (step->kind == LW_STEP_RULE || step->kind == LW_STEP_POLICY)
    return step->verdict == LW_VERDICT_DROP;
  return step->kind == LW_STEP_STOPPED || (step->kind == LW_STEP_ROUTE && !step->link);
}

/* How much a step has to do with a packet's getting through: a filter that would drop by its policy most. */
static guint weight(const LwStep *step) {
  if (step->kind != LW_STEP_RULE || step->verdict != LW_VERDICT_ACCEPT || !step->chain)
    return 0;
  if (step->ruleset->stateful) /* pf: the rule for what comes in says where it goes, too */
    return step->chain->hook == LW_HOOK_PREROUTING ? 8 : 1;
  gboolean filter = step->chain->hook == LW_HOOK_FORWARD || step->chain->hook == LW_HOOK_INPUT;
  return 1 + (filter ? 2 : 0) + (step->chain->drop ? 4 : 0) -
         (step->ruleset->family == LW_FAMILY_BRIDGE ? 1 : 0);
}

/* The step that let it through, or the last that stopped it. */
static char *deciding_text(const Prove *p, const LwStart *start, const LwHeader *packet, LwCtState state,
                           gboolean passed) {
  g_autoptr(GPtrArray) trace = lw_reach_trace(p->proof->reach, start, packet, state, FALSE);
  const LwStep *best = NULL;
  for (guint i = 0; i < trace->len; i++) {
    const LwStep *step = trace->pdata[i];
    if (passed ? weight(step) && (!best || weight(step) >= weight(best)) : lw_static_stops(step))
      best = step;
  }
  return best ? lw_static_step_text(best) : NULL;
}

static void violate(const Prove *p, const LwStaticRow *row, const LwStart *start, LwStaticKind kind,
                    const LwPlace *place, LwMdd set) {
  LwStaticViolation *v = g_new0(LwStaticViolation, 1);
  v->kind = kind;
  v->start = *start;
  v->from = g_strdup(row->name);
  v->to = lw_static_place_name(p->proof->lab, place);
  v->packets = set;
  pick(p, row, place, set, &v->packet);
  v->proto = proto_of(v->packet.proto);
  v->set = lw_static_pieces_text(p->proof->pool, set);
  ask_file(p, row, place, v);
  LwCtState state = kind == LW_STATIC_RELATED ? LW_CT_RELATED
                    : kind == LW_STATIC_LEAK  ? LW_CT_ESTABLISHED
                    : kind == LW_STATIC_STRAY ? LW_CT_INVALID
                                              : LW_CT_NEW;
  if (kind != LW_STATIC_MUTE && kind != LW_STATIC_BARE) /* they say themselves what is in the way */
    v->decided = deciding_text(p, start, &v->packet, state, kind != LW_STATIC_CLOSED);
  g_ptr_array_add(p->proof->violations, v);
}

/* --- the comparison
 * ------------------------------------------------------------------------------------------------ */

gboolean lw_static_is_judged(const LwStaticRow *row, const LwPlace *place) {
  if (row->zone.kind == LW_ZONE_SEGMENT)
    return TRUE;
  gboolean lab = place->zone.kind == LW_ZONE_SEGMENT || place->zone.kind == LW_ZONE_ROUTER;
  gboolean at_router = *row->start.ns != '\0';
  /* what does not pass through the lab (the home LAN and the host, the host and the internet) is not
     lanward's; an exit's packets at the router are: they must not get to the host by it */
  return !place->elsewhere && (lab || (at_router && place->zone.kind == LW_ZONE_HOST));
}

/* May these packets arrive there, translated like this? */
LwMdd lw_static_may_arrive(const LwStaticRow *row, const LwPlace *place, const LwRewrite *rewrite,
                           LwMddPool *pool) {
  LwMdd may = LW_MDD_FALSE;
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
    may = lw_mdd_or(pool, may, one->may);
  }
  return may;
}

/* Is it an address of the exit's own end? */
static gboolean is_of_exit(const Prove *p, const LwPlace *exit, const LwAddr *source) {
  g_autofree char *link = exit->zone.index == LW_NONE
                              ? g_strdup(LW_ROUTER_WAN)
                              : lw_name_tunnel(lw_lab_tunnel(p->proof->lab, exit->zone.index));
  gboolean any = FALSE;
  for (guint i = 0; i < p->exit_addresses->len; i++) {
    const LwResource *r = p->exit_addresses->pdata[i];
    if (g_strcmp0(r->link, link) != 0)
      continue;
    any = TRUE;
    if (lw_addr_equal(&r->prefix.addr, source))
      return TRUE;
  }
  return !any; /* not leased yet */
}

static gboolean leaves_unmasked(const Prove *p, const LwStaticRow *row, const LwPlace *place,
                                const LwRewrite *rewrite) {
  if (row->zone.kind != LW_ZONE_SEGMENT || place->elsewhere || place->zone.kind != LW_ZONE_INTERNET ||
      rewrite->source_unknown)
    return FALSE;
  return !lw_addr_is_set(&rewrite->source) || !is_of_exit(p, place, &rewrite->source);
}

/* The first row of the segment tells of all; a machine's row only of what that one did not. */
static LwMdd told_of(const Prove *p, const LwStaticRow *row, LwStaticKind kind, const LwPlace *place,
                     LwMdd set) {
  LwMddPool *pool = p->proof->pool;
  LwMdd fresh = set;
  for (guint i = 0; i < p->told->len; i++) {
    const Told *known = &g_array_index(p->told, Told, i);
    if (known->kind == kind && lw_static_place_equal(&known->place, place) &&
        known->row->zone.kind == row->zone.kind && known->row->zone.index == row->zone.index)
      fresh = lw_mdd_minus(pool, fresh, known->set);
  }
  Told one = {row, kind, *place, set};
  if (fresh != LW_MDD_FALSE)
    g_array_append_val(p->told, one);
  return fresh;
}

void lw_static_judge_from(const Prove *p, const LwStaticRow *row, const LwStart *start, LwStaticKind kind,
                          const LwPlace *place, LwMdd set) {
  if (set == LW_MDD_FALSE)
    return;
  LwMdd fresh = told_of(p, row, kind, place, set);
  if (fresh != LW_MDD_FALSE)
    violate(p, row, start, kind, place, fresh);
}

void lw_static_judge(const Prove *p, const LwStaticRow *row, LwStaticKind kind, const LwPlace *place,
                     LwMdd set) {
  lw_static_judge_from(p, row, &row->start, kind, place, set);
}

void lw_static_judge_arrivals(const Prove *p, LwStaticRow *row, const GPtrArray *arrivals) {
  LwMddPool *pool = p->proof->pool;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace place = lw_static_place_of(p, arrival);
    if (lw_static_is_behind_host(&place))
      continue; /* judged by what was reached */
    if (!lw_static_is_judged(row, &place))
      continue;
    LwMdd may = lw_static_may_arrive(row, &place, &arrival->rewrite, pool);
    if (!place.elsewhere && place.zone.kind == LW_ZONE_ROUTER)
      may = lw_mdd_or(pool, may, p->proof->tolerated);
    lw_static_judge(p, row, LW_STATIC_OPEN, &place, lw_mdd_minus(pool, arrival->packets, may));
    if (leaves_unmasked(p, row, &place, &arrival->rewrite))
      lw_static_judge(p, row, LW_STATIC_UNMASKED, &place, lw_mdd_and(pool, arrival->packets, may));
  }
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    gboolean network = !reached->place.elsewhere && reached->place.zone.kind == LW_ZONE_NETWORK;
    LwRewrite plain = {0};
    if ((network || lw_static_is_behind_host(&reached->place)) && lw_static_is_judged(row, &reached->place))
      lw_static_judge(
          p, row, LW_STATIC_OPEN, &reached->place,
          lw_mdd_minus(pool, reached->may, lw_static_may_arrive(row, &reached->place, &plain, pool)));
  }
}

/* There may be no link to a network behind the host, or to nobody's address: what cannot be there is no
 * promise broken. */
static gboolean can_be_there(const Prove *p, const LwZone *zone) {
  if (zone->kind != LW_ZONE_NETWORK)
    return TRUE;
  LwPrefix prefix = lw_lab_network(p->proof->lab, zone->index)->prefix;
  return lw_static_link_of_network(p, &prefix) != NULL;
}

static LwMdd arrived_as(const Prove *p, const GPtrArray *arrivals, const LwIntended *wanted) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace place = lw_static_place_of(p, arrival);
    if (place.elsewhere || place.zone.kind != wanted->to.kind || place.zone.index != wanted->to.index)
      continue;
    if (lw_addr_is_set(&wanted->destination) &&
        !lw_addr_equal(&wanted->destination, &arrival->rewrite.destination))
      continue;
    set = lw_mdd_or(p->proof->pool, set, arrival->packets);
  }
  return set;
}

/* Queries that were led to a resolver, where they may be. */
static LwMdd led_by(const Prove *p, const LwStaticRow *row, const GPtrArray *arrivals) {
  LwMddPool *pool = p->proof->pool;
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->led)
      set = lw_mdd_or(pool, set, lw_mdd_and(pool, one->may, arrived_as(p, arrivals, one)));
  }
  return set;
}

void lw_static_judge_promises(const Prove *p, LwStaticRow *row, const GPtrArray *arrivals) {
  LwMddPool *pool = p->proof->pool;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *wanted = row->intended->pdata[i];
    if (wanted->must == LW_MDD_FALSE || !can_be_there(p, &wanted->to))
      continue;
    LwPlace place = {.zone = wanted->to};
    LwMdd got = arrived_as(p, arrivals, wanted);
    if (wanted->to.kind == LW_ZONE_NETWORK || wanted->to.kind == LW_ZONE_HOST)
      got = lw_static_reached_at(row, &place)->must;
    if (wanted->to.kind == LW_ZONE_SEGMENT && !p->has_port[wanted->to.index])
      continue; /* nobody is plugged in there */
    if (wanted->to.kind == LW_ZONE_ROUTER)
      got = lw_mdd_or(pool, got, led_by(p, row, arrivals));
    lw_static_judge(p, row, LW_STATIC_CLOSED, &place, lw_mdd_minus(pool, wanted->must, got));
  }
}

/* One packet of each set that must arrive is answered: the rules for answers tell flows apart by their
 * places, not by their packets. */
void lw_static_judge_answers(const Prove *p, const LwStaticRow *row, const GPtrArray *arrivals,
                             const LwPassages *passages) {
  LwMddPool *pool = p->proof->pool;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace place = lw_static_place_of(p, arrival);
    LwMdd must = LW_MDD_FALSE;
    for (guint w = 0; w < row->intended->len; w++) {
      const LwIntended *wanted = row->intended->pdata[w];
      if (!place.elsewhere && wanted->to.kind == place.zone.kind && wanted->to.index == place.zone.index)
        must = lw_mdd_or(pool, must, wanted->must);
    }
    LwMdd set = lw_mdd_and(pool, must, arrival->packets);
    LwHeader packet;
    g_autoptr(GPtrArray) steps = NULL;
    if (set == LW_MDD_FALSE || !pick(p, row, &place, set, &packet) ||
        lw_reach_answer(p->proof->reach, passages, i, &packet, &steps))
      continue;
    guint before = p->proof->violations->len;
    lw_static_judge(p, row, LW_STATIC_MUTE, &place, set);
    if (p->proof->violations->len == before)
      continue;
    LwStaticViolation *v = p->proof->violations->pdata[before];
    for (guint s = 0; s < steps->len; s++)
      if (lw_static_stops(steps->pdata[s])) {
        g_free(v->decided);
        v->decided = lw_static_step_text(steps->pdata[s]);
      }
  }
}

/* ICMPv6 within IPv4 is nothing: where any protocol may go it may. (Connection tracking opens no flow for
 * it.)
 */
static LwMdd misplaced_icmp(LwMddPool *pool, LwMdd may) {
  LwMdd any = lw_mdd_and(pool, may, lw_packets_number(pool, LW_HEADER_PROTO, 253, 253));
  any = lw_mdd_and(pool, any, lw_packets_family(pool, 4));
  return lw_mdd_and(pool, lw_packets_forget(pool, any, LW_HEADER_PROTO),
                    lw_packets_number(pool, LW_HEADER_PROTO, 58, 58));
}

/* All destinations of the internet for a source that has any of them there, else just those that it has. */
static LwMdd flow_sources(const Prove *p, LwMdd may) {
  LwMddPool *pool = p->proof->pool;
  LwMdd flows = may;
  const LwHeaderField free_fields[] = {LW_HEADER_PROTO, LW_HEADER_DPORT, LW_HEADER_SPORT,
                                       LW_HEADER_ICMP_CODE};
  for (guint i = 0; i < G_N_ELEMENTS(free_fields); i++)
    flows = lw_packets_forget(pool, flows, free_fields[i]);
  LwMdd far = lw_packets_forget(pool, lw_mdd_and(pool, flows, p->far), LW_HEADER_DADDR);
  return lw_mdd_or(pool, flows, far);
}

static LwMdd going_on(const LwStaticRow *row, const LwPlace *place) {
  const LwIntended *wanted = lw_static_intended_at(row, &place->zone);
  return wanted ? wanted->going_on : LW_MDD_FALSE;
}

static LwMdd may_in_any_state(const LwStaticRow *row, const LwPlace *place, const LwRewrite *rewrite,
                              LwMddPool *pool) {
  LwMdd may = lw_static_may_arrive(row, place, rewrite, pool);
  may = lw_packets_forget(pool, lw_packets_forget(pool, may, LW_HEADER_TCP_FLAGS), LW_HEADER_ICMP_TYPE);
  return lw_mdd_or(pool, may, misplaced_icmp(pool, may));
}

LwMdd lw_static_flow_sources(const Prove *p, const LwStaticRow *row, const LwPlace *exit) {
  static const LwRewrite as_sent = {0};
  LwMddPool *pool = p->proof->pool;
  LwMdd may = may_in_any_state(row, exit, &as_sent, pool);
  return flow_sources(p, lw_mdd_or(pool, may, going_on(row, exit)));
}

/* Where it matters: from a segment whether it leaves by an exit, and what of none gets to whom in the lab; of
 * what comes from outside the latter alone. */
static gboolean is_of_interest(const LwStaticRow *row, const LwPlace *place, LwCtState state) {
  gboolean segment = row->zone.kind == LW_ZONE_SEGMENT;
  if (place->elsewhere)
    return FALSE;
  if (place->zone.kind == LW_ZONE_INTERNET)
    return segment;
  return state == LW_CT_INVALID &&
         (place->zone.kind == LW_ZONE_SEGMENT || (place->zone.kind == LW_ZONE_HOST && !segment));
}

/* Packets of no new flow: an open one that goes on (established), or none at all (invalid). By an exit may go
 * what has some flow by it; elsewhere the invalid may go where a new one may. */
void lw_static_judge_others(const Prove *p, LwStaticRow *row) {
  LwMddPool *pool = p->proof->pool;
  const struct {
    LwCtState state;
    LwStaticKind kind;
  } runs[] = {{LW_CT_ESTABLISHED, LW_STATIC_LEAK}, {LW_CT_INVALID, LW_STATIC_STRAY}};
  guint first = row->zone.kind == LW_ZONE_SEGMENT ? 0 : 1; /* what is open may come from outside */
  for (guint r = first; r < G_N_ELEMENTS(runs); r++) {
    g_autoptr(GPtrArray) arrivals =
        lw_reach_from(p->proof->reach, &row->start, LW_MDD_TRUE, runs[r].state, LW_REACH_MAY);
    for (guint i = 0; i < arrivals->len; i++) {
      const LwArrival *arrival = arrivals->pdata[i];
      LwPlace place = lw_static_place_of(p, arrival);
      if (!is_of_interest(row, &place, runs[r].state))
        continue;
      LwMdd may = may_in_any_state(row, &place, &arrival->rewrite, pool);
      if (place.zone.kind == LW_ZONE_INTERNET)
        may = flow_sources(p, lw_mdd_or(pool, may, going_on(row, &place)));
      lw_static_judge(p, row, runs[r].kind, &place, lw_mdd_minus(pool, arrival->packets, may));
    }
  }
}
