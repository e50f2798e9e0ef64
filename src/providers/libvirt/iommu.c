#include "providers/libvirt/iommu.h"

#include "base/error.h"

#include <string.h>

#define CLASS_BRIDGE "0x0604" /* PCI code of a PCI-to-PCI bridge: stays with the host */

static char *device_path(const char *sysfs, const char *device, const char *what) {
  return g_build_filename(sysfs, "bus/pci/devices", device, what, NULL);
}

static gboolean is_bridge(const char *sysfs, const char *device) {
  g_autofree char *path = device_path(sysfs, device, "class");
  g_autofree char *text = NULL;
  return g_file_get_contents(path, &text, NULL, NULL) && g_str_has_prefix(text, CLASS_BRIDGE);
}

static int by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *lw_iommu_group(const char *sysfs, const char *device) {
  g_autofree char *path = device_path(sysfs, device, "iommu_group/devices");
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  if (!dir)
    return NULL;
  GPtrArray *group = g_ptr_array_new_with_free_func(g_free);
  const char *name;
  while ((name = g_dir_read_name(dir)))
    if (!g_str_equal(name, device) && !is_bridge(sysfs, name))
      g_ptr_array_add(group, g_strdup(name));
  g_ptr_array_sort(group, by_text);
  return group;
}

static gboolean has(const GPtrArray *devices, const char *device) {
  for (guint i = 0; i < devices->len; i++)
    if (g_str_equal(devices->pdata[i], device))
      return TRUE;
  return FALSE;
}

static gboolean check_device(const char *sysfs, const GPtrArray *devices, const char *device,
                             GError **error) {
  g_autofree char *path = device_path(sysfs, device, NULL);
  if (!g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "there is no PCI device %s on this host: lspci -D lists them", device);
    return FALSE;
  }
  g_autoptr(GPtrArray) group = lw_iommu_group(sysfs, device);
  if (!group) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "the PCI device %s is in no IOMMU group: turn on VT-d or AMD-Vi in the firmware, and "
                "intel_iommu=on on "
                "the kernel's command line for Intel",
                device);
    return FALSE;
  }
  for (guint i = 0; i < group->len; i++) {
    if (has(devices, group->pdata[i]))
      continue;
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "the PCI device %s shares its IOMMU group with %s: hand both through, or put the card into "
                "another slot",
                device, (const char *)group->pdata[i]);
    return FALSE;
  }
  return TRUE;
}

gboolean lw_iommu_check(const char *sysfs, const GPtrArray *devices, GError **error) {
  for (guint i = 0; i < devices->len; i++)
    if (!check_device(sysfs, devices, devices->pdata[i], error))
      return FALSE;
  return TRUE;
}
