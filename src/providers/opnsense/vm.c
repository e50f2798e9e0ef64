#include "providers/opnsense/vm.h"

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "policy/names.h"
#include "providers/opnsense/xml.h"
#include "resource/resource.h"

#include <glib/gstdio.h>
#include <string.h>

#define FIRST_SLOT 2 /* 0: the host bridge, 1: graphics */
#define LAST_SLOT 0x1d
#define FUNCTIONS 8
#define PORTS_MAX ((LAST_SLOT - FIRST_SLOT + 1) * FUNCTIONS)
#define DISK_PORTS 2

/* ---- elements ---- */

static xmlNode *add(xmlNode *parent, const char *name, const char *text) {
  return xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

static xmlNode *with(xmlNode *node, const char *name, const char *value) {
  xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value);
  return node;
}

static void add_pci(xmlNode *parent, guint bus, guint slot, guint function, gboolean several) {
  g_autofree char *b = g_strdup_printf("0x%02x", bus), *s = g_strdup_printf("0x%02x", slot),
                  *f = g_strdup_printf("0x%x", function);
  xmlNode *node = with(with(add(parent, "address", NULL), "type", "pci"), "domain", "0x0000");
  with(with(with(node, "bus", b), "slot", s), "function", f);
  if (several)
    with(node, "multifunction", "on");
}

/* ---- NICs ---- */

typedef struct {
  const LwSegment **segments; /* by number, from 1; NULL: nobody has it */
  guint count;                /* the last number */
} Legs;

static Legs legs_of(const LwLab *lab, LwFacts *facts) {
  Legs legs = {NULL, 0};
  for (guint i = 0; i < lab->segments->len; i++)
    legs.count = MAX(legs.count, lw_facts_number(facts, "segment", lw_lab_segment(lab, i)->name));
  legs.segments = g_new0(const LwSegment *, legs.count + 1);
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    legs.segments[lw_facts_number(facts, "segment", segment->name)] = segment;
  }
  return legs;
}

/* Root port n (from 1, which is its bus) sits at a place of bus 0 that n decides. */
static void add_ports(xmlNode *devices, guint count) {
  with(with(with(add(devices, "controller", NULL), "type", "pci"), "index", "0"), "model", "pcie-root");
  for (guint n = 1; n <= count; n++) {
    g_autofree char *index = g_strdup_printf("%u", n);
    xmlNode *port = with(with(add(devices, "controller", NULL), "type", "pci"), "index", index);
    with(port, "model", "pcie-root-port");
    add_pci(port, 0, FIRST_SLOT + (n - 1) / FUNCTIONS, (n - 1) % FUNCTIONS, (n - 1) % FUNCTIONS == 0);
  }
}

/* port: its name on the host, as that of the builtin router's leg: the guards go by it. */
static void add_card(xmlNode *devices, const LwLab *lab, guint card, const char *type, const char *source,
                     const LwMac *mac, const char *port) {
  g_autofree char *seed = g_strdup_printf("%s/opnsense/vtnet%u", lab->name, card);
  LwMac own = mac && lw_mac_is_set(mac) ? *mac : lw_mac_derive(seed);
  g_autofree char *text = lw_mac_format(&own), *alias = g_strdup_printf("ua-vtnet%u", card);
  xmlNode *node = with(add(devices, "interface", NULL), "type", type);
  with(add(node, "mac", NULL), "address", text);
  if (source)
    with(add(node, "source", NULL), type, source);
  if (port)
    with(add(node, "target", NULL), "dev", port);
  with(add(node, "model", NULL), "type", "virtio");
  if (!source)
    with(add(node, "link", NULL), "state", "down");
  with(add(node, "alias", NULL), "name", alias);
  add_pci(node, DISK_PORTS + 1 + card, 0, 0, FALSE);
}

static const char *network_of(const LwSegment *segment, const LwFacts *facts) {
  const LwResource *adopted = g_hash_table_lookup(facts->networks, segment->bridge);
  return adopted ? adopted->name : segment->network;
}

static void add_segment_card(xmlNode *devices, const LwLab *lab, const LwFacts *facts, guint card,
                             const LwSegment *segment) {
  g_autofree char *port = segment ? lw_name_router_port(segment) : NULL;
  add_card(devices, lab, card, segment ? "network" : "user", segment ? network_of(segment, facts) : NULL,
           NULL, port);
}

static void add_cards(xmlNode *devices, const LwLab *lab, const LwFacts *facts, const Legs *legs) {
  LwMac wan = lw_mac_of_wan(lab, facts);
  add_card(devices, lab, 0, "bridge", lab->host.bridge, &wan, LW_ROUTER_WAN_PORT);
  add_card(devices, lab, 1, "bridge", lab->host.management.bridge, NULL, "lw-mgmt");
  for (guint n = 1; n <= legs->count; n++)
    add_segment_card(devices, lab, facts, n + 1, legs->segments[n]);
}

