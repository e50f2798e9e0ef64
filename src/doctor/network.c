/* Links, routes, and whoever configures them: from /sys, /proc and /etc. */
#include "doctor/seen.h"

#include <string.h>

/* --- links and routes
 * -------------------------------------------------------------------------------------------------- */

static char *master_of(const char *root, const char *name) {
  g_autofree char *path = g_strdup_printf("%s/sys/class/net/%s/master", root, name);
  g_autofree char *target = g_file_read_link(path, NULL);
  return target ? g_path_get_basename(target) : NULL;
}

static void look_at_link(LwSeen *seen, const char *root, const char *name) {
  LwSeenLink *link = g_new0(LwSeenLink, 1);
  g_autofree char *bridge = g_strdup_printf("%s/sys/class/net/%s/bridge", root, name);
  g_autofree char *mtu = g_strdup_printf("/sys/class/net/%s/mtu", name);
  g_autofree char *alias = g_strdup_printf("/sys/class/net/%s/ifalias", name);
  g_autofree char *address = g_strdup_printf("/sys/class/net/%s/address", name);
  g_autofree char *off = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
  g_autofree char *mac = lw_seen_read(root, address);
  link->name = g_strdup(name);
  link->is_bridge = g_file_test(bridge, G_FILE_TEST_IS_DIR);
  link->mtu = (guint32)lw_seen_read_number(root, mtu, 0);
  link->alias = lw_seen_read(root, alias);
  link->master = master_of(root, name);
  link->ipv6 = lw_seen_read_number(root, off, 1) == 0;
  if (!mac || !lw_mac_parse(mac, &link->mac))
    link->mac = (LwMac){0};
  g_ptr_array_add(seen->links, link);
}

/* proc(5), /proc/net/route: addresses as the bytes lie in memory, so the other way round here. */
static LwAddr address_of(const char *hex) {
  return lw_addr_from_v4(GUINT32_FROM_BE((guint32)g_ascii_strtoull(hex, NULL, 16)));
}

static void look_at_routes(LwSeen *seen, const char *root) {
  g_autofree char *text = lw_seen_read(root, "/proc/net/route");
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (guint i = 1; lines[0] && lines[i]; i++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(lines[i]), "\t ", -1);
    if (g_strv_length(words) < 8)
      continue;
    LwSeenRoute *route = g_new0(LwSeenRoute, 1);
    guint32 mask = (guint32)g_ascii_strtoull(words[7], NULL, 16);
    route->link = g_strdup(words[0]);
    route->prefix = lw_prefix_make(address_of(words[1]), (guint8)__builtin_popcount(mask));
    route->via = g_str_equal(words[2], "00000000") ? LW_ADDR_NONE : address_of(words[2]);
    route->metric = (guint32)g_ascii_strtoull(words[6], NULL, 10);
    g_ptr_array_add(seen->routes, route);
  }
}

/* --- whose they are
 * ---------------------------------------------------------------------------------------------------- */

static void read_interfaces(LwSeen *seen, const char *root, const char *path) {
  g_autofree char *text = lw_seen_read(root, path);
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", 3);
    if (words[0] && words[1] && g_str_equal(words[0], "iface") && !g_str_equal(words[1], "lo"))
      g_hash_table_replace(seen->ifupdown, g_strdup(words[1]), g_strdup(path));
  }
}

static void look_at_ifupdown(LwSeen *seen, const char *root) {
  read_interfaces(seen, root, "/etc/network/interfaces");
  g_autoptr(GPtrArray) more = lw_seen_list(root, "/etc/network/interfaces.d");
  for (guint i = 0; i < more->len; i++) {
    g_autofree char *path = g_strdup_printf("/etc/network/interfaces.d/%s", (char *)more->pdata[i]);
    read_interfaces(seen, root, path);
  }
}

/* networkd notes each link it knows in a file of its number, and there that it keeps off it. */
static void look_at_networkd(LwSeen *seen, const char *root) {
  for (guint i = 0; i < seen->links->len; i++) {
    const LwSeenLink *link = seen->links->pdata[i];
    g_autofree char *number_path = g_strdup_printf("/sys/class/net/%s/ifindex", link->name);
    guint64 number = lw_seen_read_number(root, number_path, 0);
    g_autofree char *path = g_strdup_printf("/run/systemd/netif/links/%" G_GUINT64_FORMAT, number);
    g_autofree char *state = number ? lw_seen_read(root, path) : NULL;
    if (state && !strstr(state, "ADMIN_STATE=unmanaged"))
      g_hash_table_add(seen->networkd, g_strdup(link->name));
  }
}

/* --- NetworkManager's bridges
 * ------------------------------------------------------------------------------------------ */

static char *key_of(GKeyFile *file, const char *group, const char *key) {
  char *value = g_key_file_get_string(file, group, key, NULL);
  return value ? g_strstrip(value) : NULL;
}

/* "192.168.10.0/24,192.168.99.1[,METRIC]" of route1, route2, … */
static void read_profile_route(LwSeenProfile *profile, GKeyFile *file, guint number) {
  g_autofree char *key = g_strdup_printf("route%u", number);
  g_autofree char *value = key_of(file, "ipv4", key);
  g_auto(GStrv) parts = g_strsplit(value ? value : "", ",", 3);
  LwSeenRoute route = {0};
  if (!parts[0] || !lw_prefix_parse(parts[0], &route.prefix))
    return;
  if (!parts[1] || !lw_addr_parse(parts[1], &route.via))
    route.via = LW_ADDR_NONE;
  g_array_append_val(profile->routes, route);
}

