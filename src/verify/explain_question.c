/* The question of explain, as people write it. */
#include "verify/explain.h"

#include "base/error.h"
#include "policy/names.h"

#include <string.h>

typedef struct {
  LwZone zone;
  LwAddr address; /* unset: any of the zone */
  const char *machine;
  gboolean example; /* the address stands for many that were meant */
} End;

static LwAddr machine_address(const LwStatic *proof, guint machine, guint segment) {
  const LwMachine *m = lw_lab_machine(proof->lab, machine);
  for (guint n = 0; n < m->nics->len; n++)
    if (lw_nic_segment(proof->lab, proof->facts, machine, n) == segment)
      return lw_nic_address(proof->lab, proof->facts, machine, n);
  return LW_ADDR_NONE;
}

/* An address that stands for the segment: a machine's, else the first of the DHCP range, else one in the
 * middle. */
static LwAddr some_address(const LwStatic *proof, guint segment) {
  for (guint m = 0; m < proof->lab->machines->len; m++) {
    LwAddr address = machine_address(proof, m, segment);
    if (lw_addr_is_set(&address))
      return address;
  }
  const LwSegment *s = lw_lab_segment(proof->lab, segment);
  return s->has_dhcp ? s->dhcp.first : lw_addr_add(&s->router, 1);
}

static gboolean end_of_segment(const LwStatic *proof, const char *text, End *end, GError **error) {
  const char *slash = strchr(text, '/');
  g_autofree char *name = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
  guint segment = lw_lab_find_segment(proof->lab, name);
  if (segment == LW_NONE)
    return FALSE;
  end->zone = (LwZone){LW_ZONE_SEGMENT, segment};
  end->address = some_address(proof, segment);
  end->example = !slash;
  if (!slash)
    return TRUE;
  if (lw_addr_parse(slash + 1, &end->address))
    return TRUE;
  guint machine = lw_lab_find_machine(proof->lab, slash + 1);
  end->address = machine == LW_NONE ? LW_ADDR_NONE : machine_address(proof, machine, segment);
  if (!lw_addr_is_set(&end->address)) {
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "“%s”: there is no machine “%s” in %s now", text, slash + 1,
                name);
    return FALSE;
  }
  end->machine = lw_lab_machine(proof->lab, machine)->name;
  return TRUE;
}

static gboolean end_of_internet(const LwStatic *proof, const char *text, End *end) {
  if (!g_str_has_prefix(text, "internet"))
    return FALSE;
  (void)lw_addr_parse("8.8.4.4", &end->address);
  end->example = TRUE;
  end->zone = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  if (text[8] == '/')
    end->zone.index = lw_lab_find_tunnel(proof->lab, text + 9);
  return text[8] == '\0' || (text[8] == '/' && end->zone.index != LW_NONE);
}

/* Where an address is, by the file. */
static void end_of_address(const LwStatic *proof, End *end) {
  const LwLab *lab = proof->lab;
  end->zone = (LwZone){LW_ZONE_INTERNET, LW_NONE};
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(lab, i);
    if (lw_addr_equal(&s->router, &end->address))
      end->zone = (LwZone){LW_ZONE_ROUTER, LW_NONE};
    else if (lw_prefix_contains(&s->subnet, &end->address))
      end->zone = (LwZone){LW_ZONE_SEGMENT, i};
  }
  for (guint i = 0; i < lab->host.networks->len; i++)
    if (lw_prefix_contains(&lw_lab_network(lab, i)->prefix, &end->address))
      end->zone = (LwZone){LW_ZONE_NETWORK, i};
  if (lw_addr_equal(&lab->host.management.address, &end->address))
    end->zone = (LwZone){LW_ZONE_HOST, LW_NONE};
  if (lw_addr_equal(&lab->host.management.router, &end->address))
    end->zone = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  if (proof->facts->home_lan.addr.family && lw_prefix_contains(&proof->facts->home_lan, &end->address))
    end->zone = (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
}

static LwAddr address_in(const LwPrefix *prefix) {
  LwAddr first = lw_prefix_network(prefix).addr;
  return prefix->len < 31 ? lw_addr_add(&first, 2) : first;
}

static gboolean parse_end(const LwStatic *proof, const char *text, End *end, GError **error) {
  const LwLab *lab = proof->lab;
  g_autoptr(GError) wrong = NULL;
  *end = (End){.zone = {LW_ZONE_HOST, LW_NONE}, .address = lab->host.management.address};
  if (g_str_equal(text, "host") || end_of_segment(proof, text, end, &wrong) ||
      end_of_internet(proof, text, end))
    return TRUE;
  if (wrong) {
    g_propagate_error(error, g_steal_pointer(&wrong));
    return FALSE;
  }
  if (g_str_equal(text, "router")) {
    end->zone.kind = LW_ZONE_ROUTER;
    end->address = lab->host.management.router;
    return TRUE;
  }
  if (g_str_equal(text, "home-lan") && proof->facts->home_lan.addr.family) {
    end->zone.kind = LW_ZONE_HOME_LAN;
    end->address = address_in(&proof->facts->home_lan);
    end->example = TRUE;
    return TRUE;
  }
  guint network = lw_lab_find_network(lab, text);
  if (network != LW_NONE) {
    end->zone = (LwZone){LW_ZONE_NETWORK, network};
    end->address = address_in(&lw_lab_network(lab, network)->prefix);
    end->example = TRUE;
    return TRUE;
  }
  if (lw_addr_parse(text, &end->address)) {
    end_of_address(proof, end);
    return TRUE;
  }
  g_set_error(error, LW_ERROR, LW_ERROR_USAGE,
              "“%s” is no segment, segment/machine, host, router, internet, home-lan, network or address",
              text);
  return FALSE;
}

