#include "audit/space.h"

#include <string.h>

/* ---- targets ---- */

static void free_target(gpointer data) {
  LwAuditTarget *target = data;
  lw_ip_set_free(target->set);
  g_free(target);
}

/* Takes set; what an earlier target has is left to it. */
static void add_target(GPtrArray *targets, LwIpSet *taken, LwPlaceKind kind, int zone, LwIpSet *set) {
  LwIpSet *rest = lw_ip_set_subtract(set, taken);
  lw_ip_set_free(set);
  if (lw_ip_set_is_empty(rest)) {
    lw_ip_set_free(rest);
    return;
  }
  lw_ip_set_add_set(taken, rest);
  LwAuditTarget *made = g_new0(LwAuditTarget, 1);
  *made = (LwAuditTarget){kind, zone, rest};
  g_ptr_array_add(targets, made);
}

static LwIpSet *prefix_set(guint8 family, const char *const *prefixes) {
  LwIpSet *set = lw_ip_set_new(family);
  for (; *prefixes; prefixes++) {
    LwPrefix prefix;
    if (lw_prefix_parse(*prefixes, &prefix))
      lw_ip_set_add_prefix(set, &prefix);
  }
  return set;
}

/* Not forwarded by anybody: this network, loopback, link-local of IPv6, multicast, reserved. */
static LwIpSet *never_forwarded(guint8 family) {
  static const char *const v4[] = {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", NULL};
  static const char *const v6[] = {"::/127", "ff00::/8", "fe80::/10", NULL};
  return prefix_set(family, family == 6 ? v6 : v4);
}

static int zone_of_address(const LwAuditWorld *world, LwIp ip) {
  for (guint i = 0; i < world->zones->len; i++) {
    const LwOpnLink *link = lw_audit_zone(world, i)->link;
    const LwAddr *addr = world->family == 6 ? &link->address6.addr : &link->address4.addr;
    if (lw_addr_is_set(addr) && lw_ip_cmp(lw_ip_of(addr), ip) == 0)
      return (int)i;
  }
  return -1;
}

static void add_selves(GPtrArray *targets, LwIpSet *taken, const LwAuditWorld *world) {
  for (guint i = 0; i < world->self->ranges->len; i++) {
    LwIpRange range = g_array_index(world->self->ranges, LwIpRange, i);
    for (LwIp ip = range.first;; ip = lw_ip_next(ip)) {
      LwIpSet *one = lw_ip_set_new(world->family);
      lw_ip_set_add(one, ip, ip);
      add_target(targets, taken, LW_PLACE_SELF, zone_of_address(world, ip), one);
      if (lw_ip_cmp(ip, range.last) == 0)
        break;
    }
  }
}

GPtrArray *lw_audit_targets_new(const LwAuditWorld *world) {
  static const char *const private4[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", NULL};
  static const char *const private6[] = {"fc00::/7", NULL};
  static const char *const special4[] = {"100.64.0.0/10",  "169.254.0.0/16", "192.0.0.0/24",
                                         "192.0.2.0/24",   "198.18.0.0/15",  "198.51.100.0/24",
                                         "203.0.113.0/24", "192.88.99.0/24", NULL};
  static const char *const special6[] = {"64:ff9b:1::/48", "100::/64",  "2001::/23", "2001:db8::/32",
                                         "2002::/16",      "3fff::/20", "5f00::/16", NULL};
  GPtrArray *targets = g_ptr_array_new_with_free_func(free_target);
  g_autoptr(LwIpSet) taken = never_forwarded(world->family);
  guint8 family = world->family;
  add_selves(targets, taken, world);
  for (int inside = 1; inside >= 0; inside--)
    for (guint i = 0; i < world->zones->len; i++)
      if ((lw_audit_zone(world, i)->role == LW_ROLE_INSIDE) == inside)
        add_target(targets, taken, inside ? LW_PLACE_INSIDE : LW_PLACE_OUTSIDE, (int)i,
                   lw_ip_set_copy(lw_audit_zone(world, i)->network));
  const char *const *private = family == 6 ? private6 : private4;
  for (; *private; private ++) {
    const char *const one[] = {*private, NULL};
    add_target(targets, taken, LW_PLACE_PRIVATE, -1, prefix_set(family, one));
  }
  add_target(targets, taken, LW_PLACE_SPECIAL, -1, prefix_set(family, family == 6 ? special6 : special4));
  if (family == 6) { /* global unicast is all that has been given out */
    static const char *const global[] = {"2000::/3", NULL};
    g_autoptr(LwIpSet) given = prefix_set(family, global);
    add_target(targets, taken, LW_PLACE_SPECIAL, -1, lw_ip_set_complement(given));
  }
  add_target(targets, taken, LW_PLACE_INTERNET, -1, lw_ip_set_all(family));
  return targets;
}

/* ---- which rules matter ---- */

typedef struct {
  LwAuditSpace *space;
  GPtrArray *rules; /* of LwAuditRule*: those that can bear on a packet from here */
  guint first_rdr, rdr_count;
  gsize bytes; /* of a bit set over them, twice, behind two numbers */
  const GPtrArray *targets;
  const GArray *ports;
} Maker;

#define NUMBERS (2 * sizeof(guint32))

static void pick_rules(Maker *maker) {
  const LwAuditWorld *world = maker->space->world;
  maker->rules = g_ptr_array_new();
  for (guint i = 0; i < world->rdr->len; i++)
    if (((LwAuditRule *)world->rdr->pdata[i])->on[maker->space->zone])
      g_ptr_array_add(maker->rules, world->rdr->pdata[i]);
  maker->rdr_count = maker->rules->len;
  g_ptr_array_extend(maker->rules, world->nat, NULL, NULL);
  for (guint i = 0; i < world->filter->len; i++) {
    LwAuditRule *rule = world->filter->pdata[i];
    if (rule->rule->out || rule->on[maker->space->zone])
      g_ptr_array_add(maker->rules, rule);
  }
  maker->bytes = (2 * maker->rules->len + 7) / 8 + NUMBERS;
}

static guint8 *bits_new(const Maker *maker) {
  return g_malloc0(maker->bytes);
}

static void set_bit(guint8 *bits, guint index) {
  bits[NUMBERS + index / 8] |= (guint8)(1u << (index % 8));
}

/* Two numbers stand before the bits: the target of a destination, and, where the bits of source and
 * destination do not tell sources apart, which source it is. */
static void set_number(guint8 *bits, guint which, guint32 number) {
  memcpy(bits + which * sizeof number, &number, sizeof number);
}

static guint bits_hash(gconstpointer key) {
  gsize length;
  const guint8 *data = g_bytes_get_data((GBytes *)key, &length);
  guint hash = 5381;
  for (gsize i = 0; i < length; i++)
    hash = hash * 33 + data[i];
  return hash;
}

/* ---- cutting addresses ---- */

static int ip_order(gconstpointer a, gconstpointer b) {
  return lw_ip_cmp(*(const LwIp *)a, *(const LwIp *)b);
}

/* Where a class may begin. */
static void add_cuts(GArray *cuts, const LwIpSet *set) {
  LwIp top = lw_ip_max(set->family);
  for (guint i = 0; i < set->ranges->len; i++) {
    const LwIpRange *range = &g_array_index(set->ranges, LwIpRange, i);
    g_array_append_val(cuts, range->first);
    if (lw_ip_cmp(range->last, top) != 0) {
      LwIp next = lw_ip_next(range->last);
      g_array_append_val(cuts, next);
    }
  }
}

static void free_side(gpointer data) {
  LwAuditSide *side = data;
  lw_ip_set_free(side->set);
  g_free(side);
}

static guint target_of(const Maker *maker, LwIp ip) {
  for (guint i = 0; i < maker->targets->len; i++)
    if (lw_ip_set_contains(((LwAuditTarget *)maker->targets->pdata[i])->set, ip))
      return i;
  return G_MAXUINT;
}

static GBytes *side_key(const Maker *maker, LwIp ip, gboolean source, guint target) {
  guint8 *bits = bits_new(maker);
  for (guint i = 0; i < maker->rules->len; i++) {
    const LwAuditRule *rule = maker->rules->pdata[i];
    gboolean matches = lw_ip_set_contains(source ? rule->source : rule->destination, ip);
    /* A rule for what leaves may see another source, after NAT: there the two ends are kept apart. */
    if (!rule->rule->out) {
      if (matches)
        set_bit(bits, i);
      continue;
    }
    if (source || matches)
      set_bit(bits, i);
    if (!source || matches)
      set_bit(bits, maker->rules->len + i);
  }
  set_number(bits, 0, source ? 0 : target + 1);
  return g_bytes_new_take(bits, maker->bytes);
}

/* An address that a person would write: not the first of a network, where there is a choice. */
static LwIp pleasant(LwIp first, LwIp last) {
  return lw_ip_cmp(first, last) < 0 && (first.low & 0xff) == 0 ? lw_ip_next(first) : first;
}

static void add_piece(const Maker *maker, GPtrArray *sides, GPtrArray *keys, GHashTable *known,
                      gboolean source, LwIp first, LwIp last) {
  guint target = source ? 0 : target_of(maker, first);
  if (!source && target == G_MAXUINT)
    return;
  GBytes *key = side_key(maker, first, source, target);
  LwAuditSide *side = g_hash_table_lookup(known, key);
  if (side) {
    g_bytes_unref(key);
  } else {
    side = g_new0(LwAuditSide, 1);
    side->set = lw_ip_set_new(maker->space->world->family);
    side->example = pleasant(first, last);
    side->target = target;
    g_ptr_array_add(sides, side);
    g_ptr_array_add(keys, key);
    g_hash_table_insert(known, key, side);
  }
  if ((side->example.low & 0xff) == 0)
    side->example = pleasant(first, last);
  lw_ip_set_add(side->set, first, last);
}

/* Cuts a universe at every border that a rule or a target has, and puts together what nothing tells apart. */
static void cut(const Maker *maker, const LwIpSet *universe, gboolean source, GPtrArray *sides,
                GPtrArray *keys) {
  g_autoptr(GArray) cuts = g_array_new(FALSE, FALSE, sizeof(LwIp));
  g_autoptr(GHashTable) known = g_hash_table_new(bits_hash, g_bytes_equal);
  for (guint i = 0; i < maker->rules->len; i++) {
    const LwAuditRule *rule = maker->rules->pdata[i];
    add_cuts(cuts, source ? rule->source : rule->destination);
  }
  for (guint i = 0; !source && i < maker->targets->len; i++)
    add_cuts(cuts, ((LwAuditTarget *)maker->targets->pdata[i])->set);
  g_array_sort(cuts, ip_order);
  for (guint i = 0, c = 0; i < universe->ranges->len; i++) {
    const LwIpRange *range = &g_array_index(universe->ranges, LwIpRange, i);
    LwIp first = range->first;
    for (; c < cuts->len; c++) {
      LwIp at = g_array_index(cuts, LwIp, c);
      if (lw_ip_cmp(at, first) <= 0)
        continue;
      if (lw_ip_cmp(at, range->last) > 0)
        break;
      add_piece(maker, sides, keys, known, source, first, lw_ip_previous(at));
      first = at;
    }
    add_piece(maker, sides, keys, known, source, first, range->last);
  }
}

/* Who can send from here: the network's own machines; at an uplink or tunnel anybody who is not inside. */
static LwIpSet *source_universe(const LwAuditWorld *world, const LwAuditZone *zone) {
  g_autoptr(LwIpSet) out = NULL, never = never_forwarded(world->family);
  if (zone->role == LW_ROLE_INSIDE) {
    out = lw_ip_set_new(world->family);
    for (guint i = 0; i < zone->network->ranges->len; i++) {
      LwIpRange range = g_array_index(zone->network->ranges, LwIpRange, i);
      LwIp second = lw_ip_next(range.first);
      gboolean has_ends = lw_ip_cmp(range.first, range.last) < 0 && lw_ip_cmp(second, range.last) < 0;
      if (has_ends) /* neither the network's own address nor its broadcast */
        lw_ip_set_add(out, second, lw_ip_previous(range.last));
      else
        lw_ip_set_add(out, range.first, range.last);
    }
  } else {
    static const char *const given[] = {"2000::/3", "fc00::/7", NULL};
    g_autoptr(LwIpSet) all = world->family == 6 ? prefix_set(6, given) : lw_ip_set_all(4);
    out = lw_ip_set_subtract(all, world->inside);
  }
  g_autoptr(LwIpSet) others = lw_ip_set_subtract(out, world->self);
  return lw_ip_set_subtract(others, never);
}

/* What passes the router at all: not what the sender's own network holds, but for the router's addresses. */
static LwIpSet *destination_universe(const LwAuditWorld *world, const LwAuditZone *zone) {
  g_autoptr(LwIpSet) never = never_forwarded(world->family), own = lw_ip_set_copy(zone->network);
  g_autoptr(LwIpSet) near = lw_ip_set_subtract(own, world->self);
  lw_ip_set_add_set(never, near);
  return lw_ip_set_complement(never);
}

/* ---- cutting services ---- */

static int port_order(gconstpointer a, gconstpointer b) {
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
  return x < y ? -1 : x > y;
}

static void add_port_cuts(GArray *cuts, const GArray *ranges, gint64 shift) {
  for (guint i = 0; ranges && i < ranges->len; i++) {
    const LwPortRange *range = &g_array_index(ranges, LwPortRange, i);
    for (int end = 0; end <= 1; end++) {
      gint64 at = (end ? (gint64)range->last + 1 : (gint64)range->first) + shift;
      guint32 cut_at = (guint32)at;
      if (at > 0 && at <= 65535)
        g_array_append_val(cuts, cut_at);
    }
  }
}

/* A forward moves ports: what tells them apart behind it must tell them apart before it. */
static void add_shifted_cuts(const Maker *maker, GArray *cuts) {
  for (guint i = 0; i < maker->rdr_count; i++) {
    const LwAuditRule *rdr = maker->rules->pdata[i];
    if (!rdr->target_first || !rdr->dports || rdr->dports->len == 0)
      continue;
    gint64 shift = (gint64)g_array_index(rdr->dports, LwPortRange, 0).first - rdr->target_first;
    for (guint n = maker->rdr_count; n < maker->rules->len; n++)
      add_port_cuts(cuts, ((LwAuditRule *)maker->rules->pdata[n])->dports, shift);
  }
}

/* Of LwPortRange: 0-65535 in pieces. */
static GArray *port_pieces(const Maker *maker, gboolean source) {
  g_autoptr(GArray) cuts = g_array_new(FALSE, FALSE, sizeof(guint32));
  for (guint i = 0; i < maker->rules->len; i++) {
    const LwAuditRule *rule = maker->rules->pdata[i];
    add_port_cuts(cuts, source ? rule->sports : rule->dports, 0);
  }
  for (guint i = 0; !source && maker->ports && i < maker->ports->len; i++) {
    guint16 port = g_array_index(maker->ports, guint16, i);
    LwPortRange one = {port, port};
    g_autoptr(GArray) single = g_array_new(FALSE, FALSE, sizeof one);
    g_array_append_val(single, one);
    add_port_cuts(cuts, single, 0);
  }
  if (!source)
    add_shifted_cuts(maker, cuts);
  guint32 one = 1; /* port 0 is nobody's */
  g_array_append_val(cuts, one);
  g_array_sort(cuts, port_order);
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwPortRange));
  guint32 first = 0;
  for (guint i = 0; i < cuts->len; i++) {
    guint32 at = g_array_index(cuts, guint32, i);
    LwPortRange piece = {first, at - 1};
    if (at <= first)
      continue;
    if (first > 0) /* port 0 is left out: no packet of a program has it */
      g_array_append_val(out, piece);
    first = at;
  }
  LwPortRange last = {first, 65535};
  g_array_append_val(out, last);
  return out;
}

