/* What is wanted of a host that NetworkManager keeps: values alone. */
#include "host/world.h"
#include "policy/policy.h"
#include "spec/spec.h"

#include <string.h>

typedef struct {
  LwLab *lab;
  LwFacts *facts;
  LwResourceSet *wanted;
  LwHostWorld world;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  f->lab = lw_spec_load(LW_SOURCE "/examples/homelab.yaml", LW_SPEC_TWIN, secrets, diagnostics);
  g_assert_nonnull(f->lab);
  f->facts = lw_facts_new();
  f->facts->cells_stand_in = TRUE;
  f->wanted = lw_resource_set_new();
  f->world = (LwHostWorld){.uplink = (char *)"enp1s0",
                           .client_id = (char *)"01:02",
                           .keeper = LW_UPLINK_NETWORKMANAGER,
                           .networkmanager = TRUE};
  g_assert_true(lw_mac_parse("52:54:00:00:01:01", &f->world.mac));
  f->facts->uplink_mac = f->world.mac;
  g_assert_true(lw_policy_assign(f->lab, f->facts, &error));
  g_assert_true(lw_policy_compile(f->lab, f->facts, f->wanted, &error));
  g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data) {
  lw_resource_set_free(f->wanted);
  lw_facts_free(f->facts);
  lw_lab_free(f->lab);
}

static void add(Fixture *f) {
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_host_add_profiles(&f->world, f->lab, f->wanted, &error));
  g_assert_no_error(error);
}

static const LwResource *find(const Fixture *f, const char *key) {
  return lw_resource_set_find(f->wanted, key);
}

static guint of_link(const Fixture *f, LwResourceKind kind, const char *link) {
  guint count = 0;
  for (guint i = 0; i < f->wanted->list->len; i++) {
    const LwResource *r = f->wanted->list->pdata[i];
    count += r->kind == kind && !*r->ns && g_strcmp0(r->link, link) == 0;
  }
  return count;
}

/* The profiles say it all; the links are there, and not the kernel provider's to make. */
static void test_all(Fixture *f, gconstpointer data) {
  guint routes = of_link(f, LW_RES_ROUTE, "br-mgmt");
  add(f);
  const LwResource *bridge = find(f, "profile:lanward-br0"), *port = find(f, "profile:lanward-enp1s0");
  const LwResource *management = find(f, "profile:lanward-br-mgmt");
  g_assert_true(lw_mac_equal(&bridge->mac, &f->world.mac));
  g_assert_cmpstr(bridge->client_id, ==, "01:02");
  g_assert_null(bridge->method);
  g_assert_cmpstr(port->master, ==, "br0");
  g_assert_cmpuint(port->priority, ==, 100);
  g_assert_cmpuint(routes, ==, f->lab->segments->len);
  g_assert_cmpuint(management->routes->len, ==, routes);
  g_assert_cmpuint(of_link(f, LW_RES_ROUTE, "br-mgmt") + of_link(f, LW_RES_ADDRESS, "br-mgmt"), ==, 0);
  const LwResource *link = find(f, "link:/br-mgmt");
  g_assert_true(link->observed && find(f, "link:/br0")->observed && find(f, "link:/enp1s0")->observed);
  g_assert_true(lw_mac_equal(&link->mac, &management->mac));
  g_assert_false(find(f, "link:/lw-wan")->observed);
}

/* The port must win at boot against a profile that somebody gave a priority, as far as that goes. */
static void test_priority(Fixture *f, gconstpointer data) {
  f->world.priority = GPOINTER_TO_INT(data);
  add(f);
  g_assert_cmpuint(find(f, "profile:lanward-enp1s0")->priority, ==, MIN(f->world.priority + 1, 999));
}

/* A bridge that is there already, and not lanward's, is used. */
static void test_bridged(Fixture *f, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  f->world.keeper = LW_UPLINK_BRIDGED;
  f->world.management = TRUE;
  g_assert_true(lw_host_add(&f->world, f->lab, f->facts, f->wanted, &error));
  g_assert_no_error(error);
  g_assert_null(find(f, "profile:lanward-br0"));
  g_assert_null(find(f, "profile:lanward-br-mgmt"));
  g_assert_true(find(f, "link:/br-mgmt")->observed);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add("/host/profiles", Fixture, NULL, set_up, test_all, tear_down);
  g_test_add("/host/profiles/priority", Fixture, GINT_TO_POINTER(500), set_up, test_priority, tear_down);
  g_test_add("/host/profiles/priority-most", Fixture, GINT_TO_POINTER(999), set_up, test_priority, tear_down);
  g_test_add("/host/profiles/bridged", Fixture, NULL, set_up, test_bridged, tear_down);
  return g_test_run();
}
