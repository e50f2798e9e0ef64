/* Resources, by namespace and by what is asked of them. */
#include "reach/internal.h"

#include <string.h>

static void link_free(gpointer data) {
  Link *link = data;
  g_array_unref(link->ports);
  g_free(link);
}

void lw_reach_ns_free(gpointer data) {
  Ns *ns = data;
  g_ptr_array_unref(ns->links);
  g_hash_table_unref(ns->link_by_name);
  g_ptr_array_unref(ns->rulesets);
  for (guint i = 0; i < HOOKS; i++) {
    g_clear_pointer(&ns->hooks[i], g_array_unref);
    g_clear_pointer(&ns->bridge_hooks[i], g_array_unref);
  }
  g_ptr_array_unref(ns->routes);
  g_hash_table_unref(ns->tables);
  g_array_unref(ns->lookups);
  g_hash_table_unref(ns->sysctls);
  g_free(ns);
}

static void ruleset_unref(gpointer data) {
  lw_ruleset_unref(data);
}

static Ns *ns_new(const char *name) {
  Ns *ns = g_new0(Ns, 1);
  ns->name = name;
  ns->links = g_ptr_array_new_with_free_func(link_free);
  ns->link_by_name = g_hash_table_new(g_str_hash, g_str_equal);
  ns->rulesets = g_ptr_array_new_with_free_func(ruleset_unref);
  for (guint i = 0; i < HOOKS; i++) {
    ns->hooks[i] = g_array_new(FALSE, FALSE, sizeof(Hooked));
    ns->bridge_hooks[i] = g_array_new(FALSE, FALSE, sizeof(Hooked));
  }
  ns->routes = g_ptr_array_new();
  ns->tables = g_hash_table_new_full(NULL, NULL, NULL, lw_reach_tables_free);
  ns->lookups = g_array_new(FALSE, FALSE, sizeof(Lookup));
  ns->sysctls = g_hash_table_new(g_str_hash, g_str_equal);
  return ns;
}

Ns *lw_reach_ns(const LwReach *reach, const char *name) {
  return g_hash_table_lookup(reach->ns_by_name, name ? name : "");
}

Link *lw_reach_link(const Ns *ns, const char *name) {
  return name ? g_hash_table_lookup(ns->link_by_name, name) : NULL;
}

gboolean lw_reach_is_member(LwReach *reach, LwMdd set, LwHeaderField field, const LwAddr *addr) {
  return lw_mdd_intersects(reach->pool, set, lw_packets_addr(reach->pool, field, addr));
}

/* --- links
 * -------------------------------------------------------------------------------------------------------- */

static void add_link(LwReach *reach, Ns *ns, const LwResource *resource) {
  if (g_hash_table_contains(ns->link_by_name, resource->name))
    return;
  Link *link = g_new0(Link, 1);
  link->ns = ns;
  link->name = resource->name;
  link->resource = resource;
  link->is_bridge = resource->kind == LW_RES_LINK && resource->link_type == LW_LINK_BRIDGE;
  link->up = resource->up;
  link->isolated = resource->isolated;
  link->ports = g_array_new(FALSE, FALSE, sizeof(guint));
  if (resource->kind == LW_RES_LINK && resource->link_type == LW_LINK_VETH) {
    link->peer_ns = resource->peer_ns ? resource->peer_ns : "";
    link->peer = resource->peer;
  }
  if (resource->unknown) {
    g_autofree char *text = g_strdup_printf("%s%slink %s: %s", ns->name, *ns->name ? ": " : "",
                                            resource->name, resource->unknown);
    lw_reach_note_unknown(reach, text);
  }
  g_ptr_array_add(ns->links, link);
  link->number = ns->links->len;
  g_hash_table_insert(ns->link_by_name, (gpointer)link->name, link);
}

static void join_bridges(Ns *ns) {
  for (guint i = 0; i < ns->links->len; i++) {
    Link *link = ns->links->pdata[i];
    if (link->resource->kind != LW_RES_LINK || !link->resource->master || !*link->resource->master)
      continue;
    Link *bridge = lw_reach_link(ns, link->resource->master);
    if (!bridge)
      continue;
    link->master = bridge->number;
    bridge->is_bridge = TRUE;
    g_array_append_val(bridge->ports, link->number);
  }
}

