/* Kind DOMAIN_NIC.
 *
 * A domain's next start and its running self are two: the first is defined anew with one element changed, the
 * second is changed by update-device, which keeps tap and PCI device. Where libvirt cannot do that (another
 * kind of NIC before) it is detached and attached. A guest that is moved has to see its link go: guest
 * kernels coalesce link events to about one a second, so the link stays down for longer than that.
 */
#include "providers/libvirt/connection.h"

#include "base/error.h"

#include <string.h>

#define LINK_DOWN_US 1150000 /* measured: a flap shorter than 1.1 s after another link event is not seen */
#define UNPLUG_TIMEOUT_US 8000000
#define POLL_US 20000

static gboolean same_text(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "") == 0;
}

static char *down_key(const char *domain, guint index) {
  return g_strdup_printf("%s/%u", domain, index);
}

static void note_down(GHashTable *downs, const char *domain, guint index) {
  gint64 now = g_get_monotonic_time();
  g_hash_table_replace(downs, down_key(domain, index), g_memdup2(&now, sizeof now));
}

/* --- the next start
 * ---------------------------------------------------------------------------------------------------- */

static gboolean define_nic(LwVirtMachine *machine, guint index, const char *element, GError **error) {
  if (!machine->persistent)
    return TRUE;
  g_autofree char *xml = lw_virt_domain_with_nic(machine->config, index, element, error);
  if (!xml)
    return FALSE;
  g_autoptr(virDomain) defined = virDomainDefineXML(virDomainGetConnect(machine->domain), xml);
  if (defined)
    return TRUE;
  lw_virt_set_error(error, "cannot change NIC %u of domain %s", index, virDomainGetName(machine->domain));
  return FALSE;
}

/* --- while it runs
 * ---------------------------------------------------------------------------------------------------- */

static gboolean update_live(LwVirtMachine *machine, const char *element) {
  return virDomainUpdateDeviceFlags(machine->domain, element, VIR_DOMAIN_AFFECT_LIVE) == 0;
}

static gboolean is_plugged_in(LwVirtMachine *machine, LwMac mac) {
  g_autoptr(GError) ignored = NULL;
  return lw_virt_machine_refresh(machine, &ignored) && machine->live &&
         lw_virt_nic_find(machine->live, mac) < lw_virt_domain_nics(machine->live);
}

/* The guest has to let go; libvirt may say that it did when it did not. */
static gboolean unplug(LwVirtMachine *machine, guint live, GError **error) {
  const char *name = virDomainGetName(machine->domain);
  g_autoptr(LwResource) nic = lw_virt_nic_read(machine->live, live);
  g_autofree char *element = lw_virt_nic_text(machine->live, live);
  LwMac mac = nic->mac;
  if (virDomainDetachDeviceFlags(machine->domain, element, VIR_DOMAIN_AFFECT_LIVE) != 0) {
    lw_virt_set_error(error, "cannot unplug NIC of domain %s", name);
    return FALSE;
  }
  gint64 deadline = g_get_monotonic_time() + UNPLUG_TIMEOUT_US;
  while (is_plugged_in(machine, mac)) {
    if (g_get_monotonic_time() > deadline) {
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                  "%s does not let go of its NIC (still booting, or paused?): shut it down and try again",
                  name);
      return FALSE;
    }
    g_usleep(POLL_US);
  }
  return TRUE;
}

static gboolean plug(LwVirtMachine *machine, const char *element, GError **error) {
  if (virDomainAttachDeviceFlags(machine->domain, element, VIR_DOMAIN_AFFECT_LIVE) == 0)
    return TRUE;
  lw_virt_set_error(error, "cannot plug a NIC into domain %s while it runs",
                    virDomainGetName(machine->domain));
  return FALSE;
}

static gboolean replug(LwVirtMachine *machine, guint live, const char *element, GError **error) {
  return unplug(machine, live, error) && plug(machine, element, error);
}

/* --- one NIC
 * -------------------------------------------------------------------------------------------------------------
 */

typedef struct {
  GHashTable *downs;
  GPtrArray *held; /* of LwResource*: links that are to come up */
} Batch;

