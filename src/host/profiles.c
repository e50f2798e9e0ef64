/* The uplink's bridge and br-mgmt where NetworkManager keeps the uplink: its profiles make the links,
 * addresses and routes that policy asks of the kernel, which are then only looked at. */
#include "host/world.h"

#include "policy/names.h"

#include <string.h>

/* Above what a profile has that nobody gave one: it must win the uplink at boot. */
#define PORT_PRIORITY 100
#define PRIORITY_MAX 999 /* NetworkManager's */

static gboolean is_of(const LwResource *r, const char *link) {
  const char *name = r->kind == LW_RES_LINK ? r->name : r->link;
  return (!r->ns || !*r->ns) && g_strcmp0(name, link) == 0;
}

/* The kernel's addresses and routes come from the profile: it alone is compared. The link is there all the
 * same. */
static void take_over(LwResourceSet *wanted, const char *link, LwMac mac) {
  for (guint i = wanted->list->len; i > 0; i--) {
    LwResource *r = wanted->list->pdata[i - 1];
    if (!is_of(r, link))
      continue;
    if (r->kind == LW_RES_LINK) {
      r->observed = TRUE;
      r->mac = mac;
    }
    if (r->kind != LW_RES_ADDRESS && r->kind != LW_RES_ROUTE)
      continue;
    g_autofree char *key = lw_resource_key(r);
    lw_resource_set_remove(wanted, key);
  }
}

static LwResource *new_profile(LwProfileType type, const char *link, LwOrigin origin) {
  g_autofree char *name = g_strconcat("lanward-", link, NULL);
  LwResource *profile = lw_resource_new(LW_RES_PROFILE, NULL, name);
  profile->profile_type = type;
  profile->link = g_strdup(link);
  profile->alias = g_strdup(LW_OWNER);
  profile->up = TRUE;
  profile->origin = origin;
  return profile;
}

/* The host's address, lease and DNS stay what they were: of the bridge only what makes the lease the same. */
static void add_uplink(const LwHostWorld *world, const LwHost *host, LwResourceSet *wanted) {
  LwResource *bridge = new_profile(LW_PROFILE_BRIDGE, host->bridge, host->origin);
  bridge->mac = world->mac;
  bridge->client_id = g_strdup(world->client_id);
  lw_resource_set_add(wanted, bridge);
  LwResource *port = new_profile(LW_PROFILE_PORT, world->uplink, host->origin);
  port->master = g_strdup(host->bridge);
  port->priority = (guint)CLAMP(world->priority + 1, PORT_PRIORITY, PRIORITY_MAX);
  lw_resource_set_add(wanted, port);
  take_over(wanted, host->bridge, world->mac);
  take_over(wanted, world->uplink, world->mac);
}

/* Its MAC follows the machine, not the lab: another one would take the ports off, and so would a lab of
 * another name. */
static LwMac management_mac(const LwHostWorld *world, const char *link) {
  g_autofree char *mac = lw_mac_format(&world->mac);
  g_autofree char *seed = g_strconcat(mac, "/", link, NULL);
  return lw_mac_derive(seed);
}

static void add_management(const LwHostWorld *world, const LwLab *lab, LwResourceSet *wanted) {
  const LwHost *host = &lab->host;
  LwResource *bridge = new_profile(LW_PROFILE_BRIDGE, host->management.bridge, host->management.origin);
  LwPrefix own = lw_prefix_make(host->management.address, host->management.subnet.len);
  bridge->mac = management_mac(world, host->management.bridge);
  bridge->method = g_strdup("manual");
  g_array_append_val(bridge->addresses, own);
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *r = wanted->list->pdata[i];
    if (r->kind != LW_RES_ROUTE || !is_of(r, host->management.bridge))
      continue;
    LwProfileRoute *route = lw_profile_route_new();
    route->prefix = r->prefix;
    route->via = r->via;
    g_ptr_array_add(bridge->routes, route);
  }
  lw_resource_set_add(wanted, bridge);
  take_over(wanted, host->management.bridge, bridge->mac);
}

gboolean lw_host_add_profiles(const LwHostWorld *world, const LwLab *lab, LwResourceSet *wanted,
                              GError **error) {
  (void)error;
  if (world->keeper == LW_UPLINK_NETWORKMANAGER)
    add_uplink(world, &lab->host, wanted);
  if (!world->management)
    add_management(world, lab, wanted);
  return TRUE;
}
