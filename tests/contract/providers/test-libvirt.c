/* What the provider of virtual machines owes the engine: the same tests on the fake and on a real libvirtd
 * (root only; in a network, mount and pid namespace of its own, tests/tools/libvirt_world.py). */
#include "base/error.h"
#include "base/process.h"
#include "providers/libvirt/libvirt.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#define OWNER "lanward"

static const LwResourceKind virt_kinds[] = {LW_RES_NETWORK, LW_RES_DOMAIN, LW_RES_DOMAIN_NIC, LW_RES_LAST};
static const LwProviderContext context = {.owner = OWNER};
static char *why_not; /* no real libvirtd here: this is the reason */
static char *folder;  /* for disks */
static virConnectPtr connection;

/* A domain as somebody makes it by hand: what of it is not a NIC is nobody's business. It has no system: a
 * machine that finds nothing to start runs all the same. */
static const char by_hand[] =
    "<domain type='qemu'><name>%s</name><title>by &amp; hand</title>"
    "<metadata><app:info xmlns:app='urn:other'>7</app:info></metadata>"
    "<memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>"
    "<features><acpi/><tcg><tb-cache unit='MiB'>8</tb-cache></tcg></features><devices>"
    "<controller type='pci' model='pcie-root'/><controller type='pci' model='pcie-root-port'/>"
    "<controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>"
    "<interface type='bridge'><mac address='52:54:00:aa:00:01'/><source bridge='br-old'/><model "
    "type='e1000e'/></interface>"
    "<graphics type='vnc' port='-1' passwd='secret'/><memballoon model='none'/></devices></domain>";

typedef struct {
  LwProvider *provider;
  LwResourceSet *world; /* the fake's; NULL: libvirt is the world */
} Fixture;

static void set_up(Fixture *f, gconstpointer real) {
  f->world = GPOINTER_TO_INT(real) ? NULL : lw_resource_set_new();
  f->provider = f->world ? lw_fake_provider_new(&context, virt_kinds, f->world) : NULL;
  if (!f->world && !why_not)
    f->provider = lw_libvirt_provider_new(&context, NULL);
}

static void define_by_hand(const char *name) {
  g_autofree char *xml = g_strdup_printf(by_hand, name);
  virDomainPtr domain = virDomainDefineXML(connection, xml);
  g_assert_nonnull(domain);
  virDomainFree(domain);
}

static void remove_domain(virDomainPtr domain) {
  virDomainDestroy(domain);
  virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_NVRAM);
  virDomainFree(domain);
}

static void tear_down(Fixture *f, gconstpointer real) {
  virDomainPtr *domains = NULL;
  virNetworkPtr *networks = NULL;
  int count = connection ? virConnectListAllDomains(connection, &domains, 0) : 0;
  for (int i = 0; i < count; i++)
    remove_domain(domains[i]);
  free(domains);
  count = connection ? virConnectListAllNetworks(connection, &networks, 0) : 0;
  for (int i = 0; i < count; i++) {
    virNetworkDestroy(networks[i]);
    virNetworkUndefine(networks[i]);
    virNetworkFree(networks[i]);
  }
  free(networks);
  g_clear_pointer(&f->provider, lw_provider_free);
  g_clear_pointer(&f->world, lw_resource_set_free);
}

static gboolean skipped(const Fixture *f) {
  if (f->provider)
    return FALSE;
  g_test_skip(why_not);
  return TRUE;
}

/* --- what is wanted
 * -------------------------------------------------------------------------------------------------------------
 */

static LwResource *add_network(LwResourceSet *set, const char *name, const char *bridge) {
  LwResource *network = lw_resource_new(LW_RES_NETWORK, NULL, name);
  network->link = g_strdup(bridge);
  network->up = network->autostart = TRUE;
  network->alias = g_strdup(OWNER);
  return lw_resource_set_add(set, network);
}

static LwResource *add_nic(LwResourceSet *set, const char *domain, guint index, const char *network) {
  LwResource *nic = lw_resource_new(LW_RES_DOMAIN_NIC, NULL, domain);
  nic->instance = index;
  g_autofree char *mac = g_strdup_printf("52:54:00:aa:00:%02x", index + 1);
  g_assert_true(lw_mac_parse(mac, &nic->mac));
  nic->master = g_strdup(network);
  nic->link = g_strdup_printf("lwm%u", index + 1);
  nic->up = TRUE;
  return lw_resource_set_add(set, nic);
}

