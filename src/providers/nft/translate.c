#include "providers/nft/translate.h"

#include <stdlib.h>
#include <string.h>

#define COMMENT_MAX 100
#define PREFIX_MAX 120    /* the kernel takes 127 bytes of a log prefix */
#define ELEMENTS_INLINE 4 /* so many on one line, more get a line each */

typedef struct {
  const char *selector;
  const char *type; /* of a set's key */
} FieldText;

static const FieldText field_texts[LW_FIELD_LAST] = {
    [LW_FIELD_IIF] = {"iifname", "ifname"},
    [LW_FIELD_OIF] = {"oifname", "ifname"},
    [LW_FIELD_SADDR] = {"ip saddr", "ipv4_addr"},
    [LW_FIELD_DADDR] = {"ip daddr", "ipv4_addr"},
    [LW_FIELD_SADDR6] = {"ip6 saddr", "ipv6_addr"},
    [LW_FIELD_DADDR6] = {"ip6 daddr", "ipv6_addr"},
    [LW_FIELD_PROTO] = {"meta l4proto", "inet_proto"},
    [LW_FIELD_SPORT] = {"th sport", "inet_service"},
    [LW_FIELD_DPORT] = {"th dport", "inet_service"},
    [LW_FIELD_ICMP_TYPE] = {"icmp type", "icmp_type"},
    [LW_FIELD_CT_STATE] = {"ct state", "ct_state"},
    [LW_FIELD_CT_DIRECTION] = {"ct direction", "ct_dir"},
    [LW_FIELD_CT_DNAT] = {"ct status", "ct_status"},
    [LW_FIELD_CT_MARK] = {"ct mark", "mark"},
    [LW_FIELD_MARK] = {"meta mark", "mark"},
    [LW_FIELD_NFPROTO] = {"meta nfproto", "nf_proto"},
    [LW_FIELD_ETH_SRC] = {"ether saddr", "ether_addr"},
    [LW_FIELD_ETH_TYPE] = {"ether type", "ether_type"},
    [LW_FIELD_ARP_IP] = {"arp saddr ip", "ipv4_addr"},
    [LW_FIELD_ARP_MAC] = {"arp saddr ether", "ether_addr"},
    [LW_FIELD_TCP_SYN] = {"tcp flags", "tcp_flag"},
    [LW_FIELD_TCP_RST] = {"tcp flags", "tcp_flag"},
    [LW_FIELD_IBRIDGE] = {"meta ibrname", "ifname"},
};

typedef struct {
  LwField field;
  guint32 number;
  const char *name;
} NumberName;

static const NumberName number_names[] = {
    {LW_FIELD_PROTO, 1, "icmp"},
    {LW_FIELD_PROTO, 6, "tcp"},
    {LW_FIELD_PROTO, 17, "udp"},
    {LW_FIELD_PROTO, 58, "ipv6-icmp"},
    {LW_FIELD_ICMP_TYPE, 0, "echo-reply"},
    {LW_FIELD_ICMP_TYPE, 3, "destination-unreachable"},
    {LW_FIELD_ICMP_TYPE, 8, "echo-request"},
    {LW_FIELD_ICMP_TYPE, 11, "time-exceeded"},
    {LW_FIELD_ICMP_TYPE, 12, "parameter-problem"},
    {LW_FIELD_CT_DIRECTION, 0, "original"},
    {LW_FIELD_CT_DIRECTION, 1, "reply"},
    {LW_FIELD_NFPROTO, 2, "ipv4"},
    {LW_FIELD_NFPROTO, 10, "ipv6"},
    {LW_FIELD_ETH_TYPE, 0x0800, "ip"},
    {LW_FIELD_ETH_TYPE, 0x0806, "arp"},
    {LW_FIELD_ETH_TYPE, 0x8100, "vlan"},
    {LW_FIELD_ETH_TYPE, 0x86dd, "ip6"},
};

