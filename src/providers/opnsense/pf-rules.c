#include "providers/opnsense/pf-rules.h"

#include "providers/opnsense/pf-names.h"

#include <string.h>

#define TAG_BITS 0xffffu
#define PASSED 0x10000u    /* by "rdr pass": the filter is not asked */
#define MIDSTREAM 0x20000u /* TCP that begins no flow, and belongs to none: pass rules are for S/SA */

typedef struct {
  const LwPf *pf;
  GHashTable *links; /* device -> name */
  LwRuleset *out;
  GHashTable *tags; /* tag -> its number */
  LwIpSet *self[2]; /* IPv4, IPv6 */
} Make;

static const char *link_name(const Make *m, const char *device) {
  const char *name = device ? g_hash_table_lookup(m->links, device) : NULL;
  return name ? name : device;
}

static void note(const Make *m, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(const Make *m, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  if (!g_ptr_array_find_with_equal_func(m->out->unknown, text, g_str_equal, NULL))
    g_ptr_array_add(m->out->unknown, g_steal_pointer(&text));
}

static guint32 tag_number(const Make *m, const char *tag) {
  guint number = GPOINTER_TO_UINT(g_hash_table_lookup(m->tags, tag));
  if (number)
    return number;
  number = g_hash_table_size(m->tags) + 1;
  g_hash_table_insert(m->tags, (gpointer)tag, GUINT_TO_POINTER(number));
  return number;
}

/* ---- matches ---- */

static LwMatch *match_values(LwRule *rule, LwField field, gboolean negate) {
  LwMatch *match = lw_rule_add_match(rule);
  g_array_append_val(match->fields, field);
  match->negate = negate;
  return match;
}

static void add_value(LwMatch *match, LwValue value /* takes */) {
  g_array_append_val(match->values, value);
}

static void match_bits(LwRule *rule, guint32 mask, guint32 value) {
  LwMatch *match = match_values(rule, LW_FIELD_MARK, FALSE);
  match->mask = mask;
  add_value(match, lw_value_number(value));
}

static void match_unknown(LwRule *rule, const char *text) {
  LwMatch *match = match_values(rule, LW_FIELD_UNKNOWN, FALSE);
  match->unknown = g_strdup(text);
}

static void match_interface(const Make *m, LwRule *rule, const LwPfRule *pf, LwField field) {
  if (!pf->device)
    return;
  LwMatch *match = match_values(rule, field, pf->device_not);
  gboolean group = TRUE;
  for (guint i = 0; i < m->pf->links->links->len; i++) {
    const LwOpnInterface *each = g_array_index(m->pf->links->links, LwOpnLink, i).interface;
    if (g_str_equal(each->device, pf->device))
      group = FALSE;
  }
  if (!group)
    add_value(match, lw_value_name(link_name(m, pf->device)));
  for (guint i = 0; group && i < m->pf->links->links->len; i++) {
    const LwOpnInterface *each = g_array_index(m->pf->links->links, LwOpnLink, i).interface;
    if (lw_pf_in_group(m->pf->opn, pf->device, each))
      add_value(match, lw_value_name(link_name(m, each->device)));
  }
  if (match->values->len == 0)
    add_value(match, lw_value_name("no interface")); /* a group of nobody */
}

/* FALSE: no packet has it. */
static gboolean match_protocol(LwRule *rule, const LwPfRule *pf) {
  guint8 numbers[2];
  guint count = lw_pf_protocols(pf->protocol, numbers);
  if (count == 0 && (pf->from_port || pf->to_port))
    count = lw_pf_protocols("tcp/udp", numbers);
  if (count == 0)
    return TRUE;
  LwMatch *match = match_values(rule, LW_FIELD_PROTO, FALSE);
  for (guint i = 0; i < count; i++)
    add_value(match, lw_value_number(numbers[i]));
  return numbers[0] != 0;
}

static gboolean match_ports(const Make *m, LwRule *rule, LwField field, const char *text) {
  g_autoptr(GArray) ports = lw_pf_ports(m->pf->opn, text);
  if (!ports)
    return TRUE;
  LwMatch *match = match_values(rule, field, FALSE);
  for (guint i = 0; i < ports->len; i++) {
    const LwPortRange *each = &g_array_index(ports, LwPortRange, i);
    add_value(match, lw_value_numbers(each->first, each->last));
  }
  return ports->len > 0;
}

static gboolean match_types(LwRule *rule, LwField field, const char *text) {
  g_autoptr(GArray) types = lw_pf_icmp_types(text);
  if (!types)
    return TRUE;
  LwMatch *match = match_values(rule, field, FALSE);
  for (guint i = 0; i < types->len; i++)
    add_value(match, lw_value_number(g_array_index(types, guint8, i)));
  return types->len > 0;
}

/* ---- addresses ---- */

static LwIpSet *addresses(const Make *m, guint8 family, const char *word, gboolean over) {
  g_autoptr(GHashTable) unknown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  LwPfNames names = {m->pf, family, m->self[family == 6], over, unknown, 0};
  return lw_pf_addresses(&names, word);
}

static LwValue value_of(const LwIpRange *range, guint8 family) {
  return lw_value_range((LwRange){lw_ip_addr(range->first, family), lw_ip_addr(range->last, family)});
}

static gboolean is_filled_by_abuse(const char *name) {
  static const char *const internal[] = {"bogons", "bogonsv6", "virusprot", "sshlockout", NULL};
  return g_strv_contains(internal, name);
}

static gboolean same_set(const LwIpSet *a, const LwIpSet *b) {
  return a->ranges->len == b->ranges->len &&
         (a->ranges->len == 0 ||
          memcmp(a->ranges->data, b->ranges->data, a->ranges->len * sizeof(LwIpRange)) == 0);
}

/* "$name", "<name>" as a set of the table. */
static const char *alias_set(const Make *m, guint8 family, const char *word) {
  g_autofree char *bare = g_strndup(word + 1, strlen(word) - (word[0] == '<' ? 2 : 1));
  g_autofree char *name = g_strdup_printf("%s/%u", bare, family);
  const LwSet *known = lw_ruleset_find_set(m->out, name);
  if (known)
    return known->name;
  LwField field = family == 6 ? LW_FIELD_SADDR6 : LW_FIELD_SADDR;
  LwSet *set = lw_ruleset_add_set(m->out, LW_SET_PLAIN, name, TRUE, field, LW_FIELD_LAST);
  g_autoptr(LwIpSet) sure = addresses(m, family, word, FALSE);
  g_autoptr(LwIpSet) more = addresses(m, family, word, TRUE);
  if (is_filled_by_abuse(bare))
    note(m, "table <%s> is filled while OPNsense runs: taken for empty, it only blocks", bare);
  else if (!same_set(sure, more))
    set->unknown = g_strdup_printf("alias %s: the file does not hold what is in it", bare);
  for (guint i = 0; i < sure->ranges->len; i++) {
    LwValue value = value_of(&g_array_index(sure->ranges, LwIpRange, i), family);
    g_array_append_val(lw_set_append(set, (LwOrigin){0})->key, value);
  }
  return set->name;
}

/* One word of a list. FALSE: no packet of the family has it. */
static gboolean match_address(const Make *m, LwRule *rule, gboolean source, guint8 family, const char *word) {
  gboolean negate = *word == '!';
  LwField field = family == 6 ? source ? LW_FIELD_SADDR6 : LW_FIELD_DADDR6
                  : source    ? LW_FIELD_SADDR
                              : LW_FIELD_DADDR;
  word += negate;
  if (g_str_equal(word, "any"))
    return !negate;
  if (*word == '$' || *word == '<') {
    lw_rule_match_set(rule, alias_set(m, family, word), negate, field, LW_FIELD_LAST);
    return TRUE;
  }
  g_autoptr(LwIpSet) set = addresses(m, family, word, FALSE);
  if (set->ranges->len == 0)
    return negate;
  LwMatch *match = match_values(rule, field, negate);
  for (guint i = 0; i < set->ranges->len; i++)
    add_value(match, value_of(&g_array_index(set->ranges, LwIpRange, i), family));
  return TRUE;
}

/* ---- gateways ---- */

typedef struct {
  char *device;
  LwAddr via;
} Hop;

static void hop_clear(gpointer data) {
  g_free(((Hop *)data)->device);
}

/* "( wg0 10.64.1.1 )", "wg0", "{ ( a 1 ), ( b 2 ) } round-robin". Of Hop. */
static GArray *hops_of(const char *route) {
  GArray *hops = g_array_new(FALSE, FALSE, sizeof(Hop));
  g_array_set_clear_func(hops, hop_clear);
  g_auto(GStrv) members = g_strsplit(route ? route : "", ",", -1);
  for (char **member = members; *member; member++) {
    g_auto(GStrv) words = g_strsplit_set(*member, " (){}", -1);
    Hop hop = {NULL, LW_ADDR_NONE};
    for (char **word = words; *word; word++) {
      if (!**word || g_str_equal(*word, "round-robin"))
        continue;
      if (!hop.device)
        hop.device = g_strdup(*word);
      else
        lw_addr_parse(*word, &hop.via);
    }
    if (hop.device)
      g_array_append_val(hops, hop);
  }
  return hops;
}

static void add_hop(const Make *m, LwRule *rule, LwActionKind kind, const Hop *hop) {
  LwAction *action = lw_rule_add_action(rule, kind);
  action->text = g_strdup(link_name(m, hop->device));
  if (lw_addr_is_set(&hop->via))
    action->to = lw_value_addr(hop->via);
}

/* ---- rules ---- */

static void set_bits(LwRule *rule, guint32 mask, guint32 value) {
  LwAction *action = lw_rule_add_action(rule, LW_ACTION_SET_MARK);
  action->number = value;
  action->keep = ~mask;
}

static void match_state(LwRule *rule, const LwPfRule *pf) {
  gboolean stateless = pf->state && g_str_equal(pf->state, "no state");
  gboolean any = pf->flags && g_str_equal(pf->flags, "any");
  if (pf->flags && !any && !g_str_equal(pf->flags, "S/SA"))
    match_unknown(rule, pf->flags);
  else if (g_str_equal(pf->action, "pass") && !stateless && !any)
    match_bits(rule, MIDSTREAM, 0);
}

/* What all kinds have. FALSE: no packet meets it. */
static gboolean match_common(const Make *m, LwRule *rule, const LwPfRule *pf, LwField interface,
                             guint8 family, const char *from, const char *to) {
  match_interface(m, rule, pf, interface);
  if (family)
    lw_rule_match(rule, LW_FIELD_NFPROTO, lw_value_number(family == 6 ? 10 : 2));
  if (pf->tagged)
    match_bits(rule, TAG_BITS, tag_number(m, pf->tagged));
  if (pf->narrows)
    match_unknown(rule, pf->narrows);
  if (pf->rule && pf->rule->schedule)
    match_unknown(rule, "a schedule");
  return match_protocol(rule, pf) && (!family || match_address(m, rule, TRUE, family, from)) &&
         (!family || match_address(m, rule, FALSE, family, to)) &&
         match_ports(m, rule, LW_FIELD_SPORT, pf->from_port) &&
         match_ports(m, rule, LW_FIELD_DPORT, pf->to_port) &&
         match_types(rule, LW_FIELD_ICMP_TYPE, pf->icmp_types) &&
         match_types(rule, LW_FIELD_ICMP6_TYPE, pf->icmp6_types);
}

typedef struct {
  const Make *m;
  const LwPfRule *pf;
  LwChain *chain;
  LwField interface;
} Rule;

typedef void (*Act)(const Rule *r, LwRule *rule, guint number);

/* Adds the rule, for one family (0: both), source and destination. */
static void add_one(const Rule *r, guint8 family, const char *from, const char *to, guint number, Act act) {
  LwRule *rule = lw_chain_add_rule(r->chain, (LwOrigin){0}, r->pf->descr);
  if (match_common(r->m, rule, r->pf, r->interface, family, from, to))
    act(r, rule, number);
  else
    g_ptr_array_set_size(r->chain->rules, (gint)r->chain->rules->len - 1);
}

/* What says no family translates those that its target has an address of. */
static gboolean is_of_family(const Rule *r, guint8 family) {
  if (r->pf->family || !r->pf->target)
    return !r->pf->family || r->pf->family == family;
  g_autoptr(LwIpSet) target = addresses(r->m, family, r->pf->target, FALSE);
  return target->ranges->len > 0;
}

/* number: which of the rules that one of pf's becomes. */
static void spread(const Rule *r, guint number, Act act) {
  const LwPfRule *pf = r->pf;
  if (!pf->family && g_str_equal(pf->from, "any") && g_str_equal(pf->to, "any") && !pf->target) {
    add_one(r, 0, pf->from, pf->to, number, act);
    return;
  }
  g_auto(GStrv) froms = g_strsplit(pf->from, ",", -1);
  g_auto(GStrv) tos = g_strsplit(pf->to, ",", -1);
  for (guint8 family = 4; family <= 6; family += 2)
    for (char **from = froms; *from && is_of_family(r, family); from++)
      for (char **to = tos; *to; to++)
        add_one(r, family, *from, *to, number, act);
}

/* ---- the filter ---- */

static void act_filter(const Rule *r, LwRule *rule, guint number) {
  const LwPfRule *pf = r->pf;
  match_state(rule, pf);
  if (!g_str_equal(pf->action, "pass")) {
    if (g_str_equal(pf->action, "reject"))
      lw_rule_add_action(rule, LW_ACTION_REJECT);
    else
      lw_rule_verdict(rule, LW_VERDICT_DROP, NULL);
    return;
  }
  if (pf->tag)
    set_bits(rule, TAG_BITS, tag_number(r->m, pf->tag));
  g_autoptr(GArray) replies = hops_of(pf->reply);
  if (replies->len)
    add_hop(r->m, rule, LW_ACTION_REPLY_TO, &g_array_index(replies, Hop, 0));
  g_autoptr(GArray) hops = hops_of(pf->gateway ? pf->gateway->route : NULL);
  if (hops->len) {
    if (number + 1 < hops->len)
      match_unknown(rule, "one of a gateway group");
    add_hop(r->m, rule, LW_ACTION_ROUTE_TO, &g_array_index(hops, Hop, number));
  }
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
}

static void add_filter(const Make *m, LwChain *chain, gboolean in, const LwPfRule *pf) {
  Rule r = {m, pf, chain, in ? LW_FIELD_IIF : LW_FIELD_OIF};
  g_autoptr(GArray) hops = hops_of(pf->gateway ? pf->gateway->route : NULL);
  for (guint i = 0; i < MAX(hops->len, 1); i++)
    spread(&r, i, act_filter);
  if (pf->state && g_str_equal(pf->state, "no state"))
    note(m, "“%s” keeps no state: answers of what it passes are asked as flows of their own", pf->descr);
  if (pf->tag && !pf->quick)
    note(m, "“%s” puts a tag on without being quick: it may stay on packets that another rule decides",
         pf->descr);
}

static gboolean goes(const LwPfRule *pf, gboolean in) {
  return !pf->disabled && (in ? pf->in : pf->out);
}

/* "antispoof for X": its networks come from nowhere else, and its addresses from nobody. */
static void add_antispoof(const Make *m, LwChain *chain, const char *device) {
  g_autofree char *network = g_strdup_printf("(%s:network)", device);
  g_autofree char *own = g_strdup_printf("(%s)", device);
  LwPfRule elsewhere = {.action = "block",
                        .device = device,
                        .device_not = TRUE,
                        .from = network,
                        .to = "any",
                        .descr = "antispoof"};
  LwPfRule self = {.action = "block", .from = own, .to = "any", .descr = "antispoof"};
  add_filter(m, chain, TRUE, &self);
  add_filter(m, chain, TRUE, &elsewhere);
}

static void fill_filter(const Make *m, LwChain *chain, gboolean in) {
  const GPtrArray *rules = m->pf->filter;
  if (in) {
    LwRule *passed = lw_chain_add_rule(chain, (LwOrigin){0}, "rdr pass");
    match_bits(passed, PASSED, PASSED);
    lw_rule_verdict(passed, LW_VERDICT_ACCEPT, NULL);
  }
  for (guint i = 0; i < rules->len; i++)
    if (goes(rules->pdata[i], in) && ((LwPfRule *)rules->pdata[i])->quick)
      add_filter(m, chain, in, rules->pdata[i]);
  for (guint i = rules->len; i-- > 0;)
    if (goes(rules->pdata[i], in) && !((LwPfRule *)rules->pdata[i])->quick)
      add_filter(m, chain, in, rules->pdata[i]);
  for (guint i = m->pf->antispoof->len; in && i-- > 0;)
    add_antispoof(m, chain, m->pf->antispoof->pdata[i]);
}

/* ---- translations ---- */

/* One address, or as many as there are: then which of them is not known. */
static gboolean target_of(const Make *m, const LwPfRule *pf, guint8 family, LwValue *out) {
  g_autoptr(LwIpSet) set = addresses(m, family, pf->target, FALSE);
  if (set->ranges->len == 0)
    return FALSE;
  LwIpRange whole = {g_array_index(set->ranges, LwIpRange, 0).first,
                     g_array_index(set->ranges, LwIpRange, set->ranges->len - 1).last};
  *out = value_of(&whole, family);
  return TRUE;
}

static guint8 family_of(const LwRule *rule) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const LwMatch *match = rule->matches->pdata[i];
    if (match->fields->len && g_array_index(match->fields, LwField, 0) == LW_FIELD_NFPROTO)
      return g_array_index(match->values, LwValue, 0).first == 10 ? 6 : 4;
  }
  return 4;
}

