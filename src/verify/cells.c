/* The cells of a report: those that a live run has filled in are kept; those of a static proof alone are made
 * when somebody looks at them. Of a thousand segments they are millions, and nearly all of them say that
 * nothing gets from one segment to another: these need not be made to be counted. */
#include "verify/flows.h"
#include "verify/static.h"

struct LwCellSource {
  const LwLab *lab;
  const LwFacts *facts;
  LwVerifyWorld world; /* its places are ours */
  LwSurroundings around;
  const LwStatic *proof;
};

static void take_all(GPtrArray *flows, gpointer all) {
  for (guint i = 0; i < flows->len; i++)
    g_ptr_array_add(all, g_steal_pointer(&flows->pdata[i]));
}

static void free_flow(gpointer flow) {
  lw_flow_free(flow);
}

GPtrArray *lw_verify_flows(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                           const LwSurroundings *around) {
  GPtrArray *all = g_ptr_array_new_with_free_func(free_flow);
  const LwFlowSink sink = {take_all, NULL, all};
  lw_verify_each_flow(lab, facts, world, around, &sink);
  return all;
}

void lw_cell_source_free(LwCellSource *source) {
  if (!source)
    return;
  g_ptr_array_unref(source->world.places);
  g_free(source);
}

/* What is known of the source of the flows that are made now. */
typedef struct {
  const LwCellSource *source;
  const LwCellVisitor *visitor;
  guint place;
  LwZone from;
  char *name;
  LwMdd asked;
  LwStaticWays ways;
} Making;

static gboolean is_unknown(const LwCellSource *source, const LwFlowQuestion *question) {
  return source->world.networks_unknown &&
         (question->to.kind == LW_ZONE_NETWORK || question->from.kind == LW_ZONE_NETWORK);
}

static void take(GPtrArray *flows, gpointer data) {
  const Making *m = data;
  for (guint i = 0; i < flows->len; i++) {
    LwCell *cell = ((LwFlow *)flows->pdata[i])->cell;
    lw_static_fill_cell(m->source->proof, cell);
    if (is_unknown(m->source, &cell->question))
      cell->statically = LW_CELL_UNTESTED;
    m->visitor->cell(cell, m->visitor->data);
  }
}

static void look_at(Making *m, const LwWay *way) {
  const LwProbePlace *place = m->source->world.places->pdata[way->place];
  gboolean machine = lw_lab_find_machine(m->source->lab, place->name) != LW_NONE;
  m->place = way->place;
  m->from = way->from;
  g_free(m->name);
  m->name = lw_verify_zone_name(m->source->lab, &way->from, NULL);
  lw_static_ways(m->source->proof, &way->from, machine ? place->name : NULL, m->asked, &m->ways);
}

static gboolean stopped(const LwWay *way, guint count, gpointer data) {
  Making *m = data;
  if (way->place != m->place || way->from.kind != m->from.kind || way->from.index != m->from.index)
    look_at(m, way);
  gboolean passes = way->to.kind == LW_ZONE_SEGMENT ? m->ways.enters[way->to.index] : m->ways.gateway;
  if (!m->ways.known || passes)
    return FALSE;
  m->visitor->stopped(m->name, &way->to, count, m->visitor->data);
  return TRUE;
}

static void make(const LwCellSource *s, const LwCellVisitor *visitor) {
  g_autofree gboolean *enters = g_new0(gboolean, s->lab->segments->len + 1);
  Making m = {.source = s,
              .visitor = visitor,
              .place = LW_NONE,
              .asked = lw_static_asked_of_gateways(s->proof),
              .ways = {.enters = enters}};
  const LwFlowSink sink = {take, visitor->stopped ? stopped : NULL, &m};
  lw_verify_each_flow(s->lab, s->facts, &s->world, &s->around, &sink);
  g_free(m.name);
}

void lw_verify_visit(const LwVerifyReport *report, const LwCellVisitor *visitor) {
  for (guint i = 0; i < report->cells->len; i++)
    visitor->cell(report->cells->pdata[i], visitor->data);
  if (report->source)
    make(report->source, visitor);
}

LwVerifyReport *lw_verify_cells(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                                const LwAddr *router_wan, const LwAddr *host_uplink, const LwStatic *proof) {
  LwVerifyReport *report = g_new0(LwVerifyReport, 1);
  report->lab = g_strdup(lab->name);
  report->target = g_strdup(world->target);
  report->cells = g_ptr_array_new();
  report->exits = g_ptr_array_new();
  report->violations = g_ptr_array_new_with_free_func(g_free);
  LwCellSource *source = report->source = g_new0(LwCellSource, 1);
  *source = (LwCellSource){lab, facts, *world, {*router_wan, *host_uplink}, proof};
  g_ptr_array_ref(source->world.places);
  return report;
}
