/* pf's rules as src/reach follows them: the actions that only pf has, and, over whole configurations, the
 * same answer as the audit's own way of deciding one packet. */
#include "audit/world.h"
#include "fixture.h"
#include "providers/opnsense/pf-rules.h"
#include "reach/reach.h"

#include <string.h>

#define NS "router"

typedef struct {
  LwOpn *opn;
  LwOpnLinks *links;
  LwPf *pf;
  GHashTable *names;
  LwResourceSet *world;
  LwMddPool *pool;
  LwReach *reach;
} Router;

static Router router_of(LwOpn *opn /* takes */) {
  const char *const inside[] = {NS, NULL};
  Router r = {.opn = opn, .links = lw_opn_links_guess(opn), .pool = lw_mdd_pool_new()};
  r.pf = lw_pf_generate(opn, r.links, NULL);
  r.names = g_hash_table_new(g_str_hash, g_str_equal);
  r.world = lw_resource_set_new();
  lw_pf_world(r.pf, NS, r.names, r.world);
  r.reach = lw_reach_new(r.pool, r.world, inside);
  return r;
}

static void router_clear(Router *r) {
  lw_reach_free(r->reach);
  lw_mdd_pool_free(r->pool);
  lw_resource_set_free(r->world);
  g_hash_table_unref(r->names);
  lw_pf_free(r->pf);
  lw_opn_links_free(r->links);
  lw_opn_free(r->opn);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Router, router_clear)

static LwHeader header(const char *source, const char *destination, guint8 proto, guint16 dport) {
  LwHeader h = {.proto = proto, .sport = 50000, .dport = dport};
  g_assert_true(lw_addr_parse(source, &h.source) && lw_addr_parse(destination, &h.destination));
  if (proto == 6)
    h.tcp_flags = LW_TCP_SYN;
  if (proto == 1) {
    h.icmp_type = 8;
    h.sport = h.dport = 0;
  }
  return h;
}

/* Where it gets to: "router", the device that it leaves by, "nowhere"; the arrival stays with *arrivals. */
static const char *goes(Router *r, const char *device, const LwHeader *packet, LwCtState state,
                        GPtrArray **arrivals) {
  LwStart start = {LW_START_FRAME, NS, device};
  LwMdd one = lw_packets_of(r->pool, packet);
  g_clear_pointer(arrivals, g_ptr_array_unref);
  *arrivals = lw_reach_from(r->reach, &start, one, state, LW_REACH_MAY);
  if ((*arrivals)->len == 0)
    return "nowhere";
  const LwArrival *first = (*arrivals)->pdata[0];
  return first->link ? first->link : "router";
}

static void assert_goes(Router *r, const char *device, const LwHeader *packet, const char *where) {
  g_autoptr(GPtrArray) arrivals = NULL;
  g_assert_cmpstr(goes(r, device, packet, LW_CT_NEW, &arrivals), ==, where);
}

/* ---- the actions ---- */

#define PASS_BY_TUNNEL                                                                                       \
  "<rule><type>pass</type><interface>opt1</interface><ipprotocol>inet</ipprotocol><gateway>TUN_GW</gateway>" \
  "<source><network>opt1</network></source><destination><any>1</any></destination><descr>by "                \
  "tunnel</descr></rule>"

static void test_route_to(void) {
  FixtureParts parts = {.rules = PASS_BY_TUNNEL};
  g_auto(Router) r = router_of(fixture_router(&parts));
  LwHeader web = header("10.1.0.5", "9.9.9.9", 6, 443);
  assert_goes(&r, "vtnet2", &web, "wg0");
  /* the router itself too */
  LwHeader self = header("10.1.0.5", "10.1.0.1", 6, 443);
  assert_goes(&r, "vtnet2", &self, "wg0");
  LwHeader other = header("10.9.0.5", "9.9.9.9", 6, 443);
  assert_goes(&r, "vtnet2", &other, "nowhere");
}

/* A flow that is open goes where its first packet would; TCP that begins none passes no rule. */
static void test_states(void) {
  FixtureParts parts = {.rules = PASS_BY_TUNNEL};
  g_auto(Router) r = router_of(fixture_router(&parts));
  g_autoptr(GPtrArray) arrivals = NULL;
  LwHeader later = header("10.1.0.5", "9.9.9.9", 6, 443);
  later.tcp_flags = LW_TCP_ACK;
  g_assert_cmpstr(goes(&r, "vtnet2", &later, LW_CT_ESTABLISHED, &arrivals), ==, "wg0");
  g_assert_cmpstr(goes(&r, "vtnet2", &later, LW_CT_INVALID, &arrivals), ==, "nowhere");
}

static gboolean answered(Router *r, const char *device, const LwHeader *packet) {
  g_autoptr(GPtrArray) arrivals = NULL;
  g_autoptr(GPtrArray) steps = NULL;
  g_autoptr(LwPassages) passages = NULL;
  const LwStart start = {LW_START_FRAME, NS, device};
  g_assert_cmpstr(goes(r, device, packet, LW_CT_NEW, &arrivals), ==, "vtnet2");
  g_autoptr(GPtrArray) recorded = lw_reach_from_recorded(
      r->reach, &start, lw_packets_of(lw_reach_pool(r->reach), packet), LW_CT_NEW, LW_REACH_MAY, &passages);
  return lw_reach_answer(r->reach, passages, 0, packet, &steps);
}

