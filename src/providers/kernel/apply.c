/* Carrying changes out, in an order that never opens more than it closes: what goes away first (routes that
 * use a link, links, then rules and the routes that block); then namespaces, links (made and dressed while
 * down), addresses, blocking routes and rules; then links come up, and last the routes that use them. */
#include "base/error.h"
#include "base/netns.h"
#include "providers/kernel/kernel-internal.h"

#include <string.h>

/* From so many changes of one namespace on, a dump is cheaper than asking for each link. */
#define DUMP_FROM 16
/* From so many links in a namespace on, they are taken away before it is: the kernel would do it in one go.
 */
#define EMPTY_FROM 8
typedef struct {
  Kernel *kernel;
  const GPtrArray *changes;
  GHashTable *links;  /* namespace -> LwLinks* */
  GHashTable *counts; /* namespace -> how many changes concern it */
} Apply;

static const char *text(const char *value) {
  return value ? value : "";
}

static gboolean same_text(const char *a, const char *b) {
  return strcmp(text(a), text(b)) == 0;
}

static char *end_key(const char *ns, const char *name) {
  return g_strdup_printf("%s/%s", text(ns), text(name));
}

static gboolean is_made_by_us(const LwResource *r) {
  return r->kind == LW_RES_LINK && r->link_type != LW_LINK_EXTERNAL;
}

/* The half of a change that takes away, or that makes. NULL when it has none. */
static const LwResource *goes(const LwChange *change, LwResourceKind kind) {
  gboolean takes = change->klass == LW_CHANGE_DELETE || change->klass == LW_CHANGE_REPLACE;
  return takes && change->from && change->from->kind == kind ? change->from : NULL;
}

static const LwResource *comes(const LwChange *change, LwResourceKind kind) {
  gboolean makes = change->klass == LW_CHANGE_CREATE || change->klass == LW_CHANGE_REPLACE;
  return makes && change->to && change->to->kind == kind ? change->to : NULL;
}

/* --- what is known of links while this batch runs
 * ------------------------------------------------------------- */

static void count_changes(Apply *a) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwChange *change = a->changes->pdata[i];
    const LwResource *r = change->to ? change->to : change->from;
    gpointer count = g_hash_table_lookup(a->counts, text(r->ns));
    g_hash_table_insert(a->counts, (gpointer)text(r->ns), GINT_TO_POINTER(GPOINTER_TO_INT(count) + 1));
  }
}

static void forget_links(Apply *a) {
  g_hash_table_remove_all(a->links);
}

static LwLinks *links_of(Apply *a, const char *ns, LwRtnl *rtnl, GError **error) {
  LwLinks *links = g_hash_table_lookup(a->links, text(ns));
  if (links)
    return links;
  links = lw_links_new();
  g_hash_table_insert(a->links, g_strdup(text(ns)), links);
  if (GPOINTER_TO_INT(g_hash_table_lookup(a->counts, text(ns))) >= DUMP_FROM &&
      !lw_links_dump(links, rtnl, error))
    return NULL;
  return links;
}

/* FALSE on trouble; *out NULL when there is no such link (or namespace). */
static gboolean find_link(Apply *a, const char *ns, const char *name, const LwLinkInfo **out,
                          GError **error) {
  *out = NULL;
  if (*text(ns) && !lw_netns_exists(ns))
    return TRUE;
  LwRtnl *rtnl = lw_kernel_socket(a->kernel, ns, error);
  LwLinks *links = rtnl ? links_of(a, ns, rtnl, error) : NULL;
  return links && lw_links_find(links, rtnl, text(name), out, error);
}

static const LwLinkInfo *need_link(Apply *a, const LwResource *user, const char *name, GError **error) {
  const LwLinkInfo *info = NULL;
  if (!find_link(a, user->ns, name, &info, error))
    return NULL;
  if (!info) {
    g_autofree char *what = lw_resource_describe(user);
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is no interface %s, which %s needs", text(name),
                what);
  }
  return info;
}

