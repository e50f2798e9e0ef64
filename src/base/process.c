#include "base/process.h"

#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_WAIT_MS 5000
#define READ_CHUNK 4096

/* What the child tells its parent through the close-on-exec pipe; nothing after the pid means exec worked. */
typedef enum { NOTE_PID, NOTE_NETNS, NOTE_MOUNTS, NOTE_SETUP, NOTE_EXEC } NoteKind;

typedef struct {
  NoteKind kind;
  int value; /* errno, or the pid */
} Note;

/* All that the child needs, made before fork(): after it only async-signal-safe calls are allowed. */
typedef struct {
  char *program;
  char **argv;
  char **env;
  char **private_dirs;
  char **private_files;
  char *pid_file;
  gboolean holds; /* keeps what lw_command_hold() was told */
  int netns;
  int fds[3];
} Launch;

static int held = -1;

void lw_command_hold(int fd) {
  held = fd;
}

static void close_fd(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static void launch_clear(Launch *launch) {
  g_free(launch->program);
  g_strfreev(launch->argv);
  g_strfreev(launch->env);
  g_strfreev(launch->private_dirs);
  g_strfreev(launch->private_files);
  g_free(launch->pid_file);
  close_fd(&launch->netns);
  for (guint i = 0; i < 3; i++)
    close_fd(&launch->fds[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Launch, launch_clear)

static gboolean is_program(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *find_program(const char *name, GError **error) {
  if (strchr(name, '/')) {
    if (is_program(name))
      return g_strdup(name);
  } else {
    const char *inherited = g_getenv("PATH");
    g_autofree char *path = g_strconcat(inherited ? inherited : "/usr/bin:/bin", ":/usr/sbin:/sbin", NULL);
    g_auto(GStrv) folders = g_strsplit(path, ":", -1);
    for (guint i = 0; folders[i]; i++) {
      g_autofree char *candidate = g_build_filename(*folders[i] ? folders[i] : ".", name, NULL);
      if (is_program(candidate))
        return g_steal_pointer(&candidate);
    }
  }
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
              "program %s is not installed (looked in PATH, /usr/sbin, /sbin)", name);
  return NULL;
}

static char **make_environment(const char *const *extra) {
  g_auto(GStrv) env = g_get_environ();
  for (guint i = 0; extra && extra[i]; i++) {
    const char *equals = strchr(extra[i], '=');
    if (!equals)
      continue;
    g_autofree char *name = g_strndup(extra[i], (gsize)(equals - extra[i]));
    env = g_environ_setenv(g_steal_pointer(&env), name, equals + 1, TRUE);
  }
  return g_steal_pointer(&env);
}

/* Input goes through memory that is a file, not a pipe: no writer is needed, and a program may reopen
 * /dev/stdin. */
static int open_input(const char *input, GError **error) {
  if (!input) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      lw_error_set_errno(error, "cannot open /dev/null");
    return fd;
  }
  int fd = memfd_create("input", MFD_CLOEXEC);
  gsize left = strlen(input);
  const char *at = input;
  while (fd >= 0 && left > 0) {
    ssize_t n = write(fd, at, left);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      break;
    at += n;
    left -= (gsize)n;
  }
  if (fd < 0 || left > 0 || fchmod(fd, 0600) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
    lw_error_set_errno(error, "cannot hand a program its input");
    close_fd(&fd);
  }
  return fd;
}

static gboolean launch_prepare(Launch *launch, const LwCommand *command, GError **error) {
  launch->program = find_program(command->argv[0], error);
  if (!launch->program)
    return FALSE;
  launch->argv = g_strdupv((char **)command->argv);
  launch->env = make_environment(command->env);
  launch->private_dirs = g_strdupv((char **)command->private_dirs);
  launch->private_files = g_strdupv((char **)command->private_files);
  launch->pid_file = g_strdup(command->pid_file);
  if (command->netns && *command->netns && (launch->netns = lw_netns_open(command->netns, error)) < 0)
    return FALSE;
  launch->fds[0] = open_input(command->input, error);
  return launch->fds[0] >= 0;
}

static void send_note(int fd, NoteKind kind, int value) {
  Note note = {kind, value};
  while (write(fd, &note, sizeof note) < 0 && errno == EINTR)
    continue;
}

static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL) {
      memset(&action, 0, sizeof action);
      action.sa_handler = SIG_DFL;
      sigaction(number, &action, NULL);
    }
  }
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. A slave, not private: a namespace's bind mount that goes outside must not live on here. */
static gboolean make_private_mounts(const Launch *launch) {
  if (!launch->private_dirs && !launch->private_files)
    return TRUE;
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
    return FALSE;
  for (char **dir = launch->private_dirs; dir && *dir; dir++)
    if ((mkdir(*dir, 0755) != 0 && errno != EEXIST) ||
        mount("tmpfs", *dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") != 0)
      return FALSE;
  for (char **file = launch->private_files; file && file[0] && file[1]; file += 2)
    if (mount(file[1], file[0], NULL, MS_BIND, NULL) != 0)
      return FALSE;
  return TRUE;
}

/* Runs in the child, never returns. */
/* Field 22 of /proc/self/stat; the name in field 2 may hold anything, so it is counted from the last ")". */
static gboolean read_start_time(char *out, gsize size) {
  char text[1024];
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0)
    close(fd);
  if (length <= 0)
    return FALSE;
  text[length] = '\0';
  const char *at = strrchr(text, ')');
  for (int field = 2; at && field < 22; field++)
    at = strchr(at + 1, ' ');
  if (!at)
    return FALSE;
  gsize digits = strspn(at + 1, "0123456789");
  if (digits == 0 || digits + 1 > size)
    return FALSE;
  memcpy(out, at + 1, digits);
  out[digits] = '\0';
  return TRUE;
}

/* "PID START\n", as lw_process_identity() has it. Between fork() and exec(): no memory is allocated. */
static gboolean write_own_identity(const char *path) {
  char start[32], line[64], digits[16];
  if (!read_start_time(start, sizeof start))
    return FALSE;
  int count = 0;
  for (pid_t rest = getpid(); rest > 0; rest /= 10)
    digits[count++] = (char)('0' + rest % 10);
  char *at = line;
  while (count > 0)
    *at++ = digits[--count];
  *at++ = ' ';
  at = stpcpy(at, start);
  *at++ = '\n';
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  gboolean ok = fd >= 0 && write(fd, line, (gsize)(at - line)) == at - line;
  if (fd >= 0)
    close(fd);
  return ok;
}

static void become(const Launch *launch, int report) {
  int fds[3];
  /* the parent may run with 0, 1 or 2 closed: first out of their way, the report too */
  report = fcntl(report, F_DUPFD_CLOEXEC, 3);
  gboolean ok = report >= 0;
  for (int i = 0; i < 3 && ok; i++)
    ok = (fds[i] = fcntl(launch->fds[i], F_DUPFD_CLOEXEC, 3)) >= 0;
  if (ok && launch->netns >= 0 && setns(launch->netns, CLONE_NEWNET) != 0) {
    send_note(report, NOTE_NETNS, errno);
    _exit(127);
  }
  if (ok && !make_private_mounts(launch)) {
    send_note(report, NOTE_MOUNTS, errno);
    _exit(127);
  }
  for (int i = 0; i < 3 && ok; i++)
    ok = dup2(fds[i], i) >= 0;
  ok = ok && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
  if (ok && launch->holds && held >= 0)
    ok = fcntl(held, F_SETFD, 0) == 0;
  if (!ok) {
    send_note(report, NOTE_SETUP, errno);
    _exit(127);
  }
  if (launch->pid_file && !write_own_identity(launch->pid_file)) {
    send_note(report, NOTE_SETUP, errno);
    _exit(127);
  }
  reset_signals();
  execve(launch->program, launch->argv, launch->env);
  send_note(report, NOTE_EXEC, errno);
  _exit(127);
}

static gboolean open_pipe(int ends[2], GError **error) {
  if (pipe2(ends, O_CLOEXEC) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make a pipe");
  ends[0] = ends[1] = -1;
  return FALSE;
}

/* Reads the child's notes to the end of file: exec or exit has closed the pipe by then. */
static gboolean read_notes(int fd, const Launch *launch, pid_t *pid, GError **error) {
  gboolean ok = TRUE;
  for (;;) {
    Note note;
    ssize_t n = read(fd, &note, sizeof note);
    if (n < 0 && errno == EINTR)
      continue;
    if (n != (ssize_t)sizeof note)
      return ok;
    if (note.kind == NOTE_PID) {
      *pid = note.value;
      continue;
    }
    errno = note.value;
    if (ok)
      lw_error_set_errno(error,
                         note.kind == NOTE_NETNS    ? "cannot run %s in its network namespace"
                         : note.kind == NOTE_MOUNTS ? "cannot mount the private folders of %s"
                         : note.kind == NOTE_SETUP  ? "cannot prepare the run of %s"
                                                    : "cannot run %s",
                         launch->program);
    ok = FALSE;
  }
}

static void reap(pid_t pid, int *status) {
  while (waitpid(pid, status, 0) < 0 && errno == EINTR)
    continue;
}

/* Appends what is there; FALSE at the end of file. */
static gboolean drain(int fd, GString *into) {
  char buffer[READ_CHUNK];
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno == EAGAIN;
    if (n == 0)
      return FALSE;
    g_string_append_len(into, buffer, n);
  }
}

/* Until the child has ended: a daemon that it left behind may hold the pipes open for ever. */
static void collect(int pidfd, int out, int err, GString *stdout_text, GString *stderr_text) {
  struct pollfd polls[3] = {{pidfd, POLLIN, 0}, {out, POLLIN, 0}, {err, POLLIN, 0}};
  for (;;) {
    if (poll(polls, 3, -1) < 0)
      continue;
    if (polls[1].revents && !drain(out, stdout_text))
      polls[1].fd = -1;
    if (polls[2].revents && !drain(err, stderr_text))
      polls[2].fd = -1;
    if (polls[0].revents) {
      drain(out, stdout_text);
      drain(err, stderr_text);
      return;
    }
  }
}

/* The line of a program's complaints to quote: the first that calls itself an error (nft shows the place
 * below it), else the last. */
static char *telling_line(GString *text) {
  g_auto(GStrv) lines = g_strsplit(g_strchomp(text->str), "\n", -1);
  const char *line = "";
  for (guint i = 0; lines[i]; i++) {
    line = lines[i];
    if (strstr(line, "Error: "))
      break;
  }
  return g_utf8_make_valid(line, -1);
}

static void set_exit_error(const char *program, int status, GString *stderr_text, GError **error) {
  g_autofree char *line = telling_line(stderr_text);
  g_autofree char *how = WIFSIGNALED(status)
                             ? g_strdup_printf("was killed by signal %d", WTERMSIG(status))
                             : g_strdup_printf("failed with exit status %d", WEXITSTATUS(status));
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s %s%s%s", program, how, *line ? ": " : "", line);
}

static gboolean run_launch(Launch *launch, int out[2], int err[2], int report[2], GString *stdout_text,
                           GError **error) {
  pid_t pid = fork();
  if (pid == 0)
    become(launch, report[1]);
  if (pid < 0) {
    lw_error_set_errno(error, "cannot fork");
    return FALSE;
  }
  close_fd(&report[1]);
  close_fd(&launch->fds[1]);
  close_fd(&launch->fds[2]);
  pid_t unused = 0;
  int status = 0;
  if (!read_notes(report[0], launch, &unused, error)) {
    reap(pid, &status);
    return FALSE;
  }
  int pidfd = pidfd_open(pid, 0);
  if (pidfd < 0) {
    lw_error_set_errno(error, "cannot watch %s", launch->program);
    kill(pid, SIGKILL);
    reap(pid, &status);
    return FALSE;
  }
  g_autoptr(GString) stderr_text = g_string_new(NULL);
  collect(pidfd, out[0], err[0], stdout_text, stderr_text);
  close(pidfd);
  reap(pid, &status);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return TRUE;
  set_exit_error(launch->argv[0], status, stderr_text, error);
  return FALSE;
}

char *lw_command_run(const LwCommand *command, GError **error) {
  g_auto(Launch) launch = {.holds = TRUE, .netns = -1, .fds = {-1, -1, -1}};
  if (!launch_prepare(&launch, command, error))
    return NULL;
  int out[2] = {-1, -1}, err[2] = {-1, -1}, report[2] = {-1, -1};
  g_autoptr(GString) text = g_string_new(NULL);
  gboolean ok = open_pipe(out, error) && open_pipe(err, error) && open_pipe(report, error);
  if (ok) {
    launch.fds[1] = out[1];
    launch.fds[2] = err[1];
    out[1] = err[1] = -1;
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    ok = run_launch(&launch, out, err, report, text, error);
  }
  for (guint i = 0; i < 2; i++) {
    close_fd(&out[i]);
    close_fd(&err[i]);
    close_fd(&report[i]);
  }
  return ok ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static gboolean open_daemon_output(Launch *launch, const char *log, GError **error) {
  const char *path = log ? log : "/dev/null";
  launch->fds[1] = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600)
                       : open(path, O_WRONLY | O_CLOEXEC);
  if (launch->fds[1] >= 0)
    launch->fds[2] = fcntl(launch->fds[1], F_DUPFD_CLOEXEC, 3);
  if (launch->fds[2] < 0)
    lw_error_set_errno(error, "cannot write to %s", path);
  return launch->fds[2] >= 0;
}

/* The child in between: its own child becomes the daemon and is init's once this one has left. */
static void fork_again(const Launch *launch, int report) {
  pid_t pid = fork();
  if (pid < 0) {
    send_note(report, NOTE_SETUP, errno);
    _exit(127);
  }
  if (pid > 0) {
    send_note(report, NOTE_PID, pid);
    _exit(0);
  }
  setsid();
  become(launch, report);
}

pid_t lw_command_spawn(const LwCommand *command, GError **error) {
  g_auto(Launch) launch = {.netns = -1, .fds = {-1, -1, -1}};
  int report[2];
  if (!launch_prepare(&launch, command, error) || !open_daemon_output(&launch, command->log, error) ||
      !open_pipe(report, error))
    return -1;
  pid_t between = fork();
  if (between == 0)
    fork_again(&launch, report[1]);
  if (between < 0)
    lw_error_set_errno(error, "cannot fork");
  close_fd(&report[1]);
  pid_t pid = -1;
  int status = 0;
  gboolean ok = between > 0 && read_notes(report[0], &launch, &pid, error);
  if (between > 0)
    reap(between, &status);
  close_fd(&report[0]);
  if (ok && pid < 0)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "cannot start %s: its starter was killed", launch.program);
  return ok ? pid : -1;
}

