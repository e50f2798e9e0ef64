/* A plan as text for people and as JSON. */
#include "plan/plan.h"

static const char *sign_of(LwChangeClass klass) {
  switch (klass) {
  case LW_CHANGE_CREATE:
    return "+";
  case LW_CHANGE_DELETE:
    return "-";
  case LW_CHANGE_LIVE:
    return "~";
  case LW_CHANGE_RESTART:
  case LW_CHANGE_REPLACE:
    break;
  }
  return "!";
}

/* An addition is felt as one, however it is carried out. */
static LwChangeClass shown_class(const LwChange *change) {
  return lw_change_is_addition(change) ? LW_CHANGE_CREATE : change->klass;
}

static const char *colour_of(LwChangeClass klass) {
  switch (klass) {
  case LW_CHANGE_CREATE:
    return "\033[32m";
  case LW_CHANGE_DELETE:
    return "\033[31m";
  case LW_CHANGE_LIVE:
    return "\033[36m";
  case LW_CHANGE_RESTART:
  case LW_CHANGE_REPLACE:
    break;
  }
  return "\033[33m";
}

static void format_change(GString *text, const LwChange *change, gboolean colour) {
  g_autofree char *what = lw_resource_describe(change->to ? change->to : change->from);
  LwChangeClass shown = shown_class(change);
  g_string_append_printf(text, "  %s%s %s%s", colour ? colour_of(shown) : "", sign_of(shown), what,
                         colour ? "\033[0m" : "");
  if (change->from && change->to) {
    g_autofree char *difference = lw_resource_difference(change->from, change->to);
    g_string_append_printf(text, " (%s: %s)",
                           shown == change->klass ? lw_change_class_name(shown) : "from its next start on",
                           difference ? difference : "");
  }
  g_string_append_c(text, '\n');
}

char *lw_plan_format_aside(const LwPlan *plan, gboolean colour) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < plan->aside->len; i++)
    format_change(text, plan->aside->pdata[i], colour);
  return g_string_free(text, FALSE);
}

char *lw_plan_format(const LwPlan *plan, gboolean colour) {
  GString *text = g_string_new(NULL);
  guint counts[LW_CHANGE_DELETE + 1] = {0};
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    counts[shown_class(change)]++;
    format_change(text, change, colour);
  }
  g_string_append_printf(text,
                         "%u to create, %u to change live, %u to restart, %u to replace, %u to delete\n",
                         counts[LW_CHANGE_CREATE], counts[LW_CHANGE_LIVE], counts[LW_CHANGE_RESTART],
                         counts[LW_CHANGE_REPLACE], counts[LW_CHANGE_DELETE]);
  return g_string_free(text, FALSE);
}

JsonNode *lw_plan_to_json(const LwPlan *plan) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_array(builder);
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    const LwResource *r = change->to ? change->to : change->from;
    g_autofree char *key = lw_resource_key(r);
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "class");
    json_builder_add_string_value(builder, lw_change_class_name(change->klass));
    json_builder_set_member_name(builder, "kind");
    json_builder_add_string_value(builder, lw_resource_kind_name(r->kind));
    json_builder_set_member_name(builder, "key");
    json_builder_add_string_value(builder, key);
    if (change->from && change->to) {
      g_autofree char *difference = lw_resource_difference(change->from, change->to);
      json_builder_set_member_name(builder, "difference");
      json_builder_add_string_value(builder, difference ? difference : "");
      json_builder_set_member_name(builder, "addition"); /* takes nothing that somebody had set */
      json_builder_add_boolean_value(builder, lw_change_is_addition(change));
    }
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  return json_builder_get_root(builder);
}
