#include "providers/opnsense/api.h"

#include "base/apart.h"
#include "base/error.h"
#include "base/secret.h"

#include <libsoup/soup.h>
#include <string.h>

struct LwOpnApi {
  SoupSession *session;
  char *url, *authorization, *pin;
  guint timeout, tries, pause_ms, ended;
  gboolean apart;     /* each request is made in a child process (base/apart.h) */
  gboolean unreached; /* the last request brought no answer */
};

LwOpnApi *lw_opn_api_new(const char *url, const LwOpnKey *key, const char *pin) {
  LwOpnApi *api = g_new0(LwOpnApi, 1);
  api->url = g_strdup(url);
  api->pin = g_strdup(pin);
  g_autofree char *both = g_strdup_printf("%s:%s", key->key, key->secret);
  g_autofree char *encoded = g_base64_encode((const guchar *)both, strlen(both));
  api->authorization = g_strdup_printf("Basic %s", encoded);
  explicit_bzero(both, strlen(both));
  explicit_bzero(encoded, strlen(encoded));
  api->timeout = 15;
  api->tries = 12;
  api->pause_ms = 2000;
  return api;
}

void lw_opn_api_set_apart(LwOpnApi *api) {
  api->apart = TRUE;
}

static SoupSession *session_of(LwOpnApi *api) {
  if (api->session)
    return api->session;
  api->session = soup_session_new_with_options("timeout", api->timeout, "max-conns", 1, NULL);
  soup_session_set_proxy_resolver(api->session, NULL); /* the router is next to us */
  /* with a pin nobody else's word counts: without authorities every certificate comes to our own check */
  if (api->pin)
    soup_session_set_tls_database(api->session, NULL);
  return api->session;
}

void lw_opn_api_free(LwOpnApi *api) {
  if (!api)
    return;
  explicit_bzero(api->authorization, strlen(api->authorization));
  g_free(api->authorization);
  g_free(api->url);
  g_free(api->pin);
  g_clear_object(&api->session);
  g_free(api);
}

void lw_opn_api_set_patience(LwOpnApi *api, guint timeout_seconds, guint tries, guint pause_ms) {
  api->timeout = timeout_seconds;
  api->tries = tries;
  api->pause_ms = pause_ms;
}

/* ---- one request ---- */

static gboolean accept_certificate(SoupMessage *message, GTlsCertificate *certificate,
                                   GTlsCertificateFlags flags, gpointer data) {
  const LwOpnApi *api = data;
  g_autoptr(GByteArray) der = NULL;
  g_object_get(certificate, "certificate", &der, NULL);
  if (!api->pin || !der)
    return FALSE;
  g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, der->data, der->len);
  return g_ascii_strcasecmp(digest, api->pin) == 0;
}

static SoupMessage *make_message(LwOpnApi *api, const char *path, JsonObject *body) {
  g_autofree char *whole = g_strdup_printf("%s/api/%s", api->url, path);
  SoupMessage *message = soup_message_new(body ? "POST" : "GET", whole);
  if (!message)
    return NULL;
  soup_message_headers_append(soup_message_get_request_headers(message), "Authorization", api->authorization);
  g_signal_connect(message, "accept-certificate", G_CALLBACK(accept_certificate), api);
  if (!body)
    return message;
  g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
  json_node_set_object(node, body);
  g_autofree char *text = json_to_string(node, FALSE); /* "{}" when empty: nothing at all would be refused */
  g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
  soup_message_set_request_body_from_bytes(message, "application/json", bytes);
  explicit_bzero(text, strlen(text));
  return message;
}

static gboolean check_status(SoupMessage *message, const char *path, GError **error) {
  guint status = soup_message_get_status(message);
  if (status == 200)
    return TRUE;
  const char *why = status == 401   ? "the API key is not accepted: is it the right one (api: key-file:)?"
                    : status == 403 ? "the key's user may not do that: it needs the privilege “All pages”"
                    : status == 404 ? "this version of OPNsense does not have it"
                    : status == 400 ? "it does not understand the request"
                    : status >= 500 ? "it failed by itself: see its log"
                                    : "an answer that is not expected";
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "OPNsense, %s: status %u: %s", path, status, why);
  return FALSE;
}

