#include "spec/edit.h"

#include "base/error.h"
#include "spec/edit_text.h"
#include "spec/internal.h"

#include <string.h>

static LwYaml *find_segment_value(const LwYaml *machine, guint nic) {
  const LwYaml *card = lw_edit_card(machine, nic);
  LwYaml *value = card ? lw_yaml_get(card, "segment") : NULL;
  return value && value->kind == LW_YAML_SCALAR ? value : NULL;
}

char *lw_spec_edit_place(const char *text, const char *file, const char *machine, guint nic,
                         const char *segment, GError **error) {
  g_auto(LwEditDocument) document = {0};
  if (!lw_edit_parse(&document, text, file, error))
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
  if (!value || !lw_edit_extent_of(&document, value, &from, &to)) {
    lw_edit_by_hand(error, value ? &value->origin : &entry->origin, what);
    return NULL;
  }
  return lw_edit_splice(text, from, to, word);
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

static char *add_section(const LwEditDocument *document, const char *entry, GError **error) {
  const char *text = document->text;
  if (document->root->keys->len && text[lw_edit_offset_of(text, &document->root->origin)] == '{') {
    g_autofree char *what = g_strdup_printf("say “machines: {%s}” there", entry);
    lw_edit_by_hand(error, &document->root->origin, what);
    return NULL;
  }
  gsize end = strlen(text);
  g_autofree char *section =
      g_strdup_printf("%s\nmachines:\n  %s\n", end && text[end - 1] != '\n' ? "\n" : "", entry);
  return lw_edit_splice(text, end, end, section);
}

static char *add_to_section(const LwEditDocument *document, guint index, const char *entry, GError **error) {
  const char *text = document->text;
  const LwYaml *key = document->root->keys->pdata[index], *value = document->root->items->pdata[index];
  gsize at = lw_edit_offset_of(text, &value->origin);
  if (value->kind == LW_YAML_MAP && text[at] == '{') {
    g_autofree char *put_in = g_strdup_printf("%s%s", entry, value->keys->len ? ", " : "");
    return lw_edit_splice(text, at + 1, at + 1, put_in);
  }
  if (value->kind == LW_YAML_MAP && value->keys->len) {
    const LwYaml *last = value->keys->pdata[value->keys->len - 1];
    return lw_edit_add_line(text, lw_edit_end_of_entry(text, last), last->origin.column - 1, entry);
  }
  if (value->kind == LW_YAML_SCALAR && !*value->text && value->plain) {
    LwOrigin next = {key->origin.file, key->origin.line + 1, 1};
    return lw_edit_add_line(text, lw_edit_offset_of(text, &next), key->origin.column + 1, entry);
  }
  g_autofree char *what = g_strdup_printf("say “%s” under “machines:” there", entry);
  lw_edit_by_hand(error, &key->origin, what);
  return NULL;
}

/* Whether the new text has the machine where it belongs, and nothing else became of it. */
static gboolean has_machine(const char *text, const char *file, const char *name, guint before) {
  g_auto(LwEditDocument) document = {0};
  if (!lw_edit_parse(&document, text, file, NULL))
    return FALSE;
  const LwYaml *machines = lw_yaml_get(document.root, "machines");
  return machines && machines->kind == LW_YAML_MAP && machines->keys->len == before + 1 &&
         lw_yaml_get(machines, name);
}

char *lw_spec_edit_add_machine(const char *text, const char *file, const LwLab *lab, const LwMachine *machine,
                               GError **error) {
  g_auto(LwEditDocument) document = {0};
  if (!lw_edit_parse(&document, text, file, error))
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
    lw_edit_by_hand(error, have ? &have->origin : &document.root->origin, what);
    return NULL;
  }
  return g_steal_pointer(&out);
}
