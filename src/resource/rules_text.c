/* The neutral form as text: for people, for goldens, and to find equal rules by. */
#include "resource/rules.h"

static const char *const field_names[LW_FIELD_LAST] = {
    [LW_FIELD_IIF] = "iif",
    [LW_FIELD_OIF] = "oif",
    [LW_FIELD_SADDR] = "saddr",
    [LW_FIELD_DADDR] = "daddr",
    [LW_FIELD_SADDR6] = "saddr6",
    [LW_FIELD_DADDR6] = "daddr6",
    [LW_FIELD_PROTO] = "proto",
    [LW_FIELD_SPORT] = "sport",
    [LW_FIELD_DPORT] = "dport",
    [LW_FIELD_ICMP_TYPE] = "icmp-type",
    [LW_FIELD_CT_STATE] = "ct-state",
    [LW_FIELD_CT_DIRECTION] = "ct-direction",
    [LW_FIELD_CT_DNAT] = "ct-dnat",
    [LW_FIELD_CT_MARK] = "ct-mark",
    [LW_FIELD_MARK] = "mark",
    [LW_FIELD_NFPROTO] = "nfproto",
    [LW_FIELD_ETH_SRC] = "eth-src",
    [LW_FIELD_ETH_TYPE] = "eth-type",
    [LW_FIELD_ARP_IP] = "arp-ip",
    [LW_FIELD_ARP_MAC] = "arp-mac",
    [LW_FIELD_TCP_SYN] = "tcp-syn",
    [LW_FIELD_TCP_RST] = "tcp-rst",
    [LW_FIELD_IBRIDGE] = "ibridge",
    [LW_FIELD_OBRIDGE] = "obridge",
    [LW_FIELD_IPORT] = "iport",
    [LW_FIELD_OPORT] = "oport",
    [LW_FIELD_BRIDGED] = "bridged",
    [LW_FIELD_ICMP_CODE] = "icmp-code",
    [LW_FIELD_ICMP6_TYPE] = "icmp6-type",
    [LW_FIELD_ICMP6_CODE] = "icmp6-code",
    [LW_FIELD_TCP_FLAGS] = "tcp-flags",
    [LW_FIELD_NEXTHDR6] = "nexthdr6",
    [LW_FIELD_TTL] = "ttl",
    [LW_FIELD_DSCP] = "dscp",
    [LW_FIELD_LENGTH] = "length",
    [LW_FIELD_FRAGMENT] = "fragment",
    [LW_FIELD_PKTTYPE] = "pkttype",
    [LW_FIELD_ETH_DST] = "eth-dst",
    [LW_FIELD_FRAME_TYPE] = "frame-type",
    [LW_FIELD_VLAN_ID] = "vlan-id",
    [LW_FIELD_ARP_OP] = "arp-op",
    [LW_FIELD_ARP_TARGET_IP] = "arp-target-ip",
    [LW_FIELD_ARP_TARGET_MAC] = "arp-target-mac",
    [LW_FIELD_CT_SNAT] = "ct-snat",
    [LW_FIELD_CT_ORIG_SADDR] = "ct-orig-saddr",
    [LW_FIELD_CT_ORIG_DADDR] = "ct-orig-daddr",
    [LW_FIELD_CT_ORIG_SADDR6] = "ct-orig-saddr6",
    [LW_FIELD_CT_ORIG_DADDR6] = "ct-orig-daddr6",
    [LW_FIELD_CT_ORIG_SPORT] = "ct-orig-sport",
    [LW_FIELD_CT_ORIG_DPORT] = "ct-orig-dport",
    [LW_FIELD_SADDR_TYPE] = "saddr-type",
    [LW_FIELD_DADDR_TYPE] = "daddr-type",
    [LW_FIELD_SADDR_TYPE_IIF] = "saddr-type-iif",
    [LW_FIELD_DADDR_TYPE_IIF] = "daddr-type-iif",
    [LW_FIELD_SADDR_TYPE_OIF] = "saddr-type-oif",
    [LW_FIELD_DADDR_TYPE_OIF] = "daddr-type-oif",
    [LW_FIELD_RPATH] = "rpath",
    [LW_FIELD_RPATH_MARK] = "rpath-mark",
    [LW_FIELD_RPATH_LOOSE] = "rpath-loose",
    [LW_FIELD_UNKNOWN] = "unknown",
};

