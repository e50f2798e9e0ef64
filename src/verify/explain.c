#include "verify/explain.h"

#include "base/error.h"
#include "policy/names.h"
#include "verify/static_internal.h"

#include <string.h>

/* --- steps in words
 * ---------------------------------------------------------------------------------------------- */

static const char *place_of(const char *ns) {
  return *ns ? ns : "the host";
}

static LwOrigin origin_of(const LwStep *step) {
  if (step->element && step->element->origin.file)
    return step->element->origin;
  return step->rule ? step->rule->origin : (LwOrigin){0};
}

static char *rule_name(const LwRule *rule) {
  return rule->comment && *rule->comment ? g_strdup(rule->comment) : lw_rule_format(rule);
}

char *lw_static_step_text(const LwStep *step) {
  switch (step->kind) {
  case LW_STEP_RULE: {
    g_autofree char *name = rule_name(step->rule);
    LwOrigin origin = origin_of(step);
    g_autofree char *line = lw_origin_format(&origin);
    return g_strdup_printf("rule “%s” in chain %s of table %s, %s%s%s", name, step->chain->name,
                           step->ruleset->name, place_of(step->ns), origin.file ? ", made of " : "",
                           origin.file ? line : "");
  }
  case LW_STEP_POLICY:
    return g_strdup_printf("no rule in chain %s of table %s, %s: its policy", step->chain->name,
                           step->ruleset->name, place_of(step->ns));
  case LW_STEP_ROUTE:
    if (step->link)
      return g_strdup_printf("routed to %s, %s", step->link, place_of(step->ns));
    return g_strdup_printf("%s, %s", step->text ? step->text : "no route", place_of(step->ns));
  case LW_STEP_STOPPED:
    return g_strdup_printf("%s, %s", step->text ? step->text : "stopped", place_of(step->ns));
  case LW_STEP_ENTERS:
    return g_strdup_printf("comes in by %s, %s", step->link, place_of(step->ns));
  case LW_STEP_LEAVES:
    return g_strdup_printf("leaves by %s, %s", step->link, place_of(step->ns));
  case LW_STEP_DELIVERED:
    return g_strdup_printf("delivered to %s", place_of(step->ns));
  }
  return g_strdup("");
}

static gboolean is_stop(const LwStep *step) {
  if (step->kind == LW_STEP_RULE || step->kind == LW_STEP_POLICY)
    return step->verdict == LW_VERDICT_DROP;
  return step->kind == LW_STEP_STOPPED || (step->kind == LW_STEP_ROUTE && !step->link);
}

/* --- the question
 * ------------------------------------------------------------------------------------------------ */

