#include "audit/findings.h"

#include <string.h>

const char *lw_harm_name(LwHarm harm) {
  static const char *const names[] = {"low", "medium", "high", "critical"};
  return names[harm];
}

const LwAuditWorld *lw_audit_world(const LwAudit *audit, guint index) {
  return audit->worlds->pdata[index];
}

const LwAuditSpace *lw_audit_space(const LwAudit *audit, guint world, guint zone) {
  return ((GPtrArray *)audit->spaces->pdata[world])->pdata[zone];
}

const LwAuditTarget *lw_audit_target(const LwAudit *audit, guint world, guint index) {
  return ((GPtrArray *)audit->targets->pdata[world])->pdata[index];
}

const LwAuditTarget *lw_audit_pair_target(const LwAudit *audit, guint world, const LwAuditSpace *space,
                                          const LwAuditPair *pair) {
  return lw_audit_target(audit, world, lw_audit_destination(space, pair)->target);
}

/* ---- words ---- */

char *lw_audit_protocol_name(guint8 protocol) {
  static const struct {
    guint8 number;
    const char *name;
  } names[] = {{1, "icmp"}, {2, "igmp"}, {6, "tcp"},    {17, "udp"},  {41, "ipv6"}, {47, "gre"},
               {50, "esp"}, {51, "ah"},  {58, "icmp6"}, {89, "ospf"}, {132, "sctp"}};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (names[i].number == protocol)
      return g_strdup(names[i].name);
  return g_strdup_printf("protocol %u", protocol);
}

static char *address_text(LwIp ip, guint8 family) {
  LwAddr addr = lw_ip_addr(ip, family);
  return lw_addr_format(&addr);
}

char *lw_audit_decider(const LwAuditDecision *decision) {
  if (decision->rdr && decision->rdr->rule->pass)
    return g_strdup_printf("the forward “%s”", decision->rdr->rule->descr);
  if (!decision->in)
    return g_strdup("no rule matches, and pf then passes");
  return lw_opn_rule_name(decision->in->rule->rule);
}

char *lw_audit_way(const LwAuditWorld *world, const LwAuditDecision *decision) {
  if (decision->where == LW_TO_SELF)
    return g_strdup("to the router");
  if (decision->where == LW_TO_NOWHERE)
    return g_strdup("nowhere: there is no route");
  const char *name = lw_audit_zone(world, decision->zone)->name;
  if (decision->where == LW_TO_NETWORK)
    return g_strdup_printf("to %s", name);
  if (decision->gateway)
    return g_strdup_printf("by %s (%s)", name, decision->gateway->name);
  return g_strdup_printf("by %s", name);
}

void lw_audit_shown_free(LwAuditShown *shown) {
  if (!shown)
    return;
  g_free(shown->in);
  g_free(shown->protocol);
  g_free(shown->source);
  g_free(shown->destination);
  g_free(shown->text);
  g_free(shown->rule);
  g_free(shown->goes);
  g_free(shown);
}

static char *end_text(const char *address, guint port) {
  if (port == 0)
    return g_strdup(address);
  return strchr(address, ':') ? g_strdup_printf("[%s]:%u", address, port)
                              : g_strdup_printf("%s:%u", address, port);
}

LwAuditShown *lw_audit_show(const LwAuditWorld *world, guint zone, const LwAuditPacket *packet,
                            const LwAuditDecision *decision) {
  LwAuditShown *made = g_new0(LwAuditShown, 1);
  gboolean ports = packet->protocol == 6 || packet->protocol == 17;
  made->in = g_strdup(lw_audit_zone(world, zone)->name);
  made->protocol = lw_audit_protocol_name(packet->protocol);
  made->source = address_text(packet->source, packet->family);
  made->destination = address_text(packet->destination, packet->family);
  made->sport = ports ? packet->sport : 0;
  made->dport = ports ? packet->dport : 0;
  g_autofree char *from = end_text(made->source, made->sport), *to = end_text(made->destination, made->dport);
  gboolean echo = (packet->protocol == 1 && packet->icmp_type == 8) ||
                  (packet->protocol == 58 && packet->icmp_type == 128);
  made->text = g_strdup_printf("%s: %s %s → %s", made->in, echo ? "ping" : made->protocol, from, to);
  made->rule = lw_audit_decider(decision);
  made->goes = lw_audit_way(world, decision);
  return made;
}

