/* Segments that are alike are followed once: what the proof says then is what it says when each is followed.
 * Random labs of a few kinds of segments, as they are compiled and with a few things changed by hand, proved
 * both ways in one pool.
 *
 * LW_ALIKE_LABS: how many (150). With --seed=R02S… a run is repeated. */
#include "policy/names.h"
#include "policy/policy.h"
#include "spec/spec.h"
#include "verify/static.h"

#include <string.h>

#define SEGMENTS_MOST 9

typedef struct {
  LwLab *lab;
  LwFacts *facts;
  LwResourceSet *wanted;
} Compiled;

static gboolean chance(guint one_in) {
  return g_test_rand_int_range(0, (gint)one_in) == 0;
}

static guint below(guint end) {
  return (guint)g_test_rand_int_range(0, (gint)end);
}

static const char *one_of(const char *const *words, guint count) {
  return words[below(count)];
}

/* --- labs
 * ---------------------------------------------------------------------------------------------------------
 */

typedef struct {
  const char *egress;
  gboolean trust, isolate, machine, forward, pin;
  guint lines;
  struct {
    guint what, distance, port, first;
  } line[4];
} Kind;

static Kind some_kind(void) {
  static const char *const egress[] = {"none", "direct", "se", "[se, de]", "de"};
  Kind kind = {.egress = one_of(egress, G_N_ELEMENTS(egress)),
               .trust = chance(5),
               .isolate = chance(5),
               .machine = chance(2),
               .pin = chance(4),
               .lines = below(5)};
  kind.forward = kind.machine && chance(3) && !g_str_equal(kind.egress, "none");
  for (guint i = 0; i < kind.lines; i++) {
    kind.line[i].what = below(6);
    kind.line[i].distance = 1 + below(3);
    kind.line[i].port = 1000 + below(4);
    kind.line[i].first = 2 + below(100);
  }
  return kind;
}

static void put_line(GString *text, const Kind *kind, guint i, guint segment, guint segments) {
  guint other = (segment + kind->line[i].distance) % segments, port = kind->line[i].port;
  switch (kind->line[i].what) {
  case 0:
    g_string_append_printf(text, ", \"host:tcp/%u from .%u-.%u\"", port, kind->line[i].first,
                           kind->line[i].first + 20);
    break;
  case 1:
    g_string_append_printf(text, ", \"8.8.0.0/16:tcp/%u\"", port);
    break;
  case 2:
    g_string_append_printf(text, ", \"home-lan:tcp/%u\"", port);
    break;
  default:
    if (other != segment)
      g_string_append_printf(text, ", \"s%u:tcp/%u\"", other, port);
    break;
  }
}

static void put_segment(GString *text, const Kind *kind, guint i, guint segments, gboolean odd) {
  g_string_append_printf(text, "  s%u:\n    subnet: 10.%u.%u.0/24\n    dhcp: .200-.240\n    egress: %s\n", i,
                         i / 4, 3 * i, kind->egress);
  g_string_append(text, "    allow: [host/ping");
  for (guint l = 0; l < kind->lines; l++)
    put_line(text, kind, l, i, segments);
  g_string_append_printf(text, "%s]\n", odd ? ", \"host:udp/7\"" : "");
  if (kind->trust)
    g_string_append(text, "    trust: host\n");
  if (kind->isolate)
    g_string_append(text, "    isolate: true\n");
  if (kind->pin && kind->egress[0] == '[')
    g_string_append(text, "    pin: {.20-.29: de}\n");
  if (kind->forward)
    g_string_append_printf(text, "    forward: [{port: tcp/%u, to: m%u}]\n", 7000 + i, i);
}

static char *some_lab(void) {
  guint segments = 2 + below(SEGMENTS_MOST - 1), kinds = 1 + below(3);
  GString *text = g_string_new("lab: random\nhost:\n  uplink: eth0\n  services: {ping: icmp}\n");
  GString *machines = g_string_new(NULL);
  Kind kind[3] = {some_kind(), some_kind(), some_kind()};
  if (chance(3))
    g_string_append(text, "  networks: {containers: 172.16.0.0/12}\n");
  g_string_append(text, "tunnels: {se: missing/se.conf, de: missing/de.conf}\nsegments:\n");
  for (guint i = 0; i < segments; i++) {
    const Kind *of = &kind[i % kinds];
    put_segment(text, of, i, segments, chance(12));
    if (of->machine)
      g_string_append_printf(machines, "  m%u: {segment: s%u, address: .5}\n", i, i);
  }
  if (machines->len)
    g_string_append_printf(text, "machines:\n%s", machines->str);
  g_string_free(machines, TRUE);
  return g_string_free(text, FALSE);
}

