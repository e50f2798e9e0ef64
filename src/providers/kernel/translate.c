#include "providers/kernel/translate.h"

#include <linux/fib_rules.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>

#define ADDR_GEN_MODE_NONE 1 /* IN6_ADDR_GEN_MODE_NONE of linux/if_link.h, an enum that old headers lack */
#define METRIC6_DEFAULT 1024 /* what the kernel makes of metric 0 in IPv6 */

static int af_of(const LwAddr *addr) {
  return addr->family == 6 ? AF_INET6 : AF_INET;
}

static guint16 bytes_of(const LwAddr *addr) {
  return addr->family == 6 ? 16 : 4;
}

static gboolean addr_from(const struct nlattr *attr, guint8 family, LwAddr *out) {
  guint16 want = family == AF_INET6 ? 16 : 4;
  if (mnl_attr_get_payload_len(attr) != want)
    return FALSE;
  *out = LW_ADDR_NONE;
  out->family = family == AF_INET6 ? 6 : 4;
  memcpy(out->bytes, mnl_attr_get_payload(attr), want);
  return TRUE;
}

static void text_from(const struct nlattr *attr, char *out, gsize size) {
  gsize length = MIN((gsize)mnl_attr_get_payload_len(attr), size - 1);
  memcpy(out, mnl_attr_get_payload(attr), length);
  out[length] = '\0';
}

static guint32 u32_from(const struct nlattr *attr) {
  guint32 value = 0;
  if (mnl_attr_get_payload_len(attr) >= sizeof value)
    memcpy(&value, mnl_attr_get_payload(attr), sizeof value);
  return value;
}

static void read_slave_data(const struct nlattr *nest, LwLinkInfo *out) {
  const struct nlattr *attr;
  LW_FOREACH_NESTED(attr, nest) {
    if (mnl_attr_get_type(attr) == IFLA_BRPORT_ISOLATED && mnl_attr_get_payload_len(attr) >= 1)
      out->isolated = mnl_attr_get_u8(attr) != 0;
  }
}

static void read_link_info(const struct nlattr *nest, LwLinkInfo *out) {
  const struct nlattr *attr, *slave = NULL;
  char slave_kind[16] = "";
  LW_FOREACH_NESTED(attr, nest) {
    if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
      text_from(attr, out->kind, sizeof out->kind);
    else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND)
      text_from(attr, slave_kind, sizeof slave_kind);
    else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_DATA)
      slave = attr;
  }
  if (slave && strcmp(slave_kind, "bridge") == 0)
    read_slave_data(slave, out);
}

gboolean lw_nl_read_link(const struct nlmsghdr *nlh, LwLinkInfo *out) {
  if (nlh->nlmsg_type != RTM_NEWLINK || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
    return FALSE;
  const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
  memset(out, 0, sizeof *out);
  out->index = info->ifi_index;
  out->up = (info->ifi_flags & IFF_UP) != 0;
  out->running = (info->ifi_flags & IFF_RUNNING) != 0;
  out->peer_nsid = -1;
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof *info) {
    switch (mnl_attr_get_type(attr)) {
    case IFLA_IFNAME:
      text_from(attr, out->name, sizeof out->name);
      break;
    case IFLA_IFALIAS:
      text_from(attr, out->alias, sizeof out->alias);
      break;
    case IFLA_MTU:
      out->mtu = u32_from(attr);
      break;
    case IFLA_GROUP:
      out->group = u32_from(attr);
      break;
    case IFLA_MASTER:
      out->master = (int)u32_from(attr);
      break;
    case IFLA_LINK:
      out->peer = (int)u32_from(attr);
      break;
    case IFLA_LINK_NETNSID:
      out->peer_nsid = (int)u32_from(attr);
      break;
    case IFLA_ADDRESS:
      if (mnl_attr_get_payload_len(attr) == sizeof out->mac.bytes)
        memcpy(out->mac.bytes, mnl_attr_get_payload(attr), sizeof out->mac.bytes);
      break;
    case IFLA_LINKINFO:
      read_link_info(attr, out);
      break;
    default:
      break;
    }
  }
  return *out->name != '\0';
}

