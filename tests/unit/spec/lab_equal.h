/* Whether two labs mean the same. Places (origins) do not count: the same lab, printed, stands elsewhere. */
#pragma once

#include "model/model.h"

/* NULL when equal; else what differs (transfer full). */
char *lab_difference(const LwLab *a, const LwLab *b);
