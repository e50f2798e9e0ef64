#include "cmd/confirm.h"

#include "base/enter.h"
#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "base/title.h"
#include "cmd/generations.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROW "confirm"
#define PID_FILE LW_RUN_DIR "/confirm.pid"
#define LOG_FILE LW_RUN_DIR "/confirm.log"
#define START_TIMEOUT_MS 10000
#define RETRY_MS 1000
#define STOP_GRACE_MS 1000

typedef struct {
  gboolean pending;
  guint back;    /* generation; 0: no lab at all */
  guint seconds; /* how long */
  gint64 until;  /* CLOCK_BOOTTIME in ms; 0: the time does not run yet */
  char boot[40]; /* id of the boot that `until` belongs to */
} Waiting;

struct LwConfirmTimer {
  int control;
};

/* --- the row
 * --------------------------------------------------------------------------------------------------- */

static gint64 boottime_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * (gint64)1000 + now.tv_nsec / 1000000;
}

static void read_boot_id(char boot[40]) {
  g_autofree char *text = NULL;
  if (g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
    g_strlcpy(boot, g_strchomp(text), 40);
}

static gboolean row_read(LwEngine *engine, Waiting *waiting, GError **error) {
  GError *inner = NULL;
  *waiting = (Waiting){0};
  g_autofree char *text = lw_engine_get(engine, ROW, &inner);
  g_autoptr(JsonNode) root = text ? json_from_string(text, &inner) : NULL;
  if (inner) {
    g_propagate_error(error, inner);
    return FALSE;
  }
  if (!root || !JSON_NODE_HOLDS_OBJECT(root))
    return TRUE;
  JsonObject *object = json_node_get_object(root);
  waiting->pending = TRUE;
  waiting->back = (guint)json_object_get_int_member_with_default(object, "back", 0);
  waiting->seconds = (guint)json_object_get_int_member_with_default(object, "seconds", 0);
  waiting->until = json_object_get_int_member_with_default(object, "until", 0);
  g_strlcpy(waiting->boot, json_object_get_string_member_with_default(object, "boot", ""),
            sizeof waiting->boot);
  return TRUE;
}

static char *row_text(const Waiting *waiting) {
  JsonObject *object = json_object_new();
  json_object_set_int_member(object, "back", waiting->back);
  json_object_set_int_member(object, "seconds", waiting->seconds);
  json_object_set_int_member(object, "until", waiting->until);
  json_object_set_string_member(object, "boot", waiting->boot);
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(root, object);
  return json_to_string(root, FALSE);
}

void lw_confirm_keep(LwEngine *engine, guint back_to, guint seconds) {
  Waiting waiting = {.back = back_to, .seconds = seconds};
  g_autofree char *text = row_text(&waiting);
  lw_engine_keep(engine, ROW, text);
}

void lw_confirm_forget(LwEngine *engine) {
  lw_engine_keep(engine, ROW, NULL);
}

gboolean lw_confirm_is_pending(LwEngine *engine, GError **error) {
  Waiting waiting;
  return row_read(engine, &waiting, error) && waiting.pending;
}

gint64 lw_confirm_left(LwEngine *engine, guint *back_to) {
  Waiting waiting;
  if (!row_read(engine, &waiting, NULL) || !waiting.pending || waiting.until == 0)
    return -1;
  *back_to = waiting.back;
  return (MAX(waiting.until - boottime_ms(), 0) + 999) / 1000;
}

/* --- the process that keeps the time
 * ------------------------------------------------------------------------- */

static char *timer_identity(void) {
  g_autofree char *text = lw_file_read(PID_FILE, 128, NULL, NULL);
  return text && lw_process_alive(g_strchomp(text)) ? g_steal_pointer(&text) : NULL;
}

static gboolean note_timer(GError **error) {
  g_autofree char *identity = lw_process_identity(getpid());
  g_autofree char *line = g_strdup_printf("%s\n", identity ? identity : "");
  return lw_file_write_atomic(PID_FILE, line, strlen(line), 0600, error);
}

/* Its file goes first: whoever watches it must not take this for an accident. */
static gboolean stop_timer(GError **error) {
  g_autofree char *identity = timer_identity();
  if (unlink(PID_FILE) != 0 && errno != ENOENT) {
    lw_error_set_errno(error, "cannot remove %s", PID_FILE);
    return FALSE;
  }
  g_autofree char *own = lw_process_identity(getpid());
  return !identity || g_strcmp0(own, identity) == 0 || lw_process_stop(identity, STOP_GRACE_MS, error);
}

static void sleep_until(gint64 until) {
  struct itimerspec when = {.it_value = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000}};
  int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
  guint64 count;
  if (timer >= 0 && timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
    while (read(timer, &count, sizeof count) < 0 && errno == EINTR)
      ;
  else
    g_usleep(RETRY_MS * 1000);
  if (timer >= 0)
    close(timer);
}

/* Opening a session does the work: it starts the time, and goes back when that is over. */
static gboolean look(const LwInvocation *invocation, gint64 *until) {
  Waiting waiting = {0};
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_begin(invocation, NULL, FALSE, &error);
  *until = boottime_ms() + RETRY_MS;
  if (!session || !row_read(session->engine, &waiting, &error)) {
    g_printerr("lanward: %s\n", error->message);
    return TRUE;
  }
  if (!waiting.pending)
    return FALSE;
  *until = MAX(waiting.until, 1);
  return TRUE;
}

static void keep_time(const LwInvocation *invocation) {
  gint64 until;
  while (look(invocation, &until))
    sleep_until(until);
  g_autofree char *own = lw_process_identity(getpid());
  g_autofree char *noted = timer_identity();
  if (g_strcmp0(own, noted) == 0)
    (void)unlink(PID_FILE); /* what is left of it names a dead process, which the next one sees */
}

static gboolean own_output(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  int log = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  gboolean ok = null >= 0 && log >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(log, 2) == 2;
  if (null > 2)
    close(null);
  if (log > 2)
    close(log);
  return ok;
}

/* Nothing of whoever started us but the control: not its lock, not its terminal. */
static void timer_main(const LwInvocation *asked, int control) G_GNUC_NORETURN;
static void timer_main(const LwInvocation *asked, int control) {
  g_autoptr(GError) error = NULL;
  LwInvocation invocation = {.twin = asked->twin, .verb = "revert", .name = asked->name, .quiet = TRUE};
  char byte;
  setsid();
  for (int s = 1; s < NSIG; s++)
    signal(s, SIG_DFL); /* those that cannot be changed do not matter */
  if (chdir("/") != 0 || !own_output() || dup2(control, 3) != 3)
    _exit(1);
  close_range(4, ~0u, 0);
  if (!note_timer(&error)) {
    lw_tell_error(3, error);
    _exit(1);
  }
  invocation.name = g_strdup(asked->name); /* the title is written over the arguments */
  lw_process_set_title("lanward-confirm");
  lw_tell_ready(3);
  while (recv(3, &byte, 1, 0) < 0 && errno == EINTR)
    ;
  close(3);
  keep_time(&invocation);
  _exit(0);
}

LwConfirmTimer *lw_confirm_timer_start(const LwInvocation *invocation, GError **error) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    lw_error_set_errno(error, "cannot start the confirm timer");
    return NULL;
  }
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    pid_t timer = fork();
    if (timer == 0)
      timer_main(invocation, pair[1]);
    _exit(timer < 0);
  }
  close(pair[1]);
  if (child < 0)
    lw_error_set_errno(error, "cannot start the confirm timer");
  while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
    ;
  if (child < 0 || !lw_hear(pair[0], START_TIMEOUT_MS, "the confirm timer died at its start", error)) {
    close(pair[0]);
    return NULL;
  }
  LwConfirmTimer *timer = g_new0(LwConfirmTimer, 1);
  timer->control = pair[0];
  return timer;
}

