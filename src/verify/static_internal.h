/* Between the halves of the static proof. */
#pragma once

#include "verify/flows.h"
#include "verify/static.h"

typedef struct {
  const LwStaticRow *row;
  LwStaticKind kind;
  LwPlace place;
  LwMdd set;
} Told;

/* Runs of a row, for those that are alike: its flows and what goes with them, errors that are related, and
 * one with each tunnel lost. */
enum { LW_STATIC_RUN_FLOWS, LW_STATIC_RUN_RELATED, LW_STATIC_RUN_LOST };
typedef struct LwStaticAlike LwStaticAlike;

typedef struct Prove {
  LwStatic *proof;
  const LwResourceSet *world;
  const char *router;
  LwMdd opening;
  LwIntentBasis basis;
  LwMdd far;                 /* destinations that are public */
  LwMdd machine_sources;     /* addresses in use */
  LwMdd host_sources;        /* the host's own addresses, as sources */
  GHashTable *nic_of_port;   /* the host's port -> guint[2]: machine, nic */
  GHashTable *plugged;       /* machine * 64 + nic, where its port is there */
  gboolean *has_port;        /* segment -> somebody is plugged in, or could be: see add_vacant_ports() */
  GHashTable *vacant;        /* a port that nobody has yet (char*) -> segment */
  GHashTable *places;        /* of a link by its name, as lw_reach gives it (by address) -> LwPlace */
  GPtrArray *exit_addresses; /* of const LwResource*: on the router's exits */
  GArray *told;              /* of Told */
  GHashTable *pairs;         /* set of two zones each, that have flows with each other */
  guint rows_proved;
  guint told_before, violations_before; /* how many when scratch began */
  GHashTable *bridges;                  /* of segments (char*) -> segment + 1 */
  LwStaticAlike *alike;                 /* NULL: each row is followed */
} Prove;

/* "rule “…” of chain forward of table lanward in router". Transfer full. */
char *lw_static_step_text(const LwStep *step);

/* --- static_places.c */
const LwResource *lw_static_link(const Prove *p, const char *ns, const char *name); /* nullable */
/* The NIC that a port of the host belongs to, by the port's name. */
gboolean lw_static_nic_of_port(const Prove *p, const char *port, guint *machine, guint *nic);
guint lw_static_segment_of_bridge(const Prove *p, const char *bridge /* nullable */);
LwPlace lw_static_place_of(const Prove *p, const LwArrival *arrival);
/* Those of the router's exits. Of const LwResource*. */
GPtrArray *lw_static_exit_addresses(const Prove *p);
gboolean lw_static_place_equal(const LwPlace *a, const LwPlace *b);
char *lw_static_place_name(const LwLab *lab, const LwPlace *place); /* transfer full */
/* A network behind the host is a place of its own, told apart by the destination. */
gboolean lw_static_is_behind_host(const LwPlace *place);
LwReached *lw_static_reached_at(LwStaticRow *row, const LwPlace *place);
void lw_static_note_arrival(const Prove *p, LwStaticRow *row, const LwArrival *arrival, gboolean must);

/* --- static_rows.c */
void lw_static_add_rows(const Prove *p);
/* Numbers (guint) of the rows of that zone, in order; borrowed. */
const GArray *lw_static_rows_of(const LwStatic *proof, const LwZone *zone);
/* What may and must get where from the row, by the file alone: fills in `intended`. */
void lw_static_intend(const Prove *p, LwStaticRow *row);
/* Sources that the NIC has, or may claim. */
LwMdd lw_static_own_sources(const Prove *p, guint machine, guint nic);
LwIntended *lw_static_intended_at(const LwStaticRow *row, const LwZone *zone); /* nullable */
/* The link of the host that leads to a network behind it; nullable. */
const char *lw_static_link_of_network(const Prove *p, const LwPrefix *prefix);

/* --- static_judge.c */
void lw_static_judge_arrivals(const Prove *p, LwStaticRow *row, const GPtrArray *arrivals);
void lw_static_judge_promises(const Prove *p, LwStaticRow *row, const GPtrArray *arrivals);
void lw_static_judge_answers(const Prove *p, const LwStaticRow *row, const GPtrArray *arrivals,
                             const LwPassages *passages);
void lw_static_judge_others(const Prove *p, LwStaticRow *row);
void lw_static_judge(const Prove *p, const LwStaticRow *row, LwStaticKind kind, const LwPlace *place,
                     LwMdd set);
/* What is let loose another way than the row's own. */
void lw_static_judge_from(const Prove *p, const LwStaticRow *row, const LwStart *start, LwStaticKind kind,
                          const LwPlace *place, LwMdd set);
/* May these packets arrive there, translated like this? */
LwMdd lw_static_may_arrive(const LwStaticRow *row, const LwPlace *place, const LwRewrite *rewrite,
                           LwMddPool *pool);
gboolean lw_static_stops(const LwStep *step);
/* Whether what gets from the row to that place is lanward's affair. */
gboolean lw_static_is_judged(const LwStaticRow *row, const LwPlace *place);
/* By an exit: what may go there as part of some open flow of its source. */
LwMdd lw_static_flow_sources(const Prove *p, const LwStaticRow *row, const LwPlace *exit);
/* The first few pieces of a set, for people. Transfer full. */
char *lw_static_pieces_text(LwMddPool *pool, LwMdd set);

/* --- static_lost.c: each tunnel lost, one after the other */
void lw_static_judge_lost_tunnels(Prove *p);

/* --- static_related.c */
/* The row's zone, and those that it has flows with: for all rows, before any is judged. */
void lw_static_note_pairs(const Prove *p, const LwStaticRow *row);
gboolean lw_static_have_flows(const Prove *p, const LwZone *from, const LwZone *to);
void lw_static_judge_related(Prove *p);
/* ICMP and ICMPv6 errors: of what connection tracking asks whether it belongs to a flow. */
LwMdd lw_static_errors(LwMddPool *pool);

/* --- static_alike.c */
void lw_static_find_alike(Prove *p);
void lw_static_alike_free(LwStaticAlike *alike);
/* Between the two a row is followed: a good run (nothing found, nothing new that is not understood) is kept.
 */
void lw_static_watch_begin(const Prove *p, const LwStaticRow *row, guint run);
void lw_static_watch_end(const Prove *p, const LwStaticRow *row, guint run);
/* It was judged by whether the segment has flows with its own. */
void lw_static_watch_pair(const Prove *p, guint segment);
/* The row whose good run holds for this one; NULL: none does. */
const LwStaticRow *lw_static_good_like(const Prove *p, const LwStaticRow *row, guint run);
/* At once after that, with its result, for FLOWS: the row is proved. FALSE: it has to be followed all the
 * same.
 */
gboolean lw_static_take_over(const Prove *p, LwStaticRow *row, const LwStaticRow *good);
/* A row that is no segment's: of the packets those for one segment of each class are followed (which judges
 * them, too), and where that was good, those for the others that it holds for are not. What is left to be
 * followed. */
LwMdd lw_static_but_alike(const Prove *p, const LwStaticRow *row, LwMdd packets,
                          void (*follow)(const Prove *, const LwStaticRow *, LwMdd));

/* --- static.c */
/* Begins scratch, with the sets of a row that were put aside, or at least what is intended, where another row
 * stood for it; ends it, and puts them aside. */
void lw_static_row_begin(Prove *p, LwStaticRow *row);
void lw_static_row_end(Prove *p, LwStaticRow *row);
/* Ends it where they were put aside before, and none has changed. */
void lw_static_row_leave(Prove *p, LwStaticRow *row);
LwMdd lw_static_far_destinations(LwMddPool *pool);
