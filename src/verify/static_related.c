/* ICMP errors that belong to an open flow: connection tracking takes them for related, whoever sends them, as
 * long as they are addressed to one of the flow's two ends. So they may go between places that have some flow
 * with each other, in either direction, and by an exit only for sources that have a flow by it.
 *
 * At a bridge they may go from port to port as anything of the segment may, and to the bridge itself not at
 * all: so rules there that look at states are followed, be they host-guard's, somebody's, or those that
 * br_netfilter shows the frames.
 *
 * Whose flow it is cannot be seen in a set of packets: between two places that may talk a rule for related
 * lets an error in about any flow of whom it is addressed to. Held against the file by places, then. */
#include "verify/static_internal.h"

#define ICMP 1
#define ICMP6 58
#define LAST_ERROR6 127

LwMdd lw_static_errors(LwMddPool *pool) {
  static const guint8 types[] = {3, 4, 5, 11, 12}; /* icmp_is_err() of the kernel */
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(types); i++)
    set = lw_mdd_or(pool, set, lw_packets_number(pool, LW_HEADER_ICMP_TYPE, types[i], types[i]));
  set = lw_mdd_and(pool, set, lw_packets_number(pool, LW_HEADER_PROTO, ICMP, ICMP));
  set = lw_mdd_and(pool, set, lw_packets_family(pool, 4));
  LwMdd six = lw_mdd_and(pool, lw_packets_number(pool, LW_HEADER_ICMP_TYPE, 1, LAST_ERROR6),
                         lw_packets_number(pool, LW_HEADER_PROTO, ICMP6, ICMP6));
  return lw_mdd_or(pool, set, lw_mdd_and(pool, six, lw_packets_family(pool, 6)));
}

static gboolean is_port(const LwStaticRow *row) {
  return row->zone.kind == LW_ZONE_SEGMENT && *row->start.ns == '\0';
}

/* What a zone's flows are told by: the router's links, the host, the networks behind it. */
static gboolean has_pairs(const LwStaticRow *row) {
  if (row->zone.kind == LW_ZONE_SEGMENT || row->zone.kind == LW_ZONE_INTERNET)
    return row->machine == LW_NONE && *row->start.ns != '\0';
  return TRUE;
}

/* --- who has flows with whom
 * -------------------------------------------------------------------------------------------- */

/* The host, and the networks behind it, are at one link of the router: no rule tells their errors apart. */
static LwZone side_of(const LwZone *zone) {
  return zone->kind == LW_ZONE_NETWORK ? (LwZone){LW_ZONE_HOST, LW_NONE} : *zone;
}

static guint64 number_of(const LwZone *zone) {
  LwZone side = side_of(zone);
  return (guint64)side.kind << 28 | (side.index & 0xfffffffu);
}

/* Of the two as one number, whose lower half tells pairs apart: hash tables look at that. */
static guint64 pair_key(const LwZone *from, const LwZone *to) {
  guint64 both = (number_of(from) << 32 | number_of(to)) * 0x9e3779b97f4a7c15u;
  return both << 32 | both >> 32;
}

static void add_pair(const Prove *p, const LwZone *from, const LwZone *to) {
  guint64 key = pair_key(from, to);
  if (!g_hash_table_contains(p->pairs, &key))
    g_hash_table_add(p->pairs, g_memdup2(&key, sizeof key));
}

void lw_static_note_pairs(const Prove *p, const LwStaticRow *row) {
  if (!has_pairs(row))
    return;
  for (guint i = 0; i < row->flows_to->len; i++) {
    const LwZone *to = &g_array_index(row->flows_to, LwZone, i);
    add_pair(p, &row->zone, to);
    add_pair(p, to, &row->zone); /* its answers */
  }
}

gboolean lw_static_have_flows(const Prove *p, const LwZone *from, const LwZone *to) {
  guint64 key = pair_key(from, to);
  return g_hash_table_contains(p->pairs, &key);
}

/* --- the rows
 * ---------------------------------------------------------------------------------------------------------
 */

/* Anything, from the sources that the row has: followed as a whole, which is much less work than errors
 * alone. */
static LwMdd anything_of(const Prove *p, const LwStaticRow *row) {
  static const LwHeaderField others[] = {LW_HEADER_DADDR,     LW_HEADER_PROTO,     LW_HEADER_DPORT,
                                         LW_HEADER_ICMP_TYPE, LW_HEADER_ICMP_CODE, LW_HEADER_TCP_FLAGS,
                                         LW_HEADER_SPORT};
  LwMdd set = row->packets;
  for (guint i = 0; i < G_N_ELEMENTS(others); i++)
    set = lw_packets_forget(p->proof->pool, set, others[i]);
  return set;
}

/* What answers of open flows get there, too: more than those can a rule for related open. */
static LwMdd answers_at(const Prove *p, const LwStaticRow *row, const LwPlace *place, LwMdd set) {
  g_autoptr(GPtrArray) arrivals =
      lw_reach_from(p->proof->reach, &row->start, set, LW_CT_ESTABLISHED, LW_REACH_MAY);
  LwMdd answers = LW_MDD_FALSE;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace there = lw_static_place_of(p, arrival);
    if (lw_static_place_equal(&there, place))
      answers = lw_mdd_or(p->proof->pool, answers, arrival->packets);
  }
  return answers;
}

