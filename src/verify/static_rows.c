/* The sources of packets: the rows of the matrix. */
#include "verify/static_internal.h"

#include "policy/names.h"

#define UDP 17
#define DHCP_SERVER 67

/* --- rows
 * ---------------------------------------------------------------------------------------------------------
 */

/* A cell of the matrix asks for the rows of its source: with a thousand segments there are a million cells.
 */
static gpointer key_of(const LwZone *zone) {
  return GSIZE_TO_POINTER((gsize)zone->kind << 32 | zone->index);
}

const GArray *lw_static_rows_of(const LwStatic *proof, const LwZone *zone) {
  static const GArray none = {0};
  const GArray *rows = g_hash_table_lookup(proof->by_zone, key_of(zone));
  return rows ? rows : &none;
}

static void index_row(const LwStatic *proof, const LwZone *zone) {
  GArray *rows = g_hash_table_lookup(proof->by_zone, key_of(zone));
  if (!rows) {
    rows = g_array_new(FALSE, FALSE, sizeof(guint));
    g_hash_table_insert(proof->by_zone, key_of(zone), rows);
  }
  g_array_append_val(rows, proof->rows->len);
}

static LwStaticRow *add_row(const Prove *p, char *name /* transfer full */, LwZone zone, LwStart start) {
  LwStaticRow *row = g_new0(LwStaticRow, 1);
  row->name = name;
  row->zone = zone;
  row->start = start;
  row->machine = row->nic = LW_NONE;
  row->packets = p->opening;
  row->reached = g_ptr_array_new_with_free_func(g_free);
  index_row(p->proof, &zone);
  g_ptr_array_add(p->proof->rows, row);
  return row;
}

LwMdd lw_static_own_sources(const Prove *p, guint machine, guint nic) {
  const LwLab *lab = p->proof->lab;
  const LwNic *n = lw_machine_nic(lw_lab_machine(lab, machine), nic);
  guint segment = lw_nic_segment(lab, p->proof->facts, machine, nic);
  LwMddPool *pool = p->proof->pool;
  if (segment == LW_NONE)
    return LW_MDD_FALSE;
  if (n->spoof_ok)
    return lw_packets_prefix(pool, LW_HEADER_SADDR, &lw_lab_segment(lab, segment)->subnet);
  LwAddr address = lw_nic_address(lab, p->proof->facts, machine, nic);
  LwMdd set = lw_addr_is_set(&address) ? lw_packets_addr(pool, LW_HEADER_SADDR, &address) : LW_MDD_FALSE;
  for (guint i = 0; n->segment == segment && i < n->addresses->len; i++)
    set = lw_mdd_or(pool, set,
                    lw_packets_addr(pool, LW_HEADER_SADDR, &g_array_index(n->addresses, LwPrefix, i).addr));
  return set;
}

LwIntended *lw_static_intended_at(const LwStaticRow *row, const LwZone *zone) {
  for (guint i = 0; i < row->intended->len; i++) {
    LwIntended *one = row->intended->pdata[i];
    if (one->to.kind == zone->kind && one->to.index == zone->index && !lw_addr_is_set(&one->destination))
      return one;
  }
  return NULL;
}

/* The machines of the same wire: reached by their own addresses, by frames, unless the segment is isolated.
 */
static LwMdd neighbours(const Prove *p, guint segment, guint machine, guint nic) {
  LwMddPool *pool = p->proof->pool;
  const LwLab *lab = p->proof->lab;
  LwMdd set = LW_MDD_FALSE;
  for (guint m = 0; m < lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(lab, m)->nics->len; n++) {
      LwAddr address = lw_nic_address(lab, p->proof->facts, m, n);
      if ((m == machine && n == nic) || lw_nic_segment(lab, p->proof->facts, m, n) != segment ||
          !lw_addr_is_set(&address) || !g_hash_table_contains(p->plugged, GUINT_TO_POINTER(m * 64 + n)))
        continue;
      set = lw_mdd_or(pool, set, lw_packets_addr(pool, LW_HEADER_DADDR, &address));
    }
  return set;
}

