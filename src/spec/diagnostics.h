/* Diagnostics while they are being collected, and the texts that their lines are quoted from. */
#pragma once

#include "spec/spec.h"

typedef struct {
  GPtrArray *list;   /* of LwDiagnostic* */
  GHashTable *texts; /* interned file name -> GPtrArray of its lines */
  GHashTable *seen;  /* what was said where: a default that is wrong is wrong once, not once a segment */
  guint errors;
  gboolean full;
} LwDiagnostics;

LwDiagnostics *lw_diagnostics_new(void);
/* Appends all, sorted, to list. */
void lw_diagnostics_move(LwDiagnostics *diagnostics, GPtrArray *list);
void lw_diagnostics_free(LwDiagnostics *diagnostics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwDiagnostics, lw_diagnostics_free)

/* The text of a file, for the lines under its diagnostics. Never for files that hold secrets. */
void lw_diagnostics_text(LwDiagnostics *diagnostics, const char *file, const char *text, gsize length);

void lw_spec_error(LwDiagnostics *diagnostics, LwOrigin origin, const char *format, ...) G_GNUC_PRINTF(3, 4);
void lw_spec_warning(LwDiagnostics *diagnostics, LwOrigin origin, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* suggestion: transfer full, nullable. */
void lw_spec_error_suggest(LwDiagnostics *diagnostics, LwOrigin origin, char *suggestion, const char *format,
                           ...) G_GNUC_PRINTF(4, 5);

/* "did you mean “near”?" for the nearest of the candidates (of const char*), NULL when none is near.
 * Transfer full. */
char *lw_spec_suggest(const LwDiagnostics *diagnostics, const char *word, const GPtrArray *candidates);
/* Edits (insert, delete, replace, swap of neighbours) from a to b, at most limit + 1. */
guint lw_spec_distance(const char *a, const char *b, guint limit);
