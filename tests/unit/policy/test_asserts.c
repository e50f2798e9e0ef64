/* Which asserts hold, and with which packet one is said not to. */
#include "policy/asserts.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "spec/spec.h"

#include <string.h>

#define HEAD                                                                                                 \
  "lab: x\n"                                                                                                 \
  "host:\n"                                                                                                  \
  "  uplink: eth0\n"                                                                                         \
  "  services: {ping: icmp, samba: [tcp/445, udp/445], web: tcp/8000-8010}\n"                                \
  "  networks: {containers: 172.16.0.0/12}\n"                                                                \
  "tunnels: {se: missing/se.conf, de: missing/de.conf}\n"                                                    \
  "segments:\n"                                                                                              \
  "  a:\n"                                                                                                   \
  "    subnet: 10.0.1.0/24\n"                                                                                \
  "    dhcp: .200-.240\n"                                                                                    \
  "    egress: direct\n"                                                                                     \
  "    allow: [host/ping from .0/26, host/samba, b/box:tcp/80-90, router/ntp, 10.9.0.0/16:tcp/22]\n"         \
  "    forward: [{port: tcp/8443, to: desk, to-port: 443}]\n"                                                \
  "  b: {subnet: 10.0.2.0/24, dhcp: .200-.240, egress: [se, de], forward: [udp/5000-5010 -> box]}\n"         \
  "  c: {subnet: 10.0.3.0/24, dhcp: .200-.240, trust: host, isolate: true}\n"                                \
  "  d: {subnet: 10.0.4.0/24, dhcp: .200-.240, egress: se, pin: {.20-.29: de}, host: {allow: "               \
  "[\"d/cam:tcp/22\"]}}\n"                                                                                   \
  "  f: {subnet: 10.0.6.0/24, dhcp: .200-.240, allow: [host/ping from .20]}\n"                               \
  "  e: {subnet: 10.0.5.0/24, dhcp: .200-.240, allow: [home-lan, a, 9.9.0.0/16, 10.9.0.0/16]}\n"             \
  "machines:\n"                                                                                              \
  "  desk: {segment: a, address: .70}\n"                                                                     \
  "  low: {segment: a, address: .7}\n"                                                                       \
  "  box: {segment: b, address: .5}\n"                                                                       \
  "  other: {segment: b}\n"                                                                                  \
  "  cam: {segment: d, address: .25}\n"                                                                      \
  "  free: {segment: f, address: .60, spoof: ok}\n"                                                          \
  "  tame: {segment: f, address: .61}\n"

static LwLab *parse(const char *text) {
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  LwLab *lab = lw_spec_parse(text, strlen(text), "x.yaml", NULL, LW_SPEC_TWIN, store, said);
  for (guint i = 0; i < said->len; i++) {
    g_autofree char *line = lw_diagnostic_format(said->pdata[i], FALSE);
    g_test_message("%s", line);
  }
  g_assert_nonnull(lab);
  return lab;
}

static LwLab *parse_with(const char *assertion) {
  g_autofree char *text = g_strdup_printf("%sassert:\n  - \"%s\"\n", HEAD, assertion);
  return parse(text);
}

static LwFacts *facts_of(const LwLab *lab) {
  LwFacts *facts = lw_facts_new();
  g_assert_true(lw_policy_assign(lab, facts, NULL));
  return facts;
}

