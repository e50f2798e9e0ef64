/* Rule 4.2 proved for plans: between any two labs nothing passes on the way that neither lets through; and
 * plans in a wrong order are found out. */
#include "compiled.h"
#include "plan/plan.h"
#include "policy/intent_sets.h"
#include "reach/reach.h"
#include "verify/between.h"
#include "verify/static.h"

#include <string.h>

static char *text_of(const char *name) {
  g_autofree char *path = g_strdup_printf("%s/%s.yaml", LW_SOURCE, name);
  char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  return text;
}

static void allow(LwBetween *between, const LwPlan *plan, guint steps, const LwFacts *facts) {
  g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, steps);
  g_autoptr(LwResourceSet) world = lw_static_with_lease(state, facts);
  lw_between_allow(between, world);
}

/* The first hole on the way, with its step. Transfer full. */
static char *first_hole(const LwPlan *plan, const LwFacts *facts) {
  g_autoptr(LwBetween) between = lw_between_new("router");
  allow(between, plan, 0, facts);
  allow(between, plan, plan->steps->len, facts);
  for (guint i = 1; i < plan->steps->len; i++) {
    g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, i);
    g_autoptr(LwResourceSet) world = lw_static_with_lease(state, facts);
    g_autoptr(LwHole) hole = lw_between_check(between, world);
    if (hole) {
      g_autofree char *text = lw_hole_format(hole);
      return g_strdup_printf("step %u of %u: %s", i, plan->steps->len, text);
    }
  }
  return NULL;
}

static void assert_no_hole(const LwResourceSet *from, const Compiled *to, const char *what) {
  g_autoptr(LwPlan) plan = lw_plan_diff(to->wanted, from, from);
  g_autofree char *hole = first_hole(plan, to->facts);
  if (hole)
    g_error("%s: %s", what, hole);
}

static const char *const names[] = {"examples/homelab", "examples/small",       "tests/golden/everything",
                                    "tests/system/lab", "tests/system/storm/a", "tests/system/storm/b"};

static Compiled compile_named(const char *name, const Compiled *after) {
  g_autofree char *path = g_strdup_printf("%s/%s.yaml", LW_SOURCE, name);
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  return compiled_new(lw_spec_load(path, LW_SPEC_TWIN, store, said), after);
}

static void test_from_and_to_nothing(void) {
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_auto(Compiled) lab = compile_named(names[i], NULL);
    assert_no_hole(nothing, &lab, names[i]);
    Compiled gone = {.wanted = nothing, .facts = lab.facts};
    assert_no_hole(lab.wanted, &gone, names[i]);
  }
}

static void test_any_two_labs(void) {
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_auto(Compiled) from = compile_named(names[i], NULL);
    for (guint j = 0; j < G_N_ELEMENTS(names); j++) {
      g_auto(Compiled) to = compile_named(names[j], &from);
      g_autofree char *what = g_strdup_printf("%s to %s", names[i], names[j]);
      assert_no_hole(from.wanted, &to, what);
    }
  }
}

/* What may be changed in homelab's file, each by itself. */
static const char *const edits[][2] = {
    {"dns: [8.8.8.8, 1.1.1.1], egress: direct, allow", "egress: none, allow"},
    {"egress: ovpn", "egress: se"},
    {"egress: ovpn", "egress: direct"},
    {"egress: [se, de, us]", "egress: [us, se, de]"},
    {"pin: {.20-.29: de, .30-.39: us}", "pin: {.20-.25: us}"},
    {"egress: direct, trust: host", "egress: direct"},
    {"egress: none\n", "egress: direct\n"},
    {"host/ping from .0/26, host/samba from .1-.50", "host/samba from .0/26, host/web, lan10"},
    {"subnet: 192.168.50.0/24", "subnet: 192.168.51.0/24"},
    {"gaming:  {segment: lan10}", "gaming:  {segment: lan50}"},
    {"seedbox: {segment: lan20, address: .5}", "seedbox: {segment: lan20, address: .6}"},
    {"{port: tcp+udp/51413, to: seedbox}", "{port: tcp/8443, to: seedbox, to-port: 443}"},
    {"builder: {segment: lan40, address: .10}", "builder: {segment: lan30, address: .25}"},
    {"management:\n    bridge: br-mgmt\n    subnet: 192.168.99.0/24",
     "management:\n    bridge: br-admin\n    subnet: 192.168.99.0/24"},
};

static char *edited(GRand *random) {
  char *text = text_of("examples/homelab");
  for (guint i = 0; i < G_N_ELEMENTS(edits); i++) {
    if (g_rand_int_range(random, 0, 3) == 0)
      continue;
    g_auto(GStrv) parts = g_strsplit(text, edits[i][0], 2);
    g_free(text);
    text = g_strjoinv(g_strv_length(parts) == 2 && g_rand_boolean(random) ? edits[i][1] : edits[i][0], parts);
  }
  return text;
}

