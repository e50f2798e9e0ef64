#include "providers/nft/conntrack.h"

#include "base/error.h"
#include "base/netns.h"

#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <sys/socket.h>

typedef struct {
  LwFlowEnds ends;
  gpointer data;
  GPtrArray *found; /* of struct nf_conntrack* */
} Search;

static LwAddr addr_of(struct nf_conntrack *entry, enum nf_conntrack_attr attribute) {
  return nfct_attr_is_set(entry, attribute) ? lw_addr_from_v4(g_ntohl(nfct_get_attr_u32(entry, attribute)))
                                            : LW_ADDR_NONE;
}

/* 0: none (a protocol without ports). */
static guint16 port_of(const struct nf_conntrack *entry) {
  if (!nfct_attr_is_set(entry, ATTR_ORIG_PORT_DST))
    return 0;
  return g_ntohs(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_DST));
}

static int on_entry(enum nf_conntrack_msg_type type, struct nf_conntrack *entry, void *data) {
  (void)type;
  Search *search = data;
  LwFlow flow = {
      .source = addr_of(entry, ATTR_ORIG_IPV4_SRC),
      .destination = addr_of(entry, ATTR_ORIG_IPV4_DST),
      .target = addr_of(entry, ATTR_REPL_IPV4_SRC),
      .seen_as = addr_of(entry, ATTR_REPL_IPV4_DST),
      .protocol = nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO),
      .port = port_of(entry),
      .mark = nfct_attr_is_set(entry, ATTR_MARK) ? nfct_get_attr_u32(entry, ATTR_MARK) : 0,
  };
  if (search->ends(&flow, search->data))
    g_ptr_array_add(search->found, nfct_clone(entry));
  return NFCT_CB_CONTINUE;
}

static void entry_free(gpointer entry) {
  nfct_destroy(entry);
}

static gboolean delete_found(struct nfct_handle *handle, const GPtrArray *found, GError **error) {
  for (guint i = 0; i < found->len; i++)
    if (nfct_query(handle, NFCT_Q_DESTROY, found->pdata[i]) < 0 && errno != ENOENT) {
      lw_error_set_errno(error, "cannot end a flow");
      return FALSE;
    }
  return TRUE;
}

static gboolean search_and_delete(Search *search, GError **error) {
  struct nfct_handle *handle = nfct_open(CONNTRACK, 0);
  if (!handle) {
    lw_error_set_errno(error, "cannot reach connection tracking");
    return FALSE;
  }
  nfct_callback_register(handle, NFCT_T_ALL, on_entry, search);
  guint32 family = AF_INET;
  gboolean ok = nfct_query(handle, NFCT_Q_DUMP, &family) >= 0;
  if (!ok)
    lw_error_set_errno(error, "cannot list the flows");
  ok = ok && delete_found(handle, search->found, error);
  nfct_close(handle);
  return ok;
}

gboolean lw_conntrack_end(const char *netns, LwFlowEnds ends, gpointer data, guint *ended, GError **error) {
  int previous = lw_netns_enter(netns, error);
  if (previous < 0)
    return FALSE;
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(entry_free);
  Search search = {ends, data, found};
  gboolean ok = search_and_delete(&search, error);
  lw_netns_leave(previous);
  if (ok && ended)
    *ended = found->len;
  return ok;
}
