#include "base/ranges.h"

#include <string.h>

LwIp lw_ip_of(const LwAddr *addr) {
  LwIp out = {0, 0};
  guint count = addr->family == 6 ? 16 : 4;
  for (guint i = 0; i < count; i++) {
    out.high = out.high << 8 | out.low >> 56;
    out.low = out.low << 8 | addr->bytes[i];
  }
  return out;
}

LwAddr lw_ip_addr(LwIp ip, guint8 family) {
  LwAddr out = {.family = family};
  guint count = family == 6 ? 16 : 4;
  for (guint i = 0; i < count; i++) {
    out.bytes[count - 1 - i] = (guint8)(ip.low & 0xff);
    ip.low = ip.low >> 8 | ip.high << 56;
    ip.high >>= 8;
  }
  return out;
}

int lw_ip_cmp(LwIp a, LwIp b) {
  if (a.high != b.high)
    return a.high < b.high ? -1 : 1;
  return a.low == b.low ? 0 : a.low < b.low ? -1 : 1;
}

LwIp lw_ip_next(LwIp ip) {
  ip.low++;
  ip.high += ip.low == 0;
  return ip;
}

LwIp lw_ip_previous(LwIp ip) {
  ip.high -= ip.low == 0;
  ip.low--;
  return ip;
}

LwIp lw_ip_max(guint8 family) {
  return family == 6 ? (LwIp){G_MAXUINT64, G_MAXUINT64} : (LwIp){0, G_MAXUINT32};
}

LwIpSet *lw_ip_set_new(guint8 family) {
  LwIpSet *made = g_new0(LwIpSet, 1);
  made->family = family;
  made->ranges = g_array_new(FALSE, FALSE, sizeof(LwIpRange));
  return made;
}

LwIpSet *lw_ip_set_all(guint8 family) {
  LwIpSet *made = lw_ip_set_new(family);
  lw_ip_set_add(made, (LwIp){0, 0}, lw_ip_max(family));
  return made;
}

LwIpSet *lw_ip_set_copy(const LwIpSet *set) {
  LwIpSet *made = lw_ip_set_new(set->family);
  lw_ip_set_add_set(made, set);
  return made;
}

void lw_ip_set_free(LwIpSet *set) {
  if (!set)
    return;
  g_array_unref(set->ranges);
  g_free(set);
}

static LwIpRange *at(const LwIpSet *set, guint i) {
  return &g_array_index(set->ranges, LwIpRange, i);
}

/* Whether b begins where a ends, or before. */
static gboolean touches(LwIp end, LwIp begin) {
  return lw_ip_cmp(begin, end) <= 0 || lw_ip_cmp(lw_ip_previous(begin), end) == 0;
}

void lw_ip_set_add(LwIpSet *set, LwIp first, LwIp last) {
  if (lw_ip_cmp(first, last) > 0)
    return;
  guint i = 0;
  while (i < set->ranges->len && lw_ip_cmp(at(set, i)->last, first) < 0 && !touches(at(set, i)->last, first))
    i++;
  LwIpRange made = {first, last};
  while (i < set->ranges->len &&
         (lw_ip_cmp(at(set, i)->first, made.last) <= 0 || touches(made.last, at(set, i)->first))) {
    if (lw_ip_cmp(at(set, i)->first, made.first) < 0)
      made.first = at(set, i)->first;
    if (lw_ip_cmp(at(set, i)->last, made.last) > 0)
      made.last = at(set, i)->last;
    g_array_remove_index(set->ranges, i);
  }
  g_array_insert_val(set->ranges, i, made);
}

void lw_ip_set_add_prefix(LwIpSet *set, const LwPrefix *prefix) {
  if (prefix->addr.family != set->family)
    return;
  guint bits = set->family == 6 ? 128 : 32, host = bits - MIN(prefix->len, bits);
  LwIp first = lw_ip_of(&prefix->addr), last;
  guint64 low = host >= 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT(1) << host) - 1;
  guint64 high = host <= 64 ? 0 : host >= 128 ? G_MAXUINT64 : (G_GUINT64_CONSTANT(1) << (host - 64)) - 1;
  first = (LwIp){first.high & ~high, first.low & ~low};
  last = (LwIp){first.high | high, first.low | low};
  lw_ip_set_add(set, first, last);
}

void lw_ip_set_add_set(LwIpSet *set, const LwIpSet *other) {
  for (guint i = 0; i < other->ranges->len; i++)
    lw_ip_set_add(set, at(other, i)->first, at(other, i)->last);
}

