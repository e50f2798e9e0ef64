#include "verify/between.h"

#include "policy/intent_sets.h"
#include "policy/names.h"
#include "reach/reach.h"
#include "verify/static_internal.h"

/* Of the first runs everything is kept: what they come to is much of what the others ask for too. */
#define RUNS_KEPT 8

/* A state that was found good: its sources' runs, by what they depend on. What comes to no more than it did
 * there need not be followed again. */
typedef struct {
  LwResourceSet *world;
  LwReach *reach;
  GHashTable *known; /* of char* "START" -> Known */
  LwWorlds *to;      /* how the state that is looked at now differs from it */
} Good;

typedef struct {
  LwMdd packets; /* that were sent */
  LwLooked *looked;
} Known;

struct LwBetween {
  LwMddPool *pool;
  char *router;
  GHashTable *allowed;                 /* of char* "START > PLACE" -> LwMdd */
  LwMdd own_sources, own_destinations; /* addresses that the host and the router have in an allowed state */
  GHashTable *wan_bridges; /* of char*: what the router's WAN is plugged into in an allowed state */
  GPtrArray *good;         /* of Good*: the allowed ones, and the last one that was checked */
  gboolean last_checked;   /* the last of them is of that kind */
  guint runs;
};

static void known_free(gpointer data) {
  Known *known = data;
  lw_looked_free(known->looked);
  g_free(known);
}

static void good_free(gpointer data) {
  Good *good = data;
  lw_worlds_free(good->to);
  g_hash_table_unref(good->known);
  lw_reach_free(good->reach);
  lw_resource_set_free(good->world);
  g_free(good);
}

LwBetween *lw_between_new(const char *router) {
  LwBetween *between = g_new0(LwBetween, 1);
  between->pool = lw_mdd_pool_new();
  between->router = g_strdup(router);
  between->allowed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  between->good = g_ptr_array_new_with_free_func(good_free);
  between->wan_bridges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return between;
}

void lw_between_outer_bridge(LwBetween *between, const char *bridge) {
  g_hash_table_add(between->wan_bridges, g_strdup(bridge));
}

void lw_between_free(LwBetween *between) {
  if (!between)
    return;
  g_hash_table_unref(between->allowed);
  g_hash_table_unref(between->wan_bridges);
  g_ptr_array_unref(between->good);
  lw_mdd_pool_free(between->pool);
  g_free(between->router);
  g_free(between);
}

gboolean lw_between_matters(LwResourceKind kind) {
  switch (kind) {
  case LW_RES_NETNS:
  case LW_RES_RESOLVER:
  case LW_RES_CELL:
  case LW_RES_SERVER:
  case LW_RES_PROFILE:
  case LW_RES_OPENING: /* foreign tables are looked at as they are, with it and without */
    return FALSE;
  default:
    return TRUE;
  }
}

/* --- where packets come from
 * ---------------------------------------------------------------------------------------- */

typedef struct {
  LwStart start;
  LwCtState ct_state;
  gboolean outer; /* the host, or beyond WAN: what these say to each other does not pass through the lab */
} Source;

typedef struct {
  const LwResourceSet *set;
  LwReach *reach;
  GHashTable *known; /* as of Good: what was followed */
} State;

static const LwResource *find_link(const LwResourceSet *set, const char *ns, const char *name) {
  g_autofree char *key = g_strdup_printf("link:%s/%s", ns, name);
  return lw_resource_set_find(set, key);
}

static void add_wan_bridge(LwBetween *between, const LwResourceSet *set) {
  for (guint i = 0; i < set->list->len; i++) {
    const LwResource *r = set->list->pdata[i];
    if (r->kind == LW_RES_LINK && (!r->ns || !*r->ns) && r->master &&
        g_strcmp0(r->peer_ns, between->router) == 0 && g_strcmp0(r->peer, LW_ROUTER_WAN) == 0)
      g_hash_table_add(between->wan_bridges, g_strdup(r->master));
  }
}

