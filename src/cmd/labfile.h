/* The user's file, changed for them: only when it is right afterwards, and nothing but that one place. */
#pragma once

#include "cmd/cmd.h"

/* Whether the lab of main would be right if the file changed (main itself, or one that it includes) held this
 * text; why not is printed. */
gboolean lw_labfile_would_be_right(const LwInvocation *invocation, const char *main, const char *changed,
                                   const char *text);
/* Its whole text. Transfer full. */
char *lw_labfile_read(const char *path, GError **error);
/* All of it or nothing; a link is followed, mode and owner stay. */
gboolean lw_labfile_write(const char *path, const char *text, GError **error);
