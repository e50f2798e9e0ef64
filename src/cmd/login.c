#include "cmd/login.h"

#include "base/apart.h"
#include "base/error.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#define SYSTEMD "/run/systemd/private" /* the manager itself: there is no bus that must run */
#define ANSWER_S 5
#define MOVE_MS 2000
#define LOOK_MS 5
#define STOP_S 10 /* at shutdown; the machines' unit goes down before */

static gboolean is_in_session(void) {
  g_autofree char *text = NULL;
  return g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL) && strstr(text, "/user.slice/");
}

static void add(GVariantBuilder *properties, const char *name, GVariant *value) {
  g_variant_builder_add(properties, "(sv)", name, value);
}

/* org.freedesktop.systemd1(5), systemd.scope(5). */
static GVariant *request(guint32 pid) {
  g_autofree char *name = g_strdup_printf("lanward-%u-%" G_GINT64_MODIFIER "x.scope", pid, g_get_real_time());
  static const char *const before[] = {"lanward-machines.service", NULL};
  GVariantBuilder properties;
  g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
  add(&properties, "Description", g_variant_new_string("Started for the lanward lab"));
  add(&properties, "Slice", g_variant_new_string("system.slice"));
  add(&properties, "Before", g_variant_new_strv(before, -1));
  add(&properties, "TimeoutStopUSec", g_variant_new_uint64(STOP_S * G_USEC_PER_SEC));
  add(&properties, "CollectMode", g_variant_new_string("inactive-or-failed"));
  add(&properties, "PIDs", g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, &pid, 1, sizeof pid));
  return g_variant_new("(ssa(sv)a(sa(sv)))", name, "fail", &properties, NULL);
}

static gboolean ask(gpointer data, GString *answer, GError **error) {
  (void)answer;
  g_autoptr(GDBusConnection) systemd = g_dbus_connection_new_for_address_sync(
      "unix:path=" SYSTEMD, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, error);
  g_autoptr(GVariant) job =
      systemd ? g_dbus_connection_call_sync(systemd, NULL, "/org/freedesktop/systemd1",
                                            "org.freedesktop.systemd1.Manager", "StartTransientUnit",
                                            request(GPOINTER_TO_UINT(data)), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                                            NULL, error)
              : NULL;
  return job != NULL;
}

gboolean lw_login_leave(GError **error) {
  if (!is_in_session() || !g_file_test(SYSTEMD, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autofree char *answer = lw_apart("systemd", ask, GUINT_TO_POINTER((guint)getpid()), ANSWER_S, error);
  if (!answer)
    return FALSE;
  for (guint waited = 0; is_in_session(); waited += LOOK_MS) {
    if (waited > MOVE_MS) {
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "systemd has not moved this process out of its session");
      return FALSE;
    }
    g_usleep(LOOK_MS * 1000);
  }
  return TRUE;
}
