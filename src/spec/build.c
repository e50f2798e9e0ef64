#include "spec/internal.h"

#include <string.h>

#define TOP_NAME_LENGTH 63

static void claim_zone(LwSpec *spec, LwPrefix prefix, char *what, LwOrigin origin, gboolean is_network) {
  LwZoneClaim claim = {prefix, what, origin, is_network};
  g_array_append_val(spec->zones, claim);
}

static void read_services(LwSpec *spec, const LwYaml *map) {
  for (guint i = 0; map && i < map->keys->len; i++) {
    const LwYaml *name = map->keys->pdata[i], *value = map->items->pdata[i];
    if (!lw_spec_name(spec, name, "a service", TOP_NAME_LENGTH))
      continue;
    LwService *service = lw_service_new();
    service->name = g_strdup(name->text);
    service->origin = name->origin;
    g_ptr_array_add(spec->lab->host.services, service);
    g_hash_table_insert(spec->services, service->name, GUINT_TO_POINTER(spec->lab->host.services->len));
    if (value->kind == LW_YAML_MAP || lw_yaml_is_empty(value) || (value->items && value->items->len == 0)) {
      lw_spec_error(spec->diagnostics, value->origin, "service “%s” needs ports: tcp/445, icmp, or a list",
                    name->text);
      continue;
    }
    g_autoptr(GPtrArray) items = lw_spec_items(value);
    for (guint j = 0; j < items->len; j++) {
      const LwYaml *item = items->pdata[j];
      if (lw_spec_is_scalar(spec, item, "ports such as tcp/445"))
        lw_spec_ports(spec, item->origin, item->text, service->ports);
    }
  }
}

static void read_networks(LwSpec *spec, const LwYaml *map) {
  for (guint i = 0; map && i < map->keys->len; i++) {
    const LwYaml *name = map->keys->pdata[i], *value = map->items->pdata[i];
    if (!lw_spec_name(spec, name, "a network", TOP_NAME_LENGTH))
      continue;
    LwNetwork *network = lw_network_new();
    network->name = g_strdup(name->text);
    network->origin = name->origin;
    g_ptr_array_add(spec->lab->host.networks, network);
    g_hash_table_insert(spec->networks, network->name, GUINT_TO_POINTER(spec->lab->host.networks->len));
    if (lw_spec_is_scalar(spec, value, "an IPv4 prefix") && lw_spec_subnet(spec, value, &network->prefix))
      claim_zone(spec, network->prefix, g_strdup_printf("network “%s”", network->name), value->origin, TRUE);
  }
}

/* A default address of the subnet, when the subnet was given and holds it. */
static void default_address(LwSpec *spec, const LwPrefix *subnet, guint offset, LwOrigin origin,
                            const char *key, LwAddr *out) {
  LwRange whole = lw_prefix_range(subnet);
  LwAddr addr = lw_addr_add(&whole.first, offset);
  if (lw_addr_cmp(&addr, &whole.last) < 0)
    *out = addr;
  else
    lw_spec_error(spec->diagnostics, origin, "the subnet has no 15th address for the host: add “%s”", key);
}

static void read_management(LwSpec *spec, const LwYaml *map, LwOrigin where) {
  LwFields fields;
  LwHost *host = &spec->lab->host;
  host->management.origin = map ? map->origin : (LwOrigin){0};
  lw_spec_fields(spec, map, LW_SECTION_MANAGEMENT, NULL, FALSE, where, "management", &fields);
  const LwYaml *subnet = fields.value[LW_KEY_MANAGEMENT_SUBNET],
               *address = fields.value[LW_KEY_MANAGEMENT_ADDRESS],
               *router = fields.value[LW_KEY_MANAGEMENT_ROUTER],
               *bridge = fields.value[LW_KEY_MANAGEMENT_BRIDGE];
  char *name;
  if (bridge && lw_spec_interface(spec, bridge, &name)) {
    g_free(host->management.bridge);
    host->management.bridge = name;
  }
  lw_spec_take_interface(spec, host->management.bridge, bridge ? bridge->origin : where,
                         "host.management.bridge");
  LwOrigin subnet_origin = subnet ? subnet->origin : where;
  if (fields.wrong[LW_KEY_MANAGEMENT_SUBNET] ||
      (subnet && !lw_spec_subnet(spec, subnet, &host->management.subnet)))
    return;
  const LwPrefix *net = &host->management.subnet;
  claim_zone(spec, *net, g_strdup("the management network"), subnet_origin, FALSE);
  if (router)
    lw_spec_address(spec, router, net, &host->management.router);
  else
    default_address(spec, net, 1, subnet_origin, "router", &host->management.router);
  if (address)
    lw_spec_address(spec, address, net, &host->management.address);
  else
    default_address(spec, net, 15, subnet_origin, "address", &host->management.address);
  if (lw_addr_equal(&host->management.address, &host->management.router))
    lw_spec_error(spec->diagnostics,
                  address  ? address->origin
                  : router ? router->origin
                           : subnet_origin,
                  "host and router have the same address in the management network");
}

