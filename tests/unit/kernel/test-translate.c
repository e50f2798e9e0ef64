/* Messages written by the pure half are read back by it: what is said about a resource is what was meant. */
#include "providers/kernel/translate.h"

#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>

static guint8 buffer[LW_MESSAGE_MAX] __attribute__((aligned(8)));

static LwPrefix prefix(const char *text) {
  LwPrefix out = {0};
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwAddr addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static const struct nlattr *find_attr(const struct nlmsghdr *nlh, gsize header, guint16 type) {
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, header) {
    if (mnl_attr_get_type(attr) == type)
      return attr;
  }
  return NULL;
}

static const struct nlattr *find_nested(const struct nlattr *nest, guint16 type) {
  const struct nlattr *attr;
  g_assert_nonnull(nest);
  LW_FOREACH_NESTED(attr, nest) {
    if (mnl_attr_get_type(attr) == type)
      return attr;
  }
  return NULL;
}

static void test_bridge(void) {
  g_autoptr(LwResource) bridge = lw_resource_new(LW_RES_LINK, "", "virbr-lan10");
  bridge->mac = lw_mac_derive("x");
  bridge->mtu = 1400;
  bridge->group = 7;
  bridge->up = TRUE;
  LwLinkInfo info;
  struct nlmsghdr *nlh = lw_nl_bridge(buffer, bridge);
  g_assert_cmpuint(nlh->nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL), ==, NLM_F_CREATE | NLM_F_EXCL);
  g_assert_true(lw_nl_read_link(nlh, &info));
  g_assert_cmpstr(info.name, ==, "virbr-lan10");
  g_assert_cmpstr(info.kind, ==, "bridge");
  g_assert_true(lw_mac_equal(&info.mac, &bridge->mac));
  g_assert_cmpuint(info.mtu, ==, 1400);
  g_assert_cmpuint(info.group, ==, 7);
  g_assert_false(info.up); /* links are made down */
}

static void test_veth(void) {
  g_autoptr(LwResource) here = lw_resource_new(LW_RES_LINK, "", "lw-lan10");
  g_autoptr(LwResource) there = lw_resource_new(LW_RES_LINK, "router", "lan10");
  here->link_type = there->link_type = LW_LINK_VETH;
  here->peer = g_strdup("lan10");
  there->mac = lw_mac_derive("y");
  there->mtu = 1300;
  struct nlmsghdr *nlh = lw_nl_veth(buffer, here, there, 9);
  const struct nlattr *info = find_attr(nlh, sizeof(struct ifinfomsg), IFLA_LINKINFO);
  const struct nlattr *peer = find_nested(find_nested(info, IFLA_INFO_DATA), VETH_INFO_PEER);
  g_assert_nonnull(peer);
  /* the peer is a message of its own, less the header */
  guint8 inner[LW_MESSAGE_MAX] __attribute__((aligned(8))) = {0};
  struct nlmsghdr *as_link = mnl_nlmsg_put_header(inner);
  as_link->nlmsg_type = RTM_NEWLINK;
  memcpy(mnl_nlmsg_put_extra_header(as_link, mnl_attr_get_payload_len(peer)), mnl_attr_get_payload(peer),
         mnl_attr_get_payload_len(peer));
  LwLinkInfo read;
  g_assert_true(lw_nl_read_link(as_link, &read));
  g_assert_cmpstr(read.name, ==, "lan10");
  g_assert_true(lw_mac_equal(&read.mac, &there->mac));
  g_assert_cmpuint(read.mtu, ==, 1300);
  const struct nlattr *fd = find_attr(as_link, sizeof(struct ifinfomsg), IFLA_NET_NS_FD);
  g_assert_nonnull(fd);
  g_assert_cmpuint(mnl_attr_get_u32(fd), ==, 9);

  nlh = lw_nl_veth(buffer, here, NULL, -1); /* only the name is known */
  info = find_attr(nlh, sizeof(struct ifinfomsg), IFLA_LINKINFO);
  peer = find_nested(find_nested(info, IFLA_INFO_DATA), VETH_INFO_PEER);
  g_assert_nonnull(memmem(mnl_attr_get_payload(peer), mnl_attr_get_payload_len(peer), "lan10", 6));
}

