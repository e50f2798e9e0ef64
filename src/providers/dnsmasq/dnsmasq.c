/* RESOLVER resources: a dnsmasq each, for DHCP, DNS or both.
 *
 * A running one leaves "resolver-NS-NAME.run" in the run folder: its identity and the resource that it was
 * started with. That resource is what is seen as long as the process lives. Hosts are in a file of their own,
 * read again on SIGHUP; where dnsmasq changes to a user of its own, who cannot read the run folder, they are
 * in the configuration, and it is restarted.
 *
 * Undo: the generic one (the changes, reversed).
 */
#include "providers/dnsmasq/dnsmasq.h"

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "providers/dnsmasq/translate.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (16u << 20)
#define START_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define START_POLL_US 1000
#define STOP_GRACE_MS 1000

typedef struct {
  LwProvider base;
  gboolean own_user; /* dnsmasq drops to a user of its own */
} Dnsmasq;

/* What is known of one that was started. */
typedef struct {
  char *identity;
  LwResource *resource;
} Running;

static void running_free(Running *running) {
  if (!running)
    return;
  g_free(running->identity);
  lw_resource_unref(running->resource);
  g_free(running);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Running, running_free)

typedef struct {
  char *conf, *hosts, *leases, *pid, *log, *run, *id;
} Paths;

