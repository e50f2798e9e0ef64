/* Changes gathered as pieces of one text: each says which bytes go and what stands there instead, so none
 * moves the place of another. */
#include "base/error.h"
#include "spec/edit.h"
#include "spec/edit_text.h"
#include "spec/internal.h"

#include <string.h>

typedef struct {
  gsize from, to;
  char *put;
} Piece;

struct LwEdits {
  char *text, *file;
  LwEditDocument document;
  GArray *pieces; /* of Piece, in the order that they were asked for */
};

static void clear_piece(gpointer data) {
  g_free(((Piece *)data)->put);
}

LwEdits *lw_edits_new(const char *text, const char *file, GError **error) {
  g_autoptr(LwEdits) edits = g_new0(LwEdits, 1);
  edits->text = g_strdup(text);
  edits->file = g_strdup(file);
  edits->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
  g_array_set_clear_func(edits->pieces, clear_piece);
  return lw_edit_parse(&edits->document, edits->text, edits->file, error) ? g_steal_pointer(&edits) : NULL;
}

void lw_edits_free(LwEdits *edits) {
  lw_edit_document_clear(&edits->document);
  g_array_unref(edits->pieces);
  g_free(edits->text);
  g_free(edits->file);
  g_free(edits);
}

guint lw_edits_mark(const LwEdits *edits) {
  return edits->pieces->len;
}

void lw_edits_back_to(LwEdits *edits, guint mark) {
  g_array_set_size(edits->pieces, mark);
}

/* put: transfer full. */
static gboolean add_piece(LwEdits *edits, gsize from, gsize to, char *put) {
  Piece piece = {from, to, put};
  g_array_append_val(edits->pieces, piece);
  return TRUE;
}

static int from_behind(gconstpointer a, gconstpointer b, gpointer pieces) {
  const GArray *all = pieces;
  guint x = *(const guint *)a, y = *(const guint *)b;
  const Piece *one = &g_array_index(all, Piece, x), *other = &g_array_index(all, Piece, y);
  if (one->from != other->from)
    return one->from < other->from ? 1 : -1;
  return x < y ? 1 : -1;
}

char *lw_edits_text(const LwEdits *edits, GError **error) {
  g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < edits->pieces->len; i++)
    g_array_append_val(order, i);
  g_array_sort_with_data(order, from_behind, edits->pieces);
  g_autofree char *out = g_strdup(edits->text);
  gsize behind = strlen(edits->text);
  for (guint i = 0; i < order->len; i++) {
    const Piece *piece = &g_array_index(edits->pieces, Piece, g_array_index(order, guint, i));
    if (piece->to > behind) {
      g_set_error(error, LW_ERROR, LW_ERROR_SPEC, "%s: two changes of one place: make them by hand",
                  edits->file);
      return NULL;
    }
    char *next = lw_edit_splice(out, piece->from, piece->to, piece->put);
    g_free(out);
    out = next;
    behind = piece->from;
  }
  return g_steal_pointer(&out);
}

/* --- where things end
 * -----------------------------------------------------------------------------------------------------------
 */

/* Behind a quoted scalar that begins there. */
static gsize end_of_quoted(const char *text, gsize at) {
  char quote = text[at++];
  while (text[at] && text[at] != quote)
    at += quote == '"' && text[at] == '\\' && text[at + 1] ? 2 : 1;
  return text[at] ? at + 1 : at;
}

/* Behind the bracket that closes the one that stands there. */
static gsize end_of_flow(const char *text, gsize at) {
  guint depth = 0;
  do {
    if (at > 0 && strchr("\"'", text[at]) && strchr("[{,: \n", text[at - 1])) {
      at = end_of_quoted(text, at);
      continue;
    }
    if (text[at] == '#' && at > 0 && strchr(" \n", text[at - 1])) {
      at += strcspn(text + at, "\n");
      continue;
    }
    depth += text[at] == '[' || text[at] == '{';
    depth -= text[at] == ']' || text[at] == '}';
    at++;
  } while (text[at] && depth > 0);
  return at;
}

static gboolean is_flow(const LwEdits *edits, const LwYaml *node) {
  char first = edits->text[lw_edit_offset_of(edits->text, &node->origin)];
  return node->kind != LW_YAML_SCALAR && (first == '[' || first == '{');
}

