/* profiles convert | back | routes N: one change to the host's NetworkManager as an apply makes it (plan,
 * undo, apply), for bench/networkmanager and tests/system. Prints the milliseconds that it took. */
#include "plan/plan.h"
#include "providers/networkmanager/networkmanager.h"
#include "tests/contract/networkmanager/wanted.h"

#include <stdlib.h>
#include <string.h>

static const LwProviderContext context = {.owner = LW_TEST_OWNER, .host = TRUE};

static gboolean keep(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  GBytes **kept = data;
  g_clear_pointer(kept, g_bytes_unref);
  *kept = g_bytes_ref(undo);
  return TRUE;
}

/* As the engine: what fails is undone. */
static gboolean carry_out(LwProvider *provider, const LwPlan *plan, GError **error) {
  g_autoptr(GBytes) undo = NULL;
  for (guint i = 0; i < plan->steps->len; i++) {
    const LwPlanStep *step = plan->steps->pdata[i];
    if (lw_provider_check(provider, step->changes, error) &&
        lw_provider_carry_out(provider, step->changes, keep, &undo, NULL, NULL, error))
      continue;
    g_autoptr(GError) trouble = NULL;
    if (undo && !lw_provider_undo(provider, undo, NULL, NULL, &trouble))
      g_printerr("undo: %s\n", trouble->message);
    return FALSE;
  }
  return TRUE;
}

static gboolean change(const LwResourceSet *wanted, const LwResourceSet *owned, GError **error) {
  g_autoptr(LwProvider) provider = lw_networkmanager_provider_new(&context, error);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  if (!provider || !lw_provider_observe(provider, wanted, owned, seen, error))
    return FALSE;
  g_autoptr(LwPlan) plan = lw_plan_diff(wanted, seen, owned);
  return carry_out(provider, plan, error);
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  const char *verb = argc > 1 ? argv[1] : "";
  g_autoptr(LwResourceSet) uplink = lw_test_uplink(), nothing = lw_resource_set_new();
  g_autoptr(LwResourceSet) management = lw_test_management(argc > 2 ? (guint)atoi(argv[2]) : 0);
  gint64 start = g_get_monotonic_time();
  gboolean ok = strcmp(verb, "convert") == 0  ? change(uplink, uplink, &error)
                : strcmp(verb, "back") == 0   ? change(nothing, uplink, &error)
                : strcmp(verb, "routes") == 0 ? change(management, management, &error)
                                              : FALSE;
  if (!ok) {
    g_printerr("profiles: %s\n", error ? error->message : "convert | back | routes N");
    return 1;
  }
  g_print("%.1f\n", (double)(g_get_monotonic_time() - start) / 1000);
  return 0;
}
