/* Packet sets: spans against plain comparison of numbers, pick, rewriting, ways out, and how sets are told.
 */
#include "flow/packets.h"

#include <string.h>

static LwAddr addr(const char *text) {
  LwAddr out;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static LwPrefix prefix(const char *text) {
  LwPrefix out;
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwHeader header(const char *from, const char *to, guint8 proto, guint16 dport) {
  return (LwHeader){.source = addr(from), .destination = addr(to), .proto = proto, .dport = dport};
}

static gboolean has(LwMddPool *pool, LwMdd set, const LwHeader *h) {
  return lw_mdd_intersects(pool, set, lw_packets_of(pool, h));
}

static void test_ranges(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  for (guint round = 0; round < 300; round++) {
    guint first = (guint)g_test_rand_int_range(0, 65536),
          last = (guint)g_test_rand_int_range((gint)first, 65536);
    LwMdd set = lw_packets_number(pool, LW_HEADER_DPORT, first, last);
    const guint tried[] = {0,    first ? first - 1 : 0, first, (first + last) / 2,
                           last, MIN(last + 1, 65535),  65535, (guint)g_test_rand_int_range(0, 65536)};
    for (guint i = 0; i < G_N_ELEMENTS(tried); i++) {
      LwHeader h = header("10.0.0.1", "10.0.0.2", 6, (guint16)tried[i]);
      g_assert_true(has(pool, set, &h) == (first <= tried[i] && tried[i] <= last));
    }
  }
  g_assert_cmpuint(lw_packets_number(pool, LW_HEADER_DPORT, 0, 65535), ==, LW_MDD_TRUE);
}

static void test_address_ranges(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  for (guint round = 0; round < 300; round++) {
    guint32 a = (guint32)g_test_rand_int(), b = (guint32)g_test_rand_int(), c = (guint32)g_test_rand_int();
    LwRange range = {lw_addr_from_v4(MIN(a, b)), lw_addr_from_v4(MAX(a, b))};
    LwMdd set = lw_packets_range(pool, LW_HEADER_SADDR, &range);
    const guint32 tried[] = {a, b, c, MIN(a, b) - 1, MAX(a, b) + 1, MIN(a, b) + 1};
    for (guint i = 0; i < G_N_ELEMENTS(tried); i++) {
      LwHeader h = header("10.0.0.1", "10.0.0.2", 17, 1);
      h.source = lw_addr_from_v4(tried[i]);
      g_assert_true(has(pool, set, &h) == lw_range_contains(&range, &h.source));
    }
  }
}

/* An IPv4 prefix holds no IPv6 packet, whatever its bits. */
static void test_families(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwPrefix four = prefix("32.1.13.184/32"), six = prefix("2001:db8::/32");
  LwMdd a = lw_packets_prefix(pool, LW_HEADER_DADDR, &four);
  LwMdd b = lw_packets_prefix(pool, LW_HEADER_DADDR, &six);
  g_assert_cmpuint(a, !=, LW_MDD_FALSE);
  g_assert_false(lw_mdd_intersects(pool, a, b));
  LwSpan spans[] = {lw_span_prefix(LW_HEADER_SADDR, &four), lw_span_prefix(LW_HEADER_DADDR, &six)};
  g_assert_cmpuint(lw_packets_box(pool, spans, 2), ==, LW_MDD_FALSE);
  LwMdd both = lw_mdd_or(pool, lw_packets_family(pool, 4), lw_packets_family(pool, 6));
  g_assert_cmpuint(both, ==, LW_MDD_TRUE);
}

static void test_box_is_intersection(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwPrefix net = prefix("192.168.10.0/24");
  LwRange range = {addr("10.1.0.3"), addr("10.1.7.9")};
  LwSpan spans[] = {lw_span_number(LW_HEADER_DPORT, 80, 443), lw_span_prefix(LW_HEADER_SADDR, &net),
                    lw_span_number(LW_HEADER_PROTO, 6, 6), lw_span_range(LW_HEADER_DADDR, &range)};
  LwMdd by_hand = LW_MDD_TRUE;
  for (guint i = 0; i < 4; i++)
    by_hand = lw_mdd_and(pool, by_hand, lw_packets_box(pool, &spans[i], 1));
  g_assert_cmpuint(lw_packets_box(pool, spans, 4), ==, by_hand);
  double count = 256.0 * (lw_addr_v4(&range.last) - lw_addr_v4(&range.first) + 1) * 364;
  /* source port, ICMP type and code, TCP flags are free */
  g_assert_cmpfloat(lw_packets_count(pool, by_hand), ==, count * 65536 * 65536 * 256);
}

static void test_masked(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd syn = lw_packets_masked(pool, LW_HEADER_TCP_FLAGS, 0x02, 0x17);
  for (guint flags = 0; flags < 256; flags++) {
    LwHeader h = header("10.0.0.1", "10.0.0.2", 6, 1);
    h.tcp_flags = (guint8)flags;
    g_assert_true(has(pool, syn, &h) == ((flags & 0x17) == 0x02));
  }
}

static void test_pick_and_wishes(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwPrefix net = prefix("10.0.0.0/8");
  LwAddr wished = addr("10.9.8.7"), elsewhere = addr("11.0.0.1");
  LwMdd set = lw_mdd_and(pool, lw_packets_prefix(pool, LW_HEADER_SADDR, &net),
                         lw_packets_number(pool, LW_HEADER_DPORT, 1000, 2000));
  LwMdd wishes[] = {lw_packets_addr(pool, LW_HEADER_SADDR, &elsewhere),
                    lw_packets_addr(pool, LW_HEADER_SADDR, &wished)};
  LwHeader h;
  g_assert_true(lw_packets_pick(pool, set, wishes, 2, &h));
  g_assert_true(lw_addr_equal(&h.source, &wished));
  g_assert_cmpuint(h.dport, >=, 1000);
  g_assert_cmpuint(h.dport, <=, 2000);
  g_assert_true(has(pool, set, &h));
  g_assert_false(lw_packets_pick(pool, LW_MDD_FALSE, wishes, 2, &h));
}

/* What is written is there, and what was told apart by the old value is not any more. */
static void test_write(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd set = lw_mdd_or(pool,
                        lw_mdd_and(pool, lw_packets_number(pool, LW_HEADER_DPORT, 53, 53),
                                   lw_packets_number(pool, LW_HEADER_PROTO, 17, 17)),
                        lw_mdd_and(pool, lw_packets_number(pool, LW_HEADER_DPORT, 80, 80),
                                   lw_packets_number(pool, LW_HEADER_PROTO, 6, 6)));
  LwSpan to = lw_span_number(LW_HEADER_DPORT, 5301, 5301);
  LwMdd expected = lw_mdd_and(pool, lw_packets_number(pool, LW_HEADER_DPORT, 5301, 5301),
                              lw_mdd_or(pool, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6),
                                        lw_packets_number(pool, LW_HEADER_PROTO, 17, 17)));
  g_assert_cmpuint(lw_packets_write(pool, set, &to), ==, expected);
}

static void test_oifs(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd web = lw_packets_number(pool, LW_HEADER_DPORT, 80, 80);
  LwMdd set = lw_mdd_or(pool, lw_mdd_and(pool, web, lw_packets_number(pool, LW_HEADER_OIF, 3, 3)),
                        lw_packets_number(pool, LW_HEADER_OIF, 700, 700));
  g_autoptr(GArray) oifs = g_array_new(FALSE, FALSE, sizeof(guint));
  lw_packets_oifs(pool, set, oifs);
  g_assert_cmpuint(oifs->len, ==, 2);
  g_assert_cmpuint(g_array_index(oifs, guint, 0), ==, 3);
  g_assert_cmpuint(g_array_index(oifs, guint, 1), ==, 700);
  g_assert_cmpuint(lw_packets_by_oif(pool, set, 3), ==, web);
  g_assert_cmpuint(lw_packets_by_oif(pool, set, 700), ==, LW_MDD_TRUE);
  g_assert_cmpuint(lw_packets_by_oif(pool, set, 4), ==, LW_MDD_FALSE);
}

/* The pieces are the set again, and disjoint. */
static void test_pieces(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwPrefix lan = prefix("192.168.50.0/24"), no = prefix("10.0.0.0/8");
  LwMdd set = lw_mdd_minus(pool, lw_packets_prefix(pool, LW_HEADER_SADDR, &lan),
                           lw_packets_prefix(pool, LW_HEADER_DADDR, &no));
  set = lw_mdd_and(pool, set, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6));
  set = lw_mdd_and(pool, set,
                   lw_mdd_or(pool, lw_packets_number(pool, LW_HEADER_DPORT, 445, 445),
                             lw_packets_number(pool, LW_HEADER_DPORT, 8000, 8010)));
  gboolean whole;
  g_autoptr(GPtrArray) pieces = lw_packets_pieces(pool, set, 8, &whole);
  g_assert_true(whole);
  g_assert_cmpuint(pieces->len, ==, 1);
  g_autofree char *text = lw_piece_format(pieces->pdata[0]);
  g_assert_cmpstr(text, ==,
                  "192.168.50.0/24 -> 0.0.0.0-9.255.255.255, 11.0.0.0-255.255.255.255 tcp/445,8000-8010");
  LwMdd two = lw_mdd_or(pool, set, lw_packets_family(pool, 6));
  g_autoptr(GPtrArray) few = lw_packets_pieces(pool, two, 1, &whole);
  g_assert_cmpuint(few->len, ==, 1);
  g_assert_false(whole);
}