void lw_confirm_timer_release(LwConfirmTimer *timer) {
  if (!timer)
    return;
  close(timer->control);
  g_free(timer);
}

/* --- settling
 * ------------------------------------------------------------------------------------------------- */

static gboolean start_time(LwSession *session, Waiting *waiting, GError **error) {
  waiting->until = boottime_ms() + waiting->seconds * (gint64)1000;
  read_boot_id(waiting->boot);
  g_autofree char *text = row_text(waiting);
  return lw_engine_set(session->engine, ROW, text, error);
}

static gboolean go_back(LwSession *session, const Waiting *waiting, GError **error) {
  guint from = lw_generation_current(session->engine, NULL);
  g_autofree char *why = g_strdup_printf("back to %u: nobody confirmed %u", waiting->back, from);
  if (!lw_session_return_to(session, waiting->back, why, error))
    return FALSE;
  if (waiting->back)
    g_printerr("lanward: nobody confirmed generation %u in time: everything is as in generation %u again\n",
               from, waiting->back);
  else
    g_printerr(
        "lanward: nobody confirmed generation %u in time: the lab is gone, and this machine as before\n",
        from);
  return stop_timer(error);
}

gboolean lw_confirm_settle(LwSession *session, GError **error) {
  Waiting waiting;
  char boot[40] = "";
  if (!row_read(session->engine, &waiting, error))
    return FALSE;
  if (!waiting.pending)
    return TRUE;
  if (waiting.until == 0 && !start_time(session, &waiting, error))
    return FALSE;
  read_boot_id(boot);
  if (boottime_ms() >= waiting.until || !g_str_equal(boot, waiting.boot))
    return go_back(session, &waiting, error);
  g_autofree char *timer = timer_identity();
  if (timer)
    return TRUE;
  LwConfirmTimer *started = lw_confirm_timer_start(session->invocation, error);
  lw_confirm_timer_release(started);
  return started != NULL;
}

