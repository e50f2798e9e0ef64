/* Probe packets as bytes, both ways. Each carries a cookie that no NAT changes: the sequence number of a TCP
 * SYN, the payload of a UDP datagram or an ICMP echo. Parsers take hostile bytes. */
#pragma once

#include "model/model.h"

#define LW_PACKET_MAX 256
/* Kept free for experiments (RFC 3692): stands for all protocols that are not tried one by one. */
#define LW_PROTOCOL_NOBODYS 253
#define LW_PROTOCOL_NOBODYS_OTHER 254

typedef enum {
  LW_PACKET_OTHER,   /* none of ours */
  LW_PACKET_REQUEST, /* SYN, datagram, echo request: as the source sent it */
  LW_PACKET_REPLY,   /* SYN-ACK or RST, answering datagram, echo reply */
  LW_PACKET_ERROR,   /* an ICMP error: the cookie is at its end */
} LwPacketRole;

typedef struct {
  LwPacketRole role;
  LwProto proto;
  guint8 protocol;            /* proto ANY: its number */
  guint8 icmp_type;           /* of a REQUEST of ICMP; 0: an echo's */
  LwAddr source, destination; /* of one family */
  guint16 sport, dport;       /* tcp, udp */
  guint32 cookie;             /* REQUEST and REPLY */
  gboolean reset;             /* of a REPLY of TCP: refused */
  gboolean going_on;          /* REQUEST of TCP, to build: not the SYN but what follows its answer */
  guint16 id;                 /* IPv4, to build: its identification; 0: by the cookie */
  const guint8 *payload;      /* udp: into the bytes parsed */
  gsize payload_length;
} LwPacket;

/* Of a protocol's number; ANY for those that are none of the three. */
LwProto lw_packet_proto(guint8 protocol);

/* Builds a packet from proto, addresses, ports, role and cookie (TCP: SYN, or SYN and ACK; IPv6: ICMP is
 * ICMPv6, an echo). With payload set, that is the UDP payload instead of the cookie. Returns its length. */
gsize lw_packet_build(const LwPacket *packet, guint8 out[LW_PACKET_MAX]);
/* An ICMP error (a port that nobody has) about a packet of which the header and eight bytes are `about`:
 * LW_PACKET_ABOUT of them, IPv4. Returns its length. */
#define LW_PACKET_ABOUT 28
gsize lw_packet_build_error(const LwAddr *source, const LwAddr *destination, guint32 cookie,
                            const guint8 *about, guint8 out[LW_PACKET_MAX]);
/* FALSE: not a whole IPv4 packet of a protocol we send. A foreign packet is TRUE with role OTHER. */
gboolean lw_packet_parse(const guint8 *bytes, gsize length, LwPacket *out);
/* The same of IPv6. */
gboolean lw_packet_parse6(const guint8 *bytes, gsize length, LwPacket *out);
/* What a raw IPv6 socket hands out: the header is gone, and with it the addresses. */
gboolean lw_packet_parse6_bare(const guint8 *bytes, gsize length, guint8 protocol, LwPacket *out);

/* ARP: who has the target? Returns its length. */
gsize lw_packet_build_arp(const LwMac *own, const LwAddr *source, const LwAddr *target,
                          guint8 out[LW_PACKET_MAX]);
/* An answer of ARP over Ethernet: who has which address. FALSE: it is none. */
gboolean lw_packet_parse_arp(const guint8 *bytes, gsize length, LwAddr *address, LwMac *mac);

/* fe80::/64 with the interface identifier of the MAC. */
LwAddr lw_packet_link_local(const LwMac *mac);