static gboolean is_outer_link(const LwBetween *between, const State *state, const char *link) {
  const LwResource *r = find_link(state->set, "", link);
  return !r || !r->master || !*r->master || g_hash_table_contains(between->wan_bridges, r->master);
}

static void add_source(GArray *sources, LwStart start, LwCtState ct_state, gboolean outer) {
  Source source = {start, ct_state, outer};
  g_array_append_val(sources, source);
}

/* Of Source, borrowing from the state. The host's end of a router's leg is on the way, not a source. */
static GArray *sources_of(const LwBetween *between, const State *state) {
  GArray *sources = g_array_new(FALSE, FALSE, sizeof(Source));
  add_source(sources, (LwStart){LW_START_LOCAL, "", NULL}, LW_CT_NEW, TRUE);
  for (guint i = 0; i < state->set->list->len; i++) {
    const LwResource *r = state->set->list->pdata[i];
    gboolean link = r->kind == LW_RES_LINK || r->kind == LW_RES_TUNNEL;
    LwStart start = {LW_START_FRAME, r->ns ? r->ns : "", r->name};
    if (link && g_strcmp0(r->ns, between->router) == 0) {
      add_source(sources, start, LW_CT_NEW, FALSE);
      add_source(sources, start, LW_CT_ESTABLISHED, FALSE);
    } else if (link && !*start.ns && r->master && *r->master && g_strcmp0(r->peer_ns, between->router) != 0) {
      add_source(sources, start, LW_CT_NEW, is_outer_link(between, state, r->name));
    }
  }
  return sources;
}

/* Of open flows, where they go on to: an answer to the router itself is nobody's way out. */
static gboolean is_judged(const LwBetween *between, const State *state, const Source *source,
                          const LwArrival *arrival) {
  if (source->ct_state == LW_CT_ESTABLISHED && !arrival->link)
    return FALSE;
  return !source->outer || *arrival->ns || (arrival->link && !is_outer_link(between, state, arrival->link));
}

static void add_own_address(LwBetween *between, const LwAddr *addr) {
  LwMddPool *pool = between->pool;
  between->own_sources = lw_mdd_or(pool, between->own_sources, lw_packets_addr(pool, LW_HEADER_SADDR, addr));
  between->own_destinations =
      lw_mdd_or(pool, between->own_destinations, lw_packets_addr(pool, LW_HEADER_DADDR, addr));
}

/* What claims an address of the host's or the router's own, or a broadcast address there, is dropped where
 * that is; what is sent to one is delivered there. Where it is not yet, or no more, either means nothing:
 * nobody has it, and such packets go the way of its neighbours'. */
static void add_own(LwBetween *between, const LwResourceSet *set) {
  for (guint i = 0; i < set->list->len; i++) {
    const LwResource *r = set->list->pdata[i];
    if (r->kind != LW_RES_ADDRESS || (r->ns && *r->ns && g_strcmp0(r->ns, between->router) != 0))
      continue;
    LwRange range = lw_prefix_range(&r->prefix);
    add_own_address(between, &r->prefix.addr);
    add_own_address(between, &range.last);
  }
}

static char *end_text(const char *ns, const char *link) {
  const char *of = *ns ? "the router" : "the host";
  return link ? g_strdup_printf("%s of %s", link, of) : g_strdup(of);
}

static char *way_key(const Source *source, const LwArrival *arrival) {
  return g_strdup_printf("%s/%s/%d > %s/%s", source->start.ns, source->start.link ? source->start.link : "",
                         (int)source->ct_state, arrival->ns, arrival->link ? arrival->link : "");
}

/* --- one state
 * ------------------------------------------------------------------------------------------------------ */

