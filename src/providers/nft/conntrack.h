/* Established flows, cut. */
#pragma once

#include "base/addr.h"

/* Deletes from the connection table of `netns` (NULL or "": where we are) every flow that has an address inside
 * `prefix`: as source or destination, of either direction. *deleted is nullable. */
gboolean lw_conntrack_delete(const char *netns, const LwPrefix *prefix, guint *deleted, GError **error);
