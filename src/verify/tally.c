#include "verify/tally.h"

#include <string.h>

const char *lw_mark_text(LwMark mark) {
  static const char *const texts[] = {" ", "·", "✓", "◐", "✗", "?"};
  return texts[mark];
}

void lw_append_clean(GString *out, const char *text) {
  for (const char *c = text; *c; c++)
    g_string_append_c(out, (guchar)*c < 0x20 || *c == 0x7f ? '?' : *c);
}

/* All cells between two places. What is allowed is named by the file's own services, and by the edges of
 * their ports only where there is nothing else. */
typedef struct {
  guint allowed, denied, bad, untested;
  GPtrArray *named, *generated, *wrong; /* of char*: services; NULL: none */
} Square;

/* --- counting
 * ------------------------------------------------------------------------------------------------------ */

/* Rows and columns in the order in which they were found: names come with the cells, and go with them. */
typedef struct {
  LwVerifyReport *report;
  const LwLab *lab;
  LwTallyFirst first;
  LwTally *tally;
  GPtrArray *sources, *destinations; /* of char* */
  GHashTable *source_at, *destination_at;
  guint *segment_at; /* segment -> its column + 1, 0: not known yet */
} Count;

static void clear_square(gpointer data) {
  Square *s = data;
  g_clear_pointer(&s->named, g_ptr_array_unref);
  g_clear_pointer(&s->generated, g_ptr_array_unref);
  g_clear_pointer(&s->wrong, g_ptr_array_unref);
}

static guint number_of(GPtrArray *names, GHashTable *at, const char *name) {
  guint known = GPOINTER_TO_UINT(g_hash_table_lookup(at, name));
  if (known)
    return known - 1;
  g_ptr_array_add(names, g_strdup(name));
  g_hash_table_insert(at, names->pdata[names->len - 1], GUINT_TO_POINTER(names->len));
  return names->len - 1;
}

static GArray *row_of(const Count *c, const char *from) {
  guint row = number_of(c->sources, c->source_at, from);
  if (row == c->tally->rows->len) {
    GArray *squares = g_array_new(FALSE, TRUE, sizeof(Square));
    g_array_set_clear_func(squares, clear_square);
    g_ptr_array_add(c->tally->rows, squares);
  }
  return c->tally->rows->pdata[row];
}