/* What it was before lanward, in the words that libvirt had for it. */
static gboolean remember(LwVirtMachine *machine, const LwResource *now, guint index, GError **error) {
  g_autofree char *mac = lw_mac_format(&now->mac);
  if (machine->created || g_hash_table_contains(machine->kept, mac))
    return TRUE;
  g_hash_table_insert(machine->kept, g_steal_pointer(&mac), lw_virt_nic_text(machine->config, index));
  return lw_virt_machine_keep(machine, error);
}

/* What is kept is of no use once the NIC is so again. Of a domain that does not run the next start is all
 * there is, whatever was wanted of its link. */
static gboolean forget_if_original(LwVirtMachine *machine, const LwResource *to, const char *element,
                                   GError **error) {
  g_autofree char *mac = lw_mac_format(&to->mac);
  const char *text = g_hash_table_lookup(machine->kept, mac);
  g_autoptr(LwResource) original = text && *text ? lw_virt_nic_of_text(text, NULL) : NULL;
  gboolean unchanged = !machine->live && g_strcmp0(element, text) == 0;
  if (!original ||
      (!unchanged && (g_strcmp0(original->master, to->master) != 0 || original->up != to->up ||
                      original->isolated != to->isolated || !same_text(original->link, to->link))))
    return TRUE;
  g_hash_table_remove(machine->kept, mac);
  return lw_virt_machine_keep(machine, error);
}

/* The element of the next start. What it was before is what was kept; what no edit can say ("/user") is that,
 * or nothing. */
static char *element_for(const LwVirtMachine *machine, guint index, const LwResource *now,
                         const LwResource *to, GError **error) {
  g_autofree char *mac = lw_mac_format(&now->mac);
  const char *place = to->master ? to->master : "";
  const char *text = g_hash_table_lookup(machine->kept, mac);
  g_autoptr(LwResource) original = text && *text ? lw_virt_nic_of_text(text, NULL) : NULL;
  gboolean plain = place[0] != '/' || g_str_has_prefix(place, "/bridge/");
  if (original && g_str_equal(original->master, place) && place[0] == '/' &&
      (!plain || same_text(original->link, to->link)))
    return g_strdup(text);
  if (!plain && g_strcmp0(now->master, place) != 0) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "NIC %u of domain %s cannot be put back on “%s”", index,
                virDomainGetName(machine->domain), place + 1);
    return NULL;
  }
  return lw_virt_nic_edit(machine->config, index, place, to->up, to->isolated, TRUE, to->link);
}

static void hold(Batch *batch, const LwResource *to) {
  g_ptr_array_add(batch->held, lw_resource_ref((LwResource *)to));
}

/* To another network: down where it is, there still down; up comes when it was down long enough. */
static gboolean move_live(LwVirtMachine *machine, Batch *batch, guint live, const LwResource *to,
                          const char *element, GError **error) {
  const char *name = virDomainGetName(machine->domain);
  g_autoptr(LwResource) here = lw_virt_nic_read(machine->live, live);
  gboolean moves = g_strcmp0(here->master, to->master) != 0;
  if (!moves && here->up == to->up && here->isolated == to->isolated)
    return TRUE;
  if (here->up && (moves || !to->up)) {
    g_autofree char *down = lw_virt_nic_edit(machine->live, live, NULL, FALSE, here->isolated, FALSE, NULL);
    if (!update_live(machine, down)) {
      lw_virt_set_error(error, "cannot take the link of domain %s down", name);
      return FALSE;
    }
    note_down(batch->downs, name, to->instance);
  }
  gboolean waits = to->up && (moves || !here->up);
  g_autofree char *there =
      lw_virt_nic_edit(machine->live, live, to->master, to->up && !waits, to->isolated, FALSE, NULL);
  gboolean plain = to->master && (to->master[0] != '/' || g_str_has_prefix(to->master, "/bridge/"));
  if (!plain || !update_live(machine, there)) /* libvirt cannot turn the one kind of NIC into the other */
    return replug(machine, live, element, error);
  if (waits)
    hold(batch, to);
  return TRUE;
}

