/* YAML as a tree of raw scalars with places: the only part of spec/ that knows libfyaml. */
#pragma once

#include "spec/diagnostics.h"

typedef enum { LW_YAML_SCALAR, LW_YAML_LIST, LW_YAML_MAP } LwYamlKind;

typedef struct LwYaml {
  LwYamlKind kind;
  gboolean plain;     /* a scalar without quotes */
  gboolean duplicate; /* a key that stood there before: reported, and left out of its map */
  char *text;         /* a scalar's, as written, no type read into it */
  LwOrigin origin;
  GPtrArray *keys;  /* a map's, of LwYaml* (scalars), in the order of the file */
  GPtrArray *items; /* a map's values, a list's items */
} LwYaml;

/* Owns nodes: merged trees share them, so none is freed before all. */
typedef GPtrArray LwYamlPool;

LwYamlPool *lw_yaml_pool_new(void); /* free with g_ptr_array_unref */

/* The document, or NULL when there is an error (then it is among the diagnostics). An empty text is an empty
 * map. Refused: more than one document, aliases and anchors, tags, keys that are no scalars, duplicate keys
 * (with both places), nesting deeper than 32, text that is not UTF-8. */
LwYaml *lw_yaml_parse(LwYamlPool *pool, LwDiagnostics *diagnostics, const char *text, gsize length,
                      const char *file);

LwYaml *lw_yaml_new(LwYamlPool *pool, LwYamlKind kind, LwOrigin origin);
/* A value that was left empty ("key:"), "~" or "null". */
gboolean lw_yaml_is_empty(const LwYaml *node);
/* NULL when the map has no such key. */
LwYaml *lw_yaml_get(const LwYaml *map, const char *key);
