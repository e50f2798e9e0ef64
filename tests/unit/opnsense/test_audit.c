#include "audit/audit.h"

#include "fixture.h"

#include <libxml/parser.h>
#include <string.h>

static guint count(const LwAudit *audit, const char *kind) {
  guint found = 0;
  for (guint i = 0; i < audit->findings->len; i++)
    found += g_str_equal(((LwAuditFinding *)audit->findings->pdata[i])->kind, kind);
  return found;
}

/* The n-th finding of a kind. */
static const LwAuditFinding *find(const LwAudit *audit, const char *kind, guint n) {
  for (guint i = 0; i < audit->findings->len; i++) {
    const LwAuditFinding *each = audit->findings->pdata[i];
    if (g_str_equal(each->kind, kind) && n-- == 0)
      return each;
  }
  g_autofree char *text = lw_audit_format(audit, "test", FALSE);
  g_error("no finding “%s”:\n%s", kind, text);
}

static const char *packet(const LwAuditFinding *finding, guint n) {
  g_assert_cmpuint(n, <, finding->packets->len);
  return ((LwAuditShown *)finding->packets->pdata[n])->text;
}

static gboolean has_rule(const LwAuditFinding *finding, const char *rule) {
  for (guint i = 0; i < finding->rules->len; i++)
    if (g_str_equal(finding->rules->pdata[i], rule))
      return TRUE;
  return FALSE;
}

/* ---- every class is what each of its packets is ---- */

static guint64 random_between(GRand *rand, guint64 first, guint64 last) {
  guint64 any = ((guint64)g_rand_int(rand) << 32) | g_rand_int(rand), span = last - first;
  return span == G_MAXUINT64 ? any : first + any % (span + 1);
}

static LwIp random_in(GRand *rand, const LwIpSet *set) {
  const LwIpRange *range =
      &g_array_index(set->ranges, LwIpRange, (guint)g_rand_int_range(rand, 0, (gint32)set->ranges->len));
  LwIp out = {random_between(rand, range->first.high, range->last.high), 0};
  guint64 low = out.high == range->first.high ? range->first.low : 0;
  guint64 high = out.high == range->last.high ? range->last.low : G_MAXUINT64;
  out.low = random_between(rand, low, high);
  return out;
}

static guint16 random_port(GRand *rand, const LwPortRange *range) {
  return (guint16)g_rand_int_range(rand, (gint32)range->first, (gint32)range->last + 1);
}

static void check_packet(GRand *rand, const LwAuditSpace *space, const LwAuditPair *pair, guint service) {
  const LwAuditService *what = lw_audit_service(space, service);
  LwAuditPacket packet = lw_audit_example(space, pair, service);
  LwAuditDecision got;
  packet.source = random_in(rand, lw_audit_source(space, pair)->set);
  packet.destination = random_in(rand, lw_audit_destination(space, pair)->set);
  if (what->protocol == 6 || what->protocol == 17) {
    packet.sport = random_port(rand, &what->sport);
    packet.dport = random_port(rand, &what->dport);
  }
  lw_audit_decide(space->world, space->zone, &packet, &got);
  const LwAuditDecision *want = &pair->decisions[service];
  g_assert_cmpint(got.pass, ==, want->pass);
  g_assert_true(got.in == want->in && got.out == want->out && got.rdr == want->rdr && got.nat == want->nat);
  g_assert_true(got.where == want->where && got.zone == want->zone && got.gateway == want->gateway);
}

/* Random packets of every class are decided as the class is; and the classes of destinations are all there
 * is. */
static void check_classes(const LwAudit *audit, guint32 seed) {
  g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
  for (guint w = 0; w < audit->worlds->len; w++) {
    const GPtrArray *spaces = audit->spaces->pdata[w];
    for (guint i = 0; i < spaces->len; i++) {
      const LwAuditSpace *space = spaces->pdata[i];
      for (guint n = 0; n < 3000 && space->pairs->len; n++) {
        guint pair = (guint)g_rand_int_range(rand, 0, (gint32)space->pairs->len);
        guint service = (guint)g_rand_int_range(rand, 0, (gint32)space->services->len);
        check_packet(rand, space, &g_array_index(space->pairs, LwAuditPair, pair), service);
      }
    }
  }
}

