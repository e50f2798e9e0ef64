/* Kind NETWORK: libvirt's name for a bridge. Ours have <forward mode='bridge'/>: libvirt makes no bridge, no
 * firewall rules and no dnsmasq for them, and stopping one leaves its machines where they are. */
#include "providers/libvirt/connection.h"

#include "base/error.h"

static LwResource *read_network(virNetworkPtr network, GError **error) {
  char *xml = virNetworkGetXMLDesc(network, 0);
  int autostart = 0;
  if (!xml || virNetworkGetAutostart(network, &autostart) != 0) {
    lw_virt_set_error(error, "cannot read network %s", virNetworkGetName(network));
    free(xml);
    return NULL;
  }
  LwResource *read = lw_virt_network_read(xml, error);
  free(xml);
  if (!read)
    return NULL;
  read->up = virNetworkIsActive(network) == 1;
  read->autostart = autostart != 0;
  return read;
}

/* NULL without an error when there is none. */
static virNetworkPtr find(virConnectPtr connection, const char *name, GError **error) {
  virNetworkPtr network = virNetworkLookupByName(connection, name);
  if (!network && !lw_virt_error_is(VIR_ERR_NO_NETWORK))
    lw_virt_set_error(error, "cannot look for network %s", name);
  return network;
}

gboolean lw_virt_observe_network(virConnectPtr connection, const char *name, LwResourceSet *seen,
                                 GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autoptr(virNetwork) network = find(connection, name, &inner);
  LwResource *resource = network ? read_network(network, &inner) : NULL;
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (resource)
    lw_resource_set_add(seen, resource);
  return TRUE;
}

/* A bridge has one network: libvirt refuses a second that would make it, but not one that only uses it. */
static gboolean check_bridge_free(virConnectPtr connection, const LwResource *to, GError **error) {
  virNetworkPtr *all = NULL;
  int count = virConnectListAllNetworks(connection, &all, 0);
  gboolean ok = TRUE;
  for (int i = 0; i < count; i++) {
    g_autoptr(LwResource) other = ok ? read_network(all[i], NULL) : NULL;
    if (other && g_strcmp0(other->link, to->link) == 0 && !g_str_equal(other->name, to->name)) {
      g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                  "libvirt's network %s uses the bridge %s: say network: %s for that segment, or remove it",
                  other->name, to->link, other->name);
      ok = FALSE;
    }
    virNetworkFree(all[i]);
  }
  free(all);
  return ok;
}

gboolean lw_virt_check_network(virConnectPtr connection, const LwChange *change, GError **error) {
  const LwResource *from = change->from, *to = change->to;
  if (!to)
    return TRUE;
  if (from && g_strcmp0(from->link, to->link) != 0 && !(from->alias && *from->alias)) {
    g_set_error(
        error, LW_ERROR, LW_ERROR_CONFLICT,
        "libvirt's network %s exists already, on the bridge %s, and is not lanward's: say bridge: %s, or "
        "another network: for that segment",
        to->name, from->link ? from->link : "(none)", from->link ? from->link : "…");
    return FALSE;
  }
  return from || check_bridge_free(connection, to, error);
}

static gboolean complain(GError **error, const char *what, const char *name) {
  lw_virt_set_error(error, "cannot %s network %s", what, name);
  return FALSE;
}

static gboolean remove_network(virNetworkPtr network, const LwResource *now, GError **error) {
  if (!network || !now->alias || !*now->alias)
    return TRUE; /* gone, or somebody else's */
  if (now->up && virNetworkDestroy(network) != 0)
    return complain(error, "stop", now->name);
  return virNetworkUndefine(network) == 0 || complain(error, "remove", now->name);
}

gboolean lw_virt_bring_network(virConnectPtr connection, const LwChange *change, GError **error) {
  const LwResource *to = change->to;
  const char *name = to ? to->name : change->from->name;
  g_autoptr(GError) inner = NULL;
  g_autoptr(virNetwork) network = find(connection, name, &inner);
  g_autoptr(LwResource) now = network ? read_network(network, &inner) : NULL;
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (!to)
    return remove_network(network, now, error);
  if (now && g_strcmp0(now->link, to->link) != 0) {
    if (!remove_network(network, now, error))
      return FALSE;
    g_clear_pointer(&network, virNetworkFree);
  }
  if (!network) {
    g_autofree char *xml = lw_virt_network_write(to);
    network = virNetworkDefineXML(connection, xml);
    if (!network)
      return complain(error, "define", name);
  }
  gboolean active = virNetworkIsActive(network) == 1;
  if (virNetworkSetAutostart(network, to->autostart) != 0 ||
      (to->up && !active && virNetworkCreate(network) != 0) ||
      (!to->up && active && virNetworkDestroy(network) != 0))
    return complain(error, "start", name);
  return TRUE;
}
