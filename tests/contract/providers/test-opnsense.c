/* The provider of an OPNsense, against a local server that behaves as its API does; and the same batches on
 * the in-memory fake of providers. A switch, a reservation and a forward: the requests that are made, and the
 * undo of each after a failure in the middle, printed. */
#include "base/error.h"
#include "policy/policy.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/opnsense.h"
#include "spec/spec.h"

#include "tests/unit/opnsense/fake.h"

#include <string.h>

static const LwProviderContext context = {.run_dir = "/nonexistent", .owner = "lanward:homelab"};
static const LwResourceKind item_kinds[] = {LW_RES_ROUTER_ITEM, LW_RES_LAST};

static char *config_of(const char *from, const char *to, const char *exit) {
  g_autofree char *path = g_build_filename(LW_SOURCE_DIR, "examples/homelab.yaml", NULL);
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_auto(GStrv) parts = g_strsplit(text, from, 2);
  g_assert_cmpuint(g_strv_length(parts), ==, 2);
  g_autofree char *changed = g_strjoinv(to, parts);
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab =
      lw_spec_parse(changed, strlen(changed), "homelab.yaml", NULL, LW_SPEC_TWIN, secrets, diagnostics);
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_assert_true(lab && lw_policy_assign(lab, facts, NULL));
  if (exit)
    g_hash_table_insert(facts->active, g_strdup("lan30"), g_strdup(exit));
  char *config = lw_opn_config(lab, facts, NULL, NULL, notes, NULL);
  g_assert_nonnull(config);
  return config;
}

typedef struct {
  const char *name, *from, *to, *exit;
} Case;

static const Case cases[] = {
    {"switch", "lab: homelab", "lab: homelab", "us"},
    {"reservation", "  vault: {segment: lan50, address: .25}",
     "  vault: {segment: lan50, address: .25}\n  newbie: {segment: lan50, address: .26}", NULL},
    {"forward", "forward: [{port: tcp+udp/51413, to: seedbox}]",
     "forward: [{port: tcp+udp/51413, to: seedbox}, {port: tcp/8443, to: seedbox, to-port: 443}]", NULL},
    {"segment", "allow: [host/ping from .0/26, host/samba from .1-.50]", "allow: [host/ping]", NULL},
};

typedef struct {
  char *before, *after;
  Fake *server;
  LwProvider *provider;
  LwResourceSet *wanted, *owned, *seen;
  GPtrArray *changes;
  GBytes *undo;
} Scene;

static void fill_server(Fake *server, const char *config) {
  g_autoptr(GPtrArray) nothing = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) all = lw_opn_changes("<opnsense/>", config, nothing, NULL);
  for (guint i = 0; i < all->len; i++) {
    const LwOpnChange *change = all->pdata[i];
    JsonObject *fields = json_object_ref(change->after);
    /* a default that OPNsense adds by itself */
    if (!json_object_has_member(fields, "prio"))
      json_object_set_string_member(fields, "prio", "");
    fake_put(server, change->kind->name, change->uuid, fields);
  }
  const char *start = strstr(config, "<interfaces>"), *end = strstr(config, "</interfaces>");
  g_autofree char *interfaces = g_strndup(start, (gsize)(end - start) + strlen("</interfaces>"));
  fake_interfaces(server, interfaces);
}

static LwProvider *provider_of(Fake *server) {
  LwOpnKey key = {(char *)"testkey", (char *)"very-secret"};
  g_autofree char *url = fake_url(server);
  LwOpnApi *api = lw_opn_api_new(url, &key, NULL);
  lw_opn_api_set_patience(api, 5, 1, 1);
  return lw_opnsense_provider_new(&context, api);
}

/* The difference of what is wanted and what is there. */
static GPtrArray *difference(const LwResourceSet *wanted, const LwResourceSet *seen) {
  GPtrArray *changes = lw_changes_new();
  for (guint i = 0; i < wanted->list->len; i++) {
    LwResource *r = wanted->list->pdata[i];
    g_autofree char *key = lw_resource_key(r);
    LwResource *there = lw_resource_set_find(seen, key);
    if (!there || !lw_resource_equal(there, r))
      g_ptr_array_add(changes, lw_change_new(there ? LW_CHANGE_LIVE : LW_CHANGE_CREATE, there, r));
  }
  for (guint i = 0; i < seen->list->len; i++) {
    LwResource *r = seen->list->pdata[i];
    g_autofree char *key = lw_resource_key(r);
    if (!lw_resource_set_find(wanted, key))
      g_ptr_array_add(changes, lw_change_new(LW_CHANGE_DELETE, r, NULL));
  }
  return changes;
}

