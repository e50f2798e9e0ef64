/* What happened to a packet, in words. */
#include "verify/static_internal.h"

static const char *host_or(const char *ns) {
  return *ns ? ns : "the host";
}

static LwOrigin origin_of(const LwStep *step) {
  if (step->element && step->element->origin.file)
    return step->element->origin;
  return step->rule ? step->rule->origin : (LwOrigin){0};
}

static char *rule_name(const LwRule *rule) {
  return rule->comment && *rule->comment ? g_strdup(rule->comment) : lw_rule_format(rule);
}

char *lw_static_step_text(const LwStep *step) {
  switch (step->kind) {
  case LW_STEP_RULE: {
    g_autofree char *name = rule_name(step->rule);
    LwOrigin origin = origin_of(step);
    g_autofree char *line = lw_origin_format(&origin);
    return g_strdup_printf("rule “%s” in chain %s of table %s, %s%s%s", name, step->chain->name,
                           step->ruleset->name, host_or(step->ns), origin.file ? ", made of " : "",
                           origin.file ? line : "");
  }
  case LW_STEP_POLICY:
    return g_strdup_printf("no rule in chain %s of table %s, %s: its policy", step->chain->name,
                           step->ruleset->name, host_or(step->ns));
  case LW_STEP_ROUTE:
    if (step->link)
      return g_strdup_printf("routed to %s, %s", step->link, host_or(step->ns));
    return g_strdup_printf("%s, %s", step->text ? step->text : "no route", host_or(step->ns));
  case LW_STEP_STOPPED:
    return g_strdup_printf("%s, %s", step->text ? step->text : "stopped", host_or(step->ns));
  case LW_STEP_ENTERS:
    return g_strdup_printf("comes in by %s, %s", step->link, host_or(step->ns));
  case LW_STEP_LEAVES:
    return g_strdup_printf("leaves by %s, %s", step->link, host_or(step->ns));
  case LW_STEP_DELIVERED:
    return g_strdup_printf("delivered to %s", host_or(step->ns));
  }
  return g_strdup("");
}
