#include "providers/networkmanager/networkmanager.h"

#include "base/error.h"
#include "base/apart.h"
#include "providers/networkmanager/internal.h"
#include "providers/networkmanager/translate.h"

#include <string.h>

#define LOOK_SECONDS 30
#define CHANGE_SECONDS 180
#define WAIT_MS 5000
#define WAIT_UNDO_MS 20000 /* it may have died under us, and is about to be started again */

static const LwResourceKind kinds[] = {LW_RES_PROFILE, LW_RES_LAST};

static const char *text(const char *value) {
  return value ? value : "";
}

/* --- looking
 * -------------------------------------------------------------------------------------------------- */

static void write_set(const LwResourceSet *set, GString *answer) {
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
  JsonArray *array = json_array_new();
  for (guint i = 0; i < set->list->len; i++)
    json_array_add_element(array, lw_resource_to_json(set->list->pdata[i]));
  json_node_take_array(root, array);
  g_autofree char *json = json_to_string(root, FALSE);
  g_string_append(answer, json);
}

static gboolean read_set(const char *json, LwResourceSet *seen, GError **error) {
  g_autoptr(JsonNode) root = json_from_string(json, error);
  JsonArray *array = root && JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
  if (!root)
    return FALSE;
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    LwResource *profile = lw_resource_from_json(json_array_get_element(array, i), error);
    if (!profile)
      return FALSE;
    lw_resource_set_add(seen, profile);
  }
  return TRUE;
}

typedef struct {
  GPtrArray *asked; /* of LwResource*, borrowed: profiles, each once */
  guint wait_ms;
} Observation;

/* What the asked one does not speak of is not compared: the IP configuration that a bridge took over. */
static void leave_out_unasked(LwResource *seen, const LwResource *asked) {
  if (*text(asked->method))
    return;
  g_clear_pointer(&seen->method, g_free);
  g_array_set_size(seen->addresses, 0);
  g_ptr_array_set_size(seen->routes, 0);
}

static gboolean observe_apart(gpointer data, GString *answer, GError **error) {
  const Observation *o = data;
  g_autoptr(LwNm) nm = lw_nm_open(o->wait_ms, error);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  if (!nm)
    return FALSE;
  for (guint i = 0; i < o->asked->len; i++) {
    const LwResource *asked = o->asked->pdata[i];
    g_autofree char *uuid = lw_nm_uuid(asked->name);
    g_autoptr(LwResource) profile = lw_nm_see(nm, uuid);
    if (!profile || g_strcmp0(profile->name, asked->name) != 0)
      continue;
    leave_out_unasked(profile, asked);
    lw_resource_set_add(seen, g_steal_pointer(&profile));
  }
  write_set(seen, answer);
  return TRUE;
}

static void collect(const LwResourceSet *set, GHashTable *names, GPtrArray *asked) {
  for (guint i = 0; set && i < set->list->len; i++) {
    LwResource *profile = set->list->pdata[i];
    if (profile->kind == LW_RES_PROFILE && g_hash_table_add(names, profile->name))
      g_ptr_array_add(asked, profile);
  }
}

static gboolean look(const LwResourceSet *wanted, const LwResourceSet *owned, guint wait_ms,
                     LwResourceSet *seen, GError **error) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) asked = g_ptr_array_new();
  collect(wanted, names, asked);
  collect(owned, names, asked);
  if (asked->len == 0)
    return TRUE;
  Observation observation = {asked, wait_ms};
  g_autofree char *answer = lw_apart("NetworkManager", observe_apart, &observation, LOOK_SECONDS, error);
  return answer && read_set(answer, seen, error);
}

static gboolean observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                        LwResourceSet *seen, GError **error) {
  return look(wanted, owned, WAIT_MS, seen, error);
}

static gboolean profiles_apart(gpointer data, GString *answer, GError **error) {
  g_autoptr(LwNm) nm = lw_nm_open(WAIT_MS, error);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  if (!nm)
    return FALSE;
  lw_nm_see_all(nm, seen);
  write_set(seen, answer);
  return TRUE;
}

LwResourceSet *lw_nm_profiles(GError **error) {
  g_autofree char *answer = lw_apart("NetworkManager", profiles_apart, NULL, LOOK_SECONDS, error);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  return answer && read_set(answer, seen, error) ? g_steal_pointer(&seen) : NULL;
}

/* --- changing
 * ------------------------------------------------------------------------------------------------- */

typedef struct {
  const GPtrArray *changes;
  guint wait_ms;
  gboolean (*body)(LwNm *nm, const GPtrArray *changes, GError **error);
} Work;

static gboolean work_apart(gpointer data, GString *answer, GError **error) {
  const Work *work = data;
  g_autoptr(LwNm) nm = lw_nm_open(work->wait_ms, error);
  return nm && work->body(nm, work->changes, error);
}

static gboolean do_work(const GPtrArray *changes, guint wait_ms, guint seconds,
                        gboolean (*body)(LwNm *nm, const GPtrArray *changes, GError **error),
                        GError **error) {
  if (changes->len == 0)
    return TRUE;
  Work work = {changes, wait_ms, body};
  g_autofree char *answer = lw_apart("NetworkManager", work_apart, &work, seconds, error);
  return answer != NULL;
}

static gboolean check(LwProvider *self, const GPtrArray *changes, GError **error) {
  return do_work(changes, WAIT_MS, LOOK_SECONDS, lw_nm_check, error);
}

static GBytes *prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_undo_from_changes(changes);
}

static gboolean apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  return do_work(changes, WAIT_MS, CHANGE_SECONDS, lw_nm_change, error);
}

static gboolean wait_apart(gpointer data, GString *answer, GError **error) {
  g_autoptr(LwNm) nm = lw_nm_open(WAIT_UNDO_MS, error);
  return nm != NULL;
}

static gboolean undo(LwProvider *self, GBytes *bytes, GError **error) {
  g_autofree char *there = lw_apart("NetworkManager", wait_apart, NULL, LOOK_SECONDS, error);
  g_autoptr(GPtrArray) pending = there ? lw_undo_pending(self, bytes, error) : NULL;
  return pending && apply(self, pending, error);
}

static void provider_free(LwProvider *self) {
  g_free(self);
}

static const LwProviderOps ops = {.name = "networkmanager",
                                  .kinds = kinds,
                                  .outlives_boot = TRUE,
                                  .observe = observe,
                                  .check = check,
                                  .prepare = prepare,
                                  .apply = apply,
                                  .undo = undo,
                                  .free = provider_free};

LwProvider *lw_networkmanager_provider_new(const LwProviderContext *context, GError **error) {
  LwProvider *provider = g_new0(LwProvider, 1);
  provider->ops = &ops;
  provider->context = context;
  return provider;
}
