/* Everything that can be done with a resource without knowing its kind, driven by one table: which members a
 * kind has, which of them name it and which are compared. */
#include "resource/resource.h"

#include "base/error.h"

#include <string.h>

typedef enum {
  T_STRING, /* char *; NULL and "" are one */
  T_SECRET, /* LwSecretRef * */
  T_U8,
  T_U16,
  T_U32,
  T_BOOL,
  T_ENUM,
  T_ADDR,
  T_PREFIX,
  T_MAC,
  T_RANGE,
  T_RULESET,
  T_STRINGS,  /* GPtrArray of char * */
  T_ADDRS,    /* GArray of LwAddr */
  T_PREFIXES, /* GArray of LwPrefix */
  T_STRUCTS,  /* GPtrArray of what `shape` tells */
} MemberType;

enum {
  IS_KEY = 1,
  COMPARED = 2,
  OR_ANY = 4,    /* compared only where both sides have it set */
  UNORDERED = 8, /* a list in which order means nothing */
  IF_SET = 16,   /* a part of the key that is left out where it is not set */
};

typedef struct Shape Shape;

typedef struct {
  const char *name;
  gsize offset;
  MemberType type;
  guint flags;
  const char *const *values; /* T_ENUM, NULL-terminated */
  const Shape *shape;        /* T_STRUCTS */
} Member;

struct Shape {
  gsize size;
  const Member *members; /* ends in a NULL name */
};

#define END                                                                                                  \
  { NULL, 0, 0, 0, NULL, NULL }
#define IN(type_name, member) G_STRUCT_OFFSET(type_name, member)

static const char *const link_types[] = {"bridge", "veth", "external", NULL};
static const char *const profile_types[] = {"bridge", "port", "other", NULL};
static const char *const route_types[] = {"unicast",     "local",     "blackhole", "prohibit",
                                          "unreachable", "broadcast", "multicast", "anycast",
                                          "throw",       "other",     NULL};
static const char *const rule_actions[] = {"lookup", "prohibit", "blackhole", "unreachable", "other", NULL};

static const Member peer_members[] = {
    {"public-key", IN(LwPeer, public_key), T_STRING, COMPARED, NULL, NULL},
    {"preshared-key", IN(LwPeer, preshared_key), T_SECRET, COMPARED, NULL, NULL},
    {"endpoint", IN(LwPeer, endpoint), T_ADDR, COMPARED | OR_ANY, NULL, NULL},
    {"endpoint-port", IN(LwPeer, endpoint_port), T_U16, COMPARED | OR_ANY, NULL, NULL},
    {"allowed", IN(LwPeer, allowed), T_PREFIXES, COMPARED | UNORDERED, NULL, NULL},
    {"keepalive", IN(LwPeer, keepalive), T_U32, COMPARED, NULL, NULL},
    END,
};
static const Shape peer_shape = {sizeof(LwPeer), peer_members};

static const Member range_members[] = {
    {"link", IN(LwDhcpRange, link), T_STRING, COMPARED, NULL, NULL},
    {"range", IN(LwDhcpRange, range), T_RANGE, COMPARED, NULL, NULL},
    {"prefix-length", IN(LwDhcpRange, prefix_len), T_U8, COMPARED, NULL, NULL},
    {"router", IN(LwDhcpRange, router), T_ADDR, COMPARED, NULL, NULL},
    {"dns", IN(LwDhcpRange, dns), T_ADDRS, COMPARED, NULL, NULL},
    {"lease-seconds", IN(LwDhcpRange, lease_seconds), T_U32, COMPARED, NULL, NULL},
    END,
};
static const Shape range_shape = {sizeof(LwDhcpRange), range_members};

static const Member host_members[] = {
    {"mac", IN(LwDhcpHost, mac), T_MAC, COMPARED, NULL, NULL},
    {"address", IN(LwDhcpHost, address), T_ADDR, COMPARED, NULL, NULL},
    {"name", IN(LwDhcpHost, name), T_STRING, COMPARED, NULL, NULL},
    {"dynamic-only", IN(LwDhcpHost, dynamic_only), T_BOOL, COMPARED, NULL, NULL},
    END,
};
static const Shape host_shape = {sizeof(LwDhcpHost), host_members};

static const Member upstream_members[] = {
    {"domain", IN(LwUpstream, domain), T_STRING, COMPARED, NULL, NULL},
    {"address", IN(LwUpstream, address), T_ADDR, COMPARED, NULL, NULL},
    {"port", IN(LwUpstream, port), T_U16, COMPARED, NULL, NULL},
    {"device", IN(LwUpstream, device), T_STRING, COMPARED, NULL, NULL},
    END,
};
static const Shape upstream_shape = {sizeof(LwUpstream), upstream_members};

static const Member name_members[] = {
    {"name", IN(LwHostName, name), T_STRING, COMPARED, NULL, NULL},
    {"address", IN(LwHostName, address), T_ADDR, COMPARED, NULL, NULL},
    END,
};
static const Shape name_shape = {sizeof(LwHostName), name_members};

static const Member disk_members[] = {
    {"path", IN(LwDisk, path), T_STRING, COMPARED, NULL, NULL},
    {"image", IN(LwDisk, image), T_STRING, 0, NULL, NULL}, /* about its making, not about what is there */
    {"size", IN(LwDisk, size), T_U32, 0, NULL, NULL},
    {"fresh", IN(LwDisk, fresh), T_BOOL, 0, NULL, NULL},
    END,
};
static const Shape disk_shape = {sizeof(LwDisk), disk_members};
static const Member profile_route_members[] = {
    {"prefix", IN(LwProfileRoute, prefix), T_PREFIX, COMPARED, NULL, NULL},
    {"via", IN(LwProfileRoute, via), T_ADDR, COMPARED, NULL, NULL},
    {"metric", IN(LwProfileRoute, metric), T_U32, COMPARED, NULL, NULL},
    END,
};
static const Shape profile_route_shape = {sizeof(LwProfileRoute), profile_route_members};

#define OF(member) G_STRUCT_OFFSET(LwResource, member)
#define NS                                                                                                   \
  { "ns", OF(ns), T_STRING, IS_KEY, NULL, NULL }
#define NAME                                                                                                 \
  { "name", OF(name), T_STRING, IS_KEY, NULL, NULL }
#define INSTANCE                                                                                             \
  { "instance", OF(instance), T_U32, IS_KEY | IF_SET, NULL, NULL }
#define UNKNOWN                                                                                              \
  { "unknown", OF(unknown), T_STRING, COMPARED, NULL, NULL }

static const Member netns_members[] = {NAME, END};

