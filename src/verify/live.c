/* The live half of the proof: one process, sockets in every namespace, one loop.
 *
 * First the ways are warmed up (neighbours resolved, handshakes made), so that what is sent then is not lost
 * for a reason that is no rule. Then everything is sent, and after it, by the same ways, sentinels that must
 * come back: only when they do does the silence of the others mean anything.
 */
#include "verify/live.h"

#include "base/error.h"
#include "policy/names.h"
#include "verify/generated.h"
#include "verify/points.h"
#include "verify/shared.h"

#include <linux/if_ether.h>
#include <poll.h>
#include <string.h>

#define WARM_MS 1000
#define DECIDE_MS 2000
#define AGAIN_MS 200
#define TRIES 8 /* in vain, one after the other */
#define QUIET_MS 25
#define BATCH 32
#define FIRST_PORT 10240u
#define PORTS 50000u

static void probe_free(gpointer data) {
  LwProbe *probe = data;
  if (probe->seen)
    g_array_unref(probe->seen);
  g_free(probe);
}

static void live_clear(LwLive *live) {
  g_clear_pointer(&live->report, lw_verify_report_free);
  g_clear_pointer(&live->stations, g_ptr_array_unref);
  g_clear_pointer(&live->names, g_ptr_array_unref);
  g_clear_pointer(&live->flows, g_ptr_array_unref);
  g_clear_pointer(&live->probes, g_ptr_array_unref);
  g_clear_pointer(&live->by_port, g_hash_table_unref);
  g_free(live->station_of);
  g_free(live->place_of);
  g_free(live->sentinel);
  g_free(live->far_sentinel);
  g_free(live->neighbour);
  g_free(live->ports);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwLive, live_clear)

const LwProbePlace *lw_live_place(const LwLive *live, guint index) {
  return g_ptr_array_index(live->world->places, index);
}

static LwStation *station_of_place(const LwLive *live, guint place) {
  return g_ptr_array_index(live->stations, live->station_of[place]);
}

static void station_free(gpointer data) {
  lw_station_free(data);
}

/* --- stations
 * ------------------------------------------------------------------------------------------------- */

static guint find_name(const LwLive *live, const char *netns) {
  for (guint i = 0; i < live->names->len; i++)
    if (g_str_equal(live->names->pdata[i], netns))
      return i;
  return LW_NONE;
}

static gboolean open_stations(LwLive *live, GError **error) {
  for (guint i = 0; i < live->world->places->len; i++) {
    const LwProbePlace *place = lw_live_place(live, i);
    const char *netns = place->netns ? place->netns : "";
    guint known = find_name(live, netns);
    if (known == LW_NONE) {
      LwStation *station = lw_station_open(netns, error);
      if (!station) {
        g_prefix_error(error, "the live proof cannot look into %s: ", place->name);
        return FALSE;
      }
      known = live->stations->len;
      g_ptr_array_add(live->stations, station);
      if (live->world->ends_at_exits && place->zone.kind != LW_ZONE_SEGMENT &&
          !lw_station_watch_leaving(station, netns, error))
        return FALSE;
      g_ptr_array_add(live->names, g_strdup(netns));
      live->place_of[known] = i;
    }
    live->station_of[i] = known;
  }
  return TRUE;
}

static LwAddr first_address(const LwLink *link) {
  return link && link->addresses->len ? g_array_index(link->addresses, LwPrefix, 0).addr : LW_ADDR_NONE;
}

static void look_around(LwLive *live) {
  live->around.router_wan = live->world->router_wan;
  guint router = lw_verify_place_of(live->world, LW_ZONE_ROUTER, LW_NONE);
  guint host = lw_verify_place_of(live->world, LW_ZONE_HOST, LW_NONE);
  if (router != LW_NONE)
    live->around.router_wan =
        first_address(lw_station_link_by_name(station_of_place(live, router), LW_ROUTER_WAN));
  if (host != LW_NONE)
    live->around.host_uplink =
        first_address(lw_station_link_by_name(station_of_place(live, host), live->lab->host.bridge));
}

