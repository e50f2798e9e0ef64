#include "doctor/findings.h"

#include <stdlib.h>
#include <string.h>

#define GIB (G_GUINT64_CONSTANT(1) << 30)
#define OLDEST_LIBVIRT "9.0"
#define OLDEST_NM "1.42"
#define WIREGUARD_OVERHEAD 60 /* of IPv4: 20 + 8 + 32 */
#define HOST_MEMORY (2 * GIB) /* the host's own, at least; and a tenth */
#define VIDEO_ENOUGH GIB

typedef struct {
  const LwSeen *seen;
  const LwLab *lab; /* nullable */
  GPtrArray *findings;
} Doctor;

static void finding_free(gpointer data) {
  LwFinding *finding = data;
  g_free(finding->what);
  g_free(finding->harm);
  g_free(finding->remedy);
  g_free(finding->place);
  g_free(finding);
}

/* Takes the strings. */
static void find(const Doctor *d, const char *id, char *place, char *what, char *harm, char *remedy) {
  LwFinding *finding = g_new0(LwFinding, 1);
  *finding = (LwFinding){id, what, harm, remedy, place};
  g_ptr_array_add(d->findings, finding);
}

static char *gib(guint64 bytes) {
  return g_strdup_printf("%.1f GiB", (double)bytes / (double)GIB);
}

static guint count_machines(const LwLab *lab, LwMachineKind kind) {
  guint count = 0;
  for (guint i = 0; lab && i < lab->machines->len; i++)
    count += lw_lab_machine(lab, i)->kind == kind;
  return count;
}

/* --- hardware
 * ----------------------------------------------------------------------------------------------------------
 */

static void find_kvm(const Doctor *d) {
  gboolean wanted =
      !d->lab || d->lab->router.kind == LW_ROUTER_OPNSENSE || count_machines(d->lab, LW_MACHINE_VM) > 0;
  if (d->seen->kvm || !wanted)
    return;
  find(
      d, "kvm-missing", g_strdup("/dev/kvm"), g_strdup("there is no KVM"),
      g_strdup("virtual machines would be emulated: some ten times slower"),
      g_strdup(d->seen->cpu_virtualises
                   ? "modprobe kvm_intel (or kvm_amd); `dmesg | grep kvm` says why it does not load"
                   : "turn VT-x (Intel) or SVM (AMD) on in the firmware's setup; on a rented machine ask for "
                     "nested virtualisation"));
}

static void find_iommu(const Doctor *d) {
  if (d->seen->iommu_asked && d->seen->iommu_groups == 0)
    find(d, "iommu", g_strdup("/proc/cmdline"), g_strdup("an IOMMU is asked for, and there is none"),
         g_strdup("no device can be handed to a virtual machine"),
         g_strdup("turn VT-d (Intel) or AMD-Vi/IOMMU on in the firmware's setup"));
  for (guint i = 0; i < d->seen->splits->len; i++) {
    const LwSeenSplit *split = d->seen->splits->pdata[i];
    find(
        d, "iommu-group", g_strdup_printf("/sys/kernel/iommu_groups/%s", split->group),
        g_strdup_printf("%s is held by %s, and shares IOMMU group %s with %s, which is given to guests",
                        split->other, split->driver, split->group, split->given),
        g_strdup_printf("a virtual machine with %s does not start", split->given),
        g_strdup_printf("bind %s to vfio-pci, too (driverctl set-override %s vfio-pci), or put the card into "
                        "another slot",
                        split->other, split->other));
  }
}

/* What the machines take: the lab's, else those that start by themselves. */
static guint64 machines_memory(const Doctor *d, guint *count) {
  guint64 sum = 0;
  for (guint i = 0; i < d->seen->domains->len; i++) {
    const LwSeenDomain *domain = d->seen->domains->pdata[i];
    gboolean ours = d->lab ? g_strcmp0(d->lab->router.vm, domain->name) == 0 : domain->autostart;
    for (guint m = 0; d->lab && m < d->lab->machines->len; m++) {
      const LwMachine *machine = lw_lab_machine(d->lab, m);
      ours |= machine->kind == LW_MACHINE_VM && g_strcmp0(machine->object, domain->name) == 0;
    }
    sum += ours ? domain->memory : 0;
    *count += ours;
  }
  return sum;
}

