/* The table of what a file means, line by line, for the lab of the design's first page. */
#include "lab.h"

#include "policy/intent.h"

#include <stdlib.h>
#include <string.h>

/* "lan10", "lan20" …, "host", "router", "internet", "internet:ovpn", "home-lan", "containers" */
static LwZone zone_of(const LwLab *lab, const char *text) {
  if (g_str_equal(text, "host"))
    return (LwZone){LW_ZONE_HOST, LW_NONE};
  if (g_str_equal(text, "router"))
    return (LwZone){LW_ZONE_ROUTER, LW_NONE};
  if (g_str_equal(text, "home-lan"))
    return (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
  if (g_str_equal(text, "containers"))
    return (LwZone){LW_ZONE_NETWORK, 0};
  if (g_str_has_prefix(text, "internet")) {
    const char *colon = strchr(text, ':');
    return (LwZone){LW_ZONE_INTERNET, colon ? lw_lab_find_tunnel(lab, colon + 1) : LW_NONE};
  }
  guint segment = lw_lab_find_segment(lab, text);
  g_assert_cmpuint(segment, !=, LW_NONE);
  return (LwZone){LW_ZONE_SEGMENT, segment};
}

static LwFlowQuestion question_of(const LwLab *lab, const char *const *row) {
  LwFlowQuestion q = {.from = zone_of(lab, row[0]),
                      .to = zone_of(lab, row[2]),
                      .source = test_addr(row[1]),
                      .destination = test_addr(row[3]),
                      .proto = LW_PROTO_ICMP};
  const char *slash = strchr(row[4], '/');
  if (slash) {
    q.proto = g_str_has_prefix(row[4], "tcp") ? LW_PROTO_TCP : LW_PROTO_UDP;
    q.port = (guint16)atoi(slash + 1);
  }
  return q;
}

/* from, source, to, destination, service, answer: "-" denied, "+" allowed, "+NAME" allowed by that tunnel */
static const char *const table[][6] = {
    /* any segment: its gateway gives DHCP, DNS, ping, nothing else */
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "icmp", "+"},
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "udp/53", "+"},
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "tcp/53", "+"},
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "udp/67", "+"},
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "tcp/22", "-"},
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "tcp/443", "-"},
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "udp/123", "-"},
    {"lan10", "192.168.10.31", "router", "192.168.10.1", "tcp/853", "-"},
    {"lan10", "192.168.10.31", "router", "192.168.20.1", "icmp", "-"},
    {"lan10", "192.168.10.31", "router", "192.168.99.1", "tcp/443", "-"},
    {"lan40", "192.168.40.10", "router", "192.168.99.1", "tcp/22", "-"},
    {"lan50", "192.168.50.25", "router", "192.168.50.1", "udp/53", "+"},
    /* egress */
    {"lan10", "192.168.10.31", "internet", "8.8.4.4", "tcp/443", "+"},
    {"lan10", "192.168.10.31", "internet", "8.8.8.8", "udp/53", "-"},
    {"lan10", "192.168.10.31", "internet", "8.8.8.8", "tcp/53", "-"},
    {"lan10", "192.168.10.31", "internet", "8.8.8.8", "tcp/853", "-"},
    {"lan10", "192.168.10.31", "internet", "10.1.2.3", "icmp", "-"},
    {"lan10", "192.168.10.31", "internet", "172.31.0.1", "icmp", "-"},
    {"lan10", "192.168.10.31", "internet", "192.168.77.1", "icmp", "-"},
    {"lan10", "192.168.10.31", "internet", "100.64.0.1", "icmp", "-"},
    {"lan10", "192.168.10.31", "internet", "100.128.0.1", "icmp", "+"},
    {"lan10", "192.168.10.31", "internet", "169.254.1.1", "icmp", "-"},
    {"lan10", "192.168.10.31", "internet", "198.18.0.1", "icmp", "-"},
    {"lan10", "192.168.10.31", "internet", "198.20.0.1", "icmp", "+"},
    {"lan10", "192.168.10.31", "internet", "203.0.113.9", "icmp", "-"},
    {"lan10", "192.168.10.31", "internet", "224.0.0.251", "udp/5353", "-"},
    {"lan10", "192.168.10.31", "internet", "255.255.255.255", "udp/67", "-"},
    {"lan10", "192.168.10.31", "home-lan", "192.168.1.1", "tcp/80", "-"},
    {"lan20", "192.168.20.5", "internet", "8.8.4.4", "udp/443", "+ovpn"},
    {"lan30", "192.168.30.19", "internet", "8.8.4.4", "udp/443", "+se"},
    {"lan30", "192.168.30.20", "internet", "8.8.4.4", "udp/443", "+de"},
    {"lan30", "192.168.30.29", "internet", "8.8.4.4", "udp/443", "+de"},
    {"lan30", "192.168.30.30", "internet", "8.8.4.4", "udp/443", "+us"},
    {"lan30", "192.168.30.39", "internet", "8.8.4.4", "udp/443", "+us"},
    {"lan30", "192.168.30.40", "internet", "8.8.4.4", "udp/443", "+se"},
    {"lan50", "192.168.50.25", "internet", "8.8.4.4", "tcp/443", "-"},
    {"lan50", "192.168.50.25", "internet", "8.8.4.4", "icmp", "-"},
    /* a source that is not of the segment */
    {"lan10", "192.168.20.5", "internet", "8.8.4.4", "icmp", "-"},
    {"lan10", "192.168.10.1", "internet", "8.8.4.4", "icmp", "-"},
    /* allow */
    {"lan10", "192.168.10.31", "host", "192.168.99.15", "icmp", "+"},
    {"lan10", "192.168.10.31", "host", "192.168.99.15", "tcp/445", "+"},
    {"lan10", "192.168.10.31", "host", "192.168.99.15", "udp/445", "+"},
    {"lan10", "192.168.10.31", "host", "192.168.99.15", "tcp/444", "-"},
    {"lan10", "192.168.10.31", "host", "192.168.99.15", "tcp/446", "-"},
    {"lan10", "192.168.10.31", "host", "192.168.99.15", "tcp/22", "-"},
    {"lan10", "192.168.10.31", "host", "192.168.99.15", "tcp/7080", "-"},
    {"lan10", "192.168.10.31", "host", "192.168.99.16", "icmp", "-"},
    {"lan50", "192.168.50.2", "host", "192.168.99.15", "icmp", "+"},
    {"lan50", "192.168.50.63", "host", "192.168.99.15", "icmp", "+"},
    {"lan50", "192.168.50.64", "host", "192.168.99.15", "icmp", "-"},
    {"lan50", "192.168.50.50", "host", "192.168.99.15", "tcp/445", "+"},
    {"lan50", "192.168.50.51", "host", "192.168.99.15", "tcp/445", "-"},
    {"lan50", "192.168.50.51", "host", "192.168.99.15", "icmp", "+"},
    /* trust */
    {"lan40", "192.168.40.10", "host", "192.168.99.15", "tcp/22", "+"},
    {"lan40", "192.168.40.10", "host", "192.168.99.15", "udp/9", "+"},
    {"lan40", "192.168.40.10", "containers", "172.17.0.2", "tcp/80", "+"},
    {"lan10", "192.168.10.31", "containers", "172.17.0.2", "tcp/80", "-"},
    {"host", "192.168.99.15", "lan40", "192.168.40.10", "tcp/22", "+"},
    {"containers", "172.17.0.2", "lan40", "192.168.40.10", "tcp/22", "+"},
    {"containers", "172.17.0.2", "lan10", "192.168.10.31", "tcp/22", "-"},
    {"host", "192.168.99.15", "lan10", "192.168.10.31", "icmp", "-"},
    {"host", "192.168.99.15", "lan50", "192.168.50.25", "tcp/22", "-"},
    /* management */
    {"host", "192.168.99.15", "router", "192.168.99.1", "icmp", "+"},
    {"host", "192.168.99.15", "router", "192.168.99.1", "tcp/22", "+"},
    {"host", "192.168.99.15", "router", "192.168.99.1", "tcp/80", "+"},
    {"host", "192.168.99.15", "router", "192.168.99.1", "tcp/443", "+"},
    {"host", "192.168.99.15", "router", "192.168.99.1", "tcp/8080", "-"},
    {"host", "192.168.99.15", "router", "192.168.99.1", "udp/443", "-"},
    {"host", "192.168.99.15", "router", "192.168.40.1", "tcp/80", "-"},
    /* segments */
    {"lan10", "192.168.10.31", "lan20", "192.168.20.5", "icmp", "-"},
    {"lan40", "192.168.40.10", "lan10", "192.168.10.31", "tcp/22", "-"},
    {"lan10", "192.168.10.200", "lan10", "192.168.10.31", "tcp/22", "+"},
    /* forwards */
    {"internet:ovpn", "8.8.4.4", "router", "10.8.0.2", "tcp/51413", "+ovpn"},
    {"internet:ovpn", "8.8.4.4", "router", "10.8.0.2", "udp/51413", "+ovpn"},
    {"internet:ovpn", "8.8.4.4", "router", "10.8.0.2", "tcp/51412", "-"},
    {"internet:ovpn", "8.8.4.4", "router", "10.8.0.2", "icmp", "-"},
    {"internet:se", "8.8.4.4", "router", "10.64.0.2", "tcp/51413", "-"},
    {"internet", "8.8.4.4", "router", "192.168.1.2", "tcp/51413", "-"},
    {"internet", "8.8.4.4", "router", "192.168.1.2", "tcp/22", "-"},
    {"home-lan", "192.168.1.7", "router", "192.168.1.2", "tcp/80", "-"},
    {"internet", "8.8.4.4", "lan10", "192.168.10.31", "tcp/22", "-"},
    {"home-lan", "192.168.1.7", "host", "192.168.99.15", "tcp/22", "-"},
};