LwIpSet *lw_ip_set_complement(const LwIpSet *set) {
  LwIpSet *made = lw_ip_set_new(set->family);
  LwIp next = {0, 0};
  for (guint i = 0; i < set->ranges->len; i++) {
    if (lw_ip_cmp(at(set, i)->first, next) > 0)
      lw_ip_set_add(made, next, lw_ip_previous(at(set, i)->first));
    if (lw_ip_cmp(at(set, i)->last, lw_ip_max(set->family)) == 0)
      return made;
    next = lw_ip_next(at(set, i)->last);
  }
  lw_ip_set_add(made, next, lw_ip_max(set->family));
  return made;
}

LwIpSet *lw_ip_set_intersect(const LwIpSet *a, const LwIpSet *b) {
  LwIpSet *made = lw_ip_set_new(a->family);
  for (guint i = 0, j = 0; i < a->ranges->len && j < b->ranges->len;) {
    const LwIpRange *x = at(a, i), *y = at(b, j);
    LwIp first = lw_ip_cmp(x->first, y->first) > 0 ? x->first : y->first;
    LwIp last = lw_ip_cmp(x->last, y->last) < 0 ? x->last : y->last;
    if (lw_ip_cmp(first, last) <= 0)
      g_array_append_val(made->ranges, ((LwIpRange[]){{first, last}})[0]);
    if (lw_ip_cmp(x->last, y->last) < 0)
      i++;
    else
      j++;
  }
  return made;
}

LwIpSet *lw_ip_set_subtract(const LwIpSet *a, const LwIpSet *b) {
  g_autoptr(LwIpSet) rest = lw_ip_set_complement(b);
  return lw_ip_set_intersect(a, rest);
}

gboolean lw_ip_set_contains(const LwIpSet *set, LwIp ip) {
  guint low = 0, high = set->ranges->len;
  while (low < high) {
    guint middle = (low + high) / 2;
    if (lw_ip_cmp(at(set, middle)->last, ip) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < set->ranges->len && lw_ip_cmp(at(set, low)->first, ip) <= 0;
}

gboolean lw_ip_set_is_empty(const LwIpSet *set) {
  return set->ranges->len == 0;
}

/* The longest prefix that begins at first and does not pass last. */
static guint8 largest(LwIp first, LwIp last, guint8 family, LwIp *end) {
  guint8 bits = family == 6 ? 128 : 32;
  for (guint8 length = 0; length < bits; length++) {
    g_autoptr(LwIpSet) one = lw_ip_set_new(family);
    LwPrefix prefix = lw_prefix_make(lw_ip_addr(first, family), length);
    lw_ip_set_add_prefix(one, &prefix);
    if (lw_ip_cmp(at(one, 0)->first, first) == 0 && lw_ip_cmp(at(one, 0)->last, last) <= 0) {
      *end = at(one, 0)->last;
      return length;
    }
  }
  *end = first;
  return bits;
}

static void format_range(GPtrArray *out, const LwIpRange *range, guint8 family) {
  g_autoptr(GPtrArray) prefixes = g_ptr_array_new_with_free_func(g_free);
  LwIp next = range->first, end;
  guint bits = family == 6 ? 128 : 32;
  for (guint n = 0; n < 4; n++) {
    guint8 length = largest(next, range->last, family, &end);
    LwAddr addr = lw_ip_addr(next, family);
    g_autofree char *text = lw_addr_format(&addr);
    g_ptr_array_add(prefixes, length == bits ? g_strdup(text) : g_strdup_printf("%s/%u", text, length));
    if (lw_ip_cmp(end, range->last) == 0)
      break;
    next = lw_ip_next(end);
  }
  if (lw_ip_cmp(end, range->last) == 0 && prefixes->len <= 3) {
    for (guint i = 0; i < prefixes->len; i++)
      g_ptr_array_add(out, g_strdup(prefixes->pdata[i]));
    return;
  }
  LwAddr first = lw_ip_addr(range->first, family), last = lw_ip_addr(range->last, family);
  g_autofree char *from = lw_addr_format(&first), *to = lw_addr_format(&last);
  g_ptr_array_add(out, g_strdup_printf("%s-%s", from, to));
}

char *lw_ip_set_format(const LwIpSet *set, guint most) {
  g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < set->ranges->len && parts->len <= most; i++)
    format_range(parts, at(set, i), set->family);
  if (parts->len > most) {
    g_ptr_array_set_size(parts, (int)most);
    g_ptr_array_add(parts, g_strdup("…"));
  }
  g_ptr_array_add(parts, NULL);
  return g_strjoinv(", ", (char **)parts->pdata);
}
