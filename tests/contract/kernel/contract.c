/* What every provider of links owes the engine: the same tests on the fake and on the real kernel. */
#include "base/error.h"
#include "base/netns.h"
#include "base/process.h"
#include "plan/plan.h"
#include "providers/kernel/kernel.h"

#include "tests/unit/kernel/sandbox.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OWNER "lanward:contract"

static const LwProviderContext context = {.owner = OWNER};
static const LwResourceKind link_kinds[] = {LW_RES_NETNS, LW_RES_LINK,   LW_RES_ADDRESS, LW_RES_ROUTE,
                                            LW_RES_RULE,  LW_RES_SYSCTL, LW_RES_LAST};

typedef struct {
  LwProvider *provider;
  LwResourceSet *world; /* the fake's; NULL: the kernel is the world */
  GPtrArray *undos;     /* of GBytes*, in order */
} Fixture;

static void set_up(Fixture *f, gconstpointer real) {
  g_autoptr(GError) error = NULL;
  f->undos = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  f->world = GPOINTER_TO_INT(real) ? NULL : lw_resource_set_new();
  f->provider = f->world ? lw_fake_provider_new(&context, link_kinds, f->world)
                         : lw_kernel_provider_new(&context, &error);
  g_assert_no_error(error);
}

static LwPrefix prefix(const char *text) {
  LwPrefix out = {0};
  g_assert_true(lw_prefix_parse(text, &out));
  return out;
}

static LwAddr addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static void add_bridge(LwResourceSet *set, const char *name) {
  LwResource *bridge = lw_resource_new(LW_RES_LINK, "", name);
  bridge->link_type = LW_LINK_BRIDGE;
  bridge->up = TRUE;
  bridge->group = 77;
  bridge->alias = g_strdup(OWNER);
  bridge->mac = lw_mac_derive(name);
  lw_resource_set_add(set, bridge);
}

static LwResource *add_cable(LwResourceSet *set, const char *port, const char *master, const char *ns,
                             const char *end) {
  LwResource *here = lw_resource_new(LW_RES_LINK, "", port);
  here->link_type = LW_LINK_VETH;
  here->peer_ns = g_strdup(ns);
  here->peer = g_strdup(end);
  here->master = g_strdup(master);
  here->up = TRUE;
  here->group = 77;
  here->alias = g_strdup(OWNER);
  LwResource *there = lw_resource_new(LW_RES_LINK, ns, end);
  there->link_type = LW_LINK_VETH;
  there->peer_ns = g_strdup("");
  there->peer = g_strdup(port);
  there->mac = lw_mac_derive(port);
  there->mtu = 1400;
  there->up = TRUE;
  lw_resource_set_add(set, here);
  lw_resource_set_add(set, there);
  return here;
}

static void add_address(LwResourceSet *set, const char *ns, const char *link, const char *text) {
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, ns, NULL);
  address->link = g_strdup(link);
  address->prefix = prefix(text);
  lw_resource_set_add(set, address);
}

static LwResource *add_route(LwResourceSet *set, const char *ns, const char *to, guint32 table,
                             guint32 metric) {
  LwResource *route = lw_resource_new(LW_RES_ROUTE, ns, NULL);
  route->prefix = prefix(to);
  route->table = table;
  route->metric = metric;
  return lw_resource_set_add(set, route);
}

static void add_sysctl(LwResourceSet *set, const char *ns, const char *name, const char *value) {
  LwResource *sysctl = lw_resource_new(LW_RES_SYSCTL, ns, name);
  sysctl->value = g_strdup(value);
  lw_resource_set_add(set, sysctl);
}

