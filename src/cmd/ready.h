/* Whether the router does its work: what machines need before they start. */
#pragma once

#include "cmd/session.h"

/* What is not ready yet, of char*: "WAN has no address", "tunnel se has had no handshake"; empty: all is. A
 * tunnel that nothing went through yet is sent a packet, so that it makes one. Transfer full. Asks only what
 * some segment needs, of a builtin router; an OPNsense is ready when it answers the host's ping on the
 * management network. */
GPtrArray *lw_router_waits_for(const LwSession *session);
