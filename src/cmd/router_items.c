#include "cmd/router_items.h"
#include "cmd/router_vm.h"

#include "audit/audit.h"
#include "base/error.h"
#include "base/files.h"
#include "policy/policy.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/apikey.h"
#include "providers/opnsense/merge.h"
#include "providers/opnsense/opnsense.h"
#include "providers/opnsense/ready.h"

#include <string.h>
#include <sys/stat.h>

#define FOLDER LW_STATE_DIR "/opnsense"
#define FIRST FOLDER "/first.xml" /* before lanward ever changed it */
#define LAST FOLDER "/last.xml"   /* before the last change */
#define NEW FOLDER "/new.xml"     /* to be restored */
#define LATER LW_STATE_DIR "/opnsense-undo"

LwProvider *lw_router_provider(GPtrArray *providers) {
  for (guint i = 0; i < providers->len; i++)
    if (lw_provider_handles(providers->pdata[i], LW_RES_ROUTER_ITEM))
      return providers->pdata[i];
  return NULL;
}

gboolean lw_router_is_opnsense(const LwSession *session) {
  return session->host && !lw_policy_router_is_namespace(session->lab, session->facts);
}

/* The virtual machine starts after the bridges are there, and they are made by what runs then. */
void lw_router_at_boot(LwProvider *provider) {
  lw_opnsense_provider_postpone(provider, LATER);
}

gboolean lw_router_waits(void) {
  return g_file_test(LATER, G_FILE_TEST_EXISTS);
}

gboolean lw_router_settle(LwProvider *provider, GError **error) {
  if (lw_opnsense_provider_undo_later(provider, LATER, error))
    return TRUE;
  g_prefix_error_literal(error, "a change of the OPNsense was cut short before the boot, and is still to be "
                                "undone there: ");
  return FALSE;
}

/* ---- what it says of itself ---- */

void lw_router_seen_unref(LwRouterSeen *seen) {
  if (!seen || --seen->refs)
    return;
  g_free(seen->url);
  g_free(seen->version);
  lw_secret_clear(seen->config);
  g_free(seen->assumed);
  g_free(seen->trouble);
  g_free(seen);
}

static gboolean at_boot(const LwSession *session) {
  return g_str_equal(session->invocation->verb, "boot") || g_str_equal(session->invocation->verb, "block");
}

/* Verbs that are of use without the router. */
static gboolean does_without(const LwSession *session) {
  static const char *const verbs[] = {"boot",  "block", "status", "exec", "drops",
                                      "watch", "start", "stop",   NULL};
  return g_strv_contains(verbs, session->invocation->verb);
}

static char *key_file_of(const LwRouter *router) {
  return g_path_is_absolute(router->api_key_file) || !router->folder
             ? g_strdup(router->api_key_file)
             : g_build_filename(router->folder, router->api_key_file, NULL);
}

gboolean lw_router_is_ready(const LwSession *session, GError **error) {
  const LwRouter *router = &session->lab->router;
  g_autofree char *path = key_file_of(router);
  g_autoptr(LwOpnKey) key = lw_opn_key_read(path, error);
  g_autoptr(LwOpnApi) api = key ? lw_opn_api_new(router->api_url, key, router->api_certificate) : NULL;
  return api && lw_opn_wait_ready(api, session->lab->tunnels->len, 0, NULL, error);
}

/* One that the file makes (router.create) is there with the end of the first apply; without an API it is left
 * at what it was made with. */
static const char *not_yet(const LwSession *session) {
  const LwRouter *router = &session->lab->router;
  if (!router->create)
    return NULL;
  if (!session->facts->domains || !g_hash_table_lookup(session->facts->domains, router->vm))
    return "it is not made yet";
  if (g_str_equal(session->invocation->verb, "down"))
    return "it goes with its virtual machine";
  return router->api_url ? NULL : "the file names no API for it: it stays as it was made";
}

/* An address by lease is in no config.xml. A router that does not tell it is proved with one that is assumed.
 */
static void learn_wan(LwRouterSeen *seen, LwOpnApi *api) {
  g_autoptr(GError) inner = NULL;
  if (!lw_opn_api_lease(api, seen->config, &seen->wan, &inner))
    seen->assumed =
        g_strdup_printf("WAN's address is assumed: the router does not tell it (%s)", inner->message);
}

