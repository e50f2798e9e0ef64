/* Rules of a listing: matches and statements.
 *
 * A neutral rule has all its matches before its actions. Where nft lists a match behind an action that
 * changes what is looked at later (a mark), the rule becomes two with the same matches; where even that would
 * not say the same, it is not understood.
 */
#include "providers/nft/read-internal.h"

#include <string.h>

typedef struct {
  LwRuleset *ruleset;
  LwChain *chain;
  LwRule *rule;
  const char *comment;
  guint64 handle;
  gboolean acted;   /* an action that later ones depend on: a match behind it is another rule's */
  gboolean obscure; /* an action that is not understood */
  gboolean sets_mark, sets_ct_mark;
} Builder;

static LwRule *begin_rule(Builder *b) {
  b->rule = lw_chain_add_rule(b->chain, (LwOrigin){0}, b->comment);
  b->rule->handle = b->handle;
  b->acted = FALSE;
  return b->rule;
}

static void give_up(Builder *b, JsonNode *node) {
  g_autofree char *text = lw_nft_json_text(node);
  g_autofree char *before = b->rule->unknown;
  b->rule->unknown = before ? g_strdup_printf("%s %s", before, text) : g_strdup(text);
}

static gboolean reads(const LwRule *rule, LwField field) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const LwMatch *match = rule->matches->pdata[i];
    for (guint j = 0; j < match->fields->len; j++)
      if (g_array_index(match->fields, LwField, j) == field)
        return TRUE;
  }
  return FALSE;
}

/* Makes room for a match. FALSE: what comes cannot be said in order. */
static gboolean open_for_match(Builder *b) {
  if (!b->acted)
    return TRUE;
  if (b->obscure || (b->sets_mark && reads(b->rule, LW_FIELD_MARK)) ||
      (b->sets_ct_mark && reads(b->rule, LW_FIELD_CT_MARK)))
    return FALSE;
  const LwRule *before = b->rule;
  lw_rule_copy_matches(begin_rule(b), before);
  return TRUE;
}

/* --- matches
 * -------------------------------------------------------------------------------------------------- */

static LwMatch *new_match(LwRule *rule, LwField field, gboolean negate) {
  LwMatch *match = lw_rule_add_match(rule);
  g_array_append_val(match->fields, field);
  match->negate = negate;
  return match;
}

static void match_number(LwRule *rule, LwField field, guint32 number, gboolean negate) {
  LwValue value = lw_value_number(number);
  g_array_append_val(new_match(rule, field, negate)->values, value);
}

static void match_unknown(LwRule *rule, JsonNode *node) {
  new_match(rule, LW_FIELD_UNKNOWN, FALSE)->unknown = lw_nft_json_text(node);
}

/* What goes without saying with a field: its protocol, its family. */
static void match_implied(const Builder *b, const LwNftSelector *selector) {
  LwFamily family = b->ruleset->family;
  if (selector->proto != LW_PROTO_NONE)
    match_number(b->rule, LW_FIELD_PROTO, selector->proto, FALSE);
  if (!selector->family || family == LW_FAMILY_IP || family == LW_FAMILY_IP6 ||
      reads(b->rule, LW_FIELD_VLAN_ID)) /* then it is of what the tag is in front of */
    return;
  gboolean six = selector->family == 6;
  if (family == LW_FAMILY_INET)
    match_number(b->rule, LW_FIELD_NFPROTO, six ? 10 : 2, FALSE);
  else
    match_number(b->rule, family == LW_FAMILY_BRIDGE ? LW_FIELD_ETH_TYPE : LW_FIELD_FRAME_TYPE,
                 six ? 0x86dd : 0x0800, FALSE);
}

typedef enum {
  OP_EQUAL,
  OP_NOT_EQUAL,
  OP_IN,
  OP_NONE_OF,
  OP_LESS,
  OP_MORE,
  OP_AT_MOST,
  OP_AT_LEAST,
  OP_BAD
} Op;

static Op op_of(JsonNode *node) {
  static const char *const names[] = {"==", "!=", "in", "!", "<", ">", "<=", ">="};
  const char *name = lw_nft_text(node);
  for (guint i = 0; name && i < G_N_ELEMENTS(names); i++)
    if (g_str_equal(names[i], name))
      return (Op)i;
  return OP_BAD;
}

static guint32 most_of(LwField field) {
  switch (field) {
  case LW_FIELD_SPORT:
  case LW_FIELD_DPORT:
  case LW_FIELD_CT_ORIG_SPORT:
  case LW_FIELD_CT_ORIG_DPORT:
  case LW_FIELD_ETH_TYPE:
  case LW_FIELD_FRAME_TYPE:
    return 65535;
  case LW_FIELD_VLAN_ID:
    return 4095;
  case LW_FIELD_DSCP:
    return 63;
  case LW_FIELD_PROTO:
  case LW_FIELD_NEXTHDR6:
  case LW_FIELD_TTL:
  case LW_FIELD_ICMP_TYPE:
  case LW_FIELD_ICMP_CODE:
  case LW_FIELD_ICMP6_TYPE:
  case LW_FIELD_ICMP6_CODE:
    return 255;
  default:
    return G_MAXUINT32;
  }
}

