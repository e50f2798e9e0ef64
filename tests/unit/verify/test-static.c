/* The static proof over labs as they are compiled: nothing to say of them as they are, and a right packet for
 * each thing that is changed behind lanward's back. */
#include "policy/names.h"
#include "policy/policy.h"
#include "spec/spec.h"
#include "verify/static.h"

#include <string.h>

typedef struct {
  LwLab *lab;
  LwFacts *facts;
  LwResourceSet *wanted;
  LwResourceSet *world;
  LwMddPool *pool;
  LwStatic *proof;
} Fixture;

static LwLab *load(const char *name) {
  g_autofree char *path = g_strdup_printf("%s/%s.yaml", LW_SOURCE, name);
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  LwLab *lab = lw_spec_load(path, LW_SPEC_TWIN, store, said);
  g_assert_nonnull(lab);
  return lab;
}

static LwFacts *facts_of(const LwLab *lab) {
  LwFacts *facts = lw_facts_new();
  facts->cells_stand_in = TRUE;
  facts->bridge_meta = TRUE;
  g_assert_true(lw_prefix_parse("192.168.178.0/24", &facts->home_lan));
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr endpoint = lw_addr_from_v4(0x2d500001 + (i << 8));
    g_hash_table_insert(facts->endpoints, g_strdup(lw_lab_tunnel(lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  g_assert_true(lw_policy_assign(lab, facts, NULL));
  return facts;
}

static Fixture *compile(const char *name) {
  Fixture *f = g_new0(Fixture, 1);
  f->lab = load(name);
  f->facts = facts_of(f->lab);
  f->wanted = lw_resource_set_new();
  g_assert_true(lw_policy_compile(f->lab, f->facts, f->wanted, NULL));
  f->pool = lw_mdd_pool_new();
  return f;
}

static Fixture *homelab(void) {
  return compile("examples/homelab");
}

static void prove(Fixture *f) {
  g_clear_pointer(&f->proof, lw_static_free);
  g_clear_pointer(&f->world, lw_resource_set_free);
  f->world = lw_static_with_lease(f->wanted, f->facts);
  f->proof = lw_static_prove(f->pool, f->lab, f->facts, f->world);
}

static void fixture_free(Fixture *f) {
  lw_static_free(f->proof);
  if (f->world)
    lw_resource_set_free(f->world);
  lw_resource_set_free(f->wanted);
  lw_mdd_pool_free(f->pool);
  lw_facts_free(f->facts);
  lw_lab_free(f->lab);
  g_free(f);
}

static void tell(const Fixture *f) {
  for (guint i = 0; i < f->proof->violations->len; i++) {
    g_autofree char *text = lw_static_violation_format(f->proof->violations->pdata[i]);
    g_test_message("%s", text);
  }
}

static void assert_clean(const Fixture *f) {
  tell(f);
  g_assert_cmpuint(f->proof->violations->len, ==, 0);
  g_assert_cmpuint(f->proof->unknowns->len, ==, 0);
}

/* The violation of that kind between the two, which must be there. */
static const LwStaticViolation *found(const Fixture *f, LwStaticKind kind, const char *from, const char *to) {
  for (guint i = 0; i < f->proof->violations->len; i++) {
    const LwStaticViolation *v = f->proof->violations->pdata[i];
    if (v->kind == kind && g_str_equal(v->from, from) && g_str_equal(v->to, to))
      return v;
  }
  tell(f);
  g_error("no violation %s -> %s of kind %d", from, to, kind);
  return NULL;
}

static LwAddr addr(const char *text) {
  LwAddr out;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static gboolean is_in(const LwAddr *a, const char *text) {
  LwPrefix p;
  g_assert_true(lw_prefix_parse(text, &p));
  return lw_prefix_contains(&p, a);
}

static LwResource *resource(const Fixture *f, const char *key) {
  LwResource *found_one = lw_resource_set_find(f->wanted, key);
  if (!found_one)
    g_error("no resource %s", key);
  return found_one;
}

static LwRuleset *router(const Fixture *f) {
  for (guint i = 0; i < f->wanted->list->len; i++) {
    const LwResource *r = f->wanted->list->pdata[i];
    if (r->kind == LW_RES_RULESET && g_strcmp0(r->ns, "router") == 0)
      return r->ruleset;
  }
  g_error("no ruleset of the router");
  return NULL;
}

static LwChain *chain_of(const Fixture *f, const char *name) {
  LwChain *chain = lw_ruleset_find_chain(router(f), name);
  g_assert_nonnull(chain);
  return chain;
}

/* Makes a rule the first of its chain. */
static LwRule *first_rule(LwChain *chain) {
  LwRule *rule = lw_chain_add_rule(chain, (LwOrigin){0}, "by hand");
  g_ptr_array_insert(chain->rules, 0, g_ptr_array_steal_index(chain->rules, chain->rules->len - 1));
  return rule;
}

static void remove_rule(LwChain *chain, const char *comment) {
  for (guint i = 0; i < chain->rules->len; i++) {
    const LwRule *rule = chain->rules->pdata[i];
    if (g_strcmp0(rule->comment, comment) == 0) {
      g_ptr_array_remove_index(chain->rules, i);
      return;
    }
  }
  g_error("no rule “%s” in chain %s", comment, chain->name);
}

static void set_text(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

/* --- as compiled
 * ------------------------------------------------------------------------------------------------- */

static void test_clean(gconstpointer name) {
  Fixture *f = compile(name);
  prove(f);
  assert_clean(f);
  fixture_free(f);
}

static void test_switched_and_moved(void) {
  Fixture *f = homelab();
  g_hash_table_insert(f->facts->active, g_strdup("lan30"), g_strdup("de"));
  g_hash_table_insert(f->facts->positions, g_strdup("gaming/0"), g_strdup("lan50"));
  g_hash_table_add(f->facts->cut, g_strdup("builder"));
  g_assert_true(lw_policy_assign(f->lab, f->facts, NULL));
  lw_resource_set_free(f->wanted);
  f->wanted = lw_resource_set_new();
  g_assert_true(lw_policy_compile(f->lab, f->facts, f->wanted, NULL));
  prove(f);
  assert_clean(f);
  fixture_free(f);
}

/* Before WAN has a lease nothing goes out by it, and nothing is promised. */
static void test_without_lease(void) {
  Fixture *f = homelab();
  f->facts->home_lan = (LwPrefix){0};
  lw_resource_set_free(f->wanted);
  f->wanted = lw_resource_set_new();
  g_assert_true(lw_policy_compile(f->lab, f->facts, f->wanted, NULL));
  prove(f);
  assert_clean(f);
  fixture_free(f);
}

/* --- by hand
 * ------------------------------------------------------------------------------------------------------ */

static void test_accept_to_wan(void) {
  Fixture *f = homelab();
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("lan50"));
  lw_rule_match(rule, LW_FIELD_OIF, lw_value_name("wan"));
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  /* without a mark only the home LAN is routed: that is what gets out */
  const LwStaticViolation *v = found(f, LW_STATIC_OPEN, "lan50", "wan");
  g_assert_true(is_in(&v->packet.source, "192.168.50.0/24"));
  g_assert_true(is_in(&v->packet.destination, "192.168.178.0/24"));
  g_assert_nonnull(strstr(v->decided, "by hand"));
  fixture_free(f);
}

static void test_element_added(void) {
  Fixture *f = homelab();
  LwValue key[] = {lw_value_name("lan50"), lw_value_addr(addr("192.168.50.25")),
                   lw_value_addr(addr("192.168.99.15")), lw_value_number(6), lw_value_number(22)};
  lw_set_add(lw_ruleset_find_set(router(f), "allowed"), key, 5, (LwOrigin){0});
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_OPEN, "lan50", "host");
  g_assert_cmpuint(f->proof->violations->len, ==, 1);
  g_assert_cmpuint(v->packet.dport, ==, 22);
  g_assert_true(is_in(&v->packet.source, "192.168.50.25/32"));
  g_assert_cmpuint(v->origin.line, >, 0);
  fixture_free(f);
}

static void test_element_removed(void) {
  Fixture *f = homelab();
  LwSet *set = lw_ruleset_find_set(router(f), "egress");
  for (guint i = 0; i < set->elements->len; i++) {
    const LwElement *e = set->elements->pdata[i];
    if (g_str_equal(g_array_index(e->key, LwValue, 0).name, "lan20"))
      g_ptr_array_remove_index(set->elements, i--);
  }
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_CLOSED, "lan20", "internet/ovpn");
  g_assert_nonnull(strstr(v->decided, "kill switch"));
  fixture_free(f);
}

static void test_port_in_another_bridge(void) {
  Fixture *f = homelab();
  set_text(&resource(f, "link:/lwm1")->master, "virbr-lan20");
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_OPEN, "lan10/gaming", "lan20");
  g_assert_true(is_in(&v->packet.source, "192.168.10.200/32"));
  found(f, LW_STATIC_OPEN, "lan20/seedbox", "lan10");
  found(f, LW_STATIC_CLOSED, "lan10/gaming", "host");
  fixture_free(f);
}

/* The machines of lan40 and lan50 do not run: what could get to whoever starts there counts all the same. */
static void test_nobody_plugged_in(void) {
  Fixture *f = homelab();
  g_assert_true(lw_resource_set_remove(f->wanted, "link:/lwm4"));
  g_assert_true(lw_resource_set_remove(f->wanted, "link:/lwm5"));
  prove(f);
  assert_clean(f);
  LwZone host = {LW_ZONE_HOST, LW_NONE}, lan40 = {LW_ZONE_SEGMENT, 3};
  LwHeader packet = {
      .source = addr("192.168.99.15"), .destination = addr("192.168.40.77"), .proto = 1, .icmp_type = 8};
  g_assert_true(lw_static_passes(f->proof, lw_static_row(f->proof, &host, NULL), &packet, &lan40));
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("lan10"));
  lw_rule_match(rule, LW_FIELD_OIF, lw_value_name("lan50"));
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_OPEN, "lan10", "lan50");
  g_assert_true(is_in(&v->packet.destination, "192.168.50.0/24"));
  fixture_free(f);
}

