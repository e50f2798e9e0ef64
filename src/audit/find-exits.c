/* What leaves: by the wrong exit when a gateway is gone, to private addresses, DNS beside the tunnel, IPv6.
 */
#include "audit/findings.h"

#include <string.h>

static gboolean leaves_by_uplink(const LwAuditWorld *world, const LwAuditDecision *decision) {
  return decision->pass && decision->where == LW_TO_EXIT &&
         lw_audit_zone(world, decision->zone)->role == LW_ROLE_UPLINK;
}

static gboolean leaves_by_tunnel(const LwAuditWorld *world, const LwAuditDecision *decision) {
  return decision->pass && decision->where == LW_TO_EXIT &&
         lw_audit_zone(world, decision->zone)->role == LW_ROLE_TUNNEL;
}

static const char *zone_name(const LwAuditSpace *space) {
  return lw_audit_zone(space->world, space->zone)->name;
}

static gboolean is_plain_https(const LwAuditService *service) {
  return service->protocol == 6 && service->ordinary && service->dport.first <= 443 &&
         service->dport.last >= 443;
}

/* ---- a gateway is gone ---- */

typedef struct {
  LwAudit *audit;
  const LwPfGateway *gateway;
  const LwAuditWorld *world; /* without it */
} Gone;

static gboolean falls_back(const Gone *gone, const LwAuditSpace *space, const LwAuditPair *pair,
                           guint service, LwAuditDecision *then) {
  const LwAuditDecision *now = &pair->decisions[service];
  if (!leaves_by_tunnel(space->world, now) || now->gateway != gone->gateway)
    return FALSE;
  LwAuditPacket packet = lw_audit_example(space, pair, service);
  lw_audit_decide(gone->world, space->zone, &packet, then);
  return leaves_by_uplink(gone->world, then);
}

/* The most telling packet of a zone: to the internet, to a web server. Returns whether there is any. */
static gboolean find_fallback(const Gone *gone, guint w, const LwAuditSpace *space, const LwAuditPair **best,
                              guint *service, LwAuditDecision *decision, GPtrArray *rules) {
  *best = NULL;
  int best_score = -1;
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    const LwAuditTarget *target = lw_audit_pair_target(gone->audit, w, space, pair);
    for (guint i = 0; i < space->services->len; i++) {
      const LwAuditService *what = lw_audit_service(space, i);
      LwAuditDecision then;
      if (what->group != i && !is_plain_https(what))
        continue;
      if (!falls_back(gone, space, pair, i, &then))
        continue;
      g_autofree char *rule = lw_audit_decider(&then);
      lw_audit_name_once(rules, rule);
      int score = (target->kind == LW_PLACE_INTERNET) * 2 + is_plain_https(what);
      if (score > best_score) {
        best_score = score;
        *best = pair;
        *service = i;
        *decision = then;
      }
    }
  }
  return *best != NULL;
}

static void report_fallback(const Gone *gone, guint w, const LwAuditSpace *space) {
  const LwAuditPair *pair;
  guint service;
  LwAuditDecision then;
  g_autoptr(GPtrArray) rules = g_ptr_array_new_with_free_func(g_free);
  if (!find_fallback(gone, w, space, &pair, &service, &then, rules))
    return;
  const LwAuditDecision *now = &pair->decisions[service];
  gboolean same = then.in && now->in && then.in->rule->rule == now->in->rule->rule;
  g_autofree char *later = lw_audit_decider(&then);
  LwAuditFinding *finding = lw_audit_add(
      gone->audit, LW_HARM_HIGH, "falls-back",
      g_strdup_printf("%s leaves by %s when %s is gone%s", zone_name(space),
                      lw_audit_zone(gone->world, then.zone)->name, gone->gateway->name,
                      space->world->family == 6 ? " (IPv6)" : ""),
      same ? g_strdup("with its gateway deleted or disabled the rule stays and loses its route: the packet "
                      "takes the "
                      "default route, with your own address")
           : g_strdup_printf("the rule is left out then, and “%s” lets the packet out by the default route",
                             later),
      same ? g_strdup("set “Skip rules when gateway is down” (Firewall: Settings: Advanced), and put a rule "
                      "that blocks "
                      "the same behind it")
           : g_strdup("put a rule that blocks the same right behind the one with the gateway"));
  LwAuditPacket packet = lw_audit_example(space, pair, service);
  lw_audit_add_packet(finding, space, &packet, &then);
  LwAuditShown *shown = finding->packets->pdata[0];
  g_free(shown->goes);
  shown->goes = lw_audit_way(gone->world, &then);
  for (guint i = 0; i < rules->len; i++)
    lw_audit_add_rule(finding, rules->pdata[i]);
}

