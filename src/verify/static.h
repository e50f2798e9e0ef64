/* The static half of the proof: what can reach what by the resources that are there (wanted, or read back
 * from the kernel), compared with what the file says. Whole sets of packets, no sampling; see docs/proof.md.
 */
#pragma once

#include "policy/intent_sets.h"
#include "reach/reach.h"
#include "verify/verify.h"

/* What is told apart as a place that packets get to: a zone, INTERNET by the exit (LW_NONE: wan, home LAN
 * included); or none of them. */
typedef struct {
  gboolean elsewhere; /* out by a link that belongs to no zone */
  LwZone zone;
  const char *ns, *link; /* elsewhere: that link */
} LwPlace;

/* All that gets to one place from one source, as it was sent. */
typedef struct {
  LwPlace place;
  LwMdd may, must;
} LwReached;

/* One source of packets: a row of the matrix. Its sets are for whoever got it by lw_static_look(). */
typedef struct LwStaticRow {
  char *name; /* "lan10", "lan10/gaming", "host", "internet/se", "home-lan" */
  LwZone zone;
  LwStart start;
  guint machine, nic;  /* of a machine's port; else LW_NONE */
  LwMdd packets;       /* what was let loose there: everything that can open a flow */
  GPtrArray *intended; /* of LwIntended* */
  GPtrArray *reached;  /* of LwReached* */
  LwMdd by_bridge;     /* of a port: what gets anywhere when it is sent to the bridge itself */
  LwMddStored
      *stored;      /* the sets of the three above while nobody looks at them; NULL: they are in the pool */
  GArray *flows_to; /* of LwZone: whom it may have flows with, by the file */
  const struct LwStaticRow *like; /* it was proved by one that is like it, and is followed when somebody looks
                                     at it; NULL: it was followed */
} LwStaticRow;

typedef enum {
  LW_STATIC_OPEN,     /* passes, and must not */
  LW_STATIC_CLOSED,   /* must pass, and does not */
  LW_STATIC_UNMASKED, /* leaves under an address that is not its exit's */
  LW_STATIC_LEAK,     /* an open flow of it could go on by an exit that is not its own */
  LW_STATIC_STRAY,    /* passes though it belongs to no flow */
  LW_STATIC_RELATED,  /* an ICMP error of an open flow could go there, where no flow of it can be */
  LW_STATIC_MUTE,     /* passes, and its answer does not come back */
  LW_STATIC_FALLBACK, /* goes another way when the tunnel that is its exit is lost */
  LW_STATIC_BARE,     /* then no route refuses it: one line of the kill switch is gone */
} LwStaticKind;

typedef struct {
  LwStaticKind kind;
  char *from, *to;
  LwStart start;
  LwMdd packets; /* all of them, of the proof's pool */
  LwHeader packet;
  LwProto proto; /* of the packet, in the model's words; ANY for others */
  char *reason;  /* what the file says of it */
  LwOrigin origin;
  char *decided; /* nullable: the rule that let it through, or stopped it */
  char *set;     /* nullable: all of them, in pieces, for people */
} LwStaticViolation;

struct LwStatic {
  struct Prove *prove; /* how rows are followed */
  LwMddPool *pool;
  LwResourceSet *world; /* what `reach` looks at: as it was given, and a port in each segment that has none */
  LwReach *reach;
  const LwLab *lab;
  const LwFacts *facts;
  GPtrArray *rows;       /* of LwStaticRow* */
  GHashTable *by_zone;   /* what lw_static_rows_of() finds: of GArray* */
  GPtrArray *violations; /* of LwStaticViolation* */
  LwMdd machines;        /* destinations that are machines' */
  gboolean *has_link;    /* network behind the host -> something leads to it */
  LwMdd router_outside;  /* destination: the router's own address in the home LAN; FALSE: not known */
  LwMdd
      tolerated; /* what an OPNsense lets in to that address by a rule of its own that no setting takes out */
  GPtrArray *unknowns; /* of char*: what could not be understood, taken in the safe direction */
};

/* Wanted resources with what only WAN's lease brings, by the facts: for a proof before anything is there.
 * Transfer full; the resources are shared. */
LwResourceSet *lw_static_with_lease(const LwResourceSet *wanted, const LwFacts *facts);
/* pool, lab, facts, world are borrowed and must outlive it. Of segments that are alike one is followed. */
LwStatic *lw_static_prove(LwMddPool *pool, const LwLab *lab, const LwFacts *facts,
                          const LwResourceSet *world);
/* The same, each by itself: what that is held against, in tests and benches. */
LwStatic *lw_static_prove_each(LwMddPool *pool, const LwLab *lab, const LwFacts *facts,
                               const LwResourceSet *world);
void lw_static_free(LwStatic *proof);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwStatic, lw_static_free)

/* A row, its sets made ready to be looked at, followed now where it was not. */
const LwStaticRow *lw_static_look(const LwStatic *proof, guint row);
/* One line: packet, rule, line of the file. Transfer full. */
char *lw_static_violation_format(const LwStaticViolation *violation);
/* Does a packet get from a row to a zone? */
gboolean lw_static_passes(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet,
                          const LwZone *to);
/* A query that the router leads to its exit's resolver rather than answer it: to the router it passes, and to
 * nobody else. */
gboolean lw_static_led(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet);
/* A port that is forwarded: the router is asked, and a machine is reached. */
gboolean lw_static_forwards(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet);
/* The row of a machine's port, of a segment, of the host, …; machine nullable. NULL: there is none. */
const LwStaticRow *lw_static_row(const LwStatic *proof, const LwZone *zone, const char *machine);
/* The packet of a question, as it opens a flow. */
LwHeader lw_static_header(const LwFlowQuestion *question);

/* Flows that `to` has and `from` has not, a line each: "lan10 -> host: PIECES". Both of one pool, of the same
 * lab or not (rows and places are the same by name). Of char*, transfer full. */
GPtrArray *lw_static_gained(const LwStatic *from, const LwStatic *to);

/* Fills in `statically` of the report's own cells, and adds what the proof found: violations, unknowns. */
void lw_static_report(const LwStatic *proof, LwVerifyReport *report);
/* Just the cells. */
void lw_static_fill(const LwStatic *proof, const LwVerifyReport *report);
void lw_static_fill_cell(const LwStatic *proof, LwCell *cell);

/* The ways that a source has none of: whatever it sends by its gateway, as a cell does. */
typedef struct {
  gboolean known;   /* the proof has a row of it */
  gboolean gateway; /* something of what cells ask a router for (ping, SSH, web) gets to another's gateway */
  gboolean *enters; /* segment -> something gets there */
} LwStaticWays;
/* What cells ask a router for, at the gateways of all segments: for lw_static_ways(). */
LwMdd lw_static_asked_of_gateways(const LwStatic *proof);
/* The ways of a zone, or of a machine in it (nullable). `enters` is the caller's, one for each segment. */
void lw_static_ways(const LwStatic *proof, const LwZone *from, const char *machine, LwMdd asked,
                    LwStaticWays *out);
/* Adds a violation for each cell in which the two proofs differ. */
void lw_verify_add_disagreements(LwVerifyReport *report);