static LwResource *add_domain(LwResourceSet *set, const char *name) {
  LwResource *domain = lw_resource_new(LW_RES_DOMAIN, NULL, name);
  domain->memory = 64;
  domain->vcpus = 1;
  domain->firmware = g_strdup("bios");
  domain->alias = g_strdup(OWNER);
  LwDisk *disk = lw_disk_new();
  disk->path = g_strdup_printf("%s/%s.qcow2", folder ? folder : "/nowhere", name);
  disk->size = 16;
  g_ptr_array_add(domain->disks, disk);
  return lw_resource_set_add(set, domain);
}

static LwResourceSet *networks_only(void) {
  LwResourceSet *set = lw_resource_set_new();
  add_network(set, "switch-lan10", "virbr-lan10");
  add_network(set, "switch-lan30", "virbr-lan30");
  return set;
}

/* --- carrying out
 * -------------------------------------------------------------------------------------------------------------
 */

static LwResourceSet *observe(const Fixture *f, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(GError) error = NULL;
  LwResourceSet *seen = lw_resource_set_new();
  g_assert_true(lw_provider_observe(f->provider, wanted, owned, seen, &error));
  g_assert_no_error(error);
  return seen;
}

/* What lies between seen and wanted; what is not wanted any more goes, in the reverse order. */
static GPtrArray *difference(const Fixture *f, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(LwResourceSet) seen = observe(f, wanted, owned);
  GPtrArray *changes = lw_changes_new();
  for (guint i = owned ? owned->list->len : 0; i > 0; i--) {
    g_autofree char *key = lw_resource_key(owned->list->pdata[i - 1]);
    LwResource *from = lw_resource_set_find(seen, key);
    if (from && !lw_resource_set_find(wanted, key))
      g_ptr_array_add(changes, lw_change_new(LW_CHANGE_DELETE, from, NULL));
  }
  for (guint i = 0; i < wanted->list->len; i++) {
    /* a copy: the tests change what they want, and the fake keeps what it is given */
    g_autoptr(JsonNode) json = lw_resource_to_json(wanted->list->pdata[i]);
    g_autoptr(LwResource) to = lw_resource_from_json(json, NULL);
    g_autofree char *key = lw_resource_key(to);
    LwResource *from = lw_resource_set_find(seen, key);
    if (!from)
      g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, to));
    else if (!lw_resource_equal(from, to))
      g_ptr_array_add(changes, lw_change_new(lw_resource_change_class(from, to), from, to));
  }
  return changes;
}

static gboolean keep_undo(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  GBytes **kept = data;
  *kept = g_bytes_ref(undo);
  return TRUE;
}

/* NULL when nothing was to be done. */
static GBytes *bring(const Fixture *f, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) changes = difference(f, wanted, owned);
  GBytes *undo = NULL;
  if (!changes->len)
    return NULL;
  lw_provider_check(f->provider, changes, &error);
  g_assert_no_error(error);
  lw_provider_carry_out(f->provider, changes, keep_undo, &undo, NULL, NULL, &error);
  g_assert_no_error(error);
  return undo;
}

/* As another process would, after a crash. */
static void undo(Fixture *f, GBytes *bytes) {
  g_autoptr(GError) error = NULL;
  if (!f->world) {
    lw_provider_free(f->provider);
    f->provider = lw_libvirt_provider_new(&context, &error);
  }
  for (guint i = 0; i < 2; i++) { /* twice is once */
    lw_provider_undo(f->provider, bytes, NULL, NULL, &error);
    g_assert_no_error(error);
  }
}

static void assert_is(const Fixture *f, const LwResourceSet *wanted) {
  g_autoptr(LwResourceSet) seen = observe(f, wanted, NULL);
  for (guint i = 0; i < wanted->list->len; i++) {
    g_autofree char *key = lw_resource_key(wanted->list->pdata[i]);
    const LwResource *there = lw_resource_set_find(seen, key);
    g_assert_nonnull(there);
    g_autofree char *text = lw_resource_difference(there, wanted->list->pdata[i]);
    g_assert_cmpstr(text, ==, NULL);
  }
}

