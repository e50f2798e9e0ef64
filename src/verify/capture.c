#include "verify/capture.h"

#include "base/error.h"
#include "base/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (8 * 1024 * 1024)

typedef enum { EAR_RAW4, EAR_RAW6, EAR_WIRE4, EAR_WIRE6, EAR_LEAVING, EAR_ARP } EarKind;

typedef struct {
  EarKind kind;
  int protocol;
  int fd;
} Ear;

struct LwStation {
  int raw;      /* IPv4 with our own headers, routed */
  int frames;   /* one link, one MAC */
  int netlink;  /* neighbours */
  GArray *ears; /* of Ear */
  GPtrArray *links;
  gboolean ports; /* what comes in by a bridge's port is told */
  guint lost;
};

static void link_free(gpointer data) {
  LwLink *link = data;
  g_free(link->name);
  g_array_unref(link->addresses);
  g_free(link);
}

void lw_station_free(LwStation *station) {
  if (!station)
    return;
  if (station->raw >= 0)
    close(station->raw);
  if (station->frames >= 0)
    close(station->frames);
  if (station->netlink >= 0)
    close(station->netlink);
  for (guint i = 0; i < station->ears->len; i++)
    close(g_array_index(station->ears, Ear, i).fd);
  g_array_unref(station->ears);
  g_ptr_array_unref(station->links);
  g_free(station);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwStation, lw_station_free)

/* As large as the kernel gives: the forced one needs CAP_NET_ADMIN over the namespace. */
static void widen(int fd) {
  int size = BUFFER_BYTES;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static int open_socket(int family, int type, int protocol, const char *what, GError **error) {
  int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0)
    lw_error_set_errno(error, "cannot open %s for the live proof (it needs CAP_NET_RAW there)", what);
  else
    widen(fd);
  return fd;
}

static gboolean add_ear(LwStation *station, EarKind kind, int protocol, GError **error) {
  int fd;
  if (kind == EAR_RAW4)
    fd = open_socket(AF_INET, SOCK_RAW, protocol, "a raw socket", error);
  else if (kind == EAR_RAW6)
    fd = open_socket(AF_INET6, SOCK_RAW, protocol, "a raw IPv6 socket", error);
  else
    fd = open_socket(AF_PACKET, SOCK_DGRAM, htons((guint16)protocol), "a packet socket", error);
  if (fd < 0)
    return FALSE;
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on); /* so that a loss is told, not guessed */
  Ear ear = {kind, protocol, fd};
  g_array_append_val(station->ears, ear);
  return TRUE;
}

static LwLink *link_named(LwStation *station, const char *name) {
  for (guint i = 0; i < station->links->len; i++) {
    LwLink *link = station->links->pdata[i];
    if (g_str_equal(link->name, name))
      return link;
  }
  LwLink *link = g_new0(LwLink, 1);
  link->name = g_strdup(name);
  link->index = if_nametoindex(name);
  link->addresses = g_array_new(FALSE, FALSE, sizeof(LwPrefix));
  g_ptr_array_add(station->links, link);
  return link;
}

static void add_address(LwLink *link, const struct ifaddrs *entry) {
  if (entry->ifa_addr->sa_family == AF_PACKET) {
    const struct sockaddr_ll *ll = (const struct sockaddr_ll *)(const void *)entry->ifa_addr;
    if (ll->sll_halen == sizeof link->mac.bytes)
      memcpy(link->mac.bytes, ll->sll_addr, sizeof link->mac.bytes);
  } else if (entry->ifa_addr->sa_family == AF_INET && entry->ifa_netmask) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)entry->ifa_addr;
    const struct sockaddr_in *mask = (const struct sockaddr_in *)(const void *)entry->ifa_netmask;
    LwPrefix prefix = {.addr = lw_addr_from_v4(ntohl(in->sin_addr.s_addr)),
                       .len = (guint8)__builtin_popcount(mask->sin_addr.s_addr)};
    g_array_append_val(link->addresses, prefix);
  }
}

static gboolean read_links(LwStation *station, GError **error) {
  struct ifaddrs *list = NULL;
  if (getifaddrs(&list) < 0) {
    lw_error_set_errno(error, "cannot list the interfaces");
    return FALSE;
  }
  for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr)
      continue;
    g_autofree char *name = g_strdup(entry->ifa_name);
    char *colon = strchr(name, ':'); /* a labelled address names its link so: "eth0:1" */
    if (colon)
      *colon = '\0';
    add_address(link_named(station, name), entry);
  }
  freeifaddrs(list);
  return TRUE;
}