static const Member link_members[] = {
    NS,
    NAME,
    {"type", OF(link_type), T_ENUM, COMPARED, link_types, NULL},
    {"peer-ns", OF(peer_ns), T_STRING, COMPARED, NULL, NULL},
    {"peer", OF(peer), T_STRING, COMPARED, NULL, NULL},
    {"mac", OF(mac), T_MAC, COMPARED | OR_ANY, NULL, NULL},
    {"mtu", OF(mtu), T_U32, COMPARED | OR_ANY, NULL, NULL},
    {"master", OF(master), T_STRING, COMPARED, NULL, NULL},
    {"up", OF(up), T_BOOL, COMPARED, NULL, NULL},
    {"isolated", OF(isolated), T_BOOL, COMPARED, NULL, NULL},
    {"group", OF(group), T_U32, COMPARED, NULL, NULL},
    {"alias", OF(alias), T_STRING, COMPARED, NULL, NULL},
    {"kind-name", OF(kind_name), T_STRING, COMPARED, NULL, NULL},
    {"below", OF(link), T_STRING, COMPARED, NULL, NULL},
    UNKNOWN,
    END,
};

static const Member address_members[] = {
    NS,
    {"link", OF(link), T_STRING, IS_KEY, NULL, NULL},
    {"prefix", OF(prefix), T_PREFIX, IS_KEY, NULL, NULL},
    END,
};

static const Member route_members[] = {
    NS,
    {"table", OF(table), T_U32, IS_KEY, NULL, NULL},
    {"prefix", OF(prefix), T_PREFIX, IS_KEY, NULL, NULL},
    {"metric", OF(metric), T_U32, IS_KEY, NULL, NULL},
    {"type", OF(route_type), T_ENUM, COMPARED, route_types, NULL},
    {"via", OF(via), T_ADDR, COMPARED, NULL, NULL},
    {"link", OF(link), T_STRING, COMPARED, NULL, NULL},
    {"source", OF(source), T_ADDR, COMPARED, NULL, NULL},
    INSTANCE,
    UNKNOWN,
    END,
};

static const Member rule_members[] = {
    NS,
    {"priority", OF(priority), T_U32, IS_KEY, NULL, NULL},
    {"mark", OF(mark), T_U32, COMPARED, NULL, NULL},
    {"iif", OF(iif), T_STRING, COMPARED, NULL, NULL},
    {"oif", OF(oif), T_STRING, COMPARED, NULL, NULL},
    {"table", OF(table), T_U32, COMPARED, NULL, NULL},
    {"action", OF(action), T_ENUM, COMPARED, rule_actions, NULL},
    {"suppress-default", OF(suppress_default), T_BOOL, COMPARED, NULL, NULL},
    {"mark-mask", OF(mark_mask), T_U32, COMPARED, NULL, NULL},
    {"from", OF(from), T_PREFIX, COMPARED, NULL, NULL},
    {"to", OF(to), T_PREFIX, COMPARED, NULL, NULL},
    {"invert", OF(invert), T_BOOL, COMPARED, NULL, NULL},
    {"family", OF(ip_family), T_U8, IS_KEY | IF_SET, NULL, NULL},
    INSTANCE,
    UNKNOWN,
    END,
};

static const Member sysctl_members[] = {
    NS,
    NAME,
    {"value", OF(value), T_STRING, COMPARED, NULL, NULL},
    END,
};

static const Member ruleset_members[] = {
    NS,
    NAME,
    {"ruleset", OF(ruleset), T_RULESET, IS_KEY | COMPARED, NULL, NULL}, /* its family is part of the key */
    END,
};

static const Member tunnel_members[] = {
    NS,
    NAME,
    {"private-key", OF(private_key), T_SECRET, COMPARED, NULL, NULL},
    {"listen-port", OF(listen_port), T_U16, COMPARED | OR_ANY, NULL, NULL},
    {"mark", OF(mark), T_U32, COMPARED, NULL, NULL},
    {"mtu", OF(mtu), T_U32, COMPARED | OR_ANY, NULL, NULL},
    {"up", OF(up), T_BOOL, COMPARED, NULL, NULL},
    {"peers", OF(peers), T_STRUCTS, COMPARED | UNORDERED, NULL, &peer_shape},
    END,
};

static const Member resolver_members[] = {
    NS,
    NAME,
    {"port", OF(port), T_U16, COMPARED, NULL, NULL},
    {"links", OF(links), T_STRINGS, COMPARED | UNORDERED, NULL, NULL},
    {"ranges", OF(ranges), T_STRUCTS, COMPARED | UNORDERED, NULL, &range_shape},
    {"hosts", OF(hosts), T_STRUCTS, COMPARED | UNORDERED, NULL, &host_shape},
    {"names", OF(names), T_STRUCTS, COMPARED | UNORDERED, NULL, &name_shape},
    {"upstreams", OF(upstreams), T_STRUCTS, COMPARED | UNORDERED, NULL, &upstream_shape},
    {"domain", OF(domain), T_STRING, COMPARED, NULL, NULL},
    {"log-queries", OF(log_queries), T_BOOL, COMPARED, NULL, NULL},
    END,
};

static const Member dhcp_client_members[] = {
    NS,
    {"link", OF(link), T_STRING, IS_KEY, NULL, NULL},
    {"table", OF(table), T_U32, COMPARED, NULL, NULL},
    {"home-lan-set", OF(home_lan_set), T_STRING, COMPARED, NULL, NULL},
    {"no-default-route", OF(suppress_default), T_BOOL, COMPARED, NULL, NULL},
    {"wait", OF(wait), T_BOOL, 0, NULL, NULL}, /* about the step, not about what is then there */
    END,
};

static const Member cell_members[] = {
    NAME,
    {"argv", OF(argv), T_STRINGS, COMPARED, NULL, NULL},
    {"nics", OF(nics), T_STRINGS, COMPARED, NULL, NULL},
    {"static-nics", OF(static_nics), T_U32, COMPARED, NULL, NULL},
    {"value", OF(value), T_STRING, COMPARED, NULL, NULL},
    END,
};

static const Member container_members[] = {
    NAME,
    {"process", OF(process), T_STRING, COMPARED, NULL, NULL},
    {"value", OF(value), T_STRING, COMPARED, NULL, NULL},
    {"object", OF(object), T_STRING, 0, NULL, NULL},
    {"file", OF(file), T_STRING, 0, NULL, NULL},
    END,
};

static const Member server_members[] = {
    NS,
    NAME,
    {"listeners", OF(listeners), T_STRINGS, COMPARED | UNORDERED, NULL, NULL},
    END,
};

static const Member router_item_members[] = {
    NAME,
    {"value", OF(value), T_STRING, COMPARED, NULL, NULL},
    {"link", OF(link), T_STRING, 0, NULL, NULL},
    END,
};