static gboolean ask(const LwSession *session, LwRouterSeen *seen, GError **error) {
  const LwRouter *router = &session->lab->router;
  if (!router->api_url || !router->api_key_file) {
    g_autofree char *place = lw_origin_format(&router->origin);
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE,
                "%s: the file does not say how the OPNsense is reached: router: {kind: opnsense, api: {url: "
                "https://ADDRESS, key-file: PATH}}; docs/opnsense.md has the steps",
                place);
    return FALSE;
  }
  g_autofree char *key_file = key_file_of(router);
  /* of one that the file makes, its own console told it */
  g_autofree char *told = router->api_certificate ? NULL : lw_router_vm_certificate(session);
  LwOpnTarget target = {router->api_url, key_file, told ? told : router->api_certificate};
  if (!lw_opnsense_provider_connect(session->router, &target, error))
    return FALSE;
  LwOpnApi *api = lw_opnsense_provider_api(session->router);
  seen->version = lw_opn_api_version(api, error);
  seen->known = seen->version && lw_opn_version_known(seen->version);
  seen->config = seen->version ? lw_opn_api_download(api, error) : NULL;
  if (!seen->config)
    g_prefix_error(error, "the router at %s: ", router->api_url);
  else
    learn_wan(seen, api);
  return seen->config != NULL;
}

/* WAN is in the network that its lease is of; as long as that is not known, in that of the host's uplink. */
static void learn_home_lan(LwSession *session, const LwResourceSet *seen) {
  const LwHost *host = &session->lab->host;
  const LwRouterSeen *router = session->router_seen;
  if (router && lw_addr_is_set(&router->wan.address.addr)) {
    session->facts->home_lan = lw_prefix_network(&router->wan.address);
    return;
  }
  for (guint i = 0; i < seen->list->len; i++) {
    const LwResource *r = seen->list->pdata[i];
    if (r->kind == LW_RES_ADDRESS && (!r->ns || !*r->ns) && r->prefix.addr.family == 4 && r->link &&
        (g_str_equal(r->link, host->bridge) || g_strcmp0(r->link, session->host->uplink) == 0))
      session->facts->home_lan = lw_prefix_network(&r->prefix);
  }
}

gboolean lw_router_learn(LwSession *session, const LwResourceSet *seen, GError **error) {
  if (!lw_router_is_opnsense(session))
    return TRUE;
  const char *url = session->lab->router.api_url;
  if (session->router_seen && g_strcmp0(session->router_seen->url, url) == 0) {
    learn_home_lan(session, seen);
    return TRUE;
  }
  g_clear_pointer(&session->router_seen, lw_router_seen_unref);
  LwRouterSeen *made = g_new0(LwRouterSeen, 1);
  made->refs = 1;
  made->url = g_strdup(url);
  session->router_seen = made;
  g_autoptr(GError) inner = NULL;
  if (at_boot(session) || not_yet(session)) {
    made->trouble = g_strdup(at_boot(session) ? "it is not asked at boot" : not_yet(session));
  } else if (!ask(session, made, &inner)) {
    if (!does_without(session)) {
      g_propagate_error(error, g_steal_pointer(&inner));
      return FALSE;
    }
    made->trouble = g_strdup(inner->message);
  }
  learn_home_lan(session, seen);
  if (!made->config)
    lw_opnsense_provider_postpone(session->router, at_boot(session) ? LATER : NULL);
  return TRUE;
}

/* ---- what is wanted of it ---- */

void lw_router_plan_free(LwRouterPlan *plan) {
  if (!plan)
    return;
  g_ptr_array_unref(plan->goes);
  g_ptr_array_unref(plan->stays);
  g_ptr_array_unref(plan->idle);
  g_ptr_array_unref(plan->by_hand);
  g_ptr_array_unref(plan->notes);
  g_free(plan->only_read);
  lw_secret_clear(plan->made);
  lw_secret_clear(plan->merged);
  if (plan->gone)
    lw_resource_set_free(plan->gone);
  g_free(plan);
}

static LwRouterPlan *plan_new(void) {
  LwRouterPlan *plan = g_new0(LwRouterPlan, 1);
  plan->goes = g_ptr_array_new_with_free_func(g_free);
  plan->stays = g_ptr_array_new_with_free_func(g_free);
  plan->idle = g_ptr_array_new_with_free_func(g_free);
  plan->by_hand = g_ptr_array_new_with_free_func(g_free);
  plan->notes = g_ptr_array_new_with_free_func(g_free);
  return plan;
}

