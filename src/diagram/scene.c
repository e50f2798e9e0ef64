#include "diagram/scene.h"

#include "diagram/svg.h"
#include "policy/names.h"

#include <math.h>

static void chip_free(gpointer data) {
  LwChip *chip = data;
  g_free(chip->text);
  g_free(chip);
}

static void fact_free(gpointer data) {
  LwFact *fact = data;
  g_free(fact->key);
  g_free(fact->value);
  g_free(fact);
}

static void plug_free(gpointer data) {
  LwPlug *plug = data;
  g_free(plug->name);
  g_free(plug->detail);
  g_free(plug);
}

static void card_free(gpointer data) {
  LwCard *card = data;
  g_ptr_array_unref(card->facts);
  g_ptr_array_unref(card->badges);
  g_ptr_array_unref(card->allows);
  g_ptr_array_unref(card->plugs);
  g_free(card);
}

static void exit_free(gpointer data) {
  LwExit *exit = data;
  g_free(exit->name);
  g_free(exit->detail);
  g_ptr_array_unref(exit->chips);
  g_free(exit);
}

void lw_scene_free(LwScene *scene) {
  g_ptr_array_unref(scene->exits);
  g_ptr_array_unref(scene->cards);
  g_ptr_array_unref(scene->up);
  g_ptr_array_unref(scene->down);
  g_ptr_array_unref(scene->host_facts);
  g_free(scene);
}

/* What is to be said */

static char *short_addr(const LwPrefix *subnet, const LwAddr *addr) {
  if (subnet->addr.family == 4 && subnet->len >= 24 && lw_prefix_contains(subnet, addr))
    return g_strdup_printf(".%u", lw_addr_v4(addr) & 0xffu);
  return lw_addr_format(addr);
}

static char *short_range(const LwPrefix *subnet, const LwRange *range) {
  g_autofree char *first = short_addr(subnet, &range->first);
  g_autofree char *last = short_addr(subnet, &range->last);
  return g_str_equal(first, last) ? g_strdup(first) : g_strdup_printf("%s–%s", first, last);
}

static const char *exit_name(const LwLab *lab, guint tunnel) {
  return tunnel == LW_NONE ? "direct" : lw_lab_tunnel(lab, tunnel)->name;
}

static void add_chip(GPtrArray *chips, LwChipStyle style, guint segment, char *text /* taken */) {
  LwChip *chip = g_new0(LwChip, 1);
  chip->text = text;
  chip->style = style;
  chip->segment = segment;
  chip->w = lw_svg_text_width(text, LW_CHIP_FONT, FALSE) + 14;
  g_ptr_array_add(chips, chip);
}

/* Left to right, wrapped; a chip wider than the area is cut by its text. Returns the height. */
static double flow_chips(GPtrArray *chips, double width) {
  double x = 0, y = 0;
  if (!chips->len)
    return 0;
  for (guint i = 0; i < chips->len; i++) {
    LwChip *chip = chips->pdata[i];
    chip->w = MIN(chip->w, width);
    if (x > 0 && x + chip->w > width) {
      x = 0;
      y += LW_CHIP_HEIGHT + 4;
    }
    chip->x = x;
    chip->y = y;
    x += chip->w + 4;
  }
  return y + LW_CHIP_HEIGHT;
}

static void add_fact(GPtrArray *facts, const char *key, char *value /* taken */) {
  LwFact *fact = g_new0(LwFact, 1);
  fact->key = g_strdup(key);
  fact->value = value;
  g_ptr_array_add(facts, fact);
}

static char *join_addrs(const GArray *addrs) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < addrs->len; i++) {
    g_autofree char *one = lw_addr_format(&g_array_index(addrs, LwAddr, i));
    g_string_append_printf(text, "%s%s", i ? ", " : "", one);
  }
  return g_string_free(text, FALSE);
}

static char *other_exits(const LwLab *lab, const LwSegment *segment, guint active) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < segment->exits->len; i++) {
    guint tunnel = g_array_index(segment->exits, guint, i);
    if (tunnel != active)
      g_string_append_printf(text, "%s%s", text->len ? ", " : "", exit_name(lab, tunnel));
  }
  return g_string_free(text, FALSE);
}