static const Member network_members[] = {
    NAME,
    {"bridge", OF(link), T_STRING, COMPARED, NULL, NULL},
    {"up", OF(up), T_BOOL, COMPARED, NULL, NULL},
    {"autostart", OF(autostart), T_BOOL, COMPARED, NULL, NULL},
    {"alias", OF(alias), T_STRING, COMPARED, NULL, NULL},
    {"forward", OF(value), T_STRING, 0, NULL, NULL},
    END,
};

static const Member domain_members[] = {
    NAME,
    {"memory", OF(memory), T_U32, COMPARED, NULL, NULL},
    {"vcpus", OF(vcpus), T_U32, COMPARED, NULL, NULL},
    {"disks", OF(disks), T_STRUCTS, COMPARED, NULL, &disk_shape},
    {"cdrom", OF(cdrom), T_STRING, COMPARED, NULL, NULL},
    {"firmware", OF(firmware), T_STRING, COMPARED, NULL, NULL},
    {"seed", OF(seed), T_STRING, 0, NULL, NULL},
    {"seed-iso", OF(seed_iso), T_STRING, COMPARED, NULL, NULL},
    {"devices", OF(devices), T_STRINGS, COMPARED | UNORDERED, NULL, NULL},
    {"nics", OF(links), T_STRINGS, COMPARED, NULL, NULL},
    {"up", OF(up), T_BOOL, COMPARED, NULL, NULL},
    {"xml", OF(xml), T_STRING, 0, NULL, NULL},
    {"medium", OF(medium), T_STRING, 0, NULL, NULL},
    {"config", OF(config), T_SECRET, 0, NULL, NULL},
    {"api-url", OF(api_url), T_STRING, 0, NULL, NULL},
    {"api-key-file", OF(api_key_file), T_STRING, 0, NULL, NULL},
    {"certificate", OF(certificate), T_STRING, 0, NULL, NULL},
    {"tunnels", OF(tunnels), T_U32, 0, NULL, NULL},
    {"autostart", OF(autostart), T_BOOL, COMPARED, NULL, NULL},
    {"alias", OF(alias), T_STRING, COMPARED, NULL, NULL},
    END,
};

static const Member domain_nic_members[] = {
    NAME,
    {"index", OF(instance), T_U32, IS_KEY, NULL, NULL},
    {"mac", OF(mac), T_MAC, COMPARED | OR_ANY, NULL, NULL},
    {"network", OF(master), T_STRING, COMPARED, NULL, NULL},
    {"up", OF(up), T_BOOL, COMPARED, NULL, NULL},
    {"isolated", OF(isolated), T_BOOL, COMPARED, NULL, NULL},
    {"port", OF(link), T_STRING, COMPARED, NULL, NULL},
    {"model", OF(model), T_STRING, COMPARED | OR_ANY, NULL, NULL},
    {"next-network", OF(value), T_STRING, COMPARED, NULL, NULL},
    END,
};

static const Member profile_members[] = {
    NAME,
    {"type", OF(profile_type), T_ENUM, COMPARED, profile_types, NULL},
    {"link", OF(link), T_STRING, COMPARED, NULL, NULL},
    {"master", OF(master), T_STRING, COMPARED, NULL, NULL},
    {"mac", OF(mac), T_MAC, COMPARED | OR_ANY, NULL, NULL},
    {"method", OF(method), T_STRING, COMPARED, NULL, NULL},
    {"addresses", OF(addresses), T_PREFIXES, COMPARED | UNORDERED, NULL, NULL},
    {"routes", OF(routes), T_STRUCTS, COMPARED | UNORDERED, NULL, &profile_route_shape},
    {"client-id", OF(client_id), T_STRING, COMPARED | OR_ANY, NULL, NULL},
    {"priority", OF(priority), T_U32, COMPARED, NULL, NULL},
    {"up", OF(up), T_BOOL, COMPARED, NULL, NULL},
    {"alias", OF(alias), T_STRING, COMPARED, NULL, NULL},
    {"before", OF(before), T_STRING, 0, NULL, NULL}, /* what is there when it is gone, not what it is */
    END,
};

static const Member opening_members[] = {
    NAME,
    {"link", OF(link), T_STRING, IS_KEY, NULL, NULL},
    {"out", OF(oif), T_STRING, IS_KEY, NULL, NULL},
    {"from", OF(from), T_PREFIX, IS_KEY, NULL, NULL},
    {"to", OF(to), T_PREFIX, IS_KEY, NULL, NULL},
    {"value", OF(value), T_STRING, IS_KEY, NULL, NULL},
    {"alias", OF(alias), T_STRING, 0, NULL, NULL},
    END,
};

static const struct {
  const char *name;
  const Member *members;
} kinds[LW_RES_LAST] = {
    [LW_RES_NETNS] = {"netns", netns_members},
    [LW_RES_LINK] = {"link", link_members},
    [LW_RES_ADDRESS] = {"address", address_members},
    [LW_RES_ROUTE] = {"route", route_members},
    [LW_RES_RULE] = {"rule", rule_members},
    [LW_RES_SYSCTL] = {"sysctl", sysctl_members},
    [LW_RES_RULESET] = {"ruleset", ruleset_members},
    [LW_RES_TUNNEL] = {"tunnel", tunnel_members},
    [LW_RES_RESOLVER] = {"resolver", resolver_members},
    [LW_RES_DHCP_CLIENT] = {"dhcp-client", dhcp_client_members},
    [LW_RES_CELL] = {"cell", cell_members},
    [LW_RES_SERVER] = {"server", server_members},
    [LW_RES_NETWORK] = {"network", network_members},
    [LW_RES_DOMAIN] = {"domain", domain_members},
    [LW_RES_DOMAIN_NIC] = {"domain-nic", domain_nic_members},
    [LW_RES_PROFILE] = {"profile", profile_members},
    [LW_RES_CONTAINER] = {"container", container_members},
    [LW_RES_ROUTER_ITEM] = {"router-item", router_item_members},
    [LW_RES_OPENING] = {"opening", opening_members},
};

/* Typed access to a member of any struct. */
#define AT(object, member, type) (*(type *)((char *)(object) + (member)->offset))
#define AT_CONST(object, member, type) (*(type const *)((const char *)(object) + (member)->offset))

static void object_clear(gpointer object, const Member *members);
static gboolean object_equal(gconstpointer a, gconstpointer b, const Member *members);
static JsonObject *object_to_json(gconstpointer object, const Member *members);
static gboolean object_from_json(gpointer object, const Member *members, JsonObject *json,
                                 const char *ignored, GError **error);

static GPtrArray *structs_new(const Shape *shape);