/* Walking down says what intersecting says. */
static void test_contain(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwPrefix lan = prefix("192.168.50.0/24"), six = prefix("fd00:20::/64");
  LwMdd web = lw_mdd_and(pool, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6),
                         lw_packets_number(pool, LW_HEADER_DPORT, 80, 443));
  LwMac mac = {{2, 0, 0, 0, 0, 1}};
  LwSpan from_mac = lw_span_mac(LW_HEADER_ETH_SRC, &mac);
  const LwMdd sets[] = {
      lw_mdd_and(pool, lw_packets_prefix(pool, LW_HEADER_SADDR, &lan), web),
      lw_packets_prefix(pool, LW_HEADER_DADDR, &six),
      lw_packets_number(pool, LW_HEADER_OIF, 3, 700),
      lw_mdd_and(pool, web, lw_packets_box(pool, &from_mac, 1)),
      lw_packets_number(pool, LW_HEADER_ICMP_TYPE, 8, 8),
      LW_MDD_TRUE,
      LW_MDD_FALSE,
  };
  const char *const addresses[] = {"192.168.50.25", "192.168.51.25", "fd00:20::5", "fd00:21::5"};
  const guint16 ports[] = {79, 80, 443, 444};
  guint members = 0;
  for (guint a = 0; a < G_N_ELEMENTS(addresses); a++)
    for (guint p = 0; p < G_N_ELEMENTS(ports); p++)
      for (guint with_mac = 0; with_mac < 3; with_mac++) {
        LwHeader h = {.proto = p % 2 ? 6 : 17, .dport = ports[p], .icmp_type = 8};
        g_assert_true(lw_addr_parse(addresses[a], &h.source));
        h.destination = h.source;
        h.mac = with_mac == 1 ? mac : with_mac == 2 ? (LwMac){{2, 0, 0, 0, 0, 2}} : (LwMac){{0}};
        for (guint s = 0; s < G_N_ELEMENTS(sets); s++) {
          gboolean in = lw_mdd_intersects(pool, sets[s], lw_packets_of(pool, &h));
          g_assert_cmpint(lw_packets_contain(pool, sets[s], &h), ==, in);
          members += in != 0;
        }
      }
  g_assert_cmpuint(members, >, 100);
}