/* --- probes
 * --------------------------------------------------------------------------------------------------- */

static const LwMac all_nodes = {{0x33, 0x33, 0, 0, 0, 1}};

/* The MAC of whoever has the address in the namespace of a place; FALSE when nobody has. */
static gboolean mac_at(const LwLive *live, guint place, const LwAddr *address, LwMac *out) {
  const LwLink *link = place == LW_NONE ? NULL : lw_station_link_of(station_of_place(live, place), address);
  if (link)
    *out = link->mac;
  return link != NULL;
}

/* The MAC of the router's leg; segment LW_NONE: of WAN. FALSE: it has none. */
static gboolean leg_mac(const LwLive *live, guint segment, LwMac *out) {
  if (live->world->opaque_router)
    return lw_live_leg_mac(live, segment, out);
  return mac_at(live, lw_verify_place_of(live->world, LW_ZONE_ROUTER, LW_NONE),
                segment == LW_NONE ? &live->around.router_wan : &lw_lab_segment(live->lab, segment)->router,
                out);
}

static const char *aim_from_home_lan(const LwLive *live, LwProbe *probe) {
  const LwAddr *wan = &live->around.router_wan;
  const LwLink *link = lw_station_link_towards(station_of_place(live, probe->place), wan);
  if (!link || !leg_mac(live, LW_NONE, &probe->to))
    return "the router's WAN leg is not next to it";
  probe->link = link->index;
  return NULL;
}

static const char *aim_from_segment(const LwLive *live, LwProbe *probe) {
  const LwProbePlace *place = lw_live_place(live, probe->place);
  const LwSegment *s = lw_lab_segment(live->lab, place->zone.index);
  const LwLink *link = lw_station_link_of(station_of_place(live, probe->place), &place->address);
  if (!link)
    return "no interface there has the address";
  probe->link = link->index;
  guint host = lw_verify_place_of(live->world, LW_ZONE_HOST, LW_NONE);
  if (probe->via == LW_VIA_ALL) {
    probe->to = all_nodes;
  } else if (probe->via == LW_VIA_GATEWAY) {
    if (!leg_mac(live, place->zone.index, &probe->to))
      return "the router has no leg with the gateway's address";
  } else if (probe->via == LW_VIA_LINK) {
    if (!mac_at(live, probe->flow->receiver, &probe->flow->cell->question.destination, &probe->to))
      return "the receiver has no interface with the address";
  } else {
    const LwLink *bridge =
        host == LW_NONE ? NULL : lw_station_link_by_name(station_of_place(live, host), s->bridge);
    if (!bridge)
      return "the host has no such bridge";
    probe->to = bridge->mac;
  }
  return NULL;
}

/* Past the segment's bridge, into the router's leg: for sources that no machine of ours has. */
static const char *aim_at_leg(const LwLive *live, LwProbe *probe) {
  guint segment = probe->flow->cell->question.from.index;
  g_autofree char *port = lw_name_router_port_now(live->facts, lw_lab_segment(live->lab, segment));
  const LwLink *near = lw_station_link_by_name(station_of_place(live, probe->place), port);
  if (!near || !leg_mac(live, segment, &probe->to))
    return "the router has no leg there";
  probe->link = near->index;
  return NULL;
}

static void aim(const LwLive *live, LwProbe *probe) {
  if (probe->via == LW_VIA_WAN)
    probe->blocked = aim_from_home_lan(live, probe);
  else if (probe->via == LW_VIA_LEG)
    probe->blocked = aim_at_leg(live, probe);
  else if (probe->via != LW_VIA_ROUTES)
    probe->blocked = aim_from_segment(live, probe);
}

