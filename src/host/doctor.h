/* What on this machine stands in the way of a lab, or of a good one. Looks only. */
#pragma once

#include "host/world.h"

typedef struct {
  const char *id;   /* stable: "uplink-ifupdown", "name-clash" */
  gboolean problem; /* else good to know */
  char *what;       /* one line */
  char *remedy;     /* what to type, or to set */
} LwFinding;

void lw_finding_free(LwFinding *finding);

/* lab: nullable, then only what concerns no file. seen: links, addresses, routes and settings of the host's
 * namespace. owner: the alias of lanward's own links. owned (nullable): what lanward made. Of LwFinding*,
 * transfer full. */
GPtrArray *lw_host_doctor(const LwLab *lab, const LwHostWorld *world /* with lab */,
                          const LwResourceSet *seen, const char *owner, const LwResourceSet *owned);
