/* What a right file means, and what files that are too much of something are told. */
#include "lab_equal.h"

#include "spec/diagnostics.h"
#include "spec/spec.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD "lab: x\nhost: {uplink: eth0, services: {ping: icmp, samba: [tcp/445, udp/445]}}\n"

static LwSecretStore *store;
static GPtrArray *said;

static LwLab *parse_sized(const char *text, gsize length) {
  g_ptr_array_set_size(said, 0);
  LwLab *lab = lw_spec_parse(text, length, "x.yaml", NULL, LW_SPEC_TWIN, store, said);
  for (guint i = 0; i < said->len; i++) {
    g_autofree char *line = lw_diagnostic_format(said->pdata[i], FALSE);
    g_test_message("%s", line);
  }
  return lab;
}

static LwLab *parse(const char *text) {
  return parse_sized(text, strlen(text));
}

static gboolean was_said(guint line, guint column, const char *substring) {
  for (guint i = 0; i < said->len; i++) {
    const LwDiagnostic *one = said->pdata[i];
    if (one->origin.line == line && one->origin.column == column && strstr(one->message, substring))
      return TRUE;
  }
  return FALSE;
}

static void assert_addr(const LwAddr *addr, const char *wanted) {
  g_autofree char *text = lw_addr_format(addr);
  g_assert_cmpstr(text, ==, wanted);
}

static void assert_range(const LwRange *range, const char *wanted) {
  g_autofree char *text = lw_range_format(range);
  g_assert_cmpstr(text, ==, wanted);
}

static void test_homelab(void) {
  g_ptr_array_set_size(said, 0);
  g_autoptr(LwLab) lab = lw_spec_load(LW_SOURCE "/examples/homelab.yaml", LW_SPEC_TWIN, store, said);
  g_assert_nonnull(lab);
  g_assert_cmpstr(lab->name, ==, "homelab");
  g_assert_cmpstr(lab->domain, ==, "homelab.internal");
  g_assert_cmpstr(lab->host.uplink, ==, "enp1s0");
  assert_addr(&lab->host.management.address, "192.168.99.15");
  g_assert_cmpuint(lab->manage, ==, LW_MANAGE_ALL);
  g_assert_cmpuint(lab->segments->len, ==, 5);
  const LwSegment *lan30 = lw_lab_segment(lab, lw_lab_find_segment(lab, "lan30"));
  g_assert_cmpstr(lan30->bridge, ==, "virbr-lan30");
  g_assert_cmpstr(lan30->network, ==, "switch-lan30");
  assert_addr(&lan30->router, "192.168.30.1");
  assert_range(&lan30->dhcp, "192.168.30.200-192.168.30.240");
  g_assert_cmpint(lan30->egress, ==, LW_EGRESS_TUNNELS);
  g_assert_cmpuint(lan30->exits->len, ==, 3);
  g_assert_cmpuint(g_array_index(lan30->exits, guint, 0), ==, lw_lab_find_tunnel(lab, "se"));
  const LwPin *pin = lan30->pins->pdata[1];
  assert_range(&pin->range, "192.168.30.30-192.168.30.39");
  g_assert_cmpuint(pin->tunnel, ==, lw_lab_find_tunnel(lab, "us"));
  const LwSegment *lan20 = lw_lab_segment(lab, 1);
  const LwForward *forward = lan20->forwards->pdata[0];
  g_assert_true(forward->tcp && forward->udp);
  g_assert_cmpuint(forward->first_port, ==, 51413);
  g_assert_cmpuint(forward->to_port, ==, 51413);
  assert_addr(&forward->address, "192.168.20.5");
  g_assert_true(lw_lab_segment(lab, 3)->trust_host);
  const LwSegment *lan50 = lw_lab_segment(lab, 4);
  g_assert_cmpint(lan50->egress, ==, LW_EGRESS_NONE);
  const LwAllow *ping = lan50->allow->pdata[0];
  g_assert_cmpint(ping->target.kind, ==, LW_TARGET_HOST_SERVICE);
  assert_range(&g_array_index(ping->from, LwRange, 0), "192.168.50.0-192.168.50.63");
  const LwMachine *indexer = lw_lab_machine(lab, lw_lab_find_machine(lab, "indexer"));
  g_assert_cmpint(indexer->kind, ==, LW_MACHINE_CONTAINER);
  const LwMachine *probe = lw_lab_machine(lab, lw_lab_find_machine(lab, "probe"));
  g_assert_cmpint(probe->kind, ==, LW_MACHINE_CELL);
  g_assert_cmpuint(probe->nics->len, ==, 2);
  const LwAssert *builder = lab->asserts->pdata[2];
  g_assert_true(builder->allow);
  g_assert_cmpint(builder->from.kind, ==, LW_TARGET_MACHINE);
  g_assert_cmpint(builder->to.kind, ==, LW_TARGET_HOST);
  g_assert_cmpuint(g_array_index(builder->ports, LwPorts, 0).first_port, ==, 22);
  const LwTunnel *us = lw_lab_tunnel(lab, 3);
  g_assert_cmpstr(us->wg.endpoint_host, ==, "us.tunnel.test");
  g_assert_cmpuint(said->len, ==, 1); /* the missing WireGuard files, no more */
}

