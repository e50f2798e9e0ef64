/* What the world says of groups. */
#include "reach/alike_internal.h"

/* --- the world
 * ---------------------------------------------------------------------------------------------------- */

/* How many addresses its link had before: the first one of a link has a meaning. */
static guint32 ordinal_of(GHashTable *seen, const LwResource *r) {
  g_autofree char *key = g_strdup_printf("%s/%s", r->ns ? r->ns : "", r->link ? r->link : "");
  guint before = GPOINTER_TO_UINT(g_hash_table_lookup(seen, key));
  g_hash_table_insert(seen, g_steal_pointer(&key), GUINT_TO_POINTER(before + 1));
  return before;
}

/* The other end counts where it is looked into. */
static void say_link(LwAlike *a, const LwResource *r) {
  gboolean inside = r->peer && *r->peer && lw_reach_ns(a->reach, r->peer_ns);
  lw_alike_say_name(a, r->name);
  lw_alike_say_number(a, r->link_type);
  lw_alike_say_text(a, inside ? r->peer_ns : "elsewhere");
  lw_alike_say_name(a, inside ? r->peer : NULL);
  lw_alike_say_name(a, r->master);
  lw_alike_word(a, (r->up ? 1u : 0) | (r->isolated ? 2u : 0));
}

/* An address is of its network, too: that must be no more than the group's own. */
static void say_address(LwAlike *a, const LwResource *r, guint32 ordinal) {
  lw_alike_say_name(a, r->link);
  lw_alike_say_addr(a, &r->prefix.addr);
  lw_alike_word(a, r->prefix.len);
  lw_alike_word(a, ordinal);
  if (r->prefix.addr.family != 4)
    return;
  LwRange range = lw_prefix_range(&r->prefix);
  guint32 first = lw_addr_v4(&range.first), last = lw_addr_v4(&range.last);
  guint32 self = lw_addr_v4(&r->prefix.addr);
  const Own *own_self = lw_alike_owner_of(a, self, self);
  if (own_self && !lw_alike_owner_of(a, first, last))
    lw_alike_set_apart(a, own_self->group);
  if (!own_self)
    lw_alike_note_range(a, first, last);
}

static void say_route(LwAlike *a, const LwResource *r) {
  lw_alike_say_name(a, r->link);
  lw_alike_say_prefix(a, &r->prefix);
  lw_alike_say_addr(a, &r->via);
  lw_alike_word(a, r->table);
  lw_alike_word(a, r->metric);
  lw_alike_word(a, r->route_type);
}

static void say_rule(LwAlike *a, const LwResource *r) {
  lw_alike_say_name(a, r->iif);
  lw_alike_say_name(a, r->oif);
  lw_alike_say_prefix(a, &r->from);
  lw_alike_say_prefix(a, &r->to);
}

/* "net/ipv4/conf/LINK/forwarding" */
static void say_setting(LwAlike *a, const LwResource *r) {
  g_auto(GStrv) parts = g_strsplit(r->name, "/", -1);
  for (guint i = 0; parts[i]; i++)
    lw_alike_say_name(a, parts[i]);
  lw_alike_say_text(a, r->value);
}

/* FALSE: it has no part in where packets go. */
static gboolean say_resource(LwAlike *a, const LwResource *r, GHashTable *addresses) {
  lw_alike_word(a, SAYS_RESOURCE);
  lw_alike_word(a, r->kind);
  lw_alike_say_text(a, r->ns);
  switch (r->kind) {
  case LW_RES_LINK:
  case LW_RES_TUNNEL:
    say_link(a, r);
    break;
  case LW_RES_ADDRESS:
    say_address(a, r, ordinal_of(addresses, r));
    break;
  case LW_RES_ROUTE:
  case LW_RES_DHCP_CLIENT:
    say_route(a, r);
    break;
  case LW_RES_RULE:
    say_rule(a, r);
    break;
  case LW_RES_SYSCTL:
    say_setting(a, r);
    break;
  default:
    return FALSE;
  }
  lw_alike_say_text(a, r->unknown);
  return TRUE;
}

/* Routing rules are asked in their order: whom one of them names has a place there that nobody else has. */
static void read_resource(LwAlike *a, const LwResource *r, GHashTable *addresses) {
  lw_alike_begin(a);
  if (!say_resource(a, r, addresses) || a->count == 0)
    lw_alike_forget(a);
  else if (a->count > 1 || a->too_many || r->kind == LW_RES_RULE)
    lw_alike_set_all_apart(a);
  else
    lw_alike_keep_fact(a, a->mentions[0]);
}

