/* One dhcpcd for a link: configuration, start, wait, stop. */
#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "providers/dhcpcd/hook.h"
#include "providers/dhcpcd/lease.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define GRACE_MS 3000
#define MAX_PID_FILE 256

static char *read_identity(const char *run_dir, const char *ns, const char *link) {
  g_autofree char *path = lw_dhcp_path(run_dir, "dhcp", ns, link, "pid");
  char *identity = lw_file_read(path, MAX_PID_FILE, NULL, NULL);
  return identity ? g_strchomp(identity) : NULL;
}

pid_t lw_dhcpcd_pid(const char *run_dir, const char *ns, const char *link) {
  g_autofree char *identity = read_identity(run_dir, ns, link);
  return lw_process_alive(identity);
}

/* The least that asks at once, and asks afresh: with `reboot 0` it does not insist on an address of the
 * segment that it was moved from. All but the address is left to the hook. */
static gboolean write_configuration(const LwDhcpSettings *s, const char *path, GError **error) {
  g_autofree char *settings = lw_dhcp_path(s->run_dir, "dhcp", s->ns, s->link, "settings");
  g_autoptr(GString) text =
      g_string_new("clientid\nipv4only\nnoipv6\nnoipv4ll\nnoarp\nnodelay\nnodev\nnogateway\n"
                   "timeout 0\nreboot 0\n"
                   "option domain_name_servers, routers, subnet_mask, interface_mtu\n"
                   "require dhcp_server_identifier\n");
  g_string_append_printf(text, "env LANWARD_DHCP_SETTINGS=%s\n", settings);
  if (s->hostname)
    g_string_append_printf(text, "hostname %s\n", s->hostname);
  return lw_file_write_atomic(path, text->str, text->len, 0600, error);
}

/* By rename: clients of other links may be about to run it. */
static gboolean link_hook(const char *run_dir, const char *self_path, const char *path, GError **error) {
  g_autofree char *target = g_file_read_link(path, NULL);
  if (g_strcmp0(target, self_path) == 0)
    return TRUE;
  g_autofree char *temporary = g_strdup_printf("%s.%d", path, (int)getpid());
  unlink(temporary);
  if (symlink(self_path, temporary) == 0 && rename(temporary, path) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make %s", path);
  unlink(temporary);
  return FALSE;
}

static gboolean one_uid_only(void) {
  g_autofree char *map = NULL;
  if (!g_file_get_contents("/proc/self/uid_map", &map, NULL, NULL))
    return FALSE;
  g_auto(GStrv) lines = g_strsplit(g_strstrip(map), "\n", -1);
  unsigned inside = 0, outside = 0, count = 0;
  return g_strv_length(lines) == 1 && sscanf(lines[0], "%u %u %u", &inside, &outside, &count) == 3 &&
         count == 1;
}

/* dhcpcd drops to a user of its own when there is one, which fails where only root is mapped. */
static gboolean hide_users(const LwDhcpSettings *s, char **source, GError **error) {
  static const char only_root[] = "root:x:0:0:root:/root:/usr/sbin/nologin\n";
  *source = NULL;
  if (!one_uid_only() || (!getpwnam("dhcpcd") && !getpwnam("_dhcpcd")))
    return TRUE;
  g_autofree char *path = g_build_filename(s->run_dir, "dhcp-passwd", NULL);
  if (!lw_file_write_atomic(path, only_root, sizeof only_root - 1, 0644, error))
    return FALSE;
  *source = g_steal_pointer(&path);
  return TRUE;
}

static pid_t spawn(const LwDhcpSettings *s, const char *hook, GError **error) {
  g_autofree char *configuration = lw_dhcp_path(s->run_dir, "dhcp", s->ns, s->link, "conf");
  g_autofree char *log = lw_dhcp_path(s->run_dir, "dhcp", s->ns, s->link, "log");
  g_autofree char *passwd = NULL;
  if (!write_configuration(s, configuration, error) || !hide_users(s, &passwd, error))
    return -1;
  unlink(log); /* of an earlier one */
  const char *argv[] = {"dhcpcd", "-B", "-f", configuration, "--script", hook, s->link, NULL};
  const char *dirs[] = {"/run/dhcpcd", "/var/lib/dhcpcd", NULL};
  const char *files[] = {"/etc/passwd", passwd, NULL};
  g_autofree char *pid_file = lw_dhcp_path(s->run_dir, "dhcp", s->ns, s->link, "pid");
  LwCommand command = {.argv = argv,
                       .netns = s->ns,
                       .log = log,
                       .pid_file = pid_file,
                       .private_dirs = dirs,
                       .private_files = passwd ? files : NULL};
  return lw_command_spawn(&command, error);
}

gboolean lw_dhcpcd_start(const LwProviderContext *context, const LwDhcpClient *client, GError **error) {
  g_autoptr(LwDhcpSettings) s = lw_dhcp_settings_new(context->run_dir, client, error);
  if (!s)
    return FALSE;
  if (!context->self_path || !g_path_is_absolute(context->self_path)) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "dhcpcd has no program to call back: the path of lanward is unknown");
    return FALSE;
  }
  g_autofree char *hook = g_build_filename(s->run_dir, LW_DHCP_HOOK, NULL);
  if (!lw_dhcpcd_stop(s->run_dir, s->ns, s->link, error) ||
      !link_hook(s->run_dir, context->self_path, hook, error) || !lw_dhcp_settings_save(s, error))
    return FALSE;
  if (spawn(s, hook, error) > 0)
    return TRUE;
  lw_dhcpcd_stop(s->run_dir, s->ns, s->link, NULL); /* the first error is the one to tell */
  return FALSE;
}

/* dhcpcd notes after the hook's own words only that it failed: version 9 in the first words, 10 in the
 * second. */
