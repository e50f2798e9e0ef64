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

/* A bridge needs no network: a NIC that is on the segment's already stays as it is plugged in. */
static char *place_of(const LwSegment *segment, const LwFacts *facts, const char *nic) {
  const char *place = g_hash_table_lookup(facts->places, nic);
  g_autofree char *bridge = g_strconcat("/bridge/", segment->bridge, NULL);
  return g_strdup(g_strcmp0(place, bridge) == 0 ? bridge : network_of(segment, facts));
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
  g_autofree char *key = g_strdup_printf("%s/%u", m->name, index);
  const char *own = g_hash_table_lookup(facts->own_ports, key);
  nic->master = place_of(segment, facts, key);
  nic->up = there != LW_NONE;
  nic->isolated = segment->isolate;
  nic->link = own ? g_strdup(own) : lw_name_nic_port(facts, lab, machine, index);
  lw_resource_set_add(wanted, nic);
}

/* --- domains that the file makes
 * --------------------------------------------------------------------------------------------- */

#define IMAGES "/var/lib/libvirt/images"

/* Transfer full; NULL for NULL. */
static char *whole_path(const LwCreate *create, const char *path) {
  return path ? g_canonicalize_filename(path, create->folder) : NULL;
}

static LwDisk *disk_of(const LwMachine *machine) {
  const LwCreate *create = machine->create;
  LwDisk *disk = lw_disk_new();
  g_autofree char *file = g_strdup_printf("%s.qcow2", machine->object);
  disk->path = create->disk ? whole_path(create, create->disk) : g_build_filename(IMAGES, file, NULL);
  disk->image = whole_path(create, create->image);
  disk->size = create->disk_size;
  return disk;
}

static void add_domain(const LwMachine *machine, LwResourceSet *wanted) {
  const LwCreate *create = machine->create;
  LwResource *domain = lw_resource_new(LW_RES_DOMAIN, NULL, machine->object);
  domain->origin = create->origin;
  domain->memory = create->memory;
  domain->vcpus = create->vcpus;
  domain->firmware = g_strdup(create->uefi ? "uefi" : "bios");
  domain->cdrom = whole_path(create, create->cdrom);
  domain->seed = whole_path(create, create->seed);
  if (domain->seed)
    domain->seed_iso = g_strdup_printf(IMAGES "/%s-seed.iso", machine->object);
  domain->autostart = create->autostart;
  domain->alias = g_strdup(LW_OWNER);
  for (guint i = 0; i < create->devices->len; i++)
    g_ptr_array_add(domain->devices, g_strdup(create->devices->pdata[i]));
  if (create->disk || create->image || create->disk_size)
    g_ptr_array_add(domain->disks, disk_of(machine));
  lw_resource_set_add(wanted, domain);
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
    if (!lw_host_has_domain(facts, machine) && !machine->create)
      continue; /* a warning's matter */
    if (machine->create)
      add_domain(machine, wanted);
    for (guint n = 0; n < machine->nics->len; n++)
      add_nic(lab, facts, m, n, wanted);
  }
  return TRUE;
}
