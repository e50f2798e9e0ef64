#include "plan/plan.h"

#include "plan/bound.h"

#include <string.h>

/* Parts of a lab, in the order in which they come. */
typedef enum {
  PHASE_NAMESPACE,
  PHASE_GLOBAL_SYSCTL,
  PHASE_RULES,
  PHASE_PROFILES,
  PHASE_ADOPTED, /* networks whose bridge libvirt makes */
  PHASE_LINKS,
  PHASE_PLUG,
  PHASE_NETWORKS,
  PHASE_ADDRESSING,
  PHASE_DAEMONS,
  PHASE_LEASES,
  PHASE_TUNNELS,
  PHASE_TUNNEL_ADDRESSING,
  PHASE_RESOLVERS,
  PHASE_SERVERS,
  PHASE_CELLS,
  PHASE_DOMAINS,
  PHASE_DOMAIN_NICS,
  PHASE_OPENINGS, /* what the host's own firewall need not stop: once all else is in force, and first to go */
  PHASE_LAST,
} Phase;

/* What is done with them; a part is added to those that end in a comment. */
enum {
  PHASE_RESTORE = 100,
  PHASE_ANNOUNCE,
  PHASE_BOUNDS,
  PHASE_PULL,
  PHASE_PULL_NICS,    /* another provider's: a step of its own */
  PHASE_DELETE = 200, /* the parts backwards */
  PHASE_ADAPT = 300,  /* the part */
  PHASE_NEW_RULES = 400,
  PHASE_ROUTER_ITEMS, /* an OPNsense's, all in one step: it loads them together */
  PHASE_BOUNDS_GO,
  PHASE_COME = 500, /* the part */
  PHASE_DELETE_RULES = 600,
  PHASE_DELETE_NAMESPACES,
};

/* Names of links that are tunnels: "NS/NAME". What hangs on them comes after them. */
static void collect_tunnels(const LwResourceSet *set, GHashTable *tunnels) {
  for (guint i = 0; i < set->list->len; i++) {
    const LwResource *r = set->list->pdata[i];
    if (r->kind == LW_RES_TUNNEL)
      g_hash_table_add(tunnels, g_strdup_printf("%s/%s", r->ns, r->name));
  }
}

static gboolean hangs_on(GHashTable *tunnels, const char *ns, const char *link) {
  if (!link)
    return FALSE;
  g_autofree char *key = g_strdup_printf("%s/%s", ns, link);
  return g_hash_table_contains(tunnels, key);
}

static gboolean uses_tunnel(GHashTable *tunnels, const LwResource *resolver) {
  for (guint i = 0; i < resolver->upstreams->len; i++)
    if (hangs_on(tunnels, resolver->ns, ((LwUpstream *)resolver->upstreams->pdata[i])->device))
      return TRUE;
  for (guint i = 0; i < resolver->links->len; i++)
    if (hangs_on(tunnels, resolver->ns, resolver->links->pdata[i]))
      return TRUE;
  return FALSE;
}

/* net/ipv4/conf/NAME/… of one interface needs that interface. */
static gboolean is_of_one_link(const LwResource *sysctl) {
  const char *conf = strstr(sysctl->name, "/conf/");
  return conf && !g_str_has_prefix(conf, "/conf/all/") && !g_str_has_prefix(conf, "/conf/default/");
}

static Phase phase_of(const LwResource *r, GHashTable *tunnels) {
  switch (r->kind) {
  case LW_RES_NETNS:
  case LW_RES_CONTAINER:
    return PHASE_NAMESPACE;
  case LW_RES_SYSCTL:
    return is_of_one_link(r) ? PHASE_ADDRESSING : PHASE_GLOBAL_SYSCTL;
  case LW_RES_RULESET:
    return PHASE_RULES;
  case LW_RES_PROFILE: /* it makes bridges that links are plugged into */
    return PHASE_PROFILES;
  case LW_RES_LINK:
    return PHASE_LINKS;
  case LW_RES_ADDRESS:
  case LW_RES_ROUTE:
    return hangs_on(tunnels, r->ns, r->link) ? PHASE_TUNNEL_ADDRESSING : PHASE_ADDRESSING;
  case LW_RES_RULE:
    return PHASE_ADDRESSING;
  case LW_RES_RESOLVER:
    return uses_tunnel(tunnels, r) ? PHASE_RESOLVERS : PHASE_DAEMONS;
  case LW_RES_DHCP_CLIENT:
    return PHASE_LEASES;
  case LW_RES_TUNNEL:
    return PHASE_TUNNELS;
  case LW_RES_SERVER:
    return PHASE_SERVERS;
  case LW_RES_ROUTER_ITEM:
    return PHASE_RULES;
  case LW_RES_NETWORK:
    return r->alias && *r->alias ? PHASE_NETWORKS : PHASE_ADOPTED;
  case LW_RES_DOMAIN:
    return PHASE_DOMAINS;
  case LW_RES_DOMAIN_NIC:
    return PHASE_DOMAIN_NICS;
  case LW_RES_OPENING:
    return PHASE_OPENINGS;
  case LW_RES_CELL:
  case LW_RES_LAST:
    break;
  }
  return PHASE_CELLS;
}

