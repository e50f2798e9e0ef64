/* Programs, daemons and namespaces: real processes, in namespaces that this test makes itself. */
#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "base/process.h"

#include "tests/unit/kernel/sandbox.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_run(void) {
  g_autoptr(GError) error = NULL;
  const char *cat[] = {"cat", "/dev/stdin", NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = cat, .input = "hello"}, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(out, ==, "hello");

  const char *fails[] = {"sh", "-c", "echo one >&2; echo two >&2; exit 3", NULL};
  g_assert_null(lw_command_run(&(LwCommand){.argv = fails, .input = "secret"}, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_assert_nonnull(strstr(error->message, "exit status 3: two"));
  g_assert_null(strstr(error->message, "secret"));
  g_clear_error(&error);

  const char *missing[] = {"no-such-program-here", NULL};
  g_assert_null(lw_command_run(&(LwCommand){.argv = missing}, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
}

static void test_run_environment(void) {
  g_autoptr(GError) error = NULL;
  const char *argv[] = {"sh", "-c", "echo $LW_TEST; ls /proc/self/fd | wc -l", NULL};
  const char *env[] = {"LW_TEST=a=b", NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv, .env = env}, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(out, ==, "a=b\n4\n"); /* three, and ls' own of the folder */
}

/* More than a pipe holds, on both. */
static void test_run_much(void) {
  g_autoptr(GError) error = NULL;
  const char *argv[] = {
      "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2", NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv}, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(strlen(out), ==, 300000);
}

/* A program that leaves a daemon behind, which holds its pipes. */
static void test_run_leaves_daemon(void) {
  g_autoptr(GError) error = NULL;
  const char *argv[] = {"sh", "-c", "sleep 30 & echo $!", NULL};
  gint64 start = g_get_monotonic_time();
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv}, &error);
  g_assert_no_error(error);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
  g_autofree char *identity = lw_process_identity((pid_t)g_ascii_strtoll(out, NULL, 10));
  g_assert_nonnull(identity);
  g_assert_true(lw_process_stop(identity, 1000, &error));
}

static void test_spawn_and_stop(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *log = g_build_filename(lw_sandbox_folder(), "log", NULL);
  const char *argv[] = {"sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.05; done", NULL};
  pid_t pid = lw_command_spawn(&(LwCommand){.argv = argv, .log = log}, &error);
  g_assert_no_error(error);
  g_assert_cmpint(pid, >, 0);
  g_autofree char *identity = lw_process_identity(pid);
  g_assert_cmpint(lw_process_alive(identity), ==, pid);
  g_assert_cmpint(getsid(pid), ==, pid);
  g_autofree char *text = NULL;
  for (guint i = 0; i < 200 && (!text || !*text); i++) {
    g_usleep(10000);
    g_free(g_steal_pointer(&text));
    text = lw_file_read(log, 100, NULL, &error);
    g_assert_no_error(error);
  }
  g_assert_cmpstr(text, ==, "started\n");
  struct stat st;
  g_assert_cmpint(stat(log, &st), ==, 0);
  g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
  g_assert_true(lw_process_stop(identity, 100, &error)); /* it ignores SIGTERM */
  g_assert_no_error(error);
  g_assert_cmpint(lw_process_alive(identity), ==, 0);
  g_assert_true(lw_process_stop(identity, 100, &error)); /* again */
}

static void test_spawn_fails(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *bad = g_build_filename(lw_sandbox_folder(), "bad", NULL);
  g_assert_true(lw_file_write_atomic(bad, "\1\2\3", 3, 0755, &error));
  const char *argv[] = {bad, NULL};
  g_assert_cmpint(lw_command_spawn(&(LwCommand){.argv = argv}, &error), ==, -1);
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_assert_nonnull(strstr(error->message, bad));
}

static void test_identity(void) {
  g_autofree char *own = lw_process_identity(getpid());
  g_assert_cmpint(lw_process_alive(own), ==, getpid());
  g_autofree char *reused = g_strdup_printf("%d 1", getpid());
  g_assert_cmpint(lw_process_alive(reused), ==, 0);
  g_assert_cmpint(lw_process_alive(NULL), ==, 0);
  g_assert_cmpint(lw_process_alive("rubbish"), ==, 0);
  g_assert_true(lw_process_stop(reused, 0, NULL)); /* must not hit us */
}

static char *own_netns(void) {
  return g_file_read_link("/proc/thread-self/ns/net", NULL);
}

static void test_netns(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *before = own_netns();
  g_assert_false(lw_netns_exists("one"));
  g_assert_true(lw_netns_create("one", &error));
  g_assert_no_error(error);
  g_assert_true(lw_netns_exists("one"));
  g_autofree char *after = own_netns();
  g_assert_cmpstr(before, ==, after);
  g_assert_false(lw_netns_create("one", &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_CONFLICT);
  g_clear_error(&error);

  int previous = lw_netns_enter("one", &error);
  g_assert_no_error(error);
  g_autofree char *inside = own_netns();
  g_assert_cmpstr(inside, !=, before);
  lw_netns_leave(previous);
  g_autofree char *back = own_netns();
  g_assert_cmpstr(before, ==, back);

  const char *argv[] = {"cat", "/proc/net/route", "/proc/net/fib_trie", NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv, .netns = "one"}, &error);
  g_assert_no_error(error);
  g_assert_nonnull(strstr(out, "127.0.0.1")); /* lo is up */

  g_assert_true(lw_netns_delete("one", &error));
  g_assert_false(lw_netns_exists("one"));
  g_assert_true(lw_netns_delete("one", &error));
  g_assert_cmpint(lw_netns_open("one", &error), ==, -1);
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_clear_error(&error);
  g_assert_false(lw_netns_create("../one", &error));
  g_assert_nonnull(error);
}

/* A daemon whose stopper was killed between renaming the file and the end is still found, and ended. */
static void test_end(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *dir = g_dir_make_tmp("lanward-end-XXXXXX", &error);
  g_autofree char *pid_file = g_build_filename(dir, "daemon.pid", NULL);
  g_autofree char *ending = g_strconcat(pid_file, ".ending", NULL);
  const char *argv[] = {"sleep", "60", NULL};
  LwCommand command = {.argv = argv, .pid_file = pid_file};
  for (guint interrupted = 0; interrupted < 2; interrupted++) {
    pid_t pid = lw_command_spawn(&command, &error);
    g_assert_no_error(error);
    g_autofree char *identity = lw_process_identity(pid);
    gboolean had = FALSE;
    if (interrupted) {
      g_assert_cmpint(rename(pid_file, ending), ==, 0);
      g_assert_true(lw_process_end_pending(pid_file, 1000, &had, &error));
    } else {
      g_assert_true(lw_process_end_pending(pid_file, 1000, &had, &error));
      g_assert_false(had); /* nobody has told it to end */
      g_assert_cmpint(lw_process_alive(identity), ==, pid);
      g_assert_true(lw_process_end(pid_file, 1000, &had, &error));
    }
    g_assert_true(had);
    g_assert_cmpint(lw_process_alive(identity), ==, 0);
    g_assert_false(g_file_test(pid_file, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(ending, G_FILE_TEST_EXISTS));
    g_assert_true(lw_process_end(pid_file, 1000, &had, &error));
    g_assert_false(had);
  }
  g_assert_cmpint(rmdir(dir), ==, 0);
}

int main(int argc, char **argv) {
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/process/run", test_run);
  g_test_add_func("/process/run-environment", test_run_environment);
  g_test_add_func("/process/run-much", test_run_much);
  g_test_add_func("/process/run-leaves-daemon", test_run_leaves_daemon);
  g_test_add_func("/process/spawn-and-stop", test_spawn_and_stop);
  g_test_add_func("/process/spawn-fails", test_spawn_fails);
  g_test_add_func("/process/end", test_end);
  g_test_add_func("/process/identity", test_identity);
  g_test_add_func("/netns/life", test_netns);
  return g_test_run();
}
