/* Transactions over all providers.
 *
 * The engine holds the lock, the journal and the state (sqlite, one file), knows the providers only by their
 * interface, and carries a plan out step by step: the undo of a step is durable before the step runs. A step
 * that fails makes it undo all of them, the last first. A transaction that is found unfinished (the process
 * was killed) is undone when the engine is next opened.
 */
#pragma once

#include "plan/plan.h"
#include "provider/provider.h"
#include "resource/facts.h"

typedef struct LwEngine LwEngine;

typedef struct {
  const char *state_path; /* the sqlite file; its folder exists */
  const char *lock_path;
  guint lock_wait_ms; /* how long to wait for another lanward; then LW_ERROR_BUSY */
  gboolean read_only; /* for verbs that only look: takes no lock, recovers nothing */
} LwEngineOptions;

/* What recovery found when the engine was opened. */
typedef enum { LW_RECOVERY_NONE, LW_RECOVERY_UNDONE } LwRecovery;

/* providers: of LwProvider*, borrowed, outlive the engine. */
LwEngine *lw_engine_open(const LwEngineOptions *options, GPtrArray *providers, GError **error);
void lw_engine_close(LwEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwEngine, lw_engine_close)

LwRecovery lw_engine_recovery(const LwEngine *engine);
void lw_engine_set_injector(LwEngine *engine, LwInjector injector, gpointer data);

/* Text kept under a name ("spec", "facts", "seed" …). NULL without error: nothing there. Transfer full. */
char *lw_engine_get(LwEngine *engine, const char *name, GError **error);
gboolean lw_engine_set(LwEngine *engine, const char *name, const char *text, GError **error);

LwPlan *lw_engine_plan(LwEngine *engine, const LwResourceSet *wanted, GError **error);

typedef void (*LwProgress)(const LwPlanStep *step, guint index, guint count, gpointer data);

/* Checks all steps (nothing is touched when one is refused), then carries them out and records `wanted` as
 * owned and `facts` as the state, in one go. On failure everything is undone and the error says so. */
gboolean lw_engine_apply(LwEngine *engine, const LwPlan *plan, const LwResourceSet *wanted,
                         const LwFacts *facts, LwProgress progress /* nullable */, gpointer progress_data,
                         GError **error);

/* The facts as kept (numbers, leases, active exits, positions, cuts), or fresh ones. */
LwFacts *lw_engine_facts(LwEngine *engine, GError **error);

/* JSON of what is kept of facts; and back. */
char *lw_facts_to_text(const LwFacts *facts);
gboolean lw_facts_from_text(LwFacts *facts, const char *text, GError **error);
