#include "cmd/labfile.h"

#include "base/error.h"
#include "base/files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)

gboolean lw_labfile_would_be_right(const LwInvocation *invocation, const char *main, const char *changed,
                                   const char *text) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab =
      lw_spec_load_changed(main, changed, text, lw_target_spec_flags(), secrets, diagnostics);
  return lw_report_lab(invocation, lab, diagnostics);
}

char *lw_labfile_read(const char *path, GError **error) {
  return lw_file_read(path, FILE_MAX, NULL, error);
}

gboolean lw_labfile_write(const char *path, const char *text, GError **error) {
  g_autofree char *whole = realpath(path, NULL);
  struct stat before;
  if (!whole || stat(whole, &before) != 0) {
    lw_error_set_errno(error, "cannot change %s", path);
    return FALSE;
  }
  if (!lw_file_write_atomic(whole, text, strlen(text), before.st_mode & 07777, error))
    return FALSE;
  if (geteuid() != 0 || chown(whole, before.st_uid, before.st_gid) == 0)
    return TRUE;
  lw_error_set_errno(error, "%s is written, but is not its owner's any more", whole);
  return FALSE;
}
