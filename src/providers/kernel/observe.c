/* Reading what is there: one dump of each table of each namespace, matched with what is asked for by hash, so
 * that the time is that of the dumps. */
#include "base/error.h"
#include "base/netns.h"
#include "providers/kernel/kernel-internal.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* What is asked for of one namespace. */
typedef struct {
  char *ns;
  GPtrArray *sysctls;   /* of LwResource*, borrowed */
  GPtrArray *order;     /* of LwResource*: links, addresses, routes, rules, as asked for */
  GHashTable *interest; /* set of the same, by key */
  GHashTable *found;    /* of `interest` -> LwResource* as seen */
  LwLinks *links;       /* NULL until dumped */
  GHashTable *nsids;    /* namespace -> GINT_TO_POINTER(its id here + 2) */
  gboolean present;
  gboolean needs_links, needs_rules;
  gboolean needs_address[2], needs_route[2]; /* IPv4, IPv6 */
} Scope;

typedef struct {
  Kernel *kernel;
  GHashTable *scopes; /* namespace -> Scope* */
  GPtrArray *order;   /* of Scope*, borrowed */
} Observation;

static const char *text(const char *value) {
  return value ? value : "";
}

static guint32 table_or_main(guint32 table) {
  return table ? table : RT_TABLE_MAIN;
}

static guint hash_prefix(const LwPrefix *prefix) {
  guint hash = prefix->len + 33u * prefix->addr.family;
  for (guint i = 0; i < sizeof prefix->addr.bytes; i++)
    hash = hash * 31u + prefix->addr.bytes[i];
  return hash;
}

/* As lw_resource_key() would tell two resources of one namespace apart, without making the text. */
static guint interest_hash(gconstpointer data) {
  const LwResource *r = data;
  switch (r->kind) {
  case LW_RES_LINK:
    return g_str_hash(text(r->name));
  case LW_RES_ADDRESS:
    return hash_prefix(&r->prefix) + g_str_hash(text(r->link));
  case LW_RES_ROUTE:
    return hash_prefix(&r->prefix) * 31u + table_or_main(r->table) * 17u + r->metric;
  default:
    return r->priority;
  }
}

static gboolean interest_equal(gconstpointer x, gconstpointer y) {
  const LwResource *a = x, *b = y;
  if (a->kind != b->kind)
    return FALSE;
  switch (a->kind) {
  case LW_RES_LINK:
    return strcmp(text(a->name), text(b->name)) == 0;
  case LW_RES_ADDRESS:
    return lw_prefix_equal(&a->prefix, &b->prefix) && strcmp(text(a->link), text(b->link)) == 0;
  case LW_RES_ROUTE:
    return table_or_main(a->table) == table_or_main(b->table) && a->metric == b->metric &&
           lw_prefix_equal(&a->prefix, &b->prefix);
  default:
    return a->priority == b->priority;
  }
}

static void scope_free(gpointer data) {
  Scope *scope = data;
  g_free(scope->ns);
  g_ptr_array_unref(scope->sysctls);
  g_ptr_array_unref(scope->order);
  g_hash_table_unref(scope->found);
  g_hash_table_unref(scope->interest);
  g_hash_table_unref(scope->nsids);
  lw_links_free(scope->links);
  g_free(scope);
}

static Scope *scope_of(Observation *o, const char *ns) {
  Scope *scope = g_hash_table_lookup(o->scopes, text(ns));
  if (scope)
    return scope;
  scope = g_new0(Scope, 1);
  scope->ns = g_strdup(text(ns));
  scope->sysctls = g_ptr_array_new();
  scope->order = g_ptr_array_new();
  scope->interest = g_hash_table_new(interest_hash, interest_equal);
  scope->found =
      g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)lw_resource_unref);
  scope->nsids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  scope->present = !*scope->ns || lw_netns_exists(scope->ns);
  g_hash_table_insert(o->scopes, scope->ns, scope);
  g_ptr_array_add(o->order, scope);
  return scope;
}

