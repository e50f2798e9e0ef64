#include "providers/networkmanager/translate.h"

#include "base/error.h"

#include <string.h>
#include <sys/socket.h>

static const char *text(const char *value) {
  return value ? value : "";
}

/* Version 5 of RFC 4122 over a namespace of our own. */
char *lw_nm_uuid(const char *name) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
  guint8 d[20];
  gsize length = sizeof d;
  g_checksum_update(sum, (const guchar *)"lanward/profile/", -1);
  g_checksum_update(sum, (const guchar *)name, -1);
  g_checksum_get_digest(sum, d, &length);
  d[6] = (guint8)((d[6] & 0x0f) | 0x50);
  d[8] = (guint8)((d[8] & 0x3f) | 0x80);
  return g_strdup_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0], d[1],
                         d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14],
                         d[15]);
}

/* --- to a connection
 * ------------------------------------------------------------------------------------------ */

/* What stays with the wire, and what goes up to the bridge with the address. */
static gboolean kept_by(LwProfileType type, NMSetting *setting) {
  if (NM_IS_SETTING_CONNECTION(setting))
    return TRUE;
  gboolean of_the_address = NM_IS_SETTING_IP_CONFIG(setting) || NM_IS_SETTING_PROXY(setting) ||
                            g_str_equal(nm_setting_get_name(setting), "hostname");
  if (type == LW_PROFILE_PORT)
    return !of_the_address && !NM_IS_SETTING_USER(setting) && !NM_IS_SETTING_MATCH(setting) &&
           !NM_IS_SETTING_BRIDGE(setting) && !NM_IS_SETTING_VETH(setting);
  return of_the_address || NM_IS_SETTING_BRIDGE(setting) || NM_IS_SETTING_USER(setting);
}

static NMConnection *start_from(LwProfileType type, NMConnection *base) {
  NMConnection *connection = nm_simple_connection_new();
  guint count = 0;
  g_autofree NMSetting **settings = base ? nm_connection_get_settings(base, &count) : NULL;
  for (guint i = 0; i < count; i++)
    if (kept_by(type, settings[i]))
      nm_connection_add_setting(connection, nm_setting_duplicate(settings[i]));
  return connection;
}

/* The setting of that type, made when there is none. Borrowed. */
static gpointer need(NMConnection *connection, GType type) {
  NMSetting *setting = nm_connection_get_setting(connection, type);
  if (!setting) {
    setting = g_object_new(type, NULL);
    nm_connection_add_setting(connection, setting);
  }
  return setting;
}

static void write_identity(NMConnection *connection, const LwResource *profile) {
  gboolean port = profile->profile_type == LW_PROFILE_PORT;
  g_autofree char *uuid = lw_nm_uuid(profile->name);
  NMSetting *setting = need(connection, NM_TYPE_SETTING_CONNECTION);
  g_object_set(setting, NM_SETTING_CONNECTION_ID, profile->name, NM_SETTING_CONNECTION_UUID, uuid,
               NM_SETTING_CONNECTION_TYPE,
               port ? NM_SETTING_WIRED_SETTING_NAME : NM_SETTING_BRIDGE_SETTING_NAME,
               NM_SETTING_CONNECTION_INTERFACE_NAME, profile->link, NM_SETTING_CONNECTION_AUTOCONNECT,
               profile->up, NM_SETTING_CONNECTION_AUTOCONNECT_PRIORITY, (int)profile->priority,
               NM_SETTING_CONNECTION_TIMESTAMP, (guint64)0, NULL);
  if (port)
    g_object_set(setting, NM_SETTING_CONNECTION_MASTER, profile->master, NM_SETTING_CONNECTION_SLAVE_TYPE,
                 NM_SETTING_BRIDGE_SETTING_NAME, NULL);
  else
    g_object_set(setting, NM_SETTING_CONNECTION_MASTER, NULL, NM_SETTING_CONNECTION_SLAVE_TYPE, NULL, NULL);
  NMSettingUser *user = need(connection, NM_TYPE_SETTING_USER);
  nm_setting_user_set_data(user, LW_NM_OWNER, profile->alias, NULL);
  nm_setting_user_set_data(user, LW_NM_BEFORE, *text(profile->before) ? profile->before : NULL, NULL);
}

