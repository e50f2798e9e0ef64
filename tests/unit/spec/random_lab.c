#include "random_lab.h"

typedef struct {
  GRand *random;
  GString *out;
  guint segments, tunnels, machines;
  guint exit_port; /* never the same twice, so that forwards do not collide */
  guint started;   /* the last machine that is, and one; 0: none */
} Maker;

static gboolean chance(Maker *maker, guint percent) {
  return (guint)g_rand_int_range(maker->random, 0, 100) < percent;
}

static guint number(Maker *maker, guint below) {
  return (guint)g_rand_int_range(maker->random, 0, (gint32)below);
}

static void host(Maker *maker) {
  GString *out = maker->out;
  g_string_append(out, "lab: random\n");
  if (chance(maker, 30))
    g_string_append(out, "domain: lab.example.org\n");
  g_string_append_printf(out, "host:\n  uplink: %s\n", chance(maker, 50) ? "enp1s0" : "52:54:00:AA:bb:cc");
  if (chance(maker, 30))
    g_string_append(out, "  bridge: br7\n");
  if (chance(maker, 40))
    g_string_append_printf(out, "  management: {subnet: 10.250.0.0/%u, router: 10.250.0.%u, bridge: br-x}\n",
                           chance(maker, 50) ? 24u : 20u, 1 + number(maker, 3));
  g_string_append(out, "  services: {ping: icmp, samba: [tcp/445, udp/445], dns: tcp+udp/53, all: any, high: "
                       "udp/8000-8100}\n");
  if (chance(maker, 50))
    g_string_append(out, "  networks: {containers: 172.16.0.0/12}\n");
  else
    g_string_append(out, "  echo: http://ip.example.net:8080/x?y=1\n  networks:\n    containers: "
                         "172.30.0.0/16\n    more: 172.31.0.0/16\n");
  if (chance(maker, 30))
    g_string_append(out, "manage: [machines, router]\n");
  if (chance(maker, 50))
    g_string_append(out, chance(maker, 50)
                             ? "router: {wan-mac: 52:54:00:00:00:01}\n"
                             : "router: {kind: opnsense, vm: fw, adopt: replace, api: {url: "
                               "https://10.250.0.1, key-file: k, certificate: "
                               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff}}\n");
}

static void egress(Maker *maker, guint segment) {
  GString *out = maker->out;
  guint kind = number(maker, maker->tunnels ? 4 : 2);
  if (kind == 0)
    return;
  if (kind == 1)
    g_string_append(out, "    egress: direct\n");
  else if (kind == 2)
    g_string_append_printf(out, "    egress: t%u\n", number(maker, maker->tunnels));
  else {
    g_string_append(out, "    egress: [");
    for (guint i = 0; i < maker->tunnels; i++)
      g_string_append_printf(out, "%st%u", i ? ", " : "", i);
    g_string_append(out, "]\n");
  }
  if (maker->tunnels && chance(maker, 50))
    g_string_append_printf(out, "    pin: {.20-.29: t%u, .64/27: t0, .100: t0}\n",
                           number(maker, maker->tunnels));
  if (chance(maker, 60))
    g_string_append_printf(out, "    forward: [{port: tcp+udp/%u, to: m%u}, \"udp/%u-%u -> m%u:%u\"]\n",
                           maker->exit_port, segment, maker->exit_port + 1, maker->exit_port + 9, segment,
                           1000 + number(maker, 2000));
  maker->exit_port += 10;
}

static void allows(Maker *maker, guint segment) {
  static const char *const targets[] = {
      "host/ping",       "host/samba from .0/26", "\"host/dns from .1, .7-.9\"",
      "host:tcp/22",     "home-lan:tcp/80",       "router/ntp",
      "containers",      "203.0.113.0/24:udp",    "\"198.51.100.7:tcp/80,udp/53\"",
      "10.0.0.0/16:icmp"};
  GString *out = maker->out;
  if (chance(maker, 70)) {
    g_string_append(out, "    allow:\n");
    for (guint i = 0; i < 1 + number(maker, 4); i++)
      g_string_append_printf(out, "      - %s\n", targets[number(maker, G_N_ELEMENTS(targets))]);
    guint other = number(maker, maker->segments);
    if (other != segment)
      g_string_append_printf(out, "      - s%u/m%u:tcp+udp/8080-8090 from .5\n      - s%u\n", other, other,
                             other);
  }
  if (chance(maker, 30))
    g_string_append_printf(out, "    host: {allow: [\"s%u/m%u:tcp/22\", \"s%u:icmp\"]}\n", segment, segment,
                           segment);
}

