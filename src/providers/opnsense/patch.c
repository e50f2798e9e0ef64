/* Changes of items made in a config.xml: what it would be after some of the API's requests. */
#include "providers/opnsense/opnsense.h"

#include "base/error.h"
#include "providers/opnsense/config.h"
#include "providers/opnsense/xml.h"

#include <string.h>

static xmlNode *reach(xmlNode *root, const char *path) {
  g_auto(GStrv) names = g_strsplit(path, "/", -1);
  for (char **name = names; *name; name++) {
    xmlNode *next = lw_xml_from(root->children, *name);
    root = next ? next : xmlNewChild(root, NULL, (const xmlChar *)*name, NULL);
  }
  return root;
}

static xmlNode *find_item(xmlNode *container, const LwOpnChange *change) {
  LW_XML_EACH(each, container, change->kind->item) {
    xmlChar *uuid = xmlGetProp(each, (const xmlChar *)"uuid");
    gboolean same = uuid && g_str_equal((const char *)uuid, change->uuid);
    xmlFree(uuid);
    if (same)
      return each;
  }
  return NULL;
}

static void set_fields(xmlNode *item, JsonObject *fields) {
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init(&iter, fields);
  while (json_object_iter_next(&iter, &name, &value)) {
    xmlNode *field = lw_xml_from(item->children, name);
    if (JSON_NODE_HOLDS_OBJECT(value)) {
      set_fields(field ? field : xmlNewChild(item, NULL, (const xmlChar *)name, NULL),
                 json_node_get_object(value));
      continue;
    }
    if (field) {
      xmlUnlinkNode(field);
      xmlFreeNode(field);
    }
    const char *text = json_node_get_string(value);
    xmlNewTextChild(item, NULL, (const xmlChar *)name, (const xmlChar *)(text && *text ? text : NULL));
  }
}

static void make_change(xmlNode *root, const LwOpnChange *change) {
  xmlNode *container = reach(root, change->kind->container);
  xmlNode *item = find_item(container, change);
  if (!change->after) {
    if (item) {
      xmlUnlinkNode(item);
      xmlFreeNode(item);
    }
    return;
  }
  if (!item) {
    item = xmlNewChild(container, NULL, (const xmlChar *)change->kind->item, NULL);
    xmlNewProp(item, (const xmlChar *)"uuid", (const xmlChar *)change->uuid);
  }
  set_fields(item, change->after);
}

char *lw_opn_with_changes(const char *config, const GPtrArray *changes, GError **error) {
  g_autoptr(LwOpn) checked = lw_opn_parse(config, strlen(config), error);
  xmlDoc *doc =
      checked ? xmlReadMemory(config, (int)strlen(config), NULL, NULL,
                              XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)
              : NULL;
  if (!doc)
    return NULL;
  for (guint i = 0; i < changes->len; i++)
    make_change(xmlDocGetRootElement(doc), changes->pdata[i]);
  xmlChar *buffer = NULL;
  int length = 0;
  xmlDocDumpFormatMemoryEnc(doc, &buffer, &length, "UTF-8", 1);
  char *text = g_strndup((const char *)buffer, (gsize)length);
  explicit_bzero(buffer, (gsize)length);
  xmlFree(buffer);
  xmlFreeDoc(doc);
  return text;
}
