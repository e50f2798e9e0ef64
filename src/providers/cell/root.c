/* The private root of a cell: a tmpfs with one view (overlay) for each folder of the root that we see. */
#include "base/error.h"
#include "base/mounts.h"
#include "providers/cell/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
  const char *path;
  mode_t mode;
} Folder;

static gboolean make_folder(const char *base, const Folder *folder, GError **error) {
  g_autofree char *path = g_build_filename(base, folder->path, NULL);
  if ((mkdir(path, 0700) == 0 || errno == EEXIST) && chmod(path, folder->mode) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make %s", path);
  return FALSE;
}

static gboolean make_folders(const char *base, const Folder *folders, gsize count, GError **error) {
  for (gsize i = 0; i < count; i++)
    if (!make_folder(base, &folders[i], error))
      return FALSE;
  return TRUE;
}

static gboolean write_file(const char *folder, const char *name, const char *text, GError **error) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, error);
}

/* Folders made here can be written to by a cell of an ordinary user, who does not own the host's. */
static gboolean prepare_uppers(const LwCellPlan *plan, const char *scratch, GError **error) {
  static const Folder folders[] = {{"etc", 0755},
                                   {"etc/upper", 0755},
                                   {"var", 0755},
                                   {"var/upper", 0755},
                                   {"var/upper/lib", 0755},
                                   {"var/upper/lib/dhcpcd", 0755},
                                   {"var/upper/lib/misc", 0755},
                                   {"var/upper/log", 0755},
                                   {"var/upper/cache", 0755},
                                   {"var/upper/spool", 0755},
                                   {"var/upper/tmp", 01777}};
  g_autofree char *etc = g_build_filename(scratch, "etc/upper", NULL);
  g_autofree char *hostname = g_strconcat(plan->name, "\n", NULL);
  g_autofree char *hosts =
      g_strdup_printf("127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost\n", plan->name);
  return make_folders(scratch, folders, G_N_ELEMENTS(folders), error) &&
         write_file(etc, "hostname", hostname, error) && write_file(etc, "hosts", hosts, error) &&
         write_file(etc, "resolv.conf", "# filled by DHCP\n", error);
}

static gboolean is_ours(const char *name) {
  static const char *const ours[] = {"proc", "sys", "dev", "run", "tmp", "lost+found", NULL};
  return g_strv_contains(ours, name);
}

static gboolean copy_link(const char *from, const char *to, GError **error) {
  g_autofree char *link = g_file_read_link(from, error);
  if (!link)
    return FALSE;
  if (symlink(link, to) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make %s", to);
  return FALSE;
}

static gboolean mount_views(const char *root, const char *scratch, GError **error) {
  g_autoptr(GDir) dir = g_dir_open("/", 0, error);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *from = g_build_filename("/", name, NULL);
    g_autofree char *to = g_build_filename(root, name, NULL);
    g_autofree char *own = g_build_filename(scratch, name, NULL);
    struct stat st;
    if (is_ours(name) || lstat(from, &st) != 0)
      continue;
    if (S_ISLNK(st.st_mode)) {
      if (!copy_link(from, to, error))
        return FALSE;
      continue;
    }
    if (!S_ISDIR(st.st_mode))
      continue;
    if (mkdir(to, 0700) != 0) {
      lw_error_set_errno(error, "cannot make %s", to);
      return FALSE;
    }
    /* What we may not read (/root, of an ordinary user) is an empty folder of the cell's own. */
    if (access(from, R_OK | X_OK) == 0 && !lw_mount_view(from, to, own, error))
      return FALSE;
  }
  return dir != NULL;
}

static gboolean bind_device(const char *root, const char *name, GError **error) {
  g_autofree char *from = g_build_filename("/dev", name, NULL);
  g_autofree char *to = g_build_filename(root, "dev", name, NULL);
  if (access(from, F_OK) != 0)
    return TRUE; /* what the host has not, the cell has not */
  int fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) {
    lw_error_set_errno(error, "cannot make %s", to);
    return FALSE;
  }
  close(fd);
  return lw_mount_bind(from, to, FALSE, error);
}

/* Only what every program expects: a cell that root started could otherwise write to the host's disks. */
static gboolean make_devices(const char *root, GError **error) {
  static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty", "net/tun"};
  static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                         {"/proc/self/fd/0", "stdin"},
                                         {"/proc/self/fd/1", "stdout"},
                                         {"/proc/self/fd/2", "stderr"},
                                         {"pts/ptmx", "ptmx"}};
  for (gsize i = 0; i < G_N_ELEMENTS(devices); i++)
    if (!bind_device(root, devices[i], error))
      return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(links); i++) {
    g_autofree char *to = g_build_filename(root, "dev", links[i][1], NULL);
    if (symlink(links[i][0], to) != 0) {
      lw_error_set_errno(error, "cannot make %s", to);
      return FALSE;
    }
  }
  g_autofree char *pts = g_build_filename(root, "dev/pts", NULL);
  if (mount("devpts", pts, "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot mount %s", pts);
  return FALSE;
}

static gboolean mount_kernel_views(const char *root, GError **error) {
  g_autofree char *proc = g_build_filename(root, "proc", NULL);
  g_autofree char *sys = g_build_filename(root, "sys", NULL);
  if (mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
    lw_error_set_errno(error, "cannot mount %s", proc);
    return FALSE;
  }
  if (!lw_mount_guard_sysctls(proc, error))
    return FALSE;
  /* a machine that allows no new sysfs shows the one we have */
  return mount("sysfs", sys, "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) == 0 ||
         lw_mount_bind("/sys", sys, TRUE, error);
}

static gboolean pivot(const char *root, GError **error) {
  if (chdir(root) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
      chdir("/") == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot change to the root %s", root);
  return FALSE;
}

gboolean lw_cell_root(const LwCellPlan *plan, GError **error) {
  static const Folder base_folders[] = {{"root", 0755}, {"scratch", 0700}};
  static const Folder root_folders[] = {{"proc", 0555},       {"sys", 0555},           {"dev", 0755},
                                        {"dev/net", 0755},    {"dev/pts", 0755},       {"dev/shm", 01777},
                                        {"run", 0755},        {"run/lock", 01777},     {"run/netns", 0755},
                                        {"run/dhcpcd", 0755}, {"run/wireguard", 0700}, {"tmp", 01777}};
  g_autofree char *root = g_build_filename(plan->folder, "root", NULL);
  g_autofree char *scratch = g_build_filename(plan->folder, "scratch", NULL);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("tmpfs", plan->folder, "tmpfs", MS_NOSUID, "mode=0755") != 0) {
    lw_error_set_errno(error, "cannot mount the root of cell %s", plan->name);
    return FALSE;
  }
  if (!make_folders(plan->folder, base_folders, G_N_ELEMENTS(base_folders), error) ||
      !lw_mount_bind(root, root, FALSE, error) ||
      !make_folders(root, root_folders, G_N_ELEMENTS(root_folders), error) ||
      !prepare_uppers(plan, scratch, error) || !mount_views(root, scratch, error) ||
      !make_devices(root, error) || !mount_kernel_views(root, error))
    return FALSE;
  return pivot(root, error);
}
