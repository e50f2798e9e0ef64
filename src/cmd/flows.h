/* Flows through the router: where their ends are, and those that outlived what allowed them. */
#pragma once

#include "cmd/session.h"
#include "policy/intent.h"
#include "verify/verify.h"

/* The zone that an address belongs to. */
LwZone lw_session_zone_of(const LwSession *session, const LwAddr *addr);

/* Ends every flow through the router that the lab in force would not let open now, or would send by another
 * exit. A rule that closes something binds from here on for what was open before, too. */
gboolean lw_session_end_denied_flows(const LwSession *session, guint *ended /* nullable */, GError **error);

/* Flows of protocols without ports that the router has open. Of LwOpenFlow, transfer full; NULL: it is not
 * seen. */
GArray *lw_session_portless_flows(const LwSession *session);
/* Ends some of them (LwEndFlows, for LwVerifyWorld.end_flows). */
gboolean lw_session_end_portless(const GArray *flows, gpointer session, GError **error);

/* Ends every flow of an address that a machine has just left. Unset: nothing. */
gboolean lw_session_end_address(const LwSession *session, const LwAddr *address, GError **error);
