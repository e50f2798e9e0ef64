/* TUNNEL resources: a WireGuard interface each, of the kernel where it has WireGuard, else of a wireguard-go.
 *
 * A wireguard-go leaves "wg-NAME" in the run folder: its identity. Its TUN goes with it, so one that has died is
 * simply a tunnel that is not there. Its control socket is one a machine, not one a namespace: names of tunnels
 * are unique. Interfaces carry the owner's mark as their alias.
 *
 * Undo: the generic one (the changes, reversed). Private keys are in it by reference alone.
 */
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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_FOLDER "/var/run/wireguard"
#define START_TIMEOUT_US (2 * G_USEC_PER_SEC)
#define START_POLL_US 1000
#define STOP_GRACE_MS 1000
#define NOTE_MAX 256

typedef struct {
  LwProvider base;
  gboolean kernel_has_none; /* found by trying */
} Wireguard;

/* --- wireguard-go ------------------------------------------------------------------------------------------- */

static char *note_path(const LwProvider *self, const char *name) {
  g_autofree char *file = g_strconcat("wg-", name, NULL);
  return g_build_filename(self->context->run_dir, file, NULL);
}

static char *note_read(const LwProvider *self, const char *name) {
  g_autofree char *path = note_path(self, name);
  return lw_file_read(path, NOTE_MAX, NULL, NULL);
}

static gboolean note_write(const LwProvider *self, const char *name, pid_t pid, GError **error) {
  g_autofree char *identity = lw_process_identity(pid);
  g_autofree char *path = note_path(self, name);
  if (!identity) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "wireguard-go for %s ended as soon as it had started", name);
    return FALSE;
  }
  return lw_file_write_atomic(path, identity, strlen(identity), 0600, error);
}

static char *socket_path(const char *name) {
  return g_strdup_printf(SOCKET_FOLDER "/%s.sock", name);
}

static gboolean socket_answers(const char *name) {
  g_autofree char *path = socket_path(name);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    return FALSE;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (fd >= 0)
    close(fd);
  return ok;
}

static gboolean spawn_go(LwProvider *self, const LwResource *tunnel, GError **error) {
  if (socket_answers(tunnel->name)) {
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                "another wireguard-go answers at " SOCKET_FOLDER "/%s.sock: the tunnel's name is taken on this machine",
                tunnel->name);
    return FALSE;
  }
  g_autofree char *stale = socket_path(tunnel->name);
  if (unlink(stale) != 0 && errno != ENOENT) {
    lw_error_set_errno(error, "cannot remove the old %s", stale);
    return FALSE;
  }
  g_autofree char *log_name = g_strdup_printf("wg-%s.log", tunnel->name);
  g_autofree char *log = g_build_filename(self->context->run_dir, log_name, NULL);
  const char *const argv[] = {"wireguard-go", "-f", tunnel->name, NULL};
  const char *const env[] = {"LOG_LEVEL=error", "WG_PROCESS_FOREGROUND=1", NULL};
  pid_t pid = lw_command_spawn(&(LwCommand){.argv = argv, .env = env, .netns = tunnel->ns, .log = log}, error);
  return pid > 0 && note_write(self, tunnel->name, pid, error);
}

static char *last_words(const LwProvider *self, const char *name) {
  g_autofree char *file = g_strdup_printf("wg-%s.log", name);
  g_autofree char *path = g_build_filename(self->context->run_dir, file, NULL);
  g_autofree char *text = lw_file_read(path, 1u << 20, NULL, NULL);
  if (!text)
    return g_strdup("no log");
  g_strchomp(text);
  const char *newline = strrchr(text, '\n');
  return g_utf8_make_valid(newline ? newline + 1 : text, -1);
}

/* Until its socket answers. All were started before the first is waited for. */
static gboolean wait_go(LwProvider *self, const LwResource *tunnel, gint64 deadline, GError **error) {
  g_autofree char *identity = note_read(self, tunnel->name);
  while (!socket_answers(tunnel->name)) {
    gboolean alive = lw_process_alive(identity) != 0;
    if (alive && g_get_monotonic_time() < deadline) {
      g_usleep(START_POLL_US);
      continue;
    }
    g_autofree char *words = last_words(self, tunnel->name);
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "wireguard-go for tunnel %s %s: %s (is /dev/net/tun mode 0666?)",
                tunnel->name, alive ? "is not ready after 2 s" : "ended", words);
    return FALSE;
  }
  return TRUE;
}

/* --- looking ------------------------------------------------------------------------------------------------ */

