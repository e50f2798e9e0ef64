/* From what was seen to what is wanted: values alone. */
#include "host/world.h"

#include "base/error.h"

#include <string.h>

static gboolean same_text(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "") == 0;
}

static void set_text(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

static LwResource *find_link(const LwResourceSet *set, const char *name) {
  g_autoptr(LwResource) like = lw_resource_new(LW_RES_LINK, "", name);
  g_autofree char *key = lw_resource_key(like);
  return lw_resource_set_find(set, key);
}

static LwResource *copy_of(const LwResource *resource) {
  g_autoptr(JsonNode) json = lw_resource_to_json(resource);
  return lw_resource_from_json(json, NULL);
}

/* --- by nobody we know: links, addresses and routes of the kernel, until the next boot
 * ------------------------------------------------------------------------------------- */

/* A lease brings its address and route itself. */
static void add_taken(const LwHostWorld *world, const char *bridge, LwResourceSet *wanted) {
  for (guint i = 0; !world->dynamic && i < world->taken->list->len; i++) {
    g_autoptr(LwResource) moved = copy_of(world->taken->list->pdata[i]);
    set_text(&moved->link, bridge);
    g_autofree char *key = lw_resource_key(moved);
    if (!lw_resource_set_find(wanted, key))
      lw_resource_set_add(wanted, g_steal_pointer(&moved));
  }
  if (!world->dynamic)
    return;
  LwResource *client = lw_resource_new(LW_RES_DHCP_CLIENT, "", NULL);
  set_text(&client->link, bridge);
  client->wait = TRUE;
  lw_resource_set_add(wanted, client);
}

static void add_port(const LwHostWorld *world, const char *bridge, LwOrigin origin, LwResourceSet *wanted) {
  LwResource *port = find_link(wanted, world->uplink);
  if (!port)
    port = lw_resource_set_add(wanted, lw_resource_new(LW_RES_LINK, "", world->uplink));
  port->origin = origin;
  port->link_type = LW_LINK_EXTERNAL;
  port->up = TRUE;
  set_text(&port->master, bridge);
}

/* Somebody else's bridge, which does what br0 is for. */
static void leave_bridge(const LwHostWorld *world, const char *bridge, LwResourceSet *wanted) {
  LwResource *link = find_link(wanted, bridge);
  LwResource *port = world->uplink ? find_link(wanted, world->uplink) : NULL;
  if (link)
    link->observed = TRUE;
  if (port)
    port->observed = TRUE;
}

/* Somebody else's, with his address: an OPNsense that was there before the lab needs both. */
static void leave_management(const LwHost *host, LwResourceSet *wanted) {
  for (guint i = 0; i < wanted->list->len; i++) {
    LwResource *r = wanted->list->pdata[i];
    const char *link = r->kind == LW_RES_LINK ? r->name : r->kind == LW_RES_ADDRESS ? r->link : NULL;
    if (link && (!r->ns || !*r->ns) && g_str_equal(link, host->management.bridge))
      r->observed = TRUE;
  }
}

void lw_host_add_uplink(const LwHostWorld *world, const LwLab *lab, LwResourceSet *wanted) {
  const LwHost *host = &lab->host;
  if (world->keeper == LW_UPLINK_BRIDGED)
    leave_bridge(world, host->bridge, wanted);
  else if (world->keeper == LW_UPLINK_NOBODY && world->uplink) {
    add_port(world, host->bridge, host->origin, wanted);
    add_taken(world, host->bridge, wanted);
  }
}

/* --- what is not to be changed
 * --------------------------------------------------------------------------------------------- */

static gboolean is_machines_ns(const char *name) {
  return name && (g_str_has_prefix(name, "cell-") || g_str_has_prefix(name, "ctr-"));
}

static gboolean is_machines(const LwResource *r) {
  const char *name = r->kind == LW_RES_NETNS ? r->name : r->ns;
  return r->kind == LW_RES_CELL || r->kind == LW_RES_CONTAINER || r->kind == LW_RES_DOMAIN ||
         r->kind == LW_RES_DOMAIN_NIC || is_machines_ns(name);
}

/* The router's cables end on bridges of the host; the other end tells whose they are. */
static LwManage part_of(const LwResource *r, const LwFacts *facts) {
  const char *ns = r->kind == LW_RES_NETNS ? r->name : r->ns;
  if (is_machines(r) || is_machines_ns(r->peer_ns))
    return LW_MANAGE_MACHINES;
  if (r->kind == LW_RES_ROUTER_ITEM || same_text(ns, facts->router_ns) ||
      same_text(r->peer_ns, facts->router_ns))
    return LW_MANAGE_ROUTER;
  return LW_MANAGE_HOST;
}

void lw_host_mark_observed(const LwLab *lab, const LwFacts *facts, LwResourceSet *wanted) {
  for (guint i = 0; lab->manage != LW_MANAGE_ALL && i < wanted->list->len; i++) {
    LwResource *r = wanted->list->pdata[i];
    if (!(lab->manage & part_of(r, facts)))
      r->observed = TRUE;
  }
}

static gboolean refuse(const LwHostWorld *world, const LwLab *lab, GError **error) {
  const LwHost *host = &lab->host;
  g_autofree char *place = lw_origin_format(&host->origin);
  const char *name = host->uplink ? host->uplink : "the uplink's MAC";
  if (!(lab->manage & LW_MANAGE_HOST))
    return FALSE;
  switch (world->keeper) {
  case LW_UPLINK_MISSING:
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
                "%s: this machine has no interface for uplink: %s; `ip link` lists those that it has", place,
                name);
    return TRUE;
  case LW_UPLINK_IFUPDOWN:
    g_set_error(
        error, LW_ERROR, LW_ERROR_CONFLICT,
        "%s: /etc/network/interfaces configures %s, and would take it from %s at the next boot: comment "
        "its lines out there and give it to NetworkManager (nmcli device set %s managed yes), then apply "
        "again; or make %s there yourself, with bridge_ports %s",
        place, name, host->bridge, name, host->bridge, name);
    return TRUE;
  case LW_UPLINK_NETWORKD:
    g_set_error(
        error, LW_ERROR, LW_ERROR_CONFLICT,
        "%s: systemd-networkd configures %s: make %s there (a .netdev with Kind=bridge, and "
        "Bridge=%s in the .network of %s; networkctl reload), then apply again: lanward uses the bridge "
        "that is there",
        place, name, host->bridge, host->bridge, name);
    return TRUE;
  case LW_UPLINK_NOBODY:
    if (!world->client)
      return FALSE;
    g_set_error(
        error, LW_ERROR, LW_ERROR_CONFLICT,
        "%s: %s keeps the lease of %s, and would put its address back there: end it without a release "
        "(kill -9, so that the address stays), and see that it does not start again at boot; then apply "
        "again: lanward keeps the lease from then on, with the same MAC",
        place, world->client, name);
    return TRUE;
  default:
    return FALSE;
  }
}

