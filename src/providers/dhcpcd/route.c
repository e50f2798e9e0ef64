#include "providers/dhcpcd/route.h"

#include "base/error.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <time.h>

#define BUFFER_BYTES 8192 /* more than any acknowledgement of the small messages here */

typedef struct mnl_socket MnlSocket;

static void close_socket(MnlSocket *socket) {
  mnl_socket_close(socket);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MnlSocket, close_socket)

/* Sends one message and reads its acknowledgement; FALSE with errno. */
static gboolean talk(struct nlmsghdr *message) {
  g_autoptr(MnlSocket) socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
    return FALSE;
  message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  message->nlmsg_seq = (guint32)time(NULL);
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
    return FALSE;
  char answer[BUFFER_BYTES];
  ssize_t n = mnl_socket_recvfrom(socket, answer, sizeof answer);
  return n >= 0 &&
         mnl_cb_run(answer, (gsize)n, message->nlmsg_seq, mnl_socket_get_portid(socket), NULL, NULL) >= 0;
}

static struct nlmsghdr *default_route(char *buffer, guint16 type, guint32 table, guint32 link) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = type;
  struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof *route);
  route->rtm_family = AF_INET;
  route->rtm_table = table < 256 ? (guint8)table : RT_TABLE_UNSPEC;
  route->rtm_protocol = RTPROT_DHCP;
  route->rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE;
  route->rtm_type = type == RTM_DELROUTE ? RTN_UNSPEC : RTN_UNICAST;
  mnl_attr_put_u32(message, RTA_TABLE, table);
  mnl_attr_put_u32(message, RTA_OIF, link);
  return message;
}

gboolean lw_dhcp_route_set(const char *link, guint32 table, const LwPrefix *prefix, const LwAddr *router,
                           GError **error) {
  char buffer[BUFFER_BYTES];
  guint32 index = if_nametoindex(link);
  struct nlmsghdr *message = default_route(buffer, RTM_NEWROUTE, table ? table : RT_TABLE_MAIN, index);
  message->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
  struct rtmsg *route = mnl_nlmsg_get_payload(message);
  if (!lw_prefix_contains(prefix, router))
    route->rtm_flags |= RTNH_F_ONLINK;
  mnl_attr_put(message, RTA_GATEWAY, 4, router->bytes);
  if (index > 0 && talk(message))
    return TRUE;
  g_autofree char *via = lw_addr_format(router);
  lw_error_set_errno(error, "cannot set the default route via %s on %s", via, link);
  return FALSE;
}

gboolean lw_dhcp_route_clear(const char *link, guint32 table, GError **error) {
  char buffer[BUFFER_BYTES];
  guint32 index = if_nametoindex(link);
  if (index == 0)
    return TRUE;
  /* until none is left: an address change may have kept an older one beside it */
  while (talk(default_route(buffer, RTM_DELROUTE, table ? table : RT_TABLE_MAIN, index)))
    continue;
  if (errno == ESRCH || errno == ENODEV || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove the default route of %s", link);
  return FALSE;
}

gboolean lw_dhcp_address_clear(const char *link, const LwPrefix *address, GError **error) {
  char buffer[BUFFER_BYTES];
  guint32 index = if_nametoindex(link);
  if (index == 0)
    return TRUE;
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = RTM_DELADDR;
  struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof *body);
  body->ifa_family = AF_INET;
  body->ifa_prefixlen = address->len;
  body->ifa_index = index;
  mnl_attr_put(message, IFA_LOCAL, 4, address->addr.bytes);
  if (talk(message) || errno == EADDRNOTAVAIL || errno == ENODEV)
    return TRUE;
  lw_error_set_errno(error, "cannot remove the leased address of %s", link);
  return FALSE;
}
