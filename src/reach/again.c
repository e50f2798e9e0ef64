/* What a run looked at, and whether another world has the same there.
 *
 * A run depends on the links that it comes by, on the elements that are looked up by a name that it has, and on
 * what is taken to matter to all of them: addresses, routes, routing rules, settings, names of links, and the
 * rules without their elements. Two worlds are compared by resources being the very same object, or, for
 * rules, by content; whatever is not found equal counts as changed. */
#include "reach/internal.h"

#include <string.h>

struct LwWorlds {
  LwReach *before, *after;
  gboolean alike;    /* in what matters to all runs */
  GHashTable *rules; /* Ns* of before whose rules are the same, and filters that came to them */
  GHashTable *lists; /* List* of before -> the same of after, NULL: it changed */
  GHashTable *sets;  /* const LwSet* of before -> of after */
};

LwLooked *lw_looked_new(void) {
  LwLooked *looked = g_new0(LwLooked, 1);
  looked->namespaces = g_hash_table_new(NULL, NULL);
  looked->links = g_hash_table_new(NULL, NULL);
  looked->lists = g_hash_table_new(NULL, NULL);
  return looked;
}

void lw_looked_free(LwLooked *looked) {
  if (!looked)
    return;
  g_hash_table_unref(looked->namespaces);
  g_hash_table_unref(looked->links);
  g_hash_table_unref(looked->lists);
  g_free(looked);
}

void lw_reach_watch(LwReach *reach, LwLooked *looked) {
  reach->looked = looked;
}

/* --- two worlds
 * ---------------------------------------------------------------------------------------------------- */

static gboolean matters_to_all(const LwResource *resource) {
  switch (resource->kind) {
  case LW_RES_ADDRESS:
  case LW_RES_ROUTE:
  case LW_RES_DHCP_CLIENT:
  case LW_RES_RULE:
  case LW_RES_SYSCTL:
    return TRUE;
  default:
    return FALSE;
  }
}

/* Routes that a lease brings are made anew for each world: those are compared by what routing reads of them. */
static gboolean same(const LwResource *a, const LwResource *b) {
  return a == b || (a->kind == LW_RES_ROUTE && b->kind == LW_RES_ROUTE &&
                    g_strcmp0(a->ns ? a->ns : "", b->ns ? b->ns : "") == 0 &&
                    g_strcmp0(a->link, b->link) == 0 && lw_prefix_equal(&a->prefix, &b->prefix) &&
                    lw_addr_equal(&a->via, &b->via) && a->table == b->table && a->metric == b->metric &&
                    a->route_type == b->route_type && g_strcmp0(a->unknown, b->unknown) == 0);
}

static guint next_that_matters(const GPtrArray *list, guint at) {
  while (at < list->len && !matters_to_all(list->pdata[at]))
    at++;
  return at;
}

/* The same ones, in the same order: of equals the first counts here and there. */
static gboolean same_resources(const LwResourceSet *a, const LwResourceSet *b) {
  guint i = 0, j = 0;
  if (a->complete != b->complete)
    return FALSE;
  for (;; i++, j++) {
    i = next_that_matters(a->list, i);
    j = next_that_matters(b->list, j);
    if (i == a->list->len || j == b->list->len)
      return i == a->list->len && j == b->list->len;
    if (!same(a->list->pdata[i], b->list->pdata[j]))
      return FALSE;
  }
}

static gboolean is_routed_by(const LwReach *reach, const Link *link) {
  const GPtrArray *list = reach->world->list;
  for (guint i = 0; i < list->len; i++) {
    const LwResource *r = list->pdata[i];
    if (matters_to_all(r) && g_strcmp0(r->link, link->name) == 0 && lw_reach_ns(reach, r->ns) == link->ns)
      return TRUE;
  }
  return FALSE;
}

/* The same names have the same numbers then; what is up makes a route be there. */
static gboolean same_links(const LwReach *reach, const Ns *a, const Ns *b) {
  if (a->links->len != b->links->len)
    return FALSE;
  for (guint i = 0; i < a->links->len; i++) {
    const Link *one = a->links->pdata[i], *other = b->links->pdata[i];
    if (!g_str_equal(one->name, other->name) || (one->up != other->up && is_routed_by(reach, one)))
      return FALSE;
  }
  return TRUE;
}

static gboolean only_filters_packets(const LwRule *rule) {
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    gboolean verdict =
        action->kind == LW_ACTION_VERDICT &&
        (action->verdict.kind == LW_VERDICT_ACCEPT || action->verdict.kind == LW_VERDICT_DROP);
    if (!verdict && action->kind != LW_ACTION_COUNT && action->kind != LW_ACTION_LOG &&
        action->kind != LW_ACTION_REJECT && action->kind != LW_ACTION_REJECT_TCP)
      return FALSE;
  }
  return !rule->unknown;
}

