#include "spec/internal.h"

#include <string.h>

#define MOST_MACHINES 16384
#define LONGEST_MACHINE 63 /* a DNS label */

/* The keys of a card stand in two sections, in the same order. */
typedef enum { CARD_SEGMENT, CARD_ADDRESS, CARD_MAC, CARD_ADDRESSES, CARD_SPOOF } CardKey;

static const LwYaml *card_value(const LwFields *fields, LwKeyId first, CardKey key) {
  return fields->value[(guint)first + (guint)key];
}

static void claim(LwSpec *spec, const LwNic *nic, guint machine, LwRange range, gboolean shared,
                  LwOrigin origin) {
  LwClaim made = {nic->segment, machine, range, shared, origin};
  g_array_append_val(spec->claims, made);
}

static void read_virtual(LwSpec *spec, const LwYaml *node, LwNic *nic, const LwPrefix *subnet,
                         guint machine) {
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  for (guint i = 0; i < items->len; i++) {
    const LwYaml *item = items->pdata[i];
    LwRange range;
    if (!lw_spec_is_scalar(spec, item, "an address or prefix"))
      continue;
    if (strchr(item->text, '-')) {
      lw_spec_error(spec->diagnostics, item->origin, "“%s”: addresses and prefixes here, no ranges",
                    item->text);
      continue;
    }
    if (!lw_spec_range(spec, item->origin, item->text, subnet, &range))
      continue;
    const char *slash = strchr(item->text, '/');
    guint8 len = slash ? (guint8)g_ascii_strtoull(slash + 1, NULL, 10) : 32;
    LwPrefix prefix = lw_prefix_make(range.first, len);
    g_array_append_val(nic->addresses, prefix);
    claim(spec, nic, machine, range, TRUE, item->origin);
  }
}

static guint find_segment(LwSpec *spec, const LwYaml *node) {
  guint found = lw_spec_lookup(spec->segments, node->text);
  if (found == LW_NONE) {
    g_autoptr(GPtrArray) candidates = g_ptr_array_new();
    lw_spec_candidates(spec->segments, candidates);
    lw_spec_error_suggest(spec->diagnostics, node->origin,
                          lw_spec_suggest(spec->diagnostics, node->text, candidates),
                          "there is no segment “%s”", node->text);
  }
  return found;
}

static void read_card(LwSpec *spec, const LwFields *fields, LwKeyId first, LwOrigin origin, guint index) {
  LwMachine *machine = lw_lab_machine(spec->lab, index);
  const LwYaml *segment_node = card_value(fields, first, CARD_SEGMENT),
               *address = card_value(fields, first, CARD_ADDRESS), *mac = card_value(fields, first, CARD_MAC),
               *addresses = card_value(fields, first, CARD_ADDRESSES);
  LwNic *nic = lw_nic_new();
  nic->origin = origin;
  g_ptr_array_add(machine->nics, nic);
  nic->spoof_ok = lw_spec_choice(spec, fields, (LwKeyId)((guint)first + CARD_SPOOF)) == 1;
  nic->segment = segment_node ? find_segment(spec, segment_node) : LW_NONE;
  if (mac && lw_spec_mac(spec, mac, &nic->mac)) {
    LwMacClaim made = {nic->mac, g_strdup_printf("machine “%s”", machine->name), mac->origin};
    g_array_append_val(spec->macs, made);
  }
  if (nic->segment == LW_NONE)
    return;
  const LwSegment *segment = lw_lab_segment(spec->lab, nic->segment);
  if (address && lw_spec_address(spec, address, &segment->subnet, &nic->address))
    claim(spec, nic, index, (LwRange){nic->address, nic->address}, FALSE, address->origin);
  if (addresses)
    read_virtual(spec, addresses, nic, &segment->subnet, index);
  const LwFields *theirs = &g_array_index(spec->segment_fields, LwFields, nic->segment);
  gboolean dhcp_wrong = theirs->value[LW_KEY_SEGMENT_DHCP] || theirs->wrong[LW_KEY_SEGMENT_DHCP];
  if (!address && !fields->wrong[(guint)first + CARD_ADDRESS] && !segment->has_dhcp && !dhcp_wrong &&
      segment->subnet.addr.family)
    lw_spec_error(spec->diagnostics, segment_node->origin,
                  "machine “%s” gets no address in “%s”, which has no DHCP: add “address:”", machine->name,
                  segment->name);
}

