/* Twins as such: down, list, probe. */
#include "cmd/session.h"

#include "twin/twin.h"

static int print_none(const LwInvocation *invocation) {
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_int_member(root, "changes", 0);
    lw_print_json(root);
  } else if (!invocation->quiet) {
    g_print("no lab is applied to this machine: nothing to do\n");
  }
  return LW_EXIT_OK;
}

static int print_down(const LwInvocation *invocation, guint changes) {
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_int_member(root, "changes", changes);
    lw_print_json(root);
  } else if (!invocation->quiet) {
    g_print("the lab is gone, %u changes; this machine is as it was before\n", changes);
  }
  return LW_EXIT_OK;
}

static int down_here(gpointer data) {
  const LwInvocation *invocation = data;
  guint changes = 0;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_begin(invocation, NULL, FALSE, &error);
  LwEnding ending = invocation->force ? LW_ENDING_FORCE : LW_ENDING_ASK;
  if (!session || !lw_session_take_down(session, ending, &changes, &error))
    return error ? lw_fail(error) : print_none(invocation);
  return print_down(invocation, changes);
}

int lw_down_main(const LwInvocation *invocation) {
  g_autoptr(GError) error = NULL;
  if (!lw_target_is_twin())
    return lw_session_enter(invocation, down_here, (gpointer)invocation);
  gboolean was_running = FALSE;
  if (!lw_twin_stop(invocation->name, &was_running, &error))
    return lw_fail(error);
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_string_member(root, "twin", invocation->name);
    json_object_set_boolean_member(root, "was_running", was_running);
    lw_print_json(root);
  } else if (!invocation->quiet) {
    g_print(was_running ? "twin “%s” is gone\n" : "no twin “%s” is running: nothing to do\n",
            invocation->name);
  }
  return LW_EXIT_OK;
}

int lw_list_main(const LwInvocation *invocation) {
  g_autoptr(GPtrArray) twins = lw_twin_list();
  JsonArray *array = json_array_new();
  for (guint i = 0; i < twins->len; i++) {
    const LwTwinInfo *twin = twins->pdata[i];
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "name", twin->name);
    json_object_set_int_member(object, "holder", twin->holder);
    json_array_add_object_element(array, object);
    if (!invocation->json)
      g_print("%s (pid %d)\n", twin->name, (int)twin->holder);
  }
  if (!invocation->json) {
    json_array_unref(array);
    return LW_EXIT_OK;
  }
  JsonObject *root = json_object_new();
  json_object_set_array_member(root, "twins", array);
  lw_print_json(root);
  return LW_EXIT_OK;
}

int lw_probe_main(const LwInvocation *invocation) {
  g_autoptr(GPtrArray) capabilities = lw_twin_probe();
  gboolean ok = TRUE;
  JsonArray *array = json_array_new();
  for (guint i = 0; i < capabilities->len; i++) {
    const LwCapability *c = capabilities->pdata[i];
    ok = ok && (c->ok || !c->needed);
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "what", c->what);
    json_object_set_boolean_member(object, "ok", c->ok);
    json_object_set_boolean_member(object, "needed", c->needed);
    json_object_set_string_member(object, "detail", c->detail ? c->detail : "");
    if (c->remedy)
      json_object_set_string_member(object, "remedy", c->remedy);
    json_array_add_object_element(array, object);
    if (invocation->json || (invocation->quiet && c->ok))
      continue;
    g_print("%-9s %-22s %s\n",
            c->ok       ? "ok"
            : c->needed ? "MISSING"
                        : "optional",
            c->what, c->detail ? c->detail : "");
    if (!c->ok && c->remedy)
      g_print("%-9s %-22s to mend: %s\n", "", "", c->remedy);
  }
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_boolean_member(root, "ok", ok);
    json_object_set_array_member(root, "capabilities", array);
    lw_print_json(root);
  } else {
    json_array_unref(array);
    if (!invocation->quiet)
      g_print(ok ? "this machine can run a twin\n" : "this machine cannot run a twin yet: see above\n");
  }
  return ok ? LW_EXIT_OK : LW_EXIT_ERROR;
}
