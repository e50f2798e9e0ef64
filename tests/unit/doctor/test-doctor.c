/* A sound host has no finding; each broken one has the one that it was broken for, and no other. */
#include "base/files.h"
#include "doctor/findings.h"
#include "tests/unit/doctor/tree.h"

#include <string.h>

static LwMachine *machine(LwLab *lab, const char *name, LwMachineKind kind) {
  LwMachine *machine = lw_machine_new();
  machine->name = g_strdup(name);
  machine->object = g_strdup(name);
  machine->kind = kind;
  g_ptr_array_add(lab->machines, machine);
  return machine;
}

static LwLab *lab_new(void) {
  LwLab *lab = lw_lab_new();
  LwSegment *segment = lw_segment_new();
  LwTunnel *tunnel = lw_tunnel_new();
  lab->name = g_strdup("homelab");
  lab->host.uplink = g_strdup("enp1s0");
  segment->name = g_strdup("lan10");
  segment->bridge = g_strdup("virbr-lan10");
  segment->network = g_strdup("switch-lan10");
  g_assert_true(lw_prefix_parse("192.168.10.0/24", &segment->subnet));
  segment->trust_host = TRUE;
  g_ptr_array_add(lab->segments, segment);
  LwNetwork *network = lw_network_new();
  network->name = g_strdup("containers");
  g_assert_true(lw_prefix_parse("172.16.0.0/12", &network->prefix));
  g_ptr_array_add(lab->host.networks, network);
  tunnel->name = g_strdup("ovpn");
  tunnel->path = g_strdup("wireguard/ovpn.conf");
  g_ptr_array_add(lab->tunnels, tunnel);
  machine(lab, "gaming", LW_MACHINE_VM);
  machine(lab, "vault", LW_MACHINE_VM);
  machine(lab, "indexer", LW_MACHINE_CONTAINER);
  return lab;
}

static void no_kvm(const char *root) {
  tree_remove(root, "/dev/kvm");
}

static void no_iommu(const char *root) {
  g_autofree char *groups = g_strconcat(root, "/sys/kernel/iommu_groups", NULL);
  g_assert_true(lw_tree_remove(groups, NULL));
}

/* A graphics card given to guests whose sound function is not. */
static void split_group(const char *root) {
  tree_write(root, "/sys/kernel/iommu_groups/12/devices/0000:01:00.0/class", "0x030000\n");
  tree_write(root, "/sys/kernel/iommu_groups/12/devices/0000:01:00.1/class", "0x040300\n");
  tree_write(root, "/sys/kernel/iommu_groups/12/devices/0000:00:01.0/class", "0x060400\n");
  tree_link(root, "/sys/bus/pci/devices/0000:01:00.0/driver", "../../../bus/pci/drivers/vfio-pci");
  tree_link(root, "/sys/bus/pci/devices/0000:01:00.1/driver", "../../../bus/pci/drivers/snd_hda_intel");
  tree_link(root, "/sys/bus/pci/devices/0000:00:01.0/driver", "../../../bus/pci/drivers/pcieport");
}

static void old_libvirt(const char *root) {
  tree_write(root, "/var/lib/dpkg/status",
             "Package: libvirt-daemon\nStatus: install ok installed\nVersion: 7.0.0-3+deb11u3\n\n"
             "Package: network-manager\nStatus: deinstall ok config-files\nVersion: 1.30.6-1\n");
}

static void old_nm(const char *root) {
  tree_write(root, "/var/lib/dpkg/status",
             "Package: network-manager\nStatus: install ok installed\nVersion: 1.30.6-1+deb11u1\n");
}

static void bridge_filter(const char *root) {
  tree_write(root, "/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n");
}

static void ifupdown(const char *root) {
  tree_write(root, "/etc/network/interfaces.d/lan", "auto enp1s0\n  iface enp1s0 inet dhcp\n");
}

static void networkd(const char *root) {
  g_autofree char *index = lw_seen_read(root, "/sys/class/net/enp1s0/ifindex");
  g_autofree char *path = g_strconcat("/run/systemd/netif/links/", index, NULL);
  tree_write(root, path, "ADMIN_STATE=configured\nOPER_STATE=routable\n");
}

static void small_mtu(const char *root) {
  tree_write(root, "/sys/class/net/enp1s0/mtu", "1400\n");
}

static void ipv6(const char *root) {
  tree_nic(root, "virbr-lan10", 1500, TRUE);
  tree_write(root, "/sys/class/net/virbr-lan10/ifalias", "lanward\n");
  tree_write(root, "/proc/sys/net/ipv6/conf/virbr-lan10/disable_ipv6", "0\n");
}

static void name_clash(const char *root) {
  tree_nic(root, "br-mgmt", 1500, FALSE);
}

static void address_clash(const char *root) {
  tree_write(root, "/proc/net/route",
             "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
             "enp1s0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
             "docker0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\n");
}

static void memory(const char *root) {
  tree_domain(root, "vault", 14, "");
}

