/* The lab's router as a domain: made, booted for the first time, waited for.
 *
 * Only what has a new disk is booted into a configuration: OPNsense's importer asks for one when it has none.
 * The disc with it holds keys: it is there from the definition to the import, readable by root (and QEMU's
 * user) alone, and leaves the domain's definition when it was read.
 */
#include "providers/libvirt/connection.h"
#include "providers/libvirt/libvirt.h"

#include "base/error.h"
#include "base/files.h"
#include "providers/opnsense/console.h"
#include "providers/opnsense/ready.h"
#include "providers/opnsense/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 250
#define READY_SECONDS 300
#define CERTIFICATE_MAX 128
#define PATIENCE                                                                                             \
  "LANWARD_ROUTER_PATIENCE" /* seconds for each wait: for machines that take longer, and tests */

static guint patience(guint usual) {
  const char *text = g_getenv(PATIENCE);
  guint64 seconds = 0;
  return text && g_ascii_string_to_unsigned(text, 10, 1, 86400, &seconds, NULL) ? (guint)seconds : usual;
}

static gboolean complain(GError **error, const char *what, const char *name) {
  lw_virt_set_error(error, "cannot %s domain %s, the lab's router", what, name);
  return FALSE;
}

/* --- its first configuration
 * ---------------------------------------------------------------------------------------------------- */

static gboolean make_medium(const LwProviderContext *context, const LwResource *to, GError **error) {
  char *config = lw_secret_store_get(context->secrets, to->config, error);
  g_autofree char *folder = config ? g_dir_make_tmp("lanward-router-XXXXXX", error) : NULL;
  g_autofree char *file = folder ? g_build_filename(folder, "config.xml", NULL) : NULL;
  gboolean ok = file && lw_file_write_atomic(file, config, strlen(config), 0600, error) &&
                lw_opn_medium_make(to->medium, file, error);
  lw_secret_clear(config);
  return (!folder || lw_tree_remove(folder, ok ? error : NULL)) && ok;
}

static gboolean remove_medium(const LwResource *to, GError **error) {
  if (g_unlink(to->medium) == 0 || errno == ENOENT)
    return TRUE;
  lw_error_set_errno(error, "%s holds the lab's keys and cannot be removed", to->medium);
  return FALSE;
}

/* --- its console
 * -------------------------------------------------------------------------------------------------------------
 */

static int open_console(virDomainPtr domain, GError **error) {
  char *xml = virDomainGetXMLDesc(domain, 0);
  g_autoptr(LwVirtDomain) live = xml ? lw_virt_domain_parse(xml, error) : NULL;
  g_autofree char *path = live ? lw_virt_domain_console(live) : NULL;
  free(xml);
  int fd = path ? open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK) : -1;
  if (path && fd < 0)
    lw_error_set_errno(error, "cannot open the router's console, %s", path);
  else if (fd < 0 && (!error || !*error))
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the router has no serial console");
  return fd;
}

static gboolean type(int fd, const char *text, GError **error) {
  for (gsize at = 0; at < strlen(text);) {
    ssize_t wrote = write(fd, text + at, strlen(text + at));
    if (wrote < 0 && errno != EAGAIN && errno != EINTR) {
      lw_error_set_errno(error, "cannot type on the router's console");
      return FALSE;
    }
    at += wrote > 0 ? (gsize)wrote : 0;
    if (wrote <= 0)
      g_usleep(1000);
  }
  return TRUE;
}

