/* Segments that are alike: what one of them was proved to come to holds for the others, so a class of them is
 * followed once (reach/alike.h). Only what was found good is taken over: where a violation was found, or
 * something that is not understood, each is followed, and told of, by itself. */
#include "verify/static_internal.h"

#include "policy/names.h"
#include "reach/alike.h"

#define GOOD_MOST 8 /* runs of one class that are kept: more of them than that are not alike enough */

/* Roles of a segment's links: its leg in the router, the leg's port at the bridge, the bridge; then the ports
 * of machines in the file's order, of probes, of strangers, and the one that nobody has yet. */
enum {
  ROLE_LEG,
  ROLE_LEG_PORT,
  ROLE_BRIDGE,
  ROLE_MACHINES = 16,
  ROLE_PROBES = 1 << 20,
  ROLE_STRANGERS = 2 << 20,
  ROLE_VACANT = 3 << 20
};

typedef struct {
  LwAlikeRun *run;
  const LwStaticRow *row;
  GArray *pairs; /* of guint: segments whose flows with its own it was judged by */
} Good;

struct LwStaticAlike {
  LwAlike *alike;
  guint *class_sizes;
  GHashTable *good; /* key_of() -> GPtrArray of Good* */
  LwLooked *looked; /* of the run that is watched; NULL: none is */
  GArray *pairs;    /* of guint */
  guint violations, unknowns;
};

static void good_free(gpointer data) {
  Good *good = data;
  lw_alike_run_free(good->run);
  g_array_unref(good->pairs);
  g_free(good);
}

static void goods_unref(gpointer data) {
  g_ptr_array_unref(data);
}

void lw_static_alike_free(LwStaticAlike *a) {
  if (!a)
    return;
  lw_alike_free(a->alike);
  lw_looked_free(a->looked);
  g_hash_table_unref(a->good);
  g_array_unref(a->pairs);
  g_free(a->class_sizes);
  g_free(a);
}

/* --- what belongs to a segment
 * ------------------------------------------------------------------------------------ */

static void own_links(const Prove *p, LwAlike *alike, guint index) {
  const LwSegment *segment = lw_lab_segment(p->proof->lab, index);
  g_autofree char *leg = lw_name_router_leg(segment);
  const LwResource *link = lw_static_link(p, p->router, leg);
  lw_alike_own_prefix(alike, index, &segment->subnet);
  lw_alike_own_link(alike, index, ROLE_LEG, leg);
  lw_alike_own_link(alike, index, ROLE_BRIDGE, segment->bridge);
  if (link && link->peer && *link->peer)
    lw_alike_own_link(alike, index, ROLE_LEG_PORT, link->peer);
}

static void own_nic(const Prove *p, LwAlike *alike, guint machine, guint nic, guint *next) {
  const LwLab *lab = p->proof->lab;
  const LwFacts *facts = p->proof->facts;
  guint segment = lw_nic_segment(lab, facts, machine, nic);
  if (segment == LW_NONE)
    return;
  guint role = ROLE_MACHINES + 2 * next[segment]++;
  g_autofree char *port = lw_name_nic_port((LwFacts *)facts, lab, machine, nic); /* numbers were assigned */
  const char *other = lw_nic_other_port(lab, facts, machine, nic);
  LwMac mac = lw_nic_mac_now(lab, facts, machine, nic);
  lw_alike_own_link(alike, segment, role, port);
  if (other)
    lw_alike_own_link(alike, segment, role + 1, other);
  lw_alike_own_mac(alike, segment, role, &mac);
}

static void own_probes(const Prove *p, LwAlike *alike) {
  const LwLab *lab = p->proof->lab;
  const GPtrArray *probes = p->proof->facts->probes;
  for (guint i = 0; i < probes->len; i++) {
    const LwProbePort *probe = probes->pdata[i];
    for (guint s = 0; s < lab->segments->len; s++) {
      if (!g_str_equal(lw_lab_segment(lab, s)->name, probe->segment))
        continue;
      lw_alike_own_link(alike, s, ROLE_PROBES, probe->name);
      lw_alike_own_mac(alike, s, ROLE_PROBES, &probe->mac);
    }
  }
}

