/* A router that the file makes as a virtual machine (router.create). Experimental. */
#pragma once

#include "cmd/session.h"

/* Adds its domain to what is wanted; nothing when the file makes none. One that libvirt does not have yet
 * gets the configuration that the file comes to, in the secret store. */
gboolean lw_router_vm_add(LwSession *session, LwResourceSet *wanted, GError **error);
/* Of char*: what its user should know before it is made or changed; transfer full. */
GPtrArray *lw_router_vm_notes(const LwSession *session);
/* After it was made: what its console named as its certificate, where the file does not have it. NULL:
 * nothing to tell. Transfer full. */
char *lw_router_vm_certificate_note(const LwSession *session);
/* That certificate, 64 hexadecimal digits; NULL: its console told none since the boot. Transfer full. */
char *lw_router_vm_certificate(const LwSession *session);
/* The key file's entry for a config.xml, or NULL without error: the file names none. Transfer full. */
char *lw_router_key_entry(const LwLab *lab, const char *folder, GError **error);
