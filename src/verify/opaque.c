/* The live half with a router that is a virtual machine: nothing in it can be watched. What goes in by a leg
 * and what comes out of one is seen at the host's ends of its cables, in the clear but for what a tunnel
 * carries; who has a leg's address is asked by ARP. What it keeps to itself is seen by its answers alone. */
#include "verify/live.h"

#include "policy/names.h"

#include <linux/if_ether.h>

#define ECHO_REQUEST 8
#define DNS 53 /* led on to a resolver, who may not answer */

static guint segments(const LwLive *live) {
  return live->lab->segments->len;
}

/* Legs are counted by segment; WAN is the last. */
static guint leg_index(const LwLive *live, guint segment) {
  return segment == LW_NONE ? segments(live) : segment;
}

static guint host_place(const LwLive *live) {
  return lw_verify_place_of(live->world, LW_ZONE_HOST, LW_NONE);
}

static LwStation *station_at(const LwLive *live, guint place) {
  return g_ptr_array_index(live->stations, live->station_of[place]);
}

static void find_ports(LwLive *live) {
  guint host = host_place(live);
  live->ports = g_new0(guint, segments(live) + 1);
  for (guint i = 0; host != LW_NONE && i <= segments(live); i++) {
    g_autofree char *name = i < segments(live)
                                ? lw_name_router_port_now(live->facts, lw_lab_segment(live->lab, i))
                                : lw_name_router_wan_port_now(live->facts, live->lab);
    const LwLink *link = lw_station_link_by_name(station_at(live, host), name);
    live->ports[i] = link ? link->index : 0;
  }
}

gboolean lw_live_open_opaque(LwLive *live, GError **error) {
  if (!live->world->opaque_router)
    return TRUE;
  for (guint i = 0; i < live->stations->len; i++) {
    const LwProbePlace *place = lw_live_place(live, live->place_of[i]);
    if (!lw_station_watch_answers(live->stations->pdata[i], place->netns ? place->netns : "",
                                  place->zone.kind == LW_ZONE_HOST, error))
      return FALSE;
  }
  find_ports(live);
  return TRUE;
}

gboolean lw_live_leg_of_port(const LwLive *live, guint station, guint link, guint *segment) {
  guint host = host_place(live);
  if (!live->ports || host == LW_NONE || live->station_of[host] != station || link == 0)
    return FALSE;
  for (guint i = 0; i <= segments(live); i++)
    if (live->ports[i] == link) {
      *segment = i < segments(live) ? i : LW_NONE;
      return TRUE;
    }
  return FALSE;
}

/* --- who is there
 * ------------------------------------------------------------------------------------------------------ */

static const LwMac everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static LwProbe *ask(LwLive *live, guint place, const LwAddr *target) {
  const LwProbePlace *from = lw_live_place(live, place);
  const LwLink *link = lw_station_link_of(station_at(live, place), &from->address);
  if (!link || !lw_addr_is_set(target))
    return NULL;
  LwProbe *probe = lw_live_add_probe(live, LW_PROBE_NEIGHBOUR, place, LW_VIA_ALL);
  probe->to = everybody;
  probe->link = link->index;
  probe->ethertype = ETH_P_ARP;
  probe->destination = *target;
  probe->length = lw_packet_build_arp(&link->mac, &from->address, target, probe->bytes);
  return probe;
}

void lw_live_add_neighbours(LwLive *live) {
  live->neighbour = g_new0(LwProbe *, segments(live) + 1);
  for (guint i = 0; i < live->world->places->len; i++) {
    const LwProbePlace *place = lw_live_place(live, i);
    if (place->zone.kind == LW_ZONE_SEGMENT && !live->neighbour[place->zone.index])
      live->neighbour[place->zone.index] =
          ask(live, i, &lw_lab_segment(live->lab, place->zone.index)->router);
    else if (place->zone.kind == LW_ZONE_HOME_LAN && !live->neighbour[segments(live)])
      live->neighbour[segments(live)] = ask(live, i, &live->around.router_wan);
  }
}

gboolean lw_live_meets_router(const LwLive *live) {
  for (guint i = 0; i < segments(live); i++)
    if (live->neighbour[i] && live->neighbour[i]->answered)
      return TRUE;
  return FALSE;
}

gboolean lw_live_leg_mac(const LwLive *live, guint segment, LwMac *out) {
  const LwProbe *asked = live->neighbour ? live->neighbour[leg_index(live, segment)] : NULL;
  if (asked)
    *out = asked->neighbour;
  return asked && lw_mac_is_set(out);
}

gboolean lw_live_is_followed(const LwLive *live, const LwProbe *probe) {
  guint segment = probe->flow->cell->question.from.index;
  if (probe->via == LW_VIA_WAN)
    return live->neighbour[segments(live)] && live->neighbour[segments(live)]->answered;
  for (guint i = 0; i < live->world->places->len; i++) {
    LwZone zone = lw_live_place(live, i)->zone;
    if (zone.kind == LW_ZONE_SEGMENT && zone.index == segment && live->sentinel[i] &&
        live->sentinel[i]->answered)
      return TRUE;
  }
  return FALSE;
}

