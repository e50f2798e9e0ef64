/* The host's uplink, as NetworkManager sees it. */
#include "base/error.h"
#include "base/apart.h"
#include "providers/networkmanager/internal.h"
#include "providers/networkmanager/translate.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define LOOK_SECONDS 30
#define NO_WAIT_MS 0

static const char *text(const char *value) {
  return value ? value : "";
}

typedef struct {
  const char *name;
  LwMac mac;
} Asked;

/* By name, or by the address that it has for good (its own one is a bridge's as well, later). */
static NMDevice *find_device(LwNm *nm, const Asked *asked) {
  if (*text(asked->name))
    return lw_nm_device(nm, asked->name);
  g_autofree char *mac = lw_mac_format(&asked->mac);
  const GPtrArray *devices = nm_client_get_devices(nm->client);
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < devices->len; i++) {
      NMDevice *device = devices->pdata[i];
      const char *permanent = NM_IS_DEVICE_ETHERNET(device)
                                  ? nm_device_ethernet_get_permanent_hw_address(NM_DEVICE_ETHERNET(device))
                                  : NULL;
      const char *own = pass == 0 ? permanent : nm_device_get_hw_address(device);
      if (NM_IS_DEVICE_ETHERNET(device) && own && g_ascii_strcasecmp(own, mac) == 0)
        return device;
    }
  }
  return NULL;
}

static void set_text(JsonObject *json, const char *name, const char *value) {
  if (value && *value)
    json_object_set_string_member(json, name, value);
}

static int priority_of(NMRemoteConnection *profile) {
  return nm_setting_connection_get_autoconnect_priority(
      nm_connection_get_setting_connection(NM_CONNECTION(profile)));
}

static void tell_bridges(LwNm *nm, JsonObject *json) {
  const GPtrArray *connections = nm_client_get_connections(nm->client);
  JsonArray *bridges = json_array_new();
  for (guint i = 0; i < connections->len; i++) {
    g_autoptr(LwResource) profile = lw_nm_from_connection(connections->pdata[i]);
    if (profile->profile_type == LW_PROFILE_BRIDGE && *text(profile->alias) && *text(profile->link))
      json_array_add_string_element(bridges, profile->link);
  }
  json_object_set_array_member(json, "bridges", bridges);
}

static void tell_profile(LwNm *nm, NMDevice *device, JsonObject *json) {
  NMRemoteConnection *active = lw_nm_active_profile(nm, nm_device_get_iface(device));
  if (!active)
    return;
  g_autoptr(LwResource) profile = lw_nm_see(nm, nm_connection_get_uuid(NM_CONNECTION(active)));
  set_text(json, "profile", nm_connection_get_uuid(NM_CONNECTION(active)));
  set_text(json, "profile-name", profile->name);
  set_text(json, "master", profile->master);
  json_object_set_boolean_member(json, "ours", *text(profile->alias) != '\0');
  NMRemoteConnection *before = lw_nm_profile(nm, profile->before);
  if (before || !*text(profile->alias))
    json_object_set_int_member(json, "priority", priority_of(before ? before : active));
}

static void tell_addresses(NMDevice *device, JsonObject *json) {
  NMIPConfig *config = nm_device_get_ip4_config(device);
  NMDhcpConfig *dhcp = nm_device_get_dhcp4_config(device);
  GPtrArray *addresses = config ? nm_ip_config_get_addresses(config) : NULL;
  if (dhcp)
    set_text(json, "client-id", nm_dhcp_config_get_one_option(dhcp, "dhcp_client_identifier"));
  if (config)
    set_text(json, "gateway", nm_ip_config_get_gateway(config));
  if (!addresses || addresses->len == 0)
    return;
  NMIPAddress *address = addresses->pdata[0];
  g_autofree char *prefix =
      g_strdup_printf("%s/%u", nm_ip_address_get_address(address), nm_ip_address_get_prefix(address));
  set_text(json, "address", prefix);
}