static gboolean parse_service(const char *text, LwFlowQuestion *question, GError **error) {
  question->proto = LW_PROTO_ICMP;
  if (!*text || g_str_equal(text, "icmp") || g_str_equal(text, "ping"))
    return TRUE;
  gboolean tcp = g_str_has_prefix(text, "tcp/"), udp = g_str_has_prefix(text, "udp/");
  guint64 port = 0;
  question->proto = tcp ? LW_PROTO_TCP : LW_PROTO_UDP;
  if ((tcp || udp) && g_ascii_string_to_unsigned(text + 4, 10, 0, 65535, &port, NULL)) {
    question->port = (guint16)port;
    return TRUE;
  }
  g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "“%s” is not icmp, tcp/PORT or udp/PORT", text);
  return FALSE;
}

/* The router's, beyond that exit; of wan one that could be its own, NONE until it is known. */
static LwAddr address_outside(const LwStatic *proof, guint tunnel) {
  const LwPrefix *home = &proof->facts->home_lan;
  if (tunnel == LW_NONE)
    return home->addr.family ? address_in(home) : LW_ADDR_NONE;
  const GArray *own = lw_lab_tunnel(proof->lab, tunnel)->wg.addresses;
  for (guint i = 0; i < own->len; i++)
    if (g_array_index(own, LwPrefix, i).addr.family == 4)
      return g_array_index(own, LwPrefix, i).addr;
  return LW_ADDR_NONE;
}

/* Who comes from an exit to a machine whose port is forwarded knows the exit's address, not the machine's. */
static const LwForward *ask_for_forward(const LwStatic *proof, LwFlowQuestion *q) {
  gboolean outside = q->from.kind == LW_ZONE_INTERNET || q->from.kind == LW_ZONE_HOME_LAN;
  guint exit = q->from.kind == LW_ZONE_INTERNET ? q->from.index : LW_NONE;
  LwAddr known_by = outside ? address_outside(proof, exit) : LW_ADDR_NONE;
  if (!lw_addr_is_set(&known_by) || q->to.kind != LW_ZONE_SEGMENT)
    return NULL;
  const LwSegment *segment = lw_lab_segment(proof->lab, q->to.index);
  for (guint i = 0; i < segment->forwards->len; i++) {
    const LwForward *forward = segment->forwards->pdata[i];
    guint offset = q->port - forward->to_port;
    gboolean inside =
        q->port >= forward->to_port && offset <= (guint)(forward->last_port - forward->first_port);
    gboolean named = forward->first_port <= q->port && q->port <= forward->last_port;
    gboolean proto = q->proto == LW_PROTO_TCP ? forward->tcp : q->proto == LW_PROTO_UDP && forward->udp;
    if (!proto || !(inside || named) || !lw_addr_equal(&forward->address, &q->destination))
      continue;
    if (!named)
      q->port = (guint16)(forward->first_port + offset);
    q->to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
    q->destination = known_by;
    return forward;
  }
  return NULL;
}

gboolean lw_explain_parse(const LwStatic *proof, const char *text, LwExplainQuestion *out, GError **error) {
  const char *arrow = strstr(text, "->");
  if (!arrow) {
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "“%s”: a flow is written FROM -> TO [icmp|tcp/N|udp/N]",
                text);
    return FALSE;
  }
  g_autofree char *from_text = g_strstrip(g_strndup(text, (gsize)(arrow - text)));
  g_autofree char *rest = g_strstrip(g_strdup(arrow + 2));
  char *space = strpbrk(rest, " \t");
  const char *service = space ? g_strstrip(space) : "";
  g_autofree char *service_text = g_strdup(service);
  if (space)
    *space = '\0';
  g_autofree char *to_text = g_strdup(g_strstrip(rest));
  End from, to;
  LwExplainQuestion question = {0};
  char *cut = strpbrk(to_text, " \t");
  if (cut)
    *cut = '\0';
  if (!parse_end(proof, from_text, &from, error) || !parse_end(proof, to_text, &to, error) ||
      !parse_service(service_text, &question.question, error))
    return FALSE;
  /* "router" is to an exit the address that it is known by there */
  if (to.zone.kind == LW_ZONE_ROUTER && g_str_equal(to_text, "router") &&
      from.zone.kind == LW_ZONE_INTERNET && from.zone.index != LW_NONE)
    to.address = address_outside(proof, from.zone.index);
  /* "router" is, to a segment, its own gateway */
  if (to.zone.kind == LW_ZONE_ROUTER && g_str_equal(to_text, "router") && from.zone.kind == LW_ZONE_SEGMENT)
    to.address = lw_lab_segment(proof->lab, from.zone.index)->router;
  question.question.from = from.zone;
  question.question.to = to.zone;
  question.from = g_intern_string(from_text);
  question.to = g_intern_string(to_text);
  question.any_source = from.example;
  question.any_destination = to.example;
  question.question.source = from.address;
  question.question.destination = to.address;
  question.port = question.question.port;
  question.forward = ask_for_forward(proof, &question.question);
  LwZone row_zone = from.zone.kind == LW_ZONE_HOME_LAN ? (LwZone){LW_ZONE_INTERNET, LW_NONE} : from.zone;
  question.row = lw_static_row(proof, &row_zone, from.machine);
  if (!question.row && from.machine)
    question.row = lw_static_row(proof, &row_zone, NULL);
  if (!question.row) {
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "nothing can come from “%s” here", from_text);
    return FALSE;
  }
  *out = question;
  return TRUE;
}
