#include "lab.h"

#include "verify/verify.h"

#include <locale.h>

static void add_cell(LwVerifyReport *report, const char *from, const char *to, const char *service,
                     gboolean expect, LwCellResult live) {
  LwCell *cell = g_new0(LwCell, 1);
  *cell = (LwCell){.from = g_strdup(from),
                   .to = g_strdup(to),
                   .service = g_strdup(service),
                   .expect = expect,
                   .live = live,
                   .reason = g_strdup("because"),
                   .origin = {g_intern_static_string("homelab.yaml"), 12, 3}};
  cell->question = (LwFlowQuestion){.source = test_addr("192.168.10.31"),
                                    .destination = test_addr("192.168.20.5"),
                                    .proto = LW_PROTO_TCP,
                                    .port = 22};
  g_ptr_array_add(report->cells, cell);
}

static void add_exit(LwVerifyReport *report, const char *segment, const char *source, const char *exit,
                     const char *seen, const char *resolver, gboolean ok) {
  LwExitCheck *check = g_new0(LwExitCheck, 1);
  *check = (LwExitCheck){.segment = g_strdup(segment),
                         .source = g_strdup(source),
                         .exit = g_strdup(exit),
                         .seen = g_strdup(seen),
                         .resolver_expected = g_strdup(resolver),
                         .resolver_seen = g_strdup(resolver),
                         .ok = ok};
  g_ptr_array_add(report->exits, check);
}

static LwVerifyReport *made_up(void) {
  LwVerifyReport *report = g_new0(LwVerifyReport, 1);
  report->lab = g_strdup("homelab");
  report->target = g_strdup("twin");
  report->cells = g_ptr_array_new();
  report->exits = g_ptr_array_new();
  report->violations = g_ptr_array_new_with_free_func(g_free);
  report->packets = 312;
  report->elapsed_ms = 940;
  return report;
}

static LwVerifyReport *full_report(void) {
  LwVerifyReport *report = made_up();
  add_cell(report, "lan10", "internet", "icmp", TRUE, LW_CELL_ALLOW);
  add_cell(report, "lan10", "host", "ping", TRUE, LW_CELL_ALLOW);
  add_cell(report, "lan10", "host", "samba tcp/445", TRUE, LW_CELL_ALLOW);
  add_cell(report, "lan10", "host", "samba udp/445", TRUE, LW_CELL_ALLOW);
  add_cell(report, "lan10", "host", "tcp/22", FALSE, LW_CELL_DENY);
  add_cell(report, "lan10", "lan20", "tcp/22", FALSE, LW_CELL_ALLOW);
  add_cell(report, "lan10", "lan20", "icmp", FALSE, LW_CELL_DENY);
  add_cell(report, "lan50", "internet", "icmp", FALSE, LW_CELL_DENY);
  add_cell(report, "lan50", "host", "icmp", FALSE, LW_CELL_UNTESTED);
  add_cell(report, "host", "lan20", "icmp", FALSE, LW_CELL_DENY);
  add_exit(report, "lan10", "192.168.10.31", "direct", "198.41.0.4", "9.1.1.1", TRUE);
  add_exit(report, "lan10", "192.168.10.254", "direct", "198.41.0.4", "9.1.1.1", TRUE);
  add_exit(report, "lan50", "192.168.50.25", "none", NULL, NULL, TRUE);
  add_exit(report, "lan20", "192.168.20.5", "ovpn", "198.41.0.4", NULL, FALSE);
  g_ptr_array_add(
      report->violations,
      g_strdup("lan10 (192.168.10.31) -> lan20/seedbox 192.168.20.5 tcp/22: must not pass, but arrived at "
               "cell-seedbox; homelab.yaml:12:3"));
  return report;
}

static void test_matrix(void) {
  static const char expected[] = "       internet  host          lan20\n"
                                 "lan10  ✓         ◐ ping,samba  ✗ tcp/22\n"
                                 "lan50  ·         ?\n"
                                 "host                           ·\n"
                                 "✓ all that was tried passes   ◐ only what is named   · nothing   ✗ not as "
                                 "the file says\n"
                                 "private: special addresses by the exit   around: past the router, false "
                                 "sources, IPv6\n"
                                 "\n"
                                 "segment  source            exit    seen as     resolver\n"
                                 "lan10    192.168.10.31 +1  direct  198.41.0.4  9.1.1.1   ✓\n"
                                 "lan50    192.168.50.25     none    -           -         ✓\n"
                                 "lan20    192.168.20.5      ovpn    198.41.0.4  -         ✗\n"
                                 "\n"
                                 "✗ lan10 (192.168.10.31) -> lan20/seedbox 192.168.20.5 tcp/22: must not "
                                 "pass, but arrived at cell-seedbox; "
                                 "homelab.yaml:12:3\n"
                                 "\n"
                                 "312 packets, 1 violation, 1 untested, 0.9 s\n";
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwVerifyReport) report = full_report();
  g_autofree char *text = lw_verify_format(report, lab, FALSE);
  g_assert_cmpstr(text, ==, expected);
  g_autofree char *coloured = lw_verify_format(report, lab, TRUE);
  g_assert_nonnull(strstr(coloured, "\033[31m✗ tcp/22\033[0m"));
  g_assert_null(strstr(text, "\033"));
}

