#include "cmd/advice.h"

#include "cmd/proposal.h"
#include "policy/asserts.h"
#include "policy/names.h"

#include <string.h>

typedef struct {
  const LwLab *lab;
  const LwFacts *facts;
  const LwExplainQuestion *asked;
  const LwFlowQuestion *q;
  const LwFlowAnswer *answer;
  LwProposals *proposals;
  char *hint; /* what to do by hand where nothing can be tried; nullable */
} Advice;

#define KEY(segment, ...) ((const char *const[]){"segments", (segment)->name, __VA_ARGS__, NULL})

static gboolean same_place(const LwOrigin *a, const LwOrigin *b) {
  return a->file && b->file && g_str_equal(a->file, b->file) && a->line == b->line && a->column == b->column;
}

static void G_GNUC_PRINTF(2, 3) hint(Advice *a, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_free(a->hint);
  a->hint = g_strdup_vprintf(format, args);
  va_end(args);
}

/* --- words
 * -----------------------------------------------------------------------------------------------------------
 */

/* ".200" where the file may say so, else the whole address. Transfer full. */
static char *short_address(const LwSegment *s, const LwAddr *address) {
  if (s->subnet.len < 24 || !lw_prefix_contains(&s->subnet, address))
    return lw_addr_format(address);
  return g_strdup_printf(".%u", address->bytes[3]);
}

static void put_range(GString *out, const LwSegment *s, const LwAddr *first, const LwAddr *last) {
  if (lw_addr_cmp(first, last) > 0)
    return;
  g_autofree char *one = short_address(s, first), *other = short_address(s, last);
  g_string_append_printf(out, "%s%s", out->len ? ", " : "", one);
  if (!lw_addr_equal(first, last))
    g_string_append_printf(out, "-%s", other);
}

/* The card of a machine that has the address in that segment now. */
static gboolean find_card(const Advice *a, guint segment, const LwAddr *address, guint *machine, guint *nic) {
  for (*machine = 0; *machine < a->lab->machines->len; (*machine)++)
    for (*nic = 0; *nic < lw_lab_machine(a->lab, *machine)->nics->len; (*nic)++) {
      LwAddr own = lw_nic_address(a->lab, a->facts, *machine, *nic);
      if (lw_nic_segment(a->lab, a->facts, *machine, *nic) == segment && lw_addr_equal(&own, address))
        return TRUE;
    }
  return FALSE;
}

/* The machine that has the address there, else the address. Transfer full. */
static char *who_has(const Advice *a, guint segment, const LwAddr *address) {
  guint machine, nic;
  return find_card(a, segment, address, &machine, &nic) ? g_strdup(lw_lab_machine(a->lab, machine)->name)
                                                        : lw_addr_format(address);
}

static gboolean is_in(const GArray *ranges, const LwAddr *address) {
  for (guint i = 0; ranges && i < ranges->len; i++)
    if (lw_range_contains(&g_array_index(ranges, LwRange, i), address))
      return TRUE;
  return !ranges || ranges->len == 0;
}

#define NAMES_MAX 6

/* " (gaming, probe, and others by DHCP)": who is in a segment, or in some of its addresses. Transfer full. */
static char *who_is_in(const Advice *a, guint segment, const GArray *ranges) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  GString *out = g_string_new(NULL);
  guint count = 0;
  for (guint m = 0; m < a->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(a->lab, m)->nics->len; n++) {
      LwAddr own = lw_nic_address(a->lab, a->facts, m, n);
      if (lw_nic_segment(a->lab, a->facts, m, n) != segment || !is_in(ranges, &own) || count++ >= NAMES_MAX)
        continue;
      g_string_append_printf(out, "%s%s", out->len ? ", " : " (", lw_lab_machine(a->lab, m)->name);
    }
  if (count > NAMES_MAX)
    g_string_append_printf(out, ", %u more", count - NAMES_MAX);
  if (s->has_dhcp && is_in(ranges, &s->dhcp.first))
    g_string_append_printf(out, "%sothers by DHCP", out->len ? ", " : " (");
  g_string_append(out, out->len ? ")" : "");
  return g_string_free(out, FALSE);
}

static char *all_of(const Advice *a, guint segment) {
  g_autofree char *who = who_is_in(a, segment, NULL);
  return g_strdup_printf("for all of %s%s", lw_lab_segment(a->lab, segment)->name, who);
}

