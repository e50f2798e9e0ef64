/* The first boot of an OPNsense image, over its serial console: a machine of states over a stream of bytes.
 * Pure: it is fed what the console says and the time, and says what to type.
 *
 * Experimental: made by what the importer's source prints (opnsense/core, src/sbin/opnsense-importer
 * of 26.7); not tried on a real image.
 *
 * The importer says "Press any key to start the configuration importer: " and a dot a second, for seven; a
 * key pressed, it asks "Select device to import from (e.g. ada0) or leave blank to exit: "; the device named,
 * it says "Restoring config.xml...done.", and the boot goes on into the imported configuration, to "login:".
 * Before that it prints the SHA-256 of its web page's certificate (src/opnsense/scripts/shell/banner.php).
 */
#pragma once

#include <glib.h>

typedef enum {
  LW_CONSOLE_BOOTING,  /* waiting for the importer's offer */
  LW_CONSOLE_OFFERED,  /* a key was pressed; waiting for the question */
  LW_CONSOLE_ANSWERED, /* the device was named; waiting for the boot to end */
  LW_CONSOLE_READY,    /* it asks for a login: the configuration is in force */
  LW_CONSOLE_FAILED,
} LwConsoleState;

typedef struct LwConsole LwConsole;

/* device: "vtbd1". limits: seconds for each of the three waits; 0: 300, 60, 600. now: seconds, any origin. */
LwConsole *lw_console_new(const char *device, const guint limits[3] /* nullable */, gint64 now);
void lw_console_free(LwConsole *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwConsole, lw_console_free)

/* Bytes that the console printed (length 0: time alone went by). Returns what to type, or NULL; transfer
 * full. */
char *lw_console_feed(LwConsole *console, const char *bytes, gsize length, gint64 now);
LwConsoleState lw_console_state(const LwConsole *console);
/* Fails for a reason of the caller's. why: static. Nothing when it is over already. */
void lw_console_give_up(LwConsole *console, const char *why);
/* The certificate that it named, 64 hexadecimal digits; NULL: none yet. Borrowed. */
const char *lw_console_certificate(const LwConsole *console);
/* FAILED: why, and the last lines of the screen, without control characters. Sets *error; FALSE then. */
gboolean lw_console_check(const LwConsole *console, GError **error);