gboolean lw_nl_read_address(const struct nlmsghdr *nlh, LwAddressInfo *out) {
  if (nlh->nlmsg_type != RTM_NEWADDR || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
    return FALSE;
  const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
  if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
    return FALSE;
  LwAddr address = LW_ADDR_NONE, local = LW_ADDR_NONE;
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof *info) {
    if (mnl_attr_get_type(attr) == IFA_ADDRESS)
      addr_from(attr, info->ifa_family, &address);
    else if (mnl_attr_get_type(attr) == IFA_LOCAL)
      addr_from(attr, info->ifa_family, &local);
  }
  out->index = (int)info->ifa_index;
  out->prefix.addr = lw_addr_is_set(&local) ? local : address;
  out->prefix.len = info->ifa_prefixlen;
  return lw_addr_is_set(&out->prefix.addr);
}

static const struct {
  LwRouteType type;
  guint8 number;
} route_types[] = {{LW_ROUTE_UNICAST, RTN_UNICAST},
                   {LW_ROUTE_LOCAL, RTN_LOCAL},
                   {LW_ROUTE_BLACKHOLE, RTN_BLACKHOLE},
                   {LW_ROUTE_PROHIBIT, RTN_PROHIBIT},
                   {LW_ROUTE_UNREACHABLE, RTN_UNREACHABLE}};

static gboolean route_type_from(guint8 number, LwRouteType *out) {
  for (guint i = 0; i < G_N_ELEMENTS(route_types); i++) {
    if (route_types[i].number == number) {
      *out = route_types[i].type;
      return TRUE;
    }
  }
  return FALSE;
}

static guint8 route_type_number(LwRouteType type) {
  for (guint i = 0; i < G_N_ELEMENTS(route_types); i++)
    if (route_types[i].type == type)
      return route_types[i].number;
  return RTN_UNICAST;
}

static gboolean has_link(LwRouteType type) {
  return type == LW_ROUTE_UNICAST || type == LW_ROUTE_LOCAL;
}

gboolean lw_nl_read_route(const struct nlmsghdr *nlh, LwRouteInfo *out) {
  if (nlh->nlmsg_type != RTM_NEWROUTE || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)))
    return FALSE;
  const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
  memset(out, 0, sizeof *out);
  gboolean v6 = info->rtm_family == AF_INET6;
  if ((!v6 && info->rtm_family != AF_INET) || (info->rtm_flags & RTM_F_CLONED) || info->rtm_src_len ||
      info->rtm_tos || !route_type_from(info->rtm_type, &out->type))
    return FALSE;
  out->table = info->rtm_table;
  out->protocol = info->rtm_protocol;
  out->prefix.addr.family = v6 ? 6 : 4;
  out->prefix.len = info->rtm_dst_len;
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof *info) {
    switch (mnl_attr_get_type(attr)) {
    case RTA_TABLE:
      out->table = u32_from(attr);
      break;
    case RTA_PRIORITY:
      out->metric = u32_from(attr);
      break;
    case RTA_OIF:
      out->oif = (int)u32_from(attr);
      break;
    case RTA_DST:
      addr_from(attr, info->rtm_family, &out->prefix.addr);
      break;
    case RTA_GATEWAY:
      addr_from(attr, info->rtm_family, &out->via);
      break;
    case RTA_PREFSRC:
      addr_from(attr, info->rtm_family, &out->source);
      break;
    case RTA_MULTIPATH:
    case RTA_VIA:
      return FALSE;
    default:
      break;
    }
  }
  if (!has_link(out->type))
    out->oif = 0; /* IPv6 says lo */
  if (v6 && out->metric == METRIC6_DEFAULT)
    out->metric = 0;
  return TRUE;
}

