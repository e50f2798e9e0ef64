/* Real packets: made by hand, sent into a link, seen where they come out. */
#pragma once

#include "flow/packets.h"

#include <glib.h>

#define WIRE_CLIENTS 4
#define WIRE_LOCAL WIRE_CLIENTS /* the place that is the router itself */
#define WIRE_PLACES (WIRE_CLIENTS + 1)

typedef struct {
  guint from; /* client that sends it */
  LwHeader header;
} WirePacket;

/* What came of one packet at one place. */
typedef struct {
  gboolean seen;
  LwAddr source, destination; /* as it arrived; unset where the socket does not tell */
} WireSeen;

typedef struct Wire Wire;

/* Sockets in the clients' namespaces "c0" … (their link is "eth0") and in the router's, "r". */
Wire *wire_open(void);
void wire_close(Wire *wire);
/* Fills in the bytes that make a packet of the header whole: what it holds of checksums is computed, so of
 * protocols without ports `dport` changes. id must be the packet's index in the batch. */
void wire_settle(LwHeader *header, guint id);
/* Sends every packet to each of the MACs, waits until all is quiet. seen: count * WIRE_PLACES, by packet. */
void wire_run(Wire *wire, const WirePacket *packets, guint count, const LwMac *to, guint to_count,
              WireSeen *seen);
