/* Sets of addresses of one family, as sorted ranges. */
#pragma once

#include "base/addr.h"

typedef struct {
  guint64 high, low; /* IPv4: in the low 32 bits of low */
} LwIp;

typedef struct {
  LwIp first, last;
} LwIpRange;

typedef struct {
  guint8 family;  /* 4 or 6 */
  GArray *ranges; /* of LwIpRange: sorted, neither overlapping nor touching */
} LwIpSet;

LwIp lw_ip_of(const LwAddr *addr);
LwAddr lw_ip_addr(LwIp ip, guint8 family);
int lw_ip_cmp(LwIp a, LwIp b);
LwIp lw_ip_next(LwIp ip);
LwIp lw_ip_previous(LwIp ip);
LwIp lw_ip_max(guint8 family);

LwIpSet *lw_ip_set_new(guint8 family); /* empty */
LwIpSet *lw_ip_set_all(guint8 family);
LwIpSet *lw_ip_set_copy(const LwIpSet *set);
void lw_ip_set_free(LwIpSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwIpSet, lw_ip_set_free)

void lw_ip_set_add(LwIpSet *set, LwIp first, LwIp last);
void lw_ip_set_add_prefix(LwIpSet *set, const LwPrefix *prefix); /* of another family: nothing happens */
void lw_ip_set_add_set(LwIpSet *set, const LwIpSet *other);
LwIpSet *lw_ip_set_complement(const LwIpSet *set);
LwIpSet *lw_ip_set_intersect(const LwIpSet *a, const LwIpSet *b);
LwIpSet *lw_ip_set_subtract(const LwIpSet *a, const LwIpSet *b);
gboolean lw_ip_set_contains(const LwIpSet *set, LwIp ip);
gboolean lw_ip_set_is_empty(const LwIpSet *set);
/* "10.0.0.0/8, 172.16.0.0/12": prefixes where few do, ranges otherwise; at most `most` of them, then "…".
 * Transfer full. */
char *lw_ip_set_format(const LwIpSet *set, guint most);
