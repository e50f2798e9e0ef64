/* An audit of any OPNsense by its config.xml alone: who reaches whom, and what is open that hardly anybody
 * means to be.
 *
 * What it says of a rule it shows by a packet. What the file does not hold (leases, the contents of tables
 * that are fetched) is said in the notes, and taken in the direction that does not hide a hole.
 */
#pragma once

#include "audit/space.h"

#include <json-glib/json-glib.h>

typedef enum { LW_HARM_LOW, LW_HARM_MEDIUM, LW_HARM_HIGH, LW_HARM_CRITICAL } LwHarm;

/* A packet as people read it; all strings transfer with it. */
typedef struct {
  char *in;       /* the interface's description */
  char *protocol; /* tcp, udp, icmp, … */
  char *source, *destination;
  guint sport, dport; /* 0: none */
  char *text;         /* all of it in a line */
  char *rule;         /* what let it through; nullable */
  char *goes;         /* "by WAN (WAN_DHCP)", "to the router", "to LAN20", "nowhere" */
} LwAuditShown;

typedef struct {
  LwHarm harm;
  const char *kind; /* web, ssh, open-from-outside, falls-back, ipv6, private, dns, forward, never-matches,
                       shadowed */
  char *title, *detail, *remedy;
  GPtrArray *packets; /* of LwAuditShown*; none for a rule that no packet meets */
  GPtrArray *rules;   /* of char*: names of the rules it is about */
} LwAuditFinding;

typedef enum { LW_OPEN_NONE, LW_OPEN_SOME, LW_OPEN_ALL } LwAuditOpen;

/* Packets of one family from one zone to one column, let through by one rule. */
typedef struct {
  char *rule, *services, *to; /* to: addresses */
  char *way;                  /* "by VPN0 (VPN0_GW)"; NULL: inside */
} LwAuditFlow;

typedef struct {
  LwAuditOpen open;
  GPtrArray *flows; /* of LwAuditFlow* */
  GPtrArray *exits; /* of char*: descriptions of the interfaces it leaves by */
} LwAuditCell;

typedef struct {
  char *name;
  LwPlaceKind kind;
  int zone;
} LwAuditColumn;

typedef struct {
  guint8 family;
  GPtrArray *columns; /* of LwAuditColumn* */
  GPtrArray
      *rows; /* of GPtrArray* of LwAuditCell*, one row for each zone; a NULL cell: the zone's own network */
} LwAuditMatrix;

/* The same router with a gateway deleted or disabled. */
typedef struct {
  const LwPfGateway *gateway; /* of LwAudit.pf */
  LwPf *pf;
  GPtrArray *worlds; /* of LwAuditWorld*, as LwAudit.worlds */
} LwAuditGone;

typedef struct {
  const LwOpn *opn;
  LwOpnLinks *links;
  LwPf *pf;
  GPtrArray *worlds;   /* of LwAuditWorld*: IPv4, and IPv6 where it is on */
  GPtrArray *targets;  /* of GPtrArray* of LwAuditTarget*, for each world */
  GPtrArray *spaces;   /* of GPtrArray* of LwAuditSpace*, for each world and zone */
  GPtrArray *gone;     /* of LwAuditGone*: one for each gateway that a rule names */
  GPtrArray *matrices; /* of LwAuditMatrix*, for each world */
  GPtrArray *findings; /* of LwAuditFinding*: the most harmful first */
  GPtrArray *notes;    /* of char* */
} LwAudit;

/* opn must outlive it. */
LwAudit *lw_audit_new(const LwOpn *opn);
void lw_audit_free(LwAudit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwAudit, lw_audit_free)

const char *lw_harm_name(LwHarm harm);
/* For a terminal. name: of the file. Transfer full. */
char *lw_audit_format(const LwAudit *audit, const char *name, gboolean colour);
/* Transfer full; without format_version. */
JsonObject *lw_audit_to_json(const LwAudit *audit, const char *name);
/* The matrix as a picture. Transfer full. */
char *lw_audit_svg(const LwAudit *audit, const char *name);
