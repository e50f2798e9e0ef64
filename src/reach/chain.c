/* Chains: a set of packets goes through the rules, parts of it fall out by the way. */
#include "reach/internal.h"

#include <string.h>

#define DEPTH_MAX 24
#define ASIDE_MAX 6

typedef struct {
  At *at;
  const LwChain *chain;
  GArray *accepted; /* of Branch */
  guint depth;
  guint8 family; /* of the packets whose addresses are translated */
} Walk;

static gboolean state_equal(const State *a, const State *b) {
  return a->mark == b->mark && a->ct_mark == b->ct_mark && a->mark_unknown == b->mark_unknown &&
         a->ct_mark_unknown == b->ct_mark_unknown && a->ct_state == b->ct_state && a->dnat == b->dnat &&
         a->dnat_settled == b->dnat_settled && a->snat_settled == b->snat_settled && a->snat == b->snat &&
         a->reply == b->reply && a->own_mac == b->own_mac && rewrite_equal(&a->rewrite, &b->rewrite) &&
         rewrite_equal(&a->entry, &b->entry) && a->routed == b->routed && a->route_to == b->route_to &&
         lw_addr_equal(&a->route_via, &b->route_via) && a->replies == b->replies &&
         a->reply_to == b->reply_to;
}

/* Equal states are joined: from here on nothing tells them apart. */
static void put(GArray *branches, LwMddPool *pool, LwMdd set, const State *state) {
  if (set == LW_MDD_FALSE)
    return;
  for (guint i = 0; i < branches->len; i++) {
    Branch *known = &g_array_index(branches, Branch, i);
    if (!state_equal(&known->state, state))
      continue;
    known->set = lw_mdd_or(pool, known->set, set);
    return;
  }
  Branch fresh = {set, *state};
  g_array_append_val(branches, fresh);
}

static GArray *branches_new(void) {
  return g_array_new(FALSE, FALSE, sizeof(Branch));
}

static gboolean is_must(const Walk *w) {
  return w->at->reach->approximation == LW_REACH_MUST;
}

/* --- what a rule matches
 * --------------------------------------------------------------------------------------- */

static void note_unknown(const Walk *w, const char *text) {
  if (text)
    lw_reach_note_unknown(w->at->reach, text);
}

static gboolean is_uncertain(const LwAction *action) {
  return action->kind == LW_ACTION_LIMIT || action->kind == LW_ACTION_UNKNOWN;
}

/* Which of `in` the rule holds for, surely and perhaps. */
static Held rule_held(const Walk *w, const LwRule *rule, LwMdd in, const State *state) {
  LwMddPool *pool = w->at->reach->pool;
  Held held = {in, in};
  for (guint i = 0; i < rule->matches->len && held.may != LW_MDD_FALSE; i++) {
    const LwMatch *match = rule->matches->pdata[i];
    Held one = lw_reach_match(w->at, rule, match, state);
    held.may = lw_mdd_and(pool, held.may, one.may);
    held.must = one.must == one.may && held.must == in ? held.may : lw_mdd_and(pool, held.must, one.must);
  }
  for (guint i = 0; i < rule->actions->len; i++)
    if (is_uncertain(rule->actions->pdata[i]))
      held.must = LW_MDD_FALSE;
  return held;
}

static void name_unknowns(const Walk *w, const LwRule *rule) {
  g_autofree char *text = lw_rule_format(rule);
  g_autofree char *where = g_strdup_printf("%s%s%s: %s", *w->at->ns->name ? w->at->ns->name : "host", ": ",
                                           w->at->ruleset->name, text);
  note_unknown(w, where);
}

/* --- what it does
 * ------------------------------------------------------------------------------------------------ */

/* The branches of one rule on their way through its actions. */
typedef struct {
  GArray *going;    /* of Branch: still in this rule */
  GArray *next;     /* of Branch: at the next rule */
  GArray *returned; /* of Branch: left the chain without a verdict */
  const LwRule *rule;
} Doing;

static void walk_chain(Walk *w, const LwChain *chain, guint first, const Branch *in, GArray *returned);

