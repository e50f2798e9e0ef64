/* The static proof's answers in the report that the live one fills too. */
#include "verify/static_internal.h"

#include <string.h>

#define ICMP 1
#define TCP 6

static const GArray *rows_of_source(const LwStatic *proof, LwZone from) {
  if (from.kind == LW_ZONE_HOME_LAN)
    from = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  return lw_static_rows_of(proof, &from);
}

/* machine: the source's, nullable. */
static gboolean is_source_of(const char *machine, const LwStatic *proof, const LwStaticRow *row) {
  return row->machine == LW_NONE ||
         (machine && g_str_equal(lw_lab_machine(proof->lab, row->machine)->name, machine));
}

/* Only the row of its own port knows what a machine can do beside asking its gateway. */
static gboolean needs_port(const LwCell *cell) {
  return !cell->generated && (cell->by_frame || g_str_equal(cell->to, "around")) &&
         cell->question.from.kind == LW_ZONE_SEGMENT;
}

static gboolean six_passes(const LwStatic *proof, const LwStaticRow *row) {
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    gboolean own_wire = !reached->place.elsewhere && reached->place.zone.kind == row->zone.kind &&
                        reached->place.zone.index == row->zone.index;
    /* what stays on its own wire is its own affair */
    if (!own_wire && lw_mdd_intersects(proof->pool, reached->may, lw_packets_family(proof->pool, 6)))
      return TRUE;
  }
  return FALSE;
}

/* What does not come from a segment and does not get into the lab is not lanward's. */
static gboolean is_beyond(const LwStaticRow *row, const LwPlace *place) {
  return row->zone.kind != LW_ZONE_SEGMENT &&
         (place->elsewhere || place->zone.kind == LW_ZONE_INTERNET || place->zone.kind == LW_ZONE_NETWORK);
}

static gboolean passes_anywhere(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet) {
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    gboolean own_wire = !reached->place.elsewhere && reached->place.zone.kind == row->zone.kind &&
                        reached->place.zone.index == row->zone.index;
    if (!own_wire && !is_beyond(row, &reached->place) &&
        lw_packets_contain(proof->pool, reached->may, packet))
      return TRUE;
  }
  return FALSE;
}

static gboolean row_lets_pass(const LwStatic *proof, const LwStaticRow *row, const LwCell *cell) {
  LwHeader packet = cell->generated ? cell->packet : lw_static_header(&cell->question);
  LwZone to = cell->question.to;
  if (cell->by_bridge) {
    LwMdd asked = cell->family == 6 && !cell->generated ? lw_packets_family(proof->pool, 6)
                                                        : lw_packets_of(proof->pool, &packet);
    return lw_mdd_intersects(proof->pool, row->by_bridge, asked);
  }
  if (cell->family == 6 && !cell->generated)
    return six_passes(proof, row);
  /* it must get nowhere */
  if (g_str_equal(cell->to, "around") || (cell->generated && !cell->expect))
    return passes_anywhere(proof, row, &packet);
  gboolean from_outside = row->zone.kind == LW_ZONE_INTERNET && to.kind == LW_ZONE_ROUTER;
  return lw_static_passes(proof, row, &packet, &to) ||
         (from_outside && lw_static_forwards(proof, row, &packet));
}

/* At the host's own uplink come in packets that the cell does not mean: what is for the host itself. */
static gboolean is_beside(const LwCell *cell, const LwStaticRow *row) {
  gboolean outer = row->zone.kind == LW_ZONE_INTERNET && *row->start.ns == '\0';
  return outer && cell->question.to.kind == LW_ZONE_HOST;
}

/* A packet that is made of a row's sets is asked of that row: of the machine's, where the proof has one. */
static gboolean is_of_another(const LwStatic *proof, const LwCell *cell, const LwStaticRow *row) {
  gboolean at_router = row->start.ns && *row->start.ns;
  if (!cell->generated || row->zone.kind == LW_ZONE_HOST || row->zone.kind == LW_ZONE_NETWORK)
    return FALSE;
  gboolean machine =
      cell->machine && lw_static_row(proof, &cell->question.from, cell->machine); /* where it is plugged in */
  return machine ? row->machine == LW_NONE : row->machine != LW_NONE || !at_router;
}

/* A short-lived machine that is not there when the static proof looks. */
static gboolean is_to_a_probe(const LwCell *cell, const LwStatic *proof) {
  return cell->by_frame && !cell->by_bridge && cell->family == 4 &&
         !lw_mdd_intersects(proof->pool, proof->machines,
                            lw_packets_addr(proof->pool, LW_HEADER_DADDR, &cell->question.destination));
}

