/* The normal form of rules, and what differs between two of them. */
#include "resource/rules.h"

#include <string.h>

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_ICMP6 58
#define NFPROTO_IPV4 2
#define NFPROTO_IPV6 10
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_ARP 0x0806

/* --- values
 * -------------------------------------------------------------------------------------------------- */

static int compare_numbers(guint32 a, guint32 b) {
  return (a > b) - (a < b);
}

static const LwAddr *first_address(const LwValue *value) {
  return value->kind == LW_VALUE_PREFIX ? &value->prefix.addr : &value->range.first;
}

static int compare_addresses(const LwAddr *a, const LwAddr *b) {
  return a->family != b->family ? a->family - b->family : lw_addr_cmp(a, b);
}

static int compare_same_kind(const LwValue *a, const LwValue *b) {
  int by;
  switch (a->kind) {
  case LW_VALUE_NAME:
    return g_strcmp0(a->name, b->name);
  case LW_VALUE_PREFIX:
    by = compare_addresses(&a->prefix.addr, &b->prefix.addr);
    return by ? by : b->prefix.len - a->prefix.len;
  case LW_VALUE_RANGE:
    by = compare_addresses(&a->range.first, &b->range.first);
    return by ? by : compare_addresses(&a->range.last, &b->range.last);
  case LW_VALUE_NUMBER:
    by = compare_numbers(a->first, b->first);
    return by ? by : compare_numbers(a->last, b->last);
  case LW_VALUE_MAC:
    return memcmp(a->mac.bytes, b->mac.bytes, sizeof a->mac.bytes);
  }
  return 0;
}

static gboolean is_address(const LwValue *value) {
  return value->kind == LW_VALUE_PREFIX || value->kind == LW_VALUE_RANGE;
}

static int compare_values(gconstpointer x, gconstpointer y) {
  const LwValue *a = x, *b = y;
  if (a->kind == b->kind)
    return compare_same_kind(a, b);
  if (!is_address(a) || !is_address(b))
    return (int)a->kind - (int)b->kind;
  int by = compare_addresses(first_address(a), first_address(b));
  return by ? by : (int)a->kind - (int)b->kind;
}

static LwRange range_of(const LwValue *value) {
  return value->kind == LW_VALUE_PREFIX ? lw_prefix_range(&value->prefix) : value->range;
}

/* The length of the prefix that a range is, or -1. */
static int prefix_length(const LwRange *range) {
  int bits = range->first.family == 6 ? 128 : 32, same = 0;
  for (; same < bits; same++) {
    guint8 mask = (guint8)(0x80u >> (same % 8));
    if ((range->first.bytes[same / 8] ^ range->last.bytes[same / 8]) & mask)
      break;
  }
  for (int i = same; i < bits; i++) {
    guint8 mask = (guint8)(0x80u >> (i % 8));
    if ((range->first.bytes[i / 8] & mask) || !(range->last.bytes[i / 8] & mask))
      return -1;
  }
  return same;
}

static LwValue value_of_range(LwRange range) {
  int length = prefix_length(&range);
  return length < 0 ? lw_value_range(range) : lw_value_prefix(lw_prefix_make(range.first, (guint8)length));
}

static LwValue canonical_value(const LwValue *value) {
  return is_address(value) ? value_of_range(range_of(value)) : lw_value_copy(value);
}

static void replace_value(LwValue *value, LwValue by) {
  lw_value_clear(value);
  *value = by;
}

/* b = a + 1, carried through; FALSE after the last address. */
static gboolean is_next_address(const LwAddr *a, const LwAddr *b) {
  LwAddr next = *a;
  int bytes = a->family == 6 ? 16 : 4;
  for (int i = bytes - 1; i >= 0; i--)
    if (++next.bytes[i])
      return lw_addr_equal(&next, b);
  return FALSE;
}

/* Takes `next` into `range` when they touch; `next` begins no earlier. */
static gboolean join_range(LwRange *range, const LwRange *next) {
  if (range->first.family != next->first.family ||
      (lw_addr_cmp(&next->first, &range->last) > 0 && !is_next_address(&range->last, &next->first)))
    return FALSE;
  if (lw_addr_cmp(&next->last, &range->last) > 0)
    range->last = next->last;
  return TRUE;
}

static gboolean join_values(LwValue *into, const LwValue *next) {
  if (lw_value_equal(into, next))
    return TRUE;
  if (into->kind == LW_VALUE_NUMBER && next->kind == LW_VALUE_NUMBER) {
    if (next->first > into->last && next->first - into->last > 1)
      return FALSE;
    into->last = MAX(into->last, next->last);
    return TRUE;
  }
  if (!is_address(into) || !is_address(next))
    return FALSE;
  LwRange range = range_of(into), other = range_of(next);
  if (!join_range(&range, &other))
    return FALSE;
  *into = lw_value_range(range);
  return TRUE;
}

