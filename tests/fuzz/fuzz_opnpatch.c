/* Two configurations, one after the other: their difference as the API's requests, made in the first, gives
 * the items of the second, whatever else the files hold; and as resources they are the same requests in an
 * order that repeats. The parts are separated by a line “%%%”. */
#include "providers/opnsense/opnsense.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_items(const char *patched, const LwResourceSet *wanted) {
  g_autoptr(LwResourceSet) there = lw_opn_items(patched, wanted, NULL);
  if (!there)
    g_error("a patched file that cannot be read");
  for (guint i = 0; i < wanted->list->len; i++) {
    g_autofree char *key = lw_resource_key(wanted->list->pdata[i]);
    const LwResource *made = lw_resource_set_find(there, key);
    if (!made || !lw_resource_equal(made, wanted->list->pdata[i]))
      g_error("%s is not what it was set to", key);
  }
  g_autoptr(LwResourceSet) all = lw_opn_all_items(patched, NULL);
  if (!all || all->list->len != wanted->list->len)
    g_error("%u items, and %u are wanted", all ? all->list->len : 0, wanted->list->len);
}

static void check_order(const LwResourceSet *items) {
  g_autoptr(GPtrArray) changes = lw_changes_new(), back = lw_changes_new();
  for (guint i = 0; i < items->list->len; i++) {
    g_ptr_array_add(changes, lw_change_new(LW_CHANGE_CREATE, NULL, items->list->pdata[i]));
    g_ptr_array_insert(back, 0, lw_change_new(LW_CHANGE_CREATE, NULL, items->list->pdata[i]));
  }
  g_autoptr(GPtrArray) one = lw_opn_item_changes(changes, NULL), two = lw_opn_item_changes(back, NULL);
  if (!one || !two || one->len != items->list->len || two->len != one->len)
    g_error("items of ours that make no requests");
  for (guint i = 0; i < one->len; i++) {
    const LwOpnChange *a = one->pdata[i], *b = two->pdata[i];
    if (a->kind != b->kind || strcmp(a->uuid, b->uuid) != 0)
      g_error("an order that does not repeat");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  char *cut = strstr(text, "\n%%%\n");
  const char *before = cut ? text : "<opnsense/>", *after = cut ? cut + 5 : text;
  if (cut)
    *cut = '\0';
  g_autoptr(GPtrArray) by_hand = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) changes = lw_opn_changes(before, after, by_hand, NULL);
  g_autoptr(LwResourceSet) wanted = changes ? lw_opn_all_items(after, NULL) : NULL;
  if (!wanted)
    return 0;
  g_autofree char *patched = lw_opn_with_changes(before, changes, NULL);
  if (!patched)
    g_error("a file that was read, and cannot be patched");
  check_items(patched, wanted);
  check_order(wanted);
  return 0;
}