gboolean lw_host_add(const LwHostWorld *world, const LwLab *lab, LwFacts *facts, LwResourceSet *wanted,
                     GError **error) {
  if (refuse(world, lab, error))
    return FALSE;
  lw_host_add_uplink(world, lab, wanted);
  if (world->management)
    leave_management(&lab->host, wanted);
  gboolean profiles = world->keeper == LW_UPLINK_NETWORKMANAGER ||
                      (world->keeper == LW_UPLINK_BRIDGED && world->networkmanager);
  if ((profiles && !lw_host_add_profiles(world, lab, wanted, error)) ||
      !lw_host_add_domains(world, lab, facts, wanted, error))
    return FALSE;
  lw_host_add_openings(world, lab, wanted);
  lw_host_mark_observed(lab, facts, wanted);
  return TRUE;
}

LwResourceSet *lw_host_without_lab(const LwHostWorld *world) {
  LwResourceSet *wanted = lw_resource_set_new();
  if (world->keeper != LW_UPLINK_NOBODY || !world->uplink)
    return wanted;
  LwResource *port = lw_resource_set_add(wanted, lw_resource_new(LW_RES_LINK, "", world->uplink));
  port->link_type = LW_LINK_EXTERNAL;
  port->up = TRUE;
  for (guint i = 0; i < world->taken->list->len; i++) {
    LwResource *r = world->taken->list->pdata[i];
    if (r->kind != LW_RES_DHCP_CLIENT) /* whoever kept the lease before does so again */
      lw_resource_set_add(wanted, lw_resource_ref(r));
  }
  return wanted;
}

void lw_host_world_free(LwHostWorld *world) {
  if (!world)
    return;
  g_free(world->uplink);
  g_free(world->client);
  g_free(world->client_id);
  g_free(world->firewalld);
  g_free(world->firewalld_zone);
  lw_resource_set_free(world->taken);
  g_free(world);
}
