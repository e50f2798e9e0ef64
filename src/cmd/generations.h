/* Generations: the files that were in force, each with all that is needed to return to it.
 *
 * A row of the state each ("generation/NUMBER"): the lab as text, where it came from, and the run-time state
 * that it was left with. WireGuard files are in a store beside it, one file of mode 0600 a content, named by
 * its SHA-256; the text names them by that. A row is written in the same transaction as the change that it
 * stands for; files are written before, and cleared after, when no generation names them any more. */
#pragma once

#include "cmd/session.h"

typedef struct {
  guint number; /* from 1 */
  char *text;   /* the lab, printed; WireGuard files by digest */
  char *path;   /* of the user's file */
  char *why;    /* "apply", "rollback to 3" … */
  char *when;   /* UTC, ISO 8601 */
  char *facts;  /* nullable: run-time state when it was left (lw_facts_to_text) */
} LwGeneration;

void lw_generation_free(LwGeneration *generation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwGeneration, lw_generation_free)

/* 0: nothing was ever applied (or error set). */
guint lw_generation_current(LwEngine *engine, GError **error);
LwGeneration *lw_generation_read(LwEngine *engine, guint number, GError **error);
GPtrArray *lw_generation_list(LwEngine *engine, GError **error); /* of LwGeneration*, the newest first */
/* Its lab. Its secrets go into the store given. Transfer full. */
LwLab *lw_generation_lab(const LwGeneration *generation, LwSecretStore *secrets, GError **error);

/* The lab as a generation's text; dir: what its WireGuard paths start from. Transfer full. */
char *lw_generation_text(LwLab *lab, const char *dir);
/* Makes the session's lab a generation with the end of the next transaction, unless it is the current one
 * already (then *number is that one's). */
gboolean lw_generation_keep(LwSession *session, const char *path, guint *number, GError **error);
/* The same for a generation that is returned to. */
gboolean lw_generation_keep_again(LwEngine *engine, const LwGeneration *generation, const char *why,
                                  guint *number, GError **error);
/* With the end of the next transaction: none is in force any more; their numbers go on. */
void lw_generation_leave(LwEngine *engine);
/* Clears what no generation needs: WireGuard files, and secrets that `wanted` does not use. After a commit.
 */
gboolean lw_generation_clear(LwSession *session, const LwResourceSet *wanted, GError **error);
