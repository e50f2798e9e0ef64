/* Sources that the proof would like and no machine has: both sides of every edge that a line draws through a
 * segment's addresses, and one address that no line mentions. */
#include "verify/flows.h"

#include "policy/names.h"

#define PLAIN_STEPS 65536 /* of a large segment not every address is looked at */

typedef struct {
  const LwLab *lab;
  const LwFacts *facts;
  GPtrArray *wanted; /* of LwProbePort* */
} Wish;

static void port_free(gpointer data) {
  LwProbePort *port = data;
  g_free(port->name);
  g_free(port->segment);
  g_free(port);
}

static gboolean is_machines(const Wish *w, guint segment, const LwAddr *addr) {
  for (guint m = 0; m < w->lab->machines->len; m++) {
    const LwMachine *machine = lw_lab_machine(w->lab, m);
    for (guint n = 0; n < machine->nics->len; n++) {
      /* declared, though it is elsewhere now: it may come back while the proof runs */
      const LwNic *nic = lw_machine_nic(machine, n);
      LwAddr now = lw_nic_address(w->lab, w->facts, m, n);
      if (lw_addr_equal(&now, addr) || (nic->segment == segment && lw_addr_equal(&nic->address, addr)))
        return TRUE;
      for (guint i = 0; i < nic->addresses->len; i++)
        if (lw_addr_equal(&g_array_index(nic->addresses, LwPrefix, i).addr, addr))
          return TRUE;
    }
  }
  return FALSE;
}

static gboolean is_leased(const Wish *w, const LwAddr *addr) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, w->facts->leases);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (lw_addr_equal(value, addr))
      return TRUE;
  return FALSE;
}

static gboolean is_wanted_already(const Wish *w, const LwAddr *addr) {
  for (guint i = 0; i < w->wanted->len; i++)
    if (lw_addr_equal(&((LwProbePort *)w->wanted->pdata[i])->address, addr))
      return TRUE;
  return FALSE;
}

static gboolean is_usable(const Wish *w, guint segment, const LwAddr *addr) {
  const LwSegment *s = lw_lab_segment(w->lab, segment);
  LwRange whole = lw_prefix_range(&s->subnet);
  return lw_range_contains(&whole, addr) && !lw_addr_equal(addr, &whole.first) &&
         !lw_addr_equal(addr, &whole.last) && !lw_addr_equal(addr, &s->router);
}

/* On a host, machines that the file does not name have leases too. */
static gboolean may_be_leased(const Wish *w, guint segment, const LwAddr *addr) {
  const LwSegment *s = lw_lab_segment(w->lab, segment);
  return !w->facts->cells_stand_in && s->has_dhcp && lw_range_contains(&s->dhcp, addr);
}

/* Not the network, the broadcast, the gateway, nor anybody's. */
static gboolean is_free(const Wish *w, guint segment, const LwAddr *addr) {
  return !may_be_leased(w, segment, addr) && is_usable(w, segment, addr) && !is_machines(w, segment, addr) &&
         !is_leased(w, addr);
}

static void want(const Wish *w, guint segment, LwAddr addr) {
  if (is_wanted_already(w, &addr))
    return;
  LwProbePort *port = g_new0(LwProbePort, 1);
  port->name = g_strdup_printf("lwp%u", w->wanted->len + 1);
  port->segment = g_strdup(lw_lab_segment(w->lab, segment)->name);
  port->address = addr;
  g_autofree char *seed = g_strdup_printf("%s/probe/%s", w->lab->name, port->name);
  port->mac = lw_mac_derive(seed);
  g_ptr_array_add(w->wanted, port);
}

/* The first usable address from `from` on, inside of the range. One that a machine has needs no probe. */
static void want_edge(const Wish *w, guint segment, const LwRange *range, gboolean from_first) {
  LwAddr at = from_first ? range->first : range->last;
  for (guint steps = 0; steps < 4 && lw_range_contains(range, &at); steps++) {
    if (is_free(w, segment, &at)) {
      want(w, segment, at);
      return;
    }
    if (is_usable(w, segment, &at))
      return; /* a machine stands on the edge: it is the probe */
    at = lw_addr_add(&at, from_first ? 1 : -1);
  }
}

static void want_edges(const Wish *w, guint segment, const LwRange *range) {
  if (range->first.family != 4)
    return;
  LwAddr before = lw_addr_add(&range->first, -1), after = lw_addr_add(&range->last, 1);
  if (is_free(w, segment, &before))
    want(w, segment, before);
  want_edge(w, segment, range, TRUE);
  want_edge(w, segment, range, FALSE);
  if (is_free(w, segment, &after))
    want(w, segment, after);
}

static gboolean is_mentioned(const LwSegment *s, const LwAddr *addr) {
  if (s->has_dhcp && lw_range_contains(&s->dhcp, addr))
    return TRUE;
  for (guint i = 0; i < s->pins->len; i++)
    if (lw_range_contains(&((LwPin *)s->pins->pdata[i])->range, addr))
      return TRUE;
  for (guint i = 0; i < s->allow->len; i++) {
    const GArray *from = ((LwAllow *)s->allow->pdata[i])->from;
    for (guint j = 0; j < from->len; j++)
      if (lw_range_contains(&g_array_index(from, LwRange, j), addr))
        return TRUE;
  }
  return FALSE;
}

/* An address that no line mentions: the segment's rule without its exceptions. */
static void want_plain(const Wish *w, guint segment) {
  const LwSegment *s = lw_lab_segment(w->lab, segment);
  LwRange whole = lw_prefix_range(&s->subnet);
  LwAddr any = LW_ADDR_NONE;
  LwAddr at = whole.last;
  for (guint steps = 0; steps < PLAIN_STEPS && !lw_addr_equal(&at, &whole.first); steps++) {
    at = lw_addr_add(&at, -1);
    if (!is_free(w, segment, &at) || is_wanted_already(w, &at))
      continue;
    if (!is_mentioned(s, &at)) {
      want(w, segment, at);
      return;
    }
    if (!lw_addr_is_set(&any))
      any = at;
  }
  if (lw_addr_is_set(&any))
    want(w, segment, any);
}

gboolean lw_verify_address_is_free(const LwLab *lab, const LwFacts *facts, guint segment,
                                   const LwAddr *address) {
  Wish w = {lab, facts, NULL};
  for (guint i = 0; i < facts->probes->len; i++)
    if (lw_addr_equal(&((LwProbePort *)facts->probes->pdata[i])->address, address))
      return FALSE;
  return is_free(&w, segment, address);
}

GPtrArray *lw_verify_wanted_probes(const LwLab *lab, const LwFacts *facts) {
  Wish w = {lab, facts, g_ptr_array_new_with_free_func(port_free)};
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *s = lw_lab_segment(lab, i);
    if (s->subnet.addr.family != 4)
      continue;
    for (guint j = 0; j < s->pins->len; j++)
      want_edges(&w, i, &((LwPin *)s->pins->pdata[j])->range);
    for (guint j = 0; j < s->allow->len; j++) {
      const GArray *from = ((LwAllow *)s->allow->pdata[j])->from;
      for (guint k = 0; k < from->len; k++)
        want_edges(&w, i, &g_array_index(from, LwRange, k));
    }
    want_plain(&w, i);
  }
  return w.wanted;
}
