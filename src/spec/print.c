#include "spec/internal.h"
#include "spec/spec.h"

#include <string.h>

/* Words and numbers that some YAML reader takes for something else than text. */
static gboolean is_special(const char *text) {
  static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", NULL};
  g_autofree char *lower = g_ascii_strdown(text, -1);
  if (g_strv_contains(words, lower))
    return TRUE;
  if (!g_ascii_isdigit(text[0]))
    return FALSE;
  guint dots = 0;
  for (const char *p = text; *p; p++)
    dots += *p == '.';
  return dots < 3; /* an address or more of them is never a number; everything else might be, or a date */
}

static gboolean is_plain(const char *text) {
  gsize length = strlen(text);
  if (length == 0 || (!g_ascii_isalnum(text[0]) && text[0] != '/') || text[length - 1] == ' ')
    return FALSE;
  for (const char *p = text; *p; p++)
    if (!g_ascii_isalnum(*p) && !strchr("/._+-> ", *p))
      return FALSE;
  return !is_special(text);
}

char *lw_spec_quoted(const char *text) {
  if (is_plain(text))
    return g_strdup(text);
  GString *out = g_string_new("\"");
  for (const char *p = text; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if (c == '"' || c == '\\')
      g_string_append_printf(out, "\\%c", (char)c);
    else if (c < 0x10000 && !g_unichar_isprint(c))
      g_string_append_printf(out, "\\u%04X", c);
    else if (!g_unichar_isprint(c))
      g_string_append_printf(out, "\\U%08X", c);
    else
      g_string_append_unichar(out, c);
  }
  g_string_append_c(out, '"');
  return g_string_free(out, FALSE);
}

static void put(GString *out, guint indent, const char *key, const char *value) {
  g_autofree char *name = lw_spec_quoted(key), *text = lw_spec_quoted(value);
  g_string_append_printf(out, "%*s%s: %s\n", (int)indent, "", name, text);
}

/* value: YAML already. */
static void put_raw(GString *out, guint indent, const char *key, const char *value) {
  g_autofree char *name = lw_spec_quoted(key);
  g_string_append_printf(out, "%*s%s: %s\n", (int)indent, "", name, value);
}

static void put_addr(GString *out, guint indent, const char *key, const LwAddr *addr) {
  g_autofree char *text = lw_addr_format(addr);
  put(out, indent, key, text);
}

static void put_prefix(GString *out, guint indent, const char *key, const LwPrefix *prefix) {
  g_autofree char *text = lw_prefix_format(prefix);
  put(out, indent, key, text);
}

static void put_mac(GString *out, guint indent, const char *key, const LwMac *mac) {
  g_autofree char *text = lw_mac_format(mac);
  put(out, indent, key, text);
}

static void open_section(GString *out, guint indent, const char *key) {
  g_autofree char *name = lw_spec_quoted(key);
  g_string_append_printf(out, "%*s%s:\n", (int)indent, "", name);
}

/* "[a, b]" of strings that are taken over. */
typedef struct {
  GString *text;
  guint count;
} Flow;

static Flow flow_new(void) {
  return (Flow){g_string_new("["), 0};
}

static void flow_add(Flow *flow, char *value) {
  g_autofree char *text = lw_spec_quoted(value);
  g_string_append_printf(flow->text, "%s%s", flow->count++ ? ", " : "", text);
  g_free(value);
}

static void flow_put_list(Flow *flow, GString *out, guint indent, const char *key) {
  g_string_append_c(flow->text, ']');
  put_raw(out, indent, key, flow->text->str);
  g_string_free(flow->text, TRUE);
}

/* Where the file may also have one value in place of a list of one. */
static void flow_put(Flow *flow, GString *out, guint indent, const char *key) {
  if (flow->count != 1) {
    flow_put_list(flow, out, indent, key);
    return;
  }
  put_raw(out, indent, key, flow->text->str + 1);
  g_string_free(flow->text, TRUE);
}

/* Host */

static void print_management(GString *out, const LwHost *host) {
  GString *inner = g_string_new(NULL);
  const LwPrefix *net = &host->management.subnet;
  LwAddr router = lw_addr_add(&net->addr, 1), address = lw_addr_add(&net->addr, 15);
  g_autofree char *subnet = lw_prefix_format(net);
  if (strcmp(host->management.bridge, "br-mgmt") != 0)
    put(inner, 4, "bridge", host->management.bridge);
  if (strcmp(subnet, "192.168.99.0/24") != 0)
    put(inner, 4, "subnet", subnet);
  if (!lw_addr_equal(&host->management.address, &address))
    put_addr(inner, 4, "address", &host->management.address);
  if (!lw_addr_equal(&host->management.router, &router))
    put_addr(inner, 4, "router", &host->management.router);
  if (inner->len)
    g_string_append_printf(out, "  management:\n%s", inner->str);
  g_string_free(inner, TRUE);
}