static void compiled_clear(Compiled *c) {
  lw_resource_set_free(c->wanted);
  lw_facts_free(c->facts);
  lw_lab_free(c->lab);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Compiled, compiled_clear)

static Compiled compile(const char *text) {
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  g_autoptr(GError) error = NULL;
  Compiled c = {.facts = lw_facts_new(), .wanted = lw_resource_set_new()};
  c.lab = lw_spec_parse(text, strlen(text), "random.yaml", NULL, LW_SPEC_TWIN, store, said);
  if (!c.lab) {
    g_autofree char *line = lw_diagnostic_format(said->pdata[0], FALSE);
    g_error("%s\n%s", text, line);
  }
  c.facts->cells_stand_in = TRUE;
  c.facts->bridge_meta = chance(2);
  g_assert_true(lw_prefix_parse("192.168.178.0/24", &c.facts->home_lan));
  if (!lw_policy_assign(c.lab, c.facts, &error) || !lw_policy_compile(c.lab, c.facts, c.wanted, &error))
    g_error("%s", error->message);
  return c;
}

/* --- what is changed by hand
 * --------------------------------------------------------------------------------------- */

static LwResource *some_resource(const Compiled *c, guint kinds /* bits */) {
  g_autoptr(GPtrArray) fit = g_ptr_array_new();
  for (guint i = 0; i < c->wanted->list->len; i++) {
    LwResource *r = c->wanted->list->pdata[i];
    if ((kinds >> r->kind) & 1u)
      g_ptr_array_add(fit, r);
  }
  return fit->len ? fit->pdata[below(fit->len)] : NULL;
}

static LwRuleset *some_ruleset(const Compiled *c) {
  LwResource *r = some_resource(c, 1u << LW_RES_RULESET);
  return r ? r->ruleset : NULL;
}

static guint some_segment(const Compiled *c) {
  return below(c->lab->segments->len);
}

static LwAddr some_address(const Compiled *c) {
  LwAddr base = lw_lab_segment(c->lab, some_segment(c))->router;
  return chance(6) ? lw_addr_from_v4(0x08080808) : lw_addr_add(&base, below(12));
}

static LwValue some_range(const Compiled *c) {
  LwAddr first = some_address(c), last = lw_addr_add(&first, below(3) * 300);
  LwPrefix wide = lw_prefix_make(some_address(c), (guint8)(8 + below(20)));
  if (chance(3))
    return lw_value_prefix(lw_prefix_network(&wide));
  return lw_value_range((LwRange){first, last});
}

static char *some_name(const Compiled *c) {
  static const char *const others[] = {"wan", "mgmt", "wg-se", "br0", "br-mgmt", "s*", "virbr-*", "lw-s1*"};
  const LwResource *link = some_resource(c, 1u << LW_RES_LINK);
  return g_strdup(chance(3) ? one_of(others, G_N_ELEMENTS(others)) : link->name);
}

static void remove_element(const Compiled *c) {
  LwRuleset *rules = some_ruleset(c);
  LwSet *set = rules->sets->len ? rules->sets->pdata[below(rules->sets->len)] : NULL;
  if (set && set->elements->len)
    g_ptr_array_remove_index(set->elements, below(set->elements->len));
}

static void change_value(const Compiled *c, LwValue *value) {
  switch (value->kind) {
  case LW_VALUE_NAME:
    g_free(value->name);
    value->name = some_name(c);
    break;
  case LW_VALUE_PREFIX:
  case LW_VALUE_RANGE:
    if (value->kind == LW_VALUE_RANGE && value->range.first.family == 4 && chance(2))
      value->range.first = value->range.last; /* still of the same segment */
    else
      *value = some_range(c);
    break;
  case LW_VALUE_NUMBER:
    value->first = below(3) * 6;
    value->last = value->first + below(2) * 70;
    break;
  case LW_VALUE_MAC:
    value->mac.bytes[5] ^= 1;
    break;
  }
}

