#include "providers/opnsense/opnsense.h"

#include "base/error.h"
#include "base/files.h"
#include "base/secret.h"

#include <string.h>
#include <unistd.h>

#define UNDO_MAX (64 * 1024 * 1024)

typedef struct {
  LwProvider base;
  LwOpnApi *api;                      /* nullable: none is reached */
  char *url, *key_file, *certificate; /* nullable: how api was made is not known */
  gboolean postponed;
  char *later; /* nullable */
} Opnsense;

static const LwResourceKind kinds[] = {LW_RES_ROUTER_ITEM, LW_RES_LAST};

static void add_all(LwResourceSet *to, const LwResourceSet *from) {
  for (guint i = 0; from && i < from->list->len; i++) {
    LwResource *r = from->list->pdata[i];
    g_autofree char *key = lw_resource_key(r);
    if (r->kind == LW_RES_ROUTER_ITEM && !lw_resource_set_find(to, key))
      lw_resource_set_add(to, lw_resource_ref(r));
  }
}

static LwResourceSet *look(Opnsense *self, const LwResourceSet *like, GError **error) {
  char *config = lw_opn_api_download(self->api, error);
  LwResourceSet *items = config ? lw_opn_items(config, like, error) : NULL;
  lw_secret_clear(config);
  return items;
}

static gboolean observe(LwProvider *provider, const LwResourceSet *wanted, const LwResourceSet *owned,
                        LwResourceSet *seen, GError **error) {
  Opnsense *self = (Opnsense *)provider;
  g_autoptr(LwResourceSet) like = lw_resource_set_new();
  if (self->postponed)
    add_all(seen, owned);
  if (self->postponed || !self->api)
    return TRUE;
  add_all(like, wanted);
  add_all(like, owned);
  g_autoptr(LwResourceSet) items = look(self, like, error);
  add_all(seen, items);
  return items != NULL;
}

/* The changes as they are against what is there now. */
static GPtrArray *against_now(Opnsense *self, const GPtrArray *changes, gboolean strict, GError **error) {
  g_autoptr(LwResourceSet) like = lw_resource_set_new();
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    lw_resource_set_add(like, lw_resource_ref(change->to ? change->to : change->from));
  }
  g_autoptr(LwResourceSet) now = look(self, like, error);
  if (!now)
    return NULL;
  g_autoptr(GPtrArray) out = lw_changes_new();
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *named = change->to ? change->to : change->from;
    g_autofree char *key = lw_resource_key(named);
    LwResource *there = lw_resource_set_find(now, key);
    if (strict && !change->from && there) {
      g_autofree char *text = lw_resource_describe(named);
      g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                  "%s was made meanwhile by somebody else: look again and plan again", text);
      return NULL;
    }
    if (there || change->to)
      g_ptr_array_add(out, lw_change_new(change->klass, there, change->to));
  }
  return g_steal_pointer(&out);
}

/* A new tunnel's keys are no part of a resource: the API would make one without. */
static gboolean check_new_tunnels(const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (change->from || !g_str_has_prefix(change->to->name, "instance/"))
      continue;
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "tunnel “%s” is new to the OPNsense: its key and interface come by a config.xml (lanward "
                "opnsense FILE THERE.xml), not by the API",
                change->to->link ? change->to->link : "");
    return FALSE;
  }
  return TRUE;
}

static gboolean is_reached(const Opnsense *self, GError **error) {
  if (!self->api)
    g_set_error_literal(error, LW_ERROR, LW_ERROR_FAILED,
                        "the OPNsense is not reached: its items cannot be changed now");
  return self->api != NULL;
}

static gboolean check(LwProvider *provider, const GPtrArray *changes, GError **error) {
  Opnsense *self = (Opnsense *)provider;
  if (!is_reached(self, error))
    return FALSE;
  g_autofree char *version = lw_opn_api_version(self->api, error);
  if (!version || !check_new_tunnels(changes, error))
    return FALSE;
  if (!lw_opn_version_known(version)) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "OPNsense %s is not a version that this lanward knows (26.7): it is only read and proved, "
                "nothing is changed",
                version);
    return FALSE;
  }
  g_autoptr(GPtrArray) now = against_now(self, changes, TRUE, error);
  return now != NULL;
}

