/* Matches of iptables. */
#include "providers/nft/iptables-internal.h"

#include <string.h>

#define PROTO_TCP 6

/* --- words
 * -------------------------------------------------------------------------------------------------- */

gboolean lw_ipt_number(const char *text, guint32 most, guint32 *out) {
  guint64 number;
  gboolean hex = g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X");
  if (!g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0, most, &number, NULL))
    return FALSE;
  *out = (guint32)number;
  return TRUE;
}

gboolean lw_ipt_masked(const char *text, guint32 *value, guint32 *mask) {
  g_auto(GStrv) parts = g_strsplit(text, "/", -1);
  *mask = G_MAXUINT32;
  return parts[0] && lw_ipt_number(parts[0], G_MAXUINT32, value) &&
         (!parts[1] || (lw_ipt_number(parts[1], G_MAXUINT32, mask) && !parts[2]));
}

gboolean lw_ipt_ports(const char *text, LwValue *out) {
  g_auto(GStrv) parts = g_strsplit_set(text, ":-", -1);
  guint32 first = 0, last = 65535;
  if (!parts[0] || (*parts[0] && !lw_ipt_number(parts[0], 65535, &first)))
    return FALSE;
  if (!parts[1])
    last = first;
  else if (parts[2] || (*parts[1] && !lw_ipt_number(parts[1], 65535, &last)))
    return FALSE;
  if ((!parts[1] && !*parts[0]) || first > last)
    return FALSE;
  *out = lw_value_numbers(first, last);
  return TRUE;
}

gboolean lw_ipt_protocol(const char *text, guint32 *out) {
  static const struct {
    const char *name;
    guint32 number;
  } names[] = {{"icmp", 1},  {"igmp", 2},   {"tcp", PROTO_TCP}, {"udp", 17},     {"dccp", 33},  {"gre", 47},
               {"esp", 50},  {"ah", 51},    {"ipv6-icmp", 58},  {"icmpv6", 58},  {"icmp6", 58}, {"ospf", 89},
               {"pim", 103}, {"vrrp", 112}, {"sctp", 132},      {"udplite", 136}};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    if (g_str_equal(names[i].name, text)) {
      *out = names[i].number;
      return TRUE;
    }
  }
  return lw_ipt_number(text, 255, out);
}

/* "255.255.0.0" -> 16; -1: no prefix. */
static int mask_length(const LwAddr *mask) {
  int bits = mask->family == 6 ? 128 : 32, length = 0;
  while (length < bits && (mask->bytes[length / 8] & (0x80 >> (length % 8))))
    length++;
  for (int i = length; i < bits; i++)
    if (mask->bytes[i / 8] & (0x80 >> (i % 8)))
      return -1;
  return length;
}

static gboolean masked_address(const char *text, LwPrefix *out) {
  LwAddr mask;
  const char *slash = strchr(text, '/');
  if (lw_prefix_parse(text, out))
    return TRUE;
  g_autofree char *addr = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;
  if (!slash || !lw_addr_parse(addr, &out->addr) || !lw_addr_parse(slash + 1, &mask) ||
      mask.family != out->addr.family || mask_length(&mask) < 0)
    return FALSE;
  out->len = (guint8)mask_length(&mask);
  return TRUE;
}

gboolean lw_ipt_address(const char *text, LwFamily family, LwValue *out) {
  LwRange range;
  LwPrefix prefix;
  guint8 wanted = family == LW_FAMILY_IP6 ? 6 : 4;
  if (strchr(text, '-')) {
    if (!lw_range_parse(text, &range) || range.first.family != wanted)
      return FALSE;
    *out = lw_value_range(range);
    return TRUE;
  }
  if (!masked_address(text, &prefix) || prefix.addr.family != wanted)
    return FALSE;
  *out = lw_value_prefix(prefix);
  return TRUE;
}

/* --- adding
 * -------------------------------------------------------------------------------------------------- */

static LwMatch *add(LwIptRule *r, LwField field, gboolean negate) {
  LwMatch *match = lw_rule_add_match(r->rule);
  g_array_append_val(match->fields, field);
  match->negate = negate;
  return match;
}

static gboolean add_value(LwIptRule *r, LwField field, LwValue value, gboolean negate) {
  g_array_append_val(add(r, field, negate)->values, value);
  return TRUE;
}

static gboolean add_number(LwIptRule *r, LwField field, guint32 number, gboolean negate) {
  return add_value(r, field, lw_value_number(number), negate);
}

static gboolean has_one(const LwIptOption *o) {
  return o->count == 1;
}

