/* The static answer against real packets: random worlds (links, routes, rules, settings) around one router in
 * network namespaces; thousands of packets are let loose in each, and where they come out is compared with
 * what lw_reach_from() says of them.
 *
 * usage: soundness [--worlds N] [--packets N] [--seed N] [--keep-going] [--foreign FILE]
 */
#include "tests/soundness/generate.h"
#include "tests/soundness/wire.h"

#include "base/netns.h"
#include "base/process.h"
#include "providers/kernel/snapshot.h"
#include "providers/nft/rulesets.h"
#include "providers/nft/run.h"
#include "reach/reach.h"

#include "tests/unit/kernel/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gint worlds = 20, packets_each = 300, seed = 1;
static gboolean keep_going;
static char *foreign; /* a ruleset in place of random ones: FILE.save (iptables-save) or FILE.nft */

typedef struct {
  guint worlds, refused, packets, pairs, arrived, missed, false_alarms, unsure, rewrites_wrong;
} Totals;

static char *run(const char *ns, const char *const *argv, const char *input) {
  g_autoptr(GError) error = NULL;
  const LwCommand command = {.argv = argv, .netns = ns, .input = input};
  char *output = lw_command_run(&command, &error);
  if (error)
    g_error("%s: %s", argv[0], error->message);
  return output;
}

static void ip_batch(const char *ns, const char *text) {
  const char *const argv[] = {"ip", "-batch", "-", NULL};
  g_free(run(ns, argv, text));
}

static void nft(const char *ns, const char *text) {
  g_autoptr(GError) error = NULL;
  g_autofree char *output = lw_nft_run(ns, text, 0, &error);
  if (error)
    g_error("%s", error->message);
}

static void write_setting(const char *setting) {
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) parts = g_strsplit(setting, "=", 2);
  g_autofree char *path = g_strdup_printf("/proc/sys/%s", parts[0]);
  int previous = lw_netns_enter("r", &error);
  FILE *file = previous < 0 ? NULL : fopen(path, "we");
  if (file) {
    fputs(parts[1], file);
    fclose(file);
  }
  if (previous >= 0)
    lw_netns_leave(previous);
}

/* Clients answer nothing: what they are sent is looked at, that is all. */
static void make_clients(void) {
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < WIRE_CLIENTS; i++) {
    g_autofree char *ns = g_strdup_printf("c%u", i);
    if (!lw_netns_create(ns, &error))
      g_error("%s", error->message);
    nft(ns, "table inet quiet {\n chain i {\n type filter hook input priority 0; policy drop;\n }\n"
            " chain o {\n type filter hook output priority 0; policy drop;\n }\n}\n");
  }
}

static void default_settings(void) {
  static const char *const settings[] = {"net/ipv6/conf/all/forwarding=1",
                                         "net/ipv4/ip_forward=0",
                                         "net/ipv4/ip_forward=1",
                                         "net/ipv4/conf/all/rp_filter=0",
                                         "net/ipv4/conf/default/rp_filter=0",
                                         "net/ipv6/conf/default/accept_dad=0",
                                         "net/ipv4/conf/all/send_redirects=0",
                                         "net/ipv4/conf/default/send_redirects=0",
                                         "net/ipv4/icmp_ratelimit=0",
                                         "net/bridge/bridge-nf-call-iptables=0",
                                         "net/bridge/bridge-nf-call-ip6tables=0"};
  for (guint i = 0; i < G_N_ELEMENTS(settings); i++)
    write_setting(settings[i]);
  for (guint i = 0; i < WIRE_CLIENTS; i++) {
    static const char *const own[] = {"net/ipv4/conf/e%u/rp_filter=0", "net/ipv4/conf/e%u/accept_local=0",
                                      "net/ipv6/conf/e%u/disable_ipv6=0",
                                      "net/ipv4/conf/e%u/send_redirects=0"};
    for (guint j = 0; j < G_N_ELEMENTS(own); j++) {
      g_auto(GStrv) halves = g_strsplit(own[j], "%u", 2);
      g_autofree char *setting = g_strdup_printf("%s%u%s", halves[0], i, halves[1]);
      write_setting(setting);
    }
  }
}

static void make_router(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) links = g_string_new(NULL);
  if (!lw_netns_create("r", &error))
    g_error("%s", error->message);
  default_settings();
  for (guint i = 0; i < WIRE_CLIENTS; i++)
    g_string_append_printf(links,
                           "link add e%u address 02:bb:00:00:00:0%u type veth peer name eth0 address "
                           "02:aa:00:00:00:0%u netns c%u\n",
                           i, i, i, i);
  ip_batch("r", links->str);
  for (guint i = 0; i < WIRE_CLIENTS; i++) {
    g_autofree char *ns = g_strdup_printf("c%u", i);
    ip_batch(ns, "link set eth0 arp off\nlink set eth0 up\n");
  }
}