static void assert_gone(const Fixture *f, const LwResourceSet *wanted) {
  g_autoptr(LwResourceSet) seen = observe(f, wanted, NULL);
  g_assert_cmpuint(seen->list->len, ==, 0);
}

/* --- tests for both
 * -------------------------------------------------------------------------------------------------------------
 */

static void test_networks(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  g_autoptr(LwResourceSet) wanted = networks_only();
  g_autoptr(GBytes) bytes = bring(f, wanted, NULL);
  assert_is(f, wanted);
  g_assert_null(bring(f, wanted, NULL)); /* what is so already is left alone */
  undo(f, bytes);
  assert_gone(f, wanted);
  g_autoptr(GBytes) again = bring(f, wanted, NULL);
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(GBytes) removed = bring(f, nothing, wanted);
  assert_gone(f, wanted);
  undo(f, removed);
  assert_is(f, wanted);
}

static void test_create(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  g_autoptr(LwResourceSet) wanted = networks_only();
  LwResource *domain = add_domain(wanted, "made");
  add_nic(wanted, "made", 0, "switch-lan10");
  add_nic(wanted, "made", 1, "switch-lan30")->isolated = TRUE;
  g_autoptr(GBytes) bytes = bring(f, wanted, NULL);
  assert_is(f, wanted);
  g_assert_null(bring(f, wanted, NULL));
  domain->memory = 96;
  domain->autostart = TRUE;
  g_autoptr(GBytes) changed = bring(f, wanted, NULL);
  assert_is(f, wanted); /* its NICs too */
  undo(f, changed);
  domain->memory = 64;
  domain->autostart = FALSE;
  assert_is(f, wanted);
  undo(f, bytes);
  assert_gone(f, wanted);
}

static void test_partial(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  g_autoptr(LwResourceSet) before = networks_only();
  g_autoptr(GBytes) first = bring(f, before, NULL);
  g_autoptr(LwResourceSet) wanted = networks_only();
  add_domain(wanted, "half");
  add_nic(wanted, "half", 0, "switch-lan10");
  g_autoptr(GPtrArray) changes = difference(f, wanted, before);
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = f->provider->ops->prepare(f->provider, changes, &error);
  g_assert_no_error(error);
  for (guint done = 0; done <= changes->len; done++) { /* killed after so many of them */
    g_autoptr(GPtrArray) some = g_ptr_array_new();
    for (guint i = 0; i < done; i++)
      g_ptr_array_add(some, changes->pdata[i]);
    f->provider->ops->apply(f->provider, some, &error);
    g_assert_no_error(error);
    undo(f, bytes);
    assert_is(f, before);
    g_autoptr(LwResourceSet) seen = observe(f, wanted, NULL);
    g_assert_cmpuint(seen->list->len, ==, before->list->len);
  }
}

/* --- only on libvirt
 * -------------------------------------------------------------------------------------------------------------
 */

/* Of a domain's next start everything but its NICs and our metadata. */
static char *rest_of(const char *name) {
  virDomainPtr domain = virDomainLookupByName(connection, name);
  g_assert_nonnull(domain);
  char *xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
  virDomainFree(domain);
  g_autoptr(GRegex) ours =
      g_regex_new("\\s*<interface.*</interface>|\\s*<lanward:lab.*?</lanward:lab>", G_REGEX_DOTALL, 0, NULL);
  char *rest = g_regex_replace_literal(ours, xml, -1, 0, "", 0, NULL);
  free(xml);
  return rest;
}

static char *whole(const char *name) {
  virDomainPtr domain = virDomainLookupByName(connection, name);
  char *raw = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
  char *xml = g_strdup(raw);
  free(raw);
  virDomainFree(domain);
  return xml;
}

static char *master_of(const char *port) {
  g_autofree char *path = g_strdup_printf("/sys/class/net/%s/master", port);
  g_autofree char *target = g_file_read_link(path, NULL);
  return target ? g_path_get_basename(target) : g_strdup("");
}