static char *ports_text(const GArray *ports) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < ports->len; i++) {
    g_autofree char *text = lw_ports_format(&g_array_index(ports, LwPorts, i));
    g_string_append_printf(out, "%s%s", !i ? "" : i + 1 == ports->len ? " and " : ", ", text);
  }
  return g_string_free(out, FALSE);
}

static char *service_of(const LwFlowQuestion *q) {
  return q->proto == LW_PROTO_ICMP ? g_strdup("icmp")
                                   : g_strdup_printf("%s/%u", lw_proto_name(q->proto), q->port);
}

static char *networks_text(const Advice *a) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < a->lab->host.networks->len; i++)
    g_string_append_printf(out, "%s%s", i ? ", " : "", lw_lab_network(a->lab, i)->name);
  return g_string_free(out, FALSE);
}

/* The key goes; where the segment has it of defaults:, it gets this value of its own. */
static gboolean drop_key(LwEdits *edits, const LwSegment *s, const char *key, const char *neutral) {
  return lw_edits_has(edits, KEY(s, key)) ? lw_edits_drop(edits, KEY(s, key), NULL)
                                          : lw_edits_set(edits, KEY(s, key), neutral, NULL);
}

static gboolean add_item(LwEdits *edits, const char *const *path, const char *item) {
  g_autoptr(GPtrArray) items = g_ptr_array_new();
  g_ptr_array_add(items, (gpointer)item);
  return lw_edits_add_items(edits, path, items, NULL);
}

/* What binds an address binds a machine only while it is that machine's: lanward gives the one that it once
 * gave a machine of the file to nobody else (facts: leases). */
static void tell_of_lease(const Advice *a, guint segment, const LwAddr *address, GString *remarks) {
  guint machine, nic;
  if (!find_card(a, segment, address, &machine, &nic))
    return;
  const LwMachine *m = lw_lab_machine(a->lab, machine);
  const LwNic *card = lw_machine_nic(m, nic);
  if (card->segment == segment && lw_addr_is_set(&card->address))
    return;
  g_autofree char *text = short_address(lw_lab_segment(a->lab, segment), address);
  g_string_append_printf(remarks, "%s has %s by DHCP and keeps it: lanward gives it to no other machine.\n",
                         m->name, text);
}

static gboolean is_free(const Advice *a, guint segment, const LwAddr *address) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  for (guint m = 0; m < a->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(a->lab, m)->nics->len; n++) {
      const LwNic *nic = lw_machine_nic(lw_lab_machine(a->lab, m), n);
      if (lw_addr_equal(&nic->address, address))
        return FALSE;
      for (guint i = 0; i < nic->addresses->len; i++)
        if (lw_addr_equal(&g_array_index(nic->addresses, LwPrefix, i).addr, address))
          return FALSE;
    }
  return !lw_addr_equal(address, &s->router) && !(s->has_dhcp && lw_range_contains(&s->dhcp, address));
}

/* Gives a card that has none an address of its own, which the DHCP range must not hold. */
static gboolean declare_address(const Advice *a, LwEdits *edits, guint machine, guint nic, GString *remarks) {
  const LwMachine *m = lw_lab_machine(a->lab, machine);
  const LwNic *card = lw_machine_nic(m, nic);
  if (lw_addr_is_set(&card->address))
    return TRUE;
  const LwSegment *s = lw_lab_segment(a->lab, card->segment);
  LwRange subnet = lw_prefix_range(&s->subnet);
  LwAddr address = lw_addr_add(&subnet.first, 1);
  while (lw_addr_cmp(&address, &subnet.last) < 0 && !is_free(a, card->segment, &address))
    address = lw_addr_add(&address, 1);
  g_autofree char *text = short_address(s, &address);
  g_string_append_printf(remarks,
                         "A forward needs an address of %s's own, outside of the DHCP range: %s is free.\n",
                         m->name, text);
  return lw_addr_cmp(&address, &subnet.last) < 0 && lw_edits_set_address(edits, m->name, nic, text, NULL);
}

/* --- opening
 * -----------------------------------------------------------------------------------------------------------
 */