/* Words of nft's grammar that cannot name a set or a chain there, in any version from 1.0.6 on; sorted. */
static const char *const reserved[] = {
    "accept",   "add",       "ah",       "all",        "and",      "arp",      "bridge",      "cgroup",
    "chain",    "comment",   "comp",     "constant",   "continue", "counter",  "cpu",         "create",
    "ct",       "day",       "dccp",     "define",     "delete",   "describe", "destroy",     "device",
    "devices",  "dnat",      "drop",     "dst",        "dup",      "dynamic",  "ecn",         "element",
    "elements", "esp",       "ether",    "exists",     "expires",  "exthdr",   "fib",         "flags",
    "flow",     "flowtable", "flush",    "frag",       "fwd",      "geneve",   "get",         "goto",
    "gre",      "gretap",    "handle",   "hbh",        "hook",     "hour",     "ibridgename", "ibriport",
    "ibrname",  "ibrpvid",   "icmp",     "icmpv6",     "igmp",     "iif",      "iifgroup",    "iifname",
    "iiftype",  "include",   "index",    "inet",       "inner",    "insert",   "interval",    "ip",
    "ip6",      "ipsec",     "jhash",    "jump",       "last",     "limit",    "list",        "log",
    "lt",       "map",       "mark",     "masquerade", "meta",     "mh",       "missing",     "monitor",
    "ne",       "netdev",    "nftrace",  "not",        "notrack",  "numgen",   "obridgename", "obriport",
    "obrname",  "offload",   "oif",      "oifgroup",   "oifname",  "oiftype",  "or",          "osf",
    "pkttype",  "policy",    "position", "priority",   "queue",    "quota",    "random",      "redefine",
    "redirect", "reject",    "rename",   "replace",    "reset",    "return",   "rt",          "rtclassid",
    "rule",     "ruleset",   "sctp",     "secmark",    "set",      "size",     "skgid",       "skuid",
    "snat",     "socket",    "srh",      "symhash",    "synproxy", "table",    "tcp",         "th",
    "time",     "timeout",   "tproxy",   "type",       "typeof",   "udp",      "udplite",     "undefine",
    "update",   "vlan",      "vmap",     "vxlan",      "xt",
};

static int compare_word(gconstpointer key, gconstpointer word) {
  return strcmp(key, *(const char *const *)word);
}

/* Sets and chains: the same name, but for a tail where nft would take it for something else. */
char *lw_nft_object_name(const char *name) {
  gboolean taken = bsearch(name, reserved, G_N_ELEMENTS(reserved), sizeof *reserved, compare_word) != NULL;
  return g_strconcat(name, taken ? "_" : "", NULL);
}

const char *lw_nft_family(LwFamily family) {
  return lw_family_name(family);
}

/* nft strings know no escapes: what could end one is replaced. Cut at a character's end. */
static char *sane_text(const char *text, gsize max) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  GString *out = g_string_new(NULL);
  for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
    gsize length = (gsize)(g_utf8_next_char(at) - at);
    if (out->len + length > max)
      break;
    if (*at == '"')
      g_string_append_c(out, '\'');
    else if ((guchar)*at < ' ' || *at == '\x7f' || *at == '\\')
      g_string_append_c(out, ' ');
    else
      g_string_append_len(out, at, (gssize)length);
  }
  return g_string_free(out, FALSE);
}

static char *text_or_null(char *text /* transfer full */) {
  if (*text)
    return text;
  g_free(text);
  return NULL;
}

char *lw_nft_comment(const char *comment) {
  return text_or_null(sane_text(comment, COMMENT_MAX));
}

char *lw_nft_log_prefix(const char *prefix) {
  return text_or_null(sane_text(prefix ? prefix : "", PREFIX_MAX));
}

/* An interface's name can hold nearly anything; one that cannot be written must match nothing, not something
 * else. */
static char *quote_name(const char *name) {
  GString *out = g_string_new("\"");
  for (const char *at = name ? name : ""; *at; at++)
    g_string_append_c(out, (guchar)*at > ' ' && *at != '"' && *at != '\\' && *at != '\x7f' ? *at : '?');
  g_string_append_c(out, '"');
  return g_string_free(out, FALSE);
}

