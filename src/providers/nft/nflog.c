#include "providers/nft/nflog.h"

#include "base/error.h"
#include "base/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <sys/socket.h>

#define COPY_BYTES 128 /* headers are enough to name a packet */

struct LwPacketLog {
  struct nflog_handle *handle;
  struct nflog_g_handle *group;
  char *netns;
  LwPacketSeen seen;
  gpointer data;
};

static void name_of(guint32 index, char name[17]) {
  if (!index || !if_indextoname(index, name))
    name[0] = '\0';
}

static int on_packet(struct nflog_g_handle *group, struct nfgenmsg *message, struct nflog_data *packet,
                     void *data) {
  (void)group;
  (void)message;
  LwPacketLog *log = data;
  LwLoggedPacket seen = {0};
  const char *prefix = nflog_get_prefix(packet);
  g_strlcpy(seen.prefix, prefix ? prefix : "", sizeof seen.prefix);
  guint32 port = nflog_get_physindev(packet); /* bridged: indev is the bridge, this its port */
  name_of(port ? port : nflog_get_indev(packet), seen.in);
  name_of(nflog_get_outdev(packet), seen.out);
  char *payload = NULL;
  int length = nflog_get_payload(packet, &payload);
  seen.payload = (const guint8 *)payload;
  seen.length = length > 0 ? (gsize)length : 0;
  struct nfulnl_msg_packet_hw *hw = nflog_get_packet_hw(packet);
  seen.mac = hw && ntohs(hw->hw_addrlen) == 6 ? hw->hw_addr : NULL;
  log->seen(&seen, log->data);
  return 0;
}

static gboolean bind_group(LwPacketLog *log, guint16 group, GError **error) {
  log->handle = nflog_open();
  if (!log->handle) {
    lw_error_set_errno(error, "cannot listen to the packet log");
    return FALSE;
  }
  log->group = nflog_bind_group(log->handle, group);
  if (!log->group || nflog_set_mode(log->group, NFULNL_COPY_PACKET, COPY_BYTES) < 0) {
    lw_error_set_errno(error, "cannot listen to packet log group %u (is another lanward drops running?)",
                       group);
    return FALSE;
  }
  nflog_callback_register(log->group, on_packet, log);
  return TRUE;
}

LwPacketLog *lw_packet_log_open(const char *netns, guint16 group, GError **error) {
  int previous = lw_netns_enter(netns, error);
  if (previous < 0)
    return NULL;
  LwPacketLog *log = g_new0(LwPacketLog, 1);
  log->netns = g_strdup(netns);
  gboolean ok = bind_group(log, group, error);
  lw_netns_leave(previous);
  if (ok)
    return log;
  lw_packet_log_close(log);
  return NULL;
}

void lw_packet_log_close(LwPacketLog *log) {
  if (!log)
    return;
  if (log->group)
    nflog_unbind_group(log->group);
  if (log->handle)
    nflog_close(log->handle);
  g_free(log->netns);
  g_free(log);
}

int lw_packet_log_fd(const LwPacketLog *log) {
  return nflog_fd(log->handle);
}

gboolean lw_packet_log_read(LwPacketLog *log, LwPacketSeen seen, gpointer data, GError **error) {
  char buffer[65536];
  ssize_t n = recv(lw_packet_log_fd(log), buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
      return TRUE;
    lw_error_set_errno(error, "the packet log broke off");
    return FALSE;
  }
  /* interface names belong to the namespace the packets were seen in */
  int previous = lw_netns_enter(log->netns, error);
  if (previous < 0)
    return FALSE;
  log->seen = seen;
  log->data = data;
  nflog_handle_packet(log->handle, buffer, (int)n);
  lw_netns_leave(previous);
  return TRUE;
}
