#include "doctor/first.h"

#include "base/error.h"

#include <string.h>

/* Of a subnet, as check takes it. */
#define SHORTEST_PREFIX 8
#define LONGEST_PREFIX 30
#define LONGEST_SEGMENT 12
#define LONGEST_TUNNEL 12
#define LONGEST_MACHINE 63
#define FIRST_NUMBER 10
#define FIRST_STEP 10

/* Words that mean something in the file. */
static const char *const reserved[] = {"host",     "internet", "router", "wan", "mgmt",
                                       "home-lan", "direct",   "none",   "any", NULL};

char *lw_first_name(const char *text, guint longest, GHashTable *taken) {
  g_autoptr(GString) name = g_string_new(NULL);
  for (const char *at = text; *at && name->len < longest; at++) {
    char c = g_ascii_tolower(*at);
    if (g_ascii_isalnum(c))
      g_string_append_c(name, c);
    else if (name->len && name->str[name->len - 1] != '-')
      g_string_append_c(name, '-');
  }
  while (name->len && name->str[name->len - 1] == '-')
    g_string_truncate(name, name->len - 1);
  if (!name->len || !g_ascii_isalpha(name->str[0]))
    g_string_prepend(name, "m");
  g_string_truncate(name, MIN(name->len, longest));
  g_autofree char *base = g_strdup(name->str);
  for (guint i = 2; g_strv_contains(reserved, name->str) || g_hash_table_contains(taken, name->str); i++) {
    g_autofree char *tail = g_strdup_printf("-%u", i);
    g_string_printf(name, "%.*s%s", (int)(longest - strlen(tail)), base, tail);
  }
  g_hash_table_add(taken, g_strdup(name->str));
  return g_string_free(g_steal_pointer(&name), FALSE);
}

static void set_text(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

static void note(GPtrArray *notes, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(GPtrArray *notes, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_ptr_array_add(notes, g_strdup_vprintf(format, args));
  va_end(args);
}

/* --- what both begin with
 * ------------------------------------------------------------------------------------------------ */

typedef struct {
  const LwSeen *seen;
  const LwFirstAnswers *answers;
  LwLab *lab;
  GPtrArray *notes;
  GHashTable *names; /* of machines: a set */
} First;

static gboolean is_used(const First *f, const LwPrefix *prefix) {
  for (guint i = 0; i < f->seen->routes->len; i++) {
    const LwSeenRoute *route = f->seen->routes->pdata[i];
    if (route->prefix.len && lw_prefix_overlaps(&route->prefix, prefix))
      return TRUE;
  }
  for (guint i = 0; i < f->seen->networks->len; i++) {
    const LwSeenNetwork *network = f->seen->networks->pdata[i];
    if (lw_addr_is_set(&network->subnet.addr) && lw_prefix_overlaps(&network->subnet, prefix))
      return TRUE;
  }
  for (guint i = 0; i < f->lab->segments->len; i++)
    if (lw_prefix_overlaps(&lw_lab_segment(f->lab, i)->subnet, prefix))
      return TRUE;
  return f->lab->segments->len && lw_prefix_overlaps(&f->lab->host.management.subnet, prefix);
}

static LwPrefix slash_24(guint number) {
  return lw_prefix_make(lw_addr_from_v4(0xc0a80000u + (number << 8)), 24);
}

/* 192.168.N.0/24, from `first` on in tens, then whatever is free. */
static LwPrefix free_subnet(const First *f, guint first) {
  for (guint step = FIRST_STEP; step; step = step > 1 ? 1 : 0)
    for (guint number = first; number < 255; number += step) {
      LwPrefix prefix = slash_24(number);
      if (!is_used(f, &prefix))
        return prefix;
    }
  return slash_24(first);
}

static void set_management(LwHost *host, LwPrefix subnet) {
  host->management.subnet = subnet;
  host->management.router = lw_addr_add(&subnet.addr, 1);
  host->management.address = lw_addr_add(&subnet.addr, 15);
}

/* Unless the machine has it already, which is for import to see. */
static void free_management(const First *f) {
  LwHost *host = &f->lab->host;
  for (guint number = 99; number < 255; number++) {
    LwPrefix prefix = slash_24(number);
    gboolean used = FALSE;
    for (guint i = 0; i < f->seen->routes->len; i++) {
      const LwSeenRoute *route = f->seen->routes->pdata[i];
      used |= route->prefix.len && !g_str_equal(route->link, host->management.bridge) &&
              lw_prefix_overlaps(&route->prefix, &prefix);
    }
    if (!used) {
      set_management(host, prefix);
      return;
    }
  }
}

static gboolean set_uplink(const First *f, GError **error) {
  LwHost *host = &f->lab->host;
  const char *uplink = f->answers->uplink ? f->answers->uplink : lw_seen_uplink(f->seen);
  if (!uplink || !lw_seen_link(f->seen, uplink)) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
                uplink ? "there is no interface %s: `ip link` lists those that there are"
                       : "no default route, and so no uplink%s: say it by --uplink NIC",
                uplink ? uplink : "");
    return FALSE;
  }
  set_text(&host->uplink, uplink);
  /* one that is bridged already stays with its bridge */
  const LwSeenLink *link = lw_seen_link(f->seen, uplink);
  if (link->master)
    set_text(&host->bridge, link->master);
  return TRUE;
}