static Good *enter(LwBetween *between, const LwResourceSet *set) {
  const char *inside[] = {"", between->router, NULL};
  Good *state = g_new0(Good, 1);
  state->world = lw_resource_set_copy(set);
  state->reach = lw_reach_new(between->pool, state->world, inside);
  state->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, known_free);
  for (guint i = 0; i < between->good->len; i++) {
    Good *good = between->good->pdata[i];
    lw_worlds_free(good->to);
    good->to = lw_worlds_compare(good->reach, state->reach);
  }
  return state;
}

/* From one state to the next little changes: most sources come to what they came to in one that is good. */
static gboolean is_known(const LwBetween *between, const char *key, LwMdd packets) {
  for (guint i = 0; i < between->good->len; i++) {
    const Good *good = between->good->pdata[i];
    const Known *known = g_hash_table_lookup(good->known, key);
    if (known && lw_mdd_is_subset(between->pool, packets, known->packets) &&
        lw_looked_at_most(known->looked, good->to))
      return TRUE;
  }
  return FALSE;
}

/* FALSE ends it. */
typedef gboolean (*OnArrival)(LwBetween *between, const State *state, const Source *source,
                              const LwArrival *arrival, gpointer data);

static GPtrArray *run(LwBetween *between, LwReach *reach, const Source *source, Known *known) {
  gboolean scratch = between->runs++ >= RUNS_KEPT;
  lw_reach_watch(reach, known->looked);
  if (scratch)
    lw_reach_scratch_begin(reach);
  GPtrArray *arrivals = lw_reach_from(reach, &source->start, known->packets, source->ct_state, LW_REACH_MAY);
  g_autoptr(GPtrArray) keep = g_ptr_array_new();
  for (guint i = 0; i < arrivals->len; i++)
    g_ptr_array_add(keep, &((LwArrival *)arrivals->pdata[i])->packets);
  if (scratch)
    lw_reach_scratch_end(reach, (LwMdd *const *)keep->pdata, keep->len);
  lw_reach_watch(reach, NULL);
  return arrivals;
}

static gboolean follow(LwBetween *between, const State *state, const Source *source, LwMdd packets,
                       OnArrival on_arrival, gpointer data) {
  g_autofree char *key = g_strdup_printf("%s/%s/%d", source->start.ns,
                                         source->start.link ? source->start.link : "", (int)source->ct_state);
  if (is_known(between, key, packets))
    return TRUE;
  Known *known = g_new0(Known, 1);
  *known = (Known){packets, lw_looked_new()};
  g_hash_table_insert(state->known, g_steal_pointer(&key), known);
  g_autoptr(GPtrArray) arrivals = run(between, state->reach, source, known);
  for (guint i = 0; i < arrivals->len; i++)
    if (is_judged(between, state, source, arrivals->pdata[i]) &&
        !on_arrival(between, state, source, arrivals->pdata[i], data))
      return FALSE;
  return TRUE;
}

static gboolean follow_all(LwBetween *between, const State *state, OnArrival on_arrival, gpointer data) {
  LwMddPool *pool = between->pool;
  g_autoptr(GArray) sources = sources_of(between, state);
  LwMdd opening = lw_intent_opening(pool);
  LwMdd from_outside = lw_mdd_minus(pool, opening, between->own_sources);
  LwMdd open_flows = lw_mdd_minus(pool, lw_static_far_destinations(pool), between->own_sources);
  for (guint i = 0; i < sources->len; i++) {
    const Source *source = &g_array_index(sources, Source, i);
    LwMdd packets = source->ct_state == LW_CT_NEW ? from_outside : open_flows;
    if (source->start.kind == LW_START_LOCAL)
      packets = opening;
    if (!follow(between, state, source, packets, on_arrival, data))
      return FALSE;
  }
  return TRUE;
}

static LwMdd allowed_at(const LwBetween *between, const char *key) {
  return GPOINTER_TO_UINT(g_hash_table_lookup(between->allowed, key)); /* nothing: LW_MDD_FALSE */
}