/* The fields that were refused and OPNsense's word on each; never a value. */
static char *refused_fields(JsonObject *answer) {
  g_autoptr(GString) out = g_string_new(NULL);
  JsonNode *node = json_object_get_member(answer, "validations");
  if (!node || !JSON_NODE_HOLDS_OBJECT(node))
    return g_strdup("no reason is given");
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, json_node_get_object(node));
  while (json_object_iter_next(&iter, &name, &value))
    g_string_append_printf(out, "%s%s: %s", out->len ? "; " : "", name,
                           JSON_NODE_HOLDS_VALUE(value) && json_node_get_value_type(value) == G_TYPE_STRING
                               ? json_node_get_string(value)
                               : "refused");
  return g_string_free(g_steal_pointer(&out), FALSE);
}

static gboolean check_result(JsonNode *node, const char *path, GError **error) {
  if (!JSON_NODE_HOLDS_OBJECT(node))
    return TRUE;
  JsonObject *answer = json_node_get_object(node);
  JsonNode *result = json_object_get_member(answer, "result");
  const char *word =
      result && JSON_NODE_HOLDS_VALUE(result) && json_node_get_value_type(result) == G_TYPE_STRING
          ? json_node_get_string(result)
          : NULL;
  if (!word || !g_str_equal(word, "failed"))
    return TRUE;
  g_autofree char *fields = refused_fields(answer);
  g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "OPNsense, %s: refused: %s", path, fields);
  return FALSE;
}

/* The answer's bytes. */
static GBytes *fetch_here(LwOpnApi *api, const char *path, JsonObject *body, GError **error) {
  g_autoptr(SoupMessage) message = make_message(api, path, body);
  if (!message) {
    g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "“%s” is no address of an API", api->url);
    return NULL;
  }
  g_autoptr(GError) inner = NULL;
  g_autoptr(GBytes) bytes = soup_session_send_and_read(session_of(api), message, NULL, &inner);
  api->unreached = !bytes;
  if (!bytes) {
    gboolean tls = inner->domain == G_TLS_ERROR;
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "OPNsense, %s: %s%s", path, inner->message,
                tls && api->pin ? ": its certificate is not the one that was pinned at adoption" : "");
    return NULL;
  }
  return check_status(message, path, error) ? g_steal_pointer(&bytes) : NULL;
}

typedef struct {
  LwOpnApi *api;
  const char *path;
  JsonObject *body;
} Request;

/* "=BYTES", or "?MESSAGE" when no answer came at all. */
static gboolean request_apart(gpointer data, GString *answer, GError **error) {
  const Request *request = data;
  g_autoptr(GError) inner = NULL;
  g_autoptr(GBytes) bytes = fetch_here(request->api, request->path, request->body, &inner);
  if (!bytes && !request->api->unreached) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  gsize length = 0;
  const char *text = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  g_string_append_c(answer, bytes ? '=' : '?');
  g_string_append_len(answer, bytes ? text : inner->message, bytes ? (gssize)length : -1);
  return TRUE;
}

/* GIO's TLS reads the system's authorities, with a pin as without, when a process makes its first connection:
 * more than a tenth of a second of work. Read before the first child, they are there for all. */
static void read_authorities(void) {
  static gsize done;
  if (!g_once_init_enter(&done))
    return;
  g_autoptr(GTlsDatabase) database = g_tls_backend_get_default_database(g_tls_backend_get_default());
  g_once_init_leave(&done, 1);
}

static GBytes *fetch(LwOpnApi *api, const char *path, JsonObject *body, GError **error) {
  if (!api->apart)
    return fetch_here(api, path, body, error);
  read_authorities();
  Request request = {api, path, body};
  api->unreached = TRUE;
  g_autoptr(GError) inner = NULL;
  char *answer = lw_apart("OPNsense", request_apart, &request, api->timeout + 5, &inner);
  if (!answer) {
    api->unreached = strstr(inner->message, "did not answer") != NULL;
    g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
  }
  api->unreached = *answer == '?';
  if (api->unreached)
    g_set_error_literal(error, LW_ERROR, LW_ERROR_FAILED, answer + 1);
  GBytes *bytes = api->unreached ? NULL : g_bytes_new(answer + 1, strlen(answer + 1));
  lw_secret_clear(answer);
  return bytes;
}

JsonNode *lw_opn_api_call(LwOpnApi *api, const char *path, JsonObject *body, GError **error) {
  g_autoptr(GBytes) bytes = fetch(api, path, body, error);
  if (!bytes)
    return NULL;
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (!text || !json_parser_load_from_data(parser, text, (gssize)length, NULL) ||
      !json_parser_get_root(parser)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "OPNsense, %s: the answer is cut off or no JSON", path);
    return NULL;
  }
  g_autoptr(JsonNode) node = json_parser_steal_root(parser);
  return check_result(node, path, error) ? g_steal_pointer(&node) : NULL;
}