gboolean lw_nl_read_rule(const struct nlmsghdr *nlh, LwRuleInfo *out) {
  if (nlh->nlmsg_type != RTM_NEWRULE || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct fib_rule_hdr)))
    return FALSE;
  const struct fib_rule_hdr *info = mnl_nlmsg_get_payload(nlh);
  memset(out, 0, sizeof *out);
  out->table = info->table;
  out->plain = !info->src_len && !info->dst_len && !info->tos && !(info->flags & FIB_RULE_INVERT) &&
               (info->action == FR_ACT_TO_TBL || info->action == FR_ACT_PROHIBIT);
  out->action = info->action == FR_ACT_PROHIBIT ? LW_RULE_PROHIBIT : LW_RULE_LOOKUP;
  guint32 mask = G_MAXUINT32;
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof *info) {
    switch (mnl_attr_get_type(attr)) {
    case FRA_PRIORITY:
      out->priority = u32_from(attr);
      break;
    case FRA_FWMARK:
      out->mark = u32_from(attr);
      break;
    case FRA_FWMASK:
      mask = u32_from(attr);
      break;
    case FRA_TABLE:
      out->table = u32_from(attr);
      break;
    case FRA_IIFNAME:
      text_from(attr, out->iif, sizeof out->iif);
      break;
    case FRA_OIFNAME:
      text_from(attr, out->oif, sizeof out->oif);
      break;
    case FRA_SUPPRESS_PREFIXLEN:
      out->suppress_default = u32_from(attr) == 0;
      out->plain = out->plain && (u32_from(attr) == 0 || u32_from(attr) == G_MAXUINT32);
      break;
    case FRA_PROTOCOL:
      out->protocol = mnl_attr_get_u8(attr);
      break;
    case FRA_SRC:
    case FRA_DST:
    case FRA_UID_RANGE:
    case FRA_IP_PROTO:
    case FRA_SPORT_RANGE:
    case FRA_DPORT_RANGE:
    case FRA_L3MDEV:
      out->plain = FALSE;
      break;
    default:
      break;
    }
  }
  if (out->mark != 0 && mask != G_MAXUINT32)
    out->plain = FALSE;
  if (out->action == LW_RULE_PROHIBIT)
    out->table = 0;
  return TRUE;
}

static struct nlmsghdr *put_header(void *buffer, guint16 type, guint16 flags) {
  memset(buffer, 0, LW_MESSAGE_MAX);
  struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
  nlh->nlmsg_type = type;
  nlh->nlmsg_flags = NLM_F_REQUEST | flags;
  return nlh;
}

static struct ifinfomsg *put_ifinfo(struct nlmsghdr *nlh, int index) {
  struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
  info->ifi_family = AF_UNSPEC;
  info->ifi_index = index;
  return info;
}

static struct nlmsghdr *put_link(void *buffer, guint16 type, guint16 flags, int index) {
  struct nlmsghdr *nlh = put_header(buffer, type, flags);
  put_ifinfo(nlh, index);
  return nlh;
}

struct nlmsghdr *lw_nl_get_link(void *buffer, const char *name) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_GETLINK, 0, 0);
  mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
  mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  return nlh;
}

struct nlmsghdr *lw_nl_dump(void *buffer, guint16 type, guint8 family) {
  struct nlmsghdr *nlh = put_header(buffer, type, NLM_F_DUMP);
  if (type == RTM_GETLINK) {
    put_ifinfo(nlh, 0)->ifi_family = family;
    mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  } else if (type == RTM_GETADDR) {
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
    info->ifa_family = family;
  } else if (type == RTM_GETROUTE) {
    struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
    info->rtm_family = family;
  } else {
    struct fib_rule_hdr *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
    info->family = family;
  }
  return nlh;
}

struct nlmsghdr *lw_nl_get_nsid(void *buffer, int ns_fd) {
  struct nlmsghdr *nlh = put_header(buffer, RTM_GETNSID, 0);
  struct rtgenmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
  info->rtgen_family = AF_UNSPEC;
  mnl_attr_put_u32(nlh, NETNSA_FD, (guint32)ns_fd);
  return nlh;
}

