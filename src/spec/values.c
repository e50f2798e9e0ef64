#include "spec/internal.h"

#include <string.h>

typedef enum { ADDR_OK, ADDR_BAD, ADDR_SHORT_IN_BIG, ADDR_SIX } AddrResult;

/* "192.168.1.5", or ".5" in a subnet of /24 or longer. */
static AddrResult parse_address(const char *text, const LwPrefix *subnet, LwAddr *out) {
  if (text[0] != '.') {
    LwAddr addr;
    if (!lw_addr_parse(text, &addr))
      return ADDR_BAD;
    *out = addr;
    return addr.family == 4 ? ADDR_OK : ADDR_SIX;
  }
  guint64 octet;
  if ((text[1] == '0' && text[2]) || !g_ascii_string_to_unsigned(text + 1, 10, 0, 255, &octet, NULL))
    return ADDR_BAD;
  if (subnet->len < 24)
    return ADDR_SHORT_IN_BIG;
  *out = lw_addr_from_v4((lw_addr_v4(&subnet->addr) & 0xffffff00u) | (guint32)octet);
  return ADDR_OK;
}

static gboolean complain_address(LwSpec *spec, LwOrigin origin, const char *text, AddrResult result) {
  switch (result) {
  case ADDR_OK:
    return TRUE;
  case ADDR_SHORT_IN_BIG:
    lw_spec_error(
        spec->diagnostics, origin,
        "“%s” is short for too much: short addresses are for subnets of /24 and longer, write it whole",
        text);
    break;
  case ADDR_SIX:
    lw_spec_error(spec->diagnostics, origin,
                  "“%s” is IPv6, which is dropped everywhere: give an IPv4 address", text);
    break;
  case ADDR_BAD:
    lw_spec_error(spec->diagnostics, origin, "“%s” is no IPv4 address", text);
    break;
  }
  return FALSE;
}

gboolean lw_spec_subnet(LwSpec *spec, const LwYaml *node, LwPrefix *out) {
  LwPrefix prefix;
  if (!strchr(node->text, '/') || !lw_prefix_parse(node->text, &prefix)) {
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is no subnet: expected one like 192.168.10.0/24",
                  node->text);
    return FALSE;
  }
  if (prefix.addr.family != 4)
    return complain_address(spec, node->origin, node->text, ADDR_SIX);
  if (!lw_prefix_is_network(&prefix)) {
    LwPrefix network = lw_prefix_network(&prefix);
    g_autofree char *right = lw_prefix_format(&network);
    lw_spec_error_suggest(spec->diagnostics, node->origin, g_strdup_printf("did you mean “%s”?", right),
                          "“%s” is an address inside a subnet, not a subnet", node->text);
    return FALSE;
  }
  if (prefix.len < 8 || prefix.len > 30) {
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is too %s: a subnet is /8 to /30", node->text,
                  prefix.len < 8 ? "big" : "small");
    return FALSE;
  }
  guint first = prefix.addr.bytes[0];
  if (first == 0 || first == 127 || first >= 224 || (first == 169 && prefix.addr.bytes[1] == 254)) {
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” cannot be used for machines: take one of 10.0.0.0/8, 172.16.0.0/12 "
                  "or 192.168.0.0/16",
                  node->text);
    return FALSE;
  }
  *out = prefix;
  return TRUE;
}

gboolean lw_spec_address_whole(LwSpec *spec, const LwYaml *node, LwAddr *out) {
  if (!lw_spec_is_scalar(spec, node, "an IPv4 address"))
    return FALSE;
  LwAddr addr = LW_ADDR_NONE;
  AddrResult result = node->text[0] == '.' ? ADDR_BAD : parse_address(node->text, NULL, &addr);
  if (!complain_address(spec, node->origin, node->text, result))
    return FALSE;
  *out = addr;
  return TRUE;
}

