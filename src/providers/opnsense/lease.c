#include "providers/opnsense/lease.h"

#include "base/error.h"
#include "providers/opnsense/links.h"

#include <string.h>

static JsonNode *member(JsonNode *node, const char *name) {
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_object_get_member(json_node_get_object(node), name)
                                              : NULL;
}

static const char *text(JsonNode *node) {
  gboolean is_text = node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
  return is_text ? json_node_get_string(node) : "";
}

static JsonNode *element(JsonNode *list, guint index) {
  gboolean has =
      list && JSON_NODE_HOLDS_ARRAY(list) && index < json_array_get_length(json_node_get_array(list));
  return has ? json_array_get_element(json_node_get_array(list), index) : NULL;
}

/* Its primary address; a version that does not tell that one has them in a list. */
static gboolean address_of(JsonNode *row, LwPrefix *out) {
  JsonNode *first = element(member(row, "ipv4"), 0);
  const char *const told[] = {text(member(row, "addr4")), text(member(first, "ipaddr"))};
  for (guint i = 0; i < G_N_ELEMENTS(told); i++)
    if (lw_prefix_parse(told[i], out) && out->addr.family == 4)
      return TRUE;
  return FALSE;
}

gboolean lw_opn_lease_of(JsonNode *answer, const char *key, LwOpnLease *out) {
  JsonNode *rows = member(answer, "rows"), *row = NULL;
  *out = (LwOpnLease){0};
  for (guint i = 0; (row = element(rows, i)); i++)
    if (g_str_equal(text(member(row, "identifier")), key))
      break;
  if (!row || !address_of(row, &out->address)) {
    out->address = (LwPrefix){0};
    return FALSE;
  }
  if (!lw_addr_parse(text(element(member(row, "gateways"), 0)), &out->gateway) || out->gateway.family != 4)
    out->gateway = LW_ADDR_NONE;
  return TRUE;
}

gboolean lw_opn_api_lease(LwOpnApi *api, const char *config, LwOpnLease *out, GError **error) {
  *out = (LwOpnLease){0};
  g_autoptr(LwOpn) opn = lw_opn_parse(config, strlen(config), error);
  g_autoptr(LwOpnLinks) links = opn ? lw_opn_links_guess(opn) : NULL;
  const LwOpnLink *leased = links ? lw_opn_links_leased(links) : NULL;
  if (!leased)
    return links != NULL;
  g_autoptr(JsonNode) node = lw_opn_api_call(api, "interfaces/overview/interfaces_info", NULL, error);
  if (!node)
    return FALSE;
  if (lw_opn_lease_of(node, leased->interface->key, out))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "it tells of no address of its interface %s",
              leased->interface->key);
  return FALSE;
}
