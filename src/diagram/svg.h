/* A small writer of SVG: shapes, text that is measured before it is drawn, and escaping in one place. */
#pragma once

#include <glib.h>

typedef struct {
  GString *out;
} LwSvg;

typedef struct {
  double size;
  gboolean bold;
  const char *fill;
  const char *anchor; /* start, middle, end; NULL: start */
} LwSvgFont;

/* Width of a text, by the widths of DejaVu Sans: the widest of the common sans fonts, so that what fits by
 * this fits in all of them. */
double lw_svg_text_width(const char *text, double size, gboolean bold);
/* The text, or as much of it as fits with an ellipsis. Transfer full. */
char *lw_svg_text_fit(const char *text, double size, gboolean bold, double width);
/* A text as XML holds it: valid UTF-8, no control characters, markup escaped. Transfer full. */
char *lw_svg_escape(const char *text);

/* Attributes: format with the literal ones ("class=\"x\""), numbers by lw_svg_number. */
void lw_svg_raw(LwSvg *svg, const char *text);
void lw_svg_rect(LwSvg *svg, double x, double y, double width, double height, double radius,
                 const char *attributes);
void lw_svg_line(LwSvg *svg, double x1, double y1, double x2, double y2, const char *attributes);
void lw_svg_circle(LwSvg *svg, double x, double y, double radius, const char *attributes);
/* x, y: where the text's baseline starts (or by the font's anchor). Cut to width; the whole text is then its
 * tooltip. */
void lw_svg_text(LwSvg *svg, double x, double y, double width, const LwSvgFont *font, const char *text);
/* A path: letters are copied, each %f is the next number. */
void lw_svg_path(LwSvg *svg, const char *attributes, const char *format, ...);
void lw_svg_number(GString *out, double number);
