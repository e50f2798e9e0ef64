/* DHCP clients: dhcpcd(8), one process an interface.
 *
 * dhcpcd gets the lease and puts the address on the link; everything else that a lease means (default route,
 * nft set of the home LAN, resolv.conf, the lease as a fact) is done by its hook, which is this program again
 * under the name LW_DHCP_HOOK: main() must call lw_dhcp_hook_main() when that is the last part of argv[0].
 */
#pragma once

#include "provider/provider.h"

#define LW_DHCP_HOOK "lanward-dhcp-hook"

/* Handles DHCP_CLIENT. Its undo is the generic one. Returns NULL and error (LW_ERROR_UNSUPPORTED) when this
 * machine lacks what it needs. */
LwProvider *lw_dhcpcd_provider_new(const LwProviderContext *context, GError **error);

/* What the hook has written about a lease. */
typedef struct {
  LwPrefix address; /* with its host bits */
  LwAddr router;    /* unset: none offered */
  GArray *dns;      /* of LwAddr */
} LwDhcpLease;

void lw_dhcp_lease_clear(LwDhcpLease *lease);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwDhcpLease, lw_dhcp_lease_clear)

/* The lease that `link` of `ns` has now. *out is only written on success; LW_ERROR_NOT_FOUND: it has none. */
gboolean lw_dhcp_lease_read(const char *run_dir, const char *ns, const char *link, LwDhcpLease *out,
                            GError **error);

/* One client, for whoever needs one: this provider, and cells for their NICs. */
typedef struct {
  const char *ns; /* the namespace's name; "" or NULL: the one we are in */
  const char *link;
  guint32 table;            /* where the default route goes; 0: main */
  gboolean no_route;        /* no default route at all (further NICs of a machine) */
  const char *home_lan_set; /* nullable: "TABLE SET" of the inet family, see resource.h */
  const char
      *resolv_conf;     /* nullable: a file that the lease's resolvers are written to, as this process sees it
                           ("/proc/PID/root/etc/resolv.conf" reaches into a cell) */
  const char *hostname; /* nullable: told to the server */
} LwDhcpClient;

/* Starts dhcpcd and returns at once; a client of that link which runs already is stopped first. Only
 * context->run_dir and context->self_path are used. */
gboolean lw_dhcpcd_start(const LwProviderContext *context, const LwDhcpClient *client, GError **error);
/* Waits for the lease. When the client dies or the time is up: FALSE and what its log said last. */
gboolean lw_dhcpcd_wait(const char *run_dir, const char *ns, const char *link, guint timeout_ms,
                        GError **error);
/* Ends the client and takes away what its lease had put there. Not running is success. */
gboolean lw_dhcpcd_stop(const char *run_dir, const char *ns, const char *link, GError **error);
/* The client's pid, 0 when it does not run. */
pid_t lw_dhcpcd_pid(const char *run_dir, const char *ns, const char *link);
/* Asks for a new lease at once (after a move). */
gboolean lw_dhcpcd_rebind(const char *run_dir, const char *ns, const char *link, GError **error);

/* The hook: everything comes by environment. Returns the exit status. */
int lw_dhcp_hook_main(void);
