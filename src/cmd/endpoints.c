#include "cmd/endpoints.h"

#include "base/netns.h"
#include "policy/names.h"
#include "providers/wireguard/wireguard.h"

/* WireGuard's own: a session of 180 s without a new handshake is dead, and one is due after 120 s, tried
 * again every 5 s (contrib/reresolve-dns of wireguard-tools takes the same time). */
#define STALE_S 135

static gboolean is_stale(const char *ns, const char *link) {
  gint64 last = lw_wireguard_last_handshake(ns, link);
  return last >= 0 && g_get_real_time() / G_USEC_PER_SEC - last > STALE_S;
}

/* One that is an address is asked nobody for. */
static gboolean is_named(const LwTunnel *tunnel) {
  LwAddr addr;
  const char *host = tunnel->wg.endpoint_host;
  return host && *host && !lw_addr_parse(host, &addr);
}

static gboolean is_ours(const LwSession *session) {
  return session->host && session->lab->router.kind == LW_ROUTER_BUILTIN &&
         (session->lab->manage & LW_MANAGE_ROUTER);
}

void lw_endpoints_ask_again(LwSession *session) {
  const char *ns = session->facts->router_ns;
  if (!is_ours(session) || !lw_netns_exists(ns))
    return;
  for (guint i = 0; i < session->lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(session->lab, i);
    g_autofree char *link = lw_name_tunnel(tunnel);
    if (is_named(tunnel) && is_stale(ns, link) && !lw_host_resolve_again(tunnel, session->facts))
      return; /* nor would the resolver answer for the next one, and each waits for seconds */
  }
}

GPtrArray *lw_endpoints_named(const LwSession *session) {
  GPtrArray *links = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; is_ours(session) && i < session->lab->tunnels->len; i++)
    if (is_named(lw_lab_tunnel(session->lab, i)))
      g_ptr_array_add(links, lw_name_tunnel(lw_lab_tunnel(session->lab, i)));
  return links;
}

gboolean lw_endpoints_are_stale(const char *router_ns, const GPtrArray *links) {
  for (guint i = 0; i < links->len; i++)
    if (is_stale(router_ns, links->pdata[i]))
      return TRUE;
  return FALSE;
}
