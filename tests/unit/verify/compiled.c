#include "compiled.h"

#include "engine/engine.h"
#include "policy/policy.h"
#include "twin/world.h"

#include <string.h>

LwLab *compiled_parse(const char *text, const char *name) {
  g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  return lw_spec_parse(text, strlen(text), name, NULL, LW_SPEC_TWIN, store, said);
}

Compiled compiled_new(LwLab *lab, const Compiled *after) {
  g_assert_nonnull(lab);
  Compiled c = {lab, lw_facts_new(), lw_resource_set_new()};
  if (after) {
    g_autofree char *kept = lw_facts_to_text(after->facts);
    g_assert_true(lw_facts_from_text(c.facts, kept, NULL));
  }
  c.facts->cells_stand_in = TRUE;
  c.facts->bridge_meta = TRUE;
  g_assert_true(lw_prefix_parse("45.64.0.0/24", &c.facts->home_lan));
  g_assert_true(lw_policy_assign(lab, c.facts, NULL));
  g_autoptr(LwTwinWorld) world = lw_twin_world_new(lab, c.facts);
  g_array_append_val(c.facts->wan_resolvers, world->home_router);
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr endpoint = lw_twin_world_endpoint(world, lab, i);
    g_hash_table_insert(c.facts->endpoints, g_strdup(lw_lab_tunnel(lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  g_autofree char *seed = g_strdup_printf("%s/uplink", lab->name);
  c.facts->uplink_mac = lw_mac_is_set(&lab->host.uplink_mac) ? lab->host.uplink_mac : lw_mac_derive(seed);
  const guint8 zeros[32] = {0};
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GError) error = NULL;
  if (!lw_policy_compile(lab, c.facts, c.wanted, &error) ||
      !lw_twin_world_add(world, lab, c.facts, zeros, secrets, c.wanted, &error))
    g_error("%s", error->message);
  return c;
}

void compiled_clear(Compiled *c) {
  lw_resource_set_free(c->wanted);
  lw_facts_free(c->facts);
  lw_lab_free(c->lab);
}
