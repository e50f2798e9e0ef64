/* The kernel's own objects: namespaces, bridges, veths, addresses, routes, routing rules, settings.
 *
 * Kinds: NETNS, LINK, ADDRESS, ROUTE, RULE, SYSCTL. Its undo is the generic one: the changes themselves,
 * carried out backwards against what is there then. A link that it makes carries the owner's mark as its
 * alias, routes and rules carry a protocol number of their own; others' are never deleted. A setting that is
 * no longer wanted stays as it is: what it was before nobody knows by then (the undo of its change does, and
 * puts that back).
 */
#include "providers/kernel/kernel-internal.h"

#include "base/error.h"
#include "base/netns.h"

#include <unistd.h>

static const LwResourceKind kinds[] = {LW_RES_NETNS, LW_RES_LINK,   LW_RES_ADDRESS, LW_RES_ROUTE,
                                       LW_RES_RULE,  LW_RES_SYSCTL, LW_RES_LAST};

LwRtnl *lw_kernel_socket(Kernel *kernel, const char *ns, GError **error) {
  const char *name = ns ? ns : "";
  LwRtnl *rtnl = g_hash_table_lookup(kernel->sockets, name);
  if (rtnl && lw_rtnl_is_current(rtnl, name))
    return rtnl;
  rtnl = lw_rtnl_open(name, error);
  if (rtnl)
    g_hash_table_replace(kernel->sockets, g_strdup(name), rtnl);
  else
    g_hash_table_remove(kernel->sockets, name);
  return rtnl;
}

void lw_kernel_forget(Kernel *kernel, const char *ns) {
  g_hash_table_remove(kernel->sockets, ns);
}

static gboolean observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                        LwResourceSet *seen, GError **error) {
  return lw_kernel_observe((Kernel *)self, wanted, owned, seen, error);
}

static gboolean check(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_kernel_check((Kernel *)self, changes, error);
}

static GBytes *prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_undo_from_changes(changes);
}

static gboolean apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_kernel_apply((Kernel *)self, changes, error);
}

/* A creation that was cut short leaves a file that is no namespace: there is nothing to observe, and yet
 * something to take away. */
static gboolean remove_stumps(GBytes *bytes, GError **error) {
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(bytes, error);
  if (!changes)
    return FALSE;
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (!change->to && change->from->kind == LW_RES_NETNS && !lw_netns_exists(change->from->name) &&
        !lw_netns_delete(change->from->name, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean undo(LwProvider *self, GBytes *bytes, GError **error) {
  g_autoptr(GPtrArray) pending = lw_undo_pending(self, bytes, error);
  return pending && lw_kernel_apply((Kernel *)self, pending, error) && remove_stumps(bytes, error);
}

static void kernel_free(LwProvider *self) {
  Kernel *kernel = (Kernel *)self;
  g_hash_table_unref(kernel->sockets);
  g_free(kernel);
}

static const LwProviderOps ops = {.name = "kernel",
                                  .kinds = kinds,
                                  .observe = observe,
                                  .check = check,
                                  .prepare = prepare,
                                  .apply = apply,
                                  .undo = undo,
                                  .free = kernel_free};

LwProvider *lw_kernel_provider_new(const LwProviderContext *context, GError **error) {
  Kernel *kernel = g_new0(Kernel, 1);
  kernel->base.ops = &ops;
  kernel->base.context = context;
  kernel->sockets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lw_rtnl_close);
  kernel->ipv6 = access("/proc/sys/net/ipv6", F_OK) == 0;
  g_autoptr(LwProvider) provider = &kernel->base;
  g_autoptr(GError) inner = NULL;
  if (lw_kernel_socket(kernel, "", &inner))
    return g_steal_pointer(&provider);
  g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
              "the kernel's network settings cannot be reached (%s): run as root, or in the twin",
              inner->message);
  return NULL;
}