static void read_uplink(LwSpec *spec, const LwYaml *node) {
  LwHost *host = &spec->lab->host;
  if (strlen(node->text) == 17 && strchr(node->text, ':')) {
    lw_spec_mac(spec, node, &host->uplink_mac);
    return;
  }
  if (lw_spec_interface(spec, node, &host->uplink))
    lw_spec_take_interface(spec, host->uplink, node->origin, "host.uplink");
}

static void read_echo(LwSpec *spec, const LwYaml *node) {
  g_autofree char *text = lw_spec_text(spec, node);
  g_autoptr(GUri) uri = text ? g_uri_parse(text, G_URI_FLAGS_NONE, NULL) : NULL;
  const char *scheme = uri ? g_uri_get_scheme(uri) : "";
  gboolean right = uri && (g_str_equal(scheme, "http") || g_str_equal(scheme, "https")) &&
                   g_uri_get_host(uri) && *g_uri_get_host(uri) && !g_uri_get_userinfo(uri);
  if (right)
    spec->lab->host.echo = g_steal_pointer(&text);
  else if (text)
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is no URL of a web service: http://… or https://…",
                  text);
}

static void read_host(LwSpec *spec, const LwYaml *map, LwOrigin where) {
  LwFields fields;
  spec->lab->host.origin = map ? map->origin : (LwOrigin){0};
  lw_spec_fields(spec, map, LW_SECTION_HOST, NULL, FALSE, map ? map->origin : where, "host", &fields);
  const LwYaml *bridge = fields.value[LW_KEY_HOST_BRIDGE];
  char *name;
  if (fields.value[LW_KEY_HOST_UPLINK])
    read_uplink(spec, fields.value[LW_KEY_HOST_UPLINK]);
  if (bridge && lw_spec_interface(spec, bridge, &name)) {
    g_free(spec->lab->host.bridge);
    spec->lab->host.bridge = name;
  }
  lw_spec_take_interface(spec, spec->lab->host.bridge, bridge ? bridge->origin : where, "host.bridge");
  read_management(spec, fields.value[LW_KEY_HOST_MANAGEMENT], map ? map->origin : where);
  read_services(spec, fields.value[LW_KEY_HOST_SERVICES]);
  read_networks(spec, fields.value[LW_KEY_HOST_NETWORKS]);
  if (fields.value[LW_KEY_HOST_ECHO])
    read_echo(spec, fields.value[LW_KEY_HOST_ECHO]);
}

static void check_key_file(LwSpec *spec, const LwYaml *node, const char *relative) {
  g_autofree char *path = lw_spec_absolute(spec, relative);
  if (!path)
    return;
  g_autoptr(GError) error = NULL;
  char *secret = lw_secret_file_read(path, 65536, TRUE, NULL, &error);
  lw_secret_clear(secret);
  if (secret)
    return;
  if (spec->flags & LW_SPEC_TWIN)
    lw_spec_warning(spec->diagnostics, node->origin, "%s", error->message);
  else
    lw_spec_error(spec->diagnostics, node->origin, "%s", error->message);
}

