#include "cmd/cmd.h"

#include "audit/audit.h"
#include "base/files.h"

#include <string.h>

#define CONFIG_MAX (64 * 1024 * 1024)

static LwOpn *load_config(const char *path) {
  g_autoptr(GError) error = NULL;
  gsize length;
  g_autofree char *text = lw_file_read(path, CONFIG_MAX, &length, &error);
  LwOpn *opn = text ? lw_opn_parse(text, length, &error) : NULL;
  if (!opn && text)
    g_prefix_error(&error, "%s: ", path);
  if (!opn)
    lw_fail(error);
  return opn;
}

static gboolean write_svg(const LwInvocation *invocation, const LwAudit *audit, const char *name) {
  g_autoptr(GError) error = NULL;
  g_autofree char *svg = lw_audit_svg(audit, name);
  if (lw_file_write_atomic(invocation->output, svg, strlen(svg), 0644, &error))
    return TRUE;
  lw_fail(error);
  return FALSE;
}

int lw_audit_main(const LwInvocation *invocation) {
  const char *path = invocation->args->pdata[0] ? invocation->args->pdata[0] : invocation->file;
  if (!path || (invocation->args->pdata[0] && invocation->args->len > 2))
    return lw_fail_text("audit: one file, OPNsense's config.xml (System: Configuration: Backups: Download)");
  g_autoptr(LwOpn) opn = load_config(path);
  if (!opn)
    return LW_EXIT_ERROR;
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  g_autofree char *base = g_path_get_basename(path);
  g_autofree char *name = g_utf8_make_valid(base, -1);
  if (invocation->output && !write_svg(invocation, audit, name))
    return LW_EXIT_ERROR;
  if (invocation->json) {
    lw_print_json(lw_audit_to_json(audit, name));
  } else if (!invocation->quiet) {
    g_autofree char *text = lw_audit_format(audit, name, invocation->colour);
    g_print("%s", text);
  }
  return audit->findings->len ? LW_EXIT_VIOLATION : LW_EXIT_OK;
}
