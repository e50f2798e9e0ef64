/* The live proof against a small lab made by hand with ip and nft: it must see each thing that can go wrong,
 * and nothing when nothing does.
 *
 *   internet 8.7.6.5 --- home 192.168.1.1 --- router (wan .2, mgmt, a, b, c) --- host (own namespace,
 * bridges)
 *        \---- tun-t (8.7.7.9) ------ wg-t ------/  |--- virbr-a: cell-x .31, cell-z .32
 *                                                   |--- virbr-b: cell-y .5    |--- virbr-c: cell-w .7
 *
 * A veth stands for the tunnel: what is tried here is the proof, not WireGuard.
 */
#include "tests/unit/kernel/sandbox.h"

#include "base/netns.h"
#include "base/process.h"
#include "verify/dns.h"
#include "verify/verify.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const topology[] = {
    "link add br-mgmt type bridge",
    "link add br0 type bridge",
    "link add virbr-a type bridge",
    "link add virbr-b type bridge",
    "addr add 192.168.99.15/24 dev br-mgmt",
    "addr add 192.168.1.20/24 dev br0",
    "link set dev br-mgmt up",
    "link set dev br0 up",
    "link set dev virbr-a up",
    "link set dev virbr-b up",
    "link add lw-mgmt master br-mgmt type veth peer name mgmt netns router",
    "link add lw-wan master br0 type veth peer name wan netns router",
    "link add lw-a master virbr-a type veth peer name a netns router",
    "link add lw-b master virbr-b type veth peer name b netns router",
    "link add lw-home master br0 type veth peer name lan netns home",
    "link add lwm1 master virbr-a type veth peer name eth0 netns cell-x",
    "link add lwm2 master virbr-b type veth peer name eth0 netns cell-y",
    "link add lwm3 master virbr-a type veth peer name eth0 netns cell-z",
    "link set dev lw-mgmt up",
    "link set dev lw-wan up",
    "link set dev lw-a up",
    "link set dev lw-b up",
    "link set dev lw-home up",
    "link set dev lwm1 up",
    "link set dev lwm2 up",
    "link set dev lwm3 up",
    "-n router addr add 192.168.99.1/24 dev mgmt",
    "-n router addr add 192.168.1.2/24 dev wan",
    "-n router addr add 192.168.10.1/24 dev a",
    "-n router addr add 192.168.20.1/24 dev b",
    "-n router link set dev mgmt up",
    "-n router link set dev wan up",
    "-n router link set dev a up",
    "-n router link set dev b up",
    "-n router route add default via 192.168.1.1",
    "-n home addr add 192.168.1.1/24 dev lan",
    "-n home link set dev lan up",
    "-n home link add out type veth peer name eth0 netns internet",
    "-n home addr add 8.7.6.1/24 dev out",
    "-n home link set dev out up",
    "-n home route add default via 8.7.6.5",
    "-n internet addr add 8.7.6.5/24 dev eth0",
    "-n internet link set dev eth0 up",
    "-n cell-x addr add 192.168.10.31/24 dev eth0",
    "-n cell-x link set dev eth0 up",
    "-n cell-x route add default via 192.168.10.1",
    "-n cell-z addr add 192.168.10.32/24 dev eth0",
    "-n cell-z link set dev eth0 up",
    "-n cell-z route add default via 192.168.10.1",
    "-n cell-y addr add 192.168.20.5/24 dev eth0",
    "-n cell-y link set dev eth0 up",
    "-n cell-y route add default via 192.168.20.1",
    "link add virbr-c type bridge",
    "link set dev virbr-c up",
    "link add lw-c master virbr-c type veth peer name c netns router",
    "link add lwm4 master virbr-c type veth peer name eth0 netns cell-w",
    "link set dev lw-c up",
    "link set dev lwm4 up",
    "-n router addr add 192.168.30.1/24 dev c",
    "-n router link set dev c up",
    "-n router link add wg-t type veth peer name wg0 netns tun-t",
    "-n router addr add 10.8.0.2/24 dev wg-t",
    "-n router link set dev wg-t up",
    "-n router route add default via 10.8.0.1 table 9",
    "-n router rule add from 192.168.30.0/24 lookup 9 pref 100",
    "-n router rule add to 192.168.0.0/16 lookup main pref 90",
    "-n tun-t addr add 10.8.0.1/24 dev wg0",
    "-n tun-t link set dev wg0 up",
    "-n internet link add in-t type veth peer name eth0 netns tun-t",
    "-n internet addr add 8.7.7.1/24 dev in-t",
    "-n internet link set dev in-t up",
    "-n tun-t addr add 8.7.7.9/24 dev eth0",
    "-n tun-t link set dev eth0 up",
    "-n tun-t route add default via 8.7.7.1",
    "-n cell-w addr add 192.168.30.7/24 dev eth0",
    "-n cell-w link set dev eth0 up",
    "-n cell-w route add default via 192.168.30.1",
    "route add 192.168.30.0/24 via 192.168.99.1",
    "route add 192.168.10.0/24 via 192.168.99.1",
    "route add 192.168.20.0/24 via 192.168.99.1",
    "route add default via 192.168.1.1",
};

