/* Carrying changes out: what goes, then what comes, then what changes in place. */
#include "providers/networkmanager/arp.h"
#include "providers/networkmanager/internal.h"
#include "providers/networkmanager/translate.h"

#include "base/error.h"

#include <string.h>

#define WAIT_MS 10000         /* for a lease, an address, an answer of the gateway */
#define GIVE_BACK_MS 30000    /* for the profile that was there before: there is no other way left */
#define CHECKPOINT_SECONDS 20 /* longer than all the waiting within it */
#define GONE_MS 3000
#define GROUND_MS 300
#define KEEP_DAD (-2)

static const char *text(const char *value) {
  return value ? value : "";
}

static LwResource *copy_of(const LwResource *profile) {
  g_autoptr(JsonNode) json = lw_resource_to_json(profile);
  return lw_resource_from_json(json, NULL);
}

/* --- the ground one stands on
 * ---------------------------------------------------------------------------------- */

typedef struct {
  LwPrefix address; /* unset: none */
  LwAddr gateway;
  gboolean answered; /* the gateway's */
} Ground;

static Ground look_at(LwNm *nm, const char *link) {
  Ground ground = {0};
  NMDevice *device = lw_nm_device(nm, link);
  NMIPConfig *config = device ? nm_device_get_ip4_config(device) : NULL;
  GPtrArray *addresses = config ? nm_ip_config_get_addresses(config) : NULL;
  LwAddr addr;
  if (addresses && addresses->len > 0 &&
      lw_addr_parse(text(nm_ip_address_get_address(addresses->pdata[0])), &addr))
    ground.address = lw_prefix_make(addr, (guint8)nm_ip_address_get_prefix(addresses->pdata[0]));
  if (config)
    (void)lw_addr_parse(text(nm_ip_config_get_gateway(config)), &ground.gateway);
  return ground;
}

static void probe(Ground *ground, const char *link, guint timeout_ms) {
  ground->answered = lw_addr_is_set(&ground->gateway) && lw_addr_is_set(&ground->address.addr) &&
                     lw_nm_answers(link, ground->address.addr, ground->gateway, timeout_ms);
}

static gboolean has_address(LwNm *nm, gpointer link) {
  Ground ground = look_at(nm, link);
  return lw_addr_is_set(&ground.address.addr);
}

static gboolean has_gateway(LwNm *nm, gpointer link) {
  Ground ground = look_at(nm, link);
  return lw_addr_is_set(&ground.address.addr) && lw_addr_is_set(&ground.gateway);
}

/* What stood before stands after. */
static gboolean same_ground(LwNm *nm, const char *link, const Ground *before, GError **error) {
  if (!lw_addr_is_set(&before->address.addr))
    return TRUE;
  if (!lw_nm_wait(nm, has_address, (gpointer)link, WAIT_MS)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s got no address within %d s", link, WAIT_MS / 1000);
    return FALSE;
  }
  Ground after = look_at(nm, link);
  g_autofree char *was = lw_prefix_format(&before->address);
  g_autofree char *is = lw_prefix_format(&after.address);
  if (!lw_prefix_equal(&before->address, &after.address)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s got %s, the host had %s", link, is, was);
    return FALSE;
  }
  if (!before->answered)
    return TRUE;
  after.gateway = before->gateway;
  probe(&after, link, WAIT_MS);
  if (after.answered)
    return TRUE;
  g_autofree char *gateway = lw_addr_format(&before->gateway);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the gateway %s does not answer on %s", gateway, link);
  return FALSE;
}

/* --- profiles
 * -------------------------------------------------------------------------------------------------- */

static NMRemoteConnection *own_profile(LwNm *nm, const char *name) {
  g_autofree char *uuid = lw_nm_uuid(name);
  return lw_nm_profile(nm, uuid);
}

