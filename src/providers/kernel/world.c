#include "providers/kernel/world.h"

#include <linux/fib_rules.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define METRIC6_DEFAULT 1024 /* what the kernel makes of metric 0 in IPv6 */

static guint32 u32_of(const struct nlattr *attr) {
  guint32 value = 0;
  if (mnl_attr_get_payload_len(attr) >= sizeof value)
    memcpy(&value, mnl_attr_get_payload(attr), sizeof value);
  return value;
}

static guint8 u8_of(const struct nlattr *attr) {
  return mnl_attr_get_payload_len(attr) >= 1 ? *(const guint8 *)mnl_attr_get_payload(attr) : 0;
}

static gboolean addr_of(const struct nlattr *attr, guint8 family, LwAddr *out) {
  gsize size = family == AF_INET6 ? 16 : 4;
  if (mnl_attr_get_payload_len(attr) < size)
    return FALSE;
  *out = LW_ADDR_NONE;
  out->family = family == AF_INET6 ? 6 : 4;
  memcpy(out->bytes, mnl_attr_get_payload(attr), size);
  return TRUE;
}

static void note(char **unknown, const char *text) {
  char *before = *unknown;
  *unknown = before ? g_strdup_printf("%s, %s", before, text) : g_strdup(text);
  g_free(before);
}

/* --- links
 * -------------------------------------------------------------------------------------------------- */

static void read_conf(const struct nlattr *nest, guint16 type, guint32 *out, guint size, guint *count) {
  const struct nlattr *attr;
  LW_FOREACH_NESTED(attr, nest) {
    if (mnl_attr_get_type(attr) != type)
      continue;
    guint there = mnl_attr_get_payload_len(attr) / (guint)sizeof(guint32);
    *count = MIN(there, size);
    memcpy(out, mnl_attr_get_payload(attr), *count * sizeof(guint32));
  }
}

static void read_af_spec(const struct nlattr *spec, LwWorldLink *link) {
  const struct nlattr *attr;
  LW_FOREACH_NESTED(attr, spec) {
    if (mnl_attr_get_type(attr) == AF_INET)
      read_conf(attr, IFLA_INET_CONF, link->v4_conf + 1, G_N_ELEMENTS(link->v4_conf) - 1, &link->v4_count);
    else if (mnl_attr_get_type(attr) == AF_INET6)
      read_conf(attr, IFLA_INET6_CONF, link->v6_conf, G_N_ELEMENTS(link->v6_conf), &link->v6_count);
  }
}

/* What of a bridge or of its port is not as a new one has it, and decides about frames. */
static void read_bridge(const struct nlattr *data, LwWorldLink *link) {
  const struct nlattr *attr;
  LW_FOREACH_NESTED(attr, data) {
    if (mnl_attr_get_type(attr) == IFLA_BR_VLAN_FILTERING && u8_of(attr))
      note(&link->unknown, "it filters VLANs");
    if (mnl_attr_get_type(attr) == IFLA_BR_NF_CALL_IPTABLES)
      link->shows4 = u8_of(attr) != 0;
    if (mnl_attr_get_type(attr) == IFLA_BR_NF_CALL_IP6TABLES)
      link->shows6 = u8_of(attr) != 0;
  }
}

static void read_port(const struct nlattr *data, LwWorldLink *link) {
  const struct nlattr *attr;
  LW_FOREACH_NESTED(attr, data) {
    guint8 value = u8_of(attr);
    switch (mnl_attr_get_type(attr)) {
    case IFLA_BRPORT_STATE:
      if (value != BR_STATE_FORWARDING && link->info.running)
        note(&link->unknown, "the port does not forward");
      break;
    case IFLA_BRPORT_MODE:
      if (value)
        note(&link->unknown, "the port sends frames back");
      break;
    case IFLA_BRPORT_LOCKED:
      if (value)
        note(&link->unknown, "the port is locked");
      break;
    case IFLA_BRPORT_UNICAST_FLOOD:
      if (!value)
        note(&link->unknown, "the port gets no frames for unknown addresses");
      break;
    case IFLA_BRPORT_LEARNING:
      if (!value)
        note(&link->unknown, "nobody is learnt behind the port");
      break;
    case IFLA_BRPORT_BCAST_FLOOD:
      if (!value)
        note(&link->unknown, "the port gets no broadcasts");
      break;
    default:
      break;
    }
  }
}

