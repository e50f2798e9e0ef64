/* The holder: pid 1 of a twin. It makes the namespaces a place where the lab's programs feel at home, then
 * sleeps, reaps, and calls for repair when a daemon has died. */
#include "twin/holder.h"

#include "base/enter.h"
#include "base/error.h"
#include "base/mounts.h"
#include "base/process.h"
#include "base/title.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_DIR "/run/lanward"
#define VIEWS "/run/twin"
/* A provider that stops a daemon removes its pid file a moment later: that is no accident. */
#define REPAIR_DELAY_MS 40
#define REPAIR_PAUSE_MS 200
#define REPAIR_PAUSE_MAX_MS 10000

static gboolean write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
  if (fd < 0)
    return FALSE;
  ssize_t n = write(fd, text, strlen(text));
  int saved = errno;
  close(fd);
  errno = saved;
  return n == (ssize_t)strlen(text);
}

static gboolean reads_as(const char *path, const char *wanted) {
  g_autofree char *text = NULL;
  return g_file_get_contents(path, &text, NULL, NULL) && strcmp(g_strchomp(text), wanted) == 0;
}

const char *lw_twin_userns_remedy(int reason) {
  if (reads_as("/proc/sys/kernel/unprivileged_userns_clone", "0"))
    return "run as root: sysctl -w kernel.unprivileged_userns_clone=1";
  if (reads_as("/proc/sys/user/max_user_namespaces", "0"))
    return "run as root: sysctl -w user.max_user_namespaces=15000";
  if (reads_as("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
    return "run as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  if (reason == ENOSPC)
    return "a limit under /proc/sys/user is reached: raise it or end other namespaces";
  return "a sandbox or container forbids it; in Docker start it with --security-opt seccomp=unconfined "
         "--security-opt systempaths=unconfined";
}

static void refuse_userns(int reason, GError **error) {
  g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "this machine allows no user namespaces (%s): %s",
              g_strerror(reason), lw_twin_userns_remedy(reason));
}

gboolean lw_twin_unshare(int flags, GError **error) {
  g_autofree char *uid_map = g_strdup_printf("0 %u 1", (guint)geteuid());
  g_autofree char *gid_map = g_strdup_printf("0 %u 1", (guint)getegid());
  if (unshare(CLONE_NEWUSER | flags) != 0 || !write_text("/proc/self/setgroups", "deny") ||
      !write_text("/proc/self/uid_map", uid_map) || !write_text("/proc/self/gid_map", gid_map)) {
    int reason = errno;
    refuse_userns(reason, error);
    errno = reason; /* for callers that only try */
    return FALSE;
  }
  return TRUE;
}

static gboolean mount_or_fail(const char *type, const char *target, unsigned long flags, const char *options,
                              GError **error) {
  if (mount(type, target, type, flags, options) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot mount %s on %s in the twin", type, target);
  return FALSE;
}

static gboolean make_folders(GError **error) {
  static const struct {
    const char *path;
    mode_t mode;
  } folders[] = {{"/run/netns", 0755},
                 {RUN_DIR, 0700},
                 {"/run/wireguard", 0700},
                 {"/run/dhcpcd", 0755},
                 {"/run/lock", 0755},
                 {VIEWS, 0700},
                 {VIEWS "/etc", 0700},
                 {VIEWS "/etc/upper", 0755},
                 {VIEWS "/lib", 0700},
                 {VIEWS "/lib/upper", 0755},
                 {VIEWS "/lib/upper/dhcpcd", 0755},
                 {VIEWS "/lib/upper/misc", 0755}};
  for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
    if (mkdir(folders[i].path, folders[i].mode) != 0) {
      lw_error_set_errno(error, "cannot make %s in the twin", folders[i].path);
      return FALSE;
    }
  return TRUE;
}

static gboolean mount_etc(const char *name, GError **error) {
  g_autofree char *hosts = g_strdup_printf("127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost\n", name);
  g_autofree char *hostname = g_strconcat(name, "\n", NULL);
  /* Only root: one uid is mapped here, and dhcpcd and dnsmasq would drop to users of theirs if they found
   * them. */
  const char *files[][2] = {{"passwd", "root:x:0:0:root:/root:/bin/sh\n"},
                            {"group", "root:x:0:\n"},
                            {"hosts", hosts},
                            {"hostname", hostname},
                            {"resolv.conf", "# of the twin alone; its DHCP client fills it\n"}};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(VIEWS "/etc/upper", files[i][0], NULL);
    if (!g_file_set_contents_full(path, files[i][1], -1, G_FILE_SET_CONTENTS_NONE, 0644, error))
      return FALSE;
  }
  return lw_mount_view("/etc", "/etc", VIEWS "/etc", error);
}

static gboolean set_up_mounts(const char *name, GError **error) {
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
    lw_error_set_errno(error, "cannot make the twin's mounts private");
    return FALSE;
  }
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "cannot mount /proc in a namespace (%s): parts of this machine's /proc are hidden, as a "
                "container does; "
                "in Docker start it with --security-opt systempaths=unconfined",
                g_strerror(errno));
    return FALSE;
  }
  if (!mount_or_fail("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755", error) || !make_folders(error) ||
      !mount_etc(name, error))
    return FALSE;
  if (g_file_test("/var/lib", G_FILE_TEST_IS_DIR) &&
      !lw_mount_view("/var/lib", "/var/lib", VIEWS "/lib", error))
    return FALSE;
  /* The host's /sys would show the host's interfaces. Not all machines allow a new one; nothing of the lab
     depends on it. */
  if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) != 0)
    g_printerr("no /sys of its own: %s\n", g_strerror(errno));
  return lw_mount_guard_sysctls("/proc", error);
}

