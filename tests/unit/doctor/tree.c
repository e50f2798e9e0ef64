#include "tests/unit/doctor/tree.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define ROUTES                                                                                               \
  "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"                       \
  "enp1s0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"                                         \
  "enp1s0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"                                         \
  "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"

static char *make_way(const char *root, const char *path) {
  char *whole = g_strconcat(root, path, NULL);
  g_autofree char *folder = g_path_get_dirname(whole);
  g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
  return whole;
}

void tree_write(const char *root, const char *path, const char *text) {
  g_autofree char *whole = make_way(root, path);
  g_autoptr(GError) error = NULL;
  if (!g_file_set_contents(whole, text, -1, &error))
    g_error("%s", error->message);
}

void tree_link(const char *root, const char *path, const char *target) {
  g_autofree char *whole = make_way(root, path);
  unlink(whole);
  g_assert_cmpint(symlink(target, whole), ==, 0);
}

void tree_remove(const char *root, const char *path) {
  g_autofree char *whole = g_strconcat(root, path, NULL);
  g_assert_cmpint(unlink(whole), ==, 0);
}

void tree_domain(const char *root, const char *name, guint gib, const char *interfaces) {
  g_autofree char *path = g_strdup_printf("/etc/libvirt/qemu/%s.xml", name);
  g_autofree char *text =
      g_strdup_printf("<domain type='kvm'>\n  <name>%s</name>\n  <memory unit='KiB'>%u</memory>\n"
                      "  <devices>%s</devices>\n</domain>\n",
                      name, gib * 1024 * 1024, interfaces);
  tree_write(root, path, text);
}

void tree_nic(const char *root, const char *name, guint mtu, gboolean bridge) {
  static guint number = 1;
  const char *files[][2] = {{"mtu", NULL}, {"ifalias", ""}, {"ifindex", NULL}, {"address", NULL}};
  g_autofree char *mtu_text = g_strdup_printf("%u\n", mtu);
  g_autofree char *index_text = g_strdup_printf("%u\n", ++number);
  g_autofree char *mac = g_strdup_printf("52:54:00:00:01:%02x\n", number);
  files[0][1] = mtu_text;
  files[2][1] = index_text;
  files[3][1] = mac;
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_strdup_printf("/sys/class/net/%s/%s", name, files[i][0]);
    tree_write(root, path, files[i][1]);
  }
  g_autofree char *ipv6 = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
  tree_write(root, ipv6, bridge ? "1\n" : "0\n");
  g_autofree char *folder = g_strdup_printf("/sys/class/net/%s/bridge/stp_state", name);
  if (bridge)
    tree_write(root, folder, "0\n");
}

char *tree_sound(void) {
  g_autoptr(GError) error = NULL;
  char *root = g_dir_make_tmp("lanward-doctor-XXXXXX", &error);
  g_assert_no_error(error);
  tree_write(root, "/dev/kvm", "");
  tree_write(root, "/usr/sbin/dnsmasq", "");
  tree_write(root, "/usr/sbin/dhcpcd", "");
  tree_write(root, "/sys/module/wireguard/version", "1.0.0\n");
  tree_write(root, "/run/libvirt/libvirt-sock", "");
  tree_write(root, "/proc/sys/net/ipv4/ip_forward", "1\n");
  tree_write(root, "/proc/cpuinfo", "flags\t\t: fpu vme de vmx smx\n");
  tree_write(root, "/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 intel_iommu=on quiet\n");
  tree_write(root, "/proc/meminfo", "MemTotal:       32614000 kB\nMemFree:        1 kB\n");
  tree_write(root, "/proc/net/route", ROUTES);
  tree_write(root, "/proc/sys/net/bridge/bridge-nf-call-iptables", "0\n");
  tree_write(root, "/run/lanward-doctor/iptables-save",
             "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\nCOMMIT\n");
  tree_write(root, "/sys/kernel/iommu_groups/1/devices/0000:00:02.0/class", "0x030000\n");
  tree_nic(root, "enp1s0", 1500, FALSE);
  tree_nic(root, "docker0", 1500, TRUE);
  tree_write(root, "/etc/network/interfaces", "auto lo\niface lo inet loopback\n");
  tree_write(root, "/var/lib/dpkg/status",
             "Package: libvirt-daemon\nStatus: install ok installed\nVersion: 9.0.0-4+deb12u2\n\n"
             "Package: network-manager\nStatus: install ok installed\nVersion: 1.42.4-1+deb12u1\n\n"
             "Package: zz\nStatus: install ok installed\nVersion: 1\n");
  tree_domain(root, "gaming", 16,
              "<interface type='network'><mac address='52:54:00:aa:00:01'/><source network='default'/>"
              "</interface>");
  tree_domain(root, "vault", 4, "");
  tree_link(root, "/etc/systemd/system/multi-user.target.wants/docker.service",
            "/lib/systemd/system/docker.service");
  tree_write(root, "/etc/systemd/system/docker.service.d/lanward.conf", "[Unit]\nAfter=lanward.service\n");
  tree_write(root, "/etc/systemd/system/backup.service",
             "[Service]\nExecStart=/usr/local/bin/backup\n[Install]\nWantedBy=multi-user.target\n");
  return root;
}
