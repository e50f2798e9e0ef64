#include "doctor/join.h"

#include "base/error.h"

#include <string.h>

#define LONGEST_MACHINE 63

typedef struct {
  LwLab *lab;
  const LwFirstCards *cards;
  const LwSeen *seen;
  const LwSeenDomain *router; /* nullable */
  GPtrArray *notes;
  GHashTable *names;   /* of machines: a set */
  GHashTable *claimed; /* LwMachine* -> the name of the domain that it is */
} Join;

static void set_text(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

static void note(const Join *join, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(const Join *join, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_ptr_array_add(join->notes, g_strdup_vprintf(format, args));
  va_end(args);
}

/* --- the host
 * -------------------------------------------------------------------------------------------------------------
 */

static gboolean join_uplink(const Join *join, const LwFirstAnswers *answers, GError **error) {
  const char *uplink = answers->uplink ? answers->uplink : lw_seen_uplink(join->seen);
  const LwSeenLink *link = uplink ? lw_seen_link(join->seen, uplink) : NULL;
  if (!link) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
                "%s: say it by --uplink NIC; `ip link` lists those that there are",
                uplink ? "there is no such uplink" : "no default route, and so no uplink");
    return FALSE;
  }
  set_text(&join->lab->host.uplink, uplink);
  if (link->master)
    set_text(&join->lab->host.bridge, link->master);
  return TRUE;
}

/* It has a NIC on the uplink's bridge, and others. */
static const LwSeenDomain *find_router(const Join *join) {
  const LwSeenDomain *found = NULL;
  for (guint i = 0; i < join->seen->domains->len; i++) {
    const LwSeenDomain *domain = join->seen->domains->pdata[i];
    const LwSeenNic *wan = domain->nics->len > 1 ? domain->nics->pdata[0] : NULL;
    if (!wan || g_strcmp0(wan->bridge, join->lab->host.bridge) != 0)
      continue;
    if (found) {
      note(join, "%s and %s both look like the router: %s was taken", found->name, domain->name, found->name);
      break;
    }
    found = domain;
  }
  if (!found)
    note(join,
         "no domain here has its first NIC on %s: the router's is not known, nor which network is which "
         "segment's by it",
         join->lab->host.bridge);
  return found;
}

static const LwSeenNic *card_of(const Join *join, guint card) {
  return join->router && card < join->router->nics->len ? join->router->nics->pdata[card] : NULL;
}

static const char *bridge_of(const Join *join, const LwSeenNic *nic) {
  const LwSeenNetwork *network = nic->network ? lw_seen_network(join->seen, nic->network) : NULL;
  return nic->bridge ? nic->bridge : network ? network->bridge : NULL;
}

static void join_management(const Join *join) {
  LwHost *host = &join->lab->host;
  const LwSeenNic *nic = card_of(join, join->cards->management);
  const char *bridge = nic ? bridge_of(join, nic) : NULL;
  for (guint i = 0; i < join->seen->profiles->len; i++) {
    const LwSeenProfile *profile = join->seen->profiles->pdata[i];
    if (!lw_addr_is_set(&profile->address.addr) ||
        !lw_prefix_contains(&host->management.subnet, &profile->address.addr) || profile->port)
      continue;
    bridge = profile->bridge;
    host->management.address = profile->address.addr;
  }
  if (bridge)
    set_text(&host->management.bridge, bridge);
}

static void join_segments(const Join *join) {
  for (guint i = 0; i < join->lab->segments->len; i++) {
    LwSegment *segment = lw_lab_segment(join->lab, i);
    guint card = GPOINTER_TO_UINT(g_hash_table_lookup(join->cards->segments, segment->name));
    const LwSeenNic *nic = card ? card_of(join, card) : NULL;
    const LwSeenNetwork *same = lw_seen_network(join->seen, segment->network);
    const char *bridge = nic ? bridge_of(join, nic) : same ? same->bridge : NULL;
    if (nic && nic->network)
      set_text(&segment->network, nic->network);
    if (bridge)
      set_text(&segment->bridge, bridge);
    if (!nic && !same)
      note(join, "%s: which bridge it is on is not to be told: %s is a guess", segment->name,
           segment->bridge);
  }
}

/* --- machines
 * -------------------------------------------------------------------------------------------------------------
 */