/* A little lab: two bridges, a namespace with a leg on each, all kinds of objects. */
static LwResourceSet *lab(void) {
  LwResourceSet *set = lw_resource_set_new();
  lw_resource_set_add(set, lw_resource_new(LW_RES_NETNS, NULL, "router"));
  add_sysctl(set, "router", "net.ipv4.ip_forward", "1");
  add_sysctl(set, "router", "net/ipv4/conf/lan10/arp_ignore", "1");
  add_bridge(set, "br10");
  add_bridge(set, "br20");
  add_cable(set, "lw-lan10", "br10", "router", "lan10");
  add_cable(set, "lw-lan20", "br20", "router", "lan20")->isolated = TRUE;
  add_address(set, "router", "lan10", "192.168.10.1/24");
  add_address(set, "router", "lan20", "192.168.20.1/24");
  add_address(set, "router", "lan20", "fd00:20::1/64");
  LwResource *way_out = add_route(set, "router", "0.0.0.0/0", 1001, 0);
  way_out->link = g_strdup("lan20");
  way_out->via = addr("192.168.20.254");
  LwResource *connected = add_route(set, "router", "10.5.0.0/16", 0, 0);
  connected->link = g_strdup("lan10");
  connected->source = addr("192.168.10.1");
  add_route(set, "router", "0.0.0.0/0", 1001, 4000000000u)->route_type = LW_ROUTE_PROHIBIT;
  add_route(set, "router", "10.0.0.0/8", 1001, 0)->route_type = LW_ROUTE_BLACKHOLE;
  LwResource *rule = lw_resource_new(LW_RES_RULE, "router", NULL);
  rule->priority = 100;
  rule->mark = 0x4c02;
  rule->table = 1001;
  lw_resource_set_add(set, rule);
  LwResource *local_first = lw_resource_new(LW_RES_RULE, "router", NULL);
  local_first->priority = 90;
  local_first->suppress_default = TRUE;
  lw_resource_set_add(set, local_first);
  LwResource *last = lw_resource_new(LW_RES_RULE, "router", NULL);
  last->priority = 110;
  last->iif = g_strdup("lan10");
  last->action = LW_RULE_PROHIBIT;
  lw_resource_set_add(set, last);
  return set;
}

static LwResourceSet *look(Fixture *f, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(GError) error = NULL;
  LwResourceSet *seen = lw_resource_set_new();
  gboolean ok = lw_provider_observe(f->provider, wanted, owned, seen, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return seen;
}

/* What is there of `interest`, as comparable text. */
static char *snapshot(Fixture *f, const LwResourceSet *interest) {
  g_autoptr(LwResourceSet) seen = look(f, interest, NULL);
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < interest->list->len; i++) {
    g_autofree char *key = lw_resource_key(interest->list->pdata[i]);
    LwResource *resource = lw_resource_set_find(seen, key);
    if (!resource)
      continue;
    g_autoptr(JsonNode) node = lw_resource_to_json(resource);
    g_autofree char *json = json_to_string(node, FALSE);
    g_string_append_printf(text, "%s\n", json);
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static LwPlan *plan(Fixture *f, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(LwResourceSet) seen = look(f, wanted, owned);
  return lw_plan_diff(wanted, seen, owned);
}

static gboolean keep_undo(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  g_ptr_array_add(data, g_bytes_ref(undo));
  return TRUE;
}

static void reach(Fixture *f, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwPlan) todo = plan(f, wanted, owned);
  for (guint i = 0; i < todo->steps->len; i++) {
    const LwPlanStep *step = todo->steps->pdata[i];
    lw_provider_check(f->provider, step->changes, &error);
    g_assert_no_error(error);
    lw_provider_carry_out(f->provider, step->changes, keep_undo, f->undos, NULL, NULL, &error);
    g_assert_no_error(error);
  }
}

static void assert_true_already(Fixture *f, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(LwPlan) todo = plan(f, wanted, owned);
  g_autofree char *text = lw_plan_format(todo, FALSE);
  if (!lw_plan_is_empty(todo))
    g_test_message("left to do:\n%s", text);
  g_assert_true(lw_plan_is_empty(todo));
}

static void undo_all(Fixture *f) {
  g_autoptr(GError) error = NULL;
  for (guint i = f->undos->len; i > 0; i--) {
    lw_provider_undo(f->provider, f->undos->pdata[i - 1], NULL, NULL, &error);
    g_assert_no_error(error);
  }
}

static void tear_down(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(LwResourceSet) all = lab();
  reach(f, nothing, all);
  g_autofree char *left = snapshot(f, all);
  g_assert_cmpstr(left, ==, "");
  lw_provider_free(f->provider);
  g_ptr_array_unref(f->undos);
  lw_resource_set_free(f->world);
}

static void test_create(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) wanted = lab();
  reach(f, wanted, NULL);
  g_autoptr(LwResourceSet) seen = look(f, wanted, NULL);
  g_assert_cmpuint(seen->list->len, ==, wanted->list->len);
  for (guint i = 0; i < wanted->list->len; i++) {
    g_autofree char *key = lw_resource_key(wanted->list->pdata[i]);
    LwResource *there = lw_resource_set_find(seen, key);
    g_assert_nonnull(there);
    g_autofree char *difference = lw_resource_difference(there, wanted->list->pdata[i]);
    g_assert_cmpstr(difference, ==, NULL);
  }
  assert_true_already(f, wanted, wanted);
  /* asked for twice, as wanted and as owned, or only as owned: the same answer */
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(LwResourceSet) owned_only = look(f, nothing, wanted);
  g_assert_cmpuint(owned_only->list->len, ==, wanted->list->len);
}