/* The profile of ours that makes this bridge; nullable, borrowed. */
static NMRemoteConnection *bridge_profile(LwNm *nm, const char *link) {
  const GPtrArray *connections = nm_client_get_connections(nm->client);
  for (guint i = 0; i < connections->len; i++) {
    g_autoptr(LwResource) profile = lw_nm_from_connection(connections->pdata[i]);
    if (profile->profile_type == LW_PROFILE_BRIDGE && *text(profile->alias) &&
        g_strcmp0(profile->link, link) == 0)
      return connections->pdata[i];
  }
  return NULL;
}

static gboolean put(LwNm *nm, NMConnection *connection, GError **error) {
  NMRemoteConnection *there = lw_nm_profile(nm, nm_connection_get_uuid(connection));
  return there ? lw_nm_update(nm, there, connection, error) : lw_nm_add(nm, connection, error);
}

/* A port names its bridge by the profile: another one of that interface is no answer. */
static gboolean name_bridge(LwNm *nm, LwResource *port, GError **error) {
  NMRemoteConnection *bridge = bridge_profile(nm, port->master);
  if (!bridge) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
                "there is no profile of lanward's for %s, which %s is a port of", text(port->master),
                text(port->link));
    return FALSE;
  }
  g_free(port->master);
  port->master = g_strdup(nm_connection_get_uuid(NM_CONNECTION(bridge)));
  return TRUE;
}

/* By itself at boot from now on; written, not applied. */
static gboolean enable(LwNm *nm, NMRemoteConnection *profile, int dad_timeout, GError **error) {
  g_autoptr(NMConnection) enabled = lw_nm_with_autoconnect(NM_CONNECTION(profile), TRUE, dad_timeout);
  return lw_nm_update(nm, profile, enabled, error);
}

/* --- what comes
 * ------------------------------------------------------------------------------------------------ */

static NMDevice *need_device(LwNm *nm, const char *link, GError **error) {
  NMDevice *device = lw_nm_device(nm, link);
  if (!device)
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "NetworkManager knows of no interface %s", text(link));
  return device;
}

/* Duplicate address detection would find ourselves, or wait for nobody: the address is the host's already. It
 * is off until the bridge has it; what the profile says stays. */
static gboolean add_bridge(LwNm *nm, const LwResource *bridge, NMConnection *base, GError **error) {
  g_autoptr(NMConnection) whole = lw_nm_to_connection(bridge, base, error);
  g_autoptr(NMConnection) quiet = whole ? lw_nm_with_autoconnect(whole, FALSE, 0) : NULL;
  return quiet && put(nm, quiet, error);
}

static gboolean add_port(LwNm *nm, const LwResource *port, NMConnection *base, const char *before,
                         GError **error) {
  g_autoptr(LwResource) named = copy_of(port);
  g_free(named->before);
  named->before = g_strdup(before);
  named->up = FALSE;
  if (!name_bridge(nm, named, error))
    return FALSE;
  g_autoptr(NMConnection) connection = lw_nm_to_connection(named, base, error);
  return connection && put(nm, connection, error);
}

static gboolean port_is_active(LwNm *nm, gpointer data) {
  const LwResource *port = data;
  g_autofree char *uuid = lw_nm_uuid(port->name);
  return lw_nm_is_active(nm, uuid, port->link);
}

/* The instant of the outage. */
static gboolean switch_over(LwNm *nm, const LwResource *port, const Ground *before, GError **error) {
  NMDevice *device = need_device(nm, port->link, error);
  if (!device || !lw_nm_activate(nm, own_profile(nm, port->name), device, error))
    return FALSE;
  if (!lw_nm_wait(nm, port_is_active, (gpointer)port, WAIT_MS)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s did not become a port of %s", port->link, port->master);
    return FALSE;
  }
  return same_ground(nm, port->master, before, error);
}

