/* RULESET resources: one table each, loaded as one transaction.
 *
 * A table cannot be read back into the rules that it was made of, so each load leaves a record in the run
 * folder: the text that was loaded and a digest of what the kernel lists for it. A table is what was wanted
 * when the text of the record is that of the wanted rules and the listing still has its digest; else it is
 * reported as an empty ruleset, which equals none. The elements of run-time sets are outside of all that, and
 * outlive a new load. The record also has the generation of the namespace's nftables at which that was so:
 * while it is the same, nothing has changed, and nothing is listed.
 *
 * A table is replaced by one transaction. In a user namespace a transaction may be longer than a socket there
 * can send; then the table is loaded in parts, and table NAME_hold drops everything until it is complete.
 *
 * Undo: for each table the text that the kernel listed before and, when the table was as recorded, the
 * record.
 */
#include "providers/nft/nft.h"

#include "base/error.h"
#include "base/files.h"
#include "base/netns.h"
#include "providers/nft/generation.h"
#include "providers/nft/listing.h"
#include "providers/nft/run.h"
#include "providers/nft/tables.h"
#include "providers/nft/translate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_VERSION 1
#define UNDO_VERSION 1
#define RECORD_MAX (64u << 20)
#define PART_ELEMENTS                                                                                        \
  400 /* at most 128 bytes of a message each, of the 208 KiB that a buffer has by default */
#define HOLD "_hold"

typedef struct {
  char *ns; /* "" ours */
  LwFamily family;
  char *name;
} TableId;

typedef struct {
  char *text;       /* as loaded, without the elements of run-time sets */
  char *listing;    /* digest */
  char *generation; /* at which the listing was that; nullable: not known */
  char **runtime;
} Record;

