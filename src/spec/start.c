/* machines.NAME.start: which machines lanward starts, and in which order. */
#include "spec/internal.h"

#include <string.h>

#define LONGEST_WAIT 3600u /* seconds */

/* "5s", "2m", in seconds. */
static guint read_duration(LwSpec *spec, const LwYaml *node, guint least) {
  char *end = NULL;
  guint64 number = g_ascii_isdigit(*node->text) ? g_ascii_strtoull(node->text, &end, 10) : 0;
  guint64 unit = !end ? 0 : strcmp(end, "s") == 0 ? 1 : strcmp(end, "m") == 0 ? 60 : 0;
  if (unit && number <= LONGEST_WAIT / unit && number * unit >= least)
    return (guint)(number * unit);
  lw_spec_error(spec->diagnostics, node->origin, "“%s” is no time from %us to %um: 5s, 2m", node->text, least,
                LONGEST_WAIT / 60);
  return least;
}

void lw_spec_read_start(LwSpec *spec, const LwYaml *map, guint machine) {
  LwFields fields;
  LwMachineStart *start = lw_lab_machine(spec->lab, machine)->start = lw_machine_start_new();
  start->origin = map->origin;
  lw_spec_fields(spec, map, LW_SECTION_START, NULL, FALSE, map->origin, "start", &fields);
  if (fields.value[LW_KEY_START_DELAY])
    start->delay = read_duration(spec, fields.value[LW_KEY_START_DELAY], 0);
  if (fields.value[LW_KEY_START_TIMEOUT])
    start->timeout = read_duration(spec, fields.value[LW_KEY_START_TIMEOUT], 1);
  LwPendingStart pending = {machine, fields.value[LW_KEY_START_AFTER]};
  g_array_append_val(spec->starts, pending);
}

static void add_after(LwSpec *spec, guint machine, const LwYaml *item) {
  LwMachine *m = lw_lab_machine(spec->lab, machine);
  if (!lw_spec_is_scalar(spec, item, "the name of a machine"))
    return;
  guint other = lw_spec_lookup(spec->machines, item->text);
  const LwMachine *before = other == LW_NONE ? NULL : lw_lab_machine(spec->lab, other);
  if (!before) {
    g_autoptr(GPtrArray) candidates = g_ptr_array_new();
    lw_spec_candidates(spec->machines, candidates);
    lw_spec_error_suggest(spec->diagnostics, item->origin,
                          lw_spec_suggest(spec->diagnostics, item->text, candidates),
                          "there is no machine “%s”", item->text);
  } else if (!before->start && before->kind != LW_MACHINE_CELL) {
    lw_spec_error(spec->diagnostics, item->origin, "“%s” is not started by lanward: add “start: {}” to it",
                  item->text);
  } else {
    for (guint i = 0; i < m->start->after->len; i++)
      if (g_array_index(m->start->after, guint, i) == other)
        return;
    g_array_append_val(m->start->after, other);
  }
}

typedef enum { UNSEEN, OPEN, CLOSED } Mark;

/* Depth first: a machine that is open is met again on a circle. */
static gboolean is_on_circle(const LwLab *lab, guint machine, guint8 *marks, GString *way) {
  const LwMachine *m = lw_lab_machine(lab, machine);
  gsize length = way->len;
  g_string_append_printf(way, "%s%s", length ? " after " : "", m->name);
  if (marks[machine] == OPEN)
    return TRUE;
  if (marks[machine] == UNSEEN && m->start) {
    marks[machine] = OPEN;
    for (guint i = 0; i < m->start->after->len; i++)
      if (is_on_circle(lab, g_array_index(m->start->after, guint, i), marks, way))
        return TRUE;
  }
  marks[machine] = CLOSED;
  g_string_truncate(way, length);
  return FALSE;
}

void lw_spec_build_starts(LwSpec *spec) {
  for (guint s = 0; s < spec->starts->len; s++) {
    const LwPendingStart *pending = &g_array_index(spec->starts, LwPendingStart, s);
    if (!pending->after || lw_yaml_is_empty(pending->after))
      continue;
    g_autoptr(GPtrArray) items = lw_spec_items(pending->after);
    for (guint i = 0; i < items->len; i++)
      add_after(spec, pending->machine, items->pdata[i]);
  }
  g_autofree guint8 *marks = g_new0(guint8, spec->lab->machines->len + 1);
  for (guint s = 0; s < spec->starts->len; s++) {
    guint machine = g_array_index(spec->starts, LwPendingStart, s).machine;
    g_autoptr(GString) way = g_string_new(NULL);
    if (marks[machine] == CLOSED || !is_on_circle(spec->lab, machine, marks, way))
      continue;
    lw_spec_error(spec->diagnostics, lw_lab_machine(spec->lab, machine)->start->origin,
                  "machines wait for each other: %s", way->str);
    return;
  }
}
