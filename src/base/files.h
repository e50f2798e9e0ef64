/* Files that are either the old or the new content, never half of it. */
#pragma once

#include <glib.h>

/* Writes to a temporary file beside path, fsyncs it, renames it over path and fsyncs the directory. */
gboolean lw_file_write_atomic(const char *path, const char *data, gsize length, guint mode, GError **error);
/* The whole file (transfer full), NUL-terminated; refuses more than max bytes (LW_ERROR_SPEC). */
char *lw_file_read(const char *path, gsize max, gsize *length /* nullable */, GError **error);
/* Opens a path below another root (a descriptor of it), as seen from inside: links of whoever lives there are
 * followed, and never lead out. root -1: below our own, as openat(2). Close-on-exec; -1 and errno. */
int lw_open_in_root(int root, const char *path, int flags, guint mode);
/* Removes a folder and all in it, without following symbolic links or leaving its file system.
 * A missing folder is success. */
gboolean lw_tree_remove(const char *path, GError **error);
