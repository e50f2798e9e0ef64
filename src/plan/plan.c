#include "plan/plan.h"

#include <string.h>

typedef enum {
  PHASE_NAMESPACE,
  PHASE_GLOBAL_SYSCTL,
  PHASE_RULES,
  PHASE_DELETE,                        /* less the object's own phase: the last made goes first */
  PHASE_ANNOUNCE = PHASE_DELETE + 100, /* a resolver learns of a machine before its link moves */
  PHASE_LINKS,
  PHASE_ADDRESSING,
  PHASE_DAEMONS,
  PHASE_LEASES,
  PHASE_TUNNELS,
  PHASE_TUNNEL_ADDRESSING,
  PHASE_RESOLVERS,
  PHASE_SERVERS,
  PHASE_CELLS,
  PHASE_DELETE_RULES = PHASE_DELETE + 200,
  PHASE_DELETE_NAMESPACES,
} Phase;

/* Names of links that are tunnels: "NS/NAME". What hangs on them comes after them. */
static void collect_tunnels(const LwResourceSet *set, GHashTable *tunnels) {
  for (guint i = 0; set && i < set->list->len; i++) {
    const LwResource *r = set->list->pdata[i];
    if (r->kind == LW_RES_TUNNEL)
      g_hash_table_add(tunnels, g_strdup_printf("%s/%s", r->ns, r->name));
  }
}

static gboolean hangs_on(GHashTable *tunnels, const char *ns, const char *link) {
  if (!link)
    return FALSE;
  g_autofree char *key = g_strdup_printf("%s/%s", ns, link);
  return g_hash_table_contains(tunnels, key);
}

static gboolean uses_tunnel(GHashTable *tunnels, const LwResource *resolver) {
  for (guint i = 0; i < resolver->upstreams->len; i++)
    if (hangs_on(tunnels, resolver->ns, ((LwUpstream *)resolver->upstreams->pdata[i])->device))
      return TRUE;
  for (guint i = 0; i < resolver->links->len; i++)
    if (hangs_on(tunnels, resolver->ns, resolver->links->pdata[i]))
      return TRUE;
  return FALSE;
}

/* net/ipv4/conf/NAME/… of one interface needs that interface. */
static gboolean is_of_one_link(const LwResource *sysctl) {
  const char *conf = strstr(sysctl->name, "/conf/");
  return conf && !g_str_has_prefix(conf, "/conf/all/") && !g_str_has_prefix(conf, "/conf/default/");
}

static Phase phase_of(const LwResource *r, GHashTable *tunnels) {
  switch (r->kind) {
  case LW_RES_NETNS:
    return PHASE_NAMESPACE;
  case LW_RES_SYSCTL:
    return is_of_one_link(r) ? PHASE_ADDRESSING : PHASE_GLOBAL_SYSCTL;
  case LW_RES_RULESET:
    return PHASE_RULES;
  case LW_RES_LINK:
    return PHASE_LINKS;
  case LW_RES_ADDRESS:
  case LW_RES_ROUTE:
    return hangs_on(tunnels, r->ns, r->link) ? PHASE_TUNNEL_ADDRESSING : PHASE_ADDRESSING;
  case LW_RES_RULE:
    return PHASE_ADDRESSING;
  case LW_RES_RESOLVER:
    return uses_tunnel(tunnels, r) ? PHASE_RESOLVERS : PHASE_DAEMONS;
  case LW_RES_DHCP_CLIENT:
    return PHASE_LEASES;
  case LW_RES_TUNNEL:
    return PHASE_TUNNELS;
  case LW_RES_SERVER:
    return PHASE_SERVERS;
  case LW_RES_CELL:
  case LW_RES_LAST:
    break;
  }
  return PHASE_CELLS;
}

static int phase_of_change(const LwChange *change, GHashTable *tunnels) {
  const LwResource *r = change->to ? change->to : change->from;
  Phase phase = phase_of(r, tunnels);
  if (r->kind == LW_RES_RESOLVER && change->klass == LW_CHANGE_LIVE)
    return PHASE_ANNOUNCE;
  if (change->klass != LW_CHANGE_DELETE)
    return (int)phase;
  if (r->kind == LW_RES_RULESET)
    return PHASE_DELETE_RULES;
  if (r->kind == LW_RES_NETNS)
    return PHASE_DELETE_NAMESPACES;
  return PHASE_DELETE + (PHASE_CELLS - (int)phase);
}

