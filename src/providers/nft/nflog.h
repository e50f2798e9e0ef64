/* Packets that a rule logged to an nflog group of one namespace. */
#pragma once

#include <gio/gio.h>

typedef struct {
  char prefix[65];       /* the rule's log prefix */
  char in[17], out[17];  /* interface names, "" when there is none */
  const guint8 *payload; /* from the network header (IP family) or the link header's payload (bridge) */
  gsize length;
  const guint8 *mac; /* nullable: 6 bytes, the sender's */
} LwLoggedPacket;

typedef void (*LwPacketSeen)(const LwLoggedPacket *packet, gpointer data);

typedef struct LwPacketLog LwPacketLog;

LwPacketLog *lw_packet_log_open(const char *netns, guint16 group, GError **error);
void lw_packet_log_close(LwPacketLog *log);
int lw_packet_log_fd(const LwPacketLog *log);
/* Reads what is there and calls seen for each. FALSE and error when the log is broken; lost packets are no
 * error. */
gboolean lw_packet_log_read(LwPacketLog *log, LwPacketSeen seen, gpointer data, GError **error);