static void read_info(const struct nlattr *nest, LwWorldLink *link) {
  const struct nlattr *attr, *data = NULL, *slave = NULL;
  const char *slave_kind = "";
  LW_FOREACH_NESTED(attr, nest) {
    if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
      data = attr;
    else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_DATA)
      slave = attr;
    else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND &&
             mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
      slave_kind = mnl_attr_get_str(attr);
  }
  if (data && strcmp(link->info.kind, "bridge") == 0)
    read_bridge(data, link);
  if (slave && strcmp(slave_kind, "bridge") == 0)
    read_port(slave, link);
  else if (link->info.master)
    note(&link->unknown, "it belongs to something that is no bridge");
}

LwWorldLink *lw_world_read_link(const struct nlmsghdr *nlh) {
  LwLinkInfo info;
  if (!lw_nl_read_link(nlh, &info))
    return NULL;
  LwWorldLink *link = g_new0(LwWorldLink, 1);
  link->info = info;
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof(struct ifinfomsg)) {
    if (mnl_attr_get_type(attr) == IFLA_AF_SPEC)
      read_af_spec(attr, link);
    else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
      read_info(attr, link);
    else if (mnl_attr_get_type(attr) == IFLA_XDP) {
      const struct nlattr *inner;
      LW_FOREACH_NESTED(inner, attr) {
        if (mnl_attr_get_type(inner) == IFLA_XDP_ATTACHED && u8_of(inner))
          note(&link->unknown, "an XDP program sees its frames first");
      }
    }
  }
  return link;
}

void lw_world_link_free(LwWorldLink *link) {
  if (link)
    g_free(link->unknown);
  g_free(link);
}

static void put_setting(GPtrArray *settings, const char *ns, const char *family, const char *link,
                        const char *name, guint32 value) {
  g_autofree char *whole = g_strdup_printf("net/%s/conf/%s/%s", family, link, name);
  LwResource *setting = lw_resource_new(LW_RES_SYSCTL, ns, whole);
  setting->value = g_strdup_printf("%d", (gint32)value);
  g_ptr_array_add(settings, setting);
}

/* A bridge of its own accord, whatever the namespace's settings say. */
static void put_bridge_setting(GPtrArray *settings, const char *ns, const char *bridge, const char *name) {
  g_autofree char *whole = g_strdup_printf("net/bridge/%s/%s", bridge, name);
  LwResource *setting = lw_resource_new(LW_RES_SYSCTL, ns, whole);
  setting->value = g_strdup("1");
  g_ptr_array_add(settings, setting);
}

void lw_world_link_settings(const LwWorldLink *link, const char *ns, GPtrArray *settings) {
  static const struct {
    guint number;
    const char *name;
  } v4[] = {{IPV4_DEVCONF_FORWARDING, "forwarding"},         {IPV4_DEVCONF_RP_FILTER, "rp_filter"},
            {IPV4_DEVCONF_ARP_IGNORE, "arp_ignore"},         {IPV4_DEVCONF_ARPFILTER, "arp_filter"},
            {IPV4_DEVCONF_PROXY_ARP, "proxy_arp"},           {IPV4_DEVCONF_ACCEPT_LOCAL, "accept_local"},
            {IPV4_DEVCONF_ROUTE_LOCALNET, "route_localnet"}, {IPV4_DEVCONF_SRC_VMARK, "src_valid_mark"},
            {IPV4_DEVCONF_SEND_REDIRECTS, "send_redirects"}},
    v6[] = {{DEVCONF_FORWARDING, "forwarding"}, {DEVCONF_DISABLE_IPV6, "disable_ipv6"}};
  for (guint i = 0; i < G_N_ELEMENTS(v4); i++)
    if (v4[i].number <= link->v4_count)
      put_setting(settings, ns, "ipv4", link->info.name, v4[i].name, link->v4_conf[v4[i].number]);
  for (guint i = 0; i < G_N_ELEMENTS(v6); i++)
    if (v6[i].number < link->v6_count)
      put_setting(settings, ns, "ipv6", link->info.name, v6[i].name, link->v6_conf[v6[i].number]);
  if (link->shows4)
    put_bridge_setting(settings, ns, link->info.name, "nf-call-iptables");
  if (link->shows6)
    put_bridge_setting(settings, ns, link->info.name, "nf-call-ip6tables");
}

/* --- routes
 * -------------------------------------------------------------------------------------------------- */

