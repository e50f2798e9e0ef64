/* Address translation: forwards (rdr) and source NAT (nat). */
#include "providers/opnsense/pf-internal.h"

#include <string.h>

#define SOURCE_NEW 50
#define SOURCE_MANUAL 100
#define SOURCE_AUTOMATIC 200
#define LOCKOUT 300
#define FORWARDS 600

typedef struct {
  LwPf *pf;
  guint priority;
  LwPfKind kind;
  LwOpnEnd source, destination;
  const char *interface, *family; /* keys with commas; one family, inet46 or NULL */
} Spread;

static gboolean resolve(const Spread *spread, LwPfRule *made, const char *from, const char *to) {
  gboolean addresses = TRUE;
  made->from = lw_pf_address(spread->pf, from, made->family, spread->source.negate, FALSE, &addresses);
  made->to = lw_pf_address(spread->pf, to, made->family, spread->destination.negate, FALSE, &addresses);
  return addresses;
}

/* Takes one configured translation apart, as filter rules are. finish gets each; it may append more. */
static void spread(const Spread *how, const LwPfRule *common,
                   void (*finish)(LwPf *, LwPfRule *, const char *)) {
  static const char *const two[] = {"inet", "inet6", NULL};
  const char *const one[] = {how->family ? how->family : "", NULL};
  const char *const *families = how->family && g_str_equal(how->family, "inet46") ? two : one;
  g_auto(GStrv) froms = g_strsplit(how->source.network ? how->source.network : "any", ",", -1);
  g_auto(GStrv) tos = g_strsplit(how->destination.network ? how->destination.network : "any", ",", -1);
  g_auto(GStrv) interfaces = g_strsplit(how->interface ? how->interface : "", ",", -1);
  for (char **from = froms; *from; from++)
    for (char **to = tos; *to; to++)
      for (char **key = interfaces; *key; key++)
        for (const char *const *family = families; *family; family++) {
          LwPfRule *made = g_memdup2(common, sizeof *common);
          const char *interface = lw_pf_keep(how->pf, *key);
          const LwOpnLink *link = lw_opn_link(how->pf->links, interface);
          made->kind = how->kind;
          made->priority = how->priority;
          made->family = !**family ? 0 : g_str_equal(*family, "inet6") ? 6 : 4;
          made->device = link ? link->interface->device : interface;
          if (!resolve(how, made, *from, *to) || (interface && !link)) {
            made->disabled = TRUE;
            made->why = interface && !link ? "its interface does not exist or is not enabled"
                                           : "an address in it does not exist";
          }
          g_ptr_array_add(how->pf->translations, made);
          if (finish)
            finish(how->pf, made, interface);
        }
}

static const char *self_target(LwPf *pf, const char *interface) {
  const LwOpnLink *link = lw_opn_link(pf->links, interface);
  g_autofree char *text = link ? g_strdup_printf("(%s:0)", link->interface->device) : NULL;
  return lw_pf_keep(pf, text);
}

static void finish_source(LwPf *pf, LwPfRule *made, const char *interface) {
  const char *wanted = made->target;
  if (made->negative) {
    made->target = made->target_port = made->pool = NULL;
    return;
  }
  gsize length = wanted ? strlen(wanted) : 0;
  if (!wanted) {
    made->target = self_target(pf, interface);
  } else if (lw_opn_alias(pf->opn, wanted)) {
    g_autofree char *variable = g_strdup_printf("$%s", wanted);
    made->target = lw_pf_keep(pf, variable);
  } else if (length > 2 && g_str_equal(wanted + length - 2, "ip")) {
    g_autofree char *key = g_strndup(wanted, length - 2);
    made->target = self_target(pf, key);
  }
  if (!made->target) {
    made->disabled = TRUE;
    made->why = "it has no address to translate to";
  }
  if (made->static_port)
    made->target_port = NULL;
  else if (!made->target_port)
    made->target_port = "1024:65535";
}

static const char *nat_port(LwPf *pf, const char *text, gboolean *usable) {
  return lw_pf_port(pf, text, usable);
}