static void paths_clear(Paths *paths) {
  g_free(paths->conf);
  g_free(paths->hosts);
  g_free(paths->leases);
  g_free(paths->pid);
  g_free(paths->log);
  g_free(paths->run);
  g_free(paths->id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Paths, paths_clear)

static char *path_with(const char *stem, const char *ending) {
  return g_strconcat(stem, ending, NULL);
}

static Paths paths_of(const LwProvider *self, const LwResource *resolver) {
  g_autofree char *plain =
      g_strdup_printf("resolver-%s-%s", resolver->ns ? resolver->ns : "", resolver->name);
  g_autofree char *file = g_uri_escape_string(plain, NULL, FALSE);
  g_autofree char *stem = g_build_filename(self->context->run_dir, file, NULL);
  return (Paths){path_with(stem, ".conf"), path_with(stem, ".hosts"), path_with(stem, ".leases"),
                 path_with(stem, ".pid"),  path_with(stem, ".log"),   path_with(stem, ".run"),
                 path_with(stem, ".id")};
}

static gboolean forget_file(const char *path, GError **error) {
  if (unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", path);
  return FALSE;
}

/* --- the note of a running one
 * ------------------------------------------------------------------------------ */

static gboolean running_save(const Paths *paths, const char *identity, const LwResource *resolver,
                             GError **error) {
  JsonObject *json = json_object_new();
  json_object_set_string_member(json, "identity", identity);
  json_object_set_member(json, "resource", lw_resource_to_json(resolver));
  g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(node, json);
  g_autofree char *text = json_to_string(node, FALSE);
  return lw_file_write_atomic(paths->run, text, strlen(text), 0600, error);
}

/* The resource of the note, when it is of this very process. NULL: there is no such note. */
static LwResource *noted_resource(const Paths *paths, const char *own_identity) {
  g_autofree char *text = lw_file_read(paths->run, FILE_MAX, NULL, NULL);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (!text || !json_parser_load_from_data(parser, text, -1, NULL))
    return NULL;
  JsonNode *root = json_parser_get_root(parser);
  JsonObject *json = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
  JsonNode *identity = json ? json_object_get_member(json, "identity") : NULL;
  if (!identity || !JSON_NODE_HOLDS_VALUE(identity) || json_node_get_value_type(identity) != G_TYPE_STRING)
    return NULL;
  if (!g_str_equal(json_node_get_string(identity), own_identity))
    return NULL;
  return lw_resource_from_json(json_object_get_member(json, "resource"), NULL);
}

/* NULL: none was started. One without a resource was started by a lanward that did not live to note what for.
 */
static Running *running_load(const Paths *paths) {
  g_autofree char *identity = lw_file_read(paths->id, FILE_MAX, NULL, NULL);
  if (!identity || !*g_strchomp(identity))
    return NULL;
  Running *running = g_new0(Running, 1);
  running->resource = noted_resource(paths, identity);
  running->identity = g_steal_pointer(&identity);
  return running;
}

/* --- starting and stopping
 * ---------------------------------------------------------------------------------- */

static LwDnsmasqFiles files_of(const LwProvider *self, const Paths *paths) {
  gboolean own_user = ((const Dnsmasq *)self)->own_user;
  return (LwDnsmasqFiles){own_user ? NULL : paths->hosts, paths->leases, paths->pid, paths->log};
}

static gboolean write_text(const char *path, const char *text, GError **error) {
  return lw_file_write_atomic(path, text, strlen(text), 0600, error);
}

static gboolean write_hosts(const Paths *paths, const LwResource *resolver, GError **error) {
  g_autofree char *hosts = lw_dnsmasq_hosts(resolver, error);
  return hosts && write_text(paths->hosts, hosts, error);
}

/* Leaves in the lease file only what still holds. */
static gboolean write_leases(const Paths *paths, const LwResource *previous, const LwResource *resolver,
                             GError **error) {
  g_autofree char *leases = lw_file_read(paths->leases, FILE_MAX, NULL, NULL);
  guint dropped = 0;
  g_autofree char *kept = leases ? lw_dnsmasq_leases(leases, previous, resolver, &dropped) : NULL;
  return dropped == 0 || write_text(paths->leases, kept, error);
}

static gboolean write_files(const LwProvider *self, const Paths *paths, const LwResource *previous,
                            const LwResource *resolver, GError **error) {
  LwDnsmasqFiles files = files_of(self, paths);
  g_autofree char *config = lw_dnsmasq_config(resolver, &files, error);
  return config && write_text(paths->conf, config, error) && write_hosts(paths, resolver, error) &&
         write_leases(paths, previous, resolver, error);
}

static gboolean spawn(const LwProvider *self, const Paths *paths, const LwResource *resolver,
                      GError **error) {
  g_autofree char *conf = g_strconcat("--conf-file=", paths->conf, NULL);
  const char *own[] = {"dnsmasq", "--keep-in-foreground", conf, NULL};
  /* one user alone is mapped: there is nobody to become */
  const char *alone[] = {"dnsmasq", "--keep-in-foreground", conf, "--user=", "--group=", NULL};
  const char *const *argv = ((const Dnsmasq *)self)->own_user ? own : alone;
  if (!forget_file(paths->pid, error))
    return FALSE;
  LwCommand command = {.argv = argv, .netns = resolver->ns, .log = paths->log, .pid_file = paths->id};
  if (lw_command_spawn(&command, error) < 0)
    return FALSE;
  g_autoptr(Running) running = running_load(paths);
  if (!running)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "dnsmasq %s left no identity in %s", resolver->name,
                paths->id);
  return running && running_save(paths, running->identity, resolver, error);
}

static char *last_words(const char *path) {
  g_autofree char *text = lw_file_read(path, FILE_MAX, NULL, NULL);
  if (!text)
    return g_strdup("it left no log");
  g_strchomp(text);
  const char *newline = strrchr(text, '\n');
  return g_utf8_make_valid(newline ? newline + 1 : text, -1);
}

/* dnsmasq writes its pid file when its sockets are bound. */
static gboolean wait_ready(const LwProvider *self, const LwResource *resolver, gint64 deadline,
                           GError **error) {
  g_auto(Paths) paths = paths_of(self, resolver);
  g_autoptr(Running) running = running_load(&paths);
  while (access(paths.pid, F_OK) != 0) {
    gboolean alive = running && lw_process_alive(running->identity) != 0;
    if (alive && g_get_monotonic_time() < deadline) {
      g_usleep(START_POLL_US);
      continue;
    }
    g_autofree char *words = last_words(paths.log);
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "dnsmasq for resolver %s %s: %s", resolver->name,
                alive ? "is not ready after 5 s" : "ended", words);
    return FALSE;
  }
  return TRUE;
}

