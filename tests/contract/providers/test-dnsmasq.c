/* The dnsmasq provider with real programs: leases by dhcpcd, queries by a socket, in namespaces that this
 * test makes itself. */
#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/dnsmasq/dnsmasq.h"

#include "tests/unit/kernel/sandbox.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MAC "52:54:00:00:00:01"
#define DHCPCD_CONF "/tmp/dhcpcd.conf"

static LwProviderContext context = {.run_dir = "/tmp/run", .owner = "lanward:test"};
static LwProvider *provider;

static char *run_in(const char *ns, const char *line) {
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) argv = g_strsplit(line, " ", -1);
  char *output = lw_command_run(&(LwCommand){.argv = (const char *const *)argv, .netns = ns}, &error);
  g_assert_no_error(error);
  return output;
}

static LwAddr addr(const char *text) {
  LwAddr out;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static LwResource *resolver(const char *name, guint16 port) {
  LwResource *r = lw_resource_new(LW_RES_RESOLVER, "router", name);
  r->port = port;
  r->domain = g_strdup("lab.internal");
  g_ptr_array_add(r->links, g_strdup("lan10"));
  return r;
}

static void add_host(LwResource *r, const char *address) {
  LwDhcpHost *host = lw_dhcp_host_new();
  g_assert_true(lw_mac_parse(MAC, &host->mac));
  host->address = addr(address);
  host->name = g_strdup("box");
  g_ptr_array_add(r->hosts, host);
}

static LwResource *server(const char *host_address /* nullable */) {
  LwResource *r = resolver("dns-local", 5300);
  LwDhcpRange *range = lw_dhcp_range_new();
  range->link = g_strdup("lan10");
  g_assert_true(lw_range_parse("192.168.10.200-192.168.10.240", &range->range));
  range->prefix_len = 24;
  range->router = addr("192.168.10.1");
  LwAddr dns = addr("192.168.10.1");
  g_array_append_val(range->dns, dns);
  range->lease_seconds = 3600;
  g_ptr_array_add(r->ranges, range);
  LwHostName *name = lw_host_name_new();
  name->name = g_strdup("seedbox.lab.internal");
  name->address = addr("192.168.10.5");
  g_ptr_array_add(r->names, name);
  if (host_address)
    add_host(r, host_address);
  return r;
}

static void apply(LwResource *from, LwResource *to) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) changes = lw_changes_new();
  LwChangeClass klass = !from ? LW_CHANGE_CREATE
                        : !to ? LW_CHANGE_DELETE
                              : lw_resource_change_class(from, to);
  g_ptr_array_add(changes, lw_change_new(klass, from, to));
  g_assert_true(lw_provider_check(provider, changes, &error));
  g_assert_no_error(error);
  g_assert_true(provider->ops->apply(provider, changes, &error));
  g_assert_no_error(error);
}

static gboolean is_seen(LwResource *wanted, gboolean *equal) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) want = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  lw_resource_set_add(want, lw_resource_ref(wanted));
  g_assert_true(lw_provider_observe(provider, want, NULL, seen, &error));
  g_assert_no_error(error);
  *equal = seen->list->len == 1 && lw_resource_equal(seen->list->pdata[0], wanted);
  return seen->list->len == 1;
}

static void assert_seen(LwResource *wanted, gboolean there, gboolean as_wanted) {
  gboolean equal;
  g_assert_cmpint(is_seen(wanted, &equal), ==, there);
  g_assert_cmpint(equal, ==, as_wanted);
}

static char *note_of(const char *name) {
  return g_strdup_printf("/tmp/run/resolver-router-%s.run", name);
}

static pid_t pid_of(const char *name) {
  g_autofree char *path = note_of(name);
  g_autofree char *text = lw_file_read(path, 1u << 20, NULL, NULL);
  g_assert_nonnull(text);
  g_autoptr(JsonNode) node = json_from_string(text, NULL);
  const char *identity = json_object_get_string_member(json_node_get_object(node), "identity");
  return lw_process_alive(identity);
}

/* The address that the machine gets; *ms how long it took. */
static gboolean has_lease(void) {
  g_autofree char *text = lw_file_read("/tmp/run/resolver-router-dns-local.leases", 1u << 20, NULL, NULL);
  return text && strstr(text, MAC);
}

static char *lease(gint64 *ms) {
  g_free(run_in("cell", "ip addr flush dev eth0"));
  gint64 start = g_get_monotonic_time();
  g_free(run_in("cell", "dhcpcd -1 -4 -B -t 5 -f " DHCPCD_CONF " eth0"));
  *ms = (g_get_monotonic_time() - start) / 1000;
  g_autofree char *text = run_in("cell", "ip -4 -br addr show dev eth0");
  g_auto(GStrv) words = g_strsplit_set(g_strstrip(text), " \t", -1);
  for (guint i = 0; words[i]; i++)
    if (strchr(words[i], '/'))
      return g_strdup(words[i]);
  return g_strdup("none");
}

