#include "engine/engine.h"

#include "engine/state.h"

#include "base/error.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define KEPT_OWNED "owned"
#define KEPT_FACTS "facts"
#define KEPT_UNDER_WAY "under-way"
#define KEPT_BOOT "boot" /* of the last transaction that began */
#define LOCK_POLL_US 5000

struct LwEngine {
  GPtrArray *providers; /* borrowed */
  LwState *state;       /* NULL: read-only and nothing there yet */
  char *boot;           /* nullable */
  int lock;             /* -1: none */
  gboolean locked;
  LwRecovery recovery;
  char *recovered_what;
  guint recovered_steps;
  char *what;               /* nullable: of the next transaction */
  GPtrArray *names, *texts; /* to be kept with its end */
  const volatile sig_atomic_t *cancel;
  LwGuard guard;
  gpointer guard_data;
  LwInjector injector;
  gpointer injector_data;
  const LwResourceSet *taken; /* nullable; borrowed */
};

static LwProvider *provider_for(const LwEngine *engine, LwResourceKind kind) {
  for (guint i = 0; i < engine->providers->len; i++)
    if (lw_provider_handles(engine->providers->pdata[i], kind))
      return engine->providers->pdata[i];
  return NULL;
}

static LwProvider *provider_named(const LwEngine *engine, const char *name) {
  for (guint i = 0; i < engine->providers->len; i++) {
    LwProvider *provider = engine->providers->pdata[i];
    if (g_str_equal(provider->ops->name, name))
      return provider;
  }
  return NULL;
}

/* --- opening
 * ------------------------------------------------------------------------------------------------------ */

static gboolean take_lock(LwEngine *engine, const LwEngineOptions *options, GError **error) {
  engine->lock = open(options->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (engine->lock < 0) {
    lw_error_set_errno(error, "cannot open the lock %s", options->lock_path);
    return FALSE;
  }
  gint64 deadline = g_get_monotonic_time() + (gint64)options->lock_wait_ms * 1000;
  while (flock(engine->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      lw_error_set_errno(error, "cannot lock %s", options->lock_path);
      return FALSE;
    }
    if (g_get_monotonic_time() >= deadline) {
      g_set_error(error, LW_ERROR, LW_ERROR_BUSY,
                  "another lanward is changing this lab (it holds %s): try again when it is done",
                  options->lock_path);
      return FALSE;
    }
    g_usleep(LOCK_POLL_US);
  }
  engine->locked = TRUE;
  lw_command_hold(engine->lock);
  return TRUE;
}

/* Was the machine started again since the transaction began? */
static gboolean has_booted_since(const LwEngine *engine) {
  g_autofree char *began = lw_state_get(engine->state, KEPT_BOOT, NULL);
  return began && engine->boot && !g_str_equal(began, engine->boot);
}

static gboolean note_boot(const LwEngine *engine, GError **error) {
  g_autofree char *known = lw_state_get(engine->state, KEPT_BOOT, NULL);
  return g_strcmp0(known, engine->boot) == 0 || lw_state_set(engine->state, KEPT_BOOT, engine->boot, error);
}

/* Undoes what the journal holds, the last first. Goes on after a failure: the more is undone the better. */
static gboolean undo_journal(LwEngine *engine, GError **error) {
  g_autoptr(GPtrArray) entries = lw_state_journal_read(engine->state, error);
  if (!entries)
    return FALSE;
  gboolean booted = has_booted_since(engine);
  g_autoptr(GError) first = NULL;
  for (guint i = entries->len; i > 0; i--) {
    const LwJournalEntry *entry = entries->pdata[i - 1];
    LwProvider *provider = provider_named(engine, entry->provider);
    if (!provider) {
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                  "the journal holds a step of “%s”, which this lanward does not know: finish it with the "
                  "version that began it",
                  entry->provider);
      return FALSE;
    }
    g_autoptr(GError) local = NULL;
    if (booted && !provider->ops->outlives_boot)
      continue;
    if (!lw_provider_undo(provider, entry->undo, engine->injector, engine->injector_data, &local) && !first)
      first = g_steal_pointer(&local);
  }
  if (first) {
    /* whatever it was: nobody may take it for "there is no lab" */
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "undo is not complete (the journal is kept, the next command tries again): %s",
                first->message);
    return FALSE;
  }
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  g_ptr_array_add(names, (gpointer)LW_ENGINE_UNSETTLED);
  g_ptr_array_add(texts, (gpointer) "undone");
  g_ptr_array_add(names, (gpointer)KEPT_UNDER_WAY);
  g_ptr_array_add(texts, NULL);
  return lw_state_finish(engine->state, names, texts, error);
}

