#include "providers/nft/conntrack.h"

#include "base/error.h"
#include "base/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <string.h>
#include <sys/socket.h>

typedef struct nfct_handle Handle;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Handle, nfct_close)

typedef struct {
  const LwPrefix *prefix;
  GPtrArray *found; /* of struct nf_conntrack* */
} Search;

static gboolean inside(const LwPrefix *prefix, const struct nf_conntrack *flow, enum nf_conntrack_attr attribute) {
  if (!nfct_attr_is_set(flow, attribute))
    return FALSE;
  LwAddr addr = {.family = prefix->addr.family};
  memcpy(addr.bytes, nfct_get_attr(flow, attribute), addr.family == 6 ? 16 : 4);
  return lw_prefix_contains(prefix, &addr);
}

static gboolean touches(const LwPrefix *prefix, const struct nf_conntrack *flow) {
  static const enum nf_conntrack_attr v4[] = {ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST, ATTR_REPL_IPV4_SRC,
                                              ATTR_REPL_IPV4_DST};
  static const enum nf_conntrack_attr v6[] = {ATTR_ORIG_IPV6_SRC, ATTR_ORIG_IPV6_DST, ATTR_REPL_IPV6_SRC,
                                              ATTR_REPL_IPV6_DST};
  const enum nf_conntrack_attr *attributes = prefix->addr.family == 6 ? v6 : v4;
  for (guint i = 0; i < G_N_ELEMENTS(v4); i++)
    if (inside(prefix, flow, attributes[i]))
      return TRUE;
  return FALSE;
}

static int on_flow(enum nf_conntrack_msg_type type, struct nf_conntrack *flow, void *data) {
  (void)type;
  Search *search = data;
  if (!touches(search->prefix, flow))
    return NFCT_CB_CONTINUE;
  g_ptr_array_add(search->found, flow);
  return NFCT_CB_STOLEN;
}

static void flow_free(gpointer flow) {
  nfct_destroy(flow);
}

static gboolean delete_here(const LwPrefix *prefix, guint *deleted, GError **error) {
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(flow_free);
  Search search = {prefix, found};
  g_autoptr(Handle) handle = nfct_open(CONNTRACK, 0);
  guint32 family = prefix->addr.family == 6 ? AF_INET6 : AF_INET;
  if (!handle || nfct_callback_register(handle, NFCT_T_ALL, on_flow, &search) != 0 ||
      nfct_query(handle, NFCT_Q_DUMP, &family) != 0) {
    lw_error_set_errno(error, "cannot read the table of connections");
    return FALSE;
  }
  guint count = 0;
  for (guint i = 0; i < found->len; i++) {
    if (nfct_query(handle, NFCT_Q_DESTROY, found->pdata[i]) == 0) {
      count++;
    } else if (errno != ENOENT) { /* it may have ended by itself */
      lw_error_set_errno(error, "cannot delete a connection");
      return FALSE;
    }
  }
  if (deleted)
    *deleted = count;
  return TRUE;
}

gboolean lw_conntrack_delete(const char *netns, const LwPrefix *prefix, guint *deleted, GError **error) {
  if (!netns || !*netns)
    return delete_here(prefix, deleted, error);
  int previous = lw_netns_enter(netns, error);
  if (previous < 0)
    return FALSE;
  gboolean ok = delete_here(prefix, deleted, error);
  lw_netns_leave(previous);
  return ok;
}