static void find_memory(const Doctor *d) {
  guint count = 0;
  guint64 wanted = machines_memory(d, &count);
  guint64 room = MAX(HOST_MEMORY, d->seen->memory / 10);
  if (!d->seen->memory || !wanted || wanted + room <= d->seen->memory)
    return;
  g_autofree char *sum = gib(wanted), *own = gib(room), *all = gib(d->seen->memory);
  find(d, "memory", g_strdup(d->lab ? "machines:" : "/etc/libvirt/qemu/autostart"),
       g_strdup_printf("%u virtual machines want %s; the host has %s and needs %s of it itself", count, sum,
                       all, own),
       g_strdup("the kernel ends one of them when memory runs out, and not the one that you would choose"),
       g_strdup("virsh setmaxmem and setmem --config: give them less; or let fewer of them run"));
}

static void find_video(const Doctor *d) {
  const LwSeen *seen = d->seen;
  /* a sound kernel keeps some two per cent for its own tables, firmware up to half a GiB */
  guint64 gone = seen->memory_fitted > seen->memory ? seen->memory_fitted - seen->memory : 0;
  guint64 kept = seen->memory_fitted / 50 + GIB / 2;
  guint64 video = seen->video ? seen->video : gone > kept ? gone - kept : 0;
  if (video <= VIDEO_ENOUGH)
    return;
  g_autofree char *size = gib(video);
  find(d, "video-memory", g_strdup(seen->video ? seen->video_path : "/proc/meminfo"),
       g_strdup_printf("%s of memory are kept from the system%s", size,
                       seen->video ? " for the integrated GPU" : ", as an integrated GPU does"),
       g_strdup("it is missing for virtual machines, used or not"),
       g_strdup("set “UMA frame buffer size” (also: iGPU memory, DVMT pre-allocated) to 512 MB or less in "
                "the firmware's setup"));
}

/* --- programs
 * ----------------------------------------------------------------------------------------------------------
 */

static void find_programs(const Doctor *d) {
  static const struct {
    const char *name, *package;
    gsize there;
  } programs[] = {{"dnsmasq", "dnsmasq-base", G_STRUCT_OFFSET(LwSeen, dnsmasq)},
                  {"dhcpcd", "dhcpcd-base", G_STRUCT_OFFSET(LwSeen, dhcpcd)}};
  for (gsize i = 0; i < G_N_ELEMENTS(programs); i++)
    if (!G_STRUCT_MEMBER(gboolean, d->seen, programs[i].there))
      find(d, "program-missing", g_strdup("/usr/sbin"), g_strdup_printf("%s is not here", programs[i].name),
           g_strdup("the builtin router hands out no addresses, or gets none"),
           g_strdup_printf("apt install %s", programs[i].package));
  if (d->lab && count_machines(d->lab, LW_MACHINE_VM) && !d->seen->libvirt_listens)
    find(d, "libvirt-missing", g_strdup("/run/libvirt"),
         g_strdup("the file has virtual machines, and no libvirt daemon listens"),
         g_strdup("they are plugged in nowhere"),
         g_strdup("apt install libvirt-daemon-system qemu-system-x86; systemctl enable --now libvirtd"));
  if (!d->lab || d->lab->tunnels->len == 0 || d->seen->wireguard)
    return;
  if (!d->seen->wireguard_go)
    find(d, "wireguard-missing", g_strdup("/sys/module/wireguard"),
         g_strdup("the kernel has no WireGuard loaded, and there is no wireguard-go"),
         g_strdup("no tunnel comes up"), g_strdup("modprobe wireguard; or apt install wireguard-go"));
  else if (!d->seen->tun)
    find(d, "tun-missing", g_strdup("/dev/net/tun"), g_strdup("wireguard-go has no /dev/net/tun"),
         g_strdup("no tunnel comes up"), g_strdup("modprobe tun"));
}

/* --- versions
 * ----------------------------------------------------------------------------------------------------------
 */

