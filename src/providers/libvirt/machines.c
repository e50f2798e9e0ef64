/* Domains beyond their NICs: a list of them, start and shutdown, and what happens to them. */
#include "providers/libvirt/libvirt.h"

#include "base/error.h"
#include "providers/libvirt/connection.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLL_US 50000

void lw_libvirt_domain_free(LwLibvirtDomain *domain) {
  if (!domain)
    return;
  g_ptr_array_unref(domain->nics);
  g_ptr_array_unref(domain->ports);
  g_free(domain->name);
  g_free(domain);
}

static char *port_of(const LwVirtMachine *machine, guint index) {
  guint live = machine->live ? lw_virt_machine_live_index(machine, index) : 0;
  g_autoptr(LwResource) nic = machine->live ? lw_virt_nic_read(machine->live, live) : NULL;
  return g_strdup(nic && nic->link ? nic->link : "");
}

static LwLibvirtDomain *describe(const LwVirtMachine *machine) {
  LwLibvirtDomain *domain = g_new0(LwLibvirtDomain, 1);
  int autostart = 0;
  virDomainGetAutostart(machine->domain, &autostart);
  domain->name = g_strdup(virDomainGetName(machine->domain));
  domain->running = machine->live != NULL;
  domain->persistent = machine->persistent;
  domain->autostart = autostart != 0;
  domain->created = machine->created;
  domain->memory = (guint)(virDomainGetMaxMemory(machine->domain) / 1024);
  domain->nics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_resource_unref);
  domain->ports = g_ptr_array_new_with_free_func(g_free);
  LwResource *nic;
  for (guint i = 0; (nic = lw_virt_machine_nic(machine, i)); i++) {
    g_ptr_array_add(domain->nics, nic);
    g_ptr_array_add(domain->ports, port_of(machine, i));
  }
  return domain;
}

static int by_name(gconstpointer a, gconstpointer b) {
  return strcmp((*(LwLibvirtDomain *const *)a)->name, (*(LwLibvirtDomain *const *)b)->name);
}

GPtrArray *lw_libvirt_domains(GError **error) {
  g_autoptr(LwVirtConnection) connection = lw_virt_connect(error);
  virDomainPtr *all = NULL;
  int count = connection ? virConnectListAllDomains(connection, &all, 0) : -1;
  if (count < 0) {
    if (connection)
      lw_virt_set_error(error, "cannot list the domains");
    return NULL;
  }
  g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify)lw_libvirt_domain_free);
  for (int i = 0; i < count; i++) {
    /* one that goes while it is looked at is not there */
    g_autoptr(LwVirtMachine) machine = lw_virt_machine_of(all[i], NULL);
    if (machine)
      g_ptr_array_add(domains, describe(machine));
  }
  free(all);
  g_ptr_array_sort(domains, by_name);
  return g_steal_pointer(&domains);
}

static int by_resource_name(gconstpointer a, gconstpointer b) {
  return strcmp((*(LwResource *const *)a)->name, (*(LwResource *const *)b)->name);
}

GPtrArray *lw_libvirt_networks(GError **error) {
  g_autoptr(LwVirtConnection) connection = lw_virt_connect(error);
  virNetworkPtr *all = NULL;
  int count = connection ? virConnectListAllNetworks(connection, &all, 0) : -1;
  if (count < 0) {
    if (connection)
      lw_virt_set_error(error, "cannot list the networks");
    return NULL;
  }
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  for (int i = 0; i < count; i++) {
    lw_virt_observe_network(connection, virNetworkGetName(all[i]), seen, NULL);
    virNetworkFree(all[i]);
  }
  free(all);
  GPtrArray *networks = g_ptr_array_ref(seen->list);
  g_ptr_array_sort(networks, by_resource_name);
  return networks;
}

/* --- start and shutdown
 * ---------------------------------------------------------------------------------------------------- */

static virDomainPtr find(virConnectPtr connection, const char *name, GError **error) {
  virDomainPtr domain = virDomainLookupByName(connection, name);
  if (!domain && lw_virt_error_is(VIR_ERR_NO_DOMAIN))
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is no domain %s", name);
  else if (!domain)
    lw_virt_set_error(error, "cannot look for domain %s", name);
  return domain;
}

gboolean lw_libvirt_start(const char *name, GError **error) {
  g_autoptr(LwVirtConnection) connection = lw_virt_connect(error);
  g_autoptr(virDomain) domain = connection ? find(connection, name, error) : NULL;
  if (!domain)
    return FALSE;
  if (virDomainIsActive(domain) == 1 || virDomainCreate(domain) == 0)
    return TRUE;
  g_autoptr(GError) why = NULL; /* now: the next call forgets it */
  lw_virt_set_error(&why, "cannot start domain %s", name);
  if (virDomainIsActive(domain) == 1)
    return TRUE; /* somebody was faster */
  g_propagate_error(error, g_steal_pointer(&why));
  return FALSE;
}

gboolean lw_libvirt_shutdown(const char *name, guint timeout_ms, GError **error) {
  g_autoptr(LwVirtConnection) connection = lw_virt_connect(error);
  g_autoptr(virDomain) domain = connection ? find(connection, name, error) : NULL;
  if (!domain)
    return FALSE;
  if (virDomainIsActive(domain) == 1 && virDomainShutdown(domain) != 0) {
    g_autoptr(GError) why = NULL; /* as above */
    lw_virt_set_error(&why, "cannot ask domain %s to shut down", name);
    if (virDomainIsActive(domain) == 1) {
      g_propagate_error(error, g_steal_pointer(&why));
      return FALSE;
    }
  }
  gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  while (virDomainIsActive(domain) == 1) {
    if (g_get_monotonic_time() > deadline)
      return FALSE;
    g_usleep(POLL_US);
  }
  return TRUE;
}

