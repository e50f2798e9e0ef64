#include "base/netns.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static gboolean name_is_sane(const char *name) {
  return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
         strlen(name) < NAME_MAX;
}

static char *path_of(const char *name, GError **error) {
  if (name_is_sane(name))
    return g_build_filename(LW_NETNS_FOLDER, name, NULL);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "\"%s\" cannot name a network namespace", name ? name : "");
  return NULL;
}

/* As ip-netns(8) does it: the folder is a shared mount, so that services with mount namespaces of their own
 * see namespaces come and go. */
static gboolean make_folder(GError **error) {
  if (g_mkdir_with_parents(LW_NETNS_FOLDER, 0755) != 0) {
    lw_error_set_errno(error, "cannot make %s", LW_NETNS_FOLDER);
    return FALSE;
  }
  if (mount("", LW_NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL) == 0)
    return TRUE;
  if (errno == EINVAL && mount(LW_NETNS_FOLDER, LW_NETNS_FOLDER, "none", MS_BIND | MS_REC, NULL) == 0 &&
      mount("", LW_NETNS_FOLDER, "none", MS_SHARED | MS_REC, NULL) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make %s a mount point", LW_NETNS_FOLDER);
  return FALSE;
}

static gboolean loopback_up(GError **error) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  gboolean ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  if (!ok)
    lw_error_set_errno(error, "cannot bring lo up in a new network namespace");
  if (fd >= 0)
    close(fd);
  return ok;
}

typedef struct {
  const char *path;
  GError *error;
} Creation;

/* In a thread of its own, which ends in the new namespace: the caller's is never at risk. */
static gpointer create_in_thread(gpointer data) {
  Creation *creation = data;
  if (unshare(CLONE_NEWNET) != 0)
    lw_error_set_errno(&creation->error, "cannot make a network namespace");
  else if (loopback_up(&creation->error) &&
           mount("/proc/thread-self/ns/net", creation->path, "none", MS_BIND, NULL) != 0)
    lw_error_set_errno(&creation->error, "cannot keep a network namespace as %s", creation->path);
  return NULL;
}

/* A file that no namespace is mounted on is what a creation that was cut short has left. */
static gboolean is_namespace(const char *path) {
  struct statfs fs;
  return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

static gboolean make_file(const char *path, const char *name, GError **error) {
  int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
  if (fd >= 0) {
    close(fd);
    return TRUE;
  }
  if (errno != EEXIST) {
    lw_error_set_errno(error, "cannot make %s", path);
    return FALSE;
  }
  if (is_namespace(path))
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "network namespace %s exists already", name);
  return !is_namespace(path);
}

gboolean lw_netns_create(const char *name, GError **error) {
  g_autofree char *path = path_of(name, error);
  if (!path || !make_folder(error) || !make_file(path, name, error))
    return FALSE;
  Creation creation = {path, NULL};
  GThread *thread = g_thread_try_new("netns", create_in_thread, &creation, &creation.error);
  if (thread)
    g_thread_join(thread);
  if (!creation.error)
    return TRUE;
  unlink(path);
  g_propagate_error(error, creation.error);
  return FALSE;
}

gboolean lw_netns_keep(const char *name, const char *from, GError **error) {
  g_autofree char *path = path_of(name, error);
  if (!path || !make_folder(error) || !make_file(path, name, error))
    return FALSE;
  if (mount(from, path, "none", MS_BIND, NULL) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot keep %s as %s", from, path);
  unlink(path);
  return FALSE;
}

gboolean lw_netns_delete(const char *name, GError **error) {
  g_autofree char *path = path_of(name, error);
  if (!path)
    return FALSE;
  /* EINVAL: a file that nothing is mounted on, left by a creation that was cut short */
  if ((umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT) &&
      (unlink(path) == 0 || errno == ENOENT))
    return TRUE;
  lw_error_set_errno(error, "cannot delete network namespace %s", name);
  return FALSE;
}

gboolean lw_netns_exists(const char *name) {
  g_autofree char *path = path_of(name, NULL);
  return path && is_namespace(path);
}

int lw_netns_open(const char *name, GError **error) {
  gboolean own = !name || !*name;
  g_autofree char *path = own ? g_strdup("/proc/thread-self/ns/net") : path_of(name, error);
  if (!path)
    return -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0)
    return fd;
  if (own)
    lw_error_set_errno(error, "cannot open our own network namespace");
  else if (errno == ENOENT)
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is no network namespace %s", name);
  else
    lw_error_set_errno(error, "cannot open network namespace %s", name);
  return -1;
}

int lw_netns_enter(const char *name, GError **error) {
  int previous = lw_netns_open(NULL, error);
  if (previous < 0)
    return -1;
  int target = lw_netns_open(name, error);
  /* the way back is tried before leaving: it needs rights over this namespace, too */
  gboolean ok = target >= 0 && setns(previous, CLONE_NEWNET) == 0 && setns(target, CLONE_NEWNET) == 0;
  if (target >= 0 && !ok)
    lw_error_set_errno(error, "cannot enter network namespace %s", name && *name ? name : "of our own");
  if (target >= 0)
    close(target);
  if (ok)
    return previous;
  close(previous);
  return -1;
}

void lw_netns_leave(int previous) {
  /* lw_netns_enter() has proved that this works; going on in a wrong namespace could touch a wrong machine */
  if (setns(previous, CLONE_NEWNET) != 0)
    g_error("cannot return to a network namespace: %s", g_strerror(errno));
  close(previous);
}
