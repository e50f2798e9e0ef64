/* Every file of tests/golden/bad/ is wrong in the ways that its first lines say:
 *
 *     # expect: LINE:COLUMN substring      an error there, with the substring in message or suggestion
 *     # expect: FILE:LINE:COLUMN substring the same in another file
 *     # warn: LINE:COLUMN substring        a warning
 *     # twin                               read for the twin
 *     # mode: FILE 0600                    the mode that a helper file is given before it is read
 *
 * and in no other: the number of errors is that of the lines. */
#include "spec/spec.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

static char *copy_folder; /* modes are set on a copy: a checkout has its own */

typedef struct {
  gboolean is_error;
  char *place, *substring;
} Expected;

static void expected_free(gpointer data) {
  Expected *expected = data;
  g_free(expected->place);
  g_free(expected->substring);
  g_free(expected);
}

static GPtrArray *read_expected(const char *text, LwSpecFlags *flags) {
  GPtrArray *list = g_ptr_array_new_with_free_func(expected_free);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i] && lines[i][0] == '#'; i++) {
    char *line = g_strchomp(lines[i]);
    gboolean error = g_str_has_prefix(line, "# expect: "), warning = g_str_has_prefix(line, "# warn: ");
    if (strcmp(line, "# twin") == 0)
      *flags = LW_SPEC_TWIN;
    if (g_str_has_prefix(line, "# mode: ")) {
      g_auto(GStrv) words = g_strsplit(line + strlen("# mode: "), " ", -1);
      g_autofree char *path = g_build_filename(copy_folder, words[0], NULL);
      g_assert_cmpint(chmod(path, (mode_t)strtoul(words[1], NULL, 8)), ==, 0);
    }
    if (!error && !warning)
      continue;
    char *rest = line + (error ? strlen("# expect: ") : strlen("# warn: ")), *space = strchr(rest, ' ');
    g_assert_nonnull(space);
    Expected *expected = g_new0(Expected, 1);
    expected->is_error = error;
    expected->place = g_strndup(rest, (gsize)(space - rest));
    expected->substring = g_strdup(space + 1);
    g_ptr_array_add(list, expected);
  }
  return list;
}

/* "LINE:COLUMN", with "FILE:" before it when it is not the main file. */
static char *place_of(const LwDiagnostic *diagnostic, const char *path) {
  const LwOrigin *origin = &diagnostic->origin;
  if (strcmp(origin->file, path) == 0)
    return g_strdup_printf("%u:%u", origin->line, origin->column);
  g_autofree char *name = g_path_get_basename(origin->file);
  return g_strdup_printf("%s:%u:%u", name, origin->line, origin->column);
}

static gboolean matches(const Expected *expected, const LwDiagnostic *diagnostic, const char *path) {
  g_autofree char *place = place_of(diagnostic, path);
  if (expected->is_error != diagnostic->is_error || strcmp(expected->place, place) != 0)
    return FALSE;
  return strstr(diagnostic->message, expected->substring) ||
         (diagnostic->suggestion && strstr(diagnostic->suggestion, expected->substring));
}

static void test_bad(gconstpointer name) {
  g_autofree char *path = g_build_filename(copy_folder, name, NULL);
  g_autofree char *text = NULL;
  LwSpecFlags flags = 0;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_autoptr(GPtrArray) wanted = read_expected(text, &flags);
  g_assert_cmpuint(wanted->len, >, 0);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwLab) lab = lw_spec_load(path, flags, store, found);
  guint missing = 0, errors = 0, wanted_errors = 0;
  for (guint i = 0; i < wanted->len; i++) {
    const Expected *expected = wanted->pdata[i];
    gboolean seen = FALSE;
    wanted_errors += expected->is_error;
    for (guint j = 0; j < found->len; j++)
      seen |= matches(expected, found->pdata[j], path);
    if (!seen)
      g_test_message("not found: %s %s", expected->place, expected->substring);
    missing += !seen;
  }
  for (guint i = 0; i < found->len; i++)
    errors += ((LwDiagnostic *)found->pdata[i])->is_error;
  if (missing || errors != wanted_errors)
    for (guint i = 0; i < found->len; i++) {
      g_autofree char *line = lw_diagnostic_format(found->pdata[i], FALSE);
      g_test_message("said: %s", line);
    }
  if (missing || errors != wanted_errors)
    g_test_fail_printf("%u missing, %u errors instead of %u", missing, errors, wanted_errors);
  g_assert_true((lab == NULL) == (errors > 0));
}

static void copy_files(const char *folder) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
  g_assert_no_error(error);
  const char *name;
  while ((name = g_dir_read_name(dir))) {
    g_autofree char *from = g_build_filename(folder, name, NULL),
                    *to = g_build_filename(copy_folder, name, NULL);
    g_autofree char *text = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(from, &text, &length, NULL));
    g_file_set_contents(to, text, (gssize)length, &error);
    g_assert_no_error(error);
    g_assert_cmpint(chmod(to, 0600), ==, 0);
    if (!g_str_has_suffix(name, ".yaml") || g_str_has_prefix(name, "part-"))
      continue;
    g_autofree char *test = g_strconcat("/spec/bad/", name, NULL);
    g_test_add_data_func_full(test, g_strdup(name), test_bad, g_free);
  }
}

static void remove_copies(void) {
  g_autoptr(GDir) dir = g_dir_open(copy_folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(copy_folder, name, NULL);
    g_remove(path);
  }
  g_rmdir(copy_folder);
}

int main(int argc, char **argv) {
  setlocale(LC_ALL, "C.UTF-8");
  g_test_init(&argc, &argv, NULL);
  copy_folder = g_dir_make_tmp("lanward-bad-XXXXXX", NULL);
  g_autofree char *folder = g_build_filename(LW_SOURCE, "tests/golden/bad", NULL);
  copy_files(folder);
  int status = g_test_run();
  remove_copies();
  g_free(copy_folder);
  return status;
}
