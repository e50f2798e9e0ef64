#include "lab.h"

#include "verify/dns.h"

#include <string.h>

static const guint8 record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 9, 1, 1, 1};
static const guint8 alias[] = {0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, 'x', 0xc0, 12};

static gsize answer(guint8 *bytes, const guint8 *first, gsize first_length) {
  gsize length = lw_dns_query(0x1234, "resolver.test", bytes);
  bytes[2] |= 0x80;
  bytes[7] = (guint8)(1 + (first != NULL));
  if (first)
    memcpy(bytes + length, first, first_length);
  length += first_length;
  memcpy(bytes + length, record, sizeof record);
  return length + sizeof record;
}

static void test_query(void) {
  static const guint8 expected[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\x08resolver\x04test\0\0\1\0\1";
  guint8 bytes[LW_DNS_QUERY_MAX];
  gsize length = lw_dns_query(0x1234, "resolver.test", bytes);
  g_assert_cmpmem(bytes, (int)length, expected, (int)sizeof expected - 1);
  g_assert_cmpuint(lw_dns_query(1, "a..b", bytes), ==, 0);
  g_autofree char *label = g_strnfill(64, 'a');
  g_assert_cmpuint(lw_dns_query(1, label, bytes), ==, 0);
  g_autofree char *name = g_strnfill(120, 'a');
  for (guint i = 10; i < 120; i += 11)
    name[i] = '.';
  g_assert_cmpuint(lw_dns_query(1, name, bytes), ==, 0);
}

static void test_answers(void) {
  guint8 bytes[512];
  LwAddr addr = LW_ADDR_NONE, expected = test_addr("9.1.1.1");
  gsize length = answer(bytes, NULL, 0);
  g_assert_cmpint(lw_dns_parse(0x1234, bytes, length, &addr), ==, LW_DNS_ADDRESS);
  g_assert_true(lw_addr_equal(&addr, &expected));
  length = answer(bytes, alias, sizeof alias);
  g_assert_cmpint(lw_dns_parse(0x1234, bytes, length, &addr), ==, LW_DNS_ADDRESS);
  g_assert_cmpint(lw_dns_parse(0x1235, bytes, length, &addr), ==, LW_DNS_NOT_OURS);
  bytes[3] = 5; /* refused */
  g_assert_cmpint(lw_dns_parse(0x1234, bytes, length, &addr), ==, LW_DNS_NOTHING);
  length = lw_dns_query(0x1234, "resolver.test", bytes);
  g_assert_cmpint(lw_dns_parse(0x1234, bytes, length, &addr), ==, LW_DNS_NOT_OURS); /* our own query */
}

static void test_hostile(void) {
  guint8 bytes[512];
  LwAddr addr;
  gsize length = answer(bytes, alias, sizeof alias);
  for (gsize cut = 0; cut < length; cut++) {
    g_autofree guint8 *copy = g_memdup2(bytes, cut);
    addr = LW_ADDR_NONE;
    g_assert_cmpint(lw_dns_parse(0x1234, copy, cut, &addr), !=, LW_DNS_ADDRESS);
    g_assert_false(lw_addr_is_set(&addr));
  }
  for (gsize at = 2; at < length; at++)
    for (guint value = 0; value < 256; value++) {
      g_autofree guint8 *copy = g_memdup2(bytes, length);
      copy[at] = (guint8)value;
      lw_dns_parse(0x1234, copy, length, &addr);
    }
  /* a record that says it is longer than what is there */
  length = answer(bytes, NULL, 0);
  bytes[length - 6] = 0xff;
  g_assert_cmpint(lw_dns_parse(0x1234, bytes, length, &addr), ==, LW_DNS_NOT_OURS);
  /* more answers than there are */
  length = answer(bytes, alias, sizeof alias);
  bytes[6] = 0xff;
  memset(bytes + length - 4, 0, 4);
  bytes[length - 13] = 16; /* no A record */
  g_assert_cmpint(lw_dns_parse(0x1234, bytes, length, &addr), ==, LW_DNS_NOT_OURS);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verify/dns/query", test_query);
  g_test_add_func("/verify/dns/answers", test_answers);
  g_test_add_func("/verify/dns/hostile", test_hostile);
  return g_test_run();
}
