#include "providers/wireguard/wireguard.h"

#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/wireguard/link.h"
#include "providers/wireguard/translate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_FOLDER "/var/run/wireguard"
#define START_TIMEOUT_US (2 * G_USEC_PER_SEC)
#define START_POLL_US 1000
#define STOP_GRACE_MS 500

static const LwResourceKind kinds[] = {LW_RES_TUNNEL, LW_RES_LAST};

/* --- one tunnel
 * ---------------------------------------------------------------------------------------------------------
 */

static char *pid_path(const LwProvider *self, const LwResource *tunnel) {
  return g_strdup_printf("%s/wg-%s-%s.pid", self->context->run_dir, tunnel->ns, tunnel->name);
}

/* wireguard-go's socket: one folder for the whole mount namespace, whatever the network namespace. */
static char *socket_path(const LwResource *tunnel) {
  return g_strdup_printf(SOCKET_FOLDER "/%s.sock", tunnel->name);
}

static gboolean link_there(const LwResource *tunnel, guint32 *mtu, gboolean *up) {
  int previous = lw_netns_enter(tunnel->ns, NULL);
  if (previous < 0)
    return FALSE;
  gboolean there = lw_wg_link_get(tunnel->name, mtu, up);
  lw_netns_leave(previous);
  return there;
}

static gboolean create_in_kernel(const LwResource *tunnel, GError **error) {
  int previous = lw_netns_enter(tunnel->ns, error);
  if (previous < 0)
    return FALSE;
  gboolean ok = lw_wg_link_create(tunnel->name, error);
  lw_netns_leave(previous);
  return ok;
}

static gboolean spawn_userspace(const LwProvider *self, const LwResource *tunnel, GError **error) {
  g_autofree char *socket = socket_path(tunnel);
  if (unlink(socket) != 0 && errno != ENOENT) { /* left by one that was killed */
    lw_error_set_errno(error, "cannot remove %s", socket);
    return FALSE;
  }
  g_autofree char *log = g_strdup_printf("%s/wg-%s-%s.log", self->context->run_dir, tunnel->ns, tunnel->name);
  const char *argv[] = {"wireguard-go", tunnel->name, NULL};
  const char *env[] = {"WG_PROCESS_FOREGROUND=1", "LOG_LEVEL=error", NULL};
  g_autofree char *path = pid_path(self, tunnel);
  LwCommand command = {.argv = argv, .env = env, .netns = tunnel->ns, .log = log, .pid_file = path};
  return lw_command_spawn(&command, error) > 0;
}

/* Kernel first; wireguard-go when the kernel says that it has none. */
static gboolean start(const LwProvider *self, const LwResource *tunnel, GError **error) {
  g_autoptr(GError) local = NULL;
  if (create_in_kernel(tunnel, &local))
    return TRUE;
  if (!g_error_matches(local, LW_ERROR, LW_ERROR_UNSUPPORTED)) {
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
  }
  return spawn_userspace(self, tunnel, error);
}

/* The identity kept for a tunnel's wireguard-go; NULL: none was started. */
static char *kept_identity(const LwProvider *self, const LwResource *tunnel) {
  g_autofree char *path = pid_path(self, tunnel);
  char *identity = g_file_test(path, G_FILE_TEST_EXISTS) ? lw_file_read(path, 256, NULL, NULL) : NULL;
  return identity ? g_strchomp(identity) : NULL;
}

/* Whether the link is there. One whose wireguard-go has just died goes with the last of its threads, a moment
 * after the process itself is dead: that is waited for. */
static gboolean link_stays(const LwProvider *self, const LwResource *tunnel) {
  guint32 mtu;
  gboolean up;
  g_autofree char *identity = kept_identity(self, tunnel);
  gint64 deadline = g_get_monotonic_time() + START_TIMEOUT_US;
  while (link_there(tunnel, &mtu, &up)) {
    if (!identity || lw_process_alive(identity) || g_get_monotonic_time() > deadline)
      return TRUE;
    g_usleep(START_POLL_US);
  }
  return FALSE;
}

/* Its socket is a file before anybody listens there. */
static gboolean answers(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    return FALSE;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (fd >= 0)
    close(fd);
  return ok;
}