static void append_name(GByteArray *query, const char *name) {
  g_auto(GStrv) labels = g_strsplit(name, ".", -1);
  for (guint i = 0; labels[i]; i++) {
    guint8 length = (guint8)strlen(labels[i]);
    g_byte_array_append(query, &length, 1);
    g_byte_array_append(query, (const guint8 *)labels[i], length);
  }
  g_byte_array_append(query, (const guint8 *)"\0\0\1\0\1", 5);
}

/* "rcode" and, of the last answer, its last four bytes as an address: "0 192.168.10.5", "5 -", "silent". */
static char *ask(const char *name, guint16 port) {
  g_autoptr(GError) error = NULL;
  g_free(run_in("cell", "ip addr replace 192.168.10.9/24 dev eth0"));
  int previous = lw_netns_enter("cell", &error);
  g_assert_no_error(error);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  lw_netns_leave(previous);
  struct timeval limit = {2, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "192.168.10.1", &to.sin_addr);
  g_autoptr(GByteArray) query = g_byte_array_new();
  g_byte_array_append(query, (const guint8 *)"\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
  append_name(query, name);
  guint8 answer[512];
  ssize_t length = -1;
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, query->data, query->len, 0) > 0)
    length = recv(fd, answer, sizeof answer, 0);
  close(fd);
  if (length < 12)
    return g_strdup("silent");
  if (answer[7] == 0)
    return g_strdup_printf("%u -", answer[3] & 15u);
  const guint8 *last = answer + length - 4;
  return g_strdup_printf("%u %u.%u.%u.%u", answer[3] & 15u, last[0], last[1], last[2], last[3]);
}

static void assert_answer(const char *name, guint16 port, const char *expected) {
  g_autofree char *answer = ask(name, port);
  g_assert_cmpstr(answer, ==, expected);
}

static void test_lease(void) {
  g_autoptr(LwResource) free_for_all = server(NULL);
  assert_seen(free_for_all, FALSE, FALSE);
  apply(NULL, free_for_all);
  assert_seen(free_for_all, TRUE, TRUE);
  gint64 ms;
  g_autofree char *address = lease(&ms);
  g_test_message("first lease after %d ms", (int)ms);
  g_assert_true(g_str_has_prefix(address, "192.168.10.2"));
  g_assert_true(g_str_has_suffix(address, "/24"));
  g_assert_cmpint(ms, <, 1000);

  /* a host that is reserved another address: the old lease must not stay */
  g_autoptr(LwResource) reserved = server("192.168.10.31");
  g_assert_true(has_lease());
  apply(free_for_all, reserved);
  g_assert_false(has_lease());
  assert_seen(reserved, TRUE, TRUE);
  assert_seen(free_for_all, TRUE, FALSE);
  g_autofree char *pinned = lease(&ms);
  g_assert_cmpstr(pinned, ==, "192.168.10.31/24");
  assert_answer("box.lab.internal", 5300, "0 192.168.10.31");

  /* and its going: the lease goes as well */
  g_assert_true(has_lease());
  apply(reserved, free_for_all);
  g_assert_false(has_lease());
  g_autofree char *again = lease(&ms);
  g_assert_true(g_str_has_prefix(again, "192.168.10.2"));
  apply(free_for_all, NULL);
  assert_seen(free_for_all, FALSE, FALSE);
}

/* Hosts alone, nobody has a lease: no restart. */
static void test_reload(void) {
  g_autoptr(LwResource) before = server(NULL);
  g_autoptr(LwResource) after = server("192.168.10.32");
  apply(NULL, before);
  pid_t pid = pid_of("dns-local");
  g_assert_cmpint(pid, >, 0);
  apply(before, after);
  g_assert_cmpint(pid_of("dns-local"), ==, pid);
  assert_seen(after, TRUE, TRUE);
  gint64 ms;
  g_autofree char *address = lease(&ms);
  g_assert_cmpstr(address, ==, "192.168.10.32/24");
  apply(after, NULL);
}

static void test_names(void) {
  g_autoptr(LwResource) local = server(NULL);
  apply(NULL, local);
  assert_answer("seedbox.lab.internal", 5300, "0 192.168.10.5");
  assert_answer("nobody.lab.internal", 5300, "3 -");
  assert_answer("www.example.org", 5300, "5 -"); /* no upstream: refused, nothing is carried out */
  apply(local, NULL);
}

