#include "providers/libvirt/libvirt.h"

#include "base/error.h"
#include "providers/libvirt/connection.h"

#include <string.h>

typedef struct {
  LwProvider base;
  virConnectPtr connection; /* NULL until it is needed */
  GHashTable *downs;        /* see lw_virt_bring_nics() */
} Virt;

static gboolean handles(const LwResource *resource) {
  return resource->kind == LW_RES_NETWORK || resource->kind == LW_RES_DOMAIN ||
         resource->kind == LW_RES_DOMAIN_NIC;
}

/* A daemon that was restarted has forgotten us. */
static virConnectPtr connection_of(LwProvider *self, GError **error) {
  Virt *virt = (Virt *)self;
  if (virt->connection && virConnectIsAlive(virt->connection) != 1)
    g_clear_pointer(&virt->connection, virConnectClose);
  if (!virt->connection)
    virt->connection = lw_virt_connect(error);
  return virt->connection;
}

/* --- observe
 * -------------------------------------------------------------------------------------------------------------
 */

static gboolean observe_nics(virConnectPtr connection, const char *name, LwResourceSet *seen,
                             GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwVirtMachine) machine = lw_virt_machine_open(connection, name, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  LwResource *nic;
  for (guint i = 0; machine && (nic = lw_virt_machine_nic(machine, i)); i++)
    lw_resource_set_add(seen, nic);
  return TRUE;
}

static gboolean observe_one(virConnectPtr connection, const LwResource *resource, LwResourceSet *seen,
                            GError **error) {
  return resource->kind == LW_RES_NETWORK  ? lw_virt_observe_network(connection, resource->name, seen, error)
         : resource->kind == LW_RES_DOMAIN ? lw_virt_observe_domain(connection, resource->name, seen, error)
                                           : observe_nics(connection, resource->name, seen, error);
}

/* Each network and domain is asked for once. */
static gboolean observe_all(LwProvider *self, const LwResourceSet *set, GHashTable *asked,
                            LwResourceSet *seen, GError **error) {
  for (guint i = 0; set && i < set->list->len; i++) {
    const LwResource *resource = set->list->pdata[i];
    if (!handles(resource) ||
        !g_hash_table_add(asked, g_strdup_printf("%d/%s", (int)resource->kind, resource->name)))
      continue;
    virConnectPtr connection = connection_of(self, error);
    if (!connection || !observe_one(connection, resource, seen, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean virt_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                             LwResourceSet *seen, GError **error) {
  g_autoptr(GHashTable) asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return observe_all(self, wanted, asked, seen, error) && observe_all(self, owned, asked, seen, error);
}

/* --- changes
 * -------------------------------------------------------------------------------------------------------------
 */

static gboolean virt_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  virConnectPtr connection = connection_of(self, error);
  for (guint i = 0; connection && i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    LwResourceKind kind = change->to ? change->to->kind : change->from->kind;
    if (kind == LW_RES_NETWORK && !lw_virt_check_network(connection, change, error))
      return FALSE;
    if (kind == LW_RES_DOMAIN && !lw_virt_check_domain(connection, change, error))
      return FALSE;
  }
  return connection != NULL;
}

static GBytes *virt_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  g_autoptr(GPtrArray) marked = lw_virt_mark_fresh(changes);
  return lw_undo_from_changes(marked);
}

static gboolean bring(Virt *virt, virConnectPtr connection, LwResourceKind kind, const GPtrArray *changes,
                      GError **error) {
  if (kind == LW_RES_DOMAIN_NIC)
    return lw_virt_bring_nics(connection, virt->downs, changes, error);
  for (guint i = 0; i < changes->len; i++)
    if (kind == LW_RES_NETWORK
            ? !lw_virt_bring_network(connection, changes->pdata[i], error)
            : !lw_virt_bring_domain(virt->base.context, connection, changes->pdata[i], error))
      return FALSE;
  return TRUE;
}

/* The changes of one kind that come (or change), or those that go. */
static gboolean bring_some(LwProvider *self, LwResourceKind kind, gboolean removing, const GPtrArray *changes,
                           GError **error) {
  g_autoptr(GPtrArray) some = g_ptr_array_new();
  for (guint i = 0; i < changes->len; i++) {
    LwChange *change = changes->pdata[i];
    const LwResource *subject = change->to ? change->to : change->from;
    if (subject->kind == kind && (change->to == NULL) == removing)
      g_ptr_array_add(some, change);
  }
  virConnectPtr connection = some->len ? connection_of(self, error) : NULL;
  return !some->len || (connection && bring((Virt *)self, connection, kind, some, error));
}

static gboolean virt_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  return bring_some(self, LW_RES_DOMAIN_NIC, TRUE, changes, error) &&
         bring_some(self, LW_RES_DOMAIN, TRUE, changes, error) &&
         bring_some(self, LW_RES_NETWORK, FALSE, changes, error) &&
         bring_some(self, LW_RES_DOMAIN, FALSE, changes, error) &&
         bring_some(self, LW_RES_DOMAIN_NIC, FALSE, changes, error) &&
         bring_some(self, LW_RES_NETWORK, TRUE, changes, error); /* nobody is on it any more */
}

static gboolean virt_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) pending = lw_undo_pending(self, undo, error);
  g_autoptr(GPtrArray) reverse = pending ? lw_undo_to_changes(undo, error) : NULL;
  return reverse && virt_apply(self, pending, error) && lw_virt_remove_files(reverse, error);
}

static void virt_free(LwProvider *self) {
  Virt *virt = (Virt *)self;
  g_clear_pointer(&virt->connection, virConnectClose);
  g_hash_table_unref(virt->downs);
  g_free(virt);
}

static const LwResourceKind virt_kinds[] = {LW_RES_NETWORK, LW_RES_DOMAIN, LW_RES_DOMAIN_NIC, LW_RES_LAST};

static const LwProviderOps virt_ops = {
    .name = "libvirt",
    .kinds = virt_kinds,
    .outlives_boot = TRUE,
    .observe = virt_observe,
    .check = virt_check,
    .prepare = virt_prepare,
    .apply = virt_apply,
    .undo = virt_undo,
    .free = virt_free,
};

LwProvider *lw_libvirt_provider_new(const LwProviderContext *context, GError **error) {
  Virt *virt = g_new0(Virt, 1);
  virt->base.ops = &virt_ops;
  virt->base.context = context;
  virt->downs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return &virt->base;
}
