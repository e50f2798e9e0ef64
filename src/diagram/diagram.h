/* The lab as a picture. */
#pragma once

#include "model/model.h"
#include "resource/facts.h"

/* A complete SVG document (transfer full): the three layers, router, segments, machines, exits. facts
 * nullable: then the file's own state (first exits active, nothing moved). */
char *lw_diagram_svg(const LwLab *lab, const LwFacts *facts);
