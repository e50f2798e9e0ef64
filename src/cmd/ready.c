#include "cmd/ready.h"

#include "base/netns.h"
#include "base/process.h"
#include "policy/names.h"
#include "providers/dhcpcd/dhcpcd.h"
#include "providers/wireguard/wireguard.h"
#include "verify/capture.h"

#include <linux/if_ether.h>
#include <string.h>

#define DHCP_PORT ":0043 " /* 67, as /proc/net/udp writes it (proc(5)) */

static gboolean has_wan_lease(const LwSession *session) {
  g_auto(LwDhcpLease) lease = {0};
  return lw_dhcp_lease_read(session->context.run_dir, session->facts->router_ns, LW_ROUTER_WAN, &lease, NULL);
}

static gboolean leaves(const LwLab *lab) {
  for (guint i = 0; i < lab->segments->len; i++)
    if (lw_lab_segment(lab, i)->egress != LW_EGRESS_NONE)
      return TRUE;
  return FALSE;
}

static gboolean serves_dhcp(const LwLab *lab) {
  for (guint i = 0; i < lab->segments->len; i++)
    if (lw_lab_segment(lab, i)->has_dhcp)
      return TRUE;
  return FALSE;
}

static gboolean answers_dhcp(const LwSession *session) {
  g_autofree char *text = NULL;
  int previous = lw_netns_enter(session->facts->router_ns, NULL);
  if (previous < 0)
    return FALSE;
  gboolean read = g_file_get_contents("/proc/thread-self/net/udp", &text, NULL, NULL);
  lw_netns_leave(previous);
  return read && strstr(text, DHCP_PORT);
}

/* The active exit of a segment, or one that some of its sources are pinned to. */
static gboolean is_used(const LwSession *session, guint tunnel) {
  for (guint i = 0; i < session->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(session->lab, i);
    if (segment->egress != LW_EGRESS_TUNNELS)
      continue;
    if (lw_active_exit(session->lab, session->facts, i) == tunnel)
      return TRUE;
    for (guint p = 0; p < segment->pins->len; p++)
      if (((const LwPin *)segment->pins->pdata[p])->tunnel == tunnel)
        return TRUE;
  }
  return FALSE;
}

/* An echo request to its own resolver, straight into the tunnel: the router's rules let nothing of the kind
 * out. Where it ends does not matter; that it is encrypted takes a handshake. */
static void wake(const LwSession *session, const LwTunnel *tunnel, const char *name) {
  LwStation *station = lw_station_open(session->facts->router_ns, NULL);
  const LwLink *link = station ? lw_station_link_by_name(station, name) : NULL;
  if (link && link->addresses->len) {
    LwAddr own = g_array_index(link->addresses, LwPrefix, 0).addr;
    LwAddr far = tunnel->wg.dns->len ? g_array_index(tunnel->wg.dns, LwAddr, 0) : own;
    guint8 bytes[LW_PACKET_MAX];
    LwPacket packet = {.role = LW_PACKET_REQUEST, .proto = LW_PROTO_ICMP, .source = own, .destination = far};
    gsize length = lw_packet_build(&packet, bytes);
    (void)lw_station_send_frame(station, link->index, NULL, ETH_P_IP, bytes, length); /* tried again */
  }
  if (station)
    lw_station_free(station);
}

static void look_at_tunnels(const LwSession *session, GPtrArray *waits) {
  for (guint i = 0; i < session->lab->tunnels->len; i++) {
    const LwTunnel *tunnel = lw_lab_tunnel(session->lab, i);
    g_autofree char *name = lw_name_tunnel(tunnel);
    if (!is_used(session, i) || lw_wireguard_handshake(session->facts->router_ns, name))
      continue;
    wake(session, tunnel, name);
    g_ptr_array_add(waits, g_strdup_printf("tunnel %s has had no handshake", tunnel->name));
  }
}

static void look_at_opnsense(const LwSession *session, GPtrArray *waits) {
  g_autofree char *address = lw_addr_format(&session->lab->host.management.router);
  const char *argv[] = {"ping", "-n", "-q", "-c", "1", "-W", "1", address, NULL};
  g_autofree char *out = lw_command_run(&(LwCommand){.argv = argv}, NULL);
  if (!out)
    g_ptr_array_add(waits, g_strdup_printf("the router does not answer at %s", address));
}

GPtrArray *lw_router_waits_for(const LwSession *session) {
  const LwLab *lab = session->lab;
  GPtrArray *waits = g_ptr_array_new_with_free_func(g_free);
  if (lab->router.kind == LW_ROUTER_OPNSENSE) {
    look_at_opnsense(session, waits);
    return waits;
  }
  if (!(lab->manage & LW_MANAGE_ROUTER))
    return waits; /* somebody else's */
  if (leaves(lab) && !has_wan_lease(session))
    g_ptr_array_add(waits, g_strdup("WAN has no address yet"));
  if (serves_dhcp(lab) && !answers_dhcp(session))
    g_ptr_array_add(waits, g_strdup("nobody answers DHCP yet"));
  if (waits->len == 0)
    look_at_tunnels(session, waits);
  return waits;
}
