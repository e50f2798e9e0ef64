/* Tables of links, and taking many of them away. */
#include "base/error.h"
#include "providers/kernel/kernel-internal.h"

#include <linux/rtnetlink.h>
#include <string.h>

/* News of a carrier that went come at once, or with the next of the kernel's rounds, one a second. */
#define CARRIER_WAIT_MS 3000
#define CARRIER_POLL_US 200

/* Each bridge waits for an rcu_barrier (16 ms where this was measured) under the lock that all link work of
 * the machine takes, and each batch for one more outside of it; veths wait once a batch, however many there
 * are. A stall is felt from 100 ms on: so bridges go one by one, with a second worker that has the lock while
 * the first waits outside. More to a batch or more workers are hardly faster, as the barriers queue up, and
 * stall longer. */
#define BRIDGE_BATCH 1
#define VETH_BATCH 32
#define MAX_WORKERS 2

LwLinks *lw_links_new(void) {
  LwLinks *links = g_new0(LwLinks, 1);
  links->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  links->by_index = g_hash_table_new(g_direct_hash, g_direct_equal);
  return links;
}

void lw_links_free(LwLinks *links) {
  if (!links)
    return;
  g_hash_table_unref(links->by_index);
  g_hash_table_unref(links->by_name);
  g_free(links);
}

static void add_link(const struct nlmsghdr *nlh, gpointer data) {
  LwLinks *links = data;
  LwLinkInfo info;
  if (!lw_nl_read_link(nlh, &info))
    return;
  LwLinkInfo *kept = g_memdup2(&info, sizeof info);
  const LwLinkInfo *before = g_hash_table_lookup(links->by_name, kept->name);
  if (before)
    g_hash_table_remove(links->by_index, GINT_TO_POINTER(before->index));
  g_hash_table_replace(links->by_name, kept->name, kept);
  g_hash_table_insert(links->by_index, GINT_TO_POINTER(kept->index), kept);
}

gboolean lw_links_dump(LwLinks *links, LwRtnl *rtnl, GError **error) {
  g_hash_table_remove_all(links->by_index);
  g_hash_table_remove_all(links->by_name);
  links->complete = TRUE;
  return lw_rtnl_dump(rtnl, RTM_GETLINK, AF_UNSPEC, add_link, links, error);
}

gboolean lw_links_find(LwLinks *links, LwRtnl *rtnl, const char *name, const LwLinkInfo **out,
                       GError **error) {
  *out = g_hash_table_lookup(links->by_name, name);
  if (*out || links->complete || !*name || strlen(name) >= IFNAMSIZ)
    return TRUE;
  guint8 buffer[LW_MESSAGE_MAX];
  if (!lw_rtnl_ask(rtnl, lw_nl_get_link(buffer, name), add_link, links, error))
    return FALSE;
  *out = g_hash_table_lookup(links->by_name, name);
  return TRUE;
}

const LwLinkInfo *lw_links_at(const LwLinks *links, int index) {
  return g_hash_table_lookup(links->by_index, GINT_TO_POINTER(index));
}

/* Batches as link groups that nobody else uses: groups are small numbers where people use them at all. */
typedef struct {
  const char *ns;
  guint32 first_group;
  guint batches;
  GMutex mutex;
  guint next;
  GError *error; /* the first */
} Deletion;

static gboolean regroup(LwRtnl *rtnl, const GPtrArray *infos, guint32 first_group, guint batch,
                        GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  for (guint i = 0; i < infos->len; i++) {
    const LwLinkInfo *info = infos->pdata[i];
    lw_rtnl_queue(rtnl, lw_nl_set_group(buffer, info->index, first_group + i / batch), "regroup", NULL,
                  LW_RTNL_GONE);
  }
  return lw_rtnl_flush(rtnl, error);
}

static gboolean delete_group(LwRtnl *rtnl, guint32 group, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  lw_rtnl_queue(rtnl, lw_nl_delete_group(buffer, group), "delete", NULL, LW_RTNL_GONE);
  return lw_rtnl_flush(rtnl, error);
}

/* The next batch; FALSE when none is left or something went wrong. */
static gboolean take_batch(Deletion *deletion, guint *batch) {
  g_mutex_lock(&deletion->mutex);
  gboolean go_on = !deletion->error && deletion->next < deletion->batches;
  *batch = go_on ? deletion->next++ : 0;
  g_mutex_unlock(&deletion->mutex);
  return go_on;
}

static void fail_deletion(Deletion *deletion, GError *error) {
  g_mutex_lock(&deletion->mutex);
  if (deletion->error)
    g_error_free(error);
  else
    deletion->error = error;
  g_mutex_unlock(&deletion->mutex);
}

static gpointer work_on_deletion(gpointer data) {
  Deletion *deletion = data;
  GError *error = NULL;
  guint batch;
  g_autoptr(LwRtnl) rtnl = lw_rtnl_open(deletion->ns, &error);
  while (rtnl && !error && take_batch(deletion, &batch))
    (void)delete_group(rtnl, deletion->first_group + batch, &error);
  if (error)
    fail_deletion(deletion, error);
  return NULL;
}

static void run_workers(Deletion *deletion, guint count) {
  GThread *threads[MAX_WORKERS] = {NULL};
  g_mutex_init(&deletion->mutex);
  for (guint i = 1; i < count; i++)
    threads[i] = g_thread_new("links", work_on_deletion, deletion);
  (void)work_on_deletion(deletion);
  for (guint i = 1; i < count; i++)
    g_thread_join(threads[i]);
  g_mutex_clear(&deletion->mutex);
}

gboolean lw_kernel_delete_links(LwRtnl *rtnl, const char *ns, const GPtrArray *infos, gboolean bridges,
                                GError **error) {
  guint batch = bridges ? BRIDGE_BATCH : VETH_BATCH;
  Deletion deletion = {.ns = ns, .batches = (infos->len + batch - 1) / batch};
  deletion.first_group = (guint32)g_random_int_range(0x40000000, 0x7f000000);
  if (!regroup(rtnl, infos, deletion.first_group, batch, error))
    return FALSE;
  run_workers(&deletion, MIN(deletion.batches, bridges ? MAX_WORKERS : 1));
  if (!deletion.error)
    return TRUE;
  g_propagate_error(error, deletion.error);
  return FALSE;
}

static void read_one(const struct nlmsghdr *nlh, gpointer data) {
  (void)lw_nl_read_link(nlh, data);
}

/* The kernel tells of a lost carrier from a work queue, and of one that came back by then not at all: a
 * machine would keep its old lease. So the end is watched until the news is out. */
gboolean lw_links_wait_pulled(LwRtnl *rtnl, const char *name, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  gint64 deadline = g_get_monotonic_time() + CARRIER_WAIT_MS * 1000;
  for (;;) {
    LwLinkInfo info = {0};
    if (!lw_rtnl_ask(rtnl, lw_nl_get_link(buffer, name), read_one, &info, error))
      return FALSE;
    if (!info.running)
      return TRUE;
    if (g_get_monotonic_time() >= deadline) {
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                  "%s did not notice within %d ms that its cable was pulled", name, CARRIER_WAIT_MS);
      return FALSE;
    }
    g_usleep(CARRIER_POLL_US);
  }
}
