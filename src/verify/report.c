#include "verify/flows.h"
#include "verify/tally.h"

static void check_free(LwExitCheck *check) {
  g_free(check->segment);
  g_free(check->source);
  g_free(check->exit);
  g_free(check->seen);
  g_free(check->resolver_expected);
  g_free(check->resolver_seen);
  g_free(check);
}

/* The arrays may have been made by anybody: what they hold is freed here, whatever their free functions. */
static gboolean is_wrong(LwCellResult result, gboolean expect) {
  return result != LW_CELL_UNTESTED && (result == LW_CELL_ALLOW) != expect;
}

gboolean lw_cell_is_wrong(const LwCell *cell) {
  return is_wrong(cell->live, cell->expect) || is_wrong(cell->statically, cell->expect);
}

static void complete_cell(LwVerifyReport *report, LwCell *cell) {
  if (cell->told || !lw_cell_is_wrong(cell))
    return;
  g_autofree char *source = lw_addr_format(&cell->question.source);
  g_autofree char *destination = lw_addr_format(&cell->question.destination);
  g_autofree char *origin = lw_origin_format(&cell->origin);
  const char *by = is_wrong(cell->live, cell->expect) ? "a packet" : "by what is in force it";
  g_ptr_array_add(report->violations,
                  g_strdup_printf("%s (%s) -> %s %s %s: must %s, but %s %s; %s", cell->from, source, cell->to,
                                  destination, cell->service, cell->expect ? "pass" : "not pass", by,
                                  cell->expect ? "does not" : "does", origin));
  cell->told = TRUE;
}

void lw_verify_complete(LwVerifyReport *report, const LwLab *lab) {
  g_clear_pointer(&report->tally, lw_tally_free);
  report->tally = lw_tally_new(report, lab, complete_cell);
}

void lw_verify_report_free(LwVerifyReport *report) {
  if (!report)
    return;
  for (guint i = 0; report->cells && i < report->cells->len; i++)
    lw_cell_free(report->cells->pdata[i]);
  for (guint i = 0; report->exits && i < report->exits->len; i++)
    check_free(report->exits->pdata[i]);
  g_clear_pointer(&report->cells, g_ptr_array_unref);
  g_clear_pointer(&report->source, lw_cell_source_free);
  g_clear_pointer(&report->tally, lw_tally_free);
  g_clear_pointer(&report->exits, g_ptr_array_unref);
  g_clear_pointer(&report->violations, g_ptr_array_unref);
  g_clear_pointer(&report->unknowns, g_ptr_array_unref);
  g_clear_pointer(&report->left_out, g_ptr_array_unref);
  g_free(report->lab);
  g_free(report->target);
  g_free(report);
}

static const char *result_name(LwCellResult result) {
  switch (result) {
  case LW_CELL_ALLOW:
    return "allow";
  case LW_CELL_DENY:
    return "deny";
  case LW_CELL_UNTESTED:
    break;
  }
  return "untested";
}

static void add_string(JsonBuilder *b, const char *name, const char *value /* nullable */) {
  json_builder_set_member_name(b, name);
  if (value)
    json_builder_add_string_value(b, value);
  else
    json_builder_add_null_value(b);
}

static void add_integer(JsonBuilder *b, const char *name, gint64 value) {
  json_builder_set_member_name(b, name);
  json_builder_add_int_value(b, value);
}

static void add_exit(JsonBuilder *b, const LwExitCheck *check) {
  json_builder_begin_object(b);
  add_string(b, "segment", check->segment);
  add_string(b, "source", check->source);
  add_string(b, "exit", check->exit);
  add_string(b, "seen", check->seen);
  add_string(b, "resolver_expected", check->resolver_expected);
  add_string(b, "resolver_seen", check->resolver_seen);
  json_builder_set_member_name(b, "ok");
  json_builder_add_boolean_value(b, check->ok);
  json_builder_end_object(b);
}

static void add_strings(JsonBuilder *b, const char *name, const GPtrArray *strings /* nullable */) {
  json_builder_set_member_name(b, name);
  json_builder_begin_array(b);
  for (guint i = 0; strings && i < strings->len; i++)
    json_builder_add_string_value(b, strings->pdata[i]);
  json_builder_end_array(b);
}

