/* machines.NAME.create and router.create: a virtual machine that is made. */
#include "spec/internal.h"

#include <stdio.h>
#include <string.h>

#define LEAST_MEMORY 16u                /* MiB */
#define MOST_MIB (1024u * 1024u * 1024) /* a PiB */
#define MOST_VCPUS 512u

/* "4GiB", or "4G" as qemu-img has it, in MiB; 0 (reported) when it is no size. */
static guint read_size(LwSpec *spec, const LwYaml *node) {
  static const struct {
    const char *unit;
    guint64 mib;
  } units[] = {{"MiB", 1}, {"GiB", 1024}, {"TiB", 1024 * 1024}, {"M", 1}, {"G", 1024}, {"T", 1024 * 1024}};
  char *end = NULL;
  guint64 number = g_ascii_isdigit(*node->text) ? g_ascii_strtoull(node->text, &end, 10) : 0;
  for (guint i = 0; end && i < G_N_ELEMENTS(units); i++)
    if (strcmp(end, units[i].unit) == 0 && number > 0 && number <= MOST_MIB / units[i].mib)
      return (guint)(number * units[i].mib);
  lw_spec_error(spec->diagnostics, node->origin, "“%s” is no size: 512MiB, 4GiB, 2TiB", node->text);
  return 0;
}

static guint read_number(LwSpec *spec, const LwYaml *node, guint most) {
  guint64 number = 0;
  if (!g_ascii_string_to_unsigned(node->text, 10, 1, most, &number, NULL))
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is no number from 1 to %u", node->text, most);
  return (guint)number;
}

/* "0000:01:00.0", or without its domain. */
static char *pci_address(const char *text) {
  guint domain = 0, bus, slot, function;
  int end = 0;
  if (strspn(text, "0123456789abcdefABCDEF:.") != strlen(text) ||
      ((sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 || text[end]) &&
       (domain = 0, sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || text[end])) ||
      slot > 31 || function > 7)
    return NULL;
  return g_strdup_printf("%04x:%02x:%02x.%x", domain, bus, slot, function);
}

static void read_devices(LwSpec *spec, const LwYaml *node, LwCreate *create) {
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++) {
    const LwYaml *item = items->pdata[i];
    if (!lw_spec_is_scalar(spec, item, "a PCI address"))
      continue;
    char *address = pci_address(item->text);
    if (address)
      g_ptr_array_add(create->devices, address);
    else
      lw_spec_error(spec->diagnostics, item->origin,
                    "“%s” is no PCI address: 0000:01:00.0 (lspci -D lists them)", item->text);
  }
}

static char *read_path(LwSpec *spec, const LwYaml *node) {
  g_autofree char *text = node ? lw_spec_text(spec, node) : NULL;
  return text ? lw_spec_relative(spec, node->origin.file, text) : NULL;
}

static void read_disk(LwSpec *spec, const LwYaml *map, LwCreate *create) {
  LwFields fields;
  lw_spec_fields(spec, map, LW_SECTION_DISK, NULL, FALSE, map->origin, "disk", &fields);
  const LwYaml *size = fields.value[LW_KEY_DISK_SIZE];
  create->disk_size = size ? read_size(spec, size) : 0;
  create->image = read_path(spec, fields.value[LW_KEY_DISK_IMAGE]);
  create->disk = read_path(spec, fields.value[LW_KEY_DISK_PATH]);
  if (!size && !fields.wrong[LW_KEY_DISK_SIZE] && !create->image && !create->disk)
    lw_spec_error(spec->diagnostics, map->origin,
                  "a disk has a “size”, an “image” that it begins as, or the “path” of one that is there");
}

