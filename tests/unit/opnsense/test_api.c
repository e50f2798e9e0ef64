/* Changes of a running router: what they are, how they are made, and that a failure in the middle leaves
 * nothing. */
#include "base/error.h"
#include "fake.h"
#include "policy/policy.h"
#include "providers/opnsense/api.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/lease.h"
#include "spec/spec.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

static LwLab *lab_of(const char *change_from, const char *change_to) {
  g_autofree char *path = g_build_filename(LW_SOURCE, "examples/homelab.yaml", NULL);
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_auto(GStrv) parts = g_strsplit(text, change_from, 2);
  g_assert_cmpuint(g_strv_length(parts), ==, 2);
  g_autofree char *changed = g_strjoinv(change_to, parts);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  LwLab *lab =
      lw_spec_parse(changed, strlen(changed), "homelab.yaml", NULL, LW_SPEC_TWIN, secrets, diagnostics);
  g_assert_nonnull(lab);
  return lab;
}

static char *config_of(const LwLab *lab, const char *segment, const char *exit) {
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_assert_true(lw_policy_assign(lab, facts, NULL));
  if (segment)
    g_hash_table_insert(facts->active, g_strdup(segment), g_strdup(exit));
  char *text = lw_opn_config(lab, facts, NULL, NULL, notes, NULL);
  g_assert_nonnull(text);
  return text;
}

static char *config_with(const char *from, const char *to) {
  g_autoptr(LwLab) lab = lab_of(from, to);
  return config_of(lab, NULL, NULL);
}

/* Before and after, and the changes between. */
typedef struct {
  char *before, *after;
  GPtrArray *changes, *by_hand, *networks;
  GPtrArray *all; /* what makes the router of before out of an empty one */
  Fake *fake;
  LwOpnApi *api;
  guint kept;
} Scene;

static GPtrArray *changes_from_nothing(const char *config) {
  g_autoptr(GPtrArray) by_hand = g_ptr_array_new_with_free_func(g_free);
  return lw_opn_changes("<opnsense/>", config, by_hand, NULL);
}

/* The fake sets members of what it holds. */
static JsonObject *copy_of(JsonObject *object) {
  JsonObject *copy = json_object_new();
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, object);
  while (json_object_iter_next(&iter, &name, &value))
    json_object_set_member(copy, name, json_node_copy(value));
  return copy;
}

static void load_fake(Fake *fake, const GPtrArray *all) {
  for (guint i = 0; i < all->len; i++) {
    const LwOpnChange *change = all->pdata[i];
    fake_put(fake, change->kind->name, change->uuid, copy_of(change->after));
  }
}

static LwOpnApi *api_of(Fake *fake, const char *secret, const char *pin) {
  LwOpnKey key = {(char *)"testkey", (char *)secret};
  g_autofree char *url = fake_url(fake);
  LwOpnApi *api = lw_opn_api_new(url, &key, pin);
  lw_opn_api_set_patience(api, 5, 3, 1);
  return api;
}

/* A router in front of which nothing has happened yet. */
static void start_fake(Scene *scene) {
  scene->fake = fake_new(NULL);
  load_fake(scene->fake, scene->all);
  scene->api = api_of(scene->fake, "very-secret", NULL);
}

static void stop_fake(Scene *scene) {
  lw_opn_api_free(scene->api);
  fake_free(scene->fake);
}

/* Takes before and after. */
static void open_scene(Scene *scene, char *before, char *after) {
  g_autoptr(GError) error = NULL;
  *scene = (Scene){.before = before, .after = after};
  scene->by_hand = g_ptr_array_new_with_free_func(g_free);
  scene->changes = lw_opn_changes(before, after, scene->by_hand, &error);
  g_assert_no_error(error);
  scene->networks = lw_opn_touched_networks(scene->changes, after);
  scene->all = changes_from_nothing(before);
  start_fake(scene);
}

static void close_scene(Scene *scene) {
  g_ptr_array_unref(scene->changes);
  g_ptr_array_unref(scene->by_hand);
  g_ptr_array_unref(scene->networks);
  g_ptr_array_unref(scene->all);
  stop_fake(scene);
  g_free(scene->before);
  g_free(scene->after);
}

static gboolean keep(const LwOpnKind *kind, const char *uuid, JsonObject *fields, gpointer data,
                     GError **error) {
  Scene *scene = data;
  scene->kept++;
  return TRUE;
}

static guint count_of(const GPtrArray *changes, const char *kind) {
  guint count = 0;
  for (guint i = 0; i < changes->len; i++)
    count += g_str_equal(((LwOpnChange *)changes->pdata[i])->kind->name, kind);
  return count;
}

