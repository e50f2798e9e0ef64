/* Two labs made of the input's bytes, and the way from one to the other:
 * nothing differs from itself; carried out on the world in memory the plan makes one lab of the other; undone
 * from any step it leaves the first; and no step of it breaks the order that rule 4.2 of the design stands on
 * (plan/plan.h). */
#include "plan/plan.h"
#include "provider/provider.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
  const uint8_t *data;
  size_t left;
} Bytes;

static guint next(Bytes *bytes) {
  if (bytes->left == 0)
    return 0;
  bytes->left--;
  return *bytes->data++;
}

/* --- a lab of bytes
 * ------------------------------------------------------------------------------------------- */

static char *numbered(const char *stem, guint number) {
  return g_strdup_printf("%s%u", stem, number);
}

static gboolean has(const LwResourceSet *lab, const char *key) {
  return lw_resource_set_find(lab, key) != NULL;
}

static void add_bridges(LwResourceSet *lab, guint choice) {
  for (guint i = 0; i < 3; i++) {
    if (!(choice & (1u << i)))
      continue;
    g_autofree char *name = numbered("br", i);
    LwResource *bridge = lw_resource_new(LW_RES_LINK, "", name);
    bridge->link_type = LW_LINK_BRIDGE;
    bridge->up = TRUE;
    lw_resource_set_add(lab, bridge);
  }
}

static void add_veth(LwResourceSet *lab, guint number, guint choice) {
  g_autofree char *name = numbered("v", number);
  g_autofree char *peer = numbered("p", number);
  g_autofree char *master = numbered("br", choice % 3);
  g_autofree char *master_key = g_strconcat("link:/", master, NULL);
  LwResource *end = lw_resource_new(LW_RES_LINK, "", name);
  end->link_type = LW_LINK_VETH;
  end->peer = g_strdup(peer);
  end->peer_ns = g_strdup("r");
  end->up = (choice & 8) == 0;
  end->isolated = (choice & 16) != 0;
  end->mtu = choice & 32 ? 1400 : 0;
  if (has(lab, master_key))
    end->master = g_steal_pointer(&master);
  lw_resource_set_add(lab, end);
  LwResource *other = lw_resource_new(LW_RES_LINK, "r", peer);
  other->link_type = LW_LINK_VETH;
  other->peer = g_strdup(name);
  other->peer_ns = g_strdup("");
  other->up = TRUE;
  lw_resource_set_add(lab, other);
  if (choice & 64) {
    LwResource *address = lw_resource_new(LW_RES_ADDRESS, "r", NULL);
    address->link = g_strdup(peer);
    address->prefix = lw_prefix_make(lw_addr_from_v4(0x0a000001 + (number << 8)), 24);
    lw_resource_set_add(lab, address);
  }
}

static void add_tunnel(LwResourceSet *lab, guint number, guint choice) {
  g_autofree char *name = numbered("wg", number);
  LwResource *tunnel = lw_resource_new(LW_RES_TUNNEL, "r", name);
  tunnel->mark = 100 + (choice & 1);
  tunnel->up = TRUE;
  lw_resource_set_add(lab, tunnel);
  LwResource *route = lw_resource_new(LW_RES_ROUTE, "r", NULL);
  route->table = 1000 + number;
  route->prefix = lw_prefix_make(lw_addr_from_v4(0), 0);
  route->link = g_strdup(name);
  lw_resource_set_add(lab, route);
  if (choice & 2) {
    LwResource *resolver = lw_resource_new(LW_RES_RESOLVER, "r", name);
    LwUpstream *upstream = lw_upstream_new();
    upstream->address = lw_addr_from_v4(0x01010100 + (choice >> 4));
    upstream->device = g_strdup(name);
    g_ptr_array_add(resolver->upstreams, upstream);
    lw_resource_set_add(lab, resolver);
  }
}

static void add_table(LwResourceSet *lab, const char *ns, guint number, guint choice) {
  g_autofree char *name = numbered("t", number);
  LwRuleset *rules = lw_ruleset_new(LW_FAMILY_INET, name);
  LwSet *set = lw_ruleset_add_set(rules, LW_SET_PLAIN, "pairs", FALSE, LW_FIELD_IIF, LW_FIELD_LAST);
  for (guint i = 0; i < 4; i++)
    if (choice & (1u << i)) {
      LwValue value = {.kind = LW_VALUE_NAME, .name = numbered("v", i)};
      lw_set_add(set, &value, 1, (LwOrigin){0});
    }
  LwChain *chain = lw_ruleset_add_base_chain(rules, "forward", LW_HOOK_FORWARD, 0, FALSE, TRUE);
  lw_rule_verdict(lw_rule_match_set(lw_chain_add_rule(chain, (LwOrigin){0}, NULL), "pairs", FALSE,
                                    LW_FIELD_IIF, LW_FIELD_LAST),
                  LW_VERDICT_ACCEPT, NULL);
  LwResource *table = lw_resource_new(LW_RES_RULESET, ns, name);
  table->ruleset = rules;
  lw_resource_set_add(lab, table);
}

