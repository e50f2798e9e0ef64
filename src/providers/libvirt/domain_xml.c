/* Domains that the file creates: the whole XML, and back. */
#include "providers/libvirt/nodes.h"

#include <stdio.h>
#include <string.h>

#define SPARE_PORTS 8 /* q35 plugs a NIC in while it runs only where a root port is free */

static guint32 number_of(const xmlNode *node) {
  g_autofree char *text = lw_node_content(node);
  return text ? (guint32)g_ascii_strtoull(text, NULL, 10) : 0;
}

/* libvirt gives memory back in KiB, whatever unit it was told in. */
static guint32 memory_of(const xmlNode *memory) {
  g_autofree char *unit = lw_node_attribute(memory, "unit");
  guint32 number = number_of(memory);
  return g_strcmp0(unit, "MiB") == 0 ? number : number / 1024;
}

static char *pci_of(const xmlNode *hostdev) {
  const xmlNode *address = lw_node_child(lw_node_child(hostdev, "source"), "address");
  guint parts[4] = {0};
  static const char *const names[] = {"domain", "bus", "slot", "function"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *text = lw_node_attribute(address, names[i]);
    parts[i] = text ? (guint)g_ascii_strtoull(text, NULL, 0) : 0;
  }
  return g_strdup_printf("%04x:%02x:%02x.%x", parts[0], parts[1], parts[2], parts[3]);
}

static void read_disk(const xmlNode *node, LwResource *domain) {
  g_autofree char *file = lw_node_attribute(lw_node_child(node, "source"), "file");
  if (!file)
    return;
  if (!lw_node_attribute_is(node, "device", "cdrom")) {
    LwDisk *disk = lw_disk_new();
    disk->path = g_steal_pointer(&file);
    g_ptr_array_add(domain->disks, disk);
    return;
  }
  g_autofree char *serial = lw_node_content(lw_node_child(node, "serial"));
  char **member = g_strcmp0(serial, "lanward-seed") == 0 ? &domain->seed_iso : &domain->cdrom;
  g_free(*member);
  *member = g_steal_pointer(&file);
}

static gboolean mark_is(const xmlNode *root, const char *name, const char *value) {
  return lw_node_attribute_is(lw_node_child(lw_node_child(root, "metadata"), "lab"), name, value);
}

static void read_devices(const xmlNode *devices, LwResource *domain) {
  for (const xmlNode *node = devices ? devices->children : NULL; node; node = node->next) {
    if (lw_node_is(node, "disk"))
      read_disk(node, domain);
    else if (lw_node_is(node, "hostdev") && lw_node_attribute_is(node, "type", "pci"))
      g_ptr_array_add(domain->devices, pci_of(node));
  }
}

LwResource *lw_virt_domain_read(const LwVirtDomain *domain) {
  const xmlNode *root = xmlDocGetRootElement(domain->doc), *os = lw_node_child(root, "os");
  LwResource *resource = lw_resource_new(LW_RES_DOMAIN, NULL, domain->name);
  if (!mark_is(root, "created", "yes"))
    return resource;
  resource->alias = g_strdup(LW_VIRT_PREFIX);
  resource->memory = memory_of(lw_node_child(root, "memory"));
  resource->vcpus = number_of(lw_node_child(root, "vcpu"));
  gboolean uefi = lw_node_attribute_is(os, "firmware", "efi") || lw_node_child(os, "loader");
  resource->firmware = g_strdup(uefi ? "uefi" : "bios");
  read_devices(lw_node_child(root, "devices"), resource);
  if (mark_is(root, "role", "router")) {
    lw_virt_router_nics(domain, resource->links);
    resource->xml = lw_node_text(xmlDocGetRootElement(domain->doc));
  }
  return resource;
}

/* --- writing
 * -------------------------------------------------------------------------------------------------------------
 */

static void copy_child(xmlNode *to, const xmlNode *from, const char *name) {
  const xmlNode *node = lw_node_child(from, name);
  if (node)
    xmlAddChild(to, xmlDocCopyNode((xmlNode *)node, to->doc, 1));
}

/* role: nullable. */
static void add_metadata(xmlNode *root, const xmlNode *before, const char *role) {
  if (lw_node_child(before, "metadata")) {
    copy_child(root, before, "metadata");
    return;
  }
  xmlNode *mark = lw_node_add(lw_node_add(root, "metadata"), "lab");
  xmlSetNs(mark, xmlNewNs(mark, (const xmlChar *)LW_VIRT_NAMESPACE, (const xmlChar *)LW_VIRT_PREFIX));
  lw_node_set(mark, "created", "yes");
  if (role)
    lw_node_set(mark, "role", role);
}

