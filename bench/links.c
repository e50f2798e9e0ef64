/* Bridges, veths and addresses: made and removed again, by the kernel provider and by ip(8), side by side.
 *
 * Each measurement has namespaces of its own. The rival makes the same objects by two runs of `ip -batch` in
 * ordered phases (the fastest that ip can do), and removes them one by one, as people do. While links are
 * removed another process does a little link work in a namespace of its own and notes how long it was ever
 * kept waiting.
 *
 *   links [--most N] [--rounds R]
 */
#include "base/error.h"
#include "base/netns.h"
#include "base/process.h"
#include "plan/plan.h"
#include "providers/kernel/kernel.h"

#include "tests/unit/kernel/sandbox.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER "lanward:bench"
#define ROUTER "router"

typedef struct {
  double create_ms, again_ms, remove_ms, stall_ms;
} Sample;

typedef enum { OURS, BY_BATCH } Maker;
typedef enum { BY_PROVIDER, ONE_BY_ONE } Remover;

static const LwProviderContext context = {.owner = OWNER};

static void must(GError *error) {
  if (!error)
    return;
  fprintf(stderr, "links: %s\n", error->message);
  exit(1);
}

static LwResource *add_link(LwResourceSet *set, LwLinkType type, const char *ns, char *name) {
  LwResource *link = lw_resource_new(LW_RES_LINK, ns, name);
  link->link_type = type;
  link->up = TRUE;
  link->group = 77;
  link->alias = g_strdup(OWNER);
  link->mac = lw_mac_derive(name);
  g_free(name);
  return lw_resource_set_add(set, link);
}

static LwResourceSet *objects(guint count) {
  LwResourceSet *set = lw_resource_set_new();
  for (guint i = 0; i < count; i++) {
    add_link(set, LW_LINK_BRIDGE, "", g_strdup_printf("br%u", i));
    LwResource *port = add_link(set, LW_LINK_VETH, "", g_strdup_printf("p%u", i));
    LwResource *leg = add_link(set, LW_LINK_VETH, ROUTER, g_strdup_printf("l%u", i));
    port->master = g_strdup_printf("br%u", i);
    port->peer_ns = g_strdup(ROUTER);
    port->peer = g_strdup(leg->name);
    leg->peer_ns = g_strdup("");
    leg->peer = g_strdup(port->name);
    LwResource *address = lw_resource_new(LW_RES_ADDRESS, ROUTER, NULL);
    address->link = g_strdup(leg->name);
    address->prefix = lw_prefix_make(lw_addr_from_v4(0x0a000001u + (i << 8)), 24);
    lw_resource_set_add(set, address);
  }
  return set;
}

/* --- the rival
 * ------------------------------------------------------------------------------------------------------ */

static void run_ip(const char *const *argv, const char *input) {
  g_autoptr(GError) error = NULL;
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv, .input = input}, &error);
  must(out ? NULL : error);
}

static char *here_batch(const LwResourceSet *set) {
  g_autoptr(GString) bridges = g_string_new(NULL), veths = g_string_new(NULL), dress = g_string_new(NULL);
  g_autoptr(GString) up = g_string_new(NULL);
  for (guint i = 0; i < set->list->len; i++) {
    const LwResource *r = set->list->pdata[i];
    if (r->kind != LW_RES_LINK || *r->ns)
      continue;
    g_autofree char *mac = lw_mac_format(&r->mac);
    if (r->link_type == LW_LINK_BRIDGE) {
      g_string_append_printf(
          bridges,
          "link add %s address %s group 77 type bridge stp_state 0 mcast_snooping 0 forward_delay 0\n",
          r->name, mac);
      g_string_append_printf(dress, "link set dev %s alias %s addrgenmode none\n", r->name, OWNER);
    } else {
      LwMac other = lw_mac_derive(r->peer);
      g_autofree char *peer_mac = lw_mac_format(&other);
      g_string_append_printf(
          veths,
          "link add %s address %s group 77 type veth peer name %s address %s group 77 netns " ROUTER "\n",
          r->name, mac, r->peer, peer_mac);
      g_string_append_printf(dress, "link set dev %s alias %s addrgenmode none master %s\n", r->name, OWNER,
                             r->master);
    }
    g_string_append_printf(up, "link set dev %s up\n", r->name);
  }
  return g_strconcat(bridges->str, veths->str, dress->str, up->str, NULL);
}

