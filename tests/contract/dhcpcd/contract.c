/* dhcpcd for real: a dnsmasq in one namespace, clients in others, all inside a sandbox of the test's own. */
#include "base/error.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/dhcpcd/dhcpcd.h"
#include "tests/unit/kernel/sandbox.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE 1000
#define RUN_DIR "/run/lanward"
#define RESOLV "/tmp/resolv.conf"

static char *server_identity;
static LwProviderContext context = {.run_dir = RUN_DIR, .owner = "lanward:test"};

/* Words are separated by one space. */
static char *run(const char *netns, const char *line, const char *input) {
  g_auto(GStrv) argv = g_strsplit(line, " ", -1);
  LwCommand command = {.argv = (const char *const *)argv, .netns = netns, .input = input};
  g_autoptr(GError) error = NULL;
  char *output = lw_command_run(&command, &error);
  if (!output)
    g_error("%s: %s", line, error->message);
  return output;
}

static void must(const char *netns, const char *line) {
  g_free(run(netns, line, NULL));
}

static gboolean tells(const char *netns, const char *line, const char *text) {
  g_autofree char *output = run(netns, line, NULL);
  return strstr(output, text) != NULL;
}

static void start_server(void) {
  const char *argv[] = {"dnsmasq",
                        "-k",
                        "--conf-file=/dev/null",
                        "--user=",
                        "--group=",
                        "--port=0",
                        "--no-ping",
                        "--dhcp-authoritative",
                        "--bind-dynamic",
                        "--interface=lan",
                        "--interface=lan2",
                        "--dhcp-range=192.168.7.100,192.168.7.150,255.255.255.0,1h",
                        "--dhcp-range=192.168.8.100,192.168.8.150,255.255.255.0,1h",
                        "--dhcp-option=option:dns-server,192.168.7.53",
                        "--dhcp-leasefile=/tmp/leases",
                        "--pid-file=/tmp/dnsmasq.pid",
                        NULL};
  LwCommand command = {.argv = argv, .netns = "server", .log = "/tmp/dnsmasq.log"};
  g_autoptr(GError) error = NULL;
  pid_t pid = lw_command_spawn(&command, &error);
  g_assert_no_error(error);
  server_identity = lw_process_identity(pid);
}

/* Two segments: lan and lan2 are bridges, and both clients' links are called eth0. */
static void make_world(void) {
  g_autoptr(GError) error = NULL;
  static const char *const names[] = {"server", "one", "two"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    g_assert_true(lw_netns_create(names[i], &error));
  must("server", "ip link add lan type bridge");
  must("server", "ip link add lan2 type bridge");
  must("server", "ip addr add 192.168.7.1/24 dev lan");
  must("server", "ip addr add 192.168.8.1/24 dev lan2");
  must("server", "ip link set lan up");
  must("server", "ip link set lan2 up");
  for (gsize i = 1; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *add =
        g_strdup_printf("ip link add eth0 netns %s type veth peer name %s", names[i], names[i]);
    g_autofree char *up = g_strdup_printf("ip link set %s master lan up", names[i]);
    must("server", add);
    must("server", up);
    must(names[i], "ip link set eth0 up");
  }
  must("one", "ip rule add pref 100 lookup main suppress_prefixlength 0");
  g_free(run("one", "nft -f -",
             "table inet lanward {\n set home_lan {\n type ipv4_addr\n flags interval\n elements = { "
             "0.0.0.0/0 }\n }\n set home_lan_known {\n type ipv4_addr\n flags interval\n }\n}\n"));
  g_assert_cmpint(g_mkdir(RUN_DIR, 0700), ==, 0);
  start_server();
}

static LwDhcpClient client_one(void) {
  return (LwDhcpClient){.ns = "one",
                        .link = "eth0",
                        .table = TABLE,
                        .home_lan_set = "lanward home_lan",
                        .resolv_conf = RESOLV,
                        .hostname = "first"};
}

static void assert_open(void) {
  g_assert_true(tells("one", "ip route show table 1000", "default via 192.168.7.1 dev eth0 proto dhcp"));
  g_assert_false(tells("one", "ip route show table main", "default"));
  g_assert_true(tells("one", "nft list set inet lanward home_lan", "192.168.7.0/24"));
  g_assert_true(tells("one", "nft list set inet lanward home_lan_known", "192.168.7.0/24"));
  g_autofree char *resolvers = NULL;
  g_assert_true(g_file_get_contents(RESOLV, &resolvers, NULL, NULL));
  g_assert_cmpstr(resolvers, ==, "nameserver 192.168.7.53\n");
}

static void assert_closed(void) {
  g_assert_false(tells("one", "ip route show table all", "default"));
  g_assert_true(tells("one", "nft list set inet lanward home_lan", "0.0.0.0/0"));
  g_assert_false(tells("one", "nft list set inet lanward home_lan_known", "elements"));
  g_assert_false(tells("one", "ip addr show eth0", "inet 192"));
  g_autofree char *resolvers = NULL;
  g_assert_true(g_file_get_contents(RESOLV, &resolvers, NULL, NULL));
  g_assert_cmpstr(resolvers, ==, "");
}

/* Nothing of `link` in the run folder; the hook's link and the user file belong to all. */
static void assert_no_files(void) {
  g_autoptr(GDir) dir = g_dir_open(RUN_DIR, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name(dir)))
    if (!g_str_equal(name, LW_DHCP_HOOK) && !g_str_equal(name, "dhcp-passwd"))
      g_error("%s was left", name);
}