static LwSegment *add_segment(const First *f, const char *name, LwPrefix subnet) {
  LwSegment *segment = lw_segment_new();
  segment->name = g_strdup(name);
  segment->bridge = g_strconcat("virbr-", name, NULL);
  segment->network = g_strconcat("switch-", name, NULL);
  segment->subnet = subnet;
  segment->router = lw_addr_add(&subnet.addr, 1);
  if (subnet.len <= 24) {
    segment->has_dhcp = TRUE;
    segment->dhcp = (LwRange){lw_addr_add(&subnet.addr, 200), lw_addr_add(&subnet.addr, 240)};
  }
  g_ptr_array_add(f->lab->segments, segment);
  return segment;
}

static LwMachine *add_machine(const First *f, LwMachineKind kind, const char *object) {
  LwMachine *machine = lw_machine_new();
  machine->kind = kind;
  machine->object = g_strdup(object);
  machine->name = lw_first_name(object, LONGEST_MACHINE, f->names);
  g_ptr_array_add(f->lab->machines, machine);
  return machine;
}

static gboolean has_mac(const LwLab *lab, const LwMac *mac) {
  for (guint i = 0; i < lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(lab, i);
    for (guint n = 0; n < machine->nics->len; n++)
      if (lw_mac_equal(&lw_machine_nic(machine, n)->mac, mac))
        return TRUE;
  }
  return FALSE;
}

/* A MAC that two have is neither's to be told by. */
static LwNic *add_nic(const First *f, LwMachine *machine, guint segment, LwMac mac) {
  LwNic *nic = lw_nic_new();
  gboolean twice = lw_mac_is_set(&mac) && has_mac(f->lab, &mac);
  if (twice)
    note(f->notes, "%s: its MAC is another machine's, too: one of them does not work", machine->name);
  nic->segment = segment;
  nic->mac = twice ? LW_MAC_NONE : mac;
  g_ptr_array_add(machine->nics, nic);
  return nic;
}

