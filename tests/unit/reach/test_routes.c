/* Tables of random routes, many of them by one link or to one neighbour, against looking each destination up:
 * the longest prefix, then the smallest metric. */
#include "reach/reach.h"

#define ROUTES 60
#define LINKS 4

static void add_link(LwResourceSet *world, const char *name) {
  LwResource *link = lw_resource_set_add(world, lw_resource_new(LW_RES_LINK, "", name));
  link->link_type = LW_LINK_EXTERNAL;
  link->up = TRUE;
}

static LwAddr random_addr(void) {
  return lw_addr_from_v4(0x0a000000u | ((guint32)g_test_rand_int_range(0, 3) << 16) |
                         ((guint32)g_test_rand_int_range(0, 3) << 8) |
                         (guint32)g_test_rand_int_range(0, 256));
}

static gboolean is_there(const LwResourceSet *world, const LwResource *route) {
  for (guint i = 0; i < world->list->len; i++) {
    const LwResource *other = world->list->pdata[i];
    if (other->kind == LW_RES_ROUTE && lw_prefix_equal(&other->prefix, &route->prefix) &&
        other->metric == route->metric)
      return TRUE;
  }
  return FALSE;
}

static void add_random_route(LwResourceSet *world) {
  static const guint8 lengths[] = {0, 8, 16, 20, 24, 28, 32};
  static const LwRouteType types[] = {LW_ROUTE_UNICAST, LW_ROUTE_UNICAST, LW_ROUTE_UNICAST,
                                      LW_ROUTE_BLACKHOLE, LW_ROUTE_THROW};
  g_autoptr(LwResource) route = lw_resource_new(LW_RES_ROUTE, "", NULL);
  LwPrefix prefix = lw_prefix_make(random_addr(), lengths[g_test_rand_int_range(0, G_N_ELEMENTS(lengths))]);
  route->prefix = lw_prefix_network(&prefix);
  route->metric = (guint32)g_test_rand_int_range(0, 3);
  route->route_type = types[g_test_rand_int_range(0, G_N_ELEMENTS(types))];
  if (is_there(world, route))
    return;
  if (route->route_type == LW_ROUTE_UNICAST)
    route->link = g_strdup_printf("e%d", g_test_rand_int_range(0, LINKS));
  if (route->route_type == LW_ROUTE_UNICAST && g_test_rand_bit())
    route->via = lw_addr_from_v4(0xc0a80001u + (guint32)g_test_rand_int_range(0, 2));
  lw_resource_set_add(world, g_steal_pointer(&route));
}

/* The link that the table leads it to; NULL: none. */
static const char *looked_up(const LwResourceSet *world, const LwAddr *destination) {
  const LwResource *best = NULL;
  for (guint i = 0; i < world->list->len; i++) {
    const LwResource *route = world->list->pdata[i];
    if (route->kind != LW_RES_ROUTE || !lw_prefix_contains(&route->prefix, destination))
      continue;
    if (!best || route->prefix.len > best->prefix.len ||
        (route->prefix.len == best->prefix.len && route->metric < best->metric))
      best = route;
  }
  return best && best->route_type == LW_ROUTE_UNICAST ? best->link : NULL;
}

static void test_tables(void) {
  static const char *const inside[] = {"", NULL};
  const LwStart start = {LW_START_LOCAL, "", NULL};
  guint led = 0, stopped = 0;
  for (guint round = 0; round < 20; round++) {
    g_autoptr(LwResourceSet) world = lw_resource_set_new();
    world->complete = TRUE;
    for (guint i = 0; i < LINKS; i++) {
      g_autofree char *name = g_strdup_printf("e%u", i);
      add_link(world, name);
    }
    LwResource *rule = lw_resource_set_add(world, lw_resource_new(LW_RES_RULE, "", "main"));
    rule->table = 254;
    rule->priority = 32766;
    for (guint i = 0; i < ROUTES; i++)
      add_random_route(world);
    g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
    g_autoptr(LwReach) reach = lw_reach_new(pool, world, inside);
    g_autoptr(GPtrArray) arrivals = lw_reach_from(reach, &start, LW_MDD_TRUE, LW_CT_NEW, LW_REACH_MAY);
    for (guint t = 0; t < 300; t++) {
      LwHeader packet = {.source = lw_addr_from_v4(0x0a090909u), .destination = random_addr(), .proto = 17};
      const char *link = looked_up(world, &packet.destination);
      guint found = 0;
      for (guint i = 0; i < arrivals->len; i++) {
        const LwArrival *arrival = arrivals->pdata[i];
        gboolean in = lw_packets_contain(pool, arrival->packets, &packet);
        g_assert_true(!in || g_strcmp0(arrival->link, link) == 0);
        found += in != 0;
      }
      g_assert_cmpuint(found, ==, link != NULL);
      led += found;
      stopped += !link;
    }
  }
  g_assert_cmpuint(led, >, 1000); /* both happen */
  g_assert_cmpuint(stopped, >, 500);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/reach/routes/tables", test_tables);
  return g_test_run();
}
