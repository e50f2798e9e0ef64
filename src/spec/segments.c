#include "spec/internal.h"

#include <string.h>

#define MOST_SEGMENTS 4096
#define LONGEST_SEGMENT 12 /* "lw-" and the name are an interface */

static const LwYaml *field(LwSpec *spec, guint segment, LwKeyId key) {
  return g_array_index(spec->segment_fields, LwFields, segment).value[key];
}

static LwOrigin origin_of(const LwYaml *node) {
  return node ? node->origin : (LwOrigin){0};
}

static void read_bridge(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwYaml *bridge = field(spec, index, LW_KEY_SEGMENT_BRIDGE),
               *network = field(spec, index, LW_KEY_SEGMENT_NETWORK);
  g_autofree char *what = g_strdup_printf("segment “%s”", segment->name);
  LwOrigin origin = bridge ? bridge->origin : segment->origin;
  segment->network = network ? lw_spec_text(spec, network) : NULL;
  if (!segment->network)
    segment->network = g_strconcat("switch-", segment->name, NULL);
  if (strchr(segment->network, '/'))
    lw_spec_error(spec->diagnostics, origin_of(network),
                  "“%s” is no name for a libvirt network: it holds a “/”", segment->network);
  if (!bridge || !lw_spec_interface(spec, bridge, &segment->bridge))
    segment->bridge = g_strconcat("virbr-", segment->name, NULL);
  if (strlen(segment->bridge) > 15) {
    lw_spec_error(spec->diagnostics, origin,
                  "“%s” is too long for an interface (15 bytes): a shorter name, or “bridge:”",
                  segment->bridge);
    return;
  }
  if (g_str_has_prefix(segment->bridge, "lw-") || g_str_has_prefix(segment->bridge, "lwm"))
    lw_spec_error(spec->diagnostics, origin, "“%s”: names that begin with “lw-” or “lwm” are lanward's own",
                  segment->bridge);
  lw_spec_take_interface(spec, segment->bridge, origin, what);
  g_autofree char *port = g_strconcat("lw-", segment->name, NULL);
  lw_spec_take_interface(spec, port, segment->origin, what);
}

static void read_dhcp(LwSpec *spec, const LwYaml *node, LwSegment *segment) {
  LwRange range, whole = lw_prefix_range(&segment->subnet);
  segment->dhcp_origin = node->origin;
  if (!lw_spec_range(spec, node->origin, node->text, &segment->subnet, &range))
    return;
  if (lw_range_contains(&range, &whole.first) || lw_range_contains(&range, &whole.last))
    lw_spec_error(spec->diagnostics, node->origin, "“%s” holds the subnet's network or broadcast address",
                  node->text);
  else if (lw_addr_is_set(&segment->router) && lw_range_contains(&range, &segment->router))
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” holds the router's own address: leave it out of the DHCP range", node->text);
  else {
    segment->has_dhcp = TRUE;
    segment->dhcp = range;
  }
}

static void read_addresses(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwYaml *subnet = field(spec, index, LW_KEY_SEGMENT_SUBNET),
               *router = field(spec, index, LW_KEY_SEGMENT_ROUTER),
               *dhcp = field(spec, index, LW_KEY_SEGMENT_DHCP);
  if (!subnet || !lw_spec_subnet(spec, subnet, &segment->subnet))
    return;
  LwZoneClaim claim = {segment->subnet, g_strdup_printf("segment “%s”", segment->name), subnet->origin,
                       FALSE};
  g_array_append_val(spec->zones, claim);
  if (router)
    lw_spec_address(spec, router, &segment->subnet, &segment->router);
  else
    segment->router = lw_addr_add(&segment->subnet.addr, 1);
  if (dhcp)
    read_dhcp(spec, dhcp, segment);
}

