#include "base/files.h"

#include "base/error.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static gboolean write_all(int fd, const char *data, gsize length) {
  while (length > 0) {
    ssize_t n = write(fd, data, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    data += n;
    length -= (gsize)n;
  }
  return TRUE;
}

static void sync_folder_of(const char *path) {
  g_autofree char *folder = g_path_get_dirname(path);
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return; /* the rename itself succeeded; a folder that cannot be opened cannot be synced either */
  (void)fsync(fd);
  close(fd);
}

/* Without a name, so that nothing is left of it when this process is killed; where the file system cannot do
 * that (*temporary is set then), with one. */
static int open_temporary(const char *path, guint mode, char **temporary) {
  g_autofree char *folder = g_path_get_dirname(path);
  int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
    return fd;
  *temporary = g_strconcat(path, ".XXXXXX", NULL);
  return g_mkstemp_full(*temporary, O_WRONLY | O_CLOEXEC, (int)mode);
}

/* A name is never given over another file's: a second one, which rename() then can. */
static gboolean name_temporary(int fd, const char *path, char **temporary) {
  g_autofree char *source = g_strdup_printf("/proc/self/fd/%d", fd);
  for (guint tries = 0; tries < 100; tries++) {
    g_autofree char *name = g_strdup_printf("%s.%08x", path, g_random_int());
    if (linkat(AT_FDCWD, source, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
      *temporary = g_steal_pointer(&name);
      return TRUE;
    }
    if (errno != EEXIST)
      return FALSE;
  }
  return FALSE;
}

static gboolean fill_and_name(int fd, const char *path, const char *data, gsize length, guint mode,
                              char **temporary) {
  return fchmod(fd, mode) == 0 && write_all(fd, data, length) && fsync(fd) == 0 &&
         (*temporary || name_temporary(fd, path, temporary)) && rename(*temporary, path) == 0;
}

gboolean lw_file_write_atomic(const char *path, const char *data, gsize length, guint mode, GError **error) {
  g_autofree char *temporary = NULL;
  int fd = open_temporary(path, mode, &temporary);
  gboolean ok = fd >= 0 && fill_and_name(fd, path, data, length, mode, &temporary);
  int saved = errno;
  if (fd >= 0)
    close(fd);
  if (!ok) {
    if (temporary)
      unlink(temporary);
    errno = saved;
    lw_error_set_errno(error, "cannot write %s", path);
    return FALSE;
  }
  sync_folder_of(path);
  return TRUE;
}

char *lw_file_read(const char *path, gsize max, gsize *length, GError **error) {
  return lw_secret_file_read(path, max, FALSE, length, error);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk) {
  (void)st;
  (void)type;
  (void)walk;
  return remove(path);
}

gboolean lw_tree_remove(const char *path, GError **error) {
  if (nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 && errno != ENOENT) {
    lw_error_set_errno(error, "cannot remove %s", path);
    return FALSE;
  }
  return TRUE;
}

int lw_open_in_root(int root, const char *path, int flags, guint mode) {
  struct open_how how = {.flags = (guint64)(flags | O_CLOEXEC), .mode = mode};
  if (root >= 0)
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return (int)syscall(SYS_openat2, root >= 0 ? root : AT_FDCWD, path, &how, sizeof how);
}
