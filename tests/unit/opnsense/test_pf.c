/* What is read out of a config.xml, against what OPNsense's own generator (26.7.2) made of the same file. */
#include "fixture.h"

#include <string.h>

/* The run that the samples are from had this lease, and no address on wg3 yet. */
static LwOpnLinks *sample_links(const LwOpn *opn) {
  LwOpnLinks *links = lw_opn_links_guess(opn);
  LwOpnLink *wan = lw_opn_link(links, "wan"), *vpn3 = lw_opn_link(links, "opt9");
  g_assert_true(lw_prefix_parse("10.0.2.15/24", &wan->address4));
  g_assert_true(lw_addr_parse("10.0.2.2", &wan->gateway4));
  vpn3->address4 = (LwPrefix){0};
  return links;
}

/* One space between words, and labels left out where they are a digest that only OPNsense's own code has. */
static char *normal(const char *line, gboolean labels) {
  g_autoptr(GRegex) spaces = g_regex_new("\\s+", 0, 0, NULL);
  g_autoptr(GRegex) digest =
      g_regex_new(labels ? " label \"[0-9a-f]{32}\"" : " label \"[^\"]*\"", 0, 0, NULL);
  g_autofree char *single = g_regex_replace_literal(spaces, line, -1, 0, " ", 0, NULL);
  g_autofree char *plain = g_regex_replace_literal(digest, single, -1, 0, "", 0, NULL);
  return g_strstrip(g_strdup(plain));
}

/* Of char*: the rules that pf loads, from the first NAT line on. */
static GPtrArray *loaded_lines(const char *text) {
  GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  gboolean begun = FALSE;
  for (char **line = lines; *line; line++) {
    begun |= g_str_has_prefix(*line, "no nat proto carp");
    if (begun && **line && **line != '#')
      g_ptr_array_add(out, normal(*line, TRUE));
  }
  return out;
}

static void check_sample(const char *name) {
  g_autofree char *xml = g_strdup_printf("%s.xml", name);
  g_autofree char *rules = g_strdup_printf("%s.rules", name);
  g_autofree char *theirs_text = fixture_text(rules, NULL);
  g_autoptr(LwOpn) opn = fixture_parse(xml);
  g_autoptr(LwOpnLinks) links = sample_links(opn);
  g_autoptr(LwPf) pf = lw_pf_generate(opn, links, NULL);
  g_autofree char *ours_text = lw_pf_text(pf);
  g_autoptr(GPtrArray) ours = loaded_lines(ours_text), theirs = loaded_lines(theirs_text);
  for (guint i = 0; i < MIN(ours->len, theirs->len); i++)
    if (!g_str_equal(ours->pdata[i], theirs->pdata[i]))
      g_error("%s, rule %u:\n  theirs: %s\n  ours:   %s", name, i, (char *)theirs->pdata[i],
              (char *)ours->pdata[i]);
  g_assert_cmpuint(ours->len, ==, theirs->len);
  g_assert_cmpuint(ours->len, >, 120);
}

static void test_legacy(void) {
  check_sample("guide-legacy");
}

static void test_mvc(void) {
  check_sample("guide-mvc");
}

/* The lines that hold a word, in order. Transfer full. */
static char *lines_with(const LwOpn *opn, const char *word, const char *without) {
  g_autoptr(LwOpnLinks) links = lw_opn_links_guess(opn);
  g_autoptr(LwPf) pf = lw_pf_generate(opn, links, without);
  g_autofree char *text = lw_pf_text(pf);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  GString *out = g_string_new(NULL);
  for (char **line = lines; *line; line++)
    if (strstr(*line, word))
      g_string_append_printf(out, "%s\n", *line);
  return g_string_free(out, FALSE);
}

static void check_lines(const FixtureParts *parts, const char *word, const char *want) {
  g_autoptr(LwOpn) opn = fixture_router(parts);
  g_autofree char *lines = lines_with(opn, word, NULL);
  g_assert_cmpstr(lines, ==, want);
}

/* What is known of the generator besides the samples: with its gateway gone a rule is there without it, or,
 * with skip_rules_gw_down, is not there. */
static void test_gateway_gone(void) {
  g_autofree char *rule = fixture_rule("pass", "opt1", "<network>opt1</network>", "<any>1</any>",
                                       "<gateway>TUN_GW</gateway>", "x1");
  g_autoptr(LwOpn) stays = fixture_router(&(FixtureParts){.rules = rule});
  g_autofree char *with = lines_with(stays, "# x1", NULL), *lost = lines_with(stays, "# x1", "TUN_GW");
  g_assert_cmpstr(
      with, ==,
      "pass in quick on vtnet2 route-to ( wg0 10.64.0.1 ) inet from {(vtnet2:network)} to {any} # x1\n");
  g_assert_cmpstr(lost, ==, "pass in quick on vtnet2 inet from {(vtnet2:network)} to {any} # x1\n");
  g_autoptr(LwOpn) skips =
      fixture_router(&(FixtureParts){.system = "<skip_rules_gw_down>1</skip_rules_gw_down>", .rules = rule});
  g_autofree char *gone = lines_with(skips, "# x1", "TUN_GW");
  g_assert_cmpstr(gone, ==, "");
}

