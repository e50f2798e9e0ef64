#include "cmd/proof.h"

#include "base/error.h"
#include "cmd/inforce.h"
#include "cmd/router_items.h"

void lw_proof_clear(LwProof *proof) {
  g_clear_pointer(&proof->proof, lw_static_free);
  g_clear_pointer(&proof->pool, lw_mdd_pool_free);
  g_clear_pointer(&proof->seen, lw_resource_set_free);
  g_clear_pointer(&proof->wanted, lw_resource_set_free);
  g_clear_pointer(&proof->drift, g_ptr_array_unref);
}

static char *drift_text(const LwChange *change) {
  const LwResource *one = change->to ? change->to : change->from;
  g_autofree char *what = lw_resource_describe(one);
  g_autofree char *difference =
      change->from && change->to ? lw_resource_difference(change->from, change->to) : NULL;
  g_autofree char *origin = lw_origin_format(&one->origin);
  if (difference)
    return g_strdup_printf("not as compiled: %s: %s; %s", what, difference, origin);
  return g_strdup_printf("not as compiled: %s: %s; %s", what,
                         change->to ? "it is missing" : "it should not be there", origin);
}

/* Those of the namespaces that were looked into. */
static LwResourceSet *wanted_here(const LwSession *session, const LwProof *proof) {
  LwResourceSet *here = lw_resource_set_new();
  for (guint i = 0; i < proof->wanted->list->len; i++) {
    LwResource *r = proof->wanted->list->pdata[i];
    if (!r->ns || !*r->ns || g_strcmp0(r->ns, session->facts->router_ns) == 0)
      lw_resource_set_add(here, lw_resource_ref(r));
  }
  return here;
}

/* Packet rules are compared one by one; of all else the plan knows. */
static gboolean look_for_drift(LwSession *session, LwProof *proof, GError **error) {
  proof->drift = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwResourceSet) here = wanted_here(session, proof);
  g_autofree char *rules = lw_in_force_compare(proof->seen, here);
  g_auto(GStrv) lines = g_strsplit(rules, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (*lines[i])
      g_ptr_array_add(proof->drift, g_strdup_printf("not as compiled: %s", lines[i]));
  lw_session_take(session);
  g_autoptr(LwPlan) plan = lw_engine_plan(session->engine, proof->wanted, error);
  for (guint i = 0; plan && i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    if ((change->to ? change->to : change->from)->kind != LW_RES_RULESET)
      g_ptr_array_add(proof->drift, drift_text(change));
  }
  for (guint i = 0; plan && i < plan->aside->len; i++)
    g_ptr_array_add(proof->drift, drift_text(plan->aside->pdata[i]));
  return plan != NULL;
}

/* An OPNsense's rules are asked of it, and not of this machine's kernel. */
static const char *router_here(const LwSession *session) {
  return session->router_seen ? NULL : session->facts->router_ns;
}

static gboolean put_router(const LwSession *session, LwProof *proof, GError **error) {
  if (!session->router_seen || !session->router_seen->config)
    return TRUE;
  g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
  LwResourceSet *world = lw_router_world(session, proof->seen, session->router_seen->config, missing, error);
  if (!world)
    return FALSE;
  lw_resource_set_free(proof->seen);
  proof->seen = world;
  for (guint i = 0; i < missing->len; i++)
    g_ptr_array_add(proof->drift, g_strdup_printf("the router lacks %s", (char *)missing->pdata[i]));
  return TRUE;
}

gboolean lw_proof_look(LwSession *session, LwProof *proof, GError **error) {
  const char *inside[] = {"", router_here(session), NULL};
  proof->wanted = lw_session_wanted(session, error);
  proof->seen = proof->wanted ? lw_in_force(inside, error) : NULL;
  return proof->seen && look_for_drift(session, proof, error) && put_router(session, proof, error);
}

void lw_proof_prove(const LwSession *session, LwProof *proof) {
  proof->pool = lw_mdd_pool_new();
  proof->proof = lw_static_prove(proof->pool, session->lab, session->facts, proof->seen);
}

