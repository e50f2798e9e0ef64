/* First files: every one is right, and says what was there. */
#include "base/error.h"
#include "base/files.h"
#include "doctor/first.h"
#include "doctor/join.h"
#include "spec/spec.h"
#include "tests/unit/doctor/tree.h"

#include <string.h>

static const LwFirstAnswers no_answers = {0};

/* The file, after it was found right. Transfer full. */
static char *checked(const LwLab *lab) {
  char *text = lw_spec_print(lab);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) again =
      lw_spec_parse(text, strlen(text), "lab.yaml", "/etc/lanward", LW_SPEC_TWIN, secrets, diagnostics);
  for (guint i = 0; !again && i < diagnostics->len; i++)
    g_printerr("%s\n", ((LwDiagnostic *)diagnostics->pdata[i])->message);
  g_assert_nonnull(again);
  g_autofree char *printed = lw_spec_print(again);
  g_assert_cmpstr(printed, ==, text);
  return text;
}

static gboolean noted(const GPtrArray *notes, const char *text) {
  for (guint i = 0; i < notes->len; i++)
    if (strstr(notes->pdata[i], text))
      return TRUE;
  return FALSE;
}

static void test_init(void) {
  g_autofree char *root = tree_sound();
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(LwLab) lab = lw_first_lab(seen, &no_answers, notes, &error);
  g_assert_no_error(error);
  g_autofree char *text = checked(lab);
  g_assert_nonnull(strstr(text, "uplink: enp1s0"));
  g_assert_nonnull(strstr(text, "egress: direct"));
  g_assert_nonnull(strstr(text, "  gaming:\n    segment: lan10\n    mac: \"52:54:00:aa:00:01\"\n"));
  g_assert_true(noted(notes, "vault is left out: it has no NIC"));
  g_assert_true(lw_tree_remove(root, NULL));
}

/* 192.168.10.0/24 and the management's own are taken already. */
static void test_init_finds_room(void) {
  g_autofree char *root = tree_sound();
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  tree_write(root, "/proc/net/route",
             "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
             "enp1s0\t00000000\t010AA8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
             "enp1s0\t000AA8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
             "wg0\t0063A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n");
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(LwLab) lab = lw_first_lab(seen, &no_answers, notes, &error);
  g_assert_no_error(error);
  g_autofree char *text = checked(lab);
  g_assert_nonnull(strstr(text, "192.168.20.0/24"));
  g_assert_nonnull(strstr(text, "192.168.100.0/24"));
  g_assert_true(lw_tree_remove(root, NULL));
}

