/* Packets on their way: in by a link, through a bridge or the IP stack, out by a link and in at its other
 * end. */
#include "reach/run.h"

#include <string.h>

#define HOPS_MAX 16

static void frame_in(Run *run, Link *link, const Branch *branch, Hop hop, guint depth);
static void bridge_in(Run *run, Link *bridge, Link *port, const Branch *branch, Hop hop, guint depth);

/* --- being told
 * --------------------------------------------------------------------------------------------------- */

void lw_reach_step_free(gpointer data) {
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

void lw_reach_tell(Run *run, Ns *ns, const Link *link, LwStepKind kind, const char *text) {
  At at = {.reach = run->reach, .ns = ns, .iif = link ? link->number : LW_NO_LINK};
  lw_reach_step(&at, kind, NULL, NULL, LW_VERDICT_NONE, NULL, g_strdup(text));
}

/* --- arrivals
 * ----------------------------------------------------------------------------------------------------- */

static void note_way(Run *run, guint arrival, const Branch *branch) {
  if (!run->came_by)
    return;
  if (arrival == run->came_by->len)
    g_ptr_array_add(run->came_by, g_array_new(FALSE, FALSE, sizeof(CameBy)));
  const CameBy one = {branch->set, branch->state.hop};
  g_array_append_val(g_ptr_array_index(run->came_by, arrival), one);
}

static void arrive(Run *run, const Ns *ns, const Link *link, const Branch *branch) {
  const char *name = link ? link->name : NULL;
  for (guint i = 0; i < run->arrivals->len; i++) {
    LwArrival *known = run->arrivals->pdata[i];
    if (known->ns != ns->name || known->link != name ||
        !rewrite_equal(&known->rewrite, &branch->state.rewrite))
      continue;
    if (!lw_mdd_is_subset(run->reach->pool, branch->set, known->packets)) /* quick, where it is small */
      known->packets = lw_mdd_or(run->reach->pool, known->packets, branch->set);
    note_way(run, i, branch);
    return;
  }
  LwArrival *arrival = g_new0(LwArrival, 1);
  *arrival = (LwArrival){ns->name, name, branch->state.rewrite, branch->set};
  note_way(run, run->arrivals->len, branch);
  g_ptr_array_add(run->arrivals, arrival);
}

/* What of the branch has not come in by the link in the same state yet; noted as come in now. */
static LwMdd news(Run *run, Link *link, const Branch *branch) {
  if (run->reach->trace)
    return branch->set;
  GArray *before = g_hash_table_lookup(run->seen, link);
  if (!before) {
    before = g_array_new(FALSE, FALSE, sizeof(Branch));
    g_hash_table_insert(run->seen, link, before);
  }
  LwMddPool *pool = run->reach->pool;
  for (guint i = 0; i < before->len; i++) {
    Branch *known = &g_array_index(before, Branch, i);
    if (!rewrite_equal(&known->state.rewrite, &branch->state.rewrite) ||
        known->state.own_mac != branch->state.own_mac || known->state.ct_state != branch->state.ct_state)
      continue;
    LwMdd fresh = lw_mdd_minus(pool, branch->set, known->set);
    known->set = lw_mdd_or(pool, known->set, branch->set);
    return fresh;
  }
  g_array_append_val(before, *branch);
  return branch->set;
}

/* --- destinations
 * ------------------------------------------------------------------------------------------------- */

/* Those of the branch whose destination, as it is by now, is in the set (over DADDR). */
LwMdd lw_reach_destined(LwReach *reach, const Branch *branch, LwMdd set) {
  const LwAddr *written = &branch->state.rewrite.destination;
  if (lw_addr_is_set(written)) {
    set = lw_mdd_and(reach->pool, set, lw_packets_addr(reach->pool, LW_HEADER_DADDR, written));
    set = lw_packets_forget(reach->pool, set, LW_HEADER_DADDR);
  }
  return lw_mdd_and(reach->pool, branch->set, set);
}

static LwMdd with_good_source(LwReach *reach, const Link *link, const Branch *branch) {
  const Ns *ns = link->ns;
  const LwAddr *written = &branch->state.rewrite.source;
  LwMdd martian = link->accept_local ? lw_mdd_minus(reach->pool, ns->martian, ns->owned_source) : ns->martian;
  if (branch->state.rewrite.source_unknown)
    return branch->set;
  if (!lw_addr_is_set(written))
    return lw_mdd_minus(reach->pool, branch->set, martian);
  return lw_reach_is_member(reach, martian, LW_HEADER_SADDR, written) ? LW_MDD_FALSE : branch->set;
}

/* Those that a namespace takes in at all, by whom the frame is for. */
static LwMdd meant(LwReach *reach, const Ns *ns, const Branch *branch, Hop hop) {
  switch (hop.kind) {
  case TO_ANYBODY:
    return branch->set;
  case TO_DESTINATION:
    return lw_reach_destined(reach, branch, ns->owned);
  case TO_ADDRESS:
    return lw_reach_is_member(reach, ns->owned, LW_HEADER_DADDR, &hop.address) ? branch->set : LW_MDD_FALSE;
  case TO_ELSEWHERE:
    break;
  }
  return LW_MDD_FALSE;
}

/* --- out
 * ----------------------------------------------------------------------------------------------------------
 */

static void out_by(Run *run, Link *link, const Branch *branch, Hop hop, guint depth) {
  lw_reach_look_at(run->reach, link);
  if (branch->set == LW_MDD_FALSE || !link->up)
    return;
  Ns *ns = link->peer ? lw_reach_ns(run->reach, link->peer_ns) : NULL;
  Link *peer = ns ? lw_reach_link(ns, link->peer) : NULL;
  if (peer) {
    frame_in(run, peer, branch, hop, depth);
    return;
  }
  if (run->reach->trace)
    lw_reach_tell(run, link->ns, link, LW_STEP_LEAVES, NULL);
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

GArray *lw_reach_one_branch(const Branch *branch) {
  GArray *branches = g_array_new(FALSE, FALSE, sizeof(Branch));
  g_array_append_val(branches, *branch);
  return branches;
}

static GArray *through(Run *run, At *at, const GArray *in) {
  at->reach = run->reach;
  return lw_reach_hook(at, in);
}

static void record(Run *run, Ns *ns, guint iif, guint oif, Branch *branch) {
  if (!run->passages)
    return;
  Passage passage = {branch->state.hop, ns, iif, oif, branch->state};
  branch->state.hop = run->passages->len;
  g_array_append_val(run->passages, passage);
}

static void post_routing(Run *run, Ns *ns, guint iif, Link *out, const Branch *branch, Hop hop, guint depth);

/* Where a rule's route-to says, whatever the routes say. */
static void go_as_told(Run *run, Ns *ns, guint iif, const Branch *branch, guint depth) {
  Link *out = lw_reach_link_at(ns, branch->state.route_to);
  const LwAddr *via = &branch->state.route_via;
  Hop hop = lw_addr_is_set(via) ? (Hop){TO_ADDRESS, *via} : (Hop){.kind = TO_DESTINATION};
  if (run->reach->trace)
    lw_reach_tell(run, ns, out, LW_STEP_ROUTE, out ? "route-to" : "route-to: there is no such interface");
  if (out && depth <= HOPS_MAX)
    post_routing(run, ns, iif, out, branch, hop, depth + 1);
}

static void post_routing(Run *run, Ns *ns, guint iif, Link *out, const Branch *branch, Hop hop, guint depth) {
  At at = {.ns = ns, .hook = LW_HOOK_POSTROUTING, .iif = iif, .oif = out->number};
  g_autoptr(GArray) in = lw_reach_one_branch(branch);
  g_autoptr(GArray) after = through(run, &at, in);
  for (guint i = 0; i < after->len; i++) {
    Branch *each = &g_array_index(after, Branch, i);
    if (each->state.routed && each->state.route_to != out->number) {
      go_as_told(run, ns, iif, each, depth); /* by a rule for what leaves */
      continue;
    }
    record(run, ns, iif, out->number, each);
    emit(run, out, each, hop, depth);
  }
}

static Hop hop_of(const Way *way) {
  if (way->elsewhere)
    return (Hop){.kind = TO_ELSEWHERE};
  return lw_addr_is_set(&way->via) ? (Hop){TO_ADDRESS, way->via} : (Hop){.kind = TO_DESTINATION};
}

/* The part of the branch that routing sends by that link. asked: as it was when it was routed. */
static void go_out(Run *run, Ns *ns, guint iif, guint oif, const Branch *branch, const GArray *asked,
                   guint depth) {
  g_autoptr(GArray) ways = lw_reach_ways(run->reach, asked, oif);
  for (guint i = 0; i < ways->len; i++) {
    const Way *way = &g_array_index(ways, Way, i);
    Branch part = *branch;
    part.set = lw_reach_destined(run->reach, branch, way->set);
    if (part.set != LW_MDD_FALSE)
      post_routing(run, ns, iif, lw_reach_link_at(ns, oif), &part, hop_of(way), depth);
  }
}

/* The filter's answer comes before the routing's: it is small where the routes are many. Only the ways out
 * that it tells apart are looked up; all routes only where it lets packets go wherever they like. */
static void route_filtered(Run *run, Ns *ns, guint iif, const Branch *filtered, const State *routed,
                           guint depth) {
  LwMddPool *pool = run->reach->pool;
  LwMdd usual = lw_packets_by_oif(pool, filtered->set, LW_NO_LINK);
  g_autoptr(GArray) told = g_array_new(FALSE, FALSE, sizeof(guint));
  lw_packets_oifs(pool, filtered->set, told);
  if (usual != LW_MDD_FALSE) {
    g_array_unref(told);
    gboolean written = lw_addr_is_set(&filtered->state.rewrite.destination);
    told = written ? lw_reach_routed_links(run->reach, ns)
                   : lw_reach_leading_links(run->reach, ns, routed, iif,
                                            lw_packets_forget(pool, filtered->set, LW_HEADER_OIF));
  }
  g_autoptr(GArray) asked = lw_reach_asked(run->reach, ns, routed, iif);
  for (guint i = 0; i < told->len; i++) {
    guint oif = g_array_index(told, guint, i);
    Branch part = {lw_packets_by_oif(pool, filtered->set, oif), filtered->state};
    if (part.set != LW_MDD_FALSE && oif <= ns->links->len)
      go_out(run, ns, iif, oif, &part, asked, depth);
  }
}

/* One packet, to be told about: routed first, as the kernel does. */
static void route_traced(Run *run, Ns *ns, LwHook hook, guint iif, const Branch *branch, guint depth) {
  gboolean any = FALSE;
  g_autoptr(GArray) links = lw_reach_routed_links(run->reach, ns);
  g_autoptr(GArray) asked = lw_reach_asked(run->reach, ns, &branch->state, iif);
  for (guint i = 0; i < links->len; i++) {
    guint oif = g_array_index(links, guint, i);
    g_autoptr(GArray) ways = lw_reach_ways(run->reach, asked, oif);
    gboolean goes = FALSE;
    for (guint w = 0; w < ways->len; w++)
      goes |= lw_reach_destined(run->reach, branch, g_array_index(ways, Way, w).set) != LW_MDD_FALSE;
    if (!goes)
      continue;
    any = TRUE;
    lw_reach_tell(run, ns, lw_reach_link_at(ns, oif), LW_STEP_ROUTE, NULL);
    At at = {.ns = ns, .hook = hook, .iif = iif, .oif = oif};
    g_autoptr(GArray) in = lw_reach_one_branch(branch);
    g_autoptr(GArray) after = through(run, &at, in);
    for (guint a = 0; a < after->len; a++)
      go_out(run, ns, iif, oif, &g_array_index(after, Branch, a), asked, depth);
  }
  if (any)
    return;
  LwMdd packet = branch->set;
  if (lw_addr_is_set(&branch->state.rewrite.destination)) {
    packet = lw_packets_forget(run->reach->pool, packet, LW_HEADER_DADDR);
    packet =
        lw_mdd_and(run->reach->pool, packet,
                   lw_packets_addr(run->reach->pool, LW_HEADER_DADDR, &branch->state.rewrite.destination));
  }
  g_autofree char *refusal = lw_reach_refusal(run->reach, ns, &branch->state, iif, packet);
  lw_reach_tell(run, ns, NULL, LW_STEP_ROUTE, refusal);
}

/* --- in
 * -----------------------------------------------------------------------------------------------------------
 */

static void deliver(Run *run, Ns *ns, guint iif, const Branch *branch) {
  At at = {.ns = ns, .hook = LW_HOOK_INPUT, .iif = iif};
  g_autoptr(GArray) in = lw_reach_one_branch(branch);
  g_autoptr(GArray) after = through(run, &at, in);
  for (guint i = 0; i < after->len; i++) {
    if (run->reach->trace)
      lw_reach_tell(run, ns, NULL, LW_STEP_DELIVERED, NULL);
    Branch *each = &g_array_index(after, Branch, i);
    record(run, ns, iif, LW_NO_LINK, each);
    arrive(run, ns, NULL, each);
  }
}

static void forward(Run *run, Ns *ns, guint iif, const Branch *in, guint depth) {
  Branch branch = *in;
  LwMddPool *pool = run->reach->pool;
  if (!lw_reach_link_at(ns, iif)->forward4)
    branch.set = lw_mdd_minus(pool, branch.set, lw_packets_family(pool, 4));
  if (!ns->forward6)
    branch.set = lw_mdd_minus(pool, branch.set, lw_packets_family(pool, 6));
  if (branch.set == LW_MDD_FALSE) {
    if (run->reach->trace)
      lw_reach_tell(run, ns, NULL, LW_STEP_STOPPED, "it is not for this place, and forwarding is off here");
    return;
  }
  if (branch.state.routed) {
    At told = {.ns = ns, .hook = LW_HOOK_FORWARD, .iif = iif, .oif = branch.state.route_to};
    g_autoptr(GArray) one = lw_reach_one_branch(&branch);
    g_autoptr(GArray) after = through(run, &told, one);
    for (guint i = 0; i < after->len; i++)
      go_as_told(run, ns, iif, &g_array_index(after, Branch, i), depth);
    return;
  }
  if (run->reach->trace) {
    route_traced(run, ns, LW_HOOK_FORWARD, iif, &branch, depth);
    return;
  }
  LwMdd *unrefused = run->reach->unrefused;
  if (unrefused)
    *unrefused =
        lw_mdd_or(pool, *unrefused,
                  lw_reach_destined(run->reach, &branch,
                                    lw_reach_unrefused_destinations(run->reach, ns, &branch.state, iif)));
  At at = {.ns = ns, .hook = LW_HOOK_FORWARD, .iif = iif};
  g_autoptr(GArray) one = lw_reach_one_branch(&branch);
  g_autoptr(GArray) after = through(run, &at, one);
  for (guint i = 0; i < after->len; i++)
    route_filtered(run, ns, iif, &g_array_index(after, Branch, i), &branch.state, depth);
}

/* A link that asks for the way back drops what has none. Only the main table is asked here, so what is not
 * found there is not sure; what is found there is. */
static LwMdd with_way_back(LwReach *reach, const Link *link, LwMdd set) {
  if (!link->way_back)
    return set;
  g_autofree char *text = g_strdup_printf("%s%s%s drops sources that are not routed back (rp_filter)",
                                          link->ns->name, *link->ns->name ? ": " : "", link->name);
  lw_reach_note_unknown(reach, text);
  if (reach->approximation == LW_REACH_MAY)
    return set;
  LwMdd good = lw_reach_sources(reach, link->ns, link->way_back == 1 ? link->number : LW_NO_LINK);
  good = lw_mdd_or(reach->pool, good, lw_packets_family(reach->pool, 6));
  return lw_mdd_and(reach->pool, set, good);
}

/* The part of a branch that br_netfilter gave another destination while it was a frame still. Named. */
static LwMdd redirected(LwReach *reach, const Link *bridge, const Branch *branch) {
  const LwAddr *before = &branch->state.entry.destination, *now = &branch->state.rewrite.destination;
  LwMdd set = lw_mdd_and(reach->pool, branch->set, bridge->bridged);
  if (!branch->state.dnat || lw_addr_equal(before, now))
    return LW_MDD_FALSE;
  if (!lw_addr_is_set(before)) /* to where it was sent anyway: that is no change */
    set = lw_mdd_minus(reach->pool, set, lw_packets_addr(reach->pool, LW_HEADER_DADDR, now));
  if (set == LW_MDD_FALSE)
    return set;
  g_autofree char *text = g_strdup_printf("%s%s%s: br_netfilter translates bridged frames' destinations",
                                          bridge->ns->name, *bridge->ns->name ? ": " : "", bridge->name);
  lw_reach_note_unknown(reach, text);
  return set;
}

/* Those for the namespace itself, or for everybody on the wire. (The namespace's own are many: what is left
 * of the branch of them is united, not they.) */
static LwMdd destined_here(LwReach *reach, const Link *link, const Branch *branch) {
  LwMdd own = lw_reach_destined(reach, branch, link->ns->local);
  if (lw_mdd_is_subset(reach->pool, link->broadcast, link->ns->local))
    return own;
  return lw_mdd_or(reach->pool, own, lw_reach_destined(reach, branch, link->broadcast));
}

static void ip_in(Run *run, Link *link, const Branch *in, Hop hop, guint depth) {
  LwReach *reach = run->reach;
  Ns *ns = link->ns;
  Branch branch = *in;
  branch.set = meant(reach, ns, &branch, hop);
  if (hop.kind == TO_ANYBODY)
    branch.set =
        lw_mdd_minus(reach->pool, branch.set, lw_reach_destined(reach, &branch, ns->martian_destination));
  if (!link->v6)
    branch.set = lw_mdd_minus(reach->pool, branch.set, lw_packets_family(reach->pool, 6));
  branch.state.dnat = branch.state.snat = FALSE;
  branch.state.dnat_settled = branch.state.snat_settled = FALSE;
  branch.state.entry = branch.state.rewrite;
  if (branch.set != LW_MDD_FALSE)
    branch.set = news(run, link, &branch);
  if (branch.set == LW_MDD_FALSE)
    return;
  At at = {.ns = ns, .hook = LW_HOOK_PREROUTING, .iif = link->number};
  g_autoptr(GArray) one = lw_reach_one_branch(&branch);
  g_autoptr(GArray) after = through(run, &at, one);
  for (guint i = 0; i < after->len; i++) {
    Branch each = g_array_index(after, Branch, i);
    if (link->bridged != LW_MDD_FALSE && reach->approximation == LW_REACH_MUST)
      each.set = lw_mdd_minus(reach->pool, each.set, redirected(reach, link, &each));
    LwMdd good = with_good_source(reach, link, &each);
    if (good == LW_MDD_FALSE && run->reach->trace)
      lw_reach_tell(run, ns, link, LW_STEP_STOPPED, "its source is an address that cannot come from there");
    each.set = with_way_back(reach, link, good);
    if (each.state.routed) { /* even what is sent to the namespace itself */
      forward(run, ns, link->number, &each, depth);
      continue;
    }
    /* who was asked for by its address is there */
    gboolean asked = hop.kind == TO_DESTINATION && !each.state.dnat;
    Branch local = {asked ? each.set : destined_here(reach, link, &each), each.state};
    each.set = asked ? LW_MDD_FALSE : lw_mdd_minus(reach->pool, each.set, local.set);
    if (local.set != LW_MDD_FALSE)
      deliver(run, ns, link->number, &local);
    if (each.set != LW_MDD_FALSE)
      forward(run, ns, link->number, &each, depth);
  }
}

/* --- bridges
 * ------------------------------------------------------------------------------------------------------ */

static gboolean may_pass(const Link *from, const Link *to) {
  return to != from && to->up && !(from && from->isolated && to->isolated);
}

/* br_netfilter shows the IP tables' hooks what goes from port to port, as if the bridge itself were the link
 * that it comes in and goes out by. Takes the branches, returns those that go on; the other families' do. */
static GArray *shown(Run *run, const Link *bridge, At at, GArray *branches) {
  LwMddPool *pool = run->reach->pool;
  if (bridge->bridged == LW_MDD_FALSE || at.iport == LW_NO_LINK)
    return branches;
  g_autoptr(GArray) before = branches;
  g_autoptr(GArray) seen = g_array_new(FALSE, FALSE, sizeof(Branch));
  GArray *unseen = g_array_new(FALSE, FALSE, sizeof(Branch));
  at.ns = bridge->ns;
  for (guint i = 0; i < before->len; i++) {
    Branch branch = g_array_index(before, Branch, i), other = branch;
    branch.set = lw_mdd_and(pool, branch.set, bridge->bridged);
    other.set = lw_mdd_minus(pool, other.set, bridge->bridged);
    if (branch.set != LW_MDD_FALSE)
      g_array_append_val(seen, branch);
    if (other.set != LW_MDD_FALSE)
      g_array_append_val(unseen, other);
  }
  g_autoptr(GArray) after = through(run, &at, seen);
  g_array_append_vals(unseen, after->data, after->len);
  return unseen;
}

/* Before the bridge decides. What is given another destination there is routed, or bridged to that one, round
 * whoever it was addressed to: not followed exactly. Either may be (`routed`: as what is addressed to the
 * bridge itself), nothing is sure. */
static GArray *shown_first(Run *run, const Link *bridge, const Link *port, const GArray *in, GArray *routed) {
  GArray *fresh = g_array_new(FALSE, FALSE, sizeof(Branch));
  for (guint i = 0; i < in->len; i++) {
    Branch branch = g_array_index(in, Branch, i);
    branch.state.dnat = branch.state.snat = branch.state.dnat_settled = branch.state.snat_settled = FALSE;
    branch.state.entry = branch.state.rewrite;
    g_array_append_val(fresh, branch);
  }
  const At at = {.hook = LW_HOOK_PREROUTING, .iif = bridge->number, .iport = port->number};
  GArray *after = shown(run, bridge, at, fresh);
  for (guint i = 0; i < after->len; i++) {
    Branch *branch = &g_array_index(after, Branch, i);
    Branch other = *branch;
    other.set = redirected(run->reach, bridge, branch);
    if (other.set == LW_MDD_FALSE)
      continue;
    if (run->reach->approximation == LW_REACH_MUST)
      branch->set = lw_mdd_minus(run->reach->pool, branch->set, other.set);
    other.state.rewrite = other.state.entry; /* it comes by prerouting again */
    g_array_append_val(routed, other);
  }
  return after;
}

static void bridge_to_port(Run *run, Link *bridge, Link *from, Link *to, const GArray *in, Hop hop,
                           guint depth) {
  At at = {.ns = bridge->ns,
           .hook = from ? LW_HOOK_FORWARD : LW_HOOK_OUTPUT,
           .bridge_family = TRUE,
           .iif = from ? from->number : LW_NO_LINK,
           .ibridge = from ? bridge->number : LW_NO_LINK,
           .oif = to->number};
  At ip = {.hook = LW_HOOK_FORWARD,
           .iif = bridge->number,
           .oif = bridge->number,
           .iport = at.iif,
           .oport = to->number};
  g_autoptr(GArray) passed = shown(run, bridge, ip, through(run, &at, in));
  at.hook = LW_HOOK_POSTROUTING;
  ip.hook = LW_HOOK_POSTROUTING;
  ip.iif = LW_NO_LINK;
  g_autoptr(GArray) after = shown(run, bridge, ip, through(run, &at, passed));
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
    if (branch.set != LW_MDD_FALSE)
      g_array_append_val(for_it, branch);
  }
  if (for_it->len == 0)
    return;
  g_autoptr(GArray) after = through(run, &at, for_it);
  for (guint i = 0; i < after->len; i++)
    ip_in(run, bridge, &g_array_index(after, Branch, i), hop, depth);
}

static gboolean leads_inside(const Run *run, const Link *port) {
  return port->peer && lw_reach_ns(run->reach, port->peer_ns);
}

static void bridge_in(Run *run, Link *bridge, Link *port, const Branch *branch, Hop hop, guint depth) {
  lw_reach_look_at(run->reach, bridge);
  if (depth > HOPS_MAX || !bridge->up)
    return;
  g_autoptr(GArray) in = lw_reach_one_branch(branch);
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
  LwStartKind first = run->first;
  run->first = LW_START_FRAME;
  if (port && first != LW_START_ROUTED)
    bridge_to_itself(run, bridge, port, in, hop, depth + 1);
  if (first == LW_START_BRIDGED)
    return;
  if (port && bridge->bridged != LW_MDD_FALSE) {
    g_autoptr(GArray) routed = g_array_new(FALSE, FALSE, sizeof(Branch));
    GArray *after = shown_first(run, bridge, port, in, routed);
    g_array_unref(in);
    in = after;
    if (routed->len && run->reach->approximation == LW_REACH_MAY)
      bridge_to_itself(run, bridge, port, routed, (Hop){.kind = TO_ANYBODY}, depth + 1);
  }
  for (guint i = 0; i < bridge->ports->len && in->len; i++) {
    Link *to = lw_reach_link_at(bridge->ns, g_array_index(bridge->ports, guint, i));
    lw_reach_look_at(run->reach, to);
    if (may_pass(port, to) && (first != LW_START_ROUTED || leads_inside(run, to)))
      bridge_to_port(run, bridge, port, to, in, hop, depth + 1);
  }
}

static void frame_in(Run *run, Link *link, const Branch *in, Hop hop, guint depth) {
  lw_reach_look_at(run->reach, link);
  if (depth > HOPS_MAX || !link->up)
    return;
  Branch branch = *in;
  branch.state.mark = branch.state.ct_mark = 0;
  branch.state.mark_unknown = branch.state.ct_mark_unknown = FALSE;
  branch.state.routed = branch.state.replies = FALSE;
  branch.state.route_to = branch.state.reply_to = LW_NO_LINK;
  branch.state.route_via = LW_ADDR_NONE;
  if (run->reach->trace)
    lw_reach_tell(run, link->ns, link, LW_STEP_ENTERS, NULL);
  if (link->master == LW_NO_LINK)
    ip_in(run, link, &branch, hop, depth + 1);
  else
    bridge_in(run, lw_reach_link_at(link->ns, link->master), link, &branch, hop, depth + 1);
}

/* Sent by the namespace's own sockets. */
static void local_out(Run *run, Ns *ns, const Branch *in) {
  Branch branch = *in;
  branch.set = lw_mdd_minus(run->reach->pool, branch.set, lw_reach_destined(run->reach, &branch, ns->local));
  if (branch.set == LW_MDD_FALSE)
    return;
  if (run->reach->trace) {
    route_traced(run, ns, LW_HOOK_OUTPUT, LW_NO_LINK, &branch, 0);
    return;
  }
  At at = {.ns = ns, .hook = LW_HOOK_OUTPUT};
  g_autoptr(GArray) one = lw_reach_one_branch(&branch);
  g_autoptr(GArray) after = through(run, &at, one);
  for (guint i = 0; i < after->len; i++) {
    const Branch *each = &g_array_index(after, Branch, i);
    route_filtered(run, ns, LW_NO_LINK, each, &each->state, 0);
  }
}

/* --- the interface
 * ------------------------------------------------------------------------------------------------- */

static void matched_free(gpointer data) {
  g_hash_table_unref(data);
}

LwReach *lw_reach_new(LwMddPool *pool, const LwResourceSet *world, const char *const *inside) {
  LwReach *reach = g_new0(LwReach, 1);
  reach->pool = pool;
  reach->world = world;
  reach->namespaces = g_ptr_array_new_with_free_func(lw_reach_ns_free);
  reach->ns_by_name = g_hash_table_new(g_str_hash, g_str_equal);
  reach->set_index = g_hash_table_new_full(NULL, NULL, NULL, lw_reach_set_index_free);
  reach->ruleset_index = g_hash_table_new_full(NULL, NULL, NULL, lw_reach_ruleset_index_free);
  reach->decisions = g_hash_table_new(NULL, NULL);
  reach->matched = g_hash_table_new_full(NULL, NULL, NULL, matched_free);
  reach->matched_now = lw_reach_matched_new();
  reach->worth_keeping = g_ptr_array_new();
  reach->lists = lw_reach_lists_new();
  reach->unknowns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  lw_reach_index_world(reach, inside);
  return reach;
}

void lw_reach_free(LwReach *reach) {
  if (!reach)
    return;
  g_hash_table_unref(reach->matched);
  g_hash_table_unref(reach->matched_now);
  g_ptr_array_unref(reach->worth_keeping);
  g_hash_table_unref(reach->lists);
  g_hash_table_unref(reach->decisions);
  g_hash_table_unref(reach->set_index);
  g_hash_table_unref(reach->ruleset_index);
  g_hash_table_unref(reach->ns_by_name);
  g_ptr_array_unref(reach->namespaces);
  g_hash_table_unref(reach->unknowns);
  g_free(reach);
}

void lw_reach_scratch_begin(LwReach *reach) {
  lw_reach_make_tables(reach);
  lw_mdd_scratch_begin(reach->pool);
}

void lw_reach_scratch_end(LwReach *reach, LwMdd *const *keep, guint count) {
  lw_reach_matches_scratch_end(reach, keep, count);
}

LwMddPool *lw_reach_pool(const LwReach *reach) {
  return reach->pool;
}

GHashTable *lw_reach_unknowns(const LwReach *reach) {
  return reach->unknowns;
}

void lw_reach_branches_unref(gpointer data) {
  g_array_unref(data);
}

void lw_reach_start(Run *run, const LwStart *start, LwMdd packets, LwCtState ct_state) {
  Ns *ns = lw_reach_ns(run->reach, start->ns);
  if (!ns)
    return;
  Branch branch = {.set = packets, .state = {.ct_state = ct_state}};
  if (start->kind == LW_START_LOCAL) {
    local_out(run, ns, &branch);
    return;
  }
  Link *link = lw_reach_link(ns, start->link);
  run->first = link && link->master != LW_NO_LINK ? start->kind : LW_START_FRAME;
  if (link && !(start->kind == LW_START_BRIDGED && link->master == LW_NO_LINK))
    frame_in(run, link, &branch, (Hop){.kind = TO_ANYBODY}, 0);
}

GPtrArray *lw_reach_from_recorded(LwReach *reach, const LwStart *start, LwMdd packets, LwCtState ct_state,
                                  LwApproximation approximation, LwPassages **passages) {
  Run run = {.reach = reach,
             .arrivals = g_ptr_array_new_with_free_func(g_free),
             .seen = g_hash_table_new_full(NULL, NULL, NULL, lw_reach_branches_unref)};
  if (passages) {
    *passages = g_new0(LwPassages, 1);
    (*passages)->passages = run.passages = g_array_new(FALSE, TRUE, sizeof(Passage));
    (*passages)->came_by = run.came_by = g_ptr_array_new_with_free_func(lw_reach_branches_unref);
    g_array_set_size(run.passages, 1);
  }
  reach->approximation = approximation;
  lw_reach_start(&run, start, packets, ct_state);
  g_hash_table_unref(run.seen);
  for (guint i = 0; i < run.arrivals->len; i++) {
    LwArrival *arrival = run.arrivals->pdata[i];
    arrival->packets = lw_packets_forget(reach->pool, arrival->packets, LW_HEADER_ETH_SRC);
  }
  return run.arrivals;
}

GPtrArray *lw_reach_from(LwReach *reach, const LwStart *start, LwMdd packets, LwCtState ct_state,
                         LwApproximation approximation) {
  return lw_reach_from_recorded(reach, start, packets, ct_state, approximation, NULL);
}

void lw_passages_free(LwPassages *passages) {
  if (!passages)
    return;
  g_array_unref(passages->passages);
  g_ptr_array_unref(passages->came_by);
  g_free(passages);
}

GPtrArray *lw_reach_unrefused(LwReach *reach, const LwStart *start, LwMdd packets, LwMdd *unrefused) {
  *unrefused = LW_MDD_FALSE;
  reach->unrefused = unrefused;
  GPtrArray *arrivals = lw_reach_from(reach, start, packets, LW_CT_NEW, LW_REACH_MAY);
  reach->unrefused = NULL;
  return arrivals;
}

gboolean lw_reach_lose_link(LwReach *reach, const char *ns_name, const char *name, gboolean lost) {
  Ns *ns = lw_reach_ns(reach, ns_name);
  Link *link = ns ? lw_reach_link(ns, name) : NULL;
  if (!link || link->up != lost || !link->resource->up)
    return FALSE;
  link->up = !lost;
  g_hash_table_remove_all(ns->tables);
  return TRUE;
}

GPtrArray *lw_reach_trace(LwReach *reach, const LwStart *start, const LwHeader *header, LwCtState ct_state,
                          gboolean through_all) {
  GPtrArray *trace = g_ptr_array_new_with_free_func(lw_reach_step_free);
  g_autoptr(GPtrArray) arrivals = g_ptr_array_new_with_free_func(g_free);
  Run run = {.reach = reach,
             .arrivals = arrivals,
             .seen = g_hash_table_new_full(NULL, NULL, NULL, lw_reach_branches_unref)};
  reach->trace = trace;
  reach->through = through_all;
  reach->approximation = LW_REACH_MAY;
  lw_reach_start(&run, start, lw_packets_of(reach->pool, header), ct_state);
  reach->trace = NULL;
  reach->through = FALSE;
  g_hash_table_unref(run.seen);
  return trace;
}
