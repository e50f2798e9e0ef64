/* The host's guards: what the router cannot see.
 *
 * A bridge without an address is no isolation: with ip_forward=1 a machine that sends to the bridge's MAC is
 * forwarded by the host, round the router. And on a segment's wire only the bridge family sees who claims
 * which address. So: "lanward_guard" in the inet family closes the host's own IP stack on every segment's
 * bridge, and in the bridge family binds each machine's port to its MAC and addresses and drops rogue DHCP
 * and IPv6.
 */
#include "policy/disjoint.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "policy/rules_common.h"

#define PRIORITY_GUARD (-300)
#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define PROTO_UDP 17

static void close_bridges(LwRuleset *table, const char *chain, LwHook hook, LwField direction) {
  LwChain *c = lw_ruleset_find_chain(table, chain);
  if (!c)
    c = lw_ruleset_add_base_chain(table, chain, hook, PRIORITY_GUARD, FALSE, FALSE);
  LwRule *r = lw_chain_add_rule(c, LW_ORIGIN_NONE, "the host is no router of a segment");
  lw_rule_match_set(r, "bridges", FALSE, direction, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward guard host");
}

LwRuleset *lw_policy_guard_host_rules(const LwLab *lab, LwFacts *facts) {
  (void)facts;
  LwRuleset *table = lw_ruleset_new(LW_FAMILY_INET, "lanward_guard");
  LwSet *bridges = lw_ruleset_add_set(table, LW_SET_PLAIN, "bridges", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  LwSet *wires =
      lw_ruleset_add_set(table, LW_SET_PLAIN, "wires", FALSE, LW_FIELD_IIF, LW_FIELD_OIF, LW_FIELD_LAST);
  LwSet *lab_set = lw_ruleset_add_set(table, LW_SET_PLAIN, "lab", TRUE, LW_FIELD_SADDR, LW_FIELD_LAST);
  LwSet *networks = lw_ruleset_add_set(table, LW_SET_PLAIN, "networks", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST);
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    lw_set_put(bridges, segment->origin, lw_value_name(segment->bridge));
    lw_set_put(wires, segment->origin, lw_value_name(segment->bridge), lw_value_name(segment->bridge));
    lw_set_put(lab_set, segment->origin, lw_value_prefix(segment->subnet));
  }
  for (guint i = 0; i < lab->host.networks->len; i++)
    lw_set_put(networks, lw_lab_network(lab, i)->origin, lw_value_prefix(lw_lab_network(lab, i)->prefix));
  lw_set_make_disjoint(lab_set);
  lw_set_make_disjoint(networks);
  LwChain *forward =
      lw_ruleset_add_base_chain(table, "forward", LW_HOOK_FORWARD, PRIORITY_GUARD, FALSE, FALSE);
  LwRule *r =
      lw_chain_add_rule(forward, LW_ORIGIN_NONE, "on one wire: br_netfilter shows bridged frames here too");
  lw_rule_match_set(r, "wires", FALSE, LW_FIELD_IIF, LW_FIELD_OIF, LW_FIELD_LAST);
  lw_rule_accept(r);
  close_bridges(table, "input", LW_HOOK_INPUT, LW_FIELD_IIF);
  close_bridges(table, "forward", LW_HOOK_FORWARD, LW_FIELD_IIF);
  close_bridges(table, "forward", LW_HOOK_FORWARD, LW_FIELD_OIF);
  close_bridges(table, "output", LW_HOOK_OUTPUT, LW_FIELD_OIF);
  r = lw_chain_add_rule(forward, LW_ORIGIN_NONE, "nobody enters the lab from the home LAN by the host");
  lw_rule_match(r, LW_FIELD_IIF, lw_value_name(lab->host.bridge));
  lw_rule_match(r, LW_FIELD_OIF, lw_value_name(lab->host.management.bridge));
  lw_rule_drop(r, "lanward guard host");
  r = lw_chain_add_rule(forward, LW_ORIGIN_NONE, "the lab leaves by its router alone, networks: or not");
  lw_rule_match(r, LW_FIELD_IIF, lw_value_name(lab->host.management.bridge));
  lw_rule_match(r, LW_FIELD_OIF, lw_value_name(lab->host.bridge));
  lw_rule_match_set(r, "lab", FALSE, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward guard host");
  r = lw_chain_add_rule(forward, LW_ORIGIN_NONE, "the lab reaches nothing through the host but networks:");
  lw_rule_match(r, LW_FIELD_IIF, lw_value_name(lab->host.management.bridge));
  lw_rule_match_set(r, "lab", FALSE, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_rule_match_set(r, "networks", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward guard host");
  return table;
}

/* --- the bridge family
 * ---------------------------------------------------------------------------------------- */

typedef struct {
  LwSet *ports, *router_ports, *free_ports, *macs, *pinned, *claims;
} Guard;

static void pin(const Guard *g, const char *port, LwMac mac, LwAddr address, LwOrigin origin) {
  lw_set_put(g->pinned, origin, lw_value_name(port), lw_value_mac(mac), lw_value_addr(address));
  lw_set_put(g->claims, origin, lw_value_name(port), lw_value_mac(mac), lw_value_addr(address));
}

/* Of one that is cut off nothing passes: a port without a MAC. */
static void pin_port(const Guard *g, const LwLab *lab, LwFacts *facts, guint machine, guint index,
                     const char *port) {
  const LwNic *nic = lw_machine_nic(lw_lab_machine(lab, machine), index);
  guint segment = lw_nic_segment(lab, facts, machine, index);
  LwMac mac = lw_nic_mac_now(lab, facts, machine, index);
  lw_set_put(g->ports, nic->origin, lw_value_name(port));
  if (segment == LW_NONE)
    return;
  if (nic->spoof_ok) {
    lw_set_put(g->free_ports, nic->origin, lw_value_name(port));
    return;
  }
  lw_set_put(g->macs, nic->origin, lw_value_name(port), lw_value_mac(mac));
  LwAddr address = lw_nic_address(lab, facts, machine, index);
  if (lw_addr_is_set(&address))
    pin(g, port, mac, address, nic->origin);
  if (segment != nic->segment)
    return; /* its further addresses belong to its own segment */
  for (guint i = 0; i < nic->addresses->len; i++)
    pin(g, port, mac, g_array_index(nic->addresses, LwPrefix, i).addr, nic->origin);
}

/* A cell that is cut off is on no bridge. A domain is: libvirt leaves its port there, without a link. */
static void pin_nic(const Guard *g, const LwLab *lab, LwFacts *facts, guint machine, guint index) {
  gboolean is_cell = facts->cells_stand_in || lw_lab_machine(lab, machine)->kind == LW_MACHINE_CELL;
  if (is_cell && lw_nic_segment(lab, facts, machine, index) == LW_NONE)
    return;
  g_autofree char *port = lw_name_nic_port(facts, lab, machine, index);
  const char *other = lw_nic_other_port(lab, facts, machine, index);
  pin_port(g, lab, facts, machine, index, port);
  if (other)
    pin_port(g, lab, facts, machine, index, other);
}

static LwRule *guard_rule(LwChain *c, const char *comment) {
  return lw_chain_add_rule(c, LW_ORIGIN_NONE, comment);
}

static LwRule *match_udp(LwRule *r, LwField field, guint32 port) {
  lw_rule_match(r, LW_FIELD_ETH_TYPE, lw_value_number(ETH_P_IP));
  lw_rule_match(r, LW_FIELD_PROTO, lw_value_number(PROTO_UDP));
  return lw_rule_match(r, field, lw_value_number(port));
}

static void build_source_chain(LwRuleset *table) {
  LwChain *c = lw_ruleset_add_base_chain(table, "source", LW_HOOK_PREROUTING, PRIORITY_GUARD, FALSE, FALSE);
  LwRule *r = guard_rule(c, "handed on by the router, or sent by the host");
  lw_rule_match_set(r, "ports", TRUE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = guard_rule(c, "spoof: ok");
  lw_rule_match_set(r, "free_ports", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = guard_rule(c, "a port has its machine's MAC");
  lw_rule_match_set(r, "macs", TRUE, LW_FIELD_IIF, LW_FIELD_ETH_SRC, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward guard mac");
  r = guard_rule(c, "ARP: looking for a free address");
  lw_rule_match(r, LW_FIELD_ETH_TYPE, lw_value_number(ETH_P_ARP));
  lw_rule_match(r, LW_FIELD_ARP_IP, lw_value_addr(lw_addr_from_v4(0)));
  lw_rule_match_set(r, "macs", FALSE, LW_FIELD_IIF, LW_FIELD_ARP_MAC, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = guard_rule(c, "ARP: sent under its own address, not a forged one");
  lw_rule_match(r, LW_FIELD_ETH_TYPE, lw_value_number(ETH_P_ARP));
  lw_rule_match_set(r, "claims", FALSE, LW_FIELD_IIF, LW_FIELD_ARP_MAC, LW_FIELD_ARP_IP, LW_FIELD_LAST);
  lw_rule_accept(r);
  r = match_udp(guard_rule(c, "no DHCP server but the router"), LW_FIELD_SPORT, 67);
  lw_rule_drop(r, "lanward guard dhcp");
  r = match_udp(guard_rule(c, "DHCP client"), LW_FIELD_DPORT, 67);
  lw_rule_match(r, LW_FIELD_SADDR, lw_value_addr(lw_addr_from_v4(0)));
  lw_rule_accept(r);
  r = guard_rule(c, "sent under its own address, not a forged one");
  lw_rule_match(r, LW_FIELD_ETH_TYPE, lw_value_number(ETH_P_IP));
  lw_rule_match_set(r, "pinned", FALSE, LW_FIELD_IIF, LW_FIELD_ETH_SRC, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_rule_accept(r);
  lw_rule_drop(guard_rule(c, "IPv6, other protocols, addresses out of place"), "lanward guard source");
}

/* Frames for the host itself: a segment's bridge is a wire, not a way in. Counted, not logged: every
 * broadcast on the wire comes by here too. */
static void close_input(LwChain *c, const char *set, const char *comment) {
  LwRule *r = guard_rule(c, comment);
  lw_rule_match_set(r, set, FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_add_action(r, LW_ACTION_COUNT);
  lw_rule_verdict(r, LW_VERDICT_DROP, NULL);
}

static void build_input_chain(LwRuleset *table) {
  LwChain *c = lw_ruleset_add_base_chain(table, "input", LW_HOOK_INPUT, PRIORITY_GUARD, FALSE, FALSE);
  close_input(c, "ports", "the bridge's own MAC answers nobody");
  close_input(c, "router_ports", "nor the router's leg of a segment");
}

/* With meta ibrname the bridges themselves are closed to ports that nobody has declared. */
static void build_strangers(const LwLab *lab, LwRuleset *table) {
  LwSet *bridges = lw_ruleset_add_set(table, LW_SET_PLAIN, "bridges", FALSE, LW_FIELD_IBRIDGE, LW_FIELD_LAST);
  for (guint i = 0; i < lab->segments->len; i++)
    lw_set_put(bridges, lw_lab_segment(lab, i)->origin, lw_value_name(lw_lab_segment(lab, i)->bridge));
  LwChain *c =
      lw_ruleset_add_base_chain(table, "strangers", LW_HOOK_PREROUTING, PRIORITY_GUARD + 1, FALSE, FALSE);
  LwRule *r = guard_rule(c, "a port that is nobody's");
  lw_rule_match_set(r, "bridges", FALSE, LW_FIELD_IBRIDGE, LW_FIELD_LAST);
  lw_rule_match_set(r, "ports", TRUE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_match_set(r, "router_ports", TRUE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_drop(r, "lanward guard stranger");
}

LwRuleset *lw_policy_guard_bridge_rules(const LwLab *lab, LwFacts *facts) {
  LwRuleset *table = lw_ruleset_new(LW_FAMILY_BRIDGE, "lanward_guard");
  Guard g = {
      .ports = lw_ruleset_add_set(table, LW_SET_PLAIN, "ports", FALSE, LW_FIELD_IIF, LW_FIELD_LAST),
      .router_ports =
          lw_ruleset_add_set(table, LW_SET_PLAIN, "router_ports", FALSE, LW_FIELD_IIF, LW_FIELD_LAST),
      .free_ports = lw_ruleset_add_set(table, LW_SET_PLAIN, "free_ports", FALSE, LW_FIELD_IIF, LW_FIELD_LAST),
      .macs = lw_ruleset_add_set(table, LW_SET_PLAIN, "macs", FALSE, LW_FIELD_IIF, LW_FIELD_ETH_SRC,
                                 LW_FIELD_LAST),
      .pinned = lw_ruleset_add_set(table, LW_SET_PLAIN, "pinned", FALSE, LW_FIELD_IIF, LW_FIELD_ETH_SRC,
                                   LW_FIELD_SADDR, LW_FIELD_LAST),
      .claims = lw_ruleset_add_set(table, LW_SET_PLAIN, "claims", FALSE, LW_FIELD_IIF, LW_FIELD_ARP_MAC,
                                   LW_FIELD_ARP_IP, LW_FIELD_LAST),
  };
  for (guint i = 0; i < lab->segments->len; i++)
    lw_set_put(
        g.router_ports, lw_lab_segment(lab, i)->origin,
        (LwValue){.kind = LW_VALUE_NAME, .name = lw_name_router_port_now(facts, lw_lab_segment(lab, i))});
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++)
      pin_nic(&g, lab, facts, m, n);
  for (guint i = 0; i < facts->probes->len; i++) {
    const LwProbePort *probe = facts->probes->pdata[i];
    lw_set_put(g.ports, LW_ORIGIN_NONE, lw_value_name(probe->name));
    lw_set_put(g.macs, LW_ORIGIN_NONE, lw_value_name(probe->name), lw_value_mac(probe->mac));
    pin(&g, probe->name, probe->mac, probe->address, LW_ORIGIN_NONE);
  }
  if (facts->bridge_meta)
    build_strangers(lab, table);
  build_source_chain(table);
  build_input_chain(table);
  return table;
}
