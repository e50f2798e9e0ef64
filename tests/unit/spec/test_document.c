/* docs/spec.md and data/lab.schema.json are what the key table says. LW_REGENERATE=1 rewrites them. */
#include "spec/keys.h"
#include "spec/spec.h"

#include <json-glib/json-glib.h>
#include <string.h>

static void check_file(const char *name, const char *wanted) {
  g_autofree char *path = g_build_filename(LW_SOURCE, name, NULL);
  g_autofree char *folder = g_path_get_dirname(path);
  g_autoptr(GError) error = NULL;
  if (g_strcmp0(g_getenv("LW_REGENERATE"), "1") == 0) {
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_file_set_contents(path, wanted, -1, &error);
    g_assert_no_error(error);
  }
  g_autofree char *have = NULL;
  g_file_get_contents(path, &have, NULL, &error);
  g_assert_no_error(error);
  if (strcmp(have, wanted) != 0)
    g_test_message("%s is stale: run this test with LW_REGENERATE=1 and look at the difference", name);
  g_assert_true(strcmp(have, wanted) == 0);
}

static void test_document(void) {
  g_autofree char *text = lw_spec_document();
  check_file("docs/spec.md", text);
}

static void test_schema(void) {
  g_autofree char *text = lw_spec_schema();
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autoptr(GError) error = NULL;
  json_parser_load_from_data(parser, text, -1, &error);
  g_assert_no_error(error);
  check_file("data/lab.schema.json", text);
}

/* Each row stands at its own number, and is documented. */
static void test_table(void) {
  for (guint i = 0; i < LW_KEY_COUNT; i++) {
    const LwKey *key = &lw_keys[i];
    g_assert_cmpuint(key->id, ==, i);
    g_assert_nonnull(key->key);
    g_assert_true(lw_key_find(key->section, key->key) == key);
    if (!key->documentation || strlen(key->documentation) < 8)
      g_error("%s has no documentation", key->key);
    g_assert_true(lw_types[key->type].name != NULL);
    g_assert_true(lw_types[key->type].schema || key->type == LW_TYPE_SECTION || key->type == LW_TYPE_CHOICE);
    g_assert_true((key->type == LW_TYPE_CHOICE) == (key->choices != NULL));
  }
  for (guint i = 0; i < LW_SECTION_COUNT; i++)
    g_assert_nonnull(lw_sections[i].documentation);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/spec/document/table", test_table);
  g_test_add_func("/spec/document/markdown", test_document);
  g_test_add_func("/spec/document/schema", test_schema);
  return g_test_run();
}