static Square *square_in(GArray *row, guint column) {
  if (column >= row->len)
    g_array_set_size(row, column + 1);
  return &g_array_index(row, Square, column);
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

static void add_service(GPtrArray **list, const LwCell *cell) {
  char *service = short_service(cell);
  if (!*list)
    *list = g_ptr_array_new_with_free_func(g_free);
  if (g_ptr_array_find_with_equal_func(*list, service, g_str_equal, NULL))
    g_free(service);
  else
    g_ptr_array_add(*list, service);
}

static void count_cell(LwCell *cell, gpointer data) {
  const Count *c = data;
  if (c->first)
    c->first(c->report, cell);
  gboolean bad = is_bad(cell);
  guint column = number_of(c->destinations, c->destination_at, cell->to);
  Square *s = square_in(row_of(c, cell->from), column);
  s->bad += bad;
  s->untested += cell->live == LW_CELL_UNTESTED && cell->statically == LW_CELL_UNTESTED;
  s->allowed += cell->expect;
  s->denied += !cell->expect;
  if (bad)
    add_service(&s->wrong, cell);
  if (cell->expect)
    add_service(cell->generated ? &s->generated : &s->named, cell);
  c->tally->untested += (c->report->packets ? cell->live : cell->statically) == LW_CELL_UNTESTED;
}

/* With a thousand segments this is called for each pair of them. */
static guint column_of(const Count *c, const LwZone *to) {
  if (to->kind != LW_ZONE_SEGMENT)
    return number_of(c->destinations, c->destination_at, "router");
  guint *known = &c->segment_at[to->index];
  if (!*known)
    *known = 1 + number_of(c->destinations, c->destination_at, lw_lab_segment(c->lab, to->index)->name);
  return *known - 1;
}

static void count_stopped(const char *from, const LwZone *to, guint count, gpointer data) {
  const Count *c = data;
  square_in(row_of(c, from), column_of(c, to))->denied += count;
}

/* --- the order
 * ----------------------------------------------------------------------------------------------------- */

typedef struct {
  GHashTable *at; /* name -> its number + 1, taken out once it has its place */
  GPtrArray *names;
  guint *numbers;
} Order;

static void put_next(const Order *o, const char *name) {
  guint number = GPOINTER_TO_UINT(g_hash_table_lookup(o->at, name));
  if (!number)
    return;
  o->numbers[o->names->len] = number - 1;
  g_ptr_array_add(o->names, g_strdup(name));
  g_hash_table_remove(o->at, name);
}

static void put_rest(const Order *o, const GPtrArray *found) {
  for (guint i = 0; i < found->len; i++)
    put_next(o, found->pdata[i]);
}

static void put_segments(const Order *o, const LwLab *lab) {
  for (guint i = 0; i < lab->segments->len; i++)
    put_next(o, lw_lab_segment(lab, i)->name);
}

static void order_sources(const Count *c) {
  static const char *const then[] = {"host", "home-lan", "internet"};
  const Order o = {c->source_at, c->tally->sources, c->tally->row = g_new(guint, c->sources->len + 1)};
  put_segments(&o, c->lab);
  for (guint i = 0; i < G_N_ELEMENTS(then); i++)
    put_next(&o, then[i]);
  put_rest(&o, c->sources);
}

static void order_destinations(const Count *c) {
  static const char *const first[] = {"internet", "home-lan", "private", "host", "router"};
  const Order o = {c->destination_at, c->tally->destinations,
                   c->tally->column = g_new(guint, c->destinations->len + 1)};
  for (guint i = 0; i < G_N_ELEMENTS(first); i++)
    put_next(&o, first[i]);
  put_segments(&o, c->lab);
  for (guint i = 0; i < c->lab->host.networks->len; i++)
    put_next(&o, lw_lab_network(c->lab, i)->name);
  put_rest(&o, c->destinations);
}

static void free_row(gpointer row) {
  g_array_unref(row);
}

LwTally *lw_tally_new(LwVerifyReport *report, const LwLab *lab, LwTallyFirst first) {
  LwTally *tally = g_new0(LwTally, 1);
  tally->sources = g_ptr_array_new_with_free_func(g_free);
  tally->destinations = g_ptr_array_new_with_free_func(g_free);
  tally->rows = g_ptr_array_new_with_free_func(free_row);
  g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) destinations = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GHashTable) source_at = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GHashTable) destination_at = g_hash_table_new(g_str_hash, g_str_equal);
  g_autofree guint *segment_at = g_new0(guint, lab->segments->len + 1);
  Count c = {report, lab, first, tally, sources, destinations, source_at, destination_at, segment_at};
  const LwCellVisitor counts = {count_cell, count_stopped, &c};
  lw_verify_visit(report, &counts);
  order_sources(&c);
  order_destinations(&c);
  return tally;
}

void lw_tally_free(LwTally *tally) {
  if (!tally)
    return;
  g_ptr_array_unref(tally->sources);
  g_ptr_array_unref(tally->destinations);
  g_ptr_array_unref(tally->rows);
  g_free(tally->row);
  g_free(tally->column);
  g_free(tally);
}

/* --- what is shown
 * ------------------------------------------------------------------------------------------------- */

static const Square *square_at(const LwTally *tally, guint source, guint destination) {
  static const Square empty = {0};
  const GArray *row = tally->rows->pdata[tally->row[source]];
  guint column = tally->column[destination];
  return column < row->len ? &g_array_index(row, Square, column) : &empty;
}

static LwMark mark_of(const Square *s) {
  if (s->bad)
    return LW_MARK_BAD;
  if (s->untested)
    return LW_MARK_UNTESTED;
  if (s->allowed + s->denied == 0)
    return LW_MARK_EMPTY;
  if (s->allowed == 0)
    return LW_MARK_NONE;
  return s->denied ? LW_MARK_PART : LW_MARK_ALL;
}

LwMark lw_tally_mark(const LwTally *tally, guint source, guint destination) {
  return mark_of(square_at(tally, source, destination));
}

static const GPtrArray *services_of(const Square *s, LwMark mark) {
  if (mark == LW_MARK_BAD)
    return s->wrong;
  if (mark != LW_MARK_PART)
    return NULL;
  return s->named ? s->named : s->generated;
}

char *lw_tally_text(const LwTally *tally, guint source, guint destination, guint most) {
  const Square *s = square_at(tally, source, destination);
  LwMark mark = mark_of(s);
  GString *out = g_string_new(lw_mark_text(mark));
  const GPtrArray *services = services_of(s, mark);
  for (guint i = 0; services && i < MIN(services->len, most); i++) {
    g_string_append(out, i ? "," : " ");
    lw_append_clean(out, services->pdata[i]);
  }
  if (services && services->len > most)
    g_string_append_printf(out, "+%u", services->len - most);
  return g_string_free(out, FALSE);
}
