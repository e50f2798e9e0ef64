/* Flows that are open already and led to another exit: what the static half says of an open flow's going on,
 * shown in a copy of the router. Each is opened by its own way and answered there, so that connection
 * tracking has it as established; then ICMP errors about it come in by an exit that its segment has nothing
 * to do with, and its own packets are led to one that its source has no flow by. */
#include "policy/names.h"
#include "verify/lost.h"
#include "verify/packets.h"
#include "verify/points.h"
#include "verify/static_internal.h"

#define ROW_MOST 6     /* flows of a segment */
#define FORWARD_MOST 2 /* flows of a forward */
#define FLOWS_MOST 256
#define PIECES_MOST 12
#define BATCH 200 /* a link's queue holds more */
#define FIRST_PORT 20000u
#define PORTS 40000u
#define SOMEBODY "9.9.9.9" /* beyond any exit */

/* A flow to open. */
typedef struct {
  guint segment;
  LwHeader first;        /* as it is sent */
  LwHeader from_machine; /* what a machine of the segment sends of it */
  char *opener;          /* the link that the first comes in by */
  char *leg;             /* the segment's */
  GByteArray *may;       /* by the number of an exit: its source has flows by it */
  gboolean tried;        /* there is an exit to lead it to */
  gboolean opened;       /* ever */
  gboolean told_of;      /* an error about it came by its own way */
} Flow;

/* A flow that is opened to be led to one exit. */
typedef struct {
  Flow *flow;
  gboolean bare; /* opened past translation */
  guint16 sport;
  LwPacket left; /* the first packet, as it left */
  char *by;      /* … by this link; nullable */
  gboolean answered, led;
  gboolean errs; /* an error about it came by that exit */
} Try;

typedef enum { STAGE_OPEN, STAGE_ANSWER, STAGE_OWN_ERROR, STAGE_ERROR, STAGE_LED } Stage;

typedef struct {
  const LwLab *lab;
  const LwStatic *proof;
  const LwRouterCopy *copy;
  LwVerifyReport *report;
  GPtrArray *flows; /* of Flow* */
  GPtrArray *tries; /* of Try*, of one exit */
  GHashTable *talk; /* of pair_of(): a segment and an exit that have some flow with each other */
  guint left_out;
  const LwSegment *segment; /* of the row that is being looked at */
  guint exit;               /* number: 0 is WAN, then the tunnels */
  char *link;               /* its */
  guint32 base;             /* cookie of the first try */
  Stage stage;
} Led;

static void flow_free(gpointer data) {
  Flow *flow = data;
  g_free(flow->opener);
  g_free(flow->leg);
  g_byte_array_unref(flow->may);
  g_free(flow);
}

static void try_free(gpointer data) {
  Try *try = data;
  g_free(try->by);
  g_free(try);
}

static char *link_of_exit(const LwLab *lab, guint exit) {
  return exit == 0 ? g_strdup(LW_ROUTER_WAN) : lw_name_tunnel(lw_lab_tunnel(lab, exit - 1));
}

/* Of a segment and an exit. A copy has no more links than this. */
static gpointer pair_of(guint segment, guint exit) {
  return GUINT_TO_POINTER(segment * 0x1000 + exit + 1);
}

static LwZone zone_of_exit(guint exit) {
  return (LwZone){LW_ZONE_INTERNET, exit == 0 ? LW_NONE : exit - 1};
}

/* --- which flows
 * ------------------------------------------------------------------------------------------------------ */

static gboolean could_send(const LwAddr *address, gpointer data) {
  const Led *led = data;
  return address->family == 4 && (!led->segment || lw_lost_is_machine(led->segment, address));
}

static gboolean is_any4(const LwAddr *address, gpointer data) {
  return address->family == 4;
}

static GArray *points_of(const Led *led, LwMdd set) {
  g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  GArray *points = g_array_new(FALSE, FALSE, sizeof(LwHeader));
  LwPointWishes wishes = {none, none, could_send, is_any4, (gpointer)led};
  LwPointCount count = {0};
  if (set != LW_MDD_FALSE)
    lw_points_of(led->proof->pool, set, PIECES_MOST, &wishes, points, &count);
  return points;
}

