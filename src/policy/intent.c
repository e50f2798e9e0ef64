#include "policy/intent.h"

#include "policy/names.h"

/* The IANA IPv4 special-purpose registry, and multicast: what "internet" never means. */
static const struct {
  guint8 bytes[4];
  guint8 len;
} special_prefixes[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},     {{100, 64, 0, 0}, 10}, {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12},  {{192, 0, 0, 0}, 24},  {{192, 0, 2, 0}, 24},
    {{192, 88, 99, 0}, 24}, {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24}, {{224, 0, 0, 0}, 4},    {{240, 0, 0, 0}, 4},
};

gboolean lw_intent_special(guint index, LwPrefix *out) {
  if (index >= G_N_ELEMENTS(special_prefixes))
    return FALSE;
  *out = (LwPrefix){.addr = {.family = 4}, .len = special_prefixes[index].len};
  for (guint b = 0; b < 4; b++)
    out->addr.bytes[b] = special_prefixes[index].bytes[b];
  return TRUE;
}

static gboolean is_special(const LwAddr *addr) {
  LwPrefix prefix;
  for (guint i = 0; lw_intent_special(i, &prefix); i++)
    if (lw_prefix_contains(&prefix, addr))
      return TRUE;
  return FALSE;
}

static gboolean is_in_lab(const LwLab *lab, const LwAddr *addr) {
  if (lw_prefix_contains(&lab->host.management.subnet, addr))
    return TRUE;
  for (guint i = 0; i < lab->segments->len; i++)
    if (lw_prefix_contains(&lw_lab_segment(lab, i)->subnet, addr))
      return TRUE;
  for (guint i = 0; i < lab->host.networks->len; i++)
    if (lw_prefix_contains(&lw_lab_network(lab, i)->prefix, addr))
      return TRUE;
  return FALSE;
}

static void G_GNUC_PRINTF(4, 5)
    say(LwFlowAnswer *answer, gboolean allow, const LwOrigin *origin, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_free(answer->reason);
  answer->reason = g_strdup_vprintf(format, args);
  va_end(args);
  answer->allow = allow;
  answer->origin = *origin;
}

static gboolean ports_match(const LwPorts *ports, const LwFlowQuestion *question) {
  if (ports->proto == LW_PROTO_ANY)
    return TRUE;
  if (ports->proto != question->proto)
    return FALSE;
  return question->proto == LW_PROTO_ICMP || question->proto == LW_PROTO_ANY ||
         (ports->first_port <= question->port && question->port <= ports->last_port);
}

static gboolean any_ports_match(const GArray *ports, const LwFlowQuestion *question) {
  for (guint i = 0; i < ports->len; i++)
    if (ports_match(&g_array_index(ports, LwPorts, i), question))
      return TRUE;
  return FALSE;
}

static gboolean from_matches(const GArray *from, const LwAddr *source) {
  if (from->len == 0)
    return TRUE;
  for (guint i = 0; i < from->len; i++)
    if (lw_range_contains(&g_array_index(from, LwRange, i), source))
      return TRUE;
  return FALSE;
}

/* An address of the machine in that segment, as things stand now. */
static gboolean is_machine_address(const LwLab *lab, const LwFacts *facts, guint machine, guint segment,
                                   const LwAddr *addr) {
  const LwMachine *m = lw_lab_machine(lab, machine);
  for (guint n = 0; n < m->nics->len; n++) {
    if (lw_nic_segment(lab, facts, machine, n) != segment)
      continue;
    LwAddr own = lw_nic_address(lab, facts, machine, n);
    if (lw_addr_equal(&own, addr))
      return TRUE;
    const GArray *more = lw_machine_nic(m, n)->addresses;
    for (guint i = 0; segment == lw_machine_nic(m, n)->segment && i < more->len; i++)
      if (lw_addr_equal(&g_array_index(more, LwPrefix, i).addr, addr))
        return TRUE;
  }
  return FALSE;
}

/* A source that belongs to the segment: of its subnet (and not the gateway), or a further address of one of
 * its machines. */