static void step(const Walk *w, const Doing *d, const Branch *branch, LwVerdictKind verdict, char *text) {
  const LwElement *element = NULL;
  if (w->at->reach->trace)
    element = lw_reach_deciding_element(w->at, d->rule, &branch->state, branch->set);
  lw_reach_step(w->at, LW_STEP_RULE, d->rule, w->chain, verdict, element, text);
}

static void jump(Walk *w, const Branch *branch, const char *name, GArray *returned) {
  const RulesetIndex *index = lw_reach_ruleset_index(w->at->reach, w->at->ruleset);
  const LwChain *chain = name ? g_hash_table_lookup(index->chains, name) : NULL;
  if (!chain || w->depth >= DEPTH_MAX) {
    put(returned, w->at->reach->pool, branch->set, &branch->state);
    return;
  }
  Walk inner = *w;
  inner.chain = chain;
  inner.depth++;
  walk_chain(&inner, chain, 0, branch, returned);
}

static void decide(Walk *w, Doing *d, const Branch *branch, const LwVerdict *verdict) {
  LwMddPool *pool = w->at->reach->pool;
  switch (verdict->kind) {
  case LW_VERDICT_ACCEPT:
    step(w, d, branch, LW_VERDICT_ACCEPT, NULL);
    put(w->accepted, pool, branch->set, &branch->state);
    break;
  case LW_VERDICT_DROP:
    step(w, d, branch, LW_VERDICT_DROP, NULL);
    if (w->at->reach->through)
      put(w->accepted, pool, branch->set, &branch->state);
    break;
  case LW_VERDICT_JUMP:
    jump(w, branch, verdict->chain, d->next);
    break;
  case LW_VERDICT_GOTO:
    jump(w, branch, verdict->chain, d->returned);
    break;
  case LW_VERDICT_RETURN:
    put(d->returned, pool, branch->set, &branch->state);
    break;
  case LW_VERDICT_NONE:
    put(d->next, pool, branch->set, &branch->state);
    break;
  }
}

/* A change of one branch's state, by what a map holds for it (element) or a fixed value (element NULL).
 * FALSE: not known what it becomes. */
typedef gboolean (*Change)(const Walk *w, const LwAction *action, const LwElement *element, State *state);

static gboolean number_of(const LwAction *action, const LwElement *element, guint32 old, guint32 *out) {
  if (element && (element->data.kind != LW_VALUE_NUMBER || element->data.first != element->data.last))
    return FALSE;
  *out = (old & action->keep) ^ (element ? element->data.first : action->number);
  return TRUE;
}

static gboolean change_mark(const Walk *w, const LwAction *action, const LwElement *element, State *state) {
  (void)w;
  state->mark_unknown =
      !number_of(action, element, state->mark, &state->mark) || (state->mark_unknown && action->keep);
  return !state->mark_unknown;
}

static gboolean change_ct_mark(const Walk *w, const LwAction *action, const LwElement *element,
                               State *state) {
  (void)w;
  state->ct_mark_unknown = !number_of(action, element, state->ct_mark, &state->ct_mark) ||
                           (state->ct_mark_unknown && action->keep);
  return !state->ct_mark_unknown;
}

static gboolean single_addr(const LwValue *value, LwAddr *out) {
  if (value->kind == LW_VALUE_PREFIX && value->prefix.len == (value->prefix.addr.family == 6 ? 128 : 32))
    *out = value->prefix.addr;
  else if (value->kind == LW_VALUE_RANGE && lw_addr_equal(&value->range.first, &value->range.last))
    *out = value->range.first;
  else
    return FALSE;
  return TRUE;
}

static gboolean single_port(const LwValue *value, guint16 *out) {
  if (value->kind != LW_VALUE_NUMBER || value->first != value->last)
    return FALSE;
  *out = (guint16)value->first;
  return TRUE;
}

