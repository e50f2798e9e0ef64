/* A lab from nothing: lanward's apply in a twin, and the same lab as the shell script that a careful person
 * would write of ip, nft -f, dnsmasq, wg and dhcpcd.
 *
 * The script is made of the very resources that lanward makes, one command an object, in the same order; it
 * leaves out what it has no command for (the twin's servers, the machines' private views of the root). Both
 * end when the first machine has its lease; lanward's command goes on until they all have, so its time is, if
 * anything, too long.
 *
 *   homelab [--rounds R] [--print] LANWARD FILE
 */
#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "plan/plan.h"
#include "policy/policy.h"
#include "providers/dnsmasq/translate.h"
#include "providers/nft/translate.h"
#include "providers/wireguard/translate.h"
#include "spec/spec.h"
#include "twin/world.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  GString *text;
  const char *folder; /* of the files that it names */
  LwSecretStore *secrets;
  GHashTable *made; /* links that came with their other end: "NS/NAME" */
  guint files;
} Script;

static void must(GError *error) {
  if (!error)
    return;
  fprintf(stderr, "homelab: %s\n", error->message);
  exit(1);
}

static void say(Script *s, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(Script *s, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_string_append_vprintf(s->text, format, args);
  va_end(args);
  g_string_append_c(s->text, '\n');
}

/* "-n router " or nothing, for ip; "ip netns exec router " or nothing, for all else. */
static const char *of(const char *ns) {
  static char text[3][64];
  static guint turn;
  char *out = text[turn++ % 3];
  g_snprintf(out, 64, "%s%s%s", *ns ? "-n " : "", ns, *ns ? " " : "");
  return out;
}

static const char *in(const char *ns) {
  static char text[3][64];
  static guint turn;
  char *out = text[turn++ % 3];
  g_snprintf(out, 64, "%s%s%s", *ns ? "ip netns exec " : "", ns, *ns ? " " : "");
  return out;
}

static char *write_file(Script *s, const char *suffix, const char *text) {
  g_autoptr(GError) error = NULL;
  char *path = g_strdup_printf("%s/%u.%s", s->folder, s->files++, suffix);
  lw_file_write_atomic(path, text, strlen(text), 0600, &error);
  must(error);
  return path;
}

static void add_link(Script *s, const LwResource *r) {
  g_autofree char *key = g_strdup_printf("%s/%s", r->ns, r->name);
  g_autofree char *mac = lw_mac_format(&r->mac);
  g_autofree char *with_mac = lw_mac_is_set(&r->mac) ? g_strconcat(" address ", mac, NULL) : g_strdup("");
  if (r->link_type == LW_LINK_BRIDGE) {
    say(s, "ip %slink add %s%s type bridge", of(r->ns), r->name, with_mac);
  } else if (r->link_type == LW_LINK_VETH && !g_hash_table_contains(s->made, key)) {
    say(s, "ip %slink add %s%s type veth peer name %s%s%s", of(r->ns), r->name, with_mac, r->peer,
        r->peer_ns && *r->peer_ns ? " netns " : "", r->peer_ns ? r->peer_ns : "");
    g_hash_table_add(s->made, g_strdup_printf("%s/%s", r->peer_ns ? r->peer_ns : "", r->peer));
  } else if (*with_mac) {
    say(s, "ip %slink set %s%s", of(r->ns), r->name, with_mac);
  }
  if (r->master && *r->master)
    say(s, "ip %slink set %s master %s", of(r->ns), r->name, r->master);
  if (r->up)
    say(s, "ip %slink set %s up", of(r->ns), r->name);
}

static void add_route(Script *s, const LwResource *r) {
  static const char *const types[] = {"unicast", "local", "blackhole", "prohibit", "unreachable"};
  g_autofree char *prefix = lw_prefix_format(&r->prefix), *via = lw_addr_format(&r->via),
                  *source = lw_addr_format(&r->source);
  GString *line = g_string_new(NULL);
  g_string_printf(line, "ip %sroute add %s %s", of(r->ns), types[r->route_type], prefix);
  if (*via)
    g_string_append_printf(line, " via %s", via);
  if (r->link)
    g_string_append_printf(line, " dev %s", r->link);
  if (*source)
    g_string_append_printf(line, " src %s", source);
  if (r->table)
    g_string_append_printf(line, " table %u", r->table);
  if (r->metric)
    g_string_append_printf(line, " metric %u", r->metric);
  say(s, "%s", line->str);
  g_string_free(line, TRUE);
}

static void add_rule(Script *s, const LwResource *r) {
  GString *line = g_string_new(NULL);
  g_string_printf(line, "ip %srule add priority %u", of(r->ns), r->priority);
  if (r->mark)
    g_string_append_printf(line, " fwmark %u", r->mark);
  if (r->iif && *r->iif)
    g_string_append_printf(line, " iif %s", r->iif);
  if (r->oif && *r->oif)
    g_string_append_printf(line, " oif %s", r->oif);
  if (r->action == LW_RULE_PROHIBIT)
    g_string_append(line, " prohibit");
  else
    g_string_append_printf(line, " lookup %u", r->table);
  if (r->suppress_default)
    g_string_append(line, " suppress_prefixlength 0");
  say(s, "%s", line->str);
  g_string_free(line, TRUE);
}

static void add_resolver(Script *s, const LwResource *r) {
  g_autoptr(GError) error = NULL;
  g_autofree char *leases = g_strdup_printf("/run/leases-%s-%s", r->ns, r->name);
  g_autofree char *pid = g_strdup_printf("/run/dnsmasq-%s-%s.pid", r->ns, r->name);
  g_autofree char *log = g_strdup_printf("/run/dnsmasq-%s-%s.log", r->ns, r->name);
  g_autofree char *config =
      lw_dnsmasq_config(r, &(LwDnsmasqFiles){.leases = leases, .pid = pid, .log = log}, &error);
  must(error);
  g_autofree char *path = write_file(s, "dnsmasq", config);
  say(s, "%sdnsmasq --user= --group= -C %s", in(r->ns), path);
}

static void add_tunnel(Script *s, const LwResource *r) {
  g_autoptr(GError) error = NULL;
  char *config = lw_wireguard_config(r, s->secrets, &error);
  must(error);
  g_autofree char *path = write_file(s, "wg", config);
  lw_secret_clear(config);
  say(s, "ip %slink add %s type wireguard 2>/dev/null || %swireguard-go %s >/dev/null 2>&1", of(r->ns),
      r->name, in(r->ns), r->name);
  say(s, "%swg setconf %s %s", in(r->ns), r->name, path);
  say(s, "ip %slink set %s mtu %u up", of(r->ns), r->name, r->mtu);
}

/* Each client has its pid file and leases to itself; the hook that writes /etc/resolv.conf stays out: to root
 * that is the machine's own. */
static void add_client(Script *s, const char *ns, const char *link, const char *more) {
  say(s,
      "%sunshare -m sh -c 'mount -t tmpfs none /run/dhcpcd && mount -t tmpfs none /var/lib/dhcpcd && exec "
      "dhcpcd -q -4 "
      "-f /dev/null --nohook resolv.conf --noarp --nodelay --nodev --noipv4ll %s %s' >/dev/null 2>&1",
      in(ns), more, link);
}

static void add_cell(Script *s, const LwResource *r) {
  g_autofree char *ns = g_strconcat("cell-", r->name, NULL);
  for (guint i = 0; i < r->nics->len; i++)
    if (!(r->static_nics & (1u << i)))
      add_client(s, ns, r->nics->pdata[i], i ? "-b --nogateway" : "-b");
}

static void add_object(Script *s, const LwResource *r) {
  g_autofree char *prefix = lw_prefix_format(&r->prefix);
  switch (r->kind) {
  case LW_RES_NETNS:
    say(s, "ip netns add %s", r->name);
    say(s, "ip -n %s link set lo up", r->name);
    return;
  case LW_RES_LINK:
    add_link(s, r);
    return;
  case LW_RES_ADDRESS:
    say(s, "ip %saddress add %s dev %s", of(r->ns), prefix, r->link);
    return;
  case LW_RES_ROUTE:
    add_route(s, r);
    return;
  case LW_RES_RULE:
    add_rule(s, r);
    return;
  case LW_RES_SYSCTL:
    say(s, "%ssysctl -qw %s=%s", in(r->ns), r->name, r->value);
    return;
  case LW_RES_RULESET: {
    g_autofree char *text = lw_nft_print(r->ruleset);
    g_autofree char *path = write_file(s, "nft", text);
    say(s, "%snft -f %s", in(r->ns), path);
    return;
  }
  case LW_RES_TUNNEL:
    add_tunnel(s, r);
    return;
  case LW_RES_RESOLVER:
    add_resolver(s, r);
    return;
  case LW_RES_DHCP_CLIENT:
    add_client(s, r->ns, r->link, "-w --nogateway");
    return;
  case LW_RES_CELL:
    add_cell(s, r);
    return;
  default:
    return;
  }
}

/* The same as the command makes: policy and the twin's world. */
static LwResourceSet *resources_of(const char *path, LwSecretStore *secrets) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwLab) lab = lw_spec_load(path, LW_SPEC_TWIN, secrets, diagnostics);
  if (!lab) {
    fprintf(stderr, "homelab: %s has errors: lanward check %s\n", path, path);
    exit(1);
  }
  g_autoptr(LwFacts) facts = lw_facts_new();
  static const guint8 seed[32] = {1};
  facts->cells_stand_in = TRUE;
  lw_policy_assign(lab, facts, &error);
  must(error);
  g_autoptr(LwTwinWorld) world = lw_twin_world_new(lab, facts);
  g_array_append_val(facts->wan_resolvers, world->home_router);
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwAddr endpoint = lw_twin_world_endpoint(world, lab, i);
    g_hash_table_insert(facts->endpoints, g_strdup(lw_lab_tunnel(lab, i)->name),
                        g_memdup2(&endpoint, sizeof endpoint));
  }
  g_autofree char *uplink = g_strdup_printf("%s/uplink", lab->name);
  facts->uplink_mac = lw_mac_derive(uplink);
  LwResourceSet *wanted = lw_resource_set_new();
  lw_policy_compile(lab, facts, wanted, &error);
  must(error);
  lw_twin_world_add(world, lab, facts, seed, secrets, wanted, &error);
  must(error);
  return wanted;
}

