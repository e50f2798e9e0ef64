#include "lab.h"

static guint next_line;

static LwOrigin here(void) {
  return (LwOrigin){g_intern_static_string("homelab.yaml"), ++next_line, 3};
}

LwAddr test_addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  if (!lw_addr_parse(text, &out))
    g_error("bad address in a test: %s", text);
  return out;
}

LwRange test_range(const char *text) {
  LwRange out;
  if (!lw_range_parse(text, &out))
    g_error("bad range in a test: %s", text);
  return out;
}

static LwPrefix prefix(const char *text) {
  LwPrefix out;
  if (!lw_prefix_parse(text, &out))
    g_error("bad prefix in a test: %s", text);
  return out;
}

static void add_service(LwLab *lab, const char *name, GArray *ports) {
  LwService *service = lw_service_new();
  service->name = g_strdup(name);
  g_array_append_vals(service->ports, ports->data, ports->len);
  g_array_unref(ports);
  g_ptr_array_add(lab->host.services, service);
}

static GArray *ports_of(LwProto one, LwProto other, guint16 port) {
  GArray *ports = g_array_new(FALSE, FALSE, sizeof(LwPorts));
  LwPorts p = {one, one == LW_PROTO_ICMP ? 0 : port, one == LW_PROTO_ICMP ? 65535 : port};
  g_array_append_val(ports, p);
  p.proto = other;
  if (other != one)
    g_array_append_val(ports, p);
  return ports;
}

static void add_tunnel(LwLab *lab, const char *name, const char *address) {
  LwTunnel *tunnel = lw_tunnel_new();
  tunnel->name = g_strdup(name);
  tunnel->origin = here();
  LwPrefix p = prefix(address);
  g_array_append_val(tunnel->wg.addresses, p);
  g_ptr_array_add(lab->tunnels, tunnel);
}

static LwSegment *add_segment(LwLab *lab, guint net, LwEgressKind egress) {
  LwSegment *s = lw_segment_new();
  g_autofree char *subnet = g_strdup_printf("192.168.%u.0/24", net);
  g_autofree char *router = g_strdup_printf("192.168.%u.1", net);
  g_autofree char *dhcp = g_strdup_printf("192.168.%u.200-192.168.%u.240", net, net);
  s->name = g_strdup_printf("lan%u", net);
  s->subnet = prefix(subnet);
  s->router = test_addr(router);
  s->has_dhcp = TRUE;
  s->dhcp = test_range(dhcp);
  s->egress = egress;
  s->origin = here();
  s->egress_origin = s->trust_origin = s->dhcp_origin = s->dns_origin = s->isolate_origin = here();
  g_ptr_array_add(lab->segments, s);
  return s;
}

static void add_exit(LwSegment *s, guint tunnel) {
  g_array_append_val(s->exits, tunnel);
}

static void add_pin(LwSegment *s, const char *range, guint tunnel) {
  LwPin *pin = g_new0(LwPin, 1);
  *pin = (LwPin){test_range(range), tunnel, here()};
  g_ptr_array_add(s->pins, pin);
}

static void allow_service(LwSegment *s, guint service, const char *from) {
  LwAllow *allow = lw_allow_new();
  allow->target.kind = LW_TARGET_HOST_SERVICE;
  allow->target.index = service;
  allow->origin = here();
  if (from) {
    LwRange range = test_range(from);
    g_array_append_val(allow->from, range);
  }
  g_ptr_array_add(s->allow, allow);
}

static LwMachine *add_machine(LwLab *lab, const char *name, guint segment, const char *address) {
  LwMachine *machine = lw_machine_new();
  machine->name = g_strdup(name);
  LwNic *nic = lw_nic_new();
  nic->segment = segment;
  if (address)
    nic->address = test_addr(address);
  g_ptr_array_add(machine->nics, nic);
  g_ptr_array_add(lab->machines, machine);
  return machine;
}

