/* Who owns what, and which groups are of one class. */
#include "reach/alike_internal.h"

#include <stdlib.h>

/* --- who owns what
 * ------------------------------------------------------------------------------------------------ */

static void set_edges_free(gpointer data) {
  SetEdges *edges = data;
  g_array_unref(edges->edges);
  g_free(edges);
}

static void numbers_unref(gpointer data) {
  g_array_unref(data);
}

static guint place_hash(gconstpointer data) {
  const Place *place = data;
  return g_direct_hash(place->set) ^ (place->position * 31 + place->role) * 16777619u ^
         place->group * 2654435761u;
}

static gboolean place_equal(gconstpointer x, gconstpointer y) {
  const Place *a = x, *b = y;
  return a->set == b->set && a->position == b->position && a->group == b->group && a->role == b->role;
}

LwAlike *lw_alike_new(LwReach *reach, guint groups) {
  LwAlike *a = g_new0(LwAlike, 1);
  a->reach = reach;
  a->groups = groups;
  a->apart = g_new0(gboolean, groups + 1);
  a->owned = g_array_new(FALSE, FALSE, sizeof(Own));
  a->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  a->macs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
  a->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  a->wild_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  a->bounds = g_array_new(FALSE, FALSE, sizeof(guint32));
  a->facts = g_array_new(FALSE, FALSE, sizeof(Fact));
  a->edges = g_array_new(FALSE, FALSE, sizeof(Edge));
  a->set_edges = g_hash_table_new_full(NULL, NULL, NULL, set_edges_free);
  a->places = g_hash_table_new_full(place_hash, place_equal, g_free, numbers_unref);
  a->own_edges = g_new0(GArray *, groups + 1);
  a->first_fact = g_new0(guint, groups + 1);
  a->classes = g_new0(guint, groups + 1);
  a->to = g_new(guint, groups + 1);
  a->from = g_new(guint, groups + 1);
  a->renamed = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < groups; i++)
    a->to[i] = a->from[i] = LW_ALIKE_ANY;
  return a;
}

void lw_alike_free(LwAlike *a) {
  if (!a)
    return;
  GArray *const arrays[] = {a->owned, a->bounds, a->facts, a->edges, a->renamed};
  GHashTable *const tables[] = {a->names, a->macs, a->texts, a->wild_names, a->set_edges, a->places};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_array_unref(arrays[i]);
  for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
    g_hash_table_unref(tables[i]);
  for (guint i = 0; i < a->groups; i++)
    g_clear_pointer(&a->own_edges[i], g_array_unref);
  g_free(a->words);
  g_free(a->own_edges);
  g_free(a->apart);
  g_free(a->first_fact);
  g_free(a->classes);
  g_free(a->to);
  g_free(a->from);
  g_free(a);
}

void lw_alike_own_prefix(LwAlike *a, guint group, const LwPrefix *prefix) {
  LwRange range = lw_prefix_range(prefix);
  if (range.first.family != 4) {
    lw_alike_set_apart(a, group);
    return;
  }
  const Own own = {lw_addr_v4(&range.first), lw_addr_v4(&range.last), group};
  g_array_append_val(a->owned, own);
}

/* key: transfer full. */
static void own(LwAlike *a, GHashTable *tokens, gpointer key, guint group, guint role) {
  const Token *known = g_hash_table_lookup(tokens, key);
  const Token token = {group, role};
  if (known && (known->group != group || known->role != role)) {
    lw_alike_set_apart(a, known->group);
    lw_alike_set_apart(a, group);
  }
  if (known)
    g_free(key);
  else
    g_hash_table_insert(tokens, key, g_memdup2(&token, sizeof token));
}

void lw_alike_own_link(LwAlike *a, guint group, guint role, const char *name) {
  own(a, a->names, g_strdup(name), group, role);
}

void lw_alike_own_mac(LwAlike *a, guint group, guint role, const LwMac *mac) {
  guint64 number = lw_alike_mac_number(mac);
  own(a, a->macs, g_memdup2(&number, sizeof number), group, role);
}

gboolean lw_alike_role(const LwAlike *a, const char *link, guint *group, guint *role) {
  const Token *token = link ? g_hash_table_lookup(a->names, link) : NULL;
  if (!token)
    return FALSE;
  *group = token->group;
  *role = token->role;
  return TRUE;
}

/* --- classes
 * ------------------------------------------------------------------------------------------------------ */

static gint by_number(gconstpointer x, gconstpointer y) {
  guint32 a = *(const guint32 *)x, b = *(const guint32 *)y;
  return a < b ? -1 : a > b;
}