static LwResource *find(LwResourceSet *set, const char *key) {
  LwResource *resource = lw_resource_set_find(set, key);
  g_assert_nonnull(resource);
  return resource;
}

/* Each live change of a link, and back by its undo. */
static void change_of(LwResourceSet *set) {
  LwResource *port = find(set, "link:/lw-lan10");
  g_free(port->master);
  port->master = g_strdup("br20");
  port->isolated = TRUE;
  LwResource *leg = find(set, "link:router/lan10");
  leg->mac = lw_mac_derive("another");
  leg->mtu = 1300;
  find(set, "link:/br10")->up = FALSE;
  find(set, "link:/br10")->group = 78;
  LwResource *settled = find(set, "link:/lw-lan20");
  settled->isolated = FALSE;
  LwResource *route = find(set, "route:router/1001/0.0.0.0/0/0");
  route->via = addr("192.168.10.254");
  g_free(route->link);
  route->link = g_strdup("lan10");
  find(set, "route:router/1001/10.0.0.0/8/0")->route_type = LW_ROUTE_UNREACHABLE;
  find(set, "rule:router/100")->mark = 0x4c03;
  LwResource *forward = find(set, "sysctl:router/net.ipv4.ip_forward");
  g_free(forward->value);
  forward->value = g_strdup("0");
}

static void test_change(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) wanted = lab();
  g_autoptr(LwResourceSet) changed = lab();
  change_of(changed);
  reach(f, wanted, NULL);
  g_autofree char *before = snapshot(f, wanted);
  g_ptr_array_set_size(f->undos, 0);
  g_autoptr(LwPlan) todo = plan(f, changed, wanted);
  for (guint i = 0; i < todo->changes->len; i++)
    g_assert_cmpint(((LwChange *)todo->changes->pdata[i])->klass, !=, LW_CHANGE_DELETE);
  reach(f, changed, wanted);
  assert_true_already(f, changed, wanted);
  undo_all(f);
  g_autofree char *after = snapshot(f, wanted);
  g_assert_cmpstr(before, ==, after);
}

static void test_unplug(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) wanted = lab();
  g_autoptr(LwResourceSet) unplugged = lab();
  LwResource *port = find(unplugged, "link:/lw-lan10");
  g_clear_pointer(&port->master, g_free);
  port->up = FALSE;
  reach(f, wanted, NULL);
  reach(f, unplugged, wanted);
  assert_true_already(f, unplugged, wanted);
  reach(f, wanted, unplugged);
  assert_true_already(f, wanted, unplugged);
}

static void test_delete_some(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) wanted = lab();
  g_autoptr(LwResourceSet) fewer = lab();
  static const char *const gone[] = {"link:/lw-lan20",
                                     "link:router/lan20",
                                     "address:router/lan20/192.168.20.1/24",
                                     "link:/br20",
                                     "rule:router/110",
                                     "address:router/lan20/fd00:20::1/64",
                                     "route:router/1001/0.0.0.0/0/0",
                                     "route:router/1001/10.0.0.0/8/0"};
  for (guint i = 0; i < G_N_ELEMENTS(gone); i++)
    g_assert_true(lw_resource_set_remove(fewer, gone[i]));
  reach(f, wanted, NULL);
  g_autofree char *before = snapshot(f, wanted);
  g_ptr_array_set_size(f->undos, 0);
  reach(f, fewer, wanted);
  assert_true_already(f, fewer, wanted);
  g_autoptr(LwResourceSet) seen = look(f, wanted, NULL);
  g_assert_cmpuint(seen->list->len, ==, fewer->list->len);
  undo_all(f);
  g_autofree char *after = snapshot(f, wanted);
  g_assert_cmpstr(before, ==, after);
}

static void test_undo(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) wanted = lab();
  reach(f, wanted, NULL);
  undo_all(f);
  g_autofree char *after = snapshot(f, wanted);
  g_assert_cmpstr(after, ==, "");
  undo_all(f); /* twice */
  g_autofree char *again = snapshot(f, wanted);
  g_assert_cmpstr(again, ==, "");
}

/* The undo of one whole batch, of which only the first so many changes were carried out. */
static void check_partial(Fixture *f, const LwPlan *todo, guint count, const LwResourceSet *interest,
                          const char *before) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) some = g_ptr_array_new();
  g_autoptr(GBytes) undo = f->provider->ops->prepare(f->provider, todo->changes, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < count; i++)
    g_ptr_array_add(some, todo->changes->pdata[i]);
  g_assert_true(f->provider->ops->apply(f->provider, some, &error));
  g_assert_no_error(error);
  for (guint i = 0; i < 2; i++) {
    lw_provider_undo(f->provider, undo, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *after = snapshot(f, interest);
    g_assert_cmpstr(after, ==, before);
  }
}

