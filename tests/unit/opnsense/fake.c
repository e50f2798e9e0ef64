#include "fake.h"

#include "providers/opnsense/changes.h"

#include <libsoup/soup.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

struct Fake {
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  SoupServer *server;
  GMutex lock;
  GHashTable *items; /* "kind/uuid" -> JsonObject */
  GString *log;
  guint posts, fault_at, refusals;
  FakeFault fault;
  const char *version;
  char *url, *interfaces;
};

static void answer(SoupServerMessage *message, guint status, const char *text) {
  soup_server_message_set_status(message, status, NULL);
  soup_server_message_set_response(message, "application/json", SOUP_MEMORY_COPY, text, strlen(text));
}

/* By the request's path: what is asked of which kind. */
static const LwOpnKind *kind_of(const char *path, const char **verb, char **uuid) {
  static const char *const names[] = {"rule",   "source-nat", "forward",  "alias",   "host", "range",
                                      "option", "peer",       "instance", "gateway", "route"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    const LwOpnKind *kind = lw_opn_kind(names[i]);
    const char *paths[] = {kind->set, kind->del, kind->get}, *verbs[] = {"set", "del", "get"};
    for (guint n = 0; n < 3; n++)
      if (g_str_has_prefix(path, paths[n]) && path[strlen(paths[n])] == '/') {
        *verb = verbs[n];
        *uuid = g_strdup(path + strlen(paths[n]) + 1);
        return kind;
      }
  }
  return NULL;
}

/* As a model shows itself: choices as objects. */
static JsonObject *shown(JsonObject *fields) {
  static const char *const choices[] = {"gateway", "interface", "protocol", NULL};
  JsonObject *out = json_object_new();
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, fields);
  while (json_object_iter_next(&iter, &name, &value)) {
    if (!g_strv_contains(choices, name) || !JSON_NODE_HOLDS_VALUE(value)) {
      json_object_set_member(out, name, json_node_copy(value));
      continue;
    }
    JsonObject *options = json_object_new();
    const char *all[] = {"WAN_DHCP", json_node_get_string(value)};
    for (guint i = 0; i < 2; i++) {
      JsonObject *option = json_object_new();
      json_object_set_string_member(option, "value", all[i]);
      json_object_set_int_member(option, "selected", g_str_equal(all[i], json_node_get_string(value)));
      json_object_set_object_member(options, all[i], option);
    }
    json_object_set_object_member(out, name, options);
  }
  return out;
}

static void get_item(Fake *fake, SoupServerMessage *message, const LwOpnKind *kind, const char *key) {
  JsonObject *fields = g_hash_table_lookup(fake->items, key);
  if (!fields) {
    answer(message, 200, "[]");
    return;
  }
  JsonObject *whole = json_object_new();
  json_object_set_object_member(whole, kind->key, shown(fields));
  g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(node, whole);
  g_autofree char *text = json_to_string(node, FALSE);
  answer(message, 200, text);
}

static gboolean refuses(Fake *fake, const LwOpnKind *kind, JsonObject *fields) {
  const char *gateway =
      json_object_has_member(fields, "gateway") ? json_object_get_string_member(fields, "gateway") : "";
  if (!g_str_equal(kind->name, "rule") || !*gateway || fake->refusals == 0)
    return FALSE;
  fake->refusals--;
  return TRUE;
}

/* ---- all of it as a config.xml ---- */

static xmlNode *child_named(xmlNode *parent, const char *name) {
  for (xmlNode *each = parent->children; each; each = each->next)
    if (g_str_equal((const char *)each->name, name))
      return each;
  return xmlNewChild(parent, NULL, (const xmlChar *)name, NULL);
}

static void add_fields(xmlNode *item, JsonObject *fields) {
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, fields);
  while (json_object_iter_next(&iter, &name, &value)) {
    if (JSON_NODE_HOLDS_OBJECT(value))
      add_fields(xmlNewChild(item, NULL, (const xmlChar *)name, NULL), json_node_get_object(value));
    else
      xmlNewTextChild(item, NULL, (const xmlChar *)name, (const xmlChar *)json_node_get_string(value));
  }
}

static void add_item(xmlNode *root, const char *key, JsonObject *fields) {
  const char *slash = strchr(key, '/');
  g_autofree char *name = g_strndup(key, (gsize)(slash - key));
  const LwOpnKind *kind = lw_opn_kind(name);
  g_auto(GStrv) path = g_strsplit(kind->container, "/", -1);
  xmlNode *container = root;
  for (char **part = path; *part; part++)
    container = child_named(container, *part);
  xmlNode *item = xmlNewChild(container, NULL, (const xmlChar *)kind->item, NULL);
  xmlNewProp(item, (const xmlChar *)"uuid", (const xmlChar *)(slash + 1));
  add_fields(item, fields);
}