static void read_dns(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwYaml *node = field(spec, index, LW_KEY_SEGMENT_DNS);
  segment->dns_origin = origin_of(node);
  segment->dns_foreign_origin = origin_of(field(spec, index, LW_KEY_SEGMENT_DNS_FOREIGN));
  segment->dns_foreign = (LwDnsForeign)lw_spec_choice(
      spec, &g_array_index(spec->segment_fields, LwFields, index), LW_KEY_SEGMENT_DNS_FOREIGN);
  if (!node)
    return;
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++) {
    LwAddr addr;
    if (lw_spec_address_whole(spec, items->pdata[i], &addr))
      g_array_append_val(segment->dns, addr);
  }
  if (segment->egress == LW_EGRESS_NONE && segment->dns->len)
    lw_spec_warning(spec->diagnostics, node->origin,
                    "“dns” has no effect: with “egress: none” only names of the lab are answered (recursion "
                    "carries data out)");
}

/* A tunnel by name: LW_NONE and a diagnostic when there is none. */
static guint find_tunnel(LwSpec *spec, const LwYaml *node, gboolean words) {
  guint found = lw_spec_lookup(spec->tunnels, node->text);
  if (found != LW_NONE)
    return found;
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  if (words) {
    g_ptr_array_add(candidates, (gpointer) "direct");
    g_ptr_array_add(candidates, (gpointer) "none");
  }
  lw_spec_candidates(spec->tunnels, candidates);
  lw_spec_error_suggest(spec->diagnostics, node->origin,
                        lw_spec_suggest(spec->diagnostics, node->text, candidates), "there is no tunnel “%s”",
                        node->text);
  return LW_NONE;
}

static void read_pool(LwSpec *spec, const LwYaml *node, LwSegment *segment) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
  segment->egress = LW_EGRESS_TUNNELS;
  if (node->items->len == 0)
    lw_spec_error(spec->diagnostics, node->origin, "the pool is empty: list a tunnel, or say “egress: none”");
  for (guint i = 0; i < node->items->len; i++) {
    const LwYaml *item = node->items->pdata[i];
    if (!lw_spec_is_scalar(spec, item, "a tunnel"))
      continue;
    if (strcmp(item->text, "direct") == 0 || strcmp(item->text, "none") == 0) {
      lw_spec_error(spec->diagnostics, item->origin,
                    "“%s” cannot be in a pool: a segment with tunnels never leaves by anything else",
                    item->text);
      continue;
    }
    guint tunnel = find_tunnel(spec, item, FALSE);
    if (tunnel == LW_NONE)
      continue;
    if (g_hash_table_add(seen, GUINT_TO_POINTER(tunnel + 1)))
      g_array_append_val(segment->exits, tunnel);
    else
      lw_spec_error(spec->diagnostics, item->origin, "“%s” is in this pool twice", item->text);
  }
}

static void read_egress(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwYaml *node = field(spec, index, LW_KEY_SEGMENT_EGRESS);
  segment->egress_origin = origin_of(node);
  if (!node || strcmp(node->kind == LW_YAML_SCALAR ? node->text : "", "none") == 0)
    return;
  if (node->kind == LW_YAML_LIST) {
    read_pool(spec, node, segment);
  } else if (strcmp(node->text, "direct") == 0) {
    segment->egress = LW_EGRESS_DIRECT;
  } else {
    guint tunnel = find_tunnel(spec, node, TRUE);
    segment->egress = LW_EGRESS_TUNNELS;
    if (tunnel != LW_NONE)
      g_array_append_val(segment->exits, tunnel);
  }
}

static void read_segment(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwFields *fields = &g_array_index(spec->segment_fields, LwFields, index);
  const LwYaml *isolate = fields->value[LW_KEY_SEGMENT_ISOLATE], *trust = fields->value[LW_KEY_SEGMENT_TRUST];
  read_bridge(spec, index);
  read_addresses(spec, index);
  read_egress(spec, index);
  read_dns(spec, index);
  segment->trust_host = lw_spec_choice(spec, fields, LW_KEY_SEGMENT_TRUST) == 1;
  segment->trust_origin = origin_of(trust);
  segment->isolate_origin = origin_of(isolate);
  if (isolate)
    lw_spec_boolean(spec, isolate, &segment->isolate);
}

