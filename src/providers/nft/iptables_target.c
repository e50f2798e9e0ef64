/* Targets of iptables. */
#include "providers/nft/iptables-internal.h"

#include <string.h>

static const LwIptOption *find(const LwIptOption *options, guint count, const char *name) {
  for (guint i = 0; i < count; i++)
    if (g_str_equal(options[i].name, name))
      return &options[i];
  return NULL;
}

static const char *value_of(const LwIptOption *options, guint count, const char *name) {
  const LwIptOption *option = find(options, count, name);
  return option && option->count == 1 ? option->values[0] : NULL;
}

/* All options are among these. */
static gboolean only(const LwIptOption *options, guint count, const char *const *names) {
  for (guint i = 0; i < count; i++)
    if (!g_strv_contains(names, options[i].name) || options[i].negate)
      return FALSE;
  return TRUE;
}

/* --- what ends a rule
 * -------------------------------------------------------------------------------------------------- */

static gboolean verdict(LwIptRule *r, const char *target, gboolean is_goto) {
  static const struct {
    const char *name;
    LwVerdictKind kind;
  } plain[] = {{"ACCEPT", LW_VERDICT_ACCEPT}, {"DROP", LW_VERDICT_DROP}, {"RETURN", LW_VERDICT_RETURN}};
  for (guint i = 0; !is_goto && i < G_N_ELEMENTS(plain); i++) {
    if (g_str_equal(plain[i].name, target)) {
      lw_rule_verdict(r->rule, plain[i].kind, NULL);
      return TRUE;
    }
  }
  if (!lw_ruleset_find_chain(r->ruleset, target))
    return FALSE;
  lw_rule_verdict(r->rule, is_goto ? LW_VERDICT_GOTO : LW_VERDICT_JUMP, target);
  return TRUE;
}

static gboolean reject(LwIptRule *r, const LwIptOption *options, guint count) {
  static const char *const names[] = {"--reject-with", NULL};
  const char *with = value_of(options, count, "--reject-with");
  if (!only(options, count, names) || (count && !with))
    return FALSE;
  if (g_strcmp0(with, "tcp-reset") == 0) {
    lw_rule_add_action(r->rule, LW_ACTION_REJECT_TCP);
    return TRUE;
  }
  gboolean prohibited =
      g_strcmp0(with, "icmp-admin-prohibited") == 0 || g_strcmp0(with, "icmp6-adm-prohibited") == 0;
  lw_rule_add_action(r->rule, LW_ACTION_REJECT)->text =
      prohibited ? NULL : g_strdup(with ? with : "port-unreachable");
  return TRUE;
}

/* --- what is told
 * -------------------------------------------------------------------------------------------------- */

static gboolean tell(LwIptRule *r, const LwIptOption *options, guint count, gboolean group) {
  const char *prefix = value_of(options, count, group ? "--nflog-prefix" : "--log-prefix");
  const char *number = value_of(options, count, "--nflog-group");
  guint32 to = 0;
  if (number && !lw_ipt_number(number, 65535, &to))
    return FALSE;
  LwAction *action = lw_rule_add_action(r->rule, LW_ACTION_LOG);
  action->text = g_strdup(prefix);
  action->number = group ? to : LW_LOG_KERNEL;
  return TRUE;
}

static void note(LwIptRule *r, const char *target) {
  lw_rule_add_action(r->rule, LW_ACTION_NOTE)->text = g_strdup(target);
}

/* --- marks
 * -------------------------------------------------------------------------------------------------- */

static gboolean set_mark(LwIptRule *r, const char *text, LwActionKind kind) {
  guint32 value, mask;
  if (!lw_ipt_masked(text, &value, &mask))
    return FALSE;
  LwAction *action = lw_rule_add_action(r->rule, kind);
  action->number = value;
  action->keep = ~mask;
  return TRUE;
}

static gboolean mark(LwIptRule *r, const LwIptOption *options, guint count) {
  static const char *const names[] = {"--set-xmark", NULL};
  const char *value = value_of(options, count, "--set-xmark");
  return only(options, count, names) && value && set_mark(r, value, LW_ACTION_SET_MARK);
}

static gboolean mask_of(const LwIptOption *options, guint count, const char *name, guint32 *out) {
  const char *text = value_of(options, count, name);
  *out = G_MAXUINT32;
  return !text || lw_ipt_number(text, G_MAXUINT32, out);
}

static gboolean connmark(LwIptRule *r, const LwIptOption *options, guint count) {
  static const char *const names[] = {"--set-xmark", "--save-mark", "--restore-mark",
                                      "--nfmask",    "--ctmask",    NULL};
  const char *value = value_of(options, count, "--set-xmark");
  guint32 of_packet, of_flow;
  if (!only(options, count, names))
    return FALSE;
  if (value)
    return count == 1 && set_mark(r, value, LW_ACTION_SET_CT_MARK);
  if (!mask_of(options, count, "--nfmask", &of_packet) || !mask_of(options, count, "--ctmask", &of_flow) ||
      of_packet != of_flow)
    return FALSE;
  gboolean save = find(options, count, "--save-mark") != NULL;
  if (!save && !find(options, count, "--restore-mark"))
    return FALSE;
  lw_rule_add_action(r->rule, save ? LW_ACTION_CT_FROM_MARK : LW_ACTION_MARK_FROM_CT)->keep = ~of_packet;
  return TRUE;
}

