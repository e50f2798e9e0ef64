/* Matches and set lookups as sets of packets.
 *
 * Of a branch some fields are known: the interfaces, the connection's state, marks, addresses that were
 * written. They are compared at once; the others become a set. Sets that have an interface in their key are
 * looked into by its name, so that a thousand segments cost each packet its own segment's elements alone. */
#include "reach/internal.h"

#include <string.h>

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_ICMP6 58
#define TCP_SYN_MASK 0x17 /* fin, syn, rst, ack */
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define KEY_FIELDS_MAX 12
#define WORTH_KEEPING_ANYWHERE 4 /* elements */
#define WORTH_KEEPING_HERE 32

typedef enum { NO, YES, MAYBE, IN_SET } Truth;

/* --- an index of a set's elements by the name in one position of the key
 * ------------------------------------------ */

typedef struct {
  GHashTable *by_name[KEY_FIELDS_MAX]; /* name -> GPtrArray of LwElement*; NULL: not made yet */
  GPtrArray *wild[KEY_FIELDS_MAX];     /* "foo*", and whatever is no name */
  GPtrArray *last[KEY_FIELDS_MAX];     /* of those by name, the one that was put into last */
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
  return value->kind != LW_VALUE_NAME || lw_reach_is_wild_name(value->name);
}

static void elements_unref(gpointer data) {
  g_ptr_array_unref(data);
}

static void put_in_index(SetIndex *index, guint position, LwElement *element) {
  const LwValue *value = &g_array_index(element->key, LwValue, position);
  if (is_wild(value)) {
    g_ptr_array_add(index->wild[position], element);
    return;
  }
  GPtrArray *same = index->last[position]; /* those of one name mostly stand beside each other */
  const LwElement *before = same && same->len ? same->pdata[same->len - 1] : NULL;
  if (!before || !g_str_equal(g_array_index(before->key, LwValue, position).name, value->name))
    same = g_hash_table_lookup(index->by_name[position], value->name);
  if (!same) {
    same = g_ptr_array_new();
    g_hash_table_insert(index->by_name[position], g_strdup(value->name), same);
  }
  index->last[position] = same;
  g_ptr_array_add(same, element);
}

static SetIndex *index_of(LwReach *reach, const LwSet *set, guint position) {
  SetIndex *index = g_hash_table_lookup(reach->set_index, set);
  if (!index) {
    index = g_new0(SetIndex, 1);
    g_hash_table_insert(reach->set_index, (gpointer)set, index);
  }
  if (index->by_name[position])
    return index;
  index->by_name[position] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, elements_unref);
  index->wild[position] = g_ptr_array_new();
  for (guint i = 0; i < set->elements->len; i++)
    put_in_index(index, position, set->elements->pdata[i]);
  return index;
}

/* --- a table's sets and chains by name
 * ---------------------------------------------------------------------- */

void lw_reach_ruleset_index_free(gpointer data) {
  RulesetIndex *index = data;
  g_hash_table_unref(index->sets);
  g_hash_table_unref(index->chains);
  g_free(index);
}

const RulesetIndex *lw_reach_ruleset_index(LwReach *reach, const LwRuleset *ruleset) {
  RulesetIndex *index = g_hash_table_lookup(reach->ruleset_index, ruleset);
  if (index)
    return index;
  index = g_new0(RulesetIndex, 1);
  index->sets = g_hash_table_new(g_str_hash, g_str_equal);
  index->chains = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < ruleset->sets->len; i++)
    g_hash_table_insert(index->sets, ((LwSet *)ruleset->sets->pdata[i])->name, ruleset->sets->pdata[i]);
  for (guint i = 0; i < ruleset->chains->len; i++)
    g_hash_table_insert(index->chains, ((LwChain *)ruleset->chains->pdata[i])->name,
                        ruleset->chains->pdata[i]);
  g_hash_table_insert(reach->ruleset_index, (gpointer)ruleset, index);
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
  if (lw_reach_is_wild_name(value->name))
    return strncmp(value->name, name, strlen(value->name) - 1) == 0;
  return g_str_equal(value->name, name);
}

static Truth truth(gboolean holds) {
  return holds ? YES : NO;
}