static gboolean bring_lo_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo"};
  gboolean ok = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
  ok = ok && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  if (fd >= 0)
    close(fd);
  return ok;
}

/* Where a machine has br_netfilter loaded (Docker does it), every new namespace gets it switched on, and
 * frames between two ports of a bridge go through the rules of routing as well. A twin is the same on every
 * machine. */
static gboolean leave_bridges_alone(void) {
  static const char *const files[] = {"/proc/sys/net/bridge/bridge-nf-call-iptables",
                                      "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
                                      "/proc/sys/net/bridge/bridge-nf-call-arptables"};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
    if (!write_text(files[i], "0") && errno != ENOENT)
      return FALSE;
  return TRUE;
}

static gboolean set_up(const char *name, GError **error) {
  if (!set_up_mounts(name, error))
    return FALSE;
  /* Forwarding on is the harder case for the isolation of the host's bridges: it is what gets proved. */
  if (sethostname(name, strlen(name)) == 0 && bring_lo_up() &&
      write_text("/proc/sys/net/ipv4/ip_forward", "1") && leave_bridges_alone())
    return TRUE;
  lw_error_set_errno(error, "cannot set the twin's host up");
  return FALSE;
}

/* Descriptors: 0-2 are nothing and the log, 3 the listener, 4 the control; all others of the starter's go. */
static gboolean own_descriptors(int listener, int control) {
  if (listener != 3) {
    int moved = fcntl(control, F_DUPFD_CLOEXEC, 5); /* out of the way first */
    if (moved < 0 || dup3(listener, 3, O_CLOEXEC) < 0)
      return FALSE;
    control = moved;
  }
  if (control != 4 && dup3(control, 4, O_CLOEXEC) < 0)
    return FALSE;
  return syscall(SYS_close_range, 5, ~0u, 0) == 0;
}

static void set_up_output(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3 && null >= 0; fd++)
    dup2(null, fd);
  if (null > 2)
    close(null);
}

static gboolean open_log(GError **error) {
  int fd = open(RUN_DIR "/holder.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) {
    lw_error_set_errno(error, "cannot open the twin's log");
    return FALSE;
  }
  close(fd);
  return TRUE;
}

typedef struct {
  int listener, signals;
  LwTwinRepair repair;
  gpointer repair_data;
  pid_t repairing;
  gint64 due; /* monotonic, 0: nothing to do */
  gint64 earliest;
  guint failures;
  gboolean checking; /* whether the last repair held */
} Holder;

/* An identity; or a bare pid, as daemons write it themselves. */
static gboolean file_names_dead(const char *path) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return FALSE;
  g_strchomp(text);
  if (!*text || strchr(text, ' '))
    return *text && lw_process_alive(text) == 0;
  g_autofree char *identity = lw_process_identity((pid_t)atoi(text));
  return lw_process_alive(identity) == 0;
}

/* Pid files of daemons lie in the run folder or one folder below it. */
static gboolean daemon_is_dead(const char *folder, gboolean deeper) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (g_str_has_suffix(name, ".pid") && file_names_dead(path))
      return TRUE;
    if (deeper && g_file_test(path, G_FILE_TEST_IS_DIR) && daemon_is_dead(path, FALSE))
      return TRUE;
  }
  return FALSE;
}

static void schedule(Holder *holder, guint after_ms) {
  holder->due = MAX(g_get_monotonic_time() + after_ms * (gint64)1000, holder->earliest);
}

static void back_off(Holder *holder) {
  guint pause = MIN(REPAIR_PAUSE_MS << MIN(holder->failures, 8u), REPAIR_PAUSE_MAX_MS);
  holder->failures++;
  schedule(holder, pause);
}

static void repair_ended(Holder *holder, int status) {
  holder->repairing = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    holder->checking = TRUE;
    schedule(holder, REPAIR_PAUSE_MS);
    return;
  }
  back_off(holder);
}

