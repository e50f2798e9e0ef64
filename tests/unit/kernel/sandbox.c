#include "tests/unit/kernel/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(gboolean ok, const char *what) {
  if (ok)
    return;
  fprintf(stderr, "sandbox: %s: %s\n", what, g_strerror(errno));
  exit(1);
}

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
  close(fd);
}

static int exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Waits for `child`, reaping whatever else ends, and ends as it did. */
static void follow(pid_t child) {
  int status = 0;
  for (;;) {
    pid_t ended = waitpid(-1, &status, 0);
    if (ended == child)
      _exit(exit_status(status));
    must(ended > 0 || errno == EINTR, "wait");
  }
}

void lw_sandbox_enter(void) {
  g_autofree char *uids = g_strdup_printf("0 %u 1", geteuid());
  g_autofree char *gids = g_strdup_printf("0 %u 1", getegid());
  if (unshare(CLONE_NEWUSER) != 0) {
    fprintf(stderr, "sandbox: no user namespaces here: %s\n", g_strerror(errno));
    exit(77);
  }
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", uids);
  write_file("/proc/self/gid_map", gids);
  must(unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC) == 0, "unshare");
  pid_t init = fork();
  must(init >= 0, "fork");
  if (init > 0)
    follow(init);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount --make-private");
  must(mount("proc", "/proc", "proc", 0, NULL) == 0, "mount /proc");
  must(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0, "mount /run");
  must(mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0, "mount /tmp");
  /* the test itself is not pid 1: leak checkers cannot look into that, and daemons it leaves are reaped */
  pid_t test = fork();
  must(test >= 0, "fork");
  if (test > 0)
    follow(test);
}

const char *lw_sandbox_folder(void) {
  return "/tmp";
}
