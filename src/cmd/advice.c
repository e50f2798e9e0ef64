#include "cmd/advice.h"

#include "cmd/generations.h"
#include "cmd/labfile.h"
#include "policy/asserts.h"
#include "policy/names.h"
#include "spec/edit.h"
#include "spec/spec.h"

#include <string.h>

typedef struct {
  LwSession *session;
  const LwFlowQuestion *q;
  const LwFlowAnswer *answer;
  gboolean aimed;
  GString *out, *but; /* what it comes to; what stands against it, which is said last */
} Advice;

/* "homelab.yaml:45": the file itself is named in full once. Transfer full. */
static char *place(const LwOrigin *origin) {
  g_autofree char *name = g_path_get_basename(origin->file ? origin->file : "?");
  return g_strdup_printf("%s:%u", name, origin->line);
}

static gboolean same_place(const LwOrigin *a, const LwOrigin *b) {
  return a->file && b->file && g_str_equal(a->file, b->file) && a->line == b->line && a->column == b->column;
}

static const char *segment_name(const Advice *a, const LwZone *zone) {
  return lw_lab_segment(a->session->lab, zone->index)->name;
}

/* The machine that has the address there, or NULL. */
static const char *machine_at(const Advice *a, guint segment, const LwAddr *address) {
  const LwLab *lab = a->session->lab;
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      LwAddr own = lw_nic_address(lab, a->session->facts, m, n);
      if (lw_nic_segment(lab, a->session->facts, m, n) == segment && lw_addr_equal(&own, address))
        return lw_lab_machine(lab, m)->name;
    }
  return NULL;
}

/* --- what a change would come to
 * ------------------------------------------------------------------------------------------------ */

static char *broken_text(const LwBrokenAssert *broken) {
  g_autofree char *where = place(&broken->assert->origin);
  return g_strdup_printf("“%s” (%s)", broken->assert->text, where);
}

/* The asserts that hold in one lab and not in the other. */
static void tell_broken(const Advice *a, const LwLab *before, const LwLab *after) {
  const LwFacts *facts = a->session->facts;
  g_autoptr(GPtrArray) had = lw_policy_broken_asserts(before, facts);
  g_autoptr(GPtrArray) has = lw_policy_broken_asserts(after, facts);
  g_autoptr(GPtrArray) known = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < had->len; i++) {
    const LwBrokenAssert *broken = had->pdata[i];
    g_ptr_array_add(known, g_strdup(broken->assert->text));
  }
  for (guint i = 0; i < has->len; i++) {
    const LwBrokenAssert *broken = has->pdata[i];
    g_autofree char *text = broken_text(broken);
    if (!g_ptr_array_find_with_equal_func(known, broken->assert->text, g_str_equal, NULL))
      g_string_append_printf(
          a->but, "But the file asserts %s: plan and apply refuse the change as long as that line stands.\n",
          text);
  }
}

/* The lines in which two texts differ, as diff shows them. */
static void put_difference(GString *out, const char *before, const char *after) {
  g_auto(GStrv) old = g_strsplit(before, "\n", -1), new = g_strsplit(after, "\n", -1);
  guint old_count = g_strv_length(old), new_count = g_strv_length(new), first = 0, last = 0;
  while (first < old_count && first < new_count && g_str_equal(old[first], new[first]))
    first++;
  while (last < old_count - first && last < new_count - first &&
         g_str_equal(old[old_count - 1 - last], new[new_count - 1 - last]))
    last++;
  for (guint i = first; i < old_count - last; i++)
    g_string_append_printf(out, "  %4u - %s\n", i + 1, old[i]);
  for (guint i = first; i < new_count - last; i++)
    g_string_append_printf(out, "  %4u + %s\n", i + 1, new[i]);
}

/* The user's file as it is now, which may have gone on since it was applied. NULL: it cannot be had, or it is
 * not the lab that the question is about any more. */
static LwLab *load(const Advice *a, const char *path, const char *changed, const char *text) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  LwSpecFlags flags = lw_target_spec_flags();
  g_autoptr(LwLab) lab = text ? lw_spec_load_changed(path, changed, text, flags, secrets, diagnostics)
                              : lw_spec_load(path, flags, secrets, diagnostics);
  const GPtrArray *segments = a->session->lab->segments;
  gboolean same = lab && lab->segments->len == segments->len;
  for (guint i = 0; same && i < segments->len; i++)
    same = g_str_equal(lw_lab_segment(lab, i)->name, lw_lab_segment(a->session->lab, i)->name);
  return same ? g_steal_pointer(&lab) : NULL;
}

static char *path_in_force(const Advice *a) {
  guint number = lw_generation_current(a->session->engine, NULL);
  g_autoptr(LwGeneration) generation = number ? lw_generation_read(a->session->engine, number, NULL) : NULL;
  return generation ? g_strdup(generation->path) : NULL;
}

