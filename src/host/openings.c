/* What the host's own firewall must let pass for the file's promises to hold: narrow, since lanward's own
 * rules say no less. Ranges (`from .0/26`) are left to the router: an opening names the whole segment. */
#include "host/world.h"

#include "policy/names.h"
#include "providers/firewall/translate.h"

#include <string.h>

typedef struct {
  const LwLab *lab;
  const LwSegment *segment;
  LwResourceSet *wanted;
} Place;

static LwResource *opening_new(const Place *p, const char *firewall, const char *value, LwOrigin origin) {
  LwResource *opening = lw_resource_new(LW_RES_OPENING, NULL, firewall);
  opening->value = g_strdup(value);
  opening->alias = g_strdup(LW_OPENING_MARK);
  opening->from = p->segment->subnet;
  opening->origin = origin;
  return opening;
}

static void add(const Place *p, LwResource *opening) {
  g_autofree char *key = lw_resource_key(opening);
  if (lw_resource_set_find(p->wanted, key))
    lw_resource_unref(opening);
  else
    lw_resource_set_add(p->wanted, opening);
}

static void add_to(const Place *p, const char *firewall, LwPrefix to, const char *value, LwOrigin origin) {
  LwResource *opening = opening_new(p, firewall, value, origin);
  opening->link = g_strdup(p->lab->host.management.bridge);
  opening->to = to;
  add(p, opening);
}

/* --- to the host
 * ------------------------------------------------------------------------------------------------------ */

/* Both ufw (before.rules) and firewalld answer pings by themselves. */
static void add_to_host(const Place *p, const LwPorts *ports, LwOrigin origin) {
  if (ports && ports->proto == LW_PROTO_ICMP)
    return;
  g_autofree char *value = ports ? lw_ports_format(ports) : g_strdup("any");
  add_to(p, LW_OPENING_UFW, lw_prefix_make(p->lab->host.management.address, 32), value, origin);
}

static void add_all_to_host(const Place *p, const GArray *ports, LwOrigin origin) {
  for (guint i = 0; i < ports->len; i++)
    add_to_host(p, &g_array_index(ports, LwPorts, i), origin);
  if (ports->len == 0)
    add_to_host(p, NULL, origin);
}

static void collect_to_host(const Place *p) {
  if (p->segment->trust_host) {
    add_to_host(p, NULL, p->segment->trust_origin);
    return;
  }
  for (guint i = 0; i < p->segment->allow->len; i++) {
    const LwAllow *allow = p->segment->allow->pdata[i];
    if (allow->target.kind == LW_TARGET_HOST)
      add_all_to_host(p, allow->ports, allow->origin);
    else if (allow->target.kind == LW_TARGET_HOST_SERVICE)
      add_all_to_host(p,
                      allow->ports->len ? allow->ports : lw_lab_service(p->lab, allow->target.index)->ports,
                      allow->origin);
  }
}

/* --- through the host
 * ------------------------------------------------------------------------------------------------- */

typedef struct {
  const char *firewall;
  gboolean answers; /* by itself: flows that go on, and pings */
} Forwarder;

static const Forwarder ufw_forward = {LW_OPENING_UFW_ROUTE, TRUE},
                       docker_forward = {LW_OPENING_DOCKER, FALSE};

/* A network's addresses of this host's own are not forwarded: ufw has two ways to close it. */
static void add_out(const Place *p, const Forwarder *f, LwPrefix to, const LwPorts *ports, LwOrigin origin) {
  if (f->answers && ports && ports->proto == LW_PROTO_ICMP)
    return;
  g_autofree char *value = ports ? lw_ports_format(ports) : g_strdup("any");
  add_to(p, f->firewall, to, value, origin);
  if (f->answers)
    add_to(p, LW_OPENING_UFW, to, value, origin);
}

/* value: LW_OPENING_REPLIES, or "any" of a network that may open connections itself */
static void add_back(const Place *p, const Forwarder *f, LwPrefix from, const char *value, LwOrigin origin) {
  LwResource *opening = opening_new(p, f->firewall, value, origin);
  opening->oif = g_strdup(p->lab->host.management.bridge);
  opening->to = p->segment->subnet;
  opening->from = from;
  add(p, opening);
}

static void add_network(const Place *p, const Forwarder *f, LwPrefix network, const GArray *ports,
                        LwOrigin origin) {
  for (guint i = 0; ports && i < ports->len; i++)
    add_out(p, f, network, &g_array_index(ports, LwPorts, i), origin);
  if (!ports || ports->len == 0)
    add_out(p, f, network, NULL, origin);
  if (!f->answers)
    add_back(p, f, network, LW_OPENING_REPLIES, origin);
}

