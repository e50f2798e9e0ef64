#include "providers/wireguard/link.h"

#include "base/error.h"

#include <errno.h>
#include <net/if.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Sends one message and waits for its acknowledgement. 0 or -1 with errno. */
static int talk(struct nlmsghdr *message) {
  struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!socket)
    return -1;
  char buffer[8192];
  int result = -1;
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
      mnl_socket_sendto(socket, message, message->nlmsg_len) >= 0) {
    ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
    if (n > 0)
      result =
          mnl_cb_run(buffer, (size_t)n, message->nlmsg_seq, mnl_socket_get_portid(socket), NULL, NULL) < 0
              ? -1
              : 0;
  }
  int saved = errno;
  mnl_socket_close(socket);
  errno = saved;
  return result;
}

static struct nlmsghdr *link_message(char *buffer, guint16 type, guint16 flags, const char *name) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = type;
  message->nlmsg_flags = (guint16)(NLM_F_REQUEST | NLM_F_ACK | flags);
  message->nlmsg_seq = 1;
  struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
  info->ifi_family = AF_UNSPEC;
  mnl_attr_put_strz(message, IFLA_IFNAME, name);
  return message;
}

gboolean lw_wg_link_create(const char *name, GError **error) {
  char buffer[1024] = {0};
  struct nlmsghdr *message = link_message(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, name);
  struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
  mnl_attr_put_strz(message, IFLA_INFO_KIND, "wireguard");
  mnl_attr_nest_end(message, info);
  if (talk(message) == 0)
    return TRUE;
  if (errno == EOPNOTSUPP) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "this kernel has no WireGuard");
    return FALSE;
  }
  lw_error_set_errno(error, "cannot make the tunnel %s", name);
  return FALSE;
}

gboolean lw_wg_link_delete(const char *name, GError **error) {
  char buffer[1024] = {0};
  if (talk(link_message(buffer, RTM_DELLINK, 0, name)) == 0 || errno == ENODEV)
    return TRUE;
  lw_error_set_errno(error, "cannot remove the tunnel %s", name);
  return FALSE;
}

gboolean lw_wg_link_set(const char *name, guint32 mtu, gboolean up, GError **error) {
  char buffer[1024] = {0};
  struct nlmsghdr *message = link_message(buffer, RTM_NEWLINK, 0, name);
  struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
  info->ifi_change = IFF_UP;
  info->ifi_flags = up ? IFF_UP : 0;
  if (mtu)
    mnl_attr_put_u32(message, IFLA_MTU, mtu);
  if (talk(message) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot bring the tunnel %s %s", name, up ? "up" : "down");
  return FALSE;
}

gboolean lw_wg_link_get(const char *name, guint32 *mtu, gboolean *up) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return FALSE;
  struct ifreq request = {0};
  g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
  gboolean ok = ioctl(fd, SIOCGIFMTU, &request) == 0;
  if (ok)
    *mtu = (guint32)request.ifr_mtu;
  ok = ok && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  if (ok)
    *up = (request.ifr_flags & IFF_UP) != 0;
  close(fd);
  return ok;
}