char *lw_opn_api_download(LwOpnApi *api, GError **error) {
  g_autoptr(GBytes) bytes = fetch(api, "core/backup/download/this", NULL, error);
  gsize length = 0;
  const char *text = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  if (bytes && (!text || memchr(text, 0, length))) {
    g_set_error_literal(error, LW_ERROR, LW_ERROR_FAILED,
                        "OPNsense, core/backup/download/this: the answer is no config.xml");
    return NULL;
  }
  return text ? g_strndup(text, length) : NULL;
}

/* ---- versions ---- */

char *lw_opn_api_version(LwOpnApi *api, GError **error) {
  g_autoptr(JsonNode) node = lw_opn_api_call(api, "core/firmware/info", NULL, error);
  if (!node)
    return NULL;
  JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  JsonNode *version = object ? json_object_get_member(object, "product_version") : NULL;
  if (version && JSON_NODE_HOLDS_VALUE(version) && json_node_get_value_type(version) == G_TYPE_STRING)
    return g_strdup(json_node_get_string(version));
  g_set_error_literal(error, LW_ERROR, LW_ERROR_FAILED, "OPNsense does not say its version");
  return NULL;
}

gboolean lw_opn_version_known(const char *version) {
  return g_str_has_prefix(version, "26.7") && (version[4] == '\0' || version[4] == '.');
}

/* ---- items ---- */

/* A choice is shown as {"a": {"value": …, "selected": 1}, …}; set takes the chosen keys, with commas. */
static char *chosen(JsonObject *options) {
  g_autoptr(GString) out = g_string_new(NULL);
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, options);
  while (json_object_iter_next(&iter, &name, &value)) {
    if (!JSON_NODE_HOLDS_OBJECT(value))
      return NULL;
    JsonNode *selected = json_object_get_member(json_node_get_object(value), "selected");
    if (!selected)
      return NULL;
    gboolean on = JSON_NODE_HOLDS_VALUE(selected) && (json_node_get_value_type(selected) == G_TYPE_STRING
                                                          ? g_str_equal(json_node_get_string(selected), "1")
                                                          : json_node_get_int(selected) == 1);
    if (on && *name)
      g_string_append_printf(out, "%s%s", out->len ? "," : "", name);
  }
  return g_string_free(g_steal_pointer(&out), FALSE);
}

static char *plain_text(JsonNode *value) {
  if (!JSON_NODE_HOLDS_VALUE(value))
    return g_strdup("");
  if (json_node_get_value_type(value) == G_TYPE_STRING)
    return g_strdup(json_node_get_string(value));
  if (json_node_get_value_type(value) == G_TYPE_BOOLEAN)
    return g_strdup(json_node_get_boolean(value) ? "1" : "0");
  return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(value));
}

static JsonObject *plain_fields(JsonObject *shown, guint depth) {
  JsonObject *out = json_object_new();
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, shown);
  while (json_object_iter_next(&iter, &name, &value)) {
    if (JSON_NODE_HOLDS_OBJECT(value)) {
      g_autofree char *choice = chosen(json_node_get_object(value));
      if (choice)
        json_object_set_string_member(out, name, choice);
      else if (depth < 4)
        json_object_set_object_member(out, name, plain_fields(json_node_get_object(value), depth + 1));
      else /* no item is as deep: as a field that is empty, and not gone, which would empty its object */
        json_object_set_string_member(out, name, "");
    } else {
      g_autofree char *text = plain_text(value);
      json_object_set_string_member(out, name, text);
    }
  }
  return out;
}

JsonObject *lw_opn_api_plain(JsonNode *answer, const char *key) {
  /* what is not there is an empty list */
  JsonNode *item =
      JSON_NODE_HOLDS_OBJECT(answer) ? json_object_get_member(json_node_get_object(answer), key) : NULL;
  return item && JSON_NODE_HOLDS_OBJECT(item) ? plain_fields(json_node_get_object(item), 0) : NULL;
}

gboolean lw_opn_api_read(LwOpnApi *api, const LwOpnKind *kind, const char *uuid, JsonObject **out,
                         GError **error) {
  g_autofree char *path = g_strdup_printf("%s/%s", kind->get, uuid);
  g_autoptr(JsonNode) node = lw_opn_api_call(api, path, NULL, error);
  if (!node)
    return FALSE;
  *out = lw_opn_api_plain(node, kind->key);
  return TRUE;
}

