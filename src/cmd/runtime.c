/* Verbs that change the run-time state: switch, move, cut, heal. Each changes the facts, applies them as one
 * transaction, and then ends the flows that belong to the state before. */
#include "cmd/domains.h"
#include "cmd/flows.h"
#include "cmd/generations.h"
#include "cmd/labfile.h"
#include "cmd/router_items.h"

#include "base/error.h"
#include "policy/names.h"
#include "spec/edit.h"

#include <string.h>

static const char *arg(const LwSession *session, guint index) {
  const GPtrArray *args = session->invocation->args;
  return index < args->len ? args->pdata[index] : NULL;
}

static int usage(const char *text) {
  return lw_fail_text("usage: %s %s", lw_target_command(), text);
}

static int print_done(const LwSession *session, JsonObject *object /* transfer full */, const char *format,
                      ...) G_GNUC_PRINTF(3, 4);
static int print_done(const LwSession *session, JsonObject *object, const char *format, ...) {
  if (session->invocation->json) {
    json_object_set_string_member(object, "lab", session->lab->name);
    lw_print_json(object);
    return LW_EXIT_OK;
  }
  json_object_unref(object);
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  if (!session->invocation->quiet)
    g_print("%s\n", text);
  return LW_EXIT_OK;
}

/* --- switch
 * ---------------------------------------------------------------------------------------------------------
 */

static gboolean check_switch(const LwSession *session, guint segment, const char *exit, guint *tunnel,
                             GError **error) {
  const LwSegment *s = lw_lab_segment(session->lab, segment);
  *tunnel = lw_lab_find_tunnel(session->lab, exit);
  GString *pool = g_string_new(NULL);
  gboolean found = FALSE;
  for (guint i = 0; i < s->exits->len; i++) {
    guint candidate = g_array_index(s->exits, guint, i);
    found |= candidate == *tunnel;
    g_string_append_printf(pool, "%s%s", i ? ", " : "", lw_lab_tunnel(session->lab, candidate)->name);
  }
  if (s->egress != LW_EGRESS_TUNNELS)
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
                "%s has no pool of exits to switch among (its egress is %s)", s->name,
                s->egress == LW_EGRESS_DIRECT ? "direct" : "none");
  else if (!found)
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "“%s” is no exit of %s; its pool is %s", exit, s->name,
                pool->str);
  g_string_free(pool, TRUE);
  return s->egress == LW_EGRESS_TUNNELS && found;
}

static int switch_inside(LwSession *session) {
  const char *name = arg(session, 0), *exit = arg(session, 1);
  if (!name || !exit)
    return usage("switch SEGMENT EXIT");
  g_autoptr(GError) error = NULL;
  guint segment = lw_session_segment(session, name, &error);
  guint tunnel;
  if (segment == LW_NONE || !check_switch(session, segment, exit, &tunnel, &error))
    return lw_fail(error);
  guint before = lw_active_exit(session->lab, session->facts, segment);
  const char *from = lw_lab_tunnel(session->lab, before)->name;
  JsonObject *result = json_object_new();
  json_object_set_string_member(result, "segment", name);
  json_object_set_string_member(result, "from", from);
  json_object_set_string_member(result, "to", exit);
  if (before == tunnel)
    return print_done(session, result, "%s: already leaves by %s", name, exit);
  if (!lw_router_writes(session, &error)) {
    json_object_unref(result);
    return lw_fail(error);
  }
  g_hash_table_replace(session->facts->active, g_strdup(name), g_strdup(exit));
  if (!lw_session_apply(session, NULL, &error)) {
    json_object_unref(result);
    return lw_fail(error);
  }
  json_object_set_int_member(result, "flows_cut", session->flows_ended);
  return print_done(session, result, "%s: leaves by %s now (was %s); %u flows cut", name, exit, from,
                    session->flows_ended);
}

int lw_switch_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, FALSE, switch_inside);
}

/* --- move
 * ------------------------------------------------------------------------------------------------------------
 */

