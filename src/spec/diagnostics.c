#include "spec/diagnostics.h"

#include <stdarg.h>
#include <string.h>

/* A file that is wrong all over: what comes after this many complaints helps nobody. */
#define MOST_DIAGNOSTICS 2000
/* Looking for the nearest name costs time: not for ever when a file is noise. */
#define MOST_SUGGESTIONS 200

void lw_diagnostic_free(LwDiagnostic *diagnostic) {
  if (!diagnostic)
    return;
  g_free(diagnostic->message);
  g_free(diagnostic->suggestion);
  g_free(diagnostic->line_text);
  g_free(diagnostic);
}

LwDiagnostics *lw_diagnostics_new(void) {
  LwDiagnostics *diagnostics = g_new0(LwDiagnostics, 1);
  diagnostics->list = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  diagnostics->texts =
      g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
  diagnostics->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return diagnostics;
}

void lw_diagnostics_free(LwDiagnostics *diagnostics) {
  if (!diagnostics)
    return;
  g_ptr_array_unref(diagnostics->list);
  g_hash_table_unref(diagnostics->texts);
  g_hash_table_unref(diagnostics->seen);
  g_free(diagnostics);
}

void lw_diagnostics_text(LwDiagnostics *diagnostics, const char *file, const char *text, gsize length) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
  const char *p = text, *end = text + length;
  while (p < end) {
    const char *newline = memchr(p, '\n', (gsize)(end - p));
    const char *stop = newline ? newline : end;
    gsize size = (gsize)(stop - p);
    if (size && p[size - 1] == '\r')
      size--;
    g_ptr_array_add(lines, g_utf8_make_valid(p, (gssize)size));
    p = newline ? newline + 1 : end;
  }
  g_hash_table_replace(diagnostics->texts, (gpointer)g_intern_string(file), lines);
}

static char *quoted_line(LwDiagnostics *diagnostics, const LwOrigin *origin) {
  GPtrArray *lines = origin->file ? g_hash_table_lookup(diagnostics->texts, origin->file) : NULL;
  if (!lines || origin->line == 0 || origin->line > lines->len)
    return NULL;
  const char *line = lines->pdata[origin->line - 1];
  /* A line may be the whole file (one flow mapping); a caret under column 9,000 says nothing. */
  return strlen(line) > 300 ? NULL : g_strdup(line);
}

/* One line of valid UTF-8, whatever of the file was quoted in it. Takes the message over. */
static char *one_line(char *message) {
  char *valid = g_utf8_make_valid(message, -1);
  g_free(message);
  for (char *p = valid; *p; p++)
    if (g_ascii_iscntrl(*p))
      *p = ' ';
  if (g_utf8_strlen(valid, -1) <= 400)
    return valid;
  g_autofree char *head = g_utf8_substring(valid, 0, 399);
  g_free(valid);
  return g_strconcat(head, "…", NULL);
}

static void add(LwDiagnostics *diagnostics, gboolean is_error, LwOrigin origin, char *suggestion,
                char *message) {
  if (is_error)
    diagnostics->errors++;
  message = one_line(message);
  g_autofree char *place = lw_origin_format(&origin);
  if (diagnostics->full || !g_hash_table_add(diagnostics->seen, g_strconcat(place, " ", message, NULL))) {
    g_free(suggestion);
    g_free(message);
    return;
  }
  if (diagnostics->list->len + 1 >= MOST_DIAGNOSTICS) {
    diagnostics->full = TRUE;
    g_clear_pointer(&suggestion, g_free);
    g_free(message);
    message = g_strdup("too many complaints: the rest is left out");
  }
  LwDiagnostic *made = g_new0(LwDiagnostic, 1);
  made->is_error = is_error;
  made->origin = origin;
  made->message = message;
  made->suggestion = suggestion;
  made->line_text = quoted_line(diagnostics, &origin);
  g_ptr_array_add(diagnostics->list, made);
}

void lw_spec_error(LwDiagnostics *diagnostics, LwOrigin origin, const char *format, ...) {
  va_list args;
  va_start(args, format);
  add(diagnostics, TRUE, origin, NULL, g_strdup_vprintf(format, args));
  va_end(args);
}

void lw_spec_warning(LwDiagnostics *diagnostics, LwOrigin origin, const char *format, ...) {
  va_list args;
  va_start(args, format);
  add(diagnostics, FALSE, origin, NULL, g_strdup_vprintf(format, args));
  va_end(args);
}

