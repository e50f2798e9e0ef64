#include "diagram/svg.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* Advance widths of U+0020 to U+007E in thousandths of the size. */
static const guint16 regular_widths[] = {
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361,  318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635,  611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352,  635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592,  525, 636, 337, 636, 838};
static const guint16 bold_widths[] = {
    348, 456,  521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415,  380, 365, 696, 696,  696,
    696, 696,  696, 696, 696, 696,  696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830,  683,
    683, 821,  837, 372, 372, 775,  637, 995, 837, 850, 733, 850, 770, 720,  682, 812, 774, 1103, 771,
    724, 725,  457, 365, 457, 838,  500, 500, 675, 716, 593, 716, 678, 435,  716, 712, 343, 343,  665,
    343, 1042, 712, 687, 716, 716,  493, 595, 478, 712, 652, 924, 645, 652,  582, 712, 365, 712,  838};

static double char_width(gunichar c, gboolean bold) {
  if (c >= 0x20 && c < 0x7f)
    return bold ? bold_widths[c - 0x20] : regular_widths[c - 0x20];
  if (c == 0xb7) /* middle dot */
    return bold ? 380 : 318;
  if (g_unichar_iszerowidth(c))
    return 0;
  return g_unichar_iswide(c) || c >= 0x2000 ? 1000 : 750;
}

/* Control characters have no place in XML 1.0, escaped or not. */
static char *clean(const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  GString *out = g_string_new(NULL);
  for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    gboolean bad = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff;
    g_string_append_unichar(out, bad ? 0xfffd : c);
  }
  return g_string_free(out, FALSE);
}

double lw_svg_text_width(const char *text, double size, gboolean bold) {
  g_autofree char *valid = clean(text);
  double width = 0;
  for (const char *p = valid; *p; p = g_utf8_next_char(p))
    width += char_width(g_utf8_get_char(p), bold);
  return width * size / 1000;
}

char *lw_svg_text_fit(const char *text, double size, gboolean bold, double width) {
  g_autofree char *valid = clean(text);
  if (lw_svg_text_width(valid, size, bold) <= width)
    return g_steal_pointer(&valid);
  double room = width * 1000 / size - 1000;
  const char *end = valid;
  for (; *end; end = g_utf8_next_char(end)) {
    room -= char_width(g_utf8_get_char(end), bold);
    if (room < 0)
      break;
  }
  g_autofree char *head = g_strndup(valid, (gsize)(end - valid));
  return g_strconcat(g_strchomp(head), "…", NULL);
}

char *lw_svg_escape(const char *text) {
  g_autofree char *valid = clean(text);
  return g_markup_escape_text(valid, -1);
}

/* One decimal at most, and a point whatever the locale. */
void lw_svg_number(GString *out, double number) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  double rounded = round(number * 10) / 10;
  g_ascii_formatd(buffer, sizeof buffer, rounded == floor(rounded) ? "%.0f" : "%.1f",
                  rounded == 0 ? 0.0 : rounded);
  g_string_append(out, buffer);
}

static void attribute(LwSvg *svg, const char *name, double value) {
  g_string_append_printf(svg->out, " %s=\"", name);
  lw_svg_number(svg->out, value);
  g_string_append_c(svg->out, '"');
}

static void close_tag(LwSvg *svg, const char *attributes) {
  if (*attributes)
    g_string_append_printf(svg->out, " %s", attributes);
  g_string_append(svg->out, "/>\n");
}

void lw_svg_raw(LwSvg *svg, const char *text) {
  g_string_append(svg->out, text);
}

void lw_svg_rect(LwSvg *svg, double x, double y, double width, double height, double radius,
                 const char *attributes) {
  g_string_append(svg->out, "<rect");
  attribute(svg, "x", x);
  attribute(svg, "y", y);
  attribute(svg, "width", width);
  attribute(svg, "height", height);
  if (radius > 0)
    attribute(svg, "rx", radius);
  close_tag(svg, attributes);
}

void lw_svg_line(LwSvg *svg, double x1, double y1, double x2, double y2, const char *attributes) {
  g_string_append(svg->out, "<line");
  attribute(svg, "x1", x1);
  attribute(svg, "y1", y1);
  attribute(svg, "x2", x2);
  attribute(svg, "y2", y2);
  close_tag(svg, attributes);
}

void lw_svg_circle(LwSvg *svg, double x, double y, double radius, const char *attributes) {
  g_string_append(svg->out, "<circle");
  attribute(svg, "cx", x);
  attribute(svg, "cy", y);
  attribute(svg, "r", radius);
  close_tag(svg, attributes);
}

void lw_svg_text(LwSvg *svg, double x, double y, double width, const LwSvgFont *font, const char *text) {
  g_autofree char *fitting = lw_svg_text_fit(text, font->size, font->bold, width);
  g_autofree char *escaped = lw_svg_escape(fitting);
  g_string_append(svg->out, "<text");
  attribute(svg, "x", x);
  attribute(svg, "y", y);
  attribute(svg, "font-size", font->size);
  g_string_append_printf(svg->out, " fill=\"%s\"", font->fill);
  if (font->bold)
    g_string_append(svg->out, " font-weight=\"bold\"");
  if (font->anchor)
    g_string_append_printf(svg->out, " text-anchor=\"%s\"", font->anchor);
  g_string_append_printf(svg->out, ">%s", escaped);
  if (!g_str_equal(fitting, text)) {
    g_autofree char *whole = lw_svg_escape(text);
    g_string_append_printf(svg->out, "<title>%s</title>", whole);
  }
  g_string_append(svg->out, "</text>\n");
}

void lw_svg_path(LwSvg *svg, const char *attributes, const char *format, ...) {
  va_list numbers;
  va_start(numbers, format);
  g_string_append(svg->out, "<path d=\"");
  for (const char *p = format; *p; p++) {
    if (p[0] == '%' && p[1] == 'f') {
      lw_svg_number(svg->out, va_arg(numbers, double));
      p++;
    } else {
      g_string_append_c(svg->out, *p);
    }
  }
  va_end(numbers);
  g_string_append_c(svg->out, '"');
  close_tag(svg, attributes);
}
