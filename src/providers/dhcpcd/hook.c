/* dhcpcd's hook. The order is the safety: the home LAN is known to the ruleset before a route leads there,
 * and the lease file, which others wait for, comes last. */
#include "providers/dhcpcd/hook.h"

#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/dhcpcd/lease.h"
#include "providers/dhcpcd/route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EVERYTHING "0.0.0.0/0"

static gboolean set_home_lan(const LwDhcpSettings *settings, const char *ns, const char *prefix,
                             GError **error) {
  if (!settings->home_lan_set)
    return TRUE;
  const char *set = settings->home_lan_set;
  /* SET says what is closed: everything, while nothing is known; SET_known what an allow: may open */
  g_autofree char *known = g_str_equal(prefix, EVERYTHING)
                               ? g_strdup("")
                               : g_strdup_printf("add element inet %s_known { %s }\n", set, prefix);
  g_autofree char *script =
      g_strdup_printf("flush set inet %s\nadd element inet %s { %s }\nflush set inet %s_known\n%s", set, set,
                      prefix, set, known);
  const char *argv[] = {"nft", "-f", "-", NULL};
  LwCommand command = {.argv = argv, .netns = ns, .input = script};
  g_autofree char *output = lw_command_run(&command, error);
  if (output)
    return TRUE;
  g_prefix_error(error, "cannot set the home LAN to %s: ", prefix);
  return FALSE;
}

/* WAN is closed when the home LAN is everything. A ruleset that has gone already has nothing to close. */
static gboolean close_home_lan(const LwDhcpSettings *settings, const char *ns, GError **error) {
  g_autoptr(GError) inner = NULL;
  if (set_home_lan(settings, ns, EVERYTHING, &inner))
    return TRUE;
  g_auto(GStrv) words = g_strsplit(settings->home_lan_set, " ", 2);
  const char *argv[] = {"nft", "list", "set", "inet", words[0], words[1], NULL};
  const char *env[] = {"LC_ALL=C", NULL};
  LwCommand command = {.argv = argv, .netns = ns, .env = env};
  g_autoptr(GError) missing = NULL;
  g_autofree char *listing = lw_command_run(&command, &missing);
  /* the last line of nft's message only points at the word that it did not find, so any refusal to list
     counts; one who may not list may not change either, and then the first error says so */
  if (!listing && g_error_matches(missing, LW_ERROR, LW_ERROR_FAILED) &&
      !strstr(inner->message, "not permitted"))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&inner));
  return FALSE;
}

/* The folder of `path`. Below /proc/PID/root the links belong to whoever lives there: they are followed as
 * seen from inside, never to a file of ours. */
static int open_folder(const char *path) {
  g_autofree char *folder = g_path_get_dirname(path);
  const char *inside = g_str_has_prefix(path, "/proc/") ? strstr(folder, "/root") : NULL;
  if (!inside || (inside[5] != '/' && inside[5] != '\0'))
    return lw_open_in_root(-1, folder, O_PATH | O_DIRECTORY, 0);
  g_autofree char *top = g_strndup(folder, (gsize)(inside + 5 - folder));
  int root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return -1;
  int fd = lw_open_in_root(root, inside[5] ? inside + 5 : "/", O_PATH | O_DIRECTORY, 0);
  int saved = errno;
  close(root);
  errno = saved;
  return fd;
}

static gboolean write_fd(int fd, const char *text) {
  if (fd < 0)
    return FALSE;
  gsize length = strlen(text);
  gboolean ok = write(fd, text, length) == (ssize_t)length;
  int saved = errno;
  close(fd);
  errno = saved;
  return ok;
}

/* By a rename; where the file is a mount point, which a rename cannot replace, in place. */
static gboolean replace_in(int folder, const char *name, const char *text) {
  g_autofree char *temporary = g_strdup_printf(".%s.lanward-%d", name, (int)getpid());
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (write_fd(fd, text) && renameat(folder, temporary, folder, name) == 0)
    return TRUE;
  int saved = errno;
  if (fd >= 0)
    unlinkat(folder, temporary, 0);
  errno = saved;
  if (saved != EBUSY && saved != EROFS && saved != EACCES)
    return FALSE;
  return write_fd(openat(folder, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC), text);
}

static gboolean write_resolvers(const char *path, const GArray *dns, GError **error) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; dns && i < dns->len; i++) {
    g_autofree char *server = lw_addr_format(&g_array_index(dns, LwAddr, i));
    g_string_append_printf(text, "nameserver %s\n", server);
  }
  g_autofree char *name = g_path_get_basename(path);
  int folder = open_folder(path);
  gboolean ok = folder >= 0 && replace_in(folder, name, text->str);
  if (!ok)
    lw_error_set_errno(error, "cannot write %s", path);
  if (folder >= 0)
    close(folder);
  return ok;
}

