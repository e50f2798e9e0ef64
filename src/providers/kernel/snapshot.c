#include "providers/kernel/snapshot.h"

#include "base/netns.h"
#include "providers/kernel/kernel-internal.h"
#include "providers/kernel/world.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

typedef struct {
  const char *ns;
  LwRtnl *rtnl;
  GPtrArray *links;     /* of LwWorldLink*, as dumped */
  GHashTable *by_index; /* index -> LwWorldLink*, borrowed */
  GPtrArray *seen;      /* of LwResource* */
  GArray *oifs;         /* of int: of routes being read */
} Place;

static void place_free(gpointer data) {
  Place *place = data;
  g_clear_pointer(&place->rtnl, lw_rtnl_close);
  g_hash_table_unref(place->by_index);
  g_ptr_array_unref(place->links);
  g_ptr_array_unref(place->seen);
  g_array_unref(place->oifs);
  g_free(place);
}

static void link_free(gpointer link) {
  lw_world_link_free(link);
}

static void resource_unref(gpointer resource) {
  lw_resource_unref(resource);
}

static Place *place_new(const char *ns) {
  Place *place = g_new0(Place, 1);
  place->ns = ns;
  place->links = g_ptr_array_new_with_free_func(link_free);
  place->by_index = g_hash_table_new(NULL, NULL);
  place->seen = g_ptr_array_new_with_free_func(resource_unref);
  place->oifs = g_array_new(FALSE, FALSE, sizeof(int));
  return place;
}

static const char *name_at(const Place *place, int index) {
  const LwWorldLink *link = index ? g_hash_table_lookup(place->by_index, GINT_TO_POINTER(index)) : NULL;
  return link ? link->info.name : NULL;
}

/* --- dumps
 * -------------------------------------------------------------------------------------------------- */

static void see_link(const struct nlmsghdr *nlh, gpointer data) {
  Place *place = data;
  LwWorldLink *link = lw_world_read_link(nlh);
  if (!link)
    return;
  g_ptr_array_add(place->links, link);
  g_hash_table_insert(place->by_index, GINT_TO_POINTER(link->info.index), link);
}

static void see_address(const struct nlmsghdr *nlh, gpointer data) {
  Place *place = data;
  LwAddressInfo info;
  if (!lw_nl_read_address(nlh, &info) || !name_at(place, info.index))
    return;
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, place->ns, NULL);
  address->link = g_strdup(name_at(place, info.index));
  address->prefix = info.prefix;
  g_ptr_array_add(place->seen, address);
}

static void see_route(const struct nlmsghdr *nlh, gpointer data) {
  Place *place = data;
  guint first = place->seen->len;
  g_array_set_size(place->oifs, 0);
  lw_world_read_route(nlh, place->ns, place->seen, place->oifs);
  for (guint i = 0; i < place->oifs->len; i++) {
    LwResource *route = place->seen->pdata[first + i];
    gboolean refuses = route->route_type >= LW_ROUTE_BLACKHOLE && route->route_type <= LW_ROUTE_UNREACHABLE;
    if (!refuses) /* IPv6 says lo */
      route->link = g_strdup(name_at(place, g_array_index(place->oifs, int, i)));
  }
}

static void see_rule(const struct nlmsghdr *nlh, gpointer data) {
  Place *place = data;
  LwResource *rule = lw_world_read_rule(nlh, place->ns);
  if (rule)
    g_ptr_array_add(place->seen, rule);
}

static gboolean dump(Place *place, GError **error) {
  static const guint8 families[] = {AF_INET, AF_INET6};
  for (guint i = 0; i < 2; i++)
    if (!lw_rtnl_dump(place->rtnl, RTM_GETADDR, families[i], see_address, place, error) ||
        !lw_rtnl_dump(place->rtnl, RTM_GETROUTE, families[i], see_route, place, error) ||
        !lw_rtnl_dump(place->rtnl, RTM_GETRULE, families[i], see_rule, place, error))
      return FALSE;
  return TRUE;
}