void lw_audit_name_once(GPtrArray *names, const char *name) {
  for (guint i = 0; i < names->len; i++)
    if (g_str_equal(names->pdata[i], name))
      return;
  g_ptr_array_add(names, g_strdup(name));
}

char *lw_audit_list(const GPtrArray *names) {
  g_autoptr(GString) out = g_string_new(NULL);
  for (guint i = 0; i < names->len; i++)
    g_string_append_printf(out, "%s%s",
                           i == 0                ? ""
                           : i + 1 == names->len ? " and "
                                                 : ", ",
                           (char *)names->pdata[i]);
  return g_string_free(g_steal_pointer(&out), FALSE);
}

/* ---- places ---- */

/* A whole prefix is named with the lab's own networks still in it, as people know it. */
static char *private_name(const LwAuditTarget *target, guint8 family) {
  static const char *const whole[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"};
  LwAddr addr = lw_ip_addr(g_array_index(target->set->ranges, LwIpRange, 0).first, family);
  for (guint i = 0; i < G_N_ELEMENTS(whole); i++) {
    LwPrefix prefix;
    if (lw_prefix_parse(whole[i], &prefix) && lw_prefix_contains(&prefix, &addr))
      return g_strdup(whole[i]);
  }
  return lw_ip_set_format(target->set, 3);
}

static char *place_name(const LwAuditWorld *world, const LwAuditTarget *target) {
  const LwAuditZone *zone = target->zone >= 0 ? lw_audit_zone(world, (guint)target->zone) : NULL;
  if (target->kind == LW_PLACE_INTERNET)
    return g_strdup("the internet");
  if (target->kind == LW_PLACE_SPECIAL)
    return g_strdup("special-purpose addresses");
  if (target->kind == LW_PLACE_OUTSIDE && zone)
    return g_strdup_printf("the network that %s is in", zone->name);
  if (target->kind == LW_PLACE_PRIVATE)
    return private_name(target, world->family);
  return lw_ip_set_format(zone && target->kind == LW_PLACE_INSIDE ? zone->network : target->set, 3);
}

static void add_place(const LwAuditWorld *world, const LwAuditTarget *target, const LwIpSet *set,
                      GPtrArray *names) {
  g_autoptr(LwIpSet) part = lw_ip_set_intersect(target->set, set),
                     rest = lw_ip_set_subtract(target->set, set);
  if (lw_ip_set_is_empty(part))
    return;
  g_ptr_array_add(names, lw_ip_set_is_empty(rest) ? place_name(world, target) : lw_ip_set_format(part, 3));
}

char *lw_audit_places(const LwAudit *audit, guint w, const LwIpSet *set) {
  const LwAuditWorld *world = lw_audit_world(audit, w);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwIpSet) missed = lw_ip_set_subtract(world->self, set);
  gboolean all_selves = lw_ip_set_is_empty(missed);
  if (all_selves)
    g_ptr_array_add(names, g_strdup("every address of the router"));
  for (guint t = 0; t < ((GPtrArray *)audit->targets->pdata[w])->len; t++) {
    const LwAuditTarget *target = lw_audit_target(audit, w, t);
    if (target->kind != LW_PLACE_SELF || !all_selves)
      add_place(world, target, set, names);
  }
  return lw_audit_list(names);
}

/* ---- services ---- */

static void add_range(GString *out, guint32 first, guint32 last) {
  g_string_append_printf(out, first == last ? "%s%u" : "%s%u-%u", out->len ? "," : "", first, last);
}

static int range_cmp(gconstpointer a, gconstpointer b) {
  const LwPortRange *x = a, *y = b;
  return x->first < y->first ? -1 : x->first > y->first;
}