static void say_egress(LwScene *scene, LwCard *card, const LwSegment *segment) {
  if (segment->egress == LW_EGRESS_NONE) {
    add_fact(card->facts, "egress", g_strdup("none"));
    return;
  }
  guint active =
      segment->egress == LW_EGRESS_DIRECT ? LW_NONE : lw_active_exit(scene->lab, scene->facts, card->segment);
  gboolean switched =
      segment->egress == LW_EGRESS_TUNNELS && active != g_array_index(segment->exits, guint, 0);
  add_fact(card->facts, "egress",
           g_strconcat(exit_name(scene->lab, active), switched ? " (switched)" : "", NULL));
  if (segment->egress == LW_EGRESS_TUNNELS && segment->exits->len > 1)
    add_fact(card->facts, "standby", other_exits(scene->lab, segment, active));
  for (guint i = 0; i < segment->pins->len; i++) {
    const LwPin *pin = segment->pins->pdata[i];
    g_autofree char *range = short_range(&segment->subnet, &pin->range);
    add_fact(card->facts, i ? "" : "pinned",
             g_strdup_printf("%s → %s", range, exit_name(scene->lab, pin->tunnel)));
  }
}

static void say_dns(LwCard *card, const LwSegment *segment) {
  if (segment->egress == LW_EGRESS_NONE)
    add_fact(card->facts, "DNS", g_strdup("local names only"));
  else if (segment->dns->len)
    add_fact(card->facts, "DNS", join_addrs(segment->dns));
  else
    add_fact(card->facts, "DNS",
             g_strdup(segment->egress == LW_EGRESS_DIRECT ? "of the home line" : "of the exit"));
}

static void say_badges(LwScene *scene, LwCard *card, const LwSegment *segment) {
  if (segment->trust_host)
    add_chip(card->badges, LW_CHIP_GOOD, LW_NONE, g_strdup("trusted: host ⇄ segment"));
  if (segment->egress == LW_EGRESS_NONE)
    add_chip(card->badges, LW_CHIP_SHUT, LW_NONE, g_strdup("no way out"));
  if (segment->isolate)
    add_chip(card->badges, LW_CHIP_SHUT, LW_NONE, g_strdup("machines isolated"));
  for (guint i = 0; i < segment->forwards->len; i++) {
    const LwForward *forward = segment->forwards->pdata[i];
    g_autofree char *ports = forward->first_port == forward->last_port
                                 ? g_strdup_printf("%u", forward->first_port)
                                 : g_strdup_printf("%u–%u", forward->first_port, forward->last_port);
    g_autofree char *to =
        forward->to_port == forward->first_port ? g_strdup("") : g_strdup_printf(":%u", forward->to_port);
    add_chip(card->badges, LW_CHIP_PLAIN, LW_NONE,
             g_strdup_printf("in: %s%s%s/%s → %s%s", forward->tcp ? "tcp" : "",
                             forward->tcp && forward->udp ? "+" : "", forward->udp ? "udp" : "", ports,
                             lw_lab_machine(scene->lab, forward->machine)->name, to));
  }
}

static void say_allows(LwScene *scene, LwCard *card, const LwSegment *segment) {
  for (guint i = 0; i < segment->allow->len; i++) {
    const LwAllow *allow = segment->allow->pdata[i];
    g_autofree char *target = lw_target_format(scene->lab, &allow->target);
    GString *text = g_string_new(target);
    for (guint k = 0; k < allow->ports->len; k++) {
      g_autofree char *ports = lw_ports_format(&g_array_index(allow->ports, LwPorts, k));
      g_string_append_printf(text, "%s%s", k ? "," : " ", ports);
    }
    for (guint k = 0; k < allow->from->len; k++) {
      g_autofree char *range = short_range(&segment->subnet, &g_array_index(allow->from, LwRange, k));
      g_string_append_printf(text, "%s%s", k ? ", " : " from ", range);
    }
    add_chip(card->allows, LW_CHIP_SOLID, card->segment, g_string_free(text, FALSE));
  }
}

