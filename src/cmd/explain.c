/* explain 'FROM -> TO [SERVICE]': the way of one packet, and what the file says of it. */
#include "cmd/advice.h"
#include "cmd/proof.h"

#include "verify/explain.h"

/* Places in the file without its folder: whoever asks knows which lab it is. Transfer full. */
static char *without_folder(const LwSession *session, const char *text) {
  const LwOrigin *origin = &session->lab->host.management.origin;
  g_autofree char *folder = origin->file ? g_path_get_dirname(origin->file) : NULL;
  g_autofree char *prefix = folder ? g_strconcat(folder, "/", NULL) : NULL;
  g_autoptr(GString) out = g_string_new(text);
  if (prefix && !g_str_equal(prefix, "./"))
    g_string_replace(out, prefix, "", 0);
  return g_string_free(g_steal_pointer(&out), FALSE);
}

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
  LwFlowAnswer answer;
  gboolean passes;
  lw_intent_answer(session->lab, session->facts, &question.question, &answer);
  g_autofree char *whole = lw_explain_verdict(proof.proof, &question, &answer, &passes);
  g_autofree char *verdict = without_folder(session, whole);
  g_autofree char *advice = answer.allow == passes ? lw_advice(session, &question, &answer) : g_strdup("");
  if (invocation->json) {
    g_autoptr(JsonNode) root = lw_explain_to_json(proof.proof, &question, &answer, advice);
    g_autofree char *json = json_to_string(root, TRUE);
    g_print("%s\n", json);
  } else {
    g_autofree char *hops = lw_explain_way(proof.proof, &question), *way = without_folder(session, hops);
    g_print("%s%s%s\n%s", verdict, *advice ? "\n" : "", advice, way);
  }
  lw_flow_answer_clear(&answer);
  return LW_EXIT_OK;
}

int lw_explain_main(const LwInvocation *invocation) {
  if (!invocation->args->pdata[0])
    return lw_fail_text("explain what? %s explain 'lan10/gaming -> host tcp/445'", lw_target_command());
  return lw_session_run(invocation, TRUE, explain_inside);
}
