/* The wireguard provider with the real thing (the kernel's, or wireguard-go): two ends in two namespaces that
 * this test makes itself. */
#include "base/error.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/wireguard/wireguard.h"
#include "twin/world.h"

#include "tests/unit/kernel/sandbox.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

static LwSecretStore *secrets;
static LwProviderContext context = {.run_dir = "/tmp/run", .owner = "lanward:test"};
static LwProvider *provider;
static char *public_keys[2];
static LwSecretRef *private_keys[2];

static const char *const spaces[] = {"here", "there"};
static const char *const links[] = {"wg-here", "wgs-there"};

static char *run_in(const char *ns, const char *line, GError **error) {
  g_auto(GStrv) argv = g_strsplit(line, " ", -1);
  return lw_command_run(&(LwCommand){.argv = (const char *const *)argv, .netns = ns}, error);
}

static void must(const char *ns, const char *line) {
  g_autoptr(GError) error = NULL;
  g_autofree char *output = run_in(ns, line, &error);
  g_assert_no_error(error);
}

static LwPrefix prefix(const char *text) {
  LwPrefix out;
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

/* 0 calls, 1 is called. */
static LwResource *tunnel(guint side, guint keepalive) {
  LwResource *t = lw_resource_new(LW_RES_TUNNEL, spaces[side], links[side]);
  t->private_key = g_strdup(private_keys[side]);
  t->listen_port = side ? 51820 : 0;
  t->mtu = 1380;
  t->up = TRUE;
  LwPeer *peer = lw_peer_new();
  peer->public_key = g_strdup(public_keys[1 - side]);
  LwPrefix allowed = prefix(side ? "10.9.0.1/32" : "0.0.0.0/0");
  g_array_append_val(peer->allowed, allowed);
  if (side == 0) {
    peer->endpoint = prefix("192.0.2.2").addr;
    peer->endpoint_port = 51820;
    peer->keepalive = keepalive;
  }
  g_ptr_array_add(t->peers, peer);
  return t;
}

static gboolean carry(LwResource *from, LwResource *to, gboolean check, GError **error) {
  g_autoptr(GPtrArray) changes = lw_changes_new();
  LwChangeClass klass = !from ? LW_CHANGE_CREATE
                        : !to ? LW_CHANGE_DELETE
                              : lw_resource_change_class(from, to);
  g_ptr_array_add(changes, lw_change_new(klass, from, to));
  return (!check || lw_provider_check(provider, changes, error)) &&
         provider->ops->apply(provider, changes, error);
}

static void change(LwResource *from, LwResource *to) {
  g_autoptr(GError) error = NULL;
  gboolean done = carry(from, to, TRUE, &error);
  g_assert_no_error(error);
  g_assert_true(done);
}

static void assert_seen(LwResource *wanted, gboolean there, gboolean equal) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) want = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  lw_resource_set_add(want, lw_resource_ref(wanted));
  g_assert_true(lw_provider_observe(provider, want, NULL, seen, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(seen->list->len, ==, there ? 1 : 0);
  if (there)
    g_assert_cmpint(lw_resource_equal(seen->list->pdata[0], wanted), ==, equal);
}

/* Packets through the tunnel. A handshake that is lost is repeated after five seconds (Rekey-Timeout,
 * section 6.1 of WireGuard's paper), and what was sent meanwhile waits for it. */
static void assert_pings(void) {
  must(spaces[0], "ip address replace 10.9.0.1/24 dev wg-here");
  must(spaces[1], "ip address replace 10.9.0.2/24 dev wgs-there");
  must(spaces[0], "ping -c 1 -W 12 10.9.0.2");
}

static void test_two_ends(void) {
  g_autoptr(LwResource) callee = tunnel(1, 0);
  g_autoptr(LwResource) caller = tunnel(0, 25);
  assert_seen(caller, FALSE, FALSE);
  change(NULL, callee);
  change(NULL, caller);
  assert_seen(callee, TRUE, TRUE);
  assert_seen(caller, TRUE, TRUE);
  assert_pings();
  g_autoptr(LwResource) quieter = tunnel(0, 5);
  assert_seen(quieter, TRUE, FALSE);
  g_assert_cmpint(lw_resource_change_class(caller, quieter), ==, LW_CHANGE_LIVE);
  change(caller, quieter);
  assert_seen(quieter, TRUE, TRUE);
  assert_pings();
  change(quieter, NULL);
  change(callee, NULL);
  assert_seen(caller, FALSE, FALSE);
  g_autofree char *left = run_in(spaces[0], "ip -br link show", NULL);
  g_assert_null(strstr(left, "wg-here"));
}

/* The daemon is killed: the tunnel is not there, and comes back by the same change. */
static void test_killed(void) {
  g_autoptr(LwResource) callee = tunnel(1, 0);
  g_autoptr(LwResource) caller = tunnel(0, 25);
  change(NULL, callee);
  change(NULL, caller);
  g_autofree char *identity = NULL;
  if (!g_file_get_contents("/tmp/run/wg-here-wg-here.pid", &identity, NULL, NULL)) {
    g_test_skip("the kernel has WireGuard: there is no daemon to kill");
  } else {
    pid_t pid = lw_process_alive(g_strchomp(identity));
    g_assert_cmpint(pid, >, 0);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    for (guint i = 0; i < 200 && lw_process_alive(identity); i++)
      g_usleep(5000);
    assert_seen(caller, FALSE, FALSE);
    change(NULL, caller);
    assert_seen(caller, TRUE, TRUE);
    assert_pings();
  }
  change(caller, NULL);
  change(callee, NULL);
}

/* Undo after a whole apply, after none, and twice. */
static void test_undo(void) {
  g_autoptr(LwResource) callee = tunnel(1, 0);
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, callee));
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) undo = provider->ops->prepare(provider, changes, &error);
  g_assert_no_error(error);
  for (guint round = 0; round < 2; round++) {
    g_assert_true(lw_provider_undo(provider, undo, NULL, NULL, &error));
    g_assert_no_error(error);
    assert_seen(callee, FALSE, FALSE);
  }
  g_assert_true(provider->ops->apply(provider, changes, &error));
  for (guint round = 0; round < 2; round++) {
    g_assert_true(lw_provider_undo(provider, undo, NULL, NULL, &error));
    g_assert_no_error(error);
    assert_seen(callee, FALSE, FALSE);
  }
}