static gboolean allow_arrival(LwBetween *between, const State *state, const Source *source,
                              const LwArrival *arrival, gpointer data) {
  char *key = way_key(source, arrival);
  LwMdd all = lw_mdd_or(between->pool, allowed_at(between, key), arrival->packets);
  g_hash_table_replace(between->allowed, key, GUINT_TO_POINTER(all));
  return TRUE;
}

static void drop_last_checked(LwBetween *between) {
  if (between->last_checked)
    g_ptr_array_set_size(between->good, (gint)between->good->len - 1);
  between->last_checked = FALSE;
}

void lw_between_allow(LwBetween *between, const LwResourceSet *set) {
  G_STATIC_ASSERT(LW_MDD_FALSE == 0);
  drop_last_checked(between);
  add_own(between, set);
  add_wan_bridge(between, set);
  Good *good = enter(between, set);
  const State state = {good->world, good->reach, good->known};
  (void)follow_all(between, &state, allow_arrival, NULL);
  g_ptr_array_add(between->good, good);
}

/* --- holes
 * -----------------------------------------------------------------------------------------------------------
 */

void lw_hole_free(LwHole *hole) {
  g_free(hole->from);
  g_free(hole->to);
  g_free(hole->rule);
  g_free(hole);
}

char *lw_hole_format(const LwHole *hole) {
  g_autofree char *packet = lw_header_format(&hole->packet);
  return g_strdup_printf("%s -> %s: %s%s%s%s%s", hole->from, hole->to, packet,
                         hole->open_flow ? " of an open flow" : "", hole->rule ? " (" : "",
                         hole->rule ? hole->rule : "", hole->rule ? ")" : "");
}

/* The last rule that said yes on the packet's way; without one, the last policy. */
static char *rule_of(LwReach *reach, const Source *source, const LwHeader *packet) {
  g_autoptr(GPtrArray) steps = lw_reach_trace(reach, &source->start, packet, source->ct_state, FALSE);
  const LwStep *best = NULL;
  for (guint i = 0; i < steps->len; i++) {
    const LwStep *step = steps->pdata[i];
    gboolean rule = step->kind == LW_STEP_RULE, policy = step->kind == LW_STEP_POLICY;
    if (step->verdict == LW_VERDICT_ACCEPT && (rule || (policy && (!best || best->kind == LW_STEP_POLICY))))
      best = step;
  }
  return best ? lw_static_step_text(best) : NULL;
}

static gboolean check_arrival(LwBetween *between, const State *state, const Source *source,
                              const LwArrival *arrival, gpointer data) {
  LwHole **found = data;
  g_autofree char *key = way_key(source, arrival);
  LwMdd beyond = lw_mdd_minus(between->pool, arrival->packets, allowed_at(between, key));
  if (arrival->link)
    beyond = lw_mdd_minus(between->pool, beyond, between->own_destinations);
  if (beyond == LW_MDD_FALSE)
    return TRUE;
  LwMdd four = lw_packets_family(between->pool, 4);
  LwHole *hole = g_new0(LwHole, 1);
  hole->from = end_text(source->start.ns, source->start.link);
  hole->to = end_text(arrival->ns, arrival->link);
  hole->open_flow = source->ct_state != LW_CT_NEW;
  lw_packets_pick(between->pool, beyond, &four, 1, &hole->packet);
  hole->rule = rule_of(state->reach, source, &hole->packet);
  *found = hole;
  return FALSE;
}

LwHole *lw_between_check(LwBetween *between, const LwResourceSet *set) {
  LwHole *hole = NULL;
  Good *checked = enter(between, set);
  const State state = {checked->world, checked->reach, checked->known};
  if (!follow_all(between, &state, check_arrival, &hole)) {
    good_free(checked);
    return hole;
  }
  drop_last_checked(between);
  g_ptr_array_add(between->good, checked);
  between->last_checked = TRUE;
  return NULL;
}
