/* Matches and set lookups as sets of packets.
 *
 * Of a branch some fields are known: the interfaces, the connection's state, marks, addresses that were written.
 * They are compared at once; the others become a set. Sets that have an interface in their key are looked into
 * by its name, so that a thousand segments cost each packet its own segment's elements alone. */
#include "reach/internal.h"

#include <string.h>

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define TCP_SYN_MASK 0x17 /* fin, syn, rst, ack */
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define KEY_FIELDS_MAX 12

typedef enum { NO, YES, MAYBE, IN_SET } Truth;

/* --- an index of a set's elements by the name in one position of the key
 * ------------------------------------------ */

typedef struct {
  GHashTable *by_name[KEY_FIELDS_MAX]; /* name -> GPtrArray of LwElement*; NULL: not made yet */
  GPtrArray *wild[KEY_FIELDS_MAX];     /* "foo*", and whatever is no name */
} SetIndex;

void lw_reach_set_index_free(gpointer data) {
  SetIndex *index = data;
  for (guint i = 0; i < KEY_FIELDS_MAX; i++) {
    g_clear_pointer(&index->by_name[i], g_hash_table_unref);
    g_clear_pointer(&index->wild[i], g_ptr_array_unref);
  }
  g_free(index);
}

static gboolean is_wild(const LwValue *value) {
  return value->kind != LW_VALUE_NAME || g_str_has_suffix(value->name, "*");
}

static void elements_unref(gpointer data) {
  g_ptr_array_unref(data);
}

static SetIndex *index_of(LwReach *reach, const LwSet *set, guint position) {
  SetIndex *index = g_hash_table_lookup(reach->set_index, set);
  if (!index) {
    index = g_new0(SetIndex, 1);
    g_hash_table_insert(reach->set_index, (gpointer)set, index);
  }
  if (index->by_name[position])
    return index;
  index->by_name[position] = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, elements_unref);
  index->wild[position] = g_ptr_array_new();
  for (guint i = 0; i < set->elements->len; i++) {
    LwElement *element = set->elements->pdata[i];
    const LwValue *value = &g_array_index(element->key, LwValue, position);
    if (is_wild(value)) {
      g_ptr_array_add(index->wild[position], element);
      continue;
    }
    GPtrArray *same = g_hash_table_lookup(index->by_name[position], value->name);
    if (!same) {
      same = g_ptr_array_new();
      g_hash_table_insert(index->by_name[position], value->name, same);
    }
    g_ptr_array_add(same, element);
  }
  return index;
}

/* --- one value
 * --------------------------------------------------------------------------------------------------- */

static const char *link_name(const At *at, guint number) {
  const Link *link = lw_reach_link_at(at->ns, number);
  return link ? link->name : "";
}

static gboolean name_matches(const LwValue *value, const char *name) {
  if (value->kind != LW_VALUE_NAME)
    return FALSE;
  if (g_str_has_suffix(value->name, "*"))
    return strncmp(value->name, name, strlen(value->name) - 1) == 0;
  return g_str_equal(value->name, name);
}

static Truth truth(gboolean holds) {
  return holds ? YES : NO;
}

static Truth number_is(const LwValue *value, guint32 number) {
  return truth(value->kind == LW_VALUE_NUMBER && value->first <= number && number <= value->last);
}

static Truth addr_is(const LwValue *value, const LwAddr *addr) {
  if (value->kind == LW_VALUE_PREFIX)
    return truth(lw_prefix_contains(&value->prefix, addr));
  return truth(value->kind == LW_VALUE_RANGE && lw_range_contains(&value->range, addr));
}

static Truth written_addr_is(const LwValue *value, const LwAddr *written, guint8 family) {
  return written->family != family ? NO : addr_is(value, written);
}

static gboolean oif_is_open(const At *at) {
  return at->oif == LW_NO_LINK && !at->bridge_family &&
         (at->hook == LW_HOOK_FORWARD || at->hook == LW_HOOK_OUTPUT || at->hook == LW_HOOK_POSTROUTING);
}

