/* What happens to the chains that openings are in. */
#pragma once

#include <glib.h>

/* A socket that is readable when nftables of the host's namespace changes (-1 and error). Docker writes its
 * chains by iptables-nft, as Debian has it; of iptables-legacy the kernel tells nobody. */
int lw_firewall_follow(GError **error);
/* To be called then: reads what is there, never waits. Whether DOCKER-USER, or what leads to it (FORWARD of
 * the table "filter"), was changed; TRUE also when news were lost. */
gboolean lw_firewall_news(int fd);
/* The pure half: whether one message says so. size: of what is at `message`; damaged ones say nothing. */
gboolean lw_firewall_is_news(const void *message, gsize size);
