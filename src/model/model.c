#include "model/model.h"

#include <string.h>

static void service_free(gpointer data) {
  LwService *service = data;
  g_free(service->name);
  g_array_unref(service->ports);
  g_free(service);
}

LwService *lw_service_new(void) {
  LwService *service = g_new0(LwService, 1);
  service->ports = g_array_new(FALSE, TRUE, sizeof(LwPorts));
  return service;
}

static void network_free(gpointer data) {
  LwNetwork *network = data;
  g_free(network->name);
  g_free(network);
}

LwNetwork *lw_network_new(void) {
  return g_new0(LwNetwork, 1);
}

LwTunnel *lw_tunnel_new(void) {
  LwTunnel *tunnel = g_new0(LwTunnel, 1);
  tunnel->wg.addresses = g_array_new(FALSE, TRUE, sizeof(LwPrefix));
  tunnel->wg.dns = g_array_new(FALSE, TRUE, sizeof(LwAddr));
  tunnel->wg.allowed = g_array_new(FALSE, TRUE, sizeof(LwPrefix));
  return tunnel;
}

void lw_tunnel_free(LwTunnel *tunnel) {
  if (!tunnel)
    return;
  LwWireguard *wg = &tunnel->wg;
  g_free(wg->private_key);
  g_free(wg->peer_public_key);
  g_free(wg->preshared_key);
  g_free(wg->endpoint_host);
  g_clear_pointer(&wg->addresses, g_array_unref);
  g_clear_pointer(&wg->dns, g_array_unref);
  g_clear_pointer(&wg->allowed, g_array_unref);
  g_free(tunnel->name);
  g_free(tunnel->path);
  g_free(tunnel);
}

LwAddr lw_tunnel_address(const LwTunnel *tunnel) {
  for (guint i = 0; i < tunnel->wg.addresses->len; i++) {
    const LwPrefix *prefix = &g_array_index(tunnel->wg.addresses, LwPrefix, i);
    if (prefix->addr.family == 4)
      return prefix->addr;
  }
  return LW_ADDR_NONE;
}

static void tunnel_free(gpointer data) {
  lw_tunnel_free(data);
}

LwAllow *lw_allow_new(void) {
  LwAllow *allow = g_new0(LwAllow, 1);
  allow->target = (LwTarget){.index = LW_NONE, .machine = LW_NONE};
  allow->ports = g_array_new(FALSE, TRUE, sizeof(LwPorts));
  allow->from = g_array_new(FALSE, TRUE, sizeof(LwRange));
  return allow;
}

static void allow_free(gpointer data) {
  LwAllow *allow = data;
  g_array_unref(allow->ports);
  g_array_unref(allow->from);
  g_free(allow->text);
  g_free(allow);
}

LwSegment *lw_segment_new(void) {
  LwSegment *segment = g_new0(LwSegment, 1);
  segment->dns = g_array_new(FALSE, TRUE, sizeof(LwAddr));
  segment->exits = g_array_new(FALSE, TRUE, sizeof(guint));
  segment->pins = g_ptr_array_new_with_free_func(g_free);
  segment->allow = g_ptr_array_new_with_free_func(allow_free);
  segment->host_allow = g_ptr_array_new_with_free_func(allow_free);
  segment->forwards = g_ptr_array_new_with_free_func(g_free);
  return segment;
}

static void segment_free(gpointer data) {
  LwSegment *segment = data;
  g_free(segment->name);
  g_free(segment->bridge);
  g_free(segment->network);
  g_array_unref(segment->dns);
  g_array_unref(segment->exits);
  g_ptr_array_unref(segment->pins);
  g_ptr_array_unref(segment->allow);
  g_ptr_array_unref(segment->host_allow);
  g_ptr_array_unref(segment->forwards);
  g_free(segment);
}

LwNic *lw_nic_new(void) {
  LwNic *nic = g_new0(LwNic, 1);
  nic->segment = LW_NONE;
  nic->addresses = g_array_new(FALSE, TRUE, sizeof(LwPrefix));
  return nic;
}

static void nic_free(gpointer data) {
  LwNic *nic = data;
  g_array_unref(nic->addresses);
  g_free(nic);
}

LwMachine *lw_machine_new(void) {
  LwMachine *machine = g_new0(LwMachine, 1);
  machine->nics = g_ptr_array_new_with_free_func(nic_free);
  machine->command = g_ptr_array_new_with_free_func(g_free);
  return machine;
}

LwCreate *lw_create_new(void) {
  LwCreate *create = g_new0(LwCreate, 1);
  create->devices = g_ptr_array_new_with_free_func(g_free);
  return create;
}