/* Dots and numbers, as far as the second has them; an epoch is none of it. */
static gboolean is_older(const char *version, const char *than) {
  const char *colon = strchr(version, ':');
  version = colon ? colon + 1 : version;
  for (;;) {
    char *end = NULL, *than_end = NULL;
    guint64 a = g_ascii_strtoull(version, &end, 10), b = g_ascii_strtoull(than, &than_end, 10);
    if (a != b || *than_end != '.')
      return a < b;
    version = *end == '.' ? end + 1 : end;
    than = than_end + 1;
  }
}

static void find_old(const Doctor *d, const char *id, const char *name, const char *version,
                     const char *oldest) {
  if (!version || !is_older(version, oldest))
    return;
  find(d, id, g_strdup("/var/lib/dpkg/status"),
       g_strdup_printf("%s is version %s; lanward is tried from %s on", name, version, oldest),
       g_strdup("live moves and takeovers may not do what they should"),
       g_strdup("upgrade to Debian 12 or newer"));
}

/* --- the network
 * ------------------------------------------------------------------------------------------------------- */

static void find_bridge_filter(const Doctor *d) {
  if (!d->seen->bridge_nf || !d->seen->forward_drop)
    return;
  find(d, "bridge-firewall", g_strdup("/proc/sys/net/bridge/bridge-nf-call-iptables"),
       g_strdup("bridged packets go through iptables, whose FORWARD drops (Docker sets both)"),
       g_strdup("machines of one segment do not reach each other, nor the router"),
       g_strdup("let it be off: echo net.bridge.bridge-nf-call-iptables=0 >/etc/sysctl.d/99-lanward.conf and "
                "sysctl --system, after br_netfilter is loaded (echo br_netfilter >/etc/modules-load.d/"
                "br_netfilter.conf); or iptables -I DOCKER-USER -m physdev --physdev-is-bridged -j ACCEPT"));
}

/* The NIC that a lab takes, or would. */
static const char *uplink_of(const Doctor *d) {
  if (!d->lab)
    return lw_seen_uplink(d->seen);
  if (d->lab->host.uplink)
    return d->lab->host.uplink;
  for (guint i = 0; i < d->seen->links->len; i++) {
    const LwSeenLink *link = d->seen->links->pdata[i];
    if (!link->is_bridge && lw_mac_is_set(&link->mac) && lw_mac_equal(&link->mac, &d->lab->host.uplink_mac))
      return link->name;
  }
  return NULL;
}

static char *place_of(const LwOrigin *origin, const char *otherwise) {
  return origin && origin->file ? lw_origin_format(origin) : g_strdup(otherwise);
}

static void find_uplink(const Doctor *d) {
  const char *uplink = uplink_of(d);
  const LwOrigin *origin = d->lab ? &d->lab->host.origin : NULL;
  if (d->lab && (!uplink || !lw_seen_link(d->seen, uplink)))
    find(d, "uplink-missing", place_of(origin, "host:"),
         g_strdup_printf("there is no interface %s", uplink ? uplink : "with the uplink's MAC"),
         g_strdup("nothing can be applied"),
         g_strdup("`ip link` lists those that there are: correct uplink:"));
  if (!d->lab && !uplink)
    find(d, "uplink-missing", g_strdup("/proc/net/route"),
         g_strdup("there is no default route, and so no uplink"), g_strdup("a lab has no way out"),
         g_strdup("connect the machine to its home router first"));
  const LwSeenLink *link = d->lab ? lw_seen_link(d->seen, uplink) : NULL;
  if (link && link->master && !g_str_equal(link->master, d->lab->host.bridge))
    find(d, "uplink-enslaved", place_of(origin, "host:"),
         g_strdup_printf("%s is a port of %s already", uplink, link->master),
         g_strdup_printf("a NIC is a port of one bridge: it cannot be one of %s", d->lab->host.bridge),
         g_strdup_printf("write bridge: %s under host: in the file; or: ip link set %s nomaster",
                         link->master, uplink));
  const char *file = uplink ? g_hash_table_lookup(d->seen->ifupdown, uplink) : NULL;
  if (file)
    find(d, "uplink-ifupdown", g_strdup(file), g_strdup_printf("%s configures %s", file, uplink),
         g_strdup("NetworkManager keeps off it, and the next boot takes the NIC from the lab's bridge"),
         g_strdup_printf(
             "comment its lines out there, then systemctl restart NetworkManager and nmcli device set "
             "%s managed yes",
             uplink));
  if (uplink && g_hash_table_contains(d->seen->networkd, uplink))
    find(
        d, "uplink-networkd", g_strdup("/etc/systemd/network"),
        g_strdup_printf("systemd-networkd keeps %s", uplink),
        g_strdup("two would configure it, each undoing the other"),
        g_strdup("make the bridge there (a .netdev with Kind=bridge, Bridge= in the NIC's .network), or give "
                 "the NIC to NetworkManager (Unmanaged=yes there)"));
}

