#include "lab.h"

#include "verify/packets.h"

#include <string.h>

static LwPacket sample(LwProto proto) {
  return (LwPacket){.role = LW_PACKET_REQUEST,
                    .proto = proto,
                    .source = test_addr("192.168.10.31"),
                    .destination = test_addr("8.7.6.5"),
                    .sport = 40000,
                    .dport = 443,
                    .cookie = 0xdeadbeef};
}

static guint32 ones(const guint8 *bytes, gsize length, guint32 sum) {
  for (gsize i = 0; i < length; i++)
    sum += i % 2 ? bytes[i] : (guint32)bytes[i] << 8;
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

/* A right checksum makes the whole sum to 0xffff. */
static void assert_checksums(const guint8 *bytes, gsize length, guint8 number) {
  g_assert_cmphex(ones(bytes, 20, 0), ==, 0xffff);
  guint32 pseudo = number == 1 ? 0 : ones(bytes + 12, 8, number + (guint32)(length - 20));
  g_assert_cmphex(ones(bytes + 20, length - 20, pseudo), ==, 0xffff);
}

static void test_round_trip(void) {
  const struct {
    LwProto proto;
    guint8 number;
  } all[] = {{LW_PROTO_TCP, 6}, {LW_PROTO_UDP, 17}, {LW_PROTO_ICMP, 1}};
  for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
    guint8 bytes[LW_PACKET_MAX];
    LwPacket in = sample(all[i].proto), out;
    gsize length = lw_packet_build(&in, bytes);
    assert_checksums(bytes, length, all[i].number);
    g_assert_true(lw_packet_parse(bytes, length, &out));
    g_assert_cmpint(out.role, ==, LW_PACKET_REQUEST);
    g_assert_cmpint(out.proto, ==, in.proto);
    g_assert_cmphex(out.cookie, ==, in.cookie);
    g_assert_true(lw_addr_equal(&out.source, &in.source));
    g_assert_true(lw_addr_equal(&out.destination, &in.destination));
    if (in.proto != LW_PROTO_ICMP) {
      g_assert_cmpuint(out.sport, ==, 40000);
      g_assert_cmpuint(out.dport, ==, 443);
    }
  }
}

/* An error repeats the head of a packet, and carries a cookie of its own behind it. */
static void test_errors(void) {
  guint8 bytes[LW_PACKET_MAX], about[LW_PACKET_MAX];
  LwPacket flow = sample(LW_PROTO_UDP), out;
  lw_packet_build(&flow, about);
  gsize length = lw_packet_build_error(&flow.destination, &flow.source, 0xcafe0001, about, bytes);
  assert_checksums(bytes, length, 1);
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_ERROR);
  g_assert_cmphex(out.cookie, ==, 0xcafe0001);
  g_assert_cmpuint(out.icmp_type, ==, 3);
  g_assert_cmpmem(bytes + 28, LW_PACKET_ABOUT, about, LW_PACKET_ABOUT);
  g_assert_true(lw_addr_equal(&out.destination, &flow.source));
  bytes[length - 12] ^= 1; /* not our mark: somebody's error, about a packet of somebody */
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_OTHER);
}

/* SYN, its answer, and what follows that. */
static void test_handshake(void) {
  guint8 bytes[LW_PACKET_MAX];
  LwPacket in = sample(LW_PROTO_TCP), out;
  in.role = LW_PACKET_REPLY;
  in.id = 0x1234;
  gsize length = lw_packet_build(&in, bytes);
  assert_checksums(bytes, length, 6);
  g_assert_cmphex(bytes[4] << 8 | bytes[5], ==, 0x1234);
  g_assert_cmphex(bytes[33], ==, 0x12);
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_REPLY);
  g_assert_cmphex(out.cookie, ==, in.cookie);
  in.role = LW_PACKET_REQUEST;
  in.going_on = TRUE;
  length = lw_packet_build(&in, bytes);
  assert_checksums(bytes, length, 6);
  g_assert_cmphex(bytes[33], ==, 0x10);
  g_assert_cmphex(bytes[27], ==, (in.cookie + 1) & 0xff); /* the sequence goes on */
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_OTHER);
  g_assert_cmpuint(out.sport, ==, in.sport);
}

