/* One run through a world: shared by those that follow packets (walk.c) and answers (answer.c). */
#pragma once

#include "reach/internal.h"

/* Whom a frame is for. */
typedef enum {
  TO_ANYBODY,     /* its sender chose: whoever is there may be meant */
  TO_DESTINATION, /* who has the packet's destination */
  TO_ADDRESS,     /* who has `address` */
  TO_ELSEWHERE,   /* a gateway whose address is not known: nobody who was looked into */
} HopKind;

typedef struct {
  HopKind kind;
  LwAddr address;
} Hop;

/* A namespace that a packet of a recorded run came through: what its connection tracking knows. */
typedef struct {
  guint parent; /* the one before; 0: none */
  Ns *ns;
  guint iif, oif; /* LW_NO_LINK: it was sent, or delivered, there */
  State state;    /* as it left */
} Passage;

/* A part of an arrival, and the last namespace that it came through. */
typedef struct {
  LwMdd set;
  guint passage;
} CameBy;

struct LwPassages {
  GArray *passages;
  GPtrArray *came_by;
};

/* One lw_reach_from(). */
typedef struct {
  LwReach *reach;
  GPtrArray *arrivals;
  GArray *passages;   /* of Passage, the first a dummy; NULL: not recorded */
  GPtrArray *came_by; /* of GArray of CameBy, one an arrival; with passages */
  LwStartKind first;  /* whom the first frame is for; FRAME: for anybody, as all further ones */
  GHashTable *seen;   /* Link* -> GArray of Branch: what has come in there */
} Run;

/* walk.c */
void lw_reach_start(Run *run, const LwStart *start, LwMdd packets, LwCtState ct_state);
void lw_reach_tell(Run *run, Ns *ns, const Link *link, LwStepKind kind, const char *text);
void lw_reach_step_free(gpointer step);
GArray *lw_reach_one_branch(const Branch *branch); /* of Branch; transfer full */
/* Those of the branch whose destination, as it is by now, is in the set (over DADDR). */
LwMdd lw_reach_destined(LwReach *reach, const Branch *branch, LwMdd set);
void lw_reach_branches_unref(gpointer branches);