static void check_row(const LwLab *lab, const LwFacts *facts, const char *const *row) {
  LwFlowQuestion question = question_of(lab, row);
  LwFlowAnswer answer;
  lw_intent_answer(lab, facts, &question, &answer);
  g_autofree char *got = g_strdup_printf("%s%s", answer.allow ? "+" : "-",
                                         answer.exit == LW_NONE ? "" : lw_lab_tunnel(lab, answer.exit)->name);
  if (!g_str_equal(got, row[5])) {
    g_test_message("%s (%s) -> %s %s %s: %s and not %s (%s)", row[0], row[1], row[2], row[3], row[4], got,
                   row[5], answer.reason);
    g_test_fail();
  }
  g_assert_nonnull(answer.reason);
  g_assert_cmpuint(strlen(answer.reason), >, 0);
  /* who is allowed anything in a segment may enter it */
  if (answer.allow && question.to.kind == LW_ZONE_SEGMENT)
    g_assert_true(lw_intent_may_enter(lab, &question.from, question.to.index));
  lw_flow_answer_clear(&answer);
}

static void test_table(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwFacts) facts = test_facts();
  for (guint i = 0; i < G_N_ELEMENTS(table); i++)
    check_row(lab, facts, table[i]);
}

static void check(const LwLab *lab, const LwFacts *facts, const char *from, const char *source,
                  const char *to, const char *destination, const char *service, const char *answer) {
  const char *const row[] = {from, source, to, destination, service, answer};
  check_row(lab, facts, row);
}

