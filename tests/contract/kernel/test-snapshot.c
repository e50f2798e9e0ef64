/* A look at the whole of some namespaces, against what ip(8) and /proc/sys say of the same. */
#include "base/netns.h"
#include "base/process.h"
#include "providers/kernel/snapshot.h"

#include "tests/unit/kernel/sandbox.h"

#include <string.h>

static const char *const places[] = {"", "router", "guest", NULL};

static char *run(const char *netns, const char *line) {
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) argv = g_strsplit(line, " ", -1);
  LwCommand command = {.argv = (const char *const *)argv, .netns = netns};
  char *output = lw_command_run(&command, &error);
  if (error)
    g_test_message("%s", line);
  g_assert_no_error(error);
  return output;
}

static void ip(const char *netns, const char *rest) {
  g_autofree char *line = g_strconcat("ip ", rest, NULL);
  g_free(run(netns, line));
}

static void write_setting(const char *netns, const char *path, const char *value) {
  g_autofree char *line = g_strdup_printf("sysctl -w %s=%s", path, value);
  g_free(run(netns, line));
}

static void make_world(void) {
  g_autoptr(GError) error = NULL;
  for (guint i = 1; places[i]; i++)
    g_assert_true(lw_netns_create(places[i], &error));
  static const char *const host[] = {
      "link add br0 type bridge",
      "link add p1 type veth peer name lan netns router",
      "link add p2 type veth peer name eth0 netns guest",
      "link add p3 type veth peer name p4",
      "link add v5 link p3 type macvlan",
      "link set p1 master br0",
      "link set p2 master br0 alias lanward",
      "link set p2 type bridge_slave isolated on",
      "link set p4 mtu 1400 group 77",
      "link set br0 up",
      "link set p1 up",
      "link set p2 up",
      "link set p3 up",
      "link set p4 up",
      "address add 10.0.0.1/24 dev br0",
      "address add fd00::1/64 dev br0 nodad",
      "address add 10.9.0.1/24 dev p3",
      "address add 10.9.1.1/32 peer 10.9.1.2/32 dev p3",
      "route add 10.1.0.0/16 via 10.0.0.9",
      "route add 10.2.0.0/16 via 10.0.0.9 table 100 metric 5 src 10.0.0.1",
      "route add blackhole 10.3.0.0/16",
      "route add prohibit default table 1001",
      "route add throw 10.4.0.0/16 table 1001",
      "route add 10.5.0.0/16 nexthop via 10.0.0.9 nexthop via 10.9.0.9 weight 2",
      "route add 10.6.0.0/16 via inet6 fd00::9 dev br0",
      "-6 route add fd01::/64 via fd00::9 dev br0",
      "-6 route add unreachable fd02::/64 metric 7",
      "-6 route add fd03::/64 nexthop via fd00::9 dev br0 nexthop via fd00::a dev br0",
      "rule add fwmark 0x4c01 table 100 priority 50",
      "rule add fwmark 0x10/0xf0 from 10.0.0.0/24 to 10.1.0.0/16 iif br0 table 100 priority 60",
      "rule add not from 10.7.0.0/16 prohibit priority 61",
      "rule add oif p3 unreachable priority 62",
      "rule add table main suppress_prefixlength 0 priority 63",
      "rule add table main suppress_prefixlength 8 priority 64",
      "rule add ipproto tcp dport 53 table 100 priority 65",
      "rule add from 10.8.0.0/16 table 100 priority 65",
      "-6 rule add from fd00::/64 table 100 priority 65",
  };
  for (guint i = 0; i < G_N_ELEMENTS(host); i++)
    ip("", host[i]);
  ip("router", "link set lan up");
  ip("router", "address add 10.0.0.9/24 dev lan");
  ip("guest", "link set eth0 up");
  write_setting("router", "net.ipv4.ip_forward", "1");
  write_setting("router", "net.ipv4.conf.lan.rp_filter", "2");
  write_setting("router", "net.ipv6.conf.lan.disable_ipv6", "1");
  write_setting("", "net.ipv4.conf.p3.arp_ignore", "8");
  g_usleep(100000); /* ports of a bridge come up a moment after their links */
}

