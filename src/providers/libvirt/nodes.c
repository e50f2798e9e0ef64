#include "providers/libvirt/nodes.h"

#include "base/error.h"

#include <libxml/parser.h>
#include <string.h>

#define XML_MAX (16 * 1024 * 1024)

gboolean lw_node_is(const xmlNode *node, const char *name) {
  return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

xmlNode *lw_node_child(const xmlNode *parent, const char *name) {
  for (xmlNode *node = parent ? parent->children : NULL; node; node = node->next)
    if (lw_node_is(node, name))
      return node;
  return NULL;
}

/* Transfer full; NULL when the element or attribute is missing. */
char *lw_node_attribute(const xmlNode *node, const char *name) {
  xmlChar *value = node ? xmlGetNoNsProp((xmlNode *)node, (const xmlChar *)name) : NULL;
  char *text = value ? g_strdup((const char *)value) : NULL;
  xmlFree(value);
  return text;
}

char *lw_node_content(const xmlNode *node) {
  xmlChar *value = node ? xmlNodeGetContent((xmlNode *)node) : NULL;
  char *text = value ? g_strdup((const char *)value) : NULL;
  xmlFree(value);
  return text;
}

gboolean lw_node_attribute_is(const xmlNode *node, const char *name, const char *value) {
  g_autofree char *text = lw_node_attribute(node, name);
  return g_strcmp0(text, value) == 0;
}

void lw_node_set(xmlNode *node, const char *name, const char *value) {
  xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

xmlNode *lw_node_add(xmlNode *parent, const char *name) {
  return xmlNewChild(parent, NULL, (const xmlChar *)name, NULL);
}

xmlNode *lw_node_add_text(xmlNode *parent, const char *name, const char *text) {
  return xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

xmlNode *lw_node_child_or_new(xmlNode *parent, const char *name) {
  xmlNode *node = lw_node_child(parent, name);
  return node ? node : lw_node_add(parent, name);
}

void lw_node_drop(xmlNode *node) {
  if (!node)
    return;
  xmlUnlinkNode(node);
  xmlFreeNode(node);
}

char *lw_node_text(xmlNode *node) {
  xmlBuffer *buffer = xmlBufferCreate();
  xmlNodeDump(buffer, node->doc, node, 0, 0);
  char *text = g_strdup((const char *)xmlBufferContent(buffer));
  xmlBufferFree(buffer);
  return text;
}

/* The document when its root is of that name. Nothing is fetched, no entity expanded. */
xmlDoc *lw_node_parse(const char *xml, const char *root, GError **error) {
  gsize length = xml ? strlen(xml) : 0;
  xmlDoc *doc = length && length < XML_MAX
                    ? xmlReadMemory(xml, (int)length, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
                    : NULL;
  const xmlNode *top = doc ? xmlDocGetRootElement(doc) : NULL;
  if (top && !doc->intSubset && lw_node_is(top, root))
    return doc;
  if (doc)
    xmlFreeDoc(doc);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "libvirt: no XML of a %s", root);
  return NULL;
}

xmlDoc *lw_node_new_doc(const char *root) {
  xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
  xmlDocSetRootElement(doc, xmlNewNode(NULL, (const xmlChar *)root));
  return doc;
}

char *lw_node_finish(xmlDoc *doc, int format) {
  xmlBuffer *buffer = xmlBufferCreate();
  xmlNodeDump(buffer, doc, xmlDocGetRootElement(doc), 0, format);
  char *text = g_strdup((const char *)xmlBufferContent(buffer));
  xmlBufferFree(buffer);
  xmlFreeDoc(doc);
  return text;
}
