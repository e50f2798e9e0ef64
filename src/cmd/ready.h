/* Whether the router does its work: what machines need before they start. */
#pragma once

#include "cmd/session.h"

/* What is not ready yet, of char*: "WAN has no address", "tunnel se has had no handshake"; empty: all is. Of
 * a builtin router what some segment needs, and a tunnel that nothing went through yet is sent a packet, so
 * that it makes its handshake; an OPNsense is asked by its API, or pinged where the file names none. Transfer
 * full. */
GPtrArray *lw_router_waits_for(const LwSession *session);