/* The ports of a protocol that are chosen: "" when none is, "*" when all are. Transfer full. */
static char *ports_text(const LwAuditSpace *space, const gboolean *chosen, guint8 protocol,
                        gboolean ordinary) {
  g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(LwPortRange));
  g_autoptr(GString) out = g_string_new(NULL);
  for (guint i = 0; i < space->services->len; i++) {
    const LwAuditService *each = lw_audit_service(space, i);
    if (each->protocol == protocol && chosen[i] && each->ordinary == ordinary)
      g_array_append_val(ranges, each->dport);
  }
  g_array_sort(ranges, range_cmp);
  for (guint i = 0; i < ranges->len;) {
    LwPortRange whole = g_array_index(ranges, LwPortRange, i++);
    while (i < ranges->len && g_array_index(ranges, LwPortRange, i).first <= whole.last + 1) {
      whole.last = MAX(whole.last, g_array_index(ranges, LwPortRange, i).last);
      i++;
    }
    if (whole.first == 1 && whole.last == 65535)
      return g_strdup("*");
    add_range(out, whole.first, whole.last);
  }
  return g_string_free(g_steal_pointer(&out), FALSE);
}

static void add_ported(GPtrArray *parts, const char *protocol, const char *ports, const char *suffix) {
  if (!*ports)
    return;
  gboolean all = g_str_equal(ports, "*");
  g_ptr_array_add(parts, g_strdup_printf("%s%s%s%s", protocol, all ? "" : "/", all ? "" : ports, suffix));
}

static void add_tcp_udp(const LwAuditSpace *space, const gboolean *chosen, GPtrArray *parts,
                        gboolean ordinary) {
  g_autofree char *tcp = ports_text(space, chosen, 6, ordinary),
                  *udp = ports_text(space, chosen, 17, ordinary);
  const char *suffix = ordinary ? "" : " from a service's port";
  if (g_str_equal(tcp, udp)) {
    add_ported(parts, "tcp+udp", tcp, suffix);
    return;
  }
  add_ported(parts, "tcp", tcp, suffix);
  add_ported(parts, "udp", udp, suffix);
}

static void add_icmp(const LwAuditSpace *space, const gboolean *chosen, GPtrArray *parts) {
  gboolean all = TRUE, any = FALSE, only_echo = TRUE;
  for (guint i = 0; i < space->services->len; i++) {
    const LwAuditService *each = lw_audit_service(space, i);
    if (each->protocol != 1 && each->protocol != 58)
      continue;
    gboolean echo = each->icmp_type == (each->protocol == 1 ? 8 : 128);
    all &= chosen[i];
    any |= chosen[i];
    only_echo &= !chosen[i] || echo;
  }
  if (any)
    g_ptr_array_add(parts, g_strdup(all ? "icmp" : only_echo ? "ping" : "some icmp"));
}

char *lw_audit_services(const LwAuditSpace *space, const gboolean *chosen) {
  g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
  gboolean all = TRUE, ordinary = FALSE;
  for (guint i = 0; i < space->services->len; i++) {
    const LwAuditService *each = lw_audit_service(space, i);
    all &= chosen[i] || !each->ordinary;
    ordinary |= chosen[i] && each->ordinary;
  }
  if (all)
    return g_strdup("all");
  add_icmp(space, chosen, parts);
  add_tcp_udp(space, chosen, parts, ordinary);
  for (guint i = 0; i < space->services->len; i++) {
    const LwAuditService *each = lw_audit_service(space, i);
    static const guint8 told[] = {1, 58, 6, 17};
    if (chosen[i] && !memchr(told, each->protocol, sizeof told))
      g_ptr_array_add(parts,
                      each->other ? g_strdup("other protocols") : lw_audit_protocol_name(each->protocol));
  }
  g_ptr_array_add(parts, NULL);
  return g_strjoinv(", ", (char **)parts->pdata);
}

/* ---- findings ---- */

static void free_finding(gpointer data) {
  LwAuditFinding *finding = data;
  g_free(finding->title);
  g_free(finding->detail);
  g_free(finding->remedy);
  g_ptr_array_unref(finding->packets);
  g_ptr_array_unref(finding->rules);
  g_free(finding);
}

LwAuditFinding *lw_audit_add(LwAudit *audit, LwHarm harm, const char *kind, char *title, char *detail,
                             char *remedy) {
  LwAuditFinding *made = g_new0(LwAuditFinding, 1);
  *made = (LwAuditFinding){.harm = harm, .kind = kind, .title = title, .detail = detail, .remedy = remedy};
  made->packets = g_ptr_array_new_with_free_func((GDestroyNotify)lw_audit_shown_free);
  made->rules = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(audit->findings, made);
  return made;
}