static void act_translate(const Rule *r, LwRule *rule, guint number) {
  const LwPfRule *pf = r->pf;
  LwValue to;
  (void)number;
  if (pf->negative) {
    lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
    return;
  }
  if (pf->tag)
    set_bits(rule, TAG_BITS, tag_number(r->m, pf->tag));
  if (pf->pass)
    set_bits(rule, PASSED, PASSED);
  if (!pf->target || !target_of(r->m, pf, family_of(rule), &to)) {
    LwAction *action = lw_rule_add_action(rule, LW_ACTION_UNKNOWN);
    action->text =
        g_strdup_printf("translates to %s, which has no address here", pf->target ? pf->target : "nothing");
    return;
  }
  LwAction *action = lw_rule_add_action(rule, pf->kind == LW_PF_RDR ? LW_ACTION_DNAT : LW_ACTION_SNAT);
  action->to = to;
  g_autoptr(GArray) ports = pf->kind == LW_PF_RDR ? lw_pf_ports(r->m->pf->opn, pf->target_port) : NULL;
  if (ports && ports->len && g_strcmp0(pf->target_port, pf->to_port) != 0) {
    const LwPortRange *range = &g_array_index(ports, LwPortRange, 0);
    action->to_port = lw_value_numbers(range->first, range->last);
  }
}

