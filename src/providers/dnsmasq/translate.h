/* RESOLVER resources -> dnsmasq(8)'s files. Pure. */
#pragma once

#include "resource/resource.h"

/* Where its files are. hosts NULL: the hosts are written into the configuration itself. */
typedef struct {
  const char *hosts;
  const char *leases;
  const char *pid;
  const char *log;
} LwDnsmasqFiles;

/* The configuration. LW_ERROR_FAILED when a name cannot be written into one. */
char *lw_dnsmasq_config(const LwResource *resolver, const LwDnsmasqFiles *files, GError **error);
/* The file of dhcp-hostsfile. */
char *lw_dnsmasq_hosts(const LwResource *resolver, GError **error);
/* What of a lease file still holds for `next`: not the lease of a machine that is reserved another address
 * now, or that was declared before (in `previous`, nullable) and is no more, nor one of an address that is
 * another's or nobody's. *dropped (nullable): how many went. */
char *lw_dnsmasq_leases(const char *leases, const LwResource *previous, const LwResource *next,
                        guint *dropped);