static LwSeenProfile *profile_of(LwSeen *seen, const char *bridge) {
  for (guint i = 0; i < seen->profiles->len; i++)
    if (g_str_equal(((LwSeenProfile *)seen->profiles->pdata[i])->bridge, bridge))
      return seen->profiles->pdata[i];
  LwSeenProfile *profile = g_new0(LwSeenProfile, 1);
  profile->bridge = g_strdup(bridge);
  profile->routes = g_array_new(FALSE, TRUE, sizeof(LwSeenRoute));
  g_ptr_array_add(seen->profiles, profile);
  return profile;
}

static void read_bridge(LwSeen *seen, GKeyFile *file, const char *name, const char *path) {
  LwSeenProfile *profile = profile_of(seen, name);
  g_free(profile->path);
  profile->path = g_strdup(path);
  g_autofree char *address = key_of(file, "ipv4", "address1");
  g_auto(GStrv) parts = g_strsplit(address ? address : "", ",", 2);
  if (!parts[0] || !lw_prefix_parse(parts[0], &profile->address))
    profile->address = (LwPrefix){0};
  for (guint i = 1; i <= 64; i++)
    read_profile_route(profile, file, i);
}

/* The port names its bridge by the interface or by its profile's UUID. */
static void read_ports(LwSeen *seen, GPtrArray *files, GHashTable *bridges) {
  for (guint i = 0; i < files->len; i++) {
    GKeyFile *file = files->pdata[i];
    g_autofree char *type = key_of(file, "connection", "type");
    g_autofree char *master = key_of(file, "connection", "master");
    g_autofree char *controller = key_of(file, "connection", "controller");
    g_autofree char *name = key_of(file, "connection", "interface-name");
    const char *of = controller ? controller : master;
    const char *bridge = of ? g_hash_table_lookup(bridges, of) : NULL;
    if (!bridge || !lw_seen_is_interface(name) || !type ||
        (!g_str_equal(type, "ethernet") && !g_str_equal(type, "802-3-ethernet")))
      continue;
    LwSeenProfile *profile = profile_of(seen, bridge);
    g_free(profile->port);
    profile->port = g_steal_pointer(&name);
  }
}

static void look_at_profiles(LwSeen *seen, const char *root) {
  static const char folder[] = "/etc/NetworkManager/system-connections";
  g_autoptr(GPtrArray) names = lw_seen_list(root, folder);
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)g_key_file_unref);
  g_autoptr(GHashTable) bridges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_strdup_printf("%s/%s", folder, (char *)names->pdata[i]);
    g_autofree char *text = lw_seen_read(root, path);
    g_autoptr(GKeyFile) file = g_key_file_new();
    if (!text || !g_key_file_load_from_data(file, text, (gsize)-1, G_KEY_FILE_NONE, NULL))
      continue;
    g_autofree char *type = key_of(file, "connection", "type");
    g_autofree char *name = key_of(file, "connection", "interface-name");
    g_autofree char *uuid = key_of(file, "connection", "uuid");
    if (g_strcmp0(type, "bridge") == 0 && lw_seen_is_interface(name)) {
      read_bridge(seen, file, name, path);
      g_hash_table_replace(bridges, g_strdup(name), g_strdup(name));
      if (uuid)
        g_hash_table_replace(bridges, g_steal_pointer(&uuid), g_strdup(name));
    }
    g_ptr_array_add(files, g_key_file_ref(file));
  }
  read_ports(seen, files, bridges);
}

/* --- the packet filter
 * ------------------------------------------------------------------------------------------------- */

/* On this machine itself its caller asks the kernel. */
static void look_at_filter(LwSeen *seen, const char *root) {
  seen->bridge_nf = lw_seen_read_number(root, "/proc/sys/net/bridge/bridge-nf-call-iptables", 0) == 1;
  g_autofree char *table = seen->bridge_nf ? lw_seen_read(root, "/run/lanward-doctor/iptables-save") : NULL;
  seen->forward_drop = table && strstr(table, ":FORWARD DROP") != NULL;
}

static void look_at_tunnels(LwSeen *seen, const char *root) {
  g_autoptr(GPtrArray) names = lw_seen_list(root, "/etc/wireguard");
  for (guint i = 0; i < names->len; i++)
    if (g_str_has_suffix(names->pdata[i], ".conf") && lw_seen_is_name(names->pdata[i]))
      g_ptr_array_add(seen->tunnels, g_strdup_printf("/etc/wireguard/%s", (char *)names->pdata[i]));
}

void lw_seen_look_network(LwSeen *seen, const char *root) {
  g_autoptr(GPtrArray) links = lw_seen_list(root, "/sys/class/net");
  for (guint i = 0; i < links->len; i++)
    look_at_link(seen, root, links->pdata[i]);
  look_at_routes(seen, root);
  look_at_ifupdown(seen, root);
  look_at_networkd(seen, root);
  look_at_profiles(seen, root);
  look_at_filter(seen, root);
  look_at_tunnels(seen, root);
}
