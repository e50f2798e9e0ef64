/* CPU, memory, IOMMU: from /proc and /sys. */
#include "doctor/seen.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define DMI_MEMORY_DEVICE "/sys/firmware/dmi/entries"

static gboolean has_word(const char *text, const char *word) {
  gsize length = strlen(word);
  for (const char *at = text; (at = strstr(at, word)); at += length) {
    gboolean begins = at == text || g_ascii_isspace(at[-1]) || at[-1] == ':';
    if (begins && (!at[length] || g_ascii_isspace(at[length])))
      return TRUE;
  }
  return FALSE;
}

static void look_at_cpu(LwSeen *seen, const char *root) {
  g_autofree char *kvm = g_strconcat(root, "/dev/kvm", NULL);
  g_autofree char *cpu = lw_seen_read(root, "/proc/cpuinfo");
  seen->kvm = g_file_test(kvm, G_FILE_TEST_EXISTS);
  seen->cpu_virtualises = cpu && (has_word(cpu, "vmx") || has_word(cpu, "svm"));
}

/* --- memory
 * ------------------------------------------------------------------------------------------------------------
 */

static guint64 memory_total(const char *root) {
  g_autofree char *text = lw_seen_read(root, "/proc/meminfo");
  const char *line = text ? strstr(text, "MemTotal:") : NULL;
  return line ? g_ascii_strtoull(line + strlen("MemTotal:"), NULL, 10) * 1024 : 0;
}

/* SMBIOS 7.18: a word at 0Ch, in MiB (bit 15: KiB); 7FFFh: the double word at 1Ch, in MiB. */
static guint64 module_size(const guint8 *entry, gsize length) {
  if (length < 0x0e)
    return 0;
  guint size = entry[0x0c] | (guint)entry[0x0d] << 8;
  if (size == 0 || size == 0xffff)
    return 0;
  if (size == 0x7fff)
    return length < 0x20 ? 0
                         : (guint64)(entry[0x1c] | (guint)entry[0x1d] << 8 | (guint)entry[0x1e] << 16 |
                                     (guint)(entry[0x1f] & 0x7f) << 24) *
                               MIB;
  return size & 0x8000 ? (guint64)(size & 0x7fff) * 1024 : size * MIB;
}

static guint64 memory_fitted(const char *root) {
  g_autoptr(GPtrArray) entries = lw_seen_list(root, DMI_MEMORY_DEVICE);
  guint64 sum = 0;
  for (guint i = 0; i < entries->len; i++) {
    if (!g_str_has_prefix(entries->pdata[i], "17-"))
      continue;
    g_autofree char *path =
        g_strdup_printf("%s" DMI_MEMORY_DEVICE "/%s/raw", root, (char *)entries->pdata[i]);
    g_autofree char *raw = NULL;
    gsize length = 0;
    if (g_file_get_contents(path, &raw, &length, NULL))
      sum += module_size((const guint8 *)raw, length);
  }
  return sum;
}

/* amdgpu names the maker of a card's own memory; of what is cut out of the machine's it does not know one. */
static void look_at_video(LwSeen *seen, const char *root) {
  g_autoptr(GPtrArray) cards = lw_seen_list(root, "/sys/class/drm");
  for (guint i = 0; i < cards->len; i++) {
    g_autofree char *folder = g_strdup_printf("/sys/class/drm/%s/device", (char *)cards->pdata[i]);
    g_autofree char *maker_path = g_strconcat(folder, "/mem_info_vram_vendor", NULL);
    g_autofree char *total_path = g_strconcat(folder, "/mem_info_vram_total", NULL);
    g_autofree char *maker = lw_seen_read(root, maker_path);
    guint64 total = lw_seen_read_number(root, total_path, 0);
    if (total <= seen->video || strchr(cards->pdata[i], '-') || (maker && !g_str_equal(maker, "unknown")))
      continue;
    seen->video = total;
    g_free(seen->video_path);
    seen->video_path = g_steal_pointer(&total_path);
  }
}

/* --- IOMMU
 * -------------------------------------------------------------------------------------------------------------
 */

/* "" where no driver holds it. Transfer full. */
static char *driver_of(const char *root, const char *device) {
  g_autofree char *path = g_strdup_printf("%s/sys/bus/pci/devices/%s/driver", root, device);
  g_autofree char *target = g_file_read_link(path, NULL);
  return target ? g_path_get_basename(target) : g_strdup("");
}

/* Bridges between buses belong to a group, and are not handed over. */
static gboolean may_stay(const char *driver) {
  return !*driver || g_str_equal(driver, "pcieport") || g_str_equal(driver, "vfio-pci");
}

static void look_at_group(LwSeen *seen, const char *root, const char *group) {
  g_autofree char *folder = g_strdup_printf("/sys/kernel/iommu_groups/%s/devices", group);
  g_autoptr(GPtrArray) devices = lw_seen_list(root, folder);
  const char *given = NULL;
  for (guint i = 0; i < devices->len && !given; i++) {
    g_autofree char *driver = driver_of(root, devices->pdata[i]);
    given = g_str_equal(driver, "vfio-pci") ? devices->pdata[i] : NULL;
  }
  for (guint i = 0; i < devices->len && given; i++) {
    g_autofree char *driver = driver_of(root, devices->pdata[i]);
    if (may_stay(driver))
      continue;
    LwSeenSplit *split = g_new0(LwSeenSplit, 1);
    split->group = g_strdup(group);
    split->given = g_strdup(given);
    split->other = g_strdup(devices->pdata[i]);
    split->driver = g_steal_pointer(&driver);
    g_ptr_array_add(seen->splits, split);
  }
}

static void look_at_iommu(LwSeen *seen, const char *root) {
  g_autoptr(GPtrArray) groups = lw_seen_list(root, "/sys/kernel/iommu_groups");
  g_autofree char *line = lw_seen_read(root, "/proc/cmdline");
  seen->iommu_groups = groups->len;
  seen->iommu_asked = line && (has_word(line, "intel_iommu=on") || has_word(line, "amd_iommu=on") ||
                               strstr(line, "vfio-pci.ids=") != NULL);
  for (guint i = 0; i < groups->len; i++)
    look_at_group(seen, root, groups->pdata[i]);
}

void lw_seen_look_hardware(LwSeen *seen, const char *root) {
  look_at_cpu(seen, root);
  seen->memory = memory_total(root);
  seen->memory_fitted = memory_fitted(root);
  look_at_video(seen, root);
  look_at_iommu(seen, root);
}