static gboolean change_destination(const Walk *w, const LwAction *action, const LwElement *element,
                                   State *state) {
  (void)w;
  const LwValue *to = element ? &element->data : &action->to;
  const LwValue *port = element ? &element->data_port : &action->to_port;
  state->dnat = state->dnat_settled = TRUE;
  if (lw_value_is_set(port)) {
    if (!single_port(port, &state->rewrite.dport))
      return FALSE;
    state->rewrite.has_dport = TRUE;
  }
  return !lw_value_is_set(to) || single_addr(to, &state->rewrite.destination);
}

static LwAddr local6(void) {
  return (LwAddr){.family = 6, .bytes = {[15] = 1}};
}

/* To an address of the interface it came in by; to 127.0.0.1 what was sent here. */
static gboolean change_to_local(const Walk *w, const LwAction *action, const LwElement *element,
                                State *state) {
  const Link *link = lw_reach_link_at(w->at->ns, w->at->iif);
  const LwValue *port = element ? &element->data : &action->to_port;
  state->dnat = state->dnat_settled = TRUE;
  state->rewrite.destination = link             ? w->family == 6 ? link->address6 : link->address
                               : w->family == 6 ? local6()
                                                : lw_addr_from_v4(0x7f000001);
  if (lw_value_is_set(port) && !single_port(port, &state->rewrite.dport))
    return FALSE;
  if (!lw_value_is_set(port) && action->number)
    state->rewrite.dport = (guint16)action->number;
  state->rewrite.has_dport |= lw_value_is_set(port) || action->number;
  return lw_addr_is_set(&state->rewrite.destination);
}

static gboolean change_source(const Walk *w, const LwAction *action, const LwElement *element, State *state) {
  (void)w;
  const LwValue *to = element ? &element->data : &action->to;
  state->snat = state->snat_settled = TRUE;
  if (lw_value_is_set(to) && !single_addr(to, &state->rewrite.source))
    state->rewrite.source_unknown = TRUE;
  return TRUE;
}

static gboolean change_masquerade(const Walk *w, const LwAction *action, const LwElement *element,
                                  State *state) {
  (void)action;
  (void)element;
  const Link *link = lw_reach_link_at(w->at->ns, w->at->oif);
  state->snat = state->snat_settled = TRUE;
  state->rewrite.source = link && w->family == 4 ? link->address : LW_ADDR_NONE; /* of several it takes one */
  state->rewrite.source_unknown = !lw_addr_is_set(&state->rewrite.source);
  return TRUE;
}

static gboolean change_mark_from_ct(const Walk *w, const LwAction *action, const LwElement *element,
                                    State *state) {
  (void)w;
  (void)element;
  state->mark = (state->mark & action->keep) | (state->ct_mark & ~action->keep);
  state->mark_unknown = state->ct_mark_unknown || (state->mark_unknown && action->keep);
  return TRUE;
}

static gboolean change_ct_from_mark(const Walk *w, const LwAction *action, const LwElement *element,
                                    State *state) {
  (void)w;
  (void)element;
  state->ct_mark = (state->ct_mark & action->keep) | (state->mark & ~action->keep);
  state->ct_mark_unknown = state->mark_unknown || (state->ct_mark_unknown && action->keep);
  return TRUE;
}

static gboolean change_notrack(const Walk *w, const LwAction *action, const LwElement *element,
                               State *state) {
  (void)w;
  (void)action;
  (void)element;
  state->ct_state = LW_CT_UNTRACKED;
  return TRUE;
}

static guint named_link(const Walk *w, const LwAction *action) {
  const Link *link = lw_reach_link(w->at->ns, action->text);
  return link ? link->number : LW_NO_LINK;
}

static gboolean change_route(const Walk *w, const LwAction *action, const LwElement *element, State *state) {
  (void)element;
  state->routed = TRUE;
  state->route_to = named_link(w, action);
  state->route_via = LW_ADDR_NONE;
  return !lw_value_is_set(&action->to) || single_addr(&action->to, &state->route_via);
}

static gboolean change_reply(const Walk *w, const LwAction *action, const LwElement *element, State *state) {
  (void)element;
  state->replies = TRUE;
  state->reply_to = named_link(w, action);
  return TRUE;
}