static LwResourceSet *look(LwProvider *provider, const Scene *scene) {
  g_autoptr(GError) error = NULL;
  LwResourceSet *seen = lw_resource_set_new();
  g_assert_true(lw_provider_observe(provider, scene->wanted, scene->owned, seen, &error));
  g_assert_no_error(error);
  return seen;
}

static void open_scene(Scene *scene, const Case *each) {
  *scene = (Scene){.before = config_of("lab: homelab", "lab: homelab", NULL),
                   .after = config_of(each->from, each->to, each->exit),
                   .server = fake_new(NULL)};
  fill_server(scene->server, scene->before);
  scene->provider = provider_of(scene->server);
  scene->wanted = lw_opn_items(scene->after, NULL, NULL);
  scene->owned = lw_opn_items(scene->before, NULL, NULL);
  scene->seen = look(scene->provider, scene);
  scene->changes = difference(scene->wanted, scene->seen);
}

static void close_scene(Scene *scene) {
  g_ptr_array_unref(scene->changes);
  lw_resource_set_free(scene->wanted);
  lw_resource_set_free(scene->owned);
  lw_resource_set_free(scene->seen);
  lw_provider_free(scene->provider);
  fake_free(scene->server);
  g_clear_pointer(&scene->undo, g_bytes_unref);
  g_free(scene->before);
  g_free(scene->after);
}

static gboolean keep_undo(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  Scene *scene = data;
  (void)provider;
  (void)error;
  gsize length;
  const char *bytes = g_bytes_get_data(undo, &length);
  g_assert_null(g_strstr_len(bytes, (gssize)length, "privkey"));
  scene->undo = g_bytes_ref(undo);
  return TRUE;
}

static void print_log(Fake *server, const char *what) {
  g_autofree char *log = fake_log(server);
  g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix(*line, "POST"))
      g_test_message("%s: %s", what, *line);
}

static void assert_there(const Scene *scene, const char *config) {
  Scene other = {.server = fake_new(NULL)};
  fill_server(other.server, config);
  g_autofree char *now = fake_text(scene->server), *wanted = fake_text(other.server);
  /* an undo leaves fields empty that were not there */
  g_auto(GStrv) a = g_strsplit(now, "\n", -1), b = g_strsplit(wanted, "\n", -1);
  g_assert_cmpuint(g_strv_length(a), ==, g_strv_length(b));
  fake_free(other.server);
  g_autoptr(LwResourceSet) like = lw_opn_items(config, NULL, NULL);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_provider_observe(scene->provider, like, NULL, seen, &error));
  g_autoptr(GPtrArray) left = difference(like, seen);
  g_assert_cmpuint(left->len, ==, 0);
}

/* Carried out, nothing is left to do; undone, all is as it was; undone again, nothing is written, and what is
 * there is loaded once more: nobody knows whether the first undo came to that. */
static void test_batch(gconstpointer data) {
  Scene scene;
  g_autoptr(GError) error = NULL;
  open_scene(&scene, data);
  g_assert_cmpuint(scene.changes->len, >, 0);
  g_assert_true(lw_provider_check(scene.provider, scene.changes, &error));
  g_assert_no_error(error);
  fake_forget(scene.server);
  g_assert_true(lw_provider_carry_out(scene.provider, scene.changes, keep_undo, &scene, NULL, NULL, &error));
  g_assert_no_error(error);
  print_log(scene.server, ((const Case *)data)->name);
  assert_there(&scene, scene.after);
  g_autoptr(LwResourceSet) seen = look(scene.provider, &scene);
  g_autoptr(GPtrArray) left = difference(scene.wanted, seen);
  g_assert_cmpuint(left->len, ==, 0);
  for (guint again = 0; again < 2; again++) {
    fake_forget(scene.server);
    g_assert_true(lw_provider_undo(scene.provider, scene.undo, NULL, NULL, &error));
    g_assert_no_error(error);
    print_log(scene.server, again ? "undone again" : "undone");
    assert_there(&scene, scene.before);
  }
  g_autofree char *log = fake_log(scene.server);
  g_assert_null(strstr(log, "/set_")); /* the second time */
  g_assert_null(strstr(log, "/del_"));
  g_assert_nonnull(strstr(log, "POST"));
  close_scene(&scene);
}

/* A request fails, whichever: the journal's undo, carried out by another process, leaves what was there. */
static void test_failure(gconstpointer data) {
  for (guint at = 1; at < 30; at++) {
    Scene scene;
    g_autoptr(GError) error = NULL;
    open_scene(&scene, data);
    fake_forget(scene.server);
    fake_fault(scene.server, at, FAULT_HANG_UP);
    gboolean good =
        lw_provider_carry_out(scene.provider, scene.changes, keep_undo, &scene, NULL, NULL, &error);
    if (good) {
      close_scene(&scene);
      g_assert_cmpuint(at, >, 2);
      return;
    }
    g_assert_nonnull(scene.undo);
    if (at == 2) {
      g_test_message("%s", error->message);
      print_log(scene.server, "failed at the second request");
    }
    g_autoptr(LwProvider) later = provider_of(scene.server);
    g_assert_true(lw_provider_undo(later, scene.undo, NULL, NULL, NULL));
    assert_there(&scene, scene.before);
    close_scene(&scene);
  }
  g_assert_not_reached();
}

