#include "verify/routers.h"

#include "verify/static_internal.h"

#include <string.h>

void lw_router_difference_free(LwRouterDifference *difference) {
  g_free(difference->from);
  g_free(difference->to);
  g_free(difference->set);
  g_free(difference);
}

char *lw_router_difference_format(const LwRouterDifference *d) {
  return g_strdup_printf("%s -> %s: only %s: %s: %s", d->from, d->to,
                         d->more ? "OPNsense" : "the builtin router", d->set,
                         d->why ? d->why : "nothing explains it");
}

/* ---- what explains a difference ---- */

typedef struct {
  const LwStatic *proof;
  const LwStaticRow *row;
  const LwPlace *place;
} Cell;

static LwMdd number(const Cell *c, LwHeaderField field, guint value) {
  return lw_packets_number(c->proof->pool, field, value, value);
}

static gboolean is_at(const Cell *c, LwZoneKind kind) {
  return !c->place->elsewhere && c->place->zone.kind == kind;
}

static LwMdd led(const Cell *c, gboolean here) {
  LwMdd set = LW_MDD_FALSE;
  for (guint i = 0; i < c->row->intended->len; i++) {
    const LwIntended *one = c->row->intended->pdata[i];
    if (one->led && (!here || (one->to.kind == c->place->zone.kind && one->to.index == c->place->zone.index)))
      set = lw_mdd_or(c->proof->pool, set, one->may);
  }
  return set;
}

static LwMdd led_here(const Cell *c) {
  return is_at(c, LW_ZONE_INTERNET) ? led(c, TRUE) : LW_MDD_FALSE;
}

static LwMdd led_elsewhere(const Cell *c) {
  return is_at(c, LW_ZONE_ROUTER) ? led(c, FALSE) : LW_MDD_FALSE;
}

static LwMdd port_zero(const Cell *c) {
  LwMddPool *pool = c->proof->pool;
  LwMdd zero = lw_mdd_or(pool, number(c, LW_HEADER_DPORT, 0), number(c, LW_HEADER_SPORT, 0));
  return lw_mdd_and(pool, zero,
                    lw_mdd_or(pool, number(c, LW_HEADER_PROTO, 6), number(c, LW_HEADER_PROTO, 17)));
}

static LwMdd dhcp_answers(const Cell *c) {
  LwMddPool *pool = c->proof->pool;
  if (c->row->zone.kind != LW_ZONE_INTERNET || c->row->zone.index != LW_NONE || !is_at(c, LW_ZONE_ROUTER))
    return LW_MDD_FALSE;
  LwMdd ports = lw_mdd_and(pool, number(c, LW_HEADER_SPORT, 67), number(c, LW_HEADER_DPORT, 68));
  return lw_mdd_and(pool, ports, number(c, LW_HEADER_PROTO, 17));
}

static LwMdd last_of(const Cell *c, const LwPrefix *prefix) {
  LwRange range = lw_prefix_range(prefix);
  return range.last.family == 4 ? lw_packets_addr(c->proof->pool, LW_HEADER_DADDR, &range.last)
                                : LW_MDD_FALSE;
}

static LwMdd broadcast(const Cell *c) {
  if (is_at(c, LW_ZONE_INTERNET))
    return last_of(c, &c->proof->facts->home_lan);
  return is_at(c, LW_ZONE_SEGMENT) ? last_of(c, &lw_lab_segment(c->proof->lab, c->place->zone.index)->subnet)
                                   : LW_MDD_FALSE;
}

static LwMdd of_networks(const Cell *c) {
  LwMdd set = LW_MDD_FALSE;
  const LwLab *lab = c->proof->lab;
  for (guint i = 0; c->row->zone.kind == LW_ZONE_INTERNET && i < lab->host.networks->len; i++)
    set = lw_mdd_or(c->proof->pool, set,
                    lw_packets_prefix(c->proof->pool, LW_HEADER_SADDR, &lw_lab_network(lab, i)->prefix));
  return set;
}

/* What an exit's end has as its own. */
static LwMdd beside_the_end(const Cell *c) {
  LwMddPool *pool = c->proof->pool;
  if (c->row->zone.kind != LW_ZONE_INTERNET || !is_at(c, LW_ZONE_SEGMENT))
    return LW_MDD_FALSE;
  LwMdd own = LW_MDD_FALSE;
  guint exit = c->row->zone.index;
  const GArray *addresses = exit == LW_NONE ? NULL : lw_lab_tunnel(c->proof->lab, exit)->wg.addresses;
  for (guint i = 0; addresses && i < addresses->len; i++)
    own = lw_mdd_or(pool, own,
                    lw_packets_addr(pool, LW_HEADER_DADDR, &g_array_index(addresses, LwPrefix, i).addr));
  if (exit == LW_NONE)
    own = c->proof->router_outside;
  return lw_mdd_not(pool, own);
}

