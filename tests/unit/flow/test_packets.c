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

static gboolean has(LwBddPool *pool, LwBdd set, const LwHeader *h) {
  return lw_bdd_intersects(pool, set, lw_packets_of(pool, h));
}

static void test_ranges(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  for (guint round = 0; round < 300; round++) {
    guint first = (guint)g_test_rand_int_range(0, 65536),
          last = (guint)g_test_rand_int_range((gint)first, 65536);
    LwBdd set = lw_packets_number(pool, LW_HEADER_DPORT, first, last);
    const guint tried[] = {0,    first ? first - 1 : 0, first, (first + last) / 2,
                           last, MIN(last + 1, 65535),  65535, (guint)g_test_rand_int_range(0, 65536)};
    for (guint i = 0; i < G_N_ELEMENTS(tried); i++) {
      LwHeader h = header("10.0.0.1", "10.0.0.2", 6, (guint16)tried[i]);
      g_assert_true(has(pool, set, &h) == (first <= tried[i] && tried[i] <= last));
    }
  }
  g_assert_cmpuint(lw_packets_number(pool, LW_HEADER_DPORT, 0, 65535), ==, LW_BDD_TRUE);
}

static void test_address_ranges(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  for (guint round = 0; round < 300; round++) {
    guint32 a = (guint32)g_test_rand_int(), b = (guint32)g_test_rand_int(), c = (guint32)g_test_rand_int();
    LwRange range = {lw_addr_from_v4(MIN(a, b)), lw_addr_from_v4(MAX(a, b))};
    LwBdd set = lw_packets_range(pool, LW_HEADER_SADDR, &range);
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
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwPrefix four = prefix("32.1.13.184/32"), six = prefix("2001:db8::/32");
  LwBdd a = lw_packets_prefix(pool, LW_HEADER_DADDR, &four);
  LwBdd b = lw_packets_prefix(pool, LW_HEADER_DADDR, &six);
  g_assert_cmpuint(a, !=, LW_BDD_FALSE);
  g_assert_false(lw_bdd_intersects(pool, a, b));
  LwSpan spans[] = {lw_span_prefix(LW_HEADER_SADDR, &four), lw_span_prefix(LW_HEADER_DADDR, &six)};
  g_assert_cmpuint(lw_packets_box(pool, spans, 2), ==, LW_BDD_FALSE);
  LwBdd both = lw_bdd_or(pool, lw_packets_family(pool, 4), lw_packets_family(pool, 6));
  g_assert_cmpuint(both, ==, LW_BDD_TRUE);
}

static void test_box_is_intersection(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwPrefix net = prefix("192.168.10.0/24");
  LwRange range = {addr("10.1.0.3"), addr("10.1.7.9")};
  LwSpan spans[] = {lw_span_number(LW_HEADER_DPORT, 80, 443), lw_span_prefix(LW_HEADER_SADDR, &net),
                    lw_span_number(LW_HEADER_PROTO, 6, 6), lw_span_range(LW_HEADER_DADDR, &range)};
  LwBdd by_hand = LW_BDD_TRUE;
  for (guint i = 0; i < 4; i++)
    by_hand = lw_bdd_and(pool, by_hand, lw_packets_box(pool, &spans[i], 1));
  g_assert_cmpuint(lw_packets_box(pool, spans, 4), ==, by_hand);
  double count = 256.0 * (lw_addr_v4(&range.last) - lw_addr_v4(&range.first) + 1) * 364;
  /* source port, ICMP type and code, TCP flags are free */
  g_assert_cmpfloat(lw_packets_count(pool, by_hand), ==, count * 65536 * 65536 * 256);
}

static void test_masked(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwBdd syn = lw_packets_masked(pool, LW_HEADER_TCP_FLAGS, 0x02, 0x17);
  for (guint flags = 0; flags < 256; flags++) {
    LwHeader h = header("10.0.0.1", "10.0.0.2", 6, 1);
    h.tcp_flags = (guint8)flags;
    g_assert_true(has(pool, syn, &h) == ((flags & 0x17) == 0x02));
  }
}

static void test_pick_and_wishes(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwPrefix net = prefix("10.0.0.0/8");
  LwAddr wished = addr("10.9.8.7"), elsewhere = addr("11.0.0.1");
  LwBdd set = lw_bdd_and(pool, lw_packets_prefix(pool, LW_HEADER_SADDR, &net),
                         lw_packets_number(pool, LW_HEADER_DPORT, 1000, 2000));
  LwBdd wishes[] = {lw_packets_addr(pool, LW_HEADER_SADDR, &elsewhere),
                    lw_packets_addr(pool, LW_HEADER_SADDR, &wished)};
  LwHeader h;
  g_assert_true(lw_packets_pick(pool, set, wishes, 2, &h));
  g_assert_true(lw_addr_equal(&h.source, &wished));
  g_assert_cmpuint(h.dport, >=, 1000);
  g_assert_cmpuint(h.dport, <=, 2000);
  g_assert_true(has(pool, set, &h));
  g_assert_false(lw_packets_pick(pool, LW_BDD_FALSE, wishes, 2, &h));
}

/* What is written is there, and what was told apart by the old value is not any more. */
static void test_write(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwBdd set = lw_bdd_or(pool,
                        lw_bdd_and(pool, lw_packets_number(pool, LW_HEADER_DPORT, 53, 53),
                                   lw_packets_number(pool, LW_HEADER_PROTO, 17, 17)),
                        lw_bdd_and(pool, lw_packets_number(pool, LW_HEADER_DPORT, 80, 80),
                                   lw_packets_number(pool, LW_HEADER_PROTO, 6, 6)));
  LwSpan to = lw_span_number(LW_HEADER_DPORT, 5301, 5301);
  LwBdd expected = lw_bdd_and(pool, lw_packets_number(pool, LW_HEADER_DPORT, 5301, 5301),
                              lw_bdd_or(pool, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6),
                                        lw_packets_number(pool, LW_HEADER_PROTO, 17, 17)));
  g_assert_cmpuint(lw_packets_write(pool, set, &to), ==, expected);
}

