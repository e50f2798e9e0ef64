#include "providers/nft/tables.h"

#include "base/error.h"
#include "base/netns.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <time.h>

#define USERDATA_COMMENT 0 /* NFTNL_UDATA_TABLE_COMMENT: type, length, text */
#define BUFFER_SIZE 32768

typedef struct mnl_socket Socket;
static void socket_close(Socket *socket) {
  (void)mnl_socket_close(socket);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Socket, socket_close)

static gboolean family_of(guint8 number, LwFamily *out) {
  static const struct {
    guint8 number;
    LwFamily family;
  } families[] = {{NFPROTO_INET, LW_FAMILY_INET},     {NFPROTO_IPV4, LW_FAMILY_IP},
                  {NFPROTO_IPV6, LW_FAMILY_IP6},      {NFPROTO_ARP, LW_FAMILY_ARP},
                  {NFPROTO_BRIDGE, LW_FAMILY_BRIDGE}, {NFPROTO_NETDEV, LW_FAMILY_NETDEV}};
  for (guint i = 0; i < G_N_ELEMENTS(families); i++) {
    if (families[i].number == number) {
      *out = families[i].family;
      return TRUE;
    }
  }
  return FALSE;
}

/* Type, length, value, one after the other. */
static char *comment_of(const guint8 *data, gsize length) {
  for (gsize at = 0; at + 2 <= length; at += 2u + data[at + 1]) {
    gsize size = data[at + 1];
    if (at + 2 + size > length)
      return NULL;
    if (data[at] == USERDATA_COMMENT)
      return g_strndup((const char *)data + at + 2, size);
  }
  return NULL;
}

typedef struct {
  const char *name;
  guint32 flags;
  char *comment;
} Table;

static int read_attribute(const struct nlattr *attr, void *data) {
  Table *table = data;
  switch (mnl_attr_get_type(attr)) {
  case NFTA_TABLE_NAME:
    if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
      table->name = mnl_attr_get_str(attr);
    break;
  case NFTA_TABLE_FLAGS:
    if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
      table->flags = ntohl(mnl_attr_get_u32(attr));
    break;
  case NFTA_TABLE_USERDATA:
    g_free(table->comment);
    table->comment = comment_of(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
    break;
  default:
    break;
  }
  return MNL_CB_OK;
}

static int take_table(const struct nlmsghdr *nlh, void *data) {
  GPtrArray *tables = data;
  const struct nfgenmsg *head = mnl_nlmsg_get_payload(nlh);
  LwFamily family;
  Table table = {0};
  if (nlh->nlmsg_len < mnl_nlmsg_size(sizeof *head) || !family_of(head->nfgen_family, &family))
    return MNL_CB_OK;
  (void)mnl_attr_parse(nlh, sizeof *head, read_attribute, &table);
  if (table.name) {
    LwRuleset *found = lw_ruleset_new(family, table.name);
    found->dormant = (table.flags & NFT_TABLE_F_DORMANT) != 0;
    found->mark = g_strdup(table.comment);
    g_ptr_array_add(tables, found);
  }
  g_free(table.comment);
  return MNL_CB_OK;
}

static Socket *open_socket(const char *ns, GError **error) {
  int previous = ns && *ns ? lw_netns_enter(ns, error) : -1;
  if (ns && *ns && previous < 0)
    return NULL;
  g_autoptr(Socket) socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    lw_error_set_errno(error, "cannot open a netfilter socket");
    g_clear_pointer(&socket, socket_close);
  }
  if (previous >= 0)
    lw_netns_leave(previous);
  return g_steal_pointer(&socket);
}

static struct nlmsghdr *dump_request(void *buffer, guint32 sequence) {
  struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
  nlh->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE;
  nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  nlh->nlmsg_seq = sequence;
  struct nfgenmsg *head = mnl_nlmsg_put_extra_header(nlh, sizeof *head);
  head->nfgen_family = NFPROTO_UNSPEC;
  head->version = NFNETLINK_V0;
  return nlh;
}

GPtrArray *lw_nft_tables(const char *ns, GError **error) {
  g_autoptr(Socket) socket = open_socket(ns, error);
  if (!socket)
    return NULL;
  g_autoptr(GPtrArray) tables = g_ptr_array_new_with_free_func((GDestroyNotify)lw_ruleset_unref);
  g_autofree char *buffer = g_malloc(BUFFER_SIZE);
  guint32 sequence = (guint32)time(NULL);
  struct nlmsghdr *request = dump_request(buffer, sequence);
  ssize_t length = mnl_socket_sendto(socket, request, request->nlmsg_len);
  int more = length < 0 ? -1 : MNL_CB_OK;
  while (more == MNL_CB_OK) {
    length = mnl_socket_recvfrom(socket, buffer, BUFFER_SIZE);
    more = length < 0 ? -1
                      : mnl_cb_run(buffer, (size_t)length, sequence, mnl_socket_get_portid(socket),
                                   take_table, tables);
  }
  if (more >= 0)
    return g_steal_pointer(&tables);
  lw_error_set_errno(error, "cannot list the tables of nftables");
  return NULL;
}

const LwRuleset *lw_nft_find_table(const GPtrArray *tables, LwFamily family, const char *name) {
  for (guint i = 0; i < tables->len; i++) {
    const LwRuleset *table = tables->pdata[i];
    if (table->family == family && g_str_equal(table->name, name))
      return table;
  }
  return NULL;
}

gboolean lw_nft_read_tables(const char *ns, const GPtrArray *rulesets, GError **error) {
  g_autoptr(GPtrArray) tables = lw_nft_tables(ns, error);
  for (guint i = 0; tables && i < rulesets->len; i++) {
    LwRuleset *ruleset = rulesets->pdata[i];
    const LwRuleset *table = lw_nft_find_table(tables, ruleset->family, ruleset->name);
    if (!table)
      continue;
    ruleset->dormant = table->dormant;
    g_free(ruleset->mark);
    ruleset->mark = g_strdup(table->mark);
  }
  return tables != NULL;
}
