/* Packets on their way: in by a link, through a bridge or the IP stack, out by a link and in at its other
 * end. */
#include "reach/internal.h"

#include <string.h>

#define HOPS_MAX 16

/* Whom a frame is for. */
typedef enum {
  TO_ANYBODY,     /* its sender chose: whoever is there may be meant */
  TO_DESTINATION, /* who has the packet's destination */
  TO_ADDRESS,     /* who has `address` */
  TO_ELSEWHERE,   /* a gateway whose address is not known: nobody who was looked into */
} HopKind;

typedef struct {
  HopKind kind;
  LwAddr address;
} Hop;

/* One lw_reach_from(). */
typedef struct {
  LwReach *reach;
  GPtrArray *arrivals;
  gboolean to_bridge_alone; /* the first frame is for the bridge that it comes in at */
  GHashTable *seen;         /* Link* -> GArray of Branch: what has come in there */
} Run;

static void frame_in(Run *run, Link *link, const Branch *branch, Hop hop, guint depth);
static void bridge_in(Run *run, Link *bridge, Link *port, const Branch *branch, Hop hop, guint depth);

/* --- being told
 * --------------------------------------------------------------------------------------------------- */

static void step_free(gpointer data) {
  LwStep *step = data;
  g_free(step->text);
  g_free(step);
}

void lw_reach_step(const At *at, LwStepKind kind, const LwRule *rule, const LwChain *chain,
                   LwVerdictKind verdict, const LwElement *element, char *text) {
  GPtrArray *trace = at->reach->trace;
  if (!trace) {
    g_free(text);
    return;
  }
  LwStep *step = g_new0(LwStep, 1);
  const Link *link = lw_reach_link_at(at->ns, at->iif != LW_NO_LINK ? at->iif : at->oif);
  step->kind = kind;
  step->ns = at->ns->name;
  step->link = link ? link->name : NULL;
  step->ruleset = at->ruleset;
  step->chain = chain;
  step->rule = rule;
  step->element = element;
  step->verdict = verdict;
  step->text = text;
  g_ptr_array_add(trace, step);
}

static void tell(Run *run, Ns *ns, const Link *link, LwStepKind kind, const char *text) {
  At at = {.reach = run->reach, .ns = ns, .iif = link ? link->number : LW_NO_LINK};
  lw_reach_step(&at, kind, NULL, NULL, LW_VERDICT_NONE, NULL, g_strdup(text));
}

/* --- arrivals
 * ----------------------------------------------------------------------------------------------------- */

static gboolean rewrite_equal(const LwRewrite *a, const LwRewrite *b) {
  return lw_addr_equal(&a->source, &b->source) && lw_addr_equal(&a->destination, &b->destination) &&
         a->has_sport == b->has_sport && a->has_dport == b->has_dport && a->sport == b->sport &&
         a->dport == b->dport && a->source_unknown == b->source_unknown;
}

static void arrive(Run *run, const Ns *ns, const Link *link, const Branch *branch) {
  const char *name = link ? link->name : NULL;
  for (guint i = 0; i < run->arrivals->len; i++) {
    LwArrival *known = run->arrivals->pdata[i];
    if (known->ns != ns->name || known->link != name ||
        !rewrite_equal(&known->rewrite, &branch->state.rewrite))
      continue;
    known->packets = lw_bdd_or(run->reach->pool, known->packets, branch->set);
    return;
  }
  LwArrival *arrival = g_new0(LwArrival, 1);
  *arrival = (LwArrival){ns->name, name, branch->state.rewrite, branch->set};
  g_ptr_array_add(run->arrivals, arrival);
}

