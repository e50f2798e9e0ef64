/* The lab's YAML file: text -> model with places of errors, and model -> text.
 *
 * Errors are collected, not only the first: each with file:line:column, the line and a caret, a reason,
 * and a suggestion where one is near. Nothing here prints.
 */
#pragma once

#include "base/secret.h"
#include "model/model.h"

typedef struct {
  gboolean is_error; /* else a warning */
  LwOrigin origin;
  char *message;    /* one line: what is wrong, then what to do */
  char *suggestion; /* nullable: "did you mean “segments”?" */
  char *line_text;  /* nullable: the line of the file, for the caret */
} LwDiagnostic;

typedef enum {
  LW_SPEC_TWIN = 1, /* a WireGuard file that is missing, unreadable or without its key is a warning and gets a
                       stand-in; secret files may have loose modes (a warning) */
} LwSpecFlags;

void lw_diagnostic_free(LwDiagnostic *diagnostic);
/* "file:line:column: error: message\n  LINE\n     ^\n  suggestion\n"; colour only when asked. */
char *lw_diagnostic_format(const LwDiagnostic *diagnostic, gboolean colour);

/* Reads the file and its includes. Returns the sealed lab (transfer full), or NULL when any diagnostic is an
 * error. diagnostics: of LwDiagnostic*, filled in any case, sorted by file and place. A file that cannot be
 * read at all is a diagnostic too. Limits: 1 MiB a file, 16 includes, 4096 segments, 16384 machines. */
LwLab *lw_spec_load(const char *path, LwSpecFlags flags, LwSecretStore *store, GPtrArray *diagnostics);
/* The same as if one of the files that it reads (changed: a path) held that text: whether a change would be
 * right. */
LwLab *lw_spec_load_changed(const char *path, const char *changed, const char *text, LwSpecFlags flags,
                            LwSecretStore *store, GPtrArray *diagnostics);
/* The same for text in memory; name is what errors call the file, dir what relative paths start from. */
LwLab *lw_spec_parse(const char *text, gsize length, const char *name, const char *dir, LwSpecFlags flags,
                     LwSecretStore *store, GPtrArray *diagnostics);

/* The lab as a spec file (transfer full): every key that differs from its default, includes merged.
 * lw_spec_parse() of it gives an equal lab. */
char *lw_spec_print(const LwLab *lab);

/* From the key table: docs/spec.md and the JSON Schema (draft 2020-12) for editors. Transfer full. */
char *lw_spec_document(void);
char *lw_spec_schema(void);
