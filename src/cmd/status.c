#include "cmd/confirm.h"
#include "cmd/containers.h"
#include "cmd/domains.h"
#include "cmd/generations.h"
#include "cmd/router_items.h"

#include "policy/names.h"
#include "providers/nft/foreign.h"

static const char *exit_name(const LwSession *session, guint segment) {
  const LwSegment *s = lw_lab_segment(session->lab, segment);
  if (s->egress == LW_EGRESS_NONE)
    return "none";
  guint tunnel = lw_active_exit(session->lab, session->facts, segment);
  return tunnel == LW_NONE ? "direct" : lw_lab_tunnel(session->lab, tunnel)->name;
}

static JsonArray *segments_json(const LwSession *session) {
  JsonArray *array = json_array_new();
  for (guint i = 0; i < session->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(session->lab, i);
    g_autofree char *subnet = lw_prefix_format(&s->subnet);
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "name", s->name);
    json_object_set_string_member(object, "subnet", subnet);
    json_object_set_string_member(object, "exit", exit_name(session, i));
    json_object_set_boolean_member(object, "switched",
                                   g_hash_table_contains(session->facts->active, s->name));
    json_array_add_object_element(array, object);
  }
  return array;
}

typedef struct {
  char *nic; /* "gaming", "probe/1" */
  const char *segment;
  char *address;
  gboolean moved;
} NicLine;

static NicLine nic_line(const LwSession *session, guint machine, guint nic) {
  const LwMachine *m = lw_lab_machine(session->lab, machine);
  guint segment = lw_nic_segment(session->lab, session->facts, machine, nic);
  LwAddr address = lw_nic_address(session->lab, session->facts, machine, nic);
  return (NicLine){
      .nic = nic ? g_strdup_printf("%s/%u", m->name, nic) : g_strdup(m->name),
      .segment = segment == LW_NONE ? "cut off" : lw_lab_segment(session->lab, segment)->name,
      .address = lw_addr_format(&address),
      .moved = segment != LW_NONE && segment != lw_machine_nic(m, nic)->segment,
  };
}

static JsonArray *machines_json(const LwSession *session) {
  JsonArray *array = json_array_new();
  for (guint m = 0; m < session->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(session->lab, m)->nics->len; n++) {
      NicLine line = nic_line(session, m, n);
      JsonObject *object = json_object_new();
      json_object_set_string_member(object, "name", lw_lab_machine(session->lab, m)->name);
      json_object_set_int_member(object, "nic", n);
      json_object_set_string_member(object, "segment", line.segment);
      json_object_set_string_member(object, "address", line.address);
      json_object_set_boolean_member(object, "moved", line.moved);
      json_array_add_object_element(array, object);
      g_free(line.nic);
      g_free(line.address);
    }
  return array;
}

static void print_text(const LwSession *session, const LwPlan *drift) {
  if (lw_target_is_twin())
    g_print("%s, twin “%s”\n", session->lab->name, session->invocation->name);
  else
    g_print("%s, on this machine\n", session->lab->name);
  for (guint i = 0; i < session->lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(session->lab, i);
    g_autofree char *subnet = lw_prefix_format(&s->subnet);
    g_print("  %-12s %-18s leaves by %s%s\n", s->name, subnet, exit_name(session, i),
            g_hash_table_contains(session->facts->active, s->name) ? " (switched)" : "");
  }
  for (guint m = 0; m < session->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(session->lab, m)->nics->len; n++) {
      NicLine line = nic_line(session, m, n);
      g_print("  %-12s %-18s %s%s\n", line.nic, line.segment, line.address, line.moved ? " (moved)" : "");
      g_free(line.nic);
      g_free(line.address);
    }
  if (session->router_seen) {
    const LwRouterSeen *seen = session->router_seen;
    const char *only_read = session->router_plan ? session->router_plan->only_read : NULL;
    g_print("  %-12s OPNsense %s%s%s\n", "router", seen->version ? seen->version : "",
            seen->trouble ? seen->trouble : "",
            seen->config && !seen->known ? " (not a version that is changed)" : "");
    if (only_read)
      g_print("note: router: %s\n", only_read);
    for (guint i = 0; only_read && i < session->router_plan->goes->len; i++)
      g_print("note: router: not the file's: %s\n", (char *)session->router_plan->goes->pdata[i]);
  }
  g_autofree char *trap = lw_nft_bridge_trap();
  if (trap)
    g_print("note: %s\n", trap);
  g_autoptr(GPtrArray) domains = lw_domains_notes(session);
  for (guint i = 0; i < domains->len; i++)
    g_print("note: %s\n", (char *)domains->pdata[i]);
  g_autoptr(GPtrArray) notes = lw_container_notes(session);
  for (guint i = 0; i < notes->len; i++)
    g_print("note: %s\n", (char *)notes->pdata[i]);
  guint back = 0;
  gint64 left = lw_confirm_left(session->engine, &back);
  if (left >= 0)
    g_print("waits to be confirmed: back to generation %u in %d s, unless: %s confirm\n", back, (int)left,
            lw_target_command());
  g_autofree char *aside = lw_plan_format_aside(drift, session->invocation->colour);
  if (*aside)
    g_print("differs from the file, and is not lanward's to change:\n%s", aside);
  if (lw_plan_is_empty(drift)) {
    g_print(*aside ? "all else as the file says\n" : "all as the file says\n");
    return;
  }
  g_autofree char *text = lw_plan_format(drift, session->invocation->colour);
  g_print("differs from the file in force (apply puts it right):\n%s", text);
}

