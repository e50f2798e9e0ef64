/* Profiles as NetworkManager's connections and back. Pure: no bus, no system call.
 *
 * Whose a profile is, and what was there before it, stands in the profile itself (the "user" setting, which
 * NetworkManager keeps and does not look at): so it is known without lanward's state.
 */
#pragma once

#include "resource/resource.h"

#include <NetworkManager.h>

#define LW_NM_OWNER "lanward.owner"
#define LW_NM_BEFORE "lanward.before"

/* The uuid of the profile of that name: always the same, so that a port finds a bridge that was made anew. */
char *lw_nm_uuid(const char *name);

/* The connection that the profile asks for, whole and valid, or NULL and error. base (nullable): the
 * connection whose other settings (DNS, IPv6, MTU, zone …) are kept: of the profile as it is, or of the one
 * that it takes the interface over from. Autoconnect is `up`. Transfer full. */
NMConnection *lw_nm_to_connection(const LwResource *profile, NMConnection *base, GError **error);
/* The profile that a connection is; its master is as written there (a uuid or an interface), its `up` is
 * autoconnect alone. Transfer full. */
LwResource *lw_nm_from_connection(NMConnection *connection);
/* The same connection with autoconnect as given. dad_timeout -2: as it is. Transfer full. */
NMConnection *lw_nm_with_autoconnect(NMConnection *connection, gboolean autoconnect, int dad_timeout);
/* Of IPv4, in ms; -1: NetworkManager's default. */
int lw_nm_dad_timeout(NMConnection *connection);
