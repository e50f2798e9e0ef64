/* Twins on this machine: started, found, entered, stopped; and what is left afterwards, which is nothing.
 * Every test runs as an ordinary user, and as root too when root runs the tests. The only thing of the
 * machine that a twin uses is a name in the abstract socket space; it holds our pid. */
#include "base/error.h"
#include "twin/twin.h"

#include <errno.h>
#include <glib.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDINARY 23456

static char *twin_name(const char *suffix) {
  return g_strdup_printf("test-%d-%s", (int)getpid(), suffix);
}

static void become_ordinary(void) {
  g_assert_cmpint(setgroups(0, NULL), ==, 0);
  g_assert_cmpint(setresgid(ORDINARY, ORDINARY, ORDINARY), ==, 0);
  g_assert_cmpint(setresuid(ORDINARY, ORDINARY, ORDINARY), ==, 0);
  /* else /proc/self belongs to root and no id map can be written */
  g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0);
}

typedef void (*Body)(void);

static void run_as(gboolean root, Body body) {
  fflush(NULL);
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0) {
    dup2(2, 1); /* TAP is the parent's */
    if (!root && geteuid() == 0)
      become_ordinary();
    body();
    fflush(NULL);
    _exit(0);
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  g_assert_cmpint(status, ==, 0);
}

static void test_ordinary(gconstpointer body) {
  run_as(FALSE, (Body)body);
}

static void test_root(gconstpointer body) {
  if (geteuid() != 0) {
    g_test_skip("not root");
    return;
  }
  run_as(TRUE, (Body)body);
}

/* Gone, or a zombie that whoever is init here has not reaped. */
static gboolean is_gone(pid_t pid) {
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
  g_autofree char *stat = NULL;
  if (!g_file_get_contents(path, &stat, NULL, NULL))
    return TRUE;
  const char *end = strrchr(stat, ')');
  return end && end[1] == ' ' && end[2] == 'Z';
}

static gboolean socket_is_there(const char *name) {
  g_autofree char *table = NULL;
  g_assert_true(g_file_get_contents("/proc/net/unix", &table, NULL, NULL));
  g_autofree char *path = g_strdup_printf("@lanward/twin/%u/%s", (guint)geteuid(), name);
  return strstr(table, path) != NULL;
}

static char *mounts(void) {
  char *text = NULL;
  g_assert_true(g_file_get_contents("/proc/self/mounts", &text, NULL, NULL));
  return text;
}

static int look_around(gpointer data) {
  const char *name = data;
  char host[65];
  g_autofree char *passwd = NULL, *forward = NULL, *stat = NULL;
  g_assert_cmpint(gethostname(host, sizeof host), ==, 0);
  g_assert_cmpstr(host, ==, name);
  g_assert_cmpint(geteuid(), ==, 0);
  g_assert_true(g_file_get_contents("/etc/passwd", &passwd, NULL, NULL));
  g_assert_cmpstr(passwd, ==, "root:x:0:0:root:/root:/bin/sh\n");
  g_assert_true(g_file_get_contents("/proc/sys/net/ipv4/ip_forward", &forward, NULL, NULL));
  g_assert_cmpstr(forward, ==, "1\n");
  g_assert_true(g_file_get_contents("/proc/1/comm", &stat, NULL, NULL));
  g_assert_true(g_str_has_prefix(stat, "lanward-twin"));
  g_assert_true(g_file_test("/run/netns", G_FILE_TEST_IS_DIR));
  g_assert_true(g_file_test("/run/wireguard", G_FILE_TEST_IS_DIR));
  struct stat st;
  g_assert_cmpint(lstat("/run/lanward", &st), ==, 0);
  g_assert_cmpint(st.st_mode & 0777, ==, 0700);
  g_assert_true(g_file_set_contents("/var/lib/dhcpcd/probe", "x", 1, NULL));
  g_assert_true(g_file_set_contents("/etc/lanward-test-probe", "x", 1, NULL));
  g_assert_true(g_file_set_contents("/etc/resolv.conf", "nameserver 192.0.2.1\n", -1, NULL));
  /* the host's own settings stay out of reach, whoever started the twin */
  FILE *sysctl = fopen("/proc/sys/kernel/panic", "r+");
  g_assert_null(sysctl);
  return 37;
}

