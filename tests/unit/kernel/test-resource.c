/* The member table: copies through JSON are equal, keys are stable, differences are named. */
#include "base/error.h"
#include "resource/resource.h"

#include <string.h>

static LwAddr addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static LwPrefix prefix(const char *text) {
  LwPrefix out = {0};
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwResource *example_link(void) {
  LwResource *link = lw_resource_new(LW_RES_LINK, "router", "lan10");
  link->link_type = LW_LINK_VETH;
  link->peer_ns = g_strdup("");
  link->peer = g_strdup("lw-lan10");
  link->mac = lw_mac_derive("router/lan10");
  link->mtu = 1500;
  link->up = TRUE;
  link->group = 7;
  link->alias = g_strdup("lanward:test");
  return link;
}

static LwResource *example_tunnel(void) {
  LwResource *tunnel = lw_resource_new(LW_RES_TUNNEL, "router", "wg-se");
  tunnel->private_key = g_strdup("sha256:00");
  tunnel->mark = 5;
  tunnel->up = TRUE;
  for (guint i = 0; i < 2; i++) {
    LwPeer *peer = lw_peer_new();
    peer->public_key = g_strdup(i ? "BBBB" : "AAAA");
    peer->endpoint = addr("203.0.113.5");
    peer->endpoint_port = 51820;
    LwPrefix allowed[] = {prefix("0.0.0.0/1"), prefix("128.0.0.0/1")};
    g_array_append_vals(peer->allowed, allowed, 2);
    g_ptr_array_add(tunnel->peers, peer);
  }
  return tunnel;
}

static LwResource *example_resolver(void) {
  LwResource *resolver = lw_resource_new(LW_RES_RESOLVER, "router", "dhcp");
  resolver->port = 53;
  resolver->domain = g_strdup("lab");
  g_ptr_array_add(resolver->links, g_strdup("lan10"));
  LwDhcpRange *range = lw_dhcp_range_new();
  range->link = g_strdup("lan10");
  g_assert_true(lw_range_parse("192.168.10.200-192.168.10.240", &range->range));
  range->prefix_len = 24;
  range->router = addr("192.168.10.1");
  LwAddr dns = addr("192.168.10.1");
  g_array_append_val(range->dns, dns);
  range->lease_seconds = 3600;
  g_ptr_array_add(resolver->ranges, range);
  LwDhcpHost *host = lw_dhcp_host_new();
  host->mac = lw_mac_derive("x");
  host->address = addr("192.168.10.5");
  g_ptr_array_add(resolver->hosts, host);
  LwUpstream *upstream = lw_upstream_new();
  upstream->address = addr("10.0.0.1");
  upstream->device = g_strdup("wg-se");
  g_ptr_array_add(resolver->upstreams, upstream);
  LwHostName *name = lw_host_name_new();
  name->name = g_strdup("host");
  name->address = addr("192.168.99.15");
  g_ptr_array_add(resolver->names, name);
  return resolver;
}

static LwResource *example_domain(void) {
  LwResource *domain = lw_resource_new(LW_RES_DOMAIN, NULL, "gaming");
  domain->memory = 4096;
  domain->vcpus = 2;
  domain->firmware = g_strdup("uefi");
  domain->cdrom = g_strdup("/srv/debian.iso");
  domain->autostart = TRUE;
  domain->alias = g_strdup("lanward");
  g_ptr_array_add(domain->devices, g_strdup("0000:01:00.0"));
  LwDisk *disk = lw_disk_new();
  disk->path = g_strdup("/var/lib/libvirt/images/gaming.qcow2");
  disk->size = 20480;
  g_ptr_array_add(domain->disks, disk);
  return domain;
}

static LwResource *example_nic(void) {
  LwResource *nic = lw_resource_new(LW_RES_DOMAIN_NIC, NULL, "gaming");
  nic->mac = lw_mac_derive("gaming");
  nic->master = g_strdup("switch-lan10");
  nic->up = TRUE;
  nic->link = g_strdup("lwm1");
  nic->model = g_strdup("virtio");
  return nic;
}

static LwResource *example_profile(void) {
  LwResource *profile = lw_resource_new(LW_RES_PROFILE, NULL, "lanward-br-mgmt");
  profile->link = g_strdup("br-mgmt");
  profile->mac = lw_mac_derive("br-mgmt");
  profile->method = g_strdup("manual");
  profile->up = TRUE;
  profile->before = g_strdup("6c0b6f08-0000-4000-8000-000000000001");
  LwPrefix own = prefix("192.168.99.15/24");
  g_array_append_val(profile->addresses, own);
  LwProfileRoute *route = lw_profile_route_new();
  route->prefix = prefix("192.168.10.0/24");
  route->via = addr("192.168.99.1");
  g_ptr_array_add(profile->routes, route);
  return profile;
}

/* Routes are given to an active profile; another MAC, or another bridge, is another profile. What was there
 * before it is no difference. */
static void test_profile_changes(void) {
  g_autoptr(LwResource) from = example_profile(), to = example_profile();
  g_ptr_array_set_size(to->routes, 0);
  g_clear_pointer(&to->before, g_free);
  g_assert_cmpint(lw_resource_change_class(from, to), ==, LW_CHANGE_LIVE);
  g_autofree char *difference = lw_resource_difference(from, to);
  g_assert_cmpstr(difference, ==, "routes changed");
  to->mac = lw_mac_derive("another");
  g_assert_cmpint(lw_resource_change_class(from, to), ==, LW_CHANGE_REPLACE);
}

static LwResource *again(const LwResource *resource) {
  g_autoptr(GError) error = NULL;
  g_autoptr(JsonNode) node = lw_resource_to_json(resource);
  g_autofree char *text = json_to_string(node, FALSE);
  g_autoptr(JsonNode) parsed = json_from_string(text, &error);
  g_assert_no_error(error);
  LwResource *back = lw_resource_from_json(parsed, &error);
  g_assert_no_error(error);
  return back;
}

static void test_json(void) {
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)lw_resource_unref);
  g_ptr_array_add(all, lw_resource_new(LW_RES_NETNS, NULL, "router"));
  g_ptr_array_add(all, example_link());
  g_ptr_array_add(all, example_tunnel());
  g_ptr_array_add(all, example_resolver());
  g_ptr_array_add(all, example_profile());
  LwResource *route = lw_resource_new(LW_RES_ROUTE, "router", NULL);
  route->table = 1001;
  route->prefix = prefix("0.0.0.0/0");
  route->route_type = LW_ROUTE_PROHIBIT;
  route->metric = 4294967295u;
  g_ptr_array_add(all, route);
  LwResource *cell = lw_resource_new(LW_RES_CELL, NULL, "probe");
  g_ptr_array_add(cell->argv, g_strdup("sleep"));
  g_ptr_array_add(cell->argv, g_strdup("1 \"x\""));
  g_ptr_array_add(cell->nics, g_strdup("eth0"));
  cell->static_nics = 1;
  g_ptr_array_add(all, cell);
  LwResource *ruleset = lw_resource_new(LW_RES_RULESET, "", "guard");
  ruleset->ruleset = lw_ruleset_new(LW_FAMILY_BRIDGE, "guard");
  g_ptr_array_add(all, ruleset);
  LwResource *network = lw_resource_new(LW_RES_NETWORK, NULL, "switch-lan10");
  network->link = g_strdup("virbr-lan10");
  network->up = network->autostart = TRUE;
  g_ptr_array_add(all, network);
  g_ptr_array_add(all, example_domain());
  g_ptr_array_add(all, example_nic());
  for (guint i = 0; i < all->len; i++) {
    g_autoptr(LwResource) back = again(all->pdata[i]);
    g_autofree char *difference = lw_resource_difference(all->pdata[i], back);
    g_assert_cmpstr(difference, ==, NULL);
    g_assert_true(lw_resource_equal(all->pdata[i], back));
    g_autofree char *key = lw_resource_key(all->pdata[i]);
    g_autofree char *back_key = lw_resource_key(back);
    g_assert_cmpstr(key, ==, back_key);
  }
}

