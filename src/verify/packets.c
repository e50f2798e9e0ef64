#include "verify/packets.h"

#include <string.h>

#define TAG_LENGTH 8
#define MARK_LENGTH (TAG_LENGTH + 4)
#define IP_HEADER 20
#define IP6_HEADER 40
#define TCP_HEADER 20
#define UDP_HEADER 8
#define ICMP_HEADER 8
#define OTHER_HEADER 8 /* ours, before the mark, in protocols that are nobody's */
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMP6 58
#define ECHO_REQUEST 8
#define UNREACHABLE 3
#define NO_PORT 3
#define ECHO_REQUEST6 128
#define ECHO_REPLY6 129
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static const char request_tag[TAG_LENGTH + 1] = "lanwardQ";
static const char reply_tag[TAG_LENGTH + 1] = "lanwardR";

static void put16(guint8 *at, guint value) {
  at[0] = (guint8)(value >> 8);
  at[1] = (guint8)value;
}

static void put32(guint8 *at, guint32 value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

static guint16 get16(const guint8 *at) {
  return (guint16)(at[0] << 8 | at[1]);
}

static guint32 get32(const guint8 *at) {
  return (guint32)get16(at) << 16 | get16(at + 2);
}

static guint32 sum_of(const guint8 *bytes, gsize length, guint32 sum) {
  for (gsize i = 0; i + 1 < length; i += 2)
    sum += get16(bytes + i);
  if (length % 2)
    sum += (guint32)bytes[length - 1] << 8;
  return sum;
}

static guint16 fold(guint32 sum) {
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (guint16)~sum;
}

/* The sum of the pseudo header of TCP, UDP and ICMPv6. */
static guint32 pseudo(const LwAddr *source, const LwAddr *destination, guint8 proto, gsize length) {
  gsize size = source->family == 6 ? 16 : 4;
  guint32 sum = sum_of(source->bytes, size, 0);
  return sum_of(destination->bytes, size, sum) + proto + (guint32)length;
}

LwProto lw_packet_proto(guint8 protocol) {
  switch (protocol) {
  case PROTO_ICMP:
  case PROTO_ICMP6:
    return LW_PROTO_ICMP;
  case PROTO_TCP:
    return LW_PROTO_TCP;
  case PROTO_UDP:
    return LW_PROTO_UDP;
  default:
    return LW_PROTO_ANY;
  }
}

static gsize put_mark(guint8 *at, LwPacketRole role, guint32 cookie) {
  memcpy(at, role == LW_PACKET_REPLY ? reply_tag : request_tag, TAG_LENGTH);
  put32(at + TAG_LENGTH, cookie);
  return MARK_LENGTH;
}

static gboolean get_mark(const guint8 *at, gsize length, LwPacketRole *role, guint32 *cookie) {
  if (length < MARK_LENGTH)
    return FALSE;
  if (memcmp(at, request_tag, TAG_LENGTH) == 0)
    *role = LW_PACKET_REQUEST;
  else if (memcmp(at, reply_tag, TAG_LENGTH) == 0)
    *role = LW_PACKET_REPLY;
  else
    return FALSE;
  *cookie = get32(at + TAG_LENGTH);
  return TRUE;
}

static gsize build_tcp(const LwPacket *packet, guint8 *at) {
  put16(at, packet->sport);
  put16(at + 2, packet->dport);
  gboolean reply = packet->role == LW_PACKET_REPLY;
  put32(at + 4, packet->cookie + (packet->going_on ? 1 : 0));
  put32(at + 8, reply || packet->going_on ? packet->cookie + 1 : 0);
  at[12] = (TCP_HEADER / 4) << 4;
  at[13] = packet->going_on ? TCP_ACK : reply ? TCP_SYN | TCP_ACK : TCP_SYN;
  put16(at + 14, 64240);
  put16(at + 16,
        fold(sum_of(at, TCP_HEADER, pseudo(&packet->source, &packet->destination, PROTO_TCP, TCP_HEADER))));
  return TCP_HEADER;
}

static gsize build_udp(const LwPacket *packet, guint8 *at) {
  gsize length = UDP_HEADER;
  if (packet->payload) {
    gsize room = LW_PACKET_MAX - IP_HEADER - UDP_HEADER;
    gsize size = MIN(packet->payload_length, room);
    memcpy(at + UDP_HEADER, packet->payload, size);
    length += size;
  } else {
    length += put_mark(at + UDP_HEADER, packet->role, packet->cookie);
  }
  put16(at, packet->sport);
  put16(at + 2, packet->dport);
  put16(at + 4, (guint)length);
  guint16 sum = fold(sum_of(at, length, pseudo(&packet->source, &packet->destination, PROTO_UDP, length)));
  put16(at + 6, sum ? sum : 0xffff); /* 0 would say "no checksum" */
  return length;
}

static guint8 icmp_type_of(const LwPacket *packet) {
  if (packet->source.family == 6)
    return packet->role == LW_PACKET_REPLY ? ECHO_REPLY6 : ECHO_REQUEST6;
  if (packet->role == LW_PACKET_REPLY)
    return 0;
  return packet->icmp_type ? packet->icmp_type : ECHO_REQUEST;
}

static gsize build_icmp(const LwPacket *packet, guint8 *at) {
  at[0] = icmp_type_of(packet);
  put16(at + 4, packet->cookie & 0xffff);
  put16(at + 6, packet->cookie >> 16);
  /* An echo reply repeats the payload of its request. */
  gsize length = ICMP_HEADER + put_mark(at + ICMP_HEADER, LW_PACKET_REQUEST, packet->cookie);
  guint32 sum =
      packet->source.family == 6 ? pseudo(&packet->source, &packet->destination, PROTO_ICMP6, length) : 0;
  put16(at + 2, fold(sum_of(at, length, sum)));
  return length;
}

static guint8 protocol_of(const LwPacket *packet) {
  switch (packet->proto) {
  case LW_PROTO_TCP:
    return PROTO_TCP;
  case LW_PROTO_UDP:
    return PROTO_UDP;
  case LW_PROTO_ICMP:
    return packet->source.family == 6 ? PROTO_ICMP6 : PROTO_ICMP;
  case LW_PROTO_ANY:
    break;
  }
  return packet->protocol;
}

static gsize build_transport(const LwPacket *packet, guint8 *at) {
  switch (packet->proto) {
  case LW_PROTO_TCP:
    return build_tcp(packet, at);
  case LW_PROTO_UDP:
    return build_udp(packet, at);
  case LW_PROTO_ICMP:
    return build_icmp(packet, at);
  case LW_PROTO_ANY:
    break;
  }
  put16(at, packet->sport); /* as rules look at them, whatever the protocol */
  put16(at + 2, packet->dport);
  return OTHER_HEADER + put_mark(at + OTHER_HEADER, packet->role, packet->cookie);
}

static void put_header(guint8 *out, const LwAddr *source, const LwAddr *destination, guint8 protocol,
                       guint32 id, gsize length) {
  out[0] = 0x45;
  put16(out + 2, (guint)length);
  put16(out + 4, id & 0xffff);
  out[8] = 64;
  out[9] = protocol;
  memcpy(out + 12, source->bytes, 4);
  memcpy(out + 16, destination->bytes, 4);
  put16(out + 10, fold(sum_of(out, IP_HEADER, 0)));
}

gsize lw_packet_build_error(const LwAddr *source, const LwAddr *destination, guint32 cookie,
                            const guint8 *about, guint8 out[LW_PACKET_MAX]) {
  guint8 *at = out + IP_HEADER;
  memset(out, 0, LW_PACKET_MAX);
  at[0] = UNREACHABLE;
  at[1] = NO_PORT;
  memcpy(at + ICMP_HEADER, about, LW_PACKET_ABOUT);
  gsize length = ICMP_HEADER + LW_PACKET_ABOUT;
  length += put_mark(at + length, LW_PACKET_REQUEST, cookie);
  put16(at + 2, fold(sum_of(at, length, 0)));
  put_header(out, source, destination, PROTO_ICMP, cookie, IP_HEADER + length);
  return IP_HEADER + length;
}

gsize lw_packet_build(const LwPacket *packet, guint8 out[LW_PACKET_MAX]) {
  memset(out, 0, LW_PACKET_MAX);
  if (packet->source.family == 6) {
    gsize inner = build_transport(packet, out + IP6_HEADER);
    out[0] = 0x60;
    put16(out + 4, (guint)inner);
    out[6] = protocol_of(packet);
    out[7] = 64;
    memcpy(out + 8, packet->source.bytes, 16);
    memcpy(out + 24, packet->destination.bytes, 16);
    return IP6_HEADER + inner;
  }
  gsize length = IP_HEADER + build_transport(packet, out + IP_HEADER);
  guint32 id = packet->id ? packet->id : packet->cookie;
  put_header(out, &packet->source, &packet->destination, protocol_of(packet), id, length);
  return length;
}

static gboolean parse_tcp(const guint8 *at, gsize length, LwPacket *out) {
  if (length < TCP_HEADER)
    return FALSE;
  out->proto = LW_PROTO_TCP;
  out->sport = get16(at);
  out->dport = get16(at + 2);
  guint8 flags = at[13] & (TCP_SYN | TCP_RST | TCP_ACK);
  if (flags == TCP_SYN) {
    out->role = LW_PACKET_REQUEST;
    out->cookie = get32(at + 4);
  } else if (flags == (TCP_SYN | TCP_ACK) || flags == (TCP_RST | TCP_ACK)) {
    out->role = LW_PACKET_REPLY;
    out->reset = (flags & TCP_RST) != 0;
    out->cookie = get32(at + 8) - 1;
  }
  return TRUE;
}

static gboolean parse_udp(const guint8 *at, gsize length, LwPacket *out) {
  if (length < UDP_HEADER)
    return FALSE;
  gsize size = get16(at + 4);
  if (size < UDP_HEADER || size > length)
    return FALSE;
  out->proto = LW_PROTO_UDP;
  out->sport = get16(at);
  out->dport = get16(at + 2);
  out->payload = at + UDP_HEADER;
  out->payload_length = size - UDP_HEADER;
  get_mark(out->payload, out->payload_length, &out->role, &out->cookie);
  return TRUE;
}

static gboolean parse_icmp(const guint8 *at, gsize length, LwPacket *out) {
  if (length < ICMP_HEADER)
    return FALSE;
  out->proto = LW_PROTO_ICMP;
  LwPacketRole mark;
  gboolean reply = at[0] == 0;
  gsize whole = ICMP_HEADER + LW_PACKET_ABOUT + MARK_LENGTH;
  if (at[0] == UNREACHABLE && length == whole &&
      get_mark(at + length - MARK_LENGTH, MARK_LENGTH, &mark, &out->cookie)) {
    out->role = LW_PACKET_ERROR;
    out->icmp_type = at[0];
    return TRUE;
  }
  if (get_mark(at + ICMP_HEADER, length - ICMP_HEADER, &mark, &out->cookie)) {
    out->role = reply ? LW_PACKET_REPLY : LW_PACKET_REQUEST;
    out->icmp_type = reply ? 0 : at[0];
  }
  return TRUE;
}

static gboolean parse_icmp6(const guint8 *at, gsize length, LwPacket *out) {
  if (length < ICMP_HEADER)
    return FALSE;
  out->proto = LW_PROTO_ICMP;
  LwPacketRole mark;
  if ((at[0] == ECHO_REQUEST6 || at[0] == ECHO_REPLY6) &&
      get_mark(at + ICMP_HEADER, length - ICMP_HEADER, &mark, &out->cookie))
    out->role = at[0] == ECHO_REPLY6 ? LW_PACKET_REPLY : LW_PACKET_REQUEST;
  return TRUE;
}

static gboolean parse_other(const guint8 *at, gsize length, guint8 protocol, LwPacket *out) {
  if (length < OTHER_HEADER || !get_mark(at + OTHER_HEADER, length - OTHER_HEADER, &out->role, &out->cookie))
    return FALSE;
  out->proto = LW_PROTO_ANY;
  out->protocol = protocol;
  out->sport = get16(at);
  out->dport = get16(at + 2);
  return TRUE;
}

static gboolean parse_transport(const guint8 *at, gsize length, guint8 protocol, LwPacket *out) {
  switch (protocol) {
  case PROTO_TCP:
    return parse_tcp(at, length, out);
  case PROTO_UDP:
    return parse_udp(at, length, out);
  case PROTO_ICMP:
    return parse_icmp(at, length, out);
  case PROTO_ICMP6:
    return parse_icmp6(at, length, out);
  default:
    return parse_other(at, length, protocol, out);
  }
}

gboolean lw_packet_parse(const guint8 *bytes, gsize length, LwPacket *out) {
  *out = (LwPacket){.role = LW_PACKET_OTHER};
  if (length < IP_HEADER || bytes[0] >> 4 != 4)
    return FALSE;
  gsize header = (gsize)(bytes[0] & 0x0f) * 4;
  gsize total = get16(bytes + 2);
  if (header < IP_HEADER || total < header || total > length)
    return FALSE;
  if (get16(bytes + 6) & 0x3fff) /* a fragment: we send none */
    return FALSE;
  out->source.family = out->destination.family = 4;
  memcpy(out->source.bytes, bytes + 12, 4);
  memcpy(out->destination.bytes, bytes + 16, 4);
  return bytes[9] != PROTO_ICMP6 && parse_transport(bytes + header, total - header, bytes[9], out);
}

gboolean lw_packet_parse6_bare(const guint8 *bytes, gsize length, guint8 protocol, LwPacket *out) {
  *out = (LwPacket){.role = LW_PACKET_OTHER};
  return protocol != PROTO_ICMP && parse_transport(bytes, length, protocol, out);
}

gboolean lw_packet_parse6(const guint8 *bytes, gsize length, LwPacket *out) {
  *out = (LwPacket){.role = LW_PACKET_OTHER};
  if (length < IP6_HEADER || bytes[0] >> 4 != 6)
    return FALSE;
  gsize inner = get16(bytes + 4);
  if (inner > length - IP6_HEADER)
    return FALSE;
  out->source.family = out->destination.family = 6;
  memcpy(out->source.bytes, bytes + 8, 16);
  memcpy(out->destination.bytes, bytes + 24, 16);
  return bytes[6] != PROTO_ICMP && parse_transport(bytes + IP6_HEADER, inner, bytes[6], out);
}

LwAddr lw_packet_link_local(const LwMac *mac) {
  const guint8 *m = mac->bytes;
  return (LwAddr){
      .family = 6,
      .bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

/* --- ARP (RFC 826)
 * ----------------------------------------------------------------------------------------------------------
 */

#define ARP_LENGTH 28
#define ARP_REQUEST 1
#define ARP_REPLY 2

/* Hardware type Ethernet, protocol IPv4, the lengths of their addresses. */
static const guint8 arp_kind[] = {0, 1, 8, 0, 6, 4};

gsize lw_packet_build_arp(const LwMac *own, const LwAddr *source, const LwAddr *target,
                          guint8 out[LW_PACKET_MAX]) {
  memset(out, 0, ARP_LENGTH);
  memcpy(out, arp_kind, sizeof arp_kind);
  put16(out + 6, ARP_REQUEST);
  memcpy(out + 8, own->bytes, 6);
  memcpy(out + 14, source->bytes, 4);
  memcpy(out + 24, target->bytes, 4);
  return ARP_LENGTH;
}

gboolean lw_packet_parse_arp(const guint8 *bytes, gsize length, LwAddr *address, LwMac *mac) {
  if (length < ARP_LENGTH || memcmp(bytes, arp_kind, sizeof arp_kind) != 0 || get16(bytes + 6) != ARP_REPLY)
    return FALSE;
  memcpy(mac->bytes, bytes + 8, 6);
  *address = lw_addr_from_v4(get32(bytes + 14));
  return TRUE;
}