static LwResourceSet *look(void) {
  static const char *const places[] = {"r", NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) world = lw_resource_set_new();
  g_autoptr(GPtrArray) rulesets = NULL;
  if (!lw_kernel_snapshot(places, world, &error) || !(rulesets = lw_nft_rulesets("r", &error)))
    g_error("%s", error->message);
  for (guint i = 0; i < rulesets->len; i++) {
    LwRuleset *ruleset = rulesets->pdata[i];
    LwResource *resource = lw_resource_new(LW_RES_RULESET, "r", ruleset->name);
    resource->ruleset = lw_ruleset_ref(ruleset);
    lw_resource_set_add(world, resource);
  }
  return g_steal_pointer(&world);
}

/* --- packets
 * -------------------------------------------------------------------------------------------------- */

static LwAddr address(const char *text) {
  LwAddr addr = LW_ADDR_NONE;
  if (!lw_addr_parse(text, &addr))
    g_error("%s is no address", text);
  return addr;
}

static LwAddr source_of(GRand *random, guint client, gboolean v6) {
  if (g_rand_int_range(random, 0, 100) < 30)
    return address(pool_address(random, v6));
  g_autofree char *text =
      g_strdup_printf(v6 ? "fd00:%u::%u" : "10.0.%u.%u", client, 2 + (guint)g_rand_int_range(random, 0, 2));
  return address(text);
}

static gboolean is_router(const LwAddr *addr) {
  return addr->bytes[addr->family == 6 ? 15 : 3] == 1;
}

/* Without ports a flow is known by its addresses alone, and what comes the other way, or is translated to the
 * same, is part of it: so there is one of these at most. */
static WirePacket random_packet(GRand *random, gboolean *asked, guint id) {
  static const guint8 protocols[] = {6, 6, 17, 17, 1, 99};
  WirePacket packet = {.from = (guint)g_rand_int_range(random, 0, WIRE_CLIENTS)};
  LwHeader *h = &packet.header;
  gboolean v6 = g_rand_int_range(random, 0, 100) < 25;
  h->source = source_of(random, packet.from, v6);
  h->destination = address(pool_address(random, v6));
  h->proto = protocols[g_rand_int_range(random, 0, G_N_ELEMENTS(protocols))];
  if (h->proto == 99 && (*asked || is_router(&h->destination)))
    h->proto = 17;
  *asked |= h->proto == 99;
  if (h->proto == 1) {
    h->icmp_type = v6 ? 128 : 8;
    h->proto = v6 ? 58 : 1;
  }
  h->sport = (guint16)(10000 + id);
  h->dport = pool_port(random);
  h->tcp_flags = h->proto == 6 ? 2 : 0;
  h->mac.bytes[0] = 0x02;
  h->mac.bytes[1] = 0xaa;
  h->mac.bytes[5] = (guint8)packet.from;
  wire_settle(h, id);
  return packet;
}

/* --- comparing
 * -------------------------------------------------------------------------------------------------- */

typedef struct {
  LwMddPool *pool;
  LwReach *reach;
  GPtrArray *may[WIRE_CLIENTS], *must[WIRE_CLIENTS]; /* by client: of LwArrival* */
} Answer;

static guint place_of(const LwArrival *arrival) {
  if (!arrival->link)
    return WIRE_LOCAL;
  return arrival->link[0] == 'e' && arrival->link[2] == '\0' ? (guint)(arrival->link[1] - '0') : WIRE_PLACES;
}

static const LwArrival *find(const Answer *answer, const GPtrArray *arrivals, const WirePacket *packet,
                             guint place, const WireSeen *seen) {
  LwMdd one = lw_packets_of(answer->pool, &packet->header);
  const LwArrival *any = NULL;
  for (guint i = 0; i < arrivals->len; i++) {
    const LwArrival *arrival = arrivals->pdata[i];
    if (place_of(arrival) != place || !lw_mdd_intersects(answer->pool, arrival->packets, one))
      continue;
    any = arrival;
    const LwRewrite *rewrite = &arrival->rewrite;
    if (!seen || !seen->seen || !lw_addr_is_set(&seen->source))
      return arrival;
    const LwAddr *source = lw_addr_is_set(&rewrite->source) ? &rewrite->source : &packet->header.source;
    const LwAddr *destination =
        lw_addr_is_set(&rewrite->destination) ? &rewrite->destination : &packet->header.destination;
    if ((rewrite->source_unknown || lw_addr_equal(source, &seen->source)) &&
        lw_addr_equal(destination, &seen->destination))
      return arrival;
  }
  return seen && seen->seen ? NULL : any;
}