static void own_strangers(const Prove *p, LwAlike *alike) {
  const LwLab *lab = p->proof->lab;
  g_autofree guint *next = g_new0(guint, lab->segments->len + 1);
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *link = p->world->list->pdata[i];
    guint group, role, segment;
    if (link->kind != LW_RES_LINK || (link->ns && *link->ns) || !link->master ||
        lw_alike_role(alike, link->name, &group, &role))
      continue;
    segment = lw_static_segment_of_bridge(p, link->master);
    if (segment != LW_NONE)
      lw_alike_own_link(alike, segment, ROLE_STRANGERS + next[segment]++, link->name);
  }
}

static void own_all(const Prove *p, LwAlike *alike) {
  const LwLab *lab = p->proof->lab;
  g_autofree guint *next = g_new0(guint, lab->segments->len + 1);
  GHashTableIter iter;
  gpointer name, segment;
  for (guint i = 0; i < lab->segments->len; i++)
    own_links(p, alike, i);
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++)
      own_nic(p, alike, m, n, next);
  own_probes(p, alike);
  own_strangers(p, alike);
  g_hash_table_iter_init(&iter, p->vacant);
  while (g_hash_table_iter_next(&iter, &name, &segment))
    lw_alike_own_link(alike, GPOINTER_TO_UINT(segment), ROLE_VACANT, name);
}

/* --- what the file says of a segment
 * ------------------------------------------------------------------------------- */

enum { SAYS_SEGMENT = 1, SAYS_PIN, SAYS_ALLOW, SAYS_HOST_ALLOW, SAYS_FORWARD, SAYS_NIC };

static void begin(LwAlike *alike, guint segment, guint what) {
  lw_alike_say_begin(alike, segment);
  lw_alike_say_number(alike, what);
}

static void say_nic(const Prove *p, LwAlike *alike, guint machine, guint nic) {
  const LwLab *lab = p->proof->lab;
  const LwNic *n = lw_machine_nic(lw_lab_machine(lab, machine), nic);
  guint segment = lw_nic_segment(lab, p->proof->facts, machine, nic);
  LwAddr address = lw_nic_address(lab, p->proof->facts, machine, nic);
  if (segment == LW_NONE)
    return;
  begin(alike, segment, SAYS_NIC);
  lw_alike_say_addr(alike, &address);
  lw_alike_say_number(alike, n->spoof_ok ? 1 : 0);
  lw_alike_say_number(alike, n->segment == segment);
  lw_alike_say_number(alike, g_hash_table_contains(p->plugged, GUINT_TO_POINTER(machine * 64 + nic)));
  for (guint i = 0; i < n->addresses->len; i++)
    lw_alike_say_addr(alike, &g_array_index(n->addresses, LwPrefix, i).addr);
  lw_alike_say_end(alike);
}

/* A machine is known by its addresses there. */
static void say_target(const Prove *p, LwAlike *alike, const LwTarget *target) {
  const LwLab *lab = p->proof->lab;
  lw_alike_say_number(alike, target->kind);
  switch (target->kind) {
  case LW_TARGET_SEGMENT:
    lw_alike_say_group(alike, target->index);
    break;
  case LW_TARGET_MACHINE: {
    const LwMachine *machine = lw_lab_machine(lab, target->machine);
    lw_alike_say_group(alike, target->index);
    for (guint n = 0; n < machine->nics->len; n++) {
      const LwNic *nic = lw_machine_nic(machine, n);
      LwAddr address = lw_nic_address(lab, p->proof->facts, target->machine, n);
      if (lw_nic_segment(lab, p->proof->facts, target->machine, n) != target->index)
        continue;
      lw_alike_say_addr(alike, &address);
      for (guint i = 0; i < nic->addresses->len; i++)
        lw_alike_say_addr(alike, &g_array_index(nic->addresses, LwPrefix, i).addr);
    }
    break;
  }
  case LW_TARGET_PREFIX: {
    LwRange range = lw_prefix_range(&target->prefix);
    lw_alike_say_range(alike, &range);
    break;
  }
  default:
    lw_alike_say_number(alike, target->index);
    break;
  }
}

