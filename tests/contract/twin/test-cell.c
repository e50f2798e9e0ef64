/* Cells and the world's servers, made by their providers inside a twin of the test's own. */
#include "base/error.h"
#include "base/mounts.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/cell/cell.h"
#include "providers/server/server.h"
#include "twin/holder.h"
#include "twin/twin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDINARY 23457
#define RUN_DIR "/run/lanward"

static void become_ordinary(void) {
  g_assert_cmpint(setgroups(0, NULL), ==, 0);
  g_assert_cmpint(setresgid(ORDINARY, ORDINARY, ORDINARY), ==, 0);
  g_assert_cmpint(setresuid(ORDINARY, ORDINARY, ORDINARY), ==, 0);
  g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0);
}

typedef void (*Body)(void);

static int call(gpointer data) {
  ((Body)data)();
  return 0;
}

/* In a twin, as the user asked for; the twin is gone afterwards, whatever happened. */
static void in_twin(gboolean root, Body body) {
  fflush(NULL);
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0) {
    dup2(2, 1); /* TAP is the parent's */
    if (!root && geteuid() == 0)
      become_ordinary();
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("test-%d", (int)getpid());
    pid_t holder = lw_twin_start(name, &error);
    g_assert_no_error(error);
    g_assert_cmpint(holder, >, 0);
    int status = lw_twin_run(name, call, (gpointer)body, &error);
    lw_twin_stop(name, NULL, NULL);
    g_assert_no_error(error);
    _exit(status);
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  g_assert_cmpint(status, ==, 0);
}

static void test_ordinary(gconstpointer body) {
  in_twin(FALSE, (Body)body);
}

static void test_root(gconstpointer body) {
  if (geteuid() != 0) {
    g_test_skip("not root");
    return;
  }
  in_twin(TRUE, (Body)body);
}

static const LwProviderContext context = {.run_dir = RUN_DIR, .owner = "lanward:test"};

static void run(const char *first, ...) G_GNUC_NULL_TERMINATED;
static void run(const char *first, ...) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  va_list args;
  va_start(args, first);
  for (const char *word = first; word; word = va_arg(args, const char *))
    g_ptr_array_add(argv, (gpointer)word);
  va_end(args);
  g_ptr_array_add(argv, NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *output = lw_command_run(&(LwCommand){.argv = (const char *const *)argv->pdata}, &error);
  g_assert_no_error(error);
  g_assert_nonnull(output);
}

static int in_cell(const char *cell, const char *first, ...) G_GNUC_NULL_TERMINATED;
static int in_cell(const char *cell, const char *first, ...) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  va_list args;
  va_start(args, first);
  for (const char *word = first; word; word = va_arg(args, const char *))
    g_ptr_array_add(argv, (gpointer)word);
  va_end(args);
  g_ptr_array_add(argv, NULL);
  g_autoptr(GError) error = NULL;
  int status = lw_cell_exec(RUN_DIR, cell, (const char *const *)argv->pdata, &error);
  g_assert_no_error(error);
  return status;
}

static gboolean keep_undo(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  GBytes **kept = data;
  g_clear_pointer(kept, g_bytes_unref);
  *kept = g_bytes_ref(undo);
  return TRUE;
}

static void carry_out(LwProvider *provider, LwChangeClass klass, LwResource *from, LwResource *to,
                      GBytes **undo) {
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_autoptr(GError) error = NULL;
  g_ptr_array_add(changes, lw_change_new(klass, from, to));
  lw_provider_carry_out(provider, changes, keep_undo, undo, NULL, NULL, &error);
  g_assert_no_error(error);
}

static LwResource *observe(LwProvider *provider, LwResource *like) {
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(GError) error = NULL;
  lw_provider_observe(provider, NULL, NULL, seen, &error);
  g_assert_no_error(error);
  g_autofree char *key = lw_resource_key(like);
  LwResource *found = lw_resource_set_find(seen, key);
  return found ? lw_resource_ref(found) : NULL;
}

static void assert_seen(LwProvider *provider, LwResource *like) {
  g_autoptr(LwResource) seen = observe(provider, like);
  g_assert_nonnull(seen);
  g_assert_true(lw_resource_equal(seen, like));
}

