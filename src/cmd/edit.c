/* edit: the lab's file in the user's editor, as visudo does it: what is not right is not saved, and what it
 * would change is shown before it does. */
#include "cmd/labfile.h"

#include "base/error.h"
#include "base/files.h"
#include "twin/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIRM_S 60

typedef struct {
  const LwInvocation *invocation;
  char *path;  /* of the file, links followed */
  char *draft; /* beside it, so that what is relative stays right */
  char *before;
  int lock; /* the file, open: one who edits at a time; -1 */
} Edit;

static void edit_clear(Edit *edit) {
  if (edit->lock >= 0)
    close(edit->lock);
  g_free(edit->path);
  g_free(edit->draft);
  g_free(edit->before);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Edit, edit_clear)

/* The letter of an answer: the first one on an empty line, 0 when nobody answers. */
static char ask(const char *question, const char *letters) {
  char line[64];
  for (;;) {
    g_print("%s ", question);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) {
      g_print("\n");
      return 0;
    }
    g_strstrip(line);
    if (!*line)
      return letters[0];
    if (!line[1] && strchr(letters, g_ascii_tolower(*line)))
      return g_ascii_tolower(*line);
  }
}

static gboolean lock_file(Edit *edit, GError **error) {
  edit->lock = open(edit->path, O_RDONLY | O_CLOEXEC);
  if (edit->lock < 0) {
    lw_error_set_errno(error, "cannot open %s", edit->path);
    return FALSE;
  }
  if (flock(edit->lock, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_BUSY, "%s is being edited by somebody else", edit->path);
  return FALSE;
}

/* What an editor that was cut off has left is not thrown away unasked. */
static gboolean begin_draft(const Edit *edit, GError **error) {
  g_autofree char *left = edit->invocation->yes ? NULL : lw_labfile_read(edit->draft, NULL);
  if (left && !g_str_equal(left, edit->before) &&
      ask("An earlier edit was not finished. (c)ontinue with it, or begin a(n)ew?", "cn") != 'n')
    return TRUE;
  return lw_file_write_atomic(edit->draft, edit->before, strlen(edit->before), 0600, error);
}

static gboolean edit_open(Edit *edit, const char *path, GError **error) {
  edit->path = realpath(path, NULL);
  if (!edit->path) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s: %s; lanward init writes a first file", path,
                g_strerror(errno));
    return FALSE;
  }
  g_autofree char *folder = g_path_get_dirname(edit->path), *name = g_path_get_basename(edit->path);
  g_autofree char *draft = g_strconcat(".edit-", name, NULL);
  edit->draft = g_build_filename(folder, draft, NULL);
  if (!lock_file(edit, error))
    return FALSE;
  edit->before = lw_labfile_read(edit->path, error);
  return edit->before && begin_draft(edit, error);
}

/* Runs a program of the user's at their terminal; its exit status, -1 and error when it could not be run. */
static int run_at_terminal(char **argv, GError **error) {
  int status = 0;
  fflush(stdout);
  if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL,
                    NULL, &status, error))
    return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* VISUAL and EDITOR may hold arguments: they are split as a shell would, and no shell sees them. */
static gboolean run_editor(const Edit *edit, GError **error) {
  const char *const names[] = {g_getenv("VISUAL"), g_getenv("EDITOR"), "editor", "vi"};
  const char *chosen = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(names) && !chosen; i++) {
    g_autofree char *found = i < 2 || !names[i] ? NULL : g_find_program_in_path(names[i]);
    chosen = names[i] && *names[i] && (i < 2 || found) ? names[i] : NULL;
  }
  g_auto(GStrv) words = NULL;
  if (!chosen) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is no editor: say one by EDITOR=…");
    return FALSE;
  }
  if (!g_shell_parse_argv(chosen, NULL, &words, error))
    return FALSE;
  g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
  g_strv_builder_addv(argv, (const char **)words);
  g_strv_builder_add(argv, edit->draft);
  g_auto(GStrv) whole = g_strv_builder_end(argv);
  int status = run_at_terminal(whole, error);
  if (status > 0)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s ended with status %d: %s stays as it is", words[0],
                status, edit->path);
  return status == 0;
}

