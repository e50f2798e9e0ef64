#include "diagram/diagram.h"
#include "diagram/svg.h"
#include "labs.h"

#include <string.h>

typedef struct {
  double x, y, w, h;
} Rect;

typedef struct {
  Rect page;
  GArray *machines, *segments; /* of Rect */
  GString *texts;              /* all text, a line each */
  guint scripts;
} Picture;

static double number(const char **names, const char **values, const char *name) {
  for (guint i = 0; names[i]; i++)
    if (g_str_equal(names[i], name))
      return g_ascii_strtod(values[i], NULL);
  return 0;
}

static const char *string(const char **names, const char **values, const char *name) {
  for (guint i = 0; names[i]; i++)
    if (g_str_equal(names[i], name))
      return values[i];
  return "";
}

static void inside_page(const Picture *picture, const Rect *rect) {
  g_assert_cmpfloat(rect->x, >=, 0);
  g_assert_cmpfloat(rect->y, >=, 0);
  g_assert_cmpfloat(rect->x + rect->w, <=, picture->page.w);
  g_assert_cmpfloat(rect->y + rect->h, <=, picture->page.h);
}

static void start(GMarkupParseContext *context, const char *element, const char **names, const char **values,
                  gpointer data, GError **error) {
  (void)context;
  (void)error;
  Picture *picture = data;
  Rect rect = {number(names, values, "x"), number(names, values, "y"), number(names, values, "width"),
               number(names, values, "height")};
  if (g_str_equal(element, "svg"))
    picture->page = rect;
  if (g_str_equal(element, "script"))
    picture->scripts++;
  if (!g_str_equal(element, "rect"))
    return;
  inside_page(picture, &rect);
  const char *class = string(names, values, "class");
  if (g_str_equal(class, "machine"))
    g_array_append_val(picture->machines, rect);
  if (g_str_equal(class, "segment"))
    g_array_append_val(picture->segments, rect);
}

static void text(GMarkupParseContext *context, const char *said, gsize length, gpointer data,
                 GError **error) {
  (void)context;
  (void)error;
  Picture *picture = data;
  g_string_append_len(picture->texts, said, (gssize)length);
  g_string_append_c(picture->texts, '\n');
}

static void picture_free(Picture *picture) {
  g_array_unref(picture->machines);
  g_array_unref(picture->segments);
  g_string_free(picture->texts, TRUE);
  g_free(picture);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Picture, picture_free)

static Picture *look(const char *svg) {
  static const GMarkupParser parser = {.start_element = start, .text = text};
  Picture *picture = g_new0(Picture, 1);
  picture->machines = g_array_new(FALSE, FALSE, sizeof(Rect));
  picture->segments = g_array_new(FALSE, FALSE, sizeof(Rect));
  picture->texts = g_string_new(NULL);
  g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, picture, NULL);
  g_autoptr(GError) error = NULL;
  g_markup_parse_context_parse(context, svg, -1, &error);
  g_assert_no_error(error);
  g_markup_parse_context_end_parse(context, &error);
  g_assert_no_error(error);
  return picture;
}

static Picture *draw(LwLab *lab, const LwFacts *facts) {
  g_autofree char *svg = lw_diagram_svg(lab, facts);
  return look(svg);
}

static void assert_apart(const GArray *rects) {
  for (guint i = 0; i < rects->len; i++)
    for (guint k = i + 1; k < rects->len; k++) {
      const Rect *a = &g_array_index(rects, Rect, i), *b = &g_array_index(rects, Rect, k);
      g_assert_true(a->x + a->w <= b->x || b->x + b->w <= a->x || a->y + a->h <= b->y || b->y + b->h <= a->y);
    }
}

/* Each machine is within one segment. */
static void assert_within(const GArray *machines, const GArray *segments) {
  for (guint i = 0; i < machines->len; i++) {
    const Rect *m = &g_array_index(machines, Rect, i);
    guint holders = 0;
    for (guint k = 0; k < segments->len; k++) {
      const Rect *s = &g_array_index(segments, Rect, k);
      holders += m->x >= s->x && m->x + m->w <= s->x + s->w && m->y >= s->y && m->y + m->h <= s->y + s->h;
    }
    g_assert_cmpuint(holders, ==, 1);
  }
}

static void check(LwLab *lab, guint segments, guint machines) {
  g_autoptr(Picture) picture = draw(lab, NULL);
  g_assert_cmpuint(picture->segments->len, ==, segments);
  g_assert_cmpuint(picture->machines->len, ==, machines);
  assert_apart(picture->segments);
  assert_apart(picture->machines);
  assert_within(picture->machines, picture->segments);
}

