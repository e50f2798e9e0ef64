#include "flow/packets.h"

#include "flow/layout.h"

#include <string.h>

static const struct {
  guint first, words, bits; /* bits: of each word */
} layout[LW_HEADER_LAST] = {
    [LW_HEADER_OIF] = {0, 1, 16},       [LW_HEADER_FAMILY] = {1, 1, 1},
    [LW_HEADER_SADDR] = {2, 8, 16},     [LW_HEADER_DADDR] = {10, 8, 16},
    [LW_HEADER_PROTO] = {18, 1, 8},     [LW_HEADER_DPORT] = {19, 1, 16},
    [LW_HEADER_ICMP_TYPE] = {20, 1, 8}, [LW_HEADER_ICMP_CODE] = {21, 1, 8},
    [LW_HEADER_TCP_FLAGS] = {22, 1, 8}, [LW_HEADER_SPORT] = {23, 1, 16},
    [LW_HEADER_ETH_SRC] = {24, 3, 16},
};

guint lw_header_first(LwHeaderField field) {
  return layout[field].first;
}

guint lw_header_words(LwHeaderField field) {
  return layout[field].words;
}

guint lw_header_word_bits(LwHeaderField field) {
  return layout[field].bits;
}

guint lw_header_bits(LwHeaderField field) {
  return layout[field].words * layout[field].bits;
}

guint32 lw_header_word(LwHeaderField field, const guint8 *bytes, guint word) {
  switch (layout[field].bits) {
  case 16:
    return ((guint32)bytes[2 * word] << 8) | bytes[2 * word + 1];
  case 8:
    return bytes[word];
  default: /* the family's one */
    return bytes[0] >> 7;
  }
}

static guint32 last_value(LwHeaderField field) {
  return (1u << layout[field].bits) - 1;
}

static guint bit_of(const guint8 *bytes, guint index) {
  return (bytes[index / 8] >> (7 - index % 8)) & 1u;
}

static void put_number(guint8 *bytes, guint bits, guint64 number) {
  number <<= (8 - bits % 8) % 8; /* at the front of its bytes */
  for (guint i = (bits + 7) / 8; i-- > 0; number >>= 8)
    bytes[i] = (guint8)number;
}