static LwResourceSet *look(void) {
  g_autoptr(GError) error = NULL;
  LwResourceSet *seen = lw_resource_set_new();
  g_assert_true(lw_kernel_snapshot(places, seen, &error));
  g_assert_no_error(error);
  g_assert_true(seen->complete);
  return seen;
}

static const LwResource *find(const LwResourceSet *seen, const char *key) {
  const LwResource *resource = lw_resource_set_find(seen, key);
  if (!resource) {
    for (guint i = 0; i < seen->list->len; i++) {
      g_autofree char *there = lw_resource_key(seen->list->pdata[i]);
      g_test_message("%s", there);
    }
    g_test_message("no %s", key);
  }
  g_assert_nonnull(resource);
  return resource;
}

static guint count(const LwResourceSet *seen, LwResourceKind kind, const char *ns, guint8 family) {
  guint found = 0;
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    guint8 of = kind == LW_RES_RULE ? (r->ip_family == 6 ? 6 : 4) : r->prefix.addr.family;
    found += r->kind == kind && strcmp(r->ns, ns) == 0 && (!family || of == family);
  }
  return found;
}

static guint listed(const char *ns, const char *what) {
  g_autofree char *line = g_strdup_printf("ip -j %s", what);
  g_autofree char *text = run(ns, line);
  g_autoptr(JsonParser) parser = json_parser_new();
  g_assert_true(json_parser_load_from_data(parser, text, -1, NULL));
  return json_array_get_length(json_node_get_array(json_parser_get_root(parser)));
}

static guint addresses_listed(const char *ns) {
  g_autofree char *text = run(ns, "ip -o address");
  guint lines = 0;
  for (const char *at = text; *at; at++)
    lines += *at == '\n';
  return lines;
}

/* Nothing is left out: as many of each as ip lists; next hops are a route each. */
static void test_all(void) {
  g_autoptr(LwResourceSet) seen = look();
  for (guint i = 0; places[i]; i++) {
    const char *ns = places[i];
    gboolean host = !*ns;
    g_assert_cmpuint(count(seen, LW_RES_LINK, ns, 0), ==, listed(ns, "link"));
    g_assert_cmpuint(count(seen, LW_RES_ADDRESS, ns, 0), ==, addresses_listed(ns));
    g_assert_cmpuint(count(seen, LW_RES_ROUTE, ns, 4), ==, listed(ns, "-4 route show table all") + host);
    g_assert_cmpuint(count(seen, LW_RES_ROUTE, ns, 6), ==, listed(ns, "-6 route show table all") + host);
    g_assert_cmpuint(count(seen, LW_RES_RULE, ns, 4), ==, listed(ns, "-4 rule"));
    g_assert_cmpuint(count(seen, LW_RES_RULE, ns, 6), ==, listed(ns, "-6 rule"));
  }
}

static void test_links(void) {
  g_autoptr(LwResourceSet) seen = look();
  const LwResource *p1 = find(seen, "link:/p1"), *lan = find(seen, "link:router/lan");
  g_assert_cmpint(p1->link_type, ==, LW_LINK_VETH);
  g_assert_cmpstr(p1->peer_ns, ==, "router");
  g_assert_cmpstr(p1->peer, ==, "lan");
  g_assert_cmpstr(p1->master, ==, "br0");
  g_assert_true(p1->up);
  g_assert_false(p1->isolated);
  g_assert_cmpstr(p1->unknown, ==, NULL);
  g_assert_cmpstr(lan->peer_ns, ==, "");
  g_assert_cmpstr(lan->peer, ==, "p1");
  g_assert_true(find(seen, "link:/p2")->isolated);
  g_assert_cmpstr(find(seen, "link:/p2")->alias, ==, "lanward");
  g_assert_cmpstr(find(seen, "link:/p2")->peer_ns, ==, "guest");
  g_assert_cmpstr(find(seen, "link:/p3")->peer, ==, "p4");
  g_assert_cmpstr(find(seen, "link:/p3")->peer_ns, ==, "");
  g_assert_cmpuint(find(seen, "link:/p4")->mtu, ==, 1400);
  g_assert_cmpuint(find(seen, "link:/p4")->group, ==, 77);
  const LwResource *below = find(seen, "link:/v5");
  g_assert_cmpint(below->link_type, ==, LW_LINK_EXTERNAL);
  g_assert_cmpstr(below->kind_name, ==, "macvlan");
  g_assert_cmpstr(below->link, ==, "p3");
  g_assert_false(below->up);
  g_assert_cmpint(find(seen, "link:/br0")->link_type, ==, LW_LINK_BRIDGE);
}