/* Another one like it, but for one part of its key. */
static void add_element(const Compiled *c) {
  LwRuleset *rules = some_ruleset(c);
  LwSet *set = rules->sets->len ? rules->sets->pdata[below(rules->sets->len)] : NULL;
  if (!set || set->elements->len == 0)
    return;
  LwElement *copy = lw_element_copy(set, set->elements->pdata[below(set->elements->len)]);
  change_value(c, &g_array_index(copy->key, LwValue, below(copy->key->len)));
}

static LwChain *some_chain(const Compiled *c) {
  LwRuleset *rules = some_ruleset(c);
  return rules->chains->len ? rules->chains->pdata[below(rules->chains->len)] : NULL;
}

static void remove_rule(const Compiled *c) {
  LwChain *chain = some_chain(c);
  if (chain && chain->rules->len)
    g_ptr_array_remove_index(chain->rules, below(chain->rules->len));
}

static void add_rule(const Compiled *c) {
  LwChain *chain = some_chain(c);
  if (!chain)
    return;
  LwRule *rule = lw_chain_add_rule(chain, (LwOrigin){0}, "by hand");
  g_ptr_array_insert(chain->rules, 0, g_ptr_array_steal_index(chain->rules, chain->rules->len - 1));
  g_autofree char *name = some_name(c);
  if (chance(2))
    lw_rule_match(rule, LW_FIELD_IIF, lw_value_name(name));
  if (chance(2))
    lw_rule_match(rule, chance(2) ? LW_FIELD_SADDR : LW_FIELD_DADDR, some_range(c));
  if (chance(2))
    lw_rule_match(rule, LW_FIELD_PROTO, lw_value_number(chance(2) ? 6 : 17));
  lw_rule_verdict(rule, chance(3) ? LW_VERDICT_DROP : LW_VERDICT_ACCEPT, NULL);
}

static void remove_resource(const Compiled *c) {
  LwResource *r = some_resource(c, 1u << LW_RES_ROUTE | 1u << LW_RES_ADDRESS | 1u << LW_RES_RULE |
                                       1u << LW_RES_SYSCTL | 1u << LW_RES_LINK | 1u << LW_RES_TUNNEL);
  g_autofree char *key = lw_resource_key(r);
  (void)lw_resource_set_remove(c->wanted, key);
}

static void change_link(const Compiled *c) {
  LwResource *link = some_resource(c, 1u << LW_RES_LINK);
  switch (below(3)) {
  case 0:
    link->up = !link->up;
    break;
  case 1:
    link->isolated = !link->isolated;
    break;
  default:
    if (link->master && *link->master) {
      g_free(link->master);
      link->master = g_strdup(lw_lab_segment(c->lab, some_segment(c))->bridge);
    }
    break;
  }
}

static void change_route(const Compiled *c) {
  LwResource *route = some_resource(c, 1u << LW_RES_ROUTE);
  if (!route)
    return;
  route->route_type = chance(3) ? LW_ROUTE_UNICAST : LW_ROUTE_BLACKHOLE;
  if (chance(2))
    return;
  g_free(route->link);
  route->link = g_strdup(chance(2) ? "wan" : lw_lab_segment(c->lab, some_segment(c))->name);
}

static void add_resource(const Compiled *c) {
  g_autofree char *leg = lw_name_router_leg(lw_lab_segment(c->lab, some_segment(c)));
  LwResource *r = NULL;
  switch (below(4)) {
  case 0:
    r = lw_resource_new(LW_RES_ADDRESS, "router", NULL);
    r->link = g_strdup(leg);
    r->prefix = lw_prefix_make(some_address(c), (guint8)(20 + below(13)));
    break;
  case 1:
    r = lw_resource_new(LW_RES_RULE, "router", NULL);
    r->priority = 5 + below(3);
    r->table = 254;
    r->from = lw_prefix_make(some_address(c), 32);
    break;
  case 2: {
    static const char *const settings[] = {"forwarding", "rp_filter", "accept_local"};
    g_autofree char *name =
        g_strdup_printf("net/ipv4/conf/%s/%s", leg, one_of(settings, G_N_ELEMENTS(settings)));
    r = lw_resource_new(LW_RES_SYSCTL, "router", name);
    r->value = g_strdup(chance(2) ? "1" : "0");
    break;
  }
  default:
    r = lw_resource_new(LW_RES_ROUTE, "router", NULL);
    r->link = g_strdup(leg);
    r->prefix = lw_prefix_make(some_address(c), 32);
    break;
  }
  g_autofree char *key = lw_resource_key(r);
  if (lw_resource_set_find(c->wanted, key))
    lw_resource_unref(r);
  else
    lw_resource_set_add(c->wanted, r);
}