static guint16 port_example(const LwPortRange *range) {
  static const guint16 liked[] = {443, 40000};
  for (guint i = 0; i < G_N_ELEMENTS(liked); i++)
    if (liked[i] >= range->first && liked[i] <= range->last)
      return liked[i];
  return (guint16)range->first;
}

static void add_ported(const Maker *maker, guint8 protocol, const GArray *sports, const GArray *dports) {
  for (guint s = 0; s < sports->len; s++)
    for (guint d = 0; d < dports->len; d++) {
      LwAuditService made = {.protocol = protocol};
      made.sport = g_array_index(sports, LwPortRange, s);
      made.dport = g_array_index(dports, LwPortRange, d);
      made.ordinary = made.sport.first <= LW_CLIENT_PORT && made.sport.last >= LW_CLIENT_PORT;
      made.sport_example = made.ordinary ? LW_CLIENT_PORT : (guint16)made.sport.first;
      made.dport_example = port_example(&made.dport);
      g_array_append_val(maker->space->services, made);
    }
}

static gboolean names_type(const Maker *maker, guint type) {
  for (guint i = 0; i < maker->rules->len; i++) {
    const LwAuditRule *rule = maker->rules->pdata[i];
    for (guint n = 0; rule->icmp_types && n < rule->icmp_types->len; n++)
      if (g_array_index(rule->icmp_types, guint8, n) == type)
        return TRUE;
  }
  return FALSE;
}

