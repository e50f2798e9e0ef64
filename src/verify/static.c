#include "verify/static.h"

#include "policy/names.h"
#include "verify/static_internal.h"

#include <string.h>

#define UDP 17
/* Of the first rows all is kept: what they come to is much of what the others ask for too. */
#define ROWS_KEPT 4

static void row_free(gpointer data) {
  LwStaticRow *row = data;
  g_free(row->name);
  g_clear_pointer(&row->intended, g_ptr_array_unref);
  g_clear_pointer(&row->flows_to, g_array_unref);
  g_ptr_array_unref(row->reached);
  lw_mdd_stored_free(row->stored);
  g_free(row);
}

static void array_unref(gpointer array) {
  g_array_unref(array);
}

static void violation_free(gpointer data) {
  LwStaticViolation *violation = data;
  g_free(violation->from);
  g_free(violation->to);
  g_free(violation->reason);
  g_free(violation->decided);
  g_free(violation->set);
  g_free(violation);
}

/* --- the proof
 * ----------------------------------------------------------------------------------------------------- */

/* Round the router: to the bridge itself, which must answer nobody. */
static void go_by_bridge(const Prove *p, LwStaticRow *row) {
  LwStart start = {LW_START_BRIDGED, row->start.ns, row->start.link};
  g_autoptr(GPtrArray) arrivals =
      lw_reach_from(p->proof->reach, &start, row->packets, LW_CT_NEW, LW_REACH_MAY);
  for (guint i = 0; i < arrivals->len; i++)
    row->by_bridge = lw_mdd_or(p->proof->pool, row->by_bridge, ((LwArrival *)arrivals->pdata[i])->packets);
}

static GPtrArray *sets_of(LwStaticRow *row) {
  GPtrArray *sets = g_ptr_array_new();
  g_ptr_array_add(sets, &row->by_bridge);
  for (guint i = 0; i < row->intended->len; i++) {
    LwIntended *one = row->intended->pdata[i];
    g_ptr_array_add(sets, &one->must);
    g_ptr_array_add(sets, &one->may);
    g_ptr_array_add(sets, &one->going_on);
  }
  for (guint i = 0; i < row->reached->len; i++) {
    LwReached *one = row->reached->pdata[i];
    g_ptr_array_add(sets, &one->must);
    g_ptr_array_add(sets, &one->may);
  }
  return sets;
}

static void restore(const LwStatic *proof, LwStaticRow *row) {
  g_autoptr(GPtrArray) sets = sets_of(row);
  lw_mdd_restore(proof->pool, row->stored, (LwMdd *const *)sets->pdata);
}

void lw_static_row_begin(Prove *p, LwStaticRow *row) {
  p->told_before = p->told->len;
  p->violations_before = p->proof->violations->len;
  lw_reach_scratch_begin(p->proof->reach);
  if (row->like)
    lw_static_intend(p, row);
  else if (row->stored)
    restore(p->proof, row);
}

void lw_static_row_leave(Prove *p, LwStaticRow *row) {
  g_autoptr(GPtrArray) sets = sets_of(row);
  g_autoptr(GPtrArray) told = g_ptr_array_new();
  for (guint i = 0; row->stored && i < sets->len; i++)
    *(LwMdd *)sets->pdata[i] = G_MAXUINT32; /* whoever looks at it now, by mistake, shall not get an answer */
  for (guint i = p->told_before; i < p->told->len; i++)
    g_ptr_array_add(told, &g_array_index(p->told, Told, i).set);
  for (guint i = p->violations_before; i < p->proof->violations->len; i++)
    g_ptr_array_add(told, &((LwStaticViolation *)p->proof->violations->pdata[i])->packets);
  lw_reach_scratch_end(p->proof->reach, (LwMdd *const *)told->pdata, told->len);
}