static void assert_not_seen(LwProvider *provider, LwResource *like) {
  g_autoptr(LwResource) seen = observe(provider, like);
  g_assert_null(seen);
}

static pid_t pid_in(const char *path) {
  g_autofree char *identity = NULL;
  g_assert_true(g_file_get_contents(path, &identity, NULL, NULL));
  return lw_process_alive(g_strchomp(identity));
}

static void body_cell(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_cell_provider_new(&context, &error);
  g_autoptr(GBytes) undo = NULL;
  g_autoptr(LwResource) cell = lw_resource_new(LW_RES_CELL, "", "vault");
  g_ptr_array_add(cell->argv, g_strdup("sleep"));
  g_ptr_array_add(cell->argv, g_strdup("1000"));
  lw_netns_create("cell-vault", &error);
  g_assert_no_error(error);
  carry_out(provider, LW_CHANGE_CREATE, NULL, cell, &undo);
  assert_seen(provider, cell);

  /* its own names, processes, files; nothing of it reaches what is around it */
  g_assert_cmpint(in_cell("vault", "grep", "-qx", "vault", "/proc/sys/kernel/hostname", NULL), ==, 0);
  g_assert_cmpint(in_cell("vault", "grep", "-q", "127.0.1.1.vault", "/etc/hosts", NULL), ==, 0);
  int status = 1;
  for (int i = 0; i < 500 && status; i++) { /* the cell is up before its command is */
    g_usleep(10000);
    status = in_cell("vault", "pgrep", "-x", "sleep", NULL);
  }
  g_assert_cmpint(status, ==, 0);
  g_assert_cmpint(in_cell("vault", "pgrep", "lanward-twin", NULL), ==, 1);
  g_assert_cmpint(in_cell("vault", "touch", "/usr/probe-of-test", "/etc/probe-of-test", "/var/probe-of-test",
                          "/var/log/probe-of-test", "/tmp/probe-of-test", "/run/probe-of-test",
                          "/root/probe-of-test", "/opt/probe-of-test", NULL),
                  ==, 0);
  static const char *const folders[] = {"/usr", "/etc", "/var", "/var/log", "/tmp", "/run", "/root", "/opt"};
  for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autofree char *path = g_build_filename(folders[i], "probe-of-test", NULL);
    g_assert_cmpint(access(path, F_OK), ==, -1);
  }
  g_assert_cmpint(in_cell("vault", "test", "-e", "/usr/probe-of-test", NULL), ==, 0);
  g_assert_cmpint(in_cell("vault", "test", "-w", "/proc/sys/kernel/panic", NULL), !=, 0);
  g_assert_cmpint(in_cell("vault", "test", "-e", "/dev/null", NULL), ==, 0);
  g_assert_cmpint(in_cell("vault", "test", "-e", "/dev/kmsg", NULL), !=, 0);
  g_assert_cmpint(in_cell("vault", "sh", "-c", "kill -TERM $$", NULL), ==, 128 + SIGTERM);
  const char *const missing[] = {"no-such-program-anywhere", NULL};
  g_assert_cmpint(lw_cell_exec(RUN_DIR, "vault", missing, &error), ==, -1);
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_clear_error(&error);

  /* init killed: no cell; made again; the undo of its making takes it away */
  pid_t init = pid_in(RUN_DIR "/cell-vault.pid");
  g_assert_cmpint(init, >, 0);
  g_assert_cmpint(kill(init, SIGKILL), ==, 0);
  for (int i = 0; i < 200 && pid_in(RUN_DIR "/cell-vault.pid"); i++)
    g_usleep(5000);
  assert_not_seen(provider, cell);
  carry_out(provider, LW_CHANGE_CREATE, NULL, cell, &undo);
  assert_seen(provider, cell);
  g_assert_cmpint(in_cell("vault", "test", "-e", "/usr/probe-of-test", NULL), !=, 0);
  g_autofree char *identity = NULL;
  g_assert_true(g_file_get_contents(RUN_DIR "/cell-vault.pid", &identity, NULL, NULL));
  g_assert_cmpint(lw_process_alive(g_strchomp(identity)), >, 0);
  lw_provider_undo(provider, undo, NULL, NULL, &error);
  g_assert_no_error(error);
  assert_not_seen(provider, cell);
  lw_provider_undo(provider, undo, NULL, NULL, &error); /* again is no harm */
  g_assert_no_error(error);
  g_assert_cmpint(lw_process_alive(identity), ==, 0);
  g_assert_cmpint(access(RUN_DIR "/cells/vault", F_OK), ==, -1);
}