static const struct {
  gboolean more;
  LwMdd (*set)(const Cell *cell);
  const char *why;
} reasons[] = {
    {TRUE, led_here,
     "OPNsense leads queries straight to the resolver of the exit that the source uses; the builtin router "
     "has "
     "one of its own ask it"},
    {FALSE, led_elsewhere,
     "the builtin router answers queries itself; OPNsense leads them straight to the resolver of the exit "
     "that "
     "the source uses"},
    {FALSE, port_zero,
     "OPNsense has a rule of its own that drops TCP and UDP with port 0, which is reserved"},
    {TRUE, dhcp_answers,
     "OPNsense has a rule of its own for answers to WAN's DHCP client; they reach the router alone, and "
     "nothing "
     "else of it listens there"},
    {TRUE, broadcast,
     "Linux keeps what is sent to a network's broadcast address for itself; pf lets it on where the network "
     "is "
     "allowed"},
    {FALSE, of_networks,
     "what comes from beyond an exit under an address of a network behind the host is stopped by OPNsense's "
     "rules, of the builtin router's only where it is a segment's"},
    {FALSE, beside_the_end,
     "the builtin router forwards whatever comes in by the exit at that port; OPNsense what is sent to the "
     "exit's own address"},
};

/* ---- the comparison ---- */

static const LwStaticRow *same_row(const LwStatic *proof, const char *name) {
  for (guint i = 0; i < proof->rows->len; i++)
    if (g_str_equal(((LwStaticRow *)proof->rows->pdata[i])->name, name))
      return lw_static_look(proof, i);
  return NULL;
}

static LwMdd reached_there(const LwStatic *proof, const LwStaticRow *row, const char *place) {
  for (guint i = 0; row && i < row->reached->len; i++) {
    const LwReached *reached = row->reached->pdata[i];
    g_autofree char *name = lw_static_place_name(proof->lab, &reached->place);
    if (g_str_equal(name, place))
      return reached->may;
  }
  return LW_MDD_FALSE;
}

static void put(GPtrArray *out, const Cell *c, const char *place, gboolean more, LwMdd set, const char *why) {
  if (set == LW_MDD_FALSE)
    return;
  LwRouterDifference *d = g_new0(LwRouterDifference, 1);
  *d = (LwRouterDifference){g_strdup(c->row->name), g_strdup(place), more,
                            lw_static_pieces_text(c->proof->pool, set), why};
  g_ptr_array_add(out, d);
}

/* What `has` lets through and `lacks` does not. */
static void compare(const LwStatic *has, const LwStatic *lacks, gboolean more, GPtrArray *out) {
  for (guint i = 0; i < has->rows->len; i++) {
    const LwStaticRow *row = lw_static_look(has, i), *other = same_row(lacks, row->name);
    for (guint r = 0; r < row->reached->len; r++) {
      const LwReached *reached = row->reached->pdata[r];
      g_autofree char *place = lw_static_place_name(has->lab, &reached->place);
      LwMdd left = lw_mdd_minus(has->pool, reached->may, reached_there(lacks, other, place));
      Cell cell = {has, row, &reached->place};
      for (guint n = 0; n < G_N_ELEMENTS(reasons) && left != LW_MDD_FALSE; n++) {
        if (reasons[n].more != more)
          continue;
        LwMdd explained = reasons[n].set(&cell);
        put(out, &cell, place, more, lw_mdd_and(has->pool, left, explained), reasons[n].why);
        left = lw_mdd_minus(has->pool, left, explained);
      }
      put(out, &cell, place, more, left, NULL);
    }
  }
}

static gint unexplained_first(gconstpointer a, gconstpointer b) {
  const LwRouterDifference *one = *(LwRouterDifference *const *)a, *other = *(LwRouterDifference *const *)b;
  return (one->why != NULL) - (other->why != NULL);
}

static void difference_free(gpointer data) {
  lw_router_difference_free(data);
}

GPtrArray *lw_router_differences(const LwStatic *builtin, const LwStatic *opnsense) {
  GPtrArray *out = g_ptr_array_new_with_free_func(difference_free);
  compare(builtin, opnsense, FALSE, out);
  compare(opnsense, builtin, TRUE, out);
  g_ptr_array_sort(out, unexplained_first);
  return out;
}