/* A list "a,b,c" of one kind of thing. */
typedef gboolean (*ReadWord)(const char *word, LwValue *out);

static gboolean add_list(LwIptRule *r, LwField field, const LwIptOption *o, ReadWord read) {
  if (!has_one(o))
    return FALSE;
  g_auto(GStrv) words = g_strsplit(o->values[0], ",", -1);
  LwMatch *match = add(r, field, o->negate);
  for (guint i = 0; words[i]; i++) {
    LwValue value;
    if (!read(words[i], &value))
      return FALSE;
    g_array_append_val(match->values, value);
  }
  return match->values->len > 0;
}

/* --- modules
 * -------------------------------------------------------------------------------------------------- */

typedef gboolean (*ReadOption)(LwIptRule *r, const LwIptOption *o);

static gboolean is_option(const LwIptOption *o, const char *name) {
  return g_str_equal(o->name, name);
}

static gboolean read_ports(LwIptRule *r, const LwIptOption *o) {
  LwValue ports;
  gboolean source = is_option(o, "--sport") || is_option(o, "--source-port");
  if (!source && !is_option(o, "--dport") && !is_option(o, "--destination-port"))
    return FALSE;
  return has_one(o) && lw_ipt_ports(o->values[0], &ports) &&
         add_value(r, source ? LW_FIELD_SPORT : LW_FIELD_DPORT, ports, o->negate);
}

static gboolean tcp_flags(const char *text, guint32 *out) {
  static const struct {
    const char *name;
    guint32 bits;
  } names[] = {{"FIN", LW_TCP_FIN}, {"SYN", LW_TCP_SYN}, {"RST", LW_TCP_RST}, {"PSH", LW_TCP_PSH},
               {"ACK", LW_TCP_ACK}, {"URG", LW_TCP_URG}, {"ALL", 63},         {"NONE", 0}};
  g_auto(GStrv) words = g_strsplit(text, ",", -1);
  *out = 0;
  for (guint i = 0; words[i]; i++) {
    gboolean found = FALSE;
    for (guint j = 0; j < G_N_ELEMENTS(names) && !found; j++) {
      found = g_str_equal(names[j].name, words[i]);
      *out |= found ? names[j].bits : 0;
    }
    if (!found)
      return FALSE;
  }
  return TRUE;
}

static gboolean read_tcp(LwIptRule *r, const LwIptOption *o) {
  guint32 mask, bits;
  if (is_option(o, "--syn"))
    return add_number(r, LW_FIELD_TCP_SYN, !o->negate, FALSE);
  if (!is_option(o, "--tcp-flags"))
    return read_ports(r, o);
  if (o->count != 2 || !tcp_flags(o->values[0], &mask) || !tcp_flags(o->values[1], &bits) || !mask ||
      (bits & ~mask))
    return FALSE;
  if (mask == (LW_TCP_FIN | LW_TCP_SYN | LW_TCP_RST | LW_TCP_ACK) && bits == LW_TCP_SYN)
    return add_number(r, LW_FIELD_TCP_SYN, !o->negate, FALSE);
  LwMatch *match = add(r, LW_FIELD_TCP_FLAGS, o->negate);
  LwValue value = lw_value_number(bits);
  g_array_append_val(match->values, value);
  match->mask = mask;
  return TRUE;
}

static gboolean read_multiport(LwIptRule *r, const LwIptOption *o) {
  if (is_option(o, "--dports"))
    return add_list(r, LW_FIELD_DPORT, o, lw_ipt_ports);
  return is_option(o, "--sports") && add_list(r, LW_FIELD_SPORT, o, lw_ipt_ports);
}

/* "8", "3/1", "any" */
static gboolean read_icmp_type(LwIptRule *r, const LwIptOption *o, LwField type, LwField code) {
  guint32 number;
  if (!has_one(o))
    return FALSE;
  if (g_str_equal(o->values[0], "any"))
    return !o->negate && add_value(r, type, lw_value_numbers(0, 255), FALSE);
  g_auto(GStrv) parts = g_strsplit(o->values[0], "/", -1);
  if (!parts[0] || !lw_ipt_number(parts[0], 255, &number) || (parts[1] && (o->negate || parts[2])))
    return FALSE;
  add_number(r, type, number, o->negate);
  return !parts[1] || (lw_ipt_number(parts[1], 255, &number) && add_number(r, code, number, FALSE));
}