/* State letter and start time of a process. proc(5): the name in parentheses may hold anything. */
static gboolean read_stat(pid_t pid, char *state, guint64 *start) {
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return FALSE;
  const char *rest = strrchr(text, ')');
  if (!rest || strlen(rest) < 3)
    return FALSE;
  g_auto(GStrv) fields = g_strsplit(rest + 2, " ", -1); /* fields[0] is field 3 */
  if (g_strv_length(fields) < 20)
    return FALSE;
  *state = fields[0][0];
  *start = g_ascii_strtoull(fields[19], NULL, 10);
  return TRUE;
}

char *lw_process_identity(pid_t pid) {
  char state;
  guint64 start;
  if (pid <= 0 || !read_stat(pid, &state, &start))
    return NULL;
  return g_strdup_printf("%d %" G_GUINT64_FORMAT, (int)pid, start);
}

pid_t lw_process_alive(const char *identity) {
  if (!identity)
    return 0;
  char *end = NULL;
  gint64 pid = g_ascii_strtoll(identity, &end, 10);
  if (end == identity || *end != ' ' || pid <= 0 || pid > G_MAXINT)
    return 0;
  char state;
  guint64 start;
  if (!read_stat((pid_t)pid, &state, &start) || state == 'Z' || state == 'X')
    return 0;
  return start == g_ascii_strtoull(end + 1, NULL, 10) ? (pid_t)pid : 0;
}