static void stop(const char *name) {
  g_autoptr(GError) error = NULL;
  gboolean running = FALSE;
  g_assert_true(lw_twin_stop(name, &running, &error));
  g_assert_no_error(error);
  g_assert_true(running);
}

static void body_life(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = twin_name("life");
  g_autofree char *before = mounts();
  g_assert_cmpint(lw_twin_find(name, &error), ==, 0);
  g_assert_no_error(error);
  pid_t holder = lw_twin_start(name, &error);
  g_assert_no_error(error);
  g_assert_cmpint(holder, >, 0);
  g_assert_cmpint(lw_twin_find(name, &error), ==, holder);
  g_assert_cmpint(lw_twin_start(name, &error), ==, holder); /* no second one */
  g_assert_no_error(error);
  g_autoptr(GPtrArray) list = lw_twin_list();
  gboolean listed = FALSE;
  for (guint i = 0; i < list->len; i++) {
    LwTwinInfo *info = g_ptr_array_index(list, i);
    listed = listed || (g_str_equal(info->name, name) && info->holder == holder);
  }
  g_assert_true(listed);
  g_assert_cmpint(lw_twin_run(name, look_around, name, &error), ==, 37);
  g_assert_no_error(error);
  g_assert_false(g_file_test("/etc/lanward-test-probe", G_FILE_TEST_EXISTS));
  g_assert_false(g_file_test("/var/lib/dhcpcd/probe", G_FILE_TEST_EXISTS));
  stop(name);
  g_assert_true(is_gone(holder));
  g_assert_false(socket_is_there(name));
  g_autofree char *after = mounts();
  g_assert_cmpstr(before, ==, after);
  gboolean running = TRUE;
  g_assert_true(lw_twin_stop(name, &running, &error));
  g_assert_false(running);
}

static int leave_daemons(gpointer data) {
  int *out = data;
  for (int i = 0; i < 2; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      setsid();
      for (;;)
        pause();
    }
    (void)!write(*out, "x", 1);
  }
  return 0;
}

/* Living processes of a pid namespace. */
static guint members(const char *pid_ns) {
  guint count = 0;
  g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
  const char *entry;
  while ((entry = g_dir_read_name(proc))) {
    g_autofree char *path = g_build_filename("/proc", entry, "ns/pid", NULL);
    g_autofree char *link = g_file_read_link(path, NULL);
    count += link && g_str_equal(link, pid_ns) && !is_gone(atoi(entry));
  }
  return count;
}

static void body_killed(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = twin_name("killed");
  pid_t holder = lw_twin_start(name, &error);
  g_assert_no_error(error);
  int pipe_ends[2];
  g_assert_cmpint(pipe(pipe_ends), ==, 0);
  g_assert_cmpint(lw_twin_run(name, leave_daemons, &pipe_ends[1], &error), ==, 0);
  g_assert_no_error(error);
  close(pipe_ends[1]);
  g_autofree char *path = g_strdup_printf("/proc/%d/ns/pid", (int)holder);
  g_autofree char *pid_ns = g_file_read_link(path, NULL);
  g_assert_nonnull(pid_ns);
  g_assert_cmpuint(members(pid_ns), ==, 3);
  g_assert_cmpint(kill(holder, SIGKILL), ==, 0);
  for (int i = 0; i < 500 && (!is_gone(holder) || socket_is_there(name)); i++)
    g_usleep(10000);
  g_assert_cmpuint(members(pid_ns), ==, 0);
  g_assert_false(socket_is_there(name));
  char byte;
  g_assert_cmpint(read(pipe_ends[0], &byte, 1), ==, 1);
  g_assert_cmpint(read(pipe_ends[0], &byte, 1), ==, 1);
  g_assert_cmpint(read(pipe_ends[0], &byte, 1), ==, 0); /* the last writer is dead */
  g_assert_cmpint(lw_twin_run(name, leave_daemons, &pipe_ends[0], &error), ==, -1);
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
}