static char *random_end(GRand *rand, gboolean source) {
  static const char *const nets[] = {"opt1", "opt2", "lan", "opt1ip", "(self)", "some", "wan"};
  g_autofree char *negate = g_strdup(g_rand_int_range(rand, 0, 4) ? "" : "<not>1</not>");
  g_autofree char *port = g_strdup("");
  if (!source && g_rand_boolean(rand)) {
    g_free(port);
    guint first = (guint)g_rand_int_range(rand, 1, 60000);
    port = g_rand_boolean(rand) ? g_strdup_printf("<port>%u</port>", first)
                                : g_strdup_printf("<port>%u-%u</port>", first, first + 1000);
  }
  if (g_rand_int_range(rand, 0, 3) == 0)
    return g_strdup_printf("<any>1</any>%s", port);
  if (g_rand_boolean(rand))
    return g_strdup_printf("<network>%s</network>%s%s", nets[g_rand_int_range(rand, 0, G_N_ELEMENTS(nets))],
                           negate, port);
  return g_strdup_printf("<address>10.%d.%d.%d/%d</address>%s%s", g_rand_int_range(rand, 0, 4),
                         g_rand_int_range(rand, 0, 2), 32 * g_rand_int_range(rand, 0, 8),
                         g_rand_int_range(rand, 8, 33), negate, port);
}

static char *random_rules(GRand *rand) {
  static const char *const actions[] = {"pass", "block", "reject"}, *const protocols[] = {"", "tcp", "udp",
                                                                                          "tcp/udp", "icmp"};
  static const char *const interfaces[] = {"opt1", "opt2", "lan", "wan", "opt3", "opt1,opt2"};
  static const char *const extras[] = {"",
                                       "<gateway>TUN_GW</gateway>",
                                       "<floating>yes</floating>",
                                       "<floating>yes</floating><direction>any</direction>",
                                       "<floating>yes</floating><direction>out</direction>",
                                       "<quick/>"};
  GString *out = g_string_new(NULL);
  guint total = (guint)g_rand_int_range(rand, 1, 15);
  for (guint i = 0; i < total; i++) {
    g_autofree char *source = random_end(rand, TRUE), *destination = random_end(rand, FALSE);
    g_autofree char *extra = g_strdup_printf("<protocol>%s</protocol>%s",
                                             protocols[g_rand_int_range(rand, 0, G_N_ELEMENTS(protocols))],
                                             extras[g_rand_int_range(rand, 0, G_N_ELEMENTS(extras))]);
    g_autofree char *rule = fixture_rule(actions[g_rand_int_range(rand, 0, 3)],
                                         interfaces[g_rand_int_range(rand, 0, G_N_ELEMENTS(interfaces))],
                                         source, destination, extra, "r");
    g_string_append(out, rule);
  }
  return g_string_free(out, FALSE);
}

#define ALIASES                                                                                              \
  "<Firewall><Alias><aliases><alias><name>some</name><type>network</type><content>10.1.0.0/28\n!10.1.0.3\n"  \
  "10.2.0.5-10.2.0.9\nother</content></alias><alias><name>other</name><type>host</type><content>9.9.9.9"     \
  "</content></alias></aliases></Alias></Firewall>"
#define FORWARD                                                                                              \
  "<nat><outbound><mode>hybrid</mode></outbound><rule><interface>opt3</interface><ipprotocol>inet</"         \
  "ipprotocol>"                                                                                              \
  "<protocol>tcp</protocol><source><any>1</any></source><destination><any>1</any><port>2000-3000</port>"     \
  "</destination><target>10.1.0.7</target><local-port>8000</local-port><descr>f</descr></rule></nat>"

static void test_classes(void) {
  for (guint32 seed = 1; seed <= 40; seed++) {
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    g_autofree char *rules = random_rules(rand);
    g_autoptr(LwOpn) opn = fixture_router(&(FixtureParts){.rules = rules, .mvc = ALIASES, .more = FORWARD});
    g_autoptr(LwAudit) audit = lw_audit_new(opn);
    check_classes(audit, seed);
  }
}

