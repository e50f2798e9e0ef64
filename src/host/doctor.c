#include "host/doctor.h"

#include "base/netns.h"

#include <gio/gio.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>

#define WG_OVERHEAD 60u /* IPv4, UDP and WireGuard's own; 80 over IPv6 */
#define TUNNEL_MTU 1420u
#define HOST_KIB (2u * 1024 * 1024) /* what a host needs for itself */
#define ROUTER_NS "router"

typedef struct {
  const LwLab *lab;
  const LwHostWorld *world;
  const LwResourceSet *seen, *owned;
  const char *owner;
  GPtrArray *findings;
} Doctor;

void lw_finding_free(LwFinding *finding) {
  g_free(finding->what);
  g_free(finding->remedy);
  g_free(finding);
}

static void find(const Doctor *d, const char *id, gboolean problem, char *what /* transfer full */,
                 char *remedy /* transfer full */) {
  LwFinding *finding = g_new0(LwFinding, 1);
  *finding = (LwFinding){id, problem, what, remedy};
  g_ptr_array_add(d->findings, finding);
}

static gboolean exists(const char *path) {
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean has_program(const char *name) {
  g_autofree char *path = g_find_program_in_path(name);
  g_autofree char *admin = g_build_filename("/usr/sbin", name, NULL);
  return path || g_file_test(admin, G_FILE_TEST_IS_EXECUTABLE);
}

static char *read_text(const char *path) {
  char *text = NULL; /* not lw_file_read(): of /proc and /sys, where files have no size */
  return g_file_get_contents(path, &text, NULL, NULL) ? g_strstrip(text) : NULL;
}

static const char *text_of(const char *text) {
  return text ? text : "";
}

/* --- the machine
 * -------------------------------------------------------------------------------------------------------- */

static gboolean has_kind(const LwLab *lab, LwMachineKind kind) {
  for (guint i = 0; lab && i < lab->machines->len; i++)
    if (lw_lab_machine(lab, i)->kind == kind)
      return TRUE;
  return FALSE;
}

static void look_at_programs(const Doctor *d) {
  static const struct {
    const char *program, *package;
  } needed[] = {{"dnsmasq", "dnsmasq-base"}, {"dhcpcd", "dhcpcd-base"}};
  for (guint i = 0; i < G_N_ELEMENTS(needed); i++)
    if (!has_program(needed[i].program))
      find(d, "program-missing", TRUE,
           g_strdup_printf("the router needs %s, which is not here", needed[i].program),
           g_strdup_printf("apt install %s", needed[i].package));
}

static void look_at_wireguard(const Doctor *d) {
  gboolean kernel = exists("/sys/module/wireguard");
  if (!d->lab || d->lab->tunnels->len == 0 || kernel)
    return;
  if (!has_program("wireguard-go"))
    find(d, "wireguard-missing", TRUE, g_strdup("the kernel has no WireGuard, and there is no wireguard-go"),
         g_strdup("modprobe wireguard; or apt install wireguard-go"));
  else if (!exists("/dev/net/tun"))
    find(d, "tun-missing", TRUE, g_strdup("wireguard-go needs /dev/net/tun, which is not here"),
         g_strdup("modprobe tun"));
}

static void look_at_kvm(const Doctor *d) {
  if (has_kind(d->lab, LW_MACHINE_VM) && !exists("/dev/kvm"))
    find(
        d, "kvm-missing", TRUE,
        g_strdup("there is no /dev/kvm: virtual machines would be emulated, and slow"),
        g_strdup(
            "switch VT-x or AMD-V on in the firmware's setup, then: modprobe kvm_intel || modprobe kvm_amd"));
  if (has_kind(d->lab, LW_MACHINE_VM) && d->world && !d->world->libvirt)
    find(d, "libvirt-missing", TRUE, g_strdup("the file has virtual machines, and no libvirt daemon listens"),
         g_strdup("apt install libvirt-daemon-system qemu-system-x86; systemctl enable --now libvirtd"));
  g_autoptr(GDir) groups = g_dir_open("/sys/kernel/iommu_groups", 0, NULL);
  if (has_kind(d->lab, LW_MACHINE_VM) && (!groups || !g_dir_read_name(groups)))
    find(d, "iommu-off", FALSE, g_strdup("no IOMMU groups: a graphics card cannot be passed through"),
         g_strdup("add intel_iommu=on (Intel; AMD needs nothing) to GRUB_CMDLINE_LINUX, then: update-grub, "
                  "and boot"));
}

/* Its domain's XML, as libvirt keeps it; 0: not known. */
static guint64 memory_of(const char *domain) {
  g_autofree char *path = g_strdup_printf("/etc/libvirt/qemu/%s.xml", domain);
  g_autofree char *text = strchr(domain, '/') ? NULL : read_text(path);
  xmlDoc *document = text ? xmlReadMemory(text, (int)strlen(text), path, NULL,
                                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
                          : NULL;
  xmlXPathContext *context = document ? xmlXPathNewContext(document) : NULL;
  xmlXPathObject *found =
      context ? xmlXPathEvalExpression((const xmlChar *)"number(/domain/memory)", context) : NULL;
  double kib = found && found->floatval > 0 ? found->floatval : 0; /* libvirt writes KiB */
  xmlXPathFreeObject(found);
  xmlXPathFreeContext(context);
  xmlFreeDoc(document);
  return (guint64)kib;
}

static guint64 memory_here(void) {
  g_autofree char *text = read_text("/proc/meminfo");
  const char *at = text ? strstr(text, "MemTotal:") : NULL;
  return at ? g_ascii_strtoull(at + strlen("MemTotal:"), NULL, 10) : 0;
}

static void look_at_memory(const Doctor *d) {
  guint64 sum = 0, here = memory_here();
  for (guint i = 0; d->lab && i < d->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(d->lab, i);
    if (machine->kind == LW_MACHINE_VM)
      sum += memory_of(machine->object);
  }
  if (here && sum + HOST_KIB > here)
    find(d, "memory", TRUE,
         g_strdup_printf("the machines' memory, %" G_GUINT64_FORMAT
                         " MiB, and 2 GiB for the host are more than "
                         "the %" G_GUINT64_FORMAT " MiB that are here",
                         sum / 1024, here / 1024),
         g_strdup("virsh setmaxmem DOMAIN SIZE --config; virsh setmem DOMAIN SIZE --config"));
}

/* --- the uplink
 * ----------------------------------------------------------------------------------------------------------
 */

static const LwResource *link_named(const LwResourceSet *seen, const char *name) {
  for (guint i = 0; name && i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (r->kind == LW_RES_LINK && !*text_of(r->ns) && g_str_equal(text_of(r->name), name))
      return r;
  }
  return NULL;
}

static void look_at_uplink(const Doctor *d) {
  const LwHost *host = &d->lab->host;
  const char *name = host->uplink ? host->uplink : "the uplink's MAC";
  const LwResource *link = link_named(d->seen, d->world->uplink);
  switch (d->world->keeper) {
  case LW_UPLINK_MISSING:
    find(d, "uplink-missing", TRUE, g_strdup_printf("there is no interface for uplink: %s", name),
         g_strdup("ip -brief link, and write its name or its MAC into the file"));
    return;
  case LW_UPLINK_IFUPDOWN:
    find(d, "uplink-ifupdown", TRUE, g_strdup_printf("/etc/network/interfaces configures %s", name),
         g_strdup_printf("comment its lines out, then: nmcli device set %s managed yes", name));
    break;
  case LW_UPLINK_NETWORKD:
    find(d, "uplink-networkd", TRUE, g_strdup_printf("systemd-networkd configures %s", name),
         g_strdup_printf("make %s there: a .netdev with Kind=bridge, Bridge=%s in the .network of %s; then: "
                         "networkctl reload",
                         host->bridge, host->bridge, name));
    break;
  case LW_UPLINK_NOBODY:
    if (d->world->networkmanager)
      find(d, "uplink-unmanaged", FALSE,
           g_strdup_printf(
               "NetworkManager runs and does not manage %s: its bridge will not outlive a boot by itself",
               name),
           g_strdup_printf("nmcli device set %s managed yes", name));
    break;
  default:
    break;
  }
  if (link && *text_of(link->master) && !g_str_equal(link->master, host->bridge))
    find(d, "uplink-enslaved", TRUE, g_strdup_printf("%s is a port of %s already", name, link->master),
         g_strdup_printf("write bridge: %s into the file's host:, or: ip link set %s nomaster", link->master,
                         name));
}

static void look_at_mtu(const Doctor *d) {
  const LwResource *link = link_named(d->seen, d->world->uplink);
  for (guint i = 0; link && link->mtu && i < d->lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(d->lab, i);
    guint mtu = tunnel->wg.mtu ? tunnel->wg.mtu : TUNNEL_MTU;
    if (mtu + WG_OVERHEAD > link->mtu)
      find(d, "tunnel-mtu", TRUE,
           g_strdup_printf(
               "packets of tunnel %s (MTU %u) do not fit the uplink's %u: they would be cut or lost",
               tunnel->name, mtu, link->mtu),
           g_strdup_printf("write MTU = %u into %s", link->mtu - WG_OVERHEAD, tunnel->path));
  }
}

/* --- what is in the way
 * -------------------------------------------------------------------------------------------------- */

static gboolean is_owned(const Doctor *d, const LwResource *like) {
  g_autofree char *key = lw_resource_key(like);
  return d->owned && lw_resource_set_find(d->owned, key);
}

static void look_at_name(const Doctor *d, const char *name, const char *of) {
  const LwResource *link = link_named(d->seen, name);
  if (link && !g_str_equal(text_of(link->alias), d->owner))
    find(d, "name-clash", TRUE, g_strdup_printf("%s, for %s, is there already and not lanward's", name, of),
         g_strdup_printf(
             "ip link delete %s, if nothing needs it; or write bridge: ANOTHER for %s into the file", name,
             of));
}

static void look_at_names(const Doctor *d) {
  for (guint i = 0; i < d->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(d->lab, i);
    look_at_name(d, s->bridge, s->name);
  }
  if (d->world->keeper != LW_UPLINK_NETWORKMANAGER)
    look_at_name(d, d->lab->host.management.bridge, "management");
  g_autoptr(LwResource) router = lw_resource_new(LW_RES_NETNS, NULL, ROUTER_NS);
  if (d->lab->router.kind == LW_ROUTER_BUILTIN && lw_netns_exists(ROUTER_NS) && !is_owned(d, router))
    find(d, "namespace-clash", TRUE,
         g_strdup("a network namespace “router” is there already and not lanward's"),
         g_strdup("ip netns delete router, if nothing needs it"));
}

static gboolean is_labs_link(const Doctor *d, const char *name) {
  const LwResource *link = link_named(d->seen, name);
  return g_str_equal(name, d->lab->host.management.bridge) ||
         (link && g_str_equal(text_of(link->alias), d->owner) && !g_str_equal(name, d->lab->host.bridge));
}

static void look_at_overlap(const Doctor *d, const LwResource *address, const LwPrefix *subnet,
                            const char *of) {
  LwPrefix network = lw_prefix_network(&address->prefix);
  if (address->prefix.addr.family != subnet->addr.family || !lw_prefix_overlaps(&network, subnet))
    return;
  g_autofree char *there = lw_prefix_format(&address->prefix);
  g_autofree char *ours = lw_prefix_format(subnet);
  find(d, "address-clash", TRUE,
       g_strdup_printf("%s has %s, which overlaps %s (%s)", address->link, there, of, ours),
       g_strdup_printf("give %s another subnet in the file, or %s another address", of, address->link));
}

static void look_at_addresses(const Doctor *d) {
  for (guint i = 0; i < d->seen->list->len; i++) {
    const LwResource *r = d->seen->list->pdata[i];
    if (r->kind != LW_RES_ADDRESS || *text_of(r->ns) || is_labs_link(d, text_of(r->link)))
      continue;
    look_at_overlap(d, r, &d->lab->host.management.subnet, "management");
    for (guint s = 0; s < d->lab->segments->len; s++)
      look_at_overlap(d, r, &lw_lab_segment(d->lab, s)->subnet, lw_lab_segment(d->lab, s)->name);
  }
}

/* --- the host's own rules and routes
 * ---------------------------------------------------------------------------------------- */

static void look_at_forwarding(const Doctor *d) {
  g_autofree char *value = read_text("/proc/sys/net/ipv4/ip_forward");
  if (d->lab->host.networks->len && value && g_str_equal(value, "0"))
    find(d, "forwarding-off", TRUE,
         g_strdup("the file has networks: behind this host, and it does not forward"),
         g_strdup("echo net.ipv4.ip_forward=1 >/etc/sysctl.d/lanward.conf; sysctl --system"));
}

/* Services of the host that the file opens to somebody. */
static gboolean offers_services(const LwLab *lab) {
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(lab, i);
    if (s->trust_host)
      return TRUE;
    for (guint a = 0; a < s->allow->len; a++) {
      LwTargetKind kind = ((const LwAllow *)s->allow->pdata[a])->target.kind;
      if (kind == LW_TARGET_HOST || kind == LW_TARGET_HOST_SERVICE)
        return TRUE;
    }
  }
  return FALSE;
}

static void look_at_ufw(const Doctor *d) {
  g_autofree char *conf = read_text("/etc/ufw/ufw.conf");
  g_autofree char *rules = read_text("/etc/ufw/user.rules");
  const char *bridge = d->lab->host.management.bridge;
  if (conf && strstr(conf, "ENABLED=yes") && !(rules && strstr(rules, bridge)))
    find(d, "firewall-ufw", TRUE,
         g_strdup_printf("ufw is on and lets nothing in by %s: the services that the file opens stay closed",
                         bridge),
         g_strdup_printf("ufw allow in on %s (lanward's router lets in what the file says and no more)",
                         bridge));
}

static GVariant *ask_firewalld(GDBusConnection *bus, const char *interface, const char *method,
                               GVariant *arguments) {
  return g_dbus_connection_call_sync(bus, "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1",
                                     interface, method, arguments, G_VARIANT_TYPE("(s)"),
                                     G_DBUS_CALL_FLAGS_NO_AUTO_START, 3000, NULL, NULL);
}

static void look_at_firewalld(const Doctor *d) {
  const char *bridge = d->lab->host.management.bridge, *zone = NULL;
  g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, NULL);
  g_autoptr(GVariant) normal =
      bus ? ask_firewalld(bus, "org.fedoraproject.FirewallD1", "getDefaultZone", NULL) : NULL;
  if (!normal)
    return;
  g_autoptr(GVariant) own = ask_firewalld(bus, "org.fedoraproject.FirewallD1.zone", "getZoneOfInterface",
                                          g_variant_new("(s)", bridge));
  g_variant_get(own ? own : normal, "(&s)", &zone);
  if (!*zone)
    g_variant_get(normal, "(&s)", &zone);
  if (!g_str_equal(zone, "trusted"))
    find(d, "firewall-firewalld", TRUE,
         g_strdup_printf("firewalld has %s in its zone %s: services that the file opens may stay closed",
                         bridge, zone),
         g_strdup_printf(
             "firewall-cmd --permanent --zone=trusted --change-interface=%s; firewall-cmd --reload "
             "(lanward's router lets in what the file says and no more)",
             bridge));
}