void lw_static_row_end(Prove *p, LwStaticRow *row) {
  g_autoptr(GPtrArray) sets = sets_of(row);
  lw_mdd_stored_free(row->stored);
  row->stored = lw_mdd_store(p->proof->pool, (LwMdd *const *)sets->pdata, sets->len);
  lw_static_row_leave(p, row);
}

/* Where a row's packets got to. must: NULL: as may. */
typedef struct {
  GPtrArray *may, *must;
  LwPassages *passages;
} Followed;

static void followed_clear(Followed *followed) {
  g_clear_pointer(&followed->may, g_ptr_array_unref);
  g_clear_pointer(&followed->must, g_ptr_array_unref);
  g_clear_pointer(&followed->passages, lw_passages_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Followed, followed_clear)

static const GPtrArray *sure(const Followed *followed) {
  return followed->must ? followed->must : followed->may;
}

static Followed follow_row(const Prove *p, LwStaticRow *row) {
  LwReach *reach = p->proof->reach;
  guint unknown = g_hash_table_size(lw_reach_unknowns(reach));
  Followed f = {0};
  f.may = lw_reach_from_recorded(reach, &row->start, row->packets, LW_CT_NEW, LW_REACH_MAY, &f.passages);
  if (unknown || g_hash_table_size(lw_reach_unknowns(reach))) {
    g_clear_pointer(&f.passages, lw_passages_free);
    f.must = lw_reach_from_recorded(reach, &row->start, row->packets, LW_CT_NEW, LW_REACH_MUST, &f.passages);
  }
  for (guint i = 0; i < f.may->len; i++)
    lw_static_note_arrival(p, row, f.may->pdata[i], FALSE);
  for (guint i = 0; i < sure(&f)->len; i++)
    lw_static_note_arrival(p, row, sure(&f)->pdata[i], TRUE);
  if (row->zone.kind == LW_ZONE_SEGMENT && row->machine != LW_NONE)
    go_by_bridge(p, row);
  return f;
}

static void judge_row(const Prove *p, LwStaticRow *row, const Followed *followed) {
  lw_static_judge_arrivals(p, row, followed->may);
  lw_static_judge_promises(p, row, sure(followed));
  if (row->machine != LW_NONE)
    return;
  lw_static_judge_answers(p, row, sure(followed), followed->passages);
  if (row->zone.kind == LW_ZONE_SEGMENT || (row->zone.kind == LW_ZONE_INTERNET && *row->start.ns != '\0'))
    lw_static_judge_others(p, row);
}

static void prove_row(Prove *p, LwStaticRow *row) {
  const LwStaticRow *good = lw_static_good_like(p, row, LW_STATIC_RUN_FLOWS);
  if (good && lw_static_take_over(p, row, good))
    return;
  gboolean aside = p->rows_proved++ >= ROWS_KEPT;
  lw_static_watch_begin(p, row, LW_STATIC_RUN_FLOWS);
  if (aside)
    lw_static_row_begin(p, row);
  lw_static_intend(p, row);
  g_auto(Followed) followed = follow_row(p, row);
  judge_row(p, row, &followed);
  if (aside)
    lw_static_row_end(p, row);
  lw_static_watch_end(p, row, LW_STATIC_RUN_FLOWS);
}

/* A row that another one stood for: somebody looks at it. */
static void follow_now(Prove *p, LwStaticRow *row) {
  lw_static_row_begin(p, row);
  row->like = NULL;
  g_auto(Followed) followed = follow_row(p, row);
  lw_static_row_end(p, row);
}

const LwStaticRow *lw_static_look(const LwStatic *proof, guint index) {
  LwStaticRow *row = proof->rows->pdata[index];
  if (row->like)
    follow_now(proof->prove, row);
  if (row->stored)
    restore(proof, row);
  g_clear_pointer(&row->stored, lw_mdd_stored_free);
  return row;
}

static void index_port(const Prove *p, const char *port, guint machine, guint nic) {
  guint pair[2] = {machine, nic};
  guint segment = lw_nic_segment(p->proof->lab, p->proof->facts, machine, nic);
  if (lw_static_link(p, "", port) && segment != LW_NONE) {
    g_hash_table_add(p->plugged, GUINT_TO_POINTER(machine * 64 + nic));
    p->has_port[segment] = TRUE;
  }
  g_hash_table_insert(p->nic_of_port, g_strdup(port), g_memdup2(pair, sizeof pair));
}

static void index_nic(Prove *p, guint machine, guint nic) {
  const LwLab *lab = p->proof->lab;
  const LwFacts *facts = p->proof->facts;
  LwMddPool *pool = p->proof->pool;
  /* numbers were assigned: asking for a name gives none away */
  g_autofree char *port = lw_name_nic_port((LwFacts *)facts, lab, machine, nic);
  const char *other = lw_nic_other_port(lab, facts, machine, nic);
  index_port(p, port, machine, nic);
  if (other)
    index_port(p, other, machine, nic);
  LwAddr address = lw_nic_address(lab, facts, machine, nic);
  if (!lw_addr_is_set(&address))
    return;
  p->proof->machines = lw_mdd_or(pool, p->proof->machines, lw_packets_addr(pool, LW_HEADER_DADDR, &address));
  p->machine_sources = lw_mdd_or(pool, p->machine_sources, lw_packets_addr(pool, LW_HEADER_SADDR, &address));
}

static void index_ports(Prove *p) {
  const LwLab *lab = p->proof->lab;
  p->nic_of_port = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  p->plugged = g_hash_table_new(NULL, NULL);
  p->has_port = g_new0(gboolean, lab->segments->len + 1);
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++)
      index_nic(p, m, n);
}

