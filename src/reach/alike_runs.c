/* Runs, and the renaming of groups that takes one to another. */
#include "reach/alike_internal.h"

#define ALIKE_MOST 256 /* edges of a list that say the same: they are paired one by one */

typedef struct {
  Place place;
  const GArray *edges; /* there; NULL: none */
} Asked;

struct LwAlikeRun {
  guint group;
  GArray *asked;     /* of Asked, by group */
  GHashTable *fixed; /* of groups + 1: may not be renamed */
};

/* --- runs
 * ---------------------------------------------------------------------------------------------------------
 */

static gint by_group(gconstpointer x, gconstpointer y) {
  const Asked *a = x, *b = y;
  return a->place.group < b->place.group ? -1 : a->place.group > b->place.group;
}

/* Edges that the run found without the name of a group's link: it would find the same ones from elsewhere. So
 * whom they speak of may not be renamed. */
static void fix_mentioned(const LwAlike *a, LwAlikeRun *run, const List *list, const SetEdges *edges,
                          gboolean by_token) {
  for (guint i = 0; i < edges->edges->len; i++) {
    const ElementEdge *one = &g_array_index(edges->edges, ElementEdge, i);
    if (list->position != LW_ALL_ELEMENTS) {
      const LwValue *value = &g_array_index(one->element->key, LwValue, list->position);
      if (lw_alike_has_name(value) && (by_token || !g_str_equal(value->name, list->name)))
        continue;
    }
    const Edge *edge = &g_array_index(a->edges, Edge, one->edge);
    for (guint m = 0; m < edge->count; m++)
      g_hash_table_add(run->fixed, GUINT_TO_POINTER(edge->mentions[m] + 1));
  }
}

LwAlikeRun *lw_alike_run_new(const LwAlike *a, guint group, const LwLooked *looked) {
  LwAlikeRun *run = g_new0(LwAlikeRun, 1);
  run->group = group;
  run->asked = g_array_new(FALSE, FALSE, sizeof(Asked));
  run->fixed = g_hash_table_new(NULL, NULL);
  GHashTableIter iter;
  gpointer data;
  g_hash_table_iter_init(&iter, looked->lists);
  while (g_hash_table_iter_next(&iter, &data, NULL)) {
    const List *list = data;
    const SetEdges *edges = g_hash_table_lookup(a->set_edges, list->set);
    if (!edges)
      continue;
    const Token *token = list->position == LW_ALL_ELEMENTS ? NULL : g_hash_table_lookup(a->names, list->name);
    guint32 bits = token ? edges->wild : edges->wild | edges->plain;
    if (list->position >= 32 || (bits & (1u << list->position)))
      fix_mentioned(a, run, list, edges, token != NULL);
    if (!token)
      continue;
    Asked asked = {.place = {list->set, list->position, token->group, token->role}};
    asked.edges = g_hash_table_lookup(a->places, &asked.place);
    g_array_append_val(run->asked, asked);
  }
  g_array_sort(run->asked, by_group);
  return run;
}

void lw_alike_run_free(LwAlikeRun *run) {
  if (!run)
    return;
  g_array_unref(run->asked);
  g_hash_table_unref(run->fixed);
  g_free(run);
}

/* --- renaming
 * ----------------------------------------------------------------------------------------------------- */

static void forget_names(LwAlike *a) {
  for (guint i = 0; i < a->renamed->len; i++) {
    guint group = g_array_index(a->renamed, guint, i);
    a->from[a->to[group]] = LW_ALIKE_ANY;
    a->to[group] = LW_ALIKE_ANY;
  }
  g_array_set_size(a->renamed, 0);
}

static gboolean may_rename(const LwAlike *a, guint group, guint other) {
  if (a->to[group] != LW_ALIKE_ANY || a->from[other] != LW_ALIKE_ANY)
    return a->to[group] == other;
  return a->classes[group] == a->classes[other];
}

static void rename_group(LwAlike *a, guint group, guint other) {
  if (a->to[group] != LW_ALIKE_ANY)
    return;
  a->to[group] = other;
  a->from[other] = group;
  g_array_append_val(a->renamed, group);
}

/* One of the two may be renamed twice: A to B and, by the same edge, A to C. */
static gboolean rename_edge(LwAlike *a, const Edge *edge, const Edge *other) {
  if (edge->hash != other->hash || edge->len != other->len || edge->count != other->count ||
      !lw_alike_words_equal(a, edge->start, other->start, edge->len))
    return FALSE;
  for (guint m = 0; m < edge->count; m++)
    if (!may_rename(a, edge->mentions[m], other->mentions[m]))
      return FALSE;
  for (guint m = 0; m < edge->count; m++)
    rename_group(a, edge->mentions[m], other->mentions[m]);
  return TRUE;
}

static gboolean is_renamed(const LwAlike *a, const Edge *edge) {
  for (guint m = 0; m < edge->count; m++)
    if (a->to[edge->mentions[m]] == LW_ALIKE_ANY)
      return FALSE;
  return TRUE;
}

/* Each edge of a run of the list to one of the others. Those whose groups have their names already first:
 * then whoever is left has no name yet, and any that fits will do. known: only those, or only the rest. */