static gboolean fail_behind_apply(const LwProvider *provider, const char *phase, gpointer data,
                                  GError **error) {
  (void)provider;
  (void)data;
  if (!g_str_equal(phase, "apply"))
    return TRUE;
  g_set_error_literal(error, LW_ERROR, LW_ERROR_INJECTED, "injected");
  return FALSE;
}

static void test_injected(gconstpointer data) {
  Scene scene;
  g_autoptr(GError) error = NULL;
  open_scene(&scene, data);
  fake_forget(scene.server);
  g_assert_false(lw_provider_carry_out(scene.provider, scene.changes, keep_undo, &scene, fail_behind_apply,
                                       NULL, &error));
  g_assert_true(lw_provider_undo(scene.provider, scene.undo, NULL, NULL, NULL));
  g_autofree char *log = fake_log(scene.server);
  g_assert_null(strstr(log, "/set_"));
  g_assert_null(strstr(log, "/del_"));
  assert_there(&scene, scene.before);
  close_scene(&scene);
}

/* The same batch on the fake of providers: what is left to do is the same, nothing. */
static void test_fake_provider(gconstpointer data) {
  Scene scene;
  g_autoptr(GError) error = NULL;
  open_scene(&scene, data);
  g_autoptr(LwResourceSet) world = lw_opn_items(scene.before, NULL, NULL);
  g_autoptr(LwProvider) fake = lw_fake_provider_new(&context, item_kinds, world);
  g_assert_true(lw_provider_carry_out(fake, scene.changes, keep_undo, &scene, NULL, NULL, &error));
  g_assert_no_error(error);
  g_autoptr(GPtrArray) left = difference(scene.wanted, world);
  g_assert_cmpuint(left->len, ==, 0);
  g_assert_true(lw_provider_undo(fake, scene.undo, NULL, NULL, &error));
  g_autoptr(GPtrArray) back = difference(scene.owned, world);
  g_assert_cmpuint(back->len, ==, 0);
  close_scene(&scene);
}

static void assert_refused(Scene *scene, const GPtrArray *changes, int code, const char *word) {
  g_autoptr(GError) error = NULL;
  fake_forget(scene->server);
  g_assert_false(lw_provider_check(scene->provider, changes, &error));
  g_assert_error(error, LW_ERROR, code);
  g_assert_nonnull(strstr(error->message, word));
  g_autofree char *log = fake_log(scene->server);
  g_assert_null(strstr(log, "POST"));
}

/* Another version is read and not changed; what was made meanwhile by somebody else is not overwritten; a new
 * tunnel's key is not the API's. */
static void test_refusals(void) {
  Scene scene;
  open_scene(&scene, &cases[0]);
  fake_version(scene.server, "27.1");
  assert_refused(&scene, scene.changes, LW_ERROR_UNSUPPORTED, "27.1");
  fake_version(scene.server, "26.7.3");
  g_autoptr(GPtrArray) taken = lw_changes_new();
  LwResource *rule = ((LwChange *)scene.changes->pdata[0])->to;
  g_ptr_array_add(taken, lw_change_new(LW_CHANGE_CREATE, NULL, rule));
  assert_refused(&scene, taken, LW_ERROR_CONFLICT, "meanwhile");
  g_autoptr(GPtrArray) tunnel = lw_changes_new();
  g_autoptr(LwResource) fresh = lw_resource_new(LW_RES_ROUTER_ITEM, NULL, "instance/0");
  fresh->value = g_strdup("{}");
  g_ptr_array_add(tunnel, lw_change_new(LW_CHANGE_CREATE, NULL, fresh));
  assert_refused(&scene, tunnel, LW_ERROR_UNSUPPORTED, "config.xml");
  close_scene(&scene);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    static const struct {
      const char *name;
      GTestDataFunc run;
    } tests[] = {{"batch", test_batch},
                 {"failure", test_failure},
                 {"injected", test_injected},
                 {"fake-provider", test_fake_provider}};
    for (guint t = 0; t < G_N_ELEMENTS(tests); t++) {
      g_autofree char *path = g_strdup_printf("/opnsense/provider/%s/%s", tests[t].name, cases[i].name);
      g_test_add_data_func(path, &cases[i], tests[t].run);
    }
  }
  g_test_add_func("/opnsense/provider/refusals", test_refusals);
  return g_test_run();
}
