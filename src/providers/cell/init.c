/* Pid 1 of a cell: reaps, runs the cell's command, keeps a DHCP client, and carries the leases' resolvers
 * into /etc/resolv.conf. It reads the lease that dhcpcd stores (the DHCP message as it came) instead of
 * running a hook: no shell, and nothing to install. */
#include "base/enter.h"
#include "base/error.h"
#include "base/title.h"
#include "providers/cell/inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEASES "/var/lib/dhcpcd"
#define CLIENT_CONF "/etc/dhcpcd-cell.conf"
#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define RESPAWN_MS 300 /* doubled for each death soon after a start */
#define RESPAWN_MAX_DOUBLE 7
#define SOON_MS 10000
#define RETRIES 4
#define RETRY_MS 300
#define LOOK_MS 200

#define BOOTP_OPTIONS 240 /* after the fixed part and the magic cookie: RFC 2131 */
#define OPTION_PAD 0
#define OPTION_DNS 6
#define OPTION_DOMAIN 15
#define OPTION_END 255

typedef struct {
  const LwCellPlan *plan;
  GPtrArray *nics; /* of char*: those with DHCP */
  char *first;     /* the first NIC of all: it has the default route */
  int signals,
      leases;    /* leases -1: no inotify is left to this user, so the files are looked at now and then */
  gint64 newest; /* then: when the last of them changed */
  pid_t client;
  gint64 started; /* the client, last */
  guint deaths;   /* soon after their starts, one after another */
  gint64 respawn; /* when the client is started again; 0: it runs, or none is wanted */
  gint64 retry;   /* when a client without a lease is told to ask again; 0: no more */
  guint retries;
  gboolean leased;
} Init;

static gboolean write_text(const char *path, const char *text, GError **error) {
  return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, error);
}

/* Complaints go to the cell's log: who started the cell has left. */
static void complain(GError *error) {
  if (error)
    fprintf(stderr, "%s\n", error->message);
  g_clear_error(&error);
}

static gboolean read_network(Init *init, GError **error) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents(LW_CELL_NETWORK, &text, NULL, error))
    return FALSE;
  g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
  g_ptr_array_set_size(init->nics, 0);
  g_clear_pointer(&init->first, g_free);
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) words = g_strsplit(*line, " ", 2);
    if (!words[0] || !words[1])
      continue;
    if (g_str_equal(words[0], "dns")) {
      g_autofree char *resolv = g_strdup_printf("nameserver %s\n", words[1]);
      if (!g_str_equal(words[1], "-") && !write_text("/etc/resolv.conf", resolv, error))
        return FALSE;
      continue;
    }
    if (!init->first)
      init->first = g_strdup(words[0]);
    if (g_str_equal(words[1], "dhcp"))
      g_ptr_array_add(init->nics, g_strdup(words[0]));
  }
  return TRUE;
}

static gboolean write_client_conf(const Init *init, GError **error) {
  /* clientid: by MAC, so that a cell made again is the same client to the DHCP server. nodev: no waiting for
     a udev that does not run here. */
  GString *text = g_string_new("ipv4only\nnoipv4ll\nnoarp\nnodelay\nnodev\nclientid\ntimeout 0\nreboot 1\n"
                               "option routers, domain_name_servers, domain_name, subnet_mask\n"
                               "require dhcp_server_identifier\n");
  g_string_append_printf(text, "hostname %s\n", init->plan->name);
  for (guint i = 0; i < init->nics->len; i++) {
    const char *nic = init->nics->pdata[i];
    if (g_strcmp0(nic, init->first) != 0)
      g_string_append_printf(text, "interface %s\nnogateway\n", nic);
  }
  gboolean ok = write_text(CLIENT_CONF, text->str, error);
  g_string_free(text, TRUE);
  return ok;
}

static void become_child(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
}

static void start_client(Init *init) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  static const char *const fixed[] = {"dhcpcd", "-B", "-q", "-f", CLIENT_CONF, "-c", "/dev/null"};
  for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
    g_ptr_array_add(argv, (gpointer)fixed[i]);
  for (guint i = 0; i < init->nics->len; i++)
    g_ptr_array_add(argv, init->nics->pdata[i]);
  g_ptr_array_add(argv, NULL);
  init->started = g_get_monotonic_time();
  init->respawn = 0;
  init->retries = 0;
  init->retry = g_get_monotonic_time() + RETRY_MS * 1000;
  init->client = fork();
  if (init->client == 0) {
    become_child();
    int log = open("/var/log/dhcpcd.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log >= 0) {
      dup2(log, 1);
      dup2(log, 2);
    }
    execvp(argv->pdata[0], (char **)argv->pdata);
    _exit(127);
  }
  if (init->client < 0)
    init->respawn = g_get_monotonic_time() + RESPAWN_MS * 1000;
}