static void change_policy(const Compiled *c) {
  LwChain *chain = some_chain(c);
  if (chain)
    chain->drop = !chain->drop;
}

/* Somebody else's table: a set that has no names in it, of sources and destinations. */
static LwSet *add_table(const Compiled *c) {
  LwResource *r = lw_resource_new(LW_RES_RULESET, "router", "foreign");
  g_autofree char *key = lw_resource_key(r);
  LwResource *there = lw_resource_set_find(c->wanted, key);
  if (there) {
    lw_resource_unref(r);
    return lw_ruleset_find_set(there->ruleset, "dropped");
  }
  g_clear_pointer(&r->ruleset, lw_ruleset_unref);
  r->ruleset = lw_ruleset_new(LW_FAMILY_INET, "foreign");
  LwSet *set = lw_ruleset_add_set(r->ruleset, LW_SET_PLAIN, "dropped", TRUE, LW_FIELD_SADDR, LW_FIELD_DADDR,
                                  LW_FIELD_LAST);
  LwChain *chain = lw_ruleset_add_base_chain(r->ruleset, "forward", LW_HOOK_FORWARD, -10, FALSE, FALSE);
  LwRule *rule = lw_chain_add_rule(chain, (LwOrigin){0}, "by hand");
  lw_rule_match_set(rule, "dropped", FALSE, LW_FIELD_SADDR, LW_FIELD_DADDR, LW_FIELD_LAST);
  lw_rule_verdict(rule, LW_VERDICT_DROP, NULL);
  lw_resource_set_add(c->wanted, r);
  return set;
}

static void drop_between(const Compiled *c, LwValue from, LwValue to) {
  LwElement *element = lw_set_append(add_table(c), (LwOrigin){0});
  g_array_append_val(element->key, from);
  g_array_append_val(element->key, to);
}

static void drop_some(const Compiled *c) {
  LwPrefix subnet = lw_lab_segment(c->lab, some_segment(c))->subnet;
  drop_between(c, chance(2) ? lw_value_prefix(subnet) : some_range(c),
               chance(2) ? lw_value_prefix(lw_lab_segment(c->lab, some_segment(c))->subnet) : some_range(c));
}

static void change_something(const Compiled *c) {
  void (*const changes[])(const Compiled *) = {remove_element, add_element,     add_element, remove_rule,
                                               add_rule,       remove_resource, change_link, change_route,
                                               add_resource,   change_policy,   drop_some};
  changes[below(G_N_ELEMENTS(changes))](c);
}

/* --- both ways
 * ----------------------------------------------------------------------------------------------------- */

static gint by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of one pool: equal sets have equal numbers. */
static char *told(const LwStatic *proof) {
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < proof->violations->len; i++) {
    const LwStaticViolation *v = proof->violations->pdata[i];
    g_autofree char *line = lw_static_violation_format(v);
    g_ptr_array_add(lines, g_strdup_printf("%d %u %s", (int)v->kind, v->packets, line));
  }
  for (guint i = 0; i < proof->unknowns->len; i++)
    g_ptr_array_add(lines, g_strdup(proof->unknowns->pdata[i]));
  g_ptr_array_sort(lines, by_text);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf(text, "%s\n", (char *)lines->pdata[i]);
  return g_string_free(text, FALSE);
}

static char *violations_of(const Compiled *c) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  g_autoptr(LwStatic) proof = lw_static_prove(pool, c->lab, c->facts, c->wanted);
  return told(proof);
}

static guint taken_over(const LwStatic *proof) {
  guint count = 0;
  for (guint i = 0; i < proof->rows->len; i++)
    count += ((const LwStaticRow *)proof->rows->pdata[i])->like != NULL;
  return count;
}