/* Scalars are raw: what looks like a number or a boolean is what it says. */
static void test_raw(void) {
  g_autoptr(LwLab) lab =
      parse(HEAD "segments:\n  yes: {subnet: 10.0.0.0/24, router: .20, dhcp: .30-.40, isolate: on}\n"
                 "machines: {off: {segment: yes, address: .50, vm: 007, spoof: no}}\n");
  g_assert_nonnull(lab);
  assert_addr(&lw_lab_segment(lab, 0)->router, "10.0.0.20");
  g_assert_true(lw_lab_segment(lab, 0)->isolate);
  g_assert_cmpstr(lw_lab_machine(lab, 0)->object, ==, "007");
  assert_addr(&lw_machine_nic(lw_lab_machine(lab, 0), 0)->address, "10.0.0.50");
  g_assert_false(lw_machine_nic(lw_lab_machine(lab, 0), 0)->spoof_ok);
}

static void test_defaults(void) {
  g_autoptr(LwLab) lab = parse(
      HEAD "defaults:\n  segment: {dhcp: .200-.240, egress: direct, allow: [host/ping]}\n"
           "  machine: {cell: true, segment: a, spoof: ok}\n"
           "segments:\n  a: {subnet: 10.0.1.0/24}\n  b: {subnet: 10.0.2.0/24, egress: none, allow: []}\n"
           "machines:\n  one:\n  two: {container: c, segment: b}\n  three: {nics: [{segment: b}]}\n");
  g_assert_nonnull(lab);
  assert_range(&lw_lab_segment(lab, 1)->dhcp, "10.0.2.200-10.0.2.240");
  g_assert_cmpint(lw_lab_segment(lab, 0)->egress, ==, LW_EGRESS_DIRECT);
  g_assert_cmpint(lw_lab_segment(lab, 1)->egress, ==, LW_EGRESS_NONE);
  g_assert_cmpuint(lw_lab_segment(lab, 0)->allow->len, ==, 1);
  g_assert_cmpuint(lw_lab_segment(lab, 1)->allow->len, ==, 0);
  g_assert_cmpint(lw_lab_machine(lab, 0)->kind, ==, LW_MACHINE_CELL);
  g_assert_true(lw_machine_nic(lw_lab_machine(lab, 0), 0)->spoof_ok);
  g_assert_cmpint(lw_lab_machine(lab, 1)->kind, ==, LW_MACHINE_CONTAINER);
  g_assert_cmpuint(lw_machine_nic(lw_lab_machine(lab, 2), 0)->segment, ==, 1);
}

/* A default that is wrong is wrong once, at its own place, not once a segment. */
static void test_wrong_default(void) {
  g_autoptr(LwLab) lab = parse(HEAD "defaults: {segment: {egress: nowhere}}\n"
                                    "segments: {a: {subnet: 10.0.1.0/24}, b: {subnet: 10.0.2.0/24}}\n");
  g_assert_null(lab);
  g_assert_cmpuint(said->len, ==, 1);
  g_assert_true(was_said(3, 30, "there is no tunnel “nowhere”"));
}

static void write_file(const char *folder, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
  g_assert_cmpint(chmod(path, 0600), ==, 0);
}

