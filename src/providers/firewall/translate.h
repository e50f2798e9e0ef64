/* Openings and the words of the host's firewalls, both ways: pure.
 *
 * What is ours carries the word LW_OPENING_MARK as its comment. Sources: ufw's user.rules ("### tuple ###"
 * lines, ufw/backend_iptables.py) and ufw(8); iptables-save's format, iptables(8); firewall-cmd(1) and
 * firewalld.richlanguage(5).
 */
#pragma once

#include "resource/resource.h"

#define LW_OPENING_MARK "lanward"
#define LW_OPENING_UFW "ufw"
#define LW_OPENING_UFW_ROUTE "ufw-route"
#define LW_OPENING_DOCKER "docker"
#define LW_OPENING_REPLIES "replies"

/* Adds to `seen` the openings of ufw's user.rules: allowing rules with an interface and two networks. Those
 * of somebody else's are without an alias. `against` (nullable) gets what rules of the same reach do
 * otherwise (deny, limit, log): ufw would put ours in their place. Lines that say anything else are left out.
 */
void lw_ufw_parse(const char *user_rules, LwResourceSet *seen, LwResourceSet *against);
/* argv of the `ufw` that makes or removes one. Transfer full. */
char **lw_ufw_command(const LwResource *opening, gboolean remove);
/* ENABLED=yes in ufw.conf. */
gboolean lw_ufw_is_enabled(const char *ufw_conf);

/* The same of `iptables -S DOCKER-USER`; rules of somebody else's are left out: what stands above them
 * counts. */
void lw_docker_parse(const char *rules, LwResourceSet *seen);
char **lw_docker_command(const LwResource *opening, gboolean remove);

/* A zone as `firewall-cmd --list-all` prints it: would it let a ufw-like opening (LW_OPENING_UFW) through? By
 * its target, one of its ports, or the rich rule that lw_firewalld_rule() writes. */
gboolean lw_firewalld_opens(const char *zone, const LwResource *opening);
/* The rich rule for it. Transfer full. */
char *lw_firewalld_rule(const LwResource *opening);