static const char *const family_names[] = {
    [LW_FAMILY_INET] = "inet", [LW_FAMILY_BRIDGE] = "bridge", [LW_FAMILY_IP] = "ip",
    [LW_FAMILY_IP6] = "ip6",   [LW_FAMILY_ARP] = "arp",       [LW_FAMILY_NETDEV] = "netdev",
};

static const char *const hook_names[] = {
    [LW_HOOK_NONE] = "",           [LW_HOOK_PREROUTING] = "prerouting", [LW_HOOK_INPUT] = "input",
    [LW_HOOK_FORWARD] = "forward", [LW_HOOK_OUTPUT] = "output",         [LW_HOOK_POSTROUTING] = "postrouting",
    [LW_HOOK_INGRESS] = "ingress", [LW_HOOK_EGRESS] = "egress",
};

static const char *const verdict_names[] = {
    [LW_VERDICT_NONE] = "continue", [LW_VERDICT_ACCEPT] = "accept", [LW_VERDICT_DROP] = "drop",
    [LW_VERDICT_JUMP] = "jump",     [LW_VERDICT_GOTO] = "goto",     [LW_VERDICT_RETURN] = "return",
};

static const char *const action_names[] = {
    [LW_ACTION_COUNT] = "count",
    [LW_ACTION_LOG] = "log",
    [LW_ACTION_VERDICT] = "",
    [LW_ACTION_VMAP] = "verdict",
    [LW_ACTION_REJECT_TCP] = "reject-tcp",
    [LW_ACTION_REJECT] = "reject",
    [LW_ACTION_SET_MARK] = "mark :=",
    [LW_ACTION_MARK_FROM_CT] = "mark := ct-mark",
    [LW_ACTION_CT_FROM_MARK] = "ct-mark := mark",
    [LW_ACTION_SET_CT_MARK] = "ct-mark :=",
    [LW_ACTION_DNAT] = "dnat",
    [LW_ACTION_REDIRECT] = "redirect",
    [LW_ACTION_MASQUERADE] = "masquerade",
    [LW_ACTION_CLAMP_MSS] = "clamp-mss",
    [LW_ACTION_LIMIT] = "limit",
    [LW_ACTION_SNAT] = "snat",
    [LW_ACTION_NOTRACK] = "notrack",
    [LW_ACTION_ROUTE_TO] = "route-to",
    [LW_ACTION_REPLY_TO] = "reply-to",
    [LW_ACTION_NOTE] = "note",
    [LW_ACTION_UNKNOWN] = "unknown",
};

static const struct {
  guint32 bit;
  const char *name;
} state_names[] = {
    {LW_CT_INVALID, "invalid"}, {LW_CT_ESTABLISHED, "established"}, {LW_CT_RELATED, "related"},
    {LW_CT_NEW, "new"},         {LW_CT_UNTRACKED, "untracked"},
};

const char *lw_field_name(LwField field) {
  return field < LW_FIELD_LAST ? field_names[field] : "?";
}

const char *lw_family_name(LwFamily family) {
  return family_names[family];
}

gboolean lw_family_parse(const char *name, LwFamily *out) {
  for (guint i = 0; i < G_N_ELEMENTS(family_names); i++) {
    if (g_str_equal(name, family_names[i])) {
      *out = (LwFamily)i;
      return TRUE;
    }
  }
  return FALSE;
}

const char *lw_hook_name(LwHook hook) {
  return hook_names[hook];
}

/* Texts from outside may hold anything; a line of the output is one rule. */
static void append_quoted(GString *out, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
  g_autofree char *escaped = g_strescape(valid, NULL);
  g_string_append_printf(out, "\"%s\"", escaped);
}

static char *states_text(guint32 bits) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(state_names); i++)
    if (bits & state_names[i].bit)
      g_string_append_printf(out, "%s%s", out->len ? "|" : "", state_names[i].name);
  return g_string_free(out, FALSE);
}

static char *number_text(LwField field, guint32 number) {
  switch (field) {
  case LW_FIELD_CT_STATE:
    return states_text(number);
  case LW_FIELD_MARK:
  case LW_FIELD_CT_MARK:
  case LW_FIELD_TCP_FLAGS:
    return g_strdup_printf("0x%x", number);
  case LW_FIELD_ETH_TYPE:
  case LW_FIELD_FRAME_TYPE:
    return g_strdup_printf("0x%04x", number);
  default:
    return g_strdup_printf("%u", number);
  }
}

static char *numbers_text(LwField field, const LwValue *value) {
  g_autofree char *first = number_text(field, value->first);
  g_autofree char *last = number_text(field, value->last);
  return value->first == value->last ? g_steal_pointer(&first) : g_strdup_printf("%s-%s", first, last);
}

