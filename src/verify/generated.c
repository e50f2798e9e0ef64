#include "verify/generated.h"

#include "policy/names.h"
#include "verify/packets.h"
#include "verify/points.h"
#include "verify/shared.h"

#include <string.h>

#define PIECES_MOST 48      /* of a set: a file with more has its cells cut anyway */
#define DIFFERENCE_PIECES 6 /* of a violation's set */
#define CELL_MOST 96        /* packets a cell of the matrix, sender by receiver */
#define DIFFERENCE_MOST 24  /* besides, of what differs */

/* What became of a cell of the matrix. */
typedef struct {
  char *from, *to;
  guint tried, differing, over;
} Count;

typedef struct {
  const LwLab *lab;
  const LwFacts *facts;
  const LwVerifyWorld *world;
  const LwSurroundings *around;
  const LwStatic *proof;
  GPtrArray *flows;
  GHashTable *known; /* set of char*: what is sent already */
  GPtrArray *counts; /* of Count* */
  LwShared shared;
  guint host, router; /* places; LW_NONE */
  /* of the row that is being looked at */
  const LwStaticRow *row;
  GArray *sources, *destinations; /* of LwAddr: somebody is there */
} Make;

static const LwProbePlace *place_at(const Make *m, guint index) {
  return g_ptr_array_index(m->world->places, index);
}

static gboolean in_lab(const Make *m, const LwAddr *address, guint *segment) {
  for (guint i = 0; i < m->lab->segments->len; i++)
    if (lw_prefix_contains(&lw_lab_segment(m->lab, i)->subnet, address)) {
      *segment = i;
      return TRUE;
    }
  return FALSE;
}

static gboolean in_home_lan(const Make *m, const LwAddr *address) {
  return m->facts->home_lan.addr.family && lw_prefix_contains(&m->facts->home_lan, address);
}

/* The place of the zone that has the address; LW_NONE. */
static guint place_of(const Make *m, LwZoneKind kind, guint index, const LwAddr *address) {
  for (guint i = 0; i < m->world->places->len; i++) {
    const LwProbePlace *place = place_at(m, i);
    if (place->zone.kind == kind && (index == LW_NONE || place->zone.index == index) &&
        lw_addr_equal(&place->address, address))
      return i;
  }
  return LW_NONE;
}

/* --- rows
 * -----------------------------------------------------------------------------------------------------------
 */

typedef enum {
  ROW_OTHER,   /* packets of it cannot be sent */
  ROW_SEGMENT, /* at its gateway */
  ROW_MACHINE,
  ROW_HOST,
  ROW_NETWORK,
  ROW_HOME_LAN,
  ROW_TUNNEL,
} RowKind;

static RowKind kind_of(const LwStaticRow *row) {
  gboolean at_router = row->start.ns && *row->start.ns;
  switch (row->zone.kind) {
  case LW_ZONE_SEGMENT:
    return row->machine != LW_NONE ? ROW_MACHINE : at_router ? ROW_SEGMENT : ROW_OTHER;
  case LW_ZONE_HOST:
    return ROW_HOST;
  case LW_ZONE_NETWORK:
    return ROW_NETWORK;
  case LW_ZONE_INTERNET:
    if (!at_router)
      return ROW_OTHER;
    return row->zone.index == LW_NONE ? ROW_HOME_LAN : ROW_TUNNEL;
  case LW_ZONE_ROUTER:
  case LW_ZONE_HOME_LAN:
    break;
  }
  return ROW_OTHER;
}

/* Nobody's in particular, as far as the lab can tell, and no address that means something else. */
static gboolean is_plain(const Make *m, const LwAddr *address) {
  guint32 v = lw_addr_v4(address);
  guint segment;
  LwPrefix management = m->lab->host.management.subnet;
  if (address->family != 4 || v >> 28 >= 14 || v >> 24 == 127 || v >> 24 == 0)
    return FALSE;
  for (guint i = 0; i < m->lab->host.networks->len; i++)
    if (lw_prefix_contains(&lw_lab_network(m->lab, i)->prefix, address))
      return FALSE;
  return !in_lab(m, address, &segment) && !in_home_lan(m, address) &&
         !lw_prefix_contains(&management, address);
}

/* A client of DHCP has no address yet. */
static gboolean is_nobody(const LwAddr *address) {
  return address->family == 4 && lw_addr_v4(address) == 0;
}