static gboolean is_source_of(const LwLab *lab, const LwFacts *facts, guint segment, const LwAddr *source) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  if (lw_addr_equal(source, &s->router))
    return FALSE;
  if (lw_prefix_contains(&s->subnet, source))
    return TRUE;
  for (guint m = 0; m < lab->machines->len; m++)
    if (is_machine_address(lab, facts, m, segment, source))
      return TRUE;
  return FALSE;
}

static gboolean target_matches(const LwLab *lab, const LwFacts *facts, const LwTarget *target,
                               const LwFlowQuestion *question) {
  const LwZone *to = &question->to;
  switch (target->kind) {
  case LW_TARGET_HOST:
  case LW_TARGET_HOST_SERVICE:
    return to->kind == LW_ZONE_HOST && lw_addr_equal(&question->destination, &lab->host.management.address);
  case LW_TARGET_SEGMENT:
    return to->kind == LW_ZONE_SEGMENT && to->index == target->index;
  case LW_TARGET_MACHINE:
    return to->kind == LW_ZONE_SEGMENT && to->index == target->index &&
           is_machine_address(lab, facts, target->machine, target->index, &question->destination);
  case LW_TARGET_NETWORK:
    return to->kind == LW_ZONE_NETWORK && to->index == target->index;
  case LW_TARGET_HOME_LAN:
    return to->kind == LW_ZONE_HOME_LAN;
  case LW_TARGET_PREFIX: /* what lies beyond the exits: never a way into the lab's own zones */
    return (to->kind == LW_ZONE_INTERNET || to->kind == LW_ZONE_HOME_LAN) &&
           lw_prefix_contains(&target->prefix, &question->destination);
  case LW_TARGET_ROUTER_NTP:
    return to->kind == LW_ZONE_ROUTER && question->proto == LW_PROTO_UDP && question->port == 123;
  case LW_TARGET_INTERNET:
  case LW_TARGET_ROUTER:
    return FALSE; /* words of asserts */
  }
  return FALSE;
}

static gboolean allow_matches(const LwLab *lab, const LwFacts *facts, const LwAllow *allow,
                              const LwFlowQuestion *question) {
  if (!target_matches(lab, facts, &allow->target, question))
    return FALSE;
  const GArray *ports = allow->ports;
  if (ports->len == 0 && allow->target.kind == LW_TARGET_HOST_SERVICE)
    ports = lw_lab_service(lab, allow->target.index)->ports;
  return ports->len == 0 || any_ports_match(ports, question);
}

/* The first line of the list that allows the flow. *near: one that would, for other sources. */
static const LwAllow *find_allow(const LwLab *lab, const LwFacts *facts, const GPtrArray *lines,
                                 const LwFlowQuestion *question, const LwAllow **near) {
  for (guint i = 0; i < lines->len; i++) {
    const LwAllow *allow = g_ptr_array_index(lines, i);
    if (!allow_matches(lab, facts, allow, question))
      continue;
    if (from_matches(allow->from, &question->source))
      return allow;
    *near = allow;
  }
  return NULL;
}

/* An allow line decides, or nothing does. TRUE when a line of the file allowed the flow. */
static gboolean by_lines(const LwLab *lab, const LwFacts *facts, const LwSegment *owner,
                         const GPtrArray *lines, const char *key, const LwFlowQuestion *question,
                         LwFlowAnswer *answer) {
  const LwAllow *near = NULL;
  const LwAllow *allow = find_allow(lab, facts, lines, question, &near);
  if (allow) {
    g_autofree char *text = lw_allow_as_written(lab, allow);
    say(answer, TRUE, &allow->origin, "%s: %s: %s", owner->name, key, text);
    return TRUE;
  }
  if (near) {
    g_autofree char *text = lw_allow_as_written(lab, near);
    say(answer, FALSE, &near->origin, "%s: %s: %s does not cover this source", owner->name, key, text);
  } else {
    say(answer, FALSE, &owner->origin, "%s: no line allows it", owner->name);
  }
  return FALSE;
}

