#include "providers/dhcpcd/lease.h"

#include "base/error.h"
#include "base/files.h"
#include "providers/dhcpcd/settings.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_DNS 8
#define MAX_FILE 65536

void lw_dhcp_lease_clear(LwDhcpLease *lease) {
  if (lease->dns)
    g_array_unref(lease->dns);
  memset(lease, 0, sizeof *lease);
}

/* An address that some single host may have: not this-network, loopback, multicast or reserved. */
static gboolean parse_unicast(const char *text, LwAddr *out) {
  LwAddr addr;
  if (!text || !lw_addr_parse(text, &addr) || addr.family != 4)
    return FALSE;
  if (addr.bytes[0] == 0 || addr.bytes[0] == 127 || addr.bytes[0] >= 224)
    return FALSE;
  *out = addr;
  return TRUE;
}

static gboolean parse_length(const char *cidr, const char *mask, guint8 *out) {
  guint64 len = 0;
  LwAddr addr;
  if (cidr && g_ascii_string_to_unsigned(cidr, 10, 1, 32, &len, NULL)) {
    *out = (guint8)len;
    return TRUE;
  }
  if (cidr || !mask || !lw_addr_parse(mask, &addr) || addr.family != 4)
    return FALSE;
  guint32 hosts = ~lw_addr_v4(&addr);
  if ((hosts & (hosts + 1)) != 0 || hosts == G_MAXUINT32)
    return FALSE; /* with holes, or none */
  while (hosts >> len)
    len++;
  *out = (guint8)(32 - len);
  return TRUE;
}

static gboolean is_host_of(const LwPrefix *prefix) {
  LwRange range = lw_prefix_range(prefix);
  return prefix->len > 30 ||
         (!lw_addr_equal(&range.first, &prefix->addr) && !lw_addr_equal(&range.last, &prefix->addr));
}

static void add_dns(GArray *dns, const char *text) {
  LwAddr addr;
  if (dns->len < MAX_DNS && parse_unicast(text, &addr))
    g_array_append_val(dns, addr);
}

static gboolean refuse(GError **error, const char *address, const char *cidr) {
  g_autofree char *shown = g_strescape(address ? address : "", NULL);
  g_autofree char *length = g_strescape(cidr ? cidr : "", NULL);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
              "the DHCP server leases %.64s/%.64s, which is no address that a host can have", shown, length);
  return FALSE;
}

gboolean lw_dhcp_lease_from_environment(char **environment, LwDhcpLease *out, GError **error) {
  const char *address = g_environ_getenv(environment, "new_ip_address");
  const char *cidr = g_environ_getenv(environment, "new_subnet_cidr");
  const char *mask = g_environ_getenv(environment, "new_subnet_mask");
  const char *routers = g_environ_getenv(environment, "new_routers");
  const char *servers = g_environ_getenv(environment, "new_domain_name_servers");
  g_auto(LwDhcpLease) lease = {0};
  if (!parse_unicast(address, &lease.address.addr) || !parse_length(cidr, mask, &lease.address.len) ||
      !is_host_of(&lease.address))
    return refuse(error, address, cidr ? cidr : mask);
  lease.dns = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  g_auto(GStrv) router = g_strsplit(routers ? routers : "", " ", 2);
  if (router[0] && parse_unicast(router[0], &lease.router) &&
      lw_addr_equal(&lease.router, &lease.address.addr))
    lease.router = LW_ADDR_NONE;
  g_auto(GStrv) dns = g_strsplit(servers ? servers : "", " ", 64);
  for (guint i = 0; dns[i]; i++)
    add_dns(lease.dns, dns[i]);
  *out = lease;
  memset(&lease, 0, sizeof lease);
  return TRUE;
}

gboolean lw_dhcp_lease_write(const char *run_dir, const char *ns, const char *link, const LwDhcpLease *lease,
                             GError **error) {
  g_autoptr(JsonObject) json = json_object_new();
  g_autofree char *address = lw_prefix_format(&lease->address);
  json_object_set_string_member(json, "address", address);
  if (lw_addr_is_set(&lease->router)) {
    g_autofree char *router = lw_addr_format(&lease->router);
    json_object_set_string_member(json, "router", router);
  }
  JsonArray *dns = json_array_new();
  for (guint i = 0; lease->dns && i < lease->dns->len; i++) {
    g_autofree char *server = lw_addr_format(&g_array_index(lease->dns, LwAddr, i));
    json_array_add_string_element(dns, server);
  }
  json_object_set_array_member(json, "dns", dns);
  g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), json);
  g_autofree char *text = json_to_string(root, FALSE);
  g_autofree char *path = lw_dhcp_path(run_dir, "lease", ns, link, "json");
  return lw_file_write_atomic(path, text, strlen(text), 0600, error);
}

static const char *string_member(JsonObject *json, const char *name) {
  JsonNode *node = json_object_get_member(json, name);
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

static gboolean lease_from_json(JsonNode *root, LwDhcpLease *lease) {
  if (!root || !JSON_NODE_HOLDS_OBJECT(root))
    return FALSE;
  JsonObject *json = json_node_get_object(root);
  const char *address = string_member(json, "address");
  const char *router = string_member(json, "router");
  JsonNode *dns = json_object_get_member(json, "dns");
  if (!address || !lw_prefix_parse(address, &lease->address) ||
      (router && !parse_unicast(router, &lease->router)) || !dns || !JSON_NODE_HOLDS_ARRAY(dns))
    return FALSE;
  lease->dns = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  JsonArray *servers = json_node_get_array(dns);
  for (guint i = 0; i < json_array_get_length(servers); i++) {
    JsonNode *server = json_array_get_element(servers, i);
    if (JSON_NODE_HOLDS_VALUE(server) && json_node_get_value_type(server) == G_TYPE_STRING)
      add_dns(lease->dns, json_node_get_string(server));
  }
  return TRUE;
}

gboolean lw_dhcp_lease_read(const char *run_dir, const char *ns, const char *link, LwDhcpLease *out,
                            GError **error) {
  g_autofree char *path = lw_dhcp_path(run_dir, "lease", ns, link, "json");
  if (access(path, F_OK) != 0 && errno == ENOENT) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s%s%s has no DHCP lease", link,
                ns && *ns ? " of " : "", ns && *ns ? ns : "");
    return FALSE;
  }
  g_autofree char *text = lw_file_read(path, MAX_FILE, NULL, error);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (!text)
    return FALSE;
  g_auto(LwDhcpLease) lease = {0};
  if (!json_parser_load_from_data(parser, text, -1, NULL) ||
      !lease_from_json(json_parser_get_root(parser), &lease)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "%s is damaged; it is written anew when the lease is renewed", path);
    return FALSE;
  }
  *out = lease;
  memset(&lease, 0, sizeof lease);
  return TRUE;
}

gboolean lw_dhcp_lease_remove(const char *run_dir, const char *ns, const char *link, GError **error) {
  g_autofree char *path = lw_dhcp_path(run_dir, "lease", ns, link, "json");
  if (unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", path);
  return FALSE;
}