static GArray *values_new(void) {
  GArray *values = g_array_new(FALSE, TRUE, sizeof(LwValue));
  g_array_set_clear_func(values, (GDestroyNotify)lw_value_clear);
  return values;
}

/* Sorted and joined; bits are or-ed where the values are bits. */
static GArray *canonical_values(const GArray *values, LwField field, gboolean join) {
  g_autoptr(GArray) sorted = values_new();
  GArray *out = values_new();
  for (guint i = 0; i < values->len; i++) {
    LwValue value = lw_value_copy(&g_array_index(values, LwValue, i));
    g_array_append_val(sorted, value);
  }
  g_array_sort(sorted, compare_values);
  for (guint i = 0; i < sorted->len; i++) {
    const LwValue *value = &g_array_index(sorted, LwValue, i);
    LwValue *last = out->len ? &g_array_index(out, LwValue, out->len - 1) : NULL;
    if (last && field == LW_FIELD_CT_STATE)
      last->first = last->last = last->first | value->first;
    else if (!last || !(join ? join_values(last, value) : lw_value_equal(last, value))) {
      LwValue copy = lw_value_copy(value);
      g_array_append_val(out, copy);
    }
  }
  for (guint i = 0; i < out->len; i++) {
    LwValue *value = &g_array_index(out, LwValue, i);
    replace_value(value, canonical_value(value));
  }
  return out;
}

/* --- fields
 * -------------------------------------------------------------------------------------------------- */

/* The first field of the same type: all that the kernel keeps of a set's key. */
static LwField type_of(LwField field) {
  switch (field) {
  case LW_FIELD_OIF:
  case LW_FIELD_IBRIDGE:
  case LW_FIELD_OBRIDGE:
  case LW_FIELD_IPORT:
  case LW_FIELD_OPORT:
    return LW_FIELD_IIF;
  case LW_FIELD_DADDR:
  case LW_FIELD_ARP_IP:
  case LW_FIELD_ARP_TARGET_IP:
  case LW_FIELD_CT_ORIG_SADDR:
  case LW_FIELD_CT_ORIG_DADDR:
    return LW_FIELD_SADDR;
  case LW_FIELD_DADDR6:
  case LW_FIELD_CT_ORIG_SADDR6:
  case LW_FIELD_CT_ORIG_DADDR6:
    return LW_FIELD_SADDR6;
  case LW_FIELD_DPORT:
  case LW_FIELD_CT_ORIG_SPORT:
  case LW_FIELD_CT_ORIG_DPORT:
    return LW_FIELD_SPORT;
  case LW_FIELD_NEXTHDR6:
    return LW_FIELD_PROTO;
  case LW_FIELD_CT_MARK:
    return LW_FIELD_MARK;
  case LW_FIELD_ARP_MAC:
  case LW_FIELD_ARP_TARGET_MAC:
  case LW_FIELD_ETH_DST:
    return LW_FIELD_ETH_SRC;
  default:
    return field;
  }
}

static gboolean is_flag(LwField field) {
  return field == LW_FIELD_TCP_SYN || field == LW_FIELD_TCP_RST || field == LW_FIELD_CT_DNAT ||
         field == LW_FIELD_CT_SNAT || field == LW_FIELD_BRIDGED || field == LW_FIELD_FRAGMENT ||
         field == LW_FIELD_RPATH || field == LW_FIELD_RPATH_MARK || field == LW_FIELD_RPATH_LOOSE;
}

/* Fields where "one of these values" is no interval of numbers. */
static gboolean joins(LwField field) {
  return !is_flag(field) && field != LW_FIELD_CT_STATE;
}

/* What having a field says of the packet beside it. */
typedef struct {
  gboolean v4, v6, arp, tcp, icmp, icmp6;
} Implied;