static gboolean ns_is_there(const LwResource *tunnel) {
  return !tunnel->ns || !*tunnel->ns || lw_netns_exists(tunnel->ns);
}

/* Is the tunnel there? One whose wireguard-go has died is not, whatever its interface looks like just now. */
static gboolean find_link(LwProvider *self, const LwResource *tunnel, LwTunnelLink *link, GError **error) {
  *link = (LwTunnelLink){0};
  if (!ns_is_there(tunnel))
    return TRUE;
  if (!lw_tunnel_link_get(tunnel->ns, tunnel->name, link, error))
    return FALSE;
  g_autofree char *identity = note_read(self, tunnel->name);
  if (identity && !g_str_equal(link->kind, "wireguard") && !lw_process_alive(identity))
    link->exists = FALSE;
  return TRUE;
}

/* A device shows its key clamped; the file may have it as it was drawn. Then the file's reference is meant. */
static void use_reference(LwProvider *self, LwResource *seen, LwSecretStore *memory, const LwResource *wanted) {
  if (!wanted || !wanted->private_key || !seen->private_key || g_str_equal(seen->private_key, wanted->private_key))
    return;
  char *given = lw_secret_store_get(self->context->secrets, wanted->private_key, NULL);
  char *dumped = lw_secret_store_get(memory, seen->private_key, NULL);
  if (given && dumped && lw_wg_same_private_key(given, dumped)) {
    g_free(seen->private_key);
    seen->private_key = g_strdup(wanted->private_key);
  }
  lw_secret_clear(given);
  lw_secret_clear(dumped);
}

static gboolean observe_one(LwProvider *self, const LwResource *asked, const LwResource *wanted, LwResourceSet *seen,
                            GError **error) {
  LwTunnelLink link;
  if (!find_link(self, asked, &link, error))
    return FALSE;
  if (!link.exists)
    return TRUE;
  g_autoptr(LwResource) resource = lw_resource_new(LW_RES_TUNNEL, asked->ns, asked->name);
  resource->mtu = link.mtu;
  resource->up = link.up;
  const char *const argv[] = {"wg", "show", asked->name, "dump", NULL};
  /* an interface that wg cannot show is there all the same: it is reported, and equals no tunnel */
  char *dump = lw_command_run(&(LwCommand){.argv = argv, .netns = asked->ns}, NULL);
  if (dump) {
    g_autoptr(LwSecretStore) memory = lw_secret_store_new(NULL);
    if (lw_wg_parse_dump(dump, memory, resource, NULL))
      use_reference(self, resource, memory, wanted);
    lw_secret_clear(dump);
  }
  lw_resource_set_add(seen, g_steal_pointer(&resource));
  return TRUE;
}

static gboolean observe_all(LwProvider *self, const LwResourceSet *asked, gboolean as_wanted, LwResourceSet *seen,
                            GError **error) {
  for (guint i = 0; asked && i < asked->list->len; i++) {
    const LwResource *resource = asked->list->pdata[i];
    g_autofree char *key = resource->kind == LW_RES_TUNNEL ? lw_resource_key(resource) : NULL;
    if (!key || lw_resource_set_find(seen, key))
      continue;
    if (!observe_one(self, resource, as_wanted ? resource : NULL, seen, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean wireguard_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                                  LwResourceSet *seen, GError **error) {
  return observe_all(self, wanted, TRUE, seen, error) && observe_all(self, owned, FALSE, seen, error);
}

/* --- checking ----------------------------------------------------------------------------------------------- */

static gboolean is_ours(const LwProvider *self, const LwTunnelLink *link, const char *name) {
  g_autofree char *identity = note_read(self, name);
  return g_strcmp0(link->alias, self->context->owner) == 0 || lw_process_alive(identity) != 0;
}

static gboolean check_keys(LwProvider *self, const LwResource *tunnel, GError **error) {
  char *config = lw_wg_config(tunnel, self->context->secrets, error);
  gboolean ok = config != NULL;
  lw_secret_clear(config);
  if (!ok)
    g_prefix_error(error, "tunnel %s: ", tunnel->name);
  return ok;
}

static gboolean wireguard_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *tunnel = change->to ? change->to : change->from;
    LwTunnelLink link;
    if (!find_link(self, tunnel, &link, error) || (change->to && !check_keys(self, change->to, error)))
      return FALSE;
    if (link.exists && !is_ours(self, &link, tunnel->name)) {
      g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                  "interface %s%s%s is there already and is not ours: rename or delete it", tunnel->name,
                  tunnel->ns && *tunnel->ns ? " in " : "", tunnel->ns ? tunnel->ns : "");
      return FALSE;
    }
  }
  return TRUE;
}

