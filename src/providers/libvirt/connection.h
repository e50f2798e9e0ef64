/* The connection to libvirt, and a domain as it is now, for the files of this folder. */
#pragma once

#include "provider/provider.h"
#include "providers/libvirt/xml.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetwork, virNetworkFree)
typedef virConnect LwVirtConnection;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwVirtConnection, virConnectClose)

/* $LIBVIRT_DEFAULT_URI, else qemu:///system. LW_ERROR_UNSUPPORTED when it does not answer. */
virConnectPtr lw_virt_connect(GError **error);
/* "PREFIX: what libvirt says"; LW_ERROR_FAILED. */
void lw_virt_set_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The last error of libvirt in this thread is of that code. */
gboolean lw_virt_error_is(int code);

typedef struct {
  virDomainPtr domain;
  LwVirtDomain *config; /* as at its next start; of a transient one: as it is now */
  LwVirtDomain *live;   /* NULL: it does not run */
  gboolean persistent;
  GHashTable *kept; /* lw_virt_kept_read() */
  gboolean created; /* by lanward */
} LwVirtMachine;

/* NULL without an error when there is no such domain. */
LwVirtMachine *lw_virt_machine_open(virConnectPtr connection, const char *name, GError **error);
/* Of a domain that is there; takes it. */
LwVirtMachine *lw_virt_machine_of(virDomainPtr domain, GError **error);
/* Its XML is read again. */
gboolean lw_virt_machine_refresh(LwVirtMachine *machine, GError **error);
void lw_virt_machine_free(LwVirtMachine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwVirtMachine, lw_virt_machine_free)
/* NIC `index` as it is now (and in `value` where it will be, if elsewhere); NULL beyond the last. Transfer
 * full. */
LwResource *lw_virt_machine_nic(const LwVirtMachine *machine, guint index);
/* The index in `live` of the config's NIC `index`; the number of NICs there when it has none. */
guint lw_virt_machine_live_index(const LwVirtMachine *machine, guint index);
/* Writes `kept` into the domain. */
gboolean lw_virt_machine_keep(LwVirtMachine *machine, GError **error);

/* nic.c. Changes are a batch: all links go down before the first comes up. downs: "DOMAIN/INDEX" -> gint64 *,
 * the monotonic time (µs) at which a link went down. */
gboolean lw_virt_bring_nics(virConnectPtr connection, GHashTable *downs, const GPtrArray *changes,
                            GError **error);
/* Down for as long as a guest needs to see it, and up again; out and in again. Of a NIC of a domain that
 * runs. */
gboolean lw_virt_flap_nic(LwVirtMachine *machine, guint index, GError **error);
gboolean lw_virt_replug_nic(LwVirtMachine *machine, guint index, GError **error);

/* network.c */
gboolean lw_virt_observe_network(virConnectPtr connection, const char *name, LwResourceSet *seen,
                                 GError **error);
gboolean lw_virt_check_network(virConnectPtr connection, const LwChange *change, GError **error);
gboolean lw_virt_bring_network(virConnectPtr connection, const LwChange *change, GError **error);

/* domain.c */
gboolean lw_virt_observe_domain(virConnectPtr connection, const char *name, LwResourceSet *seen,
                                GError **error);
gboolean lw_virt_check_domain(virConnectPtr connection, const LwChange *change, GError **error);
gboolean lw_virt_bring_domain(const LwProviderContext *context, virConnectPtr connection,
                              const LwChange *change, GError **error);
/* Makes the disks that are not there. */
gboolean lw_virt_make_disks(const LwResource *domain, GError **error);
/* "kvm" where it can, else "qemu". */
const char *lw_virt_type(virConnectPtr connection);
/* What an undo's changes (lw_undo_to_changes()) say of files that were made for domains that then are no
 * more: those go. */
gboolean lw_virt_remove_files(const GPtrArray *reverse, GError **error);
/* The changes with what their undo must know: which of a new domain's disks are not there yet. Transfer full.
 */
GPtrArray *lw_virt_mark_fresh(const GPtrArray *changes);

/* router.c: the lab's router as a domain. before: NULL: there is none yet. A new one is started, booted into
 * its configuration where its disk is new, and waited for. */
gboolean lw_virt_bring_router(const LwProviderContext *context, virConnectPtr connection,
                              const LwResource *to, const LwVirtMachine *before, GError **error);