/* --- what nobody sees
 * -------------------------------------------------------------------------------------------------- */

/* Not round it: by a neighbour's wire, by the host's bridge. */
static gboolean enters_router(const LwProbe *probe) {
  return probe->via == LW_VIA_GATEWAY || probe->via == LW_VIA_LEG || probe->via == LW_VIA_WAN ||
         probe->via == LW_VIA_ROUTES;
}

static gboolean is_echo(const LwProbe *probe) {
  const LwCell *cell = probe->flow->cell;
  return cell->question.proto == LW_PROTO_ICMP && cell->family == 4 &&
         (!cell->generated || cell->packet.icmp_type == ECHO_REQUEST);
}

/* A port that is forwarded has a receiver that is seen. */
static gboolean ends_in_router(const LwProbe *probe) {
  return probe->flow->cell->question.to.kind == LW_ZONE_ROUTER && probe->flow->receiver == LW_NONE;
}

static gboolean may_take_tunnel(const LwLive *live, const LwProbe *probe) {
  const LwFlow *flow = probe->flow;
  const LwFlowQuestion *question = &flow->cell->question;
  return question->to.kind == LW_ZONE_INTERNET && question->from.kind == LW_ZONE_SEGMENT &&
         (flow->cell->expect ? flow->exit != LW_NONE : live->lab->tunnels->len > 0);
}

gboolean lw_live_ends_unseen(const LwLive *live, const LwProbe *probe) {
  return live->world->opaque_router && enters_router(probe) &&
         (ends_in_router(probe) || may_take_tunnel(live, probe));
}

gboolean lw_live_may_answer(const LwLive *live, const LwProbe *probe) {
  gboolean somebody_sent = probe->via != LW_VIA_LEG;
  gboolean tcp = probe->flow->cell->question.proto == LW_PROTO_TCP;
  return somebody_sent && (tcp ? ends_in_router(probe) : is_echo(probe));
}

static gboolean not_tried(const LwProbe *probe, const char *why) {
  LwCell *cell = probe->flow->cell;
  cell->live = LW_CELL_UNTESTED;
  cell->note = g_strdup(why);
  return FALSE;
}

static gboolean judge_allowed(const LwProbe *probe) {
  LwCell *cell = probe->flow->cell;
  if (probe->reset)
    return not_tried(probe, "the router refused it: by a rule, or because nothing listens there");
  cell->live = probe->answered ? LW_CELL_ALLOW : LW_CELL_DENY;
  if (probe->answered && !ends_in_router(probe))
    cell->note =
        g_strdup("it was answered, and did not leave by WAN in the clear; by which tunnel is not seen");
  if (probe->answered)
    return TRUE;
  if (!ends_in_router(probe))
    return not_tried(
        probe, "what a tunnel carries is not seen, and no answer came; by WAN in the clear it did not leave");
  if (probe->via == LW_VIA_LEG)
    return not_tried(
        probe, "what ends in the router is seen by its answers, and nobody has the address that they go to");
  if (cell->question.proto == LW_PROTO_UDP || cell->question.port == DNS)
    return not_tried(probe, "what ends in the router is seen by its answers, and to this it gives none");
  cell->note = g_strdup("must pass, but the router did not answer");
  return TRUE;
}

static gboolean judge_forbidden(const LwProbe *probe) {
  LwCell *cell = probe->flow->cell;
  if (probe->answered && !probe->reset) {
    cell->live = LW_CELL_ALLOW;
    cell->note = g_strdup("must not pass, but was answered");
    return TRUE;
  }
  if (!ends_in_router(probe))
    return not_tried(probe, "by WAN in the clear it did not leave; whether a tunnel carried it is not seen");
  if (!is_echo(probe) || probe->via == LW_VIA_LEG)
    return not_tried(probe, "whether it ends in the router is seen by an answer alone, and none came");
  cell->live = LW_CELL_DENY; /* to the control packet that followed it the same machine did answer */
  return TRUE;
}

gboolean lw_live_judge_unseen(const LwLive *live, const LwProbe *probe) {
  return probe->flow->cell->expect ? judge_allowed(probe) : judge_forbidden(probe);
}

void lw_live_tell_untried(LwLive *live) {
  g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) reasons = g_ptr_array_new();
  for (guint i = 0; i < live->flows->len; i++) {
    const LwCell *cell = ((const LwFlow *)live->flows->pdata[i])->cell;
    if (cell->live != LW_CELL_UNTESTED || !cell->note || cell->told)
      continue;
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, cell->note));
    if (count == 0)
      g_ptr_array_add(reasons, cell->note);
    g_hash_table_insert(counts, cell->note, GUINT_TO_POINTER(count + 1));
  }
  for (guint i = 0; i < reasons->len; i++)
    g_ptr_array_add(live->report->left_out,
                    g_strdup_printf("%u packets: %s",
                                    GPOINTER_TO_UINT(g_hash_table_lookup(counts, reasons->pdata[i])),
                                    (const char *)reasons->pdata[i]));
}