static void add_confirm(const LwSession *session, JsonObject *root) {
  guint back = 0;
  gint64 left = lw_confirm_left(session->engine, &back);
  if (left < 0)
    return;
  JsonObject *confirm = json_object_new();
  json_object_set_int_member(confirm, "back_to", back);
  json_object_set_int_member(confirm, "seconds_left", left);
  json_object_set_object_member(root, "confirm", confirm);
}

static int print_history(const LwSession *session) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) list = lw_generation_list(session->engine, &error);
  guint current = list ? lw_generation_current(session->engine, &error) : 0;
  if (!list || error)
    return lw_fail(error);
  JsonArray *array = json_array_new();
  for (guint i = 0; i < list->len; i++) {
    const LwGeneration *generation = list->pdata[i];
    JsonObject *object = json_object_new();
    json_object_set_int_member(object, "number", generation->number);
    json_object_set_boolean_member(object, "current", generation->number == current);
    json_object_set_string_member(object, "when", generation->when);
    json_object_set_string_member(object, "why", generation->why);
    json_object_set_string_member(object, "file", generation->path);
    json_array_add_object_element(array, object);
    if (!session->invocation->json)
      g_print("%s %3u  %s  %-12s %s\n", generation->number == current ? "*" : " ", generation->number,
              generation->when, generation->why, generation->path);
  }
  JsonObject *root = json_object_new();
  json_object_set_array_member(root, "generations", array);
  if (session->invocation->json)
    lw_print_json(root);
  else
    json_object_unref(root);
  return LW_EXIT_OK;
}

static int status_inside(LwSession *session) {
  g_autoptr(GError) error = NULL;
  if (session->invocation->history)
    return print_history(session);
  g_autoptr(LwResourceSet) wanted = lw_session_wanted(session, &error);
  g_autoptr(LwPlan) drift = wanted ? lw_session_plan(session, wanted, &error) : NULL;
  if (!drift)
    return lw_fail(error);
  if (!session->invocation->json) {
    print_text(session, drift);
    return LW_EXIT_OK;
  }
  JsonObject *root = json_object_new();
  json_object_set_string_member(root, "lab", session->lab->name);
  json_object_set_string_member(root, "target", lw_target_name());
  json_object_set_array_member(root, "segments", segments_json(session));
  json_object_set_array_member(root, "machines", machines_json(session));
  json_object_set_member(root, "drift", lw_plan_to_json(drift));
  json_object_set_int_member(root, "generation", lw_generation_current(session->engine, NULL));
  add_confirm(session, root);
  JsonObject *router = lw_router_json(session);
  if (router)
    json_object_set_object_member(root, "router", router);
  JsonArray *notes = json_array_new();
  g_autofree char *trap = lw_nft_bridge_trap();
  if (trap)
    json_array_add_string_element(notes, trap);
  g_autoptr(GPtrArray) domains = lw_domains_notes(session);
  for (guint i = 0; i < domains->len; i++)
    json_array_add_string_element(notes, domains->pdata[i]);
  g_autoptr(GPtrArray) containers = lw_container_notes(session);
  for (guint i = 0; i < containers->len; i++)
    json_array_add_string_element(notes, containers->pdata[i]);
  json_object_set_array_member(root, "notes", notes);
  lw_print_json(root);
  return LW_EXIT_OK;
}

int lw_status_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, FALSE, status_inside);
}