/* Those of the set that the translation leaves as they were. */
static LwMdd untranslated(LwMddPool *pool, LwMdd set, const LwRewrite *before, const LwRewrite *after) {
  if (!lw_addr_equal(&before->destination, &after->destination)) {
    if (lw_addr_is_set(&before->destination))
      return LW_MDD_FALSE;
    set = lw_mdd_and(pool, set, lw_packets_addr(pool, LW_HEADER_DADDR, &after->destination));
  }
  if (after->has_dport && !(before->has_dport && before->dport == after->dport)) {
    if (before->has_dport)
      return LW_MDD_FALSE;
    set = lw_mdd_and(pool, set, lw_packets_number(pool, LW_HEADER_DPORT, after->dport, after->dport));
  }
  return set;
}

static void changed(Walk *w, Doing *d, const LwAction *action, const LwElement *element, Branch branch,
                    Change change, gboolean final) {
  LwMddPool *pool = w->at->reach->pool;
  const State before = branch.state;
  if (!change(w, action, element, &branch.state)) {
    name_unknowns(w, d->rule);
    if (is_must(w))
      return;
  }
  if (w->at->reach->trace) {
    g_autofree char *text = lw_action_format(action);
    lw_reach_step(w->at, LW_STEP_RULE, d->rule, w->chain, LW_VERDICT_NONE, element, g_steal_pointer(&text));
  }
  if (final && branch.state.dnat && !before.dnat) {
    /* a flow to where it is sent anyway does not count as translated */
    State same = branch.state;
    same.dnat = FALSE;
    LwMdd set = untranslated(pool, branch.set, &before.rewrite, &branch.state.rewrite);
    if (set != LW_MDD_FALSE)
      put(w->accepted, pool, set, &same);
    branch.set = lw_mdd_minus(pool, branch.set, set);
  }
  if (branch.set != LW_MDD_FALSE)
    put(final ? w->accepted : d->going, pool, branch.set, &branch.state);
}

/* Each branch that is still in the rule is changed; where it looks something up and finds nothing, the rule
 * ends for it. */
static void change_all(Walk *w, Doing *d, const LwAction *action, Change change, gboolean final) {
  g_autoptr(GArray) before = d->going;
  d->going = branches_new();
  for (guint i = 0; i < before->len; i++) {
    Branch branch = g_array_index(before, Branch, i);
    if (!action->set) {
      changed(w, d, action, NULL, branch, change, final);
      continue;
    }
    gboolean unknown;
    g_autoptr(GArray) found = lw_reach_lookup(w->at, action->fields, action->set, &branch.state, &unknown);
    if (unknown)
      name_unknowns(w, d->rule);
    LwMdd left = branch.set;
    for (guint f = 0; f < found->len; f++) {
      const Found *one = &g_array_index(found, Found, f);
      Branch part = {lw_mdd_and(w->at->reach->pool, branch.set, one->set), branch.state};
      if (part.set == LW_MDD_FALSE)
        continue;
      left = lw_mdd_minus(w->at->reach->pool, left, part.set);
      if (!(unknown && is_must(w)))
        changed(w, d, action, one->element, part, change, final);
    }
    if (!(unknown && is_must(w)))
      put(d->next, w->at->reach->pool, unknown ? branch.set : left, &branch.state);
  }
}

/* 0: an address of whatever family the packet has. */
static guint8 family_of_target(const Walk *w, const LwAction *action) {
  const LwSet *set = action->set ? lw_ruleset_find_set(w->at->ruleset, action->set) : NULL;
  if (set && (set->data == LW_FIELD_SADDR || set->data == LW_FIELD_DADDR))
    return 4;
  if (set && (set->data == LW_FIELD_SADDR6 || set->data == LW_FIELD_DADDR6))
    return 6;
  return action->to.kind == LW_VALUE_PREFIX  ? action->to.prefix.addr.family
         : action->to.kind == LW_VALUE_RANGE ? action->to.range.first.family
                                             : 0;
}

