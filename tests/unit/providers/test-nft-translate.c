/* Neutral rules as nft text, the difference of two, and the digest of a listing. */
#include "base/error.h"
#include "providers/nft/listing.h"
#include "providers/nft/translate.h"

#include <string.h>

#define NOWHERE ((LwOrigin){0})

static LwAddr addr(const char *text) {
  LwAddr out;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static LwPrefix prefix(const char *text) {
  LwPrefix out;
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwRange range(const char *text) {
  LwRange out;
  g_assert_true(lw_range_parse(text, &out));
  return out;
}

/* The one line that a rule makes. */
static char *line_of(LwRuleset *ruleset) {
  g_autofree char *text = lw_nft_print(ruleset);
  const char *chain = strstr(text, "\tchain c {\n\t\t");
  g_assert_nonnull(chain);
  const char *line = chain + strlen("\tchain c {\n\t\t");
  return g_strndup(line, strcspn(line, "\n"));
}

#define assert_line(ruleset, expected)                                                                       \
  do {                                                                                                       \
    g_autofree char *line_ = line_of(ruleset);                                                               \
    g_assert_cmpstr(line_, ==, expected);                                                                    \
    lw_ruleset_unref(ruleset);                                                                               \
  } while (0)

static LwRuleset *one_rule(LwRule **rule) {
  LwRuleset *ruleset = lw_ruleset_new(LW_FAMILY_INET, "t");
  *rule = lw_chain_add_rule(lw_ruleset_add_chain(ruleset, "c"), NOWHERE, NULL);
  return ruleset;
}

static void test_whole(void) {
  g_autoptr(LwRuleset) r = lw_ruleset_new(LW_FAMILY_BRIDGE, "guard/bridge");
  LwSet *ports = lw_ruleset_add_set(r, LW_SET_PLAIN, "ports", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  const char *names[] = {"lwm3", "lwm1", "lwm2", "lwm5", "lwm4"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    lw_set_add(ports, (LwValue[]){lw_value_name(names[i])}, 1, NOWHERE);
  LwSet *marks =
      lw_ruleset_add_set(r, LW_SET_MAP, "marks", TRUE, LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST);
  marks->data = LW_FIELD_MARK;
  lw_set_add(marks, (LwValue[]){lw_value_name("lan"), lw_value_range(range("10.0.0.20-10.0.0.29"))}, 2,
             NOWHERE)
      ->data = lw_value_number(0x4c02);
  LwChain *c = lw_ruleset_add_base_chain(r, "source", LW_HOOK_PREROUTING, -300, FALSE, TRUE);
  LwRule *rule = lw_chain_add_rule(c, NOWHERE, "it's \"ours\"\nnot theirs");
  lw_rule_match_set(rule, "ports", TRUE, LW_FIELD_IIF, LW_FIELD_LAST);
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  g_autofree char *text = lw_nft_print(r);
  g_assert_cmpstr(text, ==,
                  "table bridge guard {\n"
                  "\tcomment \"lanward\"\n"
                  "\n"
                  "\tset ports {\n"
                  "\t\ttype ifname\n"
                  "\t\telements = {\n"
                  "\t\t\t\"lwm1\",\n\t\t\t\"lwm2\",\n\t\t\t\"lwm3\",\n\t\t\t\"lwm4\",\n\t\t\t\"lwm5\"\n"
                  "\t\t}\n"
                  "\t}\n"
                  "\n"
                  "\tmap marks {\n"
                  "\t\ttype ifname . ipv4_addr : mark\n"
                  "\t\tflags interval\n"
                  "\t\telements = { \"lan\" . 10.0.0.20-10.0.0.29 : 0x00004c02 }\n"
                  "\t}\n"
                  "\n"
                  "\tchain source {\n"
                  "\t\ttype filter hook prerouting priority -300; policy drop;\n"
                  "\t\tiifname != @ports accept comment \"it's 'ours' not theirs\"\n"
                  "\t}\n"
                  "}\n");
  g_autofree char *replace = lw_nft_replace(r);
  g_autofree char *expected = g_strconcat("table bridge guard\ndelete table bridge guard\n", text, NULL);
  g_assert_cmpstr(replace, ==, expected);
}

static void test_matches(void) {
  LwRule *rule;
  LwRuleset *r = one_rule(&rule);
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("wg-*"));
  lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(6));
  lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(17));
  lw_rule_match_not(rule, LW_FIELD_SADDR, lw_value_prefix(prefix("10.0.0.0/8")));
  lw_rule_match(rule, LW_FIELD_DPORT, lw_value_numbers(8000, 8100));
  assert_line(r, "iifname \"wg-*\" meta l4proto { tcp, udp } ip saddr != 10.0.0.0/8 th dport 8000-8100");

  r = one_rule(&rule);
  lw_rule_match(rule, LW_FIELD_CT_STATE, lw_value_number(LW_CT_ESTABLISHED | LW_CT_RELATED));
  lw_rule_match(rule, LW_FIELD_CT_DIRECTION, lw_value_number(1));
  lw_rule_match(rule, LW_FIELD_CT_DNAT, lw_value_number(1));
  assert_line(r, "ct state established,related ct direction reply ct status & dnat == dnat");

  r = one_rule(&rule);
  lw_rule_match_not(rule, LW_FIELD_CT_STATE, lw_value_number(LW_CT_NEW | LW_CT_INVALID));
  lw_rule_match(rule, LW_FIELD_CT_DNAT, lw_value_number(0));
  assert_line(r, "ct state & (invalid | new) == 0 ct status & dnat != dnat");

  r = one_rule(&rule);
  lw_rule_match(rule, LW_FIELD_TCP_SYN, lw_value_number(0));
  lw_rule_match(rule, LW_FIELD_TCP_RST, lw_value_number(1));
  assert_line(r, "tcp flags & (fin | syn | rst | ack) != syn tcp flags & rst == rst");

  r = one_rule(&rule);
  LwMac mac;
  g_assert_true(lw_mac_parse("52:54:00:aa:bb:cc", &mac));
  lw_rule_match(rule, LW_FIELD_ETH_TYPE, lw_value_number(0x0806));
  lw_rule_match(rule, LW_FIELD_ARP_MAC, lw_value_mac(mac));
  lw_rule_match(rule, LW_FIELD_ARP_IP, lw_value_addr(addr("10.0.0.1")));
  lw_rule_match(rule, LW_FIELD_NFPROTO, lw_value_number(10));
  lw_rule_match(rule, LW_FIELD_IBRIDGE, lw_value_name("virbr-a"));
  assert_line(r, "ether type arp arp saddr ether 52:54:00:aa:bb:cc arp saddr ip 10.0.0.1 meta nfproto ipv6 "
                 "meta ibrname \"virbr-a\"");

  /* a name that could end the string matches nothing rather than something else */
  r = one_rule(&rule);
  lw_rule_match(rule, LW_FIELD_OIF, lw_value_name("a\" accept #"));
  assert_line(r, "oifname \"a??accept?#\"");
}

static void test_actions(void) {
  LwRule *rule;
  LwRuleset *r = one_rule(&rule);
  lw_rule_add_action(rule, LW_ACTION_COUNT);
  LwAction *log = lw_rule_add_action(rule, LW_ACTION_LOG);
  log->text = g_strdup("lanward forward");
  log->number = 77;
  lw_rule_verdict(rule, LW_VERDICT_JUMP, "mark");
  assert_line(r, "counter log prefix \"lanward forward\" group 77 jump mark_");

  r = one_rule(&rule);
  lw_rule_lookup(rule, LW_ACTION_SET_MARK, "exits", LW_FIELD_IIF, LW_FIELD_SADDR, LW_FIELD_LAST);
  lw_rule_add_action(rule, LW_ACTION_CT_FROM_MARK);
  assert_line(r, "meta mark set iifname . ip saddr map @exits ct mark set meta mark");

  r = one_rule(&rule);
  lw_rule_lookup(rule, LW_ACTION_REDIRECT, "dns", LW_FIELD_IIF, LW_FIELD_LAST);
  assert_line(r, "meta l4proto { tcp, udp } redirect to :iifname map @dns");

  r = one_rule(&rule);
  lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(17));
  lw_rule_add_action(rule, LW_ACTION_REDIRECT)->number = 5353;
  assert_line(r, "meta l4proto udp redirect to :5353");

  r = one_rule(&rule);
  LwSet *map = lw_ruleset_add_set(r, LW_SET_MAP, "to", FALSE, LW_FIELD_DPORT, LW_FIELD_LAST);
  map->data = LW_FIELD_DADDR;
  lw_rule_lookup(rule, LW_ACTION_DNAT, "to", LW_FIELD_DPORT, LW_FIELD_LAST);
  g_autofree char *plain = line_of(r);
  g_assert_cmpstr(plain, ==, "dnat ip to th dport map @to");
  map->data_with_port = TRUE;
  assert_line(r, "meta l4proto { tcp, udp } dnat ip addr . port to th dport map @to");

  r = one_rule(&rule);
  lw_rule_add_action(rule, LW_ACTION_CLAMP_MSS)->number = 1380;
  assert_line(r, "tcp flags & syn == syn tcp option maxseg size set 1380");

  r = one_rule(&rule);
  lw_rule_add_action(rule, LW_ACTION_LIMIT)->number = 5;
  lw_rule_add_action(rule, LW_ACTION_REJECT);
  assert_line(r, "limit rate 5/second reject with icmpx admin-prohibited");

  r = one_rule(&rule);
  rule->unknown = g_strdup("xt match\nevil");
  assert_line(r, "# not understood: xt match evil");
}