/* The name of the first field that is not as it was written; NULL: all are. Order in lists does not matter,
 * nor does a secret, which is not shown. Transfer full. */
static gboolean same_text(const char *a, const char *b) {
  g_auto(GStrv) x = g_strsplit_set(a, ",\n", -1), y = g_strsplit_set(b, ",\n", -1);
  if (g_strv_length(x) != g_strv_length(y))
    return FALSE;
  for (char **each = x; *each; each++)
    if (!g_strv_contains((const char *const *)y, *each))
      return FALSE;
  return TRUE;
}

static char *differing(JsonObject *wanted, JsonObject *seen) {
  static const char *const hidden[] = {"privkey", "psk", NULL};
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, wanted);
  while (json_object_iter_next(&iter, &name, &value)) {
    JsonNode *other = seen ? json_object_get_member(seen, name) : NULL;
    if (g_strv_contains(hidden, name))
      continue;
    if (JSON_NODE_HOLDS_OBJECT(value)) {
      g_autofree char *inner = other && JSON_NODE_HOLDS_OBJECT(other)
                                   ? differing(json_node_get_object(value), json_node_get_object(other))
                                   : g_strdup("all of it");
      if (inner)
        return g_strdup_printf("%s.%s", name, inner);
      continue;
    }
    g_autofree char *want = plain_text(value), *got = other ? plain_text(other) : g_strdup("");
    if (!same_text(want, got))
      return g_strdup(name);
  }
  return NULL;
}

static gboolean names_cached(const GError *error) {
  return g_error_matches(error, LW_ERROR, LW_ERROR_CONFLICT) &&
         (strstr(error->message, "gateway") || strstr(error->message, "replyto"));
}

static gboolean set_item(LwOpnApi *api, const LwOpnKind *kind, const char *uuid, JsonObject *fields,
                         GError **error) {
  g_autofree char *path = g_strdup_printf("%s/%s", kind->set, uuid);
  g_autoptr(JsonObject) body = json_object_new();
  json_object_set_object_member(body, kind->key, json_object_ref(fields));
  for (guint attempt = 0;; attempt++) {
    g_autoptr(GError) inner = NULL;
    g_autoptr(JsonNode) answer = lw_opn_api_call(api, path, body, &inner);
    if (answer)
      break;
    if (attempt >= api->tries || !names_cached(inner)) {
      g_propagate_error(error, g_steal_pointer(&inner));
      return FALSE;
    }
    g_usleep(api->pause_ms * 1000ul);
  }
  g_autoptr(JsonObject) seen = NULL;
  if (!lw_opn_api_read(api, kind, uuid, &seen, error))
    return FALSE;
  g_autofree char *wrong = differing(fields, seen);
  if (wrong)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "OPNsense, %s: saved, it says, but “%s” is not as it was written", path, wrong);
  return !wrong;
}

static gboolean delete_item(LwOpnApi *api, const LwOpnKind *kind, const char *uuid, GError **error) {
  g_autofree char *path = g_strdup_printf("%s/%s", kind->del, uuid);
  g_autoptr(JsonObject) empty = json_object_new();
  g_autoptr(JsonNode) answer = lw_opn_api_call(api, path, empty, error);
  if (!answer)
    return FALSE;
  g_autoptr(JsonObject) seen = NULL;
  if (!lw_opn_api_read(api, kind, uuid, &seen, error))
    return FALSE;
  if (seen)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "OPNsense, %s: it is still there", path);
  return !seen;
}

static gboolean put(LwOpnApi *api, const LwOpnKind *kind, const char *uuid, JsonObject *fields,
                    GError **error) {
  return fields ? set_item(api, kind, uuid, fields, error) : delete_item(api, kind, uuid, error);
}

/* ---- a list of changes ---- */

typedef struct {
  const LwOpnKind *kind;
  const char *uuid;
  JsonObject *fields; /* what it was; NULL: not there */
} Before;

static void clear_before(gpointer data) {
  Before *before = data;
  g_clear_pointer(&before->fields, json_object_unref);
}

/* Unless it was called already. */
static gboolean call_once(LwOpnApi *api, GPtrArray *called, const char *path, GError **error) {
  if (g_ptr_array_find_with_equal_func(called, path, g_str_equal, NULL))
    return TRUE;
  g_ptr_array_add(called, (gpointer)path);
  g_autoptr(JsonObject) empty = json_object_new();
  g_autoptr(JsonNode) answer = lw_opn_api_call(api, path, empty, error);
  return answer != NULL;
}