#define NEW_RULE(uuid, interface, sequence, more)                                                            \
  "<rule uuid=\"" uuid "\"><enabled>1</enabled><sequence>" sequence "</sequence><action>pass</action>"       \
  "<quick>1</quick><direction>in</direction><ipprotocol>inet</ipprotocol><protocol>any</protocol>"           \
  "<interface>" interface "</interface>" more "<description>x</description></rule>"
#define FILTER(rules) "<Firewall><Filter><rules>" rules "</rules></Filter></Firewall>"

/* Floating rules come before groups, groups before interfaces; of the same, the new page by sequence, then
 * the old one. */
static void test_order(void) {
  g_autofree char *plain = fixture_rule("pass", "opt1", "<any>1</any>", "<any>1</any>", "", "x6");
  g_autofree char *group = fixture_rule("pass", "grp", "<any>1</any>", "<any>1</any>", "", "x2");
  g_autofree char *floating =
      fixture_rule("block", "opt1,opt2", "<any>1</any>", "<any>1</any>", "<floating>yes</floating>", "x1");
  g_autofree char *rules = g_strconcat(plain, group, floating, NULL);
  check_lines(
      &(FixtureParts){.rules = rules,
                      .interfaces =
                          "<grp><enable>1</enable><if>grp</if><virtual>1</virtual><type>group</type></grp>",
                      .more = "<ifgroups><ifgroupentry><ifname>grp</ifname><members>opt1,opt2</members></"
                              "ifgroupentry></ifgroups>",
                      .mvc = FILTER(NEW_RULE("u20", "opt1", "20", "") NEW_RULE("u3", "opt1", "3", "")
                                        NEW_RULE("u9", "opt1,opt2", "9", ""))},
      "# x",
      "pass in quick on vtnet2 inet from {any} to {any} label \"u9\" # x\n"
      "pass in quick on vtnet3 inet from {any} to {any} label \"u9\" # x\n"
      "block in on vtnet2 inet from {any} to {any} # x1\n"
      "block in on vtnet3 inet from {any} to {any} # x1\n"
      "pass in quick on grp inet from {any} to {any} # x2\n"
      "pass in quick on vtnet2 inet from {any} to {any} label \"u3\" # x\n"
      "pass in quick on vtnet2 inet from {any} to {any} label \"u20\" # x\n"
      "pass in quick on vtnet2 inet from {any} to {any} # x6\n");
}

/* A rule of several sources, interfaces and IP versions becomes many: the source changes slowest. */
static void test_product(void) {
  check_lines(
      &(FixtureParts){.mvc =
                          FILTER("<rule uuid=\"u\"><action>pass</action><ipprotocol>inet46</ipprotocol>"
                                 "<protocol>TCP</protocol><interface>opt1,opt2</interface><source_net>opt1,"
                                 "10.9.0.0/16</source_net><destination_port>8000-8010</destination_port>"
                                 "<description>x</description></rule>")},
      "# x",
      "pass in quick on vtnet2 inet proto tcp from {(vtnet2:network)} to {any} port {8000:8010} label \"u\" "
      "# x\n"
      "pass in quick on vtnet2 inet6 proto tcp from {(vtnet2:network),fe80::/10} to {any} port {8000:8010} "
      "label \"u\" # x\n"
      "pass in quick on vtnet3 inet proto tcp from {(vtnet2:network)} to {any} port {8000:8010} label \"u\" "
      "# x\n"
      "pass in quick on vtnet3 inet6 proto tcp from {(vtnet2:network),fe80::/10} to {any} port {8000:8010} "
      "label \"u\" # x\n"
      "pass in quick on vtnet2 inet proto tcp from {10.9.0.0/16} to {any} port {8000:8010} label \"u\" # x\n"
      "pass in quick on vtnet2 inet6 proto tcp from {10.9.0.0/16} to {any} port {8000:8010} label \"u\" # x\n"
      "pass in quick on vtnet3 inet proto tcp from {10.9.0.0/16} to {any} port {8000:8010} label \"u\" # x\n"
      "pass in quick on vtnet3 inet6 proto tcp from {10.9.0.0/16} to {any} port {8000:8010} label \"u\" # "
      "x\n");
}

/* Rules of an uplink answer by its gateway unless told otherwise; an alias is a variable; what does not exist
 * is left out. */