static gboolean source_fits(const LwAddr *address, gpointer data) {
  const Make *m = data;
  guint segment;
  switch (kind_of(m->row)) {
  case ROW_SEGMENT:
  case ROW_MACHINE:
    if (in_lab(m, address, &segment))
      return lw_verify_address_is_free(m->lab, m->facts, segment, address);
    return is_plain(m, address) || is_nobody(address);
  case ROW_HOME_LAN:
    return !m->world->ends_at_exits && is_plain(m, address);
  case ROW_TUNNEL:
    return is_plain(m, address);
  case ROW_HOST:
  case ROW_NETWORK:
  case ROW_OTHER:
    break;
  }
  return FALSE; /* its own addresses alone */
}

/* What is beyond an exit is seen to leave; inside of the lab there must be somebody. */
static gboolean destination_fits(const LwAddr *address, gpointer data) {
  const Make *m = data;
  gboolean segment = m->row->zone.kind == LW_ZONE_SEGMENT;
  gboolean everybody = address->family == 4 && lw_addr_v4(address) == 0xffffffffu;
  return segment && (is_plain(m, address) || everybody);
}

static void add_address(GArray *list, LwAddr address) {
  for (guint i = 0; i < list->len; i++)
    if (lw_addr_equal(&g_array_index(list, LwAddr, i), &address))
      return;
  if (lw_addr_is_set(&address))
    g_array_append_val(list, address);
}

/* Machines first, then what else there is. */
static void list_destinations(const Make *m) {
  RowKind kind = kind_of(m->row);
  if (kind == ROW_TUNNEL) {
    add_address(m->destinations, lw_tunnel_address(lw_lab_tunnel(m->lab, m->row->zone.index)));
    return;
  }
  for (guint i = 0; i < m->world->places->len; i++) {
    const LwProbePlace *place = place_at(m, i);
    gboolean inside = place->zone.kind == LW_ZONE_SEGMENT || place->zone.kind == LW_ZONE_NETWORK;
    if (inside)
      add_address(m->destinations, place->address);
  }
  const LwHost *host = &m->lab->host;
  add_address(m->destinations, host->management.address);
  add_address(m->destinations, host->management.router);
  for (guint i = 0; i < m->lab->segments->len; i++)
    add_address(m->destinations, lw_lab_segment(m->lab, i)->router);
  add_address(m->destinations, m->around->router_wan);
  add_address(m->destinations, m->around->host_uplink);
  add_address(m->destinations, m->world->home_lan_host);
  add_address(m->destinations, m->world->internet_host);
}

static void list_sources(const Make *m) {
  RowKind kind = kind_of(m->row);
  if (kind == ROW_HOST)
    add_address(m->sources, m->lab->host.management.address);
  for (guint i = 0; kind != ROW_HOST && i < m->world->places->len; i++) {
    const LwProbePlace *place = place_at(m, i);
    gboolean home = kind == ROW_HOME_LAN && place->zone.kind == LW_ZONE_HOME_LAN;
    gboolean here = place->zone.kind == m->row->zone.kind && place->zone.index == m->row->zone.index;
    gboolean own = m->row->machine == LW_NONE ||
                   g_strcmp0(lw_lab_machine(m->lab, m->row->machine)->name, place->name) == 0;
    if (home || (here && own))
      add_address(m->sources, place->address);
  }
  if (kind == ROW_TUNNEL || (kind == ROW_HOME_LAN && !m->world->ends_at_exits))
    add_address(m->sources, m->world->internet_host);
}

/* --- one packet
 * ----------------------------------------------------------------------------------------------------- */

static char *service_of(const LwHeader *h) {
  LwProto proto = lw_packet_proto(h->proto);
  if (proto == LW_PROTO_ANY)
    return g_strdup_printf("protocol %u", h->proto);
  if (proto != LW_PROTO_ICMP)
    return g_strdup_printf("%s/%u", lw_proto_name(proto), h->dport);
  gboolean echo = h->icmp_type == (h->proto == 1 ? 8 : 128);
  return echo ? g_strdup("icmp") : g_strdup_printf("icmp type %u", h->icmp_type);
}