void lw_spec_read_create(LwSpec *spec, const LwYaml *map, LwMachine *machine) {
  LwFields fields;
  LwCreate *create = machine->create = lw_create_new();
  create->origin = map->origin;
  create->folder = spec->dir ? g_canonicalize_filename(spec->dir, NULL) : NULL;
  if (machine->kind != LW_MACHINE_VM)
    lw_spec_error(spec->diagnostics, map->origin, "only a virtual machine is created: “%s” is something else",
                  machine->name);
  lw_spec_fields(spec, map, LW_SECTION_CREATE, NULL, FALSE, map->origin, "create", &fields);
  const LwYaml *memory = fields.value[LW_KEY_CREATE_MEMORY], *vcpus = fields.value[LW_KEY_CREATE_VCPUS],
               *disk = fields.value[LW_KEY_CREATE_DISK], *autostart = fields.value[LW_KEY_CREATE_AUTOSTART];
  create->memory = memory ? read_size(spec, memory) : 0;
  if (create->memory && create->memory < LEAST_MEMORY)
    lw_spec_error(spec->diagnostics, memory->origin, "a machine needs %uMiB at least", LEAST_MEMORY);
  create->vcpus = vcpus ? read_number(spec, vcpus, MOST_VCPUS) : 1;
  if (disk)
    read_disk(spec, disk, create);
  create->cdrom = read_path(spec, fields.value[LW_KEY_CREATE_CDROM]);
  create->seed = read_path(spec, fields.value[LW_KEY_CREATE_SEED]);
  create->uefi = lw_spec_choice(spec, &fields, LW_KEY_CREATE_FIRMWARE) == 1;
  if (fields.value[LW_KEY_CREATE_DEVICES])
    read_devices(spec, fields.value[LW_KEY_CREATE_DEVICES], create);
  if (autostart)
    lw_spec_boolean(spec, autostart, &create->autostart);
}

/* --- the router
 * -------------------------------------------------------------------------------------------------------------
 */

#define ROUTER_MEMORY 4096 /* MiB */
#define ROUTER_LEAST_MEMORY 1024u
#define ROUTER_DISK (20 * 1024)
#define ROUTER_LEAST_DISK (4 * 1024u) /* the nano image is of 3 GB */

/* Needed once: a lab whose router is there goes on without it. */
static void check_image(LwSpec *spec, const LwYaml *node, const char *image) {
  static const char *const packed[] = {".bz2", ".gz", ".xz", ".zst"};
  for (guint i = 0; i < G_N_ELEMENTS(packed); i++)
    if (g_str_has_suffix(image, packed[i])) {
      lw_spec_error(spec->diagnostics, node->origin,
                    "“%s” is packed: unpack it first, and name what comes out", image);
      return;
    }
  g_autofree char *path = lw_spec_absolute(spec, image);
  if (path && !g_file_test(path, G_FILE_TEST_IS_REGULAR))
    lw_spec_warning(spec->diagnostics, node->origin, "there is no %s: the router can't be made of it", path);
}

static guint size_or(LwSpec *spec, const LwYaml *node, guint fallback, guint least, const char *what) {
  guint size = node ? read_size(spec, node) : fallback;
  if (size && size < least)
    lw_spec_error(spec->diagnostics, node->origin, "an OPNsense needs %uMiB of %s at least", least, what);
  return size;
}

void lw_spec_read_router_create(LwSpec *spec, const LwYaml *map) {
  LwFields fields;
  LwCreate *create = spec->lab->router.create = lw_create_new();
  create->origin = map->origin;
  create->folder = spec->dir ? g_canonicalize_filename(spec->dir, NULL) : NULL;
  lw_spec_fields(spec, map, LW_SECTION_ROUTER_CREATE, NULL, FALSE, map->origin, "router.create", &fields);
  const LwYaml *image = fields.value[LW_KEY_ROUTER_CREATE_IMAGE],
               *vcpus = fields.value[LW_KEY_ROUTER_CREATE_VCPUS];
  create->image = read_path(spec, image);
  if (create->image)
    check_image(spec, image, create->image);
  create->memory =
      size_or(spec, fields.value[LW_KEY_ROUTER_CREATE_MEMORY], ROUTER_MEMORY, ROUTER_LEAST_MEMORY, "memory");
  create->disk_size =
      size_or(spec, fields.value[LW_KEY_ROUTER_CREATE_DISK], ROUTER_DISK, ROUTER_LEAST_DISK, "disk");
  create->vcpus = vcpus ? read_number(spec, vcpus, MOST_VCPUS) : 2;
  create->autostart = TRUE;
}