/* --- the verbs
 * ------------------------------------------------------------------------------------------------ */

static int print_decided(const LwInvocation *invocation, const char *what, guint generation) {
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_string_member(root, "outcome", what);
    json_object_set_int_member(root, "generation", generation);
    lw_print_json(root);
  } else if (!invocation->quiet) {
    if (generation == 0)
      g_print("rolled back: no lab is here any more\n");
    else
      g_print(g_str_equal(what, "confirmed") ? "confirmed: generation %u stays\n"
                                             : "rolled back: as in generation %u again\n",
              generation);
  }
  return LW_EXIT_OK;
}

static gboolean confirm_now(LwSession *session, GError **error) {
  return lw_engine_set(session->engine, ROW, NULL, error) && stop_timer(error);
}

static int confirm_inside(gpointer data) {
  const LwInvocation *invocation = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_begin(invocation, NULL, FALSE, &error);
  Waiting waiting;
  if (!session || !row_read(session->engine, &waiting, &error))
    return lw_fail(error);
  if (!waiting.pending)
    return lw_fail_text("nothing waits to be confirmed");
  if (!confirm_now(session, &error))
    return lw_fail(error);
  return print_decided(invocation, "confirmed", lw_generation_current(session->engine, NULL));
}

/* What it goes back to without a number: what an unconfirmed apply came from, else the generation before. */
static gboolean default_target(LwSession *session, guint *target, GError **error) {
  Waiting waiting;
  if (!row_read(session->engine, &waiting, error))
    return FALSE;
  *target = waiting.back;
  if (waiting.pending)
    return TRUE;
  GError *inner = NULL;
  guint current = lw_generation_current(session->engine, &inner);
  if (inner) {
    g_propagate_error(error, inner);
    return FALSE;
  }
  *target = current - 1;
  if (current > 1)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is nothing to roll back to: %s",
              current ? "this is the first generation" : "nothing is applied here yet");
  return FALSE;
}

static gboolean roll_back(LwSession *session, guint *target, GError **error) {
  guint current = lw_generation_current(session->engine, error);
  if (*error || (*target == 0 && !default_target(session, target, error)))
    return FALSE;
  g_autofree char *why = g_strdup_printf("rollback from %u to %u", current, *target);
  return lw_session_return_to(session, *target, why, error) && stop_timer(error);
}