static void table_id_clear(TableId *id) {
  g_free(id->ns);
  g_free(id->name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TableId, table_id_clear)

static void record_free(Record *record) {
  if (!record)
    return;
  g_free(record->text);
  g_free(record->listing);
  g_free(record->generation);
  g_strfreev(record->runtime);
  g_free(record);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)

static TableId table_of(const LwResource *resource) {
  TableId id = {.ns = g_strdup(resource->ns ? resource->ns : "")};
  id.family = resource->ruleset ? resource->ruleset->family : LW_FAMILY_INET;
  const char *name = resource->ruleset && *resource->ruleset->name ? resource->ruleset->name : resource->name;
  id.name = g_strndup(name, strcspn(name, "/"));
  return id;
}

static gboolean ns_is_there(const TableId *id) {
  return !*id->ns || lw_netns_exists(id->ns);
}

/* Records */

static char *record_path(const LwProvider *self, const TableId *id) {
  g_autofree char *plain = g_strdup_printf("nft-%s-%s-%s", id->ns, lw_nft_family(id->family), id->name);
  g_autofree char *file = g_uri_escape_string(plain, NULL, FALSE);
  return g_build_filename(self->context->run_dir, file, NULL);
}

static const char *text_member(JsonObject *json, const char *name) {
  JsonNode *node = json_object_get_member(json, name);
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

static char **names_member(JsonObject *json, const char *name) {
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  JsonNode *node = json_object_get_member(json, name);
  JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    JsonNode *element = json_array_get_element(array, i);
    if (JSON_NODE_HOLDS_VALUE(element) && json_node_get_value_type(element) == G_TYPE_STRING)
      g_strv_builder_add(names, json_node_get_string(element));
  }
  return g_strv_builder_end(names);
}

static Record *record_from_json(JsonNode *node) {
  JsonObject *json = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  if (!json || json_object_get_int_member_with_default(json, "version", 0) != RECORD_VERSION ||
      !text_member(json, "text") || !text_member(json, "listing"))
    return NULL;
  Record *record = g_new0(Record, 1);
  record->text = g_strdup(text_member(json, "text"));
  record->listing = g_strdup(text_member(json, "listing"));
  record->generation = g_strdup(text_member(json, "generation"));
  record->runtime = names_member(json, "runtime");
  return record;
}

static JsonNode *record_to_json(const Record *record) {
  JsonObject *json = json_object_new();
  json_object_set_int_member(json, "version", RECORD_VERSION);
  json_object_set_string_member(json, "text", record->text);
  json_object_set_string_member(json, "listing", record->listing);
  if (record->generation)
    json_object_set_string_member(json, "generation", record->generation);
  JsonArray *runtime = json_array_new();
  for (guint i = 0; record->runtime[i]; i++)
    json_array_add_string_element(runtime, record->runtime[i]);
  json_object_set_array_member(json, "runtime", runtime);
  JsonNode *node = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(node, json);
  return node;
}

/* A record that is missing or damaged only means that the table is not known to be ours as wanted. */
static Record *record_load(const LwProvider *self, const TableId *id) {
  g_autofree char *path = record_path(self, id);
  g_autofree char *text = lw_file_read(path, RECORD_MAX, NULL, NULL);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (!text || !json_parser_load_from_data(parser, text, -1, NULL))
    return NULL;
  return record_from_json(json_parser_get_root(parser));
}

static gboolean record_save(const LwProvider *self, const TableId *id, const Record *record, GError **error) {
  g_autofree char *path = record_path(self, id);
  g_autoptr(JsonNode) node = record_to_json(record);
  g_autofree char *text = json_to_string(node, FALSE);
  return lw_file_write_atomic(path, text, strlen(text), 0600, error);
}

static gboolean record_forget(const LwProvider *self, const TableId *id, GError **error) {
  g_autofree char *path = record_path(self, id);
  if (unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", path);
  return FALSE;
}

/* Looking */

static gboolean table_exists(const TableId *id, gboolean *exists, GError **error) {
  *exists = FALSE;
  if (!ns_is_there(id))
    return TRUE;
  g_autoptr(GPtrArray) tables = lw_nft_tables(id->ns, error);
  if (!tables)
    return FALSE;
  *exists = lw_nft_find_table(tables, id->family, id->name) != NULL;
  return TRUE;
}

/* The listing; *out NULL when there is no such table. */
static gboolean list_table(const TableId *id, guint flags, char **out, GError **error) {
  gboolean exists = FALSE;
  *out = NULL;
  if (!table_exists(id, &exists, error))
    return FALSE;
  if (!exists)
    return TRUE;
  g_autofree char *command = g_strdup_printf("list table %s %s", lw_nft_family(id->family), id->name);
  *out = lw_nft_run(id->ns, command, flags, error);
  return *out != NULL;
}

static gboolean matches_record(const Record *record, const char *json) {
  g_autofree char *digest = lw_nft_listing_digest(json, (const char *const *)record->runtime, NULL);
  return digest && g_str_equal(digest, record->listing);
}

static char *wanted_text(const LwProvider *self, const LwRuleset *ruleset) {
  return lw_nft_print_with(ruleset, &(LwNftOptions){.mark = self->context->owner, .without_runtime = TRUE});
}

/* Is the table what the record says? Nothing has to be listed while the namespace's nftables are at the
 * generation at which it was. *there is written only when it is not as recorded. */
static gboolean as_recorded(LwProvider *self, const TableId *id, Record *record, gboolean *there,
                            GError **error) {
  g_autofree char *generation = ns_is_there(id) ? lw_nft_generation(id->ns, NULL) : NULL;
  if (record && generation && g_strcmp0(record->generation, generation) == 0)
    return TRUE;
  g_autofree char *json = NULL;
  *there = FALSE;
  if (!list_table(id, LW_NFT_JSON | LW_NFT_STATELESS, &json, error))
    return FALSE;
  *there = json != NULL;
  if (!json || !record || !matches_record(record, json))
    return FALSE;
  g_autofree char *after = lw_nft_generation(id->ns, NULL);
  if (generation && g_strcmp0(generation, after) == 0) {
    g_free(record->generation);
    record->generation = g_steal_pointer(&generation);
    (void)record_save(self, id, record, NULL); /* only saves the next listing */
  }
  return TRUE;
}

static gboolean observe_one(LwProvider *self, const LwResource *asked, const LwRuleset *wanted,
                            LwResourceSet *seen, GError **error) {
  g_auto(TableId) id = table_of(asked);
  g_autoptr(Record) record = record_load(self, &id);
  g_autoptr(GError) local = NULL;
  gboolean there = TRUE;
  gboolean recorded = as_recorded(self, &id, record, &there, &local);
  if (local) {
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
  }
  if (!there)
    return TRUE;
  LwResource *resource = lw_resource_new(LW_RES_RULESET, asked->ns, asked->name);
  if (recorded && wanted) {
    g_autofree char *text = wanted_text(self, wanted);
    if (g_str_equal(text, record->text))
      resource->ruleset = lw_ruleset_ref((LwRuleset *)wanted);
  }
  if (!resource->ruleset)
    resource->ruleset = lw_ruleset_new(id.family, id.name);
  lw_resource_set_add(seen, resource);
  return TRUE;
}

static gboolean observe_all(LwProvider *self, const LwResourceSet *asked, gboolean as_wanted,
                            LwResourceSet *seen, GError **error) {
  for (guint i = 0; asked && i < asked->list->len; i++) {
    const LwResource *resource = asked->list->pdata[i];
    g_autofree char *key = resource->kind == LW_RES_RULESET ? lw_resource_key(resource) : NULL;
    if (!key || lw_resource_set_find(seen, key))
      continue;
    if (!observe_one(self, resource, as_wanted ? resource->ruleset : NULL, seen, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean nft_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                            LwResourceSet *seen, GError **error) {
  return observe_all(self, wanted, TRUE, seen, error) && observe_all(self, owned, FALSE, seen, error);
}

/* Checking */

static gboolean check_owner(LwProvider *self, const TableId *id, GError **error) {
  g_autofree char *text = NULL;
  if (!list_table(id, LW_NFT_STATELESS, &text, error))
    return FALSE;
  g_autofree char *mark = text ? lw_nft_listing_mark(text) : NULL;
  if (!text || g_strcmp0(mark, self->context->owner) == 0)
    return TRUE;
  g_set_error(
      error, LW_ERROR, LW_ERROR_CONFLICT,
      "table %s %s is there already and is not ours (its comment is %s, not \"%s\"): rename or delete it, "
      "for example with: %s%s%snft delete table %s %s",
      lw_nft_family(id->family), id->name, mark ? mark : "missing", self->context->owner,
      *id->ns ? "ip netns exec " : "", id->ns, *id->ns ? " " : "", lw_nft_family(id->family), id->name);
  return FALSE;
}

static gboolean try_text(const TableId *id, const char *text, GError **error) {
  g_autofree char *commands = lw_nft_replacement(lw_nft_family(id->family), id->name, text);
  if (!ns_is_there(id))
    return lw_nft_try_fresh(commands, error);
  g_autofree char *output = lw_nft_run(id->ns, commands, LW_NFT_DRY, error);
  return output != NULL;
}

/* What is too long to be tried whole is tried without its elements: they are all of the kinds that the sets
 * say. */
static gboolean check_rules(LwProvider *self, const TableId *id, const LwRuleset *ruleset, GError **error) {
  g_autofree char *text = lw_nft_print_with(ruleset, &(LwNftOptions){.mark = self->context->owner});
  g_autoptr(GError) whole = NULL;
  if (try_text(id, text, &whole))
    return TRUE;
  if (lw_nft_was_too_long(whole)) {
    g_autoptr(GPtrArray) parts = lw_nft_parts(text, PART_ELEMENTS);
    return try_text(id, parts->pdata[0], error);
  }
  g_propagate_error(error, g_steal_pointer(&whole));
  return FALSE;
}

static gboolean nft_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    g_auto(TableId) id = table_of(change->to ? change->to : change->from);
    if (!check_owner(self, &id, error))
      return FALSE;
    if (change->to && change->to->ruleset && !check_rules(self, &id, change->to->ruleset, error)) {
      g_prefix_error(error, "table %s %s cannot be loaded here: ", lw_nft_family(id.family), id.name);
      return FALSE;
    }
  }
  return TRUE;
}

/* Changing */

static gboolean run_quietly(const TableId *id, const char *commands, GError **error) {
  g_autofree char *output = lw_nft_run(id->ns, commands, 0, error);
  return output != NULL;
}

/* Nothing passes while a table is incomplete: whoever is killed then leaves that behind, and the undo (or the
 * next load) takes it away. */
static char *hold_text(const TableId *id) {
  const char *family = lw_nft_family(id->family);
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "table %s %s" HOLD " {\n\tcomment \"lanward\"\n", family, id->name);
  static const char *const hooks[] = {"prerouting", "forward", "output"};
  for (gsize i = 0; i < G_N_ELEMENTS(hooks); i++)
    g_string_append_printf(text, "\tchain %s {\n\t\ttype filter hook %s priority -400; policy drop;\n\t}\n",
                           hooks[i], hooks[i]);
  g_string_append(text, "}\n");
  return g_string_free(text, FALSE);
}

static gboolean release_hold(const TableId *id, GError **error) {
  const char *family = lw_nft_family(id->family);
  g_autofree char *commands = g_strdup_printf("table %s %s" HOLD "\ndelete table %s %s" HOLD "\n", family,
                                              id->name, family, id->name);
  return run_quietly(id, commands, error);
}

static gboolean load_in_parts(const TableId *id, const char *text, GError **error) {
  g_autoptr(GPtrArray) parts = lw_nft_parts(text, PART_ELEMENTS);
  g_autofree char *hold = hold_text(id);
  g_autofree char *empty = lw_nft_replacement(lw_nft_family(id->family), id->name, parts->pdata[0]);
  if (!run_quietly(id, hold, error) || !run_quietly(id, empty, error))
    return FALSE;
  for (guint i = 1; i < parts->len; i++)
    if (!run_quietly(id, parts->pdata[i], error))
      return FALSE;
  return release_hold(id, error);
}

/* Puts the table of this text in place of what is there. One transaction; where it is longer than this
 * namespace's socket may send at once, several behind a hold. */
static gboolean replace_table(const TableId *id, const char *text, GError **error) {
  g_autofree char *commands = lw_nft_replacement(lw_nft_family(id->family), id->name, text);
  g_autoptr(GError) whole = NULL;
  if (run_quietly(id, commands, &whole))
    return TRUE;
  if (lw_nft_was_too_long(whole))
    return load_in_parts(id, text, error);
  g_propagate_error(error, g_steal_pointer(&whole));
  return FALSE;
}

static char **runtime_names(const LwRuleset *ruleset) {
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  for (guint i = 0; i < ruleset->sets->len; i++) {
    const LwSet *set = ruleset->sets->pdata[i];
    if (set->runtime)
      g_strv_builder_add(names, set->name);
  }
  return g_strv_builder_end(names);
}

/* Remembers what has been loaded just now. */
static gboolean record_now(LwProvider *self, const TableId *id, const char *text, char **runtime,
                           GError **error) {
  g_autofree char *json = NULL;
  g_autofree char *before = lw_nft_generation(id->ns, NULL);
  if (!list_table(id, LW_NFT_JSON | LW_NFT_STATELESS, &json, error))
    return FALSE;
  g_autofree char *after = lw_nft_generation(id->ns, NULL);
  if (!json) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "table %s %s vanished after it was loaded",
                lw_nft_family(id->family), id->name);
    return FALSE;
  }
  g_autoptr(Record) record = g_new0(Record, 1);
  record->text = g_strdup(text);
  record->runtime = g_strdupv(runtime);
  record->generation = g_strcmp0(before, after) == 0 ? g_steal_pointer(&before) : NULL;
  record->listing = lw_nft_listing_digest(json, (const char *const *)runtime, error);
  return record->listing && record_save(self, id, record, error);
}

