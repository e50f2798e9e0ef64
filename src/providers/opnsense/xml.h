/* Reading elements of a config.xml; the only header here that shows libxml2. */
#pragma once

#include <glib.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

/* The first element at a path of names below node ("system/webgui/port"); NULL when node is NULL or none is
 * there. */
xmlNode *lw_xml_find(xmlNode *node, const char *path);
/* The next sibling element of that name (or any, NULL), from node itself on. */
xmlNode *lw_xml_from(xmlNode *node, const char *name);
/* The element's text without space around it, "" when empty; NULL when there is no such element. Transfer
 * full. */
char *lw_xml_text(xmlNode *node, const char *path);

#define LW_XML_EACH(each, parent, name)                                                                      \
  for (xmlNode *each = lw_xml_from((parent) ? (parent)->children : NULL, name); each;                        \
       each = lw_xml_from(each->next, name))
