/* Virtual machines by libvirt: kinds NETWORK, DOMAIN and DOMAIN_NIC.
 *
 * A domain that was there before is adopted: its NICs are lanward's, and nothing else of it. What a NIC was
 * before is kept in the domain's own metadata (xml.h) and put back when the NIC is no longer asked for.
 * Errors of libvirt become LW_ERROR_FAILED with its words; LW_ERROR_UNSUPPORTED when it does not answer. */
#pragma once

#include "provider/provider.h"

/* In the run folder: SHA-256 of the certificate that a router's console named at its first boot. */
#define LW_ROUTER_CERTIFICATE "router.certificate"

LwProvider *lw_libvirt_provider_new(const LwProviderContext *context, GError **error);

/* A domain as it is now. */
typedef struct {
  char *name;
  gboolean running;
  gboolean persistent;
  gboolean autostart;
  gboolean created; /* by lanward */
  guint memory;     /* MiB, of its next start */
  GPtrArray *nics;  /* of LwResource*, kind DOMAIN_NIC, in order */
  GPtrArray *ports; /* of char*: each NIC's tap now, "" when there is none */
} LwLibvirtDomain;

void lw_libvirt_domain_free(LwLibvirtDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwLibvirtDomain, lw_libvirt_domain_free)

/* All of this host's domains: of LwLibvirtDomain*, by name. Transfer full. */
GPtrArray *lw_libvirt_domains(GError **error);
/* All of its networks: of LwResource*, kind NETWORK, by name. Transfer full. */
GPtrArray *lw_libvirt_networks(GError **error);

/* Starts it; one that runs is success. LW_ERROR_NOT_FOUND when there is none. */
gboolean lw_libvirt_start(const char *domain, GError **error);
/* Asks it to shut down and waits. FALSE without an error when the time is over and it still runs. */
gboolean lw_libvirt_shutdown(const char *domain, guint timeout_ms, GError **error);
/* Pulls its plug (QEMU may still write what it has). One that does not run is success. */
gboolean lw_libvirt_destroy(const char *domain, GError **error);

/* Takes a NIC's link down for as long as a guest needs to see it, and up again. */
gboolean lw_libvirt_flap(const char *domain, guint nic, GError **error);
/* Out and in again, for guests that do not look at their link. */
gboolean lw_libvirt_replug(const char *domain, guint nic, GError **error);

/* What happened: "started", "stopped", "defined", "undefined", "changed" (a device came or went), or, with an
 * empty domain, "links": some interface of this network namespace changed (a NIC was moved by hand). FALSE
 * ends it. */
typedef gboolean (*LwLibvirtWatch)(const char *domain, const char *what, gpointer data);
/* Follows libvirt until watch says FALSE, timeout_ms (0: for ever) is over (TRUE), or the connection is lost
 * (FALSE and error). One at a time in a process. */
gboolean lw_libvirt_follow(LwLibvirtWatch watch, gpointer data, guint timeout_ms, GError **error);
