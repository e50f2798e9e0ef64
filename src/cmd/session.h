/* What every verb that looks at or changes a running lab needs: the lab in force, its facts, the providers
 * and the engine. Lives inside the twin's namespaces. */
#pragma once

#include "cmd/cmd.h"
#include "engine/engine.h"
#include "twin/world.h"

typedef struct {
  const LwInvocation *invocation;
  LwLab *lab;
  LwSecretStore *secrets;
  LwProviderContext context;
  char *self_path;
  GPtrArray *providers;
  LwEngine *engine;
  LwFacts *facts;
  LwTwinWorld *world;
  guint8 seed[32];
} LwSession;

/* lab nullable: then the one in force (LW_ERROR_NOT_FOUND when nothing was applied yet). Takes the lab. */
LwSession *lw_session_open(const LwInvocation *invocation, LwLab *lab,
                           LwSecretStore *loaded_secrets /* nullable */, gboolean read_only, GError **error);
void lw_session_free(LwSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwSession, lw_session_free)

/* What a lab would come to in a twin that does not run yet: everything is new. Transfer full. */
LwPlan *lw_session_plan_from_nothing(LwLab *lab, LwSecretStore *secrets, GError **error);

/* Everything that the lab, the facts and the world imply. */
LwResourceSet *lw_session_wanted(LwSession *session, GError **error);
/* Plans and applies that; *changes (nullable): how many changes it took. */
gboolean lw_session_apply(LwSession *session, guint *changes, GError **error);
/* Waits, at most so long, until the machines that changed have their leases: of use to whoever talks to them
 * next. No error when they do not come in time: the lab is applied all the same. */
void lw_session_wait_leases(const LwSession *session, guint timeout_ms);
/* Makes the session's lab the one in force: kept in the twin, WireGuard files with it. */
gboolean lw_session_keep_spec(LwSession *session, const char *path, GError **error);

/* Runs body with a session inside the twin named by the invocation; the exit code of the verb. */
typedef int (*LwSessionBody)(LwSession *session);
int lw_session_run(const LwInvocation *invocation, gboolean read_only, LwSessionBody body);

/* A machine's index by name, or LW_NONE and error with what there is. */
guint lw_session_machine(const LwSession *session, const char *name, GError **error);
guint lw_session_segment(const LwSession *session, const char *name, GError **error);

/* The providers of this program: the one table that names them. */
GPtrArray *lw_providers_new(const LwProviderContext *context, GError **error);
