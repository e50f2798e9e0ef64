/* The host as a target: being allowed to, its folders, and what stands beside a change of it. */
#pragma once

#include "cmd/session.h"

#define LW_RESCUE_FILE LW_STATE_DIR "/rescue.sh"

/* Root alone; makes the folders that are missing. */
gboolean lw_host_enter(const LwInvocation *invocation, GError **error);

/* Can the plan cut off the person who typed it? On a twin: no. */
gboolean lw_host_changes_uplink(const LwSession *session, const LwPlan *plan);
/* On a host, before a plan that changes anything: writes the rescue script; where it touches the uplink or
 * the router, tells where that is and what will be felt. seconds: until it is taken back, 0: never. */
gboolean lw_host_prepare_rescue(const LwSession *session, const LwPlan *plan, const LwResourceSet *wanted,
                                guint seconds, GError **error);
