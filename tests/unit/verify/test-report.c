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

/* A cell that is wrong and that nothing tells of becomes a violation; one that is told does not become two.
 */
static void test_complete(void) {
  g_autoptr(LwVerifyReport) report = made_up();
  add_cell(report, "lan40", "containers", "tcp/80", TRUE, LW_CELL_UNTESTED);
  add_cell(report, "lan10", "lan20", "tcp/22", FALSE, LW_CELL_ALLOW);
  add_cell(report, "lan10", "internet", "icmp", TRUE, LW_CELL_ALLOW);
  ((LwCell *)report->cells->pdata[0])->statically = LW_CELL_DENY;
  ((LwCell *)report->cells->pdata[1])->told = TRUE;
  lw_verify_complete(report);
  lw_verify_complete(report);
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
  g_test_add_func("/verify/report/complete", test_complete);
  return g_test_run();
}