/* --- the other ends
 * -------------------------------------------------------------------------------------------------- */

static void read_nsid(const struct nlmsghdr *nlh, gpointer data) {
  const struct nlattr *attr;
  if (nlh->nlmsg_type != RTM_NEWNSID)
    return;
  LW_FOREACH_ATTR(attr, nlh, sizeof(struct rtgenmsg)) {
    if (mnl_attr_get_type(attr) == NETNSA_NSID)
      *(int *)data = (int)mnl_attr_get_u32(attr);
  }
}

/* Namespaces that links of this one lead to, as far as they are among the places: nsid -> Place*. */
static GHashTable *neighbours(const Place *place, const GPtrArray *places, GError **error) {
  g_autoptr(GHashTable) known = g_hash_table_new(NULL, NULL);
  g_autoptr(GHashTable) wanted = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < place->links->len; i++) {
    const LwLinkInfo *info = &((const LwWorldLink *)place->links->pdata[i])->info;
    if (strcmp(info->kind, "veth") == 0 && info->peer_nsid >= 0)
      g_hash_table_add(wanted, GINT_TO_POINTER(info->peer_nsid));
  }
  for (guint i = 0; i < places->len && g_hash_table_size(wanted) > 0; i++) {
    Place *other = places->pdata[i];
    guint8 buffer[LW_MESSAGE_MAX];
    int nsid = -1;
    if (other == place)
      continue;
    if (!lw_rtnl_ask(place->rtnl, lw_nl_get_nsid(buffer, lw_rtnl_ns_fd(other->rtnl)), read_nsid, &nsid,
                     error))
      return NULL;
    if (nsid >= 0 && g_hash_table_remove(wanted, GINT_TO_POINTER(nsid)))
      g_hash_table_insert(known, GINT_TO_POINTER(nsid), other);
  }
  return g_steal_pointer(&known);
}

/* The other end is the link there whose own other end is this one. */
static void find_peer(const Place *place, GHashTable *near, const LwLinkInfo *info, LwResource *link) {
  const Place *there =
      info->peer_nsid < 0 ? place : g_hash_table_lookup(near, GINT_TO_POINTER(info->peer_nsid));
  const LwWorldLink *peer =
      there && info->peer ? g_hash_table_lookup(there->by_index, GINT_TO_POINTER(info->peer)) : NULL;
  if (!peer || peer->info.peer != info->index || strcmp(peer->info.kind, "veth") != 0)
    return;
  link->peer_ns = g_strdup(there->ns);
  link->peer = g_strdup(peer->info.name);
}

static char *text_or_null(const char *text) {
  return text && *text ? g_strdup(text) : NULL;
}

static void put_link(const Place *place, GHashTable *near, const LwWorldLink *from, LwResourceSet *out) {
  const LwLinkInfo *info = &from->info;
  LwResource *link = lw_resource_new(LW_RES_LINK, place->ns, info->name);
  link->link_type = strcmp(info->kind, "bridge") == 0 ? LW_LINK_BRIDGE
                    : strcmp(info->kind, "veth") == 0 ? LW_LINK_VETH
                                                      : LW_LINK_EXTERNAL;
  link->mac = info->mac;
  link->mtu = info->mtu;
  link->up = info->up;
  link->isolated = info->isolated;
  link->group = info->group;
  link->alias = text_or_null(info->alias);
  link->master = text_or_null(name_at(place, info->master));
  link->unknown = g_strdup(from->unknown);
  if (link->link_type == LW_LINK_VETH)
    find_peer(place, near, info, link);
  if (link->link_type == LW_LINK_EXTERNAL) {
    link->kind_name = text_or_null(info->kind);
    link->link = info->peer_nsid < 0 ? text_or_null(name_at(place, info->peer)) : NULL;
  }
  lw_resource_set_add(out, link);
}

/* --- settings
 * -------------------------------------------------------------------------------------------------- */