static gboolean is_one(const char *value) {
  return value && !g_str_equal(value, "0");
}

static guint number_of(const char *value) {
  return value ? (guint)g_ascii_strtoull(value, NULL, 10) : 0;
}

static const char *setting(const Ns *ns, const char *name) {
  return g_hash_table_lookup(ns->sysctls, name);
}

/* What br_netfilter shows to the IP tables: the settings that end in these. */
static LwMdd shown_family(LwReach *reach, const char *setting_end) {
  if (g_str_equal(setting_end, "nf-call-iptables"))
    return lw_packets_family(reach->pool, 4);
  return g_str_equal(setting_end, "nf-call-ip6tables") ? lw_packets_family(reach->pool, 6) : LW_MDD_FALSE;
}

static gboolean is_set(const Ns *ns, const char *name) {
  return is_one(setting(ns, name));
}

/* What holds for all links that have no setting of their own. */
static void read_settings_of_all(LwReach *reach, Ns *ns) {
  const char *v4 = setting(ns, "net/ipv4/ip_forward");
  const char *v6 = setting(ns, "net/ipv6/conf/all/forwarding");
  gboolean v6_off =
      is_set(ns, "net/ipv6/conf/all/disable_ipv6") || is_set(ns, "net/ipv6/conf/default/disable_ipv6");
  ns->forward6 = !v6 || is_one(v6);
  if (is_set(ns, "net/bridge/bridge-nf-call-iptables"))
    ns->bridged = shown_family(reach, "nf-call-iptables");
  if (is_set(ns, "net/bridge/bridge-nf-call-ip6tables"))
    ns->bridged = lw_mdd_or(reach->pool, ns->bridged, shown_family(reach, "nf-call-ip6tables"));
  for (guint i = 0; i < ns->links->len; i++) {
    Link *link = ns->links->pdata[i];
    if (link->is_bridge)
      link->bridged = ns->bridged;
    link->v6 = !v6_off;
    link->forward4 = !v4 || is_one(v4);
    link->accept_local = is_set(ns, "net/ipv4/conf/all/accept_local");
    link->way_back = number_of(setting(ns, "net/ipv4/conf/all/rp_filter"));
  }
}

/* A link made later takes "default" over; the value of the link itself is the one that counts. what: behind
 * the link's name. */
static void read_setting_of_link(LwReach *reach, Link *link, const char *before, const char *what,
                                 const char *value) {
  if (g_str_equal(before, "net/ipv6/conf/")) {
    if (g_str_equal(what, "disable_ipv6"))
      link->v6 = !is_one(value);
  } else if (g_str_equal(before, "net/bridge/")) {
    if (link->is_bridge && is_one(value))
      link->bridged = lw_mdd_or(reach->pool, link->bridged, shown_family(reach, what));
  } else if (g_str_equal(what, "forwarding")) {
    link->forward4 = is_one(value);
  } else if (g_str_equal(what, "accept_local")) {
    link->accept_local |= is_one(value);
  } else if (g_str_equal(what, "rp_filter")) {
    link->way_back = MAX(link->way_back, number_of(value));
  }
}

static void read_settings(LwReach *reach, Ns *ns) {
  static const char *const of_links[] = {"net/ipv4/conf/", "net/ipv6/conf/", "net/bridge/"};
  GHashTableIter iter;
  gpointer name, value;
  read_settings_of_all(reach, ns);
  g_hash_table_iter_init(&iter, ns->sysctls);
  while (g_hash_table_iter_next(&iter, &name, &value)) {
    for (guint i = 0; i < G_N_ELEMENTS(of_links); i++) {
      const char *rest = name, *what;
      if (!g_str_has_prefix(name, of_links[i]))
        continue;
      rest += strlen(of_links[i]);
      what = strrchr(rest, '/');
      g_autofree char *of = what ? g_strndup(rest, (gsize)(what - rest)) : NULL;
      Link *link = lw_reach_link(ns, of);
      if (link)
        read_setting_of_link(reach, link, of_links[i], what + 1, value);
    }
  }
}