static void object_init(gpointer object, const Member *members) {
  for (const Member *m = members; m->name; m++) {
    if (m->type == T_STRINGS)
      AT(object, m, GPtrArray *) = g_ptr_array_new_with_free_func(g_free);
    else if (m->type == T_STRUCTS)
      AT(object, m, GPtrArray *) = structs_new(m->shape);
    else if (m->type == T_ADDRS)
      AT(object, m, GArray *) = g_array_new(FALSE, TRUE, sizeof(LwAddr));
    else if (m->type == T_PREFIXES)
      AT(object, m, GArray *) = g_array_new(FALSE, TRUE, sizeof(LwPrefix));
  }
}

static void object_clear(gpointer object, const Member *members) {
  for (const Member *m = members; m->name; m++) {
    if (m->type == T_STRING || m->type == T_SECRET)
      g_clear_pointer(&AT(object, m, char *), g_free);
    else if (m->type == T_STRINGS || m->type == T_STRUCTS)
      g_clear_pointer(&AT(object, m, GPtrArray *), g_ptr_array_unref);
    else if (m->type == T_ADDRS || m->type == T_PREFIXES)
      g_clear_pointer(&AT(object, m, GArray *), g_array_unref);
    else if (m->type == T_RULESET)
      g_clear_pointer(&AT(object, m, LwRuleset *), lw_ruleset_unref);
  }
}

static gpointer struct_new(const Shape *shape) {
  gpointer object = g_malloc0(shape->size);
  object_init(object, shape->members);
  return object;
}

/* GPtrArray's free function is told nothing but the element: one for each shape. */
#define STRUCT_FREE(shape_name)                                                                              \
  static void free_##shape_name(gpointer object) {                                                           \
    object_clear(object, shape_name.members);                                                                \
    g_free(object);                                                                                          \
  }
STRUCT_FREE(peer_shape)
STRUCT_FREE(range_shape)
STRUCT_FREE(host_shape)
STRUCT_FREE(upstream_shape)
STRUCT_FREE(name_shape)
STRUCT_FREE(disk_shape)
STRUCT_FREE(profile_route_shape)

static GDestroyNotify struct_free_of(const Shape *shape) {
  return shape == &peer_shape            ? free_peer_shape
         : shape == &range_shape         ? free_range_shape
         : shape == &host_shape          ? free_host_shape
         : shape == &upstream_shape      ? free_upstream_shape
         : shape == &disk_shape          ? free_disk_shape
         : shape == &profile_route_shape ? free_profile_route_shape
                                         : free_name_shape;
}

static GPtrArray *structs_new(const Shape *shape) {
  return g_ptr_array_new_with_free_func(struct_free_of(shape));
}

LwPeer *lw_peer_new(void) {
  return struct_new(&peer_shape);
}

LwDhcpRange *lw_dhcp_range_new(void) {
  return struct_new(&range_shape);
}

LwDhcpHost *lw_dhcp_host_new(void) {
  return struct_new(&host_shape);
}

LwUpstream *lw_upstream_new(void) {
  return struct_new(&upstream_shape);
}

LwHostName *lw_host_name_new(void) {
  return struct_new(&name_shape);
}

LwDisk *lw_disk_new(void) {
  return struct_new(&disk_shape);
}

LwProfileRoute *lw_profile_route_new(void) {
  return struct_new(&profile_route_shape);
}

LwResource *lw_resource_new(LwResourceKind kind, const char *ns, const char *name) {
  LwResource *resource = g_new0(LwResource, 1);
  resource->kind = kind;
  resource->refs = 1;
  resource->ns = g_strdup(ns ? ns : "");
  resource->name = g_strdup(name);
  object_init(resource, kinds[kind].members);
  return resource;
}

LwResource *lw_resource_ref(LwResource *resource) {
  g_atomic_int_inc(&resource->refs);
  return resource;
}

/* Members that are not the kind's are freed, too: somebody may have set them all the same. */
static void free_all_members(LwResource *resource) {
  char *strings[] = {resource->ns,       resource->name,      resource->link,         resource->peer_ns,
                     resource->peer,     resource->master,    resource->alias,        resource->iif,
                     resource->oif,      resource->value,     resource->domain,       resource->home_lan_set,
                     resource->model,    resource->cdrom,     resource->firmware,     resource->seed,
                     resource->seed_iso, resource->kind_name, resource->unknown,      resource->method,
                     resource->before,   resource->client_id, resource->private_key,  resource->process,
                     resource->object,   resource->file,      resource->xml,          resource->medium,
                     resource->config,   resource->api_url,   resource->api_key_file, resource->certificate};
  GPtrArray *lists[] = {resource->peers,     resource->links, resource->ranges,    resource->hosts,
                        resource->names,     resource->argv,  resource->upstreams, resource->nics,
                        resource->listeners, resource->disks, resource->devices,   resource->routes};
  for (guint i = 0; i < G_N_ELEMENTS(strings); i++)
    g_free(strings[i]);
  for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
    g_clear_pointer(&lists[i], g_ptr_array_unref);
  g_clear_pointer(&resource->addresses, g_array_unref);
  g_clear_pointer(&resource->ruleset, lw_ruleset_unref);
}

void lw_resource_unref(LwResource *resource) {
  if (!resource || !g_atomic_int_dec_and_test(&resource->refs))
    return;
  free_all_members(resource);
  g_free(resource);
}

static const char *text_or_empty(const char *text) {
  return text ? text : "";
}

static gboolean is_set(gconstpointer object, const Member *m) {
  switch (m->type) {
  case T_STRING:
  case T_SECRET:
    return *text_or_empty(AT_CONST(object, m, char *)) != '\0';
  case T_U8:
    return AT_CONST(object, m, guint8) != 0;
  case T_U16:
    return AT_CONST(object, m, guint16) != 0;
  case T_U32:
    return AT_CONST(object, m, guint32) != 0;
  case T_BOOL:
    return AT_CONST(object, m, gboolean) != FALSE;
  case T_ENUM:
    return TRUE;
  case T_ADDR:
    return lw_addr_is_set(&AT_CONST(object, m, LwAddr));
  case T_PREFIX:
    return lw_addr_is_set(&AT_CONST(object, m, LwPrefix).addr);
  case T_MAC:
    return lw_mac_is_set(&AT_CONST(object, m, LwMac));
  case T_RANGE:
    return lw_addr_is_set(&AT_CONST(object, m, LwRange).first);
  case T_RULESET:
    return AT_CONST(object, m, LwRuleset *) != NULL;
  case T_STRINGS:
  case T_STRUCTS:
    return AT_CONST(object, m, GPtrArray *) != NULL && AT_CONST(object, m, GPtrArray *)->len > 0;
  case T_ADDRS:
  case T_PREFIXES:
    return AT_CONST(object, m, GArray *) != NULL && AT_CONST(object, m, GArray *)->len > 0;
  }
  return FALSE;
}

