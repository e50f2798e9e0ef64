#include "spec/internal.h"

#include "base/files.h"

#include <string.h>

#define FILE_MAX (1024 * 1024)
#define MOST_INCLUDES 16

char *lw_spec_relative(LwSpec *spec, const char *file, const char *path) {
  const char *folder = file ? g_hash_table_lookup(spec->folders, file) : NULL;
  if (g_path_is_absolute(path) || !folder || !*folder)
    return g_strdup(path);
  return g_build_filename(folder, path, NULL);
}

char *lw_spec_absolute(LwSpec *spec, const char *relative) {
  if (!spec->dir)
    return NULL;
  return g_path_is_absolute(relative) ? g_strdup(relative) : g_build_filename(spec->dir, relative, NULL);
}

static void mac_claim_clear(gpointer data) {
  g_free(((LwMacClaim *)data)->what);
}

static void zone_claim_clear(gpointer data) {
  g_free(((LwZoneClaim *)data)->what);
}

static void spec_init(LwSpec *spec, const char *dir, LwSpecFlags flags, LwSecretStore *store) {
  memset(spec, 0, sizeof *spec);
  spec->diagnostics = lw_diagnostics_new();
  spec->pool = lw_yaml_pool_new();
  spec->flags = flags;
  spec->store = store;
  spec->dir = dir;
  spec->folders = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
  spec->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  spec->lab = lw_lab_new();
  GHashTable **tables[] = {&spec->segments, &spec->machines, &spec->tunnels, &spec->services,
                           &spec->networks};
  for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
    *tables[i] = g_hash_table_new(g_str_hash, g_str_equal); /* keys are the lab's */
  spec->segment_fields = g_array_new(FALSE, TRUE, sizeof(LwFields));
  spec->starts = g_array_new(FALSE, TRUE, sizeof(LwPendingStart));
  spec->claims = g_array_new(FALSE, TRUE, sizeof(LwClaim));
  spec->macs = g_array_new(FALSE, TRUE, sizeof(LwMacClaim));
  spec->zones = g_array_new(FALSE, TRUE, sizeof(LwZoneClaim));
  g_array_set_clear_func(spec->macs, mac_claim_clear);
  g_array_set_clear_func(spec->zones, zone_claim_clear);
  spec->interfaces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

/* Gives the diagnostics away; the lab too, when there is no error. */
static LwLab *spec_finish(LwSpec *spec, GPtrArray *diagnostics) {
  LwLab *lab = spec->diagnostics->errors ? NULL : g_steal_pointer(&spec->lab);
  lw_diagnostics_move(spec->diagnostics, diagnostics);
  lw_diagnostics_free(spec->diagnostics);
  g_ptr_array_unref(spec->pool);
  GHashTable *tables[] = {spec->folders, spec->files,    spec->segments, spec->machines,
                          spec->tunnels, spec->services, spec->networks, spec->interfaces};
  for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
    g_hash_table_unref(tables[i]);
  GArray *arrays[] = {spec->starts, spec->segment_fields, spec->claims, spec->macs, spec->zones};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_array_unref(arrays[i]);
  lw_lab_free(spec->lab);
  return lab;
}

/* The file, or what it is to hold. */
static char *read_file(const LwSpec *spec, const char *path, gsize *length, GError **error) {
  g_autofree char *whole = g_canonicalize_filename(path, NULL);
  const char *text = g_strcmp0(whole, spec->changed) == 0 ? spec->changed_text : NULL;
  if (!text)
    return lw_file_read(path, FILE_MAX, length, error);
  *length = strlen(text);
  return g_strndup(text, *length);
}

/* Includes */

static void merge(LwSpec *spec, LwYaml *into, const LwYaml *from, LwSectionId section);

static void report_two_files(LwSpec *spec, const LwYaml *key, const LwYaml *first) {
  g_autofree char *place = lw_origin_format(&first->origin);
  lw_spec_error(spec->diagnostics, key->origin, "“%s” stands in two files: the other is at %s", key->text,
                place);
}

static LwYaml *find_key(const LwYaml *map, const char *name) {
  for (guint i = 0; i < map->keys->len; i++)
    if (strcmp(((LwYaml *)map->keys->pdata[i])->text, name) == 0)
      return map->keys->pdata[i];
  return NULL;
}

static void merge_names(LwSpec *spec, LwYaml *into, const LwYaml *from) {
  g_autoptr(GHashTable) have = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < into->keys->len; i++)
    g_hash_table_insert(have, ((LwYaml *)into->keys->pdata[i])->text, into->keys->pdata[i]);
  for (guint i = 0; i < from->keys->len; i++) {
    LwYaml *key = from->keys->pdata[i], *first = g_hash_table_lookup(have, key->text);
    if (first) {
      report_two_files(spec, key, first);
      continue;
    }
    g_ptr_array_add(into->keys, key);
    g_ptr_array_add(into->items, from->items->pdata[i]);
  }
}

static gboolean holds_names(LwTypeId type) {
  return type == LW_TYPE_SECTIONS || type == LW_TYPE_PATHS || type == LW_TYPE_SERVICES ||
         type == LW_TYPE_NETWORKS;
}

/* One key that both have: their mappings become one, their assertions one list; anything else is said twice.
 */
static void merge_value(LwSpec *spec, const LwKey *row, const LwYaml *key, const LwYaml *first, LwYaml *into,
                        LwYaml *from) {
  if (row && row->type == LW_TYPE_SECTION && into->kind == LW_YAML_MAP && from->kind == LW_YAML_MAP)
    merge(spec, into, from, row->of);
  else if (row && holds_names(row->type) && into->kind == LW_YAML_MAP && from->kind == LW_YAML_MAP)
    merge_names(spec, into, from);
  else if (row && row->type == LW_TYPE_ASSERTS && into->kind == LW_YAML_LIST && from->kind == LW_YAML_LIST)
    g_ptr_array_extend(into->items, from->items, NULL, NULL);
  else
    report_two_files(spec, key, first);
}

