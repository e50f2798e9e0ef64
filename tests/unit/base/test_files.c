/* Files that are replaced whole or not at all. */
#include "base/error.h"
#include "base/files.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static guint entries_of(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  guint count = 0;
  while (g_dir_read_name(dir))
    count++;
  return count;
}

static char *new_folder(void) {
  char *folder = g_dir_make_tmp("lanward-files-XXXXXX", NULL);
  g_assert_nonnull(folder);
  return folder;
}

static void test_replaced(void) {
  g_autofree char *folder = new_folder();
  g_autofree char *path = g_build_filename(folder, "state", NULL);
  static const char *const contents[] = {"one", "another"};
  for (guint i = 0; i < G_N_ELEMENTS(contents); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_true(lw_file_write_atomic(path, contents[i], strlen(contents[i]), 0600, &error));
    g_autofree char *text = lw_file_read(path, 100, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, contents[i]);
    struct stat st;
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    g_assert_cmpuint(entries_of(folder), ==, 1);
  }
  g_assert_true(lw_tree_remove(folder, NULL));
}

static void test_no_folder(void) {
  g_autofree char *folder = new_folder();
  g_autofree char *path = g_build_filename(folder, "none", "state", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_false(lw_file_write_atomic(path, "x", 1, 0600, &error));
  g_assert_nonnull(strstr(error->message, path));
  g_assert_cmpuint(entries_of(folder), ==, 0);
  g_assert_true(lw_tree_remove(folder, NULL));
}

/* The kernel ends the writer in the middle of the file (SIGXFSZ): the old one is there, and nothing else. */
static void test_killed(void) {
  g_autofree char *folder = new_folder();
  g_autofree char *path = g_build_filename(folder, "state", NULL);
  g_assert_true(lw_file_write_atomic(path, "old", 3, 0600, NULL));
  pid_t child = fork();
  if (child == 0) {
    struct rlimit none = {0, 0}, small = {4096, 4096};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &small);
    g_autofree char *large = g_strnfill(65536, 'x');
    (void)lw_file_write_atomic(path, large, 65536, 0600, NULL);
    _exit(0);
  }
  int status;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_true(WIFSIGNALED(status));
  g_autofree char *text = lw_file_read(path, 100, NULL, NULL);
  g_assert_cmpstr(text, ==, "old");
  g_assert_cmpuint(entries_of(folder), ==, 1);
  g_assert_true(lw_tree_remove(folder, NULL));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base/files/replaced", test_replaced);
  g_test_add_func("/base/files/no-folder", test_no_folder);
  g_test_add_func("/base/files/killed", test_killed);
  return g_test_run();
}
