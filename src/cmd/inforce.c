#include "cmd/inforce.h"

#include "providers/kernel/snapshot.h"
#include "providers/nft/read.h"
#include "providers/nft/rulesets.h"

static gboolean add_rulesets(const char *ns, LwResourceSet *out, GError **error) {
  g_autoptr(GPtrArray) rulesets = lw_nft_rulesets(ns, error);
  for (guint i = 0; rulesets && i < rulesets->len; i++) {
    LwRuleset *ruleset = rulesets->pdata[i];
    LwResource *resource = lw_resource_new(LW_RES_RULESET, ns, ruleset->name);
    resource->ruleset = lw_ruleset_ref(ruleset);
    lw_resource_set_add(out, resource);
  }
  return rulesets != NULL;
}

LwResourceSet *lw_in_force(const char *const *namespaces, GError **error) {
  g_autoptr(LwResourceSet) out = lw_resource_set_new();
  if (!lw_kernel_snapshot(namespaces, out, error))
    return NULL;
  for (guint i = 0; namespaces[i]; i++)
    if (!add_rulesets(namespaces[i], out, error))
      return NULL;
  return g_steal_pointer(&out);
}

static LwResource *find_table(const LwResourceSet *seen, const LwResource *wanted, const char *table) {
  for (guint i = 0; i < seen->list->len; i++) {
    LwResource *resource = seen->list->pdata[i];
    if (resource->kind == LW_RES_RULESET && g_strcmp0(resource->ns, wanted->ns ? wanted->ns : "") == 0 &&
        resource->ruleset->family == wanted->ruleset->family && g_str_equal(resource->ruleset->name, table))
      return resource;
  }
  return NULL;
}

