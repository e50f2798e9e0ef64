/* Openings in the words of ufw, iptables and firewalld, there and back. The tuples and rules are what ufw
 * 0.36.2 and iptables 1.8.9 (nf_tables) wrote for the commands beside them. */
#include "providers/firewall/translate.h"

static LwPrefix prefix(const char *text) {
  LwPrefix out;
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwResource *opening(const char *firewall, const char *in, const char *out, const char *from,
                           const char *to, const char *value) {
  LwResource *r = lw_resource_new(LW_RES_OPENING, NULL, firewall);
  r->link = g_strdup(in);
  r->oif = g_strdup(out);
  r->from = prefix(from);
  r->to = prefix(to);
  r->value = g_strdup(value);
  r->alias = g_strdup(LW_OPENING_MARK);
  return r;
}

static const struct {
  const char *firewall, *in, *out, *from, *to, *value;
  const char *command; /* that makes it */
  const char *line;    /* as its firewall then has it */
} pairs[] = {
    {"ufw", "br-mgmt", NULL, "192.168.10.0/24", "192.168.99.15/32", "tcp/445",
     "ufw allow in on br-mgmt from 192.168.10.0/24 to 192.168.99.15/32 port 445 proto tcp comment lanward",
     "### tuple ### allow tcp 445 192.168.99.15 any 192.168.10.0/24 in_br-mgmt comment=6c616e77617264"},
    {"ufw", "br-mgmt", NULL, "192.168.40.0/24", "192.168.99.15/32", "any",
     "ufw allow in on br-mgmt from 192.168.40.0/24 to 192.168.99.15/32 comment lanward",
     "### tuple ### allow any any 192.168.99.15 any 192.168.40.0/24 in_br-mgmt comment=6c616e77617264"},
    {"ufw-route", "br-mgmt", NULL, "192.168.40.0/24", "172.16.0.0/12", "tcp/8000-8100",
     "ufw route allow in on br-mgmt from 192.168.40.0/24 to 172.16.0.0/12 port 8000:8100 proto tcp comment "
     "lanward",
     "### tuple ### route:allow tcp 8000:8100 172.16.0.0/12 any 192.168.40.0/24 in_br-mgmt "
     "comment=6c616e77617264"},
    {"ufw-route", NULL, "br-mgmt", "172.16.0.0/12", "192.168.40.0/24", "any",
     "ufw route allow out on br-mgmt from 172.16.0.0/12 to 192.168.40.0/24 comment lanward",
     "### tuple ### route:allow any any 192.168.40.0/24 any 172.16.0.0/12 out_br-mgmt "
     "comment=6c616e77617264"},
    {"ufw-route", "br-mgmt", "docker0", "192.168.40.0/24", "172.16.0.0/12", "udp",
     "ufw route allow in on br-mgmt out on docker0 from 192.168.40.0/24 to 172.16.0.0/12 proto udp comment "
     "lanward",
     "### tuple ### route:allow udp any 172.16.0.0/12 any 192.168.40.0/24 in_br-mgmt!out_docker0 "
     "comment=6c616e77617264"},
    {"docker", "br-mgmt", NULL, "192.168.40.0/24", "172.16.0.0/12", "tcp/8000-8100",
     "iptables -w 10 -I DOCKER-USER -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -p tcp --dport 8000:8100 "
     "-m "
     "comment --comment lanward -j ACCEPT",
     "-A DOCKER-USER -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -p tcp -m tcp --dport 8000:8100 -m "
     "comment "
     "--comment lanward -j ACCEPT"},
    {"docker", NULL, "br-mgmt", "172.16.0.0/12", "192.168.40.0/24", "replies",
     "iptables -w 10 -I DOCKER-USER -s 172.16.0.0/12 -d 192.168.40.0/24 -o br-mgmt -m conntrack --ctstate "
     "RELATED,ESTABLISHED -m comment --comment lanward -j ACCEPT",
     "-A DOCKER-USER -s 172.16.0.0/12 -d 192.168.40.0/24 -o br-mgmt -m conntrack --ctstate "
     "RELATED,ESTABLISHED -m "
     "comment --comment lanward -j ACCEPT"},
    {"docker", "br-mgmt", NULL, "192.168.40.0/24", "172.17.0.2/32", "icmp",
     "iptables -w 10 -I DOCKER-USER -s 192.168.40.0/24 -d 172.17.0.2/32 -i br-mgmt -p icmp -m comment "
     "--comment lanward "
     "-j ACCEPT",
     "-A DOCKER-USER -s 192.168.40.0/24 -d 172.17.0.2/32 -i br-mgmt -p icmp -m comment --comment lanward -j "
     "ACCEPT"},
};

static void parse(const char *text, LwResourceSet *seen, LwResourceSet *against) {
  lw_ufw_parse(text, seen, against);
  lw_docker_parse(text, seen);
}

static void test_there_and_back(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
    g_autoptr(LwResource) wanted =
        opening(pairs[i].firewall, pairs[i].in, pairs[i].out, pairs[i].from, pairs[i].to, pairs[i].value);
    gboolean docker = g_str_equal(pairs[i].firewall, "docker");
    g_auto(GStrv) argv = docker ? lw_docker_command(wanted, FALSE) : lw_ufw_command(wanted, FALSE);
    g_autofree char *command = g_strjoinv(" ", argv);
    g_assert_cmpstr(command, ==, pairs[i].command);
    g_autoptr(LwResourceSet) seen = lw_resource_set_new();
    parse(pairs[i].line, seen, NULL);
    g_assert_cmpuint(seen->list->len, ==, 1);
    g_assert_true(lw_resource_equal(seen->list->pdata[0], wanted));
    g_assert_cmpstr(((LwResource *)seen->list->pdata[0])->alias, ==, "lanward");
  }
}

