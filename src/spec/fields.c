#include "spec/internal.h"

#include <string.h>

static const char *const shape_names[] = {"nothing",
                                          "a single value",
                                          "a list",
                                          "a value or a list",
                                          "a mapping",
                                          "a value or a mapping",
                                          "a list or a mapping",
                                          "a value, a list or a mapping"};

static guint shape_of(const LwYaml *node) {
  return node->kind == LW_YAML_SCALAR ? LW_SHAPE_SCALAR
         : node->kind == LW_YAML_LIST ? LW_SHAPE_LIST
                                      : LW_SHAPE_MAP;
}

static const struct {
  const char *key, *remedy;
} not_keys[] = {
    {"<<", "merge keys are refused: say once under “defaults:” what repeats"},
    {"subnet6", "IPv6 is dropped everywhere; segments cannot have a subnet of it yet"},
};

static void unknown_key(LwSpec *spec, LwSectionId section, const LwYaml *key, const char *what) {
  for (guint i = 0; i < G_N_ELEMENTS(not_keys); i++)
    if (strcmp(key->text, not_keys[i].key) == 0) {
      lw_spec_error(spec->diagnostics, key->origin, "unknown key “%s” in %s: %s", key->text, what,
                    not_keys[i].remedy);
      return;
    }
  g_autoptr(GPtrArray) candidates = g_ptr_array_sized_new(LW_KEY_COUNT + 1);
  for (guint i = 0; i < LW_KEY_COUNT; i++)
    if (lw_keys[i].section == section)
      g_ptr_array_add(candidates, (gpointer)lw_keys[i].key);
  char *suggestion = lw_spec_suggest(spec->diagnostics, key->text, candidates);
  if (!suggestion) {
    g_ptr_array_add(candidates, NULL);
    g_autofree char *all = g_strjoinv(", ", (char **)candidates->pdata);
    suggestion = g_strdup_printf("known keys: %s", all);
  }
  lw_spec_error_suggest(spec->diagnostics, key->origin, suggestion, "unknown key “%s” in %s", key->text,
                        what);
}

/* The value in a shape that the key's type allows, or NULL. */
static LwYaml *shaped(LwSpec *spec, const LwKey *key, LwYaml *node) {
  const LwType *type = &lw_types[key->type];
  if (lw_yaml_is_empty(node)) {
    if (type->may_empty)
      return lw_yaml_new(spec->pool, type->shapes & LW_SHAPE_LIST ? LW_YAML_LIST : LW_YAML_MAP, node->origin);
    lw_spec_error(spec->diagnostics, node->origin, "“%s” has no value: expected %s", key->key, type->name);
    return NULL;
  }
  if (!(shape_of(node) & type->shapes)) {
    lw_spec_error(spec->diagnostics, node->origin, "“%s” must be %s, not %s: expected %s", key->key,
                  shape_names[type->shapes], shape_names[shape_of(node)], type->name);
    return NULL;
  }
  if (node->kind == LW_YAML_SCALAR && !*node->text) {
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is empty: expected %s", key->key, type->name);
    return NULL;
  }
  return node;
}

void lw_spec_fields(LwSpec *spec, const LwYaml *map, LwSectionId section, const LwFields *defaults,
                    gboolean in_defaults, LwOrigin where, const char *what, LwFields *out) {
  memset(out, 0, sizeof *out);
  for (guint i = 0; map && i < map->keys->len; i++) {
    LwYaml *name = map->keys->pdata[i];
    const LwKey *key = lw_key_find(section, name->text);
    if (!key) {
      unknown_key(spec, section, name, what);
    } else if (in_defaults && (key->flags & LW_KEY_NO_DEFAULT)) {
      lw_spec_error(spec->diagnostics, name->origin, "“%s” has no default: it differs for each", key->key);
    } else {
      out->value[key->id] = shaped(spec, key, map->items->pdata[i]);
      out->wrong[key->id] = !out->value[key->id];
    }
  }
  for (guint i = 0; i < LW_KEY_COUNT; i++) {
    const LwKey *key = &lw_keys[i];
    if (key->section != section || out->value[i] || out->wrong[i])
      continue;
    if (defaults) {
      out->value[i] = defaults->value[i];
      out->wrong[i] = defaults->wrong[i];
    }
    if (!out->value[i] && !out->wrong[i] && (key->flags & LW_KEY_REQUIRED) && !in_defaults) {
      lw_spec_error(spec->diagnostics, where, "%s has no “%s”: add “%s: %s”", what, key->key, key->key,
                    key->example ? key->example : "…");
      out->wrong[i] = TRUE;
    }
  }
}

GPtrArray *lw_spec_items(const LwYaml *node) {
  if (node->kind == LW_YAML_LIST)
    return g_ptr_array_ref(node->items);
  GPtrArray *alone = g_ptr_array_new();
  g_ptr_array_add(alone, (gpointer)node);
  return alone;
}

guint lw_spec_choice(LwSpec *spec, const LwFields *fields, LwKeyId key) {
  const LwYaml *node = fields->value[key];
  if (!node)
    return 0;
  g_auto(GStrv) choices = g_strsplit(lw_keys[key].choices, " ", -1);
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  for (guint i = 0; choices[i]; i++) {
    if (strcmp(choices[i], node->text) == 0)
      return i;
    g_ptr_array_add(candidates, choices[i]);
  }
  g_autofree char *all = g_strjoinv(", ", choices);
  lw_spec_error_suggest(spec->diagnostics, node->origin,
                        lw_spec_suggest(spec->diagnostics, node->text, candidates),
                        "“%s: %s” is unknown: one of %s", lw_keys[key].key, node->text, all);
  return 0;
}

