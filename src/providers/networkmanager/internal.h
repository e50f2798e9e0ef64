/* Shared by the I/O half; all of it runs in a child of lw_apart("NetworkManager", ). */
#pragma once

#include "providers/networkmanager/client.h"
#include "providers/networkmanager/networkmanager.h"

/* The profile as it is, its master an interface and `up` whether it is active there as well; NULL: there is
 * none of that uuid. Transfer full. */
LwResource *lw_nm_see(LwNm *nm, const char *uuid);
/* Every profile that NetworkManager has. */
void lw_nm_see_all(LwNm *nm, LwResourceSet *seen);

gboolean lw_nm_check(LwNm *nm, const GPtrArray *changes, GError **error);
gboolean lw_nm_change(LwNm *nm, const GPtrArray *changes, GError **error);