/* Sends what all namespaces' queues hold. */
static gboolean flush(Apply *a, GError **error) {
  GHashTableIter iter;
  gpointer rtnl;
  gboolean ok = TRUE;
  g_hash_table_iter_init(&iter, a->kernel->sockets);
  /* the others' queues are emptied even after a failure: they must not be sent with the next batch */
  while (g_hash_table_iter_next(&iter, NULL, &rtnl))
    ok = lw_rtnl_flush(rtnl, ok ? error : NULL) && ok;
  return ok;
}

static gboolean queue(Apply *a, const struct nlmsghdr *nlh, const char *verb, const LwResource *r,
                      LwRtnlTolerance tolerance, GError **error) {
  LwRtnl *rtnl = lw_kernel_socket(a->kernel, r->ns, error);
  if (rtnl)
    lw_rtnl_queue(rtnl, nlh, verb, r, tolerance);
  return rtnl != NULL;
}

/* --- what goes
 * ------------------------------------------------------------------------------------------------------ */

/* Names of namespaces, and "NS/NAME" of links, that this batch deletes: what hangs on them goes by itself. */
static GHashTable *collect_going(const Apply *a) {
  GHashTable *going = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < a->changes->len; i++) {
    const LwChange *change = a->changes->pdata[i];
    const LwResource *netns = goes(change, LW_RES_NETNS), *link = goes(change, LW_RES_LINK);
    if (netns)
      g_hash_table_add(going, g_strdup(netns->name));
    else if (link && is_made_by_us(link))
      g_hash_table_add(going, end_key(link->ns, link->name));
  }
  return going;
}

static gboolean goes_by_itself(GHashTable *going, const LwResource *r) {
  g_autofree char *key = end_key(r->ns, r->link);
  return (*text(r->ns) && (g_hash_table_contains(going, r->ns) || !lw_netns_exists(r->ns))) ||
         (*text(r->link) && g_hash_table_contains(going, key));
}

static gboolean delete_address(Apply *a, const LwResource *address, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  const LwLinkInfo *info = NULL;
  if (!find_link(a, address->ns, address->link, &info, error))
    return FALSE;
  return !info ||
         queue(a, lw_nl_address(buffer, FALSE, address, info->index), "delete", address, LW_RTNL_GONE, error);
}

static gboolean delete_route(Apply *a, const LwResource *route, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  const LwLinkInfo *info = NULL;
  if (*text(route->link) && !find_link(a, route->ns, route->link, &info, error))
    return FALSE;
  if (*text(route->link) && !info)
    return TRUE;
  return queue(a, lw_nl_route(buffer, FALSE, route, info ? info->index : 0), "delete", route, LW_RTNL_GONE,
               error);
}

static gboolean delete_rule(Apply *a, const LwResource *rule, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  return queue(a, lw_nl_rule(buffer, FALSE, rule), "delete", rule, LW_RTNL_GONE, error);
}

typedef enum { HANGING_ON_LINKS, BLOCKING } DeleteStage;

static gboolean delete_hanging(Apply *a, const LwChange *change, DeleteStage stage, GError **error) {
  const LwResource *address = goes(change, LW_RES_ADDRESS), *route = goes(change, LW_RES_ROUTE);
  const LwResource *rule = change->klass == LW_CHANGE_DELETE ? goes(change, LW_RES_RULE) : NULL;
  if (stage == HANGING_ON_LINKS && address)
    return delete_address(a, address, error);
  if (route && (stage == HANGING_ON_LINKS) == (*text(route->link) != '\0'))
    return delete_route(a, route, error);
  return stage != BLOCKING || !rule || delete_rule(a, rule, error);
}

static gboolean delete_stage(Apply *a, GHashTable *going, DeleteStage stage, GError **error) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwChange *change = a->changes->pdata[i];
    if (change->from && !goes_by_itself(going, change->from) && !delete_hanging(a, change, stage, error))
      return FALSE;
  }
  return flush(a, error);
}

/* An interface that is not ours only leaves our bridge. */
static gboolean release_link(Apply *a, const LwResource *link, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  const LwLinkInfo *info = NULL, *master = NULL;
  if (!*text(link->master))
    return TRUE;
  if (!find_link(a, link->ns, link->name, &info, error) ||
      !find_link(a, link->ns, link->master, &master, error))
    return FALSE;
  return !info || !master || info->master != master->index ||
         queue(a, lw_nl_set_master(buffer, info->index, 0), "release", link, LW_RTNL_GONE, error);
}