static LwLab *random_lab(GRand *random) {
  for (;;) {
    g_autofree char *text = edited(random);
    char *asserts = strstr(text, "\nassert:");
    if (asserts)
      *asserts = '\0';
    LwLab *lab = compiled_parse(text, "edited.yaml");
    if (lab)
      return lab;
  }
}

static void test_edits(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(4);
  g_auto(Compiled) from = compiled_new(random_lab(random), NULL);
  for (guint i = 0; i < 24; i++) {
    Compiled to = compiled_new(random_lab(random), &from);
    g_autofree char *what = g_strdup_printf("edit %u", i);
    assert_no_hole(from.wanted, &to, what);
    compiled_clear(&from);
    from = to;
  }
}

static gboolean is_table(const LwPlanStep *step) {
  const LwChange *change = step->changes->pdata[0];
  return (change->to ? change->to : change->from)->kind == LW_RES_RULESET;
}

/* Without bounds, the tables loaded before the rest. */
static void load_early(LwPlan *plan) {
  gpointer tables = NULL;
  for (guint i = plan->steps->len; i > 0; i--) {
    if (!is_table(plan->steps->pdata[i - 1]))
      continue;
    if (tables)
      g_ptr_array_remove_index(plan->steps, i - 1);
    else
      tables = g_ptr_array_steal_index(plan->steps, i - 1);
  }
  g_assert_nonnull(tables);
  g_ptr_array_insert(plan->steps, 0, tables);
}

static void test_wrong_order(void) {
  g_auto(Compiled) from = compile_named("tests/system/storm/a", NULL);
  g_auto(Compiled) to = compile_named("tests/system/storm/b", &from);
  g_autoptr(LwPlan) plan = lw_plan_diff(to.wanted, from.wanted, from.wanted);
  load_early(plan);
  g_autofree char *hole = first_hole(plan, to.facts);
  g_assert_nonnull(hole);
  g_test_message("%s", hole);
  g_assert_nonnull(strstr(hole, " in chain "));
}

/* Each step taken out of its place and done last: some of these open something, and then it is told where. */
static void test_late_steps(void) {
  g_auto(Compiled) from = compile_named("tests/system/storm/a", NULL);
  g_auto(Compiled) to = compile_named("tests/system/storm/b", &from);
  guint holes = 0, count;
  {
    g_autoptr(LwPlan) plan = lw_plan_diff(to.wanted, from.wanted, from.wanted);
    count = plan->steps->len;
  }
  for (guint i = 0; i + 1 < count; i++) {
    g_autoptr(LwPlan) plan = lw_plan_diff(to.wanted, from.wanted, from.wanted);
    g_ptr_array_add(plan->steps, g_ptr_array_steal_index(plan->steps, i));
    g_autofree char *hole = first_hole(plan, to.facts);
    g_test_message("step %u last: %s", i + 1, hole ? hole : "no hole");
    holes += hole != NULL;
  }
  g_assert_cmpuint(holes, >, 0);
}

/* --- what a run looked at
 * ------------------------------------------------------------------------------------------- */

static const char *const inside[] = {"", "router", NULL};

typedef struct {
  guint at_most, changed;
} Carried;

static LwMdd brought_to(LwMddPool *pool, const GPtrArray *arrivals, const LwArrival *to) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *one = arrivals->pdata[i];
    if (g_strcmp0(one->ns, to->ns) == 0 && g_strcmp0(one->link, to->link) == 0)
      set = lw_mdd_or(pool, set, one->packets);
  }
  return set;
}

static void compare_runs(LwReach *before, LwReach *after, const LwWorlds *worlds, const LwStart *start,
                         LwCtState state, Carried *carried) {
  LwMddPool *pool = lw_reach_pool(before);
  LwMdd packets = lw_intent_opening(pool);
  g_autoptr(LwLooked) looked = lw_looked_new();
  lw_reach_watch(before, looked);
  g_autoptr(GPtrArray) then = lw_reach_from(before, start, packets, state, LW_REACH_MAY);
  lw_reach_watch(before, NULL);
  g_autoptr(GPtrArray) now = lw_reach_from(after, start, packets, state, LW_REACH_MAY);
  gboolean more = FALSE;
  for (guint i = 0; i < now->len; i++)
    more |=
        !lw_mdd_is_subset(pool, ((LwArrival *)now->pdata[i])->packets, brought_to(pool, then, now->pdata[i]));
  if (!lw_looked_at_most(looked, worlds)) {
    carried->changed += more;
    return;
  }
  carried->at_most++;
  if (more)
    g_error("%s/%s brings more than it did, and nothing that it looked at has changed", start->ns,
            start->link ? start->link : "");
}