static gboolean has_lease(const char *network) {
  g_auto(LwDhcpLease) lease = {0};
  LwPrefix expected;
  return lw_prefix_parse(network, &expected) && lw_dhcp_lease_read(RUN_DIR, "one", "eth0", &lease, NULL) &&
         lw_prefix_contains(&expected, &lease.address.addr);
}

/* Milliseconds until it has (or, with NULL, has no) lease of the network. */
static gint64 until_lease(const char *network, gint64 limit_ms) {
  gint64 start = g_get_monotonic_time();
  while (network ? !has_lease(network) : has_lease("0.0.0.0/0")) {
    if (g_get_monotonic_time() - start > limit_ms * 1000)
      g_error("%s within %d ms", network ? "no lease" : "the lease stayed", (int)limit_ms);
    g_usleep(2000);
  }
  return (g_get_monotonic_time() - start) / 1000;
}

static void start_one(void) {
  g_autoptr(GError) error = NULL;
  LwDhcpClient client = client_one();
  gint64 start = g_get_monotonic_time();
  g_assert_true(lw_dhcpcd_start(&context, &client, &error));
  g_assert_no_error(error);
  lw_dhcpcd_wait(RUN_DIR, "one", "eth0", 5000, &error);
  g_assert_no_error(error);
  g_test_message("start to lease: %d ms", (int)((g_get_monotonic_time() - start) / 1000));
  g_assert_cmpint(g_get_monotonic_time() - start, <, G_USEC_PER_SEC);
}

static void stop_one(void) {
  g_autoptr(GError) error = NULL;
  lw_dhcpcd_stop(RUN_DIR, "one", "eth0", &error);
  g_assert_no_error(error);
  g_assert_cmpint(lw_dhcpcd_pid(RUN_DIR, "one", "eth0"), ==, 0);
  assert_closed();
  assert_no_files();
}

static void test_lease(void) {
  start_one();
  assert_open();
  stop_one();
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_dhcpcd_stop(RUN_DIR, "one", "eth0", &error)); /* not running is success */
}

/* The hook takes the lease file away first and closes WAN next: a moment lies between. */
static gboolean soon_tells(const char *ns, const char *command, const char *what) {
  for (guint i = 0; i < 200 && !tells(ns, command, what); i++)
    g_usleep(5000);
  return tells(ns, command, what);
}

static void test_carrier(void) {
  start_one();
  must("server", "ip link set one down");
  until_lease(NULL, 3000);
  g_assert_true(soon_tells("one", "nft list set inet lanward home_lan", "0.0.0.0/0"));
  g_assert_false(tells("one", "ip route show table all", "default"));
  must("server", "ip link set one up");
  g_test_message("carrier to lease: %d ms", (int)until_lease("192.168.7.0/24", 3000));
  assert_open();
  stop_one();
}

