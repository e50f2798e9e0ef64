#include "diagram/diagram.h"

#include "diagram/scene.h"
#include "diagram/svg.h"
#include "policy/names.h"

#include <math.h>

#define INK "#1f2933"
#define SOFT "#52606d"
#define FAINT "#7b8794"
#define HAIR "#cbd2d9"
#define PAPER "#ffffff"
#define UPLINK_X 130.0 /* from the left of the home LAN and the host: clear of the layers' names */

/* Dark enough for white text on them, and apart from each other for most colour-blind eyes when neighbours.
 */
static const guint32 palette[] = {0x2f6db5, 0x0f8577, 0x7a4fb5, 0xb3611a, 0xb23a55, 0x5b7a1e,
                                  0x1d7c9c, 0x9c3f93, 0x4953b8, 0x8a5a3a, 0x3f7f46, 0x5a6776};

static guint32 mix(guint32 colour, double white) {
  guint32 mixed = 0;
  for (guint shift = 0; shift <= 16; shift += 8) {
    double part = (double)((colour >> shift) & 0xffu);
    mixed |= (guint32)lround(part + (255 - part) * white) << shift;
  }
  return mixed;
}

/* white: 0 the colour itself, 1 white. */
static const char *shade(guint segment, double white) {
  guint32 colour = segment == LW_NONE ? 0x7b8794u : palette[segment % G_N_ELEMENTS(palette)];
  g_autofree char *text = g_strdup_printf("#%06x", mix(colour, white));
  return g_intern_string(text);
}

static void draw_layer(LwSvg *svg, const LwBox *box, const char *name, const char *fill) {
  g_autofree char *look = g_strdup_printf("fill=\"%s\"", fill);
  lw_svg_rect(svg, box->x, box->y, box->w, box->h, 14, look);
  g_autofree char *spaced = g_ascii_strup(name, -1);
  g_string_append(svg->out, "<g letter-spacing=\"1.6\">");
  LwSvgFont font = {10, TRUE, FAINT, NULL};
  lw_svg_text(svg, box->x + LW_SCENE_PAD, box->y + 22, 300, &font, spaced);
  g_string_append(svg->out, "</g>\n");
}

static void draw_title(LwSvg *svg, const LwScene *scene) {
  const LwLab *lab = scene->lab;
  LwSvgFont big = {26, TRUE, INK, NULL}, small = {13, FALSE, SOFT, NULL};
  double width = scene->width - 2 * LW_SCENE_MARGIN;
  lw_svg_text(svg, LW_SCENE_MARGIN + 2, 46, width, &big, lab->name ? lab->name : "lab");
  guint exits = scene->exits->len;
  g_autofree char *counts =
      g_strdup_printf("%u segment%s · %u machine%s · %u exit%s · what no line of the file allows is dropped",
                      lab->segments->len, lab->segments->len == 1 ? "" : "s", lab->machines->len,
                      lab->machines->len == 1 ? "" : "s", exits, exits == 1 ? "" : "s");
  lw_svg_text(svg, LW_SCENE_MARGIN + 2, 70, width, &small, counts);
}

/* Chips, facts */

static void draw_chip(LwSvg *svg, double x, double y, const LwChip *chip) {
  const char *fill = PAPER, *stroke = HAIR, *ink = INK, *dash = "";
  switch (chip->style) {
  case LW_CHIP_SOLID:
    fill = shade(chip->segment, 0.84);
    stroke = shade(chip->segment, 0.35);
    ink = shade(chip->segment, 0);
    break;
  case LW_CHIP_DASHED:
    stroke = shade(chip->segment, 0.35);
    ink = shade(chip->segment, 0);
    dash = " stroke-dasharray=\"3 2.5\"";
    break;
  case LW_CHIP_GOOD:
    fill = "#e3f4e8";
    stroke = "#7fbf95";
    ink = "#1e6b3a";
    break;
  case LW_CHIP_SHUT:
    fill = "#fbe9e7";
    stroke = "#e0a39b";
    ink = "#9b2c1f";
    break;
  case LW_CHIP_PLAIN:
    fill = "#fff6dd";
    stroke = "#e0c070";
    ink = "#7a5800";
    break;
  }
  g_autofree char *look = g_strdup_printf("fill=\"%s\" stroke=\"%s\"%s", fill, stroke, dash);
  lw_svg_rect(svg, x + chip->x, y + chip->y, chip->w, LW_CHIP_HEIGHT, LW_CHIP_HEIGHT / 2, look);
  LwSvgFont font = {LW_CHIP_FONT, FALSE, ink, "middle"};
  lw_svg_text(svg, x + chip->x + chip->w / 2, y + chip->y + 12.8, chip->w - 12, &font, chip->text);
}