static gboolean wait_ready(const LwProvider *self, const LwResource *tunnel, GError **error) {
  g_autofree char *identity = kept_identity(self, tunnel);
  if (!identity)
    return TRUE; /* in the kernel: ready when made */
  g_autofree char *path = socket_path(tunnel);
  gint64 deadline = g_get_monotonic_time() + START_TIMEOUT_US;
  while (!answers(path)) {
    if (!lw_process_alive(identity) || g_get_monotonic_time() > deadline) {
      g_set_error(
          error, LW_ERROR, LW_ERROR_FAILED,
          "wireguard-go for %s did not come up (is /dev/net/tun there and writable?): see %s/wg-%s-%s.log",
          tunnel->name, self->context->run_dir, tunnel->ns, tunnel->name);
      return FALSE;
    }
    g_usleep(START_POLL_US);
  }
  return TRUE;
}

/* The error is ours alone: what wg prints may quote a key. */
static gboolean configure(const LwProvider *self, const LwResource *tunnel, GError **error) {
  char *config = lw_wireguard_config(tunnel, self->context->secrets, error);
  if (!config)
    return FALSE;
  const char *argv[] = {"wg", "syncconf", tunnel->name, "/dev/stdin", NULL};
  LwCommand command = {.argv = argv, .netns = tunnel->ns, .input = config};
  g_autoptr(GError) local = NULL;
  g_autofree char *output = lw_command_run(&command, &local);
  lw_secret_clear(config);
  if (output)
    return TRUE;
  if (g_error_matches(local, LW_ERROR, LW_ERROR_NOT_FOUND))
    g_propagate_error(error, g_steal_pointer(&local));
  else
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "wg refused the settings of %s (a key, an endpoint or a prefix)", tunnel->name);
  return FALSE;
}

static gboolean bring_up(const LwResource *tunnel, GError **error) {
  int previous = lw_netns_enter(tunnel->ns, error);
  if (previous < 0)
    return FALSE;
  gboolean ok = lw_wg_link_set(tunnel->name, tunnel->mtu, tunnel->up, error);
  lw_netns_leave(previous);
  return ok;
}

static gboolean delete_link(const LwResource *tunnel, GError **error) {
  if (!lw_netns_exists(tunnel->ns) && tunnel->ns[0])
    return TRUE;
  int previous = lw_netns_enter(tunnel->ns, error);
  if (previous < 0)
    return FALSE;
  gboolean ok = lw_wg_link_delete(tunnel->name, error);
  lw_netns_leave(previous);
  return ok;
}

static gboolean stop(const LwProvider *self, const LwResource *tunnel, GError **error) {
  g_autofree char *path = pid_path(self, tunnel);
  g_autofree char *socket = socket_path(tunnel);
  gboolean had = FALSE;
  if (!lw_process_end(path, STOP_GRACE_MS, &had, error))
    return FALSE;
  if (had)
    (void)unlink(socket);
  return delete_link(tunnel, error);
}

/* One that an earlier lanward told to end, and was killed before it was gone. */
static gboolean finish_stop(const LwProvider *self, const LwResource *tunnel, GError **error) {
  g_autofree char *path = pid_path(self, tunnel);
  gboolean had = FALSE;
  return lw_process_end_pending(path, STOP_GRACE_MS, &had, error) && (!had || delete_link(tunnel, error));
}

/* --- the interface
 * -------------------------------------------------------------------------------------------------------- */

/* wireguard-go's sockets are seen from every namespace: mostly one call tells all. */
static gboolean dump_namespace(const char *ns, GHashTable *tunnels, GError **error) {
  const char *argv[] = {"wg", "show", "all", "dump", NULL};
  LwCommand command = {.argv = argv, .netns = ns};
  char *dump = lw_command_run(&command, error);
  if (!dump)
    return FALSE;
  gboolean ok = lw_wireguard_parse_dump(dump, tunnels, error);
  lw_secret_clear(dump);
  return ok;
}

static void report(LwResource *dumped, const LwResource *asked, guint32 mtu, gboolean up,
                   LwResourceSet *seen) {
  LwResource *tunnel = lw_resource_ref(dumped);
  g_free(tunnel->ns);
  tunnel->ns = g_strdup(asked->ns);
  tunnel->mtu = mtu;
  tunnel->up = up;
  lw_wireguard_normalise(tunnel, asked);
  lw_resource_set_add(seen, tunnel);
}