static gboolean watched_switch_over(LwNm *nm, const LwResource *port, const Ground *before, GError **error) {
  NMDevice *device = need_device(nm, port->link, error);
  g_autofree char *checkpoint = device ? lw_nm_checkpoint(nm, device, CHECKPOINT_SECONDS, error) : NULL;
  if (!checkpoint)
    return FALSE;
  if (switch_over(nm, port, before, error))
    return lw_nm_checkpoint_destroy(nm, checkpoint, error);
  /* at once, while we can; when we cannot, NetworkManager does it in a while, and the undo after that */
  (void)lw_nm_checkpoint_roll_back(nm, checkpoint, NULL);
  return FALSE;
}

/* bridge NULL: it is there. */
static gboolean bring_uplink(LwNm *nm, const LwResource *bridge, const LwResource *port, GError **error) {
  NMRemoteConnection *active = lw_nm_active_profile(nm, port->link);
  NMRemoteConnection *own = own_profile(nm, port->name);
  g_autoptr(LwResource) there = own ? lw_nm_see(nm, nm_connection_get_uuid(NM_CONNECTION(own))) : NULL;
  g_autofree char *before = active && active != own ? g_strdup(nm_connection_get_uuid(NM_CONNECTION(active)))
                            : there                 ? g_strdup(there->before)
                                                    : NULL;
  NMConnection *base = (NMConnection *)lw_nm_profile(nm, before);
  NMRemoteConnection *kept = bridge_profile(nm, port->master);
  int dad = bridge ? (base ? lw_nm_dad_timeout(base) : -1) : KEEP_DAD;
  Ground ground = look_at(nm, port->link);
  probe(&ground, port->link, GROUND_MS);
  if ((bridge && !add_bridge(nm, bridge, kept ? NM_CONNECTION(kept) : base, error)) ||
      !add_port(nm, port, own ? NM_CONNECTION(own) : base, before, error) ||
      !watched_switch_over(nm, port, &ground, error))
    return FALSE;
  return (enable(nm, bridge_profile(nm, port->master), dad, error)) &&
         enable(nm, own_profile(nm, port->name), KEEP_DAD, error);
}

static gboolean is_addressed(LwNm *nm, gpointer data) {
  const LwResource *bridge = data;
  return bridge->addresses->len == 0 ? lw_nm_device(nm, bridge->link) != NULL : has_address(nm, bridge->link);
}

/* One without ports has its address at once, and calls itself activated seconds later: not waited for. */
static gboolean activate_bridge(LwNm *nm, const LwResource *bridge, GError **error) {
  if (!lw_nm_activate(nm, own_profile(nm, bridge->name), NULL, error))
    return FALSE;
  if (lw_nm_wait(nm, is_addressed, (gpointer)bridge, WAIT_MS))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "NetworkManager did not bring %s up", bridge->link);
  return FALSE;
}

static gboolean bring_bridge(LwNm *nm, const LwResource *bridge, GError **error) {
  return add_bridge(nm, bridge, NULL, error) && activate_bridge(nm, bridge, error) &&
         enable(nm, own_profile(nm, bridge->name), -1, error);
}

/* --- what goes
 * ------------------------------------------------------------------------------------------------ */

typedef struct {
  const char *link;
  const char *uuid; /* of what is to go */
} Leaving;

static gboolean is_another(LwNm *nm, gpointer data) {
  const Leaving *leaving = data;
  NMDevice *device = lw_nm_device(nm, leaving->link);
  NMActiveConnection *active = device ? nm_device_get_active_connection(device) : NULL;
  return active && g_strcmp0(nm_active_connection_get_uuid(active), leaving->uuid) != 0 &&
         nm_active_connection_get_state(active) == NM_ACTIVE_CONNECTION_STATE_ACTIVATED;
}

static gboolean activate_before(LwNm *nm, const char *before, NMDevice *device, GError **error) {
  NMRemoteConnection *profile = lw_nm_profile(nm, before);
  if (profile && lw_nm_activate(nm, profile, device, NULL))
    return TRUE;
  return lw_nm_activate(nm, NULL, device, error); /* it is gone: whatever fits */
}