static LwCard *say_card(LwScene *scene, guint index) {
  const LwSegment *segment = lw_lab_segment(scene->lab, index);
  LwCard *card = g_new0(LwCard, 1);
  card->segment = index;
  card->facts = g_ptr_array_new_with_free_func(fact_free);
  card->badges = g_ptr_array_new_with_free_func(chip_free);
  card->allows = g_ptr_array_new_with_free_func(chip_free);
  card->plugs = g_ptr_array_new_with_free_func(plug_free);
  say_egress(scene, card, segment);
  add_fact(card->facts, "DHCP",
           segment->has_dhcp ? short_range(&segment->subnet, &segment->dhcp) : g_strdup("none"));
  say_dns(card, segment);
  say_badges(scene, card, segment);
  say_allows(scene, card, segment);
  return card;
}

/* The other segments that a machine stands in: whoever looks at one card must see that it joins several. */
static char *also_in(const LwScene *scene, guint machine, guint here) {
  GString *text = g_string_new(NULL);
  const LwMachine *m = lw_lab_machine(scene->lab, machine);
  for (guint nic = 0; nic < m->nics->len; nic++) {
    guint segment = lw_nic_segment(scene->lab, scene->facts, machine, nic);
    if (segment != here && segment != LW_NONE)
      g_string_append_printf(text, "%s%s", text->len ? ", " : " · also ",
                             lw_lab_segment(scene->lab, segment)->name);
  }
  return g_string_free(text, FALSE);
}

static void say_plug(LwScene *scene, guint machine, guint nic) {
  const LwMachine *m = lw_lab_machine(scene->lab, machine);
  guint home = lw_machine_nic(m, nic)->segment;
  guint here = lw_nic_segment(scene->lab, scene->facts, machine, nic);
  guint shown = here == LW_NONE ? home : here;
  LwCard *card = scene->cards->pdata[shown];
  LwPlug *plug = g_new0(LwPlug, 1);
  plug->machine = machine;
  plug->nic = nic;
  plug->kind = m->kind;
  plug->cut = here == LW_NONE;
  plug->name = g_strdup(m->name);
  LwAddr addr = lw_nic_address(scene->lab, scene->facts, machine, nic);
  g_autofree char *address = lw_addr_is_set(&addr)
                                 ? short_addr(&lw_lab_segment(scene->lab, shown)->subnet, &addr)
                                 : g_strdup("by DHCP");
  g_autofree char *also = also_in(scene, machine, shown);
  if (plug->cut)
    plug->detail = g_strdup("cut off");
  else if (here != home)
    plug->detail = g_strdup_printf("%s · moved from %s", address, lw_lab_segment(scene->lab, home)->name);
  else
    plug->detail = g_strconcat(address, also, NULL);
  g_ptr_array_add(card->plugs, plug);
}

static LwExit *add_exit(LwScene *scene, guint tunnel, const char *name, char *detail /* taken */) {
  LwExit *exit = g_new0(LwExit, 1);
  exit->tunnel = tunnel;
  exit->name = g_strdup(name);
  exit->detail = detail;
  exit->chips = g_ptr_array_new_with_free_func(chip_free);
  g_ptr_array_add(scene->exits, exit);
  return exit;
}

static char *endpoint_text(const LwWireguard *wg) {
  if (!wg->endpoint_host)
    return g_strdup("WireGuard");
  gboolean six = g_strstr_len(wg->endpoint_host, -1, ":") && wg->endpoint_host[0] != '[';
  return g_strdup_printf(six ? "[%s]:%u" : "%s:%u", wg->endpoint_host, wg->endpoint_port);
}

static LwCable *add_cable(GPtrArray *cables, guint segment, gboolean solid) {
  LwCable *cable = g_new0(LwCable, 1);
  cable->segment = segment;
  cable->solid = solid;
  g_ptr_array_add(cables, cable);
  return cable;
}