/* A fake that holds the file that is wanted. */
static char *wanted_text(const Scene *scene) {
  g_autoptr(GPtrArray) all = changes_from_nothing(scene->after);
  Fake *fake = fake_new(NULL);
  load_fake(fake, all);
  char *text = fake_text(fake);
  fake_free(fake);
  return text;
}

static void open_switch(Scene *scene) {
  g_autoptr(LwLab) lab = lab_of("lab: homelab", "lab: homelab");
  open_scene(scene, config_of(lab, NULL, NULL), config_of(lab, "lan30", "us"));
}

static void open_reservation(Scene *scene) {
  open_scene(
      scene, config_with("lab: homelab", "lab: homelab"),
      config_with("  vault: {segment: lan50, address: .25}",
                  "  vault: {segment: lan50, address: .25}\n  newbie: {segment: lan50, address: .26}"));
}

static void open_forward(Scene *scene) {
  open_scene(
      scene, config_with("lab: homelab", "lab: homelab"),
      config_with(
          "forward: [{port: tcp+udp/51413, to: seedbox}]",
          "forward: [{port: tcp+udp/51413, to: seedbox}, {port: tcp/8443, to: seedbox, to-port: 443}]"));
}

/* And the other way round: what is taken out. */
static void open_no_forward(Scene *scene) {
  open_scene(scene, config_with("lab: homelab", "lab: homelab"),
             config_with("    forward: [{port: tcp+udp/51413, to: seedbox}]\n", ""));
}

typedef struct {
  const char *name;
  void (*open)(Scene *scene);
  const char *kinds[3]; /* that change, and no others */
  const char *network;
} Case;

static const Case cases[] = {
    {"switch", open_switch, {"rule", "forward", NULL}, "192.168.30.0/24"},
    {"reservation", open_reservation, {"host", NULL}, NULL},
    {"forward", open_forward, {"rule", "forward", NULL}, "192.168.20.5/32"},
    {"no-forward", open_no_forward, {"rule", "forward", NULL}, "192.168.20.5/32"},
};

static void check_kinds(const Case *each, const Scene *scene) {
  guint told = 0;
  for (const char *const *kind = each->kinds; *kind; kind++) {
    g_assert_cmpuint(count_of(scene->changes, *kind), >, 0);
    told += count_of(scene->changes, *kind);
  }
  g_assert_cmpuint(told, ==, scene->changes->len);
  g_assert_cmpuint(scene->by_hand->len, ==, 0);
  for (guint i = 0; each->network && i < scene->networks->len; i++)
    if (g_str_equal(scene->networks->pdata[i], each->network))
      return;
  g_assert_null(each->network);
}

