#include "cmd/containers.h"

#include "policy/policy.h"

GPtrArray *lw_container_notes(const LwSession *session) {
  GPtrArray *notes = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < session->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(session->lab, i);
    const LwContainerFact *fact = g_hash_table_lookup(session->facts->containers, machine->name);
    const char *text = !fact ? NULL : fact->trouble ? fact->trouble : fact->note;
    if (text)
      g_ptr_array_add(notes, g_strdup_printf("%s: %s", machine->name, text));
  }
  return notes;
}

gboolean lw_containers_ready(const LwSession *session, GError **error) {
  if (!lw_policy_containers(session->lab, session->facts, error))
    return FALSE;
  g_autoptr(GPtrArray) notes = lw_container_notes(session);
  for (guint i = 0; i < notes->len; i++)
    g_printerr("lanward: %s\n", (char *)notes->pdata[i]);
  return TRUE;
}