gboolean lw_spec_boolean(LwSpec *spec, const LwYaml *node, gboolean *out) {
  static const char *const yes[] = {"true", "yes", "on", NULL}, *const no[] = {"false", "no", "off", NULL};
  g_autofree char *lower = g_ascii_strdown(node->text, -1);
  if (g_strv_contains(yes, lower))
    *out = TRUE;
  else if (g_strv_contains(no, lower))
    *out = FALSE;
  else {
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is neither true nor false", node->text);
    return FALSE;
  }
  return TRUE;
}

static gboolean has_control(const char *text) {
  for (const char *p = text; *p; p++)
    if (g_ascii_iscntrl(*p))
      return TRUE;
  return FALSE;
}

char *lw_spec_text(LwSpec *spec, const LwYaml *node) {
  if (!has_control(node->text) && strlen(node->text) <= 4096)
    return g_strdup(node->text);
  lw_spec_error(spec->diagnostics, node->origin, "holds control characters, or is too long");
  return NULL;
}

gboolean lw_spec_is_scalar(LwSpec *spec, const LwYaml *node, const char *wanted) {
  if (node->kind == LW_YAML_SCALAR && *node->text && !lw_yaml_is_empty(node))
    return TRUE;
  lw_spec_error(spec->diagnostics, node->origin, "expected %s, not %s", wanted,
                node->kind == LW_YAML_SCALAR ? "an empty value" : shape_names[shape_of(node)]);
  return FALSE;
}

static const char *const reserved[] = {"host",     "internet", "router", "wan", "mgmt",
                                       "home-lan", "direct",   "none",   "any", NULL};

gboolean lw_spec_name(LwSpec *spec, const LwYaml *node, const char *what, guint longest) {
  const char *name = node->text;
  gsize length = strlen(name);
  gboolean good = length > 0 && g_ascii_islower(name[0]) && name[length - 1] != '-';
  for (gsize i = 0; good && i < length; i++)
    good = g_ascii_islower(name[i]) || g_ascii_isdigit(name[i]) || name[i] == '-';
  if (!good)
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” cannot be the name of %s: a letter, then letters, digits and dashes, all lower case",
                  name, what);
  else if (g_strv_contains(reserved, name))
    lw_spec_error(spec->diagnostics, node->origin, "“%s” cannot be the name of %s: the word is reserved",
                  name, what);
  else if (length > longest)
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is too long for the name of %s: at most %u letters",
                  name, what, longest);
  else
    return TRUE;
  return FALSE;
}

gboolean lw_spec_means_every_link(const char *name) {
  return g_str_equal(name, "all") || g_str_equal(name, "default");
}

gboolean lw_spec_interface(LwSpec *spec, const LwYaml *node, char **out) {
  const char *name = node->text;
  gsize length = strlen(name);
  gboolean good = strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !lw_spec_means_every_link(name);
  for (gsize i = 0; good && i < length; i++)
    good = g_ascii_isalnum(name[i]) || strchr("_.-", name[i]);
  if (length > 15)
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” is too long for an interface: at most 15 bytes, these are %" G_GSIZE_FORMAT, name,
                  length);
  else if (!good)
    lw_spec_error(
        spec->diagnostics, node->origin,
        "“%s” is no name for an interface: letters, digits, “_”, “.” and “-”, and not “all” or “default”",
        name);
  else {
    *out = g_strdup(name);
    return TRUE;
  }
  return FALSE;
}

gboolean lw_spec_take_interface(LwSpec *spec, const char *name, LwOrigin origin, const char *what) {
  const char *other = g_hash_table_lookup(spec->interfaces, name);
  if (other) {
    lw_spec_error(spec->diagnostics, origin, "interface “%s” of %s is that of %s already", name, what, other);
    return FALSE;
  }
  g_hash_table_insert(spec->interfaces, g_strdup(name), g_strdup(what));
  return TRUE;
}

gboolean lw_spec_mac(LwSpec *spec, const LwYaml *node, LwMac *out) {
  LwMac mac;
  if (!lw_mac_parse(node->text, &mac))
    lw_spec_error(spec->diagnostics, node->origin,
                  "“%s” is no MAC address: six pairs of hex digits, as in 52:54:00:12:34:56", node->text);
  else if (mac.bytes[0] & 1)
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is a multicast MAC address: no card has one",
                  node->text);
  else if (!lw_mac_is_set(&mac))
    lw_spec_error(spec->diagnostics, node->origin, "“%s” is no MAC address of a card", node->text);
  else {
    *out = mac;
    return TRUE;
  }
  return FALSE;
}

guint lw_spec_lookup(GHashTable *table, const char *name) {
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(table, name));
  return found ? found - 1 : LW_NONE;
}

/* In the order of the file: a tie between near names must not depend on a hash. */
static int by_index(gconstpointer a, gconstpointer b, gpointer table) {
  guint x = GPOINTER_TO_UINT(g_hash_table_lookup(table, *(char *const *)a));
  guint y = GPOINTER_TO_UINT(g_hash_table_lookup(table, *(char *const *)b));
  return x < y ? -1 : x > y;
}

void lw_spec_candidates(GHashTable *table, GPtrArray *candidates) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, table);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    g_ptr_array_add(names, name);
  g_ptr_array_sort_with_data(names, by_index, table);
  g_ptr_array_extend(candidates, names, NULL, NULL);
}
