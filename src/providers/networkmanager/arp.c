#include "providers/networkmanager/arp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define AGAIN_MS 100

static gboolean mac_of(int fd, const char *link, guint8 mac[6]) {
  struct ifreq request = {0};
  g_strlcpy(request.ifr_name, link, sizeof request.ifr_name);
  if (ioctl(fd, SIOCGIFHWADDR, &request) != 0)
    return FALSE;
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);
  return TRUE;
}

static gboolean ask(int fd, int index, const char *link, const LwAddr *own, const LwAddr *asked) {
  struct ether_arp arp = {.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
                                     .ar_pro = htons(ETHERTYPE_IP),
                                     .ar_hln = 6,
                                     .ar_pln = 4,
                                     .ar_op = htons(ARPOP_REQUEST)}};
  struct sockaddr_ll everybody = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_ARP), .sll_ifindex = index, .sll_halen = 6};
  memset(everybody.sll_addr, 0xff, 6);
  memcpy(arp.arp_spa, own->bytes, 4);
  memcpy(arp.arp_tpa, asked->bytes, 4);
  return mac_of(fd, link, arp.arp_sha) && sendto(fd, &arp, sizeof arp, 0, (struct sockaddr *)&everybody,
                                                 sizeof everybody) == (ssize_t)sizeof arp;
}

/* Until the next question is due. */
static gboolean hear(int fd, const LwAddr *asked, gint64 until) {
  for (;;) {
    gint64 left = (until - g_get_monotonic_time()) / 1000;
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    struct ether_arp arp;
    if (left <= 0 || poll(&watched, 1, (int)left) <= 0)
      return FALSE;
    ssize_t got = recv(fd, &arp, sizeof arp, MSG_DONTWAIT);
    if (got >= (ssize_t)sizeof arp && ntohs(arp.arp_op) == ARPOP_REPLY &&
        memcmp(arp.arp_spa, asked->bytes, 4) == 0)
      return TRUE;
  }
}

gboolean lw_nm_answers(const char *link, LwAddr own, LwAddr asked, guint timeout_ms) {
  int index = (int)if_nametoindex(link);
  int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETHERTYPE_ARP));
  struct sockaddr_ll here = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_ARP), .sll_ifindex = index};
  gboolean answered = FALSE;
  if (fd >= 0 && index && own.family == 4 && asked.family == 4 &&
      bind(fd, (struct sockaddr *)&here, sizeof here) == 0) {
    gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    /* a link without carrier refuses for now */
    while (!answered && g_get_monotonic_time() < deadline) {
      (void)ask(fd, index, link, &own, &asked);
      answered = hear(fd, &asked, MIN(deadline, g_get_monotonic_time() + AGAIN_MS * 1000));
    }
  }
  if (fd >= 0)
    close(fd);
  return answered;
}
