/* Each tunnel lost, by packets: what the static half proves of the kill switch is tried in a copy of the
 * router, since no probe takes a tunnel of a running lab away. */
#pragma once

#include "verify/static.h"

/* A link of the copy that the router does not have: what is caught leaves by it. */
#define LW_WITNESS_LINK "lw-witness"
/* IPv4 identification of packets that no nat chain of the copy translates, nor the flow that they open. */
#define LW_ID_UNTRANSLATED 0x6c00

typedef void (*LwLeft)(const char *link, const guint8 *packet, gsize length, gpointer data);

/* A copy of the router's namespace with its packet rules: who has one (cmd) lends it. */
typedef struct {
  gboolean (*lose)(const char *link, gboolean lost, gpointer data, GError **error);
  /* what no route of an exit refuses leaves by LW_WITNESS_LINK, whatever else would stop it then */
  gboolean (*catch_rest)(gboolean on, gpointer data, GError **error);
  /* what comes in by the link `from` goes out by the link `to`, whatever the routes say, or does not any more
   */
  gboolean (*lead)(const char *from, const char *to, gboolean on, gpointer data, GError **error);
  gboolean (*send)(const char *link, const guint8 *packet, gsize length, gpointer data);
  void (*receive)(LwLeft left, gpointer left_data, gpointer data);
  gpointer data;
} LwRouterCopy;

/* For each tunnel, of what each segment sends by it, packets on both sides of its sets' edges, sent three
 * times: with the tunnel there (they leave by it: the copy is right), with it lost (they leave by nothing),
 * and with all that stands behind its exit's routes out of their way (still by nothing). Adds violations,
 * packets, and to left_out what could not be tried. */
void lw_verify_lost_tunnels(const LwLab *lab, const LwStatic *proof, const LwRouterCopy *copy,
                            LwVerifyReport *report);

/* Open flows led to another exit: what each segment and each forward opens by its own way, answered there,
 * and then led out by every exit that its source has no flow by: it may not leave by it, neither as it is
 * translated nor as it was sent. Adds violations, packets, and to left_out what could
 * not be opened. */
void lw_verify_led_flows(const LwLab *lab, const LwStatic *proof, const LwRouterCopy *copy,
                         LwVerifyReport *report);

/* Between lost.c and led.c: packets that could be a machine's, and go to the internet. */
gboolean lw_lost_is_at_gateway(const LwStaticRow *row);
gboolean lw_lost_is_machine(const LwSegment *segment, const LwAddr *address);
gboolean lw_lost_is_far(const LwAddr *address, gpointer data);