static void add_flow(Led *led, guint segment, const LwHeader *first, const LwHeader *from_machine,
                     char *opener) {
  if (led->flows->len >= FLOWS_MOST) {
    led->left_out++;
    g_free(opener);
    return;
  }
  Flow *flow = g_new0(Flow, 1);
  flow->segment = segment;
  flow->first = *first;
  flow->from_machine = *from_machine;
  flow->opener = opener;
  flow->leg = lw_name_router_leg(lw_lab_segment(led->lab, segment));
  flow->may = g_byte_array_new();
  g_ptr_array_add(led->flows, flow);
}

/* What the segment can open through the router, as it is sent. */
static LwMdd openable(const LwStatic *proof, const LwStaticRow *row) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    gboolean own = one->to.kind == LW_ZONE_SEGMENT && one->to.index == row->zone.index;
    if (!own && one->to.kind != LW_ZONE_ROUTER && !one->led && !lw_addr_is_set(&one->destination))
      set = lw_mdd_or(proof->pool, set, one->must);
  }
  return set;
}

/* What the static half found, whatever kind of packet of such a flow. */
static LwMdd found(const LwStatic *proof, const LwStaticRow *row) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < proof->violations->len; i++) {
    const LwStaticViolation *v = proof->violations->pdata[i];
    if (v->kind == LW_STATIC_LEAK && g_str_equal(v->from, row->name))
      set = lw_mdd_or(proof->pool, set, v->packets);
  }
  set = lw_packets_forget(proof->pool, set, LW_HEADER_TCP_FLAGS);
  return lw_packets_forget(proof->pool, set, LW_HEADER_ICMP_TYPE);
}

/* First what the static half found, so that it is shown. */
static void add_of_segment(Led *led, const LwStaticRow *row) {
  LwMddPool *pool = led->proof->pool;
  led->segment = lw_lab_segment(led->lab, row->zone.index);
  LwMdd all = openable(led->proof, row);
  const LwMdd sets[] = {lw_mdd_and(pool, all, found(led->proof, row)), all};
  guint before = led->flows->len;
  for (guint s = 0; s < G_N_ELEMENTS(sets); s++) {
    g_autoptr(GArray) points = points_of(led, sets[s]);
    for (guint i = 0; i < points->len && led->flows->len < before + ROW_MOST; i++) {
      const LwHeader *h = &g_array_index(points, LwHeader, i);
      if (lw_packets_contain(pool, sets[s], h))
        add_flow(led, row->zone.index, h, h, lw_name_router_leg(led->segment));
    }
  }
}

/* A port that is forwarded: the machine answers. */
static void add_forwards(Led *led, const LwStaticRow *row) {
  LwMddPool *pool = led->proof->pool;
  guint exit = row->zone.index == LW_NONE ? 0 : row->zone.index + 1;
  led->segment = NULL;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == LW_ZONE_SEGMENT && (one->may != LW_MDD_FALSE || one->going_on != LW_MDD_FALSE))
      g_hash_table_add(led->talk, pair_of(one->to.index, exit));
    if (one->to.kind != LW_ZONE_SEGMENT || !lw_addr_is_set(&one->destination))
      continue;
    g_autoptr(GArray) points = points_of(led, one->must);
    guint before = led->flows->len;
    for (guint p = 0; p < points->len && led->flows->len < before + FORWARD_MOST; p++) {
      const LwHeader *h = &g_array_index(points, LwHeader, p);
      LwHeader back = {.source = one->destination, .destination = h->source, .proto = h->proto};
      back.sport = one->dport ? one->dport : h->dport;
      back.dport = h->sport;
      if (lw_packets_contain(pool, one->must, h))
        add_flow(led, one->to.index, h, &back, link_of_exit(led->lab, exit));
    }
  }
}

