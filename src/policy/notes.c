#include "policy/policy.h"

#include "base/error.h"

static gboolean has_undeclared_range(const LwAllow *allow, const LwSegment *segment) {
  for (guint i = 0; i < allow->from->len; i++)
    if (segment->has_dhcp && lw_range_overlaps(&g_array_index(allow->from, LwRange, i), &segment->dhcp))
      return TRUE;
  return FALSE;
}

static void note_segment(const LwSegment *segment, GPtrArray *notes) {
  for (guint i = 0; i < segment->allow->len; i++)
    if (has_undeclared_range(segment->allow->pdata[i], segment))
      g_ptr_array_add(
          notes, g_strdup_printf(
                     "%s: a “from” range reaches into dhcp:: a machine of the file keeps the address that "
                     "it got, that of any other can change hands",
                     segment->name));
  for (guint i = 0; i < segment->pins->len; i++) {
    const LwPin *pin = segment->pins->pdata[i];
    if (segment->has_dhcp && lw_range_overlaps(&pin->range, &segment->dhcp))
      g_ptr_array_add(
          notes, g_strdup_printf("%s: a pinned range reaches into dhcp:: which machine it binds depends on "
                                 "the lease it got",
                                 segment->name));
  }
}

static void note_tunnel(const LwTunnel *tunnel, GPtrArray *notes) {
  if (tunnel->wg.dns->len == 0)
    g_ptr_array_add(
        notes, g_strdup_printf("tunnel %s: its file names no DNS: its segments resolve local names only, "
                               "unless they have dns: of their own",
                               tunnel->name));
}

static void note_machine(const LwLab *lab, const LwMachine *machine, GPtrArray *notes) {
  if (machine->nics->len < 2)
    return;
  GString *segments = g_string_new(NULL);
  for (guint i = 0; i < machine->nics->len; i++)
    g_string_append_printf(segments, "%s%s", i ? " and " : "",
                           lw_lab_segment(lab, lw_machine_nic(machine, i)->segment)->name);
  g_ptr_array_add(notes,
                  g_strdup_printf("%s has NICs in %s: it joins them, whatever the rules say of the segments",
                                  machine->name, segments->str));
  g_string_free(segments, TRUE);
}

gboolean lw_policy_containers(const LwLab *lab, const LwFacts *facts, GError **error) {
  for (guint i = 0; i < lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(lab, i);
    const LwContainerFact *fact =
        machine->kind == LW_MACHINE_CONTAINER ? g_hash_table_lookup(facts->containers, machine->name) : NULL;
    if (!fact || !fact->trouble)
      continue;
    g_autofree char *where = lw_origin_format(&machine->origin);
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "%s: machine %s: %s", where, machine->name,
                fact->trouble);
    return FALSE;
  }
  return TRUE;
}

GPtrArray *lw_policy_notes(const LwLab *lab) {
  GPtrArray *notes = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < lab->segments->len; i++)
    note_segment(lw_lab_segment(lab, i), notes);
  for (guint i = 0; i < lab->tunnels->len; i++)
    note_tunnel(lw_lab_tunnel(lab, i), notes);
  for (guint i = 0; i < lab->machines->len; i++)
    note_machine(lab, lw_lab_machine(lab, i), notes);
  return notes;
}
