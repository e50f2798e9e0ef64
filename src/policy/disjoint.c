#include "policy/disjoint.h"

#define MAX_FIELDS 6

/* An element as a box: the names apart, one inclusive interval for every other field. */
typedef struct {
  guint32 low[MAX_FIELDS], high[MAX_FIELDS];
  LwOrigin origin;
} Box;

static gboolean is_name(LwField field) {
  return field == LW_FIELD_IIF || field == LW_FIELD_OIF || field == LW_FIELD_IBRIDGE;
}

static gboolean is_addr(LwField field) {
  return field == LW_FIELD_SADDR || field == LW_FIELD_DADDR || field == LW_FIELD_ARP_IP;
}

static void interval_of(const LwValue *value, guint32 *low, guint32 *high) {
  LwRange range = value->range;
  switch (value->kind) {
  case LW_VALUE_PREFIX:
    range = lw_prefix_range(&value->prefix);
    G_GNUC_FALLTHROUGH;
  case LW_VALUE_RANGE:
    *low = lw_addr_v4(&range.first);
    *high = lw_addr_v4(&range.last);
    return;
  case LW_VALUE_NUMBER:
    *low = value->first;
    *high = value->last;
    return;
  case LW_VALUE_NAME:
  case LW_VALUE_MAC:
    *low = *high = 0;
    return;
  }
}

static Box box_of(const LwSet *set, const LwElement *element) {
  Box box = {.origin = element->origin};
  for (guint i = 0; i < set->fields->len; i++)
    interval_of(&g_array_index(element->key, LwValue, i), &box.low[i], &box.high[i]);
  return box;
}

static gboolean overlap(const Box *a, const Box *b, guint fields) {
  for (guint i = 0; i < fields; i++)
    if (a->low[i] > b->high[i] || b->low[i] > a->high[i])
      return FALSE;
  return TRUE;
}

/* Appends what of `box` is outside `hole` to pieces: along each field in turn the part below the hole and the
 * part above it, then goes on with the slice between. */
static void subtract(Box box, const Box *hole, guint fields, GArray *pieces) {
  if (!overlap(&box, hole, fields)) {
    g_array_append_val(pieces, box);
    return;
  }
  for (guint i = 0; i < fields; i++) {
    if (box.low[i] < hole->low[i]) {
      Box below = box;
      below.high[i] = hole->low[i] - 1;
      g_array_append_val(pieces, below);
      box.low[i] = hole->low[i];
    }
    if (box.high[i] > hole->high[i]) {
      Box above = box;
      above.low[i] = hole->high[i] + 1;
      g_array_append_val(pieces, above);
      box.high[i] = hole->high[i];
    }
  }
}

static void add_box(GArray *boxes, Box box, guint fields) {
  g_autoptr(GArray) rest = g_array_new(FALSE, FALSE, sizeof(Box));
  g_array_append_val(rest, box);
  for (guint i = 0; i < boxes->len && rest->len; i++) {
    g_autoptr(GArray) next = g_array_new(FALSE, FALSE, sizeof(Box));
    for (guint p = 0; p < rest->len; p++)
      subtract(g_array_index(rest, Box, p), &g_array_index(boxes, Box, i), fields, next);
    g_array_unref(g_steal_pointer(&rest));
    rest = g_steal_pointer(&next);
  }
  g_array_append_vals(boxes, rest->data, rest->len);
}

static char *names_of(const LwSet *set, const LwElement *element) {
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < set->fields->len; i++)
    if (is_name(g_array_index(set->fields, LwField, i)))
      g_string_append_printf(names, "%s\n", g_array_index(element->key, LwValue, i).name);
  return g_string_free(names, FALSE);
}

static LwValue value_of(LwField field, guint32 low, guint32 high, char **name) {
  if (is_name(field))
    return lw_value_name(*name);
  if (is_addr(field))
    return lw_value_range((LwRange){lw_addr_from_v4(low), lw_addr_from_v4(high)});
  return lw_value_numbers(low, high);
}

static void put_boxes(LwSet *set, const char *names, const GArray *boxes) {
  g_auto(GStrv) parts = g_strsplit(names, "\n", -1);
  for (guint b = 0; b < boxes->len; b++) {
    const Box *box = &g_array_index(boxes, Box, b);
    LwValue key[MAX_FIELDS];
    char **name = parts;
    for (guint i = 0; i < set->fields->len; i++) {
      LwField field = g_array_index(set->fields, LwField, i);
      key[i] = value_of(field, box->low[i], box->high[i], name);
      if (is_name(field))
        name++;
    }
    lw_set_add(set, key, set->fields->len, box->origin);
  }
}

void lw_set_make_disjoint(LwSet *set) {
  g_assert(set->fields->len <= MAX_FIELDS && set->kind == LW_SET_PLAIN);
  g_autoptr(GHashTable) groups =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);
  g_autoptr(GPtrArray) order = g_ptr_array_new(); /* the groups' keys, as first seen */
  for (guint i = 0; i < set->elements->len; i++) {
    const LwElement *element = set->elements->pdata[i];
    g_autofree char *names = names_of(set, element);
    GArray *boxes = g_hash_table_lookup(groups, names);
    if (!boxes) {
      boxes = g_array_new(FALSE, FALSE, sizeof(Box));
      g_ptr_array_add(order, names);
      g_hash_table_insert(groups, g_steal_pointer(&names), boxes);
    }
    add_box(boxes, box_of(set, element), set->fields->len);
  }
  g_ptr_array_set_size(set->elements, 0);
  for (guint i = 0; i < order->len; i++)
    put_boxes(set, order->pdata[i], g_hash_table_lookup(groups, order->pdata[i]));
}