/* What of the branch has not come in by the link in the same state yet; noted as come in now. */
static LwBdd news(Run *run, Link *link, const Branch *branch) {
  if (run->reach->trace)
    return branch->set;
  GArray *before = g_hash_table_lookup(run->seen, link);
  if (!before) {
    before = g_array_new(FALSE, FALSE, sizeof(Branch));
    g_hash_table_insert(run->seen, link, before);
  }
  LwBddPool *pool = run->reach->pool;
  for (guint i = 0; i < before->len; i++) {
    Branch *known = &g_array_index(before, Branch, i);
    if (!rewrite_equal(&known->state.rewrite, &branch->state.rewrite) ||
        known->state.own_mac != branch->state.own_mac || known->state.ct_state != branch->state.ct_state)
      continue;
    LwBdd fresh = lw_bdd_minus(pool, branch->set, known->set);
    known->set = lw_bdd_or(pool, known->set, branch->set);
    return fresh;
  }
  g_array_append_val(before, *branch);
  return branch->set;
}

/* --- destinations
 * ------------------------------------------------------------------------------------------------- */

/* Those of the branch whose destination, as it is by now, is in the set (over DADDR). */
static LwBdd destined(LwReach *reach, const Branch *branch, LwBdd set) {
  const LwAddr *written = &branch->state.rewrite.destination;
  if (lw_addr_is_set(written)) {
    set = lw_bdd_and(reach->pool, set, lw_packets_addr(reach->pool, LW_HEADER_DADDR, written));
    set = lw_packets_forget(reach->pool, set, LW_HEADER_DADDR);
  }
  return lw_bdd_and(reach->pool, branch->set, set);
}

static LwBdd with_good_source(LwReach *reach, const Ns *ns, const Branch *branch) {
  const LwAddr *written = &branch->state.rewrite.source;
  if (branch->state.rewrite.source_unknown)
    return branch->set;
  if (!lw_addr_is_set(written))
    return lw_bdd_minus(reach->pool, branch->set, ns->martian);
  return lw_reach_is_member(reach, ns->martian, LW_HEADER_SADDR, written) ? LW_BDD_FALSE : branch->set;
}

/* Those that a namespace takes in at all, by whom the frame is for. */
static LwBdd meant(LwReach *reach, const Ns *ns, const Branch *branch, Hop hop) {
  switch (hop.kind) {
  case TO_ANYBODY:
    return branch->set;
  case TO_DESTINATION:
    return destined(reach, branch, ns->owned);
  case TO_ADDRESS:
    return lw_reach_is_member(reach, ns->owned, LW_HEADER_DADDR, &hop.address) ? branch->set : LW_BDD_FALSE;
  case TO_ELSEWHERE:
    break;
  }
  return LW_BDD_FALSE;
}

/* --- out
 * ----------------------------------------------------------------------------------------------------------
 */

static void out_by(Run *run, Link *link, const Branch *branch, Hop hop, guint depth) {
  if (branch->set == LW_BDD_FALSE || !link->up)
    return;
  Ns *ns = link->peer ? lw_reach_ns(run->reach, link->peer_ns) : NULL;
  Link *peer = ns ? lw_reach_link(ns, link->peer) : NULL;
  if (peer) {
    frame_in(run, peer, branch, hop, depth);
    return;
  }
  if (run->reach->trace)
    tell(run, link->ns, link, LW_STEP_LEAVES, NULL);
  arrive(run, link->ns, link, branch);
}

static void emit(Run *run, Link *link, const Branch *in, Hop hop, guint depth) {
  Branch branch = *in;
  branch.state.own_mac = TRUE;
  if (link->is_bridge)
    bridge_in(run, link, NULL, &branch, hop, depth);
  else
    out_by(run, link, &branch, hop, depth);
}

static GArray *one_branch(const Branch *branch) {
  GArray *branches = g_array_new(FALSE, FALSE, sizeof(Branch));
  g_array_append_val(branches, *branch);
  return branches;
}

static GArray *through(Run *run, At *at, const GArray *in) {
  at->reach = run->reach;
  return lw_reach_hook(at, in);
}

static void post_routing(Run *run, Ns *ns, guint iif, Link *out, const Branch *branch, Hop hop, guint depth) {
  At at = {.ns = ns, .hook = LW_HOOK_POSTROUTING, .iif = iif, .oif = out->number};
  g_autoptr(GArray) in = one_branch(branch);
  g_autoptr(GArray) after = through(run, &at, in);
  for (guint i = 0; i < after->len; i++)
    emit(run, out, &g_array_index(after, Branch, i), hop, depth);
}

