/* The packets that are made of the static proof's sets. */
#include "policy/names.h"
#include "policy/policy.h"
#include "spec/spec.h"
#include "verify/generated.h"
#include "verify/points.h"

#include <string.h>

/* --- points
 * ---------------------------------------------------------------------------------------------------------
 */

static LwAddr addr(const char *text) {
  LwAddr out;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static gboolean any_fits(const LwAddr *address, gpointer data) {
  return TRUE;
}

static gboolean has_point(const GArray *points, const char *source, const char *destination, guint8 proto,
                          guint16 port, guint8 type) {
  LwAddr from = addr(source), to = addr(destination);
  for (guint i = 0; i < points->len; i++) {
    const LwHeader *h = &g_array_index(points, LwHeader, i);
    if (lw_addr_equal(&h->source, &from) && lw_addr_equal(&h->destination, &to) && h->proto == proto &&
        h->dport == port && h->icmp_type == type)
      return TRUE;
  }
  return FALSE;
}

static GArray *points_of(LwMddPool *pool, LwMdd set, LwPointCount *count) {
  GArray *points = g_array_new(FALSE, FALSE, sizeof(LwHeader));
  g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  LwPointWishes wishes = {none, none, any_fits, any_fits, NULL};
  lw_points_of(pool, set, 16, &wishes, points, count);
  return points;
}

static LwMdd box(LwMddPool *pool, const char *from, const char *to, guint8 proto, guint first, guint last) {
  LwRange sources, destinations;
  g_assert_true(lw_range_parse(from, &sources));
  g_assert_true(lw_range_parse(to, &destinations));
  LwSpan spans[] = {lw_span_range(LW_HEADER_SADDR, &sources), lw_span_range(LW_HEADER_DADDR, &destinations),
                    lw_span_number(LW_HEADER_PROTO, proto, proto),
                    lw_span_number(LW_HEADER_DPORT, first, last)};
  return lw_packets_box(pool, spans, G_N_ELEMENTS(spans));
}

static void test_edges(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd set = box(pool, "192.168.50.10-192.168.50.50", "192.168.99.15-192.168.99.15", 6, 445, 450);
  LwPointCount count = {0};
  g_autoptr(GArray) points = points_of(pool, set, &count);
  g_assert_cmpuint(count.pieces, ==, 1);
  g_assert_false(count.cut);
  const guint16 ports[] = {444, 445, 450, 451};
  for (guint i = 0; i < G_N_ELEMENTS(ports); i++)
    g_assert_true(has_point(points, "192.168.50.10", "192.168.99.15", 6, ports[i], 0));
  const char *const sources[] = {"192.168.50.9", "192.168.50.10", "192.168.50.50", "192.168.50.51"};
  for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
    g_assert_true(has_point(points, sources[i], "192.168.99.15", 6, 445, 0));
  g_assert_true(has_point(points, "192.168.50.10", "192.168.99.14", 6, 445, 0));
  g_assert_true(has_point(points, "192.168.50.10", "192.168.99.16", 6, 445, 0));
  g_assert_true(has_point(points, "192.168.50.10", "192.168.99.15", 17, 445, 0)); /* another protocol */
  g_assert_true(has_point(points, "192.168.50.10", "192.168.99.15", 1, 0, 8));
}

static void test_icmp_types(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd set =
      lw_mdd_and(pool, box(pool, "192.168.50.1-192.168.50.1", "192.168.99.15-192.168.99.15", 1, 0, 65535),
                 lw_packets_number(pool, LW_HEADER_ICMP_TYPE, 8, 8));
  LwPointCount count = {0};
  g_autoptr(GArray) points = points_of(pool, set, &count);
  g_assert_true(has_point(points, "192.168.50.1", "192.168.99.15", 1, 0, 8));
  g_assert_true(has_point(points, "192.168.50.1", "192.168.99.15", 1, 0, 13));
}

static void test_cut(void) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < 40; i++) {
    g_autofree char *from = g_strdup_printf("10.0.%u.1-10.0.%u.1", i, i);
    set = lw_mdd_or(pool, set, box(pool, from, "10.9.9.9-10.9.9.9", 6, i + 100, i + 100));
  }
  LwPointCount count = {0};
  g_autoptr(GArray) points = points_of(pool, set, &count);
  g_assert_true(count.cut);
  g_assert_cmpuint(count.pieces, ==, 16);
}

