/* Rules that others' programs made, as the readers understand them, compared with the files kept beside.
 * LW_REGENERATE=1 writes them anew: then read the difference before committing it. */
#include "providers/nft/iptables.h"
#include "providers/nft/read.h"

#include <string.h>

static const char *folder;

static char *fixture(const char *name) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder, name, NULL);
  char *text = NULL;
  g_file_get_contents(path, &text, NULL, &error);
  g_assert_no_error(error);
  return text;
}

static void compare(const char *name, const char *text) {
  g_autoptr(GError) error = NULL;
  g_autofree char *file = g_strconcat(name, ".neutral", NULL);
  g_autofree char *path = g_build_filename(folder, file, NULL);
  if (g_getenv("LW_REGENERATE")) {
    g_assert_true(g_file_set_contents(path, text, -1, &error));
    return;
  }
  g_autofree char *kept = fixture(file);
  if (!g_str_equal(kept, text))
    g_test_message("%s differs: LW_REGENERATE=1 meson test --suite golden, then git diff", path);
  g_assert_cmpstr(text, ==, kept);
}

static char *text_of(const GPtrArray *rulesets) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < rulesets->len; i++) {
    g_autoptr(LwRuleset) normal = lw_ruleset_normalize(rulesets->pdata[i]);
    g_autofree char *text = lw_ruleset_format(normal);
    g_string_append(out, text);
  }
  return g_string_free(out, FALSE);
}

static char *read_listing(const char *name) {
  g_autoptr(GError) error = NULL;
  g_autofree char *json = fixture(name);
  g_autoptr(GPtrArray) rulesets = lw_nft_read(json, &error);
  g_assert_no_error(error);
  return text_of(rulesets);
}

static void test_listing(gconstpointer data) {
  g_autofree char *name = g_strconcat(data, ".json", NULL);
  g_autofree char *text = read_listing(name);
  compare(data, text);
}

static void test_save(gconstpointer data) {
  g_autofree char *saved = fixture(data);
  g_autoptr(GPtrArray) rulesets =
      lw_iptables_read(saved, g_str_has_suffix(data, "6") ? LW_FAMILY_IP6 : LW_FAMILY_IP);
  g_autofree char *text = text_of(rulesets);
  compare(data, text);
}

/* Two versions that list the same rules in other words; the older does not tell of devices. */
static void test_versions(void) {
  g_autofree char *old = read_listing("kinds-1.0.6.json");
  g_autofree char *new = read_listing("kinds-1.1.3.json");
  g_autoptr(GString) expected = g_string_new(old);
  g_assert_cmpuint(g_string_replace(expected, "  UNKNOWN \"the devices of chain i are not listed\"\n", "", 0),
                   ==, 1);
  g_assert_cmpuint(
      g_string_replace(expected, "ingress 0 policy accept\n", "ingress 0 policy accept of lo\n", 0), ==, 1);
  g_assert_cmpstr(new, ==, expected->str);
}

int main(int argc, char **argv) {
  static const char *const listings[] = {"docker", "firewalld",   "libvirt",
                                         "ufw",    "kinds-1.0.6", "kinds-1.1.3"};
  static const char *const saves[] = {"docker.save",   "docker.save6", "libvirt.save",
                                      "libvirt.save6", "ufw.save",     "ufw.save6"};
  g_test_init(&argc, &argv, NULL);
  g_assert_nonnull(g_getenv("LW_SOURCE_DIR"));
  g_autofree char *path = g_build_filename(g_getenv("LW_SOURCE_DIR"), "tests/fixtures/rulesets", NULL);
  folder = path;
  for (guint i = 0; i < G_N_ELEMENTS(listings); i++) {
    g_autofree char *name = g_strconcat("/rulesets/listing/", listings[i], NULL);
    g_test_add_data_func(name, listings[i], test_listing);
  }
  for (guint i = 0; i < G_N_ELEMENTS(saves); i++) {
    g_autofree char *name = g_strconcat("/rulesets/save/", saves[i], NULL);
    g_test_add_data_func(name, saves[i], test_save);
  }
  g_test_add_func("/rulesets/versions", test_versions);
  return g_test_run();
}
