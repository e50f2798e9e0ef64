/* Profiles to NetworkManager's connections and back, with nobody to talk to. */
#include "providers/networkmanager/translate.h"

#include <string.h>

static LwPrefix prefix(const char *text) {
  LwPrefix out = {0};
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwResource *profile(LwProfileType type, const char *name, const char *link) {
  LwResource *r = lw_resource_new(LW_RES_PROFILE, NULL, name);
  r->profile_type = type;
  r->link = g_strdup(link);
  r->alias = g_strdup("lanward");
  r->up = TRUE;
  return r;
}

static NMConnection *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_assert_true(g_key_file_load_from_data(file, text, strlen(text), 0, &error));
  NMConnection *connection = nm_keyfile_read(file, "/", NM_KEYFILE_HANDLER_FLAGS_NONE, NULL, NULL, &error);
  g_assert_no_error(error);
  return connection;
}

static NMConnection *home(void) {
  return parse("[connection]\nid=home\nuuid=6c0b6f08-0000-4000-8000-000000000001\ntype=ethernet\n"
               "interface-name=enp1s0\nzone=home\nautoconnect-priority=7\n[ethernet]\nmtu=9000\n"
               "cloned-mac-address=52:54:00:00:00:77\n[ethtool]\nfeature-gro=false\n"
               "[ipv4]\nmethod=manual\naddress1=192.168.1.20/24,192.168.1.1\ndns=9.9.9.9;\ndns-search=lan;\n"
               "dad-timeout=150\n[ipv6]\nmethod=auto\naddr-gen-mode=stable-privacy\n");
}

static void assert_round_trip(const LwResource *asked) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NMConnection) connection = lw_nm_to_connection(asked, NULL, &error);
  g_assert_no_error(error);
  g_autoptr(LwResource) back = lw_nm_from_connection(connection);
  g_autofree char *difference = lw_resource_difference(asked, back);
  g_assert_cmpstr(difference, ==, NULL);
  g_assert_cmpstr(back->before, ==, asked->before);
}

static void test_round_trip(void) {
  g_autoptr(LwResource) bridge = profile(LW_PROFILE_BRIDGE, "lanward-br-mgmt", "br-mgmt");
  LwPrefix own = prefix("192.168.99.15/24");
  bridge->mac = lw_mac_derive("br-mgmt");
  bridge->method = g_strdup("manual");
  g_array_append_val(bridge->addresses, own);
  for (guint i = 0; i < 3; i++) {
    LwProfileRoute *route = lw_profile_route_new();
    g_autofree char *to = g_strdup_printf("192.168.%u0.0/24", i + 1);
    route->prefix = prefix(to);
    route->metric = i;
    if (i)
      g_assert_true(lw_addr_parse("192.168.99.1", &route->via));
    g_ptr_array_add(bridge->routes, route);
  }
  assert_round_trip(bridge);
  g_autoptr(LwResource) port = profile(LW_PROFILE_PORT, "lanward-enp1s0", "enp1s0");
  port->master = g_strdup("br0");
  port->priority = 100;
  port->up = FALSE;
  port->before = g_strdup("6c0b6f08-0000-4000-8000-000000000001");
  assert_round_trip(port);
}

/* What a bridge takes over from the profile before it, and what stays with the wire. */
static void test_taken_over(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NMConnection) before = home();
  g_autoptr(LwResource) bridge = profile(LW_PROFILE_BRIDGE, "lanward-br0", "br0");
  g_autoptr(LwResource) port = profile(LW_PROFILE_PORT, "lanward-enp1s0", "enp1s0");
  g_assert_true(lw_mac_parse("52:54:00:00:00:77", &bridge->mac));
  port->master = g_strdup("br0");
  g_autoptr(NMConnection) up = lw_nm_to_connection(bridge, before, &error);
  g_assert_no_error(error);
  g_autoptr(NMConnection) down = lw_nm_to_connection(port, before, &error);
  g_assert_no_error(error);
  NMSettingIPConfig *ip4 = nm_connection_get_setting_ip4_config(up);
  g_assert_cmpstr(nm_setting_ip_config_get_method(ip4), ==, "manual");
  g_assert_cmpstr(nm_setting_ip_config_get_gateway(ip4), ==, "192.168.1.1");
  g_assert_cmpstr(nm_setting_ip_config_get_dns(ip4, 0), ==, "9.9.9.9");
  g_assert_cmpint(lw_nm_dad_timeout(up), ==, 150);
  g_assert_cmpstr(nm_setting_ip_config_get_method(nm_connection_get_setting_ip6_config(up)), ==, "auto");
  g_assert_cmpstr(nm_setting_connection_get_zone(nm_connection_get_setting_connection(up)), ==, "home");
  g_assert_cmpuint(nm_setting_wired_get_mtu(nm_connection_get_setting_wired(up)), ==, 9000);
  g_assert_cmpstr(nm_setting_wired_get_cloned_mac_address(nm_connection_get_setting_wired(up)), ==,
                  "52:54:00:00:00:77");
  g_assert_null(nm_connection_get_setting(up, NM_TYPE_SETTING_ETHTOOL));
  g_assert_null(nm_connection_get_setting_ip4_config(down));
  g_assert_nonnull(nm_connection_get_setting(down, NM_TYPE_SETTING_ETHTOOL));
  g_assert_cmpstr(nm_setting_wired_get_cloned_mac_address(nm_connection_get_setting_wired(down)), ==,
                  "52:54:00:00:00:77");
  g_assert_cmpstr(nm_connection_get_uuid(up), !=, nm_connection_get_uuid(before));
  g_assert_cmpstr(nm_connection_get_uuid(up), !=, nm_connection_get_uuid(down));
}

/* A change of what the resource says leaves alone what it does not. */
static void test_kept(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) bridge = profile(LW_PROFILE_BRIDGE, "lanward-br0", "br0");
  g_autoptr(NMConnection) before = home();
  bridge->mac = lw_mac_derive("x");
  g_autoptr(NMConnection) first = lw_nm_to_connection(bridge, before, &error);
  g_assert_no_error(error);
  g_object_set(nm_connection_get_setting_ip4_config(first), NM_SETTING_IP_CONFIG_DNS_PRIORITY, 7, NULL);
  bridge->mac = LW_MAC_NONE;
  bridge->client_id = g_strdup("01:02:03");
  g_autoptr(NMConnection) second = lw_nm_to_connection(bridge, first, &error);
  g_assert_no_error(error);
  NMSettingIPConfig *ip4 = nm_connection_get_setting_ip4_config(second);
  g_assert_cmpint(nm_setting_ip_config_get_dns_priority(ip4), ==, 7);
  g_assert_cmpstr(nm_setting_ip4_config_get_dhcp_client_id(NM_SETTING_IP4_CONFIG(ip4)), ==, "01:02:03");
  g_autoptr(LwResource) back = lw_nm_from_connection(second);
  LwMac mac = lw_mac_derive("x");
  g_assert_true(lw_mac_equal(&back->mac, &mac));
}

static void test_foreign(void) {
  g_autoptr(NMConnection) before = home();
  g_autoptr(LwResource) seen = lw_nm_from_connection(before);
  g_assert_cmpint(seen->profile_type, ==, LW_PROFILE_OTHER);
  g_assert_cmpstr(seen->alias, ==, NULL);
  g_assert_cmpuint(seen->priority, ==, 7);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/profile/round-trip", test_round_trip);
  g_test_add_func("/profile/taken-over", test_taken_over);
  g_test_add_func("/profile/kept", test_kept);
  g_test_add_func("/profile/foreign", test_foreign);
  return g_test_run();
}