static Hop hop_of(const Way *way) {
  if (way->elsewhere)
    return (Hop){.kind = TO_ELSEWHERE};
  return lw_addr_is_set(&way->via) ? (Hop){TO_ADDRESS, way->via} : (Hop){.kind = TO_DESTINATION};
}

/* The part of the branch that routing sends by that link. routed: as it was when it was routed. */
static void go_out(Run *run, Ns *ns, guint iif, guint oif, const Branch *branch, const State *routed,
                   guint depth) {
  g_autoptr(GArray) ways = lw_reach_ways(run->reach, ns, routed, iif, oif);
  for (guint i = 0; i < ways->len; i++) {
    const Way *way = &g_array_index(ways, Way, i);
    Branch part = *branch;
    part.set = destined(run->reach, branch, way->set);
    if (part.set != LW_BDD_FALSE)
      post_routing(run, ns, iif, lw_reach_link_at(ns, oif), &part, hop_of(way), depth);
  }
}

/* The filter's answer comes before the routing's: it is small where the routes are many. Only the ways out
 * that it tells apart are looked up; all routes only where it lets packets go wherever they like. */
static void route_filtered(Run *run, Ns *ns, guint iif, const Branch *filtered, const State *routed,
                           guint depth) {
  LwBddPool *pool = run->reach->pool;
  LwBdd usual = lw_packets_by_oif(pool, filtered->set, LW_NO_LINK);
  g_autoptr(GArray) told = g_array_new(FALSE, FALSE, sizeof(guint));
  lw_packets_oifs(pool, filtered->set, told);
  if (usual != LW_BDD_FALSE) {
    g_array_unref(told);
    told = lw_reach_routed_links(run->reach, ns);
  }
  for (guint i = 0; i < told->len; i++) {
    guint oif = g_array_index(told, guint, i);
    Branch part = {lw_packets_by_oif(pool, filtered->set, oif), filtered->state};
    if (part.set != LW_BDD_FALSE && oif <= ns->links->len)
      go_out(run, ns, iif, oif, &part, routed, depth);
  }
}

/* One packet, to be told about: routed first, as the kernel does. */
static void route_traced(Run *run, Ns *ns, LwHook hook, guint iif, const Branch *branch, guint depth) {
  gboolean any = FALSE;
  g_autoptr(GArray) links = lw_reach_routed_links(run->reach, ns);
  for (guint i = 0; i < links->len; i++) {
    guint oif = g_array_index(links, guint, i);
    g_autoptr(GArray) ways = lw_reach_ways(run->reach, ns, &branch->state, iif, oif);
    gboolean goes = FALSE;
    for (guint w = 0; w < ways->len; w++)
      goes |= destined(run->reach, branch, g_array_index(ways, Way, w).set) != LW_BDD_FALSE;
    if (!goes)
      continue;
    any = TRUE;
    tell(run, ns, lw_reach_link_at(ns, oif), LW_STEP_ROUTE, NULL);
    At at = {.ns = ns, .hook = hook, .iif = iif, .oif = oif};
    g_autoptr(GArray) in = one_branch(branch);
    g_autoptr(GArray) after = through(run, &at, in);
    for (guint a = 0; a < after->len; a++)
      go_out(run, ns, iif, oif, &g_array_index(after, Branch, a), &branch->state, depth);
  }
  if (!any)
    tell(run, ns, NULL, LW_STEP_ROUTE, "no route leads there, or one that refuses it");
}

/* --- in
 * -----------------------------------------------------------------------------------------------------------
 */

static void deliver(Run *run, Ns *ns, guint iif, const Branch *branch) {
  At at = {.ns = ns, .hook = LW_HOOK_INPUT, .iif = iif};
  g_autoptr(GArray) in = one_branch(branch);
  g_autoptr(GArray) after = through(run, &at, in);
  for (guint i = 0; i < after->len; i++) {
    if (run->reach->trace)
      tell(run, ns, NULL, LW_STEP_DELIVERED, NULL);
    arrive(run, ns, NULL, &g_array_index(after, Branch, i));
  }
}

