/* Routing: tables as sets of destinations by the way out, and the rules that lead to them. */
#include "reach/internal.h"

static void pieces_unref(gpointer pieces) {
  g_array_unref(pieces);
}

void lw_reach_tables_free(gpointer data) {
  Table *table = data;
  g_hash_table_unref(table->by_oif);
  g_hash_table_unref(table->led_by);
  g_free(table);
}

typedef struct {
  LwPrefix prefix;
  guint32 metric;
  guint oif; /* LW_NO_LINK: refused */
  LwAddr via;
  gboolean elsewhere, ends; /* ends: "throw", the table has nothing for it */
} Route;

static guint32 table_of(const LwResource *resource) {
  return resource->table ? resource->table : 254;
}

/* The longest prefix decides, then the smallest metric. */
static gint by_preference(gconstpointer a, gconstpointer b) {
  const Route *one = a, *other = b;
  if (one->prefix.len != other->prefix.len)
    return one->prefix.len > other->prefix.len ? -1 : 1;
  return one->metric < other->metric ? -1 : one->metric > other->metric;
}

/* A route by a device that is not there, or down, is not there either. */
static gboolean read_route(const Ns *ns, const LwResource *resource, Route *out) {
  *out = (Route){.prefix = resource->prefix, .metric = resource->metric, .via = resource->via};
  switch (resource->route_type) {
  case LW_ROUTE_UNICAST:
    break;
  case LW_ROUTE_THROW:
    out->ends = TRUE;
    return TRUE;
  case LW_ROUTE_LOCAL:
  case LW_ROUTE_BROADCAST:
  case LW_ROUTE_MULTICAST:
  case LW_ROUTE_ANYCAST:
    return FALSE; /* what is local is decided from the addresses */
  default:
    return TRUE;
  }
  const Link *link = lw_reach_link(ns, resource->link);
  if (!link || !link->up)
    return FALSE;
  out->oif = link->number;
  return TRUE;
}

/* A DHCP client brings a default route that no list of wanted routes has. */
static gboolean read_client(const LwReach *reach, const Ns *ns, const LwResource *resource, guint32 number,
                            Route *out) {
  const Link *link = lw_reach_link(ns, resource->link);
  if (!link || !link->up || reach->world->complete)
    return FALSE;
  for (guint i = 0; i < ns->routes->len; i++) {
    const LwResource *other = ns->routes->pdata[i];
    if (other->kind == LW_RES_ROUTE && table_of(other) == number && other->prefix.addr.family == 4 &&
        g_strcmp0(other->link, link->name) == 0)
      return FALSE;
  }
  *out = (Route){.prefix = lw_prefix_make(lw_addr_from_v4(0), 0), .oif = link->number, .elsewhere = TRUE};
  return TRUE;
}

static GArray *routes_of(const LwReach *reach, const Ns *ns, guint32 number) {
  GArray *routes = g_array_new(FALSE, FALSE, sizeof(Route));
  Route route;
  for (guint i = 0; i < ns->routes->len; i++) {
    const LwResource *resource = ns->routes->pdata[i];
    if (table_of(resource) != number)
      continue;
    if (resource->kind == LW_RES_ROUTE ? read_route(ns, resource, &route)
                                       : read_client(reach, ns, resource, number, &route))
      g_array_append_val(routes, route);
  }
  const GPtrArray *list = reach->world->list;
  for (guint i = 0; number == 254 && !reach->world->complete && i < list->len;
       i++) { /* an address brings the route to its link */
    const LwResource *resource = list->pdata[i];
    const Link *link = resource->kind == LW_RES_ADDRESS && lw_reach_ns(reach, resource->ns) == ns
                           ? lw_reach_link(ns, resource->link)
                           : NULL;
    if (!link || !link->up)
      continue;
    route = (Route){.prefix = lw_prefix_network(&resource->prefix), .oif = link->number};
    g_array_append_val(routes, route);
  }
  g_array_sort(routes, by_preference);
  return routes;
}

