#include "providers/container/container.h"

#include "base/enter.h"
#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "base/process.h"
#include "providers/container/resolv.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_MAX (64 * 1024)

/* --- what is there
 * ------------------------------------------------------------------------------------------------------ */

static gboolean same_namespace(const char *name, pid_t pid) {
  g_autofree char *kept = g_build_filename(LW_NETNS_FOLDER, name, NULL);
  g_autofree char *own = g_strdup_printf("/proc/%d/ns/net", (int)pid);
  struct stat a, b;
  return stat(kept, &a) == 0 && stat(own, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* A name whose process is gone, or is in another namespace, is there without one. */
static LwResource *see(const LwResource *hint) {
  LwResource *seen = lw_resource_new(LW_RES_CONTAINER, "", hint->name);
  seen->object = g_strdup(hint->object);
  seen->file = g_strdup(hint->file);
  pid_t pid = lw_process_alive(hint->process);
  if (pid <= 0 || !same_namespace(hint->name, pid))
    return seen;
  seen->process = g_strdup(hint->process);
  g_autofree char *text = lw_resolv_read(pid, NULL); /* one that cannot be read is no resolver */
  seen->value = lw_resolv_servers(text ? text : "");
  /* cut off everything: whatever its file says, nobody is asked */
  if (!hint->value || !*hint->value)
    g_clear_pointer(&seen->value, g_free);
  return seen;
}

static void observe_hints(const LwResourceSet *hints, LwResourceSet *seen) {
  for (guint i = 0; hints && i < hints->list->len; i++) {
    const LwResource *hint = hints->list->pdata[i];
    if (hint->kind != LW_RES_CONTAINER || !lw_netns_exists(hint->name))
      continue;
    g_autofree char *key = lw_resource_key(hint);
    if (!lw_resource_set_find(seen, key))
      lw_resource_set_add(seen, see(hint));
  }
}

static gboolean container_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                                  LwResourceSet *seen, GError **error) {
  observe_hints(wanted, seen);
  observe_hints(owned, seen);
  return TRUE;
}

/* --- what is done
 * ------------------------------------------------------------------------------------------------------- */

static gboolean ended(const LwResource *container, GError **error) {
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
              "container %s ended or was started again in this moment: apply once more", container->object);
  return FALSE;
}

static char *kept_path(const LwProvider *self, const LwResource *container) {
  return g_strdup_printf("%s/%s.resolv", self->context->run_dir, container->name);
}

/* What the engine had written is kept once, before the first of our own: THERE and its text; nothing when it
 * had no such file. */
#define THERE '+'

static gboolean keep_file(const LwProvider *self, const LwResource *container, pid_t pid, GError **error) {
  g_autofree char *path = kept_path(self, container);
  if (g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autofree char *before = lw_resolv_read(pid, NULL);
  g_autofree char *text = before ? g_strdup_printf("%c%s", THERE, before) : g_strdup("");
  return lw_file_write_atomic(path, text, strlen(text), 0600, error);
}

static gboolean write_resolver(const LwProvider *self, const LwResource *container, pid_t pid,
                               GError **error) {
  if (!container->value || !*container->value)
    return TRUE;
  g_autofree char *there = lw_resolv_read(pid, NULL);
  g_autofree char *servers = lw_resolv_servers(there ? there : "");
  if (g_str_equal(servers, container->value))
    return TRUE; /* it was made with such a file */
  g_autofree char *text = g_strdup_printf("nameserver %s\n", container->value);
  if (keep_file(self, container, pid, error) && lw_resolv_write(pid, container->file, text, error))
    return TRUE;
  g_prefix_error(error,
                 "container %s gets no resolver (make it again with a root that can be written to, or with a "
                 "file that says “nameserver %s” as its /etc/resolv.conf: -v FILE:/etc/resolv.conf): ",
                 container->object, container->value);
  return FALSE;
}

/* A container that is gone took its file along. */
static gboolean give_file_back(const LwProvider *self, const LwResource *container, GError **error) {
  g_autofree char *path = kept_path(self, container);
  g_autofree char *kept = lw_file_read(path, KEPT_MAX, NULL, NULL);
  const char *before = kept && *kept == THERE ? kept + 1 : NULL;
  pid_t pid = lw_process_alive(container->process);
  g_autofree char *now = pid > 0 ? lw_resolv_read(pid, NULL) : NULL;
  gboolean ours = kept && g_strcmp0(before, now) != 0;
  if (ours && pid > 0 && same_namespace(container->name, pid) &&
      !lw_resolv_write(pid, container->file, before, error))
    return FALSE;
  if (unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", path);
  return FALSE;
}

static gboolean let_go(const LwProvider *self, const LwResource *container, GError **error) {
  return give_file_back(self, container, error) && lw_netns_delete(container->name, error);
}

static gboolean take(const LwProvider *self, const LwResource *container, GError **error) {
  pid_t pid = lw_process_alive(container->process);
  if (pid <= 0)
    return ended(container, error);
  if (!same_namespace(container->name, pid)) {
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", (int)pid);
    if (!lw_netns_delete(container->name, error) || !lw_netns_keep(container->name, path, error))
      return FALSE;
  }
  /* still the same process: what was kept is its namespace, and not that of another with its number */
  if (lw_process_alive(container->process) != pid) {
    lw_netns_delete(container->name, NULL);
    return ended(container, error);
  }
  return write_resolver(self, container, pid, error);
}

static gboolean container_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (change->to && lw_process_alive(change->to->process) <= 0)
      return ended(change->to, error);
  }
  return TRUE;
}

