/* The router's own web page and SSH, and what is open from outside. */
#include "audit/findings.h"

#include <string.h>

typedef struct {
  const char *kind, *name;
  guint16 ports[2];
  const char *interfaces; /* where it listens; NULL: everywhere */
} Service;

static guint16 number(const char *text, guint16 missing) {
  guint64 port = text ? g_ascii_strtoull(text, NULL, 10) : 0;
  return port > 0 && port <= 65535 ? (guint16)port : missing;
}

static Service web_service(const LwOpn *opn) {
  gboolean plain = opn->web.protocol && g_str_equal(opn->web.protocol, "http");
  Service out = {"web", "web page", {number(opn->web.port, plain ? 80 : 443), 0}, opn->web.interfaces};
  if (!plain && !opn->web.no_http_redirect)
    out.ports[1] = 80;
  return out;
}

static Service ssh_service(const LwOpn *opn) {
  return (Service){"ssh", "SSH", {number(opn->ssh.port, 22), 0}, opn->ssh.interfaces};
}

static gboolean listens(const LwAuditWorld *world, const Service *service, const LwAuditTarget *target) {
  if (target->kind != LW_PLACE_SELF)
    return FALSE;
  if (!service->interfaces)
    return TRUE;
  g_auto(GStrv) keys = g_strsplit(service->interfaces, ",", -1);
  return target->zone >= 0 &&
         g_strv_contains((const char *const *)keys,
                         lw_audit_zone(world, (guint)target->zone)->link->interface->key);
}

static gboolean is_service(const LwAuditService *each, const Service *service) {
  if (each->protocol != 6 || !each->ordinary)
    return FALSE;
  for (guint i = 0; i < 2; i++)
    if (service->ports[i] && service->ports[i] == each->dport.first && service->ports[i] == each->dport.last)
      return TRUE;
  return FALSE;
}

/* The pair and service that reach it, the sender's own gateway first; FALSE: none. addresses gets every one
 * that answers. */
typedef struct {
  const LwAuditPair *pair;
  guint service;
  gboolean own;
} Hit;

static gboolean find_hit(const LwAudit *audit, guint w, const LwAuditSpace *space, const Service *service,
                         Hit *hit, LwIpSet *addresses, GPtrArray *rules) {
  *hit = (Hit){0};
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    const LwAuditTarget *target = lw_audit_pair_target(audit, w, space, pair);
    if (!listens(space->world, service, target))
      continue;
    for (guint i = 0; i < space->services->len; i++) {
      const LwAuditDecision *decision = &pair->decisions[i];
      if (!is_service(lw_audit_service(space, i), service) || !decision->pass || decision->rdr ||
          decision->where != LW_TO_SELF)
        continue;
      g_autofree char *rule = lw_audit_decider(decision);
      lw_audit_name_once(rules, rule);
      lw_ip_set_add_set(addresses, lw_audit_destination(space, pair)->set);
      gboolean own = target->zone == (int)space->zone;
      if (!hit->pair || (own && !hit->own))
        *hit = (Hit){pair, i, own};
    }
  }
  return hit->pair != NULL;
}

/* One finding for all the segments that reach it, a packet for each; another one for what comes from outside.
 */
static void report_service(LwAudit *audit, guint w, const Service *service, gboolean outside) {
  const LwAuditWorld *world = lw_audit_world(audit, w);
  LwAuditFinding *finding = NULL;
  g_autoptr(GPtrArray) zones = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GString) detail =
      g_string_new(service->interfaces ? "reached" : "it listens on every interface; reached");
  for (guint i = 0; i < world->zones->len; i++) {
    const LwAuditZone *zone = lw_audit_zone(world, i);
    const LwAuditSpace *space = lw_audit_space(audit, w, i);
    g_autoptr(LwIpSet) addresses = lw_ip_set_new(world->family);
    g_autoptr(GPtrArray) rules = g_ptr_array_new_with_free_func(g_free);
    Hit hit;
    if ((zone->role != LW_ROLE_INSIDE) != outside || (zone->management && !outside) ||
        !find_hit(audit, w, space, service, &hit, addresses, rules))
      continue;
    if (!finding)
      finding = lw_audit_add(
          audit, outside ? LW_HARM_CRITICAL : LW_HARM_HIGH, service->kind, NULL, NULL,
          g_strdup("let it listen on the management interface alone (System: Settings: "
                   "Administration), and put a rule before the others of each interface that blocks "
                   "“This Firewall”, but for DNS and ping where they are wanted"));
    g_autofree char *where = lw_audit_places(audit, w, addresses);
    g_string_append_printf(detail, "%s from %s at %s", zones->len ? ";" : "", zone->name, where);
    g_ptr_array_add(zones, g_strdup(zone->name));
    LwAuditPacket packet = lw_audit_example(space, hit.pair, hit.service);
    lw_audit_add_packet(finding, space, &packet, &hit.pair->decisions[hit.service]);
    for (guint n = 0; n < rules->len; n++)
      lw_audit_add_rule(finding, rules->pdata[n]);
  }
  if (!finding)
    return;
  g_autofree char *names = lw_audit_list(zones);
  finding->title =
      g_strdup_printf("the router's %s is open to %s%s%s", service->name,
                      outside ? "whoever comes in by " : "", names, world->family == 6 ? " (IPv6)" : "");
  finding->detail = g_strdup(detail->str);
}