/* ---- the configuration that a usual guide leads to ---- */

static void check_guide(const char *name) {
  g_autoptr(LwOpn) opn = fixture_parse(name);
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  const LwAuditFinding *web = find(audit, "web", 0), *ssh = find(audit, "ssh", 0);
  check_classes(audit, 7);
  g_assert_cmpuint(web->packets->len, ==, 5);
  g_assert_cmpstr(packet(web, 0), ==, "LAN10: tcp 192.168.10.2:50000 → 192.168.10.1:80");
  g_assert_cmpstr(packet(web, 4), ==, "LAN50: tcp 192.168.50.2:50000 → 192.168.50.1:80");
  g_assert_true(has_rule(web, "local access to LAN10") && has_rule(web, "local LAN50"));
  g_assert_cmpstr(packet(ssh, 1), ==, "LAN20: tcp 192.168.20.2:50000 → 192.168.20.1:22");
  g_assert_cmpint(web->harm, ==, LW_HARM_HIGH);
  g_assert_cmpuint(count(audit, "private"), ==, 2);
  for (guint i = 0; i < 2; i++) {
    const LwAuditFinding *private = find(audit, "private", i);
    const char *segment = i == 0 ? "192.168.10.2" : "192.168.40.2";
    g_assert_nonnull(strstr(private->title, "10.0.0.0/8 and 172.16.0.0/12"));
    g_assert_nonnull(strstr(packet(private, 0), segment));
    g_assert_nonnull(strstr(packet(private, 0), "10.0.0.1:443"));
    g_assert_nonnull(strstr(packet(private, 1), "172.16.0.1:443"));
  }
  g_assert_cmpuint(count(audit, "falls-back"), ==, 2);
  g_assert_cmpstr(find(audit, "falls-back", 0)->title, ==, "LAN20 leaves by WAN when VPN0_GW is gone");
  g_assert_cmpstr(packet(find(audit, "falls-back", 0), 0), ==, "LAN20: tcp 192.168.20.2:50000 → 1.0.0.1:443");
  g_assert_true(has_rule(find(audit, "falls-back", 1), "internet LAN30"));
  g_assert_cmpuint(count(audit, "never-matches"), ==, 2); /* of LAN99: to a machine of LAN99 */
  g_assert_cmpuint(audit->findings->len, ==, 8);
}

static void test_guide(void) {
  check_guide("guide-legacy.xml");
  check_guide("guide-mvc.xml");
}

static const LwAuditCell *cell(const LwAudit *audit, const char *from, const char *to) {
  const LwAuditMatrix *matrix = audit->matrices->pdata[0];
  const LwAuditWorld *world = audit->worlds->pdata[0];
  for (guint i = 0; i < matrix->rows->len; i++)
    for (guint c = 0; c < matrix->columns->len; c++)
      if (g_str_equal(lw_audit_zone(world, i)->name, from) &&
          g_str_equal(((LwAuditColumn *)matrix->columns->pdata[c])->name, to))
        return ((GPtrArray *)matrix->rows->pdata[i])->pdata[c];
  g_error("no cell %s → %s", from, to);
}

static void test_matrix(void) {
  g_autoptr(LwOpn) opn = fixture_parse("guide-mvc.xml");
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  g_assert_cmpint(cell(audit, "LAN10", "internet")->open, ==, LW_OPEN_ALL);
  g_assert_cmpstr(cell(audit, "LAN10", "internet")->exits->pdata[0], ==, "WAN");
  g_assert_cmpstr(cell(audit, "LAN30", "internet")->exits->pdata[0], ==, "VPN1");
  g_assert_cmpint(cell(audit, "LAN50", "internet")->open, ==, LW_OPEN_NONE);
  g_assert_cmpint(cell(audit, "LAN10", "LAN20")->open, ==, LW_OPEN_NONE);
  g_assert_cmpint(cell(audit, "LAN99", "LAN40")->open, ==, LW_OPEN_ALL);
  g_assert_cmpint(cell(audit, "WAN", "LAN20")->open, ==, LW_OPEN_NONE);
  const LwAuditCell *host = cell(audit, "LAN50", "LAN99");
  g_assert_cmpint(host->open, ==, LW_OPEN_SOME);
  g_assert_cmpuint(host->flows->len, ==, 2);
  const LwAuditFlow *samba = host->flows->pdata[0];
  g_assert_cmpstr(samba->services, ==, "tcp+udp/445");
  g_assert_cmpstr(samba->to, ==, "192.168.99.15");
  /* the forward: as it comes in at the tunnel's own address, and sent straight to the machine */
  g_assert_cmpuint(cell(audit, "VPN0", "LAN20")->flows->len, ==, 2);
}