static gboolean stand_on_link(LwNm *nm, const char *link, const Leaving *leaving, const Ground *was,
                              GError **error) {
  if (!lw_nm_wait(nm, is_another, (gpointer)leaving, GIVE_BACK_MS)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "no profile came up on %s in place of lanward's", link);
    return FALSE;
  }
  if (!was->answered)
    return TRUE;
  /* with 1.52 a profile can be known as active before the addresses are that it brought */
  (void)lw_nm_wait(nm, has_gateway, (gpointer)link, WAIT_MS);
  Ground is = look_at(nm, link);
  probe(&is, link, WAIT_MS);
  if (is.answered)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s is as before, but its gateway does not answer", link);
  return FALSE;
}

static gboolean is_usable(NMDevice *device) {
  return device &&
         nm_device_get_state(device) > NM_DEVICE_STATE_UNAVAILABLE; /* a cable that is not plugged in */
}

/* The one before is active again, or on its way: a checkpoint may have seen to it. */
static gboolean give_back(LwNm *nm, const LwResource *port, const char *uuid, GError **error) {
  NMDevice *device = lw_nm_device(nm, port->link);
  NMRemoteConnection *active = lw_nm_active_profile(nm, port->link);
  Leaving leaving = {port->link, uuid};
  Ground was = {0};
  if (!is_usable(device))
    return TRUE;
  if (active == lw_nm_profile(nm, uuid)) {
    g_autoptr(LwResource) seen = lw_nm_see(nm, uuid);
    was = look_at(nm, seen->master);
    probe(&was, seen->master, GROUND_MS);
  }
  return ((active && active != lw_nm_profile(nm, uuid)) ||
          activate_before(nm, port->before, device, error)) &&
         stand_on_link(nm, port->link, &leaving, &was, error);
}

/* The uplink is given back before the port's profile goes, so that it is never without one. */
static gboolean take_port(LwNm *nm, const LwResource *port, GError **error) {
  NMRemoteConnection *own = own_profile(nm, port->name);
  if (!own)
    return TRUE;
  g_autoptr(LwResource) there = lw_nm_from_connection(NM_CONNECTION(own));
  g_autofree char *uuid = lw_nm_uuid(port->name);
  if (!give_back(nm, there, uuid, error))
    return FALSE;
  own = own_profile(nm, port->name);
  return !own || lw_nm_delete(nm, own, error);
}

static gboolean device_is_gone(LwNm *nm, gpointer link) {
  return lw_nm_device(nm, link) == NULL;
}

/* Gone, or there and not by the profile that went: a NetworkManager that was killed does not know afterwards
 * what it made, and leaves it. */
static gboolean is_let_go(LwNm *nm, gpointer data) {
  const Leaving *leaving = data;
  NMDevice *device = lw_nm_device(nm, leaving->link);
  NMActiveConnection *active = device ? nm_device_get_active_connection(device) : NULL;
  return !device || (active && g_strcmp0(nm_active_connection_get_uuid(active), leaving->uuid) != 0);
}

static gboolean take_bridge(LwNm *nm, const LwResource *bridge, GError **error) {
  NMRemoteConnection *own = own_profile(nm, bridge->name);
  g_autofree char *uuid = lw_nm_uuid(bridge->name);
  g_autofree char *link = g_strdup(own ? nm_connection_get_interface_name(NM_CONNECTION(own)) : NULL);
  Leaving leaving = {link, uuid};
  if (!own)
    return TRUE;
  if (!lw_nm_delete(nm, own, error))
    return FALSE;
  (void)lw_nm_wait(nm, is_let_go, &leaving, GONE_MS);
  NMDevice *left = lw_nm_device(nm, link);
  if (left)
    (void)lw_nm_delete_device(nm, left, NULL); /* it may be on its way, and gone by now */
  if (lw_nm_wait(nm, device_is_gone, link, GONE_MS))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "NetworkManager does not take %s away", link);
  return FALSE;
}

/* --- what changes in place
 * ------------------------------------------------------------------------------------ */