static void find_fallbacks(LwAudit *audit) {
  for (guint g = 0; g < audit->gone->len; g++)
    for (guint w = 0; w < audit->worlds->len; w++) {
      const LwAuditGone *without = audit->gone->pdata[g];
      Gone gone = {audit, without->gateway, without->worlds->pdata[w]};
      for (guint i = 0; i < gone.world->zones->len; i++)
        report_fallback(&gone, w, lw_audit_space(audit, w, i));
    }
}

/* ---- private addresses ---- */

/* By IPv6 the network of an uplink is as public as any. */
static gboolean is_private(const LwAuditTarget *target) {
  return target->kind == LW_PLACE_PRIVATE || (target->kind == LW_PLACE_OUTSIDE && target->set->family == 4);
}

typedef struct {
  const LwOpnRule *rule;
  LwIpSet *set;
  GArray *pairs;    /* of guint */
  GArray *services; /* of guint, one a pair */
} Leak;

static void free_leak(gpointer data) {
  Leak *leak = data;
  lw_ip_set_free(leak->set);
  g_array_unref(leak->pairs);
  g_array_unref(leak->services);
  g_free(leak);
}

static Leak *leak_of(GPtrArray *leaks, const LwOpnRule *rule, guint8 family) {
  for (guint i = 0; i < leaks->len; i++)
    if (((Leak *)leaks->pdata[i])->rule == rule)
      return leaks->pdata[i];
  Leak *made = g_new0(Leak, 1);
  made->rule = rule;
  made->set = lw_ip_set_new(family);
  made->pairs = g_array_new(FALSE, FALSE, sizeof(guint));
  made->services = g_array_new(FALSE, FALSE, sizeof(guint));
  g_ptr_array_add(leaks, made);
  return made;
}

static void collect_leaks(const LwAudit *audit, guint w, const LwAuditSpace *space, GPtrArray *leaks) {
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    if (!is_private(lw_audit_pair_target(audit, w, space, pair)))
      continue;
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL); /* one packet for each rule and pair */
    for (guint n = 0; n < space->order->len; n++) {
      guint i = g_array_index(space->order, guint, n);
      const LwAuditService *what = lw_audit_service(space, i);
      const LwAuditDecision *decision = &pair->decisions[i];
      if (!what->ordinary || !decision->in || decision->rdr || decision->in->rule->rule->automatic ||
          !leaves_by_uplink(space->world, decision) ||
          !g_hash_table_add(seen, (gpointer)decision->in->rule->rule))
        continue;
      Leak *leak = leak_of(leaks, decision->in->rule->rule, space->world->family);
      lw_ip_set_add_set(leak->set, lw_audit_destination(space, pair)->set);
      g_array_append_val(leak->pairs, p);
      g_array_append_val(leak->services, i);
    }
  }
}

