/* Containers for real: a Podman of the test's own (tests/tools/podman_world, which starts this program). */
#include "base/error.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/container/container.h"
#include "providers/container/resolv.h"

#include <glib/gstdio.h>
#include <string.h>

#define RUN_DIR "/run/lanward"
#define GATEWAY "192.168.20.1"

static LwProviderContext context = {.run_dir = RUN_DIR, .owner = "lanward"};

static char *podman(const char *line) {
  g_autofree char *whole = g_strconcat("podman ", line, NULL);
  g_auto(GStrv) argv = g_strsplit(whole, " ", -1);
  LwCommand command = {.argv = (const char *const *)argv};
  g_autoptr(GError) error = NULL;
  char *output = lw_command_run(&command, &error);
  if (!output)
    g_error("%s: %s", whole, error->message);
  return g_strchomp(output);
}

static void must(const char *line) {
  g_free(podman(line));
}

/* It sleeps, and does not mind being ended at once. */
static void start(const char *name, const char *options) {
  g_autofree char *line =
      g_strdup_printf("run -d --name %s --stop-timeout 0 %s localhost/box:1 /bin/sleep 1000", name, options);
  must(line);
}

static void end(const char *name) {
  g_autofree char *line = g_strdup_printf("rm -f -t 0 %s", name);
  must(line);
}

static LwContainerFact *look(const char *name) {
  return lw_container_look(lw_container_sockets, name);
}

static LwResource *wanted_of(const char *name) {
  g_autoptr(LwContainerFact) fact = look(name);
  g_assert_null(fact->trouble);
  g_assert_nonnull(fact->process);
  g_autofree char *ns = g_strdup_printf("ctr-%s-%" G_GUINT64_FORMAT, name, fact->netns);
  LwResource *wanted = lw_resource_new(LW_RES_CONTAINER, "", ns);
  wanted->process = g_strdup(fact->process);
  wanted->object = g_strdup(name);
  wanted->file = g_strdup(fact->file);
  wanted->value = g_strdup(GATEWAY);
  return wanted;
}

static LwResource *seen_of(LwProvider *provider, LwResource *wanted) {
  g_autoptr(LwResourceSet) hints = lw_resource_set_new();
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(GError) error = NULL;
  lw_resource_set_add(hints, lw_resource_ref(wanted));
  g_assert_true(lw_provider_observe(provider, hints, NULL, seen, &error));
  return seen->list->len ? lw_resource_ref(seen->list->pdata[0]) : NULL;
}

static GBytes *kept_undo;

static gboolean keep(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  g_clear_pointer(&kept_undo, g_bytes_unref);
  kept_undo = g_bytes_ref(undo);
  return TRUE;
}

static gboolean carry_out(LwProvider *provider, LwChangeClass klass, LwResource *from, LwResource *to,
                          GError **error) {
  g_autoptr(GPtrArray) changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(klass, from, to));
  return lw_provider_check(provider, changes, error) &&
         lw_provider_carry_out(provider, changes, keep, NULL, NULL, NULL, error);
}

static void create(LwProvider *provider, LwResource *wanted) {
  g_autoptr(GError) error = NULL;
  if (!carry_out(provider, LW_CHANGE_CREATE, NULL, wanted, &error))
    g_error("%s", error->message);
}

static char *inside(const char *name, const char *command) {
  g_autofree char *line = g_strdup_printf("exec %s %s", name, command);
  return podman(line);
}