/* --- random boxes and masks against plain comparison, as one packet has it */

#define CONDITIONS 3

/* A box, and for one of its numbers a mask instead of a span. */
typedef struct {
  LwRange source, destination;
  guint8 first_proto, last_proto, flags, flags_mask;
  guint16 first_port, last_port, sport, sport_mask;
  LwMac mac, mac_mask;
  gboolean by_source, by_mac, by_flags, by_sport;
} Condition;

static LwAddr random_addr(guint8 family) {
  LwAddr out = {.family = family};
  for (guint i = 0; i < (family == 6 ? 16u : 4u); i++) /* near each other, in few bits of some words */
    out.bytes[i] = (guint8)(g_test_rand_int_range(0, 3) ? (i % 2 ? 7 : 0xfd) : g_test_rand_int_range(0, 256));
  return out;
}

static LwRange random_range(guint8 family) {
  LwAddr a = random_addr(family), b = random_addr(family);
  gboolean ordered = memcmp(a.bytes, b.bytes, sizeof a.bytes) <= 0;
  return ordered ? (LwRange){a, b} : (LwRange){b, a};
}

static Condition random_condition(guint8 family) {
  Condition c = {.source = random_range(family), .destination = random_range(family)};
  guint16 a = (guint16)g_test_rand_int_range(0, 9), b = (guint16)g_test_rand_int_range(0, 65536);
  c.first_port = MIN(a, b);
  c.last_port = MAX(a, b);
  c.first_proto = (guint8)g_test_rand_int_range(0, 20);
  c.last_proto = (guint8)g_test_rand_int_range(c.first_proto, 256);
  c.flags_mask = (guint8)g_test_rand_int_range(0, 256);
  c.flags = (guint8)g_test_rand_int_range(0, 256) & c.flags_mask;
  c.sport_mask = (guint16)(g_test_rand_int_range(0, 65536) & g_test_rand_int_range(0, 65536));
  c.sport = (guint16)g_test_rand_int_range(0, 65536) & c.sport_mask;
  for (guint i = 0; i < 6; i++) {
    c.mac_mask.bytes[i] = (guint8)(g_test_rand_bit() ? 0 : 1u << g_test_rand_int_range(0, 8));
    c.mac.bytes[i] = (guint8)g_test_rand_int_range(0, 256) & c.mac_mask.bytes[i];
  }
  c.by_source = g_test_rand_bit();
  c.by_mac = g_test_rand_bit();
  c.by_flags = g_test_rand_bit();
  c.by_sport = g_test_rand_bit();
  return c;
}

