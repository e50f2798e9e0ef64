/* HTTP over a Unix socket. Paths carry no version: each engine then speaks its newest, while a number would
 * be too new for one (Podman 4 ends at 1.41) or too old for the other (Docker 29 begins at 1.44). */
#include "providers/container/engine.h"

#include "base/error.h"
#include "base/process.h"

#include <gio/gunixsocketaddress.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/stat.h>

#define ANSWER_SECONDS 10
#define AGAIN_MS 1000
#define LONGEST_ANSWER (16 * 1024 * 1024)

const char *const lw_container_sockets[] = {"/run/docker.sock", "/run/podman/podman.sock", NULL};

static SoupSession *session_new(const char *socket_path, guint timeout) {
  g_autoptr(GSocketAddress) address = g_unix_socket_address_new(socket_path);
  return soup_session_new_with_options("remote-connectable", address, "timeout", timeout, NULL);
}

/* One request, to its end. body (nullable): what came with it, transfer full. SOUP_STATUS_NONE: nobody
 * answered, with error. */
static SoupStatus request(const char *method, const char *socket_path, const char *path, guint timeout,
                          GBytes **body, GError **error) {
  g_autoptr(SoupSession) session = session_new(socket_path, timeout);
  g_autofree char *url = g_strconcat("http://localhost", path, NULL);
  g_autoptr(SoupMessage) message = soup_message_new(method, url);
  g_autoptr(GError) inner = NULL;
  g_autoptr(GBytes) bytes = message ? soup_session_send_and_read(session, message, NULL, &inner) : NULL;
  if (!bytes) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the container engine at %s: %s", socket_path,
                inner ? inner->message : "no request can be made of that name");
    return SOUP_STATUS_NONE;
  }
  if (body)
    *body = g_steal_pointer(&bytes);
  return soup_message_get_status(message);
}

static void set_refused(GError **error, const char *socket_path, SoupStatus status) {
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the container engine at %s answers with status %u",
              socket_path, (guint)status);
}

static GBytes *ask(const char *socket_path, const char *path, GError **error) {
  g_autoptr(GBytes) bytes = NULL;
  SoupStatus status = request("GET", socket_path, path, ANSWER_SECONDS, &bytes, error);
  if (status == SOUP_STATUS_OK && g_bytes_get_size(bytes) > 0 && g_bytes_get_size(bytes) < LONGEST_ANSWER)
    return g_steal_pointer(&bytes);
  if (status == SOUP_STATUS_NOT_FOUND)
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s knows nothing of it", socket_path);
  else if (status != SOUP_STATUS_NONE)
    set_refused(error, socket_path, status);
  return NULL;
}

LwContainerInfo *lw_container_inspect(const char *socket_path, const char *name, GError **error) {
  g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
  g_autofree char *path = g_strdup_printf("/containers/%s/json", escaped);
  g_autoptr(GBytes) bytes = ask(socket_path, path, error);
  return bytes
             ? lw_container_info_parse(g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes), error)
             : NULL;
}

GPtrArray *lw_container_names(const char *socket_path, GError **error) {
  g_autoptr(GBytes) bytes = ask(socket_path, "/containers/json?all=true", error);
  return bytes
             ? lw_container_names_parse(g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes), error)
             : NULL;
}

/* --- what a machine is now
 * --------------------------------------------------------------------------------------------- */

static void set_note(LwContainerFact *fact, char *note /* transfer full */) {
  if (fact->note)
    g_free(note);
  else
    fact->note = note;
}

/* The process first, then its namespace, then the process once more: so both are of one and the same. */
static void look_at_process(const LwContainerInfo *info, LwContainerFact *fact) {
  g_autofree char *process = lw_process_identity(info->pid);
  g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", (int)info->pid);
  struct stat st, own;
  if (!process || stat(path, &st) != 0 || lw_process_alive(process) != info->pid) {
    set_note(fact, g_strdup_printf("container %s ended while it was looked at", info->name));
    return;
  }
  if (stat("/proc/self/ns/net", &own) == 0 && own.st_ino == st.st_ino && own.st_dev == st.st_dev) {
    fact->trouble = g_strdup_printf("container %s is in the host's own network, round every rule: make it "
                                    "again with --network none",
                                    info->name);
    return;
  }
  fact->process = g_steal_pointer(&process);
  fact->netns = st.st_ino;
}