static LwAllow *add_allow(GPtrArray *lines, LwTargetKind kind, guint index) {
  LwAllow *allow = lw_allow_new();
  allow->target.kind = kind;
  allow->target.index = index;
  allow->origin = (LwOrigin){g_intern_static_string("more.yaml"), 7, 9};
  g_ptr_array_add(lines, allow);
  return allow;
}

static void test_more_lines(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwFacts) facts = test_facts();
  GPtrArray *lan10 = lw_lab_segment(lab, LAN10)->allow;
  LwAllow *to_seedbox = add_allow(lan10, LW_TARGET_MACHINE, LAN20);
  to_seedbox->target.machine = lw_lab_find_machine(lab, "seedbox");
  LwPorts web = {LW_PROTO_TCP, 8000, 8100};
  g_array_append_val(to_seedbox->ports, web);
  check(lab, facts, "lan10", "192.168.10.31", "lan20", "192.168.20.5", "tcp/8000", "+");
  check(lab, facts, "lan10", "192.168.10.31", "lan20", "192.168.20.5", "tcp/8100", "+");
  check(lab, facts, "lan10", "192.168.10.31", "lan20", "192.168.20.5", "tcp/8101", "-");
  check(lab, facts, "lan10", "192.168.10.31", "lan20", "192.168.20.5", "udp/8000", "-");
  check(lab, facts, "lan10", "192.168.10.31", "lan20", "192.168.20.31", "tcp/8000", "-");
  check(lab, facts, "lan20", "192.168.20.5", "lan10", "192.168.10.31", "tcp/8000", "-");
  add_allow(lan10, LW_TARGET_HOME_LAN, LW_NONE);
  check(lab, facts, "lan10", "192.168.10.31", "home-lan", "192.168.1.1", "tcp/80", "+");
  check(lab, facts, "lan10", "192.168.10.31", "home-lan", "192.168.1.1", "udp/53", "-");
  LwAllow *ten = add_allow(lan10, LW_TARGET_PREFIX, LW_NONE);
  g_assert_true(lw_prefix_parse("10.1.0.0/16", &ten->target.prefix));
  check(lab, facts, "lan10", "192.168.10.31", "internet", "10.1.2.3", "tcp/80", "+");
  check(lab, facts, "lan10", "192.168.10.31", "internet", "10.2.2.3", "tcp/80", "-");
  add_allow(lan10, LW_TARGET_ROUTER_NTP, LW_NONE);
  check(lab, facts, "lan10", "192.168.10.31", "router", "192.168.10.1", "udp/123", "+");
  check(lab, facts, "lan10", "192.168.10.31", "router", "192.168.10.1", "tcp/123", "-");
  add_allow(lw_lab_segment(lab, LAN50)->host_allow, LW_TARGET_SEGMENT, LAN50);
  check(lab, facts, "host", "192.168.99.15", "lan50", "192.168.50.25", "tcp/22", "+");
  check(lab, facts, "lan50", "192.168.50.25", "host", "192.168.99.15", "tcp/22", "-");
  lw_lab_segment(lab, LAN10)->isolate = TRUE;
  check(lab, facts, "lan10", "192.168.10.200", "lan10", "192.168.10.31", "tcp/22", "-");
}

