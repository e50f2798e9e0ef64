/* Something that has threads of its own, done in a child process.
 *
 * GIO's and libnm's connections have threads, and lanward forks processes that go on without an exec (the
 * confirm timer, cells, these children): none of them may inherit a connection whose thread is gone. So
 * whatever needs one runs in a child, with a main context of its own, and only the answer comes back. It also
 * bounds the time: whoever does not answer is ended. The child holds what we hold (the lock), so a recovery
 * waits for it.
 */
#pragma once

#include <glib.h>

/* Runs in the child. Writes its answer; FALSE and error otherwise. */
typedef gboolean (*LwApartBody)(gpointer data, GString *answer, GError **error);

/* The answer (transfer full; it may hold a secret), or NULL and error: the body's (its code, when it is one
 * of LW_ERROR), or LW_ERROR_FAILED when there was none within so many seconds. who: is talked to, for
 * messages. */
char *lw_apart(const char *who, LwApartBody body, gpointer data, guint seconds, GError **error);
