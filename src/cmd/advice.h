/* What to write into the lab's file so that a flow passes, or passes no longer: diff lines (proposal.h), the
 * narrowest change first. */
#pragma once

#include "cmd/session.h"
#include "verify/explain.h"

/* answer: what the file says of the flow (intent.h). Lines for people. Transfer full. */
char *lw_advice(LwSession *session, const LwExplainQuestion *question, const LwFlowAnswer *answer);
