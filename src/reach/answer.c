/* Answers: one packet of a flow, taken back through the namespaces that it came by. */
#include "reach/run.h"

#include <string.h>

static LwAddr or_else(const LwAddr *written, const LwAddr *sent) {
  return lw_addr_is_set(written) ? *written : *sent;
}

/* As it comes in at a namespace that the packet left like this. */
static LwHeader turned(const LwHeader *sent, const LwRewrite *left) {
  LwHeader answer = *sent;
  answer.source = or_else(&left->destination, &sent->destination);
  answer.destination = or_else(&left->source, &sent->source);
  answer.sport = left->has_dport ? left->dport : sent->dport;
  answer.dport = left->has_sport ? left->sport : sent->sport;
  answer.mac = LW_MAC_NONE;
  if (sent->proto == 6)
    answer.tcp_flags = 0x12; /* SYN, ACK */
  if (sent->proto == 1 || sent->proto == 58)
    answer.icmp_type = sent->proto == 1 ? 0 : 129; /* echo reply */
  return answer;
}

static GArray *hook_at(LwReach *reach, const Passage *p, LwHook hook, guint iif, guint oif,
                       const GArray *in) {
  At at = {.reach = reach, .ns = p->ns, .hook = hook, .iif = iif, .oif = oif};
  return lw_reach_hook(&at, in);
}

/* Connection tracking puts back what it had translated: the destination before routing, the source behind it.
 */
static void put_back(GArray *branches, const LwHeader *sent, const LwRewrite *entered, gboolean destination) {
  for (guint i = 0; i < branches->len; i++) {
    LwRewrite *w = &g_array_index(branches, Branch, i).state.rewrite;
    if (destination)
      w->destination = or_else(&entered->source, &sent->source);
    else
      w->source = or_else(&entered->destination, &sent->destination);
  }
}

/* It came by two links: the answer comes in by the other, which may not forward. */
static gboolean is_forwarded_back(Run *run, const Passage *p, const LwHeader *answer) {
  if (p->oif == LW_NO_LINK)
    return TRUE;
  gboolean on = answer->source.family == 6 ? p->ns->forward6 : lw_reach_link_at(p->ns, p->oif)->forward4;
  if (!on && run->reach->trace)
    lw_reach_tell(run, p->ns, NULL, LW_STEP_STOPPED,
                  "the answer is not for this place, and forwarding is off");
  return on;
}

static gboolean is_routed_back(Run *run, const Passage *p, const GArray *branches) {
  LwMddPool *pool = run->reach->pool;
  if (p->state.replies) {
    if (run->reach->trace && p->state.reply_to != p->iif)
      lw_reach_tell(run, p->ns, NULL, LW_STEP_ROUTE, "reply-to sends the answer elsewhere");
    return p->state.reply_to == p->iif;
  }
  for (guint i = 0; i < branches->len; i++) {
    const Branch *branch = &g_array_index(branches, Branch, i);
    const LwAddr *written = &branch->state.rewrite.destination;
    LwMdd packet = branch->set;
    if (lw_addr_is_set(written)) {
      LwSpan destination = lw_span_addr(LW_HEADER_DADDR, written, written);
      packet = lw_packets_write(pool, packet, &destination);
    }
    if (lw_reach_leads(run->reach, p->ns, &branch->state, p->oif, p->iif, packet))
      return TRUE;
  }
  if (run->reach->trace)
    lw_reach_tell(run, p->ns, NULL, LW_STEP_ROUTE, "the answer has no route back");
  return FALSE;
}

/* Back through one namespace. */
static gboolean goes_back(Run *run, const LwHeader *sent, const Passage *p) {
  LwReach *reach = run->reach;
  LwHeader answer = turned(sent, &p->state.rewrite);
  Branch branch = {.set = lw_packets_of(reach->pool, &answer),
                   .state = {.ct_state = LW_CT_ESTABLISHED,
                             .reply = TRUE,
                             .own_mac = TRUE,
                             .ct_mark = p->state.ct_mark,
                             .ct_mark_unknown = p->state.ct_mark_unknown,
                             .dnat = p->state.dnat,
                             .snat = p->state.snat}};
  g_autoptr(GArray) now = lw_reach_one_branch(&branch);
  if (p->oif != LW_NO_LINK) {
    GArray *after = hook_at(reach, p, LW_HOOK_PREROUTING, p->oif, LW_NO_LINK, now);
    g_array_unref(now);
    now = after;
    put_back(now, sent, &p->state.entry, TRUE);
  }
  if (now->len && p->iif == LW_NO_LINK) {
    g_autoptr(GArray) in = hook_at(reach, p, LW_HOOK_INPUT, p->oif, LW_NO_LINK, now);
    return in->len > 0;
  }
  if (now->len == 0 || !is_forwarded_back(run, p, &answer) || !is_routed_back(run, p, now))
    return FALSE;
  LwHook hook = p->oif == LW_NO_LINK ? LW_HOOK_OUTPUT : LW_HOOK_FORWARD;
  g_autoptr(GArray) through_filter = hook_at(reach, p, hook, p->oif, p->iif, now);
  put_back(through_filter, sent, &p->state.entry, FALSE);
  g_autoptr(GArray) out = hook_at(reach, p, LW_HOOK_POSTROUTING, p->oif, p->iif, through_filter);
  return out->len > 0;
}

static guint last_passage(LwReach *reach, const LwPassages *passages, guint arrival, const LwHeader *header) {
  const GArray *came_by = g_ptr_array_index(passages->came_by, arrival);
  for (guint i = 0; i < came_by->len; i++) {
    const CameBy *one = &g_array_index(came_by, CameBy, i);
    if (lw_packets_contain(reach->pool, one->set, header))
      return one->passage;
  }
  return 0;
}

static gboolean comes_back(LwReach *reach, const LwPassages *passages, guint last, const LwHeader *header) {
  Run run = {.reach = reach};
  for (guint at = last; at; at = g_array_index(passages->passages, Passage, at).parent)
    if (!goes_back(&run, header, &g_array_index(passages->passages, Passage, at)))
      return FALSE;
  return TRUE;
}

gboolean lw_reach_answer(LwReach *reach, const LwPassages *passages, guint arrival, const LwHeader *header,
                         GPtrArray **steps) {
  guint last = last_passage(reach, passages, arrival, header);
  reach->approximation = LW_REACH_MAY;
  *steps = NULL;
  if (comes_back(reach, passages, last, header))
    return TRUE;
  reach->trace = *steps = g_ptr_array_new_with_free_func(lw_reach_step_free);
  (void)comes_back(reach, passages, last, header);
  reach->trace = NULL;
  return FALSE;
}
