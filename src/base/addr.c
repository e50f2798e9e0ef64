#include "base/addr.h"

#include <arpa/inet.h>
#include <string.h>

static gsize family_bytes(const LwAddr *addr) {
  return addr->family == 6 ? 16 : 4;
}

gboolean lw_addr_parse(const char *text, LwAddr *out) {
  LwAddr addr = {0};
  /* inet_pton, not inet_aton: "10.1" or "010.0.0.1" are mistakes, not addresses. */
  if (inet_pton(AF_INET, text, addr.bytes) == 1)
    addr.family = 4;
  else if (inet_pton(AF_INET6, text, addr.bytes) == 1)
    addr.family = 6;
  else
    return FALSE;
  *out = addr;
  return TRUE;
}

char *lw_addr_format(const LwAddr *addr) {
  char buffer[INET6_ADDRSTRLEN] = "";
  if (addr->family)
    inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->bytes, buffer, sizeof buffer);
  return g_strdup(buffer);
}

int lw_addr_cmp(const LwAddr *a, const LwAddr *b) {
  if (a->family != b->family)
    return a->family < b->family ? -1 : 1;
  return memcmp(a->bytes, b->bytes, family_bytes(a));
}

gboolean lw_addr_equal(const LwAddr *a, const LwAddr *b) {
  return lw_addr_cmp(a, b) == 0;
}

gboolean lw_addr_is_set(const LwAddr *addr) {
  return addr->family != 0;
}

LwAddr lw_addr_from_v4(guint32 host_order) {
  LwAddr addr = {.family = 4};
  guint32 net = htonl(host_order);
  memcpy(addr.bytes, &net, sizeof net);
  return addr;
}

guint32 lw_addr_v4(const LwAddr *addr) {
  guint32 net;
  memcpy(&net, addr->bytes, sizeof net);
  return ntohl(net);
}

LwAddr lw_addr_add(const LwAddr *addr, gint64 offset) {
  return lw_addr_from_v4((guint32)((gint64)lw_addr_v4(addr) + offset));
}

gboolean lw_prefix_parse(const char *text, LwPrefix *out) {
  const char *slash = strchr(text, '/');
  g_autofree char *head = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
  LwPrefix prefix = {0};
  if (!lw_addr_parse(head, &prefix.addr))
    return FALSE;
  guint max = prefix.addr.family == 6 ? 128 : 32;
  guint64 len = max;
  if (slash && !g_ascii_string_to_unsigned(slash + 1, 10, 0, max, &len, NULL))
    return FALSE;
  prefix.len = (guint8)len;
  *out = prefix;
  return TRUE;
}

char *lw_prefix_format(const LwPrefix *prefix) {
  g_autofree char *addr = lw_addr_format(&prefix->addr);
  return g_strdup_printf("%s/%u", addr, prefix->len);
}

LwPrefix lw_prefix_make(LwAddr addr, guint8 len) {
  return (LwPrefix){.addr = addr, .len = len};
}

static LwAddr with_host_bits(const LwPrefix *prefix, gboolean ones) {
  LwAddr addr = prefix->addr;
  for (gsize i = 0; i < family_bytes(&addr); i++) {
    guint bit = (guint)i * 8;
    guint8 mask; /* the bits of this byte that belong to the network */
    if (prefix->len >= bit + 8)
      mask = 0xff;
    else if (prefix->len <= bit)
      mask = 0;
    else
      mask = (guint8)(0xff00u >> (prefix->len - bit));
    addr.bytes[i] = (guint8)(ones ? (addr.bytes[i] | (guint8)~mask) : (addr.bytes[i] & mask));
  }
  return addr;
}

LwPrefix lw_prefix_network(const LwPrefix *prefix) {
  return lw_prefix_make(with_host_bits(prefix, FALSE), prefix->len);
}

gboolean lw_prefix_is_network(const LwPrefix *prefix) {
  LwAddr network = with_host_bits(prefix, FALSE);
  return lw_addr_equal(&network, &prefix->addr);
}

gboolean lw_prefix_equal(const LwPrefix *a, const LwPrefix *b) {
  return a->len == b->len && lw_addr_equal(&a->addr, &b->addr);
}

