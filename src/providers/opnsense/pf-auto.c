/* The rules that OPNsense adds by itself. */
#include "providers/opnsense/pf-internal.h"

#include <string.h>

#define FIRST 1 /* priorities of the generator */
#define EARLY 5
#define FORCE_GATEWAY 10000
#define LATE 500000

static LwOpnRule *automatic(LwPf *pf, const char *action, const char *descr) {
  LwOpnRule *made = g_new0(LwOpnRule, 1);
  made->automatic = TRUE;
  made->action = action;
  made->quick = 1;
  made->descr = lw_pf_keep(pf, descr);
  made->no_reply_to = TRUE;
  made->log = g_str_equal(action, "pass") ? pf->opn->log_pass : pf->opn->log_block;
  g_ptr_array_add(pf->automatic, made);
  return made;
}

static void add_ipv6_icmp(LwPf *pf, gboolean ipv6, const char *types, const char *direction, const char *from,
                          const char *to) {
  LwOpnRule *rule = automatic(pf, "pass", "IPv6 RFC4890 requirements (ICMP)");
  rule->family = "inet6";
  rule->protocol = "ipv6-icmp";
  rule->icmp6_types = types;
  rule->state = "keep";
  rule->direction = direction;
  rule->source.network = from;
  rule->destination.network = to;
  rule->disabled = !ipv6;
  lw_pf_register(pf, FIRST, rule, NULL);
}

static void add_denials(LwPf *pf) {
  gboolean ipv6 = pf->opn->ipv6_allowed;
  LwOpnRule *all6 = automatic(pf, "block", "Block all IPv6");
  all6->family = "inet6";
  all6->disabled = ipv6;
  lw_pf_register(pf, FIRST, all6, NULL);
  LwOpnRule *rest = automatic(pf, "block", "Default deny / state violation rule");
  rest->family = "inet46";
  rest->quick = 0;
  lw_pf_register(pf, FIRST, rest, NULL);
  if (pf->opn->no_rfc4890)
    return;
  add_ipv6_icmp(pf, ipv6, "1,2,3,4,135,136", NULL, NULL, NULL);
  add_ipv6_icmp(pf, ipv6, "128,129,133,134,135,136", "out", "(self)", "fe80::/10,ff02::/16");
  add_ipv6_icmp(pf, ipv6, "128,133,134,135,136", "in", "fe80::/10", "fe80::/10,ff02::/16");
  add_ipv6_icmp(pf, ipv6, "128,133,134,135,136", "in", "ff02::/16", "fe80::/10");
  add_ipv6_icmp(pf, ipv6, "128,133,134,135,136", "in", "::", "ff02::/16");
}

static void add_port0(LwPf *pf) {
  for (int destination = 0; destination <= 1 && !pf->opn->no_port0_block; destination++) {
    LwOpnRule *rule = automatic(pf, "block", "block all targeting port 0");
    rule->family = "inet46";
    rule->protocol = "tcp/udp";
    *(destination ? &rule->destination.port : &rule->source.port) = "0";
    lw_pf_register(pf, FIRST, rule, NULL);
  }
}

static const char *web_port(const LwOpn *opn) {
  gboolean plain = opn->web.protocol && g_str_equal(opn->web.protocol, "http");
  return opn->web.port ? opn->web.port : plain ? "80" : "443";
}

static void add_lockouts(LwPf *pf) {
  const char *ssh = pf->opn->ssh.port ? pf->opn->ssh.port : "22";
  for (int web = 0; web <= 1 && !pf->opn->no_ssh_lockout; web++) {
    LwOpnRule *rule = automatic(pf, "block", "sshlockout");
    rule->protocol = "tcp";
    rule->source.network = "<sshlockout>";
    rule->destination.network = "(self)";
    rule->destination.port = web ? web_port(pf->opn) : ssh;
    lw_pf_register(pf, FIRST, rule, NULL);
  }
  if (pf->opn->no_virusprot)
    return;
  LwOpnRule *rule = automatic(pf, "block", "virusprot overload table");
  rule->source.network = "<virusprot>";
  lw_pf_register(pf, FIRST, rule, NULL);
}