static gboolean has_own_port(LwNm *nm, const char *uuid) {
  const GPtrArray *connections = nm_client_get_connections(nm->client);
  for (guint i = 0; i < connections->len; i++) {
    g_autoptr(LwResource) profile = lw_nm_from_connection(connections->pdata[i]);
    if (profile->profile_type == LW_PROFILE_PORT && *text(profile->alias) &&
        g_strcmp0(profile->master, uuid) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean has_route(GPtrArray *routes, const LwProfileRoute *asked) {
  g_autofree char *dest = lw_addr_format(&asked->prefix.addr);
  g_autofree char *via = lw_addr_format(&asked->via);
  for (guint i = 0; routes && i < routes->len; i++)
    if (g_strcmp0(nm_ip_route_get_dest(routes->pdata[i]), dest) == 0 &&
        nm_ip_route_get_prefix(routes->pdata[i]) == asked->prefix.len &&
        strcmp(text(nm_ip_route_get_next_hop(routes->pdata[i])), via) == 0)
      return TRUE;
  return FALSE;
}

static gboolean wants_route(const LwResource *profile, const LwProfileRoute *route) {
  for (guint i = 0; i < profile->routes->len; i++) {
    const LwProfileRoute *other = profile->routes->pdata[i];
    if (lw_prefix_equal(&other->prefix, &route->prefix) && lw_addr_equal(&other->via, &route->via))
      return TRUE;
  }
  return FALSE;
}

/* Reapply answers before the kernel has it all. */
static gboolean is_routed(LwNm *nm, gpointer data) {
  const LwChange *change = data;
  NMDevice *device = lw_nm_device(nm, change->to->link);
  NMIPConfig *config = device ? nm_device_get_ip4_config(device) : NULL;
  GPtrArray *routes = config ? nm_ip_config_get_routes(config) : NULL;
  for (guint i = 0; i < change->to->routes->len; i++)
    if (!has_route(routes, change->to->routes->pdata[i]))
      return FALSE;
  for (guint i = 0; i < change->from->routes->len; i++)
    if (!wants_route(change->to, change->from->routes->pdata[i]) &&
        has_route(routes, change->from->routes->pdata[i]))
      return FALSE;
  return TRUE;
}

static gboolean reapply(LwNm *nm, const LwChange *change, GError **error) {
  const char *link = change->to->link;
  if (!lw_nm_reapply(nm, lw_nm_device(nm, link), error))
    return FALSE;
  if (lw_nm_wait(nm, is_routed, (gpointer)change, WAIT_MS))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "NetworkManager did not set the routes of %s", link);
  return FALSE;
}

static gboolean change_bridge(LwNm *nm, const LwChange *change, GError **error) {
  const LwResource *to = change->to;
  NMRemoteConnection *own = own_profile(nm, to->name);
  g_autoptr(NMConnection) connection = lw_nm_to_connection(to, own ? NM_CONNECTION(own) : NULL, error);
  if (!connection || !put(nm, connection, error))
    return FALSE;
  own = own_profile(nm, to->name);
  if (lw_nm_active_profile(nm, to->link) == own)
    return reapply(nm, change, error);
  return has_own_port(nm, nm_connection_get_uuid(connection)) || activate_bridge(nm, to, error);
}

static gboolean change_port(LwNm *nm, const LwChange *change, GError **error) {
  const LwResource *to = change->to;
  NMRemoteConnection *own = own_profile(nm, to->name);
  if (!own || lw_nm_active_profile(nm, to->link) != own)
    return bring_uplink(nm, NULL, to, error);
  g_autoptr(LwResource) named = copy_of(to);
  g_autoptr(LwResource) there = lw_nm_from_connection(NM_CONNECTION(own));
  g_free(named->before);
  named->before = g_strdup(there->before);
  if (!name_bridge(nm, named, error))
    return FALSE;
  g_autoptr(NMConnection) connection = lw_nm_to_connection(named, NM_CONNECTION(own), error);
  return connection && lw_nm_update(nm, own, connection, error);
}

/* --- all of a batch
 * ------------------------------------------------------------------------------------------- */

static const LwResource *goes(const LwChange *change, LwProfileType type) {
  gboolean takes = change->klass == LW_CHANGE_DELETE || change->klass == LW_CHANGE_REPLACE;
  return takes && change->from->profile_type == type ? change->from : NULL;
}

static const LwResource *comes(const LwChange *change, LwProfileType type) {
  gboolean makes = change->klass == LW_CHANGE_CREATE || change->klass == LW_CHANGE_REPLACE;
  return makes && change->to->profile_type == type ? change->to : NULL;
}

static const LwResource *bridge_in(const GPtrArray *changes, const char *link) {
  for (guint i = 0; i < changes->len; i++) {
    const LwResource *bridge = comes(changes->pdata[i], LW_PROFILE_BRIDGE);
    if (bridge && g_strcmp0(bridge->link, link) == 0)
      return bridge;
  }
  return NULL;
}

/* A bridge that is made anew loses its uplink, which is to be its port again. Transfer full; NULL: it has
 * none. */
static LwResource *port_of_replaced(LwNm *nm, const LwChange *change) {
  const LwResource *bridge = change->klass == LW_CHANGE_REPLACE ? comes(change, LW_PROFILE_BRIDGE) : NULL;
  const GPtrArray *connections = nm_client_get_connections(nm->client);
  for (guint i = 0; bridge && i < connections->len; i++) {
    g_autofree char *uuid = lw_nm_uuid(bridge->name);
    LwResource *port = lw_nm_from_connection(connections->pdata[i]);
    if (port->profile_type == LW_PROFILE_PORT && *text(port->alias) &&
        (g_strcmp0(port->master, uuid) == 0 || g_strcmp0(port->master, bridge->link) == 0)) {
      g_free(port->master);
      port->master = g_strdup(bridge->link);
      port->up = TRUE;
      return port;
    }
    lw_resource_unref(port);
  }
  return NULL;
}

static gboolean has_port_in(const GPtrArray *changes, const LwResource *bridge) {
  for (guint i = 0; i < changes->len; i++) {
    const LwResource *port = comes(changes->pdata[i], LW_PROFILE_PORT);
    if (port && g_strcmp0(port->master, bridge->link) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean take(LwNm *nm, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwResource *port = goes(changes->pdata[i], LW_PROFILE_PORT);
    if (port && !take_port(nm, port, error))
      return FALSE;
  }
  for (guint i = 0; i < changes->len; i++) {
    const LwResource *bridge = goes(changes->pdata[i], LW_PROFILE_BRIDGE);
    if (bridge && !take_bridge(nm, bridge, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean bring(LwNm *nm, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwResource *bridge = comes(changes->pdata[i], LW_PROFILE_BRIDGE);
    if (!bridge || has_port_in(changes, bridge))
      continue;
    g_autoptr(LwResource) port = port_of_replaced(nm, changes->pdata[i]);
    if (!(port ? bring_uplink(nm, bridge, port, error) : bring_bridge(nm, bridge, error)))
      return FALSE;
  }
  for (guint i = 0; i < changes->len; i++) {
    const LwResource *port = comes(changes->pdata[i], LW_PROFILE_PORT);
    if (port && !bring_uplink(nm, bridge_in(changes, port->master), port, error))
      return FALSE;
  }
  return TRUE;
}

gboolean lw_nm_change(LwNm *nm, const GPtrArray *changes, GError **error) {
  if (!take(nm, changes, error) || !bring(nm, changes, error))
    return FALSE;
  for (int port = 0; port <= 1; port++) {
    for (guint i = 0; i < changes->len; i++) {
      const LwChange *change = changes->pdata[i];
      if (change->klass != LW_CHANGE_LIVE || (change->to->profile_type == LW_PROFILE_PORT) != port)
        continue;
      if (!(port ? change_port : change_bridge)(nm, change, error))
        return FALSE;
    }
  }
  return TRUE;
}