/* What the file of this lab means: a goes out and has samba and ping of the host; b has nothing. */
static const char router_rules[] =
    "table ip6 t {\n chain i { type filter hook input priority 0; policy drop; }\n"
    " chain f { type filter hook forward priority 0; policy drop; }\n}\n"
    "table ip t {\n"
    " chain holes {\n }\n"
    " chain bends {\n }\n"
    " chain d { type nat hook prerouting priority -100;\n"
    "  jump bends\n"
    "  iifname { \"a\", \"b\", \"c\" } meta l4proto { tcp, udp } th dport 53 redirect to :53\n"
    "  iifname \"wan\" tcp dport 8443 dnat to 192.168.10.31:443\n"
    "  iifname \"wg-t\" udp dport 51413 dnat to 192.168.30.7\n }\n"
    " chain s { type nat hook postrouting priority 100;\n"
    "  oifname { \"wan\", \"wg-t\" } masquerade\n }\n"
    " chain i { type filter hook input priority 0; policy drop;\n"
    "  jump holes\n"
    "  ct state established accept\n"
    "  iifname \"a\" ip daddr 192.168.10.1 icmp type echo-request accept\n"
    "  iifname \"b\" ip daddr 192.168.20.1 icmp type echo-request accept\n"
    "  iifname \"c\" ip daddr 192.168.30.1 icmp type echo-request accept\n"
    "  iifname { \"a\", \"b\", \"c\" } meta l4proto { tcp, udp } th dport 53 accept\n"
    "  iifname \"mgmt\" ip daddr 192.168.99.1 icmp type echo-request accept\n"
    "  iifname \"mgmt\" ip daddr 192.168.99.1 tcp dport { 22, 80, 443 } accept\n }\n"
    " chain f { type filter hook forward priority 0; policy drop;\n"
    "  jump holes\n"
    "  ct state established,related accept\n"
    "  iifname \"wan\" oifname \"a\" ct status dnat accept\n"
    "  iifname \"wg-t\" oifname \"c\" ct status dnat accept\n"
    "  iifname \"a\" ip saddr 192.168.10.0/24 ip daddr 192.168.99.15 icmp type echo-request accept\n"
    "  iifname \"a\" ip saddr 192.168.10.0/24 ip daddr 192.168.99.15 tcp dport 445 accept\n"
    "  ip daddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, 198.18.0.0/15,"
    " 224.0.0.0/4 } drop\n"
    "  meta l4proto { tcp, udp } th dport { 53, 853 } drop\n"
    "  iifname \"c\" ip saddr 192.168.30.0/24 oifname \"wg-t\" accept\n"
    "  iifname \"a\" ip saddr 192.168.10.0/24 oifname \"wan\" accept\n }\n}\n";

