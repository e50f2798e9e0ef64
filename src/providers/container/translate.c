#include "providers/container/translate.h"

#include "base/error.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define NAME_MAX_LENGTH 255

void lw_container_info_free(LwContainerInfo *info) {
  if (!info)
    return;
  g_free(info->id);
  g_free(info->name);
  g_free(info->network_mode);
  g_free(info->resolv_path);
  g_ptr_array_unref(info->networks);
  g_free(info);
}

/* Members of whatever was sent, in place of what was expected. */
static JsonObject *object_of(JsonObject *object, const char *name) {
  JsonNode *node = object ? json_object_get_member(object, name) : NULL;
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static const char *text_of(JsonObject *object, const char *name) {
  JsonNode *node = object ? json_object_get_member(object, name) : NULL;
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : "";
}

static gboolean is_true(JsonObject *object, const char *name) {
  JsonNode *node = object ? json_object_get_member(object, name) : NULL;
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN &&
         json_node_get_boolean(node);
}

static gint64 number_of(JsonObject *object, const char *name) {
  JsonNode *node = object ? json_object_get_member(object, name) : NULL;
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64
             ? json_node_get_int(node)
             : 0;
}

/* A name as the engines allow it, without the API's slash; else NULL. It comes to stand in messages and in a
 * file of ours. */
static const char *plain_name(const char *name) {
  name += *name == '/';
  gsize length = strlen(name);
  return length > 0 && length <= NAME_MAX_LENGTH &&
                 strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-") == length
             ? name
             : NULL;
}

static JsonNode *parse(const char *json, gssize length, GError **error) {
  g_autoptr(JsonParser) parser = json_parser_new();
  if (g_utf8_validate(json, length, NULL) && json_parser_load_from_data(parser, json, length, NULL) &&
      json_parser_get_root(parser))
    return json_parser_steal_root(parser);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the container engine's answer is cut off or no JSON");
  return NULL;
}

static void read_networks(LwContainerInfo *info, JsonObject *networks) {
  g_autoptr(GList) names = networks ? json_object_get_members(networks) : NULL;
  for (GList *each = names; each; each = each->next)
    if (!g_str_equal(each->data, "none"))
      g_ptr_array_add(info->networks, g_strdup(each->data));
}

LwContainerInfo *lw_container_info_parse(const char *json, gssize length, GError **error) {
  g_autoptr(JsonNode) node = parse(json, length, error);
  if (!node)
    return NULL;
  JsonObject *root = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  JsonObject *state = object_of(root, "State"), *config = object_of(root, "HostConfig");
  const char *name = plain_name(text_of(root, "Name"));
  gint64 pid = number_of(state, "Pid");
  if (!name || !state || !config || pid < 0 || pid > G_MAXINT32) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the container engine's answer describes no container");
    return NULL;
  }
  LwContainerInfo *info = g_new0(LwContainerInfo, 1);
  info->id = g_strdup(text_of(root, "Id"));
  info->name = g_strdup(name);
  info->running = is_true(state, "Running") && pid > 0;
  info->pid = info->running ? (pid_t)pid : 0;
  info->network_mode = g_strdup(text_of(config, "NetworkMode"));
  info->privileged = is_true(config, "Privileged");
  info->networks = g_ptr_array_new_with_free_func(g_free);
  read_networks(info, object_of(object_of(root, "NetworkSettings"), "Networks"));
  const char *resolv = text_of(root, "ResolvConfPath");
  info->resolv_path = g_path_is_absolute(resolv) ? g_strdup(resolv) : NULL;
  return info;
}

GPtrArray *lw_container_names_parse(const char *json, gssize length, GError **error) {
  g_autoptr(JsonNode) node = parse(json, length, error);
  if (!node)
    return NULL;
  if (!JSON_NODE_HOLDS_ARRAY(node)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the container engine's answer is no list of containers");
    return NULL;
  }
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  JsonArray *list = json_node_get_array(node);
  for (guint i = 0; i < json_array_get_length(list); i++) {
    JsonNode *each = json_array_get_element(list, i);
    JsonNode *own =
        JSON_NODE_HOLDS_OBJECT(each) ? json_object_get_member(json_node_get_object(each), "Names") : NULL;
    JsonArray *all = own && JSON_NODE_HOLDS_ARRAY(own) ? json_node_get_array(own) : NULL;
    JsonNode *first = all && json_array_get_length(all) ? json_array_get_element(all, 0) : NULL;
    const char *name =
        first && JSON_NODE_HOLDS_VALUE(first) && json_node_get_value_type(first) == G_TYPE_STRING
            ? plain_name(json_node_get_string(first))
            : NULL;
    if (name)
      g_ptr_array_add(names, g_strdup(name));
  }
  return names;
}

char *lw_container_trouble(const LwContainerInfo *info) {
  const char *mode = info->network_mode;
  const char *remedy = "make it again with --network none";
  if (g_str_equal(mode, "host"))
    return g_strdup_printf("container %s uses the host's own network, round every rule: %s", info->name,
                           remedy);
  if (g_str_has_prefix(mode, "container:") || g_str_has_prefix(mode, "ns:"))
    return g_strdup_printf("container %s shares another's network (%s): plug that one in, or %s", info->name,
                           mode, remedy);
  if (info->networks->len > 0)
    return g_strdup_printf("container %s has a network of its own (%s), and so a way round: %s", info->name,
                           (char *)info->networks->pdata[0], remedy);
  if (!g_str_equal(mode, "none"))
    return g_strdup_printf("container %s has a network of its own (%s), and so a way round: %s", info->name,
                           *mode ? mode : "its engine's default", remedy);
  return NULL;
}

char *lw_container_event_name(const char *line) {
  static const char *const matter[] = {"start", "die", "died", "destroy", "remove", "rename", NULL};
  g_autoptr(JsonNode) node = parse(line, (gssize)strlen(line), NULL);
  JsonObject *root = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  const char *action = text_of(root, "Action");
  if (!root || !g_str_equal(text_of(root, "Type"), "container") || !g_strv_contains(matter, action))
    return NULL;
  return g_strdup(plain_name(text_of(object_of(object_of(root, "Actor"), "Attributes"), "name")));
}
