#include "providers/opnsense/opnsense.h"

#include "base/error.h"
#include "base/secret.h"

#include <string.h>

typedef struct {
  LwProvider base;
  LwOpnApi *api;
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
  g_autoptr(LwResourceSet) like = lw_resource_set_new();
  add_all(like, wanted);
  add_all(like, owned);
  g_autoptr(LwResourceSet) items = look((Opnsense *)provider, like, error);
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

static gboolean check(LwProvider *provider, const GPtrArray *changes, GError **error) {
  Opnsense *self = (Opnsense *)provider;
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

static GBytes *prepare(LwProvider *provider, const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) now = against_now((Opnsense *)provider, changes, FALSE, error);
  return now ? lw_undo_from_changes(now) : NULL;
}

static gboolean carry_out(Opnsense *self, const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) items = lw_opn_item_changes(changes, error);
  if (!items || items->len == 0)
    return items != NULL;
  char *config = lw_opn_api_download(self->api, error);
  if (!config)
    return FALSE;
  g_autoptr(GPtrArray) networks = lw_opn_touched_networks(items, config);
  lw_secret_clear(config);
  return lw_opn_api_apply(self->api, items, networks, NULL, NULL, error);
}

static gboolean apply(LwProvider *provider, const GPtrArray *changes, GError **error) {
  return carry_out((Opnsense *)provider, changes, error);
}

static gboolean undo(LwProvider *provider, GBytes *bytes, GError **error) {
  g_autoptr(GPtrArray) pending = lw_undo_pending(provider, bytes, error);
  return pending && carry_out((Opnsense *)provider, pending, error);
}

static void provider_free(LwProvider *provider) {
  lw_opn_api_free(((Opnsense *)provider)->api);
  g_free(provider);
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