/* One that asks another one, both started at once; and one whose device is not there fails closed. */
static void test_upstreams(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) one = server(NULL);
  g_ptr_array_add(one->links, g_strdup("lo"));
  g_autoptr(LwResource) two = resolver("dns-se", 5301);
  g_clear_pointer(&two->domain, g_free);
  LwUpstream *upstream = lw_upstream_new();
  upstream->domain = g_strdup("lab.internal");
  upstream->address = addr("127.0.0.1");
  upstream->port = 5300;
  g_ptr_array_add(two->upstreams, upstream);
  upstream = lw_upstream_new();
  upstream->address = addr("10.64.0.1");
  upstream->port = 53;
  upstream->device = g_strdup("wg-se");
  g_ptr_array_add(two->upstreams, upstream);
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, one));
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, two));
  gint64 start = g_get_monotonic_time();
  g_assert_true(provider->ops->apply(provider, changes, &error));
  g_assert_no_error(error);
  g_test_message("two resolvers up after %d ms", (int)((g_get_monotonic_time() - start) / 1000));
  assert_answer("seedbox.lab.internal", 5301, "0 192.168.10.5");
  g_autofree char *closed = ask("www.example.org", 5301);
  g_assert_false(g_str_has_prefix(closed, "0"));

  /* undo, by another process as far as the provider can tell */
  g_autoptr(GBytes) undo = provider->ops->prepare(provider, changes, &error);
  g_assert_true(lw_provider_undo(provider, undo, NULL, NULL, &error));
  g_assert_no_error(error);
  assert_seen(one, FALSE, FALSE);
  assert_seen(two, FALSE, FALSE);
  g_assert_true(lw_provider_undo(provider, undo, NULL, NULL, &error));
  g_assert_no_error(error);
}

static void test_killed(void) {
  g_autoptr(LwResource) local = server(NULL);
  apply(NULL, local);
  g_assert_cmpint(kill(pid_of("dns-local"), SIGKILL), ==, 0);
  gboolean equal = TRUE;
  for (guint i = 0; i < 1000 && is_seen(local, &equal); i++)
    g_usleep(1000);
  assert_seen(local, FALSE, FALSE);
  apply(NULL, local);
  assert_seen(local, TRUE, TRUE);
  apply(local, NULL);
}

/* A port that is taken: an error with dnsmasq's own words, not a time-out. */
static void test_failing(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) one = resolver("one", 5300);
  g_autoptr(LwResource) two = resolver("two", 5300);
  apply(NULL, one);
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, two));
  gint64 start = g_get_monotonic_time();
  g_assert_false(provider->ops->apply(provider, changes, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_test_message("%s", error->message);
  g_assert_nonnull(strstr(error->message, "Address already in use"));
  g_assert_cmpint(g_get_monotonic_time() - start, <, 3 * G_USEC_PER_SEC);
  apply(two, NULL);
  apply(one, NULL);
}

static void make_world(void) {
  static const char conf[] = "ipv4only\nnoipv4ll\nnoarp\nnodelay\nnodev\noption subnet_mask, routers\n"
                             "script /bin/true\n";
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_netns_create("router", &error));
  g_assert_true(lw_netns_create("cell", &error));
  g_assert_no_error(error);
  g_free(run_in(NULL, "ip link add lan10 netns router type veth peer name eth0 address " MAC " netns cell"));
  g_free(run_in("router", "ip addr add 192.168.10.1/24 dev lan10"));
  g_free(run_in("router", "ip link set lan10 up"));
  g_free(run_in("cell", "ip link set eth0 up"));
  g_assert_true(g_file_set_contents(DHCPCD_CONF, conf, -1, &error));
  /* dhcpcd drops to a user where there is one, and here there is only ourselves */
  g_assert_true(g_file_set_contents("/tmp/passwd", "root:x:0:0:root:/root:/bin/sh\n", -1, &error));
  g_assert_cmpint(mount("/tmp/passwd", "/etc/passwd", NULL, MS_BIND, NULL), ==, 0);
  g_assert_cmpint(mount("tmpfs", "/var/lib/dhcpcd", "tmpfs", 0, NULL), ==, 0);
}

int main(int argc, char **argv) {
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  g_autoptr(GError) error = NULL;
  provider = lw_dnsmasq_provider_new(&context, &error);
  g_assert_no_error(error);
  make_world();
  g_test_add_func("/dnsmasq/names", test_names);
  g_test_add_func("/dnsmasq/reload", test_reload);
  g_test_add_func("/dnsmasq/lease", test_lease);
  g_test_add_func("/dnsmasq/upstreams", test_upstreams);
  g_test_add_func("/dnsmasq/killed", test_killed);
  g_test_add_func("/dnsmasq/failing", test_failing);
  int result = g_test_run();
  lw_provider_free(provider);
  return result;
}
