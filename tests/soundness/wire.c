#include "tests/soundness/wire.h"

#include "base/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC 0x6c77a5a5u
#define FRAME_MAX 128
#define QUIET_MS 40
#define PAYLOAD 8

static const guint8 local_protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 99};
static const guint8 local_protocols6[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6, 99};

struct Wire {
  int clients[WIRE_CLIENTS];
  int local[G_N_ELEMENTS(local_protocols) + G_N_ELEMENTS(local_protocols6)];
};

static void must(gboolean ok, const char *what) {
  if (!ok)
    g_error("%s: %s", what, g_strerror(errno));
}

static int enter(const char *ns) {
  g_autoptr(GError) error = NULL;
  int previous = lw_netns_enter(ns, &error);
  if (previous < 0)
    g_error("%s", error->message);
  return previous;
}

static void enlarge(int fd) {
  int size = 4 << 20;
  must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == 0 ||
           setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0,
       "SO_RCVBUF");
}

static int open_client(guint client) {
  g_autofree char *ns = g_strdup_printf("c%u", client);
  int previous = enter(ns);
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  at.sll_ifindex = (int)if_nametoindex("eth0");
  must(fd >= 0 && at.sll_ifindex > 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0, "packet socket");
  enlarge(fd);
  lw_netns_leave(previous);
  return fd;
}

Wire *wire_open(void) {
  Wire *wire = g_new0(Wire, 1);
  for (guint i = 0; i < WIRE_CLIENTS; i++)
    wire->clients[i] = open_client(i);
  int previous = enter("r");
  for (guint i = 0; i < G_N_ELEMENTS(wire->local); i++) {
    gboolean v6 = i >= G_N_ELEMENTS(local_protocols);
    int protocol = v6 ? local_protocols6[i - G_N_ELEMENTS(local_protocols)] : local_protocols[i];
    wire->local[i] = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    must(wire->local[i] >= 0, "raw socket");
    enlarge(wire->local[i]);
  }
  lw_netns_leave(previous);
  return wire;
}

void wire_close(Wire *wire) {
  for (guint i = 0; i < WIRE_CLIENTS; i++)
    close(wire->clients[i]);
  for (guint i = 0; i < G_N_ELEMENTS(wire->local); i++)
    close(wire->local[i]);
  g_free(wire);
}

/* --- making packets
 * -------------------------------------------------------------------------------------------------- */

static void put16(guint8 *at, guint value) {
  at[0] = (guint8)(value >> 8);
  at[1] = (guint8)value;
}