static void say_allow(const Prove *p, LwAlike *alike, guint segment, guint what, const LwAllow *allow) {
  begin(alike, segment, what);
  say_target(p, alike, &allow->target);
  for (guint i = 0; i < allow->ports->len; i++) {
    const LwPorts *ports = &g_array_index(allow->ports, LwPorts, i);
    lw_alike_say_number(alike, ports->proto);
    lw_alike_say_number(alike, ports->first_port);
    lw_alike_say_number(alike, ports->last_port);
  }
  for (guint i = 0; i < allow->from->len; i++)
    lw_alike_say_range(alike, &g_array_index(allow->from, LwRange, i));
  lw_alike_say_end(alike);
}

static void say_forward(LwAlike *alike, guint segment, const LwForward *forward) {
  begin(alike, segment, SAYS_FORWARD);
  lw_alike_say_number(alike, (forward->tcp ? 1u : 0) | (forward->udp ? 2u : 0));
  lw_alike_say_number(alike, forward->first_port);
  lw_alike_say_number(alike, forward->last_port);
  lw_alike_say_number(alike, forward->to_port);
  lw_alike_say_addr(alike, &forward->address);
  lw_alike_say_end(alike);
}

static void say_segment(const Prove *p, LwAlike *alike, guint index) {
  const LwSegment *s = lw_lab_segment(p->proof->lab, index);
  LwRange dhcp = s->has_dhcp ? s->dhcp : (LwRange){LW_ADDR_NONE, LW_ADDR_NONE};
  begin(alike, index, SAYS_SEGMENT);
  lw_alike_say_number(alike, s->subnet.len);
  lw_alike_say_addr(alike, &s->router);
  lw_alike_say_range(alike, &dhcp);
  for (guint i = 0; i < s->dns->len; i++)
    lw_alike_say_addr(alike, &g_array_index(s->dns, LwAddr, i));
  lw_alike_say_number(alike, s->dns_foreign);
  lw_alike_say_number(alike, s->egress);
  lw_alike_say_number(alike, lw_active_exit(p->proof->lab, p->proof->facts, index));
  lw_alike_say_number(alike,
                      (s->trust_host ? 1u : 0) | (s->isolate ? 2u : 0) | (p->has_port[index] ? 4u : 0));
  lw_alike_say_end(alike);
  for (guint i = 0; i < s->pins->len; i++) {
    const LwPin *pin = s->pins->pdata[i];
    begin(alike, index, SAYS_PIN);
    lw_alike_say_number(alike, i); /* the first that fits counts */
    lw_alike_say_range(alike, &pin->range);
    lw_alike_say_number(alike, pin->tunnel);
    lw_alike_say_end(alike);
  }
  for (guint i = 0; i < s->allow->len; i++)
    say_allow(p, alike, index, SAYS_ALLOW, s->allow->pdata[i]);
  for (guint i = 0; i < s->host_allow->len; i++)
    say_allow(p, alike, index, SAYS_HOST_ALLOW, s->host_allow->pdata[i]);
  for (guint i = 0; i < s->forwards->len; i++)
    say_forward(alike, index, s->forwards->pdata[i]);
}