/* --- in which order
 * -------------------------------------------------------------------------------------------- */

typedef struct {
  LwChange *change; /* borrowed */
  int phase;
  guint order;
} Entry;

typedef struct {
  const LwResourceSet *wanted, *seen, *owned, *before;
  GHashTable *tunnels; /* "NS/NAME" of links that are tunnels */
  GHashTable *coming;  /* of those, the ones that are not there yet */
  GHashTable
      *leaving; /* "NS/NAME" of links that go, or lose an address: routes by them are lost on the way */
  gboolean bounded;
  LwPlan *plan;
  GArray *entries; /* of Entry */
} Diff;

static void schedule(Diff *d, LwChange *change, int phase) {
  Entry entry = {change, phase, d->entries->len};
  g_array_append_val(d->entries, entry);
}

/* A change that is not one of the difference, but of the way there. */
static LwChange *extra(Diff *d, LwChangeClass klass, LwResource *from, LwResource *to) {
  LwChange *change = lw_change_new(klass, from, to);
  g_ptr_array_add(d->plan->extra, change);
  return change;
}

static const LwResource *subject(const LwChange *change) {
  return change->to ? change->to : change->from;
}

static gboolean same_text(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "") == 0;
}

static gboolean is_live_link(const LwChange *change) {
  return change->klass == LW_CHANGE_LIVE && change->to->kind == LW_RES_LINK;
}

static gboolean moves(const LwChange *change) {
  return is_live_link(change) && !same_text(change->from->master, change->to->master);
}

/* libvirt's: on the wires that are there, and no wire of the router's. */
static gboolean is_libvirts(LwResourceKind kind) {
  return kind == LW_RES_NETWORK || kind == LW_RES_DOMAIN || kind == LW_RES_DOMAIN_NIC;
}

/* Does it redirect traffic in place? Then neither the old rules alone nor the new ones fit it. */
static gboolean adapts(const LwChange *change) {
  LwResourceKind kind = subject(change)->kind;
  if (kind == LW_RES_ROUTER_ITEM)
    return TRUE; /* one of many rules, whatever becomes of it */
  if (change->klass == LW_CHANGE_CREATE || change->klass == LW_CHANGE_DELETE || kind == LW_RES_RULESET ||
      kind == LW_RES_CELL || kind == LW_RES_SERVER || is_libvirts(kind))
    return FALSE;
  if (kind == LW_RES_RESOLVER && change->klass == LW_CHANGE_LIVE)
    return FALSE; /* reservations only */
  return !is_live_link(change);
}

static gboolean needs_bounds(const LwPlan *plan) {
  guint tables = 0, adapting = 0;
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    tables += change->klass == LW_CHANGE_LIVE && change->to->kind == LW_RES_RULESET;
    adapting += adapts(change);
  }
  return tables > 1 || (tables == 1 && adapting);
}

static gboolean hangs_on_coming(const Diff *d, const LwResource *r) {
  if (r->kind == LW_RES_TUNNEL)
    return hangs_on(d->coming, r->ns, r->name);
  if (r->kind == LW_RES_ADDRESS || r->kind == LW_RES_ROUTE)
    return hangs_on(d->coming, r->ns, r->link);
  return r->kind == LW_RES_RESOLVER && uses_tunnel(d->coming, r);
}

