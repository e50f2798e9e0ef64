#include "flow/packets.h"

#include "flow/layout.h"

#include <string.h>

static const struct {
  guint first, bits;
} layout[LW_HEADER_LAST] = {
    [LW_HEADER_OIF] = {0, 16},        [LW_HEADER_FAMILY] = {16, 1},     [LW_HEADER_SADDR] = {17, 128},
    [LW_HEADER_DADDR] = {145, 128},   [LW_HEADER_PROTO] = {273, 8},     [LW_HEADER_DPORT] = {281, 16},
    [LW_HEADER_ICMP_TYPE] = {297, 8}, [LW_HEADER_ICMP_CODE] = {305, 8}, [LW_HEADER_TCP_FLAGS] = {313, 8},
    [LW_HEADER_SPORT] = {321, 16},    [LW_HEADER_ETH_SRC] = {337, 48},
};

guint lw_header_first(LwHeaderField field) {
  return layout[field].first;
}

guint lw_header_bits(LwHeaderField field) {
  return layout[field].bits;
}

static guint bit_of(const guint8 *bytes, guint index) {
  return (bytes[index / 8] >> (7 - index % 8)) & 1u;
}

LwSpan lw_span_number(LwHeaderField field, guint64 first, guint64 last) {
  LwSpan span = {.field = field, .bits = layout[field].bits};
  for (guint i = 0; i < span.bits; i++) {
    guint from_right = span.bits - 1 - i;
    span.first[i / 8] |= (guint8)(((first >> from_right) & 1u) << (7 - i % 8));
    span.last[i / 8] |= (guint8)(((last >> from_right) & 1u) << (7 - i % 8));
  }
  return span;
}

LwSpan lw_span_addr(LwHeaderField field, const LwAddr *first, const LwAddr *last) {
  LwSpan span = {.field = field, .bits = first->family == 6 ? 128 : 32};
  memcpy(span.first, first->bytes, sizeof span.first);
  memcpy(span.last, last->bytes, sizeof span.last);
  return span;
}

LwSpan lw_span_range(LwHeaderField field, const LwRange *range) {
  return lw_span_addr(field, &range->first, &range->last);
}

LwSpan lw_span_prefix(LwHeaderField field, const LwPrefix *prefix) {
  LwRange range = lw_prefix_range(prefix);
  return lw_span_range(field, &range);
}

LwSpan lw_span_mac(LwHeaderField field, const LwMac *mac) {
  LwSpan span = {.field = field, .bits = 48};
  memcpy(span.first, mac->bytes, sizeof mac->bytes);
  memcpy(span.last, mac->bytes, sizeof mac->bytes);
  return span;
}

/* What lies between the bounds, from bit `i` on, and then in `then`. A bound that no longer binds is NULL. */
static LwBdd between(LwBddPool *pool, const LwSpan *span, guint i, const guint8 *first, const guint8 *last,
                     LwBdd then) {
  if (i == span->bits || (!first && !last))
    return then;
  guint f = first ? bit_of(first, i) : 0, l = last ? bit_of(last, i) : 1;
  LwBdd low = LW_BDD_FALSE, high = LW_BDD_FALSE;
  if (f == 0)
    low = between(pool, span, i + 1, first, l == 0 ? last : NULL, then);
  if (l == 1)
    high = between(pool, span, i + 1, f == 1 ? first : NULL, last, then);
  return lw_bdd_node(pool, layout[span->field].first + i, low, high);
}

static gboolean is_address(const LwSpan *span) {
  return span->field == LW_HEADER_SADDR || span->field == LW_HEADER_DADDR;
}

LwBdd lw_packets_box(LwBddPool *pool, const LwSpan *spans, guint count) {
  const LwSpan *by_field[LW_HEADER_LAST] = {NULL};
  guint family_bits = 0;
  for (guint i = 0; i < count; i++) {
    g_assert(!by_field[spans[i].field]);
    by_field[spans[i].field] = &spans[i];
    if (!is_address(&spans[i]))
      continue;
    if (family_bits && family_bits != spans[i].bits)
      return LW_BDD_FALSE;
    family_bits = spans[i].bits;
  }
  LwSpan family = lw_span_number(LW_HEADER_FAMILY, family_bits == 128, family_bits == 128);
  if (family_bits) {
    const LwSpan *given = by_field[LW_HEADER_FAMILY];
    if (given && bit_of(given->first, 0) == bit_of(given->last, 0) &&
        bit_of(given->first, 0) != bit_of(family.first, 0))
      return LW_BDD_FALSE;
    by_field[LW_HEADER_FAMILY] = &family;
  }
  LwBdd result = LW_BDD_TRUE;
  for (guint field = LW_HEADER_LAST; field-- > 0;)
    if (by_field[field])
      result = between(pool, by_field[field], 0, by_field[field]->first, by_field[field]->last, result);
  return result;
}