static void test_init_without_uplink(void) {
  g_autofree char *root = tree_sound();
  tree_write(root, "/proc/net/route", "Iface\n");
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  g_assert_null(lw_first_lab(seen, &no_answers, notes, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_assert_nonnull(strstr(error->message, "--uplink"));
  g_clear_error(&error);
  LwFirstAnswers answers = {.uplink = "enp1s0", .name = "mine"};
  g_assert_true(lw_prefix_parse("10.20.0.0/16", &answers.subnet));
  g_autoptr(LwLab) lab = lw_first_lab(seen, &answers, notes, &error);
  g_assert_no_error(error);
  g_autofree char *text = checked(lab);
  g_assert_nonnull(strstr(text, "lab: mine"));
  g_assert_nonnull(strstr(text, "10.20.0.0/16"));
  answers.uplink = "nowhere0";
  g_assert_null(lw_first_lab(seen, &answers, notes, &error));
  g_assert_nonnull(strstr(error->message, "no interface nowhere0"));
  g_assert_true(lw_tree_remove(root, NULL));
}

#define NIC(mac, source) "<interface type='network'><mac address='" mac "'/><source " source "/></interface>"

/* A lab as people make it with nmcli and virsh. */
static char *hand_made(void) {
  char *root = tree_sound();
  tree_nic(root, "br0", 1500, TRUE);
  tree_nic(root, "br-admin", 1500, TRUE);
  tree_nic(root, "virbr-lan10", 1500, TRUE);
  tree_nic(root, "br-guests", 1500, TRUE);
  tree_link(root, "/sys/class/net/enp1s0/master", "../../devices/virtual/net/br0");
  tree_write(root, "/proc/net/route",
             "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
             "br0\t00000000\t0101A8C0\t0003\t0\t0\t425\t00000000\t0\t0\t0\n"
             "br0\t0001A8C0\t00000000\t0001\t0\t0\t425\t00FFFFFF\t0\t0\t0\n"
             "br-admin\t0058A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
  tree_write(root, "/etc/NetworkManager/system-connections/br0.nmconnection",
             "[connection]\nid=br0\nuuid=1111\ntype=bridge\ninterface-name=br0\n[ipv4]\nmethod=auto\n");
  tree_write(root, "/etc/NetworkManager/system-connections/port.nmconnection",
             "[connection]\nid=port\ntype=ethernet\ninterface-name=enp1s0\nmaster=1111\nslave-type=bridge\n");
  tree_write(
      root, "/etc/NetworkManager/system-connections/admin.nmconnection",
      "[connection]\nid=admin\nuuid=2222\ntype=bridge\ninterface-name=br-admin\n[ipv4]\nmethod=manual\n"
      "address1=192.168.88.5/24\nroute1=172.30.10.0/24,192.168.88.254\n");
  tree_write(root, "/etc/libvirt/qemu/networks/switch-lan10.xml",
             "<network><name>switch-lan10</name><bridge name='virbr-lan10' stp='off'/></network>");
  tree_write(root, "/etc/libvirt/qemu/networks/default.xml",
             "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>"
             "<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp/></ip></network>");
  tree_domain(root, "gaming", 8, NIC("52:54:00:aa:00:01", "network='switch-lan10'"));
  tree_domain(root, "Guest PC", 4, NIC("52:54:00:aa:00:02", "bridge='br-guests'"));
  tree_domain(root, "vault", 4, NIC("52:54:00:aa:00:03", "network='default'"));
  tree_domain(root, "fw", 2,
              NIC("52:54:00:aa:00:04", "bridge='br0'") NIC("52:54:00:aa:00:05", "network='switch-lan10'"));
  tree_write(root, "/etc/wireguard/proton-nl.conf", "");
  return root;
}

static void test_import(void) {
  g_autofree char *root = hand_made();
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_assert_cmpstr(lw_seen_uplink(seen), ==, "enp1s0");
  g_ptr_array_add(seen->containers, g_strdup("indexer"));
  g_autoptr(LwLab) lab = lw_imported_lab(seen, &no_answers, notes, &error);
  g_assert_no_error(error);
  g_autofree char *text = checked(lab);
  static const char expected[] = "lab: homelab\n"
                                 "\nhost:\n"
                                 "  uplink: enp1s0\n"
                                 "  management:\n"
                                 "    bridge: br-admin\n"
                                 "    subnet: 192.168.88.0/24\n"
                                 "    address: 192.168.88.5\n"
                                 "    router: 192.168.88.254\n"
                                 "\ntunnels:\n"
                                 "  proton-nl: /etc/wireguard/proton-nl.conf\n"
                                 "\nsegments:\n"
                                 "  lan10:\n"
                                 "    subnet: 172.30.10.0/24\n"
                                 "    dhcp: 172.30.10.200-172.30.10.240\n"
                                 "  guests:\n"
                                 "    subnet: 192.168.10.0/24\n"
                                 "    bridge: br-guests\n"
                                 "    dhcp: 192.168.10.200-192.168.10.240\n"
                                 "\nmachines:\n"
                                 "  guest-pc:\n"
                                 "    vm: Guest PC\n"
                                 "    segment: guests\n"
                                 "    mac: \"52:54:00:aa:00:02\"\n"
                                 "  gaming:\n"
                                 "    segment: lan10\n"
                                 "    mac: \"52:54:00:aa:00:01\"\n"
                                 "  indexer:\n"
                                 "    container: indexer\n"
                                 "    segment: lan10\n";
  g_assert_cmpstr(text, ==, expected);
  g_assert_true(noted(notes, "network default is left as it is"));
  g_assert_true(noted(notes, "vault is left out"));
  g_assert_true(noted(notes, "fw has legs in segments and on br0"));
  g_assert_true(noted(notes, "wg-quick@proton-nl"));
  g_assert_true(noted(notes, "egress: of every segment is none"));
  g_assert_true(lw_tree_remove(root, NULL));
}

static void test_import_nothing(void) {
  g_autofree char *root = tree_sound();
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_assert_null(lw_imported_lab(seen, &no_answers, notes, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_assert_nonnull(strstr(error->message, "lanward init"));
  g_assert_true(lw_tree_remove(root, NULL));
}

static void test_names(void) {
  static const char *const cases[][2] = {{"Win 11 (work)", "win-11-work"},
                                         {"gaming", "gaming"},
                                         {"gaming", "gaming-2"},
                                         {"host", "host-2"},
                                         {"2nd", "m2nd"},
                                         {"--", "m"},
                                         {"a-very-long-name", "a-very-long"},
                                         {"a-very-long-other", "a-very-lo-2"}};
  g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *name = lw_first_name(cases[i][0], 11, taken);
    g_assert_cmpstr(name, ==, cases[i][1]);
  }
}

static void write_domain(const char *root, const char *name, const char *nics) {
  g_autofree char *path = g_strdup_printf("/etc/libvirt/qemu/%s.xml", name);
  g_autofree char *xml =
      g_strdup_printf("<domain type='kvm'><name>%s</name><devices>%s</devices></domain>", name, nics);
  tree_write(root, path, xml);
}

#define CARD(mac, network)                                                                                   \
  "<interface type='network'><mac address='52:54:00:00:00:" mac "'/><source network='" network               \
  "'/></interface>"

/* Two reservations of one domain are one machine, and lines that name them go along; another domain with the
 * same MAC takes nothing of it. */
static void test_join(void) {
  static const char yaml[] = "lab: homelab\n"
                             "host: {uplink: enp1s0, services: {ping: icmp}}\n"
                             "router: {kind: opnsense}\n"
                             "segments:\n"
                             "  lan10:\n"
                             "    subnet: 192.168.10.0/24\n"
                             "    egress: direct\n"
                             "    forward: [{port: tcp/8443, to: web}]\n"
                             "  lan20: {subnet: 192.168.20.0/24, allow: [\"lan10/web:tcp/80\"]}\n"
                             "machines:\n"
                             "  web: {segment: lan10, address: .5, mac: \"52:54:00:00:00:05\"}\n"
                             "  two: {segment: lan20, address: .6, mac: \"52:54:00:00:00:06\"}\n"
                             "  three: {segment: lan20, address: .7, mac: \"52:54:00:00:00:07\"}\n";
  g_autofree char *root = g_dir_make_tmp("lanward-join-XXXXXX", NULL);
  write_domain(root, "a", CARD("06", "switch-lan20") CARD("05", "switch-lan10"));
  write_domain(root, "b", CARD("07", "switch-lan20") CARD("05", "switch-lan10"));
  tree_write(root, "/sys/class/net/enp1s0/address", "52:54:00:00:00:01\n");
  g_autoptr(LwSeen) seen = lw_seen_look(root);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab =
      lw_spec_parse(yaml, strlen(yaml), "lab.yaml", NULL, LW_SPEC_TWIN, secrets, diagnostics);
  g_assert_nonnull(lab);
  g_autoptr(GHashTable) segments = g_hash_table_new(g_str_hash, g_str_equal);
  LwFirstCards cards = {LW_NONE, segments};
  LwFirstAnswers answers = {.uplink = "enp1s0"};
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_first_join(lab, &cards, seen, &answers, notes, &error));
  g_autofree char *text = checked(lab);
  g_assert_cmpuint(lab->machines->len, ==, 2);
  const LwMachine *two = lw_lab_machine(lab, 0), *three = lw_lab_machine(lab, 1);
  g_assert_cmpstr(two->name, ==, "two");
  g_assert_cmpstr(two->object, ==, "a");
  g_assert_cmpuint(two->nics->len, ==, 2);
  g_assert_cmpuint(three->nics->len, ==, 1);
  const LwForward *forward = lw_lab_segment(lab, 0)->forwards->pdata[0];
  g_assert_cmpuint(forward->machine, ==, 0);
  g_assert_cmpuint(forward->nic, ==, 1);
  g_assert_true(noted(notes, "b is left out: a NIC of it has the MAC of one of a"));
  g_assert_true(lw_tree_remove(root, NULL));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/first/init", test_init);
  g_test_add_func("/first/init-finds-room", test_init_finds_room);
  g_test_add_func("/first/init-without-uplink", test_init_without_uplink);
  g_test_add_func("/first/import", test_import);
  g_test_add_func("/first/import-nothing", test_import_nothing);
  g_test_add_func("/first/names", test_names);
  g_test_add_func("/doctor/first/join", test_join);
  return g_test_run();
}