/* What one segment has to do with one exit: its chips there, and a cable if there are any. */
static void say_user(LwScene *scene, LwExit *exit, guint index) {
  const LwSegment *segment = lw_lab_segment(scene->lab, index);
  guint chips = exit->chips->len;
  gboolean solid = FALSE;
  if (segment->egress == LW_EGRESS_DIRECT && exit->tunnel == LW_NONE) {
    add_chip(exit->chips, LW_CHIP_SOLID, index, g_strdup(segment->name));
    solid = TRUE;
  }
  for (guint i = 0; segment->egress == LW_EGRESS_TUNNELS && i < segment->exits->len; i++) {
    if (g_array_index(segment->exits, guint, i) != exit->tunnel)
      continue;
    gboolean active = lw_active_exit(scene->lab, scene->facts, index) == exit->tunnel;
    add_chip(exit->chips, active ? LW_CHIP_SOLID : LW_CHIP_DASHED, index, g_strdup(segment->name));
    solid = solid || active;
  }
  for (guint i = 0; i < segment->pins->len; i++) {
    const LwPin *pin = segment->pins->pdata[i];
    if (pin->tunnel != exit->tunnel)
      continue;
    g_autofree char *range = short_range(&segment->subnet, &pin->range);
    add_chip(exit->chips, LW_CHIP_SOLID, index, g_strdup_printf("%s %s", segment->name, range));
    solid = TRUE;
  }
  if (exit->chips->len > chips) {
    add_cable(scene->up, index, solid);
    exit->users++;
  }
}

static gboolean uses_direct(const LwLab *lab) {
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    if (segment->egress == LW_EGRESS_DIRECT)
      return TRUE;
    for (guint k = 0; k < segment->pins->len; k++)
      if (((const LwPin *)segment->pins->pdata[k])->tunnel == LW_NONE)
        return TRUE;
  }
  return FALSE;
}

static void say_exits(LwScene *scene) {
  const LwLab *lab = scene->lab;
  add_cable(scene->up, LW_NONE, TRUE); /* the router's own leg: the first, its target the uplink's bridge */
  if (uses_direct(lab))
    add_exit(scene, LW_NONE, "direct", g_strdup("the home line"));
  for (guint i = 0; i < lab->tunnels->len; i++)
    add_exit(scene, i, lw_lab_tunnel(lab, i)->name, endpoint_text(&lw_lab_tunnel(lab, i)->wg));
  for (guint i = 0; i < scene->exits->len; i++)
    for (guint k = 0; k < lab->segments->len; k++)
      say_user(scene, scene->exits->pdata[i], k);
}

static void say_host(LwScene *scene) {
  const LwHost *host = &scene->lab->host;
  for (guint i = 0; i < host->services->len; i++) {
    const LwService *service = host->services->pdata[i];
    GString *text = g_string_new(NULL);
    for (guint k = 0; k < service->ports->len; k++) {
      g_autofree char *ports = lw_ports_format(&g_array_index(service->ports, LwPorts, k));
      g_string_append_printf(text, "%s%s", k ? ", " : "", ports);
    }
    add_fact(scene->host_facts, service->name, g_string_free(text, FALSE));
  }
  for (guint i = 0; i < host->networks->len; i++) {
    const LwNetwork *network = host->networks->pdata[i];
    add_fact(scene->host_facts, network->name, lw_prefix_format(&network->prefix));
  }
}

/* Where it stands */

#define HOME_WIDTH 230.0
#define EXIT_PITCH 176.0
#define CARD_MIN 178.0
#define CARD_MAX 300.0
#define CARD_GAP 16.0
#define PLUG_GAP 6.0

static double inner_width(const LwScene *scene) {
  return scene->width - 2 * (LW_SCENE_MARGIN + LW_SCENE_PAD);
}

static double inner_left(void) {
  return LW_SCENE_MARGIN + LW_SCENE_PAD;
}

static guint router_ports(const LwScene *scene) {
  return MAX(scene->up->len, scene->down->len);
}

