/* Whatever a console prints: nothing is typed but a return and the device's name, each at most once. */
#include "providers/opnsense/console.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(LwConsole) console = lw_console_new("vtbd1", NULL, 0);
  g_autoptr(GString) typed = g_string_new(NULL);
  for (size_t at = 0; at < size; at += 7) {
    g_autofree char *got =
        lw_console_feed(console, (const char *)data + at, MIN(7, size - at), (gint64)at / 50);
    g_string_append(typed, got ? got : "");
  }
  if (!g_str_has_prefix("\nvtbd1\n", typed->str))
    g_error("typed: %s", typed->str);
  g_autoptr(GError) error = NULL;
  if (!lw_console_check(console, &error) && !g_utf8_validate(error->message, -1, NULL))
    g_error("not UTF-8");
  return 0;
}
