/* What the units run: block (early: the guards of the lab in force, before there is a network) and boot (the
 * lab itself, when the host's own network and libvirt are there). */
#include "cmd/session.h"

#include "base/error.h"
#include "cmd/generations.h"
#include "policy/policy.h"
#include "providers/nft/nft.h"

#define UPLINK_WAIT_MS 30000
#define LOOK_AGAIN_MS 500

static int print_outcome(const LwInvocation *invocation, const char *outcome, const char *text) {
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_string_member(root, "outcome", outcome);
    lw_print_json(root);
  } else if (!invocation->quiet) {
    g_print("%s\n", text);
  }
  return LW_EXIT_OK;
}

static int nothing_applied(const LwInvocation *invocation) {
  return print_outcome(invocation, "nothing", "no lab is applied to this machine: nothing to do");
}

/* --- block
 * ------------------------------------------------------------------------------------------------------------
 */

static LwProvider *provider_of(const LwSession *session, LwResourceKind kind) {
  for (guint i = 0; i < session->providers->len; i++)
    if (lw_provider_handles(session->providers->pdata[i], kind))
      return session->providers->pdata[i];
  return NULL;
}

static void add_guard(LwResourceSet *wanted, const char *name, LwRuleset *rules) {
  LwResource *table = lw_resource_new(LW_RES_RULESET, "", name);
  table->ruleset = rules;
  lw_resource_set_add(wanted, table);
}

/* No transaction: it only closes, and the one that was cut short by the end of the power is boot's to undo,
 * with all that this takes. So there is nothing to keep, either. */
static gboolean keep_nothing(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  (void)provider;
  (void)undo;
  (void)data;
  (void)error;
  return TRUE;
}

static gboolean load_guards(const LwSession *session, guint *count, GError **error) {
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  LwProvider *provider = provider_of(session, LW_RES_RULESET);
  add_guard(wanted, "lanward_guard/inet", lw_policy_guard_host_rules(session->lab, session->facts));
  add_guard(wanted, "lanward_guard/bridge", lw_policy_guard_bridge_rules(session->lab, session->facts));
  if (!lw_provider_observe(provider, wanted, NULL, seen, error))
    return FALSE;
  g_autoptr(LwPlan) plan = lw_plan_diff(wanted, seen, NULL);
  *count = plan->changes->len;
  return plan->changes->len == 0 ||
         lw_provider_carry_out(provider, plan->changes, keep_nothing, NULL, NULL, NULL, error);
}

static int block_here(gpointer data) {
  const LwInvocation *invocation = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_open(invocation, NULL, NULL, TRUE, &error);
  if (!session && g_error_matches(error, LW_ERROR, LW_ERROR_NOT_FOUND))
    return nothing_applied(invocation);
  guint count = 0;
  if (!session || !load_guards(session, &count, &error))
    return lw_fail(error);
  return print_outcome(invocation, count ? "closed" : "already",
                       count ? "closed: nothing of the lab passes this machine but by its router"
                             : "closed already");
}

int lw_block_main(const LwInvocation *invocation) {
  return lw_session_enter(invocation, block_here, (gpointer)invocation);
}

/* --- boot
 * -------------------------------------------------------------------------------------------------------------
 */

/* A card may be found later than we are started. */
static LwSession *open_with_uplink(const LwInvocation *invocation, GError **error) {
  gint64 end = g_get_monotonic_time() + UPLINK_WAIT_MS * 1000;
  for (;;) {
    g_autoptr(LwSession) session = lw_session_open(invocation, NULL, NULL, FALSE, error);
    if (!session || session->host->keeper != LW_UPLINK_MISSING || g_get_monotonic_time() > end)
      return g_steal_pointer(&session);
    g_clear_pointer(&session, lw_session_free);
    g_usleep(LOOK_AGAIN_MS * 1000);
  }
}

static int boot_here(gpointer data) {
  const LwInvocation *invocation = data;
  g_autoptr(GError) error = NULL;
  guint changes = 0;
  gint64 start = g_get_monotonic_time();
  g_autoptr(LwSession) session = open_with_uplink(invocation, &error);
  if (!session && g_error_matches(error, LW_ERROR, LW_ERROR_NOT_FOUND))
    return nothing_applied(invocation);
  if (!session || !lw_session_apply(session, &changes, &error))
    return lw_fail(error);
  g_autofree char *text = g_strdup_printf("%s: up, %u changes in %.2f s", session->lab->name, changes,
                                          (double)(g_get_monotonic_time() - start) / 1e6);
  return print_outcome(invocation, "up", text);
}

int lw_boot_main(const LwInvocation *invocation) {
  return lw_session_enter(invocation, boot_here, (gpointer)invocation);
}