static void test_masquerade_removed(void) {
  Fixture *f = homelab();
  g_ptr_array_set_size(chain_of(f, "snat")->rules, 0);
  prove(f);
  found(f, LW_STATIC_UNMASKED, "lan10", "wan");
  found(f, LW_STATIC_UNMASKED, "lan20", "internet/ovpn");
  fixture_free(f);
}

static void add_resource(const Fixture *f, LwResourceKind kind, const char *ns, const char *name,
                         const char *value) {
  LwResource *r = lw_resource_new(kind, ns, name);
  r->value = g_strdup(value);
  lw_resource_set_add(f->wanted, r);
}

static void test_ipv6_opened(void) {
  Fixture *f = homelab();
  set_text(&resource(f, "sysctl:router/net/ipv6/conf/all/disable_ipv6")->value, "0");
  set_text(&resource(f, "sysctl:router/net/ipv6/conf/default/disable_ipv6")->value, "0");
  add_resource(f, LW_RES_SYSCTL, "router", "net/ipv6/conf/all/forwarding", "1");
  remove_rule(chain_of(f, "mark"), "IPv6 is closed");
  LwResource *route = lw_resource_new(LW_RES_ROUTE, "router", NULL);
  route->link = g_strdup("wan");
  route->table = 0x4c01;
  g_assert_true(lw_prefix_parse("::/0", &route->prefix));
  lw_resource_set_add(f->wanted, route);
  LwResource *rule = lw_resource_new(LW_RES_RULE, "router", NULL);
  rule->priority = 201;
  rule->ip_family = 6;
  rule->mark = rule->table = 0x4c01;
  lw_resource_set_add(f->wanted, rule);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_OPEN, "lan10", "wan");
  g_assert_cmpuint(v->packet.source.family, ==, 6);
  g_assert_nonnull(strstr(v->reason, "IPv6"));
  fixture_free(f);
}