static char *number_text(LwField field, guint32 number) {
  for (guint i = 0; i < G_N_ELEMENTS(number_names); i++)
    if (number_names[i].field == field && number_names[i].number == number)
      return g_strdup(number_names[i].name);
  if (field == LW_FIELD_MARK || field == LW_FIELD_CT_MARK)
    return g_strdup_printf("0x%08x", number);
  if (field == LW_FIELD_ETH_TYPE)
    return g_strdup_printf("0x%04x", number);
  return g_strdup_printf("%u", number);
}

static char *numbers_text(LwField field, guint32 first, guint32 last) {
  if (first == last)
    return number_text(field, first);
  if (field == LW_FIELD_MARK || field == LW_FIELD_CT_MARK)
    return g_strdup_printf("0x%08x-0x%08x", first, last);
  return g_strdup_printf("%u-%u", first, last);
}

static char *prefix_text(const LwPrefix *prefix) {
  gboolean whole = prefix->len == (prefix->addr.family == 6 ? 128 : 32);
  return whole ? lw_addr_format(&prefix->addr) : lw_prefix_format(prefix);
}

static char *value_text(LwField field, const LwValue *value) {
  switch (value->kind) {
  case LW_VALUE_NAME:
    return quote_name(value->name);
  case LW_VALUE_PREFIX:
    return prefix_text(&value->prefix);
  case LW_VALUE_RANGE:
    return lw_range_format(&value->range);
  case LW_VALUE_NUMBER:
    return numbers_text(field, value->first, value->last);
  case LW_VALUE_MAC:
    return lw_mac_format(&value->mac);
  }
  return g_strdup("");
}

static const struct {
  LwCtState bit;
  const char *name;
} ct_states[] = {
    {LW_CT_INVALID, "invalid"}, {LW_CT_ESTABLISHED, "established"}, {LW_CT_RELATED, "related"},
    {LW_CT_NEW, "new"},         {LW_CT_UNTRACKED, "untracked"},
};

static char *ct_state_text(guint32 bits, const char *separator) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(ct_states); i++)
    if (bits & ct_states[i].bit)
      g_string_append_printf(out, "%s%s", out->len ? separator : "", ct_states[i].name);
  return g_string_free(out, FALSE);
}

static void append_object(GString *out, const char *before, const char *name) {
  g_autofree char *text = lw_nft_object_name(name);
  g_string_append_printf(out, "%s%s", before, text);
}

static void append_verdict(GString *out, const LwVerdict *verdict) {
  switch (verdict->kind) {
  case LW_VERDICT_NONE:
    g_string_append(out, "continue");
    break;
  case LW_VERDICT_ACCEPT:
    g_string_append(out, "accept");
    break;
  case LW_VERDICT_DROP:
    g_string_append(out, "drop");
    break;
  case LW_VERDICT_JUMP:
    append_object(out, "jump ", verdict->chain);
    break;
  case LW_VERDICT_GOTO:
    append_object(out, "goto ", verdict->chain);
    break;
  case LW_VERDICT_RETURN:
    g_string_append(out, "return");
    break;
  }
}

/* Sets */

static char *key_text(const LwSet *set, const LwElement *element) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < element->key->len; i++) {
    g_autofree char *part =
        value_text(g_array_index(set->fields, LwField, i), &g_array_index(element->key, LwValue, i));
    g_string_append_printf(out, "%s%s", i ? " . " : "", part);
  }
  return g_string_free(out, FALSE);
}

static char *element_text(const LwSet *set, const LwElement *element) {
  g_autofree char *key = key_text(set, element);
  if (set->kind == LW_SET_PLAIN)
    return g_steal_pointer(&key);
  GString *out = g_string_new(key);
  g_string_append(out, " : ");
  if (set->kind == LW_SET_VMAP) {
    append_verdict(out, &element->verdict);
    return g_string_free(out, FALSE);
  }
  g_autofree char *data = value_text(set->data, &element->data);
  g_string_append(out, data);
  if (set->data_with_port) {
    g_autofree char *port = value_text(LW_FIELD_DPORT, &element->data_port);
    g_string_append_printf(out, " . %s", port);
  }
  return g_string_free(out, FALSE);
}

