#include "providers/nft/generation.h"

#include "base/error.h"
#include "base/netns.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <time.h>

typedef struct mnl_socket MnlSocket;
static void close_socket(MnlSocket *socket) {
  (void)mnl_socket_close(socket);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MnlSocket, close_socket)

static int take_attribute(const struct nlattr *attr, void *data) {
  if (mnl_attr_get_type(attr) == NFTA_GEN_ID && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
    *(gint64 *)data = g_ntohl(mnl_attr_get_u32(attr));
  return MNL_CB_OK;
}

static int take_generation(const struct nlmsghdr *nlh, void *data) {
  return mnl_attr_parse(nlh, sizeof(struct nfgenmsg), take_attribute, data);
}

static gint64 ask_generation(const MnlSocket *socket) {
  char buffer[1024];
  struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
  nlh->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
  nlh->nlmsg_flags = NLM_F_REQUEST;
  nlh->nlmsg_seq = (guint32)time(NULL);
  struct nfgenmsg *head = mnl_nlmsg_put_extra_header(nlh, sizeof *head);
  head->version = NFNETLINK_V0;
  gint64 generation = -1;
  if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
    return -1;
  ssize_t length = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
  if (length <= 0 || mnl_cb_run(buffer, (size_t)length, 0, 0, take_generation, &generation) < 0)
    return -1;
  return generation;
}

static char *generation_here(GError **error) {
  g_autoptr(MnlSocket) socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  guint64 cookie = 0;
  socklen_t size = sizeof cookie;
  gint64 generation = -1;
  if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
      getsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0)
    generation = ask_generation(socket);
  if (generation >= 0)
    return g_strdup_printf("%" G_GUINT64_FORMAT "/%" G_GINT64_FORMAT, cookie, generation);
  lw_error_set_errno(error, "nftables does not tell its generation");
  return NULL;
}

char *lw_nft_generation(const char *ns, GError **error) {
  if (!ns || !*ns)
    return generation_here(error);
  int previous = lw_netns_enter(ns, error);
  if (previous < 0)
    return NULL;
  char *generation = generation_here(error);
  lw_netns_leave(previous);
  return generation;
}