static char *script_of(const LwResourceSet *wanted, const char *folder, LwSecretStore *secrets) {
  g_autoptr(LwResourceSet) nothing = lw_resource_set_new();
  g_autoptr(LwPlan) plan = lw_plan_diff(wanted, nothing, NULL);
  g_autoptr(GHashTable) made = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  Script s = {.text = g_string_new("set -e\n"), .folder = folder, .secrets = secrets, .made = made};
  say(&s, "mount -t tmpfs none /run");
  say(&s, "mkdir -p /run/wireguard /run/dhcpcd /run/netns");
  say(&s, "ip link set lo up");
  const char *first = NULL;
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    add_object(&s, change->to);
    if (change->to->kind == LW_RES_CELL && !first && !(change->to->static_nics & 1u))
      first = change->to->name;
  }
  if (first)
    say(&s, "until ip -n cell-%s -4 -o address show dev eth0 | grep -q inet; do sleep 0.01; done", first);
  return g_string_free(s.text, FALSE);
}

static double seconds_of(const char *const *argv) {
  g_autoptr(GError) error = NULL;
  gint64 start = g_get_monotonic_time();
  g_autofree char *output = lw_command_run(&(LwCommand){.argv = argv}, &error);
  must(error);
  return (double)(g_get_monotonic_time() - start) / 1e6;
}