static int write_mark(gpointer data) {
  return g_file_set_contents("/run/lanward/mark", data, -1, NULL) ? 0 : 1;
}

static int compare_mark(gpointer data) {
  g_autofree char *mark = NULL;
  return g_file_get_contents("/run/lanward/mark", &mark, NULL, NULL) && g_str_equal(mark, data) ? 0 : 1;
}

static void body_side_by_side(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *one = twin_name("one");
  g_autofree char *two = twin_name("two");
  pid_t a = lw_twin_start(one, &error);
  pid_t b = lw_twin_start(two, &error);
  g_assert_no_error(error);
  g_assert_cmpint(a, !=, b);
  g_assert_cmpint(lw_twin_run(one, write_mark, one, &error), ==, 0);
  g_assert_cmpint(lw_twin_run(two, write_mark, two, &error), ==, 0);
  g_assert_cmpint(lw_twin_run(one, compare_mark, one, &error), ==, 0);
  stop(one);
  g_assert_cmpint(lw_twin_find(two, &error), ==, b);
  g_assert_cmpint(lw_twin_run(two, compare_mark, two, &error), ==, 0);
  stop(two);
}

/* Many at once: one holder, and all callers told the same. */
static void body_race(void) {
  g_autofree char *name = twin_name("race");
  pid_t children[6];
  for (guint i = 0; i < G_N_ELEMENTS(children); i++) {
    children[i] = fork();
    if (children[i] == 0)
      _exit(lw_twin_start(name, NULL) > 0 ? 0 : 1);
  }
  for (guint i = 0; i < G_N_ELEMENTS(children); i++) {
    int status;
    g_assert_cmpint(waitpid(children[i], &status, 0), ==, children[i]);
    g_assert_cmpint(status, ==, 0);
  }
  stop(name);
}

/* A starter killed at any moment leaves a whole twin or nothing. */
static void body_starter_killed(void) {
  g_autofree char *name = twin_name("half");
  for (gulong delay = 0; delay < 12000; delay += 1000) {
    pid_t child = fork();
    if (child == 0)
      _exit(lw_twin_start(name, NULL) > 0 ? 0 : 1);
    g_usleep(delay);
    kill(child, SIGKILL);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
    gint64 deadline = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    pid_t holder = 0;
    while (socket_is_there(name) && (holder = lw_twin_find(name, NULL)) == 0 &&
           g_get_monotonic_time() < deadline)
      g_usleep(2000);
    g_usleep(20000); /* one that lost its starter ends at its next step */
    g_assert_true(lw_twin_stop(name, NULL, NULL));
    while (socket_is_there(name) && g_get_monotonic_time() < deadline)
      g_usleep(2000);
    g_assert_false(socket_is_there(name));
  }
}

static int killed_by_term(gpointer data) {
  raise(SIGTERM);
  return 0;
}

static int wait_for_term(gpointer data) {
  int *ready = data;
  (void)!write(*ready, "x", 1);
  pause();
  return 0;
}

static void body_signals(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = twin_name("signals");
  g_assert_cmpint(lw_twin_start(name, &error), >, 0);
  g_assert_cmpint(lw_twin_run(name, killed_by_term, NULL, &error), ==, 128 + SIGTERM);
  int ready[2];
  g_assert_cmpint(pipe(ready), ==, 0);
  pid_t command = fork();
  if (command == 0)
    _exit(lw_twin_run(name, wait_for_term, &ready[1], NULL) == 128 + SIGTERM ? 0 : 1);
  char byte;
  g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
  kill(command, SIGTERM); /* forwarded, not died of */
  int status;
  g_assert_cmpint(waitpid(command, &status, 0), ==, command);
  g_assert_cmpint(status, ==, 0);
  stop(name);
}

static int repair_mark(gpointer data) {
  FILE *log = fopen("/run/lanward/repairs", "a");
  fprintf(log, "%s\n", (const char *)data);
  fclose(log);
  return unlink("/run/lanward/sleeper.pid");
}