/* --- flows of a lab
 * ------------------------------------------------------------------------------------------------- */

typedef struct {
  LwLab *lab;
  LwFacts *facts;
  LwResourceSet *wanted, *now;
  LwMddPool *pool;
  LwStatic *proof;
  LwVerifyWorld world;
  LwSurroundings around;
  GPtrArray *flows, *left_out;
} Fixture;

static void place_free(gpointer data) {
  LwProbePlace *place = data;
  g_free(place->name);
  g_free(place->netns);
  g_free(place);
}

static void flow_free(gpointer data) {
  lw_flow_free(data);
}

static void add_place(Fixture *f, LwZoneKind kind, guint index, LwAddr address, const char *name) {
  LwProbePlace *place = g_new0(LwProbePlace, 1);
  *place = (LwProbePlace){g_strdup(name), {kind, index}, address, g_strdup(name)};
  g_ptr_array_add(f->world.places, place);
}

static void add_machines(Fixture *f) {
  for (guint m = 0; m < f->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(f->lab, m)->nics->len; n++)
      add_place(f, LW_ZONE_SEGMENT, lw_nic_segment(f->lab, f->facts, m, n),
                lw_nic_address(f->lab, f->facts, m, n), lw_lab_machine(f->lab, m)->name);
}

static Fixture *homelab(void) {
  Fixture *f = g_new0(Fixture, 1);
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  f->lab = lw_spec_load(LW_SOURCE "/examples/homelab.yaml", LW_SPEC_TWIN, store, said);
  g_assert_nonnull(f->lab);
  f->facts = lw_facts_new();
  f->facts->cells_stand_in = f->facts->bridge_meta = TRUE;
  g_assert_true(lw_prefix_parse("192.168.178.0/24", &f->facts->home_lan));
  for (guint i = 0; i < f->lab->tunnels->len; i++) {
    LwAddr endpoint = lw_addr_from_v4(0x2d500001 + (i << 8));
    g_hash_table_insert(f->facts->endpoints, g_strdup(lw_lab_tunnel(f->lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  f->wanted = lw_resource_set_new();
  g_assert_true(lw_policy_assign(f->lab, f->facts, NULL));
  g_assert_true(lw_policy_compile(f->lab, f->facts, f->wanted, NULL));
  f->world = (LwVerifyWorld){.target = "twin",
                             .places = g_ptr_array_new_with_free_func(place_free),
                             .home_lan_host = addr("192.168.178.1"),
                             .internet_host = addr("45.83.10.10")};
  add_machines(f);
  add_place(f, LW_ZONE_HOST, LW_NONE, f->lab->host.management.address, "host");
  add_place(f, LW_ZONE_ROUTER, LW_NONE, f->lab->host.management.router, "router");
  add_place(f, LW_ZONE_HOME_LAN, LW_NONE, f->world.home_lan_host, "home-router");
  add_place(f, LW_ZONE_INTERNET, LW_NONE, f->world.internet_host, "internet");
  for (guint i = 0; i < f->lab->tunnels->len; i++)
    add_place(f, LW_ZONE_INTERNET, i, lw_addr_from_v4(0x2d500001 + (i << 8)), "far");
  f->pool = lw_mdd_pool_new();
  return f;
}

static void generate(Fixture *f) {
  g_clear_pointer(&f->proof, lw_static_free);
  g_clear_pointer(&f->now, lw_resource_set_free);
  g_clear_pointer(&f->flows, g_ptr_array_unref);
  g_clear_pointer(&f->left_out, g_ptr_array_unref);
  f->now = lw_static_with_lease(f->wanted, f->facts);
  f->proof = lw_static_prove(f->pool, f->lab, f->facts, f->now);
  f->flows = g_ptr_array_new_with_free_func(flow_free);
  f->left_out = g_ptr_array_new_with_free_func(g_free);
  lw_verify_generate(f->lab, f->facts, &f->world, &f->around, f->proof, f->flows, f->left_out);
}

static void fixture_free(Fixture *f) {
  g_ptr_array_unref(f->flows);
  g_ptr_array_unref(f->left_out);
  lw_static_free(f->proof);
  lw_resource_set_free(f->now);
  lw_mdd_pool_free(f->pool);
  g_ptr_array_unref(f->world.places);
  g_clear_pointer(&f->world.open_flows, g_array_unref);
  lw_resource_set_free(f->wanted);
  lw_facts_free(f->facts);
  lw_lab_free(f->lab);
  g_free(f);
}

static const LwFlow *find(const Fixture *f, const char *from, const char *source, const char *destination,
                          const char *service) {
  LwAddr s = addr(source), d = addr(destination);
  for (guint i = 0; i < f->flows->len; i++) {
    const LwFlow *flow = f->flows->pdata[i];
    const LwCell *cell = flow->cell;
    if (g_str_equal(cell->from, from) && g_str_equal(cell->service, service) &&
        lw_addr_equal(&cell->packet.source, &s) && lw_addr_equal(&cell->packet.destination, &d))
      return flow;
  }
  return NULL;
}

/* "host/samba from .1-.50": the last that may, and the first that may not, whether a machine has them or not.
 */
static void test_both_sides(void) {
  Fixture *f = homelab();
  generate(f);
  const LwFlow *inside = find(f, "lan50", "192.168.50.50", "192.168.99.15", "tcp/445");
  const LwFlow *outside = find(f, "lan50", "192.168.50.51", "192.168.99.15", "tcp/445");
  g_assert_nonnull(inside);
  g_assert_nonnull(outside);
  g_assert_true(inside->cell->expect);
  g_assert_false(outside->cell->expect);
  g_assert_cmpint(outside->via, ==, LW_VIA_LEG); /* nobody has it */
  const char *const beside[] = {"tcp/444", "tcp/446"};
  for (guint i = 0; i < G_N_ELEMENTS(beside); i++) {
    const LwFlow *flow = find(f, "lan50", "192.168.50.25", "192.168.99.15", beside[i]);
    g_assert_nonnull(flow);
    g_assert_false(flow->cell->expect);
    g_assert_cmpint(flow->via, ==, LW_VIA_GATEWAY); /* vault sends it */
  }
  fixture_free(f);
}

/* Of a lab as it is compiled, what is in force does what each packet is expected to do. */
static void test_agrees(void) {
  Fixture *f = homelab();
  generate(f);
  g_assert_cmpuint(f->flows->len, >, 500);
  LwVerifyReport report = {.cells = g_ptr_array_new()};
  for (guint i = 0; i < f->flows->len; i++)
    g_ptr_array_add(report.cells, ((LwFlow *)f->flows->pdata[i])->cell);
  lw_static_fill(f->proof, &report);
  guint asked = 0;
  for (guint i = 0; i < report.cells->len; i++) {
    const LwCell *cell = report.cells->pdata[i];
    asked += cell->statically != LW_CELL_UNTESTED;
    if (lw_cell_is_wrong(cell)) {
      g_autofree char *packet = lw_header_format(&cell->packet);
      g_error("%s -> %s: %s", cell->from, cell->to, packet);
    }
  }
  g_assert_cmpuint(asked, >, 500);
  g_ptr_array_unref(report.cells);
  fixture_free(f);
}

static void test_same_again(void) {
  Fixture *a = homelab(), *b = homelab();
  generate(a);
  generate(b);
  g_assert_cmpuint(a->flows->len, ==, b->flows->len);
  for (guint i = 0; i < a->flows->len; i++) {
    const LwFlow *x = a->flows->pdata[i], *y = b->flows->pdata[i];
    g_assert_true(lw_points_equal(&x->cell->packet, &y->cell->packet));
    g_assert_cmpuint(x->place, ==, y->place);
  }
  fixture_free(a);
  fixture_free(b);
}

/* What is left out because a cell has too many is said. */
static void test_bounded(void) {
  Fixture *f = homelab();
  generate(f);
  g_autoptr(GHashTable) cells = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint most = 0;
  for (guint i = 0; i < f->flows->len; i++) {
    const LwCell *cell = ((LwFlow *)f->flows->pdata[i])->cell;
    char *key = g_strdup_printf("%s -> %s", cell->from, cell->to);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(cells, key)) + 1;
    g_hash_table_replace(cells, key, GUINT_TO_POINTER(count));
    most = MAX(most, count);
  }
  g_assert_cmpuint(most, <=, 96);
  g_assert_cmpuint(f->left_out->len, ==, 1);
  g_assert_nonnull(strstr(f->left_out->pdata[0], "lan30 -> internet ("));
  fixture_free(f);
}

/* A rule that nobody wrote lets lan50 into lan20. */
static void open_behind_our_back(const Fixture *f) {
  for (guint i = 0; i < f->wanted->list->len; i++) {
    const LwResource *r = f->wanted->list->pdata[i];
    if (r->kind != LW_RES_RULESET || g_strcmp0(r->ns, f->facts->router_ns) != 0)
      continue;
    LwChain *chain = lw_ruleset_find_chain(r->ruleset, "forward");
    LwRule *rule = chain ? lw_chain_add_rule(chain, (LwOrigin){0}, NULL) : NULL;
    if (!rule)
      continue;
    lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("lan50"));
    lw_rule_match(rule, LW_FIELD_OIF, lw_value_name("lan20"));
    lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
    g_ptr_array_insert(chain->rules, 0, g_ptr_array_steal_index(chain->rules, chain->rules->len - 1));
  }
}

/* A difference comes first, with the packet that the static half tells. */
static void test_difference(void) {
  Fixture *f = homelab();
  open_behind_our_back(f);
  generate(f);
  const LwFlow *first = f->flows->pdata[0];
  g_assert_cmpstr(first->cell->from, ==, "lan50");
  g_assert_cmpstr(first->cell->to, ==, "lan20");
  g_assert_true(first->cell->differs);
  g_assert_false(first->cell->expect);
  g_assert_cmpuint(first->receiver, !=, LW_NONE);
  const LwStaticViolation *v = f->proof->violations->pdata[0];
  g_assert_true(lw_points_equal(&first->cell->packet, &v->packet));
  fixture_free(f);
}

/* --- cells that are made when somebody looks
 * -------------------------------------------------------------------------------------------------------- */

typedef struct {
  GHashTable *stopped; /* "lan10 -> lan20" -> how many the file denies and the proof says are stopped */
  guint cells, at_once, other;
  gboolean open; /* lan50 is let into lan20 */
} Seen;

static void add_stopped(Seen *seen, char *pair, guint count) {
  guint before = GPOINTER_TO_UINT(g_hash_table_lookup(seen->stopped, pair));
  g_hash_table_replace(seen->stopped, pair, GUINT_TO_POINTER(before + count));
  seen->cells += count;
}

static void see_cell(LwCell *cell, gpointer data) {
  Seen *seen = data;
  if (!cell->expect && cell->statically == LW_CELL_DENY) {
    add_stopped(seen, g_strdup_printf("%s -> %s", cell->from, cell->to), 1);
    return;
  }
  seen->cells++;
  seen->other++;
}

static const LwLab *seen_lab;

static void see_stopped(const char *from, const LwZone *to, guint count, gpointer data) {
  Seen *seen = data;
  g_autofree char *name = lw_verify_zone_name(seen_lab, to, NULL);
  gboolean opened = g_str_equal(from, "lan50") && g_str_equal(name, "lan20");
  g_assert_false(opened && seen->open);
  add_stopped(seen, g_strdup_printf("%s -> %s", from, name), count);
  seen->at_once += count;
}

/* Whether they are counted at once or made one by one: as many, of the same squares. */
static void assert_same(const Seen *one_by_one, const Seen *counted) {
  GHashTableIter iter;
  gpointer pair, count;
  g_assert_cmpuint(one_by_one->cells, ==, counted->cells);
  g_assert_cmpuint(one_by_one->other, ==, counted->other);
  g_assert_cmpuint(one_by_one->at_once, ==, 0);
  g_assert_cmpuint(counted->at_once, >, 100);
  g_assert_cmpuint(g_hash_table_size(one_by_one->stopped), ==, g_hash_table_size(counted->stopped));
  g_hash_table_iter_init(&iter, one_by_one->stopped);
  while (g_hash_table_iter_next(&iter, &pair, &count))
    g_assert_true(g_hash_table_lookup(counted->stopped, pair) == count);
}

static void check_cells(Fixture *f, gboolean open) {
  const LwAddr wan = addr("192.168.178.2"), uplink = addr("192.168.178.3");
  if (open)
    open_behind_our_back(f);
  generate(f);
  g_autoptr(LwVerifyReport) report = lw_verify_cells(f->lab, f->facts, &f->world, &wan, &uplink, f->proof);
  Seen seen[2];
  seen_lab = f->lab;
  for (guint i = 0; i < G_N_ELEMENTS(seen); i++) {
    seen[i] = (Seen){.stopped = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), .open = open};
    const LwCellVisitor visitor = {see_cell, i ? see_stopped : NULL, &seen[i]};
    lw_verify_visit(report, &visitor);
  }
  assert_same(&seen[0], &seen[1]);
  lw_verify_complete(report, f->lab); /* told by the proof's own violation */
  g_assert_cmpuint(report->violations->len, ==, 0);
  g_autofree char *text = lw_verify_format(report, f->lab, FALSE);
  g_assert_cmpint(strstr(text, "✗ icmp") != NULL, ==, open);
  for (guint i = 0; i < G_N_ELEMENTS(seen); i++)
    g_hash_table_unref(seen[i].stopped);
  fixture_free(f);
}

static void test_cells(void) {
  check_cells(homelab(), FALSE);
  check_cells(homelab(), TRUE);
}

static void hold(Fixture *f, const char *source, guint8 protocol) {
  LwOpenFlow flow = {.source = addr(source), .destination = addr("100.128.0.0"), .protocol = protocol};
  if (!f->world.open_flows)
    f->world.open_flows = g_array_new(FALSE, FALSE, sizeof(LwOpenFlow));
  g_array_append_val(f->world.open_flows, flow);
}

/* Behind one address there is one flow without ports to a destination: somebody else's is not run into. */
static void test_shared(void) {
  static const char gaming[] = "192.168.10.200", far[] = "100.128.0.0";
  Fixture *f = homelab();
  hold(f, gaming, 253); /* its own is not in the way */
  generate(f);
  const LwFlow *usual = find(f, "lan10", gaming, far, "protocol 253");
  g_assert_true(usual && usual->cell->expect && !usual->held);
  g_assert_null(find(f, "lan10", gaming, "100.127.255.255", "protocol 253"));
  g_assert_nonnull(find(f, "lan10", gaming, "100.127.255.255", "protocol 254")); /* what must not */
  for (guint i = 0; i < f->flows->len; i++) { /* nor what comes from beyond an exit: it would be an answer */
    const LwCell *cell = ((const LwFlow *)f->flows->pdata[i])->cell;
    g_assert_true(cell->expect || !cell->generated || cell->packet.proto != 253);
  }
  fixture_free(f);

  f = homelab();
  hold(f, "192.168.40.10", 253);
  generate(f);
  g_assert_null(find(f, "lan10", gaming, far, "protocol 253"));
  const LwFlow *other = find(f, "lan10", gaming, far, "protocol 254");
  g_assert_true(other && other->cell->expect && !other->held);
  fixture_free(f);

  f = homelab();
  hold(f, "192.168.40.10", 253);
  hold(f, "192.168.40.10", 254);
  generate(f);
  usual = find(f, "lan10", gaming, far, "protocol 253");
  g_assert_true(usual && usual->held);
  fixture_free(f);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verify/points/edges", test_edges);
  g_test_add_func("/verify/points/icmp-types", test_icmp_types);
  g_test_add_func("/verify/points/cut", test_cut);
  g_test_add_func("/verify/generated/both-sides", test_both_sides);
  g_test_add_func("/verify/generated/agrees", test_agrees);
  g_test_add_func("/verify/generated/same-again", test_same_again);
  g_test_add_func("/verify/generated/bounded", test_bounded);
  g_test_add_func("/verify/generated/difference", test_difference);
  g_test_add_func("/verify/cells", test_cells);
  g_test_add_func("/verify/generated/shared", test_shared);
  return g_test_run();
}
