/* explain 'FROM -> TO [SERVICE]': the way of one packet, and what the file says of it. */
#include "cmd/proof.h"

#include "verify/explain.h"

static int explain_inside(LwSession *session) {
  const LwInvocation *invocation = session->invocation;
  g_autoptr(GError) error = NULL;
  g_auto(LwProof) proof = {0};
  LwExplainQuestion question;
  g_autofree char *text = g_strjoinv(" ", (char **)invocation->args->pdata);
  if (!lw_proof_look(session, &proof, &error))
    return lw_fail(error);
  lw_proof_prove(session, &proof);
  if (!lw_explain_parse(proof.proof, text, &question, &error))
    return lw_fail(error);
  if (invocation->json) {
    g_autoptr(JsonNode) root = lw_explain_to_json(proof.proof, &question);
    g_autofree char *json = json_to_string(root, TRUE);
    g_print("%s\n", json);
    return LW_EXIT_OK;
  }
  gboolean passes;
  g_autofree char *answer = lw_explain(proof.proof, &question, &passes);
  g_print("%s", answer);
  return LW_EXIT_OK;
}

int lw_explain_main(const LwInvocation *invocation) {
  if (!invocation->args->pdata[0])
    return lw_fail_text("explain what? %s explain 'lan10/gaming -> host tcp/445'", lw_target_command());
  return lw_session_run(invocation, TRUE, explain_inside);
}
