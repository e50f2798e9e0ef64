#include "flow/layout.h"

#include <string.h>

#define ITEMS_SHOWN 4

/* One field's values that lead to the same rest of the set. */
typedef struct {
  LwMdd rest;
  GArray *runs; /* of Run, ascending */
} Group;

typedef struct {
  guint8 first[16], last[16];
} Run;

typedef struct {
  LwMddPool *pool;
  guint most;
  gboolean whole;
  GPtrArray *pieces;
  const GArray *chosen[LW_HEADER_LAST]; /* of Run; on the way down */
  guint8 family;
} Walk;

static void group_clear(gpointer data) {
  g_array_unref(((Group *)data)->runs);
}

static gboolean follows(const guint8 *last, const guint8 *first, guint bytes) {
  guint8 next[16];
  memcpy(next, last, bytes);
  for (guint i = bytes; i-- > 0;)
    if (++next[i])
      return memcmp(next, first, bytes) == 0;
  return FALSE;
}

static void put_run(GArray *groups, LwMdd rest, const Run *run, guint bytes) {
  Group *group = NULL;
  for (guint i = 0; i < groups->len && !group; i++)
    if (g_array_index(groups, Group, i).rest == rest)
      group = &g_array_index(groups, Group, i);
  if (!group) {
    Group fresh = {rest, g_array_new(FALSE, FALSE, sizeof(Run))};
    g_array_append_val(groups, fresh);
    group = &g_array_index(groups, Group, groups->len - 1);
  }
  Run *before = group->runs->len ? &g_array_index(group->runs, Run, group->runs->len - 1) : NULL;
  if (before && follows(before->last, run->first, bytes))
    memcpy(before->last, run->last, sizeof run->last);
  else
    g_array_append_val(group->runs, *run);
}

typedef struct {
  LwMddPool *pool;
  LwHeaderField field;
  guint words;
  GArray *groups;
} Split;

static void put_word(const Split *s, guint8 *bytes, guint word, guint32 value) {
  if (lw_header_word_bits(s->field) == 16) {
    bytes[2 * word] = (guint8)(value >> 8);
    bytes[2 * word + 1] = (guint8)value;
  } else if (lw_header_word_bits(s->field) == 8) {
    bytes[word] = (guint8)value;
  } else {
    bytes[0] = (guint8)(value << 7);
  }
}

/* Values of a word, and below it all there are. */
static void put_whole(const Split *s, LwMdd rest, guint word, guint32 first, guint32 last, const Run *run) {
  Run whole = *run;
  guint32 most = (1u << lw_header_word_bits(s->field)) - 1;
  for (guint w = word; w < s->words; w++) {
    put_word(s, whole.first, w, w == word ? first : 0);
    put_word(s, whole.last, w, w == word ? last : most);
  }
  put_run(s->groups, rest, &whole, (lw_header_word_bits(s->field) * s->words + 7) / 8);
}

/* In ascending order of the field's values, from a word on; run: the words before it. */
static void split(const Split *s, LwMdd set, guint word, const Run *run) {
  guint32 most = (1u << lw_header_word_bits(s->field)) - 1;
  guint variable = lw_mdd_variable(s->pool, set), end = lw_header_first(s->field) + s->words, count = 1;
  LwEdge alone = {0, set};
  if (set == LW_MDD_FALSE)
    return;
  if (variable >= end) {
    put_whole(s, set, word, 0, most, run);
    return;
  }
  const LwEdge *edges =
      variable == lw_header_first(s->field) + word ? lw_mdd_edges(s->pool, set, &count) : &alone;
  for (guint i = 0; i < count; i++) {
    guint32 first = edges[i].first, last = i + 1 < count ? edges[i + 1].first - 1 : most;
    if (edges[i].to == LW_MDD_FALSE)
      continue;
    if (lw_mdd_variable(s->pool, edges[i].to) >= end) {
      put_whole(s, edges[i].to, word, first, last, run);
      continue;
    }
    for (guint32 value = first; value <= last; value++) {
      Run inner = *run;
      put_word(s, inner.first, word, value);
      put_word(s, inner.last, word, value);
      split(s, edges[i].to, word + 1, &inner);
    }
  }
}

static gboolean is_everything(const GArray *runs, guint bits) {
  if (runs->len != 1)
    return FALSE;
  const Run *run = &g_array_index(runs, Run, 0);
  for (guint i = 0; i < bits; i++) {
    guint8 mask = (guint8)(1u << (7 - i % 8));
    if ((run->first[i / 8] & mask) || !(run->last[i / 8] & mask))
      return FALSE;
  }
  return TRUE;
}