static guint segment_of(const Join *join, const LwSeenNic *nic) {
  for (guint i = 0; i < join->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(join->lab, i);
    if (nic->network ? g_strcmp0(segment->network, nic->network) == 0
                     : g_strcmp0(segment->bridge, nic->bridge) == 0)
      return i;
  }
  return LW_NONE;
}

/* Whose NIC it is in the configuration; LW_NONE. */
static guint machine_of(const Join *join, const LwMac *mac, guint *nic) {
  for (guint m = 0; lw_mac_is_set(mac) && m < join->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(join->lab, m);
    for (guint n = 0; n < machine->nics->len; n++)
      if (lw_mac_equal(&lw_machine_nic(machine, n)->mac, mac)) {
        *nic = n;
        return m;
      }
  }
  return LW_NONE;
}

/* Lines that name NIC 0 of `from` name the NIC `first` of `to` then, and so on; machines behind `from` move
 * up. */
static void renumber(const LwLab *lab, guint from, guint to, guint first) {
  for (guint s = 0; s < lab->segments->len; s++) {
    const LwSegment *segment = lw_lab_segment(lab, s);
    for (guint i = 0; i < segment->forwards->len; i++) {
      LwForward *forward = segment->forwards->pdata[i];
      if (forward->machine == from) {
        forward->machine = to;
        forward->nic += first;
      }
      forward->machine -= forward->machine > from ? 1 : 0;
    }
    GPtrArray *const lists[] = {segment->allow, segment->host_allow};
    for (guint l = 0; l < G_N_ELEMENTS(lists); l++)
      for (guint i = 0; i < lists[l]->len; i++) {
        LwTarget *target = &((LwAllow *)lists[l]->pdata[i])->target;
        if (target->kind != LW_TARGET_MACHINE)
          continue;
        if (target->machine == from)
          target->machine = to;
        target->machine -= target->machine > from ? 1 : 0;
      }
  }
}

/* Two reservations of one domain are one machine. Returns where `to` is then. */
static guint merge_machines(const Join *join, guint from, guint to) {
  LwMachine *gone = lw_lab_machine(join->lab, from);
  guint first = lw_lab_machine(join->lab, to)->nics->len;
  while (gone->nics->len)
    g_ptr_array_add(lw_lab_machine(join->lab, to)->nics, g_ptr_array_steal_index(gone->nics, 0));
  renumber(join->lab, from, to, first);
  g_hash_table_remove(join->names, gone->name);
  g_ptr_array_remove_index(join->lab->machines, from);
  return to > from ? to - 1 : to;
}

static void add_nic(LwMachine *machine, guint segment, LwMac mac) {
  LwNic *nic = lw_nic_new();
  nic->segment = segment;
  nic->mac = mac;
  g_ptr_array_add(machine->nics, nic);
}

static LwMachine *add_machine(const Join *join, const LwSeenDomain *domain) {
  LwMachine *machine = lw_machine_new();
  machine->kind = LW_MACHINE_VM;
  machine->object = g_strdup(domain->name);
  machine->name = lw_first_name(domain->name, LONGEST_MACHINE, join->names);
  g_ptr_array_add(join->lab->machines, machine);
  return machine;
}

/* The first of the domain's NICs that the configuration knows makes it that machine. */
static guint known_machine(const Join *join, const LwSeenDomain *domain) {
  guint nic, found = LW_NONE;
  for (guint i = 0; found == LW_NONE && i < domain->nics->len; i++)
    found = machine_of(join, &((const LwSeenNic *)domain->nics->pdata[i])->mac, &nic);
  return found;
}

static void join_nic(const Join *join, guint *machine, const LwSeenNic *nic, guint segment) {
  guint index = 0, known = machine_of(join, &nic->mac, &index);
  if (known == LW_NONE)
    add_nic(lw_lab_machine(join->lab, *machine), segment, nic->mac);
  else if (known != *machine)
    *machine = merge_machines(join, known, *machine);
}

/* A machine's cards are one after the other, as the domain has them: the file tells them by their place. */
static void order_nics(LwMachine *machine, const LwSeenDomain *domain) {
  guint place = 0;
  for (guint i = 0; i < domain->nics->len; i++)
    for (guint n = place; n < machine->nics->len; n++)
      if (lw_mac_equal(&lw_machine_nic(machine, n)->mac, &((const LwSeenNic *)domain->nics->pdata[i])->mac)) {
        gpointer nic = g_ptr_array_steal_index(machine->nics, n);
        g_ptr_array_insert(machine->nics, (gint)place++, nic);
        break;
      }
}

