/* Between the parts of the audit. */
#pragma once

#include "audit/audit.h"

const LwAuditWorld *lw_audit_world(const LwAudit *audit, guint index);
const LwAuditSpace *lw_audit_space(const LwAudit *audit, guint world, guint zone);
const LwAuditTarget *lw_audit_target(const LwAudit *audit, guint world, guint index);
const LwAuditTarget *lw_audit_pair_target(const LwAudit *audit, guint world, const LwAuditSpace *space,
                                          const LwAuditPair *pair);

/* Transfer full. */
char *lw_audit_protocol_name(guint8 protocol);
LwAuditShown *lw_audit_show(const LwAuditWorld *world, guint zone, const LwAuditPacket *packet,
                            const LwAuditDecision *decision);
void lw_audit_shown_free(LwAuditShown *shown);
/* What lets a packet through; "a forward" for one that no rule looks at. Transfer full. */
char *lw_audit_decider(const LwAuditDecision *decision);
/* "by WAN (WAN_DHCP)", "to LAN20", "to the router", "nowhere". Transfer full. */
char *lw_audit_way(const LwAuditWorld *world, const LwAuditDecision *decision);
/* Names of services, chosen by a flag each: "all", "icmp, tcp+udp/445". Transfer full. */
char *lw_audit_services(const LwAuditSpace *space, const gboolean *chosen);

/* Destinations in people's words: "the internet", "10.0.0.0/8", "every address of the router". Transfer full.
 */
char *lw_audit_places(const LwAudit *audit, guint world, const LwIpSet *set);

/* Adds a finding; title, detail and remedy are taken. */
LwAuditFinding *lw_audit_add(LwAudit *audit, LwHarm harm, const char *kind, char *title, char *detail,
                             char *remedy);
void lw_audit_add_packet(LwAuditFinding *finding, const LwAuditSpace *space, const LwAuditPacket *packet,
                         const LwAuditDecision *decision);
/* Once each. */
void lw_audit_add_rule(LwAuditFinding *finding, const char *name);

/* ", " between, "and" before the last. Transfer full. */
char *lw_audit_list(const GPtrArray *names);
/* Of char*: once each. */
void lw_audit_name_once(GPtrArray *names, const char *name);

void lw_audit_find_services(LwAudit *audit); /* web page and SSH, what is open from outside */
void lw_audit_find_exits(LwAudit *audit);    /* fall-back, private ranges, DNS, IPv6 */
void lw_audit_find_forwards(LwAudit *audit);
void lw_audit_find_idle(LwAudit *audit); /* rules that never match, shadowed ones */
void lw_audit_make_matrices(LwAudit *audit);