static void add_icmp(const Maker *maker, guint8 protocol) {
  guint echo = protocol == 58 ? 128 : 8;
  gboolean other = FALSE;
  for (guint type = 0; type < 256; type++) {
    gboolean named = type == echo || names_type(maker, type);
    if (!named && other)
      continue;
    LwAuditService made = {
        .protocol = protocol, .icmp_type = (guint8)type, .other_type = !named, .ordinary = TRUE};
    g_array_append_val(maker->space->services, made);
    other |= !named;
  }
}

static void add_services(const Maker *maker) {
  gboolean named[256] = {FALSE};
  g_autoptr(GArray) sports = port_pieces(maker, TRUE), dports = port_pieces(maker, FALSE);
  guint8 icmp = maker->space->world->family == 6 ? 58 : 1;
  add_ported(maker, 6, sports, dports);
  add_ported(maker, 17, sports, dports);
  add_icmp(maker, icmp);
  named[6] = named[17] = named[icmp] = named[0] = named[255] = TRUE;
  for (guint i = 0; i < maker->rules->len; i++) {
    const LwAuditRule *rule = maker->rules->pdata[i];
    for (guint n = 0; n < rule->protocol_count; n++) {
      guint8 protocol = rule->protocols[n];
      LwAuditService made = {.protocol = protocol, .ordinary = TRUE};
      if (!named[protocol])
        g_array_append_val(maker->space->services, made);
      named[protocol] = TRUE;
    }
  }
  guint8 rest = 254;
  while (rest > 0 && named[rest])
    rest--;
  LwAuditService made = {.protocol = rest, .other = TRUE, .ordinary = TRUE};
  g_array_append_val(maker->space->services, made);
}

