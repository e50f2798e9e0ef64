/* What the words of pf's rules stand for: addresses, ports, protocols, interface groups, routes. */
#pragma once

#include "base/ranges.h"
#include "providers/opnsense/pf.h"

typedef struct {
  const LwPf *pf;
  guint8 family;
  const LwIpSet *self; /* every address of the router: lw_pf_self() */
  gboolean over;       /* what the file does not hold is taken for everything; else for nothing */
  GHashTable *unknown; /* set of char*: names whose contents the file does not hold are added */
  guint depth;         /* 0 */
} LwPfNames;

/* Every address of the router of that family, virtual ones too; loopback left out. Transfer full. */
LwIpSet *lw_pf_self(const LwPf *pf, guint8 family);
/* "any", "(self)", "(vtnet2:network)", "$alias", "192.168.0.0/16"; several with commas; "!" before. Transfer
 * full. */
LwIpSet *lw_pf_addresses(const LwPfNames *names, const char *text);

typedef struct {
  guint32 first, last;
} LwPortRange;

/* Of LwPortRange, transfer full; NULL: any. */
GArray *lw_pf_ports(const LwOpn *opn, const char *text);

/* The number of a protocol's name; 0: not known. */
guint8 lw_pf_protocol(const char *name);
/* Up to two numbers; returns how many, 0: any protocol. A name that is not known gives the number 0. */
guint lw_pf_protocols(const char *text, guint8 out[2]);
/* Of guint8, transfer full; NULL: any. */
GArray *lw_pf_icmp_types(const char *text);

/* Whether a group of interfaces ("wireguard", one of the user's) has it. */
gboolean lw_pf_in_group(const LwOpn *opn, const char *group, const LwOpnInterface *interface);

typedef struct {
  LwPrefix prefix;
  const LwOpnLink *link;
  const LwPfGateway *gateway; /* nullable: on the link */
} LwPfRoute;

/* Static routes, those that WireGuard makes of its peers, the default route; not those that come with
 * addresses. Of LwPfRoute, transfer full. */
GArray *lw_pf_routes(const LwPf *pf, guint8 family);