static Truth state_is(const At *at, const State *state, LwField field, const LwValue *value) {
  const LwRewrite *w = &state->rewrite;
  switch (field) {
  case LW_FIELD_IIF:
    return truth(name_matches(value, link_name(at, at->iif)));
  case LW_FIELD_OIF:
    return oif_is_open(at) ? IN_SET : truth(name_matches(value, link_name(at, at->oif)));
  case LW_FIELD_IBRIDGE:
    return truth(name_matches(value, link_name(at, at->ibridge)));
  case LW_FIELD_CT_STATE:
    return truth((value->first & state->ct_state) != 0);
  case LW_FIELD_CT_DIRECTION:
    return number_is(value, 0);
  case LW_FIELD_CT_DNAT:
    return truth(state->dnat);
  case LW_FIELD_CT_MARK:
    return state->ct_mark_unknown ? MAYBE : number_is(value, state->ct_mark);
  case LW_FIELD_MARK:
    return state->mark_unknown ? MAYBE : number_is(value, state->mark);
  case LW_FIELD_SADDR:
  case LW_FIELD_SADDR6:
    if (w->source_unknown)
      return MAYBE;
    return lw_addr_is_set(&w->source) ? written_addr_is(value, &w->source, field == LW_FIELD_SADDR ? 4 : 6)
                                      : IN_SET;
  case LW_FIELD_DADDR:
  case LW_FIELD_DADDR6:
    return lw_addr_is_set(&w->destination)
               ? written_addr_is(value, &w->destination, field == LW_FIELD_DADDR ? 4 : 6)
               : IN_SET;
  case LW_FIELD_SPORT:
    return w->has_sport ? number_is(value, w->sport) : IN_SET;
  case LW_FIELD_DPORT:
    return w->has_dport ? number_is(value, w->dport) : IN_SET;
  case LW_FIELD_ETH_SRC:
    return state->own_mac ? MAYBE : IN_SET;
  case LW_FIELD_ARP_IP:
  case LW_FIELD_ARP_MAC:
    return NO; /* IP packets are followed here, no ARP */
  case LW_FIELD_PROTO:
  case LW_FIELD_ICMP_TYPE:
  case LW_FIELD_NFPROTO:
  case LW_FIELD_ETH_TYPE:
  case LW_FIELD_TCP_SYN:
  case LW_FIELD_TCP_RST:
    return IN_SET;
  case LW_FIELD_LAST:
    break;
  }
  return MAYBE;
}

static LwBdd oif_set(const At *at, const LwValue *value) {
  LwBdd set = LW_BDD_FALSE;
  if (!is_wild(value)) {
    const Link *link = lw_reach_link(at->ns, value->name);
    return link ? lw_packets_number(at->reach->pool, LW_HEADER_OIF, link->number, link->number)
                : LW_BDD_FALSE;
  }
  for (guint i = 0; i < at->ns->links->len; i++) {
    const Link *link = at->ns->links->pdata[i];
    if (name_matches(value, link->name))
      set = lw_bdd_or(at->reach->pool, set,
                      lw_packets_number(at->reach->pool, LW_HEADER_OIF, link->number, link->number));
  }
  return set;
}

static LwBdd of_proto(LwBddPool *pool, guint32 proto, LwBdd set) {
  return lw_bdd_and(pool, set, lw_packets_number(pool, LW_HEADER_PROTO, proto, proto));
}

static LwBdd family_set(LwBddPool *pool, const LwValue *value) {
  LwBdd set = LW_BDD_FALSE;
  if (value->first <= 2 && 2 <= value->last)
    set = lw_packets_family(pool, 4);
  if (value->first <= 10 && 10 <= value->last)
    set = lw_bdd_or(pool, set, lw_packets_family(pool, 6));
  return set;
}

static LwBdd frame_set(LwBddPool *pool, const LwValue *value) {
  LwBdd set = LW_BDD_FALSE;
  if (value->first <= 0x0800 && 0x0800 <= value->last)
    set = lw_packets_family(pool, 4);
  if (value->first <= 0x86dd && 0x86dd <= value->last)
    set = lw_bdd_or(pool, set, lw_packets_family(pool, 6));
  return set;
}

static LwBdd flags_set(LwBddPool *pool, const LwValue *value, guint32 flags, guint32 mask) {
  LwBdd all = of_proto(pool, PROTO_TCP, LW_BDD_TRUE);
  LwBdd with = lw_bdd_and(pool, all, lw_packets_masked(pool, LW_HEADER_TCP_FLAGS, flags, mask));
  return value->first ? with : lw_bdd_minus(pool, all, with);
}

static LwBdd value_set(const At *at, LwField field, const LwValue *value);