/* A range of ports that moves is a rule for each port. */
static gboolean add_moved(const Make *m, const Rule *r) {
  LwPfRule one = *r->pf;
  g_autoptr(GArray) from = lw_pf_ports(m->pf->opn, one.to_port);
  g_autoptr(GArray) to = lw_pf_ports(m->pf->opn, one.target_port);
  if (one.kind != LW_PF_RDR || one.negative || !from || from->len != 1 || !to || to->len != 1)
    return FALSE;
  const LwPortRange *outer = &g_array_index(from, LwPortRange, 0),
                    *inner = &g_array_index(to, LwPortRange, 0);
  Rule single = *r;
  single.pf = &one;
  if (outer->first == outer->last || inner->first == inner->last)
    return FALSE;
  if (outer->first == inner->first) {
    one.target_port = NULL;
    spread(&single, 0, act_translate);
    return TRUE;
  }
  for (guint32 port = outer->first; port <= outer->last; port++) {
    g_autofree char *outside = g_strdup_printf("%u", port);
    g_autofree char *inside = g_strdup_printf("%u", MIN(inner->first + (port - outer->first), 65535));
    one.to_port = outside;
    one.target_port = inside;
    spread(&single, 0, act_translate);
  }
  return TRUE;
}

static void fill_translations(const Make *m, LwChain *chain, LwPfKind kind) {
  for (guint i = 0; i < m->pf->translations->len; i++) {
    const LwPfRule *pf = m->pf->translations->pdata[i];
    Rule r = {m, pf, chain, kind == LW_PF_RDR ? LW_FIELD_IIF : LW_FIELD_OIF};
    if (pf->kind == kind && !pf->disabled && !add_moved(m, &r))
      spread(&r, 0, act_translate);
  }
}