gboolean lw_spec_address(LwSpec *spec, const LwYaml *node, const LwPrefix *subnet, LwAddr *out) {
  if (!subnet->addr.family)
    return FALSE;
  LwAddr addr;
  if (!complain_address(spec, node->origin, node->text, parse_address(node->text, subnet, &addr)))
    return FALSE;
  g_autofree char *net = lw_prefix_format(subnet);
  LwRange whole = lw_prefix_range(subnet);
  if (!lw_prefix_contains(subnet, &addr))
    lw_spec_error(spec->diagnostics, node->origin, "“%s” lies outside its subnet %s", node->text, net);
  else if (lw_addr_equal(&addr, &whole.first))
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” is the network address of %s: no machine can have it", node->text, net);
  else if (lw_addr_equal(&addr, &whole.last))
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” is the broadcast address of %s: no machine can have it", node->text, net);
  else {
    *out = addr;
    return TRUE;
  }
  return FALSE;
}

/* "A/LEN" with A short or whole. */
static gboolean parse_masked(LwSpec *spec, LwOrigin origin, const char *text, const char *slash,
                             const LwPrefix *subnet, LwRange *out) {
  g_autofree char *head = g_strndup(text, (gsize)(slash - text));
  LwAddr addr;
  if (!complain_address(spec, origin, head, parse_address(head, subnet, &addr)))
    return FALSE;
  guint64 len;
  if (!g_ascii_string_to_unsigned(slash + 1, 10, 0, 32, &len, NULL)) {
    lw_spec_error(spec->diagnostics, origin, "“%s” has no length of 0 to 32 behind the slash", text);
    return FALSE;
  }
  LwPrefix prefix = lw_prefix_make(addr, (guint8)len), network = lw_prefix_network(&prefix);
  if (!lw_prefix_is_network(&prefix)) {
    g_autofree char *right = lw_prefix_format(&network);
    lw_spec_error_suggest(spec->diagnostics, origin, g_strdup_printf("did you mean “%s”?", right),
                          "“%s” does not begin where a /%u begins", text, prefix.len);
    return FALSE;
  }
  *out = lw_prefix_range(&prefix);
  return TRUE;
}

gboolean lw_spec_range(LwSpec *spec, LwOrigin origin, const char *text, const LwPrefix *subnet,
                       LwRange *out) {
  if (!subnet->addr.family)
    return FALSE;
  LwRange range;
  const char *dash = strchr(text, '-'), *slash = strchr(text, '/');
  if (slash) {
    if (!parse_masked(spec, origin, text, slash, subnet, &range))
      return FALSE;
  } else {
    g_autofree char *head = dash ? g_strndup(text, (gsize)(dash - text)) : g_strdup(text);
    const char *tail = dash ? dash + 1 : head;
    if (!complain_address(spec, origin, head, parse_address(head, subnet, &range.first)) ||
        !complain_address(spec, origin, tail, parse_address(tail, subnet, &range.last)))
      return FALSE;
    if (lw_addr_cmp(&range.first, &range.last) > 0) {
      lw_spec_error(spec->diagnostics, origin, "“%s” ends before it begins", text);
      return FALSE;
    }
  }
  if (!lw_range_within_prefix(&range, subnet)) {
    g_autofree char *net = lw_prefix_format(subnet);
    lw_spec_error(spec->diagnostics, origin, "“%s” lies outside its subnet %s", text, net);
    return FALSE;
  }
  *out = range;
  return TRUE;
}

static gboolean parse_port_range(const char *text, guint16 *first, guint16 *last) {
  const char *dash = strchr(text, '-');
  g_autofree char *head = dash ? g_strndup(text, (gsize)(dash - text)) : g_strdup(text);
  guint64 a, b;
  if (!g_ascii_string_to_unsigned(head, 10, 1, G_MAXUINT16, &a, NULL) ||
      !g_ascii_string_to_unsigned(dash ? dash + 1 : head, 10, 1, G_MAXUINT16, &b, NULL) || a > b)
    return FALSE;
  *first = (guint16)a;
  *last = (guint16)b;
  return TRUE;
}