/* "MACHINE" or "MACHINE/NIC". */
static guint parse_nic(const LwSession *session, const char *text, guint *nic, GError **error) {
  const char *slash = strchr(text, '/');
  g_autofree char *name = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
  guint machine = lw_session_machine(session, name, error);
  if (machine == LW_NONE)
    return LW_NONE;
  guint64 index = 0;
  guint count = lw_lab_machine(session->lab, machine)->nics->len;
  if (slash && !g_ascii_string_to_unsigned(slash + 1, 10, 0, count - 1, &index, NULL)) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s has %u NICs, numbered from 0", name, count);
    return LW_NONE;
  }
  *nic = (guint)index;
  return machine;
}

/* What is kept for a NIC that is where the file has it is nothing: no entry. */
static void set_position(LwSession *session, guint machine, guint nic, guint segment) {
  const LwMachine *m = lw_lab_machine(session->lab, machine);
  g_autofree char *key = g_strdup_printf("%s/%u", m->name, nic);
  if (lw_machine_nic(m, nic)->segment == segment)
    g_hash_table_remove(session->facts->positions, key);
  else
    g_hash_table_replace(session->facts->positions, g_steal_pointer(&key),
                         g_strdup(lw_lab_segment(session->lab, segment)->name));
}

/* The file that a move is to be written into, and its new text; no text: the file says so already. */
typedef struct {
  char *path, *text;
} Persist;

static void persist_clear(Persist *persist) {
  g_free(persist->path);
  g_free(persist->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Persist, persist_clear)

/* Before anything is moved: what cannot be written is found out first. The user's file may have gone on since
 * it was applied; that is none of a move's business. FALSE without error: why not was printed. */
static gboolean prepare_persist(const LwSession *session, guint machine, guint nic, const char *where,
                                Persist *persist, GError **error) {
  const LwInvocation *invocation = session->invocation;
  const char *name = lw_lab_machine(session->lab, machine)->name;
  guint number = lw_generation_current(session->engine, error);
  g_autoptr(LwGeneration) generation = number ? lw_generation_read(session->engine, number, error) : NULL;
  if (!generation)
    return FALSE;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab = lw_load_spec(invocation, generation->path, lw_target_spec_flags(), secrets);
  if (!lab)
    return FALSE;
  guint index = lw_lab_find_machine(lab, name);
  if (index == LW_NONE || nic >= lw_lab_machine(lab, index)->nics->len) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s has no such card of %s any more", generation->path,
                name);
    return FALSE;
  }
  const LwMachine *there = lw_lab_machine(lab, index);
  persist->path = g_strdup(there->origin.file);
  if (g_str_equal(lw_lab_segment(lab, lw_machine_nic(there, nic)->segment)->name, where))
    return TRUE;
  g_autofree char *text = lw_labfile_read(persist->path, error);
  persist->text = text ? lw_spec_edit_place(text, persist->path, name, nic, where, error) : NULL;
  return persist->text &&
         lw_labfile_would_be_right(invocation, generation->path, persist->path, persist->text);
}

typedef struct {
  guint machine, nic, before;
  gboolean settled;
} Move;

static gboolean carry_out_move(LwSession *session, Move *move, guint segment, GError **error) {
  move->settled = TRUE;
  if (move->before == segment)
    return TRUE;
  LwAddr old = lw_nic_address(session->lab, session->facts, move->machine, move->nic);
  set_position(session, move->machine, move->nic, segment);
  guint64 lease = lw_domains_lease(session, move->machine, move->nic); /* it may have been there before */
  if (!lw_session_apply(session, NULL, error) || !lw_session_end_address(session, &old, error))
    return FALSE;
  move->settled = lw_domains_settle(session, move->machine, move->nic, lease);
  return TRUE;
}