static void test_include(void) {
  g_autofree char *folder = g_dir_make_tmp("lanward-include-XXXXXX", NULL);
  write_file(folder, "main.yaml",
             HEAD "include: [sub/net.yaml, machines.yaml]\nsegments:\n  a: {subnet: 10.0.1.0/24}\n"
                  "assert: [deny a -> internet]\nmachines:\n");
  write_file(folder, "sub/net.yaml",
             "include: deeper.yaml\ntunnels: {t: wg/t.conf}\n"
             "segments:\n  b: {subnet: 10.0.2.0/24, egress: t}\nhost: {services: {web: tcp/80}}\n");
  write_file(folder, "sub/deeper.yaml", "defaults: {segment: {dhcp: .200-.240}}\nassert: [deny b -> a]\n");
  write_file(folder, "machines.yaml", "machines: {pc: {segment: b, address: .5}}\n");
  write_file(
      folder, "sub/wg/t.conf",
      "[Interface]\nPrivateKey = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nAddress = 10.64.0.2\n[Peer]\n"
      "PublicKey = ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\nEndpoint = a.example:51820\nAllowedIPs = "
      "0.0.0.0/0\n");
  g_autofree char *path = g_build_filename(folder, "main.yaml", NULL);
  g_ptr_array_set_size(said, 0);
  g_autoptr(LwLab) lab = lw_spec_load(path, 0, store, said);
  for (guint i = 0; i < said->len; i++)
    g_test_message("%s", ((LwDiagnostic *)said->pdata[i])->message);
  g_assert_nonnull(lab);
  g_assert_cmpuint(lab->segments->len, ==, 2);
  g_assert_cmpuint(lab->asserts->len, ==, 2);
  g_assert_cmpuint(lab->host.services->len, ==, 3);
  g_assert_cmpstr(lw_lab_tunnel(lab, 0)->path, ==, "sub/wg/t.conf");
  g_assert_nonnull(lw_lab_tunnel(lab, 0)->wg.private_key);
  g_assert_true(lw_lab_segment(lab, 1)->has_dhcp);
  g_assert_true(g_str_has_suffix(lw_lab_segment(lab, 1)->origin.file, "/sub/net.yaml"));
  g_autofree char *printed = lw_spec_print(lab);
  g_assert_null(strstr(printed, "AAECAw"));
  g_autoptr(LwLab) again = lw_spec_parse(printed, strlen(printed), "printed.yaml", folder, 0, store, said);
  g_assert_nonnull(again);
  g_autofree char *difference = lab_difference(lab, again);
  g_assert_cmpstr(difference, ==, NULL);
  static const char *const names[] = {"sub/wg/t.conf", "sub/wg",    "sub/net.yaml", "sub/deeper.yaml",
                                      "sub",           "main.yaml", "machines.yaml"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *one = g_build_filename(folder, names[i], NULL);
    g_assert_cmpint(g_remove(one), ==, 0);
  }
  g_rmdir(folder);
}

static void test_limits(void) {
  g_autoptr(GString) big = g_string_new(HEAD);
  while (big->len <= 1024 * 1024)
    g_string_append(big, "# a comment that makes the file larger and larger\n");
  g_assert_null(parse_sized(big->str, big->len));
  g_assert_true(was_said(1, 1, "larger than 1 MiB"));
  static const char latin[] = HEAD "# caf\xe9\n";
  g_assert_null(parse_sized(latin, sizeof latin - 1));
  g_assert_true(was_said(3, 6, "not UTF-8"));
  static const char nul[] = HEAD "a\0b";
  g_assert_null(parse_sized(nul, sizeof nul - 1));
  g_assert_true(was_said(3, 2, "NUL"));
  g_autoptr(GString) deep = g_string_new(HEAD "assert: ");
  for (guint i = 0; i < 100000; i++)
    g_string_append_c(deep, '[');
  g_assert_null(parse_sized(deep->str, deep->len));
  g_autoptr(GString) many = g_string_new(HEAD "segments:\n");
  for (guint i = 0; i < 4097; i++)
    g_string_append_printf(many, "  s%u: {subnet: 10.%u.%u.0/24}\n", i, i / 256, i % 256);
  g_assert_null(parse_sized(many->str, many->len));
  g_assert_true(was_said(4100, 3, "more than 4096 segments"));
}

/* Ten thousand mistakes are told as far as it helps, and in no time. */
static void test_many_errors(void) {
  g_autoptr(GString) text =
      g_string_new(HEAD "segments: {a: {subnet: 10.0.0.0/24, dhcp: .200-.240}}\nmachines:\n");
  for (guint i = 0; i < 10000; i++)
    g_string_append_printf(text, "  m%u: {segmnt: a%u}\n", i, i);
  g_assert_null(parse_sized(text->str, text->len));
  g_assert_cmpuint(said->len, ==, 2000);
}

static void test_thousand_segments(void) {
  g_autoptr(GString) text = g_string_new(HEAD "segments:\n");
  for (guint i = 0; i < 4000; i++)
    g_string_append_printf(text, "  s%u: {subnet: 10.%u.%u.0/24, dhcp: .200-.240, egress: direct}\n", i,
                           i / 256, i % 256);
  g_string_append(text, "machines:\n");
  for (guint i = 0; i < 8000; i++)
    g_string_append_printf(text, "  m%u: {segment: s%u, address: .%u, mac: \"52:54:01:00:%02x:%02x\"}\n", i,
                           i % 4000, 5 + i / 4000, i / 256, i % 256);
  g_autoptr(LwLab) lab = parse_sized(text->str, text->len);
  g_assert_nonnull(lab);
  g_assert_cmpuint(lab->machines->len, ==, 8000);
}