/* --- changing ----------------------------------------------------------------------------------------------- */

static gboolean make_device(LwProvider *self, const LwResource *tunnel, gboolean *is_go, GError **error) {
  Wireguard *wireguard = (Wireguard *)self;
  g_autoptr(GError) inner = NULL;
  *is_go = FALSE;
  if (!wireguard->kernel_has_none) {
    if (lw_tunnel_link_create(tunnel->ns, tunnel->name, &inner))
      return TRUE;
    if (!g_error_matches(inner, LW_ERROR, LW_ERROR_UNSUPPORTED)) {
      g_propagate_error(error, g_steal_pointer(&inner));
      return FALSE;
    }
    wireguard->kernel_has_none = TRUE;
  }
  *is_go = TRUE;
  return spawn_go(self, tunnel, error);
}

/* Makes what is not there yet. `waiting` gets those whose wireguard-go is on its way. */
static gboolean begin_tunnel(LwProvider *self, LwResource *tunnel, GPtrArray *waiting, GError **error) {
  LwTunnelLink link;
  gboolean is_go = FALSE;
  if (!find_link(self, tunnel, &link, error))
    return FALSE;
  if (!link.exists && !make_device(self, tunnel, &is_go, error))
    return FALSE;
  if (is_go)
    g_ptr_array_add(waiting, tunnel);
  return TRUE;
}

static gboolean configure(LwProvider *self, const LwResource *tunnel, GError **error) {
  char *config = lw_wg_config(tunnel, self->context->secrets, error);
  if (!config)
    return FALSE;
  const char *const argv[] = {"wg", "syncconf", tunnel->name, "/dev/stdin", NULL};
  g_autofree char *output = lw_command_run(&(LwCommand){.argv = argv, .netns = tunnel->ns, .input = config}, error);
  lw_secret_clear(config);
  return output && lw_tunnel_link_set(tunnel->ns, tunnel->name, self->context->owner, tunnel->mtu, tunnel->up, error);
}

static gboolean remove_tunnel(LwProvider *self, const LwResource *tunnel, GError **error) {
  g_autofree char *identity = note_read(self, tunnel->name);
  g_autofree char *path = note_path(self, tunnel->name);
  g_autofree char *socket = socket_path(tunnel->name);
  if (!lw_process_stop(identity, STOP_GRACE_MS, error))
    return FALSE;
  if (identity && unlink(socket) != 0 && errno != ENOENT) {
    lw_error_set_errno(error, "cannot remove %s", socket);
    return FALSE;
  }
  if (ns_is_there(tunnel) && !lw_tunnel_link_delete(tunnel->ns, tunnel->name, error))
    return FALSE;
  if (unlink(path) != 0 && errno != ENOENT) {
    lw_error_set_errno(error, "cannot remove %s", path);
    return FALSE;
  }
  return TRUE;
}

static gboolean begin_all(LwProvider *self, const GPtrArray *changes, GPtrArray *waiting, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    gboolean away = !change->to || change->klass == LW_CHANGE_REPLACE;
    if (away && !remove_tunnel(self, change->from ? change->from : change->to, error))
      return FALSE;
    if (change->to && !begin_tunnel(self, change->to, waiting, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean wireguard_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) waiting = g_ptr_array_new();
  if (!begin_all(self, changes, waiting, error))
    return FALSE;
  gint64 deadline = g_get_monotonic_time() + START_TIMEOUT_US;
  for (guint i = 0; i < waiting->len; i++)
    if (!wait_go(self, waiting->pdata[i], deadline, error))
      return FALSE;
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (change->to && !configure(self, change->to, error)) {
      g_prefix_error(error, "tunnel %s: ", change->to->name);
      return FALSE;
    }
  }
  return TRUE;
}

static GBytes *wireguard_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  (void)self;
  (void)error;
  return lw_undo_from_changes(changes);
}

static gboolean wireguard_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(undo, error);
  return changes && wireguard_apply(self, changes, error);
}

static void wireguard_free(LwProvider *self) {
  g_free(self);
}

LwProvider *lw_wireguard_provider_new(const LwProviderContext *context, GError **error) {
  static const LwResourceKind kinds[] = {LW_RES_TUNNEL, LW_RES_LAST};
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
  if (g_mkdir_with_parents(context->run_dir, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", context->run_dir);
    return NULL;
  }
  Wireguard *wireguard = g_new0(Wireguard, 1);
  wireguard->base.ops = &ops;
  wireguard->base.context = context;
  return &wireguard->base;
}
