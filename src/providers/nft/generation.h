/* Whether anything of a namespace's nftables has changed since: without listing it. */
#pragma once

#include <glib.h>

/* A text that differs after every transaction that the kernel has carried out there, and for every namespace
 * of this boot: "COOKIE/GENERATION" of SO_NETNS_COOKIE (socket(7), Linux 5.14) and NFT_MSG_GETGEN
 * (linux/netfilter/ nf_tables.h). ns NULL or "": where we are. NULL and error when the kernel does not tell.
 * Transfer full. */
char *lw_nft_generation(const char *ns, GError **error);