static char *port_of(const char *name, guint nic) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) all = lw_libvirt_domains(&error);
  g_assert_no_error(error);
  for (guint i = 0; i < all->len; i++) {
    const LwLibvirtDomain *domain = all->pdata[i];
    if (g_str_equal(domain->name, name) && nic < domain->ports->len)
      return g_strdup(domain->ports->pdata[nic]);
  }
  return g_strdup("");
}

static void test_adopt(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  define_by_hand("own");
  g_autofree char *before = whole("own"), *rest = rest_of("own");
  g_autoptr(LwResourceSet) wanted = networks_only();
  add_nic(wanted, "own", 0, "switch-lan10");
  add_nic(wanted, "own", 1, "switch-lan30");
  g_autoptr(GBytes) bytes = bring(f, wanted, NULL);
  assert_is(f, wanted);
  g_assert_null(bring(f, wanted, NULL));
  g_autofree char *rest_now = rest_of("own");
  g_assert_cmpstr(rest_now, ==,
                  rest); /* its screen's password, its title, another's metadata: as they were */
  undo(f, bytes);
  g_autofree char *undone = whole("own");
  g_assert_cmpstr(undone, ==, before);
  g_autoptr(GBytes) again = bring(f, wanted, NULL);
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(GBytes) removed = bring(f, nothing, wanted); /* no longer in the file: as it was found */
  g_autofree char *released = whole("own");
  g_assert_cmpstr(released, ==, before);
  undo(f, removed);
  assert_is(f, wanted);
}

static void test_live(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  g_autoptr(GError) error = NULL;
  define_by_hand("runs");
  g_assert_true(lw_libvirt_start("runs", &error));
  g_assert_true(lw_libvirt_start("runs", &error)); /* it runs: fine */
  g_autofree char *port = port_of("runs", 0), *was = master_of(port);
  g_assert_cmpstr(was, ==, "br-old");
  g_autoptr(LwResourceSet) wanted = networks_only();
  LwResource *nic = add_nic(wanted, "runs", 0, "switch-lan10");
  g_autoptr(GBytes) bytes = bring(f, wanted, NULL);
  g_autofree char *there = master_of(port);
  g_assert_cmpstr(there, ==, "virbr-lan10");
  assert_is(f, wanted);
  g_free(nic->master);
  nic->master = g_strdup("switch-lan30");
  gint64 start = g_get_monotonic_time();
  g_autoptr(GBytes) moved = bring(f, wanted, NULL);
  g_assert_cmpint(g_get_monotonic_time() - start, >=, 1100000); /* as long as a guest needs to see it */
  g_autofree char *then = master_of(port), *still = port_of("runs", 0);
  g_assert_cmpstr(then, ==, "virbr-lan30");
  g_assert_cmpstr(still, ==, port);
  assert_is(f, wanted);
  nic->up = FALSE; /* cut off */
  g_autoptr(GBytes) cut = bring(f, wanted, NULL);
  assert_is(f, wanted);
  nic->up = TRUE;
  undo(f, cut);
  assert_is(f, wanted);
  undo(f, moved);
  g_autofree char *back = master_of(port);
  g_assert_cmpstr(back, ==, "virbr-lan10");
  undo(f, bytes);
  g_autofree char *found = master_of(port);
  g_assert_cmpstr(found, ==, "br-old");
  g_assert_false(lw_libvirt_shutdown("runs", 100, &error)); /* it has no system that would hear */
  g_assert_no_error(error);
  g_assert_false(lw_libvirt_start("nobody", &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_NOT_FOUND);
}

/* Somebody moved it in virt-manager, while it runs, or for its next start: both are seen, and put right. */
static void test_drift(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  g_autoptr(GError) error = NULL;
  define_by_hand("drifts");
  g_assert_true(lw_libvirt_start("drifts", &error));
  g_autoptr(LwResourceSet) wanted = networks_only();
  add_nic(wanted, "drifts", 0, "switch-lan10");
  g_autoptr(GBytes) bytes = bring(f, wanted, NULL);
  virDomainPtr domain = virDomainLookupByName(connection, "drifts");
  static const unsigned int flags[] = {VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG};
  for (guint i = 0; i < G_N_ELEMENTS(flags); i++) {
    g_assert_cmpint(
        virDomainUpdateDeviceFlags(domain,
                                   "<interface type='network'><mac address='52:54:00:aa:00:01'/>"
                                   "<source network='switch-lan30'/><model type='e1000e'/></interface>",
                                   flags[i]),
        ==, 0);
    g_autoptr(GPtrArray) changes = difference(f, wanted, NULL);
    g_assert_cmpuint(changes->len, ==, 1);
    g_autoptr(GBytes) repaired = bring(f, wanted, NULL);
    assert_is(f, wanted);
  }
  virDomainFree(domain);
}

static void assert_refused(const Fixture *f, const LwResourceSet *wanted, const char *word) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) changes = difference(f, wanted, NULL);
  g_assert_false(lw_provider_check(f->provider, changes, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_CONFLICT);
  g_assert_nonnull(strstr(error->message, word));
}