/* A table of its own that nothing but accepts and drops: whatever passes with it passes without it. */
static gboolean is_filter(const LwRuleset *ruleset) {
  if (ruleset->unknown->len || ruleset->stateful)
    return FALSE;
  for (guint c = 0; c < ruleset->chains->len; c++) {
    const LwChain *chain = ruleset->chains->pdata[c];
    if (chain->nat)
      return FALSE;
    for (guint r = 0; r < chain->rules->len; r++)
      if (!only_filters_packets(chain->rules->pdata[r]))
        return FALSE;
  }
  return TRUE;
}

/* Filters may have come to them. */
static gboolean same_rules(LwWorlds *worlds, const Ns *a, const Ns *b) {
  guint at = 0;
  for (guint i = 0; i < b->rulesets->len; i++) {
    const LwRuleset *one = at < a->rulesets->len ? a->rulesets->pdata[at] : NULL;
    const LwRuleset *other = b->rulesets->pdata[i];
    if (!one || (one != other && !lw_ruleset_equal_but_elements(one, other))) {
      if (!is_filter(other))
        return FALSE;
      continue;
    }
    for (guint s = 0; s < one->sets->len; s++)
      g_hash_table_insert(worlds->sets, one->sets->pdata[s], other->sets->pdata[s]);
    at++;
  }
  return at == a->rulesets->len;
}

static gboolean are_alike(LwWorlds *worlds) {
  const LwReach *before = worlds->before, *after = worlds->after;
  if (before->namespaces->len != after->namespaces->len || !same_resources(before->world, after->world))
    return FALSE;
  for (guint i = 0; i < before->namespaces->len; i++) {
    Ns *one = before->namespaces->pdata[i];
    const Ns *other = after->namespaces->pdata[i];
    if (!g_str_equal(one->name, other->name) || !same_links(before, one, other))
      return FALSE;
    if (same_rules(worlds, one, other))
      g_hash_table_add(worlds->rules, one);
  }
  return TRUE;
}

LwWorlds *lw_worlds_compare(LwReach *before, LwReach *after) {
  LwWorlds *worlds = g_new0(LwWorlds, 1);
  g_assert(before->pool == after->pool);
  worlds->before = before;
  worlds->after = after;
  worlds->lists = g_hash_table_new(NULL, NULL);
  worlds->sets = g_hash_table_new(NULL, NULL);
  worlds->rules = g_hash_table_new(NULL, NULL);
  worlds->alike = are_alike(worlds);
  return worlds;
}

void lw_worlds_free(LwWorlds *worlds) {
  if (!worlds)
    return;
  g_hash_table_unref(worlds->lists);
  g_hash_table_unref(worlds->sets);
  g_hash_table_unref(worlds->rules);
  g_free(worlds);
}

/* --- what was looked at
 * -------------------------------------------------------------------------------------------- */

static gboolean same_numbers(const GArray *a, const GArray *b) {
  return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(guint)) == 0);
}

static gboolean same_link(const LwWorlds *worlds, const Link *link) {
  const Link *other = lw_reach_link_at(lw_reach_ns(worlds->after, link->ns->name), link->number);
  return link->resource == other->resource && link->master == other->master &&
         link->is_bridge == other->is_bridge && link->up == other->up &&
         same_numbers(link->ports, other->ports);
}

static gboolean same_list(const LwWorlds *worlds, List *list) {
  gpointer known;
  if (g_hash_table_lookup_extended(worlds->lists, list, NULL, &known))
    return known != NULL;
  const LwSet *set = g_hash_table_lookup(worlds->sets, list->set);
  List *other = lw_reach_list(worlds->after, set, list->position, list->name);
  gboolean same = set == list->set || lw_reach_lists_equal(list, other);
  g_hash_table_insert(worlds->lists, list, same ? other : NULL);
  return same;
}

gboolean lw_looked_at_most(const LwLooked *looked, const LwWorlds *worlds) {
  GHashTableIter iter;
  gpointer one;
  if (!worlds->alike)
    return FALSE;
  g_hash_table_iter_init(&iter, looked->namespaces);
  while (g_hash_table_iter_next(&iter, &one, NULL))
    if (!g_hash_table_contains(worlds->rules, one))
      return FALSE;
  g_hash_table_iter_init(&iter, looked->links);
  while (g_hash_table_iter_next(&iter, &one, NULL))
    if (!same_link(worlds, one))
      return FALSE;
  g_hash_table_iter_init(&iter, looked->lists);
  while (g_hash_table_iter_next(&iter, &one, NULL))
    if (!same_list(worlds, one))
      return FALSE;
  return TRUE;
}