/* Another domain that has one of its MACs and was there first; NULL. */
static const char *claimed_by(const Join *join, const LwSeenDomain *domain) {
  const char *other = NULL;
  for (guint i = 0; !other && i < domain->nics->len; i++) {
    guint nic, machine = machine_of(join, &((const LwSeenNic *)domain->nics->pdata[i])->mac, &nic);
    if (machine != LW_NONE)
      other = g_hash_table_lookup(join->claimed, lw_lab_machine(join->lab, machine));
  }
  return other;
}

static void join_domain(const Join *join, const LwSeenDomain *domain) {
  guint inside = 0;
  const char *other = claimed_by(join, domain);
  if (other) {
    note(join, "%s is left out: a NIC of it has the MAC of one of %s", domain->name, other);
    return;
  }
  for (guint i = 0; i < domain->nics->len; i++)
    inside += segment_of(join, domain->nics->pdata[i]) != LW_NONE;
  if (inside == 0 || inside != domain->nics->len) {
    note(join, "%s is left out: %s", domain->name,
         inside ? "it has NICs inside and outside of the segments" : "it is in none of the segments");
    return;
  }
  guint machine = known_machine(join, domain);
  if (machine == LW_NONE) {
    add_machine(join, domain);
    machine = join->lab->machines->len - 1;
  }
  for (guint i = 0; i < domain->nics->len; i++) {
    const LwSeenNic *nic = domain->nics->pdata[i];
    join_nic(join, &machine, nic, segment_of(join, nic));
  }
  LwMachine *joined = lw_lab_machine(join->lab, machine);
  joined->kind = LW_MACHINE_VM;
  g_hash_table_insert(join->claimed, joined, domain->name);
  set_text(&joined->object, domain->name);
  if (joined->nics->len == domain->nics->len)
    order_nics(joined, domain);
}

static void join_container(const Join *join, const char *name) {
  guint machine = lw_lab_find_machine(join->lab, name);
  if (machine == LW_NONE) {
    note(join, "container %s: no reservation of the router's has that name: say which segment it belongs to",
         name);
    return;
  }
  lw_lab_machine(join->lab, machine)->kind = LW_MACHINE_CONTAINER;
}

static gboolean has_object(const LwSeen *seen, const LwMachine *machine) {
  return machine->kind == LW_MACHINE_CONTAINER ||
         lw_seen_domain(seen, machine->object ? machine->object : machine->name);
}

static void note_missing(const Join *join) {
  for (guint m = 0; m < join->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(join->lab, m);
    if (!has_object(join->seen, machine))
      note(join, "%s: no domain and no container here is it: it is taken for a domain that is yet to come",
           machine->name);
  }
  for (guint i = 0; i < join->seen->tunnels->len; i++)
    note(join, "%s is the host's own: the router's tunnels are in the file, this one is not",
         (const char *)join->seen->tunnels->pdata[i]);
}

gboolean lw_first_join(LwLab *lab, const LwFirstCards *cards, const LwSeen *seen,
                       const LwFirstAnswers *answers, GPtrArray *notes, GError **error) {
  Join join = {.lab = lab, .cards = cards, .seen = seen, .notes = notes};
  if (!join_uplink(&join, answers, error))
    return FALSE;
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint m = 0; m < lab->machines->len; m++)
    g_hash_table_add(names, g_strdup(lw_lab_machine(lab, m)->name));
  g_autoptr(GHashTable) claimed = g_hash_table_new(NULL, NULL);
  join.names = names;
  join.claimed = claimed;
  join.router = find_router(&join);
  if (join.router)
    set_text(&lab->router.vm, join.router->name);
  if (answers->name)
    set_text(&lab->name, answers->name);
  join_management(&join);
  join_segments(&join);
  for (guint i = 0; i < seen->domains->len; i++)
    if (seen->domains->pdata[i] != join.router)
      join_domain(&join, seen->domains->pdata[i]);
  for (guint i = 0; i < seen->containers->len; i++)
    join_container(&join, seen->containers->pdata[i]);
  note_missing(&join);
  return TRUE;
}