/* ---- one kind of finding each ---- */

typedef struct {
  const char *name, *system, *mvc, *more;
  const char *rules[5][6]; /* type, interface, source, destination, extra, descr */
  const char *kind;        /* NULL: nothing is found */
  const char *packet, *rule;
} Case;

#define ANY "<any>1</any>"
#define NET_A "<network>opt1</network>"
#define NET_B "<network>opt2</network>"
#define PRIVATE                                                                                              \
  "<Firewall><Alias><aliases><alias><name>private</name><type>network</type><content>10.0.0.0/8\n"           \
  "172.16.0.0/12\n192.168.0.0/16\n100.64.0.0/10\n169.254.0.0/16\n203.0.113.0/24</content></alias></aliases>" \
  "</Alias></Firewall>"
#define INTERNET "<address>private</address><not>1</not>"
#define SELF "<network>(self)</network>"
#define FORWARD_TO(extra)                                                                                    \
  "<nat><rule><interface>opt3</interface><ipprotocol>inet</ipprotocol><protocol>tcp</protocol><source>"      \
  "<any>1</any></source><destination><any>1</any><port>8080</port></destination><target>10.1.0.7</target>"   \
  "<local-port>80</local-port>" extra "<descr>fw</descr></rule></nat>"

static const Case cases[] = {
    {"tight", NULL, PRIVATE, NULL, {{"pass", "opt1", NET_A, INTERNET, "", "internet"}}, NULL, NULL, NULL},
    {"private",
     NULL,
     NULL,
     NULL,
     {{"block", "opt1", NET_A, SELF, "", "self"},
      {"block", "opt1", NET_A, NET_B, "", "b"},
      {"pass", "opt1", NET_A, "<address>192.168.0.0/16</address><not>1</not>", "", "all"}},
     "private",
     "A: tcp 10.1.0.2:50000 → 10.0.0.1:443",
     "all"},
    {"kill switch with a block behind",
     "<skip_rules_gw_down>1</skip_rules_gw_down>",
     PRIVATE,
     NULL,
     {{"pass", "opt1", NET_A, INTERNET, "<gateway>TUN_GW</gateway>", "t"},
      {"block", "opt1", NET_A, INTERNET, "", "b"}},
     NULL,
     NULL,
     NULL},
    {"another rule lets it out when the tunnel's is gone",
     "<skip_rules_gw_down>1</skip_rules_gw_down>",
     PRIVATE,
     NULL,
     {{"pass", "opt1", NET_A, (INTERNET "<port>80-443</port>"),
       "<gateway>TUN_GW</gateway><protocol>tcp</protocol>", "t"},
      {"pass", "opt1", NET_A, (INTERNET "<port>443-444</port>"), "<protocol>tcp</protocol>", "rest"}},
     "falls-back",
     "A: tcp 10.1.0.2:50000 → 1.0.0.1:443",
     "rest"},
    {"DNS beside the tunnel",
     "<skip_rules_gw_down>1</skip_rules_gw_down>",
     PRIVATE,
     NULL,
     {{"pass", "opt1", NET_A, (INTERNET "<port>53</port>"), "<protocol>udp</protocol>", "dns"},
      {"pass", "opt1", NET_A, INTERNET, "<gateway>TUN_GW</gateway>", "t"}},
     "dns",
     "A: udp 10.1.0.2:50000 → 1.0.0.1:53",
     "dns"},
    {"DNS by the router's resolver",
     "<skip_rules_gw_down>1</skip_rules_gw_down>",
     PRIVATE "<unboundplus><general><enabled>1</enabled></general></unboundplus>",
     NULL,
     {{"pass", "opt1", NET_A, "<network>opt1ip</network><port>53</port>", "<protocol>tcp/udp</protocol>",
       "to me"},
      {"pass", "opt1", NET_A, INTERNET, "<gateway>TUN_GW</gateway>", "t"}},
     "dns",
     "A: tcp 10.1.0.2:50000 → 10.1.0.1:53",
     "to me"},
    {"a forward without reply-to",
     NULL,
     NULL,
     FORWARD_TO(""),
     {{"pass", "opt3", ANY, "<address>10.1.0.7</address><port>80</port>", "<protocol>tcp</protocol>", "in"}},
     "forward",
     "TUN: tcp 1.0.0.1:50000 → 10.64.0.2:8080",
     "in"},
    {"a forward with reply-to",
     NULL,
     NULL,
     FORWARD_TO(""),
     {{"pass", "opt3", ANY, "<address>10.1.0.7</address><port>80</port>",
       "<protocol>tcp</protocol><reply-to>TUN_GW</reply-to>", "in"}},
     NULL,
     NULL,
     NULL},
    {"a forward that passes by itself",
     NULL,
     NULL,
     FORWARD_TO("<pass>pass</pass>"),
     {{0}},
     "forward",
     "TUN: tcp 1.0.0.1:50000 → 10.64.0.2:8080",
     "the forward “fw”"},
    {"a forward that nothing lets through",
     NULL,
     NULL,
     FORWARD_TO(""),
     {{0}},
     "forward",
     "TUN: tcp 1.0.0.1:50000 → 10.64.0.2:8080",
     "Default deny / state violation rule"},
    {"open from outside",
     NULL,
     NULL,
     NULL,
     {{"pass", "wan", ANY, NET_A, "", "oops"}},
     "open-from-outside",
     "WAN: tcp 1.0.0.1:50000 → 10.1.0.2:443",
     "oops"},
    {"a rule for nobody here",
     NULL,
     NULL,
     NULL,
     {{"pass", "opt1", NET_B, ANY, "", "nobody"}},
     "never-matches",
     NULL,
     "nobody"},
    {"a rule for what does not exist",
     NULL,
     NULL,
     NULL,
     {{"pass", "opt1", NET_A, "<address>gone</address>", "", "gone"}},
     "never-matches",
     NULL,
     "gone"},
    {"a shadowed pass",
     NULL,
     PRIVATE,
     NULL,
     {{"pass", "opt1", NET_A, INTERNET, "", "wide"},
      {"pass", "opt1", NET_A, (INTERNET "<port>80</port>"), "<protocol>tcp</protocol>", "narrow"}},
     "shadowed",
     "A: tcp 10.1.0.2:50000 → 1.0.0.1:80",
     "narrow"},
    {"a shadowed block",
     NULL,
     PRIVATE,
     NULL,
     {{"pass", "opt1", NET_A, INTERNET, "", "wide"},
      {"block", "opt1", NET_A, "<address>9.9.9.9</address>", "", "not there"}},
     "shadowed",
     "A: tcp 10.1.0.2:50000 → 9.9.9.9:443",
     "not there"},
    {"last match turned round by quick",
     NULL,
     PRIVATE,
     NULL,
     {{"block", "opt1", NET_A, "<address>9.9.9.9</address>", "<floating>yes</floating><quick>1</quick>",
       "first"},
      {"pass", "opt1", NET_A, INTERNET, "", "wide"}},
     NULL,
     NULL,
     NULL},
};

