#include "cmd/hosts.h"

#include "base/error.h"
#include "cmd/session.h"

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
