/* An OPNsense config.xml as values: what decides who reaches whom.
 *
 * The shapes follow the file (the names of its elements are in the comments); what a field means when it is
 * missing is settled here, as OPNsense 26.7 settles it. Secrets of the file (passwords, private keys, API
 * keys) are not read at all. All strings belong to the LwOpn and are valid UTF-8; NULL when the element is
 * missing or empty, unless said otherwise.
 */
#pragma once

#include "base/addr.h"

#include <glib.h>

/* One end of a rule. network: an address, a prefix, an interface's key ("opt1": its network; "opt1ip": its
 * address),
 * "(self)", an alias; several with commas; NULL: any. port: a number, a name, "a-b", an alias; NULL: any. */
typedef struct {
  const char *network, *port;
  gboolean negate;
} LwOpnEnd;

typedef struct {
  const char *key;    /* wan, lan, opt1 … : the element's name */
  const char *device; /* <if> */
  const char *descr;  /* <descr>, or the key in capitals */
  gboolean enabled, is_virtual, group, locked;
  const char *ipaddr, *ipaddrv6; /* an address, or dhcp, dhcp6, track6, slaac, … */
  guint subnet, subnetv6;        /* prefix lengths; 0 when missing */
  const char *gateway, *gatewayv6;
  gboolean gateway_interface;
  gboolean block_private, block_bogons;
} LwOpnInterface;

typedef struct {
  const char *name, *interface, *family; /* family: inet, inet6 */
  const char *address;                   /* NULL: dynamic */
  gboolean disabled, is_default, force_down;
  guint priority; /* 255 when missing; the lowest number is preferred */
} LwOpnGateway;

typedef struct {
  const char *name;
  GPtrArray *members; /* of const char*, gateway names of the first tier that is not empty */
  GPtrArray *all;     /* of const char*, every member */
} LwOpnGatewayGroup;

typedef struct {
  const char *name, *type; /* host, network, port, networkgroup, urltable, geoip, … */
  gboolean enabled;
  GPtrArray *content; /* of const char* */
} LwOpnAlias;

typedef struct {
  const char *name;
  GPtrArray *members; /* of const char*: interface keys */
  guint sequence;
} LwOpnIfGroup;

/* A filter rule, of the old page (filter/rule) or the new one (OPNsense/Firewall/Filter/rules/rule), or one
 * that OPNsense makes by itself. */
typedef struct {
  gboolean legacy, automatic;
  guint number;     /* its place among the rules of its page, from 1; 0 when automatic */
  const char *uuid; /* the new page's label in logs */
  gint64 sequence;
  gboolean disabled;
  const char *action;    /* pass, block, reject */
  int quick;             /* 1, 0; -1: not said */
  gboolean floating;     /* as the file says or as the new page's interfaces imply */
  const char *interface; /* keys, with commas; NULL: every one */
  gboolean interface_not;
  const char *direction; /* in, out, any; NULL: in */
  const char *family;    /* inet, inet6, inet46; NULL: both, in one rule */
  const char *protocol;  /* tcp, tcp/udp, icmp, … in lower case; NULL: any */
  const char *icmp_types, *icmp6_types;
  LwOpnEnd source, destination;
  const char *gateway, *reply_to;
  gboolean no_reply_to, log, allow_options;
  const char *state; /* keep, "keep state", sloppy, none …; NULL: pf's default, keep */
  const char *flags; /* TCP flags, in pf's words */
  const char *schedule;
  const char *tag, *tagged;
  const char *narrows; /* names of further conditions that a packet must meet and that are not modelled */
  const char *descr;   /* never NULL */
} LwOpnRule;

/* A port forward (nat/rule). */
typedef struct {
  guint number;
  const char *uuid;
  gint64 sequence;
  gboolean disabled, no_rdr, log;
  const char *interface, *family, *protocol;
  LwOpnEnd source, destination;
  const char *target, *local_port;
  const char *pass;       /* NULL: a rule must let it through; "pass"; "rule": OPNsense makes the rule */
  const char *reflection; /* NULL: the system's default; purenat, enable, disable */
  const char *tag, *tagged;
  const char *descr;
} LwOpnForward;