/* The note goes first: should we be killed now, nobody takes one that was told to end for one that runs. */
static gboolean stop(const Paths *paths, const Running *running, GError **error) {
  return forget_file(paths->run, error) &&
         (!running || lw_process_stop(running->identity, STOP_GRACE_MS, error)) &&
         forget_file(paths->id, error) && forget_file(paths->pid, error);
}

static gboolean remove_resolver(const LwProvider *self, const LwResource *resolver, GError **error) {
  g_auto(Paths) paths = paths_of(self, resolver);
  g_autoptr(Running) running = running_load(&paths);
  return stop(&paths, running, error) && forget_file(paths.conf, error) && forget_file(paths.hosts, error) &&
         forget_file(paths.leases, error);
}

/* --- changing
 * ----------------------------------------------------------------------------------------------- */

/* Would some lease not hold any more? dnsmasq keeps those in memory: only a restart makes it forget one. */
static gboolean leases_change(const Paths *paths, const LwResource *previous, const LwResource *resolver) {
  g_autofree char *leases = lw_file_read(paths->leases, FILE_MAX, NULL, NULL);
  guint dropped = 0;
  if (leases)
    g_free(lw_dnsmasq_leases(leases, previous, resolver, &dropped));
  return dropped > 0;
}

/* It has written its pid file: its sockets are bound. One that has not may be on its way, or hang; before it
 * hears signals, the one that means "read your hosts again" would end it. */
static gboolean is_ready(const Paths *paths, const Running *running) {
  return running && lw_process_alive(running->identity) && access(paths->pid, F_OK) == 0;
}

static gboolean can_reload(const LwProvider *self, const Paths *paths, const Running *running,
                           const LwResource *resolver) {
  return !((const Dnsmasq *)self)->own_user && is_ready(paths, running) && running->resource &&
         lw_resource_change_class(running->resource, resolver) == LW_CHANGE_LIVE &&
         !leases_change(paths, running->resource, resolver);
}

static gboolean reload(const Paths *paths, const Running *running, const LwResource *resolver,
                       GError **error) {
  if (!write_hosts(paths, resolver, error))
    return FALSE;
  pid_t pid = lw_process_alive(running->identity);
  if (pid <= 0 || kill(pid, SIGHUP) != 0) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "dnsmasq for resolver %s ended before it could read its hosts again", resolver->name);
    return FALSE;
  }
  return running_save(paths, running->identity, resolver, error);
}

/* Makes the resolver be there as wanted, whatever is there. `waiting` gets those that are on their way. */
static gboolean begin_resolver(const LwProvider *self, LwResource *resolver, GPtrArray *waiting,
                               GError **error) {
  g_auto(Paths) paths = paths_of(self, resolver);
  g_autoptr(Running) running = running_load(&paths);
  if (can_reload(self, &paths, running, resolver))
    return reload(&paths, running, resolver, error);
  if (!stop(&paths, running, error) ||
      !write_files(self, &paths, running ? running->resource : NULL, resolver, error) ||
      !spawn(self, &paths, resolver, error))
    return FALSE;
  g_ptr_array_add(waiting, resolver);
  return TRUE;
}

static gboolean dnsmasq_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) waiting = g_ptr_array_new();
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    gboolean ok = change->to ? begin_resolver(self, change->to, waiting, error)
                             : remove_resolver(self, change->from, error);
    if (!ok)
      return FALSE;
  }
  gint64 deadline = g_get_monotonic_time() + START_TIMEOUT_US;
  for (guint i = 0; i < waiting->len; i++)
    if (!wait_ready(self, waiting->pdata[i], deadline, error))
      return FALSE;
  return TRUE;
}