/* --- addresses
 * ---------------------------------------------------------------------------------------------------- */

/* A part of a set of the index. They are united at the end, all at once: thousands, one by one, would walk
 * the growing set each time. */
typedef struct {
  LwMdd *into;
  LwMdd part;
} Gathered;

static void or_into(LwReach *reach, LwMdd *set, LwMdd more) {
  const Gathered one = {set, more};
  g_array_append_val(reach->gathered, one);
}

static gint by_target(gconstpointer a, gconstpointer b) {
  const Gathered *one = a, *other = b;
  return one->into < other->into ? -1 : one->into > other->into;
}

static void unite_gathered(LwReach *reach) {
  GArray *all = reach->gathered;
  g_autofree LwMdd *parts = g_new(LwMdd, all->len + 1);
  g_array_sort(all, by_target);
  for (guint i = 0; i < all->len;) {
    LwMdd *into = g_array_index(all, Gathered, i).into;
    guint count = 0;
    for (; i < all->len && g_array_index(all, Gathered, i).into == into; i++)
      parts[count++] = g_array_index(all, Gathered, i).part;
    *into = lw_mdd_or_all(reach->pool, parts, count);
  }
}

static LwMdd prefix_set(LwReach *reach, LwHeaderField field, const char *text) {
  LwPrefix prefix;
  gboolean parsed = lw_prefix_parse(text, &prefix);
  g_assert(parsed);
  return lw_packets_prefix(reach->pool, field, &prefix);
}

static void or_prefix(LwReach *reach, LwMdd *set, LwHeaderField field, const char *text) {
  or_into(reach, set, prefix_set(reach, field, text));
}

static void add_address(LwReach *reach, Ns *ns, const LwResource *resource) {
  const LwAddr *addr = &resource->prefix.addr;
  Link *link = lw_reach_link(ns, resource->link);
  if (link && addr->family == 4 && !lw_addr_is_set(&link->address))
    link->address = *addr;
  if (link && addr->family == 6 && !lw_addr_is_set(&link->address6) && addr->bytes[0] != 0xfe)
    link->address6 = *addr;
  or_into(reach, &ns->local, lw_packets_addr(reach->pool, LW_HEADER_DADDR, addr));
  or_into(reach, &ns->owned, lw_packets_addr(reach->pool, LW_HEADER_DADDR, addr));
  or_into(reach, &ns->owned_source, lw_packets_addr(reach->pool, LW_HEADER_SADDR, addr));
  if (addr->family == 4) /* IPv6 takes its own addresses from anywhere */
    or_into(reach, &ns->martian, lw_packets_addr(reach->pool, LW_HEADER_SADDR, addr));
  if (addr->family != 4 || resource->prefix.len > 30)
    return;
  LwRange range = lw_prefix_range(&resource->prefix);
  LwMdd broadcast = lw_packets_addr(reach->pool, LW_HEADER_DADDR, &range.last);
  if (link)
    or_into(reach, &link->broadcast, broadcast);
  if (link && link->up) /* the kernel makes such a route with each address of a link that is up */
    or_into(reach, &ns->broadcasts, broadcast);
  /* sent on to where it is broadcast, when the kernel is told to; else everybody's broadcast is for it */
  if (!is_one(setting(ns, "net/ipv4/conf/all/bc_forwarding")))
    or_into(reach, &ns->local, broadcast);
  or_into(reach, &ns->martian, lw_packets_addr(reach->pool, LW_HEADER_SADDR, &range.last));
}

/* "0.0.0.0" may send to everybody on the wire, to nobody else. */
static void add_nameless(LwReach *reach, Ns *ns) {
  LwMdd nameless = prefix_set(reach, LW_HEADER_SADDR, "0.0.0.0/8");
  LwMdd everybody = prefix_set(reach, LW_HEADER_DADDR, "255.255.255.255/32");
  or_into(reach, &ns->martian, lw_mdd_minus(reach->pool, nameless, everybody));
}