static gboolean recover(LwEngine *engine, GError **error) {
  g_autoptr(GPtrArray) entries = lw_state_journal_read(engine->state, error);
  if (!entries)
    return FALSE;
  if (entries->len == 0)
    return TRUE;
  engine->recovered_what = lw_state_get(engine->state, KEPT_UNDER_WAY, NULL);
  engine->recovered_steps = entries->len;
  if (!undo_journal(engine, error))
    return FALSE;
  engine->recovery = LW_RECOVERY_UNDONE;
  return TRUE;
}

LwEngine *lw_engine_open(const LwEngineOptions *options, GPtrArray *providers, GError **error) {
  g_autoptr(LwEngine) engine = g_new0(LwEngine, 1);
  engine->providers = providers;
  engine->names = g_ptr_array_new_with_free_func(g_free);
  engine->texts = g_ptr_array_new_with_free_func(g_free);
  engine->lock = -1;
  engine->boot = g_strdup(options->boot);
  lw_engine_set_injector(engine, options->injector, options->injector_data);
  if (options->read_only) {
    if (!g_file_test(options->state_path, G_FILE_TEST_EXISTS))
      return g_steal_pointer(&engine);
    engine->state = lw_state_open(options->state_path, TRUE, error);
    return engine->state ? g_steal_pointer(&engine) : NULL;
  }
  if (!take_lock(engine, options, error))
    return NULL;
  engine->state = lw_state_open(options->state_path, FALSE, error);
  if (!engine->state || !recover(engine, error))
    return NULL;
  return g_steal_pointer(&engine);
}

void lw_engine_close(LwEngine *engine) {
  if (!engine)
    return;
  lw_state_close(engine->state);
  if (engine->locked)
    lw_command_hold(-1);
  if (engine->lock >= 0)
    close(engine->lock);
  g_ptr_array_unref(engine->names);
  g_ptr_array_unref(engine->texts);
  g_free(engine->recovered_what);
  g_free(engine->boot);
  g_free(engine->what);
  g_free(engine);
}

LwRecovery lw_engine_recovery(const LwEngine *engine) {
  return engine->recovery;
}

const char *lw_engine_recovered_what(const LwEngine *engine) {
  return engine->recovered_what;
}

guint lw_engine_recovered_steps(const LwEngine *engine) {
  return engine->recovered_steps;
}

void lw_engine_describe(LwEngine *engine, const char *what) {
  g_free(engine->what);
  engine->what = g_strdup(what);
}

static void forget_kept(LwEngine *engine) {
  g_ptr_array_set_size(engine->names, 0);
  g_ptr_array_set_size(engine->texts, 0);
  g_clear_pointer(&engine->what, g_free);
}

void lw_engine_keep(LwEngine *engine, const char *name, const char *text) {
  g_ptr_array_add(engine->names, g_strdup(name));
  g_ptr_array_add(engine->texts, g_strdup(text));
}

void lw_engine_set_cancel(LwEngine *engine, const volatile sig_atomic_t *flag) {
  engine->cancel = flag;
}

void lw_engine_set_injector(LwEngine *engine, LwInjector injector, gpointer data) {
  engine->injector = injector;
  engine->injector_data = data;
}

char *lw_engine_get(LwEngine *engine, const char *name, GError **error) {
  return engine->state ? lw_state_get(engine->state, name, error) : NULL;
}

gboolean lw_engine_set(LwEngine *engine, const char *name, const char *text, GError **error) {
  return lw_state_set(engine->state, name, text, error);
}

void lw_engine_set_guard(LwEngine *engine, LwGuard guard, gpointer data) {
  engine->guard = guard;
  engine->guard_data = data;
}

GPtrArray *lw_engine_names(LwEngine *engine, const char *prefix, GError **error) {
  return engine->state ? lw_state_names(engine->state, prefix, error)
                       : g_ptr_array_new_with_free_func(g_free);
}

/* --- owned resources
 * ------------------------------------------------------------------------------------------------ */

char *lw_resources_to_text(const LwResourceSet *set) {
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
  JsonArray *array = json_array_sized_new(set->list->len);
  for (guint i = 0; i < set->list->len; i++)
    if (!((const LwResource *)set->list->pdata[i])->observed) /* is not ours */
      json_array_add_element(array, lw_resource_to_json(set->list->pdata[i]));
  json_node_take_array(root, array);
  return json_to_string(root, FALSE);
}

LwResourceSet *lw_resources_from_text(const char *text, GError **error) {
  g_autoptr(JsonNode) root = json_from_string(text, error);
  if (!root)
    return NULL;
  g_autoptr(LwResourceSet) set = lw_resource_set_new();
  JsonArray *array = JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    LwResource *resource = lw_resource_from_json(json_array_get_element(array, i), error);
    if (!resource)
      return NULL;
    lw_resource_set_add(set, resource);
  }
  return g_steal_pointer(&set);
}