static void put_piece(Table *table, guint oif, const Piece *piece) {
  GArray *pieces = g_hash_table_lookup(table->by_oif, GUINT_TO_POINTER(oif));
  if (!pieces) {
    pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    g_hash_table_insert(table->by_oif, GUINT_TO_POINTER(oif), pieces);
  }
  g_array_append_val(pieces, *piece);
}

/* What a table is made of, united at the end: its routes are many. */
typedef struct {
  GArray *matched, *matched_more, *led, *ways; /* of LwMdd */
  GArray *same; /* of LwMdd: destinations of routes that are equally preferred */
  /* routes one after the other that lead the same way are one piece: what is followed, is followed once */
  GArray *way; /* of LwMdd */
  Piece piece;
  guint oif;
} Making;

static GArray *sets_new(void) {
  return g_array_new(FALSE, FALSE, sizeof(LwMdd));
}

static void making_clear(Making *m) {
  GArray *const lists[] = {m->matched, m->matched_more, m->led, m->ways, m->same, m->way};
  for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
    g_array_unref(lists[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Making, making_clear)

static void put_set(GArray *sets, LwMdd set) {
  g_array_append_val(sets, set);
}

static LwMdd unite(LwReach *reach, GArray *sets) {
  LwMdd all = lw_mdd_or_all(reach->pool, (LwMdd *)(void *)sets->data, sets->len);
  g_array_set_size(sets, 0);
  return all;
}

static void end_piece(LwReach *reach, Table *table, Making *m) {
  if (m->way->len == 0)
    return;
  m->piece.set = unite(reach, m->way);
  put_piece(table, m->oif, &m->piece);
}

static void lead_to(LwReach *reach, Table *table, Making *m, guint oif, const Piece *piece) {
  gboolean same = m->oif == oif && lw_addr_equal(&m->piece.via, &piece->via) &&
                  m->piece.elsewhere == piece->elsewhere && m->piece.is_default == piece->is_default;
  if (!same)
    end_piece(reach, table, m);
  m->piece = *piece;
  m->oif = oif;
  put_set(m->way, piece->set);
}

/* before: what is preferred to the route. Prefixes of one length are the same or have nothing in common. */
static void add_route(LwReach *reach, Table *table, Making *m, const Route *route, LwMdd before) {
  LwMdd all = lw_packets_prefix(reach->pool, LW_HEADER_DADDR, &route->prefix);
  Piece piece = {.via = route->via,
                 .elsewhere = route->elsewhere,
                 .set = lw_mdd_minus(reach->pool, all, before),
                 .is_default = route->prefix.len == 0};
  put_set(m->same, all);
  if (piece.set == LW_MDD_FALSE || route->ends)
    return;
  put_set(piece.is_default ? m->matched : m->matched_more, piece.set);
  if (route->oif == LW_NO_LINK)
    return;
  lead_to(reach, table, m, route->oif, &piece);
  put_set(m->led, piece.set);
  put_set(m->ways, lw_packets_leading_to(reach->pool, piece.set, route->oif));
}

static gboolean goes_alike(const Piece *a, const Piece *b) {
  return lw_addr_equal(&a->via, &b->via) && a->elsewhere == b->elsewhere && a->is_default == b->is_default;
}

/* Many routes by one link lead to the same neighbour: one piece, or each would be followed by itself. */
static void join_pieces(LwReach *reach, GArray *pieces) {
  g_autoptr(GArray) before = g_array_copy(pieces);
  g_autofree LwMdd *sets = g_new(LwMdd, before->len);
  g_autofree gboolean *joined = g_new0(gboolean, before->len);
  g_array_set_size(pieces, 0);
  for (guint i = 0; i < before->len; i++) {
    Piece piece = g_array_index(before, Piece, i);
    guint count = 0;
    for (guint j = i; !joined[i] && j < before->len; j++) {
      const Piece *other = &g_array_index(before, Piece, j);
      if (joined[j] || !goes_alike(&piece, other))
        continue;
      sets[count++] = other->set;
      joined[j] = j != i;
    }
    if (count == 0)
      continue;
    piece.set = lw_mdd_or_all(reach->pool, sets, count);
    g_array_append_val(pieces, piece);
  }
}

static Table *table_get(LwReach *reach, Ns *ns, guint32 number) {
  Table *table = g_hash_table_lookup(ns->tables, GUINT_TO_POINTER(number));
  if (table)
    return table;
  table = g_new0(Table, 1);
  table->led_by = g_hash_table_new(NULL, NULL);
  table->by_oif = g_hash_table_new_full(NULL, NULL, NULL, pieces_unref);
  g_hash_table_insert(ns->tables, GUINT_TO_POINTER(number), table);
  g_autoptr(GArray) routes = routes_of(reach, ns, number);
  g_auto(Making) m = {.matched = sets_new(),
                      .matched_more = sets_new(),
                      .led = sets_new(),
                      .ways = sets_new(),
                      .same = sets_new(),
                      .way = sets_new()};
  LwMdd before = LW_MDD_FALSE;
  for (guint i = 0; i < routes->len; i++) {
    const Route *route = &g_array_index(routes, Route, i);
    if (i > 0 && by_preference(route, route - 1) != 0)
      before = lw_mdd_or(reach->pool, before, unite(reach, m.same));
    add_route(reach, table, &m, route, before);
  }
  end_piece(reach, table, &m);
  table->matched_more = unite(reach, m.matched_more);
  table->matched = lw_mdd_or(reach->pool, table->matched_more, unite(reach, m.matched));
  table->led = unite(reach, m.led);
  table->ways = unite(reach, m.ways);
  GHashTableIter iter;
  gpointer pieces;
  g_hash_table_iter_init(&iter, table->by_oif);
  while (g_hash_table_iter_next(&iter, NULL, &pieces))
    join_pieces(reach, pieces);
  return table;
}

static void sets_of_table(Table *table, GPtrArray *sets) {
  GHashTableIter iter;
  gpointer pieces;
  g_hash_table_iter_init(&iter, table->by_oif);
  while (g_hash_table_iter_next(&iter, NULL, &pieces))
    for (guint i = 0; i < ((GArray *)pieces)->len; i++)
      g_ptr_array_add(sets, &g_array_index((GArray *)pieces, Piece, i).set);
  LwMdd *const own[] = {&table->ways, &table->matched, &table->matched_more, &table->led};
  for (guint i = 0; i < G_N_ELEMENTS(own); i++)
    g_ptr_array_add(sets, own[i]);
}

void lw_reach_make_tables(LwReach *reach) {
  for (guint n = 0; n < reach->namespaces->len; n++) {
    Ns *ns = reach->namespaces->pdata[n];
    for (guint i = 0; i < ns->lookups->len; i++) {
      const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
      if (lookup->refuse || g_hash_table_contains(ns->tables, GUINT_TO_POINTER(lookup->table)))
        continue;
      g_autoptr(GPtrArray) sets = g_ptr_array_new();
      lw_mdd_scratch_begin(reach->pool);
      sets_of_table(table_get(reach, ns, lookup->table), sets);
      lw_mdd_scratch_end(reach->pool, (LwMdd *const *)sets->pdata, sets->len);
    }
  }
}

static gboolean applies(const Lookup *lookup, const Ns *ns, const State *state, guint iif, gboolean *unsure) {
  *unsure = lookup->unsure;
  if (lookup->for_output)
    return FALSE;
  if (lookup->iif) {
    const char *name = iif == LW_NO_LINK ? "lo" : lw_reach_link_at(ns, iif)->name;
    if (!g_str_equal(lookup->iif, name))
      return FALSE;
  }
  if (lookup->mark && state->mark_unknown)
    *unsure = TRUE;
  return !lookup->mark || state->mark_unknown || lookup->mark == (state->mark & lookup->mask);
}

/* All destinations that the table leads out by the link. */
static LwMdd led_by(LwReach *reach, Table *table, guint oif, gboolean but_default) {
  gpointer key = GUINT_TO_POINTER(2 * oif + (but_default ? 1 : 0)), known;
  if (g_hash_table_lookup_extended(table->led_by, key, NULL, &known))
    return GPOINTER_TO_UINT(known);
  const GArray *pieces = g_hash_table_lookup(table->by_oif, GUINT_TO_POINTER(oif));
  g_autoptr(GArray) sets = g_array_new(FALSE, FALSE, sizeof(LwMdd));
  for (guint i = 0; pieces && i < pieces->len; i++)
    if (!(but_default && g_array_index(pieces, Piece, i).is_default))
      g_array_append_val(sets, g_array_index(pieces, Piece, i).set);
  LwMdd all = lw_mdd_or_all(reach->pool, (LwMdd *)(void *)sets->data, sets->len);
  if (!lw_mdd_is_scratch(reach->pool, all))
    g_hash_table_insert(table->led_by, key, GUINT_TO_POINTER(all));
  return all;
}

/* What may be looked up or not takes nothing away from the lookups behind it; and where only the sure counts,
 * it leads nowhere, and nothing behind it is sure. */
GArray *lw_reach_asked(LwReach *reach, Ns *ns, const State *state, guint iif) {
  GArray *all = g_array_new(FALSE, FALSE, sizeof(LookedUp));
  LwMddPool *pool = reach->pool;
  gboolean must = reach->approximation == LW_REACH_MUST;
  LwMdd left = LW_MDD_TRUE;
  for (guint i = 0; i < ns->lookups->len && left != LW_MDD_FALSE; i++) {
    const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
    gboolean unsure;
    if (!applies(lookup, ns, state, iif, &unsure))
      continue;
    const LookedUp one = {lookup->refuse ? NULL : table_get(reach, ns, lookup->table),
                          lookup->suppress_default, lw_mdd_and(pool, left, lookup->selected)};
    if (one.table && !(unsure && must))
      g_array_append_val(all, one);
    if (unsure && !must)
      continue;
    LwMdd answered = !one.table               ? LW_MDD_TRUE
                     : one.suppresses_default ? one.table->matched_more
                                              : one.table->matched;
    left = lw_mdd_minus(pool, left, lw_mdd_and(pool, answered, lookup->selected));
  }
  return all;
}

GArray *lw_reach_ways(LwReach *reach, const GArray *asked, guint oif) {
  GArray *ways = g_array_new(FALSE, FALSE, sizeof(Way));
  for (guint i = 0; i < asked->len; i++) {
    const LookedUp *one = &g_array_index(asked, LookedUp, i);
    const GArray *pieces = g_hash_table_lookup(one->table->by_oif, GUINT_TO_POINTER(oif));
    for (guint p = 0; pieces && p < pieces->len; p++) {
      const Piece *piece = &g_array_index(pieces, Piece, p);
      if (piece->is_default && one->suppresses_default)
        continue;
      Way way = {piece->via, piece->elsewhere, lw_mdd_and(reach->pool, one->open, piece->set)};
      if (way.set != LW_MDD_FALSE)
        g_array_append_val(ways, way);
    }
  }
  return ways;
}

gboolean lw_reach_leads(LwReach *reach, Ns *ns, const State *state, guint iif, guint oif, LwMdd set) {
  for (guint i = 0; i < ns->lookups->len && set != LW_MDD_FALSE; i++) {
    const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
    gboolean unsure;
    if (!applies(lookup, ns, state, iif, &unsure))
      continue;
    Table *table = lookup->refuse ? NULL : table_get(reach, ns, lookup->table);
    LwMdd part = lookup->selected == LW_MDD_TRUE ? set : lw_mdd_and(reach->pool, set, lookup->selected);
    if (table && lw_mdd_intersects(reach->pool, part, led_by(reach, table, oif, lookup->suppress_default)))
      return TRUE;
    if (unsure)
      continue;
    if (table)
      part = lw_mdd_and(reach->pool, part, lookup->suppress_default ? table->matched_more : table->matched);
    set = lw_mdd_minus(reach->pool, set, part);
  }
  return FALSE;
}

LwMdd lw_reach_unrefused_destinations(LwReach *reach, Ns *ns, const State *state, guint iif) {
  LwMddPool *pool = reach->pool;
  LwMdd left = LW_MDD_TRUE, refused = LW_MDD_FALSE;
  for (guint i = 0; i < ns->lookups->len && left != LW_MDD_FALSE; i++) {
    const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
    gboolean unsure;
    if (!applies(lookup, ns, state, iif, &unsure) || unsure || lookup->refuse)
      continue;
    const Table *table = table_get(reach, ns, lookup->table);
    LwMdd answered = lookup->suppress_default ? table->matched_more : table->matched;
    answered = lw_mdd_and(pool, left, lw_mdd_and(pool, answered, lookup->selected));
    refused = lw_mdd_or(pool, refused, lw_mdd_minus(pool, answered, table->led));
    left = lw_mdd_minus(pool, left, answered);
  }
  return lw_mdd_not(pool, refused);
}

char *lw_reach_refusal(LwReach *reach, Ns *ns, const State *state, guint iif, LwMdd packet) {
  for (guint i = 0; i < ns->lookups->len; i++) {
    const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
    gboolean unsure;
    if (!applies(lookup, ns, state, iif, &unsure) ||
        !lw_mdd_intersects(reach->pool, packet, lookup->selected))
      continue;
    if (lookup->refuse)
      return g_strdup_printf("no exit is for it: what no egress sends anywhere is refused (routing rule %u)",
                             lookup->priority);
    const Table *table = table_get(reach, ns, lookup->table);
    if (lw_mdd_intersects(reach->pool, packet,
                          lookup->suppress_default ? table->matched_more : table->matched))
      return g_strdup_printf("a route of table %u refuses it: there is no other way left", lookup->table);
  }
  return g_strdup("no route leads there");
}

GArray *lw_reach_routed_links(LwReach *reach, Ns *ns) {
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  GArray *links = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < ns->lookups->len; i++) {
    const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
    if (lookup->refuse || lookup->for_output)
      continue;
    GHashTableIter iter;
    gpointer oif;
    g_hash_table_iter_init(&iter, table_get(reach, ns, lookup->table)->by_oif);
    while (g_hash_table_iter_next(&iter, &oif, NULL))
      if (g_hash_table_add(seen, oif)) {
        guint number = GPOINTER_TO_UINT(oif);
        g_array_append_val(links, number);
      }
  }
  return links;
}

GArray *lw_reach_leading_links(LwReach *reach, Ns *ns, const State *state, guint iif, LwMdd set) {
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(guint));
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  GArray *links = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < ns->lookups->len; i++) {
    const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
    gboolean unsure;
    if (!lookup->refuse && applies(lookup, ns, state, iif, &unsure))
      lw_packets_led_to(reach->pool, set, table_get(reach, ns, lookup->table)->ways, all);
  }
  for (guint i = 0; i < all->len; i++)
    if (g_hash_table_add(seen, GUINT_TO_POINTER(g_array_index(all, guint, i))))
      g_array_append_val(links, g_array_index(all, guint, i));
  return links;
}

