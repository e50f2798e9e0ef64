#include "base/addr.h"

static LwPrefix prefix(const char *text) {
  LwPrefix out;
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwAddr addr(const char *text) {
  LwAddr out;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static LwRange range(const char *text) {
  LwRange out;
  g_assert_true(lw_range_parse(text, &out));
  return out;
}

static void test_addr(void) {
  static const char *const good[] = {"0.0.0.0", "192.168.1.5", "255.255.255.255", "::", "2001:db8::1"};
  static const char *const bad[] = {"",          ".5",       "10.1",     "010.0.0.1", "1.2.3.4.5",
                                    "256.0.0.1", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4/8", "g::"};
  for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
    LwAddr parsed = addr(good[i]);
    g_autofree char *text = lw_addr_format(&parsed);
    g_assert_cmpstr(text, ==, good[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    LwAddr untouched = lw_addr_from_v4(7);
    g_assert_false(lw_addr_parse(bad[i], &untouched));
    g_assert_cmpuint(lw_addr_v4(&untouched), ==, 7);
  }
  LwAddr a = addr("10.0.0.255"), b = lw_addr_add(&a, 1), six = addr("::");
  g_autofree char *next = lw_addr_format(&b);
  g_assert_cmpstr(next, ==, "10.0.1.0");
  g_assert_cmpint(lw_addr_cmp(&a, &b), <, 0);
  g_assert_cmpint(lw_addr_cmp(&b, &six), <, 0);
  g_assert_false(lw_addr_is_set(&LW_ADDR_NONE));
  LwAddr none = LW_ADDR_NONE;
  g_autofree char *empty = lw_addr_format(&none);
  g_assert_cmpstr(empty, ==, "");
}

static void test_prefix(void) {
  static const char *const bad[] = {
      "", "/24", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "10.0.0.0/a"};
  LwPrefix untouched;
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(lw_prefix_parse(bad[i], &untouched));
  LwPrefix host = prefix("192.168.1.77/26"), network = lw_prefix_network(&host);
  g_autofree char *text = lw_prefix_format(&network);
  g_assert_cmpstr(text, ==, "192.168.1.64/26");
  g_assert_false(lw_prefix_is_network(&host));
  g_assert_true(lw_prefix_is_network(&network));
  LwRange whole = lw_prefix_range(&host);
  g_autofree char *edges = lw_range_format(&whole);
  g_assert_cmpstr(edges, ==, "192.168.1.64-192.168.1.127");
  LwPrefix all = prefix("0.0.0.0/0"), one = prefix("10.0.0.1"), odd = prefix("2001:db8::1/45");
  g_assert_cmpuint(one.len, ==, 32);
  g_assert_true(lw_prefix_overlaps(&all, &one));
  g_assert_false(lw_prefix_overlaps(&network, &one));
  LwPrefix six_all = prefix("::/0");
  g_assert_false(lw_prefix_overlaps(&six_all, &all));
  LwPrefix odd_net = lw_prefix_network(&odd);
  g_autofree char *odd_text = lw_prefix_format(&odd_net);
  g_assert_cmpstr(odd_text, ==, "2001:db8::/45");
  LwAddr inside = addr("192.168.1.127"), outside = addr("192.168.1.128");
  g_assert_true(lw_prefix_contains(&network, &inside));
  g_assert_false(lw_prefix_contains(&network, &outside));
}

/* As by its first and last address, at every length. */
static void test_contains(void) {
  const LwAddr near[] = {addr("192.168.1.64"), addr("192.168.1.65"), addr("192.169.1.64"),
                         addr("64.168.1.64"),  addr("2001:db8::1"),  addr("2001:db8::2"),
                         addr("2001:db9::1"),  addr("::1")};
  const LwPrefix of[] = {prefix("192.168.1.64/0"), prefix("2001:db8::1/0")};
  for (guint i = 0; i < G_N_ELEMENTS(of); i++)
    for (guint8 len = 0; len <= (i ? 128 : 32); len++)
      for (guint j = 0; j < G_N_ELEMENTS(near); j++) {
        const LwPrefix each = {of[i].addr, len};
        const LwRange range = lw_prefix_range(&each);
        g_assert_cmpint(lw_prefix_contains(&each, &near[j]), ==, lw_range_contains(&range, &near[j]));
      }
}

static void test_range(void) {
  static const char *const bad[] = {
      "", "-", "10.0.0.2-10.0.0.1", "10.0.0.1-::1", "10.0.0.1-", "10.0.0.0/8-10.0.0.1"};
  LwRange untouched;
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(lw_range_parse(bad[i], &untouched));
  LwRange single = range("10.0.0.1"), net = range("10.0.0.0/30"), pair = range("10.0.0.3-10.0.0.9");
  g_autofree char *text = lw_range_format(&single);
  g_assert_cmpstr(text, ==, "10.0.0.1");
  g_assert_true(lw_range_overlaps(&net, &pair));
  g_assert_false(lw_range_overlaps(&single, &pair));
  LwPrefix inside = prefix("10.0.0.0/28"), small = prefix("10.0.0.0/29");
  g_assert_true(lw_range_within_prefix(&pair, &inside));
  g_assert_false(lw_range_within_prefix(&pair, &small));
}

static void test_mac(void) {
  static const char *const bad[] = {"", "52:54:00:12:34", "52-54-00-12-34-56", "52:54:00:12:34:5g",
                                    "52:54:00:12:34:567"};
  LwMac mac;
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(lw_mac_parse(bad[i], &mac));
  g_assert_true(lw_mac_parse("AA:bb:0C:dd:Ee:0f", &mac));
  g_autofree char *text = lw_mac_format(&mac);
  g_assert_cmpstr(text, ==, "aa:bb:0c:dd:ee:0f");
  LwMac a = lw_mac_derive("lab/pc/0"), b = lw_mac_derive("lab/pc/1"), again = lw_mac_derive("lab/pc/0");
  g_assert_true(lw_mac_equal(&a, &again));
  g_assert_false(lw_mac_equal(&a, &b));
  g_assert_cmpuint(a.bytes[0] & 1, ==, 0);
  g_assert_false(lw_mac_is_set(&LW_MAC_NONE));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base/addr", test_addr);
  g_test_add_func("/base/prefix", test_prefix);
  g_test_add_func("/base/prefix-contains", test_contains);
  g_test_add_func("/base/range", test_range);
  g_test_add_func("/base/mac", test_mac);
  return g_test_run();
}
