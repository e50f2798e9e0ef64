/* Packets of protocols without ports that leave under an exit's one address: connection tracking lets just
 * one source through to a destination at a time, as long as it keeps that source's flow (ten minutes, as a
 * rule). So what must pass and what must not are sent as two protocols, and none as one of which somebody
 * else has such a flow. Pure. */
#pragma once

#include "verify/flows.h"
#include "verify/static.h"

typedef struct {
  const LwLab *lab;
  const LwStatic *proof;
  const LwSurroundings *around;
  GArray *held; /* of LwOpenFlow */
} LwShared;

/* Is it such a packet, when it goes to that zone? */
gboolean lw_shared_concerns(const LwHeader *h, const LwZone *to);
/* Which of them get into each other's way: what must pass. exit: LW_NONE: WAN. Transfer full. */
char *lw_shared_key(const LwShared *shared, const LwHeader *h, guint exit);
/* The same for what must not pass and goes to no exit: turned round it is an answer to what must, in the
 * connection tracking of whoever is between. */
void lw_shared_set_apart(const LwShared *shared, const LwStaticRow *row, LwHeader *h);
/* Of what is to be sent (flows: of LwFlow*), what is open already and not as a new flow would be: under
 * another address, or though it must not pass. Of LwOpenFlow, transfer full. */
GArray *lw_shared_left_open(const LwShared *shared, const GPtrArray *flows);
/* What will be open by it that was not before, or was left open. Of LwOpenFlow, transfer full. */
GArray *lw_shared_opened(const LwShared *shared, const GPtrArray *flows, const GArray *left_open);
/* Makes it a packet of the other protocol where that is the one to send; only where all that is known of the
 * row's packets says the same of both. FALSE: somebody else's flow is in the way of either. exit: expected
 * packets' alone. */
gboolean lw_shared_settle(const LwShared *shared, const LwStaticRow *row, gboolean expect, guint exit,
                          LwHeader *h);
