/* The engine over an in-memory provider: order, undo at every step, recovery, the lock. */
#include "engine/engine.h"

#include "base/error.h"
#include "base/files.h"

#include <glib/gstdio.h>
#include <string.h>

static const LwResourceKind kinds[] = {LW_RES_NETNS, LW_RES_LINK, LW_RES_ADDRESS, LW_RES_LAST};

typedef struct {
  char *dir, *state, *lock;
  LwResourceSet *world;
  LwProviderContext context;
  GPtrArray *providers;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  (void)data;
  f->dir = g_dir_make_tmp("lanward-engine-XXXXXX", NULL);
  f->state = g_build_filename(f->dir, "state.db", NULL);
  f->lock = g_build_filename(f->dir, "lock", NULL);
  f->context = (LwProviderContext){.run_dir = f->dir, .owner = "lanward:test"};
  f->providers = g_ptr_array_new_with_free_func((GDestroyNotify)lw_provider_free);
  f->world = lw_resource_set_new();
  g_ptr_array_add(f->providers, lw_fake_provider_new(&f->context, kinds, f->world));
}

static void tear_down(Fixture *f, gconstpointer data) {
  (void)data;
  g_ptr_array_unref(f->providers);
  lw_resource_set_free(f->world);
  g_assert_true(lw_tree_remove(f->dir, NULL));
  g_free(f->dir);
  g_free(f->state);
  g_free(f->lock);
}

static LwEngine *open_engine(const Fixture *f, GError **error) {
  LwEngineOptions options = {.state_path = f->state, .lock_path = f->lock, .lock_wait_ms = 20};
  return lw_engine_open(&options, f->providers, error);
}

static void want_bridge(LwResourceSet *set, const char *name, guint8 host) {
  LwResource *bridge = lw_resource_new(LW_RES_LINK, "", name);
  bridge->link_type = LW_LINK_BRIDGE;
  bridge->up = TRUE;
  lw_resource_set_add(set, bridge);
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, "", NULL);
  g_free(address->link);
  address->link = g_strdup(name);
  address->prefix = lw_prefix_make(lw_addr_from_v4(0x0a000000u + host), 24);
  lw_resource_set_add(set, address);
}

static LwResourceSet *lab_a(void) {
  LwResourceSet *set = lw_resource_set_new();
  want_bridge(set, "br1", 1);
  want_bridge(set, "br2", 2);
  return set;
}

static LwResourceSet *lab_b(void) {
  LwResourceSet *set = lw_resource_set_new();
  want_bridge(set, "br2", 3);
  want_bridge(set, "br3", 4);
  lw_resource_set_add(set, lw_resource_new(LW_RES_NETNS, NULL, "router"));
  return set;
}

static int by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *world_text(const Fixture *f) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < f->world->list->len; i++) {
    g_autoptr(JsonNode) node = lw_resource_to_json(f->world->list->pdata[i]);
    g_ptr_array_add(lines, json_to_string(node, FALSE));
  }
  g_ptr_array_sort(lines, by_text);
  g_ptr_array_add(lines, NULL);
  char *text = g_strjoinv("\n", (char **)lines->pdata);
  g_ptr_array_unref(lines);
  return text;
}

static gboolean apply(LwEngine *engine, const LwResourceSet *wanted, GError **error) {
  g_autoptr(LwPlan) plan = lw_engine_plan(engine, wanted, error);
  g_autoptr(LwFacts) facts = lw_facts_new();
  return plan && lw_engine_apply(engine, plan, wanted, facts, NULL, NULL, error);
}

static void test_apply_twice(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  g_assert_no_error(error);
  g_autoptr(LwResourceSet) a = lab_a();
  g_assert_true(apply(engine, a, &error));
  g_autoptr(LwPlan) again = lw_engine_plan(engine, a, &error);
  g_assert_true(lw_plan_is_empty(again));
  g_autoptr(LwResourceSet) b = lab_b();
  g_assert_true(apply(engine, b, &error));
  g_autoptr(LwPlan) rest = lw_engine_plan(engine, b, &error);
  g_assert_true(lw_plan_is_empty(rest));
  g_assert_null(lw_resource_set_find(f->world, "link:/br1"));
}

typedef struct {
  guint countdown;
  gboolean fired;
} Fault;

