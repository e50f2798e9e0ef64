/* The static proof at 10, 100 and 1,000 segments with 10,000 rules: following all pairs, the file's own sets,
 * the whole proof that compares the two (and with each segment followed by itself), a recheck after one rule
 * has changed, the guard of a plan that moves one machine, and memory.
 *
 * A rule here is a line that opens something: an element of the maps that the policy compiles to. The lab
 * comes from a file as a user would write it, so that the rules have the shape of real ones.
 *
 *   reach [--most N | --only N]
 */
#include "engine/engine.h"
#include "plan/plan.h"
#include "policy/policy.h"
#include "spec/spec.h"
#include "verify/between.h"
#include "verify/static.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RULES 10000u

/* moved: where the one machine is. */
static char *lab_text(guint segments, guint moved) {
  guint lines = RULES / segments;
  GString *text = g_string_new("lab: bench\nhost:\n  uplink: eth0\n  services: {ping: icmp}\n"
                               "tunnels: {se: missing/se.conf}\nsegments:\n");
  for (guint i = 0; i < segments; i++) {
    g_string_append_printf(text,
                           "  s%u: {subnet: 10.%u.%u.0/24, dhcp: .200-.240, egress: %s, allow: [host/ping", i,
                           1 + i / 250, i % 250, i % 2 ? "direct" : "se");
    for (guint line = 1; line < lines; line++) {
      guint to = (i + line * 7) % segments;
      if (line % 3 == 0 && to != i)
        g_string_append_printf(text, ", \"s%u:tcp/%u\"", to, 1000 + line);
      else
        g_string_append_printf(text, ", \"host:tcp/%u from .%u\"", 2000 + line * 3, 2 + line % 200);
    }
    g_string_append(text, "]}\n");
  }
  g_string_append_printf(text, "machines:\n  mover: {segment: s%u}\n", moved);
  return g_string_free(text, FALSE);
}

typedef struct {
  LwLab *lab;
  LwFacts *facts;
  LwResourceSet *wanted;
} Compiled;

static void compiled_clear(Compiled *c) {
  lw_resource_set_free(c->wanted);
  lw_facts_free(c->facts);
  lw_lab_free(c->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Compiled, compiled_clear)

/* before: nullable; the lab that is in force, whose numbers are kept. */
static Compiled compile(const char *text, const Compiled *before) {
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  g_autoptr(GError) error = NULL;
  Compiled c = {.facts = lw_facts_new(), .wanted = lw_resource_set_new()};
  c.lab = lw_spec_parse(text, strlen(text), "bench.yaml", NULL, LW_SPEC_TWIN, store, said);
  if (!c.lab) {
    g_autofree char *line = lw_diagnostic_format(said->pdata[0], FALSE);
    g_error("%s", line);
  }
  if (before) {
    g_autofree char *kept = lw_facts_to_text(before->facts);
    (void)lw_facts_from_text(c.facts, kept, NULL);
  }
  c.facts->cells_stand_in = TRUE;
  (void)lw_prefix_parse("192.168.178.0/24", &c.facts->home_lan);
  if (!lw_policy_assign(c.lab, c.facts, &error) || !lw_policy_compile(c.lab, c.facts, c.wanted, &error))
    g_error("%s", error->message);
  return c;
}

/* Time of the processor, not of the wall: it is the same on a machine that does other things. */
static gint64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (gint64)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static double ms_since(gint64 start) {
  return (double)(now() - start) / 1000;
}

static LwStart leg(const LwLab *lab, guint segment) {
  return (LwStart){LW_START_FRAME, "router", lw_lab_segment(lab, segment)->name};
}

/* Of the first few all is kept, for the others; as the proof does it. */
#define KEPT 4

/* Every segment to everywhere; the arrivals are counted so that nothing is left out. */
static guint all_pairs(LwReach *reach, const LwLab *lab, LwMdd opening) {
  guint arrivals = 0;
  for (guint i = 0; i < lab->segments->len; i++) {
    LwStart start = leg(lab, i);
    if (i >= KEPT)
      lw_reach_scratch_begin(reach);
    {
      g_autoptr(GPtrArray) found = lw_reach_from(reach, &start, opening, LW_CT_NEW, LW_REACH_MAY);
      arrivals += found->len;
    }
    if (i >= KEPT)
      lw_reach_scratch_end(reach, NULL, 0);
  }
  return arrivals;
}

static LwRuleset *router_rules(const LwResourceSet *world) {
  for (guint i = 0; i < world->list->len; i++) {
    const LwResource *r = world->list->pdata[i];
    if (r->kind == LW_RES_RULESET && g_strcmp0(r->ns, "router") == 0)
      return r->ruleset;
  }
  return NULL;
}

/* One element more: what it can be about is followed again, from the one segment that it names. */
static double recheck_ms(LwReach *reach, const LwLab *lab, const LwResourceSet *world, LwMdd opening) {
  double best = G_MAXDOUBLE;
  for (guint round = 0; round < 5; round++) {
    LwRuleset *rules = router_rules(world);
    LwSet *set = lw_ruleset_find_set(rules, "allowed");
    LwAddr from = lw_addr_add(&lw_lab_segment(lab, 3)->router, 10 + round);
    LwElement *element = lw_set_append(set, (LwOrigin){0});
    LwValue key[] = {lw_value_name(lw_lab_segment(lab, 3)->name), lw_value_addr(from),
                     lw_value_addr(lab->host.management.address), lw_value_number(6), lw_value_number(9)};
    g_array_append_vals(element->key, key, G_N_ELEMENTS(key));
    gint64 start = now();
    lw_reach_element_changed(reach, rules, set, element, TRUE);
    LwStart again = leg(lab, 3);
    LwMdd scope = lw_mdd_and(lw_reach_pool(reach), opening, lw_reach_element_scope(reach, set, element));
    g_autoptr(GPtrArray) found = lw_reach_from(reach, &again, scope, LW_CT_NEW, LW_REACH_MAY);
    best = MIN(best, ms_since(start));
  }
  return best;
}

/* What the file says of every segment, alone. */
static double file_ms(const Compiled *c, LwMddPool *pool) {
  const LwIntentOutside outside = {0};
  gint64 start = now();
  LwIntentBasis basis = lw_intent_basis(pool, c->lab, c->facts, &outside);
  for (guint i = 0; i < c->lab->segments->len; i++) {
    const LwZone zone = {LW_ZONE_SEGMENT, i};
    if (i >= KEPT)
      lw_mdd_scratch_begin(pool);
    g_ptr_array_unref(lw_intent_sets(pool, c->lab, c->facts, &basis, &zone));
    if (i >= KEPT)
      lw_mdd_scratch_end(pool, NULL, 0);
  }
  return ms_since(start);
}

/* A plan that moves a machine: every state of it proved, as an apply does it. */
static double guard_ms(const Compiled *from, guint *states) {
  guint segments = from->lab->segments->len;
  g_autofree char *text = lab_text(segments, 2);
  g_auto(Compiled) to = compile(text, from);
  g_autoptr(LwPlan) plan = lw_plan_diff(to.wanted, from->wanted, from->wanted);
  g_autoptr(LwBetween) between = lw_between_new("router");
  *states = plan->steps->len + 1;
  gint64 start = now();
  for (guint i = 0; i < *states; i++) {
    guint steps = i == 0 ? 0 : i == 1 ? plan->steps->len : i - 1;
    g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, steps);
    g_autoptr(LwResourceSet) world = lw_static_with_lease(state, to.facts);
    if (i < 2) {
      lw_between_allow(between, world);
      continue;
    }
    g_autoptr(LwHole) hole = lw_between_check(between, world);
    g_assert_null(hole);
  }
  return ms_since(start);
}