static void test_route_by_another_exit(void) {
  Fixture *f = homelab();
  g_autofree char *key = NULL;
  for (guint i = 0; i < f->wanted->list->len; i++) {
    LwResource *r = f->wanted->list->pdata[i];
    if (r->kind == LW_RES_ROUTE && g_strcmp0(r->link, "wg-ovpn") == 0)
      set_text(&r->link, "wan");
  }
  prove(f); /* the rules still stop it: a promise is broken, no more */
  found(f, LW_STATIC_CLOSED, "lan20", "internet/ovpn");
  for (guint i = 0; i < f->proof->violations->len; i++) {
    LwStaticKind kind = ((LwStaticViolation *)f->proof->violations->pdata[i])->kind;
    /* nor does a forward's answer get back; and the routes do not help when the tunnel is lost */
    g_assert_true(kind == LW_STATIC_CLOSED || kind == LW_STATIC_MUTE || kind == LW_STATIC_BARE);
  }
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("lan20"));
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_OPEN, "lan20", "wan");
  g_assert_true(is_in(&v->packet.source, "192.168.20.0/24"));
  fixture_free(f);
}

static void remove_resource(const Fixture *f, gboolean (*is_it)(const LwResource *)) {
  for (guint i = 0; i < f->wanted->list->len; i++)
    if (is_it(f->wanted->list->pdata[i])) {
      g_autofree char *key = lw_resource_key(f->wanted->list->pdata[i]);
      lw_resource_set_remove(f->wanted, key);
      return;
    }
  g_error("nothing to remove");
}

