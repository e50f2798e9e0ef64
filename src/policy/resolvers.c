#include "policy/resolvers.h"

#include "policy/names.h"

static void resolver_plan_free(gpointer data) {
  LwResolverPlan *plan = data;
  g_free(plan->name);
  g_array_unref(plan->upstreams);
  g_free(plan);
}

/* A segment's own dns: goes first; a tunnel's otherwise; nothing means WAN's lease for direct. */
static const GArray *upstreams_of(const LwLab *lab, const LwSegment *segment, guint tunnel) {
  if (segment->dns->len)
    return segment->dns;
  return tunnel == LW_NONE ? NULL : lw_lab_tunnel(lab, tunnel)->wg.dns;
}

/* Two segments that use the same exit and the same upstreams share a resolver. */
static char *resolver_name(const LwLab *lab, const LwSegment *segment, guint tunnel) {
  GString *name = g_string_new("dns-");
  g_string_append(name, tunnel == LW_NONE ? "direct" : lw_lab_tunnel(lab, tunnel)->name);
  for (guint i = 0; i < segment->dns->len; i++) {
    g_autofree char *addr = lw_addr_format(&g_array_index(segment->dns, LwAddr, i));
    g_string_append_printf(name, "-%s", addr);
  }
  return g_string_free(name, FALSE);
}

guint16 lw_resolver_port(const LwLab *lab, LwFacts *facts, guint segment, guint tunnel) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  if (s->egress == LW_EGRESS_NONE)
    return LW_LOCAL_RESOLVER_PORT;
  g_autofree char *name = resolver_name(lab, s, tunnel);
  return (guint16)(LW_LOCAL_RESOLVER_PORT + lw_facts_number(facts, "resolver", name));
}

static void add_plan(const LwLab *lab, LwFacts *facts, GPtrArray *plans, guint segment, guint tunnel) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  g_autofree char *name = resolver_name(lab, s, tunnel);
  for (guint i = 0; i < plans->len; i++)
    if (g_str_equal(((LwResolverPlan *)plans->pdata[i])->name, name))
      return;
  LwResolverPlan *plan = g_new0(LwResolverPlan, 1);
  plan->port = lw_resolver_port(lab, facts, segment, tunnel);
  plan->name = g_steal_pointer(&name);
  plan->tunnel = tunnel;
  plan->upstreams = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  const GArray *upstreams = upstreams_of(lab, s, tunnel);
  if (!upstreams)
    upstreams = facts->wan_resolvers;
  for (guint i = 0; i < upstreams->len; i++)
    if (g_array_index(upstreams, LwAddr, i).family == 4)
      g_array_append_val(plan->upstreams, g_array_index(upstreams, LwAddr, i));
  plan->origin = s->egress_origin;
  g_ptr_array_add(plans, plan);
}

GPtrArray *lw_resolver_plans(const LwLab *lab, LwFacts *facts) {
  GPtrArray *plans = g_ptr_array_new_with_free_func(resolver_plan_free);
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    if (segment->egress == LW_EGRESS_NONE)
      continue;
    if (segment->egress == LW_EGRESS_DIRECT)
      add_plan(lab, facts, plans, i, LW_NONE);
    for (guint e = 0; e < segment->exits->len; e++)
      add_plan(lab, facts, plans, i, g_array_index(segment->exits, guint, e));
    for (guint p = 0; p < segment->pins->len; p++)
      add_plan(lab, facts, plans, i, ((LwPin *)segment->pins->pdata[p])->tunnel);
  }
  return plans;
}