static void forward(Run *run, Ns *ns, guint iif, const Branch *in, guint depth) {
  Branch branch = *in;
  LwBddPool *pool = run->reach->pool;
  if (!lw_reach_link_at(ns, iif)->forward4)
    branch.set = lw_bdd_minus(pool, branch.set, lw_packets_family(pool, 4));
  if (!ns->forward6)
    branch.set = lw_bdd_minus(pool, branch.set, lw_packets_family(pool, 6));
  if (branch.set == LW_BDD_FALSE) {
    if (run->reach->trace)
      tell(run, ns, NULL, LW_STEP_STOPPED, "it is not for this place, and forwarding is off here");
    return;
  }
  if (run->reach->trace) {
    route_traced(run, ns, LW_HOOK_FORWARD, iif, &branch, depth);
    return;
  }
  At at = {.ns = ns, .hook = LW_HOOK_FORWARD, .iif = iif};
  g_autoptr(GArray) one = one_branch(&branch);
  g_autoptr(GArray) after = through(run, &at, one);
  for (guint i = 0; i < after->len; i++)
    route_filtered(run, ns, iif, &g_array_index(after, Branch, i), &branch.state, depth);
}

/* A link that asks for the way back drops what has none. Only the main table is asked here, so what is not
 * found there is not sure; what is found there is. */
static LwBdd with_way_back(LwReach *reach, const Link *link, LwBdd set) {
  if (!link->way_back)
    return set;
  g_autofree char *text = g_strdup_printf("%s%s%s drops sources that are not routed back (rp_filter)",
                                          link->ns->name, *link->ns->name ? ": " : "", link->name);
  lw_reach_note_unknown(reach, text);
  if (reach->approximation == LW_REACH_MAY)
    return set;
  LwBdd good = lw_reach_sources(reach, link->ns, link->way_back == 1 ? link->number : LW_NO_LINK);
  good = lw_bdd_or(reach->pool, good, lw_packets_family(reach->pool, 6));
  return lw_bdd_and(reach->pool, set, good);
}

static void ip_in(Run *run, Link *link, const Branch *in, Hop hop, guint depth) {
  LwReach *reach = run->reach;
  Ns *ns = link->ns;
  Branch branch = *in;
  branch.set = meant(reach, ns, &branch, hop);
  branch.set = lw_bdd_minus(reach->pool, branch.set, destined(reach, &branch, ns->martian_destination));
  if (!link->v6)
    branch.set = lw_bdd_minus(reach->pool, branch.set, lw_packets_family(reach->pool, 6));
  branch.state.dnat = branch.state.snat = FALSE;
  branch.state.entry = branch.state.rewrite;
  if (branch.set != LW_BDD_FALSE)
    branch.set = news(run, link, &branch);
  if (branch.set == LW_BDD_FALSE)
    return;
  At at = {.ns = ns, .hook = LW_HOOK_PREROUTING, .iif = link->number};
  g_autoptr(GArray) one = one_branch(&branch);
  g_autoptr(GArray) after = through(run, &at, one);
  for (guint i = 0; i < after->len; i++) {
    Branch each = g_array_index(after, Branch, i);
    LwBdd good = with_good_source(reach, ns, &each);
    if (good == LW_BDD_FALSE && run->reach->trace)
      tell(run, ns, link, LW_STEP_STOPPED, "its source is an address that cannot come from there");
    each.set = with_way_back(reach, link, good);
    Branch local = {destined(reach, &each, ns->local), each.state};
    each.set = lw_bdd_minus(reach->pool, each.set, local.set);
    if (local.set != LW_BDD_FALSE)
      deliver(run, ns, link->number, &local);
    if (each.set != LW_BDD_FALSE)
      forward(run, ns, link->number, &each, depth);
  }
}

/* --- bridges
 * ------------------------------------------------------------------------------------------------------ */

static gboolean may_pass(const Link *from, const Link *to) {
  return to != from && to->up && !(from && from->isolated && to->isolated);
}

