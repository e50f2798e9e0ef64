#include "policy/names.h"

char *lw_name_router_leg(const LwSegment *segment) {
  return g_strdup(segment->name);
}

char *lw_name_router_port(const LwSegment *segment) {
  return g_strconcat("lw-", segment->name, NULL);
}

char *lw_name_router_port_now(const LwFacts *facts, const LwSegment *segment) {
  const char *known = g_hash_table_lookup(facts->router_ports, segment->bridge);
  return known ? g_strdup(known) : lw_name_router_port(segment);
}

char *lw_name_router_wan_port_now(const LwFacts *facts, const LwLab *lab) {
  const char *known = g_hash_table_lookup(facts->router_ports, lab->host.bridge);
  return g_strdup(known ? known : LW_ROUTER_WAN_PORT);
}

char *lw_name_tunnel(const LwTunnel *tunnel) {
  return g_strconcat("wg-", tunnel->name, NULL);
}

static char *nic_key(const LwLab *lab, guint machine, guint nic) {
  return g_strdup_printf("%s/%u", lw_lab_machine(lab, machine)->name, nic);
}

char *lw_name_nic_port(LwFacts *facts, const LwLab *lab, guint machine, guint nic) {
  g_autofree char *key = nic_key(lab, machine, nic);
  return g_strdup_printf(LW_NIC_PORT_PREFIX "%u", lw_facts_number(facts, "nic", key));
}

char *lw_name_cell_ns(const LwMachine *machine) {
  return g_strconcat("cell-", machine->name, NULL);
}

char *lw_name_container_ns(const LwMachine *machine, const LwContainerFact *fact) {
  return g_strdup_printf("ctr-%s-%" G_GUINT64_FORMAT, machine->name, fact->netns);
}

char *lw_name_machine_ns(const LwFacts *facts, const LwMachine *machine) {
  if (facts->cells_stand_in || machine->kind == LW_MACHINE_CELL)
    return lw_name_cell_ns(machine);
  const LwContainerFact *fact =
      machine->kind == LW_MACHINE_CONTAINER ? g_hash_table_lookup(facts->containers, machine->name) : NULL;
  return fact && fact->process && !fact->trouble ? lw_name_container_ns(machine, fact) : NULL;
}

LwMac lw_mac_of_wan(const LwLab *lab, const LwFacts *facts) {
  if (lw_mac_is_set(&lab->router.wan_mac))
    return lab->router.wan_mac;
  g_autofree char *uplink = lw_mac_is_set(&facts->uplink_mac) ? lw_mac_format(&facts->uplink_mac) : NULL;
  g_autofree char *seed = g_strconcat(lab->name, "/router/wan", uplink ? "/" : "", uplink, NULL);
  return lw_mac_derive(seed);
}

char *lw_name_nic(guint nic) {
  return g_strdup_printf("eth%u", nic);
}

guint32 lw_mark_of_exit(LwFacts *facts, const LwLab *lab, guint tunnel) {
  /* "direct" is numbered first, always: LW_MARK_DIRECT is a constant that other programs may rely on */
  guint direct = lw_facts_number(facts, "exit", "direct");
  guint number =
      tunnel == LW_NONE ? direct : lw_facts_number(facts, "exit", lw_lab_tunnel(lab, tunnel)->name);
  return LW_MARK_DIRECT - 1 + number;
}

guint32 lw_table_of_exit(LwFacts *facts, const LwLab *lab, guint tunnel) {
  return lw_mark_of_exit(facts, lab, tunnel);
}

guint lw_nic_segment(const LwLab *lab, const LwFacts *facts, guint machine, guint nic) {
  const LwMachine *m = lw_lab_machine(lab, machine);
  if (g_hash_table_contains(facts->cut, m->name))
    return LW_NONE;
  g_autofree char *key = nic_key(lab, machine, nic);
  const char *moved = g_hash_table_lookup(facts->positions, key);
  guint there = moved ? lw_lab_find_segment(lab, moved) : LW_NONE;
  /* a segment that the file no longer has: back to the file's own */
  return there != LW_NONE ? there : lw_machine_nic(m, nic)->segment;
}

LwAddr lw_nic_address(const LwLab *lab, const LwFacts *facts, guint machine, guint nic) {
  guint segment = lw_nic_segment(lab, facts, machine, nic);
  if (segment == LW_NONE)
    return LW_ADDR_NONE;
  const LwNic *declared = lw_machine_nic(lw_lab_machine(lab, machine), nic);
  if (segment == declared->segment && lw_addr_is_set(&declared->address))
    return declared->address;
  g_autofree char *key = g_strdup_printf("%s/%u/%s", lw_lab_machine(lab, machine)->name, nic,
                                         lw_lab_segment(lab, segment)->name);
  const LwAddr *kept = g_hash_table_lookup(facts->leases, key);
  return kept ? *kept : LW_ADDR_NONE;
}

LwMac lw_nic_mac_now(const LwLab *lab, const LwFacts *facts, guint machine, guint nic) {
  const LwNic *declared = lw_machine_nic(lw_lab_machine(lab, machine), nic);
  g_autofree char *key = nic_key(lab, machine, nic);
  const LwMac *known = lw_mac_is_set(&declared->mac) ? NULL : g_hash_table_lookup(facts->macs, key);
  return known ? *known : lw_nic_mac(lab, machine, nic);
}

const char *lw_nic_other_port(const LwLab *lab, const LwFacts *facts, guint machine, guint nic) {
  g_autofree char *key = nic_key(lab, machine, nic);
  return g_hash_table_lookup(facts->ports, key);
}

gboolean lw_nic_has_port(const LwLab *lab, const LwFacts *facts, guint machine, guint nic, const char *port) {
  /* numbers were assigned: asking for a name gives none away */
  g_autofree char *named = lw_name_nic_port((LwFacts *)facts, lab, machine, nic);
  return g_str_equal(port, named) || g_strcmp0(port, lw_nic_other_port(lab, facts, machine, nic)) == 0;
}

static gboolean pool_has(const LwSegment *segment, guint tunnel) {
  for (guint i = 0; i < segment->exits->len; i++)
    if (g_array_index(segment->exits, guint, i) == tunnel)
      return TRUE;
  return FALSE;
}

guint lw_active_exit(const LwLab *lab, const LwFacts *facts, guint segment) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  if (s->egress != LW_EGRESS_TUNNELS)
    return LW_NONE;
  const char *switched = g_hash_table_lookup(facts->active, s->name);
  guint tunnel = switched ? lw_lab_find_tunnel(lab, switched) : LW_NONE;
  if (tunnel != LW_NONE && pool_has(s, tunnel))
    return tunnel;
  return g_array_index(s->exits, guint, 0);
}

guint lw_exit_of_source(const LwLab *lab, const LwFacts *facts, guint segment, const LwAddr *source) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  for (guint i = 0; i < s->pins->len; i++) {
    const LwPin *pin = s->pins->pdata[i];
    if (lw_range_contains(&pin->range, source))
      return pin->tunnel;
  }
  return lw_active_exit(lab, facts, segment);
}