/* Under bounds a change comes before the new tables, except what would only wait there for packets that the
 * bounds stop (a first handshake, a machine's DHCP) and opens nothing that the new tables do not allow. */
static gboolean comes_last(const Diff *d, const LwChange *change) {
  const LwResource *r = subject(change);
  if (r->kind == LW_RES_DHCP_CLIENT && change->klass == LW_CHANGE_CREATE)
    return TRUE; /* ports are plugged in after the new tables: the uplink among them */
  return r->kind == LW_RES_CELL || r->kind == LW_RES_SERVER || r->kind == LW_RES_OPENING ||
         is_libvirts(r->kind) || hangs_on_coming(d, r);
}

static int phase_of_change(const Diff *d, const LwChange *change) {
  const LwResource *r = subject(change);
  Phase phase = phase_of(r, d->tunnels);
  if (r->kind == LW_RES_ROUTER_ITEM)
    return PHASE_ROUTER_ITEMS;
  if (r->kind == LW_RES_RESOLVER && change->klass == LW_CHANGE_LIVE)
    return PHASE_ANNOUNCE;
  if (change->klass == LW_CHANGE_DELETE) {
    if (r->kind == LW_RES_RULESET)
      return PHASE_DELETE_RULES;
    if (r->kind == LW_RES_NETNS || r->kind == LW_RES_CONTAINER)
      return PHASE_DELETE_NAMESPACES;
    return PHASE_DELETE + (PHASE_LAST - (int)phase);
  }
  if (phase == PHASE_RULES)
    return change->klass == LW_CHANGE_CREATE ? PHASE_RULES : PHASE_NEW_RULES;
  if (phase < PHASE_RULES)
    return (int)phase;
  return (d->bounded && !comes_last(d, change) ? PHASE_ADAPT : PHASE_COME) + (int)phase;
}

static LwResource *copy_of(const LwResource *resource) {
  g_autoptr(JsonNode) json = lw_resource_to_json(resource);
  return lw_resource_from_json(json, NULL);
}

/* From one bridge to another by way of none: pulled before the new tables, plugged in after. */
static void schedule_move(Diff *d, const LwChange *change) {
  LwResource *from = change->from, *to = change->to;
  if (from->master && *from->master) {
    g_autoptr(LwResource) pulled = copy_of(to);
    g_clear_pointer(&pulled->master, g_free);
    pulled->isolated = FALSE;
    pulled->up = to->up && (!to->master || !*to->master); /* one that is taken off for good stays as wanted */
    schedule(d, extra(d, LW_CHANGE_LIVE, from, pulled), PHASE_PULL);
    if (lw_resource_equal(pulled, to))
      return;
    schedule(d, extra(d, LW_CHANGE_LIVE, pulled, to), PHASE_COME + PHASE_PLUG);
    return;
  }
  schedule(d, extra(d, LW_CHANGE_LIVE, from, to), PHASE_COME + PHASE_PLUG);
}

static void schedule_link(Diff *d, LwChange *change) {
  const LwResource *from = change->from, *to = change->to;
  if (moves(change))
    schedule_move(d, change);
  else if ((from->up && !to->up) || (!from->isolated && to->isolated))
    schedule(d, change, PHASE_PULL);
  else if (from->up != to->up || from->isolated != to->isolated)
    schedule(d, change, PHASE_COME + PHASE_PLUG);
  else
    schedule(d, change, phase_of_change(d, change));
}

/* A route whose address goes is lost by that, whatever it is to become: the kernel does not say. So it goes
 * before that address, as one does that goes to another link, and in the undo it comes after it. */
static void schedule_route(Diff *d, LwChange *change) {
  const LwResource *from = change->from;
  int phase = phase_of_change(d, change);
  if (same_text(from->link, change->to->link) &&
      !hangs_on(d->leaving, from->ns ? from->ns : "", from->link)) {
    schedule(d, change, phase);
    return;
  }
  schedule(d, extra(d, LW_CHANGE_DELETE, change->from, NULL),
           PHASE_DELETE + (PHASE_LAST - (int)phase_of(change->from, d->tunnels)));
  schedule(d, extra(d, LW_CHANGE_CREATE, NULL, change->to), phase);
}

/* A NIC that leaves its network loses its link before the new tables, and has it on the new network after
 * them: the guest sees that it was away, and asks DHCP again. */