/* What is wrong is refused before anything is touched, and no key is in what is said. */
static void test_refused(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) unknown = tunnel(1, 0);
  g_free(unknown->private_key);
  unknown->private_key = g_strdup("sha256:0000000000000000000000000000000000000000000000000000000000000000");
  g_assert_false(carry(NULL, unknown, TRUE, &error));
  g_assert_nonnull(error);
  g_clear_error(&error);
  must(spaces[1], "ip link add wgs-there type bridge");
  g_autoptr(LwResource) taken = tunnel(1, 0);
  g_assert_false(carry(NULL, taken, TRUE, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_CONFLICT);
  must(spaces[1], "ip link del wgs-there");
  g_clear_error(&error);
  g_autofree LwSecretRef *bad = lw_secret_store_put(secrets, "bm90IGEga2V5", NULL);
  g_autoptr(LwResource) short_key = tunnel(1, 0);
  g_free(short_key->private_key);
  short_key->private_key = g_strdup(bad);
  g_assert_false(carry(NULL, short_key, FALSE, &error));
  g_assert_nonnull(error);
  g_assert_null(strstr(error->message, "bm90IGEga2V5"));
  change(short_key, NULL);
}

static void make_world(void) {
  g_assert_cmpint(g_mkdir_with_parents("/tmp/run", 0700), ==, 0);
  g_assert_cmpint(g_mkdir_with_parents("/run/wireguard", 0700), ==, 0);
  secrets = lw_secret_store_new("/tmp/run/secrets");
  context.secrets = secrets;
  static const guint8 seed[32] = {1};
  for (guint i = 0; i < 2; i++) {
    g_autofree char *private_key = NULL;
    lw_twin_key_pair(seed, spaces[i], &private_key, &public_keys[i]);
    private_keys[i] = lw_secret_store_put(secrets, private_key, NULL);
    g_autoptr(GError) error = NULL;
    g_assert_true(lw_netns_create(spaces[i], &error));
  }
  must("here", "ip link add eth0 type veth peer name eth0 netns there");
  must("here", "ip address add 192.0.2.1/24 dev eth0");
  must("there", "ip address add 192.0.2.2/24 dev eth0");
  must("here", "ip link set eth0 up");
  must("there", "ip link set eth0 up");
}

int main(int argc, char **argv) {
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  g_autoptr(GError) error = NULL;
  make_world();
  provider = lw_wireguard_provider_new(&context, &error);
  g_assert_no_error(error);
  g_test_add_func("/wireguard/two-ends", test_two_ends);
  g_test_add_func("/wireguard/killed", test_killed);
  g_test_add_func("/wireguard/undo", test_undo);
  g_test_add_func("/wireguard/refused", test_refused);
  int result = g_test_run();
  lw_provider_free(provider);
  lw_secret_store_free(secrets);
  return result;
}
