#include "spec/keys.h"
#include "spec/spec.h"

#include <string.h>

static const char introduction[] =
    "# The lab's file\n"
    "\n"
    "This page is generated from the key table in `src/spec/keys.c`; `data/lab.schema.json` is its twin for "
    "editors.\n"
    "\n"
    "One YAML file describes one lab. What it does not allow is dropped. A complete one, with comments, is\n"
    "[examples/homelab.yaml](../examples/homelab.yaml); the smallest is "
    "[examples/small.yaml](../examples/small.yaml).\n"
    "\n"
    "- **Values are taken as they are written.** `.20` is no number and `no` no boolean, except where this "
    "page says\n"
    "  “`true` or `false`” (then `yes`, `no`, `on` and `off` will do as well). Quotes never hurt.\n"
    "- **Addresses may be short** within their subnet, if that is a /24 or longer: `.5`, `.200-.240`, "
    "`.0/26`.\n"
    "- **A list of one** may be written without brackets. An item that holds a comma is quoted within "
    "`[…]`.\n"
    "- **Names** are a lower-case letter, then lower-case letters, digits and dashes. Reserved: `host`, "
    "`internet`,\n"
    "  `router`, `wan`, `mgmt`, `home-lan`, `direct`, `none`, `any`.\n"
    "- **Ports** are `tcp/445`, `udp/8000-8100`, `tcp+udp/53`, `tcp` (all of them), `icmp` or `any`.\n"
    "- **Paths** start from the folder of the file they stand in. Files with secrets have mode 0600.\n"
    "- **Refused**, because they hide what a file says: duplicate and unknown keys, anchors, aliases, merge "
    "keys, tags,\n"
    "  more than one document. A file has at most 1 MiB and 32 levels.\n";

static void table_cell(GString *out, const char *text, gboolean code) {
  g_string_append(out, code && text ? " `" : " ");
  for (const char *p = text ? text : "–"; *p; p++)
    g_string_append_printf(out, *p == '|' ? "\\%c" : "%c", *p);
  g_string_append(out, code && text ? "` |" : " |");
}

static void document_key(GString *out, const LwKey *key) {
  g_autofree char *type = NULL;
  if (key->type == LW_TYPE_CHOICE) {
    g_auto(GStrv) choices = g_strsplit(key->choices, " ", -1);
    g_autofree char *joined = g_strjoinv("`, `", choices);
    type = g_strdup_printf("`%s`", joined);
  } else {
    type = g_strdup(lw_types[key->type].name);
  }
  g_string_append_c(out, '|');
  table_cell(out, key->key, TRUE);
  table_cell(out, type, FALSE);
  table_cell(out, key->flags & LW_KEY_REQUIRED ? "**required**" : key->fallback, FALSE);
  table_cell(out, key->documentation, FALSE);
  table_cell(out, key->example, TRUE);
  g_string_append_c(out, '\n');
}

char *lw_spec_document(void) {
  GString *out = g_string_new(introduction);
  for (guint i = 0; i < LW_SECTION_COUNT; i++) {
    const LwSection *section = &lw_sections[i];
    g_string_append_printf(out, "\n## %s%s%s\n\n%s\n\n", *section->path ? "`" : "Top level", section->path,
                           *section->path ? "`" : "", section->documentation);
    g_string_append(out,
                    "| key | value | without it | meaning | example |\n| --- | --- | --- | --- | --- |\n");
    for (guint j = 0; j < LW_KEY_COUNT; j++)
      if ((guint)lw_keys[j].section == i)
        document_key(out, &lw_keys[j]);
  }
  return g_string_free(out, FALSE);
}

/* JSON Schema */

static void json_string(GString *out, const char *text) {
  g_string_append_c(out, '"');
  for (const char *p = text; *p; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_c(out, '\\');
    g_string_append_c(out, *p);
  }
  g_string_append_c(out, '"');
}

/* Sections under defaults: have definitions of their own: nothing is required there. */
static char *reference(const LwKey *key) {
  return g_strdup_printf("{\"$ref\":\"#/$defs/%s%s\"}", lw_sections[key->of].name,
                         key->section == LW_SECTION_DEFAULTS ? "-defaults" : "");
}

static char *fragment_of(const LwKey *key) {
  g_autofree char *ref = reference(key);
  if (key->type == LW_TYPE_SECTION)
    return g_steal_pointer(&ref);
  if (key->type == LW_TYPE_CHOICE) {
    g_auto(GStrv) choices = g_strsplit(key->choices, " ", -1);
    g_autofree char *joined = g_strjoinv("\",\"", choices);
    return g_strdup_printf("{\"enum\":[\"%s\"]}", joined);
  }
  GString *fragment = g_string_new(lw_types[key->type].schema);
  g_string_replace(fragment, "$SECTION", ref, 0);
  return g_string_free(fragment, FALSE);
}

static void schema_properties(GString *out, LwSectionId section, gboolean defaults, const char *indent) {
  gboolean first = TRUE;
  for (guint i = 0; i < LW_KEY_COUNT; i++) {
    const LwKey *key = &lw_keys[i];
    if (key->section != section || (defaults && (key->flags & LW_KEY_NO_DEFAULT)))
      continue;
    g_autofree char *fragment = fragment_of(key);
    g_string_append_printf(out, "%s\n%s", first ? "" : ",", indent);
    json_string(out, key->key);
    g_string_append(out, ": {\"description\":");
    json_string(out, key->documentation);
    g_string_append_printf(out, ",%s", fragment + 1);
    first = FALSE;
  }
}

/* With include: a file need not be whole, so nothing is required of the parts that files share. */
static void schema_required(GString *out, LwSectionId section) {
  gboolean first = TRUE;
  if (section == LW_SECTION_TOP || section == LW_SECTION_HOST)
    return;
  for (guint i = 0; i < LW_KEY_COUNT; i++) {
    if (lw_keys[i].section != section || !(lw_keys[i].flags & LW_KEY_REQUIRED))
      continue;
    g_string_append(out, first ? "\"required\":[" : ",");
    json_string(out, lw_keys[i].key);
    first = FALSE;
  }
  if (!first)
    g_string_append(out, "],");
}

static void schema_definition(GString *out, LwSectionId section, gboolean defaults, gboolean first) {
  g_string_append_printf(out, "%s\n    \"%s%s\": {\"description\":", first ? "" : ",",
                         lw_sections[section].name, defaults ? "-defaults" : "");
  json_string(out, lw_sections[section].documentation);
  g_string_append(out, ",\"type\":[\"object\",\"null\"],\"additionalProperties\":false,");
  if (!defaults)
    schema_required(out, section);
  g_string_append(out, "\"properties\":{");
  schema_properties(out, section, defaults, "      ");
  g_string_append(out, "\n    }}");
}

char *lw_spec_schema(void) {
  GString *out = g_string_new("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                              "  \"title\": \"A lab of lanward\",\n  \"type\": \"object\",\n"
                              "  \"additionalProperties\": false,\n  \"properties\": {");
  schema_properties(out, LW_SECTION_TOP, FALSE, "    ");
  g_string_append(out, "\n  },\n  \"$defs\": {");
  for (guint i = LW_SECTION_TOP + 1; i < LW_SECTION_COUNT; i++)
    schema_definition(out, (LwSectionId)i, FALSE, i == LW_SECTION_TOP + 1);
  schema_definition(out, LW_SECTION_SEGMENT, TRUE, FALSE);
  schema_definition(out, LW_SECTION_MACHINE, TRUE, FALSE);
  g_string_append(out, "\n  }\n}\n");
  return g_string_free(out, FALSE);
}