static void report_leak(LwAudit *audit, guint w, const LwAuditSpace *space, const Leak *leak) {
  g_autofree char *ranges = lw_audit_places(audit, w, leak->set);
  guint first_pair = g_array_index(leak->pairs, guint, 0);
  const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, first_pair);
  const LwAuditDecision *decision = &pair->decisions[g_array_index(leak->services, guint, 0)];
  gboolean ipv6 = space->world->family == 6;
  LwAuditFinding *finding = lw_audit_add(
      audit, ipv6 ? LW_HARM_LOW : LW_HARM_MEDIUM, "private",
      g_strdup_printf("%s reaches private addresses through %s: %s", zone_name(space),
                      lw_audit_zone(space->world, decision->zone)->name, ranges),
      g_strdup("what is meant to be “the internet” is “not this one private range”: networks beyond the "
               "uplink that use "
               "another one are open, the modem's page and the neighbours' devices among them"),
      g_strdup(ipv6 ? "let the rule pass to anything but fc00::/7"
                    : "make an alias of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, "
                      "169.254.0.0/16 and the "
                      "network that the uplink is in, and let the rule pass to anything but that alias"));
  g_autoptr(GHashTable) shown = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < leak->pairs->len; i++) {
    pair = &g_array_index(space->pairs, LwAuditPair, g_array_index(leak->pairs, guint, i));
    guint service = g_array_index(leak->services, guint, i);
    if (!g_hash_table_add(shown, GUINT_TO_POINTER(lw_audit_destination(space, pair)->target + 1)))
      continue;
    LwAuditPacket packet = lw_audit_example(space, pair, service);
    lw_audit_add_packet(finding, space, &packet, &pair->decisions[service]);
  }
}

static void find_private(LwAudit *audit, guint w, const LwAuditSpace *space) {
  if (lw_audit_zone(space->world, space->zone)->role != LW_ROLE_INSIDE)
    return;
  g_autoptr(GPtrArray) leaks = g_ptr_array_new_with_free_func(free_leak);
  collect_leaks(audit, w, space, leaks);
  for (guint i = 0; i < leaks->len; i++)
    report_leak(audit, w, space, leaks->pdata[i]);
}

/* ---- DNS ---- */

static gboolean uses_tunnel(const LwAudit *audit, guint w, const LwAuditSpace *space) {
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    if (lw_audit_pair_target(audit, w, space, pair)->kind != LW_PLACE_INTERNET)
      continue;
    for (guint i = 0; i < space->services->len; i++)
      if (is_plain_https(lw_audit_service(space, i)) && leaves_by_tunnel(space->world, &pair->decisions[i]))
        return TRUE;
  }
  return FALSE;
}

static gboolean is_dns(const LwAuditService *service) {
  guint32 port = service->dport.first;
  if (!service->ordinary || service->dport.first != service->dport.last)
    return FALSE;
  return (port == 53 && (service->protocol == 17 || service->protocol == 6)) ||
         (port == 853 && service->protocol == 6);
}

/* A name server on this router that asks others: which; NULL: none. */
static const char *resolver_of(const LwOpn *opn) {
  if (opn->unbound.enabled && (!opn->unbound.port || g_str_equal(opn->unbound.port, "53")))
    return "Unbound";
  if (opn->dnsmasq.enabled && (!opn->dnsmasq.port || g_str_equal(opn->dnsmasq.port, "53")))
    return "Dnsmasq";
  return NULL;
}

/* Unbound can be told to ask by certain interfaces only. */
static gboolean asks_by_tunnel(const LwOpn *opn, const LwAuditWorld *world) {
  if (!opn->unbound.enabled || !opn->unbound.outgoing)
    return FALSE;
  g_auto(GStrv) keys = g_strsplit(opn->unbound.outgoing, ",", -1);
  for (char **key = keys; *key; key++) {
    gboolean tunnel = FALSE;
    for (guint i = 0; i < world->zones->len; i++) {
      const LwAuditZone *zone = lw_audit_zone(world, i);
      tunnel |= zone->role == LW_ROLE_TUNNEL && g_str_equal(zone->link->interface->key, *key);
    }
    if (!tunnel)
      return FALSE;
  }
  return TRUE;
}