/* The span of a field's value; FALSE when it is no plain span. */
static gboolean span_of(LwField field, const LwValue *value, LwSpan *span) {
  static const struct {
    LwField field;
    LwHeaderField header;
  } plain[] = {
      {LW_FIELD_SADDR, LW_HEADER_SADDR},   {LW_FIELD_SADDR6, LW_HEADER_SADDR},
      {LW_FIELD_DADDR, LW_HEADER_DADDR},   {LW_FIELD_DADDR6, LW_HEADER_DADDR},
      {LW_FIELD_PROTO, LW_HEADER_PROTO},   {LW_FIELD_SPORT, LW_HEADER_SPORT},
      {LW_FIELD_DPORT, LW_HEADER_DPORT},   {LW_FIELD_ETH_SRC, LW_HEADER_ETH_SRC},
  };
  for (guint i = 0; i < G_N_ELEMENTS(plain); i++) {
    if (plain[i].field != field)
      continue;
    LwHeaderField header = plain[i].header;
    if (value->kind == LW_VALUE_PREFIX)
      *span = lw_span_prefix(header, &value->prefix);
    else if (value->kind == LW_VALUE_RANGE)
      *span = lw_span_range(header, &value->range);
    else if (value->kind == LW_VALUE_NUMBER)
      *span = lw_span_number(header, value->first, value->last);
    else if (value->kind == LW_VALUE_MAC)
      *span = lw_span_mac(header, &value->mac);
    else
      return FALSE;
    return TRUE;
  }
  return FALSE;
}

static LwBdd value_set(const At *at, LwField field, const LwValue *value) {
  LwBddPool *pool = at->reach->pool;
  LwSpan span;
  if (span_of(field, value, &span))
    return lw_packets_box(pool, &span, 1);
  switch (field) {
  case LW_FIELD_OIF:
    return oif_set(at, value);
  case LW_FIELD_NFPROTO:
    return family_set(pool, value);
  case LW_FIELD_ETH_TYPE:
    return frame_set(pool, value);
  case LW_FIELD_TCP_SYN:
    return flags_set(pool, value, TCP_SYN, TCP_SYN_MASK);
  case LW_FIELD_TCP_RST:
    return flags_set(pool, value, TCP_RST, TCP_RST);
  case LW_FIELD_ICMP_TYPE:
    return of_proto(pool, PROTO_ICMP,
                    lw_packets_number(pool, LW_HEADER_ICMP_TYPE, value->first, value->last));
  default:
    return LW_BDD_FALSE;
  }
}

/* What a packet must be to have the field at all: a match on it fails for others, negated or not. */
static LwBdd has_field(LwBddPool *pool, LwField field) {
  switch (field) {
  case LW_FIELD_SADDR:
  case LW_FIELD_DADDR:
    return lw_packets_family(pool, 4);
  case LW_FIELD_SADDR6:
  case LW_FIELD_DADDR6:
    return lw_packets_family(pool, 6);
  case LW_FIELD_ICMP_TYPE:
    return of_proto(pool, PROTO_ICMP, LW_BDD_TRUE);
  case LW_FIELD_TCP_SYN:
  case LW_FIELD_TCP_RST:
    return of_proto(pool, PROTO_TCP, LW_BDD_TRUE);
  case LW_FIELD_ARP_IP:
  case LW_FIELD_ARP_MAC:
    return LW_BDD_FALSE;
  default:
    return LW_BDD_TRUE;
  }
}

/* --- one element
 * ------------------------------------------------------------------------------------------------- */

static Held element_held(const At *at, const GArray *fields, const LwElement *element, const State *state) {
  LwSpan spans[LW_BOX_SPANS_MAX];
  guint count = 0;
  guint32 used = 0;
  gboolean maybe = FALSE;
  LwBdd also = LW_BDD_TRUE;
  for (guint i = 0; i < fields->len; i++) {
    LwField field = g_array_index(fields, LwField, i);
    const LwValue *value = &g_array_index(element->key, LwValue, i);
    Truth holds = state_is(at, state, field, value);
    LwSpan span;
    if (holds == NO)
      return (Held){LW_BDD_FALSE, LW_BDD_FALSE};
    if (holds == MAYBE)
      maybe = TRUE;
    if (holds != IN_SET)
      continue;
    if (span_of(field, value, &span) && !(used & (1u << span.field))) {
      used |= 1u << span.field;
      spans[count++] = span;
    } else {
      also = lw_bdd_and(at->reach->pool, also, value_set(at, field, value));
    }
  }
  LwBdd set = lw_packets_box(at->reach->pool, spans, count);
  if (also != LW_BDD_TRUE)
    set = lw_bdd_and(at->reach->pool, set, also);
  return (Held){maybe ? LW_BDD_FALSE : set, set};
}

static const LwSet *set_by_name(const At *at, const char *name) {
  return name ? lw_ruleset_find_set(at->ruleset, name) : NULL;
}

