#include "resource/facts.h"

#include "resource/resource.h"

static void probe_port_free(gpointer data) {
  LwProbePort *probe = data;
  g_free(probe->name);
  g_free(probe->segment);
  g_free(probe);
}

LwContainerFact *lw_container_fact_new(void) {
  return g_new0(LwContainerFact, 1);
}

void lw_container_fact_free(LwContainerFact *fact) {
  if (!fact)
    return;
  g_free(fact->process);
  g_free(fact->file);
  g_free(fact->trouble);
  g_free(fact->note);
  g_free(fact);
}

LwFacts *lw_facts_new(void) {
  LwFacts *facts = g_new0(LwFacts, 1);
  facts->router_ns = g_strdup("router");
  facts->endpoints = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->resolved = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  facts->leases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->containers =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lw_container_fact_free);
  facts->active = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->positions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->cut = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  facts->networks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lw_resource_unref);
  facts->bridges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  facts->macs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->own_ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->router_ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  facts->wan_resolvers = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  facts->probes = g_ptr_array_new_with_free_func(probe_port_free);
  return facts;
}

void lw_facts_free(LwFacts *facts) {
  if (!facts)
    return;
  g_free(facts->router_ns);
  g_hash_table_unref(facts->endpoints);
  g_hash_table_unref(facts->resolved);
  g_hash_table_unref(facts->numbers);
  g_hash_table_unref(facts->leases);
  g_hash_table_unref(facts->containers);
  g_hash_table_unref(facts->active);
  g_hash_table_unref(facts->positions);
  g_hash_table_unref(facts->cut);
  g_clear_pointer(&facts->domains, g_hash_table_unref);
  g_hash_table_unref(facts->networks);
  g_hash_table_unref(facts->bridges);
  g_hash_table_unref(facts->macs);
  g_hash_table_unref(facts->ports);
  g_hash_table_unref(facts->places);
  g_hash_table_unref(facts->own_ports);
  g_hash_table_unref(facts->router_ports);
  g_array_unref(facts->wan_resolvers);
  g_ptr_array_unref(facts->probes);
  g_free(facts);
}

/* The smallest that nobody of the class has. */
static guint free_number(LwFacts *facts, const char *prefix) {
  guint count = g_hash_table_size(facts->numbers), number = 1;
  g_autofree gboolean *taken = g_new0(gboolean, count + 2);
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, facts->numbers);
  while (g_hash_table_iter_next(&iter, &key, &value))
    if (GPOINTER_TO_UINT(value) <= count && g_str_has_prefix(key, prefix))
      taken[GPOINTER_TO_UINT(value)] = TRUE;
  while (taken[number])
    number++;
  return number;
}

guint lw_facts_known_number(const LwFacts *facts, const char *class_name, const char *name) {
  g_autofree char *key = g_strconcat(class_name, "/", name, NULL);
  return GPOINTER_TO_UINT(g_hash_table_lookup(facts->numbers, key));
}

guint lw_facts_number(LwFacts *facts, const char *class_name, const char *name) {
  guint known = lw_facts_known_number(facts, class_name, name);
  if (known)
    return known;
  g_autofree char *key = g_strconcat(class_name, "/", name, NULL);
  g_autofree char *prefix = g_strconcat(class_name, "/", NULL);
  guint number = free_number(facts, prefix);
  g_hash_table_insert(facts->numbers, g_steal_pointer(&key), GUINT_TO_POINTER(number));
  return number;
}
