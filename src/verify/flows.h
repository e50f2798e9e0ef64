/* The flows that the live proof tries: one cell each, with how to send it and where it would have to arrive.
 */
#pragma once

#include "verify/verify.h"

/* By which way the packet leaves its source. */
typedef enum {
  LW_VIA_ROUTES,  /* the namespace's own routes */
  LW_VIA_GATEWAY, /* a frame to the segment's gateway */
  LW_VIA_LINK,    /* a frame to the receiver on the same segment */
  LW_VIA_BRIDGE,  /* a frame to the bridge's own MAC: round the router */
  LW_VIA_WAN,     /* a frame from the home LAN to the router's WAN leg */
  LW_VIA_ALL,     /* a frame to everybody on the link (IPv6 all-nodes) */
  LW_VIA_LEG,     /* a frame into the router's leg of the source's segment, from the host's end of it: as if
                     the segment's bridge had sent it on, whoever has the source's address */
} LwVia;

typedef struct {
  LwCell *cell; /* transfer: moves to the report */
  guint place;  /* that sends */
  guint
      receiver; /* place that must get it when it is allowed; LW_NONE: seen beyond the right exit is enough */
  guint exit;   /* allowed to the internet: its tunnel, LW_NONE: wan */
  LwVia via;
  guint8 family;
  gboolean redirected;    /* foreign DNS: the router's own resolver gets it, and may */
  gboolean cannot_answer; /* arrival is all that can be asked for */
  gboolean held;          /* somebody else's open flow may keep it from leaving: shared.h */
} LwFlow;

/* What was read from the namespaces; unset addresses are left out. */
typedef struct {
  LwAddr router_wan;
  LwAddr host_uplink; /* the host's own address in the home LAN */
} LwSurroundings;

void lw_flow_free(LwFlow *flow);
void lw_cell_free(LwCell *cell);
/* "lan20/seedbox", "host", "internet": a zone for people; machine nullable. Transfer full. */
char *lw_verify_zone_name(const LwLab *lab, const LwZone *zone, const char *machine);
guint lw_verify_place_of(const LwVerifyWorld *world, LwZoneKind kind, guint index);
/* An address of the segment that nobody has: no machine of the file or of a lease, no probe. */
gboolean lw_verify_address_is_free(const LwLab *lab, const LwFacts *facts, guint segment,
                                   const LwAddr *address);
/* A flow that is sent so and goes to the zone, with a cell for it; expect, origin and reason by the file's
 * lines. Transfer full. */
typedef struct {
  guint place; /* source */
  LwAddr source;
  LwZone from; /* the place's zone, or the one that it plays */
  LwZone to;
  LwAddr destination;
  guint receiver;
  LwVia via;
  const char *column; /* nullable: in place of the zone's name */
} LwWay;
LwFlow *lw_verify_flow_new(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                           const LwWay *way, LwProto proto, guint16 port);

/* Who takes the flows, those of one place after those of another. */
typedef struct {
  void (*take)(GPtrArray *flows, gpointer data); /* of LwFlow*; what is left in it is freed */
  /* Nullable. So many flows go that way, to a segment's machines or to the router by gateways that are not
     the sender's own, and the file allows none of them. TRUE: they need not be made, and count as stopped. Of
     the way what is common to them is set: place, source, from, to. */
  gboolean (*stopped)(const LwWay *way, guint count, gpointer data);
  gpointer data;
} LwFlowSink;
void lw_verify_each_flow(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                         const LwSurroundings *around, const LwFlowSink *sink);
/* All of them: of LwFlow*, freeing */
GPtrArray *lw_verify_flows(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                           const LwSurroundings *around);
