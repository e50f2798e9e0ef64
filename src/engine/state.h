/* The state file: sqlite; private to src/engine. Every write is durable when the function returns. */
#pragma once

#include <glib.h>

typedef struct LwState LwState;

LwState *lw_state_open(const char *path, gboolean read_only, GError **error);
void lw_state_close(LwState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwState, lw_state_close)

char *lw_state_get(LwState *state, const char *name, GError **error);
/* text NULL: forgets the name. */
gboolean lw_state_set(LwState *state, const char *name, const char *text, GError **error);
/* The names that begin with prefix (transfer full), in order; NULL and error. */
GPtrArray *lw_state_names(LwState *state, const char *prefix, GError **error);

/* The journal of the transaction under way. */
typedef struct {
  char *provider;
  GBytes *undo;
} LwJournalEntry;

void lw_journal_entry_free(gpointer entry);
gboolean lw_state_journal_append(LwState *state, const char *provider, GBytes *undo, GError **error);
/* Of LwJournalEntry*, oldest first; empty: no transaction under way. */
GPtrArray *lw_state_journal_read(LwState *state, GError **error);
/* Ends the transaction: names := texts (of char*, NULL: forget the name) and the journal emptied, together or
 * not at all. */
gboolean lw_state_finish(LwState *state, const GPtrArray *names, const GPtrArray *texts, GError **error);
