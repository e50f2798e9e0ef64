#include "cmd/ending.h"

#include "base/error.h"
#include "providers/libvirt/libvirt.h"

#include <stdio.h>

#define USUAL_S 60

static gboolean is_removed(const LwPlan *plan, const LwLibvirtDomain *domain) {
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    const LwResource *from = change->from;
    if (change->klass == LW_CHANGE_DELETE && from->kind == LW_RES_DOMAIN && !(from->xml && *from->xml) &&
        g_str_equal(from->name, domain->name))
      return TRUE;
  }
  return FALSE;
}

static gboolean removes_domains(const LwPlan *plan) {
  for (guint i = 0; i < plan->changes->len; i++) {
    const LwChange *change = plan->changes->pdata[i];
    if (change->klass == LW_CHANGE_DELETE && change->from->kind == LW_RES_DOMAIN)
      return TRUE;
  }
  return FALSE;
}

static guint time_of(const LwLab *lab, const char *domain) {
  for (guint i = 0; i < lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(lab, i);
    if (machine->kind == LW_MACHINE_VM && machine->start && g_str_equal(machine->object, domain))
      return machine->start->timeout;
  }
  return USUAL_S;
}

static void name(GString *names, const char *one) {
  g_string_append_printf(names, "%s%s", names->len ? ", " : "", one);
}

/* Asked before, all of them: the time of each began then. */
static gboolean wait_for(const LwLibvirtDomain *domain, guint seconds, gint64 asked_at, LwEnding how,
                         GString *ended, GString *running, GError **error) {
  g_autoptr(GError) inner = NULL;
  gint64 left = how == LW_ENDING_NOW ? 0 : asked_at / 1000 + seconds * 1000 - g_get_monotonic_time() / 1000;
  if (lw_libvirt_shutdown(domain->name, (guint)MAX(left, 0), &inner)) {
    name(ended, domain->name);
    return TRUE;
  }
  if (how != LW_ENDING_ASK)
    return lw_libvirt_destroy(domain->name, error);
  name(running, domain->name);
  return TRUE;
}

gboolean lw_ending_of_domains(const LwSession *session, const LwLab *lab, const LwPlan *plan, LwEnding how,
                              GError **error) {
  if (!session->context.host || !removes_domains(plan))
    return TRUE;
  g_autoptr(GPtrArray) domains = lw_libvirt_domains(error);
  if (!domains)
    return FALSE;
  g_autoptr(GPtrArray) ours = g_ptr_array_new();
  gboolean tells = how != LW_ENDING_NOW && !session->invocation->quiet && !session->invocation->json;
  gint64 asked_at = g_get_monotonic_time();
  for (guint i = 0; i < domains->len; i++) {
    LwLibvirtDomain *domain = domains->pdata[i];
    if (!domain->running || !domain->created || !is_removed(plan, domain))
      continue;
    g_ptr_array_add(ours, domain);
    (void)lw_libvirt_shutdown(domain->name, 0, NULL); /* whoever does not hear it is dealt with below */
    if (tells)
      g_print("%s: asked to shut down, at most %u s%s\n", domain->name, time_of(lab, domain->name),
              how == LW_ENDING_FORCE ? "; then its plug is pulled" : "");
  }
  fflush(stdout);
  g_autoptr(GString) ended = g_string_new(NULL);
  g_autoptr(GString) running = g_string_new(NULL);
  for (guint i = 0; i < ours->len; i++) {
    const LwLibvirtDomain *domain = ours->pdata[i];
    if (!wait_for(domain, time_of(lab, domain->name), asked_at, how, ended, running, error))
      return FALSE;
  }
  if (running->len == 0)
    return TRUE;
  g_set_error(
      error, LW_ERROR, LW_ERROR_FAILED,
      "%s would go with the lab, was asked to shut down and still runs; the lab is as it was%s%s%s. Shut it "
      "down yourself and try again, or add --force: that pulls its plug, and what it has not written to its "
      "disk is lost",
      running->str, ended->len ? ", but for " : "", ended->str, ended->len ? ", shut down now" : "");
  return FALSE;
}