static gboolean change_nic(LwVirtMachine *machine, Batch *batch, const LwResource *now, const LwResource *to,
                           GError **error) {
  guint index = to->instance;
  if (!remember(machine, now, index, error))
    return FALSE;
  g_autofree char *element = element_for(machine, index, now, to, error);
  guint live = machine->live ? lw_virt_machine_live_index(machine, index) : 0;
  gboolean runs = machine->live && live < lw_virt_domain_nics(machine->live);
  if (!element || (runs && !move_live(machine, batch, live, to, element, error)))
    return FALSE;
  g_autoptr(LwResource) is = lw_resource_ref((LwResource *)to);
  if (!lw_mac_is_set(&to->mac)) {
    lw_resource_unref(is);
    is = lw_virt_nic_read(machine->config, index);
  }
  return define_nic(machine, index, element, error) && forget_if_original(machine, is, element, error);
}

static gboolean add_nic(LwVirtMachine *machine, const LwResource *to, GError **error) {
  guint count = lw_virt_domain_nics(machine->config);
  if (to->instance > count) {
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "domain %s has %u NICs: NIC %u cannot come before NIC %u",
                to->name, count, to->instance, count);
    return FALSE;
  }
  g_autofree char *mac = lw_mac_format(&to->mac);
  g_autofree char *element = lw_virt_nic_write(to);
  if (!machine->created)
    g_hash_table_replace(machine->kept, g_steal_pointer(&mac), g_strdup(""));
  return lw_virt_machine_keep(machine, error) && define_nic(machine, to->instance, element, error) &&
         (!machine->live || plug(machine, element, error));
}

/* Another MAC or model is another NIC in the same place. */
static gboolean replace_nic(LwVirtMachine *machine, const LwResource *now, const LwResource *to,
                            GError **error) {
  guint live = machine->live ? lw_virt_machine_live_index(machine, to->instance) : 0;
  gboolean runs = machine->live && live < lw_virt_domain_nics(machine->live);
  g_autofree char *before = lw_mac_format(&now->mac), *after = lw_mac_format(&to->mac);
  const char *kept = g_hash_table_lookup(machine->kept, before);
  g_autofree char *original = kept ? g_strdup(kept) : lw_virt_nic_text(machine->config, to->instance);
  g_autoptr(LwResource) was = *original ? lw_virt_nic_of_text(original, NULL) : NULL;
  g_autofree char *element = lw_virt_nic_write(to);
  g_hash_table_remove(machine->kept, before);
  if (was && lw_mac_equal(&was->mac, &to->mac) && g_strcmp0(was->model, to->model) == 0) {
    g_free(element);
    element = g_steal_pointer(&original);
  } else if (!machine->created) {
    g_hash_table_replace(machine->kept, g_steal_pointer(&after), g_steal_pointer(&original));
  }
  return lw_virt_machine_keep(machine, error) && define_nic(machine, to->instance, element, error) &&
         (!runs || replug(machine, live, element, error));
}

/* Gone from the file: as it was before, or out. */
static gboolean release_nic(LwVirtMachine *machine, Batch *batch, const LwResource *from, GError **error) {
  guint index = from->instance;
  g_autoptr(LwResource) now = lw_virt_machine_nic(machine, index);
  if (!now)
    return TRUE;
  g_autofree char *mac = lw_mac_format(&now->mac);
  const char *text = g_hash_table_lookup(machine->kept, mac);
  if (text && *text) {
    g_autoptr(LwResource) original = lw_virt_nic_of_text(text, error);
    if (!original)
      return FALSE;
    original->instance = index;
    g_free(original->name);
    original->name = g_strdup(from->name);
    return lw_mac_equal(&original->mac, &now->mac) ? change_nic(machine, batch, now, original, error)
                                                   : replace_nic(machine, now, original, error);
  }
  if (!text && !machine->created)
    return TRUE; /* as it was found */
  guint live = machine->live ? lw_virt_machine_live_index(machine, index) : 0;
  if (machine->live && live < lw_virt_domain_nics(machine->live) && !unplug(machine, live, error))
    return FALSE;
  g_hash_table_remove(machine->kept, mac);
  return lw_virt_machine_keep(machine, error) && define_nic(machine, index, NULL, error);
}