static gboolean inject(const LwProvider *provider, const char *phase, gpointer data, GError **error) {
  (void)provider;
  Fault *fault = data;
  if (g_str_equal(phase, "undo") || fault->fired || fault->countdown-- > 0)
    return TRUE;
  fault->fired = TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_INJECTED, "injected at %s", phase);
  return FALSE;
}

/* A failure at each phase of each step in turn: the world is as before, and a later apply still works. */
static void test_every_step(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  g_assert_true(apply(engine, a, &error));
  g_autofree char *before = world_text(f);
  guint steps = 0;
  for (;; steps++) {
    Fault fault = {.countdown = steps};
    lw_engine_set_injector(engine, inject, &fault);
    g_autoptr(GError) failure = NULL;
    gboolean ok = apply(engine, b, &failure);
    if (!fault.fired) {
      g_assert_no_error(failure);
      g_assert_true(ok);
      break;
    }
    g_assert_error(failure, LW_ERROR, LW_ERROR_ROLLED_BACK);
    g_autofree char *after = world_text(f);
    g_assert_cmpstr(after, ==, before);
  }
  g_test_message("%u places failed at", steps);
  g_assert_cmpuint(steps, >=, 6);
}

/* The process is killed in the middle: what a later process finds is the journal. */
static void test_recovery(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  g_autofree char *before = NULL;
  {
    g_autoptr(LwEngine) engine = open_engine(f, &error);
    g_assert_true(apply(engine, a, &error));
    before = world_text(f);
  }
  { /* the undo of every step fails too: the journal stays, as after a kill */
    g_autoptr(LwEngine) engine = open_engine(f, &error);
    g_autoptr(LwPlan) plan = lw_engine_plan(engine, b, &error);
    Fault fault = {.countdown = 5};
    lw_engine_set_injector(engine, inject, &fault);
    g_autoptr(LwFacts) facts = lw_facts_new();
    g_autoptr(GError) failure = NULL;
    g_assert_false(lw_engine_apply(engine, plan, b, facts, NULL, NULL, &failure));
  }
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  g_assert_no_error(error);
  g_autofree char *after = world_text(f);
  g_assert_cmpstr(after, ==, before);
}

static LwEngine *open_at_boot(const Fixture *f, const char *boot, GError **error) {
  LwEngineOptions options = {.state_path = f->state, .lock_path = f->lock, .lock_wait_ms = 20, .boot = boot};
  return lw_engine_open(&options, f->providers, error);
}

/* Fails at an apply, and at every undo: the journal stays, with all that was done, as after a kill. */
static gboolean die(const LwProvider *provider, const char *phase, gpointer data, GError **error) {
  (void)provider;
  Fault *fault = data;
  if (!g_str_equal(phase, "undo") && (!g_str_equal(phase, "apply") || fault->countdown-- > 0))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "died at %s", phase);
  return FALSE;
}

/* Half a way from a to b, and the power goes. */
static void cut_short(const Fixture *f, const LwResourceSet *a, const LwResourceSet *b) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_at_boot(f, "first", &error);
  g_assert_no_error(error);
  g_assert_true(apply(engine, a, &error));
  Fault fault = {.countdown = 3};
  lw_engine_set_injector(engine, die, &fault);
  g_assert_false(apply(engine, b, &error));
  g_assert_true(strstr(error->message, "undo is not complete") != NULL);
}

/* The machine was started again meanwhile: what was the kernel's is gone, and is not to be undone. */
static void test_recovery_after_boot(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  cut_short(f, a, b);
  while (f->world->list->len) {
    g_autofree char *key = lw_resource_key(f->world->list->pdata[0]);
    g_assert_true(lw_resource_set_remove(f->world, key));
  }
  g_autoptr(LwEngine) engine = open_at_boot(f, "second", &error);
  g_assert_no_error(error);
  g_assert_cmpint(lw_engine_recovery(engine), ==, LW_RECOVERY_UNDONE);
  g_assert_cmpuint(f->world->list->len, ==, 0);
  g_assert_true(apply(engine, a, &error)); /* as the boot does */
}