static char *reached(const LwStatic *proof, guint i) {
  const LwStaticRow *row = lw_static_look(proof, i);
  GString *text = g_string_new(row->name);
  for (guint r = 0; r < row->reached->len; r++) {
    const LwReached *one = row->reached->pdata[r];
    if (one->may == LW_MDD_FALSE)
      continue;
    g_string_append_printf(text, " %d/%u/%s:%u,%u", (int)one->place.zone.kind, one->place.zone.index,
                           one->place.link ? one->place.link : "", one->may, one->must);
  }
  g_string_append_printf(text, " %u", row->by_bridge);
  return g_string_free(text, FALSE);
}

/* How many rows another one stood for. */
static guint compare(const Compiled *c, const char *lab, gboolean complete) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  g_autoptr(LwResourceSet) world = lw_static_with_lease(c->wanted, c->facts);
  world->complete = complete;
  g_autoptr(LwStatic) each = lw_static_prove_each(pool, c->lab, c->facts, world);
  g_autoptr(LwStatic) alike = lw_static_prove(pool, c->lab, c->facts, world);
  guint count = taken_over(alike);
  g_autofree char *wanted = told(each), *got = told(alike);
  if (!g_str_equal(wanted, got))
    g_printerr("%s--- each:\n%s--- alike:\n%s", lab, wanted, got);
  g_assert_true(g_str_equal(wanted, got));
  for (guint i = 0; i < each->rows->len; i++) {
    g_autofree char *there = reached(each, i), *here = reached(alike, i);
    g_assert_cmpstr(here, ==, there);
  }
  return count;
}

static void test_random_labs(void) {
  const char *many = g_getenv("LW_ALIKE_LABS");
  guint labs = many ? (guint)g_ascii_strtoull(many, NULL, 10) : 150, rows = 0, changed = 0;
  for (guint i = 0; i < labs; i++) {
    g_autofree char *text = some_lab();
    g_auto(Compiled) c = compile(text);
    guint changes = below(4);
    for (guint k = 0; k < changes; k++)
      change_something(&c);
    guint taken = compare(&c, text, chance(4));
    rows += taken;
    changed += changes && taken;
  }
  g_test_message("%u labs: %u rows stood for by others; %u of the labs with changes", labs, rows, changed);
  g_assert_cmpuint(rows, >, labs / 2);
  g_assert_cmpuint(changed, >, labs / 20);
}

/* The same element of another segment. FALSE: it says nothing of the first one. */
static gboolean rename_element(const Compiled *c, LwElement *element, guint from, guint to) {
  const LwSegment *one = lw_lab_segment(c->lab, from), *other = lw_lab_segment(c->lab, to);
  gboolean named = FALSE;
  for (guint i = 0; i < element->key->len; i++) {
    LwValue *value = &g_array_index(element->key, LwValue, i);
    gboolean range = value->kind == LW_VALUE_RANGE && lw_range_within_prefix(&value->range, &one->subnet);
    gboolean prefix = value->kind == LW_VALUE_PREFIX && lw_prefix_equal(&value->prefix, &one->subnet);
    if (value->kind == LW_VALUE_NAME && g_str_equal(value->name, one->name)) {
      named = TRUE;
      g_free(value->name);
      value->name = g_strdup(other->name);
    } else if (range || prefix) {
      named = TRUE;
      *value = lw_value_prefix(other->subnet);
    }
  }
  return named;
}

static void add_renamed(const Compiled *c, LwSet *set, guint from, guint to) {
  for (guint i = 0, count = set->elements->len; i < count; i++) {
    LwElement *copy = lw_element_copy(set, set->elements->pdata[i]);
    gboolean named = rename_element(c, copy, from, to), there = FALSE;
    for (guint k = 0; k < count; k++)
      there |= lw_element_equal(copy, set->elements->pdata[k]);
    if (!named || there)
      g_ptr_array_remove(set->elements, copy);
  }
}

static LwSet *router_set(const Compiled *c, const char *name) {
  for (guint i = 0; i < c->wanted->list->len; i++) {
    const LwResource *r = c->wanted->list->pdata[i];
    LwSet *set = r->ruleset && g_strcmp0(r->ns, "router") == 0 ? lw_ruleset_find_set(r->ruleset, name) : NULL;
    if (set)
      return set;
  }
  g_error("no set %s", name);
}

/* One of two alike segments is let to a third by the file, or the third to it; by hand the other one is, too,
 * by the very same elements. */