static GArray *ranges_of(const GArray *runs, guint8 family) {
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwRange));
  if (is_everything(runs, family == 6 ? 128 : 32))
    return out;
  for (guint i = 0; i < runs->len; i++) {
    const Run *run = &g_array_index(runs, Run, i);
    LwRange range = {{.family = family}, {.family = family}};
    memcpy(range.first.bytes, run->first, family == 6 ? 16 : 4);
    memcpy(range.last.bytes, run->last, family == 6 ? 16 : 4);
    g_array_append_val(out, range);
  }
  return out;
}

static guint32 number_of(const guint8 *bytes, guint bits) {
  return bits > 8 ? ((guint32)bytes[0] << 8) | bytes[1] : bytes[0];
}

static GArray *numbers_of(const GArray *runs, guint bits) {
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwNumbers));
  if (is_everything(runs, bits))
    return out;
  for (guint i = 0; i < runs->len; i++) {
    const Run *run = &g_array_index(runs, Run, i);
    LwNumbers numbers = {number_of(run->first, bits), number_of(run->last, bits)};
    g_array_append_val(out, numbers);
  }
  return out;
}

static void piece_free(gpointer data) {
  LwPiece *piece = data;
  g_array_unref(piece->sources);
  g_array_unref(piece->destinations);
  g_array_unref(piece->protos);
  g_array_unref(piece->dports);
  g_array_unref(piece->icmp_types);
  g_array_unref(piece->sports);
  g_free(piece);
}

static void put_piece(Walk *walk) {
  if (walk->pieces->len == walk->most) {
    walk->whole = FALSE;
    return;
  }
  LwPiece *piece = g_new0(LwPiece, 1);
  piece->family = walk->family;
  piece->sources = ranges_of(walk->chosen[LW_HEADER_SADDR], walk->family);
  piece->destinations = ranges_of(walk->chosen[LW_HEADER_DADDR], walk->family);
  piece->protos = numbers_of(walk->chosen[LW_HEADER_PROTO], 8);
  piece->dports = numbers_of(walk->chosen[LW_HEADER_DPORT], 16);
  piece->icmp_types = numbers_of(walk->chosen[LW_HEADER_ICMP_TYPE], 8);
  piece->sports = numbers_of(walk->chosen[LW_HEADER_SPORT], 16);
  g_ptr_array_add(walk->pieces, piece);
}

static const LwHeaderField told[] = {LW_HEADER_FAMILY, LW_HEADER_SADDR,     LW_HEADER_DADDR, LW_HEADER_PROTO,
                                     LW_HEADER_DPORT,  LW_HEADER_ICMP_TYPE, LW_HEADER_SPORT};

static void walk_field(Walk *walk, LwMdd set, guint which) {
  if (walk->pieces->len > walk->most || !walk->whole)
    return;
  if (which == G_N_ELEMENTS(told)) {
    put_piece(walk);
    return;
  }
  LwHeaderField field = told[which];
  gboolean address = field == LW_HEADER_SADDR || field == LW_HEADER_DADDR;
  g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(Group));
  g_array_set_clear_func(groups, group_clear);
  const Run run = {0};
  const Split s = {walk->pool, field, address && walk->family == 4 ? 2 : lw_header_words(field), groups};
  split(&s, set, 0, &run);
  for (guint i = 0; i < groups->len; i++) {
    const Group *group = &g_array_index(groups, Group, i);
    walk->chosen[field] = group->runs;
    walk_field(walk, group->rest, which + 1);
  }
}

GPtrArray *lw_packets_pieces(LwMddPool *pool, LwMdd set, guint most, gboolean *whole) {
  Walk walk = {.pool = pool, .most = most, .whole = TRUE};
  walk.pieces = g_ptr_array_new_with_free_func(piece_free);
  set = lw_packets_forget(pool, set, LW_HEADER_OIF);
  set = lw_packets_forget(pool, set, LW_HEADER_ETH_SRC);
  set = lw_packets_forget(pool, set, LW_HEADER_ICMP_CODE);
  set = lw_packets_forget(pool, set, LW_HEADER_TCP_FLAGS);
  for (guint8 family = 4; family <= 6; family += 2) {
    walk.family = family;
    LwMdd of_family = lw_mdd_and(pool, set, lw_packets_family(pool, family));
    if (of_family != LW_MDD_FALSE)
      walk_field(&walk, of_family, 0);
  }
  if (whole)
    *whole = walk.whole;
  return walk.pieces;
}