static int print_moved(const LwSession *session, const Move *move, const char *what, const char *where,
                       const Persist *persist) {
  LwAddr now = lw_nic_address(session->lab, session->facts, move->machine, move->nic);
  g_autofree char *address = lw_addr_format(&now);
  g_autofree char *written = persist->path ? g_strconcat("; ", persist->path, " says so", NULL) : NULL;
  const char *tail = written ? written : "";
  JsonObject *result = json_object_new();
  json_object_set_string_member(result, "machine", lw_lab_machine(session->lab, move->machine)->name);
  json_object_set_string_member(result, "from", lw_lab_segment(session->lab, move->before)->name);
  json_object_set_string_member(result, "to", where);
  if (persist->path)
    json_object_set_string_member(result, "file", persist->path);
  if (g_str_equal(lw_lab_segment(session->lab, move->before)->name, where))
    return print_done(session, result, "%s: already in %s%s", what, where, tail);
  json_object_set_string_member(result, "address", address);
  json_object_set_boolean_member(result, "settled", move->settled);
  return print_done(session, result, "%s: in %s now, its address there is %s%s%s", what, where, address,
                    move->settled ? "" : " (it has not asked for it yet: is it still starting?)", tail);
}

static int move_inside(LwSession *session) {
  const char *what = arg(session, 0), *where = arg(session, 1);
  if (!what || !where)
    return usage("move MACHINE[/NIC] SEGMENT [--persist]");
  g_autoptr(GError) error = NULL;
  g_auto(Persist) persist = {0};
  Move move = {0};
  move.machine = parse_nic(session, what, &move.nic, &error);
  guint segment = move.machine == LW_NONE ? LW_NONE : lw_session_segment(session, where, &error);
  if (segment == LW_NONE)
    return lw_fail(error);
  const char *name = lw_lab_machine(session->lab, move.machine)->name;
  if (g_hash_table_contains(session->facts->cut, name))
    return lw_fail_text("%s is cut off: %s heal %s first", name, lw_target_command(), name);
  if (session->invocation->persist &&
      !prepare_persist(session, move.machine, move.nic, where, &persist, &error))
    return error ? lw_fail(error) : lw_fail_text("the file would not be right: nothing was moved");
  move.before = lw_nic_segment(session->lab, session->facts, move.machine, move.nic);
  if (!carry_out_move(session, &move, segment, &error) ||
      (persist.text && !lw_labfile_write(persist.path, persist.text, &error)))
    return lw_fail(error);
  return print_moved(session, &move, what, where, &persist);
}

int lw_move_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, FALSE, move_inside);
}

/* --- cut and heal
 * ------------------------------------------------------------------------------------------------------ */

static int cut_or_heal(LwSession *session, gboolean cut) {
  const char *name = arg(session, 0);
  if (!name)
    return usage(cut ? "cut MACHINE" : "heal MACHINE");
  g_autoptr(GError) error = NULL;
  guint machine = lw_session_machine(session, name, &error);
  if (machine == LW_NONE)
    return lw_fail(error);
  guint count = lw_lab_machine(session->lab, machine)->nics->len;
  g_autofree LwAddr *before = g_new0(LwAddr, count);
  for (guint i = 0; i < count; i++)
    before[i] = lw_nic_address(session->lab, session->facts, machine, i);
  gboolean changed = cut ? g_hash_table_add(session->facts->cut, g_strdup(name))
                         : g_hash_table_remove(session->facts->cut, name);
  JsonObject *result = json_object_new();
  json_object_set_string_member(result, "machine", name);
  json_object_set_boolean_member(result, "cut", cut);
  if (!changed)
    return print_done(session, result, "%s: already %s", name, cut ? "cut off" : "plugged in");
  gboolean ok = lw_session_apply(session, NULL, &error);
  for (guint i = 0; ok && i < count; i++)
    ok = lw_session_end_address(session, &before[i], &error);
  if (!ok) {
    json_object_unref(result);
    return lw_fail(error);
  }
  if (cut)
    return print_done(session, result, "%s: cut off everything; %s heal %s plugs it in again", name,
                      lw_target_command(), name);
  return print_done(session, result, "%s: plugged in again", name);
}

static int cut_inside(LwSession *session) {
  return cut_or_heal(session, TRUE);
}

static int heal_inside(LwSession *session) {
  return cut_or_heal(session, FALSE);
}

int lw_cut_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, FALSE, cut_inside);
}

int lw_heal_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, FALSE, heal_inside);
}