static void draw_chips(LwSvg *svg, double x, double y, const GPtrArray *chips) {
  for (guint i = 0; i < chips->len; i++)
    draw_chip(svg, x, y, chips->pdata[i]);
}

static double draw_facts(LwSvg *svg, double x, double y, double width, double key, const GPtrArray *facts) {
  LwSvgFont faint = {10.5, FALSE, FAINT, NULL}, dark = {11.5, FALSE, INK, NULL};
  for (guint i = 0; i < facts->len; i++) {
    const LwFact *fact = facts->pdata[i];
    y += LW_FACT_HEIGHT;
    lw_svg_text(svg, x, y - 4, key - 6, &faint, fact->key);
    lw_svg_text(svg, x + key, y - 4, width - key, &dark, fact->value);
  }
  return y;
}

/* Cables */

static int sign(double number) {
  return number < 0 ? -1 : 1;
}

/* Down (or up) to a lane, along it, and down (or up) again, with round corners. */
static void elbow(GString *path, double x1, double y1, double lane, double x2, double y2) {
  double dx = x2 - x1, r = MIN(7, fabs(dx) / 2);
  int across = sign(dx), down = sign(y2 - y1);
  if (fabs(dx) < 0.5)
    r = 0;
  const struct {
    char letter;
    double a, b, c, d;
  } steps[] = {{'L', x1, lane - down * r, 0, 0},
               {'Q', x1, lane, x1 + across * r, lane},
               {'L', x2 - across * r, lane, 0, 0},
               {'Q', x2, lane, x2, lane + down * r},
               {'L', x2, y2, 0, 0}};
  for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
    g_string_append_printf(path, " %c", steps[i].letter);
    lw_svg_number(path, steps[i].a);
    g_string_append_c(path, ' ');
    lw_svg_number(path, steps[i].b);
    if (steps[i].letter == 'Q') {
      g_string_append_c(path, ' ');
      lw_svg_number(path, steps[i].c);
      g_string_append_c(path, ' ');
      lw_svg_number(path, steps[i].d);
    }
  }
}

static char *cable_path(const LwCable *cable, double port_y) {
  GString *path = g_string_new("M");
  lw_svg_number(path, cable->port_x);
  g_string_append_c(path, ' ');
  lw_svg_number(path, port_y);
  if (cable->by_gutter) {
    elbow(path, cable->port_x, port_y, cable->lane_y, cable->gutter_x, cable->second_lane_y - 10);
    elbow(path, cable->gutter_x, cable->second_lane_y - 10, cable->second_lane_y, cable->target_x,
          cable->target_y);
  } else {
    elbow(path, cable->port_x, port_y, cable->lane_y, cable->target_x, cable->target_y);
  }
  return g_string_free(path, FALSE);
}

