/* A world in memory that behaves as the kernel does where it matters to the contract. */
#include "base/error.h"
#include "provider/provider.h"

#include <string.h>

typedef struct {
  LwProvider base;
  LwProviderOps ops; /* a copy each: the kinds differ */
  LwResourceSet *world;
} Fake;

static gboolean find_all(Fake *fake, const LwResourceSet *set, LwResourceSet *seen) {
  for (guint i = 0; set && i < set->list->len; i++) {
    const LwResource *resource = set->list->pdata[i];
    g_autofree char *key = lw_resource_key(resource);
    LwResource *there = lw_resource_set_find(fake->world, key);
    if (there && lw_provider_handles(&fake->base, resource->kind) && !lw_resource_set_find(seen, key))
      lw_resource_set_add(seen, lw_resource_ref(there));
  }
  return TRUE;
}

static gboolean fake_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                             LwResourceSet *seen, GError **error) {
  return find_all((Fake *)self, wanted, seen) && find_all((Fake *)self, owned, seen);
}

static gboolean is_made_by_us(const LwResource *link) {
  return link->kind == LW_RES_LINK && link->link_type != LW_LINK_EXTERNAL;
}

static gboolean fake_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  Fake *fake = (Fake *)self;
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *resource = change->to ? change->to : change->from;
    if (!is_made_by_us(resource))
      continue;
    g_autofree char *key = lw_resource_key(resource);
    const LwResource *there = lw_resource_set_find(fake->world, key);
    if (!there || g_strcmp0(there->alias, resource->alias) == 0)
      continue;
    g_autofree char *name = lw_resource_describe(there);
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "%s exists already and is not lanward's", name);
    return FALSE;
  }
  return TRUE;
}

static GBytes *fake_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_undo_from_changes(changes);
}

static gboolean text_equal(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "") == 0;
}

static gboolean is_namespace(const LwResource *resource) {
  return resource->kind == LW_RES_NETNS || resource->kind == LW_RES_CONTAINER;
}

/* Whether `other` cannot be there without `gone`. */
static gboolean goes_with(const LwResource *gone, const LwResource *other) {
  if (is_namespace(gone))
    return !is_namespace(other) && other->kind != LW_RES_CELL &&
           (text_equal(other->ns, gone->name) || text_equal(other->peer_ns, gone->name));
  if (!is_made_by_us(gone))
    return FALSE;
  if (other->kind == LW_RES_LINK)
    return gone->link_type == LW_LINK_VETH && text_equal(other->ns, gone->peer_ns) &&
           text_equal(other->name, gone->peer);
  return (other->kind == LW_RES_ADDRESS || other->kind == LW_RES_ROUTE) && text_equal(other->ns, gone->ns) &&
         text_equal(other->link, gone->name);
}

static void remove_with_dependants(Fake *fake, const char *key) {
  LwResource *there = lw_resource_set_find(fake->world, key);
  if (!there)
    return;
  g_autoptr(LwResource) gone = lw_resource_ref(there);
  lw_resource_set_remove(fake->world, key);
  for (guint i = 0; i < fake->world->list->len;) {
    LwResource *other = fake->world->list->pdata[i];
    if (!goes_with(gone, other)) {
      i++;
      continue;
    }
    g_autofree char *other_key = lw_resource_key(other);
    remove_with_dependants(fake, other_key);
    i = 0;
  }
}

static gboolean namespace_is_there(Fake *fake, const LwResource *resource, GError **error) {
  if (!*resource->ns || is_namespace(resource) || !lw_provider_handles(&fake->base, LW_RES_NETNS))
    return TRUE;
  g_autofree char *key = g_strconcat("netns:", resource->ns, NULL);
  g_autofree char *container = g_strconcat("container:", resource->ns, NULL);
  if (lw_resource_set_find(fake->world, key) || lw_resource_set_find(fake->world, container))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is no network namespace %s", resource->ns);
  return FALSE;
}

static void put(Fake *fake, LwResource *resource) {
  g_autofree char *key = lw_resource_key(resource);
  lw_resource_set_remove(fake->world, key);
  lw_resource_set_add(fake->world, lw_resource_ref(resource));
}

static gboolean fake_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  Fake *fake = (Fake *)self;
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (change->klass == LW_CHANGE_DELETE || change->klass == LW_CHANGE_REPLACE) {
      g_autofree char *key = lw_resource_key(change->from);
      remove_with_dependants(fake, key);
    }
    if (!change->to)
      continue;
    if (!namespace_is_there(fake, change->to, error))
      return FALSE;
    put(fake, change->to);
  }
  return TRUE;
}

/* Namespaces first and links next when things come back, the other way round when they go. */
static gboolean apply_in_order(Fake *fake, const GPtrArray *pending, GError **error) {
  for (int removing = 1; removing >= 0; removing--) {
    for (int step = 0; step < (int)LW_RES_LAST; step++) {
      int kind = removing ? (int)LW_RES_LAST - 1 - step : step;
      g_autoptr(GPtrArray) some = g_ptr_array_new();
      for (guint i = 0; i < pending->len; i++) {
        const LwChange *change = pending->pdata[i];
        const LwResource *resource = change->to ? change->to : change->from;
        if ((int)resource->kind == kind && (change->to == NULL) == (removing == 1))
          g_ptr_array_add(some, pending->pdata[i]);
      }
      if (!fake_apply(&fake->base, some, error))
        return FALSE;
    }
  }
  return TRUE;
}

static gboolean fake_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) pending = lw_undo_pending(self, undo, error);
  return pending && apply_in_order((Fake *)self, pending, error);
}

static void fake_free(LwProvider *self) {
  g_free(self);
}

LwProvider *lw_fake_provider_new(const LwProviderContext *context, const LwResourceKind *kinds,
                                 LwResourceSet *world) {
  Fake *fake = g_new0(Fake, 1);
  fake->ops = (LwProviderOps){.name = "fake",
                              .kinds = kinds,
                              .observe = fake_observe,
                              .check = fake_check,
                              .prepare = fake_prepare,
                              .apply = fake_apply,
                              .undo = fake_undo,
                              .free = fake_free};
  fake->base.ops = &fake->ops;
  fake->base.context = context;
  fake->world = world;
  return &fake->base;
}