static guint64 mac_number(const LwMac *mac) {
  guint64 number = 0;
  for (guint i = 0; i < 6; i++)
    number = (number << 8) | mac->bytes[i];
  return number;
}

static LwMdd set_of(LwMddPool *pool, const Condition *c) {
  LwSpan spans[4] = {lw_span_range(LW_HEADER_DADDR, &c->destination),
                     lw_span_number(LW_HEADER_PROTO, c->first_proto, c->last_proto),
                     lw_span_number(LW_HEADER_DPORT, c->first_port, c->last_port)};
  guint count = 3;
  if (c->by_source)
    spans[count++] = lw_span_range(LW_HEADER_SADDR, &c->source);
  LwMdd set = lw_packets_box(pool, spans, count);
  if (c->by_flags)
    set = lw_mdd_and(pool, set, lw_packets_masked(pool, LW_HEADER_TCP_FLAGS, c->flags, c->flags_mask));
  if (c->by_sport)
    set = lw_mdd_and(pool, set, lw_packets_masked(pool, LW_HEADER_SPORT, c->sport, c->sport_mask));
  if (c->by_mac)
    set = lw_mdd_and(
        pool, set, lw_packets_masked(pool, LW_HEADER_ETH_SRC, mac_number(&c->mac), mac_number(&c->mac_mask)));
  return set;
}

static gboolean holds(const Condition *c, const LwHeader *h) {
  return lw_range_contains(&c->destination, &h->destination) && c->first_proto <= h->proto &&
         h->proto <= c->last_proto && c->first_port <= h->dport && h->dport <= c->last_port &&
         (!c->by_source || lw_range_contains(&c->source, &h->source)) &&
         (!c->by_flags || (h->tcp_flags & c->flags_mask) == c->flags) &&
         (!c->by_sport || (h->sport & c->sport_mask) == c->sport) &&
         (!c->by_mac || (mac_number(&h->mac) & mac_number(&c->mac_mask)) == mac_number(&c->mac));
}

