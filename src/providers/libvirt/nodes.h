/* Elements of libvirt's XML, for the files of this folder. */
#pragma once

#include "providers/libvirt/xml.h"

#include <libxml/tree.h>

struct LwVirtDomain {
  xmlDoc *doc;
  char *name;
  GPtrArray *nics; /* of xmlNode*, in order */
};

gboolean lw_node_is(const xmlNode *node, const char *name);
xmlNode *lw_node_child(const xmlNode *parent /* nullable */, const char *name); /* nullable */
/* NULL when the element or its attribute is missing. Transfer full. */
char *lw_node_attribute(const xmlNode *node /* nullable */, const char *name);
gboolean lw_node_attribute_is(const xmlNode *node /* nullable */, const char *name, const char *value);
char *lw_node_content(const xmlNode *node /* nullable */); /* nullable, transfer full */
void lw_node_set(xmlNode *node, const char *name, const char *value);
xmlNode *lw_node_add(xmlNode *parent, const char *name);
xmlNode *lw_node_add_text(xmlNode *parent, const char *name, const char *text);
xmlNode *lw_node_child_or_new(xmlNode *parent, const char *name);
void lw_node_drop(xmlNode *node /* nullable */);
char *lw_node_text(xmlNode *node); /* the element as XML; transfer full */

/* The document when its root is of that name; NULL and LW_ERROR_FAILED. Nothing is fetched, no entity
 * expanded. */
xmlDoc *lw_node_parse(const char *xml, const char *root, GError **error);
xmlDoc *lw_node_new_doc(const char *root);
/* Its root as text; the document is freed. Transfer full. */
char *lw_node_finish(xmlDoc *doc, int format);