/* Ranges that the file, or what it means by the internet, asks about for everybody. */
static void note_ranges(const Prove *p, LwAlike *alike) {
  const LwLab *lab = p->proof->lab;
  LwPrefix special;
  for (guint i = 0; lw_intent_special(i, &special); i++)
    lw_alike_tell_apart(alike, &special);
  for (guint i = 0; i < lab->host.networks->len; i++)
    lw_alike_tell_apart(alike, &lw_lab_network(lab, i)->prefix);
  lw_alike_tell_apart(alike, &lab->host.management.subnet);
  lw_alike_tell_apart(alike, &p->proof->facts->home_lan);
}

void lw_static_find_alike(Prove *p) {
  const LwLab *lab = p->proof->lab;
  guint segments = lab->segments->len;
  if (segments < 2)
    return;
  LwStaticAlike *a = p->alike = g_new0(LwStaticAlike, 1);
  a->alike = lw_alike_new(p->proof->reach, segments);
  a->good = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, goods_unref);
  a->pairs = g_array_new(FALSE, FALSE, sizeof(guint));
  a->class_sizes = g_new0(guint, segments);
  own_all(p, a->alike);
  lw_alike_read_world(a->alike);
  note_ranges(p, a->alike);
  for (guint i = 0; i < segments; i++)
    say_segment(p, a->alike, i);
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++)
      say_nic(p, a->alike, m, n);
  lw_alike_seal(a->alike);
  for (guint i = 0; i < segments; i++)
    a->class_sizes[lw_alike_class(a->alike, i)]++;
}

/* --- rows
 * ---------------------------------------------------------------------------------------------------------
 */

/* Rows of one class that start at the same place of their segments. FALSE: there is no other. */
static gboolean key_of(const LwStaticAlike *a, const LwStaticRow *row, guint run, gint64 *key) {
  guint group, role;
  if (!a || row->zone.kind != LW_ZONE_SEGMENT || !lw_alike_role(a->alike, row->start.link, &group, &role) ||
      group != row->zone.index)
    return FALSE;
  guint class = lw_alike_class(a->alike, group);
  *key = (gint64)run << 52 | (gint64)role << 24 | class;
  return a->class_sizes[class] > 1;
}

static void begin_watch(const Prove *p) {
  LwStaticAlike *a = p->alike;
  a->looked = lw_looked_new();
  a->violations = p->proof->violations->len;
  a->unknowns = g_hash_table_size(lw_reach_unknowns(p->proof->reach));
  g_array_set_size(a->pairs, 0);
  lw_reach_watch(p->proof->reach, a->looked);
}

/* The run if it was good; NULL: it was not. Transfer full. */
static Good *end_watch(const Prove *p, const LwStaticRow *row, guint group) {
  LwStaticAlike *a = p->alike;
  Good *good = NULL;
  lw_reach_watch(p->proof->reach, NULL);
  if (a->violations == p->proof->violations->len &&
      a->unknowns == g_hash_table_size(lw_reach_unknowns(p->proof->reach))) {
    good = g_new0(Good, 1);
    good->run = lw_alike_run_new(a->alike, group, a->looked);
    good->row = row;
    good->pairs = g_array_copy(a->pairs);
  }
  g_clear_pointer(&a->looked, lw_looked_free);
  return good;
}

void lw_static_watch_begin(const Prove *p, const LwStaticRow *row, guint run) {
  LwStaticAlike *a = p->alike;
  gint64 key;
  if (!key_of(a, row, run, &key))
    return;
  const GPtrArray *good = g_hash_table_lookup(a->good, &key);
  if (!good || good->len < GOOD_MOST)
    begin_watch(p);
}

void lw_static_watch_end(const Prove *p, const LwStaticRow *row, guint run) {
  LwStaticAlike *a = p->alike;
  gint64 key;
  if (!a || !a->looked || !key_of(a, row, run, &key))
    return;
  Good *good = end_watch(p, row, row->zone.index);
  if (!good)
    return;
  GPtrArray *list = g_hash_table_lookup(a->good, &key);
  if (!list) {
    list = g_ptr_array_new_with_free_func(good_free);
    g_hash_table_insert(a->good, g_memdup2(&key, sizeof key), list);
  }
  g_ptr_array_add(list, good);
}