static gboolean read_icmp(LwIptRule *r, const LwIptOption *o) {
  return is_option(o, "--icmp-type") && read_icmp_type(r, o, LW_FIELD_ICMP_TYPE, LW_FIELD_ICMP_CODE);
}

static gboolean read_icmp6(LwIptRule *r, const LwIptOption *o) {
  return is_option(o, "--icmpv6-type") && read_icmp_type(r, o, LW_FIELD_ICMP6_TYPE, LW_FIELD_ICMP6_CODE);
}

/* Of states any one; the two translations are fields of their own, alone. */
static gboolean read_states(LwIptRule *r, const LwIptOption *o) {
  static const struct {
    const char *name;
    guint32 state;
  } names[] = {{"INVALID", LW_CT_INVALID},
               {"ESTABLISHED", LW_CT_ESTABLISHED},
               {"RELATED", LW_CT_RELATED},
               {"NEW", LW_CT_NEW},
               {"UNTRACKED", LW_CT_UNTRACKED}};
  if (!has_one(o))
    return FALSE;
  if (g_str_equal(o->values[0], "DNAT"))
    return add_number(r, LW_FIELD_CT_DNAT, !o->negate, FALSE);
  if (g_str_equal(o->values[0], "SNAT"))
    return add_number(r, LW_FIELD_CT_SNAT, !o->negate, FALSE);
  g_auto(GStrv) words = g_strsplit(o->values[0], ",", -1);
  guint32 bits = 0;
  for (guint i = 0; words[i]; i++) {
    guint32 bit = 0;
    for (guint j = 0; j < G_N_ELEMENTS(names); j++)
      bit |= g_str_equal(names[j].name, words[i]) ? names[j].state : 0;
    if (!bit)
      return FALSE;
    bits |= bit;
  }
  return bits && add_number(r, LW_FIELD_CT_STATE, bits, o->negate);
}

static gboolean read_state(LwIptRule *r, const LwIptOption *o) {
  return is_option(o, "--state") && read_states(r, o);
}

static gboolean read_conntrack(LwIptRule *r, const LwIptOption *o) {
  gboolean v6 = r->ruleset->family == LW_FAMILY_IP6;
  LwValue value;
  if (is_option(o, "--ctstate"))
    return read_states(r, o);
  if (!has_one(o))
    return FALSE;
  if (is_option(o, "--ctdir"))
    return (g_str_equal(o->values[0], "REPLY") || g_str_equal(o->values[0], "ORIGINAL")) &&
           add_number(r, LW_FIELD_CT_DIRECTION, g_str_equal(o->values[0], "REPLY"), FALSE);
  if (is_option(o, "--ctorigsrc"))
    return lw_ipt_address(o->values[0], r->ruleset->family, &value) &&
           add_value(r, v6 ? LW_FIELD_CT_ORIG_SADDR6 : LW_FIELD_CT_ORIG_SADDR, value, o->negate);
  if (is_option(o, "--ctorigdst"))
    return lw_ipt_address(o->values[0], r->ruleset->family, &value) &&
           add_value(r, v6 ? LW_FIELD_CT_ORIG_DADDR6 : LW_FIELD_CT_ORIG_DADDR, value, o->negate);
  if (is_option(o, "--ctorigsrcport") || is_option(o, "--ctorigdstport"))
    return lw_ipt_ports(o->values[0], &value) &&
           add_value(r, is_option(o, "--ctorigsrcport") ? LW_FIELD_CT_ORIG_SPORT : LW_FIELD_CT_ORIG_DPORT,
                     value, o->negate);
  return FALSE;
}

static gboolean read_mark_of(LwIptRule *r, const LwIptOption *o, LwField field) {
  guint32 value, mask;
  if (!is_option(o, "--mark") || !has_one(o) || !lw_ipt_masked(o->values[0], &value, &mask) || !mask ||
      (value & ~mask))
    return FALSE;
  add_number(r, field, value, o->negate);
  ((LwMatch *)r->rule->matches->pdata[r->rule->matches->len - 1])->mask = mask == G_MAXUINT32 ? 0 : mask;
  return TRUE;
}

static gboolean read_mark(LwIptRule *r, const LwIptOption *o) {
  return read_mark_of(r, o, LW_FIELD_MARK);
}

static gboolean read_connmark(LwIptRule *r, const LwIptOption *o) {
  return read_mark_of(r, o, LW_FIELD_CT_MARK);
}

static gboolean address_type(const char *word, LwValue *out) {
  static const char *const names[] = {"UNSPEC",    "UNICAST",   "LOCAL",       "BROADCAST", "ANYCAST",
                                      "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    if (g_str_equal(names[i], word)) {
      *out = lw_value_number(i);
      return TRUE;
    }
  }
  return FALSE;
}

