/* Tables of links, and taking many of them away. */
#include "providers/kernel/kernel-internal.h"

#include <linux/rtnetlink.h>
#include <string.h>

#define BATCH_FIRST 8
#define BATCH_MOST 256
#define TARGET_US 40000 /* how long one batch may hold the kernel's lock: a stall is felt at 100 ms */

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

gboolean lw_links_find(LwLinks *links, LwRtnl *rtnl, const char *name, const LwLinkInfo **out, GError **error) {
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

/* A group nobody else uses: link groups are small numbers where people use them at all. */
static guint32 spare_group(void) {
  return (guint32)g_random_int_range(0x40000000, 0x7fffffff);
}

static gboolean delete_batch(LwRtnl *rtnl, LwLinkInfo *const *infos, guint count, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  if (count == 1) {
    lw_rtnl_queue(rtnl, lw_nl_delete_link(buffer, infos[0]->index), "delete", NULL, LW_RTNL_GONE);
    return lw_rtnl_flush(rtnl, error);
  }
  guint32 group = spare_group();
  for (guint i = 0; i < count; i++)
    lw_rtnl_queue(rtnl, lw_nl_set_group(buffer, infos[i]->index, group), "regroup", NULL, LW_RTNL_GONE);
  lw_rtnl_queue(rtnl, lw_nl_delete_group(buffer, group), "delete", NULL, LW_RTNL_GONE);
  return lw_rtnl_flush(rtnl, error);
}

gboolean lw_kernel_delete_links(LwRtnl *rtnl, const GPtrArray *infos, GError **error) {
  guint batch = BATCH_FIRST;
  for (guint done = 0; done < infos->len;) {
    guint count = MIN(batch, infos->len - done);
    gint64 start = g_get_monotonic_time();
    if (!delete_batch(rtnl, (LwLinkInfo *const *)(infos->pdata + done), count, error))
      return FALSE;
    gint64 took = g_get_monotonic_time() - start;
    done += count;
    if (took > TARGET_US)
      batch = MAX(count / 2, 1);
    else if (took < TARGET_US / 2)
      batch = MIN(batch * 2, BATCH_MOST);
  }
  return TRUE;
}
