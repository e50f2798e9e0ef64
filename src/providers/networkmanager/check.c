/* What would be in the way, told before anything is touched. */
#include "providers/networkmanager/internal.h"
#include "providers/networkmanager/translate.h"

#include "base/error.h"

#include <string.h>

static const char *text(const char *value) {
  return value ? value : "";
}

static gboolean refuse(GError **error, LwErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static gboolean refuse(GError **error, LwErrorCode code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, LW_ERROR, (int)code, message);
  return FALSE;
}

static gboolean name_is_free(LwNm *nm, const LwResource *bridge, GError **error) {
  g_autofree char *uuid = lw_nm_uuid(bridge->name);
  NMRemoteConnection *own = lw_nm_profile(nm, uuid);
  NMRemoteConnection *active = lw_nm_active_profile(nm, bridge->link);
  const GPtrArray *connections = nm_client_get_connections(nm->client);
  if (lw_nm_device(nm, bridge->link) && (!own || (active && active != own)))
    return refuse(
        error, LW_ERROR_CONFLICT,
        "there is an interface %s already, which is not lanward's: give the file's bridge another name",
        bridge->link);
  for (guint i = 0; i < connections->len; i++) {
    g_autoptr(LwResource) other = lw_nm_from_connection(connections->pdata[i]);
    if (connections->pdata[i] != own && other->profile_type == LW_PROFILE_BRIDGE && other->up &&
        g_strcmp0(other->link, bridge->link) == 0)
      return refuse(
          error, LW_ERROR_CONFLICT,
          "NetworkManager's profile “%s” makes an interface %s too: delete it, or give the file's bridge "
          "another name",
          other->name, bridge->link);
  }
  return TRUE;
}

static gboolean uplink_is_free(LwNm *nm, const LwResource *port, NMDevice *device, GError **error) {
  NMRemoteConnection *active = lw_nm_active_profile(nm, port->link);
  g_autoptr(LwResource) profile = active ? lw_nm_from_connection(NM_CONNECTION(active)) : NULL;
  if (profile && *text(profile->master) && !*text(profile->alias))
    return refuse(error, LW_ERROR_CONFLICT,
                  "%s is a port already, by NetworkManager's profile “%s”: make it a plain "
                  "interface first, or take that bridge into the file",
                  port->link, profile->name);
  if (active && nm_connection_get_setting_802_1x(NM_CONNECTION(active)))
    return refuse(error, LW_ERROR_UNSUPPORTED,
                  "%s logs in to its network (802.1X): lanward cannot take such an interface into a bridge",
                  port->link);
  if (!nm_device_get_managed(device))
    return refuse(
        error, LW_ERROR_CONFLICT,
        "NetworkManager runs and does not manage %s: look for it in /etc/network/interfaces, or say "
        "“nmcli device set %s managed yes”",
        port->link, port->link);
  return TRUE;
}

static gboolean check_port(LwNm *nm, const LwResource *port, GError **error) {
  NMDevice *device = lw_nm_device(nm, port->link);
  if (!device)
    return refuse(error, LW_ERROR_NOT_FOUND, "there is no interface %s", port->link);
  if (!NM_IS_DEVICE_ETHERNET(device))
    return refuse(error, LW_ERROR_UNSUPPORTED, "%s is no ethernet: it cannot be a port of a bridge",
                  port->link);
  return uplink_is_free(nm, port, device, error);
}

static gboolean is_ours(LwNm *nm, const LwResource *profile, GError **error) {
  g_autofree char *uuid = lw_nm_uuid(profile->name);
  NMRemoteConnection *there = lw_nm_profile(nm, uuid);
  g_autoptr(LwResource) seen = there ? lw_nm_from_connection(NM_CONNECTION(there)) : NULL;
  if (!seen || *text(seen->alias))
    return TRUE;
  return refuse(error, LW_ERROR_CONFLICT,
                "NetworkManager's profile “%s” is not lanward's and has its uuid: delete it", seen->name);
}

gboolean lw_nm_check(LwNm *nm, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *to = change->to;
    if (!is_ours(nm, to ? to : change->from, error))
      return FALSE;
    if (!to)
      continue;
    if (to->profile_type == LW_PROFILE_PORT && !check_port(nm, to, error))
      return FALSE;
    if (to->profile_type == LW_PROFILE_BRIDGE && change->klass == LW_CHANGE_CREATE &&
        !name_is_free(nm, to, error))
      return FALSE;
  }
  return TRUE;
}
