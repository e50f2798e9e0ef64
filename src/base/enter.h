/* Going into another process's namespaces, and telling how it went. */
#pragma once

#include <glib.h>

/* What one process tells another over a SOCK_SEQPACKET pair: a GError, or that all is well. */
void lw_tell_error(int fd, const GError *failure);
void lw_tell_ready(int fd);
/* TRUE: ready. FALSE: the error told; or, when the other end closed or said nothing in time, `silent`.
 * timeout_ms -1: for ever. */
gboolean lw_hear(int fd, int timeout_ms, const char *silent, GError **error);

/* The answer to ready: the starter has noted who was started. A process that does not hear it was started by
 * somebody who was killed before that: nobody would ever find it, so it ends itself. */
void lw_tell_noted(int fd);
gboolean lw_hear_noted(int fd);

typedef struct {
  int pidfd;          /* of the process whose namespaces are entered */
  int flags;          /* CLONE_NEW… */
  const char *folder; /* the working folder there; "/" when it does not exist */
  /* Runs in a child that is in all of the namespaces. Returns the exit status; or sets *error, which the
     caller of lw_enter_run() gets. It may exec. */
  int (*body)(gpointer data, GError **error);
  gpointer data;
} LwEntry;

/* Runs the body with our stdin, stdout, stderr and controlling terminal, passing on SIGINT, SIGTERM, SIGQUIT,
 * SIGHUP and SIGUSR1 that somebody sends us. Returns its exit status (128+signal), or -1 and error. It dies
 * with us.
 */
int lw_enter_run(const LwEntry *entry, GError **error);