LwRange lw_prefix_range(const LwPrefix *prefix) {
  return (LwRange){with_host_bits(prefix, FALSE), with_host_bits(prefix, TRUE)};
}

/* Asked of each segment for each of a million packets: no range is made for it. */
gboolean lw_prefix_contains(const LwPrefix *prefix, const LwAddr *addr) {
  if (prefix->addr.family != addr->family)
    return FALSE;
  guint whole = prefix->len / 8, rest = prefix->len % 8;
  guint8 mask = (guint8)(0xff00u >> rest);
  if (whole >= family_bytes(addr))
    return memcmp(prefix->addr.bytes, addr->bytes, family_bytes(addr)) == 0;
  return memcmp(prefix->addr.bytes, addr->bytes, whole) == 0 &&
         ((prefix->addr.bytes[whole] ^ addr->bytes[whole]) & mask) == 0;
}

gboolean lw_prefix_overlaps(const LwPrefix *a, const LwPrefix *b) {
  LwRange x = lw_prefix_range(a), y = lw_prefix_range(b);
  return lw_range_overlaps(&x, &y);
}

gboolean lw_range_parse(const char *text, LwRange *out) {
  LwRange range = {0};
  const char *dash = strchr(text, '-');
  if (dash) {
    g_autofree char *first = g_strndup(text, (gsize)(dash - text));
    if (!lw_addr_parse(first, &range.first) || !lw_addr_parse(dash + 1, &range.last))
      return FALSE;
    if (range.first.family != range.last.family || lw_addr_cmp(&range.first, &range.last) > 0)
      return FALSE;
  } else {
    LwPrefix prefix;
    if (!lw_prefix_parse(text, &prefix))
      return FALSE;
    range = lw_prefix_range(&prefix);
  }
  *out = range;
  return TRUE;
}

char *lw_range_format(const LwRange *range) {
  g_autofree char *first = lw_addr_format(&range->first);
  if (lw_addr_equal(&range->first, &range->last))
    return g_steal_pointer(&first);
  g_autofree char *last = lw_addr_format(&range->last);
  return g_strdup_printf("%s-%s", first, last);
}

gboolean lw_range_equal(const LwRange *a, const LwRange *b) {
  return lw_addr_equal(&a->first, &b->first) && lw_addr_equal(&a->last, &b->last);
}

gboolean lw_range_contains(const LwRange *range, const LwAddr *addr) {
  return range->first.family == addr->family && lw_addr_cmp(&range->first, addr) <= 0 &&
         lw_addr_cmp(addr, &range->last) <= 0;
}

gboolean lw_range_overlaps(const LwRange *a, const LwRange *b) {
  return a->first.family == b->first.family && lw_addr_cmp(&a->first, &b->last) <= 0 &&
         lw_addr_cmp(&b->first, &a->last) <= 0;
}

gboolean lw_range_within_prefix(const LwRange *range, const LwPrefix *prefix) {
  return lw_prefix_contains(prefix, &range->first) && lw_prefix_contains(prefix, &range->last);
}

gboolean lw_mac_parse(const char *text, LwMac *out) {
  LwMac mac;
  if (strlen(text) != 17)
    return FALSE;
  for (guint i = 0; i < 6; i++) {
    int high = g_ascii_xdigit_value(text[i * 3]);
    int low = g_ascii_xdigit_value(text[i * 3 + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[i * 3 + 2] != ':'))
      return FALSE;
    mac.bytes[i] = (guint8)(high * 16 + low);
  }
  *out = mac;
  return TRUE;
}

char *lw_mac_format(const LwMac *mac) {
  const guint8 *b = mac->bytes;
  return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

gboolean lw_mac_equal(const LwMac *a, const LwMac *b) {
  return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

gboolean lw_mac_is_set(const LwMac *mac) {
  return !lw_mac_equal(mac, &LW_MAC_NONE);
}

LwMac lw_mac_derive(const char *seed) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(sum, (const guchar *)seed, -1);
  guint8 digest[32];
  gsize len = sizeof digest;
  g_checksum_get_digest(sum, digest, &len);
  return (LwMac){{0x52, 0x54, 0x00, digest[0], digest[1], digest[2]}};
}