gboolean lw_libvirt_destroy(const char *name, GError **error) {
  g_autoptr(LwVirtConnection) connection = lw_virt_connect(error);
  g_autoptr(virDomain) domain = connection ? find(connection, name, error) : NULL;
  if (!domain)
    return FALSE;
  if (virDomainIsActive(domain) != 1 || virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_GRACEFUL) == 0)
    return TRUE;
  g_autoptr(GError) why = NULL; /* as above */
  lw_virt_set_error(&why, "cannot end domain %s", name);
  if (virDomainIsActive(domain) != 1)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&why));
  return FALSE;
}

/* --- a guest that has not noticed
 * ------------------------------------------------------------------------------------------------- */

/* The same NIC down and up: a change from what it is to what it is. */
static gboolean bring_again(const char *name, guint nic, gboolean replug, GError **error) {
  g_autoptr(LwVirtConnection) connection = lw_virt_connect(error);
  g_autoptr(LwVirtMachine) machine = connection ? lw_virt_machine_open(connection, name, error) : NULL;
  if (!machine || !machine->live) {
    if (!error || !*error)
      g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "domain %s does not run", name);
    return FALSE;
  }
  return replug ? lw_virt_replug_nic(machine, nic, error) : lw_virt_flap_nic(machine, nic, error);
}

gboolean lw_libvirt_flap(const char *domain, guint nic, GError **error) {
  return bring_again(domain, nic, FALSE, error);
}

gboolean lw_libvirt_replug(const char *domain, guint nic, GError **error) {
  return bring_again(domain, nic, TRUE, error);
}

/* --- what happens
 * ---------------------------------------------------------------------------------------------------- */

typedef struct {
  LwLibvirtWatch watch;
  gpointer data;
  gboolean done;
  gboolean lost;
} Follow;

static void tell(Follow *follow, const char *domain, const char *what) {
  if (!follow->done && !follow->watch(domain, what, follow->data))
    follow->done = TRUE;
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data) {
  const char *what = event == VIR_DOMAIN_EVENT_STARTED || event == VIR_DOMAIN_EVENT_RESUMED   ? "started"
                     : event == VIR_DOMAIN_EVENT_STOPPED || event == VIR_DOMAIN_EVENT_CRASHED ? "stopped"
                     : event == VIR_DOMAIN_EVENT_DEFINED                                      ? "defined"
                     : event == VIR_DOMAIN_EVENT_UNDEFINED                                    ? "undefined"
                                                                                              : "changed";
  tell(data, virDomainGetName(domain), what);
  return 0;
}

static void on_device(virConnectPtr connection, virDomainPtr domain, const char *alias, void *data) {
  tell(data, virDomainGetName(domain), "changed");
}

static void on_closed(virConnectPtr connection, int reason, void *data) {
  ((Follow *)data)->lost = TRUE;
}

static void on_time(int timer, void *data) {
  ((Follow *)data)->done = TRUE;
}

static void on_links(int watch, int fd, int events, void *data) {
  char buffer[16384];
  while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
    ;
  tell(data, "", "links");
}

/* libvirt has no event for a NIC that is plugged in elsewhere: the kernel has. */
static int open_links(GError **error) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  lw_error_set_errno(error, "cannot follow the links");
  if (fd >= 0)
    close(fd);
  return -1;
}

static gboolean run_loop(virConnectPtr connection, Follow *follow, GError **error) {
  int lifecycle =
      virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                       VIR_DOMAIN_EVENT_CALLBACK(G_CALLBACK(on_lifecycle)), follow, NULL);
  int added =
      virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
                                       VIR_DOMAIN_EVENT_CALLBACK(G_CALLBACK(on_device)), follow, NULL);
  int removed =
      virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                                       VIR_DOMAIN_EVENT_CALLBACK(G_CALLBACK(on_device)), follow, NULL);
  gboolean ok = lifecycle >= 0 && added >= 0 && removed >= 0 &&
                virConnectSetKeepAlive(connection, 5, 3) >= 0 &&
                virConnectRegisterCloseCallback(connection, on_closed, follow, NULL) == 0;
  while (ok && !follow->done && !follow->lost)
    ok = virEventRunDefaultImpl() == 0;
  if (!ok)
    lw_virt_set_error(error, "cannot follow libvirt's events");
  else if (follow->lost && !follow->done)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "libvirt ended the connection");
  int ids[] = {lifecycle, added, removed};
  for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
    if (ids[i] >= 0)
      virConnectDomainEventDeregisterAny(connection, ids[i]);
  virConnectUnregisterCloseCallback(connection, on_closed);
  return ok && !(follow->lost && !follow->done);
}

gboolean lw_libvirt_follow(LwLibvirtWatch watch, gpointer data, guint timeout_ms, GError **error) {
  Follow follow = {.watch = watch, .data = data};
  static gsize once;
  if (g_once_init_enter(&once)) { /* before the first connection that is to have events */
    virEventRegisterDefaultImpl();
    g_once_init_leave(&once, 1);
  }
  int fd = open_links(error);
  g_autoptr(LwVirtConnection) connection = fd >= 0 ? lw_virt_connect(error) : NULL;
  gboolean ok = FALSE;
  if (connection) {
    int handle = virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_links, &follow, NULL);
    int timer = timeout_ms ? virEventAddTimeout((int)timeout_ms, on_time, &follow, NULL) : -1;
    ok = run_loop(connection, &follow, error);
    virEventRemoveHandle(handle);
    if (timer >= 0)
      virEventRemoveTimeout(timer);
  }
  if (fd >= 0)
    close(fd);
  return ok;
}