static gboolean is_dns_port(const LwFlowQuestion *question, guint16 port) {
  return (question->proto == LW_PROTO_UDP || question->proto == LW_PROTO_TCP) && question->port == port;
}

static void segment_to_router(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                              LwFlowAnswer *answer) {
  const LwSegment *s = lw_lab_segment(lab, question->from.index);
  if (!lw_addr_equal(&question->destination, &s->router)) {
    say(answer, FALSE, &s->origin, "%s: of the router only its address in %s answers", s->name, s->name);
    return;
  }
  if (question->proto == LW_PROTO_ICMP)
    say(answer, TRUE, &s->origin, "%s: machines may ping the router", s->name);
  else if (is_dns_port(question, 53))
    say(answer, TRUE, &s->dns_origin, "%s: the router answers DNS", s->name);
  else if (question->proto == LW_PROTO_UDP && question->port == 67 && s->has_dhcp)
    say(answer, TRUE, &s->dhcp_origin, "%s: the router answers DHCP", s->name);
  else if (!by_lines(lab, facts, s, s->allow, "allow", question, answer))
    say(answer, FALSE, &s->origin, "%s: the router gives DHCP, DNS and ping, nothing else", s->name);
}

static void segment_to_host(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                            LwFlowAnswer *answer) {
  const LwSegment *s = lw_lab_segment(lab, question->from.index);
  if (!lw_addr_equal(&question->destination, &lab->host.management.address))
    say(answer, FALSE, &s->origin, "%s: the host is reached at its management address alone", s->name);
  else if (s->trust_host)
    say(answer, TRUE, &s->trust_origin, "%s: trust: host", s->name);
  else
    by_lines(lab, facts, s, s->allow, "allow", question, answer);
}

static void segment_to_segment(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                               LwFlowAnswer *answer) {
  const LwSegment *s = lw_lab_segment(lab, question->from.index);
  if (question->to.index != question->from.index)
    by_lines(lab, facts, s, s->allow, "allow", question, answer);
  else if (s->isolate)
    say(answer, FALSE, &s->isolate_origin, "%s: isolate: true", s->name);
  else
    say(answer, TRUE, &s->origin, "%s: machines of one segment reach each other", s->name);
}

static void segment_to_network(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                               LwFlowAnswer *answer) {
  const LwSegment *s = lw_lab_segment(lab, question->from.index);
  if (s->trust_host)
    say(answer, TRUE, &s->trust_origin, "%s: trust: host, and %s is behind the host", s->name,
        lw_lab_network(lab, question->to.index)->name);
  else
    by_lines(lab, facts, s, s->allow, "allow", question, answer);
}

static const LwPin *pin_of(const LwSegment *s, const LwAddr *source) {
  for (guint i = 0; i < s->pins->len; i++) {
    const LwPin *pin = g_ptr_array_index(s->pins, i);
    if (lw_range_contains(&pin->range, source))
      return pin;
  }
  return NULL;
}

/* TRUE and answered when the flow is a query to a resolver that is not the router. */
static gboolean is_foreign_dns(const LwSegment *s, const LwFlowQuestion *question, LwFlowAnswer *answer) {
  if (is_dns_port(question, 853))
    say(answer, FALSE, &s->dns_foreign_origin, "%s: DNS over TLS to another resolver is refused", s->name);
  else if (is_dns_port(question, 53))
    say(answer, FALSE, &s->dns_foreign_origin, "%s: DNS to another resolver is %s", s->name,
        s->dns_foreign == LW_DNS_REDIRECT ? "redirected to the router" : "refused");
  else
    return FALSE;
  return TRUE;
}

static void segment_to_home_lan(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                                LwFlowAnswer *answer) {
  const LwSegment *s = lw_lab_segment(lab, question->from.index);
  if (!is_foreign_dns(s, question, answer))
    by_lines(lab, facts, s, s->allow, "allow", question, answer);
}

