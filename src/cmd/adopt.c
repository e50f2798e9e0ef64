/* adopt: a machine that is there already, put into the lab's file. */
#include "cmd/labfile.h"

#include "base/error.h"
#include "doctor/first.h"
#include "providers/container/engine.h"
#include "spec/edit.h"

#define LONGEST_NAME 63 /* a DNS label */

static gboolean is_in(const LwLab *lab, LwMachineKind kind, const char *object, const LwMachine **found) {
  for (guint i = 0; i < lab->machines->len; i++) {
    *found = lw_lab_machine(lab, i);
    if ((*found)->kind == kind && g_str_equal((*found)->object, object))
      return TRUE;
  }
  return FALSE;
}

static guint find_wire(const LwLab *lab, const LwSeenNic *nic) {
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    if (g_strcmp0(segment->network, nic->network) == 0 || g_strcmp0(segment->bridge, nic->bridge) == 0)
      return i;
  }
  return LW_NONE;
}

static LwMachine *new_machine(const LwLab *lab, LwMachineKind kind, const char *object) {
  g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < lab->machines->len; i++)
    g_hash_table_add(taken, g_strdup(lw_lab_machine(lab, i)->name));
  LwMachine *machine = lw_machine_new();
  machine->kind = kind;
  machine->object = g_strdup(object);
  machine->name = lw_first_name(object, LONGEST_NAME, taken);
  return machine;
}

static void add_card(LwMachine *machine, guint segment) {
  LwNic *nic = lw_nic_new();
  nic->segment = segment;
  g_ptr_array_add(machine->nics, nic);
}

/* Its cards stay where they are, unless a segment was named. */
static gboolean plug_domain(const LwLab *lab, const LwSeenDomain *domain, guint segment, LwMachine *machine,
                            GError **error) {
  if (segment != LW_NONE) {
    add_card(machine, segment);
    if (domain->nics->len > 1)
      g_printerr("lanward: %s has %u network cards: the first one is plugged in, the others stay where they "
                 "are; add "
                 "them under nics:\n",
                 domain->name, domain->nics->len);
    return TRUE;
  }
  for (guint i = 0; i < domain->nics->len; i++) {
    guint wire = find_wire(lab, domain->nics->pdata[i]);
    if (wire == LW_NONE)
      break;
    add_card(machine, wire);
  }
  if (domain->nics->len && machine->nics->len == domain->nics->len)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_USAGE,
              "%s is in no segment of %s yet: say which: lanward adopt '%s' SEGMENT", domain->name, lab->name,
              domain->name);
  return FALSE;
}

/* NULL, without an error, when no engine has it. */
static LwContainerInfo *find_container(const char *name, GError **error) {
  g_autoptr(GError) inner = NULL;
  LwContainerInfo *info = lw_container_find(lw_container_sockets, name, NULL, &inner);
  if (!info && !g_error_matches(inner, LW_ERROR, LW_ERROR_NOT_FOUND))
    g_propagate_error(error, g_steal_pointer(&inner));
  return info;
}

static gboolean plug_container(const LwContainerInfo *info, guint segment, LwMachine *machine,
                               GError **error) {
  g_autofree char *trouble = lw_container_trouble(info);
  if (!trouble && segment != LW_NONE) {
    add_card(machine, segment);
    return TRUE;
  }
  if (trouble)
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "%s", trouble);
  else
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "say which segment: lanward adopt '%s' SEGMENT", info->name);
  return FALSE;
}

static gboolean find_segment(const LwLab *lab, const char *name, guint *segment, GError **error) {
  *segment = name ? lw_lab_find_segment(lab, name) : LW_NONE;
  if (!name || *segment != LW_NONE)
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s has no segment “%s”", lab->name, name);
  return FALSE;
}

/* NULL and no error: it is in the file already, which was told. */
static LwMachine *make_machine(const LwInvocation *invocation, const LwLab *lab, const char *name,
                               guint segment, GError **error) {
  g_autoptr(LwSeen) seen = lw_seen_look(invocation->root ? invocation->root : "");
  const LwSeenDomain *domain = lw_seen_domain(seen, name);
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwContainerInfo) container = find_container(name, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
  }
  if (!domain == !container) {
    g_set_error(
        error, LW_ERROR, domain ? LW_ERROR_CONFLICT : LW_ERROR_NOT_FOUND,
        domain ? "“%s” is both a domain and a container: write the one that is meant into the file by hand"
               : "“%s” is neither a domain that libvirt has on file nor a container",
        name);
    return NULL;
  }
  LwMachineKind kind = domain ? LW_MACHINE_VM : LW_MACHINE_CONTAINER;
  const char *object = domain ? domain->name : container->name;
  const LwMachine *have;
  if (is_in(lab, kind, object, &have)) {
    g_autofree char *place = lw_origin_format(&have->origin);
    g_print("%s: “%s” is in the file already, as %s\n", place, object, have->name);
    return NULL;
  }
  LwMachine *machine = new_machine(lab, kind, object);
  gboolean ok = domain ? plug_domain(lab, domain, segment, machine, error)
                       : plug_container(container, segment, machine, error);
  if (!ok) {
    lw_machine_free(machine);
    return NULL;
  }
  return machine;
}

static void print_adopted(const LwInvocation *invocation, const char *path, const LwLab *lab,
                          const LwMachine *machine) {
  const char *kind = machine->kind == LW_MACHINE_VM ? "domain" : "container";
  if (invocation->json) {
    JsonObject *root = json_object_new();
    json_object_set_string_member(root, "file", path);
    json_object_set_string_member(root, "machine", machine->name);
    json_object_set_string_member(root, "kind", kind);
    json_object_set_string_member(root, "object", machine->object);
    lw_print_json(root);
    return;
  }
  if (invocation->quiet)
    return;
  g_autoptr(GString) where = g_string_new(NULL);
  for (guint i = 0; i < machine->nics->len; i++)
    g_string_append_printf(where, "%s%s", i ? ", " : "",
                           lw_lab_segment(lab, lw_machine_nic(machine, i)->segment)->name);
  g_print("%s: the %s “%s” is machine %s, in %s. Next: lanward plan %s\n", path, kind, machine->object,
          machine->name, where->str, path);
}

int lw_adopt_main(const LwInvocation *invocation) {
  const char *const *args = (const char *const *)invocation->args->pdata;
  const char *path = invocation->file ? invocation->file : LW_DEFAULT_FILE;
  if (!args[0] || (args[1] && args[2]))
    return lw_fail_text("usage: lanward adopt DOMAIN|CONTAINER [SEGMENT] [-f FILE]");
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(LwLab) lab = lw_load_spec(invocation, path, lw_target_spec_flags(), secrets);
  if (!lab)
    return LW_EXIT_ERROR;
  g_autoptr(GError) error = NULL;
  guint segment;
  if (!find_segment(lab, args[1], &segment, &error))
    return lw_fail(error);
  LwMachine *machine = make_machine(invocation, lab, args[0], segment, &error);
  if (!machine)
    return error ? lw_fail(error) : LW_EXIT_OK;
  g_autofree char *text = lw_labfile_read(path, &error);
  g_autofree char *changed = text ? lw_spec_edit_add_machine(text, path, lab, machine, &error) : NULL;
  gboolean right = changed && lw_labfile_would_be_right(invocation, path, path, changed);
  gboolean ok = right && lw_labfile_write(path, changed, &error);
  if (ok)
    print_adopted(invocation, path, lab, machine);
  lw_machine_free(machine);
  return ok ? LW_EXIT_OK : error ? lw_fail(error) : lw_fail_text("%s stays as it is", path);
}