/* ---- from outside ---- */

/* What a forward leads to is meant to be reached: its rule lets the translated packet through. */
static gboolean is_forwarded(const LwAuditWorld *world, const LwAuditSpace *space, const LwAuditSide *to,
                             const LwAuditService *service) {
  for (guint i = 0; i < world->rdr->len; i++) {
    const LwAuditRule *rdr = world->rdr->pdata[i];
    if (rdr->rule->negative || !rdr->target || !rdr->on[space->zone])
      continue;
    g_autoptr(LwIpSet) outside = lw_ip_set_subtract(to->set, rdr->target);
    guint32 first = rdr->target_first, last = first;
    if (rdr->dports && rdr->dports->len) {
      const LwPortRange *range = &g_array_index(rdr->dports, LwPortRange, 0);
      last = first + (range->last - range->first);
      if (!first) {
        first = range->first;
        last = range->last;
      }
    }
    gboolean ports = service->protocol != 6 && service->protocol != 17;
    ports =
        ports || (!rdr->dports && !first) || (service->dport.first >= first && service->dport.last <= last);
    if (lw_ip_set_is_empty(outside) && ports)
      return TRUE;
  }
  return FALSE;
}

static void report_open(LwAudit *audit, guint w, const LwAuditSpace *space) {
  const LwAuditWorld *world = space->world;
  const LwAuditZone *zone = lw_audit_zone(world, space->zone);
  g_autoptr(GHashTable) told = g_hash_table_new(NULL, NULL); /* rule and target zone: once */
  for (guint p = 0; zone->role != LW_ROLE_INSIDE && p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    const LwAuditTarget *target = lw_audit_pair_target(audit, w, space, pair);
    for (guint n = 0; target->kind == LW_PLACE_INSIDE && n < space->order->len; n++) {
      guint i = g_array_index(space->order, guint, n);
      const LwAuditDecision *decision = &pair->decisions[i];
      if (!decision->pass || decision->rdr || !decision->in || decision->in->rule->rule->automatic ||
          !lw_audit_service(space, i)->ordinary ||
          is_forwarded(world, space, lw_audit_destination(space, pair), lw_audit_service(space, i)))
        continue;
      gpointer key = (gpointer)decision->in->rule->rule;
      if (!g_hash_table_add(told, key))
        continue;
      const char *to = lw_audit_zone(world, (guint)target->zone)->name;
      LwAuditFinding *finding = lw_audit_add(
          audit, LW_HARM_HIGH, "open-from-outside",
          g_strdup_printf("%s is open to whoever comes in by %s%s", to, zone->name,
                          world->family == 6 ? " by IPv6" : ""),
          g_strdup("without a forward that leads there: a neighbour on that network only needs a route by "
                   "this router"),
          g_strdup("let the rule pass what its forward leads to and nothing else, or take it out"));
      LwAuditPacket packet = lw_audit_example(space, pair, i);
      lw_audit_add_packet(finding, space, &packet, decision);
    }
  }
}

void lw_audit_find_services(LwAudit *audit) {
  Service web = web_service(audit->opn), ssh = ssh_service(audit->opn);
  for (guint w = 0; w < audit->worlds->len; w++) {
    for (int outside = 1; outside >= 0; outside--) {
      report_service(audit, w, &web, outside);
      if (audit->opn->ssh.enabled)
        report_service(audit, w, &ssh, outside);
    }
    for (guint i = 0; i < lw_audit_world(audit, w)->zones->len; i++)
      report_open(audit, w, lw_audit_space(audit, w, i));
  }
}