/* "--limit-iface-in" changes what the types beside it are asked of: see lw_ipt_match(). */
static gboolean read_address_type(LwIptRule *r, const LwIptOption *o) {
  if (is_option(o, "--src-type"))
    return add_list(r, LW_FIELD_SADDR_TYPE, o, address_type);
  if (is_option(o, "--dst-type"))
    return add_list(r, LW_FIELD_DADDR_TYPE, o, address_type);
  return is_option(o, "--limit-iface-in") || is_option(o, "--limit-iface-out");
}

static gboolean read_range(LwIptRule *r, const LwIptOption *o) {
  gboolean v6 = r->ruleset->family == LW_FAMILY_IP6, source = is_option(o, "--src-range");
  LwField field = source ? (v6 ? LW_FIELD_SADDR6 : LW_FIELD_SADDR) : (v6 ? LW_FIELD_DADDR6 : LW_FIELD_DADDR);
  LwValue value;
  return (source || is_option(o, "--dst-range")) && has_one(o) &&
         lw_ipt_address(o->values[0], r->ruleset->family, &value) && add_value(r, field, value, o->negate);
}

static gboolean read_pkttype(LwIptRule *r, const LwIptOption *o) {
  static const char *const names[] = {"unicast", "broadcast", "multicast"};
  for (guint i = 0; has_one(o) && i < G_N_ELEMENTS(names); i++)
    if (g_str_equal(names[i], o->values[0]))
      return is_option(o, "--pkt-type") && add_number(r, LW_FIELD_PKTTYPE, i, o->negate);
  return FALSE;
}

static gboolean read_mac(LwIptRule *r, const LwIptOption *o) {
  LwMac mac;
  return is_option(o, "--mac-source") && has_one(o) && lw_mac_parse(o->values[0], &mac) &&
         add_value(r, LW_FIELD_ETH_SRC, lw_value_mac(mac), o->negate);
}

static gboolean read_ttl(LwIptRule *r, const LwIptOption *o) {
  guint32 number;
  const char *what = strrchr(o->name, '-');
  if (!has_one(o) || !what || !lw_ipt_number(o->values[0], 255, &number))
    return FALSE;
  if (g_str_equal(what, "-eq"))
    return add_number(r, LW_FIELD_TTL, number, o->negate);
  if (g_str_equal(what, "-lt"))
    return number > 0 && add_value(r, LW_FIELD_TTL, lw_value_numbers(0, number - 1), FALSE);
  return g_str_equal(what, "-gt") && number < 255 &&
         add_value(r, LW_FIELD_TTL, lw_value_numbers(number + 1, 255), FALSE);
}

static gboolean read_dscp(LwIptRule *r, const LwIptOption *o) {
  guint32 number;
  return is_option(o, "--dscp") && has_one(o) && lw_ipt_number(o->values[0], 63, &number) &&
         add_number(r, LW_FIELD_DSCP, number, o->negate);
}

static gboolean read_length(LwIptRule *r, const LwIptOption *o) {
  LwValue value;
  return is_option(o, "--length") && has_one(o) && lw_ipt_ports(o->values[0], &value) &&
         add_value(r, LW_FIELD_LENGTH, value, o->negate);
}

static gboolean read_physdev(LwIptRule *r, const LwIptOption *o) {
  if (is_option(o, "--physdev-is-bridged"))
    return add_number(r, LW_FIELD_BRIDGED, !o->negate, FALSE);
  if (!has_one(o) || (!is_option(o, "--physdev-in") && !is_option(o, "--physdev-out")))
    return FALSE;
  g_autofree char *name = g_strdup(o->values[0]);
  if (g_str_has_suffix(name, "+"))
    name[strlen(name) - 1] = '*';
  return add_value(r, is_option(o, "--physdev-in") ? LW_FIELD_IPORT : LW_FIELD_OPORT, lw_value_name(name),
                   o->negate);
}

static gboolean read_comment(LwIptRule *r, const LwIptOption *o) {
  if (!is_option(o, "--comment") || !has_one(o))
    return FALSE;
  g_autofree char *before = r->rule->comment;
  r->rule->comment = before ? g_strdup_printf("%s; %s", before, o->values[0]) : g_strdup(o->values[0]);
  return TRUE;
}

