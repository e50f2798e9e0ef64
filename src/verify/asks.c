/* Which address does the far end see, and whose resolver answers? */
#include "verify/live.h"

#include "policy/names.h"

#include <string.h>

#define ECHO_PORT 7
#define DNS_PORT 53
#define NAME "resolver.test"
#define FOREIGN "1.2.3.4" /* public, and no resolver of anybody here */

static LwProbe *add_ask(LwLive *live, LwProbeKind kind, guint place, LwAddr destination, guint16 port) {
  LwProbe *probe = lw_live_add_probe(live, kind, place, LW_VIA_GATEWAY);
  LwPacket packet = {.proto = LW_PROTO_UDP,
                     .source = lw_live_place(live, place)->address,
                     .destination = destination,
                     .sport = probe->sport,
                     .dport = port,
                     .cookie = probe->cookie};
  guint8 query[LW_DNS_QUERY_MAX];
  static const guint8 hello[] = "lanward";
  packet.payload = hello;
  packet.payload_length = sizeof hello - 1;
  if (kind == LW_PROBE_DNS) {
    packet.payload_length = lw_dns_query((guint16)probe->cookie, NAME, query);
    packet.payload = query;
  }
  probe->destination = destination;
  probe->dport = port;
  probe->length = lw_packet_build(&packet, probe->bytes);
  g_hash_table_insert(live->by_port, GUINT_TO_POINTER((guint)probe->sport), probe);
  return probe;
}

static LwAddr known(GHashTable *table, const char *name) {
  const LwAddr *addr = table ? g_hash_table_lookup(table, name) : NULL;
  return addr ? *addr : LW_ADDR_NONE;
}

static LwAddr other_gateway(const LwLive *live, guint segment) {
  for (guint i = 0; i < live->lab->segments->len; i++)
    if (i != segment)
      return lw_lab_segment(live->lab, i)->router;
  return LW_ADDR_NONE;
}

static void add_dns(LwLive *live, guint place, const LwAsk *like, LwAskWhom whom, LwAddr to,
                    gboolean may_be_empty) {
  if (!lw_addr_is_set(&to))
    return;
  LwProbe *probe = add_ask(live, LW_PROBE_DNS, place, to, DNS_PORT);
  probe->ask = *like;
  probe->ask.whom = whom;
  probe->ask.may_be_empty = may_be_empty;
}

static void add_asks_of(LwLive *live, guint place) {
  const LwProbePlace *from = lw_live_place(live, place);
  const LwSegment *s = lw_lab_segment(live->lab, from->zone.index);
  /* any public address would do: which exit, if any */
  LwFlowQuestion question = {.from = from->zone,
                             .to = {LW_ZONE_INTERNET, LW_NONE},
                             .source = from->address,
                             .destination = lw_addr_is_set(&live->world->echo) ? live->world->echo
                                                                               : lw_addr_from_v4(0x01020304),
                             .proto = LW_PROTO_UDP,
                             .port = ECHO_PORT};
  LwFlowAnswer answer;
  lw_intent_answer(live->lab, live->facts, &question, &answer);
  LwExitCheck *check = g_new0(LwExitCheck, 1);
  check->segment = g_strdup(s->name);
  check->source = lw_addr_format(&from->address);
  const char *exit = answer.exit == LW_NONE ? "direct" : lw_lab_tunnel(live->lab, answer.exit)->name;
  check->exit = g_strdup(answer.allow ? exit : "none");
  g_ptr_array_add(live->report->exits, check);
  LwAsk ask = {
      .check = live->report->exits->len - 1, .origin = answer.origin, .must_be_empty = !answer.allow};
  gboolean direct = answer.exit == LW_NONE;
  if (lw_addr_is_set(&live->world->echo)) {
    LwProbe *probe = add_ask(live, LW_PROBE_ECHO, place, live->world->echo, ECHO_PORT);
    probe->ask = ask;
    if (answer.allow)
      probe->ask.expected = direct ? live->world->direct_public : known(live->world->exit_public, exit);
  }
  if (answer.allow && direct)
    ask.expected = live->world->direct_resolver;
  else if (answer.allow &&
           s->dns->len == 0) /* with dns: the file names another resolver, reached by that exit */
    ask.expected = known(live->world->resolver, exit);
  ask.origin = s->dns_origin.file ? s->dns_origin : answer.origin;
  if (lw_addr_is_set(&ask.expected))
    check->resolver_expected = lw_addr_format(&ask.expected);
  add_dns(live, place, &ask, LW_ASK_GATEWAY, s->router, FALSE);
  LwAddr foreign = LW_ADDR_NONE;
  if (lw_addr_parse(FOREIGN, &foreign))
    add_dns(live, place, &ask, LW_ASK_FOREIGN, foreign, s->dns_foreign == LW_DNS_REFUSE);
  add_dns(live, place, &ask, LW_ASK_OTHER_GATEWAY, other_gateway(live, from->zone.index), TRUE);
  lw_flow_answer_clear(&answer);
}