static void imply(Implied *implied, LwField field) {
  switch (field) {
  case LW_FIELD_SADDR:
  case LW_FIELD_DADDR:
    implied->v4 = TRUE;
    break;
  case LW_FIELD_SADDR6:
  case LW_FIELD_DADDR6:
  case LW_FIELD_NEXTHDR6:
    implied->v6 = TRUE;
    break;
  case LW_FIELD_ARP_IP:
  case LW_FIELD_ARP_MAC:
  case LW_FIELD_ARP_OP:
  case LW_FIELD_ARP_TARGET_IP:
  case LW_FIELD_ARP_TARGET_MAC:
    implied->arp = TRUE;
    break;
  case LW_FIELD_TCP_SYN:
  case LW_FIELD_TCP_RST:
  case LW_FIELD_TCP_FLAGS:
    implied->tcp = TRUE;
    break;
  case LW_FIELD_ICMP_TYPE:
  case LW_FIELD_ICMP_CODE:
    implied->icmp = TRUE;
    break;
  case LW_FIELD_ICMP6_TYPE:
  case LW_FIELD_ICMP6_CODE:
    implied->icmp6 = TRUE;
    break;
  default:
    break;
  }
}

static void imply_all(Implied *implied, const GArray *fields) {
  for (guint i = 0; i < fields->len; i++)
    imply(implied, g_array_index(fields, LwField, i));
}

static Implied implied_by(const LwRule *rule) {
  Implied implied = {0};
  for (guint i = 0; i < rule->matches->len; i++)
    imply_all(&implied, ((const LwMatch *)rule->matches->pdata[i])->fields);
  for (guint i = 0; i < rule->actions->len; i++)
    imply_all(&implied, ((const LwAction *)rule->actions->pdata[i])->fields);
  return implied;
}

static gboolean is_implied(const LwMatch *match, const Implied *implied) {
  if (match->set || match->negate || match->mask || match->values->len != 1 || match->fields->len != 1)
    return FALSE;
  const LwValue *value = &g_array_index(match->values, LwValue, 0);
  if (value->kind != LW_VALUE_NUMBER || value->first != value->last)
    return FALSE;
  switch (g_array_index(match->fields, LwField, 0)) {
  case LW_FIELD_NFPROTO:
    return (implied->v4 && value->first == NFPROTO_IPV4) || (implied->v6 && value->first == NFPROTO_IPV6);
  case LW_FIELD_ETH_TYPE:
  case LW_FIELD_FRAME_TYPE:
    return (implied->v4 && value->first == ETH_P_IP) || (implied->v6 && value->first == ETH_P_IPV6) ||
           (implied->arp && value->first == ETH_P_ARP);
  case LW_FIELD_PROTO:
    return (implied->tcp && value->first == PROTO_TCP) || (implied->icmp && value->first == PROTO_ICMP) ||
           (implied->icmp6 && value->first == PROTO_ICMP6);
  default:
    return FALSE;
  }
}

/* --- rules
 * -------------------------------------------------------------------------------------------------- */

/* "not 1" and "0" of a flag are one thing. */
static void settle_flag(LwMatch *match) {
  gboolean on = match->values->len == 0 || g_array_index(match->values, LwValue, 0).first != 0;
  g_array_set_size(match->values, 0);
  LwValue value = lw_value_number(on != match->negate);
  g_array_append_val(match->values, value);
  match->negate = FALSE;
}

static void copy_match(LwRule *to, const LwMatch *from) {
  LwMatch *match = lw_match_copy(to, from);
  LwField field = from->fields->len ? g_array_index(from->fields, LwField, 0) : LW_FIELD_UNKNOWN;
  g_array_unref(match->values);
  match->values = canonical_values(from->values, field, joins(field) && !from->mask);
  if (is_flag(field) && !match->set)
    settle_flag(match);
}

static void copy_action(LwRule *to, const LwAction *from) {
  LwAction *action = lw_action_copy(to, from);
  replace_value(&action->to, canonical_value(&from->to));
}

static int compare_matches(gconstpointer x, gconstpointer y) {
  const LwMatch *a = *(const LwMatch *const *)x, *b = *(const LwMatch *const *)y;
  guint shared = MIN(a->fields->len, b->fields->len);
  for (guint i = 0; i < shared; i++) {
    int by = (int)g_array_index(a->fields, LwField, i) - (int)g_array_index(b->fields, LwField, i);
    if (by)
      return by;
  }
  if (a->fields->len != b->fields->len)
    return a->fields->len < b->fields->len ? -1 : 1;
  g_autofree char *one = lw_match_format(a);
  g_autofree char *other = lw_match_format(b);
  return strcmp(one, other);
}

static gboolean same_match(const LwMatch *a, const LwMatch *b) {
  g_autofree char *one = lw_match_format(a);
  g_autofree char *other = lw_match_format(b);
  return g_str_equal(one, other);
}

static void settle_matches(LwRule *rule) {
  Implied implied = implied_by(rule);
  for (guint i = rule->matches->len; i-- > 0;)
    if (is_implied(rule->matches->pdata[i], &implied))
      g_ptr_array_remove_index(rule->matches, i);
  g_ptr_array_sort(rule->matches, compare_matches);
  for (guint i = rule->matches->len; i-- > 1;)
    if (same_match(rule->matches->pdata[i], rule->matches->pdata[i - 1]))
      g_ptr_array_remove_index(rule->matches, i);
}