static void download(Fake *fake, SoupServerMessage *message) {
  g_autofree char *text =
      g_strdup_printf("<opnsense>%s</opnsense>", fake->interfaces ? fake->interfaces : "");
  xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL, 0);
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, fake->items);
  while (g_hash_table_iter_next(&iter, &key, &value))
    add_item(xmlDocGetRootElement(doc), key, value);
  xmlChar *dumped = NULL;
  int length = 0;
  xmlDocDumpMemory(doc, &dumped, &length);
  soup_server_message_set_status(message, 200, NULL);
  soup_server_message_set_response(message, "application/octet-stream", SOUP_MEMORY_COPY, (char *)dumped,
                                   (gsize)length);
  xmlFree(dumped);
  xmlFreeDoc(doc);
}

void fake_interfaces(Fake *fake, const char *xml) {
  g_free(fake->interfaces);
  fake->interfaces = g_strdup(xml);
}

/* An upsert and a partial update; a key with a dot is taken for nothing and not complained of. */
static void set_item(Fake *fake, SoupServerMessage *message, const LwOpnKind *kind, const char *key,
                     JsonObject *body) {
  JsonNode *node = json_object_get_member(body, kind->key);
  if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
    answer(message, 200, "{\"result\":\"failed\"}");
    return;
  }
  JsonObject *fields = json_node_get_object(node);
  if (refuses(fake, kind, fields)) {
    answer(message, 200,
           "{\"result\":\"failed\",\"validations\":{\"rule.gateway\":\"Specify a valid gateway from the "
           "list\"}}");
    return;
  }
  JsonObject *item = g_hash_table_lookup(fake->items, key);
  if (!item) {
    item = json_object_new();
    g_hash_table_insert(fake->items, g_strdup(key), item);
  }
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, fields);
  while (json_object_iter_next(&iter, &name, &value))
    if (!strchr(name, '.') && !(fake->fault == FAULT_IGNORE && fake->posts == fake->fault_at))
      json_object_set_member(item, name, json_node_copy(value));
  answer(message, 200, "{\"result\":\"saved\"}");
}

static gboolean faulty(Fake *fake, SoupServerMessage *message) {
  if (fake->posts != fake->fault_at || fake->fault == FAULT_IGNORE)
    return FALSE;
  switch (fake->fault) {
  case FAULT_500:
    answer(message, 500, "<html>");
    return TRUE;
  case FAULT_401:
    answer(message, 401, "{\"status\":401}");
    return TRUE;
  case FAULT_HALF:
    answer(message, 200, "{\"result\":\"sav");
    return TRUE;
  case FAULT_HANG_UP: {
    g_autoptr(GIOStream) stream = soup_server_message_steal_connection(message);
    g_io_stream_close(stream, NULL, NULL);
    return TRUE;
  }
  case FAULT_IGNORE:
  case FAULT_NONE:
    break;
  }
  return FALSE;
}

static JsonObject *body_of(SoupServerMessage *message) {
  g_autoptr(GBytes) bytes = soup_message_body_flatten(soup_server_message_get_request_body(message));
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (length == 0 || !json_parser_load_from_data(parser, text, (gssize)length, NULL))
    return NULL;
  return json_object_ref(json_node_get_object(json_parser_get_root(parser)));
}

static void dispatch(Fake *fake, SoupServerMessage *message, const char *path, gboolean post) {
  static const char *const services[] = {"firewall/filter/apply",
                                         "dnsmasq/service/reconfigure",
                                         "routing/settings/reconfigure",
                                         "routes/routes/reconfigure",
                                         "wireguard/service/reconfigure",
                                         "firewall/alias/reconfigure",
                                         "diagnostics/firewall/kill_states",
                                         NULL};
  g_autoptr(JsonObject) body = post ? body_of(message) : NULL;
  const char *verb = NULL;
  g_autofree char *uuid = NULL;
  const LwOpnKind *kind = kind_of(path, &verb, &uuid);
  g_autofree char *key = kind ? g_strdup_printf("%s/%s", kind->name, uuid) : NULL;
  if (post && !body)
    answer(message, 400, "{\"message\":\"Invalid JSON syntax\"}");
  else if (post && faulty(fake, message))
    return;
  else if (kind && g_str_equal(verb, "get"))
    get_item(fake, message, kind, key);
  else if (kind && post && g_str_equal(verb, "set"))
    set_item(fake, message, kind, key, body);
  else if (kind && post)
    answer(message, 200,
           g_hash_table_remove(fake->items, key) ? "{\"result\":\"deleted\"}" : "{\"result\":\"not found\"}");
  else if (post && g_strv_contains(services, path))
    answer(message, 200, "{\"status\":\"OK\\n\\n\"}");
  else if (!post && g_str_equal(path, "core/backup/download/this"))
    download(fake, message);
  else if (g_str_equal(path, "core/firmware/info")) {
    g_autofree char *text = g_strdup_printf("{\"product_version\":\"%s\"}", fake->version);
    answer(message, 200, text);
  } else
    answer(message, 404, "{\"errorMessage\":\"Endpoint not found\"}");
}

