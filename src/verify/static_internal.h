/* Between the halves of the static proof. */
#pragma once

#include "verify/flows.h"
#include "verify/static.h"

typedef struct {
  const LwStaticRow *row;
  LwStaticKind kind;
  LwPlace place;
  LwBdd set;
} Told;

typedef struct {
  LwStatic *proof;
  const LwResourceSet *world;
  const char *router;
  LwBdd opening;
  LwIntentBasis basis;
  LwBdd far;               /* destinations that are public */
  LwBdd machine_sources;   /* addresses in use */
  LwBdd host_sources;      /* the host's own addresses, as sources */
  GHashTable *nic_of_port; /* the host's port -> guint[2]: machine, nic */
  GHashTable *plugged;     /* machine * 64 + nic, where its port is there */
  gboolean *has_port;      /* segment -> somebody is plugged in */
  GArray *told;            /* of Told */
} Prove;

/* "rule “…” of chain forward of table lanward in router". Transfer full. */
char *lw_static_step_text(const LwStep *step);
/* "lan20", "wan", "br0 of the host". Transfer full. */
char *lw_static_place_name(const LwLab *lab, const LwPlace *place);
/* The first few pieces of a set. Transfer full. */
char *lw_static_pieces_text(LwBddPool *pool, LwBdd set);