/* The resolvers and the domain of a stored lease, as lines of resolv.conf. */
static void append_lease(GString *text, const guint8 *message, gsize length) {
  for (gsize at = BOOTP_OPTIONS; at + 1 < length && message[at] != OPTION_END;) {
    if (message[at] == OPTION_PAD) {
      at++;
      continue;
    }
    const guint8 *data = message + at + 2;
    gsize size = message[at + 1];
    if (at + 2 + size > length)
      return;
    if (message[at] == OPTION_DNS)
      for (gsize i = 0; i + 4 <= size; i += 4)
        g_string_append_printf(text, "nameserver %u.%u.%u.%u\n", data[i], data[i + 1], data[i + 2],
                               data[i + 3]);
    if (message[at] == OPTION_DOMAIN) {
      g_autofree char *domain = g_strndup((const char *)data, size);
      if (*domain && strspn(domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
                         strlen(domain))
        g_string_append_printf(text, "search %s\n", domain);
    }
    at += 2 + size;
  }
}

static void read_leases(Init *init) {
  init->leased = TRUE;
  for (guint i = 0; i < init->nics->len; i++) {
    g_autofree char *path = g_strdup_printf(LEASES "/%s.lease", (char *)init->nics->pdata[i]);
    g_autofree char *message = NULL;
    gsize length;
    if (!g_file_get_contents(path, &message, &length, NULL)) {
      init->leased = FALSE;
      continue;
    }
    GString *text = g_string_new(NULL);
    if (g_str_equal(init->nics->pdata[i], init->first))
      append_lease(text, (const guint8 *)message, length);
    GError *error = NULL;
    if (text->len > 0 && !write_text("/etc/resolv.conf", text->str, &error))
      complain(error);
    g_string_free(text, TRUE);
  }
}

static void start_command(const LwCellPlan *plan) {
  if (!plan->argv[0] || fork() != 0)
    return;
  become_child();
  execvp(plan->argv[0], (char **)plan->argv);
  fprintf(stderr, "cannot run %s: %s\n", plan->argv[0], g_strerror(errno));
  _exit(127);
}

static void client_ended(Init *init) {
  gint64 now = g_get_monotonic_time();
  gboolean soon = now - init->started < SOON_MS * 1000;
  init->client = 0;
  init->retry = 0;
  init->respawn = init->nics->len > 0 ? now + ((gint64)RESPAWN_MS * 1000 << init->deaths) : 0;
  init->deaths = soon ? MIN(init->deaths + 1, RESPAWN_MAX_DOUBLE) : 0;
}

static void reap(Init *init) {
  pid_t pid;
  while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
    if (pid == init->client)
      client_ended(init);
}

/* dhcpcd's own second try comes after four seconds: too long when the network was a moment behind the cell.
 */
static void retry(Init *init) {
  if (init->leased || !init->client || init->retries >= RETRIES) {
    init->retry = 0;
    return;
  }
  kill(init->client, SIGHUP);
  init->retries++;
  init->retry = g_get_monotonic_time() + ((gint64)RETRY_MS * 1000 << init->retries);
}

static int milliseconds_to(gint64 first, gint64 second) {
  gint64 due = !first ? second : !second ? first : MIN(first, second);
  if (!due)
    return -1;
  return (int)CLAMP((due - g_get_monotonic_time()) / 1000 + 1, 0, 60000);
}

/* Another set of NICs, or of those with DHCP: the client starts again with it. */
static void change_network(Init *init) {
  GError *error = NULL;
  if (!read_network(init, &error) || !write_client_conf(init, &error))
    complain(error);
  init->deaths = 0;
  if (init->client)
    kill(init->client, SIGTERM); /* reap() sees to the rest */
  else if (init->nics->len > 0)
    init->respawn = g_get_monotonic_time();
}

static gboolean read_signals(Init *init) {
  struct signalfd_siginfo info;
  while (read(init->signals, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGTERM)
      return FALSE;
    if (info.ssi_signo == SIGHUP)
      change_network(init);
  }
  return TRUE;
}

/* Without inotify: whether a lease was written or removed since the last look. */
static gboolean leases_differ(Init *init) {
  struct stat folder;
  gint64 newest = 0;
  if (stat(LEASES, &folder) == 0)
    newest = folder.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000) + folder.st_mtim.tv_nsec / 1000;
  for (guint i = 0; i < init->nics->len; i++) {
    g_autofree char *path = g_strdup_printf(LEASES "/%s.lease", (char *)init->nics->pdata[i]);
    struct stat lease;
    if (stat(path, &lease) == 0)
      newest = MAX(newest, lease.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000) + lease.st_mtim.tv_nsec / 1000);
  }
  gboolean differ = newest != init->newest;
  init->newest = newest;
  return differ;
}