static void schedule_nic(Diff *d, LwChange *change) {
  LwResource *from = change->from, *to = change->to;
  if (same_text(from->master, to->master) || !from->up) {
    schedule(d, change, from->up && !to->up ? PHASE_PULL_NICS : phase_of_change(d, change));
    return;
  }
  g_autoptr(LwResource) pulled = copy_of(from);
  pulled->up = FALSE;
  schedule(d, extra(d, LW_CHANGE_LIVE, from, pulled), PHASE_PULL_NICS);
  schedule(d, extra(d, LW_CHANGE_LIVE, pulled, to), PHASE_COME + PHASE_DOMAIN_NICS);
}

static void add_bound(Diff *d, const LwResource *table) {
  g_autoptr(LwRuleset) rules = lw_ruleset_bound(table->ruleset);
  if (!rules)
    return;
  g_autofree char *name = lw_bound_name(table->name);
  g_autoptr(LwResource) bound = lw_resource_new(LW_RES_RULESET, table->ns, name);
  bound->ruleset = g_steal_pointer(&rules);
  schedule(d, extra(d, LW_CHANGE_CREATE, NULL, bound), PHASE_BOUNDS);
  schedule(d, extra(d, LW_CHANGE_DELETE, bound, NULL), PHASE_BOUNDS_GO);
}

/* The table as the file in force has it, when that is known and not what is there. */
static LwResource *table_before(const Diff *d, const LwChange *change) {
  g_autofree char *key = lw_resource_key(change->to);
  LwResource *before = d->before ? lw_resource_set_find(d->before, key) : NULL;
  return before && !lw_resource_equal(before, change->from) && !lw_resource_equal(before, change->to) ? before
                                                                                                      : NULL;
}

static void schedule_table(Diff *d, LwChange *change) {
  if (d->bounded)
    add_bound(d, change->to);
  LwResource *before = table_before(d, change);
  if (before) {
    schedule(d, extra(d, LW_CHANGE_LIVE, change->from, before), PHASE_RESTORE);
    change = extra(d, LW_CHANGE_LIVE, before, change->to);
  }
  schedule(d, change, PHASE_NEW_RULES);
}

/* What goes, goes in the reverse of the order in which it came: so its undo, backwards once more, makes it in
 * that order (a route's gateway before the route). */
static int by_phase(gconstpointer a, gconstpointer b) {
  const Entry *x = a, *y = b;
  if (x->phase != y->phase)
    return x->phase < y->phase ? -1 : 1;
  gboolean go = !x->change->to && !y->change->to;
  gboolean come = x->change->to && y->change->to;
  int kinds = come || go ? (int)subject(x->change)->kind - (int)subject(y->change)->kind : 0;
  if (kinds)
    return go ? -kinds : kinds;
  int order = x->order < y->order ? -1 : x->order > y->order;
  return go ? -order : order;
}

static void step_free(gpointer data) {
  LwPlanStep *step = data;
  g_ptr_array_unref(step->changes);
  g_free(step);
}

static gboolean one_kind_a_step(int phase) {
  int part = phase >= PHASE_COME     ? phase - PHASE_COME
             : phase >= PHASE_ADAPT  ? phase - PHASE_ADAPT
             : phase >= PHASE_DELETE ? PHASE_LAST - (phase - PHASE_DELETE)
                                     : 0;
  return part >= (int)PHASE_DAEMONS;
}

static void group(const Diff *d) {
  LwPlanStep *step = NULL;
  LwResourceKind last = LW_RES_LAST;
  for (guint i = 0; i < d->entries->len; i++) {
    const Entry *entry = &g_array_index(d->entries, Entry, i);
    LwResourceKind kind = subject(entry->change)->kind;
    if (!step || step->phase != entry->phase || (last != kind && one_kind_a_step(entry->phase))) {
      step = g_new0(LwPlanStep, 1);
      step->phase = entry->phase;
      step->changes = g_ptr_array_new();
      g_ptr_array_add(d->plan->steps, step);
    }
    last = kind;
    g_ptr_array_add(step->changes, entry->change);
  }
}