/* Of what stands within a line, or in brackets; FALSE: a block. */
static gboolean extent(const LwEdits *edits, const LwYaml *node, gsize *from, gsize *to) {
  if (node->kind == LW_YAML_SCALAR)
    return lw_edit_extent_of(&edits->document, node, from, to);
  if (!is_flow(edits, node))
    return FALSE;
  *from = lw_edit_offset_of(edits->text, &node->origin);
  *to = end_of_flow(edits->text, *from);
  return TRUE;
}

static gsize line_start(const LwEdits *edits, const LwOrigin *origin) {
  LwOrigin start = {origin->file, origin->line, 1};
  return lw_edit_offset_of(edits->text, &start);
}

/* Takes an entry out of brackets, and the comma that it leaves behind. */
static gboolean drop_from_flow(LwEdits *edits, gsize from, gsize to, gboolean is_first) {
  const char *text = edits->text;
  to += strspn(text + to, " ");
  if (text[to] == ',')
    to += 1 + strspn(text + to + 1, " ");
  else
    while (!is_first && from > 0 && strchr(" ,", text[from - 1]))
      from--;
  return add_piece(edits, from, to, g_strdup(""));
}

/* --- keys
 * -----------------------------------------------------------------------------------------------------------
 */

static guint find_key(const LwYaml *map, const char *key) {
  for (guint i = 0; i < map->keys->len; i++)
    if (g_str_equal(((const LwYaml *)map->keys->pdata[i])->text, key))
      return i;
  return G_MAXUINT;
}

/* "KEY: VALUE" more in a map. */
static gboolean put_in_map(LwEdits *edits, const LwYaml *map, char *entry /* transfer full */) {
  const char *text = edits->text;
  g_autofree char *put = entry;
  const LwYaml *last = map->keys->len ? map->items->pdata[map->items->len - 1] : NULL;
  gsize from, to;
  if (is_flow(edits, map)) {
    from = to = lw_edit_offset_of(text, &map->origin) + 1;
    if (last && !extent(edits, last, &from, &to))
      return FALSE;
    return add_piece(edits, to, to, g_strconcat(last ? ", " : "", put, NULL));
  }
  if (!last)
    return FALSE;
  const LwYaml *key = map->keys->pdata[map->keys->len - 1];
  gsize at = lw_edit_end_of_entry(text, key);
  return add_piece(edits, at, at,
                   g_strdup_printf("%s%*s%s\n", at > 0 && text[at - 1] != '\n' ? "\n" : "",
                                   (int)key->origin.column - 1, "", put));
}

static gboolean replace_value(LwEdits *edits, const LwYaml *key, const LwYaml *value, const char *put) {
  gsize from, to;
  if (extent(edits, value, &from, &to))
    return add_piece(edits, from, to, g_strdup(put));
  if (value->kind == LW_YAML_SCALAR || !lw_edit_extent_of(&edits->document, key, &from, &to) ||
      edits->text[to] != ':')
    return FALSE;
  return add_piece(edits, to + 1, lw_edit_end_of_entry(edits->text, key), g_strdup_printf(" %s\n", put));
}

static gboolean drop_key(LwEdits *edits, const LwYaml *map, guint index) {
  const LwYaml *key = map->keys->pdata[index], *value = map->items->pdata[index];
  gsize from, to, unused;
  if (is_flow(edits, map))
    return lw_edit_extent_of(&edits->document, key, &from, &to) && extent(edits, value, &unused, &to) &&
           drop_from_flow(edits, from, to, index == 0);
  from = line_start(edits, &key->origin);
  gboolean own_line = strspn(edits->text + from, " ") == key->origin.column - 1;
  if (map->keys->len < 2 || !own_line)
    return FALSE; /* what it belongs to would be left with nothing */
  return add_piece(edits, from, lw_edit_end_of_entry(edits->text, key), g_strdup(""));
}

static gboolean left_to_the_user(const LwYaml *at, const char *const *path, const char *value,
                                 GError **error) {
  g_autofree char *name = g_strjoinv(": ", (char **)path);
  g_autofree char *what =
      value ? g_strdup_printf("say “%s: %s”", name, value) : g_strdup_printf("take “%s” out", name);
  return lw_edit_by_hand(error, &at->origin, what);
}