static gboolean bring_nic(virConnectPtr connection, Batch *batch, const LwChange *change, GError **error) {
  const LwResource *to = change->to;
  const char *name = to ? to->name : change->from->name;
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwVirtMachine) machine = lw_virt_machine_open(connection, name, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (!machine) {
    if (!to)
      return TRUE; /* undefined meanwhile, with all its NICs */
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is no domain %s any more: apply again", name);
    return FALSE;
  }
  if (!to)
    return release_nic(machine, batch, change->from, error);
  g_autoptr(LwResource) now = lw_virt_machine_nic(machine, to->instance);
  if (!now)
    return add_nic(machine, to, error);
  return lw_resource_change_class(now, to) == LW_CHANGE_REPLACE ? replace_nic(machine, now, to, error)
                                                                : change_nic(machine, batch, now, to, error);
}

/* --- a batch
 * -------------------------------------------------------------------------------------------------------------
 */

static void wait_until_seen(GHashTable *downs, const LwResource *nic) {
  g_autofree char *key = down_key(nic->name, nic->instance);
  const gint64 *down = g_hash_table_lookup(downs, key);
  gint64 now = g_get_monotonic_time();
  gint64 until = (down ? *down : now) + LINK_DOWN_US;
  if (until > now)
    g_usleep((gulong)(until - now));
}

static gboolean raise_link(virConnectPtr connection, const LwResource *to, GError **error) {
  g_autoptr(LwVirtMachine) machine = lw_virt_machine_open(connection, to->name, error);
  if (!machine || !machine->live)
    return machine != NULL; /* it was shut down meanwhile */
  guint live = lw_virt_machine_live_index(machine, to->instance);
  if (live >= lw_virt_domain_nics(machine->live))
    return TRUE;
  g_autofree char *up = lw_virt_nic_edit(machine->live, live, NULL, TRUE, to->isolated, FALSE, NULL);
  if (update_live(machine, up))
    return TRUE;
  lw_virt_set_error(error, "cannot take the link of domain %s up", to->name);
  return FALSE;
}

gboolean lw_virt_bring_nics(virConnectPtr connection, GHashTable *downs, const GPtrArray *changes,
                            GError **error) {
  g_autoptr(GPtrArray) held = g_ptr_array_new_with_free_func((GDestroyNotify)lw_resource_unref);
  Batch batch = {downs, held};
  for (guint i = 0; i < changes->len; i++)
    if (!bring_nic(connection, &batch, changes->pdata[i], error))
      return FALSE;
  for (guint i = 0; i < held->len; i++) {
    wait_until_seen(downs, held->pdata[i]);
    if (!raise_link(connection, held->pdata[i], error))
      return FALSE;
  }
  return TRUE;
}

static gboolean live_of(LwVirtMachine *machine, guint index, guint *live, GError **error) {
  *live = lw_virt_machine_live_index(machine, index);
  if (*live < lw_virt_domain_nics(machine->live))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "domain %s has no NIC %u while it runs",
              virDomainGetName(machine->domain), index);
  return FALSE;
}

gboolean lw_virt_flap_nic(LwVirtMachine *machine, guint index, GError **error) {
  guint live;
  if (!live_of(machine, index, &live, error))
    return FALSE;
  g_autoptr(LwResource) nic = lw_virt_nic_read(machine->live, live);
  for (gboolean up = FALSE; up <= TRUE; up++) {
    g_autofree char *element = lw_virt_nic_edit(machine->live, live, NULL, up, nic->isolated, FALSE, NULL);
    if (!update_live(machine, element)) {
      lw_virt_set_error(error, "cannot take the link of domain %s %s", virDomainGetName(machine->domain),
                        up ? "up" : "down");
      return FALSE;
    }
    if (!up)
      g_usleep(LINK_DOWN_US);
  }
  return TRUE;
}

gboolean lw_virt_replug_nic(LwVirtMachine *machine, guint index, GError **error) {
  guint live;
  if (!live_of(machine, index, &live, error))
    return FALSE;
  g_autofree char *element = lw_virt_nic_text(machine->config, index);
  return replug(machine, live, element, error);
}
