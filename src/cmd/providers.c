#include "cmd/session.h"

#include "providers/cell/cell.h"
#include "providers/container/container.h"
#include "providers/dhcpcd/dhcpcd.h"
#include "providers/dnsmasq/dnsmasq.h"
#include "providers/firewall/firewall.h"
#include "providers/kernel/kernel.h"
#include "providers/libvirt/libvirt.h"
#include "providers/networkmanager/networkmanager.h"
#include "providers/nft/nft.h"
#include "providers/opnsense/opnsense.h"
#include "providers/server/server.h"
#include "providers/wireguard/wireguard.h"

typedef LwProvider *(*Maker)(const LwProviderContext *context, GError **error);

static const Maker makers[] = {
    lw_kernel_provider_new,    lw_networkmanager_provider_new, lw_nft_provider_new,
    lw_wireguard_provider_new, lw_dnsmasq_provider_new,        lw_dhcpcd_provider_new,
    lw_cell_provider_new,      lw_server_provider_new,         lw_container_provider_new,
    lw_libvirt_provider_new,   lw_opnsense_provider_make,      lw_firewall_provider_new,
};

GPtrArray *lw_providers_new(const LwProviderContext *context, GError **error) {
  g_autoptr(GPtrArray) providers = g_ptr_array_new_with_free_func((GDestroyNotify)lw_provider_free);
  for (guint i = 0; i < G_N_ELEMENTS(makers); i++) {
    LwProvider *provider = makers[i](context, error);
    if (!provider)
      return NULL;
    g_ptr_array_add(providers, provider);
  }
  return g_steal_pointer(&providers);
}