/* A segment that nobody is plugged into (its virtual machines do not run) is proved for whoever will be: what
 * gets to its bridge gets to a port there. The world as given, with such ports; the resources are shared. */
static LwResourceSet *add_vacant_ports(Prove *p) {
  const LwLab *lab = p->proof->lab;
  LwResourceSet *world = lw_resource_set_copy(p->world);
  p->vacant = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < lab->segments->len; i++) {
    const char *bridge = lw_lab_segment(lab, i)->bridge;
    if (p->has_port[i] || !lw_static_link(p, "", bridge))
      continue;
    g_autofree char *name = g_strdup_printf("a free port of %s", bridge); /* no real name has spaces */
    LwResource *port = lw_resource_new(LW_RES_LINK, "", name);
    port->link_type = LW_LINK_EXTERNAL;
    port->master = g_strdup(bridge);
    port->up = TRUE;
    lw_resource_set_add(world, port);
    g_hash_table_insert(p->vacant, port->name, GUINT_TO_POINTER(i));
    p->has_port[i] = TRUE;
  }
  return world;
}

/* The host's addresses, and what its links take for everybody's. */
static LwMdd host_sources(const Prove *p) {
  LwMddPool *pool = p->proof->pool;
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *r = p->world->list->pdata[i];
    if (r->kind != LW_RES_ADDRESS || (r->ns && *r->ns))
      continue;
    LwRange range = lw_prefix_range(&r->prefix);
    set = lw_mdd_or(pool, set, lw_packets_addr(pool, LW_HEADER_SADDR, &r->prefix.addr));
    if (r->prefix.addr.family == 4)
      set = lw_mdd_or(pool, set, lw_packets_addr(pool, LW_HEADER_SADDR, &range.last));
  }
  return set;
}

LwMdd lw_static_far_destinations(LwMddPool *pool) {
  LwMdd set = lw_packets_family(pool, 4);
  LwPrefix special;
  for (guint i = 0; lw_intent_special(i, &special); i++)
    set = lw_mdd_minus(pool, set, lw_packets_prefix(pool, LW_HEADER_DADDR, &special));
  return set;
}