static gboolean observe_list(const LwResourceSet *asked, GHashTable *dumped, LwResourceSet *seen,
                             GError **error) {
  for (guint i = 0; asked && i < asked->list->len; i++) {
    const LwResource *tunnel = asked->list->pdata[i];
    guint32 mtu = 0;
    gboolean up = FALSE;
    if (tunnel->kind != LW_RES_TUNNEL)
      continue;
    g_autofree char *key = lw_resource_key(tunnel);
    if (lw_resource_set_find(seen, key) || !link_there(tunnel, &mtu, &up))
      continue;
    LwResource *found = g_hash_table_lookup(dumped, tunnel->name);
    if (!found && !dump_namespace(tunnel->ns, dumped, error))
      return FALSE;
    found = g_hash_table_lookup(dumped, tunnel->name);
    if (found)
      report(found, tunnel, mtu, up, seen);
  }
  return TRUE;
}

static gboolean wireguard_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                                  LwResourceSet *seen, GError **error) {
  (void)self;
  g_autoptr(GHashTable) dumped =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lw_resource_unref);
  return observe_list(wanted, dumped, seen, error) && observe_list(owned, dumped, seen, error);
}

static gboolean wireguard_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (!change->to)
      continue;
    if (strlen(change->to->name) > 15) {
      g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "tunnel name %s is longer than 15 bytes", change->to->name);
      return FALSE;
    }
    if (change->klass == LW_CHANGE_CREATE && link_stays(self, change->to)) {
      g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                  "there is an interface %s already, and it is not lanward's", change->to->name);
      return FALSE;
    }
    char *config = lw_wireguard_config(change->to, self->context->secrets, error);
    if (!config)
      return FALSE;
    lw_secret_clear(config);
  }
  return TRUE;
}

static GBytes *wireguard_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  (void)self;
  (void)error;
  return lw_undo_from_changes(changes);
}

static gboolean calls_out(const LwResource *tunnel) {
  for (guint i = 0; i < tunnel->peers->len; i++)
    if (lw_addr_is_set(&((LwPeer *)tunnel->peers->pdata[i])->endpoint))
      return TRUE;
  return FALSE;
}

static gboolean finish(const LwProvider *self, const GPtrArray *changes, gboolean callers, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (change->to && calls_out(change->to) == callers &&
        (!wait_ready(self, change->to, error) || !configure(self, change->to, error) ||
         !bring_up(change->to, error)))
      return FALSE;
  }
  return TRUE;
}

/* All are started before any is waited for; those that are called come up before those that call, since a
 * first handshake that nobody answers is tried again only after five seconds. */
static gboolean wireguard_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if ((change->klass == LW_CHANGE_DELETE || change->klass == LW_CHANGE_REPLACE) &&
        !stop(self, change->from, error))
      return FALSE;
    if (change->to && (!finish_stop(self, change->to, error) ||
                       (!link_stays(self, change->to) && !start(self, change->to, error))))
      return FALSE;
  }
  return finish(self, changes, FALSE, error) && finish(self, changes, TRUE, error);
}

static gboolean wireguard_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(undo, error);
  return changes && wireguard_apply(self, changes, error);
}

static void wireguard_free(LwProvider *self) {
  g_free(self);
}

static const LwProviderOps ops = {
    .name = "wireguard",
    .kinds = kinds,
    .observe = wireguard_observe,
    .check = wireguard_check,
    .prepare = wireguard_prepare,
    .apply = wireguard_apply,
    .undo = wireguard_undo,
    .free = wireguard_free,
};

LwProvider *lw_wireguard_provider_new(const LwProviderContext *context, GError **error) {
  (void)error;
  LwProvider *provider = g_new0(LwProvider, 1);
  provider->ops = &ops;
  provider->context = context;
  return provider;
}

/* "PUBLIC-KEY<TAB>SECONDS" a peer, 0 for never (wg(8)). */
gint64 lw_wireguard_last_handshake(const char *ns, const char *name) {
  const char *argv[] = {"wg", "show", name, "latest-handshakes", NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv, .netns = ns}, NULL);
  const char *tab = out ? strchr(out, '\t') : NULL;
  return tab ? g_ascii_strtoll(tab + 1, NULL, 10) : -1;
}

gboolean lw_wireguard_handshake(const char *ns, const char *name) {
  return lw_wireguard_last_handshake(ns, name) > 0;
}