static void first_clear(First *f) {
  g_clear_pointer(&f->lab, lw_lab_free);
  g_clear_pointer(&f->names, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(First, first_clear)

static First first_new(const LwSeen *seen, const LwFirstAnswers *answers, GPtrArray *notes) {
  First f = {.seen = seen,
             .answers = answers,
             .lab = lw_lab_new(),
             .notes = notes,
             .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  f.lab->name = g_strdup(answers->name ? answers->name : "homelab");
  f.lab->domain = g_strconcat(f.lab->name, ".internal", NULL);
  return f;
}

/* --- init
 * --------------------------------------------------------------------------------------------------------------
 */

/* It looks like the router of somebody's: it has a leg where the NIC is. */
static gboolean is_router(const LwSeen *seen, const LwSeenDomain *domain) {
  const LwSeenRoute *route = lw_seen_default_route(seen);
  for (guint i = 0; domain->nics->len > 1 && route && i < domain->nics->len; i++)
    if (g_strcmp0(((LwSeenNic *)domain->nics->pdata[i])->bridge, route->link) == 0)
      return TRUE;
  return FALSE;
}

LwLab *lw_first_lab(const LwSeen *seen, const LwFirstAnswers *answers, GPtrArray *notes, GError **error) {
  g_auto(First) f = first_new(seen, answers, notes);
  if (!set_uplink(&f, error))
    return NULL;
  free_management(&f);
  LwPrefix subnet = lw_addr_is_set(&answers->subnet.addr) ? lw_prefix_network(&answers->subnet)
                                                          : free_subnet(&f, FIRST_NUMBER);
  g_autofree char *name = g_strdup_printf("lan%u", (unsigned)subnet.addr.bytes[2]);
  LwSegment *segment = add_segment(&f, name, subnet);
  segment->egress = LW_EGRESS_DIRECT;
  for (guint i = 0; i < seen->domains->len; i++) {
    const LwSeenDomain *domain = seen->domains->pdata[i];
    if (domain->nics->len == 0 || is_router(seen, domain)) {
      note(notes, "%s is left out: %s", domain->name,
           domain->nics->len ? "it has a NIC on the uplink's bridge and others, as a router has"
                             : "it has no NIC");
      continue;
    }
    LwMachine *machine = add_machine(&f, LW_MACHINE_VM, domain->name);
    add_nic(&f, machine, 0, ((LwSeenNic *)domain->nics->pdata[0])->mac);
    if (domain->nics->len > 1)
      note(notes, "%s has %u NICs: the first one is plugged in, add the others under nics:", domain->name,
           domain->nics->len);
  }
  if (f.lab->machines->len == 0)
    note(notes, "no virtual machine was found: name them under machines: when they are there");
  return g_steal_pointer(&f.lab);
}

/* --- import
 * ------------------------------------------------------------------------------------------------------------
 */

static guint find_by_bridge(const LwLab *lab, const char *bridge) {
  for (guint i = 0; bridge && i < lab->segments->len; i++)
    if (g_str_equal(lw_lab_segment(lab, i)->bridge, bridge))
      return i;
  return LW_NONE;
}

static guint find_by_network(const LwLab *lab, const char *network) {
  for (guint i = 0; network && i < lab->segments->len; i++)
    if (g_str_equal(lw_lab_segment(lab, i)->network, network))
      return i;
  return LW_NONE;
}

static gboolean is_for_machines(const LwPrefix *subnet, const LwAddr *addr) {
  LwRange range = lw_prefix_range(subnet);
  return subnet->len >= SHORTEST_PREFIX && subnet->len <= LONGEST_PREFIX &&
         lw_prefix_contains(subnet, addr) && !lw_addr_equal(addr, &range.first) &&
         !lw_addr_equal(addr, &range.last);
}

/* The last that a route of the bridge goes by; else the first address that is not the host's. */
static LwAddr management_router(const LwSeenProfile *profile, const LwPrefix *subnet) {
  const LwAddr *host = &profile->address.addr;
  LwAddr router = lw_addr_add(&subnet->addr, 1);
  if (lw_addr_equal(&router, host))
    router = lw_addr_add(&subnet->addr, 2);
  for (guint r = 0; r < profile->routes->len; r++) {
    const LwAddr *via = &g_array_index(profile->routes, LwSeenRoute, r).via;
    if (is_for_machines(subnet, via) && !lw_addr_equal(via, host))
      router = *via;
  }
  return router;
}

/* The bridge with an address of its own and no port to the outside is the management's. */
static void import_host(First *f) {
  LwHost *host = &f->lab->host;
  for (guint i = 0; i < f->seen->profiles->len; i++) {
    const LwSeenProfile *profile = f->seen->profiles->pdata[i];
    LwPrefix subnet = lw_prefix_network(&profile->address);
    if (profile->port) {
      set_text(&host->bridge, profile->bridge);
    } else if (is_for_machines(&subnet, &profile->address.addr)) {
      set_text(&host->management.bridge, profile->bridge);
      set_management(host, subnet);
      host->management.address = profile->address.addr;
      host->management.router = management_router(profile, &subnet);
    }
  }
}

static gboolean number_in(const char *name, guint *number) {
  gsize start = strlen(name);
  while (start > 0 && g_ascii_isdigit(name[start - 1]))
    start--;
  guint64 value = name[start] ? g_ascii_strtoull(name + start, NULL, 10) : 0;
  *number = (guint)value;
  return value > 0 && value < 255;
}

/* Where the host reaches it: a route of the management bridge whose third number is in the network's name. */
static gboolean routed_subnet(const First *f, guint number, LwPrefix *out) {
  for (guint i = 0; i < f->seen->profiles->len; i++) {
    const LwSeenProfile *profile = f->seen->profiles->pdata[i];
    for (guint r = 0; r < profile->routes->len; r++) {
      const LwSeenRoute *route = &g_array_index(profile->routes, LwSeenRoute, r);
      if (route->prefix.addr.family == 4 && route->prefix.len >= 16 && route->prefix.len <= LONGEST_PREFIX &&
          route->prefix.addr.bytes[2] == number) {
        *out = lw_prefix_network(&route->prefix);
        return TRUE;
      }
    }
  }
  return FALSE;
}

static LwPrefix subnet_of(const First *f, const char *name) {
  guint number = 0;
  LwPrefix subnet;
  gboolean numbered = number_in(name, &number);
  if (numbered && routed_subnet(f, number, &subnet))
    return subnet;
  subnet = slash_24(number);
  if (!numbered || is_used(f, &subnet))
    subnet = free_subnet(f, FIRST_NUMBER);
  g_autofree char *text = lw_prefix_format(&subnet);
  note(f->notes, "%s: its subnet is nowhere to be read; %s is a guess: correct it", name, text);
  return subnet;
}

/* "switch-lan10" and "virbr-lan10" are lan10. */
static char *segment_name(const char *text, GHashTable *taken) {
  static const char *const heads[] = {"switch-", "virbr-", "br-"};
  for (gsize i = 0; i < G_N_ELEMENTS(heads); i++)
    if (g_str_has_prefix(text, heads[i]) && text[strlen(heads[i])])
      return lw_first_name(text + strlen(heads[i]), LONGEST_SEGMENT, taken);
  return lw_first_name(text, LONGEST_SEGMENT, taken);
}

static void import_segment(const First *f, GHashTable *taken, const char *from, const char *network,
                           const char *bridge) {
  g_autofree char *name = segment_name(from, taken);
  LwSegment *segment = add_segment(f, name, subnet_of(f, name));
  if (network)
    set_text(&segment->network, network);
  if (bridge)
    set_text(&segment->bridge, bridge);
  segment->egress = LW_EGRESS_NONE;
}

/* libvirt is the router of these, and stays it. */
static gboolean is_libvirts_own(const LwSeenNetwork *network) {
  return network->forwards || lw_addr_is_set(&network->subnet.addr);
}

static void import_segments(First *f) {
  const LwHost *host = &f->lab->host;
  g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < f->seen->networks->len; i++) {
    const LwSeenNetwork *network = f->seen->networks->pdata[i];
    if (is_libvirts_own(network))
      note(f->notes, "libvirt's network %s is left as it is: libvirt itself routes it", network->name);
    else if (g_strcmp0(network->bridge, host->bridge) != 0 &&
             g_strcmp0(network->bridge, host->management.bridge) != 0)
      import_segment(f, taken, network->name, network->name, network->bridge);
  }
  for (guint i = 0; i < f->seen->domains->len; i++) {
    const LwSeenDomain *domain = f->seen->domains->pdata[i];
    for (guint n = 0; n < domain->nics->len; n++) {
      const char *bridge = ((LwSeenNic *)domain->nics->pdata[n])->bridge;
      if (bridge && !g_str_equal(bridge, host->bridge) && !g_str_equal(bridge, host->management.bridge) &&
          find_by_bridge(f->lab, bridge) == LW_NONE)
        import_segment(f, taken, bridge, NULL, bridge);
    }
  }
}

static guint segment_of(const First *f, const LwSeenNic *nic) {
  guint segment = find_by_network(f->lab, nic->network);
  return segment != LW_NONE ? segment : find_by_bridge(f->lab, nic->bridge);
}

static void set_address(const First *f, LwNic *nic, const LwSeenNic *from) {
  const LwSeenNetwork *network = lw_seen_network(f->seen, from->network);
  g_autofree char *mac = lw_mac_format(&from->mac);
  const LwAddr *address = network ? g_hash_table_lookup(network->hosts, mac) : NULL;
  const LwPrefix *subnet = &lw_lab_segment(f->lab, nic->segment)->subnet;
  if (address && lw_prefix_contains(subnet, address))
    nic->address = *address;
}

static void import_domain(First *f, const LwSeenDomain *domain) {
  guint plugged = 0, outside = 0;
  for (guint i = 0; i < domain->nics->len; i++) {
    const LwSeenNic *nic = domain->nics->pdata[i];
    plugged += segment_of(f, nic) != LW_NONE;
    outside += g_strcmp0(nic->bridge, f->lab->host.bridge) == 0;
  }
  if (plugged && outside) { /* a router: legs inside, and one on the NIC's bridge */
    note(f->notes,
         "%s has legs in segments and on %s: it looks like the router that is there. If it is an "
         "OPNsense say router: {kind: opnsense, vm: %s, adopt: observe}; else the builtin router of this "
         "file would be a second one",
         domain->name, f->lab->host.bridge, domain->name);
    return;
  }
  if (plugged == 0 || plugged != domain->nics->len) {
    note(f->notes, "%s is left out: %s", domain->name,
         plugged ? "it has NICs inside and outside of the segments" : "it is in none of the segments");
    return;
  }
  LwMachine *machine = add_machine(f, LW_MACHINE_VM, domain->name);
  for (guint i = 0; i < domain->nics->len; i++) {
    const LwSeenNic *nic = domain->nics->pdata[i];
    set_address(f, add_nic(f, machine, segment_of(f, nic), nic->mac), nic);
  }
}

static void import_tunnels(First *f) {
  g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < f->seen->tunnels->len; i++) {
    const char *path = f->seen->tunnels->pdata[i];
    g_autofree char *base = g_path_get_basename(path);
    base[strlen(base) - strlen(".conf")] = '\0';
    LwTunnel *tunnel = lw_tunnel_new();
    tunnel->name = lw_first_name(base, LONGEST_TUNNEL, taken);
    tunnel->path = g_strdup(path);
    g_ptr_array_add(f->lab->tunnels, tunnel);
    note(f->notes,
         "tunnel %s: %s; no segment leaves by it yet, say egress: %s. wg-quick must not start it as well: "
         "systemctl disable --now wg-quick@%s",
         tunnel->name, path, tunnel->name, base);
  }
}

static void import_containers(First *f) {
  if (f->seen->containers->len && f->lab->segments->len == 0)
    add_segment(f, "lan10", free_subnet(f, FIRST_NUMBER))->egress = LW_EGRESS_NONE;
  for (guint i = 0; i < f->seen->containers->len; i++)
    add_nic(f, add_machine(f, LW_MACHINE_CONTAINER, f->seen->containers->pdata[i]), 0, LW_MAC_NONE);
  if (f->seen->containers->len)
    note(f->notes, "containers without a network are put into %s: say which segment each belongs to",
         lw_lab_segment(f->lab, 0)->name);
}

LwLab *lw_imported_lab(const LwSeen *seen, const LwFirstAnswers *answers, GPtrArray *notes, GError **error) {
  g_auto(First) f = first_new(seen, answers, notes);
  if (!set_uplink(&f, error))
    return NULL;
  free_management(&f);
  import_host(&f);
  import_segments(&f);
  for (guint i = 0; i < seen->domains->len; i++)
    import_domain(&f, seen->domains->pdata[i]);
  import_tunnels(&f);
  import_containers(&f);
  if (f.lab->segments->len == 0) {
    g_set_error(
        error, LW_ERROR, LW_ERROR_NOT_FOUND,
        "no isolated network or bridge of virtual machines is here to be imported: lanward init writes a "
        "first file");
    return NULL;
  }
  note(notes, "egress: of every segment is none until you say otherwise: what is let out is yours to decide");
  return g_steal_pointer(&f.lab);
}