/* ---- the whole ---- */

static void add_midstream(LwChain *chain) {
  LwRule *rule = lw_chain_add_rule(chain, (LwOrigin){0}, "TCP of no flow, and not the first of one");
  LwMatch *flags = match_values(rule, LW_FIELD_TCP_FLAGS, TRUE);
  flags->mask = LW_TCP_SYN | LW_TCP_ACK;
  add_value(flags, lw_value_number(LW_TCP_SYN));
  lw_rule_match(rule, LW_FIELD_CT_STATE,
                lw_value_number(LW_CT_NEW | LW_CT_INVALID | LW_CT_RELATED | LW_CT_UNTRACKED));
  set_bits(rule, MIDSTREAM, MIDSTREAM);
}

LwRuleset *lw_pf_rules(const LwPf *pf, GHashTable *links) {
  g_autoptr(GHashTable) tags = g_hash_table_new(g_str_hash, g_str_equal);
  Make m = {pf, links, lw_ruleset_new(LW_FAMILY_INET, "pf"), tags, {lw_pf_self(pf, 4), lw_pf_self(pf, 6)}};
  m.out->stateful = TRUE;
  for (guint i = 0; i < pf->opn->unread->len; i++)
    note(&m, "%s", (const char *)pf->opn->unread->pdata[i]);
  if (pf->opn->filter_disabled) {
    note(&m, "packet filtering is switched off: everything passes, nothing is translated");
  } else {
    add_midstream(lw_ruleset_add_base_chain(m.out, "state", LW_HOOK_PREROUTING, -400, FALSE, FALSE));
    fill_translations(&m, lw_ruleset_add_base_chain(m.out, "rdr", LW_HOOK_PREROUTING, -100, TRUE, FALSE),
                      LW_PF_RDR);
    fill_filter(&m, lw_ruleset_add_base_chain(m.out, "in", LW_HOOK_PREROUTING, 0, FALSE, FALSE), TRUE);
    fill_translations(&m, lw_ruleset_add_base_chain(m.out, "nat", LW_HOOK_POSTROUTING, 100, TRUE, FALSE),
                      LW_PF_NAT);
    fill_filter(&m, lw_ruleset_add_base_chain(m.out, "out", LW_HOOK_POSTROUTING, 200, FALSE, FALSE), FALSE);
  }
  lw_ip_set_free(m.self[0]);
  lw_ip_set_free(m.self[1]);
  return m.out;
}

