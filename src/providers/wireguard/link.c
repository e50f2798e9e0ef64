#include "providers/wireguard/link.h"

#include "base/error.h"
#include "base/netns.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

typedef struct mnl_socket Socket;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Socket, mnl_socket_close)

typedef union {
  struct nlmsghdr header;
  char bytes[2048];
} Request;

/* A netlink socket belongs to the namespace that it was opened in. */
static Socket *open_socket(const char *ns, GError **error) {
  int previous = ns && *ns ? lw_netns_enter(ns, error) : -1;
  if (ns && *ns && previous < 0)
    return NULL;
  Socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  gboolean ok = socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0;
  if (!ok)
    lw_error_set_errno(error, "cannot talk to the kernel about interfaces");
  if (previous >= 0)
    lw_netns_leave(previous);
  if (!ok && socket)
    mnl_socket_close(socket);
  return ok ? socket : NULL;
}

static struct ifinfomsg *begin(Request *request, guint16 type, guint16 flags, const char *name) {
  memset(request, 0, sizeof *request);
  mnl_nlmsg_put_header(request->bytes);
  request->header.nlmsg_type = type;
  request->header.nlmsg_flags = (guint16)(NLM_F_REQUEST | flags);
  request->header.nlmsg_seq = 1;
  struct ifinfomsg *info = mnl_nlmsg_put_extra_header(&request->header, sizeof *info);
  mnl_attr_put_strz(&request->header, IFLA_IFNAME, name);
  return info;
}

/* Sends the request and hands each answer to `callback`. TRUE, or FALSE with errno. */
static gboolean exchange(const char *ns, Request *request, mnl_cb_t callback, gpointer data, GError **error,
                         gboolean *refused) {
  *refused = FALSE;
  g_autoptr(Socket) socket = open_socket(ns, error);
  if (!socket)
    return FALSE;
  char buffer[32768];
  if (mnl_socket_sendto(socket, request, request->header.nlmsg_len) < 0) {
    *refused = TRUE;
    return FALSE;
  }
  int going = MNL_CB_OK;
  while (going > MNL_CB_STOP) {
    ssize_t length = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
    if (length < 0 && errno == EINTR)
      continue;
    going = length < 0 ? MNL_CB_ERROR
                       : mnl_cb_run(buffer, (size_t)length, 1, mnl_socket_get_portid(socket), callback, data);
  }
  *refused = going < 0;
  return going >= 0;
}

static void take_text(char *into, gsize size, const struct nlattr *attribute) {
  g_strlcpy(into, mnl_attr_get_str(attribute), size);
}

static int on_info(const struct nlattr *attribute, void *data) {
  LwTunnelLink *link = data;
  if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
    take_text(link->kind, sizeof link->kind, attribute);
  return MNL_CB_OK;
}

static int on_attribute(const struct nlattr *attribute, void *data) {
  LwTunnelLink *link = data;
  guint16 type = mnl_attr_get_type(attribute);
  if (type == IFLA_MTU && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
    link->mtu = mnl_attr_get_u32(attribute);
  else if (type == IFLA_IFALIAS && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
    take_text(link->alias, sizeof link->alias, attribute);
  else if (type == IFLA_LINKINFO && mnl_attr_validate(attribute, MNL_TYPE_NESTED) == 0)
    return mnl_attr_parse_nested(attribute, on_info, link);
  return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *header, void *data) {
  LwTunnelLink *link = data;
  const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
  link->exists = TRUE;
  link->up = (info->ifi_flags & IFF_UP) != 0;
  return mnl_attr_parse(header, sizeof *info, on_attribute, link);
}

gboolean lw_tunnel_link_get(const char *ns, const char *name, LwTunnelLink *out, GError **error) {
  Request request;
  LwTunnelLink link = {0};
  gboolean refused = FALSE;
  begin(&request, RTM_GETLINK, NLM_F_ACK, name);
  if (!exchange(ns, &request, on_link, &link, error, &refused)) {
    if (!refused)
      return FALSE;
    if (errno != ENODEV) {
      lw_error_set_errno(error, "cannot look at interface %s", name);
      return FALSE;
    }
  }
  *out = link;
  return TRUE;
}

gboolean lw_tunnel_link_create(const char *ns, const char *name, GError **error) {
  Request request;
  gboolean refused = FALSE;
  begin(&request, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, name);
  struct nlattr *nest = mnl_attr_nest_start(&request.header, IFLA_LINKINFO);
  mnl_attr_put_strz(&request.header, IFLA_INFO_KIND, "wireguard");
  mnl_attr_nest_end(&request.header, nest);
  if (exchange(ns, &request, NULL, NULL, error, &refused))
    return TRUE;
  if (refused && errno == EOPNOTSUPP)
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "this kernel has no WireGuard");
  else if (refused)
    lw_error_set_errno(error, "cannot make tunnel %s", name);
  return FALSE;
}

gboolean lw_tunnel_link_delete(const char *ns, const char *name, GError **error) {
  Request request;
  gboolean refused = FALSE;
  begin(&request, RTM_DELLINK, NLM_F_ACK, name);
  if (exchange(ns, &request, NULL, NULL, error, &refused) || (refused && errno == ENODEV))
    return TRUE;
  if (refused)
    lw_error_set_errno(error, "cannot delete tunnel %s", name);
  return FALSE;
}

gboolean lw_tunnel_link_set(const char *ns, const char *name, const char *alias, guint32 mtu, gboolean up,
                            GError **error) {
  Request request;
  gboolean refused = FALSE;
  struct ifinfomsg *info = begin(&request, RTM_NEWLINK, NLM_F_ACK, name);
  info->ifi_change = IFF_UP;
  info->ifi_flags = up ? IFF_UP : 0;
  if (mtu)
    mnl_attr_put_u32(&request.header, IFLA_MTU, mtu);
  if (alias)
    mnl_attr_put_strz(&request.header, IFLA_IFALIAS, alias);
  if (exchange(ns, &request, NULL, NULL, error, &refused))
    return TRUE;
  if (refused)
    lw_error_set_errno(error, "cannot set up tunnel %s", name);
  return FALSE;
}
