#include "tests/contract/networkmanager/wanted.h"

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

static LwResource *profile(LwResourceSet *set, LwProfileType type, const char *name, const char *link) {
  LwResource *r = lw_resource_new(LW_RES_PROFILE, NULL, name);
  r->profile_type = type;
  r->link = g_strdup(link);
  r->alias = g_strdup(LW_TEST_OWNER);
  r->up = TRUE;
  return lw_resource_set_add(set, r);
}

LwResourceSet *lw_test_uplink(void) {
  LwResourceSet *set = lw_resource_set_new();
  LwResource *bridge = profile(set, LW_PROFILE_BRIDGE, "lanward-br0", "br0");
  g_assert_true(lw_mac_parse("52:54:00:00:01:01", &bridge->mac));
  bridge->client_id = g_strdup("01:52:54:00:00:01:01");
  LwResource *port = profile(set, LW_PROFILE_PORT, "lanward-enp1s0", "enp1s0");
  port->master = g_strdup("br0");
  port->priority = 100;
  return set;
}

static void add_route(LwResource *bridge, const char *to) {
  LwProfileRoute *route = lw_profile_route_new();
  route->prefix = prefix(to);
  route->via = addr("192.168.99.1");
  g_ptr_array_add(bridge->routes, route);
}

LwResourceSet *lw_test_management(guint routes) {
  LwResourceSet *set = lw_resource_set_new();
  LwResource *bridge = profile(set, LW_PROFILE_BRIDGE, "lanward-br-mgmt", "br-mgmt");
  bridge->mac = lw_mac_derive("br-mgmt");
  bridge->method = g_strdup("manual");
  LwPrefix own = prefix("192.168.99.15/24");
  g_array_append_val(bridge->addresses, own);
  for (guint i = 0; i < routes; i++) {
    g_autofree char *to = g_strdup_printf("10.1.%u.0/24", i);
    add_route(bridge, to);
  }
  return set;
}
