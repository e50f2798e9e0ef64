/* What the packets of one segment may do, as lines of it. */
#include "import/internal.h"

#include <string.h>

typedef struct {
  Importing *in;
  guint zone;
  const LwAuditSpace *space;
  LwIpSet *sources; /* those that a machine of it can have */
} Segment;

static LwIp ip_of(const char *text) {
  LwAddr addr = LW_ADDR_NONE;
  lw_addr_parse(text, &addr);
  return lw_ip_of(&addr);
}

static LwIpSet *one_address(const LwAddr *addr) {
  LwIpSet *set = lw_ip_set_new(4);
  lw_ip_set_add(set, lw_ip_of(addr), lw_ip_of(addr));
  return set;
}

static const LwAuditTarget *target_of(const Segment *s, const LwAuditPair *pair) {
  return lw_audit_pair_target(s->in->audit, 0, s->space, pair);
}

static LwIpSet *pair_sources(const Segment *s, const LwAuditPair *pair) {
  return lw_ip_set_intersect(lw_audit_source(s->space, pair)->set, s->sources);
}

static guint64 size_of(const LwIpSet *set) {
  guint64 size = 0;
  for (guint i = 0; i < set->ranges->len; i++) {
    const LwIpRange *range = &g_array_index(set->ranges, LwIpRange, i);
    size += range->last.low - range->first.low + 1;
  }
  return size;
}

static gboolean same_set(const LwIpSet *a, const LwIpSet *b) {
  g_autoptr(LwIpSet) x = lw_ip_set_subtract(a, b), y = lw_ip_set_subtract(b, a);
  return lw_ip_set_is_empty(x) && lw_ip_set_is_empty(y);
}

/* ---- the way out ---- */

/* A client's TCP to port 443. */
static gboolean is_web(const LwAuditService *service) {
  return service->protocol == 6 && service->ordinary && service->dport.first <= 443 &&
         service->dport.last >= 443;
}

/* Sources by the zone that they leave by: of LwIpSet*, one a zone. */
static GPtrArray *exits_of(const Segment *s) {
  GPtrArray *out = g_ptr_array_new_with_free_func((GDestroyNotify)lw_ip_set_free);
  for (guint z = 0; z < s->in->world->zones->len; z++)
    g_ptr_array_add(out, lw_ip_set_new(4));
  for (guint p = 0; p < s->space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(s->space->pairs, LwAuditPair, p);
    if (!lw_ip_set_contains(lw_audit_destination(s->space, pair)->set, ip_of("9.9.9.9")))
      continue;
    for (guint i = 0; i < s->space->services->len; i++) {
      const LwAuditDecision *decision = &pair->decisions[i];
      if (!is_web(lw_audit_service(s->space, i)) || !decision->pass || decision->where != LW_TO_EXIT)
        continue;
      g_autoptr(LwIpSet) sources = pair_sources(s, pair);
      lw_ip_set_add_set(out->pdata[decision->zone], sources);
    }
  }
  return out;
}

/* A tunnel that translates the segment's sources is one of its pool. */
static gboolean in_pool(const Segment *s, guint tunnel) {
  const LwAuditZone *own = lw_audit_zone(s->in->world, s->zone);
  for (guint i = 0; i < s->in->world->nat->len; i++) {
    const LwAuditRule *nat = s->in->world->nat->pdata[i];
    g_autoptr(LwIpSet) common = lw_ip_set_intersect(nat->source, own->network);
    if (nat->on[tunnel] && nat->rule->source_nat && nat->target && !lw_ip_set_is_empty(common))
      return TRUE;
  }
  return FALSE;
}

static void add_pool(const Segment *s, guint main, GString *yaml) {
  g_autoptr(GString) more = g_string_new(NULL);
  for (guint z = 0; z < s->in->world->zones->len; z++)
    if (z != main && lw_audit_zone(s->in->world, z)->role == LW_ROLE_TUNNEL && s->in->names->pdata[z] &&
        in_pool(s, z))
      g_string_append_printf(more, ", %s", (char *)s->in->names->pdata[z]);
  g_string_append_printf(yaml, more->len ? "    egress: [%s%s]\n" : "    egress: %s%s\n",
                         (char *)s->in->names->pdata[main], more->str);
}