static void find_tunnel_mtu(const Doctor *d) {
  const LwSeenLink *uplink = lw_seen_link(d->seen, uplink_of(d));
  for (guint i = 0; d->lab && uplink && uplink->mtu && i < d->lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(d->lab, i);
    guint mtu = tunnel->wg.mtu ? tunnel->wg.mtu : 1420;
    if (mtu + WIREGUARD_OVERHEAD <= uplink->mtu)
      continue;
    find(d, "tunnel-mtu", lw_origin_format(&tunnel->origin),
         g_strdup_printf("tunnel %s has MTU %u, which with WireGuard's %d bytes does not fit %s's %u",
                         tunnel->name, mtu, WIREGUARD_OVERHEAD, uplink->name, uplink->mtu),
         g_strdup("large packets are cut in two, or get lost: pages that load by half"),
         g_strdup_printf("MTU = %u in %s", uplink->mtu - WIREGUARD_OVERHEAD, tunnel->path));
  }
}

/* Whose it is, if somebody's that lanward takes it over from, or its own. */
static gboolean is_known_bridge(const LwSeen *seen, const LwSeenLink *link) {
  if (g_strcmp0(link->alias, "lanward") == 0)
    return TRUE;
  for (guint i = 0; i < seen->networks->len; i++)
    if (g_strcmp0(((LwSeenNetwork *)seen->networks->pdata[i])->bridge, link->name) == 0)
      return TRUE;
  for (guint i = 0; i < seen->profiles->len; i++)
    if (g_str_equal(((LwSeenProfile *)seen->profiles->pdata[i])->bridge, link->name))
      return TRUE;
  return FALSE;
}

static void find_ipv6(const Doctor *d, const LwSegment *segment) {
  const LwSeenLink *link = lw_seen_link(d->seen, segment->bridge);
  if (d->seen->guarded || !link || !link->is_bridge || !link->ipv6 || !is_known_bridge(d->seen, link))
    return;
  find(d, "ipv6", g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", segment->bridge),
       g_strdup_printf("the host speaks IPv6 on %s", segment->bridge),
       g_strdup_printf("machines of %s reach the host by its link-local address, round every rule of IPv4, "
                       "until lanward's host-guard is in force",
                       segment->name),
       g_strdup_printf("lanward apply closes it; by hand: sysctl net.ipv6.conf.%s.disable_ipv6=1",
                       segment->bridge));
}

/* --- clashes
 * -----------------------------------------------------------------------------------------------------------
 */

/* host.bridge over the uplink may be anybody's: it is left as it is. */
static void find_name_clash(const Doctor *d, const char *name, LwOrigin origin) {
  const LwSeenLink *link = lw_seen_link(d->seen, name);
  const LwSeenLink *uplink = lw_seen_link(d->seen, uplink_of(d));
  if (!link || (link->is_bridge && is_known_bridge(d->seen, link)) ||
      (link->is_bridge && uplink && g_strcmp0(uplink->master, name) == 0))
    return;
  find(d, "name-clash", lw_origin_format(&origin),
       g_strdup_printf("%s is there already, and not lanward's", name),
       g_strdup("apply refuses, before anything is touched"),
       g_strdup_printf("ip link delete %s, if nothing needs it; or another name by bridge: in the file",
                       name));
}

static gboolean is_labs(const LwLab *lab, const char *link) {
  if (g_str_equal(link, lab->host.management.bridge))
    return TRUE;
  for (guint i = 0; i < lab->segments->len; i++)
    if (g_str_equal(link, lw_lab_segment(lab, i)->bridge))
      return TRUE;
  return FALSE;
}