static void bridge_to_port(Run *run, Link *bridge, Link *from, Link *to, const GArray *in, Hop hop,
                           guint depth) {
  At at = {.ns = bridge->ns,
           .hook = from ? LW_HOOK_FORWARD : LW_HOOK_OUTPUT,
           .bridge_family = TRUE,
           .iif = from ? from->number : LW_NO_LINK,
           .ibridge = from ? bridge->number : LW_NO_LINK,
           .oif = to->number};
  g_autoptr(GArray) passed = through(run, &at, in);
  at.hook = LW_HOOK_POSTROUTING;
  g_autoptr(GArray) after = through(run, &at, passed);
  for (guint i = 0; i < after->len; i++)
    out_by(run, to, &g_array_index(after, Branch, i), hop, depth);
}

static void bridge_to_itself(Run *run, Link *bridge, Link *from, const GArray *in, Hop hop, guint depth) {
  At at = {.ns = bridge->ns,
           .hook = LW_HOOK_INPUT,
           .bridge_family = TRUE,
           .iif = from->number,
           .ibridge = bridge->number};
  g_autoptr(GArray) for_it = g_array_new(FALSE, FALSE, sizeof(Branch));
  for (guint i = 0; i < in->len; i++) {
    Branch branch = g_array_index(in, Branch, i);
    branch.set = meant(run->reach, bridge->ns, &branch, hop);
    if (branch.set != LW_BDD_FALSE)
      g_array_append_val(for_it, branch);
  }
  if (for_it->len == 0)
    return;
  g_autoptr(GArray) after = through(run, &at, for_it);
  for (guint i = 0; i < after->len; i++)
    ip_in(run, bridge, &g_array_index(after, Branch, i), hop, depth);
}

static void bridge_in(Run *run, Link *bridge, Link *port, const Branch *branch, Hop hop, guint depth) {
  if (depth > HOPS_MAX || !bridge->up)
    return;
  g_autoptr(GArray) in = one_branch(branch);
  if (port) {
    At at = {.ns = bridge->ns,
             .hook = LW_HOOK_PREROUTING,
             .bridge_family = TRUE,
             .iif = port->number,
             .ibridge = bridge->number};
    GArray *after = through(run, &at, in);
    g_array_unref(in);
    in = after;
  }
  if (in->len == 0)
    return;
  gboolean alone = run->to_bridge_alone;
  run->to_bridge_alone = FALSE;
  if (port)
    bridge_to_itself(run, bridge, port, in, hop, depth + 1);
  if (alone)
    return;
  for (guint i = 0; i < bridge->ports->len; i++) {
    Link *to = lw_reach_link_at(bridge->ns, g_array_index(bridge->ports, guint, i));
    if (may_pass(port, to))
      bridge_to_port(run, bridge, port, to, in, hop, depth + 1);
  }
}

static void frame_in(Run *run, Link *link, const Branch *in, Hop hop, guint depth) {
  if (depth > HOPS_MAX || !link->up)
    return;
  Branch branch = *in;
  branch.state.mark = branch.state.ct_mark = 0;
  branch.state.mark_unknown = branch.state.ct_mark_unknown = FALSE;
  if (run->reach->trace)
    tell(run, link->ns, link, LW_STEP_ENTERS, NULL);
  if (link->master == LW_NO_LINK)
    ip_in(run, link, &branch, hop, depth + 1);
  else
    bridge_in(run, lw_reach_link_at(link->ns, link->master), link, &branch, hop, depth + 1);
}

/* Sent by the namespace's own sockets. */
static void local_out(Run *run, Ns *ns, const Branch *in) {
  Branch branch = *in;
  branch.set = lw_bdd_minus(run->reach->pool, branch.set, destined(run->reach, &branch, ns->local));
  if (branch.set == LW_BDD_FALSE)
    return;
  if (run->reach->trace) {
    route_traced(run, ns, LW_HOOK_OUTPUT, LW_NO_LINK, &branch, 0);
    return;
  }
  At at = {.ns = ns, .hook = LW_HOOK_OUTPUT};
  g_autoptr(GArray) one = one_branch(&branch);
  g_autoptr(GArray) after = through(run, &at, one);
  for (guint i = 0; i < after->len; i++) {
    const Branch *each = &g_array_index(after, Branch, i);
    route_filtered(run, ns, LW_NO_LINK, each, &each->state, 0);
  }
}

