/* One lab on two routers: what differs between them, exactly, and why. */
#pragma once

#include "verify/static.h"

typedef struct {
  char *from, *to; /* a row and a place, by name */
  gboolean more;   /* the second router lets it through and the first does not; else the other way round */
  char *set;       /* the packets, in pieces */
  const char *why; /* in words; NULL: nothing explains it */
} LwRouterDifference;

void lw_router_difference_free(LwRouterDifference *difference);
/* "lan10 -> router: … : only the builtin router: why". Transfer full. */
char *lw_router_difference_format(const LwRouterDifference *difference);

/* Every packet that the builtin router lets through to a place and the OPNsense does not, and the other way
 * round, each with what explains it; those of one row, place and reason in one. Both proofs of one pool, lab
 * and facts. Of LwRouterDifference*, freeing: unexplained ones first. */
GPtrArray *lw_router_differences(const LwStatic *builtin, const LwStatic *opnsense);