static double time_script(const char *path) {
  /* the reaper of the namespace is the shell: everything ends with it */
  const char *argv[] = {"unshare", "--user",       "--map-root-user", "--net", "--mount", "--pid", "--uts",
                        "--fork",  "--kill-child", "--mount-proc",    "sh",    path,      NULL};
  return seconds_of(argv);
}

static double time_lanward(const char *lanward, const char *file) {
  g_autofree char *name = g_strdup_printf("bench-%d", (int)getpid());
  const char *apply[] = {lanward, "twin", "apply", "--quiet", "--name", name, file, NULL};
  const char *down[] = {lanward, "twin", "down", "--name", name, NULL};
  double seconds = seconds_of(apply);
  (void)seconds_of(down);
  return seconds;
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  int rounds = 5;
  gboolean print = FALSE;
  const GOptionEntry entries[] = {{"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "measurements of each", "R"},
                                  {"print", 0, 0, G_OPTION_ARG_NONE, &print, "show the script", NULL},
                                  G_OPTION_ENTRY_NULL};
  g_autoptr(GOptionContext) options = g_option_context_new("LANWARD FILE");
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(options, entries, NULL);
  if (!g_option_context_parse(options, &argc, &argv, &error) || argc != 3 || rounds < 1 || rounds > 99) {
    fprintf(stderr, "homelab: %s\n", error ? error->message : "homelab [--rounds R] [--print] LANWARD FILE");
    return 1;
  }
  g_autofree char *folder = g_dir_make_tmp("lanward-bench-XXXXXX", &error);
  must(error);
  g_autofree char *kept = g_build_filename(folder, "secrets", NULL);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(kept);
  g_autoptr(LwResourceSet) wanted = resources_of(argv[2], secrets);
  g_autofree char *script = script_of(wanted, folder, secrets);
  g_autofree char *path = g_build_filename(folder, "lab.sh", NULL);
  lw_file_write_atomic(path, script, strlen(script), 0600, &error);
  must(error);
  if (print) {
    fputs(script, stdout);
  } else {
    double ours[99], theirs[99];
    for (int i = 0; i < rounds; i++) {
      theirs[i] = time_script(path);
      ours[i] = time_lanward(argv[1], argv[2]);
    }
    qsort(ours, (size_t)rounds, sizeof *ours, compare_doubles);
    qsort(theirs, (size_t)rounds, sizeof *theirs, compare_doubles);
    double a = ours[rounds / 2], b = theirs[rounds / 2];
    printf("%u objects, medians of %d rounds: lanward %.2f s, shell script %.2f s, ratio %.2f\n",
           wanted->list->len, rounds, a, b, a / b);
  }
  const char *clean[] = {"rm", "-rf", folder, NULL};
  (void)seconds_of(clean);
  return 0;
}