static gboolean refuses_in_first_tunnel(const LwResource *r) {
  return r->kind == LW_RES_ROUTE && r->table == 0x4c02 && r->route_type != LW_ROUTE_UNICAST;
}

/* A tunnel that is there hides that nothing would refuse its packets if it were not. */
static void test_route_that_refuses_removed(void) {
  Fixture *f = homelab();
  remove_resource(f, refuses_in_first_tunnel);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_BARE, "lan20", "internet/ovpn");
  g_assert_true(is_in(&v->packet.source, "192.168.20.0/24"));
  g_assert_nonnull(strstr(v->decided, "routing rule 30000"));
  g_assert_cmpuint(f->proof->violations->len, ==, 1);
  fixture_free(f);
}

/* The same with routes that lead to wan then, and a rule that lets them. */
static void test_way_by_wan_when_lost(void) {
  Fixture *f = homelab();
  remove_resource(f, refuses_in_first_tunnel);
  LwResource *rule = lw_resource_new(LW_RES_RULE, "router", NULL);
  rule->priority = 9000;
  rule->table = 0x4c01;
  lw_resource_set_add(f->wanted, rule);
  prove(f);
  const LwStaticViolation *bare = found(f, LW_STATIC_BARE, "lan20", "internet/ovpn");
  g_assert_nonnull(strstr(bare->decided, "kill switch"));
  LwRule *accept = first_rule(chain_of(f, "forward"));
  lw_rule_match(accept, LW_FIELD_IIF, lw_value_name("lan20"));
  lw_rule_match(accept, LW_FIELD_OIF, lw_value_name("wan"));
  lw_rule_verdict(accept, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_FALLBACK, "lan20", "wan");
  g_assert_true(is_in(&v->packet.source, "192.168.20.0/24"));
  fixture_free(f);
}

/* Docker's way: bridged frames are shown to the IP tables, and FORWARD drops. */
static void test_bridged_frames_shown(void) {
  Fixture *f = homelab();
  LwResource *table = lw_resource_new(LW_RES_RULESET, "", "filter");
  table->ruleset = lw_ruleset_new(LW_FAMILY_IP, "filter");
  lw_ruleset_add_base_chain(table->ruleset, "FORWARD", LW_HOOK_FORWARD, 0, FALSE, TRUE);
  lw_resource_set_add(f->wanted, table);
  prove(f);
  assert_clean(f); /* bridged frames do not come by there */
  add_resource(f, LW_RES_SYSCTL, "", "net/bridge/bridge-nf-call-iptables", "1");
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_CLOSED, "lan10/gaming", "router");
  g_assert_nonnull(strstr(v->decided, "FORWARD"));
  fixture_free(f);
}

/* Without the rule about pairs, flows that were open could go on by wan although a tunnel is their exit. */
static void test_established_leak(void) {
  Fixture *f = homelab();
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_CT_STATE, lw_value_number(LW_CT_ESTABLISHED));
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_LEAK, "lan20", "wan");
  g_assert_true(is_in(&v->packet.source, "192.168.20.0/24"));
  fixture_free(f);
}

/* A rule for ICMP errors of open flows alone, before the kill switch and the pairs: it opens nothing to a new
 * flow, nor to one that is open. */
static void test_related_alone(void) {
  Fixture *f = homelab();
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_CT_STATE, lw_value_number(LW_CT_RELATED));
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_RELATED, "lan20", "wan");
  g_assert_true(is_in(&v->packet.source, "192.168.20.0/24"));
  g_assert_true(v->packet.proto == 1 || v->packet.proto == 58);
  g_assert_nonnull(strstr(v->decided, "by hand"));
  found(f, LW_STATIC_RELATED, "lan10", "lan50");
  found(f, LW_STATIC_RELATED, "lan50", "wan");
  found(f, LW_STATIC_RELATED, "internet/ovpn", "lan10");
  for (guint i = 0; i < f->proof->violations->len; i++)
    g_assert_cmpuint(((LwStaticViolation *)f->proof->violations->pdata[i])->kind, ==, LW_STATIC_RELATED);
  fixture_free(f);
}

