/* The audit for people. */
#include "audit/audit.h"

#include <string.h>

static const char *paint(gboolean colour, LwHarm harm) {
  static const char *const codes[] = {"\033[2m", "\033[33m", "\033[31m", "\033[1;31m"};
  return colour ? codes[harm] : "";
}

/* A name out of the file may hold what a terminal takes for an order, or a line of its own. Transfer full. */
static char *printable(const char *text) {
  GString *out = g_string_new(NULL);
  for (const char *p = text; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    g_string_append_unichar(out, g_unichar_iscntrl(c) ? 0xfffd : c);
  }
  return g_string_free(out, FALSE);
}

static void line(GString *out, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void line(GString *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *clean = printable(text);
  g_string_append(out, clean);
  g_string_append_c(out, '\n');
}

static void blank(GString *out) {
  g_string_append_c(out, '\n');
}

static char *cell_text(const LwAuditCell *cell) {
  if (!cell)
    return g_strdup("·");
  const char *open = cell->open == LW_OPEN_ALL ? "all" : cell->open == LW_OPEN_SOME ? "some" : "–";
  if (cell->open == LW_OPEN_NONE || cell->exits->len == 0)
    return g_strdup(open);
  g_ptr_array_add(cell->exits, NULL);
  g_autofree char *exits = g_strjoinv("+", (char **)cell->exits->pdata);
  g_ptr_array_set_size(cell->exits, (int)cell->exits->len - 1);
  return g_strdup_printf("%s: %s", open, exits);
}

static void pad(GString *out, const char *text, glong width) {
  g_autofree char *clean = printable(text);
  g_string_append(out, clean);
  for (glong n = g_utf8_strlen(clean, -1); n < width; n++)
    g_string_append_c(out, ' ');
}

static glong column_width(const LwAuditMatrix *matrix, guint c) {
  glong width = g_utf8_strlen(((LwAuditColumn *)matrix->columns->pdata[c])->name, -1);
  for (guint i = 0; i < matrix->rows->len; i++) {
    g_autofree char *text = cell_text(((GPtrArray *)matrix->rows->pdata[i])->pdata[c]);
    width = MAX(width, g_utf8_strlen(text, -1));
  }
  return width + 2;
}

static glong name_width(const LwAuditWorld *world) {
  glong width = 0;
  for (guint i = 0; i < world->zones->len; i++)
    width = MAX(width, g_utf8_strlen(lw_audit_zone(world, i)->name, -1));
  return width + 2;
}

static void trim(GString *out) {
  while (out->len && out->str[out->len - 1] == ' ')
    g_string_truncate(out, out->len - 1);
  g_string_append_c(out, '\n');
}

static void format_matrix(GString *out, const LwAuditMatrix *matrix, const LwAuditWorld *world) {
  glong first = name_width(world);
  line(out, "Who reaches whom by IPv%u (new flows; answers follow theirs)", matrix->family);
  blank(out);
  pad(out, "from", first);
  for (guint c = 0; c < matrix->columns->len; c++)
    pad(out, ((LwAuditColumn *)matrix->columns->pdata[c])->name, column_width(matrix, c));
  trim(out);
  for (guint i = 0; i < matrix->rows->len; i++) {
    pad(out, lw_audit_zone(world, i)->name, first);
    for (guint c = 0; c < matrix->columns->len; c++) {
      g_autofree char *text = cell_text(((GPtrArray *)matrix->rows->pdata[i])->pdata[c]);
      pad(out, text, column_width(matrix, c));
    }
    trim(out);
  }
  blank(out);
}

static void format_some(GString *out, const LwAuditMatrix *matrix, const LwAuditWorld *world) {
  gboolean any = FALSE;
  for (guint i = 0; i < matrix->rows->len; i++)
    for (guint c = 0; c < matrix->columns->len; c++) {
      const LwAuditCell *cell = ((GPtrArray *)matrix->rows->pdata[i])->pdata[c];
      if (!cell || cell->open != LW_OPEN_SOME)
        continue;
      any = TRUE;
      line(out, "%s → %s", lw_audit_zone(world, i)->name, ((LwAuditColumn *)matrix->columns->pdata[c])->name);
      for (guint f = 0; f < cell->flows->len; f++) {
        const LwAuditFlow *flow = cell->flows->pdata[f];
        line(out, "    %s to %s%s%s — “%s”", flow->services, flow->to, flow->way ? " " : "",
             flow->way ? flow->way : "", flow->rule);
      }
    }
  if (any)
    blank(out);
}

static void format_finding(GString *out, const LwAuditFinding *finding, gboolean colour) {
  g_string_append_printf(out, "%s%-8s%s ", paint(colour, finding->harm), lw_harm_name(finding->harm),
                         colour ? "\033[0m" : "");
  line(out, "%s", finding->title);
  for (guint i = 0; i < finding->packets->len; i++) {
    const LwAuditShown *shown = finding->packets->pdata[i];
    line(out, "         packet  %s %s", shown->text, shown->goes);
  }
  for (guint i = 0; i < finding->rules->len; i++)
    line(out, "         rule    “%s”", (char *)finding->rules->pdata[i]);
  line(out, "         why     %s", finding->detail);
  line(out, "         remedy  %s", finding->remedy);
}

static void format_count(GString *out, const LwAudit *audit) {
  guint counts[4] = {0};
  for (guint i = 0; i < audit->findings->len; i++)
    counts[((LwAuditFinding *)audit->findings->pdata[i])->harm]++;
  if (audit->findings->len == 0) {
    line(out, "nothing found");
    return;
  }
  g_string_append_printf(out, "%u finding%s:", audit->findings->len, audit->findings->len == 1 ? "" : "s");
  for (int harm = LW_HARM_CRITICAL, first = TRUE; harm >= LW_HARM_LOW; harm--)
    if (counts[harm]) {
      g_string_append_printf(out, "%s %u %s", first ? "" : ",", counts[harm], lw_harm_name((LwHarm)harm));
      first = FALSE;
    }
  g_string_append_c(out, '\n');
}

char *lw_audit_format(const LwAudit *audit, const char *name, gboolean colour) {
  GString *out = g_string_new(NULL);
  const LwAuditWorld *world = audit->worlds->pdata[0];
  line(out, "%s: %s%s%s, %u interfaces, %u rules, IPv6 %s", name,
       audit->opn->hostname ? audit->opn->hostname : "OPNsense", audit->opn->domain ? "." : "",
       audit->opn->domain ? audit->opn->domain : "", world->zones->len, audit->opn->rules->len,
       audit->opn->ipv6_allowed ? "on" : "off");
  blank(out);
  for (guint i = 0; i < audit->matrices->len; i++) {
    format_matrix(out, audit->matrices->pdata[i], audit->worlds->pdata[i]);
    format_some(out, audit->matrices->pdata[i], audit->worlds->pdata[i]);
  }
  for (guint i = 0; i < audit->findings->len; i++) {
    format_finding(out, audit->findings->pdata[i], colour);
    blank(out);
  }
  format_count(out, audit);
  for (guint i = 0; i < audit->notes->len; i++)
    line(out, "note: %s", (char *)audit->notes->pdata[i]);
  return g_string_free(out, FALSE);
}
