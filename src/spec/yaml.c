#include "spec/yaml.h"

#include <libfyaml.h>
#include <string.h>

#define DEEPEST 32

typedef struct {
  LwYamlPool *pool;
  LwDiagnostics *diagnostics;
  const char *file;
  LwOrigin last;     /* where the parser was, for tokens without a mark */
  GPtrArray *open;   /* of LwYaml*: the collections being filled */
  GPtrArray *keys;   /* beside open: the key that waits for its value, NULL */
  GPtrArray *places; /* beside open: GHashTable key text -> LwYaml* of it, NULL for lists */
  const char *text;
  LwYaml *root;
  guint documents;
  gboolean failed;
} Builder;

static void node_free(gpointer data) {
  LwYaml *node = data;
  g_free(node->text);
  g_clear_pointer(&node->keys, g_ptr_array_unref);
  g_clear_pointer(&node->items, g_ptr_array_unref);
  g_free(node);
}

LwYamlPool *lw_yaml_pool_new(void) {
  return g_ptr_array_new_with_free_func(node_free);
}

LwYaml *lw_yaml_new(LwYamlPool *pool, LwYamlKind kind, LwOrigin origin) {
  LwYaml *node = g_new0(LwYaml, 1);
  node->kind = kind;
  node->origin = origin;
  if (kind == LW_YAML_MAP)
    node->keys = g_ptr_array_new();
  if (kind != LW_YAML_SCALAR)
    node->items = g_ptr_array_new();
  g_ptr_array_add(pool, node);
  return node;
}