static void add_pins(const Segment *s, const GPtrArray *exits, int main, GString *yaml) {
  g_autoptr(GString) pins = g_string_new(NULL);
  for (guint z = 0; z < exits->len; z++) {
    const LwIpSet *set = exits->pdata[z];
    if ((int)z == main || lw_ip_set_is_empty(set))
      continue;
    if (lw_audit_zone(s->in->world, z)->role != LW_ROLE_TUNNEL || !s->in->names->pdata[z]) {
      g_autofree char *who = lw_import_ranges(set);
      lw_import_note(s->in, "%s: %s leave by %s, which no pin can say: they get the segment's own exit",
                     (char *)s->in->names->pdata[s->zone], who, lw_audit_zone(s->in->world, z)->name);
      continue;
    }
    for (guint i = 0; i < set->ranges->len; i++) {
      LwIpSet one = {4, g_array_new(FALSE, FALSE, sizeof(LwIpRange))};
      g_array_append_val(one.ranges, g_array_index(set->ranges, LwIpRange, i));
      g_autofree char *range = lw_import_ranges(&one);
      g_string_append_printf(pins, "%s%s: %s", pins->len ? ", " : "", range, (char *)s->in->names->pdata[z]);
      g_array_unref(one.ranges);
    }
  }
  if (pins->len)
    g_string_append_printf(yaml, "    pin: {%s}\n", pins->str);
}

static void add_egress(const Segment *s, GString *yaml) {
  g_autoptr(GPtrArray) exits = exits_of(s);
  int main = -1;
  LwIpSet *leaving = lw_ip_set_new(4);
  for (guint z = 0; z < exits->len; z++) {
    lw_ip_set_add_set(leaving, exits->pdata[z]);
    if (!lw_ip_set_is_empty(exits->pdata[z]) &&
        (main < 0 || size_of(exits->pdata[z]) > size_of(exits->pdata[main])))
      main = (int)z;
  }
  g_autoptr(LwIpSet) held = lw_ip_set_subtract(s->sources, leaving);
  lw_ip_set_free(leaving);
  if (main >= 0 && lw_audit_zone(s->in->world, (guint)main)->role == LW_ROLE_UPLINK)
    g_string_append(yaml, "    egress: direct\n");
  else if (main >= 0 && s->in->names->pdata[main])
    add_pool(s, (guint)main, yaml);
  else
    g_string_append(yaml, "    egress: none\n");
  add_pins(s, exits, main, yaml);
  if (main >= 0 && !lw_ip_set_is_empty(held)) {
    g_autofree char *who = lw_import_ranges(held);
    lw_import_note(s->in, "%s: %s do not leave, which the file cannot say: they would",
                   (char *)s->in->names->pdata[s->zone], who);
  }
}

/* ---- what is open inside ---- */

/* Of each service the sources that reach all of `there`; the services that a reader knows are told apart. */
typedef struct {
  GPtrArray *sets; /* of LwIpSet*, one a service */
  gboolean all;    /* every service from every source */
} Open;

static gboolean is_counted(const LwAuditService *service) {
  return service->ordinary && !(service->protocol == 1 && (service->icmp_type != 8 || service->other_type));
}

static Open open_to(const Segment *s, const LwIpSet *there) {
  Open out = {g_ptr_array_new_with_free_func((GDestroyNotify)lw_ip_set_free), TRUE};
  for (guint i = 0; i < s->space->services->len; i++) {
    LwIpSet *open = lw_ip_set_copy(s->sources);
    for (guint p = 0; p < s->space->pairs->len; p++) {
      const LwAuditPair *pair = &g_array_index(s->space->pairs, LwAuditPair, p);
      g_autoptr(LwIpSet) asked = lw_ip_set_intersect(lw_audit_destination(s->space, pair)->set, there);
      const LwAuditDecision *decision = &pair->decisions[i];
      if (lw_ip_set_is_empty(asked) || (decision->pass && decision->where == LW_TO_NETWORK && !decision->rdr))
        continue;
      LwIpSet *rest = lw_ip_set_subtract(open, lw_audit_source(s->space, pair)->set);
      lw_ip_set_free(open);
      open = rest;
    }
    const LwAuditService *service = lw_audit_service(s->space, i);
    gboolean dns = (service->protocol == 6 || service->protocol == 17) && service->dport.first == 53 &&
                   service->dport.last == 53; /* it may be led elsewhere whatever is allowed */
    if (is_counted(service) && !dns && !same_set(open, s->sources))
      out.all = FALSE;
    g_ptr_array_add(out.sets, open);
  }
  return out;
}