LwProbe *lw_live_add_probe(LwLive *live, LwProbeKind kind, guint place, LwVia via) {
  LwProbe *probe = g_new0(LwProbe, 1);
  guint number = live->probes->len;
  probe->kind = kind;
  probe->place = place;
  probe->station = live->station_of[place];
  probe->via = via;
  probe->ethertype = ETH_P_IP;
  probe->cookie = live->base + number;
  /* Not the ports of the run before: a flow that was open then may still be, and these must be new ones. */
  probe->sport = (guint16)(FIRST_PORT + (live->base + number) % PORTS);
  g_ptr_array_add(live->probes, probe);
  if (kind != LW_PROBE_CELL && kind != LW_PROBE_NEIGHBOUR) /* a cell's is aimed by its flow */
    aim(live, probe);
  return probe;
}

/* Nobody has an IPv6 address, so nobody tells the router who has the one that is asked for: it is told, for
 * half a minute, that the receiver does. */
static void introduce_receiver(const LwLive *live, const LwProbe *probe) {
  const LwFlow *flow = probe->flow;
  guint router = lw_verify_place_of(live->world, LW_ZONE_ROUTER, LW_NONE);
  if (flow->receiver == LW_NONE || router == LW_NONE || flow->cell->question.to.kind != LW_ZONE_SEGMENT)
    return;
  const LwProbePlace *to = lw_live_place(live, flow->receiver);
  g_autofree char *leg = lw_name_router_leg(lw_lab_segment(live->lab, to->zone.index));
  const LwLink *link = lw_station_link_by_name(station_of_place(live, router), leg);
  LwMac mac;
  if (link && mac_at(live, flow->receiver, &to->address, &mac))
    lw_station_introduce(station_of_place(live, router), link->index, &probe->destination, &mac);
}

/* IPv6 that no particular address was asked for is sent from the link's own. */
static gboolean find_source6(LwLive *live, const LwProbe *probe) {
  LwFlowQuestion *question = &probe->flow->cell->question;
  const LwLink *link = lw_station_link_by_index(station_of_place(live, probe->place), probe->link);
  if (link && !probe->flow->cell->generated)
    question->source = lw_packet_link_local(&link->mac);
  return link != NULL;
}

static void add_cell(LwLive *live, LwFlow *flow) {
  LwProbe *probe = lw_live_add_probe(live, LW_PROBE_CELL, flow->place, flow->via);
  const LwCell *cell = flow->cell;
  const LwFlowQuestion *question = &cell->question;
  probe->flow = flow;
  probe->destination = question->destination;
  probe->dport = question->port;
  if (cell->generated && cell->packet.sport && cell->packet.sport != LW_ANY_SOURCE_PORT)
    probe->sport = cell->packet.sport;
  aim(live, probe);
  if (flow->family == 6) {
    if (!find_source6(live, probe))
      return; /* blocked */
    probe->ethertype = ETH_P_IPV6;
    introduce_receiver(live, probe);
  }
  LwPacket packet = {.role = LW_PACKET_REQUEST,
                     .proto = question->proto,
                     .protocol = cell->packet.proto,
                     .icmp_type = cell->packet.icmp_type,
                     .source = question->source,
                     .destination = question->destination,
                     .sport = probe->sport,
                     .dport = question->port,
                     .cookie = probe->cookie};
  probe->length = lw_packet_build(&packet, probe->bytes);
}

static LwProbe *add_sentinel(LwLive *live, guint place, LwVia via, LwAddr source, LwAddr destination) {
  LwProbe *probe = lw_live_add_probe(live, LW_PROBE_SENTINEL, place, via);
  LwPacket packet = {.role = LW_PACKET_REQUEST,
                     .proto = LW_PROTO_ICMP,
                     .source = source,
                     .destination = destination,
                     .cookie = probe->cookie};
  probe->destination = destination;
  probe->length = lw_packet_build(&packet, probe->bytes);
  return probe;
}

static LwAddr far_host(const LwLive *live) {
  return lw_addr_is_set(&live->world->internet_host) ? live->world->internet_host : live->world->echo;
}

