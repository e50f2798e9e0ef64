/* What libvirt tells of the lab's machines. */
#include "cmd/domains.h"

#include "policy/names.h"
#include "providers/libvirt/libvirt.h"

#include <string.h>

static const LwLibvirtDomain *find(const GPtrArray *domains, const char *name) {
  for (guint i = 0; i < domains->len; i++) {
    const LwLibvirtDomain *domain = domains->pdata[i];
    if (g_str_equal(domain->name, name))
      return domain;
  }
  return NULL;
}

static void learn_nics(LwSession *session, guint machine, const LwLibvirtDomain *domain) {
  LwFacts *facts = session->facts;
  const LwMachine *m = lw_lab_machine(session->lab, machine);
  for (guint n = 0; n < m->nics->len && n < domain->nics->len; n++) {
    const LwResource *nic = domain->nics->pdata[n];
    const char *port = domain->ports->pdata[n];
    g_autofree char *key = g_strdup_printf("%s/%u", m->name, n);
    g_autofree char *named = lw_name_nic_port(facts, session->lab, machine, n);
    if (lw_mac_is_set(&nic->mac))
      g_hash_table_replace(facts->macs, g_strdup(key), g_memdup2(&nic->mac, sizeof nic->mac));
    if (*port && !g_str_equal(port, named))
      g_hash_table_replace(facts->ports, g_strdup(key), g_strdup(port));
  }
}

static gboolean is_our_bridge(const LwLab *lab, const char *bridge) {
  for (guint i = 0; bridge && i < lab->segments->len; i++)
    if (g_str_equal(lw_lab_segment(lab, i)->bridge, bridge))
      return TRUE;
  return FALSE;
}

/* "isolated", "nat", "route", "open": libvirt made its bridge. One of forward mode "bridge" uses a bridge
 * that is there. */
static gboolean learn_networks(LwSession *session, GError **error) {
  g_autoptr(GPtrArray) networks = lw_libvirt_networks(error);
  for (guint i = 0; networks && i < networks->len; i++) {
    LwResource *network = networks->pdata[i];
    if (is_our_bridge(session->lab, network->link) && g_strcmp0(network->value, "bridge") != 0)
      g_hash_table_replace(session->facts->networks, g_strdup(network->link), lw_resource_ref(network));
  }
  return networks != NULL;
}

static gboolean has_virtual_machines(const LwLab *lab) {
  for (guint m = 0; m < lab->machines->len; m++)
    if (lw_lab_machine(lab, m)->kind == LW_MACHINE_VM)
      return TRUE;
  return FALSE;
}

gboolean lw_domains_learn(LwSession *session, GError **error) {
  const char *uri = g_getenv("LIBVIRT_DEFAULT_URI");
  if (!session->host->libvirt && !(uri && *uri))
    return TRUE;
  g_autoptr(GPtrArray) domains = lw_libvirt_domains(error);
  if (!domains || !learn_networks(session, error))
    return FALSE;
  LwFacts *facts = session->facts;
  facts->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < domains->len; i++)
    g_hash_table_add(facts->domains, g_strdup(((const LwLibvirtDomain *)domains->pdata[i])->name));
  for (guint m = 0; m < session->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(session->lab, m);
    const LwLibvirtDomain *domain = machine->kind == LW_MACHINE_VM ? find(domains, machine->object) : NULL;
    if (domain)
      learn_nics(session, m, domain);
  }
  return TRUE;
}

GPtrArray *lw_domains_notes(const LwSession *session) {
  GPtrArray *notes = g_ptr_array_new_with_free_func(g_free);
  if (!session->host || !has_virtual_machines(session->lab))
    return notes;
  if (!session->facts->domains)
    g_ptr_array_add(notes,
                    g_strdup("libvirt does not run here: virtual machines are left out until it does"));
  for (guint m = 0; session->facts->domains && m < session->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(session->lab, m);
    if (machine->kind == LW_MACHINE_VM && !lw_host_has_domain(session->facts, machine))
      g_ptr_array_add(notes,
                      g_strdup_printf("libvirt has no domain %s: %s is plugged in by the next apply once "
                                      "it has",
                                      machine->object, machine->name));
  }
  return notes;
}
