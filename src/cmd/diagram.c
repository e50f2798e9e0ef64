#include "cmd/session.h"

#include "base/files.h"
#include "diagram/diagram.h"

#include <string.h>

static int write_svg(const LwInvocation *invocation, const char *svg) {
  g_autoptr(GError) error = NULL;
  if (!invocation->output) {
    g_print("%s", svg);
    return LW_EXIT_OK;
  }
  if (!lw_file_write_atomic(invocation->output, svg, strlen(svg), 0644, &error))
    return lw_fail(error);
  if (!invocation->quiet)
    g_print("wrote %s\n", invocation->output);
  return LW_EXIT_OK;
}

static int diagram_inside(LwSession *session) {
  g_autofree char *svg = lw_diagram_svg(session->lab, session->facts);
  return write_svg(session->invocation, svg);
}

int lw_diagram_main(const LwInvocation *invocation) {
  if (invocation->twin)
    return lw_session_run(invocation, TRUE, diagram_inside);
  const char *path = invocation->args->pdata[0] ? invocation->args->pdata[0] : LW_DEFAULT_FILE;
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab = lw_load_spec(invocation, path, LW_SPEC_TWIN, secrets);
  if (!lab)
    return LW_EXIT_ERROR;
  g_autofree char *svg = lw_diagram_svg(lab, NULL);
  return write_svg(invocation, svg);
}