static int compare_texts(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *element_texts(const LwSet *set) {
  GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < set->elements->len; i++)
    g_ptr_array_add(texts, element_text(set, set->elements->pdata[i]));
  g_ptr_array_sort(texts, compare_texts);
  return texts;
}

/* A field that is only ever read back cannot be written: nft refuses the table then. */
static const char *field_text(LwField field, gboolean as_type) {
  const FieldText *text = &field_texts[field];
  return !text->selector ? "not-loadable" : as_type ? text->type : text->selector;
}

static void append_fields(GString *out, const GArray *fields, gboolean as_type) {
  for (guint i = 0; i < fields->len; i++)
    g_string_append_printf(out, "%s%s", i ? " . " : "",
                           field_text(g_array_index(fields, LwField, i), as_type));
}

static void append_elements(GString *out, const GPtrArray *texts) {
  const char *before = texts->len > ELEMENTS_INLINE ? "\n\t\t\t" : " ";
  g_string_append(out, "\t\telements = {");
  for (guint i = 0; i < texts->len; i++)
    g_string_append_printf(out, "%s%s%s", before, (char *)texts->pdata[i], i + 1 < texts->len ? "," : "");
  g_string_append(out, texts->len > ELEMENTS_INLINE ? "\n\t\t}\n" : " }\n");
}

static void append_set(GString *out, const LwSet *set, const LwNftOptions *options) {
  append_object(out, set->kind == LW_SET_PLAIN ? "\tset " : "\tmap ", set->name);
  g_string_append(out, " {\n\t\ttype ");
  append_fields(out, set->fields, TRUE);
  if (set->kind == LW_SET_VMAP)
    g_string_append(out, " : verdict");
  else if (set->kind == LW_SET_MAP)
    g_string_append_printf(out, " : %s%s", field_text(set->data, TRUE),
                           set->data_with_port ? " . inet_service" : "");
  g_string_append_c(out, '\n');
  if (set->interval)
    g_string_append(out, "\t\tflags interval\n");
  const char *kept =
      set->runtime && options->runtime ? g_hash_table_lookup(options->runtime, set->name) : NULL;
  g_autoptr(GPtrArray) texts = element_texts(set);
  if (kept && *kept)
    g_string_append_printf(out, "\t\telements = { %s }\n", kept);
  else if (!kept && texts->len > 0 && !(set->runtime && options->without_runtime))
    append_elements(out, texts);
  g_string_append(out, "\t}\n\n");
}

/* Matches */

static gboolean is_flag(LwField field) {
  return field == LW_FIELD_TCP_SYN || field == LW_FIELD_TCP_RST || field == LW_FIELD_CT_DNAT;
}

static void append_flag(GString *out, LwField field, gboolean on) {
  if (field == LW_FIELD_TCP_SYN)
    g_string_append_printf(out, "tcp flags & (fin | syn | rst | ack) %s syn", on ? "==" : "!=");
  else if (field == LW_FIELD_TCP_RST)
    g_string_append_printf(out, "tcp flags & rst %s rst", on ? "==" : "!=");
  else
    g_string_append_printf(out, "ct status & dnat %s dnat", on ? "==" : "!=");
}

/* All of the values' bits together: any of these states. A rule that needs none of them says so by mask, as
 * "!=" of several states reads otherwise to different versions of nft. */
static void append_states(GString *out, const LwMatch *match) {
  guint32 bits = 0;
  for (guint i = 0; i < match->values->len; i++)
    bits |= g_array_index(match->values, LwValue, i).first;
  g_autofree char *states = ct_state_text(bits, match->negate ? " | " : ",");
  g_string_append_printf(out, match->negate ? "ct state & (%s) == 0" : "ct state %s", states);
}