/* Links to delete of one type, by namespace; one end of a veth is enough. */
static gboolean collect_links(Apply *a, LwLinkType type, GHashTable *by_ns, GError **error) {
  g_autoptr(GHashTable) with_peer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *link = goes(a->changes->pdata[i], LW_RES_LINK);
    const LwLinkInfo *info = NULL;
    if (!link || link->link_type != type)
      continue;
    g_autofree char *key = end_key(link->ns, link->name);
    if (g_hash_table_contains(with_peer, key))
      continue;
    if (!find_link(a, link->ns, link->name, &info, error))
      return FALSE;
    if (!info)
      continue;
    g_hash_table_add(with_peer, end_key(link->peer_ns, link->peer));
    GPtrArray *infos = g_hash_table_lookup(by_ns, text(link->ns));
    if (!infos) {
      infos = g_ptr_array_new();
      g_hash_table_insert(by_ns, g_strdup(text(link->ns)), infos);
    }
    g_ptr_array_add(infos, (gpointer)info);
  }
  return TRUE;
}

static gboolean delete_links_of_type(Apply *a, LwLinkType type, GError **error) {
  g_autoptr(GHashTable) by_ns =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  if (!collect_links(a, type, by_ns, error))
    return FALSE;
  GHashTableIter iter;
  gpointer ns, infos;
  g_hash_table_iter_init(&iter, by_ns);
  while (g_hash_table_iter_next(&iter, &ns, &infos)) {
    LwRtnl *rtnl = lw_kernel_socket(a->kernel, ns, error);
    if (!rtnl || !lw_kernel_delete_links(rtnl, ns, infos, type == LW_LINK_BRIDGE, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean delete_links(Apply *a, GError **error) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *link = goes(a->changes->pdata[i], LW_RES_LINK);
    if (link && link->link_type == LW_LINK_EXTERNAL && !release_link(a, link, error))
      return FALSE;
  }
  gboolean ok = flush(a, error) && delete_links_of_type(a, LW_LINK_VETH, error) &&
                delete_links_of_type(a, LW_LINK_BRIDGE, error);
  forget_links(a);
  return ok;
}

static gboolean empty_netns(Apply *a, const char *name, GError **error) {
  LwRtnl *rtnl = lw_kernel_socket(a->kernel, name, error);
  g_autoptr(LwLinks) links = lw_links_new();
  if (!rtnl || !lw_links_dump(links, rtnl, error))
    return FALSE;
  for (int bridges = 0; bridges < 2; bridges++) {
    g_autoptr(GPtrArray) infos = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, links->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value))
      if (strcmp(((LwLinkInfo *)value)->kind, bridges ? "bridge" : "veth") == 0)
        g_ptr_array_add(infos, value);
    if (infos->len >= EMPTY_FROM && !lw_kernel_delete_links(rtnl, name, infos, bridges == 1, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean delete_namespaces(Apply *a, GError **error) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *netns = goes(a->changes->pdata[i], LW_RES_NETNS);
    if (!netns)
      continue;
    if (lw_netns_exists(netns->name) && !empty_netns(a, netns->name, error))
      return FALSE;
    lw_kernel_forget(a->kernel, netns->name);
    if (!lw_netns_delete(netns->name, error))
      return FALSE;
  }
  forget_links(a);
  return TRUE;
}

/* --- what comes
 * ----------------------------------------------------------------------------------------------------- */

static gboolean create_namespaces(Apply *a, GError **error) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *netns = comes(a->changes->pdata[i], LW_RES_NETNS);
    if (netns && !lw_netns_create(netns->name, error))
      return FALSE;
  }
  return TRUE;
}

/* "net/ipv4/conf/NAME/…" and the like: of one interface, which must be there. */
static gboolean is_of_one_link(const LwResource *sysctl) {
  g_autofree char *path = lw_sysctl_path(sysctl->name);
  const char *part = path ? strstr(path, "/conf/") : NULL;
  if (path && !part)
    part = strstr(path, "/neigh/");
  const char *name = part ? strchr(part + 1, '/') + 1 : NULL;
  return name && !g_str_has_prefix(name, "all/") && !g_str_has_prefix(name, "default/");
}