gboolean lw_yaml_is_empty(const LwYaml *node) {
  return node->kind == LW_YAML_SCALAR && node->plain &&
         (!*node->text || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

LwYaml *lw_yaml_get(const LwYaml *map, const char *key) {
  for (guint i = 0; i < map->keys->len; i++)
    if (strcmp(((LwYaml *)map->keys->pdata[i])->text, key) == 0)
      return map->items->pdata[i];
  return NULL;
}

static LwOrigin place_of(Builder *builder, struct fy_token *token) {
  const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
  if (mark) {
    builder->last.line = (guint)mark->line + 1;
    builder->last.column = (guint)mark->column + 1;
  }
  return builder->last;
}

static void fail(Builder *builder, LwOrigin origin, const char *message) {
  lw_spec_error(builder->diagnostics, origin, "%s", message);
  builder->failed = TRUE;
}

static void refuse_extras(Builder *builder, struct fy_token *anchor, struct fy_token *tag) {
  if (anchor)
    lw_spec_error(
        builder->diagnostics, place_of(builder, anchor),
        "anchors are refused: say once under “defaults:” what repeats, or split the file with “include:”");
  if (tag)
    lw_spec_error(builder->diagnostics, place_of(builder, tag),
                  "tags are refused: values are read as they are written");
}

/* A key of the innermost map: remembered until its value comes. */
static void take_key(Builder *builder, LwYaml *node) {
  GHashTable *places = builder->places->pdata[builder->places->len - 1];
  LwYaml *first = node->kind == LW_YAML_SCALAR ? g_hash_table_lookup(places, node->text) : NULL;
  if (node->kind != LW_YAML_SCALAR) {
    fail(builder, node->origin, "a key must be a word, not a list or a mapping");
  } else if (first) {
    lw_spec_error(builder->diagnostics, node->origin, "“%s” stands twice: the first is at line %u, column %u",
                  node->text, first->origin.line, first->origin.column);
    node->duplicate = TRUE;
  } else {
    g_hash_table_insert(places, node->text, node);
  }
  builder->keys->pdata[builder->keys->len - 1] = node;
}

static void place_node(Builder *builder, LwYaml *node) {
  if (builder->open->len == 0) {
    builder->root = node;
    return;
  }
  LwYaml *parent = builder->open->pdata[builder->open->len - 1];
  LwYaml **key = (LwYaml **)&builder->keys->pdata[builder->keys->len - 1];
  if (parent->kind == LW_YAML_MAP && !*key) {
    take_key(builder, node);
    return;
  }
  gboolean wanted = parent->kind == LW_YAML_LIST || !(*key)->duplicate;
  if (wanted && parent->kind == LW_YAML_MAP)
    g_ptr_array_add(parent->keys, *key);
  if (wanted)
    g_ptr_array_add(parent->items, node);
  *key = NULL;
}

static void open_node(Builder *builder, LwYamlKind kind, struct fy_token *token) {
  LwYaml *node = lw_yaml_new(builder->pool, kind, place_of(builder, token));
  place_node(builder, node);
  g_ptr_array_add(builder->open, node);
  g_ptr_array_add(builder->keys, NULL);
  g_ptr_array_add(builder->places, kind == LW_YAML_MAP ? g_hash_table_new(g_str_hash, g_str_equal) : NULL);
  if (builder->open->len > DEEPEST)
    fail(builder, node->origin, "nested more than 32 deep");
}

static void close_node(Builder *builder) {
  guint last = builder->open->len - 1;
  g_clear_pointer((GHashTable **)&builder->places->pdata[last], g_hash_table_unref);
  g_ptr_array_set_size(builder->open, (int)last);
  g_ptr_array_set_size(builder->keys, (int)last);
  g_ptr_array_set_size(builder->places, (int)last);
}

static void add_scalar(Builder *builder, const struct fy_event_scalar_data *scalar) {
  refuse_extras(builder, scalar->anchor, scalar->tag);
  gsize length = 0;
  const char *text = scalar->value ? fy_token_get_text(scalar->value, &length) : NULL;
  gboolean plain = !scalar->value || fy_token_scalar_style(scalar->value) == FYSS_PLAIN;
  /* Where nothing stands: libfyaml 0.7 has no token there, later ones have an empty one behind. Its key's
   * place. */
  LwOrigin origin = plain && length == 0 ? builder->last : place_of(builder, scalar->value);
  const struct fy_mark *mark = scalar->value ? fy_token_start_mark(scalar->value) : NULL;
  /* libfyaml's mark of a quoted scalar is behind the quote. */
  if (mark && mark->input_pos > 0 && origin.column > 1 && !plain &&
      strchr("'\"", builder->text[mark->input_pos - 1]))
    origin.column--;
  LwYaml *node = lw_yaml_new(builder->pool, LW_YAML_SCALAR, origin);
  node->text = g_strndup(text ? text : "", length);
  node->plain = plain;
  if (strlen(node->text) != length)
    fail(builder, node->origin, "holds a NUL character");
  place_node(builder, node);
}

static void take_event(Builder *builder, const struct fy_event *event) {
  switch (event->type) {
  case FYET_DOCUMENT_START:
    if (++builder->documents == 2)
      fail(builder, place_of(builder, event->document_start.document_start),
           "a second document: one file is one lab");
    break;
  case FYET_MAPPING_START:
    refuse_extras(builder, event->mapping_start.anchor, event->mapping_start.tag);
    open_node(builder, LW_YAML_MAP, event->mapping_start.mapping_start);
    break;
  case FYET_SEQUENCE_START:
    refuse_extras(builder, event->sequence_start.anchor, event->sequence_start.tag);
    open_node(builder, LW_YAML_LIST, event->sequence_start.sequence_start);
    break;
  case FYET_MAPPING_END:
  case FYET_SEQUENCE_END:
    close_node(builder);
    break;
  case FYET_SCALAR:
    add_scalar(builder, &event->scalar);
    break;
  case FYET_ALIAS:
    fail(builder, place_of(builder, event->alias.anchor),
         "aliases are refused: say once under “defaults:” what repeats, or split the file with “include:”");
    break;
  default:
    break;
  }
}

/* libfyaml goes on complaining after the first mistake; only that one is to the point. */
static void syntax_error(Builder *builder, struct fy_diag *diag) {
  void *state = NULL;
  const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &state);
  LwOrigin origin = builder->last;
  if (error && error->line > 0) {
    origin.line = (guint)error->line;
    origin.column = error->column > 0 ? (guint)error->column : 1;
  }
  const char *message = error && error->msg && *error->msg ? error->msg : "cannot be read";
  lw_spec_error(builder->diagnostics, origin, "not YAML: %s", message);
  builder->failed = TRUE;
}

static void run_parser(Builder *builder, const char *text, gsize length) {
  struct fy_diag_cfg diag_cfg;
  fy_diag_cfg_default(&diag_cfg);
  diag_cfg.fp = NULL;
  diag_cfg.level = FYET_ERROR;
  diag_cfg.colorize = false;
  struct fy_diag *diag = fy_diag_create(&diag_cfg);
  fy_diag_set_collect_errors(diag, true);
  struct fy_parse_cfg cfg = {
      .flags = (enum fy_parse_cfg_flags)(FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE), .diag = diag};
  struct fy_parser *parser = fy_parser_create(&cfg);
  gboolean started = parser && fy_parser_set_string(parser, text, length) == 0;
  struct fy_event *event;
  while (started && !builder->failed && (event = fy_parser_parse(parser))) {
    take_event(builder, event);
    fy_parser_event_free(parser, event);
  }
  if (!builder->failed && (!started || fy_parser_get_stream_error(parser)))
    syntax_error(builder, diag);
  if (parser)
    fy_parser_destroy(parser);
  fy_diag_destroy(diag);
}

/* TRUE when it is text; else the place of the first byte that is not. */
static gboolean check_text(Builder *builder, const char *text, gsize length) {
  const char *bad = NULL;
  if (g_utf8_validate(text, (gssize)length, &bad))
    return TRUE;
  const char *start = bad;
  while (start > text && start[-1] != '\n')
    start--;
  LwOrigin origin = {builder->file, 1, (guint)g_utf8_strlen(start, bad - start) + 1};
  for (const char *p = text; p < start; p++)
    origin.line += *p == '\n';
  fail(builder, origin, *bad ? "not UTF-8 text" : "holds a NUL byte: not a text file");
  return FALSE;
}

LwYaml *lw_yaml_parse(LwYamlPool *pool, LwDiagnostics *diagnostics, const char *text, gsize length,
                      const char *file) {
  g_autoptr(GPtrArray) open = g_ptr_array_new(), keys = g_ptr_array_new(), places = g_ptr_array_new();
  Builder builder = {.pool = pool,
                     .diagnostics = diagnostics,
                     .file = g_intern_string(file),
                     .open = open,
                     .keys = keys,
                     .places = places};
  builder.last = (LwOrigin){builder.file, 1, 1};
  if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
    text += 3;
    length -= 3;
  }
  lw_diagnostics_text(diagnostics, builder.file, text, length);
  builder.text = text;
  if (!check_text(&builder, text, length))
    return NULL;
  run_parser(&builder, text, length);
  while (open->len)
    close_node(&builder);
  if (builder.failed)
    return NULL;
  if (!builder.root || lw_yaml_is_empty(builder.root))
    return lw_yaml_new(pool, LW_YAML_MAP, (LwOrigin){builder.file, 1, 1});
  return builder.root;
}