void lw_live_add_asks(LwLive *live) {
  for (guint i = 0; i < live->world->places->len; i++) {
    const LwProbePlace *place = lw_live_place(live, i);
    if (place->zone.kind == LW_ZONE_SEGMENT && lw_addr_is_set(&place->address))
      add_asks_of(live, i);
  }
}

/* The echo server says the address as text; whatever else it says is no address. */
static void hear_echo(LwProbe *probe, const LwPacket *packet) {
  char text[48];
  gsize length = MIN(packet->payload_length, sizeof text - 1);
  memcpy(text, packet->payload, length);
  text[length] = '\0';
  lw_addr_parse(g_strstrip(text), &probe->ask.got);
}

void lw_live_hear_answer(LwProbe *probe, const LwPacket *packet) {
  if (packet->proto != LW_PROTO_UDP || packet->sport != probe->dport || packet->dport != probe->sport ||
      !lw_addr_equal(&packet->source, &probe->destination))
    return;
  if (probe->kind == LW_PROBE_ECHO) {
    probe->answered = TRUE;
    hear_echo(probe, packet);
  } else if (lw_dns_parse((guint16)probe->cookie, packet->payload, packet->payload_length, &probe->ask.got) !=
             LW_DNS_NOT_OURS) {
    probe->answered = TRUE;
  }
}

/* Nothing more to wait for. */
gboolean lw_live_ask_is_satisfied(const LwProbe *probe) {
  const LwAsk *ask = &probe->ask;
  if (probe->answered || probe->blocked || ask->must_be_empty || ask->may_be_empty)
    return TRUE;
  return probe->kind == LW_PROBE_DNS && !lw_addr_is_set(&ask->expected); /* not compared */
}

static char *format_or_nothing(const LwAddr *addr) {
  return lw_addr_is_set(addr) ? lw_addr_format(addr) : g_strdup("nothing");
}

/* NULL: as it must be; else what is wrong. */
static char *wrong_with(const LwProbe *probe) {
  const LwAsk *ask = &probe->ask;
  gboolean got = lw_addr_is_set(&ask->got), expected = lw_addr_is_set(&ask->expected);
  g_autofree char *seen = format_or_nothing(&ask->got);
  g_autofree char *wanted = format_or_nothing(&ask->expected);
  if (probe->blocked)
    return g_strdup_printf("cannot prove: %s", probe->blocked);
  if (probe->kind == LW_PROBE_ECHO) {
    if (ask->must_be_empty)
      return probe->answered ? g_strdup_printf("must not reach the internet, but the far end saw %s", seen)
                             : NULL;
    if (!probe->answered)
      return g_strdup("must reach the internet, but the far end did not answer");
    if (!got)
      return g_strdup("the far end's answer is no address");
    if (!expected || lw_addr_equal(&ask->got, &ask->expected))
      return NULL;
    return g_strdup_printf("must be seen as %s, but the far end saw %s", wanted, seen);
  }
  static const char *const whom[] = {"its gateway", "a foreign resolver", "another segment's gateway"};
  const char *asked = whom[ask->whom];
  if (ask->must_be_empty)
    return got ? g_strdup_printf("DNS of %s must tell nothing of the outside, but said %s", asked, seen)
               : NULL;
  if (!expected || (got && lw_addr_equal(&ask->got, &ask->expected)) || (!got && ask->may_be_empty))
    return NULL;
  return g_strdup_printf("DNS of %s must come from the exit's resolver (%s), but said %s", asked, wanted,
                         seen);
}

/* A silence proves nothing unless something else came back by the same way. */
static gboolean is_unproved(const LwLive *live, const LwProbe *probe) {
  const LwProbe *sentinel = live->sentinel[probe->place];
  return probe->ask.must_be_empty && !probe->answered && !(sentinel && sentinel->answered);
}

static void judge_ask(LwLive *live, LwProbe *probe) {
  LwExitCheck *check = g_ptr_array_index(live->report->exits, probe->ask.check);
  if (lw_addr_is_set(&probe->ask.got)) {
    if (probe->kind == LW_PROBE_ECHO)
      check->seen = lw_addr_format(&probe->ask.got);
    else if (probe->ask.whom == LW_ASK_GATEWAY)
      check->resolver_seen = lw_addr_format(&probe->ask.got);
  }
  g_autofree char *wrong = is_unproved(live, probe)
                               ? g_strdup("cannot prove: the ping sent after it did not come back")
                               : wrong_with(probe);
  if (!wrong)
    return;
  check->ok = FALSE;
  g_autofree char *origin = lw_origin_format(&probe->ask.origin);
  g_ptr_array_add(live->report->violations, g_strdup_printf("%s (%s) by %s: %s; %s", check->segment,
                                                            check->source, check->exit, wrong, origin));
}

void lw_live_judge_asks(LwLive *live) {
  for (guint i = 0; i < live->report->exits->len; i++)
    ((LwExitCheck *)g_ptr_array_index(live->report->exits, i))->ok = TRUE;
  for (guint i = 0; i < live->probes->len; i++) {
    LwProbe *probe = g_ptr_array_index(live->probes, i);
    if (probe->kind == LW_PROBE_ECHO || probe->kind == LW_PROBE_DNS)
      judge_ask(live, probe);
  }
}
