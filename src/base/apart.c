#include "base/apart.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean write_all(int fd, const char *text, gsize length) {
  for (gsize at = 0; at < length;) {
    ssize_t written = write(fd, text + at, length - at);
    if (written <= 0)
      return FALSE;
    at += (gsize)written;
  }
  return TRUE;
}

/* "+ANSWER", or "-CODE MESSAGE". */
static void answer(int fd, LwApartBody body, gpointer data, guint seconds) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) text = g_string_new("+");
  signal(SIGALRM, SIG_DFL);
  alarm(seconds);
  if (!body(data, text, &error)) {
    int code = error && error->domain == LW_ERROR ? error->code : (int)LW_ERROR_FAILED;
    g_string_printf(text, "-%d %s", code, error ? error->message : "no reason given");
  }
  _exit(write_all(fd, text->str, text->len) ? 0 : 1);
}

static char *read_back(const char *who, int fd, GError **error) {
  struct stat info;
  gsize size = fstat(fd, &info) == 0 ? (gsize)info.st_size : 0;
  g_autofree char *text = g_malloc(size + 1);
  gsize at = 0;
  while (at < size) {
    ssize_t got = pread(fd, text + at, size - at, (off_t)at);
    if (got <= 0)
      break;
    at += (gsize)got;
  }
  text[at] = '\0';
  if (at == size && *text == '+')
    return g_strdup(text + 1);
  char *message = NULL;
  long code = *text == '-' ? strtol(text + 1, &message, 10) : LW_ERROR_FAILED;
  if (message)
    g_set_error_literal(error, LW_ERROR, (int)code, g_strchug(message));
  else
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s: the process that talks to it ended without a word",
                who);
  return NULL;
}

char *lw_apart(const char *who, LwApartBody body, gpointer data, guint seconds, GError **error) {
  int fd = memfd_create("answer", MFD_CLOEXEC);
  if (fd < 0) {
    lw_error_set_errno(error, "cannot make a file in memory");
    return NULL;
  }
  pid_t child = fork();
  if (child == 0)
    answer(fd, body, data, seconds);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  char *text = NULL;
  if (child < 0)
    lw_error_set_errno(error, "cannot start a process");
  else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s did not answer within %u s", who, seconds);
  else if (WIFSIGNALED(status))
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s: the process that talks to it ended with signal %d",
                who, WTERMSIG(status));
  else
    text = read_back(who, fd, error);
  close(fd);
  return text;
}
