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

/* "HEAD VALUE", where there is one. */
static void maybe(GString *out, const char *head, const char *value) {
  if (value)
    word(out, "%s %s", head, value);
}

static void flag(GString *out, gboolean set, const char *text) {
  if (set)
    word(out, "%s", text);
}

static void tags(GString *out, const LwPfRule *rule) {
  maybe(out, "tag", rule->tag);
  maybe(out, "tagged", rule->tagged);
}

static void ends(GString *out, const LwPfRule *rule) {
  curly(out, "from", rule->from);
  curly(out, "port", rule->from_port);
  curly(out, "to", rule->to);
  curly(out, "port", rule->to_port);
}

static void target(GString *out, const LwPfRule *rule) {
  maybe(out, "->", rule->target);
  maybe(out, "port", rule->target_port);
  flag(out, rule->pool != NULL, rule->pool);
}

static void filter_text(GString *out, const LwPfRule *rule) {
  word(out, "%s", g_str_equal(rule->action, "reject") ? "block return" : rule->action);
  flag(out, !rule->in || !rule->out, rule->in ? "in" : "out");
  flag(out, rule->log, "log");
  flag(out, rule->quick, "quick");
  interface(out, rule);
  maybe(out, "route-to", rule->gateway ? rule->gateway->route : NULL);
  maybe(out, "reply-to", rule->reply);
  family(out, rule);
  protocol(out, rule);
  ends(out, rule);
  if (rule->icmp_types)
    word(out, "icmp-type {%s}", rule->icmp_types);
  if (rule->icmp6_types)
    word(out, "icmp6-type {%s}", rule->icmp6_types);
  maybe(out, "flags", rule->flags);
  flag(out, rule->state != NULL, rule->state);
  tags(out, rule);
  flag(out, rule->allow_options, "allow-opts");
  if (rule->label)
    word(out, "label \"%.63s\"", rule->label);
}

static void rdr_text(GString *out, const LwPfRule *rule) {
  word(out, "%s", rule->negative ? "no rdr" : "rdr");
  flag(out, rule->pass, "pass");
  flag(out, rule->log, "log");
  interface(out, rule);
  family(out, rule);
  protocol(out, rule);
  LwPfRule shown = *rule; /* "from any" is not said of what OPNsense makes itself */
  if (!rule->forward && g_str_equal(rule->from, "any"))
    shown.from = NULL;
  ends(out, &shown);
  tags(out, rule);
  target(out, rule);
}

static void nat_text(GString *out, const LwPfRule *rule) {
  word(out, "%s", rule->negative ? "no nat" : "nat");
  flag(out, rule->log, "log");
  interface(out, rule);
  family(out, rule);
  protocol(out, rule);
  maybe(out, "from", rule->from);
  maybe(out, "port", rule->from_port);
  maybe(out, "to", rule->to);
  maybe(out, "port", rule->to_port);
  target(out, rule);
  flag(out, rule->static_port, "static-port");
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