static int rollback_inside(gpointer data) {
  const LwInvocation *invocation = data;
  g_autoptr(GError) error = NULL;
  const char *number = invocation->args->pdata[0];
  guint64 target = 0;
  if (number && !g_ascii_string_to_unsigned(number, 10, 1, G_MAXUINT, &target, NULL))
    return lw_fail_text("“%s” is no generation: %s status --history lists them", number, lw_target_command());
  g_autoptr(LwSession) session = lw_session_begin(invocation, NULL, FALSE, &error);
  guint to = (guint)target;
  if (!session || !roll_back(session, &to, &error))
    return lw_fail(error);
  return print_decided(invocation, "rolled-back", to);
}

int lw_confirm_main(const LwInvocation *invocation) {
  return lw_session_enter(invocation, confirm_inside, (gpointer)invocation);
}

int lw_rollback_main(const LwInvocation *invocation) {
  return lw_session_enter(invocation, rollback_inside, (gpointer)invocation);
}

/* --- waiting in the foreground
 * ------------------------------------------------------------------------------- */

typedef enum { GO_ON, KEEP, REVERT, LEAVE } Decision;

static Decision decide(int signals, gboolean key) {
  struct signalfd_siginfo info;
  if (key)
    return KEEP;
  if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
    return GO_ON;
  switch (info.ssi_signo) {
  case SIGUSR1:
    return KEEP;
  case SIGHUP: /* the terminal is gone: whoever sat there may come back and confirm, or not */
    return LEAVE;
  default:
    return REVERT;
  }
}

static gboolean key_was_pressed(void) {
  char text[64];
  ssize_t n = read(STDIN_FILENO, text, sizeof text);
  return n > 0 && memchr(text, '\n', (gsize)n);
}

/* Until somebody decides, or the process that keeps the time has ended: it was decided elsewhere. */
static Decision wait_for_decision(int timer, int signals) {
  for (;;) {
    struct pollfd watched[] = {{.fd = timer, .events = POLLIN},
                               {.fd = signals, .events = POLLIN},
                               {.fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1, .events = POLLIN}};
    if (poll(watched, G_N_ELEMENTS(watched), -1) < 0)
      continue;
    Decision decision = GO_ON;
    if (watched[1].revents)
      decision = decide(signals, FALSE);
    else if (watched[2].revents && key_was_pressed())
      decision = KEEP;
    if (decision != GO_ON || watched[0].revents)
      return decision;
  }
}

static int outcome(const LwInvocation *invocation, guint generation) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwSession) session = lw_session_begin(invocation, NULL, FALSE, &error);
  if (!session)
    return lw_fail(error);
  guint current = lw_generation_current(session->engine, NULL);
  (void)print_decided(invocation, current == generation ? "confirmed" : "rolled-back", current);
  return current == generation ? LW_EXIT_OK : LW_EXIT_ROLLED_BACK;
}

static int carry_out_decision(const LwInvocation *invocation, Decision decision, guint generation) {
  g_autoptr(GError) error = NULL;
  {
    g_autoptr(LwSession) session =
        decision == GO_ON ? NULL : lw_session_begin(invocation, NULL, FALSE, &error);
    guint target = 0;
    gboolean ok = decision == GO_ON || session;
    if (ok && decision == KEEP && lw_confirm_is_pending(session->engine, NULL))
      ok = confirm_now(session, &error);
    if (ok && decision == REVERT && lw_confirm_is_pending(session->engine, NULL))
      ok = roll_back(session, &target, &error);
    if (!ok)
      return lw_fail(error);
  }
  return outcome(invocation, generation);
}

int lw_confirm_wait(const LwInvocation *invocation, guint generation) {
  sigset_t set;
  sigemptyset(&set);
  static const int heard[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
  for (guint i = 0; i < G_N_ELEMENTS(heard); i++)
    sigaddset(&set, heard[i]);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  g_autofree char *identity = timer_identity();
  pid_t pid = identity ? lw_process_alive(identity) : 0;
  int timer = pid > 0 ? pidfd_open(pid, 0) : -1;
  Decision decision = timer >= 0 && signals >= 0 ? wait_for_decision(timer, signals) : GO_ON;
  if (timer >= 0)
    close(timer);
  if (signals >= 0)
    close(signals);
  if (decision == LEAVE)
    return LW_EXIT_OK;
  return carry_out_decision(invocation, decision, generation);
}
