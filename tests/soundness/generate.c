#include "tests/soundness/generate.h"

#include <string.h>

static gboolean chance(GRand *random, guint percent) {
  return (guint)g_rand_int_range(random, 0, 100) < percent;
}

static guint below(GRand *random, guint n) {
  return (guint)g_rand_int_range(random, 0, (gint32)n);
}

#define ONE_OF(random, list) ((list)[below((random), G_N_ELEMENTS(list))])

static const char *const addresses4[] = {
    "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.2.1",    "10.0.2.2",
    "10.0.2.3", "10.0.3.1", "10.0.3.2", "10.0.3.3", "10.0.9.1", "10.0.9.2", "203.0.113.9", "198.51.100.7",
};
static const char *const addresses6[] = {
    "fd00::1",   "fd00::2",   "fd00:1::1", "fd00:1::2", "fd00:2::1",   "fd00:2::2",
    "fd00:3::1", "fd00:3::2", "fd00:9::1", "fd00:9::2", "2001:db8::9",
};
static const char *const ranges4[] = {
    "10.0.0.0/24",    "10.0.2.0/23", "10.0.0.0/8", "10.0.1.2-10.0.2.2",
    "203.0.113.0/24", "10.0.3.0/30", "0.0.0.0/0",
};
static const char *const ranges6[] = {"fd00::/64", "fd00:2::/32", "fd00::/8", "fd00:1::1-fd00:2::2",
                                      "2001:db8::/32"};
static const guint16 ports[] = {22, 53, 80, 443, 1000, 8080, 40000};

const char *pool_address(GRand *random, gboolean v6) {
  return v6 ? ONE_OF(random, addresses6) : ONE_OF(random, addresses4);
}

guint16 pool_port(GRand *random) {
  return ONE_OF(random, ports);
}

/* --- links
 * -------------------------------------------------------------------------------------------------- */

static void add_neighbours(GString *out, const char *link, guint net) {
  for (guint host = 2; host <= 3; host++) {
    g_string_append_printf(out,
                           "neighbour replace 10.0.%u.%u lladdr 02:00:00:00:%02x:%02x dev %s nud permanent\n",
                           net, host, net, host, link);
    g_string_append_printf(
        out, "neighbour replace fd00:%u::%u lladdr 02:00:00:00:%02x:%02x dev %s nud permanent\n", net, host,
        net, host, link);
  }
}

static void add_subnet(GString *out, const char *link, guint net) {
  g_string_append_printf(out, "address add 10.0.%u.1/24 dev %s\n", net, link);
  g_string_append_printf(out, "address add fd00:%u::1/64 dev %s nodad\n", net, link);
  add_neighbours(out, link, net);
}

static void add_routes(GRand *random, GString *out, const char *const *links, const guint *nets,
                       guint count) {
  guint way = below(random, count);
  g_string_append_printf(out, "route add default via 10.0.%u.2 dev %s\n", nets[way], links[way]);
  g_string_append_printf(out, "route add ::/0 via fd00:%u::2 dev %s\n", nets[way], links[way]);
  for (guint table = 101; table <= 102; table++) {
    way = below(random, count);
    if (chance(random, 30))
      g_string_append_printf(out, "route add %s default table %u\n",
                             chance(random, 50) ? "prohibit" : "blackhole", table);
    else if (chance(random, 85))
      g_string_append_printf(out, "route add default via 10.0.%u.%u dev %s table %u\n", nets[way],
                             2 + below(random, 2), links[way], table);
    if (chance(random, 30))
      g_string_append_printf(out, "route add throw 10.0.2.0/24 table %u\n", table);
    if (chance(random, 40))
      g_string_append_printf(out, "route add ::/0 via fd00:%u::3 dev %s table %u\n", nets[way], links[way],
                             table);
  }
  if (chance(random, 30))
    g_string_append(out, "route add unreachable 198.51.100.0/24\n");
  if (chance(random, 30)) {
    way = below(random, count);
    g_string_append_printf(out, "route add 10.0.3.3/32 via 10.0.%u.3 dev %s metric %u\n", nets[way],
                           links[way], below(random, 3));
  }
}

