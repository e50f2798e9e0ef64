/* verify --config: the static proof of a lab whose router is an OPNsense, by its config.xml alone; and the
 * same lab on the builtin router, compared with it. */
#include "cmd/proof.h"

#include "base/error.h"
#include "base/files.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "providers/opnsense/api.h"
#include "providers/opnsense/lab.h"
#include "providers/opnsense/lease.h"
#include "verify/routers.h"

#include <string.h>

#define CONFIG_MAX (64 * 1024 * 1024)
#define ROUTER_NS "router"

typedef struct {
  LwLab *lab;
  LwSecretStore *secrets;
  LwFacts *facts;
  LwTwinWorld *around;
  LwOpn *opn;
  LwOpnLinks *links;
  LwOpnLease wan; /* of --config api */
  LwPf *pf;
  GHashTable *legs;
  GPtrArray *missing; /* of char* */
  LwResourceSet *wanted, *builtin_world, *opnsense_world;
  LwMddPool *pool;
  LwStatic *builtin, *opnsense;
} Both;

static void both_clear(Both *both) {
  g_clear_pointer(&both->builtin, lw_static_free);
  g_clear_pointer(&both->opnsense, lw_static_free);
  g_clear_pointer(&both->pool, lw_mdd_pool_free);
  g_clear_pointer(&both->wanted, lw_resource_set_free);
  g_clear_pointer(&both->builtin_world, lw_resource_set_free);
  g_clear_pointer(&both->opnsense_world, lw_resource_set_free);
  g_clear_pointer(&both->missing, g_ptr_array_unref);
  g_clear_pointer(&both->legs, g_hash_table_unref);
  g_clear_pointer(&both->pf, lw_pf_free);
  g_clear_pointer(&both->links, lw_opn_links_free);
  g_clear_pointer(&both->opn, lw_opn_free);
  g_clear_pointer(&both->around, lw_twin_world_free);
  g_clear_pointer(&both->facts, lw_facts_free);
  g_clear_pointer(&both->lab, lw_lab_free);
  g_clear_pointer(&both->secrets, lw_secret_store_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Both, both_clear)

/* From the router itself, by the API that the lab's file names. */
static char *download(const LwInvocation *invocation, Both *both, const char *file, GError **error) {
  const LwRouter *router = &both->lab->router;
  if (!router->api_url || !router->api_key_file) {
    g_set_error_literal(error, LW_ERROR, LW_ERROR_USAGE,
                        "--config api: the lab's file names no API (router: {api: {url: …, key-file: …}})");
    return NULL;
  }
  g_autofree char *folder = g_path_get_dirname(file);
  g_autofree char *path = g_path_is_absolute(router->api_key_file)
                              ? g_strdup(router->api_key_file)
                              : g_build_filename(folder, router->api_key_file, NULL);
  g_autoptr(LwOpnKey) key = lw_opn_key_read(path, error);
  if (!key)
    return NULL;
  g_autoptr(LwOpnApi) api = lw_opn_api_new(router->api_url, key, router->api_certificate);
  g_autofree char *version = lw_opn_api_version(api, error);
  if (!version)
    return NULL;
  if (!invocation->quiet)
    g_printerr(
        "OPNsense %s%s\n", version,
        lw_opn_version_known(version)
            ? ""
            : ": not a version that this lanward knows (26.7): it is read and proved, and not changed");
  char *config = lw_opn_api_download(api, error);
  g_autoptr(GError) inner = NULL;
  if (config && !lw_opn_api_lease(api, config, &both->wan, &inner))
    g_printerr("note: WAN's address is assumed: the router does not tell it (%s)\n", inner->message);
  return config;
}

static void put_lease(const Both *both) {
  LwOpnLink *link = lw_opn_links_leased(both->links);
  if (!link || !lw_addr_is_set(&both->wan.address.addr))
    return;
  link->address4 = both->wan.address;
  if (lw_addr_is_set(&both->wan.gateway))
    link->gateway4 = both->wan.gateway;
}

static gboolean read_config(const LwInvocation *invocation, Both *both, const char *file, GError **error) {
  const char *path = invocation->config;
  char *text = g_str_equal(path, "api") ? download(invocation, both, file, error)
                                        : lw_file_read(path, CONFIG_MAX, NULL, error);
  if (text)
    both->opn = lw_opn_parse(text, strlen(text), error);
  lw_secret_clear(text);
  if (!both->opn) {
    g_prefix_error(error, "%s: ", path);
    return FALSE;
  }
  both->links = lw_opn_links_guess(both->opn);
  put_lease(both);
  both->pf = lw_pf_generate(both->opn, both->links, NULL);
  both->missing = g_ptr_array_new_with_free_func(g_free);
  both->legs = lw_opn_legs(both->lab, both->pf, both->missing);
  return TRUE;
}

/* The file says nothing of a lease: what stands for it is the same for both routers. */
static gboolean find_facts(Both *both, GError **error) {
  both->facts = lw_facts_new();
  both->facts->bridge_meta = both->facts->cells_stand_in = TRUE;
  both->facts->home_lan = lw_opn_home_lan(both->pf, both->legs);
  LwAddr resolver = lw_opn_wan_gateway(both->pf, both->legs);
  if (lw_addr_is_set(&resolver))
    g_array_append_val(both->facts->wan_resolvers, resolver);
  lw_opn_active_exits(both->lab, both->opn, both->facts);
  if (!lw_policy_assign(both->lab, both->facts, error))
    return FALSE;
  both->around = lw_twin_world_new(both->lab, both->facts);
  both->wanted = lw_resource_set_new();
  return lw_policy_compile(both->lab, both->facts, both->wanted, error);
}

static LwAddr wan_address(const Both *both) {
  for (guint i = 0; i < both->opnsense_world->list->len; i++) {
    const LwResource *r = both->opnsense_world->list->pdata[i];
    if (r->kind == LW_RES_ADDRESS && g_strcmp0(r->ns, ROUTER_NS) == 0 &&
        g_strcmp0(r->link, LW_ROUTER_WAN) == 0 && r->prefix.addr.family == 4)
      return r->prefix.addr;
  }
  return LW_ADDR_NONE;
}

static void prove(Both *both) {
  both->opnsense_world = lw_opn_lab_world(both->facts, both->pf, both->legs, both->wanted);
  both->builtin_world = lw_static_with_lease(both->wanted, both->facts);
  LwAddr wan = wan_address(both);
  if (lw_addr_is_set(&wan)) {
    LwResource *address = lw_resource_new(LW_RES_ADDRESS, ROUTER_NS, NULL);
    g_free(address->link);
    address->link = g_strdup(LW_ROUTER_WAN);
    address->prefix = lw_prefix_make(wan, both->facts->home_lan.len);
    lw_resource_set_add(both->builtin_world, address);
  }
  both->pool = lw_mdd_pool_new();
  both->opnsense = lw_static_prove(both->pool, both->lab, both->facts, both->opnsense_world);
  both->builtin = lw_static_prove(both->pool, both->lab, both->facts, both->builtin_world);
}

static LwVerifyReport *cells_of(Both *both) {
  LwAddr wan = wan_address(both), none = LW_ADDR_NONE;
  g_autoptr(GPtrArray) before = both->facts->probes;
  both->facts->probes = lw_verify_wanted_probes(both->lab, both->facts);
  g_auto(LwVerifyWorld) world = lw_verify_world_of(both->lab, both->facts, both->around);
  LwAddr gateway = lw_opn_wan_gateway(both->pf, both->legs);
  if (lw_addr_is_set(&gateway))
    world.home_lan_host = gateway;
  /* What lies behind the host is not in what a file compiles to: there is no link to it. */
  world.networks_unknown = TRUE;
  LwVerifyReport *report = lw_verify_cells(both->lab, both->facts, &world, &wan, &none, both->opnsense);
  g_autoptr(GPtrArray) probes = both->facts->probes;
  both->facts->probes = g_steal_pointer(&before);
  return report;
}

/* ---- the comparison ---- */

typedef struct {
  guint equal, unequal;
  GPtrArray *cells;       /* of char*: those in which the routers differ */
  GPtrArray *differences; /* of LwRouterDifference* */
} Compared;

static void compared_clear(Compared *compared) {
  g_ptr_array_unref(compared->cells);
  g_ptr_array_unref(compared->differences);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Compared, compared_clear)

typedef struct {
  const Both *both;
  Compared *out;
} Comparing;

/* The same of the builtin router. */
static LwCellResult other_result(const Both *both, const LwCell *one) {
  LwCell other = *one; /* its strings are not ours, and stay as they are */
  gboolean behind_host =
      one->question.to.kind == LW_ZONE_NETWORK || one->question.from.kind == LW_ZONE_NETWORK;
  other.statically = LW_CELL_UNTESTED;
  if (!behind_host)
    lw_static_fill_cell(both->builtin, &other);
  return other.statically;
}

static void compare_cell(LwCell *one, gpointer data) {
  const Comparing *c = data;
  if (one->statically == other_result(c->both, one)) {
    c->out->equal++;
    return;
  }
  c->out->unequal++;
  g_autofree char *destination = lw_addr_format(&one->question.destination);
  g_ptr_array_add(c->out->cells,
                  g_strdup_printf("%s -> %s %s %s: %s by the OPNsense, not by the builtin router", one->from,
                                  one->to, destination, one->service,
                                  one->statically == LW_CELL_ALLOW ? "passes" : "is stopped"));
}

static Compared compare(const Both *both, const LwVerifyReport *opnsense) {
  Compared out = {.cells = g_ptr_array_new_with_free_func(g_free),
                  .differences = lw_router_differences(both->builtin, both->opnsense)};
  Comparing comparing = {both, &out};
  const LwCellVisitor compares = {compare_cell, NULL, &comparing};
  lw_verify_visit(opnsense, &compares);
  return out;
}

static guint unexplained(const Compared *compared) {
  guint count = 0;
  for (guint i = 0; i < compared->differences->len; i++)
    count += !((LwRouterDifference *)compared->differences->pdata[i])->why;
  return count;
}

static void print_compared(const Compared *compared, gboolean verbose) {
  g_print("\nthe same file on the builtin router: %u cells of the matrix are equal, %u are not\n",
          compared->equal, compared->unequal);
  for (guint i = 0; i < compared->cells->len; i++)
    g_print("  %s\n", (char *)compared->cells->pdata[i]);
  g_print("all packets: %u differences, %u of them not explained%s\n", compared->differences->len,
          unexplained(compared), verbose || compared->differences->len == 0 ? "" : " (-v shows them)");
  for (guint i = 0; i < compared->differences->len; i++) {
    const LwRouterDifference *each = compared->differences->pdata[i];
    g_autofree char *line = lw_router_difference_format(each);
    if (verbose || !each->why)
      g_print("  %s\n", line);
  }
}

static JsonObject *compared_json(const Compared *compared) {
  JsonObject *object = json_object_new();
  JsonArray *differences = json_array_new();
  json_object_set_int_member(object, "equal_cells", compared->equal);
  json_object_set_int_member(object, "different_cells", compared->unequal);
  json_object_set_int_member(object, "unexplained", unexplained(compared));
  for (guint i = 0; i < compared->differences->len; i++) {
    const LwRouterDifference *each = compared->differences->pdata[i];
    JsonObject *one = json_object_new();
    json_object_set_string_member(one, "from", each->from);
    json_object_set_string_member(one, "to", each->to);
    json_object_set_string_member(one, "only", each->more ? "opnsense" : "builtin");
    json_object_set_string_member(one, "packets", each->set);
    if (each->why)
      json_object_set_string_member(one, "why", each->why);
    json_array_add_object_element(differences, one);
  }
  json_object_set_array_member(object, "differences", differences);
  return object;
}

static int print_all(const LwInvocation *invocation, const Both *both, LwVerifyReport *report,
                     const Compared *compared) {
  if (!invocation->json) {
    int code = lw_verify_print(invocation, both->lab, report);
    if (!invocation->quiet)
      print_compared(compared, invocation->verbose);
    return code;
  }
  lw_verify_print_json(report, "routers", compared_json(compared));
  return report->violations->len ? LW_EXIT_VIOLATION : LW_EXIT_OK;
}

static const char *file_of(const LwInvocation *invocation) {
  const char *named = invocation->args->pdata[0];
  return invocation->file ? invocation->file : named ? named : LW_DEFAULT_FILE;
}

static gboolean load(const LwInvocation *invocation, Both *both) {
  both->secrets = lw_secret_store_new(NULL);
  both->lab = lw_load_asserted_spec(invocation, file_of(invocation), invocation->twin ? LW_SPEC_TWIN : 0,
                                    both->secrets);
  return both->lab != NULL;
}

int lw_verify_config(const LwInvocation *invocation) {
  g_auto(Both) both = {0};
  g_autoptr(GError) error = NULL;
  gint64 start = g_get_monotonic_time();
  if (invocation->live)
    return lw_fail_text("verify: a config.xml sends no packets: leave --live out");
  if (!load(invocation, &both))
    return LW_EXIT_ERROR;
  if (!read_config(invocation, &both, file_of(invocation), &error) || !find_facts(&both, &error))
    return lw_fail(error);
  prove(&both);
  g_autoptr(LwVerifyReport) report = cells_of(&both);
  g_free(report->target);
  report->target = g_strdup("config");
  lw_static_report(both.opnsense, report);
  for (guint i = 0; i < both.missing->len; i++)
    g_ptr_array_add(report->violations, g_strdup(both.missing->pdata[i]));
  g_auto(Compared) compared = compare(&both, report);
  report->elapsed_ms = (g_get_monotonic_time() - start) / 1000;
  if (!lw_verify_save_junit(invocation, report, &error))
    return lw_fail(error);
  return print_all(invocation, &both, report, &compared);
}