static void add_source_block(LwPf *pf, const LwOpnLink *link, const char *what, const char *from,
                             const char *family, gboolean on, gboolean log) {
  g_autofree char *descr = g_strdup_printf("Block %s from %s", what, link->interface->descr);
  LwOpnRule *rule = automatic(pf, "block", descr);
  rule->direction = "in";
  rule->interface = link->interface->key;
  rule->family = family;
  rule->source.network = from;
  rule->log = log;
  rule->disabled = !on;
  lw_pf_register(pf, EARLY, rule, NULL);
}

static void add_bogons(LwPf *pf, const LwOpnLink *link) {
  const LwOpn *opn = pf->opn;
  gboolean ipv6 = opn->ipv6_allowed;
  gboolean bogons = link->interface->block_bogons, private = link->interface->block_private;
  if (link->interface->is_virtual)
    return;
  add_source_block(pf, link, "bogon IPv4 networks", "<bogons>", "inet", bogons, opn->log_bogons);
  add_source_block(pf, link, "bogon IPv6 networks", "<bogonsv6>", "inet6", bogons && ipv6, opn->log_bogons);
  add_source_block(pf, link, "private networks",
                   "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,100.64.0.0/10,169.254.0.0/16", "inet",
                   private, opn->log_private);
  add_source_block(pf, link, "private networks", "fd00::/8,fe80::/10,::/128", "inet6", private && ipv6,
                   opn->log_private);
}

static LwOpnRule *udp(LwPf *pf, const LwOpnLink *link, const char *descr, const char *direction,
                      const char *from_port, const char *to_port) {
  LwOpnRule *rule = automatic(pf, "pass", descr);
  rule->protocol = "udp";
  rule->interface = link->interface->key;
  rule->direction = direction;
  rule->source.port = from_port;
  rule->destination.port = to_port;
  return rule;
}

static void add_clients(LwPf *pf, const LwOpnLink *link) {
  const LwOpnInterface *interface = link->interface;
  static const char *const by_ra[] = {"dhcp6", "slaac", NULL};
  if (pf->opn->ipv6_allowed && interface->ipaddrv6 && g_strv_contains(by_ra, interface->ipaddrv6)) {
    g_autofree char *in = g_strdup_printf("allow dhcpv6 client in %s", interface->descr);
    LwOpnRule *rule = udp(pf, link, in, NULL, NULL, "546");
    rule->destination.network = "fe80::/10";
    lw_pf_register(pf, FIRST, rule, NULL);
    g_autofree char *out = g_strdup_printf("allow dhcpv6 client out %s", interface->descr);
    rule = udp(pf, link, out, "out", "546", "547");
    rule->source.network = "fe80::/10";
    rule->destination.network = "fe80::/10,ff02::/16";
    lw_pf_register(pf, FIRST, rule, NULL);
  }
  if (!interface->ipaddr || !g_str_equal(interface->ipaddr, "dhcp"))
    return;
  g_autofree char *descr = g_strdup_printf("allow DHCP client on %s", interface->descr);
  lw_pf_register(pf, FIRST, udp(pf, link, descr, "in", "67", "68"), NULL);
  lw_pf_register(pf, FIRST, udp(pf, link, descr, "out", "68", "67"), NULL);
}

const char *lw_pf_lockout_interface(const LwOpn *opn) {
  const char *best = NULL;
  for (guint i = 0; i < opn->interfaces->len; i++) {
    const LwOpnInterface *each = opn->interfaces->pdata[i];
    gsize length = strlen(each->key);
    gboolean known = g_str_equal(each->key, "lan") || g_str_equal(each->key, "wan") ||
                     (g_str_has_prefix(each->key, "opt") && length > 3 &&
                      strspn(each->key + 3, "0123456789") == length - 3);
    if (known && !each->is_virtual && (!best || lw_opn_natural_cmp(each->key, best) < 0))
      best = each->key;
  }
  return opn->web.no_anti_lockout ? NULL : best;
}