static void test_edge_by_hand(void) {
  static const char *const first[] = {"allow: [\"s2:tcp/1000\"]", "isolate: false"};
  static const char *const third[] = {"isolate: false", "allow: [\"s0:tcp/1000\"]"};
  static const char *const told_of[] = {"s1 -> s2", "s2 -> s1"};
  for (guint i = 0; i < G_N_ELEMENTS(first); i++) {
    g_autofree char *lab = g_strdup_printf("lab: edges\nhost:\n  uplink: eth0\nsegments:\n"
                                           "  s0: {subnet: 10.0.0.0/24, %s}\n"
                                           "  s1: {subnet: 10.0.1.0/24}\n"
                                           "  s2: {subnet: 10.0.2.0/24, %s}\n",
                                           first[i], third[i]);
    g_auto(Compiled) c = compile(lab);
    add_renamed(&c, router_set(&c, "pairs"), 0, 1);
    add_renamed(&c, router_set(&c, "allowed"), 0, 1);
    compare(&c, lab, FALSE);
    g_autofree char *text = violations_of(&c);
    g_assert_nonnull(strstr(text, told_of[i]));
  }
}

/* Two segments have a routing rule of their own each, in the same place, that do not say the same. */
static void test_routing_rules_by_hand(void) {
  static const char *const lab = "lab: rules\nhost:\n  uplink: eth0\nsegments:\n"
                                 "  s0: {subnet: 10.0.0.0/24, egress: direct}\n"
                                 "  s1: {subnet: 10.0.1.0/24, egress: direct}\n";
  g_auto(Compiled) c = compile(lab);
  g_assert_cmpuint(compare(&c, lab, FALSE), >, 0);
  for (guint i = 0; i < 2; i++) {
    LwResource *r = lw_resource_new(LW_RES_RULE, "router", NULL);
    r->priority = 5 + i; /* its key */
    r->from = lw_lab_segment(c.lab, i)->subnet;
    r->table = i ? 0 : 999; /* where there is nothing */
    r->action = i ? LW_RULE_PROHIBIT : LW_RULE_LOOKUP;
    lw_resource_set_add(c.wanted, r);
  }
  compare(&c, lab, FALSE);
  g_autofree char *text = violations_of(&c);
  g_assert_nonnull(strstr(text, "s1 -> wan"));
  g_assert_null(strstr(text, "s0 -> wan"));
}

/* Two are let to a third; by hand the later one is not. */
static void test_edge_gone(void) {
  static const char *const lab = "lab: edges\nhost:\n  uplink: eth0\nsegments:\n"
                                 "  s0: {subnet: 10.0.0.0/24, allow: [\"s2:tcp/1000\"]}\n"
                                 "  s1: {subnet: 10.0.1.0/24, allow: [\"s2:tcp/1000\"]}\n"
                                 "  s2: {subnet: 10.0.2.0/24}\n";
  g_auto(Compiled) c = compile(lab);
  g_assert_cmpuint(compare(&c, lab, FALSE), >, 0);
  LwSet *set = router_set(&c, "allowed");
  for (guint i = set->elements->len; i-- > 0;) {
    const LwElement *element = set->elements->pdata[i];
    if (g_strcmp0(g_array_index(element->key, LwValue, 0).name, "s1") == 0)
      g_ptr_array_remove_index(set->elements, i);
  }
  compare(&c, lab, FALSE);
  g_autofree char *text = violations_of(&c);
  g_assert_nonnull(strstr(text, "s1 -> s2"));
}

/* One of each of two may ask the host; by hand it is another one of the later. */
static void test_place_by_hand(void) {
  static const char *const lab = "lab: places\nhost:\n  uplink: eth0\nsegments:\n"
                                 "  s0: {subnet: 10.0.0.0/24, allow: [\"host:tcp/1000 from .10\"]}\n"
                                 "  s1: {subnet: 10.0.1.0/24, allow: [\"host:tcp/1000 from .10\"]}\n";
  g_auto(Compiled) c = compile(lab);
  g_assert_cmpuint(compare(&c, lab, FALSE), >, 0);
  const LwSet *set = router_set(&c, "allowed");
  for (guint i = 0; i < set->elements->len; i++) {
    LwValue *key = (LwValue *)(void *)((const LwElement *)set->elements->pdata[i])->key->data;
    if (g_strcmp0(key[0].name, "s1") == 0)
      key[1] = lw_value_addr(lw_addr_from_v4(0x0a00010b));
  }
  compare(&c, lab, FALSE);
  g_autofree char *text = violations_of(&c);
  g_assert_nonnull(strstr(text, "s1 -> host"));
  g_assert_null(strstr(text, "s0 -> host"));
}