static void video(const char *root) {
  tree_write(root, "/sys/class/drm/card0/device/mem_info_vram_total", "17179869184\n");
  tree_write(root, "/sys/class/drm/card0/device/mem_info_vram_vendor", "unknown\n");
}

/* Two modules of 16 GiB, and 24 GiB of them in the kernel's hands. */
static void video_by_modules(const char *root) {
  g_autofree char *path = NULL;
  guint8 module[0x28] = {17, 0x28};
  module[0x0d] = 0x40; /* 4000h MiB */
  for (int i = 0; i < 2; i++) {
    g_autofree char *name = g_strdup_printf("/sys/firmware/dmi/entries/17-%d/raw", i);
    tree_write(root, name, "");
    g_autofree char *whole = g_strconcat(root, name, NULL);
    g_assert_true(g_file_set_contents(whole, (const char *)module, sizeof module, NULL));
  }
  tree_write(root, "/proc/meminfo", "MemTotal:       25165824 kB\n");
}

static void autostart(const char *root) {
  tree_link(root, "/etc/libvirt/qemu/autostart/gaming.xml", "/etc/libvirt/qemu/gaming.xml");
}

static void starter(const char *root) {
  tree_write(root, "/usr/local/bin/start-vms", "#!/bin/sh\n# virsh start nothing\nvirsh -q start gaming\n");
  tree_write(root, "/etc/systemd/system/vms.service",
             "[Service]\nExecStart=/usr/local/bin/start-vms --all\n");
}

static void docker_order(const char *root) {
  tree_write(root, "/etc/systemd/system/docker.service.d/lanward.conf", "[Unit]\nAfter=network.target\n");
}

static void no_dnsmasq(const char *root) {
  tree_remove(root, "/usr/sbin/dnsmasq");
}

static void no_libvirt(const char *root) {
  tree_remove(root, "/run/libvirt/libvirt-sock");
}

static void no_wireguard(const char *root) {
  tree_remove(root, "/sys/module/wireguard/version");
  g_autofree char *folder = g_strconcat(root, "/sys/module/wireguard", NULL);
  g_assert_true(lw_tree_remove(folder, NULL));
}

static void no_tun(const char *root) {
  no_wireguard(root);
  tree_write(root, "/usr/bin/wireguard-go", "");
}

static void enslaved(const char *root) {
  tree_link(root, "/sys/class/net/enp1s0/master", "../../devices/virtual/net/bridge0");
}

static void router_namespace(const char *root) {
  tree_write(root, "/run/netns/router", "");
}

static void no_forwarding(const char *root) {
  tree_write(root, "/proc/sys/net/ipv4/ip_forward", "0\n");
}

static void ufw(const char *root) {
  tree_write(root, "/etc/ufw/ufw.conf", "# on\nENABLED=yes\n");
}

static void firewalld(const char *root) {
  tree_write(root, "/run/systemd/system/x", "");
  tree_write(root, "/etc/firewalld/firewalld.conf", "DefaultZone=public\n");
  tree_link(root, "/etc/systemd/system/multi-user.target.wants/firewalld.service", "/lib/x");
}

static void no_unit(const char *root) {
  tree_write(root, "/var/lib/lanward/state.db", "");
  tree_write(root, "/run/systemd/system/x", "");
  tree_link(root, "/etc/systemd/system/sysinit.target.wants/lanward-block.service", "/lib/x");
}

static const struct {
  const char *id;
  void (*spoil)(const char *root);
  const char *says;   /* in what is so */
  const char *remedy; /* in what to do */
} broken[] = {
    {"kvm-missing", no_kvm, "no KVM", "modprobe kvm_intel"},
    {"iommu", no_iommu, "an IOMMU is asked for", "VT-d"},
    {"iommu-group", split_group, "0000:01:00.1 is held by snd_hda_intel", "vfio-pci"},
    {"libvirt-version", old_libvirt, "7.0.0", "Debian 12"},
    {"networkmanager-version", old_nm, "1.30.6", "Debian 12"},
    {"bridge-firewall", bridge_filter, "FORWARD drops", "bridge-nf-call-iptables=0"},
    {"uplink-ifupdown", ifupdown, "/etc/network/interfaces.d/lan configures enp1s0", "comment its lines out"},
    {"uplink-networkd", networkd, "systemd-networkd keeps enp1s0", "Kind=bridge"},
    {"tunnel-mtu", small_mtu, "tunnel ovpn has MTU 1420", "MTU = 1340"},
    {"ipv6", ipv6, "IPv6 on virbr-lan10", "disable_ipv6=1"},
    {"name-clash", name_clash, "br-mgmt is there already", "ip link delete br-mgmt"},
    {"address-clash", address_clash, "lan10 overlaps 192.168.0.0/20", "default-address-pools"},
    {"memory", memory, "2 virtual machines want 30.0 GiB", "give them less"},
    {"video-memory", video, "16.0 GiB", "UMA frame buffer"},
    {"video-memory", video_by_modules, "6.9 GiB", "UMA frame buffer"},
    {"autostart", autostart, "libvirt starts gaming", "virsh autostart --disable gaming"},
    {"starter", starter, "virsh -q start gaming", "systemctl disable vms.service"},
    {"program-missing", no_dnsmasq, "dnsmasq is not here", "apt install dnsmasq-base"},
    {"libvirt-missing", no_libvirt, "no libvirt daemon", "libvirt-daemon-system"},
    {"wireguard-missing", no_wireguard, "no WireGuard", "modprobe wireguard"},
    {"tun-missing", no_tun, "no /dev/net/tun", "modprobe tun"},
    {"uplink-enslaved", enslaved, "enp1s0 is a port of bridge0", "bridge: bridge0"},
    {"namespace-clash", router_namespace, "a network namespace", "ip netns delete router"},
    {"forwarding-off", no_forwarding, "does not forward", "ip_forward=1"},
    {"firewall-ufw", ufw, "ufw is on", "ufw allow in on br-mgmt"},
    {"firewall-firewalld", firewalld, "firewalld does not trust br-mgmt", "--zone=trusted"},
    {"unit-disabled", no_unit, "lanward.service is not enabled", "systemctl enable lanward.service"},
    {"docker-order", docker_order, "Docker starts its containers", "After=lanward.service"},
};