static gboolean match_order(LwRule *rule, LwField field, Op op, JsonNode *right) {
  guint32 number;
  if (!lw_nft_number(right, field, &number) || lw_nft_is_bitmask(field))
    return FALSE;
  gint64 first = 0, last = most_of(field);
  if (op == OP_LESS)
    last = (gint64)number - 1;
  else if (op == OP_AT_MOST)
    last = number;
  else
    first = op == OP_MORE ? (gint64)number + 1 : number;
  if (first > last)
    return FALSE;
  LwValue value = lw_value_numbers((guint32)first, (guint32)last);
  g_array_append_val(new_match(rule, field, FALSE)->values, value);
  return TRUE;
}

/* A value, or a set that stands in the rule. */
static gboolean read_values(JsonNode *right, LwField field, GArray *values) {
  JsonArray *set = lw_nft_array(lw_nft_member(right, "set"));
  for (guint i = 0; set && i < json_array_get_length(set); i++) {
    JsonNode *node = json_array_get_element(set, i), *inner = lw_nft_member(node, "elem");
    LwValue value;
    if (!lw_nft_value(inner ? lw_nft_member(inner, "val") : node, field, &value))
      return FALSE;
    g_array_append_val(values, value);
  }
  LwValue value;
  if (set)
    return values->len > 0;
  if (!lw_nft_value(right, field, &value))
    return FALSE;
  g_array_append_val(values, value);
  return TRUE;
}

static gboolean match_set(LwRule *rule, LwField field, const char *name, gboolean negate) {
  new_match(rule, field, negate)->set = g_strdup(name + 1);
  return TRUE;
}

static gboolean match_plain(LwRule *rule, LwField field, Op op, JsonNode *right) {
  const char *text = lw_nft_text(right);
  if (op == OP_IN && !lw_nft_is_bitmask(field))
    op = OP_EQUAL;
  if (op >= OP_LESS && op <= OP_AT_LEAST)
    return match_order(rule, field, op, right);
  if (op != OP_EQUAL && op != OP_NOT_EQUAL)
    return FALSE;
  if (text && *text == '@')
    return match_set(rule, field, text, op == OP_NOT_EQUAL);
  GArray *values = new_match(rule, field, op == OP_NOT_EQUAL)->values;
  if (read_values(right, field, values))
    return TRUE;
  g_ptr_array_remove_index(rule->matches, rule->matches->len - 1);
  return FALSE;
}

/* A flow has one state, so any of several is what a set of bits says. */
static gboolean match_state(LwRule *rule, Op op, JsonNode *right) {
  guint32 bits;
  if ((op == OP_IN || op == OP_NONE_OF) && lw_nft_number(right, LW_FIELD_CT_STATE, &bits)) {
    match_number(rule, LW_FIELD_CT_STATE, bits, op == OP_NONE_OF);
    return TRUE;
  }
  if (lw_nft_array(right) || lw_nft_member(right, "|"))
    return FALSE; /* equal to several bits at once: of no packet */
  return match_plain(rule, LW_FIELD_CT_STATE, op, right);
}

/* Of a flow's status two bits are fields of their own. `mask` 0: the operator says it all. */
static gboolean match_status(LwRule *rule, Op op, guint32 mask, JsonNode *right) {
  guint32 bits;
  if (!lw_nft_number(right, LW_FIELD_CT_DNAT, &bits))
    return FALSE;
  gboolean on;
  if (op == OP_IN || op == OP_NONE_OF) {
    mask = bits;
    on = op == OP_IN;
  } else if (mask && (op == OP_EQUAL || op == OP_NOT_EQUAL) && (bits == mask || bits == 0)) {
    on = (op == OP_EQUAL) == (bits == mask);
  } else {
    return FALSE;
  }
  if (mask != 16 && mask != 32)
    return FALSE;
  match_number(rule, mask == 32 ? LW_FIELD_CT_DNAT : LW_FIELD_CT_SNAT, on, FALSE);
  return TRUE;
}

static gboolean match_tcp_mask(LwRule *rule, guint32 mask, guint32 bits, gboolean negate) {
  if (mask == (LW_TCP_FIN | LW_TCP_SYN | LW_TCP_RST | LW_TCP_ACK) && bits == LW_TCP_SYN) {
    match_number(rule, LW_FIELD_TCP_SYN, !negate, FALSE);
  } else if (mask == LW_TCP_RST) {
    match_number(rule, LW_FIELD_TCP_RST, (bits == LW_TCP_RST) != negate, FALSE);
  } else {
    match_number(rule, LW_FIELD_TCP_FLAGS, bits, negate);
    ((LwMatch *)rule->matches->pdata[rule->matches->len - 1])->mask = mask;
  }
  return TRUE;
}

