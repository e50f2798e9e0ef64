/* The matrix for people. Widths are counted in characters, not bytes. */
#include "verify/tally.h"

#include <string.h>

#define RED "\033[31m"
#define GREEN "\033[32m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

static const char *const mark_colour[] = {"", DIM, GREEN, GREEN, RED, RED};

static guint width_of(const char *text) {
  return (guint)g_utf8_strlen(text, -1);
}

typedef struct {
  GString *out;
  gboolean colour;
} Paper;

static void put(const Paper *p, const char *text, guint width, const char *colour) {
  gboolean coloured = p->colour && *colour;
  if (coloured)
    g_string_append(p->out, colour);
  lw_append_clean(p->out, text);
  if (coloured)
    g_string_append(p->out, PLAIN);
  for (guint i = width_of(text); i < width; i++)
    g_string_append_c(p->out, ' ');
}

static void end_line(const Paper *p) {
  gsize end = p->out->len;
  while (end && p->out->str[end - 1] == ' ')
    end--;
  g_string_truncate(p->out, end);
  g_string_append_c(p->out, '\n');
}

static void put_matrix(const Paper *p, const LwTally *tally) {
  guint rows = tally->sources->len, columns = tally->destinations->len, first = 0;
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  g_autofree guint *widths = g_new0(guint, columns + 1);
  for (guint j = 0; j < columns; j++)
    widths[j] = width_of(tally->destinations->pdata[j]);
  for (guint i = 0; i < rows; i++)
    first = MAX(first, width_of(tally->sources->pdata[i]));
  for (guint i = 0; i < rows * columns; i++) {
    g_ptr_array_add(texts, lw_tally_text(tally, i / columns, i % columns));
    widths[i % columns] = MAX(widths[i % columns], width_of(texts->pdata[i]));
  }
  put(p, "", first + 2, "");
  for (guint j = 0; j < columns; j++)
    put(p, tally->destinations->pdata[j], widths[j] + 2, "");
  end_line(p);
  for (guint i = 0; i < rows; i++) {
    put(p, tally->sources->pdata[i], first + 2, "");
    for (guint j = 0; j < columns; j++)
      put(p, texts->pdata[i * columns + j], widths[j] + 2, mark_colour[lw_tally_mark(tally, i, j)]);
    end_line(p);
  }
}

static gboolean same_way(const LwExitCheck *a, const LwExitCheck *b) {
  return g_str_equal(a->segment, b->segment) && g_str_equal(a->exit, b->exit) && a->ok == b->ok &&
         g_strcmp0(a->seen, b->seen) == 0 && g_strcmp0(a->resolver_seen, b->resolver_seen) == 0;
}

/* Sources of one segment that went the same way are one row. */
static char *sources_text(const LwVerifyReport *report, guint row, gboolean *shown) {
  const LwExitCheck *check = report->exits->pdata[row];
  guint more = 0;
  for (guint i = 0; i < report->exits->len; i++) {
    gboolean same = same_way(report->exits->pdata[i], check);
    if (same && i < row) {
      *shown = TRUE;
      return NULL;
    }
    more += same && i > row;
  }
  *shown = FALSE;
  return more ? g_strdup_printf("%s +%u", check->source, more) : g_strdup(check->source);
}

static void put_exits(const Paper *p, const LwVerifyReport *report) {
  static const char *const heads[] = {"segment", "source", "exit", "seen as", "resolver", ""};
  enum { COLUMNS = G_N_ELEMENTS(heads) };
  if (report->exits->len == 0)
    return;
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  guint widths[COLUMNS];
  for (guint j = 0; j < COLUMNS; j++) {
    widths[j] = width_of(heads[j]);
    g_ptr_array_add(texts, g_strdup(heads[j]));
  }
  for (guint i = 0; i < report->exits->len; i++) {
    const LwExitCheck *check = report->exits->pdata[i];
    gboolean shown;
    char *sources = sources_text(report, i, &shown);
    if (shown)
      continue;
    const char *row[COLUMNS] = {check->segment,
                                sources,
                                check->exit,
                                check->seen ? check->seen : "-",
                                check->resolver_seen ? check->resolver_seen : "-",
                                lw_mark_text(check->ok ? LW_MARK_ALL : LW_MARK_BAD)};
    for (guint j = 0; j < COLUMNS; j++) {
      widths[j] = MAX(widths[j], width_of(row[j]));
      g_ptr_array_add(texts, g_strdup(row[j]));
    }
    g_free(sources);
  }
  g_string_append_c(p->out, '\n');
  for (guint k = 0; k < texts->len; k++) {
    gboolean last = k % COLUMNS == COLUMNS - 1, bad = g_str_equal(texts->pdata[k], lw_mark_text(LW_MARK_BAD));
    put(p, texts->pdata[k], widths[k % COLUMNS] + 2,
        last && k >= COLUMNS ? mark_colour[bad ? LW_MARK_BAD : LW_MARK_ALL] : "");
    if (last)
      end_line(p);
  }
}

/* What the marks and the columns that are no place of the file mean. */
static void put_legend(const Paper *p) {
  static const char *const lines[] = {
      "✓ all that was tried passes   ◐ only what is named   · nothing   ✗ not as the file says",
      "private: special addresses by the exit   around: past the router, false sources, IPv6",
  };
  for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
    put(p, lines[i], 0, "\033[2m");
    g_string_append_c(p->out, '\n');
  }
}

char *lw_verify_format(LwVerifyReport *report, const LwLab *lab, gboolean colour) {
  Paper p = {g_string_new(NULL), colour};
  if (!report->tally)
    report->tally = lw_tally_new(report, lab, NULL);
  put_matrix(&p, report->tally);
  put_legend(&p);
  put_exits(&p, report);
  if (report->violations->len)
    g_string_append_c(p.out, '\n');
  for (guint i = 0; i < report->violations->len; i++) {
    put(&p, "✗ ", 0, mark_colour[LW_MARK_BAD]);
    put(&p, report->violations->pdata[i], 0, "");
    g_string_append_c(p.out, '\n');
  }
  for (guint i = 0; report->left_out && i < report->left_out->len; i++) {
    g_string_append(p.out, i ? "" : "\n");
    put(&p, "not tried: ", 0, "");
    put(&p, report->left_out->pdata[i], 0, "");
    g_string_append_c(p.out, '\n');
  }
  if (report->errors)
    g_string_append_printf(p.out, "\n%u ICMP errors sent, of open flows and of none\n", report->errors);
  if (report->lost_tunnels)
    g_string_append_printf(p.out, "\n%u tunnel%s lost, one after the other, in a copy of the router\n",
                           report->lost_tunnels, report->lost_tunnels == 1 ? "" : "s");
  g_string_append_printf(p.out, "\n%u packets, %u violation%s, %u untested, %.1f s\n", report->packets,
                         report->violations->len, report->violations->len == 1 ? "" : "s",
                         report->tally->untested, (double)report->elapsed_ms / 1000);
  return g_string_free(p.out, FALSE);
}
