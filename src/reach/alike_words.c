/* What is said of groups, as words in which they have no name. */
#include "reach/alike_internal.h"

/* --- words
 * -------------------------------------------------------------------------------------------------------- */

guint lw_alike_text_number(LwAlike *a, const char *text) {
  if (!text || !*text)
    return 0;
  gpointer known = g_hash_table_lookup(a->texts, text);
  if (!known) {
    known = GUINT_TO_POINTER(g_hash_table_size(a->texts) + 1);
    g_hash_table_insert(a->texts, g_strdup(text), known);
  }
  return GPOINTER_TO_UINT(known);
}

void lw_alike_begin(LwAlike *a) {
  a->start = a->said;
  a->count = 0;
  a->too_many = FALSE;
}

void lw_alike_set_apart(LwAlike *a, guint group) {
  a->apart[group] = TRUE;
}

guint32 lw_alike_mention(LwAlike *a, guint group) {
  for (guint i = 0; i < a->count; i++)
    if (a->mentions[i] == group)
      return i;
  if (a->count == LW_ALIKE_MENTIONS_MAX) {
    a->too_many = TRUE;
    lw_alike_set_apart(a, group);
    return LW_ALIKE_MENTIONS_MAX;
  }
  a->mentions[a->count] = group;
  return a->count++;
}

void lw_alike_forget(LwAlike *a) {
  a->said = a->start;
}

void lw_alike_set_all_apart(LwAlike *a) {
  for (guint i = 0; i < a->count; i++)
    lw_alike_set_apart(a, a->mentions[i]);
  lw_alike_forget(a);
}

