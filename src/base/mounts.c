#include "base/mounts.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COPY_MAX (256 * 1024)

/* Flags that a mount in a user namespace may not lose when it is remounted. */
static unsigned long flags_kept(const char *path) {
  struct statvfs st;
  if (statvfs(path, &st) != 0)
    return 0;
  unsigned long flags = 0;
  if (st.f_flag & ST_NOSUID)
    flags |= MS_NOSUID;
  if (st.f_flag & ST_NODEV)
    flags |= MS_NODEV;
  if (st.f_flag & ST_NOEXEC)
    flags |= MS_NOEXEC;
  if (st.f_flag & ST_NOATIME)
    flags |= MS_NOATIME;
  if (st.f_flag & ST_NODIRATIME)
    flags |= MS_NODIRATIME;
  if (st.f_flag & ST_RELATIME)
    flags |= MS_RELATIME;
  return flags;
}

static gboolean make_read_only(const char *target, GError **error) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  if (syscall(SYS_mount_setattr, AT_FDCWD, target, AT_RECURSIVE, &attr, sizeof attr) == 0)
    return TRUE;
  if (errno == ENOSYS &&
      mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags_kept(target), NULL) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make %s read-only", target);
  return FALSE;
}

gboolean lw_mount_bind(const char *source, const char *target, gboolean read_only, GError **error) {
  if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) {
    lw_error_set_errno(error, "cannot bind %s to %s", source, target);
    return FALSE;
  }
  return !read_only || make_read_only(target, error);
}

static char *escape_option(const char *path) {
  GString *out = g_string_new(NULL);
  for (const char *p = path; *p; p++) {
    if (strchr("\\:,", *p))
      g_string_append_c(out, '\\');
    g_string_append_c(out, *p);
  }
  return g_string_free(out, FALSE);
}

static gboolean mount_overlay(const char *source, const char *target, const char *upper, const char *work) {
  g_autofree char *s = escape_option(source);
  g_autofree char *u = escape_option(upper);
  g_autofree char *w = escape_option(work);
  /* userxattr is what a user namespace may use; kernels before 5.11 (and Debian's own patch of them) do not
     know it and do without. */
  g_autofree char *options = g_strdup_printf("lowerdir=%s,upperdir=%s,workdir=%s", s, u, w);
  g_autofree char *with_xattr = g_strconcat(options, ",userxattr", NULL);
  return mount("overlay", target, "overlay", 0, with_xattr) == 0 ||
         (errno == EINVAL && mount("overlay", target, "overlay", 0, options) == 0);
}

static gboolean fill(const char *source, const char *upper, GError **error);

static gboolean fill_file(const char *from, const char *to, const struct stat *st, GError **error) {
  g_autofree char *data = NULL;
  gsize length = 0;
  if (S_ISREG(st->st_mode) && st->st_size <= COPY_MAX && g_file_get_contents(from, &data, &length, NULL))
    return g_file_set_contents_full(to, data, (gssize)length, G_FILE_SET_CONTENTS_NONE,
                                    (int)(st->st_mode & 07777), error);
  int fd = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) {
    lw_error_set_errno(error, "cannot make %s", to);
    return FALSE;
  }
  close(fd);
  return lw_mount_bind(from, to, TRUE, error);
}

static gboolean fill_entry(const char *from, const char *to, GError **error) {
  struct stat st, there;
  if (lstat(from, &st) != 0)
    return TRUE; /* gone while we looked: not part of the view */
  if (lstat(to, &there) == 0)
    return !(S_ISDIR(st.st_mode) && S_ISDIR(there.st_mode)) || fill(from, to, error);
  if (S_ISLNK(st.st_mode)) {
    g_autofree char *link = g_file_read_link(from, error);
    if (!link)
      return FALSE;
    if (symlink(link, to) == 0)
      return TRUE;
    lw_error_set_errno(error, "cannot make %s", to);
    return FALSE;
  }
  if (!S_ISDIR(st.st_mode))
    return fill_file(from, to, &st, error);
  if (mkdir(to, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", to);
    return FALSE;
  }
  return lw_mount_bind(from, to, TRUE, error);
}

static gboolean fill(const char *source, const char *upper, GError **error) {
  g_autoptr(GDir) dir = g_dir_open(source, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *from = g_build_filename(source, name, NULL);
    g_autofree char *to = g_build_filename(upper, name, NULL);
    if (!fill_entry(from, to, error))
      return FALSE;
  }
  return TRUE; /* a folder that we may not read shows nothing */
}

gboolean lw_mount_view(const char *source, const char *target, const char *scratch, GError **error) {
  g_autofree char *upper = g_build_filename(scratch, "upper", NULL);
  g_autofree char *work = g_build_filename(scratch, "work", NULL);
  if (g_mkdir_with_parents(upper, 0755) != 0 || g_mkdir_with_parents(work, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", scratch);
    return FALSE;
  }
  struct stat st;
  if (stat(source, &st) == 0)
    (void)chmod(upper,
                st.st_mode & 07777); /* /root stays closed; failing leaves it as tight as the umask says */
  if (mount_overlay(source, target, upper, work))
    return TRUE;
  return fill(source, upper, error) && lw_mount_bind(upper, target, FALSE, error);
}

gboolean lw_mount_guard_sysctls(const char *proc, GError **error) {
  g_autofree char *all = g_build_filename(proc, "sys", NULL);
  g_autofree char *net = g_build_filename(proc, "sys/net", NULL);
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | flags_kept(proc);
  if (mount(all, all, NULL, MS_BIND, NULL) == 0 && mount(net, net, NULL, MS_BIND, NULL) == 0 &&
      mount(NULL, all, NULL, flags, NULL) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot protect %s", all);
  return FALSE;
}