static void add_lookups(GRand *random, GString *out) {
  guint count = below(random, 4);
  for (guint i = 0; i < count; i++) {
    g_string_append_printf(out, "rule add priority %u", 100 + 10 * i);
    if (chance(random, 50))
      g_string_append_printf(out, " fwmark 0x%x%s", 1 + below(random, 3), chance(random, 40) ? "/0x3" : "");
    if (chance(random, 30))
      g_string_append_printf(out, " from 10.0.%u.0/24", below(random, 4));
    if (chance(random, 20))
      g_string_append_printf(out, " to 10.0.%u.0/24", below(random, 4));
    if (chance(random, 25))
      g_string_append_printf(out, " iif e%u", below(random, 4));
    if (chance(random, 12))
      g_string_append(out, " prohibit\n");
    else
      g_string_append_printf(out, " table %u\n", 101 + below(random, 2));
  }
  if (chance(random, 20))
    g_string_append(out, "rule add priority 90 table main suppress_prefixlength 0\n");
}

static char *make_links(GRand *random, gboolean bridged) {
  GString *out = g_string_new(NULL);
  const char *links[4];
  guint nets[4], count = 0;
  if (bridged) {
    g_string_append(out, "link add br0 address 02:bb:00:00:00:09 type bridge\n");
    for (guint i = 0; i < 2; i++) {
      g_string_append_printf(out, "link set e%u master br0\n", i);
      if (chance(random, 40))
        g_string_append_printf(out, "link set e%u type bridge_slave isolated on\n", i);
    }
    g_string_append(out, "link set br0 up\n");
    links[count] = "br0";
    nets[count++] = 9;
  }
  for (guint i = bridged ? 2 : 0; i < 4; i++) {
    static const char *const names[] = {"e0", "e1", "e2", "e3"};
    links[count] = names[i];
    nets[count++] = i;
  }
  for (guint i = 0; i < 4; i++)
    g_string_append_printf(out, "link set e%u up\n", i);
  for (guint i = 0; i < count; i++)
    add_subnet(out, links[i], nets[i]);
  add_routes(random, out, links, nets, count);
  add_lookups(random, out);
  return g_string_free(out, FALSE);
}

/* --- rules
 * -------------------------------------------------------------------------------------------------- */

typedef enum { IN_PREROUTING, IN_INPUT, IN_FORWARD, IN_POSTROUTING, IN_NAT_PRE, IN_NAT_POST, IN_CHAIN } Where;

static const char *negation(GRand *random) {
  return chance(random, 20) ? "!= " : "";
}

/* A rule is of one family and one protocol, or says neither: nft refuses the others. */
typedef struct {
  GRand *random;
  GString *out;
  Where where;
  gboolean v6, bridge;
  gsize start; /* of the rule */
  enum { NO_PROTOCOL, TCP, UDP, ICMP } protocol;
} Maker;

static void add_address_match(const Maker *m) {
  g_string_append_printf(m->out, " %s %s %s", m->v6 ? "ip6" : "ip", chance(m->random, 50) ? "saddr" : "daddr",
                         negation(m->random));
  switch (below(m->random, 4)) {
  case 0:
    g_string_append(m->out, pool_address(m->random, m->v6));
    break;
  case 1:
    g_string_append(m->out, m->v6 ? ONE_OF(m->random, ranges6) : ONE_OF(m->random, ranges4));
    break;
  case 2:
    g_string_append_printf(m->out, "{ %s, %s }", pool_address(m->random, m->v6),
                           m->v6 ? "2001:db8:1::/48" : "192.0.2.0/24");
    break;
  default:
    g_string_append(m->out, m->v6 ? "@six" : "@four");
    break;
  }
}

static void add_port_match(const Maker *m) {
  static const char *const headers[] = {"th", "tcp", "udp"};
  if (m->protocol == ICMP)
    return;
  g_string_append_printf(m->out, " %s %s %s", headers[m->protocol], chance(m->random, 75) ? "dport" : "sport",
                         negation(m->random));
  guint16 port = pool_port(m->random);
  switch (below(m->random, 4)) {
  case 0:
    g_string_append_printf(m->out, "%u", port);
    break;
  case 1:
    g_string_append_printf(m->out, "%u-%u", port, port + 1000u);
    break;
  case 2:
    g_string_append_printf(m->out, "{ %u, 5000-6000 }", port);
    break;
  default:
    g_string_append(m->out, "@ports");
    break;
  }
}

static const char *link_name(GRand *random) {
  static const char *const names[] = {"e0", "e1", "e2", "e3", "br0", "lo", "nothere", "e*"};
  return ONE_OF(random, names);
}

