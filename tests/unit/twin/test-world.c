/* The world outside, as values: where it puts things, and that what it wants fits together. */
#include "policy/names.h"
#include "policy/policy.h"
#include "spec/spec.h"
#include "twin/world.h"

#include <glib.h>
#include <string.h>

static const char *homelab_path;
static const guint8 seed[32] = "a seed that nobody would use....";

/* A pair of wg genkey | wg pubkey */
static const char known_private[] = "6J6V6EjuUSN5EgnEHQHpMkpCLncUNZb9mmSOoHf+Lm4=";
static const char known_public[] = "9a2XVAsWmHbWJGrbl2rcKETJZwqBvAMOiMDOaq62uis=";

typedef struct {
  LwSecretStore *secrets;
  LwLab *lab;
  LwFacts *facts;
  LwTwinWorld *world;
  LwResourceSet *wanted;
} Fixture;

static LwLab *finish(LwLab *lab, GPtrArray *diagnostics) {
  for (guint i = 0; !lab && i < diagnostics->len; i++) {
    g_autofree char *text = lw_diagnostic_format(diagnostics->pdata[i], FALSE);
    g_printerr("%s", text);
  }
  g_assert_nonnull(lab);
  return lab;
}

static void set_up(Fixture *f, const char *text /* nullable: the reference lab */) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  f->secrets = lw_secret_store_new(NULL);
  LwLab *lab = text ? lw_spec_parse(text, strlen(text), "test.yaml", "/nonexistent", LW_SPEC_TWIN, f->secrets,
                                    diagnostics)
                    : lw_spec_load(homelab_path, LW_SPEC_TWIN, f->secrets, diagnostics);
  f->lab = finish(lab, diagnostics);
  f->facts = lw_facts_new();
  f->facts->cells_stand_in = TRUE;
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_policy_assign(f->lab, f->facts, &error));
  g_assert_no_error(error);
  f->world = lw_twin_world_new(f->lab, f->facts);
}