static void segment(Maker *maker, guint index) {
  GString *out = maker->out;
  g_string_append_printf(out, "  s%u:\n    subnet: 10.1.%u.0/24\n", index, index);
  if (chance(maker, 70))
    g_string_append(out, "    dhcp: .200-.240\n");
  if (chance(maker, 20))
    g_string_append(out, "    router: .254\n");
  if (chance(maker, 20))
    g_string_append_printf(out, "    bridge: b%u\n    network: net %u\n", index, index);
  if (chance(maker, 40))
    g_string_append(out, "    dns: [8.8.8.8, 1.1.1.1]\n    dns-foreign: refuse\n");
  if (chance(maker, 20))
    g_string_append(out, "    trust: host\n    isolate: yes\n");
  egress(maker, index);
  allows(maker, index);
}

static void machines(Maker *maker) {
  static const char *const kinds[] = {"",
                                      "create: {memory: 1536MiB, vcpus: 2, disk: {size: 1TiB}}, ",
                                      "create: {memory: 2GiB, disk: {path: \"a b.raw\"}, firmware: uefi, "
                                      "devices: [01:00.0, 0000:01:00.1], seed: u, cdrom: /c.iso, autostart: "
                                      "yes}, ",
                                      "cell: true, ",
                                      "cell: {command: [sleep, '1']}, ",
                                      "kind: container, ",
                                      "command: [a b, \"c:d\"], kind: cell, "};
  GString *out = maker->out;
  g_string_append(out, "machines:\n");
  for (guint i = 0; i < maker->segments; i++) {
    const char *kind = kinds[number(maker, G_N_ELEMENTS(kinds))];
    guint address = 20 + number(maker, 100);
    if (chance(maker, 30)) {
      g_string_append_printf(out, "  m%u: {vm: VM %u, nics: [{segment: s%u, address: .%u}, ", i, i, i,
                             address);
      g_string_append_printf(out, "{segment: s%u, address: .%u, spoof: ok}]}\n",
                             number(maker, maker->segments), i + 2);
      continue;
    }
    g_string_append_printf(out, "  m%u: {%ssegment: s%u, address: .%u", i, kind, i, address);
    if (chance(maker, 30)) {
      g_string_append_printf(out, ", start: {delay: %us, timeout: %um", number(maker, 30),
                             1 + number(maker, 5));
      if (i > 0 && maker->started) /* never a later one: no circle */
        g_string_append_printf(out, ", after: [m%u]", maker->started - 1);
      g_string_append_c(out, '}');
      maker->started = i + 1;
    }
    if (chance(maker, 30))
      g_string_append_printf(out, ", addresses: [.130, .144/28], mac: 52:54:00:99:00:%02x", i);
    g_string_append(out, "}\n");
  }
}

char *random_lab(GRand *random) {
  Maker maker = {.random = random, .out = g_string_new(NULL), .exit_port = 20000};
  maker.segments = 1 + number(&maker, 5);
  maker.tunnels = number(&maker, 4);
  host(&maker);
  if (maker.tunnels)
    g_string_append(maker.out, "tunnels:\n");
  for (guint i = 0; i < maker.tunnels; i++)
    g_string_append_printf(maker.out, "  t%u: wg/t%u.conf\n", i, i);
  g_string_append(maker.out, "segments:\n");
  for (guint i = 0; i < maker.segments; i++)
    segment(&maker, i);
  machines(&maker);
  g_string_append(maker.out,
                  "assert:\n  - deny s0 -> internet\n  - allow  s0/m0 -> host   tcp/22\n"
                  "  - deny internet -> 10.1.0.0/24 tcp/1,udp/2-3\n  - deny router -> host/ping\n");
  return g_string_free(maker.out, FALSE);
}
