/* Virtual machines that lanward made and a plan removes: ended before anything is touched. */
#pragma once

#include "cmd/session.h"

/* Their time is the file's (`start: {timeout: …}`), else a minute; they are asked all at once. The router's
 * virtual machine is none of them. FALSE: nothing of the lab was touched; the error names those that run and
 * those that were shut down. lab: where the times are; says on stdout, unless quiet, what it waits for. */
gboolean lw_ending_of_domains(const LwSession *session, const LwLab *lab, const LwPlan *plan, LwEnding how,
                              GError **error);
