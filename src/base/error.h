/* One error domain for what lanward itself refuses or fails at; G_IO_ERROR and friends pass through.
 * A message says what, where and what to do, and never holds a secret. See docs/errors.md. */
#pragma once

#include <glib.h>

#define LW_ERROR (lw_error_quark())
GQuark lw_error_quark(void);

typedef enum {
  LW_ERROR_SPEC,        /* the file is wrong: nothing was touched */
  LW_ERROR_USAGE,       /* the command line is wrong */
  LW_ERROR_UNSUPPORTED, /* this machine lacks something; the message names it and the remedy */
  LW_ERROR_CONFLICT,    /* an object that is not ours is in the way */
  LW_ERROR_BUSY,        /* another lanward holds the lock */
  LW_ERROR_FAILED,      /* something could not be done */
  LW_ERROR_ROLLED_BACK, /* a step failed, and everything was put back */
  LW_ERROR_NOT_FOUND,   /* no such machine, segment, twin … */
  LW_ERROR_INJECTED,    /* a test asked for this failure */
} LwErrorCode;

/* Sets *error from errno: "PREFIX: strerror". errno is read on entry. */
void lw_error_set_errno(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
