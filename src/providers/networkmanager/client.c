#include "providers/networkmanager/client.h"

#include "base/error.h"

#include <string.h>

#define POLL_MS 5

/* --- waiting
 * -------------------------------------------------------------------------------------------------- */

static void heard(GObject *source, GAsyncResult *result, gpointer data) {
  (void)source;
  *(GAsyncResult **)data = g_object_ref(result);
}

/* Ends: the bus answers every call, if only to say that nobody is there any more; and the child is timed. */
static GAsyncResult *await(LwNm *nm, GAsyncResult **result) {
  while (!*result)
    g_main_context_iteration(nm->context, TRUE);
  return *result;
}

static gboolean settle(gboolean ok, const char *what, GError *inner, GError **error) {
  if (ok)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "NetworkManager did not %s: %s", what,
              inner ? inner->message : "no reason given");
  g_clear_error(&inner);
  return FALSE;
}

static gboolean tick(gpointer data) {
  (void)data;
  return G_SOURCE_CONTINUE;
}

gboolean lw_nm_wait(LwNm *nm, LwNmCondition holds, gpointer data, guint timeout_ms) {
  gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  g_autoptr(GSource) clock = g_timeout_source_new(POLL_MS);
  g_source_set_callback(clock, tick, NULL, NULL);
  g_source_attach(clock, nm->context);
  gboolean held;
  while (!(held = holds(nm, data)) && g_get_monotonic_time() < deadline)
    g_main_context_iteration(nm->context, TRUE);
  g_source_destroy(clock);
  return held;
}

/* --- opening
 * -------------------------------------------------------------------------------------------------- */

static gboolean runs(LwNm *nm, gpointer data) {
  (void)data;
  return nm_client_get_nm_running(nm->client);
}

LwNm *lw_nm_open(guint wait_ms, GError **error) {
  g_autoptr(LwNm) nm = g_new0(LwNm, 1);
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GError) inner = NULL;
  nm->context = g_main_context_new();
  g_main_context_push_thread_default(nm->context);
  nm_client_new_async(NULL, heard, &result);
  nm->client = nm_client_new_finish(await(nm, &result), &inner);
  if (nm->client && lw_nm_wait(nm, runs, NULL, wait_ms))
    return g_steal_pointer(&nm);
  g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "NetworkManager does not run%s%s: start it",
              inner ? ": " : "", inner ? inner->message : "");
  return NULL;
}

void lw_nm_close(LwNm *nm) {
  if (!nm)
    return;
  g_clear_object(&nm->client);
  g_main_context_pop_thread_default(nm->context);
  g_main_context_unref(nm->context);
  g_free(nm);
}

/* --- looking
 * -------------------------------------------------------------------------------------------------- */

NMDevice *lw_nm_device(LwNm *nm, const char *link) {
  const GPtrArray *devices = nm_client_get_devices(nm->client);
  for (guint i = 0; link && i < devices->len; i++)
    if (g_strcmp0(nm_device_get_iface(devices->pdata[i]), link) == 0)
      return devices->pdata[i];
  return NULL;
}

NMRemoteConnection *lw_nm_profile(LwNm *nm, const char *uuid) {
  return uuid && *uuid ? nm_client_get_connection_by_uuid(nm->client, uuid) : NULL;
}

static NMActiveConnection *active_on(LwNm *nm, const char *link) {
  NMDevice *device = lw_nm_device(nm, link);
  return device ? nm_device_get_active_connection(device) : NULL;
}

NMRemoteConnection *lw_nm_active_profile(LwNm *nm, const char *link) {
  NMActiveConnection *active = active_on(nm, link);
  return active ? nm_active_connection_get_connection(active) : NULL;
}

gboolean lw_nm_is_active(LwNm *nm, const char *uuid, const char *link) {
  NMActiveConnection *active = active_on(nm, link);
  return active && g_strcmp0(nm_active_connection_get_uuid(active), uuid) == 0 &&
         nm_active_connection_get_state(active) == NM_ACTIVE_CONNECTION_STATE_ACTIVATED;
}

/* --- doing
 * -------------------------------------------------------------------------------------------------- */

gboolean lw_nm_add(LwNm *nm, NMConnection *connection, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  GError *inner = NULL;
  nm_client_add_connection2(nm->client, nm_connection_to_dbus(connection, NM_CONNECTION_SERIALIZE_ALL),
                            NM_SETTINGS_ADD_CONNECTION2_FLAG_TO_DISK |
                                NM_SETTINGS_ADD_CONNECTION2_FLAG_BLOCK_AUTOCONNECT,
                            NULL, FALSE, NULL, heard, &result);
  g_autoptr(NMRemoteConnection) added =
      nm_client_add_connection2_finish(nm->client, await(nm, &result), NULL, &inner);
  return settle(added != NULL, "keep a new profile", inner, error);
}

