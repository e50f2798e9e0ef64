/* watch: stays, and puts the lab in force right again when a container or domain of it starts or ends, a port
 * falls off the host's bridges, or Docker makes its chains anew. Another file is followed when it is applied.
 */
#include "base/error.h"
#include "cmd/containers.h"
#include "cmd/domains.h"
#include "cmd/endpoints.h"
#include "cmd/generations.h"
#include "cmd/hosts.h"
#include "cmd/ports.h"
#include "cmd/target.h"
#include "providers/container/engine.h"
#include "providers/firewall/follow.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* An end and the start after it come together: they are one repair. Less than a lease takes to come. */
#define GATHER_MS 20
#define AGAIN_MS 1000
#define TRIES 5
/* Docker writes its chains one command after the other; a transaction of ours writes the state many times. */
#define SETTLE_MS 500
/* Between two questions for the endpoint of a tunnel that has no handshake. */
#define ENDPOINTS_S 60

typedef struct {
  const LwInvocation *invocation;
  GMainLoop *loop;
  LwPortWatch *ports;
  guint timer;
  guint file_timer;
  char *router_ns;
  GPtrArray *tunnels; /* of char*: whose endpoints are names */
  guint generation;   /* of the file in force, as it was looked at last */
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
  if (!session && g_error_matches(inner, LW_ERROR, LW_ERROR_NOT_FOUND)) {
    watch->generation = 0;
    return lw_port_watch_set(watch->ports, NULL, error); /* no lab yet, or none any more */
  }
  if (!session) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (!lw_port_watch_set(watch->ports, session->lab, error))
    return FALSE;
  watch->generation = lw_generation_current(session->engine, NULL);
  lw_endpoints_ask_again(session);
  g_clear_pointer(&watch->tunnels, g_ptr_array_unref);
  watch->tunnels = lw_endpoints_named(session);
  g_free(watch->router_ns);
  watch->router_ns = g_strdup(session->facts->router_ns);
  if (!has_machines_of_others(session->lab) && !lw_host_forwards(session->lab) && watch->tunnels->len == 0)
    return TRUE;
  tell_notes(watch, session);
  guint changes = 0;
  if (!lw_session_apply(session, &changes, error))
    return FALSE;
  if (changes && !watch->invocation->quiet)
    g_print("%s: as the file says again (%u changes)\n", session->lab->name, changes);
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

static void repair_in(Watch *watch, guint ms) {
  watch->tries = TRIES;
  if (watch->timer)
    g_source_remove(watch->timer);
  watch->timer = g_timeout_add(ms, on_due, watch);
}

static void on_changed(const char *name, gpointer data) {
  repair_in(data, GATHER_MS);
}

/* Nobody keeps DOCKER-USER over a boot, and Docker may come to it after us. */
static gboolean on_firewall(int fd, GIOCondition condition, gpointer data) {
  if (lw_firewall_news(fd))
    repair_in(data, SETTLE_MS);
  return G_SOURCE_CONTINUE;
}

static gboolean on_endpoints(gpointer data) {
  Watch *watch = data;
  if (watch->tunnels && lw_endpoints_are_stale(watch->router_ns, watch->tunnels))
    on_changed(NULL, watch);
  return G_SOURCE_CONTINUE;
}

/* --- another file
 * ------------------------------------------------------------------------------------------------------- */

static gboolean on_state_settled(gpointer data) {
  Watch *watch = data;
  watch->file_timer = 0;
  g_autoptr(LwSession) session = lw_session_begin(watch->invocation, NULL, TRUE, NULL);
  /* one that waits to be confirmed, or is under way, is followed when it is through: the state is written
   * then */
  guint generation = session ? lw_generation_current(session->engine, NULL) : watch->generation;
  if (generation != watch->generation)
    on_changed(NULL, watch);
  return G_SOURCE_REMOVE;
}

static void on_state(GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                     gpointer data) {
  Watch *watch = data;
  if (!watch->file_timer)
    watch->file_timer = g_timeout_add(SETTLE_MS, on_state_settled, watch);
}

static GFileMonitor *follow_state(Watch *watch, GError **error) {
  g_autofree char *path = g_build_filename(lw_target_state_dir(), "state.db", NULL);
  g_autoptr(GFile) file = g_file_new_for_path(path);
  GFileMonitor *monitor = g_file_monitor_file(file, G_FILE_MONITOR_NONE, NULL, error);
  if (monitor)
    g_signal_connect(monitor, "changed", G_CALLBACK(on_state), watch);
  return monitor;
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
  g_autoptr(GFileMonitor) state = follow_state(&watch, &error);
  int firewall = state ? lw_firewall_follow(&error) : -1;
  if (firewall < 0)
    return lw_fail(error);
  g_unix_fd_add(firewall, G_IO_IN, on_firewall, &watch);
  g_timeout_add_seconds(ENDPOINTS_S, on_endpoints, &watch);
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
  if (watch.file_timer)
    g_source_remove(watch.file_timer);
  close(firewall);
  g_main_loop_unref(watch.loop);
  g_free(watch.notes);
  g_free(watch.router_ns);
  g_clear_pointer(&watch.tunnels, g_ptr_array_unref);
  return LW_EXIT_OK;
}
