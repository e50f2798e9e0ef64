/* What to write into the lab's file so that a flow passes, or passes no longer. A change that is shown as one
 * was tried on the file before: that it opens the flow, and which asserts it would break. */
#pragma once

#include "cmd/session.h"
#include "policy/intent.h"

/* answer: what the file says of the flow (intent.h). aimed: the destination was named, and is not one of many
 * that stands for all. Lines for people; "" where no line has a say. Transfer full. */
char *lw_advice(LwSession *session, const LwFlowQuestion *question, const LwFlowAnswer *answer,
                gboolean aimed);
