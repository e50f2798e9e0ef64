/* What is in force in the lab's namespaces, and the static proof over it: for the verbs that ask it. */
#pragma once

#include "cmd/session.h"
#include "verify/static.h"

typedef struct {
  LwResourceSet *wanted, *seen;
  GPtrArray *drift; /* of char*: what is not as compiled */
  LwMddPool *pool;
  LwStatic *proof; /* NULL until lw_proof_prove() */
} LwProof;

/* Looks at what is in force. Outputs are valid for lw_proof_clear() whatever it returns. */
gboolean lw_proof_look(LwSession *session, LwProof *proof, GError **error);
void lw_proof_prove(const LwSession *session, LwProof *proof);
/* The flows that would open and close (of char*, a line each) when the plan for the session's lab is carried
 * out: what the kernel has now is compared with what it would have then, the run-time state as it is. Empty
 * when nothing is applied yet. */
gboolean lw_proof_difference(LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                             GPtrArray **opens, GPtrArray **closes, GError **error);
/* Where verify's cells are sent from and to, in a lab with the twin's world around it. */
LwVerifyWorld lw_verify_world_of(const LwLab *lab, const LwFacts *facts, const LwTwinWorld *world);
void lw_verify_world_clear(LwVerifyWorld *world);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwVerifyWorld, lw_verify_world_clear)
/* The tunnels lost, one after the other, in a copy of the router (verify/lost.h). */
void lw_proof_lost_tunnels(const LwSession *session, const LwProof *still, LwVerifyReport *report);
/* Prints a report; the exit code that fits it. */
int lw_verify_print(const LwInvocation *invocation, const LwLab *lab, LwVerifyReport *report);
/* The report as JSON; more: a further member by that name, nullable, taken. */
void lw_verify_print_json(const LwVerifyReport *report, const char *name, JsonObject *more);
gboolean lw_verify_save_junit(const LwInvocation *invocation, const LwVerifyReport *report, GError **error);
/* verify --config: by an OPNsense's config.xml, compared with the builtin router. */
int lw_verify_config(const LwInvocation *invocation);

void lw_proof_clear(LwProof *proof);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwProof, lw_proof_clear)