static void place_width(LwScene *scene) {
  scene->router.w = MAX(320, 14.0 * router_ports(scene) + 40);
  double exits = HOME_WIDTH + 30 + EXIT_PITCH * scene->exits->len;
  double middle = HOME_WIDTH + 170 + scene->router.w + 40 + 240;
  scene->width = MAX(1240, MAX(exits, middle) + 2 * (LW_SCENE_MARGIN + LW_SCENE_PAD));
}

static void place_external(LwScene *scene) {
  double left = inner_left() + HOME_WIDTH + 30, right = scene->width - inner_left();
  double pitch = scene->exits->len ? (right - left) / scene->exits->len : 0, chips = 0;
  for (guint i = 0; i < scene->exits->len; i++) {
    LwExit *exit = scene->exits->pdata[i];
    exit->w = MIN(pitch - 10, 210);
    exit->x = left + pitch * i + (pitch - exit->w) / 2;
    exit->chips_height = flow_chips(exit->chips, exit->w);
    chips = MAX(chips, exit->chips_height);
  }
  scene->external = (LwBox){LW_SCENE_MARGIN, 88, scene->width - 2 * LW_SCENE_MARGIN, 0};
  scene->clouds_y = scene->external.y + 36;
  scene->sockets_y = scene->clouds_y + LW_CLOUD_HEIGHT + 8 + chips + 8;
  scene->home = (LwBox){inner_left(), scene->clouds_y + 4, HOME_WIDTH, LW_CLOUD_HEIGHT - 4};
  scene->bridge = (LwBox){inner_left(), scene->sockets_y + 22, inner_width(scene), 26};
  scene->external.h = scene->bridge.y + scene->bridge.h + LW_SCENE_PAD - scene->external.y;
}

/* Cables that stand in the order of their targets, each on a lane of its own, never cross: of those that go
 * left the leftmost takes the lane next to the router, of those that go right the rightmost. Returns the
 * lanes used. */
static guint assign_lanes(const GPtrArray *cables, double first_lane, double step) {
  guint left = 0, right = 0;
  for (guint i = 0; i < cables->len; i++) {
    LwCable *cable = cables->pdata[i];
    double x = cable->by_gutter ? cable->gutter_x : cable->target_x;
    if (x < cable->port_x)
      cable->lane_y = first_lane + step * left++;
  }
  for (guint i = cables->len; i > 0; i--) {
    LwCable *cable = cables->pdata[i - 1];
    double x = cable->by_gutter ? cable->gutter_x : cable->target_x;
    if (x >= cable->port_x)
      cable->lane_y = first_lane + step * right++;
  }
  return MAX(left, right);
}

static void spread_ports(const LwScene *scene, const GPtrArray *cables, double widest) {
  if (!cables->len)
    return;
  double step = MIN(widest, (scene->router.w - 40) / cables->len);
  double x = scene->router.x + scene->router.w / 2 - step * (cables->len - 1) / 2;
  for (guint i = 0; i < cables->len; i++)
    ((LwCable *)cables->pdata[i])->port_x = x + step * i;
}

static void target_exits(LwScene *scene) {
  guint index = 0;
  LwCable *wan = scene->up->pdata[index++];
  wan->target_x = scene->home.x + scene->home.w + 4;
  wan->target_y = scene->bridge.y + scene->bridge.h;
  for (guint i = 0; i < scene->exits->len; i++) {
    const LwExit *exit = scene->exits->pdata[i];
    double step = exit->users > 1 ? MIN(12, (exit->w - 30) / (exit->users - 1)) : 0;
    double x = exit->x + exit->w / 2 - step * (exit->users ? exit->users - 1 : 0) / 2;
    for (guint k = 0; k < exit->users; k++) {
      LwCable *cable = scene->up->pdata[index++];
      cable->target_x = x + step * k;
      cable->target_y = scene->sockets_y;
    }
  }
}