void lw_create_free(LwCreate *create) {
  if (!create)
    return;
  g_free(create->disk);
  g_free(create->image);
  g_free(create->cdrom);
  g_free(create->seed);
  g_free(create->folder);
  g_ptr_array_unref(create->devices);
  g_free(create);
}

LwMachineStart *lw_machine_start_new(void) {
  LwMachineStart *start = g_new0(LwMachineStart, 1);
  start->after = g_array_new(FALSE, FALSE, sizeof(guint));
  start->timeout = 60;
  return start;
}

void lw_machine_start_free(LwMachineStart *start) {
  if (!start)
    return;
  g_array_unref(start->after);
  g_free(start);
}

void lw_machine_free(LwMachine *machine) {
  g_free(machine->name);
  g_free(machine->object);
  g_ptr_array_unref(machine->nics);
  g_ptr_array_unref(machine->command);
  lw_create_free(machine->create);
  lw_machine_start_free(machine->start);
  g_free(machine);
}

LwAssert *lw_assert_new(void) {
  LwAssert *assertion = g_new0(LwAssert, 1);
  assertion->from = (LwTarget){.index = LW_NONE, .machine = LW_NONE};
  assertion->to = assertion->from;
  assertion->ports = g_array_new(FALSE, TRUE, sizeof(LwPorts));
  return assertion;
}

static void assert_free(gpointer data) {
  LwAssert *assertion = data;
  g_array_unref(assertion->ports);
  g_free(assertion->text);
  g_free(assertion);
}

LwLab *lw_lab_new(void) {
  LwLab *lab = g_new0(LwLab, 1);
  lab->host.bridge = g_strdup("br0");
  lab->host.management.bridge = g_strdup("br-mgmt");
  lab->host.management.subnet = lw_prefix_make(lw_addr_from_v4(0xc0a86300), 24); /* 192.168.99.0/24 */
  lab->host.management.router = lw_addr_from_v4(0xc0a86301);
  lab->host.management.address = lw_addr_from_v4(0xc0a8630f);
  lab->host.services = g_ptr_array_new_with_free_func(service_free);
  lab->host.networks = g_ptr_array_new_with_free_func(network_free);
  lab->manage = LW_MANAGE_ALL;
  lab->tunnels = g_ptr_array_new_with_free_func(tunnel_free);
  lab->segments = g_ptr_array_new_with_free_func(segment_free);
  lab->machines = g_ptr_array_new_with_free_func((GDestroyNotify)lw_machine_free);
  lab->asserts = g_ptr_array_new_with_free_func(assert_free);
  return lab;
}

void lw_lab_free(LwLab *lab) {
  if (!lab)
    return;
  g_free(lab->name);
  g_free(lab->domain);
  g_free(lab->host.uplink);
  g_free(lab->host.bridge);
  g_free(lab->host.management.bridge);
  g_ptr_array_unref(lab->host.services);
  g_ptr_array_unref(lab->host.networks);
  g_free(lab->host.echo);
  g_free(lab->router.vm);
  g_free(lab->router.api_url);
  g_free(lab->router.api_key_file);
  g_free(lab->router.folder);
  g_free(lab->router.api_certificate);
  lw_create_free(lab->router.create);
  g_ptr_array_unref(lab->asserts);
  g_ptr_array_unref(lab->machines);
  g_ptr_array_unref(lab->segments);
  g_ptr_array_unref(lab->tunnels);
  g_free(lab);
}

/* A wrong index is a mistake of the caller's, never of the user's file: NULL and a critical. */
static gpointer item(const GPtrArray *array, guint index) {
  g_return_val_if_fail(index < array->len, NULL);
  return array->pdata[index];
}

LwSegment *lw_lab_segment(const LwLab *lab, guint index) {
  return item(lab->segments, index);
}

LwTunnel *lw_lab_tunnel(const LwLab *lab, guint index) {
  return item(lab->tunnels, index);
}

LwMachine *lw_lab_machine(const LwLab *lab, guint index) {
  return item(lab->machines, index);
}

LwNic *lw_machine_nic(const LwMachine *machine, guint index) {
  return item(machine->nics, index);
}

LwService *lw_lab_service(const LwLab *lab, guint index) {
  return item(lab->host.services, index);
}

LwNetwork *lw_lab_network(const LwLab *lab, guint index) {
  return item(lab->host.networks, index);
}

guint lw_lab_find_segment(const LwLab *lab, const char *name) {
  for (guint i = 0; i < lab->segments->len; i++)
    if (g_strcmp0(lw_lab_segment(lab, i)->name, name) == 0)
      return i;
  return LW_NONE;
}

guint lw_lab_find_tunnel(const LwLab *lab, const char *name) {
  for (guint i = 0; i < lab->tunnels->len; i++)
    if (g_strcmp0(lw_lab_tunnel(lab, i)->name, name) == 0)
      return i;
  return LW_NONE;
}

