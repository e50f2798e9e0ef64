/* Connection profiles of the host's NetworkManager.
 *
 * Kind: PROFILE. Profiles are lanward's by a mark in themselves; others' are neither changed nor deleted. The
 * one that was active on the uplink before stays as it is, and is active there again when lanward's port
 * goes.
 *
 * An uplink becomes the port of a bridge in the order that cost the least: both profiles are added without
 * autoconnect, the port is activated and pulls the bridge up with it, the bridge's address and the gateway's
 * answer are waited for, and only then do both come by themselves at boot. All the while a checkpoint is set:
 * NetworkManager puts the uplink back by itself when nobody tells it that all went well. A bridge that is
 * active is never activated again (that detaches the ports that others put there): what changes is written to
 * the profile and applied to the device (Update2, Reapply).
 *
 * Its undo is the generic one.
 */
#pragma once

#include "provider/provider.h"

/* NULL and error never: NetworkManager is looked for when there are profiles to look after. */
LwProvider *lw_networkmanager_provider_new(const LwProviderContext *context, GError **error);

/* What NetworkManager tells of the host's uplink, before anything is asked of it. */
typedef struct {
  gboolean running;
  char *version;     /* "1.42.4"; nullable as all of these */
  char *link;        /* the uplink's name; NULL: there is no such interface */
  gboolean managed;  /* the uplink is NetworkManager's */
  gboolean ethernet; /* a wire: what a bridge can have as a port */
  LwMac mac;         /* as it is now */
  char *profile;     /* uuid of the profile that is active on it */
  char *profile_name;
  gboolean ours;    /* it is lanward's own: the uplink is a port already */
  int priority;     /* autoconnect priority of the user's profile: of that one, or the one before ours */
  char **bridges;   /* interfaces of the bridges that lanward has profiles of */
  char *master;     /* the interface that it is a port of */
  char *client_id;  /* that DHCP was asked with */
  LwPrefix address; /* unset: none (a port: its bridge's) */
  LwAddr gateway;
} LwNmUplink;

/* name or mac (unset) names the uplink. FALSE only on trouble: a NetworkManager that does not run is an
 * answer. */
gboolean lw_nm_look(const char *name, LwMac mac, LwNmUplink *out, GError **error);
void lw_nm_uplink_clear(LwNmUplink *uplink);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwNmUplink, lw_nm_uplink_clear)

/* All profiles, as resources of kind PROFILE (of two of one name the first). */
LwResourceSet *lw_nm_profiles(GError **error);