LwBdd lw_packets_number(LwBddPool *pool, LwHeaderField field, guint64 first, guint64 last) {
  LwSpan span = lw_span_number(field, first, last);
  return lw_packets_box(pool, &span, 1);
}

LwBdd lw_packets_masked(LwBddPool *pool, LwHeaderField field, guint64 value, guint64 mask) {
  LwBdd result = LW_BDD_TRUE;
  for (guint i = layout[field].bits; i-- > 0;) {
    guint from_right = layout[field].bits - 1 - i;
    if (!((mask >> from_right) & 1u))
      continue;
    gboolean high = (value >> from_right) & 1u;
    result = lw_bdd_node(pool, layout[field].first + i, high ? LW_BDD_FALSE : result,
                         high ? result : LW_BDD_FALSE);
  }
  return result;
}

LwBdd lw_packets_range(LwBddPool *pool, LwHeaderField field, const LwRange *range) {
  LwSpan span = lw_span_range(field, range);
  return lw_packets_box(pool, &span, 1);
}

LwBdd lw_packets_prefix(LwBddPool *pool, LwHeaderField field, const LwPrefix *prefix) {
  LwSpan span = lw_span_prefix(field, prefix);
  return lw_packets_box(pool, &span, 1);
}

LwBdd lw_packets_addr(LwBddPool *pool, LwHeaderField field, const LwAddr *addr) {
  LwSpan span = lw_span_addr(field, addr, addr);
  return lw_packets_box(pool, &span, 1);
}

LwBdd lw_packets_family(LwBddPool *pool, guint8 family) {
  return lw_packets_number(pool, LW_HEADER_FAMILY, family == 6, family == 6);
}

LwBdd lw_packets_of(LwBddPool *pool, const LwHeader *header) {
  LwSpan spans[] = {
      lw_span_addr(LW_HEADER_SADDR, &header->source, &header->source),
      lw_span_addr(LW_HEADER_DADDR, &header->destination, &header->destination),
      lw_span_number(LW_HEADER_PROTO, header->proto, header->proto),
      lw_span_number(LW_HEADER_ICMP_TYPE, header->icmp_type, header->icmp_type),
      lw_span_number(LW_HEADER_SPORT, header->sport, header->sport),
      lw_span_number(LW_HEADER_DPORT, header->dport, header->dport),
      lw_span_number(LW_HEADER_ICMP_CODE, header->icmp_code, header->icmp_code),
      lw_span_number(LW_HEADER_TCP_FLAGS, header->tcp_flags, header->tcp_flags),
      lw_span_mac(LW_HEADER_ETH_SRC, &header->mac),
  };
  guint count = G_N_ELEMENTS(spans);
  return lw_packets_box(pool, spans, lw_mac_is_set(&header->mac) ? count : count - 1);
}

LwBdd lw_packets_forget(LwBddPool *pool, LwBdd set, LwHeaderField field) {
  return lw_bdd_exists(pool, set, layout[field].first, layout[field].bits);
}

LwBdd lw_packets_write(LwBddPool *pool, LwBdd set, const LwSpan *span) {
  return lw_bdd_and(pool, lw_packets_forget(pool, set, span->field), lw_packets_box(pool, span, 1));
}

LwBdd lw_packets_by_oif(LwBddPool *pool, LwBdd set, guint oif) {
  guint bits = layout[LW_HEADER_OIF].bits;
  while (set > LW_BDD_TRUE && lw_bdd_variable(pool, set) < bits) {
    guint bit = bits - 1 - lw_bdd_variable(pool, set);
    set = ((oif >> bit) & 1u) ? lw_bdd_high(pool, set) : lw_bdd_low(pool, set);
  }
  return set;
}

