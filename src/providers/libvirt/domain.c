/* Kind DOMAIN: the domains that the file creates. Disks are made where there are none, and never removed. */
#include "providers/libvirt/connection.h"
#include "providers/libvirt/iommu.h"

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"

#include <errno.h>
#include <glib/gstdio.h>

#include <string.h>
#include <sys/stat.h>

#define USER_DATA_MAX (1024 * 1024)

/* --- its files
 * -------------------------------------------------------------------------------------------------------------
 */

static gboolean run(const char *const *argv, GError **error) {
  LwCommand command = {.argv = argv};
  g_autofree char *out = lw_command_run(&command, error);
  return out != NULL;
}

/* Made beside its name and renamed: half a disk is never taken for one. */
static gboolean make_disk(const LwDisk *disk, GError **error) {
  if (g_file_test(disk->path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autofree char *part = g_strconcat(disk->path, ".part", NULL);
  g_autofree char *size = g_strdup_printf("%uM", disk->size);
  const char *format = g_str_has_suffix(disk->path, ".qcow2") ? "qcow2" : "raw";
  const char *const create[] = {"qemu-img", "create", "-q", "-f", format, part, size, NULL};
  const char *const convert[] = {"qemu-img", "convert", "-q", "-O", format, disk->image, part, NULL};
  const char *const resize[] = {"qemu-img", "resize", "-q", "-f", format, part, size, NULL};
  gboolean copies = disk->image && *disk->image;
  if (!run(copies ? convert : create, error) || (copies && disk->size && !run(resize, error)))
    return FALSE;
  if (g_chmod(part, 0600) == 0 && g_rename(part, disk->path) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot make %s", disk->path);
  return FALSE;
}

/* NoCloud: a disc called "cidata" with user-data and meta-data (cloud-init's documentation, NoCloud). The
 * user-data may hold secrets: nothing of it is ever in an argument or readable by others. */
static gboolean make_seed(const LwResource *domain, GError **error) {
  if (!domain->seed || !*domain->seed || !domain->seed_iso)
    return TRUE;
  g_autofree char *user_data = lw_file_read(domain->seed, USER_DATA_MAX, NULL, error);
  g_autofree char *folder = user_data ? g_dir_make_tmp("lanward-seed-XXXXXX", error) : NULL;
  if (!folder)
    return FALSE;
  g_autofree char *user = g_build_filename(folder, "user-data", NULL);
  g_autofree char *meta = g_build_filename(folder, "meta-data", NULL);
  g_autofree char *part = g_strconcat(domain->seed_iso, ".part", NULL);
  g_autofree char *meta_data =
      g_strdup_printf("instance-id: %s\nlocal-hostname: %s\n", domain->name, domain->name);
  const char *const argv[] = {"xorriso", "-as", "mkisofs", "-quiet", "-V", "cidata", "-J",
                              "-r",      "-o",  part,      user,     meta, NULL};
  gboolean ok = lw_file_write_atomic(user, user_data, strlen(user_data), 0600, error) &&
                lw_file_write_atomic(meta, meta_data, strlen(meta_data), 0600, error) && run(argv, error);
  if (ok && (g_chmod(part, 0600) != 0 || g_rename(part, domain->seed_iso) != 0)) {
    lw_error_set_errno(error, "cannot make %s", domain->seed_iso);
    ok = FALSE;
  }
  explicit_bzero(user_data, strlen(user_data));
  return lw_tree_remove(folder, ok ? error : NULL) && ok;
}

gboolean lw_virt_make_disks(const LwResource *domain, GError **error) {
  for (guint i = 0; i < domain->disks->len; i++)
    if (!make_disk(domain->disks->pdata[i], error))
      return FALSE;
  return TRUE;
}

static gboolean make_files(const LwResource *domain, GError **error) {
  return lw_virt_make_disks(domain, error) && make_seed(domain, error);
}

/* --- files and an undo
 * ---------------------------------------------------------------------------------------------------- */

static LwResource *marked(LwResource *domain) {
  g_autoptr(JsonNode) json = lw_resource_to_json(domain);
  LwResource *copy = lw_resource_from_json(json, NULL);
  for (guint i = 0; i < copy->disks->len; i++) {
    LwDisk *disk = copy->disks->pdata[i];
    disk->fresh = !g_file_test(disk->path, G_FILE_TEST_EXISTS);
  }
  return copy;
}

GPtrArray *lw_virt_mark_fresh(const GPtrArray *changes) {
  GPtrArray *list = lw_changes_new();
  for (guint i = 0; i < changes->len; i++) {
    LwChange *change = changes->pdata[i];
    gboolean comes = change->to && !change->from && change->to->kind == LW_RES_DOMAIN;
    g_autoptr(LwResource) to = comes ? marked(change->to) : NULL;
    g_ptr_array_add(list, lw_change_new(change->klass, change->from, to ? to : change->to));
  }
  return list;
}

static gboolean remove_file(const char *path, GError **error) {
  if (!path || !*path || g_unlink(path) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "cannot remove %s", path);
  return FALSE;
}

gboolean lw_virt_remove_files(const GPtrArray *reverse, GError **error) {
  for (guint i = 0; i < reverse->len; i++) {
    const LwChange *change = reverse->pdata[i];
    const LwResource *made = change->to ? NULL : change->from;
    if (!made || made->kind != LW_RES_DOMAIN)
      continue;
    for (guint d = 0; d < made->disks->len; d++) {
      const LwDisk *disk = made->disks->pdata[d];
      g_autofree char *part = g_strconcat(disk->path, ".part", NULL);
      if (!remove_file(part, error) || (disk->fresh && !remove_file(disk->path, error)))
        return FALSE;
    }
    if (!remove_file(made->medium, error))
      return FALSE;
  }
  return TRUE;
}

/* --- observe and check
 * ---------------------------------------------------------------------------------------------------- */

gboolean lw_virt_observe_domain(virConnectPtr connection, const char *name, LwResourceSet *seen,
                                GError **error) {
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwVirtMachine) machine = lw_virt_machine_open(connection, name, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (!machine)
    return TRUE;
  LwResource *domain = lw_virt_domain_read(machine->config);
  int autostart = 0;
  virDomainGetAutostart(machine->domain, &autostart);
  domain->autostart = autostart != 0;
  domain->up = domain->xml && machine->live;
  lw_resource_set_add(seen, domain);
  return TRUE;
}

static gboolean check_disks(const LwResource *to, GError **error) {
  for (guint i = 0; i < to->disks->len; i++) {
    const LwDisk *disk = to->disks->pdata[i];
    g_autofree char *folder = g_path_get_dirname(disk->path);
    if (g_file_test(disk->path, G_FILE_TEST_EXISTS))
      continue;
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR) ||
        (disk->image && *disk->image && !g_file_test(disk->image, G_FILE_TEST_EXISTS))) {
      gboolean image = g_file_test(folder, G_FILE_TEST_IS_DIR);
      g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s: there is no %s", to->name,
                  image ? disk->image : folder);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean lw_virt_check_domain(virConnectPtr connection, const LwChange *change, GError **error) {
  const LwResource *from = change->from, *to = change->to;
  if (to && from && !(from->alias && *from->alias)) {
    g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT,
                "the domain %s exists already and is not lanward's: leave create: out to adopt it, or give "
                "another vm:",
                to->name);
    return FALSE;
  }
  if (!to)
    return TRUE;
  if (to->cdrom && *to->cdrom && !g_file_test(to->cdrom, G_FILE_TEST_EXISTS)) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "%s: there is no %s", to->name, to->cdrom);
    return FALSE;
  }
  return check_disks(to, error) && lw_iommu_check("/sys", to->devices, error);
}