/* assert, what the message must hold when it is broken; NULL: it holds */
static const char *const table[][2] = {
    {"deny c -> internet", NULL},
    {"deny a -> internet", "internet (8.8.4.4) icmp would pass: a: egress: direct"},
    {"allow a -> internet", NULL},
    {"allow a -> internet tcp", NULL},
    {"allow a -> internet udp/53", "udp/53 would be stopped: a: DNS to another resolver"},
    {"deny a -> internet udp/53", NULL},
    {"allow b -> internet", NULL},
    {"allow d/cam -> internet", NULL},
    {"deny d/cam -> internet", "pin: this source uses de"},
    {"allow c -> internet", "would be stopped: c: egress: none"},
    {"deny d -> internet", "d/cam (10.0.4.25) -> internet (8.8.4.4) icmp would pass"},
    {"allow a -> host icmp",
     "a/desk (10.0.1.70) -> host (192.168.99.15) icmp would be stopped: a: allow: host/ping from"},
    {"allow a/low -> host icmp", NULL},
    {"deny a/desk -> host icmp", NULL},
    {"deny a -> host icmp", "a/low (10.0.1.7)"},
    {"allow a -> host/samba", NULL},
    {"allow a -> host tcp/440-445", "tcp/44"},
    {"deny a -> host tcp/1-444", NULL},
    {"deny a -> host tcp/1-445", "tcp/445 would pass"},
    {"deny a -> host udp/446-65535", NULL},
    {"deny c -> host", "trust: host"},
    {"deny f/tame -> host", NULL},
    {"deny f/free -> host", "f (10.0.6.20) -> host (192.168.99.15) icmp"}, /* it may take any address */
    {"allow c -> host", NULL},
    {"allow a -> host", "would be stopped"},
    {"allow host -> c", NULL},
    {"deny host -> d tcp/22", "d/cam (10.0.4.25) tcp/22 would pass"},
    {"deny host -> f/free", NULL},
    {"deny host -> d icmp", NULL},
    {"allow host -> d tcp/22", "would be stopped"},
    {"allow host -> router", NULL},
    {"deny host -> router tcp/23-79", NULL},
    {"deny host -> router tcp/23-80", "tcp/80 would pass"},
    {"deny a -> b", "b/box (10.0.2.5) tcp/80 would pass: a: allow: b/box:tcp/80-90 (x.yaml:12:47)"},
    {"deny a -> b/other", NULL},
    {"deny a -> b tcp/91-65535", NULL},
    {"deny a -> b tcp/1-79", NULL},
    {"deny a -> b udp", NULL},
    {"allow a -> b/box tcp/80-90", NULL},
    {"allow a -> b/box tcp/80-91", "tcp/91 would be stopped"},
    {"allow a -> b tcp/80", "b/other"},
    {"deny b -> a", NULL},
    {"allow e -> a", NULL},
    {"deny e -> a", "would pass"},
    {"deny c -> c", NULL},
    {"deny b -> b", "machines of one segment"},
    {"deny b/box -> b", "b/box (10.0.2.5) -> b"},
    {"deny b/box -> b/box", NULL}, /* to itself is no flow */
    {"allow b -> b", NULL},
    {"allow a -> router", NULL},
    {"deny a -> router", "may ping the router"},
    {"deny a -> router tcp/22", NULL},
    {"allow a -> router/ntp", NULL},
    {"deny b -> router/ntp", NULL},
    {"allow c -> containers", NULL},
    {"deny a -> containers", NULL},
    {"allow containers -> c", NULL},
    {"deny containers -> a", NULL},
    {"allow e -> home-lan", NULL},
    {"deny e -> home-lan", "home-lan icmp would pass"},
    {"deny a -> home-lan", NULL},
    {"deny e -> internet", "internet (9.9.0.0) icmp would pass: e: allow: 9.9.0.0/16"},
    {"allow e -> 9.9.0.0/16", NULL},
    {"allow e -> 9.8.0.0/15", "would be stopped"},
    {"deny e -> 9.10.0.0/15", NULL},
    {"deny a -> 10.9.0.0/16 udp", NULL},
    {"allow a -> 10.9.0.0/16 tcp/22", NULL},
    {"deny a -> 10.0.0.0/8", "would pass"},
    {"deny c -> 10.0.2.0/23", "router (10.0.3.1) icmp would pass"}, /* isolated, but for its gateway */
    {"deny c -> 10.0.3.128/25", NULL},
    {"allow 10.0.1.0/26 -> host icmp", NULL},
    {"allow 10.0.1.0/25 -> host icmp", "would be stopped"},
    {"deny 10.0.1.64/26 -> host icmp", NULL},
    {"deny internet -> a", "a/desk (10.0.1.70) tcp/443 would pass: a: forward to desk"},
    {"deny internet -> a tcp/8443", NULL},
    {"allow internet -> a/desk tcp/443", NULL},
    {"deny internet -> b", "internet by se (8.8.4.4) -> b/box (10.0.2.5) udp/50"},
    {"allow internet -> b/box udp/5000-5010", NULL},
    {"allow internet -> b/box udp/5000-5011", "udp/5011 would be stopped"},
    {"deny internet -> b/other", NULL},
    {"deny home-lan -> b", NULL},
    {"deny home-lan -> a", "forward to desk"},
    {"deny internet -> router", NULL},
    {"deny internet -> host", NULL},
    {"deny host -> internet", "does not pass through the lab"},
    {"allow home-lan -> host", "does not pass through the lab"},
};

static void check_one(const LwLab *lab, const LwFacts *facts, const char *text, const char *wanted) {
  g_autoptr(GPtrArray) broken = lw_policy_broken_asserts(lab, facts);
  g_autofree char *message = broken->len ? lw_broken_assert_message(lab, facts, broken->pdata[0]) : NULL;
  gboolean right = wanted ? message && strstr(message, wanted) && strstr(message, text) : !message;
  if (!right) {
    g_test_message("“%s”: expected %s, got %s", text, wanted ? wanted : "that it holds",
                   message ? message : "that it holds");
    g_test_fail();
  }
}

static void test_table(void) {
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(LwLab) lab = parse_with(table[i][0]);
    g_autoptr(LwFacts) facts = facts_of(lab);
    check_one(lab, facts, table[i][0], table[i][1]);
  }
}