static void place_management(LwScene *scene) {
  scene->management =
      (LwBox){LW_SCENE_MARGIN, scene->external.y + scene->external.h + 12, scene->external.w, 0};
  double left = inner_left();
  scene->router.x = MAX((scene->width - scene->router.w) / 2, left + HOME_WIDTH + 150);
  spread_ports(scene, scene->up, 22);
  target_exits(scene);
  guint lanes = assign_lanes(scene->up, 0, -LW_LANE);
  double above = MAX(34, 18 + LW_LANE * lanes);
  scene->router.y = scene->management.y + above + 12;
  assign_lanes(scene->up, scene->router.y - 18, -LW_LANE);
  double host = 46 + LW_FACT_HEIGHT * scene->host_facts->len + (scene->host_facts->len ? 10 : 0);
  scene->router.h = MAX(104, host);
  scene->host = (LwBox){left, scene->router.y, HOME_WIDTH, scene->router.h};
  scene->legend = (LwBox){scene->width - left - 236, scene->router.y, 236, 104};
  scene->management.h = scene->router.y + scene->router.h + LW_SCENE_PAD - scene->management.y;
}

/* One column of boxes of two lines each; where there are many machines, of one line. */
static double place_plugs(LwCard *card, double y) {
  gboolean compact = card->plugs->len > 6;
  double height = compact ? 24 : 40, left = card->box.x + LW_CARD_RAIL + 8;
  double width = card->box.x + card->box.w - LW_CARD_PAD - left;
  for (guint i = 0; i < card->plugs->len; i++) {
    LwPlug *plug = card->plugs->pdata[i];
    plug->box = (LwBox){left, y + (height + PLUG_GAP) * i, width, height};
  }
  return card->plugs->len ? (height + PLUG_GAP) * card->plugs->len - PLUG_GAP : 18;
}

static double place_card(LwCard *card) {
  double inside = card->box.w - 2 * LW_CARD_PAD;
  double y = card->box.y + LW_CARD_HEADER + 10 + LW_FACT_HEIGHT * card->facts->len + 4;
  card->badges_y = y;
  y += flow_chips(card->badges, inside) + (card->badges->len ? 8 : 0);
  card->allows_y = y;
  double allows = flow_chips(card->allows, inside);
  y += allows > 0 ? allows + 16 + 8 : 0;
  card->plugs_y = y + 4;
  y += 4 + place_plugs(card, card->plugs_y);
  card->box.h = y + LW_CARD_PAD - card->box.y;
  return card->box.h;
}

typedef struct {
  guint columns, rows;
  double gutter, card_width;
} Grid;

static Grid make_grid(const LwScene *scene) {
  guint count = MAX(scene->cards->len, 1);
  guint most = (guint)((inner_width(scene) + CARD_GAP) / (CARD_MIN + CARD_GAP));
  Grid grid = {.rows = (count + most - 1) / most};
  grid.columns = (count + grid.rows - 1) / grid.rows;
  guint by_gutter = scene->cards->len > grid.columns ? scene->cards->len - grid.columns : 0;
  grid.gutter = by_gutter ? MIN(LW_LANE * by_gutter, 120) + 10 : 0;
  double room = inner_width(scene) - grid.gutter - CARD_GAP * (grid.columns - 1);
  grid.card_width = MIN(room / grid.columns, CARD_MAX);
  return grid;
}

static guint row_length(const LwScene *scene, const Grid *grid, guint row) {
  return MIN(grid->columns, scene->cards->len - row * grid->columns);
}

/* Cables stand at the router in the order of where they go: those of the last row first, since the gutter is
 * at the left. */
static void target_cards(LwScene *scene, const Grid *grid) {
  guint index = 0, by_gutter = scene->cards->len - row_length(scene, grid, 0);
  double step = by_gutter > 1 ? (grid->gutter - 10) / by_gutter : 0;
  for (guint row = grid->rows; row > 0; row--) {
    for (guint i = 0; i < row_length(scene, grid, row - 1); i++) {
      const LwCard *card = scene->cards->pdata[(row - 1) * grid->columns + i];
      LwCable *cable = scene->down->pdata[index];
      cable->segment = card->segment;
      cable->target_x = card->box.x + card->box.w / 2;
      cable->by_gutter = row > 1;
      cable->gutter_x = inner_left() + step * index;
      index++;
    }
  }
}