static void add_well_known(LwReach *reach, Ns *ns) {
  add_nameless(reach, ns);
  or_prefix(reach, &ns->local, LW_HEADER_DADDR, "127.0.0.0/8");
  or_prefix(reach, &ns->local, LW_HEADER_DADDR, "224.0.0.0/4");
  or_prefix(reach, &ns->local, LW_HEADER_DADDR, "255.255.255.255/32");
  or_prefix(reach, &ns->local, LW_HEADER_DADDR, "::1/128");
  or_prefix(reach, &ns->local, LW_HEADER_DADDR, "fe80::/10");
  or_prefix(reach, &ns->local, LW_HEADER_DADDR, "ff00::/8");
  or_prefix(reach, &ns->broadcasts, LW_HEADER_DADDR, "255.255.255.255/32");
  or_prefix(reach, &ns->martian_destination, LW_HEADER_DADDR, "0.0.0.0/8");
  or_prefix(reach, &ns->martian_destination, LW_HEADER_DADDR, "127.0.0.0/8");
  or_prefix(reach, &ns->martian_destination, LW_HEADER_DADDR, "::1/128");
  or_prefix(reach, &ns->martian, LW_HEADER_SADDR, "127.0.0.0/8");
  or_prefix(reach, &ns->martian, LW_HEADER_SADDR, "224.0.0.0/4");
  or_prefix(reach, &ns->martian, LW_HEADER_SADDR, "255.255.255.255/32");
  or_prefix(reach, &ns->martian, LW_HEADER_SADDR, "::1/128");
  or_prefix(reach, &ns->martian, LW_HEADER_SADDR, "ff00::/8");
}

/* --- routing rules
 * ------------------------------------------------------------------------------------------------ */

#define TABLE_MAIN 254
#define TABLE_LOCAL 255

static LwMdd selection(LwReach *reach, const LwResource *rule) {
  LwMdd set = lw_packets_family(reach->pool, rule->ip_family == 6 ? 6 : 4);
  if (rule->from.addr.family)
    set = lw_mdd_and(reach->pool, set, lw_packets_prefix(reach->pool, LW_HEADER_SADDR, &rule->from));
  if (rule->to.addr.family)
    set = lw_mdd_and(reach->pool, set, lw_packets_prefix(reach->pool, LW_HEADER_DADDR, &rule->to));
  return set;
}

static void add_lookup(LwReach *reach, Ns *ns, const LwResource *rule) {
  Lookup lookup = {
      .priority = rule->priority,
      .table = rule->table ? rule->table : TABLE_MAIN,
      .mark = rule->mark,
      .mask = rule->mark_mask ? rule->mark_mask : G_MAXUINT32,
      .iif = rule->iif && *rule->iif ? rule->iif : NULL,
      .refuse = rule->action != LW_RULE_LOOKUP,
      .suppress_default = rule->suppress_default,
      .for_output = rule->oif && *rule->oif,
      .unsure = rule->unknown || rule->invert || rule->action == LW_RULE_OTHER,
      .selected = selection(reach, rule),
  };
  if (rule->unknown || rule->invert) {
    g_autofree char *text = g_strdup_printf("%s%srouting rule %u: %s", ns->name, *ns->name ? ": " : "",
                                            rule->priority, rule->unknown ? rule->unknown : "it is inverted");
    lw_reach_note_unknown(reach, text);
  }
  if (lookup.table == TABLE_LOCAL && !lookup.refuse)
    return; /* what is local is decided from the addresses */
  ns->by_iif |= lookup.iif != NULL;
  g_array_append_val(ns->lookups, lookup);
}

static gint by_priority(gconstpointer a, gconstpointer b) {
  const Lookup *one = a, *other = b;
  return one->priority < other->priority ? -1 : one->priority > other->priority;
}