static void append_values(GString *out, LwField field, const LwMatch *match) {
  g_string_append_printf(out, "%s%s ", field_text(field, FALSE), match->negate ? " !=" : "");
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < match->values->len; i++)
    g_ptr_array_add(texts, value_text(field, &g_array_index(match->values, LwValue, i)));
  if (texts->len == 1) {
    g_string_append(out, texts->pdata[0]);
    return;
  }
  g_string_append(out, "{ ");
  for (guint i = 0; i < texts->len; i++)
    g_string_append_printf(out, "%s%s", i ? ", " : "", (char *)texts->pdata[i]);
  g_string_append(out, " }");
}

static void append_match(GString *out, const LwMatch *match) {
  if (match->mask || match->unknown) {
    g_string_append(out, "not-loadable");
    return;
  }
  if (match->set) {
    append_fields(out, match->fields, FALSE);
    append_object(out, match->negate ? " != @" : " @", match->set);
    return;
  }
  LwField field = g_array_index(match->fields, LwField, 0);
  if (is_flag(field)) {
    gboolean on = match->values->len == 0 || g_array_index(match->values, LwValue, 0).first != 0;
    append_flag(out, field, on != match->negate);
  } else if (field == LW_FIELD_CT_STATE) {
    append_states(out, match);
  } else {
    append_values(out, field, match);
  }
}

/* Actions */

static gboolean matches_protocol(const LwRule *rule) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const LwMatch *match = rule->matches->pdata[i];
    if (!match->set && !match->negate && g_array_index(match->fields, LwField, 0) == LW_FIELD_PROTO)
      return TRUE;
  }
  return FALSE;
}

/* A number, or fields looked up in a map. */
static void append_operand(GString *out, const LwAction *action, LwField field) {
  if (action->set) {
    append_fields(out, action->fields, FALSE);
    append_object(out, " map @", action->set);
    return;
  }
  g_autofree char *number = number_text(field, action->number);
  g_string_append(out, number);
}

/* nft wants a transport protocol to have been matched before a port is translated. */
static void append_port_guard(GString *out, const LwRule *rule) {
  if (!matches_protocol(rule))
    g_string_append(out, "meta l4proto { tcp, udp } ");
}

static void append_log(GString *out, const LwAction *action) {
  g_autofree char *prefix = lw_nft_log_prefix(action->text);
  g_string_append(out, "log");
  if (prefix)
    g_string_append_printf(out, " prefix \"%s\"", prefix);
  g_string_append_printf(out, " group %u", action->number);
}

static gboolean data_has_port(const LwRuleset *ruleset, const char *name) {
  const LwSet *set = name ? lw_ruleset_find_set(ruleset, name) : NULL;
  return set && set->data_with_port;
}

static void append_dnat(GString *out, const LwRuleset *ruleset, const LwRule *rule, const LwAction *action) {
  gboolean with_port = data_has_port(ruleset, action->set);
  if (with_port)
    append_port_guard(out, rule);
  g_string_append(out, with_port ? "dnat ip addr . port to " : "dnat ip to ");
  append_operand(out, action, LW_FIELD_DADDR);
}