static LwResourceSet *read_owned(LwEngine *engine, GError **error) {
  g_autoptr(GError) local = NULL;
  g_autofree char *text = lw_engine_get(engine, KEPT_OWNED, &local);
  if (local) {
    g_propagate_error(error, g_steal_pointer(&local));
    return NULL;
  }
  g_autoptr(LwResourceSet) owned = text ? lw_resources_from_text(text, error) : lw_resource_set_new();
  for (guint i = 0; owned && engine->taken && i < engine->taken->list->len; i++) {
    LwResource *resource = engine->taken->list->pdata[i];
    g_autofree char *key = lw_resource_key(resource);
    if (!lw_resource_set_find(owned, key))
      lw_resource_set_add(owned, lw_resource_ref(resource));
  }
  return g_steal_pointer(&owned);
}

LwResourceSet *lw_engine_owned(LwEngine *engine, GError **error) {
  return read_owned(engine, error);
}

gboolean lw_engine_disown(LwEngine *engine, GError **error) {
  return lw_state_set(engine->state, KEPT_OWNED, NULL, error);
}

void lw_engine_take(LwEngine *engine, const LwResourceSet *set) {
  engine->taken = set;
}

/* --- plan and apply
 * -------------------------------------------------------------------------------------------------- */

static gboolean observe(LwEngine *engine, const LwResourceSet *wanted, const LwResourceSet *owned,
                        LwResourceSet *seen, GError **error) {
  for (guint i = 0; i < engine->providers->len; i++)
    if (!lw_provider_observe(engine->providers->pdata[i], wanted, owned, seen, error))
      return FALSE;
  return TRUE;
}

/* The tables of `before` that the plan changes. */
static LwResourceSet *changing_tables(const LwPlan *plan, const LwResourceSet *before) {
  LwResourceSet *tables = lw_resource_set_new();
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    if (!change->from || !change->to || change->to->kind != LW_RES_RULESET)
      continue;
    g_autofree char *key = lw_resource_key(change->to);
    LwResource *table = lw_resource_set_find(before, key);
    if (table)
      lw_resource_set_add(tables, lw_resource_ref(table));
  }
  return tables;
}

static gboolean changes_tables(const LwPlan *plan) {
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    if (change->from && change->to && change->to->kind == LW_RES_RULESET)
      return TRUE;
  }
  return FALSE;
}

/* A table that is not as wanted is looked at once more: is it as the file in force has it? */
static gboolean recognise(LwEngine *engine, const LwPlan *plan, const LwResourceSet *before,
                          LwResourceSet *seen, GError **error) {
  g_autoptr(LwResourceSet) tables = changing_tables(plan, before);
  g_autoptr(LwResourceSet) again = lw_resource_set_new();
  LwProvider *provider = tables->list->len ? provider_for(engine, LW_RES_RULESET) : NULL;
  if (!provider)
    return TRUE;
  if (!lw_provider_observe(provider, tables, NULL, again, error))
    return FALSE;
  for (guint i = 0; i < again->list->len; i++) {
    g_autofree char *key = lw_resource_key(again->list->pdata[i]);
    lw_resource_set_remove(seen, key);
    lw_resource_set_add(seen, lw_resource_ref(again->list->pdata[i]));
  }
  return TRUE;
}

LwPlan *lw_engine_plan_from(LwEngine *engine, const LwResourceSet *wanted, LwBefore before, gpointer data,
                            GError **error) {
  g_autoptr(LwResourceSet) owned = read_owned(engine, error);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  if (!owned || !observe(engine, wanted, owned, seen, error))
    return NULL;
  g_autoptr(LwPlan) plan = lw_plan_diff(wanted, seen, owned);
  if (!before || !changes_tables(plan))
    return g_steal_pointer(&plan);
  GError *inner = NULL;
  g_autoptr(LwResourceSet) in_force = before(data, &inner);
  if (inner) {
    g_propagate_error(error, inner);
    return NULL;
  }
  if (!in_force)
    return g_steal_pointer(&plan);
  if (!recognise(engine, plan, in_force, seen, error))
    return NULL;
  return lw_plan_diff_from(wanted, seen, owned, in_force);
}

LwPlan *lw_engine_plan(LwEngine *engine, const LwResourceSet *wanted, GError **error) {
  return lw_engine_plan_from(engine, wanted, NULL, NULL, error);
}

