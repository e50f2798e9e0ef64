/* Leases, from three sides: what dhcpcd tells our hook (a DHCP server may say anything), the file that the
 * hook wrote, and dnsmasq's lease file. The input is all three. */
#include "base/files.h"
#include "providers/dhcpcd/lease.h"
#include "providers/dhcpcd/settings.h"
#include "providers/dnsmasq/translate.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lease(const LwDhcpLease *lease) {
  if (lease->address.addr.family != 4 || lease->address.len > 32)
    g_error("a lease of no address");
  if (!lease->dns || lease->dns->len > 8)
    g_error("a lease with too many resolvers");
}

static const char *folder(void) {
  static char *path;
  if (!path)
    path = g_dir_make_tmp("lanward-fuzz-XXXXXX", NULL);
  return path;
}

/* One that is believed is the same after it was kept. */
static void check_kept(const LwDhcpLease *lease) {
  g_auto(LwDhcpLease) again = {0};
  g_autoptr(GError) error = NULL;
  if (!lw_dhcp_lease_write(folder(), "ns", "link", lease, &error) ||
      !lw_dhcp_lease_read(folder(), "ns", "link", &again, &error))
    g_error("a lease is lost when it is kept: %s", error->message);
  if (!lw_prefix_equal(&again.address, &lease->address) || again.dns->len != lease->dns->len)
    g_error("a lease differs when it was kept");
}

static void from_environment(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", 64);
  g_auto(LwDhcpLease) lease = {0};
  g_autoptr(GError) error = NULL;
  gboolean ok = lw_dhcp_lease_from_environment(lines, &lease, &error);
  if (ok == (error != NULL))
    g_error("a lease in spite of an error, or none and no word why");
  if (!ok)
    return;
  check_lease(&lease);
  check_kept(&lease);
}

static void from_file(const char *text, gsize length) {
  g_autofree char *path = lw_dhcp_path(folder(), "lease", "ns", "link", "json");
  g_auto(LwDhcpLease) lease = {0};
  g_autoptr(GError) error = NULL;
  if (!g_file_set_contents(path, text, (gssize)length, &error))
    g_error("%s", error->message);
  gboolean ok = lw_dhcp_lease_read(folder(), "ns", "link", &lease, &error);
  if (ok == (error != NULL))
    g_error("a lease in spite of an error, or none and no word why");
  if (ok && (!lease.dns || lease.dns->len > 8))
    g_error("a lease with too many resolvers");
}

static LwResource *resolver(void) {
  LwResource *resolver = lw_resource_new(LW_RES_RESOLVER, "router", "dns");
  LwDhcpHost *host = lw_dhcp_host_new();
  g_assert_true(lw_mac_parse("52:54:00:00:00:01", &host->mac));
  host->address = lw_addr_from_v4(0xc0a80a05);
  g_ptr_array_add(resolver->hosts, host);
  return resolver;
}

/* What is kept of a lease file is lines of it, and a second pass drops nothing more. */
static void from_dnsmasq(const char *text) {
  g_autoptr(LwResource) next = resolver();
  guint dropped = 0, again = 0;
  g_autofree char *kept = lw_dnsmasq_leases(text, NULL, next, &dropped);
  g_autofree char *twice = lw_dnsmasq_leases(kept, NULL, next, &again);
  if (again || !g_str_equal(kept, twice))
    g_error("a lease file that was cleared is cleared again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  from_environment(text);
  from_file(text, strlen(text));
  from_dnsmasq(text);
  return 0;
}