/* With or without the colons that openssl puts between. */
static void read_certificate(LwSpec *spec, const LwYaml *value) {
  g_autofree char *text = lw_spec_text(spec, value);
  g_auto(GStrv) parts = g_strsplit(text ? text : "", ":", -1);
  g_autofree char *digits = g_strjoinv("", parts);
  if (strlen(digits) == 64 && strspn(digits, "0123456789abcdefABCDEF") == 64)
    spec->lab->router.api_certificate = g_ascii_strdown(digits, -1);
  else
    lw_spec_error(spec->diagnostics, value->origin, "a certificate's SHA-256 is 64 hexadecimal digits");
}

static void read_api(LwSpec *spec, const LwYaml *map) {
  LwFields fields;
  lw_spec_fields(spec, map, LW_SECTION_API, NULL, FALSE, map->origin, "router.api", &fields);
  const LwYaml *url = fields.value[LW_KEY_API_URL], *file = fields.value[LW_KEY_API_KEY_FILE];
  if (url && (!g_str_has_prefix(url->text, "https://") || !g_uri_is_valid(url->text, G_URI_FLAGS_NONE, NULL)))
    lw_spec_error(spec->diagnostics, url->origin, "“%s” is no https address", url->text);
  else if (url)
    spec->lab->router.api_url = lw_spec_text(spec, url);
  if (fields.value[LW_KEY_API_CERTIFICATE])
    read_certificate(spec, fields.value[LW_KEY_API_CERTIFICATE]);
  g_autofree char *path = file ? lw_spec_text(spec, file) : NULL;
  if (!path)
    return;
  spec->lab->router.api_key_file = lw_spec_relative(spec, file->origin.file, path);
  check_key_file(spec, file, spec->lab->router.api_key_file);
}

static void read_router(LwSpec *spec, const LwYaml *map) {
  LwFields fields;
  LwRouter *router = &spec->lab->router;
  if (!map)
    return;
  router->origin = map->origin;
  router->folder = spec->dir ? g_canonicalize_filename(spec->dir, NULL) : NULL;
  lw_spec_fields(spec, map, LW_SECTION_ROUTER, NULL, FALSE, map->origin, "router", &fields);
  router->kind = (LwRouterKind)lw_spec_choice(spec, &fields, LW_KEY_ROUTER_KIND);
  router->adopt = (LwAdopt)lw_spec_choice(spec, &fields, LW_KEY_ROUTER_ADOPT);
  static const LwKeyId only_opnsense[] = {LW_KEY_ROUTER_VM, LW_KEY_ROUTER_ADOPT, LW_KEY_ROUTER_API,
                                          LW_KEY_ROUTER_CREATE};
  for (guint i = 0; i < G_N_ELEMENTS(only_opnsense); i++)
    if (router->kind != LW_ROUTER_OPNSENSE && fields.value[only_opnsense[i]])
      lw_spec_error(spec->diagnostics, fields.value[only_opnsense[i]]->origin,
                    "“%s” is for “kind: opnsense” alone", lw_keys[only_opnsense[i]].key);
  if (fields.value[LW_KEY_ROUTER_VM])
    router->vm = lw_spec_text(spec, fields.value[LW_KEY_ROUTER_VM]);
  else if (router->kind == LW_ROUTER_OPNSENSE)
    router->vm = g_strdup("opnsense");
  if (fields.value[LW_KEY_ROUTER_API])
    read_api(spec, fields.value[LW_KEY_ROUTER_API]);
  if (fields.value[LW_KEY_ROUTER_CREATE])
    lw_spec_read_router_create(spec, fields.value[LW_KEY_ROUTER_CREATE]);
  if (router->create && router->adopt != LW_ADOPT_NONE)
    lw_spec_error(spec->diagnostics, router->create->origin,
                  "“create” makes a router, “adopt” is for one that is there: leave one of them out");
  if (fields.value[LW_KEY_ROUTER_WAN_MAC] &&
      lw_spec_mac(spec, fields.value[LW_KEY_ROUTER_WAN_MAC], &router->wan_mac)) {
    LwMacClaim claim = {router->wan_mac, g_strdup("router.wan-mac"),
                        fields.value[LW_KEY_ROUTER_WAN_MAC]->origin};
    g_array_append_val(spec->macs, claim);
  }
}