static void append_action(GString *out, const LwRuleset *ruleset, const LwRule *rule,
                          const LwAction *action) {
  if (action->keep || lw_value_is_set(&action->to) || lw_value_is_set(&action->to_port)) {
    g_string_append(out, "not-loadable");
    return;
  }
  switch (action->kind) {
  case LW_ACTION_COUNT:
    g_string_append(out, "counter");
    break;
  case LW_ACTION_LOG:
    append_log(out, action);
    break;
  case LW_ACTION_VERDICT:
    append_verdict(out, &action->verdict);
    break;
  case LW_ACTION_VMAP:
    append_fields(out, action->fields, FALSE);
    append_object(out, " vmap @", action->set);
    break;
  case LW_ACTION_REJECT_TCP:
    g_string_append(out, "reject with tcp reset");
    break;
  case LW_ACTION_REJECT:
    g_string_append(out, "reject with icmpx admin-prohibited");
    break;
  case LW_ACTION_SET_MARK:
    g_string_append(out, "meta mark set ");
    append_operand(out, action, LW_FIELD_MARK);
    break;
  case LW_ACTION_MARK_FROM_CT:
    g_string_append(out, "meta mark set ct mark");
    break;
  case LW_ACTION_CT_FROM_MARK:
    g_string_append(out, "ct mark set meta mark");
    break;
  case LW_ACTION_SET_CT_MARK:
    g_string_append(out, "ct mark set ");
    append_operand(out, action, LW_FIELD_MARK);
    break;
  case LW_ACTION_DNAT:
    append_dnat(out, ruleset, rule, action);
    break;
  case LW_ACTION_REDIRECT:
    append_port_guard(out, rule);
    g_string_append(out, "redirect to :");
    append_operand(out, action, LW_FIELD_DPORT);
    break;
  case LW_ACTION_MASQUERADE:
    g_string_append(out, "masquerade");
    break;
  case LW_ACTION_CLAMP_MSS: /* the kernel itself never raises it */
    g_string_append_printf(out, "tcp flags & syn == syn tcp option maxseg size set %u", action->number);
    break;
  case LW_ACTION_LIMIT:
    g_string_append_printf(out, "limit rate %s%u/second", action->negate ? "over " : "", action->number);
    break;
  case LW_ACTION_NOTRACK:
    g_string_append(out, "notrack");
    break;
  case LW_ACTION_SNAT:
  case LW_ACTION_ROUTE_TO:
  case LW_ACTION_REPLY_TO:
  case LW_ACTION_NOTE:
  case LW_ACTION_UNKNOWN: /* nothing that the policy makes; a table with it is refused by nft, not loaded
                             without it */
    g_string_append(out, "not-loadable");
    break;
  }
}

static void append_rule(GString *out, const LwRuleset *ruleset, const LwRule *rule) {
  if (rule->unknown) {
    g_autofree char *text = sane_text(rule->unknown, G_MAXINT);
    g_string_append_printf(out, "\t\t# not understood: %s\n", text);
    return;
  }
  g_string_append(out, "\t\t");
  const char *separator = "";
  for (guint i = 0; i < rule->matches->len; i++, separator = " ") {
    g_string_append(out, separator);
    append_match(out, rule->matches->pdata[i]);
  }
  for (guint i = 0; i < rule->actions->len; i++, separator = " ") {
    g_string_append(out, separator);
    append_action(out, ruleset, rule, rule->actions->pdata[i]);
  }
  g_autofree char *comment = rule->comment ? lw_nft_comment(rule->comment) : NULL;
  if (comment) {
    g_string_append_printf(out, "%scomment \"%s\"", separator, comment);
  }
  g_string_append_c(out, '\n');
}

static void append_chain(GString *out, const LwRuleset *ruleset, const LwChain *chain) {
  static const char *const hooks[] = {
      [LW_HOOK_NONE] = "",         [LW_HOOK_PREROUTING] = "prerouting",
      [LW_HOOK_INPUT] = "input",   [LW_HOOK_FORWARD] = "forward",
      [LW_HOOK_OUTPUT] = "output", [LW_HOOK_POSTROUTING] = "postrouting",
  };
  append_object(out, "\tchain ", chain->name);
  g_string_append(out, " {\n");
  if (chain->hook != LW_HOOK_NONE)
    g_string_append_printf(out, "\t\ttype %s hook %s priority %d; policy %s;\n",
                           chain->nat ? "nat" : "filter", hooks[chain->hook], chain->priority,
                           chain->drop ? "drop" : "accept");
  for (guint i = 0; i < chain->rules->len; i++)
    append_rule(out, ruleset, chain->rules->pdata[i]);
  g_string_append(out, "\t}\n\n");
}

char *lw_nft_table_name(const LwRuleset *ruleset) {
  return g_strndup(ruleset->name, strcspn(ruleset->name, "/"));
}

