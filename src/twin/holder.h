/* Inside of src/twin: the process that is a twin. */
#pragma once

#include "twin/twin.h"

/* A user namespace of ours, alone in it as uid 0, with the other namespaces of `flags` (CLONE_NEW…). */
gboolean lw_twin_unshare(int flags, GError **error);

/* What to do when this failed with errno `reason`. */
const char *lw_twin_userns_remedy(int reason);

/* Called in a fresh child of the starter: makes the namespaces and becomes the parent of the holder. listener
 * is bound and not yet listening. control: where the starter hears, and answers "go" with one byte; when it
 * closes instead, everything goes away. */
void lw_holder_boot(const char *name, int listener, int control, LwTwinRepair repair,
                    gpointer repair_data) G_GNUC_NORETURN;