static void put32(guint8 *at, guint32 value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

static guint32 get32(const guint8 *at) {
  return ((guint32)at[0] << 24) | ((guint32)at[1] << 16) | ((guint32)at[2] << 8) | at[3];
}

static guint32 sum(const guint8 *bytes, gsize length, guint32 sofar) {
  for (gsize i = 0; i + 1 < length; i += 2)
    sofar += (guint32)(bytes[i] << 8) | bytes[i + 1];
  return sofar;
}

static guint16 fold(guint32 total) {
  while (total >> 16)
    total = (total & 0xffff) + (total >> 16);
  return (guint16)~total;
}

static gsize header_length(guint8 proto) {
  return proto == IPPROTO_TCP ? 20 : 8;
}

/* The transport header and the payload that names the packet; returns their length. */
static gsize put_transport(guint8 *at, const LwHeader *h, guint id) {
  gsize length = header_length(h->proto);
  memset(at, 0, length + PAYLOAD);
  put32(at + length, MAGIC);
  put32(at + length + 4, id);
  switch (h->proto) {
  case IPPROTO_TCP:
    put16(at, h->sport);
    put16(at + 2, h->dport);
    put32(at + 4, 1000 + id);
    at[12] = 5 << 4;
    at[13] = h->tcp_flags;
    put16(at + 14, 1000);
    break;
  case IPPROTO_UDP:
    put16(at, h->sport);
    put16(at + 2, h->dport);
    put16(at + 4, (guint)(length + PAYLOAD));
    break;
  case IPPROTO_ICMP:
  case IPPROTO_ICMPV6:
    at[0] = h->icmp_type;
    at[1] = h->icmp_code;
    put16(at + 4, id + 1); /* an echo's identifier: each a flow of its own */
    break;
  default:
    put16(at, h->sport);
    put16(at + 2, h->dport);
    break;
  }
  return length + PAYLOAD;
}

static gsize checksum_at(guint8 proto) {
  switch (proto) {
  case IPPROTO_TCP:
    return 16;
  case IPPROTO_UDP:
    return 6;
  case IPPROTO_ICMP:
  case IPPROTO_ICMPV6:
    return 2;
  default:
    return 0;
  }
}

static void put_checksum(guint8 *at, gsize length, const LwHeader *h) {
  gsize where = checksum_at(h->proto);
  gsize size = h->source.family == 6 ? 16 : 4;
  guint32 total = 0;
  if (!where)
    return;
  if (h->proto != IPPROTO_ICMP)
    total = sum(h->source.bytes, size, sum(h->destination.bytes, size, (guint32)(h->proto + length)));
  guint16 value = fold(sum(at, length, total));
  put16(at + where, value || h->proto != IPPROTO_UDP ? value : 0xffff);
}

void wire_settle(LwHeader *h, guint id) {
  guint8 bytes[FRAME_MAX];
  gsize length = put_transport(bytes, h, id);
  put_checksum(bytes, length, h);
  h->sport = (guint16)((bytes[0] << 8) | bytes[1]);
  h->dport = (guint16)((bytes[2] << 8) | bytes[3]);
}

static gsize put_frame(guint8 *frame, const WirePacket *packet, const LwMac *to, guint id) {
  const LwHeader *h = &packet->header;
  gboolean v6 = h->source.family == 6;
  gsize ip = v6 ? 40 : 20;
  guint8 *at = frame + 14;
  memset(frame, 0, 14 + ip);
  memcpy(frame, to->bytes, 6);
  memcpy(frame + 6, h->mac.bytes, 6);
  put16(frame + 12, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
  gsize length = put_transport(at + ip, h, id);
  put_checksum(at + ip, length, h);
  if (v6) {
    at[0] = 0x60;
    put16(at + 4, (guint)length);
    at[6] = h->proto;
    at[7] = 64;
    memcpy(at + 8, h->source.bytes, 16);
    memcpy(at + 24, h->destination.bytes, 16);
  } else {
    at[0] = 0x45;
    put16(at + 2, (guint)(ip + length));
    put16(at + 4, id);
    at[8] = 64;
    at[9] = h->proto;
    memcpy(at + 12, h->source.bytes, 4);
    memcpy(at + 16, h->destination.bytes, 4);
    put16(at + 10, fold(sum(at, ip, 0)));
  }
  return 14 + ip + length;
}

/* --- seeing them
 * -------------------------------------------------------------------------------------------------- */

static LwAddr address_at(const guint8 *at, guint8 family) {
  LwAddr addr = {.family = family};
  memcpy(addr.bytes, at, family == 6 ? 16 : 4);
  return addr;
}

/* The packet's number by its payload; G_MAXUINT: none of ours. */
static guint id_at(const guint8 *transport, gsize length, guint8 proto) {
  gsize head = header_length(proto);
  if (length < head + PAYLOAD || get32(transport + head) != MAGIC)
    return G_MAXUINT;
  return get32(transport + head + 4);
}

static void note(WireSeen *seen, guint count, guint id, guint place, LwAddr source, LwAddr destination) {
  if (id >= count)
    return;
  WireSeen *at = &seen[id * WIRE_PLACES + place];
  at->seen = TRUE;
  at->source = source;
  at->destination = destination;
}

static void see_ip(const guint8 *at, gsize length, guint place, WireSeen *seen, guint count) {
  guint8 version = length ? at[0] >> 4 : 0;
  gsize ip = version == 6 ? 40 : version == 4 ? (at[0] & 15u) * 4u : G_MAXSIZE;
  if (length <= ip)
    return;
  guint8 proto = version == 6 ? at[6] : at[9];
  if ((proto == IPPROTO_ICMP && at[ip] == 0) || (proto == IPPROTO_ICMPV6 && at[ip] == 129))
    return; /* the router's own answer, which holds what it was asked */
  note(seen, count, id_at(at + ip, length - ip, proto), place,
       address_at(at + (version == 6 ? 8 : 12), version), address_at(at + (version == 6 ? 24 : 16), version));
}

static gboolean drain_client(int fd, guint place, WireSeen *seen, guint count) {
  guint8 frame[2048];
  struct sockaddr_ll from;
  socklen_t size = sizeof from;
  gboolean any = FALSE;
  ssize_t length;
  while ((length = recvfrom(fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &size)) > 0) {
    any = TRUE;
    if (from.sll_pkttype != PACKET_OUTGOING && length > 14)
      see_ip(frame + 14, (gsize)length - 14, place, seen, count);
    size = sizeof from;
  }
  return any;
}

static gboolean drain_local(const Wire *wire, guint index, WireSeen *seen, guint count) {
  guint8 bytes[2048];
  gboolean any = FALSE, v6 = index >= G_N_ELEMENTS(local_protocols);
  ssize_t length;
  while ((length = recv(wire->local[index], bytes, sizeof bytes, 0)) > 0) {
    any = TRUE;
    if (v6) {
      guint id = id_at(bytes, (gsize)length, local_protocols6[index - G_N_ELEMENTS(local_protocols)]);
      note(seen, count, id, WIRE_LOCAL, LW_ADDR_NONE, LW_ADDR_NONE);
    } else {
      see_ip(bytes, (gsize)length, WIRE_LOCAL, seen, count);
    }
  }
  return any;
}

static gboolean drain(const Wire *wire, WireSeen *seen, guint count) {
  gboolean any = FALSE;
  for (guint i = 0; i < WIRE_CLIENTS; i++)
    any |= drain_client(wire->clients[i], i, seen, count);
  for (guint i = 0; i < G_N_ELEMENTS(wire->local); i++)
    any |= drain_local(wire, i, seen, count);
  return any;
}

static void wait_until_quiet(const Wire *wire, WireSeen *seen, guint count) {
  gint64 last = g_get_monotonic_time();
  while (g_get_monotonic_time() - last < QUIET_MS * 1000) {
    if (drain(wire, seen, count))
      last = g_get_monotonic_time();
    else
      g_usleep(2000);
  }
}

void wire_run(Wire *wire, const WirePacket *packets, guint count, const LwMac *to, guint to_count,
              WireSeen *seen) {
  g_autofree WireSeen *before = g_new0(WireSeen, 1);
  drain(wire, before, 0);
  memset(seen, 0, count * WIRE_PLACES * sizeof *seen);
  for (guint i = 0; i < count; i++) {
    for (guint m = 0; m < to_count; m++) {
      guint8 frame[FRAME_MAX];
      gsize length = put_frame(frame, &packets[i], &to[m], i);
      ssize_t sent = send(wire->clients[packets[i].from], frame, length, 0);
      must(sent == (ssize_t)length || errno == ENETDOWN || errno == ENOBUFS, "send");
    }
    if (i % 64 == 63)
      drain(wire, seen, count);
  }
  wait_until_quiet(wire, seen, count);
}
