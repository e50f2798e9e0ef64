#include "cmd/generations.h"

#include "base/error.h"
#include "base/files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT 10
#define CURRENT "generation"
#define PREFIX "generation/"
#define WG_MAX 65536

void lw_generation_free(LwGeneration *generation) {
  if (!generation)
    return;
  g_free(generation->text);
  g_free(generation->path);
  g_free(generation->why);
  g_free(generation->when);
  g_free(generation->facts);
  g_free(generation);
}

static char *store_path(void) {
  return g_build_filename(lw_target_state_dir(), "generations", NULL);
}

static char *row_name(guint number) {
  return g_strdup_printf(PREFIX "%010u", number);
}

/* --- rows
 * ------------------------------------------------------------------------------------------------------ */

static char *to_json(const LwGeneration *generation) {
  JsonObject *object = json_object_new();
  json_object_set_int_member(object, "number", generation->number);
  json_object_set_string_member(object, "text", generation->text);
  json_object_set_string_member(object, "path", generation->path);
  json_object_set_string_member(object, "why", generation->why);
  json_object_set_string_member(object, "when", generation->when);
  if (generation->facts)
    json_object_set_string_member(object, "facts", generation->facts);
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(root, object);
  return json_to_string(root, FALSE);
}

static char *text_of(JsonObject *object, const char *name) {
  JsonNode *node = json_object_get_member(object, name);
  return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_dup_string(node) : NULL;
}

static LwGeneration *from_json(const char *json, GError **error) {
  g_autoptr(JsonNode) root = json_from_string(json, error);
  JsonObject *object = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
  if (!object) {
    if (root)
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a generation in the state file is damaged");
    return NULL;
  }
  g_autoptr(LwGeneration) generation = g_new0(LwGeneration, 1);
  generation->number = (guint)json_object_get_int_member_with_default(object, "number", 0);
  generation->text = text_of(object, "text");
  generation->path = text_of(object, "path");
  generation->why = text_of(object, "why");
  generation->when = text_of(object, "when");
  generation->facts = text_of(object, "facts");
  if (generation->number && generation->text && generation->path && generation->why && generation->when)
    return g_steal_pointer(&generation);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a generation in the state file is damaged");
  return NULL;
}

guint lw_generation_current(LwEngine *engine, GError **error) {
  g_autofree char *text = lw_engine_get(engine, CURRENT, error);
  guint64 number = 0;
  if (text && !g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT, &number, error))
    return 0;
  return (guint)number;
}

LwGeneration *lw_generation_read(LwEngine *engine, guint number, GError **error) {
  g_autofree char *name = row_name(number);
  g_autoptr(GError) inner = NULL;
  g_autofree char *json = lw_engine_get(engine, name, &inner);
  if (json)
    return from_json(json, error);
  if (inner)
    g_propagate_error(error, g_steal_pointer(&inner));
  else
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
                "there is no generation %u (any more): %s status --history lists them", number,
                lw_target_command());
  return NULL;
}

GPtrArray *lw_generation_list(LwEngine *engine, GError **error) {
  g_autoptr(GPtrArray) names = lw_engine_names(engine, PREFIX, error);
  if (!names)
    return NULL;
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)lw_generation_free);
  for (guint i = names->len; i > 0; i--) {
    g_autofree char *json = lw_engine_get(engine, names->pdata[i - 1], error);
    LwGeneration *generation = json ? from_json(json, error) : NULL;
    if (!generation)
      return NULL;
    g_ptr_array_add(list, generation);
  }
  return g_steal_pointer(&list);
}

LwLab *lw_generation_lab(const LwGeneration *generation, LwSecretStore *secrets, GError **error) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autofree char *store = store_path();
  g_autoptr(LwLab) lab = lw_spec_parse(generation->text, strlen(generation->text), generation->path, store,
                                       lw_target_spec_flags(), secrets, diagnostics);
  if (!lab)
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "generation %u is not understood by this lanward: apply a file instead", generation->number);
  return g_steal_pointer(&lab);
}

