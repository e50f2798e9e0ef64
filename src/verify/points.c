#include "verify/points.h"

#define ICMP 1
#define TCP 6
#define UDP 17
#define ICMP6 58
#define NOBODYS 253
#define SYN 0x02
#define STEPS 4 /* from an edge to the next address that can be tried */
#define ANY_PORT 443
#define PASSES 3
#define INSIDE6 0x1001 /* of an IPv6 range: not its first, which is the router's own to any of them */

typedef struct {
  LwMddPool *pool;
  const LwPointWishes *wishes;
  const LwPiece *piece;
  LwHeader base; /* a packet of the piece */
  GArray *out;
} Points;

gboolean lw_points_equal(const LwHeader *a, const LwHeader *b) {
  return lw_addr_equal(&a->source, &b->source) && lw_addr_equal(&a->destination, &b->destination) &&
         a->proto == b->proto && a->icmp_type == b->icmp_type && a->dport == b->dport && a->sport == b->sport;
}

static void add(const Points *p, const LwHeader *header) {
  for (guint i = 0; i < p->out->len; i++)
    if (lw_points_equal(&g_array_index(p->out, LwHeader, i), header))
      return;
  g_array_append_vals(p->out, header, 1);
}

/* --- choosing
 * ------------------------------------------------------------------------------------------------------- */

static gboolean in_ranges(const GArray *ranges, const LwAddr *address) {
  for (guint i = 0; i < ranges->len; i++)
    if (lw_range_contains(&g_array_index(ranges, LwRange, i), address))
      return TRUE;
  return ranges->len == 0;
}

static gboolean in_numbers(const GArray *numbers, guint value) {
  for (guint i = 0; i < numbers->len; i++) {
    const LwNumbers *n = &g_array_index(numbers, LwNumbers, i);
    if (n->first <= value && value <= n->last)
      return TRUE;
  }
  return numbers->len == 0;
}

/* From `at` on, in the range; FALSE: none near. */
static gboolean nearest(const Points *p, LwAddr at, gint64 step, const LwRange *range, gboolean source,
                        LwAddr *out) {
  for (guint i = 0; i < STEPS && lw_range_contains(range, &at); i++) {
    if (source ? p->wishes->source_fits(&at, p->wishes->data)
               : p->wishes->destination_fits(&at, p->wishes->data)) {
      *out = at;
      return TRUE;
    }
    at = lw_addr_add(&at, step);
  }
  return FALSE;
}

static gboolean choose4(const Points *p, const GArray *ranges, const GArray *known, gboolean source,
                        LwAddr *out) {
  for (guint i = 0; i < known->len; i++) {
    *out = g_array_index(known, LwAddr, i);
    if (out->family == 4 && in_ranges(ranges, out))
      return TRUE;
  }
  for (guint i = 0; i < ranges->len; i++) {
    const LwRange *range = &g_array_index(ranges, LwRange, i);
    if (nearest(p, range->first, 1, range, source, out) || nearest(p, range->last, -1, range, source, out))
      return TRUE;
  }
  return ranges->len == 0 && lw_addr_parse("8.8.4.4", out) &&
         (source ? p->wishes->source_fits(out, p->wishes->data)
                 : p->wishes->destination_fits(out, p->wishes->data));
}

static gboolean choose6(const GArray *ranges, const char *any, LwAddr *out) {
  if (!lw_addr_parse(any, out))
    return FALSE;
  for (guint i = 0; i < ranges->len && !in_ranges(ranges, out); i++) {
    const LwRange *range = &g_array_index(ranges, LwRange, i);
    *out = range->first;
    out->bytes[14] |= INSIDE6 >> 8;
    out->bytes[15] |= INSIDE6 & 0xff;
  }
  return in_ranges(ranges, out);
}

static gboolean choose(const Points *p, LwHeader *base) {
  if (p->piece->family == 6)
    return choose6(p->piece->sources, "fd6c:616e:7761:7264::1001", &base->source) &&
           choose6(p->piece->destinations, "2001:4860:4860::8888", &base->destination);
  return choose4(p, p->piece->sources, p->wishes->sources, TRUE, &base->source) &&
         choose4(p, p->piece->destinations, p->wishes->destinations, FALSE, &base->destination);
}

/* The packet as one of another protocol, with what that one has. */
static LwHeader as_protocol(const Points *p, guint8 proto) {
  LwHeader h = p->base;
  gboolean ports = proto == TCP || proto == UDP;
  const GArray *dports = p->piece->dports, *sports = p->piece->sports;
  h.proto = proto;
  h.tcp_flags = proto == TCP ? SYN : 0;
  h.icmp_type = proto == ICMP ? 8 : proto == ICMP6 ? 128 : 0;
  h.dport = h.sport = 0;
  if (ports) {
    h.dport = in_numbers(dports, ANY_PORT) ? ANY_PORT : (guint16)g_array_index(dports, LwNumbers, 0).first;
    h.sport = in_numbers(sports, LW_ANY_SOURCE_PORT) ? LW_ANY_SOURCE_PORT
                                                     : (guint16)g_array_index(sports, LwNumbers, 0).first;
  }
  return h;
}