static void test_homelab(void) {
  g_autoptr(LwLab) lab = lw_test_homelab();
  check(lab, 5, 8);
  g_autoptr(Picture) picture = draw(lab, NULL);
  static const char *const said[] = {"lan30 .20–.29",
                                     "in: tcp+udp/51413 → seedbox",
                                     "trusted: host ⇄ segment",
                                     "no way out",
                                     "host/ping from .0–.63",
                                     "192.168.99.15",
                                     "enp1s0",
                                     ".31 · also lan20",
                                     "172.16.0.0/12"};
  for (guint i = 0; i < G_N_ELEMENTS(said); i++)
    g_assert_nonnull(strstr(picture->texts->str, said[i]));
}

static void test_sizes(void) {
  static const struct {
    guint segments, machines;
  } sizes[] = {{1, 0}, {1, 1}, {2, 7}, {6, 6}, {7, 1}, {12, 8}, {13, 3}, {40, 2}};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(LwLab) lab = lw_test_wide_lab(sizes[i].segments, sizes[i].machines);
    check(lab, sizes[i].segments, sizes[i].segments * sizes[i].machines);
  }
}

static void test_empty(void) {
  g_autoptr(LwLab) lab = lw_lab_new();
  check(lab, 0, 0);
}

static void test_hostile(void) {
  g_autoptr(LwLab) lab = lw_test_hostile_lab();
  check(lab, 1, 2);
  g_autoptr(Picture) picture = draw(lab, NULL);
  g_assert_cmpuint(picture->scripts, ==, 0);
  g_assert_nonnull(strstr(picture->texts->str, "<script>alert(1)</script>"));
}

/* What was switched, moved and cut off shows. */
static void test_state(void) {
  g_autoptr(LwLab) lab = lw_test_homelab();
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_hash_table_insert(facts->active, g_strdup("lan30"), g_strdup("de"));
  g_hash_table_insert(facts->positions, g_strdup("roamer/0"), g_strdup("lan10"));
  g_hash_table_add(facts->cut, g_strdup("vault"));
  g_autoptr(Picture) picture = draw(lab, facts);
  g_assert_cmpuint(picture->machines->len, ==, 8);
  assert_within(picture->machines, picture->segments);
  g_assert_nonnull(strstr(picture->texts->str, "de (switched)"));
  g_assert_nonnull(strstr(picture->texts->str, "se, us"));
  g_assert_nonnull(strstr(picture->texts->str, "moved from lan30"));
  g_assert_nonnull(strstr(picture->texts->str, "cut off"));
}

static void test_text(void) {
  g_autofree char *whole = lw_svg_text_fit("seedbox", 12, TRUE, 100);
  g_assert_cmpstr(whole, ==, "seedbox");
  static const double widths[] = {20, 31.5, 50, 90};
  for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
    g_autofree char *cut =
        lw_svg_text_fit("a machine with quite a name, 日本語 and more", 12, FALSE, widths[i]);
    g_assert_true(g_str_has_suffix(cut, "…"));
    g_assert_cmpfloat(lw_svg_text_width(cut, 12, FALSE), <=, widths[i]);
  }
  g_autofree char *escaped = lw_svg_escape("a<b>&\"'\x02\xff");
  g_assert_cmpstr(escaped, ==, "a&lt;b&gt;&amp;&quot;&apos;\xef\xbf\xbd\xef\xbf\xbd");
}

/* The same lab gives the same bytes, whatever the locale writes for a decimal point; and the picture in the
 * documents is this one. Run from the top of the checkout; LW_REGENERATE=1 writes it. */
static void test_golden(void) {
  g_autoptr(LwLab) lab = lw_test_homelab();
  g_autofree char *svg = lw_diagram_svg(lab, NULL);
  g_autoptr(GError) error = NULL;
  if (g_getenv("LW_REGENERATE")) {
    g_file_set_contents("docs/homelab.svg", svg, -1, &error);
    g_assert_no_error(error);
    return;
  }
  g_autofree char *golden = NULL;
  g_file_get_contents("docs/homelab.svg", &golden, NULL, &error);
  g_assert_no_error(error);
  g_assert_true(g_str_equal(svg, golden)); /* not g_assert_cmpstr: it would print both */
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/diagram/homelab", test_homelab);
  g_test_add_func("/diagram/sizes", test_sizes);
  g_test_add_func("/diagram/empty", test_empty);
  g_test_add_func("/diagram/hostile", test_hostile);
  g_test_add_func("/diagram/state", test_state);
  g_test_add_func("/diagram/text", test_text);
  g_test_add_func("/diagram/golden", test_golden);
  return g_test_run();
}