/* The elements alone, when the table is what the record says and the rest is the same. Anything in the way
 * means "not by delta": the whole table is loaded then, in one transaction as well. */
static gboolean load_delta(LwProvider *self, const TableId *id, const char *json, const char *text) {
  g_autoptr(Record) record = record_load(self, id);
  if (!record || !matches_record(record, json))
    return FALSE;
  g_autofree char *delta = lw_nft_delta_of_texts(record->text, text);
  if (!delta)
    return FALSE;
  g_autofree char *output = *delta ? lw_nft_run(id->ns, delta, 0, NULL) : g_strdup("");
  return output != NULL;
}

static gboolean load_whole(LwProvider *self, const TableId *id, const char *json, const LwRuleset *ruleset,
                           char **runtime, GError **error) {
  g_autoptr(GHashTable) kept = json ? lw_nft_listing_runtime(json, (const char *const *)runtime) : NULL;
  LwNftOptions options = {.mark = self->context->owner, .runtime = kept};
  g_autofree char *text = lw_nft_print_with(ruleset, &options);
  return replace_table(id, text, error);
}

static gboolean load(LwProvider *self, const TableId *id, const LwRuleset *ruleset, GError **error) {
  g_autofree char *json = NULL;
  if (!list_table(id, LW_NFT_JSON | LW_NFT_STATELESS, &json, error))
    return FALSE;
  g_auto(GStrv) runtime = runtime_names(ruleset);
  g_autofree char *text = wanted_text(self, ruleset);
  if ((!json || !load_delta(self, id, json, text)) && !load_whole(self, id, json, ruleset, runtime, error))
    return FALSE;
  return record_now(self, id, text, runtime, error);
}