/* By which way it is sent, and from where. FALSE: nobody can. */
static gboolean find_way(const Make *m, const LwHeader *h, LwWay *way) {
  gboolean six = h->source.family == 6;
  *way = (LwWay){.source = h->source, .destination = h->destination, .from = m->row->zone, .place = LW_NONE};
  way->via = LW_VIA_ROUTES;
  switch (kind_of(m->row)) {
  case ROW_SEGMENT:
    way->via = LW_VIA_GATEWAY;
    way->place = place_of(m, LW_ZONE_SEGMENT, m->row->zone.index, &h->source);
    if (way->place == LW_NONE) {
      way->via = LW_VIA_LEG;
      way->place = m->router == LW_NONE && !m->world->opaque_router ? LW_NONE : m->host;
    }
    break;
  case ROW_MACHINE:
    way->via = LW_VIA_GATEWAY;
    for (guint i = 0; i < m->world->places->len && way->place == LW_NONE; i++) {
      const LwProbePlace *place = place_at(m, i);
      if (place->zone.kind == LW_ZONE_SEGMENT && place->zone.index == m->row->zone.index &&
          g_str_equal(place->name, lw_lab_machine(m->lab, m->row->machine)->name))
        way->place = i;
    }
    break;
  case ROW_HOST:
    way->place = six ? LW_NONE : m->host;
    break;
  case ROW_NETWORK:
    way->place = place_of(m, LW_ZONE_NETWORK, m->row->zone.index, &h->source);
    break;
  case ROW_HOME_LAN:
    way->via = LW_VIA_WAN;
    way->place = lw_addr_is_set(&m->around->router_wan)
                     ? lw_verify_place_of(m->world, LW_ZONE_HOME_LAN, LW_NONE)
                     : LW_NONE;
    if (in_home_lan(m, &h->source))
      way->from = (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
    break;
  case ROW_TUNNEL:
    way->place = six ? LW_NONE : lw_verify_place_of(m->world, LW_ZONE_INTERNET, m->row->zone.index);
    break;
  case ROW_OTHER:
    break;
  }
  return way->place != LW_NONE;
}

static gboolean is_special(const LwAddr *address) {
  LwPrefix special;
  for (guint i = 0; lw_intent_special(i, &special); i++)
    if (lw_prefix_contains(&special, address))
      return TRUE;
  return FALSE;
}

static guint first_in(const Make *m, guint segment) {
  for (guint i = 0; i < m->world->places->len; i++)
    if (place_at(m, i)->zone.kind == LW_ZONE_SEGMENT && place_at(m, i)->zone.index == segment)
      return i;
  return LW_NONE;
}

/* Of IPv6 the file tells no addresses: where it would get by what is in force. */
static void find_target6(const Make *m, const LwHeader *h, LwWay *way) {
  LwMddPool *pool = m->proof->pool;
  way->to = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  way->receiver = LW_NONE;
  for (guint i = 0; i < m->row->reached->len; i++) {
    const LwReached *reached = m->row->reached->pdata[i];
    if (reached->place.elsewhere || !lw_packets_contain(pool, reached->may, h))
      continue;
    way->to = reached->place.zone;
    if (way->to.kind == LW_ZONE_SEGMENT)
      way->receiver = first_in(m, way->to.index);
  }
}

/* Where it goes, and who has to get it when it may. */
static void find_target(const Make *m, const LwHeader *h, LwWay *way) {
  if (h->source.family == 6) {
    find_target6(m, h, way);
    return;
  }
  way->to = lw_verify_zone_of(m->lab, m->facts, &h->destination);
  way->receiver = LW_NONE;
  if (lw_addr_equal(&h->destination, &m->around->router_wan))
    way->to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  for (guint i = 0; i < m->lab->tunnels->len; i++) {
    LwAddr end = lw_tunnel_address(lw_lab_tunnel(m->lab, i));
    if (lw_addr_equal(&h->destination, &end))
      way->to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  }
  switch (way->to.kind) {
  case LW_ZONE_SEGMENT:
  case LW_ZONE_NETWORK:
    way->receiver = place_of(m, way->to.kind, way->to.index, &h->destination);
    break;
  case LW_ZONE_HOST:
    way->receiver = m->host;
    break;
  case LW_ZONE_ROUTER:
    way->to.index = LW_NONE;
    way->receiver = m->router;
    break;
  case LW_ZONE_HOME_LAN:
    way->receiver = lw_addr_equal(&h->destination, &m->around->host_uplink) ? m->host
                    : m->world->ends_at_exits                               ? LW_NONE
                                              : place_of(m, LW_ZONE_HOME_LAN, LW_NONE, &h->destination);
    break;
  case LW_ZONE_INTERNET:
    if (lw_addr_equal(&h->destination, &m->world->internet_host))
      way->receiver = lw_verify_place_of(m->world, LW_ZONE_INTERNET, LW_NONE);
    if (is_special(&h->destination))
      way->column = "private";
    break;
  }
}

static Count *count_of(const Make *m, const char *from, const char *to) {
  for (guint i = 0; i < m->counts->len; i++) {
    Count *known = m->counts->pdata[i];
    if (g_str_equal(known->from, from) && g_str_equal(known->to, to))
      return known;
  }
  Count *fresh = g_new0(Count, 1);
  fresh->from = g_strdup(from);
  fresh->to = g_strdup(to);
  g_ptr_array_add(m->counts, fresh);
  return fresh;
}

static void count_free(gpointer data) {
  Count *count = data;
  g_free(count->from);
  g_free(count->to);
  g_free(count);
}

/* What tells one packet from another; those of the lines' own flows as well. */
static char *key_of(const LwFlow *flow, const LwHeader *h) {
  g_autofree char *source = lw_addr_format(&h->source);
  g_autofree char *destination = lw_addr_format(&h->destination);
  gboolean ports = h->proto == 6 || h->proto == 17;
  return g_strdup_printf("%u %u %u %s %s %u %u %u", flow->place, flow->via, flow->cell->question.from.index,
                         source, destination, h->proto, ports ? h->dport : 0,
                         h->proto == 1 || h->proto == 58 ? h->icmp_type : 0);
}

/* On its own wire a machine may say anything to anybody there; a packet for somewhere else is not sent there.
 */
static gboolean is_beside(const Make *m, const LwIntended *each, const LwHeader *h) {
  gboolean own_wire = m->row->zone.kind == LW_ZONE_SEGMENT && each->to.kind == LW_ZONE_SEGMENT &&
                      each->to.index == m->row->zone.index;
  return own_wire && !lw_prefix_contains(&lw_lab_segment(m->lab, each->to.index)->subnet, &h->destination);
}

/* The intended sets' word: what must get somewhere (nullable: nothing does), and whether it may. */
static const LwIntended *intended(const Make *m, const LwHeader *h, gboolean *may) {
  LwMddPool *pool = m->proof->pool;
  const LwIntended *must = NULL;
  *may = FALSE;
  for (guint i = 0; i < m->row->intended->len; i++) {
    const LwIntended *each = m->row->intended->pdata[i];
    if (is_beside(m, each, h))
      continue;
    *may |= lw_packets_contain(pool, each->may, h);
    if (!must && lw_packets_contain(pool, each->must, h))
      must = each;
  }
  return must;
}

/* What the proof has nothing to say of: the host and the internet, the home LAN and the host, … . */
static gboolean is_judged(const Make *m, const LwWay *way) {
  if (m->row->zone.kind == LW_ZONE_SEGMENT)
    return TRUE;
  gboolean at_router = m->row->start.ns && *m->row->start.ns;
  return way->to.kind == LW_ZONE_SEGMENT || way->to.kind == LW_ZONE_ROUTER ||
         (at_router && way->to.kind == LW_ZONE_HOST);
}

static gboolean answers(const LwFlow *flow, const LwHeader *h, const LwProbePlace *place) {
  gboolean own = lw_addr_equal(&h->source, &place->address) || place->zone.kind == LW_ZONE_HOST;
  gboolean echo = h->proto != 1 || h->icmp_type == 8;
  return own && echo && lw_packet_proto(h->proto) != LW_PROTO_ANY && flow->via != LW_VIA_LEG;
}

static void add_flow(const Make *m, const LwHeader *point, const LwWay *way, const LwIntended *must,
                     gboolean differs) {
  LwHeader as_sent = *point;
  const LwHeader *h = &as_sent;
  LwFlow *flow = lw_verify_flow_new(m->lab, m->facts, m->world, way, lw_packet_proto(h->proto), h->dport);
  LwCell *cell = flow->cell;
  gboolean expect = must != NULL;
  gboolean shared = lw_shared_concerns(h, &way->to);
  flow->exit = must && must->to.kind == LW_ZONE_INTERNET ? must->to.index : LW_NONE;
  flow->held = shared && !lw_shared_settle(&m->shared, m->row, expect, flow->exit, &as_sent);
  if (!shared && !expect)
    lw_shared_set_apart(&m->shared, m->row, &as_sent);
  if (cell->expect != expect) {
    g_free(cell->reason);
    cell->reason = g_strdup(expect ? "the file's lines allow it" : "no line of the file allows it");
  }
  cell->expect = expect;
  cell->generated = TRUE;
  cell->differs = differs;
  cell->packet = *h;
  cell->family = flow->family = h->source.family;
  g_free(cell->service);
  cell->service = service_of(h);
  if (way->via == LW_VIA_LEG)
    g_clear_pointer(&cell->machine, g_free);
  flow->redirected = FALSE;
  flow->cannot_answer |= !answers(flow, h, place_at(m, way->place));
  Count *count = count_of(m, cell->from, cell->to);
  g_autofree char *key = expect && shared ? lw_shared_key(&m->shared, h, flow->exit) : key_of(flow, h);
  gboolean known = g_hash_table_contains(m->known, key);
  gboolean over = differs ? count->differing >= DIFFERENCE_MOST : count->tried >= CELL_MOST;
  if (known || over) {
    count->over += !known;
    lw_flow_free(flow);
    return;
  }
  (*(differs ? &count->differing : &count->tried))++;
  g_hash_table_add(m->known, g_steal_pointer(&key));
  g_ptr_array_add(m->flows, flow);
}

/* A forward: the router is asked, and a machine gets it. Or the router takes what is for somebody else (a
 * query that is redirected), or for everybody. */
static void aim_at_receiver(const Make *m, const LwIntended *must, LwWay *way) {
  if (must->to.kind == LW_ZONE_ROUTER) {
    way->to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
    way->receiver = m->router;
    way->column = NULL;
  }
  if (lw_addr_is_set(&must->destination) && must->to.kind == LW_ZONE_SEGMENT)
    way->receiver = place_of(m, LW_ZONE_SEGMENT, must->to.index, &must->destination);
}

static gboolean can_be_received(const Make *m, const LwWay *way, const LwIntended *must) {
  if (!must)
    return TRUE;
  if (way->to.kind == LW_ZONE_INTERNET) /* what really leaves a host goes to one known place */
    return !m->world->ends_at_exits || lw_addr_equal(&way->destination, &m->world->internet_host);
  return way->receiver != LW_NONE || way->to.kind == LW_ZONE_NETWORK ||
         (m->world->opaque_router && way->to.kind == LW_ZONE_ROUTER) ||
         (m->world->ends_at_exits && way->to.kind == LW_ZONE_HOME_LAN);
}

/* What no machine there could send by itself: a false source, IPv6, or by its router to its own segment. */
static gboolean is_around(const Make *m, const LwHeader *h, const LwWay *way) {
  LwPrefix subnet;
  if (m->row->zone.kind != LW_ZONE_SEGMENT)
    return FALSE;
  subnet = lw_lab_segment(m->lab, m->row->zone.index)->subnet;
  gboolean own = m->row->machine == LW_NONE ? lw_prefix_contains(&subnet, &h->source) != 0
                                            : lw_addr_equal(&h->source, &place_at(m, way->place)->address);
  return !own || (way->via != LW_VIA_LINK && lw_prefix_contains(&subnet, &h->destination) &&
                  way->to.kind == LW_ZONE_SEGMENT);
}

static void add_point(const Make *m, const LwHeader *h, gboolean differs) {
  gboolean may;
  LwWay way;
  const LwIntended *must = intended(m, h, &may);
  gboolean tolerated = !must && lw_packets_contain(m->proof->pool, m->proof->tolerated, h);
  if ((may && !must) || tolerated || (must && must->led) || !find_way(m, h, &way))
    return; /* the file leaves it open, or an OPNsense does; or nobody can send it */
  find_target(m, h, &way);
  if (must)
    aim_at_receiver(m, must, &way);
  if (!is_judged(m, &way) || !can_be_received(m, &way, must))
    return;
  gboolean neighbour = way.to.kind == LW_ZONE_SEGMENT && way.to.index == m->row->zone.index;
  if (neighbour && h->source.family == 6)
    return; /* nobody on the wire has such an address, nor a MAC for it */
  if (m->row->machine != LW_NONE && neighbour && way.receiver != LW_NONE)
    way.via = LW_VIA_LINK;
  if (way.receiver != LW_NONE && way.receiver == way.place && way.via != LW_VIA_LEG)
    return;
  if (!must && is_around(m, h, &way))
    way.column = "around";
  add_flow(m, h, &way, must, differs);
  /* by its wire a machine may get to whom its router would not lead it */
  if (differs && m->row->machine != LW_NONE && way.to.kind == LW_ZONE_SEGMENT && way.receiver != LW_NONE &&
      way.via != LW_VIA_LINK && h->source.family == 4) {
    way.via = LW_VIA_LINK;
    add_flow(m, h, &way, must, differs);
  }
}

/* --- sets
 * ------------------------------------------------------------------------------------------------------------
 */

static void add_points(const Make *m, LwMdd set, guint pieces, gboolean differs) {
  LwPointWishes wishes = {m->sources, m->destinations, source_fits, destination_fits, (gpointer)m};
  LwPointCount count = {0};
  g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(LwHeader));
  if (set == LW_MDD_FALSE)
    return;
  lw_points_of(m->proof->pool, set, pieces, &wishes, points, &count);
  for (guint i = 0; i < points->len; i++)
    add_point(m, &g_array_index(points, LwHeader, i), differs);
  if (!count.cut)
    return;
  g_autofree char *zone = lw_verify_zone_name(m->lab, &m->row->zone, NULL);
  count_of(m, zone, "all")->over++;
}

