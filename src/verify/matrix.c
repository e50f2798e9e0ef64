/* The matrix for people. Widths are counted in characters, not bytes. */
#include "verify/verify.h"

#include <string.h>

#define RED "\033[31m"
#define GREEN "\033[32m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"
#define SERVICES_SHOWN 3

typedef enum { MARK_EMPTY, MARK_NONE, MARK_ALL, MARK_PART, MARK_BAD, MARK_UNTESTED } Mark;

static const char *const mark_text[] = {" ", "·", "✓", "◐", "✗", "?"};
static const char *const mark_colour[] = {"", DIM, GREEN, GREEN, RED, RED};

/* What the matrix prints is partly from the wire or the file: no control character gets to the terminal. */
static void append_clean(GString *out, const char *text) {
  for (const char *c = text; *c; c++)
    g_string_append_c(out, (guchar)*c < 0x20 || *c == 0x7f ? '?' : *c);
}

static void add_unique(GPtrArray *names, const char *name) {
  for (guint i = 0; i < names->len; i++)
    if (g_str_equal(names->pdata[i], name))
      return;
  g_ptr_array_add(names, (gpointer)name);
}

static gboolean has_name(const LwVerifyReport *report, const char *name, gboolean source) {
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    if (g_str_equal(source ? cell->from : cell->to, name))
      return TRUE;
  }
  return FALSE;
}

static void add_if_used(const LwVerifyReport *report, GPtrArray *names, const char *name, gboolean source) {
  if (has_name(report, name, source))
    add_unique(names, name);
}

/* In the file's order; whatever else the cells name after that. Borrowed strings. */
static GPtrArray *sources_of(const LwVerifyReport *report, const LwLab *lab) {
  GPtrArray *names = g_ptr_array_new();
  for (guint i = 0; i < lab->segments->len; i++)
    add_if_used(report, names, lw_lab_segment(lab, i)->name, TRUE);
  add_if_used(report, names, "host", TRUE);
  add_if_used(report, names, "home-lan", TRUE);
  add_if_used(report, names, "internet", TRUE);
  for (guint i = 0; i < report->cells->len; i++)
    add_unique(names, ((LwCell *)report->cells->pdata[i])->from);
  return names;
}

static GPtrArray *destinations_of(const LwVerifyReport *report, const LwLab *lab) {
  static const char *const first[] = {"internet", "home-lan", "private", "host", "router"};
  GPtrArray *names = g_ptr_array_new();
  for (guint i = 0; i < G_N_ELEMENTS(first); i++)
    add_if_used(report, names, first[i], FALSE);
  for (guint i = 0; i < lab->segments->len; i++)
    add_if_used(report, names, lw_lab_segment(lab, i)->name, FALSE);
  for (guint i = 0; i < lab->host.networks->len; i++)
    add_if_used(report, names, lw_lab_network(lab, i)->name, FALSE);
  for (guint i = 0; i < report->cells->len; i++)
    add_unique(names, ((LwCell *)report->cells->pdata[i])->to);
  return names;
}

static gboolean is_bad(const LwCell *cell) {
  return (cell->told && cell->live != LW_CELL_UNTESTED) || lw_cell_is_wrong(cell);
}

/* "samba tcp/445" counts as samba. */
static char *short_service(const LwCell *cell) {
  const char *space = strchr(cell->service, ' ');
  return space && !strchr(cell->service, ':') ? g_strndup(cell->service, (gsize)(space - cell->service))
                                              : g_strdup(cell->service);
}

typedef struct {
  guint allowed, denied, bad, untested;
  gboolean named; /* a flow of the file's own services is allowed */
  GPtrArray *services; /* of char*: those allowed, or those that are bad */
} Tally;

static void add_service(GPtrArray *services, char *service /* transfer full */) {
  for (guint i = 0; i < services->len; i++)
    if (g_str_equal(services->pdata[i], service)) {
      g_free(service);
      return;
    }
  g_ptr_array_add(services, service);
}

static void tally(const LwVerifyReport *report, const char *from, const char *to, Tally *t) {
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    if (!g_str_equal(cell->from, from) || !g_str_equal(cell->to, to))
      continue;
    t->bad += is_bad(cell);
    t->untested += cell->live == LW_CELL_UNTESTED && cell->statically == LW_CELL_UNTESTED;
    t->allowed += cell->expect;
    t->named |= cell->expect && !cell->generated;
    t->denied += !cell->expect;
  }
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    /* what is allowed is named by the file's own services, not by every edge of their ports */
    gboolean shown = t->bad ? is_bad(cell) : cell->expect && !(cell->generated && t->named);
    if (g_str_equal(cell->from, from) && g_str_equal(cell->to, to) && shown)
      add_service(t->services, short_service(cell));
  }
}

static Mark mark_of(const Tally *t) {
  if (t->bad)
    return MARK_BAD;
  if (t->untested)
    return MARK_UNTESTED;
  if (t->allowed + t->denied == 0)
    return MARK_EMPTY;
  if (t->allowed == 0)
    return MARK_NONE;
  return t->denied ? MARK_PART : MARK_ALL;
}

