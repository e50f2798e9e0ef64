/* What was seen, against what the file says. */
#include "verify/live.h"

#include "policy/names.h"

static LwZone zone_of_station(const LwLive *live, guint station) {
  return lw_live_place(live, live->place_of[station])->zone;
}

static const char *link_name(const LwLive *live, guint station, guint index) {
  const LwLink *link = lw_station_link_by_index(g_ptr_array_index(live->stations, station), index);
  return link ? link->name : "";
}

/* The exit that a link of the router is; FALSE: it is none. */
static gboolean exit_of_link(const LwLive *live, const char *name, guint *exit) {
  *exit = LW_NONE;
  if (g_str_equal(name, LW_ROUTER_WAN))
    return TRUE;
  for (guint i = 0; i < live->lab->tunnels->len; i++) {
    g_autofree char *tunnel = lw_name_tunnel(lw_lab_tunnel(live->lab, i));
    *exit = i;
    if (g_str_equal(name, tunnel))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_leg(const LwLive *live, const char *name) {
  for (guint i = 0; i < live->lab->segments->len; i++) {
    g_autofree char *leg = lw_name_router_leg(lw_lab_segment(live->lab, i));
    if (g_str_equal(name, leg))
      return TRUE;
  }
  return FALSE;
}

gboolean lw_live_is_exit(const LwLive *live, guint station, guint link) {
  LwZoneKind kind = zone_of_station(live, station).kind;
  const char *name = link_name(live, station, link);
  guint exit;
  if (!live->world->ends_at_exits)
    return FALSE;
  if (kind == LW_ZONE_HOST)
    return g_str_equal(name, live->lab->host.bridge);
  return kind == LW_ZONE_ROUTER && (exit_of_link(live, name, &exit) || is_leg(live, name));
}

/* Out of the router by a segment's leg; which. */
static gboolean came_by_leg(const LwLive *live, const LwSeenAt *seen, guint *segment) {
  if (seen->how == LW_SEEN_CAME)
    return lw_live_leg_of_port(live, seen->station, seen->link, segment) && *segment != LW_NONE;
  for (*segment = 0; seen->how == LW_SEEN_LEFT && *segment < live->lab->segments->len; (*segment)++) {
    g_autofree char *leg = lw_name_router_leg(lw_lab_segment(live->lab, *segment));
    if (g_str_equal(link_name(live, seen->station, seen->link), leg))
      return TRUE;
  }
  return FALSE;
}

/* Beyond an exit is the internet by it, as if somebody stood there. */
static LwZone zone_of_sighting(const LwLive *live, const LwSeenAt *seen) {
  LwZone zone = zone_of_station(live, seen->station);
  guint exit;
  if (seen->how == LW_SEEN_CAME)
    return came_by_leg(live, seen, &exit) ? (LwZone){LW_ZONE_ROUTER, LW_NONE}
                                          : (LwZone){LW_ZONE_INTERNET, LW_NONE};
  if (seen->how == LW_SEEN_LEFT && zone.kind == LW_ZONE_ROUTER &&
      exit_of_link(live, link_name(live, seen->station, seen->link), &exit))
    return (LwZone){LW_ZONE_INTERNET, exit};
  return zone;
}

/* The router sent it on to the machine that a port is forwarded to. */
static gboolean is_forwarded(const LwLive *live, const LwProbe *probe, const LwSeenAt *seen) {
  guint segment;
  return probe->flow->cell->question.to.kind == LW_ZONE_ROUTER && came_by_leg(live, seen, &segment);
}

static gboolean is_in_segment(const LwLive *live, guint station, guint segment) {
  for (guint i = 0; i < live->world->places->len; i++) {
    const LwProbePlace *place = lw_live_place(live, i);
    if (live->station_of[i] == station && place->zone.kind == LW_ZONE_SEGMENT && place->zone.index == segment)
      return TRUE;
  }
  return FALSE;
}

static gboolean is_management_link(const LwLive *live, const LwSeenAt *seen) {
  const LwLink *link = lw_station_link_by_index(g_ptr_array_index(live->stations, seen->station), seen->link);
  return link && g_str_equal(link->name, live->lab->host.management.bridge);
}

/* Whether being seen there means that the packet got somewhere. On the wire into the router, or into the host
 * where its own rules still stand before it, it has not. */
static gboolean is_arrival(const LwLive *live, const LwProbe *probe, const LwSeenAt *seen) {
  LwZone zone = zone_of_sighting(live, seen);
  const LwFlow *flow = probe->flow;
  guint segment;
  if (came_by_leg(live, seen, &segment))
    return lw_live_is_outer(live, probe); /* from one segment to another, the receivers on the wire tell */
  if (seen->how == LW_SEEN_CAME) /* by WAN; a query that is led to another resolver has not arrived */
    return !flow->redirected || lw_addr_equal(&seen->destination, &flow->cell->question.destination);
  if (seen->how == LW_SEEN_LEFT)
    return TRUE;
  switch (zone.kind) {
  case LW_ZONE_ROUTER:
    return seen->how == LW_SEEN_LOCAL && !flow->redirected;
  case LW_ZONE_HOST:
    return seen->how == LW_SEEN_LOCAL ||
           (flow->cell->question.to.kind == LW_ZONE_NETWORK && is_management_link(live, seen));
  case LW_ZONE_SEGMENT: /* one's own wire carries one's own IPv6: only what crosses is of interest */
    return flow->family == 4 || !is_in_segment(live, seen->station, flow->cell->question.from.index);
  case LW_ZONE_HOME_LAN:
  case LW_ZONE_INTERNET:
  case LW_ZONE_NETWORK:
    return TRUE;
  }
  return TRUE;
}

static gboolean is_internet_by(const LwZone *zone, guint exit) {
  if (exit == LW_NONE)
    return zone->kind == LW_ZONE_HOME_LAN || (zone->kind == LW_ZONE_INTERNET && zone->index == LW_NONE);
  return zone->kind == LW_ZONE_INTERNET && zone->index == exit;
}

static gboolean is_receiver(const LwLive *live, const LwProbe *probe, const LwSeenAt *seen) {
  const LwFlow *flow = probe->flow;
  LwZone zone = zone_of_sighting(live, seen);
  if (is_forwarded(live, probe, seen))
    return TRUE;
  if (flow->receiver != LW_NONE)
    return live->station_of[flow->receiver] == seen->station &&
           (seen->how == LW_SEEN_LOCAL || zone.kind == LW_ZONE_SEGMENT || zone.kind == LW_ZONE_NETWORK);
  if (flow->cell->question.to.kind == LW_ZONE_NETWORK)
    return zone.kind == LW_ZONE_HOST;
  if (live->world->opaque_router && flow->cell->question.to.kind == LW_ZONE_ROUTER)
    return FALSE;
  return is_internet_by(&zone, flow->exit);
}

/* On the way to its receiver: the exit that it must use, and the world beyond. */
static gboolean is_on_the_way(const LwLive *live, const LwProbe *probe, const LwSeenAt *seen) {
  if (is_receiver(live, probe, seen))
    return TRUE;
  const LwFlow *flow = probe->flow;
  LwZone zone = zone_of_sighting(live, seen), to = flow->cell->question.to;
  if (flow->receiver != LW_NONE && live->station_of[flow->receiver] == seen->station)
    return TRUE;
  if (to.kind == LW_ZONE_NETWORK && zone.kind == LW_ZONE_HOST)
    return TRUE; /* the host routes it on */
  guint segment;
  if (to.kind == LW_ZONE_SEGMENT && came_by_leg(live, seen, &segment))
    return segment == to.index;
  if (to.kind == LW_ZONE_INTERNET ||
      to.kind == LW_ZONE_HOME_LAN) /* nothing of a tunnel's comes by WAN again */
    return is_internet_by(&zone, flow->exit) ||
           (!live->world->ends_at_exits && zone.kind == LW_ZONE_INTERNET && zone.index == LW_NONE);
  /* a query to the router may be led to the resolver of WAN */
  return to.kind == LW_ZONE_ROUTER && seen->how == LW_SEEN_CAME && flow->cell->question.port == 53;
}

static const LwSeenAt *seen_at(const LwProbe *probe, guint index) {
  return &g_array_index(probe->seen, LwSeenAt, index);
}

static gboolean has_arrived(const LwLive *live, const LwProbe *probe) {
  for (guint i = 0; probe->seen && i < probe->seen->len; i++)
    if (is_receiver(live, probe, seen_at(probe, i)))
      return TRUE;
  return FALSE;
}

static const LwSeenAt *first_arrival(const LwLive *live, const LwProbe *probe, gboolean strangers) {
  for (guint i = 0; probe->seen && i < probe->seen->len; i++) {
    const LwSeenAt *seen = seen_at(probe, i);
    if (is_arrival(live, probe, seen) && !(strangers && is_on_the_way(live, probe, seen)))
      return seen;
  }
  return NULL;
}

gboolean lw_live_is_outer(const LwLive *live, const LwProbe *probe) {
  LwZoneKind kind = lw_live_place(live, probe->place)->zone.kind;
  return probe->via == LW_VIA_LEG || kind == LW_ZONE_HOME_LAN || kind == LW_ZONE_INTERNET;
}

gboolean lw_live_is_satisfied(const LwLive *live, const LwProbe *probe) {
  if (probe->blocked || probe->refused)
    return TRUE;
  switch (probe->kind) {
  case LW_PROBE_SENTINEL:
  case LW_PROBE_NEIGHBOUR:
    return probe->answered;
  case LW_PROBE_ECHO:
  case LW_PROBE_DNS:
    return lw_live_ask_is_satisfied(probe);
  case LW_PROBE_RELATED:
    return lw_live_error_is_satisfied(live, probe);
  case LW_PROBE_CELL:
    break;
  }
  if (probe->flow->cell->expect && lw_live_ends_unseen(live, probe))
    return probe->answered || !lw_live_may_answer(live, probe);
  if (probe->flow->cell->expect)
    return has_arrived(live, probe) && (probe->answered || probe->flow->cannot_answer);
  return !lw_live_is_outer(live, probe) || probe->at_router;
}

static const char *station_name(const LwLive *live, guint station) {
  const char *netns = g_ptr_array_index(live->names, station);
  return *netns ? netns : lw_live_place(live, live->place_of[station])->name;
}

/* NULL: the silence of this probe proves that it was stopped. */
static const char *why_unproved(const LwLive *live, const LwProbe *probe) {
  if (probe->blocked)
    return probe->blocked;
  if (probe->refused)
    return NULL;
  if (lw_live_is_outer(live, probe) && !probe->at_router)
    return "it was not seen to come in at the router";
  if (lw_live_is_outer(live, probe))
    return !live->world->opaque_router || lw_live_is_followed(live, probe)
               ? NULL
               : "nothing sent after it came back";
  const LwProbe *near = live->sentinel[probe->place], *far = live->far_sentinel[probe->place];
  if (!near)
    return "there is nothing allowed to send after it";
  if (near->blocked)
    return near->blocked;
  if (!near->answered)
    return "the ping sent after it did not come back";
  LwZoneKind to = probe->flow->cell->question.to.kind;
  gboolean outwards = to == LW_ZONE_INTERNET && probe->flow->via == LW_VIA_GATEWAY;
  if (outwards && far && !far->answered)
    return "the ping sent after it through the tunnel did not come back";
  return NULL;
}

static char *receiver_name(const LwLive *live, const LwProbe *probe) {
  const LwFlow *flow = probe->flow;
  const char *machine = NULL;
  LwZone to = flow->cell->question.to;
  if (flow->receiver != LW_NONE && to.kind == LW_ZONE_SEGMENT)
    machine = lw_live_place(live, flow->receiver)->name;
  return lw_verify_zone_name(live->lab, &to, machine);
}

static char *violation_text(const LwLive *live, const LwProbe *probe, const char *text, guint more) {
  const LwCell *cell = probe->flow->cell;
  g_autofree char *source = lw_addr_format(&cell->question.source);
  g_autofree char *destination = lw_addr_format(&cell->question.destination);
  g_autofree char *to = receiver_name(live, probe);
  g_autofree char *origin = lw_origin_format(&cell->origin);
  g_autofree char *others = more ? g_strdup_printf(" (and %u more like it)", more) : g_strdup("");
  return g_strdup_printf("%s (%s) -> %s %s %s: %s%s; %s", cell->from, source, to, destination, cell->service,
                         text, others, origin);
}

static void add_violation(LwLive *live, const LwProbe *probe, const char *text) {
  probe->flow->cell->told = TRUE;
  g_ptr_array_add(live->report->violations, violation_text(live, probe, text, 0));
}

/* A hole lets more than one of the packets through that were made of its edges: they are told once, by the
 * first of them. */
typedef struct {
  const LwProbe *first;
  guint line; /* of the violations */
  guint more;
} Alike;

static gboolean is_like(const LwProbe *a, const LwProbe *b) {
  const LwCell *x = a->flow->cell, *y = b->flow->cell;
  return g_str_equal(x->from, y->from) && g_str_equal(x->to, y->to) && g_str_equal(x->note, y->note);
}

static void add_alike(LwLive *live, GArray *alike, const LwProbe *probe) {
  LwCell *cell = probe->flow->cell;
  for (guint i = 0; cell->generated && i < alike->len; i++) {
    Alike *known = &g_array_index(alike, Alike, i);
    if (!is_like(known->first, probe))
      continue;
    cell->told = TRUE;
    char **line = (char **)&g_ptr_array_index(live->report->violations, known->line);
    g_free(*line);
    *line = violation_text(live, known->first, cell->note, ++known->more);
    return;
  }
  Alike one = {probe, live->report->violations->len, 0};
  add_violation(live, probe, cell->note);
  g_array_append_val(alike, one);
}

static char *where(const LwLive *live, const LwSeenAt *seen) {
  guint segment;
  if (seen->how == LW_SEEN_CAME)
    return g_strdup_printf("%s, out of the router by %s", link_name(live, seen->station, seen->link),
                           came_by_leg(live, seen, &segment) ? lw_lab_segment(live->lab, segment)->name
                                                             : "WAN");
  if (seen->how == LW_SEEN_LEFT)
    return g_strdup_printf("%s of %s, and left by it", link_name(live, seen->station, seen->link),
                           station_name(live, seen->station));
  return g_strdup(station_name(live, seen->station));
}

/* What cannot be proved is told once for a source and a reason, not for each of its cells. */
typedef struct {
  guint place;
  const char *why;
  guint count;
  LwProbe *first;
} Unproved;

static void note_unproved(GArray *list, LwProbe *probe, const char *why) {
  for (guint i = 0; i < list->len; i++) {
    Unproved *known = &g_array_index(list, Unproved, i);
    if (known->place == probe->place && g_str_equal(known->why, why)) {
      known->count++;
      return;
    }
  }
  Unproved one = {probe->place, why, 1, probe};
  g_array_append_val(list, one);
}

static void tell_unproved(LwLive *live, const GArray *list) {
  for (guint i = 0; i < list->len; i++) {
    const Unproved *one = &g_array_index(list, Unproved, i);
    const LwCell *cell = one->first->flow->cell;
    if (one->count == 1) {
      add_violation(live, one->first, cell->note);
      continue;
    }
    g_autofree char *source = lw_addr_format(&lw_live_place(live, one->place)->address);
    g_autofree char *origin = lw_origin_format(&cell->origin);
    g_ptr_array_add(live->report->violations,
                    g_strdup_printf("%s (%s): cannot prove %u of its cells: %s; %s", cell->from, source,
                                    one->count, one->why, origin));
  }
}

/* By its answer. */
static void judge_unseen(LwLive *live, LwProbe *probe, GArray *alike) {
  const LwCell *cell = probe->flow->cell;
  if (lw_live_judge_unseen(live, probe) && (cell->live == LW_CELL_ALLOW) != (cell->expect != FALSE))
    add_alike(live, alike, probe);
}

/* Whether a rule stopped it or somebody else's flow was in its way is not seen. */
static void not_tried_held(LwCell *cell) {
  cell->live = LW_CELL_UNTESTED;
  cell->note = g_strdup("it has no ports, and an open flow of somebody else has its place behind the exit's "
                        "one address");
}

static void judge_forbidden(LwLive *live, LwProbe *probe, GArray *unproved, GArray *alike) {
  LwCell *cell = probe->flow->cell;
  const LwSeenAt *seen = first_arrival(live, probe, FALSE);
  if (seen) {
    g_autofree char *at = where(live, seen);
    cell->live = LW_CELL_ALLOW;
    cell->note = g_strdup_printf("must not pass, but arrived at %s", at);
    add_alike(live, alike, probe);
    return;
  }
  const char *why = why_unproved(live, probe);
  if (!why && lw_live_ends_unseen(live, probe)) {
    judge_unseen(live, probe, alike);
    return;
  }
  if (!why && probe->flow->held) {
    not_tried_held(cell);
    return;
  }
  if (!why) {
    cell->live = LW_CELL_DENY;
    return;
  }
  cell->live = LW_CELL_UNTESTED;
  cell->told = TRUE;
  cell->note = g_strdup_printf("cannot prove that it is stopped: %s", why);
  note_unproved(unproved, probe, why);
}

/* Segments' packets leave under an address of their exit. */
static const LwSeenAt *bare_departure(const LwLive *live, const LwProbe *probe) {
  const LwFlowQuestion *question = &probe->flow->cell->question;
  if (question->from.kind != LW_ZONE_SEGMENT || question->to.kind != LW_ZONE_INTERNET)
    return NULL;
  for (guint i = 0; probe->seen && i < probe->seen->len; i++) {
    LwZone zone = zone_of_sighting(live, seen_at(probe, i));
    gboolean outside = zone.kind == LW_ZONE_INTERNET || zone.kind == LW_ZONE_HOME_LAN;
    if (outside && lw_addr_equal(&seen_at(probe, i)->source, &question->source))
      return seen_at(probe, i);
  }
  return NULL;
}

static void judge_allowed(LwLive *live, LwProbe *probe, GArray *alike) {
  LwCell *cell = probe->flow->cell;
  const LwSeenAt *stray = first_arrival(live, probe, TRUE);
  const LwSeenAt *bare = bare_departure(live, probe);
  gboolean arrived = has_arrived(live, probe);
  if (probe->blocked) {
    cell->live = LW_CELL_UNTESTED;
    cell->note = g_strdup_printf("cannot try it: %s", probe->blocked);
  } else if (stray) {
    g_autofree char *at = where(live, stray);
    cell->live = arrived ? LW_CELL_ALLOW : LW_CELL_DENY;
    cell->note = g_strdup_printf(arrived ? "must pass, and did, but was also seen at %s, which is not its way"
                                         : "must pass, but arrived at %s instead",
                                 at);
  } else if (bare) {
    g_autofree char *at = where(live, bare);
    cell->live = LW_CELL_DENY;
    cell->note = g_strdup_printf("must pass under its exit's address, but came to %s under its own", at);
  } else if (lw_live_ends_unseen(live, probe) && !probe->refused) {
    judge_unseen(live, probe, alike);
    return;
  } else if (!arrived && probe->flow->held && !probe->refused) {
    not_tried_held(cell);
    return;
  } else if (!arrived) {
    cell->live = LW_CELL_DENY;
    cell->note = g_strdup(probe->refused ? "must pass, but the source's own rules refuse to send it"
                                         : "must pass, but did not arrive");
  } else if (!probe->answered && !probe->flow->cannot_answer) {
    cell->live = LW_CELL_DENY;
    cell->note = g_strdup("must pass, and arrived, but no answer came back");
  } else {
    cell->live = LW_CELL_ALLOW;
    if (probe->flow->cannot_answer && !probe->answered)
      cell->note = g_strdup("arrived; an answer cannot come from there");
    return;
  }
  add_alike(live, alike, probe);
}

void lw_live_judge(LwLive *live) {
  g_autoptr(GArray) unproved = g_array_new(FALSE, FALSE, sizeof(Unproved));
  g_autoptr(GArray) alike = g_array_new(FALSE, FALSE, sizeof(Alike));
  for (guint i = 0; i < live->probes->len; i++) {
    LwProbe *probe = g_ptr_array_index(live->probes, i);
    if (probe->kind != LW_PROBE_CELL)
      continue;
    if (probe->flow->cell->expect)
      judge_allowed(live, probe, alike);
    else
      judge_forbidden(live, probe, unproved, alike);
  }
  tell_unproved(live, unproved);
  for (guint i = 0; i < live->stations->len; i++) {
    guint lost = lw_station_lost(g_ptr_array_index(live->stations, i));
    if (lost)
      g_ptr_array_add(live->report->violations,
                      g_strdup_printf("%s: cannot prove: the kernel dropped %u captured packets",
                                      station_name(live, i), lost));
  }
}
