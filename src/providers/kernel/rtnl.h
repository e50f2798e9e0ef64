/* A rtnetlink socket inside a namespace: messages queued, sent in batches, answers matched to what asked. */
#pragma once

#include "providers/kernel/translate.h"

typedef struct LwRtnl LwRtnl;

LwRtnl *lw_rtnl_open(const char *ns, GError **error);
void lw_rtnl_close(LwRtnl *rtnl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwRtnl, lw_rtnl_close)
/* The namespace that the socket lives in, for IFLA_NET_NS_FD; borrowed. */
int lw_rtnl_ns_fd(const LwRtnl *rtnl);
/* Whether NAME still means that namespace: it may have been made anew. */
gboolean lw_rtnl_is_current(const LwRtnl *rtnl, const char *ns);

typedef enum {
  LW_RTNL_STRICT,
  LW_RTNL_GONE,  /* what is to be deleted or changed is gone already: fine */
  LW_RTNL_THERE, /* what is to be made is there already: fine */
} LwRtnlTolerance;

/* Copies the message. verb and resource are for the text of an error: "cannot VERB bridge br0: …"; resource
 * is borrowed until the flush, nullable. */
void lw_rtnl_queue(LwRtnl *rtnl, const struct nlmsghdr *nlh, const char *verb, const LwResource *resource,
                   LwRtnlTolerance tolerance);
/* Sends all that is queued, in order, and waits until the kernel has done it. The first failure that is not
 * tolerated is returned; messages after it may have been carried out. The queue is empty afterwards. */
gboolean lw_rtnl_flush(LwRtnl *rtnl, GError **error);

/* Called for each message of an answer. */
typedef void (*LwRtnlReader)(const struct nlmsghdr *nlh, gpointer data);
gboolean lw_rtnl_dump(LwRtnl *rtnl, guint16 type, guint8 family, LwRtnlReader reader, gpointer data,
                      GError **error);
/* One request, one answer. A link that is not there: success, the reader is not called. */
gboolean lw_rtnl_ask(LwRtnl *rtnl, struct nlmsghdr *nlh, LwRtnlReader reader, gpointer data, GError **error);