static void test_control_characters(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwVerifyReport) report = made_up();
  g_ptr_array_add(report->violations, g_strdup("an answer \033]0;said\007 so"));
  g_autofree char *text = lw_verify_format(report, lab, FALSE);
  g_assert_nonnull(strstr(text, "an answer ?]0;said? so"));
}

static void test_static_alone(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwVerifyReport) report = made_up();
  add_cell(report, "lan10", "lan20", "icmp", FALSE, LW_CELL_DENY);
  ((LwCell *)report->cells->pdata[0])->statically = LW_CELL_ALLOW;
  g_autofree char *text = lw_verify_format(report, lab, FALSE);
  g_assert_nonnull(strstr(text, "✗ icmp"));
}

static void append_text(const char *text, gpointer out) {
  g_string_append(out, text);
}

/* The whole, read again and written on one line; a cell has a line of its own. */
static void test_json(void) {
  static const char expected[] =
      "{\"format_version\":\"1.0\",\"lab\":\"homelab\",\"target\":\"twin\","
      "\"exits\":[{\"segment\":\"lan50\",\"source\":\"192.168.50.25\",\"exit\":\"none\",\"seen\":null,"
      "\"resolver_expected\":null,\"resolver_seen\":null,\"ok\":true}],"
      "\"violations\":[\"it "
      "leaks\"],\"unknown\":[],\"not_tried\":[],\"packets\":312,\"errors\":0,\"lost_tunnels\":0,"
      "\"led_flows\":0,\"elapsed_ms\":940,\"routers\":{},\"cells\":["
      "{\"from\":\"lan10\",\"to\":\"lan20\",\"service\":\"tcp/22\",\"expect\":\"deny\",\"live\":\"allow\","
      "\"static\":\"untested\",\"reason\":\"because\",\"line\":\"homelab.yaml:12:3\",\"packet\":{"
      "\"src\":\"192.168.10.31\",\"dst\":\"192.168.20.5\",\"proto\":\"tcp\",\"dport\":22}}]}";
  g_autoptr(LwVerifyReport) report = made_up();
  add_cell(report, "lan10", "lan20", "tcp/22", FALSE, LW_CELL_ALLOW);
  add_exit(report, "lan50", "192.168.50.25", "none", NULL, NULL, TRUE);
  g_ptr_array_add(report->violations, g_strdup("it leaks"));
  g_autoptr(GString) out = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  lw_verify_write_json(report, "routers", json_object_new(), append_text, out);
  g_autoptr(JsonNode) node = json_from_string(out->str, &error);
  g_assert_no_error(error);
  g_autofree char *text = json_to_string(node, FALSE);
  g_assert_cmpstr(text, ==, expected);
  add_cell(report, "lan10", "lan20", "icmp", FALSE, LW_CELL_DENY);
  g_string_truncate(out, 0);
  lw_verify_write_json(report, NULL, NULL, append_text, out);
  g_assert_nonnull(strstr(out->str, "\n    {\"from\":\"lan10\",\"to\":\"lan20\",\"service\":\"icmp\""));
}

/* Whatever a string of a cell has in it comes out of a JSON parser as it was. */
static void test_json_strings(void) {
  static const char *const notes[] = {"plain",          "“quoted”",      "a \"b\" \\ c",
                                      "tab\tnew\nline", "\033[31m \177", ""};
  g_autoptr(LwVerifyReport) report = made_up();
  g_autoptr(GString) out = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(notes); i++) {
    add_cell(report, "lan10", "lan20", "icmp", FALSE, LW_CELL_DENY);
    ((LwCell *)report->cells->pdata[i])->note = g_strdup(notes[i]);
  }
  lw_verify_write_json(report, NULL, NULL, append_text, out);
  g_autoptr(JsonNode) node = json_from_string(out->str, &error);
  g_assert_no_error(error);
  JsonArray *cells = json_object_get_array_member(json_node_get_object(node), "cells");
  g_assert_cmpuint(json_array_get_length(cells), ==, G_N_ELEMENTS(notes));
  for (guint i = 0; i < G_N_ELEMENTS(notes); i++)
    g_assert_cmpstr(json_object_get_string_member(json_array_get_object_element(cells, i), "note"), ==,
                    notes[i]);
}