static const char host_rules[] =
    "table inet guard {\n"
    " chain i { type filter hook input priority 0;\n iifname \"virbr-*\" drop\n }\n"
    " chain f { type filter hook forward priority 0;\n iifname \"virbr-*\" drop\n oifname \"virbr-*\" drop\n "
    "}\n}\n"
    "table bridge guard {\n"
    " chain p { type filter hook prerouting priority 0;\n"
    "  iifname \"lwm*\" ether type ip6 drop\n"
    "  iifname \"lwm1\" ether type ip ip saddr != 192.168.10.31 drop\n"
    "  iifname \"lwm2\" ether type ip ip saddr != 192.168.20.5 drop\n"
    "  iifname \"lwm3\" ether type ip ip saddr != 192.168.10.32 drop\n"
    "  iifname \"lwm4\" ether type ip ip saddr != 192.168.30.7 drop\n }\n}\n";

static const char home_rules[] =
    "table ip t {\n chain s { type nat hook postrouting priority 100;\n oifname \"out\" masquerade\n }\n}\n";

static const char tunnel_rules[] =
    "table ip t {\n chain s { type nat hook postrouting priority 100;\n oifname \"eth0\" masquerade\n }\n}\n";

/* --- the lab
 * ---------------------------------------------------------------------------------------------------- */

static void must_run(const char *netns, const char *input, const char *const *argv) {
  g_autoptr(GError) error = NULL;
  LwCommand command = {.argv = argv, .netns = netns, .input = input};
  g_autofree char *out = lw_command_run(&command, &error);
  if (!out)
    g_error("%s: %s", argv[0], error->message);
}

static void nft(const char *netns, const char *rules) {
  const char *const argv[] = {"nft", "-f", "-", NULL};
  must_run(netns, rules, argv);
}

static void ip(const char *line) {
  g_autofree char *text = g_strdup_printf("ip %s", line);
  g_auto(GStrv) argv = g_strsplit(text, " ", -1);
  must_run(NULL, NULL, (const char *const *)argv);
}

static void set_in(const char *netns, const char *path, const char *value) {
  g_autoptr(GError) error = NULL;
  int previous = lw_netns_enter(netns, &error);
  g_assert_no_error(error);
  if (!g_file_set_contents_full(path, value, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error))
    g_error("%s", error->message);
  lw_netns_leave(previous);
}

static int udp_server(const char *netns, const char *address, guint16 port) {
  g_autoptr(GError) error = NULL;
  int previous = lw_netns_enter(netns, &error);
  g_assert_no_error(error);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  g_assert_cmpint(inet_pton(AF_INET, address, &any.sin_addr), ==, 1);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&any, sizeof any), ==, 0);
  lw_netns_leave(previous);
  return fd;
}

static void answer_echo(int fd) {
  char buffer[512];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  if (recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size) < 0)
    return;
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
  sendto(fd, text, strlen(text), 0, (struct sockaddr *)&from, size);
}

/* Sources in a are told 9.1.1.1, those in c 9.1.1.3, and those in b that there is no such name. */
static void answer_dns(int fd) {
  guint8 buffer[512];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  ssize_t length = recvfrom(fd, buffer, 256, 0, (struct sockaddr *)&from, &size);
  if (length < 12 || buffer[5] != 1)
    return;
  guint8 net = (guint8)(ntohl(from.sin_addr.s_addr) >> 8 & 0xff);
  gboolean known = net != 20;
  const guint8 record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 9, 1, 1, net / 10};
  buffer[2] |= 0x80;
  buffer[3] = known ? 0x80 : 0x83;
  buffer[7] = known ? 1 : 0;
  if (known) {
    memcpy(buffer + length, record, sizeof record);
    length += (ssize_t)sizeof record;
  }
  sendto(fd, buffer, (size_t)length, 0, (struct sockaddr *)&from, size);
}

/* Dies with the test: it is in the test's pid namespace. */
static void start_services(void) {
  int echo = udp_server("internet", "8.7.6.5", 7), dns = udp_server("router", "0.0.0.0", 53);
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child > 0) {
    close(echo);
    close(dns);
    return;
  }
  for (;;) {
    struct pollfd fds[] = {{.fd = echo, .events = POLLIN}, {.fd = dns, .events = POLLIN}};
    poll(fds, G_N_ELEMENTS(fds), -1);
    if (fds[0].revents)
      answer_echo(echo);
    if (fds[1].revents)
      answer_dns(dns);
  }
}