static void test_sound(void) {
  g_autofree char *root = tree_sound();
  g_autoptr(LwLab) lab = lab_new();
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(GPtrArray) with = lw_doctor_findings(seen, lab);
  g_autoptr(GPtrArray) without = lw_doctor_findings(seen, NULL);
  for (guint i = 0; i < with->len; i++)
    g_error("a sound host: %s", ((LwFinding *)with->pdata[i])->what);
  g_assert_cmpuint(without->len, ==, 0);
  g_assert_cmpstr(lw_seen_uplink(seen), ==, "enp1s0");
  g_assert_true(lw_tree_remove(root, NULL));
}

static void test_broken(gconstpointer data) {
  guint index = GPOINTER_TO_UINT(data);
  g_autofree char *root = tree_sound();
  g_autoptr(LwLab) lab = lab_new();
  broken[index].spoil(root);
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(GPtrArray) findings = lw_doctor_findings(seen, lab);
  guint right = 0;
  for (guint i = 0; i < findings->len; i++) {
    const LwFinding *finding = findings->pdata[i];
    if (!g_str_equal(finding->id, broken[index].id))
      g_error("%s: not what was broken: %s", finding->id, finding->what);
    g_assert_cmpuint(strlen(finding->harm), >, 0);
    g_assert_cmpuint(strlen(finding->place), >, 0);
    right += strstr(finding->what, broken[index].says) && strstr(finding->remedy, broken[index].remedy);
    if (!right)
      g_test_message("%s / %s", finding->what, finding->remedy);
  }
  g_assert_cmpuint(right, ==, 1);
  g_assert_true(lw_tree_remove(root, NULL));
}

/* What does not matter without a guest that is given something. */
static void test_not_a_finding(void) {
  g_autofree char *root = tree_sound();
  g_autoptr(LwLab) lab = lab_new();
  tree_write(root, "/proc/cmdline", "quiet\n");
  no_iommu(root);
  tree_write(root, "/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n");
  tree_write(root, "/run/lanward-doctor/iptables-save", "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n");
  tree_write(root, "/sys/class/drm/card0/device/mem_info_vram_total", "17179869184\n");
  tree_write(root, "/sys/class/drm/card0/device/mem_info_vram_vendor", "samsung\n");
  tree_link(root, "/etc/libvirt/qemu/autostart/other.xml", "/etc/libvirt/qemu/other.xml");
  tree_domain(root, "other", 2, "");
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(GPtrArray) findings = lw_doctor_findings(seen, lab);
  for (guint i = 0; i < findings->len; i++)
    g_error("%s", ((LwFinding *)findings->pdata[i])->what);
  g_assert_true(lw_tree_remove(root, NULL));
}

static void test_nothing_there(void) {
  g_autofree char *root = g_dir_make_tmp("lanward-doctor-XXXXXX", NULL);
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(GPtrArray) findings = lw_doctor_findings(seen, NULL);
  g_assert_cmpuint(findings->len, ==, 4); /* no KVM, no uplink, no dnsmasq, no dhcpcd */
  g_assert_true(lw_tree_remove(root, NULL));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/doctor/sound", test_sound);
  for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
    g_autofree char *name = g_strdup_printf("/doctor/broken/%u-%s", i, broken[i].id);
    g_test_add_data_func(name, GUINT_TO_POINTER(i), test_broken);
  }
  g_test_add_func("/doctor/not-a-finding", test_not_a_finding);
  g_test_add_func("/doctor/nothing-there", test_nothing_there);
  return g_test_run();
}
