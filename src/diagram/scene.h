/* Where everything of the picture stands. A scene is made from the lab in two steps: what is to be said
 * (texts, chips, boxes), and then, from their measures, where. Drawing only reads it. */
#pragma once

#include "model/model.h"
#include "resource/facts.h"

#include <glib.h>

#define LW_SCENE_MARGIN 28.0
#define LW_SCENE_PAD 18.0
#define LW_CHIP_HEIGHT 18.0
#define LW_CHIP_FONT 10.5
#define LW_FACT_HEIGHT 16.0
#define LW_FACT_KEY 52.0
#define LW_CARD_HEADER 46.0
#define LW_CARD_PAD 12.0
#define LW_CARD_RAIL 22.0 /* from the card's edge to its boxes; the rail runs in between */
#define LW_CLOUD_HEIGHT 86.0
#define LW_LANE 7.0

typedef struct {
  double x, y, w, h;
} LwBox;

typedef enum { LW_CHIP_SOLID, LW_CHIP_DASHED, LW_CHIP_GOOD, LW_CHIP_SHUT, LW_CHIP_PLAIN } LwChipStyle;

/* x, y within the area that its list was flowed into. */
typedef struct {
  char *text;
  LwChipStyle style;
  guint segment; /* whose colour; LW_NONE: none */
  double x, y, w;
} LwChip;

typedef struct {
  char *key; /* "" : goes on with the line before */
  char *value;
} LwFact;

typedef struct {
  guint machine, nic;
  LwMachineKind kind;
  char *name, *detail;
  gboolean cut;
  LwBox box;
} LwPlug;

typedef struct {
  guint segment;
  guint row;
  LwBox box;
  GPtrArray *facts;  /* of LwFact* */
  GPtrArray *badges; /* of LwChip* */
  GPtrArray *allows; /* of LwChip* */
  GPtrArray *plugs;  /* of LwPlug* */
  double badges_y, allows_y, plugs_y;
} LwCard;

typedef struct {
  guint tunnel; /* LW_NONE: direct */
  char *name, *detail;
  GPtrArray *chips; /* of LwChip* */
  double chips_height;
  double x, w; /* its column */
  guint users; /* cables that end here */
} LwExit;

/* From the router to a card or an exit: along its lane, across, and on. Cables to a later row of cards pass
 * the gutter at the left: then they have a second lane. */
typedef struct {
  guint segment; /* whose colour; LW_NONE: grey */
  gboolean solid;
  double port_x, target_x, target_y;
  double lane_y;
  gboolean by_gutter;
  double gutter_x, second_lane_y;
} LwCable;

typedef struct {
  const LwLab *lab;
  const LwFacts *facts;
  double width, height;
  LwBox external, management, segments; /* the three layers */
  LwBox home, bridge, host, router, legend;
  double clouds_y, sockets_y;
  GPtrArray *exits;      /* of LwExit* */
  GPtrArray *cards;      /* of LwCard* */
  GPtrArray *up, *down;  /* of LwCable* */
  GPtrArray *host_facts; /* of LwFact* */
} LwScene;

LwScene *lw_scene_new(const LwLab *lab, const LwFacts *facts);
void lw_scene_free(LwScene *scene);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwScene, lw_scene_free)
