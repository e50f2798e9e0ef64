/* A machine as its files tell it: the input is each of them at once. Whatever they hold, doctor ends, and a
 * file that init or import writes is one that check accepts. */
#include "doctor/findings.h"
#include "doctor/first.h"
#include "spec/spec.h"

#include <glib/gstdio.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
    "/proc/cpuinfo",
    "/proc/cmdline",
    "/proc/meminfo",
    "/proc/net/route",
    "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "/sys/class/drm/card0/device/mem_info_vram_total",
    "/sys/firmware/dmi/entries/17-0/raw",
    "/sys/class/net/eth0/mtu",
    "/etc/network/interfaces",
    "/run/lanward-doctor/iptables-save",
    "/etc/NetworkManager/system-connections/a.nmconnection",
    "/etc/libvirt/qemu/a.xml",
    "/etc/libvirt/qemu/networks/a.xml",
    "/var/lib/libvirt/dnsmasq/virbr0.status",
    "/var/lib/dpkg/status",
    "/etc/systemd/system/a.service",
};

static const char *root(void) {
  static char *path;
  if (path)
    return path;
  path = g_dir_make_tmp("lanward-fuzz-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *whole = g_strconcat(path, files[i], NULL);
    g_autofree char *folder = g_path_get_dirname(whole);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
  }
  return path;
}

/* One isolated network besides, whatever the input says. */
static void add_network(void) {
  g_autofree char *path = g_strconcat(root(), "/etc/libvirt/qemu/networks/b.xml", NULL);
  g_assert_true(g_file_set_contents(
      path, "<network><name>switch-lan10</name><bridge name='virbr-lan10'/></network>", -1, NULL));
}

static void check_lab(const LwLab *lab) {
  g_autofree char *text = lw_spec_print(lab);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) again =
      lw_spec_parse(text, strlen(text), "lab.yaml", "/nowhere", LW_SPEC_TWIN, secrets, diagnostics);
  for (guint i = 0; !again && i < diagnostics->len; i++)
    if (((LwDiagnostic *)diagnostics->pdata[i])->is_error)
      g_error("%s in\n%s", ((LwDiagnostic *)diagnostics->pdata[i])->message, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const LwFirstAnswers answers = {.uplink = "eth0"};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *whole = g_strconcat(root(), files[i], NULL);
    g_assert_true(g_file_set_contents_full(whole, (const char *)data, (gssize)size, G_FILE_SET_CONTENTS_NONE,
                                           0644, NULL));
  }
  add_network();
  g_autoptr(LwSeen) seen = lw_seen_look(root());
  g_autoptr(GPtrArray) findings = lw_doctor_findings(seen, NULL);
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwLab) first = lw_first_lab(seen, &answers, notes, NULL);
  if (first)
    check_lab(first);
  g_autoptr(LwLab) imported = lw_imported_lab(seen, &answers, notes, NULL);
  if (imported)
    check_lab(imported);
  return 0;
}