/* As the static half has it: by an exit may go on what has some flow by it, to all of the internet. */
static gboolean has_flows_by(const Led *led, const LwStaticRow *row, guint exit, const LwHeader *h) {
  static const LwHeaderField others[] = {LW_HEADER_PROTO,     LW_HEADER_DPORT,     LW_HEADER_SPORT,
                                         LW_HEADER_ICMP_TYPE, LW_HEADER_ICMP_CODE, LW_HEADER_TCP_FLAGS};
  LwMddPool *pool = led->proof->pool;
  LwZone zone = zone_of_exit(exit);
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == zone.kind && one->to.index == zone.index)
      set = lw_mdd_or(pool, set, lw_mdd_or(pool, one->may, one->going_on));
  }
  for (guint i = 0; i < G_N_ELEMENTS(others); i++)
    set = lw_packets_forget(pool, set, others[i]);
  LwMdd far = lw_mdd_and(pool, set, lw_static_far_destinations(pool));
  return lw_packets_contain(pool, set, h) ||
         lw_packets_contain(pool, lw_packets_forget(pool, far, LW_HEADER_DADDR), h);
}

static void ask_exits(const Led *led, const LwStaticRow *row) {
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    guint exit = one->to.index == LW_NONE ? 0 : one->to.index + 1;
    if (one->to.kind == LW_ZONE_INTERNET && (one->may != LW_MDD_FALSE || one->going_on != LW_MDD_FALSE))
      g_hash_table_add(led->talk, pair_of(row->zone.index, exit));
  }
  for (guint i = 0; i < led->flows->len; i++) {
    Flow *flow = led->flows->pdata[i];
    for (guint exit = 0; flow->segment == row->zone.index && exit <= led->lab->tunnels->len; exit++) {
      guint8 may = has_flows_by(led, row, exit, &flow->from_machine) != FALSE;
      g_byte_array_append(flow->may, &may, 1);
    }
  }
}

static void find_flows(Led *led) {
  const GPtrArray *rows = led->proof->rows;
  for (guint i = 0; i < rows->len; i++) {
    const LwStaticRow *row = rows->pdata[i];
    if (lw_lost_is_at_gateway(row))
      add_of_segment(led, lw_static_look(led->proof, i));
    else if (row->zone.kind == LW_ZONE_INTERNET && row->start.ns && *row->start.ns)
      add_forwards(led, lw_static_look(led->proof, i));
  }
  for (guint i = 0; i < rows->len; i++)
    if (lw_lost_is_at_gateway(rows->pdata[i]))
      ask_exits(led, lw_static_look(led->proof, i));
}

/* --- sending
 * ----------------------------------------------------------------------------------------------------------
 */

/* Which of ours it is: a TCP packet that is no first and no answer says it by its port. */
static Try *try_of(const Led *led, const LwPacket *packet) {
  gboolean by_port = packet->role == LW_PACKET_OTHER && packet->proto == LW_PROTO_TCP;
  if (packet->role == LW_PACKET_OTHER && !by_port)
    return NULL; /* what the router itself says */
  guint32 number =
      by_port ? (packet->sport - FIRST_PORT + PORTS - led->base % PORTS) % PORTS : packet->cookie - led->base;
  return number < led->tries->len ? led->tries->pdata[number] : NULL;
}

static gboolean opens_inside(const Flow *flow) {
  return g_str_equal(flow->opener, flow->leg);
}

static void note(const char *link, const guint8 *bytes, gsize length, gpointer data) {
  const Led *led = data;
  LwPacket packet;
  Try *try = lw_packet_parse(bytes, length, &packet) ? try_of(led, &packet) : NULL;
  if (!try)
    return;
  if (led->stage == STAGE_OPEN && packet.role == LW_PACKET_REQUEST && !try->by) {
    try->by = g_strdup(link);
    try->left = packet;
    try->left.payload = NULL;
  } else if (led->stage == STAGE_ANSWER && packet.role == LW_PACKET_REPLY) {
    try->answered |= g_str_equal(link, try->flow->opener);
  } else if (led->stage == STAGE_OWN_ERROR && packet.role == LW_PACKET_ERROR) {
    try->flow->told_of |= g_str_equal(link, try->flow->leg);
  } else if (led->stage == STAGE_ERROR && packet.role == LW_PACKET_ERROR) {
    try->errs |= g_str_equal(link, try->flow->leg);
  } else if (led->stage == STAGE_LED && packet.role != LW_PACKET_ERROR) {
    try->led |= g_str_equal(link, led->link);
  }
}

