#include "flow/layout.h"

/* A packet's values, as the variables have them. */
typedef struct {
  LwMddPool *pool;
  guint32 values[LW_HEADER_VARIABLES];
  gboolean has_mac;
} Member;

static void put_bytes(Member *m, LwHeaderField field, const guint8 *bytes, guint words) {
  for (guint i = 0; i < words; i++)
    m->values[lw_header_first(field) + i] = lw_header_word(field, bytes, i);
}

static void put_number(Member *m, LwHeaderField field, guint32 value) {
  m->values[lw_header_first(field)] = value;
}

static gboolean follow(const Member *m, LwMdd set) {
  while (set > LW_MDD_TRUE) {
    guint variable = lw_mdd_variable(m->pool, set);
    if (variable >= lw_header_first(LW_HEADER_ETH_SRC) && !m->has_mac)
      return TRUE;
    set = lw_mdd_follow(m->pool, set, m->values[variable]);
  }
  return set == LW_MDD_TRUE;
}

/* OIF comes first, the frame's MAC last: both are free where the packet does not say them. */
static gboolean follow_any_oif(const Member *m, LwMdd set) {
  guint count;
  if (lw_mdd_variable(m->pool, set) != lw_header_first(LW_HEADER_OIF))
    return follow(m, set);
  const LwEdge *edges = lw_mdd_edges(m->pool, set, &count);
  for (guint i = 0; i < count; i++)
    if (follow(m, edges[i].to))
      return TRUE;
  return FALSE;
}

gboolean lw_packets_contain(LwMddPool *pool, LwMdd set, const LwHeader *header) {
  Member m = {.pool = pool, .has_mac = lw_mac_is_set(&header->mac)};
  guint words = header->source.family == 6 ? 8 : 2;
  put_number(&m, LW_HEADER_FAMILY, header->source.family == 6);
  put_bytes(&m, LW_HEADER_SADDR, header->source.bytes, words);
  put_bytes(&m, LW_HEADER_DADDR, header->destination.bytes, words);
  put_number(&m, LW_HEADER_PROTO, header->proto);
  put_number(&m, LW_HEADER_DPORT, header->dport);
  put_number(&m, LW_HEADER_ICMP_TYPE, header->icmp_type);
  put_number(&m, LW_HEADER_ICMP_CODE, header->icmp_code);
  put_number(&m, LW_HEADER_TCP_FLAGS, header->tcp_flags);
  put_number(&m, LW_HEADER_SPORT, header->sport);
  put_bytes(&m, LW_HEADER_ETH_SRC, header->mac.bytes, lw_header_words(LW_HEADER_ETH_SRC));
  return follow_any_oif(&m, set);
}