static void test_json_refused(void) {
  static const char *const bad[] = {
      "{}",
      "[]",
      "{\"kind\":\"nothing\"}",
      "{\"kind\":\"link\",\"name\":\"a\",\"colour\":\"red\"}",
      "{\"kind\":\"link\",\"mtu\":-1}",
      "{\"kind\":\"link\",\"mtu\":4294967296}",
      "{\"kind\":\"link\",\"mtu\":\"1500\"}",
      "{\"kind\":\"link\",\"type\":\"dummy\"}",
      "{\"kind\":\"link\",\"mac\":\"xx\"}",
      "{\"kind\":\"tunnel\",\"peers\":[{\"public-key\":1}]}",
      "{\"kind\":\"tunnel\",\"peers\":{}}",
      "{\"kind\":\"ruleset\",\"family\":\"ipx\"}",
  };
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(bad[i], NULL);
    g_assert_null(lw_resource_from_json(node, &error));
    g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  }
}

static void check_key(LwResource *resource, const char *key, const char *description) {
  g_autofree char *is_key = lw_resource_key(resource);
  g_autofree char *is_description = lw_resource_describe(resource);
  g_assert_cmpstr(is_key, ==, key);
  g_assert_cmpstr(is_description, ==, description);
  lw_resource_unref(resource);
}

static void test_keys(void) {
  check_key(example_link(), "link:router/lan10", "veth lan10 in router");
  check_key(example_tunnel(), "tunnel:router/wg-se", "tunnel wg-se in router");
  LwResource *route = lw_resource_new(LW_RES_ROUTE, "router", NULL);
  route->table = 1001;
  route->prefix = prefix("0.0.0.0/0");
  check_key(route, "route:router/1001/0.0.0.0/0/0", "route 0.0.0.0/0 in table 1001 in router");
  LwResource *bridge = lw_resource_new(LW_RES_LINK, NULL, "br0");
  check_key(bridge, "link:/br0", "bridge br0");
  check_key(example_domain(), "domain:gaming", "domain gaming");
  check_key(example_nic(), "domain-nic:gaming/0", "NIC 0 of domain gaming");
  check_key(lw_resource_new(LW_RES_NETWORK, NULL, "switch-lan10"), "network:switch-lan10",
            "network switch-lan10");
}