static void add_segments(LwLab *lab) {
  LwSegment *lan10 = add_segment(lab, 10, LW_EGRESS_DIRECT);
  LwSegment *lan20 = add_segment(lab, 20, LW_EGRESS_TUNNELS);
  LwSegment *lan30 = add_segment(lab, 30, LW_EGRESS_TUNNELS);
  LwSegment *lan40 = add_segment(lab, 40, LW_EGRESS_DIRECT);
  LwSegment *lan50 = add_segment(lab, 50, LW_EGRESS_NONE);
  LwSegment *const plain[] = {lan10, lan20, lan30};
  for (guint i = 0; i < G_N_ELEMENTS(plain); i++) {
    allow_service(plain[i], 0, NULL);
    allow_service(plain[i], 1, NULL);
  }
  add_exit(lan20, OVPN);
  add_exit(lan30, SE);
  add_exit(lan30, DE);
  add_exit(lan30, US);
  add_pin(lan30, "192.168.30.20-192.168.30.29", DE);
  add_pin(lan30, "192.168.30.30-192.168.30.39", US);
  lan40->trust_host = TRUE;
  allow_service(lan50, 0, "192.168.50.0/26");
  allow_service(lan50, 1, "192.168.50.1-192.168.50.50");
  LwForward *forward = g_new0(LwForward, 1);
  *forward = (LwForward){.tcp = TRUE,
                         .udp = TRUE,
                         .first_port = 51413,
                         .last_port = 51413,
                         .machine = 1,
                         .address = test_addr("192.168.20.5"),
                         .to_port = 51413,
                         .origin = here()};
  g_ptr_array_add(lan20->forwards, forward);
}

LwLab *test_lab(void) {
  next_line = 0;
  LwLab *lab = lw_lab_new();
  g_free(lab->name);
  lab->name = g_strdup("homelab");
  lab->host.management.subnet = prefix("192.168.99.0/24");
  lab->host.management.address = test_addr("192.168.99.15");
  lab->host.management.router = test_addr("192.168.99.1");
  lab->host.management.origin = here();
  add_service(lab, "ping", ports_of(LW_PROTO_ICMP, LW_PROTO_ICMP, 0));
  add_service(lab, "samba", ports_of(LW_PROTO_TCP, LW_PROTO_UDP, 445));
  add_service(lab, "web", ports_of(LW_PROTO_TCP, LW_PROTO_TCP, 7080));
  LwNetwork *network = lw_network_new();
  network->name = g_strdup("containers");
  network->prefix = prefix("172.16.0.0/12");
  g_ptr_array_add(lab->host.networks, network);
  add_tunnel(lab, "ovpn", "10.8.0.2/32");
  add_tunnel(lab, "se", "10.64.0.2/32");
  add_tunnel(lab, "de", "10.65.0.2/32");
  add_tunnel(lab, "us", "10.66.0.2/32");
  add_segments(lab);
  add_machine(lab, "gaming", LAN10, NULL);
  add_machine(lab, "seedbox", LAN20, "192.168.20.5");
  add_machine(lab, "roamer", LAN30, NULL);
  add_machine(lab, "builder", LAN40, "192.168.40.10");
  add_machine(lab, "vault", LAN50, "192.168.50.25");
  LwMachine *probe = add_machine(lab, "probe", LAN10, "192.168.10.31");
  LwNic *second = lw_nic_new();
  second->segment = LAN20;
  second->address = test_addr("192.168.20.31");
  g_ptr_array_add(probe->nics, second);
  return lab;
}

static void lease(LwFacts *facts, const char *key, const char *address) {
  LwAddr addr = test_addr(address);
  g_hash_table_insert(facts->leases, g_strdup(key), g_memdup2(&addr, sizeof addr));
}

LwFacts *test_facts(void) {
  LwFacts *facts = lw_facts_new();
  lease(facts, "gaming/0/lan10", "192.168.10.200");
  lease(facts, "roamer/0/lan30", "192.168.30.200");
  return facts;
}
