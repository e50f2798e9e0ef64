#include "providers/firewall/follow.h"

#include "base/error.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE 32768

int lw_firewall_follow(GError **error) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
  int group = NFNLGRP_NFTABLES;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0)
    return fd;
  lw_error_set_errno(error, "cannot follow the changes of nftables");
  if (fd >= 0)
    close(fd);
  return -1;
}

typedef struct {
  int table_type, chain_type; /* attributes: numbers differ from kind to kind of message */
  const char *table, *chain;
} Names;

static int read_name(const struct nlattr *attr, void *data) {
  Names *names = data;
  int type = mnl_attr_get_type(attr);
  const char **name = type == names->table_type   ? &names->table
                      : type == names->chain_type ? &names->chain
                                                  : NULL;
  if (name && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
    *name = mnl_attr_get_str(attr);
  return MNL_CB_OK;
}

static gboolean is_the_chain(const struct nlmsghdr *nlh) {
  const struct nfgenmsg *head = mnl_nlmsg_get_payload(nlh);
  if (NFNL_SUBSYS_ID(nlh->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
      nlh->nlmsg_len < mnl_nlmsg_size(sizeof *head) || head->nfgen_family != NFPROTO_IPV4)
    return FALSE;
  Names names = {0};
  switch (NFNL_MSG_TYPE(nlh->nlmsg_type)) {
  case NFT_MSG_NEWCHAIN:
  case NFT_MSG_DELCHAIN:
    names.table_type = NFTA_CHAIN_TABLE;
    names.chain_type = NFTA_CHAIN_NAME;
    break;
  case NFT_MSG_NEWRULE:
  case NFT_MSG_DELRULE:
    names.table_type = NFTA_RULE_TABLE;
    names.chain_type = NFTA_RULE_CHAIN;
    break;
  default:
    return FALSE;
  }
  (void)mnl_attr_parse(nlh, sizeof *head, read_name, &names);
  return g_strcmp0(names.table, "filter") == 0 &&
         (g_strcmp0(names.chain, "DOCKER-USER") == 0 || g_strcmp0(names.chain, "FORWARD") == 0);
}

gboolean lw_firewall_is_news(const void *message, gsize size) {
  int left = (int)MIN(size, (gsize)G_MAXINT);
  for (const struct nlmsghdr *nlh = message; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
    if (is_the_chain(nlh))
      return TRUE;
  return FALSE;
}

gboolean lw_firewall_news(int fd) {
  _Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
  gboolean news = FALSE;
  for (;;) {
    ssize_t length = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length > 0)
      news = news || lw_firewall_is_news(buffer, (gsize)length);
    else if (length < 0 && errno == ENOBUFS)
      news = TRUE;
    else if (length == 0 || errno != EINTR)
      return news;
  }
}
