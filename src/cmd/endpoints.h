/* Endpoints that are names, once a tunnel has had no handshake for long: another address may be theirs by
 * now. */
#pragma once

#include "cmd/session.h"

/* Asks again, of the host's own resolvers as the first time, for those whose last handshake is too long ago
 * (or never was), and puts what they answer into the facts: the next plan changes the endpoint. No answer, or
 * one that has the address in use among others, leaves it. May take as long as a resolver that does not
 * answer. */
void lw_endpoints_ask_again(LwSession *session);
/* Whether that would ask for any. */
gboolean lw_endpoints_are_stale(const char *router_ns, const GPtrArray *links /* of char*: tunnels */);
/* The tunnels (their links in the router) whose endpoints are names. Of char*, transfer full; empty where an
 * OPNsense does all that. */
GPtrArray *lw_endpoints_named(const LwSession *session);