static void test_removal(void) {
  g_autoptr(LwResource) ufw = opening("ufw-route", "br-mgmt", NULL, "10.0.0.0/24", "10.1.0.0/24", "tcp/80");
  g_autoptr(LwResource) docker = opening("docker", "br-mgmt", NULL, "10.0.0.0/24", "10.1.0.0/24", "any");
  g_auto(GStrv) first = lw_ufw_command(ufw, TRUE);
  g_auto(GStrv) second = lw_docker_command(docker, TRUE);
  g_autofree char *one = g_strjoinv(" ", first), *two = g_strjoinv(" ", second);
  g_assert_cmpstr(
      one, ==,
      "ufw route delete allow in on br-mgmt from 10.0.0.0/24 to 10.1.0.0/24 port 80 proto tcp comment "
      "lanward");
  g_assert_cmpstr(
      two, ==,
      "iptables -w 10 -D DOCKER-USER -s 10.0.0.0/24 -d 10.1.0.0/24 -i br-mgmt -m comment --comment "
      "lanward -j ACCEPT");
}

static void test_of_others(void) {
  static const char user[] =
      "### tuple ### allow tcp 445 192.168.99.15 any 192.168.10.0/24 in_br-mgmt\n"
      "### tuple ### allow tcp 446 192.168.99.15 any 192.168.10.0/24 in_br-mgmt comment=6d696e65\n"
      "### tuple ### deny tcp 447 192.168.99.15 any 192.168.10.0/24 in_br-mgmt\n"
      "### tuple ### allow_log tcp 448 192.168.99.15 any 192.168.10.0/24 in_br-mgmt\n"
      "-A DOCKER-USER -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -j ACCEPT\n"
      "-A DOCKER-USER -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -m comment --comment "
      "\"not lanward\" -j ACCEPT\n";
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(LwResourceSet) against = lw_resource_set_new();
  parse(user, seen, against);
  g_assert_cmpuint(seen->list->len, ==, 2);
  g_assert_cmpuint(against->list->len, ==, 2);
  for (guint i = 0; i < seen->list->len; i++)
    g_assert_null(((LwResource *)seen->list->pdata[i])->alias);
}