/* What came in by a tunnel is answered by it with reply-to, and by the default route without. */
static void test_reply_to(void) {
  static const char *const rule =
      "<Firewall><Filter><rules><rule "
      "uuid=\"r\"><enabled>1</enabled><action>pass</action><quick>1</quick><interface>opt3</interface>"
      "<direction>in</direction><ipprotocol>inet</ipprotocol><protocol>TCP</protocol><source_net>any</"
      "source_net>"
      "<destination_net>10.1.0.5</destination_net>%s</rule></rules></Filter></Firewall>";
  static const char *const reply[] = {"", "<replyto>TUN_GW</replyto>"};
  for (guint with = 0; with <= 1; with++) {
    g_autofree char *text = g_strdup_printf(rule, reply[with]);
    FixtureParts parts = {.mvc = text};
    g_auto(Router) r = router_of(fixture_router(&parts));
    LwHeader packet = header("9.9.9.9", "10.1.0.5", 6, 443);
    g_assert_cmpint(answered(&r, "wg0", &packet), ==, with == 1);
  }
}

/* The first rule with quick decides, else the last that matches. */
static void test_last_match(void) {
  static const char *const rules =
      "<rule><floating>yes</floating><quick>0</quick><type>pass</type><interface>opt1</interface>"
      "<ipprotocol>inet</ipprotocol><protocol>tcp</protocol><source><any>1</any></"
      "source><destination><any>1</any>"
      "</destination><descr>one</descr></rule>"
      "<rule><floating>yes</floating><quick>0</quick><type>block</type><interface>opt1</interface>"
      "<ipprotocol>inet</ipprotocol><protocol>tcp</protocol><source><any>1</any></"
      "source><destination><any>1</any>"
      "<port>80</port></destination><descr>two</descr></rule>";
  FixtureParts parts = {.rules = rules};
  g_auto(Router) r = router_of(fixture_router(&parts));
  LwHeader one = header("10.1.0.5", "10.2.0.7", 6, 443), two = header("10.1.0.5", "10.2.0.7", 6, 80);
  assert_goes(&r, "vtnet2", &one, "vtnet3");
  assert_goes(&r, "vtnet2", &two, "nowhere");
}

/* What the file does not hold may be in it: a rule that blocks it may not, and one that passes it may. */
static void test_unknown_alias(void) {
  static const char *const mvc =
      "<Firewall><Alias><aliases><alias uuid=\"a\"><enabled>1</enabled><name>listed</name>"
      "<type>urltable</type><content>https://example.org/list</content></alias></aliases></Alias></Firewall>";
  static const char *const rules =
      "<rule><type>pass</type><interface>opt1</interface><ipprotocol>inet</ipprotocol><source><network>opt1"
      "</network></source><destination><address>listed</address></destination><descr>to the "
      "list</descr></rule>";
  FixtureParts parts = {.rules = rules, .mvc = mvc};
  g_auto(Router) r = router_of(fixture_router(&parts));
  g_autoptr(GPtrArray) arrivals = NULL;
  LwHeader web = header("10.1.0.5", "9.9.9.9", 6, 443);
  LwStart start = {LW_START_FRAME, NS, "vtnet2"};
  g_assert_cmpstr(goes(&r, "vtnet2", &web, LW_CT_NEW, &arrivals), ==, "vtnet0");
  g_autoptr(GPtrArray) sure =
      lw_reach_from(r.reach, &start, lw_packets_of(r.pool, &web), LW_CT_NEW, LW_REACH_MUST);
  g_assert_cmpuint(sure->len, ==, 0);
  g_assert_cmpuint(g_hash_table_size(lw_reach_unknowns(r.reach)), >, 0);
}

/* ---- two ways, one answer ---- */

typedef struct {
  Router *router;
  LwAuditWorld *world;
  GArray *places; /* of LwAddr */
  guint asked, wrong;
} Check;

static void add_place(GArray *places, LwAddr addr) {
  g_array_append_val(places, addr);
}

/* Of every prefix that the rules or interfaces name: its ends, what is beside them. */
static void collect(Check *check) {
  static const char *const far[] = {"9.9.9.9",    "8.8.8.8",      "1.0.0.1",   "10.77.1.1",
                                    "172.20.1.1", "192.168.77.7", "100.64.3.4"};
  LwAddr addr;
  for (guint i = 0; i < G_N_ELEMENTS(far); i++)
    if (lw_addr_parse(far[i], &addr))
      add_place(check->places, addr);
  for (guint i = 0; i < check->router->links->links->len; i++) {
    const LwPrefix *own = &g_array_index(check->router->links->links, LwOpnLink, i).address4;
    if (!lw_addr_is_set(&own->addr))
      continue;
    LwRange range = lw_prefix_range(own);
    static const int offsets[] = {0, 4, 24, 49, 199};
    add_place(check->places, own->addr);
    for (guint n = 0; n < G_N_ELEMENTS(offsets); n++) {
      addr = lw_addr_add(&range.first, offsets[n] + 1);
      if (lw_prefix_contains(own, &addr) && !lw_addr_equal(&addr, &range.last))
        add_place(check->places, addr);
    }
  }
}