static void fill(const LwContainerInfo *info, LwContainerFact *fact) {
  fact->trouble = lw_container_trouble(info);
  fact->file = g_strdup(info->resolv_path);
  if (info->privileged)
    set_note(fact, g_strdup_printf("container %s is privileged: it can do what the host can, and so undo "
                                   "every rule; make it again without --privileged",
                                   info->name));
  if (fact->trouble)
    return;
  if (info->running)
    look_at_process(info, fact);
  else
    set_note(fact, g_strdup_printf("container %s does not run; it is plugged in when it starts", info->name));
}

LwContainerInfo *lw_container_find(const char *const *sockets, const char *name, const char **engine,
                                   GError **error) {
  g_autoptr(LwContainerInfo) found = NULL;
  g_autoptr(GError) failure = NULL;
  const char *at = NULL;
  guint engines = 0;
  for (; *sockets; sockets++) {
    if (!g_file_test(*sockets, G_FILE_TEST_EXISTS))
      continue;
    engines++;
    g_autoptr(GError) inner = NULL;
    g_autoptr(LwContainerInfo) info = lw_container_inspect(*sockets, name, &inner);
    if (info && found) {
      g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                  "there are two containers %s, one of the engine at %s and one at %s: give one another name",
                  name, at, *sockets);
      return NULL;
    }
    if (info) {
      found = g_steal_pointer(&info);
      at = *sockets;
    } else if (!failure && !g_error_matches(inner, LW_ERROR, LW_ERROR_NOT_FOUND)) {
      failure = g_steal_pointer(&inner);
    }
  }
  if (!found && failure)
    g_propagate_error(error, g_steal_pointer(&failure));
  else if (!found)
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
                engines ? "there is no container %s"
                        : "there is no container %s: no engine listens at /run/docker.sock or "
                          "/run/podman/podman.sock (systemctl enable --now podman.socket)",
                name);
  if (found && engine)
    *engine = at;
  return g_steal_pointer(&found);
}

LwContainerFact *lw_container_look(const char *const *sockets, const char *object) {
  LwContainerFact *fact = lw_container_fact_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(LwContainerInfo) info = lw_container_find(sockets, object, NULL, &error);
  if (info)
    fill(info, fact);
  else if (g_error_matches(error, LW_ERROR, LW_ERROR_CONFLICT))
    fact->trouble = g_strdup(error->message);
  else if (g_error_matches(error, LW_ERROR, LW_ERROR_NOT_FOUND))
    set_note(fact, g_strdup_printf("%s; it is plugged in when it is there", error->message));
  else
    set_note(fact, g_strdup(error->message));
  return fact;
}

/* --- start and stop
 * ------------------------------------------------------------------------------------------------------------
 */

/* 204: done; 304: it is so already (Docker's Engine API; Podman's compatible half says the same). */
static gboolean tell(const char *const *sockets, const char *name, const char *what, guint timeout,
                     GError **error) {
  const char *engine = NULL;
  g_autoptr(LwContainerInfo) info = lw_container_find(sockets, name, &engine, error);
  if (!info)
    return FALSE;
  g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
  g_autofree char *path = g_strdup_printf("/containers/%s/%s", escaped, what);
  SoupStatus status = request("POST", engine, path, timeout, NULL, error);
  if (status == SOUP_STATUS_NO_CONTENT || status == SOUP_STATUS_NOT_MODIFIED)
    return TRUE;
  if (status != SOUP_STATUS_NONE)
    set_refused(error, engine, status);
  return FALSE;
}

gboolean lw_container_start(const char *const *sockets, const char *name, GError **error) {
  return tell(sockets, name, "start", ANSWER_SECONDS, error);
}

gboolean lw_container_stop(const char *const *sockets, const char *name, guint seconds, GError **error) {
  g_autofree char *what = g_strdup_printf("stop?t=%u", seconds);
  return tell(sockets, name, what, seconds + ANSWER_SECONDS, error);
}

/* --- events
 * ------------------------------------------------------------------------------------------------------------
 */

typedef struct {
  LwContainerWatch *watch;
  char *socket_path;
  SoupSession *session;
  GDataInputStream *lines;
  guint timer;
} Stream;