static void compare_states(const LwResourceSet *one, const LwResourceSet *other, Carried *carried) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  g_autoptr(LwReach) before = lw_reach_new(pool, one, inside);
  g_autoptr(LwReach) after = lw_reach_new(pool, other, inside);
  g_autoptr(LwWorlds) worlds = lw_worlds_compare(before, after);
  const LwStart host = {LW_START_LOCAL, "", NULL};
  compare_runs(before, after, worlds, &host, LW_CT_NEW, carried);
  for (guint i = 0; i < one->list->len; i++) {
    const LwResource *r = one->list->pdata[i];
    if (r->kind != LW_RES_LINK && r->kind != LW_RES_TUNNEL)
      continue;
    const LwStart start = {LW_START_FRAME, r->ns ? r->ns : "", r->name};
    compare_runs(before, after, worlds, &start, LW_CT_NEW, carried);
    compare_runs(before, after, worlds, &start, LW_CT_ESTABLISHED, carried);
  }
}

/* Every state of random plans against the first and the last: where a run is said to bring no more than it
 * did, it does not. */
static void test_at_most(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(11);
  Carried carried = {0};
  g_auto(Compiled) from = compiled_new(random_lab(random), NULL);
  for (guint i = 0; i < 3; i++) {
    Compiled to = compiled_new(random_lab(random), &from);
    g_autoptr(LwPlan) plan = lw_plan_diff(to.wanted, from.wanted, from.wanted);
    g_autoptr(LwResourceSet) first = lw_plan_state_after(plan, 0);
    g_autoptr(LwResourceSet) last = lw_plan_state_after(plan, plan->steps->len);
    for (guint step = 1; step <= plan->steps->len; step++) {
      g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, step);
      compare_states(first, state, &carried);
      compare_states(last, state, &carried);
    }
    compiled_clear(&from);
    from = to;
  }
  g_test_message("%u runs bring no more, %u brought more and were seen to have changed", carried.at_most,
                 carried.changed);
  g_assert_cmpuint(carried.at_most, >, 100);
  g_assert_cmpuint(carried.changed, >, 10);
}

/* The lab with some of its ports off their bridges, as a plan's states have them. */
static LwResourceSet *with_pulled_ports(const LwResourceSet *lab, GRand *random, guint *pulled) {
  LwResourceSet *set = lw_resource_set_new();
  for (guint i = 0; i < lab->list->len; i++) {
    LwResource *resource = lab->list->pdata[i];
    gboolean port = resource->kind == LW_RES_LINK && resource->up && resource->master && *resource->master;
    if (!port || g_rand_boolean(random)) {
      lw_resource_set_add(set, lw_resource_ref(resource));
      continue;
    }
    g_autoptr(JsonNode) json = lw_resource_to_json(resource);
    LwResource *off = lw_resource_from_json(json, NULL);
    g_clear_pointer(&off->master, g_free);
    off->up = off->isolated = FALSE;
    lw_resource_set_add(set, off);
    ++*pulled;
  }
  return set;
}

/* What the guard takes for granted when it leaves states out that differ from the first or the last one by
 * ports that are off their bridges: those let through no more. */
static void test_pulled_ports(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(11);
  guint pulled = 0;
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_auto(Compiled) lab = compile_named(names[i], NULL);
    g_autoptr(LwResourceSet) whole = lw_static_with_lease(lab.wanted, lab.facts);
    g_autoptr(LwBetween) between = lw_between_new("router");
    lw_between_allow(between, whole);
    for (guint round = 0; round < 8; round++) {
      g_autoptr(LwResourceSet) less = with_pulled_ports(whole, random, &pulled);
      g_autoptr(LwHole) hole = lw_between_check(between, less);
      g_autofree char *text = hole ? lw_hole_format(hole) : NULL;
      if (text)
        g_error("%s, ports pulled: %s", names[i], text);
    }
  }
  g_assert_cmpuint(pulled, >, 100);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verify/between/from-and-to-nothing", test_from_and_to_nothing);
  g_test_add_func("/verify/between/any-two-labs", test_any_two_labs);
  g_test_add_func("/verify/between/edits", test_edits);
  g_test_add_func("/verify/between/wrong-order", test_wrong_order);
  g_test_add_func("/verify/between/late-steps", test_late_steps);
  g_test_add_func("/verify/between/at-most", test_at_most);
  g_test_add_func("/verify/between/pulled-ports", test_pulled_ports);
  return g_test_run();
}