static gboolean name_is_free(LwSpec *spec, const LwYaml *name) {
  gboolean wg =
      g_str_has_prefix(name->text, "wg-") && lw_spec_lookup(spec->tunnels, name->text + 3) != LW_NONE;
  if (lw_spec_means_every_link(name->text))
    lw_spec_error(spec->diagnostics, name->origin,
                  "“%s” cannot be the name of a segment: settings under that name are every interface's",
                  name->text);
  else if (strcmp(name->text, "lo") == 0 || wg)
    lw_spec_error(spec->diagnostics, name->origin,
                  "“%s” cannot be the name of a segment: it is an interface of the router", name->text);
  else if (lw_spec_lookup(spec->networks, name->text) != LW_NONE)
    lw_spec_error(spec->diagnostics, name->origin,
                  "“%s” is the name of a network under host.networks already", name->text);
  else
    return TRUE;
  return FALSE;
}

void lw_spec_build_segments(LwSpec *spec, const LwYaml *map) {
  for (guint i = 0; map && i < map->keys->len; i++) {
    const LwYaml *name = map->keys->pdata[i], *value = map->items->pdata[i];
    if (spec->lab->segments->len >= MOST_SEGMENTS) {
      lw_spec_error(spec->diagnostics, name->origin, "more than %d segments", MOST_SEGMENTS);
      break;
    }
    if (!lw_spec_name(spec, name, "a segment", LONGEST_SEGMENT) || !name_is_free(spec, name))
      continue;
    if (value->kind != LW_YAML_MAP && !lw_yaml_is_empty(value)) {
      lw_spec_error(spec->diagnostics, value->origin,
                    "segment “%s” must be a mapping: {subnet: 192.168.10.0/24}", name->text);
      continue;
    }
    LwSegment *segment = lw_segment_new();
    segment->name = g_strdup(name->text);
    segment->origin = name->origin;
    g_ptr_array_add(spec->lab->segments, segment);
    g_hash_table_insert(spec->segments, segment->name, GUINT_TO_POINTER(spec->lab->segments->len));
    g_autofree char *what = g_strdup_printf("segment “%s”", name->text);
    LwFields fields;
    lw_spec_fields(spec, value->kind == LW_YAML_MAP ? value : NULL, LW_SECTION_SEGMENT,
                   &spec->defaults_segment, FALSE, name->origin, what, &fields);
    g_array_append_val(spec->segment_fields, fields);
    read_segment(spec, spec->lab->segments->len - 1);
  }
}

/* Policy: what needs every segment, machine and tunnel to be known. */

static void read_pins(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwYaml *map = field(spec, index, LW_KEY_SEGMENT_PIN);
  for (guint i = 0; map && i < map->keys->len; i++) {
    const LwYaml *range = map->keys->pdata[i], *exit = map->items->pdata[i];
    LwPin *pin = g_new0(LwPin, 1);
    g_ptr_array_add(segment->pins, pin);
    pin->origin = range->origin;
    pin->tunnel = LW_NONE;
    if (segment->egress == LW_EGRESS_NONE)
      lw_spec_error(spec->diagnostics, range->origin,
                    "a pin in a segment with “egress: none”: nothing leaves it");
    lw_spec_range(spec, range->origin, range->text, &segment->subnet, &pin->range);
    if (!lw_spec_is_scalar(spec, exit, "a tunnel"))
      continue;
    if (strcmp(exit->text, "direct") == 0 && segment->egress == LW_EGRESS_TUNNELS)
      lw_spec_error(spec->diagnostics, exit->origin,
                    "“direct” in a segment with tunnels: what leaves it never leaves by WAN; make a segment "
                    "of its own");
    else if (strcmp(exit->text, "direct") != 0)
      pin->tunnel = find_tunnel(spec, exit, FALSE);
  }
}

static int by_range(gconstpointer a, gconstpointer b) {
  const LwPin *x = *(LwPin *const *)a, *y = *(LwPin *const *)b;
  return lw_addr_cmp(&x->range.first, &y->range.first);
}

