/* lanward with faults, for the tests: LANWARD_FAULT is a list like "fail:apply:7,kill:undo:2". Each entry
 * fails, or kills this process, the Nth time (from 0) that a phase of a provider (prepare, apply, undo) is
 * about to run. The file named by LANWARD_FAULT_SEEN gets a line a phase, so that a test knows how many there
 * were. LANWARD_DISORDER=early: every plan has its bounds taken out and its new rule tables loaded first, as
 * a wrong order would have it. */
#include "base/error.h"
#include "cmd/session.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

int lw_program_main(int argc, char **argv);

#define PHASES 3
static const char *const phases[PHASES] = {"prepare", "apply", "undo"};
static guint seen[PHASES];

static guint index_of(const char *phase) {
  for (guint i = 0; i < PHASES; i++)
    if (g_str_equal(phases[i], phase))
      return i;
  g_error("no phase %s", phase);
}

static void note(const char *provider, const char *phase) {
  const char *path = g_getenv("LANWARD_FAULT_SEEN");
  int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
  if (fd < 0)
    return;
  g_autofree char *line = g_strdup_printf("%s %s\n", phase, provider);
  if (write(fd, line, strlen(line)) < 0)
    g_error("%s cannot be written", path);
  close(fd);
}

static gboolean inject(const LwProvider *provider, const char *phase, gpointer data, GError **error) {
  (void)data;
  guint which = index_of(phase);
  guint now = seen[which]++;
  note(provider->ops->name, phase);
  g_auto(GStrv) faults = g_strsplit(g_getenv("LANWARD_FAULT") ? g_getenv("LANWARD_FAULT") : "", ",", -1);
  for (guint i = 0; faults[i]; i++) {
    g_auto(GStrv) parts = g_strsplit(faults[i], ":", 3);
    guint64 at = 0;
    if (g_strv_length(parts) != 3 || !g_ascii_string_to_unsigned(parts[2], 10, 0, G_MAXUINT, &at, NULL))
      g_error("LANWARD_FAULT: “%s” is no fault", faults[i]);
    if (index_of(parts[1]) != which || at != now)
      continue;
    if (g_str_equal(parts[0], "kill"))
      raise(SIGKILL);
    g_set_error(error, LW_ERROR, LW_ERROR_INJECTED, "a test made %s of %s fail (%" G_GUINT64_FORMAT ")",
                phase, provider->ops->name, at);
    return FALSE;
  }
  return TRUE;
}

static gboolean is_about(const LwPlanStep *step, LwResourceKind kind) {
  const LwChange *change = step->changes->pdata[0];
  return (change->to ? change->to : change->from)->kind == kind;
}

/* The step after which all rule tables are as the new file has them. */
static guint last_tables(const LwPlan *plan) {
  for (guint i = plan->steps->len; i > 0; i--)
    if (is_about(plan->steps->pdata[i - 1], LW_RES_RULESET))
      return i - 1;
  return 0;
}

static void load_early(LwPlan *plan) {
  guint last = plan->steps->len ? last_tables(plan) : 0;
  for (guint i = last; i > 0; i--) {
    gpointer earlier = plan->steps->pdata[i - 1];
    plan->steps->pdata[i - 1] = plan->steps->pdata[i];
    plan->steps->pdata[i] = earlier;
  }
  for (guint i = plan->steps->len; i > 1; i--)
    if (is_about(plan->steps->pdata[i - 1], LW_RES_RULESET))
      g_ptr_array_remove_index(plan->steps, i - 1);
}

#undef main
int main(int argc, char **argv) {
  lw_session_set_injector(inject, NULL);
  if (g_strcmp0(g_getenv("LANWARD_DISORDER"), "early") == 0)
    lw_session_set_disorder(load_early);
  return lw_program_main(argc, argv);
}
