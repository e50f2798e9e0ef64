/* Kind CELL. What is there is told by two files of the run folder, NAME being the cell's:
 *   cell-NAME.pid   identity of its init (pid 1 of its pid namespace); a dead init is no cell
 *   cell-NAME.json  the resource it was made from
 * The undo is the changes themselves. apply() and undo() both bring a cell to the state wanted, from whatever
 * it is in: nothing is done to one that is right. */
#include "providers/cell/cell.h"

#include "base/enter.h"
#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/cell/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIMEOUT_MS 20000
#define IDENTITY_MAX 128
#define JSON_MAX (1024 * 1024)

static char *pid_path(const char *run_dir, const char *name) {
  return g_strdup_printf("%s/cell-%s.pid", run_dir, name);
}

static char *json_path(const char *run_dir, const char *name) {
  return g_strdup_printf("%s/cell-%s.json", run_dir, name);
}

/* The identity of a living init, or NULL. */
static char *alive_identity(const char *run_dir, const char *name) {
  g_autofree char *path = pid_path(run_dir, name);
  g_autofree char *identity = lw_file_read(path, IDENTITY_MAX, NULL, NULL);
  if (!identity || !lw_process_alive(g_strchomp(identity)))
    return NULL;
  return g_steal_pointer(&identity);
}

/* The cell as it is; NULL when it does not run. */
static LwResource *read_cell(const char *run_dir, const char *name) {
  g_autofree char *identity = alive_identity(run_dir, name);
  if (!identity)
    return NULL;
  g_autofree char *path = json_path(run_dir, name);
  g_autofree char *text = lw_file_read(path, JSON_MAX, NULL, NULL);
  g_autoptr(JsonNode) node = text ? json_from_string(text, NULL) : NULL;
  LwResource *cell = node ? lw_resource_from_json(node, NULL) : NULL;
  /* one whose description is lost is there, and differs from anything that can be wanted */
  return cell ? cell : lw_resource_new(LW_RES_CELL, "", name);
}