/* Is a rule but the main table's own one asked for the way back of a packet without a mark? */
static gboolean asks_elsewhere(const Ns *ns) {
  for (guint i = 0; i < ns->lookups->len; i++) {
    const Lookup *lookup = &g_array_index(ns->lookups, Lookup, i);
    gboolean usual = lookup->table == 254 && !lookup->refuse && !lookup->suppress_default && !lookup->unsure;
    if (!usual && lookup->mark == 0 && !lookup->for_output && lookup->table != 253)
      return TRUE;
  }
  return FALSE;
}

LwMdd lw_reach_sources(LwReach *reach, Ns *ns, guint link) {
  LwMddPool *pool = reach->pool;
  if (asks_elsewhere(ns))
    return LW_MDD_FALSE;
  LwMdd matched = LW_MDD_FALSE, found = LW_MDD_FALSE;
  g_autoptr(GArray) routes = routes_of(reach, ns, 254);
  for (guint i = 0; i < routes->len; i++) {
    const Route *route = &g_array_index(routes, Route, i);
    LwMdd all = lw_packets_prefix(pool, LW_HEADER_SADDR, &route->prefix);
    if (route->oif != LW_NO_LINK && (link == LW_NO_LINK || route->oif == link))
      found = lw_mdd_or(pool, found, lw_mdd_minus(pool, all, matched));
    matched = lw_mdd_or(pool, matched, all);
  }
  return found;
}