static LwRouteType route_type_of(guint8 number) {
  static const struct {
    guint8 number;
    LwRouteType type;
  } types[] = {{RTN_UNICAST, LW_ROUTE_UNICAST},
               {RTN_LOCAL, LW_ROUTE_LOCAL},
               {RTN_BLACKHOLE, LW_ROUTE_BLACKHOLE},
               {RTN_PROHIBIT, LW_ROUTE_PROHIBIT},
               {RTN_UNREACHABLE, LW_ROUTE_UNREACHABLE},
               {RTN_BROADCAST, LW_ROUTE_BROADCAST},
               {RTN_MULTICAST, LW_ROUTE_MULTICAST},
               {RTN_ANYCAST, LW_ROUTE_ANYCAST},
               {RTN_THROW, LW_ROUTE_THROW}};
  for (guint i = 0; i < G_N_ELEMENTS(types); i++)
    if (types[i].number == number)
      return types[i].type;
  return LW_ROUTE_OTHER;
}

/* What a route says beside its next hops. */
typedef struct {
  LwResource *route; /* the model of each */
  int oif;
  const struct nlattr *hops;
} Route;

static void read_via(const struct nlattr *attr, LwResource *route) {
  if (mnl_attr_get_payload_len(attr) < sizeof(struct rtvia))
    return;
  const struct rtvia *via = mnl_attr_get_payload(attr);
  gsize size = via->rtvia_family == AF_INET6 ? 16 : 4;
  if ((via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6) ||
      mnl_attr_get_payload_len(attr) < sizeof *via + size)
    return;
  route->via = (LwAddr){.family = via->rtvia_family == AF_INET6 ? 6 : 4};
  memcpy(route->via.bytes, via->rtvia_addr, size);
}

static void read_route_attribute(const struct nlattr *attr, guint8 family, Route *out) {
  LwResource *route = out->route;
  switch (mnl_attr_get_type(attr)) {
  case RTA_TABLE:
    route->table = u32_of(attr);
    break;
  case RTA_PRIORITY:
    route->metric = u32_of(attr);
    break;
  case RTA_OIF:
    out->oif = (int)u32_of(attr);
    break;
  case RTA_DST:
    addr_of(attr, family, &route->prefix.addr);
    break;
  case RTA_GATEWAY:
    addr_of(attr, family, &route->via);
    break;
  case RTA_PREFSRC:
    addr_of(attr, family, &route->source);
    break;
  case RTA_VIA:
    read_via(attr, route);
    break;
  case RTA_MULTIPATH:
    out->hops = attr;
    break;
  case RTA_ENCAP_TYPE:
    note(&route->unknown, "it wraps its packets in something");
    break;
  default:
    break;
  }
}

static void add_route(GPtrArray *routes, GArray *oifs, const LwResource *model, LwAddr via, int oif) {
  LwResource *route = lw_resource_new(LW_RES_ROUTE, model->ns, NULL);
  route->table = model->table;
  route->metric = model->metric;
  route->prefix = model->prefix;
  route->route_type = model->route_type;
  route->source = model->source;
  route->via = via;
  route->unknown = g_strdup(model->unknown);
  g_ptr_array_add(routes, route);
  g_array_append_val(oifs, oif);
}

static void add_hops(const Route *r, guint8 family, GPtrArray *routes, GArray *oifs) {
  const struct rtnexthop *hop = mnl_attr_get_payload(r->hops);
  int left = mnl_attr_get_payload_len(r->hops);
  note(&r->route->unknown, "one of several ways, chosen by flow");
  while (left >= (int)sizeof *hop && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= left) {
    LwResource *route = r->route;
    route->via = LW_ADDR_NONE;
    const struct nlattr *attr = (const struct nlattr *)((const char *)hop + RTNH_LENGTH(0));
    const char *end = (const char *)hop + hop->rtnh_len;
    for (; lw_nl_attr_ok(attr, end); attr = mnl_attr_next(attr)) {
      if (mnl_attr_get_type(attr) == RTA_GATEWAY)
        addr_of(attr, family, &route->via);
      else if (mnl_attr_get_type(attr) == RTA_VIA)
        read_via(attr, route);
    }
    add_route(routes, oifs, route, route->via, hop->rtnh_ifindex);
    left -= (int)RTNH_ALIGN(hop->rtnh_len);
    hop = (const struct rtnexthop *)((const char *)hop + RTNH_ALIGN(hop->rtnh_len));
  }
}