static Truth number_is(const LwValue *value, guint32 number, guint32 mask) {
  if (mask)
    number &= mask;
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

/* An address field: written (then known), or as it was sent. */
static Truth address_is(const LwValue *value, const LwAddr *written, guint8 family) {
  return lw_addr_is_set(written) ? written_addr_is(value, written, family) : IN_SET;
}

static Truth header_is(const LwRewrite *w, LwField field, const LwValue *value, guint32 mask) {
  switch (field) {
  case LW_FIELD_SADDR:
  case LW_FIELD_CT_ORIG_SADDR:
    return w->source_unknown ? MAYBE : address_is(value, &w->source, 4);
  case LW_FIELD_SADDR6:
  case LW_FIELD_CT_ORIG_SADDR6:
    return w->source_unknown ? MAYBE : address_is(value, &w->source, 6);
  case LW_FIELD_DADDR:
  case LW_FIELD_CT_ORIG_DADDR:
    return address_is(value, &w->destination, 4);
  case LW_FIELD_DADDR6:
  case LW_FIELD_CT_ORIG_DADDR6:
    return address_is(value, &w->destination, 6);
  case LW_FIELD_SPORT:
  case LW_FIELD_CT_ORIG_SPORT:
    return w->has_sport ? number_is(value, w->sport, mask) : IN_SET;
  case LW_FIELD_DPORT:
  case LW_FIELD_CT_ORIG_DPORT:
    return w->has_dport ? number_is(value, w->dport, mask) : IN_SET;
  default:
    return IN_SET;
  }
}

static Truth link_is(const At *at, LwField field, const LwValue *value) {
  switch (field) {
  case LW_FIELD_IIF:
    return truth(name_matches(value, link_name(at, at->iif)));
  case LW_FIELD_OIF:
    return oif_is_open(at) ? IN_SET : truth(name_matches(value, link_name(at, at->oif)));
  case LW_FIELD_IBRIDGE:
    return truth(name_matches(value, link_name(at, at->ibridge)));
  case LW_FIELD_OBRIDGE:
    return truth(at->bridge_family && at->oif != LW_NO_LINK &&
                 name_matches(value, link_name(at, lw_reach_link_at(at->ns, at->oif)->master)));
  case LW_FIELD_IPORT: /* what is routed does not go from port to port */
    return truth(at->iport != LW_NO_LINK && name_matches(value, link_name(at, at->iport)));
  case LW_FIELD_OPORT:
    return truth(at->oport != LW_NO_LINK && name_matches(value, link_name(at, at->oport)));
  default:
    return NO;
  }
}

static Truth state_is(const At *at, const State *state, LwField field, const LwValue *value, guint32 mask) {
  switch (field) {
  case LW_FIELD_IIF:
  case LW_FIELD_OIF:
  case LW_FIELD_IBRIDGE:
  case LW_FIELD_OBRIDGE:
  case LW_FIELD_IPORT:
  case LW_FIELD_OPORT:
    return link_is(at, field, value);
  case LW_FIELD_BRIDGED:
    return number_is(value, at->iport != LW_NO_LINK && at->oport != LW_NO_LINK, 0);
  case LW_FIELD_CT_STATE:
    return truth((value->first & state->ct_state) != 0);
  case LW_FIELD_CT_DIRECTION:
    return number_is(value, state->reply ? 1 : 0, 0);
  case LW_FIELD_CT_DNAT:
    return truth(state->dnat);
  case LW_FIELD_CT_SNAT:
    return truth(state->snat);
  case LW_FIELD_CT_MARK:
    return state->ct_mark_unknown ? MAYBE : number_is(value, state->ct_mark, mask);
  case LW_FIELD_MARK:
    return state->mark_unknown ? MAYBE : number_is(value, state->mark, mask);
  case LW_FIELD_SADDR:
  case LW_FIELD_SADDR6:
  case LW_FIELD_DADDR:
  case LW_FIELD_DADDR6:
  case LW_FIELD_SPORT:
  case LW_FIELD_DPORT:
    return header_is(&state->rewrite, field, value, mask);
  case LW_FIELD_CT_ORIG_SADDR:
  case LW_FIELD_CT_ORIG_SADDR6:
  case LW_FIELD_CT_ORIG_DADDR:
  case LW_FIELD_CT_ORIG_DADDR6:
  case LW_FIELD_CT_ORIG_SPORT:
  case LW_FIELD_CT_ORIG_DPORT:
    return header_is(&state->entry, field, value, mask);
  case LW_FIELD_SADDR_TYPE:
    return lw_addr_is_set(&state->rewrite.source) || state->rewrite.source_unknown ? MAYBE : IN_SET;
  case LW_FIELD_DADDR_TYPE:
    return lw_addr_is_set(&state->rewrite.destination) ? MAYBE : IN_SET;
  case LW_FIELD_ETH_SRC:
    return state->own_mac ? MAYBE : IN_SET;
  case LW_FIELD_ARP_IP:
  case LW_FIELD_ARP_MAC:
  case LW_FIELD_ARP_OP:
  case LW_FIELD_ARP_TARGET_IP:
  case LW_FIELD_ARP_TARGET_MAC:
    return NO; /* IP packets are followed here, no ARP */
  case LW_FIELD_PROTO:
  case LW_FIELD_ICMP_TYPE:
  case LW_FIELD_ICMP_CODE:
  case LW_FIELD_ICMP6_TYPE:
  case LW_FIELD_ICMP6_CODE:
  case LW_FIELD_NFPROTO:
  case LW_FIELD_ETH_TYPE:
  case LW_FIELD_TCP_SYN:
  case LW_FIELD_TCP_RST:
  case LW_FIELD_TCP_FLAGS:
    return IN_SET;
  default:
    return MAYBE; /* TTL, length, fragments, reverse path, …: not looked at */
  }
}

static LwMdd oif_set(const At *at, const LwValue *value) {
  LwMdd set = LW_MDD_FALSE;
  if (!is_wild(value)) {
    const Link *link = lw_reach_link(at->ns, value->name);
    return link ? lw_packets_number(at->reach->pool, LW_HEADER_OIF, link->number, link->number)
                : LW_MDD_FALSE;
  }
  for (guint i = 0; i < at->ns->links->len; i++) {
    const Link *link = at->ns->links->pdata[i];
    if (name_matches(value, link->name))
      set = lw_mdd_or(at->reach->pool, set,
                      lw_packets_number(at->reach->pool, LW_HEADER_OIF, link->number, link->number));
  }
  return set;
}

static LwMdd of_proto(LwMddPool *pool, guint32 proto, LwMdd set) {
  return lw_mdd_and(pool, set, lw_packets_number(pool, LW_HEADER_PROTO, proto, proto));
}

static LwMdd family_set(LwMddPool *pool, const LwValue *value) {
  LwMdd set = LW_MDD_FALSE;
  if (value->first <= 2 && 2 <= value->last)
    set = lw_packets_family(pool, 4);
  if (value->first <= 10 && 10 <= value->last)
    set = lw_mdd_or(pool, set, lw_packets_family(pool, 6));
  return set;
}

static LwMdd frame_set(LwMddPool *pool, const LwValue *value) {
  LwMdd set = LW_MDD_FALSE;
  if (value->first <= 0x0800 && 0x0800 <= value->last)
    set = lw_packets_family(pool, 4);
  if (value->first <= 0x86dd && 0x86dd <= value->last)
    set = lw_mdd_or(pool, set, lw_packets_family(pool, 6));
  return set;
}

static LwMdd flags_set(LwMddPool *pool, const LwValue *value, guint32 flags, guint32 mask) {
  LwMdd all = of_proto(pool, PROTO_TCP, LW_MDD_TRUE);
  LwMdd with = lw_mdd_and(pool, all, lw_packets_masked(pool, LW_HEADER_TCP_FLAGS, flags, mask));
  return value->first ? with : lw_mdd_minus(pool, all, with);
}

/* The span of a field's value; FALSE when it is no plain span. */
static gboolean span_of(LwField field, const LwValue *value, LwSpan *span) {
  static const struct {
    LwField field;
    LwHeaderField header;
  } plain[] = {
      {LW_FIELD_SADDR, LW_HEADER_SADDR},          {LW_FIELD_SADDR6, LW_HEADER_SADDR},
      {LW_FIELD_DADDR, LW_HEADER_DADDR},          {LW_FIELD_DADDR6, LW_HEADER_DADDR},
      {LW_FIELD_PROTO, LW_HEADER_PROTO},          {LW_FIELD_SPORT, LW_HEADER_SPORT},
      {LW_FIELD_DPORT, LW_HEADER_DPORT},          {LW_FIELD_ETH_SRC, LW_HEADER_ETH_SRC},
      {LW_FIELD_CT_ORIG_SADDR, LW_HEADER_SADDR},  {LW_FIELD_CT_ORIG_DADDR, LW_HEADER_DADDR},
      {LW_FIELD_CT_ORIG_SADDR6, LW_HEADER_SADDR}, {LW_FIELD_CT_ORIG_DADDR6, LW_HEADER_DADDR},
      {LW_FIELD_CT_ORIG_SPORT, LW_HEADER_SPORT},  {LW_FIELD_CT_ORIG_DPORT, LW_HEADER_DPORT},
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

static gboolean is_among(const LwValue *value, guint64 type) {
  return value->first <= type && type <= value->last;
}

/* What routing says of an address: what is local, and most of what is broadcast, is known. */
static Held type_set(const At *at, LwField field, const LwValue *value) {
  LwMddPool *pool = at->reach->pool;
  gboolean source = field == LW_FIELD_SADDR_TYPE;
  LwMdd own = source ? at->ns->owned_source : at->ns->owned;
  Held held = {LW_MDD_FALSE, LW_MDD_FALSE};
  LwMdd broadcasts = source ? LW_MDD_FALSE : lw_mdd_minus(pool, at->ns->broadcasts, own);
  if (is_among(value, LW_ADDR_LOCAL))
    held = (Held){own, own};
  if (is_among(value, LW_ADDR_BROADCAST))
    held = (Held){lw_mdd_or(pool, held.must, broadcasts), lw_mdd_or(pool, held.may, broadcasts)};
  if (value->first != LW_ADDR_LOCAL || value->last != LW_ADDR_LOCAL)
    held.may = lw_mdd_or(pool, held.may, lw_mdd_not(pool, lw_mdd_or(pool, own, broadcasts)));
  return held;
}

/* A number compared under a mask, where that is more than one bit pattern: not known. */
static Held masked_set(LwMddPool *pool, LwField field, const LwValue *value, guint32 mask) {
  if (field == LW_FIELD_TCP_FLAGS && value->first == value->last) {
    LwMdd set = of_proto(pool, PROTO_TCP,
                         lw_packets_masked(pool, LW_HEADER_TCP_FLAGS, value->first, mask ? mask : 0xff));
    return (Held){set, set};
  }
  return (Held){LW_MDD_FALSE, LW_MDD_TRUE};
}

static LwMdd icmp_set(LwMddPool *pool, LwField field, const LwValue *value) {
  gboolean six = field == LW_FIELD_ICMP6_TYPE || field == LW_FIELD_ICMP6_CODE;
  gboolean type = field == LW_FIELD_ICMP_TYPE || field == LW_FIELD_ICMP6_TYPE;
  return of_proto(
      pool, six ? PROTO_ICMP6 : PROTO_ICMP,
      lw_packets_number(pool, type ? LW_HEADER_ICMP_TYPE : LW_HEADER_ICMP_CODE, value->first, value->last));
}

static LwMdd value_set(const At *at, LwField field, const LwValue *value) {
  LwMddPool *pool = at->reach->pool;
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
  case LW_FIELD_ICMP_CODE:
  case LW_FIELD_ICMP6_TYPE:
  case LW_FIELD_ICMP6_CODE:
    return icmp_set(pool, field, value);
  default:
    return LW_MDD_FALSE;
  }
}

static Held value_held(const At *at, LwField field, const LwValue *value, guint32 mask) {
  if (field == LW_FIELD_SADDR_TYPE || field == LW_FIELD_DADDR_TYPE)
    return type_set(at, field, value);
  if (mask || field == LW_FIELD_TCP_FLAGS)
    return masked_set(at->reach->pool, field, value, mask);
  LwMdd set = value_set(at, field, value);
  return (Held){set, set};
}

/* What a packet must be to have the field at all: a match on it fails for others, negated or not. */
static LwMdd has_field(LwMddPool *pool, LwField field) {
  switch (field) {
  case LW_FIELD_SADDR:
  case LW_FIELD_DADDR:
    return lw_packets_family(pool, 4);
  case LW_FIELD_SADDR6:
  case LW_FIELD_DADDR6:
    return lw_packets_family(pool, 6);
  case LW_FIELD_ICMP_TYPE:
  case LW_FIELD_ICMP_CODE:
    return of_proto(pool, PROTO_ICMP, LW_MDD_TRUE);
  case LW_FIELD_ICMP6_TYPE:
  case LW_FIELD_ICMP6_CODE:
    return of_proto(pool, PROTO_ICMP6, LW_MDD_TRUE);
  case LW_FIELD_TCP_SYN:
  case LW_FIELD_TCP_RST:
  case LW_FIELD_TCP_FLAGS:
    return of_proto(pool, PROTO_TCP, LW_MDD_TRUE);
  case LW_FIELD_ARP_IP:
  case LW_FIELD_ARP_MAC:
    return LW_MDD_FALSE;
  default:
    return LW_MDD_TRUE;
  }
}

/* --- one element
 * ------------------------------------------------------------------------------------------------- */

static Held element_held(const At *at, const GArray *fields, const LwElement *element, const State *state) {
  LwSpan spans[LW_BOX_SPANS_MAX] = {0};
  guint count = 0;
  guint32 used = 0;
  gboolean maybe = FALSE;
  LwMdd also = LW_MDD_TRUE;
  for (guint i = 0; i < fields->len; i++) {
    LwField field = g_array_index(fields, LwField, i);
    const LwValue *value = &g_array_index(element->key, LwValue, i);
    Truth holds = state_is(at, state, field, value, 0);
    LwSpan span;
    if (holds == NO)
      return (Held){LW_MDD_FALSE, LW_MDD_FALSE};
    if (holds == MAYBE)
      maybe = TRUE;
    if (holds != IN_SET)
      continue;
    if (span_of(field, value, &span) && !(used & (1u << span.field))) {
      used |= 1u << span.field;
      spans[count++] = span;
    } else {
      Held held = value_held(at, field, value, 0);
      maybe |= held.must != held.may;
      also = lw_mdd_and(at->reach->pool, also, held.may);
    }
  }
  LwMdd set = lw_packets_box(at->reach->pool, spans, count);
  if (also != LW_MDD_TRUE)
    set = lw_mdd_and(at->reach->pool, set, also);
  return (Held){maybe ? LW_MDD_FALSE : set, set};
}

static const LwSet *set_by_name(const At *at, const char *name) {
  const RulesetIndex *index = lw_reach_ruleset_index(at->reach, at->ruleset);
  return name ? g_hash_table_lookup(index->sets, name) : NULL;
}

/* The name that a field has by what is known of the place; NULL: it is not known, or no name. */
static const char *name_of(const At *at, LwField field) {
  if (field == LW_FIELD_IIF)
    return link_name(at, at->iif);
  if (field == LW_FIELD_IBRIDGE)
    return link_name(at, at->ibridge);
  return field == LW_FIELD_OIF && !oif_is_open(at) ? link_name(at, at->oif) : NULL;
}

static guint list_hash(gconstpointer data) {
  const List *list = data;
  return g_direct_hash(list->set) ^ (list->position * 16777619u) ^ g_str_hash(list->name);
}

static gboolean list_is(gconstpointer a, gconstpointer b) {
  const List *one = a, *other = b;
  return one->set == other->set && one->position == other->position && g_str_equal(one->name, other->name);
}

static void list_free(gpointer data) {
  List *list = data;
  g_free(list->name);
  g_free(list);
}

GHashTable *lw_reach_lists_new(void) {
  return g_hash_table_new_full(list_hash, list_is, list_free, NULL);
}

List *lw_reach_list(LwReach *reach, const LwSet *set, guint position, const char *name) {
  const List key = {.set = set, .position = position, .name = (char *)name};
  List *known = g_hash_table_lookup(reach->lists, &key);
  if (known)
    return known;
  known = g_memdup2(&key, sizeof key);
  known->name = g_strdup(name);
  if (position == LW_ALL_ELEMENTS) {
    known->named = set->elements;
  } else {
    const SetIndex *index = index_of(reach, set, position);
    known->named = g_hash_table_lookup(index->by_name[position], name);
    known->wild = index->wild[position];
  }
  g_hash_table_add(reach->lists, known);
  return known;
}

static gboolean elements_equal(const GPtrArray *a, const GPtrArray *b) {
  guint count = a ? a->len : 0;
  if (count != (b ? b->len : 0))
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (!lw_element_equal(a->pdata[i], b->pdata[i]))
      return FALSE;
  return TRUE;
}

gboolean lw_reach_lists_equal(const List *a, const List *b) {
  return elements_equal(a->named, b->named) && elements_equal(a->wild, b->wild);
}

/* The elements that can match at all: two lists, either may be NULL. Of several names the one that fewest
 * elements have: what is found depends on these alone. */
static void candidates(const At *at, const GArray *fields, const LwSet *set, GPtrArray *lists[2]) {
  guint fewest = G_MAXUINT, position = LW_ALL_ELEMENTS;
  const char *by = "";
  lists[0] = set->elements;
  lists[1] = NULL;
  for (guint i = 0; i < fields->len && i < KEY_FIELDS_MAX; i++) {
    const char *name = name_of(at, g_array_index(fields, LwField, i));
    if (!name)
      continue;
    SetIndex *index = index_of(at->reach, set, i);
    GPtrArray *same = g_hash_table_lookup(index->by_name[i], name);
    guint count = (same ? same->len : 0) + index->wild[i]->len;
    if (count >= fewest)
      continue;
    fewest = count;
    position = i;
    by = name;
    lists[0] = same;
    lists[1] = index->wild[i];
  }
  if (at->reach->looked)
    g_hash_table_add(at->reach->looked->lists, lw_reach_list(at->reach, set, position, by));
}

/* What is remembered of a match is looked at all the same. */
static void look_at(const At *at, const LwMatch *match) {
  const LwSet *set = set_by_name(at, match->set);
  GPtrArray *lists[2];
  if (set && set->fields->len == match->fields->len)
    candidates(at, match->fields, set, lists);
}

static Held set_held(const At *at, const LwMatch *match, const State *state, guint *looked_at) {
  const LwSet *set = set_by_name(at, match->set);
  if (!set || set->fields->len != match->fields->len)
    return (Held){LW_MDD_FALSE, LW_MDD_TRUE};
  GPtrArray *lists[2];
  candidates(at, match->fields, set, lists);
  *looked_at = (lists[0] ? lists[0]->len : 0) + (lists[1] ? lists[1]->len : 0);
  g_autoptr(GArray) must = g_array_new(FALSE, FALSE, sizeof(LwMdd));
  g_autoptr(GArray) may = g_array_new(FALSE, FALSE, sizeof(LwMdd));
  for (guint l = 0; l < 2; l++)
    for (guint i = 0; lists[l] && i < lists[l]->len; i++) {
      Held held = element_held(at, match->fields, lists[l]->pdata[i], state);
      if (held.must == LW_MDD_TRUE) /* nothing is left for the others to add */
        return (Held){LW_MDD_TRUE, LW_MDD_TRUE};
      if (held.must != LW_MDD_FALSE)
        g_array_append_val(must, held.must);
      if (held.may != LW_MDD_FALSE && held.may != held.must)
        g_array_append_val(may, held.may);
    }
  LwMddPool *pool = at->reach->pool;
  LwMdd sure = lw_mdd_or_all(pool, (LwMdd *)(void *)must->data, must->len);
  LwMdd more = lw_mdd_or_all(pool, (LwMdd *)(void *)may->data, may->len);
  return (Held){sure, set->unknown ? LW_MDD_TRUE : lw_mdd_or(pool, sure, more)};
}

static Held values_held(const At *at, const LwMatch *match, const State *state) {
  LwField field = g_array_index(match->fields, LwField, 0);
  Held held = {LW_MDD_FALSE, LW_MDD_FALSE};
  for (guint i = 0; i < match->values->len; i++) {
    const LwValue *value = &g_array_index(match->values, LwValue, i);
    Truth holds = state_is(at, state, field, value, match->mask);
    if (holds == NO)
      continue;
    Held one = {holds == MAYBE ? LW_MDD_FALSE : LW_MDD_TRUE, LW_MDD_TRUE};
    if (holds == IN_SET)
      one = value_held(at, field, value, match->mask);
    held.may = lw_mdd_or(at->reach->pool, held.may, one.may);
    held.must = lw_mdd_or(at->reach->pool, held.must, one.must);
  }
  return held;
}

static Held negated(LwMddPool *pool, const LwMatch *match, const State *state, Held held) {
  LwMdd all = LW_MDD_TRUE;
  for (guint i = 0; i < match->fields->len; i++)
    all = lw_mdd_and(pool, all, has_field(pool, g_array_index(match->fields, LwField, i)));
  return (Held){lw_mdd_minus(pool, all, held.may), lw_mdd_minus(pool, all, held.must)};
}

/* --- the memory of matches
 * --------------------------------------------------------------------------------------- */

typedef struct {
  const LwMatch *match;
  const Ns *ns;
  guint32 iif, oif, ibridge, iport, oport, hook;
  guint32 mark, ct_mark, flags;
} MatchKey;

static guint match_key_hash(gconstpointer data) {
  const guint64 *words = data;
  guint64 hash = 0;
  for (guint i = 0; i < sizeof(MatchKey) / sizeof(guint64); i++)
    hash = ((hash << 5 | hash >> 59) ^ words[i]) * 0x9e3779b97f4a7c15u;
  return (guint)(hash >> 32);
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
      key->flags |= state->ct_state << 8; /* LwCtState */
      break;
    case LW_FIELD_CT_DNAT:
      key->flags |= state->dnat ? 4u : 0;
      break;
    case LW_FIELD_CT_DIRECTION:
      key->flags |= state->reply ? 32u : 0;
      break;
    case LW_FIELD_CT_SNAT:
      key->flags |= state->snat ? 16u : 0;
      break;
    case LW_FIELD_OBRIDGE:
      key->oif = at->oif;
      break;
    case LW_FIELD_IPORT:
    case LW_FIELD_OPORT:
    case LW_FIELD_BRIDGED:
      key->iport = at->iport;
      key->oport = at->oport;
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
    case LW_FIELD_CT_ORIG_SADDR:
    case LW_FIELD_CT_ORIG_SADDR6:
    case LW_FIELD_CT_ORIG_DADDR:
    case LW_FIELD_CT_ORIG_DADDR6:
    case LW_FIELD_CT_ORIG_SPORT:
    case LW_FIELD_CT_ORIG_DPORT:
    case LW_FIELD_SADDR_TYPE:
    case LW_FIELD_DADDR_TYPE:
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

GHashTable *lw_reach_matched_new(void) {
  return g_hash_table_new_full(match_key_hash, match_key_equal, g_free, g_free);
}

static GHashTable *memory_of(LwReach *reach, const LwMatch *match) {
  GHashTable *memory = g_hash_table_lookup(reach->matched, match);
  if (!memory) {
    memory = lw_reach_matched_new();
    g_hash_table_insert(reach->matched, (gpointer)match, memory);
  }
  return memory;
}

static const Held *recall(LwReach *reach, const LwMatch *match, const MatchKey *key) {
  const Held *known = g_hash_table_lookup(memory_of(reach, match), key);
  return known ? known : g_hash_table_lookup(reach->matched_now, key);
}

/* What holds wherever a packet is, and what a large set came to at one place. */
static gboolean is_worth_keeping(const MatchKey *key, guint elements) {
  gboolean anywhere = key->iif == LW_NO_LINK && key->oif == LW_NO_LINK && key->ibridge == LW_NO_LINK;
  return elements >= (anywhere ? WORTH_KEEPING_ANYWHERE : WORTH_KEEPING_HERE);
}

static void remember(LwReach *reach, const LwMatch *match, const MatchKey *key, Held held, guint elements) {
  gboolean scratch = lw_mdd_is_scratch(reach->pool, held.may) || lw_mdd_is_scratch(reach->pool, held.must);
  gpointer copy = g_memdup2(key, sizeof *key);
  g_hash_table_insert(scratch ? reach->matched_now : memory_of(reach, match), copy,
                      g_memdup2(&held, sizeof held));
  if (scratch && is_worth_keeping(key, elements))
    g_ptr_array_add(reach->worth_keeping, copy);
}

void lw_reach_matches_scratch_end(LwReach *reach, LwMdd *const *keep, guint count) {
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  for (guint i = 0; i < count; i++)
    g_ptr_array_add(all, keep[i]);
  for (guint i = 0; i < reach->worth_keeping->len; i++) {
    Held *held = g_hash_table_lookup(reach->matched_now, reach->worth_keeping->pdata[i]);
    g_ptr_array_add(all, &held->must);
    g_ptr_array_add(all, &held->may);
  }
  lw_mdd_scratch_end(reach->pool, (LwMdd *const *)all->pdata, all->len);
  for (guint i = 0; i < reach->worth_keeping->len; i++) {
    const MatchKey *of = reach->worth_keeping->pdata[i];
    gpointer key, held;
    g_hash_table_steal_extended(reach->matched_now, of, &key, &held);
    g_hash_table_insert(memory_of(reach, of->match), key, held);
  }
  g_ptr_array_set_size(reach->worth_keeping, 0);
  g_hash_table_remove_all(reach->matched_now);
}

/* One value of a field that is known wherever a packet is: compared sooner than looked up. */
static gboolean is_compared(const At *at, const LwMatch *match) {
  if (match->set || match->values->len != 1 || match->fields->len != 1)
    return FALSE;
  switch (g_array_index(match->fields, LwField, 0)) {
  case LW_FIELD_IIF:
  case LW_FIELD_IBRIDGE:
  case LW_FIELD_CT_STATE:
  case LW_FIELD_CT_DIRECTION:
  case LW_FIELD_CT_DNAT:
  case LW_FIELD_CT_SNAT:
  case LW_FIELD_CT_MARK:
  case LW_FIELD_MARK:
    return TRUE;
  case LW_FIELD_OIF:
    return !oif_is_open(at);
  default:
    return FALSE;
  }
}

Held lw_reach_match(const At *at, const LwRule *rule, const LwMatch *match, const State *state) {
  if (is_compared(at, match)) {
    Held held = values_held(at, match, state);
    return match->negate ? negated(at->reach->pool, match, state, held) : held;
  }
  MatchKey key;
  gboolean keep = match_key(at, match, state, &key);
  const Held *known = keep ? recall(at->reach, match, &key) : NULL;
  if (known && match->set && at->reach->looked)
    look_at(at, match);
  if (known)
    return *known;
  Held held = {LW_MDD_FALSE, LW_MDD_TRUE};
  guint elements = match->values->len;
  if (match->set || match->values->len) /* else it is nothing but a text */
    held = match->set ? set_held(at, match, state, &elements) : values_held(at, match, state);
  if (match->negate)
    held = negated(at->reach->pool, match, state, held);
  if (keep)
    remember(at->reach, match, &key, held, elements);
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
      if (held.may != LW_MDD_FALSE)
        g_array_append_val(found, one);
    }
  return found;
}

const LwElement *lw_reach_deciding_element(const At *at, const LwRule *rule, const State *state,
                                           LwMdd packet) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const LwMatch *match = rule->matches->pdata[i];
    gboolean unknown;
    if (!match->set || match->negate || match->fields->len < 2)
      continue;
    g_autoptr(GArray) found = lw_reach_lookup(at, match->fields, match->set, state, &unknown);
    for (guint f = 0; f < found->len; f++)
      if (lw_mdd_intersects(at->reach->pool, g_array_index(found, Found, f).set, packet))
        return g_array_index(found, Found, f).element;
  }
  return NULL;
}