static void read_manage(LwSpec *spec, const LwYaml *node) {
  static const char *const words[] = {"host", "machines", "router"};
  if (!node)
    return;
  spec->lab->manage = 0;
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++) {
    const LwYaml *item = items->pdata[i];
    guint flag = 0;
    if (!lw_spec_is_scalar(spec, item, "host, machines or router"))
      continue;
    for (guint j = 0; j < G_N_ELEMENTS(words); j++)
      if (strcmp(item->text, words[j]) == 0)
        flag = 1u << j;
    if (!flag)
      lw_spec_error(spec->diagnostics, item->origin,
                    "“%s” is nothing to manage: one of host, machines, router", item->text);
    spec->lab->manage |= flag;
  }
}

static gboolean is_domain(const char *text) {
  gsize length = strlen(text);
  if (length > 200 || strstr(text, "..") || text[0] == '.' || text[length - 1] == '.')
    return FALSE;
  g_auto(GStrv) labels = g_strsplit(text, ".", -1);
  for (guint i = 0; labels[i]; i++) {
    gsize size = strlen(labels[i]);
    if (size == 0 || size > 63 || labels[i][0] == '-' || labels[i][size - 1] == '-')
      return FALSE;
    for (const char *p = labels[i]; *p; p++)
      if (!g_ascii_isalnum(*p) && *p != '-')
        return FALSE;
  }
  return TRUE;
}

static void read_domain(LwSpec *spec, const LwYaml *node) {
  if (node && !is_domain(node->text))
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is no domain name", node->text);
  else if (node)
    spec->lab->domain = g_strdup(node->text);
  else
    spec->lab->domain = g_strconcat(spec->lab->name ? spec->lab->name : "lab", ".internal", NULL);
}

static void read_asserts(LwSpec *spec, const LwYaml *node) {
  if (!node)
    return;
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++) {
    LwAssert *assertion = lw_spec_assert(spec, items->pdata[i]);
    if (assertion)
      g_ptr_array_add(spec->lab->asserts, assertion);
  }
}

static void read_defaults(LwSpec *spec, const LwYaml *map) {
  LwFields fields;
  if (!map)
    return;
  lw_spec_fields(spec, map, LW_SECTION_DEFAULTS, NULL, FALSE, map->origin, "defaults", &fields);
  const LwYaml *segment = fields.value[LW_KEY_DEFAULTS_SEGMENT],
               *machine = fields.value[LW_KEY_DEFAULTS_MACHINE];
  if (segment)
    lw_spec_fields(spec, segment, LW_SECTION_SEGMENT, NULL, TRUE, segment->origin, "defaults.segment",
                   &spec->defaults_segment);
  if (machine)
    lw_spec_fields(spec, machine, LW_SECTION_MACHINE, NULL, TRUE, machine->origin, "defaults.machine",
                   &spec->defaults_machine);
}

void lw_spec_build(LwSpec *spec, const LwYaml *root) {
  LwFields fields;
  LwOrigin top = {root->origin.file, 1, 1};
  lw_spec_fields(spec, root, LW_SECTION_TOP, NULL, FALSE, top, "the lab", &fields);
  const LwYaml *name = fields.value[LW_KEY_LAB];
  if (name && lw_spec_name(spec, name, "the lab", 32))
    spec->lab->name = g_strdup(name->text);
  read_domain(spec, fields.value[LW_KEY_DOMAIN]);
  g_hash_table_insert(spec->interfaces, g_strdup("lo"), g_strdup("the loopback"));
  if (fields.value[LW_KEY_HOST])
    read_host(spec, fields.value[LW_KEY_HOST], top);
  read_router(spec, fields.value[LW_KEY_ROUTER]);
  read_manage(spec, fields.value[LW_KEY_MANAGE]);
  read_defaults(spec, fields.value[LW_KEY_DEFAULTS]);
  lw_spec_build_tunnels(spec, fields.value[LW_KEY_TUNNELS]);
  lw_spec_build_segments(spec, fields.value[LW_KEY_SEGMENTS]);
  lw_spec_build_machines(spec, fields.value[LW_KEY_MACHINES]);
  lw_spec_read_tunnels(spec);
  lw_spec_build_policy(spec);
  read_asserts(spec, fields.value[LW_KEY_ASSERT]);
  lw_spec_check(spec);
}