/* What came, 0: nothing in this time; -1: nobody is there any more. */
static ssize_t listen_to(int fd, char *buffer, gsize size) {
  struct pollfd waits = {.fd = fd, .events = POLLIN};
  int ready = poll(&waits, 1, POLL_MS);
  if (ready <= 0)
    return 0;
  ssize_t got = read(fd, buffer, size);
  return got > 0 ? got : got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static gboolean talk(int fd, LwConsole *console, gboolean (*cancelled)(void), GError **error) {
  char buffer[4096];
  while (lw_console_state(console) < LW_CONSOLE_READY) {
    ssize_t got = listen_to(fd, buffer, sizeof buffer);
    g_autofree char *typed =
        lw_console_feed(console, buffer, got > 0 ? (gsize)got : 0, g_get_monotonic_time() / G_USEC_PER_SEC);
    if (typed && !type(fd, typed, error))
      return FALSE;
    if (got < 0)
      lw_console_give_up(console, "the virtual machine ended");
    if (cancelled && cancelled())
      lw_console_give_up(console, "it was not waited for any longer, as asked");
  }
  return lw_console_check(console, error);
}

/* *certificate: what the console named; transfer full, nullable. */
static gboolean first_boot(const LwProviderContext *context, virDomainPtr domain, char **certificate,
                           GError **error) {
  const guint limits[3] = {patience(300), patience(60), patience(600)};
  int fd = open_console(domain, error);
  if (fd < 0)
    return FALSE;
  g_autoptr(LwConsole) console =
      lw_console_new(LW_OPN_MEDIUM_DEVICE, limits, g_get_monotonic_time() / G_USEC_PER_SEC);
  gboolean ok = talk(fd, console, context->cancelled, error);
  close(fd);
  *certificate = g_strdup(lw_console_certificate(console));
  return ok;
}

/* What its own console says is trusted: nobody stands between. The user is told of it
 * (LW_ROUTER_CERTIFICATE). A domain that boots without an import has that of its import. */
static gboolean settle_certificate(const LwProviderContext *context, char **certificate, GError **error) {
  g_autofree char *path = g_build_filename(context->run_dir, LW_ROUTER_CERTIFICATE, NULL);
  if (*certificate)
    return lw_file_write_atomic(path, *certificate, strlen(*certificate), 0600, error);
  *certificate = lw_file_read(path, CERTIFICATE_MAX, NULL, NULL);
  return TRUE;
}

/* --- the domain
 * -------------------------------------------------------------------------------------------------------------
 */

static gboolean define(virConnectPtr connection, const LwResource *to, const LwVirtMachine *before,
                       gboolean with_medium, GError **error) {
  g_autofree char *xml =
      lw_virt_router_write(to, before ? before->config : NULL, lw_virt_type(connection), with_medium, error);
  g_autoptr(virDomain) domain = xml ? virDomainDefineXML(connection, xml) : NULL;
  if (xml && (!domain || virDomainSetAutostart(domain, to->autostart) != 0))
    return complain(error, "define", to->name);
  return domain != NULL;
}

static gboolean start(virConnectPtr connection, const LwResource *to, GError **error) {
  g_autoptr(virDomain) domain = virDomainLookupByName(connection, to->name);
  return (domain && (virDomainIsActive(domain) == 1 || virDomainCreate(domain) == 0)) ||
         complain(error, "start", to->name);
}

/* Defined again it has no medium at its next start; the running one has it open until it ends, without a
 * name. */
static gboolean import(const LwProviderContext *context, virConnectPtr connection, const LwResource *to,
                       char **certificate, GError **error) {
  g_autoptr(virDomain) domain = virDomainLookupByName(connection, to->name);
  if (!domain)
    return complain(error, "find", to->name);
  g_autoptr(LwVirtMachine) machine = NULL;
  return first_boot(context, domain, certificate, error) &&
         (machine = lw_virt_machine_open(connection, to->name, error)) &&
         define(connection, to, machine, FALSE, error) && remove_medium(to, error);
}

static gboolean wait_ready(const LwProviderContext *context, const LwResource *to, const char *certificate,
                           GError **error) {
  if (!to->api_url || !*to->api_url)
    return TRUE;
  g_autoptr(LwOpnKey) key = lw_opn_key_read(to->api_key_file, error);
  if (!key)
    return FALSE;
  const char *pin = to->certificate && *to->certificate ? to->certificate : certificate;
  g_autoptr(LwOpnApi) api = lw_opn_api_new(to->api_url, key, pin);
  return lw_opn_wait_ready(api, to->tunnels, patience(READY_SECONDS), context->cancelled, error);
}

static gboolean make(const LwProviderContext *context, virConnectPtr connection, const LwResource *to,
                     GError **error) {
  const LwDisk *disk = to->disks->pdata[0];
  gboolean first = !g_file_test(disk->path, G_FILE_TEST_EXISTS);
  g_autofree char *certificate = NULL;
  return (!first || make_medium(context, to, error)) && lw_virt_make_disks(to, error) &&
         define(connection, to, NULL, first, error) && start(connection, to, error) &&
         (!first || import(context, connection, to, &certificate, error)) &&
         settle_certificate(context, &certificate, error) && wait_ready(context, to, certificate, error);
}

/* What changes of it holds from its next start on. */
static gboolean change(virConnectPtr connection, const LwResource *to, const LwVirtMachine *before,
                       GError **error) {
  if (!define(connection, to, before, FALSE, error))
    return FALSE;
  if (to->up)
    return start(connection, to, error);
  return !before->live || virDomainShutdown(before->domain) == 0 || complain(error, "shut down", to->name);
}

gboolean lw_virt_bring_router(const LwProviderContext *context, virConnectPtr connection,
                              const LwResource *to, const LwVirtMachine *before, GError **error) {
  return before ? change(connection, to, before, error) : make(context, connection, to, error);
}