static void copy_rule(LwChain *to, const LwRule *from) {
  LwRule *rule = lw_chain_add_rule(to, from->origin, from->comment);
  for (guint i = 0; i < from->matches->len; i++)
    copy_match(rule, from->matches->pdata[i]);
  for (guint i = 0; i < from->actions->len; i++)
    copy_action(rule, from->actions->pdata[i]);
  rule->unknown = g_strdup(from->unknown);
  rule->handle = from->handle;
  settle_matches(rule);
}

/* --- sets
 * -------------------------------------------------------------------------------------------------- */

static int compare_elements(gconstpointer x, gconstpointer y) {
  const LwElement *a = *(const LwElement *const *)x, *b = *(const LwElement *const *)y;
  for (guint i = 0; i < MIN(a->key->len, b->key->len); i++) {
    int by = compare_values(&g_array_index(a->key, LwValue, i), &g_array_index(b->key, LwValue, i));
    if (by)
      return by;
  }
  return 0;
}

static void copy_element(LwSet *to, const LwElement *from) {
  LwElement *element = lw_element_copy(to, from);
  for (guint i = 0; i < element->key->len; i++)
    replace_value(&g_array_index(element->key, LwValue, i),
                  canonical_value(&g_array_index(from->key, LwValue, i)));
  replace_value(&element->data, canonical_value(&from->data));
}

/* The elements are sorted. */
static void join_elements(LwSet *set) {
  guint kept = 0;
  for (guint i = 1; i < set->elements->len; i++) {
    LwElement *into = set->elements->pdata[kept], *next = set->elements->pdata[i];
    if (join_values(&g_array_index(into->key, LwValue, 0), &g_array_index(next->key, LwValue, 0)))
      continue;
    kept++;
    set->elements->pdata[i] = set->elements->pdata[kept]; /* swapped: what is joined gathers at the end */
    set->elements->pdata[kept] = next;
  }
  if (kept + 1 < set->elements->len)
    g_ptr_array_set_size(set->elements, (int)kept + 1);
  for (guint i = 0; i < set->elements->len; i++) {
    LwValue *value = &g_array_index(((LwElement *)set->elements->pdata[i])->key, LwValue, 0);
    replace_value(value, canonical_value(value));
  }
}

static void copy_set(LwRuleset *to, const LwSet *from) {
  LwSet *set = lw_ruleset_add_set(to, from->kind, from->name, from->interval, LW_FIELD_LAST);
  for (guint i = 0; i < from->fields->len; i++) {
    LwField field = type_of(g_array_index(from->fields, LwField, i));
    g_array_append_val(set->fields, field);
  }
  set->data = from->kind == LW_SET_MAP ? type_of(from->data) : from->data;
  set->data_with_port = from->data_with_port;
  set->runtime = from->runtime;
  set->anonymous = from->anonymous;
  set->unknown = g_strdup(from->unknown);
  for (guint i = 0; i < from->elements->len; i++)
    copy_element(set, from->elements->pdata[i]);
  g_ptr_array_sort(set->elements, compare_elements);
  if (set->kind == LW_SET_PLAIN && set->fields->len == 1 && joins(g_array_index(set->fields, LwField, 0)))
    join_elements(set);
}

LwRuleset *lw_ruleset_normalize(const LwRuleset *ruleset) {
  LwRuleset *out = lw_ruleset_new(ruleset->family, ruleset->name);
  out->dormant = ruleset->dormant;
  out->stateful = ruleset->stateful;
  out->mark = g_strdup(ruleset->mark);
  for (guint i = 0; i < ruleset->unknown->len; i++)
    g_ptr_array_add(out->unknown, g_strdup(ruleset->unknown->pdata[i]));
  for (guint i = 0; i < ruleset->sets->len; i++)
    copy_set(out, ruleset->sets->pdata[i]);
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const LwChain *from = ruleset->chains->pdata[i];
    LwChain *chain =
        lw_ruleset_add_base_chain(out, from->name, from->hook, from->priority, from->nat, from->drop);
    chain->reroute = from->reroute;
    for (guint j = 0; j < from->devices->len; j++)
      g_ptr_array_add(chain->devices, g_strdup(from->devices->pdata[j]));
    for (guint j = 0; j < from->rules->len; j++)
      copy_rule(chain, from->rules->pdata[j]);
  }
  return out;
}
