#include "providers/opnsense/links.h"

#include <string.h>

static LwAddr addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  lw_addr_parse(text, &out);
  return out;
}

/* The n-th network for a WAN whose lease is not known: three of RFC 5737, then RFC 2544's. */
static LwPrefix stand_in4(guint n) {
  static const char *const first[] = {"203.0.113.2", "198.51.100.2", "192.0.2.2"};
  g_autofree char *more = g_strdup_printf("198.18.%u.2", n & 255);
  return lw_prefix_make(addr(n < G_N_ELEMENTS(first) ? first[n] : more), 24);
}

static LwPrefix stand_in6(guint n, gboolean uplink) {
  g_autofree char *text = uplink ? g_strdup_printf("2001:db8:ffff:%x::2", n & 0xffff)
                                 : g_strdup_printf("2001:db8:0:%x::1", n & 0xffff);
  return lw_prefix_make(addr(text), 64);
}

static const LwOpnWireguard *tunnel_of(const LwOpn *opn, const char *device) {
  for (guint i = 0; opn->wireguard && device && i < opn->tunnels->len; i++) {
    const LwOpnWireguard *each = opn->tunnels->pdata[i];
    g_autofree char *name = g_strdup_printf("wg%s", each->instance);
    if (each->enabled && g_str_equal(name, device))
      return each;
  }
  return NULL;
}

static void from_tunnel(LwOpnLink *link, const LwOpnWireguard *tunnel) {
  for (guint i = 0; tunnel && i < tunnel->addresses->len; i++) {
    LwPrefix prefix;
    if (!lw_prefix_parse(tunnel->addresses->pdata[i], &prefix))
      continue;
    LwPrefix *place = prefix.addr.family == 4 ? &link->address4 : &link->address6;
    if (!lw_addr_is_set(&place->addr))
      *place = prefix;
  }
}

static void fill4(LwOpnLink *link, guint *uplinks) {
  const LwOpnInterface *interface = link->interface;
  LwAddr fixed;
  if (!interface->ipaddr)
    return;
  if (lw_addr_parse(interface->ipaddr, &fixed)) {
    guint length = interface->subnet && interface->subnet <= 32 ? interface->subnet : 32;
    if (fixed.family == 4)
      link->address4 = lw_prefix_make(fixed, (guint8)length);
    return;
  }
  link->address4 = stand_in4((*uplinks)++);
  link->stand_in4 = TRUE;
  link->gateway4 = lw_addr_add(&link->address4.addr, -1);
}

static void fill6(LwOpnLink *link, guint *uplinks, guint *inner) {
  const LwOpnInterface *interface = link->interface;
  LwAddr fixed;
  if (!interface->ipaddrv6)
    return;
  if (lw_addr_parse(interface->ipaddrv6, &fixed)) {
    if (fixed.family == 6)
      link->address6 = lw_prefix_make(fixed, (guint8)(interface->subnetv6 ? interface->subnetv6 : 128));
    return;
  }
  gboolean tracks =
      g_str_has_prefix(interface->ipaddrv6, "track") || g_str_equal(interface->ipaddrv6, "idassoc6");
  link->address6 = tracks ? stand_in6((*inner)++, FALSE) : stand_in6((*uplinks)++, TRUE);
  link->stand_in6 = TRUE;
  if (!tracks)
    link->gateway6 = addr("fe80::1");
}

LwOpnLinks *lw_opn_links_guess(const LwOpn *opn) {
  LwOpnLinks *made = g_new0(LwOpnLinks, 1);
  made->links = g_array_new(FALSE, TRUE, sizeof(LwOpnLink));
  guint uplinks4 = 0, uplinks6 = 0, inner6 = 0;
  for (guint i = 0; i < opn->interfaces->len; i++) {
    LwOpnLink link = {.interface = opn->interfaces->pdata[i]};
    if (!link.interface->enabled || !link.interface->device)
      continue;
    from_tunnel(&link, tunnel_of(opn, link.interface->device));
    fill4(&link, &uplinks4);
    fill6(&link, &uplinks6, &inner6);
    g_array_append_val(made->links, link);
  }
  return made;
}

void lw_opn_links_free(LwOpnLinks *links) {
  if (!links)
    return;
  g_array_unref(links->links);
  g_free(links);
}

LwOpnLink *lw_opn_links_leased(const LwOpnLinks *links) {
  for (guint i = 0; i < links->links->len; i++)
    if (g_array_index(links->links, LwOpnLink, i).stand_in4)
      return &g_array_index(links->links, LwOpnLink, i);
  return NULL;
}

LwOpnLink *lw_opn_link(const LwOpnLinks *links, const char *key) {
  for (guint i = 0; key && i < links->links->len; i++) {
    LwOpnLink *each = &g_array_index(links->links, LwOpnLink, i);
    if (g_str_equal(each->interface->key, key))
      return each;
  }
  return NULL;
}

LwOpnLink *lw_opn_link_of_device(const LwOpnLinks *links, const char *device) {
  for (guint i = 0; device && i < links->links->len; i++) {
    LwOpnLink *each = &g_array_index(links->links, LwOpnLink, i);
    if (g_str_equal(each->interface->device, device))
      return each;
  }
  return NULL;
}
