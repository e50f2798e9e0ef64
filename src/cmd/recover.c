/* recover: what every verb does first, alone, for the boot and for people. */
#include "cmd/session.h"

#include "twin/twin.h"

#include <unistd.h>

static int print_recovered(const LwSession *session) {
  const LwInvocation *invocation = session->invocation;
  gboolean undone = lw_engine_recovery(session->engine) == LW_RECOVERY_UNDONE;
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_string_member(root, "outcome", undone ? "undone" : "nothing");
    if (undone) {
      const char *what = lw_engine_recovered_what(session->engine);
      json_object_set_string_member(root, "what", what ? what : "");
      json_object_set_int_member(root, "steps", lw_engine_recovered_steps(session->engine));
    }
    lw_print_json(root);
  } else if (!undone && !invocation->quiet) {
    g_print("nothing was cut short: the lab is as the last change left it\n");
  }
  return LW_EXIT_OK;
}

static int recover_inside(gpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_begin(data, NULL, FALSE, &error);
  return session ? print_recovered(session) : lw_fail(error);
}

static int nothing_here(const LwInvocation *invocation, const char *text) {
  if (!invocation->json) {
    if (!invocation->quiet)
      g_print("%s\n", text);
    return LW_EXIT_OK;
  }
  JsonObject *root = json_object_new();
  json_object_set_string_member(root, "outcome", "nothing");
  lw_print_json(root);
  return LW_EXIT_OK;
}

int lw_recover_main(const LwInvocation *invocation) {
  g_autoptr(GError) error = NULL;
  if (!lw_target_is_twin())
    return lw_session_enter(invocation, recover_inside, (gpointer)invocation);
  pid_t holder = lw_twin_find(invocation->name, &error);
  if (holder < 0)
    return lw_fail(error);
  if (holder == 0)
    return nothing_here(invocation, "nothing to recover: no such twin runs, and its state was with it");
  return lw_session_enter(invocation, recover_inside, (gpointer)invocation);
}