/* --- the interface
 * ------------------------------------------------------------------------------------------------- */

static void matched_free(gpointer data) {
  g_free(data);
}

LwReach *lw_reach_new(LwBddPool *pool, const LwResourceSet *world, const char *const *inside) {
  LwReach *reach = g_new0(LwReach, 1);
  reach->pool = pool;
  reach->world = world;
  reach->namespaces = g_ptr_array_new_with_free_func(lw_reach_ns_free);
  reach->ns_by_name = g_hash_table_new(g_str_hash, g_str_equal);
  reach->set_index = g_hash_table_new_full(NULL, NULL, NULL, lw_reach_set_index_free);
  reach->ruleset_index = g_hash_table_new_full(NULL, NULL, NULL, lw_reach_ruleset_index_free);
  reach->matched =
      g_hash_table_new_full(lw_reach_match_key_hash, lw_reach_match_key_equal, matched_free, matched_free);
  reach->unknowns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  lw_reach_index_world(reach, inside);
  return reach;
}

void lw_reach_free(LwReach *reach) {
  if (!reach)
    return;
  g_hash_table_unref(reach->matched);
  g_hash_table_unref(reach->set_index);
  g_hash_table_unref(reach->ruleset_index);
  g_hash_table_unref(reach->ns_by_name);
  g_ptr_array_unref(reach->namespaces);
  g_hash_table_unref(reach->unknowns);
  g_free(reach);
}

LwBddPool *lw_reach_pool(const LwReach *reach) {
  return reach->pool;
}

GHashTable *lw_reach_unknowns(const LwReach *reach) {
  return reach->unknowns;
}

static void branches_unref(gpointer data) {
  g_array_unref(data);
}

static void start_run(Run *run, const LwStart *start, LwBdd packets, LwCtState ct_state) {
  Ns *ns = lw_reach_ns(run->reach, start->ns);
  if (!ns)
    return;
  Branch branch = {.set = packets, .state = {.ct_state = ct_state}};
  if (start->kind == LW_START_LOCAL) {
    local_out(run, ns, &branch);
    return;
  }
  Link *link = lw_reach_link(ns, start->link);
  run->to_bridge_alone = start->kind == LW_START_BRIDGED;
  if (link && !(run->to_bridge_alone && link->master == LW_NO_LINK))
    frame_in(run, link, &branch, (Hop){.kind = TO_ANYBODY}, 0);
}

GPtrArray *lw_reach_from(LwReach *reach, const LwStart *start, LwBdd packets, LwCtState ct_state,
                         LwApproximation approximation) {
  Run run = {.reach = reach,
             .arrivals = g_ptr_array_new_with_free_func(g_free),
             .seen = g_hash_table_new_full(NULL, NULL, NULL, branches_unref)};
  reach->approximation = approximation;
  start_run(&run, start, packets, ct_state);
  g_hash_table_unref(run.seen);
  for (guint i = 0; i < run.arrivals->len; i++) {
    LwArrival *arrival = run.arrivals->pdata[i];
    arrival->packets = lw_packets_forget(reach->pool, arrival->packets, LW_HEADER_ETH_SRC);
  }
  return run.arrivals;
}

GPtrArray *lw_reach_trace(LwReach *reach, const LwStart *start, const LwHeader *header, LwCtState ct_state,
                          gboolean through_all) {
  GPtrArray *trace = g_ptr_array_new_with_free_func(step_free);
  g_autoptr(GPtrArray) arrivals = g_ptr_array_new_with_free_func(g_free);
  Run run = {
      .reach = reach, .arrivals = arrivals, .seen = g_hash_table_new_full(NULL, NULL, NULL, branches_unref)};
  reach->trace = trace;
  reach->through = through_all;
  reach->approximation = LW_REACH_MAY;
  start_run(&run, start, lw_packets_of(reach->pool, header), ct_state);
  reach->trace = NULL;
  reach->through = FALSE;
  g_hash_table_unref(run.seen);
  return trace;
}