static void look_at(Make *m, const LwStaticRow *row) {
  m->row = row;
  g_array_set_size(m->sources, 0);
  g_array_set_size(m->destinations, 0);
  list_sources(m);
  list_destinations(m);
}

static gboolean is_sent(LwStaticKind kind) {
  return kind == LW_STATIC_OPEN || kind == LW_STATIC_CLOSED || kind == LW_STATIC_UNMASKED ||
         kind == LW_STATIC_MUTE;
}

static void add_differences(Make *m) {
  for (guint i = 0; i < m->proof->violations->len; i++) {
    const LwStaticViolation *v = m->proof->violations->pdata[i];
    for (guint r = 0; is_sent(v->kind) && r < m->proof->rows->len; r++) {
      if (!g_str_equal(((const LwStaticRow *)m->proof->rows->pdata[r])->name, v->from))
        continue;
      look_at(m, lw_static_look(m->proof, r));
      add_point(m, &v->packet, TRUE);
      add_points(m, v->packets, DIFFERENCE_PIECES, TRUE);
    }
  }
}

/* A machine may do what its segment may: of its own row only whose address it may claim. */
static void add_row(Make *m, const LwStaticRow *row) {
  look_at(m, row);
  for (guint i = 0; i < row->intended->len; i++)
    add_points(m, ((LwIntended *)row->intended->pdata[i])->must, PIECES_MOST, FALSE);
  for (guint i = 0; i < row->reached->len; i++)
    add_points(m, ((LwReached *)row->reached->pdata[i])->may, PIECES_MOST, FALSE);
}