void lw_reach_note_unknown(LwReach *reach, const char *text) {
  if (!g_hash_table_contains(reach->unknowns, text))
    g_hash_table_add(reach->unknowns, g_strdup(text));
}

static void update_index(SetIndex *index, LwElement *element, gboolean added) {
  for (guint i = 0; i < element->key->len && i < KEY_FIELDS_MAX; i++) {
    if (!index->by_name[i])
      continue;
    if (!added) {
      const LwValue *value = &g_array_index(element->key, LwValue, i);
      GPtrArray *same = is_wild(value) ? index->wild[i] : g_hash_table_lookup(index->by_name[i], value->name);
      if (same)
        (void)g_ptr_array_remove(same, element);
      continue;
    }
    put_in_index(index, i, element);
  }
}

/* What is remembered of a match holds for the new element too: united with it, where it is not negated. */
static void remember_element(LwReach *reach, const LwRuleset *ruleset, const LwMatch *match,
                             const LwElement *element) {
  GHashTable *memory = g_hash_table_lookup(reach->matched, match);
  if (memory && (match->negate || element->key->len != match->fields->len)) {
    g_hash_table_remove(reach->matched, match);
    return;
  }
  GHashTableIter iter;
  gpointer key_data, held_data;
  if (memory)
    g_hash_table_iter_init(&iter, memory);
  while (memory && g_hash_table_iter_next(&iter, &key_data, &held_data)) {
    const MatchKey *key = key_data;
    Held *held = held_data;
    /* all that the match depends on is in its key */
    const At at = {.reach = reach,
                   .ns = (Ns *)key->ns,
                   .ruleset = ruleset,
                   .hook = key->hook ? LW_HOOK_FORWARD : LW_HOOK_PREROUTING,
                   .iif = key->iif,
                   .oif = key->oif,
                   .ibridge = key->ibridge,
                   .iport = key->iport,
                   .oport = key->oport};
    const State state = {.mark = key->mark,
                         .mark_unknown = (key->flags & 1u) != 0,
                         .ct_mark = key->ct_mark,
                         .ct_mark_unknown = (key->flags & 2u) != 0,
                         .dnat = (key->flags & 4u) != 0,
                         .own_mac = (key->flags & 8u) != 0,
                         .snat = (key->flags & 16u) != 0,
                         .reply = (key->flags & 32u) != 0,
                         .ct_state = key->flags >> 8};
    Held more = element_held(&at, match->fields, element, &state);
    held->may = lw_mdd_or(reach->pool, held->may, more.may);
    held->must = lw_mdd_or(reach->pool, held->must, more.must);
  }
}