static gboolean says_nothing(const char *line) {
  return *line == '\0' || g_str_has_prefix(line, "script_run:") || g_str_has_prefix(line, "script_status:");
}

static char *last_log_line(const char *run_dir, const char *ns, const char *link) {
  g_autofree char *path = lw_dhcp_path(run_dir, "dhcp", ns, link, "log");
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return g_strdup("nothing");
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  guint last = g_strv_length(lines);
  while (last > 0 && says_nothing(lines[last - 1]))
    last--;
  char *line = g_utf8_make_valid(last > 0 ? lines[last - 1] : "nothing", -1);
  for (char *c = line; *c; c++)
    if (g_ascii_iscntrl(*c))
      *c = ' ';
  return line;
}

static gboolean no_lease(const char *run_dir, const char *ns, const char *link, const char *why,
                         GError **error) {
  g_autofree char *line = last_log_line(run_dir, ns, link);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "no DHCP lease on %s%s%s: %s; dhcpcd said last: %.500s", link,
              ns && *ns ? " of " : "", ns && *ns ? ns : "", why, line);
  return FALSE;
}

static gboolean has_lease(const char *run_dir, const char *ns, const char *link) {
  g_auto(LwDhcpLease) lease = {0};
  return lw_dhcp_lease_read(run_dir, ns, link, &lease, NULL);
}

/* Sleeps until a file changes, the process ends, or the deadline. */
static void sleep_until_change(int watch, int process, gint64 deadline) {
  char events[4096];
  gint64 left = MAX(deadline - g_get_monotonic_time(), 0);
  struct pollfd polls[] = {{watch, POLLIN, 0}, {process, POLLIN, 0}};
  if (poll(polls, 2, (int)((left + 999) / 1000)) <= 0)
    return;
  while (read(watch, events, sizeof events) > 0)
    continue;
}

gboolean lw_dhcpcd_wait(const char *run_dir, const char *ns, const char *link, guint timeout_ms,
                        GError **error) {
  gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  pid_t pid = lw_dhcpcd_pid(run_dir, ns, link);
  int process = pid > 0 ? pidfd_open(pid, 0) : -1;
  int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  gboolean watching = watch >= 0 && inotify_add_watch(watch, run_dir, IN_MOVED_TO) >= 0;
  gboolean leased = FALSE, alive = TRUE, in_time = TRUE;
  if (!watching)
    lw_error_set_errno(error, "cannot watch %s", run_dir);
  while (watching) {
    alive = process >= 0 && lw_dhcpcd_pid(run_dir, ns, link) == pid;
    in_time = g_get_monotonic_time() < deadline;
    leased = alive && has_lease(run_dir, ns, link);
    if (leased || !alive || !in_time)
      break;
    sleep_until_change(watch, process, deadline);
  }
  if (watch >= 0)
    close(watch);
  if (process >= 0)
    close(process);
  if (leased || !watching)
    return leased;
  g_autofree char *late = g_strdup_printf("none came within %u ms", timeout_ms);
  return no_lease(run_dir, ns, link, alive ? late : "dhcpcd does not run", error);
}

/* The pid file goes last of all: while it is there, a crash between leaves something to stop. */
static gboolean remove_files(const char *run_dir, const char *ns, const char *link, GError **error) {
  static const char *const extensions[] = {"log", "conf", "settings", "pid"};
  for (gsize i = 0; i < G_N_ELEMENTS(extensions); i++) {
    g_autofree char *path = lw_dhcp_path(run_dir, "dhcp", ns, link, extensions[i]);
    if (unlink(path) != 0 && errno != ENOENT) {
      lw_error_set_errno(error, "cannot remove %s", path);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean lw_dhcpcd_stop(const char *run_dir, const char *ns, const char *link, GError **error) {
  g_autofree char *identity = read_identity(run_dir, ns, link);
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwDhcpSettings) s = lw_dhcp_settings_load(run_dir, ns, link, &inner);
  if (!s && !g_error_matches(inner, LW_ERROR, LW_ERROR_NOT_FOUND)) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (!lw_process_stop(identity, GRACE_MS, error))
    return FALSE;
  /* again, although its hook did so: it may have been killed */
  g_autoptr(GError) left = NULL;
  if (s && !lw_dhcp_take_back(s, s->ns, &left)) {
    /* the files stay, so that it can be tried again */
    g_propagate_prefixed_error(error, g_steal_pointer(&left), "stopping the DHCP client of %s: ", link);
    return FALSE;
  }
  return lw_dhcp_lease_remove(run_dir, ns, link, error) && remove_files(run_dir, ns, link, error);
}

/* A new dhcpcd, not a signal: told to rebind (SIGHUP) while it has an address of another network, dhcpcd 9
 * asks but does not hear the offer. This way the old address goes at once, too. */
gboolean lw_dhcpcd_rebind(const char *run_dir, const char *ns, const char *link, GError **error) {
  if (lw_dhcpcd_pid(run_dir, ns, link) == 0) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "no DHCP client runs on %s%s%s", link,
                ns && *ns ? " of " : "", ns && *ns ? ns : "");
    return FALSE;
  }
  g_autoptr(LwDhcpSettings) s = lw_dhcp_settings_load(run_dir, ns, link, error);
  if (!s)
    return FALSE;
  g_autofree char *hook = g_build_filename(run_dir, LW_DHCP_HOOK, NULL);
  g_autofree char *self_path = g_file_read_link(hook, error);
  if (!self_path)
    return FALSE;
  LwProviderContext context = {.run_dir = run_dir, .self_path = self_path};
  LwDhcpClient client = {s->ns, s->link, s->table, s->no_route, s->home_lan_set, s->resolv_conf, s->hostname};
  return lw_dhcpcd_start(&context, &client, error);
}