static void test_conflicts(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  define_by_hand("theirs");
  g_autoptr(LwResourceSet) domain = lw_resource_set_new();
  add_domain(domain, "theirs");
  assert_refused(f, domain, "theirs");
  virNetworkPtr network = virNetworkDefineXML(
      connection, "<network><name>switch-lan10</name><bridge name='virbr7' stp='off'/></network>");
  g_assert_nonnull(network);
  g_autoptr(LwResourceSet) other_bridge = networks_only();
  assert_refused(f, other_bridge, "virbr7");
  virNetworkUndefine(network);
  virNetworkFree(network);
  network = virNetworkDefineXML(connection, "<network><name>other</name><forward mode='bridge'/><bridge "
                                            "name='virbr-lan10'/></network>");
  assert_refused(f, other_bridge, "other");
  virNetworkUndefine(network);
  virNetworkFree(network);
}

/* An isolated network of libvirt's own is taken as it is: started, and neither changed nor removed. */
static void test_isolated(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  virNetworkPtr network = virNetworkDefineXML(
      connection, "<network><name>switch-lan50</name><bridge name='virbr-lan50' stp='off'/></network>");
  g_autofree char *before = NULL;
  char *xml = virNetworkGetXMLDesc(network, 0);
  before = g_strdup(xml);
  free(xml);
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  LwResource *adopted = add_network(wanted, "switch-lan50", "virbr-lan50");
  g_clear_pointer(&adopted->alias, g_free);
  g_autoptr(GBytes) bytes = bring(f, wanted, NULL);
  assert_is(f, wanted);
  g_assert_true(g_file_test("/sys/class/net/virbr-lan50", G_FILE_TEST_EXISTS));
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(GBytes) removed = bring(f, nothing, wanted);
  xml = virNetworkGetXMLDesc(network, 0);
  g_assert_cmpstr(xml, ==, before);
  g_assert_cmpint(virNetworkIsActive(network), ==, 1);
  free(xml);
  virNetworkFree(network);
}

static void test_disk_stays(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  LwResource *domain = add_domain(wanted, "kept");
  const LwDisk *disk = domain->disks->pdata[0];
  g_autofree char *user_data = g_build_filename(folder, "user-data", NULL);
  g_assert_true(g_file_set_contents(user_data, "#cloud-config\n", -1, NULL));
  domain->seed = g_strdup(user_data);
  domain->seed_iso = g_build_filename(folder, "kept-seed.iso", NULL);
  g_autoptr(GBytes) bytes = bring(f, wanted, NULL);
  assert_is(f, wanted);
  GStatBuf info;
  g_assert_cmpint(g_stat(domain->seed_iso, &info), ==, 0);
  g_assert_cmpint(info.st_mode & 0777, ==, 0600);
  undo(f, bytes);
  assert_gone(f, wanted);
  g_assert_false(g_file_test(disk->path, G_FILE_TEST_EXISTS)); /* what was made is undone */
  g_assert_true(g_file_set_contents(disk->path, "the user's", -1, NULL));
  g_autoptr(GBytes) again = bring(f, wanted, NULL); /* what is there already is used as it is */
  undo(f, again);                                   /* and stays */
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(disk->path, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "the user's");
}

typedef struct {
  guint started, links;
} Seen;

static gboolean watch(const char *domain, const char *what, gpointer data) {
  Seen *seen = data;
  seen->started += g_str_equal(domain, "noticed") && g_str_equal(what, "started");
  seen->links += g_str_equal(what, "links");
  return !(seen->started && seen->links);
}

