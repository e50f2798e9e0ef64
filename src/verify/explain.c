#include "verify/explain.h"

#include "policy/names.h"
#include "verify/static_internal.h"

#include <string.h>

/* --- steps in words
 * ---------------------------------------------------------------------------------------------- */

static const char *place_of(const char *ns) {
  return *ns ? ns : "the host";
}

/* The same for people who read a way. */
static const char *name_of(const char *ns) {
  return g_str_equal(ns, "router") ? "the router" : place_of(ns);
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

/* --- the way
 * ------------------------------------------------------------------------------------------------------- */

static char *service_text(const LwFlowQuestion *q) {
  return q->proto == LW_PROTO_ICMP ? g_strdup("icmp")
                                   : g_strdup_printf("%s/%u", lw_proto_name(q->proto), q->port);
}

static gboolean is_ours(const LwStep *step) {
  return g_str_has_prefix(step->ruleset->name, LW_OWNER);
}

/* The line of the file that a rule stands for. Not told: that a machine is named there, which its own address
 * is good by, and whom the router's resolver asks, which is not why a query is led to it. */
static LwOrigin line_of(const LwStep *step) {
  gboolean leads = step->text && g_str_has_prefix(step->text, "redirect");
  gboolean silent = is_ours(step) && (step->ruleset->family == LW_FAMILY_BRIDGE || leads);
  return silent ? (LwOrigin){0} : origin_of(step);
}

/* The rule in words; of tables that are not lanward's also where it stands; the line of the file. */
static void put_rule(GString *out, const LwStep *step, const char *mark, const char *does) {
  g_autofree char *name = step->kind == LW_STEP_RULE ? rule_name(step->rule) : NULL;
  LwOrigin origin = line_of(step);
  g_autofree char *line = origin.file ? lw_origin_format(&origin) : NULL;
  g_string_append_printf(out, "     %s %s", mark, does);
  if (name)
    g_string_append_printf(out, ": “%s”", name);
  else
    g_string_append(out, ": nothing there speaks of it");
  if (!is_ours(step))
    g_string_append_printf(out, ", chain %s of table %s", step->chain->name, step->ruleset->name);
  g_string_append_printf(out, line ? " (%s)\n" : "\n", line);
}

/* What lanward's rules change, in words; others' as they are written. */
static const char *change_text(const LwStep *step) {
  static const char *const words[][2] = {{"redirect", "led to the router itself"},
                                         {"dnat", "led on to another address"},
                                         {"masquerade", "goes on under another address"},
                                         {"snat", "goes on under another address"}};
  for (guint i = 0; step->text && is_ours(step) && i < G_N_ELEMENTS(words); i++)
    if (g_str_has_prefix(step->text, words[i][0]))
      return words[i][1];
  return step->text ? step->text : "changed";
}

/* A chain that lets everything through by its policy tells nothing, and lanward's marks are told by the way
 * that a packet takes for them. */
static gboolean tells_nothing(const LwStep *step) {
  if (step->kind == LW_STEP_POLICY)
    return step->verdict != LW_VERDICT_DROP;
  return step->kind == LW_STEP_RULE && step->verdict == LW_VERDICT_NONE && step->text && is_ours(step) &&
         (g_str_has_prefix(step->text, "mark ") || g_str_has_prefix(step->text, "ct-mark "));
}

/* Whose port of the host that is; LW_NONE: no machine's. */
static guint machine_of_port(const LwStatic *proof, const LwStep *step) {
  const LwLab *lab = proof->lab;
  for (guint m = 0; step->link && !*step->ns && m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++)
      if (lw_nic_has_port(lab, proof->facts, m, n, step->link))
        return m;
  return LW_NONE;
}

/* The segment of whose bridge that is the router's port; LW_NONE: of none. */
static guint segment_of_port(const LwStatic *proof, const LwStep *step) {
  for (guint i = 0; step->link && !*step->ns && i < proof->lab->segments->len; i++) {
    g_autofree char *port = lw_name_router_port_now(proof->facts, lw_lab_segment(proof->lab, i));
    if (g_str_equal(port, step->link))
      return i;
  }
  return LW_NONE;
}

/* A link of the router as the file calls what it leads to; others by their own name. Transfer full. */
static char *link_text(const LwStatic *proof, const LwStep *step) {
  gboolean of_router = *step->ns != '\0';
  for (guint i = 0; of_router && i < proof->lab->tunnels->len; i++) {
    g_autofree char *name = lw_name_tunnel(lw_lab_tunnel(proof->lab, i));
    if (g_str_equal(name, step->link))
      return g_strdup_printf("the tunnel %s", lw_lab_tunnel(proof->lab, i)->name);
  }
  return g_strdup(of_router && g_str_equal(step->link, LW_ROUTER_MGMT) ? "the management network"
                                                                       : step->link);
}

static void put_enters(const LwStatic *proof, GString *out, const LwStep *step, guint hop) {
  guint machine = machine_of_port(proof, step), segment = segment_of_port(proof, step);
  g_autofree char *link = link_text(proof, step);
  if (machine != LW_NONE)
    g_string_append_printf(out, "  %u. leaves %s (its network card is %s here)\n", hop,
                           lw_lab_machine(proof->lab, machine)->name, step->link);
  else if (segment != LW_NONE)
    g_string_append_printf(out, "  %u. comes from the router to the bridge of %s (by %s)\n", hop,
                           lw_lab_segment(proof->lab, segment)->name, step->link);
  else
    g_string_append_printf(out, "  %u. comes to %s by %s\n", hop, name_of(step->ns), link);
}

static void put_leaves(const LwStatic *proof, GString *out, const LwStep *step, guint hop) {
  guint machine = machine_of_port(proof, step);
  g_autofree char *link = link_text(proof, step);
  if (machine != LW_NONE)
    g_string_append_printf(out, "  %u. reaches %s (its network card is %s here)\n", hop,
                           lw_lab_machine(proof->lab, machine)->name, step->link);
  else
    g_string_append_printf(out, "  %u. leaves %s by %s\n", hop, name_of(step->ns), link);
}

static void put_route(const LwStatic *proof, GString *out, const LwStep *step, guint *hop) {
  g_autofree char *link = step->link ? link_text(proof, step) : NULL;
  if (link && !*hop)
    g_string_append_printf(out, "  %u. %s sends it by %s\n", ++*hop, name_of(step->ns), link);
  else if (link)
    g_string_append_printf(out, "     → on to %s\n", link);
  else if (*step->ns && step->text && g_str_has_prefix(step->text, "no exit is for it"))
    g_string_append(out, "     ✗ refused: it has no way out of the lab\n");
  else
    g_string_append_printf(out, "     ✗ %s\n", step->text);
}

static void put_step(const LwStatic *proof, GString *out, const LwStep *step, guint *hop) {
  switch (step->kind) {
  case LW_STEP_ENTERS:
    put_enters(proof, out, step, ++*hop);
    break;
  case LW_STEP_RULE:
  case LW_STEP_POLICY:
    if (step->verdict == LW_VERDICT_DROP)
      put_rule(out, step, "✗", "refused");
    else if (step->verdict == LW_VERDICT_ACCEPT)
      put_rule(out, step, "✓", "let through");
    else
      put_rule(out, step, "·", change_text(step));
    break;
  case LW_STEP_ROUTE:
    put_route(proof, out, step, hop);
    break;
  case LW_STEP_LEAVES:
    put_leaves(proof, out, step, ++*hop);
    break;
  case LW_STEP_DELIVERED:
    g_string_append_printf(out, "  %u. arrives at %s itself\n", ++*hop, name_of(step->ns));
    break;
  case LW_STEP_STOPPED:
    g_string_append_printf(out, "     ✗ %s\n", step->text);
    break;
  }
}

/* The machine that has the address that the packet has in the end; LW_NONE: nobody's. */
static guint receiver(const LwStatic *proof, const LwExplainQuestion *question) {
  const LwLab *lab = proof->lab;
  const LwFlowQuestion *q = &question->question;
  if (question->forward)
    return question->forward->machine;
  for (guint m = 0; q->to.kind == LW_ZONE_SEGMENT && m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      LwAddr own = lw_nic_address(lab, proof->facts, m, n);
      if (lw_nic_segment(lab, proof->facts, m, n) == q->to.index && lw_addr_equal(&own, &q->destination))
        return m;
    }
  return LW_NONE;
}

/* A frame could be addressed to anybody on the wire; this packet is for one of them. */
static gboolean is_for_another(const LwStatic *proof, const LwStep *step, guint machine) {
  guint owner = step->kind == LW_STEP_LEAVES ? machine_of_port(proof, step) : LW_NONE;
  return machine != LW_NONE && owner != LW_NONE && owner != machine;
}

/* A bridge hands a frame to the host for more than one reason: from the second on it says the same again. */
static gboolean came_before(const GPtrArray *trace, guint index) {
  const LwStep *step = trace->pdata[index];
  for (guint i = 0; step->kind == LW_STEP_ENTERS && i < index; i++) {
    const LwStep *before = trace->pdata[i];
    if (before->kind == LW_STEP_ENTERS && g_str_equal(before->ns, step->ns) &&
        g_strcmp0(before->link, step->link) == 0)
      return TRUE;
  }
  return FALSE;
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
  if (texts->len < 2)
    return;
  g_string_append(out, "\nIn its way stand, one after the other:\n");
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

char *lw_explain_way(const LwStatic *proof, const LwExplainQuestion *question) {
  LwStart start;
  LwHeader header = header_of(proof, question, &start);
  g_autoptr(GPtrArray) trace = lw_reach_trace(proof->reach, &start, &header, LW_CT_NEW, FALSE);
  guint machine = receiver(proof, question), hop = 0;
  GString *out = g_string_new("Its way:\n");
  for (guint i = 0; i < trace->len && !came_before(trace, i); i++)
    if (!tells_nothing(trace->pdata[i]) && !is_for_another(proof, trace->pdata[i], machine))
      put_step(proof, out, trace->pdata[i], &hop);
  if (!question_passes(proof, question, &header))
    put_obstacles(proof, &start, &header, out);
  return g_string_free(out, FALSE);
}

/* --- the verdict
 * --------------------------------------------------------------------------------------------------- */

/* Who takes it though it was meant for somebody else (a redirect); NULL: nobody. */
static const char *taken_by(const LwStatic *proof, const LwExplainQuestion *question) {
  LwStart start;
  LwHeader header = header_of(proof, question, &start);
  g_autoptr(GPtrArray) trace = lw_reach_trace(proof->reach, &start, &header, LW_CT_NEW, FALSE);
  const LwStep *last = trace->len ? trace->pdata[trace->len - 1] : NULL;
  return last && last->kind == LW_STEP_DELIVERED ? (*last->ns ? "the router" : "the host") : NULL;
}

/* "lan10/gaming (192.168.10.200)": an end as it was named, and its address. Transfer full. */
static char *end_text(const char *name, const LwZone *zone, const LwLab *lab, const LwAddr *address,
                      gboolean any) {
  g_autofree char *text = lw_addr_format(address), *by = NULL, *place = NULL;
  if (zone->kind == LW_ZONE_INTERNET && zone->index != LW_NONE)
    by = g_strdup_printf("from the internet by the tunnel %s, ", lw_lab_tunnel(lab, zone->index)->name);
  if (g_str_has_suffix(name, text) && strlen(name) > strlen(text))
    return g_strdup(name);
  if (!g_str_equal(name, text))
    return g_strdup_printf("%s (%s%s%s)", name, by ? by : "", any ? "e.g. " : "", text);
  place = lw_verify_zone_name(lab, zone, NULL);
  return g_strdup_printf("%s (%s)", name, place);
}

/* Who comes from outside cannot name a machine of the lab: what it asks for instead. */
static void put_forwarded(const LwStatic *proof, const LwExplainQuestion *question, GString *out) {
  const LwFlowQuestion *q = &question->question;
  g_autofree char *address = lw_addr_format(&q->destination), *service = service_text(q);
  if (q->from.kind != LW_ZONE_INTERNET || q->from.index == LW_NONE) {
    g_string_append_printf(out, "It is sent to the router's own address at wan, %s.\n", service);
    return;
  }
  const LwTunnel *tunnel = lw_lab_tunnel(proof->lab, q->from.index);
  g_string_append_printf(out, "It is sent to %s %s, the router's own address in the tunnel %s (%s%s).\n",
                         address, service, tunnel->name,
                         tunnel->wg.private_key ? "" : "the twin's stand-in for ", tunnel->path);
}

static void put_verdict(const LwStatic *proof, const LwExplainQuestion *question, gboolean passes,
                        GString *out) {
  const LwFlowQuestion *q = &question->question;
  const LwForward *forward = question->forward;
  LwFlowQuestion asked = *q;
  asked.port = question->port;
  if (forward)
    asked.destination = forward->address;
  const char *other = passes ? NULL : taken_by(proof, question);
  g_autofree char *from = end_text(question->from, &q->from, proof->lab, &q->source, question->any_source);
  g_autofree char *to =
      end_text(question->to, &q->to, proof->lab, &asked.destination, question->any_destination);
  g_autofree char *service = service_text(&asked);
  g_string_append_printf(out, "%s -> %s %s: %s", from, to, service, passes ? "passes" : "does not pass");
  if (other)
    g_string_append_printf(out, ": %s answers instead", other);
  g_string_append(out, "\n");
  if (forward)
    put_forwarded(proof, question, out);
}

char *lw_explain_verdict(const LwStatic *proof, const LwExplainQuestion *question, const LwFlowAnswer *answer,
                         gboolean *passes) {
  LwStart start;
  LwHeader header = header_of(proof, question, &start);
  *passes = question_passes(proof, question, &header);
  g_autofree char *origin =
      answer->origin.file ? lw_origin_format(&answer->origin) : g_strdup("no line is needed for that");
  GString *out = g_string_new(NULL);
  put_verdict(proof, question, *passes, out);
  g_string_append_printf(out, "The file %s it: %s (%s).\n", answer->allow ? "allows" : "does not allow",
                         answer->reason, origin);
  if (answer->allow && !*passes)
    g_string_append(out, "What is in force stops it all the same: “lanward apply” puts it right.\n");
  else if (!answer->allow && *passes)
    g_string_append(out,
                    "What is in force lets it through all the same: a violation. “lanward apply” puts it "
                    "right.\n");
  return g_string_free(out, FALSE);
}

JsonNode *lw_explain_to_json(const LwStatic *proof, const LwExplainQuestion *question,
                             const LwFlowAnswer *answer, const char *advice) {
  LwStart start;
  LwHeader header = header_of(proof, question, &start);
  g_autoptr(GPtrArray) trace = lw_reach_trace(proof->reach, &start, &header, LW_CT_NEW, FALSE);
  g_autoptr(JsonBuilder) b = json_builder_new();
  json_builder_begin_object(b);
  json_builder_set_member_name(b, "format_version");
  json_builder_add_string_value(b, "1.0");
  json_builder_set_member_name(b, "passes");
  json_builder_add_boolean_value(b, question_passes(proof, question, &header));
  json_builder_set_member_name(b, "allowed");
  json_builder_add_boolean_value(b, answer->allow);
  json_builder_set_member_name(b, "reason");
  json_builder_add_string_value(b, answer->reason);
  json_builder_set_member_name(b, "advice");
  json_builder_add_string_value(b, advice);
  json_builder_set_member_name(b, "steps");
  json_builder_begin_array(b);
  for (guint i = 0; i < trace->len; i++) {
    const LwStep *step = trace->pdata[i];
    if (step->kind == LW_STEP_POLICY && step->verdict != LW_VERDICT_DROP)
      continue;
    g_autofree char *text = lw_static_step_text(step);
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "text");
    json_builder_add_string_value(b, text);
    json_builder_set_member_name(b, "stops");
    json_builder_add_boolean_value(b, is_stop(step));
    json_builder_end_object(b);
  }
  json_builder_end_array(b);
  json_builder_end_object(b);
  return json_builder_get_root(b);
}