static GBytes *container_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_undo_from_changes(changes);
}

static gboolean container_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (change->to ? !take(self, change->to, error) : !let_go(self, change->from, error))
      return FALSE;
  }
  return TRUE;
}

/* A namespace that ended with its container cannot come back. Others may have to put their things into it all
 * the same, before the next apply finds that nobody lives there: so it is an empty one. */
static gboolean bring_back(const LwProvider *self, const LwResource *container, GError **error) {
  if (lw_process_alive(container->process) > 0)
    return take(self, container, error);
  return lw_netns_exists(container->name) || lw_netns_create(container->name, error);
}

static gboolean container_undo(LwProvider *self, GBytes *bytes, GError **error) {
  g_autoptr(GPtrArray) reverse = lw_undo_to_changes(bytes, error);
  for (guint i = 0; reverse && i < reverse->len; i++) {
    const LwChange *change = reverse->pdata[i];
    if (change->to ? !bring_back(self, change->to, error) : !let_go(self, change->from, error))
      return FALSE;
  }
  return reverse != NULL;
}

static void container_free(LwProvider *self) {
  g_free(self);
}

LwProvider *lw_container_provider_new(const LwProviderContext *context, GError **error) {
  static const LwResourceKind kinds[] = {LW_RES_CONTAINER, LW_RES_LAST};
  static const LwProviderOps ops = {"container",       kinds,           FALSE,
                                    container_observe, container_check, container_prepare,
                                    container_apply,   container_undo,  container_free};
  LwProvider *self = g_new0(LwProvider, 1);
  self->ops = &ops;
  self->context = context;
  return self;
}

/* --- a command inside
 * ---------------------------------------------------------------------------------------------------- */

static int exec_body(gpointer data, GError **error) {
  char *const *argv = data;
  if (clearenv() == 0 &&
      setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) == 0 &&
      setenv("HOME", "/root", 1) == 0)
    execvp(argv[0], argv);
  lw_error_set_errno(error, "cannot run %s in the container", argv[0]);
  return 127;
}

int lw_container_exec(const LwContainerFact *fact, const char *const *argv, GError **error) {
  pid_t pid = lw_process_alive(fact->process);
  LwEntry entry = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC,
                   .folder = "/",
                   .body = exec_body,
                   .data = (gpointer)argv,
                   .pidfd = pid > 0 ? pidfd_open(pid, 0) : -1};
  /* still the same process now that it is held? */
  if (entry.pidfd < 0 || lw_process_alive(fact->process) != pid) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "the container does not run");
    return -1;
  }
  int status = lw_enter_run(&entry, error);
  close(entry.pidfd);
  return status;
}
