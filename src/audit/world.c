#include "audit/world.h"

#include <string.h>

/* ---- rules ---- */

static void free_rule(gpointer data) {
  LwAuditRule *rule = data;
  lw_ip_set_free(rule->source);
  lw_ip_set_free(rule->destination);
  lw_ip_set_free(rule->target);
  g_clear_pointer(&rule->sports, g_array_unref);
  g_clear_pointer(&rule->dports, g_array_unref);
  g_clear_pointer(&rule->icmp_types, g_array_unref);
  g_free(rule->on);
  g_free(rule);
}

static LwAuditRule *compile(LwAuditWorld *world, const LwPfRule *pf, guint index) {
  LwAuditRule *made = g_new0(LwAuditRule, 1);
  gboolean passes = pf->kind != LW_PF_FILTER || g_str_equal(pf->action, "pass");
  LwPfNames how = {world->pf, world->family, world->self, passes, world->unknown, 0};
  made->rule = pf;
  made->index = index;
  made->on = g_new0(gboolean, world->zones->len);
  for (guint i = 0; i < world->zones->len; i++)
    made->on[i] = lw_audit_rule_is_on(world, pf, i);
  made->source = lw_pf_addresses(&how, pf->from);
  made->destination = lw_pf_addresses(&how, pf->to);
  made->sports = lw_pf_ports(world->opn, pf->from_port);
  made->dports = lw_pf_ports(world->opn, pf->to_port);
  made->icmp_types = lw_pf_icmp_types(pf->icmp_types ? pf->icmp_types : pf->icmp6_types);
  made->protocol_count = lw_pf_protocols(pf->protocol, made->protocols);
  made->never = made->protocol_count && made->protocols[0] == 0; /* no packet of ours has it */
  gboolean timed = pf->rule && pf->rule->schedule;
  if (!passes && (pf->narrows || timed))
    made->never = TRUE;
  if (pf->kind == LW_PF_FILTER || !pf->target)
    return made;
  made->target = lw_pf_addresses(&how, pf->target);
  g_autoptr(GArray) first = lw_pf_ports(world->opn, pf->kind == LW_PF_RDR ? pf->target_port : NULL);
  made->target_first = first && first->len ? g_array_index(first, LwPortRange, 0).first : 0;
  return made;
}

static void compile_all(LwAuditWorld *world) {
  guint index = 0;
  for (guint i = 0; i < world->pf->translations->len; i++) {
    const LwPfRule *pf = world->pf->translations->pdata[i];
    if (!pf->disabled && (!pf->family || pf->family == world->family))
      g_ptr_array_add(pf->kind == LW_PF_RDR ? world->rdr : world->nat, compile(world, pf, index++));
  }
  for (guint i = 0; i < world->pf->filter->len; i++) {
    const LwPfRule *pf = world->pf->filter->pdata[i];
    if (!pf->disabled && (!pf->family || pf->family == world->family))
      g_ptr_array_add(world->filter, compile(world, pf, index++));
  }
}

/* ---- zones and routes ---- */

static gboolean is_tunnel(const char *device) {
  static const char *const kinds[] = {"wg",    "ovpnc", "ovpns", "gif", "gre",
                                      "ipsec", "tun",   "tap",   "zt",  "tailscale"};
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_has_prefix(device, kinds[i]))
      return TRUE;
  return FALSE;
}

static gboolean has_gateway(const LwOpn *opn, const char *key) {
  for (guint i = 0; i < opn->gateways->len; i++)
    if (g_str_equal(((LwOpnGateway *)opn->gateways->pdata[i])->interface, key))
      return TRUE;
  return FALSE;
}

/* An uplink has a gateway by lease or configured at the interface; a tunnel that has one is an exit; what is
 * left is inside. */
static LwAuditRole role_of(const LwAuditWorld *world, const LwOpnLink *link) {
  if (is_tunnel(link->interface->device))
    return has_gateway(world->opn, link->interface->key) || link->interface->gateway_interface
               ? LW_ROLE_TUNNEL
               : LW_ROLE_INSIDE;
  return lw_pf_interface_gateway(world->pf, link, 4) || lw_pf_interface_gateway(world->pf, link, 6) ||
                 g_str_equal(link->interface->key, "wan")
             ? LW_ROLE_UPLINK
             : LW_ROLE_INSIDE;
}

static void free_zone(gpointer data) {
  LwAuditZone *zone = data;
  lw_ip_set_free(zone->network);
  g_free(zone);
}