static gboolean has(const LwResourceSet *set, const LwResource *resource) {
  g_autofree char *key = lw_resource_key(resource);
  return lw_resource_set_find(set, key) != NULL;
}

/* Nobody is there to say what is: what lanward left there is taken for what is there. */
static gboolean add_owned(const LwSession *session, LwResourceSet *wanted, GError **error) {
  g_autoptr(LwResourceSet) owned = lw_engine_owned(session->engine, error);
  for (guint i = 0; owned && i < owned->list->len; i++) {
    LwResource *r = owned->list->pdata[i];
    if (r->kind == LW_RES_ROUTER_ITEM)
      lw_resource_set_add(wanted, lw_resource_ref(r));
  }
  return owned != NULL;
}

static void add_by_hand(LwRouterPlan *plan, LwResourceSet *wanted, const char *name, const char *steps) {
  g_autofree char *whole = g_strconcat("by-hand/", name, NULL);
  LwResource *marker = lw_resource_new(LW_RES_ROUTER_ITEM, NULL, whole);
  marker->observed = TRUE;
  marker->value = g_strdup("{}");
  marker->link = g_strdup(steps);
  if (has(wanted, marker)) {
    lw_resource_unref(marker);
    return;
  }
  g_ptr_array_add(plan->by_hand, g_strdup(steps));
  lw_resource_set_add(wanted, marker);
}

/* An interface that the lab needs is not there, or has another device or address. */
static gboolean lacks_interface(const LwOpn *there, const LwOpn *merged, const char **which) {
  for (guint i = 0; i < merged->interfaces->len; i++) {
    const LwOpnInterface *wanted = merged->interfaces->pdata[i], *own = lw_opn_interface(there, wanted->key);
    *which = wanted->descr;
    if (wanted->enabled && (!own || !own->enabled || g_strcmp0(own->device, wanted->device) != 0 ||
                            g_strcmp0(own->ipaddr, wanted->ipaddr) != 0 || own->subnet != wanted->subnet))
      return TRUE;
  }
  return FALSE;
}

/* What has a page of its own, and changes nothing of who reaches whom through the router. */
static const struct {
  const char *part, *name, *steps;
} pages[] = {
    {"the web page's settings", "web-page",
     "System: Settings: Administration: Web GUI: protocol HTTPS, listen interfaces: the management network's "
     "alone, “Disable anti-lockout” on"},
    {"SSH's settings", "ssh",
     "System: Settings: Administration: Secure Shell: listen interfaces: the management network's alone"},
    {"NTP", "ntp", "Services: Network Time: General: interfaces: the management network's alone"},
};

static gboolean has_page(LwRouterPlan *plan, LwResourceSet *wanted, const char *part) {
  for (guint i = 0; i < G_N_ELEMENTS(pages); i++)
    if (g_str_equal(pages[i].part, part)) {
      add_by_hand(plan, wanted, pages[i].name, pages[i].steps);
      return TRUE;
    }
  return FALSE;
}

static gboolean is_new_tunnel(const LwOpnChange *change) {
  return !change->before && g_str_equal(change->kind->name, "instance");
}

static gboolean differs(const LwOpnChange *change, const char *field) {
  return !g_str_equal(json_object_get_string_member_with_default(change->before, field, ""),
                      json_object_get_string_member_with_default(change->after, field, ""));
}

/* Keys are in no resource, and so in no journal: what another one is set with could not be undone. The file
 * to be restored has them. NULL: they are the same. */
static const char *other_key(const LwOpnChange *change) {
  if (!change->before || !change->after)
    return NULL;
  if (g_str_equal(change->kind->name, "instance") &&
      (differs(change, "pubkey") || differs(change, "privkey")))
    return "key";
  return g_str_equal(change->kind->name, "peer") && differs(change, "psk") ? "preshared key" : NULL;
}

static void need_restart(LwRouterPlan *plan, LwResourceSet *wanted, const char *why) {
  plan->restart = TRUE;
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, why, -1);
  digest[8] = '\0';
  add_by_hand(plan, wanted, digest, why);
}