/* A scalar member as text. Transfer full. */
static char *scalar_text(gconstpointer object, const Member *m) {
  switch (m->type) {
  case T_U8:
    return g_strdup_printf("%u", AT_CONST(object, m, guint8));
  case T_U16:
    return g_strdup_printf("%u", AT_CONST(object, m, guint16));
  case T_U32:
    return g_strdup_printf("%u", AT_CONST(object, m, guint32));
  case T_BOOL:
    return g_strdup(AT_CONST(object, m, gboolean) ? "yes" : "no");
  case T_ENUM:
    return g_strdup(m->values[AT_CONST(object, m, guint)]);
  case T_ADDR:
    return lw_addr_format(&AT_CONST(object, m, LwAddr));
  case T_PREFIX:
    return lw_prefix_format(&AT_CONST(object, m, LwPrefix));
  case T_MAC:
    return lw_mac_format(&AT_CONST(object, m, LwMac));
  case T_RANGE:
    return lw_range_format(&AT_CONST(object, m, LwRange));
  default:
    return g_strdup(text_or_empty(AT_CONST(object, m, char *)));
  }
}

/* List elements as texts, in order. */
static GPtrArray *element_texts(gconstpointer object, const Member *m) {
  GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
  if (!is_set(object, m))
    return texts;
  if (m->type == T_ADDRS || m->type == T_PREFIXES) {
    GArray *array = AT_CONST(object, m, GArray *);
    for (guint i = 0; i < array->len; i++)
      g_ptr_array_add(texts, m->type == T_ADDRS ? lw_addr_format(&g_array_index(array, LwAddr, i))
                                                : lw_prefix_format(&g_array_index(array, LwPrefix, i)));
    return texts;
  }
  GPtrArray *array = AT_CONST(object, m, GPtrArray *);
  for (guint i = 0; i < array->len; i++) {
    if (m->type == T_STRINGS) {
      g_ptr_array_add(texts, g_strdup(array->pdata[i]));
      continue;
    }
    g_autoptr(JsonNode) node = json_node_alloc();
    json_node_init(node, JSON_NODE_OBJECT);
    json_node_take_object(node, object_to_json(array->pdata[i], m->shape->members));
    g_ptr_array_add(texts, json_to_string(node, FALSE));
  }
  return texts;
}