static gboolean change_sysctls(Apply *a, gboolean of_one_link, GError **error) {
  g_autoptr(GHashTable) by_ns =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
  for (guint i = 0; i < a->changes->len; i++) {
    LwResource *to = ((LwChange *)a->changes->pdata[i])->to;
    if (!to || to->kind != LW_RES_SYSCTL || is_of_one_link(to) != of_one_link)
      continue;
    GPtrArray *list = g_hash_table_lookup(by_ns, to->ns);
    if (!list) {
      list = g_ptr_array_new();
      g_hash_table_insert(by_ns, to->ns, list);
    }
    g_ptr_array_add(list, to);
  }
  GHashTableIter iter;
  gpointer ns, list;
  g_hash_table_iter_init(&iter, by_ns);
  while (g_hash_table_iter_next(&iter, &ns, &list))
    if (!lw_kernel_write_sysctls(ns, list, error))
      return FALSE;
  return TRUE;
}

/* A link of that name that carries our mark is the one (an earlier run made it); another's is in the way. */
static gboolean is_there(Apply *a, const LwResource *link, gboolean *there, GError **error) {
  const LwLinkInfo *info = NULL;
  *there = FALSE;
  if (!find_link(a, link->ns, link->name, &info, error))
    return FALSE;
  if (!info)
    return TRUE;
  *there = strcmp(info->alias, text(a->kernel->base.context->owner)) == 0 &&
           strcmp(info->kind, link->link_type == LW_LINK_BRIDGE ? "bridge" : "veth") == 0;
  if (!*there) {
    g_autofree char *what = lw_resource_describe(link);
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                "%s exists already and is not lanward's: rename it, or give the lab another name for it",
                what);
  }
  return *there;
}

static gboolean create_veth(Apply *a, const LwResource *end, const LwResource *peer, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  int ns_fd = -1;
  if (!same_text(end->ns, end->peer_ns)) {
    LwRtnl *other = lw_kernel_socket(a->kernel, end->peer_ns, error);
    if (!other)
      return FALSE;
    ns_fd = lw_rtnl_ns_fd(other);
  }
  return queue(a, lw_nl_veth(buffer, end, peer, ns_fd), "make", end, LW_RTNL_STRICT, error);
}

/* Ends of veths that come, "NS/NAME" -> LwResource*. */
static GHashTable *collect_ends(const Apply *a) {
  GHashTable *ends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *link = comes(a->changes->pdata[i], LW_RES_LINK);
    if (link && link->link_type == LW_LINK_VETH)
      g_hash_table_insert(ends, end_key(link->ns, link->name), (gpointer)link);
  }
  return ends;
}

static gboolean create_links_of_type(Apply *a, LwLinkType type, GHashTable *ends, GError **error) {
  g_autoptr(GHashTable) done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint8 buffer[LW_MESSAGE_MAX];
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *link = comes(a->changes->pdata[i], LW_RES_LINK);
    gboolean there = FALSE;
    if (!link || link->link_type != type)
      continue;
    g_autofree char *key = end_key(link->ns, link->name);
    if (g_hash_table_contains(done, key))
      continue;
    if (!is_there(a, link, &there, error))
      return FALSE;
    if (there)
      continue;
    if (type == LW_LINK_BRIDGE) {
      if (!queue(a, lw_nl_bridge(buffer, link), "make", link, LW_RTNL_STRICT, error))
        return FALSE;
      continue;
    }
    g_autofree char *peer_key = end_key(link->peer_ns, link->peer);
    if (!create_veth(a, link, g_hash_table_lookup(ends, peer_key), error))
      return FALSE;
    g_hash_table_add(done, g_steal_pointer(&peer_key));
  }
  return flush(a, error);
}

static gboolean master_index(Apply *a, const LwResource *link, int *index, GError **error) {
  *index = 0;
  if (!*text(link->master))
    return TRUE;
  const LwLinkInfo *master = need_link(a, link, link->master, error);
  if (master)
    *index = master->index;
  return master != NULL;
}