struct LwContainerWatch {
  GPtrArray *streams; /* of Stream* */
  GCancellable *cancellable;
  LwContainerChanged changed;
  gpointer data;
};

static void connect_stream(Stream *stream);

static gboolean on_again(gpointer data) {
  Stream *stream = data;
  stream->timer = 0;
  connect_stream(stream);
  return G_SOURCE_REMOVE;
}

static void connect_later(Stream *stream) {
  g_clear_object(&stream->lines);
  g_clear_object(&stream->session);
  g_autoptr(GSource) source = g_timeout_source_new(AGAIN_MS);
  g_source_set_callback(source, on_again, stream, NULL);
  stream->timer = g_source_attach(source, g_main_context_get_thread_default());
}

static void read_next(Stream *stream);

/* `data` may be gone when the operation was cancelled: nothing of it is touched then. */
static void on_line(GObject *source, GAsyncResult *result, gpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *line =
      g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(source), result, NULL, &error);
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  Stream *stream = data;
  if (!line) {
    connect_later(stream);
    return;
  }
  g_autofree char *name = lw_container_event_name(line);
  GCancellable *cancellable = g_object_ref(stream->watch->cancellable);
  if (name)
    stream->watch->changed(name, stream->watch->data);
  if (!g_cancellable_is_cancelled(cancellable))
    read_next(stream);
  g_object_unref(cancellable);
}

static void read_next(Stream *stream) {
  g_data_input_stream_read_line_async(stream->lines, G_PRIORITY_DEFAULT, stream->watch->cancellable, on_line,
                                      stream);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GInputStream) body = soup_session_send_finish(SOUP_SESSION(source), result, &error);
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  Stream *stream = data;
  SoupMessage *message = soup_session_get_async_result_message(SOUP_SESSION(source), result);
  if (!body || !message || soup_message_get_status(message) != SOUP_STATUS_OK) {
    connect_later(stream);
    return;
  }
  stream->lines = g_data_input_stream_new(body);
  GCancellable *cancellable = g_object_ref(stream->watch->cancellable);
  stream->watch->changed(NULL, stream->watch->data);
  if (!g_cancellable_is_cancelled(cancellable))
    read_next(stream);
  g_object_unref(cancellable);
}

static void connect_stream(Stream *stream) {
  if (!g_file_test(stream->socket_path, G_FILE_TEST_EXISTS)) {
    connect_later(stream);
    return;
  }
  stream->session = session_new(stream->socket_path, 0); /* nothing may happen for days */
  g_autoptr(SoupMessage) message =
      soup_message_new("GET", "http://localhost/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D");
  soup_session_send_async(stream->session, message, G_PRIORITY_DEFAULT, stream->watch->cancellable, on_answer,
                          stream);
}

static void stream_free(gpointer data) {
  Stream *stream = data;
  if (stream->timer) {
    GSource *source = g_main_context_find_source_by_id(g_main_context_get_thread_default(), stream->timer);
    if (source)
      g_source_destroy(source);
  }
  g_clear_object(&stream->lines);
  g_clear_object(&stream->session);
  g_free(stream->socket_path);
  g_free(stream);
}

LwContainerWatch *lw_container_watch_new(const char *const *sockets, LwContainerChanged changed,
                                         gpointer data) {
  LwContainerWatch *watch = g_new0(LwContainerWatch, 1);
  watch->streams = g_ptr_array_new_with_free_func(stream_free);
  watch->cancellable = g_cancellable_new();
  watch->changed = changed;
  watch->data = data;
  for (; *sockets; sockets++) {
    Stream *stream = g_new0(Stream, 1);
    stream->watch = watch;
    stream->socket_path = g_strdup(*sockets);
    g_ptr_array_add(watch->streams, stream);
  }
  for (guint i = 0; i < watch->streams->len; i++)
    connect_stream(watch->streams->pdata[i]);
  return watch;
}

void lw_container_watch_free(LwContainerWatch *watch) {
  if (!watch)
    return;
  g_cancellable_cancel(watch->cancellable);
  g_ptr_array_unref(watch->streams);
  g_object_unref(watch->cancellable);
  g_free(watch);
}
