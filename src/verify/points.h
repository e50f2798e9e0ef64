/* Packets on both sides of every boundary of a set: what the live proof sends. Pure. */
#pragma once

#include "flow/packets.h"

/* The source port of a packet that any would do for. */
#define LW_ANY_SOURCE_PORT 40000

/* Which addresses can be tried. */
typedef struct {
  const GArray *sources;      /* of LwAddr: somebody is there to send and to be answered; tried first */
  const GArray *destinations; /* of LwAddr: somebody is there to receive; tried first */
  gboolean (*source_fits)(const LwAddr *address, gpointer data);
  gboolean (*destination_fits)(const LwAddr *address, gpointer data);
  gpointer data;
} LwPointWishes;

typedef struct {
  guint pieces;  /* how many the set was taken apart into */
  guint nowhere; /* of them, those that nobody can send or receive */
  gboolean cut;  /* there were more */
} LwPointCount;

/* Takes the set apart into pieces (any of these sources to any of these destinations, …) and appends, for
 * each piece, one packet of it, and one on either side of each edge of its ranges of sources, destinations
 * and ports, and of its protocols and ICMP types; the packets beside an edge need not be outside of the set:
 * what each is to do the caller asks the sets. Each packet once in `out` (of LwHeader). The order is always
 * the same. */
void lw_points_of(LwMddPool *pool, LwMdd set, guint pieces_most, const LwPointWishes *wishes, GArray *out,
                  LwPointCount *count);
gboolean lw_points_equal(const LwHeader *a, const LwHeader *b);