static void schedule_all(Diff *d) {
  d->bounded = needs_bounds(d->plan);
  for (guint i = 0; i < d->plan->changes->len; i++) {
    LwChange *change = d->plan->changes->pdata[i];
    if (is_live_link(change))
      schedule_link(d, change);
    else if (change->klass == LW_CHANGE_LIVE && change->to->kind == LW_RES_DOMAIN_NIC)
      schedule_nic(d, change);
    else if (change->klass == LW_CHANGE_LIVE && change->to->kind == LW_RES_ROUTE)
      schedule_route(d, change);
    else if (change->klass == LW_CHANGE_LIVE && change->to->kind == LW_RES_RULESET)
      schedule_table(d, change);
    else
      schedule(d, change, phase_of_change(d, change));
  }
  g_array_sort(d->entries, by_phase);
  group(d);
}

/* --- what differs
 * ---------------------------------------------------------------------------------------------- */

static void differ(Diff *d, LwChangeClass klass, LwResource *from, LwResource *to) {
  g_ptr_array_add(d->plan->changes, lw_change_new(klass, from, to));
}

/* These cannot carry our mark: only what is owned tells ours from another's. One that is there and not ours
 * is in the way: asked to create it, its provider says so. */
static gboolean is_anothers(const Diff *d, const LwResource *seen, const char *key) {
  return d->owned && (seen->kind == LW_RES_NETNS || seen->kind == LW_RES_TUNNEL) &&
         !lw_resource_set_find(d->owned, key);
}

static void set_aside(Diff *d, LwResource *from, LwResource *to) {
  if (!from || !lw_resource_equal(from, to))
    g_ptr_array_add(d->plan->aside,
                    lw_change_new(from || lw_resource_is_by_hand(to) ? lw_resource_change_class(from, to)
                                                                     : LW_CHANGE_CREATE,
                                  from, to));
}

static void diff_wanted(Diff *d) {
  for (guint i = 0; i < d->wanted->list->len; i++) {
    LwResource *to = d->wanted->list->pdata[i];
    g_autofree char *key = lw_resource_key(to);
    LwResource *from = lw_resource_set_find(d->seen, key);
    if (to->observed)
      set_aside(d, from, to);
    else if (!from || is_anothers(d, from, key))
      differ(d, LW_CHANGE_CREATE, NULL, to);
    else if (!lw_resource_equal(from, to))
      differ(d, lw_resource_change_class(from, to), from, to);
    if (!from && to->kind == LW_RES_TUNNEL)
      g_hash_table_add(d->coming, g_strdup_printf("%s/%s", to->ns, to->name));
  }
}

/* Adopted as it was found, and so left there. */
static gboolean is_adopted(const LwResource *seen) {
  return (seen->kind == LW_RES_NETWORK || seen->kind == LW_RES_OPENING) && (!seen->alias || !*seen->alias);
}

static void diff_owned(Diff *d) {
  for (guint i = 0; d->owned && i < d->owned->list->len; i++) {
    g_autofree char *key = lw_resource_key(d->owned->list->pdata[i]);
    LwResource *from = lw_resource_set_find(d->seen, key);
    if (from && !is_adopted(from) && !lw_resource_set_find(d->wanted, key))
      differ(d, LW_CHANGE_DELETE, from, NULL);
  }
}

/* Links that are made anew, "NS/NAME": both ends of a veth. */
static GHashTable *collect_replaced(const Diff *d) {
  GHashTable *replaced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < d->plan->changes->len; i++) {
    const LwChange *change = d->plan->changes->pdata[i];
    const LwResource *from = change->from;
    if (change->klass != LW_CHANGE_REPLACE || from->kind != LW_RES_LINK)
      continue;
    g_hash_table_add(replaced, g_strdup_printf("%s/%s", from->ns, from->name));
    if (from->peer && *from->peer)
      g_hash_table_add(replaced, g_strdup_printf("%s/%s", from->peer_ns ? from->peer_ns : "", from->peer));
  }
  return replaced;
}

static GHashTable *collect_leaving(const Diff *d) {
  GHashTable *leaving = collect_replaced(d);
  for (guint i = 0; i < d->plan->changes->len; i++) {
    const LwChange *change = d->plan->changes->pdata[i];
    const LwResource *from = change->from;
    if (change->klass != LW_CHANGE_DELETE)
      continue;
    if (from->kind == LW_RES_ADDRESS || from->kind == LW_RES_LINK || from->kind == LW_RES_TUNNEL)
      g_hash_table_add(leaving, g_strdup_printf("%s/%s", from->ns ? from->ns : "",
                                                from->kind == LW_RES_ADDRESS ? from->link : from->name));
  }
  return leaving;
}

