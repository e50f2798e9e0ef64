/* What is in force, read back, beside `ip -j` and `nft -j` of the same: a namespace of its own with links,
 * addresses, routes and a table as the policy makes them. The processor's time of both, children included.
 *
 *   readback [LINKS]
 */
#include "base/process.h"
#include "providers/kernel/snapshot.h"
#include "providers/nft/rulesets.h"

#include "tests/unit/kernel/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define ROUNDS 5
#define LINKS_AT_ONCE 50

static double used_ms(int who) {
  struct rusage usage;
  getrusage(who, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static double now_ms(void) {
  return used_ms(RUSAGE_SELF) + used_ms(RUSAGE_CHILDREN);
}

static void run(const char *const *argv, const char *input) {
  g_autoptr(GError) error = NULL;
  const LwCommand command = {.argv = argv, .input = input};
  g_autofree char *output = lw_command_run(&command, &error);
  if (error)
    g_error("%s: %s", argv[0], error->message);
}

static void load(const GString *nft) {
  const char *const argv[] = {"nft", "-f", "-", NULL};
  run(argv, nft->str);
}

/* The elements in parts: in a user namespace a transaction may be no larger than the socket's buffer, which
 * only the machine's root can enlarge. */
static void fill(guint links) {
  g_autoptr(GString) ip = g_string_new(NULL);
  g_autoptr(GString) table = g_string_new(
      "table inet bench {\n set allowed {\n  type ifname . ipv4_addr . ipv4_addr . inet_proto . "
      "inet_service\n"
      "  flags interval\n }\n chain forward {\n  type filter hook forward priority 0; policy drop;\n"
      "  iifname . ip saddr . ip daddr . meta l4proto . th dport @allowed accept\n }\n}\n");
  load(table);
  g_autoptr(GString) part = g_string_new(NULL);
  for (guint i = 0; i < links; i++) {
    g_string_append_printf(ip,
                           "link add s%u type veth peer name p%u\naddress add 10.%u.%u.1/24 dev s%u\n"
                           "link set s%u up\nlink set p%u up\n",
                           i, i, i / 250, i % 250, i, i, i);
    g_string_append(part, part->len ? "" : "add element inet bench allowed {\n");
    for (guint port = 1; port <= 10; port++)
      g_string_append_printf(part, "\"s%u\" . 10.%u.%u.0/24 . 192.168.99.15 . tcp . %u,\n", i, i / 250,
                             i % 250, port);
    if (i % LINKS_AT_ONCE != LINKS_AT_ONCE - 1 && i + 1 < links)
      continue;
    g_string_append(part, "}\n");
    load(part);
    g_string_truncate(part, 0);
  }
  const char *const batch[] = {"ip", "-batch", "-", NULL};
  run(batch, ip->str);
}

static double ours(void) {
  static const char *const here[] = {"", NULL};
  double start = now_ms();
  for (guint i = 0; i < ROUNDS; i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(LwResourceSet) seen = lw_resource_set_new();
    g_autoptr(GPtrArray) rulesets = NULL;
    if (!lw_kernel_snapshot(here, seen, &error) || !(rulesets = lw_nft_rulesets("", &error)))
      g_error("%s", error->message);
  }
  return (now_ms() - start) / ROUNDS;
}

static double theirs(void) {
  static const char *const lists[][8] = {{"ip", "-j", "-d", "link", NULL},
                                         {"ip", "-j", "address", NULL},
                                         {"ip", "-j", "route", "show", "table", "all", NULL},
                                         {"ip", "-j", "-6", "route", "show", "table", "all", NULL},
                                         {"ip", "-j", "rule", NULL},
                                         {"ip", "-j", "-6", "rule", NULL},
                                         {"nft", "-j", "list", "ruleset", NULL}};
  double start = now_ms();
  for (guint i = 0; i < ROUNDS; i++)
    for (guint l = 0; l < G_N_ELEMENTS(lists); l++)
      run(lists[l], NULL);
  return (now_ms() - start) / ROUNDS;
}

int main(int argc, char **argv) {
  guint links = argc > 1 ? (guint)strtoul(argv[1], NULL, 10) : 100;
  lw_sandbox_enter();
  fill(links);
  double our_ms = ours(), their_ms = theirs();
  printf("%u links, %u elements: read back in %.1f ms, ip -j and nft -j %.1f ms, ratio %.2f\n", links,
         links * 10, our_ms, their_ms, our_ms / their_ms);
  return 0;
}
