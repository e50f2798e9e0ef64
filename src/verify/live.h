/* The run of a live proof, between its halves: live.c sends and listens, asks.c and judge.c decide. */
#pragma once

#include "verify/capture.h"
#include "verify/dns.h"
#include "verify/flows.h"
#include "verify/static.h"

#include <errno.h>

typedef struct {
  guint station;
  LwHowSeen how;
  guint link;
  LwAddr source, destination; /* as they were then */
  guint16 sport, dport;
} LwSeenAt;

typedef enum {
  LW_PROBE_CELL,
  LW_PROBE_SENTINEL, /* must come back: what was sent before it has been through */
  LW_PROBE_ECHO,     /* what address does the far end see? */
  LW_PROBE_DNS,
  LW_PROBE_NEIGHBOUR, /* who has the leg's address? of a router that nobody sees into; comes back, like a
                         sentinel */
  LW_PROBE_RELATED,   /* an ICMP error */
} LwProbeKind;

typedef enum { LW_ASK_GATEWAY, LW_ASK_FOREIGN, LW_ASK_OTHER_GATEWAY } LwAskWhom;

/* What an ECHO or DNS probe is after. */
typedef struct {
  guint check;     /* index into the report's exits */
  LwAskWhom whom;  /* DNS */
  LwAddr expected; /* unset: see must_be_empty */
  gboolean must_be_empty;
  gboolean may_be_empty; /* refused is as good as redirected */
  LwOrigin origin;
  LwAddr got; /* unset: nothing came */
} LwAsk;

/* What a RELATED probe is after: an error about a flow, sent to one end of it. */
typedef struct {
  gboolean expect;
  guint target;    /* the place that it is addressed to */
  const char *why; /* in words */
  LwOrigin origin;
} LwError;

typedef struct {
  LwProbeKind kind;
  LwFlow *flow;  /* CELL */
  LwAsk ask;     /* ECHO, DNS */
  LwError error; /* RELATED */
  guint place, station;
  LwVia via;
  guint link; /* frames */
  LwMac to;
  LwMac neighbour; /* NEIGHBOUR: who answered; unset: nobody did */
  guint16 ethertype;
  LwAddr destination;
  guint16 sport, dport;
  guint32 cookie;
  guint8 bytes[LW_PACKET_MAX];
  gsize length;
  const char *blocked; /* why it could not be sent */
  gboolean refused;    /* the source's own output rules dropped it */
  GArray *seen;        /* of LwSeenAt; NULL: nowhere */
  gboolean at_router;  /* came in at a leg of the router */
  gboolean answered;
  gboolean reset; /* … by refusing it */
} LwProbe;

typedef struct {
  const LwLab *lab;
  const LwFacts *facts;
  const LwVerifyWorld *world;
  LwVerifyReport *report;
  GPtrArray *stations; /* of LwStation* */
  GPtrArray *names;    /* of char*: their namespaces */
  guint *station_of;   /* place -> station */
  guint *place_of;     /* station -> its first place */
  LwSurroundings around;
  GPtrArray *flows;    /* of LwFlow* */
  GPtrArray *probes;   /* of LwProbe*; cookie = base + index */
  GHashTable *by_port; /* source port -> ECHO or DNS probe */
  guint32 base;
  LwProbe **sentinel;     /* place -> its gateway's, nullable */
  LwProbe **far_sentinel; /* place -> one through its tunnel, nullable */
  /* of an opaque router, by segment, WAN last; nullable */
  LwProbe **neighbour;
  guint *ports; /* … the host's links that its legs are plugged into; 0: none */
} LwLive;

/* Where it was seen, once each. */
void lw_live_note_sighting(LwProbe *probe, guint station, const LwSighting *sighting);
LwProbe *lw_live_add_probe(LwLive *live, LwProbeKind kind, guint place, LwVia via);
const LwProbePlace *lw_live_place(const LwLive *live, guint index);

/* asks.c */
void lw_live_add_asks(LwLive *live);
void lw_live_hear_answer(LwProbe *probe, const LwPacket *packet);
gboolean lw_live_ask_is_satisfied(const LwProbe *probe);
void lw_live_judge_asks(LwLive *live);

/* related.c: when the flows that they are about are open, and were seen. proof: nullable */
void lw_live_add_errors(LwLive *live, const LwStatic *proof);
void lw_live_hear_error(LwLive *live, guint station, const LwSighting *sighting, LwProbe *probe);
gboolean lw_live_error_is_satisfied(const LwLive *live, const LwProbe *probe);
void lw_live_judge_errors(LwLive *live);

/* judge.c */
/* Where what leaves is seen because nothing beyond is ours: the router's exits, its legs (to a machine that
 * is no namespace of ours) and the host's bridge to the home LAN, by which nothing of the lab may leave. */
gboolean lw_live_is_exit(const LwLive *live, guint station, guint link);
gboolean lw_live_is_outer(const LwLive *live,
                          const LwProbe *probe); /* from outside: the router's leg is its sentinel */
gboolean lw_live_is_satisfied(const LwLive *live, const LwProbe *probe);
void lw_live_judge(LwLive *live);

/* opaque.c: a router that nobody sees into (LwVerifyWorld.opaque_router) */
/* Stations that see what goes in and out of its legs' ports; who is to be asked for each leg's address. */
gboolean lw_live_open_opaque(LwLive *live, GError **error);
void lw_live_add_neighbours(LwLive *live);
/* Some leg has answered: else there is nothing to send to. */
gboolean lw_live_meets_router(const LwLive *live);
/* The MAC of a leg; segment LW_NONE: of WAN. FALSE: it did not answer. */
gboolean lw_live_leg_mac(const LwLive *live, guint segment, LwMac *out);
/* The leg whose port a link of the host is: its segment; LW_NONE: WAN. FALSE: it is none. */
gboolean lw_live_leg_of_port(const LwLive *live, guint station, guint link, guint *segment);
/* What was sent after an outer probe and came back. */
gboolean lw_live_is_followed(const LwLive *live, const LwProbe *probe);
/* An answer is to be waited for. */
gboolean lw_live_may_answer(const LwLive *live, const LwProbe *probe);
/* It goes to the router itself, or into a tunnel: its answer alone tells. */
gboolean lw_live_ends_unseen(const LwLive *live, const LwProbe *probe);
/* What an answer says of a probe that lw_live_ends_unseen(): fills in the cell; its note where it is wrong or
 * not tried. TRUE: decided. FALSE: not tried, and the note says why. */
gboolean lw_live_judge_unseen(const LwLive *live, const LwProbe *probe);
/* Counts what was not tried, by reason, into the report. */
void lw_live_tell_untried(LwLive *live);
