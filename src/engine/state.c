#include "engine/state.h"

#include "base/error.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#define STATE_VERSION 1

struct LwState {
  sqlite3 *db;
};

static gboolean fail(LwState *state, const char *doing, GError **error) {
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "state file: cannot %s: %s", doing,
              sqlite3_errmsg(state->db));
  return FALSE;
}

static gboolean run(LwState *state, const char *sql, const char *doing, GError **error) {
  return sqlite3_exec(state->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(state, doing, error);
}

static sqlite3_stmt *prepare(LwState *state, const char *sql, GError **error) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(state->db, sql, -1, &statement, NULL) != SQLITE_OK)
    fail(state, "read it", error);
  return statement;
}

static gboolean check_version(LwState *state, gboolean read_only, GError **error) {
  sqlite3_stmt *statement = prepare(state, "PRAGMA user_version", error);
  if (!statement)
    return FALSE;
  int version = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (version > STATE_VERSION) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "the state file was written by a newer lanward (version %d, this one knows %d): upgrade",
                version, STATE_VERSION);
    return FALSE;
  }
  if (version == STATE_VERSION || read_only)
    return TRUE;
  return run(
      state,
      "CREATE TABLE IF NOT EXISTS kept(name TEXT PRIMARY KEY, text TEXT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS journal(seq INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL,"
      " undo BLOB NOT NULL);"
      "PRAGMA user_version=1;",
      "make it", error);
}

LwState *lw_state_open(const char *path, gboolean read_only, GError **error) {
  g_autoptr(LwState) state = g_new0(LwState, 1);
  /* sqlite would make it readable for all; its rollback journal takes the mode of the file */
  int fd = read_only ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0)
    close(fd);
  int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(path, &state->db, flags, NULL) != SQLITE_OK) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "cannot open the state file %s: %s", path,
                sqlite3_errmsg(state->db));
    return NULL;
  }
  sqlite3_busy_timeout(state->db, 5000);
  /* EXTRA: the folder is synced after the rollback journal was removed, too. With FULL a power cut could
     bring that file back, and with it a state from before an undo that its step relied on. */
  if (!read_only && !run(state, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;", "set it up", error))
    return NULL;
  if (!check_version(state, read_only, error))
    return NULL;
  return g_steal_pointer(&state);
}

void lw_state_close(LwState *state) {
  if (!state)
    return;
  sqlite3_close(state->db);
  g_free(state);
}

char *lw_state_get(LwState *state, const char *name, GError **error) {
  sqlite3_stmt *statement = prepare(state, "SELECT text FROM kept WHERE name=?", error);
  if (!statement)
    return NULL;
  sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
  char *text = NULL;
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW)
    text = g_strdup((const char *)sqlite3_column_text(statement, 0));
  else if (rc != SQLITE_DONE)
    fail(state, "read it", error);
  sqlite3_finalize(statement);
  return text;
}

GPtrArray *lw_state_names(LwState *state, const char *prefix, GError **error) {
  sqlite3_stmt *statement = prepare(state, "SELECT name FROM kept ORDER BY name", error);
  if (!statement)
    return NULL;
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  int rc;
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    if (g_str_has_prefix(name, prefix))
      g_ptr_array_add(names, g_strdup(name));
  }
  sqlite3_finalize(statement);
  if (rc != SQLITE_DONE) {
    fail(state, "read it", error);
    return NULL;
  }
  return g_steal_pointer(&names);
}

gboolean lw_state_set(LwState *state, const char *name, const char *text, GError **error) {
  sqlite3_stmt *statement = prepare(
      state, text ? "INSERT OR REPLACE INTO kept(name, text) VALUES(?, ?)" : "DELETE FROM kept WHERE name=?",
      error);
  if (!statement)
    return FALSE;
  sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
  if (text)
    sqlite3_bind_text(statement, 2, text, -1, SQLITE_TRANSIENT);
  int rc = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return rc == SQLITE_DONE || fail(state, "write it", error);
}

void lw_journal_entry_free(gpointer data) {
  LwJournalEntry *entry = data;
  g_free(entry->provider);
  g_bytes_unref(entry->undo);
  g_free(entry);
}

gboolean lw_state_journal_append(LwState *state, const char *provider, GBytes *undo, GError **error) {
  sqlite3_stmt *statement = prepare(state, "INSERT INTO journal(provider, undo) VALUES(?, ?)", error);
  if (!statement)
    return FALSE;
  gsize size;
  gconstpointer data = g_bytes_get_data(undo, &size);
  sqlite3_bind_text(statement, 1, provider, -1, SQLITE_TRANSIENT);
  sqlite3_bind_blob64(statement, 2, data ? data : "", size, SQLITE_TRANSIENT);
  int rc = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return rc == SQLITE_DONE || fail(state, "write the journal", error);
}

GPtrArray *lw_state_journal_read(LwState *state, GError **error) {
  sqlite3_stmt *statement = prepare(state, "SELECT provider, undo FROM journal ORDER BY seq", error);
  if (!statement)
    return NULL;
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(lw_journal_entry_free);
  int rc;
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    LwJournalEntry *entry = g_new0(LwJournalEntry, 1);
    entry->provider = g_strdup((const char *)sqlite3_column_text(statement, 0));
    entry->undo = g_bytes_new(sqlite3_column_blob(statement, 1), (gsize)sqlite3_column_bytes(statement, 1));
    g_ptr_array_add(entries, entry);
  }
  sqlite3_finalize(statement);
  if (rc != SQLITE_DONE) {
    fail(state, "read the journal", error);
    return NULL;
  }
  return g_steal_pointer(&entries);
}

gboolean lw_state_finish(LwState *state, const GPtrArray *names, const GPtrArray *texts, GError **error) {
  if (!run(state, "BEGIN IMMEDIATE", "write it", error))
    return FALSE;
  gboolean ok = TRUE;
  for (guint i = 0; ok && i < names->len; i++)
    ok = lw_state_set(state, names->pdata[i], texts->pdata[i], error);
  if (ok && run(state, "DELETE FROM journal", "close the journal", error) &&
      run(state, "COMMIT", "write it", error))
    return TRUE;
  (void)run(state, "ROLLBACK", "take the write back", NULL);
  return FALSE;
}