/* lanward's own route of a segment leads to br-mgmt. */
static void find_address_clash(const Doctor *d, const char *name, const LwPrefix *subnet, LwOrigin origin) {
  for (guint i = 0; i < d->seen->routes->len; i++) {
    const LwSeenRoute *route = d->seen->routes->pdata[i];
    if (route->prefix.len == 0 || is_labs(d->lab, route->link) || !lw_prefix_overlaps(&route->prefix, subnet))
      continue;
    g_autofree char *there = lw_prefix_format(&route->prefix);
    find(d, "address-clash", lw_origin_format(&origin),
         g_strdup_printf("%s overlaps %s, which this machine reaches by %s", name, there, route->link),
         g_strdup("packets for one of them arrive at the other"),
         g_strdup_printf("give %s another subnet, or %s", name,
                         g_str_has_prefix(route->link, "docker") || g_str_has_prefix(route->link, "br-")
                             ? "Docker other pools (default-address-pools in /etc/docker/daemon.json)"
                             : "whatever is there"));
  }
}

static void find_clashes(const Doctor *d) {
  if (!d->lab)
    return;
  const LwHost *host = &d->lab->host;
  find_name_clash(d, host->bridge, host->origin);
  find_name_clash(d, host->management.bridge, host->management.origin);
  find_address_clash(d, "the management network", &host->management.subnet, host->management.origin);
  for (guint i = 0; i < d->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(d->lab, i);
    find_name_clash(d, segment->bridge, segment->origin);
    find_address_clash(d, segment->name, &segment->subnet, segment->origin);
    find_ipv6(d, segment);
  }
  if (d->lab->router.kind == LW_ROUTER_BUILTIN && d->seen->router_ns && !d->seen->applied)
    find(d, "namespace-clash", g_strdup("/run/netns/router"),
         g_strdup("a network namespace “router” is there already, and not lanward's"),
         g_strdup("apply refuses, before anything is touched"),
         g_strdup("ip netns delete router, if nothing needs it"));
}

/* --- the host's own rules
 * ---------------------------------------------------------------------------------------------- */

/* Does the file open anything of the host? */
static gboolean offers_services(const LwLab *lab) {
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    if (segment->trust_host)
      return TRUE;
    for (guint a = 0; a < segment->allow->len; a++) {
      LwTargetKind kind = ((const LwAllow *)segment->allow->pdata[a])->target.kind;
      if (kind == LW_TARGET_HOST || kind == LW_TARGET_HOST_SERVICE)
        return TRUE;
    }
  }
  return FALSE;
}

static void find_firewalls(const Doctor *d) {
  const LwSeen *seen = d->seen;
  if (!d->lab)
    return;
  const char *bridge = d->lab->host.management.bridge;
  if (d->lab->host.networks->len && !seen->forwards)
    find(d, "forwarding-off", g_strdup("/proc/sys/net/ipv4/ip_forward"),
         g_strdup("the file has networks: behind this host, and it does not forward"),
         g_strdup("nobody reaches them"),
         g_strdup("echo net.ipv4.ip_forward=1 >/etc/sysctl.d/lanward.conf; sysctl --system"));
  if (!offers_services(d->lab))
    return;
  if (seen->ufw && !(seen->ufw_rules && strstr(seen->ufw_rules, bridge)))
    find(d, "firewall-ufw", g_strdup("/etc/ufw/user.rules"),
         g_strdup_printf("ufw is on and lets nothing in by %s", bridge),
         g_strdup("services that the file opens stay closed"),
         g_strdup_printf(
             "lanward apply makes a rule of ufw's for each service that the file opens, and down takes them "
             "away; by hand: ufw allow in on %s",
             bridge));
  gboolean trusted = g_strcmp0(seen->firewalld_default, "trusted") == 0 ||
                     (seen->firewalld_trusted && strstr(seen->firewalld_trusted, bridge));
  if (seen->systemd && seen->firewalld && !trusted)
    find(d, "firewall-firewalld", g_strdup("/etc/firewalld/zones"),
         g_strdup_printf("firewalld does not trust %s", bridge),
         g_strdup("services that the file opens may stay closed"),
         g_strdup_printf("lanward plan names the commands that open what the file allows; or for everything, "
                         "since lanward's router "
                         "lets in no more than that: firewall-cmd --permanent --zone=trusted "
                         "--change-interface=%s; firewall-cmd "
                         "--reload",
                         bridge));
}