static guint64 hash_of(const LwAlike *a, guint start, guint len) {
  const guint32 *words = a->words + start;
  guint64 hash = len;
  for (guint i = 0; i < len; i++)
    hash = ((hash << 7 | hash >> 57) ^ words[i]) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

void lw_alike_keep_fact(LwAlike *a, guint group) {
  Fact fact = {.group = group, .start = a->start, .len = a->said - a->start};
  fact.hash = hash_of(a, fact.start, fact.len);
  g_array_append_val(a->facts, fact);
}

/* The number of the edge. */
guint lw_alike_keep_edge(LwAlike *a) {
  Edge edge = {.start = a->start, .len = a->said - a->start, .count = a->count};
  memcpy(edge.mentions, a->mentions, sizeof edge.mentions);
  edge.hash = hash_of(a, edge.start, edge.len);
  g_array_append_val(a->edges, edge);
  return a->edges->len - 1;
}

/* --- ranges
 * ------------------------------------------------------------------------------------------------------- */

/* The first of those owned that ends at the address or behind it; their number: none does. */
static guint first_behind(const LwAlike *a, guint32 address) {
  guint low = 0, high = a->owned->len;
  while (low < high) {
    guint middle = (low + high) / 2;
    if (g_array_index(a->owned, Own, middle).last < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Whom it contains must be told apart from whom it does not; whom it cuts is alike with nobody. */
void lw_alike_note_range(LwAlike *a, guint32 first, guint32 last) {
  gboolean contains = FALSE;
  for (guint i = first_behind(a, first); i < a->owned->len; i++) {
    const Own *own = &g_array_index(a->owned, Own, i);
    if (own->first > last)
      break;
    if (own->first >= first && own->last <= last) {
      contains = TRUE;
      /* those in between need not be looked at: only both ends can be cut */
      const Own *end = &g_array_index(a->owned, Own, MIN(first_behind(a, last), a->owned->len - 1));
      if (end > own && end->first <= last && end->last > last)
        lw_alike_set_apart(a, end->group);
      break;
    }
    lw_alike_set_apart(a, own->group);
  }
  if (!contains)
    return;
  const guint32 behind = last + 1; /* 0: nobody is behind it */
  g_array_append_val(a->bounds, first);
  if (behind)
    g_array_append_val(a->bounds, behind);
}

const Own *lw_alike_owner_of(const LwAlike *a, guint32 first, guint32 last) {
  guint i = first_behind(a, first);
  const Own *own = i < a->owned->len ? &g_array_index(a->owned, Own, i) : NULL;
  return own && own->first <= first && last <= own->last ? own : NULL;
}

static void say_range6(LwAlike *a, const LwRange *range) {
  lw_alike_word(a, SAYS_RAW_RANGE6);
  lw_alike_word(a, range->first.family);
  for (guint i = 0; i < 16; i += 4) {
    const guint8 *f = range->first.bytes + i, *l = range->last.bytes + i;
    lw_alike_word(a, (guint32)f[0] << 24 | (guint32)f[1] << 16 | (guint32)f[2] << 8 | f[3]);
    lw_alike_word(a, (guint32)l[0] << 24 | (guint32)l[1] << 16 | (guint32)l[2] << 8 | l[3]);
  }
}

void lw_alike_say_range(LwAlike *a, const LwRange *range) {
  if (range->first.family != 4) {
    say_range6(a, range);
    return;
  }
  guint32 first = lw_addr_v4(&range->first), last = lw_addr_v4(&range->last);
  const Own *own = lw_alike_owner_of(a, first, last);
  if (own) {
    guint32 who = lw_alike_mention(a, own->group);
    lw_alike_word(a, SAYS_OWN_RANGE);
    lw_alike_word(a, who);
    lw_alike_word(a, first - own->first);
    lw_alike_word(a, last - own->first);
    return;
  }
  lw_alike_note_range(a, first, last);
  lw_alike_word(a, SAYS_RAW_RANGE);
  lw_alike_word(a, first);
  lw_alike_word(a, last);
}

void lw_alike_say_addr(LwAlike *a, const LwAddr *addr) {
  const LwRange range = {*addr, *addr};
  lw_alike_say_range(a, &range);
}

void lw_alike_say_prefix(LwAlike *a, const LwPrefix *prefix) {
  LwRange range = {prefix->addr, prefix->addr};
  if (lw_addr_is_set(&prefix->addr))
    range = lw_prefix_range(prefix);
  lw_alike_say_range(a, &range);
}

/* --- names, MACs, numbers
 * ----------------------------------------------------------------------------------------- */

void lw_alike_say_text(LwAlike *a, const char *text) {
  lw_alike_word(a, SAYS_NAME);
  lw_alike_word(a, lw_alike_text_number(a, text));
}

void lw_alike_say_name(LwAlike *a, const char *name) {
  const Token *token = name ? g_hash_table_lookup(a->names, name) : NULL;
  if (token) {
    guint32 who = lw_alike_mention(a, token->group);
    lw_alike_word(a, SAYS_OWN_NAME);
    lw_alike_word(a, who);
    lw_alike_word(a, token->role);
    return;
  }
  if (name && lw_reach_is_wild_name(name))
    g_hash_table_add(a->wild_names, g_strdup(name));
  lw_alike_say_text(a, name);
}

guint64 lw_alike_mac_number(const LwMac *mac) {
  guint64 number = 0;
  for (guint i = 0; i < sizeof mac->bytes; i++)
    number = number << 8 | mac->bytes[i];
  return number;
}

static void say_mac(LwAlike *a, const LwMac *mac) {
  guint64 number = lw_alike_mac_number(mac);
  const Token *token = g_hash_table_lookup(a->macs, &number);
  if (token) {
    guint32 who = lw_alike_mention(a, token->group);
    lw_alike_word(a, SAYS_OWN_MAC);
    lw_alike_word(a, who);
    lw_alike_word(a, token->role);
    return;
  }
  lw_alike_word(a, SAYS_MAC);
  lw_alike_word(a, (guint32)(number >> 32));
  lw_alike_word(a, (guint32)number);
}

void lw_alike_say_number(LwAlike *a, guint32 number) {
  lw_alike_word(a, SAYS_NUMBER);
  lw_alike_word(a, number);
}

void lw_alike_say_group(LwAlike *a, guint group) {
  guint32 who = lw_alike_mention(a, group);
  lw_alike_word(a, SAYS_GROUP);
  lw_alike_word(a, who);
}

void lw_alike_say_value(LwAlike *a, const LwValue *value) {
  switch (value->kind) {
  case LW_VALUE_NAME:
    lw_alike_say_name(a, value->name);
    break;
  case LW_VALUE_PREFIX:
    lw_alike_say_prefix(a, &value->prefix);
    break;
  case LW_VALUE_RANGE:
    lw_alike_say_range(a, &value->range);
    break;
  case LW_VALUE_NUMBER:
    lw_alike_say_number(a, value->first);
    lw_alike_word(a, value->last);
    break;
  case LW_VALUE_MAC:
    say_mac(a, &value->mac);
    break;
  }
}

/* --- what the caller says
 * ----------------------------------------------------------------------------------------- */

void lw_alike_tell_apart(LwAlike *a, const LwPrefix *prefix) {
  if (prefix->addr.family != 4)
    return;
  LwRange range = lw_prefix_range(prefix);
  guint32 first = lw_addr_v4(&range.first), last = lw_addr_v4(&range.last);
  const Own *own = lw_alike_owner_of(a, first, last);
  if (own)
    lw_alike_set_apart(a, own->group);
  else
    lw_alike_note_range(a, first, last);
}

void lw_alike_say_begin(LwAlike *a, guint group) {
  lw_alike_begin(a);
  (void)lw_alike_mention(a, group);
}

void lw_alike_say_end(LwAlike *a) {
  guint group = a->mentions[0];
  if (a->too_many) {
    lw_alike_set_all_apart(a);
    return;
  }
  if (a->count == 1) {
    lw_alike_keep_fact(a, group);
    return;
  }
  guint edge = lw_alike_keep_edge(a);
  if (!a->own_edges[group])
    a->own_edges[group] = g_array_new(FALSE, FALSE, sizeof(guint));
  g_array_append_val(a->own_edges[group], edge);
}

gboolean lw_alike_words_equal(const LwAlike *a, guint start, guint other, guint len) {
  return memcmp(a->words + start, a->words + other, len * sizeof(guint32)) == 0;
}