static void test_link_change(void) {
  g_autoptr(LwResource) from = lw_resource_new(LW_RES_LINK, "", "p");
  g_autoptr(LwResource) to = lw_resource_new(LW_RES_LINK, "", "p");
  from->mtu = 1500;
  from->mac = lw_mac_derive("a");
  g_assert_null(lw_nl_change_link(buffer, 3, from, to)); /* unset: whatever it has */
  to->mtu = 1500;
  to->up = TRUE; /* is a message of its own */
  g_assert_null(lw_nl_change_link(buffer, 3, from, to));
  to->mtu = 1400;
  to->alias = g_strdup("lanward:x");
  LwLinkInfo info;
  struct nlmsghdr *nlh = lw_nl_change_link(buffer, 3, from, to);
  g_assert_nonnull(nlh);
  g_assert_cmpuint(nlh->nlmsg_type, ==, RTM_SETLINK);
  g_assert_null(find_attr(nlh, sizeof(struct ifinfomsg), IFLA_ADDRESS));
  nlh->nlmsg_type = RTM_NEWLINK;
  mnl_attr_put_strz(nlh, IFLA_IFNAME, "p");
  g_assert_true(lw_nl_read_link(nlh, &info));
  g_assert_cmpint(info.index, ==, 3);
  g_assert_cmpuint(info.mtu, ==, 1400);
  g_assert_cmpstr(info.alias, ==, "lanward:x");
}

static void test_address(void) {
  static const char *const texts[] = {"192.168.10.1/24", "10.0.0.1/32", "fd00::1/64"};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(LwResource) address = lw_resource_new(LW_RES_ADDRESS, "", NULL);
    address->prefix = prefix(texts[i]);
    LwAddressInfo info;
    g_assert_true(lw_nl_read_address(lw_nl_address(buffer, TRUE, address, 5), &info));
    g_assert_cmpint(info.index, ==, 5);
    g_assert_true(lw_prefix_equal(&info.prefix, &address->prefix));
  }
}

static void check_route(LwRouteType type, const char *to, guint32 table, guint32 metric, const char *via,
                        int oif) {
  g_autoptr(LwResource) route = lw_resource_new(LW_RES_ROUTE, "", NULL);
  g_autoptr(LwResource) back = lw_resource_new(LW_RES_ROUTE, "", NULL);
  route->route_type = type;
  route->prefix = back->prefix = prefix(to);
  route->table = back->table = table;
  route->metric = back->metric = metric;
  route->link = oif ? g_strdup("lan10") : NULL;
  if (via)
    route->via = addr(via);
  LwRouteInfo info;
  struct nlmsghdr *nlh = lw_nl_route(buffer, TRUE, route, oif);
  g_assert_cmpuint(nlh->nlmsg_flags & NLM_F_REPLACE, ==, NLM_F_REPLACE);
  g_assert_true(lw_nl_read_route(nlh, &info));
  g_assert_cmpuint(info.table, ==, table ? table : RT_TABLE_MAIN);
  g_assert_cmpuint(info.metric, ==, metric);
  g_assert_cmpuint(info.protocol, ==, LW_RTPROT);
  g_assert_true(lw_prefix_equal(&info.prefix, &route->prefix));
  g_assert_cmpint(info.oif, ==, oif);
  lw_route_fill(back, &info, info.oif ? "lan10" : NULL);
  g_assert_true(lw_resource_equal(route, back));
}

static void test_route(void) {
  check_route(LW_ROUTE_UNICAST, "0.0.0.0/0", 1001, 0, "10.0.0.1", 4);
  check_route(LW_ROUTE_UNICAST, "10.0.0.0/8", 0, 20, NULL, 4);
  check_route(LW_ROUTE_PROHIBIT, "0.0.0.0/0", 255 + 1, 4294967295u, NULL, 0);
  check_route(LW_ROUTE_BLACKHOLE, "192.168.0.0/16", 100, 5, NULL, 0);
  check_route(LW_ROUTE_UNREACHABLE, "::/0", 100, 5, NULL, 0);
  check_route(LW_ROUTE_LOCAL, "0.0.0.0/0", 100, 0, NULL, 1);
}