static void make_lab(void) {
  static const char *const spaces[] = {"router", "home",   "internet", "cell-x",
                                       "cell-y", "cell-z", "cell-w",   "tun-t"};
  set_in(NULL, "/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  set_in(NULL, "/proc/sys/net/ipv4/ip_forward", "1");
  /* with br_netfilter loaded, what one bridge carries would pass the host's forward rules */
  if (g_file_test("/proc/sys/net/bridge", G_FILE_TEST_IS_DIR))
    set_in(NULL, "/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
  for (guint i = 0; i < G_N_ELEMENTS(spaces); i++) {
    g_autoptr(GError) error = NULL;
    lw_netns_create(spaces[i], &error);
    g_assert_no_error(error);
    set_in(spaces[i], "/proc/sys/net/ipv4/ip_forward", "1");
  }
  set_in("router", "/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  for (guint i = 0; i < G_N_ELEMENTS(topology); i++)
    ip(topology[i]);
  nft("router", router_rules);
  nft(NULL, host_rules);
  nft("home", home_rules);
  nft("tun-t", tunnel_rules);
  start_services();
}

/* --- the same lab in the model's words
 * ---------------------------------------------------------------------------- */

static LwAddr addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static LwPrefix prefix(const char *text) {
  LwPrefix out;
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwOrigin line(guint number) {
  return (LwOrigin){g_intern_static_string("small.yaml"), number, 3};
}

static void add_service(LwLab *lab, const char *name, LwProto proto, guint16 port) {
  LwService *service = lw_service_new();
  service->name = g_strdup(name);
  LwPorts ports = {proto, port, proto == LW_PROTO_ICMP ? 65535 : port};
  g_array_append_val(service->ports, ports);
  g_ptr_array_add(lab->host.services, service);
}

static LwSegment *add_segment(LwLab *lab, const char *name, guint net, guint number) {
  LwSegment *s = lw_segment_new();
  g_autofree char *subnet = g_strdup_printf("192.168.%u.0/24", net);
  g_autofree char *router = g_strdup_printf("192.168.%u.1", net);
  s->name = g_strdup(name);
  g_free(s->bridge);
  s->bridge = g_strdup_printf("virbr-%s", name);
  s->subnet = prefix(subnet);
  s->router = addr(router);
  s->origin = s->egress_origin = line(number);
  g_ptr_array_add(lab->segments, s);
  return s;
}

static void add_machine(LwLab *lab, const char *name, guint segment, const char *address) {
  LwMachine *machine = lw_machine_new();
  machine->name = g_strdup(name);
  LwNic *nic = lw_nic_new();
  nic->segment = segment;
  nic->address = addr(address);
  g_ptr_array_add(machine->nics, nic);
  g_ptr_array_add(lab->machines, machine);
}

static void allow_service(LwSegment *s, guint service, guint number) {
  LwAllow *allow = lw_allow_new();
  allow->target.kind = LW_TARGET_HOST_SERVICE;
  allow->target.index = service;
  allow->origin = line(number);
  g_ptr_array_add(s->allow, allow);
}

static LwLab *small_lab(void) {
  LwLab *lab = lw_lab_new();
  g_free(lab->name);
  lab->name = g_strdup("small");
  lab->host.management.subnet = prefix("192.168.99.0/24");
  lab->host.management.address = addr("192.168.99.15");
  lab->host.management.router = addr("192.168.99.1");
  add_service(lab, "ping", LW_PROTO_ICMP, 0);
  add_service(lab, "samba", LW_PROTO_TCP, 445);
  LwSegment *a = add_segment(lab, "a", 10, 10);
  a->egress = LW_EGRESS_DIRECT;
  allow_service(a, 0, 11);
  allow_service(a, 1, 12);
  add_segment(lab, "b", 20, 20);
  add_machine(lab, "x", 0, "192.168.10.31");
  add_machine(lab, "y", 1, "192.168.20.5");
  add_machine(lab, "z", 0, "192.168.10.32");
  LwTunnel *tunnel = lw_tunnel_new();
  tunnel->name = g_strdup("t");
  tunnel->origin = line(5);
  LwPrefix inside = prefix("10.8.0.2/32");
  g_array_append_val(tunnel->wg.addresses, inside);
  g_ptr_array_add(lab->tunnels, tunnel);
  LwSegment *c = add_segment(lab, "c", 30, 30);
  guint t = 0;
  c->egress = LW_EGRESS_TUNNELS;
  g_array_append_val(c->exits, t);
  add_machine(lab, "w", 2, "192.168.30.7");
  LwForward *in = g_new0(LwForward, 1);
  *in = (LwForward){.udp = TRUE,
                    .first_port = 51413,
                    .last_port = 51413,
                    .to_port = 51413,
                    .machine = 3,
                    .address = addr("192.168.30.7"),
                    .origin = line(31)};
  g_ptr_array_add(c->forwards, in);
  LwForward *forward = g_new0(LwForward, 1);
  *forward = (LwForward){.tcp = TRUE,
                         .first_port = 8443,
                         .last_port = 8443,
                         .to_port = 443,
                         .address = addr("192.168.10.31"),
                         .origin = line(13)};
  g_ptr_array_add(a->forwards, forward);
  return lab;
}

static void place_free(gpointer data) {
  LwProbePlace *place = data;
  g_free(place->netns);
  g_free(place->name);
  g_free(place);
}

static void add_place(LwVerifyWorld *world, const char *netns, const char *name, LwZoneKind kind, guint index,
                      const char *address) {
  LwProbePlace *place = g_new0(LwProbePlace, 1);
  place->netns = g_strdup(netns);
  place->name = g_strdup(name);
  place->zone = (LwZone){kind, index};
  place->address = addr(address);
  g_ptr_array_add(world->places, place);
}

static LwVerifyReport *prove(void) {
  g_autoptr(LwLab) lab = small_lab();
  g_autoptr(LwFacts) facts = lw_facts_new();
  facts->home_lan = prefix("192.168.1.0/24");
  LwVerifyWorld world = {.places = g_ptr_array_new_with_free_func(place_free),
                         .echo = addr("8.7.6.5"),
                         .internet_host = addr("8.7.6.5"),
                         .home_lan_host = addr("192.168.1.1"),
                         .direct_public = addr("8.7.6.1"),
                         .direct_resolver = addr("9.1.1.1")};
  LwAddr seen_as = addr("8.7.7.9"), resolver = addr("9.1.1.3");
  world.exit_public = g_hash_table_new(g_str_hash, g_str_equal);
  world.resolver = g_hash_table_new(g_str_hash, g_str_equal);
  g_hash_table_insert(world.exit_public, (gpointer) "t", &seen_as);
  g_hash_table_insert(world.resolver, (gpointer) "t", &resolver);
  add_place(&world, "cell-x", "x", LW_ZONE_SEGMENT, 0, "192.168.10.31");
  add_place(&world, "cell-z", "z", LW_ZONE_SEGMENT, 0, "192.168.10.32");
  add_place(&world, "cell-y", "y", LW_ZONE_SEGMENT, 1, "192.168.20.5");
  add_place(&world, "cell-w", "w", LW_ZONE_SEGMENT, 2, "192.168.30.7");
  add_place(&world, "tun-t", "t", LW_ZONE_INTERNET, 0, "10.8.0.1");
  add_place(&world, NULL, "host", LW_ZONE_HOST, 0, "192.168.99.15");
  add_place(&world, "router", "router", LW_ZONE_ROUTER, 0, "192.168.99.1");
  add_place(&world, "home", "home-router", LW_ZONE_HOME_LAN, LW_NONE, "192.168.1.1");
  add_place(&world, "internet", "internet", LW_ZONE_INTERNET, LW_NONE, "8.7.6.5");
  g_autoptr(GError) error = NULL;
  LwVerifyReport *report = lw_verify_live(lab, facts, &world, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *text = lw_verify_format(report, lab, FALSE);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i] && g_test_verbose(); i++)
    g_test_message("%s", lines[i]);
  g_ptr_array_unref(world.places);
  g_hash_table_unref(world.exit_public);
  g_hash_table_unref(world.resolver);
  return report;
}

/* --- what must be seen
 * ---------------------------------------------------------------------------------------------- */

static guint count_saying(const LwVerifyReport *report, const char *text) {
  guint count = 0;
  for (guint i = 0; i < report->violations->len; i++)
    count += strstr(report->violations->pdata[i], text) != NULL;
  return count;
}

static void assert_says(const LwVerifyReport *report, const char *text) {
  if (count_saying(report, text))
    return;
  for (guint i = 0; i < report->violations->len; i++)
    g_test_message("%s", (char *)report->violations->pdata[i]);
  g_test_message("no violation says: %s", text);
  g_test_fail();
}

static void assert_all_say(const LwVerifyReport *report, const char *text) {
  for (guint i = 0; i < report->violations->len; i++)
    if (!strstr(report->violations->pdata[i], text)) {
      g_test_message("more than \"%s\": %s", text, (char *)report->violations->pdata[i]);
      g_test_fail();
    }
}

static const LwCell *find_cell(const LwVerifyReport *report, const char *from, const char *to,
                               const char *service) {
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    if (g_str_equal(cell->from, from) && g_str_equal(cell->to, to) && g_str_equal(cell->service, service))
      return cell;
  }
  g_error("no cell %s -> %s %s", from, to, service);
}

static void assert_live(const LwVerifyReport *report, const char *from, const char *to, const char *service,
                        LwCellResult result) {
  g_assert_cmpint(find_cell(report, from, to, service)->live, ==, result);
}

static void test_as_meant(void) {
  g_autoptr(LwVerifyReport) report = prove();
  assert_all_say(report, "(there must be none)");
  assert_live(report, "a", "internet", "tcp/443", LW_CELL_ALLOW); /* through NAT */
  assert_live(report, "a", "internet", "udp/443", LW_CELL_ALLOW);
  assert_live(report, "a", "internet", "udp/53", LW_CELL_DENY);
  assert_live(report, "a", "host", "samba tcp/445", LW_CELL_ALLOW);
  assert_live(report, "a", "host", "tcp/446", LW_CELL_DENY);
  assert_live(report, "a", "host", "udp/445", LW_CELL_DENY);
  assert_live(report, "a", "router", "tcp/22", LW_CELL_DENY);
  assert_live(report, "a", "b", "icmp", LW_CELL_DENY);
  assert_live(report, "a", "a", "tcp/22", LW_CELL_ALLOW);
  assert_live(report, "b", "internet", "icmp", LW_CELL_DENY);
  assert_live(report, "host", "router", "tcp/22", LW_CELL_ALLOW);
  assert_live(report, "host", "a", "icmp", LW_CELL_DENY);
  assert_live(report, "home-lan", "router", "tcp/22", LW_CELL_DENY);
  assert_live(report, "internet", "router", "tcp/8443", LW_CELL_ALLOW);
  assert_live(report, "a", "around", "bridge: internet icmp", LW_CELL_DENY);
  assert_live(report, "a", "around", "IPv6: all nodes", LW_CELL_DENY);
  assert_live(report, "c", "internet", "tcp/443", LW_CELL_ALLOW); /* through the tunnel */
  assert_live(report, "internet/t", "router", "udp/51413", LW_CELL_ALLOW);
  assert_live(report, "internet/t", "router", "tcp/51413", LW_CELL_DENY);
  assert_live(report, "internet", "router", "udp/51413", LW_CELL_DENY);
  g_assert_cmpuint(report->exits->len, ==, 4);
  const LwExitCheck *w = report->exits->pdata[3];
  g_assert_cmpstr(w->exit, ==, "t");
  g_assert_cmpstr(w->seen, ==, "8.7.7.9");
  g_assert_cmpstr(w->resolver_seen, ==, "9.1.1.3");
  const LwExitCheck *x = report->exits->pdata[0], *y = report->exits->pdata[2];
  g_assert_cmpstr(x->seen, ==, "8.7.6.1");
  g_assert_cmpstr(x->resolver_seen, ==, "9.1.1.1");
  g_assert_cmpstr(y->exit, ==, "none");
  g_assert_null(y->seen);
  g_assert_null(y->resolver_seen);
}

static void test_hole(void) {
  nft("router", "add rule ip t holes iifname \"a\" oifname \"b\" accept\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  assert_says(report, "a (192.168.10.31) -> b/y 192.168.20.5 tcp/22: must not pass, but arrived at cell-y; "
                      "small.yaml:10:3");
  assert_all_say(report, "-> b/y");
  assert_live(report, "a", "b", "icmp", LW_CELL_ALLOW);
  assert_live(report, "b", "a", "icmp", LW_CELL_DENY);
}

static void test_dropped_in_forward(void) {
  nft("router", "add rule ip t holes iifname \"a\" tcp dport 445 drop\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  assert_says(report, "samba tcp/445: must pass, but did not arrive; small.yaml:12:3");
  assert_all_say(report, "samba tcp/445");
  assert_live(report, "a", "host", "samba tcp/445", LW_CELL_DENY);
}

static void test_dropped_in_input(void) {
  nft(NULL, "add table ip closed\nadd chain ip closed i { type filter hook input priority 0; }\n"
            "add rule ip closed i tcp dport 445 drop\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft(NULL, "delete table ip closed\n");
  assert_says(report, "samba tcp/445: must pass, but did not arrive");
  assert_all_say(report, "samba tcp/445");
}

static void test_no_answer(void) {
  nft("router", "add rule ip t holes iifname \"mgmt\" tcp sport 445 drop\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  assert_says(report, "samba tcp/445: must pass, and arrived, but no answer came back");
  assert_all_say(report, "samba tcp/445");
}

static void test_misrouted(void) {
  nft("router", "add rule ip t bends iifname \"a\" tcp dport 445 dnat to 192.168.20.5\n"
                "add rule ip t holes iifname \"a\" tcp dport 445 accept\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t bends\nflush chain ip t holes\n");
  assert_says(report,
              "a (192.168.10.31) -> host 192.168.99.15 samba tcp/445: must pass, but arrived at cell-y "
              "instead");
}

static void test_private_leak(void) {
  nft("router", "add rule ip t holes iifname \"a\" ip daddr 10.254.0.0/16 accept\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  assert_says(report, "10.254.253.1 icmp: must not pass, but arrived at home");
  assert_all_say(report, "10.254.253.1");
}

static void test_bridge(void) {
  nft(NULL, "flush chain inet guard i\nflush chain inet guard f\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft(NULL, "delete table inet guard\ndelete table bridge guard\n");
  nft(NULL, host_rules);
  assert_says(report, "bridge: host icmp: must not pass, but arrived at host");
  assert_says(report, "bridge: internet icmp: must not pass, but arrived at home");
  assert_all_say(report, "bridge:");
}

static void test_spoofing(void) {
  nft(NULL, "flush chain bridge guard p\nadd rule bridge guard p iifname \"lwm*\" ether type ip6 drop\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft(NULL, "delete table inet guard\ndelete table bridge guard\n");
  nft(NULL, host_rules);
  assert_says(report, "as a neighbour's: internet icmp: must not pass, but arrived at");
}

static void test_ipv6(void) {
  nft(NULL, "delete table bridge guard\n");
  set_in(NULL, "/proc/sys/net/ipv6/conf/virbr-a/disable_ipv6", "0");
  nft(NULL, "flush chain inet guard i\nadd rule inet guard i iifname \"virbr-*\" ip version 4 drop\n");
  g_autoptr(LwVerifyReport) report = prove();
  set_in(NULL, "/proc/sys/net/ipv6/conf/virbr-a/disable_ipv6", "1");
  nft(NULL, "delete table inet guard\n");
  nft(NULL, host_rules);
  assert_says(report, "IPv6: all nodes: must not pass, but arrived at host");
}

static void test_entrance(void) {
  nft("router", "add rule ip t holes iifname \"wan\" tcp dport 22 accept\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  assert_says(report,
              "home-lan (192.168.1.1) -> router 192.168.1.2 tcp/22: must not pass, but arrived at router");
  assert_says(report,
              "internet (8.7.6.5) -> router 192.168.1.2 tcp/22: must not pass, but arrived at router");
  assert_says(report,
              "home-lan (192.168.1.1) -> b/y 192.168.20.5 tcp/22: must not pass, but arrived at cell-y");
  assert_all_say(report, "tcp/22");
}

/* Without a sentinel nothing is proved, and that is said. */
static void test_cannot_prove(void) {
  nft("router", "add rule ip t holes iifname \"b\" icmp type echo-request drop\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  assert_says(report, "of its cells: the ping sent after it did not come back");
  assert_live(report, "b", "internet", "icmp", LW_CELL_UNTESTED);
  assert_live(report, "a", "b", "icmp", LW_CELL_DENY);
}

static void test_wrong_exit_and_resolver(void) {
  nft("home", "flush chain ip t s\nadd rule ip t s oifname \"out\" snat to 8.7.6.77\n");
  ip("-n home addr add 8.7.6.77/24 dev out");
  g_autoptr(LwVerifyReport) report = prove();
  nft("home", "flush chain ip t s\nadd rule ip t s oifname \"out\" masquerade\n");
  ip("-n home addr del 8.7.6.77/24 dev out");
  assert_says(report, "a (192.168.10.31) by direct: must be seen as 8.7.6.1, but the far end saw 8.7.6.77");
  assert_all_say(report, "8.7.6.77");
}

/* The first process of a pid namespace cannot die of a failed assertion: the tests run in a second one. */
static void leave_pid_one(void) {
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0)
    return;
  int status = 0;
  waitpid(child, &status, 0);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* The tunnel's route goes, and nothing holds the segment back: it leaves by wan. */
static void test_kill_switch(void) {
  ip("-n router rule del pref 100");
  nft("router", "add rule ip t holes iifname \"c\" oifname \"wan\" ip daddr 8.0.0.0/6 accept\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  ip("-n router rule add from 192.168.30.0/24 lookup 9 pref 100");
  assert_says(
      report,
      "c (192.168.30.7) -> internet 8.7.6.5 icmp: must pass, and did, but was also seen at home, which "
      "is not its way; small.yaml:30:3");
  assert_says(report, "c (192.168.30.7) by t: must be seen as 8.7.7.9, but the far end saw 8.7.6.1");
  g_assert_cmpuint(count_saying(report, "a (192.168.10."), ==, 0);
}

static void test_tunnel_entrance(void) {
  nft("router", "add rule ip t holes iifname \"wg-t\" tcp dport 80 accept\n");
  g_autoptr(LwVerifyReport) report = prove();
  nft("router", "flush chain ip t holes\n");
  assert_says(report, "internet/t (8.7.6.5) -> router 10.8.0.2 tcp/80: must not pass, but arrived at router; "
                      "small.yaml:5:3");
  assert_all_say(report, "tcp/80");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  lw_sandbox_enter();
  leave_pid_one();
  make_lab();
  g_test_add_func("/verify/live/as-meant", test_as_meant);
  g_test_add_func("/verify/live/hole", test_hole);
  g_test_add_func("/verify/live/dropped-in-forward", test_dropped_in_forward);
  g_test_add_func("/verify/live/dropped-in-input", test_dropped_in_input);
  g_test_add_func("/verify/live/no-answer", test_no_answer);
  g_test_add_func("/verify/live/misrouted", test_misrouted);
  g_test_add_func("/verify/live/private-leak", test_private_leak);
  g_test_add_func("/verify/live/bridge", test_bridge);
  g_test_add_func("/verify/live/spoofing", test_spoofing);
  g_test_add_func("/verify/live/ipv6", test_ipv6);
  g_test_add_func("/verify/live/entrance", test_entrance);
  g_test_add_func("/verify/live/cannot-prove", test_cannot_prove);
  g_test_add_func("/verify/live/kill-switch", test_kill_switch);
  g_test_add_func("/verify/live/tunnel-entrance", test_tunnel_entrance);
  g_test_add_func("/verify/live/wrong-exit", test_wrong_exit_and_resolver);
  return g_test_run();
}