/* Thirty segments: alike but for three. */
static LwVerifyReport *large_report(LwLab *lab) {
  LwVerifyReport *report = made_up();
  for (guint i = 0; i < 30; i++) {
    LwSegment *segment = lw_segment_new();
    segment->name = g_strdup_printf("s%u", i);
    g_ptr_array_add(lab->segments, segment);
  }
  for (guint i = 0; i < 30; i++) {
    g_autofree char *from = g_strdup_printf("s%u", i);
    add_cell(report, from, "internet", "icmp", TRUE, LW_CELL_ALLOW);
    add_cell(report, from, "host", "ping", TRUE, LW_CELL_ALLOW);
    add_cell(report, from, "host", "tcp/22", FALSE, LW_CELL_DENY);
    for (guint j = 0; j < 30; j++) {
      g_autofree char *to = g_strdup_printf("s%u", j);
      gboolean opened = i == 3 && j >= 7 && j <= 12, leaks = i == 5 && j == 9;
      add_cell(report, from, to, "tcp/22", i == j, i == j || leaks ? LW_CELL_ALLOW : LW_CELL_DENY);
      if (opened)
        add_cell(report, from, to, "tcp/80", TRUE, LW_CELL_ALLOW);
    }
    gboolean wrong = i == 8;
    g_autofree char *source = g_strdup_printf("10.0.%u.2", i);
    add_exit(report, from, source, i % 2 ? "se" : "direct", "198.41.0.4", "9.1.1.1", !wrong);
  }
  add_cell(report, "host", "s4", "icmp", FALSE, LW_CELL_DENY);
  return report;
}

static void test_large(void) {
  static const char expected[] =
      "                            internet  host    same segment  other segments\n"
      "s0, s1, s2 … (28 segments)  ✓         ◐ ping  ✓             ·\n"
      "s3                          ✓         ◐ ping  ✓             s7, s8, s9 … (6 segments) ◐ tcp/80\n"
      "s5                          ✓         ◐ ping  ✓             s9 ✗ tcp/22\n"
      "host                                                        ·\n"
      "✓ all that was tried passes   ◐ only what is named   · nothing   ✗ not as the file says\n"
      "private: special addresses by the exit   around: past the router, false sources, IPv6\n"
      "a line stands for all segments that are alike; --json has each of them\n"
      "\n"
      "segment                     source        exit    seen as     resolver\n"
      "s0, s2, s4 … (14 segments)  10.0.0.2 +13  direct  198.41.0.4  9.1.1.1   ✓\n"
      "s1, s3, s5 … (15 segments)  10.0.1.2 +14  se      198.41.0.4  9.1.1.1   ✓\n"
      "s8                          10.0.8.2      direct  198.41.0.4  9.1.1.1   ✗\n";
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwVerifyReport) report = large_report(lab);
  g_autofree char *text = lw_verify_format(report, lab, FALSE);
  if (!g_str_has_prefix(text, expected))
    g_assert_cmpstr(text, ==, expected);
}

/* Two of which only as much is printed are not one line for that. */
static void test_large_is_exact(void) {
  static const char *const services[] = {"a", "b", "c", "d"};
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwVerifyReport) report = large_report(lab);
  for (guint i = 10; i < 12; i++) {
    g_autofree char *from = g_strdup_printf("s%u", i);
    for (guint k = 0; k < 3; k++)
      add_cell(report, from, "host", services[i == 11 && k == 2 ? 3 : k], TRUE, LW_CELL_ALLOW);
  }
  g_autofree char *text = lw_verify_format(report, lab, FALSE);
  g_assert_nonnull(strstr(text, "\ns10                         ✓         ◐ ping,a,b+1  ✓"));
  g_assert_nonnull(strstr(text, "\ns11                         ✓         ◐ ping,a,b+1  ✓"));
}

/* A cell that is wrong and that nothing tells of becomes a violation; one that is told does not become two.
 */
static void test_complete(void) {
  g_autoptr(LwLab) lab = test_lab();
  g_autoptr(LwVerifyReport) report = made_up();
  add_cell(report, "lan40", "containers", "tcp/80", TRUE, LW_CELL_UNTESTED);
  add_cell(report, "lan10", "lan20", "tcp/22", FALSE, LW_CELL_ALLOW);
  add_cell(report, "lan10", "internet", "icmp", TRUE, LW_CELL_ALLOW);
  ((LwCell *)report->cells->pdata[0])->statically = LW_CELL_DENY;
  ((LwCell *)report->cells->pdata[1])->told = TRUE;
  lw_verify_complete(report, lab);
  lw_verify_complete(report, lab);
  g_assert_cmpuint(report->violations->len, ==, 1);
  g_assert_cmpstr(
      report->violations->pdata[0], ==,
      "lan40 (192.168.10.31) -> containers 192.168.20.5 tcp/80: must pass, but by what is in force it "
      "does not; homelab.yaml:12:3");
}

int main(int argc, char **argv) {
  setlocale(LC_ALL, "C.UTF-8");
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/verify/report/matrix", test_matrix);
  g_test_add_func("/verify/report/control-characters", test_control_characters);
  g_test_add_func("/verify/report/static-alone", test_static_alone);
  g_test_add_func("/verify/report/json", test_json);
  g_test_add_func("/verify/report/json-strings", test_json_strings);
  g_test_add_func("/verify/report/large", test_large);
  g_test_add_func("/verify/report/large-is-exact", test_large_is_exact);
  g_test_add_func("/verify/report/complete", test_complete);
  return g_test_run();
}