/* What anti-lockout opens; where that is switched off, what the web page listens on alone. */
static gboolean is_management(const LwOpn *opn, const char *lockout, const char *key) {
  return g_strcmp0(lockout ? lockout : opn->web.interfaces, key) == 0;
}

static void add_zone(LwAuditWorld *world, const LwOpnLink *link, const char *management) {
  LwAuditZone *made = g_new0(LwAuditZone, 1);
  made->link = link;
  made->name = link->interface->descr;
  made->role = role_of(world, link);
  made->management = is_management(world->opn, management, link->interface->key);
  made->network = lw_ip_set_new(world->family);
  const LwPrefix *address = lw_opn_link_address(link, world->family);
  if (lw_addr_is_set(&address->addr)) {
    lw_ip_set_add_prefix(made->network, address);
    LwAuditRoute route = {lw_prefix_network(address), world->zones->len, NULL};
    g_array_append_val(world->routes, route);
    if (made->role == LW_ROLE_INSIDE)
      lw_ip_set_add_set(world->inside, made->network);
  }
  g_ptr_array_add(world->zones, made);
}

static int zone_index(const LwAuditWorld *world, const char *key) {
  for (guint i = 0; key && i < world->zones->len; i++)
    if (g_str_equal(lw_audit_zone(world, i)->link->interface->key, key))
      return (int)i;
  return -1;
}

static void add_routes(LwAuditWorld *world) {
  g_autoptr(GArray) routes = lw_pf_routes(world->pf, world->family);
  for (guint i = 0; i < routes->len; i++) {
    const LwPfRoute *each = &g_array_index(routes, LwPfRoute, i);
    int zone = zone_index(world, each->link->interface->key);
    if (zone < 0)
      continue;
    LwAuditRoute route = {each->prefix, (guint)zone, each->gateway};
    g_array_append_val(world->routes, route);
    if (lw_audit_zone(world, (guint)zone)->role == LW_ROLE_INSIDE && each->prefix.len > 0) {
      lw_ip_set_add_prefix(world->inside, &each->prefix);
      lw_ip_set_add_prefix(lw_audit_zone(world, (guint)zone)->network, &each->prefix);
    }
  }
}

LwAuditWorld *lw_audit_world_new(const LwPf *pf, guint8 family) {
  LwAuditWorld *world = g_new0(LwAuditWorld, 1);
  world->pf = pf;
  world->opn = pf->opn;
  world->family = family;
  world->zones = g_ptr_array_new_with_free_func(free_zone);
  world->filter = g_ptr_array_new_with_free_func(free_rule);
  world->rdr = g_ptr_array_new_with_free_func(free_rule);
  world->nat = g_ptr_array_new_with_free_func(free_rule);
  world->routes = g_array_new(FALSE, FALSE, sizeof(LwAuditRoute));
  world->self = lw_pf_self(pf, family);
  world->inside = lw_ip_set_new(family);
  world->unknown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const char *management = lw_pf_lockout_interface(pf->opn);
  g_autoptr(GPtrArray) mapping = g_ptr_array_new();
  for (guint i = 0; i < pf->links->links->len; i++) {
    const LwOpnLink *link = &g_array_index(pf->links->links, LwOpnLink, i);
    if (!link->interface->is_virtual && !link->interface->group &&
        !g_str_equal(link->interface->device, "lo0"))
      add_zone(world, link, management);
  }
  add_routes(world);
  compile_all(world);
  return world;
}

void lw_audit_world_free(LwAuditWorld *world) {
  if (!world)
    return;
  g_ptr_array_unref(world->zones);
  g_ptr_array_unref(world->filter);
  g_ptr_array_unref(world->rdr);
  g_ptr_array_unref(world->nat);
  g_array_unref(world->routes);
  lw_ip_set_free(world->self);
  lw_ip_set_free(world->inside);
  g_hash_table_unref(world->unknown);
  g_free(world);
}

LwAuditZone *lw_audit_zone(const LwAuditWorld *world, guint index) {
  return world->zones->pdata[index];
}

int lw_audit_route(const LwAuditWorld *world, LwIp destination) {
  int best = -1;
  LwAddr addr = lw_ip_addr(destination, world->family);
  for (guint i = 0; i < world->routes->len; i++) {
    const LwAuditRoute *route = &g_array_index(world->routes, LwAuditRoute, i);
    if (lw_prefix_contains(&route->prefix, &addr) &&
        (best < 0 || route->prefix.len > g_array_index(world->routes, LwAuditRoute, best).prefix.len))
      best = (int)i;
  }
  return best;
}