/* The elements that can match at all: two lists, either may be NULL. */
static void candidates(const At *at, const GArray *fields, const LwSet *set, GPtrArray *lists[2]) {
  lists[0] = set->elements;
  lists[1] = NULL;
  for (guint i = 0; i < fields->len && i < KEY_FIELDS_MAX; i++) {
    LwField field = g_array_index(fields, LwField, i);
    const char *name = NULL;
    if (field == LW_FIELD_IIF)
      name = link_name(at, at->iif);
    else if (field == LW_FIELD_IBRIDGE)
      name = link_name(at, at->ibridge);
    else if (field == LW_FIELD_OIF && !oif_is_open(at))
      name = link_name(at, at->oif);
    if (!name)
      continue;
    SetIndex *index = index_of(at->reach, set, i);
    lists[0] = g_hash_table_lookup(index->by_name[i], name);
    lists[1] = index->wild[i];
    return;
  }
}

static Held set_held(const At *at, const LwMatch *match, const State *state) {
  const LwSet *set = set_by_name(at, match->set);
  if (!set || set->fields->len != match->fields->len)
    return (Held){LW_BDD_FALSE, LW_BDD_TRUE};
  GPtrArray *lists[2];
  candidates(at, match->fields, set, lists);
  g_autoptr(GArray) must = g_array_new(FALSE, FALSE, sizeof(LwBdd));
  g_autoptr(GArray) may = g_array_new(FALSE, FALSE, sizeof(LwBdd));
  for (guint l = 0; l < 2; l++)
    for (guint i = 0; lists[l] && i < lists[l]->len; i++) {
      Held held = element_held(at, match->fields, lists[l]->pdata[i], state);
      if (held.must != LW_BDD_FALSE)
        g_array_append_val(must, held.must);
      if (held.may != LW_BDD_FALSE && held.may != held.must)
        g_array_append_val(may, held.may);
    }
  LwBddPool *pool = at->reach->pool;
  LwBdd sure = lw_bdd_or_all(pool, (LwBdd *)(void *)must->data, must->len);
  LwBdd more = lw_bdd_or_all(pool, (LwBdd *)(void *)may->data, may->len);
  return (Held){sure, lw_bdd_or(pool, sure, more)};
}

static Held values_held(const At *at, const LwMatch *match, const State *state) {
  LwField field = g_array_index(match->fields, LwField, 0);
  Held held = {LW_BDD_FALSE, LW_BDD_FALSE};
  for (guint i = 0; i < match->values->len; i++) {
    const LwValue *value = &g_array_index(match->values, LwValue, i);
    Truth holds = state_is(at, state, field, value);
    LwBdd set = holds == NO ? LW_BDD_FALSE : holds == IN_SET ? value_set(at, field, value) : LW_BDD_TRUE;
    held.may = lw_bdd_or(at->reach->pool, held.may, set);
    if (holds != MAYBE)
      held.must = lw_bdd_or(at->reach->pool, held.must, set);
  }
  return held;
}

static Held negated(LwBddPool *pool, const LwMatch *match, const State *state, Held held) {
  LwBdd all = LW_BDD_TRUE;
  for (guint i = 0; i < match->fields->len; i++)
    all = lw_bdd_and(pool, all, has_field(pool, g_array_index(match->fields, LwField, i)));
  return (Held){lw_bdd_minus(pool, all, held.may), lw_bdd_minus(pool, all, held.must)};
}

/* --- the memory of matches
 * --------------------------------------------------------------------------------------- */

typedef struct {
  const LwMatch *match;
  const Ns *ns;
  guint32 iif, oif, ibridge, hook;
  guint32 mark, ct_mark, flags;
} MatchKey;

static guint match_key_hash(gconstpointer data) {
  const guint32 *words = data;
  guint32 hash = 2166136261u;
  for (guint i = 0; i < sizeof(MatchKey) / sizeof(guint32); i++)
    hash = (hash ^ words[i]) * 16777619u;
  return hash;
}

static gboolean match_key_equal(gconstpointer a, gconstpointer b) {
  return memcmp(a, b, sizeof(MatchKey)) == 0;
}