static void need_restart_for(LwRouterPlan *plan, LwResourceSet *wanted, const GPtrArray *parts,
                             const GPtrArray *changes, const LwOpnMergeNotes *notes, const LwOpn *there,
                             const LwOpn *merged) {
  const char *which = NULL;
  if (lacks_interface(there, merged, &which)) {
    g_autofree char *why = g_strdup_printf("interface %s is missing, or has another card or address (a new "
                                           "segment's virtual card is given to the machine first)",
                                           which);
    need_restart(plan, wanted, why);
  }
  for (guint i = 0; i < changes->len; i++) {
    const LwOpnChange *change = changes->pdata[i];
    const char *key = other_key(change);
    g_autofree char *why = is_new_tunnel(change) ? g_strdup_printf("tunnel %s is new", change->descr)
                           : key
                               ? g_strdup_printf("tunnel %s has another %s than the file", change->descr, key)
                               : NULL;
    if (why)
      need_restart(plan, wanted, why);
  }
  if (notes->legacy) {
    g_autofree char *why =
        g_strdup_printf("%u rules of the old page go, which the API only deletes all at once", notes->legacy);
    need_restart(plan, wanted, why);
  }
  for (guint i = 0; i < parts->len; i++) {
    const char *part = parts->pdata[i];
    if (g_str_equal(part, "interfaces and their addresses") || has_page(plan, wanted, part))
      continue;
    need_restart(plan, wanted, part);
  }
}

/* What a person does, in order, where a whole config.xml is needed. */
static char *restart_steps(const LwSession *session) {
  const LwRouter *router = &session->lab->router;
  return g_strdup_printf("by hand, at %s: 1. where a segment is new: give the virtual machine %s a card on "
                         "its bridge, the last one, once "
                         "apply has made the bridge; 2. System: Configuration: Backups: Download, and keep "
                         "the file; 3. Restore, area "
                         "“All”: %s, which apply writes (it holds secrets); it restarts; 4. lanward apply "
                         "again: what is left goes by the "
                         "API",
                         router->api_url, router->vm ? router->vm : "opnsense", NEW);
}

static void add_steps(const LwSession *session, LwRouterPlan *plan) {
  if (plan->restart)
    g_ptr_array_add(plan->by_hand, restart_steps(session));
}

/* Why nothing is written, NULL: it is. */
static char *reason_to_read(const LwSession *session) {
  if (!(session->lab->manage & LW_MANAGE_ROUTER))
    return g_strdup("“manage:” leaves the router out: it is read and proved, nothing is written");
  if (session->lab->router.adopt == LW_ADOPT_OBSERVE)
    return g_strdup("“adopt: observe”: it is read and proved, nothing is written");
  if (!session->router_seen->known)
    return g_strdup_printf("OPNsense %s is not a version that this lanward knows (26.7): it is read and "
                           "proved, nothing is written",
                           session->router_seen->version);
  return NULL;
}

static char *reason_to_wait(const LwRouterPlan *plan) {
  if (plan->restart)
    return g_strdup("a config.xml has to be restored first: until then nothing of it is changed by the API");
  return NULL;
}

static gboolean refuse_foreign(const LwSession *session, const LwRouterPlan *plan, GError **error) {
  if (session->lab->router.adopt != LW_ADOPT_NONE || plan->only_read || plan->goes->len == 0)
    return FALSE;
  g_autofree char *place = lw_origin_format(&session->lab->router.origin);
  g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
              "%s: the OPNsense was configured by hand: %u rules of the lab's interfaces are not lanward's "
              "(“%s”); say “adopt: replace” to take it over (the plan names them all), or “adopt: observe”",
              place, plan->goes->len, (const char *)plan->goes->pdata[0]);
  return TRUE;
}

static gboolean compare(const LwSession *session, LwRouterPlan *plan, const char *made, LwResourceSet *wanted,
                        GError **error) {
  const char *there = session->router_seen->config;
  LwOpnMergeNotes notes = {plan->goes, plan->stays, 0};
  g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
  plan->merged = lw_opn_merge(there, made, &notes, error);
  if (!plan->merged)
    return FALSE;
  g_autoptr(GPtrArray) changes = lw_opn_changes(there, plan->merged, parts, error);
  g_autoptr(LwOpn) old = changes ? lw_opn_parse(there, strlen(there), error) : NULL;
  g_autoptr(LwOpn) new = old ? lw_opn_parse(plan->merged, strlen(plan->merged), error) : NULL;
  if (!new)
    return FALSE;
  need_restart_for(plan, wanted, parts, changes, &notes, old, new);
  plan->only_read = reason_to_read(session);
  plan->restart = plan->restart && !plan->only_read;
  if (refuse_foreign(session, plan, error))
    return FALSE;
  if (!plan->only_read)
    plan->only_read = reason_to_wait(plan);
  add_steps(session, plan);
  return TRUE;
}

