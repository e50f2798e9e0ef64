/* An OPNsense as something that packets go through: its rules with every name resolved, its routes, its
 * addresses.
 *
 * Evaluated as pf does: redirection, then the filter inbound (the first rule with quick, or else the last
 * that matches), then the way out (route-to, or the routes), source NAT, the filter outbound. Where the file
 * does not say what an alias holds, a rule that passes is taken to match all that it could, and one that
 * blocks nothing that it need not.
 */
#pragma once

#include "base/ranges.h"
#include "providers/opnsense/pf-names.h"

typedef struct {
  guint8 family;
  LwIp source, destination;
  guint8 protocol;      /* 6, 17, 1, 58, … */
  guint16 sport, dport; /* tcp, udp */
  guint8 icmp_type;     /* icmp, ipv6-icmp */
  const char *tag;      /* put on by a forward or a rule; nullable */
} LwAuditPacket;

typedef struct {
  const LwPfRule *rule;
  guint index; /* in the world's list */
  LwIpSet *source, *destination;
  GArray *sports, *dports; /* of LwPortRange; NULL: any, and protocols without ports */
  GArray *icmp_types;      /* of guint8; NULL: any */
  guint8 protocols[2];     /* up to two; protocol_count 0: any */
  guint protocol_count;
  gboolean *on;         /* for each zone: whether its packets are asked */
  gboolean never;       /* it cannot be counted on (a block with conditions that are not modelled) */
  LwIpSet *target;      /* translations: what to; nullable */
  guint32 target_first; /* translations: first port; 0: unchanged */
} LwAuditRule;

typedef enum { LW_ROLE_INSIDE, LW_ROLE_UPLINK, LW_ROLE_TUNNEL } LwAuditRole;

typedef struct {
  const LwOpnLink *link;
  const char *name; /* the interface's description */
  LwAuditRole role;
  gboolean management; /* the one that anti-lockout opens */
  LwIpSet *network;    /* of the world's family, its own address included; empty: none known */
} LwAuditZone;

typedef struct {
  LwPrefix prefix;
  guint zone;
  const LwPfGateway *gateway; /* nullable: connected */
} LwAuditRoute;

typedef struct {
  const LwPf *pf;
  const LwOpn *opn;
  guint8 family;
  GPtrArray *zones;    /* of LwAuditZone*: enabled interfaces, groups left out */
  GPtrArray *filter;   /* of LwAuditRule*, in order */
  GPtrArray *rdr;      /* of LwAuditRule* */
  GPtrArray *nat;      /* of LwAuditRule* */
  GArray *routes;      /* of LwAuditRoute */
  LwIpSet *self;       /* every address of the router, loopback left out */
  LwIpSet *inside;     /* the networks of the inside zones */
  GHashTable *unknown; /* set of char*: aliases whose content the file does not hold */
} LwAuditWorld;

typedef enum { LW_TO_NOWHERE, LW_TO_SELF, LW_TO_NETWORK, LW_TO_EXIT } LwAuditWhere;

typedef struct {
  gboolean pass;
  LwAuditWhere where;           /* also when it does not pass: where it would have gone */
  guint zone;                   /* NETWORK, EXIT: of the world */
  const LwPfGateway *gateway;   /* EXIT: by which; nullable */
  gboolean by_rule;             /* route-to, rather than a route */
  const LwAuditRule *in, *out;  /* what decided; NULL: no rule matched (pf passes) */
  const LwAuditRule *rdr, *nat; /* nullable */
  LwAuditPacket packet;         /* as it leaves the router's redirection: what the filter saw inbound */
} LwAuditDecision;

/* pf must outlive it. */
LwAuditWorld *lw_audit_world_new(const LwPf *pf, guint8 family);
void lw_audit_world_free(LwAuditWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwAuditWorld, lw_audit_world_free)

LwAuditZone *lw_audit_zone(const LwAuditWorld *world, guint index);
/* Whether a rule is asked for packets of this zone's interface (its device, a group of it, or all): see
 * rule->on. */
gboolean lw_audit_rule_is_on(const LwAuditWorld *world, const LwPfRule *rule, guint zone);
gboolean lw_audit_rule_matches(const LwAuditRule *rule, const LwAuditPacket *packet);
/* The same, but for its addresses. */
gboolean lw_audit_rule_serves(const LwAuditRule *rule, const LwAuditPacket *packet);
/* A packet that comes in at a zone's interface. */
void lw_audit_decide(const LwAuditWorld *world, guint zone, const LwAuditPacket *packet,
                     LwAuditDecision *decision);
/* The index of the route a destination takes; -1: none. */
int lw_audit_route(const LwAuditWorld *world, LwIp destination);
