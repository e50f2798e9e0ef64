/* What the host's own firewall must let pass, from the file alone: homelab, whose lines are quoted beside. */
#include "host/world.h"
#include "spec/spec.h"

typedef struct {
  LwLab *lab;
  LwResourceSet *wanted;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  f->lab = lw_spec_load(LW_SOURCE "/examples/homelab.yaml", LW_SPEC_TWIN, secrets, diagnostics);
  g_assert_nonnull(f->lab);
  f->wanted = lw_resource_set_new();
}

static void tear_down(Fixture *f, gconstpointer data) {
  lw_resource_set_free(f->wanted);
  lw_lab_free(f->lab);
}

static void check(const Fixture *f, const char *const *keys) {
  guint n = 0;
  for (; keys[n]; n++)
    if (!lw_resource_set_find(f->wanted, keys[n]))
      g_error("not wanted: %s", keys[n]);
  g_assert_cmpuint(f->wanted->list->len, ==, n);
}

static void test_none(Fixture *f, gconstpointer data) {
  const LwHostWorld world = {0};
  lw_host_add_openings(&world, f->lab, f->wanted);
  g_assert_cmpuint(f->wanted->list->len, ==, 0);
  g_assert_true(lw_host_offers(f->lab));
  g_assert_true(lw_host_forwards(f->lab));
}

/* Samba of four segments, nothing for ping; lan40, trusted, all, and both ways with the containers. */
static void test_ufw(Fixture *f, gconstpointer data) {
  static const char *const keys[] = {
      "opening:ufw/br-mgmt//192.168.10.0/24/192.168.99.15/32/tcp/445",
      "opening:ufw/br-mgmt//192.168.10.0/24/192.168.99.15/32/udp/445",
      "opening:ufw/br-mgmt//192.168.20.0/24/192.168.99.15/32/tcp/445",
      "opening:ufw/br-mgmt//192.168.20.0/24/192.168.99.15/32/udp/445",
      "opening:ufw/br-mgmt//192.168.30.0/24/192.168.99.15/32/tcp/445",
      "opening:ufw/br-mgmt//192.168.30.0/24/192.168.99.15/32/udp/445",
      "opening:ufw/br-mgmt//192.168.50.0/24/192.168.99.15/32/tcp/445",
      "opening:ufw/br-mgmt//192.168.50.0/24/192.168.99.15/32/udp/445",
      "opening:ufw/br-mgmt//192.168.40.0/24/192.168.99.15/32/any",
      "opening:ufw/br-mgmt//192.168.40.0/24/172.16.0.0/12/any",
      "opening:ufw-route/br-mgmt//192.168.40.0/24/172.16.0.0/12/any",
      "opening:ufw-route//br-mgmt/172.16.0.0/12/192.168.40.0/24/any",
      NULL,
  };
  const LwHostWorld world = {.ufw = TRUE};
  lw_host_add_openings(&world, f->lab, f->wanted);
  check(f, keys);
}

static void test_docker(Fixture *f, gconstpointer data) {
  static const char *const keys[] = {
      "opening:docker/br-mgmt//192.168.40.0/24/172.16.0.0/12/any",
      "opening:docker//br-mgmt/172.16.0.0/12/192.168.40.0/24/replies",
      "opening:docker//br-mgmt/172.16.0.0/12/192.168.40.0/24/any",
      NULL,
  };
  const LwHostWorld world = {.docker = TRUE};
  lw_host_add_openings(&world, f->lab, f->wanted);
  check(f, keys);
}

static void test_firewalld(Fixture *f, gconstpointer data) {
  LwHostWorld world = {.firewalld = (char *)"public\n  target: default\n  ports: 445/tcp\n",
                       .firewalld_zone = (char *)"public"};
  g_autofree char *note = lw_host_firewalld_note(&world, f->lab);
  g_assert_nonnull(g_strstr_len(note, -1, "zone public stops 5 of"));
  g_assert_nonnull(g_strstr_len(note, -1, "--permanent --new-zone=lanward\n"));
  g_assert_nonnull(g_strstr_len(note, -1, "--permanent --zone=lanward --change-interface=br-mgmt\n"));
  /* the zone is a new one: what the old one opened has to be opened there as well */
  g_assert_nonnull(g_strstr_len(note, -1,
                                "address=\"192.168.10.0/24\" destination address=\"192.168.99.15/32\" "
                                "port port=\"445\" protocol=\"tcp\" accept'\n"));
  world.firewalld = (char *)"trusted\n  target: ACCEPT\n";
  g_assert_null(lw_host_firewalld_note(&world, f->lab));
  world.firewalld = NULL;
  g_assert_null(lw_host_firewalld_note(&world, f->lab));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add("/openings/none", Fixture, NULL, set_up, test_none, tear_down);
  g_test_add("/openings/ufw", Fixture, NULL, set_up, test_ufw, tear_down);
  g_test_add("/openings/docker", Fixture, NULL, set_up, test_docker, tear_down);
  g_test_add("/openings/firewalld", Fixture, NULL, set_up, test_firewalld, tear_down);
  return g_test_run();
}
