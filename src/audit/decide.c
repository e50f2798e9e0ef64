/* What happens to one packet. */
#include "audit/world.h"

#include <string.h>

gboolean lw_audit_rule_is_on(const LwAuditWorld *world, const LwPfRule *rule, guint zone) {
  const LwOpnInterface *interface = lw_audit_zone(world, zone)->link->interface;
  const char *device = rule->device;
  if (!device)
    return TRUE;
  gboolean on = g_str_equal(device, interface->device) || lw_pf_in_group(world->opn, device, interface);
  return on != rule->device_not;
}

static gboolean port_in(const GArray *ranges, guint16 port) {
  for (guint i = 0; i < ranges->len; i++) {
    const LwPortRange *each = &g_array_index(ranges, LwPortRange, i);
    if (port >= each->first && port <= each->last)
      return TRUE;
  }
  return FALSE;
}

static gboolean protocol_matches(const LwAuditRule *rule, const LwAuditPacket *packet) {
  if (rule->protocol_count == 0)
    return TRUE;
  for (guint i = 0; i < rule->protocol_count; i++)
    if (rule->protocols[i] == packet->protocol)
      return TRUE;
  return FALSE;
}

static gboolean type_matches(const LwAuditRule *rule, const LwAuditPacket *packet) {
  for (guint i = 0; i < rule->icmp_types->len; i++)
    if (g_array_index(rule->icmp_types, guint8, i) == packet->icmp_type)
      return TRUE;
  return FALSE;
}

gboolean lw_audit_rule_serves(const LwAuditRule *rule, const LwAuditPacket *packet) {
  gboolean ports = packet->protocol == 6 || packet->protocol == 17;
  if (rule->never || !protocol_matches(rule, packet))
    return FALSE;
  if ((rule->sports && (!ports || !port_in(rule->sports, packet->sport))) ||
      (rule->dports && (!ports || !port_in(rule->dports, packet->dport))))
    return FALSE;
  return !rule->icmp_types || type_matches(rule, packet);
}

gboolean lw_audit_rule_matches(const LwAuditRule *rule, const LwAuditPacket *packet) {
  if (rule->rule->tagged && g_strcmp0(rule->rule->tagged, packet->tag) != 0)
    return FALSE;
  return lw_audit_rule_serves(rule, packet) && lw_ip_set_contains(rule->destination, packet->destination) &&
         lw_ip_set_contains(rule->source, packet->source);
}

static const LwAuditRule *first_match(const LwAuditWorld *world, const GPtrArray *rules, guint zone,
                                      const LwAuditPacket *packet) {
  for (guint i = 0; i < rules->len; i++)
    if (((LwAuditRule *)rules->pdata[i])->on[zone] && lw_audit_rule_matches(rules->pdata[i], packet))
      return rules->pdata[i];
  return NULL;
}

/* pf's filter: the first match that is quick, or else the last. */
static const LwAuditRule *filter_match(const LwAuditWorld *world, guint zone, gboolean inbound,
                                       const LwAuditPacket *packet) {
  const LwAuditRule *last = NULL;
  for (guint i = 0; i < world->filter->len; i++) {
    const LwAuditRule *rule = world->filter->pdata[i];
    if (!(inbound ? rule->rule->in : rule->rule->out) || !rule->on[zone] ||
        !lw_audit_rule_matches(rule, packet))
      continue;
    if (rule->rule->quick)
      return rule;
    last = rule;
  }
  return last;
}

static void redirect(const LwAuditWorld *world, guint zone, LwAuditDecision *decision) {
  LwAuditPacket *packet = &decision->packet;
  const LwAuditRule *rdr = first_match(world, world->rdr, zone, packet);
  if (!rdr || rdr->rule->negative || !rdr->target || lw_ip_set_is_empty(rdr->target))
    return;
  decision->rdr = rdr;
  if (rdr->rule->tag)
    packet->tag = rdr->rule->tag;
  packet->destination = g_array_index(rdr->target->ranges, LwIpRange, 0).first;
  if (!rdr->target_first)
    return;
  guint32 offset = 0;
  for (guint i = 0; rdr->dports && i < rdr->dports->len; i++) {
    const LwPortRange *range = &g_array_index(rdr->dports, LwPortRange, i);
    if (packet->dport >= range->first && packet->dport <= range->last && rdr->rule->target_port &&
        strchr(rdr->rule->target_port, ':'))
      offset = packet->dport - range->first;
  }
  packet->dport = (guint16)MIN(rdr->target_first + offset, 65535);
}