static LwOpn *case_router(const Case *each) {
  g_autoptr(GString) rules = g_string_new(NULL);
  for (guint i = 0; i < 5 && each->rules[i][0]; i++) {
    const char *const *rule = each->rules[i];
    g_autofree char *text = fixture_rule(rule[0], rule[1], rule[2], rule[3], rule[4], rule[5]);
    g_string_append(rules, text);
  }
  return fixture_router(
      &(FixtureParts){.system = each->system, .rules = rules->str, .mvc = each->mvc, .more = each->more});
}

static void test_case(gconstpointer data) {
  const Case *each = data;
  g_autoptr(LwOpn) opn = case_router(each);
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  g_autofree char *text = lw_audit_format(audit, each->name, FALSE);
  if (audit->findings->len != (each->kind ? 1 : 0))
    g_error("%s: %u findings\n%s", each->name, audit->findings->len, text);
  if (!each->kind)
    return;
  const LwAuditFinding *finding = find(audit, each->kind, 0);
  if (each->packet)
    g_assert_cmpstr(packet(finding, 0), ==, each->packet);
  else
    g_assert_cmpuint(finding->packets->len, ==, 0);
  if (!has_rule(finding, each->rule))
    g_error("%s: not the rule\n%s", each->name, text);
}

#define ADDRESSES6                                                                                           \
  "<interfaces><wan><enable>1</enable><if>vtnet0</if><descr>WAN</descr><ipaddr>dhcp</ipaddr>"                \
  "<ipaddrv6>dhcp6</ipaddrv6></wan><lan><enable>1</enable><if>vtnet1</if><ipaddr>192.168.99.1</ipaddr>"      \
  "<subnet>24</subnet></lan><opt1><enable>1</enable><if>vtnet2</if><descr>A</descr><ipaddr>10.1.0.1</"       \
  "ipaddr>"                                                                                                  \
  "<subnet>24</subnet><ipaddrv6>track6</ipaddrv6></opt1><opt3><enable>1</enable><if>wg0</if><descr>TUN</"    \
  "descr>"                                                                                                   \
  "</opt3></interfaces>"

