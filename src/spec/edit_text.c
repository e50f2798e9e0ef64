#include "spec/edit_text.h"

#include "base/error.h"

#include <string.h>

void lw_edit_document_clear(LwEditDocument *document) {
  g_clear_pointer(&document->diagnostics, lw_diagnostics_free);
  g_clear_pointer(&document->pool, g_ptr_array_unref);
}

gboolean lw_edit_parse(LwEditDocument *document, const char *text, const char *file, GError **error) {
  *document = (LwEditDocument){text, file, lw_diagnostics_new(), lw_yaml_pool_new(), NULL};
  document->root = lw_yaml_parse(document->pool, document->diagnostics, text, strlen(text), file);
  if (document->root && document->root->kind == LW_YAML_MAP && !document->diagnostics->errors)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s cannot be read: lanward check %s says why", file, file);
  return FALSE;
}

gsize lw_edit_offset_of(const char *text, const LwOrigin *origin) {
  const char *at = g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text;
  for (guint line = 1; line < origin->line; line++) {
    at += strcspn(at, "\n");
    if (!*at)
      return (gsize)(at - text);
    at++;
  }
  for (guint column = 1; column < origin->column && *at; column++)
    at = g_utf8_next_char(at);
  return (gsize)(at - text);
}

char *lw_edit_splice(const char *text, gsize from, gsize to, const char *put) {
  GString *out = g_string_new_len(text, (gssize)from);
  g_string_append(out, put);
  g_string_append(out, text + to);
  return g_string_free(out, FALSE);
}

gboolean lw_edit_by_hand(GError **error, const LwOrigin *origin, const char *what) {
  g_autofree char *place = lw_origin_format(origin);
  g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s: this is left to you: %s", place, what);
  return FALSE;
}

gboolean lw_edit_extent_of(const LwEditDocument *document, const LwYaml *scalar, gsize *from, gsize *to) {
  const char *start = document->text + lw_edit_offset_of(document->text, &scalar->origin);
  gsize length = strlen(scalar->text);
  if (!scalar->plain) {
    const char *end = *start == '"' || *start == '\'' ? strchr(start + 1, *start) : NULL;
    if (!end || (gsize)(end - start) != length + 1)
      return FALSE; /* escapes: nobody writes the name of a segment so */
    length += 2;
  } else if (strncmp(start, scalar->text, length) != 0) {
    return FALSE;
  }
  *from = (gsize)(start - document->text);
  *to = *from + length;
  return TRUE;
}

static gboolean is_indented_more(const char *line, guint column) {
  gsize spaces = strspn(line, " ");
  return spaces >= column && line[spaces] && line[spaces] != '\n' && line[spaces] != '#';
}

gsize lw_edit_end_of_entry(const char *text, const LwYaml *key) {
  LwOrigin start = {key->origin.file, key->origin.line, 1};
  gsize at = lw_edit_offset_of(text, &start), end = at;
  for (gboolean first = TRUE; text[at]; first = FALSE) {
    const char *newline = strchr(text + at, '\n');
    gsize next = newline ? (gsize)(newline - text) + 1 : strlen(text);
    gsize spaces = strspn(text + at, " ");
    gboolean blank = text[at + spaces] == '\n' || text[at + spaces] == '\0' || text[at + spaces] == '#';
    if (first || is_indented_more(text + at, key->origin.column))
      end = next;
    else if (!blank)
      break;
    at = next;
  }
  return end;
}

char *lw_edit_add_line(const char *text, gsize at, guint indent, const char *entry) {
  gboolean open = at > 0 && text[at - 1] != '\n';
  g_autofree char *line = g_strdup_printf("%s%*s%s\n", open ? "\n" : "", (int)indent, "", entry);
  return lw_edit_splice(text, at, at, line);
}

const LwYaml *lw_edit_card(const LwYaml *machine, guint nic) {
  const LwYaml *nics = lw_yaml_get(machine, "nics");
  const LwYaml *card = !nics                       ? (nic == 0 ? machine : NULL)
                       : nics->kind == LW_YAML_MAP ? (nic == 0 ? nics : NULL)
                       : nics->kind == LW_YAML_LIST
                           ? (nic < nics->items->len ? nics->items->pdata[nic] : NULL)
                           : NULL;
  return card && card->kind == LW_YAML_MAP ? card : NULL;
}