/* The kernel makes these itself; a list of wanted rules does not name them. */
static void add_usual_lookups(LwReach *reach, Ns *ns) {
  for (guint8 family = 4; family <= 6 && !reach->world->complete; family += 2) {
    Lookup main_table = {.priority = 32766, .table = TABLE_MAIN, .mask = G_MAXUINT32};
    main_table.selected = lw_packets_family(reach->pool, family);
    g_array_append_val(ns->lookups, main_table);
  }
  g_array_sort(ns->lookups, by_priority);
}

/* --- rulesets
 * ----------------------------------------------------------------------------------------------------- */

static gint by_chain_priority(gconstpointer a, gconstpointer b) {
  const Hooked *one = a, *other = b;
  if (one->chain->priority != other->chain->priority)
    return one->chain->priority < other->chain->priority ? -1 : 1;
  return 0;
}

static gboolean needs_tracking(const GArray *fields) {
  static const LwField tracked[] = {LW_FIELD_CT_STATE,      LW_FIELD_CT_DIRECTION,   LW_FIELD_CT_DNAT,
                                    LW_FIELD_CT_SNAT,       LW_FIELD_CT_MARK,        LW_FIELD_CT_ORIG_SADDR,
                                    LW_FIELD_CT_ORIG_DADDR, LW_FIELD_CT_ORIG_SADDR6, LW_FIELD_CT_ORIG_DADDR6,
                                    LW_FIELD_CT_ORIG_SPORT, LW_FIELD_CT_ORIG_DPORT};
  for (guint i = 0; fields && i < fields->len; i++)
    for (guint t = 0; t < G_N_ELEMENTS(tracked); t++)
      if (g_array_index(fields, LwField, i) == tracked[t])
        return TRUE;
  return FALSE;
}

static gboolean rule_tracks(const LwRule *rule) {
  for (guint i = 0; i < rule->matches->len; i++)
    if (needs_tracking(((const LwMatch *)rule->matches->pdata[i])->fields))
      return TRUE;
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    if (action->kind == LW_ACTION_DNAT || action->kind == LW_ACTION_SNAT ||
        action->kind == LW_ACTION_REDIRECT || action->kind == LW_ACTION_MASQUERADE ||
        action->kind == LW_ACTION_SET_CT_MARK || action->kind == LW_ACTION_CT_FROM_MARK ||
        action->kind == LW_ACTION_MARK_FROM_CT || needs_tracking(action->fields))
      return TRUE;
  }
  return FALSE;
}

static gboolean ruleset_tracks(const LwRuleset *ruleset) {
  for (guint c = 0; c < ruleset->chains->len; c++) {
    const LwChain *chain = ruleset->chains->pdata[c];
    for (guint i = 0; i < chain->rules->len; i++)
      if (rule_tracks(chain->rules->pdata[i]))
        return TRUE;
  }
  return ruleset->stateful;
}

/* A namespace tracks flows of a family for as long as some rule of its needs that (nf_ct_netns_get()); a nat
 * chain alone does not, and is not asked for anything without (nf_nat_inet_fn()). */
static void find_tracking(Ns *ns) {
  ns->tracked4 = ns->tracked6 = FALSE;
  for (guint i = 0; i < ns->rulesets->len; i++) {
    const LwRuleset *ruleset = ns->rulesets->pdata[i];
    gboolean ip = ruleset->family == LW_FAMILY_IP || ruleset->family == LW_FAMILY_INET;
    gboolean ip6 = ruleset->family == LW_FAMILY_IP6 || ruleset->family == LW_FAMILY_INET;
    if ((ip || ip6) && ruleset_tracks(ruleset)) {
      ns->tracked4 |= ip;
      ns->tracked6 |= ip6;
    }
  }
}