/* The deepest map of the path that there is; *path goes on to what it lacks or to its last key. */
static const LwYaml *descend(const LwEdits *edits, const char *const **path) {
  const LwYaml *map = edits->document.root;
  while ((*path)[1]) {
    const LwYaml *next = lw_yaml_get(map, **path);
    if (!next || next->kind != LW_YAML_MAP)
      break;
    map = next;
    (*path)++;
  }
  return map;
}

/* "a: {b: VALUE}" */
static char *nested(const char *const *path, const char *value) {
  GString *out = g_string_new(NULL), *end = g_string_new(NULL);
  for (guint i = 0; path[i]; i++) {
    g_string_append_printf(out, "%s: %s", path[i], path[i + 1] ? "{" : value);
    g_string_append(end, path[i + 1] ? "}" : "");
  }
  g_string_append(out, end->str);
  g_string_free(end, TRUE);
  return g_string_free(out, FALSE);
}

gboolean lw_edits_set(LwEdits *edits, const char *const *path, const char *value, GError **error) {
  const char *const *rest = path;
  const LwYaml *map = descend(edits, &rest);
  guint index = find_key(map, *rest);
  gboolean there = index != G_MAXUINT;
  gboolean good = there && !rest[1]
                      ? replace_value(edits, map->keys->pdata[index], map->items->pdata[index], value)
                      : !there && rest > path && put_in_map(edits, map, nested(rest, value));
  return good || left_to_the_user(map, path, value, error);
}

gboolean lw_edits_drop(LwEdits *edits, const char *const *path, GError **error) {
  const char *const *rest = path;
  const LwYaml *map = descend(edits, &rest);
  guint index = find_key(map, *rest);
  if (!rest[1] && index != G_MAXUINT && drop_key(edits, map, index))
    return TRUE;
  return left_to_the_user(map, path, NULL, error);
}

gboolean lw_edits_has(const LwEdits *edits, const char *const *path) {
  const char *const *rest = path;
  const LwYaml *map = descend(edits, &rest);
  return !rest[1] && find_key(map, *rest) != G_MAXUINT;
}

gboolean lw_edits_set_address(LwEdits *edits, const char *machine, guint nic, const char *address,
                              GError **error) {
  const LwYaml *machines = lw_yaml_get(edits->document.root, "machines");
  const LwYaml *entry = machines && machines->kind == LW_YAML_MAP ? lw_yaml_get(machines, machine) : NULL;
  const LwYaml *card = entry && entry->kind == LW_YAML_MAP ? lw_edit_card(entry, nic) : NULL;
  if (card && find_key(card, "address") == G_MAXUINT &&
      put_in_map(edits, card, g_strdup_printf("address: %s", address)))
    return TRUE;
  const char *path[] = {"machines", machine, "address", NULL};
  return left_to_the_user(edits->document.root, path, address, error);
}

/* --- items of lists
 * -----------------------------------------------------------------------------------------------------------
 */

static char *joined(const GPtrArray *items, const char *between) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < items->len; i++) {
    g_autofree char *word = lw_spec_quoted(items->pdata[i]);
    g_string_append_printf(out, "%s%s", i ? between : "", word);
  }
  return g_string_free(out, FALSE);
}

/* Items more in a value that is an item, a list on one line or one item a line. */
static gboolean put_in_items(LwEdits *edits, const LwYaml *value, const GPtrArray *items) {
  const char *text = edits->text;
  g_autofree char *put = joined(items, ", ");
  gsize from, to;
  if (value->kind == LW_YAML_SCALAR) {
    if (!extent(edits, value, &from, &to))
      return FALSE;
    g_autofree char *before = g_strndup(text + from, to - from);
    return add_piece(edits, from, to, g_strdup_printf("[%s, %s]", before, put));
  }
  if (value->kind != LW_YAML_LIST)
    return FALSE;
  const LwYaml *last = value->items->len ? value->items->pdata[value->items->len - 1] : NULL;
  from = lw_edit_offset_of(text, &value->origin);
  if (is_flow(edits, value) && !last)
    return add_piece(edits, from + 1, from + 1, g_steal_pointer(&put));
  if (!last || !extent(edits, last, &from, &to))
    return FALSE;
  if (is_flow(edits, value))
    return add_piece(edits, to, to, g_strconcat(", ", put, NULL));
  gsize line = line_start(edits, &last->origin), dash = strspn(text + line, " ");
  if (text[line + dash] != '-')
    return FALSE;
  gsize at = to + strcspn(text + to, "\n");
  at += text[at] == '\n';
  g_autofree char *between = g_strdup_printf("\n%*s- ", (int)dash, "");
  g_autofree char *lines = joined(items, between);
  return add_piece(edits, at, at, g_strdup_printf("%s%s\n", between + (text[at - 1] == '\n' ? 1 : 0), lines));
}