static LwResourceSet *lab_of(Bytes *bytes) {
  LwResourceSet *lab = lw_resource_set_new();
  guint bridges = next(bytes), rest = next(bytes);
  add_bridges(lab, bridges);
  if (rest & 1) {
    lw_resource_set_add(lab, lw_resource_new(LW_RES_NETNS, NULL, "r"));
    for (guint i = 0; i < 3; i++) {
      guint choice = next(bytes);
      if (choice & 128)
        add_veth(lab, i, choice);
    }
    for (guint i = 0; i < 2; i++) {
      guint choice = next(bytes);
      if (choice & 128)
        add_tunnel(lab, i, choice);
    }
    if (rest & 2)
      add_table(lab, "r", 0, next(bytes));
  }
  if (rest & 4)
    add_table(lab, "", 1, next(bytes));
  if (rest & 8)
    lw_resource_set_add(lab, lw_resource_new(LW_RES_CELL, NULL, "machine"));
  return lab;
}

/* --- properties
 * ----------------------------------------------------------------------------------------------- */

static void must_equal(const LwResourceSet *a, const LwResourceSet *b, const char *what) {
  for (guint i = 0; i < a->list->len; i++) {
    g_autofree char *key = lw_resource_key(a->list->pdata[i]);
    const LwResource *other = lw_resource_set_find(b, key);
    if (!other || !lw_resource_equal(a->list->pdata[i], other))
      g_error("%s: %s %s", what, key, other ? "differs" : "is missing");
  }
  for (guint i = 0; i < b->list->len; i++) {
    g_autofree char *key = lw_resource_key(b->list->pdata[i]);
    if (!lw_resource_set_find(a, key))
      g_error("%s: %s should not be there", what, key);
  }
}

static gboolean has_table(const LwResourceSet *state, const LwResource *like) {
  g_autofree char *key = lw_resource_key(like);
  const LwResource *there = lw_resource_set_find(state, key);
  return there && lw_resource_equal(there, like);
}

static gboolean has_bound(const LwResourceSet *state, const LwResource *table) {
  for (guint i = 0; i < state->list->len; i++) {
    const LwResource *each = state->list->pdata[i];
    if (each->kind == LW_RES_RULESET && g_str_equal(each->ns, table->ns) &&
        g_str_has_prefix(each->name, table->name) && g_str_has_suffix(each->name, "_bound"))
      return TRUE;
  }
  return FALSE;
}

/* Tables of both labs that differ. Of LwResource*, the new ones. */
static GPtrArray *changing(const LwResourceSet *old, const LwResourceSet *new) {
  GPtrArray *tables = g_ptr_array_new();
  for (guint i = 0; i < new->list->len; i++) {
    const LwResource *table = new->list->pdata[i];
    g_autofree char *key = lw_resource_key(table);
    const LwResource *before = lw_resource_set_find(old, key);
    if (table->kind == LW_RES_RULESET && before && !lw_resource_equal(table, before))
      g_ptr_array_add(tables, (gpointer)table);
  }
  return tables;
}

static gboolean all_bounded(const GPtrArray *tables, const LwResourceSet *state) {
  for (guint i = 0; i < tables->len; i++)
    if (!has_bound(state, tables->pdata[i]))
      return FALSE;
  return TRUE;
}

/* Does it redirect what was there before, so that neither the old tables alone nor the new ones fit it? */
static gboolean redirects(const LwChange *change) {
  return change->from && change->to &&
         (change->to->kind == LW_RES_TUNNEL || change->to->kind == LW_RES_RESOLVER) &&
         change->klass != LW_CHANGE_CREATE &&
         !(change->to->kind == LW_RES_RESOLVER && change->klass == LW_CHANGE_LIVE);
}

/* Several tables are loaded one after the other, and what redirects fits neither side: both only under
 * bounds. */
static void check_tables(const GPtrArray *tables, const LwPlanStep *step, const LwResourceSet *state) {
  for (guint i = 0; i < step->changes->len; i++) {
    const LwChange *change = step->changes->pdata[i];
    gboolean loads = change->from && change->to && change->to->kind == LW_RES_RULESET;
    gboolean needs = (loads && tables->len > 1) || (tables->len > 0 && redirects(change));
    if (needs && !all_bounded(tables, state))
      g_error("%s without bounds while %u tables change", lw_resource_kind_name(change->to->kind),
              tables->len);
  }
}

/* A link that changes its bridge is on the old one as long as an old table is in force, on the new one when
 * all are new, and on none while it is not known which. */