static const struct {
  const char *module;
  ReadOption read;
} modules[] = {
    {"tcp", read_tcp},
    {"udp", read_ports},
    {"sctp", read_ports},
    {"dccp", read_ports},
    {"udplite", read_ports},
    {"multiport", read_multiport},
    {"icmp", read_icmp},
    {"icmp6", read_icmp6},
    {"state", read_state},
    {"conntrack", read_conntrack},
    {"mark", read_mark},
    {"connmark", read_connmark},
    {"addrtype", read_address_type},
    {"iprange", read_range},
    {"pkttype", read_pkttype},
    {"mac", read_mac},
    {"ttl", read_ttl},
    {"hl", read_ttl},
    {"dscp", read_dscp},
    {"length", read_length},
    {"physdev", read_physdev},
    {"comment", read_comment},
};

static gboolean has_option(const LwIptOption *options, guint count, const char *name) {
  for (guint i = 0; i < count; i++)
    if (is_option(&options[i], name))
      return TRUE;
  return FALSE;
}

/* "3/min" -> "3/minute" */
static char *rate_text(const char *text) {
  static const char *const units[] = {"second", "minute", "hour", "day"};
  const char *slash = strchr(text, '/');
  for (guint i = 0; slash && slash[1] && i < G_N_ELEMENTS(units); i++)
    if (g_str_has_prefix(units[i], slash + 1))
      return g_strdup_printf("%.*s/%s", (int)(slash - text), text, units[i]);
  return g_strdup(text);
}

static const char *value_of(const LwIptOption *options, guint count, const char *name) {
  for (guint i = 0; i < count; i++)
    if (is_option(&options[i], name) && has_one(&options[i]) && !options[i].negate)
      return options[i].values[0];
  return NULL;
}

/* As the reader of nft's listing says it. */
static gboolean read_limit(LwIptRule *r, const LwIptOption *options, guint count) {
  const char *limit = value_of(options, count, "--limit"), *burst = value_of(options, count, "--limit-burst");
  guint32 number = 5;
  if (!limit || count != (burst ? 2u : 1u) || (burst && !lw_ipt_number(burst, G_MAXUINT32, &number)))
    return FALSE;
  g_autofree char *rate = rate_text(limit);
  LwAction *action = lw_rule_add_action(r->rule, LW_ACTION_LIMIT);
  if (g_str_has_suffix(rate, "/second")) {
    g_autofree char *digits = g_strndup(rate, strcspn(rate, "/"));
    (void)lw_ipt_number(digits, G_MAXUINT32, &action->number);
  }
  if (!action->number || number != 5)
    action->text = g_strdup_printf("%s burst %u", rate, number);
  return TRUE;
}

static gboolean read_rpfilter(LwIptRule *r, const LwIptOption *options, guint count) {
  gboolean loose = has_option(options, count, "--loose"), mark = has_option(options, count, "--validmark");
  gboolean invert = has_option(options, count, "--invert");
  if ((guint)(loose + mark + invert) != count || (loose && mark))
    return FALSE;
  return add_number(r,
                    loose  ? LW_FIELD_RPATH_LOOSE
                    : mark ? LW_FIELD_RPATH_MARK
                           : LW_FIELD_RPATH,
                    !invert, FALSE);
}

static void limit_types(LwIptRule *r, guint first, gboolean out) {
  for (guint i = first; i < r->rule->matches->len; i++) {
    LwMatch *match = r->rule->matches->pdata[i];
    LwField *field = &g_array_index(match->fields, LwField, 0);
    if (*field == LW_FIELD_SADDR_TYPE)
      *field = out ? LW_FIELD_SADDR_TYPE_OIF : LW_FIELD_SADDR_TYPE_IIF;
    else if (*field == LW_FIELD_DADDR_TYPE)
      *field = out ? LW_FIELD_DADDR_TYPE_OIF : LW_FIELD_DADDR_TYPE_IIF;
  }
}

gboolean lw_ipt_match(LwIptRule *r, const char *module, const LwIptOption *options, guint count) {
  guint first = r->rule->matches->len;
  if (g_str_equal(module, "limit"))
    return read_limit(r, options, count);
  if (g_str_equal(module, "rpfilter"))
    return read_rpfilter(r, options, count);
  ReadOption read = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(modules); i++)
    if (g_str_equal(modules[i].module, module))
      read = modules[i].read;
  for (guint i = 0; read && i < count; i++)
    if (!read(r, &options[i]))
      return FALSE;
  if (has_option(options, count, "--limit-iface-in") || has_option(options, count, "--limit-iface-out"))
    limit_types(r, first, has_option(options, count, "--limit-iface-out"));
  return read != NULL;
}