/* Whether it has ended within the time; the caller's poll is restarted when a signal interrupts it. */
static gboolean wait_gone(int pidfd, guint timeout_ms) {
  gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  for (;;) {
    gint64 left = MAX(deadline - g_get_monotonic_time(), 0);
    struct pollfd watched = {pidfd, POLLIN, 0};
    int n = poll(&watched, 1, (int)((left + 999) / 1000));
    if (n > 0)
      return TRUE;
    if (n == 0 || errno != EINTR)
      return FALSE;
  }
}

gboolean lw_process_stop(const char *identity, guint grace_ms, GError **error) {
  pid_t pid = lw_process_alive(identity);
  int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
  if (pid > 0 && pidfd < 0 && errno != ESRCH) {
    lw_error_set_errno(error, "cannot watch process %d", (int)pid);
    return FALSE;
  }
  /* asked again now that the descriptor holds on to it: the pid may have changed hands in between */
  if (pidfd < 0 || lw_process_alive(identity) != pid) {
    close_fd(&pidfd);
    return TRUE;
  }
  gboolean gone = FALSE;
  gboolean sent = pidfd_send_signal(pidfd, SIGTERM, NULL, 0) == 0 || errno == ESRCH;
  if (sent)
    gone = wait_gone(pidfd, grace_ms);
  if (sent && !gone) {
    sent = pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0 || errno == ESRCH;
    gone = sent && wait_gone(pidfd, KILL_WAIT_MS);
  }
  int saved = errno;
  close_fd(&pidfd);
  errno = saved;
  if (!sent)
    lw_error_set_errno(error, "cannot stop process %d", (int)pid);
  else if (!gone)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "process %d does not end, even killed", (int)pid);
  return gone;
}