static void draw_cable(LwSvg *svg, const LwCable *cable, double port_y) {
  g_autofree char *path = cable_path(cable, port_y);
  /* A pale edge, so that cables side by side stay apart. */
  g_string_append_printf(
      svg->out,
      "<path d=\"%s\" fill=\"none\" stroke=\"#ffffff\" stroke-opacity=\"0.7\" stroke-width=\"5\"/>\n", path);
  g_string_append_printf(
      svg->out, "<path class=\"cable\" d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2.2\"%s/>\n", path,
      shade(cable->segment, cable->solid ? 0 : 0.25), cable->solid ? "" : " stroke-dasharray=\"5 4\"");
  g_autofree char *socket =
      g_strdup_printf("fill=\"%s\" stroke=\"%s\" stroke-width=\"1.6\"", PAPER, shade(cable->segment, 0));
  lw_svg_circle(svg, cable->target_x, cable->target_y, 3.6, socket);
}

/* The external layer */

static void draw_cloud(LwSvg *svg, double x, double y, double w, double h, const char *look) {
  double sx = w / 131, sy = h / 74;
#define X(v) (x + ((v)-15) * sx)
#define Y(v) (y + ((v)-4) * sy)
  lw_svg_path(svg, look,
              "M %f %f A %f %f 0 0 1 %f %f A %f %f 0 0 1 %f %f A %f %f 0 0 1 %f %f A %f %f 0 0 1 %f %f Z",
              X(36.0), Y(78.0), 25 * sx, 25 * sy, X(32.0), Y(30.0), 32 * sx, 32 * sy, X(90.0), Y(18.0),
              24 * sx, 24 * sy, X(130.0), Y(32.0), 24 * sx, 24 * sy, X(126.0), Y(78.0));
#undef X
#undef Y
}

static void draw_exit(LwSvg *svg, const LwScene *scene, const LwExit *exit) {
  gboolean direct = exit->tunnel == LW_NONE;
  double w = MIN(exit->w, 176), x = exit->x + (exit->w - w) / 2, middle = exit->x + exit->w / 2,
         y = scene->clouds_y;
  g_string_append_printf(svg->out, "<g class=\"exit\">\n");
  draw_cloud(svg, x, y, w, LW_CLOUD_HEIGHT,
             direct ? "fill=\"#ffffff\" stroke=\"#7ea6d6\" stroke-width=\"1.6\""
                    : "fill=\"#ffffff\" stroke=\"#9aa5b1\" stroke-width=\"1.6\"");
  LwSvgFont name = {16, TRUE, INK, "middle"}, detail = {9.5, FALSE, SOFT, "middle"},
            kind = {9.5, FALSE, FAINT, "middle"};
  lw_svg_text(svg, middle - w * 0.02, y + 36, w * 0.55, &kind, direct ? "internet" : "WireGuard");
  lw_svg_text(svg, middle, y + 55, w * 0.78, &name, exit->name);
  lw_svg_text(svg, middle, y + 72, w * 0.86, &detail, exit->detail);
  /* Chips of a few users sit in the middle under their cloud. */
  double used = 0;
  for (guint i = 0; i < exit->chips->len; i++) {
    const LwChip *chip = exit->chips->pdata[i];
    used = MAX(used, chip->x + chip->w);
  }
  draw_chips(svg, exit->x + (exit->w - used) / 2, y + LW_CLOUD_HEIGHT + 8, exit->chips);
  if (!exit->chips->len) {
    LwSvgFont font = {10.5, FALSE, FAINT, "middle"};
    lw_svg_text(svg, middle, y + LW_CLOUD_HEIGHT + 20, exit->w, &font, "not used");
  }
  g_string_append(svg->out, "</g>\n");
}