static void assert_route(const LwResource *route, LwRouteType type, const char *via, const char *link,
                         const char *source) {
  g_autofree char *next = lw_addr_format(&route->via);
  g_autofree char *from = lw_addr_format(&route->source);
  g_assert_cmpint(route->route_type, ==, type);
  g_assert_cmpstr(next, ==, via);
  g_assert_cmpstr(route->link ? route->link : "", ==, link);
  g_assert_cmpstr(from, ==, source);
}

static void test_routes(void) {
  g_autoptr(LwResourceSet) seen = look();
  assert_route(find(seen, "route:/254/10.1.0.0/16/0"), LW_ROUTE_UNICAST, "10.0.0.9", "br0", "");
  assert_route(find(seen, "route:/100/10.2.0.0/16/5"), LW_ROUTE_UNICAST, "10.0.0.9", "br0", "10.0.0.1");
  assert_route(find(seen, "route:/254/10.3.0.0/16/0"), LW_ROUTE_BLACKHOLE, "", "", "");
  assert_route(find(seen, "route:/1001/0.0.0.0/0/0"), LW_ROUTE_PROHIBIT, "", "", "");
  assert_route(find(seen, "route:/1001/10.4.0.0/16/0"), LW_ROUTE_THROW, "", "", "");
  assert_route(find(seen, "route:/254/10.5.0.0/16/0"), LW_ROUTE_UNICAST, "10.0.0.9", "br0", "");
  assert_route(find(seen, "route:/254/10.5.0.0/16/0/1"), LW_ROUTE_UNICAST, "10.9.0.9", "p3", "");
  g_assert_nonnull(find(seen, "route:/254/10.5.0.0/16/0/1")->unknown);
  assert_route(find(seen, "route:/254/10.6.0.0/16/0"), LW_ROUTE_UNICAST, "fd00::9", "br0", "");
  assert_route(find(seen, "route:/254/fd01::/64/0"), LW_ROUTE_UNICAST, "fd00::9", "br0", "");
  assert_route(find(seen, "route:/254/fd02::/64/7"), LW_ROUTE_UNREACHABLE, "", "", "");
  assert_route(find(seen, "route:/254/10.0.0.0/24/0"), LW_ROUTE_UNICAST, "", "br0", "10.0.0.1");
  assert_route(find(seen, "route:/255/10.0.0.1/32/0"), LW_ROUTE_LOCAL, "", "br0", "10.0.0.1");
  assert_route(find(seen, "route:/255/10.0.0.255/32/0"), LW_ROUTE_BROADCAST, "", "br0", "10.0.0.1");
  g_assert_cmpstr(find(seen, "route:/254/10.1.0.0/16/0")->unknown, ==, NULL);
}