void lw_static_watch_pair(const Prove *p, guint segment) {
  if (p->alike && p->alike->looked)
    g_array_append_val(p->alike->pairs, segment);
}

/* The renaming holds for the file's pairs as well. */
static gboolean pairs_hold(const Prove *p, const Good *good, const LwZone *of) {
  for (guint i = 0; i < good->pairs->len; i++) {
    guint other = lw_alike_renamed(p->alike->alike, g_array_index(good->pairs, guint, i));
    if (other == LW_ALIKE_ANY || !lw_static_have_flows(p, of, &(LwZone){LW_ZONE_SEGMENT, other}))
      return FALSE;
  }
  return TRUE;
}

const LwStaticRow *lw_static_good_like(const Prove *p, const LwStaticRow *row, guint run) {
  gint64 key;
  if (!key_of(p->alike, row, run, &key))
    return NULL;
  const GPtrArray *list = g_hash_table_lookup(p->alike->good, &key);
  for (guint i = 0; list && i < list->len; i++) {
    const Good *good = list->pdata[i];
    if (lw_alike_holds(p->alike->alike, good->run, row->zone.index) && pairs_hold(p, good, &row->zone))
      return good->row;
  }
  return NULL;
}

/* As the renaming that was just found has it. */
static gboolean renamed(const Prove *p, const LwZone *zone, LwZone *out) {
  *out = *zone;
  if (zone->kind == LW_ZONE_SEGMENT)
    out->index = lw_alike_renamed(p->alike->alike, zone->index);
  return zone->kind != LW_ZONE_SEGMENT || out->index != LW_ALIKE_ANY;
}

gboolean lw_static_take_over(const Prove *p, LwStaticRow *row, const LwStaticRow *good) {
  g_autoptr(GArray) zones = g_array_new(FALSE, FALSE, sizeof(LwZone));
  for (guint i = 0; i < good->flows_to->len; i++) {
    LwZone zone;
    if (!renamed(p, &g_array_index(good->flows_to, LwZone, i), &zone))
      return FALSE;
    g_array_append_val(zones, zone);
  }
  row->like = good;
  row->flows_to = g_steal_pointer(&zones);
  lw_static_note_pairs(p, row);
  return TRUE;
}

static LwMdd to_segment(const Prove *p, guint segment) {
  return lw_packets_prefix(p->proof->pool, LW_HEADER_DADDR, &lw_lab_segment(p->proof->lab, segment)->subnet);
}

LwMdd lw_static_but_alike(const Prove *p, const LwStaticRow *row, LwMdd packets,
                          void (*follow)(const Prove *, const LwStaticRow *, LwMdd)) {
  LwMddPool *pool = p->proof->pool;
  guint segments = p->proof->lab->segments->len;
  g_autoptr(GHashTable) good = g_hash_table_new_full(NULL, NULL, NULL, good_free); /* of the classes */
  g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(LwMdd));
  for (guint i = 0; p->alike && i < segments; i++) {
    guint class = lw_alike_class(p->alike->alike, i);
    if (p->alike->class_sizes[class] < 2)
      continue;
    const Good *like = g_hash_table_lookup(good, GUINT_TO_POINTER(class));
    LwMdd there = to_segment(p, i);
    if (i == class) {
      begin_watch(p);
      follow(p, row, lw_mdd_and(pool, packets, there));
      Good *run = end_watch(p, row, i);
      if (run)
        g_hash_table_insert(good, GUINT_TO_POINTER(class), run);
    } else if (!like || !lw_alike_holds(p->alike->alike, like->run, i) || !pairs_hold(p, like, &row->zone)) {
      continue;
    }
    g_array_append_val(done, there);
  }
  return lw_mdd_minus(pool, packets, lw_mdd_or_all(pool, (LwMdd *)(void *)done->data, done->len));
}