static void test_facts(void) {
  g_autoptr(LwContainerFact) none = look("nobody");
  g_assert_null(none->process);
  g_assert_null(none->trouble);
  g_assert_nonnull(strstr(none->note, "there is no container nobody"));

  start("runs", "--network none");
  g_autoptr(LwContainerFact) runs = look("runs");
  g_assert_nonnull(runs->process);
  g_assert_cmpuint(runs->netns, >, 0);
  g_assert_null(runs->trouble);
  g_assert_null(runs->note);

  must("stop -t 0 runs");
  g_autoptr(LwContainerFact) stopped = look("runs");
  g_assert_null(stopped->process);
  g_assert_nonnull(strstr(stopped->note, "does not run"));
  end("runs");

  static const char *const nowhere[] = {"/run/nowhere.sock", NULL};
  g_autoptr(LwContainerFact) without = lw_container_look(nowhere, "runs");
  g_assert_nonnull(strstr(without->note, "no engine listens"));
}

/* Whoever has a network already has a way round. */
static void test_ways_round(void) {
  start("hosts", "--network host");
  must("create --name bridged --network bridge localhost/box:1 /bin/true");
  start("quiet", "--network none");
  start("rider", "--network container:quiet");
  start("strong", "--network none --privileged");
  static const char *const refused[][2] = {{"hosts", "the host's own network"},
                                           {"bridged", "a network of its own"},
                                           {"rider", "shares another's"}};
  for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autoptr(LwContainerFact) fact = look(refused[i][0]);
    g_assert_null(fact->process);
    g_assert_nonnull(fact->trouble);
    g_assert_nonnull(strstr(fact->trouble, refused[i][1]));
    g_assert_nonnull(strstr(fact->trouble, "--network none"));
  }
  g_autoptr(LwContainerFact) strong = look("strong");
  g_assert_null(strong->trouble);
  g_assert_nonnull(strstr(strong->note, "privileged"));
  must("rm -f -t 0 rider");
  must("rm -f -t 0 hosts bridged quiet strong");
}