/* Two are alike but for what a set without names says of one of them and of a third. */
static void test_edge_without_names(void) {
  static const char *const lab = "lab: edges\nhost:\n  uplink: eth0\nsegments:\n"
                                 "  s0: {subnet: 10.0.0.0/24, allow: [\"s2:tcp/1000\"]}\n"
                                 "  s1: {subnet: 10.0.1.0/24, allow: [\"s2:tcp/1000\"]}\n"
                                 "  s2: {subnet: 10.0.2.0/24}\n";
  g_auto(Compiled) c = compile(lab);
  compare(&c, lab, FALSE);
  drop_between(&c, lw_value_prefix(lw_lab_segment(c.lab, 1)->subnet),
               lw_value_prefix(lw_lab_segment(c.lab, 2)->subnet));
  compare(&c, lab, FALSE);
  g_autofree char *text = violations_of(&c);
  g_assert_nonnull(strstr(text, "s1 -> s2"));
  g_assert_null(strstr(text, "s0 -> s2"));
}

static LwRule *first_rule(const Compiled *c, const char *chain_name) {
  for (guint i = 0; i < c->wanted->list->len; i++) {
    const LwResource *r = c->wanted->list->pdata[i];
    LwChain *chain =
        r->ruleset && g_strcmp0(r->ns, "router") == 0 ? lw_ruleset_find_chain(r->ruleset, chain_name) : NULL;
    if (!chain)
      continue;
    LwRule *rule = lw_chain_add_rule(chain, (LwOrigin){0}, "by hand");
    g_ptr_array_insert(chain->rules, 0, g_ptr_array_steal_index(chain->rules, chain->rules->len - 1));
    return rule;
  }
  g_error("no chain %s", chain_name);
}

/* Three that are alike; one rule more, that is about the later ones alone, whatever way it says so. */
static void test_rules_by_hand(void) {
  static const char *const lab = "lab: rules\nhost:\n  uplink: eth0\nsegments:\n"
                                 "  s0: {subnet: 10.0.0.0/24}\n"
                                 "  s1: {subnet: 10.0.1.0/24}\n"
                                 "  s2: {subnet: 10.0.2.0/24}\n";
  const LwRange some = {lw_addr_from_v4(0x0a000105), lw_addr_from_v4(0x0a000106)};
  const LwRange cut = {lw_addr_from_v4(0x0a000180), lw_addr_from_v4(0x0a0002ff)};
  const LwRange both = {lw_addr_from_v4(0x0a000100), lw_addr_from_v4(0x0a0002ff)};
  const struct {
    LwField field;
    LwValue value;
  } rules[] = {{LW_FIELD_IIF, lw_value_name("s1")},   {LW_FIELD_IIF, lw_value_name("s1*")},
               {LW_FIELD_OIF, lw_value_name("s2")},   {LW_FIELD_SADDR, lw_value_range(some)},
               {LW_FIELD_SADDR, lw_value_range(cut)}, {LW_FIELD_SADDR, lw_value_range(both)},
               {LW_FIELD_DADDR, lw_value_range(both)}};
  for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
    g_auto(Compiled) c = compile(lab);
    g_assert_cmpuint(compare(&c, lab, FALSE), >, 0);
    LwRule *rule = first_rule(&c, "forward");
    lw_rule_match(rule, rules[i].field, rules[i].value);
    lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
    compare(&c, lab, FALSE);
    g_autofree char *text = violations_of(&c);
    g_assert_cmpstr(text, !=, "");
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verify/alike/random-labs", test_random_labs);
  g_test_add_func("/verify/alike/edge-by-hand", test_edge_by_hand);
  g_test_add_func("/verify/alike/edge-without-names", test_edge_without_names);
  g_test_add_func("/verify/alike/routing-rules-by-hand", test_routing_rules_by_hand);
  g_test_add_func("/verify/alike/place-by-hand", test_place_by_hand);
  g_test_add_func("/verify/alike/edge-gone", test_edge_gone);
  g_test_add_func("/verify/alike/rules-by-hand", test_rules_by_hand);
  return g_test_run();
}