static void test_replies(void) {
  guint8 bytes[LW_PACKET_MAX];
  LwPacket in = sample(LW_PROTO_TCP), out;
  gsize length = lw_packet_build(&in, bytes);
  memset(bytes + 24, 0, 4);
  const guint8 ack[] = {0xde, 0xad, 0xbe, 0xf0}; /* cookie + 1 */
  memcpy(bytes + 28, ack, sizeof ack);
  bytes[33] = 0x12;
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_REPLY);
  g_assert_cmphex(out.cookie, ==, 0xdeadbeef);
  bytes[33] = 0x14; /* RST, ACK */
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_REPLY);
  bytes[33] = 0x04; /* RST alone acknowledges nothing */
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_OTHER);
  in = sample(LW_PROTO_ICMP);
  in.role = LW_PACKET_REPLY;
  length = lw_packet_build(&in, bytes);
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_REPLY);
  g_assert_cmphex(out.cookie, ==, 0xdeadbeef);
  in = sample(LW_PROTO_UDP);
  in.role = LW_PACKET_REPLY;
  length = lw_packet_build(&in, bytes);
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_REPLY);
}

static void test_foreign(void) {
  guint8 bytes[LW_PACKET_MAX];
  LwPacket in = sample(LW_PROTO_UDP), out;
  static const guint8 text[] = "8.7.6.1\n";
  in.payload = text;
  in.payload_length = sizeof text - 1;
  gsize length = lw_packet_build(&in, bytes);
  g_assert_true(lw_packet_parse(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_OTHER);
  g_assert_cmpmem(out.payload, (int)out.payload_length, text, (int)sizeof text - 1);
}

/* Exactly as many bytes as there are, on the heap, so that reading past them is seen by a sanitizer. */
static gboolean parse_copy(const guint8 *bytes, gsize length, LwPacket *out) {
  g_autofree guint8 *copy = g_memdup2(bytes, length);
  gboolean ok = lw_packet_parse(copy, length, out);
  out->payload = NULL;
  return ok;
}

static void test_hostile(void) {
  const LwProto all[] = {LW_PROTO_TCP, LW_PROTO_UDP, LW_PROTO_ICMP};
  for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
    guint8 bytes[LW_PACKET_MAX];
    LwPacket in = sample(all[i]), out;
    gsize length = lw_packet_build(&in, bytes);
    for (gsize cut = 0; cut < length; cut++)
      g_assert_false(parse_copy(bytes, cut, &out));
    for (gsize at = 0; at < length; at++)
      for (guint value = 0; value < 256; value += 15) {
        guint8 bent[LW_PACKET_MAX];
        memcpy(bent, bytes, length);
        bent[at] = (guint8)value;
        parse_copy(bent, length, &out);
      }
    bytes[6] = 0x20; /* more fragments */
    g_assert_false(parse_copy(bytes, length, &out));
  }
}

static void test_ipv6(void) {
  guint8 bytes[LW_PACKET_MAX];
  LwMac mac = {{0x52, 0x54, 0, 1, 2, 3}};
  LwAddr source = lw_packet_link_local(&mac), all = test_addr("ff02::1");
  g_autofree char *text = lw_addr_format(&source);
  g_assert_cmpstr(text, ==, "fe80::5054:ff:fe01:203");
  LwPacket in = {
      .role = LW_PACKET_REQUEST, .proto = LW_PROTO_ICMP, .source = source, .destination = all, .cookie = 77};
  gsize length = lw_packet_build(&in, bytes);
  g_assert_cmphex(ones(bytes + 40, length - 40, ones(bytes + 8, 32, 58 + (guint32)(length - 40))), ==,
                  0xffff);
  LwPacket out;
  g_assert_true(lw_packet_parse6(bytes, length, &out));
  g_assert_cmpint(out.role, ==, LW_PACKET_REQUEST);
  g_assert_cmpuint(out.cookie, ==, 77);
  g_assert_true(lw_addr_equal(&out.destination, &all));
  g_assert_true(lw_packet_parse6_bare(bytes + 40, length - 40, 58, &out));
  g_assert_cmpuint(out.cookie, ==, 77);
  for (gsize cut = 0; cut < length; cut++) {
    g_autofree guint8 *copy = g_memdup2(bytes, cut);
    g_assert_false(lw_packet_parse6(copy, cut, &out));
  }
}