static gboolean is_behind(const LwLab *lab, const LwPrefix *prefix) {
  for (guint i = 0; i < lab->host.networks->len; i++) {
    const LwPrefix *network = &lw_lab_network(lab, i)->prefix;
    if (prefix->len >= network->len && lw_prefix_contains(network, &prefix->addr))
      return TRUE;
  }
  return FALSE;
}

static void collect_forwards(const Place *p, const Forwarder *f) {
  for (guint i = 0; p->segment->trust_host && i < p->lab->host.networks->len; i++) {
    LwPrefix network = lw_lab_network(p->lab, i)->prefix;
    add_network(p, f, network, NULL, p->segment->trust_origin);
    add_back(p, f, network, "any", p->segment->trust_origin);
  }
  for (guint i = 0; i < p->segment->allow->len; i++) {
    const LwAllow *allow = p->segment->allow->pdata[i];
    if (allow->target.kind == LW_TARGET_NETWORK)
      add_network(p, f, lw_lab_network(p->lab, allow->target.index)->prefix, allow->ports, allow->origin);
    else if (allow->target.kind == LW_TARGET_PREFIX && is_behind(p->lab, &allow->target.prefix))
      add_network(p, f, allow->target.prefix, allow->ports, allow->origin);
  }
}

static LwResourceSet *collect(const LwLab *lab, gboolean to_host, const Forwarder *forwarder) {
  LwResourceSet *set = lw_resource_set_new();
  for (guint i = 0; i < lab->segments->len; i++) {
    Place p = {lab, lw_lab_segment(lab, i), set};
    if (to_host)
      collect_to_host(&p);
    if (forwarder)
      collect_forwards(&p, forwarder);
  }
  return set;
}

static void move_all(LwResourceSet *from, LwResourceSet *to) {
  g_autoptr(LwResourceSet) moved = from;
  for (guint i = 0; i < moved->list->len; i++)
    lw_resource_set_add(to, lw_resource_ref(moved->list->pdata[i]));
}

void lw_host_add_openings(const LwHostWorld *world, const LwLab *lab, LwResourceSet *wanted) {
  if (world->ufw)
    move_all(collect(lab, TRUE, &ufw_forward), wanted);
  if (world->docker)
    move_all(collect(lab, FALSE, &docker_forward), wanted);
}

gboolean lw_host_offers(const LwLab *lab) {
  g_autoptr(LwResourceSet) set = collect(lab, TRUE, NULL);
  return set->list->len > 0;
}

gboolean lw_host_forwards(const LwLab *lab) {
  g_autoptr(LwResourceSet) set = collect(lab, FALSE, &docker_forward);
  return set->list->len > 0;
}

/* --- firewalld
 * -------------------------------------------------------------------------------------------------------- */

static guint count_missing(const LwHostWorld *world, const LwResourceSet *needed) {
  guint missing = 0;
  for (guint i = 0; i < needed->list->len; i++)
    missing += !lw_firewalld_opens(world->firewalld, needed->list->pdata[i]);
  return missing;
}

/* Into a zone of its own, since a zone says nothing of interfaces: with a rule in one of the user's zones it
 * would be open to all that is in it. The new zone begins with nothing of what the old one opens. */
char *lw_host_firewalld_note(const LwHostWorld *world, const LwLab *lab) {
  if (!world->firewalld)
    return NULL;
  g_autoptr(LwResourceSet) needed = collect(lab, TRUE, NULL);
  guint missing = count_missing(world, needed);
  if (missing == 0)
    return NULL;
  gboolean ours = g_strcmp0(world->firewalld_zone, LW_OWNER) == 0;
  g_autoptr(GString) commands = g_string_new(NULL);
  if (!ours)
    g_string_append_printf(commands,
                           "firewall-cmd --permanent --new-zone=%s\nfirewall-cmd --permanent --zone=%s "
                           "--change-interface=%s\n",
                           LW_OWNER, LW_OWNER, lab->host.management.bridge);
  for (guint i = 0; i < needed->list->len; i++) {
    const LwResource *opening = needed->list->pdata[i];
    if (ours && lw_firewalld_opens(world->firewalld, opening))
      continue;
    g_autofree char *rule = lw_firewalld_rule(opening);
    g_string_append_printf(commands, "firewall-cmd --permanent --zone=%s --add-rich-rule='%s'\n", LW_OWNER,
                           rule);
  }
  return g_strdup_printf("firewalld's zone %s stops %u of what the file allows to this host; to open that "
                         "and nothing else (the reload "
                         "takes back settings of yours that are not permanent):\n%sfirewall-cmd --reload",
                         world->firewalld_zone, missing, commands->str);
}
