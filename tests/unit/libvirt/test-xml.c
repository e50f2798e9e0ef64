/* libvirt's XML both ways, and the IOMMU groups of a tree that looks like /sys. */
#include "base/error.h"
#include "providers/libvirt/iommu.h"
#include "providers/libvirt/xml.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static LwResource *network(const char *xml) {
  g_autoptr(GError) error = NULL;
  LwResource *read = lw_virt_network_read(xml, &error);
  g_assert_no_error(error);
  return read;
}

static void test_networks(void) {
  static const struct {
    const char *xml, *bridge, *mode;
  } kinds[] = {
      {"<network><name>a</name><bridge name='virbr7' stp='off'/></network>", "virbr7", "isolated"},
      {"<network><name>a</name><forward/><bridge name='virbr0'/></network>", "virbr0", "nat"},
      {"<network><name>a</name><forward mode='bridge'/><bridge name='br0'/></network>", "br0", "bridge"},
      {"<network><name>a</name><forward mode='hostdev'/></network>", NULL, "hostdev"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autoptr(LwResource) read = network(kinds[i].xml);
    g_assert_cmpstr(read->name, ==, "a");
    g_assert_cmpstr(read->link, ==, kinds[i].bridge);
    g_assert_cmpstr(read->value, ==, kinds[i].mode);
    g_assert_null(read->alias);
  }
  g_autoptr(LwResource) ours = lw_resource_new(LW_RES_NETWORK, NULL, "switch-<lan>&10");
  ours->link = g_strdup("virbr-lan10");
  g_autofree char *xml = lw_virt_network_write(ours);
  g_autoptr(LwResource) back = network(xml);
  g_assert_cmpstr(back->name, ==, ours->name);
  g_assert_cmpstr(back->link, ==, "virbr-lan10");
  g_assert_cmpstr(back->value, ==, "bridge");
  g_assert_cmpstr(back->alias, ==, "lanward");
}

static void test_refused(void) {
  static const char *const bad[] = {"", "<network/", "<domain/>",
                                    "<!DOCTYPE network [<!ENTITY x 'y'>]><network/>", "text"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(lw_virt_network_read(bad[i], &error));
    g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  }
}

static const char domain_xml[] =
    "<domain type='kvm'><name>pc</name><uuid>b41c1b3c-d2be-4e81-aa34-82f9d90faa8a</uuid>"
    "<devices><interface type='bridge'><mac address='52:54:00:00:00:01'/>"
    "<source network='switch-lan10' portid='x' bridge='virbr-lan10'/><virtualport/><target dev='vnet3'/>"
    "<model type='e1000e'/><bandwidth><inbound average='1000'/></bandwidth><link state='down'/>"
    "<address type='pci' bus='0x01'/></interface>"
    "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>"
    "<interface type='bridge'><source bridge='br0'/><port isolated='yes'/></interface></devices></domain>";

static LwVirtDomain *domain_of(const char *xml) {
  g_autoptr(GError) error = NULL;
  LwVirtDomain *domain = lw_virt_domain_parse(xml, &error);
  g_assert_no_error(error);
  return domain;
}

static void check_place(const LwVirtDomain *domain, guint index, const char *place, gboolean up,
                        gboolean isolated) {
  g_autoptr(LwResource) nic = lw_virt_nic_read(domain, index);
  g_assert_cmpuint(nic->instance, ==, index);
  g_assert_cmpstr(nic->name, ==, "pc");
  g_assert_cmpstr(nic->master, ==, place);
  g_assert_cmpint(nic->up, ==, up);
  g_assert_cmpint(nic->isolated, ==, isolated);
}

static void test_nics(void) {
  g_autoptr(LwVirtDomain) domain = domain_of(domain_xml);
  g_assert_cmpuint(lw_virt_domain_nics(domain), ==, 3);
  check_place(domain, 0, "switch-lan10", FALSE, FALSE);
  check_place(domain, 1, "/user", TRUE, FALSE);
  check_place(domain, 2, "/bridge/br0", TRUE, TRUE);
  g_assert_null(lw_virt_nic_read(domain, 3));
  LwMac mac;
  g_assert_true(lw_mac_parse("52:54:00:00:00:02", &mac));
  g_assert_cmpuint(lw_virt_nic_find(domain, mac), ==, 1);
  g_assert_cmpuint(lw_virt_nic_find(domain, lw_mac_derive("nobody")), ==, 3);
}

static void test_edit(void) {
  g_autoptr(LwVirtDomain) domain = domain_of(domain_xml);
  g_autofree char *moved = lw_virt_nic_edit(domain, 0, "switch-lan30", TRUE, TRUE, TRUE, "lwm1");
  g_autoptr(LwResource) nic = lw_virt_nic_of_text(moved, NULL);
  g_assert_cmpstr(nic->master, ==, "switch-lan30");
  g_assert_true(nic->up && nic->isolated);
  g_assert_cmpstr(nic->link, ==, "lwm1");
  g_assert_cmpstr(nic->model, ==, "e1000e");
  g_assert_nonnull(strstr(moved, "average=\"1000\"")); /* all else is as it was */
  g_assert_nonnull(strstr(moved, "<address type=\"pci\" bus=\"0x01\"/>"));
  g_assert_null(strstr(moved, "virbr-lan10"));
  g_assert_null(strstr(moved, "virtualport"));
  /* told "bridge" again, libvirt would forget the network */
  g_autofree char *raised = lw_virt_nic_edit(domain, 0, NULL, TRUE, FALSE, FALSE, NULL);
  g_assert_nonnull(strstr(raised, "<interface type=\"network\">"));
  g_assert_nonnull(strstr(raised, "vnet3"));
  g_autofree char *same = lw_virt_nic_edit(domain, 2, "/bridge/br0", TRUE, TRUE, TRUE, NULL);
  g_autofree char *before = lw_virt_nic_text(domain, 2);
  g_assert_cmpstr(same, ==, before);
}

static void test_in_place(void) {
  g_autoptr(LwVirtDomain) domain = domain_of(domain_xml);
  g_autoptr(GError) error = NULL;
  g_autofree char *text = lw_virt_nic_text(domain, 1);
  g_autofree char *same = lw_virt_domain_with_nic(domain, 1, text, &error);
  g_autofree char *less = lw_virt_domain_with_nic(domain, 0, NULL, &error);
  g_autofree char *more = lw_virt_domain_with_nic(domain, 3, text, &error);
  g_assert_no_error(error);
  g_autoptr(LwVirtDomain) a = domain_of(same), b = domain_of(less), c = domain_of(more);
  check_place(a, 1, "/user", TRUE, FALSE);
  check_place(a, 2, "/bridge/br0", TRUE, TRUE);
  g_assert_cmpuint(lw_virt_domain_nics(b), ==, 2);
  check_place(b, 0, "/user", TRUE, FALSE);
  check_place(c, 3, "/user", TRUE, FALSE);
  g_assert_null(lw_virt_domain_with_nic(domain, 0, "<disk/>", &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
}

static void test_kept(void) {
  g_autoptr(GHashTable) kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_assert_null(lw_virt_kept_write(kept, FALSE));
  g_hash_table_insert(kept, g_strdup("52:54:00:00:00:01"), g_strdup("<interface type='user'/>"));
  g_hash_table_insert(kept, g_strdup("52:54:00:00:00:02"), g_strdup(""));
  g_autofree char *text = lw_virt_kept_write(kept, TRUE);
  g_assert_true(lw_virt_kept_created(text));
  g_autoptr(GHashTable) back = lw_virt_kept_read(text);
  g_assert_cmpuint(g_hash_table_size(back), ==, 2);
  g_assert_cmpstr(g_hash_table_lookup(back, "52:54:00:00:00:01"), ==, "<interface type='user'/>");
  g_assert_cmpstr(g_hash_table_lookup(back, "52:54:00:00:00:02"), ==, "");
  g_autoptr(GHashTable) none = lw_virt_kept_read(NULL);
  g_assert_cmpuint(g_hash_table_size(none), ==, 0);
  g_assert_false(lw_virt_kept_created(NULL));
}

static void test_domain(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) wanted = lw_resource_new(LW_RES_DOMAIN, NULL, "pc & co");
  wanted->memory = 1536;
  wanted->vcpus = 2;
  wanted->firmware = g_strdup("uefi");
  wanted->cdrom = g_strdup("/srv/debian.iso");
  wanted->seed_iso = g_strdup("/srv/seed.iso");
  wanted->alias = g_strdup("lanward");
  g_ptr_array_add(wanted->devices, g_strdup("0000:0a:1f.7"));
  for (guint i = 0; i < 2; i++) {
    LwDisk *disk = lw_disk_new();
    disk->path = g_strdup(i ? "/srv/b.raw" : "/srv/a.qcow2");
    g_ptr_array_add(wanted->disks, disk);
  }
  g_autofree char *xml = lw_virt_domain_write(wanted, NULL, "qemu");
  g_autoptr(LwVirtDomain) made = domain_of(xml);
  g_autoptr(LwResource) back = lw_virt_domain_read(made);
  g_autofree char *difference = lw_resource_difference(back, wanted);
  g_assert_cmpstr(difference, ==, NULL);
  g_assert_true(lw_resource_equal(back, wanted));
  /* of a domain that is there its UUID and NICs stay */
  g_autoptr(LwVirtDomain) before = domain_of(domain_xml);
  g_autofree char *again = lw_virt_domain_write(wanted, before, "kvm");
  g_autoptr(LwVirtDomain) after = domain_of(again);
  g_assert_nonnull(strstr(again, "b41c1b3c-d2be-4e81-aa34-82f9d90faa8a"));
  g_assert_cmpuint(lw_virt_domain_nics(after), ==, 3);
  g_autoptr(LwResource) theirs = lw_virt_domain_read(before);
  g_assert_null(theirs->alias);
}

/* --- IOMMU groups
 * -------------------------------------------------------------------------------------------------------------
 */

static void add_device(const char *sysfs, const char *device, const char *class_code, const char *group) {
  g_autofree char *folder = g_build_filename(sysfs, "bus/pci/devices", device, NULL);
  g_autofree char *class_file = g_build_filename(folder, "class", NULL);
  g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
  g_assert_true(g_file_set_contents(class_file, class_code, -1, NULL));
  if (!group)
    return;
  g_autofree char *members = g_build_filename(sysfs, "kernel/iommu_groups", group, "devices", NULL);
  g_autofree char *member = g_build_filename(members, device, NULL);
  g_autofree char *link = g_build_filename(folder, "iommu_group", NULL);
  g_autofree char *target = g_strdup_printf("../../../../kernel/iommu_groups/%s", group);
  g_assert_cmpint(g_mkdir_with_parents(members, 0700), ==, 0);
  g_assert_true(g_file_set_contents(member, "", -1, NULL));
  g_assert_cmpint(symlink(target, link), ==, 0);
}

static void check_refused(const char *sysfs, const char *word, ...) G_GNUC_NULL_TERMINATED;
static void check_refused(const char *sysfs, const char *word, ...) {
  g_autoptr(GPtrArray) devices = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  va_list args;
  va_start(args, word);
  for (const char *device; (device = va_arg(args, const char *));)
    g_ptr_array_add(devices, (gpointer)device);
  va_end(args);
  gboolean ok = lw_iommu_check(sysfs, devices, &error);
  g_assert_cmpint(ok, ==, word == NULL);
  g_assert_true(!word || (error && strstr(error->message, word)));
}

static void test_iommu(void) {
  g_autofree char *sysfs = g_dir_make_tmp("lanward-sysfs-XXXXXX", NULL);
  add_device(sysfs, "0000:00:01.0", "0x060400\n", "1"); /* the bridge above it */
  add_device(sysfs, "0000:01:00.0", "0x030000\n", "1");
  add_device(sysfs, "0000:01:00.1", "0x040300\n", "1");
  add_device(sysfs, "0000:02:00.0", "0x010802\n", "2");
  add_device(sysfs, "0000:03:00.0", "0x020000\n", NULL);
  check_refused(sysfs, NULL, NULL);
  check_refused(sysfs, NULL, "0000:02:00.0", NULL);
  check_refused(sysfs, NULL, "0000:01:00.0", "0000:01:00.1", NULL);
  check_refused(sysfs, "0000:01:00.1", "0000:01:00.0", NULL);
  check_refused(sysfs, "no IOMMU group", "0000:03:00.0", NULL);
  check_refused(sysfs, "no PCI device", "0000:09:00.0", NULL);
  const char *const argv[] = {"rm", "-rf", "--", sysfs, NULL};
  g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

static const char router_xml[] =
    "<domain type='kvm'><name>opnsense</name><memory unit='MiB'>4096</memory><vcpu>2</vcpu>"
    "<cpu mode='host-passthrough'/><devices>"
    "<disk type='file' device='disk'><source file='/d/opnsense.qcow2'/></disk>"
    "<disk type='file' device='disk'><source file='/d/opnsense-config.iso'/></disk>"
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>"
    "<interface type='network'><mac address='52:54:00:00:00:02'/><source network='switch-lan10'/></interface>"
    "<serial type='pty'><source path='/dev/pts/7'/></serial></devices></domain>";

/* What is defined is known again: as the router, with its cards in order and without the disc of its import.
 */
static void test_router(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) wanted = lw_resource_new(LW_RES_DOMAIN, NULL, "opnsense");
  wanted->xml = g_strdup(router_xml);
  wanted->medium = g_strdup("/d/opnsense-config.iso");
  g_autofree char *with = lw_virt_router_write(wanted, NULL, "kvm", TRUE, &error);
  g_assert_no_error(error);
  g_assert_nonnull(strstr(with, "opnsense-config.iso"));
  g_assert_nonnull(strstr(with, "host-passthrough"));
  g_autoptr(LwVirtDomain) before = lw_virt_domain_parse(domain_xml, NULL);
  g_autofree char *text = lw_virt_router_write(wanted, before, "qemu", FALSE, &error);
  g_assert_no_error(error);
  g_assert_null(strstr(text, "opnsense-config.iso"));
  g_assert_nonnull(strstr(text, "mode=\"maximum\""));
  g_assert_nonnull(strstr(text, "b41c1b3c-d2be-4e81-aa34-82f9d90faa8a"));
  g_autoptr(LwVirtDomain) parsed = lw_virt_domain_parse(text, &error);
  g_autoptr(LwResource) read = lw_virt_domain_read(parsed);
  g_assert_cmpstr(read->alias, ==, "lanward");
  g_assert_cmpuint(read->memory, ==, 4096);
  g_assert_cmpuint(read->disks->len, ==, 1);
  g_assert_cmpuint(read->links->len, ==, 2);
  g_assert_cmpstr(read->links->pdata[0], ==, "/bridge/br0 52:54:00:00:00:01");
  g_assert_cmpstr(read->links->pdata[1], ==, "switch-lan10 52:54:00:00:00:02");
  g_autofree char *console = lw_virt_domain_console(parsed);
  g_assert_cmpstr(console, ==, "/dev/pts/7");
  /* an undo has what was seen: it is defined as it was */
  g_autofree char *again = lw_virt_router_write(read, parsed, "qemu", FALSE, &error);
  g_autoptr(LwVirtDomain) once_more = lw_virt_domain_parse(again, &error);
  g_autoptr(LwResource) same = lw_virt_domain_read(once_more);
  g_assert_true(lw_resource_equal(read, same));
  wanted->xml[0] = 'x';
  g_assert_null(lw_virt_router_write(wanted, NULL, "kvm", TRUE, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/libvirt/networks", test_networks);
  g_test_add_func("/libvirt/refused", test_refused);
  g_test_add_func("/libvirt/nics", test_nics);
  g_test_add_func("/libvirt/edit", test_edit);
  g_test_add_func("/libvirt/in-place", test_in_place);
  g_test_add_func("/libvirt/kept", test_kept);
  g_test_add_func("/libvirt/domain", test_domain);
  g_test_add_func("/libvirt/router", test_router);
  g_test_add_func("/libvirt/iommu", test_iommu);
  return g_test_run();
}