/* A verb of ours, as its user would type it. */
static int run_verb(const Edit *edit, const char *verb, const char *path, const char *confirm,
                    GError **error) {
  g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
  g_strv_builder_add(argv, "/proc/self/exe");
  if (lw_target_is_twin())
    g_strv_builder_add_many(argv, "twin", "--name", edit->invocation->name, NULL);
  g_strv_builder_add_many(argv, verb, path, NULL);
  if (confirm)
    g_strv_builder_add_many(argv, "--confirm", confirm, NULL);
  if (edit->invocation->no_wait && confirm)
    g_strv_builder_add(argv, "--no-wait");
  g_auto(GStrv) whole = g_strv_builder_end(argv);
  return run_at_terminal(whole, error);
}

/* What to do with the draft: 'a' apply it, 's' save it, 'e' edit it again, anything else: leave the file as
 * it was. */
static char decide(const Edit *edit, GError **error) {
  gboolean yes = edit->invocation->yes;
  int status = run_verb(edit, "check", edit->draft, NULL, error);
  if (status < 0)
    return 0;
  if (status != LW_EXIT_OK)
    return yes ? 0 : ask("It is not right. (e)dit it again, or leave all as it was (x)?", "ex");
  status = run_verb(edit, "plan", edit->draft, NULL, error);
  if (yes || status < 0)
    return status == LW_EXIT_OK || status == LW_EXIT_CHANGES ? 'a' : 0;
  if (status == LW_EXIT_CHANGES)
    return ask("(a)pply it, to be confirmed; (s)ave it only; (e)dit it again; or leave all as it was (x)?",
               "easx");
  return ask(
      status == LW_EXIT_OK
          ? "Nothing to apply. (s)ave it, (e)dit it again, or leave all as it was (x)?"
          : "It cannot be planned. (s)ave it all the same, (e)dit it again, or leave all as it was (x)?",
      "esx");
}

static int apply(const Edit *edit, GError **error) {
  guint seconds = edit->invocation->confirm_seconds ? edit->invocation->confirm_seconds : CONFIRM_S;
  g_autofree char *confirm = g_strdup_printf("%us", seconds);
  gboolean first = lw_target_is_twin() && lw_twin_find(edit->invocation->name, NULL) == 0;
  return run_verb(edit, "apply", edit->path, first ? NULL : confirm, error);
}

static int finish(const Edit *edit, char decision, const char *text) {
  g_autoptr(GError) error = NULL;
  if (decision != 'a' && decision != 's') {
    unlink(edit->draft);
    g_print("%s: as it was\n", edit->path);
    return edit->invocation->yes ? LW_EXIT_ERROR : LW_EXIT_OK;
  }
  if (!lw_labfile_write(edit->path, text, &error))
    return lw_fail(error); /* the draft stays */
  unlink(edit->draft);
  g_print("%s: saved\n", edit->path);
  int status = decision == 'a' ? apply(edit, &error) : LW_EXIT_OK;
  return status < 0 ? lw_fail(error) : status;
}

int lw_edit_main(const LwInvocation *invocation) {
  const char *path = invocation->args->pdata[0];
  g_auto(Edit) edit = {.invocation = invocation, .lock = -1};
  g_autoptr(GError) error = NULL;
  if (!edit_open(&edit, path ? path : invocation->file ? invocation->file : LW_DEFAULT_FILE, &error))
    return lw_fail(error);
  for (;;) {
    g_autofree char *text = run_editor(&edit, &error) ? lw_labfile_read(edit.draft, &error) : NULL;
    if (text && g_str_equal(text, edit.before)) {
      unlink(edit.draft);
      g_print("%s: nothing was changed\n", edit.path);
      return LW_EXIT_OK;
    }
    char decision = text ? decide(&edit, &error) : 0;
    if (error)
      return lw_fail(error);
    if (decision != 'e')
      return finish(&edit, decision, text);
  }
}