static void ask_for(Scope *scope, LwResource *r) {
  guint family = r->prefix.addr.family == 6 ? 1 : 0;
  if (g_hash_table_contains(scope->interest, r))
    return;
  g_hash_table_add(scope->interest, r);
  g_ptr_array_add(scope->order, r);
  if (r->kind == LW_RES_ADDRESS)
    scope->needs_address[family] = TRUE;
  else if (r->kind == LW_RES_ROUTE)
    scope->needs_route[family] = TRUE;
  else if (r->kind == LW_RES_RULE)
    scope->needs_rules = TRUE;
  scope->needs_links = scope->needs_links || r->kind != LW_RES_RULE;
}

static void see_netns(const LwResource *netns, LwResourceSet *seen) {
  g_autofree char *key = lw_resource_key(netns);
  if (lw_netns_exists(netns->name) && !lw_resource_set_find(seen, key))
    lw_resource_set_add(seen, lw_resource_new(LW_RES_NETNS, NULL, netns->name));
}

static void collect(Observation *o, const LwResourceSet *set, GHashTable *sysctls, LwResourceSet *seen) {
  for (guint i = 0; set && i < set->list->len; i++) {
    LwResource *r = set->list->pdata[i];
    if (r->kind == LW_RES_NETNS) {
      see_netns(r, seen);
    } else if (r->kind == LW_RES_SYSCTL) {
      char *key = lw_resource_key(r);
      if (g_hash_table_add(sysctls, key))
        g_ptr_array_add(scope_of(o, r->ns)->sysctls, r);
    } else if (lw_provider_handles(&o->kernel->base, r->kind)) {
      ask_for(scope_of(o, r->ns), r);
    }
  }
}

static gboolean dump_links(Observation *o, Scope *scope, GError **error) {
  if (scope->links || !scope->present)
    return TRUE;
  LwRtnl *rtnl = lw_kernel_socket(o->kernel, scope->ns, error);
  scope->links = lw_links_new();
  return rtnl && lw_links_dump(scope->links, rtnl, error);
}

static void read_nsid(const struct nlmsghdr *nlh, gpointer data) {
  const struct nlattr *attr;
  if (nlh->nlmsg_type != RTM_NEWNSID)
    return;
  LW_FOREACH_ATTR(attr, nlh, sizeof(struct rtgenmsg)) {
    if (mnl_attr_get_type(attr) == NETNSA_NSID)
      *(int *)data = (int)mnl_attr_get_u32(attr);
  }
}

/* The number by which the links of `scope` call another namespace: -1 for itself, or for one it does not
 * know. */
static gboolean nsid_of(Observation *o, Scope *scope, const char *ns, int *out, GError **error) {
  gpointer known = g_hash_table_lookup(scope->nsids, ns);
  *out = known ? GPOINTER_TO_INT(known) - 2 : -1;
  if (known || strcmp(scope->ns, ns) == 0)
    return TRUE;
  LwRtnl *here = lw_kernel_socket(o->kernel, scope->ns, error);
  LwRtnl *there = here ? lw_kernel_socket(o->kernel, ns, error) : NULL;
  guint8 buffer[LW_MESSAGE_MAX];
  if (!there || !lw_rtnl_ask(here, lw_nl_get_nsid(buffer, lw_rtnl_ns_fd(there)), read_nsid, out, error))
    return FALSE;
  g_hash_table_insert(scope->nsids, g_strdup(ns), GINT_TO_POINTER(*out + 2));
  return TRUE;
}

/* Is the other end of this veth the one that `asked` names? Indexes must point at each other, through the
 * right namespaces. */
static gboolean is_connected(Observation *o, Scope *scope, const LwResource *asked, const LwLinkInfo *info,
                             gboolean *out, GError **error) {
  *out = FALSE;
  Scope *other = scope_of(o, asked->peer_ns);
  if (!dump_links(o, other, error))
    return FALSE;
  const LwLinkInfo *peer =
      other->links ? g_hash_table_lookup(other->links->by_name, text(asked->peer)) : NULL;
  if (!peer || peer->index != info->peer || peer->peer != info->index)
    return TRUE;
  int there = -1, back = -1;
  if (!nsid_of(o, scope, other->ns, &there, error) || !nsid_of(o, other, scope->ns, &back, error))
    return FALSE;
  *out = info->peer_nsid == there && peer->peer_nsid == back;
  return TRUE;
}

static char *text_or_null(const char *value) {
  return value && *value ? g_strdup(value) : NULL;
}

