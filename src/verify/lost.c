#include "verify/lost.h"

#include "policy/names.h"
#include "verify/packets.h"
#include "verify/points.h"

#include <string.h>

#define ROW_MOST 16 /* packets of a segment by a tunnel */
#define PIECES_MOST 12
#define FIRST_PORT 20000u

typedef enum { TRY_THERE, TRY_LOST, TRY_BARE, TRY_LAST } TryStage;

typedef struct {
  const LwStaticRow *row;
  LwHeader header;
  char *left[TRY_LAST]; /* nullable: the link that it left by */
} Try;

typedef struct {
  const LwLab *lab;
  const LwStatic *proof;
  const LwRouterCopy *copy;
  LwVerifyReport *report;
  GPtrArray *tries; /* of Try*, of one tunnel */
  const LwStaticRow *row;
  guint32 base; /* cookie of the first packet of the stage */
  guint32 next;
  TryStage stage;
} Lost;

static void try_free(gpointer data) {
  Try *try = data;
  for (guint i = 0; i < TRY_LAST; i++)
    g_free(try->left[i]);
  g_free(try);
}

/* --- which packets
 * --------------------------------------------------------------------------------------------------- */

gboolean lw_lost_is_machine(const LwSegment *s, const LwAddr *address) {
  LwRange range = lw_prefix_range(&s->subnet);
  return lw_range_contains(&range, address) && !lw_addr_equal(address, &range.first) &&
         !lw_addr_equal(address, &range.last) && !lw_addr_equal(address, &s->router);
}

static gboolean in_segment(const LwAddr *address, gpointer data) {
  const Lost *lost = data;
  return lw_lost_is_machine(lw_lab_segment(lost->lab, lost->row->zone.index), address);
}

gboolean lw_lost_is_far(const LwAddr *address, gpointer data) {
  LwPrefix special;
  for (guint i = 0; lw_intent_special(i, &special); i++)
    if (lw_prefix_contains(&special, address))
      return FALSE;
  return address->family == 4;
}

/* What must go by the tunnel now, as it is sent. */
static LwMdd carried(const LwStatic *proof, const LwStaticRow *row, guint tunnel) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == LW_ZONE_INTERNET && one->to.index == tunnel)
      set = lw_mdd_or(proof->pool, set, one->must);
  }
  return set;
}

static void add_try(Lost *lost, const LwHeader *header) {
  Try *try = g_new0(Try, 1);
  try->row = lost->row;
  try->header = *header;
  g_ptr_array_add(lost->tries, try);
}

/* First what the static half found, so that it is shown. */
static void add_found(const Lost *lost, GArray *points) {
  for (guint i = 0; i < lost->proof->violations->len; i++) {
    const LwStaticViolation *v = lost->proof->violations->pdata[i];
    if ((v->kind == LW_STATIC_FALLBACK || v->kind == LW_STATIC_BARE) && g_str_equal(v->from, lost->row->name))
      g_array_append_val(points, v->packet);
  }
}

static void add_row(Lost *lost, const LwStaticRow *row, guint tunnel) {
  LwMddPool *pool = lost->proof->pool;
  LwMdd set = carried(lost->proof, row, tunnel);
  g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(LwHeader));
  LwPointWishes wishes = {none, none, in_segment, lw_lost_is_far, lost};
  LwPointCount count = {0};
  if (set == LW_MDD_FALSE)
    return;
  lost->row = row;
  add_found(lost, points);
  lw_points_of(pool, set, PIECES_MOST, &wishes, points, &count);
  guint before = lost->tries->len;
  for (guint i = 0; i < points->len && lost->tries->len < before + ROW_MOST; i++) {
    const LwHeader *h = &g_array_index(points, LwHeader, i);
    if (lw_packets_contain(pool, set, h))
      add_try(lost, h);
  }
}

/* --- sending
 * ----------------------------------------------------------------------------------------------------------
 */

static void note_left(const char *link, const guint8 *bytes, gsize length, gpointer data) {
  Lost *lost = data;
  LwPacket packet;
  if (!lw_packet_parse(bytes, length, &packet) || packet.role != LW_PACKET_REQUEST)
    return; /* what the router itself says */
  guint32 number = packet.cookie - lost->base;
  if (number >= lost->tries->len)
    return;
  Try *try = lost->tries->pdata[number];
  if (!try->left[lost->stage])
    try->left[lost->stage] = g_strdup(link);
}

/* Each time a flow of its own: what was open before would go on as it did. */
static void send_all(Lost *lost, TryStage stage) {
  lost->stage = stage;
  lost->base = lost->next;
  for (guint i = 0; i < lost->tries->len; i++) {
    const Try *try = lost->tries->pdata[i];
    g_autofree char *leg = lw_name_router_leg(lw_lab_segment(lost->lab, try->row->zone.index));
    guint8 bytes[LW_PACKET_MAX];
    LwPacket packet = {.role = LW_PACKET_REQUEST,
                       .proto = lw_packet_proto(try->header.proto),
                       .protocol = try->header.proto,
                       .icmp_type = try->header.icmp_type,
                       .source = try->header.source,
                       .destination = try->header.destination,
                       .sport = (guint16)(FIRST_PORT + lost->next % FIRST_PORT),
                       .dport = try->header.dport,
                       .cookie = lost->next++};
    gsize length = lw_packet_build(&packet, bytes);
    lost->report->packets += lost->copy->send(leg, bytes, length, lost->copy->data) != 0;
  }
  lost->copy->receive(note_left, lost, lost->copy->data);
}