void lw_reach_element_changed(LwReach *reach, const LwRuleset *ruleset, const LwSet *set, LwElement *element,
                              gboolean added) {
  SetIndex *index = g_hash_table_lookup(reach->set_index, set);
  if (index)
    update_index(index, element, added);
  for (guint c = 0; c < ruleset->chains->len; c++) {
    const LwChain *chain = ruleset->chains->pdata[c];
    for (guint r = 0; r < chain->rules->len; r++) {
      const LwRule *rule = chain->rules->pdata[r];
      for (guint m = 0; m < rule->matches->len; m++) {
        LwMatch *match = rule->matches->pdata[m];
        if (!match->set || !g_str_equal(match->set, set->name))
          continue;
        if (added)
          remember_element(reach, ruleset, match, element);
        else
          g_hash_table_remove(reach->matched, match);
      }
    }
  }
}

LwMdd lw_reach_element_scope(LwReach *reach, const LwSet *set, const LwElement *element) {
  LwSpan spans[2] = {0};
  guint count = 0;
  gboolean source = FALSE, proto = FALSE;
  for (guint i = 0; i < set->fields->len && i < element->key->len; i++) {
    LwField field = g_array_index(set->fields, LwField, i);
    gboolean is_source = field == LW_FIELD_SADDR || field == LW_FIELD_SADDR6;
    if ((is_source && !source) || (field == LW_FIELD_PROTO && !proto)) {
      source |= is_source;
      proto |= !is_source;
      count += span_of(field, &g_array_index(element->key, LwValue, i), &spans[count]) ? 1 : 0;
    }
  }
  return lw_packets_box(reach->pool, spans, count);
}