static void add_source(LwPf *pf, const LwOpnSourceNat *nat) {
  gboolean ports = TRUE;
  LwPfRule common = {.disabled = nat->disabled,
                     .negative = nat->no_nat,
                     .log = nat->log,
                     .protocol = nat->protocol,
                     .target = nat->target,
                     .pool = nat->pool,
                     .static_port = nat->static_port && !nat->no_nat,
                     .source_nat = nat,
                     .descr = nat->descr};
  common.from_port = nat_port(pf, nat->source.port, &ports);
  common.to_port = nat_port(pf, nat->destination.port, &ports);
  common.target_port = nat_port(pf, nat->target_port, &ports);
  if (!ports)
    common.disabled = TRUE;
  Spread how = {pf,
                nat->legacy ? SOURCE_MANUAL : SOURCE_NEW,
                LW_PF_NAT,
                nat->source,
                nat->destination,
                nat->interface,
                nat->family};
  spread(&how, &common, finish_source);
}

/* Inside networks leave an uplink with its address. */
static void add_automatic(LwPf *pf) {
  g_autoptr(GPtrArray) mapping = lw_pf_mapping(pf);
  g_autoptr(GPtrArray) networks = g_ptr_array_new();
  for (guint i = 0; i < mapping->len; i++) {
    const LwOpnLink *link = mapping->pdata[i];
    if (lw_addr_is_set(&link->address4.addr) && !lw_pf_interface_gateway(pf, link, 4))
      g_ptr_array_add(networks, (gpointer)link->interface->key);
  }
  g_ptr_array_add(networks, (gpointer) "127.0.0.0/8");
  for (guint i = 0; i < mapping->len; i++) {
    const LwOpnLink *link = mapping->pdata[i];
    if (g_str_has_prefix(link->interface->device, "ovpn") || !lw_pf_interface_gateway(pf, link, 4))
      continue;
    for (int isakmp = 1; isakmp >= 0; isakmp--)
      for (guint n = 0; n < networks->len; n++) {
        LwPfRule common = {.log = pf->opn->log_outbound,
                           .static_port = isakmp,
                           .to_port = isakmp ? "500" : NULL,
                           .descr = "Automatic outbound rule"};
        Spread how = {pf,     SOURCE_AUTOMATIC,     LW_PF_NAT, {.network = networks->pdata[n]},
                      {NULL}, link->interface->key, "inet"};
        spread(&how, &common, finish_source);
      }
  }
}

/* ---- forwards ---- */

static void add_lockout_guards(LwPf *pf) {
  const char *interface = lw_pf_lockout_interface(pf->opn);
  for (guint i = 0; interface && i < pf->filter->len; i++) {
    const LwPfRule *rule = pf->filter->pdata[i];
    if (!rule->rule->automatic || !g_str_equal(rule->descr, "anti-lockout rule"))
      continue;
    g_autofree char *own = g_strdup_printf("%sip", interface);
    LwPfRule common = {.negative = TRUE,
                       .protocol = "tcp",
                       .to_port = rule->to_port,
                       .descr =
                           "Anti-lockout; prevent redirects for protected ports to this interface address"};
    Spread how = {pf, LOCKOUT, LW_PF_RDR, {NULL}, {.network = lw_pf_keep(pf, own)}, interface, NULL};
    spread(&how, &common, NULL);
  }
}

static gboolean reflects(const LwPf *pf, const LwPfRule *made) {
  const char *how = made->forward->reflection;
  if (made->disabled || made->negative)
    return FALSE;
  return how ? g_str_equal(how, "purenat") || g_str_equal(how, "enable") : pf->opn->reflection;
}

/* The same redirection on every inside interface, so that a name or address of outside works from within. */
static void reflect(LwPf *pf, LwPfRule *made, const char *interface) {
  g_autoptr(GPtrArray) mapping = lw_pf_mapping(pf);
  for (guint i = 0; i < mapping->len; i++) {
    const LwOpnLink *link = mapping->pdata[i];
    gboolean has =
        made->family == 6 ? lw_addr_is_set(&link->address6.addr) : lw_addr_is_set(&link->address4.addr);
    if (!has || lw_pf_interface_gateway(pf, link, 4) || lw_pf_interface_gateway(pf, link, 6) ||
        g_strcmp0(interface, link->interface->key) == 0 || g_str_equal(link->interface->key, "loopback"))
      continue;
    LwPfRule *copy = g_memdup2(made, sizeof *made);
    copy->device = link->interface->device;
    g_ptr_array_add(pf->translations, copy);
  }
}