static int compare_texts(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean text_lists_equal(gconstpointer a, gconstpointer b, const Member *m) {
  g_autoptr(GPtrArray) x = element_texts(a, m);
  g_autoptr(GPtrArray) y = element_texts(b, m);
  if (x->len != y->len)
    return FALSE;
  if (m->flags & UNORDERED) {
    g_ptr_array_sort(x, compare_texts);
    g_ptr_array_sort(y, compare_texts);
  }
  for (guint i = 0; i < x->len; i++)
    if (strcmp(x->pdata[i], y->pdata[i]) != 0)
      return FALSE;
  return TRUE;
}

/* One element of x for each of y; both lists are short or in the same order, so that this is linear mostly.
 */
static gboolean struct_lists_equal(gconstpointer a, gconstpointer b, const Member *m) {
  GPtrArray *x = AT_CONST(a, m, GPtrArray *), *y = AT_CONST(b, m, GPtrArray *);
  guint count = x ? x->len : 0;
  if (count != (y ? y->len : 0))
    return FALSE;
  g_autofree gboolean *used = g_new0(gboolean, count + 1);
  for (guint i = 0; i < count; i++) {
    guint found = i;
    for (guint step = 0; step < count; step++) {
      found = (i + step) % count;
      if (!used[found] && object_equal(x->pdata[i], y->pdata[found], m->shape->members))
        break;
      found = count;
    }
    if (found == count)
      return FALSE;
    used[found] = TRUE;
  }
  return TRUE;
}

static gboolean member_equal(gconstpointer a, gconstpointer b, const Member *m) {
  if ((m->flags & OR_ANY) && (!is_set(a, m) || !is_set(b, m)))
    return TRUE;
  switch (m->type) {
  case T_STRING:
  case T_SECRET:
    return strcmp(text_or_empty(AT_CONST(a, m, char *)), text_or_empty(AT_CONST(b, m, char *))) == 0;
  case T_U8:
    return AT_CONST(a, m, guint8) == AT_CONST(b, m, guint8);
  case T_U16:
    return AT_CONST(a, m, guint16) == AT_CONST(b, m, guint16);
  case T_U32:
    return AT_CONST(a, m, guint32) == AT_CONST(b, m, guint32);
  case T_BOOL:
    return !AT_CONST(a, m, gboolean) == !AT_CONST(b, m, gboolean);
  case T_ENUM:
    return AT_CONST(a, m, guint) == AT_CONST(b, m, guint);
  case T_ADDR:
    return lw_addr_equal(&AT_CONST(a, m, LwAddr), &AT_CONST(b, m, LwAddr));
  case T_PREFIX:
    return lw_prefix_equal(&AT_CONST(a, m, LwPrefix), &AT_CONST(b, m, LwPrefix));
  case T_MAC:
    return lw_mac_equal(&AT_CONST(a, m, LwMac), &AT_CONST(b, m, LwMac));
  case T_RANGE:
    return lw_range_equal(&AT_CONST(a, m, LwRange), &AT_CONST(b, m, LwRange));
  case T_RULESET: {
    const LwRuleset *x = AT_CONST(a, m, LwRuleset *), *y = AT_CONST(b, m, LwRuleset *);
    return x == y || (x && y && lw_ruleset_equal(x, y));
  }
  case T_STRUCTS:
    return struct_lists_equal(a, b, m);
  case T_STRINGS:
  case T_ADDRS:
  case T_PREFIXES:
    return text_lists_equal(a, b, m);
  }
  return FALSE;
}

static gboolean object_equal(gconstpointer a, gconstpointer b, const Member *members) {
  for (const Member *m = members; m->name; m++)
    if ((m->flags & COMPARED) && !member_equal(a, b, m))
      return FALSE;
  return TRUE;
}

static const char *family_of(const LwResource *resource) {
  return lw_family_name(resource->ruleset ? resource->ruleset->family : LW_FAMILY_INET);
}

char *lw_resource_key(const LwResource *resource) {
  GString *key = g_string_new(kinds[resource->kind].name);
  char separator = ':';
  for (const Member *m = kinds[resource->kind].members; m->name; m++) {
    if (!(m->flags & IS_KEY) || ((m->flags & IF_SET) && !is_set(resource, m)))
      continue;
    g_string_append_c(key, separator);
    separator = '/';
    if (m->type == T_RULESET) {
      g_string_append(key, family_of(resource));
    } else if (m->type == T_STRING) {
      g_string_append(key, text_or_empty(AT_CONST(resource, m, char *)));
    } else {
      g_autofree char *text = scalar_text(resource, m);
      g_string_append(key, text);
    }
  }
  return g_string_free(key, FALSE);
}

static gboolean same_key(const LwResource *a, const LwResource *b) {
  if (a->kind != b->kind)
    return FALSE;
  for (const Member *m = kinds[a->kind].members; m->name; m++)
    if ((m->flags & IS_KEY) && (m->type == T_RULESET ? family_of(a) != family_of(b) : !member_equal(a, b, m)))
      return FALSE;
  return TRUE;
}

gboolean lw_resource_equal(const LwResource *a, const LwResource *b) {
  return a == b || (same_key(a, b) && object_equal(a, b, kinds[a->kind].members));
}

static void append_difference(GString *text, const LwResource *from, const LwResource *to, const Member *m) {
  if (text->len > 0)
    g_string_append(text, ", ");
  if (m->type == T_SECRET || m->type >= T_RULESET) {
    g_string_append_printf(text, "%s changed", m->name);
    return;
  }
  g_autofree char *before = scalar_text(from, m);
  g_autofree char *after = scalar_text(to, m);
  g_string_append_printf(text, "%s %s -> %s", m->name, *before ? before : "none", *after ? after : "none");
}

char *lw_resource_difference(const LwResource *from, const LwResource *to) {
  g_autoptr(GString) text = g_string_new(NULL);
  g_return_val_if_fail(from->kind == to->kind, NULL);
  char *fields = from->kind == LW_RES_ROUTER_ITEM ? lw_router_item_difference(from, to) : NULL;
  if (fields)
    return fields;
  for (const Member *m = kinds[from->kind].members; m->name; m++)
    if ((m->flags & COMPARED) && !member_equal(from, to, m))
      append_difference(text, from, to, m);
  return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

const char *lw_resource_kind_name(LwResourceKind kind) {
  return kind < LW_RES_LAST ? kinds[kind].name : "unknown";
}

static char *describe_opening(const LwResource *r) {
  g_autofree char *from = lw_prefix_format(&r->from);
  g_autofree char *to = lw_prefix_format(&r->to);
  gboolean docker = g_strcmp0(r->name, "docker") == 0;
  return g_strdup_printf("opening in %s: %s from %s to %s by %s", docker ? "DOCKER-USER" : r->name,
                         text_or_empty(r->value), from, to,
                         *text_or_empty(r->link) ? r->link : text_or_empty(r->oif));
}

static char *describe_object(const LwResource *r) {
  const char *name = text_or_empty(r->name), *link = text_or_empty(r->link);
  g_autofree char *prefix = lw_prefix_format(&r->prefix);
  switch (r->kind) {
  case LW_RES_NETNS:
    return g_strdup_printf("network namespace %s", name);
  case LW_RES_LINK:
    return g_strdup_printf("%s %s", r->link_type == LW_LINK_EXTERNAL ? "interface" : link_types[r->link_type],
                           name);
  case LW_RES_ADDRESS:
    return g_strdup_printf("address %s on %s", prefix, link);
  case LW_RES_ROUTE:
    return r->table ? g_strdup_printf("route %s in table %u", prefix, r->table)
                    : g_strdup_printf("route %s", prefix);
  case LW_RES_RULE:
    return g_strdup_printf("routing rule %u", r->priority);
  case LW_RES_SYSCTL:
    return g_strdup_printf("setting %s", name);
  case LW_RES_RULESET:
    return g_strdup_printf("%s ruleset %s", family_of(r), name);
  case LW_RES_TUNNEL:
    return g_strdup_printf("tunnel %s", name);
  case LW_RES_RESOLVER:
    return g_strdup_printf("resolver %s", name);
  case LW_RES_DHCP_CLIENT:
    return g_strdup_printf("DHCP client on %s", link);
  case LW_RES_CELL:
    return g_strdup_printf("cell %s", name);
  case LW_RES_SERVER:
    return g_strdup_printf("server %s", name);
  case LW_RES_NETWORK:
    return g_strdup_printf("network %s", name);
  case LW_RES_DOMAIN:
    return g_strdup_printf("domain %s", name);
  case LW_RES_DOMAIN_NIC:
    return g_strdup_printf("NIC %u of domain %s", r->instance, name);
  case LW_RES_PROFILE:
    return g_strdup_printf("NetworkManager profile %s of %s", name, link);
  case LW_RES_CONTAINER:
    return g_strdup_printf("container %s at %s", text_or_empty(r->object), name);
  case LW_RES_ROUTER_ITEM:
    if (lw_resource_is_by_hand(r))
      return g_strdup_printf("OPNsense, by hand (restart): %s", link);
    return g_strdup_printf("OPNsense's %.*s “%s”", (int)strcspn(name, "/"), name, link);
  case LW_RES_OPENING:
    return describe_opening(r);
  case LW_RES_LAST:
    break;
  }
  return g_strdup(name);
}

char *lw_resource_describe(const LwResource *resource) {
  g_autofree char *object = describe_object(resource);
  return *text_or_empty(resource->ns) ? g_strdup_printf("%s in %s", object, resource->ns)
                                      : g_steal_pointer(&object);
}

static JsonNode *texts_to_json(GPtrArray *texts) {
  g_autoptr(JsonArray) array = json_array_new();
  for (guint i = 0; i < texts->len; i++)
    json_array_add_string_element(array, texts->pdata[i]);
  JsonNode *node = json_node_new(JSON_NODE_ARRAY);
  json_node_set_array(node, array);
  return node;
}

static JsonNode *structs_to_json(GPtrArray *objects, const Shape *shape) {
  g_autoptr(JsonArray) array = json_array_new();
  for (guint i = 0; i < objects->len; i++)
    json_array_add_object_element(array, object_to_json(objects->pdata[i], shape->members));
  JsonNode *node = json_node_new(JSON_NODE_ARRAY);
  json_node_set_array(node, array);
  return node;
}

static gint64 number_of(gconstpointer object, const Member *m) {
  return m->type == T_U8    ? AT_CONST(object, m, guint8)
         : m->type == T_U16 ? AT_CONST(object, m, guint16)
                            : AT_CONST(object, m, guint32);
}

static void member_to_json(gconstpointer object, const Member *m, JsonObject *json) {
  if (m->type == T_U8 || m->type == T_U16 || m->type == T_U32) {
    json_object_set_int_member(json, m->name, number_of(object, m));
  } else if (m->type == T_BOOL) {
    json_object_set_boolean_member(json, m->name, AT_CONST(object, m, gboolean));
  } else if (m->type == T_STRUCTS) {
    json_object_set_member(json, m->name, structs_to_json(AT_CONST(object, m, GPtrArray *), m->shape));
  } else if (m->type == T_STRINGS || m->type == T_ADDRS || m->type == T_PREFIXES) {
    g_autoptr(GPtrArray) texts = element_texts(object, m);
    json_object_set_member(json, m->name, texts_to_json(texts));
  } else if (m->type == T_RULESET) {
    /* the rules themselves are kept by nft's own undo; here only what names the table */
    json_object_set_string_member(json, "family", lw_family_name(AT_CONST(object, m, LwRuleset *)->family));
  } else {
    g_autofree char *text = scalar_text(object, m);
    json_object_set_string_member(json, m->name, text);
  }
}

/* Members that are not set are left out. */
static JsonObject *object_to_json(gconstpointer object, const Member *members) {
  JsonObject *json = json_object_new();
  for (const Member *m = members; m->name; m++)
    if (is_set(object, m))
      member_to_json(object, m, json);
  return json;
}

JsonNode *lw_resource_to_json(const LwResource *resource) {
  JsonNode *node = json_node_new(JSON_NODE_OBJECT);
  JsonObject *json = object_to_json(resource, kinds[resource->kind].members);
  json_object_set_string_member(json, "kind", kinds[resource->kind].name);
  json_node_take_object(node, json);
  return node;
}

static const char *json_text(JsonNode *node) {
  return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

static gboolean number_from_json(gpointer object, const Member *m, JsonNode *node) {
  if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
    return FALSE;
  gint64 number = json_node_get_int(node);
  gint64 max = m->type == T_U8 ? G_MAXUINT8 : m->type == T_U16 ? G_MAXUINT16 : G_MAXUINT32;
  if (number < 0 || number > max)
    return FALSE;
  if (m->type == T_U8)
    AT(object, m, guint8) = (guint8)number;
  else if (m->type == T_U16)
    AT(object, m, guint16) = (guint16)number;
  else
    AT(object, m, guint32) = (guint32)number;
  return TRUE;
}

static gboolean text_from_json(gpointer object, const Member *m, const char *text) {
  switch (m->type) {
  case T_ENUM:
    for (guint i = 0; m->values[i]; i++) {
      if (strcmp(m->values[i], text) == 0) {
        AT(object, m, guint) = i;
        return TRUE;
      }
    }
    return FALSE;
  case T_ADDR:
    return lw_addr_parse(text, &AT(object, m, LwAddr));
  case T_PREFIX:
    return lw_prefix_parse(text, &AT(object, m, LwPrefix));
  case T_MAC:
    return lw_mac_parse(text, &AT(object, m, LwMac));
  case T_RANGE:
    return lw_range_parse(text, &AT(object, m, LwRange));
  default:
    g_free(AT(object, m, char *));
    AT(object, m, char *) = g_strdup(text);
    return TRUE;
  }
}

static gboolean element_from_json(gpointer object, const Member *m, JsonNode *node, GError **error) {
  if (m->type == T_STRUCTS) {
    if (!JSON_NODE_HOLDS_OBJECT(node))
      return FALSE;
    gpointer element = struct_new(m->shape);
    g_ptr_array_add(AT(object, m, GPtrArray *), element);
    return object_from_json(element, m->shape->members, json_node_get_object(node), NULL, error);
  }
  const char *text = json_text(node);
  if (!text)
    return FALSE;
  if (m->type == T_STRINGS) {
    g_ptr_array_add(AT(object, m, GPtrArray *), g_strdup(text));
    return TRUE;
  }
  LwAddr addr;
  LwPrefix prefix;
  if (m->type == T_ADDRS ? !lw_addr_parse(text, &addr) : !lw_prefix_parse(text, &prefix))
    return FALSE;
  if (m->type == T_ADDRS)
    g_array_append_val(AT(object, m, GArray *), addr);
  else
    g_array_append_val(AT(object, m, GArray *), prefix);
  return TRUE;
}

static gboolean list_from_json(gpointer object, const Member *m, JsonNode *node, GError **error) {
  if (!JSON_NODE_HOLDS_ARRAY(node))
    return FALSE;
  JsonArray *array = json_node_get_array(node);
  for (guint i = 0; i < json_array_get_length(array); i++)
    if (!element_from_json(object, m, json_array_get_element(array, i), error))
      return FALSE;
  return TRUE;
}

static gboolean bool_from_json(gpointer object, const Member *m, JsonNode *node) {
  if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_BOOLEAN)
    return FALSE;
  AT(object, m, gboolean) = json_node_get_boolean(node);
  return TRUE;
}

static gboolean ruleset_from_json(gpointer object, const Member *m, const char *family) {
  LwFamily found;
  if (!family || !lw_family_parse(family, &found))
    return FALSE;
  AT(object, m, LwRuleset *) = lw_ruleset_new(found, "");
  return TRUE;
}

static gboolean member_from_json(gpointer object, const Member *m, JsonNode *node, GError **error) {
  switch (m->type) {
  case T_U8:
  case T_U16:
  case T_U32:
    return number_from_json(object, m, node);
  case T_BOOL:
    return bool_from_json(object, m, node);
  case T_STRINGS:
  case T_STRUCTS:
  case T_ADDRS:
  case T_PREFIXES:
    return list_from_json(object, m, node, error);
  case T_RULESET:
    return ruleset_from_json(object, m, json_text(node));
  default:
    return json_text(node) && text_from_json(object, m, json_text(node));
  }
}

static const Member *find_member(const Member *members, const char *name) {
  for (const Member *m = members; m->name; m++)
    if (strcmp(m->type == T_RULESET ? "family" : m->name, name) == 0)
      return m;
  return NULL;
}

static gboolean object_from_json(gpointer object, const Member *members, JsonObject *json,
                                 const char *ignored, GError **error) {
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  json_object_iter_init(&iter, json);
  while (json_object_iter_next(&iter, &name, &node)) {
    if (ignored && strcmp(name, ignored) == 0)
      continue;
    const Member *m = find_member(members, name);
    g_autoptr(GError) inner = NULL;
    if (m && member_from_json(object, m, node, &inner))
      continue;
    if (inner)
      g_propagate_error(error, g_steal_pointer(&inner));
    else
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                  m ? "a stored resource has a bad value for \"%s\""
                    : "a stored resource has a member \"%s\" that is not known",
                  name);
    return FALSE;
  }
  return TRUE;
}

LwResource *lw_resource_from_json(JsonNode *node, GError **error) {
  JsonObject *json = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  JsonNode *kind_node = json ? json_object_get_member(json, "kind") : NULL;
  const char *name = kind_node ? json_text(kind_node) : NULL;
  for (guint kind = 0; name && kind < LW_RES_LAST; kind++) {
    if (strcmp(kinds[kind].name, name) != 0)
      continue;
    g_autoptr(LwResource) resource = lw_resource_new((LwResourceKind)kind, NULL, NULL);
    if (!object_from_json(resource, kinds[kind].members, json, "kind", error))
      return NULL;
    if (resource->ruleset) {
      LwFamily family = resource->ruleset->family;
      lw_ruleset_unref(resource->ruleset);
      resource->ruleset = lw_ruleset_new(family, text_or_empty(resource->name));
    }
    return g_steal_pointer(&resource);
  }
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a stored resource is of no known kind (%s)",
              name ? name : "none");
  return NULL;
}

