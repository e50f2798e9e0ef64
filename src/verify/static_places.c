/* Where packets arrive, in the words of the lab. */
#include "verify/static_internal.h"

#include "policy/names.h"

#include <string.h>

/* --- places
 * ------------------------------------------------------------------------------------------------------- */

const LwResource *lw_static_link(const Prove *p, const char *ns, const char *name) {
  g_autofree char *key = g_strdup_printf("link:%s/%s", ns, name);
  return lw_resource_set_find(p->world, key);
}

/* The NIC that a port of the host belongs to, by the port's name. */
gboolean lw_static_nic_of_port(const Prove *p, const char *port, guint *machine, guint *nic) {
  const guint *found = g_hash_table_lookup(p->nic_of_port, port);
  if (!found)
    return FALSE;
  *machine = found[0];
  *nic = found[1];
  return TRUE;
}

guint lw_static_segment_of_bridge(const Prove *p, const char *bridge) {
  guint found = bridge ? GPOINTER_TO_UINT(g_hash_table_lookup(p->bridges, bridge)) : 0;
  return found ? found - 1 : LW_NONE;
}

static LwPlace in_zone(LwZoneKind kind, guint index) {
  return (LwPlace){.zone = {kind, index}};
}

static LwPlace place_in_router(const Prove *p, const char *link) {
  for (guint i = 0; i < p->proof->lab->tunnels->len; i++) {
    g_autofree char *name = lw_name_tunnel(lw_lab_tunnel(p->proof->lab, i));
    if (g_str_equal(link, name))
      return in_zone(LW_ZONE_INTERNET, i);
  }
  if (g_str_equal(link, LW_ROUTER_WAN))
    return in_zone(LW_ZONE_INTERNET, LW_NONE);
  return (LwPlace){.elsewhere = TRUE, .ns = p->router, .link = link};
}

static LwPlace place_on_host(const Prove *p, const char *name) {
  const LwLab *lab = p->proof->lab;
  gpointer vacant;
  if (g_hash_table_lookup_extended(p->vacant, name, NULL, &vacant))
    return in_zone(LW_ZONE_SEGMENT, GPOINTER_TO_UINT(vacant));
  guint machine, nic;
  if (lw_static_nic_of_port(p, name, &machine, &nic)) {
    guint segment = lw_nic_segment(lab, p->proof->facts, machine, nic);
    if (segment != LW_NONE)
      return in_zone(LW_ZONE_SEGMENT, segment);
  }
  const LwResource *link = lw_static_link(p, "", name);
  const char *master = link ? link->master : NULL;
  guint segment = lw_static_segment_of_bridge(p, master);
  if (segment != LW_NONE)
    return in_zone(LW_ZONE_SEGMENT, segment);
  if (g_strcmp0(name, lab->host.uplink) == 0 || g_strcmp0(master, lab->host.bridge) == 0)
    return in_zone(LW_ZONE_INTERNET, LW_NONE);
  return (LwPlace){.elsewhere = TRUE, .ns = "", .link = name};
}

gboolean lw_static_place_equal(const LwPlace *a, const LwPlace *b) {
  return a->elsewhere == b->elsewhere && a->zone.kind == b->zone.kind && a->zone.index == b->zone.index &&
         g_strcmp0(a->ns, b->ns) == 0 && g_strcmp0(a->link, b->link) == 0;
}

LwPlace lw_static_place_of(const Prove *p, const LwArrival *arrival) {
  gboolean host = *arrival->ns == '\0';
  if (!arrival->link)
    return in_zone(host ? LW_ZONE_HOST : LW_ZONE_ROUTER, LW_NONE);
  const LwPlace *known = g_hash_table_lookup(p->places, arrival->link);
  if (known)
    return *known;
  LwPlace place = host ? place_on_host(p, arrival->link) : place_in_router(p, arrival->link);
  g_hash_table_insert(p->places, (gpointer)arrival->link, g_memdup2(&place, sizeof place));
  return place;
}

static gboolean is_exit(const Prove *p, const char *link) {
  gboolean exit = g_strcmp0(link, LW_ROUTER_WAN) == 0;
  for (guint i = 0; i < p->proof->lab->tunnels->len && !exit; i++) {
    g_autofree char *name = lw_name_tunnel(lw_lab_tunnel(p->proof->lab, i));
    exit = g_strcmp0(link, name) == 0;
  }
  return exit;
}

GPtrArray *lw_static_exit_addresses(const Prove *p) {
  GPtrArray *found = g_ptr_array_new();
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *r = p->world->list->pdata[i];
    if (r->kind == LW_RES_ADDRESS && g_strcmp0(r->ns, p->router) == 0 && is_exit(p, r->link))
      g_ptr_array_add(found, (gpointer)r);
  }
  return found;
}

char *lw_static_place_name(const LwLab *lab, const LwPlace *place) {
  if (!place->elsewhere)
    return place->zone.kind == LW_ZONE_INTERNET && place->zone.index == LW_NONE
               ? g_strdup("wan")
               : lw_verify_zone_name(lab, &place->zone, NULL);
  return *place->ns ? g_strdup_printf("%s of %s", place->link, place->ns)
                    : g_strdup_printf("%s of the host", place->link);
}

/* --- what was reached
 * --------------------------------------------------------------------------------------------- */

LwReached *lw_static_reached_at(LwStaticRow *row, const LwPlace *place) {
  for (guint i = 0; i < row->reached->len; i++) {
    LwReached *known = row->reached->pdata[i];
    if (lw_static_place_equal(&known->place, place))
      return known;
  }
  LwReached *fresh = g_new0(LwReached, 1);
  fresh->place = *place;
  g_ptr_array_add(row->reached, fresh);
  return fresh;
}

/* Behind the host are networks, each a place of its own, told apart by the destination; the host's own
 * addresses in them are part of them. */
static void reach_elsewhere(const Prove *p, LwStaticRow *row, const LwPlace *place, LwMdd packets,
                            gboolean must) {
  LwMddPool *pool = p->proof->pool;
  const LwLab *lab = p->proof->lab;
  for (guint i = 0; i <= lab->host.networks->len; i++) {
    gboolean rest = i == lab->host.networks->len;
    LwPlace network = in_zone(LW_ZONE_NETWORK, i);
    LwMdd part = packets;
    if (!rest) {
      LwPrefix prefix = lw_lab_network(lab, i)->prefix;
      part = lw_mdd_and(pool, packets, lw_packets_prefix(pool, LW_HEADER_DADDR, &prefix));
    }
    if (part == LW_MDD_FALSE)
      continue;
    LwReached *reached = lw_static_reached_at(row, rest ? place : &network);
    LwMdd *side = must ? &reached->must : &reached->may;
    *side = lw_mdd_or(pool, *side, part);
    packets = lw_mdd_minus(pool, packets, part);
  }
}

gboolean lw_static_is_behind_host(const LwPlace *place) {
  return place->elsewhere ? !*place->ns : place->zone.kind == LW_ZONE_HOST;
}

void lw_static_note_arrival(const Prove *p, LwStaticRow *row, const LwArrival *arrival, gboolean must) {
  LwPlace place = lw_static_place_of(p, arrival);
  if (lw_static_is_behind_host(&place)) {
    reach_elsewhere(p, row, &place, arrival->packets, must);
    return;
  }
  LwReached *reached = lw_static_reached_at(row, &place);
  LwMdd *side = must ? &reached->must : &reached->may;
  *side = lw_mdd_or(p->proof->pool, *side, arrival->packets);
}