static gboolean has(const Answer *answer, const GPtrArray *arrivals, const WirePacket *packet, guint place) {
  return find(answer, arrivals, packet, place, NULL) != NULL;
}

static const char *place_name(guint place) {
  static const char *const names[] = {"c0", "c1", "c2", "c3", "the router"};
  return names[place];
}

static void explain(const Answer *answer, const WirePacket *packet) {
  g_autofree char *link = g_strdup_printf("e%u", packet->from);
  const LwStart start = {LW_START_FRAME, "r", link};
  g_autoptr(GPtrArray) steps = lw_reach_trace(answer->reach, &start, &packet->header, LW_CT_NEW, FALSE);
  for (guint i = 0; i < steps->len; i++) {
    const LwStep *step = steps->pdata[i];
    g_autofree char *rule = step->rule ? lw_rule_format(step->rule) : g_strdup("");
    printf("      %d %s %s/%s %s verdict %d %s\n", (int)step->kind, step->link ? step->link : "-",
           step->ruleset ? step->ruleset->name : "", step->chain ? step->chain->name : "", rule,
           (int)step->verdict, step->text ? step->text : "");
  }
}

static void report(const Answer *answer, const WirePacket *packet, guint place, const WireSeen *seen,
                   const char *what) {
  g_autofree char *text = lw_header_format(&packet->header);
  g_autofree char *source = lw_addr_format(&seen->source);
  g_autofree char *destination = lw_addr_format(&seen->destination);
  printf("  %s: from c%u: %s (sport %u), at %s%s%s%s%s\n", what, packet->from, text, packet->header.sport,
         place_name(place), *source ? " as " : "", source, *source ? " -> " : "", destination);
  explain(answer, packet);
}

/* TRUE: all is as it was said. */
static gboolean compare(const Answer *answer, const WirePacket *packet, const WireSeen *seen,
                        Totals *totals) {
  gboolean good = TRUE;
  for (guint place = 0; place < WIRE_PLACES; place++) {
    const WireSeen *at = &seen[place];
    gboolean may = has(answer, answer->may[packet->from], packet, place);
    gboolean must = has(answer, answer->must[packet->from], packet, place);
    totals->pairs++;
    totals->arrived += at->seen;
    totals->unsure += may != must;
    if (at->seen && !may) {
      totals->missed++;
      report(answer, packet, place, at, "MISSED, it arrived");
      good = FALSE;
    } else if (!at->seen && must) {
      totals->false_alarms++;
      report(answer, packet, place, at, "FALSE, it did not arrive");
      good = FALSE;
    } else if (at->seen && !find(answer, answer->may[packet->from], packet, place, at)) {
      totals->rewrites_wrong++;
      report(answer, packet, place, at, "TRANSLATED otherwise");
      good = FALSE;
    }
  }
  return good;
}

static void keep_arrivals(GPtrArray *keep, const GPtrArray *arrivals) {
  for (guint i = 0; i < arrivals->len; i++)
    g_ptr_array_add(keep, &((LwArrival *)arrivals->pdata[i])->packets);
}

/* The first client's runs with all that they make, the others' in scratch: as the proof does it. */
static void answer_for(Answer *answer, const LwResourceSet *world) {
  static const char *const inside[] = {"r", NULL};
  answer->pool = lw_mdd_pool_new();
  answer->reach = lw_reach_new(answer->pool, world, inside);
  for (guint i = 0; i < WIRE_CLIENTS; i++) {
    g_autofree char *link = g_strdup_printf("e%u", i);
    LwStart start = {LW_START_FRAME, "r", link};
    g_autoptr(GPtrArray) keep = g_ptr_array_new();
    if (i > 0)
      lw_reach_scratch_begin(answer->reach);
    answer->may[i] = lw_reach_from(answer->reach, &start, LW_MDD_TRUE, LW_CT_NEW, LW_REACH_MAY);
    answer->must[i] = lw_reach_from(answer->reach, &start, LW_MDD_TRUE, LW_CT_NEW, LW_REACH_MUST);
    keep_arrivals(keep, answer->may[i]);
    keep_arrivals(keep, answer->must[i]);
    if (i > 0)
      lw_reach_scratch_end(answer->reach, (LwMdd *const *)keep->pdata, keep->len);
  }
}

