/* Kind SERVER. What is there is told by two files of the run folder, server-NS+NAME.pid (identity of the
 * process) and server-NS+NAME.json (the resource it was made from). The undo is the changes themselves;
 * apply() and undo() bring a server to the state wanted, from whatever it is in. */
#include "providers/server/server.h"

#include "base/enter.h"
#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "base/process.h"
#include "base/title.h"
#include "providers/server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIMEOUT_MS 10000
#define IDENTITY_MAX 128
#define JSON_MAX (1024 * 1024)

static char *state_path(const char *run_dir, const char *ns, const char *name, const char *suffix) {
  return g_strdup_printf("%s/server-%s+%s.%s", run_dir, ns, name, suffix);
}

static LwResource *read_server(const char *run_dir, const char *ns, const char *name, char **identity) {
  g_autofree char *pid_file = state_path(run_dir, ns, name, "pid");
  g_autofree char *json_file = state_path(run_dir, ns, name, "json");
  g_autofree char *pid = lw_file_read(pid_file, IDENTITY_MAX, NULL, NULL);
  if (!pid || !lw_process_alive(g_strchomp(pid)))
    return NULL;
  g_autofree char *text = lw_file_read(json_file, JSON_MAX, NULL, NULL);
  g_autoptr(JsonNode) node = text ? json_from_string(text, NULL) : NULL;
  LwResource *server = node ? lw_resource_from_json(node, NULL) : NULL;
  if (identity)
    *identity = g_steal_pointer(&pid);
  /* one whose description is lost is there, and differs from anything that can be wanted */
  return server ? server : lw_resource_new(LW_RES_SERVER, ns, name);
}

static gboolean remove_state(const char *run_dir, const LwResource *server, GError **error) {
  static const char *const suffixes[] = {"pid", "json"};
  for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
    g_autofree char *path = state_path(run_dir, server->ns, server->name, suffixes[i]);
    if (unlink(path) != 0 && errno != ENOENT) {
      lw_error_set_errno(error, "cannot remove %s", path);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean stop_server(const char *run_dir, const LwResource *server, GError **error) {
  g_autofree char *pid = state_path(run_dir, server->ns, server->name, "pid");
  return lw_process_end(pid, 0, NULL, error) && remove_state(run_dir, server, error);
}

static LwListener *bind_all(const LwResource *server, GError **error) {
  g_autofree LwListener *listeners = g_new0(LwListener, server->listeners->len + 1);
  for (guint i = 0; i < server->listeners->len; i++)
    if (!lw_listener_parse(server->listeners->pdata[i], &listeners[i], error) ||
        !lw_listener_bind(&listeners[i], error))
      return NULL;
  return g_steal_pointer(&listeners);
}

/* Nothing of whoever started us stays open but the listeners. */
static gboolean keep_only(const LwListener *listeners, guint count) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  gboolean ok = null >= 0;
  for (int fd = 0; ok && fd < 3; fd++)
    ok = dup2(null, fd) == fd;
  /* bound in ascending order: everything between them is somebody else's */
  guint from = 3;
  for (guint i = 0; ok && i < count; i++) {
    guint own = (guint)listeners[i].fd;
    ok = own < from || own == from || syscall(SYS_close_range, from, own - 1, 0) == 0;
    from = MAX(from, own + 1);
  }
  return ok && syscall(SYS_close_range, from, ~0u, 0) == 0;
}

static void server_process(const LwResource *server, int netns, int control) G_GNUC_NORETURN;
static void server_process(const LwResource *server, int netns, int control) {
  g_autoptr(GError) error = NULL;
  LwListener *listeners = NULL;
  guint count = server->listeners->len;
  sigset_t none;
  sigemptyset(&none);
  for (int s = 1; s < NSIG; s++)
    signal(s, SIG_DFL); /* those that cannot be changed do not matter */
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  g_autofree char *title = g_strdup_printf("lanward-server %s/%s", server->ns, server->name);
  lw_process_set_title(title);
  if (setns(netns, CLONE_NEWNET) != 0 || chdir("/") != 0)
    lw_error_set_errno(&error, "cannot enter the network namespace %s", server->ns);
  else
    listeners = bind_all(server, &error);
  if (!listeners) {
    lw_tell_error(control, error);
    _exit(1);
  }
  /* told before the descriptors go: what follows cannot fail for reasons of the caller's */
  lw_tell_ready(control);
  if (!lw_hear_noted(control))
    _exit(1);
  if (!keep_only(listeners, count))
    _exit(1);
  lw_serve(listeners, count);
}

typedef struct {
  const LwResource *server;
  pid_t pid;
  int control;
} Start;

static pid_t fork_twice(const LwResource *server, int netns, int pair[2]) {
  int ends[2];
  pid_t pid = -1;
  if (pipe2(ends, O_CLOEXEC) != 0)
    return -1;
  fflush(NULL);
  pid_t between = fork();
  if (between == 0) {
    pid = fork(); /* reparented to init, which reaps it */
    if (pid == 0) {
      close(pair[0]);
      close(ends[0]);
      close(ends[1]);
      server_process(server, netns, pair[1]);
    }
    (void)!write(ends[1], &pid, sizeof pid);
    _exit(0);
  }
  close(ends[1]);
  if (between < 0 || read(ends[0], &pid, sizeof pid) != (ssize_t)sizeof pid)
    pid = -1;
  close(ends[0]);
  while (between > 0 && waitpid(between, NULL, 0) < 0 && errno == EINTR)
    ;
  return pid;
}

static gboolean start_spawn(const LwResource *server, Start *start, GError **error) {
  int pair[2];
  *start = (Start){.server = server, .pid = -1, .control = -1};
  int netns = lw_netns_open(server->ns, error);
  if (netns < 0)
    return FALSE;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
    start->pid = fork_twice(server, netns, pair);
    start->control = pair[0];
    close(pair[1]);
  }
  if (start->pid < 0) {
    lw_error_set_errno(error, "cannot start server %s", server->name);
    if (start->control >= 0)
      close(start->control);
  }
  close(netns);
  return start->pid > 0;
}