static gboolean delete_table(LwProvider *self, const TableId *id, GError **error) {
  gboolean exists = FALSE;
  if (!table_exists(id, &exists, error))
    return FALSE;
  g_autofree char *command = g_strdup_printf("delete table %s %s", lw_nft_family(id->family), id->name);
  return (!exists || run_quietly(id, command, error)) && (!ns_is_there(id) || release_hold(id, error)) &&
         record_forget(self, id, error);
}

static gboolean nft_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    g_auto(TableId) id = table_of(change->to ? change->to : change->from);
    gboolean ok = change->to ? load(self, &id, change->to->ruleset, error) : delete_table(self, &id, error);
    if (!ok) {
      g_prefix_error(error, "table %s %s%s%s: ", lw_nft_family(id.family), id.name, *id.ns ? " in " : "",
                     id.ns);
      return FALSE;
    }
  }
  return TRUE;
}

/* Undo */

static JsonObject *remember_table(LwProvider *self, const TableId *id, GError **error) {
  g_autofree char *text = NULL;
  g_autofree char *json = NULL;
  if (!list_table(id, 0, &text, error) || !list_table(id, LW_NFT_JSON | LW_NFT_STATELESS, &json, error))
    return NULL;
  JsonObject *entry = json_object_new();
  json_object_set_string_member(entry, "ns", id->ns);
  json_object_set_string_member(entry, "family", lw_nft_family(id->family));
  json_object_set_string_member(entry, "name", id->name);
  if (text)
    json_object_set_string_member(entry, "text", text);
  g_autoptr(Record) record = json ? record_load(self, id) : NULL;
  if (record && matches_record(record, json))
    json_object_set_member(entry, "record", record_to_json(record));
  return entry;
}