/* Addresses of one family for packets of that family; those of the other one go on in the rule. */
static void translate_all(Walk *w, Doing *d, const LwAction *action, Change change) {
  LwMddPool *pool = w->at->reach->pool;
  g_autoptr(GArray) before = d->going;
  g_autoptr(GArray) untouched = branches_new();
  guint8 only = family_of_target(w, action);
  d->going = branches_new();
  for (w->family = 4; w->family <= 6; w->family += 2) {
    for (guint i = 0; i < before->len; i++) {
      const Branch *branch = &g_array_index(before, Branch, i);
      LwMdd part = lw_mdd_and(pool, branch->set, lw_packets_family(pool, w->family));
      if (part != LW_MDD_FALSE)
        put(only && only != w->family ? untouched : d->going, pool, part, &branch->state);
    }
    change_all(w, d, action, change, TRUE);
  }
  for (guint i = 0; i < untouched->len; i++)
    put(d->going, pool, g_array_index(untouched, Branch, i).set, &g_array_index(untouched, Branch, i).state);
}

static void do_vmap(Walk *w, Doing *d, const LwAction *action) {
  g_autoptr(GArray) before = d->going;
  d->going = branches_new();
  for (guint i = 0; i < before->len; i++) {
    const Branch *branch = &g_array_index(before, Branch, i);
    gboolean unknown;
    g_autoptr(GArray) found = lw_reach_lookup(w->at, action->fields, action->set, &branch->state, &unknown);
    if (unknown)
      name_unknowns(w, d->rule);
    if (unknown && is_must(w))
      continue;
    LwMdd left = branch->set;
    for (guint f = 0; f < found->len; f++) {
      const Found *one = &g_array_index(found, Found, f);
      Branch part = {lw_mdd_and(w->at->reach->pool, branch->set, one->set), branch->state};
      if (part.set == LW_MDD_FALSE)
        continue;
      left = lw_mdd_minus(w->at->reach->pool, left, part.set);
      decide(w, d, &part, &one->element->verdict);
    }
    put(d->next, w->at->reach->pool, unknown ? branch->set : left, &branch->state);
  }
}

static void end_all(Walk *w, Doing *d, const LwVerdict *verdict) {
  for (guint i = 0; i < d->going->len; i++)
    decide(w, d, &g_array_index(d->going, Branch, i), verdict);
  g_array_set_size(d->going, 0);
}

/* It may accept, drop, change anything: it goes on with nothing known, and is let through. */
static void do_unknown(Walk *w, Doing *d) {
  name_unknowns(w, d->rule);
  for (guint i = 0; i < d->going->len; i++) {
    Branch *branch = &g_array_index(d->going, Branch, i);
    put(w->accepted, w->at->reach->pool, branch->set, &branch->state);
    branch->state.mark_unknown = branch->state.ct_mark_unknown = TRUE;
  }
}

static void do_action(Walk *w, Doing *d, const LwAction *action) {
  static const LwVerdict drop = {LW_VERDICT_DROP, NULL};
  switch (action->kind) {
  case LW_ACTION_VERDICT:
    end_all(w, d, &action->verdict);
    break;
  case LW_ACTION_REJECT:
  case LW_ACTION_REJECT_TCP:
    end_all(w, d, &drop);
    break;
  case LW_ACTION_VMAP:
    do_vmap(w, d, action);
    break;
  case LW_ACTION_SET_MARK:
    change_all(w, d, action, change_mark, FALSE);
    break;
  case LW_ACTION_SET_CT_MARK:
    change_all(w, d, action, change_ct_mark, FALSE);
    break;
  case LW_ACTION_MARK_FROM_CT:
    change_all(w, d, action, change_mark_from_ct, FALSE);
    break;
  case LW_ACTION_CT_FROM_MARK:
    change_all(w, d, action, change_ct_from_mark, FALSE);
    break;
  case LW_ACTION_NOTRACK:
    change_all(w, d, action, change_notrack, FALSE);
    break;
  case LW_ACTION_DNAT:
    translate_all(w, d, action, change_destination);
    break;
  case LW_ACTION_REDIRECT:
    translate_all(w, d, action, change_to_local);
    break;
  case LW_ACTION_SNAT:
    translate_all(w, d, action, change_source);
    break;
  case LW_ACTION_MASQUERADE:
    translate_all(w, d, action, change_masquerade);
    break;
  case LW_ACTION_ROUTE_TO:
    change_all(w, d, action, change_route, FALSE);
    break;
  case LW_ACTION_REPLY_TO:
    change_all(w, d, action, change_reply, FALSE);
    break;
  case LW_ACTION_UNKNOWN:
    do_unknown(w, d);
    break;
  case LW_ACTION_COUNT:
  case LW_ACTION_LOG:
  case LW_ACTION_CLAMP_MSS:
  case LW_ACTION_LIMIT: /* the match was taken as uncertain */
  case LW_ACTION_NOTE:
    break;
  }
}