static gboolean put_settings(const Place *place, LwResourceSet *out, GError **error) {
  static const char *const names[] = {
      "net/ipv4/ip_forward",
      "net/ipv4/fwmark_reflect",
      "net/ipv4/tcp_fwmark_accept",
      "net/ipv4/conf/all/rp_filter",
      "net/ipv4/conf/all/arp_ignore",
      "net/ipv4/conf/all/arp_filter",
      "net/ipv4/conf/all/proxy_arp",
      "net/ipv4/conf/all/accept_local",
      "net/ipv4/conf/all/route_localnet",
      "net/ipv4/conf/all/src_valid_mark",
      "net/ipv4/conf/all/send_redirects",
      "net/ipv4/conf/default/rp_filter",
      "net/ipv4/conf/default/forwarding",
      "net/ipv6/conf/all/forwarding",
      "net/ipv6/conf/all/disable_ipv6",
      "net/ipv6/conf/default/disable_ipv6",
      "net/ipv6/conf/default/forwarding",
      "net/bridge/bridge-nf-call-iptables",
      "net/bridge/bridge-nf-call-ip6tables",
      "net/bridge/bridge-nf-call-arptables",
      "net/netfilter/nf_conntrack_tcp_loose",
      "net/netfilter/nf_conntrack_helper",
  };
  g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(resource_unref);
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    g_ptr_array_add(settings, lw_resource_new(LW_RES_SYSCTL, place->ns, names[i]));
  g_autoptr(GPtrArray) values = lw_kernel_read_sysctls(place->ns, settings, error);
  for (guint i = 0; values && i < values->len; i++) {
    LwResource *setting = settings->pdata[i];
    setting->value = g_strdup(values->pdata[i]);
    if (setting->value)
      lw_resource_set_add(out, lw_resource_ref(setting));
  }
  return values != NULL;
}

static void put_link_settings(const Place *place, LwResourceSet *out) {
  g_autoptr(GPtrArray) settings = g_ptr_array_new();
  for (guint i = 0; i < place->links->len; i++)
    lw_world_link_settings(place->links->pdata[i], place->ns, settings);
  for (guint i = 0; i < settings->len; i++)
    lw_resource_set_add(out, settings->pdata[i]);
}

/* Several of one key are numbered. Every link has the same two or three IPv6 routes: they are counted, so
 * that a place of a thousand links is not a million looks. */
static void put(LwResourceSet *out, GHashTable *counts, LwResource *resource) {
  char *first = lw_resource_key(resource);
  guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, first));
  resource->instance = count;
  g_hash_table_replace(counts, first, GUINT_TO_POINTER(count + 1));
  lw_resource_set_add(out, lw_resource_ref(resource));
}

static gboolean put_place(Place *place, const GPtrArray *places, LwResourceSet *out, GError **error) {
  g_autoptr(GHashTable) near = neighbours(place, places, error);
  if (!near || !put_settings(place, out, error))
    return FALSE;
  for (guint i = 0; i < place->links->len; i++)
    put_link(place, near, place->links->pdata[i], out);
  put_link_settings(place, out);
  g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < place->seen->len; i++)
    put(out, counts, place->seen->pdata[i]);
  return TRUE;
}

gboolean lw_kernel_snapshot(const char *const *namespaces, LwResourceSet *out, GError **error) {
  g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(place_free);
  for (guint i = 0; namespaces[i]; i++) {
    Place *place = place_new(namespaces[i]);
    g_ptr_array_add(places, place);
    place->rtnl = lw_rtnl_open(place->ns, error);
    if (!place->rtnl || !lw_rtnl_dump(place->rtnl, RTM_GETLINK, AF_UNSPEC, see_link, place, error) ||
        !dump(place, error))
      return FALSE;
  }
  for (guint i = 0; i < places->len; i++)
    if (!put_place(places->pdata[i], places, out, error))
      return FALSE;
  out->complete = TRUE;
  return TRUE;
}