/* A step's changes by provider: most steps have one. */
static gboolean for_each_batch(LwEngine *engine, const LwPlanStep *step,
                               gboolean (*body)(LwEngine *engine, LwProvider *provider, GPtrArray *changes,
                                                GError **error),
                               GError **error) {
  guint i = 0;
  while (i < step->changes->len) {
    g_autoptr(GPtrArray) batch = g_ptr_array_new();
    LwProvider *provider = NULL;
    for (; i < step->changes->len; i++) {
      LwChange *change = step->changes->pdata[i];
      LwProvider *p = provider_for(engine, (change->to ? change->to : change->from)->kind);
      if (!p) {
        g_autofree char *what = lw_resource_describe(change->to ? change->to : change->from);
        g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "nothing here can make a %s", what);
        return FALSE;
      }
      if (provider && p != provider)
        break;
      provider = p;
      g_ptr_array_add(batch, change);
    }
    if (!body(engine, provider, batch, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean check_batch(LwEngine *engine, LwProvider *provider, GPtrArray *changes, GError **error) {
  (void)engine;
  return lw_provider_check(provider, changes, error);
}

static gboolean undo_sink(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  LwEngine *engine = data;
  return lw_state_journal_append(engine->state, provider->ops->name, undo, error);
}

static gboolean carry_out_batch(LwEngine *engine, LwProvider *provider, GPtrArray *changes, GError **error) {
  return lw_provider_carry_out(provider, changes, undo_sink, engine, engine->injector, engine->injector_data,
                               error);
}

static gboolean undo_after(LwEngine *engine, GError *cause /* transfer full */, GError **error) {
  g_autoptr(GError) trouble = NULL;
  if (undo_journal(engine, &trouble)) {
    g_set_error(error, LW_ERROR, LW_ERROR_ROLLED_BACK, "%s (everything was put back as it was)",
                cause->message);
  } else {
    g_set_error(error, cause->domain, cause->code, "%s; and %s", cause->message, trouble->message);
  }
  g_error_free(cause);
  return FALSE;
}

static gboolean finish(LwEngine *engine, const LwResourceSet *wanted, const LwFacts *facts, GError **error) {
  g_autofree char *owned = lw_resources_to_text(wanted);
  g_autofree char *kept = lw_facts_to_text(facts);
  lw_engine_keep(engine, KEPT_OWNED, owned);
  lw_engine_keep(engine, KEPT_FACTS, kept);
  lw_engine_keep(engine, KEPT_UNDER_WAY, NULL);
  return lw_state_finish(engine->state, engine->names, engine->texts, error);
}

static gboolean is_cancelled(const LwEngine *engine, GError **error) {
  if (!engine->cancel || !*engine->cancel)
    return FALSE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "interrupted");
  return TRUE;
}

static gboolean carry_out(LwEngine *engine, const LwPlan *plan, LwProgress progress, gpointer progress_data,
                          GError **error) {
  for (guint i = 0; i < plan->steps->len; i++) {
    if (progress)
      progress(plan->steps->pdata[i], i, plan->steps->len, progress_data);
    if (is_cancelled(engine, error) || !for_each_batch(engine, plan->steps->pdata[i], carry_out_batch, error))
      return FALSE;
  }
  return TRUE;
}

gboolean lw_engine_guard_allows(LwEngine *engine, const LwPlan *plan, GError **error) {
  for (guint i = 0; engine->guard && i <= plan->steps->len; i++) {
    g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, i);
    if (!engine->guard(plan, i, state, engine->guard_data, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean transact(LwEngine *engine, const LwPlan *plan, const LwResourceSet *wanted,
                         const LwFacts *facts, LwProgress progress, gpointer progress_data, GError **error) {
  for (guint i = 0; i < plan->steps->len; i++)
    if (!for_each_batch(engine, plan->steps->pdata[i], check_batch, error))
      return FALSE;
  if (!lw_engine_guard_allows(engine, plan, error) ||
      (plan->steps->len &&
       (!note_boot(engine, error) || !lw_state_set(engine->state, KEPT_UNDER_WAY, engine->what, error))))
    return FALSE;
  GError *cause = NULL;
  if (!carry_out(engine, plan, progress, progress_data, &cause) || !finish(engine, wanted, facts, &cause))
    return undo_after(engine, cause, error);
  return TRUE;
}

gboolean lw_engine_apply(LwEngine *engine, const LwPlan *plan, const LwResourceSet *wanted,
                         const LwFacts *facts, LwProgress progress, gpointer progress_data, GError **error) {
  gboolean ok = transact(engine, plan, wanted, facts, progress, progress_data, error);
  forget_kept(engine);
  return ok;
}

LwFacts *lw_engine_facts(LwEngine *engine, GError **error) {
  g_autoptr(GError) local = NULL;
  g_autofree char *text = lw_engine_get(engine, KEPT_FACTS, &local);
  if (local) {
    g_propagate_error(error, g_steal_pointer(&local));
    return NULL;
  }
  g_autoptr(LwFacts) facts = lw_facts_new();
  if (text && !lw_facts_from_text(facts, text, error))
    return NULL;
  return g_steal_pointer(&facts);
}