/* Into the lab and out again: what was there before is there after. */
static void test_taken_and_left(void) {
  g_autoptr(LwProvider) provider = lw_container_provider_new(&context, NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(g_file_set_contents("/run/world/resolv", "nameserver 10.1.1.1\n", -1, NULL));
  start("indexer", "--network none -v /run/world/resolv:/etc/resolv.conf");
  g_autoptr(LwResource) wanted = wanted_of("indexer");
  g_assert_null(seen_of(provider, wanted));
  create(provider, wanted);
  g_autoptr(LwResource) seen = seen_of(provider, wanted);
  g_assert_true(lw_resource_equal(seen, wanted));
  g_autofree char *inside_now = inside("indexer", "/bin/cat /etc/resolv.conf");
  g_assert_cmpstr(inside_now, ==, "nameserver " GATEWAY);
  /* a cable that is put into the namespace by its name is the container's */
  const char *argv[] = {"ip", "link", "add", "eth7", "type", "veth", "peer", "name", "eth8", NULL};
  LwCommand command = {.argv = argv, .netns = wanted->name};
  g_autofree char *added = lw_command_run(&command, &error);
  g_assert_no_error(error);
  g_autofree char *links = inside("indexer", "/bin/ip link");
  g_assert_nonnull(strstr(links, "eth7"));
  /* another segment's resolver, live */
  g_autoptr(LwResource) moved = wanted_of("indexer");
  g_free(moved->value);
  moved->value = g_strdup("192.168.30.1");
  g_assert_cmpint(lw_resource_change_class(wanted, moved), ==, LW_CHANGE_LIVE);
  g_assert_true(carry_out(provider, LW_CHANGE_LIVE, wanted, moved, &error));
  g_autofree char *inside_moved = inside("indexer", "/bin/cat /etc/resolv.conf");
  g_assert_cmpstr(inside_moved, ==, "nameserver 192.168.30.1");
  g_assert_true(lw_provider_undo(provider, kept_undo, NULL, NULL, &error));
  g_assert_true(carry_out(provider, LW_CHANGE_DELETE, wanted, NULL, &error));
  g_assert_false(lw_netns_exists(wanted->name));
  g_autofree char *given_back = inside("indexer", "/bin/cat /etc/resolv.conf");
  g_assert_nonnull(strstr(given_back, "nameserver 10.1.1.1"));
  g_autofree char *kept = g_strdup_printf(RUN_DIR "/%s.resolv", wanted->name);
  g_assert_false(g_file_test(kept, G_FILE_TEST_EXISTS));
  end("indexer");
}

static void test_undone(void) {
  g_autoptr(LwProvider) provider = lw_container_provider_new(&context, NULL);
  g_autoptr(GError) error = NULL;
  start("indexer", "--network none");
  g_autoptr(LwResource) wanted = wanted_of("indexer");
  create(provider, wanted);
  for (int i = 0; i < 2; i++) {
    g_assert_true(lw_provider_undo(provider, kept_undo, NULL, NULL, &error));
    g_assert_null(seen_of(provider, wanted));
  }
  end("indexer");
}

/* The namespace that we hold keeps its number from the next one, so the two are told apart. */
static void test_restarted(void) {
  g_autoptr(LwProvider) provider = lw_container_provider_new(&context, NULL);
  g_autoptr(GError) error = NULL;
  start("indexer", "--network none");
  for (int i = 0; i < 10; i++) {
    g_autoptr(LwResource) wanted = wanted_of("indexer");
    create(provider, wanted);
    must("restart -t 0 indexer");
    g_autoptr(LwResource) after = wanted_of("indexer");
    g_assert_cmpstr(after->name, !=, wanted->name);
    g_autoptr(LwResource) seen = seen_of(provider, wanted);
    g_assert_nonnull(seen);
    g_assert_null(seen->process);
    g_assert_false(carry_out(provider, LW_CHANGE_CREATE, NULL, wanted, &error));
    g_assert_nonnull(strstr(error->message, "apply once more"));
    g_clear_error(&error);
    create(provider, after);
    g_assert_true(carry_out(provider, LW_CHANGE_DELETE, seen, NULL, &error));
    g_assert_no_error(error);
    g_autofree char *resolver = inside("indexer", "/bin/cat /etc/resolv.conf");
    g_assert_cmpstr(resolver, ==, "nameserver " GATEWAY);
    g_assert_true(carry_out(provider, LW_CHANGE_DELETE, after, NULL, &error));
  }
  end("indexer");
}

/* Undoing the departure of one that has died gives others a namespace to put their things back into. */
static void test_undone_after_death(void) {
  g_autoptr(LwProvider) provider = lw_container_provider_new(&context, NULL);
  g_autoptr(GError) error = NULL;
  start("indexer", "--network none");
  g_autoptr(LwResource) wanted = wanted_of("indexer");
  create(provider, wanted);
  end("indexer");
  g_assert_true(carry_out(provider, LW_CHANGE_DELETE, wanted, NULL, &error));
  g_assert_true(lw_provider_undo(provider, kept_undo, NULL, NULL, &error));
  g_assert_true(lw_netns_exists(wanted->name));
  g_autoptr(LwResource) seen = seen_of(provider, wanted);
  g_assert_false(lw_resource_equal(seen, wanted));
  g_assert_true(lw_netns_delete(wanted->name, &error));
}

/* /proc/PID/root is a door: a link of the container's must not lead to a file of ours. */
static void test_link_leads_nowhere(void) {
  g_autoptr(LwProvider) provider = lw_container_provider_new(&context, NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(g_file_set_contents("/run/world/ours", "ours", -1, &error));
  start("sly", "--network none");
  must("exec sly /bin/ln -s /run/world/ours /etc/resolv.conf");
  g_autoptr(LwResource) wanted = wanted_of("sly");
  g_assert_false(carry_out(provider, LW_CHANGE_CREATE, NULL, wanted, &error));
  g_assert_nonnull(strstr(error->message, "nameserver " GATEWAY));
  g_autofree char *ours = NULL;
  g_assert_true(g_file_get_contents("/run/world/ours", &ours, NULL, NULL));
  g_assert_cmpstr(ours, ==, "ours");
  g_assert_true(lw_provider_undo(provider, kept_undo, NULL, NULL, NULL));
  end("sly");
}

static void test_read_only_root(void) {
  g_autoptr(LwProvider) provider = lw_container_provider_new(&context, NULL);
  g_autoptr(GError) error = NULL;
  start("fixed", "--network none --read-only");
  g_autoptr(LwResource) wanted = wanted_of("fixed");
  g_assert_false(carry_out(provider, LW_CHANGE_CREATE, NULL, wanted, &error));
  g_assert_nonnull(strstr(error->message, "nameserver " GATEWAY));
  g_assert_true(lw_provider_undo(provider, kept_undo, NULL, NULL, NULL));
  end("fixed");
  g_assert_true(g_file_set_contents("/run/world/resolv", "nameserver " GATEWAY "\n", -1, NULL));
  start("fixed", "--network none --read-only -v /run/world/resolv:/etc/resolv.conf:ro");
  g_autoptr(LwResource) named = wanted_of("fixed");
  create(provider, named);
  g_assert_true(lw_provider_undo(provider, kept_undo, NULL, NULL, NULL));
  end("fixed");
}

typedef struct {
  GMainLoop *loop;
  guint named, any;
} Heard;

static void on_changed(const char *name, gpointer data) {
  Heard *heard = data;
  if (!name)
    heard->any++;
  else if (g_str_equal(name, "indexer"))
    heard->named++;
  g_main_loop_quit(heard->loop);
}

static gboolean on_late(gpointer data) {
  g_error("no event came");
  return G_SOURCE_REMOVE;
}

static void wait_for(Heard *heard) {
  guint late = g_timeout_add_seconds(20, on_late, NULL);
  g_main_loop_run(heard->loop);
  g_source_remove(late);
}

static void test_events(void) {
  Heard heard = {.loop = g_main_loop_new(NULL, FALSE)};
  start("indexer", "--network none");
  g_autoptr(LwContainerWatch) watch = lw_container_watch_new(lw_container_sockets, on_changed, &heard);
  wait_for(&heard);
  g_assert_cmpuint(heard.any, ==, 1);
  must("restart -t 0 indexer");
  while (heard.named < 2) /* its end, and its start */
    wait_for(&heard);
  end("indexer");
  while (heard.named < 3)
    wait_for(&heard);
  g_main_loop_unref(heard.loop);
}

static void test_command(void) {
  g_autoptr(GError) error = NULL;
  start("indexer", "--network none");
  g_autoptr(LwContainerFact) fact = look("indexer");
  const char *const argv[] = {"/bin/sh", "-c", "exit 7", NULL};
  g_assert_cmpint(lw_container_exec(fact, argv, &error), ==, 7);
  end("indexer");
  g_assert_cmpint(lw_container_exec(fact, argv, &error), ==, -1);
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
}

static void test_names(void) {
  must("create --name one --network none localhost/box:1 /bin/true");
  must("create --name two --network none localhost/box:1 /bin/true");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) names = lw_container_names("/run/podman/podman.sock", &error);
  g_assert_no_error(error);
  g_assert_cmpuint(names->len, ==, 2);
  must("rm one two");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/container/facts", test_facts);
  g_test_add_func("/container/ways-round", test_ways_round);
  g_test_add_func("/container/taken-and-left", test_taken_and_left);
  g_test_add_func("/container/undone", test_undone);
  g_test_add_func("/container/restarted", test_restarted);
  g_test_add_func("/container/undone-after-death", test_undone_after_death);
  g_test_add_func("/container/link-leads-nowhere", test_link_leads_nowhere);
  g_test_add_func("/container/read-only-root", test_read_only_root);
  g_test_add_func("/container/events", test_events);
  g_test_add_func("/container/command", test_command);
  g_test_add_func("/container/names", test_names);
  return g_test_run();
}