/* The segment that a line added at the end of its entry belongs to is not seen by the line alone. */
static void put_change(const Advice *a, const LwSegment *owner, const char *what, const char *text,
                       const char *changed) {
  g_string_append_printf(a->out, "To %s it, change %s (%s, from line %u on) like this, then “%s apply”:\n",
                         what, owner->origin.file, owner->name, owner->origin.line, lw_target_command());
  put_difference(a->out, text, changed);
}

/* Shows a change of the user's file when it makes of the flow what it is meant to; else FALSE, and nothing
 * said. line: one to add; NULL: the one that allows it goes. */
static gboolean show_change(const Advice *a, const LwSegment *owner, gboolean by_host, const char *line) {
  g_autofree char *path = path_in_force(a);
  const char *file = owner->origin.file;
  g_autofree char *text = path && file ? lw_labfile_read(file, NULL) : NULL;
  g_autofree char *changed =
      !text  ? NULL
      : line ? lw_spec_edit_allow(text, file, owner->name, by_host, line, NULL)
             : lw_spec_edit_drop_allow(text, file, owner->name, by_host, &a->answer->origin, NULL);
  g_autoptr(LwLab) before = changed ? load(a, path, NULL, NULL) : NULL;
  g_autoptr(LwLab) after = before ? load(a, path, file, changed) : NULL;
  if (!after)
    return FALSE;
  LwFlowAnswer answer;
  lw_intent_answer(after, a->session->facts, a->q, &answer);
  gboolean right = answer.allow == (line != NULL);
  lw_flow_answer_clear(&answer);
  if (!right)
    return FALSE;
  put_change(a, owner, line ? "open" : "close", text, changed);
  tell_broken(a, before, after);
  return TRUE;
}

/* --- opening
 * --------------------------------------------------------------------------------------------------------
 */

static char *service_of(const LwFlowQuestion *q) {
  return q->proto == LW_PROTO_ICMP ? g_strdup("icmp")
                                   : g_strdup_printf("%s/%u", lw_proto_name(q->proto), q->port);
}

static gboolean service_has(const LwService *service, const LwFlowQuestion *q) {
  for (guint i = 0; i < service->ports->len; i++) {
    const LwPorts *ports = &g_array_index(service->ports, LwPorts, i);
    if (ports->proto == q->proto &&
        (q->proto == LW_PROTO_ICMP || (ports->first_port <= q->port && q->port <= ports->last_port)))
      return TRUE;
  }
  return FALSE;
}

/* What stands left of " from": a service of the host by its name, where it has one. */
static char *target_of(const Advice *a) {
  const LwFlowQuestion *q = a->q;
  const LwLab *lab = a->session->lab;
  g_autofree char *service = service_of(q);
  for (guint i = 0; q->to.kind == LW_ZONE_HOST && i < lab->host.services->len; i++)
    if (service_has(lw_lab_service(lab, i), q))
      return g_strdup_printf("host/%s", lw_lab_service(lab, i)->name);
  g_autofree char *address = lw_addr_format(&q->destination);
  const char *machine = q->to.kind == LW_ZONE_SEGMENT ? machine_at(a, q->to.index, &q->destination) : NULL;
  switch (q->to.kind) {
  case LW_ZONE_HOST:
    return g_strdup_printf("host:%s", service);
  case LW_ZONE_SEGMENT:
    return g_strdup_printf("%s%s%s:%s", segment_name(a, &q->to), machine ? "/" : "", machine ? machine : "",
                           service);
  case LW_ZONE_NETWORK:
    return g_strdup_printf("%s:%s", lw_lab_network(lab, q->to.index)->name, service);
  case LW_ZONE_HOME_LAN:
    return g_strdup_printf("home-lan:%s", service);
  case LW_ZONE_INTERNET:
    return g_strdup_printf("%s:%s", address, service);
  case LW_ZONE_ROUTER:
    break;
  }
  return NULL;
}

/* An allow: line more, of the segment. */
static void advise_allow(const Advice *a, guint segment, gboolean by_host) {
  const LwSegment *owner = lw_lab_segment(a->session->lab, segment);
  g_autofree char *line = target_of(a);
  const char *key = by_host ? "host: {allow: …}" : "allow:";
  if (!line)
    return;
  if (!show_change(a, owner, by_host, line)) {
    g_autofree char *where = place(&owner->origin);
    g_string_append_printf(a->out, "To open it, add “%s” to “%s” of %s (%s), then apply.\n", line, key,
                           owner->name, where);
  }
  const char *machine = by_host ? NULL : machine_at(a, segment, &a->q->source);
  g_autofree char *source = lw_addr_format(&a->q->source);
  if (machine)
    g_string_append_printf(a->out, "That is for all of %s; for %s alone write “%s from %s”.\n", owner->name,
                           machine, line, source);
  if (by_host)
    g_string_append_printf(
        a->out, "(“trust: host” in %s would open everything between the two, both ways.)\n", owner->name);
}