static gboolean see_kind(Observation *o, Scope *scope, const LwResource *asked, const LwLinkInfo *info,
                         LwResource *r, GError **error) {
  gboolean connected = FALSE;
  r->link_type = strcmp(info->kind, "bridge") == 0 ? LW_LINK_BRIDGE
                 : strcmp(info->kind, "veth") == 0 ? LW_LINK_VETH
                                                   : LW_LINK_EXTERNAL;
  if (r->link_type != LW_LINK_VETH || asked->link_type != LW_LINK_VETH)
    return TRUE;
  if (!is_connected(o, scope, asked, info, &connected, error))
    return FALSE;
  if (connected) {
    r->peer_ns = g_strdup(asked->peer_ns);
    r->peer = g_strdup(asked->peer);
  }
  return TRUE;
}

/* NULL with no error: there is no such link. */
static LwResource *see_link(Observation *o, Scope *scope, const LwResource *asked, GError **error) {
  const LwLinkInfo *info = g_hash_table_lookup(scope->links->by_name, text(asked->name));
  if (!info)
    return NULL;
  g_autoptr(LwResource) r = lw_resource_new(LW_RES_LINK, scope->ns, info->name);
  const LwLinkInfo *master = info->master ? lw_links_at(scope->links, info->master) : NULL;
  r->mac = info->mac;
  r->mtu = info->mtu;
  r->up = info->up;
  r->isolated = info->isolated;
  r->master = text_or_null(master ? master->name : NULL);
  if (asked->link_type == LW_LINK_EXTERNAL || asked->observed) {
    /* somebody else's: its group and alias are none of ours */
    r->link_type = LW_LINK_EXTERNAL;
    r->group = asked->group;
    r->alias = g_strdup(asked->alias);
    if (asked->link_type == LW_LINK_EXTERNAL || see_kind(o, scope, asked, info, r, error))
      return g_steal_pointer(&r);
    return NULL;
  }
  r->group = info->group;
  /* every link that is made carries the mark, whether the resource mentions it or not */
  gboolean only_marked =
      !*text(asked->alias) && strcmp(info->alias, text(o->kernel->base.context->owner)) == 0;
  r->alias = only_marked ? NULL : text_or_null(info->alias);
  return see_kind(o, scope, asked, info, r, error) ? g_steal_pointer(&r) : NULL;
}

static gboolean see_links(Observation *o, Scope *scope, GError **error) {
  for (guint i = 0; i < scope->order->len; i++) {
    LwResource *asked = scope->order->pdata[i];
    if (asked->kind != LW_RES_LINK)
      continue;
    g_autoptr(GError) inner = NULL;
    LwResource *r = see_link(o, scope, asked, &inner);
    if (r) {
      g_hash_table_insert(scope->found, asked, r);
    } else if (inner) {
      g_propagate_error(error, g_steal_pointer(&inner));
      return FALSE;
    }
  }
  return TRUE;
}

static const char *name_at(const Scope *scope, int index) {
  const LwLinkInfo *info = index ? lw_links_at(scope->links, index) : NULL;
  return info ? info->name : NULL;
}

static void see_address(const struct nlmsghdr *nlh, gpointer data) {
  Scope *scope = data;
  LwAddressInfo info;
  if (!lw_nl_read_address(nlh, &info))
    return;
  LwResource probe = {.kind = LW_RES_ADDRESS, .prefix = info.prefix};
  probe.link = (char *)name_at(scope, info.index);
  LwResource *asked = probe.link ? g_hash_table_lookup(scope->interest, &probe) : NULL;
  if (!asked)
    return;
  LwResource *r = lw_resource_new(LW_RES_ADDRESS, scope->ns, NULL);
  r->link = g_strdup(asked->link);
  r->prefix = info.prefix;
  g_hash_table_insert(scope->found, asked, r);
}

static void see_route(const struct nlmsghdr *nlh, gpointer data) {
  Scope *scope = data;
  LwRouteInfo info;
  if (!lw_nl_read_route(nlh, &info))
    return;
  LwResource probe = {
      .kind = LW_RES_ROUTE, .prefix = info.prefix, .table = info.table, .metric = info.metric};
  LwResource *asked = g_hash_table_lookup(scope->interest, &probe);
  if (!asked || (info.protocol != LW_RTPROT && g_hash_table_contains(scope->found, asked)))
    return;
  LwResource *r = lw_resource_new(LW_RES_ROUTE, scope->ns, NULL);
  r->table = asked->table;
  r->metric = asked->metric;
  r->prefix = asked->prefix;
  lw_route_fill(r, &info, name_at(scope, info.oif));
  g_hash_table_insert(scope->found, asked, r);
}