/* What is still there after a boot (files of another daemon's) is undone as ever. */
static void test_recovery_of_what_outlives(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  LwProvider *provider = f->providers->pdata[0];
  LwProviderOps ops = *provider->ops;
  ops.outlives_boot = TRUE;
  provider->ops = &ops;
  {
    g_autoptr(LwEngine) engine = open_at_boot(f, "first", &error);
    g_assert_true(apply(engine, a, &error));
  }
  g_autofree char *before = world_text(f);
  cut_short(f, a, b);
  g_autofree char *between = world_text(f);
  g_assert_cmpstr(between, !=, before);
  g_autoptr(LwEngine) engine = open_at_boot(f, "second", &error);
  g_assert_no_error(error);
  g_autofree char *after = world_text(f);
  g_assert_cmpstr(after, ==, before);
  g_clear_pointer(&engine, lw_engine_close);
  lw_provider_free(g_ptr_array_steal_index(f->providers, 0)); /* while its operations are there */
}

typedef struct {
  guint applies, fail_apply; /* the apply that fails, counted from 1 */
  guint undos, fail_undo;    /* 0: none */
} Two;

static gboolean inject_both(const LwProvider *provider, const char *phase, gpointer data, GError **error) {
  (void)provider;
  Two *two = data;
  if ((g_str_equal(phase, "apply") && ++two->applies == two->fail_apply) ||
      (g_str_equal(phase, "undo") && ++two->undos == two->fail_undo)) {
    g_set_error(error, LW_ERROR, LW_ERROR_INJECTED, "injected at %s", phase);
    return FALSE;
  }
  return TRUE;
}

static guint applies_of(Fixture *f, const LwResourceSet *from, const LwResourceSet *to) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  Two two = {0};
  lw_engine_set_injector(engine, inject_both, &two);
  g_assert_true(apply(engine, to, &error));
  lw_engine_set_injector(engine, NULL, NULL);
  g_assert_true(apply(engine, from, &error));
  return two.applies;
}

/* The undo fails as well, at each of its places: the journal is kept, and the next one that opens it gets
 * through, knows what it was and how much of it there was. */
static void test_every_undo(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  {
    g_autoptr(LwEngine) engine = open_engine(f, &error);
    g_assert_true(apply(engine, a, &error));
  }
  guint steps = applies_of(f, a, b);
  g_autofree char *before = world_text(f);
  for (guint place = 1; place <= steps; place++) {
    {
      g_autoptr(LwEngine) engine = open_engine(f, &error);
      g_assert_no_error(error);
      Two two = {.fail_apply = steps, .fail_undo = place};
      lw_engine_set_injector(engine, inject_both, &two);
      lw_engine_describe(engine, "what was tried");
      g_autoptr(GError) failure = NULL;
      g_assert_false(apply(engine, b, &failure));
      g_assert_false(g_error_matches(failure, LW_ERROR, LW_ERROR_ROLLED_BACK));
    }
    g_autoptr(LwEngine) engine = open_engine(f, &error);
    g_assert_no_error(error);
    g_assert_cmpint(lw_engine_recovery(engine), ==, LW_RECOVERY_UNDONE);
    g_assert_cmpstr(lw_engine_recovered_what(engine), ==, "what was tried");
    g_assert_cmpuint(lw_engine_recovered_steps(engine), ==, steps);
    g_autofree char *after = world_text(f);
    g_assert_cmpstr(after, ==, before);
    g_autofree char *unsettled = lw_engine_get(engine, LW_ENGINE_UNSETTLED, &error);
    g_assert_cmpstr(unsettled, ==, "undone");
  }
}

static void raise_flag(const LwPlanStep *step, guint index, guint count, gpointer data) {
  (void)step;
  (void)count;
  if (index == 2)
    *(volatile sig_atomic_t *)data = 1;
}