void lw_audit_add_rule(LwAuditFinding *finding, const char *name) {
  lw_audit_name_once(finding->rules, name);
}

void lw_audit_add_packet(LwAuditFinding *finding, const LwAuditSpace *space, const LwAuditPacket *packet,
                         const LwAuditDecision *decision) {
  LwAuditShown *shown = lw_audit_show(space->world, space->zone, packet, decision);
  g_ptr_array_add(finding->packets, shown);
  lw_audit_add_rule(finding, shown->rule);
}

static int finding_cmp(gconstpointer a, gconstpointer b) {
  const LwAuditFinding *x = *(LwAuditFinding *const *)a, *y = *(LwAuditFinding *const *)b;
  return x->harm == y->harm ? 0 : x->harm > y->harm ? -1 : 1;
}

/* ---- the whole ---- */

static guint16 port_number(const char *text, guint16 missing) {
  guint64 number = text ? g_ascii_strtoull(text, NULL, 10) : 0;
  return number > 0 && number <= 65535 ? (guint16)number : missing;
}

/* Ports that findings ask about. */
static GArray *asked_ports(const LwOpn *opn) {
  guint16 ports[] = {22, 53, 80, 443, 853, port_number(opn->web.port, 443), port_number(opn->ssh.port, 22)};
  GArray *out = g_array_new(FALSE, FALSE, sizeof(guint16));
  g_array_append_vals(out, ports, G_N_ELEMENTS(ports));
  return out;
}

static void add_world(LwAudit *audit, guint8 family) {
  LwAuditWorld *world = lw_audit_world_new(audit->pf, family);
  GPtrArray *targets = lw_audit_targets_new(world);
  GPtrArray *spaces = g_ptr_array_new_with_free_func((GDestroyNotify)lw_audit_space_free);
  g_autoptr(GArray) ports = asked_ports(audit->opn);
  for (guint i = 0; i < world->zones->len; i++)
    g_ptr_array_add(spaces, lw_audit_space_new(world, targets, i, ports));
  g_ptr_array_add(audit->worlds, world);
  g_ptr_array_add(audit->targets, targets);
  g_ptr_array_add(audit->spaces, spaces);
}

static gboolean is_named(const LwPf *pf, const LwPfGateway *gateway) {
  for (guint i = 0; i < pf->filter->len; i++) {
    const LwPfRule *rule = pf->filter->pdata[i];
    if (!rule->disabled && !rule->rule->automatic && rule->gateway == gateway)
      return TRUE;
  }
  return FALSE;
}

static void free_gone(gpointer data) {
  LwAuditGone *gone = data;
  g_ptr_array_unref(gone->worlds);
  lw_pf_free(gone->pf);
  g_free(gone);
}

static void add_gone(LwAudit *audit) {
  for (guint i = audit->pf->gateways->len; i > 0; i--) {
    const LwPfGateway *gateway = audit->pf->gateways->pdata[i - 1];
    if (!is_named(audit->pf, gateway))
      continue;
    LwAuditGone *made = g_new0(LwAuditGone, 1);
    made->gateway = gateway;
    made->pf = lw_pf_generate(audit->opn, audit->links, gateway->name);
    made->worlds = g_ptr_array_new_with_free_func((GDestroyNotify)lw_audit_world_free);
    for (guint w = 0; w < audit->worlds->len; w++)
      g_ptr_array_add(made->worlds, lw_audit_world_new(made->pf, lw_audit_world(audit, w)->family));
    g_ptr_array_add(audit->gone, made);
  }
}

static void note(LwAudit *audit, char *text) {
  g_ptr_array_add(audit->notes, text);
}