static gboolean service_has(const LwService *service, const LwFlowQuestion *q) {
  for (guint i = 0; i < service->ports->len; i++) {
    const LwPorts *ports = &g_array_index(service->ports, LwPorts, i);
    if (ports->proto == q->proto &&
        (q->proto == LW_PROTO_ICMP || (ports->first_port <= q->port && q->port <= ports->last_port)))
      return TRUE;
  }
  return FALSE;
}

/* What the host calls it; NULL: nothing. */
static const LwService *service_asked_for(const Advice *a) {
  for (guint i = 0; a->q->to.kind == LW_ZONE_HOST && i < a->lab->host.services->len; i++)
    if (service_has(lw_lab_service(a->lab, i), a->q))
      return lw_lab_service(a->lab, i);
  return NULL;
}

/* What stands left of " from". Transfer full; NULL: no line names it. */
static char *target_of(const Advice *a) {
  const LwFlowQuestion *q = a->q;
  const LwService *known = service_asked_for(a);
  g_autofree char *service = service_of(q), *address = lw_addr_format(&q->destination);
  guint machine, nic;
  switch (q->to.kind) {
  case LW_ZONE_HOST:
    return known ? g_strdup_printf("host/%s", known->name) : g_strdup_printf("host:%s", service);
  case LW_ZONE_SEGMENT: {
    const char *segment = lw_lab_segment(a->lab, q->to.index)->name;
    if (!a->asked->any_destination && find_card(a, q->to.index, &q->destination, &machine, &nic))
      return g_strdup_printf("%s/%s:%s", segment, lw_lab_machine(a->lab, machine)->name, service);
    return g_strdup_printf("%s:%s", segment, service);
  }
  case LW_ZONE_NETWORK:
    return g_strdup_printf("%s:%s", lw_lab_network(a->lab, q->to.index)->name, service);
  case LW_ZONE_HOME_LAN:
    return g_strdup_printf("home-lan:%s", service);
  case LW_ZONE_INTERNET:
    return g_strdup_printf("%s:%s", address, service);
  case LW_ZONE_ROUTER:
    break;
  }
  return NULL;
}

static void open_by_line(Advice *a, guint segment, const char *line, gboolean alone) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  const LwService *known = service_asked_for(a);
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autoptr(GString) remarks = g_string_new(NULL);
  g_autofree char *source = short_address(s, &a->q->source), *who = who_has(a, segment, &a->q->source);
  g_autofree char *item = alone ? g_strdup_printf("%s from %s", line, source) : g_strdup(line);
  g_autofree char *scope = alone ? g_strdup_printf("for %s alone", who) : all_of(a, segment);
  if (alone)
    tell_of_lease(a, segment, &a->q->source, remarks);
  if (known && known->ports->len > 1) {
    g_autofree char *ports = ports_text(known->ports);
    g_string_append_printf(remarks, "“%s” is %s.\n", line, ports);
  }
  if (edits && add_item(edits, KEY(s, "allow"), item))
    lw_proposals_show(a->proposals, s, edits, scope, remarks->str);
}

static void open_by_allow(Advice *a, guint segment) {
  g_autofree char *line = target_of(a);
  if (!line)
    return;
  hint(a, "add “%s” to “allow:” of %s", line, lw_lab_segment(a->lab, segment)->name);
  if (!a->asked->any_source)
    open_by_line(a, segment, line, TRUE);
  open_by_line(a, segment, line, FALSE);
}

static void open_by_host_allow(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  g_autofree char *line = target_of(a);
  g_autofree char *remark =
      g_strdup_printf("“host: {allow: …}” in %s is what the host may open into %s.\n", s->name, s->name);
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  hint(a, "add “%s” to “host: {allow: …}” of %s", line, s->name);
  if (edits && add_item(edits, KEY(s, "host", "allow"), line))
    lw_proposals_show(a->proposals, s, edits, "for the host", remark);
}

static char *tunnels_text(const Advice *a) {
  GString *out = g_string_new(NULL);
  guint count = a->lab->tunnels->len;
  for (guint i = 0; i < count; i++)
    g_string_append_printf(out, "%s%s",
                           !i               ? ""
                           : i + 1 == count ? " or "
                                            : ", ",
                           lw_lab_tunnel(a->lab, i)->name);
  return g_string_free(out, FALSE);
}

