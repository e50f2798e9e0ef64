/* Where the verbs of this process act: in a twin, or on this machine. Said once, before a verb runs. */
#pragma once

#include "spec/spec.h"

void lw_target_set_twin(gboolean twin);
gboolean lw_target_is_twin(void);
const char *lw_target_name(void);    /* "twin", "host" */
const char *lw_target_command(void); /* "lanward twin", "lanward": for words to people */
/* What outlives a process, and on a host a boot: state, secrets, seed, generations. */
const char *lw_target_state_dir(void);
LwSpecFlags lw_target_spec_flags(void);