/* IPv4 goes through the tunnel, IPv6 straight out. */
static void test_ipv6(void) {
  g_autofree char *rules = g_strconcat(
      "<rule><type>pass</type><interface>opt1</interface><ipprotocol>inet</ipprotocol><source>" NET_A
      "</source><destination>" INTERNET "</destination><gateway>TUN_GW</gateway><descr>four</descr></rule>",
      "<rule><type>block</type><interface>opt1</interface><ipprotocol>inet6</ipprotocol><destination>" SELF
      "</destination><descr>self</descr></rule>",
      "<rule><type>pass</type><interface>opt1</interface><ipprotocol>inet6</ipprotocol><source>" NET_A
      "</source><destination>" ANY "</destination><descr>six</descr></rule>",
      NULL);
  g_autofree char *inner = g_strdup_printf(
      "<system><ipv6allow>1</ipv6allow><skip_rules_gw_down>1</skip_rules_gw_down><webgui><interfaces>lan</"
      "interfaces>"
      "</webgui></system>%s<filter>%s</filter><OPNsense>" PRIVATE
      "<Gateways><gateway_item><name>TUN_GW</name>"
      "<interface>opt3</interface><gateway>10.64.0.1</gateway></gateway_item></Gateways></OPNsense>",
      ADDRESSES6, rules);
  g_autoptr(LwOpn) opn = fixture_parse_text(inner);
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  check_classes(audit, 3);
  const LwAuditFinding *finding = find(audit, "ipv6", 0);
  g_assert_nonnull(strstr(finding->title, "by IPv6, beside its tunnel"));
  g_assert_true(has_rule(finding, "six"));
  g_assert_cmpstr(packet(finding, 0), ==, "A: tcp [2001:db8::2]:50000 → [2000::1]:443");
  g_assert_cmpuint(count(audit, "ipv6"), ==, 1);
}