static void open_by_egress(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autofree char *scope = all_of(a, segment), *tunnels = tunnels_text(a);
  g_autoptr(GString) remarks = g_string_new(NULL);
  g_string_append(remarks, "That opens all of the internet to the whole segment: “egress:” knows no ports "
                           "and no machines, and “pin:” "
                           "only gives some addresses another exit.\n");
  if (*tunnels)
    g_string_append_printf(remarks, "Instead of “direct” (by wan) a tunnel may stand there: %s.\n", tunnels);
  g_string_append(remarks,
                  "No “dns:” is needed: the router asks the resolvers that wan, or the tunnel, has.\n");
  hint(a, "write “egress: direct”, or a tunnel, in %s", s->name);
  if (edits && lw_edits_set(edits, KEY(s, "egress"), "direct", NULL))
    lw_proposals_show(a->proposals, s, edits, scope, remarks->str);
}

static gboolean is_dns(const LwFlowQuestion *q) {
  return q->proto != LW_PROTO_ICMP && (q->port == 53 || q->port == 853);
}

static void tell_of_dns(const Advice *a, const LwSegment *s) {
  GString *out = a->proposals->out;
  g_string_append_printf(
      out, "No line opens it: machines of a lab always ask the router. Whom it asks for %s is ", s->name);
  if (s->dns_origin.file && s->dns->len)
    g_string_append_printf(out, "“dns:” (line %u).\n", s->dns_origin.line);
  else
    g_string_append_printf(out, "“dns:” of %s; without it, its way out's own resolver.\n", s->name);
}

static void open_to_internet(Advice *a) {
  guint segment = a->q->from.index;
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  if (is_dns(a->q))
    tell_of_dns(a, s);
  else if (s->egress == LW_EGRESS_NONE)
    open_by_egress(a, segment);
  else if (!a->asked->any_destination)
    open_by_allow(a, segment);
}

static void open_by_forward(Advice *a) {
  guint segment = a->q->to.index, machine, nic;
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  if (a->q->proto == LW_PROTO_ICMP || !find_card(a, segment, &a->q->destination, &machine, &nic))
    return;
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autoptr(GString) remarks = g_string_new(NULL);
  g_autofree char *service = service_of(a->q);
  g_autofree char *item = g_strdup_printf("%s -> %s", service, lw_lab_machine(a->lab, machine)->name);
  hint(a, "add “%s” to “forward:” of %s", item, s->name);
  /* from outside it is asked for at the router: that is what would pass */
  LwFlowQuestion outside = *a->q;
  outside.to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  a->proposals->question = &outside;
  if (edits && add_item(edits, KEY(s, "forward"), item) && declare_address(a, edits, machine, nic, remarks) &&
      !lw_proposals_show(a->proposals, s, edits, "for everybody outside", remarks->str))
    g_string_append_printf(
        a->proposals->out,
        "No line opens it: what is forwarded to %s comes in by its own way out, not by this.\n", s->name);
  a->proposals->question = a->q;
}

static void open_isolated(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autofree char *scope = all_of(a, segment);
  hint(a, "take “isolate: true” out of %s", s->name);
  if (edits && drop_key(edits, s, "isolate", "false"))
    lw_proposals_show(a->proposals, s, edits, scope, NULL);
}

static void advise_opening(Advice *a) {
  const LwFlowQuestion *q = a->q;
  gboolean from_outside = q->from.kind == LW_ZONE_INTERNET || q->from.kind == LW_ZONE_HOME_LAN;
  if (q->from.kind == LW_ZONE_SEGMENT && q->to.kind == LW_ZONE_SEGMENT && q->from.index == q->to.index)
    open_isolated(a, q->from.index);
  else if (q->from.kind == LW_ZONE_SEGMENT && q->to.kind == LW_ZONE_INTERNET)
    open_to_internet(a);
  else if (q->from.kind == LW_ZONE_SEGMENT)
    open_by_allow(a, q->from.index);
  else if (q->from.kind == LW_ZONE_HOST && q->to.kind == LW_ZONE_SEGMENT)
    open_by_host_allow(a, q->to.index);
  else if (from_outside && q->to.kind == LW_ZONE_SEGMENT)
    open_by_forward(a);
}

/* --- closing
 * -----------------------------------------------------------------------------------------------------------
 */

