/* Rules of others that decide about bridged frames. */
#pragma once

#include <glib.h>

/* With br_netfilter and bridge-nf-call-iptables = 1 the kernel shows bridged frames to the IP families'
 * forward hook as well. A chain there that drops what it does not know (Docker sets that policy) silently
 * cuts the machines of a segment off from each other and from their router, whatever our own rules say. Looks
 * at the host's namespace; returns what to tell the user (transfer full), or NULL: no such thing (or it
 * cannot be told). */
char *lw_nft_bridge_trap(void);

/* The pure half: the names ("ip filter FORWARD") of base chains of `json` (nft -j list chains) that hook on
 * forward, see IPv4, and drop by policy. Of char*. NULL: no listing. */
GPtrArray *lw_nft_dropping_chains(const char *json);