static void check_pins(LwSpec *spec, const LwSegment *segment) {
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  for (guint i = 0; i < segment->pins->len; i++)
    if (((LwPin *)segment->pins->pdata[i])->range.first.family)
      g_ptr_array_add(sorted, segment->pins->pdata[i]);
  g_ptr_array_sort(sorted, by_range);
  const LwPin *furthest = NULL;
  for (guint i = 0; i < sorted->len; i++) {
    const LwPin *pin = sorted->pdata[i];
    if (furthest && lw_range_overlaps(&furthest->range, &pin->range)) {
      gboolean later =
          pin->origin.line > furthest->origin.line ||
          (pin->origin.line == furthest->origin.line && pin->origin.column > furthest->origin.column);
      const LwPin *second = later ? pin : furthest, *first = later ? furthest : pin;
      g_autofree char *text = lw_range_format(&first->range);
      lw_spec_error(spec->diagnostics, second->origin,
                    "overlaps the pin of %s (line %u): an address has one exit", text, first->origin.line);
    }
    if (!furthest || lw_addr_cmp(&pin->range.last, &furthest->range.last) > 0)
      furthest = pin;
  }
}

static void read_allows(LwSpec *spec, const LwYaml *node, guint index, gboolean by_host, GPtrArray *out) {
  if (!node)
    return;
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++) {
    LwAllow *allow = lw_spec_allow(spec, items->pdata[i], index, by_host);
    if (allow)
      g_ptr_array_add(out, allow);
  }
}

static void read_host_allow(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwYaml *map = field(spec, index, LW_KEY_SEGMENT_HOST);
  LwFields fields;
  if (!map)
    return;
  lw_spec_fields(spec, map, LW_SECTION_SEGMENT_HOST, NULL, FALSE, map->origin, "host of a segment", &fields);
  read_allows(spec, fields.value[LW_KEY_SEGMENT_HOST_ALLOW], index, TRUE, segment->host_allow);
}

static gboolean forward_ports(LwSpec *spec, LwOrigin origin, const char *text, LwForward *forward) {
  g_autoptr(GArray) ports = g_array_new(FALSE, TRUE, sizeof(LwPorts));
  if (!lw_spec_ports(spec, origin, text, ports))
    return FALSE;
  for (guint i = 0; i < ports->len; i++) {
    const LwPorts *one = &g_array_index(ports, LwPorts, i);
    forward->tcp |= one->proto == LW_PROTO_TCP;
    forward->udp |= one->proto == LW_PROTO_UDP;
    forward->first_port = one->first_port;
    forward->last_port = one->last_port;
  }
  if (forward->first_port && (forward->tcp || forward->udp))
    return TRUE;
  lw_spec_error(spec->diagnostics, origin,
                "“%s” cannot be forwarded: name a port of tcp or udp, as in tcp/8443", text);
  return FALSE;
}

static gboolean forward_to_port(LwSpec *spec, LwOrigin origin, const char *text, LwForward *forward) {
  guint64 port;
  if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &port, NULL)) {
    lw_spec_error(spec->diagnostics, origin, "“%s” is no port of 1 to 65535", text);
    return FALSE;
  }
  if (port + forward->last_port - forward->first_port > G_MAXUINT16) {
    lw_spec_error(spec->diagnostics, origin, "the range that begins at port %s would end beyond 65535", text);
    return FALSE;
  }
  forward->to_port = (guint16)port;
  return TRUE;
}