/* The web page from outside is the worst there is, and comes first. */
static void test_web_from_outside(void) {
  g_autofree char *rule = fixture_rule("pass", "wan", ANY, "<network>wanip</network><port>443</port>",
                                       "<protocol>tcp</protocol>", "remote");
  g_autofree char *inner = g_strdup_printf("<system><webgui><protocol>https</protocol></webgui></"
                                           "system><interfaces><wan><enable>1</enable><if>vtnet0</if>"
                                           "<descr>WAN</descr><ipaddr>dhcp</ipaddr></wan><lan><enable>1</"
                                           "enable><if>vtnet1</if><ipaddr>192.168.99.1</ipaddr>"
                                           "<subnet>24</subnet></lan></interfaces><filter>%s</filter>",
                                           rule);
  g_autoptr(LwOpn) opn = fixture_parse_text(inner);
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  const LwAuditFinding *first = audit->findings->pdata[0];
  g_assert_cmpint(first->harm, ==, LW_HARM_CRITICAL);
  g_assert_cmpstr(first->kind, ==, "web");
  g_assert_cmpstr(packet(first, 0), ==, "WAN: tcp 1.0.0.1:50000 → 203.0.113.2:443");
}

/* OPNsense's own rules for IPv6 are no holes; what it comes with is open to the inside, and that is said. */
static void test_default(void) {
  g_autoptr(LwOpn) opn = fixture_parse_text(
      "<system><ipv6allow/><webgui><protocol>https</protocol></webgui></system><interfaces><wan><enable>1</"
      "enable>"
      "<if>vtnet0</if><descr>WAN</descr><ipaddr>dhcp</ipaddr><ipaddrv6>dhcp6</ipaddrv6></wan><lan><enable>1</"
      "enable>"
      "<if>vtnet1</if><descr>LAN</descr><ipaddr>192.168.1.1</ipaddr><subnet>24</subnet><ipaddrv6>track6</"
      "ipaddrv6></lan>"
      "</interfaces><filter><rule><type>pass</type><interface>lan</interface><ipprotocol>inet</ipprotocol>"
      "<source><network>lan</network></source><destination><any/></destination><descr>four</descr></rule>"
      "<rule><type>pass</type><interface>lan</interface><ipprotocol>inet6</ipprotocol>"
      "<source><network>lan</network></source><destination><any/></destination><descr>six</descr></rule></"
      "filter>");
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  check_classes(audit, 11);
  g_assert_cmpuint(count(audit, "private"), ==, audit->findings->len);
  g_assert_cmpuint(audit->findings->len, ==, 2);
  g_assert_true(has_rule(find(audit, "private", 0), "four"));
  g_assert_cmpint(find(audit, "private", 1)->harm, ==, LW_HARM_LOW);
}

/* ---- what is written ---- */

static void test_written(void) {
  g_autofree char *rule = fixture_rule("pass", "opt1", NET_A, ANY, "", "a &lt;b&gt; “c” &#155;31m");
  g_autoptr(LwOpn) opn = fixture_router(&(FixtureParts){.rules = rule});
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  g_autofree char *text = lw_audit_format(audit, "x.xml", FALSE), *svg = lw_audit_svg(audit, "<x>.xml");
  g_assert_null(strstr(text, "\xc2\x9b"));
  g_assert_null(strchr(text, '\033'));
  g_assert_true(g_utf8_validate(text, -1, NULL));
  xmlDoc *doc = xmlReadMemory(svg, (int)strlen(svg), NULL, NULL, XML_PARSE_NONET);
  g_assert_nonnull(doc);
  xmlFreeDoc(doc);
  g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(node, lw_audit_to_json(audit, "x.xml"));
  g_autofree char *json = json_to_string(node, FALSE);
  g_autoptr(JsonNode) again = json_from_string(json, NULL);
  JsonObject *object = json_node_get_object(again);
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(object, "findings")), ==,
                   audit->findings->len);
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(object, "interfaces")), ==, 5);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/audit/guide", test_guide);
  g_test_add_func("/audit/matrix", test_matrix);
  g_test_add_func("/audit/classes", test_classes);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *path = g_strdup_printf("/audit/case/%s", cases[i].name);
    g_test_add_data_func(path, &cases[i], test_case);
  }
  g_test_add_func("/audit/ipv6", test_ipv6);
  g_test_add_func("/audit/web-from-outside", test_web_from_outside);
  g_test_add_func("/audit/default", test_default);
  g_test_add_func("/audit/written", test_written);
  return g_test_run();
}