/* --- a rule, a chain, a hook
 * ----------------------------------------------------------------------------------- */

static gboolean only_refuses(const LwRule *rule) {
  const LwAction *last = rule->actions->len ? rule->actions->pdata[rule->actions->len - 1] : NULL;
  return last && (last->kind == LW_ACTION_REJECT || last->kind == LW_ACTION_REJECT_TCP ||
                  (last->kind == LW_ACTION_VERDICT && last->verdict.kind == LW_VERDICT_DROP));
}

static gboolean only_accepts(const LwRule *rule) {
  const LwAction *last = rule->actions->len ? rule->actions->pdata[rule->actions->len - 1] : NULL;
  if (!last || last->kind != LW_ACTION_VERDICT || last->verdict.kind != LW_VERDICT_ACCEPT)
    return FALSE;
  for (guint i = 0; i + 1 < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    if (action->kind > LW_ACTION_LOG && action->kind != LW_ACTION_LIMIT &&
        action->kind != LW_ACTION_CLAMP_MSS && action->kind != LW_ACTION_NOTE)
      return FALSE;
  }
  return TRUE;
}

static gboolean does_nothing(const LwRule *rule) {
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    if (action->kind > LW_ACTION_LOG && action->kind != LW_ACTION_LIMIT &&
        action->kind != LW_ACTION_CLAMP_MSS && action->kind != LW_ACTION_NOTE)
      return FALSE;
  }
  return !rule->unknown;
}

/* How much of the branch goes on to the next rule as it is, and how much the rule gets. What may match or not
 * does both (MAY), or, where only the sure counts, goes on if the rule would accept it, and is lost else. */
static void divide(const Walk *w, const LwRule *rule, LwMdd in, Held held, LwMdd *hit, LwMdd *rest) {
  LwMddPool *pool = w->at->reach->pool;
  if (held.must == held.may) {
    *hit = held.may;
    *rest = lw_mdd_minus(pool, in, held.may);
    return;
  }
  name_unknowns(w, rule);
  if (!is_must(w)) {
    *hit = held.may;
    *rest = lw_mdd_minus(pool, in, held.must);
    return;
  }
  *hit = held.must;
  *rest = lw_mdd_minus(pool, in, only_accepts(rule) ? held.must : held.may);
}

static void take_rule(Walk *w, const LwRule *rule, Branch *branch, Doing *d) {
  d->rule = rule;
  g_array_append_val(d->going, *branch);
  if (rule->unknown)
    do_unknown(w, d);
  for (guint i = 0; i < rule->actions->len && d->going->len; i++)
    do_action(w, d, rule->actions->pdata[i]);
  for (guint i = 0; i < d->going->len; i++) {
    const Branch *after = &g_array_index(d->going, Branch, i);
    put(d->next, w->at->reach->pool, after->set, &after->state);
  }
}

/* Nothing but verdicts from that rule on, in the chain where the base chain began. Then what was accepted
 * need not be taken out of what goes on: a later rule can accept it again or drop what is accepted already,
 * and neither means anything. It keeps what goes on small. */
