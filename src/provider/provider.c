#include "provider/provider.h"

#include "base/error.h"

void lw_provider_free(LwProvider *provider) {
  if (provider)
    provider->ops->free(provider);
}

gboolean lw_provider_handles(const LwProvider *provider, LwResourceKind kind) {
  for (const LwResourceKind *own = provider->ops->kinds; *own != LW_RES_LAST; own++)
    if (*own == kind)
      return TRUE;
  return FALSE;
}

/* A provider that fails without saying why, or says why and does not fail, has failed. */
static gboolean settle(const LwProvider *provider, const char *phase, gboolean ok, GError *inner,
                       GError **error) {
  if (ok && !inner)
    return TRUE;
  if (inner)
    g_propagate_error(error, inner);
  else
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s of provider %s failed without a reason", phase,
                provider->ops->name);
  return FALSE;
}

static gboolean changes_are_its_own(const LwProvider *provider, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *resource = change->to ? change->to : change->from;
    if (resource && lw_provider_handles(provider, resource->kind))
      continue;
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "provider %s cannot change a %s", provider->ops->name,
                resource ? lw_resource_kind_name(resource->kind) : "nothing");
    return FALSE;
  }
  return TRUE;
}

static gboolean inject(const LwProvider *provider, const char *phase, LwInjector injector, gpointer data,
                       GError **error) {
  GError *inner = NULL;
  gboolean go_on = !injector || injector(provider, phase, data, &inner);
  return settle(provider, phase, go_on, inner, error);
}

gboolean lw_provider_observe(LwProvider *provider, const LwResourceSet *wanted, const LwResourceSet *owned,
                             LwResourceSet *seen, GError **error) {
  GError *inner = NULL;
  guint before = seen->list->len;
  gboolean ok = provider->ops->observe(provider, wanted, owned, seen, &inner);
  if (!settle(provider, "observe", ok, inner, error))
    return FALSE;
  for (guint i = before; i < seen->list->len; i++) {
    const LwResource *resource = seen->list->pdata[i];
    if (lw_provider_handles(provider, resource->kind))
      continue;
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "provider %s reports a %s, which is not its kind",
                provider->ops->name, lw_resource_kind_name(resource->kind));
    return FALSE;
  }
  return TRUE;
}

gboolean lw_provider_check(LwProvider *provider, const GPtrArray *changes, GError **error) {
  GError *inner = NULL;
  if (!changes_are_its_own(provider, changes, error))
    return FALSE;
  gboolean ok = provider->ops->check(provider, changes, &inner);
  return settle(provider, "check", ok, inner, error);
}

static GBytes *prepare(LwProvider *provider, const GPtrArray *changes, GError **error) {
  GError *inner = NULL;
  g_autoptr(GBytes) undo = provider->ops->prepare(provider, changes, &inner);
  return settle(provider, "prepare", undo != NULL, inner, error) ? g_steal_pointer(&undo) : NULL;
}

gboolean lw_provider_carry_out(LwProvider *provider, const GPtrArray *changes, LwUndoSink sink,
                               gpointer sink_data, LwInjector injector, gpointer injector_data,
                               GError **error) {
  if (changes->len == 0)
    return TRUE;
  if (!changes_are_its_own(provider, changes, error) ||
      !inject(provider, "prepare", injector, injector_data, error))
    return FALSE;
  g_autoptr(GBytes) undo = prepare(provider, changes, error);
  if (!undo)
    return FALSE;
  GError *inner = NULL;
  gboolean durable = sink && sink(provider, undo, sink_data, &inner);
  if (!settle(provider, "keeping the undo", durable, inner, error) ||
      !inject(provider, "apply", injector, injector_data, error))
    return FALSE;
  gboolean applied = provider->ops->apply(provider, changes, &inner);
  return settle(provider, "apply", applied, inner, error);
}

gboolean lw_provider_undo(LwProvider *provider, GBytes *undo, LwInjector injector, gpointer injector_data,
                          GError **error) {
  if (!inject(provider, "undo", injector, injector_data, error))
    return FALSE;
  GError *inner = NULL;
  gboolean ok = provider->ops->undo(provider, undo, &inner);
  return settle(provider, "undo", ok, inner, error);
}