static void handle(SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
                   gpointer data) {
  Fake *fake = data;
  gboolean post = g_str_equal(soup_server_message_get_method(message), "POST");
  const char *given =
      soup_message_headers_get_one(soup_server_message_get_request_headers(message), "Authorization");
  g_mutex_lock(&fake->lock);
  fake->posts += post;
  g_string_append_printf(fake->log, "%s %s\n", post ? "POST" : "GET", path + strlen("/api/"));
  if (g_strcmp0(given, "Basic dGVzdGtleTp2ZXJ5LXNlY3JldA==") != 0) /* testkey:very-secret */
    answer(message, 401, "{\"status\":401,\"message\":\"Authentication Failed\"}");
  else
    dispatch(fake, message, path + strlen("/api/"), post);
  g_mutex_unlock(&fake->lock);
}

static gpointer run(gpointer data) {
  Fake *fake = data;
  g_main_context_push_thread_default(fake->context);
  g_main_loop_run(fake->loop);
  g_main_context_pop_thread_default(fake->context);
  return NULL;
}

Fake *fake_new(GTlsCertificate *certificate) {
  Fake *fake = g_new0(Fake, 1);
  g_autoptr(GError) error = NULL;
  g_mutex_init(&fake->lock);
  fake->items = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_object_unref);
  fake->log = g_string_new(NULL);
  fake->version = "26.7.2";
  fake->context = g_main_context_new();
  fake->loop = g_main_loop_new(fake->context, FALSE);
  g_main_context_push_thread_default(fake->context);
  fake->server = soup_server_new("tls-certificate", certificate, NULL);
  soup_server_add_handler(fake->server, "/api", handle, fake, NULL);
  g_assert_true(soup_server_listen_local(
      fake->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY | (certificate ? SOUP_SERVER_LISTEN_HTTPS : 0), &error));
  GSList *uris = soup_server_get_uris(fake->server);
  fake->url =
      g_strdup_printf("%s://127.0.0.1:%d", certificate ? "https" : "http", g_uri_get_port(uris->data));
  g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
  g_main_context_pop_thread_default(fake->context);
  fake->thread = g_thread_new("fake", run, fake);
  return fake;
}

static gboolean stop(gpointer data) {
  Fake *fake = data;
  soup_server_disconnect(fake->server);
  g_main_loop_quit(fake->loop);
  return G_SOURCE_REMOVE;
}

void fake_free(Fake *fake) {
  g_main_context_invoke(fake->context, stop, fake);
  g_thread_join(fake->thread);
  g_object_unref(fake->server);
  g_main_loop_unref(fake->loop);
  g_main_context_unref(fake->context);
  g_hash_table_unref(fake->items);
  g_string_free(fake->log, TRUE);
  g_mutex_clear(&fake->lock);
  g_free(fake->url);
  g_free(fake->interfaces);
  g_free(fake);
}

char *fake_url(Fake *fake) {
  return g_strdup(fake->url);
}

void fake_put(Fake *fake, const char *kind, const char *uuid, JsonObject *fields) {
  g_mutex_lock(&fake->lock);
  g_hash_table_insert(fake->items, g_strdup_printf("%s/%s", kind, uuid), fields);
  g_mutex_unlock(&fake->lock);
}

static int text_cmp(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *fake_text(Fake *fake) {
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  GHashTableIter iter;
  gpointer key, value;
  g_mutex_lock(&fake->lock);
  g_hash_table_iter_init(&iter, fake->items);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    g_autoptr(GList) names = g_list_sort(json_object_get_members(value), (GCompareFunc)strcmp);
    GString *line = g_string_new(key);
    for (GList *each = names; each; each = each->next) {
      g_autofree char *text = json_to_string(json_object_get_member(value, each->data), FALSE);
      g_string_append_printf(line, " %s=%s", (char *)each->data, text);
    }
    g_ptr_array_add(lines, g_string_free(line, FALSE));
  }
  g_mutex_unlock(&fake->lock);
  g_ptr_array_sort(lines, text_cmp);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("\n", (char **)lines->pdata);
}

char *fake_log(Fake *fake) {
  g_mutex_lock(&fake->lock);
  char *text = g_strdup(fake->log->str);
  g_mutex_unlock(&fake->lock);
  return text;
}

void fake_forget(Fake *fake) {
  g_mutex_lock(&fake->lock);
  g_string_truncate(fake->log, 0);
  g_mutex_unlock(&fake->lock);
}

void fake_fault(Fake *fake, guint at, FakeFault fault) {
  g_mutex_lock(&fake->lock);
  fake->posts = 0;
  fake->fault_at = at;
  fake->fault = fault;
  g_mutex_unlock(&fake->lock);
}

void fake_cache(Fake *fake, guint refusals) {
  g_mutex_lock(&fake->lock);
  fake->refusals = refusals;
  g_mutex_unlock(&fake->lock);
}

void fake_version(Fake *fake, const char *version) {
  fake->version = version;
}
