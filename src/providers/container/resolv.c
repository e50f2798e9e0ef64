#include "providers/container/resolv.h"

#include "base/error.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_INSIDE "etc"
#define NAME_INSIDE "resolv.conf"
#define FILE_INSIDE FOLDER_INSIDE "/" NAME_INSIDE
#define LONGEST (64 * 1024)

char *lw_resolv_servers(const char *text) {
  g_autoptr(GString) out = g_string_new(NULL);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", -1);
    if (g_strcmp0(words[0], "nameserver") != 0)
      continue;
    guint at = 1;
    while (words[at] && !*words[at])
      at++;
    if (words[at])
      g_string_append_printf(out, "%s%s", out->len ? " " : "", words[at]);
  }
  return g_string_free(g_steal_pointer(&out), FALSE);
}

static int open_root(pid_t pid, GError **error) {
  g_autofree char *path = g_strdup_printf("/proc/%d/root", (int)pid);
  int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    lw_error_set_errno(error, "cannot reach into process %d", (int)pid);
  return root;
}

static char *read_all(int fd) {
  g_autofree char *buffer = g_malloc(LONGEST + 1);
  gsize length = 0;
  for (;;) {
    ssize_t n = read(fd, buffer + length, LONGEST - length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    length += (gsize)n;
  }
  buffer[length] = '\0';
  return g_strdup(buffer);
}

char *lw_resolv_read(pid_t pid, GError **error) {
  int root = open_root(pid, error);
  if (root < 0)
    return NULL;
  /* not blocking: what lies there may be a FIFO of somebody's */
  int fd = lw_open_in_root(root, FILE_INSIDE, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  int saved = errno;
  close(root);
  if (fd < 0) {
    errno = saved;
    if (saved != ENOENT)
      lw_error_set_errno(error, "cannot read /etc/resolv.conf of process %d", (int)pid);
    return NULL;
  }
  char *text = read_all(fd);
  close(fd);
  return text;
}

static gboolean write_fd(int fd, const char *text) {
  gsize length = strlen(text);
  gboolean ok = ftruncate(fd, 0) == 0 && write(fd, text, length) == (ssize_t)length;
  int saved = errno;
  close(fd);
  errno = saved;
  return ok;
}

static gboolean remove_below(int root) {
  int folder = lw_open_in_root(root, FOLDER_INSIDE, O_PATH | O_DIRECTORY, 0);
  gboolean ok = folder >= 0 ? unlinkat(folder, NAME_INSIDE, 0) == 0 || errno == ENOENT : errno == ENOENT;
  if (folder >= 0)
    close(folder);
  return ok;
}

gboolean lw_resolv_write(pid_t pid, const char *file, const char *text, GError **error) {
  int root = open_root(pid, error);
  if (root < 0)
    return FALSE;
  if (!text && remove_below(root)) {
    close(root);
    return TRUE;
  }
  int fd = lw_open_in_root(root, FILE_INSIDE, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0644);
  int saved = errno;
  close(root);
  if (fd < 0 && file && (saved == EROFS || saved == EACCES))
    fd = open(file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && write_fd(fd, text ? text : ""))
    return TRUE;
  errno = fd >= 0 ? errno : saved;
  lw_error_set_errno(error, "cannot write /etc/resolv.conf of process %d", (int)pid);
  return FALSE;
}