typedef gboolean (*DnsHit)(const LwAudit *audit, const LwAuditSpace *space, const LwAuditTarget *target,
                           const LwAuditDecision *decision);

static gboolean beside_tunnel(const LwAudit *audit, const LwAuditSpace *space, const LwAuditTarget *target,
                              const LwAuditDecision *decision) {
  return target->kind == LW_PLACE_INTERNET && leaves_by_uplink(space->world, decision);
}

static gboolean to_router(const LwAudit *audit, const LwAuditSpace *space, const LwAuditTarget *target,
                          const LwAuditDecision *decision) {
  return target->kind == LW_PLACE_SELF && decision->pass && decision->where == LW_TO_SELF &&
         target->zone == (int)space->zone;
}

static gboolean find_dns(const LwAudit *audit, guint w, const LwAuditSpace *space, DnsHit wanted,
                         const LwAuditPair **pair, guint *service) {
  for (guint p = 0; p < space->pairs->len; p++) {
    *pair = &g_array_index(space->pairs, LwAuditPair, p);
    const LwAuditTarget *target = lw_audit_pair_target(audit, w, space, *pair);
    for (*service = 0; *service < space->services->len; (*service)++)
      if (is_dns(lw_audit_service(space, *service)) &&
          wanted(audit, space, target, &(*pair)->decisions[*service]))
        return TRUE;
  }
  return FALSE;
}

static void find_dns_leaks(LwAudit *audit, guint w, const LwAuditSpace *space) {
  const LwAuditPair *pair;
  guint service;
  if (lw_audit_zone(space->world, space->zone)->role != LW_ROLE_INSIDE || !uses_tunnel(audit, w, space))
    return;
  if (find_dns(audit, w, space, beside_tunnel, &pair, &service)) {
    LwAuditFinding *finding = lw_audit_add(
        audit, LW_HARM_MEDIUM, "dns",
        g_strdup_printf("DNS of %s leaves by %s, beside its tunnel", zone_name(space),
                        lw_audit_zone(space->world, pair->decisions[service].zone)->name),
        g_strdup(
            "who answers, and who listens on the way, learns the names that are asked for, and from where"),
        g_strdup("give the rule for DNS the same gateway, or let it pass to the tunnel's resolver alone"));
    LwAuditPacket packet = lw_audit_example(space, pair, service);
    lw_audit_add_packet(finding, space, &packet, &pair->decisions[service]);
  }
  const char *resolver = resolver_of(audit->opn);
  if (!resolver || asks_by_tunnel(audit->opn, space->world) ||
      !find_dns(audit, w, space, to_router, &pair, &service))
    return;
  const LwPfGateway *best = lw_pf_default_gateway(audit->pf, space->world->family);
  LwAuditFinding *finding = lw_audit_add(
      audit, LW_HARM_MEDIUM, "dns",
      g_strdup_printf("names that %s asks the router for are looked up outside its tunnel", zone_name(space)),
      g_strdup_printf("%s on the router answers, and asks by the router's own default route%s%s", resolver,
                      best ? ", by " : "", best ? best->name : ""),
      g_strdup(
          "hand out the tunnel's resolver by DHCP and let the segment reach only that, or bind the router's "
          "resolver to the tunnel"));
  LwAuditPacket packet = lw_audit_example(space, pair, service);
  lw_audit_add_packet(finding, space, &packet, &pair->decisions[service]);
}

/* ---- IPv6 beside IPv4 ---- */

/* Whether the same zone reaches the same kind of place by IPv4: the same zone's network, the router, the
 * internet; by the same kind of exit. */