static int name_cmp(gconstpointer a, gconstpointer b) {
  return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

static void add_stand_in_notes(LwAudit *audit) {
  for (guint i = 0; i < audit->links->links->len; i++) {
    const LwOpnLink *link = &g_array_index(audit->links->links, LwOpnLink, i);
    const char *name = link->interface->descr;
    g_autofree char *v4 = lw_addr_format(&link->address4.addr), *v6 = lw_addr_format(&link->address6.addr);
    if (link->stand_in4)
      note(audit, g_strdup_printf("%s has its IPv4 address by lease: %s stands for it here", name, v4));
    if (link->stand_in6 && audit->opn->ipv6_allowed)
      note(audit, g_strdup_printf("%s has its IPv6 address at run time: %s stands for it here", name, v6));
  }
}

static void add_alias_notes(LwAudit *audit) {
  g_autoptr(GPtrArray) unknown = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < audit->worlds->len; i++) {
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, lw_audit_world(audit, i)->unknown);
    while (g_hash_table_iter_next(&iter, &name, NULL))
      lw_audit_name_once(unknown, name);
  }
  g_ptr_array_sort(unknown, name_cmp);
  g_autofree char *list = lw_audit_list(unknown);
  if (unknown->len)
    note(audit, g_strdup_printf(
                    "what %s hold%s is not in the file: a rule that passes is taken to match all that it "
                    "could, one that blocks to match nothing",
                    list, unknown->len == 1 ? "s" : ""));
}

static void add_unknown_notes(LwAudit *audit) {
  g_autoptr(GPtrArray) unread = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < audit->opn->unread->len; i++)
    lw_audit_name_once(unread, audit->opn->unread->pdata[i]);
  if (unread->len) {
    g_autofree char *list = lw_audit_list(unread);
    note(audit, g_strdup_printf("the file also has %s, which this audit does not look at", list));
  }
  if (audit->opn->filter_disabled)
    note(audit,
         g_strdup("the packet filter is switched off as a whole (system/disablefilter): everything is open"));
}

static void free_matrix(gpointer data);

LwAudit *lw_audit_new(const LwOpn *opn) {
  LwAudit *audit = g_new0(LwAudit, 1);
  audit->opn = opn;
  audit->links = lw_opn_links_guess(opn);
  audit->pf = lw_pf_generate(opn, audit->links, NULL);
  audit->worlds = g_ptr_array_new_with_free_func((GDestroyNotify)lw_audit_world_free);
  audit->targets = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  audit->spaces = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  audit->gone = g_ptr_array_new_with_free_func(free_gone);
  audit->matrices = g_ptr_array_new_with_free_func(free_matrix);
  audit->findings = g_ptr_array_new_with_free_func(free_finding);
  audit->notes = g_ptr_array_new_with_free_func(g_free);
  add_world(audit, 4);
  if (opn->ipv6_allowed)
    add_world(audit, 6);
  add_gone(audit);
  lw_audit_make_matrices(audit);
  lw_audit_find_services(audit);
  lw_audit_find_exits(audit);
  lw_audit_find_forwards(audit);
  lw_audit_find_idle(audit);
  g_ptr_array_sort(audit->findings, finding_cmp);
  add_stand_in_notes(audit);
  add_alias_notes(audit);
  add_unknown_notes(audit);
  return audit;
}

static void free_cell(gpointer data) {
  LwAuditCell *cell = data;
  if (!cell)
    return;
  g_ptr_array_unref(cell->flows);
  g_ptr_array_unref(cell->exits);
  g_free(cell);
}

static void free_matrix(gpointer data) {
  LwAuditMatrix *matrix = data;
  for (guint i = 0; i < matrix->rows->len; i++) {
    GPtrArray *row = matrix->rows->pdata[i];
    for (guint n = 0; n < row->len; n++)
      free_cell(row->pdata[n]);
  }
  g_ptr_array_unref(matrix->columns);
  g_ptr_array_unref(matrix->rows);
  g_free(matrix);
}

void lw_audit_free(LwAudit *audit) {
  if (!audit)
    return;
  g_ptr_array_unref(audit->gone);
  g_ptr_array_unref(audit->matrices);
  g_ptr_array_unref(audit->findings);
  g_ptr_array_unref(audit->notes);
  g_ptr_array_unref(audit->spaces);
  g_ptr_array_unref(audit->targets);
  g_ptr_array_unref(audit->worlds);
  lw_pf_free(audit->pf);
  lw_opn_links_free(audit->links);
  g_free(audit);
}