static gboolean remove_file(const char *path, GError **error) {
  if (unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", path);
  return FALSE;
}

static gboolean forget_cell(const char *run_dir, const char *name, GError **error) {
  g_autofree char *pid = pid_path(run_dir, name);
  g_autofree char *json = json_path(run_dir, name);
  return remove_file(pid, error) && remove_file(json, error);
}

/* Killing pid 1 ends all of the cell. */
static gboolean stop_cell(const char *run_dir, const char *name, GError **error) {
  g_autofree char *pid = pid_path(run_dir, name);
  g_autofree char *folder = g_build_filename(run_dir, "cells", name, NULL);
  if (!lw_process_end(pid, 0, NULL, error) || !forget_cell(run_dir, name, error))
    return FALSE;
  if (rmdir(folder) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", folder);
  return FALSE;
}

static char *network_text(const LwResource *cell) {
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "dns %s\n", cell->value && *cell->value ? cell->value : "-");
  for (guint i = 0; i < cell->nics->len; i++) {
    gboolean is_static = i < 32 && (cell->static_nics & (1u << i));
    g_string_append_printf(text, "%s %s\n", (char *)cell->nics->pdata[i], is_static ? "static" : "dhcp");
  }
  return g_string_free(text, FALSE);
}

static char **argv_of(const LwResource *cell) {
  char **argv = g_new0(char *, cell->argv->len + 1);
  for (guint i = 0; i < cell->argv->len; i++)
    argv[i] = g_strdup(cell->argv->pdata[i]);
  return argv;
}

/* A cell that is being started. */
typedef struct {
  const LwResource *cell;
  pid_t between; /* makes the namespaces, tells the init's pid, and ends */
  int pid;       /* a pipe that hears that pid */
  int control;   /* hears how it went */
} Start;

/* The pid goes by a pipe of its own: on the control it might come after the init's own message, and a file
 * would lie in a folder that the init may just have covered, since both share their mounts. */
static void start_between(const LwCellPlan *plan, int netns, int pid_out, int control) G_GNUC_NORETURN;
static void start_between(const LwCellPlan *plan, int netns, int pid_out, int control) {
  g_autoptr(GError) error = NULL;
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
  if (setns(netns, CLONE_NEWNET) != 0 || unshare(flags) != 0) {
    lw_error_set_errno(&error, "cannot make the namespaces of cell %s", plan->name);
    lw_tell_error(control, error);
    _exit(1);
  }
  pid_t init = fork();
  if (init == 0) {
    close(pid_out);
    lw_cell_init(plan, control);
  }
  if (init < 0 || write(pid_out, &init, sizeof init) != (ssize_t)sizeof init) {
    lw_error_set_errno(&error, "cannot start cell %s", plan->name);
    if (init > 0)
      kill(init, SIGKILL);
    lw_tell_error(control, error);
    _exit(1);
  }
  _exit(0);
}

static void close_open(int fd) {
  if (fd >= 0)
    close(fd);
}

static gboolean start_spawn(const char *run_dir, const LwResource *cell, Start *start, GError **error) {
  g_autofree char *ns = g_strdup_printf("cell-%s", cell->name);
  g_autofree char *folder = g_build_filename(run_dir, "cells", cell->name, NULL);
  g_autofree char *network = network_text(cell);
  g_auto(GStrv) argv = argv_of(cell);
  LwCellPlan plan = {
      .name = cell->name, .folder = folder, .argv = (const char *const *)argv, .network = network};
  *start = (Start){.cell = cell, .between = -1, .pid = -1, .control = -1};
  if (g_mkdir_with_parents(folder, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", folder);
    return FALSE;
  }
  int netns = lw_netns_open(ns, error);
  if (netns < 0)
    return FALSE;
  int pair[2] = {-1, -1}, pid[2] = {-1, -1};
  gboolean ok =
      pipe2(pid, O_CLOEXEC) == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
  fflush(NULL);
  start->between = ok ? fork() : -1;
  if (start->between == 0) {
    close(pair[0]);
    close(pid[0]);
    start_between(&plan, netns, pid[1], pair[1]);
  }
  if (start->between < 0)
    lw_error_set_errno(error, "cannot start cell %s", cell->name);
  close(netns);
  close_open(pair[1]);
  close_open(pid[1]);
  start->control = pair[0];
  start->pid = pid[0];
  if (start->between > 0)
    return TRUE;
  close_open(start->control);
  close_open(start->pid);
  return FALSE;
}

/* The pid that start_between() told, 0 when it told none. */
static pid_t take_pid(const Start *start) {
  pid_t pid = 0;
  ssize_t n;
  do
    n = read(start->pid, &pid, sizeof pid);
  while (n < 0 && errno == EINTR);
  return n == (ssize_t)sizeof pid ? pid : 0;
}

static gboolean write_state(const char *run_dir, const LwResource *cell, pid_t pid, GError **error) {
  g_autofree char *identity = pid > 0 ? lw_process_identity(pid) : NULL;
  if (!identity) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "cell %s died at its start", cell->name);
    return FALSE;
  }
  g_autofree char *line = g_strconcat(identity, "\n", NULL);
  g_autofree char *pid_file = pid_path(run_dir, cell->name);
  g_autofree char *json_file = json_path(run_dir, cell->name);
  g_autoptr(JsonNode) node = lw_resource_to_json(cell);
  g_autofree char *json = json_to_string(node, FALSE);
  return lw_file_write_atomic(json_file, json, strlen(json), 0600, error) &&
         lw_file_write_atomic(pid_file, line, strlen(line), 0600, error);
}

static gboolean start_finish(const char *run_dir, Start *start, GError **error) {
  if (start->between <= 0)
    return FALSE;
  while (waitpid(start->between, NULL, 0) < 0 && errno == EINTR)
    ;
  g_autofree char *silent = g_strdup_printf("cell %s died at its start", start->cell->name);
  pid_t init = take_pid(start);
  gboolean ok = lw_hear(start->control, START_TIMEOUT_MS, silent, error) &&
                write_state(run_dir, start->cell, init, error);
  if (ok)
    lw_tell_noted(start->control);
  close(start->control);
  close(start->pid);
  if (!ok && init > 0)
    kill(init, SIGKILL);
  return ok;
}