/* In the order of the steps, as people read them. The sort is stable. */
static int by_own_phase(gconstpointer a, gconstpointer b, gpointer data) {
  const LwChange *x = *(LwChange *const *)a, *y = *(LwChange *const *)b;
  int difference = phase_of_change(data, x) - phase_of_change(data, y);
  return difference ? difference : x->to && y->to ? (int)x->to->kind - (int)y->to->kind : 0;
}

/* What is as wanted, but goes with a link that is made anew, has to be made again as well. */
static void diff_dependants(Diff *d) {
  g_autoptr(GHashTable) replaced = collect_replaced(d);
  for (guint i = 0; g_hash_table_size(replaced) && i < d->wanted->list->len; i++) {
    LwResource *to = d->wanted->list->pdata[i];
    const char *link = to->kind == LW_RES_LINK ? to->name : to->link;
    if ((to->kind != LW_RES_LINK && to->kind != LW_RES_ADDRESS && to->kind != LW_RES_ROUTE) ||
        !hangs_on(replaced, to->ns, link))
      continue;
    g_autofree char *key = lw_resource_key(to);
    LwResource *from = lw_resource_set_find(d->seen, key);
    if (from && !to->observed && lw_resource_equal(from, to))
      differ(d, LW_CHANGE_CREATE, NULL, to);
  }
}

LwPlan *lw_plan_diff_from(const LwResourceSet *wanted, const LwResourceSet *seen, const LwResourceSet *owned,
                          const LwResourceSet *before) {
  g_autoptr(GHashTable) tunnels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) coming = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
  LwPlan *plan = g_new0(LwPlan, 1);
  plan->changes = lw_changes_new();
  plan->extra = lw_changes_new();
  plan->aside = lw_changes_new();
  plan->steps = g_ptr_array_new_with_free_func(step_free);
  collect_tunnels(wanted, tunnels);
  if (owned)
    collect_tunnels(owned, tunnels);
  Diff d = {.wanted = wanted,
            .seen = seen,
            .owned = owned,
            .before = before,
            .tunnels = tunnels,
            .coming = coming,
            .plan = plan,
            .entries = entries};
  diff_wanted(&d);
  diff_owned(&d);
  diff_dependants(&d);
  g_autoptr(GHashTable) leaving = d.leaving = collect_leaving(&d);
  g_ptr_array_sort_with_data(plan->changes, by_own_phase, &d);
  schedule_all(&d);
  if (plan->changes->len)
    plan->seen = seen ? lw_resource_set_copy(seen) : lw_resource_set_new();
  return plan;
}

LwPlan *lw_plan_diff(const LwResourceSet *wanted, const LwResourceSet *seen, const LwResourceSet *owned) {
  return lw_plan_diff_from(wanted, seen, owned, NULL);
}

void lw_plan_free(LwPlan *plan) {
  if (!plan)
    return;
  g_ptr_array_unref(plan->steps);
  g_ptr_array_unref(plan->changes);
  g_ptr_array_unref(plan->extra);
  g_ptr_array_unref(plan->aside);
  if (plan->seen)
    lw_resource_set_free(plan->seen);
  g_free(plan);
}

gboolean lw_plan_is_empty(const LwPlan *plan) {
  return plan->changes->len == 0;
}

static void replay(LwResourceSet *state, const LwChange *change) {
  g_autofree char *key = lw_resource_key(subject(change));
  lw_resource_set_remove(state, key);
  if (change->to)
    lw_resource_set_add(state, lw_resource_ref(change->to));
}

LwResourceSet *lw_plan_state_after(const LwPlan *plan, guint steps) {
  LwResourceSet *state = plan->seen ? lw_resource_set_copy(plan->seen) : lw_resource_set_new();
  state->complete = FALSE; /* what is wanted does not say what comes by itself */
  for (guint i = 0; i < steps && i < plan->steps->len; i++) {
    const LwPlanStep *step = plan->steps->pdata[i];
    for (guint j = 0; j < step->changes->len; j++)
      replay(state, step->changes->pdata[j]);
  }
  return state;
}