static gboolean match_tcp(LwRule *rule, Op op, JsonNode *right) {
  guint32 bits;
  if (op == OP_IN || op == OP_NONE_OF)
    return lw_nft_number(right, LW_FIELD_TCP_FLAGS, &bits) && bits <= 255 && bits &&
           match_tcp_mask(rule, bits, 0, op == OP_IN);
  if (lw_nft_array(right) || lw_nft_member(right, "|")) {
    if ((op != OP_EQUAL && op != OP_NOT_EQUAL) || !lw_nft_number(right, LW_FIELD_TCP_FLAGS, &bits))
      return FALSE;
    match_number(rule, LW_FIELD_TCP_FLAGS, bits, op == OP_NOT_EQUAL);
    return TRUE;
  }
  return match_plain(rule, LW_FIELD_TCP_FLAGS, op, right);
}

/* {"fib": …} compared with whether there is a route. */
static gboolean match_route(LwRule *rule, LwField field, Op op, JsonNode *right) {
  const char *text = lw_nft_text(right);
  gint64 number;
  gboolean there;
  if (op != OP_EQUAL && op != OP_NOT_EQUAL)
    return FALSE;
  if (right && JSON_NODE_HOLDS_VALUE(right) && json_node_get_value_type(right) == G_TYPE_BOOLEAN)
    there = json_node_get_boolean(right);
  else if ((text && g_str_equal(text, "0")) || (lw_nft_int(right, &number) && number == 0))
    there = FALSE;
  else
    return FALSE;
  match_number(rule, field, there == (op == OP_EQUAL), FALSE);
  return TRUE;
}

static gboolean match_field(LwRule *rule, LwField field, Op op, JsonNode *right) {
  switch (field) {
  case LW_FIELD_UNKNOWN:
    return FALSE;
  case LW_FIELD_CT_STATE:
    return match_state(rule, op, right);
  case LW_FIELD_CT_DNAT:
    return match_status(rule, op, 0, right);
  case LW_FIELD_TCP_FLAGS:
    return match_tcp(rule, op, right);
  case LW_FIELD_RPATH:
  case LW_FIELD_RPATH_MARK:
  case LW_FIELD_RPATH_LOOSE:
    return match_route(rule, field, op, right);
  default:
    return match_plain(rule, field, op, right);
  }
}

/* (field & mask) OP constant */
static gboolean match_masked(LwRule *rule, LwField field, guint32 mask, Op op, JsonNode *right) {
  guint32 bits;
  if (!mask || (op != OP_EQUAL && op != OP_NOT_EQUAL) || !lw_nft_number(right, field, &bits) ||
      (bits & ~mask))
    return FALSE;
  switch (field) {
  case LW_FIELD_CT_STATE: /* all of several bits is of no packet */
    if (bits != 0 && bits != mask)
      return FALSE;
    if (bits && (bits & (bits - 1)))
      return FALSE;
    match_number(rule, field, mask, (op == OP_EQUAL) == (bits == 0));
    return TRUE;
  case LW_FIELD_CT_DNAT:
    return match_status(rule, op, mask, right);
  case LW_FIELD_TCP_FLAGS:
    return mask <= 255 && match_tcp_mask(rule, mask, bits, op == OP_NOT_EQUAL);
  case LW_FIELD_MARK:
  case LW_FIELD_CT_MARK:
    match_number(rule, field, bits, op == OP_NOT_EQUAL);
    ((LwMatch *)rule->matches->pdata[rule->matches->len - 1])->mask = mask;
    return TRUE;
  default:
    return FALSE;
  }
}

/* ip frag-off & 0x1fff == 0: the first fragment, or whole. */
static gboolean match_fragment(const Builder *b, JsonNode *left, Op op, JsonNode *right) {
  JsonNode *payload = lw_nft_member(json_array_get_element(lw_nft_array(left), 0), "payload");
  gint64 mask, bits;
  if (g_strcmp0(lw_nft_text(lw_nft_member(payload, "protocol")), "ip") != 0 ||
      g_strcmp0(lw_nft_text(lw_nft_member(payload, "field")), "frag-off") != 0 ||
      !lw_nft_int(json_array_get_element(lw_nft_array(left), 1), &mask) || mask != 0x1fff ||
      !lw_nft_int(right, &bits) || bits != 0 || (op != OP_EQUAL && op != OP_NOT_EQUAL))
    return FALSE;
  match_implied(b, &(LwNftSelector){LW_FIELD_FRAGMENT, LW_PROTO_NONE, 4});
  match_number(b->rule, LW_FIELD_FRAGMENT, op == OP_NOT_EQUAL, FALSE);
  return TRUE;
}

static gboolean match_and(const Builder *b, JsonNode *left, Op op, JsonNode *right) {
  JsonArray *operands = lw_nft_array(left);
  if (!operands || json_array_get_length(operands) != 2)
    return FALSE;
  if (match_fragment(b, left, op, right))
    return TRUE;
  LwNftSelector selector = lw_nft_selector(json_array_get_element(operands, 0));
  guint32 mask;
  if (selector.field == LW_FIELD_UNKNOWN ||
      !lw_nft_number(json_array_get_element(operands, 1), selector.field, &mask) ||
      !match_masked(b->rule, selector.field, mask, op, right))
    return FALSE;
  match_implied(b, &selector);
  return TRUE;
}