static int write_network(gpointer data, GError **error) {
  return g_file_set_contents(LW_CELL_NETWORK, data, -1, error) ? 0 : 1;
}

static int open_init(const char *run_dir, const char *name, pid_t *pid, GError **error) {
  g_autofree char *identity = alive_identity(run_dir, name);
  *pid = identity ? lw_process_alive(identity) : 0;
  int fd = *pid > 0 ? (int)syscall(SYS_pidfd_open, *pid, 0) : -1;
  /* still the same process now that it is held? */
  if (fd >= 0 && lw_process_alive(identity) == *pid)
    return fd;
  if (fd >= 0)
    close(fd);
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "cell %s does not run", name);
  return -1;
}

static int run_inside(const char *run_dir, const char *name, int (*body)(gpointer, GError **), gpointer data,
                      gboolean tell_init, GError **error) {
  pid_t pid;
  LwEntry entry = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC,
                   .folder = "/",
                   .body = body,
                   .data = data};
  entry.pidfd = open_init(run_dir, name, &pid, error);
  if (entry.pidfd < 0)
    return -1;
  int status = lw_enter_run(&entry, error);
  if (status == 0 && tell_init && syscall(SYS_pidfd_send_signal, entry.pidfd, SIGHUP, NULL, 0) != 0) {
    lw_error_set_errno(error, "cannot tell cell %s of its network", name);
    status = -1;
  }
  close(entry.pidfd);
  return status;
}

static gboolean same_command(const LwResource *a, const LwResource *b) {
  gboolean same = a->argv->len == b->argv->len;
  for (guint i = 0; same && i < a->argv->len; i++)
    same = g_str_equal(a->argv->pdata[i], b->argv->pdata[i]);
  return same;
}

/* What runs in it goes on; its DHCP client starts again. */
static gboolean change_network(const char *run_dir, const LwResource *cell, GError **error) {
  g_autofree char *text = network_text(cell);
  g_autofree char *identity = alive_identity(run_dir, cell->name);
  return run_inside(run_dir, cell->name, write_network, text, TRUE, error) == 0 &&
         write_state(run_dir, cell, identity ? lw_process_alive(identity) : 0, error);
}

/* Stops or changes at once; what must be started is spawned after everything is stopped. */
static gboolean bring(const char *run_dir, const LwChange *change, GPtrArray *to_start, GError **error) {
  const char *name = change->to ? change->to->name : change->from->name;
  if (!change->to)
    return stop_cell(run_dir, name, error);
  g_autoptr(LwResource) now = read_cell(run_dir, name);
  if (now && lw_resource_equal(now, change->to))
    return TRUE;
  if (now && same_command(now, change->to))
    return change_network(run_dir, change->to, error);
  g_ptr_array_add(to_start, change->to);
  return stop_cell(run_dir, name, error);
}

/* All are spawned before the first is waited for. */
static gboolean start_all(const char *run_dir, const GPtrArray *cells, GError **error) {
  g_autofree Start *starts = g_new0(Start, cells->len + 1);
  gboolean ok = TRUE;
  guint spawned = 0;
  while (ok && spawned < cells->len) {
    ok = start_spawn(run_dir, cells->pdata[spawned], &starts[spawned], error);
    spawned += ok;
  }
  for (guint i = 0; i < spawned; i++)
    ok = start_finish(run_dir, &starts[i], ok ? error : NULL) && ok;
  return ok;
}

static gboolean bring_all(LwProvider *self, const GPtrArray *changes, GError **error) {
  const char *run_dir = self->context->run_dir;
  g_autoptr(GPtrArray) to_start = g_ptr_array_new();
  for (guint i = 0; i < changes->len; i++)
    if (!bring(run_dir, changes->pdata[i], to_start, error))
      return FALSE;
  return start_all(run_dir, to_start, error);
}