/* --- judging
 * ---------------------------------------------------------------------------------------------------------
 */

static void add_violation(const Lost *lost, const Try *try, const char *tunnel, guint more, gboolean bare) {
  const LwHeader *h = &try->header;
  LwFlowQuestion question = {.from = try->row->zone,
                             .to = {LW_ZONE_INTERNET, LW_NONE},
                             .source = h->source,
                             .destination = h->destination,
                             .proto = lw_packet_proto(h->proto),
                             .port = h->dport};
  LwFlowAnswer answer;
  lw_intent_answer(lost->lab, lost->proof->facts, &question, &answer);
  g_autofree char *packet = lw_header_format(h);
  g_autofree char *origin = lw_origin_format(&answer.origin);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s -> internet/%s: %s: with %s lost it must not go anywhere", try->row->name,
                         tunnel, packet, tunnel);
  if (bare)
    g_string_append(text,
                    ", and no route of its exit refuses it: sent in a copy of the router, it left as soon as "
                    "the rules behind those routes were out of its way");
  else
    g_string_append_printf(text, ", but sent in a copy of the router it left by %s", try->left[TRY_LOST]);
  if (more)
    g_string_append_printf(text, " (and %u more like it)", more);
  g_string_append_printf(text, "; %s", origin);
  g_ptr_array_add(lost->report->violations, g_string_free(text, FALSE));
  lw_flow_answer_clear(&answer);
}

/* The first packet of a row in that stage, and how many more. */
static void tell(const Lost *lost, const LwStaticRow *row, const char *tunnel, TryStage stage) {
  const Try *first = NULL;
  guint count = 0;
  for (guint i = 0; i < lost->tries->len; i++) {
    const Try *try = lost->tries->pdata[i];
    if (try->row != row || !try->left[stage])
      continue;
    first = first ? first : try;
    count++;
  }
  if (first)
    add_violation(lost, first, tunnel, count - 1, stage == TRY_BARE);
}

/* Whether the copy does as the router does, by what must go by the tunnel while it is there. */
static gboolean is_right(const Lost *lost, const LwStaticRow *row, const char *link) {
  for (guint i = 0; i < lost->tries->len; i++) {
    const Try *try = lost->tries->pdata[i];
    if (try->row == row && g_strcmp0(try->left[TRY_THERE], link) == 0)
      return TRUE;
  }
  return FALSE;
}

static void judge(const Lost *lost, const char *tunnel, const char *link) {
  const LwStaticRow *row = NULL;
  for (guint i = 0; i < lost->tries->len; i++) {
    const Try *try = lost->tries->pdata[i];
    if (try->row == row)
      continue;
    row = try->row;
    tell(lost, row, tunnel, TRY_LOST);
    tell(lost, row, tunnel, TRY_BARE);
    if (!is_right(lost, row, link))
      g_ptr_array_add(lost->report->left_out,
                      g_strdup_printf("%s with %s lost: nothing of it leaves by that tunnel as it is",
                                      row->name, tunnel));
  }
}

static gboolean try_lost(Lost *lost, const char *link, GError **error) {
  const LwRouterCopy *copy = lost->copy;
  send_all(lost, TRY_THERE);
  if (!copy->lose(link, TRUE, copy->data, error))
    return FALSE;
  send_all(lost, TRY_LOST);
  if (!copy->catch_rest(TRUE, copy->data, error))
    return FALSE;
  send_all(lost, TRY_BARE);
  return copy->catch_rest(FALSE, copy->data, error) && copy->lose(link, FALSE, copy->data, error);
}

gboolean lw_lost_is_at_gateway(const LwStaticRow *row) {
  return row->zone.kind == LW_ZONE_SEGMENT && row->machine == LW_NONE && row->start.ns && *row->start.ns;
}

void lw_verify_lost_tunnels(const LwLab *lab, const LwStatic *proof, const LwRouterCopy *copy,
                            LwVerifyReport *report) {
  Lost lost = {.lab = lab, .proof = proof, .copy = copy, .report = report, .next = 1};
  for (guint t = 0; t < lab->tunnels->len; t++) {
    const char *name = lw_lab_tunnel(lab, t)->name;
    g_autofree char *link = lw_name_tunnel(lw_lab_tunnel(lab, t));
    g_autoptr(GPtrArray) tries = lost.tries = g_ptr_array_new_with_free_func(try_free);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < proof->rows->len; i++)
      if (lw_lost_is_at_gateway(proof->rows->pdata[i]))
        add_row(&lost, lw_static_look(proof, i), t);
    if (tries->len == 0)
      continue; /* nobody uses it */
    if (try_lost(&lost, link, &error)) {
      judge(&lost, name, link);
      report->lost_tunnels++;
      continue;
    }
    g_ptr_array_add(report->left_out, g_strdup_printf("%s lost: %s", name, error->message));
    return;
  }
}
