/* Ends flows: deletes their entries from a namespace's connection tracking table. */
#pragma once

#include "base/addr.h"

#include <glib.h>

/* Every flow with an end inside `inside` (before or after translation), but for those that have an end inside one
 * of `spared`. IPv4. *ended (nullable): how many. */
gboolean lw_conntrack_delete(const char *netns, const LwRange *inside, const LwRange *spared /* nullable */,
                             guint spared_count, guint *ended, GError **error);