/* Each once, in order. */
static gboolean put_into_force(LwOpnApi *api, const GArray *done, GError **error) {
  g_autoptr(GPtrArray) called = g_ptr_array_new();
  for (guint i = 0; i < done->len; i++)
    if (!call_once(api, called, g_array_index(done, Before, i).kind->apply, error))
      return FALSE;
  return TRUE;
}

gboolean lw_opn_api_end(LwOpnApi *api, const char *network, GError **error) {
  g_autoptr(JsonObject) body = json_object_new();
  json_object_set_string_member(body, "filter", network);
  g_autoptr(JsonNode) answer = lw_opn_api_call(api, "diagnostics/firewall/kill_states", body, error);
  JsonNode *dropped = answer && JSON_NODE_HOLDS_OBJECT(answer)
                          ? json_object_get_member(json_node_get_object(answer), "dropped_states")
                          : NULL;
  if (dropped && JSON_NODE_HOLDS_VALUE(dropped) && json_node_get_value_type(dropped) == G_TYPE_INT64)
    api->ended += (guint)CLAMP(json_node_get_int(dropped), 0, G_MAXINT);
  return answer != NULL;
}

guint lw_opn_api_ended(const LwOpnApi *api) {
  return api->ended;
}

static gboolean kill_states(LwOpnApi *api, const GPtrArray *networks, GError **error) {
  for (guint i = 0; i < networks->len; i++)
    if (!lw_opn_api_end(api, networks->pdata[i], error))
      return FALSE;
  return TRUE;
}

gboolean lw_opn_api_enforce(LwOpnApi *api, const GPtrArray *changes, const GPtrArray *networks,
                            GError **error) {
  g_autoptr(GPtrArray) called = g_ptr_array_new();
  for (guint i = 0; i < changes->len; i++)
    if (!call_once(api, called, ((const LwOpnChange *)changes->pdata[i])->kind->apply, error))
      return FALSE;
  return kill_states(api, networks, error);
}

/* The last change first. What cannot be undone is left, and the rest undone all the same; but of a router
 * that does not answer each request takes its whole time, so there the journal's undo comes later. */
static gboolean undo(LwOpnApi *api, const GArray *done, const GPtrArray *networks, GError **error) {
  gboolean good = TRUE;
  for (guint i = done->len; i > 0; i--) {
    const Before *before = &g_array_index(done, Before, i - 1);
    good = put(api, before->kind, before->uuid, before->fields, good ? error : NULL) && good;
    if (!good && api->unreached)
      return FALSE;
  }
  good = put_into_force(api, done, good ? error : NULL) && good;
  return kill_states(api, networks, good ? error : NULL) && good;
}

static gboolean change_all(LwOpnApi *api, const GPtrArray *changes, GArray *done, LwOpnKeep keep,
                           gpointer data, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwOpnChange *change = changes->pdata[i];
    Before before = {change->kind, change->uuid, NULL};
    if (!lw_opn_api_read(api, change->kind, change->uuid, &before.fields, error))
      return FALSE;
    if (keep && !keep(change->kind, change->uuid, before.fields, data, error)) {
      clear_before(&before);
      return FALSE;
    }
    /* from here on it may have happened, whatever the answer says */
    g_array_append_val(done, before);
    if (!put(api, change->kind, change->uuid, change->after, error))
      return FALSE;
  }
  return TRUE;
}

gboolean lw_opn_api_apply(LwOpnApi *api, const GPtrArray *changes, const GPtrArray *networks, LwOpnKeep keep,
                          gpointer data, GError **error) {
  g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(Before));
  g_autoptr(GError) why = NULL, worse = NULL;
  g_array_set_clear_func(done, clear_before);
  if (change_all(api, changes, done, keep, data, &why) && put_into_force(api, done, &why) &&
      kill_states(api, networks, &why))
    return TRUE;
  const char *reason = why ? why->message : "a change failed", *left = NULL;
  if (!undo(api, done, networks, &worse))
    left = worse ? worse->message : "unknown";
  if (left)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s; and not everything could be put back: %s", reason,
                left);
  else
    g_set_error(error, LW_ERROR, LW_ERROR_ROLLED_BACK, "%s; everything was put back", reason);
  return FALSE;
}