/* While a person has to restore something first, what lanward made there stays as it is, and stays lanward's:
 * given up, it would be nobody's to take away any more. */
static gboolean keep_owned(const LwSession *session, const LwResourceSet *now, LwResourceSet *wanted,
                           GError **error) {
  g_autoptr(LwResourceSet) owned = lw_engine_owned(session->engine, error);
  for (guint i = 0; owned && i < now->list->len; i++)
    if (has(owned, now->list->pdata[i]))
      lw_resource_set_add(wanted, lw_resource_ref(now->list->pdata[i]));
  return owned != NULL;
}

static gboolean add_items(const LwSession *session, LwRouterPlan *plan, const char *there, const char *made,
                          LwResourceSet *wanted, GError **error) {
  g_autoptr(LwResourceSet) ours = lw_opn_all_items(made, error);
  g_autoptr(LwResourceSet) merged = ours ? lw_opn_all_items(plan->merged, error) : NULL;
  g_autoptr(LwResourceSet) now = merged ? lw_opn_all_items(there, error) : NULL;
  gboolean waits = plan->only_read && !reason_to_read(session);
  if (!now || (waits && !keep_owned(session, now, wanted, error)))
    return FALSE;
  for (guint i = 0; i < merged->list->len; i++) {
    LwResource *r = merged->list->pdata[i];
    if (!has(ours, r) || has(wanted, r))
      continue;
    r->observed = plan->only_read != NULL;
    lw_resource_set_add(wanted, lw_resource_ref(r));
  }
  plan->gone = lw_resource_set_new();
  for (guint i = 0; !plan->only_read && i < now->list->len; i++)
    if (!has(merged, now->list->pdata[i]))
      lw_resource_set_add(plan->gone, lw_resource_ref(now->list->pdata[i]));
  return TRUE;
}

gboolean lw_router_add_items(LwSession *session, LwResourceSet *wanted, GError **error) {
  g_clear_pointer(&session->router_plan, lw_router_plan_free);
  if (!session->router_seen || !lw_router_is_opnsense(session))
    return TRUE;
  if (!session->router_seen->config)
    return add_owned(session, wanted, error);
  LwRouterPlan *plan = session->router_plan = plan_new();
  plan->made = lw_opn_config(session->lab, session->facts, session->secrets, NULL, plan->notes, error);
  return plan->made && compare(session, plan, plan->made, wanted, error) &&
         add_items(session, plan, session->router_seen->config, plan->made, wanted, error);
}

gboolean lw_router_writes(LwSession *session, GError **error) {
  if (!session->router_seen)
    return TRUE;
  g_autoptr(LwResourceSet) wanted = lw_session_wanted(session, error);
  if (!wanted)
    return FALSE;
  const char *why = session->router_plan ? session->router_plan->only_read : NULL;
  if (why)
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "nothing was changed: the router is an OPNsense: %s",
                why);
  return !why;
}

/* ---- a way back, and a way on ---- */

static gboolean write_secret(const char *path, const char *text, GError **error) {
  return lw_file_write_atomic(path, text, strlen(text), 0600, error);
}

static guint items_in(const LwPlan *plan) {
  guint count = 0;
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    count += (change->to ? change->to : change->from)->kind == LW_RES_ROUTER_ITEM;
  }
  return count;
}