/* A signal is heeded before the next step, and everything is put back. */
static void test_cancel(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  g_assert_true(apply(engine, a, &error));
  g_autofree char *before = world_text(f);
  volatile sig_atomic_t flag = 0;
  lw_engine_set_cancel(engine, &flag);
  g_autoptr(LwPlan) plan = lw_engine_plan(engine, b, &error);
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_assert_false(lw_engine_apply(engine, plan, b, facts, raise_flag, (gpointer)&flag, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_ROLLED_BACK);
  g_autofree char *after = world_text(f);
  g_assert_cmpstr(after, ==, before);
}

typedef struct {
  guint asked, refuse_at;
} Guarded;

static gboolean guard(const LwPlan *plan, guint steps, const LwResourceSet *state, gpointer data,
                      GError **error) {
  Guarded *guarded = data;
  g_assert_cmpuint(steps, ==, guarded->asked++);
  g_assert_true(steps < plan->steps->len || lw_resource_set_find(state, "link:/br3"));
  if (steps != guarded->refuse_at)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a hole after %u steps", steps);
  return FALSE;
}

/* Asked of every state on the way; one that is refused stops it all before the first step. */
static void test_guard(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  g_assert_true(apply(engine, a, &error));
  g_autofree char *before = world_text(f);
  Guarded guarded = {.refuse_at = 2};
  lw_engine_set_guard(engine, guard, &guarded);
  g_assert_false(apply(engine, b, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_clear_error(&error);
  g_autofree char *after = world_text(f);
  g_assert_cmpstr(after, ==, before);
  guarded = (Guarded){.refuse_at = G_MAXUINT};
  g_assert_true(apply(engine, b, &error));
  g_assert_cmpuint(guarded.asked, >, 3);
}

/* What is to be kept is kept with the end of a transaction, and only then. */
static void test_keep(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  lw_engine_keep(engine, "mine/1", "one");
  g_assert_true(apply(engine, a, &error));
  Fault fault = {.countdown = 3};
  lw_engine_set_injector(engine, inject, &fault);
  lw_engine_keep(engine, "mine/2", "two");
  lw_engine_keep(engine, "mine/1", NULL);
  g_assert_false(apply(engine, b, &error));
  g_clear_error(&error);
  g_assert_true(apply(engine, b, &error)); /* what failed is forgotten, not kept with the next one */
  g_autoptr(GPtrArray) names = lw_engine_names(engine, "mine/", &error);
  g_assert_cmpuint(names->len, ==, 1);
  g_assert_cmpstr(names->pdata[0], ==, "mine/1");
}

static void test_lock(Fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEngine) engine = open_engine(f, &error);
  g_assert_no_error(error);
  g_autoptr(LwEngine) second = open_engine(f, &error);
  g_assert_null(second);
  g_assert_error(error, LW_ERROR, LW_ERROR_BUSY);
}

static void test_facts(void) {
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_assert_cmpuint(lw_facts_number(facts, "exit", "direct"), ==, 1);
  g_assert_cmpuint(lw_facts_number(facts, "exit", "se"), ==, 2);
  g_hash_table_insert(facts->active, g_strdup("lan30"), g_strdup("de"));
  g_hash_table_insert(facts->positions, g_strdup("roamer/0"), g_strdup("lan10"));
  g_hash_table_add(facts->cut, g_strdup("vault"));
  LwAddr addr = lw_addr_from_v4(0xc0a81ec8);
  g_hash_table_insert(facts->leases, g_strdup("roamer/0/lan30"), g_memdup2(&addr, sizeof addr));
  g_autofree char *text = lw_facts_to_text(facts);
  g_autoptr(LwFacts) again = lw_facts_new();
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_facts_from_text(again, text, &error));
  g_autofree char *other = lw_facts_to_text(again);
  g_assert_cmpuint(lw_facts_number(again, "exit", "se"), ==, 2);
  g_assert_cmpuint(strlen(text), ==, strlen(other));
  g_assert_true(g_hash_table_contains(again->cut, "vault"));
  static const char *const damaged[] = {
      "",
      "[]",
      "{}",
      "{\"numbers\":{\"a\":\"x\"}}",
      "{\"numbers\":{\"a\":-1},\"leases\":{},\"active\":{},\"positions\":{},\"cut\":[]}",
  };
  for (guint i = 0; i < G_N_ELEMENTS(damaged); i++) {
    g_autoptr(LwFacts) fresh = lw_facts_new();
    g_assert_false(lw_facts_from_text(fresh, damaged[i], NULL));
  }
}

#define add(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  add("/engine/apply-twice", test_apply_twice);
  add("/engine/failure-at-every-step", test_every_step);
  add("/engine/recovery", test_recovery);
  add("/engine/recovery-after-boot", test_recovery_after_boot);
  add("/engine/recovery-of-what-outlives-a-boot", test_recovery_of_what_outlives);
  add("/engine/failure-in-every-undo", test_every_undo);
  add("/engine/cancel", test_cancel);
  add("/engine/guard", test_guard);
  add("/engine/keep", test_keep);
  add("/engine/lock", test_lock);
  g_test_add_func("/engine/facts", test_facts);
  return g_test_run();
}
