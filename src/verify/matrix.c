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

/* Names in an order, and where each is; borrowed strings. */
typedef struct {
  GPtrArray *list;
  GHashTable *at; /* name -> its place + 1 */
} Names;

static Names names_new(void) {
  return (Names){g_ptr_array_new(), g_hash_table_new(g_str_hash, g_str_equal)};
}

static void names_clear(Names *names) {
  g_ptr_array_unref(names->list);
  g_hash_table_unref(names->at);
}

static void add_unique(Names *names, const char *name) {
  if (g_hash_table_contains(names->at, name))
    return;
  g_ptr_array_add(names->list, (gpointer)name);
  g_hash_table_insert(names->at, (gpointer)name, GUINT_TO_POINTER(names->list->len));
}

static guint place_of(const Names *names, const char *name) {
  return GPOINTER_TO_UINT(g_hash_table_lookup(names->at, name)) - 1;
}

static void add_if_used(GHashTable *used, Names *names, const char *name) {
  if (g_hash_table_contains(used, name))
    add_unique(names, name);
}

static GHashTable *used_by(const LwVerifyReport *report, gboolean source) {
  GHashTable *used = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    g_hash_table_add(used, source ? cell->from : cell->to);
  }
  return used;
}

/* In the file's order; whatever else the cells name after that. */
static Names sources_of(const LwVerifyReport *report, const LwLab *lab) {
  static const char *const then[] = {"host", "home-lan", "internet"};
  Names names = names_new();
  g_autoptr(GHashTable) used = used_by(report, TRUE);
  for (guint i = 0; i < lab->segments->len; i++)
    add_if_used(used, &names, lw_lab_segment(lab, i)->name);
  for (guint i = 0; i < G_N_ELEMENTS(then); i++)
    add_if_used(used, &names, then[i]);
  for (guint i = 0; i < report->cells->len; i++)
    add_unique(&names, ((LwCell *)report->cells->pdata[i])->from);
  return names;
}