guint lw_lab_find_machine(const LwLab *lab, const char *name) {
  for (guint i = 0; i < lab->machines->len; i++)
    if (g_strcmp0(lw_lab_machine(lab, i)->name, name) == 0)
      return i;
  return LW_NONE;
}

guint lw_lab_find_service(const LwLab *lab, const char *name) {
  for (guint i = 0; i < lab->host.services->len; i++)
    if (g_strcmp0(lw_lab_service(lab, i)->name, name) == 0)
      return i;
  return LW_NONE;
}

guint lw_lab_find_network(const LwLab *lab, const char *name) {
  for (guint i = 0; i < lab->host.networks->len; i++)
    if (g_strcmp0(lw_lab_network(lab, i)->name, name) == 0)
      return i;
  return LW_NONE;
}

LwMac lw_nic_mac(const LwLab *lab, guint machine, guint nic) {
  const LwMachine *owner = lw_lab_machine(lab, machine);
  const LwNic *which = lw_machine_nic(owner, nic);
  if (lw_mac_is_set(&which->mac))
    return which->mac;
  g_autofree char *seed = g_strdup_printf("%s/%s/%u", lab->name ? lab->name : "", owner->name, nic);
  return lw_mac_derive(seed);
}

const char *lw_proto_name(LwProto proto) {
  switch (proto) {
  case LW_PROTO_ICMP:
    return "icmp";
  case LW_PROTO_TCP:
    return "tcp";
  case LW_PROTO_UDP:
    return "udp";
  case LW_PROTO_ANY:
    break;
  }
  return "any";
}

char *lw_ports_format(const LwPorts *ports) {
  const char *proto = lw_proto_name(ports->proto);
  if (ports->proto == LW_PROTO_ANY || ports->proto == LW_PROTO_ICMP)
    return g_strdup(proto);
  if (ports->first_port == 0 && ports->last_port == G_MAXUINT16)
    return g_strdup(proto);
  if (ports->first_port == ports->last_port)
    return g_strdup_printf("%s/%u", proto, ports->first_port);
  return g_strdup_printf("%s/%u-%u", proto, ports->first_port, ports->last_port);
}

char *lw_origin_format(const LwOrigin *origin) {
  if (!origin->file)
    return g_strdup("default");
  return g_strdup_printf("%s:%u:%u", origin->file, origin->line, origin->column);
}

char *lw_target_format(const LwLab *lab, const LwTarget *target) {
  switch (target->kind) {
  case LW_TARGET_HOST:
    return g_strdup("host");
  case LW_TARGET_HOST_SERVICE:
    return g_strconcat("host/", lw_lab_service(lab, target->index)->name, NULL);
  case LW_TARGET_SEGMENT:
    return g_strdup(lw_lab_segment(lab, target->index)->name);
  case LW_TARGET_MACHINE:
    return g_strdup_printf("%s/%s", lw_lab_segment(lab, target->index)->name,
                           lw_lab_machine(lab, target->machine)->name);
  case LW_TARGET_NETWORK:
    return g_strdup(lw_lab_network(lab, target->index)->name);
  case LW_TARGET_HOME_LAN:
    return g_strdup("home-lan");
  case LW_TARGET_INTERNET:
    return g_strdup("internet");
  case LW_TARGET_PREFIX:
    return lw_prefix_format(&target->prefix);
  case LW_TARGET_ROUTER:
    return g_strdup("router");
  case LW_TARGET_ROUTER_NTP:
    return g_strdup("router/ntp");
  }
  g_return_val_if_reached(g_strdup(""));
}

static void append_ports(GString *text, const GArray *ports) {
  for (guint i = 0; i < ports->len; i++) {
    g_autofree char *one = lw_ports_format(&g_array_index(ports, LwPorts, i));
    g_string_append_printf(text, "%s%s", i ? "," : "", one);
  }
}

char *lw_allow_format(const LwLab *lab, const LwAllow *allow) {
  g_autofree char *target = lw_target_format(lab, &allow->target);
  GString *text = g_string_new(target);
  if (allow->ports->len) {
    g_string_append_c(text, ':');
    append_ports(text, allow->ports);
  }
  for (guint i = 0; i < allow->from->len; i++) {
    g_autofree char *range = lw_range_format(&g_array_index(allow->from, LwRange, i));
    g_string_append_printf(text, "%s%s", i ? ", " : " from ", range);
  }
  return g_string_free(text, FALSE);
}

char *lw_allow_as_written(const LwLab *lab, const LwAllow *allow) {
  return allow->text ? g_strdup(allow->text) : lw_allow_format(lab, allow);
}