static char *router_batch(const LwResourceSet *set) {
  g_autoptr(GString) dress = g_string_new(NULL), addresses = g_string_new(NULL), up = g_string_new(NULL);
  for (guint i = 0; i < set->list->len; i++) {
    const LwResource *r = set->list->pdata[i];
    if (r->kind == LW_RES_LINK && *r->ns) {
      g_string_append_printf(dress, "link set dev %s alias %s addrgenmode none\n", r->name, OWNER);
      g_string_append_printf(up, "link set dev %s up\n", r->name);
    } else if (r->kind == LW_RES_ADDRESS) {
      g_autofree char *prefix = lw_prefix_format(&r->prefix);
      g_string_append_printf(addresses, "addr add %s brd + dev %s\n", prefix, r->link);
    }
  }
  return g_strconcat(dress->str, addresses->str, up->str, NULL);
}

static void create_by_batch(const char *here, const char *router) {
  const char *first[] = {"ip", "-batch", "-", NULL};
  const char *second[] = {"ip", "-n", ROUTER, "-batch", "-", NULL};
  run_ip(first, here);
  run_ip(second, router);
}

static void remove_one_by_one(const LwResourceSet *set) {
  for (int bridges = 0; bridges < 2; bridges++) {
    for (guint i = 0; i < set->list->len; i++) {
      const LwResource *r = set->list->pdata[i];
      if (r->kind != LW_RES_LINK || *r->ns || (r->link_type == LW_LINK_BRIDGE) != (bridges == 1))
        continue;
      const char *argv[] = {"ip", "link", "del", r->name, NULL};
      run_ip(argv, NULL);
    }
  }
}

/* --- the provider
 * ---------------------------------------------------------------------------------------------------- */

static gboolean keep(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  g_bytes_unref(*(GBytes **)data);
  *(GBytes **)data = g_bytes_ref(undo);
  return TRUE;
}

/* All of it: look, compare, check, prepare, apply. */
static void reach(const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_kernel_provider_new(&context, &error);
  must(error);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  lw_provider_observe(provider, wanted, owned, seen, &error);
  must(error);
  g_autoptr(LwPlan) plan = lw_plan_diff(wanted, seen, owned);
  GBytes *undo = g_bytes_new(NULL, 0);
  for (guint i = 0; i < plan->steps->len; i++) {
    const LwPlanStep *step = plan->steps->pdata[i];
    lw_provider_check(provider, step->changes, &error);
    must(error);
    lw_provider_carry_out(provider, step->changes, keep, &undo, NULL, NULL, &error);
    must(error);
  }
  g_bytes_unref(undo);
}

/* --- the bystander
 * ------------------------------------------------------------------------------------------------- */

typedef struct {
  pid_t pid;
  int stop, result;
} Bystander;

static double ms_since(gint64 start) {
  return (double)(g_get_monotonic_time() - start) / 1000.0;
}

/* Flags of lo are written under the lock that all link work of the machine takes. */
static void watch_stalls(int stop, int result) {
  if (unshare(CLONE_NEWNET) != 0)
    _exit(1);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  double longest = 0;
  for (gboolean up = TRUE;; up = !up) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0};
    struct pollfd end = {stop, POLLIN, 0};
    gint64 start = g_get_monotonic_time();
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
      _exit(1);
    longest = MAX(longest, ms_since(start));
    if (poll(&end, 1, 5) > 0)
      break;
  }
  _exit(write(result, &longest, sizeof longest) == (ssize_t)sizeof longest ? 0 : 1);
}

static Bystander bystander_start(void) {
  int stop[2], result[2];
  if (pipe(stop) != 0 || pipe(result) != 0)
    exit(1);
  pid_t pid = fork();
  if (pid == 0) {
    close(stop[1]);
    close(result[0]);
    watch_stalls(stop[0], result[1]);
  }
  close(stop[0]);
  close(result[1]);
  g_usleep(20000);
  return (Bystander){pid, stop[1], result[0]};
}

static double bystander_stop(Bystander *bystander) {
  double longest = -1;
  close(bystander->stop);
  if (read(bystander->result, &longest, sizeof longest) != (ssize_t)sizeof longest)
    longest = -1;
  close(bystander->result);
  waitpid(bystander->pid, NULL, 0);
  return longest;
}

/* --- one measurement, in a process and namespaces of its own
 * -------------------------------------------------------- */