static gboolean carry_out(const LwDhcpSettings *s, const LwDhcpLease *lease, GError **error) {
  LwPrefix network = lw_prefix_network(&lease->address);
  g_autofree char *home_lan = lw_prefix_format(&network);
  if (!set_home_lan(s, NULL, home_lan, error))
    return FALSE;
  gboolean routed = !s->no_route && lw_addr_is_set(&lease->router);
  if (routed && !lw_dhcp_route_set(s->link, s->table, &lease->address, &lease->router, error))
    return FALSE;
  if (!routed && !s->no_route && !lw_dhcp_route_clear(s->link, s->table, error))
    return FALSE;
  return (!s->resolv_conf || write_resolvers(s->resolv_conf, lease->dns, error)) &&
         lw_dhcp_lease_write(s->run_dir, s->ns, s->link, lease, error);
}

static void keep_first(GError **first, GError *next) {
  if (!next)
    return;
  if (*first)
    g_error_free(next);
  else
    *first = next;
}

/* A client that was killed had no time to take its address away. */
static void clear_link(const LwDhcpSettings *s, const char *ns, const LwPrefix *address, GError **error) {
  int previous = -1;
  if (ns && *ns && (previous = lw_netns_enter(ns, error)) < 0)
    return;
  g_autoptr(GError) first = NULL;
  GError *next = NULL;
  if (!s->no_route && !lw_dhcp_route_clear(s->link, s->table, &next))
    keep_first(&first, g_steal_pointer(&next));
  if (address && !lw_dhcp_address_clear(s->link, address, &next))
    keep_first(&first, g_steal_pointer(&next));
  if (previous >= 0)
    lw_netns_leave(previous);
  if (first)
    g_propagate_error(error, g_steal_pointer(&first));
}

gboolean lw_dhcp_take_back(const LwDhcpSettings *s, const char *ns, GError **error) {
  g_autoptr(GError) first = NULL;
  GError *next = NULL;
  g_auto(LwDhcpLease) lease = {0};
  /* in the hook (no namespace named) dhcpcd lives, and its address is its own business */
  gboolean leased = ns && lw_dhcp_lease_read(s->run_dir, s->ns, s->link, &lease, NULL);
  gboolean there = !ns || !*ns || lw_netns_exists(ns);
  /* gone first, so that nobody takes the lease for one that holds */
  if (!lw_dhcp_lease_remove(s->run_dir, s->ns, s->link, &next))
    keep_first(&first, g_steal_pointer(&next));
  if (there) {
    clear_link(s, ns, leased ? &lease.address : NULL, &next);
    keep_first(&first, g_steal_pointer(&next));
  }
  if (there && !close_home_lan(s, ns, &next))
    keep_first(&first, g_steal_pointer(&next));
  if (s->resolv_conf && !write_resolvers(s->resolv_conf, NULL, &next)) {
    if (g_error_matches(next, LW_ERROR, LW_ERROR_NOT_FOUND)) /* went with its machine */
      g_clear_error(&next);
    keep_first(&first, g_steal_pointer(&next));
  }
  if (!first)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&first));
  return FALSE;
}

static gboolean is_one_of(const char *reason, const char *const *list) {
  return reason && g_strv_contains(list, reason);
}

/* A lease that cannot be carried out whole is as good as none. */
static gboolean open_lease(const LwDhcpSettings *settings, char **environment, GError **error) {
  g_auto(LwDhcpLease) lease = {0};
  if (lw_dhcp_lease_from_environment(environment, &lease, error) && carry_out(settings, &lease, error))
    return TRUE;
  g_autoptr(GError) second = NULL;
  if (!lw_dhcp_take_back(settings, NULL, &second))
    g_prefix_error(error, "%s; and ", second->message);
  return FALSE;
}

static gboolean run_hook(char **environment, GError **error) {
  static const char *const good[] = {"BOUND", "RENEW", "REBIND", "REBOOT", "TIMEOUT", "INFORM", NULL};
  static const char *const bad[] = {"EXPIRE", "NOCARRIER", "NOCARRIER_ROAMING", "RELEASE",  "STOP",
                                    "FAIL",   "NAK",       "STOPPED",           "DEPARTED", NULL};
  const char *reason = g_environ_getenv(environment, "reason");
  const char *path = g_environ_getenv(environment, "LANWARD_DHCP_SETTINGS");
  const char *interface = g_environ_getenv(environment, "interface");
  gboolean opens = is_one_of(reason, good);
  if (!opens && !is_one_of(reason, bad))
    return TRUE;
  if (!path) {
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "%s is for dhcpcd to run, as lanward starts it",
                LW_DHCP_HOOK);
    return FALSE;
  }
  g_autoptr(LwDhcpSettings) settings = lw_dhcp_settings_load_file(path, error);
  if (!settings)
    return FALSE;
  if (g_strcmp0(interface, settings->link) != 0)
    return TRUE; /* another link of that namespace, which is not ours to configure */
  return opens ? open_lease(settings, environment, error) : lw_dhcp_take_back(settings, NULL, error);
}

int lw_dhcp_hook_main(void) {
  g_auto(GStrv) environment = g_get_environ();
  g_autoptr(GError) error = NULL;
  if (run_hook(environment, &error))
    return 0;
  /* stderr is the client's log, whose last line lw_dhcpcd_wait() quotes */
  fprintf(stderr, "%s: %s\n", LW_DHCP_HOOK, error->message);
  return 1;
}
