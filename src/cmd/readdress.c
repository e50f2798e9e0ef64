#include "cmd/readdress.h"

#include "policy/names.h"
#include "providers/kernel/ports.h"
#include "providers/libvirt/libvirt.h"

#include <string.h>

static char *place_of(const LwLab *lab, const LwFacts *facts, guint machine, guint nic) {
  guint segment = lw_nic_segment(lab, facts, machine, nic);
  LwAddr address = lw_nic_address(lab, facts, machine, nic);
  if (segment == LW_NONE || !lw_addr_is_set(&address))
    return NULL;
  g_autofree char *text = lw_addr_format(&address);
  return g_strdup_printf("%s %s", lw_lab_segment(lab, segment)->name, text);
}

GHashTable *lw_readdress_before(const LwLab *lab, const LwFacts *facts) {
  GHashTable *places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      char *place = place_of(lab, facts, m, n);
      if (place)
        g_hash_table_insert(places, g_strdup_printf("%s/%u", lw_lab_machine(lab, m)->name, n), place);
    }
  return places;
}

static gboolean in_same_segment(const char *a, const char *b) {
  gsize length = strcspn(a, " ");
  return length == strcspn(b, " ") && strncmp(a, b, length) == 0;
}

static gboolean show_link(const LwSession *session, guint machine, guint nic, GError **error) {
  const LwMachine *m = lw_lab_machine(session->lab, machine);
  if (m->kind == LW_MACHINE_VM && session->host)
    return lw_libvirt_flap(m->object, nic, error);
  g_autofree char *port = lw_name_nic_port(session->facts, session->lab, machine, nic);
  g_autofree char *ns = lw_name_machine_ns(session->facts, m), *name = lw_name_nic(nic);
  return !ns || lw_port_bounce(port, ns, name, error);
}

static void try_to_show(const LwSession *session, guint machine, guint nic) {
  g_autoptr(GError) error = NULL;
  if (!show_link(session, machine, nic, &error))
    g_printerr("lanward: %s has another address from its next DHCP request on: %s\n",
               lw_lab_machine(session->lab, machine)->name, error ? error->message : "it does not run");
}

void lw_readdress(const LwSession *session, GHashTable *before) {
  const LwLab *lab = session->lab;
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      g_autofree char *key = g_strdup_printf("%s/%u", lw_lab_machine(lab, m)->name, n);
      g_autofree char *now = place_of(lab, session->facts, m, n);
      const char *then = g_hash_table_lookup(before, key);
      if (now && then && in_same_segment(now, then) && !g_str_equal(now, then))
        try_to_show(session, m, n);
    }
}