/* The same between two segments alone: one violation. */
static void test_related_between_two(void) {
  Fixture *f = homelab();
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_CT_STATE, lw_value_number(LW_CT_RELATED));
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("lan10"));
  lw_rule_match(rule, LW_FIELD_OIF, lw_value_name("lan20"));
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_RELATED, "lan10", "lan20");
  g_assert_true(is_in(&v->packet.destination, "192.168.20.0/24"));
  g_assert_cmpuint(f->proof->violations->len, ==, 1);
  fixture_free(f);
}

/* The same in the host's guard, where it answers to the bridge's own address: round the router, whatever
 * flows there are by it. */
static void test_related_by_bridge(void) {
  Fixture *f = homelab();
  for (guint i = 0; i < f->wanted->list->len; i++) {
    const LwResource *r = f->wanted->list->pdata[i];
    LwChain *input = r->kind == LW_RES_RULESET && g_strcmp0(r->ns, "") == 0
                         ? lw_ruleset_find_chain(r->ruleset, "input")
                         : NULL;
    if (!input)
      continue;
    LwRule *rule = first_rule(input);
    lw_rule_match(rule, LW_FIELD_CT_STATE, lw_value_number(LW_CT_RELATED));
    lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  }
  prove(f);
  found(f, LW_STATIC_RELATED, "lan10/gaming", "host"); /* it has flows with the host, by the router */
  found(f, LW_STATIC_RELATED, "lan50/vault", "host");
  for (guint i = 0; i < f->proof->violations->len; i++)
    g_assert_cmpuint(((LwStaticViolation *)f->proof->violations->pdata[i])->kind, ==, LW_STATIC_RELATED);
  fixture_free(f);
}

/* Packets of no flow that come in by wan. */
static void test_invalid_from_outside(void) {
  Fixture *f = homelab();
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_CT_STATE, lw_value_number(LW_CT_INVALID));
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("wan"));
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f);
  found(f, LW_STATIC_STRAY, "home-lan", "lan20");
  found(f, LW_STATIC_STRAY, "home-lan", "host");
  fixture_free(f);
}

/* Answers come in by the exit's link: where that one does not forward, they end there. */
static void test_answers_not_forwarded(void) {
  Fixture *f = homelab();
  add_resource(f, LW_RES_SYSCTL, "router", "net/ipv4/conf/wan/forwarding", "0");
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_MUTE, "lan10", "wan");
  g_assert_nonnull(strstr(v->decided, "forwarding"));
  fixture_free(f);
}

/* A world that was looked at whole has no routes but those that are in it. */
static void test_connected_route_gone(void) {
  Fixture *f = homelab();
  prove(f);
  assert_clean(f);
  g_autoptr(LwResourceSet) looked_at = lw_static_with_lease(f->wanted, f->facts);
  looked_at->complete = TRUE;
  lw_static_free(f->proof);
  f->proof = lw_static_prove(f->pool, f->lab, f->facts, looked_at);
  found(f, LW_STATIC_CLOSED, "lan10", "host");
  lw_static_free(g_steal_pointer(&f->proof));
  fixture_free(f);
}

/* Answers of flows that are open are let back by one rule. */
static void test_no_answers(void) {
  Fixture *f = homelab();
  remove_rule(chain_of(f, "forward"), "flows that are open, between places that may talk");
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_MUTE, "lan10", "wan");
  g_assert_nonnull(v->decided);
  found(f, LW_STATIC_MUTE, "lan40", "host");
  found(f, LW_STATIC_MUTE, "host", "lan40");
  fixture_free(f);
}

static void test_guard_removed(void) {
  Fixture *f = homelab();
  for (guint i = 0; i < f->wanted->list->len; i++) {
    const LwResource *r = f->wanted->list->pdata[i];
    if (r->kind == LW_RES_RULESET && g_strcmp0(r->ns, "") == 0)
      for (guint c = 0; c < r->ruleset->chains->len; c++)
        g_ptr_array_set_size(((LwChain *)r->ruleset->chains->pdata[c])->rules, 0);
  }
  prove(f);
  /* any source, and round the router: the host itself takes what comes in by a segment's bridge */
  found(f, LW_STATIC_OPEN, "lan50/vault", "host");
  fixture_free(f);
}

static void test_forward_to_another_machine(void) {
  Fixture *f = homelab();
  LwSet *map = lw_ruleset_find_set(router(f), "forward_same");
  ((LwElement *)map->elements->pdata[0])->data = lw_value_addr(addr("192.168.20.200"));
  lw_rule_verdict(first_rule(chain_of(f, "forward")), LW_VERDICT_ACCEPT, NULL);
  prove(f);
  const LwStaticViolation *v = found(f, LW_STATIC_OPEN, "internet/ovpn", "lan20");
  g_assert_cmpuint(v->packet.dport, ==, 51413);
  fixture_free(f);
}