/* ---- an undo knows its router ---- */

static void add_text(JsonObject *object, const char *name, const char *text) {
  if (text)
    json_object_set_string_member(object, name, text);
}

static GBytes *with_target(const Opnsense *self, GBytes *undo) {
  gsize length;
  const char *text = g_bytes_get_data(undo, &length);
  g_autoptr(JsonParser) parser = json_parser_new();
  if (!json_parser_load_from_data(parser, text, (gssize)length, NULL))
    return g_bytes_ref(undo);
  g_autoptr(JsonNode) root = json_parser_steal_root(parser);
  JsonObject *router = json_object_new();
  add_text(router, "url", self->url);
  add_text(router, "key-file", self->key_file);
  add_text(router, "certificate", self->certificate);
  json_object_set_object_member(json_node_get_object(root), "router", router);
  char *whole = json_to_string(root, FALSE);
  return g_bytes_new_take(whole, strlen(whole));
}

static const char *member(JsonObject *object, const char *name) {
  JsonNode *node = object ? json_object_get_member(object, name) : NULL;
  return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
             ? json_node_get_string(node)
             : NULL;
}

static gboolean connect_by(Opnsense *self, GBytes *undo, GError **error) {
  gsize length;
  const char *text = g_bytes_get_data(undo, &length);
  g_autoptr(JsonParser) parser = json_parser_new();
  JsonNode *root = text && json_parser_load_from_data(parser, text, (gssize)length, NULL)
                       ? json_parser_get_root(parser)
                       : NULL;
  JsonNode *node = root && JSON_NODE_HOLDS_OBJECT(root)
                       ? json_object_get_member(json_node_get_object(root), "router")
                       : NULL;
  JsonObject *router = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
  LwOpnTarget target = {member(router, "url"), member(router, "key-file"), member(router, "certificate")};
  if (target.url && target.key_file)
    return lw_opnsense_provider_connect(&self->base, &target, error);
  g_set_error_literal(error, LW_ERROR, LW_ERROR_FAILED, "a stored undo is damaged: it names no OPNsense");
  return FALSE;
}

static GBytes *prepare(LwProvider *provider, const GPtrArray *changes, GError **error) {
  Opnsense *self = (Opnsense *)provider;
  g_autoptr(GPtrArray) now = is_reached(self, error) ? against_now(self, changes, FALSE, error) : NULL;
  g_autoptr(GBytes) undo = now ? lw_undo_from_changes(now) : NULL;
  return undo && self->url ? with_target(self, undo) : g_steal_pointer(&undo);
}

static GPtrArray *networks_of(Opnsense *self, const GPtrArray *items, GError **error) {
  char *config = lw_opn_api_download(self->api, error);
  GPtrArray *networks = config ? lw_opn_touched_networks(items, config) : NULL;
  lw_secret_clear(config);
  return networks;
}

static gboolean carry_out(Opnsense *self, const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) items = lw_opn_item_changes(changes, error);
  if (!items || items->len == 0)
    return items != NULL;
  g_autoptr(GPtrArray) networks = networks_of(self, items, error);
  return networks && lw_opn_api_apply(self->api, items, networks, NULL, NULL, error);
}

/* An undo that was cut short may have put an item back and not loaded it. */
static gboolean enforce(Opnsense *self, const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) items = lw_opn_item_changes(changes, error);
  g_autoptr(GPtrArray) networks = items && items->len ? networks_of(self, items, error) : NULL;
  return items && (items->len == 0 || (networks && lw_opn_api_enforce(self->api, items, networks, error)));
}

static gboolean apply(LwProvider *provider, const GPtrArray *changes, GError **error) {
  return carry_out((Opnsense *)provider, changes, error);
}

static gboolean keep_for_later(const Opnsense *self, GBytes *bytes, GError **error) {
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  /* an older one is of a state before this one's, and must come after it: there is one router, and one
     transaction at a time, so it is not overwritten but in the way */
  if (g_file_test(self->later, G_FILE_TEST_EXISTS)) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s waits to be undone at the OPNsense already",
                self->later);
    return FALSE;
  }
  return lw_file_write_atomic(self->later, text, length, 0600, error);
}

