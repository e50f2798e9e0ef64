#include "providers/opnsense/xml.h"

#include <string.h>

xmlNode *lw_xml_from(xmlNode *node, const char *name) {
  for (; node; node = node->next)
    if (node->type == XML_ELEMENT_NODE && (!name || g_str_equal((const char *)node->name, name)))
      return node;
  return NULL;
}

xmlNode *lw_xml_find(xmlNode *node, const char *path) {
  g_auto(GStrv) names = g_strsplit(path, "/", -1);
  for (char **name = names; node && *name; name++)
    node = lw_xml_from(node->children, *name);
  return node;
}

char *lw_xml_text(xmlNode *node, const char *path) {
  xmlNode *found = lw_xml_find(node, path);
  if (!found)
    return NULL;
  xmlChar *content = xmlNodeGetContent(found);
  char *text = g_utf8_make_valid(content ? (const char *)content : "", -1);
  xmlFree(content);
  return g_strstrip(text);
}
