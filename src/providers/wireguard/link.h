/* The little of rtnetlink that a tunnel needs, in the namespace the calling thread is in. */
#pragma once

#include <glib.h>

gboolean lw_wg_link_create(const char *name,
                           GError **error); /* kind wireguard; LW_ERROR_UNSUPPORTED: not in this kernel */
gboolean lw_wg_link_delete(const char *name, GError **error); /* missing is success */
gboolean lw_wg_link_set(const char *name, guint32 mtu, gboolean up, GError **error);
/* FALSE: there is no such link. */
gboolean lw_wg_link_get(const char *name, guint32 *mtu, gboolean *up);