/* Of the wire's settings the bridge gets the MTU; a bridge that is there keeps its address. */
static void write_bridge(NMConnection *connection, const LwResource *profile, NMConnection *base) {
  /* stp would keep every port silent for half a minute, and this bridge has no second way */
  g_object_set(need(connection, NM_TYPE_SETTING_BRIDGE), NM_SETTING_BRIDGE_STP, FALSE, NULL);
  NMSettingWired *wired = need(connection, NM_TYPE_SETTING_WIRED);
  NMSettingWired *before = base ? nm_connection_get_setting_wired(base) : NULL;
  if (before)
    g_object_set(wired, NM_SETTING_WIRED_MTU, nm_setting_wired_get_mtu(before), NULL);
  g_autofree char *mac = lw_mac_is_set(&profile->mac) ? lw_mac_format(&profile->mac)
                         : before && nm_connection_get_setting_bridge(base)
                             ? g_strdup(nm_setting_wired_get_cloned_mac_address(before))
                             : NULL;
  g_object_set(wired, NM_SETTING_WIRED_CLONED_MAC_ADDRESS, mac, NULL);
}

static gboolean add_address(NMSettingIPConfig *setting, const LwPrefix *prefix, GError **error) {
  g_autofree char *addr = lw_addr_format(&prefix->addr);
  NMIPAddress *address = nm_ip_address_new(AF_INET, addr, prefix->len, error);
  if (!address)
    return FALSE;
  nm_setting_ip_config_add_address(setting, address);
  nm_ip_address_unref(address);
  return TRUE;
}

static gboolean add_route(NMSettingIPConfig *setting, const LwProfileRoute *route, GError **error) {
  g_autofree char *dest = lw_addr_format(&route->prefix.addr);
  g_autofree char *via = lw_addr_is_set(&route->via) ? lw_addr_format(&route->via) : NULL;
  NMIPRoute *made = nm_ip_route_new(AF_INET, dest, route->prefix.len, via,
                                    route->metric ? (gint64)route->metric : -1, error);
  if (!made)
    return FALSE;
  nm_setting_ip_config_add_route(setting, made);
  nm_ip_route_unref(made);
  return TRUE;
}

static gboolean write_own_addresses(NMSettingIPConfig *setting, const LwResource *profile, GError **error) {
  g_object_set(setting, NM_SETTING_IP_CONFIG_METHOD, profile->method, NM_SETTING_IP_CONFIG_GATEWAY, NULL,
               NULL);
  nm_setting_ip_config_clear_addresses(setting);
  nm_setting_ip_config_clear_routes(setting);
  if (g_str_equal(profile->method, NM_SETTING_IP4_CONFIG_METHOD_MANUAL))
    g_object_set(setting, NM_SETTING_IP_CONFIG_NEVER_DEFAULT, TRUE, NULL);
  for (guint i = 0; i < profile->addresses->len; i++)
    if (!add_address(setting, &g_array_index(profile->addresses, LwPrefix, i), error))
      return FALSE;
  for (guint i = 0; i < profile->routes->len; i++)
    if (!add_route(setting, profile->routes->pdata[i], error))
      return FALSE;
  return TRUE;
}

static gboolean write_ip(NMConnection *connection, const LwResource *profile, GError **error) {
  gboolean fresh = !nm_connection_get_setting_ip6_config(connection);
  NMSettingIPConfig *ip4 = need(connection, NM_TYPE_SETTING_IP4_CONFIG);
  NMSettingIPConfig *ip6 = need(connection, NM_TYPE_SETTING_IP6_CONFIG);
  gboolean own = *text(profile->method) != '\0';
  if (own && !write_own_addresses(ip4, profile, error))
    return FALSE;
  if (!own && !nm_setting_ip_config_get_method(ip4))
    g_object_set(ip4, NM_SETTING_IP_CONFIG_METHOD, NM_SETTING_IP4_CONFIG_METHOD_AUTO, NULL);
  if (*text(profile->client_id))
    g_object_set(ip4, NM_SETTING_IP4_CONFIG_DHCP_CLIENT_ID, profile->client_id, NULL);
  /* "ignore" would let Reapply delete the link-local address behind the kernel's back */
  if (own && fresh)
    g_object_set(ip6, NM_SETTING_IP_CONFIG_METHOD, NM_SETTING_IP6_CONFIG_METHOD_DISABLED, NULL);
  return TRUE;
}

NMConnection *lw_nm_to_connection(const LwResource *profile, NMConnection *base, GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autoptr(NMConnection) connection = start_from(profile->profile_type, base);
  write_identity(connection, profile);
  gboolean ok = TRUE;
  if (profile->profile_type == LW_PROFILE_PORT) {
    need(connection, NM_TYPE_SETTING_WIRED);
  } else {
    write_bridge(connection, profile, base);
    ok = write_ip(connection, profile, &inner);
  }
  if (ok && nm_connection_normalize(connection, NULL, NULL, &inner))
    return g_steal_pointer(&connection);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "NetworkManager cannot have a profile %s as asked for: %s",
              profile->name, inner->message);
  return NULL;
}

/* --- from a connection
 * ---------------------------------------------------------------------------------------- */