static const char *decided(const Check *check, guint zone, const LwHeader *h) {
  LwAuditDecision decision;
  LwAuditPacket packet = {.family = 4,
                          .source = lw_ip_of(&h->source),
                          .destination = lw_ip_of(&h->destination),
                          .protocol = h->proto,
                          .sport = h->sport,
                          .dport = h->dport,
                          .icmp_type = h->icmp_type};
  lw_audit_decide(check->world, zone, &packet, &decision);
  if (!decision.pass)
    return "nowhere";
  return decision.where == LW_TO_SELF ? "router"
                                      : lw_audit_zone(check->world, decision.zone)->link->interface->device;
}

static gboolean reached_by(const GPtrArray *arrivals, LwMddPool *pool, const char *where, LwMdd one) {
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    if (lw_mdd_intersects(pool, arrival->packets, one))
      return g_str_equal(arrival->link ? arrival->link : "router", where);
  }
  return g_str_equal(where, "nowhere");
}

static void ask_zone(Check *check, guint zone) {
  static const struct {
    guint8 proto;
    guint16 port;
  } services[] = {{1, 0},   {6, 22},   {17, 53},   {17, 67}, {17, 68}, {6, 443},
                  {6, 445}, {17, 123}, {6, 51413}, {6, 853}, {47, 0}};
  Router *r = check->router;
  LwStart start = {LW_START_FRAME, NS, lw_audit_zone(check->world, zone)->link->interface->device};
  g_autoptr(GPtrArray) arrivals = lw_reach_from(r->reach, &start, LW_MDD_TRUE, LW_CT_NEW, LW_REACH_MAY);
  const LwIpSet *network = lw_audit_zone(check->world, zone)->network;
  for (guint s = 0; s < check->places->len; s++)
    for (guint d = 0; d < check->places->len; d++)
      for (guint p = 0; p < G_N_ELEMENTS(services); p++) {
        LwHeader h = {.source = g_array_index(check->places, LwAddr, s),
                      .destination = g_array_index(check->places, LwAddr, d),
                      .proto = services[p].proto,
                      .sport = services[p].port == 67 ? 68 : 50000,
                      .dport = services[p].port};
        h.tcp_flags = h.proto == 6 ? LW_TCP_SYN : 0;
        h.icmp_type = h.proto == 1 ? 8 : 0;
        h.sport = h.proto == 1 || h.proto == 47 ? 0 : h.sport;
        /* of its own network all, of others some */
        if (s % 7 && !lw_ip_set_contains(network, lw_ip_of(&h.source)))
          continue;
        const char *where = decided(check, zone, &h);
        check->asked++;
        if (reached_by(arrivals, r->pool, where, lw_packets_of(r->pool, &h)) || check->wrong++ > 9)
          continue;
        g_autofree char *text = lw_header_format(&h);
        g_test_message("%s: %s: the audit says %s", start.link, text, where);
      }
}

static void check_router(Router *r) {
  Check check = {r, lw_audit_world_new(r->pf, 4), g_array_new(FALSE, FALSE, sizeof(LwAddr)), 0, 0};
  collect(&check);
  for (guint i = 0; i < check.world->zones->len; i++)
    ask_zone(&check, i);
  g_test_message("%u packets asked", check.asked);
  lw_audit_world_free(check.world);
  g_array_unref(check.places);
  g_assert_cmpuint(check.asked, >, 10000);
  g_assert_cmpuint(check.wrong, ==, 0);
}

static void test_both_ways(gconstpointer data) {
  g_auto(Router) r = router_of(fixture_parse(data));
  check_router(&r);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/opnsense/pf-rules/route-to", test_route_to);
  g_test_add_func("/opnsense/pf-rules/states", test_states);
  g_test_add_func("/opnsense/pf-rules/reply-to", test_reply_to);
  g_test_add_func("/opnsense/pf-rules/last-match", test_last_match);
  g_test_add_func("/opnsense/pf-rules/unknown-alias", test_unknown_alias);
  g_test_add_data_func("/opnsense/pf-rules/both-ways/mvc", "guide-mvc.xml", test_both_ways);
  g_test_add_data_func("/opnsense/pf-rules/both-ways/legacy", "guide-legacy.xml", test_both_ways);
  g_test_add_data_func("/opnsense/pf-rules/both-ways/homelab", "../../golden/opnsense/homelab.xml",
                       test_both_ways);
  g_test_add_data_func("/opnsense/pf-rules/both-ways/multihomed", "../../golden/opnsense/multihomed.xml",
                       test_both_ways);
  return g_test_run();
}