static char *cell_text(const LwVerifyReport *report, const char *from, const char *to, Mark *mark) {
  Tally t = {.services = g_ptr_array_new_with_free_func(g_free)};
  tally(report, from, to, &t);
  *mark = mark_of(&t);
  GString *out = g_string_new(mark_text[*mark]);
  for (guint i = 0; (*mark == MARK_PART || *mark == MARK_BAD) && i < MIN(t.services->len, SERVICES_SHOWN);
       i++) {
    g_string_append(out, i ? "," : " ");
    append_clean(out, t.services->pdata[i]);
  }
  if ((*mark == MARK_PART || *mark == MARK_BAD) && t.services->len > SERVICES_SHOWN)
    g_string_append_printf(out, "+%u", t.services->len - SERVICES_SHOWN);
  g_ptr_array_unref(t.services);
  return g_string_free(out, FALSE);
}

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
  append_clean(p->out, text);
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

typedef struct {
  char *text;
  Mark mark;
} Square;

static void square_clear(gpointer data) {
  g_free(((Square *)data)->text);
}

static void put_matrix(const Paper *p, const LwVerifyReport *report, const LwLab *lab) {
  g_autoptr(GPtrArray) sources = sources_of(report, lab), destinations = destinations_of(report, lab);
  g_autoptr(GArray) squares = g_array_new(FALSE, TRUE, sizeof(Square));
  g_array_set_clear_func(squares, square_clear);
  g_autofree guint *widths = g_new0(guint, destinations->len + 1);
  guint first = 0;
  for (guint j = 0; j < destinations->len; j++)
    widths[j] = width_of(destinations->pdata[j]);
  for (guint i = 0; i < sources->len; i++) {
    first = MAX(first, width_of(sources->pdata[i]));
    for (guint j = 0; j < destinations->len; j++) {
      Square square;
      square.text = cell_text(report, sources->pdata[i], destinations->pdata[j], &square.mark);
      widths[j] = MAX(widths[j], width_of(square.text));
      g_array_append_val(squares, square);
    }
  }
  put(p, "", first + 2, "");
  for (guint j = 0; j < destinations->len; j++)
    put(p, destinations->pdata[j], widths[j] + 2, "");
  end_line(p);
  for (guint i = 0; i < sources->len; i++) {
    put(p, sources->pdata[i], first + 2, "");
    for (guint j = 0; j < destinations->len; j++) {
      const Square *square = &g_array_index(squares, Square, i * destinations->len + j);
      put(p, square->text, widths[j] + 2, mark_colour[square->mark]);
    }
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
                                mark_text[check->ok ? MARK_ALL : MARK_BAD]};
    for (guint j = 0; j < COLUMNS; j++) {
      widths[j] = MAX(widths[j], width_of(row[j]));
      g_ptr_array_add(texts, g_strdup(row[j]));
    }
    g_free(sources);
  }
  g_string_append_c(p->out, '\n');
  for (guint k = 0; k < texts->len; k++) {
    gboolean last = k % COLUMNS == COLUMNS - 1, bad = g_str_equal(texts->pdata[k], mark_text[MARK_BAD]);
    put(p, texts->pdata[k], widths[k % COLUMNS] + 2,
        last && k >= COLUMNS ? mark_colour[bad ? MARK_BAD : MARK_ALL] : "");
    if (last)
      end_line(p);
  }
}

static guint count_untested(const LwVerifyReport *report) {
  guint count = 0;
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    count += (report->packets ? cell->live : cell->statically) == LW_CELL_UNTESTED;
  }
  return count;
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

char *lw_verify_format(const LwVerifyReport *report, const LwLab *lab, gboolean colour) {
  Paper p = {g_string_new(NULL), colour};
  put_matrix(&p, report, lab);
  put_legend(&p);
  put_exits(&p, report);
  if (report->violations->len)
    g_string_append_c(p.out, '\n');
  for (guint i = 0; i < report->violations->len; i++) {
    put(&p, "✗ ", 0, mark_colour[MARK_BAD]);
    put(&p, report->violations->pdata[i], 0, "");
    g_string_append_c(p.out, '\n');
  }
  for (guint i = 0; report->left_out && i < report->left_out->len; i++) {
    g_string_append(p.out, i ? "" : "\n");
    put(&p, "not tried: ", 0, "");
    put(&p, report->left_out->pdata[i], 0, "");
    g_string_append_c(p.out, '\n');
  }
  if (report->lost_tunnels)
    g_string_append_printf(p.out, "\n%u tunnel%s lost, one after the other, in a copy of the router\n",
                           report->lost_tunnels, report->lost_tunnels == 1 ? "" : "s");
  g_string_append_printf(p.out, "\n%u packets, %u violation%s, %u untested, %.1f s\n", report->packets,
                         report->violations->len, report->violations->len == 1 ? "" : "s",
                         count_untested(report), (double)report->elapsed_ms / 1000);
  return g_string_free(p.out, FALSE);
}