static void check_rule(guint32 mark, const char *iif, guint32 table, LwRuleAction action, gboolean suppress) {
  g_autoptr(LwResource) rule = lw_resource_new(LW_RES_RULE, "", NULL);
  g_autoptr(LwResource) back = lw_resource_new(LW_RES_RULE, "", NULL);
  rule->priority = back->priority = 100;
  rule->mark = mark;
  rule->iif = g_strdup(iif);
  rule->table = table;
  rule->action = action;
  rule->suppress_default = suppress;
  LwRuleInfo info;
  g_assert_true(lw_nl_read_rule(lw_nl_rule(buffer, TRUE, rule), &info));
  g_assert_true(info.plain);
  g_assert_cmpuint(info.priority, ==, 100);
  g_assert_cmpuint(info.protocol, ==, LW_RTPROT);
  lw_rule_fill(back, &info);
  g_autofree char *difference = lw_resource_difference(rule, back);
  g_assert_cmpstr(difference, ==, NULL);
}

static void test_rule(void) {
  check_rule(0x4c01, NULL, 1001, LW_RULE_LOOKUP, FALSE);
  check_rule(0, "lan10", 254, LW_RULE_LOOKUP, TRUE);
  check_rule(0, "lan10", 0, LW_RULE_PROHIBIT, FALSE);
}

static void check_path(const char *name, const char *expected) {
  g_autofree char *path = lw_sysctl_path(name);
  g_assert_cmpstr(path, ==, expected);
}

static void test_sysctl(void) {
  check_path("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward");
  check_path("net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward");
  check_path("net.ipv4.conf.eth0/5.arp_ignore", "/proc/sys/net/ipv4/conf/eth0.5/arp_ignore");
  check_path("net/ipv4/conf/eth0.5/arp_ignore", "/proc/sys/net/ipv4/conf/eth0.5/arp_ignore");
  check_path("net/../../../etc/passwd", NULL);
  check_path("net.//.//.x", NULL);
  check_path("net/..", NULL);
  check_path("/etc/passwd", NULL);
  check_path("net/", NULL);
  check_path("", NULL);
  check_path(NULL, NULL);
  g_autofree char *value = lw_sysctl_normalize("4096\t131072  6291456\n");
  g_assert_cmpstr(value, ==, "4096 131072 6291456");
}

/* Attributes that are cut short, or of another type, are not read beyond their end. */
static void test_damaged(void) {
  LwLinkInfo link;
  LwAddressInfo address;
  LwRouteInfo route;
  LwRuleInfo rule;
  struct nlmsghdr *nlh = lw_nl_get_link(buffer, "x");
  g_assert_false(lw_nl_read_link(nlh, &link));
  g_assert_false(lw_nl_read_address(nlh, &address));
  g_assert_false(lw_nl_read_route(nlh, &route));
  g_assert_false(lw_nl_read_rule(nlh, &rule));
  memset(buffer, 0, sizeof buffer);
  nlh = mnl_nlmsg_put_header(buffer);
  nlh->nlmsg_type = RTM_NEWADDR;
  g_assert_false(lw_nl_read_address(nlh, &address)); /* no payload at all */
  struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);
  info->ifa_family = AF_INET;
  mnl_attr_put_u16(nlh, IFA_LOCAL, 7);
  g_assert_false(lw_nl_read_address(nlh, &address)); /* two bytes are no address */
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/translate/bridge", test_bridge);
  g_test_add_func("/translate/veth", test_veth);
  g_test_add_func("/translate/link-change", test_link_change);
  g_test_add_func("/translate/address", test_address);
  g_test_add_func("/translate/route", test_route);
  g_test_add_func("/translate/rule", test_rule);
  g_test_add_func("/translate/sysctl", test_sysctl);
  g_test_add_func("/translate/damaged", test_damaged);
  return g_test_run();
}