/* HTTPS, then what else a client sends, then the rest. */
static guint rank_of(const LwAuditService *service) {
  if (!service->ordinary || service->other)
    return 2;
  return service->protocol != 6 || service->dport.first > 443 || service->dport.last < 443;
}

static void order_services(LwAuditSpace *space) {
  space->order = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint rank = 0; rank <= 2; rank++)
    for (guint i = 0; i < space->services->len; i++)
      if (rank_of(lw_audit_service(space, i)) == rank)
        g_array_append_val(space->order, i);
}

/* Services that the same rules match are decided once: for the first of them in order. */
static void group_services(const Maker *maker) {
  g_autoptr(GHashTable) known =
      g_hash_table_new_full(bits_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  for (guint o = 0; o < maker->space->order->len; o++) {
    guint i = g_array_index(maker->space->order, guint, o);
    LwAuditService *service = lw_audit_service(maker->space, i);
    guint8 *bits = bits_new(maker);
    for (guint n = 0; n < maker->rules->len; n++) {
      LwAuditPacket packet = {.family = maker->space->world->family,
                              .protocol = service->protocol,
                              .sport = service->sport_example,
                              .dport = service->dport_example,
                              .icmp_type = service->icmp_type};
      if (lw_audit_rule_serves(maker->rules->pdata[n], &packet))
        set_bit(bits, n);
    }
    GBytes *key = g_bytes_new_take(bits, maker->bytes);
    gpointer found = g_hash_table_lookup(known, key);
    service->group = found ? GPOINTER_TO_UINT(found) - 1 : i;
    if (found)
      g_bytes_unref(key);
    else
      g_hash_table_insert(known, key, GUINT_TO_POINTER(i + 1));
  }
}

/* ---- deciding ---- */

static gboolean redirected(const Maker *maker, const guint8 *bits) {
  for (guint i = 0; i < maker->rdr_count; i++)
    if (bits[NUMBERS + i / 8] & (1u << (i % 8)))
      return TRUE;
  return FALSE;
}

static LwAuditDecision *decide_all(const Maker *maker, const LwAuditPair *pair, gboolean each) {
  const LwAuditSpace *space = maker->space;
  LwAuditDecision *out = g_new0(LwAuditDecision, space->services->len);
  for (guint o = 0; o < space->order->len; o++) {
    guint i = g_array_index(space->order, guint, o), group = lw_audit_service(space, i)->group;
    if (!each && group != i) {
      out[i] = out[group];
      continue;
    }
    LwAuditPacket packet = lw_audit_example(space, pair, i);
    lw_audit_decide(space->world, space->zone, &packet, &out[i]);
  }
  return out;
}

static void decide_pairs(const Maker *maker, const GPtrArray *source_keys,
                         const GPtrArray *destination_keys) {
  LwAuditSpace *space = maker->space;
  g_autoptr(GHashTable) known =
      g_hash_table_new_full(bits_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  for (guint s = 0; s < space->sources->len; s++)
    for (guint d = 0; d < space->destinations->len; d++) {
      LwAuditPair pair = {s, d, NULL};
      const guint8 *a = g_bytes_get_data(source_keys->pdata[s], NULL);
      const guint8 *b = g_bytes_get_data(destination_keys->pdata[d], NULL);
      guint8 *both = g_malloc(maker->bytes);
      memcpy(both, b, NUMBERS);
      for (gsize i = NUMBERS; i < maker->bytes; i++)
        both[i] = a[i] & b[i];
      /* behind a forward the filter sees another destination: all that is left of the packet is its source */
      if (redirected(maker, both))
        set_number(both, 1, s + 1);
      GBytes *key = g_bytes_new_take(both, maker->bytes);
      pair.decisions = g_hash_table_lookup(known, key);
      if (pair.decisions) {
        g_bytes_unref(key);
      } else {
        LwAuditDecision *decisions = decide_all(maker, &pair, redirected(maker, both));
        g_ptr_array_add(space->outcomes, decisions);
        g_hash_table_insert(known, key, decisions);
        pair.decisions = decisions;
      }
      g_array_append_val(space->pairs, pair);
    }
}

LwAuditSpace *lw_audit_space_new(const LwAuditWorld *world, const GPtrArray *targets, guint zone,
                                 const GArray *ports) {
  LwAuditSpace *space = g_new0(LwAuditSpace, 1);
  space->world = world;
  space->zone = zone;
  space->sources = g_ptr_array_new_with_free_func(free_side);
  space->destinations = g_ptr_array_new_with_free_func(free_side);
  space->services = g_array_new(FALSE, FALSE, sizeof(LwAuditService));
  space->pairs = g_array_new(FALSE, FALSE, sizeof(LwAuditPair));
  space->outcomes = g_ptr_array_new_with_free_func(g_free);
  Maker maker = {.space = space, .targets = targets, .ports = ports};
  pick_rules(&maker);
  g_autoptr(GPtrArray) source_keys = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  g_autoptr(GPtrArray) destination_keys = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  g_autoptr(LwIpSet) from = source_universe(world, lw_audit_zone(world, zone));
  g_autoptr(LwIpSet) to = destination_universe(world, lw_audit_zone(world, zone));
  cut(&maker, from, TRUE, space->sources, source_keys);
  cut(&maker, to, FALSE, space->destinations, destination_keys);
  add_services(&maker);
  order_services(space);
  group_services(&maker);
  decide_pairs(&maker, source_keys, destination_keys);
  g_ptr_array_unref(maker.rules);
  return space;
}

void lw_audit_space_free(LwAuditSpace *space) {
  if (!space)
    return;
  g_ptr_array_unref(space->sources);
  g_ptr_array_unref(space->destinations);
  g_array_unref(space->services);
  g_array_unref(space->order);
  g_array_unref(space->pairs);
  g_ptr_array_unref(space->outcomes);
  g_free(space);
}

const LwAuditSide *lw_audit_source(const LwAuditSpace *space, const LwAuditPair *pair) {
  return space->sources->pdata[pair->source];
}

const LwAuditSide *lw_audit_destination(const LwAuditSpace *space, const LwAuditPair *pair) {
  return space->destinations->pdata[pair->destination];
}

LwAuditService *lw_audit_service(const LwAuditSpace *space, guint index) {
  return &g_array_index(space->services, LwAuditService, index);
}

LwAuditPacket lw_audit_example(const LwAuditSpace *space, const LwAuditPair *pair, guint service) {
  const LwAuditService *what = lw_audit_service(space, service);
  return (LwAuditPacket){.family = space->world->family,
                         .source = lw_audit_source(space, pair)->example,
                         .destination = lw_audit_destination(space, pair)->example,
                         .protocol = what->protocol,
                         .sport = what->sport_example,
                         .dport = what->dport_example,
                         .icmp_type = what->icmp_type};
}