void lw_reach_hook_rulesets(Ns *ns) {
  find_tracking(ns);
  for (guint h = 0; h < HOOKS; h++) {
    g_array_set_size(ns->hooks[h], 0);
    g_array_set_size(ns->bridge_hooks[h], 0);
  }
  for (guint i = 0; i < ns->rulesets->len; i++) {
    const LwRuleset *ruleset = ns->rulesets->pdata[i];
    if (ruleset->dormant || ruleset->family == LW_FAMILY_ARP)
      continue;
    for (guint c = 0; c < ruleset->chains->len; c++) {
      Hooked hooked = {ruleset, ruleset->chains->pdata[c]};
      if (hooked.chain->hook == LW_HOOK_NONE)
        continue;
      GArray **hooks = ruleset->family == LW_FAMILY_BRIDGE ? ns->bridge_hooks : ns->hooks;
      g_array_append_val(hooks[hooked.chain->hook], hooked);
    }
  }
  for (guint h = 0; h < HOOKS; h++) {
    g_array_sort(ns->hooks[h], by_chain_priority);
    g_array_sort(ns->bridge_hooks[h], by_chain_priority);
  }
}

/* --- all of it
 * ---------------------------------------------------------------------------------------------------- */

/* first: links and settings, which the rest refers to. */
static void add_resource(LwReach *reach, const LwResource *resource, gboolean first) {
  Ns *ns = lw_reach_ns(reach, resource->ns);
  if (!ns)
    return;
  if (first) {
    if (resource->kind == LW_RES_LINK || resource->kind == LW_RES_TUNNEL)
      add_link(reach, ns, resource);
    else if (resource->kind == LW_RES_SYSCTL)
      g_hash_table_insert(ns->sysctls, resource->name, resource->value);
    return;
  }
  switch (resource->kind) {
  case LW_RES_ADDRESS:
    add_address(reach, ns, resource);
    break;
  case LW_RES_ROUTE:
  case LW_RES_DHCP_CLIENT:
    g_ptr_array_add(ns->routes, (gpointer)resource);
    break;
  case LW_RES_RULE:
    add_lookup(reach, ns, resource);
    break;
  case LW_RES_RULESET:
    if (resource->ruleset)
      g_ptr_array_add(ns->rulesets, lw_ruleset_ref(resource->ruleset));
    break;
  default:
    break;
  }
}

static void sets_of(Ns *ns, GPtrArray *sets) {
  LwMdd *const own[] = {
      &ns->local,   &ns->owned,  &ns->owned_source, &ns->broadcasts, &ns->martian_destination,
      &ns->martian, &ns->bridged};
  for (guint i = 0; i < G_N_ELEMENTS(own); i++)
    g_ptr_array_add(sets, own[i]);
  for (guint i = 0; i < ns->links->len; i++) {
    Link *link = ns->links->pdata[i];
    g_ptr_array_add(sets, &link->bridged);
    g_ptr_array_add(sets, &link->broadcast);
  }
  for (guint i = 0; i < ns->lookups->len; i++)
    g_ptr_array_add(sets, &g_array_index(ns->lookups, Lookup, i).selected);
}

void lw_reach_index_world(LwReach *reach, const char *const *inside) {
  g_autoptr(GPtrArray) sets = g_ptr_array_new();
  reach->gathered = g_array_new(FALSE, FALSE, sizeof(Gathered));
  lw_mdd_scratch_begin(reach->pool);
  for (guint i = 0; inside[i]; i++) {
    Ns *ns = ns_new(inside[i]);
    g_ptr_array_add(reach->namespaces, ns);
    g_hash_table_insert(reach->ns_by_name, (gpointer)ns->name, ns);
  }
  const GPtrArray *list = reach->world->list;
  for (guint i = 0; i < list->len; i++)
    add_resource(reach, list->pdata[i], TRUE);
  for (guint i = 0; i < list->len; i++)
    add_resource(reach, list->pdata[i], FALSE);
  for (guint i = 0; i < reach->namespaces->len; i++) {
    Ns *ns = reach->namespaces->pdata[i];
    join_bridges(ns);
    read_settings(reach, ns);
    add_well_known(reach, ns);
    add_usual_lookups(reach, ns);
    lw_reach_hook_rulesets(ns);
    sets_of(ns, sets);
  }
  unite_gathered(reach);
  g_clear_pointer(&reach->gathered, g_array_unref);
  lw_mdd_scratch_end(reach->pool, (LwMdd *const *)sets->pdata, sets->len);
}