static void test_apply(gconstpointer data) {
  const Case *each = data;
  Scene scene;
  g_autoptr(GError) error = NULL;
  each->open(&scene);
  check_kinds(each, &scene);
  fake_forget(scene.fake);
  g_assert_true(lw_opn_api_apply(scene.api, scene.changes, scene.networks, keep, &scene, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(scene.kept, ==, scene.changes->len);
  g_autofree char *now = fake_text(scene.fake), *wanted = wanted_text(&scene), *log = fake_log(scene.fake);
  g_assert_cmpstr(now, ==, wanted);
  const char *apply = strstr(log, ((LwOpnChange *)scene.changes->pdata[0])->kind->apply);
  g_assert_nonnull(apply);
  g_assert_null(strstr(apply, "set_")); /* all is set before it is put into force */
  g_assert_cmpint(strstr(log, "kill_states") != NULL, ==, each->network != NULL);
  close_scene(&scene);
}

/* Whatever fails, at whichever request: what was there is there, and the error says so. */
static void test_faults(gconstpointer data) {
  const Case *each = data;
  static const FakeFault faults[] = {FAULT_500, FAULT_HALF, FAULT_HANG_UP, FAULT_401, FAULT_IGNORE};
  Scene scene;
  each->open(&scene);
  g_autofree char *old = fake_text(scene.fake), *wanted = wanted_text(&scene);
  guint requests = scene.changes->len + scene.networks->len + 2;
  for (guint f = 0; f < G_N_ELEMENTS(faults); f++)
    for (guint at = 1; at < 40; at++) {
      g_autoptr(GError) error = NULL;
      stop_fake(&scene);
      start_fake(&scene);
      fake_fault(scene.fake, at, faults[f]);
      gboolean good = lw_opn_api_apply(scene.api, scene.changes, scene.networks, keep, &scene, &error);
      g_autofree char *now = fake_text(scene.fake);
      if (good) {
        g_assert_cmpstr(now, ==, wanted);
      } else {
        g_assert_error(error, LW_ERROR, LW_ERROR_ROLLED_BACK);
        g_assert_cmpstr(now, ==, old);
        g_assert_null(strstr(error->message, "very-secret"));
      }
      if (at > requests) {
        g_assert_true(good); /* the fault was never reached */
        break;
      }
    }
  close_scene(&scene);
}

/* The list of gateways is cached: a refusal that names one is tried again, and not for ever. */
static void test_cache(void) {
  Scene scene;
  g_autoptr(GError) error = NULL;
  open_switch(&scene);
  fake_cache(scene.fake, 2);
  g_assert_true(lw_opn_api_apply(scene.api, scene.changes, scene.networks, keep, &scene, &error));
  close_scene(&scene);
  open_switch(&scene);
  g_autofree char *old = fake_text(scene.fake);
  fake_cache(scene.fake, 4); /* one more than it tries */
  g_assert_false(lw_opn_api_apply(scene.api, scene.changes, scene.networks, keep, &scene, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_ROLLED_BACK);
  g_assert_nonnull(strstr(error->message, "rule.gateway: Specify a valid gateway"));
  g_autofree char *now = fake_text(scene.fake);
  g_assert_cmpstr(now, ==, old);
  close_scene(&scene);
}

static gboolean refuse_to_keep(const LwOpnKind *kind, const char *uuid, JsonObject *fields, gpointer data,
                               GError **error) {
  g_set_error_literal(error, LW_ERROR, LW_ERROR_INJECTED, "the disk is full");
  return FALSE;
}

/* Nothing is changed whose undo is not durable. */
static void test_not_kept(void) {
  Scene scene;
  g_autoptr(GError) error = NULL;
  open_switch(&scene);
  fake_forget(scene.fake);
  g_assert_false(lw_opn_api_apply(scene.api, scene.changes, scene.networks, refuse_to_keep, NULL, &error));
  g_autofree char *log = fake_log(scene.fake);
  g_assert_null(strstr(log, "set_rule"));
  close_scene(&scene);
}

static void check_call(LwOpnApi *api, const char *path, const char *word) {
  g_autoptr(GError) error = NULL;
  g_assert_null(lw_opn_api_call(api, path, NULL, &error));
  g_assert_nonnull(strstr(error->message, word));
  g_assert_null(strstr(error->message, "secret"));
}

static void test_refusals(void) {
  Fake *fake = fake_new(NULL);
  g_autoptr(LwOpnApi) wrong = api_of(fake, "another-secret", NULL), right = api_of(fake, "very-secret", NULL);
  check_call(wrong, "core/firmware/info", "not accepted");
  check_call(right, "firewall/filter/savepoint", "does not have it");
  g_autofree char *version = lw_opn_api_version(right, NULL);
  g_assert_cmpstr(version, ==, "26.7.2");
  g_assert_true(lw_opn_version_known("26.7") && lw_opn_version_known("26.7.9"));
  g_assert_false(lw_opn_version_known("27.1") || lw_opn_version_known("26.1.11") ||
                 lw_opn_version_known("26.70"));
  LwOpnKey key = {(char *)"testkey", (char *)"very-secret"};
  g_autoptr(LwOpnApi) nobody = lw_opn_api_new("http://127.0.0.1:9", &key, NULL);
  check_call(nobody, "core/firmware/info", "OPNsense, core/firmware/info");
  fake_free(fake);
}

/* What the API cannot do is named and not tried. */
static void test_by_hand(void) {
  g_autofree char *before = config_with("lab: homelab", "lab: homelab");
  g_autofree char *after = config_with("subnet: 192.168.50.0/24", "subnet: 192.168.51.0/24");
  g_autoptr(GPtrArray) by_hand = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) changes = lw_opn_changes(before, after, by_hand, NULL);
  g_assert_cmpuint(by_hand->len, ==, 1);
  g_assert_cmpstr(by_hand->pdata[0], ==, "interfaces and their addresses");
  g_autoptr(GPtrArray) none = lw_opn_changes(before, before, by_hand, NULL);
  g_assert_cmpuint(none->len, ==, 0);
}

/* ---- TLS ---- */

static GTlsCertificate *new_certificate(void) {
  g_autofree char *dir = g_dir_make_tmp("lanward-XXXXXX", NULL);
  g_autofree char *pem = g_build_filename(dir, "both.pem", NULL);
  const char *const argv[] = {"openssl", "req",   "-x509", "-newkey", "rsa:2048",
                              "-nodes",  "-days", "2",     "-subj",   "/CN=router",
                              "-keyout", pem,     "-out",  pem,       NULL};
  g_autoptr(GSubprocess) process =
      g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL);
  gboolean made = process && g_subprocess_wait_check(process, NULL, NULL);
  /* openssl writes key and certificate over each other when they share a file: two files, then */
  GTlsCertificate *certificate = made ? g_tls_certificate_new_from_file(pem, NULL) : NULL;
  g_remove(pem);
  g_rmdir(dir);
  return certificate;
}

static char *digest_of(GTlsCertificate *certificate) {
  g_autoptr(GByteArray) der = NULL;
  g_object_get(certificate, "certificate", &der, NULL);
  return g_compute_checksum_for_data(G_CHECKSUM_SHA256, der->data, der->len);
}

/* The certificate that was pinned is the only one: another one never gets to see the key. */
static void test_pin(void) {
  g_autoptr(GTlsCertificate) one = new_certificate(), other = new_certificate();
  if (!one || !other || !g_tls_backend_supports_tls(g_tls_backend_get_default())) {
    g_test_skip("openssl or glib-networking is missing");
    return;
  }
  Fake *fake = fake_new(one);
  g_autofree char *right = digest_of(one), *wrong = digest_of(other);
  g_autoptr(LwOpnApi) pinned = api_of(fake, "very-secret", right),
                      strange = api_of(fake, "very-secret", wrong);
  g_autoptr(LwOpnApi) unpinned = api_of(fake, "very-secret", NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *version = lw_opn_api_version(pinned, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(version, ==, "26.7.2");
  fake_forget(fake);
  check_call(strange, "core/firmware/info", "not the one that was pinned");
  check_call(unpinned, "core/firmware/info", "core/firmware/info");
  g_autofree char *log = fake_log(fake);
  g_assert_cmpstr(log, ==, "");
  fake_free(fake);
}

/* LeakSanitizer cannot read the thread-local storage of GIO's idle threads that gnutls was loaded beside. */
static void end_idle_threads(void) {
  for (guint i = 0; i < 1000 && g_thread_pool_get_num_unused_threads() > 0; i++) {
    g_thread_pool_stop_unused_threads();
    g_usleep(1000);
  }
}

/* What a lease is, of what OPNsense's overview of interfaces tells. */
static void test_lease(void) {
  static const struct {
    const char *answer, *address, *gateway; /* NULL: none */
  } leases[] = {
      {"{\"rows\":[{\"identifier\":\"\"},{\"identifier\":\"wan\",\"addr4\":\"192.168.1.5/"
       "24\",\"gateways\":[\"192.168.1.1\"]}]}",
       "192.168.1.5/24", "192.168.1.1"},
      {"{\"rows\":[{\"identifier\":\"wan\",\"ipv4\":[{\"ipaddr\":\"10.0.0.7/8\"}],\"gateways\":[]}]}",
       "10.0.0.7/8", NULL},
      {"{\"rows\":[{\"identifier\":\"wan\",\"addr4\":\"\",\"gateways\":[\"192.168.1.1\"]}]}", NULL, NULL},
      {"{\"rows\":[{\"identifier\":\"lan\",\"addr4\":\"192.168.99.1/24\"}]}", NULL, NULL},
      {"{\"rows\":{\"identifier\":\"wan\"}}", NULL, NULL},
      {"[]", NULL, NULL},
  };
  for (guint i = 0; i < G_N_ELEMENTS(leases); i++) {
    g_autoptr(JsonNode) node = json_from_string(leases[i].answer, NULL);
    LwOpnLease lease;
    g_assert_cmpint(lw_opn_lease_of(node, "wan", &lease), ==, leases[i].address != NULL);
    g_assert_cmpint(lw_addr_is_set(&lease.address.addr), ==, leases[i].address != NULL);
    g_assert_cmpint(lw_addr_is_set(&lease.gateway), ==, leases[i].gateway != NULL);
    g_autofree char *address = leases[i].address ? lw_prefix_format(&lease.address) : NULL;
    g_autofree char *gateway = leases[i].gateway ? lw_addr_format(&lease.gateway) : NULL;
    g_assert_cmpstr(address, ==, leases[i].address);
    g_assert_cmpstr(gateway, ==, leases[i].gateway);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *apply = g_strdup_printf("/opnsense/api/apply/%s", cases[i].name);
    g_autofree char *faults = g_strdup_printf("/opnsense/api/faults/%s", cases[i].name);
    g_test_add_data_func(apply, &cases[i], test_apply);
    g_test_add_data_func(faults, &cases[i], test_faults);
  }
  g_test_add_func("/opnsense/api/cache", test_cache);
  g_test_add_func("/opnsense/api/not-kept", test_not_kept);
  g_test_add_func("/opnsense/api/refusals", test_refusals);
  g_test_add_func("/opnsense/api/by-hand", test_by_hand);
  g_test_add_func("/opnsense/api/pin", test_pin);
  g_test_add_func("/opnsense/api/lease", test_lease);
  int status = g_test_run();
  end_idle_threads();
  return status;
}
