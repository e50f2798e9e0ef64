/* The host as a target: being allowed to, and its folders. */
#pragma once

#include "cmd/cmd.h"

/* Root alone; makes the folders that are missing. */
gboolean lw_host_enter(const LwInvocation *invocation, GError **error);