static void test_homelab(void) {
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab = lw_spec_load(LW_SOURCE "/examples/homelab.yaml", LW_SPEC_TWIN, store, said);
  g_assert_nonnull(lab);
  g_assert_cmpuint(lab->asserts->len, ==, 3);
  g_autoptr(LwFacts) facts = facts_of(lab);
  g_autoptr(GPtrArray) broken = lw_policy_broken_asserts(lab, facts);
  g_assert_cmpuint(broken->len, ==, 0);
  for (guint i = 0; i < lab->asserts->len; i++) /* and the opposite of each does not */
    ((LwAssert *)lab->asserts->pdata[i])->allow ^= TRUE;
  g_autoptr(GPtrArray) opposite = lw_policy_broken_asserts(lab, facts);
  g_assert_cmpuint(opposite->len, ==, 3);
}

/* Run-time state: what was moved away or cut off has no flows, and a home LAN that is known counts. */
static void test_state(void) {
  g_autoptr(LwLab) lab = parse_with("allow a/low -> host icmp");
  g_autoptr(LwFacts) facts = facts_of(lab);
  g_hash_table_insert(facts->positions, g_strdup("low/0"), g_strdup("b"));
  check_one(lab, facts, "allow a/low -> host icmp", NULL);
  g_autoptr(LwLab) inward = parse_with("allow internet -> b/box udp/5000");
  g_autoptr(LwFacts) cut = facts_of(inward);
  check_one(inward, cut, "allow internet -> b/box udp/5000", NULL);
  g_hash_table_add(cut->cut, g_strdup("box"));
  check_one(inward, cut, "allow internet -> b/box udp/5000", NULL);
  g_autoptr(LwLab) home = parse_with("deny a -> home-lan");
  g_autoptr(LwFacts) known = facts_of(home);
  check_one(home, known, "deny a -> home-lan", NULL);
  g_assert_true(lw_prefix_parse("10.9.1.0/24", &known->home_lan));
  check_one(home, known, "deny a -> home-lan", "-> home-lan (10.9.1.10) tcp/22 would pass");
}

/* Every address and many ports asked for one by one must come to the same as the representatives. */
static void test_exact(void) {
  for (guint round = 0; round < 200; round++) {
    guint first = (guint)g_test_rand_int_range(1, 12), last = (guint)g_test_rand_int_range((gint32)first, 14);
    guint port = (guint)g_test_rand_int_range(1, 30), end = (guint)g_test_rand_int_range((gint32)port, 31);
    guint low = (guint)g_test_rand_int_range(1, 30), high = (guint)g_test_rand_int_range((gint32)low, 31);
    guint length = (guint)g_test_rand_int_range(28, 31),
          block = (guint)g_test_rand_int_range(0, 16) & ~((1u << (32 - length)) - 1);
    gboolean deny = g_test_rand_bit();
    g_autofree char *from = g_strdup_printf("10.0.1.%u/%u", block, length);
    g_autofree char *text = g_strdup_printf(
        "lab: x\nhost: {uplink: eth0}\nsegments:\n  a: {subnet: 10.0.1.0/28, router: 10.0.1.14, allow: "
        "[\"host:tcp/%u-%u from 10.0.1.%u-10.0.1.%u\"]}\nassert: [\"%s %s -> host tcp/%u-%u\"]\n",
        port, end, first, last, deny ? "deny" : "allow", from, low, high);
    g_autoptr(LwLab) lab = parse(text);
    g_autoptr(LwFacts) facts = facts_of(lab);
    gboolean broken = FALSE;
    for (guint host = 1; host < 14; host++)
      for (guint p = low; p <= high; p++) {
        gboolean passes = first <= host && host <= last && port <= p && p <= end;
        gboolean meant = host >= block && host < block + (1u << (32 - length));
        broken |= meant && passes == deny;
      }
    g_autoptr(GPtrArray) found = lw_policy_broken_asserts(lab, facts);
    if ((found->len > 0) != broken) {
      g_test_message("%s: %s", broken ? "missed" : "false alarm", text);
      g_test_fail();
    }
    for (guint i = 0; i < found->len; i++) { /* and the packet is one that shows it */
      const LwBrokenAssert *each = found->pdata[i];
      LwFlowAnswer answer;
      lw_intent_answer(lab, facts, &each->question, &answer);
      g_assert_cmpint(answer.allow, ==, deny);
      g_assert_cmpint(each->question.proto, ==, LW_PROTO_TCP);
      lw_flow_answer_clear(&answer);
    }
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/policy/asserts/table", test_table);
  g_test_add_func("/policy/asserts/homelab", test_homelab);
  g_test_add_func("/policy/asserts/state", test_state);
  g_test_add_func("/policy/asserts/exact", test_exact);
  return g_test_run();
}
