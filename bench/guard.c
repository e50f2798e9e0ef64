/* What the proof of a plan's states costs: homelab, and a made-up lab of N segments, in each of which
 * something changes.
 *
 * usage: guard [SEGMENTS]
 */
#include "../tests/unit/verify/compiled.h"
#include "plan/plan.h"
#include "verify/between.h"
#include "verify/static.h"

#include <stdlib.h>
#include <string.h>

static char *made_up(guint segments, const char *moved) {
  GString *text = g_string_new(
      "lab: many\nhost:\n  uplink: enp1s0\n  bridge: br0\n  management: {bridge: br-mgmt, subnet: "
      "172.31.255.0/24, address: .15, router: .1}\n  services: {ping: icmp, samba: tcp/445}\n"
      "segments:\n");
  for (guint i = 0; i < segments; i++)
    g_string_append_printf(
        text, "  s%u: {subnet: 10.%u.%u.0/24, dhcp: .200-.240, egress: direct, allow: [host/%s]}\n", i,
        i / 250, i % 250, i % 2 ? "samba" : "ping");
  g_string_append(text, "machines:\n");
  for (guint i = 0; i < segments; i++)
    g_string_append_printf(text, "  m%u: {segment: s%u}\n", i, i);
  g_string_append_printf(text, "  mover: {segment: %s}\n", moved);
  return g_string_free(text, FALSE);
}

static char *homelab(const char *from, const char *to) {
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(LW_SOURCE "/examples/homelab.yaml", &text, NULL, NULL));
  char *asserts = strstr(text, "\nassert:");
  if (asserts)
    *asserts = '\0';
  g_auto(GStrv) parts = g_strsplit(text, from, 2);
  return g_strjoinv(to, parts);
}

static void allow(LwBetween *between, const LwPlan *plan, guint steps, const LwFacts *facts) {
  g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, steps);
  g_autoptr(LwResourceSet) world = lw_static_with_lease(state, facts);
  lw_between_allow(between, world);
}

static void measure(const char *name, const LwResourceSet *from, const Compiled *to) {
  gint64 start = g_get_monotonic_time();
  g_autoptr(LwPlan) plan = lw_plan_diff(to->wanted, from, from);
  gint64 planned = g_get_monotonic_time();
  g_autoptr(LwBetween) between = lw_between_new("router");
  allow(between, plan, 0, to->facts);
  allow(between, plan, plan->steps->len, to->facts);
  for (guint i = 1; i < plan->steps->len; i++) {
    g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, i);
    g_autoptr(LwResourceSet) world = lw_static_with_lease(state, to->facts);
    g_autoptr(LwHole) hole = lw_between_check(between, world);
    g_assert_null(hole);
  }
  gint64 end = g_get_monotonic_time();
  g_print("%-40s %4u resources %3u steps  plan %7.1f ms  proof %8.1f ms  (%.1f ms a state)\n", name,
          to->wanted->list->len, plan->steps->len, (double)(planned - start) / 1000,
          (double)(end - planned) / 1000, (double)(end - planned) / 1000 / (plan->steps->len + 1));
}

static void measure_texts(const char *name, char *before /* transfer full */,
                          char *after /* transfer full */) {
  Compiled from = compiled_new(compiled_parse(before, "before.yaml"), NULL);
  Compiled to = compiled_new(compiled_parse(after, "after.yaml"), &from);
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autofree char *first = g_strconcat(name, ", from nothing", NULL);
  measure(first, nothing, &from);
  measure(name, from.wanted, &to);
  compiled_clear(&from);
  compiled_clear(&to);
  g_free(before);
  g_free(after);
}

int main(int argc, char **argv) {
  guint segments = argc > 1 ? (guint)atoi(argv[1]) : 100;
  measure_texts("homelab, one line", homelab("egress: none\n", "egress: none\n"),
                homelab("egress: none\n", "egress: direct\n"));
  g_autofree char *name = g_strdup_printf("%u segments, a machine moves", segments);
  measure_texts(name, made_up(segments, "s1"), made_up(segments, "s2"));
}
