/* What is there. */
#include "providers/networkmanager/internal.h"
#include "providers/networkmanager/translate.h"

#include <string.h>

static const char *text(const char *value) {
  return value ? value : "";
}

/* A master is written as the uuid of a profile or the name of an interface. */
static void name_master(LwNm *nm, LwResource *profile) {
  NMRemoteConnection *master = lw_nm_profile(nm, profile->master);
  if (!master)
    return;
  g_free(profile->master);
  profile->master = g_strdup(nm_connection_get_interface_name(NM_CONNECTION(master)));
}

static LwResource *see(LwNm *nm, NMRemoteConnection *connection) {
  LwResource *profile = lw_nm_from_connection(NM_CONNECTION(connection));
  name_master(nm, profile);
  profile->up = profile->up && lw_nm_active_profile(nm, profile->link) == connection;
  return profile;
}

LwResource *lw_nm_see(LwNm *nm, const char *uuid) {
  NMRemoteConnection *connection = lw_nm_profile(nm, uuid);
  return connection ? see(nm, connection) : NULL;
}

/* One that NetworkManager made to show what others did is no profile that anybody wrote. */
static gboolean is_generated(NMRemoteConnection *connection) {
  return nm_remote_connection_get_flags(connection) &
         (NM_SETTINGS_CONNECTION_FLAG_EXTERNAL | NM_SETTINGS_CONNECTION_FLAG_VOLATILE);
}

void lw_nm_see_all(LwNm *nm, LwResourceSet *seen) {
  const GPtrArray *connections = nm_client_get_connections(nm->client);
  for (guint i = 0; i < connections->len; i++) {
    if (is_generated(connections->pdata[i]))
      continue;
    g_autoptr(LwResource) profile = see(nm, connections->pdata[i]);
    g_autofree char *key = lw_resource_key(profile);
    if (!lw_resource_set_find(seen, key) && *text(profile->name))
      lw_resource_set_add(seen, lw_resource_ref(profile));
  }
}
