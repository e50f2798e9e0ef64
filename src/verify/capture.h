/* A station: one network namespace with the sockets to send crafted packets from it and to see what arrives
 * in it. Its sockets stay in the namespace; the process itself does not. */
#pragma once

#include "base/addr.h"
#include "verify/packets.h"

#include <poll.h>

typedef struct {
  guint index;
  char *name;
  LwMac mac;
  GArray *addresses; /* of LwPrefix, IPv4 */
} LwLink;

/* How a packet was seen. LOCAL: delivered to the namespace's own sockets, so past its input rules. WIRE: came
 * in by a link, before any rule of layer 3. LEFT: went out by a link, past every rule. CAME: came in by a
 * link that may be a bridge's port, whoever it is for, before any rule. ARP: somebody told who it is. */
typedef enum { LW_SEEN_LOCAL, LW_SEEN_WIRE, LW_SEEN_LEFT, LW_SEEN_CAME, LW_SEEN_ARP } LwHowSeen;

typedef struct {
  LwHowSeen how;
  guint link;      /* all but LOCAL: interface index */
  guint family;    /* 4, 6 */
  LwMac mac;       /* ARP: who has packet.source */
  LwPacket packet; /* family 6, LOCAL: without its addresses */
} LwSighting;

typedef void (*LwSightingFunc)(const LwSighting *sighting, gpointer data);

typedef struct LwStation LwStation;

LwStation *lw_station_open(const char *netns /* nullable */, GError **error);
void lw_station_free(LwStation *station);
/* From now on it tells what is LEFT, too. netns: the same. */
gboolean lw_station_watch_leaving(LwStation *station, const char *netns /* nullable */, GError **error);
/* From now on it tells what answers ARP; ports: and what is CAME (only with lw_station_watch_leaving()). */
gboolean lw_station_watch_answers(LwStation *station, const char *netns /* nullable */, gboolean ports,
                                  GError **error);

const LwLink *lw_station_link_by_name(const LwStation *station, const char *name);
const LwLink *lw_station_link_by_index(const LwStation *station, guint index);
/* The link that has exactly this address, or one whose subnet holds it. */
const LwLink *lw_station_link_of(const LwStation *station, const LwAddr *address);
const LwLink *lw_station_link_towards(const LwStation *station, const LwAddr *address);

/* Sends by the namespace's own routes. FALSE and errno when the kernel refuses (no route, output rules). */
gboolean lw_station_send(LwStation *station, const LwAddr *destination, const guint8 *packet, gsize length);
/* Sends on one link, to one MAC (NULL on links that have none). */
gboolean lw_station_send_frame(LwStation *station, guint link, const LwMac *to, guint16 ethertype,
                               const guint8 *packet, gsize length);

/* Tells the namespace that the MAC on that link has the IPv6 address, until it forgets (about half a minute).
 */
void lw_station_introduce(LwStation *station, guint link, const LwAddr *address, const LwMac *mac);

/* Appends the station's receiving sockets to an array of struct pollfd. */
void lw_station_poll(const LwStation *station, GArray *fds);
/* Hands over all that has come. Returns how many packets were read. */
guint lw_station_drain(LwStation *station, LwSightingFunc func, gpointer data);
/* Packets that the kernel had to drop because a socket's buffer was full, ever. */
guint lw_station_lost(LwStation *station);