/* At an edge of one of the ranges, on either side of it, or anywhere. */
static LwAddr tried_addr(const LwRange *ranges, guint count, guint8 family) {
  const LwRange *range = &ranges[g_test_rand_int_range(0, (gint)count)];
  LwAddr at = g_test_rand_bit() ? range->first : range->last;
  gint step = g_test_rand_int_range(-1, 3);
  if (at.family != family || step == 2)
    return random_addr(family);
  for (guint i = family == 6 ? 16 : 4; step && i-- > 0;) {
    at.bytes[i] = (guint8)(at.bytes[i] + step);
    if (at.bytes[i] != (step > 0 ? 0 : 0xff))
      break;
  }
  return at;
}

static LwHeader tried_packet(const Condition *c, guint8 family) {
  LwRange sources[CONDITIONS], destinations[CONDITIONS];
  for (guint i = 0; i < CONDITIONS; i++) {
    sources[i] = c[i].source;
    destinations[i] = c[i].destination;
  }
  const Condition *near = &c[g_test_rand_int_range(0, CONDITIONS)];
  LwHeader h = {.source = tried_addr(sources, CONDITIONS, family),
                .destination = tried_addr(destinations, CONDITIONS, family),
                .proto = (guint8)(near->last_proto + g_test_rand_int_range(-1, 2)),
                .dport = (guint16)(near->last_port + g_test_rand_int_range(-1, 2)),
                .sport = (guint16)(near->sport | (g_test_rand_int_range(0, 65536) & ~near->sport_mask)),
                .tcp_flags = (guint8)(near->flags | (g_test_rand_int_range(0, 256) & ~near->flags_mask)),
                .icmp_type = (guint8)g_test_rand_int_range(0, 256)};
  for (guint i = 0; i < 6; i++)
    h.mac.bytes[i] =
        (guint8)(near->mac.bytes[i] | (g_test_rand_int_range(0, 256) & ~near->mac_mask.bytes[i]));
  h.mac.bytes[0] |= g_test_rand_int_range(0, 8) ? 0 : 1; /* off the mask now and then */
  if (!lw_mac_is_set(&h.mac))
    h.mac.bytes[5] = 1;
  return h;
}

static void test_brute_force(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  guint members = 0, tried = 0;
  for (guint round = 0; round < 300; round++) {
    guint8 family = round % 2 ? 6 : 4;
    Condition c[CONDITIONS];
    LwMdd set[CONDITIONS];
    for (guint i = 0; i < CONDITIONS; i++) {
      c[i] = random_condition(i == 2 && round % 3 == 0 ? (guint8)(10 - family) : family);
      set[i] = set_of(pool, &c[i]);
    }
    LwMdd all[] = {set[0], set[1], set[2]};
    const LwMdd made[] = {lw_mdd_or_all(pool, all, 3), lw_mdd_and(pool, set[0], set[1]),
                          lw_mdd_minus(pool, lw_mdd_or(pool, set[0], set[1]), set[2]),
                          lw_mdd_not(pool, lw_mdd_or(pool, set[0], set[2]))};
    for (guint t = 0; t < 60; t++) {
      LwHeader h = tried_packet(c, family);
      gboolean in[CONDITIONS];
      for (guint i = 0; i < CONDITIONS; i++)
        in[i] = holds(&c[i], &h);
      const gboolean wanted[] = {in[0] || in[1] || in[2], in[0] && in[1], (in[0] || in[1]) && !in[2],
                                 !(in[0] || in[2])};
      for (guint i = 0; i < CONDITIONS; i++)
        g_assert_cmpint(lw_packets_contain(pool, set[i], &h), ==, in[i]);
      for (guint i = 0; i < G_N_ELEMENTS(made); i++) {
        g_assert_cmpint(lw_packets_contain(pool, made[i], &h), ==, wanted[i]);
        g_assert_cmpint(has(pool, made[i], &h), ==, wanted[i]);
      }
      members += wanted[0];
      tried++;
    }
    for (guint i = 0; i < G_N_ELEMENTS(made); i++) {
      LwHeader picked;
      g_assert_cmpint(lw_packets_pick(pool, made[i], NULL, 0, &picked), ==, made[i] != LW_MDD_FALSE);
      if (made[i] != LW_MDD_FALSE && lw_mac_is_set(&picked.mac))
        g_assert_true(lw_packets_contain(pool, made[i], &picked));
    }
  }
  g_assert_cmpuint(members, >, tried / 20); /* both answers are asked for */
  g_assert_cmpuint(members, <, tried - tried / 20);
}

