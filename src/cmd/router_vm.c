#include "cmd/router_vm.h"

#include "base/error.h"
#include "base/files.h"
#include "policy/names.h"
#include "providers/libvirt/libvirt.h"
#include "providers/libvirt/xml.h"
#include "providers/opnsense/apikey.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/vm.h"

#include <string.h>

#define IMAGES "/var/lib/libvirt/images"
#define CERTIFICATE_MAX 128

/* Transfer full; NULL for NULL. */
static char *whole_path(const char *folder, const char *path) {
  return path ? g_canonicalize_filename(path, folder) : NULL;
}

char *lw_router_key_entry(const LwLab *lab, const char *folder, GError **error) {
  g_autofree char *file = whole_path(folder, lab->router.api_key_file);
  g_autoptr(LwOpnKey) key = file ? lw_opn_key_read(file, error) : NULL;
  return key ? lw_opn_key_entry(key, error) : NULL;
}

/* --- what is wanted
 * -------------------------------------------------------------------------------------------------------------
 */

static char *config_text(LwSession *session, GError **error) {
  const LwLab *lab = session->lab;
  g_autoptr(GError) inner = NULL;
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free); /* told by lw_router_vm_notes() */
  g_autofree char *key = lw_router_key_entry(lab, lab->router.create->folder, &inner);
  if (inner) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
  }
  LwOpnCredentials credentials = {.api_key = key};
  return lw_opn_config(lab, session->facts, session->secrets, &credentials, notes, error);
}

static gboolean add_config(LwSession *session, LwResource *domain, GError **error) {
  char *text = config_text(session, error);
  if (text)
    domain->config = lw_secret_store_put(session->secrets, text, error);
  lw_secret_clear(text);
  return domain->config != NULL;
}

static gboolean add_xml(LwSession *session, LwResource *domain, GError **error) {
  const LwDisk *disk = domain->disks->pdata[0];
  LwOpnVm vm = {domain->name, domain->memory, domain->vcpus, disk->path, domain->medium};
  domain->xml = lw_opn_domain_xml(session->lab, session->facts, &vm, error);
  g_autoptr(LwVirtDomain) parsed = domain->xml ? lw_virt_domain_parse(domain->xml, error) : NULL;
  if (parsed)
    lw_virt_router_nics(parsed, domain->links);
  return parsed != NULL;
}

static LwResource *domain_of(const LwLab *lab) {
  const LwCreate *create = lab->router.create;
  LwResource *domain = lw_resource_new(LW_RES_DOMAIN, NULL, lab->router.vm);
  LwDisk *disk = lw_disk_new();
  g_autofree char *file = g_strdup_printf("%s.qcow2", domain->name);
  disk->path = g_build_filename(IMAGES, file, NULL);
  disk->image = whole_path(create->folder, create->image);
  disk->size = create->disk_size;
  g_ptr_array_add(domain->disks, disk);
  domain->origin = create->origin;
  domain->memory = create->memory;
  domain->vcpus = create->vcpus;
  domain->firmware = g_strdup("bios");
  domain->autostart = create->autostart;
  domain->up = TRUE;
  domain->alias = g_strdup(LW_OWNER);
  domain->medium = g_strdup_printf(IMAGES "/%s-config.iso", domain->name);
  domain->api_url = g_strdup(lab->router.api_url);
  domain->api_key_file = whole_path(create->folder, lab->router.api_key_file);
  domain->certificate = g_strdup(lab->router.api_certificate);
  domain->tunnels = lab->tunnels->len;
  domain->observed = !(lab->manage & LW_MANAGE_ROUTER);
  return domain;
}

gboolean lw_router_vm_add(LwSession *session, LwResourceSet *wanted, GError **error) {
  const LwLab *lab = session->lab;
  if (!lab->router.create)
    return TRUE;
  if (!session->facts->domains) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
                "libvirt does not run here, and the router is to be a virtual machine: install "
                "libvirt-daemon-system, and see that it runs");
    return FALSE;
  }
  g_autoptr(LwResource) domain = domain_of(lab);
  gboolean there = g_hash_table_contains(session->facts->domains, lab->router.vm);
  if (!add_xml(session, domain, error) || (!there && !add_config(session, domain, error)))
    return FALSE;
  lw_resource_set_add(wanted, g_steal_pointer(&domain));
  return TRUE;
}

/* --- what is told
 * ---------------------------------------------------------------------------------------------------- */

GPtrArray *lw_router_vm_notes(const LwSession *session) {
  GPtrArray *notes = g_ptr_array_new_with_free_func(g_free);
  const LwRouter *router = &session->lab->router;
  if (!session->host || !router->create || !session->facts->domains ||
      g_hash_table_contains(session->facts->domains, router->vm))
    return notes;
  g_ptr_array_add(notes,
                  g_strdup_printf("experimental: the virtual machine %s is made and booted as OPNsense's "
                                  "source says; that was never tried on a real image",
                                  router->vm));
  if (!router->api_url)
    g_ptr_array_add(notes,
                    g_strdup("router: has no “api:”: whether it is ready is not asked, and nobody but its "
                             "console gets into it"));
  return notes;
}

char *lw_router_vm_certificate(const LwSession *session) {
  g_autofree char *path = g_build_filename(session->context.run_dir, LW_ROUTER_CERTIFICATE, NULL);
  return session->lab->router.create ? lw_file_read(path, CERTIFICATE_MAX, NULL, NULL) : NULL;
}

char *lw_router_vm_certificate_note(const LwSession *session) {
  const LwRouter *router = &session->lab->router;
  g_autofree char *path = g_build_filename(session->context.run_dir, LW_ROUTER_CERTIFICATE, NULL);
  g_autofree char *text =
      router->create && router->api_url ? lw_file_read(path, CERTIFICATE_MAX, NULL, NULL) : NULL;
  if (!text || g_strcmp0(router->api_certificate, text) == 0)
    return NULL;
  return g_strdup_printf(
      "the router's certificate, as its console named it; put it into the file, under api:\n"
      "    certificate: %s",
      text);
}