static LwMdd may_get_there(const Prove *p, const LwStaticRow *row, const LwPlace *place, LwMdd set) {
  if (place->elsewhere) /* behind the host, somebody else's rules may let answers pass: no flow leads there */
    return answers_at(p, row, place, set);
  if (place->zone.kind == LW_ZONE_ROUTER)
    return LW_MDD_TRUE; /* which has flows with everybody, and is told of them */
  if (place->zone.kind == LW_ZONE_INTERNET)
    return lw_static_flow_sources(p, row, place);
  LwZone here = side_of(&row->zone), there = side_of(&place->zone);
  gboolean own_side = here.kind == there.kind && here.index == there.index;
  if (!own_side && there.kind == LW_ZONE_SEGMENT)
    lw_static_watch_pair(p, there.index);
  return own_side || lw_static_have_flows(p, &row->zone, &place->zone) ? LW_MDD_TRUE : LW_MDD_FALSE;
}

/* The host's addresses but that of the management network are in the home LAN, and lead out by WAN: what may
 * go there is what WAN's flows may. */
static LwMdd to_its_uplink(const Prove *p, const LwStaticRow *row, LwMdd set) {
  LwMddPool *pool = p->proof->pool;
  const LwPlace wan = {.zone = {LW_ZONE_INTERNET, LW_NONE}};
  LwMdd management = lw_packets_addr(pool, LW_HEADER_DADDR, &p->proof->lab->host.management.address);
  LwMdd outside = lw_mdd_minus(pool, set, management);
  if (outside == LW_MDD_FALSE || (*row->start.ns == '\0' && !is_port(row)))
    return LW_MDD_FALSE;
  return lw_mdd_and(pool, outside, lw_static_flow_sources(p, row, &wan));
}

/* A network behind the host is a place of its own. */
static void judge_at(const Prove *p, const LwStaticRow *row, LwPlace place, LwMdd set) {
  LwMddPool *pool = p->proof->pool;
  const LwLab *lab = p->proof->lab;
  for (guint i = 0; lw_static_is_behind_host(&place) && i < lab->host.networks->len; i++) {
    LwMdd network = lw_packets_prefix(pool, LW_HEADER_DADDR, &lw_lab_network(lab, i)->prefix);
    LwPlace behind = {.zone = {LW_ZONE_NETWORK, i}};
    LwMdd part = lw_mdd_and(pool, set, network);
    if (part != LW_MDD_FALSE)
      lw_static_judge(p, row, LW_STATIC_RELATED, &behind,
                      lw_mdd_minus(pool, part, may_get_there(p, row, &behind, part)));
    set = lw_mdd_minus(pool, set, network);
  }
  if (!place.elsewhere && place.zone.kind == LW_ZONE_HOST)
    set = lw_mdd_minus(pool, set, to_its_uplink(p, row, set));
  if (set != LW_MDD_FALSE && lw_static_is_judged(row, &place))
    lw_static_judge(p, row, LW_STATIC_RELATED, &place,
                    lw_mdd_minus(pool, set, may_get_there(p, row, &place, set)));
}

static LwMdd errors_of(const Prove *p, const LwArrival *arrival) {
  return lw_mdd_and(p->proof->pool, arrival->packets, lw_static_errors(p->proof->pool));
}

static void follow(const Prove *p, const LwStaticRow *row, LwMdd set) {
  g_autoptr(GPtrArray) arrivals =
      lw_reach_from(p->proof->reach, &row->start, set, LW_CT_RELATED, LW_REACH_MAY);
  for (guint i = 0; i < arrivals->len; i++)
    judge_at(p, row, lw_static_place_of(p, arrivals->pdata[i]), errors_of(p, arrivals->pdata[i]));
}

/* The bridge itself answers nobody, whatever flows there are by the router. */
static void follow_to_bridge(const Prove *p, const LwStaticRow *row, LwMdd set) {
  LwStart start = {LW_START_BRIDGED, row->start.ns, row->start.link};
  g_autoptr(GPtrArray) arrivals = lw_reach_from(p->proof->reach, &start, set, LW_CT_RELATED, LW_REACH_MAY);
  for (guint i = 0; i < arrivals->len; i++) {
    LwPlace place = lw_static_place_of(p, arrivals->pdata[i]);
    lw_static_judge_from(p, row, &start, LW_STATIC_RELATED, &place, errors_of(p, arrivals->pdata[i]));
  }
}

static void judge_row(Prove *p, LwStaticRow *row) {
  if (lw_static_good_like(p, row, LW_STATIC_RUN_RELATED))
    return;
  gboolean scratch = row->stored || row->like; /* of the first rows all is kept, for the others */
  lw_static_watch_begin(p, row, LW_STATIC_RUN_RELATED);
  if (scratch)
    lw_static_row_begin(p, row);
  LwMdd set = anything_of(p, row);
  if (row->zone.kind != LW_ZONE_SEGMENT) /* from outside all segments are reached */
    set = lw_static_but_alike(p, row, set, follow);
  follow(p, row, set);
  if (is_port(row))
    follow_to_bridge(p, row, set);
  if (scratch)
    lw_static_row_leave(p, row);
  lw_static_watch_end(p, row, LW_STATIC_RUN_RELATED);
}

void lw_static_judge_related(Prove *p) {
  const GPtrArray *rows = p->proof->rows;
  for (guint i = 0; i < rows->len; i++)
    if (has_pairs(rows->pdata[i]) || is_port(rows->pdata[i]))
      judge_row(p, rows->pdata[i]);
}