/* Addresses that the line covers, without those that the machine has: "" when none is left. */
static char *ranges_without(const LwSegment *s, const LwAllow *allow, const LwAddr *address) {
  LwRange subnet = lw_prefix_range(&s->subnet);
  LwRange whole = {lw_addr_add(&subnet.first, 1), lw_addr_add(&subnet.last, -1)};
  if (lw_addr_equal(&whole.first, &s->router))
    whole.first = lw_addr_add(&whole.first, 1);
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < MAX(allow->from->len, 1u); i++) {
    const LwRange *range = allow->from->len ? &g_array_index(allow->from, LwRange, i) : &whole;
    if (!lw_range_contains(range, address)) {
      put_range(out, s, &range->first, &range->last);
      continue;
    }
    LwAddr before = lw_addr_add(address, -1), behind = lw_addr_add(address, 1);
    put_range(out, s, &range->first, &before);
    put_range(out, s, &behind, &range->last);
  }
  return g_string_free(out, FALSE);
}

/* What else goes with a line: the ports that it is about, when they are more than was asked for. */
static char *ports_that_go(const Advice *a, const LwAllow *allow) {
  const GArray *ports = allow->ports;
  if (ports->len == 0 && allow->target.kind == LW_TARGET_HOST_SERVICE)
    ports = lw_lab_service(a->lab, allow->target.index)->ports;
  g_autofree char *text = ports_text(ports), *target = lw_target_format(a->lab, &allow->target);
  if (ports->len == 0)
    return g_strdup_printf("That closes everything to %s.\n", target);
  g_autofree char *asked = service_of(a->q);
  return g_str_equal(text, asked) ? g_strdup("") : g_strdup_printf("That closes %s.\n", text);
}

static const LwAllow *find_line(const GPtrArray *lines, const LwOrigin *origin) {
  for (guint i = 0; i < lines->len; i++)
    if (same_place(&((const LwAllow *)lines->pdata[i])->origin, origin))
      return lines->pdata[i];
  return NULL;
}

static void close_for_one(Advice *a, guint segment, const LwAllow *allow, const char *ranges) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  g_autofree char *line = lw_allow_as_written(a->lab, allow), *ports = ports_that_go(a, allow);
  g_autofree char *who = who_has(a, segment, &a->q->source), *scope = g_strdup_printf("for %s alone", who);
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autoptr(GString) remarks = g_string_new(ports);
  char *from = strstr(line, " from ");
  if (from)
    *from = '\0';
  g_autofree char *item = g_strdup_printf("%s from %s", line, ranges);
  tell_of_lease(a, segment, &a->q->source, remarks);
  if (edits && lw_edits_replace_item(edits, &allow->origin, NULL, item, NULL))
    lw_proposals_show(a->proposals, s, edits, scope, remarks->str);
}

static gboolean close_line(Advice *a, guint segment, const GPtrArray *lines) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  const LwAllow *allow = find_line(lines, &a->answer->origin);
  if (!allow)
    return FALSE;
  gboolean by_host = lines == s->host_allow;
  g_autofree char *line = lw_allow_as_written(a->lab, allow), *ports = ports_that_go(a, allow);
  g_autofree char *ranges = by_host ? NULL : ranges_without(s, allow, &a->q->source);
  g_autofree char *who = who_is_in(a, segment, allow->from), *all = all_of(a, segment);
  const char *from = strstr(line, " from ");
  g_autofree char *some = from ? g_strdup_printf("for all of %s%s", from + 6, who) : NULL;
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  hint(a, "take “%s” out of “%s” of %s", line, by_host ? "host: {allow: …}" : "allow:", s->name);
  if (ranges && *ranges && !a->asked->any_source)
    close_for_one(a, segment, allow, ranges);
  if (edits && lw_edits_drop_item(edits, &allow->origin, NULL))
    lw_proposals_show(a->proposals, s, edits, by_host ? "for the host" : some ? some : all, ports);
  return TRUE;
}

