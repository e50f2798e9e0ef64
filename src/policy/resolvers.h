/* Which dnsmasq answers whom: one an exit (and list of upstreams), and one for local names alone. */
#pragma once

#include "model/model.h"
#include "resource/facts.h"

#define LW_LOCAL_RESOLVER_PORT 5300

typedef struct {
  char *name; /* "dns-se" */
  guint16 port;
  guint tunnel;      /* LW_NONE: direct */
  GArray *upstreams; /* of LwAddr; empty: those of WAN's lease (direct) or none at all */
  LwOrigin origin;
} LwResolverPlan;

/* Every resolver that some source of the lab uses, without the local one. Of LwResolverPlan*, freeing. */
GPtrArray *lw_resolver_plans(const LwLab *lab, LwFacts *facts);
/* The port that a segment's queries go to when they use this exit (LW_NONE: direct; egress none: the local
 * one). */
guint16 lw_resolver_port(const LwLab *lab, LwFacts *facts, guint segment, guint tunnel);