/* A range of ports is moved as a whole: the target is a range from the local port on. */
static const char *local_port(LwPf *pf, const LwOpnForward *forward, const char *to_port) {
  static const char *const with_ports[] = {"tcp", "udp", "tcp/udp", NULL};
  const char *local = forward->local_port;
  if (!local || !forward->protocol || !g_strv_contains(with_ports, forward->protocol))
    return NULL;
  const LwOpnAlias *alias = lw_opn_alias(pf->opn, local);
  if (alias) {
    if (to_port && to_port[0] == '$' && g_str_equal(to_port + 1, local))
      return NULL;
    return alias->content->len ? alias->content->pdata[0] : NULL;
  }
  guint first = lw_pf_known_port(local);
  g_autofree char *text = first ? g_strdup_printf("%u", first) : g_strdup(local);
  g_auto(GStrv) ends = g_strsplit(to_port ? to_port : "", ":", -1);
  if (g_strv_length(ends) == 2) {
    gint64 start = g_ascii_strtoll(text, NULL, 10);
    gint64 span = g_ascii_strtoll(ends[1], NULL, 10) - g_ascii_strtoll(ends[0], NULL, 10);
    g_autofree char *range = g_strdup_printf("%s:%" G_GINT64_FORMAT, text, start + span);
    return lw_pf_keep(pf, range);
  }
  return lw_pf_keep(pf, text);
}

static void finish_forward(LwPf *pf, LwPfRule *made, const char *interface) {
  gboolean usable = TRUE;
  if (made->target) {
    made->target = lw_pf_address(pf, made->target, made->family, FALSE, FALSE, &usable);
    if (!usable) {
      made->disabled = TRUE;
      made->why = "its target is neither an address nor an alias that exists";
    }
  } else if (!made->negative) {
    made->disabled = TRUE;
    made->why = "it has no target";
  }
  if (reflects(pf, made))
    reflect(pf, made, interface);
}

static void add_forward(LwPf *pf, const LwOpnForward *forward) {
  gboolean ports = TRUE;
  LwPfRule common = {.disabled = forward->disabled,
                     .negative = forward->no_rdr,
                     .pass = forward->pass && !forward->no_rdr && !g_str_equal(forward->pass, "rule"),
                     .log = forward->log,
                     .protocol = forward->protocol,
                     .target = forward->target,
                     .forward = forward,
                     .tag = forward->tag,
                     .tagged = forward->tagged,
                     .descr = forward->descr};
  common.from_port = lw_pf_port(pf, forward->source.port, &ports);
  common.to_port = lw_pf_port(pf, forward->destination.port, &ports);
  common.target_port = local_port(pf, forward, common.to_port);
  if (!ports) {
    common.disabled = TRUE;
    common.why = "a port in it is neither a number nor an alias with a content";
  }
  Spread how = {
      pf, FORWARDS, LW_PF_RDR, forward->source, forward->destination, forward->interface, forward->family};
  spread(&how, &common, finish_forward);
}

void lw_pf_add_nat(LwPf *pf) {
  const char *mode = pf->opn->outbound_mode;
  gboolean own = g_str_equal(mode, "hybrid") || g_str_equal(mode, "advanced");
  for (guint i = 0; own && i < pf->opn->source_nat->len; i++)
    add_source(pf, pf->opn->source_nat->pdata[i]);
  if (g_str_equal(mode, "hybrid") || g_str_equal(mode, "automatic"))
    add_automatic(pf);
  add_lockout_guards(pf);
  for (guint i = 0; i < pf->opn->forwards->len; i++)
    add_forward(pf, pf->opn->forwards->pdata[i]);
}
