/* Selectors, constants and values of a listing. */
#include "providers/nft/read-internal.h"

#include <string.h>

#define TEXT_MAX 2000

/* --- JSON
 * -------------------------------------------------------------------------------------------------- */

JsonObject *lw_nft_object(JsonNode *node) {
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *lw_nft_array(JsonNode *node) {
  return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

const char *lw_nft_text(JsonNode *node) {
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

gboolean lw_nft_int(JsonNode *node, gint64 *out) {
  if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
    return FALSE;
  *out = json_node_get_int(node);
  return TRUE;
}

JsonNode *lw_nft_member(JsonNode *node, const char *name) {
  JsonObject *object = lw_nft_object(node);
  return object ? json_object_get_member(object, name) : NULL;
}

const char *lw_nft_only_member(JsonNode *node, JsonNode **value) {
  JsonObject *object = lw_nft_object(node);
  if (!object || json_object_get_size(object) != 1)
    return NULL;
  JsonObjectIter iter;
  const char *name = NULL;
  json_object_iter_init(&iter, object);
  return json_object_iter_next(&iter, &name, value) ? name : NULL;
}

char *lw_nft_json_text(JsonNode *node) {
  g_autofree char *text = json_to_string(node, FALSE);
  if (strlen(text) <= TEXT_MAX)
    return g_steal_pointer(&text);
  g_autofree char *cut = g_strndup(text, TEXT_MAX);
  g_autofree char *valid = g_utf8_make_valid(cut, -1);
  return g_strconcat(valid, "…", NULL);
}

/* --- symbols
 * -------------------------------------------------------------------------------------------------- */

typedef struct {
  LwField field;
  const char *name;
  guint32 number;
} Symbol;

/* Protocols as /etc/protocols has them, which is where nft takes the names from. */
static const Symbol symbols[] = {
    {LW_FIELD_PROTO, "hopopt", 0},
    {LW_FIELD_PROTO, "ip", 0},
    {LW_FIELD_PROTO, "icmp", 1},
    {LW_FIELD_PROTO, "igmp", 2},
    {LW_FIELD_PROTO, "ipencap", 4},
    {LW_FIELD_PROTO, "tcp", 6},
    {LW_FIELD_PROTO, "udp", 17},
    {LW_FIELD_PROTO, "dccp", 33},
    {LW_FIELD_PROTO, "ipv6", 41},
    {LW_FIELD_PROTO, "ipv6-route", 43},
    {LW_FIELD_PROTO, "ipv6-frag", 44},
    {LW_FIELD_PROTO, "gre", 47},
    {LW_FIELD_PROTO, "esp", 50},
    {LW_FIELD_PROTO, "ah", 51},
    {LW_FIELD_PROTO, "ipv6-icmp", 58},
    {LW_FIELD_PROTO, "icmpv6", 58},
    {LW_FIELD_PROTO, "ipv6-nonxt", 59},
    {LW_FIELD_PROTO, "ipv6-opts", 60},
    {LW_FIELD_PROTO, "ospf", 89},
    {LW_FIELD_PROTO, "pim", 103},
    {LW_FIELD_PROTO, "ipcomp", 108},
    {LW_FIELD_PROTO, "comp", 108},
    {LW_FIELD_PROTO, "vrrp", 112},
    {LW_FIELD_PROTO, "l2tp", 115},
    {LW_FIELD_PROTO, "sctp", 132},
    {LW_FIELD_PROTO, "udplite", 136},
    {LW_FIELD_ICMP_TYPE, "echo-reply", 0},
    {LW_FIELD_ICMP_TYPE, "destination-unreachable", 3},
    {LW_FIELD_ICMP_TYPE, "source-quench", 4},
    {LW_FIELD_ICMP_TYPE, "redirect", 5},
    {LW_FIELD_ICMP_TYPE, "echo-request", 8},
    {LW_FIELD_ICMP_TYPE, "router-advertisement", 9},
    {LW_FIELD_ICMP_TYPE, "router-solicitation", 10},
    {LW_FIELD_ICMP_TYPE, "time-exceeded", 11},
    {LW_FIELD_ICMP_TYPE, "parameter-problem", 12},
    {LW_FIELD_ICMP_TYPE, "timestamp-request", 13},
    {LW_FIELD_ICMP_TYPE, "timestamp-reply", 14},
    {LW_FIELD_ICMP_TYPE, "info-request", 15},
    {LW_FIELD_ICMP_TYPE, "info-reply", 16},
    {LW_FIELD_ICMP_TYPE, "address-mask-request", 17},
    {LW_FIELD_ICMP_TYPE, "address-mask-reply", 18},
    {LW_FIELD_ICMP_CODE, "net-unreachable", 0},
    {LW_FIELD_ICMP_CODE, "host-unreachable", 1},
    {LW_FIELD_ICMP_CODE, "prot-unreachable", 2},
    {LW_FIELD_ICMP_CODE, "port-unreachable", 3},
    {LW_FIELD_ICMP_CODE, "frag-needed", 4},
    {LW_FIELD_ICMP_CODE, "net-prohibited", 9},
    {LW_FIELD_ICMP_CODE, "host-prohibited", 10},
    {LW_FIELD_ICMP_CODE, "admin-prohibited", 13},
    {LW_FIELD_ICMP6_TYPE, "destination-unreachable", 1},
    {LW_FIELD_ICMP6_TYPE, "packet-too-big", 2},
    {LW_FIELD_ICMP6_TYPE, "time-exceeded", 3},
    {LW_FIELD_ICMP6_TYPE, "parameter-problem", 4},
    {LW_FIELD_ICMP6_TYPE, "echo-request", 128},
    {LW_FIELD_ICMP6_TYPE, "echo-reply", 129},
    {LW_FIELD_ICMP6_TYPE, "mld-listener-query", 130},
    {LW_FIELD_ICMP6_TYPE, "mld-listener-report", 131},
    {LW_FIELD_ICMP6_TYPE, "mld-listener-done", 132},
    {LW_FIELD_ICMP6_TYPE, "mld-listener-reduction", 132},
    {LW_FIELD_ICMP6_TYPE, "nd-router-solicit", 133},
    {LW_FIELD_ICMP6_TYPE, "nd-router-advert", 134},
    {LW_FIELD_ICMP6_TYPE, "nd-neighbor-solicit", 135},
    {LW_FIELD_ICMP6_TYPE, "nd-neighbor-advert", 136},
    {LW_FIELD_ICMP6_TYPE, "nd-redirect", 137},
    {LW_FIELD_ICMP6_TYPE, "router-renumbering", 138},
    {LW_FIELD_ICMP6_TYPE, "ind-neighbor-solicit", 141},
    {LW_FIELD_ICMP6_TYPE, "ind-neighbor-advert", 142},
    {LW_FIELD_ICMP6_TYPE, "mld2-listener-report", 143},
    {LW_FIELD_ICMP6_CODE, "no-route", 0},
    {LW_FIELD_ICMP6_CODE, "admin-prohibited", 1},
    {LW_FIELD_ICMP6_CODE, "addr-unreachable", 3},
    {LW_FIELD_ICMP6_CODE, "port-unreachable", 4},
    {LW_FIELD_ICMP6_CODE, "policy-fail", 5},
    {LW_FIELD_ICMP6_CODE, "reject-route", 6},
    {LW_FIELD_CT_STATE, "invalid", LW_CT_INVALID},
    {LW_FIELD_CT_STATE, "established", LW_CT_ESTABLISHED},
    {LW_FIELD_CT_STATE, "related", LW_CT_RELATED},
    {LW_FIELD_CT_STATE, "new", LW_CT_NEW},
    {LW_FIELD_CT_STATE, "untracked", LW_CT_UNTRACKED},
    {LW_FIELD_CT_DIRECTION, "original", 0},
    {LW_FIELD_CT_DIRECTION, "reply", 1},
    /* the bits of a flow's status: linux/netfilter/nf_conntrack_common.h */
    {LW_FIELD_CT_DNAT, "expected", 1},
    {LW_FIELD_CT_DNAT, "seen-reply", 2},
    {LW_FIELD_CT_DNAT, "assured", 4},
    {LW_FIELD_CT_DNAT, "confirmed", 8},
    {LW_FIELD_CT_DNAT, "snat", 16},
    {LW_FIELD_CT_DNAT, "dnat", 32},
    {LW_FIELD_CT_DNAT, "dying", 512},
    {LW_FIELD_NFPROTO, "ipv4", 2},
    {LW_FIELD_NFPROTO, "ipv6", 10},
    {LW_FIELD_ETH_TYPE, "ip", 0x0800},
    {LW_FIELD_ETH_TYPE, "arp", 0x0806},
    {LW_FIELD_ETH_TYPE, "vlan", 0x8100},
    {LW_FIELD_ETH_TYPE, "8021q", 0x8100},
    {LW_FIELD_ETH_TYPE, "8021ad", 0x88a8},
    {LW_FIELD_ETH_TYPE, "ip6", 0x86dd},
    {LW_FIELD_PKTTYPE, "host", LW_PKT_HOST},
    {LW_FIELD_PKTTYPE, "unicast", LW_PKT_HOST},
    {LW_FIELD_PKTTYPE, "broadcast", LW_PKT_BROADCAST},
    {LW_FIELD_PKTTYPE, "multicast", LW_PKT_MULTICAST},
    {LW_FIELD_PKTTYPE, "other", LW_PKT_OTHER},
    {LW_FIELD_ARP_OP, "request", 1},
    {LW_FIELD_ARP_OP, "reply", 2},
    {LW_FIELD_SADDR_TYPE, "unspec", LW_ADDR_UNSPEC},
    {LW_FIELD_SADDR_TYPE, "unicast", LW_ADDR_UNICAST},
    {LW_FIELD_SADDR_TYPE, "local", LW_ADDR_LOCAL},
    {LW_FIELD_SADDR_TYPE, "broadcast", LW_ADDR_BROADCAST},
    {LW_FIELD_SADDR_TYPE, "anycast", LW_ADDR_ANYCAST},
    {LW_FIELD_SADDR_TYPE, "multicast", LW_ADDR_MULTICAST},
    {LW_FIELD_SADDR_TYPE, "blackhole", LW_ADDR_BLACKHOLE},
    {LW_FIELD_SADDR_TYPE, "unreachable", LW_ADDR_UNREACHABLE},
    {LW_FIELD_SADDR_TYPE, "prohibit", LW_ADDR_PROHIBIT},
    {LW_FIELD_TCP_FLAGS, "fin", LW_TCP_FIN},
    {LW_FIELD_TCP_FLAGS, "syn", LW_TCP_SYN},
    {LW_FIELD_TCP_FLAGS, "rst", LW_TCP_RST},
    {LW_FIELD_TCP_FLAGS, "psh", LW_TCP_PSH},
    {LW_FIELD_TCP_FLAGS, "ack", LW_TCP_ACK},
    {LW_FIELD_TCP_FLAGS, "urg", LW_TCP_URG},
    {LW_FIELD_TCP_FLAGS, "ecn", LW_TCP_ECN},
    {LW_FIELD_TCP_FLAGS, "cwr", LW_TCP_CWR},
};

/* Fields that share a list of symbols. */
static LwField symbols_of(LwField field) {
  switch (field) {
  case LW_FIELD_NEXTHDR6:
    return LW_FIELD_PROTO;
  case LW_FIELD_CT_SNAT:
    return LW_FIELD_CT_DNAT;
  case LW_FIELD_FRAME_TYPE:
    return LW_FIELD_ETH_TYPE;
  case LW_FIELD_DADDR_TYPE:
  case LW_FIELD_SADDR_TYPE_IIF:
  case LW_FIELD_DADDR_TYPE_IIF:
  case LW_FIELD_SADDR_TYPE_OIF:
  case LW_FIELD_DADDR_TYPE_OIF:
    return LW_FIELD_SADDR_TYPE;
  default:
    return field;
  }
}

static gboolean find_symbol(LwField field, const char *name, guint32 *out) {
  LwField of = symbols_of(field);
  for (guint i = 0; i < G_N_ELEMENTS(symbols); i++) {
    if (symbols[i].field == of && g_str_equal(symbols[i].name, name)) {
      *out = symbols[i].number;
      return TRUE;
    }
  }
  guint64 number;
  if (!g_ascii_string_to_unsigned(name, 10, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  *out = (guint32)number;
  return TRUE;
}

/* The kernel's bits of a state, in our order. */
static guint32 state_of_kernel(guint32 bits) {
  return (bits & 15u) | (bits & 64u ? LW_CT_UNTRACKED : 0);
}

gboolean lw_nft_is_bitmask(LwField field) {
  return field == LW_FIELD_CT_STATE || field == LW_FIELD_CT_DNAT || field == LW_FIELD_TCP_FLAGS;
}

static gboolean all_of(JsonArray *array, LwField field, guint32 *out) {
  guint32 bits = 0;
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    guint32 one;
    if (!lw_nft_number(json_array_get_element(array, i), field, &one))
      return FALSE;
    bits |= one;
  }
  if (array)
    *out = bits;
  return array != NULL;
}

gboolean lw_nft_number(JsonNode *node, LwField field, guint32 *out) {
  gint64 number;
  if (lw_nft_int(node, &number)) {
    if (number < 0 || number > G_MAXUINT32)
      return FALSE;
    *out = field == LW_FIELD_CT_STATE ? state_of_kernel((guint32)number) : (guint32)number;
    return TRUE;
  }
  const char *text = lw_nft_text(node);
  if (text)
    return find_symbol(field, text, out);
  JsonNode *several = lw_nft_member(node, "|");
  JsonArray *array = lw_nft_array(several ? several : node);
  return array && json_array_get_length(array) > 0 && lw_nft_is_bitmask(field) && all_of(array, field, out);
}

/* --- values
 * -------------------------------------------------------------------------------------------------- */

static LwValueKind kind_of(LwField field) {
  switch (field) {
  case LW_FIELD_IIF:
  case LW_FIELD_OIF:
  case LW_FIELD_IBRIDGE:
  case LW_FIELD_OBRIDGE:
  case LW_FIELD_IPORT:
  case LW_FIELD_OPORT:
    return LW_VALUE_NAME;
  case LW_FIELD_SADDR:
  case LW_FIELD_DADDR:
  case LW_FIELD_SADDR6:
  case LW_FIELD_DADDR6:
  case LW_FIELD_ARP_IP:
  case LW_FIELD_ARP_TARGET_IP:
  case LW_FIELD_CT_ORIG_SADDR:
  case LW_FIELD_CT_ORIG_DADDR:
  case LW_FIELD_CT_ORIG_SADDR6:
  case LW_FIELD_CT_ORIG_DADDR6:
    return LW_VALUE_PREFIX;
  case LW_FIELD_ETH_SRC:
  case LW_FIELD_ETH_DST:
  case LW_FIELD_ARP_MAC:
  case LW_FIELD_ARP_TARGET_MAC:
    return LW_VALUE_MAC;
  default:
    return LW_VALUE_NUMBER;
  }
}

static guint8 family_of(LwField field) {
  switch (field) {
  case LW_FIELD_SADDR6:
  case LW_FIELD_DADDR6:
  case LW_FIELD_CT_ORIG_SADDR6:
  case LW_FIELD_CT_ORIG_DADDR6:
    return 6;
  default:
    return 4;
  }
}

/* "wg-*" is a prefix, "wg-\*" a name that ends in a star: such a name is no interface of this world. */
static gboolean name_value(JsonNode *node, LwValue *out) {
  const char *text = lw_nft_text(node);
  if (!text || strchr(text, '\\'))
    return FALSE;
  *out = lw_value_name(text);
  return TRUE;
}

static gboolean address_range(JsonArray *ends, guint8 family, LwValue *out) {
  if (!ends || json_array_get_length(ends) != 2)
    return FALSE;
  LwRange range;
  const char *first = lw_nft_text(json_array_get_element(ends, 0));
  const char *last = lw_nft_text(json_array_get_element(ends, 1));
  if (!first || !last || !lw_addr_parse(first, &range.first) || !lw_addr_parse(last, &range.last) ||
      range.first.family != family || range.last.family != family ||
      lw_addr_cmp(&range.first, &range.last) > 0)
    return FALSE;
  *out = lw_value_range(range);
  return TRUE;
}

static gboolean address_value(JsonNode *node, guint8 family, LwValue *out) {
  JsonNode *range = lw_nft_member(node, "range"), *prefix = lw_nft_member(node, "prefix");
  if (range)
    return address_range(lw_nft_array(range), family, out);
  LwAddr addr;
  gint64 length = family == 6 ? 128 : 32, most = length;
  const char *text = lw_nft_text(prefix ? lw_nft_member(prefix, "addr") : node);
  if (!text || !lw_addr_parse(text, &addr) || addr.family != family ||
      (prefix && !lw_nft_int(lw_nft_member(prefix, "len"), &length)) || length < 0 || length > most)
    return FALSE;
  *out = lw_value_prefix(lw_prefix_make(addr, (guint8)length));
  return TRUE;
}

/* A prefix of a number, as nft lists a masked mark in an interval set. */
static gboolean number_value(JsonNode *node, LwField field, LwValue *out) {
  JsonArray *range = lw_nft_array(lw_nft_member(node, "range"));
  guint32 first, last;
  if (range) {
    if (json_array_get_length(range) != 2 ||
        !lw_nft_number(json_array_get_element(range, 0), field, &first) ||
        !lw_nft_number(json_array_get_element(range, 1), field, &last) || first > last)
      return FALSE;
    *out = lw_value_numbers(first, last);
    return TRUE;
  }
  if (!lw_nft_number(node, field, &first))
    return FALSE;
  *out = lw_value_number(first);
  return TRUE;
}

gboolean lw_nft_value(JsonNode *node, LwField field, LwValue *out) {
  LwMac mac;
  const char *text;
  switch (kind_of(field)) {
  case LW_VALUE_NAME:
    return name_value(node, out);
  case LW_VALUE_PREFIX:
  case LW_VALUE_RANGE:
    return address_value(node, family_of(field), out);
  case LW_VALUE_MAC:
    text = lw_nft_text(node);
    if (!text || !lw_mac_parse(text, &mac))
      return FALSE;
    *out = lw_value_mac(mac);
    return TRUE;
  case LW_VALUE_NUMBER:
    return field != LW_FIELD_UNKNOWN && number_value(node, field, out);
  }
  return FALSE;
}

LwField lw_nft_type_field(const char *type) {
  static const struct {
    const char *type;
    LwField field;
  } types[] = {
      {"ifname", LW_FIELD_IIF},          {"iface_index", LW_FIELD_IIF},
      {"ipv4_addr", LW_FIELD_SADDR},     {"ipv6_addr", LW_FIELD_SADDR6},
      {"inet_proto", LW_FIELD_PROTO},    {"inet_service", LW_FIELD_SPORT},
      {"mark", LW_FIELD_MARK},           {"ether_addr", LW_FIELD_ETH_SRC},
      {"ct_state", LW_FIELD_CT_STATE},   {"ct_dir", LW_FIELD_CT_DIRECTION},
      {"icmp_type", LW_FIELD_ICMP_TYPE}, {"icmpv6_type", LW_FIELD_ICMP6_TYPE},
      {"ether_type", LW_FIELD_ETH_TYPE}, {"nf_proto", LW_FIELD_NFPROTO},
      {"pkt_type", LW_FIELD_PKTTYPE},    {"fib_addrtype", LW_FIELD_SADDR_TYPE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(types); i++)
    if (g_str_equal(types[i].type, type))
      return types[i].field;
  return LW_FIELD_UNKNOWN;
}

/* --- selectors
 * -------------------------------------------------------------------------------------------------- */

typedef struct {
  const char *group; /* "meta", "ct", or a header */
  const char *key;
  LwField field;
  guint32 proto;
  guint32 family;
} SelectorText;

#define ANY LW_PROTO_NONE

static const SelectorText selectors[] = {
    {"meta", "iifname", LW_FIELD_IIF, ANY, 0},
    {"meta", "oifname", LW_FIELD_OIF, ANY, 0},
    {"meta", "iif", LW_FIELD_IIF, ANY, 0},
    {"meta", "oif", LW_FIELD_OIF, ANY, 0},
    {"meta", "ibrname", LW_FIELD_IBRIDGE, ANY, 0},
    {"meta", "obrname", LW_FIELD_OBRIDGE, ANY, 0},
    {"meta", "l4proto", LW_FIELD_PROTO, ANY, 0},
    {"meta", "nfproto", LW_FIELD_NFPROTO, ANY, 0},
    {"meta", "mark", LW_FIELD_MARK, ANY, 0},
    {"meta", "protocol", LW_FIELD_FRAME_TYPE, ANY, 0},
    {"meta", "length", LW_FIELD_LENGTH, ANY, 0},
    {"meta", "pkttype", LW_FIELD_PKTTYPE, ANY, 0},
    {"ct", "state", LW_FIELD_CT_STATE, ANY, 0},
    {"ct", "direction", LW_FIELD_CT_DIRECTION, ANY, 0},
    {"ct", "status", LW_FIELD_CT_DNAT, ANY, 0},
    {"ct", "mark", LW_FIELD_CT_MARK, ANY, 0},
    {"original", "ip saddr", LW_FIELD_CT_ORIG_SADDR, ANY, 4},
    {"original", "ip daddr", LW_FIELD_CT_ORIG_DADDR, ANY, 4},
    {"original", "ip6 saddr", LW_FIELD_CT_ORIG_SADDR6, ANY, 6},
    {"original", "ip6 daddr", LW_FIELD_CT_ORIG_DADDR6, ANY, 6},
    {"original", "proto-src", LW_FIELD_CT_ORIG_SPORT, ANY, 0},
    {"original", "proto-dst", LW_FIELD_CT_ORIG_DPORT, ANY, 0},
    {"ip", "saddr", LW_FIELD_SADDR, ANY, 4},
    {"ip", "daddr", LW_FIELD_DADDR, ANY, 4},
    {"ip", "protocol", LW_FIELD_PROTO, ANY, 4},
    {"ip", "ttl", LW_FIELD_TTL, ANY, 4},
    {"ip", "dscp", LW_FIELD_DSCP, ANY, 4},
    {"ip6", "saddr", LW_FIELD_SADDR6, ANY, 6},
    {"ip6", "daddr", LW_FIELD_DADDR6, ANY, 6},
    {"ip6", "nexthdr", LW_FIELD_NEXTHDR6, ANY, 6},
    {"ip6", "hoplimit", LW_FIELD_TTL, ANY, 6},
    {"ip6", "dscp", LW_FIELD_DSCP, ANY, 6},
    {"th", "sport", LW_FIELD_SPORT, ANY, 0},
    {"th", "dport", LW_FIELD_DPORT, ANY, 0},
    {"tcp", "sport", LW_FIELD_SPORT, 6, 0},
    {"tcp", "dport", LW_FIELD_DPORT, 6, 0},
    {"tcp", "flags", LW_FIELD_TCP_FLAGS, ANY, 0},
    {"udp", "sport", LW_FIELD_SPORT, 17, 0},
    {"udp", "dport", LW_FIELD_DPORT, 17, 0},
    {"udplite", "sport", LW_FIELD_SPORT, 136, 0},
    {"udplite", "dport", LW_FIELD_DPORT, 136, 0},
    {"dccp", "sport", LW_FIELD_SPORT, 33, 0},
    {"dccp", "dport", LW_FIELD_DPORT, 33, 0},
    {"sctp", "sport", LW_FIELD_SPORT, 132, 0},
    {"sctp", "dport", LW_FIELD_DPORT, 132, 0},
    {"icmp", "type", LW_FIELD_ICMP_TYPE, ANY, 0},
    {"icmp", "checksum", LW_FIELD_DPORT, 1, 0}, /* so nft calls "th dport" once it knows that it is ICMP */
    {"icmpv6", "checksum", LW_FIELD_DPORT, 58, 0},
    {"icmp", "code", LW_FIELD_ICMP_CODE, ANY, 0},
    {"icmpv6", "type", LW_FIELD_ICMP6_TYPE, ANY, 0},
    {"icmpv6", "code", LW_FIELD_ICMP6_CODE, ANY, 0},
    {"ether", "saddr", LW_FIELD_ETH_SRC, ANY, 0},
    {"ether", "daddr", LW_FIELD_ETH_DST, ANY, 0},
    {"ether", "type", LW_FIELD_ETH_TYPE, ANY, 0},
    {"vlan", "id", LW_FIELD_VLAN_ID, ANY, 0},
    {"arp", "operation", LW_FIELD_ARP_OP, ANY, 0},
    {"arp", "saddr ip", LW_FIELD_ARP_IP, ANY, 0},
    {"arp", "saddr ether", LW_FIELD_ARP_MAC, ANY, 0},
    {"arp", "daddr ip", LW_FIELD_ARP_TARGET_IP, ANY, 0},
    {"arp", "daddr ether", LW_FIELD_ARP_TARGET_MAC, ANY, 0},
};

static const LwNftSelector unknown_selector = {LW_FIELD_UNKNOWN, ANY, 0};

static LwNftSelector find_selector(const char *group, const char *key) {
  for (guint i = 0; group && key && i < G_N_ELEMENTS(selectors); i++)
    if (g_str_equal(selectors[i].group, group) && g_str_equal(selectors[i].key, key))
      return (LwNftSelector){selectors[i].field, selectors[i].proto, selectors[i].family};
  return unknown_selector;
}

static LwNftSelector ct_selector(JsonNode *node) {
  const char *key = lw_nft_text(lw_nft_member(node, "key"));
  JsonNode *direction = lw_nft_member(node, "dir");
  if (!direction)
    return find_selector("ct", key);
  const char *name = lw_nft_text(direction);
  gint64 number;
  gboolean original = name ? g_str_equal(name, "original") : lw_nft_int(direction, &number) && number == 0;
  return original ? find_selector("original", key) : unknown_selector;
}

/* Which of a fib lookup's flags are there: bits in the order of `names`. */
static guint fib_flags(JsonNode *flags) {
  static const char *const names[] = {"saddr", "daddr", "iif", "oif", "mark"};
  JsonArray *array = lw_nft_array(flags);
  guint bits = 0, count = array ? json_array_get_length(array) : 1;
  for (guint i = 0; i < count; i++) {
    const char *name = lw_nft_text(array ? json_array_get_element(array, i) : flags);
    guint bit = 0;
    for (guint j = 0; name && j < G_N_ELEMENTS(names); j++)
      bit |= g_str_equal(names[j], name) ? 1u << j : 0;
    bits |= bit ? bit : 1u << 31;
  }
  return bits;
}

static LwNftSelector fib_selector(JsonNode *node) {
  enum { SADDR = 1, DADDR = 2, IIF = 4, OIF = 8, MARK = 16 };
  static const struct {
    gboolean type;
    guint flags;
    LwField field;
  } known[] = {
      {TRUE, SADDR, LW_FIELD_SADDR_TYPE},           {TRUE, DADDR, LW_FIELD_DADDR_TYPE},
      {TRUE, SADDR | IIF, LW_FIELD_SADDR_TYPE_IIF}, {TRUE, DADDR | IIF, LW_FIELD_DADDR_TYPE_IIF},
      {TRUE, SADDR | OIF, LW_FIELD_SADDR_TYPE_OIF}, {TRUE, DADDR | OIF, LW_FIELD_DADDR_TYPE_OIF},
      {FALSE, SADDR | IIF, LW_FIELD_RPATH},         {FALSE, SADDR | IIF | MARK, LW_FIELD_RPATH_MARK},
      {FALSE, SADDR, LW_FIELD_RPATH_LOOSE},
  };
  const char *result = lw_nft_text(lw_nft_member(node, "result"));
  gboolean type = g_strcmp0(result, "type") == 0;
  if (!type && g_strcmp0(result, "oif") != 0 && g_strcmp0(result, "check") != 0)
    return unknown_selector;
  guint flags = fib_flags(lw_nft_member(node, "flags"));
  for (guint i = 0; i < G_N_ELEMENTS(known); i++)
    if (known[i].type == type && known[i].flags == flags)
      return (LwNftSelector){known[i].field, ANY, 0};
  return unknown_selector;
}

LwNftSelector lw_nft_selector(JsonNode *node) {
  JsonNode *value = NULL;
  const char *name = lw_nft_only_member(node, &value);
  if (!name)
    return unknown_selector;
  if (g_str_equal(name, "meta"))
    return find_selector("meta", lw_nft_text(lw_nft_member(value, "key")));
  if (g_str_equal(name, "payload"))
    return find_selector(lw_nft_text(lw_nft_member(value, "protocol")),
                         lw_nft_text(lw_nft_member(value, "field")));
  if (g_str_equal(name, "ct"))
    return ct_selector(value);
  return g_str_equal(name, "fib") ? fib_selector(value) : unknown_selector;
}