char *lw_nft_print_with(const LwRuleset *ruleset, const LwNftOptions *options) {
  g_autofree char *mark = sane_text(options->mark ? options->mark : "lanward", COMMENT_MAX);
  g_autofree char *name = lw_nft_table_name(ruleset);
  GString *out = g_string_new(NULL);
  g_string_append_printf(out, "table %s %s {\n\tcomment \"%s\"\n\n", lw_nft_family(ruleset->family), name,
                         mark);
  for (guint i = 0; i < ruleset->sets->len; i++)
    append_set(out, ruleset->sets->pdata[i], options);
  for (guint i = 0; i < ruleset->chains->len; i++)
    append_chain(out, ruleset, ruleset->chains->pdata[i]);
  g_string_truncate(out, out->len - 1); /* the last empty line */
  g_string_append(out, "}\n");
  return g_string_free(out, FALSE);
}

char *lw_nft_print(const LwRuleset *ruleset) {
  return lw_nft_print_with(ruleset, &(LwNftOptions){0});
}

char *lw_nft_replacement(const char *family, const char *name, const char *text) {
  return g_strdup_printf("table %s %s\ndelete table %s %s\n%s", family, name, family, name, text);
}

char *lw_nft_replace_with(const LwRuleset *ruleset, const LwNftOptions *options) {
  g_autofree char *name = lw_nft_table_name(ruleset);
  g_autofree char *table = lw_nft_print_with(ruleset, options);
  return lw_nft_replacement(lw_nft_family(ruleset->family), name, table);
}

char *lw_nft_replace(const LwRuleset *ruleset) {
  return lw_nft_replace_with(ruleset, &(LwNftOptions){0});
}

/* Deltas: on the text that this file prints, since that is what is kept of a table that was loaded. */

typedef struct {
  GString *skeleton; /* all but the elements */
  GPtrArray *names;  /* of char*: sets, in order */
  GHashTable *sets;  /* name -> GHashTable of element -> key */
} Table;

static void table_clear(Table *table) {
  g_string_free(table->skeleton, TRUE);
  g_ptr_array_unref(table->names);
  g_hash_table_unref(table->sets);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Table, table_clear)

/* An element's text has no ", " in it: names of interfaces hold no spaces. */
static void take_elements(GHashTable *elements, const char *text) {
  g_auto(GStrv) parts = g_strsplit(text, ", ", -1);
  for (guint i = 0; parts[i]; i++) {
    char *element = g_strstrip(parts[i]);
    if (g_str_has_suffix(element, ","))
      element[strlen(element) - 1] = '\0';
    const char *data = strstr(element, " : ");
    if (*element)
      g_hash_table_replace(elements, g_strdup(element),
                           data ? g_strndup(element, (gsize)(data - element)) : g_strdup(element));
  }
}

static GHashTable *begin_set(Table *table, const char *line) {
  const char *name = line + strlen("\tset ");
  char *copy = g_strndup(name, strcspn(name, " "));
  GHashTable *elements = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_ptr_array_add(table->names, copy);
  g_hash_table_replace(table->sets, g_strdup(copy), elements);
  return elements;
}

static void read_table(Table *table, const char *text) {
  static const char opening[] = "\t\telements = {";
  table->skeleton = g_string_new(NULL);
  table->names = g_ptr_array_new_with_free_func(g_free);
  table->sets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  GHashTable *elements = NULL;
  gboolean inside = FALSE;
  for (guint i = 0; lines[i]; i++) {
    char *line = lines[i];
    if (inside && g_str_has_suffix(line, " }")) { /* as nft lists it */
      line[strlen(line) - 2] = '\0';
      take_elements(elements, line);
      inside = FALSE;
    } else if (inside && !g_str_equal(line, "\t\t}")) {
      take_elements(elements, line);
    } else if (inside) {
      inside = FALSE;
    } else if (elements && g_str_has_prefix(line, opening)) {
      inside = !g_str_has_suffix(line, " }");
      if (!inside)
        line[strlen(line) - 2] = '\0';
      take_elements(elements, line + strlen(opening));
    } else {
      g_string_append_printf(table->skeleton, "%s\n", line);
      if (g_str_has_prefix(line, "\tset ") || g_str_has_prefix(line, "\tmap "))
        elements = begin_set(table, line);
    }
  }
}