static gpointer start_noticed(gpointer data) {
  g_usleep(200000);
  lw_libvirt_start("noticed", NULL);
  return NULL;
}

static void test_events(Fixture *f, gconstpointer real) {
  if (skipped(f))
    return;
  g_autoptr(GError) error = NULL;
  Seen seen = {0};
  define_by_hand("noticed");
  GThread *thread = g_thread_new("start", start_noticed, NULL);
  g_assert_true(lw_libvirt_follow(watch, &seen, 20000, &error));
  g_assert_no_error(error);
  g_thread_join(thread);
  g_assert_cmpuint(seen.started, >, 0);
  g_assert_cmpuint(seen.links, >, 0);
}

/* --- the world
 * -------------------------------------------------------------------------------------------------------------
 */

static int run(const char *const *argv) {
  LwCommand command = {.argv = argv};
  g_autofree char *out = lw_command_run(&command, NULL);
  return out ? 0 : 1;
}

static gboolean make_bridges(void) {
  static const char *const names[] = {"virbr-lan10", "virbr-lan30", "br-old"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    const char *const add[] = {"ip", "link", "add", names[i], "type", "bridge", NULL};
    const char *const up[] = {"ip", "link", "set", names[i], "up", NULL};
    if (run(add) || run(up))
      return FALSE;
  }
  return TRUE;
}

/* Its last line of output: "READY URI". It ends with us. */
static char *start_world(void) {
  int out = -1;
  const char *const argv[] = {"python3", LW_SOURCE_DIR "/tests/tools/libvirt_world.py", "run", folder, NULL};
  if (!g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &(int){-1},
                                &out, NULL, NULL))
    return NULL;
  char line[512] = "";
  for (gsize length = 0; length < sizeof line - 1 && !strchr(line, '\n'); length++)
    if (read(out, line + length, 1) != 1)
      break;
  return g_str_has_prefix(line, "READY ") ? g_strdup(g_strchomp(line + strlen("READY "))) : NULL;
}

static void enter_world(void) {
  const char *const argv[] = {"python3", LW_SOURCE_DIR "/tests/tools/libvirt_world.py", "missing", NULL};
  LwCommand command = {.argv = argv};
  why_not = lw_command_run(&command, NULL);
  if (!why_not)
    why_not = g_strdup("no python3");
  if (*why_not)
    return;
  g_clear_pointer(&why_not, g_free);
  g_autofree char *uri = NULL;
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("sysfs", "/sys", "sysfs", 0, NULL) != 0 || !make_bridges())
    why_not = g_strdup_printf("no namespaces here: %s", g_strerror(errno));
  else if (!(folder = g_dir_make_tmp("lanward-virt-XXXXXX", NULL)) || !(uri = start_world()))
    why_not = g_strdup("libvirtd does not start here");
  if (why_not)
    return;
  g_setenv("LIBVIRT_DEFAULT_URI", uri, TRUE);
  connection = virConnectOpen(uri);
  g_assert_nonnull(connection);
}

static void add(const char *name, gboolean fake_too, void (*test)(Fixture *, gconstpointer)) {
  g_autofree char *real = g_strconcat("/libvirt/real/", name, NULL);
  g_autofree char *fake = g_strconcat("/libvirt/fake/", name, NULL);
  if (fake_too)
    g_test_add(fake, Fixture, GINT_TO_POINTER(FALSE), set_up, test, tear_down);
  g_test_add(real, Fixture, GINT_TO_POINTER(TRUE), set_up, test, tear_down);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  enter_world();
  add("networks", TRUE, test_networks);
  add("create", TRUE, test_create);
  add("partial", TRUE, test_partial);
  add("adopt", FALSE, test_adopt);
  add("live", FALSE, test_live);
  add("drift", FALSE, test_drift);
  add("conflicts", FALSE, test_conflicts);
  add("isolated", FALSE, test_isolated);
  add("disk-stays", FALSE, test_disk_stays);
  add("events", FALSE, test_events);
  int status = g_test_run();
  if (connection)
    virConnectClose(connection);
  if (folder) {
    const char *const remove[] = {"rm", "-rf", "--", folder, NULL};
    run(remove);
  }
  return status;
}