static GBytes *nft_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  g_autoptr(JsonArray) tables = json_array_new();
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    g_auto(TableId) id = table_of(change->to ? change->to : change->from);
    JsonObject *entry = remember_table(self, &id, error);
    if (!entry)
      return NULL;
    json_array_add_object_element(tables, entry);
  }
  JsonObject *json = json_object_new();
  json_object_set_int_member(json, "version", UNDO_VERSION);
  json_object_set_array_member(json, "tables", g_steal_pointer(&tables));
  g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(node, json);
  char *text = json_to_string(node, FALSE);
  return g_bytes_new_take(text, strlen(text));
}

static gboolean restore(LwProvider *self, const TableId *id, const char *text, JsonNode *record_node,
                        GError **error) {
  if (!text)
    return delete_table(self, id, error);
  if (!replace_table(id, text, error) || !release_hold(id, error))
    return FALSE;
  g_autoptr(Record) record = record_node ? record_from_json(record_node) : NULL;
  return record ? record_now(self, id, record->text, record->runtime, error) : record_forget(self, id, error);
}

static gboolean undo_entry(LwProvider *self, JsonNode *node, GError **error) {
  JsonObject *entry = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  const char *family = entry ? text_member(entry, "family") : NULL;
  if (!family || !text_member(entry, "ns") || !text_member(entry, "name")) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a stored undo of nftables is damaged");
    return FALSE;
  }
  g_auto(TableId) id = {.ns = g_strdup(text_member(entry, "ns")),
                        .family = g_str_equal(family, "bridge") ? LW_FAMILY_BRIDGE : LW_FAMILY_INET,
                        .name = g_strdup(text_member(entry, "name"))};
  return restore(self, &id, text_member(entry, "text"), json_object_get_member(entry, "record"), error);
}

