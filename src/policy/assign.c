/* Numbers and addresses that are given once and kept. */
#include "policy/names.h"
#include "policy/policy.h"

#include "base/error.h"

static void assign_numbers(const LwLab *lab, LwFacts *facts) {
  (void)lw_mark_of_exit(facts, lab, LW_NONE);
  for (guint i = 0; i < lab->tunnels->len; i++)
    (void)lw_mark_of_exit(facts, lab, i);
  for (guint i = 0; i < lab->segments->len; i++)
    (void)lw_facts_number(facts, "segment", lw_lab_segment(lab, i)->name);
  for (guint i = 0; i < lab->host.networks->len; i++)
    (void)lw_facts_number(facts, "network", lw_lab_network(lab, i)->name);
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++)
      g_free(lw_name_nic_port(facts, lab, m, n));
}

/* Addresses of a segment that are spoken for: declared ones and kept ones. Text, so that a hash can hold
 * them. */
static GHashTable *taken_addresses(const LwLab *lab, LwFacts *facts, guint segment) {
  GHashTable *taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_add(taken, lw_addr_format(&lw_lab_segment(lab, segment)->router));
  for (guint m = 0; m < lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(lab, m);
    for (guint n = 0; n < machine->nics->len; n++) {
      const LwNic *nic = lw_machine_nic(machine, n);
      if (nic->segment != segment)
        continue;
      if (lw_addr_is_set(&nic->address))
        g_hash_table_add(taken, lw_addr_format(&nic->address));
      for (guint i = 0; i < nic->addresses->len; i++)
        g_hash_table_add(taken, lw_addr_format(&g_array_index(nic->addresses, LwPrefix, i).addr));
    }
  }
  g_autofree char *suffix = g_strconcat("/", lw_lab_segment(lab, segment)->name, NULL);
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, facts->leases);
  while (g_hash_table_iter_next(&iter, &key, &value))
    if (g_str_has_suffix(key, suffix))
      g_hash_table_add(taken, lw_addr_format(value));
  return taken;
}

static gboolean first_free(const LwSegment *segment, GHashTable *taken, LwAddr *out) {
  for (LwAddr addr = segment->dhcp.first; lw_range_contains(&segment->dhcp, &addr);
       addr = lw_addr_add(&addr, 1)) {
    g_autofree char *text = lw_addr_format(&addr);
    if (g_hash_table_contains(taken, text))
      continue;
    *out = addr;
    return TRUE;
  }
  return FALSE;
}

static char *lease_key(const LwLab *lab, guint machine, guint nic, guint segment) {
  return g_strdup_printf("%s/%u/%s", lw_lab_machine(lab, machine)->name, nic,
                         lw_lab_segment(lab, segment)->name);
}

/* An address kept for a NIC that the segment's range no longer covers is given back. */
static void drop_stale(const LwLab *lab, LwFacts *facts, guint segment, const char *key) {
  const LwSegment *s = lw_lab_segment(lab, segment);
  const LwAddr *kept = g_hash_table_lookup(facts->leases, key);
  if (kept && !(s->has_dhcp && lw_range_contains(&s->dhcp, kept)))
    g_hash_table_remove(facts->leases, key);
}

static gboolean assign_address(const LwLab *lab, LwFacts *facts, GHashTable **taken, guint machine, guint nic,
                               GError **error) {
  guint segment = lw_nic_segment(lab, facts, machine, nic);
  if (segment == LW_NONE)
    return TRUE;
  const LwNic *declared = lw_machine_nic(lw_lab_machine(lab, machine), nic);
  if (segment == declared->segment && lw_addr_is_set(&declared->address))
    return TRUE;
  g_autofree char *key = lease_key(lab, machine, nic, segment);
  drop_stale(lab, facts, segment, key);
  if (g_hash_table_contains(facts->leases, key))
    return TRUE;
  const LwSegment *s = lw_lab_segment(lab, segment);
  if (!s->has_dhcp) {
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC,
                "%s has no address in %s, and %s hands none out: give it dhcp:",
                lw_lab_machine(lab, machine)->name, s->name, s->name);
    return FALSE;
  }
  if (!taken[segment])
    taken[segment] = taken_addresses(lab, facts, segment);
  LwAddr addr;
  if (!first_free(s, taken[segment], &addr)) {
    g_autofree char *range = lw_range_format(&s->dhcp);
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s: no address of %s is left for %s: widen dhcp:", s->name,
                range, lw_lab_machine(lab, machine)->name);
    return FALSE;
  }
  g_hash_table_add(taken[segment], lw_addr_format(&addr));
  g_hash_table_insert(facts->leases, g_steal_pointer(&key), g_memdup2(&addr, sizeof addr));
  return TRUE;
}

static gboolean assign_addresses(const LwLab *lab, LwFacts *facts, GHashTable **taken, GError **error) {
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++)
      if (!assign_address(lab, facts, taken, m, n, error))
        return FALSE;
  return TRUE;
}

gboolean lw_policy_assign(const LwLab *lab, LwFacts *facts, GError **error) {
  assign_numbers(lab, facts);
  g_autofree GHashTable **taken = g_new0(GHashTable *, lab->segments->len + 1);
  gboolean ok = assign_addresses(lab, facts, taken, error);
  for (guint i = 0; i < lab->segments->len; i++)
    g_clear_pointer(&taken[i], g_hash_table_unref);
  return ok;
}