static void receive(Led *led) {
  led->copy->receive(note, led, led->copy->data);
}

static void send_packet(const Led *led, const char *link, const LwPacket *packet) {
  guint8 bytes[LW_PACKET_MAX];
  gsize length = lw_packet_build(packet, bytes);
  led->report->packets += led->copy->send(link, bytes, length, led->copy->data) != 0;
}

static LwPacket first_packet(const Led *led, guint number) {
  const Try *try = led->tries->pdata[number];
  const LwHeader *h = &try->flow->first;
  return (LwPacket){.role = LW_PACKET_REQUEST,
                    .proto = lw_packet_proto(h->proto),
                    .protocol = h->proto,
                    .icmp_type = h->icmp_type,
                    .source = h->source,
                    .destination = h->destination,
                    .sport = try->sport,
                    .dport = h->dport,
                    .cookie = led->base + number};
}

static LwPacket answer_packet(const Try *try) {
  LwPacket packet = try->left;
  packet.role = LW_PACKET_REPLY;
  packet.protocol = try->flow->first.proto;
  packet.source = try->left.destination;
  packet.destination = try->left.source;
  packet.sport = try->left.dport;
  packet.dport = try->left.sport;
  return packet;
}

static void send_first(const Led *led, guint number) {
  const Try *try = led->tries->pdata[number];
  LwPacket packet = first_packet(led, number);
  packet.id = try->bare ? LW_ID_UNTRANSLATED : 0;
  send_packet(led, try->flow->opener, &packet);
}

/* By its own exit it may go on. */
static gboolean is_to_be_led(const Led *led, const Try *try) {
  return try->by && !g_str_equal(try->by, led->link) && !g_str_equal(try->flow->opener, led->link);
}

static void send_answer(const Led *led, guint number) {
  const Try *try = led->tries->pdata[number];
  LwPacket packet = answer_packet(try);
  send_packet(led, try->by, &packet);
}

/* What the flow's far end has got of the machine. */
static LwPacket as_got(const Led *led, guint number) {
  const Try *try = led->tries->pdata[number];
  LwPacket packet = opens_inside(try->flow) ? try->left : first_packet(led, number);
  packet.protocol = try->flow->first.proto;
  if (opens_inside(try->flow))
    return packet;
  packet.source = try->flow->first.destination;
  packet.destination = try->flow->first.source;
  packet.sport = try->flow->first.dport;
  packet.dport = try->sport;
  return packet;
}

/* An error about that, addressed as the flow's own answers are. source: nullable: its far end */
static void send_error_by(const Led *led, guint number, const char *link, const LwAddr *source) {
  guint8 about[LW_PACKET_MAX], bytes[LW_PACKET_MAX];
  LwPacket got = as_got(led, number);
  lw_packet_build(&got, about);
  gsize length = lw_packet_build_error(source ? source : &got.destination, &got.source, led->base + number,
                                       about, bytes);
  led->report->packets += led->copy->send(link, bytes, length, led->copy->data) != 0;
}

static void send_own_error(const Led *led, guint number) {
  const Try *try = led->tries->pdata[number];
  send_error_by(led, number, opens_inside(try->flow) ? try->by : try->flow->opener, NULL);
}

static void send_error(const Led *led, guint number) {
  LwAddr somebody;
  if (!lw_addr_parse(SOMEBODY, &somebody))
    return;
  send_error_by(led, number, led->link, &somebody);
  led->report->errors++;
}

/* What the machine sends next. */
static void send_next(const Led *led, guint number) {
  const Try *try = led->tries->pdata[number];
  LwPacket packet = opens_inside(try->flow) ? first_packet(led, number) : answer_packet(try);
  packet.going_on = opens_inside(try->flow) && packet.proto == LW_PROTO_TCP;
  send_packet(led, try->flow->leg, &packet);
}

typedef void (*Send)(const Led *led, guint number);

static gboolean is_wanted(const Led *led, const Try *try, Stage stage) {
  switch (stage) {
  case STAGE_OPEN:
    return TRUE;
  case STAGE_ANSWER:
    return is_to_be_led(led, try);
  case STAGE_ERROR:
    return try->answered && !g_hash_table_contains(led->talk, pair_of(try->flow->segment, led->exit));
  case STAGE_OWN_ERROR:
  case STAGE_LED:
    break;
  }
  return try->answered;
}