static gboolean nft_undo(LwProvider *self, GBytes *undo, GError **error) {
  gsize length = 0;
  const char *data = g_bytes_get_data(undo, &length);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (!json_parser_load_from_data(parser, data ? data : "", (gssize)length, error))
    return FALSE;
  JsonNode *root = json_parser_get_root(parser);
  JsonObject *json = root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
  JsonNode *tables = json ? json_object_get_member(json, "tables") : NULL;
  if (!tables || !JSON_NODE_HOLDS_ARRAY(tables) ||
      json_object_get_int_member_with_default(json, "version", 0) != UNDO_VERSION) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "a stored undo of nftables is damaged or of another version");
    return FALSE;
  }
  JsonArray *array = json_node_get_array(tables);
  for (guint i = json_array_get_length(array); i-- > 0;)
    if (!undo_entry(self, json_array_get_element(array, i), error))
      return FALSE;
  return TRUE;
}

static void nft_free(LwProvider *self) {
  g_free(self);
}

gboolean lw_nft_has_bridge_meta(GError **error) {
  static const char empty[] =
      "table bridge lanward_probe {\n chain c {\n  type filter hook prerouting priority 0;\n }\n}\n";
  static const char meta[] =
      "table bridge lanward_probe {\n chain c {\n  type filter hook prerouting priority 0;\n"
      "  meta ibrname \"x\" drop\n }\n}\n";
  /* a failure of the second means something only where the first works */
  return lw_nft_try_fresh(empty, error) && lw_nft_try_fresh(meta, NULL);
}

LwProvider *lw_nft_provider_new(const LwProviderContext *context, GError **error) {
  static const LwResourceKind kinds[] = {LW_RES_RULESET, LW_RES_LAST};
  static const LwProviderOps ops = {
      .name = "nft",
      .kinds = kinds,
      .observe = nft_observe,
      .check = nft_check,
      .prepare = nft_prepare,
      .apply = nft_apply,
      .undo = nft_undo,
      .free = nft_free,
  };
  if (g_mkdir_with_parents(context->run_dir, 0700) != 0) {
    lw_error_set_errno(error, "cannot make %s", context->run_dir);
    return NULL;
  }
  LwProvider *self = g_new0(LwProvider, 1);
  self->ops = &ops;
  self->context = context;
  return self;
}