static void test_move(void) {
  start_one();
  must("server", "ip link set one down");
  until_lease(NULL, 3000);
  must("server", "ip link set one master lan2");
  must("server", "ip link set one up");
  gint64 took = until_lease("192.168.8.0/24", 3000);
  g_test_message("move to lease: %d ms", (int)took);
  g_assert_cmpint(took, <, 1000);
  g_assert_true(tells("one", "ip route show table 1000", "default via 192.168.8.1 dev eth0 proto dhcp"));
  must("server", "ip link set one master lan");
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_dhcpcd_rebind(RUN_DIR, "one", "eth0", &error)); /* no carrier was lost */
  g_test_message("rebind to lease: %d ms", (int)until_lease("192.168.7.0/24", 8000));
  assert_open();
  stop_one();
}

static void test_killed(void) {
  start_one();
  pid_t pid = lw_dhcpcd_pid(RUN_DIR, "one", "eth0");
  g_assert_cmpint(pid, >, 0);
  g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
  for (int i = 0; i < 500 && lw_dhcpcd_pid(RUN_DIR, "one", "eth0") > 0; i++)
    g_usleep(2000);
  g_assert_cmpint(lw_dhcpcd_pid(RUN_DIR, "one", "eth0"), ==, 0);
  g_autoptr(GError) error = NULL;
  g_assert_false(lw_dhcpcd_wait(RUN_DIR, "one", "eth0", 1000, &error)); /* its lease does not hold any more */
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  stop_one();
}

/* Without the set the lease cannot be carried out: no route, no lease, and the error says why. */
static void test_closed_when_unknown(void) {
  g_autoptr(GError) error = NULL;
  LwDhcpClient client = client_one();
  client.home_lan_set = "lanward no_such_set";
  g_assert_true(lw_dhcpcd_start(&context, &client, &error));
  g_assert_false(lw_dhcpcd_wait(RUN_DIR, "one", "eth0", 1500, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_assert_nonnull(strstr(error->message, "home LAN"));
  g_assert_false(tells("one", "ip route show table all", "default"));
  stop_one();
}

static LwResource *resource(const char *ns, guint32 table, const char *set) {
  LwResource *client = lw_resource_new(LW_RES_DHCP_CLIENT, ns, NULL);
  client->link = g_strdup("eth0");
  client->table = table;
  client->home_lan_set = g_strdup(set);
  client->wait = TRUE;
  return client;
}

static LwResourceSet *observed(LwProvider *provider, const LwResourceSet *wanted) {
  LwResourceSet *seen = lw_resource_set_new();
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_provider_observe(provider, wanted, NULL, seen, &error));
  return seen;
}

static gboolean keep_undo(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  *(GBytes **)data = g_bytes_ref(undo);
  return TRUE;
}

/* Two clients of one name in two namespaces at once, observed, killed, undone. */
static void test_provider(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_dhcpcd_provider_new(&context, &error);
  g_assert_no_error(error);
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  LwResource *one = lw_resource_set_add(wanted, resource("one", TABLE, "lanward home_lan"));
  LwResource *two = lw_resource_set_add(wanted, resource("two", 0, NULL));
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, one));
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, two));
  g_autoptr(GBytes) undo = NULL;
  lw_provider_check(provider, changes, &error);
  g_assert_no_error(error);
  lw_provider_carry_out(provider, changes, keep_undo, &undo, NULL, NULL, &error);
  g_assert_no_error(error);

  g_autoptr(LwResourceSet) seen = observed(provider, wanted);
  g_assert_cmpuint(seen->list->len, ==, 2);
  g_assert_true(lw_resource_equal(one, seen->list->pdata[0]));
  g_assert_true(lw_resource_equal(two, seen->list->pdata[1]));
  g_assert_true(tells("two", "ip route show table main", "default via 192.168.7.1 dev eth0 proto dhcp"));
  g_assert_true(tells("one", "ip route show table 1000", "default via 192.168.7.1"));

  g_assert_cmpint(kill(lw_dhcpcd_pid(RUN_DIR, "two", "eth0"), SIGKILL), ==, 0);
  for (int i = 0; i < 500 && lw_dhcpcd_pid(RUN_DIR, "two", "eth0") > 0; i++)
    g_usleep(2000);
  g_autoptr(LwResourceSet) after = observed(provider, wanted);
  g_assert_cmpuint(after->list->len, ==, 1);

  for (int i = 0; i < 2; i++) { /* idempotent */
    lw_provider_undo(provider, undo, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(LwResourceSet) none = observed(provider, wanted);
    g_assert_cmpuint(none->list->len, ==, 0);
    g_assert_false(tells("two", "ip route show table all", "default"));
    g_assert_false(tells("two", "ip addr show eth0", "inet 192"));
    assert_no_files();
  }
}