static void send_all(Led *led, Stage stage, Send send) {
  led->stage = stage;
  guint sent = 0;
  for (guint i = 0; i < led->tries->len; i++) {
    if (!is_wanted(led, led->tries->pdata[i], stage))
      continue;
    send(led, i);
    if (++sent % BATCH == 0)
      receive(led);
  }
  if (sent)
    receive(led);
}

static void make_tries(Led *led) {
  led->base += led->tries->len;
  g_ptr_array_set_size(led->tries, 0);
  for (guint i = 0; i < led->flows->len; i++) {
    Flow *flow = led->flows->pdata[i];
    guint ways = opens_inside(flow) ? 2 : 1; /* a forward's answers are translated by its first packet */
    gboolean has_leg = flow->may->len > led->exit; /* a forward may lead to a segment that has none now */
    for (guint way = 0; has_leg && !flow->may->data[led->exit] && way < ways; way++) {
      Try *try = g_new0(Try, 1);
      try->flow = flow;
      try->bare = way == 1;
      try->sport = (guint16)(FIRST_PORT + (led->base + led->tries->len) % PORTS);
      g_ptr_array_add(led->tries, try);
    }
  }
}

static gboolean lead(const Led *led, gboolean on, GError **error) {
  g_autoptr(GHashTable) legs = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < led->flows->len; i++) {
    const char *leg = ((const Flow *)led->flows->pdata[i])->leg;
    if (g_hash_table_add(legs, (gpointer)leg) && !led->copy->lead(leg, led->link, on, led->copy->data, error))
      return FALSE;
  }
  return TRUE;
}

/* --- judging
 * ---------------------------------------------------------------------------------------------------------
 */

static void add_violation(const Led *led, const Try *try, guint more) {
  const LwHeader *h = &try->flow->from_machine;
  LwPlace place = {.zone = zone_of_exit(led->exit)};
  LwFlowQuestion question = {.from = {LW_ZONE_SEGMENT, try->flow->segment},
                             .to = place.zone,
                             .source = h->source,
                             .destination = h->destination,
                             .proto = lw_packet_proto(h->proto),
                             .port = h->dport};
  LwFlowAnswer answer;
  lw_intent_answer(led->lab, led->proof->facts, &question, &answer);
  g_autofree char *to = lw_static_place_name(led->lab, &place);
  g_autofree char *packet = lw_header_format(h);
  g_autofree char *origin = lw_origin_format(&answer.origin);
  GString *text = g_string_new(lw_lab_segment(led->lab, try->flow->segment)->name);
  g_string_append_printf(text, " -> %s: %s: an open flow goes on by this exit, which is not its own: ", to,
                         packet);
  g_string_append_printf(text, "opened in a copy of the router by %s, and led to %s, it left by it",
                         opens_inside(try->flow) ? try->by : try->flow->opener, led->link);
  if (try->bare)
    g_string_append(text, "; no rule of the filter stops it, masquerade alone may end it");
  if (more)
    g_string_append_printf(text, " (and %u more like it)", more);
  g_string_append_printf(text, "; %s", origin);
  g_ptr_array_add(led->report->violations, g_string_free(text, FALSE));
  lw_flow_answer_clear(&answer);
}

static void add_error(const Led *led, const Try *try, guint more) {
  LwPlace place = {.zone = zone_of_exit(led->exit)};
  const LwSegment *segment = lw_lab_segment(led->lab, try->flow->segment);
  g_autofree char *from = lw_static_place_name(led->lab, &place);
  g_autofree char *packet = lw_header_format(&try->flow->from_machine);
  g_autofree char *origin = lw_origin_format(&segment->origin);
  GString *text = g_string_new(from);
  g_string_append_printf(text,
                         " -> %s: an ICMP error about an open flow (%s) passes, and no flow of it can be ",
                         segment->name, packet);
  g_string_append_printf(text, "there: opened in a copy of the router, and told of by %s, it came out by %s",
                         led->link, try->flow->leg);
  if (more)
    g_string_append_printf(text, " (and %u more like it)", more);
  g_string_append_printf(text, "; %s", origin);
  g_ptr_array_add(led->report->violations, g_string_free(text, FALSE));
}