/* Of what its segment may do, a machine may what its own addresses may. */
static void narrow_to_port(const Prove *p, LwStaticRow *row, LwMdd own) {
  LwMddPool *pool = p->proof->pool;
  const LwLab *lab = p->proof->lab;
  const LwSegment *segment = lw_lab_segment(lab, row->zone.index);
  LwAddr nobody = lw_addr_from_v4(0);
  LwMdd port67 = lw_packets_number(pool, LW_HEADER_DPORT, DHCP_SERVER, DHCP_SERVER);
  LwMdd udp = lw_packets_number(pool, LW_HEADER_PROTO, UDP, UDP);
  LwMdd asking =
      lw_mdd_and(pool, lw_mdd_and(pool, udp, port67), lw_packets_addr(pool, LW_HEADER_SADDR, &nobody));
  /* what looks like a DHCP server's may be stopped */
  LwMdd server = lw_mdd_and(pool, udp, lw_packets_number(pool, LW_HEADER_SPORT, DHCP_SERVER, DHCP_SERVER));
  LwMdd sure = lw_mdd_minus(pool, own, server);
  for (guint i = 0; i < row->intended->len; i++) {
    LwIntended *one = row->intended->pdata[i];
    one->may = lw_mdd_and(pool, one->may, lw_mdd_or(pool, own, asking));
    one->must = lw_mdd_and(pool, one->must, sure);
  }
  LwIntended *wire = lw_static_intended_at(row, &row->zone);
  if (!wire || segment->isolate)
    return;
  LwMdd may = lw_mdd_and(pool, row->packets, lw_mdd_or(pool, own, asking));
  if (row->machine != LW_NONE && lw_machine_nic(lw_lab_machine(lab, row->machine), row->nic)->spoof_ok)
    may = LW_MDD_TRUE; /* on its own wire it may be anybody */
  LwMdd must = lw_mdd_and(pool, row->packets, lw_mdd_and(pool, sure, lw_packets_family(pool, 4)));
  wire->may = lw_mdd_or(pool, wire->may, may);
  wire->must = lw_mdd_and(pool, must, neighbours(p, row->zone.index, row->machine, row->nic));
}

static void add_port_row(const Prove *p, const char *port, const char *master) {
  const LwLab *lab = p->proof->lab;
  guint machine = LW_NONE, nic = LW_NONE, segment = lw_static_segment_of_bridge(p, master);
  gboolean known = lw_static_nic_of_port(p, port, &machine, &nic);
  if (known)
    segment = lw_nic_segment(lab, p->proof->facts, machine, nic);
  if (segment == LW_NONE)
    return;
  const char *of = lw_lab_segment(lab, segment)->name;
  char *name = known ? g_strdup_printf("%s/%s", of, lw_lab_machine(lab, machine)->name)
                     : g_strdup_printf("%s (port %s)", of, port);
  LwStaticRow *row =
      add_row(p, name, (LwZone){LW_ZONE_SEGMENT, segment}, (LwStart){LW_START_FRAME, "", port});
  row->machine = machine;
  row->nic = nic;
}

static void intend_port(const Prove *p, LwStaticRow *row) {
  const LwSegment *segment = lw_lab_segment(p->proof->lab, row->zone.index);
  gboolean known = row->machine != LW_NONE;
  LwMdd own = LW_MDD_FALSE;
  if (known)
    own = lw_static_own_sources(p, row->machine, row->nic);
  else if (segment->has_dhcp)
    own = lw_packets_range(p->proof->pool, LW_HEADER_SADDR, &segment->dhcp);
  narrow_to_port(p, row, own);
  for (guint i = 0; !known && i < row->intended->len;
       i++) /* it may be a machine that the file does not name */
    ((LwIntended *)row->intended->pdata[i])->must = LW_MDD_FALSE;
}

static void list_flows(LwStaticRow *row) {
  g_clear_pointer(&row->flows_to, g_array_unref);
  row->flows_to = g_array_new(FALSE, FALSE, sizeof(LwZone));
  for (guint i = 0; i < row->intended->len; i++) {
    const LwIntended *one = row->intended->pdata[i];
    if (one->may != LW_MDD_FALSE || one->going_on != LW_MDD_FALSE)
      g_array_append_val(row->flows_to, one->to);
  }
}

void lw_static_intend(const Prove *p, LwStaticRow *row) {
  g_clear_pointer(&row->intended, g_ptr_array_unref);
  row->intended = lw_intent_sets(p->proof->pool, p->proof->lab, p->proof->facts, &p->basis, &row->zone);
  if (row->zone.kind == LW_ZONE_SEGMENT && *row->start.ns == '\0')
    intend_port(p, row);
  for (guint i = 0; row->zone.kind == LW_ZONE_NETWORK && i < row->intended->len; i++) {
    LwIntended *one = row->intended->pdata[i];
    one->must = lw_mdd_minus(p->proof->pool, one->must, p->host_sources);
  }
  list_flows(row);
  lw_static_note_pairs(p, row);
}