static void read_nics(LwSpec *spec, const LwYaml *node, guint index) {
  LwMachine *machine = lw_lab_machine(spec->lab, index);
  g_autoptr(GPtrArray) items = lw_spec_items(node);
  g_autofree char *what = g_strdup_printf("a card of machine “%s”", machine->name);
  for (guint i = 0; i < items->len; i++) {
    const LwYaml *item = items->pdata[i];
    LwFields fields;
    if (item->kind != LW_YAML_MAP) {
      lw_spec_error(spec->diagnostics, item->origin, "a card is a mapping: {segment: NAME, address: .5}");
      continue;
    }
    lw_spec_fields(spec, item, LW_SECTION_NIC, NULL, FALSE, item->origin, what, &fields);
    if (!fields.value[LW_KEY_NIC_SEGMENT] && !fields.wrong[LW_KEY_NIC_SEGMENT])
      lw_spec_error(spec->diagnostics, item->origin, "%s has no “segment”", what);
    else
      read_card(spec, &fields, LW_KEY_NIC_SEGMENT, item->origin, index);
  }
  if (items->len == 0)
    lw_spec_error(spec->diagnostics, node->origin, "machine “%s” has no network card: list at least one",
                  machine->name);
}

static void read_command(LwSpec *spec, const LwYaml *node, LwMachine *machine) {
  if (machine->kind != LW_MACHINE_CELL)
    lw_spec_error(spec->diagnostics, node->origin, "only a cell runs a command: add “cell: true”");
  for (guint i = 0; i < node->items->len; i++) {
    const LwYaml *item = node->items->pdata[i];
    if (item->kind != LW_YAML_SCALAR)
      lw_spec_error(spec->diagnostics, item->origin, "an argument is a single value");
    else
      g_ptr_array_add(machine->command, g_strdup(item->text));
  }
  if (machine->command->len && !*(const char *)machine->command->pdata[0])
    lw_spec_error(spec->diagnostics, node->origin, "the program's name is empty");
}

static void set_kind(LwSpec *spec, LwMachine *machine, LwMachineKind kind, LwOrigin origin, LwOrigin *said) {
  if (said->file && machine->kind != kind)
    lw_spec_error(spec->diagnostics, origin,
                  "machine “%s” is something else already (line %u): one of vm, container, cell",
                  machine->name, said->line);
  machine->kind = kind;
  *said = origin;
}

static void read_object(LwSpec *spec, LwMachine *machine, LwKeyId key, const LwFields *fields,
                        LwMachineKind kind, LwOrigin *said) {
  const LwYaml *node = fields->value[key];
  if (!node)
    return;
  set_kind(spec, machine, kind, node->origin, said);
  g_free(machine->object);
  machine->object = lw_spec_text(spec, node);
}

static void read_kind(LwSpec *spec, const LwFields *fields, LwMachine *machine) {
  LwOrigin said = {0};
  const LwYaml *kind = fields->value[LW_KEY_MACHINE_KIND], *cell = fields->value[LW_KEY_MACHINE_CELL],
               *command = fields->value[LW_KEY_MACHINE_COMMAND];
  gboolean is_cell = FALSE;
  if (kind)
    set_kind(spec, machine, (LwMachineKind)lw_spec_choice(spec, fields, LW_KEY_MACHINE_KIND), kind->origin,
             &said);
  read_object(spec, machine, LW_KEY_MACHINE_VM, fields, LW_MACHINE_VM, &said);
  read_object(spec, machine, LW_KEY_MACHINE_CONTAINER, fields, LW_MACHINE_CONTAINER, &said);
  if (cell && cell->kind == LW_YAML_SCALAR)
    lw_spec_boolean(spec, cell, &is_cell);
  if (cell && (is_cell || cell->kind == LW_YAML_MAP))
    set_kind(spec, machine, LW_MACHINE_CELL, cell->origin, &said);
  if (cell && cell->kind == LW_YAML_MAP) {
    LwFields inner;
    lw_spec_fields(spec, cell, LW_SECTION_CELL, NULL, FALSE, cell->origin, "cell", &inner);
    if (inner.value[LW_KEY_CELL_COMMAND] && command)
      lw_spec_error(spec->diagnostics, command->origin, "machine “%s” has two commands", machine->name);
    else if (inner.value[LW_KEY_CELL_COMMAND])
      command = inner.value[LW_KEY_CELL_COMMAND];
  }
  if (command)
    read_command(spec, command, machine);
  if (fields->value[LW_KEY_MACHINE_CREATE])
    lw_spec_read_create(spec, fields->value[LW_KEY_MACHINE_CREATE], machine);
  if (!machine->object)
    machine->object = g_strdup(machine->name);
}

/* A default of a group gives way as soon as the machine has a key of that group. */
static void drop_defaults(const LwYaml *map, const LwKeyId *group, guint count, LwFields *defaults) {
  gboolean own = FALSE;
  for (guint i = 0; i < count; i++)
    own |= lw_yaml_get(map, lw_keys[group[i]].key) != NULL;
  for (guint i = 0; own && i < count; i++)
    defaults->value[group[i]] = NULL;
}