/* All but the cells. */
static JsonNode *frame_of(const LwVerifyReport *report) {
  g_autoptr(JsonBuilder) b = json_builder_new();
  json_builder_begin_object(b);
  add_string(b, "format_version", "1.0");
  add_string(b, "lab", report->lab);
  add_string(b, "target", report->target);
  json_builder_set_member_name(b, "exits");
  json_builder_begin_array(b);
  for (guint i = 0; i < report->exits->len; i++)
    add_exit(b, report->exits->pdata[i]);
  json_builder_end_array(b);
  add_strings(b, "violations", report->violations);
  add_strings(b, "unknown", report->unknowns);
  add_strings(b, "not_tried", report->left_out);
  add_integer(b, "packets", report->packets);
  add_integer(b, "errors", report->errors);
  add_integer(b, "lost_tunnels", report->lost_tunnels);
  add_integer(b, "led_flows", report->led_flows);
  add_integer(b, "elapsed_ms", report->elapsed_ms);
  json_builder_end_object(b);
  return json_builder_get_root(b);
}

/* --- a line a cell: as JsonBuilder would write it, which takes four times as long
 * -------------------------------------------------------------------------------------------------------- */

static gboolean is_plain(guchar c) {
  return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

static void put_string(GString *out, const char *value /* nullable */) {
  gsize length = 0;
  while (value && is_plain((guchar)value[length]))
    length++;
  if (value && value[length] == '\0') {
    g_string_append_c(out, '"');
    g_string_append_len(out, value, (gssize)length);
    g_string_append_c(out, '"');
    return;
  }
  g_autoptr(JsonNode) node = json_node_alloc();
  if (value)
    json_node_init_string(node, value);
  else
    json_node_init_null(node);
  g_autofree char *text = json_to_string(node, FALSE);
  g_string_append(out, text);
}

static void put_member(GString *out, const char *name, const char *value /* nullable */) {
  g_string_append(out, name);
  put_string(out, value);
}

static void put_packet(GString *out, const LwFlowQuestion *question) {
  g_autofree char *source = lw_addr_format(&question->source);
  g_autofree char *destination = lw_addr_format(&question->destination);
  put_member(out, ",\"packet\":{\"src\":", source);
  put_member(out, ",\"dst\":", destination);
  put_member(out, ",\"proto\":", lw_proto_name(question->proto));
  if (question->proto == LW_PROTO_TCP || question->proto == LW_PROTO_UDP)
    g_string_append_printf(out, ",\"dport\":%u}", question->port);
  else
    g_string_append(out, ",\"dport\":null}"); /* icmp and any have none */
}

static void put_cell(GString *out, const LwCell *cell) {
  g_autofree char *line = cell->origin.file ? lw_origin_format(&cell->origin) : NULL;
  put_member(out, "{\"from\":", cell->from);
  put_member(out, ",\"to\":", cell->to);
  put_member(out, ",\"service\":", cell->service);
  put_member(out, ",\"expect\":", cell->expect ? "allow" : "deny");
  put_member(out, ",\"live\":", result_name(cell->live));
  put_member(out, ",\"static\":", result_name(cell->statically));
  put_member(out, ",\"reason\":", cell->reason);
  put_member(out, ",\"line\":", line);
  if (cell->note)
    put_member(out, ",\"note\":", cell->note);
  put_packet(out, &cell->question);
  g_string_append_c(out, '}');
}

typedef struct {
  LwTextSink sink;
  gpointer data;
  GString *line;
  gboolean more;
} Writing;

static void write_cell(LwCell *cell, gpointer data) {
  Writing *w = data;
  g_string_assign(w->line, w->more ? ",\n    " : "\n    ");
  put_cell(w->line, cell);
  w->sink(w->line->str, w->data);
  w->more = TRUE;
}

void lw_verify_write_json(const LwVerifyReport *report, const char *name, JsonObject *more, LwTextSink sink,
                          gpointer data) {
  g_autoptr(JsonNode) frame = frame_of(report);
  if (more)
    json_object_set_object_member(json_node_get_object(frame), name, more);
  g_autofree char *text = json_to_string(frame, TRUE);
  *strrchr(text, '}') = '\0';
  sink(g_strchomp(text), data);
  sink(",\n  \"cells\" : [", data);
  g_autoptr(GString) line = g_string_new(NULL);
  Writing writing = {sink, data, line, FALSE};
  const LwCellVisitor writes = {write_cell, NULL, &writing};
  lw_verify_visit(report, &writes);
  sink("\n  ]\n}\n", data);
}