static void make_lan(const char *cell, const char *mac) {
  g_autoptr(GError) error = NULL;
  g_autofree char *ns = g_strdup_printf("cell-%s", cell);
  g_autofree char *port = g_strdup_printf("to-%s", cell);
  lw_netns_create(ns, &error);
  g_assert_no_error(error);
  run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", ns, NULL);
  run("ip", "link", "set", port, "master", "lan", "up", NULL);
  run("ip", "-n", ns, "link", "set", "eth0", "up", NULL);
}

static void look_at_view(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = NULL;
  lw_mount_view("/mnt/source", "/mnt/source", "/run/scratch", &error);
  g_assert_no_error(error);
  g_assert_true(g_file_get_contents("/mnt/source/file", &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "was here");
  g_clear_pointer(&text, g_free);
  g_assert_true(g_file_get_contents("/mnt/source/inner/file", &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "inner");
  g_clear_pointer(&text, g_free);
  text = g_file_read_link("/mnt/source/link", NULL);
  g_assert_cmpstr(text, ==, "file");
  g_assert_true(g_file_set_contents("/mnt/source/file", "changed", -1, NULL));
  g_assert_true(g_file_set_contents("/mnt/source/more", "new", -1, NULL));
  g_assert_cmpint(open("/mnt/source/inner/file", O_WRONLY), ==, -1); /* deeper ones are read-only */
  g_assert_cmpint(errno, ==, EROFS);
}

/* A mount below the folder that is not ours to take away, as a container's /etc/hosts: no overlay there. A
 * user namespace in the twin sees one. */
static void body_view_without_overlay(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = NULL;
  g_assert_cmpint(mount("tmpfs", "/mnt", "tmpfs", 0, NULL), ==, 0);
  g_assert_cmpint(mkdir("/mnt/source", 0755), ==, 0);
  g_assert_cmpint(mkdir("/mnt/source/inner", 0755), ==, 0);
  g_assert_cmpint(mount("tmpfs", "/mnt/source/inner", "tmpfs", 0, NULL), ==, 0);
  g_assert_true(g_file_set_contents("/mnt/source/file", "was here", -1, NULL));
  g_assert_true(g_file_set_contents("/mnt/source/inner/file", "inner", -1, NULL));
  g_assert_cmpint(symlink("file", "/mnt/source/link"), ==, 0);
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0) {
    gboolean inside = lw_twin_unshare(CLONE_NEWNS, &error);
    g_assert_no_error(error);
    g_assert_true(inside);
    look_at_view();
    _exit(0);
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  g_assert_cmpint(status, ==, 0);
  g_assert_true(g_file_get_contents("/mnt/source/file", &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "was here");
  g_assert_cmpint(access("/mnt/source/more", F_OK), ==, -1);
}

static LwResource *dhcp_cell(const char *name) {
  LwResource *cell = lw_resource_new(LW_RES_CELL, "", name);
  g_ptr_array_add(cell->nics, g_strdup("eth0"));
  return cell;
}

static pid_t start_dhcp_server(void) {
  g_autoptr(GError) error = NULL;
  const char *const argv[] = {"dnsmasq",
                              "--keep-in-foreground",
                              "--conf-file=/dev/null",
                              "--user=",
                              "--group=",
                              "--port=0",
                              "--interface=lan",
                              "--bind-interfaces",
                              "--no-ping",
                              "--dhcp-authoritative",
                              "--dhcp-range=10.9.8.100,10.9.8.120,255.255.255.0",
                              "--dhcp-option=option:dns-server,10.9.8.1",
                              "--domain=lab.internal",
                              "--dhcp-leasefile=/run/lanward/leases",
                              NULL};
  pid_t pid = lw_command_spawn(&(LwCommand){.argv = argv, .log = "/run/lanward/dnsmasq.log"}, &error);
  g_assert_no_error(error);
  return pid;
}

/* Two NICs: both ask, the first alone has the default route and the resolver. */
static void body_two_nics(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_cell_provider_new(&context, &error);
  g_autoptr(GBytes) undo = NULL;
  g_autoptr(LwResource) cell = dhcp_cell("two");
  g_ptr_array_add(cell->nics, g_strdup("eth1"));
  run("ip", "link", "add", "lan", "type", "bridge", NULL);
  run("ip", "address", "add", "10.9.8.1/24", "dev", "lan", NULL);
  run("ip", "link", "set", "lan", "up", NULL);
  make_lan("two", "52:54:00:00:00:01");
  run("ip", "link", "add", "more", "type", "veth", "peer", "name", "eth1", "netns", "cell-two", NULL);
  run("ip", "link", "set", "more", "master", "lan", "up", NULL);
  run("ip", "-n", "cell-two", "link", "set", "eth1", "up", NULL);
  start_dhcp_server();
  carry_out(provider, LW_CHANGE_CREATE, NULL, cell, &undo);
  const char *names[] = {"two", NULL};
  lw_cell_wait_leases(RUN_DIR, names, 20000, &error);
  g_assert_no_error(error);
  int status = 1;
  for (int i = 0; i < 500 && status; i++) {
    g_usleep(10000);
    status = in_cell("two", "sh", "-c", "ip address show eth1 | grep -q 'inet 10.9.8.'", NULL);
  }
  g_assert_cmpint(status, ==, 0);
  g_assert_cmpint(
      in_cell("two", "sh", "-c", "test \"$(ip route show default | cut -d' ' -f5)\" = eth0", NULL), ==, 0);
}

/* Eight at once; the DHCP server comes late; a carrier that was lost brings the lease back. */
static void body_dhcp(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_cell_provider_new(&context, &error);
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_autoptr(GBytes) undo = NULL;
  const char *names[] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", NULL};
  run("ip", "link", "add", "lan", "type", "bridge", NULL);
  run("ip", "address", "add", "10.9.8.1/24", "dev", "lan", NULL);
  run("ip", "link", "set", "lan", "up", NULL);
  for (guint i = 0; names[i]; i++) {
    g_autofree char *mac = g_strdup_printf("52:54:00:00:00:%02x", i);
    make_lan(names[i], mac);
    g_autoptr(LwResource) cell = dhcp_cell(names[i]);
    g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, cell));
  }
  gint64 before = g_get_monotonic_time();
  lw_provider_carry_out(provider, changes, keep_undo, &undo, NULL, NULL, &error);
  g_assert_no_error(error);
  g_test_message("8 cells up after %d ms", (int)((g_get_monotonic_time() - before) / 1000));
  start_dhcp_server();
  lw_cell_wait_leases(RUN_DIR, names, 20000, &error);
  g_assert_no_error(error);
  g_test_message("8 leases after %d ms", (int)((g_get_monotonic_time() - before) / 1000));
  g_assert_cmpint(in_cell("c3", "grep", "-qx", "nameserver 10.9.8.1", "/etc/resolv.conf", NULL), ==, 0);
  g_assert_cmpint(in_cell("c3", "grep", "-qx", "search lab.internal", "/etc/resolv.conf", NULL), ==, 0);
  g_assert_cmpint(in_cell("c3", "ping", "-c1", "-W2", "10.9.8.1", NULL), ==, 0);

  before = g_get_monotonic_time();
  run("ip", "link", "set", "to-c3", "down", NULL);
  run("ip", "-n", "cell-c3", "address", "flush", "dev", "eth0", NULL);
  run("ip", "link", "set", "to-c3", "up", NULL);
  const char *one[] = {"c3", NULL};
  lw_cell_wait_leases(RUN_DIR, one, 20000, &error);
  g_assert_no_error(error);
  g_test_message("lease again after %d ms", (int)((g_get_monotonic_time() - before) / 1000));

  /* another network without a new cell: what runs in it goes on */
  g_autoptr(LwResource) was = dhcp_cell("c3"), is = dhcp_cell("c3");
  is->static_nics = 1;
  is->value = g_strdup("10.9.8.77");
  pid_t init = pid_in(RUN_DIR "/cell-c3.pid");
  g_assert_cmpint(lw_resource_change_class(was, is), ==, LW_CHANGE_LIVE);
  carry_out(provider, LW_CHANGE_LIVE, was, is, &undo);
  assert_seen(provider, is);
  g_assert_cmpint(pid_in(RUN_DIR "/cell-c3.pid"), ==, init);
  int status = 1;
  for (int i = 0; i < 200 && status; i++) {
    g_usleep(10000);
    status = in_cell("c3", "grep", "-qx", "nameserver 10.9.8.77", "/etc/resolv.conf", NULL);
  }
  g_assert_cmpint(status, ==, 0);
  for (int i = 0; i < 200 && !status; i++) {
    g_usleep(10000);
    status = in_cell("c3", "pgrep", "-x", "dhcpcd", NULL);
  }
  g_assert_cmpint(status, ==, 1); /* no client any more */
}

static int udp_to(guint16 own_port, const char *address, guint16 port) {
  struct timeval wait = {.tv_sec = 3};
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(own_port)};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, address, &to.sin_addr);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), ==, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&from, sizeof from), ==, 0);
  g_assert_cmpint(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof to), ==, 5);
  return fd;
}