/* Outbound NAT: nat/outbound/rule (manual) or OPNsense/Firewall/Filter/snatrules/rule. */
typedef struct {
  gboolean legacy;
  guint number;
  const char *uuid;
  gint64 sequence;
  gboolean disabled, no_nat, log, static_port;
  const char *interface, *family, *protocol;
  LwOpnEnd source, destination;
  const char *target, *target_port, *pool;
  const char *descr;
} LwOpnSourceNat;

typedef struct {
  const char *name, *instance; /* instance N is the device wgN */
  gboolean enabled, disable_routes;
  GPtrArray *addresses; /* of const char*: tunneladdress */
  GPtrArray *allowed;   /* of const char*: tunneladdress of its peers, the enabled ones */
} LwOpnWireguard;

typedef struct {
  const char *network, *gateway, *descr;
} LwOpnRoute;

typedef struct {
  const char *interface, *first, *last, *mask, *uuid;
} LwOpnRange;

typedef struct {
  const char *host, *address, *mac, *uuid;
} LwOpnReservation;

typedef struct {
  const char *interface, *address;
  guint length;
} LwOpnVip;

typedef struct {
  GStringChunk *strings;
  const char *hostname, *domain, *theme_version;
  gboolean ipv6_allowed;
  gboolean no_reply_to, skip_rules_gw_down, no_force_gw, no_port0_block, no_ssh_lockout, no_virusprot,
      no_rfc4890;
  gboolean reflection, filter_disabled;
  gboolean log_pass, log_block, log_bogons, log_private, log_outbound;
  struct {
    const char *protocol, *port, *interfaces; /* interfaces: keys with commas; NULL: it listens on all */
    gboolean no_anti_lockout, no_http_redirect;
  } web;
  struct {
    gboolean enabled, root, password;
    const char *port, *interfaces;
  } ssh;
  struct {
    gboolean enabled, firewall_rules;
    const char *port, *interfaces, *no_dhcp; /* port NULL: 53; "0": no DNS */
    GPtrArray *ranges, *reservations;        /* of LwOpnRange*, LwOpnReservation* */
  } dnsmasq;
  struct {
    gboolean enabled;
    const char *port, *interfaces, *outgoing;
  } unbound;
  const char *outbound_mode; /* automatic, hybrid, advanced, disabled; never NULL */
  gboolean wireguard;
  GPtrArray *interfaces;     /* of LwOpnInterface*, in the file's order */
  GPtrArray *gateways;       /* of LwOpnGateway* */
  GPtrArray *gateway_groups; /* of LwOpnGatewayGroup* */
  GPtrArray *aliases;        /* of LwOpnAlias* */
  GPtrArray *groups;         /* of LwOpnIfGroup* */
  GPtrArray *rules; /* of LwOpnRule*: the new page's by sequence, then the old page's in the file's order */
  GPtrArray *forwards;   /* of LwOpnForward*, by sequence */
  GPtrArray *source_nat; /* of LwOpnSourceNat*, by sequence; then the manual ones of the old page */
  GPtrArray *tunnels;    /* of LwOpnWireguard* */
  GPtrArray *routes;     /* of LwOpnRoute*: static routes that are enabled */
  GPtrArray *vips;       /* of LwOpnVip* */
  GPtrArray *unread;     /* of const char*: things in the file that bear on reachability and are not read */
} LwOpn;

/* Parses the text of a config.xml. Errors (LW_ERROR_SPEC): not well-formed (with the line), a DOCTYPE,
 * another root element. What is missing is as OPNsense takes it. No message quotes the file. */
LwOpn *lw_opn_parse(const char *text, gsize length, GError **error);
void lw_opn_free(LwOpn *opn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwOpn, lw_opn_free)

const LwOpnInterface *lw_opn_interface(const LwOpn *opn, const char *key);              /* NULL: none */
const LwOpnInterface *lw_opn_interface_of_device(const LwOpn *opn, const char *device); /* NULL: none */
const LwOpnAlias *lw_opn_alias(const LwOpn *opn, const char *name);                     /* NULL: none */
/* What a person calls a rule: its description, or its page and number. Transfer full. */
char *lw_opn_rule_name(const LwOpnRule *rule);
/* Compares as PHP's strnatcmp does: digits by their value. */
int lw_opn_natural_cmp(const char *a, const char *b);