/* The fields of a key: one, or several. FALSE: one of them is not understood. */
static gboolean read_key(JsonNode *key, GArray *fields, GArray *selectors) {
  JsonArray *parts = lw_nft_array(lw_nft_member(key, "concat"));
  guint count = parts ? json_array_get_length(parts) : 1;
  for (guint i = 0; i < count; i++) {
    LwNftSelector selector = lw_nft_selector(parts ? json_array_get_element(parts, i) : key);
    /* bits of a status, ways back: no set's keys are read as these */
    if (selector.field == LW_FIELD_UNKNOWN || selector.field == LW_FIELD_CT_DNAT ||
        selector.field == LW_FIELD_RPATH || selector.field == LW_FIELD_RPATH_MARK ||
        selector.field == LW_FIELD_RPATH_LOOSE)
      return FALSE;
    g_array_append_val(fields, selector.field);
    g_array_append_val(selectors, selector);
  }
  return count > 0;
}

static void match_all_implied(const Builder *b, const GArray *selectors) {
  for (guint i = 0; i < selectors->len; i++)
    match_implied(b, &g_array_index(selectors, LwNftSelector, i));
}

static GArray *fields_new(void) {
  return g_array_new(FALSE, FALSE, sizeof(LwField));
}

/* The name of the set that `data` is or names; an anonymous one is made. NULL: not understood. */
static char *set_of(const Builder *b, JsonNode *data, LwSetKind kind, const GArray *fields) {
  const char *text = lw_nft_text(data);
  if (text)
    return *text == '@' ? g_strdup(text + 1) : NULL;
  JsonNode *elements = lw_nft_member(data, "set");
  if (!lw_nft_array(elements))
    return NULL;
  LwSet *set = lw_nft_anonymous_set(b->ruleset, kind, fields);
  lw_nft_read_elements(set, elements);
  return g_strdup(set->name);
}

static gboolean match_concat(const Builder *b, JsonNode *left, Op op, JsonNode *right) {
  g_autoptr(GArray) fields = fields_new();
  g_autoptr(GArray) selectors = g_array_new(FALSE, FALSE, sizeof(LwNftSelector));
  if ((op != OP_EQUAL && op != OP_NOT_EQUAL) || !read_key(left, fields, selectors))
    return FALSE;
  g_autofree char *set = NULL;
  if (lw_nft_member(right, "concat")) { /* one element, without braces */
    LwSet *one = lw_nft_anonymous_set(b->ruleset, LW_SET_PLAIN, fields);
    g_autoptr(JsonArray) array = json_array_new();
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_ARRAY);
    json_array_add_element(array, json_node_copy(right));
    json_node_set_array(node, array);
    lw_nft_read_elements(one, node);
    set = g_strdup(one->name);
  } else {
    set = set_of(b, right, LW_SET_PLAIN, fields);
  }
  if (!set)
    return FALSE;
  LwMatch *match = lw_rule_add_match(b->rule);
  g_array_append_vals(match->fields, fields->data, fields->len);
  match->negate = op == OP_NOT_EQUAL;
  match->set = g_steal_pointer(&set);
  match_all_implied(b, selectors);
  return TRUE;
}

static gboolean try_match(const Builder *b, JsonNode *node) {
  Op op = op_of(lw_nft_member(node, "op"));
  JsonNode *left = lw_nft_member(node, "left"), *right = lw_nft_member(node, "right"), *inner;
  if (!left || !right || op == OP_BAD)
    return FALSE;
  if (lw_nft_member(left, "concat"))
    return match_concat(b, left, op, right);
  if ((inner = lw_nft_member(left, "&")))
    return match_and(b, inner, op, right);
  LwNftSelector selector = lw_nft_selector(left);
  if (!match_field(b->rule, selector.field, op, right))
    return FALSE;
  match_implied(b, &selector);
  return TRUE;
}

static void read_match(Builder *b, JsonNode *node) {
  if (!open_for_match(b))
    give_up(b, node);
  else if (!try_match(b, node))
    match_unknown(b->rule, node);
}

/* --- statements
 * -------------------------------------------------------------------------------------------------- */

gboolean lw_nft_verdict(JsonNode *node, LwVerdict *out) {
  static const struct {
    const char *name;
    LwVerdictKind kind;
  } plain[] = {{"accept", LW_VERDICT_ACCEPT},
               {"drop", LW_VERDICT_DROP},
               {"return", LW_VERDICT_RETURN},
               {"continue", LW_VERDICT_NONE}};
  JsonNode *value = NULL;
  const char *name = lw_nft_only_member(node, &value);
  for (guint i = 0; name && i < G_N_ELEMENTS(plain); i++) {
    if (g_str_equal(plain[i].name, name)) {
      *out = (LwVerdict){plain[i].kind, NULL};
      return TRUE;
    }
  }
  const char *target = lw_nft_text(lw_nft_member(value, "target"));
  if (!name || !target || (!g_str_equal(name, "jump") && !g_str_equal(name, "goto")))
    return FALSE;
  *out = (LwVerdict){g_str_equal(name, "jump") ? LW_VERDICT_JUMP : LW_VERDICT_GOTO, g_strdup(target)};
  return TRUE;
}