#define IDENTITY_MAX 128

static gboolean remove_file(const char *path, GError **error) {
  if (unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", path);
  return FALSE;
}

gboolean lw_process_end_pending(const char *pid_file, guint grace_ms, gboolean *had, GError **error) {
  g_autofree char *ending = g_strconcat(pid_file, ".ending", NULL);
  gboolean there = access(ending, F_OK) == 0;
  if (had)
    *had = there;
  if (!there)
    return TRUE;
  g_autofree char *identity = lw_file_read(ending, IDENTITY_MAX, NULL, NULL);
  return (!identity || lw_process_stop(g_strchomp(identity), grace_ms, error)) && remove_file(ending, error);
}

gboolean lw_process_end(const char *pid_file, guint grace_ms, gboolean *had, GError **error) {
  g_autofree char *ending = g_strconcat(pid_file, ".ending", NULL);
  gboolean before = FALSE, now = FALSE;
  if (!lw_process_end_pending(pid_file, grace_ms, &before, error))
    return FALSE;
  if (rename(pid_file, ending) != 0 && errno != ENOENT) {
    lw_error_set_errno(error, "cannot rename %s", pid_file);
    return FALSE;
  }
  gboolean ok = lw_process_end_pending(pid_file, grace_ms, &now, error);
  if (had)
    *had = before || now;
  return ok;
}