static void add_ports(GArray *out, LwProto proto, guint16 first, guint16 last) {
  LwPorts ports = {proto, first, last};
  g_array_append_val(out, ports);
}

gboolean lw_spec_ports(LwSpec *spec, LwOrigin origin, const char *text, GArray *out) {
  const char *slash = strchr(text, '/');
  g_autofree char *proto = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
  gboolean both = strcmp(proto, "tcp+udp") == 0 || strcmp(proto, "udp+tcp") == 0;
  gboolean tcp = both || strcmp(proto, "tcp") == 0, udp = both || strcmp(proto, "udp") == 0;
  guint16 first = 0, last = G_MAXUINT16;
  if (!slash && strcmp(text, "icmp") == 0)
    add_ports(out, LW_PROTO_ICMP, first, last);
  else if (!slash && strcmp(text, "any") == 0)
    add_ports(out, LW_PROTO_ANY, first, last);
  else if (!tcp && !udp) {
    lw_spec_error(spec->diagnostics, origin,
                  "“%s” names no ports: expected tcp/445, udp/8000-8100, tcp+udp/53, tcp or icmp", text);
    return FALSE;
  } else if (slash && !parse_port_range(slash + 1, &first, &last)) {
    lw_spec_error(spec->diagnostics, origin,
                  "“%s” has no port of 1 to 65535 (or FIRST-LAST) behind the slash", text);
    return FALSE;
  }
  if (tcp)
    add_ports(out, LW_PROTO_TCP, first, last);
  if (udp)
    add_ports(out, LW_PROTO_UDP, first, last);
  return TRUE;
}

static gboolean ports_list(LwSpec *spec, LwOrigin origin, const char *text, GArray *out) {
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  gboolean good = TRUE;
  for (guint i = 0; parts[i]; i++)
    good &= lw_spec_ports(spec, origin, g_strstrip(parts[i]), out);
  return good;
}

/* Targets */

static gboolean unknown_target(LwSpec *spec, LwOrigin origin, const char *text, LwTargetContext context) {
  guint machine = lw_spec_lookup(spec->machines, text);
  char *suggestion = NULL;
  if (machine != LW_NONE) {
    const LwMachine *found = lw_lab_machine(spec->lab, machine);
    guint segment = found->nics->len ? lw_machine_nic(found, 0)->segment : LW_NONE;
    if (segment != LW_NONE)
      suggestion = g_strdup_printf("did you mean “%s/%s”?", lw_lab_segment(spec->lab, segment)->name, text);
  } else if (text[0] == '.') {
    suggestion = g_strdup("an item with several ranges is quoted: \"host/ping from .1, .7\"");
  }
  if (!suggestion) {
    g_autoptr(GPtrArray) candidates = g_ptr_array_new();
    lw_spec_candidates(spec->segments, candidates);
    lw_spec_candidates(spec->networks, candidates);
    static const char *const words[] = {"host", "home-lan", "router/ntp", "router", "internet"};
    for (guint i = 0; i < (context == LW_IN_ALLOW ? 3 : G_N_ELEMENTS(words)); i++)
      g_ptr_array_add(candidates, (gpointer)words[i]);
    suggestion = lw_spec_suggest(spec->diagnostics, text, candidates);
  }
  lw_spec_error_suggest(spec->diagnostics, origin, suggestion,
                        "“%s” is no segment, network, machine or other target", text);
  return FALSE;
}

static gboolean service_target(LwSpec *spec, LwOrigin origin, const char *name, LwTarget *out) {
  guint index = lw_spec_lookup(spec->services, name);
  if (index != LW_NONE) {
    *out = (LwTarget){.kind = LW_TARGET_HOST_SERVICE, .index = index, .machine = LW_NONE};
    return TRUE;
  }
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  lw_spec_candidates(spec->services, candidates);
  lw_spec_error_suggest(spec->diagnostics, origin, lw_spec_suggest(spec->diagnostics, name, candidates),
                        "the host has no service “%s”: name it under host.services", name);
  return FALSE;
}