static gboolean write_state(const char *run_dir, const LwResource *server, pid_t pid, GError **error) {
  g_autofree char *identity = lw_process_identity(pid);
  if (!identity) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "server %s died at its start", server->name);
    return FALSE;
  }
  g_autofree char *line = g_strconcat(identity, "\n", NULL);
  g_autofree char *pid_file = state_path(run_dir, server->ns, server->name, "pid");
  g_autofree char *json_file = state_path(run_dir, server->ns, server->name, "json");
  g_autoptr(JsonNode) node = lw_resource_to_json(server);
  g_autofree char *json = json_to_string(node, FALSE);
  return lw_file_write_atomic(json_file, json, strlen(json), 0600, error) &&
         lw_file_write_atomic(pid_file, line, strlen(line), 0600, error);
}

static gboolean start_finish(const char *run_dir, Start *start, GError **error) {
  g_autofree char *silent = g_strdup_printf("server %s died at its start", start->server->name);
  gboolean ok = lw_hear(start->control, START_TIMEOUT_MS, silent, error) &&
                write_state(run_dir, start->server, start->pid, error);
  if (ok)
    lw_tell_noted(start->control);
  close(start->control);
  if (!ok)
    kill(start->pid, SIGKILL);
  return ok;
}

/* All are spawned before the first is waited for. */
static gboolean start_all(const char *run_dir, const GPtrArray *servers, GError **error) {
  g_autofree Start *starts = g_new0(Start, servers->len + 1);
  gboolean ok = TRUE;
  guint spawned = 0;
  while (ok && spawned < servers->len) {
    ok = start_spawn(servers->pdata[spawned], &starts[spawned], error);
    spawned += ok;
  }
  for (guint i = 0; i < spawned; i++)
    ok = start_finish(run_dir, &starts[i], ok ? error : NULL) && ok;
  return ok;
}

static gboolean bring_all(LwProvider *self, const GPtrArray *changes, GError **error) {
  const char *run_dir = self->context->run_dir;
  g_autoptr(GPtrArray) to_start = g_ptr_array_new();
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *any = change->to ? change->to : change->from;
    g_autoptr(LwResource) now = read_server(run_dir, any->ns, any->name, NULL);
    if (now && change->to && lw_resource_equal(now, change->to))
      continue;
    if (!stop_server(run_dir, any, error))
      return FALSE;
    if (change->to)
      g_ptr_array_add(to_start, change->to);
  }
  return start_all(run_dir, to_start, error);
}

static gboolean server_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                               LwResourceSet *seen, GError **error) {
  const char *run_dir = self->context->run_dir;
  g_autoptr(GDir) dir = g_dir_open(run_dir, 0, NULL); /* no folder yet: no servers */
  const char *file;
  while (dir && (file = g_dir_read_name(dir))) {
    const char *plus = strrchr(file, '+');
    if (!g_str_has_prefix(file, "server-") || !g_str_has_suffix(file, ".pid") || !plus)
      continue;
    g_autofree char *ns = g_strndup(file + strlen("server-"), (gsize)(plus - file) - strlen("server-"));
    g_autofree char *name = g_strndup(plus + 1, strlen(plus + 1) - strlen(".pid"));
    LwResource *server = read_server(run_dir, ns, name, NULL);
    if (server)
      lw_resource_set_add(seen, server);
  }
  return TRUE;
}

static gboolean server_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    for (guint k = 0; change->to && k < change->to->listeners->len; k++) {
      LwListener listener;
      if (!lw_listener_parse(change->to->listeners->pdata[k], &listener, error))
        return FALSE;
    }
  }
  return TRUE;
}

static GBytes *server_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_undo_from_changes(changes);
}

static gboolean server_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(undo, error);
  return changes && bring_all(self, changes, error);
}

static void server_free(LwProvider *self) {
  g_free(self);
}

static const LwResourceKind server_kinds[] = {LW_RES_SERVER, LW_RES_LAST};

static const LwProviderOps server_ops = {
    .name = "server",
    .kinds = server_kinds,
    .observe = server_observe,
    .check = server_check,
    .prepare = server_prepare,
    .apply = bring_all,
    .undo = server_undo,
    .free = server_free,
};

LwProvider *lw_server_provider_new(const LwProviderContext *context, GError **error) {
  LwProvider *provider = g_new0(LwProvider, 1);
  provider->ops = &server_ops;
  provider->context = context;
  return provider;
}