static void draw_home(LwSvg *svg, const LwScene *scene) {
  const LwBox *box = &scene->home;
  const LwHost *host = &scene->lab->host;
  double x = box->x + 18, y = box->y + 18;
  lw_svg_line(svg, box->x + UPLINK_X, box->y + box->h, box->x + UPLINK_X, scene->bridge.y,
              "stroke=\"#9aa5b1\" stroke-width=\"3\"");
  lw_svg_rect(svg, box->x, box->y, box->w, box->h, 10, "fill=\"#ffffff\" stroke=\"#cbd2d9\"");
  lw_svg_path(svg, "fill=\"none\" stroke=\"#52606d\" stroke-width=\"2\" stroke-linejoin=\"round\"",
              "M %f %f L %f %f L %f %f M %f %f V %f H %f V %f", x, y + 20, x + 20, y + 2, x + 40, y + 20,
              x + 6, y + 15, y + 38, x + 34, y + 15);
  LwSvgFont name = {14, TRUE, INK, NULL}, detail = {11, FALSE, SOFT, NULL};
  lw_svg_text(svg, x + 54, y + 16, box->w - 84, &name, "home LAN");
  lw_svg_text(svg, x + 54, y + 33, box->w - 84, &detail, "its router: DHCP, NAT");
  g_autofree char *mac = lw_mac_is_set(&host->uplink_mac) ? lw_mac_format(&host->uplink_mac) : NULL;
  LwSvgFont small = {10.5, FALSE, SOFT, NULL};
  lw_svg_text(svg, box->x + UPLINK_X + 10, (box->y + box->h + scene->bridge.y) / 2 + 4,
              box->w - UPLINK_X - 10, &small,
              host->uplink ? host->uplink
              : mac        ? mac
                           : "uplink");
}

static void draw_bridge(LwSvg *svg, const LwScene *scene) {
  const LwBox *box = &scene->bridge;
  lw_svg_rect(svg, box->x, box->y, box->w, box->h, 7, "fill=\"#c9d6e6\" stroke=\"#9db2cc\"");
  LwSvgFont name = {12, TRUE, INK, NULL}, detail = {10.5, FALSE, SOFT, NULL};
  double width = MIN(lw_svg_text_width(scene->lab->host.bridge, 12, TRUE), 120);
  lw_svg_text(svg, box->x + 12, box->y + 17.5, 120, &name, scene->lab->host.bridge);
  lw_svg_text(svg, box->x + 24 + width, box->y + 17.5, scene->home.w - 30 - width, &detail,
              "bridge over the uplink");
}

/* The management layer */

static void draw_host(LwSvg *svg, const LwScene *scene) {
  const LwBox *box = &scene->host;
  g_autofree char *address = lw_addr_format(&scene->lab->host.management.address);
  lw_svg_line(svg, box->x + UPLINK_X, scene->bridge.y + scene->bridge.h, box->x + UPLINK_X, box->y,
              "stroke=\"#9aa5b1\" stroke-width=\"3\"");
  lw_svg_rect(svg, box->x, box->y, box->w, box->h, 10,
              "fill=\"#ffffff\" stroke=\"#9aa5b1\" stroke-width=\"1.4\"");
  LwSvgFont name = {15, TRUE, INK, NULL}, detail = {11.5, FALSE, SOFT, "end"};
  lw_svg_text(svg, box->x + 16, box->y + 26, 80, &name, "host");
  lw_svg_text(svg, box->x + box->w - 14, box->y + 26, box->w - 110, &detail, address);
  if (!scene->host_facts->len)
    return;
  lw_svg_line(svg, box->x + 14, box->y + 38, box->x + box->w - 14, box->y + 38, "stroke=\"#e4e7eb\"");
  draw_facts(svg, box->x + 16, box->y + 43, box->w - 30, 84, scene->host_facts);
}

static void draw_management_bridge(LwSvg *svg, const LwScene *scene) {
  double left = scene->host.x + scene->host.w, right = scene->router.x,
         y = scene->router.y + scene->router.h / 2;
  double middle = (left + right) / 2, width = right - left - 16;
  lw_svg_line(svg, left, y, right, y, "stroke=\"#6b8f71\" stroke-width=\"5\"");
  g_autofree char *subnet = lw_prefix_format(&scene->lab->host.management.subnet);
  LwSvgFont name = {12, TRUE, INK, "middle"}, detail = {10.5, FALSE, SOFT, "middle"};
  lw_svg_text(svg, middle, y - 11, width, &name, scene->lab->host.management.bridge);
  lw_svg_text(svg, middle, y + 20, width, &detail, subnet);
}