static void test_oifs(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwBdd web = lw_packets_number(pool, LW_HEADER_DPORT, 80, 80);
  LwBdd set = lw_bdd_or(pool, lw_bdd_and(pool, web, lw_packets_number(pool, LW_HEADER_OIF, 3, 3)),
                        lw_packets_number(pool, LW_HEADER_OIF, 700, 700));
  g_autoptr(GArray) oifs = g_array_new(FALSE, FALSE, sizeof(guint));
  lw_packets_oifs(pool, set, oifs);
  g_assert_cmpuint(oifs->len, ==, 2);
  g_assert_cmpuint(g_array_index(oifs, guint, 0), ==, 3);
  g_assert_cmpuint(g_array_index(oifs, guint, 1), ==, 700);
  g_assert_cmpuint(lw_packets_by_oif(pool, set, 3), ==, web);
  g_assert_cmpuint(lw_packets_by_oif(pool, set, 700), ==, LW_BDD_TRUE);
  g_assert_cmpuint(lw_packets_by_oif(pool, set, 4), ==, LW_BDD_FALSE);
}

/* The pieces are the set again, and disjoint. */
static void test_pieces(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwPrefix lan = prefix("192.168.50.0/24"), no = prefix("10.0.0.0/8");
  LwBdd set = lw_bdd_minus(pool, lw_packets_prefix(pool, LW_HEADER_SADDR, &lan),
                           lw_packets_prefix(pool, LW_HEADER_DADDR, &no));
  set = lw_bdd_and(pool, set, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6));
  set = lw_bdd_and(pool, set,
                   lw_bdd_or(pool, lw_packets_number(pool, LW_HEADER_DPORT, 445, 445),
                             lw_packets_number(pool, LW_HEADER_DPORT, 8000, 8010)));
  gboolean whole;
  g_autoptr(GPtrArray) pieces = lw_packets_pieces(pool, set, 8, &whole);
  g_assert_true(whole);
  g_assert_cmpuint(pieces->len, ==, 1);
  g_autofree char *text = lw_piece_format(pieces->pdata[0]);
  g_assert_cmpstr(text, ==,
                  "192.168.50.0/24 -> 0.0.0.0-9.255.255.255, 11.0.0.0-255.255.255.255 tcp/445,8000-8010");
  LwBdd two = lw_bdd_or(pool, set, lw_packets_family(pool, 6));
  g_autoptr(GPtrArray) few = lw_packets_pieces(pool, two, 1, &whole);
  g_assert_cmpuint(few->len, ==, 1);
  g_assert_false(whole);
}

/* Walking down says what intersecting says. */
static void test_contain(void) {
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwPrefix lan = prefix("192.168.50.0/24"), six = prefix("fd00:20::/64");
  LwBdd web = lw_bdd_and(pool, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6),
                         lw_packets_number(pool, LW_HEADER_DPORT, 80, 443));
  LwMac mac = {{2, 0, 0, 0, 0, 1}};
  LwSpan from_mac = lw_span_mac(LW_HEADER_ETH_SRC, &mac);
  const LwBdd sets[] = {
      lw_bdd_and(pool, lw_packets_prefix(pool, LW_HEADER_SADDR, &lan), web),
      lw_packets_prefix(pool, LW_HEADER_DADDR, &six),
      lw_packets_number(pool, LW_HEADER_OIF, 3, 700),
      lw_bdd_and(pool, web, lw_packets_box(pool, &from_mac, 1)),
      lw_packets_number(pool, LW_HEADER_ICMP_TYPE, 8, 8),
      LW_BDD_TRUE,
      LW_BDD_FALSE,
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
          gboolean in = lw_bdd_intersects(pool, sets[s], lw_packets_of(pool, &h));
          g_assert_cmpint(lw_packets_contain(pool, sets[s], &h), ==, in);
          members += in != 0;
        }
      }
  g_assert_cmpuint(members, >, 100);
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
  return g_test_run();
}