LwResourceSet *lw_resource_set_new(void) {
  LwResourceSet *set = g_new0(LwResourceSet, 1);
  set->list = g_ptr_array_new_with_free_func((GDestroyNotify)lw_resource_unref);
  set->index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return set;
}

void lw_resource_set_free(LwResourceSet *set) {
  if (!set)
    return;
  g_hash_table_unref(set->index);
  g_ptr_array_unref(set->list);
  g_free(set);
}

LwResource *lw_resource_set_add(LwResourceSet *set, LwResource *resource) {
  g_autofree char *key = lw_resource_key(resource);
  LwResource *there = g_hash_table_lookup(set->index, key);
  if (there) {
    if (!lw_resource_equal(there, resource)) {
      g_autofree char *difference = lw_resource_difference(there, resource);
      g_error("two different resources %s: %s", key, difference ? difference : "");
    }
    lw_resource_unref(resource);
    return there;
  }
  g_ptr_array_add(set->list, resource);
  g_hash_table_insert(set->index, g_steal_pointer(&key), resource);
  return resource;
}

/* The resources' keys are what they were when they were added. */
LwResourceSet *lw_resource_set_copy(const LwResourceSet *set) {
  LwResourceSet *copy = lw_resource_set_new();
  GHashTableIter iter;
  gpointer key, resource;
  copy->complete = set->complete;
  for (guint i = 0; i < set->list->len; i++)
    g_ptr_array_add(copy->list, lw_resource_ref(set->list->pdata[i]));
  g_hash_table_iter_init(&iter, set->index);
  while (g_hash_table_iter_next(&iter, &key, &resource))
    g_hash_table_insert(copy->index, g_strdup(key), resource);
  return copy;
}

