/* Addresses, prefixes, ranges and MAC addresses as values.
 *
 * All are plain structs, copied by assignment, compared by the functions here, never by memcmp.
 * Parsers return FALSE and leave *out untouched on bad input; they do not set a GError because the
 * caller knows better what the text was meant to be (and where it stands in a file).
 */
#pragma once

#include <glib.h>

/* family is 4, 6, or 0 for "not set". bytes: network order, 4 or 16 used, the rest zero. */
typedef struct {
  guint8 family;
  guint8 bytes[16];
} LwAddr;

/* addr may have host bits set ("192.168.1.5/24" is an interface address); lw_prefix_network() clears them. */
typedef struct {
  LwAddr addr;
  guint8 len;
} LwPrefix;

/* Inclusive at both ends, both of one family, first <= last. */
typedef struct {
  LwAddr first;
  LwAddr last;
} LwRange;

typedef struct {
  guint8 bytes[6];
} LwMac;

#define LW_ADDR_NONE ((LwAddr){0})
#define LW_MAC_NONE ((LwMac){{0}})

gboolean lw_addr_parse(const char *text, LwAddr *out);
char *lw_addr_format(const LwAddr *addr); /* transfer full; "" when not set */
int lw_addr_cmp(const LwAddr *a, const LwAddr *b);
gboolean lw_addr_equal(const LwAddr *a, const LwAddr *b);
gboolean lw_addr_is_set(const LwAddr *addr);
LwAddr lw_addr_from_v4(guint32 host_order);
guint32 lw_addr_v4(const LwAddr *addr);                /* host order; only for family 4 */
LwAddr lw_addr_add(const LwAddr *addr, gint64 offset); /* family 4 only; wraps */

/* "192.168.1.0/24"; an address without a slash is a whole-length prefix. */
gboolean lw_prefix_parse(const char *text, LwPrefix *out);
char *lw_prefix_format(const LwPrefix *prefix); /* transfer full, always with /len */
LwPrefix lw_prefix_make(LwAddr addr, guint8 len);
LwPrefix lw_prefix_network(const LwPrefix *prefix);
gboolean lw_prefix_is_network(const LwPrefix *prefix); /* no host bits set */
gboolean lw_prefix_equal(const LwPrefix *a, const LwPrefix *b);
gboolean lw_prefix_contains(const LwPrefix *prefix, const LwAddr *addr);
gboolean lw_prefix_overlaps(const LwPrefix *a, const LwPrefix *b);
LwRange lw_prefix_range(const LwPrefix *prefix); /* network to broadcast, inclusive */

gboolean lw_range_parse(const char *text, LwRange *out); /* "a-b", "a/len" or "a" */
char *lw_range_format(const LwRange *range);             /* transfer full; "a-b", or "a" when one address */
gboolean lw_range_equal(const LwRange *a, const LwRange *b);
gboolean lw_range_contains(const LwRange *range, const LwAddr *addr);
gboolean lw_range_overlaps(const LwRange *a, const LwRange *b);
gboolean lw_range_within_prefix(const LwRange *range, const LwPrefix *prefix);

gboolean lw_mac_parse(const char *text, LwMac *out); /* aa:bb:cc:dd:ee:ff, any case */
char *lw_mac_format(const LwMac *mac);               /* transfer full, lower case */
gboolean lw_mac_equal(const LwMac *a, const LwMac *b);
gboolean lw_mac_is_set(const LwMac *mac);
/* A stable, locally administered unicast MAC (52:54:00:…, as QEMU's) derived from a text. */
LwMac lw_mac_derive(const char *seed);