static LwRuleset *exits(const char *active, const char *pinned, gboolean with_rule) {
  LwRuleset *r = lw_ruleset_new(LW_FAMILY_INET, "lanward");
  LwSet *map = lw_ruleset_add_set(r, LW_SET_MAP, "active", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  map->data = LW_FIELD_MARK;
  lw_set_add(map, (LwValue[]){lw_value_name("lan30")}, 1, NOWHERE)->data =
      lw_value_number((guint32)strlen(active));
  LwSet *set = lw_ruleset_add_set(r, LW_SET_PLAIN, "many", TRUE, LW_FIELD_SADDR, LW_FIELD_LAST);
  for (guint i = 1; i <= 6; i++)
    lw_set_add(set, (LwValue[]){lw_value_addr(lw_addr_from_v4(0x0a000000 + i))}, 1, NOWHERE);
  lw_set_add(set, (LwValue[]){lw_value_range(range(pinned))}, 1, NOWHERE);
  LwSet *lan = lw_ruleset_add_set(r, LW_SET_PLAIN, "home", TRUE, LW_FIELD_DADDR, LW_FIELD_LAST);
  lan->runtime = TRUE;
  lw_set_add(lan, (LwValue[]){lw_value_range(range(pinned))}, 1, NOWHERE);
  LwChain *c = lw_ruleset_add_chain(r, "c");
  if (with_rule)
    lw_rule_verdict(lw_chain_add_rule(c, NOWHERE, NULL), LW_VERDICT_DROP, NULL);
  return r;
}

static void test_delta(void) {
  g_autoptr(LwRuleset) before = exits("se", "10.1.0.0-10.1.0.9", TRUE);
  g_autoptr(LwRuleset) same = exits("se", "10.1.0.0-10.1.0.9", TRUE);
  g_autoptr(LwRuleset) after = exits("abc", "10.1.0.0-10.1.0.7", TRUE);
  g_autoptr(LwRuleset) other = exits("se", "10.1.0.0-10.1.0.9", FALSE);
  g_autofree char *nothing = lw_nft_delta(before, same);
  g_assert_cmpstr(nothing, ==, "");
  g_autofree char *delta = lw_nft_delta(before, after);
  g_assert_cmpstr(delta, ==,
                  "delete element inet lanward active { \"lan30\" }\n"
                  "delete element inet lanward many { 10.1.0.0-10.1.0.9 }\n"
                  "add element inet lanward active { \"lan30\" : 0x00000003 }\n"
                  "add element inet lanward many { 10.1.0.0-10.1.0.7 }\n");
  g_autofree char *none = lw_nft_delta(before, other);
  g_assert_null(none);
}

static void test_runtime(void) {
  g_autoptr(LwRuleset) r = exits("se", "10.1.0.0-10.1.0.9", TRUE);
  g_autofree char *without = lw_nft_print_with(r, &(LwNftOptions){.without_runtime = TRUE});
  g_assert_nonnull(strstr(without, "\tset home {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t}\n"));
  g_autoptr(GHashTable) kept = g_hash_table_new(g_str_hash, g_str_equal);
  g_hash_table_insert(kept, (char *)"home", (char *)"192.168.1.0/24");
  g_autofree char *with = lw_nft_print_with(r, &(LwNftOptions){.mark = "lanward:lab", .runtime = kept});
  g_assert_nonnull(strstr(with, "\t\telements = { 192.168.1.0/24 }\n"));
  g_assert_nonnull(strstr(with, "\tcomment \"lanward:lab\"\n"));
}

static const char *const runtime[] = {"home", NULL};

static void test_listing(void) {
  const char *one =
      "{\"nftables\":[{\"metainfo\":{\"version\":\"1\"}},{\"set\":{\"name\":\"a\",\"handle\":3,\"elem\":["
      "\"x\",\"y\"]}},"
      "{\"set\":{\"name\":\"home\",\"elem\":[{\"prefix\":{\"addr\":\"10.0.0.0\",\"len\":8}},\"1.2.3.4\","
      "{\"range\":[\"2.0.0.1\",\"2.0.0.5\"]}]}},"
      "{\"rule\":{\"handle\":9,\"expr\":[{\"counter\":{\"packets\":5,\"bytes\":7}},{\"drop\":null}]}}]}";
  const char *same =
      "{\"nftables\":[{\"metainfo\":{\"version\":\"2\"}},{\"set\":{\"name\":\"a\",\"handle\":4,\"elem\":["
      "\"y\",\"x\"]}},"
      "{\"set\":{\"name\":\"home\"}},"
      "{\"rule\":{\"handle\":1,\"expr\":[{\"counter\":{\"packets\":0,\"bytes\":0}},{\"drop\":null}]}}]}";
  const char *other =
      "{\"nftables\":[{\"metainfo\":{\"version\":\"1\"}},{\"set\":{\"name\":\"a\",\"handle\":3,\"elem\":["
      "\"x\",\"z\"]}},"
      "{\"set\":{\"name\":\"home\"}},"
      "{\"rule\":{\"handle\":9,\"expr\":[{\"counter\":{\"packets\":5,\"bytes\":7}},{\"drop\":null}]}}]}";
  g_autoptr(GError) error = NULL;
  g_autofree char *a = lw_nft_listing_digest(one, runtime, &error);
  g_autofree char *b = lw_nft_listing_digest(same, runtime, &error);
  g_autofree char *c = lw_nft_listing_digest(other, runtime, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(a, ==, b);
  g_assert_cmpstr(a, !=, c);
  g_autoptr(GHashTable) kept = lw_nft_listing_runtime(one, runtime);
  g_assert_cmpstr(g_hash_table_lookup(kept, "home"), ==, "10.0.0.0/8, 1.2.3.4, 2.0.0.1-2.0.0.5");
}

static void test_hostile_listing(void) {
  static const char *const bad[] = {"", "[]", "{", "{\"nftables\":5}", "null", "{\"nftables\":{}}"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(lw_nft_listing_digest(bad[i], runtime, &error));
    g_assert_nonnull(error);
    g_autoptr(GHashTable) none = lw_nft_listing_runtime(bad[i], runtime);
    g_assert_cmpuint(g_hash_table_size(none), ==, 0);
  }
  /* elements that are no addresses are not put into a text that nft will read */
  g_autoptr(GHashTable) none = lw_nft_listing_runtime(
      "{\"nftables\":[7,{\"set\":4},{\"set\":{\"name\":\"home\",\"elem\":[\"1.1.1.1 }; flush ruleset\"]}}]}",
      runtime);
  g_assert_cmpuint(g_hash_table_size(none), ==, 0);
}

static void test_mark(void) {
  g_autofree char *mark =
      lw_nft_listing_mark("table inet a {\n\tcomment \"lanward:x\"\n\tchain c {\n\t}\n}\n");
  g_assert_cmpstr(mark, ==, "lanward:x");
  /* a chain's comment is no table's */
  g_assert_null(lw_nft_listing_mark("table inet a {\n\tchain c {\n\t\tcomment \"lanward:x\"\n\t}\n}\n"));
  g_assert_null(lw_nft_listing_mark(""));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/nft/whole", test_whole);
  g_test_add_func("/nft/matches", test_matches);
  g_test_add_func("/nft/actions", test_actions);
  g_test_add_func("/nft/delta", test_delta);
  g_test_add_func("/nft/runtime", test_runtime);
  g_test_add_func("/nft/listing", test_listing);
  g_test_add_func("/nft/hostile-listing", test_hostile_listing);
  g_test_add_func("/nft/mark", test_mark);
  return g_test_run();
}