static gboolean dress_one(Apply *a, const LwResource *link, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  const char *owner = a->kernel->base.context->owner;
  int master = 0;
  const LwLinkInfo *info = need_link(a, link, link->name, error);
  if (!info || !master_index(a, link, &master, error))
    return FALSE;
  const char *alias = *text(link->alias) ? link->alias : owner;
  if (!queue(a, lw_nl_dress(buffer, info->index, alias, master, a->kernel->ipv6), "set up", link,
             LW_RTNL_STRICT, error))
    return FALSE;
  return !link->isolated ||
         queue(a, lw_nl_set_isolated(buffer, info->index, TRUE), "isolate", link, LW_RTNL_STRICT, error);
}

/* The other end of a veth that comes, when no change of this batch speaks of it: it must carry the mark, too.
 */
static gboolean mark_lone_peer(Apply *a, const LwResource *end, GHashTable *ends, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  const LwLinkInfo *info = NULL;
  g_autofree char *key = end_key(end->peer_ns, end->peer);
  if (g_hash_table_contains(ends, key))
    return TRUE;
  if (!find_link(a, end->peer_ns, end->peer, &info, error))
    return FALSE;
  LwRtnl *rtnl = info ? lw_kernel_socket(a->kernel, end->peer_ns, error) : NULL;
  if (rtnl)
    lw_rtnl_queue(
        rtnl, lw_nl_dress(buffer, info->index, a->kernel->base.context->owner, info->master, a->kernel->ipv6),
        "mark the other end of", end, LW_RTNL_STRICT);
  return !info || rtnl;
}

static gboolean dress_links(Apply *a, GHashTable *ends, GError **error) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *link = comes(a->changes->pdata[i], LW_RES_LINK);
    if (!link || !is_made_by_us(link))
      continue;
    if (!dress_one(a, link, error) ||
        (link->link_type == LW_LINK_VETH && !mark_lone_peer(a, link, ends, error)))
      return FALSE;
  }
  return flush(a, error);
}

static gboolean create_links(Apply *a, GError **error) {
  g_autoptr(GHashTable) ends = collect_ends(a);
  if (!create_links_of_type(a, LW_LINK_BRIDGE, ends, error) ||
      !create_links_of_type(a, LW_LINK_VETH, ends, error))
    return FALSE;
  forget_links(a); /* their indexes are known only now */
  return dress_links(a, ends, error);
}

/* --- what changes in place
 * ---------------------------------------------------------------------------------------- */

static gboolean wait_until_seen(Apply *a, const LwResource *end, GError **error) {
  if (!*text(end->peer) || (*text(end->peer_ns) && !lw_netns_exists(end->peer_ns)))
    return TRUE;
  LwRtnl *rtnl = lw_kernel_socket(a->kernel, end->peer_ns, error);
  return rtnl && lw_links_wait_pulled(rtnl, end->peer, error);
}

/* From one bridge to another: never on both, and whoever is at the other end sees the cable pulled. */
static gboolean move_link(Apply *a, const LwResource *from, const LwResource *to, const LwLinkInfo *info,
                          GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  int master = 0;
  if (!master_index(a, to, &master, error))
    return FALSE;
  gboolean leaves = *text(from->master) != '\0';
  gboolean pull = info->up && (leaves || is_made_by_us(to));
  if (pull && (!queue(a, lw_nl_set_up(buffer, info->index, FALSE), "take down", to, LW_RTNL_STRICT, error) ||
               !flush(a, error)))
    return FALSE;
  if (leaves && (!queue(a, lw_nl_set_master(buffer, info->index, 0), "release", to, LW_RTNL_STRICT, error) ||
                 !flush(a, error)))
    return FALSE;
  if (pull && !wait_until_seen(a, to, error))
    return FALSE;
  if (master &&
      !queue(a, lw_nl_set_master(buffer, info->index, master), "plug in", to, LW_RTNL_STRICT, error))
    return FALSE;
  if (to->isolated && master &&
      !queue(a, lw_nl_set_isolated(buffer, info->index, TRUE), "isolate", to, LW_RTNL_STRICT, error))
    return FALSE;
  return !(pull && to->up) ||
         queue(a, lw_nl_set_up(buffer, info->index, TRUE), "bring up", to, LW_RTNL_STRICT, error);
}

