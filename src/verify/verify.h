/* The live half of the proof: packets sent from inside each segment, decided by a capture at the receiver. */
#pragma once

#include "flow/packets.h"
#include "model/model.h"
#include "policy/intent.h"
#include "resource/facts.h"
#include "base/addr.h"

#include <json-glib/json-glib.h>

typedef enum { LW_CELL_UNTESTED, LW_CELL_ALLOW, LW_CELL_DENY } LwCellResult;

/* One cell of the matrix: one flow. */
typedef struct {
  LwFlowQuestion question;
  char *from, *to; /* segment names, host, router, internet, home-lan */
  char *service;   /* "icmp", "tcp/445", "samba", … for people */
  gboolean expect;
  LwCellResult live, statically;
  char *reason; /* from intent */
  char *note;   /* nullable: what was seen instead, or why it is untested */
  LwOrigin origin;
  char *machine; /* nullable: the source's, where it is one */
  guint family; /* 6: an IPv6 packet stands for it; what `question` says of addresses is then beside the point
                 */
  gboolean by_frame;  /* sent as a frame to somebody on the wire, not to the gateway */
  gboolean by_bridge; /* … to the bridge itself */
  /* made of the static proof's sets: then `packet` says all of it, and what is expected is by those sets */
  gboolean generated;
  gboolean differs; /* … of what is in force and not intended, or the other way round */
  LwHeader packet;
  gboolean told; /* a violation says what is wrong with it */
} LwCell;

/* One egress or DNS check. */
typedef struct {
  char *segment, *source, *exit;           /* exit: tunnel name, "direct" or "none" */
  char *seen;                              /* the address the far end saw; NULL: nothing came */
  char *resolver_expected, *resolver_seen; /* nullable */
  gboolean ok;
} LwExitCheck;

/* Cells that are made when somebody looks at them: verify/cells.c. */
typedef struct LwCellSource LwCellSource;
/* The cells, counted: verify/tally.h. */
typedef struct LwTally LwTally;

typedef struct {
  char *lab, *target;
  GPtrArray *cells;      /* of LwCell* */
  LwCellSource *source;  /* nullable: further cells */
  LwTally *tally;        /* nullable: of all of them; lw_verify_complete() */
  GPtrArray *exits;      /* of LwExitCheck* */
  GPtrArray *violations; /* of char*: one line each, with packet and line of the file */
  GPtrArray
      *unknowns; /* of char*, nullable: what the static half could not understand and took for the worst */
  /* of char*, nullable: boundaries of the static proof's sets that no packet was sent for, and why */
  GPtrArray *left_out;
  guint packets;
  guint errors;       /* ICMP errors of open flows that were tried, both those that must come and others */
  guint lost_tunnels; /* tried in a copy of the router (verify/lost.h) */
  guint led_flows;    /* open flows led to another exit there */
  gint64 elapsed_ms;
} LwVerifyReport;

/* Who looks at each cell of a report, one after the other. */
typedef struct {
  void (*cell)(LwCell *cell, gpointer data);
  /* Nullable: so many cells at once, which the file denies and the static proof found to be stopped; `to` is
     a segment or the router, and `from` the name of their source. NULL: each of them comes as a cell. */
  void (*stopped)(const char *from, const LwZone *to, guint count, gpointer data);
  gpointer data;
} LwCellVisitor;
/* Those of the source are gone when the visitor returns, and are made again for the next one. */
void lw_verify_visit(const LwVerifyReport *report, const LwCellVisitor *visitor);

/* What a half of the proof found is not as the file says. */
gboolean lw_cell_is_wrong(const LwCell *cell);
/* The matrix and the violations say the same: a cell that is wrong and that no violation tells of becomes
 * one. To be called when all halves are in; counts the cells, too, since to make them takes time. */
void lw_verify_complete(LwVerifyReport *report, const LwLab *lab);
void lw_verify_report_free(LwVerifyReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwVerifyReport, lw_verify_report_free)

/* A flow of a protocol without ports that the router has open. */
typedef struct {
  LwAddr source, destination;
  LwAddr seen_as; /* the source as the destination sees it; unset: not known */
  guint8 protocol;
} LwOpenFlow;