static void draw_wan_name(LwSvg *svg, const LwScene *scene) {
  const LwCable *wan = scene->up->pdata[0];
  LwSvgFont font = {10, FALSE, SOFT, NULL};
  lw_svg_text(svg, wan->target_x + 7, wan->target_y + 12, 40, &font, "wan");
}

static void draw_ports(LwSvg *svg, const GPtrArray *cables, double y) {
  for (guint i = 0; i < cables->len; i++) {
    const LwCable *cable = cables->pdata[i];
    g_autofree char *look = g_strdup_printf("fill=\"%s\" stroke=\"#ffffff\"", shade(cable->segment, 0));
    lw_svg_rect(svg, cable->port_x - 5, y - 5, 10, 10, 2.5, look);
  }
}

static void draw_router(LwSvg *svg, const LwScene *scene) {
  const LwBox *box = &scene->router;
  gboolean builtin = scene->lab->router.kind == LW_ROUTER_BUILTIN;
  g_autofree char *address = lw_addr_format(&scene->lab->host.management.router);
  lw_svg_rect(svg, box->x, box->y, box->w, box->h, 12, "class=\"router\" fill=\"#2d3a4a\"");
  LwSvgFont name = {18, TRUE, PAPER, "middle"}, detail = {11.5, FALSE, "#c3ccd6", "middle"};
  double middle = box->x + box->w / 2, y = box->y + box->h / 2;
  lw_svg_text(svg, middle, y - 6, box->w - 40, &name, "router");
  lw_svg_text(svg, middle, y + 13, box->w - 30, &detail,
              builtin ? "builtin: nftables, WireGuard, dnsmasq" : "OPNsense");
  g_autofree char *where = builtin || !scene->lab->router.vm
                               ? g_strdup(address)
                               : g_strdup_printf("%s · VM %s", address, scene->lab->router.vm);
  lw_svg_text(svg, middle, y + 30, box->w - 30, &detail, where);
  draw_ports(svg, scene->up, box->y);
  draw_ports(svg, scene->down, box->y + box->h);
}

static void draw_icon(LwSvg *svg, LwMachineKind kind, double x, double y, const char *colour) {
  g_autofree char *look =
      g_strdup_printf("fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" stroke-linejoin=\"round\"", colour);
  switch (kind) {
  case LW_MACHINE_VM: /* a screen */
    lw_svg_path(svg, look, "M %f %f h 14 v 9 h -14 Z M %f %f h 6 M %f %f v 3", x, y + 1, x + 4, y + 13, x + 7,
                y + 10);
    break;
  case LW_MACHINE_CONTAINER: /* a box of goods */
    lw_svg_path(svg, look, "M %f %f h 14 v 11 h -14 Z M %f %f v 6 M %f %f v 6 M %f %f v 6", x, y + 1, x + 3.5,
                y + 3.5, x + 7, y + 3.5, x + 10.5, y + 3.5);
    break;
  case LW_MACHINE_CELL: /* a cell */
    lw_svg_path(svg, look, "M %f %f l 6 3.4 v 6.6 l -6 3.4 l -6 -3.4 v -6.6 Z", x + 7, y);
    break;
  }
}

static void draw_legend(LwSvg *svg, const LwScene *scene) {
  const LwBox *box = &scene->legend;
  double x = box->x, y = box->y + 10;
  LwSvgFont font = {10.5, FALSE, SOFT, NULL};
  lw_svg_line(svg, x, y, x + 30, y, "stroke=\"#52606d\" stroke-width=\"2.2\"");
  lw_svg_text(svg, x + 40, y + 4, box->w - 40, &font, "in use: active exit, or pinned");
  y += 22;
  lw_svg_line(svg, x, y, x + 30, y, "stroke=\"#7b8794\" stroke-width=\"2.2\" stroke-dasharray=\"5 4\"");
  lw_svg_text(svg, x + 40, y + 4, box->w - 40, &font, "standby exit of a pool");
  static const char *const kinds[] = {"virtual machine", "container", "cell"};
  y += 14;
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    draw_icon(svg, (LwMachineKind)i, x + 8, y, SOFT);
    lw_svg_text(svg, x + 40, y + 11, box->w - 40, &font, kinds[i]);
    y += 20;
  }
}