static void test_undo_partial(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) wanted = lab();
  g_autoptr(LwPlan) creation = plan(f, wanted, NULL);
  for (guint count = 0; count <= creation->changes->len; count += 3)
    check_partial(f, creation, count, wanted, "");
  reach(f, wanted, NULL);
  g_autoptr(LwResourceSet) changed = lab();
  change_of(changed);
  g_autofree char *before = snapshot(f, wanted);
  g_autoptr(LwPlan) change = plan(f, changed, wanted);
  for (guint count = 0; count <= change->changes->len; count += 2)
    check_partial(f, change, count, wanted, before);
}

/* A batch that fails in the middle of itself. */
static void test_undo_failed(Fixture *f, gconstpointer real) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) wanted = lab();
  add_address(wanted, "nowhere", "eth0", "192.0.2.1/24");
  g_autoptr(LwPlan) todo = plan(f, wanted, NULL);
  g_assert_false(lw_provider_carry_out(f->provider, todo->changes, keep_undo, f->undos, NULL, NULL, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_autofree char *some = snapshot(f, wanted);
  g_assert_cmpstr(some, !=, "");
  undo_all(f);
  g_autofree char *after = snapshot(f, wanted);
  g_assert_cmpstr(after, ==, "");
}

static gboolean fail_at(const LwProvider *provider, const char *phase, gpointer data, GError **error) {
  if (strcmp(phase, data) != 0)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_INJECTED, "injected at %s", phase);
  return FALSE;
}

static void test_injected(Fixture *f, gconstpointer real) {
  static const char *const phases[] = {"prepare", "apply"};
  g_autoptr(LwResourceSet) wanted = lab();
  g_autoptr(LwPlan) todo = plan(f, wanted, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(phases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_false(lw_provider_carry_out(f->provider, todo->changes, keep_undo, f->undos, fail_at,
                                         (gpointer)phases[i], &error));
    g_assert_error(error, LW_ERROR, LW_ERROR_INJECTED);
    g_autofree char *after = snapshot(f, wanted);
    g_assert_cmpstr(after, ==, "");
    g_assert_cmpuint(f->undos->len, ==, i); /* "apply" comes after its undo was kept */
  }
  undo_all(f);
  g_autofree char *after = snapshot(f, wanted);
  g_assert_cmpstr(after, ==, "");
}

static gboolean refuse_undo(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  return FALSE; /* without a reason, even */
}

static void test_undo_not_kept(Fixture *f, gconstpointer real) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) wanted = lab();
  g_autoptr(LwPlan) todo = plan(f, wanted, NULL);
  g_assert_false(lw_provider_carry_out(f->provider, todo->changes, refuse_undo, NULL, NULL, NULL, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_autofree char *after = snapshot(f, wanted);
  g_assert_cmpstr(after, ==, "");
}

static void make_foreign(Fixture *f, const char *name) {
  g_autoptr(GError) error = NULL;
  if (f->world) {
    LwResource *bridge = lw_resource_new(LW_RES_LINK, "", name);
    bridge->link_type = LW_LINK_BRIDGE;
    lw_resource_set_add(f->world, bridge);
    return;
  }
  const char *argv[] = {"ip", "link", "add", name, "type", "bridge", NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv}, &error);
  g_assert_no_error(error);
  g_assert_nonnull(out);
}

static void remove_foreign(Fixture *f, const char *name) {
  if (f->world) {
    g_autofree char *key = g_strconcat("link:/", name, NULL);
    g_assert_true(lw_resource_set_remove(f->world, key));
    return;
  }
  const char *argv[] = {"ip", "link", "del", name, NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv}, NULL);
  g_assert_nonnull(out); /* it was still there */
}

static void test_foreign(Fixture *f, gconstpointer real) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) wanted = lab();
  make_foreign(f, "br10");
  g_autoptr(LwPlan) todo = plan(f, wanted, NULL);
  g_assert_false(lw_provider_check(f->provider, todo->changes, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_CONFLICT);
  g_assert_nonnull(strstr(error->message, "br10"));
  remove_foreign(f, "br10");
}