static gboolean close_forward(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  const LwForward *forward = NULL;
  for (guint i = 0; i < s->forwards->len && !forward; i++)
    if (same_place(&((const LwForward *)s->forwards->pdata[i])->origin, &a->answer->origin))
      forward = s->forwards->pdata[i];
  if (!forward)
    return FALSE;
  LwPorts other = {a->q->proto == LW_PROTO_TCP ? LW_PROTO_UDP : LW_PROTO_TCP, forward->first_port,
                   forward->last_port};
  LwPorts own = {a->q->proto, forward->first_port, forward->last_port};
  g_autofree char *rest = lw_ports_format(&other), *ports = lw_ports_format(&own);
  g_autofree char *alone = g_strdup_printf("for %s alone", ports);
  g_autofree char *both = g_strdup_printf("for %s and %s", ports, rest);
  g_autoptr(LwEdits) narrow = lw_proposals_edits(a->proposals, s), wide = lw_proposals_edits(a->proposals, s);
  hint(a, "take that forward out of %s", s->name);
  if (forward->tcp && forward->udp && narrow &&
      lw_edits_replace_item(narrow, &forward->origin, "port", rest, NULL))
    lw_proposals_show(a->proposals, s, narrow, alone, NULL);
  if (wide && lw_edits_drop_item(wide, &forward->origin, NULL))
    lw_proposals_show(a->proposals, s, wide, forward->tcp && forward->udp ? both : alone, NULL);
  return TRUE;
}

static void put_pins(const Advice *a, const LwSegment *s, GString *out) {
  for (guint i = 0; i < s->pins->len; i++) {
    const LwPin *pin = s->pins->pdata[i];
    g_autoptr(GString) range = g_string_new(NULL);
    put_range(range, s, &pin->range.first, &pin->range.last);
    g_string_append_printf(out, "%s%s by %s", i ? ", " : "", range->str,
                           pin->tunnel == LW_NONE ? "wan" : lw_lab_tunnel(a->lab, pin->tunnel)->name);
  }
}

static gboolean is_egress(const LwSegment *s, const LwOrigin *origin) {
  for (guint i = 0; i < s->pins->len; i++)
    if (same_place(&((const LwPin *)s->pins->pdata[i])->origin, origin))
      return TRUE;
  return s->egress != LW_EGRESS_NONE && same_place(&s->egress_origin, origin);
}

/* What has no sense without a way out goes too: check refuses a pin and a forward beside "egress: none". */
static gboolean close_egress(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  if (!is_egress(s, &a->answer->origin))
    return FALSE;
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autofree char *scope = all_of(a, segment);
  g_autoptr(GString) remarks = g_string_new("That closes all of the internet to the whole segment: “egress:” "
                                            "knows no ports and no machines, and “pin:” "
                                            "only gives some addresses another exit.\n");
  gboolean good = edits && lw_edits_set(edits, KEY(s, "egress"), "none", NULL) &&
                  (!s->pins->len || drop_key(edits, s, "pin", "{}")) &&
                  (!s->forwards->len || drop_key(edits, s, "forward", "[]")) &&
                  (!lw_edits_has(edits, KEY(s, "dns")) || lw_edits_drop(edits, KEY(s, "dns"), NULL));
  if (s->pins->len) {
    g_string_append(remarks, "Its pins go too (");
    put_pins(a, s, remarks);
    g_string_append(remarks, "): else they would be refused beside “egress: none”.\n");
  }
  if (s->forwards->len)
    g_string_append(remarks, "Its forwards go too: there is nothing left to come in by.\n");
  hint(a, "write “egress: none” in %s, and take its pins and forwards out", s->name);
  if (good)
    lw_proposals_show(a->proposals, s, edits, scope, remarks->str);
  return TRUE;
}

/* --- closing what trust: opens
 * -----------------------------------------------------------------------------------------------------------
 */

/* The line that keeps an assert true when trust: goes; by_host: of what the host may open. NULL: none can,
 * or it is about the flow that is to be closed. Transfer full. */