/* "10.0.0.0/8" rather than "10.0.0.0-10.255.255.255". */
static char *range_text(const LwRange *range) {
  guint bits = range->first.family == 6 ? 128 : 32;
  for (guint len = 0; len <= bits; len++) {
    LwPrefix prefix = lw_prefix_make(range->first, (guint8)len);
    LwRange whole = lw_prefix_range(&prefix);
    if (lw_range_equal(&whole, range))
      return len == bits ? lw_addr_format(&range->first) : lw_prefix_format(&prefix);
  }
  return lw_range_format(range);
}

static void put_ranges(GString *out, const GArray *ranges, guint8 family) {
  if (ranges->len == 0)
    g_string_append(out, family == 6 ? "any IPv6" : "any");
  for (guint i = 0; i < MIN(ranges->len, ITEMS_SHOWN); i++) {
    g_autofree char *text = range_text(&g_array_index(ranges, LwRange, i));
    g_string_append_printf(out, "%s%s", i ? ", " : "", text);
  }
  if (ranges->len > ITEMS_SHOWN)
    g_string_append_printf(out, " and %u more", ranges->len - ITEMS_SHOWN);
}

static void put_numbers(GString *out, const GArray *numbers) {
  for (guint i = 0; i < MIN(numbers->len, ITEMS_SHOWN); i++) {
    const LwNumbers *n = &g_array_index(numbers, LwNumbers, i);
    if (n->first == n->last)
      g_string_append_printf(out, "%s%u", i ? "," : "", n->first);
    else
      g_string_append_printf(out, "%s%u-%u", i ? "," : "", n->first, n->last);
  }
  if (numbers->len > ITEMS_SHOWN)
    g_string_append(out, ",…");
}

static const char *proto_name(guint32 proto) {
  switch (proto) {
  case 1:
    return "icmp";
  case 6:
    return "tcp";
  case 17:
    return "udp";
  case 58:
    return "icmpv6";
  default:
    return NULL;
  }
}

static void put_protos(GString *out, const GArray *protos) {
  if (protos->len == 0)
    g_string_append(out, "any protocol");
  for (guint i = 0; i < MIN(protos->len, ITEMS_SHOWN); i++) {
    const LwNumbers *n = &g_array_index(protos, LwNumbers, i);
    const char *name = n->first == n->last ? proto_name(n->first) : NULL;
    g_string_append(out, i ? "+" : "");
    if (name)
      g_string_append(out, name);
    else if (n->first == n->last)
      g_string_append_printf(out, "protocol %u", n->first);
    else
      g_string_append_printf(out, "protocols %u-%u", n->first, n->last);
  }
  if (protos->len > ITEMS_SHOWN)
    g_string_append(out, "+…");
}

char *lw_piece_format(const LwPiece *piece) {
  GString *out = g_string_new(NULL);
  put_ranges(out, piece->sources, piece->family);
  g_string_append(out, " -> ");
  put_ranges(out, piece->destinations, piece->family);
  g_string_append_c(out, ' ');
  put_protos(out, piece->protos);
  if (piece->dports->len) {
    g_string_append_c(out, '/');
    put_numbers(out, piece->dports);
  }
  if (piece->icmp_types->len) {
    g_string_append(out, " type ");
    put_numbers(out, piece->icmp_types);
  }
  if (piece->sports->len) {
    g_string_append(out, " from port ");
    put_numbers(out, piece->sports);
  }
  return g_string_free(out, FALSE);
}

char *lw_header_format(const LwHeader *header) {
  g_autofree char *from = lw_addr_format(&header->source);
  g_autofree char *to = lw_addr_format(&header->destination);
  const char *name = proto_name(header->proto);
  if (header->proto == 1 || header->proto == 58) {
    gboolean echo = header->icmp_type == (header->proto == 1 ? 8 : 128);
    return echo ? g_strdup_printf("%s -> %s %s", from, to, name)
                : g_strdup_printf("%s -> %s %s type %u", from, to, name, header->icmp_type);
  }
  if (name)
    return g_strdup_printf("%s -> %s %s/%u", from, to, name, header->dport);
  return g_strdup_printf("%s -> %s protocol %u", from, to, header->proto);
}