gboolean lw_edits_add_items(LwEdits *edits, const char *const *path, const GPtrArray *items, GError **error) {
  const char *const *rest = path;
  const LwYaml *map = descend(edits, &rest), *value = lw_yaml_get(map, *rest);
  g_autofree char *put = joined(items, ", "), *list = g_strdup_printf("[%s]", put);
  if (rest[1] || !value)
    return lw_edits_set(edits, path, list, error);
  return put_in_items(edits, value, items) || left_to_the_user(value, path, list, error);
}

/* Whose item that is: a list, or the map that has it as a value. */
typedef struct {
  const LwYaml *owner, *map; /* owner: the list, or the item itself where a key has just one; map: of owner */
  guint key, index;          /* of owner in map; of the item in the list */
} Place;

static gboolean is_at(const LwYaml *node, const LwOrigin *origin) {
  return node->origin.line == origin->line && node->origin.column == origin->column;
}

static gboolean find_item(const LwYaml *map, const LwOrigin *origin, Place *out) {
  for (guint k = 0; k < map->keys->len; k++) {
    const LwYaml *value = map->items->pdata[k];
    *out = (Place){value, map, k, 0};
    if (value->kind == LW_YAML_SCALAR && is_at(value, origin))
      return TRUE;
    if (value->kind == LW_YAML_MAP && find_item(value, origin, out))
      return TRUE;
    for (guint i = 0; value->kind == LW_YAML_LIST && i < value->items->len; i++) {
      const LwYaml *item = value->items->pdata[i];
      *out = (Place){value, map, k, i};
      if (is_at(item, origin))
        return TRUE;
      if (item->kind == LW_YAML_MAP && find_item(item, origin, out))
        return TRUE;
    }
  }
  return FALSE;
}

static const LwYaml *item_of(const Place *place) {
  return place->owner->kind == LW_YAML_LIST ? place->owner->items->pdata[place->index] : place->owner;
}

static gboolean drop_from_list(LwEdits *edits, const Place *place) {
  const char *text = edits->text;
  const LwYaml *item = item_of(place);
  gsize from, to;
  if (place->owner->kind != LW_YAML_LIST || place->owner->items->len == 1)
    return drop_key(edits, place->map, place->key);
  if (!extent(edits, item, &from, &to))
    return FALSE;
  if (is_flow(edits, place->owner))
    return drop_from_flow(edits, from, to, place->index == 0);
  to += strcspn(text + to, "\n");
  return add_piece(edits, line_start(edits, &item->origin), text[to] ? to + 1 : to, g_strdup(""));
}

gboolean lw_edits_drop_item(LwEdits *edits, const LwOrigin *item, GError **error) {
  Place place;
  if (find_item(edits->document.root, item, &place) && drop_from_list(edits, &place))
    return TRUE;
  return lw_edit_by_hand(error, item, "take that line out");
}

gboolean lw_edits_replace_item(LwEdits *edits, const LwOrigin *item, const char *key, const char *value,
                               GError **error) {
  Place place;
  const LwYaml *node = find_item(edits->document.root, item, &place) ? item_of(&place) : NULL;
  if (node && key)
    node = node->kind == LW_YAML_MAP ? lw_yaml_get(node, key) : NULL;
  gsize from, to;
  if (node && extent(edits, node, &from, &to))
    return add_piece(edits, from, to, lw_spec_quoted(value));
  g_autofree char *what = g_strdup_printf("say “%s” there", value);
  return lw_edit_by_hand(error, item, what);
}