LwResource *lw_resource_set_find(const LwResourceSet *set, const char *key) {
  return g_hash_table_lookup(set->index, key);
}

gboolean lw_resource_set_remove(LwResourceSet *set, const char *key) {
  LwResource *resource = g_hash_table_lookup(set->index, key);
  if (!resource)
    return FALSE;
  g_hash_table_remove(set->index, key);
  return g_ptr_array_remove(set->list, resource);
}

const char *lw_change_class_name(LwChangeClass klass) {
  static const char *const names[] = {[LW_CHANGE_CREATE] = "create",
                                      [LW_CHANGE_LIVE] = "live",
                                      [LW_CHANGE_RESTART] = "restart",
                                      [LW_CHANGE_REPLACE] = "replace",
                                      [LW_CHANGE_DELETE] = "delete"};
  return names[klass];
}

static gboolean differs_in(const LwResource *from, const LwResource *to, const char *name) {
  const Member *m = find_member(kinds[from->kind].members, name);
  return !member_equal(from, to, m);
}

/* Whether something else than one member differs. */
static gboolean differs_beyond(const LwResource *from, const LwResource *to, const char *name) {
  for (const Member *m = kinds[from->kind].members; m->name; m++)
    if ((m->flags & COMPARED) && strcmp(m->name, name) != 0 && !member_equal(from, to, m))
      return TRUE;
  return FALSE;
}

LwChangeClass lw_resource_change_class(const LwResource *from, const LwResource *to) {
  switch (to->kind) {
  case LW_RES_LINK:
    return differs_in(from, to, "type") || differs_in(from, to, "peer") || differs_in(from, to, "peer-ns")
               ? LW_CHANGE_REPLACE
               : LW_CHANGE_LIVE;
  case LW_RES_ROUTE:
  case LW_RES_SYSCTL:
  case LW_RES_RULESET:
  case LW_RES_TUNNEL:
    return LW_CHANGE_LIVE;
  case LW_RES_RESOLVER: /* dnsmasq reads its hosts again on SIGHUP, nothing else */
    return differs_beyond(from, to, "hosts") ? LW_CHANGE_RESTART : LW_CHANGE_LIVE;
  case LW_RES_CELL:
    return differs_in(from, to, "argv") ? LW_CHANGE_RESTART : LW_CHANGE_LIVE;
  case LW_RES_NETWORK: /* a bridge is not changed under its machines */
    return differs_in(from, to, "bridge") || differs_in(from, to, "alias") ? LW_CHANGE_REPLACE
                                                                           : LW_CHANGE_LIVE;
  case LW_RES_DOMAIN: /* what runs goes on as it is until its next start */
    return LW_CHANGE_LIVE;
  case LW_RES_ROUTER_ITEM:
    return lw_resource_is_by_hand(to) ? LW_CHANGE_RESTART : LW_CHANGE_LIVE;
  case LW_RES_DOMAIN_NIC:
    return differs_in(from, to, "mac") || differs_in(from, to, "model") ? LW_CHANGE_REPLACE : LW_CHANGE_LIVE;
  case LW_RES_PROFILE: /* what an active profile cannot be given (Reapply refuses it) */
    return differs_in(from, to, "type") || differs_in(from, to, "link") || differs_in(from, to, "master") ||
                   differs_in(from, to, "mac")
               ? LW_CHANGE_REPLACE
               : LW_CHANGE_LIVE;
  case LW_RES_DHCP_CLIENT:
  case LW_RES_SERVER:
    return LW_CHANGE_RESTART;
  case LW_RES_CONTAINER:
    return differs_in(from, to, "process") ? LW_CHANGE_REPLACE : LW_CHANGE_LIVE;
  case LW_RES_NETNS:
  case LW_RES_ADDRESS:
  case LW_RES_RULE:
  case LW_RES_OPENING:
  case LW_RES_LAST:
    break;
  }
  return LW_CHANGE_REPLACE;
}

gboolean lw_change_is_addition(const LwChange *change) {
  const LwResource *from = change->from, *to = change->to;
  if (change->klass == LW_CHANGE_CREATE)
    return TRUE;
  return change->klass == LW_CHANGE_LIVE && to->kind == LW_RES_DOMAIN_NIC && (!from->link || !*from->link) &&
         !differs_beyond(from, to, "port");
}

LwChange *lw_change_new(LwChangeClass klass, LwResource *from, LwResource *to) {
  LwChange *change = g_new0(LwChange, 1);
  change->klass = klass;
  change->from = from ? lw_resource_ref(from) : NULL;
  change->to = to ? lw_resource_ref(to) : NULL;
  return change;
}

void lw_change_free(LwChange *change) {
  if (!change)
    return;
  lw_resource_unref(change->from);
  lw_resource_unref(change->to);
  g_free(change);
}

GPtrArray *lw_changes_new(void) {
  return g_ptr_array_new_with_free_func((GDestroyNotify)lw_change_free);
}