/* What rtnetlink takes from the message that makes a link, for either end of a veth. */
static void put_birth(struct nlmsghdr *nlh, const LwResource *link) {
  mnl_attr_put_strz(nlh, IFLA_IFNAME, link->name);
  if (lw_mac_is_set(&link->mac))
    mnl_attr_put(nlh, IFLA_ADDRESS, sizeof link->mac.bytes, link->mac.bytes);
  if (link->mtu)
    mnl_attr_put_u32(nlh, IFLA_MTU, link->mtu);
  if (link->group)
    mnl_attr_put_u32(nlh, IFLA_GROUP, link->group);
}

#define CREATE_FLAGS (NLM_F_CREATE | NLM_F_EXCL)

struct nlmsghdr *lw_nl_bridge(void *buffer, const LwResource *bridge) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_NEWLINK, CREATE_FLAGS, 0);
  put_birth(nlh, bridge);
  struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
  mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
  struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
  mnl_attr_put_u32(nlh, IFLA_BR_STP_STATE, 0);
  mnl_attr_put_u8(nlh, IFLA_BR_MCAST_SNOOPING, 0);
  mnl_attr_put_u32(nlh, IFLA_BR_FORWARD_DELAY, 0);
  mnl_attr_nest_end(nlh, data);
  mnl_attr_nest_end(nlh, info);
  return nlh;
}

struct nlmsghdr *lw_nl_veth(void *buffer, const LwResource *end, const LwResource *peer, int peer_ns_fd) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_NEWLINK, CREATE_FLAGS, 0);
  put_birth(nlh, end);
  struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
  mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
  struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
  struct nlattr *other = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
  put_ifinfo(nlh, 0);
  if (peer)
    put_birth(nlh, peer);
  else
    mnl_attr_put_strz(nlh, IFLA_IFNAME, end->peer);
  if (peer_ns_fd >= 0)
    mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (guint32)peer_ns_fd);
  mnl_attr_nest_end(nlh, other);
  mnl_attr_nest_end(nlh, data);
  mnl_attr_nest_end(nlh, info);
  return nlh;
}

struct nlmsghdr *lw_nl_delete_link(void *buffer, int index) {
  return put_link(buffer, RTM_DELLINK, 0, index);
}

struct nlmsghdr *lw_nl_delete_group(void *buffer, guint32 group) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_DELLINK, 0, 0);
  mnl_attr_put_u32(nlh, IFLA_GROUP, group);
  return nlh;
}

struct nlmsghdr *lw_nl_set_up(void *buffer, int index, gboolean up) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_SETLINK, 0, index);
  struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
  info->ifi_change = IFF_UP;
  info->ifi_flags = up ? IFF_UP : 0;
  return nlh;
}

struct nlmsghdr *lw_nl_set_master(void *buffer, int index, int master) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_SETLINK, 0, index);
  mnl_attr_put_u32(nlh, IFLA_MASTER, (guint32)master);
  return nlh;
}

struct nlmsghdr *lw_nl_set_group(void *buffer, int index, guint32 group) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_SETLINK, 0, index);
  mnl_attr_put_u32(nlh, IFLA_GROUP, group);
  return nlh;
}

struct nlmsghdr *lw_nl_set_isolated(void *buffer, int index, gboolean isolated) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_NEWLINK, 0, index);
  struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
  mnl_attr_put_strz(nlh, IFLA_INFO_SLAVE_KIND, "bridge");
  struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_SLAVE_DATA);
  mnl_attr_put_u8(nlh, IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
  mnl_attr_nest_end(nlh, data);
  mnl_attr_nest_end(nlh, info);
  return nlh;
}