static void test_wrong_kind(Fixture *f, gconstpointer real) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_autoptr(LwResource) cell = lw_resource_new(LW_RES_CELL, NULL, "probe");
  g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, cell));
  g_assert_false(lw_provider_check(f->provider, changes, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_clear_error(&error);
  g_assert_false(lw_provider_carry_out(f->provider, changes, keep_undo, f->undos, NULL, NULL, &error));
  g_assert_nonnull(error);
}

static void test_bad_undo(Fixture *f, gconstpointer real) {
  static const char *const bad[] = {"",
                                    "{",
                                    "{}",
                                    "{\"version\":2,\"changes\":[]}",
                                    "{\"version\":1,\"changes\":[1]}",
                                    "{\"version\":1,\"changes\":[{}]}",
                                    "{\"version\":1,\"changes\":[{\"to\":{\"kind\":\"link\",\"what\":1}}]}"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) undo = g_bytes_new_static(bad[i], strlen(bad[i]));
    g_assert_false(lw_provider_undo(f->provider, undo, NULL, NULL, &error));
    g_assert_nonnull(error);
  }
}

/* An interface that is not ours: enslaved, and given back. */
static void test_external(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) wanted = lab();
  LwResource *uplink = lw_resource_new(LW_RES_LINK, "", "uplink0");
  uplink->link_type = LW_LINK_EXTERNAL;
  uplink->master = g_strdup("br10");
  uplink->up = TRUE;
  lw_resource_set_add(wanted, uplink);
  if (f->world) {
    LwResource *nic = lw_resource_new(LW_RES_LINK, "", "uplink0");
    nic->link_type = LW_LINK_EXTERNAL;
    lw_resource_set_add(f->world, nic);
  } else {
    const char *argv[] = {"ip", "link", "add", "uplink0", "type", "veth", "peer", "name", "far0", NULL};
    g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv}, NULL);
    g_assert_nonnull(out);
  }
  g_autofree char *before = snapshot(f, wanted);
  reach(f, wanted, NULL);
  assert_true_already(f, wanted, wanted);
  undo_all(f);
  g_autofree char *after = snapshot(f, wanted);
  g_assert_cmpstr(before, ==, after);
  remove_foreign(f, "uplink0");
}

static int listen_to_links(const char *ns) {
  g_autoptr(GError) error = NULL;
  int previous = lw_netns_enter(ns, &error);
  g_assert_no_error(error);
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  lw_netns_leave(previous);
  struct sockaddr_nl local = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
  g_assert_cmpint(bind(fd, (struct sockaddr *)&local, sizeof local), ==, 0);
  return fd;
}

/* Whether any of the messages that wait says that a link has no carrier. */
static gboolean heard_of_loss(int fd) {
  guint8 bytes[16384] __attribute__((aligned(8)));
  gboolean lost = FALSE;
  for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
    const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)bytes;
    const struct ifinfomsg *info = NLMSG_DATA(nlh);
    lost = lost || (nlh->nlmsg_type == RTM_NEWLINK && !(info->ifi_flags & IFF_RUNNING));
  }
  return lost;
}

/* Whoever holds the other end of a cable that is moved hears that it was pulled, each time. */
static void test_move_is_noticed(Fixture *f, gconstpointer real) {
  g_autoptr(LwResourceSet) one = lab();
  g_autoptr(LwResourceSet) other = lab();
  LwResource *port = find(other, "link:/lw-lan10");
  g_free(port->master);
  port->master = g_strdup("br20");
  reach(f, one, NULL);
  g_usleep(200000); /* the carrier's way up */
  int fd = listen_to_links("router");
  for (guint i = 0; i < 20; i++) {
    heard_of_loss(fd);
    reach(f, i % 2 ? one : other, one);
    g_assert_true(heard_of_loss(fd));
    g_usleep(30000);
  }
  close(fd);
}

static void add(const char *name, void (*test)(Fixture *, gconstpointer)) {
  static const char *const backends[] = {"fake", "kernel"};
  for (int real = 0; real < 2; real++) {
    g_autofree char *path = g_strdup_printf("/contract/%s/%s", backends[real], name);
    g_test_add(path, Fixture, GINT_TO_POINTER(real), set_up, test, tear_down);
  }
}

int main(int argc, char **argv) {
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  add("create", test_create);
  add("change", test_change);
  add("unplug", test_unplug);
  add("delete-some", test_delete_some);
  add("undo", test_undo);
  add("undo-partial", test_undo_partial);
  add("undo-failed", test_undo_failed);
  add("injected", test_injected);
  add("undo-not-kept", test_undo_not_kept);
  add("foreign", test_foreign);
  add("wrong-kind", test_wrong_kind);
  add("bad-undo", test_bad_undo);
  add("external", test_external);
  g_test_add("/contract/kernel/move-is-noticed", Fixture, GINT_TO_POINTER(1), set_up, test_move_is_noticed,
             tear_down);
  return g_test_run();
}
