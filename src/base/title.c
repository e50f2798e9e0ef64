#include "base/title.h"

#include <glib.h>
#include <string.h>
#include <sys/prctl.h>

/* Fields of /proc/PID/stat, counted from the one after the name (field 3): proc(5). */
#define ARG_START (48 - 3)
#define ARG_END (49 - 3)

void lw_process_set_title(const char *title) {
  g_autofree char *stat = NULL;
  prctl(PR_SET_NAME, title); /* its first 15 bytes */
  if (!g_file_get_contents("/proc/self/stat", &stat, NULL, NULL) || !strrchr(stat, ')'))
    return; /* only a name: nothing depends on it */
  g_auto(GStrv) fields = g_strsplit(strrchr(stat, ')') + 2, " ", -1);
  if (g_strv_length(fields) <= ARG_END)
    return;
  char *start = GSIZE_TO_POINTER(g_ascii_strtoull(fields[ARG_START], NULL, 10));
  char *end = GSIZE_TO_POINTER(g_ascii_strtoull(fields[ARG_END], NULL, 10));
  if (!start || end <= start)
    return;
  memset(start, 0, (gsize)(end - start));
  g_strlcpy(start, title, (gsize)(end - start));
}