static gboolean open_sockets(LwStation *station, GError **error) {
  station->raw = open_socket(AF_INET, SOCK_RAW, IPPROTO_RAW, "a raw socket", error);
  if (station->raw < 0)
    return FALSE;
  /* protocol 0: this one only sends */
  station->frames = open_socket(AF_PACKET, SOCK_DGRAM, 0, "a packet socket", error);
  if (station->frames < 0)
    return FALSE;
  station->netlink = open_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, "a netlink socket", error);
  if (station->netlink < 0)
    return FALSE;
  if (!add_ear(station, EAR_RAW4, IPPROTO_TCP, error) || !add_ear(station, EAR_RAW4, IPPROTO_UDP, error) ||
      !add_ear(station, EAR_RAW4, IPPROTO_ICMP, error) ||
      !add_ear(station, EAR_RAW4, LW_PROTOCOL_NOBODYS, error) ||
      !add_ear(station, EAR_RAW4, LW_PROTOCOL_NOBODYS_OTHER, error) ||
      !add_ear(station, EAR_WIRE4, ETH_P_IP, error) || !add_ear(station, EAR_WIRE6, ETH_P_IPV6, error))
    return FALSE;
  /* A kernel without IPv6 delivers none: nothing to listen for. */
  static const int protocols6[] = {IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP};
  for (guint i = 0; i < G_N_ELEMENTS(protocols6); i++) {
    g_autoptr(GError) no6 = NULL;
    if (!add_ear(station, EAR_RAW6, protocols6[i], &no6) && errno != EAFNOSUPPORT) {
      g_propagate_error(error, g_steal_pointer(&no6));
      return FALSE;
    }
  }
  return read_links(station, error);
}

LwStation *lw_station_open(const char *netns, GError **error) {
  g_autoptr(LwStation) station = g_new0(LwStation, 1);
  station->raw = station->frames = station->netlink = -1;
  station->ears = g_array_new(FALSE, FALSE, sizeof(Ear));
  station->links = g_ptr_array_new_with_free_func(link_free);
  int previous = lw_netns_enter(netns, error);
  if (previous < 0)
    return NULL;
  gboolean ok = open_sockets(station, error);
  lw_netns_leave(previous);
  return ok ? g_steal_pointer(&station) : NULL;
}

gboolean lw_station_watch_leaving(LwStation *station, const char *netns, GError **error) {
  int previous = lw_netns_enter(netns, error);
  if (previous < 0)
    return FALSE;
  /* what goes out is shown to those alone who ask for every protocol */
  gboolean ok = add_ear(station, EAR_LEAVING, ETH_P_ALL, error);
  lw_netns_leave(previous);
  return ok;
}

gboolean lw_station_watch_answers(LwStation *station, const char *netns, gboolean ports, GError **error) {
  int previous = lw_netns_enter(netns, error);
  if (previous < 0)
    return FALSE;
  gboolean ok = add_ear(station, EAR_ARP, ETH_P_ARP, error);
  lw_netns_leave(previous);
  station->ports = ports;
  return ok;
}

const LwLink *lw_station_link_by_name(const LwStation *station, const char *name) {
  for (guint i = 0; i < station->links->len; i++) {
    const LwLink *link = station->links->pdata[i];
    if (g_str_equal(link->name, name))
      return link;
  }
  return NULL;
}

const LwLink *lw_station_link_by_index(const LwStation *station, guint index) {
  for (guint i = 0; i < station->links->len; i++) {
    const LwLink *link = station->links->pdata[i];
    if (link->index == index)
      return link;
  }
  return NULL;
}

const LwLink *lw_station_link_of(const LwStation *station, const LwAddr *address) {
  for (guint i = 0; i < station->links->len; i++) {
    const LwLink *link = station->links->pdata[i];
    for (guint j = 0; j < link->addresses->len; j++)
      if (lw_addr_equal(&g_array_index(link->addresses, LwPrefix, j).addr, address))
        return link;
  }
  return NULL;
}

const LwLink *lw_station_link_towards(const LwStation *station, const LwAddr *address) {
  for (guint i = 0; i < station->links->len; i++) {
    const LwLink *link = station->links->pdata[i];
    for (guint j = 0; j < link->addresses->len; j++)
      if (lw_prefix_contains(&g_array_index(link->addresses, LwPrefix, j), address))
        return link;
  }
  return NULL;
}

gboolean lw_station_send(LwStation *station, const LwAddr *destination, const guint8 *packet, gsize length) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(lw_addr_v4(destination))};
  return sendto(station->raw, packet, length, 0, (struct sockaddr *)&to, sizeof to) == (gssize)length;
}

gboolean lw_station_send_frame(LwStation *station, guint link, const LwMac *to, guint16 ethertype,
                               const guint8 *packet, gsize length) {
  struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                           .sll_protocol = htons(ethertype),
                           .sll_ifindex = (int)link,
                           .sll_halen = to ? 6 : 0};
  if (to)
    memcpy(ll.sll_addr, to->bytes, sizeof to->bytes);
  return sendto(station->frames, packet, length, 0, (struct sockaddr *)&ll, sizeof ll) == (gssize)length;
}