static LwStatic *prove_wanted(LwMddPool *pool, const LwSession *session, const LwResourceSet *wanted,
                              LwResourceSet **world) {
  *world = lw_static_with_lease(wanted, session->facts);
  return lw_static_prove(pool, session->lab, session->facts, *world);
}

/* What the kernel has now, whoever made it, and what it would have then. Kept for as long as the proofs are.
 */
typedef struct {
  LwResourceSet *now, *then;
} Worlds;

static void worlds_clear(Worlds *worlds) {
  g_clear_pointer(&worlds->now, lw_resource_set_free);
  g_clear_pointer(&worlds->then, lw_resource_set_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Worlds, worlds_clear)

static gboolean look_at_both(const LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                             Worlds *worlds) {
  const char *inside[] = {"", router_here(session), NULL};
  worlds->now = session->facts->router_ns ? lw_in_force(inside, NULL) : NULL;
  worlds->then = worlds->now ? lw_in_force_after(worlds->now, plan, wanted) : NULL;
  return worlds->now != NULL;
}

/* With the router as its config.xml makes it now, and would then. */
static gboolean put_routers(const LwSession *old, const LwSession *session, const LwPlan *plan,
                            Worlds *worlds, GError **error) {
  LwResourceSet *now = worlds->now, *then = worlds->then;
  if (old->router_seen && old->router_seen->config) {
    worlds->now = lw_router_world(old, now, old->router_seen->config, NULL, error);
    lw_resource_set_free(now);
  }
  if (worlds->now && session->router_seen && session->router_seen->config) {
    worlds->then = lw_router_world_after(session, then, plan, plan->steps->len, 0, error);
    lw_resource_set_free(then);
  }
  return worlds->now && worlds->then;
}

/* By what is in force, so that a rule changed by hand shows; where that cannot be read, by what was compiled.
 */
static gboolean compare(LwSession *old, LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                        GPtrArray **opens, GPtrArray **closes, GError **error) {
  g_autoptr(LwMddPool) real_pool = lw_mdd_pool_new();
  g_auto(Worlds) worlds = {0};
  if (look_at_both(old, plan, wanted, &worlds)) {
    if (!put_routers(old, session, plan, &worlds, error))
      return FALSE;
    g_autoptr(LwStatic) now = lw_static_prove(real_pool, old->lab, old->facts, worlds.now);
    g_autoptr(LwStatic) then = lw_static_prove(real_pool, session->lab, session->facts, worlds.then);
    *opens = lw_static_gained(now, then);
    *closes = lw_static_gained(then, now);
    return TRUE;
  }
  g_autoptr(LwResourceSet) before = lw_session_wanted(old, error);
  if (!before)
    return FALSE;
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  g_autoptr(LwResourceSet) old_world = NULL;
  g_autoptr(LwResourceSet) new_world = NULL;
  g_autoptr(LwStatic) from = prove_wanted(pool, old, before, &old_world);
  g_autoptr(LwStatic) to = prove_wanted(pool, session, wanted, &new_world);
  *opens = lw_static_gained(from, to);
  *closes = lw_static_gained(to, from);
  return TRUE;
}

gboolean lw_proof_difference(LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                             GPtrArray **opens, GPtrArray **closes, GError **error) {
  g_autoptr(GError) none = NULL;
  g_autoptr(LwSession) old = lw_session_open(session->invocation, NULL, NULL, TRUE, &none);
  if (old)
    return compare(old, session, plan, wanted, opens, closes, error);
  if (!g_error_matches(none, LW_ERROR, LW_ERROR_NOT_FOUND)) {
    g_propagate_prefixed_error(
        error, g_steal_pointer(&none),
        "what opens and closes is measured against the lab in force, and that cannot be "
        "read%s: ",
        session->router_seen
            ? " (a router with a new address: apply the file with nothing but that changed first)"
            : "");
    return FALSE;
  }
  *opens = g_ptr_array_new_with_free_func(g_free);
  *closes = g_ptr_array_new_with_free_func(g_free);
  return TRUE;
}