static gboolean only_decides(const LwRule *rule) {
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    if (action->kind == LW_ACTION_VERDICT && action->verdict.kind != LW_VERDICT_ACCEPT &&
        action->verdict.kind != LW_VERDICT_DROP)
      return FALSE;
    if (action->kind > LW_ACTION_REJECT && action->kind != LW_ACTION_CLAMP_MSS &&
        action->kind != LW_ACTION_LIMIT && action->kind != LW_ACTION_NOTE)
      return FALSE;
    if (action->kind == LW_ACTION_VMAP)
      return FALSE;
  }
  return !rule->unknown;
}

static guint first_of_decisions(LwReach *reach, const LwChain *chain) {
  gpointer known;
  if (g_hash_table_lookup_extended(reach->decisions, chain, NULL, &known))
    return GPOINTER_TO_UINT(known);
  guint first = chain->rules->len;
  while (first > 0 && only_decides(chain->rules->pdata[first - 1]))
    first--;
  g_hash_table_insert(reach->decisions, (gpointer)chain, GUINT_TO_POINTER(first));
  return first;
}

/* Beside each other as long as they are few: joining large sets costs more than carrying them along. */
static void put_aside(GArray *branches, LwMddPool *pool, const Branch *branch) {
  if (branches->len < ASIDE_MAX && branch->set != LW_MDD_FALSE)
    g_array_append_val(branches, *branch);
  else
    put(branches, pool, branch->set, &branch->state);
}

/* Many rules only say no or yes; they need no lists. TRUE when that was all. */
static gboolean take_plain_rule(Walk *w, const LwRule *rule, const Branch *hit) {
  if (rule->unknown || w->at->reach->trace)
    return FALSE;
  if (only_refuses(rule) && rule->actions->len <= 3) {
    for (guint i = 0; i + 1 < rule->actions->len; i++)
      if (((LwAction *)rule->actions->pdata[i])->kind > LW_ACTION_LOG)
        return FALSE;
    return TRUE;
  }
  if (!only_accepts(rule))
    return FALSE;
  put_aside(w->accepted, w->at->reach->pool, hit);
  return TRUE;
}

static void walk_chain(Walk *w, const LwChain *chain, guint first, const Branch *in, GArray *returned) {
  Branch branch = *in;
  guint decisions = w->depth || w->at->reach->trace ? G_MAXUINT : first_of_decisions(w->at->reach, chain);
  for (guint i = first; i < chain->rules->len && branch.set != LW_MDD_FALSE; i++) {
    const LwRule *rule = chain->rules->pdata[i];
    if (does_nothing(rule))
      continue;
    Held held = rule_held(w, rule, branch.set, &branch.state);
    if (held.may == LW_MDD_FALSE)
      continue;
    Branch hit = {.state = branch.state};
    if (i >= decisions && held.must == held.may && only_accepts(rule))
      hit.set = held.may;
    else
      divide(w, rule, branch.set, held, &hit.set, &branch.set);
    if (take_plain_rule(w, rule, &hit))
      continue;
    Doing d = {branches_new(), branches_new(), returned, NULL};
    if (hit.set != LW_MDD_FALSE)
      take_rule(w, rule, &hit, &d);
    for (guint n = 0; n < d.next->len; n++) {
      const Branch *next = &g_array_index(d.next, Branch, n);
      if (state_equal(&next->state, &branch.state))
        branch.set = lw_mdd_or(w->at->reach->pool, branch.set, next->set);
      else
        walk_chain(w, chain, i + 1, next, returned);
    }
    g_array_unref(d.going);
    g_array_unref(d.next);
  }
  put(returned, w->at->reach->pool, branch.set, &branch.state);
}

static LwMdd family_of(LwMddPool *pool, LwFamily family) {
  if (family == LW_FAMILY_IP)
    return lw_packets_family(pool, 4);
  return family == LW_FAMILY_IP6 ? lw_packets_family(pool, 6) : LW_MDD_TRUE;
}

/* NAT rules are asked once a flow; what was translated on this hook is not asked again. Nor are pf's rules
 * asked of answers: there is a state for them. */