gboolean lw_router_save(const LwSession *session, const LwPlan *plan, GError **error) {
  const LwRouterPlan *router = session->router_plan;
  gboolean told = !session->invocation->quiet && !session->invocation->json;
  guint items = items_in(plan);
  if (!router || (!items && !router->restart))
    return TRUE;
  if (g_mkdir_with_parents(FOLDER, 0700) != 0 || chmod(FOLDER, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", FOLDER);
    return FALSE;
  }
  const char *now = session->router_seen->config;
  if ((!g_file_test(FIRST, G_FILE_TEST_EXISTS) && !write_secret(FIRST, now, error)) ||
      !write_secret(LAST, now, error) || (router->restart && !write_secret(NEW, router->merged, error)))
    return FALSE;
  if (told && items)
    g_print(
        "saved: %s, the OPNsense as it is now, and %s, as it was before lanward's first change: to go back, "
        "System: Configuration: Backups: Restore\n",
        LAST, FIRST);
  if (told && router->restart)
    g_print("wrote: %s (mode 600)\n%s\n", NEW, (char *)router->by_hand->pdata[router->by_hand->len - 1]);
  return TRUE;
}

/* Titles of what the audit finds idle: another rule before it decides, or no packet meets it. */
static GHashTable *idle_in(const char *config) {
  GHashTable *out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(LwOpn) opn = lw_opn_parse(config, strlen(config), NULL);
  g_autoptr(LwAudit) audit = opn ? lw_audit_new(opn) : NULL;
  for (guint i = 0; audit && i < audit->findings->len; i++) {
    const LwAuditFinding *finding = audit->findings->pdata[i];
    if (g_str_equal(finding->kind, "shadowed") || g_str_equal(finding->kind, "never-matches"))
      g_hash_table_add(out, g_strdup(finding->title));
  }
  return out;
}

/* Some of lanward's own are idle in any lab: a second line that is never needed. */
static void find_idle(LwRouterPlan *plan) {
  if (plan->idle->len || plan->stays->len == 0)
    return;
  g_autoptr(GHashTable) then = idle_in(plan->merged), ours = idle_in(plan->made);
  g_autoptr(GList) titles = g_list_sort(g_hash_table_get_keys(then), (GCompareFunc)strcmp);
  for (GList *each = titles; each; each = each->next)
    if (!g_hash_table_contains(ours, each->data))
      g_ptr_array_add(plan->idle, g_strdup(each->data));
}

static void add_lines(GPtrArray *out, const char *head, const GPtrArray *texts) {
  for (guint i = 0; i < texts->len; i++)
    g_ptr_array_add(out, g_strdup_printf("%s %s", head, (const char *)texts->pdata[i]));
}

GPtrArray *lw_router_lines(const LwSession *session) {
  GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
  const LwRouterSeen *seen = session->router_seen;
  LwRouterPlan *plan = session->router_plan;
  if (!seen)
    return out;
  if (!seen->config) {
    g_ptr_array_add(out, g_strdup_printf("router: OPNsense, not asked: %s", seen->trouble));
    return out;
  }
  g_ptr_array_add(out, g_strdup_printf("router: OPNsense %s at %s%s%s", seen->version, seen->url,
                                       plan && plan->only_read ? ": " : "",
                                       plan && plan->only_read ? plan->only_read : ""));
  if (seen->assumed)
    g_ptr_array_add(out, g_strdup_printf("note:   %s", seen->assumed));
  if (!plan)
    return out;
  find_idle(plan);
  if (plan->restart)
    g_ptr_array_add(out, g_strdup(plan->by_hand->pdata[plan->by_hand->len - 1]));
  add_lines(out, "goes:  ", plan->goes);
  add_lines(out, "stays: ", plan->stays);
  add_lines(out, "idle:  ", plan->idle);
  add_lines(out, "note:  ", plan->notes);
  if (!plan->only_read && plan->goes->len)
    g_ptr_array_add(out, g_strdup_printf("saved by apply, to go back to: %s", FIRST));
  return out;
}

static void add_list(JsonObject *object, const char *name, const GPtrArray *texts) {
  JsonArray *array = json_array_new();
  for (guint i = 0; i < texts->len; i++)
    json_array_add_string_element(array, texts->pdata[i]);
  json_object_set_array_member(object, name, array);
}

JsonObject *lw_router_json(const LwSession *session) {
  const LwRouterSeen *seen = session->router_seen;
  LwRouterPlan *plan = session->router_plan;
  if (!seen)
    return NULL;
  JsonObject *object = json_object_new();
  json_object_set_string_member(object, "kind", "opnsense");
  json_object_set_string_member(object, "url", seen->url ? seen->url : "");
  if (seen->version)
    json_object_set_string_member(object, "version", seen->version);
  if (seen->trouble)
    json_object_set_string_member(object, "trouble", seen->trouble);
  if (lw_addr_is_set(&seen->wan.address.addr)) {
    g_autofree char *wan = lw_prefix_format(&seen->wan.address);
    json_object_set_string_member(object, "wan", wan);
  }
  if (seen->assumed)
    json_object_set_string_member(object, "assumed", seen->assumed);
  if (!plan)
    return object;
  if (plan->only_read)
    json_object_set_string_member(object, "only_read", plan->only_read);
  add_list(object, "goes", plan->goes);
  add_list(object, "stays", plan->stays);
  add_list(object, "by_hand", plan->by_hand);
  add_list(object, "notes", plan->notes);
  return object;
}