/* A ping through the tunnel that this source uses; NULL when it uses none. */
static LwProbe *add_far_sentinel(LwLive *live, guint index) {
  const LwProbePlace *place = lw_live_place(live, index);
  LwAddr far = far_host(live);
  LwFlowQuestion question = {.from = place->zone,
                             .to = {LW_ZONE_INTERNET, LW_NONE},
                             .source = place->address,
                             .destination = far,
                             .proto = LW_PROTO_ICMP};
  if (!lw_addr_is_set(&far) || live->world->ends_at_exits)
    return NULL; /* not ours: what leaves by the tunnel is seen to leave */
  LwFlowAnswer answer;
  lw_intent_answer(live->lab, live->facts, &question, &answer);
  gboolean tunnel = answer.allow && answer.exit != LW_NONE;
  lw_flow_answer_clear(&answer);
  return tunnel ? add_sentinel(live, index, LW_VIA_GATEWAY, place->address, far) : NULL;
}

static void add_sentinels(LwLive *live) {
  for (guint i = 0; i < live->world->places->len; i++) {
    const LwProbePlace *place = lw_live_place(live, i);
    if (place->zone.kind == LW_ZONE_HOST) {
      live->sentinel[i] = add_sentinel(live, i, LW_VIA_ROUTES, live->lab->host.management.address,
                                       live->lab->host.management.router);
    } else if (place->zone.kind == LW_ZONE_NETWORK) {
      live->sentinel[i] =
          add_sentinel(live, i, LW_VIA_ROUTES, place->address, live->lab->host.management.address);
    } else if (place->zone.kind == LW_ZONE_SEGMENT && lw_addr_is_set(&place->address)) {
      const LwSegment *s = lw_lab_segment(live->lab, place->zone.index);
      live->sentinel[i] = add_sentinel(live, i, LW_VIA_GATEWAY, place->address, s->router);
      live->far_sentinel[i] = add_far_sentinel(live, i);
    }
  }
}

/* A tunnel that nobody uses now has made no handshake, and its far end cannot begin one: a packet out of the
 * router's end, past its rules, wakes it. */
static void wake_tunnels(LwLive *live) {
  guint router = lw_verify_place_of(live->world, LW_ZONE_ROUTER, LW_NONE);
  LwAddr far = far_host(live);
  if (router == LW_NONE || !lw_addr_is_set(&far))
    return;
  for (guint i = 0; i < live->lab->tunnels->len; i++) {
    g_autofree char *name = lw_name_tunnel(lw_lab_tunnel(live->lab, i));
    const LwLink *link = lw_station_link_by_name(station_of_place(live, router), name);
    LwAddr source = first_address(link);
    if (!lw_addr_is_set(&source))
      continue;
    guint8 bytes[LW_PACKET_MAX];
    LwPacket packet = {.role = LW_PACKET_REQUEST,
                       .proto = LW_PROTO_ICMP,
                       .source = source,
                       .destination = far,
                       .cookie = live->base - 1};
    gsize length = lw_packet_build(&packet, bytes);
    if (lw_station_send_frame(station_of_place(live, router), link->index, NULL, ETH_P_IP, bytes, length))
      live->report->packets++;
  }
}

/* --- sending
 * -------------------------------------------------------------------------------------------------- */

static void send_probe(LwLive *live, LwProbe *probe) {
  if (probe->blocked || probe->length == 0)
    return;
  LwStation *station = g_ptr_array_index(live->stations, probe->station);
  gboolean sent = probe->via == LW_VIA_ROUTES
                      ? lw_station_send(station, &probe->destination, probe->bytes, probe->length)
                      : lw_station_send_frame(station, probe->link, &probe->to, probe->ethertype,
                                              probe->bytes, probe->length);
  if (sent)
    live->report->packets++;
  else if (errno == EPERM || errno == EACCES)
    probe->refused = TRUE;
  else if (errno != ENOBUFS && errno != EAGAIN) /* those two: tried again */
    probe->blocked = g_intern_string(g_strerror(errno));
}