static gint by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep_unknowns(LwStatic *proof) {
  GHashTableIter iter;
  gpointer text;
  g_hash_table_iter_init(&iter, lw_reach_unknowns(proof->reach));
  while (g_hash_table_iter_next(&iter, &text, NULL))
    g_ptr_array_add(proof->unknowns, g_strdup(text));
  g_ptr_array_sort(proof->unknowns, by_text);
}

/* What WAN's client will have brought once it has its lease: the home LAN is on the link. */
LwResourceSet *lw_static_with_lease(const LwResourceSet *wanted, const LwFacts *facts) {
  LwResourceSet *world = lw_resource_set_copy(wanted);
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *client = wanted->list->pdata[i];
    if (client->kind != LW_RES_DHCP_CLIENT || !client->home_lan_set || facts->home_lan.addr.family != 4)
      continue;
    LwResource *route = lw_resource_new(LW_RES_ROUTE, client->ns, NULL);
    route->link = g_strdup(client->link);
    route->prefix = lw_prefix_network(&facts->home_lan);
    lw_resource_set_add(world, route);
  }
  return world;
}

static LwAddr address_of(const LwResourceSet *world, const char *ns, const char *link) {
  for (guint i = 0; i < world->list->len; i++) {
    const LwResource *r = world->list->pdata[i];
    if (r->kind == LW_RES_ADDRESS && r->prefix.addr.family == 4 && g_strcmp0(r->ns ? r->ns : "", ns) == 0 &&
        g_strcmp0(r->link, link) == 0)
      return r->prefix.addr;
  }
  return LW_ADDR_NONE;
}

/* Its rule for answers to WAN's DHCP client stands before all others, and whom they come from does not
 * matter: told, since no line of a file is to blame, and nothing else listens there. */
static void tolerate(LwStatic *proof) {
  LwMddPool *pool = proof->pool;
  if (proof->lab->router.kind != LW_ROUTER_OPNSENSE || proof->facts->cells_stand_in ||
      proof->router_outside == LW_MDD_FALSE)
    return;
  LwMdd ports = lw_mdd_and(pool, lw_packets_number(pool, LW_HEADER_SPORT, 67, 67),
                           lw_packets_number(pool, LW_HEADER_DPORT, 68, 68));
  proof->tolerated =
      lw_mdd_and(pool, lw_mdd_and(pool, ports, lw_packets_number(pool, LW_HEADER_PROTO, UDP, UDP)),
                 proof->router_outside);
  g_ptr_array_add(
      proof->unknowns,
      g_strdup("not a violation: an OPNsense lets UDP from port 67 to port 68 in to its own WAN address by "
               "a rule of its own, whoever sends it; nothing but its DHCP client listens there"));
}

static GHashTable *index_bridges(const LwLab *lab) {
  GHashTable *bridges = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = lab->segments->len; i-- > 0;) /* of two the first counts */
    g_hash_table_insert(bridges, lw_lab_segment(lab, i)->bridge, GUINT_TO_POINTER(i + 1));
  return bridges;
}

static Prove *prove_new(LwStatic *proof, const LwResourceSet *world) {
  const LwLab *lab = proof->lab;
  Prove *p = g_new0(Prove, 1);
  p->proof = proof;
  p->world = world;
  p->router = proof->facts->router_ns ? proof->facts->router_ns : "router";
  p->opening = lw_intent_opening(proof->pool);
  p->bridges = index_bridges(lab);
  index_ports(p);
  p->places = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  p->exit_addresses = lw_static_exit_addresses(p);
  p->pairs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  p->told = g_array_new(FALSE, FALSE, sizeof(Told));
  return p;
}

static void prove_free(Prove *p) {
  g_hash_table_unref(p->nic_of_port);
  g_hash_table_unref(p->plugged);
  g_hash_table_unref(p->vacant);
  g_hash_table_unref(p->places);
  g_hash_table_unref(p->bridges);
  g_ptr_array_unref(p->exit_addresses);
  g_hash_table_unref(p->pairs);
  g_array_unref(p->told);
  lw_static_alike_free(p->alike);
  g_free(p->has_port);
  g_free(p);
}

