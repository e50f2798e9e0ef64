/* What libvirt tells of the lab's machines. */
#include "cmd/domains.h"

#include "base/files.h"
#include "policy/names.h"
#include "providers/libvirt/libvirt.h"

#include <stdio.h>
#include <string.h>

#define LEASES_MAX (16 * 1024 * 1024)
#define POLL_US 5000
#define LEASE_WAIT_MS 4000  /* a guest's DHCP client, once it has seen its link */
#define REPLUG_WAIT_MS 8000 /* a guest that finds a new NIC */
#define FLAPS 2

static const LwLibvirtDomain *find(const GPtrArray *domains, const char *name) {
  for (guint i = 0; i < domains->len; i++) {
    const LwLibvirtDomain *domain = domains->pdata[i];
    if (g_str_equal(domain->name, name))
      return domain;
  }
  return NULL;
}

/* How the user plugged it in: by a bridge without a network, under a name of his own. A domain that lanward
 * made has nothing of the kind. */
static void learn_own(LwFacts *facts, const char *key, const LwResource *nic, const char *named) {
  gboolean ours = !nic->link || !*nic->link || g_str_equal(nic->link, named) ||
                  g_str_has_prefix(nic->link, LW_NIC_PORT_PREFIX);
  if (nic->master && g_str_has_prefix(nic->master, "/bridge/"))
    g_hash_table_replace(facts->places, g_strdup(key), g_strdup(nic->master));
  if (!ours)
    g_hash_table_replace(facts->own_ports, g_strdup(key), g_strdup(nic->link));
}

static void learn_nics(LwSession *session, guint machine, const LwLibvirtDomain *domain) {
  LwFacts *facts = session->facts;
  const LwMachine *m = lw_lab_machine(session->lab, machine);
  for (guint n = 0; n < m->nics->len && n < domain->nics->len; n++) {
    const LwResource *nic = domain->nics->pdata[n];
    const char *live = domain->ports->pdata[n];
    const char *port = *live || !nic->link ? live : nic->link;
    g_autofree char *key = g_strdup_printf("%s/%u", m->name, n);
    g_autofree char *named = lw_name_nic_port(facts, session->lab, machine, n);
    if (lw_mac_is_set(&nic->mac))
      g_hash_table_replace(facts->macs, g_strdup(key), g_memdup2(&nic->mac, sizeof nic->mac));
    if (!domain->created)
      learn_own(facts, key, nic, named);
    if (*port && !g_str_equal(port, named))
      g_hash_table_replace(facts->ports, g_strdup(key), g_strdup(port));
  }
}

/* The legs of a router that is a virtual machine, by the bridges that they are plugged into now: one that
 * somebody else made has ports of libvirt's names. */
static void learn_router_ports(LwSession *session, const LwLibvirtDomain *router) {
  for (guint n = 0; n < router->ports->len; n++) {
    const char *port = router->ports->pdata[n];
    g_autofree char *path = g_strdup_printf("/sys/class/net/%s/master", port);
    g_autofree char *link = *port ? g_file_read_link(path, NULL) : NULL;
    g_autofree char *bridge = link ? g_path_get_basename(link) : NULL;
    if (g_strcmp0(bridge, session->lab->host.bridge) == 0)
      g_hash_table_replace(session->facts->router_ports, g_strdup(bridge), g_strdup(port));
    for (guint i = 0; bridge && i < session->lab->segments->len; i++) {
      const LwSegment *segment = lw_lab_segment(session->lab, i);
      g_autofree char *named = lw_name_router_port(segment);
      if (g_str_equal(segment->bridge, bridge) && !g_str_equal(named, port))
        g_hash_table_replace(session->facts->router_ports, g_steal_pointer(&bridge), g_strdup(port));
    }
  }
}

static gboolean is_our_bridge(const LwLab *lab, const char *bridge) {
  for (guint i = 0; bridge && i < lab->segments->len; i++)
    if (g_str_equal(lw_lab_segment(lab, i)->bridge, bridge))
      return TRUE;
  return FALSE;
}

/* "isolated", "nat", "route", "open": libvirt made its bridge. One of forward mode "bridge" uses a bridge
 * that is there. */
static gboolean learn_networks(LwSession *session, GError **error) {
  g_autoptr(GPtrArray) networks = lw_libvirt_networks(error);
  for (guint i = 0; networks && i < networks->len; i++) {
    LwResource *network = networks->pdata[i];
    if (is_our_bridge(session->lab, network->link) && g_strcmp0(network->value, "bridge") != 0)
      g_hash_table_replace(session->facts->networks, g_strdup(network->link), lw_resource_ref(network));
  }
  return networks != NULL;
}

static gboolean has_virtual_machines(const LwLab *lab) {
  for (guint m = 0; m < lab->machines->len; m++)
    if (lw_lab_machine(lab, m)->kind == LW_MACHINE_VM)
      return TRUE;
  return FALSE;
}

gboolean lw_domains_learn(LwSession *session, GError **error) {
  const char *uri = g_getenv("LIBVIRT_DEFAULT_URI");
  if (!session->host->libvirt && !(uri && *uri))
    return TRUE;
  g_autoptr(GPtrArray) domains = lw_libvirt_domains(error);
  if (!domains || !learn_networks(session, error))
    return FALSE;
  LwFacts *facts = session->facts;
  facts->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < domains->len; i++)
    g_hash_table_insert(facts->domains, g_strdup(((const LwLibvirtDomain *)domains->pdata[i])->name),
                        GUINT_TO_POINTER(((const LwLibvirtDomain *)domains->pdata[i])->created));
  for (guint m = 0; m < session->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(session->lab, m);
    const LwLibvirtDomain *domain = machine->kind == LW_MACHINE_VM ? find(domains, machine->object) : NULL;
    if (domain)
      learn_nics(session, m, domain);
  }
  const char *vm = session->lab->router.kind == LW_ROUTER_OPNSENSE ? session->lab->router.vm : NULL;
  const LwLibvirtDomain *router = vm ? find(domains, vm) : NULL;
  if (router)
    learn_router_ports(session, router);
  return TRUE;
}

