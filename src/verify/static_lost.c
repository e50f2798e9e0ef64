/* The kill switch in the states that it is for: the link of a tunnel gone, and its routes with it. Nothing
 * that the tunnel carried may leave by another exit then; and it must be refused by its exit's own routes,
 * not just by what comes after them, so that no one change by hand can open it. */
#include "verify/static_internal.h"

#include "policy/names.h"

/* What goes by the tunnel now, as it is sent. FALSE: nothing of this source. */
static LwMdd carried(const Prove *p, const LwStaticRow *row, guint tunnel) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == LW_ZONE_INTERNET && one->to.index == tunnel)
      set = lw_mdd_or(p->proof->pool, set, one->may);
  }
  return set;
}

static gboolean uses(const LwStaticRow *row, guint tunnel) {
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == LW_ZONE_INTERNET && one->to.index == tunnel)
      return TRUE;
  }
  return FALSE;
}

/* What still stands in the packet's way. */
static char *what_is_left(const Prove *p, const LwStart *start, const LwHeader *packet) {
  g_autoptr(GPtrArray) trace = lw_reach_trace(p->proof->reach, start, packet, LW_CT_NEW, TRUE);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < trace->len; i++) {
    const LwStep *step = trace->pdata[i];
    if (!lw_static_stops(step))
      continue;
    g_autofree char *one = step->rule || step->chain ? lw_static_step_text(step) : g_strdup(step->text);
    g_string_append_printf(text, "%s%s", text->len ? "; " : "what still stops it: ", one);
  }
  if (text->len == 0)
    g_string_append(text, "nothing else stops it");
  return g_string_free(text, FALSE);
}

static void judge_one(const Prove *p, const LwStaticRow *row, guint tunnel, LwMdd set) {
  LwMddPool *pool = p->proof->pool;
  LwMdd unrefused;
  LwPlace exit = {.zone = {LW_ZONE_INTERNET, tunnel}};
  g_autoptr(GPtrArray) arrivals = lw_reach_unrefused(p->proof->reach, &row->start, set, &unrefused);
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    LwPlace place = lw_static_place_of(p, arrival);
    LwMdd may = lw_static_may_arrive(row, &place, &arrival->rewrite, pool);
    lw_static_judge(p, row, LW_STATIC_FALLBACK, &place, lw_mdd_minus(pool, arrival->packets, may));
  }
  guint before = p->proof->violations->len;
  lw_static_judge(p, row, LW_STATIC_BARE, &exit, lw_mdd_and(pool, unrefused, set));
  if (p->proof->violations->len == before)
    return;
  LwStaticViolation *v = p->proof->violations->pdata[before];
  g_free(v->decided);
  v->decided = what_is_left(p, &row->start, &v->packet);
}

static void judge_row(Prove *p, LwStaticRow *row, guint tunnel) {
  guint run = LW_STATIC_RUN_LOST + tunnel;
  if (lw_static_good_like(p, row, run))
    return;
  lw_static_watch_begin(p, row, run);
  lw_static_row_begin(p, row);
  LwMdd set = carried(p, row, tunnel);
  if (set != LW_MDD_FALSE)
    judge_one(p, row, tunnel, set);
  lw_static_row_leave(p, row);
  lw_static_watch_end(p, row, run);
}

void lw_static_judge_lost_tunnels(Prove *p) {
  const LwLab *lab = p->proof->lab;
  for (guint t = 0; t < lab->tunnels->len; t++) {
    g_autofree char *link = lw_name_tunnel(lw_lab_tunnel(lab, t));
    if (!lw_reach_lose_link(p->proof->reach, p->router, link, TRUE))
      continue; /* it is lost now: that is proved already */
    for (guint i = 0; i < p->proof->rows->len; i++) {
      LwStaticRow *row = p->proof->rows->pdata[i];
      if (row->zone.kind == LW_ZONE_SEGMENT && row->machine == LW_NONE && *row->start.ns &&
          uses(row->like ? row->like : row, t))
        judge_row(p, row, t);
    }
    lw_reach_lose_link(p->proof->reach, p->router, link, FALSE);
  }
}
