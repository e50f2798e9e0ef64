/* A lab's file as text, and where in it the nodes of its YAML stand: what edit.c and edits.c change it by. */
#pragma once

#include "spec/yaml.h"

/* A parsed text; its nodes know where they stand in it. */
typedef struct {
  const char *text, *file; /* borrowed */
  LwDiagnostics *diagnostics;
  LwYamlPool *pool;
  LwYaml *root; /* a map */
} LwEditDocument;

void lw_edit_document_clear(LwEditDocument *document);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwEditDocument, lw_edit_document_clear)

/* FALSE and LW_ERROR_SPEC when it is no map; to be cleared in both cases. */
gboolean lw_edit_parse(LwEditDocument *document, const char *text, const char *file, GError **error);

/* The byte that a place names: lines and columns count from 1, columns in characters. */
gsize lw_edit_offset_of(const char *text, const LwOrigin *origin);
char *lw_edit_splice(const char *text, gsize from, gsize to, const char *put);
/* FALSE and LW_ERROR_SPEC: what the user is to write at that place. */
gboolean lw_edit_by_hand(GError **error, const LwOrigin *origin, const char *what);
/* Where a scalar that stands on one line begins and ends, quotes included; FALSE when it has escapes. */
gboolean lw_edit_extent_of(const LwEditDocument *document, const LwYaml *scalar, gsize *from, gsize *to);
/* Behind the last line of a block's entry, whose key stands in its origin's column. */
gsize lw_edit_end_of_entry(const char *text, const LwYaml *key);
/* A line of its own at a line's beginning; the text before may lack its newline. */
char *lw_edit_add_line(const char *text, gsize at, guint indent, const char *entry);
/* The mapping that says where a machine's card (from 0) is; NULL when there is none. Borrowed. */
const LwYaml *lw_edit_card(const LwYaml *machine, guint nic);