static void tell(GString *out, const LwResource *wanted, const LwRuleset *loaded, const char *difference) {
  g_auto(GStrv) lines = g_strsplit(difference, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    g_string_append_printf(out, "%s: table %s %s: %s\n", wanted->ns && *wanted->ns ? wanted->ns : "the host",
                           lw_family_name(loaded->family), loaded->name, lines[i]);
}

/* The normal form takes the listing's place: it is what the lines of the file can be found for. */
static void compare_one(LwResourceSet *seen, const LwResource *wanted, GString *out) {
  g_autoptr(LwRuleset) loaded = lw_nft_as_loaded(wanted->ruleset);
  LwResource *there = find_table(seen, wanted, loaded->name);
  if (!there) {
    tell(out, wanted, loaded, "it is not there");
    return;
  }
  g_autofree char *difference = lw_ruleset_difference(loaded, there->ruleset);
  if (difference)
    tell(out, wanted, loaded, difference);
  g_autoptr(LwRuleset) normal = lw_ruleset_normalize(loaded);
  LwRuleset *normal_seen = lw_ruleset_normalize(there->ruleset);
  lw_ruleset_adopt_origins(normal_seen, normal);
  lw_ruleset_unref(there->ruleset);
  there->ruleset = normal_seen;
}

/* --- what goes without saying
 * -------------------------------------------------------------------------------------------------- */

/* Is the whole namespace lanward's? Then what is in it and not wanted is out of place. */
static gboolean is_ours(const LwResourceSet *wanted, const char *ns) {
  g_autoptr(LwResource) netns = lw_resource_new(LW_RES_NETNS, NULL, ns);
  g_autofree char *key = lw_resource_key(netns);
  return ns && *ns && lw_resource_set_find(wanted, key);
}

static gboolean has_client(const LwResourceSet *wanted, const char *ns, const char *link) {
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *r = wanted->list->pdata[i];
    if (r->kind == LW_RES_DHCP_CLIENT && g_strcmp0(r->ns, ns) == 0 && g_strcmp0(r->link, link) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean is_there(const LwResourceSet *set, const LwResource *like) {
  g_autofree char *key = lw_resource_key(like);
  return lw_resource_set_find(set, key) != NULL;
}

static void tell_missing(GString *out, const LwResource *r, const char *what) {
  g_autofree char *text = lw_resource_describe(r);
  g_string_append_printf(out, "%s: %s\n", text, what);
}

/* An address brings a route to its network, and one to itself. */
static void compare_connected(const LwResourceSet *seen, const LwResource *address, GString *out) {
  if (address->prefix.addr.family != 4 || !is_there(seen, address))
    return;
  g_autoptr(LwResource) network = lw_resource_new(LW_RES_ROUTE, address->ns, NULL);
  network->table = 254;
  network->prefix = lw_prefix_network(&address->prefix);
  network->link = g_strdup(address->link);
  g_autoptr(LwResource) own = lw_resource_new(LW_RES_ROUTE, address->ns, NULL);
  own->table = 255;
  own->prefix = lw_prefix_make(address->prefix.addr, 32);
  own->link = g_strdup(address->link);
  if (address->prefix.len < 32 && !is_there(seen, network))
    tell_missing(out, network, "it comes with the address, and is missing");
  if (!is_there(seen, own))
    tell_missing(out, own, "it comes with the address, and is missing");
}

/* A lease brings a default route by its gateway: where the link has an address, it must be there. */
static void compare_lease(const LwResourceSet *seen, const LwResource *client, GString *out) {
  gboolean leased = FALSE, routed = FALSE;
  guint32 table = client->table ? client->table : 254;
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (g_strcmp0(r->ns, client->ns) != 0 || g_strcmp0(r->link, client->link) != 0 ||
        r->prefix.addr.family != 4)
      continue;
    leased = leased || r->kind == LW_RES_ADDRESS;
    routed = routed ||
             (r->kind == LW_RES_ROUTE && r->table == table && r->prefix.len == 0 && lw_addr_is_set(&r->via));
  }
  if (leased && !routed)
    tell_missing(out, client,
                 "the default route of its lease, by its gateway, is not in the table where it belongs");
}

/* The rules that every namespace begins with. */
static void compare_first_rules(const LwResourceSet *seen, const char *ns, GString *out) {
  static const guint priorities[] = {0, 32766};
  for (guint i = 0; i < G_N_ELEMENTS(priorities); i++) {
    g_autoptr(LwResource) rule = lw_resource_new(LW_RES_RULE, ns, NULL);
    rule->priority = priorities[i];
    if (!is_there(seen, rule))
      tell_missing(out, rule, "it is there from the start, and is missing");
  }
}

static const char *setting_of(const LwResourceSet *set, const char *ns, const char *name) {
  g_autoptr(LwResource) setting = lw_resource_new(LW_RES_SYSCTL, ns, name);
  g_autofree char *key = lw_resource_key(setting);
  const LwResource *found = lw_resource_set_find(set, key);
  return found ? found->value : NULL;
}

/* What is wanted of new links is wanted of each, where nothing else is wanted of it. */
static void compare_setting(const LwResource *r, const LwResourceSet *wanted, GString *out) {
  g_auto(GStrv) parts = g_strsplit(r->name, "/", -1);
  if (g_strv_length(parts) != 5 || !g_str_equal(parts[2], "conf") || g_str_equal(parts[3], "lo") ||
      g_str_equal(parts[3], "all") || g_str_equal(parts[3], "default") || setting_of(wanted, r->ns, r->name))
    return;
  gboolean forwarding = g_str_equal(parts[1], "ipv4") && g_str_equal(parts[4], "forwarding");
  g_autofree char *name = forwarding ? g_strdup("net/ipv4/ip_forward")
                                     : g_strdup_printf("net/%s/conf/default/%s", parts[1], parts[4]);
  const char *value = setting_of(wanted, r->ns, name);
  if (value && g_strcmp0(value, r->value) != 0)
    g_string_append_printf(out, "%s: %s is %s, not %s\n", r->ns, r->name, r->value, value);
}

static gboolean is_kernels_own(const LwResource *r) {
  if (r->kind == LW_RES_RULE)
    return r->priority == 0 || r->priority == 32766 || r->priority == 32767;
  return r->kind == LW_RES_ROUTE &&
         (r->table == 255 || r->prefix.addr.family == 6 || r->route_type == LW_ROUTE_MULTICAST);
}

/* Names have neither spaces nor slashes. */
static char *connected_key(const LwResource *r, const LwPrefix *network) {
  g_autofree char *text = lw_prefix_format(network);
  return g_strdup_printf("%s/%s %s", r->ns ? r->ns : "", r->link ? r->link : "", text);
}

/* The routes that the addresses bring: their keys. */
static GHashTable *connected_routes(const LwResourceSet *seen) {
  GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *address = seen->list->pdata[i];
    if (address->kind != LW_RES_ADDRESS)
      continue;
    LwPrefix network = lw_prefix_network(&address->prefix);
    g_hash_table_add(keys, connected_key(address, &network));
  }
  return keys;
}

static gboolean is_connected(const LwResource *r, GHashTable *connected) {
  g_autofree char *key = r->kind == LW_RES_ROUTE ? connected_key(r, &r->prefix) : NULL;
  return key && g_hash_table_contains(connected, key);
}

static gboolean is_placed(const LwResource *r) {
  return r->kind == LW_RES_ROUTE || r->kind == LW_RES_RULE || r->kind == LW_RES_ADDRESS;
}

static void compare_extra(const LwResource *r, GHashTable *connected, const LwResourceSet *wanted,
                          GString *out) {
  gboolean local = r->link && g_str_equal(r->link, "lo");
  gboolean six = r->kind == LW_RES_ADDRESS && r->prefix.addr.family == 6;
  if (!is_placed(r) || local || six || is_kernels_own(r) || is_there(wanted, r) ||
      is_connected(r, connected) || has_client(wanted, r->ns, r->link))
    return;
  if (r->kind == LW_RES_ROUTE && r->table == 254) { /* wanted ones leave the main table out */
    g_autoptr(LwResource) same = lw_resource_new(LW_RES_ROUTE, r->ns, NULL);
    same->prefix = r->prefix;
    same->metric = r->metric;
    if (is_there(wanted, same))
      return;
  }
  tell_missing(out, r, "nothing asks for it");
}

static void compare_implied(const LwResourceSet *seen, const LwResourceSet *wanted, GString *out) {
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *r = wanted->list->pdata[i];
    if (r->kind == LW_RES_ADDRESS)
      compare_connected(seen, r, out);
    else if (r->kind == LW_RES_DHCP_CLIENT && is_ours(wanted, r->ns))
      compare_lease(seen, r, out);
    else if (r->kind == LW_RES_NETNS && is_ours(wanted, r->name) &&
             setting_of(seen, r->name, "net/ipv4/ip_forward"))
      compare_first_rules(seen, r->name, out);
  }
  g_autoptr(GHashTable) connected = connected_routes(seen);
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (!is_ours(wanted, r->ns))
      continue;
    if (r->kind == LW_RES_SYSCTL)
      compare_setting(r, wanted, out);
    else
      compare_extra(r, connected, wanted, out);
  }
}