LwSpan lw_span_number(LwHeaderField field, guint64 first, guint64 last) {
  LwSpan span = {.field = field, .bits = lw_header_bits(field)};
  put_number(span.first, span.bits, first);
  put_number(span.last, span.bits, last);
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

/* What lies between the bounds, from a word on, and then in `then`. A bound that no longer binds is NULL. */
static LwMdd between(LwMddPool *pool, const LwSpan *span, guint word, const guint8 *first, const guint8 *last,
                     LwMdd then) {
  guint bits = layout[span->field].bits, variable = layout[span->field].first + word;
  guint32 most = last_value(span->field);
  if (word * bits == span->bits || (!first && !last))
    return then;
  guint32 f = first ? lw_header_word(span->field, first, word) : 0;
  guint32 l = last ? lw_header_word(span->field, last, word) : most;
  if (f > l)
    return LW_MDD_FALSE;
  if (f == l)
    return lw_mdd_interval(pool, variable, f, f, most, between(pool, span, word + 1, first, last, then));
  LwMdd at_first = between(pool, span, word + 1, first, NULL, then);
  LwMdd at_last = between(pool, span, word + 1, NULL, last, then);
  if (at_first == then && at_last == then)
    return lw_mdd_interval(pool, variable, f, l, most, then);
  const LwEdge edges[] = {
      {0, LW_MDD_FALSE}, {f, at_first}, {f + 1, then}, {l, at_last}, {l + 1, LW_MDD_FALSE}};
  LwEdge ascending[G_N_ELEMENTS(edges)];
  guint count = 0;
  for (guint i = 0; i < G_N_ELEMENTS(edges); i++) {
    gboolean empty =
        edges[i].first > most || (i + 1 < G_N_ELEMENTS(edges) && edges[i].first == edges[i + 1].first);
    if (!empty)
      ascending[count++] = edges[i];
  }
  return lw_mdd_node(pool, variable, ascending, count);
}

static gboolean is_address(const LwSpan *span) {
  return span->field == LW_HEADER_SADDR || span->field == LW_HEADER_DADDR;
}

LwMdd lw_packets_box(LwMddPool *pool, const LwSpan *spans, guint count) {
  const LwSpan *by_field[LW_HEADER_LAST] = {NULL};
  guint family_bits = 0;
  for (guint i = 0; i < count; i++) {
    g_assert(!by_field[spans[i].field]);
    by_field[spans[i].field] = &spans[i];
    if (!is_address(&spans[i]))
      continue;
    if (family_bits && family_bits != spans[i].bits)
      return LW_MDD_FALSE;
    family_bits = spans[i].bits;
  }
  LwSpan family = lw_span_number(LW_HEADER_FAMILY, family_bits == 128, family_bits == 128);
  if (family_bits) {
    const LwSpan *given = by_field[LW_HEADER_FAMILY];
    if (given && bit_of(given->first, 0) == bit_of(given->last, 0) &&
        bit_of(given->first, 0) != bit_of(family.first, 0))
      return LW_MDD_FALSE;
    by_field[LW_HEADER_FAMILY] = &family;
  }
  LwMdd result = LW_MDD_TRUE;
  for (guint field = LW_HEADER_LAST; field-- > 0;)
    if (by_field[field])
      result = between(pool, by_field[field], 0, by_field[field]->first, by_field[field]->last, result);
  return result;
}

LwMdd lw_packets_number(LwMddPool *pool, LwHeaderField field, guint64 first, guint64 last) {
  guint32 most = last_value(field), from = (guint32)first & most, to = (guint32)last & most;
  if (layout[field].words == 1)
    return from > to ? LW_MDD_FALSE : lw_mdd_interval(pool, layout[field].first, from, to, most, LW_MDD_TRUE);
  LwSpan span = lw_span_number(field, first, last);
  return lw_packets_box(pool, &span, 1);
}

/* One word's: in runs of those that differ in the free bits below the mask's last one alone. */
static LwMdd masked_word(LwMddPool *pool, guint variable, guint32 most, guint32 value, guint32 mask,
                         LwMdd then) {
  if (!mask)
    return then;
  g_autoptr(GArray) edges = g_array_new(FALSE, FALSE, sizeof(LwEdge));
  guint32 run = mask & (~mask + 1);
  for (guint32 first = 0; first <= most; first += run) {
    LwEdge edge = {first, (first & mask) == value ? then : LW_MDD_FALSE};
    g_array_append_val(edges, edge);
  }
  return lw_mdd_node(pool, variable, (const LwEdge *)(const void *)edges->data, edges->len);
}

LwMdd lw_packets_masked(LwMddPool *pool, LwHeaderField field, guint64 value, guint64 mask) {
  LwMdd result = LW_MDD_TRUE;
  guint bits = layout[field].bits, words = layout[field].words;
  guint32 most = last_value(field);
  for (guint w = words; w-- > 0;) {
    guint shift = bits * (words - 1 - w);
    guint32 wanted = (guint32)(mask >> shift) & most;
    result =
        masked_word(pool, layout[field].first + w, most, (guint32)(value >> shift) & wanted, wanted, result);
  }
  return result;
}

LwMdd lw_packets_range(LwMddPool *pool, LwHeaderField field, const LwRange *range) {
  LwSpan span = lw_span_range(field, range);
  return lw_packets_box(pool, &span, 1);
}

LwMdd lw_packets_prefix(LwMddPool *pool, LwHeaderField field, const LwPrefix *prefix) {
  LwSpan span = lw_span_prefix(field, prefix);
  return lw_packets_box(pool, &span, 1);
}

LwMdd lw_packets_addr(LwMddPool *pool, LwHeaderField field, const LwAddr *addr) {
  LwSpan span = lw_span_addr(field, addr, addr);
  return lw_packets_box(pool, &span, 1);
}

LwMdd lw_packets_family(LwMddPool *pool, guint8 family) {
  return lw_packets_number(pool, LW_HEADER_FAMILY, family == 6, family == 6);
}

LwMdd lw_packets_of(LwMddPool *pool, const LwHeader *header) {
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

LwMdd lw_packets_forget(LwMddPool *pool, LwMdd set, LwHeaderField field) {
  return lw_mdd_exists(pool, set, layout[field].first, layout[field].words);
}

LwMdd lw_packets_write(LwMddPool *pool, LwMdd set, const LwSpan *span) {
  return lw_mdd_and(pool, lw_packets_forget(pool, set, span->field), lw_packets_box(pool, span, 1));
}

LwMdd lw_packets_by_oif(LwMddPool *pool, LwMdd set, guint oif) {
  gboolean tests = lw_mdd_variable(pool, set) == layout[LW_HEADER_OIF].first;
  return tests ? lw_mdd_follow(pool, set, oif) : set;
}

/* The values that an edge stands for. */
static guint32 end_of(const LwEdge *edges, guint count, guint i, guint32 most) {
  return i + 1 < count ? edges[i + 1].first : most + 1;
}

void lw_packets_oifs(LwMddPool *pool, LwMdd set, GArray *out) {
  LwMdd usual = lw_packets_by_oif(pool, set, 0);
  guint count;
  if (set == usual)
    return;
  const LwEdge *edges = lw_mdd_edges(pool, set, &count);
  for (guint i = 0; i < count; i++)
    for (guint oif = edges[i].first;
         edges[i].to != usual && oif < end_of(edges, count, i, last_value(LW_HEADER_OIF)); oif++)
      g_array_append_val(out, oif);
}

/* The first member. */
static gboolean walk_to_true(LwMddPool *pool, LwMdd set, guint32 *values /* of every variable */) {
  if (set == LW_MDD_FALSE)
    return FALSE;
  while (set != LW_MDD_TRUE) {
    guint count;
    const LwEdge *edge = lw_mdd_edges(pool, set, &count);
    if (edge->to == LW_MDD_FALSE)
      edge++; /* neighbours differ */
    values[lw_mdd_variable(pool, set)] = edge->first;
    set = edge->to;
  }
  return TRUE;
}

static guint32 read_number(const guint32 *values, LwHeaderField field) {
  return values[layout[field].first];
}

static void read_words(const guint32 *values, LwHeaderField field, guint words, guint8 *bytes) {
  for (guint i = 0; i < words; i++) {
    bytes[2 * i] = (guint8)(values[layout[field].first + i] >> 8);
    bytes[2 * i + 1] = (guint8)values[layout[field].first + i];
  }
}

static LwAddr read_addr(const guint32 *values, LwHeaderField field, guint8 family) {
  LwAddr addr = {.family = family};
  read_words(values, field, family == 6 ? 8 : 2, addr.bytes);
  return addr;
}

gboolean lw_packets_pick(LwMddPool *pool, LwMdd set, const LwMdd *wishes, guint count, LwHeader *out) {
  guint32 values[LW_HEADER_VARIABLES] = {0};
  for (guint i = 0; i < count; i++) {
    LwMdd narrowed = lw_mdd_and(pool, set, wishes[i]);
    if (narrowed != LW_MDD_FALSE)
      set = narrowed;
  }
  if (!walk_to_true(pool, set, values))
    return FALSE;
  guint8 family = read_number(values, LW_HEADER_FAMILY) ? 6 : 4;
  *out = (LwHeader){
      .source = read_addr(values, LW_HEADER_SADDR, family),
      .destination = read_addr(values, LW_HEADER_DADDR, family),
      .proto = (guint8)read_number(values, LW_HEADER_PROTO),
      .icmp_type = (guint8)read_number(values, LW_HEADER_ICMP_TYPE),
      .sport = (guint16)read_number(values, LW_HEADER_SPORT),
      .dport = (guint16)read_number(values, LW_HEADER_DPORT),
      .icmp_code = (guint8)read_number(values, LW_HEADER_ICMP_CODE),
      .tcp_flags = (guint8)read_number(values, LW_HEADER_TCP_FLAGS),
  };
  read_words(values, LW_HEADER_ETH_SRC, layout[LW_HEADER_ETH_SRC].words, out->mac.bytes);
  return TRUE;
}

static double power_of_two(guint exponent) {
  double result = 1;
  for (guint i = 0; i < exponent; i++)
    result *= 2;
  return result;
}

double lw_packets_count(LwMddPool *pool, LwMdd set) {
  guint8 bits[LW_HEADER_VARIABLES];
  for (guint field = 0; field < LW_HEADER_LAST; field++)
    for (guint w = 0; w < layout[field].words; w++)
      bits[layout[field].first + w] = (guint8)layout[field].bits;
  set = lw_packets_forget(pool, lw_packets_forget(pool, set, LW_HEADER_OIF), LW_HEADER_ETH_SRC);
  guint free_bits = lw_header_bits(LW_HEADER_OIF) + lw_header_bits(LW_HEADER_ETH_SRC);
  LwMdd four = lw_mdd_and(pool, set, lw_packets_family(pool, 4));
  LwMdd six = lw_mdd_minus(pool, set, four);
  return lw_mdd_count(pool, four, bits, LW_HEADER_VARIABLES) / power_of_two(free_bits + 192) +
         lw_mdd_count(pool, six, bits, LW_HEADER_VARIABLES) / power_of_two(free_bits);
}

LwMdd lw_packets_leading_to(LwMddPool *pool, LwMdd destinations, guint number) {
  return lw_mdd_and(pool, destinations,
                    lw_mdd_interval(pool, LW_NUMBER_VARIABLE, number, number, LW_NUMBER_MAX, LW_MDD_TRUE));
}

typedef struct {
  LwMddPool *pool;
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

static void collect_numbers(Led *led, LwMdd map) {
  guint count;
  if (map == LW_MDD_TRUE)
    return; /* a map's sets name numbers */
  const LwEdge *edges = lw_mdd_edges(led->pool, map, &count);
  for (guint i = 0; i < count; i++)
    for (guint number = edges[i].first;
         edges[i].to != LW_MDD_FALSE && number < end_of(edges, count, i, LW_NUMBER_MAX); number++)
      if (g_hash_table_add(led->found, GUINT_TO_POINTER(number + 1)))
        g_array_append_val(led->out, number);
}

/* Both are walked at once; what the set tests behind its destination is not looked at. */
static void lead(Led *led, LwMdd set, LwMdd map) {
  guint after = layout[LW_HEADER_DADDR].first + layout[LW_HEADER_DADDR].words;
  if (set == LW_MDD_FALSE || map == LW_MDD_FALSE)
    return;
  guint vs = lw_mdd_variable(led->pool, set), vm = lw_mdd_variable(led->pool, map);
  if (vm >= LW_NUMBER_VARIABLE && vs >= after) {
    collect_numbers(led, map);
    return;
  }
  if (!is_news(led, ((guint64)set << 32) | map))
    return;
  guint variable = vs >= after ? vm : MIN(vs, vm), set_count = 1, map_count = 1;
  const LwEdge alone[] = {{0, set}, {0, map}};
  const LwEdge *sets = vs == variable ? lw_mdd_edges(led->pool, set, &set_count) : &alone[0];
  const LwEdge *maps = vm == variable ? lw_mdd_edges(led->pool, map, &map_count) : &alone[1];
  for (guint s = 0, m = 0; s < set_count && m < map_count;) {
    lead(led, sets[s].to, maps[m].to);
    guint32 next_set = end_of(sets, set_count, s, LW_NUMBER_MAX);
    guint32 next_map = end_of(maps, map_count, m, LW_NUMBER_MAX);
    s += next_set <= next_map;
    m += next_map <= next_set;
  }
}

void lw_packets_led_to(LwMddPool *pool, LwMdd set, LwMdd map, GArray *out) {
  Led led = {pool, g_new0(guint64, 256), 0, 255, g_hash_table_new(NULL, NULL), out};
  lead(&led, set, map);
  g_free(led.seen);
  g_hash_table_unref(led.found);
}
