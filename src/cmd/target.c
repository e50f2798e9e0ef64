#include "cmd/target.h"

#include "cmd/session.h"

static gboolean on_twin;

void lw_target_set_twin(gboolean twin) {
  on_twin = twin;
}

gboolean lw_target_is_twin(void) {
  return on_twin;
}

const char *lw_target_name(void) {
  return on_twin ? "twin" : "host";
}

const char *lw_target_command(void) {
  return on_twin ? "lanward twin" : "lanward";
}

const char *lw_target_state_dir(void) {
  return on_twin ? LW_RUN_DIR : LW_STATE_DIR;
}

LwSpecFlags lw_target_spec_flags(void) {
  return on_twin ? LW_SPEC_TWIN : 0;
}