/* The asserts that the internet for a whole segment would break. */
static void tell_of_egress(const Advice *a, guint segment) {
  g_autofree char *path = path_in_force(a);
  g_autoptr(LwLab) before = path ? load(a, path, NULL, NULL) : NULL;
  g_autoptr(LwLab) after = before ? load(a, path, NULL, NULL) : NULL;
  if (!after)
    return;
  lw_lab_segment(after, segment)->egress = LW_EGRESS_DIRECT;
  tell_broken(a, before, after);
}

static void advise_internet(const Advice *a) {
  const LwSegment *s = lw_lab_segment(a->session->lab, a->q->from.index);
  g_autofree char *where = place(&s->egress_origin);
  if (a->q->proto != LW_PROTO_ICMP && (a->q->port == 53 || a->q->port == 853)) {
    g_autofree char *dns = place(&s->dns_origin);
    g_string_append_printf(
        a->out,
        "No line lets machines ask a resolver of their own. Whom the gateway asks for them "
        "is “dns:” of %s (%s).\n",
        s->name, dns);
    return;
  }
  if (s->egress == LW_EGRESS_NONE) {
    tell_of_egress(a, a->q->from.index);
    g_string_append_printf(a->out,
                           "To open the internet for all of %s, write “egress: direct” or “egress: TUNNEL” "
                           "instead of “egress: none” (%s), then apply.\n",
                           s->name, where);
  }
  if (a->aimed)
    advise_allow(a, a->q->from.index, FALSE);
}

static void advise_forward(const Advice *a) {
  const LwSegment *s = lw_lab_segment(a->session->lab, a->q->to.index);
  const char *machine = machine_at(a, a->q->to.index, &a->q->destination);
  g_autofree char *service = service_of(a->q);
  g_autofree char *where = place(&s->origin);
  if (a->q->proto != LW_PROTO_ICMP)
    g_string_append_printf(a->out,
                           "To open it, add “{port: %s, to: %s}” to “forward:” of %s (%s), then apply.\n",
                           service, machine ? machine : "MACHINE", s->name, where);
}

static void advise_opening(const Advice *a) {
  const LwFlowQuestion *q = a->q;
  const LwZoneKind to = q->to.kind;
  if (q->from.kind == LW_ZONE_SEGMENT) {
    const LwSegment *s = lw_lab_segment(a->session->lab, q->from.index);
    g_autofree char *where = place(&s->isolate_origin);
    if (to == LW_ZONE_SEGMENT && q->to.index == q->from.index && s->isolate)
      g_string_append_printf(a->out, "To open it, take “isolate: true” (%s) out, then apply.\n", where);
    else if (to == LW_ZONE_INTERNET)
      advise_internet(a);
    else
      advise_allow(a, q->from.index, FALSE);
  } else if (q->from.kind == LW_ZONE_HOST && to == LW_ZONE_SEGMENT) {
    advise_allow(a, q->to.index, TRUE);
  } else if ((q->from.kind == LW_ZONE_INTERNET || q->from.kind == LW_ZONE_HOME_LAN) &&
             to == LW_ZONE_SEGMENT) {
    advise_forward(a);
  }
  if (!a->out->len)
    g_string_append(a->out, "No line of the file can allow it.\n");
}

/* --- closing
 * --------------------------------------------------------------------------------------------------------
 */

static gboolean take_out(GPtrArray *lines, const LwOrigin *origin) {
  for (guint i = 0; i < lines->len; i++) {
    const LwAllow *allow = lines->pdata[i];
    if (!same_place(&allow->origin, origin))
      continue;
    g_ptr_array_remove_index(lines, i);
    return TRUE;
  }
  return FALSE;
}

/* The lab without the line that lets the flow through; FALSE when it is no line that can just go. */
static gboolean without_line(LwLab *lab, const LwOrigin *origin) {
  for (guint i = 0; i < lab->segments->len; i++) {
    LwSegment *s = lw_lab_segment(lab, i);
    if (take_out(s->allow, origin) || take_out(s->host_allow, origin))
      return TRUE;
    if (s->trust_host && same_place(&s->trust_origin, origin)) {
      s->trust_host = FALSE;
      return TRUE;
    }
    if (s->egress != LW_EGRESS_NONE && same_place(&s->egress_origin, origin)) {
      s->egress = LW_EGRESS_NONE;
      return TRUE;
    }
  }
  return FALSE;
}