static void act_unknown(Builder *b, JsonNode *node) {
  lw_rule_add_action(b->rule, LW_ACTION_UNKNOWN)->text = lw_nft_json_text(node);
  b->acted = b->obscure = TRUE;
}

static void act_note(Builder *b, JsonNode *node) {
  lw_rule_add_action(b->rule, LW_ACTION_NOTE)->text = lw_nft_json_text(node);
}

static void read_counter(Builder *b, JsonNode *value) {
  lw_rule_add_action(b->rule, LW_ACTION_COUNT)->text = g_strdup(lw_nft_text(value));
}

static void read_log(Builder *b, JsonNode *value) {
  gint64 group;
  LwAction *action = lw_rule_add_action(b->rule, LW_ACTION_LOG);
  const char *prefix = lw_nft_text(lw_nft_member(value, "prefix"));
  action->text = g_strdup(prefix && *prefix ? prefix : NULL);
  action->number = lw_nft_int(lw_nft_member(value, "group"), &group) && group >= 0 && group <= 65535
                       ? (guint32)group
                       : LW_LOG_KERNEL;
}

static gboolean is_true(JsonNode *node) {
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN &&
         json_node_get_boolean(node);
}

/* Only "N a second" with nft's own burst is in number alone. */
static void read_limit(Builder *b, JsonNode *node, JsonNode *value) {
  gint64 rate = 0, burst = 0;
  const char *per = lw_nft_text(lw_nft_member(value, "per"));
  LwAction *action = lw_rule_add_action(b->rule, LW_ACTION_LIMIT);
  action->negate = is_true(lw_nft_member(value, "inv"));
  if (!per || !lw_nft_int(lw_nft_member(value, "rate"), &rate) || rate <= 0 || rate > G_MAXUINT32 ||
      !lw_nft_int(lw_nft_member(value, "burst"), &burst) || lw_nft_member(value, "rate_unit")) {
    action->text = lw_nft_json_text(node);
    return;
  }
  if (g_str_equal(per, "second"))
    action->number = (guint32)rate;
  if (!action->number || burst != 5)
    action->text = g_strdup_printf("%d/%s burst %d", (int)rate, per, (int)burst);
}

static void read_reject(Builder *b, JsonNode *value) {
  const char *type = lw_nft_text(lw_nft_member(value, "type"));
  JsonNode *expr = lw_nft_member(value, "expr");
  gint64 code;
  if (g_strcmp0(type, "tcp reset") == 0) {
    lw_rule_add_action(b->rule, LW_ACTION_REJECT_TCP);
    return;
  }
  const char *name = lw_nft_text(expr);
  LwAction *action = lw_rule_add_action(b->rule, LW_ACTION_REJECT);
  if (g_strcmp0(type, "icmpx") == 0 &&
      (g_strcmp0(name, "admin-prohibited") == 0 || (lw_nft_int(expr, &code) && code == 3)))
    return;
  action->text = name                      ? g_strdup_printf("%s %s", type ? type : "icmp", name)
                 : lw_nft_int(expr, &code) ? g_strdup_printf("%s %d", type ? type : "icmp", (int)code)
                                           : g_strdup(type ? type : "default");
}

/* --- marks
 * -------------------------------------------------------------------------------------------------- */

typedef enum { FROM_NOTHING, FROM_MARK, FROM_CT } MarkSource;

typedef struct {
  MarkSource source;
  guint32 keep, flip; /* value = (source & keep) ^ flip */
} MarkValue;

static gboolean read_operand(JsonNode *node, MarkValue *out) {
  LwNftSelector selector = lw_nft_selector(node);
  if (selector.field == LW_FIELD_MARK || selector.field == LW_FIELD_CT_MARK) {
    *out = (MarkValue){selector.field == LW_FIELD_MARK ? FROM_MARK : FROM_CT, G_MAXUINT32, 0};
    return TRUE;
  }
  guint32 number;
  if (!lw_nft_number(node, LW_FIELD_MARK, &number))
    return FALSE;
  *out = (MarkValue){FROM_NOTHING, 0, number};
  return TRUE;
}

/* The operators of one value with constants, inside out: depth is bounded by the parser's own. */
static gboolean read_mark_value(JsonNode *node, MarkValue *out) {
  JsonNode *value = NULL;
  const char *op = lw_nft_only_member(node, &value);
  JsonArray *operands = op ? lw_nft_array(value) : NULL;
  if (!operands || (!g_str_equal(op, "|") && !g_str_equal(op, "&") && !g_str_equal(op, "^")))
    return read_operand(node, out);
  guint32 constant;
  if (json_array_get_length(operands) != 2 ||
      !lw_nft_number(json_array_get_element(operands, 1), LW_FIELD_MARK, &constant) ||
      !read_mark_value(json_array_get_element(operands, 0), out))
    return FALSE;
  if (*op == '&') {
    out->keep &= constant;
    out->flip &= constant;
  } else if (*op == '|') {
    out->keep &= ~constant;
    out->flip |= constant;
  } else {
    out->flip ^= constant;
  }
  return TRUE;
}