/* A map as routes are: which numbers lead there, against looking each destination up. */
static void test_led_to(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  for (guint round = 0; round < 40; round++) {
    LwRange ranges[12];
    LwMdd map = LW_MDD_FALSE, taken = LW_MDD_FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(ranges); i++) {
      ranges[i] = random_range(i % 4 ? 4 : 6);
      LwMdd there = lw_packets_range(pool, LW_HEADER_DADDR, &ranges[i]);
      map = lw_mdd_or(pool, map, lw_packets_leading_to(pool, lw_mdd_minus(pool, there, taken), i + 1));
      taken = lw_mdd_or(pool, taken, there);
    }
    for (guint t = 0; t < 40; t++) {
      guint8 family = t % 4 ? 4 : 6;
      LwHeader h = {.source = random_addr(family), .destination = tried_addr(ranges, 12, family), .proto = 6};
      guint expected = 0;
      for (guint i = 0; i < G_N_ELEMENTS(ranges) && !expected; i++)
        expected = lw_range_contains(&ranges[i], &h.destination) ? i + 1 : 0;
      g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint));
      lw_packets_led_to(pool, lw_packets_of(pool, &h), map, numbers);
      g_assert_cmpuint(numbers->len, ==, expected != 0);
      if (expected)
        g_assert_cmpuint(g_array_index(numbers, guint, 0), ==, expected);
    }
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(guint));
    lw_packets_led_to(pool, LW_MDD_TRUE, map, all);
    for (guint i = 0; i < all->len; i++)
      g_assert_cmpuint(g_array_index(all, guint, i), <=, G_N_ELEMENTS(ranges));
    g_assert_cmpuint(all->len, >, 1);
  }
}

/* IPv6 ranges that begin and end in different words are told as they are. */
static void test_pieces_of_six(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwRange range = {addr("fd00:1::ff"), addr("fd00:1::1:3")};
  gboolean whole;
  g_autoptr(GPtrArray) pieces =
      lw_packets_pieces(pool, lw_packets_range(pool, LW_HEADER_DADDR, &range), 4, &whole);
  g_assert_true(whole);
  g_assert_cmpuint(pieces->len, ==, 1);
  g_autofree char *text = lw_piece_format(pieces->pdata[0]);
  g_assert_cmpstr(text, ==, "any IPv6 -> fd00:1::ff-fd00:1::1:3 any protocol");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/flow/packets/ranges", test_ranges);
  g_test_add_func("/flow/packets/address-ranges", test_address_ranges);
  g_test_add_func("/flow/packets/families", test_families);
  g_test_add_func("/flow/packets/box", test_box_is_intersection);
  g_test_add_func("/flow/packets/masked", test_masked);
  g_test_add_func("/flow/packets/pick", test_pick_and_wishes);
  g_test_add_func("/flow/packets/write", test_write);
  g_test_add_func("/flow/packets/oifs", test_oifs);
  g_test_add_func("/flow/packets/pieces", test_pieces);
  g_test_add_func("/flow/packets/contain", test_contain);
  g_test_add_func("/flow/packets/brute-force", test_brute_force);
  g_test_add_func("/flow/packets/led-to", test_led_to);
  g_test_add_func("/flow/packets/pieces-of-six", test_pieces_of_six);
  return g_test_run();
}