/* The segments */

static void draw_plug(LwSvg *svg, const LwCard *card, const LwPlug *plug) {
  const LwBox *box = &plug->box;
  double middle = box->y + box->h / 2, rail = card->box.x + LW_CARD_RAIL - 6;
  const char *colour = shade(card->segment, 0);
  g_autofree char *cable = g_strdup_printf("stroke=\"%s\" stroke-width=\"2\"", colour);
  g_autofree char *look = g_strdup_printf("class=\"machine\" fill=\"%s\" stroke=\"%s\"%s", PAPER,
                                          plug->cut ? "#c0392b" : shade(card->segment, 0.45),
                                          plug->cut ? " stroke-dasharray=\"4 3\"" : "");
  if (!plug->cut)
    lw_svg_line(svg, rail, middle, box->x, middle, cable);
  lw_svg_rect(svg, box->x, box->y, box->w, box->h, 6, look);
  draw_icon(svg, plug->kind, box->x + 9, middle - 7, colour);
  LwSvgFont name = {12, TRUE, INK, NULL}, detail = {10.5, FALSE, plug->cut ? "#9b2c1f" : SOFT, NULL};
  double x = box->x + 32, width = box->w - 38;
  if (box->h < 30) {
    double used = MIN(lw_svg_text_width(plug->name, 12, TRUE), width * 0.55);
    detail.anchor = "end";
    lw_svg_text(svg, x, middle + 4.5, width * 0.55, &name, plug->name);
    lw_svg_text(svg, box->x + box->w - 7, middle + 4, width - used - 10, &detail, plug->detail);
  } else {
    lw_svg_text(svg, x, middle - 3, width, &name, plug->name);
    lw_svg_text(svg, x, middle + 12, width, &detail, plug->detail);
  }
}

static void draw_plugs(LwSvg *svg, const LwCard *card) {
  if (!card->plugs->len) {
    LwSvgFont font = {11, FALSE, FAINT, NULL};
    lw_svg_text(svg, card->box.x + LW_CARD_PAD, card->plugs_y + 13, card->box.w - 2 * LW_CARD_PAD, &font,
                "no machine in the file");
    return;
  }
  const LwPlug *last = card->plugs->pdata[card->plugs->len - 1];
  double rail = card->box.x + LW_CARD_RAIL - 6;
  g_autofree char *look =
      g_strdup_printf("stroke=\"%s\" stroke-width=\"4\" stroke-linecap=\"round\"", shade(card->segment, 0));
  lw_svg_line(svg, rail, card->plugs_y + 2, rail, last->box.y + last->box.h - 2, look);
  for (guint i = 0; i < card->plugs->len; i++)
    draw_plug(svg, card, card->plugs->pdata[i]);
}