static void reap(Holder *holder) {
  int status;
  pid_t pid;
  gboolean other = FALSE;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == holder->repairing)
      repair_ended(holder, status);
    else
      other = TRUE;
  }
  if (other && !holder->due && !holder->repairing && holder->repair)
    schedule(holder, REPAIR_DELAY_MS);
}

static void start_repair(Holder *holder) {
  gboolean checking = holder->checking;
  holder->checking = FALSE;
  holder->due = 0;
  if (!daemon_is_dead(RUN_DIR, TRUE)) {
    holder->failures = 0;
    return;
  }
  if (checking) { /* dead again at once: something that repairs alone do not cure */
    back_off(holder);
    return;
  }
  holder->earliest = g_get_monotonic_time() + REPAIR_PAUSE_MS * 1000;
  pid_t pid = fork();
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close(holder->listener);
    close(holder->signals);
    int status = holder->repair(holder->repair_data);
    fflush(NULL);
    _exit(status);
  }
  if (pid > 0)
    holder->repairing = pid;
  else
    schedule(holder, REPAIR_PAUSE_MAX_MS);
}

static void loop(Holder *holder) {
  for (;;) {
    struct pollfd watched[] = {{.fd = holder->signals, .events = POLLIN},
                               {.fd = holder->listener, .events = POLLIN}};
    int timeout = -1;
    if (holder->due && !holder->repairing)
      timeout = (int)CLAMP((holder->due - g_get_monotonic_time()) / 1000 + 1, 0, REPAIR_PAUSE_MAX_MS);
    if (poll(watched, G_N_ELEMENTS(watched), timeout) < 0 && errno != EINTR)
      return;
    if (watched[1].revents) {
      int fd = accept4(holder->listener, NULL, NULL, SOCK_CLOEXEC);
      if (fd >= 0)
        close(fd); /* who connects only wants to know who we are */
    }
    struct signalfd_siginfo info;
    while (read(holder->signals, &info, sizeof info) == (ssize_t)sizeof info) {
      if (info.ssi_signo == SIGTERM)
        return;
    }
    reap(holder);
    if (holder->due && !holder->repairing && g_get_monotonic_time() >= holder->due)
      start_repair(holder);
  }
}

/* Only a starter that is still there may leave a twin behind. */
static gboolean told_to_go(int control) {
  char byte;
  ssize_t n;
  do
    n = recv(control, &byte, 1, 0);
  while (n < 0 && errno == EINTR);
  return n == 1 && byte == 'G';
}

static void holder_main(const char *name, Holder *holder, int control) G_GNUC_NORETURN;
static void holder_main(const char *name, Holder *holder, int control) {
  g_autoptr(GError) error = NULL;
  g_autofree char *title = g_strdup_printf("lanward-twin %s", name);
  lw_process_set_title(title);
  umask(022);
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, SIGTERM);
  sigprocmask(SIG_SETMASK, &watched, NULL);
  holder->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  /* listen() here and nowhere before: the kernel notes the pid that SO_PEERCRED tells at this call. */
  gboolean ok = chdir("/") == 0 && holder->signals >= 0;
  if (!ok)
    lw_error_set_errno(&error, "cannot set twin %s up", name);
  ok = ok && set_up(name, &error) && open_log(&error);
  if (ok && listen(holder->listener, 64) != 0) {
    lw_error_set_errno(&error, "cannot listen for commands of twin %s", name);
    ok = FALSE;
  }
  if (!ok) {
    lw_tell_error(control, error);
    _exit(1);
  }
  lw_tell_ready(control);
  if (!told_to_go(control))
    _exit(1);
  close(control);
  loop(holder);
  _exit(0);
}

void lw_holder_boot(const char *name, int listener, int control, LwTwinRepair repair, gpointer repair_data) {
  g_autoptr(GError) error = NULL;
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
  g_autofree char *own_name = g_strdup(name);
  for (int s = 1; s < NSIG; s++)
    signal(s, SIG_DFL); /* those that cannot be changed do not matter */
  setsid();
  gboolean ok = own_descriptors(listener, control);
  if (!ok)
    lw_error_set_errno(&error, "cannot start twin %s", own_name);
  set_up_output();
  ok = ok && lw_twin_unshare(flags, &error);
  pid_t pid = ok ? fork() : -1;
  if (pid == 0) {
    Holder holder = {.listener = 3, .repair = repair, .repair_data = repair_data};
    holder_main(own_name, &holder, 4);
  }
  if (ok && pid < 0)
    lw_error_set_errno(&error, "cannot start twin %s", own_name);
  if (error)
    lw_tell_error(4, error);
  _exit(error ? 1 : 0);
}