static void test_state(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwFacts) facts = test_facts();
  g_hash_table_insert(facts->active, g_strdup("lan30"), g_strdup("us"));
  check(lab, facts, "lan30", "192.168.30.200", "internet", "8.8.4.4", "icmp", "+us");
  check(lab, facts, "lan30", "192.168.30.20", "internet", "8.8.4.4", "icmp", "+de");
  g_hash_table_add(facts->cut, g_strdup("seedbox"));
  check(lab, facts, "internet:ovpn", "8.8.4.4", "router", "10.8.0.2", "tcp/51413", "-");
  g_hash_table_remove_all(facts->cut);
  g_hash_table_insert(facts->positions, g_strdup("seedbox/0"), g_strdup("lan50"));
  check(lab, facts, "internet:ovpn", "8.8.4.4", "router", "10.8.0.2", "tcp/51413", "-");
}

static void test_origin(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwFacts) facts = test_facts();
  const LwSegment *lan50 = lw_lab_segment(lab, LAN50);
  const char *const row[] = {"lan50", "192.168.50.64", "host", "192.168.99.15", "icmp"};
  LwFlowQuestion question = question_of(lab, row);
  LwFlowAnswer answer;
  lw_intent_answer(lab, facts, &question, &answer);
  g_assert_cmpuint(answer.origin.line, ==, ((LwAllow *)lan50->allow->pdata[0])->origin.line);
  g_assert_nonnull(strstr(answer.reason, "does not cover this source"));
  lw_flow_answer_clear(&answer);
  question.source = test_addr("fe80::1");
  lw_intent_answer(lab, facts, &question, &answer);
  g_assert_false(answer.allow);
  lw_flow_answer_clear(&answer);
}

static gboolean may_enter(const LwLab *lab, const char *from, const char *to) {
  LwZone zone = zone_of(lab, from);
  return lw_intent_may_enter(lab, &zone, zone_of(lab, to).index);
}

static void test_may_enter(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_assert_true(may_enter(lab, "lan10", "lan10"));
  g_assert_false(may_enter(lab, "lan10", "lan20"));
  add_allow(lw_lab_segment(lab, LAN10)->allow, LW_TARGET_SEGMENT, LAN20);
  g_assert_true(may_enter(lab, "lan10", "lan20"));
  g_assert_false(may_enter(lab, "lan20", "lan10"));
  add_allow(lw_lab_segment(lab, LAN50)->allow, LW_TARGET_MACHINE, LAN20);
  g_assert_true(may_enter(lab, "lan50", "lan20"));
  g_assert_true(may_enter(lab, "host", "lan40"));
  g_assert_true(may_enter(lab, "containers", "lan40"));
  g_assert_false(may_enter(lab, "host", "lan50"));
  add_allow(lw_lab_segment(lab, LAN50)->host_allow, LW_TARGET_SEGMENT, LAN50);
  g_assert_true(may_enter(lab, "host", "lan50"));
  g_assert_false(may_enter(lab, "containers", "lan50"));
  g_assert_false(may_enter(lab, "internet:ovpn", "lan20"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/intent/table", test_table);
  g_test_add_func("/intent/may-enter", test_may_enter);
  g_test_add_func("/intent/more-lines", test_more_lines);
  g_test_add_func("/intent/state", test_state);
  g_test_add_func("/intent/origin", test_origin);
  return g_test_run();
}