static gboolean mark_number(Builder *b, LwField target, const MarkValue *value) {
  LwAction *action =
      lw_rule_add_action(b->rule, target == LW_FIELD_MARK ? LW_ACTION_SET_MARK : LW_ACTION_SET_CT_MARK);
  action->number = value->flip;
  action->keep = value->keep;
  return TRUE;
}

static gboolean mark_value(Builder *b, LwField target, JsonNode *node) {
  MarkValue value;
  if (!read_mark_value(node, &value))
    return FALSE;
  if (value.source == FROM_NOTHING || (value.source == FROM_MARK) == (target == LW_FIELD_MARK))
    return mark_number(b, target, &value);
  if (value.keep != G_MAXUINT32 || value.flip)
    return FALSE; /* some bits of the one in the other, and the rest zero */
  lw_rule_add_action(b->rule, target == LW_FIELD_MARK ? LW_ACTION_MARK_FROM_CT : LW_ACTION_CT_FROM_MARK);
  return TRUE;
}

/* A lookup in a map; *set is its name (transfer full). The fields go into `action`. */
static gboolean read_map(Builder *b, JsonNode *map, LwField data, gboolean with_port, LwActionKind kind) {
  g_autoptr(GArray) fields = fields_new();
  g_autoptr(GArray) selectors = g_array_new(FALSE, FALSE, sizeof(LwNftSelector));
  JsonNode *content = lw_nft_member(map, "data");
  if (!read_key(lw_nft_member(map, "key"), fields, selectors))
    return FALSE;
  g_autofree char *set = NULL;
  if (lw_nft_member(content, "set")) {
    LwSet *anonymous = lw_nft_anonymous_set(b->ruleset, LW_SET_MAP, fields);
    anonymous->data = data;
    anonymous->data_with_port = with_port;
    lw_nft_read_elements(anonymous, lw_nft_member(content, "set"));
    set = g_strdup(anonymous->name);
  } else {
    set = set_of(b, content, LW_SET_MAP, fields);
  }
  if (!set)
    return FALSE;
  LwAction *action = lw_rule_add_action(b->rule, kind);
  g_array_append_vals(action->fields, fields->data, fields->len);
  action->set = g_steal_pointer(&set);
  /* what the key needs of the packet; behind an action it still ends the rule there and not before */
  if (!b->acted)
    match_all_implied(b, selectors);
  return TRUE;
}

static gboolean read_mark_statement(Builder *b, LwField target, JsonNode *value) {
  JsonNode *map = lw_nft_member(value, "map");
  gboolean ok = map ? read_map(b, map, LW_FIELD_MARK, FALSE,
                               target == LW_FIELD_MARK ? LW_ACTION_SET_MARK : LW_ACTION_SET_CT_MARK)
                    : mark_value(b, target, value);
  b->acted = b->acted || ok;
  b->sets_mark = b->sets_mark || (ok && target == LW_FIELD_MARK);
  b->sets_ct_mark = b->sets_ct_mark || (ok && target == LW_FIELD_CT_MARK);
  return ok;
}

static gboolean is_maxseg(JsonNode *key) {
  JsonNode *option = lw_nft_member(key, "tcp option");
  return g_strcmp0(lw_nft_text(lw_nft_member(option, "name")), "maxseg") == 0 &&
         g_strcmp0(lw_nft_text(lw_nft_member(option, "field")), "size") == 0;
}

static gboolean clamp_mss(Builder *b, JsonNode *value) {
  gint64 size;
  gboolean to_route = g_strcmp0(lw_nft_text(lw_nft_member(lw_nft_member(value, "rt"), "key")), "mtu") == 0;
  if (!to_route && (!lw_nft_int(value, &size) || size <= 0 || size > 65535))
    return FALSE;
  lw_rule_add_action(b->rule, LW_ACTION_CLAMP_MSS)->number = to_route ? 0 : (guint32)size;
  return TRUE;
}

/* Changes of a packet that no route, and no rule that is read here, depends on. */
static gboolean is_harmless(JsonNode *key) {
  static const char *const keys[] = {"priority", "nftrace", NULL};
  static const char *const headers[] = {"ip", "ip6", NULL};
  static const char *const fields[] = {"dscp", "ecn", NULL};
  const char *meta = lw_nft_text(lw_nft_member(lw_nft_member(key, "meta"), "key"));
  JsonNode *payload = lw_nft_member(key, "payload");
  const char *header = lw_nft_text(lw_nft_member(payload, "protocol"));
  const char *field = lw_nft_text(lw_nft_member(payload, "field"));
  return (meta && g_strv_contains(keys, meta)) ||
         (header && field && g_strv_contains(headers, header) && g_strv_contains(fields, field));
}

