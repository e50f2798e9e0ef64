/* The matrix as a picture. */
#include "audit/audit.h"

#include "diagram/svg.h"

#define MARGIN 24.0
#define CELL_HEIGHT 40.0
#define HEAD 64.0
#define FONT 13.0
#define SMALL 11.0

static const char ink[] = "#1f2933", faint[] = "#6b7785";

static double widest(const LwAuditWorld *world) {
  double width = 60;
  for (guint i = 0; i < world->zones->len; i++)
    width = MAX(width, lw_svg_text_width(lw_audit_zone(world, i)->name, FONT, TRUE));
  return width + 20;
}

static double cell_width(const LwAuditMatrix *matrix) {
  double width = 76;
  for (guint c = 0; c < matrix->columns->len; c++)
    width =
        MAX(width, lw_svg_text_width(((LwAuditColumn *)matrix->columns->pdata[c])->name, FONT, TRUE) + 16);
  return width;
}

static char *exits_text(const LwAuditCell *cell) {
  g_autoptr(GString) out = g_string_new(NULL);
  for (guint i = 0; i < cell->exits->len; i++)
    g_string_append_printf(out, "%s%s", i ? " + " : "by ", (char *)cell->exits->pdata[i]);
  return g_string_free(g_steal_pointer(&out), FALSE);
}

static void tooltip(LwSvg *svg, const LwAuditCell *cell) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < cell->flows->len; i++) {
    const LwAuditFlow *flow = cell->flows->pdata[i];
    g_string_append_printf(text, "%s%s to %s %s (%s)", i ? "\n" : "", flow->services, flow->to,
                           flow->way ? flow->way : "", flow->rule);
  }
  g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
  lw_svg_raw(svg, "<title>");
  for (char **each = lines; *each; each++) {
    g_autofree char *escaped = lw_svg_escape(*each);
    g_string_append_printf(svg->out, "%s%s", each == lines ? "" : "\n", escaped);
  }
  lw_svg_raw(svg, "</title>\n");
}

static void draw_cell(LwSvg *svg, double x, double y, double width, const LwAuditCell *cell) {
  static const char *const looks[] = {"fill=\"#eef1f4\"", "fill=\"#fbe3b5\"", "fill=\"#bfe3c6\""};
  static const char *const words[] = {"–", "some", "all"};
  if (!cell) {
    lw_svg_rect(svg, x + 1, y + 1, width - 2, CELL_HEIGHT - 2, 5, "fill=\"#ffffff\" stroke=\"#eef1f4\"");
    return;
  }
  g_autofree char *exits = exits_text(cell);
  LwSvgFont word = {FONT, FALSE, cell->open == LW_OPEN_NONE ? faint : ink, "middle"};
  LwSvgFont small = {SMALL, FALSE, faint, "middle"};
  lw_svg_raw(svg, "<g>\n");
  lw_svg_rect(svg, x + 1, y + 1, width - 2, CELL_HEIGHT - 2, 5, looks[cell->open]);
  lw_svg_text(svg, x + width / 2, y + (*exits ? 18 : 25), width - 8, &word, words[cell->open]);
  if (*exits)
    lw_svg_text(svg, x + width / 2, y + 32, width - 8, &small, exits);
  if (cell->flows->len)
    tooltip(svg, cell);
  lw_svg_raw(svg, "</g>\n");
}

static void draw_matrix(LwSvg *svg, double top, const LwAuditMatrix *matrix, const LwAuditWorld *world) {
  double first = widest(world), width = cell_width(matrix);
  LwSvgFont bold = {FONT, TRUE, ink, NULL}, head = {FONT, TRUE, ink, "middle"},
            small = {SMALL, FALSE, faint, NULL};
  g_autofree char *title = g_strdup_printf("IPv%u: rows reach columns", matrix->family);
  lw_svg_text(svg, MARGIN, top + 16, 400, &small, title);
  for (guint c = 0; c < matrix->columns->len; c++)
    lw_svg_text(svg, MARGIN + first + width * c + width / 2, top + 44, width - 4, &head,
                ((LwAuditColumn *)matrix->columns->pdata[c])->name);
  for (guint i = 0; i < matrix->rows->len; i++) {
    double y = top + HEAD - 8 + CELL_HEIGHT * i;
    lw_svg_text(svg, MARGIN, y + 25, first - 8, &bold, lw_audit_zone(world, i)->name);
    for (guint c = 0; c < matrix->columns->len; c++)
      draw_cell(svg, MARGIN + first + width * c, y, width, ((GPtrArray *)matrix->rows->pdata[i])->pdata[c]);
  }
}

char *lw_audit_svg(const LwAudit *audit, const char *name) {
  LwSvg svg = {g_string_new(NULL)};
  double width = 0, height = MARGIN + 30;
  for (guint i = 0; i < audit->matrices->len; i++) {
    const LwAuditMatrix *matrix = audit->matrices->pdata[i];
    const LwAuditWorld *world = audit->worlds->pdata[i];
    width = MAX(width, 2 * MARGIN + widest(world) + cell_width(matrix) * matrix->columns->len);
    height += HEAD + CELL_HEIGHT * matrix->rows->len + 12;
  }
  g_string_append(svg.out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"");
  lw_svg_number(svg.out, width);
  g_string_append(svg.out, "\" height=\"");
  lw_svg_number(svg.out, height);
  g_string_append(svg.out, "\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n");
  lw_svg_rect(&svg, 0, 0, width, height, 0, "fill=\"#ffffff\"");
  LwSvgFont big = {17, TRUE, ink, NULL};
  g_autofree char *title = g_strdup_printf("Who reaches whom: %s", name);
  lw_svg_text(&svg, MARGIN, MARGIN + 10, width - 2 * MARGIN, &big, title);
  double top = MARGIN + 24;
  for (guint i = 0; i < audit->matrices->len; i++) {
    const LwAuditMatrix *matrix = audit->matrices->pdata[i];
    draw_matrix(&svg, top, matrix, audit->worlds->pdata[i]);
    top += HEAD + CELL_HEIGHT * matrix->rows->len + 12;
  }
  g_string_append(svg.out, "</svg>\n");
  return g_string_free(svg.out, FALSE);
}