static void see_rule(const struct nlmsghdr *nlh, gpointer data) {
  Scope *scope = data;
  LwRuleInfo info;
  if (!lw_nl_read_rule(nlh, &info) || !info.plain || info.protocol != LW_RTPROT)
    return;
  LwResource probe = {.kind = LW_RES_RULE, .priority = info.priority};
  LwResource *asked = g_hash_table_lookup(scope->interest, &probe);
  if (!asked)
    return;
  LwResource *r = lw_resource_new(LW_RES_RULE, scope->ns, NULL);
  r->priority = info.priority;
  lw_rule_fill(r, &info);
  if (asked->table == 0 && r->table == RT_TABLE_MAIN)
    r->table = 0;
  /* two of one priority: the one that is asked for counts */
  LwResource *before = g_hash_table_lookup(scope->found, asked);
  if (before && lw_resource_equal(before, asked))
    lw_resource_unref(r);
  else
    g_hash_table_insert(scope->found, asked, r);
}

static gboolean dump_tables(Observation *o, Scope *scope, GError **error) {
  static const guint8 families[] = {AF_INET, AF_INET6};
  LwRtnl *rtnl = lw_kernel_socket(o->kernel, scope->ns, error);
  if (!rtnl)
    return FALSE;
  for (guint i = 0; i < 2; i++) {
    if (scope->needs_address[i] && !lw_rtnl_dump(rtnl, RTM_GETADDR, families[i], see_address, scope, error))
      return FALSE;
    if (scope->needs_route[i] && !lw_rtnl_dump(rtnl, RTM_GETROUTE, families[i], see_route, scope, error))
      return FALSE;
  }
  return !scope->needs_rules || lw_rtnl_dump(rtnl, RTM_GETRULE, AF_INET, see_rule, scope, error);
}

static gboolean see_sysctls(Scope *scope, LwResourceSet *seen, GError **error) {
  if (scope->sysctls->len == 0)
    return TRUE;
  g_autoptr(GPtrArray) values = lw_kernel_read_sysctls(scope->ns, scope->sysctls, error);
  for (guint i = 0; values && i < values->len; i++) {
    const LwResource *asked = scope->sysctls->pdata[i];
    if (!values->pdata[i])
      continue;
    LwResource *r = lw_resource_new(LW_RES_SYSCTL, scope->ns, asked->name);
    r->value = g_strdup(values->pdata[i]);
    lw_resource_set_add(seen, r);
  }
  return values != NULL;
}

static gboolean observe_scope(Observation *o, Scope *scope, LwResourceSet *seen, GError **error) {
  if (!scope->present)
    return TRUE;
  if (scope->order->len > 0 &&
      ((scope->needs_links && (!dump_links(o, scope, error) || !see_links(o, scope, error))) ||
       !dump_tables(o, scope, error)))
    return FALSE;
  for (guint i = 0; i < scope->order->len; i++) {
    LwResource *r = g_hash_table_lookup(scope->found, scope->order->pdata[i]);
    if (r)
      lw_resource_set_add(seen, lw_resource_ref(r));
  }
  return see_sysctls(scope, seen, error);
}

gboolean lw_kernel_observe(Kernel *kernel, const LwResourceSet *wanted, const LwResourceSet *owned,
                           LwResourceSet *seen, GError **error) {
  g_autoptr(GHashTable) scopes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, scope_free);
  g_autoptr(GPtrArray) order = g_ptr_array_new();
  g_autoptr(GHashTable) sysctls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  Observation o = {kernel, scopes, order};
  collect(&o, wanted, sysctls, seen);
  collect(&o, owned, sysctls, seen);
  /* the list grows when a veth's other end is in a namespace that nothing else is asked of */
  for (guint i = 0; i < order->len; i++)
    if (!observe_scope(&o, order->pdata[i], seen, error))
      return FALSE;
  return TRUE;
}