static void test_bom_and_crlf(void) {
  g_autoptr(LwLab) lab =
      parse("\xef\xbb\xbflab: x\r\nhost: {uplink: eth0}\r\nsegments:\r\n  a: {subnet: 10.0.0.0/24}\r\n");
  g_assert_nonnull(lab);
  g_assert_cmpuint(lw_lab_segment(lab, 0)->origin.line, ==, 4);
  g_assert_cmpuint(lw_lab_segment(lab, 0)->origin.column, ==, 3);
}

static void test_format(void) {
  LwDiagnostic diagnostic = {
      TRUE, {"lab.yaml", 3, 4}, g_strdup("wrong"), g_strdup("did you mean “x”?"), g_strdup("\té y: z")};
  g_autofree char *plain = lw_diagnostic_format(&diagnostic, FALSE);
  g_assert_cmpstr(plain, ==, "lab.yaml:3:4: error: wrong\n  \té y: z\n  \t  ^\n  did you mean “x”?\n");
  g_autofree char *colour = lw_diagnostic_format(&diagnostic, TRUE);
  g_assert_nonnull(strstr(colour, "\033["));
  g_free(diagnostic.message);
  g_free(diagnostic.suggestion);
  g_free(diagnostic.line_text);
}

static void test_distance(void) {
  g_assert_cmpuint(lw_spec_distance("egress", "egress", 3), ==, 0);
  g_assert_cmpuint(lw_spec_distance("egres", "egress", 3), ==, 1);
  g_assert_cmpuint(lw_spec_distance("ergess", "egress", 3), ==, 1); /* neighbours swapped */
  g_assert_cmpuint(lw_spec_distance("", "abc", 3), ==, 3);
  g_assert_cmpuint(lw_spec_distance("kitten", "sitting", 5), ==, 3);
  g_assert_cmpuint(lw_spec_distance("kitten", "sitting", 1), ==, 2);
}

static const LwAddr *first_address(const LwLab *lab, const char *tunnel) {
  const LwTunnel *found = lw_lab_tunnel(lab, lw_lab_find_tunnel(lab, tunnel));
  return &g_array_index(found->wg.addresses, LwPrefix, 0).addr;
}

/* A stand-in chooses addresses that the lab does not have. */
static void test_stand_in_apart(void) {
  g_autoptr(LwLab) lab = parse(HEAD "tunnels: {t: a.conf}\n");
  g_assert_nonnull(lab);
  LwAddr free_choice = *first_address(lab, "t");
  /* the same name gets the same, whatever else is there, and in which order */
  g_autoptr(LwLab) more = parse(HEAD "tunnels: {u: b.conf, a: c.conf, t: a.conf}\n");
  g_assert_nonnull(more);
  g_assert_true(lw_addr_equal(first_address(more, "t"), &free_choice));
  g_assert_false(lw_addr_equal(first_address(more, "u"), &free_choice));
  g_assert_false(lw_addr_equal(first_address(more, "u"), first_address(more, "a")));
  /* a segment there: the next along */
  LwPrefix around = lw_prefix_make(lw_addr_from_v4(lw_addr_v4(&free_choice) & 0xffffff00u), 24);
  g_autofree char *subnet = lw_prefix_format(&around);
  g_autofree char *text = g_strdup_printf(HEAD "tunnels: {t: a.conf}\nsegments: {a: {subnet: %s}}\n", subnet);
  g_autoptr(LwLab) crowded = parse(text);
  g_assert_nonnull(crowded);
  g_assert_false(lw_prefix_contains(&around, first_address(crowded, "t")));
}

static void test_missing_file(void) {
  g_ptr_array_set_size(said, 0);
  g_assert_null(lw_spec_load("/nonexistent/lab.yaml", 0, store, said));
  g_assert_cmpuint(said->len, ==, 1);
  g_assert_true(was_said(1, 1, "/nonexistent/lab.yaml"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  store = lw_secret_store_new(NULL);
  said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_test_add_func("/spec/homelab", test_homelab);
  g_test_add_func("/spec/raw", test_raw);
  g_test_add_func("/spec/defaults", test_defaults);
  g_test_add_func("/spec/wrong-default", test_wrong_default);
  g_test_add_func("/spec/include", test_include);
  g_test_add_func("/spec/limits", test_limits);
  g_test_add_func("/spec/many-errors", test_many_errors);
  g_test_add_func("/spec/thousand-segments", test_thousand_segments);
  g_test_add_func("/spec/bom-and-crlf", test_bom_and_crlf);
  g_test_add_func("/spec/format", test_format);
  g_test_add_func("/spec/distance", test_distance);
  g_test_add_func("/spec/stand-in-apart", test_stand_in_apart);
  g_test_add_func("/spec/missing-file", test_missing_file);
  int status = g_test_run();
  g_ptr_array_unref(said);
  lw_secret_store_free(store);
  return status;
}
