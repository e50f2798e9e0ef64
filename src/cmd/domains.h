/* The lab's virtual machines, as libvirt has them. */
#pragma once

#include "cmd/session.h"

/* Calls changed(domain, data), on the main loop, when a domain starts, stops, comes or goes, for as long as
 * the process lives; a libvirt that does not run, or restarts, is waited for. */
void lw_domains_follow(void (*changed)(const char *domain, gpointer data), gpointer data);
/* Fills the facts about libvirt, where it runs. */
gboolean lw_domains_learn(LwSession *session, GError **error);
/* What a user should know of machines that libvirt does not have: of char*, transfer full. */
GPtrArray *lw_domains_notes(const LwSession *session);

gboolean lw_domains_runs(const char *name); /* of libvirt's */
/* The lease that the router gave a machine's NIC, as seconds since the epoch at which it ends; 0: none. */
guint64 lw_domains_lease(const LwSession *session, guint machine, guint nic);
/* After a virtual machine's NIC was plugged in elsewhere: waits for its lease there, and shows it its link
 * again (at last by taking the NIC out and in) where it has not noticed. before: what lw_domains_lease() said
 * before the move. FALSE: it runs, and still has none. TRUE for what does not run, or is no domain. */
gboolean lw_domains_settle(const LwSession *session, guint machine, guint nic, guint64 before);