/* ---- the rest ---- */

static void add_disk(xmlNode *devices, const char *path, const char *target, guint bus, gboolean readonly) {
  xmlNode *disk = with(with(add(devices, "disk", NULL), "type", "file"), "device", "disk");
  with(with(add(disk, "driver", NULL), "name", "qemu"), "type", readonly ? "raw" : "qcow2");
  with(add(disk, "source", NULL), "file", path);
  with(with(add(disk, "target", NULL), "dev", target), "bus", "virtio");
  if (readonly)
    add(disk, "readonly", NULL);
  add_pci(disk, bus, 0, 0, FALSE);
}

static void add_console(xmlNode *devices) {
  xmlNode *serial = with(add(devices, "serial", NULL), "type", "pty");
  with(add(serial, "target", NULL), "port", "0");
  xmlNode *console = with(add(devices, "console", NULL), "type", "pty");
  with(with(add(console, "target", NULL), "type", "serial"), "port", "0");
}

static void fill(xmlNode *root, const LwLab *lab, const LwFacts *facts, const Legs *legs, const LwOpnVm *vm) {
  g_autofree char *memory = g_strdup_printf("%u", vm->memory_mib), *vcpus = g_strdup_printf("%u", vm->vcpus);
  with(root, "type", "kvm");
  add(root, "name", vm->name);
  add(root, "title", "lanward: the lab's router");
  with(add(root, "memory", memory), "unit", "MiB");
  add(root, "vcpu", vcpus);
  xmlNode *os = add(root, "os", NULL);
  with(with(add(os, "type", "hvm"), "arch", "x86_64"), "machine", "q35");
  with(add(os, "boot", NULL), "dev", "hd");
  add(add(root, "features", NULL), "acpi", NULL);
  with(add(root, "cpu", NULL), "mode", "host-passthrough");
  with(add(root, "clock", NULL), "offset", "utc");
  add(root, "on_crash", "restart");
  xmlNode *devices = add(root, "devices", NULL);
  add_ports(devices, DISK_PORTS + legs->count + 2);
  add_disk(devices, vm->disk, "vda", 1, FALSE);
  if (vm->medium)
    add_disk(devices, vm->medium, "vdb", 2, TRUE);
  add_cards(devices, lab, facts, legs);
  add_console(devices);
  with(add(devices, "memballoon", NULL), "model", "none");
}

char *lw_opn_domain_xml(const LwLab *lab, LwFacts *facts, const LwOpnVm *vm, GError **error) {
  Legs legs = legs_of(lab, facts);
  char *text = NULL;
  if (DISK_PORTS + legs.count + 2 <= PORTS_MAX) {
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = xmlNewNode(NULL, (const xmlChar *)"domain");
    xmlChar *dumped = NULL;
    int length = 0;
    xmlDocSetRootElement(doc, root);
    fill(root, lab, facts, &legs, vm);
    xmlDocDumpFormatMemoryEnc(doc, &dumped, &length, "UTF-8", 1);
    text = g_strndup((const char *)dumped, (gsize)length);
    xmlFree(dumped);
    xmlFreeDoc(doc);
  } else {
    g_set_error(
        error, LW_ERROR, LW_ERROR_UNSUPPORTED,
        "an OPNsense's virtual machine takes %d segments at most, by their numbers; “kind: builtin” any",
        PORTS_MAX - DISK_PORTS - 2);
  }
  g_free(legs.segments);
  return text;
}

/* In a folder that nobody else can look into, until it has its mode. */
gboolean lw_opn_medium_make(const char *path, const char *config, GError **error) {
  g_autofree char *parent = g_path_get_dirname(path);
  g_autofree char *folder = g_build_filename(parent, ".lanward-XXXXXX", NULL);
  if (!g_mkdtemp(folder)) {
    lw_error_set_errno(error, "cannot make a folder in %s", parent);
    return FALSE;
  }
  g_autofree char *made = g_build_filename(folder, "config.iso", NULL);
  g_autofree char *graft = g_strdup_printf("/conf/config.xml=%s", config);
  const char *const argv[] = {"xorriso", "-as", "mkisofs", "-quiet",        "-R",  "-V",
                              "OPNCONF", "-o",  made,      "-graft-points", graft, NULL};
  g_autofree char *output = lw_command_run(&(LwCommand){.argv = argv}, error);
  gboolean good = output != NULL;
  if (good && (g_chmod(made, 0600) != 0 || g_rename(made, path) != 0)) {
    lw_error_set_errno(error, "cannot make %s", path);
    good = FALSE;
  }
  return lw_tree_remove(folder, good ? error : NULL) && good;
}