static char *service_text(const LwAuditService *service) {
  if (service->protocol == 1)
    return g_strdup("icmp");
  if (service->protocol != 6 && service->protocol != 17)
    return NULL;
  const char *name = service->protocol == 6 ? "tcp" : "udp";
  return service->dport.first == service->dport.last
             ? g_strdup_printf("%s/%u", name, service->dport.first)
             : g_strdup_printf("%s/%u-%u", name, service->dport.first, service->dport.last);
}

/* With the router's address and the ends of the subnet where they lie beside it: nobody has those, and a
 * range reads better with them. */
static char *widened(const Segment *s, const LwIpSet *sources) {
  g_autoptr(LwIpSet) set = lw_ip_set_copy(sources);
  const LwPrefix *own = &lw_audit_zone(s->in->world, s->zone)->link->address4;
  LwRange range = lw_prefix_range(own);
  const LwIp ends[] = {lw_ip_of(&own->addr), lw_ip_of(&range.first), lw_ip_of(&range.last),
                       lw_ip_of(&own->addr)};
  for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
    if (lw_ip_set_contains(set, lw_ip_next(ends[i])) || lw_ip_set_contains(set, lw_ip_previous(ends[i])))
      lw_ip_set_add(set, ends[i], ends[i]);
  return lw_import_ranges(set);
}

static void add_allow(GPtrArray *lines, const Segment *s, const char *what, const char *service,
                      const LwIpSet *sources) {
  g_autofree char *from = same_set(sources, s->sources) ? NULL : widened(s, sources);
  g_ptr_array_add(lines, g_strdup_printf("%s%s%s%s%s", what, service ? ":" : "", service ? service : "",
                                         from ? " from " : "", from ? from : ""));
}

static void add_services(GPtrArray *lines, const Segment *s, const char *what, const Open *open) {
  for (guint i = 0; i < open->sets->len; i++) {
    const LwAuditService *service = lw_audit_service(s->space, i);
    g_autofree char *text = service_text(service);
    const LwIpSet *set = open->sets->pdata[i];
    if (!is_counted(service) || lw_ip_set_is_empty(set))
      continue;
    if (text)
      add_allow(lines, s, what, text, set);
    else if (!service->other)
      lw_import_note(s->in, "%s: protocol %u to %s is open, which the file cannot say",
                     (char *)s->in->names->pdata[s->zone], service->protocol, what);
  }
}

/* The other direction: from management, as the host. */
static Open opened_by_host(const Segment *s, Segment *host) {
  const LwAuditZone *zone = lw_audit_zone(s->in->world, s->zone);
  *host = (Segment){s->in, (guint)s->in->management,
                    lw_audit_space(s->in->audit, 0, (guint)s->in->management), one_address(&s->in->host)};
  g_autoptr(LwIpSet) own = one_address(&zone->link->address4.addr);
  LwRange range = lw_prefix_range(&zone->link->address4);
  lw_ip_set_add(own, lw_ip_of(&range.first), lw_ip_of(&range.first));
  lw_ip_set_add(own, lw_ip_of(&range.last), lw_ip_of(&range.last));
  g_autoptr(LwIpSet) there = lw_ip_set_subtract(zone->network, own);
  return open_to(host, there);
}

static void add_host(const Segment *s, GPtrArray *lines, GString *yaml) {
  if (s->in->management < 0 || !lw_addr_is_set(&s->in->host))
    return;
  g_autoptr(LwIpSet) there = one_address(&s->in->host);
  Segment host;
  Open to = open_to(s, there), from = opened_by_host(s, &host);
  if (to.all && from.all) {
    g_string_append(yaml, "    trust: host\n");
  } else {
    g_autoptr(GPtrArray) back = g_ptr_array_new_with_free_func(g_free);
    add_services(lines, s, "host", &to);
    const char *name = s->in->names->pdata[s->zone];
    if (from.all)
      g_ptr_array_add(back, g_strdup(name));
    else
      add_services(back, &host, name, &from);
    for (guint i = 0; i < back->len; i++)
      g_string_append_printf(yaml, "%s\"%s\"%s", i ? ", " : "    host: {allow: [", (char *)back->pdata[i],
                             i + 1 == back->len ? "]}\n" : "");
  }
  g_ptr_array_unref(to.sets);
  g_ptr_array_unref(from.sets);
  lw_ip_set_free(host.sources);
}