static gboolean machine_target(LwSpec *spec, LwOrigin origin, const char *text, const char *slash,
                               LwTarget *out) {
  g_autofree char *left = g_strndup(text, (gsize)(slash - text));
  guint segment = lw_spec_lookup(spec->segments, left), machine = lw_spec_lookup(spec->machines, slash + 1);
  if (segment == LW_NONE || machine == LW_NONE) {
    g_autoptr(GPtrArray) candidates = g_ptr_array_new();
    lw_spec_candidates(segment == LW_NONE ? spec->segments : spec->machines, candidates);
    const char *wrong = segment == LW_NONE ? left : slash + 1;
    lw_spec_error_suggest(spec->diagnostics, origin, lw_spec_suggest(spec->diagnostics, wrong, candidates),
                          segment == LW_NONE ? "“%s”: there is no segment “%s”"
                                             : "“%s”: there is no machine “%s”",
                          text, wrong);
    return FALSE;
  }
  const LwMachine *found = lw_lab_machine(spec->lab, machine);
  for (guint i = 0; i < found->nics->len; i++)
    if (lw_machine_nic(found, i)->segment == segment) {
      *out = (LwTarget){.kind = LW_TARGET_MACHINE, .index = segment, .machine = machine};
      return TRUE;
    }
  lw_spec_error(spec->diagnostics, origin, "“%s”: the machine is not plugged into that segment", text);
  return FALSE;
}

static gboolean prefix_target(LwSpec *spec, LwOrigin origin, const char *text, LwTarget *out) {
  LwPrefix prefix;
  if (!lw_prefix_parse(text, &prefix)) {
    lw_spec_error(spec->diagnostics, origin, "“%s” is no address and no prefix", text);
    return FALSE;
  }
  if (prefix.addr.family != 4)
    return complain_address(spec, origin, text, ADDR_SIX);
  if (!lw_prefix_is_network(&prefix)) {
    LwPrefix network = lw_prefix_network(&prefix);
    g_autofree char *right = lw_prefix_format(&network);
    lw_spec_error_suggest(spec->diagnostics, origin, g_strdup_printf("did you mean “%s”?", right),
                          "“%s” does not begin where a /%u begins", text, prefix.len);
    return FALSE;
  }
  *out = (LwTarget){.kind = LW_TARGET_PREFIX, .index = LW_NONE, .machine = LW_NONE, .prefix = prefix};
  return TRUE;
}

static gboolean word_target(const char *text, LwTarget *out) {
  static const struct {
    const char *word;
    LwTargetKind kind;
  } words[] = {{"host", LW_TARGET_HOST},
               {"home-lan", LW_TARGET_HOME_LAN},
               {"internet", LW_TARGET_INTERNET},
               {"router", LW_TARGET_ROUTER},
               {"router/ntp", LW_TARGET_ROUTER_NTP}};
  for (guint i = 0; i < G_N_ELEMENTS(words); i++)
    if (strcmp(text, words[i].word) == 0) {
      *out = (LwTarget){.kind = words[i].kind, .index = LW_NONE, .machine = LW_NONE};
      return TRUE;
    }
  return FALSE;
}

static gboolean find_target(LwSpec *spec, LwOrigin origin, const char *text, LwTargetContext context,
                            LwTarget *out) {
  const char *slash = strchr(text, '/');
  if (word_target(text, out))
    return TRUE;
  if (g_str_has_prefix(text, "host/"))
    return service_target(spec, origin, slash + 1, out);
  if (g_ascii_isdigit(text[0]) || strstr(text, "::"))
    return prefix_target(spec, origin, text, out);
  if (g_str_has_prefix(text, "router/")) {
    lw_spec_error(spec->diagnostics, origin, "“%s”: of the router only router/ntp can be allowed", text);
    return FALSE;
  }
  if (slash)
    return machine_target(spec, origin, text, slash, out);
  guint segment = lw_spec_lookup(spec->segments, text), network = lw_spec_lookup(spec->networks, text);
  if (segment == LW_NONE && network == LW_NONE)
    return unknown_target(spec, origin, text, context);
  *out = segment != LW_NONE ? (LwTarget){.kind = LW_TARGET_SEGMENT, .index = segment, .machine = LW_NONE}
                            : (LwTarget){.kind = LW_TARGET_NETWORK, .index = network, .machine = LW_NONE};
  return TRUE;
}

