#include "base/error.h"

#include <errno.h>

G_DEFINE_QUARK(lanward - error, lw_error)

void lw_error_set_errno(GError **error, const char *format, ...) {
  int saved = errno;
  va_list args;
  va_start(args, format);
  g_autofree char *prefix = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(error, LW_ERROR, saved == ENOENT ? LW_ERROR_NOT_FOUND : LW_ERROR_FAILED, "%s: %s", prefix,
              g_strerror(saved));
}