/* ---- as resources ---- */

typedef struct {
  const LwPf *pf;
  const char *ns;
  GHashTable *links;
  LwResourceSet *world;
} World;

static const char *name_in(const World *w, const char *device) {
  const char *name = g_hash_table_lookup(w->links, device);
  return name ? name : device;
}

static void add_link(const World *w, const char *device) {
  LwResource *link = lw_resource_new(LW_RES_LINK, w->ns, name_in(w, device));
  g_autofree char *key = lw_resource_key(link);
  g_autofree char *tunnel = g_strdup_printf("tunnel:%s/%s", w->ns, name_in(w, device));
  if (lw_resource_set_find(w->world, key) || lw_resource_set_find(w->world, tunnel)) {
    lw_resource_unref(link);
    return;
  }
  link->link_type = LW_LINK_EXTERNAL;
  link->up = TRUE;
  lw_resource_set_add(w->world, link);
}

static void add_address(const World *w, const char *device, LwPrefix prefix) {
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, w->ns, NULL);
  g_free(address->link);
  address->link = g_strdup(name_in(w, device));
  address->prefix = prefix;
  g_autofree char *key = lw_resource_key(address);
  if (lw_addr_is_set(&prefix.addr) && !lw_resource_set_find(w->world, key))
    lw_resource_set_add(w->world, address);
  else
    lw_resource_unref(address);
}