/* Ports of segments' bridges, but the router's legs: machines, or strangers. */
static gboolean is_outer_port(const Prove *p, const LwResource *link) {
  if (link->kind != LW_RES_LINK || (link->ns && *link->ns) || !link->master || !*link->master)
    return FALSE;
  if (link->link_type == LW_LINK_VETH && g_strcmp0(link->peer_ns, p->router) == 0)
    return FALSE;
  return lw_static_segment_of_bridge(p, link->master) != LW_NONE ||
         g_hash_table_contains(p->nic_of_port, link->name);
}

static void add_port_rows(const Prove *p) {
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *link = p->world->list->pdata[i];
    if (is_outer_port(p, link))
      add_port_row(p, link->name, link->master);
  }
}

static void add_segment_rows(const Prove *p) {
  const LwLab *lab = p->proof->lab;
  for (guint i = 0; i < lab->segments->len; i++) {
    g_autofree char *leg = lw_name_router_leg(lw_lab_segment(lab, i));
    add_row(p, g_strdup(lw_lab_segment(lab, i)->name), (LwZone){LW_ZONE_SEGMENT, i},
            (LwStart){LW_START_FRAME, p->router, g_intern_string(leg)});
  }
}

static void add_host_row(const Prove *p) {
  LwStaticRow *row =
      add_row(p, g_strdup("host"), (LwZone){LW_ZONE_HOST, LW_NONE}, (LwStart){LW_START_LOCAL, "", NULL});
  row->packets =
      lw_mdd_and(p->proof->pool, row->packets,
                 lw_packets_addr(p->proof->pool, LW_HEADER_SADDR, &p->proof->lab->host.management.address));
}

/* The link of the host that leads to a network behind it: where a route or an address says so. */
const char *lw_static_link_of_network(const Prove *p, const LwPrefix *prefix) {
  for (guint i = 0; i < p->world->list->len; i++) {
    const LwResource *r = p->world->list->pdata[i];
    gboolean fits = (r->kind == LW_RES_ROUTE || r->kind == LW_RES_ADDRESS) && (!r->ns || !*r->ns) &&
                    r->prefix.len >= prefix->len && lw_prefix_contains(prefix, &r->prefix.addr);
    if (fits && r->link && g_strcmp0(r->link, p->proof->lab->host.management.bridge) != 0)
      return r->link;
  }
  return NULL;
}

static void add_outer_rows(const Prove *p) {
  const LwLab *lab = p->proof->lab;
  for (guint i = 0; i < lab->host.networks->len; i++) {
    LwPrefix prefix = lw_lab_network(lab, i)->prefix;
    const char *link = lw_static_link_of_network(p, &prefix);
    if (!link)
      continue;
    LwStaticRow *row = add_row(p, g_strdup(lw_lab_network(lab, i)->name), (LwZone){LW_ZONE_NETWORK, i},
                               (LwStart){LW_START_FRAME, "", link});
    row->packets =
        lw_mdd_and(p->proof->pool, row->packets, lw_packets_prefix(p->proof->pool, LW_HEADER_SADDR, &prefix));
  }
  LwZone wan = {LW_ZONE_INTERNET, LW_NONE};
  add_row(p, g_strdup("home-lan"), wan, (LwStart){LW_START_FRAME, p->router, LW_ROUTER_WAN});
  if (lab->host.uplink && lw_static_link(p, "", lab->host.uplink))
    add_row(p, g_strdup("home-lan (at the host)"), wan, (LwStart){LW_START_FRAME, "", lab->host.uplink});
  for (guint i = 0; i < lab->tunnels->len; i++) {
    g_autofree char *link = lw_name_tunnel(lw_lab_tunnel(lab, i));
    add_row(p, g_strdup_printf("internet/%s", lw_lab_tunnel(lab, i)->name), (LwZone){LW_ZONE_INTERNET, i},
            (LwStart){LW_START_FRAME, p->router, g_intern_string(link)});
  }
}

void lw_static_add_rows(const Prove *p) {
  add_segment_rows(p);
  add_port_rows(p);
  add_host_row(p);
  add_outer_rows(p);
}
