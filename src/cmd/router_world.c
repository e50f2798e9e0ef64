/* What takes the router's place in a proof: this machine as it is, the cables to the router, and what pf
 * makes of a config.xml. */
#include "cmd/router_items.h"

#include "policy/policy.h"
#include "providers/opnsense/lab.h"
#include "providers/opnsense/opnsense.h"
#include "providers/opnsense/pf-rules.h"

#include <string.h>

static gboolean is_cable(const LwSession *session, const LwResource *r) {
  const char *router = session->facts->router_ns;
  return r->kind == LW_RES_LINK && (g_strcmp0(r->ns, router) == 0 || g_strcmp0(r->peer_ns, router) == 0);
}

/* The router's port is on the bridge where it was seen; it may have another kind (a tap) and another end. */
static void add_cable(const LwResourceSet *here, LwResource *cable, LwResourceSet *out) {
  g_autofree char *key = lw_resource_key(cable);
  const LwResource *seen = lw_resource_set_find(here, key);
  if (seen && g_strcmp0(seen->master, cable->master) != 0) {
    g_free(cable->master);
    cable->master = g_strdup(seen->master);
  }
  lw_resource_set_add(out, lw_resource_ref(cable));
}

static LwResourceSet *with_cables(const LwSession *session, const LwResourceSet *here) {
  LwResourceSet *out = lw_resource_set_new();
  g_autoptr(LwResourceSet) router = lw_resource_set_new();
  lw_policy_compile_router(session->lab, session->facts, router);
  for (guint i = 0; i < router->list->len; i++)
    if (is_cable(session, router->list->pdata[i]) ||
        ((LwResource *)router->list->pdata[i])->kind == LW_RES_TUNNEL)
      add_cable(here, router->list->pdata[i], out);
  for (guint i = 0; i < here->list->len; i++) {
    LwResource *r = here->list->pdata[i];
    g_autofree char *key = lw_resource_key(r);
    if (r->kind != LW_RES_ROUTER_ITEM && !lw_resource_set_find(out, key))
      lw_resource_set_add(out, lw_resource_ref(r));
  }
  return out;
}

/* The file has a stand-in for WAN's lease. The router told what it has; else the host knows what WAN is on,
 * and any address there that is not the gateway's has to do. */
static void put_lease(const LwSession *session, LwOpnLinks *links) {
  const LwPrefix *home = &session->facts->home_lan;
  const LwOpnLease *told = session->router_seen ? &session->router_seen->wan : NULL;
  LwOpnLink *link = lw_opn_links_leased(links);
  if (!link || home->addr.family != 4)
    return;
  LwAddr gateway =
      lw_addr_is_set(&session->host->gateway) ? session->host->gateway : lw_addr_add(&home->addr, 1);
  LwAddr own = lw_addr_add(&home->addr, 250);
  link->address4 = lw_prefix_make(lw_prefix_contains(home, &own) ? own : lw_addr_add(&gateway, 1), home->len);
  if (told && lw_addr_is_set(&told->address.addr))
    link->address4 = told->address;
  link->gateway4 = told && lw_addr_is_set(&told->gateway) ? told->gateway : gateway;
}

LwResourceSet *lw_router_world(const LwSession *session, const LwResourceSet *here, const char *config,
                               GPtrArray *missing, GError **error) {
  g_autoptr(LwOpn) opn = lw_opn_parse(config, strlen(config), error);
  if (!opn)
    return NULL;
  g_autoptr(LwOpnLinks) links = lw_opn_links_guess(opn);
  put_lease(session, links);
  g_autoptr(LwPf) pf = lw_pf_generate(opn, links, NULL);
  g_autoptr(GPtrArray) none = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GHashTable) legs = lw_opn_legs(session->lab, pf, missing ? missing : none);
  g_autoptr(LwResourceSet) cabled = with_cables(session, here);
  return lw_opn_lab_world(session->facts, pf, legs, cabled);
}

/* ---- states of a plan ---- */

static GPtrArray *items_of_step(const LwPlan *plan, guint step) {
  GPtrArray *out = g_ptr_array_new();
  const LwPlanStep *s = plan->steps->pdata[step];
  for (guint i = 0; i < s->changes->len; i++) {
    LwChange *change = s->changes->pdata[i];
    if ((change->to ? change->to : change->from)->kind == LW_RES_ROUTER_ITEM)
      g_ptr_array_add(out, change);
  }
  return out;
}

guint lw_router_changes_in(const LwPlan *plan, guint step) {
  g_autoptr(GPtrArray) items = items_of_step(plan, step);
  return items->len;
}

LwResourceSet *lw_router_world_after(const LwSession *session, const LwResourceSet *here, const LwPlan *plan,
                                     guint steps, guint count, GError **error) {
  g_autofree char *config = g_strdup(session->router_seen->config);
  for (guint i = 0; i <= steps && i < plan->steps->len; i++) {
    g_autoptr(GPtrArray) items = items_of_step(plan, i);
    g_autoptr(GPtrArray) changes = items->len ? lw_opn_item_changes(items, error) : NULL;
    if (!items->len)
      continue;
    if (!changes)
      return NULL;
    if (i == steps)
      g_ptr_array_set_size(changes, (gint)MIN(count, changes->len));
    char *next = lw_opn_with_changes(config, changes, error);
    lw_secret_clear(config);
    config = next;
    if (!config)
      return NULL;
  }
  LwResourceSet *world = lw_router_world(session, here, config, NULL, error);
  explicit_bzero(config, strlen(config));
  return world;
}