static char *line_for(const Advice *a, guint segment, const LwAssert *assertion, gboolean *by_host) {
  const LwTarget *from = &assertion->from, *to = &assertion->to;
  const LwTarget *inside = from->kind == LW_TARGET_HOST ? to : from;
  *by_host = from->kind == LW_TARGET_HOST;
  gboolean in_segment =
      (inside->kind == LW_TARGET_SEGMENT || inside->kind == LW_TARGET_MACHINE) && inside->index == segment;
  gboolean to_host = to->kind == LW_TARGET_HOST || to->kind == LW_TARGET_HOST_SERVICE;
  gboolean closed = *by_host  ? a->q->from.kind == LW_ZONE_HOST
                    : to_host ? a->q->to.kind == LW_ZONE_HOST
                              : a->q->to.kind == LW_ZONE_NETWORK;
  if (!assertion->allow || !in_segment || closed || !(*by_host || to_host || to->kind == LW_TARGET_NETWORK))
    return NULL;
  LwAllow line = {
      .target = *to, .ports = assertion->ports, .from = g_array_new(FALSE, FALSE, sizeof(LwRange))};
  g_autofree char *text = lw_allow_format(a->lab, &line);
  g_array_unref(line.from);
  const char *ports = to->kind == LW_TARGET_HOST && assertion->ports->len == 0 ? ":any" : "";
  if (*by_host || from->kind == LW_TARGET_SEGMENT)
    return g_strconcat(text, ports, NULL);
  const LwMachine *machine = lw_lab_machine(a->lab, from->machine);
  for (guint n = 0; n < machine->nics->len; n++)
    if (lw_machine_nic(machine, n)->segment == segment &&
        lw_addr_is_set(&lw_machine_nic(machine, n)->address)) {
      g_autofree char *address =
          short_address(lw_lab_segment(a->lab, segment), &lw_machine_nic(machine, n)->address);
      return g_strdup_printf("%s%s from %s", text, ports, address);
    }
  return NULL;
}

/* Lines that say what is asserted of it, in place of trust: FALSE: they cannot be written. */
static gboolean keep_asserted(const Advice *a, guint segment, LwEdits *edits, GString *remarks) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  g_autoptr(GPtrArray) broken = lw_proposals_broken(a->proposals, s, edits);
  g_autoptr(GPtrArray) by_segment = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) by_host = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; broken && i < broken->len; i++) {
    const LwAssert *assertion = ((const LwBrokenAssert *)broken->pdata[i])->assert;
    gboolean host;
    char *line = line_for(a, segment, assertion, &host);
    if (!line)
      continue;
    g_ptr_array_add(host ? by_host : by_segment, line);
    g_string_append_printf(remarks, "“%s” keeps true what line %u asserts.\n", line, assertion->origin.line);
  }
  return (!by_segment->len || lw_edits_add_items(edits, KEY(s, "allow"), by_segment, NULL)) &&
         (!by_host->len || lw_edits_add_items(edits, KEY(s, "host", "allow"), by_host, NULL));
}

/* All that trust: stands for, but what the flow is an example of. */
static gboolean keep_the_rest(const Advice *a, const LwSegment *s, LwEdits *edits) {
  const LwFlowQuestion *q = a->q;
  g_autoptr(GPtrArray) lines = g_ptr_array_new();
  if (q->to.kind != LW_ZONE_HOST)
    g_ptr_array_add(lines, (gpointer) "host:any");
  for (guint i = 0; q->to.kind != LW_ZONE_NETWORK && i < a->lab->host.networks->len; i++)
    g_ptr_array_add(lines, lw_lab_network(a->lab, i)->name);
  return (!lines->len || lw_edits_add_items(edits, KEY(s, "allow"), lines, NULL)) &&
         (q->from.kind == LW_ZONE_HOST || add_item(edits, KEY(s, "host", "allow"), s->name));
}

/* What is kept, in the words of asserts, and what no line but trust: can open. */
static void put_rest_of_trust(const Advice *a, const LwSegment *s, GString *out) {
  const LwFlowQuestion *q = a->q;
  g_autofree char *networks = networks_text(a);
  g_string_append(out, "What stays open:");
  const char *between = " ";
  if (q->to.kind != LW_ZONE_HOST) {
    g_string_append_printf(out, "%s%s -> host", between, s->name);
    between = ", ";
  }
  if (q->from.kind != LW_ZONE_HOST) {
    g_string_append_printf(out, "%shost -> %s", between, s->name);
    between = ", ";
  }
  if (*networks && q->to.kind != LW_ZONE_NETWORK)
    g_string_append_printf(out, "%s%s -> %s", between, s->name, networks);
  if (*networks && q->from.kind != LW_ZONE_NETWORK)
    g_string_append_printf(out, ". What closes too: %s -> %s", networks, s->name);
  g_string_append(out, ".\n");
}