gboolean lw_spec_target(LwSpec *spec, LwOrigin origin, const char *text, LwTargetContext context,
                        LwTarget *out) {
  LwTarget target;
  if (!find_target(spec, origin, text, context, &target))
    return FALSE;
  gboolean service = target.kind == LW_TARGET_HOST_SERVICE || target.kind == LW_TARGET_ROUTER_NTP;
  if (context == LW_IN_ALLOW && target.kind == LW_TARGET_INTERNET)
    lw_spec_error(spec->diagnostics, origin, "the internet is not allowed but reached by “egress:”");
  else if (context == LW_IN_ALLOW && target.kind == LW_TARGET_ROUTER)
    lw_spec_error(spec->diagnostics, origin,
                  "the router answers DHCP, DNS and ping by itself: only router/ntp can be allowed");
  else if (context == LW_IN_ASSERT_FROM && service)
    lw_spec_error(spec->diagnostics, origin, "“%s” cannot be where a flow comes from", text);
  else if (context == LW_IN_HOST_ALLOW && target.kind != LW_TARGET_SEGMENT &&
           target.kind != LW_TARGET_MACHINE)
    lw_spec_error(spec->diagnostics, origin,
                  "“%s”: what the host may open here is this segment or a machine of it", text);
  else {
    *out = target;
    return TRUE;
  }
  return FALSE;
}