static void compile(Fixture *f) {
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < f->lab->tunnels->len; i++) {
    LwAddr endpoint = lw_twin_world_endpoint(f->world, f->lab, i);
    g_hash_table_insert(f->facts->endpoints, g_strdup(lw_lab_tunnel(f->lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  f->wanted = lw_resource_set_new();
  g_assert_true(lw_policy_compile(f->lab, f->facts, f->wanted, &error));
  g_assert_true(lw_twin_world_add(f->world, f->lab, f->facts, seed, f->secrets, f->wanted, &error));
  g_assert_no_error(error);
}

static void tear_down(Fixture *f) {
  g_clear_pointer(&f->wanted, lw_resource_set_free);
  lw_twin_world_free(f->world);
  lw_facts_free(f->facts);
  lw_lab_free(f->lab);
  lw_secret_store_free(f->secrets);
}

static LwResource *find(const Fixture *f, LwResourceKind kind, const char *ns, const char *name) {
  g_autoptr(LwResource) like = lw_resource_new(kind, ns, name);
  g_autofree char *key = lw_resource_key(like);
  return lw_resource_set_find(f->wanted, key);
}

static void assert_apart(const Fixture *f, LwPrefix prefix) {
  for (guint i = 0; i < f->lab->segments->len; i++)
    g_assert_false(lw_prefix_overlaps(&prefix, &lw_lab_segment(f->lab, i)->subnet));
  for (guint i = 0; i < f->lab->host.networks->len; i++)
    g_assert_false(lw_prefix_overlaps(&prefix, &lw_lab_network(f->lab, i)->prefix));
  g_assert_false(lw_prefix_overlaps(&prefix, &f->lab->host.management.subnet));
  for (guint i = 0; i < f->lab->tunnels->len; i++) {
    const LwWireguard *wg = &lw_lab_tunnel(f->lab, i)->wg;
    for (guint a = 0; a < wg->addresses->len; a++)
      if (g_array_index(wg->addresses, LwPrefix, a).addr.family == 4)
        g_assert_false(lw_prefix_overlaps(&prefix, &g_array_index(wg->addresses, LwPrefix, a)));
  }
}

static void test_addresses(void) {
  Fixture f = {0};
  set_up(&f, NULL);
  assert_apart(&f, f.world->home_lan);
  assert_apart(&f, f.world->pool);
  g_autofree char *home = lw_prefix_format(&f.world->home_lan);
  g_assert_cmpstr(home, ==, "192.168.1.0/24");
  g_assert_true(lw_prefix_contains(&f.world->home_lan, &f.world->home_router));
  const LwAddr public[] = {f.world->echo, f.world->home_public, f.world->internet_resolver};
  for (gsize i = 0; i < G_N_ELEMENTS(public); i++)
    g_assert_true(lw_prefix_contains(&f.world->pool, &public[i]));
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < f.lab->tunnels->len; i++) {
    LwAddr endpoint = lw_twin_world_endpoint(f.world, f.lab, i);
    const LwAddr *exit_address = g_hash_table_lookup(f.world->exit_public, lw_lab_tunnel(f.lab, i)->name);
    g_assert_true(g_hash_table_add(known, lw_addr_format(&endpoint)));
    g_assert_true(g_hash_table_add(known, lw_addr_format(exit_address)));
  }
  g_assert_true(g_hash_table_add(known, lw_addr_format(&f.world->home_public)));
  /* the same file gives the same world */
  g_autoptr(LwTwinWorld) again = lw_twin_world_new(f.lab, f.facts);
  g_assert_true(lw_addr_equal(&again->echo, &f.world->echo));
  g_assert_true(lw_prefix_equal(&again->home_lan, &f.world->home_lan));
  tear_down(&f);
}

static const char crowded[] =
    "lab: crowded\n"
    "host: {uplink: enp1s0, management: {subnet: 10.11.12.0/24, address: 10.11.12.15}}\n"
    "segments:\n"
    "  a: {subnet: 192.168.1.0/24, dhcp: .200-.240}\n"
    "  b: {subnet: 192.168.0.0/24, dhcp: .200-.240}\n"
    "  c: {subnet: 172.31.255.0/24, dhcp: .200-.240}\n"
    "  d: {subnet: 10.0.0.0/24, dhcp: .200-.240}\n"
    "  e: {subnet: 45.83.7.0/24, dhcp: .200-.240}\n";

static void test_crowded(void) {
  Fixture f = {0};
  set_up(&f, crowded);
  assert_apart(&f, f.world->home_lan);
  assert_apart(&f, f.world->pool);
  compile(&f);
  tear_down(&f);
}

static void test_clashing_endpoints(void) {
  static const char text[] =
      "lab: clash\nhost: {uplink: enp1s0}\n"
      "tunnels: {one: a.conf, two: b.conf, three: c.conf, four: d.conf}\n"
      "segments:\n"
      "  a: {subnet: 192.168.10.0/24, dhcp: .200-.240, egress: [one, two, three, four]}\n";
  static const char *const hosts[] = {"185.1.2.3", "185.1.2.3", "10.1.1.1", "vpn.example.net"};
  Fixture f = {0};
  set_up(&f, text);
  for (guint i = 0; i < G_N_ELEMENTS(hosts); i++) {
    LwTunnel *tunnel = lw_lab_tunnel(f.lab, i);
    g_free(tunnel->wg.endpoint_host);
    tunnel->wg.endpoint_host = g_strdup(hosts[i]);
  }
  lw_twin_world_free(f.world);
  f.world = lw_twin_world_new(f.lab, f.facts);
  LwAddr at[4];
  for (guint i = 0; i < 4; i++)
    at[i] = lw_twin_world_endpoint(f.world, f.lab, i);
  g_autofree char *first = lw_addr_format(&at[0]);
  g_assert_cmpstr(first, ==, "185.1.2.3"); /* as the file says */
  for (guint i = 1; i < 4; i++)
    g_assert_true(lw_prefix_contains(&f.world->pool, &at[i]));
  g_assert_false(lw_addr_equal(&at[1], &at[2]));
  compile(&f);
  const LwResource *resolver = find(&f, LW_RES_RESOLVER, "internet", "dns");
  gboolean named = FALSE;
  for (guint i = 0; i < resolver->names->len; i++) {
    const LwHostName *name = resolver->names->pdata[i];
    named = named || (g_str_equal(name->name, "vpn.example.net") && lw_addr_equal(&name->address, &at[3]));
  }
  g_assert_true(named);
  tear_down(&f);
}

static void test_keys(void) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint8 other[32] = {1};
  static const char *const labels[] = {"client/a", "provider/a", "client/b"};
  for (gsize i = 0; i < G_N_ELEMENTS(labels) * 2; i++) {
    char *private_key, *public_key, *again, *again_public;
    const guint8 *from = i % 2 ? seed : other;
    lw_twin_key_pair(from, labels[i / 2], &private_key, &public_key);
    lw_twin_key_pair(from, labels[i / 2], &again, &again_public);
    g_assert_cmpstr(private_key, ==, again);
    g_assert_cmpstr(public_key, ==, again_public);
    g_assert_cmpuint(strlen(private_key), ==, 44);
    gsize length;
    g_autofree guint8 *raw = g_base64_decode(private_key, &length);
    g_assert_cmpuint(raw[0] & 7, ==, 0);
    g_assert_cmpuint(raw[31] & 192, ==, 64);
    g_assert_true(g_hash_table_add(known, private_key));
    g_assert_true(g_hash_table_add(known, public_key));
    g_free(again);
    g_free(again_public);
  }
}

/* Each end knows the other's public key; a private key of the file stays the router's. */
static void test_tunnels(void) {
  Fixture f = {0};
  g_autoptr(GError) error = NULL;
  set_up(&f, NULL);
  LwTunnel *tunnel = lw_lab_tunnel(f.lab, 0);
  g_free(tunnel->wg.private_key);
  tunnel->wg.private_key = lw_secret_store_put(f.secrets, known_private, &error);
  compile(&f);
  g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < f.lab->tunnels->len; i++) {
    const char *name = lw_lab_tunnel(f.lab, i)->name;
    g_autofree char *client_name = g_strconcat("wg-", name, NULL),
                    *end_name = g_strconcat("wgs-", name, NULL);
    g_autofree char *ns = g_strconcat("tun-", name, NULL);
    const LwResource *client = find(&f, LW_RES_TUNNEL, f.facts->router_ns, client_name);
    const LwResource *end = find(&f, LW_RES_TUNNEL, ns, end_name);
    g_assert_nonnull(client);
    g_assert_nonnull(end);
    g_assert_cmpuint(end->listen_port, ==, lw_lab_tunnel(f.lab, i)->wg.endpoint_port);
    const LwPeer *to_end = client->peers->pdata[0], *to_client = end->peers->pdata[0];
    g_assert_cmpstr(to_end->preshared_key, ==, to_client->preshared_key);
    g_assert_false(lw_addr_is_set(&to_client->endpoint));
    if (i == 0)
      g_assert_cmpstr(to_client->public_key, ==, known_public);
    g_assert_true(g_hash_table_add(keys, to_end->public_key));
    g_assert_true(g_hash_table_add(keys, to_client->public_key));
    char *secret = lw_secret_store_get(f.secrets, end->private_key, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(secret), ==, 44);
    lw_secret_clear(secret);
  }
  tear_down(&f);
}

