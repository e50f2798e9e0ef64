#include "flow/layout.h"

#include <string.h>

/* A packet's bits, one a byte, as the variables have them. */
typedef struct {
  LwBddPool *pool;
  guint8 bits[LW_HEADER_VARIABLES];
  gboolean has_mac;
} Member;

static void put_bytes(Member *m, LwHeaderField field, const guint8 *bytes, guint bits) {
  for (guint i = 0; i < bits; i++)
    m->bits[lw_header_first(field) + i] = (bytes[i / 8] >> (7 - i % 8)) & 1u;
}

static void put_number(Member *m, LwHeaderField field, guint value) {
  guint bits = lw_header_bits(field);
  for (guint i = 0; i < bits; i++)
    m->bits[lw_header_first(field) + i] = (value >> (bits - 1 - i)) & 1u;
}

/* OIF comes first, the frame's MAC last: both are free where the packet does not say them. */
static gboolean follow(const Member *m, LwBdd set) {
  while (set > LW_BDD_TRUE) {
    guint variable = lw_bdd_variable(m->pool, set);
    if (variable < lw_header_first(LW_HEADER_FAMILY))
      return follow(m, lw_bdd_low(m->pool, set)) || follow(m, lw_bdd_high(m->pool, set));
    if (variable >= lw_header_first(LW_HEADER_ETH_SRC) && !m->has_mac)
      return TRUE;
    set = m->bits[variable] ? lw_bdd_high(m->pool, set) : lw_bdd_low(m->pool, set);
  }
  return set == LW_BDD_TRUE;
}

gboolean lw_packets_contain(LwBddPool *pool, LwBdd set, const LwHeader *header) {
  Member m = {.pool = pool, .has_mac = lw_mac_is_set(&header->mac)};
  guint address = header->source.family == 6 ? 128 : 32;
  put_number(&m, LW_HEADER_FAMILY, header->source.family == 6);
  put_bytes(&m, LW_HEADER_SADDR, header->source.bytes, address);
  put_bytes(&m, LW_HEADER_DADDR, header->destination.bytes, address);
  put_number(&m, LW_HEADER_PROTO, header->proto);
  put_number(&m, LW_HEADER_DPORT, header->dport);
  put_number(&m, LW_HEADER_ICMP_TYPE, header->icmp_type);
  put_number(&m, LW_HEADER_ICMP_CODE, header->icmp_code);
  put_number(&m, LW_HEADER_TCP_FLAGS, header->tcp_flags);
  put_number(&m, LW_HEADER_SPORT, header->sport);
  put_bytes(&m, LW_HEADER_ETH_SRC, header->mac.bytes, lw_header_bits(LW_HEADER_ETH_SRC));
  return follow(&m, set);
}