static void add_link_match(const Maker *m) {
  gboolean has_oif = m->where == IN_FORWARD || m->where == IN_POSTROUTING || m->where == IN_NAT_POST;
  const char *which = has_oif && chance(m->random, 50) ? "oifname" : "iifname";
  if (chance(m->random, 25))
    g_string_append_printf(m->out, " %s %s@links", which, negation(m->random));
  else
    g_string_append_printf(m->out, " %s %s\"%s\"", which, negation(m->random), link_name(m->random));
}

static void add_protocol_match(const Maker *m) {
  static const char *const none[] = {" meta l4proto tcp",    " meta l4proto { tcp, udp }",
                                     " meta l4proto != udp", " meta mark 1",
                                     " meta mark != 0",      " meta mark & 2 == 2"};
  static const char *const tcp[] = {" tcp flags & (fin | syn | rst | ack) == syn", " tcp flags syn",
                                    " tcp flags & rst != rst", " tcp flags & (syn | ack) != syn"};
  static const char *const icmp[] = {" icmp type echo-request", " icmp type != echo-request",
                                     " icmp type { echo-request, echo-reply }"};
  static const char *const icmp6[] = {" icmpv6 type echo-request", " icmpv6 type != echo-request"};
  if (m->protocol == TCP)
    g_string_append(m->out, ONE_OF(m->random, tcp));
  else if (m->protocol == ICMP)
    g_string_append(m->out, m->v6 ? ONE_OF(m->random, icmp6) : ONE_OF(m->random, icmp));
  else if (m->protocol == NO_PROTOCOL)
    g_string_append(m->out, strstr(m->out->str + m->start, "@flows") ? "" : ONE_OF(m->random, none));
}

static void add_flow_match(const Maker *m) {
  static const char *const routed[] = {
      " ct state new",
      " ct state established,related",
      " ct state invalid",
      " ct state != new",
      " ct direction original",
      " ct mark 1",
      " ct status dnat",
      " fib daddr type local",
      " fib daddr type != local",
      " fib daddr type broadcast",
      " fib daddr type != broadcast",
      " ct state { new, established }",
      " ct state & (new | untracked) == 0",
  };
  g_string_append(m->out, ONE_OF(m->random, routed));
}

static void add_match(const Maker *m) {
  switch (below(m->random, m->bridge ? 4 : 6)) {
  case 0:
    add_address_match(m);
    break;
  case 1:
    add_port_match(m);
    break;
  case 2:
    add_link_match(m);
    break;
  case 3:
    add_protocol_match(m);
    break;
  case 4:
    add_flow_match(m);
    break;
  default:
    if (!m->v6 && !strstr(m->out->str + m->start, "l4proto 99")) /* libnftables 1.0.6 ends on listing both */
      g_string_append_printf(m->out, " iifname . ip saddr . meta l4proto . th dport %s@flows",
                             negation(m->random));
    break;
  }
}

static void add_nat(const Maker *m) {
  if (m->where == IN_NAT_POST) {
    g_string_append(m->out, m->v6 || chance(m->random, 60) ? " masquerade" : " snat ip to 10.0.2.77");
    return;
  }
  static const char *const guards[] = {" meta l4proto { tcp, udp }", " meta l4proto tcp", " meta l4proto udp",
                                       ""};
  const char *guard = guards[m->protocol];
  if (m->v6 || m->protocol == ICMP) {
    g_string_append(m->out, m->v6 ? " dnat ip6 to fd00:2::2" : " dnat ip to 10.0.2.2");
    return;
  }
  switch (below(m->random, 4)) {
  case 0:
    g_string_append_printf(m->out, " dnat ip to %s", pool_address(m->random, FALSE));
    break;
  case 1:
    g_string_append_printf(m->out, "%s dnat ip to %s:%u", guard, pool_address(m->random, FALSE),
                           pool_port(m->random));
    break;
  case 2:
    g_string_append_printf(m->out, "%s redirect to :%u", guard, pool_port(m->random));
    break;
  default:
    g_string_append_printf(m->out, " dnat ip to %s dport map @nat", m->protocol == UDP ? "udp" : "tcp");
    break;
  }
}

static void add_jump(const Maker *m, guint chain) {
  if (chain < 3)
    g_string_append_printf(m->out, " %s sub%u", chance(m->random, 70) ? "jump" : "goto",
                           chain + below(m->random, 3 - chain));
  else
    g_string_append(m->out, " return");
}

static void add_map_verdict(const Maker *m) {
  if (!m->v6 && chance(m->random, 50))
    g_string_append(m->out, " ip daddr vmap @verdicts");
  else if (m->protocol == NO_PROTOCOL)
    g_string_append(m->out, " meta l4proto vmap { tcp : accept, udp : drop, 99 : continue }");
  else
    g_string_append(m->out, " drop");
}