/* ICMP of another type, and protocols that have no ports. */
static void test_others(void) {
  guint8 bytes[LW_PACKET_MAX];
  LwPacket out, in = {.role = LW_PACKET_REQUEST,
                      .source = test_addr("192.168.10.31"),
                      .destination = test_addr("192.168.20.5"),
                      .cookie = 0xabcdef};
  const LwProto protos[] = {LW_PROTO_ICMP, LW_PROTO_ANY};
  for (guint i = 0; i < G_N_ELEMENTS(protos); i++) {
    in.proto = protos[i];
    in.icmp_type = 13;
    in.protocol = 47;
    gsize length = lw_packet_build(&in, bytes);
    g_assert_true(lw_packet_parse(bytes, length, &out));
    g_assert_cmpint(out.role, ==, LW_PACKET_REQUEST);
    g_assert_cmpint(out.proto, ==, protos[i]);
    g_assert_cmpuint(out.cookie, ==, 0xabcdef);
    g_assert_cmpuint(out.icmp_type, ==, i ? 0 : 13);
    g_assert_cmpuint(out.protocol, ==, i ? 47 : 0);
  }
}

/* A SYN that was answered, and one that was refused. */
static void test_resets(void) {
  for (guint i = 0; i < 2; i++) {
    guint8 bytes[40] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, [31] = 8, [32] = 0x50}; /* acknowledges 7 */
    bytes[33] = i ? 0x14 : 0x12;
    LwPacket packet;
    g_assert_true(lw_packet_parse(bytes, sizeof bytes, &packet));
    g_assert_cmpint(packet.role, ==, LW_PACKET_REPLY);
    g_assert_cmpuint(packet.cookie, ==, 7);
    g_assert_cmpint(packet.reset, ==, i);
  }
}

static void test_arp(void) {
  LwMac own = {{2, 0, 0, 0, 0, 1}}, mac;
  LwAddr source, target, address;
  lw_addr_parse("192.168.10.31", &source);
  lw_addr_parse("192.168.10.1", &target);
  guint8 bytes[LW_PACKET_MAX];
  gsize length = lw_packet_build_arp(&own, &source, &target, bytes);
  static const guint8 wanted[] = {0,   1,   8,  0,  6, 4, 0, 1, 2, 0, 0,   0,   0,  1,
                                  192, 168, 10, 31, 0, 0, 0, 0, 0, 0, 192, 168, 10, 1};
  g_assert_cmpuint(length, ==, sizeof wanted);
  g_assert_true(memcmp(bytes, wanted, sizeof wanted) == 0);
  g_assert_false(lw_packet_parse_arp(bytes, length, &address, &mac)); /* a question */
  bytes[7] = 2;
  g_assert_true(lw_packet_parse_arp(bytes, length, &address, &mac));
  g_assert_true(lw_addr_equal(&address, &source));
  g_assert_true(memcmp(&mac, &own, sizeof own) == 0);
  g_assert_false(lw_packet_parse_arp(bytes, length - 1, &address, &mac));
  bytes[4] = 8;
  g_assert_false(lw_packet_parse_arp(bytes, length, &address, &mac)); /* other hardware */
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verify/packets/round-trip", test_round_trip);
  g_test_add_func("/verify/packets/replies", test_replies);
  g_test_add_func("/verify/packets/handshake", test_handshake);
  g_test_add_func("/verify/packets/errors", test_errors);
  g_test_add_func("/verify/packets/foreign", test_foreign);
  g_test_add_func("/verify/packets/hostile", test_hostile);
  g_test_add_func("/verify/packets/ipv6", test_ipv6);
  g_test_add_func("/verify/packets/others", test_others);
  g_test_add_func("/verify/packets/resets", test_resets);
  g_test_add_func("/verify/packets/arp", test_arp);
  return g_test_run();
}
