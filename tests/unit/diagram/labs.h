/* Labs made by hand, for tests of what only reads a model. */
#pragma once

#include "model/model.h"

/* The reference lab of examples/homelab.yaml. */
LwLab *lw_test_homelab(void);
/* count segments, each with a pool of three of five tunnels, and machines_each machines in each. */
LwLab *lw_test_wide_lab(guint count, guint machines_each);
/* Names that try to break out of markup and to be wider than their boxes. */
LwLab *lw_test_hostile_lab(void);