static void test_equal(void) {
  g_autoptr(LwResource) a = example_link();
  g_autoptr(LwResource) b = example_link();
  g_assert_true(lw_resource_equal(a, b));
  b->mtu = 0; /* whatever it has */
  b->mac = LW_MAC_NONE;
  g_free(b->master);
  b->master = g_strdup(""); /* as good as NULL */
  g_assert_true(lw_resource_equal(a, b));
  b->mtu = 1400;
  g_free(b->master);
  b->master = g_strdup("br1");
  g_autofree char *difference = lw_resource_difference(a, b);
  g_assert_cmpstr(difference, ==, "mtu 1500 -> 1400, master none -> br1");
  g_assert_false(lw_resource_equal(a, b));

  g_autoptr(LwResource) t = example_tunnel();
  g_autoptr(LwResource) u = example_tunnel();
  gpointer first = u->peers->pdata[0]; /* the kernel lists peers in an order of its own */
  u->peers->pdata[0] = u->peers->pdata[1];
  u->peers->pdata[1] = first;
  g_assert_true(lw_resource_equal(t, u));
  g_free(((LwPeer *)u->peers->pdata[1])->public_key);
  ((LwPeer *)u->peers->pdata[1])->public_key = g_strdup("BBBB"); /* the same one twice */
  g_assert_false(lw_resource_equal(t, u));
  g_free(u->private_key);
  u->private_key = g_strdup("sha256:11");
  g_autofree char *secret = lw_resource_difference(t, u);
  g_assert_cmpstr(secret, ==, "private-key changed, peers changed");

  g_autoptr(LwResource) r = example_resolver();
  g_autoptr(LwResource) s = example_resolver();
  g_assert_true(lw_resource_equal(r, s));
  ((LwDhcpHost *)s->hosts->pdata[0])->dynamic_only = TRUE;
  g_assert_false(lw_resource_equal(r, s));
}

static void test_change_class(void) {
  g_autoptr(LwResource) a = example_link();
  g_autoptr(LwResource) b = example_link();
  b->mtu = 1400;
  b->up = FALSE;
  g_assert_cmpint(lw_resource_change_class(a, b), ==, LW_CHANGE_LIVE);
  g_free(b->peer);
  b->peer = g_strdup("other");
  g_assert_cmpint(lw_resource_change_class(a, b), ==, LW_CHANGE_REPLACE);

  g_autoptr(LwResource) r = example_resolver();
  g_autoptr(LwResource) s = example_resolver();
  g_ptr_array_set_size(s->hosts, 0);
  g_assert_cmpint(lw_resource_change_class(r, s), ==, LW_CHANGE_LIVE);
  s->port = 5353;
  g_assert_cmpint(lw_resource_change_class(r, s), ==, LW_CHANGE_RESTART);

  g_autoptr(LwResource) here = example_nic();
  g_autoptr(LwResource) there = example_nic();
  g_free(there->master);
  there->master = g_strdup("switch-lan30");
  there->up = FALSE;
  g_assert_cmpint(lw_resource_change_class(here, there), ==, LW_CHANGE_LIVE);
  there->mac = lw_mac_derive("another");
  g_assert_cmpint(lw_resource_change_class(here, there), ==, LW_CHANGE_REPLACE);

  g_autoptr(LwResource) small = example_domain();
  g_autoptr(LwResource) large = example_domain();
  ((LwDisk *)large->disks->pdata[0])->size = 40960; /* only of use to make it */
  g_assert_true(lw_resource_equal(small, large));
  large->memory = 8192;
  g_assert_cmpint(lw_resource_change_class(small, large), ==, LW_CHANGE_LIVE);
}

static void test_set(void) {
  g_autoptr(LwResourceSet) set = lw_resource_set_new();
  LwResource *first = lw_resource_set_add(set, example_link());
  g_assert_true(lw_resource_set_add(set, example_link()) == first);
  g_assert_cmpuint(set->list->len, ==, 1);
  g_assert_true(lw_resource_set_find(set, "link:router/lan10") == first);
  g_assert_null(lw_resource_set_find(set, "link:router/lan20"));
}

static void test_set_clash(void) {
  if (g_test_subprocess()) {
    g_autoptr(LwResourceSet) set = lw_resource_set_new();
    lw_resource_set_add(set, example_link());
    LwResource *other = example_link();
    other->mtu = 9000;
    lw_resource_set_add(set, other);
    return;
  }
  g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed();
  g_test_trap_assert_stderr("*two different resources link:router/lan10: mtu 1500 -> 9000*");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/resource/json", test_json);
  g_test_add_func("/resource/json-refused", test_json_refused);
  g_test_add_func("/resource/keys", test_keys);
  g_test_add_func("/resource/equal", test_equal);
  g_test_add_func("/resource/change-class", test_change_class);
  g_test_add_func("/resource/set", test_set);
  g_test_add_func("/resource/set-clash", test_set_clash);
  g_test_add_func("/resource/profile-changes", test_profile_changes);
  return g_test_run();
}