static gboolean change_link(Apply *a, const LwResource *from, const LwResource *to, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  const LwLinkInfo *info = need_link(a, to, to->name, error);
  if (!info)
    return FALSE;
  struct nlmsghdr *nlh = lw_nl_change_link(buffer, info->index, from, to);
  if (nlh && !queue(a, nlh, "change", to, LW_RTNL_STRICT, error))
    return FALSE;
  gboolean moves = !same_text(from->master, to->master);
  if (moves && !move_link(a, from, to, info, error))
    return FALSE;
  if (!moves && from->isolated != to->isolated &&
      !queue(a, lw_nl_set_isolated(buffer, info->index, to->isolated), "isolate", to, LW_RTNL_STRICT, error))
    return FALSE;
  return from->up == to->up || queue(a, lw_nl_set_up(buffer, info->index, to->up),
                                     to->up ? "bring up" : "take down", to, LW_RTNL_STRICT, error);
}

/* An interface that is not ours, first mentioned now: as it is, but for what we want of it. */
static gboolean adopt_link(Apply *a, const LwResource *to, GError **error) {
  const LwLinkInfo *info = need_link(a, to, to->name, error);
  if (!info)
    return FALSE;
  g_autoptr(LwResource) from = lw_resource_new(LW_RES_LINK, to->ns, to->name);
  const LwLinkInfo *master = NULL;
  LwLinks *links = g_hash_table_lookup(a->links, text(to->ns));
  if (info->master && *text(to->master) && !find_link(a, to->ns, to->master, &master, error))
    return FALSE;
  const LwLinkInfo *present = info->master && links ? lw_links_at(links, info->master) : NULL;
  from->link_type = to->link_type;
  from->mac = info->mac;
  from->mtu = info->mtu;
  from->up = info->up;
  from->isolated = info->isolated;
  from->group = to->group;
  from->alias = g_strdup(to->alias);
  from->master = g_strdup(present ? present->name : info->master ? "another" : NULL);
  return change_link(a, from, to, error);
}

static gboolean change_links(Apply *a, GError **error) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwChange *change = a->changes->pdata[i];
    const LwResource *external = comes(change, LW_RES_LINK);
    if (external && external->link_type == LW_LINK_EXTERNAL && !adopt_link(a, external, error))
      return FALSE;
    if (change->klass == LW_CHANGE_LIVE && change->to->kind == LW_RES_LINK &&
        !change_link(a, change->from, change->to, error))
      return FALSE;
  }
  return flush(a, error);
}

/* --- addresses, routes, rules
 * ---------------------------------------------------------------------------------- */

static gboolean add_addresses(Apply *a, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *address = comes(a->changes->pdata[i], LW_RES_ADDRESS);
    if (!address)
      continue;
    const LwLinkInfo *info = need_link(a, address, address->link, error);
    if (!info ||
        !queue(a, lw_nl_address(buffer, TRUE, address, info->index), "set", address, LW_RTNL_THERE, error))
      return FALSE;
  }
  return flush(a, error);
}

static gboolean add_route(Apply *a, const LwResource *route, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  const LwLinkInfo *info = *text(route->link) ? need_link(a, route, route->link, error) : NULL;
  return (!*text(route->link) || info) && queue(a, lw_nl_route(buffer, TRUE, route, info ? info->index : 0),
                                                "set", route, LW_RTNL_THERE, error);
}

static gboolean add_routes(Apply *a, gboolean with_link, GError **error) {
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *to = ((LwChange *)a->changes->pdata[i])->to;
    if (!to || to->kind != LW_RES_ROUTE)
      continue;
    gboolean uses_link = *text(to->link) || lw_addr_is_set(&to->via);
    if (uses_link == with_link && !add_route(a, to, error))
      return FALSE;
  }
  return flush(a, error);
}