/* The answer must come from the address that was asked. */
static void assert_udp(const char *address, guint16 port, const char *expected) {
  char answer[64] = "", text[INET_ADDRSTRLEN];
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  int fd = udp_to(0, address, port);
  ssize_t n = recvfrom(fd, answer, sizeof answer - 1, 0, (struct sockaddr *)&from, &length);
  g_assert_cmpint(n, ==, strlen(expected));
  g_assert_cmpstr(answer, ==, expected);
  inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
  g_assert_cmpstr(text, ==, address);
  close(fd);
}

static int tcp_to(const char *address, guint16 port) {
  struct timeval wait = {.tv_sec = 5};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, address, &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), ==, 0);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof to), ==, 0);
  return fd;
}

static char *ask_http(const char *address, const char *request) {
  int fd = tcp_to(address, 80);
  GString *answer = g_string_new(NULL);
  char part[256];
  ssize_t n;
  for (const char *p = request; *p; p++) /* as slowly as it can be */
    g_assert_cmpint(send(fd, p, 1, MSG_NOSIGNAL), ==, 1);
  while ((n = recv(fd, part, sizeof part, 0)) > 0)
    g_string_append_len(answer, part, n);
  g_assert_cmpint(n, ==, 0);
  close(fd);
  return g_string_free(answer, FALSE);
}