static gboolean forward_target(LwSpec *spec, LwOrigin origin, const char *name, guint segment,
                               LwForward *forward) {
  guint found = lw_spec_lookup(spec->machines, name);
  const char *where = lw_lab_segment(spec->lab, segment)->name;
  if (found == LW_NONE) {
    g_autoptr(GPtrArray) candidates = g_ptr_array_new();
    lw_spec_candidates(spec->machines, candidates);
    lw_spec_error_suggest(spec->diagnostics, origin, lw_spec_suggest(spec->diagnostics, name, candidates),
                          "there is no machine “%s”", name);
    return FALSE;
  }
  const LwMachine *machine = lw_lab_machine(spec->lab, found);
  gboolean here = FALSE;
  for (guint i = 0; i < machine->nics->len; i++) {
    const LwNic *nic = lw_machine_nic(machine, i);
    if (nic->segment != segment)
      continue;
    here = TRUE;
    if (!lw_addr_is_set(&nic->address))
      continue;
    forward->machine = found;
    forward->nic = i;
    forward->address = nic->address;
    return TRUE;
  }
  if (here)
    lw_spec_error(spec->diagnostics, origin,
                  "machine “%s” has no address of its own in “%s”: a forward needs “address:” there", name,
                  where);
  else
    lw_spec_error(spec->diagnostics, origin, "machine “%s” is not plugged into “%s”", name, where);
  return FALSE;
}

/* {port: tcp/8443, to: seedbox, to-port: 443} */
static gboolean forward_mapping(LwSpec *spec, const LwYaml *map, guint segment, LwForward *forward) {
  LwFields fields;
  lw_spec_fields(spec, map, LW_SECTION_FORWARD, NULL, FALSE, map->origin, "a forward", &fields);
  const LwYaml *port = fields.value[LW_KEY_FORWARD_PORT], *to = fields.value[LW_KEY_FORWARD_TO],
               *to_port = fields.value[LW_KEY_FORWARD_TO_PORT];
  gboolean good = port && forward_ports(spec, port->origin, port->text, forward);
  forward->to_port = forward->first_port;
  good &= to && forward_target(spec, to->origin, to->text, segment, forward);
  if (to_port && good)
    good = forward_to_port(spec, to_port->origin, to_port->text, forward);
  return good;
}

/* "tcp/8443 -> seedbox:443" */
static gboolean forward_short(LwSpec *spec, const LwYaml *node, guint segment, LwForward *forward) {
  g_autofree char *text = g_strdup(node->text);
  char *arrow = strstr(text, "->");
  if (!arrow) {
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” is no forward: expected {port: tcp/8443, to: MACHINE} or tcp/8443 -> MACHINE[:PORT]",
                  text);
    return FALSE;
  }
  *arrow = '\0';
  char *to = g_strstrip(arrow + 2), *colon = strchr(to, ':');
  if (colon)
    *colon = '\0';
  gboolean good = forward_ports(spec, node->origin, g_strstrip(text), forward);
  forward->to_port = forward->first_port;
  good &= forward_target(spec, node->origin, to, segment, forward);
  return good && (!colon || forward_to_port(spec, node->origin, colon + 1, forward));
}

static void read_forwards(LwSpec *spec, guint index) {
  LwSegment *segment = lw_lab_segment(spec->lab, index);
  const LwYaml *node = field(spec, index, LW_KEY_SEGMENT_FORWARD);
  if (!node)
    return;
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++) {
    const LwYaml *item = items->pdata[i];
    if (segment->egress == LW_EGRESS_NONE) {
      lw_spec_error(spec->diagnostics, item->origin,
                    "a forward in a segment with “egress: none”: there is no exit to come in by");
      continue;
    }
    if (item->kind == LW_YAML_LIST) {
      lw_spec_error(spec->diagnostics, item->origin, "a forward is a mapping: {port: tcp/8443, to: MACHINE}");
      continue;
    }
    g_autofree LwForward *forward = g_new0(LwForward, 1);
    forward->origin = item->origin;
    if (item->kind == LW_YAML_MAP ? forward_mapping(spec, item, index, forward)
                                  : forward_short(spec, item, index, forward))
      g_ptr_array_add(segment->forwards, g_steal_pointer(&forward));
  }
}

void lw_spec_build_policy(LwSpec *spec) {
  for (guint i = 0; i < spec->lab->segments->len; i++) {
    LwSegment *segment = lw_lab_segment(spec->lab, i);
    read_pins(spec, i);
    check_pins(spec, segment);
    read_allows(spec, field(spec, i, LW_KEY_SEGMENT_ALLOW), i, FALSE, segment->allow);
    read_host_allow(spec, i);
    read_forwards(spec, i);
  }
}