/* --- the store of WireGuard files
 * ------------------------------------------------------------------------------ */

/* What stands in a generation's text for a file. One that is not there (the twin's stand-in) has its name
 * alone. */
static char *name_in_store(const LwTunnel *tunnel, const char *dir, char **content, gsize *length) {
  g_autofree char *from = g_canonicalize_filename(tunnel->path, dir);
  *content = g_file_test(from, G_FILE_TEST_IS_REGULAR) ? lw_file_read(from, WG_MAX, length, NULL) : NULL;
  if (!*content)
    return g_strdup_printf("missing-%s.conf", tunnel->name);
  g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)*content, *length);
  return g_strdup_printf("%s.conf", digest);
}

char *lw_generation_text(LwLab *lab, const char *dir) {
  g_autoptr(GPtrArray) paths = g_ptr_array_new();
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwTunnel *tunnel = lw_lab_tunnel(lab, i);
    char *content;
    gsize length = 0;
    g_ptr_array_add(paths, tunnel->path);
    tunnel->path = name_in_store(tunnel, dir, &content, &length);
    lw_secret_clear(content);
  }
  char *key_file = lab->router.api_key_file;
  if (key_file)
    lab->router.api_key_file = g_canonicalize_filename(key_file, dir);
  char *text = lw_spec_print(lab);
  if (key_file)
    g_free(lab->router.api_key_file);
  lab->router.api_key_file = key_file;
  for (guint i = 0; i < lab->tunnels->len; i++) {
    LwTunnel *tunnel = lw_lab_tunnel(lab, i);
    g_free(tunnel->path);
    tunnel->path = paths->pdata[i];
  }
  return text;
}

static gboolean store_file(const LwTunnel *tunnel, const char *dir, const char *store, GError **error) {
  char *content;
  gsize length = 0;
  g_autofree char *name = name_in_store(tunnel, dir, &content, &length);
  g_autofree char *path = g_build_filename(store, name, NULL);
  gboolean ok = !content || g_file_test(path, G_FILE_TEST_EXISTS) ||
                lw_file_write_atomic(path, content, length, 0600, error);
  lw_secret_clear(content);
  return ok;
}