void lw_station_introduce(LwStation *station, guint link, const LwAddr *address, const LwMac *mac) {
  struct {
    struct nlmsghdr head;
    struct ndmsg body;
    struct rtattr address_head;
    guint8 address[16];
    struct rtattr mac_head;
    guint8 mac[8];
  } message = {
      .head = {.nlmsg_len = sizeof message,
               .nlmsg_type = RTM_NEWNEIGH,
               .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE},
      .body = {.ndm_family = AF_INET6, .ndm_ifindex = (int)link, .ndm_state = NUD_REACHABLE},
      .address_head = {.rta_len = RTA_LENGTH(16), .rta_type = NDA_DST},
      .mac_head = {.rta_len = RTA_LENGTH(6), .rta_type = NDA_LLADDR},
  };
  memcpy(message.address, address->bytes, sizeof message.address);
  memcpy(message.mac, mac->bytes, sizeof mac->bytes);
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  /* where it is refused the packet does not arrive, which is told */
  (void)!sendto(station->netlink, &message, sizeof message, 0, (struct sockaddr *)&kernel, sizeof kernel);
}

void lw_station_poll(const LwStation *station, GArray *fds) {
  for (guint i = 0; i < station->ears->len; i++) {
    struct pollfd fd = {.fd = g_array_index(station->ears, Ear, i).fd, .events = POLLIN};
    g_array_append_val(fds, fd);
  }
}

static void note_overflow(LwStation *station, struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    guint32 dropped;
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
      continue;
    memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
    station->lost = MAX(station->lost, dropped);
  }
}

static gboolean understand(const LwStation *station, const Ear *ear, const guint8 *bytes, gsize length,
                           const struct sockaddr_ll *from, LwSighting *out) {
  static const LwHowSeen how[] = {LW_SEEN_LOCAL, LW_SEEN_LOCAL, LW_SEEN_WIRE,
                                  LW_SEEN_WIRE,  LW_SEEN_LEFT,  LW_SEEN_ARP};
  *out = (LwSighting){.how = how[ear->kind]};
  out->link = out->how == LW_SEEN_LOCAL ? 0 : (guint)from->sll_ifindex;
  gboolean went_out = out->how != LW_SEEN_LOCAL && from->sll_pkttype == PACKET_OUTGOING;
  if (out->how == LW_SEEN_LEFT && !went_out && station->ports)
    out->how = LW_SEEN_CAME;
  if (went_out != (out->how == LW_SEEN_LEFT))
    return FALSE;
  if (out->how == LW_SEEN_ARP)
    return lw_packet_parse_arp(bytes, length, &out->packet.source, &out->mac);
  /* A frame for somebody else that a bridge flooded has not arrived here. */
  if (out->how == LW_SEEN_WIRE && from->sll_pkttype == PACKET_OTHERHOST)
    return FALSE;
  gboolean six = ear->kind == EAR_RAW6 || ear->kind == EAR_WIRE6 ||
                 (ear->kind == EAR_LEAVING && from->sll_protocol == htons(ETH_P_IPV6));
  out->family = six ? 6 : 4;
  if (ear->kind == EAR_RAW6)
    return lw_packet_parse6_bare(bytes, length, (guint8)ear->protocol, &out->packet);
  if (six)
    return lw_packet_parse6(bytes, length, &out->packet);
  return (ear->kind != EAR_LEAVING || from->sll_protocol == htons(ETH_P_IP)) &&
         lw_packet_parse(bytes, length, &out->packet);
}

static guint drain_ear(LwStation *station, const Ear *ear, LwSightingFunc func, gpointer data) {
  guint count = 0;
  for (;;) {
    guint8 bytes[2048];
    guint8 control[64];
    struct sockaddr_storage from = {0};
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    gssize length = recvmsg(ear->fd, &message, MSG_DONTWAIT);
    if (length < 0 && errno == EINTR)
      continue;
    if (length < 0)
      return count; /* drained; or an asynchronous error of a probe, of no interest here */
    count++;
    note_overflow(station, &message);
    LwSighting sighting;
    if (understand(station, ear, bytes, (gsize)length, (const struct sockaddr_ll *)(const void *)&from,
                   &sighting))
      func(&sighting, data);
  }
}

guint lw_station_drain(LwStation *station, LwSightingFunc func, gpointer data) {
  guint count = 0;
  for (guint i = 0; i < station->ears->len; i++)
    count += drain_ear(station, &g_array_index(station->ears, Ear, i), func, data);
  return count;
}

guint lw_station_lost(LwStation *station) {
  return station->lost;
}
