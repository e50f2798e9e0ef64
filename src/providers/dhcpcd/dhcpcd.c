/* Provider of DHCP_CLIENT. Undo: the generic one, the reverse changes against what runs then. */
#include "providers/dhcpcd/dhcpcd.h"

#include "base/error.h"
#include "providers/dhcpcd/settings.h"

#define LEASE_WAIT_MS 10000

static void observe_one(LwProvider *self, const LwResource *hint, LwResourceSet *seen) {
  g_autofree char *key = lw_resource_key(hint);
  const char *run_dir = self->context->run_dir;
  if (lw_resource_set_find(seen, key) || lw_dhcpcd_pid(run_dir, hint->ns, hint->link) == 0)
    return;
  /* one that runs on settings which cannot be read counts as none: it is stopped and started again */
  g_autoptr(LwDhcpSettings) s = lw_dhcp_settings_load(run_dir, hint->ns, hint->link, NULL);
  if (!s)
    return;
  LwResource *client = lw_resource_new(LW_RES_DHCP_CLIENT, s->ns, NULL);
  client->link = g_strdup(s->link);
  client->table = s->table;
  client->home_lan_set = g_strdup(s->home_lan_set);
  client->suppress_default = s->no_route;
  lw_resource_set_add(seen, client);
}

static void observe_hints(LwProvider *self, const LwResourceSet *hints, LwResourceSet *seen) {
  for (guint i = 0; hints && i < hints->list->len; i++) {
    const LwResource *hint = hints->list->pdata[i];
    if (hint->kind == LW_RES_DHCP_CLIENT && hint->link)
      observe_one(self, hint, seen);
  }
}

static gboolean observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                        LwResourceSet *seen, GError **error) {
  observe_hints(self, wanted, seen);
  observe_hints(self, owned, seen);
  return TRUE;
}

static LwDhcpClient client_of(const LwResource *resource) {
  return (LwDhcpClient){.ns = resource->ns,
                        .link = resource->link,
                        .table = resource->table,
                        .no_route = resource->suppress_default,
                        .home_lan_set = resource->home_lan_set};
}

static gboolean check(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (!change->to)
      continue;
    LwDhcpClient client = client_of(change->to);
    g_autoptr(LwDhcpSettings) settings = lw_dhcp_settings_new(self->context->run_dir, &client, error);
    if (!settings)
      return FALSE;
  }
  return TRUE;
}

static GBytes *prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  return lw_undo_from_changes(changes);
}

static gboolean start_or_stop(LwProvider *self, const LwChange *change, GError **error) {
  if (!change->to)
    return lw_dhcpcd_stop(self->context->run_dir, change->from->ns, change->from->link, error);
  LwDhcpClient client = client_of(change->to);
  return lw_dhcpcd_start(self->context, &client, error);
}

/* All are started before any is waited for. */
static gboolean apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  for (guint i = 0; i < changes->len; i++)
    if (!start_or_stop(self, changes->pdata[i], error))
      return FALSE;
  for (guint i = 0; i < changes->len; i++) {
    const LwResource *to = ((const LwChange *)changes->pdata[i])->to;
    if (to && to->wait && !lw_dhcpcd_wait(self->context->run_dir, to->ns, to->link, LEASE_WAIT_MS, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean undo(LwProvider *self, GBytes *bytes, GError **error) {
  g_autoptr(GPtrArray) pending = lw_undo_pending(self, bytes, error);
  if (!pending)
    return FALSE;
  /* seen as gone may still have left a route, a set or files: a client that died is stopped, too */
  g_autoptr(GPtrArray) reverse = lw_undo_to_changes(bytes, error);
  if (!reverse)
    return FALSE;
  for (guint i = 0; i < reverse->len; i++) {
    const LwResource *from = ((const LwChange *)reverse->pdata[i])->from;
    if (from && lw_dhcpcd_pid(self->context->run_dir, from->ns, from->link) == 0 &&
        !lw_dhcpcd_stop(self->context->run_dir, from->ns, from->link, error))
      return FALSE;
  }
  return apply(self, pending, error);
}

static void provider_free(LwProvider *self) {
  g_free(self);
}

static gboolean is_installed(void) {
  g_autofree char *found = g_find_program_in_path("dhcpcd");
  return found || g_file_test("/usr/sbin/dhcpcd", G_FILE_TEST_IS_EXECUTABLE) ||
         g_file_test("/sbin/dhcpcd", G_FILE_TEST_IS_EXECUTABLE);
}

LwProvider *lw_dhcpcd_provider_new(const LwProviderContext *context, GError **error) {
  static const LwResourceKind kinds[] = {LW_RES_DHCP_CLIENT, LW_RES_LAST};
  static const LwProviderOps ops = {"dhcpcd", kinds, FALSE, observe,      check,
                                    prepare,  apply, undo,  provider_free};
  if (!is_installed()) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "dhcpcd is not installed (Debian: apt install dhcpcd-base)");
    return NULL;
  }
  LwProvider *self = g_new0(LwProvider, 1);
  self->ops = &ops;
  self->context = context;
  return self;
}
