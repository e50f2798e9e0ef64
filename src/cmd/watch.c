/* watch: stays, and puts the lab in force right again when a container or domain of it starts or ends, or a
 * port falls off the host's bridges. */
#include "base/error.h"
#include "cmd/containers.h"
#include "cmd/domains.h"
#include "cmd/hosts.h"
#include "cmd/ports.h"
#include "providers/container/engine.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>

/* An end and the start after it come together: they are one repair. Less than a lease takes to come. */
#define GATHER_MS 20
#define AGAIN_MS 1000
#define TRIES 5

typedef struct {
  const LwInvocation *invocation;
  GMainLoop *loop;
  LwPortWatch *ports;
  guint timer;
  guint tries; /* left for this repair: a container may be starting, or another lanward busy for long */
  char *notes; /* what was told last */
} Watch;

static gboolean has_machines_of_others(const LwLab *lab) {
  for (guint i = 0; i < lab->machines->len; i++)
    if (lw_lab_machine(lab, i)->kind != LW_MACHINE_CELL)
      return TRUE;
  return FALSE;
}

/* Once each: the journal is read by people. */
static void tell_notes(Watch *watch, const LwSession *session) {
  g_autoptr(GPtrArray) notes = lw_container_notes(session);
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < notes->len; i++)
    g_string_append_printf(text, "lanward: %s\n", (char *)notes->pdata[i]);
  if (g_strcmp0(text->str, watch->notes) != 0)
    g_printerr("%s", text->str);
  g_free(watch->notes);
  watch->notes = g_strdup(text->str);
}

static gboolean repair(Watch *watch, GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwSession) session = lw_session_open(watch->invocation, NULL, NULL, FALSE, &inner);
  if (!session && g_error_matches(inner, LW_ERROR, LW_ERROR_NOT_FOUND))
    return TRUE; /* no lab yet */
  if (!session) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (!lw_port_watch_set(watch->ports, session->lab, error))
    return FALSE;
  if (!has_machines_of_others(session->lab))
    return TRUE;
  tell_notes(watch, session);
  guint changes = 0;
  if (!lw_session_apply(session, &changes, error))
    return FALSE;
  if (changes && !watch->invocation->quiet)
    g_print("%s: machines are plugged in as the file says (%u changes)\n", session->lab->name, changes);
  fflush(stdout);
  return TRUE;
}

static gboolean on_due(gpointer data) {
  Watch *watch = data;
  g_autoptr(GError) error = NULL;
  watch->timer = 0;
  if (repair(watch, &error))
    return G_SOURCE_REMOVE;
  g_printerr("lanward: %s\n", error->message);
  if (watch->tries-- > 0 && !watch->timer)
    watch->timer = g_timeout_add(AGAIN_MS, on_due, watch);
  return G_SOURCE_REMOVE;
}

static void on_changed(const char *name, gpointer data) {
  Watch *watch = data;
  watch->tries = TRIES;
  if (watch->timer)
    g_source_remove(watch->timer);
  watch->timer = g_timeout_add(GATHER_MS, on_due, watch);
}

static gboolean on_end(gpointer data) {
  g_main_loop_quit(data);
  return G_SOURCE_CONTINUE;
}

int lw_watch_main(const LwInvocation *invocation) {
  g_autoptr(GError) error = NULL;
  if (!lw_host_enter(invocation, &error))
    return lw_fail(error);
  Watch watch = {.invocation = invocation,
                 .loop = g_main_loop_new(NULL, FALSE),
                 .ports = lw_port_watch_new(invocation->quiet)};
  g_unix_signal_add(SIGTERM, on_end, watch.loop);
  g_unix_signal_add(SIGINT, on_end, watch.loop);
  LwContainerWatch *containers = lw_container_watch_new(lw_container_sockets, on_changed, &watch);
  lw_domains_follow(on_changed, &watch);
  on_changed(NULL, &watch); /* one that has no engine to hear may have lost its containers all the same */
  g_main_loop_run(watch.loop);
  lw_container_watch_free(containers);
  lw_port_watch_free(watch.ports);
  if (watch.timer)
    g_source_remove(watch.timer);
  g_main_loop_unref(watch.loop);
  g_free(watch.notes);
  return LW_EXIT_OK;
}
