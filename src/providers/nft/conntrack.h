/* Ends flows: deletes their entries from a namespace's connection tracking table. */
#pragma once

#include "base/addr.h"

#include <glib.h>

/* One IPv4 flow, as it was opened. */
typedef struct {
  LwAddr source, destination; /* as the opener wrote them */
  LwAddr target;              /* who answers: differs from destination when that was translated */
  LwAddr seen_as;             /* whom it answers: differs from source when that was translated */
  guint8 protocol;            /* IPPROTO_* */
  guint16 port;               /* destination port as written; 0 for protocols without */
  guint32 mark;               /* ct mark */
} LwFlow;

typedef gboolean (*LwFlowEnds)(const LwFlow *flow, gpointer data);

/* Deletes every flow for which ends() says TRUE. *ended (nullable): how many. */
gboolean lw_conntrack_end(const char *netns, LwFlowEnds ends, gpointer data, guint *ended, GError **error);
