#include "verify/dns.h"

#include <string.h>

#define HEADER 12
#define TYPE_A 1
#define CLASS_IN 1

static guint16 get16(const guint8 *at) {
  return (guint16)(at[0] << 8 | at[1]);
}

gsize lw_dns_query(guint16 id, const char *name, guint8 out[LW_DNS_QUERY_MAX]) {
  const guint8 header[HEADER] = {(guint8)(id >> 8), (guint8)id, 0x01, 0x00, 0, 1};
  const guint8 tail[5] = {0, 0, TYPE_A, 0, CLASS_IN};
  gsize at = HEADER;
  memcpy(out, header, sizeof header);
  for (const char *label = name; *label;) {
    gsize length = strcspn(label, ".");
    if (length == 0 || length > 63 || at + 1 + length + sizeof tail > LW_DNS_QUERY_MAX)
      return 0;
    out[at++] = (guint8)length;
    memcpy(out + at, label, length);
    at += length;
    label += length;
    if (*label == '.')
      label++;
  }
  memcpy(out + at, tail, sizeof tail);
  return at + sizeof tail;
}

/* Past the name at *at. A compression pointer ends a name here: what it points to need not be followed. */
static gboolean skip_name(const guint8 *bytes, gsize length, gsize *at) {
  while (*at < length) {
    guint8 label = bytes[*at];
    if ((label & 0xc0) == 0xc0) {
      *at += 2;
      return *at <= length;
    }
    if (label & 0xc0)
      return FALSE;
    *at += 1u + label;
    if (label == 0)
      return *at <= length;
  }
  return FALSE;
}

static gboolean skip_questions(const guint8 *bytes, gsize length, guint count, gsize *at) {
  for (guint i = 0; i < count; i++) {
    if (!skip_name(bytes, length, at) || length - *at < 4)
      return FALSE;
    *at += 4;
  }
  return TRUE;
}

LwDnsAnswer lw_dns_parse(guint16 id, const guint8 *bytes, gsize length, LwAddr *out) {
  if (length < HEADER || get16(bytes) != id || !(bytes[2] & 0x80))
    return LW_DNS_NOT_OURS;
  gsize at = HEADER;
  if (!skip_questions(bytes, length, get16(bytes + 4), &at))
    return LW_DNS_NOT_OURS;
  guint answers = (bytes[3] & 0x0f) ? 0 : get16(bytes + 6);
  for (guint i = 0; i < answers; i++) {
    if (!skip_name(bytes, length, &at) || length - at < 10)
      return LW_DNS_NOT_OURS;
    guint16 type = get16(bytes + at), class = get16(bytes + at + 2), size = get16(bytes + at + 8);
    at += 10;
    if (length - at < size)
      return LW_DNS_NOT_OURS;
    if (type == TYPE_A && class == CLASS_IN && size == 4) {
      LwAddr addr = {.family = 4};
      memcpy(addr.bytes, bytes + at, 4);
      *out = addr;
      return LW_DNS_ADDRESS;
    }
    at += size;
  }
  return LW_DNS_NOTHING;
}