static void note_place(LwAlike *a, const LwSet *set, guint position, const Token *token, guint edge) {
  const Place key = {set, position, token->group, token->role};
  GArray *numbers = g_hash_table_lookup(a->places, &key);
  if (!numbers) {
    numbers = g_array_new(FALSE, FALSE, sizeof(guint));
    g_hash_table_insert(a->places, g_memdup2(&key, sizeof key), numbers);
  }
  g_array_append_val(numbers, edge);
}

static void keep_element_edge(LwAlike *a, const LwSet *set, const LwElement *element) {
  const ElementEdge one = {element, lw_alike_keep_edge(a)};
  SetEdges *edges = g_hash_table_lookup(a->set_edges, set);
  if (!edges) {
    edges = g_new0(SetEdges, 1);
    edges->edges = g_array_new(FALSE, FALSE, sizeof(ElementEdge));
    g_hash_table_insert(a->set_edges, (gpointer)set, edges);
  }
  g_array_append_val(edges->edges, one);
  for (guint i = 0; i < element->key->len && i < 32; i++) {
    const LwValue *value = &g_array_index(element->key, LwValue, i);
    const Token *token = lw_alike_has_name(value) ? g_hash_table_lookup(a->names, value->name) : NULL;
    if (token)
      note_place(a, set, i, token, one.edge);
    if (!lw_alike_has_name(value))
      edges->wild |= 1u << i;
    else if (!token)
      edges->plain |= 1u << i;
  }
}

static void read_element(LwAlike *a, const LwSet *set, guint number, const LwElement *element) {
  lw_alike_begin(a);
  lw_alike_word(a, SAYS_ELEMENT);
  lw_alike_word(a, number);
  for (guint i = 0; i < element->key->len; i++)
    lw_alike_say_value(a, &g_array_index(element->key, LwValue, i));
  lw_alike_say_value(a, &element->data);
  lw_alike_say_value(a, &element->data_port);
  lw_alike_word(a, element->verdict.kind);
  if (element->verdict.chain)
    lw_alike_say_text(a, element->verdict.chain);
  if (a->too_many)
    lw_alike_set_all_apart(a);
  else if (a->count > 1)
    keep_element_edge(a, set, element);
  else if (a->count == 1)
    lw_alike_keep_fact(a, a->mentions[0]);
  else
    lw_alike_forget(a);
}

/* Rules are asked in their order: whom one of them names by itself is alike with nobody. */
static void read_rule(LwAlike *a, const LwRule *rule) {
  lw_alike_begin(a);
  for (guint m = 0; m < rule->matches->len; m++) {
    const LwMatch *match = rule->matches->pdata[m];
    for (guint i = 0; i < match->values->len; i++)
      lw_alike_say_value(a, &g_array_index(match->values, LwValue, i));
  }
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    lw_alike_say_value(a, &action->to);
    lw_alike_say_value(a, &action->to_port);
    lw_alike_say_name(a, action->text);
  }
  lw_alike_set_all_apart(a);
}

static void read_ruleset(LwAlike *a, const LwRuleset *ruleset, guint *sets) {
  for (guint s = 0; s < ruleset->sets->len; s++) {
    const LwSet *set = ruleset->sets->pdata[s];
    guint number = (*sets)++;
    for (guint i = 0; i < set->elements->len; i++)
      read_element(a, set, number, set->elements->pdata[i]);
  }
  for (guint c = 0; c < ruleset->chains->len; c++) {
    const LwChain *chain = ruleset->chains->pdata[c];
    for (guint i = 0; i < chain->rules->len; i++)
      read_rule(a, chain->rules->pdata[i]);
    lw_alike_begin(a);
    for (guint i = 0; i < chain->devices->len; i++)
      lw_alike_say_name(a, chain->devices->pdata[i]);
    lw_alike_set_all_apart(a);
  }
}

static gint by_first(gconstpointer x, gconstpointer y) {
  const Own *a = x, *b = y;
  return a->first < b->first ? -1 : a->first > b->first;
}

static void sort_owned(LwAlike *a) {
  g_array_sort(a->owned, by_first);
  for (guint i = 1; i < a->owned->len; i++) {
    const Own *one = &g_array_index(a->owned, Own, i - 1), *next = one + 1;
    if (one->last >= next->first) {
      lw_alike_set_apart(a, one->group);
      lw_alike_set_apart(a, next->group);
    }
  }
}

void lw_alike_read_world(LwAlike *a) {
  const GPtrArray *list = a->reach->world->list;
  g_autoptr(GHashTable) addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint sets = 0;
  sort_owned(a);
  for (guint i = 0; i < list->len; i++) {
    const LwResource *r = list->pdata[i];
    if (!lw_reach_ns(a->reach, r->ns))
      continue;
    if (r->kind == LW_RES_RULESET && r->ruleset)
      read_ruleset(a, r->ruleset, &sets);
    else
      read_resource(a, r, addresses);
  }
}