/* Nothing leads to a network behind the host now: no promise is broken by that, and none is proved. */
static gboolean is_to_nowhere(const LwCell *cell, const LwStatic *proof) {
  return cell->expect && cell->question.to.kind == LW_ZONE_NETWORK &&
         !proof->has_link[cell->question.to.index];
}

/* One of the proof's violations is about this packet. */
static gboolean is_told(const LwCell *cell, const LwStatic *proof) {
  LwHeader packet = cell->generated ? cell->packet : lw_static_header(&cell->question);
  for (guint i = 0; i < proof->violations->len; i++) {
    const LwStaticViolation *v = proof->violations->pdata[i];
    gsize length = strlen(cell->from);
    gboolean from = strncmp(v->from, cell->from, length) == 0 && strchr("/ ", v->from[length]);
    if (from && lw_packets_contain(proof->pool, v->packets, &packet))
      return TRUE;
  }
  return FALSE;
}

void lw_static_fill_cell(const LwStatic *proof, LwCell *cell) {
  gboolean any = FALSE, passes = FALSE;
  const GArray *rows = rows_of_source(proof, cell->question.from);
  for (guint k = 0; k < rows->len; k++) {
    guint r = g_array_index(rows, guint, k);
    const LwStaticRow *row = proof->rows->pdata[r];
    if (!is_source_of(cell->machine, proof, row) || is_beside(cell, row) || is_of_another(proof, cell, row) ||
        (needs_port(cell) && row->machine == LW_NONE))
      continue;
    any = TRUE;
    passes |= row_lets_pass(proof, lw_static_look(proof, r), cell);
  }
  if (any && !is_to_a_probe(cell, proof) && !is_to_nowhere(cell, proof))
    cell->statically = passes ? LW_CELL_ALLOW : LW_CELL_DENY;
  if (cell->statically != LW_CELL_UNTESTED && (cell->statically == LW_CELL_ALLOW) != cell->expect)
    cell->told |= is_told(cell, proof);
}

void lw_static_fill(const LwStatic *proof, const LwVerifyReport *report) {
  for (guint i = 0; i < report->cells->len; i++)
    lw_static_fill_cell(proof, report->cells->pdata[i]);
}

LwMdd lw_static_asked_of_gateways(const LwStatic *proof) {
  static const guint16 ports[] = {22, 80, 443};
  LwMddPool *pool = proof->pool;
  LwMdd gateways = LW_MDD_FALSE, tcp = LW_MDD_FALSE;
  for (guint i = 0; i < proof->lab->segments->len; i++)
    gateways = lw_mdd_or(pool, gateways,
                         lw_packets_addr(pool, LW_HEADER_DADDR, &lw_lab_segment(proof->lab, i)->router));
  for (guint i = 0; i < G_N_ELEMENTS(ports); i++)
    tcp = lw_mdd_or(pool, tcp, lw_packets_number(pool, LW_HEADER_DPORT, ports[i], ports[i]));
  tcp = lw_mdd_and(pool, tcp, lw_packets_number(pool, LW_HEADER_PROTO, TCP, TCP));
  return lw_mdd_and(pool, gateways,
                    lw_mdd_or(pool, tcp, lw_packets_number(pool, LW_HEADER_PROTO, ICMP, ICMP)));
}

static void add_ways(const LwStatic *proof, const LwStaticRow *row, LwMdd asked, LwStaticWays *out) {
  out->known = TRUE;
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    if (reached->place.elsewhere)
      continue;
    if (reached->place.zone.kind == LW_ZONE_SEGMENT)
      out->enters[reached->place.zone.index] = TRUE;
    else if (reached->place.zone.kind == LW_ZONE_ROUTER)
      out->gateway |= lw_mdd_intersects(proof->pool, reached->may, asked);
  }
  for (guint i = 0; i < row->intended->len; i++) { /* as lw_static_led() asks */
    const LwIntended *led = row->intended->pdata[i];
    out->gateway |= led->led && lw_mdd_intersects(proof->pool, led->may, asked);
  }
}

void lw_static_ways(const LwStatic *proof, const LwZone *from, const char *machine, LwMdd asked,
                    LwStaticWays *out) {
  const GArray *rows = rows_of_source(proof, *from);
  if (from->kind == LW_ZONE_SEGMENT) { /* its own answers it */
    const LwAddr *own = &lw_lab_segment(proof->lab, from->index)->router;
    asked = lw_mdd_minus(proof->pool, asked, lw_packets_addr(proof->pool, LW_HEADER_DADDR, own));
  }
  out->known = out->gateway = FALSE;
  memset(out->enters, 0, proof->lab->segments->len * sizeof *out->enters);
  for (guint k = 0; k < rows->len; k++) {
    guint r = g_array_index(rows, guint, k);
    if (is_source_of(machine, proof, proof->rows->pdata[r]))
      add_ways(proof, lw_static_look(proof, r), asked, out);
  }
}