static void print_services(GString *out, const LwLab *lab) {
  if (lab->host.services->len)
    open_section(out, 2, "services");
  for (guint i = 0; i < lab->host.services->len; i++) {
    const LwService *service = lw_lab_service(lab, i);
    Flow ports = flow_new();
    for (guint j = 0; j < service->ports->len; j++)
      flow_add(&ports, lw_ports_format(&g_array_index(service->ports, LwPorts, j)));
    flow_put(&ports, out, 4, service->name);
  }
}

static void print_host(GString *out, const LwLab *lab) {
  const LwHost *host = &lab->host;
  g_string_append(out, "\nhost:\n");
  if (host->uplink)
    put(out, 2, "uplink", host->uplink);
  else
    put_mac(out, 2, "uplink", &host->uplink_mac);
  if (strcmp(host->bridge, "br0") != 0)
    put(out, 2, "bridge", host->bridge);
  print_management(out, host);
  print_services(out, lab);
  if (host->networks->len)
    open_section(out, 2, "networks");
  for (guint i = 0; i < host->networks->len; i++)
    put_prefix(out, 4, lw_lab_network(lab, i)->name, &lw_lab_network(lab, i)->prefix);
  if (host->echo)
    put(out, 2, "echo", host->echo);
}

static void put_size(GString *out, guint indent, const char *key, guint mib) {
  static const struct {
    guint mib;
    const char *unit;
  } units[] = {{1024 * 1024, "TiB"}, {1024, "GiB"}, {1, "MiB"}};
  guint i = 0;
  while (mib % units[i].mib)
    i++;
  g_autofree char *text = g_strdup_printf("%u%s", mib / units[i].mib, units[i].unit);
  put_raw(out, indent, key, text);
}

static void put_if(GString *out, guint indent, const char *key, const char *value) {
  if (value)
    put(out, indent, key, value);
}

static void print_router_create(GString *out, const LwCreate *create) {
  g_autofree char *vcpus = g_strdup_printf("%u", create->vcpus);
  open_section(out, 2, "create");
  put(out, 4, "image", create->image);
  put_size(out, 4, "memory", create->memory);
  put_raw(out, 4, "vcpus", vcpus);
  put_size(out, 4, "disk", create->disk_size);
}

static void print_router(GString *out, const LwRouter *router) {
  static const char *const adopt[] = {"none", "observe", "replace"};
  gboolean opnsense = router->kind == LW_ROUTER_OPNSENSE;
  if (!opnsense && !lw_mac_is_set(&router->wan_mac))
    return;
  g_string_append(out, "\nrouter:\n");
  put(out, 2, "kind", opnsense ? "opnsense" : "builtin");
  if (opnsense && g_strcmp0(router->vm, "opnsense") != 0)
    put(out, 2, "vm", router->vm);
  if (router->adopt != LW_ADOPT_NONE)
    put(out, 2, "adopt", adopt[router->adopt]);
  if (router->api_url) {
    open_section(out, 2, "api");
    put(out, 4, "url", router->api_url);
    put(out, 4, "key-file", router->api_key_file);
    if (router->api_certificate)
      put(out, 4, "certificate", router->api_certificate);
  }
  if (lw_mac_is_set(&router->wan_mac))
    put_mac(out, 2, "wan-mac", &router->wan_mac);
  if (router->create)
    print_router_create(out, router->create);
}

static void print_manage(GString *out, guint manage) {
  static const char *const words[] = {"host", "machines", "router"};
  if (manage == LW_MANAGE_ALL)
    return;
  Flow flow = flow_new();
  for (guint i = 0; i < G_N_ELEMENTS(words); i++)
    if (manage & (1u << i))
      flow_add(&flow, g_strdup(words[i]));
  g_string_append_c(out, '\n');
  flow_put(&flow, out, 0, "manage");
}

/* Segments */

static void print_egress(GString *out, const LwLab *lab, const LwSegment *segment) {
  if (segment->egress == LW_EGRESS_DIRECT)
    put(out, 4, "egress", "direct");
  if (segment->egress != LW_EGRESS_TUNNELS)
    return;
  Flow flow = flow_new();
  for (guint i = 0; i < segment->exits->len; i++)
    flow_add(&flow, g_strdup(lw_lab_tunnel(lab, g_array_index(segment->exits, guint, i))->name));
  flow_put(&flow, out, 4, "egress");
}