typedef struct {
  LwZone zone;
  LwAddr address; /* unset: any of the zone */
  const char *machine;
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
    return TRUE;
  }
  guint network = lw_lab_find_network(lab, text);
  if (network != LW_NONE) {
    end->zone = (LwZone){LW_ZONE_NETWORK, network};
    end->address = address_in(&lw_lab_network(lab, network)->prefix);
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

static LwAddr address_outside(const LwStatic *proof, guint tunnel) {
  const GArray *own = lw_lab_tunnel(proof->lab, tunnel)->wg.addresses;
  for (guint i = 0; i < own->len; i++)
    if (g_array_index(own, LwPrefix, i).addr.family == 4)
      return g_array_index(own, LwPrefix, i).addr;
  return LW_ADDR_NONE;
}

/* Who comes from an exit to a machine whose port is forwarded knows the exit's address, not the machine's. */
static void ask_for_forward(const LwStatic *proof, LwFlowQuestion *q) {
  if (q->from.kind != LW_ZONE_INTERNET || q->from.index == LW_NONE || q->to.kind != LW_ZONE_SEGMENT)
    return;
  const LwSegment *segment = lw_lab_segment(proof->lab, q->to.index);
  for (guint i = 0; i < segment->forwards->len; i++) {
    const LwForward *forward = segment->forwards->pdata[i];
    guint offset = q->port - forward->to_port;
    gboolean inside =
        q->port >= forward->to_port && offset <= (guint)(forward->last_port - forward->first_port);
    gboolean outside = forward->first_port <= q->port && q->port <= forward->last_port;
    gboolean proto = q->proto == LW_PROTO_TCP ? forward->tcp : q->proto == LW_PROTO_UDP && forward->udp;
    if (!proto || !(inside || outside) || !lw_addr_equal(&forward->address, &q->destination))
      continue;
    if (!outside)
      q->port = (guint16)(forward->first_port + offset);
    q->to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
    q->destination = address_outside(proof, q->from.index);
    return;
  }
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
  question.question.source = from.address;
  question.question.destination = to.address;
  ask_for_forward(proof, &question.question);
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

/* --- the answer
 * -------------------------------------------------------------------------------------------------- */

static char *zone_text(const LwStatic *proof, const LwZone *zone) {
  return lw_verify_zone_name(proof->lab, zone, NULL);
}

/* In words first; how it is written in the rules behind it. */
static void put_rule(GString *out, const LwStep *step, const char *mark, const char *does, const char *name) {
  if (step->verdict == LW_VERDICT_NONE)
    g_string_append_printf(out, "     %s %s (%s; chain %s of table %s)\n", mark, name, does,
                           step->chain->name, step->ruleset->name);
  else
    g_string_append_printf(out, "     %s %s: “%s” (chain %s of table %s)\n", mark, does, name,
                           step->chain->name, step->ruleset->name);
}

static void put_verdict(GString *out, const LwStep *step, const char *mark, const char *does) {
  g_autofree char *name = step->kind == LW_STEP_RULE ? rule_name(step->rule) : NULL;
  LwOrigin origin = origin_of(step);
  g_autofree char *line = lw_origin_format(&origin);
  if (!name)
    g_string_append_printf(
        out, "     %s nothing there speaks of it, and what nothing speaks of is %s (chain %s of table %s)\n",
        mark, step->verdict == LW_VERDICT_DROP ? "dropped" : "let through", step->chain->name,
        step->ruleset->name);
  else
    put_rule(out, step, mark, does, name);
  if (origin.file)
    g_string_append_printf(out, "         because of %s\n", line);
}

/* A chain that lets everything through by its policy tells nothing. */
static gboolean tells_nothing(const LwStep *step) {
  return step->kind == LW_STEP_POLICY && step->verdict != LW_VERDICT_DROP;
}

/* A machine's port says little by its own name. Transfer full. */
static char *link_text(const LwStatic *proof, const LwStep *step) {
  const LwLab *lab = proof->lab;
  for (guint m = 0; step->link && !*step->ns && m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      if (lw_nic_has_port(lab, proof->facts, m, n, step->link))
        return g_strdup_printf("%s, %s's port", step->link, lw_lab_machine(lab, m)->name);
    }
  return g_strdup(step->link);
}

static void put_step(const LwStatic *proof, GString *out, const LwStep *step, guint *hop) {
  g_autofree char *link = link_text(proof, step);
  if (tells_nothing(step))
    return;
  switch (step->kind) {
  case LW_STEP_ENTERS:
    g_string_append_printf(out, "  %u. comes to %s by %s\n", ++*hop, place_of(step->ns), link);
    break;
  case LW_STEP_RULE:
  case LW_STEP_POLICY:
    if (step->verdict == LW_VERDICT_DROP)
      put_verdict(out, step, "✗", "refused");
    else if (step->verdict == LW_VERDICT_ACCEPT)
      put_verdict(out, step, "✓", "let through");
    else
      put_verdict(out, step, "·", step->text ? step->text : "changed");
    break;
  case LW_STEP_ROUTE:
    if (step->link)
      g_string_append_printf(out, "     → goes on by %s\n", step->link);
    else
      g_string_append_printf(out, "     ✗ %s\n", step->text);
    break;
  case LW_STEP_LEAVES:
    g_string_append_printf(out, "  %u. leaves %s by %s\n", ++*hop, place_of(step->ns), link);
    break;
  case LW_STEP_DELIVERED:
    g_string_append_printf(out, "  %u. arrives at %s itself\n", ++*hop, place_of(step->ns));
    break;
  case LW_STEP_STOPPED:
    g_string_append_printf(out, "     ✗ %s\n", step->text);
    break;
  }
}

static char *service_text(const LwFlowQuestion *q) {
  return q->proto == LW_PROTO_ICMP ? g_strdup("icmp")
                                   : g_strdup_printf("%s/%u", lw_proto_name(q->proto), q->port);
}

/* The line that would allow it, to be written into the file. NULL: no line can. */
static char *line_to_add(const LwStatic *proof, const LwFlowQuestion *q) {
  g_autofree char *to = zone_text(proof, &q->to);
  g_autofree char *service = service_text(q);
  g_autofree char *destination = lw_addr_format(&q->destination);
  const char *machine = NULL;
  for (guint m = 0; m < proof->lab->machines->len && q->to.kind == LW_ZONE_SEGMENT; m++) {
    LwAddr address = machine_address(proof, m, q->to.index);
    if (lw_addr_equal(&address, &q->destination))
      machine = lw_lab_machine(proof->lab, m)->name;
  }
  g_autofree char *target = machine ? g_strdup_printf("%s/%s", to, machine) : g_strdup(to);
  if (q->from.kind == LW_ZONE_SEGMENT) {
    const char *from = lw_lab_segment(proof->lab, q->from.index)->name;
    if (q->to.kind == LW_ZONE_INTERNET && (q->port == 53 || q->port == 853) && q->proto != LW_PROTO_ICMP)
      return g_strdup_printf("the resolver that %s's gateway is to ask instead into “dns:” of %s", from,
                             from);
    if (q->to.kind == LW_ZONE_INTERNET)
      return g_strdup_printf("“egress: direct” or “egress: TUNNEL” in %s, or “allow: [%s:%s]” for this one",
                             from, destination, service);
    if (q->to.kind == LW_ZONE_ROUTER)
      return NULL;
    return g_strdup_printf("“allow: [%s:%s]” in %s", target, service, from);
  }
  if (q->from.kind == LW_ZONE_HOST && q->to.kind == LW_ZONE_SEGMENT)
    return g_strdup_printf("“host: {allow: [%s:%s]}” in %s (or “trust: host”)", target, service, to);
  if ((q->from.kind == LW_ZONE_INTERNET || q->from.kind == LW_ZONE_HOME_LAN) && q->proto != LW_PROTO_ICMP &&
      q->to.kind == LW_ZONE_SEGMENT)
    return g_strdup_printf("“forward: [{port: %s, to: %s}]” in %s", service, machine ? machine : "MACHINE",
                           to);
  return NULL;
}

static void put_file(const LwStatic *proof, const LwFlowQuestion *q, const LwFlowAnswer *answer,
                     gboolean passes, GString *out) {
  g_autofree char *origin = lw_origin_format(&answer->origin);
  g_string_append_printf(out, "\nThe file %s it: %s (%s)\n", answer->allow ? "allows" : "does not allow",
                         answer->reason, origin);
  if (answer->allow == passes) {
    g_autofree char *line = passes ? NULL : line_to_add(proof, q);
    if (line)
      g_string_append_printf(out, "To change that, write %s, then apply.\n", line);
    else if (!passes)
      g_string_append(out, "No line of the file can allow it.\n");
    return;
  }
  g_string_append(out, answer->allow
                           ? "What is in force stops it all the same: “lanward apply” puts it right.\n"
                           : "What is in force lets it through all the same: a violation. “lanward "
                             "apply” puts it right.\n");
}

/* What stands in its way beside the first: everything that would have to change. */
static void put_obstacles(const LwStatic *proof, const LwStart *start, const LwHeader *header, GString *out) {
  g_autoptr(GPtrArray) trace = lw_reach_trace(proof->reach, start, header, LW_CT_NEW, TRUE);
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < trace->len; i++) {
    g_autofree char *text = is_stop(trace->pdata[i]) ? lw_static_step_text(trace->pdata[i]) : NULL;
    if (text && !g_ptr_array_find_with_equal_func(texts, text, g_str_equal, NULL))
      g_ptr_array_add(texts, g_steal_pointer(&text));
  }
  if (texts->len)
    g_string_append_printf(out, "\nIn its way %s:\n",
                           texts->len == 1 ? "stands" : "stand, one after the other");
  for (guint i = 0; i < texts->len; i++)
    g_string_append_printf(out, "  - %s\n", (char *)texts->pdata[i]);
}

static gboolean question_passes(const LwStatic *proof, const LwExplainQuestion *question,
                                const LwHeader *header) {
  LwZone to = question->question.to;
  if (question->row->zone.kind == LW_ZONE_INTERNET && to.kind == LW_ZONE_ROUTER &&
      lw_static_forwards(proof, question->row, header))
    return TRUE;
  return lw_static_passes(proof, question->row, header, &to);
}

/* As a machine sends it: with its own MAC, and to its gateway unless it stays on the wire. */
static LwHeader header_of(const LwStatic *proof, const LwExplainQuestion *question, LwStart *start) {
  const LwStaticRow *row = question->row;
  LwHeader header = lw_static_header(&question->question);
  *start = row->start;
  if (row->machine == LW_NONE)
    return header;
  header.mac = lw_nic_mac_now(proof->lab, proof->facts, row->machine, row->nic);
  LwZone to = question->question.to;
  if (to.kind != LW_ZONE_SEGMENT || to.index != row->zone.index)
    start->kind = LW_START_ROUTED;
  return header;
}

char *lw_explain(const LwStatic *proof, const LwExplainQuestion *question, gboolean *passes) {
  const LwFlowQuestion *q = &question->question;
  LwStart start;
  LwHeader header = header_of(proof, question, &start);
  g_autoptr(GPtrArray) trace = lw_reach_trace(proof->reach, &start, &header, LW_CT_NEW, FALSE);
  *passes = question_passes(proof, question, &header);
  g_autofree char *source = lw_addr_format(&q->source);
  g_autofree char *destination = lw_addr_format(&q->destination);
  g_autofree char *to = zone_text(proof, &q->to);
  g_autofree char *service = service_text(q);
  GString *out = g_string_new(NULL);
  g_string_append_printf(out, "%s (%s) -> %s (%s) %s: %s\n\n", question->row->name, source, to, destination,
                         service, *passes ? "passes" : "does not pass");
  guint hop = 0;
  for (guint i = 0; i < trace->len; i++)
    put_step(proof, out, trace->pdata[i], &hop);
  if (!*passes)
    put_obstacles(proof, &start, &header, out);
  LwFlowAnswer answer;
  lw_intent_answer(proof->lab, proof->facts, q, &answer);
  put_file(proof, q, &answer, *passes, out);
  lw_flow_answer_clear(&answer);
  return g_string_free(out, FALSE);
}

JsonNode *lw_explain_to_json(const LwStatic *proof, const LwExplainQuestion *question) {
  LwStart start;
  LwHeader header = header_of(proof, question, &start);
  g_autoptr(GPtrArray) trace = lw_reach_trace(proof->reach, &start, &header, LW_CT_NEW, FALSE);
  g_autoptr(JsonBuilder) b = json_builder_new();
  LwFlowAnswer answer;
  lw_intent_answer(proof->lab, proof->facts, &question->question, &answer);
  json_builder_begin_object(b);
  json_builder_set_member_name(b, "format_version");
  json_builder_add_string_value(b, "1.0");
  json_builder_set_member_name(b, "passes");
  json_builder_add_boolean_value(b, question_passes(proof, question, &header));
  json_builder_set_member_name(b, "allowed");
  json_builder_add_boolean_value(b, answer.allow);
  json_builder_set_member_name(b, "reason");
  json_builder_add_string_value(b, answer.reason);
  json_builder_set_member_name(b, "steps");
  json_builder_begin_array(b);
  for (guint i = 0; i < trace->len; i++) {
    if (tells_nothing(trace->pdata[i]))
      continue;
    g_autofree char *text = lw_static_step_text(trace->pdata[i]);
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "text");
    json_builder_add_string_value(b, text);
    json_builder_set_member_name(b, "stops");
    json_builder_add_boolean_value(b, is_stop(trace->pdata[i]));
    json_builder_end_object(b);
  }
  json_builder_end_array(b);
  json_builder_end_object(b);
  lw_flow_answer_clear(&answer);
  return json_builder_get_root(b);
}