/* --- edges
 * ----------------------------------------------------------------------------------------------------------
 */

static void add_port(const Points *p, const LwHeader *like, gint64 port) {
  LwHeader h = *like;
  if (port < 1 || port > 65535)
    return;
  h.dport = (guint16)port;
  add(p, &h);
}

static void add_port_edges(const Points *p, const LwHeader *like) {
  for (guint i = 0; i < p->piece->dports->len; i++) {
    const LwNumbers *n = &g_array_index(p->piece->dports, LwNumbers, i);
    add_port(p, like, (gint64)n->first - 1);
    add_port(p, like, n->first);
    add_port(p, like, n->last);
    add_port(p, like, (gint64)n->last + 1);
  }
}

/* The types that open a flow: the first that is inside, and the first that is not. */
static void add_icmp_types(const Points *p, const LwHeader *like) {
  static const guint8 types[] = {8, 13, 15, 17};
  gboolean inside = FALSE, outside = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
    gboolean in = in_numbers(p->piece->icmp_types, types[i]);
    if (in ? inside : outside)
      continue;
    LwHeader h = *like;
    h.icmp_type = types[i];
    add(p, &h);
    *(in ? &inside : &outside) = TRUE;
  }
}

static void add_protocols(const Points *p) {
  static const guint8 four[] = {TCP, UDP, ICMP, NOBODYS}, six[] = {ICMP6, TCP, UDP};
  const guint8 *protos = p->piece->family == 6 ? six : four;
  guint count = p->piece->family == 6 ? G_N_ELEMENTS(six) : G_N_ELEMENTS(four);
  for (guint i = 0; i < count; i++) {
    LwHeader h = as_protocol(p, protos[i]);
    if (!in_numbers(p->piece->protos, protos[i])) {
      add(p, &h); /* beside the piece */
      continue;
    }
    if (protos[i] == ICMP)
      add_icmp_types(p, &h);
    else
      add(p, &h);
    if (p->piece->family == 4 && (protos[i] == TCP || protos[i] == UDP))
      add_port_edges(p, &h);
  }
  for (guint i = 0; i < p->piece->protos->len; i++) { /* one that is none of these */
    const LwNumbers *n = &g_array_index(p->piece->protos, LwNumbers, i);
    if (n->first == n->last && n->first && n->first != TCP && n->first != UDP && n->first != ICMP &&
        n->first != ICMP6) {
      LwHeader h = as_protocol(p, (guint8)n->first);
      add(p, &h);
    }
  }
}

static void add_edge(const Points *p, LwAddr at, gint64 step, const LwRange *range, gboolean source) {
  LwHeader h = p->base;
  LwAddr *field = source ? &h.source : &h.destination;
  if (nearest(p, at, step, range, source, field))
    add(p, &h);
}

/* Either side of each edge; inside the next address that can be tried will do, too. */
static void add_address_edges(const Points *p, const GArray *ranges, gboolean source) {
  for (guint i = 0; i < ranges->len; i++) {
    const LwRange *range = &g_array_index(ranges, LwRange, i);
    LwAddr before = lw_addr_add(&range->first, -1), after = lw_addr_add(&range->last, 1);
    add_edge(p, range->first, 1, range, source);
    add_edge(p, range->last, -1, range, source);
    add_edge(p, before, -1, &(LwRange){before, before}, source);
    add_edge(p, after, 1, &(LwRange){after, after}, source);
  }
}

static guint8 first_protocol(const LwPiece *piece) {
  static const guint8 four[] = {TCP, UDP, ICMP, NOBODYS}, six[] = {ICMP6, TCP, UDP, NOBODYS};
  for (guint i = 0; i < G_N_ELEMENTS(four); i++) {
    guint8 proto = piece->family == 6 ? six[i] : four[i];
    if (in_numbers(piece->protos, proto))
      return proto;
  }
  return (guint8)g_array_index(piece->protos, LwNumbers, 0).first;
}

/* All pieces' own first, then their sources' edges, then (many, where the internet is meant) destinations'.
 */
static gboolean add_piece(Points *p, guint pass) {
  if (!choose(p, &p->base))
    return FALSE;
  p->base = as_protocol(p, first_protocol(p->piece));
  if (pass == 0) {
    add(p, &p->base);
    add_protocols(p);
  } else if (p->piece->family == 4) {
    add_address_edges(p, pass == 1 ? p->piece->sources : p->piece->destinations, pass == 1);
  }
  return TRUE;
}

void lw_points_of(LwMddPool *pool, LwMdd set, guint pieces_most, const LwPointWishes *wishes, GArray *out,
                  LwPointCount *count) {
  gboolean whole = TRUE;
  g_autoptr(GPtrArray) pieces = lw_packets_pieces(pool, set, pieces_most, &whole);
  for (guint pass = 0; pass < PASSES; pass++)
    for (guint i = 0; i < pieces->len; i++) {
      Points p = {.pool = pool, .wishes = wishes, .piece = pieces->pdata[i], .out = out};
      gboolean taken = add_piece(&p, pass);
      count->nowhere += pass == 0 && !taken;
    }
  count->pieces += pieces->len;
  count->cut |= !whole;
}