static Names destinations_of(const LwVerifyReport *report, const LwLab *lab) {
  static const char *const first[] = {"internet", "home-lan", "private", "host", "router"};
  Names names = names_new();
  g_autoptr(GHashTable) used = used_by(report, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS(first); i++)
    add_if_used(used, &names, first[i]);
  for (guint i = 0; i < lab->segments->len; i++)
    add_if_used(used, &names, lw_lab_segment(lab, i)->name);
  for (guint i = 0; i < lab->host.networks->len; i++)
    add_if_used(used, &names, lw_lab_network(lab, i)->name);
  for (guint i = 0; i < report->cells->len; i++)
    add_unique(&names, ((LwCell *)report->cells->pdata[i])->to);
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

/* One square: of all cells between two places. */
typedef struct {
  guint allowed, denied, bad, untested;
  gboolean named;      /* a flow of the file's own services is allowed */
  GPtrArray *services; /* of char*: those allowed, or those that are bad; NULL: none */
} Tally;

static void tally_clear(gpointer data) {
  g_clear_pointer(&((Tally *)data)->services, g_ptr_array_unref);
}

static void add_service(Tally *t, char *service /* transfer full */) {
  if (!t->services)
    t->services = g_ptr_array_new_with_free_func(g_free);
  if (g_ptr_array_find_with_equal_func(t->services, service, g_str_equal, NULL))
    g_free(service);
  else
    g_ptr_array_add(t->services, service);
}

static void count(Tally *t, const LwCell *cell) {
  t->bad += is_bad(cell);
  t->untested += cell->live == LW_CELL_UNTESTED && cell->statically == LW_CELL_UNTESTED;
  t->allowed += cell->expect;
  t->named |= cell->expect && !cell->generated;
  t->denied += !cell->expect;
}

static Tally *square_of(GArray *squares, const Names *sources, const Names *destinations,
                        const LwCell *cell) {
  guint at = place_of(sources, cell->from) * destinations->list->len + place_of(destinations, cell->to);
  return &g_array_index(squares, Tally, at);
}

/* Of Tally: a row of all destinations for each source. */
static GArray *tally(const LwVerifyReport *report, const Names *sources, const Names *destinations) {
  GArray *squares = g_array_new(FALSE, TRUE, sizeof(Tally));
  g_array_set_clear_func(squares, tally_clear);
  g_array_set_size(squares, sources->list->len * destinations->list->len);
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    count(square_of(squares, sources, destinations, cell), cell);
  }
  for (guint i = 0; i < report->cells->len; i++) {
    const LwCell *cell = report->cells->pdata[i];
    Tally *t = square_of(squares, sources, destinations, cell);
    /* what is allowed is named by the file's own services, not by every edge of their ports */
    if (t->bad ? is_bad(cell) : cell->expect && !(cell->generated && t->named))
      add_service(t, short_service(cell));
  }
  return squares;
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

static char *square_text(const Tally *t, Mark mark) {
  GString *out = g_string_new(mark_text[mark]);
  guint services = t->services && (mark == MARK_PART || mark == MARK_BAD) ? t->services->len : 0;
  for (guint i = 0; i < MIN(services, SERVICES_SHOWN); i++) {
    g_string_append(out, i ? "," : " ");
    append_clean(out, t->services->pdata[i]);
  }
  if (services > SERVICES_SHOWN)
    g_string_append_printf(out, "+%u", services - SERVICES_SHOWN);
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

/* The text of the square of that number. */
static char *text_at(const GArray *squares, guint at, Mark *mark) {
  const Tally *t = &g_array_index(squares, Tally, at);
  *mark = mark_of(t);
  return square_text(t, *mark);
}

static void put_matrix(const Paper *p, const LwVerifyReport *report, const LwLab *lab) {
  Names sources = sources_of(report, lab), destinations = destinations_of(report, lab);
  g_autoptr(GArray) squares = tally(report, &sources, &destinations);
  guint rows = sources.list->len, columns = destinations.list->len, first = 0;
  g_autofree guint *widths = g_new0(guint, columns + 1);
  Mark mark;
  for (guint j = 0; j < columns; j++)
    widths[j] = width_of(destinations.list->pdata[j]);
  for (guint i = 0; i < rows; i++)
    first = MAX(first, width_of(sources.list->pdata[i]));
  for (guint i = 0; i < rows * columns; i++) {
    g_autofree char *text = text_at(squares, i, &mark);
    widths[i % columns] = MAX(widths[i % columns], width_of(text));
  }
  put(p, "", first + 2, "");
  for (guint j = 0; j < columns; j++)
    put(p, destinations.list->pdata[j], widths[j] + 2, "");
  end_line(p);
  for (guint i = 0; i < rows; i++) {
    put(p, sources.list->pdata[i], first + 2, "");
    for (guint j = 0; j < columns; j++) {
      g_autofree char *text = text_at(squares, i * columns + j, &mark);
      put(p, text, widths[j] + 2, mark_colour[mark]);
    }
    end_line(p);
  }
  names_clear(&sources);
  names_clear(&destinations);
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
  if (report->errors)
    g_string_append_printf(p.out, "\n%u ICMP errors sent, of open flows and of none\n", report->errors);
  if (report->lost_tunnels)
    g_string_append_printf(p.out, "\n%u tunnel%s lost, one after the other, in a copy of the router\n",
                           report->lost_tunnels, report->lost_tunnels == 1 ? "" : "s");
  if (report->led_flows)
    g_string_append_printf(p.out, "%u open flows led to an exit that is not theirs, in that copy\n",
                           report->led_flows);
  g_string_append_printf(p.out, "\n%u packets, %u violation%s, %u untested, %.1f s\n", report->packets,
                         report->violations->len, report->violations->len == 1 ? "" : "s",
                         count_untested(report), (double)report->elapsed_ms / 1000);
  return g_string_free(p.out, FALSE);
}
