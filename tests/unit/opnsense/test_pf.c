/* What is read out of a config.xml, against what OPNsense's own generator (26.7.2) made of the same file. */
#include "providers/opnsense/pf.h"

#include <string.h>

static char *read_fixture(const char *name, gsize *length) {
  g_autofree char *path = g_build_filename(LW_SOURCE, "tests/fixtures/opnsense", name, NULL);
  char *text = NULL;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(path, &text, length, &error))
    g_error("%s", error->message);
  return text;
}

static LwOpn *parse_fixture(const char *name) {
  gsize length;
  g_autofree char *text = read_fixture(name, &length);
  g_autoptr(GError) error = NULL;
  LwOpn *opn = lw_opn_parse(text, length, &error);
  g_assert_no_error(error);
  return opn;
}

G_GNUC_UNUSED static LwOpn *parse_text(const char *inner) {
  g_autofree char *text = g_strdup_printf("<?xml version=\"1.0\"?><opnsense>%s</opnsense>", inner);
  g_autoptr(GError) error = NULL;
  LwOpn *opn = lw_opn_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return opn;
}

/* The run that the samples are from had this lease, and no address on wg3 yet. */
static LwOpnLinks *sample_links(const LwOpn *opn) {
  LwOpnLinks *links = lw_opn_links_guess(opn);
  LwOpnLink *wan = lw_opn_link(links, "wan"), *vpn3 = lw_opn_link(links, "opt9");
  g_assert_true(lw_prefix_parse("10.0.2.15/24", &wan->address4));
  g_assert_true(lw_addr_parse("10.0.2.2", &wan->gateway4));
  vpn3->address4 = (LwPrefix){0};
  return links;
}

/* One space between words, and labels left out where they are a digest that only OPNsense's own code has. */
static char *normal(const char *line, gboolean labels) {
  g_autoptr(GRegex) spaces = g_regex_new("\\s+", 0, 0, NULL);
  g_autoptr(GRegex) digest =
      g_regex_new(labels ? " label \"[0-9a-f]{32}\"" : " label \"[^\"]*\"", 0, 0, NULL);
  g_autofree char *single = g_regex_replace_literal(spaces, line, -1, 0, " ", 0, NULL);
  g_autofree char *plain = g_regex_replace_literal(digest, single, -1, 0, "", 0, NULL);
  return g_strstrip(g_strdup(plain));
}

/* Of char*: the rules that pf loads, from the first NAT line on. */
static GPtrArray *loaded_lines(const char *text) {
  GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  gboolean begun = FALSE;
  for (char **line = lines; *line; line++) {
    begun |= g_str_has_prefix(*line, "no nat proto carp");
    if (begun && **line && **line != '#')
      g_ptr_array_add(out, normal(*line, TRUE));
  }
  return out;
}

static void check_sample(const char *name) {
  g_autofree char *xml = g_strdup_printf("%s.xml", name);
  g_autofree char *rules = g_strdup_printf("%s.rules", name);
  g_autofree char *theirs_text = read_fixture(rules, NULL);
  g_autoptr(LwOpn) opn = parse_fixture(xml);
  g_autoptr(LwOpnLinks) links = sample_links(opn);
  g_autoptr(LwPf) pf = lw_pf_generate(opn, links, NULL);
  g_autofree char *ours_text = lw_pf_text(pf);
  g_autoptr(GPtrArray) ours = loaded_lines(ours_text), theirs = loaded_lines(theirs_text);
  for (guint i = 0; i < MIN(ours->len, theirs->len); i++)
    if (!g_str_equal(ours->pdata[i], theirs->pdata[i]))
      g_error("%s, rule %u:\n  theirs: %s\n  ours:   %s", name, i, (char *)theirs->pdata[i],
              (char *)ours->pdata[i]);
  g_assert_cmpuint(ours->len, ==, theirs->len);
  g_assert_cmpuint(ours->len, >, 120);
}

static void test_legacy(void) {
  check_sample("guide-legacy");
}

static void test_mvc(void) {
  check_sample("guide-mvc");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/opnsense/pf/sample/legacy", test_legacy);
  g_test_add_func("/opnsense/pf/sample/mvc", test_mvc);
  return g_test_run();
}
