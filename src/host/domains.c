/* libvirt's networks on the segments' bridges, and the NICs of its domains. */
#include "host/world.h"
#include "policy/names.h"

static void add_network(const LwSegment *segment, const LwFacts *facts, LwResourceSet *wanted) {
  const LwResource *adopted = g_hash_table_lookup(facts->networks, segment->bridge);
  LwResource *network = lw_resource_new(LW_RES_NETWORK, NULL, adopted ? adopted->name : segment->network);
  network->origin = segment->origin;
  network->link = g_strdup(segment->bridge);
  network->up = TRUE;
  network->autostart = adopted ? adopted->autostart : TRUE;
  network->alias = adopted ? NULL : g_strdup(LW_OWNER);
  lw_resource_set_add(wanted, network);
}

static const char *network_of(const LwSegment *segment, const LwFacts *facts) {
  const LwResource *adopted = g_hash_table_lookup(facts->networks, segment->bridge);
  return adopted ? adopted->name : segment->network;
}

/* One that is cut off stays where it is, without a link. */
static void add_nic(const LwLab *lab, LwFacts *facts, guint machine, guint index, LwResourceSet *wanted) {
  const LwMachine *m = lw_lab_machine(lab, machine);
  const LwNic *declared = lw_machine_nic(m, index);
  guint there = lw_nic_segment(lab, facts, machine, index);
  const LwSegment *segment = lw_lab_segment(lab, there == LW_NONE ? declared->segment : there);
  LwResource *nic = lw_resource_new(LW_RES_DOMAIN_NIC, NULL, m->object);
  nic->origin = declared->origin;
  nic->instance = index;
  nic->mac = lw_nic_mac_now(lab, facts, machine, index);
  nic->master = g_strdup(network_of(segment, facts));
  nic->up = there != LW_NONE;
  nic->isolated = segment->isolate;
  nic->link = lw_name_nic_port(facts, lab, machine, index);
  lw_resource_set_add(wanted, nic);
}

gboolean lw_host_has_domain(const LwFacts *facts, const LwMachine *machine) {
  return machine->kind == LW_MACHINE_VM && facts->domains &&
         g_hash_table_contains(facts->domains, machine->object);
}

gboolean lw_host_add_domains(const LwHostWorld *world, const LwLab *lab, LwFacts *facts,
                             LwResourceSet *wanted, GError **error) {
  if (!facts->domains)
    return TRUE;
  for (guint i = 0; i < lab->segments->len; i++)
    add_network(lw_lab_segment(lab, i), facts, wanted);
  for (guint m = 0; m < lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(lab, m);
    for (guint n = 0; lw_host_has_domain(facts, machine) && n < machine->nics->len; n++)
      add_nic(lab, facts, m, n, wanted);
  }
  return TRUE;
}