/* Before the first apply there is nothing that should come back. */
static void find_units(const Doctor *d) {
  static const char *const names[] = {"lanward-block.service", "lanward.service"};
  const gboolean enabled[] = {d->seen->unit_block, d->seen->unit_lanward};
  for (gsize i = 0; d->seen->systemd && d->seen->applied && i < G_N_ELEMENTS(names); i++)
    if (!enabled[i])
      find(d, "unit-disabled", g_strdup("/etc/systemd/system"),
           g_strdup_printf("%s is not enabled", names[i]),
           g_strdup(i == 0 ? "between the boot and lanward this machine forwards for the lab's machines"
                           : "the lab does not come back by itself after a boot"),
           g_strdup_printf("systemctl enable %s", names[i]));
}

/* --- who starts what
 * --------------------------------------------------------------------------------------------------- */

static const LwMachine *machine_of(const LwLab *lab, LwMachineKind kind, const char *object) {
  for (guint i = 0; lab && i < lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(lab, i);
    if (machine->kind == kind && g_strcmp0(machine->object, object) == 0)
      return machine;
  }
  return NULL;
}

static gboolean is_labs_domain(const LwLab *lab, const char *name) {
  return lab && (g_strcmp0(lab->router.vm, name) == 0 || machine_of(lab, LW_MACHINE_VM, name));
}

static gboolean names_labs_domain(const Doctor *d, const char *line) {
  for (guint i = 0; i < d->seen->domains->len; i++) {
    const LwSeenDomain *domain = d->seen->domains->pdata[i];
    if (is_labs_domain(d->lab, domain->name) && strstr(line, domain->name))
      return TRUE;
  }
  return strstr(line, "$") != NULL; /* a loop over names: which, only a run tells */
}

static void find_starters(const Doctor *d) {
  for (guint i = 0; i < d->seen->domains->len; i++) {
    const LwSeenDomain *domain = d->seen->domains->pdata[i];
    if (!domain->autostart || !is_labs_domain(d->lab, domain->name))
      continue;
    find(d, "autostart", g_strdup_printf("/etc/libvirt/qemu/autostart/%s.xml", domain->name),
         g_strdup_printf("libvirt starts %s by itself", domain->name),
         g_strdup("it may run before its router, and gives up asking for an address"),
         g_strdup_printf("virsh autostart --disable %s, and “start: {}” in the file: lanward starts it when "
                         "its router is ready",
                         domain->name));
  }
  for (guint i = 0; d->lab && i < d->seen->starters->len; i++) {
    const LwSeenStarter *starter = d->seen->starters->pdata[i];
    if (!names_labs_domain(d, starter->line))
      continue;
    g_autofree char *unit = g_path_get_basename(starter->path);
    find(d, "starter", g_strdup(starter->path),
         g_strdup_printf("%s starts machines, too: %s", unit, starter->line),
         g_strdup("it races lanward's own order at each boot"),
         g_strdup_printf("systemctl disable %s", unit));
  }
  if (count_machines(d->lab, LW_MACHINE_CONTAINER) && d->seen->docker_enabled && !d->seen->docker_after)
    find(d, "docker-order", g_strdup("/etc/systemd/system/docker.service.d"),
         g_strdup("Docker starts its containers in no order with lanward"),
         g_strdup("a container of the lab may run before its segment is there: without a network until it is "
                  "plugged in"),
         g_strdup("systemctl edit docker.service, and there: [Unit], After=lanward.service"));
}

GPtrArray *lw_doctor_findings(const LwSeen *seen, const LwLab *lab) {
  Doctor d = {seen, lab, g_ptr_array_new_with_free_func(finding_free)};
  find_kvm(&d);
  find_iommu(&d);
  find_old(&d, "libvirt-version", "libvirt", seen->libvirt, OLDEST_LIBVIRT);
  find_old(&d, "networkmanager-version", "NetworkManager", seen->nm, OLDEST_NM);
  find_bridge_filter(&d);
  find_uplink(&d);
  find_tunnel_mtu(&d);
  find_clashes(&d);
  find_programs(&d);
  find_firewalls(&d);
  find_units(&d);
  find_memory(&d);
  find_video(&d);
  find_starters(&d);
  return d.findings;
}
