/* The host's own firewalls: openings (LW_RES_OPENING) in what ufw and Docker close.
 *
 * lanward's rules decide what the lab may; a firewall of the host's that stops it as well makes promises of
 * the file fail. An opening is one rule of that firewall's own, narrow and marked, made and removed by its
 * own command, so that it lives by that firewall's rules (ufw keeps it over a boot, Docker's chain does not).
 * It is never more than what the file allows, and a `deny` of the user's above it stays in force. firewalld
 * is only looked at.
 */
#pragma once

#include "provider/provider.h"

LwProvider *lw_firewall_provider_new(const LwProviderContext *context, GError **error);

/* ufw is on, by its ufw.conf and by its chains in the kernel. */
gboolean lw_ufw_is_active(void);
/* DOCKER-USER is there, and FORWARD leads to it. */
gboolean lw_docker_filters(void);
/* firewalld runs: its table is in the kernel, and it answers. The zone that `link` is in (or would be) as
 * `firewall-cmd --list-all` prints it, and its name. NULL: it does not run. Transfer full. */
char *lw_firewalld_zone(const char *link, char **name);