static void answer_clear(Answer *answer) {
  for (guint i = 0; i < WIRE_CLIENTS; i++) {
    g_ptr_array_unref(answer->may[i]);
    g_ptr_array_unref(answer->must[i]);
  }
  lw_reach_free(answer->reach);
  lw_mdd_pool_free(answer->pool);
}

static void show(const World *world, const LwResourceSet *seen, const Answer *answer) {
  printf("%s\n%s\n", world->links, world->rules);
  for (guint i = 0; world->settings[i]; i++)
    printf("%s\n", world->settings[i]);
  GHashTableIter iter;
  gpointer text;
  g_hash_table_iter_init(&iter, lw_reach_unknowns(answer->reach));
  while (g_hash_table_iter_next(&iter, &text, NULL))
    printf("not understood: %s\n", (const char *)text);
  (void)seen;
}

static void forget_flows(void) {
  static const char *const flush[] = {"conntrack", "-F", NULL};
  g_free(run("r", flush, NULL));
}

/* Where br_netfilter shows bridged frames, too, a packet that is sent to several MACs would be one flow on
 * several ways, and the first way's translation all of theirs: there they are sent one MAC after the other.
 */
static void send_apart(Wire *wire, const WirePacket *packets, guint count, const LwMac *to, guint to_count,
                       WireSeen *seen) {
  g_autofree WireSeen *each = g_new0(WireSeen, count * WIRE_PLACES);
  for (guint i = 0; i < to_count; i++) {
    memset(each, 0, count * WIRE_PLACES * sizeof *each);
    wire_run(wire, packets, count, &to[i], 1, each);
    forget_flows();
    for (guint s = 0; s < count * WIRE_PLACES; s++)
      if (each[s].seen)
        seen[s] = each[s];
  }
}

static gboolean run_packets(GRand *random, const World *world, Totals *totals) {
  static const LwMac bridge[] = {
      {{2, 0xbb, 0, 0, 0, 9}}, {{2, 0, 0, 0, 0, 0x63}}, {{255, 255, 255, 255, 255, 255}}};
  guint count = (guint)packets_each;
  g_autofree WirePacket *packets = g_new0(WirePacket, count);
  g_autofree WireSeen *seen = g_new0(WireSeen, count * WIRE_PLACES);
  gboolean asked = FALSE;
  for (guint i = 0; i < count; i++)
    packets[i] = random_packet(random, &asked, i);
  g_autoptr(LwResourceSet) resources = look();
  Answer answer = {0};
  answer_for(&answer, resources);
  Wire *wire = wire_open();
  LwMac to[3 + WIRE_CLIENTS];
  memcpy(to, bridge, sizeof bridge);
  for (guint i = 0; i < WIRE_CLIENTS; i++)
    to[3 + i] = (LwMac){{2, 0xbb, 0, 0, 0, (guint8)i}};
  if (world->shown)
    send_apart(wire, packets, count, to, G_N_ELEMENTS(to), seen);
  else
    wire_run(wire, packets, count, to, G_N_ELEMENTS(to), seen);
  wire_close(wire);
  gboolean good = TRUE;
  for (guint i = 0; i < count; i++)
    good = compare(&answer, &packets[i], &seen[i * WIRE_PLACES], totals) && good;
  totals->packets += count;
  if (!good)
    show(world, resources, &answer);
  if (!good && g_getenv("DBG")) {
    const char *const argv[] = {"sh", "-c",
                                "bridge -d link; bridge fdb; ip -s link; nstat -az | grep -v ' 0 '", NULL};
    g_autofree char *o = run("r", argv, NULL);
    puts(o);
  }
  answer_clear(&answer);
  return good;
}

/* As it was made, but for links' names and MACs: a link that is made anew is dark for up to a second. */
static void clear_router(void) {
  static const char *const lines[] = {"-4 address flush scope global",
                                      "-6 address flush scope global",
                                      "-4 route flush table all proto boot",
                                      "-6 route flush table all proto boot",
                                      "-4 route flush table 101",
                                      "-4 route flush table 102",
                                      "-6 route flush table 101",
                                      "-6 route flush table 102",
                                      "-4 rule flush",
                                      "-6 rule flush",
                                      "-4 rule add priority 32766 table main",
                                      "-6 rule add priority 32766 table main",
                                      "-4 neighbour flush nud permanent",
                                      "-6 neighbour flush nud permanent"};
  nft("r", "flush ruleset");
  for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
    g_autofree char *line = g_strconcat("ip ", lines[i], NULL);
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    const LwCommand command = {.argv = (const char *const *)argv, .netns = "r"};
    g_autofree char *output =
        lw_command_run(&command, NULL); /* nothing to flush is an error to some of them */
  }
  forget_flows();
}