/* A daemon with a pid file that dies; then one whose pid file went first, which is no accident. */
static int lose_daemon(gpointer data) {
  gboolean registered = data != NULL;
  int ends[2];
  if (pipe(ends) != 0)
    return 1;
  pid_t between = fork();
  if (between == 0) {
    pid_t daemon = fork();
    if (daemon == 0) {
      for (;;)
        pause();
    }
    (void)!write(ends[1], &daemon, sizeof daemon);
    _exit(0);
  }
  waitpid(between, NULL, 0);
  pid_t daemon;
  if (read(ends[0], &daemon, sizeof daemon) != (ssize_t)sizeof daemon)
    return 1;
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)daemon);
  g_autofree char *stat = NULL;
  if (!g_file_get_contents(path, &stat, NULL, NULL))
    return 1;
  g_auto(GStrv) fields = g_strsplit(strrchr(stat, ')') + 2, " ", -1); /* from field 3 */
  g_autofree char *identity = g_strdup_printf("%d %s\n", (int)daemon, fields[19]);
  if (registered && !g_file_set_contents("/run/lanward/sleeper.pid", identity, -1, NULL))
    return 1;
  kill(daemon, SIGKILL);
  for (int i = 0; i < 60; i++) {
    g_usleep(20000);
    if (g_file_test("/run/lanward/repairs", G_FILE_TEST_EXISTS))
      break;
  }
  g_autofree char *repairs = NULL;
  if (!g_file_get_contents("/run/lanward/repairs", &repairs, NULL, NULL))
    return 2;
  unlink("/run/lanward/repairs");
  return g_str_equal(repairs, "mended\n") ? 0 : 3;
}

static void body_repair(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = twin_name("repair");
  lw_twin_set_repair(repair_mark, (gpointer) "mended");
  g_assert_cmpint(lw_twin_start(name, &error), >, 0);
  g_assert_no_error(error);
  g_assert_cmpint(lw_twin_run(name, lose_daemon, (gpointer) "yes", &error), ==, 0);
  g_assert_cmpint(lw_twin_run(name, lose_daemon, NULL, &error), ==, 2);
  g_assert_cmpint(lw_twin_run(name, lose_daemon, (gpointer) "yes", &error), ==, 0);
  stop(name);
}

/* On a machine that ran the other tests nothing needed can be missing, and every refusal says what to do. */
static void body_probe(void) {
  g_autofree char *before = mounts();
  g_autoptr(GPtrArray) list = lw_twin_probe();
  g_assert_cmpuint(list->len, >=, 10);
  for (guint i = 0; i < list->len; i++) {
    const LwCapability *c = list->pdata[i];
    g_assert_nonnull(c->detail);
    g_assert_true(c->ok || c->remedy);
    g_printerr("# %s: %s: %s%s%s\n", c->what, c->ok ? "yes" : "no", c->detail, c->remedy ? ": " : "",
               c->remedy ? c->remedy : "");
    if (g_str_equal(c->what, "user namespaces") || g_str_equal(c->what, "bridges and veth cables") ||
        g_str_equal(c->what, "own /proc"))
      g_assert_true(c->ok);
  }
  g_autofree char *after = mounts();
  g_assert_cmpstr(before, ==, after);
}

static void test_names(void) {
  static const char *const bad[] = {"", "A", "a/b", "a b", "..", "a_b", "012345678901234567890123456789012"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(lw_twin_start(bad[i], &error), ==, -1);
    g_assert_error(error, LW_ERROR, LW_ERROR_USAGE);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/twin/names", test_names);
  static const struct {
    const char *name;
    Body body;
  } tests[] = {{"life", body_life},
               {"killed", body_killed},
               {"side-by-side", body_side_by_side},
               {"race", body_race},
               {"starter-killed", body_starter_killed},
               {"signals", body_signals},
               {"repair", body_repair},
               {"probe", body_probe}};
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *ordinary = g_strdup_printf("/twin/%s/ordinary-user", tests[i].name);
    g_autofree char *root = g_strdup_printf("/twin/%s/root", tests[i].name);
    g_test_add_data_func(ordinary, (gconstpointer)tests[i].body, test_ordinary);
    g_test_add_data_func(root, (gconstpointer)tests[i].body, test_root);
  }
  return g_test_run();
}