static void add_setting(const World *w, const char *name) {
  LwResource *setting = lw_resource_new(LW_RES_SYSCTL, w->ns, name);
  g_free(setting->value);
  setting->value = g_strdup("1");
  lw_resource_set_add(w->world, setting);
}

static void add_route(const World *w, const LwPfRoute *from, guint32 metric) {
  LwResource *route = lw_resource_new(LW_RES_ROUTE, w->ns, NULL);
  route->prefix = from->prefix;
  route->metric = metric;
  g_free(route->link);
  route->link = g_strdup(name_in(w, from->link->interface->device));
  if (from->gateway && from->gateway->address)
    lw_addr_parse(from->gateway->address, &route->via);
  lw_resource_set_add(w->world, route);
}

static void add_vips(const World *w) {
  for (guint i = 0; i < w->pf->opn->vips->len; i++) {
    const LwOpnVip *vip = w->pf->opn->vips->pdata[i];
    const LwOpnLink *link = lw_opn_link(w->pf->links, vip->interface);
    LwAddr addr;
    if (link && vip->address && lw_addr_parse(vip->address, &addr))
      add_address(w, link->interface->device,
                  lw_prefix_make(addr, (guint8)MIN(vip->length, addr.family == 6 ? 128 : 32)));
  }
}

void lw_pf_world(const LwPf *pf, const char *ns, GHashTable *links, LwResourceSet *world) {
  World w = {pf, ns, links, world};
  for (guint i = 0; i < pf->links->links->len; i++) {
    const LwOpnLink *link = &g_array_index(pf->links->links, LwOpnLink, i);
    if (link->interface->is_virtual || link->interface->group || g_str_equal(link->interface->device, "lo0"))
      continue;
    add_link(&w, link->interface->device);
    add_address(&w, link->interface->device, link->address4);
    add_address(&w, link->interface->device, link->address6);
  }
  add_vips(&w);
  for (guint8 family = 4; family <= 6; family += 2) {
    g_autoptr(GArray) routes = lw_pf_routes(pf, family);
    for (guint i = 0; i < routes->len; i++)
      add_route(&w, &g_array_index(routes, LwPfRoute, i), i + 1);
  }
  add_setting(&w, "net/ipv4/ip_forward");
  add_setting(&w, "net/ipv6/conf/all/forwarding");
  /* FreeBSD asks no source where it comes from: pf does; and the broadcast address of another interface's
     network is not its own */
  add_setting(&w, "net/ipv4/conf/all/accept_local");
  add_setting(&w, "net/ipv4/conf/all/bc_forwarding");
  LwResource *rules = lw_resource_new(LW_RES_RULESET, ns, "pf");
  rules->ruleset = lw_pf_rules(pf, links);
  lw_resource_set_add(world, rules);
}