static void add_number(xmlNode *parent, const char *name, guint32 number) {
  g_autofree char *text = g_strdup_printf("%u", number);
  lw_node_add_text(parent, name, text);
}

static void add_os(xmlNode *root, const LwResource *wanted) {
  xmlNode *os = lw_node_add(root, "os");
  if (g_strcmp0(wanted->firmware, "uefi") == 0)
    lw_node_set(os, "firmware", "efi");
  xmlNode *type = lw_node_add_text(os, "type", "hvm");
  lw_node_set(type, "arch", "x86_64");
  lw_node_set(type, "machine", "q35");
  lw_node_set(lw_node_add(os, "boot"), "dev", "hd");
  if (wanted->cdrom && *wanted->cdrom)
    lw_node_set(lw_node_add(os, "boot"), "dev", "cdrom");
  xmlNode *features = lw_node_add(root, "features");
  lw_node_add(features, "acpi");
  lw_node_add(features, "apic");
}

static void add_disk(xmlNode *devices, const char *path, guint index) {
  g_autofree char *target = g_strdup_printf("vd%c", (char)('a' + index));
  xmlNode *disk = lw_node_add(devices, "disk"), *driver = lw_node_add(disk, "driver");
  lw_node_set(disk, "type", "file");
  lw_node_set(disk, "device", "disk");
  lw_node_set(driver, "name", "qemu");
  lw_node_set(driver, "type", g_str_has_suffix(path, ".qcow2") ? "qcow2" : "raw");
  lw_node_set(driver, "discard", "unmap");
  lw_node_set(lw_node_add(disk, "source"), "file", path);
  xmlNode *dev = lw_node_add(disk, "target");
  lw_node_set(dev, "dev", target);
  lw_node_set(dev, "bus", "virtio");
}

static void add_cdrom(xmlNode *devices, const char *path, const char *target, const char *serial) {
  if (!path || !*path)
    return;
  xmlNode *disk = lw_node_add(devices, "disk"), *driver = lw_node_add(disk, "driver");
  lw_node_set(disk, "type", "file");
  lw_node_set(disk, "device", "cdrom");
  lw_node_set(driver, "name", "qemu");
  lw_node_set(driver, "type", "raw");
  lw_node_set(lw_node_add(disk, "source"), "file", path);
  xmlNode *dev = lw_node_add(disk, "target");
  lw_node_set(dev, "dev", target);
  lw_node_set(dev, "bus", "sata");
  lw_node_add(disk, "readonly");
  if (serial)
    lw_node_add_text(disk, "serial", serial);
}

static void add_hostdev(xmlNode *devices, const char *pci) {
  guint parts[4];
  static const char *const names[] = {"domain", "bus", "slot", "function"};
  if (sscanf(pci, "%x:%x:%x.%x", &parts[0], &parts[1], &parts[2], &parts[3]) != 4)
    return;
  xmlNode *hostdev = lw_node_add(devices, "hostdev");
  lw_node_set(hostdev, "mode", "subsystem");
  lw_node_set(hostdev, "type", "pci");
  lw_node_set(hostdev, "managed", "yes");
  xmlNode *address = lw_node_add(lw_node_add(hostdev, "source"), "address");
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *text = g_strdup_printf("0x%x", parts[i]);
    lw_node_set(address, names[i], text);
  }
}

static void add_controllers(xmlNode *devices) {
  xmlNode *root = lw_node_add(devices, "controller");
  lw_node_set(root, "type", "pci");
  lw_node_set(root, "model", "pcie-root");
  for (guint i = 0; i < SPARE_PORTS; i++) {
    xmlNode *port = lw_node_add(devices, "controller");
    lw_node_set(port, "type", "pci");
    lw_node_set(port, "model", "pcie-root-port");
  }
}

/* A screen, a keyboard's place and a console, as virt-manager shows them. */
static void add_console(xmlNode *devices) {
  xmlNode *graphics = lw_node_add(devices, "graphics");
  lw_node_set(graphics, "type", "vnc");
  lw_node_set(graphics, "autoport", "yes");
  lw_node_set(graphics, "listen", "127.0.0.1");
  xmlNode *model = lw_node_add(lw_node_add(devices, "video"), "model");
  lw_node_set(model, "type", "vga");
  xmlNode *serial = lw_node_add(devices, "serial"), *console = lw_node_add(devices, "console");
  lw_node_set(serial, "type", "pty");
  lw_node_set(console, "type", "pty");
}

