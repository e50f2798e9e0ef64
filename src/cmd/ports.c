#include "cmd/ports.h"

#include "providers/kernel/ports.h"

#include <glib-unix.h>
#include <stdio.h>

struct LwPortWatch {
  gboolean quiet;
  char **bridges;
  LwPortKeeper *keeper; /* NULL: no lab yet */
  guint source, timer;
};

static void look(LwPortWatch *watch);

static gboolean on_due(gpointer data) {
  LwPortWatch *watch = data;
  watch->timer = 0;
  look(watch);
  return G_SOURCE_REMOVE;
}

static gboolean on_news(int fd, GIOCondition condition, gpointer data) {
  (void)fd;
  (void)condition;
  look(data);
  return G_SOURCE_CONTINUE;
}

static void look(LwPortWatch *watch) {
  g_autoptr(GPtrArray) told = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  if (!lw_port_keeper_look(watch->keeper, told, &error))
    g_printerr("lanward: %s\n", error->message);
  for (guint i = 0; i < told->len && !watch->quiet; i++)
    g_print("put back: %s, which somebody had taken off\n", (char *)told->pdata[i]);
  fflush(stdout);
  int due = lw_port_keeper_due(watch->keeper);
  if (due >= 0 && !watch->timer)
    watch->timer = g_timeout_add((guint)due, on_due, watch);
}

LwPortWatch *lw_port_watch_new(gboolean quiet) {
  LwPortWatch *watch = g_new0(LwPortWatch, 1);
  watch->quiet = quiet;
  return watch;
}

static void stop(LwPortWatch *watch) {
  if (watch->source)
    g_source_remove(watch->source);
  if (watch->timer)
    g_source_remove(watch->timer);
  watch->source = watch->timer = 0;
  g_clear_pointer(&watch->keeper, lw_port_keeper_free);
  g_clear_pointer(&watch->bridges, g_strfreev);
}

void lw_port_watch_free(LwPortWatch *watch) {
  stop(watch);
  g_free(watch);
}

gboolean lw_port_watch_set(LwPortWatch *watch, const LwLab *lab, GError **error) {
  if (!lab) {
    stop(watch);
    return TRUE;
  }
  const char *const bridges[] = {lab->host.bridge, lab->host.management.bridge, NULL};
  if (watch->bridges && g_strv_equal((const char *const *)watch->bridges, bridges))
    return TRUE;
  stop(watch);
  watch->keeper = lw_port_keeper_new(bridges, error);
  if (!watch->keeper)
    return FALSE;
  watch->bridges = g_strdupv((char **)bridges);
  watch->source = g_unix_fd_add(lw_port_keeper_fd(watch->keeper), G_IO_IN, on_news, watch);
  return TRUE;
}