static void draw_card(LwSvg *svg, const LwScene *scene, const LwCard *card) {
  const LwSegment *segment = lw_lab_segment(scene->lab, card->segment);
  const LwBox *box = &card->box;
  double inside = box->w - 2 * LW_CARD_PAD, x = box->x + LW_CARD_PAD;
  g_string_append(svg->out, "<g class=\"segment\">\n");
  g_autofree char *body = g_strdup_printf("class=\"segment\" fill=\"%s\" stroke=\"%s\"",
                                          shade(card->segment, 0.92), shade(card->segment, 0.55));
  g_autofree char *band = g_strdup_printf("fill=\"%s\"", shade(card->segment, 0));
  lw_svg_rect(svg, box->x, box->y, box->w, box->h, 10, body);
  lw_svg_path(svg, band, "M %f %f v -%f a 10 10 0 0 1 10 -10 h %f a 10 10 0 0 1 10 10 v %f Z", box->x,
              box->y + LW_CARD_HEADER, LW_CARD_HEADER - 10, box->w - 20, LW_CARD_HEADER - 10);
  g_autofree char *subnet = lw_prefix_format(&segment->subnet);
  LwSvgFont name = {15, TRUE, PAPER, NULL}, bridge = {10, FALSE, shade(card->segment, 0.8), "end"};
  LwSvgFont net = {11.5, FALSE, shade(card->segment, 0.9), NULL};
  double room = MIN(lw_svg_text_width(segment->bridge, 10, FALSE) + 10, inside * 0.5);
  lw_svg_text(svg, x, box->y + 21, inside - room, &name, segment->name);
  lw_svg_text(svg, box->x + box->w - LW_CARD_PAD, box->y + 20, room - 8, &bridge, segment->bridge);
  lw_svg_text(svg, x, box->y + 37, inside, &net, subnet);
  draw_facts(svg, x, box->y + LW_CARD_HEADER + 8, inside, LW_FACT_KEY, card->facts);
  draw_chips(svg, x, card->badges_y, card->badges);
  if (card->allows->len) {
    LwSvgFont font = {10.5, FALSE, FAINT, NULL};
    lw_svg_text(svg, x, card->allows_y + 10, inside, &font, "may open");
    draw_chips(svg, x, card->allows_y + 16, card->allows);
  }
  draw_plugs(svg, card);
  g_string_append(svg->out, "</g>\n");
}

static void open_document(LwSvg *svg, const LwScene *scene) {
  g_autofree char *name = lw_svg_escape(scene->lab->name ? scene->lab->name : "lab");
  g_string_append(svg->out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"");
  g_string_append(svg->out, " width=\"");
  lw_svg_number(svg->out, scene->width);
  g_string_append(svg->out, "\" height=\"");
  lw_svg_number(svg->out, scene->height);
  g_string_append(svg->out, "\" viewBox=\"0 0 ");
  lw_svg_number(svg->out, scene->width);
  g_string_append_c(svg->out, ' ');
  lw_svg_number(svg->out, scene->height);
  g_string_append_printf(
      svg->out,
      "\" font-family=\"'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', "
      "sans-serif\" role=\"img\">\n<title>%s</title>\n",
      name);
  lw_svg_rect(svg, 0, 0, scene->width, scene->height, 0, "fill=\"#ffffff\"");
}

char *lw_diagram_svg(const LwLab *lab, const LwFacts *facts) {
  g_autoptr(LwFacts) none = facts ? NULL : lw_facts_new();
  g_autoptr(LwScene) scene = lw_scene_new(lab, facts ? facts : none);
  LwSvg svg = {g_string_new(NULL)};
  open_document(&svg, scene);
  draw_title(&svg, scene);
  draw_layer(&svg, &scene->external, "External", "#eaf1f9");
  draw_layer(&svg, &scene->management, "Management", "#eef4ee");
  draw_layer(&svg, &scene->segments, "Segments", "#f5f6f8");
  draw_home(&svg, scene);
  draw_bridge(&svg, scene);
  draw_host(&svg, scene);
  draw_management_bridge(&svg, scene);
  for (guint i = 0; i < scene->up->len; i++)
    draw_cable(&svg, scene->up->pdata[i], scene->router.y);
  for (guint i = 0; i < scene->down->len; i++)
    draw_cable(&svg, scene->down->pdata[i], scene->router.y + scene->router.h);
  draw_wan_name(&svg, scene);
  for (guint i = 0; i < scene->exits->len; i++)
    draw_exit(&svg, scene, scene->exits->pdata[i]);
  draw_router(&svg, scene);
  draw_legend(&svg, scene);
  for (guint i = 0; i < scene->cards->len; i++)
    draw_card(&svg, scene, scene->cards->pdata[i]);
  lw_svg_raw(&svg, "</svg>\n");
  return g_string_free(svg.out, FALSE);
}
