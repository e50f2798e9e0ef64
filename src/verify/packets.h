/* Probe packets as bytes, both ways. Each carries a cookie that no NAT changes: the sequence number of a TCP
 * SYN, the payload of a UDP datagram or an ICMP echo. Parsers take hostile bytes. */
#pragma once

#include "model/model.h"

#define LW_PACKET_MAX 256

typedef enum {
  LW_PACKET_OTHER,   /* none of ours */
  LW_PACKET_REQUEST, /* SYN, datagram, echo request: as the source sent it */
  LW_PACKET_REPLY,   /* SYN-ACK or RST, answering datagram, echo reply */
} LwPacketRole;

typedef struct {
  LwPacketRole role;
  LwProto proto;
  LwAddr source, destination;
  guint16 sport, dport;  /* tcp, udp */
  guint32 cookie;        /* REQUEST and REPLY */
  const guint8 *payload; /* udp: into the bytes parsed */
  gsize payload_length;
} LwPacket;

/* Builds an IPv4 packet from proto, addresses, ports, role and cookie (TCP: SYN alone, whatever the role).
 * With payload set, that is the UDP payload instead of the cookie. Returns its length. */
gsize lw_packet_build(const LwPacket *packet, guint8 out[LW_PACKET_MAX]);
/* FALSE: not a whole IPv4 packet of a protocol we send. A foreign packet is TRUE with role OTHER. */
gboolean lw_packet_parse(const guint8 *bytes, gsize length, LwPacket *out);

/* An ICMPv6 echo request with the cookie, IPv6 header included. */
gsize lw_packet_build6(const LwAddr *source, const LwAddr *destination, guint32 cookie,
                       guint8 out[LW_PACKET_MAX]);
/* The cookie of an ICMPv6 echo request of ours; whole: with its IPv6 header. FALSE: none of ours. */
gboolean lw_packet_parse6(const guint8 *bytes, gsize length, gboolean whole, guint32 *cookie);

/* fe80::/64 with the interface identifier of the MAC. */
LwAddr lw_packet_link_local(const LwMac *mac);
