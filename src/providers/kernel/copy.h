/* A copy of a network namespace to try packets in: its links, addresses, routes, routing rules and settings,
 * of IPv4, as they are read there, with stand-ins for what its links lead to. What is written into a stand-in
 * comes in by that link, and what the copy sends out by a link is read from it; nothing of it gets anywhere
 * else. The namespace itself is only read. The copy has no name, and is gone with the process. */
#pragma once

#include <glib.h>

typedef struct LwNetCopy LwNetCopy;

#define LW_NET_COPY_LINKS_MAX 256

/* LW_ERROR_UNSUPPORTED: no /dev/net/tun, or more links than that. Packet rules are not copied: see
 * lw_net_copy_enter(). */
LwNetCopy *lw_net_copy_new(const char *ns, GError **error);
void lw_net_copy_free(LwNetCopy *copy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwNetCopy, lw_net_copy_free)

/* For the calling thread: as lw_netns_enter(), and back with lw_netns_leave(). */
int lw_net_copy_enter(const LwNetCopy *copy, GError **error);

/* A link more, that the namespace does not have; packets without a frame go by it. */
gboolean lw_net_copy_add_link(LwNetCopy *copy, const char *name, GError **error);
/* A link goes down, and its routes with it; or comes up, and so do they. */
gboolean lw_net_copy_set_up(LwNetCopy *copy, const char *link, gboolean up, GError **error);
/* Everything that no routing rule before the first that refuses has led anywhere goes by the link; or does
 * not any more. */
gboolean lw_net_copy_catch(LwNetCopy *copy, const char *link, gboolean on, GError **error);

/* What comes in by a link and is not the namespace's own goes out by another; or does not any more. */
gboolean lw_net_copy_lead(LwNetCopy *copy, const char *from, const char *to, gboolean on, GError **error);

/* A whole IPv4 packet comes in by the link. FALSE: it did not go. */
gboolean lw_net_copy_send(LwNetCopy *copy, const char *link, const guint8 *packet, gsize length);
/* Each packet that went out by a link since the last call, frames without their heads. Waits until it has
 * been quiet for so long. */
typedef void (*LwNetCopySeen)(const char *link, const guint8 *packet, gsize length, gpointer data);
void lw_net_copy_receive(LwNetCopy *copy, guint quiet_ms, LwNetCopySeen seen, gpointer data);