static void find_links_to_networks(const Prove *p) {
  const LwLab *lab = p->proof->lab;
  p->proof->has_link = g_new0(gboolean, lab->host.networks->len + 1);
  for (guint i = 0; i < lab->host.networks->len; i++) {
    LwPrefix prefix = lw_lab_network(lab, i)->prefix;
    p->proof->has_link[i] = lw_static_link_of_network(p, &prefix) != NULL;
  }
}

static LwStatic *prove(LwMddPool *pool, const LwLab *lab, const LwFacts *facts, const LwResourceSet *world,
                       gboolean each) {
  LwStatic *proof = g_new0(LwStatic, 1);
  proof->pool = pool;
  proof->lab = lab;
  proof->facts = facts;
  proof->rows = g_ptr_array_new_with_free_func(row_free);
  proof->by_zone = g_hash_table_new_full(NULL, NULL, NULL, array_unref);
  proof->violations = g_ptr_array_new_with_free_func(violation_free);
  proof->unknowns = g_ptr_array_new_with_free_func(g_free);
  Prove *p = proof->prove = prove_new(proof, world);
  const char *inside[] = {"", p->router, NULL};
  proof->world = add_vacant_ports(p);
  proof->reach = lw_reach_new(pool, proof->world, inside);
  LwIntentOutside outside = {.router = address_of(world, p->router, LW_ROUTER_WAN),
                             .host = address_of(world, "", lab->host.bridge)};
  p->basis = lw_intent_basis(pool, lab, facts, &outside);
  proof->router_outside = p->basis.router_outside;
  tolerate(proof);
  p->far = lw_static_far_destinations(pool);
  p->host_sources = host_sources(p);
  lw_static_add_rows(p);
  find_links_to_networks(p);
  if (!each)
    lw_static_find_alike(p);
  for (guint i = 0; i < proof->rows->len; i++)
    prove_row(p, proof->rows->pdata[i]);
  lw_static_judge_related(p);
  lw_static_judge_lost_tunnels(p);
  keep_unknowns(proof);
  return proof;
}

LwStatic *lw_static_prove(LwMddPool *pool, const LwLab *lab, const LwFacts *facts,
                          const LwResourceSet *world) {
  return prove(pool, lab, facts, world, FALSE);
}

LwStatic *lw_static_prove_each(LwMddPool *pool, const LwLab *lab, const LwFacts *facts,
                               const LwResourceSet *world) {
  return prove(pool, lab, facts, world, TRUE);
}

void lw_static_free(LwStatic *proof) {
  if (!proof)
    return;
  prove_free(proof->prove);
  g_hash_table_unref(proof->by_zone);
  g_ptr_array_unref(proof->rows);
  g_ptr_array_unref(proof->violations);
  g_ptr_array_unref(proof->unknowns);
  lw_reach_free(proof->reach);
  lw_resource_set_free(proof->world);
  g_free(proof->has_link);
  g_free(proof);
}

/* --- answers
 * ------------------------------------------------------------------------------------------------------- */

const LwStaticRow *lw_static_row(const LwStatic *proof, const LwZone *zone, const char *machine) {
  guint best = LW_NONE;
  const GArray *rows = lw_static_rows_of(proof, zone);
  for (guint r = 0; r < rows->len; r++) {
    guint i = g_array_index(rows, guint, r);
    const LwStaticRow *row = proof->rows->pdata[i];
    if (machine && row->machine != LW_NONE &&
        g_str_equal(lw_lab_machine(proof->lab, row->machine)->name, machine))
      return lw_static_look(proof, i);
    if (best == LW_NONE && row->machine == LW_NONE)
      best = i;
  }
  return machine || best == LW_NONE ? NULL : lw_static_look(proof, best);
}