struct nlmsghdr *lw_nl_dress(void *buffer, int index, const char *alias, int master, gboolean ipv6) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_SETLINK, 0, index);
  if (alias && *alias)
    mnl_attr_put(nlh, IFLA_IFALIAS, strlen(alias), alias);
  if (ipv6) {
    struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
    mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(nlh, inet6);
    mnl_attr_nest_end(nlh, spec);
  }
  if (master)
    mnl_attr_put_u32(nlh, IFLA_MASTER, (guint32)master);
  return nlh;
}

static gboolean text_differs(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "") != 0;
}

struct nlmsghdr *lw_nl_change_link(void *buffer, int index, const LwResource *from, const LwResource *to) {
  struct nlmsghdr *nlh = put_link(buffer, RTM_SETLINK, 0, index);
  guint32 empty = nlh->nlmsg_len;
  if (lw_mac_is_set(&to->mac) && !lw_mac_equal(&from->mac, &to->mac))
    mnl_attr_put(nlh, IFLA_ADDRESS, sizeof to->mac.bytes, to->mac.bytes);
  if (to->mtu && from->mtu != to->mtu)
    mnl_attr_put_u32(nlh, IFLA_MTU, to->mtu);
  if (from->group != to->group)
    mnl_attr_put_u32(nlh, IFLA_GROUP, to->group);
  if (text_differs(from->alias, to->alias)) /* an empty one is taken away */
    mnl_attr_put(nlh, IFLA_IFALIAS, to->alias ? strlen(to->alias) : 0, to->alias ? to->alias : "");
  return nlh->nlmsg_len > empty ? nlh : NULL;
}

static void put_addr(struct nlmsghdr *nlh, guint16 type, const LwAddr *addr) {
  mnl_attr_put(nlh, type, bytes_of(addr), addr->bytes);
}

struct nlmsghdr *lw_nl_address(void *buffer, gboolean add, const LwResource *address, int index) {
  const LwPrefix *prefix = &address->prefix;
  struct nlmsghdr *nlh =
      add ? put_header(buffer, RTM_NEWADDR, CREATE_FLAGS) : put_header(buffer, RTM_DELADDR, 0);
  struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
  info->ifa_family = (guint8)af_of(&prefix->addr);
  info->ifa_prefixlen = prefix->len;
  info->ifa_index = (guint32)index;
  info->ifa_scope =
      prefix->addr.family == 4 && prefix->addr.bytes[0] == 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  if (add && prefix->addr.family == 6)
    info->ifa_flags = IFA_F_NODAD; /* the lab hands its addresses out itself; waiting would only make a gap */
  put_addr(nlh, IFA_LOCAL, &prefix->addr);
  put_addr(nlh, IFA_ADDRESS, &prefix->addr);
  if (add && prefix->addr.family == 4 && prefix->len <= 30) {
    LwAddr last = lw_prefix_range(prefix).last;
    put_addr(nlh, IFA_BROADCAST, &last);
  }
  return nlh;
}

struct nlmsghdr *lw_nl_route(void *buffer, gboolean add, const LwResource *route, int oif) {
  const LwPrefix network = lw_prefix_network(&route->prefix);
  struct nlmsghdr *nlh = add ? put_header(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE)
                             : put_header(buffer, RTM_DELROUTE, 0);
  struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
  guint32 table = route->table ? route->table : RT_TABLE_MAIN;
  info->rtm_family = (guint8)af_of(&network.addr);
  info->rtm_dst_len = network.len;
  info->rtm_table = table < 256 ? (guint8)table : RT_TABLE_COMPAT;
  info->rtm_protocol = LW_RTPROT;
  info->rtm_type = route_type_number(route->route_type);
  info->rtm_scope = !add                                                          ? RT_SCOPE_NOWHERE
                    : route->route_type == LW_ROUTE_LOCAL                         ? RT_SCOPE_HOST
                    : route->route_type != LW_ROUTE_UNICAST                       ? RT_SCOPE_UNIVERSE
                    : lw_addr_is_set(&route->via) || info->rtm_family == AF_INET6 ? RT_SCOPE_UNIVERSE
                                                                                  : RT_SCOPE_LINK;
  if (table >= 256)
    mnl_attr_put_u32(nlh, RTA_TABLE, table);
  if (network.len > 0)
    put_addr(nlh, RTA_DST, &network.addr);
  if (route->metric)
    mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
  if (lw_addr_is_set(&route->via))
    put_addr(nlh, RTA_GATEWAY, &route->via);
  if (lw_addr_is_set(&route->source))
    put_addr(nlh, RTA_PREFSRC, &route->source);
  if (oif)
    mnl_attr_put_u32(nlh, RTA_OIF, (guint32)oif);
  return nlh;
}