static gboolean passes_by(const At *at, const Hooked *hooked, const State *state) {
  const LwChain *chain = hooked->chain;
  if (hooked->ruleset->stateful && state->reply)
    return TRUE;
  if (!chain->nat)
    return FALSE;
  gboolean source = at->hook == LW_HOOK_POSTROUTING || at->hook == LW_HOOK_INPUT;
  return (state->ct_state != LW_CT_NEW && !hooked->ruleset->stateful) ||
         (source ? state->snat_settled : state->dnat_settled);
}

/* Packets that a nat chain may never see: nothing that is known needs connection tracking, and without it the
 * chain is not asked. Perhaps something unknown does. */
static LwMdd perhaps_unseen(const At *at, const Hooked *hooked, LwMdd set) {
  LwMddPool *pool = at->reach->pool;
  gboolean idle = hooked->chain->rules->len == 0 && !hooked->chain->drop;
  if (!hooked->chain->nat || idle || hooked->ruleset->stateful || at->bridge_family ||
      (at->ns->tracked4 && at->ns->tracked6))
    return LW_MDD_FALSE;
  LwMdd untracked = LW_MDD_FALSE;
  if (!at->ns->tracked4)
    untracked = lw_mdd_or(pool, untracked, lw_packets_family(pool, 4));
  if (!at->ns->tracked6)
    untracked = lw_mdd_or(pool, untracked, lw_packets_family(pool, 6));
  return lw_mdd_and(pool, set, untracked);
}

static void walk_base(At *at, const Hooked *hooked, const GArray *in, GArray *out) {
  LwMddPool *pool = at->reach->pool;
  at->ruleset = hooked->ruleset;
  Walk w = {.at = at, .chain = hooked->chain, .accepted = out};
  LwMdd family = family_of(pool, hooked->ruleset->family);
  for (guint i = 0; i < hooked->ruleset->unknown->len; i++)
    note_unknown(&w, hooked->ruleset->unknown->pdata[i]);
  for (guint i = 0; i < in->len; i++) {
    Branch branch = g_array_index(in, Branch, i);
    if (passes_by(at, hooked, &branch.state)) {
      put(out, pool, branch.set, &branch.state);
      continue;
    }
    if (family != LW_MDD_TRUE) {
      put(out, pool, lw_mdd_minus(pool, branch.set, family), &branch.state);
      branch.set = lw_mdd_and(pool, branch.set, family);
    }
    if (branch.set == LW_MDD_FALSE)
      continue;
    LwMdd unseen = perhaps_unseen(at, hooked, branch.set);
    if (unseen != LW_MDD_FALSE) {
      note_unknown(&w,
                   "a nat chain in a namespace where no rule needs connection tracking: it may not be asked");
      if (is_must(&w))
        branch.set = lw_mdd_minus(pool, branch.set, unseen);
      else
        put(out, pool, unseen, &branch.state);
    }
    g_autoptr(GArray) returned = branches_new();
    walk_chain(&w, hooked->chain, 0, &branch, returned);
    for (guint r = 0; r < returned->len; r++) {
      const Branch *left = &g_array_index(returned, Branch, r);
      if (left->set == LW_MDD_FALSE)
        continue;
      if (hooked->chain->drop || hooked->chain->rules->len)
        lw_reach_step(at, LW_STEP_POLICY, NULL, hooked->chain,
                      hooked->chain->drop ? LW_VERDICT_DROP : LW_VERDICT_ACCEPT, NULL, NULL);
      if (!hooked->chain->drop || at->reach->through)
        put(out, pool, left->set, &left->state);
    }
  }
}

GArray *lw_reach_hook(At *at, const GArray *in) {
  const GArray *hooks = at->bridge_family ? at->ns->bridge_hooks[at->hook] : at->ns->hooks[at->hook];
  GArray *now = branches_new();
  if (at->reach->looked)
    g_hash_table_add(at->reach->looked->namespaces, at->ns);
  g_array_append_vals(now, in->data, in->len);
  for (guint i = 0; i < hooks->len && now->len; i++) {
    GArray *out = branches_new();
    walk_base(at, &g_array_index(hooks, Hooked, i), now, out);
    g_array_unref(now);
    now = out;
  }
  return now;
}
