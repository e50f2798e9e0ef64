#include "verify/shared.h"

#include "policy/names.h"
#include "verify/packets.h"

#define ICMP 1
#define TCP 6
#define UDP 17

gboolean lw_shared_concerns(const LwHeader *h, const LwZone *to) {
  gboolean outside = to->kind == LW_ZONE_INTERNET || to->kind == LW_ZONE_HOME_LAN;
  return outside && h->source.family == 4 && h->proto != ICMP && h->proto != TCP && h->proto != UDP;
}

/* Unset: not known. */
static LwAddr address_of_exit(const LwShared *shared, guint exit) {
  if (exit == LW_NONE)
    return shared->around->router_wan;
  return lw_tunnel_address(lw_lab_tunnel(shared->lab, exit));
}

/* By the address: several exits of one provider may have the same. */
char *lw_shared_key(const LwShared *shared, const LwHeader *h, guint exit) {
  LwAddr own = address_of_exit(shared, exit);
  g_autofree char *destination = lw_addr_format(&h->destination);
  g_autofree char *address = lw_addr_is_set(&own) ? lw_addr_format(&own) : g_strdup_printf("%u", exit);
  return g_strdup_printf("%s %s %u", address, destination, h->proto);
}

/* seen_as unset: any. */
static gboolean is_held(const LwShared *shared, const LwHeader *h, const LwAddr *seen_as) {
  for (guint i = 0; i < shared->held->len; i++) {
    const LwOpenFlow *flow = &g_array_index(shared->held, LwOpenFlow, i);
    gboolean under =
        !lw_addr_is_set(seen_as) || !lw_addr_is_set(&flow->seen_as) || lw_addr_equal(seen_as, &flow->seen_as);
    if (under && flow->protocol == h->proto && lw_addr_equal(&flow->destination, &h->destination) &&
        !lw_addr_equal(&flow->source, &h->source))
      return TRUE;
  }
  return FALSE;
}

static gboolean same_flow(const LwOpenFlow *flow, const LwHeader *h) {
  return flow->protocol == h->proto && lw_addr_equal(&flow->source, &h->source) &&
         lw_addr_equal(&flow->destination, &h->destination);
}

static const LwOpenFlow *find_flow(const GArray *flows, const LwHeader *h) {
  for (guint i = 0; i < flows->len; i++)
    if (same_flow(&g_array_index(flows, LwOpenFlow, i), h))
      return &g_array_index(flows, LwOpenFlow, i);
  return NULL;
}

static gboolean is_portless(const LwFlow *flow) {
  static const LwZone outside = {LW_ZONE_INTERNET, LW_NONE};
  return flow->cell->generated && lw_shared_concerns(&flow->cell->packet, &outside);
}

static gboolean is_as_new(const LwShared *shared, const LwFlow *flow, const LwOpenFlow *open) {
  LwAddr own = address_of_exit(shared, flow->exit);
  return flow->cell->expect &&
         (!lw_addr_is_set(&own) || !lw_addr_is_set(&open->seen_as) || lw_addr_equal(&own, &open->seen_as));
}

GArray *lw_shared_left_open(const LwShared *shared, const GPtrArray *flows) {
  GArray *left = g_array_new(FALSE, FALSE, sizeof(LwOpenFlow));
  for (guint i = 0; i < flows->len; i++) {
    const LwFlow *flow = flows->pdata[i];
    const LwOpenFlow *open = is_portless(flow) ? find_flow(shared->held, &flow->cell->packet) : NULL;
    if (open && !is_as_new(shared, flow, open))
      g_array_append_val(left, *open);
  }
  return left;
}

GArray *lw_shared_opened(const LwShared *shared, const GPtrArray *flows, const GArray *left_open) {
  GArray *opened = g_array_new(FALSE, FALSE, sizeof(LwOpenFlow));
  for (guint i = 0; i < flows->len; i++) {
    const LwFlow *flow = flows->pdata[i];
    const LwHeader *h = &flow->cell->packet;
    const LwOpenFlow one = {.source = h->source, .destination = h->destination, .protocol = h->proto};
    if (is_portless(flow) && (!find_flow(shared->held, h) || find_flow(left_open, h)))
      g_array_append_val(opened, one);
  }
  return opened;
}

static gboolean splits(LwMddPool *pool, LwMdd set, const LwHeader *a, const LwHeader *b) {
  return lw_packets_contain(pool, set, a) != lw_packets_contain(pool, set, b);
}

/* Nothing that the file says, and nothing that is in force, tells one from the other. */
static gboolean are_alike(const LwStatic *proof, const LwStaticRow *row, const LwHeader *a,
                          const LwHeader *b) {
  LwMddPool *pool = proof->pool;
  gboolean split = splits(pool, proof->tolerated, a, b);
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    split |= splits(pool, one->may, a, b) || splits(pool, one->must, a, b);
  }
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *one = row->reached->pdata[i];
    split |= splits(pool, one->may, a, b) || splits(pool, one->must, a, b);
  }
  for (guint i = 0; i < proof->violations->len; i++) {
    const LwStaticViolation *v = proof->violations->pdata[i];
    split |= g_str_equal(v->from, row->name) && splits(pool, v->packets, a, b);
  }
  return !split;
}

/* By what is in force it leaves, and takes the place of whoever may. */
static gboolean gets_out(const LwStatic *proof, const LwStaticRow *row, const LwHeader *h) {
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *one = row->reached->pdata[i];
    if (!one->place.elsewhere && one->place.zone.kind == LW_ZONE_INTERNET &&
        lw_packets_contain(proof->pool, one->may, h))
      return TRUE;
  }
  return FALSE;
}

static gboolean settle(const LwShared *shared, const LwStaticRow *row, gboolean expect, guint exit,
                       LwHeader *h) {
  LwAddr seen_as = expect ? address_of_exit(shared, exit) : LW_ADDR_NONE;
  guint8 usual = expect ? LW_PROTOCOL_NOBODYS : LW_PROTOCOL_NOBODYS_OTHER;
  guint8 other = expect ? LW_PROTOCOL_NOBODYS_OTHER : LW_PROTOCOL_NOBODYS;
  gboolean nobodys = h->proto == usual || h->proto == other;
  const guint8 tried[] = {nobodys ? usual : h->proto, usual, other};
  for (guint i = 0; i < G_N_ELEMENTS(tried); i++) {
    LwHeader as = *h;
    as.proto = tried[i];
    if (is_held(shared, &as, &seen_as) || !are_alike(shared->proof, row, h, &as))
      continue;
    *h = as;
    return TRUE;
  }
  return FALSE;
}

void lw_shared_set_apart(const LwShared *shared, const LwStaticRow *row, LwHeader *h) {
  LwHeader other = *h;
  other.proto = LW_PROTOCOL_NOBODYS_OTHER;
  if (h->source.family == 4 && h->proto == LW_PROTOCOL_NOBODYS && are_alike(shared->proof, row, h, &other))
    *h = other;
}

gboolean lw_shared_settle(const LwShared *shared, const LwStaticRow *row, gboolean expect, guint exit,
                          LwHeader *h) {
  gboolean settled = settle(shared, row, expect, exit, h);
  if (!expect && gets_out(shared->proof, row, h)) {
    LwOpenFlow soon = {.source = h->source, .destination = h->destination, .protocol = h->proto};
    g_array_append_val(shared->held, soon);
  }
  return settled;
}
