/* The journal's bytes: what a provider is handed to undo. Any bytes are either refused with a reason, or
 * changes that each have a resource, and that are the same after being written and read again. And a world
 * that they are carried out on stays one (no crash, no resource twice). */
#include "provider/provider.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const LwResourceKind kinds[] = {LW_RES_NETNS,    LW_RES_LINK,        LW_RES_ADDRESS, LW_RES_ROUTE,
                                       LW_RES_RULE,     LW_RES_SYSCTL,      LW_RES_TUNNEL,  LW_RES_SERVER,
                                       LW_RES_RESOLVER, LW_RES_DHCP_CLIENT, LW_RES_CELL,    LW_RES_LAST};

static void check_changes(const GPtrArray *changes) {
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    if (!change->from && !change->to)
      g_error("a change without a resource");
    g_autofree char *key = lw_resource_key(change->to ? change->to : change->from);
    g_autofree char *text = lw_resource_describe(change->to ? change->to : change->from);
    if (!*key || !*text)
      g_error("a resource without a name");
  }
}

/* Reversed twice it is what it was. */
static void check_identity(const GPtrArray *changes) {
  g_autoptr(GBytes) once = lw_undo_from_changes(changes);
  g_autoptr(GPtrArray) reverse = lw_undo_to_changes(once, NULL);
  if (!reverse)
    g_error("what was written is refused");
  g_autoptr(GBytes) twice = lw_undo_from_changes(reverse);
  g_autoptr(GPtrArray) again = lw_undo_to_changes(twice, NULL);
  if (!again || again->len != changes->len)
    g_error("changes were lost");
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *a = changes->pdata[i], *b = again->pdata[i];
    if (!a->from != !b->from || !a->to != !b->to || (a->to && !lw_resource_equal(a->to, b->to)) ||
        (a->from && !lw_resource_equal(a->from, b->from)))
      g_error("a change differs after it was written and read");
  }
}

static void check_world(const GBytes *bytes) {
  g_autoptr(LwResourceSet) world = lw_resource_set_new();
  LwProviderContext context = {.run_dir = "/nonexistent", .owner = "lanward"};
  g_autoptr(LwProvider) fake = lw_fake_provider_new(&context, kinds, world);
  g_autoptr(GError) error = NULL;
  if (!lw_provider_undo(fake, (GBytes *)bytes, NULL, NULL, &error) && !error)
    g_error("a failure without a reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(GBytes) bytes = g_bytes_new(data, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(bytes, &error);
  if (!changes == !error)
    g_error(error ? "changes in spite of an error" : "no changes, and no word why");
  if (!changes)
    return 0;
  check_changes(changes);
  check_identity(changes);
  check_world(bytes);
  return 0;
}