/* --- what is not known
 * -------------------------------------------------------------------------------------------- */

static void test_unknown_match(void) {
  Fixture *f = homelab();
  LwRule *rule = first_rule(chain_of(f, "forward"));
  lw_rule_match(rule, LW_FIELD_IIF, lw_value_name("lan50"));
  lw_rule_match(rule, LW_FIELD_OIF, lw_value_name("mgmt"));
  LwMatch *match = lw_rule_add_match(rule);
  LwField unknown = LW_FIELD_UNKNOWN;
  g_array_append_val(match->fields, unknown);
  match->unknown = g_strdup("string algo bm");
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
  prove(f); /* it may match: then lan50 gets to the host */
  found(f, LW_STATIC_OPEN, "lan50", "host");
  g_assert_cmpuint(f->proof->unknowns->len, >=, 1);
  gboolean named = FALSE;
  for (guint i = 0; i < f->proof->unknowns->len; i++)
    named |= strstr(f->proof->unknowns->pdata[i], "string algo bm") != NULL;
  g_assert_true(named);

  g_ptr_array_set_size(rule->actions, 0);
  lw_rule_verdict(rule, LW_VERDICT_DROP, NULL);
  prove(f); /* it may match: then what must pass does not in any case */
  found(f, LW_STATIC_CLOSED, "lan50", "host");
  fixture_free(f);
}

/* --- the intended sets against the single answers
 * ---------------------------------------------------------------------------------- */

static const char *const places[] = {"192.168.10.1",  "192.168.10.200", "192.168.20.1",  "192.168.20.5",
                                     "192.168.30.25", "192.168.30.200", "192.168.40.10", "192.168.50.1",
                                     "192.168.50.7",  "192.168.50.25",  "192.168.50.60", "192.168.50.90",
                                     "192.168.99.1",  "192.168.99.15",  "192.168.99.16", "172.16.3.4",
                                     "8.8.4.4",       "10.1.2.3",       "192.168.178.9", "224.0.0.5"};

static LwZone zone_of(const Fixture *f, const LwAddr *to, const LwZone *from) {
  const LwLab *lab = f->lab;
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(lab, i);
    if (lw_addr_equal(to, &s->router))
      return (LwZone){LW_ZONE_ROUTER, LW_NONE};
    if (lw_prefix_contains(&s->subnet, to))
      return (LwZone){LW_ZONE_SEGMENT, i};
  }
  (void)from;
  if (lw_addr_equal(to, &lab->host.management.router))
    return (LwZone){LW_ZONE_ROUTER, LW_NONE};
  if (lw_prefix_contains(&lab->host.management.subnet, to))
    return (LwZone){LW_ZONE_HOST, LW_NONE};
  if (lab->host.networks->len && lw_prefix_contains(&lw_lab_network(lab, 0)->prefix, to))
    return (LwZone){LW_ZONE_NETWORK, 0};
  if (lw_prefix_contains(&f->facts->home_lan, to))
    return (LwZone){LW_ZONE_HOME_LAN, LW_NONE};
  return (LwZone){LW_ZONE_INTERNET, LW_NONE};
}

static gboolean is_in_bound(const Fixture *f, const GPtrArray *sets, const LwFlowQuestion *q, guint exit,
                            gboolean must) {
  LwHeader header = lw_static_header(q);
  LwMdd one = lw_packets_of(f->pool, &header);
  gboolean far = q->to.kind == LW_ZONE_INTERNET || q->to.kind == LW_ZONE_HOME_LAN;
  for (guint i = 0; i < sets->len; i++) {
    const LwIntended *set = sets->pdata[i];
    gboolean there = far ? set->to.kind == LW_ZONE_INTERNET && (exit == LW_NONE - 1 || set->to.index == exit)
                         : set->to.kind == q->to.kind && set->to.index == q->to.index;
    if (there && lw_mdd_intersects(f->pool, must ? set->must : set->may, one))
      return TRUE;
  }
  return FALSE;
}

/* Two ways of reading one file: what the single answer allows has to be in the sets, what it denies must not
 * be. */
