/* A conversation with NetworkManager: libnm's asynchronous calls on a main context of its own, each awaited.
 * Only in a child of lw_apart("NetworkManager", ). */
#pragma once

#include <NetworkManager.h>

typedef struct {
  GMainContext *context;
  NMClient *client;
} LwNm;

/* NULL and error (LW_ERROR_UNSUPPORTED) when it does not run, after waiting for it so long. */
LwNm *lw_nm_open(guint wait_ms, GError **error);
void lw_nm_close(LwNm *nm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwNm, lw_nm_close)

/* Handles what NetworkManager tells until `holds` does (asked after each news and every few ms). FALSE: it
 * did not in time. */
typedef gboolean (*LwNmCondition)(LwNm *nm, gpointer data);
gboolean lw_nm_wait(LwNm *nm, LwNmCondition holds, gpointer data, guint timeout_ms);

/* All of these are borrowed from the client, and nullable: there is none. */
NMDevice *lw_nm_device(LwNm *nm, const char *link);
NMRemoteConnection *lw_nm_profile(LwNm *nm, const char *uuid);
/* The profile that is active on a link. */
NMRemoteConnection *lw_nm_active_profile(LwNm *nm, const char *link);
/* Fully: activated, and not on its way to something else. */
gboolean lw_nm_is_active(LwNm *nm, const char *uuid, const char *link);

/* On disk. */
gboolean lw_nm_add(LwNm *nm, NMConnection *connection, GError **error);
/* On disk, and nothing is done with it. */
gboolean lw_nm_update(LwNm *nm, NMRemoteConnection *profile, NMConnection *to, GError **error);
gboolean lw_nm_delete(LwNm *nm, NMRemoteConnection *profile, GError **error);
/* A device that exists in software alone. */
gboolean lw_nm_delete_device(LwNm *nm, NMDevice *device, GError **error);
/* What its profile says now; addresses, routes and ports that others put there stay. */
gboolean lw_nm_reapply(LwNm *nm, NMDevice *device, GError **error);
/* Asks for it only. profile NULL: the best for the device; device NULL: the one that the profile makes. */
gboolean lw_nm_activate(LwNm *nm, NMRemoteConnection *profile, NMDevice *device, GError **error);
/* Its path (transfer full): unless destroyed, NetworkManager puts the device back after so many seconds,
 * whatever has become of us. */
char *lw_nm_checkpoint(LwNm *nm, NMDevice *device, guint seconds, GError **error);
gboolean lw_nm_checkpoint_destroy(LwNm *nm, const char *path, GError **error);
gboolean lw_nm_checkpoint_roll_back(LwNm *nm, const char *path, GError **error);