static void segment_to_internet(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                                LwFlowAnswer *answer) {
  const LwSegment *s = lw_lab_segment(lab, question->from.index);
  if (is_in_lab(lab, &question->destination)) {
    say(answer, FALSE, &s->origin, "%s: an address of the lab is not internet", s->name);
    return;
  }
  if (is_foreign_dns(s, question, answer))
    return;
  const LwPin *pin = pin_of(s, &question->source);
  gboolean leaves = s->egress != LW_EGRESS_NONE || pin;
  guint exit = leaves ? lw_exit_of_source(lab, facts, question->from.index, &question->source) : LW_NONE;
  const char *name = exit == LW_NONE ? "direct" : lw_lab_tunnel(lab, exit)->name;
  if (is_special(&question->destination)) {
    if (by_lines(lab, facts, s, s->allow, "allow", question, answer))
      answer->exit = exit;
    else
      say(answer, FALSE, &s->origin, "%s: a special-purpose address is not internet", s->name);
  } else if (leaves) {
    answer->exit = exit;
    if (pin)
      say(answer, TRUE, &pin->origin, "%s: pin: this source uses %s", s->name, name);
    else
      say(answer, TRUE, &s->egress_origin, "%s: egress: %s%s", s->name, name,
          s->exits->len > 1 ? ", the active one" : "");
  } else if (!by_lines(lab, facts, s, s->allow, "allow", question, answer)) {
    say(answer, FALSE, &s->egress_origin, "%s: egress: none", s->name);
  }
}

static void from_segment(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                         LwFlowAnswer *answer) {
  const LwSegment *s = lw_lab_segment(lab, question->from.index);
  if (!is_source_of(lab, facts, question->from.index, &question->source)) {
    say(answer, FALSE, &s->origin, "%s: the source is no address of this segment", s->name);
    return;
  }
  switch (question->to.kind) {
  case LW_ZONE_ROUTER:
    segment_to_router(lab, facts, question, answer);
    break;
  case LW_ZONE_HOST:
    segment_to_host(lab, facts, question, answer);
    break;
  case LW_ZONE_SEGMENT:
    segment_to_segment(lab, facts, question, answer);
    break;
  case LW_ZONE_NETWORK:
    segment_to_network(lab, facts, question, answer);
    break;
  case LW_ZONE_HOME_LAN:
    segment_to_home_lan(lab, facts, question, answer);
    break;
  case LW_ZONE_INTERNET:
    segment_to_internet(lab, facts, question, answer);
    break;
  }
}

static void from_host(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                      LwFlowAnswer *answer) {
  const LwOrigin *management = &lab->host.management.origin;
  if (question->to.kind == LW_ZONE_ROUTER) {
    gboolean own = lw_addr_equal(&question->destination, &lab->host.management.router);
    gboolean offered = question->proto == LW_PROTO_ICMP ||
                       (question->proto == LW_PROTO_TCP &&
                        (question->port == 22 || question->port == 80 || question->port == 443));
    if (!own)
      say(answer, FALSE, management, "the router answers the host at its management address alone");
    else if (offered)
      say(answer, TRUE, management, "the host manages the router: ping, SSH, web");
    else
      say(answer, FALSE, management, "of the router the host has ping, SSH and web, nothing else");
  } else if (question->to.kind == LW_ZONE_SEGMENT) {
    const LwSegment *s = lw_lab_segment(lab, question->to.index);
    if (s->trust_host)
      say(answer, TRUE, &s->trust_origin, "%s: trust: host", s->name);
    else
      by_lines(lab, facts, s, s->host_allow, "host: allow", question, answer);
  } else {
    say(answer, FALSE, management, "the host enters the lab to its segments and the router alone");
  }
}

static void from_network(const LwLab *lab, const LwFlowQuestion *question, LwFlowAnswer *answer) {
  const LwNetwork *network = lw_lab_network(lab, question->from.index);
  if (question->to.kind == LW_ZONE_SEGMENT) {
    const LwSegment *s = lw_lab_segment(lab, question->to.index);
    if (s->trust_host && lw_prefix_contains(&network->prefix, &question->source)) {
      say(answer, TRUE, &s->trust_origin, "%s: trust: host, and %s is behind the host", s->name,
          network->name);
      return;
    }
  }
  say(answer, FALSE, &network->origin, "%s: no line lets it in", network->name);
}