static gint by_fact_hash(gconstpointer x, gconstpointer y) {
  const Fact *a = x, *b = y;
  return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* Between which two of the bounds it lies: whoever lies there is in the same ranges. */
static void say_bounds(LwAlike *a) {
  g_array_sort(a->bounds, by_number);
  guint at = 0;
  for (guint i = 0; i < a->owned->len; i++) {
    const Own *own = &g_array_index(a->owned, Own, i);
    while (at < a->bounds->len && g_array_index(a->bounds, guint32, at) <= own->first)
      at++;
    lw_alike_begin(a);
    lw_alike_word(a, SAYS_BOUND);
    lw_alike_word(a, at);
    lw_alike_keep_fact(a, own->group);
  }
}

static void say_wild_names(LwAlike *a) {
  GHashTableIter wilds, names;
  gpointer wild, name, token;
  g_hash_table_iter_init(&wilds, a->wild_names);
  while (g_hash_table_iter_next(&wilds, &wild, NULL)) {
    g_hash_table_iter_init(&names, a->names);
    while (g_hash_table_iter_next(&names, &name, &token)) {
      if (strncmp(name, wild, strlen(wild) - 1) != 0)
        continue;
      lw_alike_begin(a);
      lw_alike_word(a, SAYS_WILD);
      lw_alike_word(a, lw_alike_text_number(a, wild));
      lw_alike_word(a, ((const Token *)token)->role);
      lw_alike_keep_fact(a, ((const Token *)token)->group);
    }
  }
}

static const Fact *facts_of(const LwAlike *a, guint group, guint *count) {
  *count = a->first_fact[group + 1] - a->first_fact[group];
  return *count ? &g_array_index(a->facts, Fact, a->first_fact[group]) : NULL;
}

static gboolean same_is_said(const LwAlike *a, guint group, guint other) {
  guint count, other_count;
  const Fact *facts = facts_of(a, group, &count), *others = facts_of(a, other, &other_count);
  if (count != other_count)
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (facts[i].hash != others[i].hash || facts[i].len != others[i].len ||
        !lw_alike_words_equal(a, facts[i].start, others[i].start, facts[i].len))
      return FALSE;
  return TRUE;
}

static guint64 hash_of_group(const LwAlike *a, guint group) {
  guint count;
  const Fact *facts = facts_of(a, group, &count);
  guint64 hash = count;
  for (guint i = 0; i < count; i++)
    hash = (hash << 9 | hash >> 55) ^ facts[i].hash;
  return hash;
}

static gint by_hash(gconstpointer x, gconstpointer y, gpointer data) {
  const LwAlike *a = data;
  guint64 one = g_array_index(a->edges, Edge, *(const guint *)x).hash;
  guint64 other = g_array_index(a->edges, Edge, *(const guint *)y).hash;
  return one < other ? -1 : one > other;
}

/* Each group's facts beside each other, by their hashes. */
static void sort_facts(LwAlike *a) {
  GArray *sorted = g_array_sized_new(FALSE, FALSE, sizeof(Fact), a->facts->len);
  guint *next = g_new0(guint, a->groups + 2);
  g_array_set_size(sorted, a->facts->len);
  for (guint i = 0; i < a->facts->len; i++)
    next[g_array_index(a->facts, Fact, i).group + 1]++;
  for (guint g = 0; g <= a->groups; g++) {
    next[g + 1] += next[g];
    a->first_fact[g] = next[g];
  }
  for (guint i = 0; i < a->facts->len; i++) {
    const Fact *fact = &g_array_index(a->facts, Fact, i);
    g_array_index(sorted, Fact, next[fact->group]++) = *fact;
  }
  g_free(next);
  g_array_unref(a->facts);
  a->facts = sorted;
  for (guint g = 0; g < a->groups; g++) {
    guint first = a->first_fact[g], count = a->first_fact[g + 1] - first;
    if (count)
      qsort(&g_array_index(sorted, Fact, first), count, sizeof(Fact), by_fact_hash);
  }
}

static void find_classes(LwAlike *a) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  for (guint g = 0; g < a->groups; g++) {
    guint64 hash = hash_of_group(a, g);
    gpointer first;
    a->classes[g] = g;
    if (a->apart[g])
      continue;
    if (!g_hash_table_lookup_extended(known, &hash, NULL, &first))
      g_hash_table_insert(known, g_memdup2(&hash, sizeof hash), GUINT_TO_POINTER(g));
    else if (same_is_said(a, g, GPOINTER_TO_UINT(first)))
      a->classes[g] = GPOINTER_TO_UINT(first);
  }
}

void lw_alike_seal(LwAlike *a) {
  GHashTableIter iter;
  gpointer edges;
  say_bounds(a);
  say_wild_names(a);
  sort_facts(a);
  g_hash_table_iter_init(&iter, a->places);
  while (g_hash_table_iter_next(&iter, NULL, &edges))
    g_array_sort_with_data(edges, by_hash, a);
  find_classes(a);
}

guint lw_alike_class(const LwAlike *a, guint group) {
  return a->classes[group];
}