/* Ends flows without ports that the router has open, by source, destination and protocol; what is not open is
 * no error. flows: of LwOpenFlow. */
typedef gboolean (*LwEndFlows)(const GArray *flows, gpointer data, GError **error);

/* Places that packets can be sent from and seen at. */
typedef struct {
  char *netns; /* NULL or "": our own */
  LwZone zone;
  LwAddr address; /* of the place */
  char *name;     /* "vault", "probe-lan50-60" */
} LwProbePlace;

/* What the caller (cmd, for a twin or a host) knows of the world beyond the lab. */
typedef struct {
  const char *target; /* "twin", "host" */
  /* What lies beyond the exits is not ours: a host. Then a packet has got there when it was seen to leave by
     the last link that is, past every rule; and what comes in from there is played by the host, in the home
     LAN. */
  gboolean ends_at_exits;
  /* The router is a machine of its own and no place: nothing inside of it is seen, only what goes in by its
     ports, which are the host's links, and what comes out of them. */
  gboolean opaque_router;
  LwAddr router_wan; /* opaque_router: its address there, asked of itself; unset: not known */
  GPtrArray *places; /* of LwProbePlace*: machines' namespaces, probes, host, router, home router, internet,
                        each tunnel's far end */
  LwAddr echo;       /* UDP 7 answers with the address it saw, as text */
  LwAddr home_lan_host;    /* an address in the home LAN to try */
  LwAddr internet_host;    /* one that answers */
  LwAddr direct_public;    /* what the far end sees of direct flows */
  GHashTable *exit_public; /* tunnel name -> LwAddr* */
  GHashTable
      *resolver; /* tunnel name -> LwAddr*: what "resolver.test" A answers when asked of that resolver */
  LwAddr direct_resolver; /* the same for direct segments; unset: not checked */
  /* What lies behind the host is not in what the static proof is of: it says nothing of it. */
  gboolean networks_unknown;
  GArray *open_flows;   /* of LwOpenFlow: the router's, before anything is sent; NULL: not known */
  LwEndFlows end_flows; /* nullable: nobody can */
  gpointer end_data;
} LwVerifyWorld;

/* The zone that an address belongs to. */
LwZone lw_verify_zone_of(const LwLab *lab, const LwFacts *facts, const LwAddr *address);
/* The flows to try: for each source place and each destination, each service at the edges of its ports and
 * ranges, one inside and one outside. Sources it would like but that no machine has: lw_verify_wanted_probes.
 */
GPtrArray *lw_verify_wanted_probes(const LwLab *lab,
                                   const LwFacts *facts); /* of LwProbePort* (facts.h), freeing */

/* proof: what is in force, and what is intended: packets on both sides of every boundary of its sets are sent
 * besides those that the file's lines alone make. Nullable: only those. */
typedef struct LwStatic LwStatic;
LwVerifyReport *lw_verify_live(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                               const LwStatic *proof, GError **error);

/* The same cells without a packet sent, and what the proof says of each: a source, since a lab of a thousand
 * segments has millions of them. All but the addresses is borrowed, and what the world's pointers lead to,
 * its places excepted. */
LwVerifyReport *lw_verify_cells(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                                const LwAddr *router_wan, const LwAddr *host_uplink, const LwStatic *proof);
void lw_cell_source_free(LwCellSource *source);

typedef void (*LwTextSink)(const char *text, gpointer data);
/* Writes it as JSON, piece by piece and a line a cell. more: a further member by that name; nullable, taken.
 */
void lw_verify_write_json(const LwVerifyReport *report, const char *name, JsonObject *more, LwTextSink sink,
                          gpointer data);
/* JUnit's XML, piece by piece: a test case a cell, one for each further violation. */
void lw_verify_write_junit(const LwVerifyReport *report, LwTextSink sink, gpointer data);
/* The matrix for a terminal: segments down, destinations across, a mark a cell, then violations. Transfer
 * full. */
char *lw_verify_format(LwVerifyReport *report, const LwLab *lab, gboolean colour);