/* The new one before the old one goes: there is never none. */
static gboolean add_rules(Apply *a, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  for (guint i = 0; i < a->changes->len; i++) {
    const LwChange *change = a->changes->pdata[i];
    const LwResource *rule = comes(change, LW_RES_RULE);
    if (rule && (!queue(a, lw_nl_rule(buffer, TRUE, rule), "set", rule, LW_RTNL_THERE, error) ||
                 (change->from && !delete_rule(a, change->from, error))))
      return FALSE;
  }
  return flush(a, error);
}

static gboolean bring_up(Apply *a, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  for (guint i = 0; i < a->changes->len; i++) {
    const LwResource *link = comes(a->changes->pdata[i], LW_RES_LINK);
    if (!link || !is_made_by_us(link) || !link->up)
      continue;
    const LwLinkInfo *info = need_link(a, link, link->name, error);
    if (!info || !queue(a, lw_nl_set_up(buffer, info->index, TRUE), "bring up", link, LW_RTNL_STRICT, error))
      return FALSE;
  }
  return flush(a, error);
}

static gboolean take_away(Apply *a, GError **error) {
  g_autoptr(GHashTable) going = collect_going(a);
  return delete_stage(a, going, HANGING_ON_LINKS, error) && delete_links(a, error) &&
         delete_stage(a, going, BLOCKING, error) && delete_namespaces(a, error);
}

gboolean lw_kernel_apply(Kernel *kernel, const GPtrArray *changes, GError **error) {
  g_autoptr(GHashTable) links =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lw_links_free);
  g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
  Apply a = {kernel, changes, links, counts};
  count_changes(&a);
  gboolean ok = take_away(&a, error) && create_namespaces(&a, error) && change_sysctls(&a, FALSE, error) &&
                create_links(&a, error) && change_links(&a, error) && change_sysctls(&a, TRUE, error) &&
                add_addresses(&a, error) && add_routes(&a, FALSE, error) && add_rules(&a, error) &&
                bring_up(&a, error) && add_routes(&a, TRUE, error);
  if (!ok)
    (void)flush(&a, NULL); /* what a failed stage had queued is not for the next batch */
  return ok;
}

/* --- would it be possible?
 * -------------------------------------------------------------------------------------- */

static gboolean refuse(GError **error, const LwResource *r, const char *why) {
  g_autofree char *what = lw_resource_describe(r);
  g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "%s %s", what, why);
  return FALSE;
}

static gboolean check_link(Apply *a, const LwChange *change, GError **error) {
  const LwResource *r = change->to ? change->to : change->from;
  const LwLinkInfo *info = NULL;
  if (!r->name || !*r->name || strlen(r->name) >= IFNAMSIZ)
    return refuse(error, r, "has a name that the kernel does not take: 1 to 15 bytes");
  if (!is_made_by_us(r))
    return TRUE;
  if (!find_link(a, r->ns, r->name, &info, error))
    return FALSE;
  if (!info || strcmp(info->alias, text(a->kernel->base.context->owner)) == 0)
    return TRUE;
  if (change->klass == LW_CHANGE_DELETE)
    return refuse(error, r, "is not lanward's (its alias says so): it is left alone");
  return refuse(error, r,
                "exists already and is not lanward's: rename it, or give the lab another name for it");
}

static gboolean check_change(Apply *a, const LwChange *change, GError **error) {
  const LwResource *r = change->to ? change->to : change->from;
  if (r->kind == LW_RES_LINK)
    return check_link(a, change, error);
  if (r->kind == LW_RES_NETNS && change->klass == LW_CHANGE_CREATE && lw_netns_exists(r->name))
    return refuse(error, r, "exists already");
  g_autofree char *path = r->kind == LW_RES_SYSCTL ? lw_sysctl_path(r->name) : NULL;
  return r->kind != LW_RES_SYSCTL || path || refuse(error, r, "is no setting under /proc/sys");
}

gboolean lw_kernel_check(Kernel *kernel, const GPtrArray *changes, GError **error) {
  g_autoptr(GHashTable) links =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lw_links_free);
  g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
  Apply a = {kernel, changes, links, counts};
  count_changes(&a);
  for (guint i = 0; i < changes->len; i++)
    if (!check_change(&a, changes->pdata[i], error))
      return FALSE;
  return TRUE;
}