/* --- listening
 * ------------------------------------------------------------------------------------------------- */

typedef struct {
  LwLive *live;
  guint station;
} Ear;

void lw_live_note_sighting(LwProbe *probe, guint station, const LwSighting *sighting) {
  if (!probe->seen)
    probe->seen = g_array_new(FALSE, FALSE, sizeof(LwSeenAt));
  for (guint i = 0; i < probe->seen->len; i++) {
    const LwSeenAt *known = &g_array_index(probe->seen, LwSeenAt, i);
    if (known->station == station && known->how == sighting->how && known->link == sighting->link)
      return;
  }
  const LwPacket *packet = &sighting->packet;
  LwSeenAt seen = {station,       sighting->how, sighting->link, packet->source, packet->destination,
                   packet->sport, packet->dport};
  g_array_append_val(probe->seen, seen);
}

/* UDP has no answer of its own: the receiver's is ours, by the receiver's own way back. Nobody is not
 * answered: the flow would count as open for whoever has no address next. */
static void answer_udp(LwLive *live, guint station, const LwPacket *request) {
  if (lw_addr_v4(&request->source) == 0)
    return;
  guint8 bytes[LW_PACKET_MAX];
  LwPacket reply = {.role = LW_PACKET_REPLY,
                    .proto = LW_PROTO_UDP,
                    .source = request->destination,
                    .destination = request->source,
                    .sport = request->dport,
                    .dport = request->sport,
                    .cookie = request->cookie};
  gsize length = lw_packet_build(&reply, bytes);
  if (lw_station_send(g_ptr_array_index(live->stations, station), &reply.destination, bytes, length))
    live->report->packets++;
}

static void hear_request(LwLive *live, guint station, const LwSighting *sighting, LwProbe *probe) {
  const LwPacket *packet = &sighting->packet;
  gboolean udp = packet->source.family == 4 && packet->proto == LW_PROTO_UDP;
  if (udp && station == probe->station && packet->dport == probe->sport) {
    probe->answered = TRUE; /* an echo service sent it back as it was */
    return;
  }
  if (udp && probe->flow && packet->dport == probe->sport &&
      lw_addr_equal(&packet->destination, &probe->flow->cell->question.source))
    return; /* the same, on its way to whoever has the address that was written as the sender's */
  gboolean router = lw_live_place(live, live->place_of[station])->zone.kind == LW_ZONE_ROUTER;
  if (router && sighting->how == LW_SEEN_WIRE)
    probe->at_router = TRUE;
  lw_live_note_sighting(probe, station, sighting);
  if (udp && sighting->how == LW_SEEN_LOCAL)
    answer_udp(live, station, packet);
}

static void hear_neighbour(const LwLive *live, guint station, const LwSighting *sighting) {
  for (guint i = 0; live->neighbour && i <= live->lab->segments->len; i++) {
    LwProbe *probe = live->neighbour[i];
    if (probe && probe->station == station && lw_addr_equal(&probe->destination, &sighting->packet.source)) {
      probe->neighbour = sighting->mac;
      probe->answered = TRUE;
    }
  }
}

/* At a port of a router that is not seen into. TRUE: there is no more to it. */
static gboolean hear_at_port(const LwLive *live, guint station, const LwSighting *sighting) {
  const LwPacket *packet = &sighting->packet;
  guint number = packet->cookie - live->base, segment;
  gboolean leg = lw_live_leg_of_port(live, station, sighting->link, &segment);
  gboolean ours = packet->role == LW_PACKET_REQUEST && number < live->probes->len;
  if (leg && ours && sighting->how == LW_SEEN_LEFT)
    ((LwProbe *)live->probes->pdata[number])->at_router = TRUE;
  else if (leg && ours && sighting->how == LW_SEEN_CAME)
    lw_live_note_sighting(live->probes->pdata[number], station, sighting);
  return leg || sighting->how == LW_SEEN_CAME;
}