static void add_action(const Maker *m, guint chain) {
  static const char *const marks[] = {
      " meta mark set 1",        " meta mark set 2",       " meta mark set iifname map @marks",
      " ct mark set 1",          " ct mark set meta mark", " meta mark set ct mark",
      " meta mark set 2 accept",
  };
  static const char *const verdicts[] = {" accept", " drop",     " accept", " drop",
                                         " return", " continue", " counter"};
  if ((m->where == IN_NAT_PRE || m->where == IN_NAT_POST) && chance(m->random, 70)) {
    add_nat(m);
    return;
  }
  switch (below(m->random, 8)) {
  case 0:
    g_string_append(m->out, m->bridge ? " meta mark set 1" : ONE_OF(m->random, marks));
    break;
  case 1:
    add_jump(m, chain);
    break;
  case 2:
    g_string_append(m->out,
                    (m->where == IN_INPUT || m->where == IN_FORWARD) && !m->bridge ? " reject" : " drop");
    break;
  case 3:
    add_map_verdict(m);
    break;
  default:
    g_string_append(m->out, ONE_OF(m->random, verdicts));
    break;
  }
}

static void add_rule(GRand *random, GString *out, Where where, guint chain, gboolean bridge) {
  Maker m = {.random = random, .out = out, .where = where, .bridge = bridge, .start = out->len};
  m.v6 = chance(random, 25);
  m.protocol = below(random, 5) % 4;
  g_string_append(out, "\t\t");
  for (guint n = below(random, 4); n > 0; n--)
    add_match(&m);
  add_action(&m, chain);
  g_string_append_c(out, '\n');
}

static void add_chain(GRand *random, GString *out, const char *name, const char *head, Where where,
                      guint chain, gboolean bridge_family) {
  g_string_append_printf(out, "\tchain %s {\n%s", name, head);
  for (guint n = 1 + below(random, 5); n > 0; n--)
    add_rule(random, out, where, chain, bridge_family);
  g_string_append(out, "\t}\n");
}

static void add_base(GRand *random, GString *out, const char *name, const char *hook, int priority,
                     const char *type, Where where, gboolean bridge_family) {
  gboolean drop = g_str_equal(type, "filter") && where != IN_PREROUTING && chance(random, 25);
  g_autofree char *head = g_strdup_printf("\t\ttype %s hook %s priority %d; policy %s;\n", type, hook,
                                          priority, drop ? "drop" : "accept");
  add_chain(random, out, name, head, where, 0, bridge_family);
}

static void add_sets(GRand *random, GString *out) {
  g_string_append_printf(
      out, "\tset four {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { %s, 10.0.3.0/30 }\n\t}\n",
      chance(random, 50) ? "10.0.0.2" : "10.0.1.0-10.0.1.2");
  g_string_append(
      out, "\tset six {\n\t\ttype ipv6_addr\n\t\tflags interval\n\t\telements = { fd00:1::/32 }\n\t}\n");
  g_string_append_printf(out, "\tset ports {\n\t\ttype inet_service\n\t\telements = { %u, 81 }\n\t}\n",
                         pool_port(random));
  g_string_append_printf(out, "\tset links {\n\t\ttype ifname\n\t\telements = { \"%s\", \"e2\" }\n\t}\n",
                         chance(random, 50) ? "e0" : "br0");
  g_string_append_printf(
      out,
      "\tset flows {\n\t\ttype ifname . ipv4_addr . inet_proto . inet_service\n\t\tflags interval\n"
      "\t\telements = { \"e2\" . 10.0.2.0/24 . tcp . 0-65535, \"e3\" . %s . 0-255 . %u-50000,"
      " \"br0\" . 10.0.9.0/24 . udp . 53 }\n\t}\n",
      pool_address(random, FALSE), pool_port(random));
  g_string_append_printf(
      out, "\tmap marks {\n\t\ttype ifname : mark\n\t\telements = { \"e2\" : 1, \"e0\" : %u }\n\t}\n",
      1 + below(random, 3));
  g_string_append_printf(out,
                         "\tmap nat {\n\t\ttype inet_service : ipv4_addr\n\t\telements = { %u : %s }\n\t}\n",
                         pool_port(random), pool_address(random, FALSE));
  g_string_append(
      out, "\tmap verdicts {\n\t\ttype ipv4_addr : verdict\n\t\tflags interval\n"
           "\t\telements = { 10.0.2.0/24 : accept, 10.0.3.2 : drop, 10.0.1.1-10.0.1.9 : jump sub2 }\n\t}\n");
}