typedef struct {
  LwChange *change;
  int phase;
  guint order;
} Entry;

static int by_phase(gconstpointer a, gconstpointer b) {
  const Entry *x = a, *y = b;
  if (x->phase != y->phase)
    return x->phase < y->phase ? -1 : 1;
  if (x->change->to && y->change->to) {
    int kinds = (int)x->change->to->kind - (int)y->change->to->kind;
    if (kinds)
      return kinds;
  }
  return x->order < y->order ? -1 : x->order > y->order;
}

static void step_free(gpointer data) {
  LwPlanStep *step = data;
  g_ptr_array_unref(step->changes);
  g_free(step);
}

static void group(LwPlan *plan, const GArray *entries) {
  LwPlanStep *step = NULL;
  LwResourceKind last = LW_RES_LAST;
  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index(entries, Entry, i);
    const LwResource *r = entry->change->to ? entry->change->to : entry->change->from;
    if (!step || step->phase != entry->phase || (last != r->kind && entry->phase >= PHASE_DAEMONS)) {
      step = g_new0(LwPlanStep, 1);
      step->phase = entry->phase;
      step->changes = g_ptr_array_new();
      g_ptr_array_add(plan->steps, step);
    }
    last = r->kind;
    g_ptr_array_add(step->changes, entry->change);
    g_ptr_array_add(plan->changes, entry->change);
  }
}

static void consider(GArray *entries, GHashTable *tunnels, LwChange *change) {
  Entry entry = {change, phase_of_change(change, tunnels), entries->len};
  g_array_append_val(entries, entry);
}

static void diff_wanted(const LwResourceSet *wanted, const LwResourceSet *seen, GHashTable *tunnels,
                        GArray *entries) {
  for (guint i = 0; i < wanted->list->len; i++) {
    LwResource *to = wanted->list->pdata[i];
    g_autofree char *key = lw_resource_key(to);
    LwResource *from = lw_resource_set_find(seen, key);
    if (!from)
      consider(entries, tunnels, lw_change_new(LW_CHANGE_CREATE, NULL, to));
    else if (!lw_resource_equal(from, to))
      consider(entries, tunnels, lw_change_new(lw_resource_change_class(from, to), from, to));
  }
}

static void diff_owned(const LwResourceSet *wanted, const LwResourceSet *seen, const LwResourceSet *owned,
                       GHashTable *tunnels, GArray *entries) {
  for (guint i = 0; owned && i < owned->list->len; i++) {
    g_autofree char *key = lw_resource_key(owned->list->pdata[i]);
    LwResource *from = lw_resource_set_find(seen, key);
    if (from && !lw_resource_set_find(wanted, key))
      consider(entries, tunnels, lw_change_new(LW_CHANGE_DELETE, from, NULL));
  }
}

LwPlan *lw_plan_diff(const LwResourceSet *wanted, const LwResourceSet *seen, const LwResourceSet *owned) {
  g_autoptr(GHashTable) tunnels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  collect_tunnels(wanted, tunnels);
  collect_tunnels(owned, tunnels);
  g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
  diff_wanted(wanted, seen, tunnels, entries);
  diff_owned(wanted, seen, owned, tunnels, entries);
  g_array_sort(entries, by_phase);
  LwPlan *plan = g_new0(LwPlan, 1);
  plan->changes = lw_changes_new();
  plan->steps = g_ptr_array_new_with_free_func(step_free);
  group(plan, entries);
  return plan;
}

void lw_plan_free(LwPlan *plan) {
  if (!plan)
    return;
  g_ptr_array_unref(plan->steps);
  g_ptr_array_unref(plan->changes);
  g_free(plan);
}

gboolean lw_plan_is_empty(const LwPlan *plan) {
  return plan->changes->len == 0;
}

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
  g_string_append_printf(text, "  %s%s %s%s", colour ? colour_of(change->klass) : "", sign_of(change->klass),
                         what, colour ? "\033[0m" : "");
  if (change->from && change->to) {
    g_autofree char *difference = lw_resource_difference(change->from, change->to);
    g_string_append_printf(text, " (%s: %s)", lw_change_class_name(change->klass),
                           difference ? difference : "");
  }
  g_string_append_c(text, '\n');
}

char *lw_plan_format(const LwPlan *plan, gboolean colour) {
  GString *text = g_string_new(NULL);
  guint counts[LW_CHANGE_DELETE + 1] = {0};
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    counts[change->klass]++;
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
    }
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  return json_builder_get_root(builder);
}
