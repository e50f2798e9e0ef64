/* An apply that is taken back unless somebody confirms it.
 *
 * What is waited for is a row of the state ("confirm"), written with the end of the transaction: the
 * generation to go back to, how long, and, once the time runs, until when (CLOCK_BOOTTIME, which no clock
 * change moves and which counts suspended time). A process of its own keeps the time; it shares no fate with
 * the command that started it. Should it die as well, whoever opens the state next finds the row: too late is
 * late, but not never. A boot in between is as good as the end of the time. */
#pragma once

#include "cmd/session.h"

typedef struct LwConfirmTimer LwConfirmTimer;

/* Is there something to be confirmed? */
gboolean lw_confirm_is_pending(LwEngine *engine, GError **error);
/* Seconds left (0: none), and what it goes back to; -1: nothing is waited for, or its time does not run yet.
 */
gint64 lw_confirm_left(LwEngine *engine, guint *back_to);

/* Starts the process that keeps the time. It holds still until the timer given is released, or we die. */
LwConfirmTimer *lw_confirm_timer_start(const LwInvocation *invocation, GError **error);
void lw_confirm_timer_release(LwConfirmTimer *timer); /* frees it */
/* To be written with the next transaction: go back to that generation unless confirmed within so long. */
void lw_confirm_keep(LwEngine *engine, guint back_to, guint seconds);
/* With the next transaction: nothing is waited for any more. */
void lw_confirm_forget(LwEngine *engine);

/* Reverts what nobody confirmed in time (telling so on stderr); keeps the time when nobody does. */
gboolean lw_confirm_settle(LwSession *session, GError **error);

/* After the apply that made this generation, its session closed: waits in the foreground until it is
 * confirmed (LW_EXIT_OK), by a key, SIGUSR1 or "lanward confirm", or taken back (LW_EXIT_ROLLED_BACK), by
 * SIGINT, "lanward rollback" or time. */
int lw_confirm_wait(const LwInvocation *invocation, guint generation);
