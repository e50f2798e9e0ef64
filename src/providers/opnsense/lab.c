#include "providers/opnsense/lab.h"

#include "policy/names.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/pf-rules.h"

#include <string.h>

static const LwOpnLink *link_at(const LwPf *pf, guint index) {
  return &g_array_index(pf->links->links, LwOpnLink, index);
}

static const LwOpnLink *link_with(const LwPf *pf, const LwAddr *address) {
  for (guint i = 0; i < pf->links->links->len; i++)
    if (lw_addr_is_set(address) && lw_addr_equal(&link_at(pf, i)->address4.addr, address))
      return link_at(pf, i);
  return NULL;
}

static const LwOpnLink *wan_of(const LwPf *pf) {
  const LwOpnLink *named = lw_opn_link(pf->links, "wan");
  for (guint i = 0; !named && i < pf->links->links->len; i++)
    if (lw_addr_is_set(&link_at(pf, i)->gateway4))
      named = link_at(pf, i);
  return named;
}

static void add_leg(GHashTable *legs, const LwOpnLink *link, char *name /* takes */, GPtrArray *missing,
                    const char *what) {
  if (link) {
    g_hash_table_insert(legs, g_strdup(link->interface->device), name);
    return;
  }
  g_ptr_array_add(missing, g_strdup_printf("%s: the file has no interface with its address", what));
  g_free(name);
}

GHashTable *lw_opn_legs(const LwLab *lab, const LwPf *pf, GPtrArray *missing) {
  GHashTable *legs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  const LwOpnLink *wan = wan_of(pf);
  if (wan)
    g_hash_table_insert(legs, g_strdup(wan->interface->device), g_strdup(LW_ROUTER_WAN));
  else
    g_ptr_array_add(missing, g_strdup("WAN: no interface has its address by lease"));
  add_leg(legs, link_with(pf, &lab->host.management.router), g_strdup(LW_ROUTER_MGMT), missing, "management");
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    add_leg(legs, link_with(pf, &segment->router), lw_name_router_leg(segment), missing, segment->name);
  }
  for (guint i = 0; i < lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(lab, i);
    LwAddr own = lw_tunnel_address(tunnel);
    add_leg(legs, link_with(pf, &own), lw_name_tunnel(tunnel), missing, tunnel->name);
  }
  return legs;
}

static gboolean has_leg(GHashTable *legs, const char *name) {
  GHashTableIter iter;
  gpointer leg;
  g_hash_table_iter_init(&iter, legs);
  while (g_hash_table_iter_next(&iter, NULL, &leg))
    if (g_str_equal(leg, name))
      return TRUE;
  return FALSE;
}

/* The host and all on it; of the router the cables' ends and tunnels that are interfaces of the file too. */
static gboolean stays(const LwFacts *facts, GHashTable *legs, const LwResource *r) {
  if (!r->ns || g_strcmp0(r->ns, facts->router_ns) != 0)
    return TRUE;
  return (r->kind == LW_RES_LINK || r->kind == LW_RES_TUNNEL) && has_leg(legs, r->name);
}

LwResourceSet *lw_opn_lab_world(const LwFacts *facts, const LwPf *pf, GHashTable *legs,
                                const LwResourceSet *wanted) {
  LwResourceSet *world = lw_resource_set_new();
  for (guint i = 0; i < wanted->list->len; i++)
    if (stays(facts, legs, wanted->list->pdata[i]))
      lw_resource_set_add(world, lw_resource_ref(wanted->list->pdata[i]));
  lw_pf_world(pf, facts->router_ns, legs, world);
  return world;
}

static const LwOpnLink *wan_leg(const LwPf *pf, GHashTable *legs) {
  for (guint i = 0; i < pf->links->links->len; i++)
    if (g_strcmp0(g_hash_table_lookup(legs, link_at(pf, i)->interface->device), LW_ROUTER_WAN) == 0)
      return link_at(pf, i);
  return NULL;
}

LwPrefix lw_opn_home_lan(const LwPf *pf, GHashTable *legs) {
  const LwOpnLink *wan = wan_leg(pf, legs);
  return wan && lw_addr_is_set(&wan->address4.addr) ? lw_prefix_network(&wan->address4) : (LwPrefix){0};
}

LwAddr lw_opn_wan_gateway(const LwPf *pf, GHashTable *legs) {
  const LwOpnLink *wan = wan_leg(pf, legs);
  return wan ? wan->gateway4 : LW_ADDR_NONE;
}

static const char *gateway_of_rule(const LwOpn *opn, const char *descr) {
  for (guint i = 0; i < opn->rules->len; i++) {
    const LwOpnRule *rule = opn->rules->pdata[i];
    if (!rule->disabled && g_str_equal(rule->descr, descr))
      return rule->gateway;
  }
  return NULL;
}

void lw_opn_active_exits(const LwLab *lab, const LwOpn *opn, LwFacts *facts) {
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    g_autofree char *descr = g_strdup_printf("lanward: %s: egress of the rest", segment->name);
    const char *gateway = gateway_of_rule(opn, descr);
    for (guint e = 0; gateway && e < segment->exits->len; e++) {
      const LwTunnel *tunnel = lw_lab_tunnel(lab, g_array_index(segment->exits, guint, e));
      g_autofree char *own = lw_opn_tunnel_gateway(tunnel);
      if (g_str_equal(own, gateway))
        g_hash_table_insert(facts->active, g_strdup(segment->name), g_strdup(tunnel->name));
    }
  }
}