static void read_route(LwResource *profile, NMIPRoute *route) {
  LwProfileRoute *read = lw_profile_route_new();
  LwAddr dest;
  if (lw_addr_parse(text(nm_ip_route_get_dest(route)), &dest))
    read->prefix = lw_prefix_make(dest, (guint8)nm_ip_route_get_prefix(route));
  if (nm_ip_route_get_next_hop(route))
    (void)lw_addr_parse(nm_ip_route_get_next_hop(route), &read->via);
  gint64 metric = nm_ip_route_get_metric(route);
  read->metric = metric > 0 ? (guint32)metric : 0;
  g_ptr_array_add(profile->routes, read);
}

static void read_address(LwResource *profile, NMIPAddress *address) {
  LwAddr addr;
  if (!lw_addr_parse(text(nm_ip_address_get_address(address)), &addr))
    return;
  LwPrefix prefix = lw_prefix_make(addr, (guint8)nm_ip_address_get_prefix(address));
  g_array_append_val(profile->addresses, prefix);
}

static void read_ip(LwResource *profile, NMConnection *connection) {
  NMSettingIPConfig *ip4 = nm_connection_get_setting_ip4_config(connection);
  if (!ip4)
    return;
  profile->method = g_strdup(nm_setting_ip_config_get_method(ip4));
  profile->client_id = g_strdup(nm_setting_ip4_config_get_dhcp_client_id(NM_SETTING_IP4_CONFIG(ip4)));
  for (guint i = 0; i < nm_setting_ip_config_get_num_addresses(ip4); i++)
    read_address(profile, nm_setting_ip_config_get_address(ip4, (int)i));
  for (guint i = 0; i < nm_setting_ip_config_get_num_routes(ip4); i++)
    read_route(profile, nm_setting_ip_config_get_route(ip4, (int)i));
}

static LwProfileType type_of(NMSettingConnection *setting) {
  const char *type = text(nm_setting_connection_get_connection_type(setting));
  if (g_str_equal(type, NM_SETTING_BRIDGE_SETTING_NAME))
    return LW_PROFILE_BRIDGE;
  return g_str_equal(text(nm_setting_connection_get_slave_type(setting)), NM_SETTING_BRIDGE_SETTING_NAME)
             ? LW_PROFILE_PORT
             : LW_PROFILE_OTHER;
}

static char *user_data(NMConnection *connection, const char *key) {
  NMSetting *user = nm_connection_get_setting(connection, NM_TYPE_SETTING_USER);
  return user ? g_strdup(nm_setting_user_get_data(NM_SETTING_USER(user), key)) : NULL;
}

LwResource *lw_nm_from_connection(NMConnection *connection) {
  NMSettingConnection *setting = nm_connection_get_setting_connection(connection);
  LwResource *profile = lw_resource_new(LW_RES_PROFILE, NULL, nm_connection_get_id(connection));
  profile->profile_type = type_of(setting);
  profile->link = g_strdup(nm_setting_connection_get_interface_name(setting));
  profile->master = g_strdup(nm_setting_connection_get_master(setting));
  profile->up = nm_setting_connection_get_autoconnect(setting);
  int priority = nm_setting_connection_get_autoconnect_priority(setting);
  profile->priority = priority > 0 ? (guint32)priority : 0;
  profile->alias = user_data(connection, LW_NM_OWNER);
  profile->before = user_data(connection, LW_NM_BEFORE);
  NMSettingWired *wired = nm_connection_get_setting_wired(connection);
  const char *mac = wired ? nm_setting_wired_get_cloned_mac_address(wired) : NULL;
  if (mac && profile->profile_type == LW_PROFILE_BRIDGE)
    (void)lw_mac_parse(mac, &profile->mac);
  if (profile->profile_type != LW_PROFILE_PORT)
    read_ip(profile, connection);
  return profile;
}

NMConnection *lw_nm_with_autoconnect(NMConnection *connection, gboolean autoconnect, int dad_timeout) {
  NMConnection *copy = nm_simple_connection_new_clone(connection);
  g_object_set(nm_connection_get_setting_connection(copy), NM_SETTING_CONNECTION_AUTOCONNECT, autoconnect,
               NULL);
  NMSettingIPConfig *ip4 = nm_connection_get_setting_ip4_config(copy);
  if (ip4 && dad_timeout >= -1)
    g_object_set(ip4, NM_SETTING_IP_CONFIG_DAD_TIMEOUT, dad_timeout, NULL);
  return copy;
}

int lw_nm_dad_timeout(NMConnection *connection) {
  NMSettingIPConfig *ip4 = nm_connection_get_setting_ip4_config(connection);
  return ip4 ? nm_setting_ip_config_get_dad_timeout(ip4) : -1;
}