static void check_links(const LwResourceSet *old, const LwResourceSet *new, const LwResourceSet *state) {
  gboolean all_old = TRUE, all_new = TRUE;
  for (guint i = 0; i < new->list->len; i++) {
    const LwResource *table = new->list->pdata[i];
    g_autofree char *key = lw_resource_key(table);
    const LwResource *before = lw_resource_set_find(old, key);
    if (table->kind != LW_RES_RULESET || !before || lw_resource_equal(table, before))
      continue;
    all_old = all_old && has_table(state, before);
    all_new = all_new && has_table(state, table);
  }
  for (guint i = 0; i < state->list->len; i++) {
    const LwResource *link = state->list->pdata[i];
    g_autofree char *key = lw_resource_key(link);
    const LwResource *from = lw_resource_set_find(old, key), *to = lw_resource_set_find(new, key);
    if (link->kind != LW_RES_LINK || !from || !to || !link->master ||
        g_strcmp0(from->master, to->master) == 0)
      continue;
    gboolean on_old = g_strcmp0(link->master, from->master) == 0;
    if ((on_old && !all_old) || (!on_old && !all_new))
      g_error("%s is plugged into %s while the tables are %s", key, link->master,
              all_old   ? "old"
              : all_new ? "new"
                        : "mixed");
  }
}

static void check_order(const LwPlan *plan, const LwResourceSet *old, const LwResourceSet *new) {
  g_autoptr(GPtrArray) tables = changing(old, new);
  for (guint i = 0; i <= plan->steps->len; i++) {
    g_autoptr(LwResourceSet) state = lw_plan_state_after(plan, i);
    if (i == 0)
      must_equal(old, state, "at the start");
    if (i == plan->steps->len)
      must_equal(new, state, "at the end");
    if (i < plan->steps->len)
      check_tables(tables, plan->steps->pdata[i], state);
    check_links(old, new, state);
  }
}

/* --- carried out
 * ---------------------------------------------------------------------------------------------- */

static const LwResourceKind kinds[] = {LW_RES_NETNS,    LW_RES_LINK,    LW_RES_ADDRESS,
                                       LW_RES_ROUTE,    LW_RES_RULESET, LW_RES_TUNNEL,
                                       LW_RES_RESOLVER, LW_RES_CELL,    LW_RES_LAST};

static gboolean sink(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  (void)provider;
  (void)error;
  g_ptr_array_add(data, g_bytes_ref(undo));
  return TRUE;
}

static void carry_out(LwProvider *fake, const LwPlan *plan, guint steps, GPtrArray *undos) {
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < steps; i++) {
    const LwPlanStep *step = plan->steps->pdata[i];
    if (!lw_provider_carry_out(fake, step->changes, sink, undos, NULL, NULL, &error))
      g_error("step %u: %s", i, error->message);
  }
}

static void undo(LwProvider *fake, const GPtrArray *undos) {
  g_autoptr(GError) error = NULL;
  for (guint i = undos->len; i > 0; i--)
    if (!lw_provider_undo(fake, undos->pdata[i - 1], NULL, NULL, &error))
      g_error("undo of step %u: %s", i - 1, error->message);
}

/* Rules are no part of an undo's bytes on the fake: a table is put back by the real provider alone. */
static void drop_tables(LwResourceSet *lab) {
  for (guint i = lab->list->len; i > 0; i--) {
    const LwResource *table = lab->list->pdata[i - 1];
    g_autofree char *key = lw_resource_key(table);
    if (table->kind == LW_RES_RULESET)
      lw_resource_set_remove(lab, key);
  }
}

static void check_world(const LwResourceSet *old, const LwResourceSet *new, guint stop) {
  g_autoptr(LwResourceSet) world = lw_resource_set_new();
  g_autoptr(GPtrArray) undos = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  LwProviderContext context = {.run_dir = "/nonexistent", .owner = "lanward"};
  g_autoptr(LwProvider) fake = lw_fake_provider_new(&context, kinds, world);
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(LwPlan) first = lw_plan_diff(old, nothing, nothing);
  carry_out(fake, first, first->steps->len, undos);
  must_equal(old, world, "the first lab");
  g_ptr_array_set_size(undos, 0);
  g_autoptr(LwPlan) plan = lw_plan_diff(new, world, old);
  guint steps = stop < plan->steps->len ? stop : plan->steps->len;
  carry_out(fake, plan, steps, undos);
  if (steps == plan->steps->len)
    must_equal(new, world, "the second lab");
  undo(fake, undos);
  drop_tables(world);
  g_autoptr(LwResourceSet) expected = lw_resource_set_new();
  for (guint i = 0; i < old->list->len; i++)
    lw_resource_set_add(expected, lw_resource_ref(old->list->pdata[i]));
  drop_tables(expected);
  must_equal(expected, world, "undone");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Bytes bytes = {data, size};
  guint stop = next(&bytes);
  g_autoptr(LwResourceSet) old = lab_of(&bytes);
  g_autoptr(LwResourceSet) new = lab_of(&bytes);
  g_autoptr(LwPlan) same = lw_plan_diff(old, old, old);
  if (!lw_plan_is_empty(same) || same->steps->len)
    g_error("a lab differs from itself");
  g_autoptr(LwPlan) plan = lw_plan_diff(new, old, old);
  if (!lw_plan_is_empty(plan))
    check_order(plan, old, new);
  check_world(old, new, stop);
  return 0;
}