static gboolean undo(LwProvider *provider, GBytes *bytes, GError **error) {
  Opnsense *self = (Opnsense *)provider;
  if (self->postponed && self->later)
    return keep_for_later(self, bytes, error);
  if (!self->api && !connect_by(self, bytes, error))
    return FALSE;
  g_autoptr(GPtrArray) all = lw_undo_to_changes(bytes, error);
  g_autoptr(GPtrArray) pending = all ? lw_undo_pending(provider, bytes, error) : NULL;
  return pending && carry_out(self, pending, error) &&
         (pending->len == all->len || enforce(self, all, error));
}

static void forget_target(Opnsense *self) {
  g_clear_pointer(&self->api, lw_opn_api_free);
  g_clear_pointer(&self->url, g_free);
  g_clear_pointer(&self->key_file, g_free);
  g_clear_pointer(&self->certificate, g_free);
}

static void provider_free(LwProvider *provider) {
  Opnsense *self = (Opnsense *)provider;
  forget_target(self);
  g_free(self->later);
  g_free(self);
}

static const LwProviderOps ops = {
    .name = "opnsense",
    .kinds = kinds,
    .outlives_boot = TRUE,
    .observe = observe,
    .check = check,
    .prepare = prepare,
    .apply = apply,
    .undo = undo,
    .free = provider_free,
};

LwProvider *lw_opnsense_provider_new(const LwProviderContext *context, LwOpnApi *api) {
  Opnsense *self = g_new0(Opnsense, 1);
  self->base = (LwProvider){.ops = &ops, .context = context};
  self->api = api;
  return &self->base;
}

LwProvider *lw_opnsense_provider_make(const LwProviderContext *context, GError **error) {
  (void)error;
  return lw_opnsense_provider_new(context, NULL);
}

gboolean lw_opnsense_provider_connect(LwProvider *provider, const LwOpnTarget *target, GError **error) {
  Opnsense *self = (Opnsense *)provider;
  gboolean same = self->api && g_strcmp0(self->url, target->url) == 0 &&
                  g_strcmp0(self->key_file, target->key_file) == 0 &&
                  g_strcmp0(self->certificate, target->certificate) == 0;
  if (same)
    return TRUE;
  g_autoptr(LwOpnKey) key = lw_opn_key_read(target->key_file, error);
  if (!key)
    return FALSE;
  forget_target(self);
  self->api = lw_opn_api_new(target->url, key, target->certificate);
  lw_opn_api_set_apart(self->api);
  self->url = g_strdup(target->url);
  self->key_file = g_strdup(target->key_file);
  self->certificate = g_strdup(target->certificate);
  return TRUE;
}

LwOpnApi *lw_opnsense_provider_api(LwProvider *provider) {
  return ((Opnsense *)provider)->api;
}

void lw_opnsense_provider_postpone(LwProvider *provider, const char *later) {
  Opnsense *self = (Opnsense *)provider;
  self->postponed = TRUE;
  g_free(self->later);
  self->later = g_strdup(later);
}

gboolean lw_opnsense_provider_undo_later(LwProvider *provider, const char *later, GError **error) {
  gsize length = 0;
  if (!g_file_test(later, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autofree char *text = lw_file_read(later, UNDO_MAX, &length, error);
  if (!text)
    return FALSE;
  g_autoptr(GBytes) bytes = g_bytes_new(text, length);
  if (!lw_provider_undo(provider, bytes, NULL, NULL, error))
    return FALSE;
  if (unlink(later) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", later);
  return FALSE;
}

gboolean lw_opnsense_provider_end(LwProvider *provider, const char *network, guint *ended, GError **error) {
  Opnsense *self = (Opnsense *)provider;
  guint before = self->api ? lw_opn_api_ended(self->api) : 0;
  if (!is_reached(self, error) || !lw_opn_api_end(self->api, network, error))
    return FALSE;
  if (ended)
    *ended += lw_opn_api_ended(self->api) - before;
  return TRUE;
}

guint lw_opnsense_provider_ended(LwProvider *provider) {
  const Opnsense *self = (Opnsense *)provider;
  return self->api ? lw_opn_api_ended(self->api) : 0;
}