static void hear(const LwSighting *sighting, gpointer data) {
  const Ear *ear = data;
  LwLive *live = ear->live;
  const LwPacket *packet = &sighting->packet;
  if (sighting->how == LW_SEEN_ARP) {
    hear_neighbour(live, ear->station, sighting);
    return;
  }
  if ((sighting->how == LW_SEEN_LEFT || sighting->how == LW_SEEN_CAME) &&
      hear_at_port(live, ear->station, sighting))
    return;
  if (sighting->how == LW_SEEN_LEFT && !lw_live_is_exit(live, ear->station, sighting->link))
    return;
  if (packet->role == LW_PACKET_OTHER) {
    LwProbe *probe = g_hash_table_lookup(live->by_port, GUINT_TO_POINTER((guint)packet->dport));
    if (probe && packet->proto == LW_PROTO_UDP && probe->station == ear->station)
      lw_live_hear_answer(probe, packet);
    return;
  }
  guint number = packet->cookie - live->base;
  if (number >= live->probes->len)
    return; /* somebody else's, or of another run */
  LwProbe *probe = g_ptr_array_index(live->probes, number);
  if (packet->role == LW_PACKET_ERROR) {
    lw_live_hear_error(live, ear->station, sighting, probe);
    return;
  }
  if (sighting->how == LW_SEEN_LEFT && (packet->role != LW_PACKET_REQUEST || ear->station == probe->station))
    return; /* an answer, or how it was sent */
  if (packet->role == LW_PACKET_REQUEST)
    hear_request(live, ear->station, sighting, probe);
  else if (probe->station == ear->station) {
    probe->answered = TRUE;
    probe->reset = packet->reset;
  }
}

static guint drain_all(LwLive *live) {
  guint count = 0;
  for (guint i = 0; i < live->stations->len; i++) {
    Ear ear = {live, i};
    count += lw_station_drain(g_ptr_array_index(live->stations, i), hear, &ear);
  }
  return count;
}

/* Waits for anything, at most so long; FALSE: nothing came. */
static gboolean listen_for(LwLive *live, GArray *fds, gint64 until) {
  gint64 left = (until - g_get_monotonic_time() + 999) / 1000;
  if (left > 0)
    poll((struct pollfd *)(void *)fds->data, fds->len, (int)left);
  return drain_all(live) > 0;
}

typedef gboolean (*Wanted)(const LwProbe *probe);

static gboolean is_sentinel(const LwProbe *probe) {
  return probe->kind == LW_PROBE_SENTINEL || probe->kind == LW_PROBE_NEIGHBOUR;
}

static gboolean is_any(const LwProbe *probe) {
  return TRUE;
}

static gboolean all_satisfied(LwLive *live, Wanted wanted) {
  for (guint i = 0; i < live->probes->len; i++) {
    const LwProbe *probe = g_ptr_array_index(live->probes, i);
    if (wanted(probe) && !lw_live_is_satisfied(live, probe))
      return FALSE;
  }
  return TRUE;
}

/* Sends those that still wait, and listens in between so that no buffer fills. */
static void send_waiting(LwLive *live, Wanted wanted, gboolean everything) {
  guint sent = 0;
  for (guint i = 0; i < live->probes->len; i++) {
    LwProbe *probe = g_ptr_array_index(live->probes, i);
    if (!wanted(probe) || (!everything && lw_live_is_satisfied(live, probe)))
      continue;
    send_probe(live, probe);
    if (++sent % BATCH == 0)
      drain_all(live);
  }
}

static guint count_waiting(LwLive *live, Wanted wanted) {
  guint count = 0;
  for (guint i = 0; i < live->probes->len; i++) {
    const LwProbe *probe = g_ptr_array_index(live->probes, i);
    count += wanted(probe) && !lw_live_is_satisfied(live, probe);
  }
  return count;
}