static char *cell_text(const LwCell *cell) {
  g_autofree char *source = lw_addr_format(&cell->question.source);
  g_autofree char *destination = lw_addr_format(&cell->question.destination);
  return g_strdup_printf("%s (%s) -> %s %s %s", cell->from, source, cell->to, destination, cell->service);
}

static const char *word(LwCellResult result) {
  return result == LW_CELL_ALLOW ? "passes" : "does not pass";
}

void lw_verify_add_disagreements(LwVerifyReport *report) {
  for (guint i = 0; i < report->cells->len; i++) {
    LwCell *cell = report->cells->pdata[i];
    if (cell->live == LW_CELL_UNTESTED || cell->statically == LW_CELL_UNTESTED ||
        cell->live == cell->statically)
      continue;
    g_autofree char *text = cell_text(cell);
    g_autofree char *origin = lw_origin_format(&cell->origin);
    cell->told = TRUE;
    g_ptr_array_add(
        report->violations,
        g_strdup_printf("%s: the two proofs disagree: by the rules in force it %s, a packet %s; %s", text,
                        word(cell->statically), word(cell->live), origin));
  }
}

void lw_static_report(const LwStatic *proof, LwVerifyReport *report) {
  lw_static_fill(proof, report);
  for (guint i = 0; i < proof->violations->len; i++)
    g_ptr_array_add(report->violations, lw_static_violation_format(proof->violations->pdata[i]));
  report->unknowns = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < proof->unknowns->len; i++)
    g_ptr_array_add(report->unknowns, g_strdup(proof->unknowns->pdata[i]));
}

/* --- JUnit
 * ---------------------------------------------------------------------------------------------------------
 */

static void put_case(GString *out, const char *group, const char *name, const char *failure,
                     gboolean skipped) {
  g_autofree char *escaped_group = g_markup_escape_text(group, -1);
  g_autofree char *escaped_name = g_markup_escape_text(name, -1);
  g_string_append_printf(out, "    <testcase classname=\"%s\" name=\"%s\"", escaped_group, escaped_name);
  if (failure) {
    g_autofree char *escaped = g_markup_escape_text(failure, -1);
    g_string_append_printf(out, "><failure message=\"%s\"/></testcase>\n", escaped);
  } else {
    g_string_append(out, skipped ? "><skipped/></testcase>\n" : "/>\n");
  }
}

static void put_cell(GString *out, const LwCell *cell) {
  g_autofree char *name = cell_text(cell);
  g_autofree char *failure = NULL;
  if (lw_cell_is_wrong(cell))
    failure = g_strdup_printf("must %s: %s", cell->expect ? "pass" : "not pass", cell->reason);
  put_case(out, cell->from, name, failure,
           cell->live == LW_CELL_UNTESTED && cell->statically == LW_CELL_UNTESTED);
}

typedef struct {
  LwTextSink sink;
  gpointer data;
  guint cells, wrong;
} JUnit;

static void count_case(LwCell *cell, gpointer data) {
  JUnit *junit = data;
  junit->cells++;
  junit->wrong += lw_cell_is_wrong(cell);
}

static void count_stopped(const char *from, const LwZone *to, guint count, gpointer data) {
  ((JUnit *)data)->cells += count;
}

static void write_case(LwCell *cell, gpointer data) {
  const JUnit *junit = data;
  g_autoptr(GString) text = g_string_new(NULL);
  put_cell(text, cell);
  junit->sink(text->str, junit->data);
}

void lw_verify_write_junit(const LwVerifyReport *report, LwTextSink sink, gpointer data) {
  JUnit junit = {sink, data, 0, 0};
  const LwCellVisitor counts = {count_case, count_stopped, &junit}, writes = {write_case, NULL, &junit};
  lw_verify_visit(report, &counts);
  g_autofree char *lab = g_markup_escape_text(report->lab, -1);
  g_autofree char *head =
      g_strdup_printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
                      "  <testsuite name=\"lanward %s\" tests=\"%u\" failures=\"%u\" time=\"%.3f\">\n",
                      lab, junit.cells + report->violations->len, junit.wrong + report->violations->len,
                      (double)report->elapsed_ms / 1000);
  sink(head, data);
  lw_verify_visit(report, &writes);
  g_autoptr(GString) rest = g_string_new(NULL);
  for (guint i = 0; i < report->violations->len; i++)
    put_case(rest, "violations", report->violations->pdata[i], report->violations->pdata[i], FALSE);
  g_string_append(rest, "  </testsuite>\n</testsuites>\n");
  sink(rest->str, data);
}
