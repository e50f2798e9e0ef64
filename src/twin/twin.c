/* Finding, starting, entering and stopping twins: the side of the commands. holder.c is the other side. */
#include "twin/twin.h"

#include "base/enter.h"
#include "base/error.h"
#include "twin/holder.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIMEOUT_MS 30000
#define BUSY_TIMEOUT_MS 5000
#define STOP_TIMEOUT_MS 20000

static LwTwinRepair repair_callback;
static gpointer repair_data;

void lw_twin_set_repair(LwTwinRepair repair, gpointer data) {
  repair_callback = repair;
  repair_data = data;
}

static gboolean name_is_good(const char *name, GError **error) {
  gsize length = strlen(name);
  if (length >= 1 && length <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "“%s” is no name for a twin: use 1 to 32 of a-z, 0-9 and “-”",
              name);
  return FALSE;
}

static char *socket_name(const char *name) {
  return g_strdup_printf("lanward/twin/%u/%s", (guint)geteuid(), name);
}

static socklen_t socket_address(const char *name, struct sockaddr_un *address) {
  g_autofree char *path = socket_name(name);
  gsize length = strlen(path); /* name_is_good() bounds it */
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path + 1, path, length); /* byte 0 stays NUL: an abstract name */
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static int unix_socket(GError **error) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    lw_error_set_errno(error, "cannot make a socket");
  return fd;
}

static pid_t peer_of(int fd, const char *name, GError **error) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    lw_error_set_errno(error, "cannot tell who holds twin %s", name);
    return -1;
  }
  if (peer.uid != geteuid()) {
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                "the name of twin “%s” is taken by a process of user %u: choose another with --name", name,
                (guint)peer.uid);
    return -1;
  }
  if (peer.pid <= 0) {
    g_set_error(
        error, LW_ERROR, LW_ERROR_CONFLICT,
        "twin “%s” runs in a pid namespace that cannot be seen from here: use it from where it was started",
        name);
    return -1;
  }
  return peer.pid;
}

pid_t lw_twin_find(const char *name, GError **error) {
  if (!name_is_good(name, error))
    return -1;
  struct sockaddr_un address;
  socklen_t length = socket_address(name, &address);
  int fd = unix_socket(error);
  if (fd < 0)
    return -1;
  pid_t pid = 0;
  /* A full queue of connections, which EAGAIN means, still tells who listens… only after a connect: try
   * again. */
  int tries = 0;
  while (connect(fd, (struct sockaddr *)&address, length) != 0) {
    if (errno == EINTR)
      continue;
    if (errno == EAGAIN && tries++ < 100) {
      g_usleep(10000);
      continue;
    }
    if (errno != ECONNREFUSED) {
      lw_error_set_errno(error, "cannot reach twin %s", name);
      pid = -1;
    }
    close(fd);
    return pid;
  }
  pid = peer_of(fd, name, error);
  close(fd);
  return pid;
}

void lw_twin_info_free(LwTwinInfo *info) {
  g_free(info->name);
  g_free(info);
}

static int info_cmp(gconstpointer a, gconstpointer b) {
  const LwTwinInfo *const *x = a, *const *y = b;
  return strcmp((*x)->name, (*y)->name);
}

GPtrArray *lw_twin_list(void) {
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)lw_twin_info_free);
  g_autofree char *table = NULL;
  if (!g_file_get_contents("/proc/net/unix", &table, NULL, NULL))
    return list;
  g_autofree char *own = socket_name("");
  g_autofree char *wanted = g_strconcat(" @", own, NULL);
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_auto(GStrv) lines = g_strsplit(table, "\n", -1);
  for (char **line = lines; *line; line++) {
    const char *at = strstr(*line, wanted);
    if (!at)
      continue;
    const char *name = at + strlen(wanted);
    pid_t pid = g_hash_table_contains(known, name) ? 0 : lw_twin_find(name, NULL);
    g_hash_table_add(known, g_strdup(name));
    if (pid <= 0)
      continue; /* being started, or somebody else's */
    LwTwinInfo *info = g_new0(LwTwinInfo, 1);
    info->name = g_strdup(name);
    info->holder = pid;
    g_ptr_array_add(list, info);
  }
  g_ptr_array_sort(list, info_cmp);
  return list;
}

/* A listener with the name, bound: nobody else can start the twin now. -1 and no error: it runs (*running).
 */