/* Below `set` from OIF bit `i` on, the numbers starting with `prefix`: those that do not lead to `usual`. A
 * part that leads there whole is passed over at once. */
static void collect_oifs(LwBddPool *pool, LwBdd set, guint i, guint prefix, LwBdd usual, GArray *out) {
  guint bits = layout[LW_HEADER_OIF].bits;
  if (set == usual)
    return;
  if (i == bits) {
    g_array_append_val(out, prefix);
    return;
  }
  gboolean tests = set > LW_BDD_TRUE && lw_bdd_variable(pool, set) == i;
  collect_oifs(pool, tests ? lw_bdd_low(pool, set) : set, i + 1, prefix << 1, usual, out);
  collect_oifs(pool, tests ? lw_bdd_high(pool, set) : set, i + 1, (prefix << 1) | 1u, usual, out);
}

void lw_packets_oifs(LwBddPool *pool, LwBdd set, GArray *out) {
  collect_oifs(pool, set, 0, 0, lw_packets_by_oif(pool, set, 0), out);
}

static gboolean walk_to_true(LwBddPool *pool, LwBdd set, guint8 *bits /* of every variable */) {
  if (set == LW_BDD_FALSE)
    return FALSE;
  while (set != LW_BDD_TRUE) {
    guint variable = lw_bdd_variable(pool, set);
    gboolean high = lw_bdd_low(pool, set) == LW_BDD_FALSE;
    bits[variable] = high ? 1 : 0;
    set = high ? lw_bdd_high(pool, set) : lw_bdd_low(pool, set);
  }
  return TRUE;
}

static guint64 read_number(const guint8 *bits, LwHeaderField field) {
  guint64 number = 0;
  for (guint i = 0; i < layout[field].bits; i++)
    number = (number << 1) | bits[layout[field].first + i];
  return number;
}

static LwAddr read_addr(const guint8 *bits, LwHeaderField field, guint8 family) {
  LwAddr addr = {.family = family};
  for (guint i = 0; i < (family == 6 ? 128u : 32u); i++)
    addr.bytes[i / 8] |= (guint8)(bits[layout[field].first + i] << (7 - i % 8));
  return addr;
}

gboolean lw_packets_pick(LwBddPool *pool, LwBdd set, const LwBdd *wishes, guint count, LwHeader *out) {
  guint8 bits[LW_HEADER_VARIABLES] = {0};
  for (guint i = 0; i < count; i++) {
    LwBdd narrowed = lw_bdd_and(pool, set, wishes[i]);
    if (narrowed != LW_BDD_FALSE)
      set = narrowed;
  }
  if (!walk_to_true(pool, set, bits))
    return FALSE;
  guint8 family = read_number(bits, LW_HEADER_FAMILY) ? 6 : 4;
  *out = (LwHeader){
      .source = read_addr(bits, LW_HEADER_SADDR, family),
      .destination = read_addr(bits, LW_HEADER_DADDR, family),
      .proto = (guint8)read_number(bits, LW_HEADER_PROTO),
      .icmp_type = (guint8)read_number(bits, LW_HEADER_ICMP_TYPE),
      .sport = (guint16)read_number(bits, LW_HEADER_SPORT),
      .dport = (guint16)read_number(bits, LW_HEADER_DPORT),
      .icmp_code = (guint8)read_number(bits, LW_HEADER_ICMP_CODE),
      .tcp_flags = (guint8)read_number(bits, LW_HEADER_TCP_FLAGS),
  };
  for (guint i = 0; i < 48; i++)
    out->mac.bytes[i / 8] |= (guint8)(bits[layout[LW_HEADER_ETH_SRC].first + i] << (7 - i % 8));
  return TRUE;
}

static double power_of_two(guint exponent) {
  double result = 1;
  for (guint i = 0; i < exponent; i++)
    result *= 2;
  return result;
}

double lw_packets_count(LwBddPool *pool, LwBdd set) {
  set = lw_packets_forget(pool, lw_packets_forget(pool, set, LW_HEADER_OIF), LW_HEADER_ETH_SRC);
  guint free_bits = layout[LW_HEADER_OIF].bits + layout[LW_HEADER_ETH_SRC].bits;
  LwBdd four = lw_bdd_and(pool, set, lw_packets_family(pool, 4));
  LwBdd six = lw_bdd_minus(pool, set, four);
  return lw_bdd_count(pool, four, LW_HEADER_VARIABLES) / power_of_two(free_bits + 192) +
         lw_bdd_count(pool, six, LW_HEADER_VARIABLES) / power_of_two(free_bits);
}