static char *prefix_text(const LwPrefix *prefix) {
  return prefix->len == (prefix->addr.family == 6 ? 128 : 32) ? lw_addr_format(&prefix->addr)
                                                              : lw_prefix_format(prefix);
}

char *lw_value_format(LwField field, const LwValue *value) {
  GString *out;
  switch (value->kind) {
  case LW_VALUE_NAME:
    out = g_string_new(NULL);
    append_quoted(out, value->name);
    return g_string_free(out, FALSE);
  case LW_VALUE_PREFIX:
    return prefix_text(&value->prefix);
  case LW_VALUE_RANGE:
    return lw_range_format(&value->range);
  case LW_VALUE_NUMBER:
    return numbers_text(field, value);
  case LW_VALUE_MAC:
    return lw_mac_format(&value->mac);
  }
  return g_strdup("");
}

static void append_fields(GString *out, const GArray *fields) {
  for (guint i = 0; i < fields->len; i++)
    g_string_append_printf(out, "%s%s", i ? " . " : "", lw_field_name(g_array_index(fields, LwField, i)));
}

static void append_values(GString *out, LwField field, const GArray *values) {
  if (values->len != 1)
    g_string_append(out, "{ ");
  for (guint i = 0; i < values->len; i++) {
    g_autofree char *text = lw_value_format(field, &g_array_index(values, LwValue, i));
    g_string_append_printf(out, "%s%s", i ? ", " : "", text);
  }
  if (values->len != 1)
    g_string_append(out, " }");
}

static void append_match(GString *out, const LwMatch *match) {
  LwField first = match->fields->len ? g_array_index(match->fields, LwField, 0) : LW_FIELD_UNKNOWN;
  append_fields(out, match->fields);
  if (match->mask)
    g_string_append_printf(out, " & 0x%x", match->mask);
  g_string_append(out, match->negate ? " != " : " ");
  if (match->unknown)
    append_quoted(out, match->unknown);
  else if (match->set)
    g_string_append_printf(out, "@%s", match->set);
  else
    append_values(out, first, match->values);
}

char *lw_match_format(const LwMatch *match) {
  GString *out = g_string_new(NULL);
  append_match(out, match);
  return g_string_free(out, FALSE);
}

static void append_verdict(GString *out, const LwVerdict *verdict) {
  g_string_append(out, verdict_names[verdict->kind]);
  if (verdict->chain)
    g_string_append_printf(out, " %s", verdict->chain);
}

static void append_target(GString *out, const LwAction *action) {
  if (lw_value_is_set(&action->to)) {
    g_autofree char *to = lw_value_format(LW_FIELD_DADDR, &action->to);
    g_string_append_printf(out, " %s", to);
  }
  if (lw_value_is_set(&action->to_port)) {
    g_autofree char *port = lw_value_format(LW_FIELD_DPORT, &action->to_port);
    g_string_append_printf(out, " port %s", port);
  }
}

static gboolean has_number(const LwAction *action) {
  switch (action->kind) {
  case LW_ACTION_SET_MARK:
  case LW_ACTION_SET_CT_MARK:
    return !action->set;
  case LW_ACTION_REDIRECT:
    return !action->set && action->number;
  case LW_ACTION_LIMIT:
  case LW_ACTION_CLAMP_MSS:
    return TRUE;
  case LW_ACTION_LOG:
    return action->number && action->number != LW_LOG_KERNEL;
  default:
    return FALSE;
  }
}

static void append_action(GString *out, const LwAction *action) {
  if (action->kind == LW_ACTION_VERDICT) {
    append_verdict(out, &action->verdict);
    return;
  }
  g_string_append(out, action_names[action->kind]);
  if (action->negate)
    g_string_append(out, " over");
  if (has_number(action))
    g_string_append_printf(
        out, action->kind == LW_ACTION_SET_MARK || action->kind == LW_ACTION_SET_CT_MARK ? " 0x%x" : " %u",
        action->number);
  if (action->keep)
    g_string_append_printf(out, " keep 0x%x", action->keep);
  if (action->set) {
    g_string_append_c(out, ' ');
    append_fields(out, action->fields);
    g_string_append_printf(out, " @%s", action->set);
  }
  append_target(out, action);
  if (action->text) {
    g_string_append_c(out, ' ');
    append_quoted(out, action->text);
  }
}