static void look_at_autostart(const Doctor *d) {
  for (guint i = 0; i < d->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(d->lab, i);
    g_autofree char *path = g_strdup_printf("/etc/libvirt/qemu/autostart/%s.xml", machine->object);
    if (machine->kind == LW_MACHINE_VM && g_file_test(path, G_FILE_TEST_IS_SYMLINK | G_FILE_TEST_EXISTS))
      find(d, "autostart", TRUE,
           g_strdup_printf("libvirt starts %s at boot by itself, before its segment has a router",
                           machine->object),
           g_strdup_printf("virsh autostart --disable %s", machine->object));
  }
}

static void look_at_units(const Doctor *d) {
  static const struct {
    const char *unit, *path;
  } units[] = {{"lanward-block.service", "/etc/systemd/system/sysinit.target.wants/lanward-block.service"},
               {"lanward.service", "/etc/systemd/system/multi-user.target.wants/lanward.service"}};
  for (guint i = 0; exists("/run/systemd/system") && i < G_N_ELEMENTS(units); i++)
    if (!g_file_test(units[i].path, G_FILE_TEST_IS_SYMLINK))
      find(d, "unit-disabled", FALSE,
           g_strdup_printf("%s is not enabled: the lab does not come back by itself after a boot",
                           units[i].unit),
           g_strdup_printf("systemctl enable %s", units[i].unit));
}

GPtrArray *lw_host_doctor(const LwLab *lab, const LwHostWorld *world, const LwResourceSet *seen,
                          const char *owner, const LwResourceSet *owned) {
  Doctor d = {lab,   world, seen,
              owned, owner, g_ptr_array_new_with_free_func((GDestroyNotify)lw_finding_free)};
  look_at_programs(&d);
  look_at_wireguard(&d);
  look_at_kvm(&d);
  look_at_memory(&d);
  look_at_units(&d);
  if (!lab)
    return d.findings;
  look_at_uplink(&d);
  look_at_mtu(&d);
  look_at_names(&d);
  look_at_addresses(&d);
  look_at_forwarding(&d);
  look_at_autostart(&d);
  if (offers_services(lab)) {
    look_at_ufw(&d);
    look_at_firewalld(&d);
  }
  return d.findings;
}
