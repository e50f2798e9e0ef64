/* pf rules as OPNsense writes them into /tmp/rules.debug. */
#include "providers/opnsense/pf.h"

#include <string.h>

static void word(GString *out, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void word(GString *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (out->len)
    g_string_append_c(out, ' ');
  g_string_append_vprintf(out, format, args);
  va_end(args);
}

static void curly(GString *out, const char *name, const char *value) {
  if (value && strchr(value, '$'))
    word(out, "%s %s", name, value);
  else if (value)
    word(out, "%s {%s}", name, value);
}

static void protocol(GString *out, const LwPfRule *rule) {
  if (rule->protocol)
    word(out, "proto %s", g_str_equal(rule->protocol, "tcp/udp") ? "{tcp udp}" : rule->protocol);
}

static void interface(GString *out, const LwPfRule *rule) {
  if (rule->device)
    word(out, "on %s%s", rule->device_not ? " ! " : "", rule->device);
}

static void family(GString *out, const LwPfRule *rule) {
  if (rule->family)
    word(out, "%s", rule->family == 6 ? "inet6" : "inet");
}

static void description(GString *out, const LwPfRule *rule) {
  if (!rule->descr || !*rule->descr)
    return;
  g_autofree char *line = g_strdelimit(g_strdup(rule->descr), "\r\n", ' ');
  word(out, "# %s", line);
}

static void tags(GString *out, const LwPfRule *rule) {
  if (rule->tag)
    word(out, "tag %s", rule->tag);
  if (rule->tagged)
    word(out, "tagged %s", rule->tagged);
}

static void filter_text(GString *out, const LwPfRule *rule) {
  word(out, "%s", g_str_equal(rule->action, "reject") ? "block return" : rule->action);
  if (!rule->in || !rule->out)
    word(out, "%s", rule->in ? "in" : "out");
  if (rule->log)
    word(out, "log");
  if (rule->quick)
    word(out, "quick");
  interface(out, rule);
  if (rule->gateway)
    word(out, "route-to %s", rule->gateway->route);
  if (rule->reply)
    word(out, "reply-to %s", rule->reply);
  family(out, rule);
  protocol(out, rule);
  curly(out, "from", rule->from);
  curly(out, "port", rule->from_port);
  curly(out, "to", rule->to);
  curly(out, "port", rule->to_port);
  if (rule->icmp_types)
    word(out, "icmp-type {%s}", rule->icmp_types);
  if (rule->icmp6_types)
    word(out, "icmp6-type {%s}", rule->icmp6_types);
  if (rule->flags)
    word(out, "flags %s", rule->flags);
  if (rule->state)
    word(out, "%s", rule->state);
  tags(out, rule);
  if (rule->allow_options)
    word(out, "allow-opts");
  if (rule->label)
    word(out, "label \"%.63s\"", rule->label);
}

static void rdr_text(GString *out, const LwPfRule *rule) {
  word(out, "%s", rule->negative ? "no rdr" : "rdr");
  if (rule->pass)
    word(out, "pass");
  if (rule->log)
    word(out, "log");
  interface(out, rule);
  family(out, rule);
  protocol(out, rule);
  if (!g_str_equal(rule->from, "any") || rule->forward)
    curly(out, "from", rule->from);
  curly(out, "port", rule->from_port);
  curly(out, "to", rule->to);
  curly(out, "port", rule->to_port);
  tags(out, rule);
  if (rule->target)
    word(out, "-> %s", rule->target);
  if (rule->target_port)
    word(out, "port %s", rule->target_port);
  if (rule->pool)
    word(out, "%s", rule->pool);
}

static void nat_text(GString *out, const LwPfRule *rule) {
  word(out, "%s", rule->negative ? "no nat" : "nat");
  if (rule->log)
    word(out, "log");
  interface(out, rule);
  family(out, rule);
  protocol(out, rule);
  word(out, "from %s", rule->from);
  if (rule->from_port)
    word(out, "port %s", rule->from_port);
  word(out, "to %s", rule->to);
  if (rule->to_port)
    word(out, "port %s", rule->to_port);
  if (rule->target)
    word(out, "-> %s", rule->target);
  if (rule->target_port)
    word(out, "port %s", rule->target_port);
  if (rule->pool)
    word(out, "%s", rule->pool);
  if (rule->static_port)
    word(out, "static-port");
}

char *lw_pf_rule_text(const LwPfRule *rule) {
  g_autoptr(GString) out = g_string_new(rule->disabled ? "#" : NULL);
  if (rule->kind == LW_PF_FILTER)
    filter_text(out, rule);
  else if (rule->kind == LW_PF_RDR)
    rdr_text(out, rule);
  else
    nat_text(out, rule);
  description(out, rule);
  return g_string_free(g_steal_pointer(&out), FALSE);
}

static void append(GString *out, const GPtrArray *rules) {
  for (guint i = 0; i < rules->len; i++) {
    const LwPfRule *rule = rules->pdata[i];
    g_autofree char *line = rule->disabled ? NULL : lw_pf_rule_text(rule);
    if (line)
      g_string_append_printf(out, "%s\n", line);
  }
}

char *lw_pf_text(const LwPf *pf) {
  g_autoptr(GString) out = g_string_new("no nat proto carp all\nno rdr proto carp all\n");
  append(out, pf->translations);
  for (guint i = 0; i < pf->antispoof->len; i++)
    g_string_append_printf(out, "antispoof %sfor %s\n", pf->opn->log_block ? "log " : "",
                           (const char *)pf->antispoof->pdata[i]);
  append(out, pf->filter);
  return g_string_free(g_steal_pointer(&out), FALSE);
}