/* Until all is satisfied, or the time is over; what waits is sent again now and then. On a machine that is
 * busy time passes without anybody getting to run: it is not over before what waits was sent again so often
 * that only a rule can have stopped it, and nothing more came of it. */
static void wait_for(LwLive *live, GArray *fds, Wanted wanted, gint64 limit_ms) {
  gint64 end = g_get_monotonic_time() + limit_ms * 1000;
  gint64 again = g_get_monotonic_time() + AGAIN_MS * 1000;
  guint waiting = count_waiting(live, wanted), tries = 0;
  drain_all(live);
  while (!all_satisfied(live, wanted) && (g_get_monotonic_time() < end || tries < TRIES)) {
    listen_for(live, fds, again);
    if (g_get_monotonic_time() < again)
      continue;
    guint left = count_waiting(live, wanted);
    tries = left < waiting ? 0 : tries + 1;
    waiting = left;
    send_waiting(live, wanted, FALSE);
    again = g_get_monotonic_time() + AGAIN_MS * 1000;
  }
}

/* What is still on its way between two queues of one machine has this long after the last packet. */
static void settle(LwLive *live, GArray *fds) {
  gint64 end = g_get_monotonic_time() + DECIDE_MS * 1000;
  while (g_get_monotonic_time() < end && listen_for(live, fds, g_get_monotonic_time() + QUIET_MS * 1000))
    ;
}

static gboolean is_not_sentinel(const LwProbe *probe) {
  return !is_sentinel(probe);
}

static GArray *ears_of(const LwLive *live) {
  GArray *fds = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
  for (guint i = 0; i < live->stations->len; i++)
    lw_station_poll(g_ptr_array_index(live->stations, i), fds);
  return fds;
}

/* A router that is not seen into has to say itself who it is, before anything can be sent to it. FALSE:
 * nobody answers. */
static gboolean meet_router(LwLive *live) {
  if (!live->world->opaque_router)
    return TRUE;
  g_autoptr(GArray) fds = ears_of(live);
  lw_live_add_neighbours(live);
  send_waiting(live, is_sentinel, TRUE);
  wait_for(live, fds, is_sentinel, WARM_MS);
  return lw_live_meets_router(live);
}

static gboolean is_error(const LwProbe *probe) {
  return probe->kind == LW_PROBE_RELATED;
}

/* Errors of the flows that were seen to pass just now. */
static void run_errors(LwLive *live, const LwStatic *proof, GArray *fds) {
  if (live->world->opaque_router) {
    g_ptr_array_add(
        live->report->left_out,
        g_strdup("ICMP errors of open flows: which flows the router tracks is not seen from outside"));
    return;
  }
  lw_live_add_errors(live, proof);
  send_waiting(live, is_error, TRUE);
  wait_for(live, fds, is_error, DECIDE_MS);
  settle(live, fds);
}

static void run(LwLive *live, const LwStatic *proof) {
  g_autoptr(GArray) fds = ears_of(live);
  wake_tunnels(live);
  send_waiting(live, is_sentinel, TRUE);
  wait_for(live, fds, is_sentinel, WARM_MS);
  send_waiting(live, is_not_sentinel, TRUE);
  for (guint i = 0; i < live->probes->len; i++) {
    LwProbe *probe = g_ptr_array_index(live->probes, i);
    if (is_sentinel(probe))
      probe->answered = FALSE; /* the one sent from here on counts */
  }
  send_waiting(live, is_sentinel, TRUE);
  wait_for(live, fds, is_any, DECIDE_MS);
  settle(live, fds);
  run_errors(live, proof, fds);
}

static LwVerifyReport *report_new(const LwLab *lab, const char *target) {
  LwVerifyReport *report = g_new0(LwVerifyReport, 1);
  report->lab = g_strdup(lab->name);
  report->target = g_strdup(target);
  report->cells = g_ptr_array_new();
  report->exits = g_ptr_array_new();
  report->violations = g_ptr_array_new_with_free_func(g_free);
  return report;
}

