/* What one state of a lab can do and another cannot. */
#include "verify/static_internal.h"

#include "policy/names.h"

#include <string.h>

/* --- what differs
 * -------------------------------------------------------------------------------------------------- */

/* By names: the two may be of different files, where a segment has another number. */
static LwMdd reached_in(const LwStatic *proof, const char *row_name, const char *place) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < proof->rows->len; i++) {
    if (!g_str_equal(((LwStaticRow *)proof->rows->pdata[i])->name, row_name))
      continue;
    const LwStaticRow *row = lw_static_look(proof, i);
    for (guint r = 0; r < row->reached->len; r++) {
      const LwReached *reached = row->reached->pdata[r];
      g_autofree char *name = lw_static_place_name(proof->lab, &reached->place);
      if (g_str_equal(name, place))
        set = lw_mdd_or(proof->pool, set, reached->may);
    }
  }
  return set;
}

static gboolean covered_by_segment(const LwStaticRow *row) {
  return row->zone.kind == LW_ZONE_SEGMENT && row->machine != LW_NONE;
}

/* All of the internet is one word, not ten ranges. */
static char *gained_text(const LwStatic *proof, const LwPlace *place, LwMdd set) {
  LwMddPool *pool = proof->pool;
  LwMdd web = lw_mdd_and(pool, lw_packets_number(pool, LW_HEADER_PROTO, 6, 6),
                         lw_packets_number(pool, LW_HEADER_DPORT, 443, 443));
  LwMdd far =
      lw_mdd_and(pool, lw_static_far_destinations(pool), lw_mdd_and(pool, web, lw_intent_opening(pool)));
  LwMdd sources = lw_mdd_and(pool, set, far);
  const LwHeaderField fields[] = {LW_HEADER_DADDR,     LW_HEADER_PROTO,     LW_HEADER_DPORT,
                                  LW_HEADER_ICMP_TYPE, LW_HEADER_ICMP_CODE, LW_HEADER_TCP_FLAGS,
                                  LW_HEADER_SPORT};
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
    sources = lw_packets_forget(pool, sources, fields[i]);
  if (place->elsewhere || place->zone.kind != LW_ZONE_INTERNET || sources == LW_MDD_FALSE)
    return lw_static_pieces_text(pool, set);
  LwMdd rest = lw_mdd_minus(pool, set, lw_mdd_and(pool, sources, lw_static_far_destinations(pool)));
  g_autofree char *who = lw_static_pieces_text(pool, sources);
  char *arrow = strstr(who, " -> ");
  if (arrow)
    *arrow = '\0';
  g_autofree char *more = rest == LW_MDD_FALSE ? NULL : lw_static_pieces_text(pool, rest);
  return g_strdup_printf("%s to the internet%s%s", who, more ? "; " : "", more ? more : "");
}

GPtrArray *lw_static_gained(const LwStatic *from, const LwStatic *to) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < to->rows->len; i++) {
    const LwStaticRow *row = lw_static_look(to, i);
    for (guint r = 0; !covered_by_segment(row) && r < row->reached->len; r++) {
      const LwReached *reached = row->reached->pdata[r];
      g_autofree char *name = lw_static_place_name(to->lab, &reached->place);
      LwMdd gained = lw_mdd_minus(to->pool, reached->may, reached_in(from, row->name, name));
      if (gained == LW_MDD_FALSE)
        continue;
      g_autofree char *pieces = gained_text(to, &reached->place, gained);
      g_ptr_array_add(lines, g_strdup_printf("%s -> %s: %s", row->name, name, pieces));
    }
  }
  return lines;
}
