/* The intended matrix as whole sets of packets: intent.h asked about everything at once.
 *
 * Made from the file's words by a way of its own, never from the rules. Two bounds, since the file leaves a
 * few things open (a query to a foreign resolver may be redirected to the gateway, or refused): must  what
 * has to arrive, may   what is allowed to; everything else must not. Of packets that open a flow alone: TCP
 * means a SYN, ICMP an echo request.
 */
#pragma once

#include "flow/packets.h"
#include "policy/intent.h"

typedef struct {
  /* INTERNET: what lies beyond an exit, index its tunnel or LW_NONE for wan, home LAN included */
  LwZone to;
  LwAddr destination; /* set: they arrive translated to this address (a forward; a query that is led) */
  guint16 dport;      /* with destination: the port they arrive at; 0: as it was */
  gboolean led;       /* to INTERNET: a query that the router need not answer itself: it may as well be led
                         straight to the resolver of the exit that its source uses, and is answered then */
  LwMdd must, may;    /* as they were sent */
  LwMdd going_on;     /* beside `may`, what may go on when its flow is open already */
} LwIntended;

/* The lab's own addresses in the home LAN; unset where not known. The router's is the router's, whatever is
 * allowed of the home LAN; the host's is one of the home LAN like any other, besides being the host. */
typedef struct {
  LwAddr router, host;
} LwIntentOutside;

/* What every source's sets begin with: made once for all of them. */
typedef struct {
  LwMdd lab, internet, home_lan;      /* destinations */
  LwMdd router_outside, host_outside; /* the lab's own ends in the home LAN; FALSE: not known */
} LwIntentBasis;

LwIntentBasis lw_intent_basis(LwMddPool *pool, const LwLab *lab, const LwFacts *facts,
                              const LwIntentOutside *outside);

/* All that may be reached from there, each place once but for forwards; what is not in it must not be
 * reached. from: SEGMENT (any source of it, at its gateway), HOST, NETWORK, INTERNET (by that exit). Of
 * LwIntended*, freeing. facts: assigned. */
GPtrArray *lw_intent_sets(LwMddPool *pool, const LwLab *lab, const LwFacts *facts, const LwIntentBasis *basis,
                          const LwZone *from);

/* Packets that open a flow, as connection tracking sees it. */
LwMdd lw_intent_opening(LwMddPool *pool);