gboolean lw_static_led(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet) {
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *led = row->intended->pdata[i];
    if (!led->led || !lw_packets_contain(proof->pool, led->may, packet))
      continue;
    for (guint r = 0; r < row->reached->len; r++) {
      const LwReached *reached = row->reached->pdata[r];
      if (!reached->place.elsewhere && reached->place.zone.kind == led->to.kind &&
          reached->place.zone.index == led->to.index && lw_packets_contain(proof->pool, reached->may, packet))
        return TRUE;
    }
  }
  return FALSE;
}

gboolean lw_static_passes(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet,
                          const LwZone *to) {
  gboolean own_wire =
      row->zone.kind == LW_ZONE_SEGMENT && to->kind == LW_ZONE_SEGMENT && to->index == row->zone.index;
  if (!own_wire && lw_static_led(proof, row, packet)) /* it does not get where it was sent */
    return to->kind == LW_ZONE_ROUTER;
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    gboolean there = !reached->place.elsewhere && reached->place.zone.kind == to->kind &&
                     (to->kind == LW_ZONE_INTERNET || reached->place.zone.index == to->index);
    if (to->kind == LW_ZONE_HOME_LAN)
      there = !reached->place.elsewhere && reached->place.zone.kind == LW_ZONE_INTERNET;
    if (there && lw_packets_contain(proof->pool, reached->may, packet))
      return TRUE;
  }
  return FALSE;
}

gboolean lw_static_forwards(const LwStatic *proof, const LwStaticRow *row, const LwHeader *packet) {
  for (guint i = 0; i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    if (!reached->place.elsewhere && reached->place.zone.kind == LW_ZONE_SEGMENT &&
        lw_packets_contain(proof->pool, reached->may, packet))
      return TRUE;
  }
  return FALSE;
}

LwHeader lw_static_header(const LwFlowQuestion *question) {
  LwHeader header = {.source = question->source,
                     .destination = question->destination,
                     .sport = 40000,
                     .dport = question->port};
  switch (question->proto) {
  case LW_PROTO_ICMP:
    header.proto = 1;
    header.icmp_type = 8;
    header.dport = header.sport = 0;
    break;
  case LW_PROTO_TCP:
    header.proto = 6;
    header.tcp_flags = 0x02;
    break;
  case LW_PROTO_UDP:
    header.proto = UDP;
    if (question->port == 67)
      header.sport = 68; /* as a client of DHCP asks */
    break;
  case LW_PROTO_ANY:
    header.proto = 253; /* for experiments: nobody's */
    break;
  }
  return header;
}

char *lw_static_violation_format(const LwStaticViolation *v) {
  static const char *const what[] = {
      [LW_STATIC_OPEN] = "passes, and must not",
      [LW_STATIC_CLOSED] = "must pass, and does not",
      [LW_STATIC_UNMASKED] = "leaves under an address that is not its exit's",
      [LW_STATIC_LEAK] = "an open flow could go on by this exit, which is not its own",
      [LW_STATIC_STRAY] = "passes without belonging to a flow",
      [LW_STATIC_RELATED] = "passes as an ICMP error of an open flow, and no flow of it can be there",
      [LW_STATIC_MUTE] = "passes, but its answer does not come back",
      [LW_STATIC_FALLBACK] = "goes out there when its tunnel is lost, and must not go anywhere then",
      [LW_STATIC_BARE] = "is refused by no route of its exit when the tunnel is lost",
  };
  g_autofree char *packet = lw_header_format(&v->packet);
  g_autofree char *origin = lw_origin_format(&v->origin);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s -> %s: %s: %s", v->from, v->to, packet, what[v->kind]);
  if (v->decided)
    g_string_append_printf(text, " (%s)", v->decided);
  g_string_append_printf(text, "; %s; %s", v->reason, origin);
  return g_string_free(text, FALSE);
}
