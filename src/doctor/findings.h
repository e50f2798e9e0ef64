/* What is wrong with a machine for a lab, from what was seen of it: pure.
 *
 * A finding says what is so, what harm it does, what to do, and where. There is none on a sound machine: what
 * only may matter (no IOMMU, with nothing handed over to a guest) is not one. */
#pragma once

#include "doctor/seen.h"
#include "model/model.h"

typedef struct {
  const char *id; /* for machines: "kvm-missing", "bridge-firewall", … */
  char *what, *harm, *remedy;
  char *place; /* a file of this machine, or a line of the lab's */
} LwFinding;

/* lab nullable: then only what holds for any. Of LwFinding*, transfer full. */
GPtrArray *lw_doctor_findings(const LwSeen *seen, const LwLab *lab);