/* The exit that the target of a forward uses now, and whether it is there at all. */
static gboolean forward_is_live(const LwLab *lab, const LwFacts *facts, guint segment,
                                const LwForward *forward, guint by) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  if (lw_nic_segment(lab, facts, forward->machine, forward->nic) != segment)
    return FALSE;
  if (s->egress == LW_EGRESS_NONE && !pin_of(s, &forward->address))
    return FALSE;
  return lw_exit_of_source(lab, facts, segment, &forward->address) == by;
}

static gboolean forward_matches(const LwForward *forward, const LwFlowQuestion *question) {
  gboolean proto =
      (forward->tcp && question->proto == LW_PROTO_TCP) || (forward->udp && question->proto == LW_PROTO_UDP);
  return proto && forward->first_port <= question->port && question->port <= forward->last_port;
}

static void from_outside(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                         LwFlowAnswer *answer) {
  guint by = question->from.kind == LW_ZONE_INTERNET ? question->from.index : LW_NONE;
  const LwOrigin *nobody = by == LW_NONE ? &lab->router.origin : &lw_lab_tunnel(lab, by)->origin;
  say(answer, FALSE, nobody, "nobody enters by %s except through a forward",
      by == LW_NONE ? "wan" : lw_lab_tunnel(lab, by)->name);
  if (question->to.kind != LW_ZONE_ROUTER)
    return;
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(lab, i);
    for (guint j = 0; j < s->forwards->len; j++) {
      const LwForward *forward = g_ptr_array_index(s->forwards, j);
      if (!forward_matches(forward, question))
        continue;
      const char *machine = lw_lab_machine(lab, forward->machine)->name;
      if (forward_is_live(lab, facts, i, forward, by)) {
        say(answer, TRUE, &forward->origin, "%s: forward to %s", s->name, machine);
        answer->exit = by;
        return;
      }
      say(answer, FALSE, &forward->origin, "%s: the forward to %s is not by this exit now", s->name, machine);
    }
  }
}

void lw_intent_answer(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                      LwFlowAnswer *answer) {
  *answer = (LwFlowAnswer){.exit = LW_NONE};
  if (question->source.family != 4 || question->destination.family != 4) {
    say(answer, FALSE, &lab->router.origin, "IPv6 is off in every segment");
    return;
  }
  switch (question->from.kind) {
  case LW_ZONE_SEGMENT:
    from_segment(lab, facts, question, answer);
    break;
  case LW_ZONE_HOST:
    from_host(lab, facts, question, answer);
    break;
  case LW_ZONE_NETWORK:
    from_network(lab, question, answer);
    break;
  case LW_ZONE_INTERNET:
  case LW_ZONE_HOME_LAN:
    from_outside(lab, facts, question, answer);
    break;
  case LW_ZONE_ROUTER:
    say(answer, FALSE, &lab->router.origin, "the router opens nothing of its own into the lab");
    break;
  }
}

void lw_flow_answer_clear(LwFlowAnswer *answer) {
  g_clear_pointer(&answer->reason, g_free);
}

static gboolean has_line_to(const GPtrArray *lines, guint segment) {
  for (guint i = 0; i < lines->len; i++) {
    const LwTarget *target = &((const LwAllow *)lines->pdata[i])->target;
    gboolean inside = target->kind == LW_TARGET_SEGMENT || target->kind == LW_TARGET_MACHINE;
    if (inside && target->index == segment)
      return TRUE;
  }
  return FALSE;
}

gboolean lw_intent_may_enter(const LwLab *lab, const LwZone *from, guint segment) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  switch (from->kind) {
  case LW_ZONE_SEGMENT:
    return from->index == segment || has_line_to(lw_lab_segment(lab, from->index)->allow, segment);
  case LW_ZONE_HOST:
    return s->trust_host || s->host_allow->len > 0;
  case LW_ZONE_NETWORK:
    return s->trust_host;
  case LW_ZONE_ROUTER:
  case LW_ZONE_INTERNET:
  case LW_ZONE_HOME_LAN:
    return FALSE;
  }
  return TRUE;
}