static void close_trust_one_way(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  const LwFlowQuestion *q = a->q;
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autoptr(GString) remarks = g_string_new(NULL);
  g_autofree char *networks = networks_text(a), *who = who_is_in(a, segment, NULL);
  g_autofree char *scope =
      q->from.kind == LW_ZONE_SEGMENT
          ? g_strdup_printf("for all that %s%s opens at %s", s->name, who,
                            q->to.kind == LW_ZONE_HOST ? "the host" : networks)
          : g_strdup_printf("for all that %s opens into %s%s",
                            q->from.kind == LW_ZONE_HOST ? "the host" : networks, s->name, who);
  put_rest_of_trust(a, s, remarks);
  if (edits && drop_key(edits, s, "trust", "none") && keep_the_rest(a, s, edits))
    lw_proposals_show(a->proposals, s, edits, scope, remarks->str);
}

static gboolean close_trust(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  if (!s->trust_host || !same_place(&s->trust_origin, &a->answer->origin))
    return FALSE;
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autoptr(GString) remarks = g_string_new(NULL);
  g_autofree char *networks = networks_text(a), *who = who_is_in(a, segment, NULL);
  g_autofree char *scope = g_strdup_printf("for all that “trust:” opens between %s%s and the host%s%s",
                                           s->name, who, *networks ? " or " : "", networks);
  hint(a, "take “trust: host” out of %s", s->name);
  close_trust_one_way(a, segment);
  if (edits && drop_key(edits, s, "trust", "none") && keep_asserted(a, segment, edits, remarks))
    lw_proposals_show(a->proposals, s, edits, scope, remarks->str);
  return TRUE;
}

static void close_segment(Advice *a, guint segment) {
  const LwSegment *s = lw_lab_segment(a->lab, segment);
  g_autoptr(LwEdits) edits = lw_proposals_edits(a->proposals, s);
  g_autofree char *scope = all_of(a, segment);
  hint(a, "write “isolate: true” in %s", s->name);
  if (edits && lw_edits_set(edits, KEY(s, "isolate"), "true", NULL))
    lw_proposals_show(a->proposals, s, edits, scope, "Its machines reach each other no more.\n");
}

static void advise_closing(Advice *a) {
  const LwFlowQuestion *q = a->q;
  if (q->from.kind == LW_ZONE_SEGMENT && q->to.kind == LW_ZONE_SEGMENT && q->from.index == q->to.index) {
    close_segment(a, q->from.index);
    return;
  }
  for (guint i = 0; i < a->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(a->lab, i);
    if (close_line(a, i, s->allow) || close_line(a, i, s->host_allow) || close_forward(a, i) ||
        close_egress(a, i) || close_trust(a, i))
      return;
  }
}

/* --- all of it
 * -----------------------------------------------------------------------------------------------------------
 */

static void advise(Advice *a) {
  LwProposals *p = a->proposals;
  g_autofree char *path = p->path ? lw_proposals_path(p->path) : g_strdup("the file");
  if (lw_proposals_is_done(p)) {
    g_string_append_printf(p->out, "%s says otherwise by now.\n", path);
    lw_proposals_end(p);
    return;
  }
  if (p->pass)
    advise_opening(a);
  else
    advise_closing(a);
  if (p->shown)
    lw_proposals_end(p);
  else if (!p->out->len && a->hint && !p->tried)
    g_string_append_printf(p->out, "To %s it, %s. (That could not be tried on %s.)\n",
                           p->pass ? "open" : "close", a->hint, path);
  else if (!p->out->len)
    g_string_append_printf(p->out, "No line of the file %s.\n",
                           p->pass   ? "can open it"
                           : a->hint ? "closes it alone: more than one lets it through"
                                     : "closes it: it is so in every lab");
}

char *lw_advice(LwSession *session, const LwExplainQuestion *question, const LwFlowAnswer *answer) {
  g_auto(LwProposals) proposals = {0};
  lw_proposals_init(&proposals, session, &question->question, !answer->allow);
  Advice a = {session->lab, session->facts, question, &question->question, answer, &proposals, NULL};
  advise(&a);
  g_free(a.hint);
  return g_strdup(proposals.out->str);
}