static Sample measure(guint count, Maker maker, Remover remover) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) set = objects(count);
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autofree char *here = here_batch(set);
  g_autofree char *router = router_batch(set);
  Sample sample;
  lw_netns_create(ROUTER, &error);
  must(error);
  gint64 start = g_get_monotonic_time();
  if (maker == OURS)
    reach(set, NULL);
  else
    create_by_batch(here, router);
  sample.create_ms = ms_since(start);
  start = g_get_monotonic_time();
  reach(set, set);
  sample.again_ms = ms_since(start);
  Bystander bystander = bystander_start();
  start = g_get_monotonic_time();
  if (remover == BY_PROVIDER)
    reach(nothing, set);
  else
    remove_one_by_one(set);
  sample.remove_ms = ms_since(start);
  sample.stall_ms = bystander_stop(&bystander);
  return sample;
}

static void enter_new_world(void) {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") != 0) {
    perror("links: cannot make namespaces");
    _exit(1);
  }
}

static Sample measure_apart(guint count, Maker maker, Remover remover) {
  int result[2];
  Sample sample = {-1, -1, -1, -1};
  if (pipe(result) != 0)
    exit(1);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    enter_new_world();
    sample = measure(count, maker, remover);
    _exit(write(result[1], &sample, sizeof sample) == (ssize_t)sizeof sample ? 0 : 1);
  }
  close(result[1]);
  gboolean ok = read(result[0], &sample, sizeof sample) == (ssize_t)sizeof sample;
  close(result[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (!ok || status != 0) {
    fprintf(stderr, "links: a measurement of %u failed\n", count);
    exit(1);
  }
  return sample;
}

static int compare_doubles(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double median(GArray *values) {
  g_array_sort(values, compare_doubles);
  guint middle = values->len / 2;
  double upper = g_array_index(values, double, middle);
  return values->len % 2 ? upper : (upper + g_array_index(values, double, middle - 1)) / 2;
}

static void measure_size(guint count, guint rounds) {
  g_autoptr(GArray) ours = g_array_new(FALSE, FALSE, sizeof(double)),
                    batch = g_array_new(FALSE, FALSE, sizeof(double));
  g_autoptr(GArray) removed = g_array_new(FALSE, FALSE, sizeof(double)),
                    one = g_array_new(FALSE, FALSE, sizeof(double));
  g_autoptr(GArray) again = g_array_new(FALSE, FALSE, sizeof(double));
  double stall = 0, rival_stall = 0;
  for (guint i = 0; i < rounds; i++) {
    /* a thousand one by one take over a minute: once is enough */
    Remover remover = i == 0 || count <= 100 ? ONE_BY_ONE : BY_PROVIDER;
    Sample mine = measure_apart(count, OURS, BY_PROVIDER);
    Sample rival = measure_apart(count, BY_BATCH, remover);
    g_array_append_val(ours, mine.create_ms);
    g_array_append_val(batch, rival.create_ms);
    g_array_append_val(removed, mine.remove_ms);
    g_array_append_val(again, mine.again_ms);
    stall = MAX(stall, mine.stall_ms);
    if (remover == ONE_BY_ONE) {
      g_array_append_val(one, rival.remove_ms);
      rival_stall = MAX(rival_stall, rival.stall_ms);
    }
  }
  double create = median(ours), create_rival = median(batch), remove = median(removed),
         remove_rival = median(one);
  printf("%5u | %9.1f %9.1f %6.2f | %9.1f %10.1f %6.2f | %8.1f %10.1f | %9.1f\n", count, create, create_rival,
         create / create_rival, remove, remove_rival, remove / remove_rival, stall, rival_stall,
         median(again));
}

int main(int argc, char **argv) {
  int most = 1000, rounds = 5;
  const GOptionEntry entries[] = {{"most", 0, 0, G_OPTION_ARG_INT, &most, "largest number of segments", "N"},
                                  {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "measurements of each", "R"},
                                  G_OPTION_ENTRY_NULL};
  g_autoptr(GOptionContext) options = g_option_context_new(NULL);
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(options, entries, NULL);
  if (!g_option_context_parse(options, &argc, &argv, &error) || most < 1 || rounds < 1) {
    fprintf(stderr, "links: %s\n", error ? error->message : "numbers must be positive");
    return 1;
  }
  lw_sandbox_enter();
  printf("medians of %d rounds, milliseconds; longest stall of a bystander's link work\n", rounds);
  printf(
      "      | create                     | remove                       | longest stall       | nothing\n");
  printf(
      "    N |  provider  ip-batch  ratio |  provider one-by-one  ratio | provider one-by-one | to change\n");
  for (guint count = 10; count <= (guint)most; count *= 10)
    measure_size(count, (guint)rounds);
  return 0;
}