static void finish_targets(LwScene *scene, const Grid *grid) {
  for (guint i = 0; i < scene->down->len; i++) {
    LwCable *cable = scene->down->pdata[i];
    const LwCard *card = scene->cards->pdata[cable->segment];
    cable->target_y = card->box.y;
    if (!cable->by_gutter)
      continue;
    guint column = cable->segment % grid->columns;
    guint from_right = row_length(scene, grid, card->row) - 1 - column;
    cable->second_lane_y =
        card->box.y - 14 - LW_LANE * (row_length(scene, grid, card->row) - 1) + LW_LANE * from_right;
  }
}

static void place_columns(LwScene *scene, const Grid *grid) {
  for (guint i = 0; i < scene->cards->len; i++) {
    LwCard *card = scene->cards->pdata[i];
    guint row = i / grid->columns, length = row_length(scene, grid, row);
    double used = grid->card_width * length + CARD_GAP * (length - 1);
    double room = inner_width(scene) - grid->gutter;
    /* Only a single row is centred: rows below each other line up. */
    double left = inner_left() + grid->gutter + (grid->rows == 1 ? (room - used) / 2 : 0);
    card->row = row;
    card->box.w = grid->card_width;
    card->box.x = left + (grid->card_width + CARD_GAP) * (i % grid->columns);
  }
}

static double place_row(LwScene *scene, const Grid *grid, guint row, double y) {
  double height = 0;
  for (guint i = 0; i < row_length(scene, grid, row); i++) {
    LwCard *card = scene->cards->pdata[row * grid->columns + i];
    card->box.y = y;
    height = MAX(height, place_card(card));
  }
  for (guint i = 0; i < row_length(scene, grid, row); i++)
    ((LwCard *)scene->cards->pdata[row * grid->columns + i])->box.h = height;
  return y + height;
}

static void place_segments(LwScene *scene) {
  Grid grid = make_grid(scene);
  scene->segments =
      (LwBox){LW_SCENE_MARGIN, scene->management.y + scene->management.h + 12, scene->external.w, 0};
  double y = scene->segments.y;
  if (scene->cards->len) {
    place_columns(scene, &grid);
    spread_ports(scene, scene->down, 26);
    target_cards(scene, &grid);
    /* Cables to the gutter pass under the layer's name. */
    double first = grid.gutter > 0 ? 36 : 16;
    y += MAX(34, first + LW_LANE * assign_lanes(scene->down, y + first, LW_LANE) + 14);
  } else {
    y += 40;
  }
  for (guint row = 0; scene->cards->len && row < grid.rows; row++) {
    if (row)
      y += 30 + LW_LANE * row_length(scene, &grid, row);
    y = place_row(scene, &grid, row, y);
  }
  finish_targets(scene, &grid);
  scene->segments.h = y + LW_SCENE_PAD - scene->segments.y;
  scene->height = scene->segments.y + scene->segments.h + LW_SCENE_MARGIN;
}

LwScene *lw_scene_new(const LwLab *lab, const LwFacts *facts) {
  LwScene *scene = g_new0(LwScene, 1);
  scene->lab = lab;
  scene->facts = facts;
  scene->exits = g_ptr_array_new_with_free_func(exit_free);
  scene->cards = g_ptr_array_new_with_free_func(card_free);
  scene->up = g_ptr_array_new_with_free_func(g_free);
  scene->down = g_ptr_array_new_with_free_func(g_free);
  scene->host_facts = g_ptr_array_new_with_free_func(fact_free);
  for (guint i = 0; i < lab->segments->len; i++) {
    g_ptr_array_add(scene->cards, say_card(scene, i));
    add_cable(scene->down, i, TRUE);
  }
  for (guint i = 0; i < lab->machines->len; i++)
    for (guint nic = 0; nic < lw_lab_machine(lab, i)->nics->len; nic++)
      say_plug(scene, i, nic);
  say_exits(scene);
  say_host(scene);
  place_width(scene);
  place_external(scene);
  place_management(scene);
  place_segments(scene);
  return scene;
}
