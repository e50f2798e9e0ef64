/* Talking to NetworkManager in a child process.
 *
 * libnm's bus connection has a thread of its own, and lanward forks processes that go on without an exec (the
 * confirm timer, cells): none of these may inherit a bus whose thread is gone. So whatever needs the bus runs
 * in a child, with a main context of its own, and only the answer comes back. It also bounds the time:
 * whoever does not answer is ended. The child holds what we hold (the lock), so a recovery waits for it.
 */
#pragma once

#include <glib.h>

/* Runs in the child. Writes its answer; FALSE and error otherwise. */
typedef gboolean (*LwNmBody)(gpointer data, GString *answer, GError **error);

/* The answer (transfer full), or NULL and error: the body's (its code, when it is one of LW_ERROR), or
 * LW_ERROR_FAILED when there was none within so many seconds. */
char *lw_nm_apart(LwNmBody body, gpointer data, guint seconds, GError **error);