/* --- changes
 * -------------------------------------------------------------------------------------------------------------
 */

static gboolean complain(GError **error, const char *what, const char *name) {
  lw_virt_set_error(error, "cannot %s domain %s", what, name);
  return FALSE;
}

const char *lw_virt_type(virConnectPtr connection) {
  char *kvm = virConnectGetDomainCapabilities(connection, NULL, "x86_64", "q35", "kvm", 0);
  gboolean has_kvm = kvm != NULL;
  free(kvm);
  return has_kvm ? "kvm" : "qemu";
}

static gboolean define(virConnectPtr connection, const LwResource *to, const LwVirtMachine *before,
                       GError **error) {
  if (!make_files(to, error))
    return FALSE;
  g_autofree char *xml = lw_virt_domain_write(to, before ? before->config : NULL, lw_virt_type(connection));
  g_autoptr(virDomain) domain = virDomainDefineXML(connection, xml);
  if (!domain || virDomainSetAutostart(domain, to->autostart) != 0)
    return complain(error, "define", to->name);
  return TRUE;
}

/* Its disks stay, always: whoever wants them gone removes them. */
static gboolean undefine(LwVirtMachine *machine, const char *name, GError **error) {
  if (!machine || !machine->created)
    return TRUE;
  if (machine->live && virDomainDestroyFlags(machine->domain, VIR_DOMAIN_DESTROY_GRACEFUL) != 0)
    return complain(error, "stop", name);
  if (virDomainUndefineFlags(machine->domain, VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_NVRAM |
                                                  VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA) == 0)
    return TRUE;
  return complain(error, "remove", name);
}

gboolean lw_virt_bring_domain(const LwProviderContext *context, virConnectPtr connection,
                              const LwChange *change, GError **error) {
  const LwResource *to = change->to;
  const char *name = to ? to->name : change->from->name;
  g_autoptr(GError) inner = NULL;
  g_autoptr(LwVirtMachine) machine = lw_virt_machine_open(connection, name, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
  }
  if (to && to->xml && *to->xml)
    return lw_virt_bring_router(context, connection, to, machine, error);
  return to ? define(connection, to, machine, error) : undefine(machine, name, error);
}