/* A machine's root may hold links that lead out of it when followed from here: they must not. Its pid. */
static pid_t start_hostile_machine(void) {
  g_assert_cmpint(g_mkdir_with_parents("/tmp/cell", 0755), ==, 0);
  g_assert_true(g_file_set_contents("/tmp/victim-file", "mine", -1, NULL));
  g_assert_cmpint(symlink("/tmp/victim-folder", "/tmp/cell/etc"), ==, 0);
  g_assert_cmpint(g_mkdir_with_parents("/tmp/cell/tmp/victim-folder", 0755), ==, 0);
  g_assert_cmpint(g_mkdir_with_parents("/tmp/victim-folder", 0755), ==, 0);
  g_assert_cmpint(symlink("/tmp/victim-file", "/tmp/cell/tmp/victim-folder/resolv.conf"), ==, 0);
  int ready[2];
  g_assert_cmpint(pipe(ready), ==, 0);
  pid_t pid = fork();
  if (pid == 0) {
    if (chroot("/tmp/cell") != 0 || write(ready[1], "r", 1) != 1)
      _exit(1);
    for (;;)
      pause();
  }
  char byte;
  g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
  close(ready[0]);
  close(ready[1]);
  return pid;
}

static void test_resolv_conf_of_a_machine(void) {
  g_autoptr(GError) error = NULL;
  pid_t machine = start_hostile_machine();
  g_autofree char *path = g_strdup_printf("/proc/%d/root/etc/resolv.conf", (int)machine);
  LwDhcpClient client = {.ns = "two", .link = "eth0", .no_route = TRUE, .resolv_conf = path};
  g_assert_true(lw_dhcpcd_start(&context, &client, &error));
  lw_dhcpcd_wait(RUN_DIR, "two", "eth0", 5000, &error);
  g_assert_no_error(error);
  g_assert_false(tells("two", "ip route show table all", "default"));
  g_autofree char *victim = NULL, *inside = NULL;
  g_assert_true(g_file_get_contents("/tmp/victim-file", &victim, NULL, NULL));
  g_assert_cmpstr(victim, ==, "mine");
  g_assert_false(g_file_test("/tmp/victim-folder/resolv.conf", G_FILE_TEST_EXISTS));
  g_assert_true(g_file_get_contents("/tmp/cell/tmp/victim-folder/resolv.conf", &inside, NULL, NULL));
  g_assert_cmpstr(inside, ==, "nameserver 192.168.7.53\n");
  kill(machine, SIGKILL);
  waitpid(machine, NULL, 0);
  lw_dhcpcd_stop(RUN_DIR, "two", "eth0", &error); /* although the machine has gone */
  g_assert_no_error(error);
  assert_no_files();
}

int main(int argc, char **argv) {
  g_autofree char *self = g_path_get_basename(argv[0]);
  if (g_str_equal(self, LW_DHCP_HOOK))
    return lw_dhcp_hook_main();
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  g_autofree char *path = g_file_read_link("/proc/self/exe", NULL);
  context.self_path = path;
  make_world();
  g_test_add_func("/dhcpcd/lease", test_lease);
  g_test_add_func("/dhcpcd/carrier", test_carrier);
  g_test_add_func("/dhcpcd/move", test_move);
  g_test_add_func("/dhcpcd/killed", test_killed);
  g_test_add_func("/dhcpcd/closed-when-unknown", test_closed_when_unknown);
  g_test_add_func("/dhcpcd/resolv-conf-of-a-machine", test_resolv_conf_of_a_machine);
  g_test_add_func("/dhcpcd/provider", test_provider);
  int status = g_test_run();
  lw_process_stop(server_identity, 1000, NULL);
  g_free(server_identity);
  return status;
}