static const LwAllow *find_line(const GPtrArray *lines, const LwOrigin *origin) {
  for (guint i = 0; i < lines->len; i++)
    if (same_place(&((const LwAllow *)lines->pdata[i])->origin, origin))
      return lines->pdata[i];
  return NULL;
}

/* "all of tcp/445, udp/445", where it is a service of the host that goes. */
static char *ports_text(const Advice *a, const LwAllow *allow) {
  GString *out = g_string_new(NULL);
  if (allow->target.kind != LW_TARGET_HOST_SERVICE || allow->ports->len)
    return g_string_free(out, FALSE);
  const GArray *ports = lw_lab_service(a->session->lab, allow->target.index)->ports;
  for (guint i = 0; i < ports->len; i++) {
    g_autofree char *text = lw_ports_format(&g_array_index(ports, LwPorts, i));
    g_string_append_printf(out, "%s%s", i ? ", " : " (", text);
  }
  g_string_append(out, ports->len ? ")" : "");
  return g_string_free(out, FALSE);
}

static gboolean close_line(const Advice *a, const LwSegment *s, const GPtrArray *lines, const char *where) {
  const LwAllow *allow = find_line(lines, &a->answer->origin);
  if (!allow)
    return FALSE;
  g_autofree char *text = lw_allow_format(a->session->lab, allow), *ports = ports_text(a, allow);
  if (!show_change(a, s, lines == s->host_allow, NULL))
    g_string_append_printf(a->out, "To close it, take “%s” (%s) out, then “%s apply”.\n", text, where,
                           lw_target_command());
  g_string_append_printf(a->out, "That closes all that “%s”%s opens, for %s.\n", text, ports,
                         lines == s->host_allow ? "the host"
                         : allow->from->len     ? "all of these addresses"
                                                : s->name);
  return TRUE;
}

static gboolean close_forward(const Advice *a, const LwSegment *s, const char *where) {
  for (guint i = 0; i < s->forwards->len; i++) {
    const LwForward *forward = s->forwards->pdata[i];
    if (!same_place(&forward->origin, &a->answer->origin))
      continue;
    g_string_append_printf(a->out, "To close it, take that forward (%s) out, then apply.\n", where);
    return TRUE;
  }
  return FALSE;
}

static gboolean close_egress(const Advice *a, const LwSegment *s, const char *where) {
  for (guint i = 0; i < s->pins->len; i++) {
    const LwPin *pin = s->pins->pdata[i];
    if (!same_place(&pin->origin, &a->answer->origin))
      continue;
    g_string_append_printf(a->out,
                           "To close it, take that pin (%s) out, and write “egress: none” unless it should "
                           "leave as the rest of %s does; then apply.\n",
                           where, s->name);
    return TRUE;
  }
  if (s->egress == LW_EGRESS_NONE || !same_place(&s->egress_origin, &a->answer->origin))
    return FALSE;
  g_string_append_printf(
      a->out,
      "To close it, write “egress: none” (%s), then apply: that closes the internet for all of %s%s.\n",
      where, s->name, s->pins->len ? " but for its pins" : "");
  return TRUE;
}

static void advise_closing(const Advice *a) {
  const LwLab *lab = a->session->lab;
  const LwOrigin *origin = &a->answer->origin;
  g_autofree char *where = place(origin), *path = path_in_force(a);
  gboolean said = FALSE;
  for (guint i = 0; i < lab->segments->len && !said; i++) {
    const LwSegment *s = lw_lab_segment(lab, i);
    said = close_line(a, s, s->allow, where) || close_line(a, s, s->host_allow, where) ||
           close_forward(a, s, where) || close_egress(a, s, where);
    if (!said && s->trust_host && same_place(&s->trust_origin, origin)) {
      g_string_append_printf(a->out,
                             "To close it, take “trust: host” (%s) out, then apply: that closes everything "
                             "between the host and %s, both ways; what is to stay needs allow: lines.\n",
                             where, s->name);
      said = TRUE;
    }
  }
  g_autoptr(LwLab) before = said && !a->but->len && path ? load(a, path, NULL, NULL) : NULL;
  g_autoptr(LwLab) after = before ? load(a, path, NULL, NULL) : NULL;
  if (after && without_line(after, origin))
    tell_broken(a, before, after);
}

char *lw_advice(LwSession *session, const LwFlowQuestion *question, const LwFlowAnswer *answer,
                gboolean aimed) {
  Advice advice = {session, question, answer, aimed, g_string_new(NULL), g_string_new(NULL)};
  if (answer->allow)
    advise_closing(&advice);
  else
    advise_opening(&advice);
  g_string_append(advice.out, advice.but->str);
  g_string_free(advice.but, TRUE);
  return g_string_free(advice.out, FALSE);
}