static int port_cmp(gconstpointer a, gconstpointer b) {
  return lw_opn_natural_cmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *lockout_ports(const LwOpn *opn) {
  GPtrArray *ports = g_ptr_array_new();
  gboolean https = !opn->web.protocol || g_str_equal(opn->web.protocol, "https");
  g_ptr_array_add(ports, (gpointer)web_port(opn));
  if (https && !opn->web.no_http_redirect)
    g_ptr_array_add(ports, (gpointer) "80");
  if (opn->ssh.enabled)
    g_ptr_array_add(ports, (gpointer)(opn->ssh.port ? opn->ssh.port : "22"));
  g_ptr_array_sort(ports, port_cmp);
  return ports;
}

static void add_own(LwPf *pf) {
  LwOpnRule *out = automatic(pf, "pass", "let out anything from firewall host itself");
  out->direction = "out";
  out->state = "keep";
  out->allow_options = TRUE;
  out->quick = 0;
  lw_pf_register(pf, EARLY, out, NULL);
  const char *interface = lw_pf_lockout_interface(pf->opn);
  g_autoptr(GPtrArray) ports = lockout_ports(pf->opn);
  for (guint i = 0; interface && i < ports->len; i++) {
    LwOpnRule *rule = automatic(pf, "pass", "anti-lockout rule");
    rule->direction = "in";
    rule->interface = interface;
    rule->state = "keep";
    rule->protocol = "tcp";
    rule->destination.network = "(self)";
    rule->destination.port = ports->pdata[i];
    lw_pf_register(pf, EARLY, rule, NULL);
  }
}

/* What leaves with an uplink's address leaves by that uplink's gateway. */
static void add_forced(LwPf *pf, const LwOpnLink *link) {
  for (guint8 family = 4; family <= 6 && !pf->opn->no_force_gw; family += 2) {
    const LwPrefix *address = family == 4 ? &link->address4 : &link->address6;
    /* a link-local address is there as soon as IPv6 is, and then no such rule is made */
    if (!lw_addr_is_set(&address->addr) || family == 6)
      continue;
    const LwPfGateway *found = NULL;
    for (guint i = 0; !found && i < pf->gateways->len; i++) {
      const LwPfGateway *each = pf->gateways->pdata[i];
      const char *wanted = link->interface->gateway;
      if (each->family == family && each->address && each->interface &&
          g_str_equal(each->interface, link->interface->key) &&
          (each->dynamic || (wanted && g_str_equal(wanted, each->name))))
        found = each;
    }
    if (!found)
      continue;
    LwOpnRule *rule = automatic(pf, "pass", "let out anything from firewall host itself (force gw)");
    g_autofree char *own = g_strdup_printf("(%s)", link->interface->device);
    rule->source.network = lw_pf_keep(pf, own);
    rule->direction = "out";
    rule->gateway = found->name;
    rule->destination = (LwOpnEnd){.network = link->interface->key, .negate = TRUE};
    rule->state = "keep";
    rule->allow_options = TRUE;
    rule->quick = 0;
    lw_pf_register(pf, FORCE_GATEWAY, rule, NULL);
  }
}

void lw_pf_add_system(LwPf *pf) {
  g_autoptr(GPtrArray) mapping = lw_pf_mapping(pf);
  add_denials(pf);
  add_port0(pf);
  add_lockouts(pf);
  for (guint i = 0; i < mapping->len; i++)
    add_bogons(pf, mapping->pdata[i]);
  for (guint i = 0; i < mapping->len; i++)
    add_clients(pf, mapping->pdata[i]);
  add_own(pf);
  for (guint i = 0; i < mapping->len; i++) {
    const LwOpnLink *link = mapping->pdata[i];
    add_forced(pf, link);
    if (!g_str_equal(link->interface->device, "lo0"))
      g_ptr_array_add(pf->antispoof, (gpointer)link->interface->device);
  }
}

/* ---- DHCP ---- */

static gboolean serves_dhcp(const LwOpn *opn, const char *key) {
  g_auto(GStrv) not = g_strsplit(opn->dnsmasq.no_dhcp ? opn->dnsmasq.no_dhcp : "", ",", -1);
  if (opn->dnsmasq.ranges->len == 0 || g_strv_contains((const char *const *)not, key))
    return FALSE;
  if (opn->dnsmasq.interfaces) {
    g_auto(GStrv) keys = g_strsplit(opn->dnsmasq.interfaces, ",", -1);
    return g_strv_contains((const char *const *)keys, key);
  }
  for (guint i = 0; i < opn->dnsmasq.ranges->len; i++)
    if (g_strcmp0(((LwOpnRange *)opn->dnsmasq.ranges->pdata[i])->interface, key) == 0)
      return TRUE;
  return FALSE;
}

static void add_served(LwPf *pf, const LwOpnLink *link) {
  static const struct {
    const char *family, *direction, *from, *from_port, *to, *to_port;
  } rules[] = {
      {NULL, "in", NULL, "68", "255.255.255.255", "67"},
      {NULL, "in", NULL, "68", "(self)", "67"},
      {NULL, "out", "(self)", "67", NULL, "68"},
      {"inet6", NULL, "fe80::/10", NULL, "fe80::/10,ff02::/16", "546"},
      {"inet6", NULL, "fe80::/10", NULL, "ff02::/16", "547"},
      {"inet6", NULL, "ff02::/16", NULL, "fe80::/10", "547"},
      {"inet6", NULL, "fe80::/10", NULL, "(self)", "546"},
      {"inet6", "out", "(self)", "547", "fe80::/10", NULL},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
    LwOpnRule *rule = udp(pf, link, "allow access to DHCP server", rules[i].direction, rules[i].from_port,
                          rules[i].to_port);
    rule->family = rules[i].family;
    rule->source.network = rules[i].from;
    rule->destination.network = rules[i].to;
    rule->no_reply_to = FALSE; /* the generator says nothing here */
    lw_pf_register(pf, FIRST, rule, NULL);
  }
}

void lw_pf_add_dnsmasq(LwPf *pf) {
  if (!pf->opn->dnsmasq.enabled || !pf->opn->dnsmasq.firewall_rules)
    return;
  g_autoptr(GPtrArray) mapping = lw_pf_mapping(pf);
  for (guint i = 0; i < mapping->len; i++) {
    const LwOpnLink *link = mapping->pdata[i];
    if (serves_dhcp(pf->opn, link->interface->key))
      add_served(pf, link);
  }
}

/* ---- rules that forwards ask for ---- */

void lw_pf_add_forwarded(LwPf *pf) {
  for (guint i = 0; i < pf->opn->forwards->len; i++) {
    const LwOpnForward *forward = pf->opn->forwards->pdata[i];
    if (forward->disabled || !forward->pass || !g_str_equal(forward->pass, "rule"))
      continue;
    LwOpnRule *rule = automatic(pf, "pass", forward->descr);
    rule->descr = forward->descr;
    rule->log = forward->log;
    rule->no_reply_to = FALSE;
    rule->interface = forward->interface;
    rule->family = forward->family;
    rule->protocol = forward->protocol;
    rule->source = forward->source;
    rule->destination =
        (LwOpnEnd){.network = forward->target,
                   .port = forward->local_port ? forward->local_port : forward->destination.port};
    rule->quick = -1;
    lw_pf_register(pf, LATE, rule, NULL);
  }
}