void lw_world_read_route(const struct nlmsghdr *nlh, const char *ns, GPtrArray *routes, GArray *oifs) {
  if (nlh->nlmsg_type != RTM_NEWROUTE || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)))
    return;
  const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
  gboolean v6 = info->rtm_family == AF_INET6;
  if ((!v6 && info->rtm_family != AF_INET) || (info->rtm_flags & RTM_F_CLONED))
    return;
  g_autoptr(LwResource) route = lw_resource_new(LW_RES_ROUTE, ns, NULL);
  route->table = info->rtm_table;
  route->route_type = route_type_of(info->rtm_type);
  route->prefix.addr.family = v6 ? 6 : 4;
  route->prefix.len = info->rtm_dst_len;
  if (info->rtm_src_len)
    note(&route->unknown, "for some sources only");
  if (info->rtm_tos)
    note(&route->unknown, "for one type of service only");
  if (info->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
    note(&route->unknown, "its link is down");
  Route r = {.route = route};
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof *info) {
    read_route_attribute(attr, info->rtm_family, &r);
  }
  if (v6 && route->metric == METRIC6_DEFAULT)
    route->metric = 0;
  if (r.hops)
    add_hops(&r, info->rtm_family, routes, oifs);
  else
    add_route(routes, oifs, route, route->via, r.oif);
}

/* --- rules
 * -------------------------------------------------------------------------------------------------- */

static void read_rule_attribute(const struct nlattr *attr, guint8 family, LwResource *rule) {
  switch (mnl_attr_get_type(attr)) {
  case FRA_PRIORITY:
    rule->priority = u32_of(attr);
    break;
  case FRA_FWMARK:
    rule->mark = u32_of(attr);
    break;
  case FRA_FWMASK:
    rule->mark_mask = u32_of(attr) == G_MAXUINT32 ? 0 : u32_of(attr);
    break;
  case FRA_TABLE:
    rule->table = u32_of(attr);
    break;
  case FRA_IIFNAME:
    rule->iif = g_strndup(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
    break;
  case FRA_OIFNAME:
    rule->oif = g_strndup(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
    break;
  case FRA_SRC:
    addr_of(attr, family, &rule->from.addr);
    break;
  case FRA_DST:
    addr_of(attr, family, &rule->to.addr);
    break;
  case FRA_SUPPRESS_PREFIXLEN:
    rule->suppress_default = u32_of(attr) == 0;
    if (u32_of(attr) != 0 && u32_of(attr) != G_MAXUINT32)
      note(&rule->unknown, "it takes routes of some length only");
    break;
  case FRA_SUPPRESS_IFGROUP:
    if (u32_of(attr) != G_MAXUINT32)
      note(&rule->unknown, "it leaves some routes out");
    break;
  case FRA_UID_RANGE:
    note(&rule->unknown, "it is for some users only");
    break;
  case FRA_IP_PROTO:
  case FRA_SPORT_RANGE:
  case FRA_DPORT_RANGE:
    note(&rule->unknown, "it is for some protocols or ports only");
    break;
  case FRA_L3MDEV:
    if (u8_of(attr))
      note(&rule->unknown, "it takes the table of a VRF");
    break;
  case FRA_TUN_ID:
    note(&rule->unknown, "it is for some tunnels only");
    break;
  default:
    break;
  }
}

static LwRuleAction action_of(guint8 number) {
  switch (number) {
  case FR_ACT_TO_TBL:
    return LW_RULE_LOOKUP;
  case FR_ACT_PROHIBIT:
    return LW_RULE_PROHIBIT;
  case FR_ACT_BLACKHOLE:
    return LW_RULE_BLACKHOLE;
  case FR_ACT_UNREACHABLE:
    return LW_RULE_UNREACHABLE;
  default:
    return LW_RULE_OTHER;
  }
}

LwResource *lw_world_read_rule(const struct nlmsghdr *nlh, const char *ns) {
  if (nlh->nlmsg_type != RTM_NEWRULE || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct fib_rule_hdr)))
    return NULL;
  const struct fib_rule_hdr *info = mnl_nlmsg_get_payload(nlh);
  if (info->family != AF_INET && info->family != AF_INET6)
    return NULL; /* multicast routing's have families of their own */
  LwResource *rule = lw_resource_new(LW_RES_RULE, ns, NULL);
  rule->ip_family = info->family == AF_INET6 ? 6 : 0;
  rule->table = info->table;
  rule->action = action_of(info->action);
  rule->invert = (info->flags & FIB_RULE_INVERT) != 0;
  rule->from.len = info->src_len;
  rule->to.len = info->dst_len;
  if (info->tos)
    note(&rule->unknown, "it is for one type of service only");
  if (rule->action == LW_RULE_OTHER)
    note(&rule->unknown, "it leads to another rule, or nowhere");
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof *info) {
    read_rule_attribute(attr, info->family, rule);
  }
  if (rule->action != LW_RULE_LOOKUP)
    rule->table = 0;
  return rule;
}