LwBdd lw_packets_leading_to(LwBddPool *pool, LwBdd destinations, guint number) {
  LwBdd result = LW_BDD_TRUE;
  for (guint i = LW_NUMBER_BITS; i-- > 0;) {
    gboolean high = (number >> (LW_NUMBER_BITS - 1 - i)) & 1u;
    result =
        lw_bdd_node(pool, LW_NUMBER_FIRST + i, high ? LW_BDD_FALSE : result, high ? result : LW_BDD_FALSE);
  }
  return lw_bdd_and(pool, destinations, result);
}

typedef struct {
  LwBddPool *pool;
  guint64 *seen; /* set and map as one number; 0: free. Open addressing: there are very many, for a moment */
  guint count, mask;
  GHashTable *found; /* numbers */
  GArray *out;
} Led;

static guint slot_of(const Led *led, guint64 both) {
  guint at = (guint)((both * 0x9e3779b97f4a7c15u) >> 32) & led->mask;
  while (led->seen[at] && led->seen[at] != both)
    at = (at + 1) & led->mask;
  return at;
}

static gboolean is_news(Led *led, guint64 both) {
  guint at = slot_of(led, both);
  if (led->seen[at])
    return FALSE;
  led->seen[at] = both;
  if (2 * ++led->count <= led->mask)
    return TRUE;
  g_autofree guint64 *before = led->seen;
  guint size = led->mask + 1;
  led->mask = 2 * size - 1;
  led->seen = g_new0(guint64, 2 * size);
  for (guint i = 0; i < size; i++)
    if (before[i])
      led->seen[slot_of(led, before[i])] = before[i];
  return TRUE;
}

static void collect_numbers(Led *led, LwBdd map, guint bit, guint prefix) {
  if (map == LW_BDD_FALSE)
    return;
  if (bit == LW_NUMBER_BITS) {
    if (g_hash_table_add(led->found, GUINT_TO_POINTER(prefix + 1)))
      g_array_append_val(led->out, prefix);
    return;
  }
  gboolean tests = map != LW_BDD_TRUE && lw_bdd_variable(led->pool, map) == LW_NUMBER_FIRST + bit;
  collect_numbers(led, tests ? lw_bdd_low(led->pool, map) : map, bit + 1, prefix << 1);
  collect_numbers(led, tests ? lw_bdd_high(led->pool, map) : map, bit + 1, (prefix << 1) | 1u);
}

/* Both are walked at once; what the set tests behind its destination is not looked at. */
static void lead(Led *led, LwBdd set, LwBdd map) {
  guint after = layout[LW_HEADER_DADDR].first + layout[LW_HEADER_DADDR].bits;
  if (set == LW_BDD_FALSE || map == LW_BDD_FALSE)
    return;
  guint vs = set == LW_BDD_TRUE ? G_MAXUINT : lw_bdd_variable(led->pool, set);
  guint vm = map == LW_BDD_TRUE ? G_MAXUINT : lw_bdd_variable(led->pool, map);
  if (vm >= LW_NUMBER_FIRST && vs >= after) {
    collect_numbers(led, map, 0, 0);
    return;
  }
  if (!is_news(led, ((guint64)set << 32) | map))
    return;
  guint variable = MIN(vs, vm);
  if (vs >= after)
    variable = vm;
  lead(led, vs == variable ? lw_bdd_low(led->pool, set) : set,
       vm == variable ? lw_bdd_low(led->pool, map) : map);
  lead(led, vs == variable ? lw_bdd_high(led->pool, set) : set,
       vm == variable ? lw_bdd_high(led->pool, map) : map);
}

void lw_packets_led_to(LwBddPool *pool, LwBdd set, LwBdd map, GArray *out) {
  Led led = {pool, g_new0(guint64, 256), 0, 255, g_hash_table_new(NULL, NULL), out};
  lead(&led, set, map);
  g_free(led.seen);
  g_hash_table_unref(led.found);
}
