/* parse -> print -> parse is the identity: on the examples, and on labs made at random. */
#include "lab_equal.h"
#include "random_lab.h"

#include "spec/spec.h"

#include <string.h>

static LwLab *parse(const char *text, const char *dir, LwSecretStore *store) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  LwLab *lab = lw_spec_parse(text, strlen(text), "text.yaml", dir, LW_SPEC_TWIN, store, diagnostics);
  for (guint i = 0; !lab && i < diagnostics->len; i++) {
    g_autofree char *line = lw_diagnostic_format(diagnostics->pdata[i], FALSE);
    g_test_message("%s", line);
  }
  return lab;
}

static void check_identity(const char *text, const char *dir) {
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  g_autoptr(LwLab) first = parse(text, dir, store);
  if (!first)
    g_test_message("the text was:\n%s", text);
  g_assert_nonnull(first);
  g_autofree char *printed = lw_spec_print(first);
  g_autoptr(LwLab) second = parse(printed, dir, store);
  if (!second)
    g_test_message("printed as:\n%s", printed);
  g_assert_nonnull(second);
  g_autofree char *difference = lab_difference(first, second);
  if (difference)
    g_test_message("%s differs in:\n%s\nprinted as:\n%s", difference, text, printed);
  g_assert_null(difference);
  g_autofree char *again = lw_spec_print(second);
  g_assert_cmpstr(printed, ==, again);
}

static void test_example(gconstpointer name) {
  g_autofree char *path = g_build_filename(LW_SOURCE, "examples", name, NULL);
  g_autofree char *dir = g_path_get_dirname(path);
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  check_identity(text, dir);
}

static void test_random(void) {
  for (guint seed = 0; seed < 400; seed++) {
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    g_autofree char *text = random_lab(random);
    check_identity(text, NULL);
  }
}

/* Words and numbers that other YAML readers read a type into are quoted when printed. */
static void test_quoting(void) {
  static const char text[] =
      "lab: q\nhost: {uplink: eth0}\n"
      "segments: {yes: {subnet: 10.0.0.0/24, network: \"1e3\"}, n: {subnet: 10.0.1.0/24}}\n"
      "machines:\n"
      "  on: {cell: true, command: [\"\", \"a, b\", 'it''s', \"tab\\there\", \"no\", 12, 1.50, \"é\"],"
      " segment: yes, address: .5}\n"
      "  null-1: {vm: \"Gaming: PC #1\", segment: n, address: .7, mac: '52:54:00:12:34:56'}\n";
  g_autofree char *fixed = g_strdup(text);
  char *empty = strstr(fixed, "\"\", "); /* a program needs a name */
  memcpy(empty, "\"x\",", 4);
  check_identity(fixed, NULL);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab = parse(fixed, NULL, store);
  g_autofree char *printed = lw_spec_print(lab);
  static const char *const quoted[] = {"\"yes\":",
                                       "\"on\":",
                                       "\"n\":",
                                       "\"1e3\"",
                                       "\"no\"",
                                       "\"12\"",
                                       "\"1.50\"",
                                       "\"tab\\u0009here\"",
                                       "\"52:54:00:12:34:56\"",
                                       "\"Gaming: PC #1\""};
  for (guint i = 0; i < G_N_ELEMENTS(quoted); i++)
    if (!strstr(printed, quoted[i]))
      g_error("%s is missing in:\n%s", quoted[i], printed);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_data_func("/spec/identity/homelab", "homelab.yaml", test_example);
  g_test_add_data_func("/spec/identity/small", "small.yaml", test_example);
  g_test_add_func("/spec/identity/random", test_random);
  g_test_add_func("/spec/identity/quoting", test_quoting);
  return g_test_run();
}