static void add_probes(LwLive *live) {
  lw_live_add_asks(live); /* first: theirs tell them apart, and must not repeat */
  add_sentinels(live);
  for (guint i = 0; i < live->flows->len; i++)
    add_cell(live, g_ptr_array_index(live->flows, i));
}

static void take_cells(LwLive *live) {
  for (guint i = 0; i < live->flows->len; i++) {
    LwFlow *flow = g_ptr_array_index(live->flows, i);
    g_ptr_array_add(live->report->cells, g_steal_pointer(&flow->cell));
  }
}

static void send_and_judge(LwLive *live, const LwStatic *proof) {
  if (!meet_router(live)) {
    g_ptr_array_set_size(live->report->left_out, 0); /* of what would have been sent */
    g_ptr_array_add(live->report->left_out,
                    g_strdup("no packet was sent: the router answers (ARP) on none of the segments' wires"));
    live->report->packets = 0; /* the questions do not count */
    return;
  }
  add_probes(live);
  run(live, proof);
  lw_live_judge(live);
  lw_live_judge_asks(live);
  lw_live_judge_errors(live);
  lw_live_tell_untried(live);
}

static void end_flows(const LwLive *live, const GArray *flows) {
  const LwVerifyWorld *world = live->world;
  g_autoptr(GError) error = NULL;
  if (!world->end_flows(flows, world->end_data, &error))
    g_ptr_array_add(
        live->report->left_out,
        g_strdup_printf("flows without ports that this or an earlier run left open, which may be in "
                        "the way of others for some minutes: %s",
                        error->message));
}

/* Without ports a packet is the same one in each run. What an earlier run left open (it was killed, or could
 * not end it) is ended first, and afterwards nobody shall find the place taken. */
static void send_as_new(LwLive *live, const LwStatic *proof) {
  const LwVerifyWorld *world = live->world;
  if (!proof || !world->open_flows || !world->end_flows) {
    send_and_judge(live, proof);
    return;
  }
  const LwShared shared = {live->lab, proof, &live->around, world->open_flows};
  g_autoptr(GArray) left = lw_shared_left_open(&shared, live->flows);
  g_autoptr(GArray) opened = lw_shared_opened(&shared, live->flows, left);
  end_flows(live, left);
  send_and_judge(live, proof);
  end_flows(live, opened);
}

LwVerifyReport *lw_verify_live(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                               const LwStatic *proof, GError **error) {
  gint64 start = g_get_monotonic_time();
  guint places = world->places->len;
  g_auto(LwLive)
      live = {.lab = lab, .facts = facts, .world = world, .report = report_new(lab, world->target)};
  live.stations = g_ptr_array_new_with_free_func(station_free);
  live.names = g_ptr_array_new_with_free_func(g_free);
  live.station_of = g_new0(guint, places + 1);
  live.place_of = g_new0(guint, places + 1);
  live.sentinel = g_new0(LwProbe *, places + 1);
  live.far_sentinel = g_new0(LwProbe *, places + 1);
  live.probes = g_ptr_array_new_with_free_func(probe_free);
  live.by_port = g_hash_table_new(NULL, NULL);
  live.base = g_random_int_range(1 << 20, G_MAXINT32);
  if (!open_stations(&live, error) || !lw_live_open_opaque(&live, error))
    return NULL;
  look_around(&live);
  live.flows = lw_verify_flows(lab, facts, world, &live.around);
  live.report->left_out = g_ptr_array_new_with_free_func(g_free);
  if (proof)
    lw_verify_generate(lab, facts, world, &live.around, proof, live.flows, live.report->left_out);
  send_as_new(&live, proof);
  take_cells(&live);
  live.report->elapsed_ms = (g_get_monotonic_time() - start) / 1000;
  return g_steal_pointer(&live.report);
}