/* FALSE: it depends on what was written into the packets. */
static gboolean match_key(const At *at, const LwMatch *match, const State *state, MatchKey *key) {
  memset(key, 0, sizeof *key);
  key->match = match;
  key->ns = at->ns;
  for (guint i = 0; i < match->fields->len; i++) {
    switch (g_array_index(match->fields, LwField, i)) {
    case LW_FIELD_IIF:
      key->iif = at->iif;
      break;
    case LW_FIELD_IBRIDGE:
      key->ibridge = at->ibridge;
      break;
    case LW_FIELD_OIF:
      key->oif = at->oif;
      key->hook = oif_is_open(at);
      break;
    case LW_FIELD_MARK:
      key->mark = state->mark;
      key->flags |= state->mark_unknown ? 1u : 0;
      break;
    case LW_FIELD_CT_MARK:
      key->ct_mark = state->ct_mark;
      key->flags |= state->ct_mark_unknown ? 2u : 0;
      break;
    case LW_FIELD_CT_STATE:
      key->flags |= state->ct_state << 8;
      break;
    case LW_FIELD_CT_DNAT:
      key->flags |= state->dnat ? 4u : 0;
      break;
    case LW_FIELD_ETH_SRC:
      key->flags |= state->own_mac ? 8u : 0;
      break;
    case LW_FIELD_SADDR:
    case LW_FIELD_SADDR6:
    case LW_FIELD_DADDR:
    case LW_FIELD_DADDR6:
    case LW_FIELD_SPORT:
    case LW_FIELD_DPORT:
      if (lw_addr_is_set(&state->rewrite.source) || lw_addr_is_set(&state->rewrite.destination) ||
          state->rewrite.source_unknown || state->rewrite.has_dport || state->rewrite.has_sport)
        return FALSE;
      break;
    default:
      break;
    }
  }
  return TRUE;
}

Held lw_reach_match(const At *at, const LwRule *rule, const LwMatch *match, const State *state) {
  MatchKey key;
  gboolean keep = match_key(at, match, state, &key);
  const Held *known = keep ? g_hash_table_lookup(at->reach->matched, &key) : NULL;
  if (known)
    return *known;
  Held held = match->set ? set_held(at, match, state) : values_held(at, match, state);
  if (match->negate)
    held = negated(at->reach->pool, match, state, held);
  if (keep)
    g_hash_table_insert(at->reach->matched, g_memdup2(&key, sizeof key), g_memdup2(&held, sizeof held));
  return held;
}

GArray *lw_reach_lookup(const At *at, const GArray *fields, const char *name, const State *state,
                        gboolean *unknown) {
  GArray *found = g_array_new(FALSE, FALSE, sizeof(Found));
  const LwSet *set = set_by_name(at, name);
  *unknown = !set || set->fields->len != fields->len;
  if (*unknown)
    return found;
  GPtrArray *lists[2];
  candidates(at, fields, set, lists);
  for (guint l = 0; l < 2; l++)
    for (guint i = 0; lists[l] && i < lists[l]->len; i++) {
      const LwElement *element = lists[l]->pdata[i];
      Held held = element_held(at, fields, element, state);
      *unknown |= held.may != held.must;
      Found one = {element, held.may};
      if (held.may != LW_BDD_FALSE)
        g_array_append_val(found, one);
    }
  return found;
}

const LwElement *lw_reach_deciding_element(const At *at, const LwRule *rule, const State *state, LwBdd packet) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const LwMatch *match = rule->matches->pdata[i];
    gboolean unknown;
    if (!match->set || match->negate || match->fields->len < 2)
      continue;
    g_autoptr(GArray) found = lw_reach_lookup(at, match->fields, match->set, state, &unknown);
    for (guint f = 0; f < found->len; f++)
      if (lw_bdd_intersects(at->reach->pool, g_array_index(found, Found, f).set, packet))
        return g_array_index(found, Found, f).element;
  }
  return NULL;
}

void lw_reach_note_unknown(LwReach *reach, const At *at, const char *text) {
  if (!g_hash_table_contains(reach->unknowns, text))
    g_hash_table_add(reach->unknowns, g_strdup(text));
}

/* What was remembered of a table that is replaced. */
void lw_reach_forget_ruleset(LwReach *reach, const LwRuleset *ruleset) {
  g_autoptr(GHashTable) matches = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < ruleset->sets->len; i++)
    g_hash_table_remove(reach->set_index, ruleset->sets->pdata[i]);
  for (guint c = 0; c < ruleset->chains->len; c++) {
    const LwChain *chain = ruleset->chains->pdata[c];
    for (guint r = 0; r < chain->rules->len; r++) {
      const LwRule *rule = chain->rules->pdata[r];
      for (guint m = 0; m < rule->matches->len; m++)
        g_hash_table_add(matches, rule->matches->pdata[m]);
    }
  }
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, reach->matched);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    if (g_hash_table_contains(matches, ((const MatchKey *)key)->match))
      g_hash_table_iter_remove(&iter);
}