static LwHeader header_of(const LwCell *cell) {
  return cell->generated ? cell->packet : lw_static_header(&cell->question);
}

/* One line for all: the cells by name, with how many. */
static void tell_left_out(const Make *m, GPtrArray *left_out) {
  g_autoptr(GString) text = g_string_new(NULL);
  guint over = 0;
  for (guint i = 0; i < m->counts->len; i++) {
    const Count *count = m->counts->pdata[i];
    if (!count->over)
      continue;
    g_string_append_printf(text, "%s%s -> %s (%u)", text->len ? ", " : "", count->from, count->to,
                           count->over);
    over += count->over;
  }
  if (over)
    g_ptr_array_add(left_out,
                    g_strdup_printf("%u boundaries, beyond %u of a cell: %s", over, CELL_MOST, text->str));
}

void lw_verify_generate(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                        const LwSurroundings *around, const LwStatic *proof, GPtrArray *flows,
                        GPtrArray *left_out) {
  Make m = {.lab = lab, .facts = facts, .world = world, .around = around, .proof = proof, .flows = flows};
  g_autoptr(GHashTable) known = m.known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) counts = m.counts = g_ptr_array_new_with_free_func(count_free);
  g_autoptr(GArray) sources = m.sources = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  g_autoptr(GArray) destinations = m.destinations = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  g_autoptr(GArray) held = g_array_new(FALSE, FALSE, sizeof(LwOpenFlow));
  if (world->open_flows)
    g_array_append_vals(held, world->open_flows->data, world->open_flows->len);
  m.shared = (LwShared){lab, proof, around, held};
  m.host = lw_verify_place_of(world, LW_ZONE_HOST, LW_NONE);
  m.router = lw_verify_place_of(world, LW_ZONE_ROUTER, LW_NONE);
  for (guint i = 0; i < flows->len; i++) {
    const LwFlow *flow = flows->pdata[i];
    LwHeader h = header_of(flow->cell);
    g_hash_table_add(m.known, key_of(flow, &h));
  }
  add_differences(&m);
  for (guint i = 0; i < proof->rows->len; i++)
    add_row(&m, lw_static_look(proof, i));
  tell_left_out(&m, left_out);
}
