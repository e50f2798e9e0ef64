#include "base/error.h"
#include "providers/dhcpcd/lease.h"
#include "providers/dhcpcd/settings.h"

#include <glib/gstdio.h>
#include <string.h>

static void test_environment(void) {
  const char *environment[] = {"new_ip_address=192.168.1.77", "new_subnet_cidr=24",
                               "new_routers=192.168.1.1 192.168.1.2",
                               "new_domain_name_servers=192.168.1.1 9.9.9.9", NULL};
  g_auto(LwDhcpLease) lease = {0};
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_dhcp_lease_from_environment((char **)environment, &lease, &error));
  g_assert_no_error(error);
  g_autofree char *address = lw_prefix_format(&lease.address);
  g_autofree char *router = lw_addr_format(&lease.router);
  g_assert_cmpstr(address, ==, "192.168.1.77/24");
  g_assert_cmpstr(router, ==, "192.168.1.1");
  g_assert_cmpuint(lease.dns->len, ==, 2);
  g_autofree char *second = lw_addr_format(&g_array_index(lease.dns, LwAddr, 1));
  g_assert_cmpstr(second, ==, "9.9.9.9");
}

static void test_mask(void) {
  static const struct {
    const char *mask;
    int len; /* 0: refused */
  } cases[] = {{"255.255.255.0", 24}, {"255.255.240.0", 20}, {"255.255.255.255", 32}, {"128.0.0.0", 1},
               {"0.0.0.0", 0},        {"255.0.255.0", 0},    {"0.0.0.255", 0},        {"24", 0}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *mask = g_strconcat("new_subnet_mask=", cases[i].mask, NULL);
    const char *environment[] = {"new_ip_address=100.64.3.7", mask, NULL};
    g_auto(LwDhcpLease) lease = {0};
    gboolean ok = lw_dhcp_lease_from_environment((char **)environment, &lease, NULL);
    g_assert_cmpint(ok ? lease.address.len : 0, ==, cases[i].len);
  }
}

