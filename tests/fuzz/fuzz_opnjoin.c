/* A lab that was read out of its router's configuration, and a machine as its files tell it: whatever they
 * hold, the joined file is one that check accepts. The input is the files, one after the other, separated by
 * lines “%%%”. */
#include "doctor/join.h"
#include "spec/spec.h"

#include <glib/gstdio.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
    "/etc/libvirt/qemu/a.xml",
    "/etc/libvirt/qemu/b.xml",
    "/etc/libvirt/qemu/c.xml",
    "/etc/libvirt/qemu/networks/a.xml",
    "/etc/NetworkManager/system-connections/a.nmconnection",
    "/etc/NetworkManager/system-connections/b.nmconnection",
    "/proc/net/route",
    "/etc/wireguard/a.conf",
};

/* As import writes one. */
static const char yaml[] =
    "lab: homelab\n"
    "host:\n"
    "  uplink: eth0\n"
    "  bridge: br0\n"
    "  management: {bridge: br-mgmt, subnet: 192.168.99.0/24, address: 192.168.99.15, router: 192.168.99.1}\n"
    "  services: {ping: icmp}\n"
    "router: {kind: opnsense}\n"
    "segments:\n"
    "  lan10:\n"
    "    subnet: 192.168.10.0/24\n"
    "    dhcp: .200-.240\n"
    "    egress: direct\n"
    "    forward: [{port: tcp/8443, to: web, to-port: 443}]\n"
    "  lan20: {subnet: 192.168.20.0/24, dhcp: .200-.240, allow: [lan10/web:tcp/80]}\n"
    "machines:\n"
    "  web: {segment: lan10, address: .5, mac: \"52:54:00:00:00:05\"}\n"
    "  two: {segment: lan20, address: .6, mac: \"52:54:00:00:00:06\"}\n"
    "  three: {segment: lan20, address: .7, mac: \"52:54:00:00:00:07\"}\n";

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
  g_autofree char *link = g_strconcat(path, "/sys/class/net/eth0", NULL);
  g_assert_cmpint(g_mkdir_with_parents(link, 0755), ==, 0);
  return path;
}

static LwLab *parse(const char *text, char **trouble) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  LwLab *lab = lw_spec_parse(text, strlen(text), "lab.yaml", "/nowhere", LW_SPEC_TWIN, secrets, diagnostics);
  for (guint i = 0; !lab && i < diagnostics->len; i++)
    if (((LwDiagnostic *)diagnostics->pdata[i])->is_error && !*trouble)
      *trouble = g_strdup(((LwDiagnostic *)diagnostics->pdata[i])->message);
  return lab;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const LwFirstAnswers answers = {.uplink = "eth0"};
  g_autofree char *text = g_strndup((const char *)data, size), *trouble = NULL;
  g_auto(GStrv) parts = g_strsplit(text, "\n%%%\n", G_N_ELEMENTS(files));
  guint count = g_strv_length(parts);
  for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *whole = g_strconcat(root(), files[i], NULL);
    const char *part = i < count ? parts[i] : "";
    g_assert_true(g_file_set_contents_full(whole, part, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
  }
  g_autoptr(LwSeen) seen = lw_seen_look(root());
  g_autoptr(GHashTable) segments = g_hash_table_new(g_str_hash, g_str_equal);
  g_hash_table_insert(segments, (gpointer) "lan10", GUINT_TO_POINTER(2));
  g_hash_table_insert(segments, (gpointer) "lan20", GUINT_TO_POINTER(3));
  LwFirstCards cards = {1, segments};
  g_autoptr(LwLab) lab = parse(yaml, &trouble);
  g_assert_nonnull(lab);
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  if (!lw_first_join(lab, &cards, seen, &answers, notes, NULL))
    return 0;
  g_autofree char *joined = lw_spec_print(lab);
  g_autoptr(LwLab) again = parse(joined, &trouble);
  if (!again)
    g_error("%s in\n%s", trouble, joined);
  return 0;
}