static void test_words(void) {
  g_autofree char *rules = g_strconcat(
      "<rule><type>reject</type><interface>wan</interface><ipprotocol>inet</ipprotocol><descr>x1</descr></"
      "rule>",
      "<rule><type>pass</type><interface>wan</interface><ipprotocol>inet</ipprotocol><descr>x2</descr></"
      "rule>",
      "<rule><type>pass</type><interface>wan</interface><disablereplyto>1</disablereplyto><ipprotocol>inet</"
      "ipprotocol>"
      "<descr>x3</descr></rule>",
      "<rule><type>pass</type><interface>opt1</interface><ipprotocol>inet</ipprotocol><protocol>udp</"
      "protocol><source>"
      "<address>hosts</address><not>1</not></source><destination><network>opt1ip</network><port>ports</port>"
      "</destination><descr>x4</descr></rule>",
      "<rule><type>pass</type><interface>opt1</interface><ipprotocol>inet</"
      "ipprotocol><destination><address>nothing"
      "</address></destination><descr>x5</descr></rule>",
      "<rule><type>pass</type><interface>opt8</interface><ipprotocol>inet</ipprotocol><descr>x6</descr></"
      "rule>",
      NULL);
  check_lines(
      &(FixtureParts){.rules = rules,
                      .mvc = "<Firewall><Alias><aliases><alias><name>hosts</name><type>host</type><content>"
                             "10.1.0.9</content></alias><alias><name>ports</name><type>port</type><content>53"
                             "</content></alias></aliases></Alias></Firewall>"},
      "# x",
      "block return in quick on vtnet0 inet from {any} to {any} # x1\n"
      "pass in quick on vtnet0 reply-to ( vtnet0 203.0.113.1 ) inet from {any} to {any} # x2\n"
      "pass in quick on vtnet0 inet from {any} to {any} # x3\n"
      "pass in quick on vtnet2 inet proto udp from !$hosts to {(vtnet2)} port $ports # x4\n");
}

/* IPv6: closed unless the old setting says otherwise; the new one wins where it is. */
static void test_ipv6_setting(void) {
  static const struct {
    const char *system, *mvc;
    gboolean closed;
  } cases[] = {{"", "", TRUE},
               {"<ipv6allow>1</ipv6allow>", "", FALSE},
               {"<ipv6allow/>", "", FALSE},
               {"", "<Interfaces><settings><disableipv6>0</disableipv6></settings></Interfaces>", FALSE},
               {"", "<Interfaces><settings><disableipv6>1</disableipv6></settings></Interfaces>", TRUE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(LwOpn) opn = fixture_router(&(FixtureParts){.system = cases[i].system, .mvc = cases[i].mvc});
    g_autofree char *lines = lines_with(opn, "Block all IPv6", NULL);
    g_assert_cmpint(*lines != '\0', ==, cases[i].closed);
  }
}

/* An empty <noantilockout/> switches it off: only its presence is asked for. */
static void test_anti_lockout(void) {
  g_autoptr(LwOpn) on = fixture_router(&(FixtureParts){0});
  g_autofree char *lines = lines_with(on, "# anti-lockout", NULL);
  g_assert_cmpstr(lines, ==,
                  "pass in log quick on vtnet1 proto tcp from {any} to {(self)} port {80} keep state # "
                  "anti-lockout rule\n"
                  "pass in log quick on vtnet1 proto tcp from {any} to {(self)} port {443} keep state # "
                  "anti-lockout rule\n");
  g_autoptr(LwOpn) off = fixture_parse_text(
      "<system><webgui><protocol>https</protocol><noantilockout/></webgui></"
      "system><interfaces><lan><enable>1</enable>"
      "<if>vtnet1</if><ipaddr>192.168.99.1</ipaddr><subnet>24</subnet></lan></interfaces>");
  g_autofree char *none = lines_with(off, "# anti-lockout", NULL);
  g_assert_cmpstr(none, ==, "");
}

static void check_refused(const char *text, const char *word) {
  g_autoptr(GError) error = NULL;
  g_assert_null(lw_opn_parse(text, strlen(text), &error));
  g_assert_nonnull(error);
  g_assert_nonnull(strstr(error->message, word));
}

static void test_refused(void) {
  check_refused("", "empty");
  check_refused("<opnsense><system>\n<password>secret</opnsense>", "line 2");
  check_refused("<!DOCTYPE x [<!ENTITY a SYSTEM \"/etc/passwd\">]><opnsense>&a;</opnsense>", "DOCTYPE");
  check_refused("<pfsense/>", "pfSense");
  check_refused("<html/>", "<opnsense>");
  g_autoptr(GError) error = NULL;
  g_assert_null(lw_opn_parse("<opnsense><password>secret</opnsense>", 37, &error));
  g_assert_null(strstr(error->message, "secret"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/opnsense/pf/sample/legacy", test_legacy);
  g_test_add_func("/opnsense/pf/sample/mvc", test_mvc);
  g_test_add_func("/opnsense/pf/gateway-gone", test_gateway_gone);
  g_test_add_func("/opnsense/pf/order", test_order);
  g_test_add_func("/opnsense/pf/product", test_product);
  g_test_add_func("/opnsense/pf/words", test_words);
  g_test_add_func("/opnsense/pf/ipv6-setting", test_ipv6_setting);
  g_test_add_func("/opnsense/pf/anti-lockout", test_anti_lockout);
  g_test_add_func("/opnsense/config/refused", test_refused);
  return g_test_run();
}
