/* Programs run by argv (never a shell), in a network namespace if asked, and daemons kept by pid file. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
  const char *const *argv; /* NULL-terminated; argv[0] looked up in PATH with /usr/sbin and /sbin added */
  const char *const *env;  /* nullable: NULL-terminated NAME=VALUE, added to the inherited ones */
  const char *netns;       /* nullable: name under the netns folder (lw_netns_open) */
  const char *input;       /* nullable: what stdin gives */
  const char *log;         /* nullable: file that stdout+stderr of a daemon are appended to (0600) */
  /* nullable: file that the daemon's identity is written to before the program starts: so whoever started it
     may be killed at any moment, and the next one still knows of it (and waits until then, if the lock's
     descriptor is inherited: it is closed by the exec) */
  const char *pid_file;
  /* Either of these gives it a mount namespace of its own, which still follows what is unmounted outside. */
  const char *const *private_dirs;  /* nullable: NULL-terminated; an own, empty tmpfs is mounted on each */
  const char *const *private_files; /* nullable: NULL-terminated pairs FILE, SOURCE: SOURCE is seen as FILE */
} LwCommand;

/* Runs to the end. Returns stdout (transfer full), or NULL and error: LW_ERROR_NOT_FOUND when the program is
 * missing, LW_ERROR_FAILED with its exit status and last line of stderr otherwise. input is never quoted in
 * an error. */
char *lw_command_run(const LwCommand *command, GError **error);

/* Programs that lw_command_run() starts from now on keep this descriptor (-1: none, as at the start). With
 * the file of a lock: whoever waits for that waits for them as well, should we be killed before they end. */
void lw_command_hold(int fd);

/* Starts a daemon in a session of its own, not waited for, reparented to init (double fork): returns its pid
 * or -1 and error (exec failures included). */
pid_t lw_command_spawn(const LwCommand *command, GError **error);

/* Identity of a process that survives pid reuse: "PID START" where START is field 22 of /proc/PID/stat
 * (proc(5)). NULL when there is no such process. Transfer full. */
char *lw_process_identity(pid_t pid);
/* The pid of an identity that is still alive (and not a zombie), or 0. */
pid_t lw_process_alive(const char *identity /* nullable */);
/* SIGTERM, then SIGKILL after grace_ms; returns when it is gone. An identity that is not alive is success. */
gboolean lw_process_stop(const char *identity, guint grace_ms, GError **error);

/* Ends the daemon that a pid file (an identity) knows of. The file is renamed to FILE.ending first, so that
 * whoever watches *.pid does not take the death for an accident, and removed when the process is gone:
 * whoever is killed in between leaves it for lw_process_end_pending(), which is to be called before another
 * one is started. *had (nullable): whether there was one. None is success. */
gboolean lw_process_end(const char *pid_file, guint grace_ms, gboolean *had, GError **error);
gboolean lw_process_end_pending(const char *pid_file, guint grace_ms, gboolean *had, GError **error);
