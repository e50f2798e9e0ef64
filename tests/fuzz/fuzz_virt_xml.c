/* Any text is refused, or a domain (or network) whose NICs can be read, edited and put back, and read the
 * same again. */
#include "providers/libvirt/xml.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_nic(const LwVirtDomain *domain, guint index) {
  g_autoptr(LwResource) nic = lw_virt_nic_read(domain, index);
  g_autofree char *text = lw_virt_nic_text(domain, index);
  g_autoptr(LwResource) same = lw_virt_nic_of_text(text, NULL);
  if (!same || g_strcmp0(same->master, nic->master) != 0 || same->up != nic->up)
    g_error("a NIC that reads otherwise alone");
  g_autofree char *edited = lw_virt_nic_edit(domain, index, "there", FALSE, TRUE, TRUE, "lwm1");
  g_autoptr(LwResource) moved = lw_virt_nic_of_text(edited, NULL);
  if (!moved || g_strcmp0(moved->master, "there") != 0 || moved->up || !moved->isolated ||
      g_strcmp0(moved->link, "lwm1") != 0)
    g_error("a NIC that is not where it was put: %s\nwas %s", edited, text);
  g_autofree char *whole = lw_virt_domain_with_nic(domain, index, edited, NULL);
  g_autoptr(LwVirtDomain) after = whole ? lw_virt_domain_parse(whole, NULL) : NULL;
  if (!after || lw_virt_domain_nics(after) != lw_virt_domain_nics(domain))
    g_error("a domain that lost a NIC");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(LwVirtDomain) domain = lw_virt_domain_parse(text, NULL);
  for (guint i = 0; domain && i < lw_virt_domain_nics(domain) && i < 8; i++)
    check_nic(domain, i);
  g_autoptr(LwResource) read = domain ? lw_virt_domain_read(domain) : NULL;
  g_autofree char *written = read ? lw_virt_domain_write(read, domain, "kvm") : NULL;
  g_autoptr(LwResource) network = lw_virt_network_read(text, NULL);
  g_autofree char *network_text = network && network->link ? lw_virt_network_write(network) : NULL;
  g_autoptr(GHashTable) kept = lw_virt_kept_read(text);
  g_autofree char *kept_text = lw_virt_kept_write(kept, TRUE);
  g_autoptr(GHashTable) again = lw_virt_kept_read(kept_text);
  if (g_hash_table_size(again) != g_hash_table_size(kept))
    g_error("what was kept is not what was read");
  return 0;
}