static gboolean pair_edges(LwAlike *a, const guint *edges, const guint *others, guint count, gboolean known,
                           gboolean *done, gboolean *used) {
  for (guint i = 0; i < count; i++) {
    const Edge *edge = &g_array_index(a->edges, Edge, edges[i]);
    if (done[i] || (known && !is_renamed(a, edge)))
      continue;
    for (guint o = 0; o < count && !done[i]; o++)
      if (!used[o] && rename_edge(a, edge, &g_array_index(a->edges, Edge, others[o])))
        done[i] = used[o] = TRUE;
    if (!done[i])
      return FALSE;
  }
  return TRUE;
}

static guint64 hash_at(const LwAlike *a, const GArray *edges, guint i) {
  return g_array_index(a->edges, Edge, g_array_index(edges, guint, i)).hash;
}

static gboolean pair_all(LwAlike *a, const guint *edges, const guint *others, guint count) {
  if (count == 1)
    return rename_edge(a, &g_array_index(a->edges, Edge, edges[0]),
                       &g_array_index(a->edges, Edge, others[0]));
  gboolean done[ALIKE_MOST] = {FALSE}, used[ALIKE_MOST] = {FALSE};
  return count <= ALIKE_MOST && pair_edges(a, edges, others, count, TRUE, done, used) &&
         pair_edges(a, edges, others, count, FALSE, done, used);
}

/* Both are in the order of their hashes. forced: only what can be paired in one way. */
static gboolean rename_list(LwAlike *a, const GArray *edges, const GArray *others, gboolean forced) {
  if (!edges || !others)
    return edges == others;
  if (edges->len != others->len)
    return FALSE;
  for (guint i = 0, end; i < edges->len; i = end) {
    for (end = i; end < edges->len && hash_at(a, edges, end) == hash_at(a, edges, i); end++)
      if (hash_at(a, others, end) != hash_at(a, edges, i))
        return FALSE;
    if (!(forced && end - i > 1) &&
        !pair_all(a, &g_array_index(edges, guint, i), &g_array_index(others, guint, i), end - i))
      return FALSE;
  }
  return TRUE;
}

/* In the order in which they were said. */
static gboolean rename_said(LwAlike *a, guint group, guint other) {
  const GArray *edges = a->own_edges[group], *others = a->own_edges[other];
  guint count = edges ? edges->len : 0;
  if (count != (others ? others->len : 0))
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (!rename_edge(a, &g_array_index(a->edges, Edge, g_array_index(edges, guint, i)),
                     &g_array_index(a->edges, Edge, g_array_index(others, guint, i))))
      return FALSE;
  return TRUE;
}

/* The lists that the run found by the group's names. */
static gboolean rename_asked(LwAlike *a, const LwAlikeRun *run, guint group, gboolean forced) {
  guint low = 0, high = run->asked->len;
  while (low < high) {
    guint middle = (low + high) / 2;
    if (g_array_index(run->asked, Asked, middle).place.group < group)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < run->asked->len && g_array_index(run->asked, Asked, low).place.group == group; low++) {
    const Asked *asked = &g_array_index(run->asked, Asked, low);
    Place there = asked->place;
    there.group = a->to[group];
    if (!rename_list(a, asked->edges, g_hash_table_lookup(a->places, &there), forced))
      return FALSE;
  }
  return TRUE;
}

/* Whom the run asked about, though nothing leads there from where it began, keeps its name. */
static gboolean keep_the_rest(LwAlike *a, const LwAlikeRun *run) {
  for (guint i = 0; i < run->asked->len; i++) {
    guint group = g_array_index(run->asked, Asked, i).place.group;
    if (a->to[group] != LW_ALIKE_ANY)
      continue;
    if (a->from[group] != LW_ALIKE_ANY)
      return FALSE;
    rename_group(a, group, group);
  }
  return TRUE;
}

static gboolean keeps_fixed(const LwAlike *a, const LwAlikeRun *run) {
  for (guint i = 0; i < a->renamed->len; i++) {
    guint group = g_array_index(a->renamed, guint, i), other = a->to[group];
    if (group != other && (g_hash_table_contains(run->fixed, GUINT_TO_POINTER(group + 1)) ||
                           g_hash_table_contains(run->fixed, GUINT_TO_POINTER(other + 1))))
      return FALSE;
  }
  return TRUE;
}

gboolean lw_alike_holds(LwAlike *a, const LwAlikeRun *run, guint group) {
  guint at = 0;
  forget_names(a);
  if (!may_rename(a, run->group, group))
    return FALSE;
  rename_group(a, run->group, group);
  if (!rename_said(a, run->group, group))
    return FALSE;
  for (gboolean rest = FALSE;; rest = TRUE) {
    for (; at < a->renamed->len; at++)
      if (!rename_asked(a, run, g_array_index(a->renamed, guint, at), TRUE) ||
          !rename_asked(a, run, g_array_index(a->renamed, guint, at), FALSE))
        return FALSE;
    if (rest)
      return keeps_fixed(a, run);
    if (!keep_the_rest(a, run))
      return FALSE;
  }
}

guint lw_alike_renamed(const LwAlike *a, guint group) {
  return a->to[group];
}
