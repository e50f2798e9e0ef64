#include "lab.h"

#include "verify/verify.h"

#include <string.h>

static char *joined(GPtrArray *ports, const char *segment) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < ports->len; i++) {
    const LwProbePort *port = ports->pdata[i];
    if (!g_str_equal(port->segment, segment))
      continue;
    g_autofree char *text = lw_addr_format(&port->address);
    g_string_append_printf(out, "%s%s", out->len ? " " : "", strrchr(text, '.'));
  }
  return g_string_free(out, FALSE);
}

static void assert_wanted(GPtrArray *ports, const char *segment, const char *expected) {
  g_autofree char *text = joined(ports, segment);
  g_assert_cmpstr(text, ==, expected);
}

static void test_homelab(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwFacts) facts = test_facts();
  g_autoptr(GPtrArray) ports = lw_verify_wanted_probes(lab, facts);
  assert_wanted(ports, "lan10", ".254");
  assert_wanted(ports, "lan20", ".254");
  assert_wanted(ports, "lan30", ".19 .20 .29 .30 .39 .40 .254");
  assert_wanted(ports, "lan40", ".254");
  /* not .0 (network), not .1 (gateway) */
  assert_wanted(ports, "lan50", ".2 .63 .64 .50 .51 .254");
}

static void test_nobody_s(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwFacts) facts = test_facts();
  LwAddr edge = test_addr("192.168.30.29"), last = test_addr("192.168.40.254");
  g_hash_table_insert(facts->leases, g_strdup("roamer/0/lan30"), g_memdup2(&edge, sizeof edge));
  lw_machine_nic(lw_lab_machine(lab, lw_lab_find_machine(lab, "builder")), 0)->address = last;
  g_autoptr(GPtrArray) ports = lw_verify_wanted_probes(lab, facts);
  assert_wanted(ports, "lan30", ".19 .20 .30 .39 .40 .254");
  assert_wanted(ports, "lan40", ".253");
}

static void test_names(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwFacts) facts = test_facts();
  g_autoptr(GPtrArray) ports = lw_verify_wanted_probes(lab, facts),
                       again = lw_verify_wanted_probes(lab, facts);
  g_assert_cmpuint(ports->len, ==, again->len);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < ports->len; i++) {
    const LwProbePort *port = ports->pdata[i], *same = again->pdata[i];
    g_assert_cmpuint(strlen(port->name), <=, 15);
    g_assert_true(g_str_has_prefix(port->name, "lwp"));
    g_assert_true(lw_mac_equal(&port->mac, &same->mac));
    g_assert_true(g_hash_table_add(seen, lw_mac_format(&port->mac)));
    g_assert_true(g_hash_table_add(seen, g_strdup(port->name)));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verify/probes/homelab", test_homelab);
  g_test_add_func("/verify/probes/nobody-s", test_nobody_s);
  g_test_add_func("/verify/probes/names", test_names);
  return g_test_run();
}
