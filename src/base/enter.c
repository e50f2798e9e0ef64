#include "base/enter.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void lw_tell_error(int fd, const GError *failure) {
  g_autofree char *message = g_strdup_printf(
      "E%d %s", failure->domain == LW_ERROR ? failure->code : LW_ERROR_FAILED, failure->message);
  (void)!send(fd, message, strlen(message), MSG_NOSIGNAL); /* nobody left to hear is nobody to tell */
}

void lw_tell_ready(int fd) {
  (void)!send(fd, "R", 1, MSG_NOSIGNAL);
}

/* The message (transfer full), NULL at the end of the stream or after the time (*timed_out). */
static char *receive(int fd, int timeout_ms, gboolean *timed_out) {
  char message[4096];
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  int ready;
  do
    ready = poll(&wait, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  *timed_out = ready == 0;
  ssize_t n = -1;
  if (ready > 0)
    do
      n = recv(fd, message, sizeof message, 0);
    while (n < 0 && errno == EINTR);
  return n > 0 ? g_strndup(message, (gsize)n) : NULL;
}

static void error_from_message(const char *message, GError **error) {
  char *text;
  int code = (int)strtol(message + 1, &text, 10);
  g_set_error(error, LW_ERROR, code, "%s", *text == ' ' ? text + 1 : text);
}

void lw_tell_noted(int fd) {
  (void)send(fd, "", 1, MSG_NOSIGNAL); /* one that died meanwhile is found dead by whoever looks next */
}

gboolean lw_hear_noted(int fd) {
  char byte;
  ssize_t got;
  while ((got = recv(fd, &byte, 1, 0)) < 0 && errno == EINTR)
    ;
  return got == 1;
}

gboolean lw_hear(int fd, int timeout_ms, const char *silent, GError **error) {
  gboolean timed_out;
  g_autofree char *message = receive(fd, timeout_ms, &timed_out);
  if (message && *message == 'R')
    return TRUE;
  if (message)
    error_from_message(message, error);
  else
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s%s", silent, timed_out ? " (no answer in time)" : "");
  return FALSE;
}

/* Waits for the child, passing on what a person or a service manager sends us. What the terminal sends
 * reaches the child by itself: it is in our process group. */
static int wait_forwarding(pid_t child, const sigset_t *watched) {
  for (;;) {
    siginfo_t info;
    int signal_number = sigwaitinfo(watched, &info);
    int status;
    pid_t done = waitpid(child, &status, WNOHANG);
    if (done == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (done < 0 && errno == ECHILD)
      return 1;
    if (signal_number > 0 && signal_number != SIGCHLD && info.si_code != SI_KERNEL)
      kill(child, signal_number);
  }
}

typedef struct {
  const LwEntry *entry;
  int control;
  sigset_t watched, before;
} Run;

static gboolean enter(const LwEntry *entry, GError **error) {
  if (setns(entry->pidfd, entry->flags) == 0 && (chdir(entry->folder) == 0 || chdir("/") == 0))
    return TRUE;
  lw_error_set_errno(error, "cannot enter the namespaces");
  return FALSE;
}

static void give_up(const Run *run, const GError *error) {
  lw_tell_error(run->control, error);
  _exit(1);
}

static void run_body(const Run *run) {
  g_autoptr(GError) error = NULL;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(run->entry->pidfd);
  sigprocmask(SIG_SETMASK, &run->before, NULL);
  int status = run->entry->body(run->entry->data, &error);
  if (error)
    give_up(run, error);
  fflush(NULL);
  _exit(status);
}

/* The process between us, outside, and the body, inside: a pid namespace is entered by one's children only.
 */
static void run_between(const Run *run) {
  g_autoptr(GError) error = NULL;
  if (!enter(run->entry, &error))
    give_up(run, error);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pid_t child = fork();
  if (child == 0)
    run_body(run);
  if (child < 0) {
    lw_error_set_errno(&error, "cannot start a process in the namespaces");
    give_up(run, error);
  }
  close(run->control);
  _exit(wait_forwarding(child, &run->watched));
}

int lw_enter_run(const LwEntry *entry, GError **error) {
  static const int forwarded[] = {SIGCHLD, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1};
  Run run = {.entry = entry};
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    lw_error_set_errno(error, "cannot enter the namespaces");
    return -1;
  }
  run.control = pair[1];
  sigemptyset(&run.watched);
  for (gsize i = 0; i < G_N_ELEMENTS(forwarded); i++)
    sigaddset(&run.watched, forwarded[i]);
  fflush(NULL);
  sigprocmask(SIG_BLOCK, &run.watched, &run.before);
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    run_between(&run);
  }
  close(pair[1]);
  int status = -1;
  if (child > 0)
    status = wait_forwarding(child, &run.watched);
  else
    lw_error_set_errno(error, "cannot start a process");
  sigprocmask(SIG_SETMASK, &run.before, NULL);
  /* An error that was told lies there now; a body that went well, or was replaced by a program, told none. */
  gboolean timed_out;
  g_autofree char *message = child > 0 ? receive(pair[0], 0, &timed_out) : NULL;
  close(pair[0]);
  if (!message)
    return status;
  error_from_message(message, error);
  return -1;
}