GPtrArray *lw_domains_notes(const LwSession *session) {
  GPtrArray *notes = g_ptr_array_new_with_free_func(g_free);
  if (!session->host || !has_virtual_machines(session->lab))
    return notes;
  if (!session->facts->domains)
    g_ptr_array_add(notes,
                    g_strdup("libvirt does not run here: virtual machines are left out until it does"));
  for (guint m = 0; session->facts->domains && m < session->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(session->lab, m);
    if (machine->kind == LW_MACHINE_VM && !machine->create && !lw_host_has_domain(session->facts, machine))
      g_ptr_array_add(notes,
                      g_strdup_printf("libvirt has no domain %s: %s is plugged in by the next apply once "
                                      "it has",
                                      machine->object, machine->name));
  }
  return notes;
}

/* --- a lease
 * -------------------------------------------------------------------------------------------------------------
 */

/* dnsmasq's file: "EXPIRY MAC ADDRESS NAME CLIENT" a line. */
guint64 lw_domains_lease(const LwSession *session, guint machine, guint nic) {
  g_autofree char *path =
      g_strdup_printf("%s/resolver-%s-dns-local.leases", session->context.run_dir, session->facts->router_ns);
  g_autofree char *text = lw_file_read(path, LEASES_MAX, NULL, NULL);
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  LwMac mac = lw_nic_mac_now(session->lab, session->facts, machine, nic);
  LwAddr address = lw_nic_address(session->lab, session->facts, machine, nic);
  for (guint i = 0; lines[i]; i++) {
    g_auto(GStrv) words = g_strsplit(lines[i], " ", 4);
    LwMac lease_mac;
    LwAddr lease_address;
    if (g_strv_length(words) == 4 && lw_mac_parse(words[1], &lease_mac) && lw_mac_equal(&lease_mac, &mac) &&
        lw_addr_parse(words[2], &lease_address) && lw_addr_equal(&lease_address, &address))
      return g_ascii_strtoull(words[0], NULL, 10);
  }
  return 0;
}

static gboolean wait_for_lease(const LwSession *session, guint machine, guint nic, guint64 before,
                               guint timeout_ms) {
  gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  while (lw_domains_lease(session, machine, nic) <= before) {
    if (g_get_monotonic_time() > deadline)
      return FALSE;
    g_usleep(POLL_US);
  }
  return TRUE;
}

gboolean lw_domains_runs(const char *name) {
  g_autoptr(GPtrArray) domains = lw_libvirt_domains(NULL);
  const LwLibvirtDomain *domain = domains ? find(domains, name) : NULL;
  return domain && domain->running;
}

gboolean lw_domains_settle(const LwSession *session, guint machine, guint nic, guint64 before) {
  const LwMachine *m = lw_lab_machine(session->lab, machine);
  guint segment = lw_nic_segment(session->lab, session->facts, machine, nic);
  if (!session->host || !lw_host_has_domain(session->facts, m) || segment == LW_NONE ||
      !lw_lab_segment(session->lab, segment)->has_dhcp || session->lab->router.kind != LW_ROUTER_BUILTIN ||
      !lw_domains_runs(m->object))
    return TRUE;
  gboolean has = wait_for_lease(session, machine, nic, before, LEASE_WAIT_MS);
  for (guint i = 0; !has && i < FLAPS && lw_libvirt_flap(m->object, nic, NULL); i++)
    has = wait_for_lease(session, machine, nic, before, LEASE_WAIT_MS);
  return has || (lw_libvirt_replug(m->object, nic, NULL) &&
                 wait_for_lease(session, machine, nic, before, REPLUG_WAIT_MS));
}

/* --- what happens
 * -------------------------------------------------------------------------------------------------------------
 */

#define RETRY_S 5

typedef struct {
  void (*changed)(const char *domain, gpointer data);
  gpointer data;
} Follower;

typedef struct {
  const Follower *follower;
  char *domain;
} Event;

static gboolean on_event(gpointer data) {
  Event *event = data;
  event->follower->changed(event->domain, event->follower->data);
  g_free(event->domain);
  g_free(event);
  return G_SOURCE_REMOVE;
}

/* In libvirt's thread. A NIC that somebody moves by hand is his business until the next apply: status tells
 * of it. */
static gboolean on_domain(const char *domain, const char *what, gpointer data) {
  if (!*domain || g_str_equal(what, "changed"))
    return TRUE;
  Event *event = g_new0(Event, 1);
  event->follower = data;
  event->domain = g_strdup(domain);
  g_idle_add(on_event, event);
  return TRUE;
}

static gpointer follow_thread(gpointer data) {
  while (data) {
    (void)lw_libvirt_follow(on_domain, data, 0, NULL);
    g_usleep(RETRY_S * G_USEC_PER_SEC);
  }
  return NULL;
}

void lw_domains_follow(void (*changed)(const char *domain, gpointer data), gpointer data) {
  static Follower follower; /* outlives whoever asked, as the thread does */
  follower = (Follower){changed, data};
  g_thread_unref(g_thread_new("libvirt", follow_thread, &follower));
}