static void read_mangle(Builder *b, JsonNode *node, JsonNode *mangle) {
  JsonNode *key = lw_nft_member(mangle, "key"), *value = lw_nft_member(mangle, "value");
  LwField field = lw_nft_selector(key).field;
  gboolean ok = FALSE;
  if (!value)
    ok = FALSE;
  else if (field == LW_FIELD_MARK || field == LW_FIELD_CT_MARK)
    ok = read_mark_statement(b, field, value);
  else if (is_maxseg(key))
    ok = clamp_mss(b, value);
  else if ((ok = is_harmless(key)))
    act_note(b, node);
  if (!ok)
    act_unknown(b, node);
}

/* --- address translation
 * -------------------------------------------------------------------------------------------------- */

static gboolean read_port(JsonNode *node, LwValue *out) {
  if (!node)
    return TRUE;
  LwValue value;
  if (!lw_nft_value(node, LW_FIELD_DPORT, &value) || value.last > 65535)
    return FALSE;
  *out = value;
  return TRUE;
}

/* Flags that spread flows over what is given, and decide nothing else; "netmap" does. */
static gboolean knows_nat_flags(JsonNode *nat) {
  JsonNode *flags = lw_nft_member(nat, "flags");
  JsonArray *array = lw_nft_array(flags);
  guint count = array ? json_array_get_length(array) : flags ? 1 : 0;
  for (guint i = 0; i < count; i++) {
    const char *flag = lw_nft_text(array ? json_array_get_element(array, i) : flags);
    if (!flag || (!g_str_equal(flag, "random") && !g_str_equal(flag, "fully-random") &&
                  !g_str_equal(flag, "persistent")))
      return FALSE;
  }
  return !lw_nft_member(nat, "type_flags");
}

static gboolean nat_family(const Builder *b, JsonNode *nat, guint32 *out) {
  const char *family = lw_nft_text(lw_nft_member(nat, "family"));
  if (family)
    *out = g_str_equal(family, "ip6") ? 6 : 4;
  else if (b->ruleset->family == LW_FAMILY_IP || b->ruleset->family == LW_FAMILY_IP6)
    *out = b->ruleset->family == LW_FAMILY_IP6 ? 6 : 4;
  else
    return FALSE;
  return TRUE;
}

/* An anonymous map's data is an address, or an address and a port, as its first element has it. */
static gboolean data_is_concat(JsonNode *map) {
  JsonArray *elements = lw_nft_array(lw_nft_member(lw_nft_member(map, "data"), "set"));
  JsonArray *first = elements && json_array_get_length(elements) > 0
                         ? lw_nft_array(json_array_get_element(elements, 0))
                         : NULL;
  return first && json_array_get_length(first) == 2 &&
         lw_nft_member(json_array_get_element(first, 1), "concat") != NULL;
}

static gboolean nat_map(Builder *b, JsonNode *nat, JsonNode *map, LwActionKind kind, LwField data) {
  return !lw_nft_member(nat, "port") && read_map(b, map, data, data_is_concat(map), kind);
}

static gboolean nat_fixed(Builder *b, JsonNode *nat, LwActionKind kind, LwField data) {
  LwValue to = {0}, port = {0};
  JsonNode *addr = lw_nft_member(nat, "addr");
  if ((addr && !lw_nft_value(addr, data, &to)) || !read_port(lw_nft_member(nat, "port"), &port))
    return FALSE;
  if (!addr && !lw_value_is_set(&port))
    return FALSE;
  LwAction *action = lw_rule_add_action(b->rule, kind);
  action->to = to;
  action->to_port = port;
  return TRUE;
}

static gboolean read_nat(Builder *b, JsonNode *nat, LwActionKind kind) {
  guint32 family = 0;
  if (!knows_nat_flags(nat) || !nat_family(b, nat, &family))
    return FALSE;
  LwField data = family == 6 ? LW_FIELD_DADDR6 : LW_FIELD_DADDR;
  JsonNode *map = lw_nft_member(lw_nft_member(nat, "addr"), "map");
  if (!(map ? nat_map(b, nat, map, kind, data) : nat_fixed(b, nat, kind, data)))
    return FALSE;
  b->acted = TRUE;
  return TRUE;
}

static gboolean read_redirect(Builder *b, JsonNode *nat) {
  JsonNode *port = lw_nft_member(nat, "port"), *map = lw_nft_member(port, "map");
  LwValue value = {0};
  if (!knows_nat_flags(nat))
    return FALSE;
  if (map ? !read_map(b, map, LW_FIELD_DPORT, FALSE, LW_ACTION_REDIRECT) : !read_port(port, &value))
    return FALSE;
  b->acted = TRUE;
  if (map)
    return TRUE;
  LwAction *action = lw_rule_add_action(b->rule, LW_ACTION_REDIRECT);
  if (lw_value_is_set(&value) && value.first == value.last)
    action->number = value.first;
  else
    action->to_port = value;
  return TRUE;
}

static gboolean read_masquerade(Builder *b, JsonNode *nat) {
  LwValue port = {0};
  if (!knows_nat_flags(nat) || !read_port(lw_nft_member(nat, "port"), &port))
    return FALSE;
  lw_rule_add_action(b->rule, LW_ACTION_MASQUERADE)->to_port = port;
  b->acted = TRUE;
  return TRUE;
}