static gboolean carriers_are_on(void) {
  const char *const argv[] = {"ip", "-o", "link", "show", NULL};
  g_autofree char *text = run("r", argv, NULL);
  return strstr(text, "NO-CARRIER") == NULL && strstr(text, "state LOWERLAYERDOWN") == NULL &&
         strstr(text, ",M-DOWN") == NULL;
}

/* Until every port has its carrier, and its bridge forwards. */
static void wait_for_links(void) {
  for (guint tries = 0; tries < 300; tries++) {
    g_autoptr(LwResourceSet) seen = look();
    gboolean all = TRUE;
    for (guint i = 0; i < WIRE_CLIENTS; i++) {
      g_autofree char *key = g_strdup_printf("link:r/e%u", i);
      const LwResource *link = lw_resource_set_find(seen, key);
      all = all && link && link->up && !link->unknown;
    }
    if (all && carriers_are_on())
      return;
    g_usleep(10000);
  }
  g_error("the links do not come up");
}

/* Rules that lanward did not write, in a world that is random else; br_netfilter is on, as such programs have
 * it. */
static gboolean load_foreign(World *world, GError **error) {
  const char *const restore[] = {"iptables-nft-restore", NULL};
  const char *const list[] = {"nft", "-f", "-", NULL};
  g_clear_pointer(&world->rules, g_free);
  if (!g_file_get_contents(foreign, &world->rules, NULL, error))
    return FALSE;
  write_setting("net/bridge/bridge-nf-call-iptables=1");
  world->shown = world->bridged;
  gboolean iptables = g_str_has_suffix(foreign, ".save");
  const LwCommand command = {.argv = iptables ? restore : list, .netns = "r", .input = world->rules};
  g_autofree char *output = lw_command_run(&command, error);
  return output != NULL;
}

static gboolean load_rules(World *world, GError **error) {
  if (foreign)
    return load_foreign(world, error);
  g_autofree char *output = lw_nft_run("r", world->rules, 0, error);
  return output != NULL;
}

static gboolean one_world(GRand *random, Totals *totals) {
  g_autoptr(World) world = world_new(random);
  g_autoptr(GError) error = NULL;
  default_settings();
  ip_batch("r", world->links);
  wait_for_links();
  for (guint i = 0; world->settings[i]; i++)
    write_setting(world->settings[i]);
  gboolean good = TRUE;
  if (load_rules(world, &error)) {
    good = run_packets(random, world, totals);
    totals->worlds++;
  } else {
    totals->refused++;
    printf("  refused: %s\n", error->message);
  }
  if (world->bridged)
    ip_batch("r", "link delete br0\n");
  clear_router();
  return good;
}

int main(int argc, char **argv) {
  const GOptionEntry entries[] = {
      {"worlds", 0, 0, G_OPTION_ARG_INT, &worlds, "how many", "N"},
      {"packets", 0, 0, G_OPTION_ARG_INT, &packets_each, "let loose in each", "N"},
      {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "of the first", "N"},
      {"keep-going", 0, 0, G_OPTION_ARG_NONE, &keep_going, "after a world that disagrees", NULL},
      {"foreign", 0, 0, G_OPTION_ARG_FILENAME, &foreign, "rules that lanward did not write", "FILE"},
      {NULL, 0, 0, 0, NULL, NULL, NULL}};
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  lw_sandbox_enter();
  make_clients();
  make_router();
  Totals totals = {0};
  gboolean good = TRUE;
  for (gint i = 0; i < worlds && (good || keep_going); i++) {
    g_autoptr(GRand) random = g_rand_new_with_seed((guint32)(seed + i));
    gboolean fine = one_world(random, &totals);
    if (!fine)
      printf("world %d disagrees\n", seed + i);
    good = good && fine;
  }
  printf(
      "%u worlds (%u refused by nft), %u packets, %u pairs compared, %u arrived: %u missed, %u false alarms, "
      "%u translated otherwise, %u not sure\n",
      totals.worlds, totals.refused, totals.packets, totals.pairs, totals.arrived, totals.missed,
      totals.false_alarms, totals.rewrites_wrong, totals.unsure);
  return good && totals.worlds ? 0 : 1;
}