static int wait_ms(const Init *init) {
  int due = milliseconds_to(init->respawn, init->retry);
  return init->leases >= 0 || init->nics->len == 0 ? due : due < 0 ? LOOK_MS : MIN(due, LOOK_MS);
}

static void loop(Init *init) {
  for (;;) {
    struct pollfd watched[] = {{.fd = init->signals, .events = POLLIN},
                               {.fd = init->leases, .events = POLLIN}};
    (void)poll(watched, G_N_ELEMENTS(watched), wait_ms(init));
    if (!read_signals(init))
      return;
    char events[4096];
    gboolean changed = init->leases < 0 && leases_differ(init);
    while (init->leases >= 0 && read(init->leases, events, sizeof events) > 0)
      changed = TRUE;
    if (changed)
      read_leases(init);
    reap(init);
    gint64 now = g_get_monotonic_time();
    if (init->respawn && now >= init->respawn)
      start_client(init);
    if (init->retry && now >= init->retry)
      retry(init);
  }
}

static gboolean set_environment(void) {
  g_autofree char *term = g_strdup(g_getenv("TERM"));
  return clearenv() == 0 && setenv("PATH", PATH, 1) == 0 && setenv("HOME", "/root", 1) == 0 &&
         setenv("TERM", term ? term : "dumb", 1) == 0;
}

static gboolean set_descriptors(int *control) {
  *control = fcntl(*control, F_DUPFD_CLOEXEC, 3); /* out of the way of the first three */
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  gboolean ok = *control >= 0 && null >= 0;
  for (int fd = 0; fd < 3; fd++)
    ok = ok && dup2(null, fd) == fd;
  return ok;
}

/* Nothing of whoever started us stays open, once it has noted us. Its lock does until then: a recovery that
 * went ahead while we still set up would take away the folder that we work in. */
static gboolean keep_only_own(const Init *init) {
  int low = MIN(init->signals, init->leases), high = MAX(init->signals, init->leases);
  guint from = 3;
  const int own[] = {low, high};
  for (gsize i = 0; i < G_N_ELEMENTS(own); i++) {
    if (own[i] < (int)from)
      continue;
    if (own[i] > (int)from && syscall(SYS_close_range, from, (guint)own[i] - 1, 0) != 0)
      return FALSE;
    from = (guint)own[i] + 1;
  }
  return syscall(SYS_close_range, from, ~0u, 0) == 0;
}

static gboolean set_up(Init *init, GError **error) {
  if (!lw_cell_root(init->plan, error))
    return FALSE;
  int log = open("/var/log/cell.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
      sethostname(init->plan->name, strlen(init->plan->name)) != 0 || !set_environment()) {
    lw_error_set_errno(error, "cannot set cell %s up", init->plan->name);
    return FALSE;
  }
  close(log);
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, SIGTERM);
  sigaddset(&watched, SIGHUP);
  sigprocmask(SIG_SETMASK, &watched, NULL);
  init->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  /* 128 of them is all that one user has on most machines: a few labs side by side, and they are gone */
  init->leases = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  gboolean watched_or_none =
      init->leases < 0
          ? errno == EMFILE
          : inotify_add_watch(init->leases, LEASES, IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE) >= 0;
  if (init->signals < 0 || !watched_or_none) {
    lw_error_set_errno(error, "cannot set cell %s up", init->plan->name);
    return FALSE;
  }
  return write_text(LW_CELL_NETWORK, init->plan->network, error) && read_network(init, error) &&
         write_client_conf(init, error);
}

void lw_cell_init(const LwCellPlan *plan, int control) {
  g_autoptr(GError) error = NULL;
  Init init = {.plan = plan, .nics = g_ptr_array_new_with_free_func(g_free)};
  umask(022);
  setsid();
  for (int s = 1; s < NSIG; s++)
    signal(s, SIG_DFL); /* those that cannot be changed do not matter */
  gboolean ok = set_descriptors(&control);
  if (!ok)
    lw_error_set_errno(&error, "cannot start cell %s", plan->name);
  if (!ok || !set_up(&init, &error)) {
    lw_tell_error(control, error);
    _exit(1);
  }
  g_autofree char *title = g_strdup_printf("lanward-cell %s", plan->name);
  lw_process_set_title(title); /* /proc is there only now */
  lw_tell_ready(control);
  if (!lw_hear_noted(control) || !keep_only_own(&init))
    _exit(1);
  if (init.nics->len > 0)
    start_client(&init);
  start_command(plan);
  loop(&init);
  _exit(0);
}