static void test_rules(void) {
  g_autoptr(LwResourceSet) seen = look();
  g_assert_cmpuint(find(seen, "rule:/50")->mark, ==, 0x4c01);
  g_assert_cmpuint(find(seen, "rule:/50")->mark_mask, ==, 0);
  g_assert_cmpuint(find(seen, "rule:/50")->table, ==, 100);
  const LwResource *rule = find(seen, "rule:/60");
  g_autofree char *from = lw_prefix_format(&rule->from);
  g_autofree char *to = lw_prefix_format(&rule->to);
  g_assert_cmpuint(rule->mark_mask, ==, 0xf0);
  g_assert_cmpstr(from, ==, "10.0.0.0/24");
  g_assert_cmpstr(to, ==, "10.1.0.0/16");
  g_assert_cmpstr(rule->iif, ==, "br0");
  g_assert_cmpstr(rule->unknown, ==, NULL);
  g_assert_true(find(seen, "rule:/61")->invert);
  g_assert_cmpint(find(seen, "rule:/61")->action, ==, LW_RULE_PROHIBIT);
  g_assert_cmpint(find(seen, "rule:/62")->action, ==, LW_RULE_UNREACHABLE);
  g_assert_cmpstr(find(seen, "rule:/62")->oif, ==, "p3");
  g_assert_true(find(seen, "rule:/63")->suppress_default);
  g_assert_nonnull(find(seen, "rule:/64")->unknown);
  g_assert_nonnull(find(seen, "rule:/65")->unknown);
  g_assert_cmpstr(find(seen, "rule:/65/1")->unknown, ==, NULL);
  g_assert_cmpuint(find(seen, "rule:/65/6")->ip_family, ==, 6);
  g_assert_cmpuint(find(seen, "rule:/32766")->table, ==, 254);
  g_assert_cmpuint(find(seen, "rule:router/0")->table, ==, 255);
}

/* Each setting is what its file says. */
static void test_settings(void) {
  g_autoptr(LwResourceSet) seen = look();
  guint compared = 0;
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (r->kind != LW_RES_SYSCTL)
      continue;
    g_autofree char *line = g_strdup_printf("cat /proc/sys/%s", r->name);
    g_autofree char *text = run(r->ns, line);
    g_test_message("%s %s", r->ns, r->name);
    g_assert_cmpstr(g_strchomp(text), ==, r->value);
    compared++;
  }
  g_assert_cmpuint(compared, >, 60);
  g_assert_cmpstr(find(seen, "sysctl:router/net/ipv4/conf/lan/rp_filter")->value, ==, "2");
  g_assert_cmpstr(find(seen, "sysctl:router/net/ipv4/conf/lan/forwarding")->value, ==, "1");
  g_assert_cmpstr(find(seen, "sysctl:router/net/ipv6/conf/lan/disable_ipv6")->value, ==, "1");
  g_assert_cmpstr(find(seen, "sysctl:/net/ipv4/conf/p3/arp_ignore")->value, ==, "8");
}

/* What a port of a bridge does not do as a new one does is told. */
static void test_ports(void) {
  static const struct {
    const char *harm, *told, *heal;
  } harms[] = {
      {"bridge link set dev p1 state 0", "the port does not forward", "bridge link set dev p1 state 3"},
      {"ip link set p1 type bridge_slave flood off", "the port gets no frames for unknown addresses",
       "ip link set p1 type bridge_slave flood on"},
      {"bridge link set dev p1 learning off", "nobody is learnt behind the port",
       "bridge link set dev p1 learning on"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(harms); i++) {
    g_free(run("", harms[i].harm));
    g_autoptr(LwResourceSet) seen = look();
    g_assert_cmpstr(find(seen, "link:/p1")->unknown, ==, harms[i].told);
    g_free(run("", harms[i].heal));
  }
  g_autoptr(LwResourceSet) seen = look();
  g_assert_cmpstr(find(seen, "link:/p1")->unknown, ==, NULL);
}

int main(int argc, char **argv) {
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  make_world();
  g_test_add_func("/snapshot/all", test_all);
  g_test_add_func("/snapshot/links", test_links);
  g_test_add_func("/snapshot/routes", test_routes);
  g_test_add_func("/snapshot/rules", test_rules);
  g_test_add_func("/snapshot/settings", test_settings);
  g_test_add_func("/snapshot/ports", test_ports);
  return g_test_run();
}