char *lw_action_format(const LwAction *action) {
  GString *out = g_string_new(NULL);
  append_action(out, action);
  return g_string_free(out, FALSE);
}

static void append_rule(GString *out, const LwRule *rule) {
  gsize start = out->len;
  for (guint i = 0; i < rule->matches->len; i++) {
    g_string_append(out, i ? ", " : "");
    append_match(out, rule->matches->pdata[i]);
  }
  if (out->len > start)
    g_string_append(out, ": ");
  for (guint i = 0; i < rule->actions->len; i++) {
    g_string_append(out, i ? "; " : "");
    append_action(out, rule->actions->pdata[i]);
  }
  if (rule->unknown) {
    g_string_append(out, "; UNKNOWN ");
    append_quoted(out, rule->unknown);
  }
  if (rule->comment) {
    g_string_append(out, "  # ");
    append_quoted(out, rule->comment);
  }
}

char *lw_rule_format(const LwRule *rule) {
  GString *out = g_string_new(NULL);
  append_rule(out, rule);
  return g_string_free(out, FALSE);
}

static void append_element(GString *out, const LwSet *set, const LwElement *element) {
  g_string_append(out, "    ");
  for (guint i = 0; i < element->key->len; i++) {
    g_autofree char *text =
        lw_value_format(g_array_index(set->fields, LwField, i), &g_array_index(element->key, LwValue, i));
    g_string_append_printf(out, "%s%s", i ? " . " : "", text);
  }
  if (set->kind == LW_SET_VMAP) {
    g_string_append(out, " : ");
    append_verdict(out, &element->verdict);
  } else if (set->kind == LW_SET_MAP) {
    g_autofree char *data = lw_value_format(set->data, &element->data);
    g_string_append_printf(out, " : %s", data);
    if (set->data_with_port) {
      g_autofree char *port = lw_value_format(LW_FIELD_DPORT, &element->data_port);
      g_string_append_printf(out, " . %s", port);
    }
  }
  g_string_append_c(out, '\n');
}

static void append_set(GString *out, const LwSet *set) {
  static const char *const kinds[] = {"set", "map", "vmap"};
  g_string_append_printf(out, "  %s %s (", kinds[set->kind], set->name);
  append_fields(out, set->fields);
  g_string_append_c(out, ')');
  if (set->kind == LW_SET_MAP)
    g_string_append_printf(out, " : %s%s", lw_field_name(set->data), set->data_with_port ? " . dport" : "");
  g_string_append_printf(out, "%s%s", set->interval ? " interval" : "", set->runtime ? " runtime" : "");
  if (set->unknown) {
    g_string_append(out, " UNKNOWN ");
    append_quoted(out, set->unknown);
  }
  g_string_append_c(out, '\n');
  for (guint i = 0; i < set->elements->len; i++)
    append_element(out, set, set->elements->pdata[i]);
}

static void append_chain(GString *out, const LwChain *chain) {
  g_string_append_printf(out, "  chain %s", chain->name);
  if (chain->hook != LW_HOOK_NONE)
    g_string_append_printf(out, " %s %d%s%s policy %s", lw_hook_name(chain->hook), chain->priority,
                           chain->nat ? " nat" : "", chain->reroute ? " reroute" : "",
                           chain->drop ? "drop" : "accept");
  for (guint i = 0; i < chain->devices->len; i++)
    g_string_append_printf(out, "%s%s", i ? ", " : " of ", (const char *)chain->devices->pdata[i]);
  g_string_append_c(out, '\n');
  for (guint i = 0; i < chain->rules->len; i++) {
    g_string_append(out, "    ");
    append_rule(out, chain->rules->pdata[i]);
    g_string_append_c(out, '\n');
  }
}

char *lw_ruleset_format(const LwRuleset *ruleset) {
  GString *out = g_string_new(NULL);
  g_string_append_printf(out, "table %s %s%s%s\n", lw_family_name(ruleset->family), ruleset->name,
                         ruleset->dormant ? " dormant" : "", ruleset->stateful ? " stateful" : "");
  for (guint i = 0; i < ruleset->unknown->len; i++) {
    g_string_append(out, "  UNKNOWN ");
    append_quoted(out, ruleset->unknown->pdata[i]);
    g_string_append_c(out, '\n');
  }
  for (guint i = 0; i < ruleset->sets->len; i++)
    append_set(out, ruleset->sets->pdata[i]);
  for (guint i = 0; i < ruleset->chains->len; i++)
    append_chain(out, ruleset->chains->pdata[i]);
  return g_string_free(out, FALSE);
}