static void judge_errors(const Led *led) {
  for (guint s = 0; s < led->lab->segments->len; s++) {
    const Try *first = NULL;
    guint count = 0;
    for (guint i = 0; i < led->tries->len; i++) {
      const Try *try = led->tries->pdata[i];
      if (!try->errs || try->flow->segment != s)
        continue;
      first = first ? first : try;
      count++;
    }
    if (first)
      add_error(led, first, count - 1);
  }
}

/* One line for a segment and an exit, by what leaves as it would in the router where there is such. */
static void judge(const Led *led) {
  for (guint s = 0; s < led->lab->segments->len; s++) {
    const Try *first = NULL;
    guint count = 0;
    for (guint i = 0; i < led->tries->len; i++) {
      const Try *try = led->tries->pdata[i];
      led->report->led_flows += try->answered && try->flow->segment == s;
      try->flow->tried |= !try->by || is_to_be_led(led, try);
      try->flow->opened |= try->answered;
      if (!try->led || try->flow->segment != s)
        continue;
      count++;
      if (!first || (first->bare && !try->bare))
        first = try;
    }
    if (first)
      add_violation(led, first, count - 1);
  }
}

static gboolean try_exit(Led *led, GError **error) {
  make_tries(led);
  send_all(led, STAGE_OPEN, send_first);
  send_all(led, STAGE_ANSWER, send_answer);
  send_all(led, STAGE_OWN_ERROR, send_own_error);
  send_all(led, STAGE_ERROR, send_error);
  if (!lead(led, TRUE, error))
    return FALSE;
  send_all(led, STAGE_LED, send_next);
  if (!lead(led, FALSE, error))
    return FALSE;
  judge(led);
  judge_errors(led);
  return TRUE;
}

static void tell_unopened(const Led *led) {
  for (guint s = 0; s < led->lab->segments->len; s++) {
    guint flows = 0, opened = 0, told_of = 0;
    for (guint i = 0; i < led->flows->len; i++) {
      const Flow *flow = led->flows->pdata[i];
      flows += flow->segment == s && flow->tried;
      opened += flow->segment == s && flow->opened;
      told_of += flow->segment == s && flow->told_of;
    }
    if (flows && !opened)
      g_ptr_array_add(led->report->left_out,
                      g_strdup_printf("open flows of %s led to another exit: none opens as things are",
                                      lw_lab_segment(led->lab, s)->name));
    if (opened && !told_of)
      g_ptr_array_add(
          led->report->left_out,
          g_strdup_printf("ICMP errors by other exits about open flows of %s: none comes by their own either",
                          lw_lab_segment(led->lab, s)->name));
  }
  if (led->left_out)
    g_ptr_array_add(led->report->left_out, g_strdup_printf("%u open flows led to another exit, beyond %u",
                                                           led->left_out, FLOWS_MOST));
}

void lw_verify_led_flows(const LwLab *lab, const LwStatic *proof, const LwRouterCopy *copy,
                         LwVerifyReport *report) {
  g_autoptr(GPtrArray) flows = g_ptr_array_new_with_free_func(flow_free);
  g_autoptr(GPtrArray) tries = g_ptr_array_new_with_free_func(try_free);
  g_autoptr(GHashTable) talk = g_hash_table_new(NULL, NULL);
  Led led = {.lab = lab,
             .proof = proof,
             .copy = copy,
             .report = report,
             .flows = flows,
             .tries = tries,
             .talk = talk};
  g_autoptr(GError) error = NULL;
  led.base = 1u << 24; /* not those of the tunnels that were lost */
  find_flows(&led);
  for (led.exit = 0; led.exit <= lab->tunnels->len && !error; led.exit++) {
    g_autofree char *link = link_of_exit(lab, led.exit);
    led.link = link;
    if (!try_exit(&led, &error))
      g_ptr_array_add(report->left_out,
                      g_strdup_printf("open flows led to another exit: %s", error->message));
  }
  if (!error)
    tell_unopened(&led);
}