static gboolean read_vmap(Builder *b, JsonNode *vmap) {
  g_autoptr(GArray) fields = fields_new();
  g_autoptr(GArray) selectors = g_array_new(FALSE, FALSE, sizeof(LwNftSelector));
  if (!read_key(lw_nft_member(vmap, "key"), fields, selectors))
    return FALSE;
  g_autofree char *set = set_of(b, lw_nft_member(vmap, "data"), LW_SET_VMAP, fields);
  if (!set)
    return FALSE;
  LwAction *action = lw_rule_add_action(b->rule, LW_ACTION_VMAP);
  g_array_append_vals(action->fields, fields->data, fields->len);
  action->set = g_steal_pointer(&set);
  if (!b->acted)
    match_all_implied(b, selectors);
  return TRUE;
}

/* Quotas, counts of connections and the like: what comes behind them may happen or not. */
static void read_perhaps(Builder *b, JsonNode *node) {
  if (open_for_match(b))
    match_unknown(b->rule, node);
  else
    give_up(b, node);
}

/* Elements that packets add: what the set holds is no longer told by its listing. A set that is full, or a
 * limit in it, ends the rule there. */
static void read_set_statement(Builder *b, JsonNode *node, JsonNode *value) {
  const char *name = lw_nft_text(lw_nft_member(value, "set"));
  LwSet *set = name && *name == '@' ? lw_ruleset_find_set(b->ruleset, name + 1) : NULL;
  if (set && !set->unknown)
    set->unknown = g_strdup("packets change what it holds");
  read_perhaps(b, node);
}

/* A helper reads what a flow says, and lets others in as "related". */
static void read_helper(Builder *b, JsonNode *node) {
  g_autofree char *text = lw_nft_json_text(node);
  g_ptr_array_add(b->ruleset->unknown,
                  g_strdup_printf("a conntrack helper lets flows in as related: %s", text));
  act_note(b, node);
}

/* What an iptables extension does is not in the listing. */
static void read_extension(Builder *b, JsonNode *node, JsonNode *value) {
  if (g_strcmp0(lw_nft_text(lw_nft_member(value, "type")), "match") == 0)
    read_perhaps(b, node);
  else
    give_up(b, node);
}

static gboolean read_translation(Builder *b, const char *name, JsonNode *value) {
  if (g_str_equal(name, "dnat"))
    return read_nat(b, value, LW_ACTION_DNAT);
  if (g_str_equal(name, "snat"))
    return read_nat(b, value, LW_ACTION_SNAT);
  if (g_str_equal(name, "redirect"))
    return read_redirect(b, value);
  return g_str_equal(name, "masquerade") && read_masquerade(b, value);
}

static void read_statement(Builder *b, JsonNode *node) {
  static const char *const perhaps[] = {"quota", "ct count", "meter", NULL};
  static const char *const notes[] = {"ct timeout", "last", NULL};
  JsonNode *value = NULL;
  const char *name = lw_nft_only_member(node, &value);
  LwVerdict verdict;
  if (!name)
    act_unknown(b, node);
  else if (g_str_equal(name, "match"))
    read_match(b, value);
  else if (g_str_equal(name, "counter"))
    read_counter(b, value);
  else if (g_str_equal(name, "log"))
    read_log(b, value);
  else if (g_str_equal(name, "limit"))
    read_limit(b, node, value);
  else if (g_str_equal(name, "reject"))
    read_reject(b, value);
  else if (g_str_equal(name, "mangle"))
    read_mangle(b, node, value);
  else if (g_str_equal(name, "notrack"))
    lw_rule_add_action(b->rule, LW_ACTION_NOTRACK);
  else if (g_str_equal(name, "vmap") && read_vmap(b, value))
    return;
  else if (g_str_equal(name, "set"))
    read_set_statement(b, node, value);
  else if (g_str_equal(name, "ct helper") || g_str_equal(name, "ct expectation"))
    read_helper(b, node);
  else if (g_str_equal(name, "xt"))
    read_extension(b, node, value);
  else if (g_strv_contains(perhaps, name))
    read_perhaps(b, node);
  else if (g_strv_contains(notes, name))
    act_note(b, node);
  else if (lw_nft_verdict(node, &verdict))
    lw_rule_add_action(b->rule, LW_ACTION_VERDICT)->verdict = verdict;
  else if (!read_translation(b, name, value))
    act_unknown(b, node);
}

void lw_nft_read_rule(LwRuleset *ruleset, LwChain *chain, JsonNode *rule) {
  gint64 handle = 0;
  JsonArray *statements = lw_nft_array(lw_nft_member(rule, "expr"));
  (void)lw_nft_int(lw_nft_member(rule, "handle"), &handle);
  Builder b = {.ruleset = ruleset,
               .chain = chain,
               .comment = lw_nft_text(lw_nft_member(rule, "comment")),
               .handle = (guint64)handle};
  begin_rule(&b);
  if (!statements)
    give_up(&b, rule);
  for (guint i = 0; statements && i < json_array_get_length(statements); i++)
    read_statement(&b, json_array_get_element(statements, i));
}