static void compare_answers(const Fixture *f, const LwZone *from, const char *source) {
  LwIntentBasis basis = lw_intent_basis(f->pool, f->lab, f->facts, &(LwIntentOutside){0});
  g_autoptr(GPtrArray) sets = lw_intent_sets(f->pool, f->lab, f->facts, &basis, from);
  const LwPorts asked[] = {{LW_PROTO_ICMP, 0, 0},    {LW_PROTO_TCP, 22, 0},  {LW_PROTO_TCP, 443, 0},
                           {LW_PROTO_TCP, 445, 0},   {LW_PROTO_UDP, 445, 0}, {LW_PROTO_UDP, 446, 0},
                           {LW_PROTO_UDP, 123, 0},   {LW_PROTO_TCP, 853, 0}, {LW_PROTO_TCP, 7080, 0},
                           {LW_PROTO_UDP, 51413, 0}, {LW_PROTO_UDP, 67, 0}};
  for (guint d = 0; d < G_N_ELEMENTS(places); d++)
    for (guint p = 0; p < G_N_ELEMENTS(asked); p++) {
      LwFlowQuestion q = {.from = *from, .source = addr(source), .destination = addr(places[d])};
      q.proto = asked[p].proto;
      q.port = asked[p].first_port;
      q.to = zone_of(f, &q.destination, from);
      if (q.to.kind == LW_ZONE_SEGMENT && from->kind == LW_ZONE_SEGMENT && q.to.index == from->index)
        continue; /* the wire: no gateway's business */
      LwFlowAnswer answer;
      lw_intent_answer(f->lab, f->facts, &q, &answer);
      gboolean may = is_in_bound(f, sets, &q, answer.allow ? answer.exit : LW_NONE - 1, FALSE);
      gboolean must = is_in_bound(f, sets, &q, answer.allow ? answer.exit : LW_NONE - 1, TRUE);
      if (answer.allow != may || answer.allow != must)
        g_error("%s -> %s %s/%u: the answer is %d (%s), the sets say may %d, must %d", source, places[d],
                lw_proto_name(q.proto), q.port, answer.allow, answer.reason, may, must);
      lw_flow_answer_clear(&answer);
    }
}

static void test_intent_both_ways(void) {
  Fixture *f = homelab();
  const struct {
    LwZone zone;
    const char *source;
  } sources[] = {{{LW_ZONE_SEGMENT, 0}, "192.168.10.200"},  {{LW_ZONE_SEGMENT, 1}, "192.168.20.5"},
                 {{LW_ZONE_SEGMENT, 2}, "192.168.30.25"},   {{LW_ZONE_SEGMENT, 2}, "192.168.30.200"},
                 {{LW_ZONE_SEGMENT, 3}, "192.168.40.10"},   {{LW_ZONE_SEGMENT, 4}, "192.168.50.7"},
                 {{LW_ZONE_SEGMENT, 4}, "192.168.50.60"},   {{LW_ZONE_SEGMENT, 4}, "192.168.50.90"},
                 {{LW_ZONE_HOST, LW_NONE}, "192.168.99.15"}};
  for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
    compare_answers(f, &sources[i].zone, sources[i].source);
  fixture_free(f);
}

/* --- what differs
 * ------------------------------------------------------------------------------------------------- */

static LwMdd arrived(LwMddPool *pool, const GPtrArray *arrivals, const char *ns, const char *link) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *one = arrivals->pdata[i];
    if (g_str_equal(one->ns, ns) && g_strcmp0(one->link, link) == 0)
      set = lw_mdd_or(pool, set, one->packets);
  }
  return set;
}

/* An element more: following what it can concern comes to the same as following everything anew. */
static void test_recheck_of_one_element(void) {
  static const char *const inside[] = {"", "router", NULL};
  Fixture *f = homelab();
  g_autoptr(LwResourceSet) world = lw_static_with_lease(f->wanted, f->facts);
  g_autoptr(LwReach) reach = lw_reach_new(f->pool, world, inside);
  const LwStart start = {LW_START_FRAME, "router", "lan10"};
  LwMdd opening = lw_intent_opening(f->pool);
  g_autoptr(GPtrArray) before = lw_reach_from(reach, &start, opening, LW_CT_NEW, LW_REACH_MAY);
  LwSet *set = lw_ruleset_find_set(router(f), "allowed");
  const LwValue key[] = {lw_value_name("lan10"), lw_value_addr(addr("192.168.10.200")),
                         lw_value_addr(addr("192.168.99.15")), lw_value_number(6), lw_value_number(9)};
  LwElement *element = lw_set_add(set, key, G_N_ELEMENTS(key), (LwOrigin){0});
  lw_reach_element_changed(reach, router(f), set, element, TRUE);
  LwMdd scope = lw_mdd_and(f->pool, opening, lw_reach_element_scope(reach, set, element));
  g_autoptr(GPtrArray) after = lw_reach_from(reach, &start, scope, LW_CT_NEW, LW_REACH_MAY);
  g_autoptr(LwReach) fresh = lw_reach_new(f->pool, world, inside);
  g_autoptr(GPtrArray) all = lw_reach_from(fresh, &start, opening, LW_CT_NEW, LW_REACH_MAY);
  LwMdd joined = lw_mdd_or(f->pool, lw_mdd_minus(f->pool, arrived(f->pool, before, "", NULL), scope),
                           arrived(f->pool, after, "", NULL));
  g_assert_cmpuint(joined, ==, arrived(f->pool, all, "", NULL));
  g_assert_cmpuint(joined, !=, arrived(f->pool, before, "", NULL));
  fixture_free(f);
}