static void add_devices(xmlNode *root, const LwResource *wanted, const LwVirtDomain *before) {
  xmlNode *devices = lw_node_add(root, "devices");
  add_controllers(devices);
  for (guint i = 0; i < wanted->disks->len; i++)
    add_disk(devices, ((const LwDisk *)wanted->disks->pdata[i])->path, i);
  add_cdrom(devices, wanted->cdrom, "sda", NULL);
  add_cdrom(devices, wanted->seed_iso, "sdb", "lanward-seed");
  for (guint i = 0; before && i < before->nics->len; i++)
    xmlAddChild(devices, xmlDocCopyNode(before->nics->pdata[i], root->doc, 1));
  for (guint i = 0; i < wanted->devices->len; i++)
    add_hostdev(devices, wanted->devices->pdata[i]);
  add_console(devices);
}

char *lw_virt_domain_write(const LwResource *wanted, const LwVirtDomain *before, const char *type) {
  xmlDoc *doc = lw_node_new_doc("domain");
  xmlNode *root = xmlDocGetRootElement(doc);
  const xmlNode *old = before ? xmlDocGetRootElement(before->doc) : NULL;
  lw_node_set(root, "type", type);
  lw_node_add_text(root, "name", wanted->name);
  copy_child(root, old, "uuid");
  add_metadata(root, old, NULL);
  add_number(root, "memory", wanted->memory);
  lw_node_set(lw_node_child(root, "memory"), "unit", "MiB");
  add_number(root, "vcpu", wanted->vcpus);
  add_os(root, wanted);
  xmlNode *cpu = lw_node_add(root, "cpu");
  lw_node_set(cpu, "mode", g_str_equal(type, "kvm") ? "host-passthrough" : "maximum");
  add_devices(root, wanted, before);
  return lw_node_finish(doc, 1);
}

/* --- the router
 * -------------------------------------------------------------------------------------------------------------
 */

void lw_virt_router_nics(const LwVirtDomain *domain, GPtrArray *out) {
  for (guint i = 0; i < lw_virt_domain_nics(domain); i++) {
    g_autoptr(LwResource) nic = lw_virt_nic_read(domain, i);
    g_autofree char *mac = lw_mac_format(&nic->mac);
    g_ptr_array_add(out, g_strdup_printf("%s %s", nic->master, mac));
  }
}

char *lw_virt_domain_console(const LwVirtDomain *domain) {
  const xmlNode *devices = lw_node_child(xmlDocGetRootElement(domain->doc), "devices");
  const xmlNode *serial = lw_node_child(devices, "serial");
  return lw_node_attribute_is(serial, "type", "pty")
             ? lw_node_attribute(lw_node_child(serial, "source"), "path")
             : NULL;
}

static void drop_disk(xmlNode *devices, const char *path) {
  for (xmlNode *node = devices ? devices->children : NULL, *next; node; node = next) {
    next = node->next;
    if (lw_node_is(node, "disk") && lw_node_attribute_is(lw_node_child(node, "source"), "file", path))
      lw_node_drop(node);
  }
}

/* The host's own processor is KVM's to give. */
static void set_type(xmlNode *root, const char *type) {
  xmlNode *cpu = lw_node_child(root, "cpu");
  xmlSetProp(root, (const xmlChar *)"type", (const xmlChar *)type);
  if (cpu && !g_str_equal(type, "kvm"))
    xmlSetProp(cpu, (const xmlChar *)"mode", (const xmlChar *)"maximum");
}

char *lw_virt_router_write(const LwResource *wanted, const LwVirtDomain *before, const char *type,
                           gboolean with_medium, GError **error) {
  xmlDoc *doc = lw_node_parse(wanted->xml, "domain", error);
  if (!doc)
    return NULL;
  xmlNode *root = xmlDocGetRootElement(doc);
  const xmlNode *old = before ? xmlDocGetRootElement(before->doc) : NULL;
  set_type(root, type);
  if (!lw_node_child(root, "uuid"))
    copy_child(root, old, "uuid");
  if (!lw_node_child(root, "metadata"))
    add_metadata(root, old, "router");
  if (!with_medium && wanted->medium)
    drop_disk(lw_node_child(root, "devices"), wanted->medium);
  return lw_node_finish(doc, 1);
}