static void test_hostile_addresses(void) {
  static const char *const cases[][2] = {
      {"192.168.1.5", "0"},
      {"192.168.1.5", "33"},
      {"192.168.1.5", "-1"},
      {"192.168.1.5", "24; flush ruleset"},
      {"192.168.1.5", ""},
      {"0.0.0.0", "24"},
      {"127.0.0.1", "8"},
      {"224.0.0.5", "24"},
      {"255.255.255.255", "32"},
      {"192.168.1.0", "24"},
      {"192.168.1.255", "24"},
      {"192.168.1.5 }", "24"},
      {"192.168.1.5\nflush", "24"},
      {"$(reboot)", "24"},
      {"::1", "24"},
      {"", "24"},
      {"192.168.1.5/8", "24"},
      {"fe80::1", "64"},
      {"192.168.1.5", "0x18"},
      {"192.168.1.5", "24 25"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *address = g_strconcat("new_ip_address=", cases[i][0], NULL);
    g_autofree char *cidr = g_strconcat("new_subnet_cidr=", cases[i][1], NULL);
    const char *environment[] = {address, cidr, "new_subnet_mask=255.255.255.0", NULL};
    LwDhcpLease lease = {.address = {.len = 99}};
    g_autoptr(GError) error = NULL;
    if (lw_dhcp_lease_from_environment((char **)environment, &lease, &error))
      g_error("%s/%s was taken", cases[i][0], cases[i][1]);
    g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
    g_assert_null(strchr(error->message, '\n'));
    g_assert_cmpint(lease.address.len, ==, 99);
    g_assert_null(lease.dns);
  }
}

static void test_hostile_extras(void) {
  g_autoptr(GString) many = g_string_new("new_domain_name_servers=127.0.0.1 x 0.0.0.0 ::1 10.0.0.1\nsearch");
  for (int i = 1; i < 200; i++)
    g_string_append_printf(many, " 10.0.0.%d", i);
  static const char *const routers[] = {"",           "127.0.0.1", "224.0.0.1", "10.0.0.9" /* its own */,
                                        "10.0.0.1;x", "::1"};
  for (gsize i = 0; i < G_N_ELEMENTS(routers); i++) {
    g_autofree char *router = g_strconcat("new_routers=", routers[i], NULL);
    const char *environment[] = {"new_ip_address=10.0.0.9", "new_subnet_cidr=24", router, many->str, NULL};
    g_auto(LwDhcpLease) lease = {0};
    g_assert_true(lw_dhcp_lease_from_environment((char **)environment, &lease, NULL));
    g_assert_false(lw_addr_is_set(&lease.router));
    g_assert_cmpuint(lease.dns->len, ==, 8);
    g_autofree char *first = lw_addr_format(&g_array_index(lease.dns, LwAddr, 0));
    g_assert_cmpstr(first, ==, "10.0.0.1");
  }
}

static void test_lease_file(void) {
  g_autofree char *folder = g_dir_make_tmp("dhcpcd-XXXXXX", NULL);
  g_auto(LwDhcpLease) lease = {0}, back = {0};
  g_autoptr(GError) error = NULL;
  g_assert_false(lw_dhcp_lease_read(folder, "router", "wan", &back, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_clear_error(&error);

  lw_prefix_parse("192.168.1.77/24", &lease.address);
  lw_addr_parse("192.168.1.1", &lease.router);
  lease.dns = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  g_array_append_val(lease.dns, lease.router);
  g_assert_true(lw_dhcp_lease_write(folder, "router", "wan", &lease, &error));
  g_assert_true(lw_dhcp_lease_read(folder, "router", "wan", &back, &error));
  g_assert_no_error(error);
  g_assert_true(lw_prefix_equal(&lease.address, &back.address));
  g_assert_true(lw_addr_equal(&lease.router, &back.router));
  g_assert_cmpuint(back.dns->len, ==, 1);
  g_assert_true(lw_addr_equal(&g_array_index(back.dns, LwAddr, 0), &lease.router));

  g_autofree char *path = g_build_filename(folder, "lease-router-wan.json", NULL);
  LwDhcpLease untouched = {0};
  static const char *const damaged[] = {"",
                                        "{",
                                        "[]",
                                        "{\"address\":3,\"dns\":[]}",
                                        "{\"address\":\"x\",\"dns\":[]}",
                                        "{\"address\":\"10.0.0.1/24\"}"};
  for (gsize i = 0; i < G_N_ELEMENTS(damaged); i++) {
    g_assert_true(g_file_set_contents(path, damaged[i], -1, NULL));
    g_assert_false(lw_dhcp_lease_read(folder, "router", "wan", &untouched, &error));
    g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
    g_clear_error(&error);
    g_assert_null(untouched.dns);
  }
  g_assert_true(lw_dhcp_lease_remove(folder, "router", "wan", &error));
  g_assert_true(lw_dhcp_lease_remove(folder, "router", "wan", &error));
  g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_settings(void) {
  g_autofree char *folder = g_dir_make_tmp("dhcpcd-XXXXXX", NULL);
  g_autoptr(GError) error = NULL;
  LwDhcpClient client = {.ns = "a-b",
                         .link = "c",
                         .table = 1000,
                         .home_lan_set = "lanward home_lan",
                         .resolv_conf = "/tmp/with space\\and=more",
                         .hostname = "gaming"};
  g_autoptr(LwDhcpSettings) s = lw_dhcp_settings_new(folder, &client, &error);
  g_assert_no_error(error);
  g_assert_true(lw_dhcp_settings_save(s, &error));
  g_autoptr(LwDhcpSettings) back = lw_dhcp_settings_load(folder, "a-b", "c", &error);
  g_assert_no_error(error);
  g_assert_cmpuint(back->table, ==, 1000);
  g_assert_cmpstr(back->home_lan_set, ==, "lanward home_lan");
  g_assert_cmpstr(back->resolv_conf, ==, client.resolv_conf);
  g_assert_cmpstr(back->hostname, ==, "gaming");
  g_assert_null(lw_dhcp_settings_load(folder, "a", "b-c", &error)); /* the same file name, another client */
  g_assert_error(error, LW_ERROR, LW_ERROR_CONFLICT);
  g_clear_error(&error);
  g_assert_null(lw_dhcp_settings_load(folder, "a", "b", &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_autofree char *path = lw_dhcp_path(folder, "dhcp", "a-b", "c", "settings");
  g_assert_cmpint(g_unlink(path), ==, 0);
  g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_settings_refused(void) {
  static const LwDhcpClient cases[] = {
      {.link = NULL},
      {.link = ""},
      {.link = "-B"},
      {.link = "../x"},
      {.link = "sixteen-letters-"},
      {.link = "eth0\nscript /bin/sh"},
      {.link = "eth0", .ns = "../etc"},
      {.link = "eth0", .home_lan_set = "lanward"},
      {.link = "eth0", .home_lan_set = "lanward home_lan\nflush"},
      {.link = "eth0", .home_lan_set = "lanward a; flush"},
      {.link = "eth0", .hostname = "a\nscript /bin/sh"},
      {.link = "eth0", .resolv_conf = "etc/resolv.conf"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(lw_dhcp_settings_new("/run/lanward", &cases[i], &error));
    g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  }
  LwDhcpClient good = {.link = "eth0"};
  g_assert_null(lw_dhcp_settings_new("/run/a b", &good, NULL));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/dhcpcd/environment", test_environment);
  g_test_add_func("/dhcpcd/mask", test_mask);
  g_test_add_func("/dhcpcd/hostile-addresses", test_hostile_addresses);
  g_test_add_func("/dhcpcd/hostile-extras", test_hostile_extras);
  g_test_add_func("/dhcpcd/lease-file", test_lease_file);
  g_test_add_func("/dhcpcd/settings", test_settings);
  g_test_add_func("/dhcpcd/settings-refused", test_settings_refused);
  return g_test_run();
}