static void add_table(GRand *random, GString *out, const char *family, const char *name, int shift) {
  g_string_append_printf(out, "table %s %s {\n", family, name);
  add_sets(random, out);
  add_chain(random, out, "sub2", "", IN_CHAIN, 3, FALSE);
  add_chain(random, out, "sub1", "", IN_CHAIN, 2, FALSE);
  add_chain(random, out, "sub0", "", IN_CHAIN, 1, FALSE);
  if (chance(random, 60))
    add_base(random, out, "pre", "prerouting", -150 + shift, "filter", IN_PREROUTING, FALSE);
  if (chance(random, 60))
    add_base(random, out, "dstn", "prerouting", -100 + shift, "nat", IN_NAT_PRE, FALSE);
  if (chance(random, 80))
    add_base(random, out, "forw", "forward", shift, "filter", IN_FORWARD, FALSE);
  if (chance(random, 60))
    add_base(random, out, "inp", "input", shift, "filter", IN_INPUT, FALSE);
  if (chance(random, 30))
    add_base(random, out, "post", "postrouting", -150 + shift, "filter", IN_POSTROUTING, FALSE);
  if (chance(random, 50))
    add_base(random, out, "srcn", "postrouting", 100 + shift, "nat", IN_NAT_POST, FALSE);
  g_string_append(out, "}\n");
}

static void add_bridge_table(GRand *random, GString *out) {
  g_string_append(out, "table bridge b {\n");
  add_sets(random, out);
  add_chain(random, out, "sub2", "", IN_CHAIN, 3, TRUE);
  add_chain(random, out, "sub1", "", IN_CHAIN, 2, TRUE);
  add_chain(random, out, "sub0", "", IN_CHAIN, 1, TRUE);
  if (chance(random, 60))
    add_base(random, out, "pre", "prerouting", -300, "filter", IN_PREROUTING, TRUE);
  if (chance(random, 60))
    add_base(random, out, "forw", "forward", 0, "filter", IN_FORWARD, TRUE);
  if (chance(random, 40))
    add_base(random, out, "inp", "input", 0, "filter", IN_INPUT, TRUE);
  g_string_append(out, "}\n");
}

/* br_netfilter: the IP tables see what goes from port to port. */
static const char *const shown[] = {"net/bridge/bridge-nf-call-iptables=1",
                                    "net/bridge/bridge-nf-call-ip6tables=1"};

static char **make_settings(GRand *random, gboolean bridged) {
  static const char *const rare[] = {
      "net/ipv4/conf/e2/forwarding=0",   "net/ipv4/ip_forward=0",           "net/ipv6/conf/all/forwarding=0",
      "net/ipv6/conf/e3/disable_ipv6=1", "net/ipv4/conf/e2/rp_filter=1",    "net/ipv4/conf/all/rp_filter=1",
      "net/ipv4/conf/e3/rp_filter=2",    "net/ipv4/conf/e2/accept_local=1", "net/ipv4/conf/all/rp_filter=2",
  };
  g_autoptr(GStrvBuilder) out = g_strv_builder_new();
  for (guint i = 0; i < G_N_ELEMENTS(rare); i++)
    if (chance(random, 6))
      g_strv_builder_add(out, rare[i]);
  for (guint i = 0; bridged && i < G_N_ELEMENTS(shown); i++)
    if (chance(random, 50))
      g_strv_builder_add(out, shown[i]);
  return g_strv_builder_end(out);
}

World *world_new(GRand *random) {
  World *world = g_new0(World, 1);
  world->bridged = chance(random, 50);
  world->links = make_links(random, world->bridged);
  world->settings = make_settings(random, world->bridged);
  for (guint i = 0; world->settings[i]; i++)
    world->shown |= g_str_has_prefix(world->settings[i], "net/bridge/");
  GString *rules = g_string_new(NULL);
  add_table(random, rules, "inet", "one", 0);
  if (chance(random, 50))
    add_table(random, rules, "inet", "two", 5);
  if (world->bridged && chance(random, 70))
    add_bridge_table(random, rules);
  world->rules = g_string_free(rules, FALSE);
  return world;
}

void world_free(World *world) {
  if (!world)
    return;
  g_free(world->links);
  g_free(world->rules);
  g_strfreev(world->settings);
  g_free(world);
}