/* A prefix that lies in the lab is a segment's, and should be named as that. */
static gboolean check_allow_prefix(LwSpec *spec, LwOrigin origin, const LwTarget *target) {
  if (target->kind != LW_TARGET_PREFIX)
    return TRUE;
  for (guint i = 0; i < spec->zones->len; i++) {
    const LwZoneClaim *zone = &g_array_index(spec->zones, LwZoneClaim, i);
    if (lw_prefix_overlaps(&zone->prefix, &target->prefix)) {
      g_autofree char *text = lw_prefix_format(&target->prefix);
      lw_spec_error(spec->diagnostics, origin, "“%s” lies in %s: name that instead of a prefix", text,
                    zone->what);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean check_allow(LwSpec *spec, LwOrigin origin, const LwAllow *allow, guint segment,
                            gboolean by_host) {
  const LwTarget *target = &allow->target;
  gboolean here =
      (target->kind == LW_TARGET_SEGMENT || target->kind == LW_TARGET_MACHINE) && target->index == segment;
  if (by_host && !here)
    lw_spec_error(spec->diagnostics, origin,
                  "another segment's: what the host may open there stands with it");
  else if (!by_host && here)
    lw_spec_error(spec->diagnostics, origin,
                  "machines of one segment reach each other without a line (unless “isolate: true”)");
  else if (target->kind == LW_TARGET_HOST && allow->ports->len == 0)
    lw_spec_error(spec->diagnostics, origin,
                  "all of the host is too much for a line: name a service (host/SERVICE), ports "
                  "(host:tcp/22), or say “trust: host”");
  else if ((target->kind == LW_TARGET_HOST_SERVICE || target->kind == LW_TARGET_ROUTER_NTP) &&
           allow->ports->len)
    lw_spec_error(spec->diagnostics, origin,
                  "a service has its own ports: leave them out, or write host:PROTO/PORT");
  else
    return check_allow_prefix(spec, origin, target);
  return FALSE;
}

static gboolean read_ranges(LwSpec *spec, LwOrigin origin, const char *text, guint segment, GArray *out) {
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  gboolean good = TRUE;
  for (guint i = 0; parts[i]; i++) {
    LwRange range;
    if (lw_spec_range(spec, origin, g_strstrip(parts[i]), &lw_lab_segment(spec->lab, segment)->subnet,
                      &range))
      g_array_append_val(out, range);
    else
      good = FALSE;
  }
  return good;
}

static void allow_unref(LwAllow *allow) {
  g_array_unref(allow->ports);
  g_array_unref(allow->from);
  g_free(allow->text);
  g_free(allow);
}

LwAllow *lw_spec_allow(LwSpec *spec, const LwYaml *node, guint segment, gboolean by_host) {
  if (!lw_spec_is_scalar(spec, node, "TARGET[:PROTO/PORT] [from RANGE]"))
    return NULL;
  g_autofree char *text = g_strstrip(g_strdup(node->text));
  LwAllow *allow = lw_allow_new();
  allow->origin = node->origin;
  allow->text = g_strdup(text);
  gboolean good = TRUE;
  char *from = strstr(text, " from ");
  if (from) {
    *from = '\0';
    if (by_host) {
      lw_spec_error(spec->diagnostics, node->origin,
                    "“from” has no sense here: the host is where these flows come from");
      good = FALSE;
    } else
      good = read_ranges(spec, node->origin, from + 6, segment, allow->from);
  }
  char *colon = strchr(text, ':');
  if (colon && strchr(colon + 1, ':') == NULL) {
    good &= ports_list(spec, node->origin, colon + 1, allow->ports);
    *colon = '\0';
  }
  good &= lw_spec_target(spec, node->origin, g_strstrip(text), by_host ? LW_IN_HOST_ALLOW : LW_IN_ALLOW,
                         &allow->target) &&
          check_allow(spec, node->origin, allow, segment, by_host);
  if (good)
    return allow;
  allow_unref(allow);
  return NULL;
}

static void assert_unref(LwAssert *assertion) {
  g_array_unref(assertion->ports);
  g_free(assertion->text);
  g_free(assertion);
}

/* "TO", "TO tcp/22" or "TO:tcp/22". */
static gboolean read_assert_to(LwSpec *spec, LwOrigin origin, char *text, LwAssert *assertion) {
  g_strstrip(text);
  char *split = text + strcspn(text, " \t");
  if (!*split && (split = strchr(text, ':')) && strchr(split + 1, ':'))
    split = NULL;
  if (split && *split) {
    *split = '\0';
    if (!ports_list(spec, origin, g_strstrip(split + 1), assertion->ports))
      return FALSE;
  }
  if (!lw_spec_target(spec, origin, text, LW_IN_ASSERT_TO, &assertion->to))
    return FALSE;
  gboolean service =
      assertion->to.kind == LW_TARGET_HOST_SERVICE || assertion->to.kind == LW_TARGET_ROUTER_NTP;
  if (service && assertion->ports->len) {
    lw_spec_error(spec->diagnostics, origin, "a service has its own ports: leave them out");
    return FALSE;
  }
  return TRUE;
}

LwAssert *lw_spec_assert(LwSpec *spec, const LwYaml *node) {
  if (!lw_spec_is_scalar(spec, node, "allow FROM -> TO [PROTO/PORT]"))
    return NULL;
  g_autofree char *text = g_strstrip(g_strdup(node->text));
  gboolean allow = g_str_has_prefix(text, "allow "), deny = g_str_has_prefix(text, "deny ");
  char *arrow = strstr(text, "->");
  if (!(allow || deny) || !arrow) {
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” is no assertion: expected allow FROM -> TO [PROTO/PORT], or deny …", text);
    return NULL;
  }
  *arrow = '\0';
  LwAssert *assertion = lw_assert_new();
  assertion->allow = allow;
  assertion->origin = node->origin;
  assertion->text = lw_spec_text(spec, node);
  char *from = g_strstrip(text + (allow ? 6 : 5));
  gboolean good = assertion->text != NULL;
  good &= lw_spec_target(spec, node->origin, from, LW_IN_ASSERT_FROM, &assertion->from);
  good &= read_assert_to(spec, node->origin, arrow + 2, assertion);
  if (good)
    return assertion;
  assert_unref(assertion);
  return NULL;
}
