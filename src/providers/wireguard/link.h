/* The interfaces of tunnels, by rtnetlink. */
#pragma once

#include <glib.h>

typedef struct {
  gboolean exists;
  gboolean up;
  guint32 mtu;
  char alias[256];
  char kind[32]; /* "wireguard", "tun", "" */
} LwTunnelLink;

gboolean lw_tunnel_link_get(const char *ns, const char *name, LwTunnelLink *out, GError **error);
/* Makes a kernel WireGuard interface. LW_ERROR_UNSUPPORTED: this kernel has none. */
gboolean lw_tunnel_link_create(const char *ns, const char *name, GError **error);
gboolean lw_tunnel_link_delete(const char *ns, const char *name, GError **error); /* missing is success */
/* mtu 0: as it is. */
gboolean lw_tunnel_link_set(const char *ns, const char *name, const char *alias, guint32 mtu, gboolean up,
                            GError **error);