static gboolean store_files(LwLab *lab, const char *dir, GError **error) {
  g_autofree char *store = store_path();
  if (g_mkdir_with_parents(store, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", store);
    return FALSE;
  }
  for (guint i = 0; i < lab->tunnels->len; i++)
    if (!store_file(lw_lab_tunnel(lab, i), dir, store, error))
      return FALSE;
  return TRUE;
}

/* --- keeping and clearing
 * ------------------------------------------------------------------------------------- */

static gboolean close_current(LwEngine *engine, LwGeneration *current, GError **error) {
  GError *inner = NULL;
  char *facts = lw_engine_get(engine, "facts", &inner);
  if (inner) {
    g_propagate_error(error, inner);
    return FALSE;
  }
  g_free(current->facts);
  current->facts = facts;
  g_autofree char *name = row_name(current->number);
  g_autofree char *json = to_json(current);
  lw_engine_keep(engine, name, json);
  return TRUE;
}

static void open_next(LwEngine *engine, const char *text, const char *path, const char *why, guint number) {
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  LwGeneration next = {.number = number, .text = (char *)text, .path = (char *)path, .why = (char *)why};
  g_autofree char *when = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
  next.when = when;
  g_autofree char *name = row_name(number);
  g_autofree char *json = to_json(&next);
  g_autofree char *current = g_strdup_printf("%u", number);
  lw_engine_keep(engine, name, json);
  lw_engine_keep(engine, CURRENT, current);
  if (number > KEPT) {
    g_autofree char *oldest = row_name(number - KEPT);
    lw_engine_keep(engine, oldest, NULL);
  }
}

/* *last (transfer full): NULL without error when there is none. */
static gboolean read_current(LwEngine *engine, guint *number, LwGeneration **last, GError **error) {
  GError *inner = NULL;
  *last = NULL;
  *number = lw_generation_current(engine, &inner);
  if (*number)
    *last = lw_generation_read(engine, *number, &inner);
  if (inner)
    g_propagate_error(error, inner);
  return inner == NULL;
}

/* After one was left, none is the current one, and those before it are still there. */
static gboolean newest(LwEngine *engine, guint *number, GError **error) {
  g_autoptr(GPtrArray) list = *number ? NULL : lw_generation_list(engine, error);
  if (list && list->len)
    *number = ((const LwGeneration *)list->pdata[0])->number;
  return *number || list;
}

void lw_generation_leave(LwEngine *engine) {
  lw_engine_keep(engine, CURRENT, NULL);
}

static gboolean keep(LwEngine *engine, LwGeneration *last, const char *text, const char *path,
                     const char *why, guint *number, GError **error) {
  if (last && g_str_equal(last->text, text) && g_str_equal(last->path, path))
    return TRUE;
  if ((last && !close_current(engine, last, error)) || !newest(engine, number, error))
    return FALSE;
  *number += 1;
  open_next(engine, text, path, why, *number);
  return TRUE;
}

gboolean lw_generation_keep(LwSession *session, const char *path, guint *number, GError **error) {
  LwGeneration *current;
  if (!read_current(session->engine, number, &current, error))
    return FALSE;
  g_autoptr(LwGeneration) last = current;
  g_autofree char *dir = g_path_get_dirname(path);
  g_autofree char *text = lw_generation_text(session->lab, dir);
  return store_files(session->lab, dir, error) &&
         keep(session->engine, last, text, path, "apply", number, error);
}

gboolean lw_generation_keep_again(LwEngine *engine, const LwGeneration *generation, const char *why,
                                  guint *number, GError **error) {
  LwGeneration *current;
  if (!read_current(engine, number, &current, error))
    return FALSE;
  g_autoptr(LwGeneration) last = current;
  return keep(engine, last, generation->text, generation->path, why, number, error);
}

static gboolean is_named(const GPtrArray *generations, const char *file) {
  for (guint i = 0; i < generations->len; i++)
    if (strstr(((const LwGeneration *)generations->pdata[i])->text, file))
      return TRUE;
  return FALSE;
}

static gboolean clear_store(const GPtrArray *generations, GError **error) {
  g_autofree char *store = store_path();
  g_autoptr(GDir) dir = g_dir_open(store, 0, NULL); /* none yet: nothing to clear */
  const char *file;
  while (dir && (file = g_dir_read_name(dir))) {
    if (is_named(generations, file))
      continue;
    g_autofree char *path = g_build_filename(store, file, NULL);
    if (unlink(path) != 0 && errno != ENOENT) {
      lw_error_set_errno(error, "cannot remove %s", path);
      return FALSE;
    }
  }
  return TRUE;
}

static void add_ref(GHashTable *refs, const LwSecretRef *ref) {
  if (ref)
    g_hash_table_add(refs, (gpointer)ref);
}

static GHashTable *secrets_of(const LwResourceSet *wanted) {
  GHashTable *refs = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *tunnel = wanted->list->pdata[i];
    if (tunnel->kind != LW_RES_TUNNEL)
      continue;
    add_ref(refs, tunnel->private_key);
    for (guint j = 0; j < tunnel->peers->len; j++)
      add_ref(refs, ((const LwPeer *)tunnel->peers->pdata[j])->preshared_key);
  }
  return refs;
}

gboolean lw_generation_clear(LwSession *session, const LwResourceSet *wanted, GError **error) {
  g_autoptr(GPtrArray) generations = lw_generation_list(session->engine, error);
  g_autoptr(GHashTable) refs = secrets_of(wanted);
  return generations && clear_store(generations, error) &&
         lw_secret_store_retain(session->secrets, refs, error);
}
