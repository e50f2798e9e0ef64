#include "cmd/hosts.h"

#include "base/error.h"
#include "base/files.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of an earlier lanward, or of the unit's, may be open to more than root. */
static gboolean own_folder(const char *path, GError **error) {
  if (g_mkdir_with_parents(path, 0700) == 0 && chmod(path, 0700) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make %s", path);
  return FALSE;
}

gboolean lw_host_enter(const LwInvocation *invocation, GError **error) {
  if (geteuid() != 0) {
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE,
                "“lanward %s” is about this machine itself and needs root: sudo lanward %s …; to try a file "
                "without: lanward twin apply FILE",
                invocation->verb, invocation->verb);
    return FALSE;
  }
  return own_folder(LW_RUN_DIR, error) && own_folder(LW_STATE_DIR, error);
}

/* Can it cut off the person who typed it? */
gboolean lw_host_changes_uplink(const LwSession *session, const LwPlan *plan) {
  const LwHost *host = &session->lab->host;
  for (guint i = 0; session->host && i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    const LwResource *r = change->to ? change->to : change->from;
    const char *name = r->kind == LW_RES_LINK ? r->name : r->link;
    if ((!r->ns || !*r->ns) && name &&
        (g_strcmp0(name, session->host->uplink) == 0 || g_str_equal(name, host->bridge)))
      return TRUE;
  }
  return FALSE;
}

static gboolean changes_router(const LwSession *session, const LwPlan *plan) {
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    const LwResource *r = change->to ? change->to : change->from;
    if (r->kind == LW_RES_ROUTER_ITEM)
      return TRUE;
    if (g_strcmp0(r->kind == LW_RES_NETNS ? r->name : r->ns, session->facts->router_ns) == 0)
      return TRUE;
  }
  return FALSE;
}

static void tell(const LwSession *session, const LwPlan *plan, guint seconds) {
  const LwHostWorld *host = session->host;
  if (lw_host_changes_uplink(session, plan) && host->uplink)
    g_print("felt: %s becomes a port of %s, with the same MAC and address; this machine's network pauses for "
            "less "
            "than a second%s\n",
            host->uplink, session->lab->host.bridge,
            host->keeper == LW_UPLINK_NOBODY
                ? "; by the kernel alone, so until the next boot, when lanward.service "
                  "does it again"
                : "");
  g_print(
      "felt: guests restarted: 0; left as they are: tables, bridges and domains that are not lanward's\n");
  if (seconds)
    g_print("felt: everything is taken back after %u s unless confirmed\n", seconds);
  g_print("a way back without lanward, as root: sh %s\n", LW_RESCUE_FILE);
}

gboolean lw_host_prepare_rescue(const LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                                guint seconds, GError **error) {
  if (!session->host || lw_plan_is_empty(plan))
    return TRUE;
  g_autofree char *script =
      lw_host_rescue_script(session->host, session->lab, wanted, session->context.run_dir);
  if (!lw_file_write_atomic(LW_RESCUE_FILE, script, strlen(script), 0700, error))
    return FALSE;
  gboolean felt = lw_host_changes_uplink(session, plan) || changes_router(session, plan);
  if (felt && !session->invocation->quiet && !session->invocation->json)
    tell(session, plan, seconds);
  return TRUE;
}
