/* Rule 4.2 of the design, as a proof: what a state on the way from one lab to another lets through has to be
 * what the old one or the new one does.
 *
 * States are compared by places as the kernel has them (a namespace, or the link by which a packet leaves
 * what is looked at), not by the words of a file: between two files a place may belong to either. Followed
 * are the packets that open a flow from every port of the host's bridges, from every link of the router and
 * from the host itself, and packets of an open flow from every link of the router (the kill switch). Exact,
 * as the static proof is, with its assumptions (docs/proof.md). */
#pragma once

#include "flow/packets.h"
#include "resource/resource.h"

typedef struct LwBetween LwBetween;

/* router: its namespace. */
LwBetween *lw_between_new(const char *router);
/* The bridge to the home LAN, where no router's WAN leg tells which one it is (`manage:` may leave the router
 * out). */
void lw_between_outer_bridge(LwBetween *between, const char *bridge);
void lw_between_free(LwBetween *between);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwBetween, lw_between_free)

/* What this state lets through is allowed. */
void lw_between_allow(LwBetween *between, const LwResourceSet *state);

/* Something that passes in a state and in none that is allowed. */
typedef struct {
  char *from, *to; /* "port p-gaming of the host"; for people */
  LwHeader packet;
  gboolean open_flow; /* it belongs to a flow that is open already */
  char *rule;         /* nullable: what let it through */
} LwHole;

void lw_hole_free(LwHole *hole);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwHole, lw_hole_free)
/* "from -> to: PACKET (RULE)". Transfer full. */
char *lw_hole_format(const LwHole *hole);
/* NULL: there is none. Transfer full. */
LwHole *lw_between_check(LwBetween *between, const LwResourceSet *state);

/* Can a resource of this kind change what passes? */
gboolean lw_between_matters(LwResourceKind kind);