/* --- looking
 * ------------------------------------------------------------------------------------------------ */

static gboolean observe_all(const LwProvider *self, const LwResourceSet *asked, LwResourceSet *seen) {
  for (guint i = 0; asked && i < asked->list->len; i++) {
    const LwResource *resource = asked->list->pdata[i];
    g_autofree char *key = resource->kind == LW_RES_RESOLVER ? lw_resource_key(resource) : NULL;
    if (!key || lw_resource_set_find(seen, key))
      continue;
    g_auto(Paths) paths = paths_of(self, resource);
    g_autoptr(Running) running = running_load(&paths);
    if (!running || !lw_process_alive(running->identity))
      continue;
    /* one that was started with something unknown, or hangs, is there all the same, and equals nothing */
    lw_resource_set_add(seen, running->resource && is_ready(&paths, running)
                                  ? lw_resource_ref(running->resource)
                                  : lw_resource_new(LW_RES_RESOLVER, resource->ns, resource->name));
  }
  return TRUE;
}

static gboolean dnsmasq_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                                LwResourceSet *seen, GError **error) {
  (void)error;
  return observe_all(self, wanted, seen) && observe_all(self, owned, seen);
}

static gboolean dnsmasq_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (!change->to)
      continue;
    g_auto(Paths) paths = paths_of(self, change->to);
    LwDnsmasqFiles files = files_of(self, &paths);
    g_autofree char *config = lw_dnsmasq_config(change->to, &files, error);
    g_autofree char *hosts = config ? lw_dnsmasq_hosts(change->to, error) : NULL;
    if (!hosts) {
      g_prefix_error(error, "resolver %s: ", change->to->name);
      return FALSE;
    }
  }
  return TRUE;
}

static GBytes *dnsmasq_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  (void)self;
  (void)error;
  return lw_undo_from_changes(changes);
}

static gboolean dnsmasq_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(undo, error);
  return changes && dnsmasq_apply(self, changes, error);
}

static void dnsmasq_free(LwProvider *self) {
  g_free(self);
}

/* Are all users there to change to? Not in a user namespace. */
static gboolean all_users_are_mapped(void) {
  g_autofree char *map = NULL;
  guint64 inside = 0, outside = 0, count = 0;
  if (!g_file_get_contents("/proc/self/uid_map", &map, NULL, NULL))
    return FALSE;
  g_auto(GStrv) fields = g_strsplit_set(g_strstrip(map), " \t\n", -1);
  guint number = 0;
  guint64 *const targets[] = {&inside, &outside, &count};
  for (guint i = 0; fields[i] && number < G_N_ELEMENTS(targets); i++)
    if (*fields[i] && !g_ascii_string_to_unsigned(fields[i], 10, 0, G_MAXUINT64, targets[number++], NULL))
      return FALSE;
  return number == G_N_ELEMENTS(targets) && inside == 0 && outside == 0 && count >= G_MAXUINT32;
}

LwProvider *lw_dnsmasq_provider_new(const LwProviderContext *context, GError **error) {
  static const LwResourceKind kinds[] = {LW_RES_RESOLVER, LW_RES_LAST};
  static const LwProviderOps ops = {
      .name = "dnsmasq",
      .kinds = kinds,
      .observe = dnsmasq_observe,
      .check = dnsmasq_check,
      .prepare = dnsmasq_prepare,
      .apply = dnsmasq_apply,
      .undo = dnsmasq_undo,
      .free = dnsmasq_free,
  };
  if (g_mkdir_with_parents(context->run_dir, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", context->run_dir);
    return NULL;
  }
  Dnsmasq *dnsmasq = g_new0(Dnsmasq, 1);
  dnsmasq->base.ops = &ops;
  dnsmasq->base.context = context;
  dnsmasq->own_user = geteuid() == 0 && all_users_are_mapped();
  return &dnsmasq->base;
}