static void test_gained(void) {
  Fixture *before = homelab(), *after = homelab();
  prove(before);
  LwValue key[] = {lw_value_name("lan50"), lw_value_addr(addr("192.168.50.25")),
                   lw_value_addr(addr("192.168.99.15")), lw_value_number(6), lw_value_number(22)};
  lw_set_add(lw_ruleset_find_set(router(after), "allowed"), key, 5, (LwOrigin){0});
  lw_mdd_pool_free(after->pool);
  after->pool = before->pool;
  prove(after);
  g_autoptr(GPtrArray) opens = lw_static_gained(before->proof, after->proof);
  g_autoptr(GPtrArray) closes = lw_static_gained(after->proof, before->proof);
  g_assert_cmpuint(opens->len, ==, 1);
  g_assert_cmpuint(closes->len, ==, 0);
  g_assert_cmpstr(opens->pdata[0], ==, "lan50 -> host: 192.168.50.25 -> 192.168.99.15 tcp/22");
  after->pool = NULL;
  g_clear_pointer(&after->proof, lw_static_free);
  after->pool = lw_mdd_pool_new();
  fixture_free(after);
  fixture_free(before);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_data_func("/verify/static/clean/homelab", "examples/homelab", test_clean);
  g_test_add_data_func("/verify/static/clean/small", "examples/small", test_clean);
  g_test_add_data_func("/verify/static/clean/everything", "tests/golden/everything", test_clean);
  g_test_add_func("/verify/static/switched-and-moved", test_switched_and_moved);
  g_test_add_func("/verify/static/without-lease", test_without_lease);
  g_test_add_func("/verify/static/accept-to-wan", test_accept_to_wan);
  g_test_add_func("/verify/static/element-added", test_element_added);
  g_test_add_func("/verify/static/element-removed", test_element_removed);
  g_test_add_func("/verify/static/port-in-another-bridge", test_port_in_another_bridge);
  g_test_add_func("/verify/static/nobody-plugged-in", test_nobody_plugged_in);
  g_test_add_func("/verify/static/masquerade-removed", test_masquerade_removed);
  g_test_add_func("/verify/static/ipv6-opened", test_ipv6_opened);
  g_test_add_func("/verify/static/route-by-another-exit", test_route_by_another_exit);
  g_test_add_func("/verify/static/route-that-refuses-removed", test_route_that_refuses_removed);
  g_test_add_func("/verify/static/way-by-wan-when-lost", test_way_by_wan_when_lost);
  g_test_add_func("/verify/static/bridged-frames-shown", test_bridged_frames_shown);
  g_test_add_func("/verify/static/established-leak", test_established_leak);
  g_test_add_func("/verify/static/related-alone", test_related_alone);
  g_test_add_func("/verify/static/related-between-two", test_related_between_two);
  g_test_add_func("/verify/static/related-by-bridge", test_related_by_bridge);
  g_test_add_func("/verify/static/invalid-from-outside", test_invalid_from_outside);
  g_test_add_func("/verify/static/no-answers", test_no_answers);
  g_test_add_func("/verify/static/answers-not-forwarded", test_answers_not_forwarded);
  g_test_add_func("/verify/static/connected-route-gone", test_connected_route_gone);
  g_test_add_func("/verify/static/guard-removed", test_guard_removed);
  g_test_add_func("/verify/static/forward-to-another-machine", test_forward_to_another_machine);
  g_test_add_func("/verify/static/unknown-match", test_unknown_match);
  g_test_add_func("/verify/static/recheck-of-one-element", test_recheck_of_one_element);
  g_test_add_func("/verify/static/gained", test_gained);
  g_test_add_func("/verify/static/intent-both-ways", test_intent_both_ways);
  return g_test_run();
}
