/* Between the parts of the generator. */
#pragma once

#include "providers/opnsense/generate.h"
#include "providers/opnsense/xml.h"

#define LW_OPN_LAB "lanward_lab"         /* alias: every network of the lab */
#define LW_OPN_SPECIAL "lanward_special" /* alias: what “internet” never means */
#define LW_OPN_ADMIN "lanward_admin"     /* alias: ports that manage the router */
#define LW_OPN_DNS_TAG "lanward-dns"     /* on queries that were led to the exit's resolver */
#define LW_OPN_FORWARD_TAG "lanward-fwd" /* on packets that a forward led on */
#define LW_OPN_EGRESS "%s: egress %s"    /* a rule's description: segment, share */
#define LW_OPN_WAN_GATEWAY "WAN_DHCP"
#define LW_OPN_HOST_GATEWAY "LANWARD_HOST"

typedef struct {
  const LwLab *lab;
  LwFacts *facts;
  LwSecretStore *secrets; /* nullable */
  GPtrArray *notes;
  xmlNode *root, *rules, *source_nat, *nat; /* where rules go */
  GHashTable *uuids;                        /* set of char*: each once */
  guint sequence, source_sequence, forward_sequence;
} LwOpnMaker;

/* A child with text; text NULL: an empty element. Returns it. */
xmlNode *lw_opn_add(xmlNode *parent, const char *name, const char *text);
void lw_opn_set_uuid(LwOpnMaker *maker, xmlNode *node, const char *kind, const char *name);
/* Addresses as a list with commas. Transfer full. */
char *lw_opn_range_text(const LwRange *range);

typedef struct {
  const char *action, *interface, *protocol; /* protocol NULL: any */
  const char *source, *destination, *port;   /* NULL: any */
  const char *source_port;                   /* NULL: any */
  const char *gateway, *reply_to, *tagged;
  const char *icmp; /* NULL: any of its types */
  gboolean log;
} LwOpnNewRule;

/* The rules from here on get sequences of a block of their own: what is added to a segment moves no rule of
 * another. number: from 1. */
void lw_opn_start_block(LwOpnMaker *maker, guint number);
/* Adds a rule, last; what: the end of its description, after “lanward: ”. */
void lw_opn_add_rule(LwOpnMaker *maker, const LwOpnNewRule *rule, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

typedef struct {
  const char *interface, *protocol, *source, *source_port, *destination, *port, *target, *local_port, *tag;
  gboolean destination_not;
} LwOpnNewForward;

void lw_opn_add_forward(LwOpnMaker *maker, const LwOpnNewForward *forward, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The gateway that an exit is named by; LW_NONE: WAN's. Transfer full. */
char *lw_opn_exit_gateway(const LwLab *lab, guint tunnel);
/* Segments, tunnels in the order of their numbers: of guint. Transfer full. */
GArray *lw_opn_segments(LwOpnMaker *maker);
GArray *lw_opn_tunnels(LwOpnMaker *maker);

void lw_opn_make_rules(LwOpnMaker *maker); /* filter rules, and forwards with them */