static void merge(LwSpec *spec, LwYaml *into, const LwYaml *from, LwSectionId section) {
  for (guint i = 0; i < from->keys->len; i++) {
    LwYaml *key = from->keys->pdata[i], *value = from->items->pdata[i], *first = find_key(into, key->text);
    const LwKey *row = lw_key_find(section, key->text);
    if (row && row->type == LW_TYPE_INCLUDE)
      continue; /* followed where it stands */
    LwYaml *have = first ? lw_yaml_get(into, key->text) : NULL;
    gboolean empty = have && lw_yaml_is_empty(have) && row && lw_types[row->type].may_empty;
    if (empty) {
      guint at = 0;
      g_ptr_array_find(into->keys, first, &at);
      into->items->pdata[at] = value;
    } else if (have && !(lw_yaml_is_empty(value) && row && lw_types[row->type].may_empty)) {
      merge_value(spec, row, key, first, have, value);
    } else if (!have) {
      g_ptr_array_add(into->keys, key);
      g_ptr_array_add(into->items, value);
    }
  }
}

/* Parses one file and remembers what its relative paths start from. */
static LwYaml *read_text(LwSpec *spec, const char *text, gsize length, const char *name, const char *folder) {
  LwYaml *root = lw_yaml_parse(spec->pool, spec->diagnostics, text, length, name);
  g_hash_table_insert(spec->folders, (gpointer)g_intern_string(name), g_strdup(folder));
  if (root && root->kind != LW_YAML_MAP) {
    lw_spec_error(spec->diagnostics, root->origin, "the file must be a mapping that begins with “lab: NAME”");
    return NULL;
  }
  return root;
}

static void follow_includes(LwSpec *spec, LwYaml *main, const LwYaml *root);

static void include_file(LwSpec *spec, LwYaml *main, const LwYaml *node) {
  if (!lw_spec_is_scalar(spec, node, "the path of a file"))
    return;
  g_autofree char *relative = lw_spec_relative(spec, node->origin.file, node->text);
  g_autofree char *path = lw_spec_absolute(spec, relative);
  if (!path) {
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” is not read from here: a text without a folder has no includes", node->text);
    return;
  }
  if (!g_hash_table_add(spec->files, g_canonicalize_filename(path, NULL))) {
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is included already", node->text);
    return;
  }
  if (g_hash_table_size(spec->files) > MOST_INCLUDES + 1) {
    lw_spec_error(spec->diagnostics, node->origin, "more than %d files are included", MOST_INCLUDES);
    return;
  }
  g_autoptr(GError) error = NULL;
  gsize length;
  g_autofree char *text = read_file(spec, path, &length, &error);
  if (!text) {
    lw_spec_error(spec->diagnostics, node->origin, "cannot include “%s”: %s", node->text,
                  error ? error->message : "it is empty");
    return;
  }
  g_autofree char *parent = g_path_get_dirname(relative);
  LwYaml *root = read_text(spec, text, length, path, strcmp(parent, ".") == 0 ? "" : parent);
  if (!root)
    return;
  merge(spec, main, root, LW_SECTION_TOP);
  follow_includes(spec, main, root);
}

static void follow_includes(LwSpec *spec, LwYaml *main, const LwYaml *root) {
  const LwYaml *node = lw_yaml_get(root, "include");
  if (!node || lw_yaml_is_empty(node) || node->kind == LW_YAML_MAP)
    return; /* a wrong shape in the main file is reported with its other keys */
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++)
    include_file(spec, main, items->pdata[i]);
}

static void build(LwSpec *spec, const char *text, gsize length, const char *name) {
  if (length > FILE_MAX) {
    lw_spec_error(spec->diagnostics, (LwOrigin){g_intern_string(name), 1, 1},
                  "larger than 1 MiB: split it with “include:”");
    return;
  }
  LwYaml *root = read_text(spec, text, length, name, "");
  if (!root)
    return;
  follow_includes(spec, root, root);
  lw_spec_build(spec, root);
}

LwLab *lw_spec_parse(const char *text, gsize length, const char *name, const char *dir, LwSpecFlags flags,
                     LwSecretStore *store, GPtrArray *diagnostics) {
  LwSpec spec;
  spec_init(&spec, dir, flags, store);
  build(&spec, text, length, name);
  return spec_finish(&spec, diagnostics);
}

LwLab *lw_spec_load_changed(const char *path, const char *changed, const char *changed_text,
                            LwSpecFlags flags, LwSecretStore *store, GPtrArray *diagnostics) {
  g_autofree char *dir = g_path_get_dirname(path);
  g_autofree char *whole = changed ? g_canonicalize_filename(changed, NULL) : NULL;
  g_autoptr(GError) error = NULL;
  gsize length = 0;
  LwSpec spec;
  spec_init(&spec, dir, flags, store);
  spec.changed = whole;
  spec.changed_text = changed_text;
  g_autofree char *text = read_file(&spec, path, &length, &error);
  g_hash_table_add(spec.files, g_canonicalize_filename(path, NULL));
  if (text)
    build(&spec, text, length, path);
  else
    lw_spec_error(spec.diagnostics, (LwOrigin){g_intern_string(path), 1, 1}, "%s", error->message);
  return spec_finish(&spec, diagnostics);
}

LwLab *lw_spec_load(const char *path, LwSpecFlags flags, LwSecretStore *store, GPtrArray *diagnostics) {
  return lw_spec_load_changed(path, NULL, NULL, flags, store, diagnostics);
}
