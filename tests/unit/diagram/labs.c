#include "labs.h"

static LwAddr addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static LwPrefix prefix(const char *text) {
  LwPrefix out = {0};
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwRange range(const char *text) {
  LwRange out = {0};
  g_assert_true(lw_range_parse(text, &out));
  return out;
}

static void service(LwLab *lab, const char *name, guint count, const LwPorts *ports) {
  LwService *made = lw_service_new();
  made->name = g_strdup(name);
  g_array_append_vals(made->ports, ports, count);
  g_ptr_array_add(lab->host.services, made);
}

static void tunnel(LwLab *lab, const char *name, const char *endpoint) {
  LwTunnel *made = lw_tunnel_new();
  made->name = g_strdup(name);
  made->wg.endpoint_host = g_strdup(endpoint);
  made->wg.endpoint_port = 51820;
  g_ptr_array_add(lab->tunnels, made);
}

static LwSegment *segment(LwLab *lab, const char *name, guint net, LwEgressKind egress) {
  LwSegment *made = lw_segment_new();
  made->name = g_strdup(name);
  made->bridge = g_strdup_printf("virbr-%s", name);
  made->network = g_strdup_printf("switch-%s", name);
  made->subnet = lw_prefix_make(lw_addr_from_v4(0xc0a80000u + (net << 8)), 24);
  made->router = lw_addr_add(&made->subnet.addr, 1);
  made->has_dhcp = TRUE;
  made->dhcp = (LwRange){lw_addr_add(&made->subnet.addr, 200), lw_addr_add(&made->subnet.addr, 240)};
  made->egress = egress;
  g_ptr_array_add(lab->segments, made);
  return made;
}

static void exits(LwSegment *made, guint count, const guint *tunnels) {
  g_array_append_vals(made->exits, tunnels, count);
}

static void pin(LwSegment *made, const char *text, guint tunnel_index) {
  LwPin *pinned = g_new0(LwPin, 1);
  pinned->range = range(text);
  pinned->tunnel = tunnel_index;
  g_ptr_array_add(made->pins, pinned);
}

static void allow_service(LwSegment *made, guint index, const char *from) {
  LwAllow *allow = lw_allow_new();
  allow->target.kind = LW_TARGET_HOST_SERVICE;
  allow->target.index = index;
  if (from) {
    LwRange sources = range(from);
    g_array_append_val(allow->from, sources);
  }
  g_ptr_array_add(made->allow, allow);
}

static LwMachine *machine(LwLab *lab, const char *name, LwMachineKind kind) {
  LwMachine *made = lw_machine_new();
  made->name = g_strdup(name);
  made->object = g_strdup(name);
  made->kind = kind;
  g_ptr_array_add(lab->machines, made);
  return made;
}

static void nic(LwMachine *made, guint segment_index, const char *address) {
  LwNic *plugged = lw_nic_new();
  plugged->segment = segment_index;
  if (address)
    plugged->address = addr(address);
  g_ptr_array_add(made->nics, plugged);
}

static void forward(LwSegment *made, guint machine_index, const char *address, guint16 port) {
  LwForward *opened = g_new0(LwForward, 1);
  opened->tcp = opened->udp = TRUE;
  opened->first_port = opened->last_port = opened->to_port = port;
  opened->machine = machine_index;
  opened->address = addr(address);
  g_ptr_array_add(made->forwards, opened);
}

static void dns(LwSegment *made) {
  LwAddr one = addr("8.8.8.8"), two = addr("1.1.1.1");
  g_array_append_val(made->dns, one);
  g_array_append_val(made->dns, two);
}

static LwLab *lab_named(const char *name) {
  LwLab *lab = lw_lab_new();
  lab->name = g_strdup(name);
  lab->host.uplink = g_strdup("enp1s0");
  return lab;
}

static void homelab_segments(LwLab *lab) {
  LwSegment *lan10 = segment(lab, "lan10", 10, LW_EGRESS_DIRECT),
            *lan20 = segment(lab, "lan20", 20, LW_EGRESS_TUNNELS);
  LwSegment *lan30 = segment(lab, "lan30", 30, LW_EGRESS_TUNNELS),
            *lan40 = segment(lab, "lan40", 40, LW_EGRESS_DIRECT);
  LwSegment *lan50 = segment(lab, "lan50", 50, LW_EGRESS_NONE);
  exits(lan20, 1, (const guint[]){0});
  exits(lan30, 3, (const guint[]){1, 2, 3});
  pin(lan30, "192.168.30.20-192.168.30.29", 2);
  pin(lan30, "192.168.30.30-192.168.30.39", 3);
  dns(lan10);
  dns(lan40);
  lan40->trust_host = TRUE;
  LwSegment *const open[] = {lan10, lan20, lan30};
  for (guint i = 0; i < G_N_ELEMENTS(open); i++) {
    allow_service(open[i], 0, NULL);
    allow_service(open[i], 1, NULL);
  }
  allow_service(lan50, 0, "192.168.50.0-192.168.50.63");
  allow_service(lan50, 1, "192.168.50.1-192.168.50.50");
}

LwLab *lw_test_homelab(void) {
  LwLab *lab = lab_named("homelab");
  service(lab, "ping", 1, (const LwPorts[]){{LW_PROTO_ICMP, 0, 65535}});
  service(lab, "samba", 2, (const LwPorts[]){{LW_PROTO_TCP, 445, 445}, {LW_PROTO_UDP, 445, 445}});
  service(lab, "web", 1, (const LwPorts[]){{LW_PROTO_TCP, 7080, 7080}});
  LwNetwork *containers = lw_network_new();
  containers->name = g_strdup("containers");
  containers->prefix = prefix("172.16.0.0/12");
  g_ptr_array_add(lab->host.networks, containers);
  tunnel(lab, "ovpn", "ovpn.example.net");
  tunnel(lab, "se", "se.example.net");
  tunnel(lab, "de", "de.example.net");
  tunnel(lab, "us", "us.example.net");
  homelab_segments(lab);
  nic(machine(lab, "gaming", LW_MACHINE_VM), 0, NULL);
  nic(machine(lab, "seedbox", LW_MACHINE_VM), 1, "192.168.20.5");
  nic(machine(lab, "roamer", LW_MACHINE_VM), 2, NULL);
  nic(machine(lab, "builder", LW_MACHINE_VM), 3, "192.168.40.10");
  nic(machine(lab, "vault", LW_MACHINE_VM), 4, "192.168.50.25");
  nic(machine(lab, "indexer", LW_MACHINE_CONTAINER), 1, NULL);
  LwMachine *probe = machine(lab, "probe", LW_MACHINE_CELL);
  nic(probe, 0, "192.168.10.31");
  nic(probe, 1, "192.168.20.31");
  forward(lw_lab_segment(lab, 1), 1, "192.168.20.5", 51413);
  return lab;
}

LwLab *lw_test_wide_lab(guint count, guint machines_each) {
  LwLab *lab = lab_named("wide");
  service(lab, "ping", 1, (const LwPorts[]){{LW_PROTO_ICMP, 0, 65535}});
  guint tunnels = MIN(count, 5);
  for (guint i = 0; i < tunnels; i++) {
    g_autofree char *name = g_strdup_printf("t%u", i);
    tunnel(lab, name, "exit.example.net");
  }
  for (guint i = 0; i < count; i++) {
    g_autofree char *name = g_strdup_printf("lan%u", i + 1);
    LwSegment *made = segment(lab, name, i + 1, LW_EGRESS_TUNNELS);
    guint pool[] = {i % tunnels, (i + 1) % tunnels, (i + 2) % tunnels};
    exits(made, MIN(tunnels, 3), pool);
    for (guint k = 0; k < machines_each; k++) {
      g_autofree char *machine_name = g_strdup_printf("m%u-%u", i + 1, k);
      g_autofree char *address = g_strdup_printf("192.168.%u.%u", i + 1, k + 2);
      nic(machine(lab, machine_name, (LwMachineKind)(k % 3)), i, address);
    }
  }
  return lab;
}

LwLab *lw_test_hostile_lab(void) {
  LwLab *lab = lab_named("</title><script>alert(1)</script>&amp;\x01\xff");
  LwSegment *made =
      segment(lab, "<b>&\"'a-name-that-is-much-too-long-for-its-card-and-goes-on", 1, LW_EGRESS_TUNNELS);
  tunnel(lab, "]]><![CDATA[ with-a-name-that-no-cloud-can-hold-in-a-line",
         "<!-- -->.example.net.and.on.and.on.and.on");
  exits(made, 1, (const guint[]){0});
  nic(machine(lab, "\"/><rect class=\"machine\"", LW_MACHINE_VM), 0, NULL);
  nic(machine(lab, "日本語の名前はとても長いので収まりません", LW_MACHINE_CELL), 0, "192.168.1.7");
  return lab;
}
