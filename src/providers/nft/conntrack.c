#include "providers/nft/conntrack.h"

#include "base/error.h"
#include "base/netns.h"

#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <sys/socket.h>

typedef struct {
  const LwRange *inside, *spared;
  guint spared_count;
  GPtrArray *found; /* of struct nf_conntrack* */
} Search;

static gboolean has_end_in(struct nf_conntrack *flow, const LwRange *range) {
  static const enum nf_conntrack_attr ends[] = {ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST, ATTR_REPL_IPV4_SRC,
                                                ATTR_REPL_IPV4_DST};
  for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
    if (!nfct_attr_is_set(flow, ends[i]))
      continue;
    LwAddr addr = lw_addr_from_v4(g_ntohl(nfct_get_attr_u32(flow, ends[i])));
    if (lw_range_contains(range, &addr))
      return TRUE;
  }
  return FALSE;
}

static int on_flow(enum nf_conntrack_msg_type type, struct nf_conntrack *flow, void *data) {
  (void)type;
  Search *search = data;
  if (!has_end_in(flow, search->inside))
    return NFCT_CB_CONTINUE;
  for (guint i = 0; i < search->spared_count; i++)
    if (has_end_in(flow, &search->spared[i]))
      return NFCT_CB_CONTINUE;
  g_ptr_array_add(search->found, nfct_clone(flow));
  return NFCT_CB_CONTINUE;
}

static void flow_free(gpointer flow) {
  nfct_destroy(flow);
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
  nfct_callback_register(handle, NFCT_T_ALL, on_flow, search);
  guint32 family = AF_INET;
  gboolean ok = nfct_query(handle, NFCT_Q_DUMP, &family) >= 0;
  if (!ok)
    lw_error_set_errno(error, "cannot list the flows");
  ok = ok && delete_found(handle, search->found, error);
  nfct_close(handle);
  return ok;
}

gboolean lw_conntrack_delete(const char *netns, const LwRange *inside, const LwRange *spared, guint spared_count,
                             guint *ended, GError **error) {
  int previous = lw_netns_enter(netns, error);
  if (previous < 0)
    return FALSE;
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(flow_free);
  Search search = {inside, spared, spared_count, found};
  gboolean ok = search_and_delete(&search, error);
  lw_netns_leave(previous);
  if (ok && ended)
    *ended = found->len;
  return ok;
}