static gboolean cell_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                             LwResourceSet *seen, GError **error) {
  const char *run_dir = self->context->run_dir;
  g_autoptr(GDir) dir = g_dir_open(run_dir, 0, NULL); /* no folder yet: no cells */
  const char *file;
  while (dir && (file = g_dir_read_name(dir))) {
    if (!g_str_has_prefix(file, "cell-") || !g_str_has_suffix(file, ".pid"))
      continue;
    g_autofree char *name = g_strndup(file + strlen("cell-"), strlen(file) - strlen("cell-.pid"));
    LwResource *cell = read_cell(run_dir, name);
    if (cell)
      lw_resource_set_add(seen, cell);
  }
  return TRUE;
}

static gboolean cell_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (change->to && change->to->nics->len > 32) {
      g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "cell %s has %u NICs: a cell can have 32",
                  change->to->name, change->to->nics->len);
      return FALSE;
    }
  }
  return TRUE;
}

static GBytes *cell_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_undo_from_changes(changes);
}

static gboolean cell_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(undo, error);
  return changes && bring_all(self, changes, error);
}

static void cell_free(LwProvider *self) {
  g_free(self);
}

static const LwResourceKind cell_kinds[] = {LW_RES_CELL, LW_RES_LAST};

static const LwProviderOps cell_ops = {
    .name = "cell",
    .kinds = cell_kinds,
    .observe = cell_observe,
    .check = cell_check,
    .prepare = cell_prepare,
    .apply = bring_all,
    .undo = cell_undo,
    .free = cell_free,
};

LwProvider *lw_cell_provider_new(const LwProviderContext *context, GError **error) {
  LwProvider *provider = g_new0(LwProvider, 1);
  provider->ops = &cell_ops;
  provider->context = context;
  return provider;
}

static gboolean set_cell_environment(void) {
  g_autofree char *term = g_strdup(g_getenv("TERM"));
  g_autofree char *lang = g_strdup(g_getenv("LANG"));
  return clearenv() == 0 &&
         setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) == 0 &&
         setenv("HOME", "/root", 1) == 0 && setenv("TERM", term ? term : "dumb", 1) == 0 &&
         (!lang || setenv("LANG", lang, 1) == 0);
}

static int exec_body(gpointer data, GError **error) {
  char *const *argv = data;
  if (set_cell_environment())
    execvp(argv[0], argv);
  lw_error_set_errno(error, "cannot run %s in the cell", argv[0]);
  return 127;
}

int lw_cell_exec(const char *run_dir, const char *cell, const char *const *argv, GError **error) {
  return run_inside(run_dir, cell, exec_body, (gpointer)argv, FALSE, error);
}

static gboolean has_address(const char *cell, const char *nic) {
  g_autofree char *ns = g_strdup_printf("cell-%s", cell);
  int previous = lw_netns_enter(ns, NULL);
  if (previous < 0)
    return FALSE;
  struct ifaddrs *all = NULL;
  gboolean found = FALSE;
  if (getifaddrs(&all) == 0)
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
      found = found || (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && g_str_equal(i->ifa_name, nic));
  freeifaddrs(all);
  lw_netns_leave(previous);
  return found;
}

static const char *first_dhcp_nic(const LwResource *cell) {
  for (guint i = 0; i < cell->nics->len; i++)
    if (i >= 32 || !(cell->static_nics & (1u << i)))
      return cell->nics->pdata[i];
  return NULL;
}

gboolean lw_cell_wait_leases(const char *run_dir, const char *const *cells, guint timeout_ms,
                             GError **error) {
  gint64 deadline = g_get_monotonic_time() + timeout_ms * (gint64)1000;
  for (guint i = 0; cells[i]; i++) {
    g_autoptr(LwResource) cell = read_cell(run_dir, cells[i]);
    if (!cell) {
      g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "cell %s does not run", cells[i]);
      return FALSE;
    }
    const char *nic = first_dhcp_nic(cell);
    while (nic && !has_address(cells[i], nic)) {
      if (g_get_monotonic_time() > deadline) {
        g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s got no address by DHCP on %s within %u ms",
                    cells[i], nic, timeout_ms);
        return FALSE;
      }
      g_usleep(3000);
    }
  }
  return TRUE;
}