static void measure(guint segments) {
  g_autofree char *text = lab_text(segments, 1);
  g_auto(Compiled) c = compile(text, NULL);
  g_autoptr(LwResourceSet) world = lw_static_with_lease(c.wanted, c.facts);
  const char *inside[] = {"", "router", NULL};
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd opening = lw_intent_opening(pool);
  gint64 start = now();
  g_autoptr(LwReach) reach = lw_reach_new(pool, world, inside);
  double index_ms = ms_since(start);
  start = now();
  guint arrivals = all_pairs(reach, c.lab, opening);
  double pairs_ms = ms_since(start);
  gsize pairs_bytes = lw_mdd_pool_bytes(pool);
  g_autoptr(LwMddPool) third = lw_mdd_pool_new();
  double alone_ms = file_ms(&c, third);
  g_autoptr(LwMddPool) other = lw_mdd_pool_new();
  start = now();
  g_autoptr(LwStatic) proof = lw_static_prove(other, c.lab, c.facts, world);
  double proof_ms = ms_since(start);
  g_autoptr(LwMddPool) fourth = lw_mdd_pool_new();
  start = now();
  lw_static_free(lw_static_prove_each(fourth, c.lab, c.facts, world));
  double each_ms = ms_since(start);
  double again_ms = recheck_ms(reach, c.lab, world, opening);
  guint states;
  double states_ms = guard_ms(&c, &states);
  printf("%5u segments, %u rules: index %.1f ms, all pairs %.1f ms (%u arrivals, %.1f MB), the file's sets "
         "%.1f ms, "
         "whole proof %.1f ms (%.1f MB, %u violations; each segment by itself: %.1f ms), recheck of one rule "
         "%.3f ms, guard of %u states %.1f "
         "ms\n",
         segments, lw_ruleset_find_set(router_rules(world), "allowed")->elements->len, index_ms, pairs_ms,
         arrivals, (double)pairs_bytes / 1e6, alone_ms, proof_ms, (double)lw_mdd_pool_bytes(other) / 1e6,
         proof->violations->len, each_ms, again_ms, states, states_ms);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc == 3 && g_str_equal(argv[1], "--only")) {
    measure((guint)strtoul(argv[2], NULL, 10));
    return 0;
  }
  guint most = argc == 3 && g_str_equal(argv[1], "--most") ? (guint)strtoul(argv[2], NULL, 10) : 1000;
  for (guint segments = 10; segments <= most; segments *= 10)
    measure(segments);
  return 0;
}