static gboolean link_exists(const Fixture *f, const char *ns, const char *link) {
  return g_str_equal(link, "lo") || find(f, LW_RES_LINK, ns, link) || find(f, LW_RES_TUNNEL, ns, link);
}

static void assert_placed(const Fixture *f, const LwResource *r) {
  if (*r->ns)
    g_assert_nonnull(find(f, LW_RES_NETNS, NULL, r->ns));
  if (r->kind == LW_RES_ADDRESS || (r->kind == LW_RES_ROUTE && r->link && *r->link))
    g_assert_true(link_exists(f, r->ns, r->link));
  if (r->kind == LW_RES_LINK || r->kind == LW_RES_TUNNEL)
    g_assert_cmpuint(strlen(r->name), <=, 15);
  if (r->kind == LW_RES_LINK && r->link_type == LW_LINK_VETH) {
    const LwResource *peer = find(f, LW_RES_LINK, r->peer_ns, r->peer);
    g_assert_nonnull(peer);
    g_assert_cmpstr(peer->peer, ==, r->name);
    g_assert_cmpstr(peer->peer_ns, ==, r->ns);
  }
}

static void test_whole(void) {
  Fixture f = {0};
  set_up(&f, NULL);
  compile(&f);
  for (guint i = 0; i < f.wanted->list->len; i++)
    assert_placed(&f, f.wanted->list->pdata[i]);
  const LwResource *uplink = find(&f, LW_RES_LINK, "", f.lab->host.uplink);
  g_assert_cmpint(uplink->link_type, ==, LW_LINK_VETH);
  g_assert_cmpstr(uplink->master, ==, f.lab->host.bridge);
  g_assert_true(lw_mac_is_set(&uplink->mac));
  const LwResource *bridge = find(&f, LW_RES_LINK, "", f.lab->host.bridge);
  g_assert_true(lw_mac_equal(&uplink->mac, &bridge->mac));
  /* again from the same: nothing would change */
  LwResourceSet *first = f.wanted;
  compile(&f);
  g_assert_cmpuint(first->list->len, ==, f.wanted->list->len);
  for (guint i = 0; i < first->list->len; i++)
    g_assert_true(lw_resource_equal(first->list->pdata[i], f.wanted->list->pdata[i]));
  lw_resource_set_free(first);
  tear_down(&f);
}

static void test_long_names(void) {
  static const char text[] =
      "lab: long\nhost: {uplink: enp1s0}\n"
      "tunnels: {abcdefghijkl: a.conf, abcdefghijkm: b.conf}\n"
      "segments:\n"
      "  a: {subnet: 192.168.10.0/24, dhcp: .200-.240, egress: [abcdefghijkl, abcdefghijkm]}\n";
  Fixture f = {0};
  set_up(&f, text);
  compile(&f);
  for (guint i = 0; i < f.wanted->list->len; i++)
    assert_placed(&f, f.wanted->list->pdata[i]);
  tear_down(&f);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  homelab_path = argc > 1 ? argv[argc - 1] : "examples/homelab.yaml";
  g_test_add_func("/world/addresses", test_addresses);
  g_test_add_func("/world/crowded", test_crowded);
  g_test_add_func("/world/clashing-endpoints", test_clashing_endpoints);
  g_test_add_func("/world/keys", test_keys);
  g_test_add_func("/world/tunnels", test_tunnels);
  g_test_add_func("/world/whole", test_whole);
  g_test_add_func("/world/long-names", test_long_names);
  return g_test_run();
}