static void test_left_out(void) {
  static const char *const lines[] = {
      "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6c616e77617264", /* no interface */
      "### tuple ### allow tcp 445 192.168.99.15 1024 192.168.10.0/24 in_br-mgmt",    /* source port */
      "### tuple ### allow any 445 192.168.99.15 any 192.168.10.0/24 in_br-mgmt",     /* tcp and udp */
      "### tuple ### allow tcp 80,443 192.168.99.15 any 192.168.10.0/24 in_br-mgmt",
      "### tuple ### allow tcp 99999 192.168.99.15 any 192.168.10.0/24 in_br-mgmt",
      "### tuple ### allow tcp any fe80::1 any fe80::2 in_br-mgmt",
      "### tuple ### allow tcp 445 192.168.99.15 any 192.168.10.0/24 out_br-mgmt",
      "### tuple ### allow tcp 445 192.168.99.15 any 192.168.10.0/24 in_a!in_b",
      "### tuple ### allow tcp",
      "-A DOCKER-USER -j RETURN",
      "-A DOCKER-USER ! -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -m comment --comment lanward -j "
      "ACCEPT",
      "-A DOCKER-USER -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -m comment --comment lanward -j DROP",
      "-A DOCKER-USER -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -m mark --mark 0x1 -m comment --comment "
      "lanward "
      "-j ACCEPT",
      "-A DOCKER-USER -s 192.168.40.0/24 -i br-mgmt -m comment --comment lanward -j ACCEPT",
      "-A FORWARD -s 192.168.40.0/24 -d 172.16.0.0/12 -i br-mgmt -m comment --comment lanward -j ACCEPT",
      "-A DOCKER-USER -s",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
    g_autoptr(LwResourceSet) seen = lw_resource_set_new();
    parse(lines[i], seen, NULL);
    if (seen->list->len)
      g_error("read as an opening: %s", lines[i]);
  }
}

static void test_enabled(void) {
  g_assert_true(lw_ufw_is_enabled("# comment\nENABLED=yes\nLOGLEVEL=low\n"));
  g_assert_true(lw_ufw_is_enabled("ENABLED=\"yes\"\n"));
  g_assert_false(lw_ufw_is_enabled("ENABLED=no\n"));
  g_assert_false(lw_ufw_is_enabled("#ENABLED=yes\n"));
  g_assert_false(lw_ufw_is_enabled(""));
}

static void test_firewalld(void) {
  static const char zone[] =
      "lanward (active)\n  target: default\n  interfaces: br-mgmt\n  ports: 80/tcp 5000-5010/udp\n"
      "  rich rules: \n"
      "\trule family=\"ipv4\" source address=\"192.168.10.0/24\" destination "
      "address=\"192.168.99.15/32\" port port=\"445\" protocol=\"tcp\" accept\n";
  g_autoptr(LwResource) by_rule =
      opening("ufw", "br-mgmt", NULL, "192.168.10.0/24", "192.168.99.15/32", "tcp/445");
  g_autoptr(LwResource) by_port =
      opening("ufw", "br-mgmt", NULL, "192.168.20.0/24", "192.168.99.15/32", "tcp/80");
  g_autoptr(LwResource) by_range =
      opening("ufw", "br-mgmt", NULL, "192.168.20.0/24", "192.168.99.15/32", "udp/5000-5010");
  g_autoptr(LwResource) other =
      opening("ufw", "br-mgmt", NULL, "192.168.20.0/24", "192.168.99.15/32", "tcp/445");
  g_autoptr(LwResource) all = opening("ufw", "br-mgmt", NULL, "192.168.20.0/24", "192.168.99.15/32", "any");
  g_assert_true(lw_firewalld_opens(zone, by_rule));
  g_assert_true(lw_firewalld_opens(zone, by_port));
  g_assert_true(lw_firewalld_opens(zone, by_range));
  g_assert_false(lw_firewalld_opens(zone, other));
  g_assert_false(lw_firewalld_opens(zone, all));
  g_assert_true(lw_firewalld_opens("trusted\n  target: ACCEPT\n", all));
  g_autofree char *rule = lw_firewalld_rule(all);
  g_assert_cmpstr(
      rule, ==,
      "rule family=\"ipv4\" source address=\"192.168.20.0/24\" destination address=\"192.168.99.15/32\" "
      "accept");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/firewall/there-and-back", test_there_and_back);
  g_test_add_func("/firewall/removal", test_removal);
  g_test_add_func("/firewall/of-others", test_of_others);
  g_test_add_func("/firewall/left-out", test_left_out);
  g_test_add_func("/firewall/enabled", test_enabled);
  g_test_add_func("/firewall/firewalld", test_firewalld);
  return g_test_run();
}