/* All of it, or single addresses of it: of LwIpSet*. */
static void add_segment(const Segment *s, guint zone, GPtrArray *lines) {
  g_autoptr(GHashTable) told = g_hash_table_new(g_str_hash, g_str_equal);
  const LwAuditZone *other = lw_audit_zone(s->in->world, zone);
  const char *name = s->in->names->pdata[zone];
  g_autoptr(LwIpSet) own = one_address(&other->link->address4.addr);
  LwRange range = lw_prefix_range(&other->link->address4);
  lw_ip_set_add(own, lw_ip_of(&range.first), lw_ip_of(&range.first));
  lw_ip_set_add(own, lw_ip_of(&range.last), lw_ip_of(&range.last));
  g_autoptr(LwIpSet) there = lw_ip_set_subtract(other->network, own);
  Open open = open_to(s, there);
  guint before = lines->len;
  if (open.all)
    g_ptr_array_add(lines, g_strdup(name));
  else
    add_services(lines, s, name, &open);
  g_ptr_array_unref(open.sets);
  if (lines->len != before)
    return;
  for (guint d = 0; d < s->space->destinations->len; d++) {
    const LwAuditSide *side = s->space->destinations->pdata[d];
    g_autoptr(LwIpSet) part = lw_ip_set_intersect(side->set, there);
    if (size_of(part) != 1)
      continue;
    LwAddr addr = lw_ip_addr(g_array_index(part->ranges, LwIpRange, 0).first, 4);
    Open one = open_to(s, part);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    const char *machine = one.all ? lw_import_machine(s->in, addr, zone) : NULL;
    g_autofree char *what = NULL;
    for (guint i = 0; !machine && i < one.sets->len; i++)
      if (is_counted(lw_audit_service(s->space, i)) && !lw_ip_set_is_empty(one.sets->pdata[i]))
        machine = lw_import_machine(s->in, addr, zone);
    what = machine ? g_strdup_printf("%s/%s", name, machine) : NULL;
    if (machine && one.all)
      g_ptr_array_add(lines, g_strdup(what));
    else if (machine)
      add_services(lines, s, what, &one);
    g_ptr_array_unref(one.sets);
  }
}

/* ---- what is not carried over ---- */

static void note_rest(const Segment *s) {
  gboolean special = FALSE, router = FALSE;
  for (guint p = 0; p < s->space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(s->space->pairs, LwAuditPair, p);
    const LwAuditTarget *target = target_of(s, pair);
    for (guint i = 0; i < s->space->services->len; i++) {
      const LwAuditService *service = lw_audit_service(s->space, i);
      const LwAuditDecision *decision = &pair->decisions[i];
      if (!decision->pass || decision->rdr || !service->ordinary)
        continue;
      special |= target->kind == LW_PLACE_PRIVATE || target->kind == LW_PLACE_SPECIAL ||
                 (target->kind == LW_PLACE_OUTSIDE && decision->where == LW_TO_EXIT);
      router |= decision->where == LW_TO_SELF && service->protocol == 6 && service->dport.first != 53;
    }
  }
  const char *name = s->in->names->pdata[s->zone];
  if (special)
    lw_import_note(
        s->in,
        "%s reaches private and special addresses beyond the router: “internet” never means those; "
        "what is needed of them takes an “allow” with a prefix, or home-lan",
        name);
  if (router)
    lw_import_note(
        s->in, "%s reaches the router's own services: a segment gets DHCP, DNS and ping, nothing else", name);
}

void lw_import_flows(Importing *in, guint zone) {
  const LwAuditZone *own = lw_audit_zone(in->world, zone);
  g_autoptr(LwIpSet) ends = one_address(&own->link->address4.addr);
  LwRange range = lw_prefix_range(&own->link->address4);
  lw_ip_set_add(ends, lw_ip_of(&range.first), lw_ip_of(&range.first));
  lw_ip_set_add(ends, lw_ip_of(&range.last), lw_ip_of(&range.last));
  LwIpSet *subnet = lw_ip_set_new(4);
  lw_ip_set_add_prefix(subnet, &own->link->address4);
  Segment s = {in, zone, lw_audit_space(in->audit, 0, zone), lw_ip_set_subtract(subnet, ends)};
  lw_ip_set_free(subnet);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  add_egress(&s, in->yaml);
  add_host(&s, lines, in->yaml);
  for (guint z = 0; z < in->world->zones->len; z++)
    if (z != zone && (int)z != in->management && lw_audit_zone(in->world, z)->role == LW_ROLE_INSIDE &&
        in->names->pdata[z])
      add_segment(&s, z, lines);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf(in->yaml, "%s\"%s\"%s", i ? ", " : "    allow: [", (char *)lines->pdata[i],
                           i + 1 == lines->len ? "]\n" : "");
  note_rest(&s);
  lw_ip_set_free(s.sources);
}