static void read_machine(LwSpec *spec, const LwYaml *name, const LwYaml *map, guint index) {
  static const LwKeyId kinds[] = {LW_KEY_MACHINE_KIND, LW_KEY_MACHINE_VM, LW_KEY_MACHINE_CONTAINER,
                                  LW_KEY_MACHINE_CELL, LW_KEY_MACHINE_COMMAND};
  static const LwKeyId cards[] = {LW_KEY_MACHINE_NICS, LW_KEY_MACHINE_SEGMENT};
  static const LwKeyId of_one[] = {LW_KEY_MACHINE_SEGMENT, LW_KEY_MACHINE_ADDRESS, LW_KEY_MACHINE_MAC,
                                   LW_KEY_MACHINE_ADDRESSES};
  LwMachine *machine = lw_lab_machine(spec->lab, index);
  LwFields fields, defaults = spec->defaults_machine;
  drop_defaults(map, kinds, G_N_ELEMENTS(kinds), &defaults);
  drop_defaults(map, cards, G_N_ELEMENTS(cards), &defaults);
  if (lw_yaml_get(map, "nics"))
    defaults.value[LW_KEY_MACHINE_SPOOF] = NULL;
  g_autofree char *what = g_strdup_printf("machine “%s”", name->text);
  lw_spec_fields(spec, map, LW_SECTION_MACHINE, &defaults, FALSE, name->origin, what, &fields);
  read_kind(spec, &fields, machine);
  if (fields.value[LW_KEY_MACHINE_START])
    lw_spec_read_start(spec, fields.value[LW_KEY_MACHINE_START], index);
  const LwYaml *nics = fields.value[LW_KEY_MACHINE_NICS];
  for (guint i = 0; nics && i < G_N_ELEMENTS(of_one); i++)
    if (fields.value[of_one[i]])
      lw_spec_error(spec->diagnostics, fields.value[of_one[i]]->origin,
                    "“%s” stands with the cards when there is “nics:”", lw_keys[of_one[i]].key);
  if (nics && fields.value[LW_KEY_MACHINE_SPOOF])
    lw_spec_error(spec->diagnostics, fields.value[LW_KEY_MACHINE_SPOOF]->origin,
                  "“spoof” stands with the cards when there is “nics:”");
  if (nics)
    read_nics(spec, nics, index);
  else if (fields.value[LW_KEY_MACHINE_SEGMENT])
    read_card(spec, &fields, LW_KEY_MACHINE_SEGMENT, name->origin, index);
  else if (!fields.wrong[LW_KEY_MACHINE_SEGMENT] && !fields.wrong[LW_KEY_MACHINE_NICS])
    lw_spec_error(spec->diagnostics, name->origin, "machine “%s” is plugged in nowhere: add “segment: NAME”",
                  name->text);
}

static void check_objects(LwSpec *spec) {
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  if (spec->lab->router.kind == LW_ROUTER_OPNSENSE && spec->lab->router.vm)
    g_hash_table_insert(seen, g_strdup_printf("%d/%s", LW_MACHINE_VM, spec->lab->router.vm),
                        (gpointer) "the router");
  for (guint i = 0; i < spec->lab->machines->len; i++) {
    const LwMachine *machine = lw_lab_machine(spec->lab, i);
    char *key = g_strdup_printf("%d/%s", machine->kind, machine->object ? machine->object : "");
    const char *other = g_hash_table_lookup(seen, key);
    if (other && machine->object) {
      lw_spec_error(spec->diagnostics, machine->origin, "machine “%s” and %s are one and the same %s “%s”",
                    machine->name, other, machine->kind == LW_MACHINE_CONTAINER ? "container" : "domain",
                    machine->object);
      g_free(key);
    } else
      g_hash_table_insert(seen, key, machine->name);
  }
}

void lw_spec_build_machines(LwSpec *spec, const LwYaml *map) {
  for (guint i = 0; map && i < map->keys->len; i++) {
    const LwYaml *name = map->keys->pdata[i];
    LwYaml *value = map->items->pdata[i];
    if (spec->lab->machines->len >= MOST_MACHINES) {
      lw_spec_error(spec->diagnostics, name->origin, "more than %d machines", MOST_MACHINES);
      break;
    }
    if (!lw_spec_name(spec, name, "a machine", LONGEST_MACHINE))
      continue;
    if (value->kind != LW_YAML_MAP && !lw_yaml_is_empty(value)) {
      lw_spec_error(spec->diagnostics, value->origin, "machine “%s” must be a mapping: {segment: NAME}",
                    name->text);
      continue;
    }
    LwMachine *machine = lw_machine_new();
    machine->name = g_strdup(name->text);
    machine->origin = name->origin;
    g_ptr_array_add(spec->lab->machines, machine);
    g_hash_table_insert(spec->machines, machine->name, GUINT_TO_POINTER(spec->lab->machines->len));
    const LwYaml *body =
        value->kind == LW_YAML_MAP ? value : lw_yaml_new(spec->pool, LW_YAML_MAP, value->origin);
    read_machine(spec, name, body, spec->lab->machines->len - 1);
  }
  check_objects(spec);
  lw_spec_build_starts(spec);
}
