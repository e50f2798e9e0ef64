/* All packets that can come in at one interface, cut into classes that no rule can tell apart: so that one
 * packet of a class, decided, decides them all. Exact: what is said of a class holds for each of its packets.
 */
#pragma once

#include "audit/world.h"

typedef enum {
  LW_PLACE_SELF,    /* an address of the router */
  LW_PLACE_INSIDE,  /* the network of an inside zone */
  LW_PLACE_OUTSIDE, /* the network that an uplink or tunnel is in */
  LW_PLACE_PRIVATE, /* RFC 1918 (IPv6: fc00::/7) that is not the lab's */
  LW_PLACE_SPECIAL, /* the other special-purpose prefixes */
  LW_PLACE_INTERNET,
} LwPlaceKind;

typedef struct {
  LwPlaceKind kind;
  int zone; /* SELF: whose address, -1: a virtual IP; INSIDE, OUTSIDE: which; else -1 */
  LwIpSet *set;
} LwAuditTarget;

typedef struct {
  LwIpSet *set;
  LwIp example;
  guint target; /* destinations: index of LwAuditSpaces.targets */
} LwAuditSide;

#define LW_CLIENT_PORT 50000

typedef struct {
  guint8 protocol;
  LwPortRange sport, dport; /* tcp, udp */
  guint8 icmp_type;
  gboolean other_type; /* icmp: this type stands for all that no rule names */
  gboolean other;      /* a protocol that stands for all that no rule names */
  gboolean ordinary;   /* its source port is what a client picks: LW_CLIENT_PORT's class */
  guint16 sport_example, dport_example;
  guint group;
} LwAuditService;

typedef struct {
  guint source, destination;        /* of the space */
  const LwAuditDecision *decisions; /* one for each service of the space */
} LwAuditPair;

typedef struct {
  const LwAuditWorld *world;
  guint zone;
  GPtrArray *sources, *destinations; /* of LwAuditSide* */
  GArray *services;                  /* of LwAuditService */
  GArray *order;                     /* of guint: services, those that a reader knows best first */
  GArray *pairs;                     /* of LwAuditPair */
  GPtrArray *outcomes;               /* owns the decisions */
} LwAuditSpace;

/* What destinations are told apart by, of a family. Of LwAuditTarget*, freeing. */
GPtrArray *lw_audit_targets_new(const LwAuditWorld *world);

/* ports: further ports to tell apart (of guint16). world and targets must outlive it. */
LwAuditSpace *lw_audit_space_new(const LwAuditWorld *world, const GPtrArray *targets, guint zone,
                                 const GArray *ports);
void lw_audit_space_free(LwAuditSpace *space);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwAuditSpace, lw_audit_space_free)

const LwAuditSide *lw_audit_source(const LwAuditSpace *space, const LwAuditPair *pair);
const LwAuditSide *lw_audit_destination(const LwAuditSpace *space, const LwAuditPair *pair);
LwAuditService *lw_audit_service(const LwAuditSpace *space, guint index);
/* The example packet of a pair and a service. */
LwAuditPacket lw_audit_example(const LwAuditSpace *space, const LwAuditPair *pair, guint service);