struct nlmsghdr *lw_nl_rule(void *buffer, gboolean add, const LwResource *rule) {
  struct nlmsghdr *nlh =
      add ? put_header(buffer, RTM_NEWRULE, CREATE_FLAGS) : put_header(buffer, RTM_DELRULE, 0);
  struct fib_rule_hdr *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
  gboolean lookup = rule->action == LW_RULE_LOOKUP;
  guint32 table = !lookup ? 0 : rule->table ? rule->table : RT_TABLE_MAIN;
  info->family = AF_INET;
  info->action = lookup ? FR_ACT_TO_TBL : FR_ACT_PROHIBIT;
  info->table = table < 256 ? (guint8)table : RT_TABLE_UNSPEC;
  if (table >= 256)
    mnl_attr_put_u32(nlh, FRA_TABLE, table);
  mnl_attr_put_u32(nlh, FRA_PRIORITY, rule->priority);
  mnl_attr_put_u8(nlh, FRA_PROTOCOL, LW_RTPROT);
  if (rule->mark) {
    mnl_attr_put_u32(nlh, FRA_FWMARK, rule->mark);
    mnl_attr_put_u32(nlh, FRA_FWMASK, G_MAXUINT32);
  }
  if (rule->iif && *rule->iif)
    mnl_attr_put_strz(nlh, FRA_IIFNAME, rule->iif);
  if (rule->oif && *rule->oif)
    mnl_attr_put_strz(nlh, FRA_OIFNAME, rule->oif);
  if (rule->suppress_default)
    mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, 0);
  return nlh;
}

static char *text_or_null(const char *text) {
  return text && *text ? g_strdup(text) : NULL;
}

void lw_route_fill(LwResource *route, const LwRouteInfo *info, const char *link) {
  route->route_type = info->type;
  route->via = info->via;
  route->source = info->source;
  route->link = text_or_null(link);
}

void lw_rule_fill(LwResource *rule, const LwRuleInfo *info) {
  rule->mark = info->mark;
  rule->table = info->table;
  rule->action = info->action;
  rule->suppress_default = info->suppress_default;
  rule->iif = text_or_null(info->iif);
  rule->oif = text_or_null(info->oif);
}

char *lw_sysctl_path(const char *name) {
  gsize first = name ? strcspn(name, "./") : 0;
  if (first == 0)
    return NULL;
  char *path = g_strconcat("/proc/sys/", name, NULL);
  gboolean dotted = name[first] == '.';
  for (char *at = path + strlen("/proc/sys/"); dotted && *at; at++)
    *at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
  if (strstr(path, "/../") || strstr(path, "/./") || strstr(path, "//") || g_str_has_suffix(path, "/") ||
      g_str_has_suffix(path, "/.."))
    g_clear_pointer(&path, g_free);
  return path;
}

char *lw_sysctl_normalize(const char *text) {
  g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \t\n", -1);
  g_autoptr(GString) out = g_string_new(NULL);
  for (guint i = 0; words[i]; i++) {
    if (!*words[i])
      continue;
    if (out->len > 0)
      g_string_append_c(out, ' ');
    g_string_append(out, words[i]);
  }
  return g_string_free(g_steal_pointer(&out), FALSE);
}