static void append_statement(GString *out, const char *verb, const char *table, const char *set,
                             GPtrArray *elements) {
  if (elements->len == 0)
    return;
  g_ptr_array_sort(elements, compare_texts);
  g_string_append_printf(out, "%s element %s %s {", verb, table, set);
  for (guint i = 0; i < elements->len; i++)
    g_string_append_printf(out, "%s %s", i ? "," : "", (char *)elements->pdata[i]);
  g_string_append(out, " }\n");
}

/* What is in `from` and not in `other`: as elements, or as keys alone. */
static GPtrArray *only_in(GHashTable *from, GHashTable *other, gboolean keys) {
  GPtrArray *only = g_ptr_array_new();
  GHashTableIter iter;
  gpointer text, key;
  g_hash_table_iter_init(&iter, from);
  while (g_hash_table_iter_next(&iter, &text, &key))
    if (!g_hash_table_contains(other, text))
      g_ptr_array_add(only, keys ? key : text);
  return only;
}

/* "inet lanward", of a text that begins with "table inet lanward {". NULL: it does not. */
static char *name_in(const char *text) {
  const char *name = g_str_has_prefix(text, "table ") ? text + strlen("table ") : "";
  gsize length = strcspn(name, "{");
  return length > 1 && name[length] == '{' ? g_strndup(name, length - 1) : NULL;
}

static GPtrArray *all_of(GHashTable *elements) {
  GPtrArray *all = g_ptr_array_new();
  GHashTableIter iter;
  gpointer text;
  g_hash_table_iter_init(&iter, elements);
  while (g_hash_table_iter_next(&iter, &text, NULL))
    g_ptr_array_add(all, text);
  g_ptr_array_sort(all, compare_texts);
  return all;
}

GPtrArray *lw_nft_parts(const char *text, guint most) {
  g_auto(Table) table = {0};
  read_table(&table, text);
  GPtrArray *parts = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *name = name_in(table.skeleton->str);
  g_ptr_array_add(parts, g_strdup(table.skeleton->str));
  for (guint i = 0; name && i < table.names->len; i++) {
    const char *set = table.names->pdata[i];
    g_autoptr(GPtrArray) elements = all_of(g_hash_table_lookup(table.sets, set));
    for (guint from = 0; from < elements->len; from += most) {
      g_autoptr(GPtrArray) some = g_ptr_array_new();
      for (guint e = from; e < MIN(from + most, elements->len); e++)
        g_ptr_array_add(some, elements->pdata[e]);
      g_autoptr(GString) statement = g_string_new(NULL);
      append_statement(statement, "add", name, set, some);
      g_ptr_array_add(parts, g_strdup(statement->str));
    }
  }
  return parts;
}

char *lw_nft_delta_of_texts(const char *old_text, const char *new_text) {
  g_auto(Table) before = {0};
  g_auto(Table) after = {0};
  read_table(&before, old_text);
  read_table(&after, new_text);
  g_autofree char *table = name_in(after.skeleton->str);
  if (!table || !g_string_equal(before.skeleton, after.skeleton))
    return NULL;
  g_autoptr(GString) removed = g_string_new(NULL);
  g_autoptr(GString) added = g_string_new(NULL);
  for (guint i = 0; i < after.names->len; i++) {
    const char *set = after.names->pdata[i];
    GHashTable *olds = g_hash_table_lookup(before.sets, set), *news = g_hash_table_lookup(after.sets, set);
    g_autoptr(GPtrArray) gone = only_in(olds, news, TRUE);
    g_autoptr(GPtrArray) come = only_in(news, olds, FALSE);
    append_statement(removed, "delete", table, set, gone);
    append_statement(added, "add", table, set, come);
  }
  return g_strconcat(removed->str, added->str, NULL);
}

char *lw_nft_delta(const LwRuleset *old_rules, const LwRuleset *new_rules) {
  const LwNftOptions options = {.without_runtime = TRUE};
  if (!lw_ruleset_equal_but_elements(old_rules, new_rules))
    return NULL;
  g_autofree char *before = lw_nft_print_with(old_rules, &options);
  g_autofree char *after = lw_nft_print_with(new_rules, &options);
  return lw_nft_delta_of_texts(before, after);
}