void lw_spec_error_suggest(LwDiagnostics *diagnostics, LwOrigin origin, char *suggestion, const char *format,
                           ...) {
  va_list args;
  va_start(args, format);
  add(diagnostics, TRUE, origin, suggestion, g_strdup_vprintf(format, args));
  va_end(args);
}

static int compare(gconstpointer a, gconstpointer b) {
  const LwDiagnostic *x = *(LwDiagnostic *const *)a, *y = *(LwDiagnostic *const *)b;
  int files = g_strcmp0(x->origin.file, y->origin.file);
  if (files)
    return files;
  if (x->origin.line != y->origin.line)
    return x->origin.line < y->origin.line ? -1 : 1;
  return x->origin.column < y->origin.column ? -1 : x->origin.column > y->origin.column;
}

void lw_diagnostics_move(LwDiagnostics *diagnostics, GPtrArray *list) {
  g_ptr_array_sort(diagnostics->list, compare);
  while (diagnostics->list->len)
    g_ptr_array_add(list, g_ptr_array_steal_index(diagnostics->list, 0));
}

guint lw_spec_distance(const char *a, const char *b, guint limit) {
  gsize m = strlen(a), n = strlen(b);
  if ((m > n ? m - n : n - m) > limit || n > 255 || m > 255)
    return limit + 1;
  guint rows[3][257];
  guint *before = rows[0], *last = rows[1], *row = rows[2];
  for (gsize j = 0; j <= n; j++)
    last[j] = (guint)j;
  for (gsize i = 1; i <= m; i++) {
    row[0] = (guint)i;
    for (gsize j = 1; j <= n; j++) {
      guint best = last[j - 1] + (a[i - 1] != b[j - 1]);
      best = MIN(best, last[j] + 1);
      best = MIN(best, row[j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = MIN(best, before[j - 2] + 1);
      row[j] = best;
    }
    guint *oldest = before;
    before = last;
    last = row;
    row = oldest;
  }
  return MIN(last[n], limit + 1);
}

char *lw_spec_suggest(const LwDiagnostics *diagnostics, const char *word, const GPtrArray *candidates) {
  if (diagnostics->list->len > MOST_SUGGESTIONS)
    return NULL;
  gsize length = strlen(word);
  guint best = length <= 2 ? 2 : length <= 4 ? 2 : 3; /* one more than the edits forgiven */
  const char *near = NULL;
  for (guint i = 0; i < candidates->len; i++) {
    const char *candidate = candidates->pdata[i];
    guint distance = lw_spec_distance(word, candidate, best - 1);
    if (distance < best && distance < strlen(candidate)) {
      best = distance;
      near = candidate;
    }
    if (best == 0)
      break;
  }
  /* A word cut short is near too: “seg”, or “no” for “none”. */
  for (guint i = 0; !near && length >= 2 && i < candidates->len; i++)
    if (g_str_has_prefix(candidates->pdata[i], word))
      near = candidates->pdata[i];
  return near ? g_strdup_printf("did you mean “%s”?", near) : NULL;
}

/* A caret under the column: a tab stays a tab, so that it lands under the right character. */
static void append_caret(GString *out, const LwDiagnostic *diagnostic, gboolean colour) {
  g_string_append_printf(out, "  %s\n  ", diagnostic->line_text);
  const char *p = diagnostic->line_text;
  for (guint column = 1; column < diagnostic->origin.column; column++) {
    g_string_append_c(out, *p == '\t' ? '\t' : ' ');
    if (*p)
      p = g_utf8_next_char(p);
  }
  g_string_append(out, colour ? "\033[1;32m^\033[0m\n" : "^\n");
}

char *lw_diagnostic_format(const LwDiagnostic *diagnostic, gboolean colour) {
  GString *out = g_string_new(NULL);
  g_autofree char *place =
      diagnostic->origin.file ? lw_origin_format(&diagnostic->origin) : g_strdup("lanward");
  const char *kind = diagnostic->is_error ? "error" : "warning";
  if (colour)
    g_string_append_printf(out, "\033[1m%s:\033[0m \033[1;%dm%s:\033[0m %s\n", place,
                           diagnostic->is_error ? 31 : 35, kind, diagnostic->message);
  else
    g_string_append_printf(out, "%s: %s: %s\n", place, kind, diagnostic->message);
  if (diagnostic->line_text)
    append_caret(out, diagnostic, colour);
  if (diagnostic->suggestion)
    g_string_append_printf(out, "  %s\n", diagnostic->suggestion);
  return g_string_free(out, FALSE);
}