char *lw_in_force_compare(LwResourceSet *seen, const LwResourceSet *wanted) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *resource = wanted->list->pdata[i];
    if (resource->kind == LW_RES_RULESET)
      compare_one(seen, resource, out);
  }
  compare_implied(seen, wanted, out);
  return g_string_free(out, FALSE);
}

/* --- what would be
 * ---------------------------------------------------------------------------------------------------------
 */

static void leave_out(GHashTable *gone, const LwResourceSet *seen, const LwResource *resource) {
  if (!resource)
    return;
  if (resource->kind != LW_RES_RULESET) {
    g_hash_table_add(gone, lw_resource_key(resource));
    return;
  }
  g_autoptr(LwRuleset) loaded = resource->ruleset ? lw_nft_as_loaded(resource->ruleset) : NULL;
  const LwResource *table = loaded ? find_table(seen, resource, loaded->name) : NULL;
  if (table)
    g_hash_table_add(gone, lw_resource_key(table));
}

static void put_table(LwResourceSet *out, const LwResource *wanted) {
  g_autoptr(LwRuleset) loaded = lw_nft_as_loaded(wanted->ruleset);
  g_autofree char *name =
      g_strdup_printf("%s after", loaded->name); /* a key of its own: two families share a table's name */
  LwResource *table = lw_resource_new(LW_RES_RULESET, wanted->ns, name);
  table->ruleset = lw_ruleset_normalize(loaded);
  while (is_there(out, table))
    table->instance++;
  lw_resource_set_add(out, table);
}

static gboolean is_among(const LwResourceSet *seen, const LwResource *resource) {
  for (guint i = 0; i < seen->list->len; i++)
    if (g_strcmp0(((LwResource *)seen->list->pdata[i])->ns, resource->ns ? resource->ns : "") == 0)
      return TRUE;
  return FALSE;
}

LwResourceSet *lw_in_force_after(const LwResourceSet *seen, const LwPlan *plan, const LwResourceSet *wanted) {
  LwResourceSet *out = lw_resource_set_new();
  g_autoptr(GHashTable) gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    leave_out(gone, seen, change->from);
    leave_out(gone, seen, change->to);
  }
  for (guint i = 0; i < wanted->list->len; i++)
    if (((LwResource *)wanted->list->pdata[i])->kind == LW_RES_RULESET)
      leave_out(gone, seen, wanted->list->pdata[i]);
  for (guint i = 0; i < seen->list->len; i++) {
    LwResource *resource = seen->list->pdata[i];
    g_autofree char *key = lw_resource_key(resource);
    if (!g_hash_table_contains(gone, key))
      lw_resource_set_add(out, lw_resource_ref(resource));
  }
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    if (change->to && change->to->kind != LW_RES_RULESET)
      lw_resource_set_add(out, lw_resource_ref(change->to));
  }
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *resource = wanted->list->pdata[i];
    if (resource->kind == LW_RES_RULESET && resource->ruleset && is_among(seen, resource))
      put_table(out, resource);
  }
  return out; /* not complete: an address that comes brings its route */
}
