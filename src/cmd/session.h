/* What every verb that looks at or changes a running lab needs: the lab in force, its facts, the providers
 * and the engine. Lives inside the twin's namespaces, or on the host (target.h). */
#pragma once

#include "cmd/cmd.h"
#include "engine/engine.h"
#include "host/world.h"
#include "twin/world.h"

#define LW_RUN_DIR "/run/lanward"
#define LW_STATE_DIR "/var/lib/lanward" /* of a host; 0700 */

typedef struct LwRouterSeen LwRouterSeen; /* router.h */
typedef struct LwRouterPlan LwRouterPlan;

/* How virtual machines end that lanward made and that go (ending.h). */
typedef enum {
  LW_ENDING_ASK,   /* shut down; one that still runs when its time is over is an error */
  LW_ENDING_FORCE, /* the same, but its plug is pulled then */
  LW_ENDING_NOW,   /* nobody waits: what does not end at once has its plug pulled (a revert) */
} LwEnding;

typedef struct {
  const LwInvocation *invocation;
  LwLab *lab;
  gboolean in_force; /* that lab is the one in force, not one that is to be */
  LwSecretStore *secrets;
  LwProviderContext context;
  char *self_path;
  GPtrArray *providers;
  LwEngine *engine;
  LwFacts *facts;
  LwTwinWorld *world;        /* in a twin */
  LwHostWorld *host;         /* on a host */
  LwResourceSet *taken;      /* on a host: what the uplink had before; NULL: nothing was taken over */
  GPtrArray *unresolved;     /* on a host: of char*, tunnels whose endpoint nobody knows */
  LwProvider *router;        /* on a host: the provider of an OPNsense; borrowed */
  LwRouterSeen *router_seen; /* NULL: the lab's router is the builtin one */
  LwRouterPlan *router_plan; /* by the last lw_session_wanted(); nullable */
  LwResourceSet *to_take;    /* by the last lw_session_plan(): what counts as owned already */
  guint8 seed[32];
  guint flows_ended; /* by the last lw_session_carry_out() */
} LwSession;

/* The engine and the providers, with what an earlier lanward left undone put right (and told on stderr): a
 * transaction that was cut short, flows that should have ended, an apply that nobody confirmed. No lab yet.
 */
LwSession *lw_session_begin(const LwInvocation *invocation, LwSecretStore *loaded_secrets /* nullable */,
                            gboolean read_only, GError **error);
/* The same, with a lab; NULL: the one in force (LW_ERROR_NOT_FOUND when nothing was applied yet). Takes the
 * lab. */
LwSession *lw_session_open(const LwInvocation *invocation, LwLab *lab,
                           LwSecretStore *loaded_secrets /* nullable */, gboolean read_only, GError **error);
void lw_session_free(LwSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwSession, lw_session_free)

/* What a lab would come to in a twin that does not run yet: everything is new. Transfer full. */
LwPlan *lw_session_plan_from_nothing(LwLab *lab, LwSecretStore *secrets, GError **error);

/* Everything that the lab, the facts and the world imply. */
LwResourceSet *lw_session_wanted(LwSession *session, GError **error);
/* What is somebody else's and becomes lanward's to change counts as owned from now on: lw_session_plan() does
 * so by itself. */
void lw_session_take(LwSession *session);
/* What is to be changed to make it so. */
LwPlan *lw_session_plan(LwSession *session, const LwResourceSet *wanted, GError **error);
/* Rule 4.2: FALSE when a state on the way lets through what neither end does. *states: how many were proved.
 */
gboolean lw_session_prove(LwSession *session, const LwPlan *plan, guint *states, GError **error);
/* Carries a plan out, when it is proved, as one transaction, with what was given to lw_engine_keep(); then
 * ends the flows that are denied now (after a failure: those that the lab in force denies). A signal that
 * asks us to end undoes it. */
gboolean lw_session_carry_out(LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                              GError **error);
/* All of these in one; *changes (nullable): how many changes it took. */
gboolean lw_session_apply(LwSession *session, guint *changes, GError **error);
/* Makes the lab of a generation the one in force again, as a new generation. Whatever waits for a
 * confirmation is decided by that. Generation 0, on a host: there is no lab. */
gboolean lw_session_return_to(LwSession *session, guint generation, const char *why, GError **error);
/* Waits, at most so long, until the machines that changed have their leases: of use to whoever talks to them
 * next. No error when they do not come in time: the lab is applied all the same. */
void lw_session_wait_leases(const LwSession *session, guint timeout_ms);
/* On a host: takes the lab away, and gives back what it took over; before that, machines that it made are
 * ended. */
gboolean lw_session_take_down(LwSession *session, LwEnding how, guint *changes, GError **error);
/* Runs body where the target is (inside the twin named by the invocation, or here), without a session; the
 * exit code of the verb. */
int lw_session_enter(const LwInvocation *invocation, int (*body)(gpointer data), gpointer data);
/* The same with a session. */
typedef int (*LwSessionBody)(LwSession *session);
int lw_session_run(const LwInvocation *invocation, gboolean read_only, LwSessionBody body);

/* A machine's index by name, or LW_NONE and error with what there is. */
guint lw_session_machine(const LwSession *session, const char *name, GError **error);
guint lw_session_segment(const LwSession *session, const char *name, GError **error);

/* The providers of this program: the one table that names them. */
GPtrArray *lw_providers_new(const LwProviderContext *context, GError **error);
/* Test seam: hands every engine that is opened from now on an injector (provider.h). The program never calls
 * it. */
void lw_session_set_injector(LwInjector injector, gpointer data);
/* The same: puts the steps of every plan from now on into another order. */
void lw_session_set_disorder(void (*disorder)(LwPlan *plan));
