#include "providers/libvirt/connection.h"

#include "base/error.h"

#include <string.h>

/* libvirt prints every error to stderr unless it is given somewhere else to put them. */
static void say_nothing(void *data, virErrorPtr error) {
}

virConnectPtr lw_virt_connect(GError **error) {
  const char *uri = g_getenv("LIBVIRT_DEFAULT_URI");
  virSetErrorFunc(NULL, say_nothing);
  virConnectPtr connection = virConnectOpen(uri && *uri ? uri : "qemu:///system");
  if (!connection)
    g_set_error(
        error, LW_ERROR, LW_ERROR_UNSUPPORTED,
        "libvirt does not answer (%s): virtual machines need the package libvirt-daemon-system, running",
        virGetLastErrorMessage());
  return connection;
}

void lw_virt_set_error(GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s: %s", text, virGetLastErrorMessage());
}

gboolean lw_virt_error_is(int code) {
  const virError *last = virGetLastError();
  return last && last->code == code;
}

/* --- a domain
 * -------------------------------------------------------------------------------------------------------------
 */

static LwVirtDomain *read_xml(virDomainPtr domain, unsigned int flags, GError **error) {
  char *xml = virDomainGetXMLDesc(domain, flags);
  if (!xml) {
    lw_virt_set_error(error, "cannot read domain %s", virDomainGetName(domain));
    return NULL;
  }
  LwVirtDomain *read = lw_virt_domain_parse(xml, error);
  free(xml);
  return read;
}

gboolean lw_virt_machine_refresh(LwVirtMachine *machine, GError **error) {
  g_clear_pointer(&machine->config, lw_virt_domain_free);
  g_clear_pointer(&machine->live, lw_virt_domain_free);
  gboolean active = virDomainIsActive(machine->domain) == 1;
  machine->persistent = virDomainIsPersistent(machine->domain) == 1;
  if (active && !(machine->live = read_xml(machine->domain, 0, error)))
    return FALSE;
  unsigned int flags = VIR_DOMAIN_XML_SECURE | (machine->persistent ? VIR_DOMAIN_XML_INACTIVE : 0);
  machine->config = read_xml(machine->domain, flags, error);
  return machine->config != NULL;
}

static char *metadata_of(virDomainPtr domain, gboolean persistent) {
  char *raw = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, LW_VIRT_NAMESPACE,
                                   persistent ? VIR_DOMAIN_AFFECT_CONFIG : VIR_DOMAIN_AFFECT_LIVE);
  char *text = g_strdup(raw);
  free(raw);
  return text;
}

LwVirtMachine *lw_virt_machine_of(virDomainPtr domain, GError **error) {
  g_autoptr(LwVirtMachine) machine = g_new0(LwVirtMachine, 1);
  machine->domain = domain;
  if (!lw_virt_machine_refresh(machine, error))
    return NULL;
  g_autofree char *metadata = metadata_of(domain, machine->persistent);
  machine->kept = lw_virt_kept_read(metadata);
  machine->created = lw_virt_kept_created(metadata);
  return g_steal_pointer(&machine);
}

LwVirtMachine *lw_virt_machine_open(virConnectPtr connection, const char *name, GError **error) {
  virDomainPtr domain = virDomainLookupByName(connection, name);
  if (domain)
    return lw_virt_machine_of(domain, error);
  if (!lw_virt_error_is(VIR_ERR_NO_DOMAIN))
    lw_virt_set_error(error, "cannot look for domain %s", name);
  return NULL;
}

void lw_virt_machine_free(LwVirtMachine *machine) {
  if (!machine)
    return;
  g_clear_pointer(&machine->config, lw_virt_domain_free);
  g_clear_pointer(&machine->live, lw_virt_domain_free);
  g_clear_pointer(&machine->kept, g_hash_table_unref);
  virDomainFree(machine->domain);
  g_free(machine);
}

guint lw_virt_machine_live_index(const LwVirtMachine *machine, guint index) {
  g_autoptr(LwResource) nic = lw_virt_nic_read(machine->config, index);
  guint count = machine->live ? lw_virt_domain_nics(machine->live) : 0;
  return nic && machine->live ? lw_virt_nic_find(machine->live, nic->mac) : count;
}

LwResource *lw_virt_machine_nic(const LwVirtMachine *machine, guint index) {
  LwResource *nic = lw_virt_nic_read(machine->config, index);
  guint there = nic && machine->live ? lw_virt_machine_live_index(machine, index) : 0;
  g_autoptr(LwResource) live = nic && machine->live ? lw_virt_nic_read(machine->live, there) : NULL;
  if (!live)
    return nic;
  if (g_strcmp0(live->master, nic->master) != 0 || live->up != nic->up)
    nic->value = g_strconcat(nic->master, nic->up ? "" : " (link down)", NULL);
  g_free(nic->master);
  nic->master = g_strdup(live->master);
  nic->up = live->up;
  nic->isolated = live->isolated;
  return nic;
}

gboolean lw_virt_machine_keep(LwVirtMachine *machine, GError **error) {
  g_autofree char *text = lw_virt_kept_write(machine->kept, machine->created);
  unsigned int flags =
      (machine->persistent ? VIR_DOMAIN_AFFECT_CONFIG : 0) | (machine->live ? VIR_DOMAIN_AFFECT_LIVE : 0);
  if (virDomainSetMetadata(machine->domain, VIR_DOMAIN_METADATA_ELEMENT, text, text ? LW_VIRT_PREFIX : NULL,
                           LW_VIRT_NAMESPACE, flags) == 0 ||
      (!text && lw_virt_error_is(VIR_ERR_NO_DOMAIN_METADATA)))
    return lw_virt_machine_refresh(machine, error); /* or the next definition would be without it */
  lw_virt_set_error(error, "cannot write into the metadata of domain %s", virDomainGetName(machine->domain));
  return FALSE;
}
