#include "spec/edit.h"

#include "base/error.h"
#include "spec/internal.h"

#include <string.h>

/* A parsed text; its nodes know where they stand in it. */
typedef struct {
  const char *text, *file;
  LwDiagnostics *diagnostics;
  LwYamlPool *pool;
  LwYaml *root;
} Document;

static void document_clear(Document *document) {
  g_clear_pointer(&document->diagnostics, lw_diagnostics_free);
  g_clear_pointer(&document->pool, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Document, document_clear)

static gboolean document_parse(Document *document, const char *text, const char *file, GError **error) {
  *document = (Document){text, file, lw_diagnostics_new(), lw_yaml_pool_new(), NULL};
  document->root = lw_yaml_parse(document->pool, document->diagnostics, text, strlen(text), file);
  if (document->root && document->root->kind == LW_YAML_MAP && !document->diagnostics->errors)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s cannot be read: lanward check %s says why", file, file);
  return FALSE;
}

/* The byte that a place names: lines and columns count from 1, columns in characters. */
static gsize offset_of(const char *text, const LwOrigin *origin) {
  const char *at = g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text;
  for (guint line = 1; line < origin->line && at; line++) {
    at = strchr(at, '\n');
    at = at ? at + 1 : NULL;
  }
  for (guint column = 1; at && column < origin->column && *at; column++)
    at = g_utf8_next_char(at);
  return at ? (gsize)(at - text) : strlen(text);
}

static char *splice(const char *text, gsize from, gsize to, const char *put) {
  GString *out = g_string_new_len(text, (gssize)from);
  g_string_append(out, put);
  g_string_append(out, text + to);
  return g_string_free(out, FALSE);
}

static gboolean by_hand(GError **error, const LwOrigin *origin, const char *what) {
  g_autofree char *place = lw_origin_format(origin);
  g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s: this is left to you: %s", place, what);
  return FALSE;
}

/* Where a scalar that stands on one line begins and ends, quotes included. */
static gboolean extent_of(const Document *document, const LwYaml *scalar, gsize *from, gsize *to) {
  const char *start = document->text + offset_of(document->text, &scalar->origin);
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

static LwYaml *find_segment_value(const LwYaml *machine, guint nic) {
  const LwYaml *nics = lw_yaml_get(machine, "nics");
  const LwYaml *card = !nics                       ? (nic == 0 ? machine : NULL)
                       : nics->kind == LW_YAML_MAP ? (nic == 0 ? nics : NULL)
                       : nics->kind == LW_YAML_LIST
                           ? (nic < nics->items->len ? nics->items->pdata[nic] : NULL)
                           : NULL;
  LwYaml *value = card && card->kind == LW_YAML_MAP ? lw_yaml_get(card, "segment") : NULL;
  return value && value->kind == LW_YAML_SCALAR ? value : NULL;
}

char *lw_spec_edit_place(const char *text, const char *file, const char *machine, guint nic,
                         const char *segment, GError **error) {
  g_auto(Document) document = {0};
  if (!document_parse(&document, text, file, error))
    return NULL;
  const LwYaml *machines = lw_yaml_get(document.root, "machines");
  const LwYaml *entry = machines && machines->kind == LW_YAML_MAP ? lw_yaml_get(machines, machine) : NULL;
  if (!entry) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s has no machine “%s” (any more)", file, machine);
    return NULL;
  }
  const LwYaml *value = entry->kind == LW_YAML_MAP ? find_segment_value(entry, nic) : NULL;
  g_autofree char *word = lw_spec_quoted(segment);
  g_autofree char *what = g_strdup_printf("say “segment: %s” for %s there", word, machine);
  gsize from, to;
  if (!value || !extent_of(&document, value, &from, &to)) {
    by_hand(error, value ? &value->origin : &entry->origin, what);
    return NULL;
  }
  return splice(text, from, to, word);
}

/* --- a machine more
 * -----------------------------------------------------------------------------------------------------------
 */

static void put(GString *out, const char *key, const char *value) {
  g_autofree char *word = lw_spec_quoted(value);
  g_string_append_printf(out, "%s%s: %s", out->str[out->len - 1] == '{' ? "" : ", ", key, word);
}

static void put_card(GString *out, const LwLab *lab, const LwNic *nic) {
  put(out, "segment", lw_lab_segment(lab, nic->segment)->name);
  if (!lw_addr_is_set(&nic->address))
    return;
  g_autofree char *address = lw_addr_format(&nic->address);
  put(out, "address", address);
}

/* "NAME: {vm: OBJECT, segment: lan10}" */
static char *entry_of(const LwLab *lab, const LwMachine *machine) {
  g_autofree char *name = lw_spec_quoted(machine->name);
  g_autoptr(GString) out = g_string_new(NULL);
  g_string_printf(out, "%s: {", name);
  if (machine->kind == LW_MACHINE_CONTAINER)
    put(out, "container", machine->object);
  else if (g_strcmp0(machine->object, machine->name) != 0)
    put(out, "vm", machine->object);
  if (machine->nics->len == 1) {
    put_card(out, lab, lw_machine_nic(machine, 0));
  } else {
    g_string_append_printf(out, "%snics: [", out->str[out->len - 1] == '{' ? "" : ", ");
    for (guint i = 0; i < machine->nics->len; i++) {
      g_string_append(out, i ? ", {" : "{");
      put_card(out, lab, lw_machine_nic(machine, i));
      g_string_append_c(out, '}');
    }
    g_string_append_c(out, ']');
  }
  g_string_append_c(out, '}');
  return g_string_free(g_steal_pointer(&out), FALSE);
}

static gboolean is_indented_more(const char *line, guint column) {
  gsize spaces = strspn(line, " ");
  return spaces >= column && line[spaces] && line[spaces] != '\n' && line[spaces] != '#';
}

/* Behind the last line of a block's last entry, whose key stands in that column (from 1). */
static gsize end_of_entry(const char *text, const LwYaml *key) {
  LwOrigin start = {key->origin.file, key->origin.line, 1};
  gsize at = offset_of(text, &start), end = at;
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

/* A line of its own at a line's beginning; the text before may lack its newline. */
static char *add_line(const char *text, gsize at, guint indent, const char *entry) {
  gboolean open = at > 0 && text[at - 1] != '\n';
  g_autofree char *line = g_strdup_printf("%s%*s%s\n", open ? "\n" : "", (int)indent, "", entry);
  return splice(text, at, at, line);
}

static char *add_section(const Document *document, const char *entry, GError **error) {
  const char *text = document->text;
  if (document->root->keys->len && text[offset_of(text, &document->root->origin)] == '{') {
    g_autofree char *what = g_strdup_printf("say “machines: {%s}” there", entry);
    by_hand(error, &document->root->origin, what);
    return NULL;
  }
  gsize end = strlen(text);
  g_autofree char *section =
      g_strdup_printf("%s\nmachines:\n  %s\n", end && text[end - 1] != '\n' ? "\n" : "", entry);
  return splice(text, end, end, section);
}

static char *add_to_section(const Document *document, guint index, const char *entry, GError **error) {
  const char *text = document->text;
  const LwYaml *key = document->root->keys->pdata[index], *value = document->root->items->pdata[index];
  gsize at = offset_of(text, &value->origin);
  if (value->kind == LW_YAML_MAP && text[at] == '{') {
    g_autofree char *put_in = g_strdup_printf("%s%s", entry, value->keys->len ? ", " : "");
    return splice(text, at + 1, at + 1, put_in);
  }
  if (value->kind == LW_YAML_MAP && value->keys->len) {
    const LwYaml *last = value->keys->pdata[value->keys->len - 1];
    return add_line(text, end_of_entry(text, last), last->origin.column - 1, entry);
  }
  if (value->kind == LW_YAML_SCALAR && !*value->text && value->plain) {
    LwOrigin next = {key->origin.file, key->origin.line + 1, 1};
    return add_line(text, offset_of(text, &next), key->origin.column + 1, entry);
  }
  g_autofree char *what = g_strdup_printf("say “%s” under “machines:” there", entry);
  by_hand(error, &key->origin, what);
  return NULL;
}

/* Whether the new text has the machine where it belongs, and nothing else became of it. */
static gboolean has_machine(const char *text, const char *file, const char *name, guint before) {
  g_auto(Document) document = {0};
  if (!document_parse(&document, text, file, NULL))
    return FALSE;
  const LwYaml *machines = lw_yaml_get(document.root, "machines");
  return machines && machines->kind == LW_YAML_MAP && machines->keys->len == before + 1 &&
         lw_yaml_get(machines, name);
}

char *lw_spec_edit_add_machine(const char *text, const char *file, const LwLab *lab, const LwMachine *machine,
                               GError **error) {
  g_auto(Document) document = {0};
  if (!document_parse(&document, text, file, error))
    return NULL;
  g_autofree char *entry = entry_of(lab, machine);
  guint index = 0, before = 0;
  while (index < document.root->keys->len &&
         strcmp(((LwYaml *)document.root->keys->pdata[index])->text, "machines") != 0)
    index++;
  const LwYaml *have = index < document.root->keys->len ? document.root->items->pdata[index] : NULL;
  if (have && have->kind == LW_YAML_MAP)
    before = have->keys->len;
  g_autofree char *out =
      have ? add_to_section(&document, index, entry, error) : add_section(&document, entry, error);
  if (out && !has_machine(out, file, machine->name, before)) {
    g_autofree char *what = g_strdup_printf("say “%s” under “machines:” there", entry);
    by_hand(error, have ? &have->origin : &document.root->origin, what);
    return NULL;
  }
  return g_steal_pointer(&out);
}

/* --- an allow: line more
 * ----------------------------------------------------------------------------------------------------------
 */

/* "KEY: [ITEM]", or "[ITEM]" in a list that is begun. */
static char *put_in_map(const Document *document, const LwYaml *map, const char *entry) {
  gsize at = offset_of(document->text, &map->origin);
  if (document->text[at] == '{') {
    const LwYaml *last = map->items->len ? map->items->pdata[map->items->len - 1] : NULL;
    g_autofree char *first = g_strdup_printf("%s%s", entry, last ? ", " : "");
    return splice(document->text, at + 1, at + 1, first);
  }
  const LwYaml *last = map->keys->len ? map->keys->pdata[map->keys->len - 1] : NULL;
  return last ? add_line(document->text, end_of_entry(document->text, last), last->origin.column - 1, entry)
              : NULL;
}

/* One item more in a value that is an item, a list on one line or one item a line. NULL: written in a way
 * that this does not know. */
static char *put_in_items(const Document *document, const LwYaml *value, const char *item) {
  const char *text = document->text;
  gsize at = offset_of(text, &value->origin), from, to;
  if (value->kind == LW_YAML_SCALAR) {
    if (!extent_of(document, value, &from, &to))
      return NULL;
    g_autofree char *before = g_strndup(text + from, to - from);
    g_autofree char *list = g_strdup_printf("[%s, %s]", before, item);
    return splice(text, from, to, list);
  }
  if (value->kind != LW_YAML_LIST)
    return NULL;
  const LwYaml *last = value->items->len ? value->items->pdata[value->items->len - 1] : NULL;
  if (text[at] == '[' && !last)
    return splice(text, at + 1, at + 1, item);
  if (!last || last->kind != LW_YAML_SCALAR || !extent_of(document, last, &from, &to))
    return NULL;
  g_autofree char *more = g_strconcat(", ", item, NULL);
  if (text[at] == '[')
    return splice(text, to, to, more);
  LwOrigin start = {last->origin.file, last->origin.line, 1};
  gsize line = offset_of(text, &start), dash = line + strspn(text + line, " ");
  LwOrigin next = {last->origin.file, last->origin.line + 1, 1};
  g_autofree char *entry = g_strconcat("- ", item, NULL);
  return text[dash] == '-' ? add_line(text, offset_of(text, &next), (guint)(dash - line), entry) : NULL;
}

static char *allow_in_segment(const Document *document, const LwYaml *segment, gboolean by_host,
                              const char *item) {
  const LwYaml *host = by_host ? lw_yaml_get(segment, "host") : NULL;
  const LwYaml *owner = by_host ? host : segment;
  const LwYaml *value = owner && owner->kind == LW_YAML_MAP ? lw_yaml_get(owner, "allow") : NULL;
  if (value)
    return put_in_items(document, value, item);
  g_autofree char *entry = g_strdup_printf(by_host && !host ? "host: {allow: [%s]}" : "allow: [%s]", item);
  const LwYaml *into = by_host && host ? host : segment;
  return into->kind == LW_YAML_MAP ? put_in_map(document, into, entry) : NULL;
}

/* The segment's entry; NULL and error when there is none. */
static const LwYaml *find_segment(const Document *document, const char *segment, GError **error) {
  const LwYaml *segments = lw_yaml_get(document->root, "segments");
  const LwYaml *entry = segments && segments->kind == LW_YAML_MAP ? lw_yaml_get(segments, segment) : NULL;
  if (!entry)
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s has no segment “%s” (any more)", document->file,
                segment);
  return entry;
}

char *lw_spec_edit_allow(const char *text, const char *file, const char *segment, gboolean by_host,
                         const char *allow, GError **error) {
  g_auto(Document) document = {0};
  const LwYaml *entry =
      document_parse(&document, text, file, error) ? find_segment(&document, segment, error) : NULL;
  if (!entry)
    return NULL;
  g_autofree char *item = lw_spec_quoted(allow);
  char *out = entry->kind == LW_YAML_MAP ? allow_in_segment(&document, entry, by_host, item) : NULL;
  if (!out) {
    g_autofree char *what =
        g_strdup_printf("add “%s” to %s of %s", item, by_host ? "“host: {allow: …}”" : "“allow:”", segment);
    by_hand(error, &entry->origin, what);
  }
  return out;
}

/* An item and the comma that it leaves behind, or its whole line. NULL: written in a way that this does not
 * know. */
static char *drop_item(const Document *document, const LwYaml *list, guint index) {
  const char *text = document->text;
  gsize from, to;
  if (!extent_of(document, list->items->pdata[index], &from, &to))
    return NULL;
  if (text[offset_of(text, &list->origin)] == '[') {
    to += strspn(text + to, " ");
    if (text[to] == ',')
      to += 1 + strspn(text + to + 1, " ");
    else
      while (index > 0 && from > 0 && strchr(" ,", text[from - 1]))
        from--;
    return splice(text, from, to, "");
  }
  if (list->items->len == 1)
    return NULL; /* its key would be left with nothing */
  while (from > 0 && text[from - 1] != '\n')
    from--;
  to += strcspn(text + to, "\n");
  return splice(text, from, text[to] ? to + 1 : to, "");
}

char *lw_spec_edit_drop_allow(const char *text, const char *file, const char *segment, gboolean by_host,
                              const LwOrigin *allow, GError **error) {
  g_auto(Document) document = {0};
  const LwYaml *entry =
      document_parse(&document, text, file, error) ? find_segment(&document, segment, error) : NULL;
  if (!entry)
    return NULL;
  const LwYaml *owner = entry->kind == LW_YAML_MAP && by_host ? lw_yaml_get(entry, "host") : entry;
  const LwYaml *list = owner && owner->kind == LW_YAML_MAP ? lw_yaml_get(owner, "allow") : NULL;
  for (guint i = 0; list && list->kind == LW_YAML_LIST && i < list->items->len; i++) {
    const LwYaml *item = list->items->pdata[i];
    if (item->kind != LW_YAML_SCALAR || item->origin.line != allow->line ||
        item->origin.column != allow->column)
      continue;
    char *out = drop_item(&document, list, i);
    if (out)
      return out;
  }
  by_hand(error, allow, "take that line out");
  return NULL;
}