static void print_pins(GString *out, const LwLab *lab, const LwSegment *segment) {
  if (segment->pins->len)
    open_section(out, 4, "pin");
  for (guint i = 0; i < segment->pins->len; i++) {
    const LwPin *pin = segment->pins->pdata[i];
    g_autofree char *range = lw_range_format(&pin->range);
    put(out, 6, range, pin->tunnel == LW_NONE ? "direct" : lw_lab_tunnel(lab, pin->tunnel)->name);
  }
}

static void print_allows(GString *out, guint indent, const LwLab *lab, const GPtrArray *allows) {
  if (allows->len)
    open_section(out, indent, "allow");
  for (guint i = 0; i < allows->len; i++) {
    g_autofree char *text = lw_allow_format(lab, allows->pdata[i]), *item = lw_spec_quoted(text);
    g_string_append_printf(out, "%*s- %s\n", (int)indent + 2, "", item);
  }
}

static void print_forwards(GString *out, const LwLab *lab, const LwSegment *segment) {
  if (segment->forwards->len)
    open_section(out, 4, "forward");
  for (guint i = 0; i < segment->forwards->len; i++) {
    const LwForward *forward = segment->forwards->pdata[i];
    const char *proto = forward->tcp && forward->udp ? "tcp+udp" : forward->tcp ? "tcp" : "udp";
    g_autofree char *to = lw_spec_quoted(lw_lab_machine(lab, forward->machine)->name);
    g_string_append_printf(out, "      - {port: %s/%u", proto, forward->first_port);
    if (forward->last_port != forward->first_port)
      g_string_append_printf(out, "-%u", forward->last_port);
    g_string_append_printf(out, ", to: %s", to);
    if (forward->to_port != forward->first_port)
      g_string_append_printf(out, ", to-port: %u", forward->to_port);
    g_string_append(out, "}\n");
  }
}

static void print_names(GString *out, const LwSegment *segment) {
  g_autofree char *bridge = g_strconcat("virbr-", segment->name, NULL);
  g_autofree char *network = g_strconcat("switch-", segment->name, NULL);
  if (strcmp(segment->bridge, bridge) != 0)
    put(out, 4, "bridge", segment->bridge);
  if (strcmp(segment->network, network) != 0)
    put(out, 4, "network", segment->network);
}

static void print_segment(GString *out, const LwLab *lab, const LwSegment *segment) {
  LwAddr router = lw_addr_add(&segment->subnet.addr, 1);
  open_section(out, 2, segment->name);
  put_prefix(out, 4, "subnet", &segment->subnet);
  print_names(out, segment);
  if (!lw_addr_equal(&segment->router, &router))
    put_addr(out, 4, "router", &segment->router);
  if (segment->has_dhcp) {
    g_autofree char *range = lw_range_format(&segment->dhcp);
    put(out, 4, "dhcp", range);
  }
  if (segment->dns->len) {
    Flow flow = flow_new();
    for (guint i = 0; i < segment->dns->len; i++)
      flow_add(&flow, lw_addr_format(&g_array_index(segment->dns, LwAddr, i)));
    flow_put(&flow, out, 4, "dns");
  }
  if (segment->dns_foreign == LW_DNS_REFUSE)
    put(out, 4, "dns-foreign", "refuse");
  print_egress(out, lab, segment);
  print_pins(out, lab, segment);
  print_allows(out, 4, lab, segment->allow);
  if (segment->trust_host)
    put(out, 4, "trust", "host");
  if (segment->host_allow->len)
    open_section(out, 4, "host");
  print_allows(out, 6, lab, segment->host_allow);
  print_forwards(out, lab, segment);
  if (segment->isolate)
    put_raw(out, 4, "isolate", "true");
}

/* Machines */

static void print_nic(GString *out, guint indent, const char *first, const LwLab *lab, const LwNic *nic) {
  g_autofree char *segment = lw_spec_quoted(lw_lab_segment(lab, nic->segment)->name);
  g_string_append_printf(out, "%*s%ssegment: %s\n", (int)(indent - strlen(first)), "", first, segment);
  if (lw_addr_is_set(&nic->address))
    put_addr(out, indent, "address", &nic->address);
  if (lw_mac_is_set(&nic->mac))
    put_mac(out, indent, "mac", &nic->mac);
  if (nic->addresses->len) {
    Flow flow = flow_new();
    for (guint i = 0; i < nic->addresses->len; i++)
      flow_add(&flow, lw_prefix_format(&g_array_index(nic->addresses, LwPrefix, i)));
    flow_put(&flow, out, indent, "addresses");
  }
  if (nic->spoof_ok)
    put(out, indent, "spoof", "ok");
}