static void tell_device(LwNm *nm, NMDevice *device, JsonObject *json) {
  set_text(json, "link", nm_device_get_iface(device));
  set_text(json, "mac", nm_device_get_hw_address(device));
  json_object_set_boolean_member(json, "managed", nm_device_get_managed(device));
  json_object_set_boolean_member(json, "ethernet", NM_IS_DEVICE_ETHERNET(device));
  tell_profile(nm, device, json);
  const char *master = json_object_get_string_member_with_default(json, "master", NULL);
  NMDevice *bridge = master ? lw_nm_device(nm, master) : NULL;
  tell_addresses(bridge ? bridge : device, json);
}

static gboolean look_apart(gpointer data, GString *answer, GError **error) {
  g_autoptr(LwNm) nm = lw_nm_open(NO_WAIT_MS, NULL);
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
  JsonObject *json = json_object_new();
  json_node_take_object(root, json);
  json_object_set_boolean_member(json, "running", nm != NULL);
  if (nm)
    set_text(json, "version", nm_client_get_version(nm->client));
  if (nm)
    tell_bridges(nm, json);
  NMDevice *device = nm ? find_device(nm, data) : NULL;
  if (device)
    tell_device(nm, device, json);
  g_autofree char *out = json_to_string(root, FALSE);
  g_string_append(answer, out);
  return TRUE;
}

static char *text_of(JsonObject *json, const char *name) {
  return g_strdup(json_object_get_string_member_with_default(json, name, NULL));
}

static char **texts_of(JsonObject *json, const char *name) {
  JsonNode *node = json_object_get_member(json, name);
  JsonArray *array = node ? json_node_get_array(node) : NULL;
  guint count = array ? json_array_get_length(array) : 0;
  char **texts = g_new0(char *, count + 1);
  for (guint i = 0; i < count; i++)
    texts[i] = g_strdup(json_array_get_string_element(array, i));
  return texts;
}

gboolean lw_nm_look(const char *name, LwMac mac, LwNmUplink *out, GError **error) {
  Asked asked = {name, mac};
  g_autofree char *answer = lw_apart("NetworkManager", look_apart, &asked, LOOK_SECONDS, error);
  g_autoptr(JsonNode) root = answer ? json_from_string(answer, error) : NULL;
  if (!root)
    return FALSE;
  JsonObject *json = json_node_get_object(root);
  g_autofree char *address = text_of(json, "address"), *gateway = text_of(json, "gateway");
  g_autofree char *own = text_of(json, "mac");
  *out = (LwNmUplink){.running = json_object_get_boolean_member_with_default(json, "running", FALSE),
                      .version = text_of(json, "version"),
                      .link = text_of(json, "link"),
                      .managed = json_object_get_boolean_member_with_default(json, "managed", FALSE),
                      .ethernet = json_object_get_boolean_member_with_default(json, "ethernet", FALSE),
                      .profile = text_of(json, "profile"),
                      .profile_name = text_of(json, "profile-name"),
                      .priority = (int)json_object_get_int_member_with_default(json, "priority", 0),
                      .ours = json_object_get_boolean_member_with_default(json, "ours", FALSE),
                      .master = text_of(json, "master"),
                      .bridges = texts_of(json, "bridges"),
                      .client_id = text_of(json, "client-id")};
  (void)lw_mac_parse(text(own), &out->mac);
  (void)lw_prefix_parse(text(address), &out->address);
  (void)lw_addr_parse(text(gateway), &out->gateway);
  return TRUE;
}

void lw_nm_uplink_clear(LwNmUplink *uplink) {
  g_free(uplink->version);
  g_free(uplink->link);
  g_free(uplink->profile);
  g_free(uplink->profile_name);
  g_free(uplink->master);
  g_free(uplink->client_id);
  g_strfreev(uplink->bridges);
  *uplink = (LwNmUplink){0};
}
