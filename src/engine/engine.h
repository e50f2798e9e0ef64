/* Transactions over all providers.
 *
 * The engine holds the lock, the journal and the state (sqlite, one file), knows the providers only by their
 * interface, and carries a plan out step by step: the undo of a step is durable before the step runs. A step
 * that fails makes it undo all of them, the last first. A transaction that is found unfinished (the process
 * was killed) is undone when the engine is next opened; when the machine was started again since, only by the
 * providers whose things outlive that.
 */
#pragma once

#include "plan/plan.h"
#include "provider/provider.h"
#include "resource/facts.h"

#include <signal.h>

typedef struct LwEngine LwEngine;

typedef struct {
  const char *state_path; /* the sqlite file; its folder exists */
  const char *lock_path;
  guint lock_wait_ms;  /* how long to wait for another lanward; then LW_ERROR_BUSY */
  gboolean read_only;  /* for verbs that only look: takes no lock, recovers nothing */
  const char *boot;    /* nullable: not known; another one each time that the machine is started */
  LwInjector injector; /* nullable; test seam, see lw_engine_set_injector(): of the recovery, too */
  gpointer injector_data;
} LwEngineOptions;

/* What recovery found when the engine was opened. */
typedef enum { LW_RECOVERY_NONE, LW_RECOVERY_UNDONE } LwRecovery;

/* providers: of LwProvider*, borrowed, outlive the engine. */
LwEngine *lw_engine_open(const LwEngineOptions *options, GPtrArray *providers, GError **error);
void lw_engine_close(LwEngine *engine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwEngine, lw_engine_close)

LwRecovery lw_engine_recovery(const LwEngine *engine);
/* What had been under way (lw_engine_describe), and how many of its steps had to be undone. NULL: none was.
 */
const char *lw_engine_recovered_what(const LwEngine *engine);
guint lw_engine_recovered_steps(const LwEngine *engine);

/* What the next transaction is, for whoever finds it unfinished: "apply lab.yaml (begun …)". */
void lw_engine_describe(LwEngine *engine, const char *what);
/* To be set together with the end of the next transaction, and not at all when that fails. text NULL: forget.
 */
void lw_engine_keep(LwEngine *engine, const char *name, const char *text);
/* Asked before each step: once the flag (nullable) is set, the transaction is undone. */
void lw_engine_set_cancel(LwEngine *engine, const volatile sig_atomic_t *flag);
/* Set together with the end of every undo, until somebody forgets it: what an undone transaction let through
 * for a moment may have left something that goes on (flows). */
#define LW_ENGINE_UNSETTLED "unsettled"
void lw_engine_set_injector(LwEngine *engine, LwInjector injector, gpointer data);

/* Text kept under a name ("spec", "facts", "seed" …). NULL without error: nothing there. Transfer full. */
char *lw_engine_get(LwEngine *engine, const char *name, GError **error);
gboolean lw_engine_set(LwEngine *engine, const char *name, const char *text /* nullable: forget */,
                       GError **error);
/* The names kept that begin with prefix, in order. Transfer full. */
GPtrArray *lw_engine_names(LwEngine *engine, const char *prefix, GError **error);

/* What the file in force asks for (transfer full; NULL without error: not known). Called only when a rule
 * table is not as wanted. */
typedef LwResourceSet *(*LwBefore)(gpointer data, GError **error);
LwPlan *lw_engine_plan(LwEngine *engine, const LwResourceSet *wanted, GError **error);
LwPlan *lw_engine_plan_from(LwEngine *engine, const LwResourceSet *wanted, LwBefore before /* nullable */,
                            gpointer data, GError **error);

/* Rule 4.2 of the design, for whoever can prove it: asked of the plan, before anything is touched, for what
 * is there after each number of steps (0: now). FALSE with error set refuses the apply. */
typedef gboolean (*LwGuard)(const LwPlan *plan, guint steps, const LwResourceSet *state, gpointer data,
                            GError **error);
void lw_engine_set_guard(LwEngine *engine, LwGuard guard /* nullable */, gpointer data);
/* Asks the guard of a whole plan, without an apply. */
gboolean lw_engine_guard_allows(LwEngine *engine, const LwPlan *plan, GError **error);

/* What is there by somebody else and is to be ours to delete and to undo from now on (an uplink's address
 * that its bridge takes over): as if it were owned already. set is borrowed, and outlives the engine. */
void lw_engine_take(LwEngine *engine, const LwResourceSet *set);

/* What is owned, taken things among it. Transfer full. */
LwResourceSet *lw_engine_owned(LwEngine *engine, GError **error);

/* Nothing that is there is ours any more. */
gboolean lw_engine_disown(LwEngine *engine, GError **error);

/* A set as JSON, without what is only observed; and back. Transfer full. */
char *lw_resources_to_text(const LwResourceSet *set);
LwResourceSet *lw_resources_from_text(const char *text, GError **error);

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