static void print_kind(GString *out, const LwMachine *machine) {
  if (machine->kind == LW_MACHINE_CONTAINER)
    put(out, 4, "container", machine->object);
  else if (machine->kind == LW_MACHINE_CELL)
    put_raw(out, 4, "cell", "true");
  else if (strcmp(machine->object, machine->name) != 0)
    put(out, 4, "vm", machine->object);
  if (machine->command->len == 0)
    return;
  Flow flow = flow_new();
  for (guint i = 0; i < machine->command->len; i++)
    flow_add(&flow, g_strdup(machine->command->pdata[i]));
  flow_put_list(&flow, out, 4, "command");
}

static void print_create(GString *out, const LwCreate *create) {
  open_section(out, 4, "create");
  put_size(out, 6, "memory", create->memory);
  if (create->vcpus != 1) {
    g_autofree char *vcpus = g_strdup_printf("%u", create->vcpus);
    put_raw(out, 6, "vcpus", vcpus);
  }
  if (create->disk_size || create->image || create->disk)
    open_section(out, 6, "disk");
  if (create->disk_size)
    put_size(out, 8, "size", create->disk_size);
  put_if(out, 8, "image", create->image);
  put_if(out, 8, "path", create->disk);
  put_if(out, 6, "cdrom", create->cdrom);
  if (create->uefi)
    put(out, 6, "firmware", "uefi");
  put_if(out, 6, "seed", create->seed);
  if (create->devices->len) {
    Flow flow = flow_new();
    for (guint i = 0; i < create->devices->len; i++)
      flow_add(&flow, g_strdup(create->devices->pdata[i]));
    flow_put(&flow, out, 6, "devices");
  }
  if (create->autostart)
    put_raw(out, 6, "autostart", "true");
}

static void print_start(GString *out, const LwLab *lab, const LwMachineStart *start) {
  g_autofree char *delay = g_strdup_printf("%us", start->delay);
  g_autofree char *timeout = g_strdup_printf("%us", start->timeout);
  if (!start->after->len && !start->delay && start->timeout == 60) {
    put_raw(out, 4, "start", "{}");
    return;
  }
  open_section(out, 4, "start");
  Flow after = flow_new();
  for (guint i = 0; i < start->after->len; i++)
    flow_add(&after, g_strdup(lw_lab_machine(lab, g_array_index(start->after, guint, i))->name));
  if (start->after->len)
    flow_put(&after, out, 6, "after");
  else
    g_string_free(after.text, TRUE);
  if (start->delay)
    put(out, 6, "delay", delay);
  if (start->timeout != 60)
    put(out, 6, "timeout", timeout);
}

static void print_machine(GString *out, const LwLab *lab, const LwMachine *machine) {
  open_section(out, 2, machine->name);
  print_kind(out, machine);
  if (machine->create)
    print_create(out, machine->create);
  if (machine->start)
    print_start(out, lab, machine->start);
  if (machine->nics->len == 1) {
    print_nic(out, 4, "", lab, lw_machine_nic(machine, 0));
    return;
  }
  open_section(out, 4, "nics");
  for (guint i = 0; i < machine->nics->len; i++)
    print_nic(out, 8, "- ", lab, lw_machine_nic(machine, i));
}

char *lw_spec_print(const LwLab *lab) {
  GString *out = g_string_new(NULL);
  g_autofree char *domain = g_strconcat(lab->name, ".internal", NULL);
  put(out, 0, "lab", lab->name);
  if (lab->domain && strcmp(lab->domain, domain) != 0)
    put(out, 0, "domain", lab->domain);
  print_host(out, lab);
  print_router(out, &lab->router);
  print_manage(out, lab->manage);
  if (lab->tunnels->len)
    g_string_append(out, "\ntunnels:\n");
  for (guint i = 0; i < lab->tunnels->len; i++)
    put(out, 2, lw_lab_tunnel(lab, i)->name, lw_lab_tunnel(lab, i)->path);
  if (lab->segments->len)
    g_string_append(out, "\nsegments:\n");
  for (guint i = 0; i < lab->segments->len; i++)
    print_segment(out, lab, lw_lab_segment(lab, i));
  if (lab->machines->len)
    g_string_append(out, "\nmachines:\n");
  for (guint i = 0; i < lab->machines->len; i++)
    print_machine(out, lab, lw_lab_machine(lab, i));
  if (lab->asserts->len)
    g_string_append(out, "\nassert:\n");
  for (guint i = 0; i < lab->asserts->len; i++) {
    g_autofree char *item = lw_spec_quoted(((LwAssert *)lab->asserts->pdata[i])->text);
    g_string_append_printf(out, "  - %s\n", item);
  }
  return g_string_free(out, FALSE);
}
