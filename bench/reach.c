/* The static proof at 10, 100 and 1,000 segments with 10,000 rules: time of the whole, of what is in it,
 * memory, and of a recheck after one rule has changed.
 *
 * A rule here is a line that opens something: an element of the maps that the policy compiles to. The lab
 * comes from a file as a user would write it, so that the rules have the shape of real ones.
 *
 *   reach [--most N | --only N]
 */
#include "policy/policy.h"
#include "spec/spec.h"
#include "verify/static.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RULES 10000u

static char *lab_text(guint segments) {
  guint lines = RULES / segments;
  GString *text = g_string_new("lab: bench\nhost:\n  uplink: eth0\n  services: {ping: icmp}\n"
                               "tunnels: {se: missing/se.conf}\nsegments:\n");
  for (guint i = 0; i < segments; i++) {
    g_string_append_printf(text,
                           "  s%u: {subnet: 10.%u.%u.0/24, dhcp: .200-.240, egress: %s, allow: [host/ping", i,
                           1 + i / 250, i % 250, i % 2 ? "direct" : "se");
    for (guint line = 1; line < lines; line++) {
      guint to = (i + line * 7) % segments;
      if (line % 3 == 0 && to != i)
        g_string_append_printf(text, ", \"s%u:tcp/%u\"", to, 1000 + line);
      else
        g_string_append_printf(text, ", \"host:tcp/%u from .%u\"", 2000 + line * 3, 2 + line % 200);
    }
    g_string_append(text, "]}\n");
  }
  return g_string_free(text, FALSE);
}

static LwLab *parse(const char *text) {
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  LwLab *lab = lw_spec_parse(text, strlen(text), "bench.yaml", NULL, LW_SPEC_TWIN, store, said);
  for (guint i = 0; !lab && i < MIN(said->len, 5); i++) {
    g_autofree char *line = lw_diagnostic_format(said->pdata[i], FALSE);
    fprintf(stderr, "%s\n", line);
  }
  return lab;
}

/* Time of the processor, not of the wall: it is the same on a machine that does other things. */
static gint64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (gint64)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static double ms_since(gint64 start) {
  return (double)(now() - start) / 1000;
}

static LwStart leg(const LwLab *lab, guint segment) {
  return (LwStart){LW_START_FRAME, "router", lw_lab_segment(lab, segment)->name};
}

/* Every segment to everywhere; the arrivals are counted so that nothing is left out. */
static guint all_pairs(LwReach *reach, const LwLab *lab, LwBdd opening) {
  guint arrivals = 0;
  for (guint i = 0; i < lab->segments->len; i++) {
    LwStart start = leg(lab, i);
    if (i > 4)
      lw_reach_scratch_begin(reach);
    {
      g_autoptr(GPtrArray) found = lw_reach_from(reach, &start, opening, LW_CT_NEW, LW_REACH_MAY);
      arrivals += found->len;
    }
    if (i > 4)
      lw_reach_scratch_end(reach, NULL, 0);
  }
  return arrivals;
}

static LwRuleset *router_rules(const LwResourceSet *world) {
  for (guint i = 0; i < world->list->len; i++) {
    const LwResource *r = world->list->pdata[i];
    if (r->kind == LW_RES_RULESET && g_strcmp0(r->ns, "router") == 0)
      return r->ruleset;
  }
  return NULL;
}

/* One element more: what it can be about is followed again, from the one segment that it names. */
static double recheck_ms(LwReach *reach, const LwLab *lab, const LwResourceSet *world, LwBdd opening) {
  double best = G_MAXDOUBLE;
  for (guint round = 0; round < 5; round++) {
    LwRuleset *rules = router_rules(world);
    LwSet *set = lw_ruleset_find_set(rules, "allowed");
    LwAddr from = lw_addr_add(&lw_lab_segment(lab, 3)->router, 10 + round);
    LwElement *element = lw_set_append(set, (LwOrigin){0});
    LwValue key[] = {lw_value_name(lw_lab_segment(lab, 3)->name), lw_value_addr(from),
                     lw_value_addr(lab->host.management.address), lw_value_number(6), lw_value_number(9)};
    g_array_append_vals(element->key, key, G_N_ELEMENTS(key));
    gint64 start = now();
    lw_reach_element_changed(reach, rules, set, element, TRUE);
    LwStart again = leg(lab, 3);
    LwBdd scope = lw_bdd_and(lw_reach_pool(reach), opening, lw_reach_element_scope(reach, set, element));
    g_autoptr(GPtrArray) found = lw_reach_from(reach, &again, scope, LW_CT_NEW, LW_REACH_MAY);
    best = MIN(best, ms_since(start));
  }
  return best;
}

static void measure(guint segments) {
  g_autofree char *text = lab_text(segments);
  g_autoptr(LwLab) lab = parse(text);
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  g_autoptr(GError) error = NULL;
  if (!lab)
    exit(1);
  facts->cells_stand_in = TRUE;
  (void)lw_prefix_parse("192.168.178.0/24", &facts->home_lan);
  if (!lw_policy_assign(lab, facts, &error) || !lw_policy_compile(lab, facts, wanted, &error)) {
    fprintf(stderr, "%s\n", error->message);
    exit(1);
  }
  g_autoptr(LwResourceSet) world = lw_static_with_lease(wanted, facts);
  const char *inside[] = {"", "router", NULL};
  g_autoptr(LwBddPool) pool = lw_bdd_pool_new();
  LwBdd opening = lw_intent_opening(pool);
  gint64 start = now();
  g_autoptr(LwReach) reach = lw_reach_new(pool, world, inside);
  double index_ms = ms_since(start);
  start = now();
  guint arrivals = all_pairs(reach, lab, opening);
  double pairs_ms = ms_since(start);
  gsize bytes = lw_bdd_pool_bytes(pool);
  g_autoptr(LwBddPool) other = lw_bdd_pool_new();
  start = now();
  g_autoptr(LwStatic) proof = lw_static_prove(other, lab, facts, world);
  double proof_ms = ms_since(start);
  double again_ms = recheck_ms(reach, lab, world, opening);
  printf(
      "%5u segments, %u rules: index %.1f ms, all pairs %.1f ms (%u arrivals, %.1f MB), recheck of one rule "
      "%.3f ms; whole proof with the file %.1f ms, %u violations\n",
      segments,
      router_rules(world)->sets->len ? lw_ruleset_find_set(router_rules(world), "allowed")->elements->len : 0,
      index_ms, pairs_ms, arrivals, (double)bytes / 1e6, again_ms, proof_ms, proof->violations->len);
}

int main(int argc, char **argv) {
  if (argc == 3 && g_str_equal(argv[1], "--only")) {
    measure((guint)strtoul(argv[2], NULL, 10));
    return 0;
  }
  guint most = argc == 3 && g_str_equal(argv[1], "--most") ? (guint)strtoul(argv[2], NULL, 10) : 1000;
  for (guint segments = 10; segments <= most; segments *= 10)
    measure(segments);
  return 0;
}
