#include "providers/opnsense/ready.h"

#include "base/error.h"

#include <string.h>

#define ANSWER_SECONDS 5
#define PAUSE_US (G_USEC_PER_SEC / 2)

static const char *text_member(JsonNode *node, const char *name) {
  JsonObject *object = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  return object ? json_object_get_string_member_with_default(object, name, "") : "";
}

static gboolean is_answering(LwOpnApi *api, GError **error) {
  g_autofree char *version = lw_opn_api_version(api, error);
  if (!version)
    g_prefix_error(error, "its API does not answer: ");
  return version != NULL;
}

static gboolean serves_dhcp(LwOpnApi *api, GError **error) {
  g_autoptr(JsonNode) node = lw_opn_api_call(api, "dnsmasq/service/status", NULL, error);
  if (node && g_str_equal(text_member(node, "status"), "running"))
    return TRUE;
  if (node)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "dnsmasq, which serves DHCP, does not run");
  else
    g_prefix_error(error, "whether it serves DHCP is not known: ");
  return FALSE;
}

static gboolean is_up(JsonNode *row) {
  return g_str_equal(text_member(row, "type"), "interface") && g_str_equal(text_member(row, "status"), "up");
}

static gboolean has_tunnels(LwOpnApi *api, guint tunnels, GError **error) {
  g_autoptr(JsonNode) node = tunnels ? lw_opn_api_call(api, "wireguard/service/show", NULL, error) : NULL;
  JsonNode *rows = node && JSON_NODE_HOLDS_OBJECT(node)
                       ? json_object_get_member(json_node_get_object(node), "rows")
                       : NULL;
  guint up = 0;
  for (guint i = 0;
       rows && JSON_NODE_HOLDS_ARRAY(rows) && i < json_array_get_length(json_node_get_array(rows)); i++)
    up += is_up(json_array_get_element(json_node_get_array(rows), i)) ? 1 : 0;
  if (up >= tunnels)
    return TRUE;
  if (node)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%u of %u tunnels are up", up, tunnels);
  else
    g_prefix_error(error, "whether its tunnels are up is not known: ");
  return FALSE;
}

gboolean lw_opn_wait_ready(LwOpnApi *api, guint tunnels, guint seconds, gboolean (*cancelled)(void),
                           GError **error) {
  gint64 deadline = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
  lw_opn_api_set_patience(api, ANSWER_SECONDS, 0, 0);
  for (;;) {
    g_autoptr(GError) last = NULL;
    if (is_answering(api, &last) && serves_dhcp(api, &last) && has_tunnels(api, tunnels, &last))
      return TRUE;
    gboolean asked = cancelled && cancelled();
    if (asked || g_get_monotonic_time() > deadline) {
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the router has booted and is not ready%s: %s",
                  asked ? ", and was not waited for longer" : "", last ? last->message : "unknown");
      return FALSE;
    }
    g_usleep(PAUSE_US);
  }
}
