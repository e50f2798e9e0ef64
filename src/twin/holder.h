/* Inside of src/twin: the process that is a twin. */
#pragma once

#include "twin/twin.h"

/* What one process tells another over a SOCK_SEQPACKET pair: a GError, or that all is well. */
void lw_tell_error(int fd, const GError *failure);
void lw_tell_ready(int fd);
/* TRUE: ready. FALSE: the error told; or, when the other end closed or stayed silent, `silent`. */
gboolean lw_hear(int fd, int timeout_ms, const char *silent, GError **error);

/* A user namespace of ours, alone in it as uid 0, with the other namespaces of `flags` (CLONE_NEW…). */
gboolean lw_twin_unshare(int flags, GError **error);

/* Called in a fresh child of the starter: makes the namespaces and becomes the parent of the holder. listener
 * is bound and not yet listening. control: where the starter hears, and answers "go" with one byte; when it
 * closes instead, everything goes away. */
void lw_holder_boot(const char *name, int listener, int control, LwTwinRepair repair, gpointer repair_data)
    G_GNUC_NORETURN;
