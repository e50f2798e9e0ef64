/* Forwards: whether anything lets them through, and whether the answers leave by the way the packets came. */
#include "audit/findings.h"

#include <string.h>

/* The interface's own address where a forward takes it: what the sender outside knows. */
static LwIp own_address(const LwAuditWorld *world, const LwAuditZone *zone, const LwIpSet *set) {
  const LwAddr *addr = world->family == 6 ? &zone->link->address6.addr : &zone->link->address4.addr;
  if (lw_addr_is_set(addr) && lw_ip_set_contains(set, lw_ip_of(addr)))
    return lw_ip_of(addr);
  g_autoptr(LwIpSet) self = lw_ip_set_intersect(set, world->self);
  return g_array_index((lw_ip_set_is_empty(self) ? set : self)->ranges, LwIpRange, 0).first;
}

/* Not the router, and not the first of a range, where there is another. */
static LwIp some_sender(const LwAuditWorld *world, const LwIpSet *senders) {
  g_autoptr(LwIpSet) others = lw_ip_set_subtract(senders, world->self);
  const LwIpSet *from = lw_ip_set_is_empty(others) ? senders : others;
  for (guint i = 0; i < from->ranges->len; i++) {
    const LwIpRange *range = &g_array_index(from->ranges, LwIpRange, i);
    if (lw_ip_cmp(range->first, range->last) < 0)
      return lw_ip_next(range->first);
  }
  return g_array_index(from->ranges, LwIpRange, 0).first;
}

/* A packet that the redirection takes; FALSE: none can be made. */
static gboolean make_packet(const LwAuditWorld *world, const LwAuditRule *rdr, guint zone,
                            LwAuditPacket *packet) {
  const LwAuditZone *where = lw_audit_zone(world, zone);
  g_autoptr(LwIpSet) outside = lw_ip_set_complement(world->inside);
  g_autoptr(GPtrArray) targets = lw_audit_targets_new(world);
  const LwAuditTarget *internet = targets->pdata[targets->len - 1];
  g_autoptr(LwIpSet) senders =
      lw_ip_set_intersect(rdr->source, where->role == LW_ROLE_INSIDE ? where->network : internet->set);
  if (lw_ip_set_is_empty(senders) && where->role != LW_ROLE_INSIDE) {
    lw_ip_set_free(g_steal_pointer(&senders));
    senders = lw_ip_set_intersect(rdr->source, outside);
  }
  if (lw_ip_set_is_empty(senders) || lw_ip_set_is_empty(rdr->destination) || rdr->never)
    return FALSE;
  *packet = (LwAuditPacket){
      .family = world->family, .source = some_sender(world, senders), .sport = 50000, .dport = 443};
  packet->destination = own_address(world, where, rdr->destination);
  packet->protocol = rdr->protocol_count ? rdr->protocols[0] : 6;
  packet->icmp_type = packet->protocol == 58 ? 128 : 8;
  if (rdr->dports && rdr->dports->len)
    packet->dport = (guint16)g_array_index(rdr->dports, LwPortRange, 0).first;
  return TRUE;
}

static void report_blocked(LwAudit *audit, const LwAuditSpace *space, const LwAuditPacket *packet,
                           const LwAuditDecision *decision, const char *name) {
  LwAuditFinding *finding =
      lw_audit_add(audit, LW_HARM_LOW, "forward",
                   g_strdup_printf("the forward “%s” leads nowhere: no rule lets it through", name),
                   g_strdup_printf("the rules of %s see the packet with its new address, and block it",
                                   lw_audit_zone(space->world, space->zone)->name),
                   g_strdup("add a rule that passes to the target and port of the forward, or set the "
                            "forward to make one, or take "
                            "it out"));
  lw_audit_add_packet(finding, space, packet, decision);
}

/* The answers belong to a state, and take the routes unless the rule that made it says otherwise. */
static void report_no_reply(LwAudit *audit, const LwAuditSpace *space, const LwAuditPacket *packet,
                            const LwAuditDecision *decision, const char *name) {
  const LwPfGateway *best = lw_pf_default_gateway(audit->pf, space->world->family);
  const char *zone = lw_audit_zone(space->world, space->zone)->name;
  gboolean passes_itself = decision->rdr->rule->pass;
  LwAuditFinding *finding = lw_audit_add(
      audit, LW_HARM_MEDIUM, "forward",
      g_strdup_printf("the answers of the forward “%s” leave by %s, not by %s", name,
                      best ? best->name : "nowhere", zone),
      passes_itself ? g_strdup("a forward that passes by itself has no reply-to: the answers take the "
                               "default route, the sender "
                               "never sees them, and whoever is on that way sees your machine's address")
                    : g_strdup("the rule that lets it through has no reply-to: the answers take the default "
                               "route, the sender "
                               "never sees them, and whoever is on that way sees your machine's address"),
      g_strdup_printf("let a rule of %s pass the forward's target and set its reply-to to %s's gateway%s",
                      zone, zone, passes_itself ? "; set the forward to “Manual”" : ""));
  lw_audit_add_packet(finding, space, packet, decision);
}

static void check_forward(LwAudit *audit, guint w, guint zone, const LwAuditRule *rdr) {
  const LwAuditSpace *space = lw_audit_space(audit, w, zone);
  const LwAuditWorld *world = space->world;
  const LwPfGateway *best = lw_pf_default_gateway(audit->pf, world->family);
  LwAuditPacket packet;
  LwAuditDecision decision;
  if (!make_packet(world, rdr, zone, &packet))
    return;
  lw_audit_decide(world, zone, &packet, &decision);
  if (decision.rdr != rdr) /* another forward, or none, takes it first */
    return;
  const char *descr = rdr->rule->descr;
  g_autofree char *name =
      *descr ? g_strdup(descr) : g_strdup_printf("forward %u", rdr->rule->forward->number);
  if (!decision.pass) {
    report_blocked(audit, space, &packet, &decision, name);
    return;
  }
  const LwAuditZone *where = lw_audit_zone(world, zone);
  const char *device = where->link->interface->device;
  const char *reply = decision.in ? decision.in->rule->reply_device : NULL;
  gboolean is_default = best && best->device && g_str_equal(best->device, device);
  if (where->role == LW_ROLE_INSIDE || is_default || (reply && g_str_equal(reply, device)))
    return;
  report_no_reply(audit, space, &packet, &decision, name);
}

void lw_audit_find_forwards(LwAudit *audit) {
  for (guint w = 0; w < audit->worlds->len; w++) {
    const LwAuditWorld *world = lw_audit_world(audit, w);
    for (guint i = 0; i < world->rdr->len; i++) {
      const LwAuditRule *rdr = world->rdr->pdata[i];
      for (guint zone = 0; zone < world->zones->len; zone++)
        if (!rdr->rule->negative && rdr->rule->forward && rdr->on[zone])
          check_forward(audit, w, zone, rdr);
    }
  }
}