static gboolean clamp(LwIptRule *r, const LwIptOption *options, guint count) {
  const char *size = value_of(options, count, "--set-mss");
  guint32 number = 0;
  if (count != 1 || (size && !lw_ipt_number(size, 65535, &number)) ||
      (!size && !find(options, count, "--clamp-mss-to-pmtu")))
    return FALSE;
  lw_rule_add_action(r->rule, LW_ACTION_CLAMP_MSS)->number = number;
  return TRUE;
}

/* --- address translation
 * -------------------------------------------------------------------------------------------------- */

static gboolean port_value(const char *text, LwValue *out) {
  return !strchr(text, '/') && lw_ipt_ports(text, out); /* "80-90/100" shifts: not that */
}

/* "1.2.3.4", "1.2.3.4-1.2.3.9:80-90", ":80", "[fd00::1]:80" */
static gboolean target_of(const char *text, LwFamily family, LwValue *to, LwValue *port) {
  const char *colon = family == LW_FAMILY_IP6 ? strstr(text, "]:") : strchr(text, ':');
  if (colon && *colon == ']')
    colon++;
  g_autofree char *addr = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
  if (*addr == '[') {
    gsize length = strlen(addr);
    if (addr[length - 1] != ']')
      return FALSE;
    addr[length - 1] = '\0';
    memmove(addr, addr + 1, length - 1);
  }
  if (colon && !port_value(colon + 1, port))
    return FALSE;
  return *addr ? !strchr(addr, '/') && lw_ipt_address(addr, family, to) : colon != NULL;
}

static gboolean translate(LwIptRule *r, const LwIptOption *options, guint count, LwActionKind kind) {
  static const char *const names[] = {"--to-source",    "--to-destination", "--random",
                                      "--random-fully", "--persistent",     NULL};
  const char *text = value_of(options, count, kind == LW_ACTION_DNAT ? "--to-destination" : "--to-source");
  LwValue to = {0}, port = {0};
  if (!only(options, count, names) || !text || !target_of(text, r->ruleset->family, &to, &port))
    return FALSE;
  LwAction *action = lw_rule_add_action(r->rule, kind);
  action->to = to;
  action->to_port = port;
  return TRUE;
}

static gboolean to_ports(const LwIptOption *options, guint count, LwValue *out) {
  static const char *const names[] = {"--to-ports", "--random", "--random-fully", NULL};
  const char *text = value_of(options, count, "--to-ports");
  return only(options, count, names) && (!text || port_value(text, out));
}

static gboolean masquerade(LwIptRule *r, const LwIptOption *options, guint count) {
  LwValue port = {0};
  if (!to_ports(options, count, &port))
    return FALSE;
  lw_rule_add_action(r->rule, LW_ACTION_MASQUERADE)->to_port = port;
  return TRUE;
}

static gboolean redirect(LwIptRule *r, const LwIptOption *options, guint count) {
  LwValue port = {0};
  if (!to_ports(options, count, &port))
    return FALSE;
  LwAction *action = lw_rule_add_action(r->rule, LW_ACTION_REDIRECT);
  if (lw_value_is_set(&port) && port.first == port.last)
    action->number = port.first;
  else
    action->to_port = port;
  return TRUE;
}

static gboolean conntrack(LwIptRule *r, const LwIptOption *options, guint count) {
  if (count != 1)
    return FALSE;
  if (g_str_equal(options[0].name, "--notrack")) {
    lw_rule_add_action(r->rule, LW_ACTION_NOTRACK);
    return TRUE;
  }
  if (!g_str_equal(options[0].name, "--helper"))
    return FALSE;
  g_ptr_array_add(r->ruleset->unknown, g_strdup_printf("a conntrack helper lets flows in as related: %s",
                                                       options[0].count ? options[0].values[0] : ""));
  note(r, "CT --helper");
  return TRUE;
}

gboolean lw_ipt_target(LwIptRule *r, const char *target, gboolean is_goto, const LwIptOption *options,
                       guint count) {
  static const char *const notes[] = {"CLASSIFY", "DSCP", "TOS", "CHECKSUM", "TRACE", "AUDIT", "LED", NULL};
  if (is_goto || count == 0)
    if (verdict(r, target, is_goto))
      return TRUE;
  if (is_goto)
    return FALSE;
  if (g_str_equal(target, "REJECT"))
    return reject(r, options, count);
  if (g_str_equal(target, "LOG") || g_str_equal(target, "NFLOG"))
    return tell(r, options, count, *target == 'N');
  if (g_str_equal(target, "MARK"))
    return mark(r, options, count);
  if (g_str_equal(target, "CONNMARK"))
    return connmark(r, options, count);
  if (g_str_equal(target, "TCPMSS"))
    return clamp(r, options, count);
  if (g_str_equal(target, "DNAT"))
    return translate(r, options, count, LW_ACTION_DNAT);
  if (g_str_equal(target, "SNAT"))
    return translate(r, options, count, LW_ACTION_SNAT);
  if (g_str_equal(target, "MASQUERADE"))
    return masquerade(r, options, count);
  if (g_str_equal(target, "REDIRECT"))
    return redirect(r, options, count);
  if (g_str_equal(target, "CT"))
    return conntrack(r, options, count);
  if (g_str_equal(target, "NOTRACK") && count == 0) {
    lw_rule_add_action(r->rule, LW_ACTION_NOTRACK);
    return TRUE;
  }
  if (!g_strv_contains(notes, target))
    return FALSE;
  note(r, target);
  return TRUE;
}