static int claim(const char *name, pid_t *running, GError **error) {
  gint64 deadline = g_get_monotonic_time() + BUSY_TIMEOUT_MS * 1000;
  struct sockaddr_un address;
  socklen_t length = socket_address(name, &address);
  for (;;) {
    *running = lw_twin_find(name, error);
    if (*running != 0)
      return -1;
    int fd = unix_socket(error);
    if (fd < 0)
      return -1;
    if (bind(fd, (struct sockaddr *)&address, length) == 0)
      return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    if (errno != EADDRINUSE) {
      lw_error_set_errno(error, "cannot take the name of twin %s", name);
      return -1;
    }
    if (g_get_monotonic_time() > deadline) {
      g_set_error(
          error, LW_ERROR, LW_ERROR_BUSY,
          "twin “%s” is being started by another command, or its name is held by another user: try again, or "
          "use --name",
          name);
      return -1;
    }
    g_usleep(5000);
  }
}

pid_t lw_twin_start(const char *name, GError **error) {
  pid_t running = 0;
  if (!name_is_good(name, error))
    return -1;
  int listener = claim(name, &running, error);
  if (listener < 0)
    return running > 0 ? running : -1;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    lw_error_set_errno(error, "cannot start twin %s", name);
    close(listener);
    return -1;
  }
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    lw_holder_boot(name, listener, pair[1], repair_callback, repair_data);
  }
  close(pair[1]);
  close(listener);
  gboolean ok = child > 0;
  if (!ok)
    lw_error_set_errno(error, "cannot start twin %s", name);
  ok = ok && lw_hear(pair[0], START_TIMEOUT_MS, "the twin's holder died while it was being set up", error);
  pid_t pid = ok ? lw_twin_find(name, error) : -1;
  if (pid > 0 && send(pair[0], "G", 1, MSG_NOSIGNAL) != 1) {
    lw_error_set_errno(error, "twin %s died while it was being started", name);
    pid = -1;
  }
  close(pair[0]);
  while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
    ;
  if (pid == 0)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "twin %s died while it was being started", name);
  return pid > 0 ? pid : -1;
}

static int pidfd_open_checked(const char *name, pid_t *pid, GError **error) {
  *pid = lw_twin_find(name, error);
  if (*pid <= 0)
    return -1;
  int fd = (int)syscall(SYS_pidfd_open, *pid, 0);
  if (fd < 0 && errno != ESRCH) {
    lw_error_set_errno(error, "cannot open the holder of twin %s", name);
    return -1;
  }
  /* Only now is it certain that the descriptor and the socket are the same process. */
  pid_t again = lw_twin_find(name, error);
  if (fd >= 0 && again == *pid)
    return fd;
  if (fd >= 0)
    close(fd);
  *pid = again < 0 ? -1 : 0;
  return -1;
}

gboolean lw_twin_stop(const char *name, gboolean *was_running, GError **error) {
  pid_t pid;
  if (was_running)
    *was_running = FALSE;
  int fd = pidfd_open_checked(name, &pid, error);
  if (fd < 0)
    return pid == 0;
  if (was_running)
    *was_running = TRUE;
  gboolean ok = syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0 || errno == ESRCH;
  if (!ok)
    lw_error_set_errno(error, "cannot stop twin %s", name);
  /* The kernel reports the death of pid 1 after that of every other process of the namespace. */
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  int ready = 1;
  gint64 deadline = g_get_monotonic_time() + STOP_TIMEOUT_MS * 1000;
  while (ok && (ready = poll(&wait, 1, STOP_TIMEOUT_MS)) < 0 && errno == EINTR)
    ;
  close(fd);
  while (ok && ready > 0 && lw_twin_find(name, NULL) == pid && g_get_monotonic_time() < deadline)
    g_usleep(2000);
  if (ok && ready <= 0) {
    g_set_error(
        error, LW_ERROR, LW_ERROR_FAILED,
        "twin %s was told to end and still runs: a command is using it (lanward twin exec); end that first",
        name);
    return FALSE;
  }
  return ok;
}

typedef struct {
  int (*body)(gpointer data);
  gpointer data;
} Body;

static int call_body(gpointer data, GError **error) {
  (void)error;
  Body *body = data;
  return body->body(body->data);
}

int lw_twin_run(const char *name, int (*body)(gpointer data), gpointer data, GError **error) {
  pid_t pid;
  g_autofree char *folder = g_get_current_dir();
  Body call = {body, data};
  LwEntry entry = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS |
                            CLONE_NEWIPC | CLONE_NEWCGROUP,
                   .folder = folder,
                   .body = call_body,
                   .data = &call};
  entry.pidfd = pidfd_open_checked(name, &pid, error);
  if (entry.pidfd < 0) {
    if (pid == 0)
      g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "no twin “%s” runs: start it with lanward twin apply",
                  name);
    return -1;
  }
  int status = lw_enter_run(&entry, error);
  close(entry.pidfd);
  return status;
}