gboolean lw_nm_update(LwNm *nm, NMRemoteConnection *profile, NMConnection *to, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  GError *inner = NULL;
  nm_remote_connection_update2(profile, nm_connection_to_dbus(to, NM_CONNECTION_SERIALIZE_ALL),
                               NM_SETTINGS_UPDATE2_FLAG_TO_DISK | NM_SETTINGS_UPDATE2_FLAG_NO_REAPPLY, NULL,
                               NULL, heard, &result);
  g_autoptr(GVariant) updated = nm_remote_connection_update2_finish(profile, await(nm, &result), &inner);
  return settle(updated != NULL, "change a profile", inner, error);
}

static gboolean is_gone(LwNm *nm, gpointer uuid) {
  return lw_nm_profile(nm, uuid) == NULL;
}

gboolean lw_nm_delete(LwNm *nm, NMRemoteConnection *profile, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  g_autofree char *uuid = g_strdup(nm_connection_get_uuid(NM_CONNECTION(profile)));
  GError *inner = NULL;
  nm_remote_connection_delete_async(profile, NULL, heard, &result);
  gboolean ok = nm_remote_connection_delete_finish(profile, await(nm, &result), &inner);
  return settle(ok, "delete a profile", inner, error) && lw_nm_wait(nm, is_gone, uuid, 1000);
}

gboolean lw_nm_delete_device(LwNm *nm, NMDevice *device, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  GError *inner = NULL;
  nm_device_delete_async(device, NULL, heard, &result);
  gboolean ok = nm_device_delete_finish(device, await(nm, &result), &inner);
  return settle(ok, "delete an interface", inner, error);
}

gboolean lw_nm_reapply(LwNm *nm, NMDevice *device, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  GError *inner = NULL;
  nm_device_reapply_async(device, NULL, 0, NM_DEVICE_REAPPLY_FLAGS_PRESERVE_EXTERNAL_IP, NULL, heard,
                          &result);
  gboolean ok = nm_device_reapply_finish(device, await(nm, &result), &inner);
  return settle(ok, "apply a changed profile", inner, error);
}

gboolean lw_nm_activate(LwNm *nm, NMRemoteConnection *profile, NMDevice *device, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  GError *inner = NULL;
  nm_client_activate_connection_async(nm->client, profile ? NM_CONNECTION(profile) : NULL, device, NULL, NULL,
                                      heard, &result);
  g_autoptr(NMActiveConnection) active =
      nm_client_activate_connection_finish(nm->client, await(nm, &result), &inner);
  return settle(active != NULL, "activate a profile", inner, error);
}

char *lw_nm_checkpoint(LwNm *nm, NMDevice *device, guint seconds, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GPtrArray) devices = g_ptr_array_new();
  GError *inner = NULL;
  g_ptr_array_add(devices, device);
  /* No flags: those that delete new profiles or disconnect new devices would take a guest's tap with them
     that came meanwhile, and 0x10 every port. */
  nm_client_checkpoint_create(nm->client, devices, seconds, NM_CHECKPOINT_CREATE_FLAG_NONE, NULL, heard,
                              &result);
  g_autoptr(NMCheckpoint) made = nm_client_checkpoint_create_finish(nm->client, await(nm, &result), &inner);
  return settle(made != NULL, "make a checkpoint", inner, error)
             ? g_strdup(nm_object_get_path(NM_OBJECT(made)))
             : NULL;
}

gboolean lw_nm_checkpoint_destroy(LwNm *nm, const char *path, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  GError *inner = NULL;
  nm_client_checkpoint_destroy(nm->client, path, NULL, heard, &result);
  gboolean ok = nm_client_checkpoint_destroy_finish(nm->client, await(nm, &result), &inner);
  return settle(ok, "end a checkpoint", inner, error);
}

gboolean lw_nm_checkpoint_roll_back(LwNm *nm, const char *path, GError **error) {
  g_autoptr(GAsyncResult) result = NULL;
  GError *inner = NULL;
  nm_client_checkpoint_rollback(nm->client, path, NULL, heard, &result);
  g_autoptr(GHashTable) done = nm_client_checkpoint_rollback_finish(nm->client, await(nm, &result), &inner);
  return settle(done != NULL, "go back to a checkpoint", inner, error);
}