static void assert_tcp_echo(const char *address) {
  int fd = tcp_to(address, 9);
  gsize size = 300000, got = 0, sent = 0;
  g_autofree guint8 *data = g_malloc(size), *back = g_malloc(size);
  for (gsize i = 0; i < size; i++)
    data[i] = (guint8)(i * 31 >> 3);
  while (got < size) {
    gsize part = MIN(size - sent, 20000u);
    if (part > 0) {
      g_assert_cmpint(send(fd, data + sent, part, MSG_NOSIGNAL), ==, part);
      sent += part;
    }
    ssize_t n = recv(fd, back + got, size - got, 0);
    g_assert_cmpint(n, >, 0);
    got += (gsize)n;
  }
  g_assert_cmpint(memcmp(data, back, size), ==, 0);
  close(fd);
}

static void body_server(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_server_provider_new(&context, &error);
  g_autoptr(GBytes) undo = NULL;
  g_autoptr(LwResource) server = lw_resource_new(LW_RES_SERVER, "far", "world");
  const char *listeners[] = {"tcp/80/address", "udp/7/address", "udp/9/echo", "tcp/9/echo",
                             "tcp/5201/discard"};
  for (gsize i = 0; i < G_N_ELEMENTS(listeners); i++)
    g_ptr_array_add(server->listeners, g_strdup(listeners[i]));
  lw_netns_create("far", &error);
  g_assert_no_error(error);
  run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", "far", NULL);
  run("ip", "address", "add", "10.1.2.1/24", "dev", "near", NULL);
  run("ip", "link", "set", "near", "up", NULL);
  run("ip", "route", "add", "default", "via", "10.1.2.2", NULL);
  run("ip", "-n", "far", "address", "add", "10.1.2.2/24", "dev", "far", NULL);
  run("ip", "-n", "far", "link", "set", "far", "up", NULL);
  run("ip", "-n", "far", "route", "add", "local", "default", "dev", "lo", "table", "local", NULL);
  run("ip", "-n", "far", "route", "add", "10.1.2.0/24", "dev", "far", "table", "local", NULL);
  carry_out(provider, LW_CHANGE_CREATE, NULL, server, &undo);
  assert_seen(provider, server);

  static const char *const addresses[] = {"10.1.2.2", "8.8.8.8", "93.184.216.34"};
  for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
    assert_udp(addresses[i], 7, "10.1.2.1");
    assert_udp(addresses[i], 9, "hello");
    g_autofree char *answer = ask_http(addresses[i], "GET / HTTP/1.0\r\n\r\n");
    g_assert_nonnull(strstr(answer, "HTTP/1.1 200 OK\r\n"));
    g_assert_nonnull(strstr(answer, "\r\nContent-Length: 9\r\n"));
    g_assert_true(g_str_has_suffix(answer, "\r\n\r\n10.1.2.1\n"));
    g_autofree char *head = ask_http(addresses[i], "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    g_assert_nonnull(strstr(head, "\r\nContent-Length: 9\r\n"));
    g_assert_true(g_str_has_suffix(head, "\r\n\r\n"));
    assert_tcp_echo(addresses[i]);
  }

  /* another echo server's port is not answered */
  char answer[16];
  struct timeval little = {.tv_usec = 200000};
  int echo = udp_to(9, "8.8.8.8", 9);
  g_assert_cmpint(setsockopt(echo, SOL_SOCKET, SO_RCVTIMEO, &little, sizeof little), ==, 0);
  g_assert_cmpint(recv(echo, answer, sizeof answer, 0), ==, -1);
  close(echo);

  /* more clients than it keeps: it neither dies nor stops answering by UDP, and takes others when those go */
  int crowd[300];
  for (gsize i = 0; i < G_N_ELEMENTS(crowd); i++)
    crowd[i] = tcp_to("8.8.8.8", 80);
  assert_udp("8.8.8.8", 9, "hello");
  for (gsize i = 0; i < G_N_ELEMENTS(crowd); i++)
    close(crowd[i]);
  g_autofree char *after = ask_http("8.8.8.8", "GET / HTTP/1.0\n\n");
  g_assert_true(g_str_has_suffix(after, "\r\n\r\n10.1.2.1\n"));

  /* a port that is taken is an error, and nothing is left of the try */
  g_autoptr(LwResource) second = lw_resource_new(LW_RES_SERVER, "far", "second");
  g_ptr_array_add(second->listeners, g_strdup("udp/9/echo"));
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, second));
  g_assert_false(lw_provider_carry_out(provider, changes, keep_undo, &undo, NULL, NULL, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_clear_error(&error);
  assert_not_seen(provider, second);

  pid_t pid = pid_in(RUN_DIR "/server-far+world.pid");
  g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
  for (int i = 0; i < 200 && pid_in(RUN_DIR "/server-far+world.pid"); i++)
    g_usleep(5000);
  assert_not_seen(provider, server);
  carry_out(provider, LW_CHANGE_CREATE, NULL, server, &undo);
  assert_udp("1.2.3.4", 9, "hello");
  carry_out(provider, LW_CHANGE_DELETE, server, NULL, &undo);
  assert_not_seen(provider, server);
  lw_provider_undo(provider, undo, NULL, NULL, &error); /* back */
  g_assert_no_error(error);
  assert_udp("1.2.3.4", 9, "hello");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  static const struct {
    const char *name;
    Body body;
  } tests[] = {{"view/without-overlay", body_view_without_overlay},
               {"cell/life", body_cell},
               {"cell/dhcp", body_dhcp},
               {"cell/two-nics", body_two_nics},
               {"server/answers", body_server}};
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *ordinary = g_strdup_printf("/%s/ordinary-user", tests[i].name);
    g_autofree char *root = g_strdup_printf("/%s/root", tests[i].name);
    g_test_add_data_func(ordinary, (gconstpointer)tests[i].body, test_ordinary);
    g_test_add_data_func(root, (gconstpointer)tests[i].body, test_root);
  }
  return g_test_run();
}