static gboolean passes(const LwAuditRule *rule) {
  return !rule || g_str_equal(rule->rule->action, "pass");
}

static int zone_of_device(const LwAuditWorld *world, const char *device) {
  for (guint i = 0; device && i < world->zones->len; i++)
    if (g_str_equal(lw_audit_zone(world, i)->link->interface->device, device))
      return (int)i;
  return -1;
}

/* By the rule's gateway, which goes before anything else, the router's own addresses too; or by the routes.
 */
static void find_way(const LwAuditWorld *world, LwAuditDecision *decision) {
  const LwPfGateway *chosen = decision->in && passes(decision->in) ? decision->in->rule->gateway : NULL;
  if (chosen) {
    int zone = zone_of_device(world, chosen->first_device);
    decision->where = zone < 0 ? LW_TO_NOWHERE : LW_TO_EXIT;
    decision->zone = zone < 0 ? 0 : (guint)zone;
    decision->gateway = chosen;
    decision->by_rule = TRUE;
    return;
  }
  if (lw_ip_set_contains(world->self, decision->packet.destination)) {
    decision->where = LW_TO_SELF;
    return;
  }
  int index = lw_audit_route(world, decision->packet.destination);
  if (index < 0) {
    decision->where = LW_TO_NOWHERE;
    return;
  }
  const LwAuditRoute *route = &g_array_index(world->routes, LwAuditRoute, index);
  decision->zone = route->zone;
  decision->where = lw_audit_zone(world, route->zone)->role == LW_ROLE_INSIDE ? LW_TO_NETWORK : LW_TO_EXIT;
  decision->gateway = route->gateway;
}

static void leave(const LwAuditWorld *world, LwAuditDecision *decision) {
  LwAuditPacket packet = decision->packet;
  if (decision->in && decision->in->rule->tag)
    packet.tag = decision->in->rule->tag;
  const LwAuditRule *nat = first_match(world, world->nat, decision->zone, &packet);
  if (nat && !nat->rule->negative && nat->target && !lw_ip_set_is_empty(nat->target)) {
    decision->nat = nat;
    packet.source = g_array_index(nat->target->ranges, LwIpRange, 0).first;
  }
  decision->out = filter_match(world, decision->zone, FALSE, &packet);
  decision->pass = decision->pass && passes(decision->out);
  /* a rule for what leaves may send it elsewhere after all, where the rules for what leaves are asked again
   */
  const LwPfGateway *told = decision->out ? decision->out->rule->gateway : NULL;
  int zone = told ? zone_of_device(world, told->first_device) : -1;
  if (zone < 0 || (guint)zone == decision->zone || !decision->pass)
    return;
  decision->where = LW_TO_EXIT;
  decision->zone = (guint)zone;
  decision->gateway = told;
  decision->by_rule = TRUE;
  decision->out = filter_match(world, decision->zone, FALSE, &packet);
  decision->pass = passes(decision->out);
}

void lw_audit_decide(const LwAuditWorld *world, guint zone, const LwAuditPacket *packet,
                     LwAuditDecision *decision) {
  *decision = (LwAuditDecision){.packet = *packet};
  redirect(world, zone, decision);
  if (!decision->rdr || !decision->rdr->rule->pass)
    decision->in = filter_match(world, zone, TRUE, &decision->packet);
  decision->pass = passes(decision->in);
  find_way(world, decision);
  if (decision->where == LW_TO_NOWHERE)
    decision->pass = FALSE;
  else if (decision->where != LW_TO_SELF)
    leave(world, decision);
}