static gboolean same_by_ipv4(const LwAudit *audit, guint zone, const LwAuditTarget *target,
                             const LwAuditService *service, const LwAuditDecision *decision) {
  const LwAuditSpace *space = lw_audit_space(audit, 0, zone);
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    const LwAuditTarget *other = lw_audit_pair_target(audit, 0, space, pair);
    if (other->kind != target->kind || (target->kind == LW_PLACE_INSIDE && other->zone != target->zone))
      continue;
    LwAuditPacket packet = lw_audit_example(space, pair, 0);
    packet.protocol = service->protocol == 58 ? 1 : service->protocol;
    packet.sport = service->sport_example;
    packet.dport = service->dport_example;
    packet.icmp_type = service->icmp_type == 128 ? 8 : service->icmp_type;
    LwAuditDecision then;
    lw_audit_decide(space->world, zone, &packet, &then);
    gboolean same_exit =
        decision->where != LW_TO_EXIT || lw_audit_zone(space->world, then.zone)->role ==
                                             lw_audit_zone(lw_audit_world(audit, 1), decision->zone)->role;
    if (then.pass && same_exit)
      return TRUE;
  }
  return FALSE;
}

static void report_ipv6(LwAudit *audit, const LwAuditSpace *space, const LwAuditPair *pair, guint service,
                        const LwAuditTarget *target) {
  const LwAuditDecision *decision = &pair->decisions[service];
  g_autofree char *way = lw_audit_way(space->world, decision);
  const char *to = target->kind == LW_PLACE_SELF     ? "the router"
                   : target->kind == LW_PLACE_INSIDE ? lw_audit_zone(space->world, (guint)target->zone)->name
                                                     : "the internet";
  gboolean beside =
      target->kind == LW_PLACE_INTERNET && uses_tunnel(audit, 0, lw_audit_space(audit, 0, space->zone));
  LwAuditFinding *finding = lw_audit_add(
      audit, LW_HARM_HIGH, "ipv6",
      beside ? g_strdup_printf("%s leaves %s by IPv6, beside its tunnel", zone_name(space), way)
             : g_strdup_printf("%s reaches %s by IPv6 where IPv4 is closed", zone_name(space), to),
      g_strdup("the rules for IPv4 do not hold for IPv6, and machines prefer IPv6 where they have it"),
      g_strdup("make the IPv4 rules hold for both (TCP/IP version: IPv4+IPv6), or switch IPv6 off "
               "(Interfaces: Settings)"));
  LwAuditPacket packet = lw_audit_example(space, pair, service);
  lw_audit_add_packet(finding, space, &packet, decision);
}

static void find_ipv6(LwAudit *audit, const LwAuditSpace *space) {
  g_autoptr(GHashTable) told = g_hash_table_new(NULL, NULL);
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    const LwAuditTarget *target = lw_audit_pair_target(audit, 1, space, pair);
    if (target->kind != LW_PLACE_SELF && target->kind != LW_PLACE_INSIDE && target->kind != LW_PLACE_INTERNET)
      continue;
    gpointer key = GUINT_TO_POINTER((guint)target->kind * 65536u + (guint)(target->zone + 2));
    for (guint n = 0; n < space->order->len && !g_hash_table_contains(told, key); n++) {
      guint i = g_array_index(space->order, guint, n);
      const LwAuditService *service = lw_audit_service(space, i);
      const LwAuditDecision *decision = &pair->decisions[i];
      if (!decision->pass || !service->ordinary || service->other_type || !decision->in ||
          decision->in->rule->rule->automatic || same_by_ipv4(audit, space->zone, target, service, decision))
        continue;
      g_hash_table_add(told, key);
      report_ipv6(audit, space, pair, i, target);
    }
  }
}

void lw_audit_find_exits(LwAudit *audit) {
  find_fallbacks(audit);
  for (guint w = 0; w < audit->worlds->len; w++)
    for (guint i = 0; i < lw_audit_world(audit, w)->zones->len; i++) {
      const LwAuditSpace *space = lw_audit_space(audit, w, i);
      if (w == 1 && !lw_ip_set_is_empty(lw_audit_zone(space->world, i)->network))
        find_ipv6(audit, space);
      find_private(audit, w, space);
      find_dns_leaks(audit, w, space);
    }
}
